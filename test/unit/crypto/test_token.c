/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <sodium.h>
#include "crypto/token.h"

static void
round_trip(void **state)
{
	uint8_t t[TOKEN_BYTES], other[TOKEN_BYTES], back[TOKEN_BYTES];
	char text[TOKEN_STR_LEN];
	token_new(t);
	token_new(other);
	assert_memory_not_equal(t, other, TOKEN_BYTES);
	token_str(t, text);
	assert_int_equal(strlen(text), 43);
	assert_int_equal(strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_"),
			 43);
	assert_int_equal(token_parse(text, back), 0);
	assert_memory_equal(t, back, TOKEN_BYTES);
}

static void
other_forms_are_refused(void **state)
{
	uint8_t t[TOKEN_BYTES] = { 7 };
	static const char *const bad[] = {
		"",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",	/* 42 */
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", /* 44 */
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"AAAAAAAAAAAAAAAAAAAAA+AAAAAAAAAAAAAAAAAAAAA",
		"AAAAAAAAAAAAAAAAAAAAA AAAAAAAAAAAAAAAAAAAAA",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB", /* bits behind the end */
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(token_parse(bad[i], t), ERR_BAD_FIELD);
	assert_int_equal(t[0], 7);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(other_forms_are_refused),
	};
	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
