/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast ha promote, switchover, rejoin, reconcile, emergency: orders to this node's agent, watched
 * on the state page until they are done. An interrupt ends only the watching; the node goes on.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "agent/control.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "base/statepage.h"
#include "cli/frame/cli.h"
#include "cli/frame/lookup.h"
#include "cli/frame/remote.h"
#include "cli/frame/term.h"
#include "cli/frame/waiting.h"
#include "ha/order_words.h"
#include "ha/rejoin.h"
#include "ha/replication.h"
#include "node/runas.h"
#include "pg/cluster.h"

#define POLL_MS 50
#define TAKEN_MS 10000	/* an order shows within this */
#define FRESH_MS 1000	/* a beat that is older is not of now */
#define QUIET_MS 120000 /* an agent that was not heard for so long is gone */

static int
read_statepage(const struct home *h, struct statepage_view *ret, struct err *e)
{
	char path[HOME_PATH_MAX];
	struct statepage *p;

	home_path(h, HOME_STATE, path);
	int rc = statepage_open(path, &p, e);
	if (rc)
		return rc;
	statepage_read(p, ret);
	statepage_free(p);
	return 0;
}

static int
send_order(const struct home *h, const char *verb, const char *node, struct err *e)
{
	auto_buf request = BUF_INIT, path = BUF_INIT;
	auto_waiting waiting = waiting_begin();
	struct json_out w;

	waiting_for(waiting, "waiting for this node's agent to take the order");
	json_out_init(&w, &request);
	json_out_object(&w, NULL);
	json_out_text(&w, "verb", verb);
	if (*node)
		json_out_text(&w, "node", node);
	json_out_end_object(&w);
	return control_ask(h, buf_str(&request), waiting_progress, waiting, &path, e);
}

static void
show(const struct cli *c, const struct statepage_view *v, char shown[static STATEPAGE_REASON_MAX])
{
	if (strcmp(shown, v->reason) == 0)
		return;
	snprintf(shown, STATEPAGE_REASON_MAX, "%s", v->reason);
	fprintf(stderr, c->err_tty ? "\r\033[K%s: %s" : "%s: %s\n", state_name(v->state),
		v->reason);
	fflush(stderr);
}

/* The state before an order is given; -1 when no agent says it. */
static int
state_before(const struct home *h, struct statepage_view *v)
{
	struct err ignored;

	if (read_statepage(h, v, &ignored) || clock_mono_ms() - v->beat_mono_ms >= FRESH_MS)
		return -1;
	return (int)v->state;
}

/* Until one of the goal's states comes after one of those it goes through, or instead of the one before: a process that is kept
 * waiting may see none of those in between. */
static int
follow(const struct cli *c, const struct home *h, const struct order_goal *g, int before,
       struct statepage_view *v, struct err *e)
{
	char shown[STATEPAGE_REASON_MAX] = "";
	int64_t began = clock_mono_ms(), heard = began;
	auto_waiting waiting = waiting_begin();
	bool under_way = false;

	waiting_for(waiting, "waiting for this node to act on the order");

	for (;; clock_sleep_ms(POLL_MS)) {
		int64_t now = clock_mono_ms();

		if (read_statepage(h, v, e) == 0 && now - v->beat_mono_ms < FRESH_MS) {
			unsigned bit = 1u << v->state;
			bool other = before >= 0 && (int)v->state != before;

			heard = now;
			under_way |= (g->through & bit) || (other && (g->good & bit));
			if (under_way) {
				waiting_for(waiting, "%s", "");
				show(c, v, shown);
			}
			if (v->order_failure[0])
				return err_set(e, ERR_REFUSED, "the order was not carried out: %s",
					       v->order_failure);
			if (under_way && (g->good & bit))
				return 0;
			if (under_way && (g->bad & bit))
				return err_set(e, ERR_REFUSED, "the order was not carried out: %s",
					       v->reason);
			if (!under_way && now - began > TAKEN_MS)
				return err_set(
					e, ERR_TIMEOUT,
					"the node accepted the order but has not carried it out "
					"within %d s; it still may: watch `holdfast ha status`. "
					"Its log says what it is waiting for",
					TAKEN_MS / 1000);
		} else if (now - heard > QUIET_MS) {
			return err_set(e, ERR_UNREACHABLE,
				       "the node's agent has been silent for %d s. It accepted "
				       "the order and may have carried it out: see `holdfast ha "
				       "status`; its log says what holds it up",
				       QUIET_MS / 1000);
		}
	}
}

/* Follows an order that was given until it is carried out, and says so. */
static int
watch(const struct cli *c, const struct home *h, const struct order_goal *g, int before,
      int64_t began, struct err *e)
{
	struct statepage_view *v = mem_new(sizeof(*v));
	auto_buf out = BUF_INIT;
	struct json_out w;

	int rc = follow(c, h, g, before, v, e);
	if (c->err_tty)
		fprintf(stderr, "\r\033[K");
	int64_t ms = clock_mono_ms() - began;
	if (rc == 0 && c->json) {
		json_out_init(&w, &out);
		json_out_object(&w, NULL);
		json_out_text(&w, "state", state_name(v->state));
		json_out_int(&w, "term", v->term);
		json_out_int(&w, "milliseconds", ms);
		json_out_end_object(&w);
		printf("%s\n", buf_str(&out));
	} else if (rc == 0) {
		printf("%s (%.1f s)\n", g->done, (double)ms / 1000);
	}
	free(v);
	return rc == 0 ? CLI_GOOD : rc;
}

static int
carry_out(const struct cli *c, const struct home *h, const struct order_goal *g, const char *node,
	  struct err *e)
{
	struct statepage_view *v = mem_new(sizeof(*v));
	int64_t began = clock_mono_ms();
	int before = state_before(h, v);
	int rc = send_order(h, g->verb, node, e);

	free(v);
	return rc ? rc : watch(c, h, g, before, began, e);
}

/* ---- promote ---- */

/* What the other secondaries have. A node that has just started answers once it knows. */
static int
ask_of_others(const struct home *h, struct buf *ret, struct err *e)
{
	auto_waiting waiting = waiting_begin();

	waiting_for(waiting, "waiting: asking the other secondaries how recent their data is");
	return control_ask(h, "{\"verb\":\"others\"}", waiting_progress, waiting, ret, e);
}

/* Of the other secondaries: one that has more is the better choice. */
static void
tell_of_others(const struct buf *answer)
{
	json_error_t je;
	size_t i;
	json_t *n;

	auto_json o = json_loadb(buf_str(answer), answer->len, 0, &je);
	json_array_foreach(json_object_get(o, "others"), i, n)
	{
		auto_buf said = BUF_INIT;

		order_words_other(lookup_text(n, "name"),
				  json_is_true(json_object_get(n, "answers")),
				  lookup_text(n, "as_of"),
				  json_is_true(json_object_get(n, "has_more")), &said);
		term_say(stderr, "%s", buf_str(&said));
	}
}

static int
confirm(const struct cli *c, const struct home *h, struct err *e)
{
	auto_buf others = BUF_INIT;
	struct statepage_view *v;
	int rc = ask_of_others(h, &others, e);

	if (rc)
		return rc;
	if (cli_has(c, "yes")) {
		tell_of_others(&others);
		return 0;
	}
	v = mem_new(sizeof(*v));
	rc = read_statepage(h, v, e);
	if (rc == 0) {
		auto_buf known = BUF_INIT;

		order_words_promote(v, &known);
		fputs(buf_str(&known), stderr);
		tell_of_others(&others);
	}
	free(v);
	return rc ? rc : term_confirm(ORDER_ASK_PROMOTE " (--yes skips this question)", e);
}

static int
run_promote(const struct cli *c, struct err *e)
{
	struct home h;
	int rc = cli_home(c, &h, e);

	if (rc == 0)
		rc = confirm(c, &h, e);
	return rc < 0 ? rc : carry_out(c, &h, order_goal("promote"), "", e);
}

static const struct cli_opt promote_opts[] = {
	CLI_OPT_HOME,
	{
		.name = "yes",
		.help = "Do not ask.",
	},
	{ 0 },
};

/* ---- switchover ---- */

static int
run_switchover(const struct cli *c, struct err *e)
{
	struct home h;
	int rc = cli_home(c, &h, e);

	return rc < 0 ? rc
		      : carry_out(c, &h, order_goal("switchover"), c->nargs ? c->args[0] : "", e);
}

static const struct cli_opt home_opts[] = {
	CLI_OPT_HOME,
	{ 0 },
};

/* ---- rejoin ---- */

/* NAME:PORT of the pair's port of the primary. */
static int
parse_primary(const char *text, struct channel_primary *ret, struct err *e)
{
	const char *colon = strrchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : 0;
	int64_t port;

	if (!n || n >= sizeof(ret->host) ||
	    !cli_number(colon + 1, strlen(colon + 1), 1, 65535, &port))
		return err_set(e, ERR_USAGE,
			       "--primary takes the primary's name and pair port, as in "
			       "node-a.example:2345, not \"%s\"",
			       text);
	memcpy(ret->host, text, n);
	ret->host[n] = '\0';
	ret->port = (int)port;
	return 0;
}

/* Only what is a copy already is replaced without its server. A folder that is gone cannot be lost. */
static int
check_is_copy(const struct home *h, struct err *e)
{
	if (cluster_is_standby(h) || !home_has(h, HOME_PG) || rejoin_waits(h))
		return 0;
	return err_set(
		e, ERR_PRECONDITION,
		"this node is stopped and has a primary's data: nothing is copied over it. Start "
		"it with `holdfast serve`; if another node has become the primary, it returns by "
		"itself");
}

static int
find_primary(const struct cli *c, const struct home *h, struct channel_primary *ret, struct err *e)
{
	struct home_node self;
	int rc = home_node_read(h, &self, e);

	if (rc == 0 && cli_get(c, "primary"))
		rc = parse_primary(cli_get(c, "primary"), ret, e);
	else if (rc == 0 && channel_read_standby(h, ret, e) < 0)
		rc = err_set(e, ERR_PRECONDITION,
			     "the data here no longer says who the primary is: give --primary "
			     "NAME:PORT (the pair's port)");
	if (rc == 0)
		replication_slot_name(&self.id, ret->slot);
	return rc;
}

/* The agent is not there, because the node is stopped or its PostgreSQL does not start: the order is left for the supervisor,
 * which carries it out before it starts PostgreSQL next. */
static int
leave_order(const struct cli *c, const struct home *h, struct err *e)
{
	struct rejoin r = { .way = REJOIN_COPY };
	auto_buf out = BUF_INIT;
	struct runas user;
	struct json_out w;
	int rc = runas_choose(h->dir, NULL, &user, e);

	if (rc == 0)
		rc = runas_become(&user, e);
	if (rc == 0)
		rc = check_is_copy(h, e);
	if (rc == 0)
		rc = find_primary(c, h, &r.primary, e);
	if (rc == 0)
		rc = rejoin_write(h, &r, e);
	if (rc)
		return rc;
	if (c->json) {
		json_out_init(&w, &out);
		json_out_object(&w, NULL);
		json_out_text(&w, "state", "waiting");
		json_out_text(&w, "primary", r.primary.host);
		json_out_end_object(&w);
		printf("%s\n", buf_str(&out));
	} else {
		printf("The database of %s will be copied before PostgreSQL next starts here: at "
		       "the next `holdfast serve`, or at once if that is running and PostgreSQL "
		       "does not start.\n"
		       "What is in data/pg now is kept beside the copy. The log shows the "
		       "progress.\n",
		       r.primary.host);
	}
	return CLI_GOOD;
}

/* While it goes on the primary is the only copy. */
static int
run_in_place(const struct cli *c, const struct home *h, struct err *e)
{
	int rc =
		cli_has(c, "yes")
			? 0
			: term_confirm("While the database is rewound in place this node has none, "
				       "and nobody to fall back on should\nthe primary be lost. "
				       "Rewind it? (--yes skips this question)",
				       e);

	return rc ? rc : carry_out(c, h, order_goal("rejoin --in-place"), "in-place", e);
}

static int
run_rejoin(const struct cli *c, struct err *e)
{
	int64_t began = clock_mono_ms();
	struct home h;
	int rc = cli_home(c, &h, e);

	if (rc == 0 && cli_has(c, "in-place"))
		return run_in_place(c, &h, e);
	if (rc == 0)
		rc = send_order(&h, "rejoin", "", e);
	if (rc == ERR_UNREACHABLE)
		return leave_order(c, &h, e);
	/* Where a copy is made, the states before and after it may be the same, or change by themselves. */
	return rc ? rc : watch(c, &h, order_goal("rejoin"), -1, began, e);
}

static const struct cli_opt rejoin_opts[] = {
	CLI_OPT_HOME,
	{
		.name = "primary",
		.value = "NAME:PORT",
		.help = "The primary's name and pair port, if the data here is lost and cannot "
			"tell.",
	},
	{
		.name = "in-place",
		.help = "On a former primary without room for a copy: rewinds its database instead "
			"of copying the primary's beside it.",
	},
	{
		.name = "yes",
		.help = "Do not ask.",
	},
	{ 0 },
};

/* ---- reconcile ---- */

static int
run_reconcile(const struct cli *c, struct err *e)
{
	struct home h;
	int rc = cli_home(c, &h, e);

	return rc < 0 ? rc : carry_out(c, &h, order_goal("reconcile"), "", e);
}

/* ---- emergency ---- */

static int
run_emergency(const struct cli *c, struct err *e)
{
	struct home h;
	bool on = strcmp(c->args[0], "on") == 0;

	if (!on && strcmp(c->args[0], "off") != 0)
		return err_set(e, ERR_USAGE, "expected on or off, not '%s'", c->args[0]);
	int rc = cli_home(c, &h, e);
	return rc < 0 ? rc
		      : carry_out(c, &h, order_goal(on ? "emergency on" : "emergency off"),
				  c->args[0], e);
}

const struct cli_verb verbs_ha_role[] = {
	{
		.name = "ha promote",
		.opts = promote_opts,
		.run = run_promote,
		.help = "Makes this secondary the primary for good, when the old one is lost.",
		.more = "Reading needs no promotion: a secondary gives emergency access by itself. "
			"Promote it if people must be able to make changes before the old primary "
			"can be back. Refused while the primary serves. If another secondary has "
			"more recent data, it says so before it asks.\n\nThe other secondaries "
			"follow this node by themselves; so does the old primary once it is back, "
			"and what only it had is merged.",
		.part = CLI_PAIR,
	},
	{
		.name = "ha switchover",
		.args = "[NODE]",
		.max_args = 1,
		.opts = home_opts,
		.run = run_switchover,
		.help = "Swaps roles with a secondary that is in step: no read fails, no write is "
			"lost.",
		.more = "Run it on the primary, for example before you work on its machine. NODE "
			"is the secondary's name; leave it out if there is only one. To switch "
			"back, run it on the new primary.",
		.example = "holdfast ha switchover vault-b.example.org",
		.part = CLI_PAIR,
	},
	{
		.name = "ha rejoin",
		.opts = rejoin_opts,
		.run = run_rejoin,
		.help = "Copies the primary's database to this secondary again.",
		.more = "You rarely need it: a node does this by itself when it must. What only "
			"this node has is saved first, and merged. If the node is stopped, or its "
			"PostgreSQL does not start, the copy is made before its next start, and "
			"the old data is kept as data/pg.damaged-TIME.\n\nA former primary returns "
			"by "
			"itself, and copies too. If its disk has no room for that, its status says "
			"so: make room, or use --in-place.",
		.part = CLI_PAIR,
	},
	{
		.name = "ha reconcile",
		.opts = home_opts,
		.run = run_reconcile,
		.help = "Continues as the primary with the data that is here, when events of this "
			"node's own log are lost for good.",
		.more = "For a primary whose disk was put back to an older state "
			"(`history_behind`). Refused while a node that has more data answers: "
			"`holdfast ha promote` there loses nothing. The log records that its end "
			"was lost.",
		.part = CLI_PAIR,
	},
	{
		.name = "ha emergency",
		.args = "on|off",
		.min_args = 1,
		.max_args = 1,
		.opts = home_opts,
		.run = run_emergency,
		.help = "Orders emergency access on this secondary while the primary still "
			"serves, or ends it.",
		.more = "For a site whose users cannot reach the primary although this node can. "
			"The order survives restarts; `off` makes emergency access automatic "
			"again. What was done meanwhile is merged automatically.",
		.part = CLI_PAIR,
	},
	{ 0 },
};
