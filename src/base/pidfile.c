/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* An open file description's lock (fcntl(2)): unlike flock's, it can be asked for without being taken, so that whoever only
 * looks is never in a starting node's way. */
static struct flock
whole_file(void)
{
	return (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET };
}

static int
served_already(int fd, struct err *e)
{
	char text[32] = "";
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? strspn(text, "0123456789") : 0] = '\0';
	return err_set(e, ERR_REFUSED,
		       "Holdfast serves this home already, as process %s; stop that one first "
		       "(kill %s, or systemctl stop holdfast)",
		       text, text);
}

int
pidfile_alone(const struct home *h, struct err *e)
{
	struct flock lock = whole_file();
	char path[HOME_PATH_MAX];
	int r = 0;

	home_path(h, HOME_PID, path);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_errno(e, ERR_IO, "cannot open %s", path);
	if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
		r = err_errno(e, ERR_IO, "cannot ask who serves, by %s", path);
	else if (lock.l_type != F_UNLCK)
		r = served_already(fd, e);
	close(fd);
	return r;
}

/* Locks it and writes whose it is. */
static int
take_pid_file(int fd, const char *path, struct err *e)
{
	struct flock lock = whole_file();
	char text[32];
	int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	if (fcntl(fd, F_OFD_SETLK, &lock) < 0)
		return errno == EAGAIN || errno == EACCES
			       ? served_already(fd, e)
			       : err_errno(e, ERR_IO, "cannot lock %s", path);
	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)n, 0) != n)
		return err_errno(e, ERR_IO, "cannot write %s", path);
	return 0;
}

int
pidfile_claim(const struct home *h, int *ret_fd, struct err *e)
{
	char path[HOME_PATH_MAX];

	home_path(h, HOME_PID, path);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_errno(e, ERR_IO,
				 "the home folder must belong to the user that Holdfast runs as: "
				 "cannot open %s",
				 path);
	int r = take_pid_file(fd, path, e);
	if (r)
		close(fd);
	else
		*ret_fd = fd;
	return r;
}
