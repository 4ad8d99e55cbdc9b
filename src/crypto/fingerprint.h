/* SPDX-License-Identifier: Apache-2.0
 *
 * A fingerprint as words, to be read over the telephone and compared by ear.
 */
#pragma once

#include "base/buf.h"
#include "crypto/x509.h"

/* Appends the 32 words of the PGP word list that stand for `pin`, the SHA-256 in hex of either case: `row_words` in a line, blanks between, each
 * line begun by `indent` and ended by a newline; 0: all of them in one, without either. Of what is no hex: up to there. */
void fingerprint_words(const char pin[static X509_PIN_LEN], size_t row_words, const char *indent,
		       struct buf *out) NONNULL;
