/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the supervisor is asked is a fact about the process, as its user is: SQLite's calls, through which it is needed,
 * bring no context.
 */
#include "base/homefile.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define ANSWER_S 10

/* What is not written but read, and by whom. */
static const struct {
	enum home_path path;
	unsigned readers; /* enum home_writer */
} read_only[] = {
	{ HOME_CONF, HOME_BY_VAULTD },	  { HOME_WEB_CERT, HOME_BY_VAULTD },
	{ HOME_WEB_KEY, HOME_BY_VAULTD }, { HOME_PAIR_CA, HOME_BY_VAULTD },
	{ HOME_STATE, HOME_BY_VAULTD },	  { HOME_PRIMARY_TRUST, HOME_BY_VAULTD },
};

enum purpose { FOR_READING, FOR_WRITING, FOR_MAKING, FOR_MAKING_NEW, FOR_REMOVAL, PURPOSES };

struct question {
	uint8_t purpose;
	char below[HOME_PATH_MAX];
};

union passed {
	char room[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

static struct {
	const struct home *home; /* NULL: nobody is asked */
	int fd;
	pthread_mutex_t one;
} asked = { .fd = -1, .one = PTHREAD_MUTEX_INITIALIZER };

bool
homefile_allowed(enum home_writer who, const char *below, bool writes)
{
	for (enum home_path p = 0; p < HOME_ROWS; p++) {
		const struct home_row *r = home_row(p);

		if (r->kind == HOME_IS_FILE && (r->writers & who) &&
		    fnmatch(r->path, below, FNM_PATHNAME | FNM_NOESCAPE) == 0)
			return true;
	}
	for (size_t i = 0; !writes && i < ARRAY_LEN(read_only); i++)
		if ((read_only[i].readers & who) &&
		    strcmp(home_row(read_only[i].path)->path, below) == 0)
			return true;
	return false;
}

/* ---- who asks ---- */

void
homefile_ask(const struct home *h, int fd)
{
	const struct timeval patience = { .tv_sec = ANSWER_S };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	asked.home = h;
	asked.fd = fd;
}

static bool
is_in(const char *folder, const char *path)
{
	size_t n = strlen(folder);

	return strncmp(path, folder, n) == 0 && path[n] == '/';
}

/* SQLite resolves links: a folder of the home may lie elsewhere. */
static bool
is_in_linked(const char *path, char ret[static HOME_PATH_MAX])
{
	char folder[HOME_PATH_MAX], real[PATH_MAX];

	for (enum home_path p = 0; p < HOME_ROWS; p++) {
		if (home_row(p)->kind != HOME_IS_FOLDER)
			continue;
		home_path(asked.home, p, folder);
		if (realpath(folder, real) && is_in(real, path))
			return (size_t)snprintf(ret, HOME_PATH_MAX, "%s%s", home_row(p)->path,
						path + strlen(real)) < HOME_PATH_MAX;
	}
	return false;
}

static bool
path_below(const char *path, char ret[static HOME_PATH_MAX])
{
	const char *dir = asked.home->dir;

	if (is_in(dir, path))
		return (size_t)snprintf(ret, HOME_PATH_MAX, "%s", path + strlen(dir) + 1) <
		       HOME_PATH_MAX;
	return is_in_linked(path, ret);
}

/* The answer: 0 or an errno, and a descriptor or -1. */
static int
receive_answer(int *ret_fd)
{
	union passed control;
	int code = EIO;
	struct iovec iov = { .iov_base = &code, .iov_len = sizeof(code) };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control.room) };
	ssize_t n;

	*ret_fd = -1;
	do
		n = recvmsg(asked.fd, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(code))
		return EIO;
	struct cmsghdr *head = CMSG_FIRSTHDR(&m);
	if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS)
		memcpy(ret_fd, CMSG_DATA(head), sizeof(int));
	return code;
}

/* A late answer must not be taken for that of the next question: who got none asks no more. */
static int
ask(enum purpose what, const char *path, int *ret_fd)
{
	struct question q = { .purpose = (uint8_t)what };
	int code = EACCES;

	*ret_fd = -1;
	if (!path_below(path, q.below))
		return EACCES;
	pthread_mutex_lock(&asked.one);
	if (asked.fd >= 0 && send(asked.fd, &q, sizeof(q), MSG_NOSIGNAL) == sizeof(q)) {
		code = receive_answer(ret_fd);
		if (code == EIO) {
			close(asked.fd);
			asked.fd = -1;
		}
	}
	pthread_mutex_unlock(&asked.one);
	return code;
}

static enum purpose
purpose_of(int flags)
{
	if ((flags & O_ACCMODE) == O_RDONLY && !(flags & O_CREAT))
		return FOR_READING;
	if (!(flags & O_CREAT))
		return FOR_WRITING;
	return flags & O_EXCL ? FOR_MAKING_NEW : FOR_MAKING;
}

int
homefile_open(const char *path, int flags, mode_t mode)
{
	int fd = open(path, flags, mode);

	if (fd < 0 && errno == EACCES && asked.home)
		errno = ask(purpose_of(flags), path, &fd);
	return fd;
}

int
homefile_unlink(const char *path)
{
	int fd, r = unlink(path);

	if (r < 0 && errno == EACCES && asked.home) {
		errno = ask(FOR_REMOVAL, path, &fd);
		r = errno ? -1 : 0;
	}
	return r;
}

/* ---- who answers ---- */

/* 0 with a descriptor, or -1 when there is none to give; or errno. */
static int
fulfil(const struct home *h, enum home_writer who, const struct question *q, int *ret_fd)
{
	static const int flags[PURPOSES] = {
		[FOR_READING] = O_RDONLY,
		[FOR_WRITING] = O_RDWR | O_NOFOLLOW,
		[FOR_MAKING] = O_RDWR | O_NOFOLLOW | O_CREAT,
		[FOR_MAKING_NEW] = O_RDWR | O_NOFOLLOW | O_CREAT | O_EXCL,
	};
	char path[HOME_PATH_MAX + HOME_PATH_MAX];

	*ret_fd = -1;
	if (q->purpose >= PURPOSES || !memchr(q->below, '\0', sizeof(q->below)) ||
	    !homefile_allowed(who, q->below, q->purpose != FOR_READING))
		return EACCES;
	snprintf(path, sizeof(path), "%s/%s", h->dir, q->below);
	if (q->purpose == FOR_REMOVAL)
		return unlink(path) < 0 ? errno : 0;
	*ret_fd = open(path, flags[q->purpose] | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
	return *ret_fd < 0 ? errno : 0;
}

static void
send_answer(int sock, int code, int fd)
{
	union passed control = { 0 };
	struct iovec iov = { .iov_base = &code, .iov_len = sizeof(code) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		m.msg_control = &control;
		m.msg_controllen = sizeof(control.room);
		struct cmsghdr *head = CMSG_FIRSTHDR(&m);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(head), &fd, sizeof(int));
	}
	while (sendmsg(sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EINTR)
		;
	if (fd >= 0)
		close(fd);
}

bool
homefile_answer(const struct home *h, enum home_writer who, int sock)
{
	for (;;) {
		struct question q;
		ssize_t n = recv(sock, &q, sizeof(q), MSG_DONTWAIT);
		int fd, code;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n <= 0)
			return false;
		if (n != (ssize_t)sizeof(q))
			q.purpose = PURPOSES;
		code = fulfil(h, who, &q, &fd);
		send_answer(sock, code, fd);
	}
}
