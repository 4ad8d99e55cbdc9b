/* SPDX-License-Identifier: Apache-2.0
 *
 * Who is given which file of the home, and that what is asked is what is opened. The boundary that H17 stands on.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/homefile.h"

/* As the process asks: purpose, path. */
struct question {
	uint8_t purpose;
	char below[HOME_PATH_MAX];
};

enum { READS, WRITES, MAKES, MAKES_NEW, REMOVES, NONSENSE };

struct fixture {
	struct home home;
	int ours, theirs;
};

static int
set_up(void **state)
{
	static struct fixture f;
	char path[HOME_PATH_MAX];
	int fds[2];

	snprintf(f.home.dir, sizeof(f.home.dir), "%s/hf-homefile-XXXXXX",
		 getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	assert_non_null(mkdtemp(f.home.dir));
	home_path(&f.home, HOME_DATA, path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	f.ours = fds[0];
	f.theirs = fds[1];
	*state = &f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;
	struct err e;

	close(f->ours);
	close(f->theirs);
	return home_remove_tree(f->home.dir, &e);
}

/* The errno that comes back; *ret_fd: what came with it, or -1. */
static int
answer_to(struct fixture *f, uint8_t purpose, const char *below, int *ret_fd)
{
	struct question q = { .purpose = purpose };
	char room[CMSG_SPACE(sizeof(int))];
	int code = -1;
	struct iovec iov = { &code, sizeof(code) };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = room,
			    .msg_controllen = sizeof(room) };

	snprintf(q.below, sizeof(q.below), "%s", below);
	assert_int_equal(send(f->theirs, &q, sizeof(q), 0), sizeof(q));
	assert_true(homefile_answer(&f->home, HOME_BY_VAULTD, f->ours));
	assert_int_equal(recvmsg(f->theirs, &m, MSG_CMSG_CLOEXEC), sizeof(code));
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	*ret_fd = -1;
	if (h)
		memcpy(ret_fd, CMSG_DATA(h), sizeof(int));
	return code;
}

/* H17: names, not folders, say whose a file is. */
static void
test_by_name(void **state)
{
	static const char *const own[] = {
		"data/journal.db", "data/journal.db-wal", "data/journal.db-shm",
		"data/journal-0190a0f0-0000-7000-8000-000000000000.db",
		"data/salvage-0190a0f0-0000-7000-8000-000000000000.db-wal"
	};
	static const char *const others[] = { "data/anchor",
					      "data/witness",
					      "data/epoch",
					      "data/outbox.db",
					      "data/pg",
					      "data/pg/journal.db",
					      "run/state",
					      "conf/manage_key.conf",
					      "data",
					      "",
					      "data/journal-/../anchor",
					      "data/journal-x/../outbox.db",
					      "data/journal.db.damaged-x",
					      "data/journal.db.new" };

	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		assert_true(homefile_allowed(HOME_BY_VAULTD, own[i], true));
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		assert_false(homefile_allowed(HOME_BY_VAULTD, others[i], true));
	assert_true(homefile_allowed(HOME_BY_VAULTD, "run/state", false));
	assert_false(homefile_allowed(HOME_BY_VAULTD, "conf/tls/pair.key", false));
	assert_false(homefile_allowed(HOME_BY_VAULTD, "conf/manage_key.conf", false));
	assert_true(homefile_allowed(HOME_BY_AGENT, "data/epoch", true));
}

static void
test_made_and_removed(void **state)
{
	char path[HOME_PATH_MAX];
	struct stat st;
	int fd;

	assert_int_equal(answer_to(*state, WRITES, "data/journal.db", &fd), ENOENT);
	assert_int_equal(answer_to(*state, MAKES_NEW, "data/journal.db", &fd), 0);
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	assert_int_equal(answer_to(*state, MAKES_NEW, "data/journal.db", &fd), EEXIST);
	assert_int_equal(answer_to(*state, MAKES, "data/journal.db", &fd), 0);
	close(fd);
	assert_int_equal(answer_to(*state, READS, "data/journal.db", &fd), 0);
	assert_int_equal(write(fd, "x", 1), -1);
	close(fd);
	assert_int_equal(answer_to(*state, REMOVES, "data/journal.db", &fd), 0);
	home_path(&((struct fixture *)*state)->home, HOME_JOURNAL, path);
	assert_int_equal(access(path, F_OK), -1);
}

/* H17: no link leads what is written to somebody else's file, and nothing but a question is answered. */
static void
test_refused(void **state)
{
	struct fixture *f = *state;
	char link[HOME_PATH_MAX];
	int fd;

	home_path(&f->home, HOME_JOURNAL, link);
	assert_int_equal(symlink("anchor", link), 0);
	assert_int_equal(answer_to(f, MAKES, "data/journal.db", &fd), ELOOP);
	assert_int_equal(answer_to(f, WRITES, "data/journal.db", &fd), ELOOP);
	assert_int_equal(answer_to(f, MAKES, "data/anchor", &fd), EACCES);
	assert_int_equal(answer_to(f, REMOVES, "data/anchor", &fd), EACCES);
	assert_int_equal(answer_to(f, NONSENSE, "data/journal.db", &fd), EACCES);
	assert_int_equal(fd, -1);
	assert_int_equal(send(f->theirs, "x", 1, 0), 1);
	assert_true(homefile_answer(&f->home, HOME_BY_VAULTD, f->ours));
	shutdown(f->theirs, SHUT_WR);
	assert_false(homefile_answer(&f->home, HOME_BY_VAULTD, f->ours));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_by_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_made_and_removed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
