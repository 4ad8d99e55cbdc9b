/* SPDX-License-Identifier: Apache-2.0
 *
 * What was withdrawn here in emergency and only the journal has: users who were disabled, shares, teams, being in one, sessions. The replicated tables do not know
 * of it until the journal is merged, and it is in force here at once (H5).
 *  1. Every withdrawal in the journal is here: read from it before users are served, added when it is durable.
 *  2. It is dropped when it has left the journal (which it does only once it is in this node's tables), or when the log of this node has it.
 *  3. It only takes away: what the tables do not allow stays forbidden, whatever is here.
 * Core thread of vaultd only.
 */
#pragma once

#include "vault/vault.h"

#define WITHDRAWN_MAX 10000

struct withdrawn;

struct withdrawn *withdrawn_new(void) MUST_USE;
void withdrawn_free(struct withdrawn *w); /* takes NULL */

/* w may be NULL here and below: nothing was withdrawn. */
bool withdrawn_user(const struct withdrawn *w, const struct uuid *user);
bool withdrawn_share(const struct withdrawn *w, const struct uuid *target, const struct uuid *user);
bool withdrawn_team(const struct withdrawn *w, const struct uuid *team);
bool withdrawn_member(const struct withdrawn *w, const struct uuid *team, const struct uuid *user);
/* Of a session that the tables have. */
bool withdrawn_session(const struct withdrawn *w, const struct uuid *user,
		       const struct uuid *session);
/* Who ended a user's sessions last, of what the journal says: *ret; false: nobody. */
struct withdrawn_ending {
	struct uuid actor;
	int64_t at_us;
	char address[EVENT_ADDRESS_MAX + 1];
};
bool withdrawn_last_ending(const struct withdrawn *w, const struct uuid *user,
			   struct withdrawn_ending *ret);
/* The endings that are known of a user's sessions (query/ending.sql), with those of the journal; knew: those of the tables, or NULL. In the arena, or knew. */
const char *withdrawn_knew(const struct withdrawn *w, struct arena *a, const struct uuid *user,
			   const char *knew);

/* What is left of the caller's level, which the tables say, on a folder or a resource and, unless it is NULL, an account in it. */
int withdrawn_level(struct call *c, const struct uuid *resource, const struct uuid *account,
		    int *level, struct err *e) MUST_USE;
/* Before another one is made. ERR_REFUSED when this node holds as many as it may. */
int withdrawn_room(const struct withdrawn *w, struct err *e) MUST_USE;

/* For vault_on_durable. alone: the journal has it alone; else the log of this node. */
void withdrawn_on_event(struct withdrawn *w, const struct event *ev, bool alone) NONNULL;
/* At the start and after a change of the pair's state. When the journal cannot be read all stay. */
int withdrawn_reload(struct withdrawn *w, struct ledger *l, struct fiber *f,
		     struct err *e) NONNULL MUST_USE;
