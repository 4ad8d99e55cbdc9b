/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/name.h"

static void
names_have_one_form(void **state)
{
	static const struct {
		const char *given, *kept;
	} rows[] = {
		{ "plain", "plain" },
		{ "", "" },
		{ "ju\xcc\x88rgen", "j\xc3\xbcrgen" }, /* as macOS types it */
		{ "j\xc3\xbcrgen", "j\xc3\xbcrgen" },
		{ "a/o\xcc\x88", "a/\xc3\xb6" },
		{ "\xe2\x84\xab", "\xc3\x85" },	    /* the sign of the angstrom */
		{ "\xef\xac\x81", "\xef\xac\x81" }, /* a ligature is another name */
		{ "\xff bytes", "\xff bytes" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_buf out = BUF_INIT;
		name_nfc(rows[i].given, &out);
		assert_string_equal(buf_str(&out), rows[i].kept);
	}
}

static void
names_are_compared_as_people_do(void **state)
{
	assert_true(name_same("Router", "rOUTER"));
	assert_true(name_same("J\xc3\x9cRGEN", "ju\xcc\x88rgen"));
	assert_true(name_same("\xff", "\xff"));
	assert_false(name_same("\xff", "\xfe"));
	assert_false(name_same("router", "router "));
	assert_false(name_same("router", "router2"));
	assert_false(name_same("a", ""));
	assert_false(name_same("prod", "prod\xe2\x80\x8b"));
}

static void
what_cannot_be_seen_is_found(void **state)
{
	static const struct {
		const char *text;
		uint32_t what; /* 0: all can be seen */
	} rows[] = {
		{ "plain", 0 },
		{ "", 0 },
		{ "Stra\xc3\x9f"
		  "e \xe6\xbc\xa2\xe5\xad\x97 \xf0\x9f\x94\x91",
		  0 },
		{ "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d", 0 }, /* letters that run from right to left */
		{ "a\nb", '\n' },
		{ "a\x1b[31m", 0x1b },
		{ "a\x7f", 0x7f },
		{ "a\xc2\x9b", 0x9b },
		{ "a\xc2\x80", 0x80 },
		{ "a\xc2\xad", 0xad },	     /* soft hyphen */
		{ "a\xe2\x80\x8b", 0x200b }, /* zero width space */
		{ "a\xe2\x80\x8d", 0x200d },
		{ "a\xef\xbb\xbf", 0xfeff },
		{ "a\xe2\x80\xae", 0x202e }, /* right-to-left override */
		{ "a\xe2\x81\xa6", 0x2066 },
		{ "a\xd8\x9c", 0x061c },
		{ "a\xe2\x80\xa8", 0x2028 },
		{ "a\xf3\xa0\x81\x81", 0xe0041 }, /* a tag */
		{ "a\xe3\x85\xa4", 0x3164 },	  /* a filler */
		{ "a\xff", 0xff },
		{ "a\x9b", 0x9b },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint32_t c = 0;
		bool unseen = name_unseen(rows[i].text, &c);
		if (unseen != (rows[i].what != 0) || (unseen && c != rows[i].what))
			fail_msg("row %zu: U+%04X", i, (unsigned)c);
	}
}

static void
holders_of_a_name_are_told_apart(void **state)
{
	static const char id[] = "01a0ab53-0001-7000-8000-0123456789aF";
	static const struct {
		const char *text;
		int at; /* where its suffix begins; -1: it has none */
	} rows[] = {
		{ "switch~89af", 6 },
		{ "switch~0123456789AF", 6 },
		{ "a~b~89af", 3 },
		{ "switch~9af", -1 },
		{ "switch", -1 },
		{ "~89af", -1 },
		{ "switch~89ag", -1 },
		{ "switch~", -1 },
		{ "", -1 },
		{ "switch~89af~", -1 },
		{ "switch~89af ", -1 },
		{ "~~89af", 1 },
		{ "a~00123456789af", -1 },
	};
	struct uuid u;
	char suffix[NAME_SUFFIX_LEN];

	assert_int_equal(uuid_parse(id, &u), 0);
	name_suffix(&u, suffix);
	assert_string_equal(suffix, "~89af");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *at = name_find_suffix(rows[i].text);
		if ((at ? at - rows[i].text : -1) != rows[i].at)
			fail_msg("row %zu: %s", i, at ? at : "none");
	}
	assert_true(name_means("Switch", "switch", id));
	assert_true(name_means("SWITCH~89Af", "switch", id));
	assert_true(name_means("switch~456789af", "switch", id));
	assert_true(
		name_means("switch~89af", "switch~89AF", "01a0ab53-0001-7000-8000-000000000000"));
	assert_false(name_means("switch~89ae", "switch", id));
	assert_false(name_means("switch~89af", "router", id));
	assert_false(name_means("switch~89af", "switch", ""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_have_one_form),
		cmocka_unit_test(names_are_compared_as_people_do),
		cmocka_unit_test(what_cannot_be_seen_is_found),
		cmocka_unit_test(holders_of_a_name_are_told_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
