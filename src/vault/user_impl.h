/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the users share; nobody else includes this.
 *   user.c           lists, finding, the nodes that a client may turn to
 *   user_change.c    what administrators do to users
 *   user_leave.c     what somebody who leaves owned goes to somebody else
 *   user_conflict.c  what administrators did on two nodes apart from each other
 *   user_login.c     one's own password and second factor; set-up
 */
#pragma once

#include "vault/user.h"

/* One row of a statement that takes the user's id. ERR_NOT_FOUND. The caller frees *ret. */
int user_read(struct call *c, enum stmt s, const struct uuid *id, struct rows **ret,
	      struct err *e) NONNULL MUST_USE;
/* The user as an object; name NULL: as it is. ERR_NOT_FOUND. */
int user_write(struct call *c, const struct uuid *id, const char *name, struct json_out *out,
	       struct err *e) MUST_USE;
/* Ends their sessions and forbids new ones. ERR_REFUSED: the last administrator, or oneself. */
int user_disable(struct call *c, const struct uuid *id, struct err *e) NONNULL MUST_USE;
/* The endings that a row names (query/ending.sql), in the arena; "": there are none. */
const char *user_knew_of(struct arena *a, const struct rows *r, int i, int column) NONNULL;
