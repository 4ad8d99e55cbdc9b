/* SPDX-License-Identifier: Apache-2.0
 *
 * The derived tables, made once more of the log alone and held against the real ones (H15).
 *
 *  1. They are made by the same apply statements, in temporary tables of a connection of their own, which may write to nothing
 *     else (rebuild_session): PostgreSQL itself keeps the real ones safe, and drops the others when the connection ends,
 *     however that comes.
 *  2. The log is applied in the order that it proves (rebuild_order.c), at first while it grows, and the rest up to the ends
 *     that one snapshot has; in the same snapshot the tables are compared. So it may run while users work.
 *  3. What is not compared, and why, is in ledger/rebuild.def.
 *
 * Works in steps, so that whoever waits can be told how far it is. Not on a standby: nothing can be made there.
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
	/* Events whose place among those of other nodes the log does not prove, and the first of them: a difference may come from
	 * that. */
	int64_t unproven;
	struct rebuild_place first_unproven;
	/* Events that the tables had taken, and that these ones refuse. */
	int64_t refused;
	struct rebuild_place first_refused;
	char why[256];
};

struct rebuild;

/* PostgreSQL's settings of the connection that a rebuild gets. */
extern const char rebuild_session[];

/* d: a connection that nobody else uses, made with rebuild_session; taken over. */
struct rebuild *rebuild_take_db(struct db *d) NONNULL MUST_USE;
void rebuild_free(struct rebuild *r); /* takes NULL */
/* Does some of it, less than a second's work unless a table is huge. Again until done. Any error is final. */
int rebuild_step(struct rebuild *r, struct fiber *f, struct err *e) MUST_USE;
const struct rebuild_result *rebuild_result(const struct rebuild *r) NONNULL;
