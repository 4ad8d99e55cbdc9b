/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent: what follows from the state.
 */
#include "agent/agent_impl.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/json_out.h"
#include "base/log.h"
#include "crypto/x509.h"
#include "ha/channel.h"
#include "ha/rejoin.h"
#include "ledger/event.h"
#include "pack/setup.h"
#include "store/migrate.h"

#define ANNOUNCE_MS 3000
#define PROVE_MS 5000 /* so long a promotion waits for keyd */
#define PEM_MAX 65536
#define TASK_RETRY_MS 2000
#define COPY_RETRY_MS 60000   /* all of the primary is read for it */
#define HANDOVER_MS 8000      /* so long an ordered hand-over may wait to begin */
#define TIDY_MS 5000	      /* so long a copy is in step before what was there is removed */
#define SHUT_MS 10000	      /* so long the database may let nobody in before it is restarted */
#define REOPEN_AGAIN_MS 60000 /* and not again before then */

/* Whether a secondary that answers still gives emergency access, or merges its journal. */
static bool
journal_is_unmerged(const struct agent *a)
{
	for (size_t i = 0; i < ARRAY_LEN(a->peers); i++) {
		const struct peer *p = &a->peers[i];

		if (p->probe && p->known && !agent_is_self(a, &p->id) &&
		    (agent_says(a, p, HA_EMERGENCY) || agent_says(a, p, HA_MERGING)))
			return true;
	}
	return false;
}

/* The order keeps H2: `both` is taken back before commits may pass without a second disk, and said only after it was
 * seen that they cannot. Clearing the names lets waiting commits go; none is ever cancelled. */
static void
act_as_primary(struct agent *a, const struct fsm_obs *o)
{
	char names[REPLICATION_NAMES_MAX] = "";
	steadiness_note(&a->steadiness, o->in_step, a->now_ms);
	bool steady = steadiness_reached(&a->steadiness, a->settings.sync_steady, a->now_ms);
	bool wanted = a->shown.state == HA_SYNCED || (a->shown.state == HA_ALONE && steady);

	statepage_set_both(a->statepage, a->shown.state == HA_SYNCED && o->sync_on);
	statepage_set_unmerged(a->statepage, journal_is_unmerged(a));
	agent_prove_streams(a);
	if (!a->rv.at_ms || (a->shown.state == HA_SINGLE && !a->rv.sync_names[0]))
		return;
	if (wanted)
		replication_names(&a->rv, &a->self.id, names);
	replication_want(a->replication, names);
}

/* What this node shows now, without the authorities behind it. */
static void
read_web_cert(const struct agent *a, struct buf *out)
{
	auto_buf file = BUF_INIT;
	char path[HOME_PATH_MAX];
	struct err ignored;

	home_path(&a->args->home, HOME_WEB_CERT, path);
	if (home_read_file(path, PEM_MAX, &file, &ignored) ||
	    x509_leaf(buf_str(&file), out, &ignored) || out->len >= REPLICATION_CERT_MAX)
		buf_reset(out);
}

/* The node whose database is, or is about to become, the primary's. */
static bool
name_primary(const struct agent *a, struct channel_primary *ret)
{
	const struct replication_node *n =
		a->shown.state == HA_HANDING ? agent_node(a, &a->order_node) : agent_leader(a);

	if (!n || agent_is_self(a, &n->id))
		return false;
	text_copy(ret->host, sizeof(ret->host), n->name);
	ret->port = agent_pair_port(a, n);
	replication_slot_name(&a->self.id, ret->slot);
	return true;
}

/* A task is begun anew when it failed. */
static void
begin_task(struct agent *a, enum role_task task)
{
	struct epoch epoch = agent_epoch(a);
	struct role_order o = { .task = task,
				.epoch_node = epoch.node,
				.epoch_is_logged = agent_epoch_is_logged(a) };
	bool alone = task == ROLE_PROMOTE || task == ROLE_MIGRATE || task == ROLE_TIDY;
	bool tried = a->wv.task == task && a->task_ms >= a->state_ms;
	bool failed = a->wv.task == task && !a->wv.done;
	bool ordered = a->order != ORDER_NONE && a->order_ms >= a->task_ms;
	int64_t pause = a->wv.unusable && !ordered ? COPY_RETRY_MS : TASK_RETRY_MS;

	if (task == ROLE_NONE || a->wv.working || (tried && a->wv.done) || a->stop_asked)
		return;
	/* A copy that became whole while the primary was lost again waits for its place; what a task left that failed does not. */
	if (task != ROLE_PROMOTE && !failed && a->rejoin_waits)
		return;
	if (tried && (task == ROLE_PROMOTE || a->now_ms - a->task_ms < pause))
		return;
	if (!alone && !name_primary(a, &o.primary))
		return;
	a->task_ms = a->now_ms;
	role_begin(a->role, &o);
	/* What follows in this very tick is not to take the task before for this one. */
	role_look(a->role, &a->wv);
}

/* The stream comes from the primary of the latest term. */
static void
follow_leader(struct agent *a, const struct fsm_obs *o)
{
	struct channel_primary p = { 0 };
	auto_buf conninfo = BUF_INIT;

	if (a->shown.state == HA_PROMOTING || !name_primary(a, &p))
		return;
	channel_follow(&a->args->home, &p, &conninfo);
	agent_follow(a, &agent_leader(a)->id, buf_str(&conninfo), o->primary_ok);
}

/* The epoch is on disk before the database is a primary's. */
static void
promote(struct agent *a)
{
	struct err e = { 0 };

	if (a->epoch_failed)
		return;
	if (a->wv.task != ROLE_PROMOTE || a->task_ms < a->state_ms) {
		int rc = agent_prepare_epoch(a, &e);
		if (rc == ERR_KEYS_UNAVAILABLE && a->now_ms - a->state_ms < PROVE_MS)
			return;
		a->epoch_failed = rc != 0;
		if (a->epoch_failed) {
			log_err(LOG_LEVEL_WARNING, &e, "this node cannot become the primary");
			return;
		}
	}
	begin_task(a, ROLE_PROMOTE);
}

static void
act_as_secondary(struct agent *a, const struct fsm_obs *o)
{
	const struct replication_node *n = agent_leader(a);
	struct deposit_orders d = {
		.go = o->primary_ok && a->shown.state != HA_PROMOTING && !a->removed,
		.rows_wait = a->rv.schema < migrate_newest(),
		.aside_seq = a->rv.aside_seq,
		.home_seq = agent_view_is_fresh(a) ? a->rv.own_seq : 0,
		.chain_memory = a->chain_memory,
	};

	if (n && !uuid_eq(&n->id, &a->self.id)) {
		text_copy(d.host, sizeof(d.host), n->name);
		d.port = agent_pair_port(a, n);
	}
	d.https_port = a->moved.https;
	d.pair_port = a->moved.pair;
	text_copy(d.web_cert, sizeof(d.web_cert), a->own_cert);
	if (!agent_authority_said(a, d.trusts))
		d.trusts[0] = '\0';
	text_copy(d.channel_by, sizeof(d.channel_by), a->own.channel_by);
	text_copy(d.web_by, sizeof(d.web_by), a->own.web_by);
	memcpy(d.aside_hash, a->rv.aside_hash, sizeof(d.aside_hash));
	deposit_order(a->deposit, &d);
	follow_leader(a, o);
	if (a->shown.state == HA_PROMOTING)
		promote(a);
	else if (a->shown.state == HA_RESEED && !a->removed &&
		 o->primary_ok_for_ms >= AGENT_SETTLE_MS)
		begin_task(a, a->order == ORDER_CLONE || agent_slot_is_lost(a) ||
					      rejoin_copy_waits(&a->args->home)
				      ? ROLE_CLONE
				      : ROLE_RETURN);
}

/* A secondary that streams needs no pack any more: none is made for one that runs (pack/setup). */
static void
drop_packs(struct agent *a)
{
	char path[HOME_PATH_MAX + 300];

	if (a->settings.keep_pack || !agent_view_is_fresh(a) ||
	    (a->packs_ms && a->now_ms - a->packs_ms < ANNOUNCE_MS))
		return;
	a->packs_ms = a->now_ms;
	for (unsigned i = 0; i < a->rv.nodes_n; i++) {
		const struct replication_node *n = &a->rv.nodes[i];
		const struct replication_standby *s = agent_standby(a, &n->id);

		setup_pack_path(&a->args->home, n->name, path, sizeof(path));
		if (s && strcmp(s->state, "streaming") == 0 && unlink(path) == 0)
			log_notice("%s was removed: its node has joined (`keep_pack`)", path);
	}
}

/* The own web certificate, and with it which authorities this node trusts and shows, when the node table says something else. */
static void
look_at_own_cert(struct agent *a)
{
	const struct replication_node *me = agent_node(a, &a->self.id);
	char trusts[SUCCESSION_PINS_MAX];
	auto_buf cert = BUF_INIT;

	if (!me || !agent_view_is_fresh(a) || a->now_ms - a->announce_ms < ANNOUNCE_MS)
		return;
	a->announce_ms = a->now_ms;
	read_web_cert(a, &cert);
	bool said = agent_authority_said(a, trusts);
	bool news = cert.len && (strcmp(buf_str(&cert), me->web_cert) != 0 ||
				 (said && (strcmp(trusts, me->trusts) != 0 ||
					   strcmp(a->own.channel_by, me->channel_by) != 0 ||
					   strcmp(a->own.web_by, me->web_by) != 0)));
	text_copy(a->own_cert, sizeof(a->own_cert), news ? buf_str(&cert) : "");
}

/* A primary asks its own writer; a secondary's deposit thread asks the primary's. */
static void
announce_as_primary(struct agent *a)
{
	char trusts[SUCCESSION_PINS_MAX];
	auto_buf body = BUF_INIT;
	struct json_out w;

	if (!a->own_cert[0] || a->rv.requests)
		return;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_text(&w, "web_cert", a->own_cert);
	if (agent_authority_said(a, trusts)) {
		json_out_text(&w, "trusts", trusts);
		json_out_text(&w, "channel_by", a->own.channel_by);
		json_out_text(&w, "web_by", a->own.web_by);
	}
	json_out_end_object(&w);
	if (replication_request(a->replication, EVENT_NODE_CERT, &a->self.id, buf_str(&body)))
		log_notice("making this node's certificates known to the other nodes");
	a->own_cert[0] = '\0';
}

/* The log is to say who the primary is. A node whose database was promoted, and that fell before it could say so, says it
 * when it is back. */
static void
claim_term(struct agent *a)
{
	char incarnation[EPOCH_INCARNATION_TEXT_MAX];
	auto_buf body = BUF_INIT;
	struct json_out w;
	struct err e = { 0 };
	int rc = 0;
	bool just_asked = a->claimed_ms && a->now_ms - a->claimed_ms < ANNOUNCE_MS;

	if (a->rv.requests || just_asked || !agent_is_unnamed_primary(a))
		return;
	/* One that an older program promoted has begun none yet. */
	if (agent_epoch(a).counter <= a->rv.term)
		rc = agent_prepare_epoch(a, &e);
	if (rc == ERR_KEYS_UNAVAILABLE)
		return;
	if (rc) {
		log_err(LOG_LEVEL_WARNING, &e, "the new epoch cannot be begun yet");
		a->claimed_ms = a->now_ms;
		return;
	}
	struct epoch epoch = agent_epoch(a);
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_int(&w, "term", epoch.counter);
	epoch_incarnation_text(epoch.incarnation, incarnation);
	if (incarnation[0])
		json_out_text(&w, "incarnation", incarnation);
	json_out_text(&w, "name", a->self.name);
	json_out_end_object(&w);
	if (replication_request(a->replication, EVENT_PROMOTED, &a->self.id, buf_str(&body)))
		a->claimed_ms = a->now_ms;
}

static void
announce_handover(struct agent *a)
{
	auto_buf body = BUF_INIT;
	struct json_out w;

	if (a->order != ORDER_HANDOVER || a->shown.state != HA_SYNCED || a->rv.requests ||
	    agent_handover_is_logged(a))
		return;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_int(&w, "term", a->rv.term + 1);
	json_out_end_object(&w);
	replication_request(a->replication, EVENT_HANDOVER, &a->order_node, buf_str(&body));
}

/* A node that was promoted, and fell before its schema was its program's. */
static void
bring_up_to_date(struct agent *a)
{
	if (agent_view_is_fresh(a) && !a->rv.standby && a->rv.schema > 0 &&
	    a->rv.schema < migrate_newest() && state_serves(a->shown.state) == SERVES_EVERYONE)
		begin_task(a, ROLE_MIGRATE);
}

/* What a primary does that is to be one no longer. */
static void
step_down(struct agent *a)
{
	struct peer *p = agent_primary_peer(a);

	if (a->shown.state == HA_HANDING && a->now_ms - a->state_ms > 100)
		begin_task(a, ROLE_HANDOVER);
	else if (a->shown.state == HA_FENCED && !a->rejoin_waits && p && !a->removed &&
		 probe_ok_for(&p->v.sense, a->now_ms) >= AGENT_SETTLE_MS)
		begin_task(a, a->order == ORDER_IN_PLACE ? ROLE_REWIND : ROLE_RETURN);
	/* One attempt for each order: when it fails, a copy is tried again. */
	if (a->order == ORDER_IN_PLACE && a->wv.task == ROLE_REWIND && a->wv.working) {
		a->order = ORDER_NONE;
		a->rewinds = true;
	}
}

/* By when it was put aside, which the file system knows, so that a restart changes nothing. */
static bool
is_kept(struct agent *a)
{
	char old[HOME_PATH_MAX];
	struct stat st;

	home_path(&a->args->home, HOME_PG_SWAPPED, old);
	return a->settings.replaced_keep && stat(old, &st) == 0 &&
	       clock_now_us() / 1000 - st.st_ctim.tv_sec * 1000LL < a->settings.replaced_keep;
}

/* What a copy took the place of is kept until this node has been in step for a while. */
static void
tidy(struct agent *a, const struct fsm_obs *o)
{
	bool in_step =
		a->shown.state == HA_SYNCED || (a->shown.state == HA_STANDBY && o->streaming);

	if (in_step && !a->rejoin_waits && a->now_ms - a->state_ms > TIDY_MS &&
	    home_has(&a->args->home, HOME_PG_SWAPPED) && !is_kept(a))
		begin_task(a, ROLE_TIDY);
}

/* A hand-over was given up (node/rejoin.c) when the other node was the primary already: the database that is back is still a
 * primary's, and returns like any. */
static void
look_at_given_up(struct agent *a)
{
	if (!a->stop_asked || a->rejoin_waits) {
		a->rejoined_ms = 0;
		return;
	}
	if (!a->rejoined_ms)
		a->rejoined_ms = a->now_ms;
	if (a->shown.state == HA_FENCED && a->rv.at_ms > a->rejoined_ms && !a->rv.standby)
		a->stop_asked = false;
}

/* The rest needs PostgreSQL stopped; once asked for, a node that falls goes on with it by itself. */
static void
ask_for_stop(struct agent *a)
{
	look_at_given_up(a);
	if (a->stop_asked && a->order == ORDER_CLONE && !a->rejoin_waits)
		a->order = ORDER_NONE; /* the copy is in place */
	bool ordered_now = a->task_ms >= a->state_ms || a->shown.state == HA_RESEED ||
			   a->shown.state == HA_FENCED;
	if (a->stop_asked || a->wv.working || !a->wv.done || a->wv.task == ROLE_PROMOTE ||
	    a->wv.task == ROLE_MIGRATE || a->wv.task == ROLE_TIDY || a->wv.task == ROLE_NONE ||
	    !ordered_now || !a->rejoin_waits)
		return;
	a->stop_asked = write(PROC_FD_LINK, "J", 1) == 1;
}

/* Whoever gave it is told why; nothing of it is done later. */
static void
give_up_order(struct agent *a, const char *why)
{
	log_warning("the operator's order is given up: %s", why);
	a->order = ORDER_NONE;
	text_fit(a->shown.order_failure, sizeof(a->shown.order_failure), "%s", why);
}

#define IN(s) (1u << HA_##s)

/* What an order becomes in the state that was just begun: it waits or is being carried out, it is done, or it is over. */
static void
look_at_order(struct agent *a)
{
	static const struct {
		unsigned waits, done;
	} orders[] = {
		[ORDER_PROMOTE] = { IN(MERGING) | IN(RESEED) | IN(DUPLICATE) | IN(PROMOTING),
				    IN(ALONE) },
		[ORDER_HANDOVER] = { IN(SYNCED), IN(HANDING) },
		[ORDER_CLONE] = { IN(STANDBY) | IN(MERGING) | IN(RESEED), 0 },
		[ORDER_IN_PLACE] = { IN(FENCED), IN(STANDBY) },
	};
	unsigned now = 1u << a->shown.state;

	if (a->order == ORDER_NONE || (orders[a->order].waits & now))
		return;
	if (orders[a->order].done & now)
		a->order = ORDER_NONE;
	else
		give_up_order(a, a->shown.reason);
}

void
agent_change_state(struct agent *a, const struct fsm_next *next)
{
	log_warning("state %s → %s: %s", state_name(a->shown.state), state_name(next->state),
		    next->why);
	if (next->state != HA_SYNCED)
		statepage_set_both(a->statepage, false);
	if (a->shown.state == HA_SYNCED && next->state == HA_ALONE)
		steadiness_relapse(&a->steadiness, a->now_ms);
	/* Whoever goes on beside a second program of the node does so by an operator's word. */
	a->named |= a->shown.state == HA_DUPLICATE && next->state == HA_ALONE;
	a->shown.state = next->state;
	text_fit(a->shown.reason, sizeof(a->shown.reason), "%s", next->why);
	a->why = next->why;
	a->state_ms = a->now_ms;
	look_at_order(a);
	if (next->state != HA_FENCED)
		a->stop_asked = false;
	a->epoch_failed = false;
}

/* Whoever ordered a rewinding that came to nothing is told: what the node tries next is another thing. */
static void
note_rewinding(struct agent *a)
{
	if (!a->rewinds || a->wv.task != ROLE_REWIND || a->wv.working)
		return;
	a->rewinds = false;
	if (!a->wv.done)
		text_fit(a->shown.order_failure, sizeof(a->shown.order_failure), "%s",
			 a->wv.failure);
}

/* Also while the next attempt looks again. */
static void
note_copy(struct agent *a)
{
	bool copies =
		a->wv.task == ROLE_RETURN || a->wv.task == ROLE_CLONE || a->wv.task == ROLE_REWIND;

	if (copies && (a->wv.no_place || a->wv.unusable))
		text_copy(a->copy_failure, sizeof(a->copy_failure), a->wv.failure);
	if ((copies && a->wv.done) || a->shown.state == HA_STANDBY ||
	    state_serves(a->shown.state) == SERVES_EVERYONE)
		a->copy_failure[0] = '\0';
}

/* A copy that was ordered and cannot take its place is given up, and whoever ordered it is told: the database here goes on being
 * what it was. */
static void
note_ordered_copy(struct agent *a)
{
	if (a->order != ORDER_CLONE || a->wv.task != ROLE_CLONE || a->wv.working ||
	    !(a->wv.no_place || a->wv.unusable) || a->task_ms < a->state_ms)
		return;
	give_up_order(a, a->wv.failure);
}

/* A hand-over that cannot be begun is not begun later, when nobody expects it any more. */
static void
note_late_handover(struct agent *a)
{
	char why[128];

	if (a->order != ORDER_HANDOVER || a->shown.state != HA_SYNCED ||
	    a->now_ms - a->order_ms <= HANDOVER_MS)
		return;
	text_fit(why, sizeof(why), "%s within %d s",
		 agent_handover_is_logged(a) ? "the other node did not have the whole log"
					     : "the vault did not take it into the log",
		 HANDOVER_MS / 1000);
	give_up_order(a, why);
}

/* While a role changes the reason goes on: how far it is. */
void
agent_show_progress(struct agent *a)
{
	char told[200];

	if (!a->why || (state_serves(a->shown.state) == SERVES_EVERYONE))
		return;
	rejoin_told(&a->args->home, told, sizeof(told));
	const char *more = told[0] ? told : a->wv.working ? a->wv.step : a->wv.failure;
	text_fit(a->shown.reason, sizeof(a->shown.reason), "%s%s%s", a->why, more[0] ? "; " : "",
		 more);
}

/* What is only full, frozen or on its way is left alone (ha/replication_knock.c). */
static void
reopen_database(struct agent *a)
{
	char why[256];
	int64_t since = replication_shut_since(a->replication, why, sizeof(why));
	bool again = a->reopened_ms && a->now_ms - a->reopened_ms < REOPEN_AGAIN_MS;

	if (!since || a->now_ms - since < SHUT_MS || again || a->stop_asked || a->rejoin_waits ||
	    a->wv.working)
		return;
	log_error("the database runs, but has let nobody in for %d s: %s. It is restarted",
		  SHUT_MS / 1000, why);
	a->reopened_ms = a->now_ms;
	if (write(PROC_FD_LINK, "P", 1) != 1)
		_exit(1); /* the supervisor is gone */
}

void
agent_act(struct agent *a, const struct fsm_obs *o)
{
	note_copy(a);
	note_ordered_copy(a);
	note_late_handover(a);
	note_rewinding(a);
	look_at_own_cert(a);
	agent_look_at_ports(a);
	agent_keep_loss(a);
	agent_note_end(a);
	if (a->secondary) {
		act_as_secondary(a, o);
	} else {
		act_as_primary(a, o);
		announce_as_primary(a);
		agent_announce_ports(a);
		drop_packs(a);
		claim_term(a);
		announce_handover(a);
		step_down(a);
		bring_up_to_date(a);
	}
	tidy(a, o);
	ask_for_stop(a);
	reopen_database(a);
}
