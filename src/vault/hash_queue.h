/* SPDX-License-Identifier: Apache-2.0
 *
 * Who hashes a password next (H17). Argon2id takes 64 MiB and a processor, so a few hash at once and the others queue: the first of each source before the second
 * of any, and of those who are equal the oldest. When the queue is full, the source with the most in it makes room for one that has fewer, so nobody keeps others
 * out by being many. A source is a user or, of strangers, an address (base/source.h). Core thread of vaultd only.
 */
#pragma once

#include <stdint.h>
#include "base/err.h"
#include "base/fiber.h"
#include "base/source.h"

#define HASH_QUEUE_RUNNING 2
#define HASH_QUEUE_WAITING 64
#define HASH_QUEUE_WAIT_MS 20000 /* nobody waits longer, while others are hashed */

struct hash_queue;

struct hash_queue *hash_queue_new(int wait_ms) MUST_USE;
void hash_queue_free(struct hash_queue *q); /* nobody may be in it; takes NULL */

/* Sleeps until it is the caller's turn. ERR_LOCKED_OUT: too many are in work. */
int hash_queue_enter(struct hash_queue *q, struct fiber *f,
		     const uint8_t source[static SOURCE_BYTES], struct err *e) NONNULL MUST_USE;
/* Once for each who entered. */
void hash_queue_leave(struct hash_queue *q, const uint8_t source[static SOURCE_BYTES]) NONNULL;
