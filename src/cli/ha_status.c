/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast ha status: what the agent wrote into the state page, on either node, with the node's services up or not.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/page.h"
#include "cli/cli.h"
#include "cli/lookup.h"
#include "cli/term.h"
#include "proc/preflight.h"

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

/* What waits, and why: nothing when no receiver is set or all have accepted everything. */
static void
print_alerts(json_t *alerts)
{
	json_int_t waiting = json_integer_value(json_object_get(alerts, "waiting"));
	const char *failure = lookup_text(alerts, "failure");

	if (!json_is_object(alerts) || (waiting == 0 && !*failure))
		return;
	printf("\nalerts  %lld wait", (long long)waiting);
	if (*failure) {
		printf("; ");
		term_print_text(failure);
	}
	putchar('\n');
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
	if (json_is_true(json_object_get(o, "emergency_ordered")))
		printf("\nemergency access is ordered; `holdfast ha emergency off` ends it");
	printf("\n\n");
	print_nodes(json_object_get(o, "nodes"));
	print_reasons(json_object_get(o, "reasons"));
	print_alerts(json_object_get(o, "alerts"));
}

/* The page cannot say how the pair is: nothing old is shown instead (H9). */
struct silence {
	const char *status, *code, *text, *todo;
	int exit;
};

static const struct silence not_running = {
	"Not running",
	"not_running",
	"this node does not run here",
	"Start it: `systemctl start holdfast`, or `holdfast serve`.",
	CLI_UNREACHABLE,
};
static const struct silence starting = {
	"Failed",
	"starting",
	"this node was just started and has not looked around yet",
	"Ask again in a moment; if it stays so, see the node's log.",
	CLI_STATUS_FAILED,
};
static const struct silence agent_silent = {
	"Failed",
	"agent_silent",
	"the agent of this node has not been heard for more than 5 s",
	"See the node's log; if it does not come back, restart the node.",
	CLI_STATUS_FAILED,
};

static int
cannot_tell(const struct cli *c, const struct silence *s)
{
	if (c->json)
		printf("{\"status\":\"%s\",\"reasons\":[{\"code\":\"%s\",\"node\":null,"
		       "\"text\":\"%s\",\"detail\":null,\"todo\":\"%s\",\"follows_from\":null}],"
		       "\"nodes\":[]}\n",
		       s->status, s->code, s->text, s->todo);
	else
		printf("High Availability Status: %s%s%s\n\n  why         %s\n  what to do  %s\n",
		       cli_paint(c, CLI_RED), s->status, cli_paint(c, CLI_PLAIN), s->text, s->todo);
	return s->exit;
}

/* ERR_UNREACHABLE: nobody serves this home; ERR_NOT_SERVING: somebody begins to. */
static int
open_page(const struct home *h, struct page **ret, struct err *e)
{
	char path[HOME_PATH_MAX];
	int rc = preflight_alone(h, e);

	if (rc == 0)
		return err_set(e, ERR_UNREACHABLE, "%s", not_running.text);
	if (rc != ERR_REFUSED)
		return rc;
	home_path(h, HOME_STATE, path);
	rc = page_open(path, ret, e);
	return rc && e->sys == ENOENT ? ERR_NOT_SERVING : rc;
}

static int
run(const struct cli *c, struct err *e)
{
	struct home h;
	struct page *page;
	json_error_t je;

	int rc = cli_home(c, &h, e);
	if (rc == 0)
		rc = open_page(&h, &page, e);
	if (rc == ERR_UNREACHABLE)
		return cannot_tell(c, &not_running);
	if (rc == ERR_NOT_SERVING)
		return cannot_tell(c, &starting);
	if (rc < 0)
		return rc;
	struct page_view *v = malloc(sizeof(*v));
	if (!v)
		abort();
	page_read(page, v);
	bool begun = v->beat_mono_ms != 0;
	int64_t age = clock_mono_ms() - v->beat_mono_ms;
	page_free(page);
	auto_json o = json_loads(v->status_json, 0, &je);
	free(v);
	if (!begun)
		return cannot_tell(c, &starting);
	if (age > BEAT_MAX_MS || age < 0 || !o)
		return cannot_tell(c, &agent_silent);
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
	"Exit code: 0 Alive, 1 not allowed (run it as root or as Holdfast's user), 3 this node "
	"does "
	"not run, 4 Failed, 5 not a pair.",
	CLI_NODE
};
