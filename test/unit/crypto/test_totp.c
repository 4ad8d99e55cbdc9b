/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "crypto/totp.h"

static const uint8_t *const rfc_secret = (const uint8_t *)"12345678901234567890";

/* RFC 6238, appendix B: the last six of the eight digits. */
static void
codes_are_the_rfcs(void **state)
{
	static const struct {
		int64_t s;
		const char *code;
	} rows[] = {
		{ 59, "287082" },	  { 1111111109, "081804" }, { 1111111111, "050471" },
		{ 1234567890, "005924" }, { 2000000000, "279037" }, { 20000000000, "353130" }
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct err e = { 0 };
		char code[7];
		int64_t step = 0;
		assert_int_equal(totp_code(rfc_secret, rows[i].s, code, &e), 0);
		assert_string_equal(code, rows[i].code);
		assert_int_equal(totp_verify(rfc_secret, code, rows[i].s, 0, &step), 0);
		assert_int_equal(step, rows[i].s / 30);
	}
}

static void
one_step_of_skew_and_no_more(void **state)
{
	struct err e = { 0 };
	char code[7];
	int64_t step = 0, now = 1111111111;
	for (int64_t off = -3; off <= 3; off++) {
		assert_int_equal(totp_code(rfc_secret, now + 30 * off, code, &e), 0);
		int want = off >= -1 && off <= 1 ? 0 : ERR_BAD_LOGIN;
		assert_int_equal(totp_verify(rfc_secret, code, now, 0, &step), want);
	}
}

static void
a_code_is_good_once(void **state)
{
	struct err e = { 0 };
	char code[7];
	int64_t step = 0, now = 1111111111;
	assert_int_equal(totp_code(rfc_secret, now, code, &e), 0);
	assert_int_equal(totp_verify(rfc_secret, code, now, 0, &step), 0);
	int64_t last = step;
	assert_int_equal(totp_verify(rfc_secret, code, now, last, &step), ERR_EXISTS);
	assert_int_equal(totp_verify(rfc_secret, code, now + 29, last, &step), ERR_EXISTS);
	/* Nor is an older one, after a newer was used. */
	assert_int_equal(totp_code(rfc_secret, now - 30, code, &e), 0);
	assert_int_equal(totp_verify(rfc_secret, code, now, last, &step), ERR_EXISTS);
	assert_int_equal(totp_code(rfc_secret, now + 30, code, &e), 0);
	assert_int_equal(totp_verify(rfc_secret, code, now, last, &step), 0);
}

static void
rubbish_is_refused(void **state)
{
	static const char *const bad[] = { "",	     "05047",	"0504711", "05047a",
					   " 50471", "050471 ", "-50471",  "+50471" };
	int64_t step = 77;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(totp_verify(rfc_secret, bad[i], 1111111111, 0, &step),
				 ERR_BAD_LOGIN);
	assert_int_equal(totp_verify(rfc_secret, "050471", -5, 0, &step), ERR_BAD_LOGIN);
	assert_int_equal(step, 77);
}

static void
the_address_is_what_phones_read(void **state)
{
	char *uri = totp_uri(rfc_secret, "Hold fast", "a/b@x");
	assert_string_equal(uri, "otpauth://totp/Hold%20fast:a%2Fb%40x"
				 "?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Hold%20fast"
				 "&algorithm=SHA1&digits=6&period=30");
	free(uri);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codes_are_the_rfcs),
		cmocka_unit_test(one_step_of_skew_and_no_more),
		cmocka_unit_test(a_code_is_good_once),
		cmocka_unit_test(rubbish_is_refused),
		cmocka_unit_test(the_address_is_what_phones_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
