/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent: what is worth an alert. Emergency access at once; a node that turns Failed or Alive when it has been so for
 * HOLD_MS, so that what heals by itself within a moment wakes nobody; a certificate that nears its end when it has done so for
 * CERT_HOLD_MS, in which the node renews its channel's by itself.
 */
#include "agent/agent_impl.h"

#include <stdio.h>
#include <string.h>
#include "base/certlife.h"
#include "base/clock.h"
#include "ha/status.h"

#define HOLD_MS 1000
#define CERT_HOLD_MS 10000
#define START_MS 5000 /* behind a start the others are not heard yet */

static void
begin_note(const struct agent *a, const struct status_view *v, struct alerter_note *n)
{
	*n = (struct alerter_note){ 0 };
	n->alert.at_us = v->now_us;
	n->alert.term = v->term;
	n->alert.as_of_us = v->as_of_us;
	text_copy(n->alert.source, sizeof(n->alert.source), a->self.name);
	text_copy(n->alert.state, sizeof(n->alert.state), state_name(v->state));
}

/* ---- emergency ---- */

static void
tell_emergency(struct agent *a, const struct status_view *v)
{
	enum state_outage outage = state_row(v->state)->outage;
	bool is = outage == OUTAGE_BEGINS;
	struct alerter_note n;

	/* What goes on is told neither anew nor as over. */
	if (outage == OUTAGE_GOES_ON || (a->emergency_told.known && a->emergency_told.bad == is))
		return;
	a->emergency_told = (struct agent_told){ .known = true, .bad = is };
	begin_note(a, v, &n);
	n.bad = is;
	snprintf(n.key, sizeof(n.key), "emergency");
	n.alert.type = is ? ALERT_EMERGENCY_BEGAN : ALERT_EMERGENCY_ENDED;
	text_copy(n.alert.node, sizeof(n.alert.node), a->self.name);
	text_fit(n.alert.text, sizeof(n.alert.text),
		 is ? "%.200s gives emergency access: %.256s"
		    : "emergency access of %.200s is over: %.256s",
		 a->self.name, v->why);
	n.alert.todo = is ? status_reason_todo(STATUS_EMERGENCY) : NULL;
	alerter_note(a->alerter, &n);
}

/* ---- nodes ---- */

/* Whether it has been so for hold_ms, and was said otherwise last; then it counts as said. */
static bool
is_news(struct agent_told *t, bool bad, int64_t hold_ms, int64_t now_ms)
{
	if (bad != t->candidate || !t->since_ms) {
		t->candidate = bad;
		t->since_ms = now_ms;
	}
	if ((t->known && t->bad == bad) || now_ms - t->since_ms < hold_ms)
		return false;
	t->known = true;
	t->bad = bad;
	return true;
}

static struct agent_level *
level_of(struct agent *a, const struct uuid *node)
{
	struct agent_level *spare = NULL;

	for (size_t i = 0; i < ARRAY_LEN(a->levels); i++) {
		if (uuid_eq(&a->levels[i].id, node))
			return &a->levels[i];
		if (!spare && uuid_is_nil(&a->levels[i].id))
			spare = &a->levels[i];
	}
	if (spare)
		*spare = (struct agent_level){ .id = *node, .node.since_ms = a->now_ms };
	return spare;
}

static void
note_node(struct agent *a, const struct status_view *v, unsigned i, uint64_t reasons)
{
	const struct status_node *node = &v->nodes[i];
	struct status_words first = { 0 };
	struct alerter_note n;

	begin_note(a, v, &n);
	n.bad = reasons != 0;
	uuid_str(&node->id, n.key);
	n.alert.type = n.bad ? ALERT_NODE_FAILED : ALERT_NODE_ALIVE;
	n.alert.reasons = reasons;
	text_copy(n.alert.node, sizeof(n.alert.node), node->name);
	if (n.bad) {
		struct status_at at = { i, (enum status_reason)__builtin_ctzll(reasons) };

		at = status_cause(v, at);
		status_say(v, at.node, at.reason, &first);
	}
	text_fit(n.alert.text, sizeof(n.alert.text),
		 n.bad ? "%.200s is Failed: %.280s" : "%.200s is Alive", node->name, first.text);
	text_copy(n.alert.detail, sizeof(n.alert.detail), first.detail);
	n.alert.todo = first.todo;
	alerter_note(a->alerter, &n);
}

static void
tell_node(struct agent *a, const struct status_view *v, unsigned i)
{
	struct agent_level *l = level_of(a, &v->nodes[i].id);
	uint64_t reasons = status_node_reasons(v, i);
	bool bad = reasons != 0;

	if (l && is_news(&l->node, bad, HOLD_MS, a->now_ms))
		note_node(a, v, i, reasons);
}

/* ---- certificates ---- */

/* From the warning on until there is another one: what becomes worse in between is the node's, which is Failed. */
static void
note_cert(struct agent *a, const struct status_view *v, unsigned i, enum certlife_kind k, bool bad)
{
	const struct status_node *node = &v->nodes[i];
	char id[UUID_STR_LEN], life[CERTLIFE_TEXT_MAX];
	struct alerter_note n;

	begin_note(a, v, &n);
	n.bad = bad;
	uuid_str(&node->id, id);
	snprintf(n.key, sizeof(n.key), "%s/%s", id, certlife_name(k));
	n.alert.type = bad ? ALERT_CERT_ENDS : ALERT_CERT_RENEWED;
	text_copy(n.alert.node, sizeof(n.alert.node), node->name);
	certlife_say(k, &node->certs[k], v->now_us, life);
	text_fit(n.alert.text, sizeof(n.alert.text),
		 bad ? "%.200s: %.96s" : "%.200s was renewed: %.96s", node->name, life);
	n.alert.todo = bad ? certlife_todo(k) : NULL;
	alerter_note(a->alerter, &n);
}

static void
tell_cert(struct agent *a, const struct status_view *v, unsigned i, enum certlife_kind k)
{
	struct agent_level *l = level_of(a, &v->nodes[i].id);
	const struct certlife *c = &v->nodes[i].certs[k];
	bool bad = certlife_level(c, v->now_us) != CERTLIFE_GOOD;

	/* What is not known now, as of a node that does not answer, is no news. */
	if (l && c->to_us && is_news(&l->certs[k], bad, CERT_HOLD_MS, a->now_ms))
		note_cert(a, v, i, k, bad);
}

/* ---- administrators ---- */

/* Once for each, whatever the outbox has seen before. */
static void
tell_recovered(struct agent *a, const struct status_view *v)
{
	struct alerter_note n;

	if (uuid_is_nil(&a->rv.recovered) || uuid_eq(&a->rv.recovered, &a->recovered_told))
		return;
	a->recovered_told = a->rv.recovered;
	begin_note(a, v, &n);
	n.bad = true;
	uuid_str(&a->rv.recovered, n.key);
	n.alert.type = ALERT_RECOVERED;
	n.alert.at_us = a->rv.recovered_us;
	text_copy(n.alert.node, sizeof(n.alert.node), a->self.name);
	text_fit(n.alert.text, sizeof(n.alert.text),
		 "the administrator %.200s got a new set-up token on the machine of the primary, "
		 "with its key file",
		 a->rv.recovered_name);
	n.alert.todo =
		"If you did not expect it, find out who was on that machine (`holdfast audit list "
		"--kind user_recovered`).";
	alerter_note(a->alerter, &n);
}

/* ---- users: whom it is about only the log says ---- */

static const struct {
	enum alert_type type;
	const char *text, *todo;
} news_words[REPLICATION_NEWS_KINDS] = {
	[REPLICATION_LET_IN] = {
		ALERT_LET_IN,
		"an administrator reset the password or removed the second factor of a user",
		"Whose, and who did it, is in the log (`holdfast audit list --kind user_password`, "
		"or `user_totp`): if the user did not ask for it, somebody may be in their place.",
	},
	[REPLICATION_UNUSUAL] = {
		ALERT_UNUSUAL,
		"a user retrieved unusually many passwords",
		"Who, and from where, is in the log (`holdfast audit list --kind "
		"retrievals_unusual`): if it was not they, somebody has their session: end it "
		"(`holdfast user logout NAME`) and change what was retrieved.",
	},
};

static bool
news_told(const struct agent *a, enum replication_news_kind kind, const struct uuid *id)
{
	for (size_t i = 0; i < REPLICATION_NEWS_MAX; i++)
		if (uuid_eq(&a->news_told[kind][i], id))
			return true;
	return false;
}

static void
note_news(struct agent *a, const struct status_view *v, enum replication_news_kind kind, unsigned i)
{
	const struct replication_news *x = &a->rv.news[kind];
	struct alerter_note n;

	begin_note(a, v, &n);
	n.bad = true;
	uuid_str(&x->of[i].id, n.key);
	n.alert.type = news_words[kind].type;
	n.alert.at_us = x->of[i].at_us;
	text_copy(n.alert.node, sizeof(n.alert.node), a->self.name);
	text_copy(n.alert.text, sizeof(n.alert.text), news_words[kind].text);
	n.alert.todo = news_words[kind].todo;
	alerter_note(a->alerter, &n);
}

/* Each once, as far as this agent and the outbox know. */
static void
tell_news(struct agent *a, const struct status_view *v, enum replication_news_kind kind)
{
	const struct replication_news *x = &a->rv.news[kind];
	struct uuid told[REPLICATION_NEWS_MAX] = { 0 };

	for (unsigned i = 0; i < x->n; i++) {
		told[i] = x->of[i].id;
		if (!news_told(a, kind, &told[i]))
			note_news(a, v, kind, i);
	}
	if (x->n)
		memcpy(a->news_told[kind], told, sizeof(told));
}

void
agent_tell_alerts(struct agent *a, const struct status_view *v)
{
	tell_recovered(a, v);
	for (enum replication_news_kind kind = 0; kind < REPLICATION_NEWS_KINDS; kind++)
		tell_news(a, v, kind);
	/* What stays as it is until the end of a maintenance is told then. */
	if (agent_maintenance(a, v->now_us))
		return;
	for (unsigned i = 0; i < v->n; i++)
		for (enum certlife_kind k = 0; k < CERTLIFE_KINDS; k++)
			tell_cert(a, v, i, k);
	if (v->n < 2)
		return;
	tell_emergency(a, v);
	for (unsigned i = 0; i < v->n && a->now_ms - a->began_ms > START_MS; i++)
		tell_node(a, v, i);
}
