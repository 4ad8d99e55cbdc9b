/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast ha repair-journal: copies what a damaged journal still holds into a new one; keeps the damaged one beside it.
 */
#include "base/json_out.h"
#include "admin/repair.h"
#include "cli/frame/cli.h"
#include "cli/frame/waiting.h"
#include "node/runas.h"

static void
tell(const struct repair *r)
{
	const struct journal_rescued *g = &r->got;

	if (g->last)
		printf("events %lld to %lld are kept and will be merged\n", (long long)g->first,
		       (long long)g->last);
	else
		printf("no event could be kept\n");
	if (g->why[0])
		printf("it is damaged there: %s\n", g->why);
	if (g->head > g->last)
		printf("event %lld was the last one written; the log will say that the end is "
		       "missing\n",
		       (long long)g->head);
	printf("the damaged journal is kept as %s\n"
	       "next: holdfast serve\n",
	       r->aside);
}

static void
tell_json(const struct repair *r)
{
	auto_buf out = BUF_INIT;
	struct json_out w;

	json_out_init(&w, &out);
	json_out_object(&w, NULL);
	json_out_int(&w, "first", r->got.first);
	json_out_int(&w, "last", r->got.last);
	json_out_int(&w, "written", r->got.head);
	json_out_text(&w, "why", r->got.why[0] ? r->got.why : NULL);
	json_out_text(&w, "aside", r->aside);
	json_out_end_object(&w);
	printf("%s\n", buf_str(&out));
}

static int
run(const struct cli *c, struct err *e)
{
	struct repair r = { 0 };
	struct runas user;
	struct home h;
	int64_t before;
	int rc = cli_home(c, &h, e);

	if (rc == 0)
		rc = cli_get_int(c, "before", 1, INT64_MAX / 2, 0, &before, e);
	if (rc == 0)
		rc = runas_choose(h.dir, NULL, &user, e);
	if (rc == 0)
		rc = runas_become(&user, e);
	auto_waiting waiting = waiting_begin();
	waiting_for(waiting, "waiting: rebuilding the journal from what can still be read");
	if (rc == 0)
		rc = repair_journal(&h, before, &r, e);
	waiting_for(waiting, "%s", "");
	if (rc)
		return rc;
	if (c->json)
		tell_json(&r);
	else
		tell(&r);
	return CLI_GOOD;
}

static const struct cli_opt opts[] = {
	CLI_OPT_HOME,
	{
		.name = "before",
		.value = "EVENT",
		.help = "Keep only the events before this one, which does not verify.",
	},
	{ 0 },
};

const struct cli_verb verbs_ha_journal[] = {
	{
		.name = "ha repair-journal",
		.opts = opts,
		.run = run,
		.help = "Rebuilds a damaged journal from what can still be read.",
		.more = "For a journal that the status or the log calls damaged. The node must be "
			"stopped. Events before the damage are kept and will be merged. Events "
			"after it can no longer be verified: they stay in the damaged file, which "
			"is kept beside the new one, as data/journal.db.damaged-TIME for example. "
			"If several journals are damaged, it repairs the first: run it until it "
			"finds none. If a copy or a snapshot still has the whole file, restore "
			"that instead.",
		.part = CLI_PAIR,
	},
	{ 0 },
};
