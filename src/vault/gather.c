/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/gather.h"

#include <stdlib.h>
#include "vault/vault.h"

#define BATCH_MAX 64

struct gather_batch {
	struct rows *rows;
	unsigned users;
};

/* One who waits, on his fiber's stack. */
struct waiter {
	struct waiter *next;
	struct fiber *f;
	const struct uuid *id, *principal;
	int n;
	bool done, leads;
	int rc, row; /* -1: there is no such account */
	struct gather_batch *batch;
	const struct rows *rows; /* of the batch */
	struct err *e;
};

struct gather {
	struct vault *v;
	struct waiter *first, *last;
	bool led; /* somebody reads, or was called to */
};

static void
release(struct gather_batch *b)
{
	if (!b || --b->users)
		return;
	rows_free(b->rows);
	free(b);
}

/* Takes the first of the queue, BATCH_MAX at most; the rest stays. */
static size_t
take_some(struct gather *g, struct waiter *ret[static BATCH_MAX])
{
	size_t n = 0;

	for (; g->first && n < BATCH_MAX; n++) {
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
hand_out(struct waiter **w, size_t n, struct gather_batch *b)
{
	for (int row = 0; row < rows_count(b->rows); row++) {
		int64_t whose = row_bigint(b->rows, row, 0);

		if (whose >= 1 && whose <= (int64_t)n)
			w[whose - 1]->row = row;
	}
}

/* Who is woken may be gone when this returns. */
static void
answer(struct waiter *x, const struct fiber *f, struct gather_batch *batch, int rc,
       const struct err *e)
{
	x->rc = rc;
	if (rc)
		*x->e = *e;
	x->batch = batch;
	x->rows = batch ? batch->rows : NULL;
	x->done = true;
	if (x->f != f)
		fiber_wake(x->f);
}

static void
read_those(struct gather *g, struct fiber *f, struct waiter **w, size_t n)
{
	struct gather_batch *batch = calloc(1, sizeof(*batch));
	auto_binds b = BINDS_INIT;
	struct err e = { 0 };

	if (!batch)
		abort();
	bind_waiters(&b, w, n);
	int rc = db_exec(vault_reader(g->v), f, STMT_ACCOUNT_OPEN, &b, &batch->rows, &e);
	if (rc) {
		free(batch);
		batch = NULL;
	} else {
		hand_out(w, n, batch);
		batch->users = (unsigned)n;
	}
	/* What is damaged is refused to who asked for it, not to those who happened to ask with him. */
	if (rc == ERR_DATA_DAMAGED && n > 1) {
		for (size_t i = 0; i < n; i++)
			read_those(g, f, &w[i], 1);
		return;
	}
	for (size_t i = 0; i < n; i++)
		answer(w[i], f, batch, rc, &e);
}

static void
read_some(struct gather *g, struct fiber *f)
{
	struct waiter *w[BATCH_MAX];
	size_t n = take_some(g, w);

	read_those(g, f, w, n);
}

/* One reading, in the fiber of the first who waits; then the first of those who came meanwhile leads. */
static void
lead(struct gather *g, struct fiber *f)
{
	read_some(g, f);
	g->led = g->first != NULL;
	if (!g->led)
		return;
	g->first->leads = true;
	fiber_wake(g->first->f);
}

struct gather *
gather_new(struct vault *v)
{
	struct gather *g = calloc(1, sizeof(*g));

	if (!g)
		abort();
	g->v = v;
	return g;
}

void
gather_free(struct gather *g)
{
	free(g);
}

static void
enqueue(struct gather *g, struct waiter *w)
{
	if (g->first)
		g->last->next = w;
	else
		g->first = w;
	g->last = w;
}

int
gather_account(struct gather *g, struct fiber *f, const struct uuid *id,
	       const struct uuid *principal, int n, struct gathered *ret, struct err *e)
{
	struct waiter w = { .f = f, .id = id, .principal = principal, .n = n, .row = -1, .e = e };

	*ret = (struct gathered){ 0 };
	enqueue(g, &w);
	w.leads = !g->led;
	g->led = true;
	while (!w.done) {
		if (w.leads)
			lead(g, f);
		else
			fiber_sleep(f);
	}
	if (w.rc)
		return w.rc;
	ret->batch = w.batch;
	ret->rows = w.rows;
	ret->row = w.row;
	if (w.row >= 0)
		return 0;
	gathered_done(ret);
	return err_set(e, ERR_NOT_FOUND, "%s", err_info(ERR_NOT_FOUND)->text);
}

void
gathered_done(struct gathered *x)
{
	release(x->batch);
	*x = (struct gathered){ 0 };
}
