/* SPDX-License-Identifier: Apache-2.0
 *
 * The keys themselves and what is done with them. Lives in keyd only (and in the tests).
 * Subkeys come from the master key by crypto_kdf (BLAKE2b), one per duty; the master key itself is
 * wiped after they are derived. Data keys are random and wrapped by the wrap subkey.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/uuid.h"
#include "crypto/keys.h"

struct endmark;
struct keyring;

/* Reads the master key file: 64 hex digits and a newline, owned by the caller's user, not readable by others.
 * ERR_BAD_KEY with what to do when it is missing, unreadable, readable by others or malformed. */
struct keyring *keyring_open(const char *path, struct err *e) NONNULL MUST_USE;
/* Whether the device that the file is on is there, without a look into it; any process. ERR_UNREACHABLE says what to do. What
 * else may be wrong with the file keyring_open says. */
int keyring_there(const char *path, struct err *e) NONNULL MUST_USE;
void keyring_free(struct keyring *k);

/* Whose epochs it proves from now on, and whose end mark it keeps; nobody's until then. */
void keyring_set_node(struct keyring *k, const struct uuid *node) NONNULL;
/* The end mark as it is on the disk; one of another node counts for nothing. */
void keyring_set_mark(struct keyring *k, const struct endmark *m) NONNULL;
/* Whether a request moved the end mark since this was last asked: then it is to be written.
 * *ret_lost: the mark that was given up for it, its number 0 when there was none. */
bool keyring_take_mark(struct keyring *k, struct endmark *ret, struct endmark *ret_lost) NONNULL;

/* Writes a new random master key file (mode 0400, O_EXCL, fsync of file and folder). */
int keyring_create_file(const char *path, struct err *e) NONNULL MUST_USE;

/* Carries out one request frame (op and body, without the length) and appends the answer frame (with
 * its length). Returns 0, or a negative code when the connection must be ended. */
int keyring_serve(struct keyring *k, char role, const uint8_t *frame, size_t n,
		  struct buf *ret_answer, struct err *e) NONNULL MUST_USE;
