/* SPDX-License-Identifier: Apache-2.0 */
#include "ha/probe.h"

#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "http/client.h"

#define BODY_MAX 16384
#define FAST_MS 100 /* how often a node that refuses is asked */
#define CONNECT_MIN_MS 400
#define HANDSHAKE_EVERY_MS 20000 /* a certificate that was exchanged shows in a handshake only */

/* ---- what a body says ---- */

static int
take_text(const json_t *o, const char *name, char *ret, size_t room, struct err *e)
{
	const json_t *v = json_object_get(o, name);

	if (!v || json_is_null(v))
		return 0;
	if (!json_is_string(v) || json_string_length(v) >= room)
		return err_set(e, ERR_BAD_FIELD,
			       "the health answer's %s is no text below %zu bytes", name, room);
	memcpy(ret, json_string_value(v), json_string_length(v));
	ret[json_string_length(v)] = '\0';
	return 0;
}

static int
take_number(const json_t *o, const char *name, int64_t *ret, struct err *e)
{
	const json_t *v = json_object_get(o, name);

	if (!v || json_is_null(v))
		return 0;
	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return err_set(e, ERR_BAD_FIELD, "the health answer's %s is no whole number", name);
	*ret = json_integer_value(v);
	return 0;
}

static int
take_time(const json_t *o, const char *name, int64_t *ret, struct err *e)
{
	char text[CLOCK_ISO_LEN] = "";
	int r = take_text(o, name, text, sizeof(text), e);

	if (r || !text[0])
		return r;
	if (clock_parse_iso(text, ret))
		return err_set(e, ERR_BAD_FIELD, "the health answer's %s is no time", name);
	return 0;
}

static int
take_fields(const json_t *o, struct probe_reply *ret, struct err *e)
{
	int r = take_text(o, "node", ret->node, sizeof(ret->node), e);

	if (!r)
		r = take_text(o, "node_id", ret->node_id, sizeof(ret->node_id), e);
	if (!r)
		r = take_text(o, "mode", ret->mode, sizeof(ret->mode), e);
	if (!r)
		r = take_text(o, "state", ret->state, sizeof(ret->state), e);
	if (!r)
		r = take_text(o, "why", ret->why, sizeof(ret->why), e);
	if (!r)
		r = take_text(o, "version", ret->version, sizeof(ret->version), e);
	if (!r)
		r = take_number(o, "schema", &ret->schema, e);
	if (!r)
		r = take_number(o, "schema_known", &ret->schema_known, e);
	if (!r)
		r = take_time(o, "time", &ret->time_us, e);
	if (!r)
		r = take_number(o, "term", &ret->term, e);
	if (!r)
		r = take_number(o, "journal", &ret->journal_rows, e);
	if (!r)
		r = take_time(o, "as_of", &ret->as_of_us, e);
	if (!r)
		r = take_number(o, "as_of_term", &ret->as_of_term, e);
	ret->synced = json_is_true(json_object_get(o, "synced"));
	ret->ordered = json_is_true(json_object_get(o, "ordered"));
	ret->data_damaged = json_is_true(json_object_get(o, "data_damaged"));
	ret->journal_unreadable = json_is_true(json_object_get(o, "journal_unreadable"));
	return r;
}

int
probe_parse(const char *text, size_t n, struct probe_reply *ret, struct err *e)
{
	json_error_t why;

	if (n > BODY_MAX)
		return err_set(e, ERR_TOO_LARGE, "the health answer is longer than %d bytes",
			       BODY_MAX);
	json_t *o = json_loadb(text, n, JSON_REJECT_DUPLICATES, &why);
	if (!json_is_object(o)) {
		json_decref(o);
		return err_set(e, ERR_BAD_JSON, "the health answer is no JSON object");
	}
	struct probe_reply reply = { 0 };
	int r = take_fields(o, &reply, e);
	json_decref(o);
	if (!r)
		*ret = reply;
	return r;
}

/* ---- facts over time ---- */

/* An unknown certificate is no answer either: nobody has proven to be the primary. It so counts as silence, which leaves
 * a renewed certificate detect_ms to arrive through the log. */
static bool
is_answer(enum probe_outcome o)
{
	return o == PROBE_OK || o == PROBE_STANDBY || o == PROBE_CANNOT || o == PROBE_REFUSED;
}

void
probe_note(struct probe_sense *s, enum probe_outcome outcome, bool serves, int64_t now_ms)
{
	bool ok = outcome == PROBE_OK && serves;

	s->last = outcome;
	if (is_answer(outcome))
		s->answer_ms = now_ms;
	if (ok && !s->ok)
		s->ok_since_ms = now_ms;
	s->ok = ok;
	if (ok)
		s->bad_since_ms = 0;
	else if (is_answer(outcome) && !s->bad_since_ms)
		s->bad_since_ms = now_ms;
}

int64_t
probe_ok_for(const struct probe_sense *s, int64_t now_ms)
{
	return s->ok ? now_ms - s->ok_since_ms : 0;
}

int64_t
probe_bad_for(const struct probe_sense *s, int64_t now_ms)
{
	return s->bad_since_ms ? now_ms - s->bad_since_ms : 0;
}

int64_t
probe_silent_for(const struct probe_sense *s, int64_t now_ms)
{
	return now_ms - (s->answer_ms ? s->answer_ms : s->began_ms);
}

/* A refusal must be noticed and have lasted refused_ms within a second (H4), so the pause shrinks
 * when probe_ms alone would be too long. */
int64_t
probe_pause(const struct probe_sense *s, int64_t probe_ms, int64_t refused_ms)
{
	int64_t room = 800 - refused_ms;

	if (!s->ok)
		return FAST_MS;
	if (room < FAST_MS)
		room = FAST_MS;
	return probe_ms < room ? probe_ms : room;
}

/* ---- the thread ---- */

struct probe {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	bool stop;
	unsigned aim; /* grows when the target changes */
	bool alone;   /* nobody waits for the thread: it frees what it has */
	struct probe_target target;
	struct probe_view view;
	int64_t connected_ms; /* of the thread's own: when its connection was made */
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
	int64_t sent_us, got_us;
	int64_t cert_from_us, cert_to_us;
	char failure[256];
};

static void
take_reply(struct attempt *a, const struct client_reply *r)
{
	struct err e = { 0 };

	a->outcome = outcome_of_status(r->status);
	if (!probe_parse(buf_str(&r->body), r->body.len, &a->reply, &e)) {
		a->has_reply = true;
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
	client_cert_times(c, &a->cert_from_us, &a->cert_to_us);
	if (code) {
		a->outcome = outcome_of_failure(f);
		text_fit(a->failure, sizeof(a->failure), "%s", e.text);
		return;
	}
	take_reply(a, &r);
	client_reply_done(&r);
}

static void
note_attempt(struct probe *p, const struct attempt *a)
{
	struct probe_view *v = &p->view;
	int64_t now = clock_mono_ms();

	probe_note(&v->sense, a->outcome, a->has_reply && strcmp(a->reply.mode, "primary") == 0,
		   now);
	memcpy(v->failure, a->failure, sizeof(v->failure));
	if (a->cert_to_us) {
		v->cert_from_us = a->cert_from_us;
		v->cert_to_us = a->cert_to_us;
	}
	if (!a->has_reply)
		return;
	v->reply = a->reply;
	v->reply_ms = now;
	v->round_trip_us = a->got_us - a->sent_us;
	if (a->reply.time_us)
		v->skew_us = a->reply.time_us - (a->sent_us + v->round_trip_us / 2);
}

/* A fresh connection after every failure: an old one may be half dead. While the other side is
 * silent the attempts are shorter, so that its return is noticed soon. */
static struct client *
connect_client(const struct probe_target *t, bool silent)
{
	int64_t total = t->detect_ms * (silent ? 5 : 8) / 10, connect = total * 3 / 4;
	struct err e = { 0 };
	struct client_options o = {
		.base = t->url,
		.trust_pem = t->trust,
		.despite_expiry = true,
		.connect_ms = (int)(connect < CONNECT_MIN_MS ? CONNECT_MIN_MS : connect),
		.total_ms = (int)(total < CONNECT_MIN_MS ? CONNECT_MIN_MS : total),
	};

	return client_new(&o, &e);
}

static void
wait_until(struct probe *p, int64_t mono_ms)
{
	struct timespec at = { .tv_sec = mono_ms / 1000, .tv_nsec = mono_ms % 1000 * 1000000 };
	unsigned aim = p->aim;

	while (!p->stop && p->aim == aim && clock_mono_ms() < mono_ms)
		pthread_cond_timedwait(&p->wake, &p->lock, &at);
}

/* One attempt; called and returns with the lock held. */
static void
attempt_once(struct probe *p, struct client **c, unsigned *aim)
{
	struct attempt a = { .outcome = PROBE_SILENT };
	struct probe_target t = { 0 };
	bool silent = p->view.sense.last == PROBE_SILENT;
	bool old = clock_mono_ms() - p->connected_ms > HANDSHAKE_EVERY_MS;

	if (*aim != p->aim || (old && p->view.sense.ok)) {
		client_free(TAKE(*c));
		*aim = p->aim;
	}
	copy_target(&t, &p->target);
	pthread_mutex_unlock(&p->lock);
	if (!*c) {
		*c = connect_client(&t, silent);
		p->connected_ms = clock_mono_ms();
	}
	if (*c)
		ask(*c, &a);
	if (!a.has_reply)
		client_free(TAKE(*c));
	free(t.trust);
	pthread_mutex_lock(&p->lock);
	note_attempt(p, &a);
}

static void
destroy(struct probe *p)
{
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->wake);
	free(p->target.trust);
	free(p);
}

static void *
run(void *arg)
{
	struct probe *p = arg;
	struct client *c = NULL;
	unsigned aim = p->aim;

	pthread_mutex_lock(&p->lock);
	while (!p->stop) {
		int64_t began = clock_mono_ms();

		attempt_once(p, &c, &aim);
		wait_until(p, began + probe_pause(&p->view.sense, p->target.probe_ms,
						  p->target.refused_ms));
	}
	bool alone = p->alone;
	pthread_mutex_unlock(&p->lock);
	client_free(c);
	if (alone)
		destroy(p);
	return NULL;
}

struct probe *
probe_new(const struct probe_target *t)
{
	struct probe *p = mem_new(sizeof(*p));
	pthread_condattr_t attr;

	copy_target(&p->target, t);
	p->view.sense.began_ms = clock_mono_ms();
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->wake, &attr);
	pthread_condattr_destroy(&attr);
	mem_check(!pthread_create(&p->thread, NULL, run, p));
	return p;
}

void
probe_aim(struct probe *p, const struct probe_target *t)
{
	pthread_mutex_lock(&p->lock);
	struct probe_target *o = &p->target;
	bool moved = o->mark != t->mark || strcmp(o->url, t->url) != 0 ||
		     strcmp(o->trust, t->trust ? t->trust : "") != 0;

	if (moved || o->probe_ms != t->probe_ms || o->refused_ms != t->refused_ms ||
	    o->detect_ms != t->detect_ms) {
		copy_target(o, t);
		p->aim++;
		pthread_cond_signal(&p->wake);
	}
	pthread_mutex_unlock(&p->lock);
}

void
probe_look(struct probe *p, struct probe_view *ret)
{
	pthread_mutex_lock(&p->lock);
	*ret = p->view;
	pthread_mutex_unlock(&p->lock);
}

void
probe_let_go(struct probe *p)
{
	pthread_mutex_lock(&p->lock);
	p->stop = p->alone = true;
	pthread_detach(p->thread);
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
}
