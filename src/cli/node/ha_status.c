/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast ha status: what the agent wrote into the state page, on either node, whether or not its services run.
 */
#include <jansson.h>
#include <string.h>
#include "cli/frame/cli.h"
#include "cli/frame/lookup.h"
#include "cli/frame/term.h"
#include "node/ownstatus.h"

/* "1.5 MiB" of bytes; "-" of null. */
static const char *
size_text(const json_t *v, char room[static 32])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double n = (double)json_integer_value(v);
	size_t u = 0;

	if (!json_is_integer(v))
		return "-";
	for (; n >= 1024 && u + 1 < ARRAY_LEN(units); u++)
		n /= 1024;
	snprintf(room, 32, u ? "%.1f %s" : "%.0f %s", n, units[u]);
	return room;
}

static const char *
number_text(const json_t *v, const char *unit, char room[static 32])
{
	if (!json_is_number(v))
		return "-";
	snprintf(room, 32, json_is_integer(v) ? "%.0f%s" : "%.3f%s", json_number_value(v), unit);
	return room;
}

/* "0.1.0/13": the program, and the schema that it writes; "-" of one that does not say. */
static const char *
version_text(const json_t *n, char room[static 80])
{
	const char *version = lookup_text(n, "version");
	const json_t *known = json_object_get(n, "schema_known");

	if (!*version)
		return "-";
	snprintf(room, 80, json_is_integer(known) ? "%.40s/%lld" : "%.40s", version,
		 (long long)json_integer_value(known));
	return room;
}

static void
print_nodes(json_t *nodes)
{
	struct term_table t = { .head = { "NODE", "VERSION", "ROLE", "STATE", "SERVICE", "DATABASE",
					  "LAG", "WAL KEPT", "JOURNAL" },
				.columns = 9 };
	char lag[32], seconds[32], both[80], kept[32], journal[32], version[80];
	size_t i;
	json_t *n;

	json_array_foreach(nodes, i, n)
	{
		bool secondary = strcmp(lookup_text(n, "role"), "secondary") == 0;
		snprintf(both, sizeof(both), "%s, %s",
			 size_text(json_object_get(n, "lag_bytes"), lag),
			 number_text(json_object_get(n, "lag_seconds"), " s", seconds));
		term_table_row(
			&t, lookup_text(n, "name"), version_text(n, version),
			lookup_text(n, "role"), lookup_text(n, "state"), lookup_text(n, "service"),
			lookup_text(n, "database"), secondary ? both : "",
			secondary ? size_text(json_object_get(json_object_get(n, "slot"),
							      "retained_bytes"),
					      kept)
				  : "",
			secondary ? number_text(json_object_get(n, "journal_rows"), "", journal)
				  : "");
	}
	term_table_print(&t);
	json_array_foreach(nodes, i, n)
	{
		const char *as_of = lookup_text(n, "last_in_step");

		if (strcmp(lookup_text(n, "role"), "secondary") != 0)
			continue;
		printf("data as of  ");
		term_print_text(lookup_text(n, "name"));
		printf("  %s\n", *as_of ? as_of : "unknown");
	}
}

static void
print_line(const char *head, const char *text)
{
	if (!*text)
		return;
	printf("%s", head);
	term_print_text(text);
	putchar('\n');
}

/* Each cause with what to do, and under it what follows from it. */
static void
print_reasons(json_t *reasons)
{
	size_t i;
	json_t *r;

	json_array_foreach(reasons, i, r)
	{
		bool follows = *lookup_text(r, "follows_from");

		print_line(follows ? "     and so   " : "\n  why         ", lookup_text(r, "text"));
		print_line("              ", lookup_text(r, "detail"));
		if (!follows)
			print_line("  what to do  ", lookup_text(r, "todo"));
	}
}

static void
print_warnings(json_t *warnings)
{
	size_t i;
	json_t *o;

	json_array_foreach(warnings, i, o)
	{
		print_line("\n  soon        ", lookup_text(o, "node"));
		print_line("              ", lookup_text(o, "text"));
		print_line("  what to do  ", lookup_text(o, "todo"));
	}
}

/* What waits, and why: nothing when no receiver is set or all have accepted everything. */
static void
print_alerts(json_t *alerts)
{
	if (!json_is_object(alerts))
		return;
	json_int_t waiting = json_integer_value(json_object_get(alerts, "waiting"));
	const char *failure = lookup_text(alerts, "failure");

	if (waiting == 0 && !*failure)
		return;
	printf("\nalerts  %lld wait", (long long)waiting);
	if (*failure) {
		printf("; ");
		term_print_text(failure);
	}
	putchar('\n');
}

static void
print_maintenance(const json_t *m)
{
	if (!json_is_object(m))
		return;
	printf("\nmaintenance until %.16s UTC: ", lookup_text(m, "until"));
	term_print_text(lookup_text(m, "reason"));
	printf("; the alerts of %s are silent (`holdfast ha maintenance off`)\n",
	       strcmp(lookup_text(m, "on"), "pair") == 0 ? "all nodes" : "this node");
}

static const struct outcome {
	const char *status;
	int exit;
	enum cli_paint paint;
} outcomes[] = {
	{ "Alive", CLI_GOOD, CLI_GREEN },
	{ "Failed", CLI_STATUS_FAILED, CLI_RED },
	{ "Not running", CLI_UNREACHABLE, CLI_RED },
	{ "Not configured", CLI_NOT_CONFIGURED, CLI_YELLOW },
};

static const struct outcome *
outcome_of(const char *status)
{
	for (size_t i = 0; i < ARRAY_LEN(outcomes); i++)
		if (strcmp(outcomes[i].status, status) == 0)
			return &outcomes[i];
	return &outcomes[1];
}

static void
print_status(const struct cli *c, json_t *o, const char *status)
{
	enum cli_paint paint = outcome_of(status)->paint;

	printf("High Availability Status: %s%s%s", cli_paint(c, paint), status,
	       cli_paint(c, CLI_PLAIN));
	if (outcome_of(status)->exit == CLI_NOT_CONFIGURED)
		printf(" (this node is on its own; `holdfast ha setup` makes it a pair)");
	if (*lookup_text(o, "state"))
		printf("\nthis node is %s", lookup_text(o, "state"));
	if (*lookup_text(o, "why")) {
		printf(": ");
		term_print_text(lookup_text(o, "why"));
	}
	if (json_is_true(json_object_get(o, "emergency_ordered")))
		printf("\nemergency access is ordered; `holdfast ha emergency off` ends it");
	printf("\n\n");
	if (json_array_size(json_object_get(o, "nodes")) > 0)
		print_nodes(json_object_get(o, "nodes"));
	print_reasons(json_object_get(o, "reasons"));
	print_warnings(json_object_get(o, "warnings"));
	print_alerts(json_object_get(o, "alerts"));
	print_maintenance(json_object_get(o, "maintenance"));
}

static int
run(const struct cli *c, struct err *e)
{
	auto_buf text = BUF_INIT;
	struct home h;
	json_error_t je;

	int rc = cli_home(c, &h, e);
	if (rc == 0)
		rc = ownstatus_read(&h, &text, e);
	if (rc < 0)
		return rc;
	auto_json o = json_loads(buf_str(&text), 0, &je);
	const char *status = lookup_text(o, "status");
	if (!term_said_json(c->json, o))
		print_status(c, o, status);
	return outcome_of(status)->exit;
}

static const struct cli_opt opts[] = {
	CLI_OPT_HOME,
	{ 0 },
};

const struct cli_verb verbs_ha_status[] = {
	{
		.name = "ha status",
		.opts = opts,
		.run = run,
		.help = "Shows whether the pair is Alive or Failed, why, and what to do; on any "
			"node.",
		.more = "Exit code: 0 Alive, 1 not allowed (run it as root or as Holdfast's user), "
			"3 this node does not run, 4 Failed, 5 not a pair.",
		.part = CLI_PAIR,
	},
	{ 0 },
};
