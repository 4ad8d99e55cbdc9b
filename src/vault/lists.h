/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists and searches: statements that read many rows for one person. They have connections of their
 * own, one statement at a time on each, so that whoever retrieves, logs in or changes something never
 * queues behind them. A statement's lane says what it may cost:
 *
 *   look-up  by a key, or one page in the order of an index: short, whatever the vault holds
 *   search   may walk over all of a table
 *
 * Searches never hold all connections, so a look-up never waits for one. Everybody's first statement comes before anybody's
 * second, and so on; nobody waits longer than LISTS_WAIT_MS. Whatever exceeds a bound is refused with ERR_BUSY before the
 * database is asked. The database ends a statement that takes longer than the setting list_timeout: ERR_LIST_TIMEOUT.
 *
 * Core thread of vaultd only.
 */
#pragma once

#include "vault/vault.h"

#define LISTS_CONNECTIONS_MAX 8
#define LISTS_WAIT_MS 3000 /* clients wait four seconds for an answer */
#define LISTS_RETRY_S "1"  /* what a refused client is told */

enum lists_lane { LISTS_NONE, LISTS_LOOKUP, LISTS_SEARCH };

/* How many statements of a lane may run or wait, per user and in total. */
struct lists_bound {
	const char *many; /* "searches" */
	unsigned per_user, total;
};

struct lists_stats {
	unsigned running, waiting;
	uint64_t refused;
};

/* How many connections lists have, and how many of them searches may hold at once. */
unsigned lists_connections(void);
unsigned lists_searches(void);

/* db: lists_connections() of them; they stay the caller's. */
struct lists *lists_new(uv_loop_t *loop, struct db *const *db) NONNULL MUST_USE;
void lists_free(struct lists *l); /* nobody may be inside; takes NULL */

enum lists_lane lists_lane(enum stmt s); /* LISTS_NONE: it is not a list */
const struct lists_bound *lists_bound(enum lists_lane lane);
struct lists_stats lists_stats(const struct lists *l); /* takes NULL */

/* One statement of a list, as db_exec. Also ERR_BUSY, ERR_LIST_TIMEOUT. user: whose turn it counts as; NULL: the
 * node's own. A vault without lists (a restore) asks its readers. */
int lists_exec(struct vault *v, struct fiber *f, const struct uuid *user, enum stmt s,
	       const struct binds *b, struct rows **ret_rows, struct err *e) MUST_USE;

/* The same for a call. Once a rule's event is durable, what it still reads for its answer is never
 * refused: it asks a reader, like any statement that is not a list. */
int lists_ask(struct call *c, enum stmt s, const struct binds *b, struct rows **ret_rows,
	      struct err *e) MUST_USE;
