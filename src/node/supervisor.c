/* SPDX-License-Identifier: Apache-2.0
 *
 * The supervisor: starts the node's processes in order, watches them, restarts what falls, stops
 * them in order. It parses nothing from outside and holds no secret. One thread, libuv.
 *
 *   start   keyd ('K') → unpack (if a pack waits) → rejoin (if one waits) → postgres and prepare → vaultd and agent
 *           → vaultd's 'R': ready
 *   rejoin  the agent's 'J': postgres is stopped → rejoin → postgres; the rest runs on
 *   stop    vaultd and agent → postgres (fast) → keyd; a second signal makes each step hard
 *   fall    keyd, vaultd, agent: started again at once, at most RESTARTS in RESTART_WINDOW_MS,
 *           then the node says why and stops; keyd without its key file: tried again every
 *           KEY_RETRY_MS while the rest runs on; postgres: again and again with a growing pause,
 *           since a full disk may be what it waits for
 */
#include "node/node.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>
#include <uv.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/statepage.h"
#include "base/passfd.h"
#include "base/pidfile.h"
#include "crypto/keyproto.h"
#include "ha/rejoin.h"
#include "node/pglog.h"
#include "node/preflight.h"
#include "pg/cluster.h"

#define RESTARTS 10
#define RESTART_WINDOW_MS 60000
#define KEY_RETRY_MS 5000
#define PG_PAUSE_MIN_MS 50
#define PG_PAUSE_MAX_MS 1000
#define PG_FIRST_TRIES                                                                             \
	15 /* about ten seconds: what a predecessor that was killed may need to let go */
#define STOP_SOFT_MS 5000
#define STOP_PG_MS 60000
#define KEYD_READY_MS 5000
#define REJOIN_STOP_MS 15000 /* patience with PostgreSQL's own shutdown */
#define REJOIN_RETRY_MS 2000

enum child_id { KEYD, UNPACK, REJOIN, POSTGRES, PREPARE, VAULTD, AGENT, CHILDREN };

struct sup;

struct child {
	struct sup *sup;
	enum child_id id;
	bool running, ready;
	uv_process_t process;
	uv_timer_t timer; /* pause before the next start */
	uv_poll_t link;	  /* our end of fd 4 (keyd: of the control socket) */
	int link_fd;	  /* -1: none */
	int64_t began_ms;
	int64_t falls[RESTARTS]; /* when it fell, a ring */
	unsigned nfalls;
	int64_t pause_ms;
};

/* What each child is: its name, the role by which keyd knows it ('\0': no connection), whether it
 * has a link. */
static const struct kind {
	const char *name;
	char role;
	bool link;
} kinds[CHILDREN] = {
	[KEYD] = { "keyd", '\0', false },
	[UNPACK] = { "unpack", KEYPROTO_INIT, false },
	[REJOIN] = { "rejoin", '\0', false },
	[POSTGRES] = { "postgres", '\0', false },
	[PREPARE] = { "prepare", KEYPROTO_INIT, false },
	[VAULTD] = { "vaultd", KEYPROTO_VAULTD, true },
	[AGENT] = { "agent", KEYPROTO_AGENT, true },
};

/* Where PostgreSQL writes to: its own children have it too, so that it may outlive the postmaster. */
struct pg_pipe {
	uv_pipe_t pipe;
	struct sup *sup;
	char room[PGLOG_LINE_MAX];
};

struct sup {
	const struct proc_args *args;
	struct settings settings; /* as in force: what may change at run time follows SIGHUP */
	uv_loop_t loop;
	uv_signal_t signals[3];
	uv_timer_t stop_timer, watchdog;
	struct child children[CHILDREN];
	struct pglog pglog;
	struct pg_pipe *pg_pipe; /* of the newest postmaster; NULL once it is at its end */
	int lock_fd;
	int64_t began_ms;
	bool rejoining;	   /* postgres is to stay down until rejoin is done */
	bool serving;	   /* vaultd and agent were started once */
	unsigned stopping; /* signals received so far, or 1 after a failure */
	size_t stop_at;	   /* the group that is being stopped */
	unsigned overdue;  /* how often its time was over: hard, then for good */
	int exit_code;
};

static void start_child(struct sup *s, enum child_id id);
static void stop_step(struct sup *s);

static void
begin_stop(struct sup *s, int exit_code)
{
	if (s->stopping == 0)
		s->exit_code = exit_code;
	s->stopping++;
	sd_notify(0, "STOPPING=1");
	stop_step(s);
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

/* Gives a running child a connection to the keyd that was started again. */
static void
reconnect_child(struct sup *s, struct child *c)
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
close_link(struct child *c)
{
	if (c->link_fd < 0)
		return;
	uv_poll_stop(&c->link);
	uv_close((uv_handle_t *)&c->link, NULL);
	close(c->link_fd);
	c->link_fd = -1;
}

/* A change of role that was begun is ended before PostgreSQL runs. */
static void
start_database(struct sup *s)
{
	s->rejoining = rejoin_waits(&s->args->home);
	if (s->rejoining) {
		start_child(s, REJOIN);
		return;
	}
	start_child(s, POSTGRES);
	start_child(s, PREPARE);
}

static void
on_keyd_ready(struct sup *s)
{
	if (s->serving) {
		log_notice("keyd is back");
		reconnect_child(s, &s->children[VAULTD]);
		reconnect_child(s, &s->children[AGENT]);
		return;
	}
	char manifest[HOME_PATH_MAX];
	home_path(&s->args->home, HOME_PACK_MANIFEST, manifest);
	if (access(manifest, F_OK) == 0) {
		start_child(s, UNPACK);
		return;
	}
	start_database(s);
}

static void
on_vaultd_ready(struct sup *s, struct child *c)
{
	log_info("vaultd serves after %lld ms", (long long)(clock_mono_ms() - c->began_ms));
	sd_notify(0, "READY=1\nSTATUS=serving");
}

/* A server that does not end in time is made to: rejoin can do with what a crash leaves. */
static void
on_rejoin_late(uv_timer_t *t)
{
	struct child *c = t->data;

	if (c->sup->rejoining && c->sup->children[POSTGRES].running)
		uv_process_kill(&c->sup->children[POSTGRES].process, SIGQUIT);
}

static void
begin_rejoin(struct sup *s)
{
	struct child *pg = &s->children[POSTGRES];

	if (s->rejoining || s->stopping || !rejoin_waits(&s->args->home))
		return;
	log_notice("stopping PostgreSQL, so that this node can follow another primary");
	s->rejoining = true;
	uv_timer_stop(&pg->timer);
	if (!pg->running) {
		start_child(s, REJOIN);
		return;
	}
	uv_process_kill(&pg->process, SIGINT);
	uv_timer_start(&s->children[REJOIN].timer, on_rejoin_late, REJOIN_STOP_MS, 0);
}

static void
on_link(uv_poll_t *p, int status, int events)
{
	struct child *c = p->data;
	char words[16];
	ssize_t n = status < 0 ? 0 : recv(c->link_fd, words, sizeof(words), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		uv_poll_stop(p); /* its exit follows */
		return;
	}
	if (c->id == AGENT && memchr(words, 'J', (size_t)n))
		begin_rejoin(c->sup);
	if (c->id != KEYD && memchr(words, 'K', (size_t)n))
		reconnect_child(c->sup, c);
	if (c->id == VAULTD && !memchr(words, 'R', (size_t)n))
		return;
	if (c->ready || c->sup->stopping)
		return;
	c->ready = true;
	if (c->id == KEYD)
		on_keyd_ready(c->sup);
	else if (c->id == VAULTD)
		on_vaultd_ready(c->sup, c);
}

/* ---- falls ---- */

/* Whether it has fallen too often of late. Notes this fall. */
static bool
note_fall(struct child *c)
{
	int64_t now = clock_mono_ms(), oldest = c->falls[c->nfalls % RESTARTS];

	c->falls[c->nfalls % RESTARTS] = now;
	c->nfalls++;
	return c->nfalls > RESTARTS && now - oldest < RESTART_WINDOW_MS;
}

static void
on_pause_over(uv_timer_t *t)
{
	struct child *c = t->data;
	if (!c->sup->stopping && !c->running)
		start_child(c->sup, c->id);
}

static void
start_later(struct child *c, int64_t ms)
{
	uv_timer_start(&c->timer, on_pause_over, (uint64_t)ms, 0);
}

/* What it wrote before its end is still in the pipe and says why. */
static void
read_last_words(struct sup *s)
{
	uv_os_fd_t fd;
	char room[PGLOG_LINE_MAX];
	ssize_t n;

	if (!s->pg_pipe || uv_fileno((uv_handle_t *)&s->pg_pipe->pipe, &fd))
		return;
	while ((n = read(fd, room, sizeof(room))) > 0)
		pglog_feed(&s->pglog, room, (size_t)n, clock_mono_ms());
}

static void
postgres_fell(struct child *c)
{
	bool lived = clock_mono_ms() - c->began_ms > 5000;

	if (c->sup->rejoining) {
		uv_timer_stop(&c->sup->children[REJOIN].timer);
		start_child(c->sup, REJOIN);
		return;
	}
	if (rejoin_waits(
		    &c->sup->args
			     ->home)) { /* it does not start, and an operator has said what is to be done */
		begin_rejoin(c->sup);
		return;
	}
	if (!c->sup->serving && !lived && ++c->nfalls >= PG_FIRST_TRIES) {
		log_error("PostgreSQL does not start. It says: %s. Mend that, then serve again; "
			  "nothing was changed. If a secondary has lost its data, order a new "
			  "copy of the primary: `holdfast ha rejoin`, then serve.",
			  c->sup->pglog.last[0] ? c->sup->pglog.last : "nothing");
		begin_stop(c->sup, 1);
		return;
	}
	c->pause_ms = lived || c->pause_ms == 0 ? PG_PAUSE_MIN_MS : c->pause_ms * 2;
	if (c->pause_ms > PG_PAUSE_MAX_MS)
		c->pause_ms = PG_PAUSE_MAX_MS;
	start_later(c, c->pause_ms);
}

static void
restart_child(struct child *c, int code)
{
	struct sup *s = c->sup;

	if (c->id == KEYD && s->serving && code == PROC_EXIT_CONFIG) {
		log_warning("keyd cannot read the master key: connect its device again; it is "
			    "read as soon as it is there (tried every %d s)",
			    KEY_RETRY_MS / 1000);
		start_later(c, KEY_RETRY_MS);
		return;
	}
	if (code == PROC_EXIT_CONFIG) {
		begin_stop(s, 1); /* the child has said why */
		return;
	}
	/* One that ended in order did not fall: the agent begins anew at each change of role. */
	if (code != 0 && note_fall(c)) {
		log_error("%s crashed %d times within %d s; the node stops. The lines above say "
			  "why.",
			  kinds[c->id].name, RESTARTS + 1, RESTART_WINDOW_MS / 1000);
		begin_stop(s, 1);
		return;
	}
	start_later(c, c->nfalls <= 2 ? 0 : 100);
}

static void
unpack_done(struct sup *s, int code)
{
	if (code != 0) {
		begin_stop(s, 1);
		return;
	}
	start_database(s);
}

static void
rejoin_done(struct sup *s, int code)
{
	if (code != 0) {
		start_later(&s->children[REJOIN], REJOIN_RETRY_MS);
		return;
	}
	s->rejoining = false;
	s->children[POSTGRES].pause_ms = 0;
	start_child(s, POSTGRES);
	if (!s->serving)
		start_child(s, PREPARE);
}

static void
prepare_done(struct sup *s, int code)
{
	if (code == PROC_EXIT_CONFIG) {
		begin_stop(s, 1);
	} else if (code != 0) {
		start_later(&s->children[PREPARE], 500);
	} else {
		s->serving = true;
		start_child(s, AGENT);
		start_child(s, VAULTD);
	}
}

static void
on_child_exit(uv_process_t *p, int64_t status, int signal)
{
	struct child *c = p->data;
	struct sup *s = c->sup;
	int code = signal ? 128 + signal : (int)status;

	c->running = false;
	c->ready = false;
	if (c->id == POSTGRES)
		read_last_words(s);
	close_link(c);
	uv_close((uv_handle_t *)p, NULL);
	if (s->stopping) {
		stop_step(s);
		return;
	}
	if (c->id != PREPARE && c->id != UNPACK && c->id != REJOIN && signal)
		log_warning("%s was ended by signal %d (%s)", kinds[c->id].name, signal,
			    strsignal(signal));
	else if (code != 0 && c->id != POSTGRES)
		log_warning("%s ended with exit code %d", kinds[c->id].name, code);
	else if (c->id == POSTGRES)
		log_notice("postgres ended with exit code %d", code);
	switch (c->id) {
	case UNPACK:
		unpack_done(s, code);
		break;
	case REJOIN:
		rejoin_done(s, code);
		break;
	case PREPARE:
		prepare_done(s, code);
		break;
	case POSTGRES:
		postgres_fell(c);
		break;
	default:
		restart_child(c, code);
	}
}

/* ---- starting ---- */

static void
no_keyd_yet(struct child *c)
{
	/* keyd is being started again; its 'K' comes, or the node stops. */
	start_later(c, 100);
}

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

static int
spawn(struct sup *s, struct child *c, int keys_fd, int link_fd)
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
	uv_stdio_container_t io[5] = {
		{ .flags = UV_IGNORE },
		{ .flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO },
		{ .flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO },
		{ .flags = keys_fd < 0 ? UV_IGNORE : UV_INHERIT_FD, .data.fd = keys_fd },
		{ .flags = link_fd < 0 ? UV_IGNORE : UV_INHERIT_FD, .data.fd = link_fd },
	};
	struct pg_pipe *p = c->id == POSTGRES ? new_pg_pipe(s) : NULL;
	if (p) {
		io[2].flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE;
		io[2].data.stream = (uv_stream_t *)&p->pipe;
	}
	uv_process_options_t o = {
		/* The very program that runs, even when its file was replaced meanwhile. */
		.file = "/proc/self/exe",
		.args = (char **)(uintptr_t)argv,
		.exit_cb = on_child_exit,
		.stdio = io,
		.stdio_count = link_fd >= 0   ? 5
			       : keys_fd >= 0 ? 4
					      : 3,
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
	uv_poll_start(&c->link, UV_READABLE | UV_DISCONNECT, on_link);
	*ret_child = fds[1];
	return 0;
}

/* Certificates that a killed command left beside their places; before anybody reads them. */
static void
settle_files(const struct sup *s)
{
	struct err e = { 0 };

	if (preflight_settle(&s->args->home, &e) < 0)
		log_err(LOG_LEVEL_ERROR, &e, "certificates are not in their places");
}

/* Before every start of it: a pair may have come, and a copied data folder has the configuration of where it was. */
static bool
configure_postgres(struct sup *s)
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

static void
start_child(struct sup *s, enum child_id id)
{
	struct child *c = &s->children[id];
	int keys = -1, link = -1;

	if (s->stopping || c->running || (id == POSTGRES && s->rejoining))
		return;
	settle_files(s);
	if (id == POSTGRES && !configure_postgres(s)) {
		c->began_ms = clock_mono_ms();
		postgres_fell(c);
		return;
	}
	if (kinds[id].role) {
		keys = connect_keyd(s, kinds[id].role);
		if (keys < 0) {
			no_keyd_yet(c);
			return;
		}
	}
	/* keyd has its end of the control socket where the others have their connection to it. */
	if ((kinds[id].link || id == KEYD) && open_link(s, c, &link) < 0) {
		log_error("cannot start %s: no socket can be had: %s", kinds[id].name,
			  strerror(errno));
		begin_stop(s, 1);
		return;
	}
	int rc = id == KEYD ? spawn(s, c, link, -1) : spawn(s, c, keys, link);
	if (keys >= 0)
		close(keys);
	if (link >= 0)
		close(link);
	if (rc < 0) {
		log_error("cannot start %s: %s", kinds[id].name, uv_strerror(rc));
		close_link(c);
		uv_close((uv_handle_t *)&c->process, NULL);
		begin_stop(s, 1);
		return;
	}
	c->running = true;
}

/* ---- stopping ---- */

/* What is stopped together, in this order; the next group only when this one is gone. PostgreSQL: fast rolls back and
 * writes a checkpoint, hard recovers at the next start. */
static const struct stop_group {
	enum child_id members[5];
	unsigned n;
	int soft, hard;
	uint64_t ms; /* of patience before hard */
} stop_groups[] = {
	{ { VAULTD, AGENT, PREPARE, UNPACK, REJOIN }, 5, SIGTERM, SIGKILL, STOP_SOFT_MS },
	{ { POSTGRES }, 1, SIGINT, SIGQUIT, STOP_PG_MS },
	{ { KEYD }, 1, SIGTERM, SIGKILL, STOP_SOFT_MS },
};

static void
on_stop_timer(uv_timer_t *t)
{
	struct sup *s = t->data;
	s->overdue++;
	stop_step(s);
}

/* Signals the members that live; false when none does. */
static bool
stop_group(struct sup *s, const struct stop_group *g)
{
	int sig = s->overdue > 1 ? SIGKILL : s->stopping > 1 || s->overdue ? g->hard : g->soft;
	bool lives = false;

	for (unsigned i = 0; i < g->n; i++) {
		struct child *c = &s->children[g->members[i]];
		if (!c->running)
			continue;
		lives = true;
		uv_process_kill(&c->process, sig);
	}
	return lives;
}

/* One step of the stop; called again at each exit, signal and deadline. */
static void
stop_step(struct sup *s)
{
	for (int i = 0; i < CHILDREN; i++)
		uv_timer_stop(&s->children[i].timer);
	for (; s->stop_at < ARRAY_LEN(stop_groups); s->stop_at++) {
		const struct stop_group *g = &stop_groups[s->stop_at];
		if (stop_group(s, g)) {
			uv_timer_start(&s->stop_timer, on_stop_timer, g->ms, 0);
			return;
		}
		s->overdue = 0;
	}
	uv_stop(&s->loop);
}

/* A file that is not understood changes nothing anywhere: the children are not told either. */
static void
reload(struct sup *s)
{
	static const enum child_id told[] = { POSTGRES, VAULTD, AGENT };
	char path[HOME_PATH_MAX];
	auto_buf later = BUF_INIT;
	struct settings next;
	struct err e = { 0 };

	home_path(&s->args->home, HOME_CONF, path);
	if (settings_load(path, &next, &e) < 0) {
		log_err(LOG_LEVEL_ERROR, &e, "keeping the settings as they were");
		return;
	}
	settings_reload(&s->settings, &next, &later);
	if (later.len)
		log_warning("changes to these settings take effect at the next start: %s",
			    buf_str(&later));
	settle_files(s);
	if (s->children[POSTGRES].running)
		configure_postgres(s);
	for (size_t i = 0; i < ARRAY_LEN(told); i++)
		if (s->children[told[i]].running)
			uv_process_kill(&s->children[told[i]].process, SIGHUP);
	log_notice("the settings were read again");
}

static void
on_signal(uv_signal_t *h, int number)
{
	struct sup *s = h->data;

	if (number == SIGHUP) {
		reload(s);
		return;
	}
	log_notice("stopping");
	begin_stop(s, 0);
}

/* ---- one node, one supervisor ---- */

static int
lock_home(struct sup *s)
{
	struct err e;
	int r = pidfile_claim(&s->args->home, &s->lock_fd, &e);

	if (r)
		log_error("%s", e.text);
	return r;
}

/* What the page says is of an earlier run: nobody goes by it until the agent has looked around (H9, H10). Before the lock:
 * whoever finds the home locked and a beat on the page believes it. */
static int
forget_state(const struct sup *s)
{
	char path[HOME_PATH_MAX];
	struct statepage *page;
	struct err e;

	home_path(&s->args->home, HOME_STATE, path);
	if (statepage_create(path, &page, &e)) {
		log_error("%s", e.text);
		return -1;
	}
	statepage_free(page);
	return 0;
}

static bool
has_data(const struct sup *s)
{
	char pg[HOME_PATH_MAX], manifest[HOME_PATH_MAX];

	home_path(&s->args->home, HOME_PG, pg);
	home_path(&s->args->home, HOME_PACK_MANIFEST, manifest);
	if (access(pg, F_OK) == 0 || access(manifest, F_OK) == 0 || rejoin_waits(&s->args->home))
		return true;
	log_error("this node has no data yet: it is a new secondary without its pack. Run "
		  "`holdfast ha setup PRIMARY SECONDARY` on the primary, copy the HAPack-….zip "
		  "here, `holdfast ha join` it, then serve again.");
	return false;
}

static void
on_watchdog(uv_timer_t *t)
{
	sd_notify(0, "WATCHDOG=1");
}

static void
start_watching(struct sup *s)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };
	uint64_t usec = 0;

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		uv_signal_init(&s->loop, &s->signals[i]);
		s->signals[i].data = s;
		uv_signal_start(&s->signals[i], on_signal, numbers[i]);
	}
	uv_timer_init(&s->loop, &s->stop_timer);
	s->stop_timer.data = s;
	uv_timer_init(&s->loop, &s->watchdog);
	if (sd_watchdog_enabled(0, &usec) > 0)
		uv_timer_start(&s->watchdog, on_watchdog, usec / 2000, usec / 2000);
	for (int i = 0; i < CHILDREN; i++) {
		s->children[i] = (struct child){ .sup = s, .id = (enum child_id)i, .link_fd = -1 };
		uv_timer_init(&s->loop, &s->children[i].timer);
		s->children[i].timer.data = &s->children[i];
	}
}

static void
close_handle(uv_handle_t *h, void *ignored)
{
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

int
supervisor_main(const struct proc_args *a)
{
	struct sup s = { .args = a, .settings = a->settings, .lock_fd = -1, .exit_code = 1 };

	s.began_ms = clock_mono_ms();

	signal(SIGPIPE, SIG_IGN);
	umask(0077);
	if (forget_state(&s) < 0 || lock_home(&s) < 0 || !has_data(&s)) {
		if (s.lock_fd >= 0)
			close(s.lock_fd);
		return 1;
	}
	uv_loop_init(&s.loop);
	start_watching(&s);
	start_child(&s, KEYD);
	uv_run(&s.loop, UV_RUN_DEFAULT);
	uv_walk(&s.loop, close_handle, NULL);
	uv_run(&s.loop, UV_RUN_DEFAULT);
	uv_loop_close(&s.loop);
	close(s.lock_fd);
	return s.exit_code;
}
