/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast history: the versions of an account, without their secrets.
 */
#include <string.h>
#include "cli/frame/cli.h"
#include "cli/frame/lookup.h"
#include "cli/frame/paging.h"

static const char *
mark(const json_t *v)
{
	const char *approval = lookup_text(v, "approval");

	if (json_is_true(json_object_get(v, "current")))
		return "current";
	if (strcmp(approval, "waits") == 0)
		return "made by someone no longer entitled: waits for approval";
	if (strcmp(approval, "declined") == 0)
		return "made by someone no longer entitled: declined";
	return json_is_true(json_object_get(v, "conflict")) ? "in conflict" : "";
}

static void
add_version(struct term_table *t, const json_t *v)
{
	char n[24], from[24];

	snprintf(n, sizeof(n), "%lld", (long long)json_integer_value(json_object_get(v, "n")));
	snprintf(from, sizeof(from), "%lld",
		 (long long)json_integer_value(json_object_get(v, "based_on")));
	term_table_row(t, n, lookup_text(v, "created"),
		       lookup_text(json_object_get(v, "author"), "name"),
		       lookup_text(json_object_get(v, "node"), "name"), from, mark(v));
}

static const struct paging list = { .array = "versions",
				    .cursor = "after",
				    .whole = "versions",
				    .row = add_version,
				    .columns = 6,
				    .head = { "VERSION", "MADE", "BY", "ON", "FROM", "" } };

static int
run(const struct cli *c, struct err *e)
{
	auto_buf path = BUF_INIT;
	auto_remote r = NULL;
	auto_thing a = { 0 };

	int rc = paging_open(c, &list, &r, e);
	if (rc == 0)
		rc = lookup_account(r, lookup_words(c, 0), LOOKUP_READ, &a, e);
	if (rc < 0)
		return rc;
	buf_addf(&path, "/v1/accounts/%s/versions", a.id);
	return paging_print(c, r, &list, buf_str(&path), e);
}

static const struct cli_opt opts[] = {
	PAGING_OPT_MOST("versions, the newest first"),
	{ 0 },
};

const struct cli_verb verbs_history[] = {
	{
		.name = "history",
		.args = "RESOURCE/LOGIN | RESOURCE LOGIN",
		.min_args = 1,
		.max_args = 2,
		.opts = opts,
		.run = run,
		.help = "Lists the versions of an account: when, by whom, on which node, from "
			"which.",
		.more = LOOKUP_HELP,
		.part = CLI_PASSWORDS,
	},
	{ 0 },
};
