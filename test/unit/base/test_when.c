/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/clock.h"
#include "base/err.h"
#include "base/when.h"

static void
spans_of_all_units(void **state)
{
	static const struct {
		const char *s;
		int64_t ms;
	} good[] = {
		{ "0", 0 },
		{ "42", 42 },
		{ "500ms", 500 },
		{ "3s", 3000 },
		{ "30min", 1800000 },
		{ "30m", 1800000 },
		{ "12h", 43200000 },
		{ "30d", 2592000000ll },
		{ "0d", 0 },
		{ "007s", 7000 },
		{ "9223372036854775807", INT64_MAX },
	};
	static const char *const bad[] = { "",
					   "s",
					   "-5",
					   "5 s",
					   "5S",
					   "5y",
					   "5.5s",
					   "5sh",
					   "+5s",
					   " 5s",
					   "5s ",
					   "9223372036854775808",
					   "106751991168d" };
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		int64_t ms = -1;
		assert_int_equal(when_span(good[i].s, &ms), 0);
		assert_int_equal(ms, good[i].ms);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int64_t ms = -1;
		if (when_span(bad[i], &ms) != ERR_BAD_FIELD)
			fail_msg("\"%s\" is taken", bad[i]);
		assert_int_equal(ms, -1);
	}
}

static void
spans_are_written_in_their_largest_unit(void **state)
{
	static const struct {
		int64_t ms;
		const char *s;
	} rows[] = { { 0, "0" },	   { 1, "1ms" },
		     { 600, "600ms" },	   { 1500, "1500ms" },
		     { 3000, "3s" },	   { 90000, "90s" },
		     { 1800000, "30min" }, { 43200000, "12h" },
		     { 86400000, "1d" },   { 31536000000, "365d" } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[WHEN_SPAN_LEN];
		int64_t back;
		when_span_text(rows[i].ms, text);
		assert_string_equal(text, rows[i].s);
		assert_int_equal(when_span(text, &back), 0);
		assert_int_equal(back, rows[i].ms);
	}
}

static void
moments_as_people_write_them(void **state)
{
	static const struct {
		const char *s;
		bool end;
		const char *iso;
	} good[] = {
		{ "2026-11-28", false, "2026-11-28T00:00:00.000000Z" },
		{ "2026-11-28", true, "2026-11-28T23:59:59.999999Z" },
		{ "2026-11-28 14:00", true, "2026-11-28T14:00:00.000000Z" },
		{ "2026-11-28T14:00:05", false, "2026-11-28T14:00:05.000000Z" },
		{ "2026-11-28T14:00:05.5Z", false, "2026-11-28T14:00:05.500000Z" },
		{ "2026-11-28t14:00:05z", false, "2026-11-28T14:00:05.000000Z" },
		{ "2026-11-28 14:00+02:00", false, "2026-11-28T12:00:00.000000Z" },
		{ "2026-11-28T23:30:00-0530", false, "2026-11-29T05:00:00.000000Z" },
		{ "2024-02-29", false, "2024-02-29T00:00:00.000000Z" },
		{ "2h", false, "2026-11-28T10:00:00.000000Z" },
		{ "3d ago", true, "2026-11-25T12:00:00.000000Z" },
		{ "90min", false, "2026-11-28T10:30:00.000000Z" },
	};
	static const char *const bad[] = {
		"",
		"2",
		"yesterday",
		"2026-11",
		"2026-11-31",
		"2026-13-01",
		"2026-02-29",
		"28.11.2026",
		"2026-11-28 ",
		"2026-11-28 14",
		"2026-11-28 24:00",
		"2026-11-28 14:60",
		"2026-11-28 14:00 CET",
		"2026-11-28T14:00+2",
		"2026-11-28T14:00+25:00",
		"2026-11-28T14:00:0",
		"2026-11-28x14:00",
		"2h later",
		"-2h",
		"2h  ago",
		"2026-11-28T14:00:05.1234567Z",
		"99999999999999999999d",
		"9223372036854775d",
	};
	int64_t now;
	assert_int_equal(clock_parse_iso("2026-11-28T12:00:00Z", &now), 0);
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		int64_t us = 0;
		char iso[CLOCK_ISO_LEN];
		if (when_moment(good[i].s, now, good[i].end, &us))
			fail_msg("\"%s\" is not taken", good[i].s);
		clock_iso(us, iso);
		assert_string_equal(iso, good[i].iso);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int64_t us = 42;
		if (when_moment(bad[i], now, false, &us) != ERR_BAD_FIELD)
			fail_msg("\"%s\" is taken", bad[i]);
		assert_int_equal(us, 42);
	}
}

static void
ends_lie_ahead(void **state)
{
	static const struct {
		const char *s, *iso;
	} good[] = {
		{ "2026-11-28", "2026-11-28T23:59:59.999999Z" },
		{ "2027-01-31", "2027-01-31T23:59:59.999999Z" },
		{ "2026-11-28 14:00+01:00", "2026-11-28T13:00:00.000000Z" },
		{ "12h", "2026-11-29T00:00:00.000000Z" },
		{ "30d", "2026-12-28T12:00:00.000000Z" },
	};
	static const char *const bad[] = {
		"",	      "30",
		"0d",	      "-2h",
		"2h ago",     "2h later",
		"2026-11-27", "2026-11-28 12:00",
		"2027-02-30", "9223372036854775d",
		"tomorrow",
	};
	int64_t now;
	assert_int_equal(clock_parse_iso("2026-11-28T12:00:00Z", &now), 0);
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		int64_t us = 0;
		char iso[CLOCK_ISO_LEN];
		if (when_end(good[i].s, now, &us))
			fail_msg("\"%s\" is not taken", good[i].s);
		clock_iso(us, iso);
		assert_string_equal(iso, good[i].iso);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int64_t us = 42;
		if (when_end(bad[i], now, &us) != ERR_BAD_FIELD)
			fail_msg("\"%s\" is taken", bad[i]);
		assert_int_equal(us, 42);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans_of_all_units),
		cmocka_unit_test(spans_are_written_in_their_largest_unit),
		cmocka_unit_test(moments_as_people_write_them),
		cmocka_unit_test(ends_lie_ahead),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
