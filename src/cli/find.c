/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast find, ls: what there is, without a secret.
 */
#include "cli/cli.h"
#include "cli/lookup.h"
#include "cli/removed.h"
#include "cli/term.h"

/* Pages through GET /v1/resources, calling add for each resource. */
static int
each_resource(struct remote *r, const char *q, int64_t most, json_t *all, struct err *e)
{
	auto_buf after = BUF_INIT;

	for (;;) {
		auto_buf path = BUF_INIT;
		auto_json o = NULL;
		buf_addf(&path, "/v1/resources?limit=200");
		if (q) {
			buf_adds(&path, "&q=");
			lookup_escape(&path, q);
		}
		if (after.len)
			buf_addf(&path, "&after=%s", buf_str(&after));
		int rc = remote_call(r, REMOTE_READ, "GET", buf_str(&path), NULL, &o, e);
		if (rc < 0)
			return rc;
		json_array_extend(all, json_object_get(o, "resources"));
		const char *next = lookup_text(o, "next");
		if (!*next || (most && (int64_t)json_array_size(all) >= most))
			return 0;
		buf_reset(&after);
		lookup_escape(&after, next);
	}
}

static void
print_resources(json_t *all)
{
	struct term_table t = { .head = { "ACCOUNT", "MAY", "VERSION", "URL", "DESCRIPTION" },
				.columns = 5 };
	size_t i, j;
	json_t *res, *a;

	json_array_foreach(all, i, res)
	{
		json_t *accounts = json_object_get(res, "accounts");
		if (json_array_size(accounts) == 0)
			term_table_row(&t, lookup_text(res, "name"), lookup_text(res, "level"), "",
				       lookup_text(res, "url"), lookup_text(res, "description"));
		json_array_foreach(accounts, j, a)
		{
			auto_buf name = BUF_INIT, version = BUF_INIT;
			buf_addf(&name, "%s/%s", lookup_text(res, "name"), lookup_text(a, "login"));
			buf_addf(&version, "%lld%s",
				 (long long)json_integer_value(json_object_get(a, "version")),
				 json_is_true(json_object_get(a, "conflict")) ? " conflict" : "");
			term_table_row(&t, buf_str(&name), lookup_text(a, "level"),
				       buf_str(&version), lookup_text(res, "url"),
				       lookup_text(res, "description"));
		}
	}
	if (t.rows == 0)
		printf("nothing found\n");
	else
		term_table_print(&t);
}

static int
run_find(const struct cli *c, struct err *e)
{
	auto_remote r = NULL;
	auto_json all = json_array();
	int64_t most;
	int rc = cli_get_int(c, "most", 1, 100000, 0, &most, e);
	if (rc == 0)
		rc = remote_open(&r, e);
	if (rc == 0)
		rc = each_resource(r, c->nargs ? c->args[0] : NULL, most, all, e);
	if (rc < 0)
		return rc;
	term_note_mode(r);
	if (c->json)
		term_print_json(all);
	else
		print_resources(all);
	return CLI_GOOD;
}

static int
run_ls(const struct cli *c, struct err *e)
{
	return cli_has(c, "removed") ? removed_list(c, e) : run_find(c, e);
}

static const struct cli_opt ls_opts[] = {
	{ "most", "N", "Stop after about N resources." },
	{ "removed", NULL, "What was removed and can be brought back, instead." },
	{ 0 },
};
static const struct cli_opt opts[] = {
	{ "most", "N", "Stop after about N resources." },
	{ 0 },
};

const struct cli_verb verb_find = {
	"find",
	"TEXT",
	1,
	1,
	opts,
	run_find,
	"Finds accounts whose resource, address, description or login holds TEXT.",
	NULL,
	0
};
const struct cli_verb verb_ls = {
	"ls", "", 0, 0, ls_opts, run_ls, "Lists every account that you may use.", NULL, 0
};
