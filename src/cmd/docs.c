/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast docs settings, docs home, docs api, docs openapi, docs verbs: the pages, and the part of
 * the man page, that are generated from the program's tables.
 */
#include <errno.h>
#include <stdio.h>
#include "api/routes.h"
#include "base/home.h"
#include "base/settings.h"
#include "cli/frame/cli.h"

static int
print(const struct buf *out, struct err *e)
{
	if (fwrite(out->data, 1, out->len, stdout) != out->len)
		return err_errno(e, ERR_IO, "cannot write the output");
	return CLI_GOOD;
}

static int
run_settings(const struct cli *c, struct err *e)
{
	auto_buf out = BUF_INIT;
	settings_write_markdown(&out);
	return print(&out, e);
}

static int
run_home(const struct cli *c, struct err *e)
{
	auto_buf out = BUF_INIT;
	home_write_markdown(&out);
	return print(&out, e);
}

static int
run_api(const struct cli *c, struct err *e)
{
	auto_buf out = BUF_INIT;
	router_markdown(route_tables, reply_tables, &out);
	return print(&out, e);
}

static int
run_openapi(const struct cli *c, struct err *e)
{
	auto_buf out = BUF_INIT;
	router_openapi(route_tables, reply_tables, &out);
	return print(&out, e);
}

static int
run_verbs(const struct cli *c, struct err *e)
{
	cli_man(c->verbs, stdout);
	return CLI_GOOD;
}

const struct cli_verb verbs_docs[] = {
	{
		.name = "docs settings",
		.run = run_settings,
		.help = "Prints docs/settings.md.",
		.part = CLI_HIDDEN,
	},
	{
		.name = "docs home",
		.run = run_home,
		.help = "Prints docs/home.md.",
		.part = CLI_HIDDEN,
	},
	{
		.name = "docs api",
		.run = run_api,
		.help = "Prints docs/api.md.",
		.part = CLI_HIDDEN,
	},
	{
		.name = "docs openapi",
		.run = run_openapi,
		.help = "Prints the API as OpenAPI 3.1.",
		.part = CLI_HIDDEN,
	},
	{
		.name = "docs verbs",
		.run = run_verbs,
		.help = "Prints what the man page says of the verbs.",
		.part = CLI_HIDDEN,
	},
	{ 0 },
};
