/* SPDX-License-Identifier: Apache-2.0 */
#include "ha/replication_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

void
replication_slot_name(const struct uuid *node, char ret[static REPLICATION_SLOT_MAX])
{
	char *at = ret + sprintf(ret, REPLICATION_SLOT_PREFIX);

	for (size_t i = 0; i < sizeof(node->b); i++)
		at += sprintf(at, "%02x", node->b[i]);
}

/* PostgreSQL's own bound on a statement: a look that takes longer is no news. */
struct db *
replication_connect(const struct replication *r, const char *application, struct err *e)
{
	auto_buf info = BUF_INIT;

	buf_addf(&info,
		 "%s connect_timeout=3 options='-c statement_timeout=3000 -c "
		 "synchronous_commit=local'",
		 r->conninfo);
	struct db_options o = { .conninfo = buf_str(&info), .application = application };
	return db_open(&o, e);
}

struct replication *
replication_new(const struct home *h, const char *conninfo, const struct uuid *self)
{
	struct replication *r = mem_new(sizeof(*r));

	r->home = *h;
	r->conninfo = mem_dup(conninfo);
	r->self = *self;
	replication_step_init(&r->view.step, clock_mono_ms());
	worker_init(&r->worker);
	replication_start_looks(r);
	replication_start_orders(r);
	replication_start_knocks(r);
	return r;
}

void
replication_look(struct replication *r, struct replication_view *ret)
{
	worker_lock(&r->worker);
	*ret = r->view;
	worker_unlock(&r->worker);
}

void
replication_want(struct replication *r, const char *sync_names)
{
	worker_lock(&r->worker);
	if (!r->wish || strcmp(r->wanted, sync_names) != 0) {
		text_copy(r->wanted, sizeof(r->wanted), sync_names);
		r->wish = true;
		worker_wake(&r->worker);
	}
	worker_unlock(&r->worker);
}

void
replication_prove(struct replication *r, const struct replication_proof *p, unsigned n)
{
	worker_lock(&r->worker);
	r->proofs_n = n;
	memcpy(r->proofs, p, n * sizeof(*p));
	worker_unlock(&r->worker);
}

void
replication_follow(struct replication *r, const char *conninfo)
{
	worker_lock(&r->worker);
	if (strcmp(r->follow, conninfo) != 0) {
		text_copy(r->follow, sizeof(r->follow), conninfo);
		worker_wake(&r->worker);
	}
	worker_unlock(&r->worker);
}

bool
replication_request(struct replication *r, int kind, const struct uuid *object, const char *body)
{
	worker_lock(&r->worker);
	bool taken = !r->request.kind;
	if (taken) {
		r->request.kind = kind;
		r->request.object = *object;
		r->request.body = mem_dup(body);
	}
	worker_unlock(&r->worker);
	return taken;
}

enum replication_fate
replication_withdraw(struct replication *r, int kind, const struct uuid *object, int wait_ms)
{
	int64_t until = clock_mono_ms() + wait_ms;
	enum replication_fate fate = REPLICATION_UNKNOWN;

	worker_lock(&r->worker);
	r->withdrawal.kind = kind;
	r->withdrawal.object = *object;
	while (r->withdrawal.kind && clock_mono_ms() < until) {
		worker_unlock(&r->worker);
		clock_sleep_ms(20);
		worker_lock(&r->worker);
	}
	if (!r->withdrawal.kind)
		fate = r->withdrawal.fate;
	worker_unlock(&r->worker);
	return fate;
}

static bool
is_proven(const struct replication_view *v, const char *slot)
{
	for (unsigned i = 0; i < v->standbys_n; i++) {
		if (strcmp(v->standbys[i].name, slot) == 0 &&
		    replication_is_proven(v, &v->standbys[i]))
			return true;
	}
	return false;
}

void
replication_names(const struct replication_view *v, const struct uuid *self,
		  char ret[static REPLICATION_NAMES_MAX])
{
	bool proven = replication_best_flush(v) >= 0;
	auto_buf names = BUF_INIT;

	for (unsigned i = 0; i < v->nodes_n; i++) {
		char slot[REPLICATION_SLOT_MAX];

		if (uuid_eq(&v->nodes[i].id, self))
			continue;
		replication_slot_name(&v->nodes[i].id, slot);
		if (proven && !is_proven(v, slot))
			continue;
		buf_addf(&names, "%s\"%s\"", names.len ? ", " : "", slot);
	}
	if (names.len)
		snprintf(ret, REPLICATION_NAMES_MAX, "ANY 1 (%s)", buf_str(&names));
	else
		ret[0] = '\0';
}

void
replication_free(struct replication *r)
{
	if (!r)
		return;
	worker_done(&r->worker);
	free(r->request.body);
	free(r->conninfo);
	free(r);
}
