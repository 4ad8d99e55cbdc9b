/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent: the state page, and the status that it shows.
 */
#include "agent/agent_impl.h"

#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "ha/status.h"
#include "store/migrate.h"

#define LATE_MS 10000 /* a secondary shows what the primary writes every second (H16) within this */

/* One lost answer is no outage: silence counts only after detect_ms. */
static bool
was_heard(const struct agent *a, const struct peer *p)
{
	return p->v.reply_ms && a->now_ms - p->v.reply_ms < a->settings.detect_ms;
}

static void
status_of_service(const struct agent *a, const struct peer *p, struct status_node *n)
{
	enum probe_outcome last = p->v.sense.last;
	bool well = last == PROBE_OK || last == PROBE_STANDBY;

	if ((last == PROBE_SILENT || last == PROBE_BAD_NAME) && was_heard(a, p))
		well = true;
	n->service = well ? STATUS_ACTIVE : STATUS_INACTIVE;
	/* A connection that stands tells nothing of a certificate that was exchanged since. */
	n->untrusted = last == PROBE_UNTRUSTED || p->v.fresh == PROBE_UNTRUSTED;
	n->name_unknown = last == PROBE_BAD_NAME && !well;
	n->service_cannot = last == PROBE_CANNOT;
	n->certs[CERTLIFE_WEB] = p->v.shown;
	n->certs[CERTLIFE_CHANNEL] = p->v.reply.channel;
	text_fit(n->service_why, sizeof(n->service_why), "%s",
		 last == PROBE_CANNOT ? p->v.reply.why : p->v.failure);
	if (well || last == PROBE_CANNOT)
		n->database = well ? STATUS_ACTIVE : STATUS_UNKNOWN;
	if (!was_heard(a, p))
		return;
	n->state = state_by_name(p->v.reply.state);
	n->skew_known = p->v.reply.time_us != 0;
	n->skew_us = p->v.skew_us;
	n->data_damaged = p->v.reply.data_damaged;
	text_copy(n->version, sizeof(n->version), p->v.reply.version);
	n->reigns = last == PROBE_OK && strcmp(p->v.reply.mode, "primary") == 0;
	n->epoch = (struct epoch){ .counter = p->v.reply.term, .node = p->id };
	n->schema = (int)p->v.reply.schema;
	n->schema_known = (int)p->v.reply.schema_known;
	n->journal_unreadable = p->v.reply.journal_unreadable;
	n->journal_rows = p->v.reply.journal_rows;
	n->ordered = p->v.reply.ordered;
}

static void
status_of_self(const struct agent *a, struct status_node *n)
{
	n->state = a->shown.state;
	n->reigns = !a->secondary && state_serves(a->shown.state) == SERVES_EVERYONE;
	n->epoch = agent_epoch(a);
	n->ordered = a->emergency_ordered;
	n->data_damaged = a->rv.damaged_pages > 0;
	n->journal_unreadable = a->dv.trouble == DEPOSIT_JOURNAL;
	text_copy(n->copy_failure, sizeof(n->copy_failure), a->copy_failure);
	text_copy(n->version, sizeof(n->version), HF_VERSION);
	n->schema = a->rv.schema;
	n->schema_known = migrate_newest();
	struct certlife shown =
		n->certs[CERTLIFE_WEB]; /* which counts, not what lies on the disk */

	memcpy(n->certs, a->shown.certs, sizeof(n->certs));
	if (shown.to_us)
		n->certs[CERTLIFE_WEB] = shown;
}

/* A secondary, as its primary sees it. */
static void
status_of_standby(const struct agent *a, const struct replication_node *r, const struct peer *p,
		  struct status_node *n)
{
	n->stream_known = true;
	const struct replication_standby *s = agent_standby(a, &r->id);
	if (s) {
		n->streaming = agent_view_is_fresh(a) && strcmp(s->state, "streaming") == 0;
		n->lag_bytes = a->rv.lsn > s->flush_lsn ? a->rv.lsn - s->flush_lsn : 0;
	}
	if (n->streaming)
		n->database = STATUS_ACTIVE;
	n->last_in_step_us = p ? p->v.reply.as_of_us : 0;
	n->lag_ms = agent_lag_ms(n->last_in_step_us);
	/* Each stands for itself, whatever another one has. */
	n->late = n->streaming && p && a->now_ms - p->v.reply_ms < AGENT_VIEW_MS &&
		  (s->late_ms >= a->settings.sync_timeout || n->lag_ms >= LATE_MS);
	n->slot_known = a->rv.at_ms > 0;
	text_copy(n->slot_status, sizeof(n->slot_status), "missing");
	n->slot_keep = a->rv.keep_bytes;
	for (unsigned i = 0; i < a->rv.slots_n; i++) {
		if (strcmp(a->rv.slots[i].name, r->slot) != 0)
			continue;
		text_copy(n->slot_status, sizeof(n->slot_status), a->rv.slots[i].status);
		n->slot_retained = a->rv.slots[i].retained;
	}
}

/* This node as a secondary. */
static void
status_of_self_standby(const struct agent *a, struct status_node *n)
{
	n->stream_known = true;
	n->streaming = agent_view_is_fresh(a) && a->rv.receiving;
	n->lag_bytes = a->rv.sent_lsn > a->rv.lsn ? a->rv.sent_lsn - a->rv.lsn : 0;
	n->last_in_step_us = a->shown.as_of_us;
	n->lag_ms = agent_lag_ms(n->last_in_step_us);
	n->journal_rows = a->dv.rows;
	n->slot_known = a->dv.slot_ms && a->now_ms - a->dv.slot_ms < 5000;
	text_copy(n->slot_status, sizeof(n->slot_status), a->dv.slot_status);
	n->slot_retained = a->dv.slot_retained;
	n->slot_keep = a->dv.slot_keep;
}

static enum status_service
own_database(const struct agent *a)
{
	return agent_view_is_fresh(a) && !a->rv.failure[0] ? STATUS_ACTIVE : STATUS_INACTIVE;
}

static void
status_of_node(struct agent *a, const struct replication_node *r, struct status_node *n)
{
	struct peer *p = agent_peer(a, &r->id);

	*n = (struct status_node){ .id = r->id,
				   .state = HA_STATE_COUNT,
				   .lag_bytes = -1,
				   .lag_ms = -1,
				   .journal_rows = -1 };
	text_copy(n->name, sizeof(n->name), r->name);
	agent_say_succession(a, r, n);
	n->self = uuid_eq(&r->id, &a->self.id);
	n->primary = agent_leader(a) && uuid_eq(&agent_leader(a)->id, &r->id);
	if (p)
		status_of_service(a, p, n);
	/* One that is behind is nobody's primary, and what it lacks is to be known all the same. */
	agent_status_of_history(a, &r->id, n->primary || n->state == HA_BEHIND, &n->history_behind,
				n->history, sizeof(n->history));
	n->duplicate = agent_is_duplicate(a, &r->id);
	if (n->self) {
		n->skew_known = false;
		status_of_self(a, n);
		n->database = own_database(a);
		if (!n->primary && a->secondary)
			status_of_self_standby(a, n);
	} else if (!a->secondary) {
		status_of_standby(a, r, p, n);
	}
}

/* A secondary whose database cannot even say which nodes there are, or says that it is none of them. */
static void
status_of_self_alone(const struct agent *a, struct status_node *n)
{
	*n = (struct status_node){ .id = a->self.id,
				   .self = true,
				   .service = STATUS_ACTIVE,
				   .database = own_database(a),
				   .lag_bytes = -1,
				   .lag_ms = -1,
				   .journal_rows = a->dv.rows };
	text_copy(n->name, sizeof(n->name), a->self.name);
	status_of_self(a, n);
}

static void
status_of_trouble(const struct agent *a, struct status_view *v)
{
	v->damaged_pages = a->rv.damaged_pages;
	v->journal_diverged = a->dv.trouble == DEPOSIT_DIVERGED;
	v->merge_refused = a->secondary && a->dv.held;
	struct chain_memory_view w;
	chain_memory_look(a->chain_memory, &w);
	v->chain_shrunk = w.shrunk;
	v->chain_forked = w.forked;
	text_fit(v->chain, sizeof(v->chain), "%s", w.detail);
	if (v->merge_refused)
		text_fit(v->trouble, sizeof(v->trouble), "%s", a->rv.aside_why);
	else if (a->dv.trouble)
		text_fit(v->trouble, sizeof(v->trouble), "%s", a->dv.why);
	else
		text_fit(v->trouble, sizeof(v->trouble), "%s", a->rv.failure);
}

/* What vaultd goes by when it gives out passwords (vault/age_limit.h). */
static bool
is_too_old(const struct agent *a, int64_t now_us)
{
	int64_t limit = a->settings.max_emergency_age;

	return limit > 0 && state_serves(a->shown.state) == SERVES_EMERGENCY &&
	       (a->shown.as_of_us == 0 || now_us - a->shown.as_of_us > limit * 1000);
}

static void
render_status(struct agent *a)
{
	struct status_view *v = mem_new(sizeof(*v));
	struct alerter_view alerts;
	auto_buf text = BUF_INIT;

	v->state = a->shown.state;
	text_fit(v->why, sizeof(v->why), "%s", a->shown.reason);
	v->both = statepage_quick(a->statepage).both;
	v->term = a->shown.term;
	v->now_us = clock_now_us();
	v->as_of_us = a->shown.as_of_us;
	v->inbox_rows = a->secondary ? -1 : a->rv.deposits;
	status_of_trouble(a, v);
	v->too_old = is_too_old(a, v->now_us);
	v->removed = a->removed;
	text_copy(v->without_effect, sizeof(v->without_effect), a->rv.without_effect);
	v->unconfirmed = agent_is_unconfirmed(a);
	const struct replication_node *me = agent_node(a, &a->self.id);
	if (me)
		status_of_node(a, me, &v->nodes[v->n++]);
	else if (a->secondary && (a->rv.failure[0] || a->removed))
		status_of_self_alone(a, &v->nodes[v->n++]);
	for (unsigned i = 0; i < a->rv.nodes_n && v->n < STATUS_NODES_MAX; i++) {
		if (&a->rv.nodes[i] != me)
			status_of_node(a, &a->rv.nodes[i], &v->nodes[v->n++]);
	}
	alerter_look(a->alerter, &alerts);
	v->alerts_waiting = alerts.waiting;
	text_fit(v->alerts_failure, sizeof(v->alerts_failure), "%s", alerts.failure);
	a->shown.alerts_waiting = alerts.waiting > 0 ? alerts.waiting : 0;
	a->shown.status = status_of_pair(v);
	v->maintenance = agent_maintenance(a, v->now_us);
	status_render(v, &text);
	agent_tell_alerts(a, v);
	free(v);
	text_copy(a->shown.status_json, sizeof(a->shown.status_json), buf_str(&text));
}

/* Who is in the pair, while it is known. */
static void
show_members(struct agent *a)
{
	a->shown.members_n = 0;
	for (unsigned i = 0; agent_view_is_fresh(a) && !a->rv.failure[0] && i < a->rv.nodes_n; i++)
		a->shown.members[a->shown.members_n++] = a->rv.nodes[i].id;
}

void
agent_write_statepage(struct agent *a)
{
	const struct replication_node *n = agent_leader(a);

	if (n)
		url_write(n->name, n->https_port, a->shown.primary_url,
			  sizeof(a->shown.primary_url));
	if (a->rv.term) {
		a->shown.term = agent_epoch(a).counter;
		a->shown.epoch = agent_latest_epoch(a);
	}
	agent_show_progress(a);
	show_members(a);
	a->shown.journal_rows = a->secondary ? a->dv.rows : 0;
	a->shown.ordered = a->emergency_ordered;
	a->shown.schema = a->rv.schema;
	a->shown.schema_known = migrate_newest();
	agent_look_at_certs(a);
	a->shown.data_damaged = a->rv.damaged_pages > 0;
	a->shown.journal_unreadable = a->dv.trouble == DEPOSIT_JOURNAL;
	render_status(a);
	statepage_write(a->statepage, &a->shown);
	a->shown_ms = a->now_ms;
}
