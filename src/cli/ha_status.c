/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast ha status: what the agent wrote into the state page, on either node, with the node's services up or not.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/page.h"
#include "cli/cli.h"
#include "cli/lookup.h"
#include "cli/term.h"

#define BEAT_MAX_MS 5000 /* an agent beats every 50 ms */

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

static void
print_nodes(json_t *nodes)
{
	struct term_table t = { .head = { "NODE", "ROLE", "STATE", "SERVICE", "DATABASE", "LAG",
					  "WAL KEPT", "JOURNAL" },
				.columns = 8 };
	char lag[32], seconds[32], both[80], kept[32], journal[32];
	size_t i;
	json_t *n;

	json_array_foreach(nodes, i, n)
	{
		bool secondary = strcmp(lookup_text(n, "role"), "secondary") == 0;
		snprintf(both, sizeof(both), "%s, %s",
			 size_text(json_object_get(n, "lag_bytes"), lag),
			 number_text(json_object_get(n, "lag_seconds"), " s", seconds));
		term_table_row(
			&t, lookup_text(n, "name"), lookup_text(n, "role"), lookup_text(n, "state"),
			lookup_text(n, "service"), lookup_text(n, "database"),
			secondary ? both : "",
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
		if (strcmp(lookup_text(n, "role"), "secondary") != 0 ||
		    !*lookup_text(n, "last_in_step"))
			continue;
		printf("last in step  ");
		term_print_text(lookup_text(n, "name"));
		printf("  %s\n", lookup_text(n, "last_in_step"));
	}
}

static void
print_reasons(json_t *reasons)
{
	size_t i;
	json_t *r;

	json_array_foreach(reasons, i, r)
	{
		printf("\n  why      ");
		term_print_text(lookup_text(r, "text"));
		if (*lookup_text(r, "detail")) {
			printf("\n           ");
			term_print_text(lookup_text(r, "detail"));
		}
		printf("\n  what to do  ");
		term_print_text(lookup_text(r, "todo"));
		putchar('\n');
	}
}

static int
exit_of(const char *status)
{
	if (strcmp(status, "Alive") == 0)
		return CLI_GOOD;
	return strcmp(status, "Failed") == 0 ? CLI_STATUS_FAILED : CLI_NOT_CONFIGURED;
}

static void
print_status(const struct cli *c, json_t *o, const char *status)
{
	enum cli_paint paint = strcmp(status, "Alive") == 0    ? CLI_GREEN
			       : strcmp(status, "Failed") == 0 ? CLI_RED
							       : CLI_YELLOW;

	printf("High Availability Status: %s%s%s", cli_paint(c, paint), status,
	       cli_paint(c, CLI_PLAIN));
	if (exit_of(status) == CLI_NOT_CONFIGURED)
		printf(" (this node is on its own; `holdfast ha setup` makes it a pair)");
	printf("\nthis node is %s", lookup_text(o, "state"));
	if (*lookup_text(o, "why")) {
		printf(": ");
		term_print_text(lookup_text(o, "why"));
	}
	printf("\n\n");
	print_nodes(json_object_get(o, "nodes"));
	print_reasons(json_object_get(o, "reasons"));
}

static int
not_running(const struct cli *c, const char *text)
{
	if (c->json)
		printf("{\"status\":\"Failed\",\"reasons\":[{\"code\":\"not_running\",\"node\":"
		       "null,\"text\":\"%s\",\"detail\":null,"
		       "\"todo\":\"Start it with holdfast serve.\"}],\"nodes\":[]}\n",
		       text);
	else
		printf("High Availability Status: %sFailed%s\n  why         %s\n  what to do  "
		       "Start it with `holdfast serve`.\n",
		       cli_paint(c, CLI_RED), cli_paint(c, CLI_PLAIN), text);
	return CLI_STATUS_FAILED;
}

static int
run(const struct cli *c, struct err *e)
{
	char path[HOME_PATH_MAX];
	struct home h;
	struct page *page;
	struct err none;
	json_error_t je;

	int rc = cli_home(c, &h, e);
	if (rc < 0)
		return rc;
	home_path(&h, HOME_STATE, path);
	if (page_open(path, &page, &none) < 0)
		return not_running(c, "this node does not run");
	struct page_view *v = malloc(sizeof(*v));
	if (!v)
		abort();
	page_read(page, v);
	int64_t age = clock_mono_ms() - v->beat_mono_ms;
	page_free(page);
	auto_json o = json_loads(v->status_json, 0, &je);
	free(v);
	if (age > BEAT_MAX_MS || age < 0 || !o)
		return not_running(
			c,
			"this node does not run (its agent has not been heard for more than 5 s)");
	const char *status = lookup_text(o, "status");
	if (c->json)
		term_print_json(o);
	else
		print_status(c, o, status);
	return exit_of(status);
}

static const struct cli_opt opts[] = {
	CLI_OPT_HOME,
	{ 0 },
};

const struct cli_verb verb_ha_status = {
	"ha status",
	"",
	0,
	0,
	opts,
	run,
	"Says Alive, or Failed and why, and what to do; on either node.",
	"Exit code: 0 Alive, 4 Failed, 5 not a pair.",
	CLI_NODE
};
