/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast audit …: the log, read and verified through a node.
 */
#include <string.h>
#include "base/jw.h"
#include "cli/audit_export.h"
#include "cli/cli.h"
#include "cli/lookup.h"
#include "cli/term.h"

/* Options of list that are passed on as they are. */
static const char *const filters[] = { "user", "kind", "object", "since", "until" };

static void
start_path(const struct cli *c, int64_t limit, const char *node, const char *before,
	   struct buf *path)
{
	buf_addf(path, "/v1/audit?limit=%lld", (long long)limit);
	for (size_t i = 0; i < ARRAY_LEN(filters); i++)
		if (cli_get(c, filters[i])) {
			buf_addf(path, "&%s=", filters[i]);
			lookup_escape(path, cli_get(c, filters[i]));
		}
	if (*node)
		buf_addf(path, "&node=%s", node);
	if (*before) {
		buf_adds(path, "&before=");
		lookup_escape(path, before);
	}
}

static void
print_events(json_t *all)
{
	struct term_table t = { .head = { "AT", "NODE", "SEQ", "WHO", "FROM", "WHAT", "DETAILS" },
				.columns = 7 };
	size_t i;
	json_t *ev;

	json_array_foreach(all, i, ev)
	{
		char seq[24];
		auto_buf body = BUF_INIT;
		remote_json_text(json_object_get(ev, "body"), JSON_COMPACT, &body);
		snprintf(seq, sizeof(seq), "%lld",
			 (long long)json_integer_value(json_object_get(ev, "seq")));
		term_table_row(&t, lookup_text(ev, "at"),
			       lookup_text(json_object_get(ev, "node"), "name"), seq,
			       lookup_text(json_object_get(ev, "actor"), "name"),
			       lookup_text(ev, "address"), lookup_text(ev, "kind"),
			       strcmp(buf_str(&body), "{}") != 0 ? buf_str(&body) : "");
	}
	term_table_print(&t);
}

static int
run_list(const struct cli *c, struct err *e)
{
	auto_json all = json_array();
	auto_buf before = BUF_INIT;
	auto_remote r = NULL;
	char node[37] = "";
	int64_t most;
	int rc = cli_get_int(c, "most", 1, 10000000, 50, &most, e);
	if (rc == 0)
		rc = remote_open(&r, e);
	if (rc == 0 && cli_get(c, "node"))
		rc = lookup_node(r, cli_get(c, "node"), node, e);
	while (rc == 0 && (int64_t)json_array_size(all) < most) {
		auto_buf path = BUF_INIT;
		auto_json o = NULL;
		int64_t left = most - (int64_t)json_array_size(all);
		start_path(c, left > 200 ? 200 : left, node, buf_str(&before), &path);
		rc = remote_call(r, REMOTE_READ, "GET", buf_str(&path), NULL, &o, e);
		if (rc < 0)
			break;
		json_array_extend(all, json_object_get(o, "events"));
		buf_reset(&before);
		buf_adds(&before, lookup_text(o, "next"));
		if (before.len == 0)
			break;
	}
	if (rc < 0)
		return rc;
	if (c->json)
		term_print_json(all);
	else
		print_events(all);
	return CLI_GOOD;
}

static int
run_verify(const struct cli *c, struct err *e)
{
	auto_remote r = NULL;
	auto_json o = NULL;
	size_t i;
	json_t *n;
	if (c->nargs)
		return audit_export_verify(c, e);
	if (cli_get(c, "against") || cli_get(c, "key"))
		return err_set(e, ERR_USAGE, "--against and --key need the FILE of an export");
	int rc = remote_open(&r, e);
	if (rc == 0)
		rc = remote_call(r, REMOTE_READ, "GET", "/v1/audit/verify", NULL, &o, e);
	if (rc < 0)
		return rc;
	bool good = json_is_true(json_object_get(o, "good"));
	if (c->json) {
		term_print_json(o);
		return good ? CLI_GOOD : CLI_FAILED;
	}
	json_array_foreach(json_object_get(o, "nodes"), i, n)
	{
		bool broken = json_is_true(json_object_get(n, "broken"));
		const char *id = lookup_text(json_object_get(n, "node"), "id");
		if (broken)
			printf("%sBROKEN%s  node %s at event %lld: %s\n", cli_paint(c, CLI_RED),
			       cli_paint(c, CLI_PLAIN), id,
			       (long long)json_integer_value(json_object_get(n, "broken_seq")),
			       lookup_text(n, "why"));
		else
			printf("%sgood%s    node %s: %lld events\n", cli_paint(c, CLI_GREEN),
			       cli_paint(c, CLI_PLAIN), id,
			       (long long)json_integer_value(json_object_get(n, "events")));
	}
	json_array_foreach(json_object_get(o, "accepted"), i, n)
	{
		printf("accepted  node %s at event %lld: accepted on %s by %s: %s\n",
		       lookup_text(n, "node"),
		       (long long)json_integer_value(json_object_get(n, "seq")),
		       lookup_text(n, "at"), lookup_text(n, "by"), lookup_text(n, "reason"));
	}
	printf("%s: %lld events verified\n",
	       !good ? "THE LOG IS BROKEN"
	       : json_array_size(json_object_get(o, "accepted"))
		       ? "the log is unbroken but for what was accepted"
		       : "the whole log is unbroken",
	       (long long)json_integer_value(json_object_get(o, "events")));
	return good ? CLI_GOOD : CLI_FAILED;
}

static int
run_accept(const struct cli *c, struct err *e)
{
	auto_buf body = BUF_INIT;
	auto_remote r = NULL;
	auto_json o = NULL;
	struct jw w;
	int rc = remote_open(&r, e);

	jw_init(&w, &body);
	jw_object(&w, NULL);
	jw_text(&w, "reason", c->args[0]);
	jw_end_object(&w);
	if (rc == 0)
		rc = remote_call(r, REMOTE_WRITE, "POST", "/v1/audit/accept", buf_str(&body), &o,
				 e);
	if (rc < 0)
		return rc;
	if (c->json)
		term_print_json(o);
	else
		printf("accepted: %lld breaks of the log, and its ends as they are; the log says "
		       "so\n",
		       (long long)json_integer_value(json_object_get(o, "breaks")));
	return CLI_GOOD;
}

static const struct cli_opt list_opts[] = {
	{ "user", "NAME", "Only what this user did." },
	{ "kind", "KIND", "Only this kind of event, e.g. retrieved." },
	{ "object", "ID", "Only what was done to this resource, account or user." },
	{ "since", "TIME", "Not before, e.g. 2026-01-31T00:00:00Z." },
	{ "until", "TIME", "Not after." },
	{ "node", "NAME", "Only what happened on this node." },
	{ "most", "N", "At most N events, the newest first (default 50)." },
	{ 0 },
};

static const struct cli_opt verify_opts[] = {
	{ "against", "OLDER", "An earlier export, which FILE has to continue." },
	{ "key", "HEX", "The public key that must have signed FILE." },
	{ 0 },
};

const struct cli_verb verb_audit_list = {
	"audit list", "", 0, 0, list_opts, run_list, "Lists what happened, the newest first.",
	NULL,	      0
};
const struct cli_verb verb_audit_verify = {
	"audit verify",
	"[FILE]",
	0,
	1,
	verify_opts,
	run_verify,
	"Walks the whole chain of every node and names the first break.",
	"With FILE it checks an export instead (holdfast audit export), without any node or master "
	"key.",
	0
};
const struct cli_verb verb_audit_accept = {
	"audit accept",
	"REASON",
	1,
	1,
	NULL,
	run_accept,
	"Accepts what is found wrong with the log, after somebody looked into it.",
	"Every break that audit verify finds, and the ends of the chains as they are now: status "
	"and verification then say "
	"who accepted it instead of failing. The events themselves stay lost. Needs the primary; "
	"it is in the log.",
	0
};
