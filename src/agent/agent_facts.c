/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent: what was seen, reduced to the facts that the state machine (ha/fsm) decides by.
 */
#include "agent/agent_impl.h"

#include <string.h>
#include "base/clock.h"
#include "ha/channel.h"
#include "ha/rejoin.h"

#define QUORUM_MS 1000 /* the synchronous commit must be seen for so long before `both` is said */
#define COUNT_AFTER_MS                                                                             \
	300 /* events in flight when the state changed get into the journal within this */
#define RETURN_MS                                                                                  \
	10000 /* a secondary that can reach all but does not stream for so long cannot follow */
#define STALLED_MS                                                                                 \
	60000 /* replay waits for readers for a second (max_standby_streaming_delay), for nothing else */
#define HANDED_MS 15000	 /* a hand-over that this node notices later is none */
#define HANDING_MS 40000 /* and one that takes longer has failed; more than rejoin waits for it */

/* How long commits have been waiting for a second disk. A database that does not let itself be looked at counts as one
 * whose standby has stopped too. */
static int64_t
late_ms(const struct agent *a)
{
	int64_t late = replication_step_late(&a->rv.step, a->now_ms);
	int64_t unseen = a->now_ms - (a->rv.at_ms ? a->rv.at_ms : a->state_ms);
	int64_t here = a->away_ms ? a->now_ms - a->away_ms : INT64_MAX;

	if (!agent_view_is_fresh(a) && unseen > late)
		late = unseen;
	return late < here ? late : here;
}

static bool
quorum_holds(const struct agent *a)
{
	return agent_view_is_fresh(a) && a->rv.quorum_since_ms &&
	       a->now_ms - a->rv.quorum_since_ms >= QUORUM_MS;
}

const struct replication_standby *
agent_standby(const struct agent *a, const struct uuid *id)
{
	const struct replication_node *n = agent_node(a, id);

	for (unsigned i = 0; n && i < a->rv.standbys_n; i++) {
		if (strcmp(a->rv.standbys[i].name, n->slot) == 0)
			return &a->rv.standbys[i];
	}
	return NULL;
}

bool
agent_handover_is_logged(const struct agent *a)
{
	return uuid_eq(&a->rv.order_node, &a->order_node) && a->rv.order_term == a->rv.term + 1;
}

/* The other node has the word about it, and all before. */
static bool
handover_is_ready(const struct agent *a)
{
	const struct replication_standby *s = agent_standby(a, &a->order_node);

	return a->order == ORDER_HANDOVER && agent_view_is_fresh(a) &&
	       agent_handover_is_logged(a) && s && strcmp(s->state, "streaming") == 0 &&
	       s->replay_lsn >= a->rv.lsn;
}

/* The node that it is for did not take over, as is heard of it after this database was back; or nothing is. */
static bool
is_not_taken_up(const struct agent *a, const struct peer *p)
{
	return state_by_name(p->v.reply.state) != HA_PROMOTING &&
	       (p->v.sense.answer_ms > a->rejoined_ms ||
		probe_is_silent(&p->v.sense, a->settings.detect_ms, a->now_ms));
}

/* What became of a hand-over that this node did not follow. The other node may be the primary before it makes its term known. */
static void
facts_of_handover(struct agent *a, struct fsm_obs *o)
{
	const struct peer *p = agent_peer(a, &a->rv.order_node);
	bool late = a->now_ms - a->state_ms > HANDING_MS;
	bool back = a->rejoined_ms && a->rv.at_ms > a->rejoined_ms && o->local_db_up;

	if (!late && !back)
		return;
	if (p && p->v.reply_ms > a->state_ms && strcmp(p->v.reply.mode, "primary") == 0)
		o->epoch_later_known = true;
	else
		o->handover_over = late || !p || is_not_taken_up(a, p);
}

/* How the node that this one follows, or is to follow, is seen; none is silent. */
static void
facts_of_leader(struct agent *a, struct fsm_obs *o)
{
	const struct peer *p = agent_primary_peer(a);
	const struct probe_sense none = { .unanswered_ms = a->state_ms };
	const struct probe_sense *s = p ? &p->v.sense : &none;

	o->primary_silent = probe_is_silent(s, a->settings.detect_ms, a->now_ms);
	o->primary_ok = s->ok && !o->primary_silent;
	o->primary_ok_for_ms = o->primary_ok ? probe_ok_for(s, a->now_ms) : 0;
	o->primary_bad_for_ms = probe_bad_for(s, a->now_ms);
}

static void
facts_of_primary(struct agent *a, struct fsm_obs *o)
{
	bool swapping = a->stop_asked || (a->rejoin_waits && a->shown.state == HA_FENCED);

	o->streaming = agent_view_is_fresh(a) && a->rv.step.streams;
	o->in_step = agent_view_is_fresh(a) &&
		     replication_step_in(&a->rv.step, a->now_ms, a->settings.sync_timeout);
	o->not_in_step_ms = o->in_step ? 0 : late_ms(a);
	o->sync_on = quorum_holds(a);
	o->epoch_later_known = agent_is_outranked(a);
	o->promote_ordered = a->order == ORDER_PROMOTE;
	agent_history_of_primary(a, o);
	o->duplicate = a->duplicate && !a->named && a->order != ORDER_PROMOTE;
	o->handover_ordered = handover_is_ready(a);
	if (a->shown.state == HA_HANDING)
		facts_of_handover(a, o);
	/* A database whose place is being taken gives access to nothing; while a copy is made beside it, it does. A node that handed
	 * over may be fenced, and the next primary gone, before that one's epoch was heard. */
	if ((agent_is_outranked(a) || a->shown.state == HA_FENCED) && !swapping)
		facts_of_leader(a, o);
}

/* What was answered before the state changed may still be on its way into the journal. */
static int64_t
rows_to_go(const struct agent *a)
{
	bool counted = a->dv.counted_ms >= a->state_ms + COUNT_AFTER_MS;

	return counted || a->dv.rows > 0 ? a->dv.rows : 1;
}

/* The primary's database answers this node, so that what does not stream does not for another reason. */
static bool
channel_is_open(const struct agent *a)
{
	return a->dv.slot_ms && a->now_ms - a->dv.slot_ms < AGENT_VIEW_MS + 1000;
}

bool
agent_slot_is_lost(const struct agent *a)
{
	return channel_is_open(a) && !a->rv.receiving && agent_view_is_fresh(a) &&
	       strcmp(a->dv.slot_status, "lost") == 0;
}

/* The primary has said so in the log, has stopped writing and has stopped its database: what it wrote is here. Noticed
 * late (this node was frozen), it may have gone on by itself. */
static bool
is_handed_over(struct agent *a, const struct fsm_obs *o, const struct peer *p)
{
	bool to_me = uuid_eq(&a->rv.order_node, &a->self.id) && a->rv.order_term == a->rv.term + 1;

	if (!to_me || !agent_says(a, p, HA_HANDING)) {
		a->handing_seen_ms = 0;
		return false;
	}
	if (!a->handing_seen_ms)
		a->handing_seen_ms = a->now_ms;
	return o->local_db_up && !a->rv.streams && a->rv.lsn >= a->rv.received_lsn &&
	       a->now_ms - a->handing_seen_ms < HANDED_MS;
}

/* A stream of which nothing can be replayed for so long is of another log, and counts for nothing. */
static bool
is_coming_in(struct agent *a)
{
	bool moves = a->rv.lsn >= a->rv.received_lsn || a->rv.lsn != a->replayed_lsn;

	if (moves || !a->replayed_ms) {
		a->replayed_lsn = a->rv.lsn;
		a->replayed_ms = a->now_ms;
	}
	return a->rv.receiving && a->now_ms - a->replayed_ms < STALLED_MS;
}

static void
facts_of_secondary(struct agent *a, struct fsm_obs *o)
{
	const struct peer *p = agent_primary_peer(a);

	facts_of_leader(a, o);
	o->streaming = agent_view_is_fresh(a) && a->rv.receiving && a->rv.caught_up;
	o->journal_rows = rows_to_go(a);
	bool behind = agent_primary_is_behind(a);
	if (is_coming_in(a) || behind || !o->primary_ok || !channel_is_open(a) ||
	    !agent_view_is_fresh(a))
		a->streamed_ms = a->now_ms;
	/* What is here is not given up for a primary that has lost it. */
	o->must_return = !behind && (a->order == ORDER_CLONE || agent_slot_is_lost(a) ||
				     rejoin_copy_waits(&a->args->home) ||
				     a->now_ms - a->streamed_ms > RETURN_MS);
	o->promote_ordered = a->order == ORDER_PROMOTE;
	o->promote_failed =
		a->epoch_failed || (a->wv.task == ROLE_PROMOTE && a->task_ms >= a->state_ms &&
				    !a->wv.working && !a->wv.done);
	o->handed_over = is_handed_over(a, o, p);
	o->emergency_ordered = a->emergency_ordered;
}

void
agent_reduce(struct agent *a, struct fsm_obs *o)
{
	*o = (struct fsm_obs){
		.is_secondary = a->secondary,
		.pair_exists = a->rv.nodes_n > 1,
		.local_db_up = agent_view_is_fresh(a) && !a->rv.failure[0],
	};
	if (a->secondary)
		facts_of_secondary(a, o);
	else
		facts_of_primary(a, o);
}

/* Whether another node has brought home what only it has, as it says itself. */
static bool
is_settled_elsewhere(const struct agent *a, const struct peer *p)
{
	return p && p->v.reply.journal_rows == 0 &&
	       (agent_says(a, p, HA_STANDBY) || agent_says(a, p, HA_SYNCED) ||
		agent_says(a, p, HA_ALONE));
}

/* What this secondary has to bring follows events that the log has lost: it is not on its way before somebody accepts that, and until the
 * loss is told nobody can. */
static bool
is_held_by_gap(const struct agent *a)
{
	return a->shown.state == HA_MERGING && a->dv.held && a->rv.aside_seq > a->rv.own_seq + 1;
}

static bool
is_settled_here(const struct agent *a, const struct fsm_obs *o)
{
	enum ha_state s = a->shown.state;

	if (!o->local_db_up || a->rejoin_waits || a->wv.working)
		return false;
	if (a->secondary)
		return o->streaming &&
		       ((s == HA_STANDBY && o->journal_rows == 0) || is_held_by_gap(a));
	return (s == HA_SYNCED || s == HA_ALONE || s == HA_SINGLE) && a->rv.deposits == 0;
}

void
agent_tell_chain_memory(struct agent *a, const struct fsm_obs *o)
{
	struct chain_memory_facts f = { .settled = is_settled_here(a, o),
					.primary = !a->secondary,
					.schema = a->rv.schema };

	for (unsigned i = 0; i < a->rv.nodes_n && f.n < CHAIN_MEMORY_NODES_MAX; i++) {
		const struct uuid *id = &a->rv.nodes[i].id;

		f.nodes[f.n].id = *id;
		f.nodes[f.n++].home =
			agent_is_self(a, id) || is_settled_elsewhere(a, agent_peer(a, id));
	}
	chain_memory_tell(a->chain_memory, &f);
}

void
agent_take_as_of(struct agent *a)
{
	bool serves_old = a->secondary || state_serves(a->shown.state) == SERVES_EMERGENCY;

	if (!a->rv.at_ms)
		return;
	a->shown.as_of_us = serves_old ? a->rv.beat_us : 0;
	a->shown.as_of_term = serves_old ? a->rv.beat_term : 0;
}

int64_t
agent_lag_ms(int64_t as_of_us)
{
	int64_t ms = (clock_now_us() - as_of_us) / 1000;

	if (!as_of_us)
		return -1;
	return ms > 0 ? ms : 0;
}
