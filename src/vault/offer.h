/* SPDX-License-Identifier: Apache-2.0
 *
 * Ownership moves by the owner's word and the receiver's acceptance; the one exception is user_leave (vault/user.h). What is written to `out` is the JSON of the
 * API. Core thread of vaultd only.
 */
#pragma once

#include "vault/policy.h"

/* What waits for the caller's answer, offers of ownership and what is shared with them by themselves (vault/share.h):
 * {"offers":[{"kind","ownership","folder","resource","account","level","until","from"}],"next"}; level null: of an offer. */
int offer_list(struct call *c, const struct policy_page *page, struct json_out *out,
	       struct err *e) NONNULL MUST_USE;
/* How much of that there is, up to `most`. */
int offer_count(struct call *c, const struct uuid *user, int most, int *ret,
		struct err *e) NONNULL MUST_USE;

/* To whom the caller's resource is offered: {"to"}, null: to nobody. */
int offer_get(struct call *c, const struct uuid *id, struct json_out *out,
	      struct err *e) NONNULL MUST_USE;
/* The owner offers it to a user, by name or id; instead of whom it was offered to before. ERR_BAD_FIELD: there is no such user, or it is theirs. */
int offer_make(struct call *c, const struct uuid *id, const char *user,
	       struct err *e) NONNULL MUST_USE;
/* By the owner or by whom it is offered to. ERR_NOT_FOUND: it is offered to nobody. */
int offer_end(struct call *c, const struct uuid *id, struct err *e) NONNULL MUST_USE;
/* The caller is the owner then. ERR_NOT_FOUND: it is not offered to them. */
int offer_accept(struct call *c, const struct uuid *id, struct err *e) NONNULL MUST_USE;

/* The body of the event that makes a user the owner, and ends what was offered. In the arena. */
const char *offer_owner_body(struct arena *a, const struct uuid *owner) NONNULL;
