/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast rm: moves things to the bin, once a person confirms.
 */
#include <stdio.h>
#include <unistd.h>
#include "cli/frame/cli.h"
#include "cli/frame/lookup.h"
#include "cli/frame/term.h"

/* Before anything is asked of a node: a script says that it means it. */
static int
check_meant(const struct cli *c, struct err *e)
{
	auto_buf words = BUF_INIT;

	if (cli_has(c, "yes") || isatty(STDIN_FILENO))
		return 0;
	for (int i = 0; i < c->nargs; i++) {
		buf_addc(&words, ' ');
		term_quote(&words, c->args[i]);
	}
	return err_set(
		e, ERR_USAGE,
		"there is no terminal to ask on whether to remove this; nothing was removed. To "
		"remove it without a question: holdfast rm --yes%s%s",
		cli_has(c, "resource") ? " --resource" : "", buf_str(&words));
}

/* What goes, as the node knows it. */
static int
name_it(struct remote *r, const char *path, bool resource, struct buf *ret, struct err *e)
{
	auto_json o = NULL;
	int rc = remote_call(r, REMOTE_READ, "GET", path, NULL, &o, e);

	if (rc < 0)
		return rc;
	if (resource) {
		size_t n = json_array_size(json_object_get(o, "accounts"));

		buf_addf(ret, "the resource \"%s\" with %zu account%s", lookup_text(o, "name"), n,
			 n == 1 ? "" : "s");
	} else {
		buf_addf(ret, "the account \"%s\" of \"%s\"", lookup_text(o, "login"),
			 lookup_text(json_object_get(o, "resource"), "name"));
	}
	return 0;
}

static int
ask(const struct cli *c, struct remote *r, const char *path, bool resource, struct err *e)
{
	auto_buf question = BUF_INIT;

	if (cli_has(c, "yes"))
		return 0;
	buf_adds(&question, "Remove ");
	int rc = name_it(r, path, resource, &question, e);
	buf_adds(&question, "?");
	return rc < 0 ? rc : term_confirm(buf_str(&question), e);
}

static int
run(const struct cli *c, struct err *e)
{
	auto_buf path = BUF_INIT;
	auto_remote r = NULL;
	auto_thing t = { 0 };
	bool resource = cli_has(c, "resource");
	int rc = check_meant(c, e);

	if (rc == 0 && resource && c->nargs > 1)
		rc = err_set(e, ERR_USAGE, "'%s' is too much: holdfast rm --resource RESOURCE",
			     c->args[1]);
	if (rc == 0)
		rc = remote_open(&r, e);
	if (rc == 0)
		rc = resource ? lookup_resource(r, c->args[0], &t, e)
			      : lookup_account(r, lookup_words(c, 0), LOOKUP_WRITE, &t, e);
	if (rc < 0)
		return rc;
	buf_addf(&path, "/v1/%s/%s", resource ? "resources" : "accounts", t.id);
	rc = ask(c, r, buf_str(&path), resource, e);
	if (rc == 0)
		rc = remote_call(r, REMOTE_WRITE, "DELETE", buf_str(&path), NULL, NULL, e);
	if (rc < 0)
		return rc;
	if (c->json)
		printf("{\"id\":\"%s\"}\n", t.id);
	else
		printf("removed; to bring it back: holdfast undelete %s\n", t.id);
	return CLI_GOOD;
}

static const struct cli_opt opts[] = {
	{
		.name = "resource",
		.help = "Remove a resource with all its accounts.",
	},
	{
		.name = "yes",
		.help = "Do not ask.",
	},
	{ 0 },
};

const struct cli_verb verbs_rm[] = {
	{
		.name = "rm",
		.args = "RESOURCE/LOGIN | RESOURCE LOGIN",
		.min_args = 1,
		.max_args = 2,
		.opts = opts,
		.run = run,
		.help = "Moves an account (or a resource) to the bin; its history stays.",
		.more = "Asks first on a terminal; elsewhere it requires --yes. Until the bin is "
			"emptied, which is after 30 days unless the administrator has set another "
			"time, `holdfast ls --removed` shows what was removed and `holdfast "
			"undelete` brings it back. Nothing of it can be read "
			"meanwhile. " LOOKUP_HELP,
		.part = CLI_PASSWORDS,
	},
	{ 0 },
};
