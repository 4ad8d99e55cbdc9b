/* SPDX-License-Identifier: Apache-2.0
 *
 * The limit on the age of the data that emergency access serves (max_emergency_age, docs/ha.md): beyond it, no
 * password is retrieved until an administrator unlocks this outage. Unlocking is an event of this node's own
 * log; it ends when the log says that the node left emergency or was restarted. Core thread of vaultd only.
 */
#pragma once

#include "base/json_out.h"
#include "vault/vault.h"

/* Follows the node's own events: what is durable, and at the start what the journal holds. */
void age_limit_on_event(struct vault *v, const struct event *ev) NONNULL;

/* Follows the state page: locks again as soon as the outage is over, whenever the log says so. */
void age_limit_on_state(struct vault *v, enum ha_state now) NONNULL;

/* Whether a password may be given out now. ERR_EMERGENCY_TOO_OLD with as-of, limit and what to do. */
int age_limit_check(struct vault *v, struct err *e) NONNULL MUST_USE;

/* Unlocks, for this outage; whether the node's state allows it (ha/orders.h) the caller asks. ERR_REFUSED when there is no limit. */
int age_limit_unlock(struct call *c, const char *reason, struct json_out *out,
		     struct err *e) MUST_USE;
