/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions: login, the check on every request, logout. The database holds a session under a keyed
 * hash of its token; the core keeps a cache of checked tokens (under a fast keyed hash with a key
 * of this process), so that a request normally asks neither keyd nor the database. In emergency an
 * overlay adds to the replicated table what this node's journal says (logins and logouts not merged
 * yet). Core thread of vaultd only.
 */
#pragma once

#include "crypto/token.h"
#include "vault/record_lock.h"
#include "vault/vault.h"

#define SESSION_NAME_MAX 256
#define SESSION_PASSWORD_MAX 1024

struct sessions *sessions_new(struct vault *v) NONNULL MUST_USE;
void sessions_free(struct sessions *s);

/* Where a log-in is in the log. */
struct session_place {
	struct uuid chain;
	int64_t seq;
	int64_t set_up_seq; /* of the password that was set with it, 0: none */
};

/* What a login gives. Wipe it after use. */
struct session_begun {
	char token[TOKEN_STR_LEN];
	struct uuid session, user;
	const char *name; /* in the call's arena */
	enum role role;
	bool shared; /* others have the name too: from now on it is to be written with its suffix */
	int64_t expires_us;
	struct session_place at;
};

/* Of several who have the name (four at most), the one whose password it is. Checks name, password and, if the user has a second factor, code (NULL: none given); begins a
 * session. c->who must be nobody yet (only the address is used); on success it is the user.
 * ERR_BAD_LOGIN, ERR_SECOND_FACTOR (the password is right, a code is missing), ERR_LOCKED_OUT, and
 * what the log and the keys may say. */
int session_login(struct call *c, const char *name, const char *password, const char *code,
		  struct session_begun *ret, struct err *e) MUST_USE;

/* Whose session begins. */
struct session_of {
	struct uuid user;
	const char *name;
	enum role role;
	int64_t totp_step; /* of the code that was used; < 0: none was */
	const char *
		knew; /* the endings (query/ending.sql) that there were when they were authenticated; NULL: none, or the
			      database does not know of any yet */
};

/* Begins a session for a user who was authenticated. Any other ending ends it. c->who becomes the user. */
int session_begin(struct call *c, const struct session_of *of, struct session_begun *ret,
		  struct err *e) NONNULL MUST_USE;

/* Who holds this token. name is copied to a. ERR_UNAUTHENTICATED. ret->address is left alone. */
int session_check(struct vault *v, struct fiber *f, const char *token, struct arena *a,
		  struct who *ret, struct err *e) NONNULL MUST_USE;

/* What the caller shows once more before how they log in is changed: a session alone, which may be somebody else's by now, does not do. */
struct session_proof {
	const char *password, *code; /* code: NULL when none was given */
	const char *doing;	     /* for the log: what they try, "change own password" */
};
/* Holds it against what they log in with, by log-in's own rules: its queue, its counters, its lock-out; a failure is an event as one there. On success *ret_turn is
 * the turn among their log-ins, which the caller keeps until the change is in the log, so that no code counts twice (it is taken behind the user's own lock, which no log-in takes: nobody waits for ever); *ret_step is the code's, < 0: they have no
 * second factor. ERR_BAD_LOGIN, ERR_SECOND_FACTOR (the password is right, a code is missing), ERR_LOCKED_OUT. */
int session_prove(struct call *c, const struct session_proof *p, struct record_lock **ret_turn,
		  int64_t *ret_step, struct err *e) NONNULL MUST_USE;

/* The event that ends all sessions of a user but the caller's own. Its body is in buf. */
struct event session_ending(const struct call *c, const struct uuid *user,
			    struct buf *body) NONNULL;
/* Ends all sessions of a user, wherever they began; the caller's own goes on. In emergency too. ERR_REFUSED when the journal has too many. */
int session_end_all(struct call *c, const struct uuid *user, struct err *e) NONNULL MUST_USE;
/* Ends the call's own session. */
int session_end(struct call *c, struct err *e) NONNULL MUST_USE;

/* Begun here in emergency and not merged yet: in state MERGING only such sessions are served. */
bool session_is_journal_only(const struct who *w) NONNULL;

/* Pre-hashes a login password in its one form (password_prepare) and hashes it with Argon2id, on
 * the thread pool, queued with the logins. */
int session_hash_password(struct call *c, const struct uuid *user, const char *password,
			  char ret[static 128], struct err *e) MUST_USE;
/* Whether the password is the user's, in its one form or, if it is typed in another one, as typed;
 * takes the same work if hash is NULL. 0, ERR_BAD_LOGIN. */
int session_verify_password(struct call *c, const struct uuid *user, const char *password,
			    const char *hash, struct err *e) MUST_USE;

/* The listener behind vault_on_durable. */
void sessions_on_event(struct sessions *s, const struct event *ev) NONNULL;
/* After a change of the pair's state and at the start: empties the cache and reads the overlay from
 * the journal again. */
int sessions_reload(struct sessions *s, struct fiber *f, struct err *e) NONNULL MUST_USE;
/* Sessions in the cache, for /metrics. */
size_t sessions_count(const struct sessions *s) NONNULL;
