/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <sodium.h>
#include "crypto/password.h"

static void
hash_and_verify(void **state)
{
	struct err e = { 0 };
	uint8_t pre[32] = "a pre-hash has zero bytes \0 too", wrong[32];
	char hash[PASSWORD_HASH_LEN], again[PASSWORD_HASH_LEN];
	memcpy(wrong, pre, 32);
	wrong[31] ^= 1; /* what lies behind a zero byte counts */
	assert_int_equal(password_hash(pre, hash, &e), 0);
	assert_int_equal(strncmp(hash, "$argon2id$v=19$m=65536,t=2,p=1$", 31), 0);
	assert_true(password_verify(hash, pre));
	assert_false(password_verify(hash, wrong));
	assert_int_equal(password_hash(pre, again, &e), 0);
	assert_string_not_equal(hash, again);
}

static void
the_dummy_costs_the_same_and_fits_nothing(void **state)
{
	uint8_t pre[32] = { 0 };
	assert_int_equal(
		crypto_pwhash_str_needs_rehash(password_dummy(), PASSWORD_OPS, PASSWORD_MEM_BYTES),
		0);
	assert_false(password_verify(password_dummy(), pre));
	assert_false(password_verify("no hash at all", pre));
	assert_false(password_verify("", pre));
}

static const char symbols[] = "@$-%&*()=^<>!#";

static int
has(const char *s, const char *set)
{
	return strcspn(s, set) < strlen(s);
}

static void
generated_ones_have_all_classes(void **state)
{
	struct err e = { 0 };
	char p[129], last[129] = "";
	for (unsigned i = 0; i < 2000; i++) {
		unsigned len = 8 + i % 121;
		bool with = i & 1;
		assert_int_equal(password_generate(len, with, p, &e), 0);
		assert_int_equal(strlen(p), len);
		assert_true(has(p, "abcdefghijklmnopqrstuvwxyz"));
		assert_true(has(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"));
		assert_true(has(p, "0123456789"));
		assert_int_equal(has(p, symbols), with);
		assert_string_not_equal(p, last);
		memcpy(last, p, sizeof(last));
	}
	assert_int_equal(password_generate(7, true, p, &e), ERR_BAD_FIELD);
	assert_int_equal(password_generate(129, true, p, &e), ERR_BAD_FIELD);
}

/* Chi-squared over 76 characters: 75 degrees of freedom, 150 is beyond one in a million. */
static void
characters_are_evenly_drawn(void **state)
{
	struct err e = { 0 };
	static unsigned count[256];
	char p[129];
	unsigned n = 0;
	for (unsigned i = 0; i < 3000; i++) {
		assert_int_equal(password_generate(128, true, p, &e), 0);
		for (const char *c = p; *c; c++, n++)
			count[(unsigned char)*c]++;
	}
	double want = n / 76.0, sum = 0;
	unsigned kinds = 0;
	for (unsigned c = 0; c < 256; c++) {
		kinds += count[c] > 0;
		if (count[c])
			sum += (count[c] - want) * (count[c] - want) / want;
	}
	assert_int_equal(kinds, 76);
	assert_true(sum < 170);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hash_and_verify),
		cmocka_unit_test(the_dummy_costs_the_same_and_fits_nothing),
		cmocka_unit_test(generated_ones_have_all_classes),
		cmocka_unit_test(characters_are_evenly_drawn),
	};
	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
