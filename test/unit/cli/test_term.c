/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/frame/term.h"

static void
written(const char *text, bool lines, const char *expected)
{
	char *got = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&got, &n);

	term_write_text(text, lines, out);
	fclose(out);
	assert_string_equal(got, expected);
	free(got);
}

/* A sentence keeps its own line ends; what is put into it is text and nothing else. */
static void
test_say(void **state)
{
	char *got = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&got, &n);

	term_say(out, "node %s:\n\t%d events\n", "a\033[31m\xc2\x9b\xe2\x80\xae", 3);
	fclose(out);
	assert_null(strpbrk(got, "\033"));
	assert_null(strstr(got, "\xc2\x9b"));
	assert_null(strstr(got, "\xe2\x80\xae"));
	assert_non_null(strstr(got, ":\n\t3 events\n"));
	free(got);
}

/* What others wrote moves no cursor and opens no window's title. */
static void
test_text(void **state)
{
	written("plain \xc3\xa4 \xe6\xbc\xa2", false, "plain \xc3\xa4 \xe6\xbc\xa2");
	written("a\x1b[31mb\x7f\tc\nd", false, "a\\x1b[31mb\\x7f\\x09c\\x0ad");
	written("a\nb\x1b", true, "a\nb\\x1b");
	written("\xc2\x9b"
		"31m\xc2\x80\xc2\xa0",
		false, "\\x9b31m\\x80\xc2\xa0");
	written("cut\xc2", false, "cut\\xc2");
	written("a\xe2\x80\xae"
		"b\xe2\x80\x8b"
		"c\xf3\xa0\x81\x81",
		false, "a\\u202eb\\u200bc\\U000e0041");
}

/* What the function printed, with stdout led into a file meanwhile. */
static char *
printed(void (*fn)(void))
{
	static char text[4096];
	FILE *f = tmpfile();
	int old = dup(STDOUT_FILENO);

	fflush(stdout);
	dup2(fileno(f), STDOUT_FILENO);
	fn();
	fflush(stdout);
	dup2(old, STDOUT_FILENO);
	close(old);
	rewind(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	return text;
}

static void
print_table(void)
{
	struct term_table t = { .head = { "NAME", "X", "LAST" }, .columns = 3 };

	term_table_row(&t, "\xc3\xa4", "1", "a");
	term_table_row(&t, "esc\x1b", NULL, "b");
	term_table_row(&t, "longest name", "22", "");
	term_table_print(&t);
	assert_int_equal(t.rows, 0);
}

static void
print_many(void)
{
	struct term_table t = { .head = { "N" }, .columns = 1 };

	for (int i = 0; i < 100; i++)
		term_table_row(&t, "x");
	term_table_print(&t);
}

static void
test_table(void **state)
{
	assert_string_equal(printed(print_table), "NAME          X   LAST\n"
						  "\xc3\xa4             1   a\n"
						  "esc\\x1b           b\n"
						  "longest name  22  \n");
	assert_int_equal(strlen(printed(print_many)), 202);
}

/* Reads n bytes as standard input; the code, and what was read. */
static int
given(const char *text, size_t n, size_t max, struct buf *ret)
{
	int fds[2], old = dup(STDIN_FILENO);
	struct err e = { 0 };

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], text, n), (ssize_t)n);
	close(fds[1]);
	dup2(fds[0], STDIN_FILENO);
	close(fds[0]);
	int rc = term_read_secret("x", true, max, ret, &e);
	if (rc == 0 && n > ret->len + 1) { /* the rest waits for the next one to read */
		char c;
		assert_int_equal(read(STDIN_FILENO, &c, 1), 1);
		assert_int_equal(c, text[ret->len + 1]);
	}
	dup2(old, STDIN_FILENO);
	close(old);
	return rc;
}

static void
test_secrets(void **state)
{
	static const struct {
		const char *text;
		size_t n, max;
		int code;
		const char *got;
	} rows[] = {
		{ "secret\n", 7, 10, 0, "secret" },
		{ "secret", 6, 10, 0, "secret" },
		{ " a b \r\n", 7, 10, 0, " a b \r" },
		{ "first\nsecond\n", 13, 10, 0, "first" },
		{ "\xc3\xa4\n", 3, 10, 0, "\xc3\xa4" },
		{ "0123456789\n", 11, 10, 0, "0123456789" },
		{ "0123456789x\n", 12, 10, ERR_TOO_LARGE, NULL },
		{ "", 0, 10, ERR_USAGE, NULL },
		{ "\n", 1, 10, ERR_USAGE, NULL },
		{ "caf\xe9\n", 5, 10, ERR_USAGE, NULL },
		{ "a\0b\n", 4, 10, ERR_USAGE, NULL },
		{ "\xc3\n", 2, 10, ERR_USAGE, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_buf got = BUF_INIT;
		assert_int_equal(given(rows[i].text, rows[i].n, rows[i].max, &got), rows[i].code);
		if (rows[i].code == 0)
			assert_string_equal(buf_str(&got), rows[i].got);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_say),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_secrets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
