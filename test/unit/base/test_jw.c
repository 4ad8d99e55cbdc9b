/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "base/jw.h"

static void
commas_and_nesting_are_kept(void **ctx)
{
	auto_buf out = BUF_INIT;
	struct jw w;

	jw_init(&w, &out);
	jw_object(&w, NULL);
	jw_array(&w, "empty");
	jw_end_array(&w);
	jw_array(&w, "rows");
	jw_object(&w, NULL);
	jw_end_object(&w);
	jw_object(&w, NULL);
	jw_int(&w, "n", INT64_MIN);
	jw_bool(&w, "yes", true);
	jw_end_object(&w);
	jw_end_array(&w);
	jw_raw(&w, "raw", "[1]");
	jw_end_object(&w);
	assert_string_equal(buf_str(&out), "{\"empty\":[],\"rows\":[{},{\"n\":-9223372036854775808,"
					   "\"yes\":true}],\"raw\":[1]}");
}

static void
what_is_absent_is_null(void **ctx)
{
	static const unsigned char nil[16];
	auto_buf out = BUF_INIT;
	struct jw w;

	jw_init(&w, &out);
	jw_array(&w, NULL);
	jw_text(&w, NULL, NULL);
	jw_text(&w, NULL, "");
	jw_double(&w, NULL, NAN);
	jw_double(&w, NULL, INFINITY);
	jw_double(&w, NULL, 0.5);
	jw_uuid(&w, NULL, nil);
	jw_time(&w, NULL, 0);
	jw_end_array(&w);
	assert_string_equal(buf_str(&out), "[null,\"\",null,null,0.5,null,null]");
}

/* Whatever bytes a text has, the reply is JSON in UTF-8. */
static void
every_text_is_escaped(void **ctx)
{
	static const struct {
		const char *text, *json;
		size_t n;
	} rows[] = {
		{ "a\"b\\c", "\"a\\\"b\\\\c\"", 5 },
		{ "\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\"", 5 },
		{ "a\0b", "\"a\\u0000b\"", 3 },
		{ "\x1f\x7f", "\"\\u001f\\u007f\"", 2 },
		{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
		  "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"", 9 },
		{ "\xc0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\"", 2 },		   /* overlong */
		{ "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"", 3 }, /* surrogate */
		{ "x\xe2\x82", "\"x\xef\xbf\xbd\xef\xbf\xbd\"", 3 },		   /* cut short */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		auto_buf out = BUF_INIT;
		struct jw w;

		jw_init(&w, &out);
		jw_textn(&w, NULL, rows[i].text, rows[i].n);
		assert_string_equal(buf_str(&out), rows[i].json);
		assert_true(jw_utf8(out.data, out.len));
	}
	assert_false(jw_utf8("\xc0\x80", 2));
	assert_false(jw_utf8("\xf4\x90\x80\x80", 4));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commas_and_nesting_are_kept),
		cmocka_unit_test(what_is_absent_is_null),
		cmocka_unit_test(every_text_is_escaped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
