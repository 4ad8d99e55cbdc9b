/* SPDX-License-Identifier: Apache-2.0
 *
 * The long steps of a change of role, on a thread of the agent's: the loop starts one and polls its
 * progress. Whatever needs PostgreSQL stopped is left to `rejoin`, which the supervisor runs
 * (ha/rejoin.h).
 */
#pragma once

#include <stdbool.h>
#include "base/home.h"
#include "ha/deposit.h"
#include "ha/rejoin.h"

enum role_task {
	ROLE_NONE,
	ROLE_PROMOTE,  /* the local server becomes a primary */
	ROLE_MIGRATE,  /* the database of a primary gets the schema that this program writes */
	ROLE_HANDOVER, /* what is in the log is on the other disk; the server may be stopped */
	ROLE_RETURN, /* salvage, then a fresh copy beside the running server: a former primary, or a secondary that has more than the primary */
	ROLE_CLONE, /* the same where its slot was lost; a server that does not start, or whose data are damaged, is replaced by `rejoin` */
	ROLE_REWIND, /* salvage; `rejoin` then rewinds the database in place, because a copy has no room */
	ROLE_TIDY, /* removes what a copy took the place of */
};

struct role_order {
	enum role_task task;
	struct channel_primary
		primary; /* of all but ROLE_PROMOTE, ROLE_MIGRATE and ROLE_TIDY; slot: this node's */
	/* ROLE_REWIND: who began the epoch of the database here, and whether its log says so already */
	struct uuid epoch_node;
	bool epoch_is_logged;
};

struct role_view {
	enum role_task task; /* the one in work or done last */
	bool working, done;  /* done: well; neither: it failed, failure says why */
	char step[200];	     /* what it is at */
	char failure[256];
	bool no_place; /* a copy was not begun: it has no room, or could not take its place */
	bool unusable; /* a copy was made and is whole, but does not start here */
};

struct role;

/* local_conninfo: of the superuser on the unix socket; copied. d: held while something is salvaged; NULL on a node that deposits
 * nothing; it outlives the role. */
struct role *role_new(const struct home *h, const struct uuid *self, const char *local_conninfo,
		      struct deposit *d) MUST_USE;
/* Begins a task; false when one is in work. */
bool role_begin(struct role *r, const struct role_order *o) NONNULL;
void role_look(struct role *r, struct role_view *ret) NONNULL;
/* A return that is given up: writers may use the log again. Nothing while a task is in work. */
void role_open_log(struct role *r) NONNULL;
