/* SPDX-License-Identifier: Apache-2.0 */
#include "ha/notary.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/worker.h"
#include "crypto/keys.h"

#define REMEMBERED 32 /* more than all nodes name at once */
#define KEYS_MS 2000  /* a keyd that does not answer for so long is none */
#define RETRY_MS 500

/* What was asked, and the verdict. */
struct matter {
	bool used, own; /* own: the proof is wanted */
	struct epoch_claim claim;
	enum notary_verdict verdict;
};

struct notary {
	struct worker worker;
	struct matter matters[REMEMBERED];
	unsigned next; /* whose place is taken next */
	int keys_fd;   /* to be taken over by the thread, -1 none */
	bool lost;
	int64_t asked_ms;  /* when another connection was last asked for */
	struct keys *keys; /* the thread's */
};

/* ---- the thread ---- */

static struct matter *
find_open(struct notary *n)
{
	for (size_t i = 0; i < REMEMBERED; i++) {
		if (n->matters[i].used && n->matters[i].verdict == NOTARY_ASKED)
			return &n->matters[i];
	}
	return NULL;
}

static int
ask_keyd(struct notary *n, struct matter *m, struct err *e)
{
	return m->own ? keys_epoch(n->keys, NULL, m->claim.epoch.counter,
				   m->claim.epoch.incarnation, m->claim.proof, e)
		      : keys_epoch_check(n->keys, NULL, &m->claim, e);
}

static void
take_over(struct notary *n)
{
	if (n->keys_fd < 0)
		return;
	keys_free(n->keys);
	n->keys = keys_new(NULL, n->keys_fd);
	n->keys_fd = -1;
	n->lost = false;
}

static bool
is_same(const struct matter *a, const struct matter *b)
{
	return a->used && a->own == b->own && epoch_cmp(&a->claim.epoch, &b->claim.epoch) == 0 &&
	       (a->own || memcmp(a->claim.proof, b->claim.proof, sizeof(a->claim.proof)) == 0);
}

static struct matter *
find(struct notary *n, const struct matter *of)
{
	for (size_t i = 0; i < REMEMBERED; i++) {
		if (is_same(&n->matters[i], of))
			return &n->matters[i];
	}
	return NULL;
}

static int64_t
take_turn(void *arg)
{
	struct notary *n = arg;
	struct matter *m = find_open(n), asked;
	struct err e = { 0 };

	take_over(n);
	if (!m || !n->keys || n->lost)
		return WORKER_WHEN_WOKEN; /* a new connection wakes it */
	asked = *m;
	worker_unlock(&n->worker);
	int rc = ask_keyd(n, &asked, &e);
	if (rc && (asked.own || rc != ERR_CRYPTO))
		log_err(LOG_LEVEL_WARNING, &e, "an epoch could not be %s",
			asked.own ? "proved" : "checked");
	worker_lock(&n->worker);
	if (rc == ERR_KEYS_UNAVAILABLE) {
		n->lost = true;
		return 0;
	}
	asked.verdict = rc ? NOTARY_FALSE : NOTARY_TRUE;
	m = find(n, &asked);
	if (m)
		*m = asked;
	return 0;
}

/* ---- for the agent ---- */

struct notary *
notary_new(void)
{
	struct notary *n = mem_new(sizeof(*n));

	n->keys_fd = -1;
	n->lost = true;
	worker_init(&n->worker);
	worker_start(&n->worker, "notary", take_turn, NULL, n);
	return n;
}

void
notary_attach(struct notary *n, int keys_fd)
{
	struct timeval patience = { .tv_sec = KEYS_MS / 1000 };

	setsockopt(keys_fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(keys_fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	worker_lock(&n->worker);
	if (n->keys_fd >= 0)
		close(n->keys_fd);
	n->keys_fd = keys_fd;
	worker_wake(&n->worker);
	worker_unlock(&n->worker);
}

bool
notary_lost_keys(struct notary *n, int64_t now_ms, bool *ret_ask)
{
	worker_lock(&n->worker);
	bool lost = n->lost && n->keys_fd < 0;
	*ret_ask = lost && now_ms - n->asked_ms >= RETRY_MS;
	if (*ret_ask)
		n->asked_ms = now_ms;
	worker_unlock(&n->worker);
	return lost;
}

static enum notary_verdict
look_up(struct notary *n, struct matter *m)
{
	worker_lock(&n->worker);
	struct matter *known = find(n, m);
	if (known) {
		*m = *known;
	} else {
		n->matters[n->next] = *m;
		n->next = (n->next + 1) % REMEMBERED;
		worker_wake(&n->worker);
	}
	worker_unlock(&n->worker);
	return m->verdict;
}

enum notary_verdict
notary_check(struct notary *n, const struct epoch_claim *c)
{
	struct matter m = { .used = true, .claim = *c };

	return epoch_has_proof(c) ? look_up(n, &m) : NOTARY_FALSE;
}

enum notary_verdict
notary_prove(struct notary *n, struct epoch_claim *c)
{
	struct matter m = { .used = true, .own = true, .claim.epoch = c->epoch };

	if (look_up(n, &m) == NOTARY_TRUE)
		*c = m.claim;
	return m.verdict;
}
