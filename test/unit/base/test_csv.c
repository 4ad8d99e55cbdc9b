/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/csv.h"

/* Reads all of text and writes it as "a|b;c|d;" with ";" behind each record. */
static int
flatten(const char *text, size_t n, struct buf *out, struct err *e)
{
	struct csv c;
	int rc;
	csv_init(&c, text, n);
	while ((rc = csv_next(&c, e)) == 1) {
		buf_addf(out, "%u:", c.record);
		for (unsigned i = 0; i < c.n; i++)
			buf_addf(out, "%s%s", i ? "|" : "", csv_field(&c, i));
		if (c.fault)
			buf_addf(out, "!%s", c.fault);
		buf_addc(out, ';');
	}
	csv_done(&c);
	return rc;
}

static void
reads_records(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "", "" },
		{ "\r\n\n", "" },
		{ "a,b\r\nc,d\r\n", "1:a|b;2:c|d;" },
		{ "a,b\nc,d", "1:a|b;2:c|d;" },
		{ "a\rb\r", "1:a;2:b;" },
		{ "\xef\xbb\xbfhead\n", "1:head;" },
		{ ",\n", "1:|;" },
		{ "\"\"\n", "1:;" },
		{ "\"a\"\"b\",\"c,d\"\n", "1:a\"b|c,d;" },
		{ "\"two\r\nlines\",x\ny\n", "1:two\r\nlines|x;3:y;" },
		{ "\n\na\n", "3:a;" },
		{ "\"p,\"\"w\"\"\n;\",z", "1:p,\"w\"\n;|z;" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_buf out = BUF_INIT;
		struct err e = { 0 };
		assert_int_equal(flatten(rows[i].text, strlen(rows[i].text), &out, &e), 0);
		assert_string_equal(buf_str(&out), rows[i].want);
	}
}

static void
refuses(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		const char *line;
	} rows[] = {
		{ "\"open\nstill", 11, "line 1: " }, { "\"a\"b\n", 5, "line 1: " },
		{ "x\n\"a\" ,b\n", 9, "line 2: " },  { "a\0b\n", 4, "line 1: " },
		{ "\"a\0b\"\n", 6, "line 1: " },     { "ok\n\xff\xfe\n", 6, "line 2: " },
		{ "\xc0\xaf\n", 3, "line 1: " },     { "\xed\xa0\x80", 3, "line 1: " },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_buf out = BUF_INIT;
		struct err e = { 0 };
		assert_int_equal(flatten(rows[i].text, rows[i].n, &out, &e), ERR_BAD_FIELD);
		assert_memory_equal(e.text, rows[i].line, strlen(rows[i].line));
	}
}

/* What is wrong with one record does not hide the others. */
static void
faults_are_of_their_record(void **state)
{
	auto_buf text = BUF_INIT, out = BUF_INIT;
	struct err e = { 0 };

	assert_int_equal(flatten("a,b\"c\nd\n", 8, &out, &e), 0);
	assert_string_equal(buf_str(&out),
			    "1:a|b\"c!a quote inside a field that is not quoted;2:d;");
	for (int i = 0; i < CSV_FIELDS_MAX - 1; i++)
		buf_addc(&text, ',');
	buf_reset(&out);
	assert_int_equal(flatten(text.data, text.len, &out, &e), 0);
	assert_null(strchr(buf_str(&out), '!'));
	buf_adds(&text, ",\nb");
	buf_reset(&out);
	assert_int_equal(flatten(text.data, text.len, &out, &e), 0);
	assert_non_null(strstr(buf_str(&out), "!more than 64 fields;2:b;"));

	buf_reset(&text);
	for (unsigned i = 0; i < CSV_FIELD_BYTES; i++)
		buf_addc(&text, 'x');
	buf_reset(&out);
	assert_int_equal(flatten(text.data, text.len, &out, &e), 0);
	assert_null(strchr(buf_str(&out), '!'));
	buf_adds(&text, "x\nb");
	buf_reset(&out);
	assert_int_equal(flatten(text.data, text.len, &out, &e), 0);
	assert_non_null(strstr(buf_str(&out), "!a field is longer than 64 KiB;2:b;"));
}

static void
separates_by_what_the_first_record_has(void **state)
{
	static const struct {
		const char *text;
		char want;
	} rows[] = {
		{ "", ',' },	      { "a", ',' },
		{ "a;b,c;d\n", ';' }, { "a\tb\n,,,,", '\t' },
		{ "\";;;\",b", ',' }, { "a,b;c\n", ',' },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(csv_guess_separator(rows[i].text, strlen(rows[i].text)),
				 rows[i].want);
	struct csv c;
	csv_init(&c, "\"a;b\";c,d\n", 10);
	c.separator = ';';
	assert_int_equal(csv_next(&c, NULL), 1);
	assert_string_equal(csv_field(&c, 0), "a;b");
	assert_string_equal(csv_field(&c, 1), "c,d");
	csv_done(&c);
}

static void
reads_backslashes_where_told(void **state)
{
	static const char text[] = "\"a\\\"b\",\"c\\\\\",\"d\\n\",\"e\"\"f\",g\\\"";
	struct csv c;
	csv_init(&c, text, sizeof(text) - 2);
	c.backslash = true;
	assert_int_equal(csv_next(&c, NULL), 1);
	assert_string_equal(csv_field(&c, 0), "a\"b");
	assert_string_equal(csv_field(&c, 1), "c\\");
	assert_string_equal(csv_field(&c, 2), "d\\n");
	assert_string_equal(csv_field(&c, 3), "e\"f");
	assert_string_equal(csv_field(&c, 4), "g\\");
	csv_done(&c);
}

static void
gives_empty_behind_the_last_field(void **state)
{
	struct csv c;
	csv_init(&c, "a", 1);
	assert_int_equal(csv_next(&c, NULL), 1);
	assert_string_equal(csv_field(&c, 1), "");
	assert_int_equal(csv_field_len(&c, 99), 0);
	csv_done(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_records),
		cmocka_unit_test(refuses),
		cmocka_unit_test(faults_are_of_their_record),
		cmocka_unit_test(separates_by_what_the_first_record_has),
		cmocka_unit_test(reads_backslashes_where_told),
		cmocka_unit_test(gives_empty_behind_the_last_field),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
