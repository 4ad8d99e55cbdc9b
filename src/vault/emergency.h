/* SPDX-License-Identifier: Apache-2.0
 *
 * Changes in emergency: where administrators allow them, and those that were merged after their author
 * had lost the right to make them. The latter are kept but have no effect until approved; administrators,
 * and whoever may manage the account, approve or decline them. Core thread of vaultd only.
 */
#pragma once

#include "vault/policy.h"

/* Whether a new version of an account of this resource may be made on this secondary now.
 * ERR_EMERGENCY_READ_ONLY with the reason; ERR_NOT_SERVING if the primary is back. */
int emergency_check(struct call *c, const struct uuid *resource, struct err *e) NONNULL MUST_USE;

/* {"emergency_changes":{"everywhere","resources":[{"resource":{"id","name"},"state","since"}]}} */
int emergency_policy(struct call *c, struct json_out *out, struct err *e) NONNULL MUST_USE;
/* state: on, off, inherit (the global setting). resource: its name; NULL: everywhere. No event if
 * it is so already. */
int emergency_policy_set(struct call *c, const char *state, const char *resource,
			 struct json_out *out, struct err *e) MUST_USE;

/* The waiting changes that the caller may decide. {"changes":[…],"next"} */
int emergency_changes(struct call *c, const struct policy_page *page, struct json_out *out,
		      struct err *e) NONNULL MUST_USE;
/* {"id","version","approval","conflict"}; conflict: approved, but based on another version than the current one. */
int emergency_decide(struct call *c, const struct uuid *version, bool approve, struct json_out *out,
		     struct err *e) NONNULL MUST_USE;
