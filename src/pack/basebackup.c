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
#include <zlib.h>
#include "base/fault.h"
#include "base/mem.h"
#include "pg/cluster.h"
#include "pg/program.h"

#define BLOCK_BYTES (256u << 10)
#define GZIP_HEADER 16		/* added to the window: zlib.h, deflateInit2 */
#define MEM_LEVEL 8		/* zlib's own default */
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

/* Half of a young cluster is empty pages and an empty log. */
struct squeeze {
	z_stream z;
	struct pack_writer *w;
	struct buf out;
};

static void
begin_squeeze(struct squeeze *s, struct pack_writer *w)
{
	*s = (struct squeeze){ .w = w, .out = BUF_INIT };
	mem_check(deflateInit2(&s->z, Z_BEST_SPEED, Z_DEFLATED, MAX_WBITS + GZIP_HEADER, MEM_LEVEL,
			       Z_DEFAULT_STRATEGY) == Z_OK);
	buf_reserve(&s->out, BLOCK_BYTES);
}

static void
end_squeeze(struct squeeze *s)
{
	deflateEnd(&s->z);
	buf_done(&s->out);
}

/* n 0: the end. */
static int
add_squeezed(struct squeeze *s, const void *p, size_t n, struct err *e)
{
	int rc = 0;

	s->z.next_in = (z_const Bytef *)(uintptr_t)p;
	s->z.avail_in = (uInt)n;
	do {
		s->z.next_out = (Bytef *)s->out.data;
		s->z.avail_out = BLOCK_BYTES;
		deflate(&s->z, n ? Z_NO_FLUSH : Z_FINISH);
		size_t got = BLOCK_BYTES - s->z.avail_out;
		if (got)
			rc = pack_writer_add(s->w, s->out.data, got, e);
	} while (rc == 0 && s->z.avail_out == 0);
	return rc;
}

static int
copy_backup(const struct basebackup *x, struct backup *b, struct squeeze *s, int64_t *bytes,
	    struct err *e)
{
	int shown = -1, rc = 0;
	auto_buf block = BUF_INIT;

	buf_reserve(&block, BLOCK_BYTES);
	while (rc == 0) {
		ssize_t n = FAULT(PROGRAM_READ, -1, read(b->out, block.data, BLOCK_BYTES));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, ERR_IO, "cannot read the base backup");
		if (n == 0)
			return add_squeezed(s, NULL, 0, e);
		rc = add_squeezed(s, block.data, (size_t)n, e);
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
		return err_errno(e, ERR_IO, "cannot find out how full the disk of %s is", folder);
	int64_t left = (int64_t)(vfs.f_bavail * vfs.f_frsize), need = database_bytes + BESIDE_BYTES;
	if (left >= need)
		return 0;
	return err_set(
		e, ERR_IO,
		"there is not enough room on the disk of %s for a copy of the database: it needs "
		"about %lld MiB and %lld are free; nothing was changed",
		folder, (long long)(need >> 20), (long long)(left >> 20));
}

int
basebackup_write(const struct basebackup *x, struct pack_writer *w, int64_t *ret_bytes,
		 struct err *e)
{
	struct backup b = { .out = -1, .errors = -1 };
	struct squeeze s;
	int64_t bytes = 0;

	begin_squeeze(&s, w);
	int rc = start_backup(x, &b, e);
	if (rc == 0)
		rc = copy_backup(x, &b, &s, &bytes, e);
	rc = end_backup(&b, rc, e);
	end_squeeze(&s);
	if (rc == 0)
		*ret_bytes = bytes;
	return rc;
}
