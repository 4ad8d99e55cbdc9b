/* SPDX-License-Identifier: Apache-2.0
 *
 * A hash of users; of each a ring of what they retrieved, the oldest first, with a hash over its places.
 */
#include "vault/retrieve_rate.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

#define BUCKETS 1024 /* a power of 2 */
#define ROOM 16	     /* at first; a power of 2 */

struct seen {
	uint64_t what;
	int64_t at_us;
	uint32_t next; /* in its bucket: 1 + place; 0 none */
};

struct row {
	struct uuid user;
	struct row *next; /* in its bucket */
	struct seen *seen;
	uint32_t *bucket;   /* as many as there are places */
	uint32_t room;	    /* places, a power of 2 */
	uint32_t oldest, n; /* place of the oldest, how many */
	int64_t told_us;    /* 0: not told */
	bool told_holds;
};

struct retrieve_rate {
	struct row *bucket[BUCKETS];
	struct row row[RETRIEVE_RATE_USERS];
	uint32_t n;
};

struct retrieve_rate *
retrieve_rate_new(void)
{
	return mem_new(sizeof(struct retrieve_rate));
}

static void
empty(struct row *r)
{
	free(r->seen);
	free(r->bucket);
	*r = (struct row){ .user = r->user, .next = r->next };
}

void
retrieve_rate_free(struct retrieve_rate *t)
{
	for (uint32_t i = 0; t && i < t->n; i++)
		empty(&t->row[i]);
	free(t);
}

/* The last bytes of a UUIDv7 are random (RFC 9562, 5.7). */
static uint64_t
tail(const struct uuid *id)
{
	uint64_t x;

	memcpy(&x, id->b + sizeof(id->b) - sizeof(x), sizeof(x));
	return x;
}

/* ---- what a user retrieved ---- */

static uint32_t
place_of(const struct row *r, uint32_t i)
{
	return (r->oldest + i) & (r->room - 1);
}

static uint32_t *
bucket_of(const struct row *r, uint64_t what)
{
	return &r->bucket[what >> 32 & (r->room - 1)];
}

static bool
has(const struct row *r, uint64_t what)
{
	uint32_t at = r->room ? *bucket_of(r, what) : 0;

	while (at && r->seen[at - 1].what != what)
		at = r->seen[at - 1].next;
	return at != 0;
}

static void
put(struct row *r, uint64_t what, int64_t at_us)
{
	uint32_t place = place_of(r, r->n++), *bucket = bucket_of(r, what);

	r->seen[place] = (struct seen){ .what = what, .at_us = at_us, .next = *bucket };
	*bucket = place + 1;
}

static void
grow(struct row *r)
{
	struct row old = *r;

	r->room = old.room ? 2 * old.room : ROOM;
	r->seen = mem_new(r->room * sizeof(*r->seen));
	r->bucket = mem_new(r->room * sizeof(*r->bucket));
	r->oldest = r->n = 0;
	for (uint32_t i = 0; i < old.n; i++) {
		const struct seen *x = &old.seen[place_of(&old, i)];

		put(r, x->what, x->at_us);
	}
	free(old.seen);
	free(old.bucket);
}

static void
drop_oldest(struct row *r)
{
	uint32_t *at = bucket_of(r, r->seen[r->oldest].what);

	while (*at != r->oldest + 1)
		at = &r->seen[*at - 1].next;
	*at = r->seen[r->oldest].next;
	r->oldest = place_of(r, 1);
	r->n--;
}

/* What a clock that was put back leaves in the future is over too: nobody is counted until it comes. */
static bool
is_over(int64_t at_us, int64_t now_us, int64_t window_us)
{
	return at_us > now_us || now_us - at_us >= window_us;
}

static void
drop_over(struct row *r, int64_t now_us, int64_t window_us)
{
	while (r->n && is_over(r->seen[r->oldest].at_us, now_us, window_us))
		drop_oldest(r);
}

/* ---- users ---- */

static struct row **
users(struct retrieve_rate *t, const struct uuid *user)
{
	return &t->bucket[tail(user) >> 32 & (BUCKETS - 1)];
}

static struct row *
find(struct retrieve_rate *t, const struct uuid *user)
{
	struct row *r = *users(t, user);

	while (r && !uuid_eq(&r->user, user))
		r = r->next;
	return r;
}

static int64_t
newest_us(const struct row *r)
{
	return r->n ? r->seen[place_of(r, r->n - 1)].at_us : 0;
}

/* Whoever counts least, and of those whose last is the oldest. */
static struct row *
find_least(struct retrieve_rate *t, int64_t now_us, int64_t window_us)
{
	struct row *least = NULL;

	for (uint32_t i = 0; i < t->n; i++) {
		struct row *r = &t->row[i];

		drop_over(r, now_us, window_us);
		if (!least || r->n < least->n ||
		    (r->n == least->n && newest_us(r) < newest_us(least)))
			least = r;
	}
	return least;
}

static void
unlink_user(struct retrieve_rate *t, const struct row *r)
{
	struct row **at = users(t, &r->user);

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
}

/* What is counted there stays (N3). */
static struct row *
take_place(struct retrieve_rate *t, const struct uuid *user, int64_t now_us, int64_t window_us)
{
	struct row *r, **bucket = users(t, user);

	if (t->n < RETRIEVE_RATE_USERS) {
		r = &t->row[t->n++];
	} else {
		r = find_least(t, now_us, window_us);
		unlink_user(t, r);
	}
	r->user = *user;
	r->told_us = 0;
	r->next = *bucket;
	*bucket = r;
	return r;
}

static enum retrieve_rate_found
tell(struct row *r, int64_t now_us, const struct retrieve_rate_limit *l)
{
	if (r->told_us && !is_over(r->told_us, now_us, l->window_us) &&
	    (r->told_holds || !l->holds))
		return RETRIEVE_RATE_TOLD;
	r->told_us = now_us;
	r->told_holds = l->holds;
	return RETRIEVE_RATE_NEWS;
}

enum retrieve_rate_found
retrieve_rate_note(struct retrieve_rate *t, const struct uuid *user, const struct uuid *what,
		   int64_t now_us, const struct retrieve_rate_limit *l)
{
	struct row *r = find(t, user);
	bool many;

	if (!r)
		r = take_place(t, user, now_us, l->window_us);
	drop_over(r, now_us, l->window_us);
	if (has(r, tail(what)))
		return RETRIEVE_RATE_USUAL;
	many = r->n >= l->limit;
	while (r->n >= l->limit)
		drop_oldest(r);
	if (r->n == r->room)
		grow(r);
	put(r, tail(what), now_us);
	return many ? tell(r, now_us, l) : RETRIEVE_RATE_USUAL;
}

void
retrieve_rate_untold(struct retrieve_rate *t, const struct uuid *user)
{
	struct row *r = find(t, user);

	if (r)
		r->told_us = 0;
}

void
retrieve_rate_forget(struct retrieve_rate *t, const struct uuid *user)
{
	struct row *r = find(t, user);

	if (r)
		empty(r);
}
