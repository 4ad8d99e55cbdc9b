/* SPDX-License-Identifier: Apache-2.0
 *
 * H13: what a primary lost of its log is known to it behind a restart, and said in the same words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "ha/history_loss.h"

#define A "01900000-0000-7000-8000-00000000000a"
#define B "01900000-0000-7000-8000-00000000000b"

static struct history_loss
loss(const char *by, int64_t there, int64_t here, bool parted)
{
	struct history_loss l = { .there = there, .here = here, .parted = parted };

	assert_int_equal(uuid_parse(by, &l.by), 0);
	return l;
}

static struct home
new_home(void)
{
	char dir[] = "/tmp/hf-loss-XXXXXX", path[HOME_PATH_MAX];
	struct home h = { 0 };
	struct err e = { 0 };

	assert_non_null(mkdtemp(dir));
	assert_int_equal(home_open(&h, dir, &e), 0);
	home_path(&h, HOME_DATA, path);
	assert_int_equal(mkdir(path, 0700), 0);
	return h;
}

static void
end_home(const struct home *h)
{
	char path[HOME_PATH_MAX];

	home_path(h, HOME_BEHIND, path);
	assert_true(unlink(path) == 0 || errno == ENOENT);
	home_path(h, HOME_DATA, path);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(h->dir), 0);
}

static void
outlives_the_node(void **state)
{
	const struct history_loss all[] = { loss(B, 90, 70, false), loss(B, 90, 95, true),
					    loss(A, 12, 0, false) };
	struct home h = new_home();
	struct history_loss got;
	struct err e = { 0 };

	assert_int_equal(history_loss_read(&h, &got, &e), 0);
	assert_int_equal(got.there, 0);
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		assert_int_equal(history_loss_write(&h, &all[i], &e), 0);
		assert_int_equal(history_loss_read(&h, &got, &e), 0);
		assert_true(history_loss_eq(&got, &all[i]));
		for (size_t k = 0; k < i; k++)
			assert_false(history_loss_eq(&got, &all[k]));
	}
	end_home(&h);
}

static void
is_gone_when_nothing_is_lost(void **state)
{
	struct history_loss l = loss(B, 90, 70, false), none = { 0 };
	struct home h = new_home();
	char path[HOME_PATH_MAX];
	struct err e = { 0 };

	home_path(&h, HOME_BEHIND, path);
	assert_int_equal(history_loss_write(&h, &none, &e), 0);
	assert_int_equal(history_loss_write(&h, &l, &e), 0);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(history_loss_write(&h, &none, &e), 0);
	assert_int_equal(access(path, F_OK), -1);
	end_home(&h);
}

/* It is as good as none, and says so. */
static void
a_damaged_file_is_none(void **state)
{
	static const char *const bad[] = {
		"",
		"by " B "\n",
		"by " B "\nthere 9\nhere 7\n",
		"by nobody\nthere 9\nhere 7\nparted no\n",
		"by " B "\nthere 0\nhere 7\nparted no\n",
		"by " B "\nthere -9\nhere 7\nparted no\n",
		"by " B "\nthere 9\nhere -7\nparted no\n",
		"by " B "\nthere 9\nhere 7\nparted on\n",
		"by " B "\nthere 9\nhere 7\nparted no\nmore\n",
	};
	struct home h = new_home();
	char path[HOME_PATH_MAX];

	home_path(&h, HOME_BEHIND, path);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct history_loss got = loss(A, 1, 1, true);
		struct err e = { 0 };

		assert_int_equal(home_write_file(path, bad[i], strlen(bad[i]), 0600, &e), 0);
		assert_int_equal(history_loss_read(&h, &got, &e), ERR_IO);
		assert_non_null(strstr(e.text, "data/behind is damaged"));
		assert_int_equal(got.there, 0);
	}
	end_home(&h);
}

static void
says_who_has_what(void **state)
{
	struct history_loss l = loss(B, 90, 70, false);
	char text[256];

	history_loss_say(&l, "b.example", text, sizeof(text));
	assert_string_equal(text,
			    "b.example has its events up to 90, its own log ends at event 70");
	l.parted = true;
	history_loss_say(&l, "b.example", text, sizeof(text));
	assert_string_equal(
		text, "b.example has its events up to 90, its own log is another one at event 70");
	history_loss_say(&l, NULL, text, sizeof(text));
	assert_string_equal(text, "this node remembers event 90 of its log, which ends at event "
				  "70; no other node could be asked");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outlives_the_node),
		cmocka_unit_test(is_gone_when_nothing_is_lost),
		cmocka_unit_test(a_damaged_file_is_none),
		cmocka_unit_test(says_who_has_what),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
