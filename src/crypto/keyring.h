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

/* Of the master key file (crypto/keyfile.h), with its errors; NULL then. */
struct keyring *keyring_open(const char *path, struct err *e) NONNULL MUST_USE;
void keyring_free(struct keyring *k);

/* Whose epochs it proves from now on, and whose end mark it keeps; nobody's until then. */
void keyring_set_node(struct keyring *k, const struct uuid *node) NONNULL;
/* The end mark as it is on the disk; one of another node counts for nothing. */
void keyring_set_mark(struct keyring *k, const struct endmark *m) NONNULL;
/* Whether a request moved the end mark since this was last asked: then it is to be written.
 * *ret_lost: the mark that was given up for it, its number 0 when there was none. */
bool keyring_take_mark(struct keyring *k, struct endmark *ret, struct endmark *ret_lost) NONNULL;

/* Carries out one request frame (op and body, without the length) and appends the answer frame (with
 * its length). Returns 0, or a negative code when the connection must be ended. */
int keyring_serve(struct keyring *k, char role, const uint8_t *frame, size_t n,
		  struct buf *ret_answer, struct err *e) NONNULL MUST_USE;
