/* SPDX-License-Identifier: Apache-2.0
 *
 * A hash of rows, and a queue of the results that they are in.
 *
 *   R1  A row in the hash belongs to a result in the queue, which has the cache as one of its users.
 *   R2  A result in the queue has at least one row in the hash.
 *   R3  `bytes` is the sum over the queue, at most max_bytes.
 */
#include "vault/rowcache.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

#define BUCKETS 65536 /* a power of 2; not resident until used */

struct entry {
	struct rowcache_key key;
	struct rowcache_batch *batch;
	struct entry *next; /* in its bucket */
};

struct rowcache_batch {
	struct rows *rows;
	unsigned users;
	/* while it is held: */
	struct rowcache_batch *older, *newer;
	unsigned held; /* entries in the hash */
	size_t bytes;
	struct entry *entries;
};

struct rowcache {
	size_t max_bytes;
	struct rowcache_batch *oldest, *newest;
	struct entry **buckets;
	struct rowcache_stats stats;
};

/* ---- results ---- */

struct rowcache_batch *
rowcache_batch_new(struct rows *rows, unsigned users)
{
	struct rowcache_batch *b = mem_new(sizeof(*b));

	b->rows = rows;
	b->users = users;
	return b;
}

void
rowcache_batch_release(struct rowcache_batch *b)
{
	if (!b || --b->users)
		return;
	rows_free(b->rows);
	free(b->entries);
	free(b);
}

const struct rows *
rowcache_batch_rows(const struct rowcache_batch *b)
{
	return b->rows;
}

/* ---- the queue ---- */

static void
enqueue(struct rowcache *c, struct rowcache_batch *b)
{
	b->users++;
	b->older = c->newest;
	if (c->newest)
		c->newest->newer = b;
	else
		c->oldest = b;
	c->newest = b;
	c->stats.bytes += b->bytes;
}

static void
dequeue(struct rowcache *c, struct rowcache_batch *b)
{
	*(b->older ? &b->older->newer : &c->oldest) = b->newer;
	*(b->newer ? &b->newer->older : &c->newest) = b->older;
	b->older = b->newer = NULL;
	c->stats.bytes -= b->bytes;
	rowcache_batch_release(b);
}

/* ---- the hash ---- */

/* The last bytes of a UUIDv7 are random (RFC 9562, 5.7). */
static struct entry **
bucket(const struct rowcache *c, const struct uuid *account)
{
	uint32_t h;

	memcpy(&h, account->b + sizeof(account->b) - sizeof(h), sizeof(h));
	return &c->buckets[h % BUCKETS];
}

static bool
has_key(const struct entry *x, const struct uuid *account, const struct uuid *principal)
{
	return uuid_eq(&x->key.account, account) &&
	       (!principal || uuid_eq(&x->key.principal, principal));
}

/* Takes it out of the hash; the result goes with its last row. */
static void
unlink_at(struct rowcache *c, struct entry **at)
{
	struct rowcache_batch *b = (*at)->batch;

	*at = (*at)->next;
	c->stats.rows--;
	if (--b->held == 0)
		dequeue(c, b);
}

/* principal: NULL for all. */
static void
drop(struct rowcache *c, const struct uuid *account, const struct uuid *principal)
{
	struct entry **at = bucket(c, account);

	while (*at) {
		if (has_key(*at, account, principal))
			unlink_at(c, at);
		else
			at = &(*at)->next;
	}
}

static void
drop_oldest(struct rowcache *c)
{
	struct rowcache_batch *b = c->oldest;
	unsigned left = b->held;

	for (struct entry *x = b->entries; left; x++) {
		struct entry **at = bucket(c, &x->key.account);

		while (*at && *at != x)
			at = &(*at)->next;
		if (!*at)
			continue;
		left--; /* the last one takes the result with it */
		unlink_at(c, at);
	}
}

static void
add(struct rowcache *c, struct entry *x)
{
	struct entry **at = bucket(c, &x->key.account);

	x->next = *at;
	*at = x;
	x->batch->held++;
	c->stats.rows++;
}

/* ---- the public side ---- */

struct rowcache *
rowcache_new(size_t max_bytes)
{
	struct rowcache *c = mem_new(sizeof(*c));

	c->max_bytes = max_bytes;
	c->buckets = mem_array(BUCKETS, sizeof(struct entry *));
	return c;
}

void
rowcache_free(struct rowcache *c)
{
	if (!c)
		return;
	rowcache_clear(c);
	free(c->buckets);
	free(c);
}

struct rowcache_batch *
rowcache_find(struct rowcache *c, const struct uuid *account, const struct uuid *principal,
	      int *ret_row)
{
	struct entry *x = *bucket(c, account);

	while (x && !has_key(x, account, principal))
		x = x->next;
	if (!x) {
		c->stats.misses++;
		return NULL;
	}
	c->stats.hits++;
	x->batch->users++;
	*ret_row = x->key.row;
	return x->batch;
}

void
rowcache_put(struct rowcache *c, struct rowcache_batch *b, const struct rowcache_key *keys,
	     size_t n)
{
	assert(!b->entries && n <= ROWCACHE_BATCH_MAX);
	b->bytes = rows_bytes(b->rows) + sizeof(*b) + n * sizeof(*b->entries);
	if (n == 0 || b->bytes > c->max_bytes)
		return;
	while (c->stats.bytes + b->bytes > c->max_bytes)
		drop_oldest(c);
	b->entries = mem_array(n, sizeof(*b->entries));
	enqueue(c, b);
	for (size_t i = 0; i < n; i++) {
		b->entries[i] = (struct entry){ .key = keys[i], .batch = b };
		b->held++; /* a key that is in it twice must not take it away */
		drop(c, &keys[i].account, &keys[i].principal);
		b->held--;
		add(c, &b->entries[i]);
	}
}

void
rowcache_drop(struct rowcache *c, const struct uuid *account)
{
	drop(c, account, NULL);
}

void
rowcache_clear(struct rowcache *c)
{
	while (c->oldest)
		drop_oldest(c);
}

struct rowcache_stats
rowcache_stats(const struct rowcache *c)
{
	return c->stats;
}
