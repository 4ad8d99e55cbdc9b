/* SPDX-License-Identifier: Apache-2.0
 *
 * Login passwords: Argon2id (libsodium crypto_pwhash_str form) over a pre-hash that keyd MACs with
 * the pepper and the user's id. These calls take tens of milliseconds: run them on the thread pool.
 * Also generates passwords.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"

#define PASSWORD_HASH_LEN 128 /* crypto_pwhash_STRBYTES */
#define PASSWORD_MEM_BYTES (64u << 20)
#define PASSWORD_OPS 2

/* Appends the form in which a password is hashed: NFC, with every kind of blank made a plain one, so
 * that it is the same however a keyboard composes it (OpaqueString of RFC 8265, which would also refuse
 * what we have always accepted). Invalid UTF-8 stays as it is. Returns the number of characters. */
size_t password_prepare(const char *password, struct buf *out) NONNULL;

int password_hash(const uint8_t prehash[static 32], char ret[static PASSWORD_HASH_LEN],
		  struct err *e) MUST_USE;
bool password_verify(const char *hash, const uint8_t prehash[static 32]) NONNULL MUST_USE;

/* A hash that no password fits: a login of a user that does not exist takes the same work. */
const char *password_dummy(void);

/* Writes len (8..128) characters, uniformly drawn: letters, digits and, if symbols, @$-%&*()=^<>!#
 * with at least one of each class. ret has len + 1 bytes. */
int password_generate(unsigned len, bool symbols, char *ret, struct err *e) NONNULL MUST_USE;
