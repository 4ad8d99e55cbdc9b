/* SPDX-License-Identifier: Apache-2.0
 *
 * The modelled world: who reaches whom, which events are where, and what is the same world.
 */
#include "model.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

const char *
node_name(unsigned node)
{
	static const char *const names[NODES_MAX] = { "vault-a", "vault-b", "vault-c" };

	return node < NODES_MAX ? names[node] : "nobody";
}

/* ---- who reaches whom ---- */

unsigned
program_named(const struct world *w, unsigned node)
{
	unsigned found = PROGRAMS_MAX;

	for (unsigned i = 0; i < PROGRAMS_MAX; i++) {
		const struct program *p = &w->p[i];

		if (!p->exists || p->node != node || !p->powered)
			continue;
		if (p->on)
			return i;
		if (found == PROGRAMS_MAX)
			found = i;
	}
	return found;
}

bool
database_is_up(const struct program *p)
{
	return p->exists && p->on && !p->stopped && !p->rewinding && p->db.there;
}

bool
reaches_web(const struct world *w, unsigned from, unsigned node)
{
	const struct program *p = &w->p[from];

	return p->powered && p->node != node && w->link[p->node][node].web &&
	       program_named(w, node) < PROGRAMS_MAX;
}

bool
reaches_channel(const struct world *w, unsigned from, unsigned node)
{
	const struct program *p = &w->p[from];
	unsigned other = program_named(w, node);

	/* Only the nodes of the other one's table may connect. */
	return p->on && p->node != node && w->link[p->node][node].channel && other < PROGRAMS_MAX &&
	       database_is_up(&w->p[other]) && (w->p[other].table & (1u << p->node));
}

/* ---- events ---- */

static unsigned
end_of(const struct world *w, uint16_t where, unsigned node, unsigned inc)
{
	unsigned end = 0;

	for (unsigned i = 0; i < w->segs_n; i++) {
		const struct seg *s = &w->seg[i];

		if ((s->in & where) && s->node == node && s->inc == inc && s->pos > end)
			end = s->pos;
	}
	return end;
}

static void
drop_empty(struct world *w)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w->segs_n; i++) {
		if (w->seg[i].in || w->seg[i].first)
			w->seg[n++] = w->seg[i];
	}
	memset(&w->seg[n], 0, (w->segs_n - n) * sizeof(w->seg[0]));
	w->segs_n = (uint8_t)n;
}

static bool
has_fork(const struct world *w, unsigned node, unsigned inc)
{
	for (unsigned i = 0; i < w->segs_n; i++) {
		for (unsigned k = 0; k < i; k++) {
			const struct seg *s = &w->seg[i], *t = &w->seg[k];

			if (s->in && t->in && s->node == node && t->node == node && s->inc == inc &&
			    t->inc == inc && s->pos == t->pos)
				return true;
		}
	}
	return false;
}

void
seg_add(struct world *w, unsigned program, enum place p, unsigned inc, enum seg_kind kind,
	unsigned term, unsigned about, bool acked)
{
	unsigned node = w->p[program].node;
	uint16_t own = at(program, IN_LOG) | at(program, IN_JOURNAL);
	unsigned pos = end_of(w, own, node, inc) + 1;

	/* One such event tells all that there is to tell. */
	if (kind == SEG_DATA && has_fork(w, node, inc))
		return;
	for (unsigned i = 0; i < w->segs_n; i++) {
		const struct seg *s = &w->seg[i];

		if (s->node == node && s->inc == inc && s->pos == pos && s->in)
			w->forked = 1;
	}
	if (w->segs_n == SEGS_MAX)
		drop_empty(w);
	if (w->segs_n == SEGS_MAX)
		world_print(w, stderr);
	assert(w->segs_n < SEGS_MAX);
	w->seg[w->segs_n++] = (struct seg){ .in = at(program, p),
					    .node = (uint8_t)node,
					    .inc = (uint8_t)inc,
					    .pos = (uint8_t)pos,
					    .kind = (uint8_t)kind,
					    .term = (uint8_t)term,
					    .about = (uint8_t)about,
					    .acked = acked };
}

bool
segs_part(const struct world *w, uint16_t a, uint16_t b)
{
	for (unsigned i = 0; i < w->segs_n; i++) {
		const struct seg *s = &w->seg[i];

		for (unsigned k = 0; (s->in & a) && k < w->segs_n; k++) {
			const struct seg *t = &w->seg[k];

			if (k != i && (t->in & b) && s->node == t->node && s->inc == t->inc &&
			    s->pos == t->pos)
				return true;
		}
	}
	return false;
}

void
segs_copy(struct world *w, uint16_t from, uint16_t to)
{
	for (unsigned i = 0; i < w->segs_n; i++) {
		if (w->seg[i].in & from)
			w->seg[i].in |= to;
	}
}

void
segs_drop(struct world *w, uint16_t where, bool excused)
{
	for (unsigned i = 0; i < w->segs_n; i++) {
		struct seg *s = &w->seg[i];

		if (!(s->in & where))
			continue;
		s->in &= (uint16_t)~where;
		if (!s->in && s->acked && !excused)
			w->lost = 1;
	}
}

bool
segs_within(const struct world *w, uint16_t a, uint16_t b)
{
	for (unsigned i = 0; i < w->segs_n; i++) {
		if ((w->seg[i].in & a) && !(w->seg[i].in & b))
			return false;
	}
	return true;
}

/* What the node table, the term and the last word of a hand-over are by the log. */
void
look_at_log(struct world *w, struct program *p)
{
	uint16_t log = at((unsigned)(p - w->p), IN_LOG);

	p->term = p->drawn = p->order_term = 0;
	p->top = p->order_node = NOBODY;
	p->table = (uint8_t)((1u << w->nodes) - 1);
	for (unsigned i = 0; i < w->segs_n; i++) {
		const struct seg *s = &w->seg[i];

		if (!(s->in & log))
			continue;
		struct mepoch begun = { s->term, s->about, s->drawn };

		if (s->kind == SEG_PROMOTED &&
		    (!p->term ||
		     mepoch_cmp(begun, (struct mepoch){ p->term, p->top, p->drawn }) > 0)) {
			p->term = s->term;
			p->top = s->about;
			p->drawn = s->drawn;
		} else if (s->kind == SEG_HANDOVER && s->term >= p->order_term) {
			p->order_term = s->term;
			p->order_node = s->about;
		} else if (s->kind == SEG_REMOVED) {
			p->table &= (uint8_t) ~(1u << s->about);
		}
	}
	p->looked_standby = p->db.standby;
}

/* ---- WAL ---- */

/* PostgreSQL follows another one when its own WAL ends before that one's history left it. */
bool
wal_follows(const struct world *w, const struct database *d, const struct database *of)
{
	unsigned line = of->line, end = of->pos;

	while (line != d->line) {
		if (line == 0)
			return false;
		end = w->line[line].at;
		line = w->line[line].parent;
	}
	return d->pos <= end;
}

static bool
line_is_used(const struct world *w, unsigned line)
{
	for (unsigned i = 0; i < PROGRAMS_MAX; i++) {
		const struct program *p = &w->p[i];

		if (p->exists && ((p->db.there && p->db.line == line) ||
				  (p->copy.there && p->copy.line == line)))
			return true;
	}
	return false;
}

static unsigned
child_of(const struct world *w, unsigned line, unsigned *ret_n)
{
	unsigned child = 0;

	*ret_n = 0;
	for (unsigned i = 1; i < LINES_MAX; i++) {
		if (w->line[i].used && w->line[i].parent == line) {
			child = i;
			++*ret_n;
		}
	}
	return child;
}

/* A line that nobody is on any more says nothing, unless several left it. */
static void
drop_lines(struct world *w)
{
	bool again = true;

	while (again) {
		again = false;
		for (unsigned i = 1; i < LINES_MAX; i++) {
			unsigned n, child = child_of(w, i, &n);

			if (!w->line[i].used || line_is_used(w, i) || n > 1)
				continue;
			if (n == 1) {
				w->line[child].parent = w->line[i].parent;
				w->line[child].at = w->line[i].at;
			}
			w->line[i] = (struct line){ 0 };
			again = true;
		}
	}
}

static void
move_line(struct world *w, unsigned from, unsigned to)
{
	w->line[to] = w->line[from];
	w->line[from] = (struct line){ 0 };
	for (unsigned i = 1; i < LINES_MAX; i++) {
		if (w->line[i].used && w->line[i].parent == from)
			w->line[i].parent = (uint8_t)to;
	}
	for (unsigned i = 0; i < PROGRAMS_MAX; i++) {
		struct program *p = &w->p[i];

		if (p->db.there && p->db.line == from)
			p->db.line = (uint8_t)to;
		if (p->copy.there && p->copy.line == from)
			p->copy.line = (uint8_t)to;
	}
}

/* In the order in which programs are on them. */
static void
order_lines(struct world *w)
{
	unsigned next = 1;

	for (unsigned i = 1; i < LINES_MAX; i++) {
		if (!w->line[i].used)
			continue;
		if (i != next)
			move_line(w, i, next);
		next++;
	}
}

static uint8_t
rank(const bool *used, unsigned v)
{
	uint8_t r = 0;

	for (unsigned i = 1; i <= v; i++)
		r = (uint8_t)(r + used[i]);
	return r;
}

/* Of places in a line only the order counts. */
static void
order_places(struct world *w, unsigned line)
{
	bool used[256] = { 0 };

	used[1] = line == 0;
	for (int pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; i < PROGRAMS_MAX; i++) {
			struct database *d[] = { &w->p[i].db, &w->p[i].copy };

			for (unsigned k = 0; k < 2; k++) {
				if (!d[k]->there || d[k]->line != line)
					continue;
				if (pass == 0)
					used[d[k]->pos] = true;
				else
					d[k]->pos = rank(used, d[k]->pos);
			}
		}
		for (unsigned i = 1; i < LINES_MAX; i++) {
			if (!w->line[i].used || w->line[i].parent != line)
				continue;
			if (pass == 0)
				used[w->line[i].at] = true;
			else
				w->line[i].at = rank(used, w->line[i].at);
		}
	}
}

/* ---- the same world ---- */

static uint16_t
logs(const struct world *w)
{
	uint16_t all = 0;

	for (unsigned i = 0; i < PROGRAMS_MAX; i++) {
		if (w->p[i].exists && w->p[i].db.there && !w->p[i].rewinding)
			all |= at(i, IN_LOG);
	}
	return all;
}

/* What a later event of its kind has taken the place of, wherever it is. */
static bool
is_outdated(const struct world *w, const struct seg *s)
{
	for (unsigned i = 0; i < PROGRAMS_MAX; i++) {
		for (enum place p = IN_LOG; p < PLACES; p++) {
			bool found = false;

			if (!(s->in & at(i, p)))
				continue;
			for (unsigned k = 0; k < w->segs_n; k++) {
				const struct seg *t = &w->seg[k];
				bool later = s->kind == SEG_HANDOVER ? t->term >= s->term
								     : t->term > s->term;

				found |= t->kind == SEG_PROMOTED && later && (t->in & at(i, p));
			}
			if (!found)
				return false;
		}
	}
	return true;
}

static int
seg_order(const struct seg *a, const struct seg *b)
{
	const int d[] = { a->node - b->node, a->inc - b->inc, a->pos - b->pos, a->in - b->in,
			  a->kind - b->kind };

	for (unsigned i = 0; i < ARRAY_LEN(d); i++) {
		if (d[i])
			return d[i];
	}
	return 0;
}

static void
sort_segs(struct world *w)
{
	for (unsigned i = 1; i < w->segs_n; i++) {
		struct seg s = w->seg[i];
		unsigned k = i;

		for (; k > 0 && seg_order(&s, &w->seg[k - 1]) < 0; k--)
			w->seg[k] = w->seg[k - 1];
		w->seg[k] = s;
	}
}

static bool
same_chain(const struct seg *a, const struct seg *b)
{
	return a->node == b->node && a->inc == b->inc;
}

/* Two neighbours in a chain that are in the same places say no more than one. */
static bool
says_the_same(const struct world *w, unsigned i)
{
	const struct seg *a = &w->seg[i], *b = &w->seg[i + 1];

	if (!same_chain(a, b) || a->pos == b->pos || a->in != b->in || a->kind != SEG_DATA ||
	    b->kind != SEG_DATA || a->first != b->first)
		return false;
	for (unsigned k = 0; k < w->segs_n; k++) {
		const struct seg *s = &w->seg[k];

		if (k != i && k != i + 1 && same_chain(s, a) &&
		    (s->pos == a->pos || s->pos == b->pos))
			return false;
	}
	return true;
}

static void
join_segs(struct world *w)
{
	unsigned i = 0;

	while (i + 1 < w->segs_n) {
		if (!says_the_same(w, i)) {
			i++;
			continue;
		}
		w->seg[i].acked |= w->seg[i + 1].acked;
		memmove(&w->seg[i + 1], &w->seg[i + 2], (w->segs_n - i - 2u) * sizeof(w->seg[0]));
		w->seg[--w->segs_n] = (struct seg){ 0 };
	}
}

static unsigned
length_of(const struct world *w, const struct seg *of)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w->segs_n; i++)
		n += same_chain(&w->seg[i], of);
	return n;
}

static bool
is_written(const struct world *w, const struct seg *s)
{
	for (unsigned i = 0; i < PROGRAMS_MAX; i++) {
		if (w->p[i].exists && w->p[i].node == s->node && w->p[i].inc == s->inc)
			return true;
	}
	return false;
}

/* A chain of its own that every log has whole, and that nobody writes to, says nothing any more where one event of its node that all
 * have is left; of two such chains in the same places one is enough. */
static bool
chain_is_told(const struct world *w, unsigned i)
{
	const struct seg *s = &w->seg[i];

	if (s->inc == 0 || s->kind != SEG_DATA || s->first || length_of(w, s) > 1 ||
	    is_written(w, s))
		return false;
	for (unsigned k = 0; k < w->segs_n; k++) {
		const struct seg *t = &w->seg[k];
		bool alike = t->node == s->node && t->kind == SEG_DATA && t->in == s->in &&
			     t->first == s->first && t->acked == s->acked;

		if (k == i || !alike)
			continue;
		if (t->inc == 0 ? (s->in & logs(w)) == logs(w)
				: t->inc < s->inc && length_of(w, t) == 1)
			return true;
	}
	return false;
}

static void
drop_told(struct world *w)
{
	for (unsigned i = 0; i < w->segs_n; i++) {
		if (chain_is_told(w, i))
			w->seg[i].in = 0;
	}
	drop_empty(w);
}

/* Numbers from 1 without gaps, of chains and in them; two hashes for one number stay two. */
static void
renumber_segs(struct world *w)
{
	uint8_t map[NODES_MAX][256] = { { 0 } }, next[NODES_MAX] = { 0 };
	unsigned was_inc = 0, was_pos = 0, pos = 0, was_node = NOBODY;

	for (unsigned i = 0; i < w->segs_n; i++) {
		struct seg *s = &w->seg[i];

		if (s->node != was_node || s->inc != was_inc) {
			pos = was_pos = 0;
			if (s->inc)
				map[s->node][s->inc] = ++next[s->node];
		}
		pos += s->pos != was_pos;
		was_node = s->node;
		was_inc = s->inc;
		was_pos = s->pos;
		s->inc = map[s->node][s->inc];
		s->pos = (uint8_t)pos;
	}
	for (unsigned i = 0; i < PROGRAMS_MAX; i++) {
		struct program *p = &w->p[i];

		if (p->exists && p->inc)
			p->inc = map[p->node][p->inc];
	}
}

/* Every epoch's counter in the world, one after the other; NULL past the last. */
static uint8_t *
counter_at(struct world *w, unsigned n)
{
	enum { OF_PROGRAM = 10, EACH = 3, ALL = OF_PROGRAM + EACH * NODES_MAX };

	if (n < w->segs_n)
		return &w->seg[n].term;
	n -= w->segs_n;
	if (n >= ALL * PROGRAMS_MAX)
		return NULL;
	struct program *p = &w->p[n / ALL];
	uint8_t *own[OF_PROGRAM] = {
		&p->term,	  &p->order_term,	  &p->known.counter,
		&p->next.counter, &p->known_disk.counter, &p->next_disk.counter,
		&p->tell.counter, &p->page.counter,	  &p->page_term,
		&p->task_epoch
	};
	n %= ALL;
	if (n < OF_PROGRAM)
		return own[n];
	struct sight *s = &p->sees[(n - OF_PROGRAM) / EACH];
	uint8_t *seen[EACH] = { &s->named.counter, &s->told.counter, &s->term };
	return seen[(n - OF_PROGRAM) % EACH];
}

/* Of epochs the order counts, and which one is the very next of another. */
static void
order_epochs(struct world *w)
{
	bool used[256] = { [1] = true };
	uint8_t map[256] = { [1] = 1 }, *c;
	unsigned last = 1;

	for (unsigned n = 0; (c = counter_at(w, n)); n++)
		used[*c] = true;
	for (unsigned v = 2; v < 256; v++) {
		if (!used[v])
			continue;
		map[v] = (uint8_t)(map[last] + (v - last > 1 ? 2 : 1));
		last = v;
	}
	for (unsigned n = 0; (c = counter_at(w, n)); n++)
		*c = map[*c];
}

void
world_tidy(struct world *w)
{
	drop_empty(w);
	for (unsigned i = 0; i < w->segs_n; i++) {
		struct seg *s = &w->seg[i];

		if ((s->kind == SEG_PROMOTED || s->kind == SEG_HANDOVER) && !s->first &&
		    is_outdated(w, s)) {
			s->kind = SEG_DATA;
			s->term = s->about = s->drawn = 0;
		}
	}
	sort_segs(w);
	join_segs(w);
	drop_told(w);
	renumber_segs(w);
}

/* Of what is older than every limit counts what came first; of most things not even that. */
static void
order_ages(struct program *p)
{
	age *compared[] = { &p->t.agent[T_STATE],    &p->t.agent[T_TASK],
			    &p->t.agent[T_BEGAN],    &p->t.agent[T_CLOSED],
			    &p->t.agent[T_REJOINED], &p->t.agent[T_RECONCILED],
			    &p->t.of[0].asked,	     &p->t.of[1].asked,
			    &p->t.of[2].asked };
	age was[ARRAY_LEN(compared)], *all = (age *)&p->t;

	for (size_t i = 0; i < ARRAY_LEN(compared); i++)
		was[i] = *compared[i];
	for (size_t i = 0; i < sizeof(p->t) / sizeof(*all); i++) {
		if (all[i] > AGE_MAX)
			all[i] = AGE_MAX;
	}
	for (size_t i = 0; i < ARRAY_LEN(compared); i++) {
		unsigned later = 0;

		for (size_t k = 0; was[i] > AGE_MAX && k < ARRAY_LEN(compared); k++) {
			bool again = false;

			for (size_t n = 0; n < k; n++)
				again |= was[n] == was[k];
			later += !again && was[k] > AGE_MAX && was[k] < was[i];
		}
		*compared[i] = (age)(*compared[i] + later);
	}
}

void
world_canonical(struct world *w)
{
	world_tidy(w);
	for (unsigned i = 0; i < PROGRAMS_MAX; i++)
		order_ages(&w->p[i]);
	drop_lines(w);
	order_lines(w);
	for (unsigned i = 0; i < LINES_MAX; i++)
		order_places(w, i);
	order_epochs(w);
}

void
world_clear_age(struct world *w)
{
	for (unsigned i = 0; i < PROGRAMS_MAX; i++)
		memset(&w->p[i].t, 0, sizeof(w->p[i].t));
}

void
world_grow_older(struct world *w, unsigned units)
{
	for (unsigned i = 0; i < PROGRAMS_MAX; i++) {
		age *a = (age *)&w->p[i].t;

		for (size_t k = 0; k < sizeof(w->p[i].t) / sizeof(*a); k++)
			a[k] = !a[k] ? 0 : (age)(a[k] + units);
	}
}

void
world_begin(struct world *w, unsigned nodes)
{
	memset(w, 0, sizeof(*w));
	w->nodes = (uint8_t)nodes;
	for (unsigned i = 0; i < nodes; i++) {
		struct program *p = &w->p[i];

		p->exists = p->powered = true;
		p->node = (uint8_t)i;
		p->db = (struct database){
			.there = true, .standby = i > 0, .pos = 1, .follows = i > 0 ? 0 : NOBODY
		};
		p->known = p->known_disk = (struct mepoch){ 1, 0 };
		p->state = i > 0 ? HA_STANDBY : HA_ALONE;
		p->rejoin_to = p->order_to = p->order_node = p->top = p->task_to = p->deposit_to =
			NOBODY;
		p->copy.follows = NOBODY;
		for (unsigned k = 0; k < nodes; k++)
			w->link[i][k] = (struct link){ i != k, i != k };
	}
	w->p[0].table = 1; /* for seg_add */
	for (unsigned i = 0; i < nodes; i++) {
		seg_add(w, i, IN_LOG, 0, i == 0 ? SEG_PROMOTED : SEG_DATA, i == 0, 0, true);
		w->seg[i].first = true;
		for (unsigned k = 0; k < nodes; k++)
			w->seg[i].in |= at(k, IN_LOG);
	}
	for (unsigned i = 0; i < nodes; i++)
		look_at_log(w, &w->p[i]);
}

/* ---- for people ---- */

static void
print_program(const struct world *w, unsigned i, FILE *out)
{
	static const char *const ways[] = { "", " rewind", " handover", " swap", " copy" };
	const struct program *p = &w->p[i];

	fprintf(out, "  %u %s: %s%s%s%s %s, WAL %u.%u%s, term %u of %s, knows %u.%s, next %u%s", i,
		node_name(p->node), p->powered ? "" : "no power ", p->on ? "" : "down ",
		p->stopped ? "stopped " : "", p->rewinding ? "rewinding " : "",
		state_name(p->state), p->db.line, p->db.pos, p->db.standby ? " standby" : "",
		p->term, node_name(p->top), p->known.counter, node_name(p->known.node),
		p->next.counter, p->emergency ? ", emergency ordered" : "");
	fprintf(out, ", follows %s%s%s%s task %u/%u chain end %u inc %u sync %d%s\n",
		node_name(p->db.follows), p->t.receives ? " streams" : "", ways[p->rejoin],
		p->copying ? " copying" : "", p->task, p->phase, p->chain_end, p->inc, p->sync_set,
		p->t.quorum ? " quorum" : "");
	for (unsigned k = 0; k < w->nodes; k++) {
		const struct sight *s = &p->sees[k];

		fprintf(out,
			"      sees %s: last %u ok %d state %s%s named %u.%u twice %u all %u self "
			"%u/%u other %u/%u\n",
			node_name(k), s->last, s->ok, state_name(s->state),
			s->primary ? " primary" : "", s->named.counter, s->named.node, s->twice,
			s->all, s->self, s->self_one, s->other, s->other_one);
	}
}

void
world_print(const struct world *w, FILE *out)
{
	static const char *const kinds[] = { "data", "promoted", "handover", "removed" };
	static const char *const places[] = { "log", "journal", "copy", "aside" };

	for (unsigned i = 0; i < PROGRAMS_MAX; i++) {
		if (w->p[i].exists)
			print_program(w, i, out);
	}
	for (unsigned i = 0; i < w->segs_n; i++) {
		const struct seg *s = &w->seg[i];

		fprintf(out, "  event %s/%u:%u %s %u%s in", node_name(s->node), s->inc, s->pos,
			kinds[s->kind], s->term, s->acked ? "" : " (not acknowledged)");
		for (unsigned k = 0; k < PROGRAMS_MAX; k++) {
			for (enum place p = IN_LOG; p < PLACES; p++) {
				if (s->in & at(k, p))
					fprintf(out, " %u.%s", k, places[p]);
			}
		}
		fputc('\n', out);
	}
}
