/* SPDX-License-Identifier: Apache-2.0
 *
 * Locks: one queue of fibers per record, for rules that check and then change. Changes of one record
 * happen one after the other; changes of different records never wait for each other. Core thread
 * only. A fiber that takes several locks takes them in order of their ids, or may wait for ever.
 */
#pragma once

#include "base/fiber.h"
#include "base/uuid.h"

struct record_locks;
struct record_lock;

struct record_locks *record_locks_new(void) MUST_USE;
void record_locks_free(struct record_locks *g); /* nobody may be inside; takes NULL */

/* Takes the lock of a record; sleeps until nobody else has it. */
struct record_lock *record_lock_take(struct record_locks *g, struct fiber *f,
				     const struct uuid *id) NONNULL MUST_USE;
void record_lock_release(struct record_lock *lock); /* takes NULL */
/* How many fibers are inside or wait for the lock of this record. */
unsigned record_lock_waiting(const struct record_locks *g, const struct uuid *id) NONNULL;

DEFINE_GUARD(record_lock_guard, struct record_lock, record_lock_release)
/* auto_record_lock g = record_lock_take(v->record_locks, f, &id); – left at the end of the block */
#define auto_record_lock FREE_WITH(record_lock_guard) __attribute__((unused)) struct record_lock *
