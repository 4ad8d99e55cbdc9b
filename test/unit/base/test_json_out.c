/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "base/json_out.h"

static void
commas_and_nesting_are_kept(void **ctx)
{
	auto_buf out = BUF_INIT;
	struct json_out w;

	json_out_init(&w, &out);
	json_out_object(&w, NULL);
	json_out_array(&w, "empty");
	json_out_end_array(&w);
	json_out_array(&w, "rows");
	json_out_object(&w, NULL);
	json_out_end_object(&w);
	json_out_object(&w, NULL);
	json_out_int(&w, "n", INT64_MIN);
	json_out_bool(&w, "yes", true);
	json_out_end_object(&w);
	json_out_end_array(&w);
	json_out_raw(&w, "raw", "[1]");
	json_out_end_object(&w);
	assert_string_equal(buf_str(&out), "{\"empty\":[],\"rows\":[{},{\"n\":-9223372036854775808,"
					   "\"yes\":true}],\"raw\":[1]}");
}

static void
what_is_absent_is_null(void **ctx)
{
	static const unsigned char nil[16];
	auto_buf out = BUF_INIT;
	struct json_out w;

	json_out_init(&w, &out);
	json_out_array(&w, NULL);
	json_out_text(&w, NULL, NULL);
	json_out_text(&w, NULL, "");
	json_out_double(&w, NULL, NAN);
	json_out_double(&w, NULL, INFINITY);
	json_out_double(&w, NULL, 0.5);
	json_out_uuid(&w, NULL, nil);
	json_out_time(&w, NULL, 0);
	json_out_end_array(&w);
	assert_string_equal(buf_str(&out), "[null,\"\",null,null,0.5,null,null]");
}

static void
an_instant_is_a_time_even_in_1970(void **ctx)
{
	auto_buf out = BUF_INIT;
	struct json_out w;

	json_out_init(&w, &out);
	json_out_array(&w, NULL);
	json_out_instant(&w, NULL, 0);
	json_out_instant(&w, NULL, 1000001);
	json_out_time(&w, NULL, 1000001);
	json_out_end_array(&w);
	assert_string_equal(buf_str(&out), "[\"1970-01-01T00:00:00.000000Z\","
					   "\"1970-01-01T00:00:01.000001Z\","
					   "\"1970-01-01T00:00:01.000001Z\"]");
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
		struct json_out w;

		json_out_init(&w, &out);
		json_out_textn(&w, NULL, rows[i].text, rows[i].n);
		assert_string_equal(buf_str(&out), rows[i].json);
		assert_true(json_out_is_utf8(out.data, out.len));
	}
	assert_false(json_out_is_utf8("\xc0\x80", 2));
	assert_false(json_out_is_utf8("\xf4\x90\x80\x80", 4));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commas_and_nesting_are_kept),
		cmocka_unit_test(what_is_absent_is_null),
		cmocka_unit_test(an_instant_is_a_time_even_in_1970),
		cmocka_unit_test(every_text_is_escaped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
