/* SPDX-License-Identifier: Apache-2.0
 *
 * For rebuild*.c only: the order in which the log is applied.
 */
#pragma once

#include "ledger/ledger_impl.h"
#include "ledger/rebuild.h"

struct order;

/* One statement's answer of the connection that the rebuild has. */
struct order_db {
	struct db *db;
	struct fiber *f;
};

struct order *order_new(void) MUST_USE;
void order_free(struct order *o); /* takes NULL */
/* Reads which events the log has now; those already taken stay so. *ret_events: how many there are. */
int order_read(struct order *o, struct order_db d, int64_t *ret_events, struct err *e) MUST_USE;

/* The next events in order, each with node, seq and kind alone. */
struct order_batch {
	struct ledger_steps steps; /* what applies them */
	struct event *v;	   /* those that are applied */
	size_t n, cap;
	int64_t taken;		     /* all events, also those that change nothing */
	bool unproven;		     /* the first one is placed by a guess */
	struct rebuild_place placed; /* that one */
};
void order_batch_done(struct order_batch *b);
/* taken 0: none is left. */
int order_next(struct order *o, struct order_db d, struct order_batch *ret, struct err *e) MUST_USE;
