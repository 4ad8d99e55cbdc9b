/* SPDX-License-Identifier: Apache-2.0
 *
 * Admission of connections: the HTTPS server's places, counted by who holds them
 * (docs/security.md).
 *
 *   own        from an address of the pair, or of this machine's loopback: DOOR_OWN_MAX reserved places an address, beyond
 *              all limits, for probes and health
 *   stranger   has shown no session yet: at most half of max_connections and half of max_per_address
 *   known      has shown one
 *
 * When there is no room, the door makes some. Of the connections without a request in progress, the
 * oldest that never asked anything goes first, from addresses that hold many before others; then
 * strangers between requests; known ones last. So a newcomer gets in, whatever strangers hold. IPv6
 * is counted by /64.
 *
 * The owner holds its lock around every call but place_stage.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/attr.h"

#define DOOR_OWN_MAX 16	      /* reserved places of one address */
#define DOOR_ADDRESSES_MAX 32 /* of the pair */
#define DOOR_SLACK                                                                                 \
	512 /* connections beyond the limit: reserved, and those that were told to go and still hold a socket */
#define DOOR_BUCKETS 1024

struct sockaddr;

enum place_holder { PLACE_OWN = 1, PLACE_STRANGER = 2, PLACE_KNOWN = 4 };
enum place_stage {
	PLACE_SILENT, /* no request was whole yet */
	PLACE_BUSY,   /* a request is in progress */
	PLACE_IDLE,   /* its reply goes out, or the next one is awaited */
};

/* One connection's; part of the owner's own struct. */
struct place {
	struct place *prev, *next; /* oldest first */
	struct door_source *source;
	enum place_holder holder;
	bool leaves; /* was told to go: its place is free already */
	_Atomic int stage;
	_Atomic int64_t since_ms; /* of that stage, monotonic */
};

struct door {
	unsigned most, most_per_address;
	unsigned live, strangers, known, nsources;
	struct place *first, *last;
	uint64_t seed;
	struct door_source *buckets[DOOR_BUCKETS];
	uint8_t own[DOOR_ADDRESSES_MAX][16];
	unsigned nown;
};

void door_init(struct door *d, unsigned most, unsigned most_per_address) NONNULL;
void door_done(struct door *d) NONNULL; /* everybody has left */
/* Sets the pair's addresses, a text separated by blanks; skips what is not an address. */
void door_set_own(struct door *d, const char *addresses) NONNULL;
/* Whether there is room for a connection from this address. If so, *ret_leaves is the place that
 * was freed for it, or NULL: its owner ends that connection. */
bool door_admit(struct door *d, const struct sockaddr *from, struct place **ret_leaves) NONNULL;
/* The connection is there. */
void door_enter(struct door *d, struct place *p, const struct sockaddr *from) NONNULL;
/* It has shown a session. */
void door_know(struct door *d, struct place *p) NONNULL;
/* It is gone. */
void door_leave(struct door *d, struct place *p) NONNULL;
void place_stage(struct place *p, enum place_stage stage) NONNULL; /* any thread */
