/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast admin recover: lets an administrator who can no longer log in back in, from the machine itself.
 */
#include <stdio.h>
#include "admin/regain.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "base/secret.h"
#include "cli/frame/cli.h"
#include "cli/frame/term.h"

static void
print_json(const struct regain_result *r)
{
	auto_buf out = BUF_INIT;
	struct json_out w;

	json_out_init(&w, &out);
	json_out_object(&w, NULL);
	json_out_text(&w, "user", r->name);
	json_out_text(&w, "setup_token", r->token);
	json_out_time(&w, "setup_until", r->until_us);
	json_out_bool(&w, "enabled", r->enabled);
	json_out_end_object(&w);
	puts(buf_str(&out));
	secret_wipe(out.data, out.len);
}

static void
print_token(const struct cli *c, const struct regain_result *r)
{
	char until[CLOCK_ISO_LEN];

	clock_iso(r->until_us, until);
	term_print_text(r->name);
	printf(" has no password, second factor or session any more%s.\n"
	       "All administrators are told. This one-time set-up token is shown only once and is "
	       "valid until %.16s UTC:\n\n"
	       "  %s%s%s\n\n"
	       "With it: holdfast login --setup HOST ",
	       r->enabled ? ", and is enabled again" : "", until, cli_paint(c, CLI_BOLD), r->token,
	       cli_paint(c, CLI_PLAIN));
	term_print_text(r->name);
	putchar('\n');
}

static int
run(const struct cli *c, struct err *e)
{
	struct regain_result r = { 0 };
	struct home home;
	int rc = cli_home(c, &home, e);

	if (!rc)
		rc = regain_run(&home, cli_get(c, "key-file"), c->args[0], &r, e);
	if (rc)
		return rc;
	if (c->json)
		print_json(&r);
	else
		print_token(c, &r);
	fflush(stdout);
	secret_wipe(&r, sizeof(r));
	return CLI_GOOD;
}

static const struct cli_opt opts[] = {
	CLI_OPT_HOME,
	{
		.name = "key-file",
		.value = "PATH",
		.help = "The master key file (default: the one named in conf/manage_key.conf).",
	},
	{ 0 },
};

const struct cli_verb verbs_admin[] = {
	{
		.name = "admin recover",
		.args = "USER",
		.min_args = 1,
		.max_args = 1,
		.opts = opts,
		.run = run,
		.help = "Gives an administrator who cannot log in a new set-up token.",
		.more = "Run it on the primary's machine, as root or as Holdfast's user; the node "
			"must be running and the master key file within reach. It removes the "
			"user's password, second factor and sessions, and any wait after failed "
			"log-ins. It is logged and alerted, and every administrator is told at "
			"log-in until one of them acknowledges it (`holdfast conflicts "
			"--acknowledge`).",
		.example = "holdfast admin recover ada",
		.part = CLI_CARE,
	},
	{ 0 },
};
