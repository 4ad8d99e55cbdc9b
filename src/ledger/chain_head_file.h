/* SPDX-License-Identifier: Apache-2.0
 *
 * The anchor: the end of the node's own chain, kept in a small file beside the database. Whoever
 * cuts the end of the log off in the database does not cut it off here. File: node (16) ‖ be64 seq
 * ‖ hash (32), written in place after each batch and synced a moment later: it may be a little older
 * than the log, never newer. A database that was put back to an older state does not take it along.
 */
#pragma once

#include <stdbool.h>
#include "base/uuid.h"
#include "crypto/keys.h"

struct chain_head_file {
	struct uuid node;
	int64_t seq;
	uint8_t hash[KEYS_HASH_BYTES];
};

int chain_head_file_write(int fd,
			  const struct chain_head_file *a) NONNULL; /* 0, or -1 with errno */
/* false when there is none. */
bool chain_head_file_read(int fd, struct chain_head_file *ret) NONNULL;
