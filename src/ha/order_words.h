/* SPDX-License-Identifier: Apache-2.0
 *
 * What whoever gives an order is told before it, and what it leads to: the same from the command line
 * and from the console. Whether it may be given is in ha/orders.h. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/state.h"
#include "base/statepage.h"

#define ORDER_ASK_PROMOTE "Make this node the primary?"
#define ORDER_ASK_REMOVE "Take it out?"

/* What there is to know before a node is promoted; lines. */
void order_words_promote(const struct statepage_view *v, struct buf *out) NONNULL;
/* One of the other secondaries, of which the best is promoted. as_of: "" not known. */
void order_words_other(const char *name, bool answers, const char *as_of, bool has_more,
		       struct buf *out) NONNULL;
/* Before a node is taken out of the pair. */
void order_words_remove(const char *name, struct buf *out) NONNULL;

/* What an order leads to, by the states of the node it was given on. */
struct order_goal {
	const char *order; /* as ha/orders.h has it */
	const char *verb;  /* the agent's word for it, and what goes with that */
	const char *with;
	unsigned through; /* bits, 1 << enum ha_state: it is under way */
	unsigned good, bad;
	const char *done;
};

/* NULL: it is over when it is answered. */
const struct order_goal *order_goal(const char *order) NONNULL;
