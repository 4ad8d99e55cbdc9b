/* SPDX-License-Identifier: Apache-2.0
 *
 * The one read of a retrieval, gathered: while a statement is with PostgreSQL those who come ask together in the next one.
 * PostgreSQL's work of beginning a statement and the switches between processes are then paid once for all of them, as
 * group commit does for writes. Core thread of vaultd only.
 */
#pragma once

#include "base/fiber.h"
#include "store/db.h"

struct gather;
struct vault;

/* A row of a result that several share. */
struct gathered {
	struct gather_batch *batch;
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
