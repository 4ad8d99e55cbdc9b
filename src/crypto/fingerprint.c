/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/fingerprint.h"

#include "base/hex.h"

#define BYTES ((X509_PIN_LEN - 1) / 2)

/* By the byte's place, even or odd, and its value. */
static const char *const words[256][2] = {
#define WORDS(even, odd) { even, odd },
#include "crypto/fingerprint.def"
#undef WORDS
};

void
fingerprint_words(const char pin[static X509_PIN_LEN], size_t row_words, const char *indent,
		  struct buf *out)
{
	for (size_t i = 0; i < BYTES; i++) {
		int high = hex_digit(pin[2 * i]), low = high < 0 ? -1 : hex_digit(pin[2 * i + 1]);
		if (low < 0)
			return;
		if (row_words && i % row_words == 0)
			buf_adds(out, indent);
		buf_adds(out, words[high * 16 + low][i % 2]);
		bool ends = row_words && ((i + 1) % row_words == 0 || i + 1 == BYTES);
		if (ends)
			buf_adds(out, "\n");
		else if (i + 1 < BYTES)
			buf_adds(out, " ");
	}
}
