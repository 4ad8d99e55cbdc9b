/* SPDX-License-Identifier: Apache-2.0 */
#include "http/door.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/source.h"

struct door_source {
	struct door_source *next; /* of its bucket */
	uint8_t key[16];
	unsigned places, own, strangers, known;
};

/* ---- addresses ---- */

/* IPv4 inside IPv6 and IPv4 are the same; what is neither is all one. */
static void
address_of(const struct sockaddr *sa, uint8_t ret[static 16])
{
	memset(ret, 0, 16);
	if (sa->sa_family == AF_INET) {
		source_map_ipv4((const uint8_t *)&((const struct sockaddr_in *)sa)->sin_addr, ret);
	} else if (sa->sa_family == AF_INET6) {
		memcpy(ret, &((const struct sockaddr_in6 *)sa)->sin6_addr, 16);
	}
}

static bool
is_own(const struct door *d, const uint8_t a[static 16])
{
	static const uint8_t loopback[][16] = {
		{ [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 },
		{ [15] = 1 },
	};

	if (memcmp(a, loopback[0], 16) == 0 || memcmp(a, loopback[1], 16) == 0)
		return true;
	for (unsigned i = 0; i < d->nown; i++)
		if (memcmp(a, d->own[i], 16) == 0)
			return true;
	return false;
}

void
door_set_own(struct door *d, const char *addresses)
{
	d->nown = 0;
	while (d->nown < DOOR_ADDRESSES_MAX && *addresses) {
		size_t n = strcspn(addresses, " ");
		char one[INET6_ADDRSTRLEN] = "";

		if (n > 0 && n < sizeof(one)) {
			memcpy(one, addresses, n);
			d->nown += source_parse(one, d->own[d->nown]);
		}
		addresses += n + strspn(addresses + n, " ");
	}
}

/* ---- sources ---- */

static struct door_source **
source_slot(struct door *d, const uint8_t key[static 16])
{
	uint64_t h = d->seed;
	struct door_source **at;

	for (unsigned i = 0; i < 16; i++)
		h = (h ^ key[i]) * UINT64_C(1099511628211);
	at = &d->buckets[(h >> 32) % DOOR_BUCKETS];
	while (*at && memcmp((*at)->key, key, 16) != 0)
		at = &(*at)->next;
	return at;
}

static struct door_source *
source_get(struct door *d, const uint8_t key[static 16])
{
	struct door_source **at = source_slot(d, key);

	if (*at)
		return *at;
	*at = mem_new(sizeof(**at));
	memcpy((*at)->key, key, 16);
	d->nsources++;
	return *at;
}

static void
source_drop(struct door *d, struct door_source *s)
{
	struct door_source **at = source_slot(d, s->key);

	if (--s->places > 0)
		return;
	*at = s->next;
	d->nsources--;
	free(s);
}

/* ---- counting ---- */

static void
count(struct door *d, struct place *p, int by)
{
	struct door_source *s = p->source;
	unsigned add = (unsigned)by;

	switch (p->holder) {
	case PLACE_OWN:
		s->own += add;
		break;
	case PLACE_STRANGER:
		s->strangers += add;
		d->strangers += add;
		break;
	case PLACE_KNOWN:
		s->known += add;
		d->known += add;
		break;
	}
}

static void
free_place(struct door *d, struct place *p)
{
	p->leaves = true;
	count(d, p, -1);
}

/* How well p can be spared; 0: not at all. */
static unsigned
rank(const struct door *d, const struct place *p)
{
	int stage = atomic_load_explicit(&p->stage, memory_order_relaxed);
	bool crowded = (uint64_t)p->source->strangers * d->nsources >= d->strangers;

	if (p->leaves || stage == PLACE_BUSY)
		return 0;
	if (p->holder == PLACE_KNOWN)
		return 1;
	return (stage == PLACE_SILENT ? 4 : 2) + crowded;
}

/* Of those holders, and of one source if one is named. */
static struct place *
find_spared(const struct door *d, const struct door_source *only, unsigned holders)
{
	struct place *best = NULL;
	unsigned best_rank = 0;

	for (struct place *p = d->first; p && best_rank < 5; p = p->next) {
		unsigned r = (p->holder & holders) && (!only || p->source == only) ? rank(d, p) : 0;

		if (r > best_rank || (r && r == best_rank && p->since_ms < best->since_ms)) {
			best = p;
			best_rank = r;
		}
	}
	return best;
}

static bool
make_room(struct door *d, const struct door_source *only, unsigned holders, struct place **ret)
{
	*ret = find_spared(d, only, holders);
	if (*ret)
		free_place(d, *ret);
	return *ret != NULL;
}

/* ---- in and out ---- */

static unsigned
half(unsigned n)
{
	return (n + 1) / 2;
}

/* What is full for one more stranger of s: whose places have to make room? 0: there is room. */
static unsigned
crowding(const struct door *d, const struct door_source *s, const struct door_source **ret_only)
{
	*ret_only = s;
	if (s && s->strangers >= half(d->most_per_address))
		return PLACE_STRANGER;
	if (s && s->strangers + s->known >= d->most_per_address)
		return PLACE_STRANGER | PLACE_KNOWN;
	*ret_only = NULL;
	if (d->strangers >= half(d->most))
		return PLACE_STRANGER;
	return d->strangers + d->known >= d->most ? PLACE_STRANGER | PLACE_KNOWN : 0;
}

bool
door_admit(struct door *d, const struct sockaddr *from, struct place **ret_leaves)
{
	const struct door_source *s, *only;
	uint8_t address[16], key[16];
	unsigned holders, own = 0;

	address_of(from, address);
	source_of(address, key);
	s = *source_slot(d, key);
	*ret_leaves = NULL;
	if (is_own(d, address)) {
		if (!s || s->own < DOOR_OWN_MAX)
			return true;
		own = PLACE_OWN;
	}
	holders = crowding(d, s, &only);
	if (d->live >= d->most + DOOR_SLACK)
		return own && make_room(d, s, own, ret_leaves);
	return !holders || (own && make_room(d, s, own, ret_leaves)) ||
	       make_room(d, only, holders, ret_leaves);
}

void
door_enter(struct door *d, struct place *p, const struct sockaddr *from)
{
	uint8_t address[16], key[16];

	address_of(from, address);
	source_of(address, key);
	p->source = source_get(d, key);
	p->source->places++;
	p->holder =
		is_own(d, address) && p->source->own < DOOR_OWN_MAX ? PLACE_OWN : PLACE_STRANGER;
	p->leaves = false;
	place_stage(p, PLACE_SILENT);
	p->next = NULL;
	p->prev = d->last;
	*(d->last ? &d->last->next : &d->first) = p;
	d->last = p;
	d->live++;
	count(d, p, 1);
}

void
door_know(struct door *d, struct place *p)
{
	if (p->leaves || p->holder == PLACE_KNOWN)
		return;
	count(d, p, -1);
	p->holder = PLACE_KNOWN;
	count(d, p, 1);
}

void
door_leave(struct door *d, struct place *p)
{
	if (!p->leaves)
		free_place(d, p);
	*(p->prev ? &p->prev->next : &d->first) = p->next;
	*(p->next ? &p->next->prev : &d->last) = p->prev;
	d->live--;
	source_drop(d, p->source);
}

void
place_stage(struct place *p, enum place_stage stage)
{
	atomic_store_explicit(&p->stage, stage, memory_order_relaxed);
	atomic_store_explicit(&p->since_ms, clock_mono_ms(), memory_order_relaxed);
}

void
door_init(struct door *d, unsigned most, unsigned most_per_address)
{
	memset(d, 0, sizeof(*d));
	d->most = most;
	d->most_per_address = most_per_address;
	if (getrandom(&d->seed, sizeof(d->seed), 0) != sizeof(d->seed))
		abort();
}

void
door_done(struct door *d)
{
	assert(!d->first && d->nsources == 0);
}
