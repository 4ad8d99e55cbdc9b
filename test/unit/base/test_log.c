/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/log.h"

static char line[8192];

/* Runs the body with stderr into a pipe; `line` has what was written. */
#define CAPTURED(...)                                                                              \
	do {                                                                                       \
		int p[2], keep = dup(STDERR_FILENO);                                               \
		assert_int_equal(pipe(p), 0);                                                      \
		dup2(p[1], STDERR_FILENO);                                                         \
		close(p[1]);                                                                       \
		__VA_ARGS__;                                                                       \
		dup2(keep, STDERR_FILENO);                                                         \
		close(keep);                                                                       \
		ssize_t n = read(p[0], line, sizeof(line) - 1);                                    \
		line[n < 0 ? 0 : n] = '\0';                                                        \
		close(p[0]);                                                                       \
	} while (0)

static void
one_line_with_time_level_process(void **state)
{
	unsetenv("JOURNAL_STREAM");
	log_init("vaultd", LOG_LEVEL_INFO);
	CAPTURED(log_warning("disk %d%% full", 97));
	int y, mo, d, h, mi, s, ms, end = 0;
	assert_int_equal(sscanf(line,
				"%4d-%2d-%2dT%2d:%2d:%2d.%3dZ warning vaultd: disk 97%% full%n", &y,
				&mo, &d, &h, &mi, &s, &ms, &end),
			 7);
	assert_string_equal(line + end, "\n");
}

static void
less_important_ones_are_left_out(void **state)
{
	log_init("vaultd", LOG_LEVEL_WARNING);
	CAPTURED(log_info("chatter"); log_error("trouble"));
	assert_null(strstr(line, "chatter"));
	assert_non_null(strstr(line, "error vaultd: trouble"));
}

static void
control_characters_are_escaped(void **state)
{
	log_init("vaultd", LOG_LEVEL_INFO);
	CAPTURED(log_info("a\nb\x1b[31m\x7f %s", "\xc3\xa4"));
	assert_non_null(strstr(line, "a\\x0ab\\x1b[31m\\x7f \xc3\xa4\n"));
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void
long_lines_are_cut(void **state)
{
	char big[5000];
	memset(big, '\n', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	CAPTURED(log_info("%s", big));
	assert_true(strlen(line) <= 2049);
	assert_int_equal(line[strlen(line) - 1], '\n');
}

static void
errors_say_all_they_know(void **state)
{
	struct err e;
	(void)err_set(&e, ERR_DB, "cannot insert");
	memcpy(e.sqlstate, "23505", 6);
	CAPTURED(log_err(LOG_LEVEL_ERROR, &e, "ledger"));
	assert_non_null(strstr(line, "ledger: cannot insert [db 23505, "));
	assert_non_null(strstr(line, "test_log.c:"));
}

static void
systemd_gets_its_prefix(void **state)
{
	char v[64];
	struct stat st;
	CAPTURED({
		fstat(STDERR_FILENO, &st);
		snprintf(v, sizeof(v), "%llu:%llu", (unsigned long long)st.st_dev,
			 (unsigned long long)st.st_ino);
		setenv("JOURNAL_STREAM", v, 1);
		log_init("agent", LOG_LEVEL_INFO);
		log_notice("hello");
	});
	unsetenv("JOURNAL_STREAM");
	log_init("agent", LOG_LEVEL_INFO);
	assert_string_equal(line, "<5>agent: hello\n");
}

static void
levels_have_names(void **state)
{
	enum log_level l;
	assert_int_equal(log_level_parse("debug", &l), 0);
	assert_int_equal(l, LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_parse("loud", &l), ERR_BAD_FIELD);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_line_with_time_level_process),
		cmocka_unit_test(less_important_ones_are_left_out),
		cmocka_unit_test(control_characters_are_escaped),
		cmocka_unit_test(long_lines_are_cut),
		cmocka_unit_test(errors_say_all_they_know),
		cmocka_unit_test(systemd_gets_its_prefix),
		cmocka_unit_test(levels_have_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
