/* SPDX-License-Identifier: Apache-2.0 */
#include "ha/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/worker.h"
#include "ha/resolve.h"
#include "http/client.h"

#define HANDSHAKE_EVERY_MS 20000 /* how often the connection is made anew */
#define HELP_AFTER_MS 400	 /* so long the first attempt to make one is alone */
#define HELP_KEPT_MS 1000	 /* and so long one that asks over a kept connection */
#define UNKNOWN_MS 10		 /* the first look-up of the name is awaited so closely */

enum { LANES = 2, NOBODY = -1 };

/* One of the two threads. */
struct lane {
	struct probe *p;
	int number;
	struct client *client;
	unsigned aim;
	int64_t asked_ms; /* of the attempt in flight, 0 none */
	int64_t rested_ms; /* until then it pauses behind its last attempt, unless the target changes */
};

struct probe {
	struct worker worker; /* two threads, the lanes */
	unsigned aim;	      /* grows when the target changes */
	int keeper;	      /* the lane whose connection is kept */
	int64_t fresh_ms;     /* when a new connection was last begun */
	struct probe_target target;
	struct probe_view view;
	struct resolve *resolve;
	struct lane lanes[LANES];
};

static void
copy_target(struct probe_target *to, const struct probe_target *from)
{
	free(to->trust);
	*to = *from;
	to->trust = mem_dup(from->trust ? from->trust : "");
}

static enum probe_outcome
outcome_of_failure(enum client_failure f)
{
	switch (f) {
	case CLIENT_REFUSED:
		return PROBE_REFUSED;
	case CLIENT_UNTRUSTED:
	case CLIENT_EXPIRED:
		return PROBE_UNTRUSTED;
	case CLIENT_BAD_NAME:
		return PROBE_BAD_NAME;
	case CLIENT_OTHER: /* a connection that ended in the middle: the process there went away */
		return PROBE_REFUSED;
	default:
		return PROBE_SILENT;
	}
}

static enum probe_outcome
outcome_of_status(int status)
{
	if (status == 200)
		return PROBE_OK;
	return status == 429 ? PROBE_STANDBY : PROBE_CANNOT;
}

struct attempt {
	enum probe_outcome outcome;
	struct probe_reply reply;
	bool has_reply;
	struct epoch_claim claim; /* of a reply, or of an answer of somebody who is not trusted */
	int64_t sent_us, got_us;
	struct certlife shown;
	char failure[256];
};

static void
take_reply(struct attempt *a, const struct client_reply *r)
{
	struct err e = { 0 };

	a->outcome = outcome_of_status(r->status);
	if (!probe_parse(buf_str(&r->body), r->body.len, &a->reply, &e)) {
		a->has_reply = true;
		a->claim = a->reply.epoch;
		return;
	}
	/* Something else answers on that port. */
	a->outcome = PROBE_CANNOT;
	text_fit(a->failure, sizeof(a->failure), "%s", e.text);
}

static void
ask(struct client *c, struct attempt *a)
{
	struct client_reply r = { 0 };
	struct err e = { 0 };
	enum client_failure f = CLIENT_OK;

	a->sent_us = clock_now_us();
	int code = client_call(c, "GET", "/v1/sys/health", NULL, &r, &f, &e);
	a->got_us = clock_now_us();
	client_cert_times(c, &a->shown.from_us, &a->shown.to_us);
	if (code) {
		a->outcome = outcome_of_failure(f);
		text_fit(a->failure, sizeof(a->failure), "%s", e.text);
		probe_parse_claim(buf_str(&r.body), r.body.len, &a->claim);
		client_reply_done(&r);
		return;
	}
	take_reply(a, &r);
	client_reply_done(&r);
}

/* A kept connection that fails is kept no longer; of those that are answered the one begun last is kept. */
static void
note_keeper(struct lane *l, bool answered, int64_t asked_ms)
{
	struct probe *p = l->p;

	if (answered && (p->keeper == NOBODY || asked_ms >= p->fresh_ms))
		p->keeper = l->number;
	else if (!answered && p->keeper == l->number)
		p->keeper = NOBODY;
	worker_wake(&p->worker);
}

static void
note_attempt(struct probe *p, const struct attempt *a, int64_t asked_ms)
{
	struct probe_view *v = &p->view;
	int64_t now = clock_mono_ms();
	bool serves = a->has_reply && strcmp(a->reply.mode, "primary") == 0;

	if (epoch_has_proof(&a->claim))
		v->claim = a->claim;
	if (!probe_note(&v->sense, a->outcome, serves, asked_ms, now))
		return;
	memcpy(v->failure, a->failure, sizeof(v->failure));
	if (a->shown.to_us)
		v->shown = a->shown;
	if (!a->has_reply)
		return;
	v->reply = a->reply;
	v->reply_ms = now;
	v->round_trip_us = a->got_us - a->sent_us;
	if (a->reply.time_us)
		v->skew_us = a->reply.time_us - (a->sent_us + v->round_trip_us / 2);
}

static struct client *
connect_client(const struct probe_target *t, const char *addresses, int64_t patience_ms)
{
	char resolve[sizeof(t->name) + RESOLVE_TEXT_MAX + 16];
	struct err e = { 0 };
	struct client_options o = {
		.base = t->url,
		.trust_pem = t->trust,
		.despite_expiry = true,
		.hear_untrusted = true,
		.body_max = PROBE_BODY_MAX + 1,
		.connect_ms = (int)patience_ms,
		.total_ms = (int)patience_ms,
	};

	snprintf(resolve, sizeof(resolve), "%s:%d:%s", t->name, t->port, addresses);
	if (!strchr(t->name, ':')) /* an address of IPv6 needs no looking up */
		o.resolve = resolve;
	return client_new(&o, &e);
}

/* Where the node is: known, or why not. false: nothing is known yet, and it is being looked up. */
static bool
find_node(struct probe *p, struct attempt *a, struct resolve_view *where)
{
	resolve_look(p->resolve, where);
	if (where->addresses[0])
		return true;
	if (!where->failure[0])
		return false;
	a->outcome = PROBE_BAD_NAME;
	text_fit(a->failure, sizeof(a->failure),
		 "%s cannot be reached: the host name is not known; check DNS or /etc/hosts (%s)",
		 p->target.url, where->failure);
	return true;
}

/* Called and returns with the lock held, which is given back in between. */
static void
ask_over(struct lane *l, struct attempt *a, const struct resolve_view *where, bool kept)
{
	struct probe *p = l->p;
	struct probe_target t = { 0 };
	bool silent = probe_is_silent(&p->view.sense, p->target.detect_ms, clock_mono_ms());
	int64_t patience = probe_patience(p->target.detect_ms, kept, l->number > 0, silent);

	copy_target(&t, &p->target);
	worker_unlock(&p->worker);
	if (!l->client)
		l->client = connect_client(&t, where->addresses, patience);
	if (l->client) {
		client_set_patience(l->client, (int)patience);
		ask(l->client, a);
	}
	free(t.trust);
	worker_lock(&p->worker);
}

/* What the settings or the node table changed counts from the next attempt on. */
static void
aim_anew(struct lane *l)
{
	if (l->aim == l->p->aim)
		return;
	l->aim = l->p->aim;
	if (l->p->keeper == l->number)
		l->p->keeper = NOBODY;
}

/* One attempt; called and returns with the lock held. false: where the node is is not known yet. */
static bool
attempt_once(struct lane *l, int64_t now)
{
	struct attempt a = { .outcome = PROBE_SILENT };
	struct resolve_view where;
	struct probe *p = l->p;

	aim_anew(l);
	bool kept = p->keeper == l->number;
	probe_ask(&p->view.sense, kept, now);
	if (!find_node(p, &a, &where))
		return false;
	l->asked_ms = now;
	if (!kept) {
		p->fresh_ms = now;
		client_free(TAKE(l->client));
	}
	worker_wake(&p->worker);
	if (where.addresses[0])
		ask_over(l, &a, &where, kept);
	/* What was asked of another address, or how a connection beside the kept one failed, says nothing of the node. */
	if (l->aim == p->aim && (kept || a.has_reply || p->keeper == NOBODY))
		note_attempt(p, &a, now);
	if (!kept)
		p->view.fresh = a.outcome;
	if (!kept && !a.has_reply)
		resolve_doubt(p->resolve);
	l->asked_ms = 0;
	note_keeper(l, a.has_reply, now);
	return true;
}

/* When this lane may ask next: at once, later, or when something changes. */
static int64_t
next_turn(const struct lane *l)
{
	const struct probe *p = l->p;
	const struct lane *other = &p->lanes[!l->number];
	int64_t helps = WORKER_WHEN_WOKEN;

	if (p->keeper == l->number || (p->keeper == NOBODY && l->number == 0))
		return 0;
	if (other->asked_ms)
		helps = other->asked_ms + (p->keeper == NOBODY ? HELP_AFTER_MS : HELP_KEPT_MS);
	if (p->keeper == NOBODY || p->fresh_ms + HANDSHAKE_EVERY_MS > helps)
		return helps;
	return p->fresh_ms + HANDSHAKE_EVERY_MS;
}

static int64_t
take_turn(void *arg)
{
	struct lane *l = arg;
	struct probe *p = l->p;
	int64_t now = clock_mono_ms(), turn;

	if (l->aim == p->aim && now < l->rested_ms)
		return l->rested_ms;
	if (p->keeper != l->number)
		client_free(TAKE(l->client));
	turn = next_turn(l);
	if (turn > now)
		return turn;
	bool asked = attempt_once(l, now);
	l->rested_ms =
		now + (asked ? probe_pause(&p->view.sense, p->target.probe_ms, p->target.refused_ms)
			     : UNKNOWN_MS);
	return l->rested_ms;
}

static void
end_lane(void *arg)
{
	struct lane *l = arg;

	client_free(TAKE(l->client));
}

static void
destroy(void *arg)
{
	struct probe *p = arg;

	worker_done(&p->worker);
	resolve_let_go(p->resolve);
	free(p->target.trust);
	free(p);
}

struct probe *
probe_new(const struct probe_target *t)
{
	struct probe *p = mem_new(sizeof(*p));

	copy_target(&p->target, t);
	p->keeper = NOBODY;
	p->resolve = resolve_new(t->name);
	for (int i = 0; i < LANES; i++)
		p->lanes[i] = (struct lane){ .p = p, .number = i };
	worker_init(&p->worker);
	for (int i = 0; i < LANES; i++)
		worker_start(&p->worker, "probe", take_turn, end_lane, &p->lanes[i]);
	return p;
}

void
probe_aim(struct probe *p, const struct probe_target *t)
{
	worker_lock(&p->worker);
	struct probe_target *o = &p->target;
	bool moved = o->mark != t->mark || strcmp(o->url, t->url) != 0 ||
		     strcmp(o->trust, t->trust ? t->trust : "") != 0;

	if (strcmp(o->name, t->name) != 0) {
		resolve_let_go(p->resolve);
		p->resolve = resolve_new(t->name);
	}
	if (moved || o->probe_ms != t->probe_ms || o->refused_ms != t->refused_ms ||
	    o->detect_ms != t->detect_ms) {
		copy_target(o, t);
		p->aim++;
		worker_wake(&p->worker);
	}
	worker_unlock(&p->worker);
}

void
probe_was_away(struct probe *p)
{
	worker_lock(&p->worker);
	probe_begin_anew(&p->view.sense, clock_mono_ms());
	worker_unlock(&p->worker);
}

void
probe_look(struct probe *p, struct probe_view *ret)
{
	worker_lock(&p->worker);
	*ret = p->view;
	worker_unlock(&p->worker);
}

void
probe_let_go(struct probe *p)
{
	worker_let_go(&p->worker, destroy, p);
}
