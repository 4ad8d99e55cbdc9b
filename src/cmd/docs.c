/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast docs settings, docs api, docs openapi: the pages that are written from the program's
 * tables.
 */
#include <errno.h>
#include <stdio.h>
#include "api/replies.h"
#include "api/routes.h"
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
run_api(const struct cli *c, struct err *e)
{
	auto_buf out = BUF_INIT;
	size_t n = 0;
	const struct route *table = routes(&n);
	router_markdown(table, n, replies, &out);
	return print(&out, e);
}

static int
run_openapi(const struct cli *c, struct err *e)
{
	auto_buf out = BUF_INIT;
	size_t n = 0;
	const struct route *table = routes(&n);
	router_openapi(table, n, replies, &out);
	return print(&out, e);
}

const struct cli_verb verb_docs_settings = {
	"docs settings", "", 0, 0, NULL, run_settings, "Prints docs/settings.md.", NULL, CLI_HIDDEN
};
const struct cli_verb verb_docs_api = {
	"docs api", "", 0, 0, NULL, run_api, "Prints docs/api.md.", NULL, CLI_HIDDEN
};
const struct cli_verb verb_docs_openapi = {
	"docs openapi", "",	   0, 0, NULL, run_openapi, "Prints the API as OpenAPI 3.1.",
	NULL,		CLI_HIDDEN
};
