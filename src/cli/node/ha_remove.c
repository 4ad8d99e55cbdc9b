/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast ha remove: takes a node that is gone for good out of the pair.
 */
#include <stdlib.h>
#include <string.h>
#include "agent/control.h"
#include "base/json_out.h"
#include "cli/frame/cli.h"
#include "cli/frame/term.h"
#include "cli/frame/waiting.h"
#include "ha/order_words.h"

static int
confirm(const struct cli *c, struct err *e)
{
	auto_buf known = BUF_INIT;

	if (cli_has(c, "yes"))
		return 0;
	order_words_remove(c->args[0], &known);
	fputs(buf_str(&known), stderr);
	return term_confirm(ORDER_ASK_REMOVE " (--yes skips this question)", e);
}

static int
run(const struct cli *c, struct err *e)
{
	auto_buf request = BUF_INIT, ignored = BUF_INIT, out = BUF_INIT;
	struct home h;
	struct json_out w;

	int rc = cli_home(c, &h, e);
	if (rc == 0)
		rc = confirm(c, e);
	if (rc < 0)
		return rc;
	json_out_init(&w, &request);
	json_out_object(&w, NULL);
	json_out_text(&w, "verb", "remove");
	json_out_text(&w, "node", c->args[0]);
	json_out_end_object(&w);
	auto_waiting waiting = waiting_begin();
	waiting_for(waiting, "waiting for this node's agent");
	rc = control_ask(&h, buf_str(&request), waiting_progress, waiting, &ignored, e);
	if (rc < 0)
		return rc;
	if (c->json) {
		json_out_init(&w, &out);
		json_out_object(&w, NULL);
		json_out_text(&w, "removed", c->args[0]);
		json_out_end_object(&w);
		printf("%s\n", buf_str(&out));
	} else {
		term_say(stdout, "%s is no longer in the pair\n", c->args[0]);
	}
	return CLI_GOOD;
}

static const struct cli_opt opts[] = {
	CLI_OPT_HOME,
	{
		.name = "yes",
		.help = "Do not ask.",
	},
	{ 0 },
};

const struct cli_verb verbs_ha_remove[] = {
	{
		.name = "ha remove",
		.args = "NODE",
		.min_args = 1,
		.max_args = 1,
		.opts = opts,
		.run = run,
		.help = "Removes a node from the pair for good.",
		.more = "Run it on the primary when NODE is lost or no longer needed; stop NODE "
			"first if it is running. Its events stay in the log, but what users did on "
			"it that has not been merged then exists only on its disk. To bring it "
			"back, make a new pack with `holdfast ha setup`.",
		.part = CLI_PAIR,
	},
	{ 0 },
};
