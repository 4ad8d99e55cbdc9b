/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast share, unshare, shares: who else may use a resource or an account.
 */
#include <string.h>
#include "base/jw.h"
#include "cli/cli.h"
#include "cli/lookup.h"
#include "cli/term.h"

/* "RESOURCE/LOGIN" or, with --resource, "RESOURCE" → "/v1/accounts/ID/shares". */
static int
shares_path(const struct cli *c, struct remote *r, struct buf *ret, struct err *e)
{
	char id[37];
	bool resource = cli_has(c, "resource");
	int rc = resource ? lookup_resource(r, c->args[0], id, e)
			  : lookup_account(r, c->args[0], id, e);
	if (rc == 0)
		buf_addf(ret, "/v1/%s/%s/shares", resource ? "resources" : "accounts", id);
	return rc;
}

static int
run_share(const struct cli *c, struct err *e)
{
	auto_buf path = BUF_INIT, body = BUF_INIT;
	auto_remote r = NULL;
	auto_json o = NULL;
	struct jw w;
	int rc = remote_open(&r, e);
	if (rc == 0)
		rc = shares_path(c, r, &path, e);
	if (rc < 0)
		return rc;
	jw_init(&w, &body);
	jw_object(&w, NULL);
	jw_text(&w, "user", c->args[1]);
	jw_text(&w, "level", c->nargs > 2 ? c->args[2] : "view");
	jw_end_object(&w);
	rc = remote_call(r, REMOTE_WRITE, "POST", buf_str(&path), buf_str(&body), &o, e);
	if (rc < 0)
		return rc;
	if (c->json)
		term_print_json(o);
	else
		printf("%s may now %s %s\n", lookup_text(json_object_get(o, "user"), "name"),
		       lookup_text(o, "level"), c->args[0]);
	return CLI_GOOD;
}

static int
run_unshare(const struct cli *c, struct err *e)
{
	auto_buf path = BUF_INIT;
	auto_remote r = NULL;
	int rc = remote_open(&r, e);
	if (rc == 0)
		rc = shares_path(c, r, &path, e);
	if (rc < 0)
		return rc;
	buf_addc(&path, '/');
	lookup_escape(&path, c->args[1]);
	rc = remote_call(r, REMOTE_WRITE, "DELETE", buf_str(&path), NULL, NULL, e);
	if (rc < 0)
		return rc;
	printf(c->json ? "{}\n" : "no longer shared\n");
	return CLI_GOOD;
}

static int
run_shares(const struct cli *c, struct err *e)
{
	struct term_table t = { .head = { "USER", "MAY", "SINCE" }, .columns = 3 };
	auto_buf path = BUF_INIT;
	auto_remote r = NULL;
	auto_json o = NULL;
	size_t i;
	json_t *s;
	int rc = remote_open(&r, e);
	if (rc == 0)
		rc = shares_path(c, r, &path, e);
	if (rc == 0)
		rc = remote_call(r, REMOTE_READ, "GET", buf_str(&path), NULL, &o, e);
	if (rc < 0)
		return rc;
	if (c->json) {
		term_print_json(o);
		return CLI_GOOD;
	}
	json_array_foreach(json_object_get(o, "shares"), i, s)
		term_table_row(&t, lookup_text(json_object_get(s, "user"), "name"),
			       lookup_text(s, "level"), lookup_text(s, "granted"));
	term_table_print(&t);
	return CLI_GOOD;
}

static const struct cli_opt opts[] = {
	{ "resource", NULL, "A resource with all its accounts, not one account." },
	{ 0 },
};

const struct cli_verb verb_share = {
	"share",   "RESOURCE/LOGIN USER [view|modify|manage]",		2,    3, opts,
	run_share, "Lets another user use an account (default: view).", NULL, 0
};
const struct cli_verb verb_unshare = { "unshare",   "RESOURCE/LOGIN USER", 2,	 2, opts,
				       run_unshare, "Takes a share back.", NULL, 0 };
const struct cli_verb verb_shares = { "shares",
				      "RESOURCE/LOGIN",
				      1,
				      1,
				      opts,
				      run_shares,
				      "Lists who an account is shared with.",
				      NULL,
				      0 };
