/* SPDX-License-Identifier: Apache-2.0
 *
 * Changes in emergency: where administrators allow them, and the changes that were merged after their maker was
 * no longer entitled to them. Those are kept and count for nothing until somebody approves them; approving and
 * declining are for administrators and for whoever may manage the account. Core thread of vaultd only.
 */
#pragma once

#include "vault/policy.h"

/* Whether a new version of an account of this resource may be made on this secondary now. ERR_EMERGENCY_READ_ONLY with the
 * reason; ERR_NOT_SERVING when the primary is there again. */
int emergency_check(struct call *c, const struct uuid *resource, struct err *e) NONNULL MUST_USE;

/* {"emergency_changes":{"everywhere","resources":[{"resource":{"id","name"},"state","since"}]}} */
int emergency_policy(struct call *c, struct json_out *out, struct err *e) NONNULL MUST_USE;
/* state: on, off, inherit (a resource is as everywhere). resource: its name; NULL: everywhere. Said already: no event. */
int emergency_policy_set(struct call *c, const char *state, const char *resource,
			 struct json_out *out, struct err *e) MUST_USE;

/* Those that wait and that the caller may decide. {"changes":[…],"next"} */
int emergency_changes(struct call *c, const struct policy_page *page, struct json_out *out,
		      struct err *e) NONNULL MUST_USE;
/* {"id","version","approval","conflict"}; conflict: approved, but made upon another version than the current one. */
int emergency_decide(struct call *c, const struct uuid *version, bool approve, struct json_out *out,
		     struct err *e) NONNULL MUST_USE;
