/* SPDX-License-Identifier: Apache-2.0
 *
 * Verifies the whole log: walks every node's chain, recomputes each hash through keyd, and compares
 * the end of this node's chain with what it remembers outside the database (the end mark, the
 * ledger's head). Finds any row that was changed, removed, inserted or swapped, and a cut end; and
 * events that the tables refused in a merge, which nobody is told of otherwise.
 */
#pragma once

#include "vault/audit_break.h"

#define VERIFY_NODES_MAX 512
#define VERIFY_BREAKS_MAX 64
#define VERIFY_IDLE_MAX 64 /* that are named; of more these are the first */

struct verify_node {
	struct uuid node;   /* the id of the chain */
	struct uuid writer; /* the node whose chain it is */
	int64_t events;	    /* verified */
	int64_t last_seq;   /* verified up to here */
	bool broken;
	int64_t broken_seq; /* the first event that does not fit */
	char why[256];
};

/* Events first … last of a chain that are in the log, but without effect. */
struct verify_idle {
	struct uuid chain;
	int64_t first, last;
	struct uuid by_chain; /* the event that took them in */
	int64_t by_seq, at_us;
	char why[256];
};

struct verify_result {
	bool good;	/* no chain is broken, and every event has its effect */
	int64_t events; /* verified, all nodes */
	unsigned nnodes;
	struct verify_node nodes[VERIFY_NODES_MAX];
	unsigned naccepted; /* breaks that were met */
	struct audit_break accepted[VERIFY_BREAKS_MAX];
	unsigned nidle; /* that nobody accepted */
	struct verify_idle idle[VERIFY_IDLE_MAX];
};

/* 0 when the log could be read to its end or to the breaks – then look at ret->good. */
int verify_run(struct vault *v, struct fiber *f, struct verify_result *ret, struct err *e) MUST_USE;
/* The same, but goes on after every break, as if all were accepted: ret->accepted has the new ones
 * (seq_by 0) too. ret->good is false if there is one that nothing can follow. */
int verify_collect(struct vault *v, struct fiber *f, struct verify_result *ret,
		   struct err *e) MUST_USE;
