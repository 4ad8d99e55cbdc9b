/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the sessions share; nobody else includes this.
 *   session.c        login and logout
 *   session_check.c  the cache of tokens, the overlay of the journal
 *   session_work.c   Argon2id on the thread pool, a few at a time
 */
#pragma once

#include <sodium.h>
#include "vault/session.h"

#define SESSION_KEY_BYTES                                                                          \
	crypto_shorthash_siphashx24_BYTES /* 128 bits under a secret key: no collisions to be had  \
					   */
#define SESSION_BUCKETS 4096
#define SESSION_CACHE_MAX 65536
#define SESSION_LOGIN_QUEUE 8 /* logins of one name at once, from one source */

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
	struct lockout *lockout;
	struct hash_queue *hash_queue;
	uint64_t hashed; /* Argon2id hashes so far */
};

void session_key(const struct sessions *s, const void *p, size_t n,
		 uint8_t ret[static SESSION_KEY_BYTES]);
