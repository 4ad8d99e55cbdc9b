/* SPDX-License-Identifier: Apache-2.0
 *
 * What an operator may order of a node in which state, and what they are told otherwise (H14). Each order has one row for each place
 * where a node may be; docs/ha.md prints the table. What is more than that (whether the primary serves, whether a copy is under way)
 * whoever carries the order out looks at besides (agent/agent_order.c).
 */
#pragma once

#include <stdbool.h>
#include "base/err.h"
#include "base/state.h"

/* Where a node is that is not in a state of the pair. */
enum order_place {
	ORDER_STOPPED = HA_STATE_COUNT, /* it does not run */
	ORDER_REMOVED, /* it was taken out of the pair; an order without a row for this goes by the state */
	ORDER_PLACES
};

/* What is said of a node that does not run; takes the command that starts it. */
#define ORDER_NOT_RUNNING "the node does not run here: start it with `%s`, then repeat"

struct order_row {
	const char *order; /* "promote", "emergency on" */
	unsigned places;   /* bits: 1 << enum ha_state or enum order_place */
	const char *why;   /* why not, and what to do instead; NULL: it may be ordered */
	bool there;	   /* to be ordered on the primary instead, which is named */
};

const struct order_row *order_rows(unsigned *ret_n) NONNULL;

/* 0: it may be ordered. ERR_REFUSED: it may not, with the reason and what to do. place: an enum ha_state or an enum order_place;
 * primary: the name of the node that is the primary, "" when it is not known. ERR_USAGE: there is no such order. */
int order_check(const char *order, unsigned place, const char *primary,
		struct err *e) NONNULL MUST_USE;
/* Of a node that was taken out of the pair, and is in this state otherwise. */
int order_check_removed(const char *order, enum ha_state s, const char *primary,
			struct err *e) NONNULL MUST_USE;
