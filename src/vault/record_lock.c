/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/record_lock.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

#define RECORD_LOCK_BUCKETS 256

struct record_lock {
	struct record_lock *next;
	struct record_locks *owner;
	struct uuid id;
	unsigned users; /* inside and waiting; the lock goes away with the last */
	struct fiber_gate queue;
};

struct record_locks {
	struct record_lock *bucket[RECORD_LOCK_BUCKETS];
	unsigned n;
};

struct record_locks *
record_locks_new(void)
{
	struct record_locks *g = mem_new(sizeof(*g));

	return g;
}

void
record_locks_free(struct record_locks *g)
{
	assert(!g || !g->n);
	free(g);
}

/* The last bytes of a UUIDv7 are random. */
static unsigned
bucket_of(const struct uuid *id)
{
	return id->b[15] % RECORD_LOCK_BUCKETS;
}

static struct record_lock *
find(const struct record_locks *g, const struct uuid *id)
{
	struct record_lock *lock = g->bucket[bucket_of(id)];

	while (lock && !uuid_eq(&lock->id, id))
		lock = lock->next;
	return lock;
}

static struct record_lock *
add(struct record_locks *g, const struct uuid *id)
{
	struct record_lock *lock = mem_new(sizeof(*lock));

	lock->owner = g;
	lock->id = *id;
	lock->next = g->bucket[bucket_of(id)];
	g->bucket[bucket_of(id)] = lock;
	g->n++;
	return lock;
}

struct record_lock *
record_lock_take(struct record_locks *g, struct fiber *f, const struct uuid *id)
{
	struct record_lock *lock = find(g, id);

	if (!lock)
		lock = add(g, id);
	lock->users++;
	fiber_gate_enter(&lock->queue, f);
	return lock;
}

static void
drop(struct record_lock *lock)
{
	struct record_lock **at = &lock->owner->bucket[bucket_of(&lock->id)];

	while (*at != lock)
		at = &(*at)->next;
	*at = lock->next;
	lock->owner->n--;
	free(lock);
}

void
record_lock_release(struct record_lock *lock)
{
	if (!lock)
		return;
	/* Leaving may run the next fiber at once, and that one may leave too: keep the lock until
	 * our own count is gone. */
	fiber_gate_leave(&lock->queue);
	if (!--lock->users)
		drop(lock);
}

unsigned
record_lock_waiting(const struct record_locks *g, const struct uuid *id)
{
	const struct record_lock *lock = find(g, id);

	return lock ? lock->users : 0;
}
