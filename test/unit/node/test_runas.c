/* SPDX-License-Identifier: Apache-2.0
 *
 * Who Holdfast becomes. What needs root is skipped without it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/home.h"
#include "node/runas.h"

#define SOMEBODY "nobody" /* on every machine, and never root */

static void
need_root(void)
{
	if (geteuid() != 0)
		skip();
}

static void
without_root_one_stays(void **state)
{
	struct runas u = { 0 };
	struct err e = { 0 };
	if (geteuid() == 0)
		skip();
	assert_int_equal(runas_choose(NULL, NULL, &u, &e), 0);
	assert_false(u.drop);
	assert_int_equal(u.uid, geteuid());
	assert_int_equal(runas_choose(NULL, "root", &u, &e), ERR_REFUSED);
}

static void
root_becomes_the_named_user(void **state)
{
	struct runas u = { 0 };
	struct err e = { 0 };
	need_root();
	assert_int_equal(runas_choose("/", SOMEBODY, &u, &e), 0);
	assert_string_equal(u.name, SOMEBODY);
	assert_true(u.drop);
	setenv("HOLDFAST_USER", SOMEBODY, 1);
	assert_int_equal(runas_choose("/", NULL, &u, &e), 0);
	assert_string_equal(u.name, SOMEBODY);
	unsetenv("HOLDFAST_USER");
}

static void
the_owner_of_the_home_comes_before_the_default(void **state)
{
	char dir[] = "/tmp/hf-user.XXXXXX";
	struct runas u = { 0 };
	struct err e = { 0 };
	const struct passwd *pw = getpwnam(SOMEBODY);
	need_root();
	assert_non_null(mkdtemp(dir));
	uid_t uid = pw->pw_uid;
	assert_int_equal(chown(dir, uid, (gid_t)-1), 0);
	assert_int_equal(runas_choose(dir, NULL, &u, &e), 0);
	assert_int_equal(u.uid, uid);
	assert_int_equal(rmdir(dir), 0);
}

static void
root_itself_and_strangers_are_refused(void **state)
{
	struct runas u = { 0 };
	struct err e = { 0 };
	need_root();
	assert_int_equal(runas_choose(NULL, "root", &u, &e), ERR_REFUSED);
	assert_int_equal(runas_choose(NULL, "no-such-user-here", &u, &e), ERR_PRECONDITION);
	assert_non_null(strstr(e.text, "useradd --system"));
	assert_non_null(strstr(e.text, "no-such-user-here"));
}

/* In the child: 0 when everything of root and of the environment is gone. */
static int
look_after_becoming(const struct runas *u)
{
	struct err e = { 0 };
	uid_t r, ef, s;
	setenv("PGPASSWORD", "x", 1);
	setenv("LD_PRELOAD_OF_MINE", "x", 1);
	setenv("HOLDFAST_PG_BIN", "/x", 1);
	setenv("JOURNAL_STREAM", "8:1", 1);
	if (runas_become(u, &e))
		return 1;
	if (getresuid(&r, &ef, &s) || r != u->uid || ef != u->uid || s != u->uid)
		return 2;
	if (setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0)
		return 3;
	gid_t groups[64];
	int n = getgroups(64, groups);
	for (int i = 0; i < n; i++)
		if (groups[i] == 0)
			return 4;
	if (getenv("PGPASSWORD") || getenv("LD_PRELOAD_OF_MINE"))
		return 5;
	if (!getenv("HOLDFAST_PG_BIN") || !getenv("JOURNAL_STREAM") || !getenv("PATH"))
		return 6;
	return strcmp(getenv("USER"), u->name) == 0 ? 0 : 7;
}

static void
nothing_of_root_is_left(void **state)
{
	struct runas u = { 0 };
	struct err e = { 0 };
	int status = 0;
	assert_int_equal(runas_choose(NULL, geteuid() == 0 ? SOMEBODY : NULL, &u, &e), 0);
	pid_t pid = fork();
	if (pid == 0)
		_exit(look_after_becoming(&u));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- the pack that root has unzipped ---- */

static const char *const parts[] = { "manifest.json", "node.sealed", "base.sealed" };

/* A pack of root's, of plain modes. */
static void
make_pack(const char *folder)
{
	char path[256];

	assert_int_equal(mkdir(folder, 0755), 0);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, parts[i]);
		int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
		assert_true(fd >= 0);
		close(fd);
	}
}

static struct stat
look(const char *folder, const char *name)
{
	char path[256];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	assert_int_equal(lstat(path, &st), 0);
	return st;
}

static void
taken_over_files_lose_every_special_mode(void **state)
{
	char home[] = "/tmp/hf-pack.XXXXXX", pack[64], path[256];
	struct runas u = { 0 };
	struct err e = { 0 };

	need_root();
	assert_int_equal(runas_choose(NULL, SOMEBODY, &u, &e), 0);
	assert_non_null(mkdtemp(home));
	assert_int_equal(chown(home, u.uid, u.gid), 0);
	snprintf(pack, sizeof(pack), "%s/pack", home);
	make_pack(pack);
	snprintf(path, sizeof(path), "%s/base.sealed", pack);
	assert_int_equal(chmod(path, 06755), 0);
	assert_int_equal(chmod(pack, 02755), 0);
	assert_int_equal(runas_take_over_pack(&u, home, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		struct stat st = look(pack, parts[i]);
		assert_int_equal(st.st_uid, u.uid);
		assert_int_equal(st.st_mode & 07777, 0600);
	}
	assert_int_equal(look(home, "pack").st_uid, u.uid);
	assert_int_equal(look(home, "pack").st_mode & 07777, 0700);
	assert_int_equal(home_remove_tree(home, &e), 0);
}

/* In the child, as the home's owner: the folder, a link to another one of root's, and back, without an end. */
static void
exchange_for_ever(const struct runas *u, const char *home, const char *other)
{
	struct err e = { 0 };

	if (chdir(home) < 0 || runas_become(u, &e) || symlink(other, "link") < 0)
		_exit(1);
	for (;;) {
		rename("pack", "away");
		rename("link", "pack");
		rename("pack", "link");
		rename("away", "pack");
	}
}

/* Whatever is seen in between, the folder that the link names stays root's. */
static void
a_folder_that_is_exchanged_meanwhile_leads_nowhere(void **state)
{
	char home[] = "/tmp/hf-pack.XXXXXX", victim[] = "/tmp/hf-victim.XXXXXX", pack[64],
	     other[64];
	struct runas u = { 0 };
	struct err e = { 0 };
	int taken = 0, refused = 0;

	need_root();
	assert_int_equal(runas_choose(NULL, SOMEBODY, &u, &e), 0);
	assert_non_null(mkdtemp(home));
	assert_non_null(mkdtemp(victim));
	assert_int_equal(chmod(victim, 0755), 0);
	assert_int_equal(chown(home, u.uid, u.gid), 0);
	snprintf(pack, sizeof(pack), "%s/pack", home);
	snprintf(other, sizeof(other), "%s/pack", victim);
	make_pack(pack);
	make_pack(other);
	pid_t pid = fork();
	if (pid == 0)
		exchange_for_ever(&u, home, other);
	/* Until each of the two has been met often. */
	for (int i = 0; i < 2000000 && (taken < 500 || refused < 500); i++)
		*(runas_take_over_pack(&u, home, &e) ? &refused : &taken) += 1;
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(taken && refused);
	assert_int_equal(look(victim, "pack").st_uid, 0);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		assert_int_equal(look(other, parts[i]).st_uid, 0);
		assert_int_equal(look(other, parts[i]).st_mode & 07777, 0644);
	}
	assert_int_equal(home_remove_tree(home, &e), 0);
	assert_int_equal(home_remove_tree(victim, &e), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_root_one_stays),
		cmocka_unit_test(root_becomes_the_named_user),
		cmocka_unit_test(the_owner_of_the_home_comes_before_the_default),
		cmocka_unit_test(root_itself_and_strangers_are_refused),
		cmocka_unit_test(nothing_of_root_is_left),
		cmocka_unit_test(taken_over_files_lose_every_special_mode),
		cmocka_unit_test(a_folder_that_is_exchanged_meanwhile_leads_nowhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
