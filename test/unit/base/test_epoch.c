/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/epoch.h"

#define A "01900000-0000-7000-8000-00000000000a"
#define B "01900000-0000-7000-8000-00000000000b"
#define X ".0000000000000001"
#define Y ".00c5d60102030405"
#define P "0101010101010101010101010101010101010101010101010101010101010101"

static struct epoch
of(const char *text)
{
	struct epoch p = { 0 };
	struct err e = { 0 };

	assert_int_equal(epoch_parse(text, &p, &e), 0);
	return p;
}

/* H10: of any two one is the later one. */
static void
is_a_total_order(void **state)
{
	struct epoch in_order[] = {
		{ 0 },
		of("1." A),
		of("1." A X),
		of("1." A Y),
		of("1." B),
		of("1." B X),
		of("2." A),
		of("10." A)
	};
	int n = sizeof(in_order) / sizeof(in_order[0]);

	for (int i = 0; i < n; i++) {
		for (int k = 0; k < n; k++) {
			int c = epoch_cmp(&in_order[i], &in_order[k]);

			assert_int_equal((c > 0) - (c < 0), (i > k) - (i < k));
			assert_int_equal(epoch_is_later(&in_order[i], &in_order[k]), i > k);
		}
	}
}

static void
is_written_and_read_back(void **state)
{
	struct epoch e = of("999999999999999999." B), none = { 0 };
	struct uuid a, b;
	char text[EPOCH_TEXT_MAX];

	epoch_text(&e, text);
	assert_string_equal(text, "999999999999999999." B);
	assert_int_equal(uuid_parse(A, &a), 0);
	assert_int_equal(uuid_parse(B, &b), 0);
	assert_true(epoch_is_of(&e, &b));
	assert_false(epoch_is_of(&e, &a));
	e = of("3." A Y);
	assert_true(epoch_is_of(&e, &a));
	assert_int_equal(e.incarnation, 0xc5d60102030405);
	epoch_text(&e, text);
	assert_string_equal(text, "3." A Y);
	epoch_text(&none, text);
	assert_string_equal(text, "");
	assert_false(epoch_is_of(&none, &none.node));
}

static void
what_is_malformed_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		".",
		"." A,
		"1",
		"1.",
		"0." A,
		"01." A,
		"-1." A,
		"+1." A,
		" 1." A,
		"1 ." A,
		"1." A " ",
		"1." A "\n",
		"1,5." A,
		"1000000000000000000." A,
		"1.01900000-0000-7000-8000-00000000000",
		"1e3." A,
		"1." A ".",
		"1." A "..",
		"1." A "x",
		"1." A X " ",
		"1." A X Y,
		"1." A X "0",
		"1." A ".0000000000000000",
		"1." A ".00C5D60102030405",
		"1." A ".c5d60102030405",
		"1." A "." A,
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct epoch p = of("7." A), kept = p;
		struct err e = { 0 };

		assert_int_equal(epoch_parse(bad[i], &p, &e), ERR_BAD_FIELD);
		assert_memory_equal(&p, &kept, sizeof(p));
	}
}

static void
a_proof_is_64_digits(void **state)
{
	static const char *const bad[] = {
		"01",  P "0", " " P,
		"x" P, P " ", "g101010101010101010101010101010101010101010101010101010101010101"
	};
	struct epoch_claim c = { 0 }, kept;
	char text[EPOCH_PROOF_TEXT_MAX];
	struct err e = { 0 };

	assert_int_equal(epoch_claim_parse("7." A, P, &c, &e), 0);
	assert_true(epoch_has_proof(&c));
	epoch_proof_text(&c, text);
	assert_string_equal(text, P);
	kept = c;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(epoch_claim_parse("8." A, bad[i], &c, &e), ERR_BAD_FIELD);
		assert_memory_equal(&c, &kept, sizeof(c));
	}
	assert_int_equal(epoch_claim_parse("0." A, P, &c, &e), ERR_BAD_FIELD);
	assert_int_equal(epoch_claim_parse("8." A, "", &c, &e), 0);
	assert_false(epoch_has_proof(&c));
	epoch_proof_text(&c, text);
	assert_string_equal(text, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_a_total_order),
		cmocka_unit_test(is_written_and_read_back),
		cmocka_unit_test(what_is_malformed_is_refused),
		cmocka_unit_test(a_proof_is_64_digits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
