/* SPDX-License-Identifier: Apache-2.0
 *
 * Tells every other node the latest epoch that this one knows, with its proof, until each has named
 * one at least as late: over HTTPS and over the pair's channel, so that one of the two is enough
 * (H10). A thread for each node, so that one that hangs keeps nobody else waiting. What is told is no
 * secret, and proves itself: whom it reaches is of no account.
 */
#pragma once

#include "base/epoch.h"
#include "base/home.h"

#define HERALD_OTHERS_MAX 8

struct herald;

struct herald_target {
	struct uuid id;
	char url[320];	/* "https://name:port" */
	char host[256]; /* and its database */
	int pair_port;
	struct epoch named; /* the latest that it has named itself; none: nothing yet */
};

/* h is copied. */
struct herald *herald_new(const struct home *h) NONNULL MUST_USE;
/* What there is to tell, and to whom: cheap when nothing differs. Who is named no longer is told nothing more. */
void herald_tell(struct herald *r, const struct epoch_claim *c, const struct herald_target *t,
		 unsigned n) NONNULL;

/* When a node that has named that epoch is to be told of another, after so many attempts, the last of which began at tried_ms (monotonic):
 * WORKER_WHEN_WOKEN when it knows. */
int64_t herald_due(const struct epoch *told, const struct epoch *named, unsigned tries,
		   int64_t tried_ms) NONNULL;
