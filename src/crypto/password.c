/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/password.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

_Static_assert(PASSWORD_HASH_LEN == crypto_pwhash_STRBYTES, "the header tells libsodium's size");

#define LEN_MIN 8
#define LEN_MAX 128

/* ---- one form ---- */

struct prepared {
	struct buf *out;
	size_t chars;
};

static int
add_char(void *arg, ucs4_t c)
{
	struct prepared *p = arg;
	uint8_t bytes[6];
	int n = u8_uctomb(bytes, c, sizeof(bytes));

	buf_add(p->out, bytes, n > 0 ? (size_t)n : 0);
	p->chars++;
	return 0;
}

/* Character by character: the library's functions over whole strings leave copies behind them that
 * nobody wipes; this one keeps a letter and its marks. */
static void
compose(const uint8_t *s, struct prepared *p)
{
	struct uninorm_filter *nfc = uninorm_filter_create(UNINORM_NFC, add_char, p);
	ucs4_t c;

	if (!nfc)
		abort();
	while ((s = u8_next(&c, s)) != NULL) {
		if (uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Zs))
			c = ' ';
		if (uninorm_filter_write(nfc, c))
			abort();
	}
	if (uninorm_filter_free(nfc))
		abort();
}

size_t
password_prepare(const char *password, struct buf *out)
{
	struct prepared p = { .out = out };

	if (u8_check((const uint8_t *)password, strlen(password))) {
		buf_adds(out, password);
		return strlen(password);
	}
	buf_reserve(out, strlen(password));
	compose((const uint8_t *)password, &p);
	return p.chars;
}

/* ---- Argon2id ---- */

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

/* ---- the generator ---- */

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
