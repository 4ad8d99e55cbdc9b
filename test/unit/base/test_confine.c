/* SPDX-License-Identifier: Apache-2.0
 *
 * What a process takes from itself it has no more, and what it keeps it has. The boundary that H17 stands on. Each test is a
 * child, since there is no way back.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/confine.h"

#define NOT_HELD 77

/* 0: all is as it should be; else the number of the check that was not. */
static int
in_a_child(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int
open_errno(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static char dir[256], kept[320], other[320], fresh[320];

static int
keep_one_folder(void)
{
	const struct confine_path paths[] = { { kept, CONFINE_READ },
					      { "/nowhere/at/all", CONFINE_READ } };
	struct err e;
	bool held;
	int before = open(other, O_RDONLY | O_CLOEXEC);

	if (confine_files(paths, ARRAY_LEN(paths), true, &held, &e))
		return 1;
	if (!held)
		return NOT_HELD;
	if (open_errno(kept, O_RDONLY))
		return 2;
	if (open_errno(kept, O_WRONLY) != EACCES || open_errno(other, O_RDONLY) != EACCES)
		return 3;
	if (open_errno(fresh, O_WRONLY | O_CREAT) != EACCES || open_errno(dir, O_RDONLY) != EACCES)
		return 4;
	if (!unlink(other) || errno != EACCES || !rename(other, kept) || errno != EACCES)
		return 5;
	char byte;
	return read(before, &byte, 1) == 1 ? 0 : 6; /* what is open stays open */
}

static int
change_one_folder(void)
{
	const struct confine_path paths[] = { { dir, CONFINE_LIST | CONFINE_READ | CONFINE_WRITE |
							     CONFINE_CHANGE } };
	struct err e;
	bool held;

	if (confine_files(paths, ARRAY_LEN(paths), false, &held, &e))
		return 1;
	if (!held)
		return NOT_HELD;
	if (open_errno(fresh, O_WRONLY | O_CREAT) || rename(fresh, other) || unlink(other))
		return 2;
	return open_errno("/etc/passwd", O_RDONLY) == EACCES ? 0 : 3;
}

static void *
nothing(void *arg)
{
	return arg;
}

static int
refuse(void)
{
	char *const argv[] = { (char *)(uintptr_t) "false", NULL };
	pthread_t t;
	struct err e;

	if (confine_calls(&e))
		return 1;
	if (execv("/bin/false", argv) != -1 || errno != EPERM)
		return 2;
	if (kill(getppid(), 0) != -1 || errno != EPERM)
		return 3;
	if (prctl(PR_SET_DUMPABLE, 1) != -1 || errno != EPERM || chmod(kept, 0644) != -1)
		return 4;
	if (socket(AF_ALG, SOCK_STREAM, 0) != -1 || errno != EAFNOSUPPORT)
		return 5;
	if (socket(AF_INET, SOCK_STREAM, 0) < 0 || socket(AF_UNIX, SOCK_STREAM, 0) < 0)
		return 6;
	if (pthread_create(&t, NULL, nothing, NULL) || pthread_join(t, NULL))
		return 7;
	signal(SIGUSR1, SIG_IGN);
	return raise(SIGUSR1) ? 8 : 0; /* to itself */
}

static void
write_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
}

static int
set_up(void **state)
{
	snprintf(dir, sizeof(dir), "%s/hf-confine-XXXXXX",
		 getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	assert_non_null(mkdtemp(dir));
	snprintf(kept, sizeof(kept), "%s/kept", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	snprintf(fresh, sizeof(fresh), "%s/fresh", dir);
	write_file(kept);
	write_file(other);
	return 0;
}

static int
tear_down(void **state)
{
	unlink(kept);
	unlink(other);
	return rmdir(dir);
}

static void
held_or_skipped(int got)
{
	if (got == NOT_HELD)
		skip(); /* no Landlock here */
	assert_int_equal(got, 0);
}

static void
test_files(void **state)
{
	held_or_skipped(in_a_child(keep_one_folder));
}

static void
test_a_folder_of_its_own(void **state)
{
	held_or_skipped(in_a_child(change_one_folder));
}

static void
test_calls(void **state)
{
	assert_int_equal(in_a_child(refuse), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_folder_of_its_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_calls, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
