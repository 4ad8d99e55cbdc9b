/* SPDX-License-Identifier: Apache-2.0
 *
 * The order in which the primaries applied the log, read from the log alone.
 *
 *  1. A chain's events come in their order.
 *  2. A range that a MERGED event took in stands at that event, applied as it was there: as one, and not at all where the event says
 *     not_applied. That holds of MERGED events which were written to the database themselves; one that came there by a merge says what
 *     a former primary did in a database that was given up.
 *  3. All other events were written by their node as the primary. Primaries follow each other: one goes on until it meets something that
 *     must be behind another one's, which then goes on. What must be behind what is said by
 *       SEEN               behind those events of the other chain
 *       MERGED             behind the events before its range
 *       PROMOTED, RESTORED behind those with a lower term
 *     and the chain that has the first data key begins.
 *  4. Where all chains that are left wait for each other (a log that was cut, or is older than SEEN) the one with the lowest term goes on, and
 *     that place counts as unproven.
 *
 * How a primary cut its own events into transactions is in no event. Two changes of one record were never in one, which its lock sees to, so
 * they are not applied as one here either; of different records it makes no difference. A journal that a node adopted at its promotion was
 * written without those locks: there it may.
 */
#include "ledger/rebuild_impl.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

#define CHUNK 5000
#define BATCH 500  /* events that are applied */
#define IDLE 20000 /* events that are looked at */
#define NOBODY SIZE_MAX
#define DEPTH_MAX 64 /* of merges of merges */

/* Read ahead. */
struct pending {
	int64_t seq, upto;
	int kind;
	struct uuid object;
};

/* A range of this chain that was taken in by a MERGED event. */
struct taken {
	int64_t from, to;
	size_t by; /* a chain */
	int64_t by_seq;
	bool applied;
};

/* An event that begins a term. */
struct term {
	int64_t seq, number;
};

struct chain {
	struct uuid node;
	int64_t last, applied; /* of the log; the last one that was taken */
	struct pending *ahead;
	size_t n, at;
	struct taken *taken; /* by from */
	size_t ntaken, taken_cap;
	int64_t widest; /* of these */
	struct term *term;
	size_t nterms, term_cap;
	int64_t first_key; /* the lowest number of a data key that it made, or INT64_MAX */
};

struct order {
	struct chain *v;
	size_t n, current;
};

struct order *
order_new(void)
{
	struct order *o = mem_new(sizeof(*o));

	o->current = NOBODY;
	return o;
}

void
order_free(struct order *o)
{
	for (size_t i = 0; o && i < o->n; i++) {
		free(o->v[i].ahead);
		free(o->v[i].taken);
		free(o->v[i].term);
	}
	if (o)
		free(o->v);
	free(o);
}

void
order_batch_done(struct order_batch *b)
{
	ledger_steps_done(&b->steps);
	free(b->v);
	*b = (struct order_batch){ 0 };
}

static size_t
chain_of(const struct order *o, const struct uuid *node)
{
	for (size_t i = 0; i < o->n; i++) {
		if (uuid_eq(&o->v[i].node, node))
			return i;
	}
	return NOBODY;
}

/* ---- what the log says ---- */

static int
read_chains(struct order *o, struct order_db d, int64_t *ret_events, struct err *e)
{
	auto_rows rows = NULL;
	int rc = db_exec(d.db, d.f, STMT_EVENT_NODES, NULL, &rows, e);

	*ret_events = 0;
	for (int i = 0; !rc && i < rows_count(rows); i++) {
		struct uuid node;
		size_t at;

		row_uuid(rows, i, COL_EVENT_NODES_NODE, &node);
		at = chain_of(o, &node);
		if (at == NOBODY) {
			at = o->n++;
			o->v = mem_grow(o->v, o->n, sizeof(*o->v));
			o->v[at] = (struct chain){ .node = node };
		}
		o->v[at].last = row_bigint(rows, i, COL_EVENT_NODES_LAST);
		*ret_events += row_bigint(rows, i, COL_EVENT_NODES_EVENTS);
	}
	return rc;
}

static void
note_merged(struct order *o, size_t by, const struct rows *rows, int i)
{
	struct uuid node;
	size_t at;
	struct chain *c;

	row_uuid(rows, i, COL_REBUILD_MARKS_OBJECT, &node);
	at = chain_of(o, &node);
	if (at == NOBODY || at == by)
		return;
	c = &o->v[at];
	if (c->ntaken == c->taken_cap) {
		c->taken_cap = c->taken_cap ? c->taken_cap * 2 : 16;
		c->taken = mem_grow(c->taken, c->taken_cap, sizeof(*c->taken));
	}
	struct taken t = { .from = row_bigint(rows, i, COL_REBUILD_MARKS_FROM_SEQ),
			   .to = row_bigint(rows, i, COL_REBUILD_MARKS_TO_SEQ),
			   .by = by,
			   .by_seq = row_bigint(rows, i, COL_REBUILD_MARKS_SEQ),
			   .applied = row_bool(rows, i, COL_REBUILD_MARKS_APPLIED) };
	c->taken[c->ntaken++] = t;
	if (t.to - t.from > c->widest)
		c->widest = t.to - t.from;
}

static void
note_term(struct chain *c, const struct rows *rows, int i)
{
	if (c->nterms == c->term_cap) {
		c->term_cap = c->term_cap ? c->term_cap * 2 : 8;
		c->term = mem_grow(c->term, c->term_cap, sizeof(*c->term));
	}
	c->term[c->nterms++] = (struct term){ row_bigint(rows, i, COL_REBUILD_MARKS_SEQ),
					      row_bigint(rows, i, COL_REBUILD_MARKS_NUMBER) };
}

static int
by_from(const void *a, const void *b)
{
	const struct taken *x = a, *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

static void
forget_marks(struct order *o)
{
	for (size_t i = 0; i < o->n; i++) {
		o->v[i].ntaken = o->v[i].nterms = 0;
		o->v[i].first_key = INT64_MAX;
	}
}

static void
note_mark(struct order *o, const struct rows *rows, int i)
{
	int64_t number = row_bigint(rows, i, COL_REBUILD_MARKS_NUMBER);
	struct uuid node;
	size_t at;

	row_uuid(rows, i, COL_REBUILD_MARKS_NODE, &node);
	at = chain_of(o, &node);
	if (at == NOBODY)
		return;
	switch (row_int(rows, i, COL_REBUILD_MARKS_KIND)) {
	case EVENT_MERGED:
		note_merged(o, at, rows, i);
		break;
	case EVENT_KEY_CREATED:
		if (number < o->v[at].first_key)
			o->v[at].first_key = number;
		break;
	default:
		note_term(&o->v[at], rows, i);
	}
}

int
order_read(struct order *o, struct order_db d, int64_t *ret_events, struct err *e)
{
	auto_rows rows = NULL;
	int rc = read_chains(o, d, ret_events, e);

	if (!rc)
		rc = db_exec(d.db, d.f, STMT_REBUILD_MARKS, NULL, &rows, e);
	if (rc)
		return rc;
	forget_marks(o);
	for (int i = 0; i < rows_count(rows); i++)
		note_mark(o, rows, i);
	for (size_t i = 0; i < o->n; i++) {
		if (o->v[i].ntaken)
			qsort(o->v[i].taken, o->v[i].ntaken, sizeof(*o->v[i].taken), by_from);
	}
	return 0;
}

/* ---- reading ahead ---- */

static int
read_ahead(struct chain *c, struct order_db d, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;
	int rc;

	bind_uuid(&b, &c->node);
	bind_bigint(&b, c->applied);
	bind_int(&b, CHUNK);
	rc = db_exec(d.db, d.f, STMT_REBUILD_CHUNK, &b, &rows, e);
	if (rc)
		return rc;
	c->at = 0;
	c->n = (size_t)rows_count(rows);
	c->ahead = mem_grow(c->ahead, c->n + 1, sizeof(*c->ahead));
	for (size_t i = 0; i < c->n; i++) {
		struct pending *p = &c->ahead[i];

		p->seq = row_bigint(rows, (int)i, COL_REBUILD_CHUNK_SEQ);
		p->kind = row_int(rows, (int)i, COL_REBUILD_CHUNK_KIND);
		p->upto = row_bigint(rows, (int)i, COL_REBUILD_CHUNK_UPTO);
		row_uuid(rows, (int)i, COL_REBUILD_CHUNK_OBJECT, &p->object);
	}
	return 0;
}

/* The chain's first event that was not taken; NULL: there is none. */
static int
first_of(struct chain *c, struct order_db d, const struct pending **ret, struct err *e)
{
	int rc = 0;

	if (c->applied < c->last && c->at == c->n)
		rc = read_ahead(c, d, e);
	if (rc)
		return rc;
	*ret = c->at < c->n && c->ahead[c->at].seq <= c->last ? &c->ahead[c->at] : NULL;
	return 0;
}

static void
pass(struct chain *c)
{
	c->applied = c->ahead[c->at++].seq;
}

/* ---- what must be behind what ---- */

static bool came_by_merge(const struct order *o, size_t chain, int64_t seq, int depth);

/* The merge that took this event in, or NULL. */
static const struct taken *
merge_of(const struct order *o, size_t chain, int64_t seq, int depth)
{
	const struct chain *c = &o->v[chain];
	size_t lo = 0, hi = c->ntaken;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (c->taken[mid].from <= seq)
			lo = mid + 1;
		else
			hi = mid;
	}
	while (lo-- > 0 && c->taken[lo].from >= seq - c->widest) {
		const struct taken *t = &c->taken[lo];

		if (t->to >= seq && !came_by_merge(o, t->by, t->by_seq, depth + 1))
			return t;
	}
	return NULL;
}

static bool
came_by_merge(const struct order *o, size_t chain, int64_t seq, int depth)
{
	return depth < DEPTH_MAX && merge_of(o, chain, seq, depth) != NULL;
}

/* The first term that the chain has not begun yet and begins itself. */
static int64_t
next_term(const struct order *o, size_t chain)
{
	const struct chain *c = &o->v[chain];

	for (size_t i = 0; i < c->nterms; i++) {
		if (c->term[i].seq > c->applied && !came_by_merge(o, chain, c->term[i].seq, 0))
			return c->term[i].number;
	}
	return INT64_MAX;
}

static bool
waits_for_term(const struct order *o, size_t chain)
{
	int64_t own = next_term(o, chain);

	for (size_t i = 0; i < o->n; i++) {
		if (i != chain && next_term(o, i) < own)
			return true;
	}
	return false;
}

/* The range that this event of the chain took in, and whose. */
static const struct taken *
range_of(const struct order *o, size_t chain, const struct pending *p, size_t *ret_whose)
{
	size_t whose = chain_of(o, &p->object);

	for (size_t i = 0; whose != NOBODY && i < o->v[whose].ntaken; i++) {
		const struct taken *t = &o->v[whose].taken[i];

		if (t->by == chain && t->by_seq == p->seq) {
			*ret_whose = whose;
			return t;
		}
	}
	return NULL;
}

static int
waits_for_range(struct order *o, struct order_db d, size_t chain, const struct pending *p,
		bool *ret, struct err *e)
{
	size_t whose = NOBODY;
	const struct taken *t = range_of(o, chain, p, &whose);
	const struct pending *first = NULL;
	int rc = t ? first_of(&o->v[whose], d, &first, e) : 0;

	*ret = first && first->seq < t->from;
	return rc;
}

static bool
waits_for_seen(const struct order *o, const struct pending *p)
{
	size_t at = chain_of(o, &p->object);
	const struct chain *c = at == NOBODY ? NULL : &o->v[at];

	return c && c->applied < (p->upto < c->last ? p->upto : c->last);
}

static int
waits(struct order *o, struct order_db d, size_t chain, const struct pending *p, bool *ret,
      struct err *e)
{
	*ret = came_by_merge(o, chain, p->seq, 0);
	if (*ret)
		return 0;
	switch (p->kind) {
	case EVENT_SEEN:
		*ret = waits_for_seen(o, p);
		return 0;
	case EVENT_PROMOTED:
	case EVENT_RESTORED:
		*ret = waits_for_term(o, chain);
		return 0;
	case EVENT_MERGED:
		return waits_for_range(o, d, chain, p, ret, e);
	default:
		return 0;
	}
}

/* ---- taking ---- */

static void
take(struct order_batch *b, struct chain *c, const struct pending *p, bool apply)
{
	b->taken++;
	if (apply && event_apply_stmt(p->kind) >= 0) {
		if (b->n == b->cap) {
			b->cap = b->cap ? b->cap * 2 : 256;
			b->v = mem_grow(b->v, b->cap, sizeof(*b->v));
		}
		b->v[b->n++] = (struct event){ .node = c->node,
					       .seq = p->seq,
					       .object = p->object,
					       .kind = (enum event_kind)p->kind };
	}
	pass(c);
}

/* What people do all day. One of these leaves alone what the others look at and compare, but for what it makes that a later one needs;
 * so between two events of any other kind they are applied kind by kind, in this order, and not run by run. It is this that makes it fast. */
static const struct daily {
	enum event_kind kind;
	bool together; /* also of one record */
} daily[] = {
	{ EVENT_LOGIN, true },
	{ EVENT_LOGIN_FAILED, true },
	{ EVENT_SESSION_SEEN, true },
	{ EVENT_LOGOUT, true },
	{ EVENT_RESOURCE_CREATED, false },
	{ EVENT_ACCOUNT_CREATED, false },
	{ EVENT_VERSION_ADDED, false },
	{ EVENT_SHARED, true },
};

#define NOT_DAILY ARRAY_LEN(daily)

static size_t
rank_of(int kind)
{
	size_t i = 0;

	while (i < NOT_DAILY && (int)daily[i].kind != kind)
		i++;
	return i;
}

/* Whether p cannot be applied together with what was taken since `from`. */
static bool
stands_apart(const struct order_batch *b, size_t from, const struct pending *p)
{
	size_t rank = rank_of(p->kind);

	if (event_apply_stmt(p->kind) < 0 || from == b->n)
		return false;
	if (rank == NOT_DAILY || rank_of((int)b->v[b->n - 1].kind) == NOT_DAILY)
		return true;
	for (size_t i = from; !daily[rank].together && i < b->n; i++) {
		if ((int)b->v[i].kind == p->kind && uuid_eq(&b->v[i].object, &p->object))
			return true;
	}
	return false;
}

/* What was taken since `from`, in its order: of a merge. */
static void
step_since(struct order_batch *b, const struct chain *c, size_t from)
{
	size_t n = b->n - from;
	struct ledger_item *items = mem_array(n + 1, sizeof(*items));

	for (size_t i = 0; i < n; i++)
		items[i] = (struct ledger_item){ &b->v[from + i], NULL };
	if (n)
		ledger_step_applies(&b->steps, &c->node, items, n, LEDGER_MERGED);
	free(items);
}

/* The same, kind by kind. */
static void
step_together(struct order_batch *b, const struct chain *c, size_t from)
{
	size_t n = 0;
	struct ledger_item *items = mem_array(b->n - from + 1, sizeof(*items));

	for (size_t rank = 0; rank <= NOT_DAILY; rank++) {
		for (size_t i = from; i < b->n; i++) {
			if (rank_of((int)b->v[i].kind) == rank)
				items[n++] = (struct ledger_item){ &b->v[i], NULL };
		}
	}
	if (n)
		ledger_step_applies(&b->steps, &c->node, items, n, LEDGER_OWN);
	free(items);
}

static int
take_range(struct order_db d, struct order_batch *b, struct chain *c, const struct taken *t,
	   struct err *e)
{
	size_t from = b->n;
	int rc = 0;

	while (!rc) {
		const struct pending *p;

		rc = first_of(c, d, &p, e);
		if (rc || !p || p->seq > t->to)
			break;
		take(b, c, p, t->applied);
	}
	step_since(b, c, from);
	return rc;
}

/* The chain's events, as long as nothing else must be before them. force: the first one is taken all the same. */
static int
take_some(struct order *o, struct order_db d, struct order_batch *b, size_t chain, bool force,
	  struct err *e)
{
	struct chain *c = &o->v[chain];
	size_t from = b->n;
	int rc = 0;

	while (!rc && b->n < BATCH && b->taken < IDLE) {
		const struct taken *t = NULL;
		const struct pending *p;
		size_t whose = NOBODY;
		bool wait = false;

		rc = first_of(c, d, &p, e);
		if (!rc && p && !force)
			rc = waits(o, d, chain, p, &wait, e);
		if (rc || !p || wait)
			break;
		if (force) {
			b->unproven = true;
			b->placed = (struct rebuild_place){ c->node, p->seq };
			force = false;
		}
		if (p->kind == EVENT_MERGED)
			t = range_of(o, chain, p, &whose);
		if (stands_apart(b, from, p)) {
			step_together(b, c, from);
			from = b->n;
		}
		take(b, c, p, true);
		if (!t)
			continue;
		step_together(b, c, from);
		rc = take_range(d, b, &o->v[whose], t, e);
		from = b->n;
	}
	step_together(b, c, from);
	return rc;
}

static bool
before(const struct order *o, size_t a, size_t b)
{
	int64_t x = next_term(o, a), y = next_term(o, b);

	if (o->current == NOBODY && o->v[a].first_key != o->v[b].first_key)
		return o->v[a].first_key < o->v[b].first_key;
	return x < y;
}

/* The chain that goes on, or NOBODY when none is left. *ret_force: it waits for another one. */
static int
choose(struct order *o, struct order_db d, size_t *ret, bool *ret_force, struct err *e)
{
	size_t free_one = NOBODY, any = NOBODY;

	for (size_t i = 0; i < o->n; i++) {
		const struct pending *p;
		bool wait;
		int rc = first_of(&o->v[i], d, &p, e);

		if (!rc && p)
			rc = waits(o, d, i, p, &wait, e);
		if (rc)
			return rc;
		if (!p)
			continue;
		if (any == NOBODY || before(o, i, any))
			any = i;
		if (!wait && (free_one == NOBODY || before(o, i, free_one)))
			free_one = i;
	}
	*ret = free_one != NOBODY ? free_one : any;
	*ret_force = free_one == NOBODY;
	return 0;
}

int
order_next(struct order *o, struct order_db d, struct order_batch *ret, struct err *e)
{
	bool force = false;
	size_t next;
	int rc = o->current == NOBODY ? 0 : take_some(o, d, ret, o->current, false, e);

	if (rc || ret->taken)
		return rc;
	rc = choose(o, d, &next, &force, e);
	if (rc || next == NOBODY)
		return rc;
	o->current = next;
	return take_some(o, d, ret, next, force, e);
}
