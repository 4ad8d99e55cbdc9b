/* SPDX-License-Identifier: Apache-2.0
 *
 * Descriptors over a socket: the first of a message is taken and no other stays open, whatever was sent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/passfd.h"

#define MANY 40

static int
open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* One byte, and n copies of one descriptor. */
static void
send_many(int sock, int fd, size_t n)
{
	_Alignas(struct cmsghdr) char room[CMSG_SPACE(MANY * sizeof(int))] = { 0 };
	char byte = 'k';
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = room,
			    .msg_controllen = CMSG_SPACE(n * sizeof(int)) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(n * sizeof(int));
	for (size_t i = 0; i < n; i++)
		memcpy(CMSG_DATA(h) + i * sizeof(int), &fd, sizeof(int));
	assert_int_equal(sendmsg(sock, &m, 0), 1);
}

static void
a_descriptor_comes_with_its_byte(void **state)
{
	int pair[2], null = open("/dev/null", O_RDONLY | O_CLOEXEC), fd;
	char byte = 0;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(passfd_receive(pair[1], &byte, &fd), PASSFD_NOTHING);
	assert_int_equal(fd, -1);
	assert_true(passfd_send(pair[0], 'a', null));
	assert_int_equal(passfd_receive(pair[1], &byte, &fd), PASSFD_BYTE);
	assert_int_equal(byte, 'a');
	assert_true(fd >= 0 && fd != null);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	assert_int_equal(write(pair[0], "b", 1), 1);
	assert_int_equal(passfd_receive(pair[1], &byte, &fd), PASSFD_BYTE);
	assert_int_equal(byte, 'b');
	assert_int_equal(fd, -1);
	close(pair[0]);
	assert_int_equal(passfd_receive(pair[1], &byte, &fd), PASSFD_END);
	assert_int_equal(passfd_receive(null, &byte, &fd), PASSFD_BROKEN);
	close(pair[1]);
	close(null);
}

/* More than there is room for was cut by the kernel: what it says is not to be trusted, so none is taken. */
static void
a_surplus_is_closed(void **state)
{
	int pair[2], null = open("/dev/null", O_RDONLY | O_CLOEXEC), fd;
	char byte;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	int before = open_files();

	send_many(pair[0], null, 3);
	assert_int_equal(passfd_receive(pair[1], &byte, &fd), PASSFD_BYTE);
	assert_true(fd >= 0);
	assert_int_equal(open_files(), before + 1);
	close(fd);
	send_many(pair[0], null, MANY);
	assert_int_equal(passfd_receive(pair[1], &byte, &fd), PASSFD_BYTE);
	assert_int_equal(fd, -1);
	assert_int_equal(open_files(), before);
	close(pair[0]);
	close(pair[1]);
	close(null);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_descriptor_comes_with_its_byte),
		cmocka_unit_test(a_surplus_is_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
