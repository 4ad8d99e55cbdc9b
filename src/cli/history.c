/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast history: the versions of an account, without their secrets.
 */
#include <string.h>
#include "cli/cli.h"
#include "cli/lookup.h"
#include "cli/term.h"

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

static int
run(const struct cli *c, struct err *e)
{
	struct term_table t = { .head = { "VERSION", "MADE", "BY", "ON", "FROM", "" },
				.columns = 6 };
	auto_buf path = BUF_INIT;
	auto_remote r = NULL;
	auto_json o = NULL;
	auto_thing a = { 0 };
	size_t i;
	json_t *v;

	int rc = remote_open(&r, e);
	if (rc == 0)
		rc = lookup_account(r, lookup_words(c, 0), LOOKUP_READ, &a, e);
	if (rc < 0)
		return rc;
	buf_addf(&path, "/v1/accounts/%s/versions", a.id);
	rc = remote_call(r, REMOTE_READ, "GET", buf_str(&path), NULL, &o, e);
	if (rc < 0)
		return rc;
	term_note_mode(r);
	if (c->json) {
		term_print_json(o);
		return CLI_GOOD;
	}
	json_array_foreach(json_object_get(o, "versions"), i, v)
	{
		char n[24], from[24];
		snprintf(n, sizeof(n), "%lld",
			 (long long)json_integer_value(json_object_get(v, "n")));
		snprintf(from, sizeof(from), "%lld",
			 (long long)json_integer_value(json_object_get(v, "based_on")));
		term_table_row(&t, n, lookup_text(v, "created"),
			       lookup_text(json_object_get(v, "author"), "name"),
			       lookup_text(json_object_get(v, "node"), "name"), from, mark(v));
	}
	term_table_print(&t);
	return CLI_GOOD;
}

const struct cli_verb verb_history = {
	"history",
	"RESOURCE/LOGIN | RESOURCE LOGIN",
	1,
	2,
	NULL,
	run,
	"Lists the versions of an account: when, by whom, on which node, from which.",
	LOOKUP_HELP,
	0
};
