/* SPDX-License-Identifier: Apache-2.0 */
#include "pg/program.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fault.h"

#define OUTPUT_KEPT 4096

static void
default_signals(void)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };
	sigset_t none;
	for (int i = 1; i < NSIG; i++)
		sigaction(i, &sa, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

void
program_become(const char *const *argv)
{
	assert(argv[0][0] == '/');
	execv(argv[0], (char *const *)(uintptr_t)argv);
}

void
program_exec(const char *const *argv, int in, int out, int err)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	default_signals();
	umask(077);
	if (null < 0 || dup2(in < 0 ? null : in, STDIN_FILENO) < 0 ||
	    dup2(out < 0 ? null : out, STDOUT_FILENO) < 0 ||
	    dup2(err < 0 ? null : err, STDERR_FILENO) < 0)
		_exit(127);
	close_range(STDERR_FILENO + 1, ~0u, 0);
	program_become(argv);
	dprintf(STDERR_FILENO, "cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

void
program_tail(const char *output, size_t n, char *ret, size_t room)
{
	while (n && strchr("\r\n \t", output[n - 1]))
		n--;
	size_t from = n < room ? 0 : n - (room - 1);
	if (from) { /* begin at a line, when there is one */
		const char *line = memchr(output + from, '\n', n - from);
		from = line ? (size_t)(line - output) + 1 : from;
	}
	size_t k = 0;
	for (size_t i = from; i < n; i++)
		ret[k++] = (unsigned char)output[i] < ' ' ? ' ' : output[i];
	ret[k] = '\0';
}

/* Gives input to a pipe whose other end the caller reads from; the texts are shorter than a pipe.
 */
static int
input_pipe(const char *input, int *ret_fd, struct err *e)
{
	int fds[2];
	*ret_fd = -1;
	if (!input)
		return 0;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(e, ERR_IO, "cannot make a pipe");
	size_t n = strlen(input);
	ssize_t w = n <= OUTPUT_KEPT ? write(fds[1], input, n) : -1;
	close(fds[1]);
	*ret_fd = fds[0];
	if (w == (ssize_t)n)
		return 0;
	close(fds[0]);
	return err_set(e, ERR_INTERNAL, "the input of a program is too long");
}

struct teller {
	program_line_fn *fn; /* NULL: nobody listens */
	void *ctx;
	char line[400];
	size_t n;
};

static void
tell(struct teller *t, const char *p, size_t n)
{
	for (; t->fn && n; p++, n--) {
		if (*p != '\n' && *p != '\r') {
			if (t->n < sizeof(t->line) - 1)
				t->line[t->n++] = *p;
			continue;
		}
		t->line[t->n] = '\0';
		if (t->n)
			t->fn(t->ctx, t->line);
		t->n = 0;
	}
}

static void
read_output(int fd, struct buf *out, struct teller *t)
{
	char part[4096];
	for (;;) {
		ssize_t n = read(fd, part, sizeof(part));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		buf_add(out, part, (size_t)n);
		tell(t, part, (size_t)n);
		if (out->len > OUTPUT_KEPT)
			buf_consume(out, out->len - OUTPUT_KEPT);
	}
}

static int
judge(const char *program, int status, const struct buf *out, struct err *e)
{
	char tail[320];
	const char *name = strrchr(program, '/');
	name = name ? name + 1 : program;
	if (FAULT(PROGRAM_END, false, WIFEXITED(status) && WEXITSTATUS(status) == 0))
		return 0;
	program_tail(buf_str(out), out->len, tail, sizeof(tail));
	if (WIFSIGNALED(status))
		return err_set(e, ERR_IO, "PostgreSQL's %s was ended by signal %d. %s", name,
			       WTERMSIG(status), tail);
	return err_set(e, ERR_IO, "PostgreSQL's %s failed: %s", name,
		       *tail ? tail : "it did not say why");
}

static int
run(const char *const *argv, const char *input, struct buf *ret_output, struct teller *t,
    struct err *e)
{
	int fds[2], status = 0, in = -1;
	int failed = input_pipe(input, &in, e);
	if (failed)
		return failed;
	if (pipe2(fds, O_CLOEXEC) < 0) {
		int r = err_errno(e, ERR_IO, "cannot make a pipe");
		if (in >= 0)
			close(in);
		return r;
	}
	pid_t parent = getpid(), pid = FAULT(PROGRAM_START, -1, fork());
	if (pid == 0) {
		/* A set-up that is ended takes its programs with it. */
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent)
			_exit(127);
		program_exec(argv, in, fds[1], fds[1]);
	}
	failed = pid < 0 ? err_errno(e, ERR_IO, "cannot start %s", argv[0]) : 0;
	close(fds[1]);
	if (in >= 0)
		close(in);
	auto_buf out = BUF_INIT;
	if (!failed)
		read_output(fds[0], &out, t);
	close(fds[0]);
	while (!failed && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			failed = err_errno(e, ERR_IO, "cannot wait for %s", argv[0]);
	if (ret_output && out.len)
		buf_add(ret_output, out.data, out.len);
	return failed ? failed : judge(argv[0], status, &out, e);
}

int
program_run(const char *const *argv, const char *input, struct buf *ret_output, struct err *e)
{
	struct teller nobody = { 0 };

	return run(argv, input, ret_output, &nobody, e);
}

int
program_follow(const char *const *argv, program_line_fn *fn, void *ctx, struct err *e)
{
	struct teller t = { .fn = fn, .ctx = ctx };

	return run(argv, NULL, NULL, &t, e);
}
