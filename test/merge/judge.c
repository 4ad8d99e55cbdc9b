/* SPDX-License-Identifier: Apache-2.0
 *
 * The ways to apply a history. What it is measured by: the order in which it happened, event by event. Batches and the order that the log
 * proves are measured by the batches in which it happened, so that each way stands for itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "ledger/event.h"
#include "ledger/rebuild_impl.h"
#include "test/merge/merge.h"

#define ORDERS_TRIED 2

struct judge {
	struct world *w;
	struct tables *t; /* with what all begin with */
	struct tables *empty;
	struct db *log; /* the real log, for what reads an order from it */
	const struct history *h;
	struct verdict *verdict;
};

static const uint8_t no_hash[KEYS_HASH_BYTES];

static const char *const ways[] = {
#define WAY(NAME, text) text,
	WAYS(WAY)
#undef WAY
};

const char *
judge_way(enum way way)
{
	return ways[way];
}

/* ---- what deviates ---- */

static void
note(struct judge *j, enum way way, const char *where, const char *example)
{
	struct verdict *v = j->verdict;

	for (unsigned i = 0; i < v->n; i++) {
		if (v->v[i].way == way && !strcmp(v->v[i].where, where))
			return;
	}
	if (v->n == DEVIATIONS_MAX)
		return;
	v->v[v->n] = (struct deviation){ .way = way };
	snprintf(v->v[v->n].where, sizeof(v->v[v->n].where), "%s", where);
	snprintf(v->v[v->n].example, sizeof(v->v[v->n].example), "%s", example);
	v->n++;
}

/* A line of a dump: where its table, key and column end. */
struct line {
	const char *p;
	size_t table, key, column, len;
};

static bool
line_at(const char *p, struct line *ret)
{
	const char *a = strchr(p, '\t'), *b = a ? strchr(a + 1, '\t') : NULL,
		   *c = b ? strchr(b + 1, '\t') : NULL;

	if (!c)
		return false;
	*ret = (struct line){ p, (size_t)(a - p), (size_t)(b - p), (size_t)(c - p),
			      strcspn(p, "\n") };
	return true;
}

static const char *
next_line(const struct line *x)
{
	return x->p + x->len + (x->p[x->len] == '\n');
}

/* Whether the dump has the row that the line is of. */
static bool
has_row(const char *dump, const struct line *x)
{
	for (struct line y; *dump && line_at(dump, &y); dump = next_line(&y)) {
		if (y.key == x->key && !strncmp(y.p, x->p, x->key))
			return true;
	}
	return false;
}

static void
note_line(struct judge *j, enum way way, const struct line *x, const char *other, const char *said)
{
	char where[64], example[512];
	bool there = has_row(other, x);

	snprintf(where, sizeof(where), "%.*s.%.*s", (int)x->table, x->p,
		 there ? (int)(x->column - x->key - 1) : 1, there ? x->p + x->key + 1 : "*");
	snprintf(example, sizeof(example), "%s: %.*s", said, (int)(x->len < 300 ? x->len : 300),
		 x->p);
	note(j, way, where, example);
}

static int
by_place(const struct line *a, const struct line *b)
{
	size_t n = a->column < b->column ? a->column : b->column;
	int c = strncmp(a->p, b->p, n);

	return c ? c : (a->column > b->column) - (a->column < b->column);
}

static void
compare(struct judge *j, enum way way, const char *is, const char *must)
{
	const char *p = is, *q = must;
	struct line a, b;

	while (*p || *q) {
		bool has_a = *p && line_at(p, &a), has_b = *q && line_at(q, &b);
		int c = !has_a ? 1 : !has_b ? -1 : by_place(&a, &b);

		if (!has_a && !has_b)
			break;
		if (c < 0 || (c == 0 && (a.len != b.len || strncmp(a.p, b.p, a.len))))
			note_line(j, way, &a, must, "has");
		if (c > 0)
			note_line(j, way, &b, is, "lacks");
		p = c <= 0 ? next_line(&a) : p;
		q = c >= 0 ? next_line(&b) : q;
	}
}

/* ---- applying ---- */

struct how {
	bool batches;	    /* as the order says; else event by event */
	unsigned each, all; /* so many times */
};

/* A batch of neighbours of one chain. */
static unsigned
batch_of(const struct judge *j, const struct order *o, unsigned i, bool batches,
	 struct ledger_item *items)
{
	unsigned n = 0;

	do {
		items[n++] = (struct ledger_item){ &j->h->made[o->v[i++].made].ev, no_hash };
	} while (batches && i < o->n && o->v[i].joins);
	return n;
}

static void
add_all(struct judge *j, const struct order *o, struct how how, struct ledger_steps *ret)
{
	struct ledger_item items[EVENTS_MAX];
	unsigned n;

	for (unsigned i = world_begins_with(j->w); i < o->n; i += n) {
		n = batch_of(j, o, i, how.batches, items);
		for (unsigned k = 0; k < how.each; k++)
			ledger_step_applies(ret, &items[0].ev->node, items, n, LEDGER_MERGED);
	}
}

static void
look_who_reaches_what(struct judge *j)
{
	char *what = NULL, *example = NULL;

	if (tables_ask(j->t, promises_reach, &what, &example))
		note(j, REACH, what, example);
	free(what);
	free(example);
}

/* What the tables are then; NULL: they refuse it. The caller frees it. */
static char *
tables_after(struct judge *j, enum way way, const struct order *o, struct how how)
{
	struct ledger_steps steps = { 0 };
	char *dump = NULL, why[64];

	for (unsigned i = 0; i < how.all; i++)
		add_all(j, o, how, &steps);
	tables_do(j->t, "SAVEPOINT way");
	if (tables_run(j->t, &steps, why))
		dump = tables_dump(j->t);
	else
		note(j, way, why, why);
	if (dump && way == REFUSED)
		look_who_reaches_what(j);
	tables_do(j->t, "ROLLBACK TO way");
	return dump;
}

static void
try(struct judge *j, enum way way, const struct order *o, struct how how, const char *must)
{
	char *is = tables_after(j, way, o, how);

	if (is)
		compare(j, way, is, must);
	free(is);
}

/* ---- other orders ---- */

/* All batches as large as they can be, or by lot. */
static void
batch_anew(struct judge *j, struct order *o, uint64_t seed, uint64_t one_of)
{
	for (unsigned i = world_begins_with(j->w) + 1; i < o->n; i++) {
		const struct made *a = &j->h->made[o->v[i - 1].made],
				  *b = &j->h->made[o->v[i].made];

		o->v[i].joins = i > world_begins_with(j->w) && a->chain == b->chain &&
				a->ev.seq + 1 == b->ev.seq && draw(seed, 30, i, one_of) == 0;
	}
}

/* The chain of which this names an end, and that end; false: none. */
static bool
names(const struct history *h, const struct event *ev, unsigned *ret_chain, int64_t *ret_to)
{
	if (ev->kind != EVENT_SEEN && ev->kind != EVENT_MERGED)
		return false;
	for (unsigned c = 0; c < h->nchains; c++) {
		if (!uuid_eq(&h->chain[c], &ev->object))
			continue;
		*ret_chain = c;
		*ret_to = strtoll(strstr(ev->body, "\"to\":") + 5, NULL, 10);
		return true;
	}
	return false;
}

/* The chains in another order, each in its own. late: also before what they name. */
static void
shuffle(struct judge *j, uint64_t seed, bool late, struct order *ret)
{
	const struct history *h = j->h;
	unsigned chain[CHAINS_MAX][EVENTS_MAX], n[CHAINS_MAX] = { 0 }, at[CHAINS_MAX] = { 0 };
	int64_t end[CHAINS_MAX] = { world_begins_with(j->w) };

	memcpy(ret, &h->order, sizeof(*ret));
	ret->n = world_begins_with(j->w);
	for (unsigned i = ret->n; i < h->order.n; i++) {
		unsigned made = h->order.v[i].made;

		chain[h->made[made].chain][n[h->made[made].chain]++] = made;
	}
	for (uint64_t lot = 0; ret->n < h->order.n && lot < 100 * EVENTS_MAX; lot++) {
		unsigned c = (unsigned)draw(seed, 31, lot, h->nchains), other;
		unsigned most = 1 + (unsigned)draw(seed, 32, lot, 10);
		int64_t to;

		for (; most && at[c] < n[c]; most--) {
			const struct event *ev = &h->made[chain[c][at[c]]].ev;

			if (!late && names(h, ev, &other, &to) && end[other] < to)
				break;
			end[c] = ev->seq;
			ret->v[ret->n++] = (struct place){ chain[c][at[c]++], false };
		}
	}
}

/* ---- the order that the log proves ---- */

static void
write_log(struct judge *j, struct err *e)
{
	const struct order *o = &j->h->order;
	struct ledger_item item;
	struct ledger_steps steps = { 0 };

	if (db_script(j->log, "TRUNCATE event", e))
		abort();
	for (unsigned i = 0; i < o->n; i++) {
		item = (struct ledger_item){ &j->h->made[o->v[i].made].ev, no_hash };
		ledger_step_events(&steps, &item.ev->node, &item, 1, LEDGER_LOG_ONLY);
	}
	if (db_transaction(j->log, NULL, steps.v, steps.n, NULL, e)) {
		fprintf(stderr, "%s\n", e->text);
		abort();
	}
	ledger_steps_done(&steps);
}

static bool
rebuild_some(struct judge *j, struct order_db d, struct order *o, bool *ret_more)
{
	struct order_batch b = { 0 };
	struct err e = { 0 };
	char why[64];
	bool good;

	if (order_next(o, d, &b, &e))
		abort();
	*ret_more = b.taken > 0;
	good = !b.steps.n || tables_run(j->empty, &b.steps, why);
	if (!good)
		note(j, REBUILT, why, why);
	order_batch_done(&b);
	return good;
}

static void
try_rebuild(struct judge *j, const char *must)
{
	struct order_db d = { j->log, NULL };
	struct err e = { 0 };
	bool more = true, good = true;
	int64_t events;

	write_log(j, &e);
	tables_do(j->empty, "BEGIN; INSERT INTO event SELECT * FROM public.event");
	struct order *o = order_new();
	if (order_read(o, d, &events, &e))
		abort();
	while (good && more)
		good = rebuild_some(j, d, o, &more);
	order_free(o);
	if (good) {
		char *is = tables_dump(j->empty);

		compare(j, REBUILT, is, must);
		free(is);
	}
	tables_do(j->empty, "ROLLBACK");
}

/* ---- promises ---- */

static void
note_broken(void *ctx, enum way how, const char *where, const struct made *m)
{
	char example[512];

	snprintf(example, sizeof(example), "%s %s", event_name((int)m->ev.kind), m->ev.body);
	note(ctx, how, where, example);
}

/* ---- a case ---- */

static void
insert_events(struct judge *j)
{
	const struct order *o = &j->h->order;
	struct ledger_steps steps = { 0 };
	char why[64];

	for (unsigned i = world_begins_with(j->w); i < o->n; i++) {
		struct ledger_item item = { &j->h->made[o->v[i].made].ev, no_hash };

		ledger_step_events(&steps, &item.ev->node, &item, 1, LEDGER_LOG_ONLY);
	}
	if (!tables_run(j->t, &steps, why)) {
		fprintf(stderr, "%s\n", why);
		abort();
	}
}

static void
try_batches(struct judge *j, uint64_t seed, const char *one_by_one)
{
	struct order *o = mem_new(sizeof(*o));

	memcpy(o, &j->h->order, sizeof(*o));
	for (uint64_t one_of = 1; one_of <= 2; one_of++) {
		batch_anew(j, o, seed, one_of);
		try(j, CUTS, o, (struct how){ true, 1, 1 }, one_by_one);
	}
	free(o);
}

static void
try_orders(struct judge *j, uint64_t seed, const char *one_by_one)
{
	struct order *o = mem_new(sizeof(*o));

	for (unsigned i = 0; i <= ORDERS_TRIED; i++) {
		bool late = i == ORDERS_TRIED;

		shuffle(j, seed + i, late, o);
		try(j, late ? LATE : ORDERS, o, (struct how){ false, 1, 1 }, one_by_one);
	}
	free(o);
}

static void
try_all(struct judge *j, uint64_t seed)
{
	const struct order *o = &j->h->order;
	char *single = tables_after(j, REFUSED, o, (struct how){ false, 1, 1 });
	char *batches = tables_after(j, REFUSED, o, (struct how){ true, 1, 1 });

	if (single)
		promises_check(j->h, world_begins_with(j->w), single, note_broken, j);
	if (single && batches) {
		compare(j, CUTS, batches, single);
		try_batches(j, seed, single);
		try(j, TWICE, o, (struct how){ true, 2, 1 }, batches);
		try(j, TWICE, o, (struct how){ false, 2, 1 }, single);
		try(j, AGAIN, o, (struct how){ false, 1, 2 }, single);
		try_orders(j, seed, single);
		try_rebuild(j, batches);
	}
	free(single);
	free(batches);
}

void
judge_case(struct judge *j, const struct a_case *x, struct verdict *ret)
{
	*ret = (struct verdict){ 0 };
	j->verdict = ret;
	j->h = world_play(j->w, x);
	if (j->h->refused[0]) {
		note(j, REFUSED, j->h->refused, j->h->refused);
		return;
	}
	if (j->h->undone[0])
		note(j, UNDONE, j->h->undone, j->h->undone);
	tables_do(j->t, "BEGIN");
	insert_events(j);
	try_all(j, x->seed);
	tables_do(j->t, "ROLLBACK");
}

/* ---- life ---- */

static void
begin(struct judge *j)
{
	struct a_case nothing = { .nodes = 2 };

	j->h = world_play(j->w, &nothing);
	for (unsigned i = 0; i < j->h->order.n; i++) {
		struct ledger_item item = { &j->h->made[i].ev, no_hash };
		struct ledger_steps steps = { 0 };
		char why[64];

		tables_do(j->t, "BEGIN");
		ledger_step_events(&steps, &item.ev->node, &item, 1, LEDGER_OWN);
		if (!tables_run(j->t, &steps, why))
			abort();
		tables_do(j->t, "COMMIT");
	}
}

struct judge *
judge_new(struct pgtemp *pg, struct world *w)
{
	struct judge *j = mem_new(sizeof(*j));
	struct db_options o = { .conninfo = pgtemp_conninfo(pg, "holdfast"), .wait_ms = 5000 };
	struct err e = { 0 };

	j->w = w;
	j->log = db_open(&o, &e);
	if (!j->log) {
		fprintf(stderr, "%s\n", e.text);
		abort();
	}
	j->t = tables_new(pg);
	j->empty = tables_new(pg);
	begin(j);
	return j;
}

void
judge_tidy(struct judge *j)
{
	tables_tidy(j->t);
	tables_tidy(j->empty);
	world_tidy(j->w);
}

void
judge_free(struct judge *j)
{
	if (!j)
		return;
	tables_free(j->t);
	tables_free(j->empty);
	db_free(j->log);
	free(j);
}
