/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "node/pglog.h"

static void
parts_of_a_line(void **state)
{
	static const struct {
		const char *line;
		bool known;
		enum log_level level;
		const char *text;
	} cases[] = {
		{ "12 LOG:  ready", true, LOG_LEVEL_INFO, "LOG:  ready" },
		{ "12 hf_vault FATAL:  starting up", true, LOG_LEVEL_WARNING,
		  "FATAL:  starting up" },
		{ "7 holdfast ERROR:  no LOG:  here", true, LOG_LEVEL_WARNING,
		  "ERROR:  no LOG:  here" },
		{ "7 PANIC:  disk", true, LOG_LEVEL_ERROR, "PANIC:  disk" },
		{ "sh: cannot run", false, LOG_LEVEL_WARNING, "sh: cannot run" },
		{ "12", false, LOG_LEVEL_WARNING, "12" },
		{ "12 ", false, LOG_LEVEL_WARNING, "12 " },
		{ "", false, LOG_LEVEL_WARNING, "" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		enum log_level level;
		const char *text;
		assert_int_equal(pglog_parse(cases[i].line, &level, &text), cases[i].known);
		assert_int_equal(level, cases[i].level);
		assert_string_equal(text, cases[i].text);
	}
}

static void
the_same_text_is_quiet_for_a_while(void **state)
{
	struct pglog p = { 0 };
	unsigned more = 9;
	assert_true(pglog_admit(&p, "a", 1000, &more));
	assert_int_equal(more, 0);
	assert_false(pglog_admit(&p, "a", 1001, &more));
	assert_false(pglog_admit(&p, "a", 1000 + PGLOG_QUIET_MS - 1, &more));
	assert_true(pglog_admit(&p, "b", 1002, &more));
	assert_true(pglog_admit(&p, "a", 1000 + PGLOG_QUIET_MS, &more));
	assert_int_equal(more, 2);
}

static void
many_texts_push_out_the_oldest(void **state)
{
	struct pglog p = { 0 };
	unsigned more;
	char text[16];
	assert_true(pglog_admit(&p, "first", 1, &more));
	for (int i = 0; i < PGLOG_KEPT; i++) {
		snprintf(text, sizeof(text), "t%d", i);
		assert_true(pglog_admit(&p, text, 2 + i, &more));
	}
	assert_true(pglog_admit(&p, "first", 100, &more));
	assert_false(pglog_admit(&p, text, 101, &more));
}

static void
lines_come_in_pieces(void **state)
{
	static char long_line[3 * PGLOG_LINE_MAX];
	struct pglog p = { 0 };
	pglog_feed(&p, "1 FAT", 5, 1);
	pglog_feed(&p, "AL:  one\n2 FATAL:  t", 20, 1);
	assert_string_equal(p.last, "FATAL:  one");
	pglog_feed(&p, "wo\n\n", 4, 1);
	assert_string_equal(p.last, "FATAL:  two");
	memset(long_line, 'x', sizeof(long_line));
	memcpy(long_line, "3 PANIC:  ", 10);
	pglog_feed(&p, long_line, sizeof(long_line), 2);
	assert_int_equal(strlen(p.last), PGLOG_LAST_MAX - 1);
	pglog_feed(&p, "\n1 LOG:  a\0b\n", 13, 3);
	assert_int_equal(p.len, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_of_a_line),
		cmocka_unit_test(the_same_text_is_quiet_for_a_while),
		cmocka_unit_test(many_texts_push_out_the_oldest),
		cmocka_unit_test(lines_come_in_pieces),
	};
	log_init("test", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
