/* SPDX-License-Identifier: Apache-2.0
 *
 * Compares this node's history with that of each other node, over and over, over the pair's channel: a thread for each of them,
 * so that one that hangs only makes its own answer old. The other node's database is asked, not its service: it answers in
 * every state in which it runs.
 */
#pragma once

#include "base/home.h"
#include "ha/history.h"

/* By which name who writes its chain connects to whom it asks. A node of which two programs do so at once runs twice. */
#define HISTORY_CONTENDS "holdfast history"

struct history_watch;

struct history_target {
	struct uuid id;
	char host[256];
	int port;
	bool ours_first; /* see history_ask: this node is the secondary */
};

struct history_view {
	int64_t asked_ms; /* monotonic time when the last comparison that was made began, 0: none yet */
	int64_t failed_ms; /* when the last attempt failed, 0: it did not */
	bool earlier;	   /* because one of the two cannot compare yet */
	char failure[200];
	struct history_verdict verdict;
	/* Since when the other node has an event of this node's own chain that is still not here; 0: it has none. A commit that waits
	 * for the other node is seen there first, for as long as it waits. */
	int64_t behind_ms;
};

/* local_conninfo: of the superuser on the unix socket; copied. */
struct history_watch *history_watch_new(const struct home *h, const struct uuid *self,
					const char *local_conninfo) NONNULL MUST_USE;
/* Whom to ask: cheap when nothing differs. Who is named no longer is asked no longer. */
void history_watch_aim(struct history_watch *w, const struct history_target *t, unsigned n) NONNULL;
/* Whether this program writes its node's chain, or stands back. */
void history_watch_contend(struct history_watch *w, bool contends) NONNULL;
/* Asks at once those whose last comparison began before then. */
void history_watch_hurry(struct history_watch *w, const struct uuid *id, int64_t since_ms) NONNULL;
/* All zeros while the node is not watched. */
void history_watch_look(struct history_watch *w, const struct uuid *id,
			struct history_view *ret) NONNULL;
