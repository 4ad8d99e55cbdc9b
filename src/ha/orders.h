/* SPDX-License-Identifier: Apache-2.0
 *
 * What an operator may order of a node in which state, and what they are told otherwise (H14). Each order has one row for each state;
 * docs/ha.md prints the table. What is more than the state (whether the primary serves, whether a copy is under way) the
 * agent looks at besides (agent/agent_order.c).
 */
#pragma once

#include "base/err.h"
#include "base/state.h"

struct order_row {
	const char *order; /* "promote", "emergency on" */
	unsigned states;   /* bits: 1 << enum ha_state */
	const char *why;   /* why not, and what to do instead; NULL: it may be ordered */
	bool there;	   /* to be ordered on the primary instead, which is named */
};

const struct order_row *order_rows(unsigned *ret_n) NONNULL;

/* 0: the state allows it. ERR_PRECONDITION: it does not, with the reason and what to do. primary: the name of the node that is the
 * primary, "" when it is not known. ERR_USAGE: there is no such order. */
int order_check(const char *order, enum ha_state s, const char *primary,
		struct err *e) NONNULL MUST_USE;
