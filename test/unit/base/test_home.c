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
#include "base/home.h"

static int
begin(void **state)
{
	static char dir[64];
	snprintf(dir, sizeof(dir), "/tmp/hf-home-XXXXXX");
	*state = dir;
	return mkdtemp(dir) ? 0 : -1;
}

static int
finish(void **state)
{
	struct err e;
	return home_remove_tree(*state, &e);
}

static void
opens_the_canonical_folder(void **state)
{
	struct home h;
	struct err e = { 0 };
	char crooked[128], path[HOME_PATH_MAX];
	snprintf(crooked, sizeof(crooked), "%s/../%s/.", (char *)*state, strrchr(*state, '/') + 1);
	assert_int_equal(home_open(&h, crooked, &e), 0);
	assert_string_equal(h.dir, *state);
	home_path(&h, HOME_WEB_KEY, path);
	assert_true(strncmp(path, *state, strlen(*state)) == 0);
	assert_string_equal(path + strlen(*state), "/conf/tls/web.key");
	home_path_with(&h, HOME_JOURNAL_OLD, "2026-wal", path);
	assert_string_equal(path + strlen(*state), "/data/journal.db.old-2026-wal");
	home_path_with(&h, HOME_SALVAGE, "1", path);
	assert_string_equal(path + strlen(*state), "/data/salvage-1.db*");
	assert_int_equal(home_open(&h, "/nonexistent/home", &e), ERR_IO);
	static const char *const no_folders[] = { "/etc/passwd", "/etc/passwd/below" };
	for (size_t i = 0; i < ARRAY_LEN(no_folders); i++) {
		assert_int_equal(home_open(&h, no_folders[i], &e), ERR_IO);
		assert_int_equal(e.sys, ENOTDIR);
	}
}

/* Whoever may not look is told that, not that there is nothing. */
static void
a_locked_home_is_not_an_absent_one(void **state)
{
	struct home h;
	struct home_node n;
	struct err e = { 0 };
	char dir[128], conf[160];
	snprintf(dir, sizeof(dir), "%s/locked", (char *)*state);
	snprintf(conf, sizeof(conf), "%s/conf", dir);
	assert_int_equal(home_mkdirs(conf, 0700, &e), 0);
	if (geteuid() == 0) { /* root may look everywhere */
		assert_int_equal(chmod(*state, 0755), 0);
		assert_int_equal(seteuid(65534), 0);
	} else {
		assert_int_equal(chmod(dir, 0), 0);
	}
	int r = home_open(&h, dir, &e);
	assert_int_equal(geteuid() == 65534 ? seteuid(0) : chmod(dir, 0700), 0);
	assert_int_equal(r, ERR_FORBIDDEN);
	assert_non_null(strstr(e.text, "you may not read"));
	assert_non_null(strstr(e.text, dir));
	assert_non_null(strstr(e.text, "as root"));
	assert_int_equal(home_open(&h, dir, &e), 0);
	assert_int_equal(home_node_read(&h, &n, &e), ERR_IO);
	assert_non_null(strstr(e.text, "holdfast init"));
}

static void
node_round_trip(void **state)
{
	struct home h;
	struct err e = { 0 };
	struct home_node n = { .name = "vault.example.com" }, back;
	char path[HOME_PATH_MAX], conf[HOME_PATH_MAX];
	assert_int_equal(home_open(&h, *state, &e), 0);
	assert_int_equal(home_node_read(&h, &back, &e), ERR_IO);
	assert_int_equal(e.sys, ENOENT);
	snprintf(conf, sizeof(conf), "%s/conf", h.dir);
	assert_int_equal(home_mkdirs(conf, 0700, &e), 0);
	uuid_new(&n.id);
	assert_int_equal(home_node_write(&h, &n, &e), 0);
	assert_int_equal(home_node_read(&h, &back, &e), 0);
	assert_true(uuid_eq(&back.id, &n.id));
	assert_string_equal(back.name, n.name);
	home_path(&h, HOME_NODE, path);
	static const char *const bad[] = { "", "[node]\nid = 12\nname = a\n", "[node]\nname = a\n",
					   "[other]\nid = a\n", "[node]\nextra = 1\n" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(home_write_file(path, bad[i], strlen(bad[i]), 0600, &e), 0);
		assert_int_equal(home_node_read(&h, &back, &e), ERR_IO);
	}
}

static void
files_are_written_whole_with_their_mode(void **state)
{
	struct err e = { 0 };
	char path[128];
	struct stat st;
	auto_buf b = BUF_INIT;
	snprintf(path, sizeof(path), "%s/file", (char *)*state);
	assert_int_equal(home_write_file(path, "one", 3, 0640, &e), 0);
	assert_int_equal(home_write_file(path, "second", 6, 0600, &e), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	buf_adds(&b, "> ");
	assert_int_equal(home_read_file(path, 6, &b, &e), 0);
	assert_string_equal(buf_str(&b), "> second");
	assert_int_equal(home_read_file(path, 5, &b, &e), ERR_TOO_LARGE);
	assert_string_equal(buf_str(&b), "> second");
	assert_int_equal(home_read_file("/nonexistent", 5, &b, &e), ERR_IO);
	assert_int_equal(e.sys, ENOENT);
	assert_int_equal(home_write_file("/nonexistent/file", "x", 1, 0600, &e), ERR_IO);
}

static void
trees_are_made_and_removed(void **state)
{
	struct err e = { 0 };
	char deep[128], outside[128], link[128];
	snprintf(deep, sizeof(deep), "%s/tree/a/b//c/", (char *)*state);
	assert_int_equal(home_mkdirs(deep, 0700, &e), 0);
	assert_int_equal(home_mkdirs(deep, 0700, &e), 0);
	/* A link in the tree is removed, what it points at is not. */
	snprintf(outside, sizeof(outside), "%s/outside", (char *)*state);
	snprintf(link, sizeof(link), "%s/tree/a/link", (char *)*state);
	assert_int_equal(home_write_file(outside, "x", 1, 0600, &e), 0);
	assert_int_equal(symlink(outside, link), 0);
	assert_int_equal(home_mkdirs(link, 0700, &e), ERR_IO);
	snprintf(deep, sizeof(deep), "%s/tree", (char *)*state);
	assert_int_equal(home_remove_tree(deep, &e), 0);
	assert_int_equal(access(deep, F_OK), -1);
	assert_int_equal(access(outside, F_OK), 0);
	assert_int_equal(home_remove_tree(deep, &e), 0);
	/* Below a file there is nothing either. */
	snprintf(link, sizeof(link), "%s/outside/below", (char *)*state);
	assert_int_equal(home_remove_tree(link, &e), 0);
	assert_int_equal(access(outside, F_OK), 0);
}

static void
a_file_is_there_when_its_name_leads_to_one(void **state)
{
	struct home h;
	struct err e = { 0 };
	char path[HOME_PATH_MAX], to[HOME_PATH_MAX];

	assert_int_equal(home_open(&h, *state, &e), 0);
	home_path(&h, HOME_REPLICATION, path);
	assert_int_equal(home_mkdirs(path, 0700, &e), 0);
	home_path(&h, HOME_MAINTENANCE, to);
	home_path(&h, HOME_REJOIN, path);
	assert_false(home_has(&h, HOME_REJOIN));
	assert_int_equal(symlink(to, path), 0);
	assert_false(home_has(&h, HOME_REJOIN)); /* it leads nowhere */
	assert_int_equal(home_write_file(to, "", 0, 0, &e), 0);
	assert_true(home_has(&h, HOME_REJOIN));
	assert_true(home_has(&h, HOME_MAINTENANCE)); /* neither text nor mode counts */
	assert_true(home_has(&h, HOME_REPLICATION));
	home_path(&h, HOME_REPLICATION, path);
	assert_int_equal(home_remove_tree(path, &e), 0);
	assert_int_equal(home_write_file(path, "", 0, 0600, &e), 0);
	assert_false(home_has(&h, HOME_REJOIN)); /* what should be its folder is a file */
	assert_int_equal(unlink(path), 0);
	assert_false(home_has(&h, HOME_REPLICATION));
}

static void
key_place_is_one_line(void **state)
{
	struct home h;
	struct err e = { 0 };
	char conf[HOME_PATH_MAX], dir[HOME_PATH_MAX], path[HOME_PATH_MAX];
	assert_int_equal(home_open(&h, *state, &e), 0);
	snprintf(dir, sizeof(dir), "%s/conf", h.dir);
	assert_int_equal(home_mkdirs(dir, 0700, &e), 0);
	home_path(&h, HOME_KEY_CONF, conf);
	unlink(conf);
	assert_int_equal(home_key_path(&h, path, &e), ERR_BAD_KEY);
	assert_non_null(strstr(e.text, conf));
	assert_non_null(strstr(e.text, "--key-file"));
	static const char *const bad[] = { "", "\n\n", "# only a comment\n", "relative/key\n" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(home_write_file(conf, bad[i], strlen(bad[i]), 0600, &e), 0);
		assert_int_equal(home_key_path(&h, path, &e), ERR_BAD_KEY);
	}
	static const char good[] = "# the safe\n  /media/safe/master key \t\r\n/other\n";
	assert_int_equal(home_write_file(conf, good, sizeof(good) - 1, 0600, &e), 0);
	assert_int_equal(home_key_path(&h, path, &e), 0);
	assert_string_equal(path, "/media/safe/master key");
}

/* Only what home_write_file left: a person's own copies of a file stay. */
static void
what_a_crash_left_half_written_is_removed(void **state)
{
	static const char *const stay[] = { "conf/holdfast.conf", "conf/holdfast.conf.monday",
					    "data/.unfinished-" },
				 *const go[] = { "conf/holdfast.conf.unfinished-a1B2c3",
						 "data/anchor.unfinished-XXXXXX" };
	char dir[64] = "/tmp/hf-unfinished.XXXXXX", path[HOME_PATH_MAX * 2];
	auto_buf removed = BUF_INIT, made = BUF_INIT;
	struct home h;
	struct err e;
	(void)state;

	assert_non_null(mkdtemp(dir));
	assert_int_equal(home_open(&h, dir, &e), 0);
	assert_int_equal(home_make_folders(&h, HOME_BY_START | HOME_BY_COMMAND, &made, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(stay) + ARRAY_LEN(go); i++) {
		const char *name = i < ARRAY_LEN(stay) ? stay[i] : go[i - ARRAY_LEN(stay)];
		snprintf(path, sizeof(path), "%s/%s", dir, name);
		assert_int_equal(home_write_file(path, "x", 1, 0600, &e), 0);
	}
	assert_int_equal(home_remove_unfinished(&h, &removed, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(stay) + ARRAY_LEN(go); i++) {
		const char *name = i < ARRAY_LEN(stay) ? stay[i] : go[i - ARRAY_LEN(stay)];
		snprintf(path, sizeof(path), "%s/%s", dir, name);
		assert_int_equal(access(path, F_OK), i < ARRAY_LEN(stay) ? 0 : -1);
		assert_true(i < ARRAY_LEN(stay) || strstr(buf_str(&removed), name));
	}
	assert_int_equal(home_remove_tree(dir, &e), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_the_canonical_folder),
		cmocka_unit_test(a_locked_home_is_not_an_absent_one),
		cmocka_unit_test(node_round_trip),
		cmocka_unit_test(files_are_written_whole_with_their_mode),
		cmocka_unit_test(trees_are_made_and_removed),
		cmocka_unit_test(what_a_crash_left_half_written_is_removed),
		cmocka_unit_test(a_file_is_there_when_its_name_leads_to_one),
		cmocka_unit_test(key_place_is_one_line),
	};
	return cmocka_run_group_tests(tests, begin, finish);
}
