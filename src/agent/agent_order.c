/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent: orders of an operator (agent/control). They come in threads of the control socket.
 */
#include "agent/agent_impl.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/json_out.h"
#include "base/log.h"
#include "ha/order_words.h"
#include "ha/rejoin.h"
#include "ledger/event.h"

#define REMOVE_WAIT_MS 15000
#define WITHDRAW_WAIT_MS 5000
#define PROVE_WAIT_MS 5000
#define MORE_US 1500000 /* nodes in step differ by a beat at most (ledger/ledger.h) */

static void
give_way(struct agent *a)
{
	pthread_mutex_unlock(&a->lock);
	clock_sleep_ms(50);
	pthread_mutex_lock(&a->lock);
}

int
agent_begin_epoch(struct agent *a, agent_may_fn *may, struct err *e)
{
	int64_t until = clock_mono_ms() + PROVE_WAIT_MS;
	int rc;

	while ((rc = may(a, e)) == 0 && (rc = agent_prepare_epoch(a, e)) == ERR_KEYS_UNAVAILABLE &&
	       clock_mono_ms() < until)
		give_way(a);
	return rc;
}

int
agent_may(const struct agent *a, const char *order, struct err *e)
{
	const struct replication_node *n = agent_leader(a);
	const char *primary = n && !agent_is_self(a, &n->id) ? n->name : "";

	return agent_is_out(a) ? order_check_removed(order, a->shown.state, primary, e)
			       : order_check(order, a->shown.state, primary, e);
}

/* While a primary serves, nobody takes its place. */
static int
refuse_beside(const struct agent *a, const char *instead, struct err *e)
{
	const struct replication_node *n = agent_leader(a);

	return err_set(e, ERR_PRECONDITION, "the primary %s serves: %s", n ? n->name : "",
		       agent_is_out(a) ? "this node was taken out of the pair; run `holdfast ha "
					 "setup` there and `holdfast ha join --replace` here to "
					 "take it back"
				       : instead);
}

static int
may_reign(struct agent *a, struct err *e)
{
	const struct peer *p = agent_primary_peer(a);
	int rc = agent_may(a, "promote", e);

	if (rc)
		return rc;
	if (p && p->v.sense.ok)
		return refuse_beside(a, "this node returns to it by itself", e);
	if (a->wv.working || a->stop_asked || (a->rejoin_waits && a->shown.state == HA_FENCED))
		return err_set(e, ERR_PRECONDITION,
			       "this node is returning to another one: repeat this when its "
			       "status says that it cannot go on");
	return 0;
}

/* A fenced node whose primary is gone, or one of two programs of a node: its database is a primary's, and begins a later epoch. */
static int
order_reign(struct agent *a, struct err *e)
{
	int rc = may_reign(a, e);

	if (!rc) /* a copy that became whole while its primary was lost would take the place of these data */
		rc = rejoin_remove(&a->args->home, e);
	if (!rc)
		rc = agent_begin_epoch(a, may_reign, e);
	if (!rc)
		role_open_log(a->role);
	if (!rc)
		a->order = ORDER_PROMOTE;
	return rc;
}

static int
may_promote(struct agent *a, struct err *e)
{
	struct fsm_obs o;
	int rc;

	if (!a->secondary)
		return may_reign(a, e);
	rc = agent_may(a, "promote", e);
	if (rc)
		return rc;
	agent_reduce(a, &o);
	return o.primary_ok
		       ? refuse_beside(a,
				       "to change places in order run `holdfast ha switchover` "
				       "there; to replace it, stop it first",
				       e)
		       : 0;
}

static int
order_promote(struct agent *a, const char *node, struct err *e)
{
	int rc;

	if (!a->secondary)
		return order_reign(a, e);
	rc = may_promote(a, e);
	if (!rc)
		a->order = ORDER_PROMOTE;
	return rc;
}

static const struct replication_node *
node_named(const struct agent *a, const char *name)
{
	for (unsigned i = 0; i < a->rv.nodes_n; i++) {
		if (strcasecmp(a->rv.nodes[i].name, name) == 0)
			return &a->rv.nodes[i];
	}
	return NULL;
}

/* The only other node when none is named. */
static const struct replication_node *
node_to_hand_to(const struct agent *a, const char *name)
{
	const struct replication_node *found = NULL;

	for (unsigned i = 0; i < a->rv.nodes_n; i++) {
		const struct replication_node *n = &a->rv.nodes[i];

		if (agent_is_self(a, &n->id) || (name[0] && strcasecmp(n->name, name) != 0))
			continue;
		if (found)
			return NULL;
		found = n;
	}
	return found;
}

static int
may_switchover(struct agent *a, const char *node, const struct replication_node **ret,
	       struct err *e)
{
	const struct replication_node *n = node_to_hand_to(a, node);
	const struct replication_standby *s = n ? agent_standby(a, &n->id) : NULL;
	int rc = agent_may(a, "switchover", e);

	if (rc)
		return rc;
	if (!n)
		return err_set(e, ERR_NOT_FOUND,
			       node[0] ? "no other node is named %s"
				       : "name the node that is to become the primary%s",
			       node);
	if (!s || strcmp(s->state, "streaming") != 0)
		return err_set(e, ERR_PRECONDITION,
			       "%s is not in step: wait until `holdfast ha status` says Alive",
			       n->name);
	if (agent_is_duplicate(a, &n->id))
		return err_set(
			e, ERR_PRECONDITION,
			"two programs of %s run, and both would take over: stop the one that "
			"is not to go on",
			n->name);
	*ret = n;
	return 0;
}

static int
order_switchover(struct agent *a, const char *node, struct err *e)
{
	const struct replication_node *n;
	int rc = may_switchover(a, node, &n, e);

	if (rc)
		return rc;
	a->order = ORDER_HANDOVER;
	a->order_ms = clock_mono_ms();
	a->order_node = n->id;
	return 0;
}

/* A former primary for whose copy there is no room. */
static int
order_in_place(struct agent *a, struct err *e)
{
	const struct peer *p = agent_primary_peer(a);
	int rc = agent_may(a, "rejoin --in-place", e);

	if (!rc && !(p && p->v.sense.ok))
		rc = err_set(e, ERR_PRECONDITION,
			     "the later primary does not serve: there is nothing to go back to");
	if (rc)
		return rc;
	a->order = ORDER_IN_PLACE;
	return 0;
}

static int
order_rejoin(struct agent *a, const char *how, struct err *e)
{
	char pg[HOME_PATH_MAX];
	struct fsm_obs o;
	int rc;

	if (strcmp(how, "in-place") == 0)
		return order_in_place(a, e);
	rc = agent_may(a, "rejoin", e);
	if (rc)
		return rc;
	if (!a->secondary)
		return err_set(e, ERR_PRECONDITION,
			       "this node returns by itself as soon as the later primary serves");
	home_path(&a->args->home, HOME_PG, pg);
	rc = home_check_movable(pg, e);
	if (rc)
		return rc;
	agent_reduce(a, &o);
	if (a->emergency_ordered)
		return err_set(e, ERR_PRECONDITION,
			       "emergency access is ordered here: run `holdfast ha emergency off` "
			       "first");
	if (!o.primary_ok)
		return err_set(e, ERR_PRECONDITION,
			       "the primary does not serve: there is nothing to copy from");
	if (agent_primary_is_behind(a))
		return err_set(e, ERR_PRECONDITION,
			       "the primary has lost events of its log that are here: run "
			       "`holdfast ha promote` here once it does not serve");
	a->order = ORDER_CLONE;
	return 0;
}

static void
removed_body(const struct replication_node *n, struct buf *out)
{
	struct json_out w;

	json_out_init(&w, out);
	json_out_object(&w, NULL);
	json_out_text(&w, "name", n->name);
	json_out_end_object(&w);
}

static int
may_remove(struct agent *a, const char *node, const struct replication_node **ret, struct err *e)
{
	const struct replication_node *n = node_named(a, node);
	int rc = agent_may(a, "remove", e);

	if (rc)
		return rc;
	if (!n)
		return err_set(
			e, ERR_NOT_FOUND,
			"no node of the pair is named %s (any more, if it was taken out before)",
			node);
	if (agent_is_self(a, &n->id))
		return err_set(e, ERR_PRECONDITION,
			       "this node is the primary: it cannot be taken out");
	if (agent_standby(a, &n->id))
		return err_set(e, ERR_PRECONDITION,
			       "%s is running as this node's secondary: stop it there first",
			       n->name);
	*ret = n;
	return 0;
}

/* Whether the node table is known here and says what this node is: right after a promotion it still names the old primary,
 * and nobody takes out a primary. */
static bool
table_is_settled(const struct agent *a)
{
	return agent_view_is_fresh(a) && a->rv.nodes_n && agent_is_self(a, &a->rv.nodes[0].id);
}

enum replication_fate
agent_ask_writer(struct agent *a, int kind, const struct uuid *object, const char *body,
		 agent_done_fn *done, const void *ctx, int64_t until_ms)
{
	enum replication_fate fate = REPLICATION_BACK;
	bool asked = false;

	while (clock_mono_ms() < until_ms) {
		asked = asked || replication_request(a->replication, kind, object, body);
		give_way(a);
		if (asked && done(a, ctx))
			return REPLICATION_TAKEN;
	}
	if (!asked)
		return fate;
	pthread_mutex_unlock(&a->lock);
	fate = replication_withdraw(a->replication, kind, object, WITHDRAW_WAIT_MS);
	pthread_mutex_lock(&a->lock);
	return fate;
}

static bool
is_removed(const struct agent *a, const void *id)
{
	return !agent_node(a, id);
}

/* Waits, with the lock given back, until the vault's writer has taken it into the log. Who is told that it was not done can rely on
 * that. */
static int
order_remove(struct agent *a, const char *node, struct err *e)
{
	const struct replication_node *n = NULL;
	int64_t until = clock_mono_ms() + REMOVE_WAIT_MS;
	auto_buf body = BUF_INIT;
	struct uuid id;

	while (state_serves(a->shown.state) == SERVES_EVERYONE && !table_is_settled(a) &&
	       clock_mono_ms() < until)
		give_way(a);
	int rc = may_remove(a, node, &n, e);
	if (rc)
		return rc;
	id = n->id;
	removed_body(n, &body);
	switch (agent_ask_writer(a, EVENT_NODE_REMOVED, &id, buf_str(&body), is_removed, &id,
				 until)) {
	case REPLICATION_TAKEN:
		return 0;
	case REPLICATION_BACK:
		return err_set(
			e, ERR_TIMEOUT,
			"the vault did not take it into the log within %d s, and was told to "
			"forget it: %s is still in the pair. See what `holdfast ha status` "
			"says of the vault, then repeat",
			REMOVE_WAIT_MS / 1000, node);
	default:
		return err_set(e, ERR_TIMEOUT,
			       "the vault was told to take %s out of the pair, and it is not known "
			       "whether it did, or still will: the database does not answer. Once "
			       "it does, `holdfast ha status` shows whether %s is in the pair; "
			       "then repeat it if it has to be",
			       node, node);
	}
}

/* ---- emergency, ordered ---- */

#define ORDERED "emergency = on\n"
#define NOT_ORDERED "emergency = off\n"

void
agent_read_emergency(struct agent *a)
{
	char path[HOME_PATH_MAX];
	auto_buf text = BUF_INIT;
	struct err e = { 0 };

	home_path(&a->args->home, HOME_EMERGENCY, path);
	if (!a->secondary) {
		if (unlink(path) == 0)
			log_notice("this node is a primary: orders of emergency access are over");
		return;
	}
	int rc = home_read_file(path, 64, &text, &e);
	a->emergency_ordered = !rc && strcmp(buf_str(&text), ORDERED) == 0;
	if (!rc && !a->emergency_ordered && strcmp(buf_str(&text), NOT_ORDERED) != 0)
		rc = err_set(&e, ERR_IO, "%s is damaged", path);
	if (rc && e.sys != ENOENT)
		log_err(LOG_LEVEL_ERROR, &e,
			"whether emergency access was ordered here is not known any more, and it "
			"is "
			"automatic; order it again with `holdfast ha emergency on` if it has to "
			"be");
}

static int
check_emergency(const struct agent *a, const char *node, bool on, struct err *e)
{
	if (!on && strcmp(node, "off") != 0)
		return err_set(e, ERR_USAGE, "emergency access is ordered on or off");
	int rc = agent_may(a, on ? "emergency on" : "emergency off", e);
	if (!rc && on && !a->secondary)
		rc = err_set(e, ERR_PRECONDITION,
			     "this node is a former primary: it gives emergency access by itself "
			     "as long as the later primary does not serve");
	return rc;
}

/* The order is on disk before it counts: it outlives agent and node. */
static int
write_emergency(const struct home *h, bool on, struct err *e)
{
	const char *text = on ? ORDERED : NOT_ORDERED;
	char path[HOME_PATH_MAX];

	home_path(h, HOME_EMERGENCY, path);
	return home_write_file(path, text, strlen(text), 0600, e);
}

/* The loop must not wait for a disk: the lock is given back meanwhile. */
static int
order_emergency(struct agent *a, const char *node, struct err *e)
{
	bool on = strcmp(node, "on") == 0;
	int rc = check_emergency(a, node, on, e);

	if (rc)
		return rc;
	pthread_mutex_unlock(&a->lock);
	rc = write_emergency(&a->args->home, on, e);
	pthread_mutex_lock(&a->lock);
	if (rc)
		return rc;
	a->emergency_ordered = on;
	log_warning("an operator %s",
		    on ? "ordered emergency access" : "took back the order of emergency access");
	return 0;
}

/* ---- what a promotion is to be weighed against ---- */

static bool
answers(const struct peer *p)
{
	return p && (p->v.sense.last == PROBE_OK || p->v.sense.last == PROBE_STANDBY);
}

/* The moments of two terms are of two clocks: the later term has more. */
static bool
has_more(const struct agent *a, const struct peer *p)
{
	const struct probe_reply *r = &p->v.reply;

	if (!answers(p) || r->as_of_term != a->shown.as_of_term)
		return answers(p) && r->as_of_term > a->shown.as_of_term;
	return r->as_of_us > a->shown.as_of_us + MORE_US;
}

/* The other secondaries: who answers, and as of when each has everything. */
static int
tell_others(struct agent *a, struct buf *ret_text)
{
	const struct replication_node *leader = agent_leader(a);
	struct json_out w;

	json_out_init(&w, ret_text);
	json_out_object(&w, NULL);
	json_out_array(&w, "others");
	for (unsigned i = 0; i < a->rv.nodes_n; i++) {
		const struct replication_node *n = &a->rv.nodes[i];
		const struct peer *p = agent_peer(a, &n->id);

		if (agent_is_self(a, &n->id) || (leader && uuid_eq(&leader->id, &n->id)))
			continue;
		json_out_object(&w, NULL);
		json_out_text(&w, "name", n->name);
		json_out_bool(&w, "answers", answers(p));
		json_out_time(&w, "as_of", answers(p) ? p->v.reply.as_of_us : 0);
		json_out_bool(&w, "has_more", has_more(a, p));
		json_out_end_object(&w);
	}
	json_out_end_array(&w);
	json_out_end_object(&w);
	return 0;
}

/* ---- what the console may order ---- */

typedef int may_node_fn(struct agent *a, const char *node, const struct replication_node **ret,
			struct err *e);

static void
write_verdict(struct json_out *w, int rc, const struct err *e)
{
	json_out_bool(w, "allowed", rc == 0);
	json_out_text(w, "reason", rc ? e->text : NULL);
}

/* Each other node, and whether it may be done with that one. The first refusal into *e where none may. */
static int
write_targets(struct agent *a, may_node_fn *may, bool gone, struct json_out *w, struct err *e)
{
	int best = ERR_NOT_FOUND;

	err_set(e, best, "this node knows of no other node of the pair");
	json_out_array(w, "targets");
	for (unsigned i = 0; may && i < a->rv.nodes_n; i++) {
		const struct replication_node *n = &a->rv.nodes[i], *ignored;
		auto_buf known = BUF_INIT;
		struct err why = { 0 };

		if (agent_is_self(a, &n->id))
			continue;
		int rc = may(a, n->name, &ignored, &why);
		if (gone)
			order_words_remove(n->name, &known);
		json_out_object(w, NULL);
		json_out_text(w, "name", n->name);
		write_verdict(w, rc, &why);
		json_out_text(w, "known", buf_str(&known));
		json_out_end_object(w);
		if (best == ERR_NOT_FOUND)
			*e = why;
		if (best)
			best = rc;
	}
	json_out_end_array(w);
	return best;
}

static void
write_states(struct json_out *w, const char *name, unsigned states)
{
	json_out_array(w, name);
	for (unsigned s = 0; s < HA_STATE_COUNT; s++) {
		if (states & (1u << s))
			json_out_text(w, NULL, state_name((enum ha_state)s));
	}
	json_out_end_array(w);
}

static void
write_goal(struct json_out *w, const struct order_goal *g)
{
	write_states(w, "through", g ? g->through : 0);
	write_states(w, "good", g ? g->good : 0);
	write_states(w, "bad", g ? g->bad : 0);
	json_out_text(w, "done", g ? g->done : NULL);
}

static int
may_order(struct agent *a, const char *order, struct err *e)
{
	if (agent_is_starting(a))
		return err_set(e, ERR_REFUSED,
			       "this node has only just started, and asks the "
			       "others: repeat this in a moment");
	if (strcmp(order, "promote") == 0)
		return may_promote(a, e);
	if (strncmp(order, "emergency ", 10) == 0)
		return check_emergency(a, order + 10, strcmp(order, "emergency on") == 0, e);
	return agent_may(a, order, e);
}

static void
tell_promotion(const struct agent *a, struct buf *out)
{
	const struct replication_node *leader = agent_leader(a);

	order_words_promote(&a->shown, out);
	for (unsigned i = 0; i < a->rv.nodes_n; i++) {
		const struct replication_node *n = &a->rv.nodes[i];
		const struct peer *p = agent_peer((struct agent *)(uintptr_t)a, &n->id);
		char at[CLOCK_ISO_LEN] = "";

		if (agent_is_self(a, &n->id) || (leader && uuid_eq(&leader->id, &n->id)))
			continue;
		if (answers(p) && p->v.reply.as_of_us)
			clock_iso(p->v.reply.as_of_us, at);
		order_words_other(n->name, answers(p), at, has_more(a, p), out);
	}
}

static void
tell_order(struct agent *a, const char *order, struct json_out *w)
{
	bool hands = strcmp(order, "switchover") == 0, removes = strcmp(order, "remove") == 0;
	bool promotes = strcmp(order, "promote") == 0;
	may_node_fn *may = hands ? may_switchover : removes ? may_remove : NULL;
	auto_buf known = BUF_INIT;
	struct err e = { 0 }, none = { 0 };
	int rc, found;

	json_out_object(w, NULL);
	json_out_text(w, "order", order);
	rc = may_order(a, order, &e);
	found = write_targets(a, may, removes, w, &none);
	if (!rc && may && found) {
		rc = found;
		e = none;
	}
	write_verdict(w, rc, &e);
	json_out_text(w, "question",
		      promotes	? ORDER_ASK_PROMOTE
		      : removes ? ORDER_ASK_REMOVE
				: NULL);
	if (promotes && !rc)
		tell_promotion(a, &known);
	json_out_text(w, "known", buf_str(&known));
	write_goal(w, order_goal(order));
	json_out_end_object(w);
}

/* As things are now: an order is looked at once more when it comes. */
static int
tell_orders(struct agent *a, struct buf *ret_text)
{
	struct json_out w;
	const char *order;

	json_out_init(&w, ret_text);
	json_out_array(&w, NULL);
	for (unsigned i = 0; (order = orderer_name(i)); i++)
		tell_order(a, order, &w);
	json_out_end_array(&w);
	return 0;
}

int
agent_prove(void *ctx, const struct orderer_claim *c, struct err *e)
{
	struct agent *a = ctx;

	return orderer_prove(a->orderer, c, e);
}

/* ---- orders come ---- */

/* Whoever is answered may look at once: what became of the order before is not said of this one. */
static void
forget_failure(struct agent *a)
{
	a->shown.order_failure[0] = '\0';
	statepage_write(a->statepage, &a->shown);
}

/* Right after a start nobody knows yet what this node is, nor whether its primary serves. */
static void
await_start(struct agent *a)
{
	while (agent_is_starting(a))
		give_way(a);
}

int
agent_order(void *ctx, const char *verb, const char *node, struct buf *ret_text, struct err *e)
{
	static const struct {
		const char *verb;
		int (*fn)(struct agent *a, const char *node, struct err *e);
	} orders[] = { { "promote", order_promote }, { "switchover", order_switchover },
		       { "rejoin", order_rejoin },   { "reconcile", agent_order_reconcile },
		       { "remove", order_remove },   { "emergency", order_emergency } };
	struct agent *a = ctx;
	bool known = true;
	int rc = 0;

	if (strcmp(verb, "alert-test") == 0)
		return alerter_test(a->alerter, ret_text, e);
	pthread_mutex_lock(&a->lock);
	if (strcmp(verb, "others") == 0) {
		await_start(a);
		rc = tell_others(a, ret_text);
	} else if (strcmp(verb, "orders") == 0) {
		rc = tell_orders(a, ret_text);
	} else if (strcmp(verb, "maintenance") == 0) {
		rc = agent_order_maintenance(a, node, ret_text, e);
	} else {
		size_t i = 0;

		while (i < ARRAY_LEN(orders) && strcmp(orders[i].verb, verb) != 0)
			i++;
		known = i < ARRAY_LEN(orders);
		await_start(a);
		rc = known ? orders[i].fn(a, node, e) : ERR_USAGE;
		if (rc == 0)
			forget_failure(a);
	}
	pthread_mutex_unlock(&a->lock);
	return known ? rc : err_set(e, rc, "the agent knows no command \"%s\"", verb);
}
