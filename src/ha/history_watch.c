/* SPDX-License-Identifier: Apache-2.0 */
#include "ha/history_watch.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/worker.h"
#include "ha/channel.h"
#include "ha/history_kept.h"

#define OTHERS_MAX 8
#define STANDS_BACK "holdfast history, stands back"
#define TURN_MS 1000 /* how often histories are compared */
#define RETRY_MS 500 /* and how soon again when it failed */

/* One other node. */
struct other {
	struct worker worker;
	struct history_watch *watch;
	bool used;
	struct history_target target;
	unsigned aim;	   /* grows with each target */
	int64_t wanted_ms; /* a comparison that began before then is not enough */
	struct history_view view;
	int64_t behind_seq; /* the event that view.behind_ms is about */
	/* the thread's */
	struct db *here, *there;
	unsigned connected;
	bool connected_contending;
};

struct history_watch {
	struct home home;
	struct uuid self;
	char *local;
	atomic_bool contends;
	struct other others[OTHERS_MAX];
};

/* ---- the thread ---- */

static void
hang_up(struct other *o)
{
	db_free(TAKE(o->here));
	db_free(TAKE(o->there));
}

static int
connect_local(struct other *o, struct err *e)
{
	auto_buf info = BUF_INIT;
	struct db_options options = { .application = "holdfast history" };

	if (o->here)
		return 0;
	buf_addf(&info,
		 "%s connect_timeout=3 options='-c statement_timeout=3000 -c "
		 "synchronous_commit=local'",
		 o->watch->local);
	options.conninfo = buf_str(&info);
	o->here = db_open(&options, e);
	return o->here ? 0 : ERR_DB_GONE;
}

static int
connect_other(struct other *o, const struct history_target *t, unsigned aim, struct err *e)
{
	struct channel_primary p = { .port = t->port };
	bool contends = atomic_load(&o->watch->contends);
	auto_buf info = BUF_INIT;
	struct db_options options = { .application = contends ? HISTORY_CONTENDS : STANDS_BACK };

	if (o->there && o->connected == aim && o->connected_contending == contends)
		return 0;
	db_free(TAKE(o->there));
	text_copy(p.host, sizeof(p.host), t->host);
	channel_conninfo(&o->watch->home, CHANNEL_COMPARE, &p, &info);
	options.conninfo = buf_str(&info);
	o->there = db_open(&options, e);
	o->connected = aim;
	o->connected_contending = contends;
	return o->there ? 0 : ERR_DB_GONE;
}

static int
compare(struct other *o, const struct history_target *t, unsigned aim, struct history_verdict *ret,
	struct err *e)
{
	struct history_sides *s = mem_new(sizeof(*s));
	int rc = connect_local(o, e);

	if (!rc)
		rc = connect_other(o, t, aim, e);
	if (!rc)
		rc = history_ask(o->here, o->there, t->ours_first, s, e);
	if (!rc) {
		history_look_kept(&o->watch->home, &o->watch->self, s);
		history_judge(s, &o->watch->self, &t->id, ret);
	}
	free(s);
	if (rc == ERR_PRECONDITION)
		return rc;
	if (rc)
		hang_up(o);
	return rc;
}

/* The other node may see a commit of this one first: behind is who does not come to have it. */
static void
note_behind(struct other *o, const struct history_verdict *v, int64_t now_ms)
{
	bool behind = ((unsigned)v->self.relation & HISTORY_THEIRS_MORE) != 0;
	bool caught_up = v->self.one != HISTORY_PARTED && v->self.ours >= o->behind_seq;

	if (!behind) {
		o->view.behind_ms = 0;
		return;
	}
	if (o->view.behind_ms && !caught_up)
		return;
	o->view.behind_ms = now_ms;
	o->behind_seq = v->self.theirs;
}

static void
note(struct other *o, int rc, const struct history_verdict *v, int64_t began_ms,
     const struct err *e)
{
	int64_t now = clock_mono_ms();

	if (rc) {
		o->view.failed_ms = now;
		o->view.earlier = rc == ERR_PRECONDITION;
		text_fit(o->view.failure, sizeof(o->view.failure), "%s", e->text);
		return;
	}
	note_behind(o, v, now);
	o->view.asked_ms = began_ms;
	o->view.verdict = *v;
	o->view.failed_ms = 0;
	o->view.earlier = false;
	o->view.failure[0] = '\0';
}

static int64_t
take_turn(void *arg)
{
	struct other *o = arg;
	struct history_target t = o->target;
	struct history_verdict v = { 0 };
	int64_t began = clock_mono_ms();
	unsigned aim = o->aim;
	struct err e = { 0 };

	if (!o->used) {
		hang_up(o);
		return WORKER_WHEN_WOKEN;
	}
	worker_unlock(&o->worker);
	int rc = compare(o, &t, aim, &v, &e);
	worker_lock(&o->worker);
	if (aim == o->aim)
		note(o, rc, &v, began, &e);
	return clock_mono_ms() + (rc ? RETRY_MS : TURN_MS);
}

/* ---- for the agent ---- */

struct history_watch *
history_watch_new(const struct home *h, const struct uuid *self, const char *local_conninfo)
{
	struct history_watch *w = mem_new(sizeof(*w));

	w->home = *h;
	w->self = *self;
	w->local = mem_dup(local_conninfo);
	return w;
}

static struct other *
find(struct history_watch *w, const struct uuid *id)
{
	for (size_t i = 0; i < OTHERS_MAX; i++) {
		if (w->others[i].used && uuid_eq(&w->others[i].target.id, id))
			return &w->others[i];
	}
	return NULL;
}

static bool
is_same(const struct history_target *a, const struct history_target *b)
{
	return uuid_eq(&a->id, &b->id) && strcmp(a->host, b->host) == 0 && a->port == b->port &&
	       a->ours_first == b->ours_first;
}

static void
set_target(struct other *o, const struct history_target *t)
{
	worker_lock(&o->worker);
	o->used = t != NULL;
	o->aim++;
	o->view = (struct history_view){ 0 };
	if (t)
		o->target = *t;
	worker_wake(&o->worker);
	worker_unlock(&o->worker);
}

static void
add(struct history_watch *w, const struct history_target *t)
{
	for (size_t i = 0; i < OTHERS_MAX; i++) {
		struct other *o = &w->others[i];

		if (o->used)
			continue;
		if (!o->watch) {
			o->watch = w;
			worker_init(&o->worker);
			worker_start(&o->worker, "history", take_turn, NULL, o);
		}
		set_target(o, t);
		return;
	}
}

static bool
is_named(const struct history_target *t, unsigned n, const struct uuid *id)
{
	for (unsigned i = 0; i < n; i++) {
		if (uuid_eq(&t[i].id, id))
			return true;
	}
	return false;
}

void
history_watch_aim(struct history_watch *w, const struct history_target *t, unsigned n)
{
	for (size_t i = 0; i < OTHERS_MAX; i++) {
		struct other *o = &w->others[i];

		if (o->used && !is_named(t, n, &o->target.id))
			set_target(o, NULL);
	}
	for (unsigned i = 0; i < n; i++) {
		struct other *o = find(w, &t[i].id);

		if (!o)
			add(w, &t[i]);
		else if (!is_same(&o->target, &t[i]))
			set_target(o, &t[i]);
	}
}

void
history_watch_contend(struct history_watch *w, bool contends)
{
	atomic_store(&w->contends, contends);
}

void
history_watch_hurry(struct history_watch *w, const struct uuid *id, int64_t since_ms)
{
	struct other *o = find(w, id);

	if (!o)
		return;
	worker_lock(&o->worker);
	if (o->wanted_ms < since_ms) {
		o->wanted_ms = since_ms;
		worker_wake(&o->worker);
	}
	worker_unlock(&o->worker);
}

void
history_watch_look(struct history_watch *w, const struct uuid *id, struct history_view *ret)
{
	struct other *o = find(w, id);

	*ret = (struct history_view){ 0 };
	if (!o)
		return;
	worker_lock(&o->worker);
	*ret = o->view;
	worker_unlock(&o->worker);
}
