/* SPDX-License-Identifier: Apache-2.0
 *
 * Batches the reads behind retrievals: requests that arrive while a statement is in flight share
 * the next one. The cost of starting a statement and of switching between processes is then paid
 * once for all of them, as with group commit for writes.
 *
 * A primary caches the rows that it read (vault/rowcache.h) until something that they are made of changes:
 *
 *   G1  Every change of the tables is an event, which the ledger announces before it answers whoever made
 *       it: rows that the event concerns are dropped, and those being read just then are not cached.
 *   G2  Where that does not hold (a secondary; a ledger that does not know the outcome of a write)
 *       nothing is cached, and what was cached before is dropped, as at each change of the node's state.
 *   G3  What no event changes, the end of a share, a row says itself: from then on it is read anew.
 *
 * So nobody who asks after a change was answered gets what it replaced. Core thread of vaultd only.
 */
#pragma once

#include "base/fiber.h"
#include "ledger/event.h"
#include "store/db.h"
#include "vault/rowcache.h"

struct retrieve_batch;
struct vault;

/* A row of a result that several share. */
struct retrieve_batch_row {
	struct rowcache_batch *batch;
	const struct rows *rows;
	int row;
};

struct retrieve_batch *retrieve_batch_new(struct vault *v) NONNULL MUST_USE;
void retrieve_batch_free(struct retrieve_batch *g); /* nobody waits any more; takes NULL */

/* The account `id` as `principal` may see it, and its version n (0: the current one); the columns
 * are those of STMT_ACCOUNT_OPEN. ERR_NOT_FOUND when there is no such account; else what db_exec
 * gives. Give it back with retrieve_batch_row_done. */
int retrieve_batch_account(struct retrieve_batch *g, struct fiber *f, const struct uuid *id,
			   const struct uuid *principal, int n, struct retrieve_batch_row *ret,
			   struct err *e) NONNULL MUST_USE;
void retrieve_batch_row_done(struct retrieve_batch_row *x); /* one that was never filled too */

/* Distrusts what is cached of an account, for any user: the database is asked again. */
void retrieve_batch_doubt(struct retrieve_batch *g, const struct uuid *account) NONNULL;
/* Called from the ledger's on_durable (G1). */
void retrieve_batch_on_event(struct retrieve_batch *g, const struct event *ev) NONNULL;
struct rowcache_stats retrieve_batch_stats(const struct retrieve_batch *g) NONNULL;
