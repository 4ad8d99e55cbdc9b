/* SPDX-License-Identifier: Apache-2.0
 *
 * The one read of a retrieval, gathered: while a statement is with PostgreSQL those who come ask together in the next one.
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

struct gather;
struct vault;

/* A row of a result that several share. */
struct gathered {
	struct rowcache_batch *batch;
	const struct rows *rows;
	int row;
};

struct gather *gather_new(struct vault *v) NONNULL MUST_USE;
void gather_free(struct gather *g); /* nobody waits any more; takes NULL */

/* What the account `id` is to `principal`, and its version n (0: the current one); the columns are those of
 * STMT_ACCOUNT_OPEN. ERR_NOT_FOUND when there is no such account; else what db_exec gives. Give it back with
 * gathered_done. */
int gather_account(struct gather *g, struct fiber *f, const struct uuid *id,
		   const struct uuid *principal, int n, struct gathered *ret,
		   struct err *e) NONNULL MUST_USE;
void gathered_done(struct gathered *x); /* one that was never filled too */

/* What is kept of an account, for whoever: not good, ask the database again. */
void gather_doubt(struct gather *g, const struct uuid *account) NONNULL;
/* Of the ledger's on_durable (G1). */
void gather_on_event(struct gather *g, const struct event *ev) NONNULL;
struct rowcache_stats gather_stats(const struct gather *g) NONNULL;
