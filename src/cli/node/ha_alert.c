/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast ha alert test: has the agent send a test alert to each receiver, and says what each
 * answered.
 */
#include <jansson.h>
#include <string.h>
#include "agent/control.h"
#include "cli/frame/cli.h"
#include "cli/frame/lookup.h"
#include "cli/frame/remote.h"
#include "cli/frame/term.h"
#include "cli/frame/waiting.h"

static void
print_answers(json_t *receivers)
{
	struct term_table t = { .head = { "RECEIVER", "ACCEPTED", "ANSWER" }, .columns = 3 };
	size_t i;
	json_t *o;

	json_array_foreach(receivers, i, o)
	{
		bool accepted = json_is_true(json_object_get(o, "accepted"));

		term_table_row(&t, lookup_text(o, "target"), accepted ? "yes" : "no",
			       lookup_text(o, "answer"));
	}
	term_table_print(&t);
}

static int
count_failed(json_t *receivers)
{
	int failed = 0;
	size_t i;
	json_t *o;

	json_array_foreach(receivers, i, o) failed += !json_is_true(json_object_get(o, "accepted"));
	return failed;
}

static int
run(const struct cli *c, struct err *e)
{
	auto_buf answer = BUF_INIT;
	struct home h;
	json_error_t je;

	if (strcmp(c->args[0], "test") != 0)
		return err_set(e, ERR_USAGE, "expected test, not '%s'", c->args[0]);
	int rc = cli_home(c, &h, e);
	auto_waiting waiting = waiting_begin();
	waiting_for(waiting, "waiting for the receivers' answers");
	if (rc == 0)
		rc = control_ask(&h, "{\"verb\":\"alert-test\"}", waiting_progress, waiting,
				 &answer, e);
	waiting_for(waiting, "%s", "");
	if (rc < 0)
		return rc;
	auto_json o = json_loadb(buf_str(&answer), answer.len, 0, &je);
	json_t *receivers = json_object_get(o, "targets");
	if (!receivers)
		return err_set(e, ERR_INTERNAL, "the agent's answer is malformed");
	int failed = count_failed(receivers);
	if (!term_said_json(c->json, o))
		print_answers(receivers);
	return failed ? CLI_FAILED : CLI_GOOD;
}

static const struct cli_opt opts[] = {
	CLI_OPT_HOME,
	{ 0 },
};

const struct cli_verb verbs_ha_alert[] = {
	{
		.name = "ha alert",
		.args = "test",
		.min_args = 1,
		.max_args = 1,
		.opts = opts,
		.run = run,
		.help = "Sends a test alert to every receiver and shows what each one answered.",
		.more = "Run it after you set or change a receiver (alert_webhook, alert_syslog, "
			"alert_smtp in conf/holdfast.conf); the node must be running. Exit code: 0 "
			"if every receiver accepted it, otherwise 1.",
		.part = CLI_PAIR,
	},
	{ 0 },
};
