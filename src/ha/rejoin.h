/* SPDX-License-Identifier: Apache-2.0
 *
 * What a node's database becomes when its server next stops: replication/rejoin.conf. The agent
 * writes it and asks the supervisor to stop PostgreSQL; `rejoin` (node/) carries it out and then
 * removes the file. A node that dies in between resumes at its next start, before PostgreSQL runs.
 */
#pragma once

#include <stdbool.h>
#include "ha/channel.h"

enum rejoin_way {
	REJOIN_REWIND, /* ordered: this node was the primary of an earlier term, and a copy has no room beside it */
	REJOIN_HANDOVER,  /* the same, but the other node is yet to become the primary */
	REJOIN_SWAP,	  /* HOME_PG_NEW is a fresh copy of the primary */
	REJOIN_SWAP_KEPT, /* the same; what is here is of another history, and is kept aside */
	REJOIN_COPY, /* the database here is unusable: make a fresh copy, and keep the old one aside */
};

struct rejoin {
	enum rejoin_way way;
	struct channel_primary primary;
};

int rejoin_write(const struct home *h, const struct rejoin *r, struct err *e) NONNULL MUST_USE;
/* ERR_NOT_FOUND: nothing is ordered. */
int rejoin_read(const struct home *h, struct rejoin *ret, struct err *e) NONNULL MUST_USE;
bool rejoin_waits(const struct home *h) NONNULL;
/* Done: removes the order, and that for a copy. */
int rejoin_remove(const struct home *h, struct err *e) NONNULL MUST_USE;

/* A copy beside the running server was begun: from now on its slot no longer says that one is needed.
 * Until the copy is in place, or the node becomes the primary, it is begun again whatever stopped it. */
int rejoin_copy_begin(const struct home *h, struct err *e) NONNULL MUST_USE;
bool rejoin_copy_waits(const struct home *h) NONNULL;

/* Its progress, for the node's status: run/progress. Writing never fails loudly. */
void rejoin_tell(const struct home *h, const char *text, int percent) NONNULL;
void rejoin_told(const struct home *h, char *ret, size_t room) NONNULL; /* "" when nothing is */
