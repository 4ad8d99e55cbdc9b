/* SPDX-License-Identifier: Apache-2.0 */
#include "ha/herald.h"

#include <string.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/worker.h"
#include "ha/channel.h"
#include "http/client.h"
#include "store/db.h"

#define PAUSE_MS 1000 /* behind the first attempt; each pause is twice the one before */
#define PAUSE_MAX_MS 8000
#define PATIENCE_MS 3000 /* as long as a connection takes on a slow and lossy line */
#define BODY_MAX 4096

/* One other node. */
struct other {
	struct worker worker;
	const struct home *home;
	bool used;
	struct herald_target target;
	struct epoch_claim claim;
	unsigned tries;
	int64_t tried_ms;
};

struct herald {
	struct home home;
	struct other others[HERALD_OTHERS_MAX];
};

int64_t
herald_due(const struct epoch *told, const struct epoch *named, unsigned tries, int64_t tried_ms)
{
	int64_t pause = PAUSE_MS;

	if (told->counter == 0 || !epoch_is_later(told, named))
		return WORKER_WHEN_WOKEN;
	for (unsigned i = 1; i < tries && pause < PAUSE_MAX_MS; i++)
		pause *= 2;
	return tries ? tried_ms + pause : 0;
}

/* ---- the thread ---- */

/* The answer tells nothing that is needed: the node's own word of its epoch is heard by the probe. */
static int
tell_service(const struct herald_target *t, const char *epoch, const char *proof, struct err *e)
{
	const struct client_options o = {
		.base = t->url,
		.hear_untrusted = true,
		.body_max = BODY_MAX,
		.connect_ms = PATIENCE_MS,
		.total_ms = PATIENCE_MS,
	};
	struct client *c = client_new(&o, e);
	struct client_reply reply = { 0 };
	auto_buf body = BUF_INIT;
	struct json_out w;

	if (!c)
		return e->code;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_text(&w, "epoch", epoch);
	json_out_text(&w, "proof", proof);
	json_out_end_object(&w);
	int rc = client_call(c, "POST", "/v1/sys/epoch", buf_str(&body), &reply, NULL, e);
	if (reply.status)
		rc = reply.status == 200
			     ? 0
			     : err_set(e, ERR_REFUSED, "%s answers %d", t->url, reply.status);
	client_reply_done(&reply);
	client_free(c);
	return rc;
}

/* A secondary cannot take it in, and need not: it serves as nobody's primary. */
static int
tell_database(const struct home *h, const struct herald_target *t, const char *epoch,
	      const char *proof, struct err *e)
{
	struct channel_primary p = { .port = t->pair_port };
	struct db_options o = { .application = "holdfast epoch" };
	auto_buf info = BUF_INIT;
	auto_binds b = BINDS_INIT;

	text_copy(p.host, sizeof(p.host), t->host);
	channel_conninfo(h, CHANNEL_TELL, &p, &info);
	o.conninfo = buf_str(&info);
	struct db *d = db_open(&o, e);
	if (!d)
		return ERR_DB_GONE;
	bind_text(&b, epoch);
	bind_text(&b, proof);
	int rc = db_exec(d, NULL, STMT_DEPOSIT_TELL, &b, NULL, e);
	db_free(d);
	return rc;
}

static void
tell(const struct home *h, const struct herald_target *t, const struct epoch_claim *c, bool first)
{
	char epoch[EPOCH_TEXT_MAX], proof[EPOCH_PROOF_TEXT_MAX];
	struct err service = { 0 }, database = { 0 };

	epoch_text(&c->epoch, epoch);
	epoch_proof_text(c, proof);
	bool heard = tell_service(t, epoch, proof, &service) == 0;
	heard |= tell_database(h, t, epoch, proof, &database) == 0;
	if (heard)
		log_info("%s was told that epoch %s was begun", t->host, epoch);
	else if (first)
		log_err(LOG_LEVEL_INFO, &service, "%s cannot be told yet that epoch %s was begun",
			t->host, epoch);
}

static int64_t
take_turn(void *arg)
{
	struct other *o = arg;
	struct herald_target t = o->target;
	struct epoch_claim c = o->claim;
	int64_t now = clock_mono_ms();
	int64_t due =
		o->used ? herald_due(&c.epoch, &t.named, o->tries, o->tried_ms) : WORKER_WHEN_WOKEN;

	if (due > now)
		return due;
	bool first = o->tries++ == 0;
	o->tried_ms = now;
	worker_unlock(&o->worker);
	tell(o->home, &t, &c, first);
	worker_lock(&o->worker);
	return 0; /* looks when it is due again */
}

/* ---- for the agent ---- */

struct herald *
herald_new(const struct home *h)
{
	struct herald *r = mem_new(sizeof(*r));

	r->home = *h;
	return r;
}

static struct other *
place_of(struct herald *r, const struct uuid *id)
{
	struct other *vacant = NULL;

	for (size_t i = 0; i < HERALD_OTHERS_MAX; i++) {
		struct other *o = &r->others[i];

		if (o->used && uuid_eq(&o->target.id, id))
			return o;
		if (!o->used && !vacant)
			vacant = o;
	}
	return vacant;
}

/* What is new is told at once. */
static void
aim(struct herald *r, struct other *o, const struct herald_target *t, const struct epoch_claim *c)
{
	if (!o->home) {
		o->home = &r->home;
		worker_init(&o->worker);
		worker_start(&o->worker, "herald", take_turn, NULL, o);
	}
	worker_lock(&o->worker);
	bool news = !o->used || !uuid_eq(&o->target.id, &t->id) ||
		    epoch_cmp(&o->claim.epoch, &c->epoch) != 0;
	if (news)
		o->tries = 0;
	if (news || epoch_cmp(&o->target.named, &t->named) != 0)
		worker_wake(&o->worker);
	o->used = true;
	o->target = *t;
	o->claim = *c;
	worker_unlock(&o->worker);
}

static bool
is_named(const struct herald_target *t, unsigned n, const struct uuid *id)
{
	for (unsigned i = 0; i < n; i++) {
		if (uuid_eq(&t[i].id, id))
			return true;
	}
	return false;
}

void
herald_tell(struct herald *r, const struct epoch_claim *c, const struct herald_target *t,
	    unsigned n)
{
	for (size_t i = 0; i < HERALD_OTHERS_MAX; i++) {
		struct other *o = &r->others[i];

		if (!o->used || is_named(t, n, &o->target.id))
			continue;
		worker_lock(&o->worker);
		o->used = false;
		worker_unlock(&o->worker);
	}
	for (unsigned i = 0; i < n; i++) {
		struct other *o = place_of(r, &t[i].id);

		if (o)
			aim(r, o, &t[i], c);
	}
}
