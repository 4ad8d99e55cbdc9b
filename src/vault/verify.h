/* SPDX-License-Identifier: Apache-2.0
 *
 * Verifies the whole log: walks every node's chain, recomputes each hash through keyd, and compares
 * the end of this node's chain with what it remembers outside the database (the end mark, the
 * ledger's head). Finds any row that was changed, removed, inserted or swapped, and a cut end.
 */
#pragma once

#include "vault/audit_break.h"

#define VERIFY_NODES_MAX 512
#define VERIFY_BREAKS_MAX 64

struct verify_node {
	struct uuid node;   /* the id of the chain */
	struct uuid writer; /* the node whose chain it is */
	int64_t events;	    /* verified */
	int64_t last_seq;   /* verified up to here */
	bool broken;
	int64_t broken_seq; /* the first event that does not fit */
	char why[256];
};

struct verify_result {
	bool good;	/* no chain is broken */
	int64_t events; /* verified, all nodes */
	unsigned nnodes;
	struct verify_node nodes[VERIFY_NODES_MAX];
	unsigned naccepted; /* breaks that were met */
	struct audit_break accepted[VERIFY_BREAKS_MAX];
};

/* 0 when the log could be read to its end or to the breaks – then look at ret->good. */
int verify_run(struct vault *v, struct fiber *f, struct verify_result *ret, struct err *e) MUST_USE;
/* The same, but goes on after every break, as if all were accepted: ret->accepted has the new ones
 * (seq_by 0) too. ret->good is false if there is one that nothing can follow. */
int verify_collect(struct vault *v, struct fiber *f, struct verify_result *ret,
		   struct err *e) MUST_USE;
