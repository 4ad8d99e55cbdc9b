/* SPDX-License-Identifier: Apache-2.0
 *
 * Admission: on the HTTP thread by route and state of the node; in a fiber of the core by the
 * pair's proof, the session, the right, and the node's health. Waits here (for a session that the
 * journal is about to bring, for a handover) are bounded in time and number.
 */
#pragma once

#include "api/call.h"

/* Any thread: what is known without the body. Finds the row of c. */
int admit_head(struct request *rq, struct api_call *c, enum ha_state state,
	       struct err *e) NONNULL MUST_USE;
/* Whether the body is read without waiting for the checks: JSON, and small. */
bool admit_unchecked(const struct route *r, const struct request *rq) NONNULL;
/* The session that the client shows; NULL when it shows none. */
const char *admit_token(const struct request *rq) NONNULL;
/* Whether this node forwards the request instead of serving it; never twice. Any thread. */
bool admit_is_for_primary(const struct api_call *c) NONNULL;

/* Core thread, in the fiber of c. Did a page of ours make a browser send it? */
int admit_origin(const struct api_call *c, struct err *e) NONNULL MUST_USE;
/* Core thread, in the fiber of c. All checks before the handler; fills c->call.who. */
int admit_call(struct api_call *c, struct err *e) NONNULL MUST_USE;
