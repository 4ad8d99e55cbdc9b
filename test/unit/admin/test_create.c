/* SPDX-License-Identifier: Apache-2.0
 *
 * What init decides before it makes anything; the making itself is tested with the real program.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "admin/create.h"
#include "base/settings.h"

struct scratch {
	char dir[64];
	char real[HOME_PATH_MAX];
};

static int
set_up(void **state)
{
	struct scratch *s = calloc(1, sizeof(*s));
	struct err e;
	if (!s)
		return -1;
	strcpy(s->dir, "/tmp/hf-create.XXXXXX");
	*state = s;
	return mkdtemp(s->dir) && !create_resolve(s->dir, s->real, &e) ? 0 : -1;
}

static int
tear_down(void **state)
{
	struct scratch *s = *state;
	struct err e;
	int r = home_remove_tree(s->dir, &e);
	free(s);
	return r;
}

static void
path_of(const struct scratch *s, const char *rest, char ret[static HOME_PATH_MAX])
{
	snprintf(ret, HOME_PATH_MAX, "%s/%s", s->dir, rest);
}

static void
resolves_what_is_not_there_yet(void **state)
{
	struct scratch *s = *state;
	char path[HOME_PATH_MAX], got[HOME_PATH_MAX], want[2 * HOME_PATH_MAX];
	struct err e = { 0 };
	path_of(s, "new.key", path);
	snprintf(want, sizeof(want), "%s/new.key", s->real);
	assert_int_equal(create_resolve(path, got, &e), 0);
	assert_string_equal(got, want);
	path_of(s, "./../", path);
	strncat(path, strrchr(s->dir, '/') + 1, 64);
	strcat(path, "/new.key//");
	assert_int_equal(create_resolve(path, got, &e), 0);
	assert_string_equal(got, want);
}

static void
resolves_links(void **state)
{
	struct scratch *s = *state;
	char a[HOME_PATH_MAX], link[HOME_PATH_MAX], got[HOME_PATH_MAX], want[2 * HOME_PATH_MAX];
	struct err e = { 0 };
	path_of(s, "real", a);
	path_of(s, "link", link);
	assert_int_equal(mkdir(a, 0700), 0);
	assert_int_equal(symlink("real", link), 0);
	path_of(s, "link/k", a);
	snprintf(want, sizeof(want), "%s/real/k", s->real);
	assert_int_equal(create_resolve(a, got, &e), 0);
	assert_string_equal(got, want);
	/* A link that is the file itself counts for where it leads. */
	assert_int_equal(home_write_file(want, "x", 1, 0600, &e), 0);
	path_of(s, "file-link", link);
	assert_int_equal(symlink("real/k", link), 0);
	assert_int_equal(create_resolve(link, got, &e), 0);
	assert_string_equal(got, want);
}

static void
refuses_what_names_no_file(void **state)
{
	static const char *const bad[] = { "", "/nonexistent/folder/key",
					   "/tmp/nonexistent-hf/.." };
	char got[HOME_PATH_MAX], huge[2 * HOME_PATH_MAX];
	struct err e = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_true(create_resolve(bad[i], got, &e) < 0);
	memset(huge, 'x', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	memcpy(huge, "/tmp/", 5);
	assert_true(create_resolve(huge, got, &e) < 0);
}

static void
inside_is_not_beside(void **state)
{
	assert_true(create_inside("/srv/home/master.key", "/srv/home"));
	assert_true(create_inside("/srv/home", "/srv/home"));
	assert_true(create_inside("/srv/home/a/b", "/srv/home"));
	assert_true(create_inside("/srv/home", "/"));
	assert_false(create_inside("/srv/home.key", "/srv/home"));
	assert_false(create_inside("/srv/homes/k", "/srv/home"));
	assert_false(create_inside("/srv", "/srv/home"));
}

static void
sample_is_read_back_with_the_given_values(void **state)
{
	struct scratch *s = *state;
	const struct create_options o = { .listen = "127.0.0.1:7000", .pair_listen = "[::1]:7001" };
	char path[HOME_PATH_MAX];
	struct buf text = BUF_INIT;
	struct settings got, plain;
	struct err e = { 0 };
	create_sample(&o, "a.example", &text);
	path_of(s, "holdfast.conf", path);
	assert_int_equal(home_write_file(path, text.data, text.len, 0600, &e), 0);
	if (settings_load(path, &got, &e))
		fail_msg("%s", e.text);
	settings_defaults(&plain);
	assert_string_equal(got.name, "a.example");
	assert_string_equal(got.listen, "127.0.0.1:7000");
	assert_string_equal(got.pair_listen, "[::1]:7001");
	assert_int_equal(got.detect_ms, plain.detect_ms);
	buf_done(&text);
}

static void
sample_keeps_defaults_as_comments(void **state)
{
	const struct create_options o = { 0 };
	struct buf text = BUF_INIT;
	create_sample(&o, "a.example", &text);
	assert_non_null(strstr(buf_str(&text), "\nname = a.example\n"));
	assert_non_null(strstr(buf_str(&text), "\n#listen = 0.0.0.0:7272\n"));
	buf_done(&text);
}

int
main(void)
{
#define WITH_FOLDER(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		WITH_FOLDER(resolves_what_is_not_there_yet),
		WITH_FOLDER(resolves_links),
		cmocka_unit_test(refuses_what_names_no_file),
		cmocka_unit_test(inside_is_not_beside),
		WITH_FOLDER(sample_is_read_back_with_the_given_values),
		cmocka_unit_test(sample_keeps_defaults_as_comments),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
