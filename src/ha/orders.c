/* SPDX-License-Identifier: Apache-2.0 */
#include "ha/orders.h"

#include <string.h>

#define S(state) (1u << HA_##state)
#define SERVING (S(SINGLE) | S(SYNCED) | S(ALONE))
#define FOLLOWING (S(STANDBY) | S(MERGING) | S(RESEED))
#define MAY(order, states)                                                                         \
	{                                                                                          \
		order, states, NULL, false                                                         \
	}
#define NOT(order, states, why)                                                                    \
	{                                                                                          \
		order, states, why, false                                                          \
	}
#define THERE(order, states, why)                                                                  \
	{                                                                                          \
		order, states, why, true                                                           \
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
#define IS_CLONING "this node has no database yet: it is being copied"
#define IS_SECONDARY "this node is a secondary"

/* clang-format off */
static const struct order_row rows[] = {
	MAY("promote", FOLLOWING | S(EMERGENCY) | S(FENCED) | S(DUPLICATE)),
	NOT("promote", SERVING, "this node is the primary already"),
	NOT("promote", S(HANDING), IS_HANDING),
	NOT("promote", S(CLONING), IS_CLONING),
	NOT("promote", S(PROMOTING), "this node is being promoted already"),
	NOT("promote", S(BEHIND), IS_BEHIND),

	MAY("switchover", S(SYNCED)),
	NOT("switchover", S(SINGLE), "this node is on its own: there is no secondary to hand over to; `holdfast ha setup` makes one"),
	NOT("switchover", S(ALONE), "the secondaries are not in step: wait until `holdfast ha status` says Alive"),
	NOT("switchover", S(HANDING), "this node is handing over already"),
	NOT("switchover", S(FENCED), IS_FENCED),
	NOT("switchover", S(BEHIND), IS_BEHIND),
	NOT("switchover", S(DUPLICATE), IS_DUPLICATE),
	NOT("switchover", S(PROMOTING), IS_PROMOTED),
	THERE("switchover", FOLLOWING | S(CLONING), IS_SECONDARY),
	THERE("switchover", S(EMERGENCY), "this node gives emergency access: it has nothing to hand over"),

	MAY("rejoin", FOLLOWING | S(EMERGENCY)),
	NOT("rejoin", SERVING, "this node is the primary: nothing is copied over it"),
	NOT("rejoin", S(HANDING), IS_HANDING),
	NOT("rejoin", S(FENCED), IS_FENCED),
	NOT("rejoin", S(CLONING), "this node is being copied already"),
	NOT("rejoin", S(PROMOTING), IS_PROMOTED),
	NOT("rejoin", S(BEHIND), IS_BEHIND),
	NOT("rejoin", S(DUPLICATE), IS_DUPLICATE),

	MAY("rejoin --in-place", S(FENCED)),
	NOT("rejoin --in-place", SERVING, "this node is the primary: nothing is copied over it"),
	NOT("rejoin --in-place", FOLLOWING, "only a former primary is rewound in place: run `holdfast ha rejoin`"),
	NOT("rejoin --in-place", S(EMERGENCY), "there is no primary to go back to: repeat this when it serves"),
	NOT("rejoin --in-place", S(HANDING), IS_HANDING),
	NOT("rejoin --in-place", S(CLONING), IS_CLONING),
	NOT("rejoin --in-place", S(PROMOTING), IS_PROMOTED),
	NOT("rejoin --in-place", S(BEHIND), IS_BEHIND),
	NOT("rejoin --in-place", S(DUPLICATE), IS_DUPLICATE),

	MAY("reconcile", S(BEHIND)),
	NOT("reconcile", SERVING | S(HANDING) | S(FENCED) | S(CLONING) | FOLLOWING | S(EMERGENCY) | S(PROMOTING) | S(DUPLICATE),
	    "this node has not lost events of its log: there is nothing to reconcile"),

	MAY("remove", SERVING),
	NOT("remove", S(HANDING), IS_HANDING),
	NOT("remove", S(FENCED), IS_FENCED),
	NOT("remove", S(PROMOTING), IS_PROMOTED),
	NOT("remove", S(BEHIND), IS_BEHIND),
	NOT("remove", S(DUPLICATE), IS_DUPLICATE),
	THERE("remove", FOLLOWING | S(CLONING) | S(EMERGENCY), "this node is not the serving primary"),

	MAY("emergency on", FOLLOWING | S(EMERGENCY)),
	NOT("emergency on", SERVING, "this node is the primary and serves everyone: emergency access is ordered on a secondary"),
	NOT("emergency on", S(HANDING), IS_HANDING),
	NOT("emergency on", S(FENCED), "this node is a former primary: it gives emergency access by itself as soon as the later primary does not serve"),
	NOT("emergency on", S(CLONING), IS_CLONING),
	NOT("emergency on", S(PROMOTING), IS_PROMOTED),
	NOT("emergency on", S(BEHIND), IS_BEHIND),
	NOT("emergency on", S(DUPLICATE), "this node gives emergency access already: two programs of it run"),
};
/* clang-format on */

const struct order_row *
order_rows(unsigned *ret_n)
{
	*ret_n = ARRAY_LEN(rows);
	return rows;
}

int
order_check(const char *order, enum ha_state s, const char *primary, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct order_row *r = &rows[i];

		if (strcmp(r->order, order) != 0 || !(r->states & (1u << s)))
			continue;
		if (!r->why)
			return 0;
		if (!r->there)
			return err_set(e, ERR_PRECONDITION, "%s", r->why);
		return err_set(e, ERR_PRECONDITION, "%s: run `holdfast ha %s` on the primary%s%s",
			       r->why, order, primary[0] ? " " : "", primary);
	}
	return err_set(e, ERR_USAGE, "the agent knows no command \"%s\"", order);
}
