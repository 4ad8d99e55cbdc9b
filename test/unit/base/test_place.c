/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/place.h"

static char dir[] = "/tmp/hf-place-XXXXXX";

static int
begin(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int
finish(void **state)
{
	struct err e;
	return home_remove_tree(dir, &e);
}

static const char *
in_dir(const char *name)
{
	static char paths[4][128];
	static unsigned next;
	char *p = paths[next++ % 4];
	snprintf(p, sizeof(paths[0]), "%s/%s", dir, name);
	return p;
}

static void
write_text(const char *name, const char *text)
{
	struct err e;
	assert_int_equal(home_write_file(in_dir(name), text, strlen(text), 0600, &e), 0);
}

static void
assert_text(const char *name, const char *text)
{
	auto_buf found = BUF_INIT;
	struct err e;
	assert_int_equal(home_read_file(in_dir(name), 100, &found, &e), 0);
	assert_string_equal(buf_str(&found), text);
}

static bool
is_there(const char *name)
{
	struct stat st;
	return lstat(in_dir(name), &st) == 0;
}

static void
a_new_name_is_given(void **state)
{
	struct err e = { 0 };
	write_text("made", "new");
	assert_int_equal(place_check(in_dir("chosen"), false, &e), 0);
	assert_int_equal(place_file(in_dir("made"), in_dir("chosen"), false, &e), 0);
	assert_text("chosen", "new");
	assert_false(is_there("made"));
}

static void
what_is_there_is_replaced_when_it_is_said(void **state)
{
	struct err e = { 0 };
	write_text("kept", "old");
	write_text("made", "new");
	assert_int_equal(place_check(in_dir("kept"), false, &e), ERR_EXISTS);
	assert_non_null(strstr(e.text, "--force"));
	assert_int_equal(place_file(in_dir("made"), in_dir("kept"), false, &e), ERR_EXISTS);
	assert_text("kept", "old");
	assert_text("made", "new");
	assert_int_equal(place_file(in_dir("made"), in_dir("kept"), true, &e), 0);
	assert_text("kept", "new");
}

/* No word replaces a folder, a device or what a link leads to. */
static void
only_a_file_is_replaced(void **state)
{
	static const char *const names[] = { "folder", "link", "pipe" };
	struct err e = { 0 };
	write_text("target", "old");
	write_text("made", "new");
	assert_int_equal(mkdir(in_dir("folder"), 0700), 0);
	assert_int_equal(symlink("nowhere", in_dir("link")), 0);
	assert_int_equal(mkfifo(in_dir("pipe"), 0600), 0);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(place_check(in_dir(names[i]), true, &e), ERR_EXISTS);
		assert_non_null(strstr(e.text, names[i]));
		assert_int_equal(place_file(in_dir("made"), in_dir(names[i]), true, &e),
				 ERR_EXISTS);
		assert_true(is_there(names[i]));
	}
	assert_int_equal(place_check(in_dir("target/below"), false, &e), ERR_IO);
	assert_text("made", "new");
}

/* ---- sets ---- */

static void
open_home(struct home *h)
{
	struct err e;
	assert_int_equal(home_mkdirs(in_dir("conf/tls"), 0700, &e), 0);
	assert_int_equal(home_open(h, dir, &e), 0);
}

static void
set(const struct home *h, const char *cert, const char *key)
{
	auto_buf c = BUF_INIT, k = BUF_INIT;
	const struct place_part parts[] = { { HOME_WEB_CERT, &c, 0644 },
					    { HOME_WEB_KEY, &k, 0600 } };
	struct err e = { 0 };
	buf_adds(&c, cert);
	buf_adds(&k, key);
	assert_int_equal(place_set(h, parts, 2, &e), 0);
}

static void
a_set_replaces_the_one_before(void **state)
{
	struct stat st;
	struct home h;
	open_home(&h);
	set(&h, "cert 1", "key 1");
	set(&h, "cert 2", "key 2");
	assert_text("conf/tls/web.crt", "cert 2");
	assert_text("conf/tls/web.key", "key 2");
	assert_int_equal(stat(in_dir("conf/tls/web.crt"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	assert_false(is_there("conf/tls/new"));
	assert_false(is_there("conf/tls/making"));
}

/* One file has moved, the other has not; what was only being written counts for nothing. */
static void
a_set_that_was_left_is_ended(void **state)
{
	struct err e = { 0 };
	struct home h;
	bool moved = false;
	open_home(&h);
	set(&h, "cert 1", "key 2");
	assert_int_equal(mkdir(in_dir("conf/tls/new"), 0700), 0);
	write_text("conf/tls/new/web.crt", "cert 2");
	assert_int_equal(place_settle(&h, &moved, &e), 0);
	assert_true(moved);
	assert_text("conf/tls/web.crt", "cert 2");
	assert_text("conf/tls/web.key", "key 2");
	assert_false(is_there("conf/tls/new"));
	assert_int_equal(mkdir(in_dir("conf/tls/making"), 0700), 0);
	write_text("conf/tls/making/web.crt", "cert 3");
	assert_int_equal(place_settle(&h, &moved, &e), 0);
	assert_false(moved);
	assert_text("conf/tls/web.crt", "cert 2");
	set(&h, "cert 4", "key 4");
	assert_text("conf/tls/web.crt", "cert 4");
	assert_false(is_there("conf/tls/making"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_name_is_given),
		cmocka_unit_test(what_is_there_is_replaced_when_it_is_said),
		cmocka_unit_test(only_a_file_is_replaced),
		cmocka_unit_test(a_set_replaces_the_one_before),
		cmocka_unit_test(a_set_that_was_left_is_ended),
	};
	return cmocka_run_group_tests(tests, begin, finish);
}
