/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "http/utf8.h"

/* Encodes as the scheme would, valid or not. */
static size_t
encode(uint32_t c, char out[4])
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 63));
		out[2] = (char)(0x80 | (c & 63));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 63));
	out[2] = (char)(0x80 | (c >> 6 & 63));
	out[3] = (char)(0x80 | (c & 63));
	return 4;
}

static void
test_every_code_point(void **state)
{
	for (uint32_t c = 0; c < 0x1fffff; c++) {
		char text[4];
		size_t n = encode(c, text);
		bool valid = c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff);

		if (utf8_sequence(text, n) != (valid ? n : 0))
			fail_msg("U+%X", c);
		if (n > 1 && utf8_sequence(text, n - 1) != 0)
			fail_msg("U+%X cut short", c);
	}
}

static void
test_bad_forms(void **state)
{
	static const char *const bad[] = { "\x80",
					   "\xc0\x80",
					   "\xc1\xbf",
					   "\xe0\x80\x80",
					   "\xe0\x9f\xbf",
					   "\xf0\x80\x80\x80",
					   "\xf5\x80\x80\x80",
					   "\xff",
					   "a\xc3",
					   "\xc3(" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (utf8_valid(bad[i], strlen(bad[i])))
			fail_msg("row %zu", i);
	assert_true(utf8_valid("", 0));
	assert_true(utf8_valid("a\0b", 3));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_code_point),
		cmocka_unit_test(test_bad_forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
