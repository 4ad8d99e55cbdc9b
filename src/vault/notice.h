/* SPDX-License-Identifier: Apache-2.0
 *
 * What people are told when they have logged in: what was done, since they logged in last, about them (their password, factor, name, role, state,
 * sessions); administrators also whose password was reset or factor removed by somebody else, who was recovered, and who retrieved unusually much. It is read
 * from the log (query/notice.sql), and in emergency from the journal too; there is no memory of what was told. Core thread of vaultd only.
 */
#pragma once

#include "base/json_out.h"
#include "vault/session.h"

#define NOTICES_MAX 20

/* Writes "last_login", "notices" and, if there are more than are told, "more_notices" into an open object. Writes nothing when the log cannot be read. */
int notice_write(struct call *c, const struct session_begun *s, struct json_out *out,
		 struct err *e) NONNULL MUST_USE;
