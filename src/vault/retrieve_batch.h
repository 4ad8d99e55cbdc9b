/* SPDX-License-Identifier: Apache-2.0
 *
 * Batches the reads behind retrievals: requests that arrive while a statement is in flight share the next one.
 * PostgreSQL's work of beginning a statement and the switches between processes are then paid once for all of them, as
 * group commit does for writes.
 *
 * On a primary the rows read are kept (vault/rowcache.h), for as long as nothing that they are made of has changed:
 *
 *   G1  Every change of the tables is an event, and the ledger tells of it before it answers who made it: what the event is
 *       about is forgotten then, and what is just being read of it is not kept.
 *   G2  Where that does not hold (a secondary; a ledger that does not know what became of a write) nothing is kept, and what
 *       was kept before such a time is forgotten, as at each change of the node's state.
 *
 * So whoever asks after a change was answered never gets what was before it. Core thread of vaultd only.
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

/* What the account `id` is to `principal`, and its version n (0: the current one); the columns are those of
 * STMT_ACCOUNT_OPEN. ERR_NOT_FOUND when there is no such account; else what db_exec gives. Give it back with
 * retrieve_batch_row_done. */
int retrieve_batch_account(struct retrieve_batch *g, struct fiber *f, const struct uuid *id,
			   const struct uuid *principal, int n, struct retrieve_batch_row *ret,
			   struct err *e) NONNULL MUST_USE;
void retrieve_batch_row_done(struct retrieve_batch_row *x); /* one that was never filled too */

/* What is kept of an account, for whoever: not good, ask the database again. */
void retrieve_batch_doubt(struct retrieve_batch *g, const struct uuid *account) NONNULL;
/* Of the ledger's on_durable (G1). */
void retrieve_batch_on_event(struct retrieve_batch *g, const struct event *ev) NONNULL;
struct rowcache_stats retrieve_batch_stats(const struct retrieve_batch *g) NONNULL;
