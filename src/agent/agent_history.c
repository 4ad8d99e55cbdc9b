/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent: what follows from comparing this node's history with the others' (ha/history.h). A primary that is behind its own
 * past does not serve; a stream counts as a second disk only when its other end has what this log has; a secondary
 * follows only a primary that has all that this node has.
 */
#include "agent/agent_impl.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "crypto/endmark.h"
#include "store/journal.h"

#define PATIENCE_MS                                                                                \
	3000 /* beyond sync_timeout: so long a commit may be seen at the other node alone */
#define RETRY_MS 1000
#define OPEN_MS 5000 /* a stream that was let in is given so long to begin */
#define HEARD_US                                                                                   \
	4000000 /* a primary writes every second (H16): a stream without a word for so long is none */

void
agent_aim_histories(struct agent *a)
{
	struct history_target t[REPLICATION_NODES_MAX] = { 0 };
	unsigned n = 0;

	if (!a->rv.at_ms)
		return;
	for (unsigned i = 0; i < a->rv.nodes_n && n < ARRAY_LEN(t); i++) {
		const struct replication_node *r = &a->rv.nodes[i];

		if (agent_is_self(a, &r->id))
			continue;
		t[n].id = r->id;
		text_copy(t[n].host, sizeof(t[n].host), r->name);
		t[n].port = r->pair_port;
		t[n++].ours_first = a->secondary;
	}
	history_watch_aim(a->history, t, n);
	history_watch_contend(a->history, !a->holding && a->shown.state != HA_BEHIND &&
						  a->shown.state != HA_FENCED);
}

/* Another node's answer, if there is one that still counts. */
static bool
look(const struct agent *a, const struct uuid *id, struct history_view *ret)
{
	history_watch_look(a->history, id, ret);
	return ret->asked_ms > a->reconciled_ms;
}

bool
agent_histories_heard(const struct agent *a)
{
	for (unsigned i = 0; i < a->rv.nodes_n; i++) {
		const struct uuid *id = &a->rv.nodes[i].id;
		struct history_view v;

		if (agent_is_self(a, id))
			continue;
		history_watch_look(a->history, id, &v);
		if (!v.asked_ms && !v.failed_ms)
			return false;
	}
	return a->rv.nodes_n > 0;
}

/* ---- a primary and its own past ---- */

/* What the other node had first of the chain of this node's id has come in here since; it may be gone, and cannot say so. */
static bool
has_come_in(const struct agent *a, const struct history_verdict *v)
{
	return v->self.one == HISTORY_THEIRS_MORE && agent_is_self(a, &v->self.chain) &&
	       a->rv.own_seq >= v->self.theirs;
}

/* Once anybody has confirmed this node's history, a commit of its own may be at another node a moment before it is seen here. */
static bool
is_behind(const struct agent *a, const struct history_view *v)
{
	if (!v->behind_ms || !a->confirmed || a->shown.state == HA_BEHIND)
		return v->behind_ms != 0;
	return !has_come_in(a, &v->verdict) &&
	       a->now_ms - v->behind_ms >= a->settings.sync_timeout + PATIENCE_MS;
}

/* Whose log has more of this node's own chain than this node, of several one that answers; NULL: nobody's, as far as it was asked. */
static const struct replication_node *
who_has_more(const struct agent *a, struct history_view *ret)
{
	const struct replication_node *found = NULL;

	for (unsigned i = 0; i < a->rv.nodes_n && (!found || ret->failed_ms); i++) {
		const struct replication_node *n = &a->rv.nodes[i];
		struct history_view v;

		if (agent_is_self(a, &n->id) || !look(a, &n->id, &v) || !is_behind(a, &v) ||
		    (found && v.failed_ms))
			continue;
		found = n;
		*ret = v;
	}
	return found;
}

/* How many other nodes were asked since then and have no more of this node's own chain. */
static unsigned
confirmations(const struct agent *a, int64_t since_ms)
{
	unsigned n = 0;

	for (unsigned i = 0; i < a->rv.nodes_n; i++) {
		struct history_view v;

		n += !agent_is_self(a, &a->rv.nodes[i].id) && look(a, &a->rv.nodes[i].id, &v) &&
		     !v.behind_ms && v.asked_ms >= since_ms;
	}
	return n;
}

/* What was written as a secondary goes into the log first. */
static int64_t
end_of_journal(const struct agent *a)
{
	uint8_t hash[HISTORY_HASH_BYTES];
	struct journal *j = NULL;
	char path[HOME_PATH_MAX];
	int64_t rows = 0, seq = 0;
	struct err ignored = { 0 };

	home_path(&a->args->home, HOME_JOURNAL, path);
	if (!home_has(&a->args->home, HOME_JOURNAL) ||
	    journal_open(path, &a->self.id, &j, &ignored))
		return 0;
	if (journal_head(j, &rows, &seq, hash, &ignored))
		seq = 0;
	journal_free(j);
	return seq;
}

/* This node itself remembers more than its database has. */
static void
look_at_mark(struct agent *a)
{
	struct endmark mark;
	char path[HOME_PATH_MAX];

	home_path(&a->args->home, HOME_ANCHOR, path);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool there = fd >= 0 && endmark_read(fd, &mark) && agent_is_self(a, &mark.node);

	if (fd >= 0)
		close(fd);
	if (there && a->rv.own_seq && mark.seq > a->rv.own_seq && mark.seq > end_of_journal(a))
		a->mark_seq = mark.seq;
}

/* While nobody can be asked it is what was found out last. */
static void
note_loss(struct agent *a, bool behind, const struct replication_node *more,
	  const struct history_view *v)
{
	const struct history_own *own = &v->verdict.self;

	if (!behind)
		a->loss = (struct history_loss){ 0 };
	else if (more)
		a->loss = (struct history_loss){ more->id, own->theirs, own->ours,
						 own->one == HISTORY_PARTED };
	else if (!a->loss.there && a->mark_seq)
		a->loss = (struct history_loss){ a->self.id, a->mark_seq, a->rv.own_seq, false };
}

void
agent_read_loss(struct agent *a)
{
	struct err e = { 0 };

	if (history_loss_read(&a->args->home, &a->loss, &e))
		log_err(LOG_LEVEL_ERROR, &e,
			"what this node lost of its log is asked of the other nodes");
	a->loss_on_disk = a->loss;
}

/* What cannot be written is acted on all the same. */
void
agent_keep_loss(struct agent *a)
{
	struct history_loss l = { 0 };
	struct err e = { 0 };

	if (a->shown.state == HA_BEHIND)
		l = a->loss;
	if (history_loss_eq(&l, &a->loss_on_disk) ||
	    (a->loss_tried_ms && a->now_ms - a->loss_tried_ms < RETRY_MS))
		return;
	if (history_loss_write(&a->args->home, &l, &e)) {
		if (!a->loss_tried_ms)
			log_err(LOG_LEVEL_ERROR, &e,
				"what this node lost of its log would not be known at a restart");
		a->loss_tried_ms = a->now_ms;
		return;
	}
	a->loss_tried_ms = 0;
	a->loss_on_disk = l;
}

void
agent_history_of_primary(struct agent *a, struct fsm_obs *o)
{
	struct history_view v;

	if (a->starting)
		look_at_mark(a);
	const struct replication_node *more = who_has_more(a, &v);
	if (!more)
		a->confirmed |= a->rv.nodes_n == 1 || confirmations(a, a->began_ms) > 0;
	if (a->shown.state == HA_BEHIND)
		o->behind = more || (!a->reconciled_ms && !confirmations(a, a->state_ms));
	else
		o->behind = more || (a->mark_seq && !a->confirmed && !a->reconciled_ms);
	o->behind |= agent_is_surpassed(a);
	note_loss(a, o->behind, more, &v);
	if (a->confirmed)
		a->mark_seq = 0;
}

bool
agent_is_unconfirmed(const struct agent *a)
{
	return !a->secondary && a->rv.nodes_n > 1 && !a->confirmed &&
	       state_serves(a->shown.state) == SERVES_EVERYONE;
}

/* ---- the streams of a primary ---- */

static bool
was_proven(const struct agent *a, const struct replication_standby *s)
{
	for (unsigned i = 0; i < a->proofs_n; i++) {
		if (a->proofs[i].pid == s->pid && strcmp(a->proofs[i].name, s->name) == 0)
			return true;
	}
	return false;
}

/* Compared since its stream began, and it has replayed what was here when it did: what follows continues this very log. */
static bool
is_proven(struct agent *a, const struct replication_node *n, const struct replication_standby *s)
{
	struct history_view v;

	if (strcmp(s->state, "streaming") != 0)
		return false;
	bool known = look(a, &n->id, &v);
	if (was_proven(a, s))
		return !(known && is_behind(a, &v));
	if (v.asked_ms <= s->since_ms)
		history_watch_hurry(a->history, &n->id, s->since_ms);
	return known && v.asked_ms > s->since_ms && !(v.verdict.all & HISTORY_THEIRS_MORE) &&
	       s->replay_lsn >= s->from_lsn;
}

void
agent_prove_streams(struct agent *a)
{
	struct replication_proof p[REPLICATION_NODES_MAX] = { 0 };
	unsigned n = 0;

	for (unsigned i = 0; i < a->rv.nodes_n; i++) {
		const struct replication_standby *s = agent_standby(a, &a->rv.nodes[i].id);

		if (!s || !is_proven(a, &a->rv.nodes[i], s))
			continue;
		text_copy(p[n].name, sizeof(p[n].name), s->name);
		p[n++].pid = s->pid;
	}
	memcpy(a->proofs, p, sizeof(p));
	a->proofs_n = n;
	replication_prove(a->replication, p, n);
}

/* ---- a secondary and its primary ---- */

bool
agent_primary_is_behind(struct agent *a)
{
	const struct replication_node *n = agent_leader(a);
	struct history_view v;

	return a->secondary && n && !agent_is_self(a, &n->id) && look(a, &n->id, &v) &&
	       (v.verdict.other.relation & HISTORY_OURS_MORE);
}

/* The other node has events of this node's own chain that are not here, as far as it was asked. */
static bool
has_more_of_own(struct agent *a, const struct uuid *id)
{
	struct history_view v;

	history_watch_look(a->history, id, &v);
	return v.verdict.self.relation & HISTORY_THEIRS_MORE;
}

/* The primary has no event of this node's that is not here, and of the others nobody who could be asked. */
static bool
primary_knows_end(struct agent *a)
{
	const struct replication_node *n = agent_leader(a);
	struct history_view v;

	if (!n || agent_is_self(a, &n->id))
		return false;
	history_watch_look(a->history, &n->id, &v);
	if (v.earlier)
		return true;
	for (unsigned i = 0; i < a->rv.nodes_n; i++) {
		const struct uuid *id = &a->rv.nodes[i].id;

		if (!agent_is_self(a, id) && has_more_of_own(a, id))
			return false;
	}
	return v.asked_ms > a->began_ms && agent_histories_heard(a);
}

/* All others were asked: one that could not be may have what was put back here. An operator who gave up what is missing decides where
 * the chain ends. */
static bool
others_know_end(const struct agent *a)
{
	return a->reconciled_ms || (a->confirmed && a->rv.nodes_n &&
				    confirmations(a, a->began_ms) == a->rv.nodes_n - 1);
}

/* Once it is known it stays so: from then on this node writes its chain itself. */
void
agent_note_end(struct agent *a)
{
	bool serves_old = !a->secondary && state_serves(a->shown.state) == SERVES_EMERGENCY;
	enum chain_end end = CHAIN_END_ASKED;

	a->end_known |= a->secondary ? primary_knows_end(a) : others_know_end(a);
	if (serves_old || (a->secondary && a->duplicate))
		end = CHAIN_END_CLOSED;
	else if (a->end_known)
		end = CHAIN_END_PROVED;
	else if (agent_histories_heard(a))
		end = CHAIN_END_UNPROVED;
	statepage_set_chain_end(a->statepage, end);
}

/* Data come in from whom they came from before. */
static bool
is_live(const struct agent *a)
{
	return agent_view_is_fresh(a) && a->rv.streams &&
	       (state_row(a->shown.state)->outage == OUTAGE_OVER ||
		clock_now_us() - a->rv.heard_us < HEARD_US);
}

/* Whether the primary has, by content, all that this node has, as it was asked after the stream ended. */
static bool
may_follow(struct agent *a, const struct uuid *primary)
{
	struct history_view v;

	history_watch_look(a->history, primary, &v);
	return v.earlier || (v.asked_ms > a->closed_ms && !(v.verdict.all & HISTORY_OURS_MORE));
}

void
agent_follow(struct agent *a, const struct uuid *primary, const char *conninfo, bool primary_ok)
{
	bool other = strcmp(conninfo, a->rv.conninfo) != 0, live = is_live(a);

	if (!agent_view_is_fresh(a))
		return;
	if (other && (primary_ok || !live) && may_follow(a, primary)) {
		replication_follow(a->replication, conninfo);
		a->opened_ms = a->now_ms;
	} else if (!live && a->rv.conninfo[0] && a->now_ms - a->opened_ms > OPEN_MS) {
		replication_follow(a->replication, REPLICATION_NOBODY);
		a->closed_ms = a->now_ms;
	}
}

/* ---- the status ---- */

static void
say_own_loss(const struct agent *a, char *ret, size_t room)
{
	const struct replication_node *n = agent_node(a, &a->loss.by);
	char id[UUID_STR_LEN];

	uuid_str(&a->loss.by, id);
	history_loss_say(&a->loss,
			 agent_is_self(a, &a->loss.by) ? NULL
			 : n			       ? n->name
						       : id,
			 ret, room);
}

static void
say_own_epoch(const struct agent *a, char *ret, size_t room)
{
	char text[EPOCH_TEXT_MAX];

	epoch_text(&a->epochs.known.epoch, text);
	text_fit(ret, room, "this node began epoch %s, of which its log knows nothing", text);
}

void
agent_status_of_history(struct agent *a, const struct uuid *id, bool primary, bool *ret_behind,
			char *ret, size_t room)
{
	bool self = agent_is_self(a, id);
	struct history_view v;

	if (!primary || (self && a->secondary))
		return;
	if (self) {
		*ret_behind = a->shown.state == HA_BEHIND;
		if (*ret_behind && a->loss.there)
			say_own_loss(a, ret, room);
		else if (*ret_behind && agent_is_surpassed(a))
			say_own_epoch(a, ret, room);
		return;
	}
	const struct history_own *own = &v.verdict.other;
	if (!look(a, id, &v) || !(own->relation & HISTORY_OURS_MORE))
		return;
	struct history_loss l = { a->self.id, own->ours, own->theirs, own->one == HISTORY_PARTED };
	*ret_behind = true;
	history_loss_say(&l, a->self.name, ret, room);
}

static int
may_reconcile(struct agent *a, struct err *e)
{
	struct history_view v;
	int rc = agent_may(a, "reconcile", e);

	if (rc)
		return rc;
	const struct replication_node *n = who_has_more(a, &v);
	if (n && !v.failed_ms)
		return err_set(e, ERR_PRECONDITION,
			       "%s has what is missing here, and answers: run `holdfast ha "
			       "promote` there; this node then copies it, and what only this "
			       "node has is kept",
			       n->name);
	return 0;
}

int
agent_order_reconcile(struct agent *a, const char *node, struct err *e)
{
	int rc = agent_is_surpassed(a) ? agent_begin_epoch(a, may_reconcile, e)
				       : may_reconcile(a, e);

	if (rc)
		return rc;
	log_warning("an operator gave up the events of this node's log that are not here");
	a->reconciled_ms = a->now_ms;
	return 0;
}
