/* SPDX-License-Identifier: Apache-2.0
 *
 * The end mark: where a node's own chain ends, kept beside the database (data/anchor). Whoever cuts
 * the end of the log off in the database does not cut it off here, and a database that was put back
 * to an older state does not take it along. keyd alone writes it, a moment after the log: it may be
 * a little older than the log, never newer. Others may read the file. It holds node (16) ‖ be64 seq
 * ‖ hash (32), which is also how a mark travels to keyd and back (crypto/keyproto.h).
 */
#pragma once

#include <stdbool.h>
#include "base/buf.h"
#include "base/uuid.h"
#include "crypto/keys.h"

#define ENDMARK_BYTES (16 + 8 + KEYS_HASH_BYTES)

struct endmark {
	struct uuid node;
	int64_t seq; /* 0: there is no mark */
	uint8_t hash[KEYS_HASH_BYTES];
};

void endmark_encode(const struct endmark *m, uint8_t ret[static ENDMARK_BYTES]) NONNULL;
/* Takes one off the cursor; false when there is none, or its number can be none. */
bool endmark_take(struct cursor *c, struct endmark *ret) NONNULL MUST_USE;
bool endmark_eq(const struct endmark *a, const struct endmark *b) NONNULL MUST_USE;
/* Whether a chain whose end is `now` has lost the event of the mark: it is shorter, or has another
 * one in its place. Of one node. */
bool endmark_is_cut(const struct endmark *m, const struct endmark *now) NONNULL MUST_USE;

/* In place; 0, or -1 with errno. Takes no memory. */
int endmark_write(int fd, const struct endmark *m) NONNULL MUST_USE;
/* false when there is none. */
bool endmark_read(int fd, struct endmark *ret) NONNULL MUST_USE;
