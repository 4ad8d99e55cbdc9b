/* SPDX-License-Identifier: Apache-2.0
 *
 * The fault points themselves, and the files of base with each of their calls failing: a file is whole or as it was, and
 * nothing is left beside it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../sweep.h"
#include "base/home.h"

static char dir[64];

static int
call(void)
{
	errno = 0;
	return FAULT(FILE_SYNC, -1, 7);
}

static void
nothing_fails_unarmed(void **state)
{
	for (int i = 0; i < 10; i++)
		assert_int_equal(call(), 7);
	assert_false(fault_fired());
}

static void
the_nth_fails_once(void **state)
{
	fault_arm(FAULT_FILE_SYNC, 3);
	assert_int_equal(call(), 7);
	assert_int_equal(FAULT(FILE_OPEN, -1, 7), 7);
	assert_int_equal(call(), 7);
	assert_false(fault_fired());
	assert_int_equal(call(), -1);
	assert_int_equal(errno, EIO);
	assert_true(fault_fired());
	assert_string_equal(fault_where(), "base/test_fault.c call FILE_SYNC");
	for (int i = 0; i < 10; i++)
		assert_int_equal(call(), 7);
	fault_arm(FAULT_FILE_SYNC, 1);
	assert_false(fault_fired());
	fault_disarm();
	assert_int_equal(call(), 7);
	assert_false(fault_fired());
}

static unsigned
entries(void)
{
	unsigned n = 0;
	DIR *d = opendir(dir);

	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void
expect_text(const char *path, const char *text)
{
	auto_buf got = BUF_INIT;
	struct err e = { 0 };

	SWEEP_AGAIN(home_read_file(path, 100, &got, &e));
	assert_string_equal(buf_str(&got), text);
}

/* The old text or the new one, and no third. */
static void
replace(const char *path, const char *old, const char *text)
{
	struct err e = { 0 };

	if (home_write_file(path, text, strlen(text), 0600, &e) != 0) {
		auto_buf got = BUF_INIT;

		assert_true(fault_fired());
		assert_true(e.text[0]);
		assert_int_equal(entries(), 1);
		assert_int_equal(home_read_file(path, 100, &got, &e), 0);
		assert_true(!strcmp(buf_str(&got), old) || !strcmp(buf_str(&got), text));
		assert_int_equal(home_write_file(path, text, strlen(text), 0600, &e), 0);
	}
	assert_int_equal(entries(), 1);
	expect_text(path, text);
}

static void
work_with_files(void *arg)
{
	char path[128], deep[160];
	struct err e = { 0 };

	SWEEP_AGAIN(home_mkdirs(dir, 0700, &e));
	snprintf(path, sizeof(path), "%s/file", dir);
	SWEEP_AGAIN(home_write_file(path, "one", 3, 0600, &e));
	replace(path, "one", "two");
	snprintf(deep, sizeof(deep), "%s/a/b/c", dir);
	SWEEP_AGAIN(home_mkdirs(deep, 0700, &e));
	SWEEP_AGAIN(home_remove_tree(dir, &e));
	assert_int_equal(access(dir, F_OK), -1);
}

static void
files_are_whole_or_as_they_were(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/hf-fault-%d", (int)getpid());
	assert_true(sweep(work_with_files, NULL) > 20);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_fails_unarmed),
		cmocka_unit_test(the_nth_fails_once),
		cmocka_unit_test(files_are_whole_or_as_they_were),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
