/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast ha maintenance: silences the alerts for a while, but not the status.
 */
#include <jansson.h>
#include <string.h>
#include "agent/control.h"
#include "base/json_out.h"
#include "base/when.h"
#include "cli/frame/cli.h"
#include "cli/frame/lookup.h"
#include "cli/frame/term.h"
#include "cli/frame/waiting.h"
#include "ha/maintenance.h"

/* "off", or "MILLISECONDS REASON" for the agent. */
static int
write_order(const struct cli *c, struct buf *ret, struct err *e)
{
	int64_t ms;

	if (strcmp(c->args[0], "off") == 0) {
		if (c->nargs > 1)
			return err_set(e, ERR_USAGE, "off takes no reason");
		buf_adds(ret, "off");
		return 0;
	}
	if (when_span(c->args[0], &ms))
		return err_set(e, ERR_USAGE, "expected a duration (30min, 2h, 1d) or off, not '%s'",
			       c->args[0]);
	if (c->nargs < 2)
		return err_set(e, ERR_USAGE,
			       "a reason is missing: holdfast ha maintenance %s "
			       "REASON",
			       c->args[0]);
	buf_addf(ret, "%lld", (long long)ms);
	for (int i = 1; i < c->nargs; i++)
		buf_addf(ret, " %s", c->args[i]);
	/* What the agent would refuse, before it is asked. */
	struct maintenance m;
	return maintenance_parse(buf_str(ret), 0, &m, e);
}

static int
send_order(const struct home *h, const char *order, struct buf *ret, struct err *e)
{
	auto_buf request = BUF_INIT;
	struct json_out w;

	json_out_init(&w, &request);
	json_out_object(&w, NULL);
	json_out_text(&w, "verb", "maintenance");
	json_out_text(&w, "node", order);
	json_out_end_object(&w);
	auto_waiting waiting = waiting_begin();
	waiting_for(waiting, "waiting for the log to record it");
	return control_ask(h, buf_str(&request), waiting_progress, waiting, ret, e);
}

static void
print_answer(const json_t *o)
{
	bool pair = strcmp(lookup_text(o, "on"), "pair") == 0;
	const char *until = lookup_text(o, "until");

	if (*until)
		printf("the alerts of %s are silent until %.16s UTC; `holdfast ha maintenance "
		       "off` ends this earlier. The status still shows everything.\n",
		       pair ? "all nodes" : "this node", until);
	else
		printf("the alerts of %s are sent again\n", pair ? "all nodes" : "this node");
	if (!pair)
		printf("Neither the log nor the other nodes know of this: this node is not the "
		       "serving primary, or its vault cannot write to the log now.\n");
}

static int
run(const struct cli *c, struct err *e)
{
	auto_buf order = BUF_INIT, reply = BUF_INIT;
	struct home h;
	json_error_t je;
	int rc = write_order(c, &order, e);

	if (rc == 0)
		rc = cli_home(c, &h, e);
	if (rc == 0)
		rc = send_order(&h, buf_str(&order), &reply, e);
	if (rc < 0)
		return rc;
	auto_json o = json_loadb(buf_str(&reply), reply.len, 0, &je);
	if (!o)
		return err_set(e, ERR_INTERNAL, "the agent's answer is malformed");
	if (!term_said_json(c->json, o))
		print_answer(o);
	return CLI_GOOD;
}

static const struct cli_opt opts[] = {
	CLI_OPT_HOME,
	{ 0 },
};

const struct cli_verb verbs_ha_maintenance[] = {
	{
		.name = "ha maintenance",
		.args = "DURATION REASON | off",
		.min_args = 1,
		.max_args = CLI_ARGS_MAX,
		.opts = opts,
		.run = run,
		.help = "Silences alerts while somebody works on the nodes; the status stays true.",
		.more = "Run it before you stop or repair a node. On the serving primary it is "
			"logged and covers all nodes; on another node, or while the primary is "
			"down, it covers that node only. It lasts at most 7 days (30min, 2h, 1d), "
			"survives restarts and ends by itself, or with `off`; on each node the "
			"latest order counts. Whatever is still Failed when it ends is alerted.",
		.example = "holdfast ha maintenance 2h replacing a disk of vault-b",
		.part = CLI_PAIR,
	},
	{ 0 },
};
