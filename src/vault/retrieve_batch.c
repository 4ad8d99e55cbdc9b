/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/retrieve_batch.h"

#include <stdlib.h>
#include "base/clock.h"
#include "base/mem.h"
#include "vault/vault.h"

/* A waiting caller, on their fiber's stack. */
struct waiter {
	struct waiter *next;
	struct fiber *f;
	const struct uuid *id, *principal;
	int n;
	bool done, leads;
	bool outdated; /* changed while it was read: good for who waits, not to be kept */
	int rc, row;   /* -1: there is no such account */
	struct rowcache_batch *batch;
	struct err *e;
};

/* When what is kept was read (G2). */
struct era {
	uint64_t state_seq, ledger_epoch;
};

struct retrieve_batch {
	struct vault *v;
	struct waiter *first, *last;
	bool led;	     /* somebody reads, or was called to */
	struct waiter **out; /* whose statement is with PostgreSQL */
	size_t out_n;
	struct rowcache *cache;
	struct era era;
};

/* ---- what is kept ---- */

/* account: NULL for all. */
static void
forget(struct retrieve_batch *g, const struct uuid *account)
{
	if (account)
		rowcache_drop(g->cache, account);
	else
		rowcache_clear(g->cache);
	for (size_t i = 0; i < g->out_n; i++)
		if (!account || uuid_eq(g->out[i]->id, account))
			g->out[i]->outdated = true;
}

/* Whether rows may be kept now; what was kept under other conditions is forgotten. */
static bool
may_keep(struct retrieve_batch *g)
{
	struct vault *v = g->v;
	struct era now = { .state_seq =
				   v->statepage ? statepage_quick(v->statepage).state_seq : 0 };
	bool may = ledger_is_sure(v->ledger, &now.ledger_epoch);

	if (!may || now.state_seq != g->era.state_seq || now.ledger_epoch != g->era.ledger_epoch)
		forget(g, NULL);
	g->era = now;
	return may;
}

static void
keep(struct retrieve_batch *g, struct rowcache_batch *b, struct waiter **w, size_t n)
{
	struct rowcache_key keys[ROWCACHE_BATCH_MAX];
	size_t k = 0;

	if (!may_keep(g))
		return;
	for (size_t i = 0; i < n; i++)
		if (w[i]->row >= 0 && w[i]->n == 0 && !w[i]->outdated)
			keys[k++] = (struct rowcache_key){ *w[i]->id, *w[i]->principal, w[i]->row };
	rowcache_put(g->cache, b, keys, k);
}

/* Whether what STMT_ACCOUNT_OPEN reads stays as it is: the event changes no table, or only those of users and sessions. */
static bool
leaves_rows(enum event_kind kind)
{
	switch (kind) {
	case EVENT_USER_PASSWORD:
	case EVENT_USER_TOTP:
	case EVENT_USER_SETUP_USED:
	case EVENT_SESSIONS_ENDED:
	case EVENT_LOGIN:
	case EVENT_LOGIN_FAILED:
	case EVENT_LOGOUT:
	case EVENT_SESSION_SEEN:
		return true;
	default:
		return event_apply_stmt(kind) < 0;
	}
}

void
retrieve_batch_on_event(struct retrieve_batch *g, const struct event *ev)
{
	if (!leaves_rows(ev->kind))
		forget(g, ev->kind == EVENT_VERSION_ADDED ? &ev->object : NULL);
}

void
retrieve_batch_doubt(struct retrieve_batch *g, const struct uuid *account)
{
	forget(g, account);
}

struct rowcache_stats
retrieve_batch_stats(const struct retrieve_batch *g)
{
	return rowcache_stats(g->cache);
}

/* Whether the level of a row may be another one by now: a share has ended that it may come from (G3). */
static bool
has_ended(const struct rowcache_batch *b, int row)
{
	const struct rows *rows = rowcache_batch_rows(b);

	return !row_null(rows, row, COL_ACCOUNT_OPEN_UNTIL) &&
	       row_time(rows, row, COL_ACCOUNT_OPEN_UNTIL) <= clock_now_us();
}

/* NULL: it has to be read. */
static struct rowcache_batch *
find_kept(struct retrieve_batch *g, const struct uuid *id, const struct uuid *principal,
	  int *ret_row)
{
	int row;
	struct rowcache_batch *b = rowcache_find(g->cache, id, principal, &row);

	if (!b)
		return NULL;
	if (has_ended(b, row)) {
		rowcache_batch_release(b);
		return NULL;
	}
	*ret_row = row;
	return b;
}

/* ---- reading ---- */

/* Takes the first of the queue, as many as one statement may have; the rest stays. */
static size_t
take_some(struct retrieve_batch *g, struct waiter *ret[static ROWCACHE_BATCH_MAX])
{
	size_t n = 0;

	for (; g->first && n < ROWCACHE_BATCH_MAX; n++) {
		ret[n] = g->first;
		g->first = ret[n]->next;
	}
	return n;
}

static void
bind_waiters(struct binds *b, struct waiter *const *w, size_t n)
{
	bind_array_begin(b, STMT_UUID);
	for (size_t i = 0; i < n; i++)
		bind_elem_uuid(b, w[i]->id);
	bind_array_end(b);
	bind_array_begin(b, STMT_UUID);
	for (size_t i = 0; i < n; i++)
		bind_elem_uuid(b, w[i]->principal);
	bind_array_end(b);
	bind_array_begin(b, STMT_INT);
	for (size_t i = 0; i < n; i++)
		bind_elem_int(b, w[i]->n);
	bind_array_end(b);
}

/* The first column says whose row it is, counted from 1. */
static void
hand_out(struct waiter **w, size_t n, const struct rows *rows)
{
	for (int row = 0; row < rows_count(rows); row++) {
		int64_t whose = row_bigint(rows, row, COL_ACCOUNT_OPEN_ORD);

		if (whose >= 1 && whose <= (int64_t)n)
			w[whose - 1]->row = row;
	}
}

/* Who is woken may be gone when this returns. */
static void
answer(struct waiter *x, const struct fiber *f, struct rowcache_batch *batch, int rc,
       const struct err *e)
{
	x->rc = rc;
	if (rc)
		*x->e = *e;
	x->batch = batch;
	x->done = true;
	if (x->f != f)
		fiber_wake(x->f);
}

/* One statement for all of them. NULL when it failed. */
static struct rowcache_batch *
ask(struct retrieve_batch *g, struct fiber *f, struct waiter **w, size_t n, struct err *e)
{
	auto_binds b = BINDS_INIT;
	struct rows *rows = NULL;

	bind_waiters(&b, w, n);
	g->out = w;
	g->out_n = n;
	int rc = db_exec(vault_reader(g->v), f, STMT_ACCOUNT_OPEN, &b, &rows, e);
	struct rowcache_batch *batch = rc ? NULL : rowcache_batch_new(rows, (unsigned)n);
	if (batch) {
		hand_out(w, n, rows);
		keep(g, batch, w, n);
	}
	g->out_n = 0;
	return batch;
}

static void
read_those(struct retrieve_batch *g, struct fiber *f, struct waiter **w, size_t n)
{
	struct err e = { 0 };
	struct rowcache_batch *batch = ask(g, f, w, n, &e);

	/* Damaged data is refused to whoever asked for it, not to others in the same batch. */
	if (!batch && e.code == ERR_DATA_DAMAGED && n > 1) {
		for (size_t i = 0; i < n; i++)
			read_those(g, f, &w[i], 1);
		return;
	}
	for (size_t i = 0; i < n; i++)
		answer(w[i], f, batch, batch ? 0 : e.code, &e);
}

static void
read_some(struct retrieve_batch *g, struct fiber *f)
{
	struct waiter *w[ROWCACHE_BATCH_MAX];
	size_t n = take_some(g, w);

	read_those(g, f, w, n);
}

/* One reading, in the fiber of the first who waits; then the first of those who came meanwhile leads. */
static void
lead(struct retrieve_batch *g, struct fiber *f)
{
	read_some(g, f);
	g->led = g->first != NULL;
	if (!g->led)
		return;
	g->first->leads = true;
	fiber_wake(g->first->f);
}

struct retrieve_batch *
retrieve_batch_new(struct vault *v)
{
	struct retrieve_batch *g = mem_new(sizeof(*g));

	g->v = v;
	g->cache = rowcache_new((size_t)v->settings->cache_mb << 20);
	return g;
}

void
retrieve_batch_free(struct retrieve_batch *g)
{
	if (g)
		rowcache_free(g->cache);
	free(g);
}

static void
enqueue(struct retrieve_batch *g, struct waiter *w)
{
	if (g->first)
		g->last->next = w;
	else
		g->first = w;
	g->last = w;
}

static void
fill(struct retrieve_batch_row *ret, struct rowcache_batch *b, int row)
{
	*ret = (struct retrieve_batch_row){ .batch = b,
					    .rows = rowcache_batch_rows(b),
					    .row = row };
}

/* Waits its turn, and leads when it comes. */
static void
wait_for(struct retrieve_batch *g, struct waiter *w)
{
	enqueue(g, w);
	w->leads = !g->led;
	g->led = true;
	while (!w->done) {
		if (w->leads)
			lead(g, w->f);
		else
			fiber_sleep(w->f);
	}
}

int
retrieve_batch_account(struct retrieve_batch *g, struct fiber *f, const struct uuid *id,
		       const struct uuid *principal, int n, struct retrieve_batch_row *ret,
		       struct err *e)
{
	struct waiter w = { .f = f, .id = id, .principal = principal, .n = n, .row = -1, .e = e };

	*ret = (struct retrieve_batch_row){ 0 };
	if (n == 0 && may_keep(g))
		w.batch = find_kept(g, id, principal, &w.row);
	if (!w.batch)
		wait_for(g, &w);
	if (w.rc)
		return w.rc;
	if (w.row >= 0) {
		fill(ret, w.batch, w.row);
		return 0;
	}
	rowcache_batch_release(w.batch);
	return err_set(e, ERR_NOT_FOUND, "%s", err_info(ERR_NOT_FOUND)->text);
}

void
retrieve_batch_row_done(struct retrieve_batch_row *x)
{
	rowcache_batch_release(x->batch);
	*x = (struct retrieve_batch_row){ 0 };
}
