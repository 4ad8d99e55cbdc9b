/* SPDX-License-Identifier: Apache-2.0
 *
 * USER_RECOVERED: an administrator who can no longer log in gets a new set-up token from the
 * machine itself. The command proves that it has the master key file: the body carries a MAC over
 * the request, and the writer takes no request without one. So write access to the database lets
 * nobody in.
 */
#pragma once

#include "base/uuid.h"
#include "crypto/keys.h"

/* What the event says. */
struct recover {
	struct uuid user;
	const char *name; /* the user's */
	const char *knew; /* the endings that are known of (query/ending.sql) */
	uint8_t setup_mac[KEYS_HASH_BYTES];
	int64_t until_us; /* the token's end */
	bool enable;	  /* disabled: enabled again */
	unsigned uid;	  /* of who asked, on the machine */
};

/* The body, with its proof. */
int recover_body(struct keys *k, struct fiber *f, const struct recover *r, struct buf *out,
		 struct err *e) MUST_USE;
/* Whether the body for this user is proven and current. ERR_BAD_KEY: it is not; else what keyd says. */
int recover_check(struct keys *k, struct fiber *f, const struct uuid *user, const char *body,
		  struct err *e) MUST_USE;
