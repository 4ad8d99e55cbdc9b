/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast ha unlock: a client verb. The administrator has logged in at the secondary that gives emergency access.
 */
#include "base/json_out.h"
#include "cli/frame/cli.h"
#include "cli/frame/lookup.h"
#include "cli/frame/remote.h"
#include "cli/frame/term.h"

static int
run(const struct cli *c, struct err *e)
{
	auto_remote r = NULL;
	auto_json o = NULL;
	auto_buf body = BUF_INIT;
	struct json_out w;
	int rc = remote_open(&r, e);

	if (rc < 0)
		return rc;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	if (cli_has(c, "reason"))
		json_out_text(&w, "reason", cli_get(c, "reason"));
	json_out_end_object(&w);
	/* Unlocking twice is unlocking: it may be put to the next node when one is silent. */
	rc = remote_call(r, REMOTE_READ, "POST", "/v1/ha/unlock", buf_str(&body), &o, e);
	if (rc < 0)
		return rc;
	if (!term_said_json(c->json, o))
		printf("unlocked until this outage ends; the data is as of %s\n",
		       lookup_text(o, "as_of"));
	return CLI_GOOD;
}

static const struct cli_opt opts[] = {
	{
		.name = "reason",
		.value = "TEXT",
		.help = "Recorded in the log.",
	},
	{ 0 },
};

const struct cli_verb verbs_ha_unlock[] = {
	{
		.name = "ha unlock",
		.opts = opts,
		.run = run,
		.help = "Reveals passwords again in an emergency that has outlasted "
			"max_emergency_age.",
		.more = "For administrators; log in at the secondary first. It is logged, with the "
			"reason. The limit applies again when the outage ends or the node "
			"restarts.",
		.example = "holdfast ha unlock --reason \"the primary's site has no power until "
			   "Monday\"",
		.part = CLI_PAIR,
	},
	{ 0 },
};
