/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast audit …: read and verify the log through a node.
 */
#include <string.h>
#include "base/clock.h"
#include "base/json_out.h"
#include "base/uuid.h"
#include "base/when.h"
#include "cli/client/audit_export.h"
#include "cli/frame/cli.h"
#include "cli/frame/lookup.h"
#include "cli/frame/paging.h"
#include "cli/frame/term.h"

#define PROGRESS_AFTER_MS 2000

/* Options of list that are passed on as they are. */
static const char *const filters[] = { "user", "kind", "object" };

/* Those of the two times are understood here, and passed on as the API has them. */
static int
take_times(const struct cli *c, struct buf *ret_query, struct err *e)
{
	static const char *const names[] = { "since", "until" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *text = cli_get(c, names[i]);
		bool until = i == 1;
		char iso[CLOCK_ISO_LEN];
		int64_t us;

		if (!text)
			continue;
		if (when_moment(text, clock_now_us(), until, &us))
			return err_set(
				e, ERR_USAGE,
				"--%s takes a day or a time, such as 2026-11-28, \"2026-11-28 "
				"14:00\" (UTC, or with an offset as in +01:00), or how long ago, "
				"such as 2h or 3d, not '%s'",
				names[i], text);
		/* The API leaves out what is not before its end; a whole day is meant whole. */
		clock_iso(us + (until && strlen(text) == 10), iso);
		buf_addf(ret_query, "&%s=%s", names[i], iso);
	}
	return 0;
}

static void
write_path(const struct cli *c, const char *node, const char *times, struct buf *path)
{
	char before = '?';

	buf_adds(path, "/v1/audit");
	for (size_t i = 0; i < ARRAY_LEN(filters); i++)
		if (cli_get(c, filters[i])) {
			buf_addf(path, "%c%s=", before, filters[i]);
			lookup_escape(path, cli_get(c, filters[i]));
			before = '&';
		}
	if (*node) {
		buf_addf(path, "%cnode=%s", before, node);
		before = '&';
	}
	if (*times)
		buf_addf(path, "%c%s", before, times + 1);
}

/* What a person can read: no certificates, hashes or ids. */
static bool
is_readable(json_t *v)
{
	const char *s = json_string_value(v);
	struct uuid id;

	if (json_is_object(v) || json_is_array(v) || json_is_null(v))
		return false;
	return !s || (!strchr(s, '\n') && uuid_parse(s, &id) != 0 &&
		      !(strlen(s) >= 32 && strspn(s, "0123456789abcdef") == strlen(s)));
}

/* "reason: to mend the switch, version: 3" of a body; the rest is for --json. */
static void
describe(json_t *body, struct buf *out)
{
	const char *name;
	json_t *v;

	json_object_foreach(body, name, v)
	{
		if (!is_readable(v))
			continue;
		buf_adds(out, out->len ? ", " : "");
		for (const char *p = name; *p; p++)
			buf_addc(out, *p == '_' ? ' ' : *p);
		buf_adds(out, ": ");
		if (json_is_string(v))
			buf_adds(out, json_string_value(v));
		else if (json_is_boolean(v))
			buf_adds(out, json_is_true(v) ? "yes" : "no");
		else
			remote_json_text(v, JSON_ENCODE_ANY, out);
	}
}

/* "2026-11-28 14:00:05" of the API's form. */
static void
write_when(const char *iso, char ret[static 20])
{
	snprintf(ret, 20, "%.10s %.8s", iso, strlen(iso) > 11 ? iso + 11 : "");
}

static void
add_event(struct term_table *t, const json_t *ev)
{
	const char *text = lookup_text(ev, "text");
	auto_buf details = BUF_INIT, place = BUF_INIT;
	char when[20];

	write_when(lookup_text(ev, "at"), when);
	describe(json_object_get(ev, "body"), &details);
	buf_addf(&place, "%s #%lld", lookup_text(json_object_get(ev, "node"), "name"),
		 (long long)json_integer_value(json_object_get(ev, "seq")));
	term_table_row(t, when, lookup_text(json_object_get(ev, "actor"), "name"),
		       *text ? text : lookup_text(ev, "kind"), lookup_text(ev, "object_name"),
		       lookup_text(ev, "address"), buf_str(&place), buf_str(&details));
}

static const struct paging list = { .array = "events",
				    .cursor = "before",
				    .most = 50,
				    .row = add_event,
				    .columns = 7,
				    .head = { "WHEN (UTC)", "WHO", "WHAT", "ON WHAT", "FROM",
					      "NODE", "DETAILS" } };

static int
run_list(const struct cli *c, struct err *e)
{
	auto_buf times = BUF_INIT, path = BUF_INIT;
	auto_remote r = NULL;
	char node[37] = "";
	int rc = take_times(c, &times, e);

	if (rc == 0)
		rc = paging_open(c, &list, &r, e);
	if (rc == 0 && cli_get(c, "node"))
		rc = lookup_node(r, cli_get(c, "node"), node, e);
	if (rc < 0)
		return rc;
	write_path(c, node, buf_str(&times), &path);
	return paging_print(c, r, &list, buf_str(&path), e);
}

/* As people call the node of an id; the id of one that nobody knows any more. */
static const char *
name_of(json_t *nodes, const char *id)
{
	size_t i;
	json_t *n;

	json_array_foreach(nodes, i, n)
	{
		if (strcmp(lookup_text(n, "id"), id) == 0 && *lookup_text(n, "name"))
			return lookup_text(n, "name");
	}
	return id;
}

/* ---- the tables ---- */

static long long
number_of(json_t *o, const char *name)
{
	return (long long)json_integer_value(json_object_get(o, name));
}

static void
say_progress(struct term_step *step, json_t *o)
{
	long long events = number_of(o, "events"), applied = number_of(o, "applied");
	const char *table = lookup_text(o, "table");
	char text[sizeof(step->shown)];

	if (*table)
		snprintf(text, sizeof(text), "comparing %s", table);
	else
		snprintf(text, sizeof(text), "applying the log");
	term_step(step, text, *table || !events ? -1 : (int)(applied * 100 / events));
}

/* Asks until it is done. */
static int
compare_tables(const struct cli *c, struct remote *r, json_t **ret, struct err *e)
{
	struct term_step step = { .tty = c->err_tty };
	int64_t begun = clock_mono_ms();
	char path[96], id[UUID_STR_LEN];
	struct uuid run;
	int rc = 0;

	uuid_new(&run);
	uuid_str(&run, id);
	snprintf(path, sizeof(path), "/v1/audit/tables?run=%s", id);
	for (;;) {
		auto_json o = NULL;

		rc = remote_call(r, REMOTE_READ, "GET", path, NULL, &o, e);
		if (rc == 0 && json_is_true(json_object_get(o, "done")))
			*ret = TAKE(o);
		if (rc < 0 || *ret)
			break;
		if (clock_mono_ms() - begun >= PROGRESS_AFTER_MS)
			say_progress(&step, o);
	}
	term_step_end(&step);
	return rc;
}

static void
say_difference(json_t *d)
{
	bool held = json_is_true(json_object_get(d, "in_table"));
	bool told = json_is_true(json_object_get(d, "in_log"));
	size_t i;
	json_t *column;

	term_say(stdout, "%s  %s %s%s",
		 held && told ? "DIFFERS"
		 : held	      ? "EXTRA  "
			      : "MISSING",
		 lookup_text(d, "table"), lookup_text(d, "id"), held && told ? ":" : "");
	json_array_foreach(json_object_get(d, "columns"), i, column)
		term_say(stdout, " %s", json_string_value(column));
	printf("\n");
}

static void
say_doubts(json_t *o)
{
	if (number_of(o, "unproven"))
		term_say(stdout,
			 "the log does not prove where event %lld of node %s stands among those of "
			 "the other nodes: a difference may come from that\n",
			 number_of(json_object_get(o, "first_unproven"), "seq"),
			 lookup_text(json_object_get(o, "first_unproven"), "node"));
	if (number_of(o, "refused"))
		term_say(stdout, "REFUSED  %lld events, the first is event %lld of node %s: %s\n",
			 number_of(o, "refused"),
			 number_of(json_object_get(o, "first_refused"), "seq"),
			 lookup_text(json_object_get(o, "first_refused"), "node"),
			 lookup_text(o, "why"));
}

static int
verify_tables(const struct cli *c, struct err *e)
{
	auto_remote r = NULL;
	auto_json o = NULL;
	size_t i;
	json_t *d;
	int rc = remote_open(&r, e);

	if (rc == 0)
		rc = compare_tables(c, r, &o, e);
	if (rc < 0)
		return rc;
	bool good = json_is_true(json_object_get(o, "good"));
	if (term_said_json(c->json, o))
		return good ? CLI_GOOD : CLI_FAILED;
	json_array_foreach(json_object_get(o, "differences"), i, d) say_difference(d);
	if (json_is_true(json_object_get(o, "more")))
		printf("and more\n");
	say_doubts(o);
	printf("%s: %lld events applied\n",
	       good ? "the tables are what the log says" : "THE TABLES ARE NOT WHAT THE LOG SAYS",
	       number_of(o, "applied"));
	return good ? CLI_GOOD : CLI_FAILED;
}

/* ---- the chains ---- */

static int
run_verify(const struct cli *c, struct err *e)
{
	auto_remote r = NULL;
	auto_json o = NULL;
	size_t i;
	json_t *n;
	if (cli_has(c, "tables") && (c->nargs || cli_get(c, "against") || cli_get(c, "key")))
		return err_set(e, ERR_USAGE,
			       "--tables checks the tables of a node: it goes with neither FILE, "
			       "--against nor --key");
	if (cli_has(c, "tables"))
		return verify_tables(c, e);
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
	if (term_said_json(c->json, o))
		return good ? CLI_GOOD : CLI_FAILED;
	auto_json known = NULL;
	struct err ignored;
	if (remote_call(r, REMOTE_READ, "GET", "/v1/nodes", NULL, &known, &ignored))
		known = NULL; /* then by their ids */
	json_t *nodes = json_object_get(known, "nodes");
	json_array_foreach(json_object_get(o, "nodes"), i, n)
	{
		bool broken = json_is_true(json_object_get(n, "broken"));
		const char *id = lookup_text(json_object_get(n, "node"), "id");
		const char *chain = lookup_text(n, "chain");
		bool own = !*chain || strcmp(chain, id) == 0;
		auto_buf name = BUF_INIT;

		buf_addf(&name, own ? "%s" : "%s (chain %s)", name_of(nodes, id), chain);
		printf("%s%s%s", cli_paint(c, broken ? CLI_RED : CLI_GREEN),
		       broken ? "BROKEN" : "good", cli_paint(c, CLI_PLAIN));
		if (broken)
			term_say(stdout, "  node %s at event %lld: %s\n", buf_str(&name),
				 (long long)json_integer_value(json_object_get(n, "broken_seq")),
				 lookup_text(n, "why"));
		else
			term_say(stdout, "    node %s: %lld events\n", buf_str(&name),
				 (long long)json_integer_value(json_object_get(n, "events")));
	}
	json_array_foreach(json_object_get(o, "accepted"), i, n)
	{
		term_say(stdout, "accepted  node %s at event %lld: accepted on %s by %s: %s\n",
			 name_of(nodes, lookup_text(n, "node")),
			 (long long)json_integer_value(json_object_get(n, "seq")),
			 lookup_text(n, "at"), lookup_text(n, "by"), lookup_text(n, "reason"));
	}
	json_array_foreach(json_object_get(o, "without_effect"), i, n)
	{
		term_say(
			stdout,
			"NO EFFECT  node %s, events %lld to %lld, merged on %s: the tables refused "
			"them: %s\n",
			name_of(nodes, lookup_text(n, "chain")),
			(long long)json_integer_value(json_object_get(n, "first")),
			(long long)json_integer_value(json_object_get(n, "last")),
			lookup_text(n, "at"), lookup_text(n, "why"));
	}
	printf("%s: %lld events verified\n",
	       json_array_size(json_object_get(o, "without_effect"))
		       ? "the log is unbroken, but EVENTS OF IT HAVE NO EFFECT"
	       : !good ? "THE LOG IS BROKEN"
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
	struct json_out w;
	int rc = remote_open(&r, e);

	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_text(&w, "reason", c->args[0]);
	json_out_end_object(&w);
	if (rc == 0)
		rc = remote_call(r, REMOTE_WRITE, "POST", "/v1/audit/accept", buf_str(&body), &o,
				 e);
	if (rc < 0)
		return rc;
	if (!term_said_json(c->json, o))
		printf("accepted: %lld breaks of the log, %lld merges without effect, and its ends "
		       "as they are; the log says so\n",
		       (long long)json_integer_value(json_object_get(o, "breaks")),
		       (long long)json_integer_value(json_object_get(o, "without_effect")));
	return CLI_GOOD;
}

static const struct cli_opt list_opts[] = {
	{
		.name = "user",
		.value = "NAME",
		.help = "Only what this user did.",
	},
	{
		.name = "kind",
		.value = "KIND",
		.help = "Only this kind of event, e.g. retrieved.",
	},
	{
		.name = "object",
		.value = "ID",
		.help = "Only what was done to this resource, account or user.",
	},
	{
		.name = "since",
		.value = "TIME",
		.help = "Not before: 2026-11-28, \"2026-11-28 14:00\" (UTC, or with an offset: "
			"+01:00), RFC 3339, or how long ago: 2h, 3d.",
	},
	{
		.name = "until",
		.value = "TIME",
		.help = "Not after; a date alone includes the whole day.",
	},
	{
		.name = "node",
		.value = "NAME",
		.help = "Only what happened on this node.",
	},
	PAGING_OPT_MOST("events, the newest first (default 50)"),
	{ 0 },
};

static const struct cli_opt verify_opts[] = {
	{
		.name = "tables",
		.help = "Make the tables anew of the log, and name every row that is not what the "
			"log "
			"says. On the primary; users may work meanwhile.",
	},
	{
		.name = "against",
		.value = "OLDER",
		.help = "An earlier export that FILE must continue.",
	},
	{
		.name = "key",
		.value = "HEX",
		.help = "The public key that must have signed FILE.",
	},
	{ 0 },
};

const struct cli_verb verbs_audit[] = {
	{
		.name = "audit list",
		.opts = list_opts,
		.run = run_list,
		.help = "Lists what happened, the newest first.",
		.part = CLI_LOG,
	},
	{
		.name = "audit verify",
		.args = "[FILE]",
		.max_args = 1,
		.opts = verify_opts,
		.run = run_verify,
		.help = "Walks the whole chain of every node and names the first break.",
		.more = "With FILE it checks an export instead (holdfast audit export), without "
			"any node or master key.",
		.part = CLI_LOG,
	},
	{
		.name = "audit accept",
		.args = "REASON",
		.min_args = 1,
		.max_args = 1,
		.run = run_accept,
		.help = "Accepts the breaks found in the log, once somebody has investigated them.",
		.more = "Covers every break that audit verify finds, and the ends of the chains as "
			"they are now: status and verification then name who accepted them instead "
			"of failing. The events themselves stay lost. Needs the primary; the "
			"acceptance is logged.",
		.part = CLI_LOG,
	},
	{ 0 },
};
