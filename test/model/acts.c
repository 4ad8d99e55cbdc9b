/* SPDX-License-Identifier: Apache-2.0
 *
 * What befalls the world, and what operators do. The names are those of test/ha/lib/faults.py where it has one.
 */
#include "test/model/model.h"

#include <string.h>

enum act_kind {
	NODE_KILL,
	POWER_OFF,
	NODE_START,
	AGENT_KILL,
	LINK_CUT,
	LINK_NO_CHANNEL,
	LINK_NO_WEB,
	LINK_NO_CALLS,
	LINK_HEAL,
	ORDER_PROMOTE,
	ORDER_SWITCHOVER,
	ORDER_REJOIN,
	ORDER_IN_PLACE_REWIND,
	ORDER_EMERGENCY_ON,
	ORDER_EMERGENCY_OFF,
	ORDER_REMOVE,
	ORDER_RECONCILE,
	DISK_BACK,
	CLONED,
	ACT_KINDS,
};

enum act_about { ABOUT_PROGRAM, ABOUT_LINK, ABOUT_DIRECTION, ABOUT_NODE };

typedef bool possible_fn(const struct world *w, unsigned a, unsigned b);
typedef bool do_fn(struct world *w, unsigned a, unsigned b);

/* ---- nodes ---- */

static bool
is_on(const struct world *w, unsigned i, unsigned b)
{
	return w->p[i].on;
}

static bool
is_off(const struct world *w, unsigned i, unsigned b)
{
	return !w->p[i].on;
}

static bool
has_agent(const struct world *w, unsigned i, unsigned b)
{
	return w->p[i].agent;
}

static bool
kill_node(struct world *w, unsigned i, unsigned b)
{
	program_end(w, i);
	return true;
}

static bool
power_off(struct world *w, unsigned i, unsigned b)
{
	program_end(w, i);
	w->p[i].powered = false;
	return true;
}

static bool
start_node(struct world *w, unsigned i, unsigned b)
{
	program_start(w, i);
	return true;
}

/* An agent that begins while its node changes roles waits for the end of that. */
static bool
kill_agent(struct world *w, unsigned i, unsigned b)
{
	struct program *p = &w->p[i];

	if (!p->rejoin) {
		agents_begin(i, true);
		return true;
	}
	p->agent = false;
	p->stopped = true;
	return true;
}

/* The whole home as it was at the beginning. */
static bool
put_disk_back(struct world *w, unsigned i, unsigned b)
{
	struct program *p = &w->p[i];

	if (p->on)
		program_end(w, i);
	for (enum place k = IN_LOG; k < PLACES; k++)
		segs_drop(w, at(i, k), true);
	for (unsigned k = 0; k < w->segs_n; k++) {
		if (w->seg[k].first)
			w->seg[k].in |= at(i, IN_LOG);
	}
	p->db = (struct database){
		.there = true, .standby = p->node != 0, .pos = 1, .follows = NOBODY
	};
	p->copy = (struct database){ .follows = NOBODY };
	p->rejoin = 0;
	p->rewinding = p->copying = p->emergency = false;
	p->known = p->known_disk = (struct mepoch){ 1, 0 };
	p->next = p->next_disk = (struct mepoch){ 0 };
	p->loss_disk = p->loss = 0;
	p->state = p->node ? HA_STANDBY : HA_SYNCED;
	p->page = p->known;
	p->page_term = 1;
	program_start(w, i);
	return true;
}

static bool
may_clone(const struct world *w, unsigned i, unsigned b)
{
	return !act_has_double(w) && !w->p[i].rewinding && !w->p[i].stopped;
}

/* A copy of the machine is started beside it. */
static bool
clone_node(struct world *w, unsigned i, unsigned b)
{
	unsigned k = w->nodes;
	struct program *p = &w->p[k];

	*p = w->p[i];
	for (enum place n = IN_LOG; n < PLACES; n++)
		segs_copy(w, at(i, n), at(k, n));
	program_end(w, k);
	program_start(w, k);
	return true;
}

bool
act_has_double(const struct world *w)
{
	return w->p[w->nodes].exists;
}

/* ---- links ---- */

static void
set_link(struct world *w, unsigned a, unsigned b, bool web, bool channel)
{
	w->link[a][b] = w->link[b][a] = (struct link){ web, channel };
}

static bool
is_whole(const struct world *w, unsigned a, unsigned b)
{
	return w->link[a][b].web && w->link[a][b].channel && w->link[b][a].web &&
	       w->link[b][a].channel;
}

static bool
is_not_whole(const struct world *w, unsigned a, unsigned b)
{
	return !is_whole(w, a, b);
}

static bool
is_not_cut(const struct world *w, unsigned a, unsigned b)
{
	return w->link[a][b].web || w->link[a][b].channel || w->link[b][a].web ||
	       w->link[b][a].channel;
}

static bool
cut(struct world *w, unsigned a, unsigned b)
{
	set_link(w, a, b, false, false);
	return true;
}

static bool
close_channel(struct world *w, unsigned a, unsigned b)
{
	set_link(w, a, b, true, false);
	return true;
}

static bool
close_web(struct world *w, unsigned a, unsigned b)
{
	set_link(w, a, b, false, true);
	return true;
}

static bool
close_one_way(struct world *w, unsigned a, unsigned b)
{
	w->link[a][b] = (struct link){ false, false };
	return true;
}

static bool
heal_link(struct world *w, unsigned a, unsigned b)
{
	set_link(w, a, b, true, true);
	return true;
}

/* ---- operators ---- */

static bool
is_no_primary(const struct world *w, unsigned i, unsigned b)
{
	return w->p[i].agent && state_serves(w->p[i].state) != SERVES_EVERYONE;
}

static bool
is_secondary(const struct world *w, unsigned i, unsigned b)
{
	return w->p[i].agent && w->p[i].secondary;
}

static bool
may_order(const struct world *w, unsigned i, unsigned b)
{
	return is_secondary(w, i, b) && !w->p[i].emergency;
}

static bool
is_ordered(const struct world *w, unsigned i, unsigned b)
{
	return w->p[i].agent && w->p[i].emergency;
}

static bool
is_synced(const struct world *w, unsigned i, unsigned b)
{
	return w->p[i].agent && w->p[i].state == HA_SYNCED;
}

static bool
is_primary(const struct world *w, unsigned i, unsigned b)
{
	return w->p[i].agent && state_serves(w->p[i].state) == SERVES_EVERYONE &&
	       (w->p[i].table & (1u << b));
}

static bool
is_fenced(const struct world *w, unsigned i, unsigned b)
{
	return w->p[i].agent && w->p[i].state == HA_FENCED;
}

static bool
is_behind(const struct world *w, unsigned i, unsigned b)
{
	return w->p[i].agent && w->p[i].state == HA_BEHIND;
}

static bool
promote(struct world *w, unsigned i, unsigned b)
{
	return agents_order(i, "promote", "") == 0;
}

static bool
switchover(struct world *w, unsigned i, unsigned b)
{
	return agents_order(i, "switchover", node_name(b)) == 0;
}

static bool
rejoin(struct world *w, unsigned i, unsigned b)
{
	return agents_order(i, "rejoin", "") == 0;
}

static bool
rewind_in_place(struct world *w, unsigned i, unsigned b)
{
	return agents_order(i, "rejoin", "in-place") == 0;
}

static bool
emergency_on(struct world *w, unsigned i, unsigned b)
{
	return agents_order(i, "emergency", "on") == 0;
}

static bool
emergency_off(struct world *w, unsigned i, unsigned b)
{
	return agents_order(i, "emergency", "off") == 0;
}

static bool
remove_node(struct world *w, unsigned i, unsigned b)
{
	return agents_order(i, "remove", node_name(b)) == 0;
}

static bool
reconcile(struct world *w, unsigned i, unsigned b)
{
	return agents_order(i, "reconcile", "") == 0;
}

/* ---- what orders lead to ---- */

static bool
is_whole_everywhere(const struct world *w)
{
	for (unsigned a = 0; a < w->nodes; a++)
		for (unsigned b = 0; b < a; b++)
			if (!is_whole(w, a, b))
				return false;
	return true;
}

/* Or its status says why it does not. */
static bool
reigns(const struct world *w, unsigned i, unsigned b)
{
	const struct program *p = &w->p[i];

	return agents_reigns(p) || p->state == HA_BEHIND || p->state == HA_DUPLICATE;
}

static bool
is_whole_again(const struct world *w, unsigned i, unsigned b)
{
	return w->p[i].state != HA_BEHIND;
}

static bool
other_reigns(const struct world *w, unsigned i, unsigned b)
{
	unsigned other = program_named(w, b);

	return !is_whole_everywhere(w) || (other < PROGRAMS_MAX && agents_reigns(&w->p[other]));
}

static bool
gives_access(const struct world *w, unsigned i, unsigned b)
{
	return w->p[i].state == HA_EMERGENCY;
}

static bool
is_copied(const struct world *w, unsigned i, unsigned b)
{
	return !is_whole_everywhere(w) || (w->p[i].order == 0 && w->p[i].t.receives);
}

static bool
is_out(const struct world *w, unsigned i, unsigned b)
{
	return !(w->p[i].table & (1u << b));
}

/* ---- the table ---- */

static const struct {
	const char *name;
	enum act_about about;
	bool interrupts; /* it is tried in the middle of things, too */
	bool common;	 /* it is among the few of a deep search */
	possible_fn *possible;
	do_fn *fn;
	possible_fn *leads; /* to what; NULL: it is no order */
} acts[ACT_KINDS] = {
	[NODE_KILL] = { "node-kill", ABOUT_PROGRAM, true, true, is_on, kill_node },
	[POWER_OFF] = { "power-off", ABOUT_PROGRAM, true, false, is_on, power_off },
	[NODE_START] = { "start", ABOUT_PROGRAM, true, true, is_off, start_node },
	[AGENT_KILL] = { "agent-kill", ABOUT_PROGRAM, true, false, has_agent, kill_agent },
	[LINK_CUT] = { "link-cut", ABOUT_LINK, true, true, is_not_cut, cut },
	[LINK_NO_CHANNEL] = { "link-no-channel", ABOUT_LINK, false, false, is_whole,
			      close_channel },
	[LINK_NO_WEB] = { "link-no-web", ABOUT_LINK, false, false, is_whole, close_web },
	[LINK_NO_CALLS] = { "link-no-calls", ABOUT_DIRECTION, false, false, is_whole,
			    close_one_way },
	[LINK_HEAL] = { "link is whole again", ABOUT_LINK, true, true, is_not_whole, heal_link },
	[ORDER_PROMOTE] = { "promote", ABOUT_PROGRAM, true, true, is_no_primary, promote, reigns },
	[ORDER_SWITCHOVER] = { "switchover", ABOUT_NODE, false, true, is_synced, switchover,
			       other_reigns },
	[ORDER_REJOIN] = { "rejoin", ABOUT_PROGRAM, false, false, is_secondary, rejoin, is_copied },
	[ORDER_IN_PLACE_REWIND] = { "rejoin --in-place", ABOUT_PROGRAM, true, false, is_fenced,
				    rewind_in_place },
	[ORDER_EMERGENCY_ON] = { "emergency on", ABOUT_PROGRAM, false, false, may_order,
				 emergency_on, gives_access },
	[ORDER_EMERGENCY_OFF] = { "emergency off", ABOUT_PROGRAM, false, false, is_ordered,
				  emergency_off },
	[ORDER_REMOVE] = { "remove", ABOUT_NODE, false, false, is_primary, remove_node, is_out },
	[ORDER_RECONCILE] = { "reconcile", ABOUT_PROGRAM, false, false, is_behind, reconcile,
			      is_whole_again },
	[DISK_BACK] = { "disk-back", ABOUT_PROGRAM, false, false, NULL, put_disk_back },
	[CLONED] = { "cloned", ABOUT_PROGRAM, false, false, may_clone, clone_node },
};

static bool
fits(const struct world *w, unsigned kind, unsigned a, unsigned b)
{
	enum act_about about = acts[kind].about;

	if (about == ABOUT_LINK || about == ABOUT_DIRECTION) {
		if (a >= w->nodes || b >= w->nodes || (about == ABOUT_LINK ? a >= b : a == b))
			return false;
	} else {
		if (!w->p[a].exists || (about == ABOUT_PROGRAM && b) || b >= w->nodes ||
		    (about == ABOUT_NODE && b == w->p[a].node))
			return false;
	}
	return !acts[kind].possible || acts[kind].possible(w, a, b);
}

unsigned
acts_list(const struct world *w, bool midway, bool few, struct act ret[static ACTS_MAX])
{
	unsigned n = 0;

	for (unsigned kind = 0; kind < ACT_KINDS; kind++) {
		if ((midway && !acts[kind].interrupts) || (few && !acts[kind].common))
			continue;
		for (unsigned a = 0; a < PROGRAMS_MAX; a++) {
			for (unsigned b = 0; b < NODES_MAX && n < ACTS_MAX; b++) {
				if (fits(w, kind, a, b))
					ret[n++] = (struct act){ (uint8_t)kind, (uint8_t)a,
								 (uint8_t)b };
			}
		}
	}
	return n;
}

bool
act_do(struct world *w, const struct act *a)
{
	return acts[a->kind].fn(w, a->a, a->b);
}

bool
act_led(const struct world *w, const struct act *a)
{
	return !acts[a->kind].leads || acts[a->kind].leads(w, a->a, a->b);
}

void
act_print(const struct world *w, const struct act *a, FILE *out)
{
	const char *name = acts[a->kind].name;

	switch (acts[a->kind].about) {
	case ABOUT_PROGRAM:
		fprintf(out, "%s (%s%s)", name, node_name(w->p[a->a].node),
			a->a == w->nodes ? ", the second program" : "");
		break;
	case ABOUT_NODE:
		fprintf(out, "%s %s (on %s)", name, node_name(a->b), node_name(w->p[a->a].node));
		break;
	case ABOUT_DIRECTION:
		fprintf(out, "%s (from %s to %s)", name, node_name(a->a), node_name(a->b));
		break;
	case ABOUT_LINK:
		fprintf(out, "%s (%s, %s)", name, node_name(a->a), node_name(a->b));
		break;
	}
}

void
act_heal(struct world *w, unsigned stop)
{
	for (unsigned i = 0; i < w->nodes; i++)
		for (unsigned k = 0; k < w->nodes; k++)
			w->link[i][k] = (struct link){ i != k, i != k };
	for (unsigned i = 0; i < PROGRAMS_MAX; i++) {
		struct program *p = &w->p[i];
		bool doubled = act_has_double(w) && p->node == w->p[w->nodes].node;

		if (!p->exists)
			continue;
		if (doubled && stop == (i == w->nodes)) {
			if (p->on)
				program_end(w, i);
			p->powered = false;
		} else if (!p->on) {
			program_start(w, i);
		}
	}
}

/* ---- what is known ---- */

#define BIT(kind) (1u << (kind))
#define CLOSED (BIT(LINK_NO_WEB) | BIT(LINK_NO_CHANNEL) | BIT(LINK_NO_CALLS) | BIT(LINK_CUT))

/* What the product still has. Each is shown and counted apart, and does not fail the run. */
static const struct {
	enum invariant invariant;
	unsigned all, any; /* kinds of acts that are in the path: all of these, and one of those */
	const char *why;
	unsigned nodes; /* at least so many */
} known[] = {
	{ NO_FORK, BIT(CLONED), ~0u,
	  "two programs of one node write until somebody hears both (docs/ha.md)" },
	{ ONE_PRIMARY, BIT(CLONED), CLOSED,
	  "of two programs of one node both are promoted, or one where the other's name leads past "
	  "it" },
	{ NO_LOWER_EPOCH, BIT(CLONED), CLOSED,
	  "of two programs of one node both are promoted, or one where the other's name leads past "
	  "it" },
	{ NO_OWN_LATER, BIT(CLONED) | BIT(ORDER_PROMOTE), CLOSED,
	  "of two programs of one node both are promoted, and the name leads to one of them" },
	{ NOTHING_LOST, BIT(CLONED) | BIT(ORDER_RECONCILE), ~0u,
	  "an operator gave up on one of two programs of a node what is on the other" },
	/* Both halves are an operator's: one order gives up what is not here, and it is there. */
	{ NO_FORK, BIT(ORDER_RECONCILE) | BIT(DISK_BACK), ~0u,
	  "an operator gave up what another node still has" },
};

const char *
act_is_known(const struct world *w, unsigned invariant, unsigned kinds)
{
	for (unsigned i = 0; i < ARRAY_LEN(known); i++) {
		if (known[i].invariant == invariant && (kinds & known[i].all) == known[i].all &&
		    (kinds & known[i].any) && w->nodes >= known[i].nodes)
			return known[i].why;
	}
	return NULL;
}
