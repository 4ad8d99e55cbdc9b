/* SPDX-License-Identifier: Apache-2.0 */
#include "pack/basebackup.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fault.h"
#include "pg/cluster.h"
#include "pg/program.h"

#define BESIDE_BYTES (32 << 20) /* of a base backup, beside the databases: WAL and more */

struct backup {
	pid_t pid;
	int out, errors; /* pipe of the tar; file of the messages */
};

static int
start_backup(const struct basebackup *x, struct backup *b, struct err *e)
{
	char program[CLUSTER_PROGRAM_MAX], run[HOME_PATH_MAX], port[16];
	int fds[2];

	int rc = cluster_program(x->h, "pg_basebackup", program, e);
	if (rc < 0)
		return rc;
	snprintf(port, sizeof(port), "%d", cluster_port(x->s));
	home_path(x->h, HOME_RUN, run);
	const char *argv[] = { program, "-h", run, "-p", port,	  "-U", "holdfast", "-w", "-D",
			       "-",	"-F", "t", "-X", "fetch", "-c", "fast",	    NULL };
	b->errors = memfd_create("backup-messages", MFD_CLOEXEC);
	if (b->errors < 0 || pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(e, ERR_IO, "cannot start the base backup");
	b->pid = FAULT(PROGRAM_START, -1, fork());
	if (b->pid == 0)
		program_exec(argv, -1, fds[1], b->errors);
	close(fds[1]);
	b->out = fds[0];
	return b->pid < 0 ? err_errno(e, ERR_IO, "cannot start the base backup") : 0;
}

/* Waits for the program; what it said goes into e when it failed. */
static int
end_backup(struct backup *b, int rc, struct err *e)
{
	char text[2048], line[400];
	int status = 0;

	if (b->out >= 0)
		close(b->out);
	if (b->pid > 0) {
		if (rc < 0)
			kill(b->pid, SIGTERM);
		while (waitpid(b->pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	ssize_t n = b->errors < 0 ? 0 : pread(b->errors, text, sizeof(text), 0);
	if (b->errors >= 0)
		close(b->errors);
	if (rc < 0 || FAULT(PROGRAM_END, false, WIFEXITED(status) && WEXITSTATUS(status) == 0))
		return rc;
	program_tail(text, n > 0 ? (size_t)n : 0, line, sizeof(line));
	return err_set(e, ERR_IO, "the base backup failed: %s", line);
}

/* Whoever asked for it may have gone (Ctrl-C): then nobody wants it any more. */
static int
check_watched(const struct basebackup *x, struct err *e)
{
	struct pollfd p = { .fd = x->watch_fd, .events = POLLRDHUP };

	if (x->watch_fd < 0 || poll(&p, 1, 0) <= 0 ||
	    !(p.revents & (POLLRDHUP | POLLHUP | POLLERR)))
		return 0;
	return err_set(e, ERR_REFUSED, "interrupted; what was written is removed again");
}

static int
copy_backup(const struct basebackup *x, struct backup *b, struct pack_writer *w, int64_t *bytes,
	    struct err *e)
{
	static const size_t room = 256u << 10;
	int shown = -1, rc = 0;
	auto_buf block = BUF_INIT;

	buf_reserve(&block, room);
	while (rc == 0) {
		ssize_t n = FAULT(PROGRAM_READ, -1, read(b->out, block.data, room));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, ERR_IO, "cannot read the base backup");
		if (n == 0)
			break;
		rc = pack_writer_add(w, block.data, (size_t)n, e);
		if (rc == 0)
			rc = check_watched(x, e);
		*bytes += n;
		int percent = (int)(*bytes * 100 / (x->database_bytes + BESIDE_BYTES));
		percent = percent > 99 ? 99 : percent;
		if (percent != shown)
			x->progress(x->ctx, "base backup", percent);
		shown = percent;
	}
	return rc;
}

int
basebackup_check_room(const char *folder, int64_t database_bytes, struct err *e)
{
	struct statvfs vfs;

	if (statvfs(folder, &vfs) < 0)
		return err_errno(e, ERR_IO, "cannot ask how full the disk of %s is", folder);
	int64_t left = (int64_t)(vfs.f_bavail * vfs.f_frsize), need = database_bytes + BESIDE_BYTES;
	if (left >= need)
		return 0;
	return err_set(e, ERR_IO,
		       "there is not enough room for a copy of the database in %s: about %lld MiB "
		       "are needed and %lld are free; nothing was changed",
		       folder, (long long)(need >> 20), (long long)(left >> 20));
}

int
basebackup_write(const struct basebackup *x, struct pack_writer *w, int64_t *ret_bytes,
		 struct err *e)
{
	struct backup b = { .out = -1, .errors = -1 };
	int64_t bytes = 0;

	int rc = start_backup(x, &b, e);
	if (rc == 0)
		rc = copy_backup(x, &b, w, &bytes, e);
	rc = end_backup(&b, rc, e);
	if (rc == 0)
		*ret_bytes = bytes;
	return rc;
}
