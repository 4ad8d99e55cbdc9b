/* SPDX-License-Identifier: Apache-2.0
 *
 * Breadth-first through what acts make of the world: the first path to a state is a shortest one.
 */
#include "test/model/model.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/mem.h"

#define ROUNDS_MAX 400
#define LEAP_MAX 48 /* units */

/* ---- until it is at rest ---- */

/* A task that fails is begun again and again; that moves nothing. */
static void
strip(const struct world *w, struct world *ret)
{
	*ret = *w;
	world_clear_age(ret);
	for (unsigned i = 0; i < PROGRAMS_MAX; i++) {
		struct program *p = &ret->p[i];

		p->task = p->phase = p->task_epoch = p->task_to = 0;
		p->task_logged = false;
		for (unsigned k = 0; k < NODES_MAX; k++)
			p->sees[k].kept = false;
	}
	for (unsigned i = 0; i < PROGRAMS_MAX; i++) {
		struct program *p = &ret->p[i];

		p->db.pos = p->copy.pos = 0;
		/* A stream is let in and ended again as long as none comes. */
		if (!w->p[i].t.receives) {
			p->db.follows = NOBODY;
			p->db.raw = false;
		}
	}
}

/* Short rounds while something changes, longer and longer ones while nothing does, until every limit is over. */
bool
run_quiet(struct world *w, change_fn *on_change, void *ctx)
{
	static struct world before, now;
	unsigned units = ROUND, idle = 0;

	strip(w, &before);
	for (unsigned round = 0; round < ROUNDS_MAX; round++) {
		agents_advance(units);
		world_grow_older(w, units);
		nature_round(w);
		agents_tick();
		strip(w, &now);
		if (memcmp(&before, &now, sizeof(now)) != 0) {
			before = now;
			idle = 0;
			units = ROUND;
			if (on_change)
				on_change(ctx, w);
			continue;
		}
		idle += units;
		units = units * 2 > LEAP_MAX ? LEAP_MAX : units * 2;
		if (idle > AGE_MAX)
			return true;
	}
	return false;
}

/* ---- states ---- */

struct entry {
	struct world w;
	uint32_t parent;
	struct act act;
	uint8_t depth;
	bool midway;
};

struct store {
	struct entry *v;
	uint32_t n, room;
	uint32_t *slot; /* index + 1 */
	uint64_t slots;
	uint64_t *good; /* marks of worlds that have a way out */
	uint64_t goods, good_slots;
};

static uint64_t
mark_of(const struct world *w)
{
	const uint8_t *b = (const uint8_t *)w;
	uint64_t h = 0x9e3779b97f4a7c15u, v;
	size_t i = 0;

	for (; i + sizeof(v) <= sizeof(*w); i += sizeof(v)) {
		memcpy(&v, b + i, sizeof(v));
		h = (h ^ v) * 0xff51afd7ed558ccdu;
		h ^= h >> 32;
	}
	for (; i < sizeof(*w); i++)
		h = (h ^ b[i]) * 1099511628211u;
	return h ^ (h >> 29);
}

static void
grow(struct store *s)
{
	if (s->n == s->room) {
		s->room = s->room ? s->room * 2 : 1024;
		s->v = realloc(s->v, s->room * sizeof(*s->v));
		if (!s->v)
			abort();
	}
	if (s->n * 2ull < s->slots)
		return;
	free(s->slot);
	s->slots = s->slots ? s->slots * 2 : 4096;
	s->slot = calloc(s->slots, sizeof(*s->slot));
	if (!s->slot)
		abort();
	for (uint32_t i = 0; i < s->n; i++) {
		uint64_t at_slot = mark_of(&s->v[i].w) & (s->slots - 1);

		while (s->slot[at_slot])
			at_slot = (at_slot + 1) & (s->slots - 1);
		s->slot[at_slot] = i + 1;
	}
}

/* NULL: it is there already. */
static struct entry *
add(struct store *s, const struct world *w)
{
	grow(s);
	uint64_t at_slot = mark_of(w) & (s->slots - 1);

	for (; s->slot[at_slot]; at_slot = (at_slot + 1) & (s->slots - 1)) {
		if (memcmp(&s->v[s->slot[at_slot] - 1].w, w, sizeof(*w)) == 0)
			return NULL;
	}
	struct entry *e = &s->v[s->n];
	memset(e, 0, sizeof(*e));
	e->w = *w;
	s->slot[at_slot] = ++s->n;
	return e;
}

/* ---- what is found ---- */

struct run {
	const struct search_options *o;
	struct result *r;
	struct store s;
	uint32_t from;
	struct act act;
	unsigned depth;
};

static void
print_path(struct run *u, uint32_t i)
{
	uint32_t path[64];
	unsigned n = 0, step = 0;

	for (; u->s.v[i].depth && n < ARRAY_LEN(path); i = u->s.v[i].parent)
		path[n++] = i;
	while (n > 0) {
		const struct entry *e = &u->s.v[path[--n]];

		printf("    %u. ", ++step);
		act_print(&u->s.v[e->parent].w, &e->act, stdout);
		printf("%s:", u->s.v[e->parent].midway ? ", at once" : "");
		for (unsigned k = 0; k < PROGRAMS_MAX; k++) {
			const struct program *p = &e->w.p[k];

			if (p->exists)
				printf(" %s %s", node_name(p->node),
				       p->on ? state_name(p->state) : "down");
		}
		putchar('\n');
	}
}

static unsigned
kinds_of(const struct run *u, uint32_t i)
{
	unsigned kinds = 0;

	for (; u->s.v[i].depth; i = u->s.v[i].parent)
		kinds |= 1u << u->s.v[i].act.kind;
	return kinds;
}

static void
report(struct run *u, uint32_t i, enum invariant v)
{
	const char *why = act_is_known(&u->s.v[i].w, v, kinds_of(u, i));
	uint64_t *count = why ? &u->r->known[v] : &u->r->broken[v];

	if ((*count)++ >= u->o->show)
		return;
	printf("%s is broken%s%s: %s\n", invariant_name(v), why ? ", as is known: " : "",
	       why ? why : "", invariant_text(v));
	print_path(u, i);
	if (getenv("MODEL_STATES"))
		world_print(&u->s.v[i].w, stdout);
	fflush(stdout);
}

static void
judge_entry(struct run *u, uint32_t i)
{
	unsigned broken = judge(&u->s.v[i].w);
	struct world w = u->s.v[i].w;
	char verbs[512];

	for (enum invariant v = 0; v < INVARIANTS; v++) {
		if (broken & (1u << v))
			report(u, i, v);
	}
	if (!judge_has_way_out(&w, verbs, sizeof(verbs)))
		report(u, i, NO_DEAD_END);
}

static struct entry *
add_reached(struct run *u, const struct world *w, bool midway)
{
	struct entry *e = add(&u->s, w);

	if (!e)
		return NULL;
	e->parent = u->from;
	e->act = u->act;
	e->depth = (uint8_t)u->depth;
	e->midway = midway;
	u->r->states++;
	u->r->depth_states[u->depth]++;
	return e;
}

static void
on_change(void *ctx, const struct world *w)
{
	struct run *u = ctx;
	struct world copy = *w;

	if (u->depth > u->o->middle || !nature_is_midway(w))
		return;
	world_canonical(&copy);
	add_reached(u, &copy, true);
}

static void
follow(struct run *u, const struct act *a)
{
	struct world w = u->s.v[u->from].w;

	agents_load(&w);
	if (!act_do(&w, a))
		return;
	u->r->transitions++;
	u->act = *a;
	bool rests = run_quiet(&w, on_change, u);
	for (unsigned i = 0; i < PROGRAMS_MAX; i++) {
		struct program *p = &w.p[i];

		if (!p->t.receives && !p->stopped) {
			p->db.follows = NOBODY;
			p->db.raw = false;
		}
		if (p->phase != TASK_WORKING && p->phase != TASK_FAILED)
			continue;
		p->task = p->phase = p->task_epoch = p->task_to = 0;
		p->task_logged = false;
	}
	world_canonical(&w);
	bool led = u->s.v[u->from].midway || act_led(&w, a);
	struct entry *e = add_reached(u, &w, false);
	if (!e)
		return;
	uint32_t i = (uint32_t)(e - u->s.v);
	if (!led)
		report(u, i, ORDERS_LEAD);
	if (!rests)
		report(u, i, COMES_TO_REST);
	judge_entry(u, i);
	/* What is broken stays broken, and is told once. */
	u->s.v[i].w.lost = u->s.v[i].w.forked = 0;
}

static int64_t
now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static void
begin(struct run *u)
{
	struct world w;

	world_begin(&w, u->o->nodes);
	agents_load(&w);
	for (unsigned i = 0; i < u->o->nodes; i++)
		program_start(&w, i);
	run_quiet(&w, NULL, NULL);
	for (unsigned i = 0; i < PROGRAMS_MAX; i++)
		w.p[i].db.pos = w.p[i].exists;
	for (unsigned i = 0; i < w.segs_n; i++)
		w.seg[i].first = w.seg[i].acked = true;
	world_canonical(&w);
	add_reached(u, &w, false);
	judge_entry(u, 0);
}

static bool
is_broken(const struct result *r)
{
	for (enum invariant v = 0; v < INVARIANTS; v++) {
		if (r->broken[v])
			return true;
	}
	return false;
}

void
search(const struct search_options *o, struct result *ret)
{
	struct run u = { .o = o, .r = ret };
	int64_t until = o->seconds ? now_s() + o->seconds : INT64_MAX;

	*ret = (struct result){ .whole = true };
	begin(&u);
	for (uint32_t i = 0; i < u.s.n && ret->whole; i++) {
		struct act acts[ACTS_MAX];

		if (u.s.v[i].depth >= o->acts)
			break;
		unsigned n = acts_list(&u.s.v[i].w, u.s.v[i].midway, o->few, acts);
		u.depth = u.s.v[i].depth + 1u;
		ret->depth = u.depth;
		for (unsigned k = 0; k < n && ret->whole; k++) {
			u.from = i;
			follow(&u, &acts[k]);
			ret->whole = now_s() < until &&
				     (!o->bytes || (int64_t)(u.s.n * sizeof(*u.s.v)) < o->bytes);
			if (o->first && is_broken(ret))
				goto end;
		}
	}
end:
	free(u.s.v);
	free(u.s.slot);
}
