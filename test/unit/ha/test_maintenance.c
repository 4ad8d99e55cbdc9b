/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "ha/maintenance.h"

#define NOW INT64_C(1800000000000000)
#define HOUR_US INT64_C(3600000000)

static void
has_bounds(void **state)
{
	static const char *const bad[] = { "",
					   "on",
					   "59999 too short",
					   "604800001 too long",
					   "3600000",
					   "3600000 ",
					   "-3600000 past",
					   "3600000\nreason",
					   "3600000 two\nlines",
					   "3600000 \x1b[2J",
					   "3600000 \xff",
					   "99999999999999999999 far" };
	char longest[300] = "3600000 ";
	struct maintenance m;
	struct err e = { 0 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(maintenance_parse(bad[i], NOW, &m, &e), ERR_USAGE);
	memset(longest + 8, 'x', MAINTENANCE_REASON_MAX);
	assert_int_equal(maintenance_parse(longest, NOW, &m, &e), 0);
	longest[8 + MAINTENANCE_REASON_MAX] = 'x';
	assert_int_equal(maintenance_parse(longest, NOW, &m, &e), ERR_USAGE);
	assert_int_equal(maintenance_parse("604800000 a week", NOW, &m, &e), 0);
	assert_int_equal(m.until_us, NOW + 7 * 24 * HOUR_US);
}

static void
ends_by_itself(void **state)
{
	struct maintenance m;
	struct err e = { 0 };

	assert_int_equal(maintenance_parse("7200000 new disks", NOW, &m, &e), 0);
	assert_true(maintenance_is_on(&m, NOW) && maintenance_is_on(&m, NOW + 2 * HOUR_US - 1));
	assert_false(maintenance_is_on(&m, NOW + 2 * HOUR_US));
	/* Not for ever on a clock that was set back. */
	assert_false(maintenance_is_on(&m, NOW - 10 * 24 * HOUR_US));
}

static void
the_last_word_counts(void **state)
{
	struct maintenance on, off, never = { 0 };
	struct err e = { 0 };

	assert_int_equal(maintenance_parse("7200000 new disks", NOW, &on, &e), 0);
	assert_int_equal(maintenance_parse("off", NOW + 1, &off, &e), 0);
	assert_ptr_equal(maintenance_later(&on, &off), &off);
	assert_ptr_equal(maintenance_later(&off, &on), &off);
	assert_ptr_equal(maintenance_later(&never, &on), &on);
	assert_false(maintenance_is_on(&off, NOW) || maintenance_is_on(&never, NOW));
}

static void
is_kept_in_its_file(void **state)
{
	char dir[] = "/tmp/hf-maintenance-XXXXXX", path[HOME_PATH_MAX];
	struct maintenance m, back;
	struct err e = { 0 };
	struct home h;

	assert_non_null(mkdtemp(dir));
	assert_int_equal(home_open(&h, dir, &e), 0);
	home_path(&h, HOME_REPLICATION, path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(maintenance_read(&h, &back, &e), 0);
	assert_int_equal(back.at_us, 0);
	static const char *const orders[] = { "7200000 new disks, \"slot\" 3 \xc3\xa4", "off" };
	for (int i = 0; i < 2; i++) {
		assert_int_equal(maintenance_parse(orders[i], NOW + i, &m, &e), 0);
		assert_int_equal(maintenance_write(&h, &m, &e), 0);
		assert_int_equal(maintenance_read(&h, &back, &e), 0);
		assert_int_equal(back.at_us, m.at_us);
		assert_int_equal(back.until_us, m.until_us);
		assert_string_equal(back.reason, m.reason);
	}
	/* One that is not whole is not one that is absent. */
	static const char *const damaged[] = { "", "2027-01-15T08:00",
					       "2027-01-15T08:00:00Z\nnever\n" };
	home_path(&h, HOME_MAINTENANCE, path);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(home_write_file(path, damaged[i], strlen(damaged[i]), 0600, &e),
				 0);
		assert_int_equal(maintenance_read(&h, &back, &e), ERR_IO);
		assert_non_null(strstr(e.text, path));
	}
	assert_int_equal(unlink(path), 0);
	home_path(&h, HOME_REPLICATION, path);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_bounds),
		cmocka_unit_test(ends_by_itself),
		cmocka_unit_test(the_last_word_counts),
		cmocka_unit_test(is_kept_in_its_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
