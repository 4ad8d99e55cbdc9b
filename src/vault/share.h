/* SPDX-License-Identifier: Apache-2.0
 *
 * Shares: a level for one user, or for a team and so for everybody in it, on a folder (all that stands below it), a resource (all its
 * accounts) or on one account. Whoever manages it may share it; of several shares the highest counts. What is written to `out` is the JSON of
 * the API. What a user is given by themselves they look up by name once they have accepted it. A share may have an end, which is asked by this node's clock wherever something is read (query/access.sql). Core thread of vaultd only.
 */
#pragma once

#include "vault/policy.h"

/* What is shared. */
enum share_on { SHARE_RESOURCE, SHARE_ACCOUNT, SHARE_FOLDER };

/* {"shares":[{"user","team","level","granted","until","ended","waits"}]}; team: the "user" is one; until null: it does not end; waits: for the user's acceptance. */
int share_list(struct call *c, enum share_on on, const struct uuid *target,
	       const struct policy_page *page, struct json_out *out,
	       struct err *e) NONNULL MUST_USE;
/* Why a user may do what they may on it: {"user","through":[{"on","level","team","folder","granted","until","waits"}],"level"}, the highest first, none that has ended; level null: nothing; team null: by themselves; folder: the path
 * of the one that it comes through, null: none that the caller sees; granted null: as the owner.
 * user: name or id. Whoever may not manage it can ask about themselves alone. ERR_NOT_FOUND: also where there is no such user. */
int share_why(struct call *c, enum share_on on, const struct uuid *target, const char *user,
	      struct json_out *out, struct err *e) NONNULL MUST_USE;
/* What the caller sees, each thing with the ways to it, as above, at most ten: {"seen":[{"kind","folder","resource","account","path","level","through"}],"next"}. Of an account
 * the resource is told too; path: of the folder that it stands in. through: one of SHARE_THROUGH, or NULL. */
#define SHARE_THROUGH "own share team folder"
int share_seen(struct call *c, const char *through, const struct policy_page *page,
	       struct json_out *out, struct err *e) MUST_USE;
/* user: name or id of a user or a team. until: when it ends, as the API writes times, or NULL. What they had on it before is replaced. {"user","team","level","until","waits"} */
int share_grant(struct call *c, enum share_on on, const struct uuid *target, const char *user,
		const char *level, const char *until, struct json_out *out, struct err *e) MUST_USE;
/* By whoever may manage it, and by the user themselves. ERR_NOT_FOUND when there is no such share. */
int share_withdraw(struct call *c, enum share_on on, const struct uuid *target, const char *user,
		   struct err *e) NONNULL MUST_USE;
/* The caller accepts what is shared with them by themselves: they find it by its name then. Once more changes nothing. ERR_NOT_FOUND: it is not shared with them so. */
int share_accept(struct call *c, enum share_on on, const struct uuid *target,
		 struct err *e) NONNULL MUST_USE;
