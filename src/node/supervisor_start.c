/* SPDX-License-Identifier: Apache-2.0
 *
 * The supervisor: how it starts a child, what it gives it, and how it connects it to keyd.
 */
#include "node/supervisor_impl.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/homefile.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/passfd.h"
#include "crypto/keyproto.h"
#include "node/preflight.h"
#include "pg/cluster.h"

#define AWAIT_LOOK_MS 1000
#define AWAIT_SAY_MS 60000

/* What each child is: its name, the role by which keyd knows it ('\0': no connection), whether it
 * has a link, and as whom it asks for files (0: not at all). */
static const struct kind {
	const char *name;
	char role;
	bool link;
	enum home_writer files;
} kinds[CHILDREN] = {
	[KEYD] = { "keyd", '\0', false, 0 },
	[UNPACK] = { "unpack", KEYPROTO_INIT, false, 0 },
	[REJOIN] = { "rejoin", '\0', false, 0 },
	[POSTGRES] = { "postgres", '\0', false, 0 },
	[PREPARE] = { "prepare", KEYPROTO_INIT, false, 0 },
	[VAULTD] = { "vaultd", KEYPROTO_VAULTD, true, HOME_BY_VAULTD },
	[AGENT] = { "agent", KEYPROTO_AGENT, true, 0 },
};

const char *
supervisor_name(enum child_id id)
{
	return kinds[id].name;
}

/* ---- connections to keyd ---- */

/* Hands one end of a new socketpair to keyd with the client's role; the other end is the result, or
 * -1. */
static int
connect_keyd(struct sup *s, char role)
{
	int fds[2], control = s->children[KEYD].link_fd;

	if (control < 0 || !s->children[KEYD].ready)
		return -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -1;
	bool sent = passfd_send(control, role, fds[0]);
	close(fds[0]);
	if (sent)
		return fds[1];
	close(fds[1]);
	return -1;
}

void
supervisor_reconnect(struct sup *s, struct child *c)
{
	if (!c->running || c->link_fd < 0)
		return;
	int fd = connect_keyd(s, kinds[c->id].role);
	if (fd < 0)
		return;
	if (!passfd_send(c->link_fd, 'k', fd))
		log_warning("cannot give %s its connection to the new keyd", kinds[c->id].name);
	close(fd);
}

/* ---- links ---- */

static void
close_watched(uv_poll_t *p, int *fd)
{
	if (*fd < 0)
		return;
	uv_poll_stop(p);
	uv_close((uv_handle_t *)p, NULL);
	close(*fd);
	*fd = -1;
}

void
supervisor_close_links(struct child *c)
{
	close_watched(&c->link, &c->link_fd);
	close_watched(&c->files, &c->files_fd);
}

/* A link to the child: *ret_child is for it to inherit. */
static int
open_link(struct sup *s, struct child *c, int *ret_child)
{
	int fds[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -1;
	c->link_fd = fds[0];
	c->link.data = c;
	uv_poll_init(&s->loop, &c->link, fds[0]);
	uv_poll_start(&c->link, UV_READABLE | UV_DISCONNECT, supervisor_on_link);
	*ret_child = fds[1];
	return 0;
}

static void
on_files(uv_poll_t *p, int status, int events)
{
	struct child *c = p->data;

	if (status < 0 || !homefile_answer(&c->sup->args->home, kinds[c->id].files, c->files_fd))
		uv_poll_stop(p); /* its exit follows */
}

/* Where the child asks for files: *ret_child is for it to inherit. */
static int
open_files(struct sup *s, struct child *c, int *ret_child)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -1;
	c->files_fd = fds[0];
	c->files.data = c;
	uv_poll_init(&s->loop, &c->files, fds[0]);
	uv_poll_start(&c->files, UV_READABLE | UV_DISCONNECT, on_files);
	*ret_child = fds[1];
	return 0;
}

/* ---- what PostgreSQL writes ---- */

/* Where PostgreSQL writes to: its own children have it too, so that it may outlive the postmaster. */
struct pg_pipe {
	uv_pipe_t pipe;
	struct sup *sup;
	char room[PGLOG_LINE_MAX];
};

static void
on_pg_pipe_closed(uv_handle_t *h)
{
	free(h->data);
}

static void
close_pg_pipe(struct pg_pipe *p)
{
	if (p->sup->pg_pipe == p)
		p->sup->pg_pipe = NULL;
	uv_close((uv_handle_t *)&p->pipe, on_pg_pipe_closed);
}

static void
on_pg_room(uv_handle_t *h, size_t suggested, uv_buf_t *ret)
{
	struct pg_pipe *p = h->data;
	*ret = uv_buf_init(p->room, sizeof(p->room));
}

static void
on_pg_output(uv_stream_t *h, ssize_t n, const uv_buf_t *b)
{
	struct pg_pipe *p = h->data;
	if (n > 0)
		pglog_feed(&p->sup->pglog, b->base, (size_t)n, clock_mono_ms());
	else if (n < 0)
		close_pg_pipe(p);
}

static struct pg_pipe *
new_pg_pipe(struct sup *s)
{
	struct pg_pipe *p = mem_new(sizeof(*p));
	p->sup = s;
	uv_pipe_init(&s->loop, &p->pipe, 0);
	p->pipe.data = p;
	s->pg_pipe = p;
	return p;
}

void
supervisor_read_last_words(struct sup *s)
{
	uv_os_fd_t fd;
	char room[PGLOG_LINE_MAX];
	ssize_t n;

	if (!s->pg_pipe || uv_fileno((uv_handle_t *)&s->pg_pipe->pipe, &fd))
		return;
	while ((n = read(fd, room, sizeof(room))) > 0)
		pglog_feed(&s->pglog, room, (size_t)n, clock_mono_ms());
}

/* ---- what is in place before ---- */

void
supervisor_settle_files(const struct sup *s)
{
	struct err e = { 0 };

	if (preflight_settle(&s->args->home, &e) < 0)
		log_err(LOG_LEVEL_ERROR, &e, "certificates are not in their places");
}

bool
supervisor_configure_postgres(struct sup *s)
{
	const struct home *h = &s->args->home;
	bool pair = preflight_has_pair(h);
	struct err e = { 0 };

	if (!pair && !s->args->without_pair && cluster_has_channel(h))
		log_error("the pair's certificates have gone from %s/conf/tls while the node "
			  "runs: the pair's channel is closed. Restore pair.crt, pair.key and "
			  "pair-ca.crt from a copy of the home, and restart the node",
			  h->dir);
	if (cluster_configure(h, &s->settings, pair, &e) == 0)
		return true;
	log_err(LOG_LEVEL_ERROR, &e, "cannot configure PostgreSQL");
	return false;
}

/* ---- the start ---- */

static void
on_pause_over(uv_timer_t *t)
{
	struct child *c = t->data;
	if (!c->sup->stopping && !c->running)
		supervisor_start(c->sup, c->id);
}

void
supervisor_start_later(struct child *c, int64_t ms)
{
	uv_timer_start(&c->timer, on_pause_over, (uint64_t)ms, 0);
}

/* Said at once and then now and again: a log that fills is of no help. */
static void
say_what_is_awaited(struct sup *s, const struct err *why)
{
	int64_t now = clock_mono_ms();

	if (s->said_ms && now - s->said_ms < AWAIT_SAY_MS)
		return;
	s->said_ms = now;
	log_notice("the start waits, and goes on by itself: %s", why->text);
	sd_notifyf(0, "STATUS=waiting: %s", why->text);
}

static void
on_look_again(uv_timer_t *t)
{
	struct child *c = t->data;

	supervisor_begin(c->sup);
}

void
supervisor_begin(struct sup *s)
{
	struct err e = { 0 };
	int r = preflight_await(s->args, &e);

	if (r == ERR_UNREACHABLE) {
		say_what_is_awaited(s, &e);
		uv_timer_start(&s->children[KEYD].timer, on_look_again, AWAIT_LOOK_MS, 0);
	} else if (r) {
		log_err(LOG_LEVEL_ERROR, &e, "the node cannot start");
		supervisor_begin_stop(s, 1);
	} else {
		sd_notify(0, "STATUS=starting");
		supervisor_start(s, KEYD);
	}
}

static void
no_keyd_yet(struct child *c)
{
	/* keyd is being started again; its 'K' comes, or the node stops. */
	supervisor_start_later(c, 100);
}

/* What a child inherits beside its standard descriptors: PROC_FD_KEYS and those that follow; -1: nothing. */
enum { GIVEN_KEYS, GIVEN_LINK, GIVEN_FILES, GIVEN };

static int
spawn(struct sup *s, struct child *c, const int given[static GIVEN])
{
	const struct proc_args *a = s->args;
	char argv0[32], began[24];
	snprintf(argv0, sizeof(argv0), "holdfast: %s", kinds[c->id].name);
	snprintf(began, sizeof(began), "%lld", (long long)s->began_ms);
	const char *argv[14] = { argv0,	    "--process", kinds[c->id].name, "--home", a->home.dir,
				 "--began", began };
	size_t n = 7;
	if (a->key_file[0]) {
		argv[n++] = "--key-file";
		argv[n++] = a->key_file;
	}
	if (a->without_pair) {
		argv[n++] = "--without-pair";
		argv[n++] = "yes";
	}
	if (a->upgrade_alone) {
		argv[n++] = "--upgrade-alone";
		argv[n++] = "yes";
	}
	uv_stdio_container_t io[3 + GIVEN] = {
		{ .flags = UV_IGNORE },
		{ .flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO },
		{ .flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO },
	};
	int inherited = 3;
	for (int i = 0; i < GIVEN; i++) {
		if (given[i] < 0)
			continue;
		io[3 + i] = (uv_stdio_container_t){ .flags = UV_INHERIT_FD, .data.fd = given[i] };
		inherited = 4 + i;
	}
	struct pg_pipe *p = c->id == POSTGRES ? new_pg_pipe(s) : NULL;
	if (p) {
		io[2].flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE;
		io[2].data.stream = (uv_stream_t *)&p->pipe;
	}
	uv_process_options_t o = {
		/* The very program that runs, even when its file was replaced meanwhile. */
		.file = "/proc/self/exe",
		.args = (char **)(uintptr_t)argv,
		.exit_cb = supervisor_on_exit,
		.stdio = io,
		.stdio_count = inherited,
		/* Of its own session: Ctrl-C on the terminal is the supervisor's to pass on. */
		.flags = UV_PROCESS_DETACHED,
	};
	c->process.data = c;
	c->began_ms = clock_mono_ms();
	int rc = uv_spawn(&s->loop, &c->process, &o);
	if (p && rc == 0)
		uv_read_start((uv_stream_t *)&p->pipe, on_pg_room, on_pg_output);
	else if (p)
		close_pg_pipe(p);
	return rc;
}

void
supervisor_start(struct sup *s, enum child_id id)
{
	struct child *c = &s->children[id];
	int given[GIVEN] = { -1, -1, -1 };
	/* keyd has its end of the control socket where the others have their connection to it. */
	int *link = &given[id == KEYD ? GIVEN_KEYS : GIVEN_LINK];

	if (s->stopping || c->running || (id == POSTGRES && s->rejoining))
		return;
	supervisor_settle_files(s);
	if (id == POSTGRES && !supervisor_configure_postgres(s)) {
		c->began_ms = clock_mono_ms();
		supervisor_postgres_fell(c);
		return;
	}
	if (kinds[id].role) {
		given[GIVEN_KEYS] = connect_keyd(s, kinds[id].role);
		if (given[GIVEN_KEYS] < 0) {
			no_keyd_yet(c);
			return;
		}
	}
	if (((kinds[id].link || id == KEYD) && open_link(s, c, link) < 0) ||
	    (kinds[id].files && open_files(s, c, &given[GIVEN_FILES]) < 0)) {
		log_error("cannot start %s: no socket can be had: %s", kinds[id].name,
			  strerror(errno));
		supervisor_begin_stop(s, 1);
		return;
	}
	int rc = spawn(s, c, given);
	for (int i = 0; i < GIVEN; i++)
		if (given[i] >= 0)
			close(given[i]);
	if (rc < 0) {
		log_error("cannot start %s: %s", kinds[id].name, uv_strerror(rc));
		supervisor_close_links(c);
		uv_close((uv_handle_t *)&c->process, NULL);
		supervisor_begin_stop(s, 1);
		return;
	}
	c->running = true;
}
