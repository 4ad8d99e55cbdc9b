/* SPDX-License-Identifier: Apache-2.0
 *
 * What must hold (docs/ha.md): of a world that is at rest, and of what becomes of it when everything is healed.
 */
#include "test/model/model.h"

#include <string.h>

static const struct {
	const char *name, *text;
} invariants[INVARIANTS] = {
	[COMES_TO_REST] = { "comes-to-rest", "nothing goes round in circles" },
	[NO_DEAD_END] = { "no-dead-end", "healed, all serve or follow, or a verb that a status "
					 "names makes them (H14)" },
	[ONE_PRIMARY] = { "one-primary", "no two serving primaries in contact (H10)" },
	[NO_LOWER_EPOCH] = { "no-lower-epoch",
			     "no primary serves in contact with who knows a later epoch (H10)" },
	[NO_OWN_LATER] = { "no-own-later-epoch",
			   "nor does one of which others know a later epoch of its own (H10)" },
	[NO_UNASKED_EMERGENCY] = { "no-unasked-emergency", "no emergency that nobody ordered while "
							   "a serving primary is reached (H4)" },
	[ACCESS] = { "access",
		     "who has data and reaches no serving primary gives access to them (H4)" },
	[NO_STANDSTILL] = { "no-standstill", "no commit waits for a disk that is not there (H2)" },
	[ORDERS_LEAD] = { "orders-lead", "an order that was taken, and that nothing came between, "
					 "is carried out (H14)" },
	[NOTHING_LOST] = { "nothing-lost",
			   "no last copy of what was acknowledged is given up (H13)" },
	[NO_FORK] = { "no-fork", "no chain has two events of one number (H10)" },
};

const char *
invariant_name(enum invariant i)
{
	return invariants[i].name;
}

const char *
invariant_text(enum invariant i)
{
	return invariants[i].text;
}

/* ---- at rest ---- */

static bool
are_nodes_of_one_pair(const struct program *a, const struct program *b)
{
	return (a->table & (1u << b->node)) && (b->table & (1u << a->node));
}

static bool
in_contact(const struct world *w, unsigned i, unsigned k)
{
	unsigned a = w->p[i].node, b = w->p[k].node;

	if (!w->p[i].on || !w->p[k].on || a == b || !are_nodes_of_one_pair(&w->p[i], &w->p[k]))
		return false;
	return (program_named(w, b) == k && (reaches_web(w, i, b) || reaches_channel(w, i, b))) ||
	       (program_named(w, a) == i && (reaches_web(w, k, a) || reaches_channel(w, k, a)));
}

/* And tells one of both. */
static bool
is_heard_twice(const struct world *w, unsigned node)
{
	for (unsigned i = 0; i < PROGRAMS_MAX; i++) {
		const struct program *p = &w->p[i];

		for (unsigned k = 0; p->exists && p->hears_twice == node + 1 && k < PROGRAMS_MAX;
		     k++) {
			if (w->p[k].exists && w->p[k].node == node && reaches_web(w, k, p->node))
				return true;
		}
	}
	return false;
}

static unsigned
judge_two(const struct world *w, unsigned i, unsigned k)
{
	const struct program *p = &w->p[i], *q = &w->p[k];
	unsigned broken = 0;

	if (!agents_reigns(p))
		return 0;
	if (agents_reigns(q) &&
	    (p->node == q->node ? is_heard_twice(w, p->node) : in_contact(w, i, k)))
		broken |= 1u << ONE_PRIMARY;
	struct mepoch own = { p->page_term, p->node, p->drawn };
	if (q->agent && in_contact(w, i, k) && mepoch_cmp(q->known, own) > 0)
		broken |= q->known.node == p->node ? 1u << NO_OWN_LATER : 1u << NO_LOWER_EPOCH;
	if (q->agent && q->state == HA_EMERGENCY && !q->emergency && are_nodes_of_one_pair(p, q) &&
	    reaches_web(w, k, p->node) && program_named(w, p->node) == i)
		broken |= 1u << NO_UNASKED_EMERGENCY;
	return broken;
}

static bool
reaches_primary(const struct world *w, unsigned i)
{
	for (unsigned n = 0; n < w->nodes; n++) {
		unsigned k = program_named(w, n);

		if (n != w->p[i].node && k < PROGRAMS_MAX && reaches_web(w, i, n) &&
		    agents_reigns(&w->p[k]))
			return true;
	}
	return false;
}

static unsigned
judge_one(const struct world *w, unsigned i)
{
	const struct program *p = &w->p[i];
	unsigned broken = 0, streams = 0;

	if (!p->on || !p->agent || !database_is_up(p))
		return 0;
	for (unsigned n = 0; n < w->nodes; n++)
		streams |= p->t.of[n].streams;
	if (agents_reigns(p) && p->sync_set && !streams)
		broken |= 1u << NO_STANDSTILL;
	/* Who lost events of its log serves nobody, and names the way out. */
	if (state_serves(p->state) != SERVES_EVERYONE &&
	    state_serves(p->state) != SERVES_EMERGENCY && p->state != HA_BEHIND &&
	    !reaches_primary(w, i))
		broken |= 1u << ACCESS;
	return broken;
}

unsigned
judge(const struct world *w)
{
	unsigned broken = (w->lost ? 1u << NOTHING_LOST : 0) | (w->forked ? 1u << NO_FORK : 0);

	for (unsigned i = 0; i < PROGRAMS_MAX; i++)
		broken |= w->p[i].exists ? judge_one(w, i) : 0;

	for (unsigned i = 0; i < PROGRAMS_MAX; i++)
		for (unsigned k = 0; k < PROGRAMS_MAX; k++)
			if (i != k && w->p[i].exists && w->p[k].exists)
				broken |= judge_two(w, i, k);
	return broken;
}

/* ---- healed ---- */

static bool
has_journal(const struct world *w, unsigned i)
{
	for (unsigned k = 0; k < w->segs_n; k++) {
		if (w->seg[k].in & at(i, IN_JOURNAL))
			return true;
	}
	return false;
}

bool
judge_is_well(const struct world *w)
{
	unsigned primary = PROGRAMS_MAX, n = 0;

	for (unsigned i = 0; i < PROGRAMS_MAX; i++) {
		if (w->p[i].exists && agents_reigns(&w->p[i])) {
			primary = i;
			n++;
		}
	}
	/* Who was taken out of the pair is on its own. */
	for (unsigned i = 0; n > 1 && i < PROGRAMS_MAX; i++) {
		for (unsigned k = 0; k < PROGRAMS_MAX; k++) {
			if (i != k && w->p[i].exists && w->p[k].exists && agents_reigns(&w->p[i]) &&
			    agents_reigns(&w->p[k]) && are_nodes_of_one_pair(&w->p[i], &w->p[k]))
				return false;
		}
	}
	if (!n)
		return false;
	for (unsigned i = 0; i < PROGRAMS_MAX; i++) {
		const struct program *p = &w->p[i];
		bool removed = !(w->p[primary].table & (1u << p->node));

		if (!p->exists || !p->powered || i == primary || removed || agents_reigns(p))
			continue;
		if (w->p[primary].state != HA_SYNCED || !p->t.receives ||
		    (p->state != HA_STANDBY && !p->emergency) ||
		    (has_journal(w, i) && !p->emergency))
			return false;
	}
	return true;
}

/* What statuses tell people to run. */
static const struct {
	const char *text, *verb, *arg;
} verbs[] = {
	{ "holdfast ha promote", "promote", "" },	{ "holdfast ha rejoin", "rejoin", "" },
	{ "holdfast ha reconcile", "reconcile", "" },	{ "emergency off", "emergency", "off" },
	{ "holdfast ha switchover", "switchover", "" },
};

static unsigned
named_verbs(struct world *w)
{
	unsigned named = 0;

	for (unsigned i = 0; i < PROGRAMS_MAX; i++) {
		if (!w->p[i].exists || !w->p[i].agent)
			continue;
		const char *status = agents_status(i);

		for (unsigned k = 0; k < ARRAY_LEN(verbs); k++)
			named |= strstr(status, verbs[k].text) ? 1u << k : 0;
	}
	return named;
}

/* Some of what the statuses name, one after the other. */
static bool
try_verbs(const struct world *from, unsigned depth, char *ret, size_t room)
{
	struct world w = *from;

	agents_load(&w);
	unsigned named = named_verbs(&w);

	for (unsigned k = 0; k < ARRAY_LEN(verbs); k++) {
		for (unsigned i = 0; (named & (1u << k)) && i < PROGRAMS_MAX; i++) {
			size_t n = strlen(ret);

			w = *from;
			if (!w.p[i].exists || !w.p[i].agent)
				continue;
			agents_load(&w);
			if (agents_order(i, verbs[k].verb, verbs[k].arg) ||
			    !run_quiet(&w, NULL, NULL))
				continue;
			world_canonical(&w);
			snprintf(ret + n, room - n, " %s on %s;", verbs[k].text,
				 node_name(w.p[i].node));
			if (judge_is_well(&w) || (depth > 1 && try_verbs(&w, depth - 1, ret, room)))
				return true;
			ret[n] = '\0';
		}
	}
	return false;
}

bool
judge_has_way_out(const struct world *from, char *ret_verbs, size_t room)
{
	unsigned ways = act_has_double(from) ? 2 : 1;

	ret_verbs[0] = '\0';
	for (unsigned stop = ways; stop > 0; stop--) {
		struct world w = *from;

		agents_load(&w);
		act_heal(&w, stop - 1);
		if (!run_quiet(&w, NULL, NULL))
			return false;
		world_canonical(&w);
		if (judge_is_well(&w) || try_verbs(&w, 2, ret_verbs, room))
			return true;
	}
	return false;
}
