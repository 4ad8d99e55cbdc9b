/* SPDX-License-Identifier: Apache-2.0 */
#include "ha/orders.h"

#include <string.h>

#define S(state) (1u << HA_##state)
#define STOPPED (1u << ORDER_STOPPED)
#define REMOVED (1u << ORDER_REMOVED)
#define SERVING (S(SINGLE) | S(SYNCED) | S(ALONE))
#define FOLLOWING (S(STANDBY) | S(MERGING) | S(RESEED))
#define EACH_STATE ((1u << HA_STATE_COUNT) - 1)
#define MAY(order, places)                                                                         \
	{                                                                                          \
		order, places, NULL, false                                                         \
	}
#define NOT(order, places, why)                                                                    \
	{                                                                                          \
		order, places, why, false                                                          \
	}
#define THERE(order, places, why)                                                                  \
	{                                                                                          \
		order, places, why, true                                                           \
	}

#define IS_BEHIND                                                                                  \
	"this node has lost events of its own log: its status names who has more, and `holdfast "  \
	"ha promote` is for there; if nobody has, run `holdfast ha reconcile` here"
#define IS_PROMOTED                                                                                \
	"this node is being promoted: repeat this when its status says what became of it"
#define IS_HANDING                                                                                 \
	"this node is handing over to another one: repeat this when its status says what became "  \
	"of it"
#define IS_FENCED                                                                                  \
	"this node gives way to a later primary: it returns by itself as soon as that one "        \
	"serves; "                                                                                 \
	"if that one is gone for good, run `holdfast ha promote` here"
#define IS_DUPLICATE                                                                               \
	"two programs of this node run: stop the one that is not to go on, or run `holdfast ha "   \
	"promote` on the one that is"
#define IS_CLONING                                                                                 \
	"this node has no database yet: it is being copied; repeat this when its status says "     \
	"that "                                                                                    \
	"it is there"
#define IS_PRIMARY                                                                                 \
	"this node is the primary: nothing is copied over it; to have a secondary copied again, "  \
	"run `holdfast ha rejoin` there"
#define IS_SECONDARY "this node is a secondary"
#define IS_STOPPED "the node does not run here: start it with `holdfast serve`, then repeat"
#define IS_REMOVED                                                                                 \
	"this node was taken out of the pair: `holdfast ha setup` on the primary and `holdfast "   \
	"ha join --replace` here take it back"
#define IS_RUNNING                                                                                 \
	"this node runs, and its journal is in use: stop the node (Ctrl-C where `holdfast serve` " \
	"runs, or `systemctl stop holdfast`), repeat this and start it again; "
#define IS_OWN_DATA "this node serves everyone with its own data, of which nothing is locked"

/* clang-format off */
static const struct order_row rows[] = {
	MAY("promote", FOLLOWING | S(EMERGENCY) | S(FENCED) | S(DUPLICATE)),
	NOT("promote", SERVING, "this node is the primary already"),
	NOT("promote", S(HANDING), IS_HANDING),
	NOT("promote", S(CLONING), IS_CLONING),
	NOT("promote", S(PROMOTING), "this node is being promoted already"),
	NOT("promote", S(BEHIND), IS_BEHIND),
	NOT("promote", STOPPED, IS_STOPPED),

	MAY("switchover", S(SYNCED)),
	NOT("switchover", S(SINGLE), "this node is on its own: there is no secondary to hand over to; `holdfast ha setup` makes one"),
	NOT("switchover", S(ALONE), "the secondaries are not in step: wait until `holdfast ha status` says Alive"),
	NOT("switchover", S(HANDING), "this node is handing over already"),
	NOT("switchover", S(FENCED), IS_FENCED),
	NOT("switchover", S(BEHIND), IS_BEHIND),
	NOT("switchover", S(DUPLICATE), IS_DUPLICATE),
	NOT("switchover", S(PROMOTING), IS_PROMOTED),
	THERE("switchover", FOLLOWING | S(CLONING), IS_SECONDARY),
	NOT("switchover", S(EMERGENCY), "this node gives emergency access and has nothing to hand over: if its primary is gone for good, run `holdfast ha promote` here"),
	NOT("switchover", STOPPED, IS_STOPPED),
	NOT("switchover", REMOVED, IS_REMOVED),

	MAY("rejoin", FOLLOWING | S(EMERGENCY) | STOPPED),
	NOT("rejoin", SERVING, IS_PRIMARY),
	NOT("rejoin", S(HANDING), IS_HANDING),
	NOT("rejoin", S(FENCED), IS_FENCED),
	NOT("rejoin", S(CLONING), "this node is being copied already"),
	NOT("rejoin", S(PROMOTING), IS_PROMOTED),
	NOT("rejoin", S(BEHIND), IS_BEHIND),
	NOT("rejoin", S(DUPLICATE), IS_DUPLICATE),
	NOT("rejoin", REMOVED, IS_REMOVED),

	MAY("rejoin --in-place", S(FENCED)),
	NOT("rejoin --in-place", SERVING, IS_PRIMARY),
	NOT("rejoin --in-place", FOLLOWING, "only a former primary is rewound in place: run `holdfast ha rejoin`"),
	NOT("rejoin --in-place", S(EMERGENCY), "there is no primary to go back to: repeat this when it serves"),
	NOT("rejoin --in-place", S(HANDING), IS_HANDING),
	NOT("rejoin --in-place", S(CLONING), IS_CLONING),
	NOT("rejoin --in-place", S(PROMOTING), IS_PROMOTED),
	NOT("rejoin --in-place", S(BEHIND), IS_BEHIND),
	NOT("rejoin --in-place", S(DUPLICATE), IS_DUPLICATE),
	NOT("rejoin --in-place", STOPPED, IS_STOPPED),
	NOT("rejoin --in-place", REMOVED, IS_REMOVED),

	MAY("reconcile", S(BEHIND)),
	NOT("reconcile", SERVING | S(HANDING) | S(FENCED) | S(CLONING) | FOLLOWING | S(EMERGENCY) | S(PROMOTING) | S(DUPLICATE),
	    "this node has not lost events of its log: there is nothing to reconcile"),
	NOT("reconcile", STOPPED, IS_STOPPED),

	MAY("remove", SERVING),
	NOT("remove", S(HANDING), IS_HANDING),
	NOT("remove", S(FENCED), IS_FENCED),
	NOT("remove", S(PROMOTING), IS_PROMOTED),
	NOT("remove", S(BEHIND), IS_BEHIND),
	NOT("remove", S(DUPLICATE), IS_DUPLICATE),
	THERE("remove", FOLLOWING | S(CLONING), "this node is not the serving primary"),
	NOT("remove", S(EMERGENCY), "this node gives emergency access and is not the primary: if that one is gone for good, run `holdfast ha promote` here, then this"),
	NOT("remove", STOPPED, IS_STOPPED),
	NOT("remove", REMOVED, IS_REMOVED),

	MAY("emergency on", FOLLOWING | S(EMERGENCY)),
	NOT("emergency on", SERVING, "this node is the primary and serves everyone: run `holdfast ha emergency on` on a secondary"),
	NOT("emergency on", S(HANDING), IS_HANDING),
	NOT("emergency on", S(FENCED), "this node is a former primary: it gives emergency access by itself as soon as the later primary does not serve"),
	NOT("emergency on", S(CLONING), IS_CLONING),
	NOT("emergency on", S(PROMOTING), IS_PROMOTED),
	NOT("emergency on", S(BEHIND), IS_BEHIND),
	NOT("emergency on", S(DUPLICATE), "this node gives emergency access already: two programs of it run"),
	NOT("emergency on", STOPPED, IS_STOPPED),

	MAY("emergency off", EACH_STATE),
	NOT("emergency off", STOPPED, IS_STOPPED),

	MAY("unlock", S(EMERGENCY) | S(PROMOTING) | S(DUPLICATE)),
	NOT("unlock", SERVING, IS_OWN_DATA),
	NOT("unlock", S(STANDBY), "this node stands by and gives nothing out: its primary serves; where users do not reach that one, run `holdfast ha emergency on` here first"),
	NOT("unlock", S(MERGING), "the primary serves again, and with it everybody: nothing is locked there"),
	NOT("unlock", S(RESEED), "this node is being rebuilt: the primary serves, and with it everybody: nothing is locked there"),
	NOT("unlock", S(HANDING), IS_HANDING),
	NOT("unlock", S(FENCED), IS_FENCED),
	NOT("unlock", S(CLONING), IS_CLONING),
	NOT("unlock", S(BEHIND), IS_BEHIND),

	MAY("repair-journal", STOPPED),
	NOT("repair-journal", SERVING | S(HANDING), IS_RUNNING "the secondaries give emergency access meanwhile"),
	NOT("repair-journal", S(EMERGENCY) | S(PROMOTING) | S(DUPLICATE), IS_RUNNING "nobody has emergency access here meanwhile"),
	NOT("repair-journal", FOLLOWING | S(FENCED) | S(CLONING) | S(BEHIND), IS_RUNNING "nobody is served here"),
};
/* clang-format on */

const struct order_row *
order_rows(unsigned *ret_n)
{
	*ret_n = ARRAY_LEN(rows);
	return rows;
}

static const struct order_row *
find_row(const char *order, unsigned place)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].order, order) == 0 && (rows[i].places & (1u << place)))
			return &rows[i];
	}
	return NULL;
}

int
order_check(const char *order, unsigned place, const char *primary, struct err *e)
{
	const struct order_row *r = find_row(order, place);

	if (!r)
		return err_set(e, ERR_USAGE, "there is no order \"%s\"", order);
	if (!r->why)
		return 0;
	if (!r->there)
		return err_set(e, ERR_REFUSED, "%s", r->why);
	return err_set(e, ERR_REFUSED, "%s: run `holdfast ha %s` on the primary%s%s", r->why, order,
		       primary[0] ? " " : "", primary);
}

int
order_check_removed(const char *order, enum ha_state s, const char *primary, struct err *e)
{
	return order_check(order, find_row(order, ORDER_REMOVED) ? ORDER_REMOVED : (unsigned)s,
			   primary, e);
}
