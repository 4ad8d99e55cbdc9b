/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast find, ls: what there is, without a secret.
 */
#include "cli/frame/cli.h"
#include "cli/client/removed.h"
#include "cli/frame/lookup.h"
#include "cli/frame/paging.h"

static void
add_row(struct term_table *t, const json_t *res, const json_t *a)
{
	auto_buf name = BUF_INIT, version = BUF_INIT, level = BUF_INIT;

	lookup_add_level(&level, a ? a : res);
	lookup_add_name(&name, res, "name");
	if (a) {
		buf_addc(&name, '/');
		lookup_add_name(&name, a, "login");
		buf_addf(&version, "%lld%s",
			 (long long)json_integer_value(json_object_get(a, "version")),
			 json_is_true(json_object_get(a, "conflict")) ? " conflict" : "");
	}
	term_table_row(t, buf_str(&name), buf_str(&level), buf_str(&version),
		       lookup_text(json_object_get(res, "folder"), "path"), lookup_text(res, "url"),
		       lookup_text(res, "description"));
}

static void
add_rows(struct term_table *t, const json_t *res)
{
	const json_t *accounts = json_object_get(res, "accounts");
	size_t i;
	json_t *a;

	if (json_array_size(accounts) == 0)
		add_row(t, res, NULL);
	json_array_foreach(accounts, i, a) add_row(t, res, a);
}

static const struct paging accounts = { .array = "accounts", .cursor = "after" };

static bool
take_account(void *all, json_t *a)
{
	json_array_append(all, a);
	return true;
}

/* Of a resource with many accounts an answer has the first ones. */
static int
read_accounts(struct remote *r, json_t *res, struct err *e)
{
	const char *id = lookup_text(res, "id");
	auto_buf path = BUF_INIT;

	if (!*lookup_text(res, "accounts_next") || !lookup_is_id(id))
		return 0;
	json_t *all = json_array();
	json_object_set_new(res, "accounts", all);
	json_object_set_new(res, "accounts_next", json_null());
	buf_addf(&path, "/v1/resources/%s/accounts", id);
	return paging_each(r, &accounts, buf_str(&path), take_account, all, e);
}

static const struct paging list = { .array = "resources",
				    .cursor = "after",
				    .none = "nothing found",
				    .row = add_rows,
				    .complete = read_accounts,
				    .columns = 6,
				    .head = { "ACCOUNT", "MAY", "VERSION", "FOLDER", "URL",
					      "DESCRIPTION" } };

static int
run_find(const struct cli *c, struct err *e)
{
	auto_remote r = NULL;
	auto_buf path = BUF_INIT;
	int rc = paging_open(c, &list, &r, e);

	if (rc < 0)
		return rc;
	buf_adds(&path, "/v1/resources");
	if (c->nargs) {
		buf_adds(&path, "?q=");
		lookup_escape(&path, c->args[0]);
	}
	return paging_print(c, r, &list, buf_str(&path), e);
}

static int
list_folder(const struct cli *c, struct err *e)
{
	auto_remote r = NULL;
	auto_thing folder = { 0 };
	auto_buf path = BUF_INIT;
	int rc = paging_open(c, &list, &r, e);

	if (rc == 0)
		rc = lookup_folder(r, cli_get(c, "folder"), &folder, e);
	if (rc < 0)
		return rc;
	buf_addf(&path, "/v1/resources?folder=%s", folder.id);
	return paging_print(c, r, &list, buf_str(&path), e);
}

static int
run_ls(const struct cli *c, struct err *e)
{
	if (cli_has(c, "removed") && cli_has(c, "folder"))
		return err_set(e, ERR_USAGE, "--removed and --folder: only one of the two");
	if (cli_has(c, "folder"))
		return list_folder(c, e);
	return cli_has(c, "removed") ? removed_list(c, e) : run_find(c, e);
}

static const struct cli_opt ls_opts[] = {
	PAGING_OPT_MOST("resources"),
	{
		.name = "removed",
		.help = "List what was removed and can be brought back instead.",
	},
	{
		.name = "folder",
		.value = "PATH",
		.help = "Only what stands in this folder, not what stands in others in it.",
	},
	{ 0 },
};
static const struct cli_opt opts[] = {
	PAGING_OPT_MOST("resources"),
	{ 0 },
};

const struct cli_verb verbs_find[] = {
	{
		.name = "find",
		.args = "TEXT",
		.min_args = 1,
		.max_args = 1,
		.opts = opts,
		.run = run_find,
		.help = "Finds accounts whose resource, address, description or login holds TEXT.",
		.part = CLI_PASSWORDS,
	},
	{
		.name = "ls",
		.opts = ls_opts,
		.run = run_ls,
		.help = "Lists every account that you may use.",
		.part = CLI_PASSWORDS,
	},
	{ 0 },
};
