/* SPDX-License-Identifier: Apache-2.0
 *
 * States (base/state.h), the edges between them, and what always holds:
 *
 *   single ◄─► alone ◄──► synced ──► handing ──► fenced       alone, synced ──► fenced ──► alone
 *   single ──► standby ◄── cloning
 *   standby ◄─► emergency ◄──► merging ──► standby       fenced ◄─► emergency ──► alone
 *   alone, synced ◄─► behind ──► fenced       alone, synced, handing ──► duplicate ──► alone, fenced
 *   any secondary ──► promoting (the agent begins anew as a primary) or ──► reseed ──► standby, emergency
 *
 *   F1  A secondary whose primary is ok never enters emergency, but by an order.                        (H1)
 *   F2  Emergency begins once the primary has refused for refused_ms or is silent, and at
 *       once by an order.                                                                               (H4)
 *   F3  Emergency is left for merging only when the primary has been ok for settle_ms and the stream has brought
 *       everything; for standby when it has been ok for channel_ms without a stream; else only by an order, or to be
 *       copied anew.                                                                                (H4, H7)
 *   F4  Merging ends in standby only when the journal is empty, and in emergency as soon as the primary is not ok. (H7)
 *   F5  synced is left for alone only after sync_timeout out of step.                                   (H2)
 *   F6  synced is entered only in step with the synchronous commit seen to be in force.                 (H2)
 *   F7  A primary that knows of a later epoch is fenced, whatever else it sees, and is one again only by an
 *       operator's order that begins a later epoch still. While it can follow nobody it gives emergency access. (H10, H13)
 *   F8  A node is promoted only by an operator's order: here, or on the primary that hands over to it.  (H10)
 *   F9  A database is rewound or copied anew only while the primary serves.                             (H11)
 *   F10 While emergency is ordered it is left only to become the primary.                               (H4)
 *   F11 A primary that has lost events of its own log serves nobody until it has them, or an operator said so. (H13)
 *   F12 A primary of which a second program runs writes nothing until an operator's order names it.     (H10)
 *
 * The first row of the table that fits decides. docs/ha.md draws the same table; a test holds them
 * together.
 */
#include "ha/fsm.h"

#define FROM(s) (1u << HA_##s)

typedef const struct fsm_obs obs;
typedef const struct fsm_limits limits;

static bool
epoch_later(obs *o, limits *l)
{
	return !o->is_secondary && o->epoch_later_known;
}

static bool
reign_ordered(obs *o, limits *l)
{
	return !o->is_secondary && o->promote_ordered && !o->epoch_later_known;
}

/* A fenced node whose next primary is not there. */
static bool
leader_lost(obs *o, limits *l)
{
	return !o->is_secondary && !o->primary_ok &&
	       (o->primary_silent || o->primary_bad_for_ms >= l->refused_ms);
}

static bool
leader_back(obs *o, limits *l)
{
	return !o->is_secondary && o->primary_ok && o->primary_ok_for_ms >= l->settle_ms;
}

static bool
history_behind(obs *o, limits *l)
{
	return !o->is_secondary && o->behind;
}

static bool
history_whole(obs *o, limits *l)
{
	return !o->is_secondary && !o->behind;
}

static bool
duplicate_heard(obs *o, limits *l)
{
	return !o->is_secondary && o->duplicate;
}

static bool
became_secondary(obs *o, limits *l)
{
	return o->is_secondary;
}

static bool
pair_begun(obs *o, limits *l)
{
	return !o->is_secondary && o->pair_exists;
}

static bool
pair_ended(obs *o, limits *l)
{
	return !o->is_secondary && o->local_db_up && !o->pair_exists;
}

static bool
out_of_step(obs *o, limits *l)
{
	return !o->is_secondary && !o->in_step && o->not_in_step_ms >= l->sync_timeout_ms;
}

static bool
in_step_and_sync(obs *o, limits *l)
{
	return !o->is_secondary && o->pair_exists && o->streaming && o->in_step && o->sync_on;
}

static bool
clone_there(obs *o, limits *l)
{
	return o->is_secondary && o->local_db_up;
}

static bool
primary_refuses(obs *o, limits *l)
{
	return o->is_secondary && !o->primary_ok && o->primary_bad_for_ms >= l->refused_ms;
}

static bool
primary_silent(obs *o, limits *l)
{
	return o->is_secondary && !o->primary_ok && o->primary_silent;
}

static bool
primary_back(obs *o, limits *l)
{
	return o->is_secondary && !o->emergency_ordered && o->primary_ok &&
	       o->primary_ok_for_ms >= l->settle_ms && o->streaming;
}

/* What this node cannot bring home yet stays in its journal, and the status says so. */
static bool
primary_serves(obs *o, limits *l)
{
	return o->is_secondary && !o->emergency_ordered && o->primary_ok &&
	       o->primary_ok_for_ms >= l->channel_ms;
}

static bool
primary_lost_again(obs *o, limits *l)
{
	return o->is_secondary && !o->primary_ok;
}

static bool
journal_home(obs *o, limits *l)
{
	return o->is_secondary && o->primary_ok && o->journal_rows == 0;
}

static bool
handover_ordered(obs *o, limits *l)
{
	return !o->is_secondary && o->handover_ordered;
}

static bool
handover_over(obs *o, limits *l)
{
	return !o->is_secondary && o->handover_over;
}

static bool
promote_ordered(obs *o, limits *l)
{
	return o->is_secondary && o->promote_ordered;
}

static bool
promote_failed(obs *o, limits *l)
{
	return o->is_secondary && o->promote_failed;
}

static bool
handed_over(obs *o, limits *l)
{
	return o->is_secondary && o->handed_over;
}

static bool
must_return(obs *o, limits *l)
{
	return o->is_secondary && !o->emergency_ordered && o->primary_ok && o->must_return;
}

static bool
emergency_ordered(obs *o, limits *l)
{
	return o->is_secondary && o->emergency_ordered;
}

static bool
follows_again(obs *o, limits *l)
{
	return o->is_secondary && o->primary_ok && o->streaming && !o->must_return;
}

#define RULE(from, when, to, why)                                                                  \
	{                                                                                          \
		(from), when, HA_##to, why, #when                                                  \
	}

/* clang-format off */
static const struct fsm_rule rules[] = {
	RULE(FROM(SYNCED) | FROM(ALONE) | FROM(HANDING) | FROM(BEHIND) | FROM(DUPLICATE), epoch_later, FENCED, "another node is the primary of a later epoch"),
	RULE(FROM(FENCED) | FROM(EMERGENCY) | FROM(DUPLICATE), reign_ordered, ALONE, "an operator made this node the primary"),
	RULE(FROM(FENCED), leader_lost, EMERGENCY, "the primary that this node is to follow does not serve"),
	RULE(FROM(EMERGENCY), leader_back, FENCED, "the primary that this node is to follow serves"),
	RULE(FROM(SYNCED) | FROM(ALONE), history_behind, BEHIND, "this node has lost events of its own log"),
	RULE(FROM(SYNCED) | FROM(ALONE) | FROM(HANDING), duplicate_heard, DUPLICATE, "a second program of this node runs"),
	RULE(FROM(BEHIND), history_whole, ALONE, "this node's log is whole"),
	RULE(FROM(SINGLE), became_secondary, STANDBY, "this node is a secondary"),
	RULE(FROM(SINGLE), pair_begun, ALONE, "a secondary was added; it is not in step yet"),
	RULE(FROM(ALONE), pair_ended, SINGLE, "no other node is in the pair"),
	RULE(FROM(SYNCED), out_of_step, ALONE, "no secondary keeps in step"),
	RULE(FROM(ALONE), in_step_and_sync, SYNCED, "a secondary is in step; commits are on both disks"),
	RULE(FROM(SYNCED), handover_ordered, HANDING, "an operator hands over to another node"),
	RULE(FROM(HANDING), handover_over, ALONE, "the other node did not take over"),
	RULE(FROM(STANDBY) | FROM(EMERGENCY) | FROM(MERGING) | FROM(RESEED), promote_ordered, PROMOTING, "an operator made this node the primary"),
	RULE(FROM(STANDBY) | FROM(EMERGENCY), handed_over, PROMOTING, "the primary handed over to this node"),
	RULE(FROM(PROMOTING), promote_failed, EMERGENCY, "this node could not become the primary"),
	RULE(FROM(STANDBY) | FROM(MERGING) | FROM(RESEED), emergency_ordered, EMERGENCY, "an operator ordered emergency access"),
	RULE(FROM(STANDBY) | FROM(EMERGENCY) | FROM(MERGING), must_return, RESEED, "this database can no longer follow the primary"),
	RULE(FROM(RESEED), primary_refuses, EMERGENCY, "the primary refuses connections, or says that it cannot serve"),
	RULE(FROM(RESEED), primary_silent, EMERGENCY, "the primary does not answer"),
	RULE(FROM(RESEED), follows_again, STANDBY, "the database follows the primary again"),
	RULE(FROM(CLONING), clone_there, STANDBY, "the copy of the database is there"),
	RULE(FROM(STANDBY), primary_refuses, EMERGENCY, "the primary refuses connections, or says that it cannot serve"),
	RULE(FROM(STANDBY), primary_silent, EMERGENCY, "the primary does not answer"),
	RULE(FROM(EMERGENCY), primary_back, MERGING, "the primary serves again and the stream has caught up"),
	RULE(FROM(EMERGENCY), primary_serves, STANDBY, "the primary serves again, but its stream does not come in"),
	RULE(FROM(MERGING), primary_lost_again, EMERGENCY, "the primary was lost again before the journal was merged"),
	RULE(FROM(MERGING), journal_home, STANDBY, "the journal is merged and the primary serves"),
};
/* clang-format on */

const struct fsm_rule *
fsm_rules(unsigned *ret_n)
{
	*ret_n = ARRAY_LEN(rules);
	return rules;
}

struct fsm_next
fsm_step(enum ha_state now, const struct fsm_obs *o, const struct fsm_limits *l)
{
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		const struct fsm_rule *r = &rules[i];

		if ((r->from & (1u << now)) && r->when(o, l))
			return (struct fsm_next){ r->to, r->why };
	}
	return (struct fsm_next){ now, NULL };
}
