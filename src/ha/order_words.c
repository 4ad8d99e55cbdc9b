/* SPDX-License-Identifier: Apache-2.0 */
#include "ha/order_words.h"

#include <string.h>
#include "base/clock.h"

void
order_words_promote(const struct statepage_view *v, struct buf *out)
{
	char at[CLOCK_ISO_LEN] = "unknown";

	if (v->as_of_us)
		clock_iso(v->as_of_us, at);
	buf_addf(out,
		 "This node is %s: %s.\n"
		 "  primary until now             %s\n"
		 "  everything is here as of      %s\n"
		 "  events made here since        %lld\n"
		 "What the primary accepted after that moment is not lost: it is merged when that "
		 "node is back, and\n"
		 "missing here until then. If the primary still serves others, both accept changes "
		 "until they meet.\n",
		 state_name(v->state), v->reason, v->primary_url[0] ? v->primary_url : "unknown",
		 at, (long long)v->journal_rows);
}

void
order_words_other(const char *name, bool answers, const char *as_of, bool has_more, struct buf *out)
{
	if (answers)
		buf_addf(out, "  %-29s has everything as of %s\n", name,
			 *as_of ? as_of : "unknown");
	else
		buf_addf(out, "  %-29s does not answer\n", name);
	if (has_more)
		buf_addf(out,
			 "%s HAS MORE THAN THIS NODE: run `holdfast ha promote` there instead. If "
			 "you promote this node\n"
			 "anyway, what only %s has is merged a little later.\n",
			 name, name);
}

void
order_words_remove(const char *name, struct buf *out)
{
	buf_addf(out,
		 "This takes %s out of the pair for good: the primary stops keeping changes for "
		 "it, and only a new pack brings it back.\n"
		 "What users did there that has not been merged yet then exists only on its "
		 "disk.\n",
		 name);
}

#define BIT(s) (1u << HA_##s)
#define EACH_STATE ((1u << HA_STATE_COUNT) - 1)

static const struct order_goal goals[] = {
	{ "promote", "promote", "", BIT(PROMOTING) | BIT(ALONE),
	  BIT(ALONE) | BIT(SYNCED) | BIT(SINGLE), BIT(EMERGENCY) | BIT(STANDBY) | BIT(FENCED),
	  "this node is the primary now" },
	{ "switchover", "switchover", "", BIT(HANDING) | BIT(FENCED),
	  BIT(STANDBY) | BIT(MERGING) | BIT(EMERGENCY), BIT(ALONE),
	  "this node is a secondary now" },
	{ "rejoin", "rejoin", "", BIT(RESEED), BIT(STANDBY), BIT(EMERGENCY),
	  "this node is a copy of the primary again" },
	{ "rejoin --in-place", "rejoin", "in-place", BIT(FENCED), BIT(STANDBY) | BIT(MERGING),
	  BIT(EMERGENCY) | BIT(ALONE), "this node is a secondary again" },
	{ "reconcile", "reconcile", "", BIT(BEHIND), BIT(ALONE) | BIT(SYNCED) | BIT(SINGLE),
	  BIT(FENCED), "this node is the primary again, with what is here" },
	{ "emergency on", "emergency", "on", BIT(EMERGENCY), BIT(EMERGENCY), BIT(PROMOTING),
	  "this node gives emergency access until `holdfast ha emergency off`" },
	{ "emergency off", "emergency", "off", EACH_STATE, EACH_STATE, 0,
	  "emergency access is automatic again" },
};

const struct order_goal *
order_goal(const char *order)
{
	for (size_t i = 0; i < ARRAY_LEN(goals); i++) {
		if (strcmp(goals[i].order, order) == 0)
			return &goals[i];
	}
	return NULL;
}
