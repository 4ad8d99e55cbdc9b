/* SPDX-License-Identifier: Apache-2.0
 *
 * Lets an administrator who can no longer log in back in. Needs the primary's machine and the
 * master key file. The node keeps serving, and its single writer records the event. Blocking;
 * started as root, it becomes Holdfast's user.
 */
#pragma once

#include "base/err.h"
#include "base/home.h"
#include "crypto/token.h"

struct regain_result {
	char name[256];		   /* as the vault writes it */
	char token[TOKEN_STR_LEN]; /* the caller wipes it */
	int64_t until_us;
	bool enabled; /* was disabled, and no longer is */
};

/* key_file NULL: what conf/manage_key.conf says. A refusal has changed nothing. ERR_UNREACHABLE: the node does
 * not run; ERR_PRECONDITION: it is not the serving primary, or this user does not qualify; ERR_BAD_KEY. */
int regain_run(const struct home *h, const char *key_file, const char *user,
	       struct regain_result *ret, struct err *e) MUST_USE;
