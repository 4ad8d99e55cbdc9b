/* SPDX-License-Identifier: Apache-2.0 */
#include "ha/ask.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/pidfile.h"
#include "ha/orders.h"
#include "http/json.h"

/* ---- lines ---- */

int
ask_read_line(int fd, int wait_ms, struct buf *ret)
{
	buf_reset(ret);
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		char c;
		if (wait_ms >= 0 && poll(&p, 1, wait_ms) <= 0)
			return -1;
		ssize_t n = read(fd, &c, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || ret->len == ASK_LINE_MAX)
			return -1;
		if (c == '\n')
			return 0;
		buf_addc(ret, c);
	}
}

void
ask_send_line(int fd, struct buf *line)
{
	buf_addc(line, '\n');
	for (size_t at = 0; at < line->len;) {
		ssize_t n = send(fd, line->data + at, line->len - at, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* nobody listens any more: the work goes on */
		at += (size_t)n;
	}
}

int
ask_address(const struct home *h, struct sockaddr_un *ret, struct err *e)
{
	char path[HOME_PATH_MAX];

	home_path(h, HOME_AGENT_SOCK, path);
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(ret->sun_path))
		return err_set(e, ERR_PRECONDITION,
			       "the path %s is too long for a socket: move the home folder to a "
			       "shorter one",
			       path);
	memcpy(ret->sun_path, path, strlen(path) + 1);
	return 0;
}

/* ---- asking ---- */

struct answer {
	const char *progress, *path;
	int64_t percent;
	const char *code, *message;
};

static int
connect_once(const struct sockaddr_un *a, int *ret)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)a, sizeof(*a)) < 0) {
		int r = -errno;
		close(fd);
		return r;
	}
	*ret = fd;
	return 0;
}

/* Nobody listens: 0 when an agent may come, since the node runs and starts one. */
static int
agent_may_come(const struct home *h, struct err *e)
{
	char start[HOME_START_MAX];
	int rc = pidfile_alone(h, e);

	if (rc == ERR_REFUSED)
		return 0;
	if (rc < 0)
		return rc;
	home_start_command(h->dir, start);
	return err_set(e, ERR_UNREACHABLE, ORDER_NOT_RUNNING, start);
}

static int
connect_agent(const struct ask *asked, int *ret, struct err *e)
{
	struct sockaddr_un a;
	int64_t until = clock_mono_ms() + asked->comes_ms;
	int rc = ask_address(asked->home, &a, e);

	while (rc == 0) {
		int r = connect_once(&a, ret);
		if (r == 0)
			return 0;
		if (r == -EACCES)
			return err_set(e, ERR_FORBIDDEN,
				       "cannot reach the node's agent: run this as root or as "
				       "the user that Holdfast runs as");
		rc = asked->inside ? 0 : agent_may_come(asked->home, e);
		if (rc == 0 && clock_mono_ms() >= until)
			rc = err_set(e, ERR_NOT_SERVING,
				     "the node runs, but its agent has not answered for %d s; the "
				     "node's log says why. Nothing was done",
				     asked->comes_ms / 1000);
		clock_sleep_ms(50);
	}
	return rc;
}

static int
code_of(const char *name)
{
	size_t n;
	const struct err_info *rows = err_table(&n);
	for (size_t i = 0; i < n; i++)
		if (strcmp(rows[i].name, name) == 0)
			return rows[i].code;
	return ERR_INTERNAL;
}

/* One answer line. *ret_end: it was the last. */
static int
take_answer(const struct buf *line, ask_progress_fn *progress, void *ctx, struct buf *ret_path,
	    bool *ret_end, struct err *e)
{
	static const struct jfield progress_fields[] = {
		{ "progress", JTEXT, JREQUIRED | JEMPTY, offsetof(struct answer, progress), 500 },
		{ "percent", JINT, 0, offsetof(struct answer, percent), 100 },
		{ 0 },
	};
	static const struct jfield path_fields[] = {
		{ "path", JTEXT, JREQUIRED | JEMPTY, offsetof(struct answer, path), 24000 }, { 0 }
	};
	static const struct jfield error_fields[] = {
		{ "code", JTEXT, JREQUIRED, offsetof(struct answer, code), 64 },
		{ "message", JTEXT, JREQUIRED | JEMPTY, offsetof(struct answer, message), 1000 },
		{ 0 },
	};
	auto_arena a = arena_new();
	struct answer x = { .percent = -1 };
	struct err ignored;
	uint64_t seen;
	size_t n = line->len;
	const char *s = buf_str(line), *error = "{\"error\":";

	*ret_end = true;
	if (strncmp(s, error, strlen(error)) == 0 && n > strlen(error) + 1) {
		int rc = json_parse_body(s + strlen(error), n - strlen(error) - 1, error_fields, &x,
					 &seen, a, &ignored);
		return rc < 0 ? err_set(e, ERR_INTERNAL, "the agent's answer is not understood")
			      : err_set(e, code_of(x.code), "%s", x.message);
	}
	if (json_parse_body(s, n, path_fields, &x, &seen, a, &ignored) == 0) {
		buf_adds(ret_path, x.path);
		return 0;
	}
	if (json_parse_body(s, n, progress_fields, &x, &seen, a, &ignored) < 0)
		return err_set(e, ERR_INTERNAL, "the agent's answer is not understood");
	*ret_end = false;
	if (progress)
		progress(ctx, x.progress, (int)x.percent);
	return 0;
}

/* Nothing more came from the agent. */
static int
no_answer(const struct ask *a, struct err *e)
{
	return err_set(e, ERR_UNREACHABLE,
		       a->answers_ms < 0
			       ? "the node's agent ended before it said what became of it, and "
				 "it may have been done, or begun: see `holdfast ha status` "
				 "before you repeat it; the node's log says why"
			       : "the node's agent did not say in time what became of it, and "
				 "it may have been done, or begun: see the status of the pair "
				 "before you repeat it; the node's log says why");
}

int
ask_agent(const struct ask *a, struct buf *ret_path, struct err *e)
{
	auto_buf line = BUF_INIT;
	bool end = false;
	int fd = -1, rc = connect_agent(a, &fd, e);

	if (rc < 0)
		return rc;
	buf_adds(&line, a->request);
	ask_send_line(fd, &line);
	while (rc == 0 && !end) {
		if (ask_read_line(fd, a->answers_ms, &line) < 0)
			rc = no_answer(a, e);
		else
			rc = take_answer(&line, a->progress, a->ctx, ret_path, &end, e);
	}
	close(fd);
	return rc;
}
