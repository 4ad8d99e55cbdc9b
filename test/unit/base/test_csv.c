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
		{ "a\nb\"c\n", 6, "line 2: " },	     { "\"open\nstill", 11, "line 1: " },
		{ "\"a\"b\n", 5, "line 1: " },	     { "x\n\"a\" ,b\n", 9, "line 2: " },
		{ "a\0b\n", 4, "line 1: " },	     { "\"a\0b\"\n", 6, "line 1: " },
		{ "ok\n\xff\xfe\n", 6, "line 2: " }, { "\xc0\xaf\n", 3, "line 1: " },
		{ "\xed\xa0\x80", 3, "line 1: " },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_buf out = BUF_INIT;
		struct err e = { 0 };
		assert_int_equal(flatten(rows[i].text, rows[i].n, &out, &e), ERR_BAD_FIELD);
		assert_memory_equal(e.text, rows[i].line, strlen(rows[i].line));
	}
}

static void
bounds_fields(void **state)
{
	auto_buf text = BUF_INIT, out = BUF_INIT;
	struct err e = { 0 };
	for (int i = 0; i < CSV_FIELDS_MAX - 1; i++)
		buf_addc(&text, ',');
	assert_int_equal(flatten(text.data, text.len, &out, &e), 0);
	buf_addc(&text, ',');
	assert_int_equal(flatten(text.data, text.len, &out, &e), ERR_BAD_FIELD);

	buf_reset(&text);
	for (unsigned i = 0; i < CSV_FIELD_BYTES; i++)
		buf_addc(&text, 'x');
	assert_int_equal(flatten(text.data, text.len, &out, &e), 0);
	buf_addc(&text, 'x');
	assert_int_equal(flatten(text.data, text.len, &out, &e), ERR_BAD_FIELD);
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
		cmocka_unit_test(bounds_fields),
		cmocka_unit_test(gives_empty_behind_the_last_field),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
