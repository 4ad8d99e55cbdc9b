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

/* What one keyboard composes and another does not; and the blanks that a keyboard gives for others. */
static void
a_password_has_one_form(void **state)
{
	static const struct {
		const char *typed, *form;
		size_t chars;
	} rows[] = {
		{ "correct horse", "correct horse", 13 },
		{ "Ju\u0308rgen\u2019s Stra\u00dfe", "J\u00fcrgen\u2019s Stra\u00dfe", 15 },
		{ "J\u00fcrgen", "J\u00fcrgen", 6 },
		{ "a\u0323\u0307", "\u1ea1\u0307", 2 }, /* marks in either order */
		{ "a\u0307\u0323", "\u1ea1\u0307", 2 },
		{ "\u1112\u1161\u11ab", "\ud55c", 1 },
		{ "\u212b \u2126", "\u00c5 \u03a9", 3 },
		{ "a\u00a0b\u2003c\u3000d", "a b c d", 7 },
		{ "\u2460\ufb01 A\u00b2", "\u2460\ufb01 A\u00b2", 5 }, /* NFKC would lose these */
		{ "UPPER lower\tT\u200db", "UPPER lower\tT\u200db", 15 },
		{ "\xff\u0308", "\xff\u0308", 3 },
		{ "", "", 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_buf form = BUF_INIT, again = BUF_INIT;

		assert_int_equal(password_prepare(rows[i].typed, &form), rows[i].chars);
		assert_string_equal(buf_str(&form), rows[i].form);
		password_prepare(buf_str(&form), &again);
		assert_string_equal(buf_str(&again), rows[i].form);
	}
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
		cmocka_unit_test(a_password_has_one_form),
		cmocka_unit_test(the_dummy_costs_the_same_and_fits_nothing),
		cmocka_unit_test(generated_ones_have_all_classes),
		cmocka_unit_test(characters_are_evenly_drawn),
	};
	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
