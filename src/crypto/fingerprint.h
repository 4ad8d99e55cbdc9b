/* SPDX-License-Identifier: Apache-2.0
 *
 * A fingerprint as words, to read out over the telephone and compare by ear.
 */
#pragma once

#include "base/buf.h"
#include "crypto/x509.h"

/* Appends the 32 words of the PGP word list that stand for `pin`, a SHA-256 in hex of either case: `row_words` a line, separated by
 * blanks, each line indented by `indent` and ended by a newline; 0: all on one line, without either. Stops at what is not hex. */
void fingerprint_words(const char pin[static X509_PIN_LEN], size_t row_words, const char *indent,
		       struct buf *out) NONNULL;
