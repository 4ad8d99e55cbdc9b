/* SPDX-License-Identifier: Apache-2.0
 *
 * A user who retrieves unusually much (retrieval_alert, docs/security.md) is noticed: an event says so, once within the window, from which alerts
 * (agent) and notices at log-in (vault/notice.h) come. Where retrieval_hold is set, the event holds the user: they get nothing more until an
 * administrator releases them.
 *
 *   O1  Who is held is what the log says (query/hold.sql), on whatever node and behind whatever start: held by an event, until another one names it.
 *   O2  In emergency nobody is held or refused, and the event says so; it is written all the same.
 *   O3  What is counted is in memory alone (vault/retrieve_rate.h): a start of vaultd, another node, and emergency and what
 *       comes behind it, count from nothing.
 *
 * Core thread of vaultd only.
 */
#pragma once

#include "base/json_out.h"
#include "vault/vault.h"

struct hold;

struct hold *hold_new(void) MUST_USE;
void hold_free(struct hold *h); /* takes NULL */

/* Before anything is read for the caller. ERR_RETRIEVAL_HELD, with what to do. */
int hold_check(struct call *c, struct err *e) NONNULL MUST_USE;
/* The caller is about to get this version: counts it, and writes the event when it is one too many. ERR_RETRIEVAL_HELD: then it is not given out. */
int hold_count(struct call *c, const struct uuid *version, struct err *e) NONNULL MUST_USE;

/* Whether the user is refused here now. Call hold_learn before, in the same call. */
bool hold_has(const struct vault *v, const struct uuid *user) NONNULL;
int hold_learn(struct call *c, struct err *e) NONNULL MUST_USE;

/* Lets the user retrieve again; the count begins anew. {"released"}: false when they were not held. ERR_REFUSED for oneself. */
int hold_release(struct call *c, const struct uuid *user, struct json_out *out,
		 struct err *e) NONNULL MUST_USE;

/* For vault_on_durable. */
void hold_on_event(struct hold *h, const struct event *ev) NONNULL;
