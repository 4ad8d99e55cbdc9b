/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the sessions share; nobody else includes this.
 *   session.c        login and logout
 *   session_check.c  the cache of tokens, the overlay of the journal
 *   session_work.c   Argon2id on the thread pool, a few at a time; the memory of failed logins
 */
#pragma once

#include <sodium.h>
#include "vault/session.h"

#define SESSION_KEY_BYTES                                                                          \
	crypto_shorthash_siphashx24_BYTES /* 128 bits under a secret key: no collisions to be had  \
					   */
#define SESSION_BUCKETS 4096
#define SESSION_CACHE_MAX 65536
#define SESSION_ATTEMPTS_MAX 8192
#define SESSION_LOGIN_QUEUE 8 /* logins of one name at once */

/* A checked token. */
struct session_entry {
	struct session_entry *next;
	uint8_t key[SESSION_KEY_BYTES];
	struct uuid session, user;
	char *name;
	enum role role;
	bool journal_only;
	int64_t expires_us;
	int64_t seen_us;	 /* last use */
	int64_t written_us;	 /* last use that the log knows */
	int64_t checked_mono_ms; /* when the database was asked */
};

/* A session that the journal holds and the table perhaps not yet. */
struct session_begun_here {
	struct session_begun_here *next;
	uint8_t mac[KEYS_HASH_BYTES];
	struct uuid session, user;
	char *knew; /* endings (query/ending.sql); NULL: it does not say */
	int64_t begun_us, seen_us, expires_us;
};

/* A session that ended in the journal. */
struct session_ended_here {
	struct session_ended_here *next;
	struct uuid session;
};

/* Failed logins of a user, or of a name that nobody has; and the last code's step. */
struct session_attempt {
	struct session_attempt *next;
	uint8_t key[SESSION_KEY_BYTES];
	int64_t failed, failed_us, totp_step;
};

struct hash_queue;

struct sessions {
	struct vault *v;
	uint8_t hash_key[crypto_shorthash_siphashx24_KEYBYTES];
	struct session_entry *bucket[SESSION_BUCKETS];
	size_t n;
	uint64_t generation; /* grows when something was invalidated: what is being read meanwhile
				is not cached */
	struct session_begun_here *begun;
	struct session_ended_here *ended;
	struct session_attempt *attempts; /* newest first */
	size_t nattempts;
	struct hash_queue *hash_queue;
	uint64_t hashed; /* Argon2id hashes so far */
};

void session_key(const struct sessions *s, const void *p, size_t n,
		 uint8_t ret[static SESSION_KEY_BYTES]);
/* Folds ASCII case, so that varying it gives no more tries. */
void session_name_key(const struct sessions *s, const char *name,
		      uint8_t ret[static SESSION_KEY_BYTES]);

/* session_work.c */
struct session_attempt *session_attempt_find(struct sessions *s,
					     const uint8_t key[static SESSION_KEY_BYTES]);
struct session_attempt *session_attempt_get(struct sessions *s,
					    const uint8_t key[static SESSION_KEY_BYTES]);
void session_attempts_clear(struct sessions *s);
/* 0, or ERR_LOCKED_OUT with how long to wait. */
int session_locked(const struct settings *st, int64_t failed, int64_t failed_us, int64_t now_us,
		   struct err *e);
