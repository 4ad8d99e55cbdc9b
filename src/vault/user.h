/* SPDX-License-Identifier: Apache-2.0
 *
 * Users: administrators manage them; users manage their own password and second factor. What is
 * written to `out` is the JSON of the API. Core thread of vaultd only, but user_setup_mac and
 * user_setup_body, which set-up uses too.
 */
#pragma once

#include "crypto/token.h"
#include "vault/policy.h"
#include "vault/session.h"

#define USER_PASSWORD_MIN 10

/* The keyed hash under which a set-up token is kept: KEYS_SETUP over user id ‖ the token's 32
 * bytes. */
int user_setup_mac(struct keys *k, struct fiber *f, const struct uuid *user,
		   const uint8_t token[static TOKEN_BYTES], uint8_t ret[static KEYS_HASH_BYTES],
		   struct err *e) MUST_USE;
/* Body of USER_CREATED: {"name","role","setup_mac","setup_until"}. */
void user_created_body(struct buf *out, const char *name, const char *role,
		       const uint8_t mac[static KEYS_HASH_BYTES], int64_t until_us);

int user_list(struct call *c, const char *q, const struct policy_page *page, struct json_out *out,
	      struct err *e) MUST_USE;
int user_get(struct call *c, const struct uuid *id, struct json_out *out,
	     struct err *e) NONNULL MUST_USE;
/* role NULL: user. Writes {"user","setup_token","setup_until"}. */
int user_create(struct call *c, const char *name, const char *role, struct json_out *out,
		struct err *e) MUST_USE;

struct user_change {
	const char *name; /* NULL: as it is */
	const char *role; /* NULL: as it is */
	bool set_disabled, disabled;
	bool reset_password; /* a new set-up token instead of the password; all their sessions end */
	bool remove_totp;
};
/* One row: the stamps of role, disabled and share that the next event builds on ("" none). Of a
 * user, principal is the user too. */
int user_standing(struct call *c, const struct uuid *object, const struct uuid *principal,
		  struct rows **ret, struct err *e) NONNULL MUST_USE;
/* What administrators did on two nodes independently; the newest 200.
 * {"conflicts":[…]} */
int user_admin_conflicts(struct call *c, const struct policy_page *page, struct json_out *out,
			 struct err *e) NONNULL MUST_USE;
/* Records that an administrator has seen one of them; idempotent. ERR_NOT_FOUND. */
int user_acknowledge(struct call *c, const struct uuid *id, struct err *e) NONNULL MUST_USE;

/* Ends all sessions of a user; of the caller's all but this one. ERR_NOT_FOUND; ERR_REFUSED when the journal has too many withdrawals. */
int user_end_sessions(struct call *c, const struct uuid *id, struct err *e) NONNULL MUST_USE;
/* Lets a user retrieve again whose retrievals are held (vault/hold.h). {"released"}. ERR_NOT_FOUND; ERR_REFUSED for oneself. */
int user_release(struct call *c, const struct uuid *id, struct json_out *out,
		 struct err *e) NONNULL MUST_USE;
/* In emergency a user can be disabled, and nothing else: ERR_EMERGENCY_READ_ONLY. */
int user_change(struct call *c, const struct uuid *id, const struct user_change *ch,
		struct json_out *out, struct err *e) NONNULL MUST_USE;

/* Disables a user and makes another one the owner of what they own, 10,000 resources at most in one call: {"moved","more"}. Can be repeated, and is to be while there is
 * more. It is told to all administrators and to that other one at their next log-in. ERR_NOT_FOUND; ERR_BAD_FIELD: the other one cannot be; ERR_REFUSED. */
int user_leave(struct call *c, const struct uuid *id, const char *to, struct json_out *out,
	       struct err *e) NONNULL MUST_USE;

/* The caller's own: each asks for their password and, if they have a second factor, for its code, as a log-in does (session_prove), and ends their other sessions.
 * code NULL: none was given. ERR_BAD_LOGIN, ERR_SECOND_FACTOR, ERR_LOCKED_OUT, ERR_WEAK_PASSWORD. */
int user_set_password(struct call *c, const char *old, const char *code, const char *new,
		      struct err *e) MUST_USE;
/* Makes a secret; nothing is stored yet: {"secret","uri","pending"}. ERR_CONFLICT when there is one
 * already. */
int user_totp_begin(struct call *c, const char *password, struct json_out *out,
		    struct err *e) NONNULL MUST_USE;
/* Stores the secret of `pending` if the code fits it. */
int user_totp_confirm(struct call *c, const char *password, const char *pending, const char *code,
		      struct err *e) NONNULL MUST_USE;
int user_totp_remove(struct call *c, const char *password, const char *code,
		     struct err *e) MUST_USE;

/* A user who has a set-up token sets their first (or next) password and is logged in. c->who is
 * nobody yet. ERR_BAD_LOGIN for everything that does not fit, ERR_WEAK_PASSWORD; ERR_SECOND_FACTOR:
 * the password is set, but the user has a second factor and must log in with it. */
int user_setup(struct call *c, const char *name, const char *token, const char *password,
	       struct session_begun *ret, struct err *e) NONNULL MUST_USE;

/* A user by name, with a suffix if others have it too, or by the text of their id. ERR_NOT_FOUND; ERR_CONFLICT: several have the name.
 * *ret_name in the arena. */
int user_find(struct call *c, const char *text, struct uuid *ret, const char **ret_name,
	      struct err *e) NONNULL MUST_USE;

/* Writes the nodes of the pair as an array `name`; all: with ports, slots and times for
 * administrators. */
int user_write_nodes(struct call *c, struct json_out *out, const char *name, bool all,
		     struct err *e) NONNULL MUST_USE;
