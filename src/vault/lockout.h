/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may not try to log in now (H17). A source is an address or, of IPv6, a /64 (base/source.h).
 *
 *   L1  Who failed lockout_after times in a row with one name from one source waits there; each further failure doubles the wait.
 *   L2  All sources together have LOCKOUT_SOURCES times as many. Then everybody waits but those sources from which the user logged in before: whoever guesses does
 *       not keep the right person out. Of a user with a second factor, only failures of the code count for this.
 *   L3  A name that nobody has behaves as one of a user without a factor who never logged in.
 *   L4  The log is what counts (query/session.sql), so that no start forgets. The memory here goes on from there in emergency, where tables stand still, and is all there
 *       is of names that nobody has.
 *
 * Core thread of vaultd only.
 */
#pragma once

#include <sodium.h>
#include "vault/vault.h"

#define LOCKOUT_SOURCES 4
#define LOCKOUT_KEY_BYTES                                                                          \
	crypto_shorthash_siphashx24_BYTES /* 128 bits under a secret key: no collisions to be had */

struct lockout;

struct lockout *lockout_new(void) MUST_USE;
void lockout_free(struct lockout *l); /* takes NULL */
void lockout_clear(struct lockout *l) NONNULL;

/* Failures in a row. */
struct lockout_count {
	uint8_t key[LOCKOUT_KEY_BYTES];
	int64_t failed, failed_us; /* failed_us: the last one's */
};

/* What is known of a name, for whoever asks. */
struct lockout_of {
	struct lockout_count all, here; /* from anywhere, and from where the caller is */
	int64_t codes;			/* of all, those with a right password and a wrong code */
	int64_t totp_step;		/* of the last code that was taken */
	bool factor;			/* there is one */
	bool came;			/* the user logged in from here before */
};

/* Of a user, or of a name that nobody has. What a table says of them is set behind it. */
struct lockout_of lockout_user(const struct lockout *l, const struct uuid *user,
			       const char *address);
struct lockout_of lockout_name(const struct lockout *l, const char *name, const char *address);
/* One id for all log-ins with a name from an address, however it is written: ASCII case is folded. */
struct uuid lockout_turn(const struct lockout *l, const char *name, const char *address);

/* Raises what the table said to what is remembered. */
void lockout_recall(struct lockout *l, struct lockout_of *of) NONNULL;
/* 0, or ERR_LOCKED_OUT with how long to wait. */
int lockout_check(const struct settings *st, const struct lockout_of *of,
		  struct err *e) NONNULL MUST_USE;
/* A failure is about to be written: what is remembered goes on from what the table said. */
void lockout_sync(struct lockout *l, const struct lockout_of *of) NONNULL;
/* One of a name that nobody has, of which no event tells. */
void lockout_fail(struct lockout *l, const struct lockout_of *of) NONNULL;

/* For sessions_on_event: LOGIN, LOGIN_FAILED, HA_ORDERED for its code, and what lets somebody begin anew. */
void lockout_on_event(struct lockout *l, const struct event *ev) NONNULL;
