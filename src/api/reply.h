/* SPDX-License-Identifier: Apache-2.0
 *
 * Replies: status, headers and body, of refusals and of what handlers wrote; the headers that every
 * reply has; and the count of replies. Sending a call transfers its ownership.
 */
#pragma once

#include "api/call.h"

/* Any thread. Refuses with the error: where the primary is (ERR_STANDBY), or its text. Takes c. */
void reply_refuse(struct api_call *c, enum ha_state state, const struct err *e) NONNULL;
/* Any thread. Adds the headers that say what the node is, and as of when its data are. */
void reply_add_mode(struct api_call *c, enum ha_state state, bool emergency) NONNULL;
/* Core thread. Fills the reply of a call that ended with rc: the error, or what the handler wrote. */
void reply_finish(struct api_call *c, int rc, struct err *e) NONNULL;
/* Status, body and headers of another request's reply. */
void reply_copy(const struct request *from, struct request *to) NONNULL;
/* Any thread. Counts and sends. Takes c. */
void reply_send(struct api_call *c) NONNULL;
