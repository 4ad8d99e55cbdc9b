/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/password.h"

#include <sodium.h>
#include <string.h>

_Static_assert(PASSWORD_HASH_LEN == crypto_pwhash_STRBYTES, "the header tells libsodium's size");

#define LEN_MIN 8
#define LEN_MAX 128

int
password_hash(const uint8_t prehash[static 32], char ret[static PASSWORD_HASH_LEN], struct err *e)
{
	if (crypto_pwhash_str_alg(ret, (const char *)prehash, 32, PASSWORD_OPS, PASSWORD_MEM_BYTES,
				  crypto_pwhash_ALG_ARGON2ID13) != 0)
		return err_set(e, ERR_INTERNAL, "hashing a password needs %u MiB of memory",
			       PASSWORD_MEM_BYTES >> 20);
	return 0;
}

bool
password_verify(const char *hash, const uint8_t prehash[static 32])
{
	return crypto_pwhash_str_verify(hash, (const char *)prehash, 32) == 0;
}

/* Salt and hash are random bytes: no input is known that gives them. Same cost as a real one. */
const char *
password_dummy(void)
{
	return "$argon2id$v=19$m=65536,t=2,p=1$G0M75CzkgFEw5OEi2jtIsQ"
	       "$ZL89hIKsX19UU4lOKKtqhFxdPYcm/peuuBvuI41usOk";
}

static const char *const classes[] = {
	"abcdefghijklmnopqrstuvwxyz",
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ",
	"0123456789",
	"@$-%&*()=^<>!#",
};

/* The i-th character of the first n classes written one behind the other. */
static char
pick(uint32_t i, size_t n, size_t *ret_class)
{
	for (size_t c = 0; c < n; c++) {
		size_t len = strlen(classes[c]);
		if (i < len) {
			*ret_class = c;
			return classes[c][i];
		}
		i -= (uint32_t)len;
	}
	return '?';
}

/* Draws every character; gives a bit for each class that was met. */
static unsigned
draw(unsigned len, size_t n, uint32_t chars, char *ret)
{
	unsigned met = 0;
	for (unsigned i = 0; i < len; i++) {
		size_t class = 0;
		ret[i] = pick(randombytes_uniform(chars), n, &class);
		met |= 1u << class;
	}
	return met;
}

int
password_generate(unsigned len, bool symbols, char *ret, struct err *e)
{
	if (len < LEN_MIN || len > LEN_MAX)
		return err_set(e, ERR_BAD_FIELD, "a password can have %d to %d characters", LEN_MIN,
			       LEN_MAX);
	size_t n = symbols ? 4 : 3;
	uint32_t chars = 0;
	for (size_t c = 0; c < n; c++)
		chars += (uint32_t)strlen(classes[c]);
	/* Drawing again, rather than mending, keeps all fitting passwords equally likely. */
	while (draw(len, n, chars, ret) != (1u << n) - 1)
		;
	ret[len] = '\0';
	return 0;
}
