/* SPDX-License-Identifier: Apache-2.0
 *
 * Teams: what is shared with one is shared with everybody in it (vault/share.h). They are flat: users are in them, no teams. Administrators make them and say who
 * is in them; whoever is in one sees it. What is written to `out` is the JSON of the API. Core thread of vaultd only.
 */
#pragma once

#include "vault/policy.h"

#define TEAM_MEMBERS_MAX 10000
#define TEAM_OF_USER_MAX 200 /* each costs a retrieval by them a look by key */

/* Those that the caller is in; for administrators all. q NULL: of every name. {"teams","next"} */
int team_list(struct call *c, const char *q, const struct policy_page *page, struct json_out *out,
	      struct err *e) MUST_USE;
/* ERR_NOT_FOUND, also when the caller may not see it. */
int team_get(struct call *c, const struct uuid *id, struct json_out *out,
	     struct err *e) NONNULL MUST_USE;
/* {"members","next"}. ERR_NOT_FOUND as above. */
int team_members(struct call *c, const struct uuid *id, const struct policy_page *page,
		 struct json_out *out, struct err *e) NONNULL MUST_USE;

/* ERR_CONFLICT: a user or a team has the name. */
int team_create(struct call *c, const char *name, struct json_out *out,
		struct err *e) NONNULL MUST_USE;
int team_rename(struct call *c, const struct uuid *id, const char *name, struct json_out *out,
		struct err *e) NONNULL MUST_USE;
/* For good: what was shared with it is not shared with its members any more. In emergency too: ERR_REFUSED when the journal has too many withdrawals. */
int team_remove(struct call *c, const struct uuid *id, struct err *e) NONNULL MUST_USE;
/* user: name or id. ERR_BAD_FIELD: there is no such user; ERR_CONFLICT: they are in it; ERR_REFUSED: it, or they, have as many as can be. */
int team_add(struct call *c, const struct uuid *id, const char *user, struct json_out *out,
	     struct err *e) NONNULL MUST_USE;
/* In emergency too, as above. ERR_NOT_FOUND: they are not in it. */
int team_take_out(struct call *c, const struct uuid *id, const char *user,
		  struct err *e) NONNULL MUST_USE;
