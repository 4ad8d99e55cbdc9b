/* SPDX-License-Identifier: Apache-2.0
 *
 * Caches recently read rows of STMT_ACCOUNT_OPEN, so that the next retrieval of the same account by
 * the same user asks the database nothing. They are as the database has them: fields sealed.
 * Results are kept whole, and the oldest goes first. The caller decides when a row is valid
 * (vault/retrieve_batch.h). Core thread of vaultd only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include "base/uuid.h"
#include "store/db.h"

#define ROWCACHE_BATCH_MAX 64 /* rows of one result */

/* A result shared by several users; freed with the last of them. */
struct rowcache_batch;

/* Takes the rows. users: how many will release it, at least 1. */
struct rowcache_batch *rowcache_batch_new(struct rows *rows, unsigned users) NONNULL MUST_USE;
void rowcache_batch_release(struct rowcache_batch *b); /* takes NULL */
const struct rows *rowcache_batch_rows(const struct rowcache_batch *b) NONNULL;

struct rowcache;

/* max_bytes: of all results held, as libpq counts them; 0: nothing is held. */
struct rowcache *rowcache_new(size_t max_bytes) MUST_USE;
void rowcache_free(struct rowcache *c); /* takes NULL */

/* The result that holds the account as this principal sees it, and its row; NULL if none does. The
 * caller becomes a user of the result and releases it. */
struct rowcache_batch *rowcache_find(struct rowcache *c, const struct uuid *account,
				     const struct uuid *principal, int *ret_row) NONNULL MUST_USE;

struct rowcache_key {
	struct uuid account, principal;
	int row;
};
/* Caches rows of a result, n at most ROWCACHE_BATCH_MAX; each result once. Replaces what was held for the same keys. */
void rowcache_put(struct rowcache *c, struct rowcache_batch *b, const struct rowcache_key *keys,
		  size_t n) NONNULL;

void rowcache_drop(struct rowcache *c, const struct uuid *account) NONNULL; /* whoever sees it */
void rowcache_clear(struct rowcache *c) NONNULL;

struct rowcache_stats {
	uint64_t hits, misses; /* of rowcache_find */
	size_t rows, bytes;    /* held now */
};
struct rowcache_stats rowcache_stats(const struct rowcache *c) NONNULL;
