/* SPDX-License-Identifier: Apache-2.0 */
#include "base/passfd.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

bool
passfd_send(int sock, char byte, int fd)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control.room) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&m);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &fd, sizeof(int));
	ssize_t n;
	do
		n = sendmsg(sock, &m, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n == 1;
}

#define PASSED_MAX 4 /* room for more than one, so that a surplus is closed and not lost */

/* The first descriptor of a message; the others are closed. */
static int
take_first(struct msghdr *m)
{
	int first = -1;

	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0, n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int); i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
			if (first < 0 && !(m->msg_flags & MSG_CTRUNC))
				first = fd;
			else
				close(fd);
		}
	}
	return first;
}

enum passfd_got
passfd_receive(int sock, char *ret_byte, int *ret_fd)
{
	_Alignas(struct cmsghdr) char room[CMSG_SPACE(PASSED_MAX * sizeof(int))];
	struct iovec iov = { .iov_base = ret_byte, .iov_len = 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = room,
			    .msg_controllen = sizeof(room) };
	ssize_t n;

	*ret_fd = -1;
	do
		n = recvmsg(sock, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? PASSFD_NOTHING : PASSFD_BROKEN;
	*ret_fd = take_first(&m);
	return n == 0 ? PASSFD_END : PASSFD_BYTE;
}
