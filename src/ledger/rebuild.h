/* SPDX-License-Identifier: Apache-2.0
 *
 * Rebuilds the derived tables from the log alone and compares them with the real ones (H15).
 *
 *  1. The same apply statements fill temporary tables on a connection of their own, which may write
 *     to nothing else (rebuild_session): PostgreSQL itself protects the real tables, and drops the
 *     temporary ones however the connection ends.
 *  2. The log is applied in the order that it proves (rebuild_order.c): first while it grows, then up to the
 *     ends that one snapshot has; the tables are compared in the same snapshot. So it may run while users work.
 *  3. What is not compared, and why, is in ledger/rebuild.def.
 *
 * Works in steps, so that it can report its progress. Not on a standby, where no table can be created.
 */
#pragma once

#include "base/fiber.h"
#include "store/db.h"

#define REBUILD_DIFFERENCES_MAX 100 /* that are named */

struct rebuild_place {
	struct uuid node;
	int64_t seq;
};

struct rebuild_difference {
	const char *table;
	char id[256];	   /* of the row */
	bool held, told;   /* the table has it; the log tells of it */
	char columns[256]; /* that differ, separated by spaces; "" where one side lacks the row */
};

struct rebuild_result {
	int64_t events, applied; /* of the log; so far */
	bool done, good;	 /* good: known when it is done */
	const char *table;	 /* that is being compared, or NULL */
	unsigned ndifferences;
	struct rebuild_difference difference[REBUILD_DIFFERENCES_MAX];
	bool more; /* than are named */
	/* Events whose place among those of other nodes the log does not prove, and the first of
	 * them: they may explain a difference. */
	int64_t unproven;
	struct rebuild_place first_unproven;
	/* Events that the real tables accepted and the rebuilt ones refuse. */
	int64_t refused;
	struct rebuild_place first_refused;
	char why[256];
};

struct rebuild;

/* PostgreSQL's settings for a rebuild's connection. */
extern const char rebuild_session[];

/* d: a connection that nobody else uses, made with rebuild_session; taken over. */
struct rebuild *rebuild_take_db(struct db *d) NONNULL MUST_USE;
void rebuild_free(struct rebuild *r); /* takes NULL */
/* Does one step, less than a second's work unless a table is huge. Repeat until done. Any error is final. */
int rebuild_step(struct rebuild *r, struct fiber *f, struct err *e) MUST_USE;
const struct rebuild_result *rebuild_result(const struct rebuild *r) NONNULL;
