/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/clock.h"
#include "base/err.h"

static void
iso_round_trip(void **state)
{
	static const int64_t moments[] = {
		0, 1, -1, 1767225600123456, 951782400000000, -62167219200000000, 253402300799999999
	};
	for (size_t i = 0; i < sizeof(moments) / sizeof(*moments); i++) {
		char text[CLOCK_ISO_LEN];
		int64_t back = 0;
		clock_iso(moments[i], text);
		assert_int_equal(strlen(text), CLOCK_ISO_LEN - 1);
		assert_int_equal(clock_parse_iso(text, &back), 0);
		assert_true(back == moments[i]);
	}
	char text[CLOCK_ISO_LEN];
	clock_iso(1769860800123456, text);
	assert_string_equal(text, "2026-01-31T12:00:00.123456Z");
	clock_iso(INT64_MAX, text);
	assert_string_equal(text, "9999-12-31T23:59:59.000000Z");
	clock_iso(INT64_MIN, text);
	assert_string_equal(text, "0000-01-01T00:00:00.000000Z");
	int64_t us = 0;
	assert_int_equal(clock_parse_iso("2026-01-31T12:00:00Z", &us), 0);
	assert_true(us == 1769860800000000);
	assert_int_equal(clock_parse_iso("2026-01-31T12:00:00.07Z", &us), 0);
	assert_true(us == 1769860800070000);
}

static void
other_forms_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"2026-01-31T12:00:00.Z",
		"2026-01-31T12:00:00.1234567Z",
		" 2026-01-31T12:00:00Z",
		"2026-01-31T12:00:00",
		"2026-1-31T12:00:00Z",
		"2026-01-31T12:00:00.123456",
		"2026-01-31T12:00:00.123456Zx",
		"2026-01-31 12:00:00.123456Z",
		"2026-02-30T12:00:00.123456Z",
		"2026-13-01T12:00:00.123456Z",
		"2026-01-31T24:00:00.123456Z",
		"2026-01-31T12:00:60.123456Z",
		"2026-01-31T12:00:00.12345 Z",
		"2026-01-31T12:00:0-.123456Z",
		"-026-01-31T12:00:00.123456Z",
		"2026-01-31T12:00:00.123456z",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		int64_t us = 42;
		assert_int_equal(clock_parse_iso(bad[i], &us), ERR_BAD_FIELD);
		assert_int_equal(us, 42);
	}
}

static void
clocks_go_on(void **state)
{
	int64_t ms = clock_mono_ms(), us = clock_mono_us();
	clock_sleep_ms(20);
	assert_true(clock_mono_ms() - ms >= 20);
	assert_true(clock_mono_us() - us >= 20000);
	assert_true(clock_now_us() > 1700000000000000);
	clock_sleep_ms(0);
	clock_sleep_ms(-5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(iso_round_trip),
		cmocka_unit_test(other_forms_are_refused),
		cmocka_unit_test(clocks_go_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
