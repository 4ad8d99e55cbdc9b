/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/token.h"

#include <sodium.h>
#include <string.h>

#define FORM sodium_base64_VARIANT_URLSAFE_NO_PADDING

void
token_new(uint8_t ret[static TOKEN_BYTES])
{
	randombytes_buf(ret, TOKEN_BYTES);
}

void
token_str(const uint8_t t[static TOKEN_BYTES], char ret[static TOKEN_STR_LEN])
{
	sodium_bin2base64(ret, TOKEN_STR_LEN, t, TOKEN_BYTES, FORM);
}

int
token_parse(const char *s, uint8_t ret[static TOKEN_BYTES])
{
	uint8_t t[TOKEN_BYTES];
	size_t n = 0;
	if (strnlen(s, TOKEN_STR_LEN) != TOKEN_STR_LEN - 1 ||
	    sodium_base642bin(t, sizeof(t), s, TOKEN_STR_LEN - 1, NULL, &n, NULL, FORM) != 0 ||
	    n != TOKEN_BYTES)
		return ERR_BAD_FIELD;
	memcpy(ret, t, TOKEN_BYTES);
	sodium_memzero(t, sizeof(t));
	return 0;
}
