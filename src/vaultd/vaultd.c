/* SPDX-License-Identifier: Apache-2.0
 *
 * The vault service: the HTTP threads, the core thread with its loop, and the timers that watch the state page, the
 * inbox and the service's own health. This file: the process, its signals and its end; vaultd_impl.h says what is where.
 *
 *   start   state page → ledger, sessions, api → HTTPS listens ('R') → data keys → NODE_STARTED
 *   change  of the page's state: caches emptied, overlay read, data keys loaded, HA_STATE event
 *   stop    SIGTERM: no new connection, requests in flight end (3 s at most)
 *
 * The process never ends because PostgreSQL, keyd or the agent is away: the node says so in its health and
 * goes on when they are back. On a secondary the database may be missing for minutes while it is cloned.
 */
#include "vaultd/vaultd.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fiber_sleep.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/passfd.h"
#include "http/json.h"
#include "pg/cluster.h"
#include "ledger/rebuild.h"
#include "vault/lists.h"
#include "vaultd/vaultd_impl.h"

#define FIBERS 2048
#define FIBER_STACK (128u << 10)
#define READ_WAIT_MS 5000
#define WRITE_WAIT_MS 2000
#define LIST_GRACE_MS 2000 /* the database ends a list; then the connection would be lost */
#define STOP_MS 3000
#define PEM_MAX (256u << 10)

/* ---- shutting the doors ---- */

static int
lock_down(struct err *e)
{
	const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return err_errno(e, ERR_INTERNAL, "cannot lock the vault process down");
	return 0;
}

void
vaultd_stop_with(struct vaultd *d, int exit_code)
{
	d->exit_code = exit_code;
	uv_stop(&d->loop);
}

/* ---- the supervisor's link ---- */

static void
on_link(uv_poll_t *p, int status, int events)
{
	struct vaultd *d = p->data;
	char word = 0;
	int fd = -1;
	enum passfd_got got = status < 0 ? PASSFD_END : passfd_receive(PROC_FD_LINK, &word, &fd);

	if (got == PASSFD_END || got == PASSFD_BROKEN)
		_exit(1); /* the supervisor is gone */
	if (fd < 0)
		return;
	if (word != 'k') {
		close(fd);
		return;
	}
	log_notice("a new connection to keyd: the data keys are loaded again");
	keys_attach(d->v.keys, fd);
	vaultd_begin_load_keys(d);
}

/* ---- signals ---- */

static void
read_pem(const struct vaultd *d, enum home_path p, struct buf *ret, int *rc, struct err *e)
{
	char path[HOME_PATH_MAX];

	if (*rc)
		return;
	home_path(&d->args->home, p, path);
	buf_reset(ret);
	*rc = home_read_file(path, PEM_MAX, ret, e);
}

static int
read_cert(struct vaultd *d, struct err *e)
{
	int rc = 0;

	read_pem(d, HOME_WEB_CERT, &d->cert, &rc, e);
	read_pem(d, HOME_WEB_KEY, &d->key, &rc, e);
	return rc;
}

static void
reload_settings(struct vaultd *d)
{
	auto_buf restart = BUF_INIT;
	char path[HOME_PATH_MAX];
	enum log_level level;
	struct settings next;
	struct err e = { 0 };

	settings_defaults(&next);
	home_path(&d->args->home, HOME_CONF, path);
	if (settings_load(path, &next, &e)) {
		log_err(LOG_LEVEL_ERROR, &e, "the settings stay as they were");
		return;
	}
	settings_reload(&d->settings, &next, &restart);
	if (!log_level_parse(d->settings.log_level, &level))
		log_init("vaultd", level);
	if (restart.len)
		log_warning("changed, but in force after a restart only: %s", buf_str(&restart));
}

static void
on_sighup(uv_signal_t *s, int number)
{
	struct vaultd *d = s->data;
	struct err e = { 0 };
	int rc;

	reload_settings(d);
	if (!d->server)
		return;
	rc = read_cert(d, &e);
	if (!rc)
		rc = server_reload_cert(d->server, buf_str(&d->cert), buf_str(&d->key), &e);
	buf_reset(&d->key);
	if (rc)
		log_err(LOG_LEVEL_ERROR, &e, "the web certificate stays as it was");
	else
		log_notice("settings and web certificate were read again");
}

static void
on_stop_work(uv_work_t *w)
{
	struct vaultd *d = w->data;

	server_stop(d->server);
}

/* Nobody is refused any more: what was counted is written, as long as the stop may take. */
static void
write_last(struct fiber *f, void *arg)
{
	struct vaultd *d = arg;

	while (d->summing)
		fiber_sleep_ms(&d->loop, f, VAULTD_STATEPAGE_MS);
	vaultd_write_refusals(d, f);
	vaultd_stop_with(d, 0);
}

static void
on_stopped(uv_work_t *w, int status)
{
	struct vaultd *d = w->data;

	if (!fiber_start(d->v.fibers, write_last, d))
		vaultd_stop_with(d, 0);
}

static void
on_stop_late(uv_timer_t *t)
{
	log_warning("requests are still in flight after %d ms: they end here", STOP_MS);
	vaultd_stop_with(t->data, 0);
}

/* Requests in flight need the core: the server is stopped beside it. */
static void
on_sigterm(uv_signal_t *s, int number)
{
	struct vaultd *d = s->data;

	if (d->stopping)
		return;
	d->stopping = true;
	if (!d->server) {
		vaultd_stop_with(d, 0);
		return;
	}
	api_set_server(d->api, NULL);
	uv_timer_start(&d->stop_timer, on_stop_late, STOP_MS, 0);
	d->stop_work.data = d;
	if (uv_queue_work(&d->loop, &d->stop_work, on_stop_work, on_stopped))
		vaultd_stop_with(d, 0);
}

/* ---- start ---- */

static void
start_signal(struct vaultd *d, uv_signal_t *s, uv_signal_cb fn, int number)
{
	uv_signal_init(&d->loop, s);
	s->data = d;
	uv_signal_start(s, fn, number);
}

static struct db *
connect_with(struct vaultd *d, struct db_options o)
{
	auto_buf conninfo = BUF_INIT;

	cluster_conninfo(&d->args->home, "hf_vault", &conninfo);
	o.conninfo = buf_str(&conninfo);
	return db_new(&d->loop, &o);
}

static struct db *
connect_db(struct vaultd *d, const char *name, int wait_ms)
{
	struct db_options o = { .application = name,
				.wait_ms = wait_ms,
				.call_ms = READ_WAIT_MS,
				.session = DB_LOOKUPS };

	return connect_with(d, o);
}

/* Planned with the values of each call, which is what makes a look-up one; and ended by the database: a connection that is
 * only closed leaves its statement running. */
static struct lists *
connect_lists(struct vaultd *d)
{
	int list_ms = (int)d->settings.list_timeout;
	auto_buf session = BUF_INIT;
	struct db_options o = { .application = "vaultd list",
				.wait_ms = READ_WAIT_MS,
				.call_ms = list_ms + LIST_GRACE_MS };
	struct db *db[LISTS_CONNECTIONS_MAX];

	buf_addf(&session, "-c plan_cache_mode=force_custom_plan -c statement_timeout=%d", list_ms);
	o.session = buf_str(&session);
	for (unsigned i = 0; i < lists_connections(); i++)
		db[i] = connect_with(d, o);
	return lists_new(&d->loop, db);
}

static struct db *
connect_rebuild(void *ctx)
{
	struct db_options o = { .application = "vaultd rebuild",
				.wait_ms = READ_WAIT_MS,
				.session = rebuild_session };

	return connect_with(ctx, o);
}

static void
open_core(struct vaultd *d)
{
	struct vault *v = &d->v;

	mem_check(!uv_loop_init(&d->loop));
	v->loop = &d->loop;
	v->settings = &d->settings;
	v->node = d->node.id;
	v->fibers = fiber_pool_new(FIBER_STACK, FIBERS);
	v->keys = keys_new(&d->loop, PROC_FD_KEYS);
	for (int i = 0; i < VAULT_READERS; i++)
		v->reader[i] = connect_db(d, "vaultd reader", READ_WAIT_MS);
	d->writer = connect_db(d, "vaultd writer", WRITE_WAIT_MS);
	d->pulse = connect_db(d, "vaultd health", READ_WAIT_MS);
	v->lists = connect_lists(d);
	v->connect_rebuild = connect_rebuild;
	v->connect_ctx = d;
	snprintf(v->health.why, sizeof(v->health.why), "the service is starting");
	uv_timer_init(&d->loop, &d->statepage_timer);
	uv_timer_init(&d->loop, &d->merge_timer);
	uv_timer_init(&d->loop, &d->beat_timer);
	uv_timer_init(&d->loop, &d->health_timer);
	uv_timer_init(&d->loop, &d->tidy_timer);
	uv_timer_init(&d->loop, &d->refusals_timer);
	uv_timer_init(&d->loop, &d->stop_timer);
	d->stop_timer.data = d;
	start_signal(d, &d->on_term, on_sigterm, SIGTERM);
	start_signal(d, &d->on_int, on_sigterm, SIGINT);
	start_signal(d, &d->on_hup, on_sighup, SIGHUP);
}

static int
open_link(struct vaultd *d, struct err *e)
{
	if (uv_poll_init_socket(&d->loop, &d->link, PROC_FD_LINK))
		return err_set(e, ERR_INTERNAL, "the link to the supervisor is missing");
	d->link.data = d;
	uv_poll_start(&d->link, UV_READABLE, on_link);
	return 0;
}

static int
prepare(struct vaultd *d, struct err *e)
{
	int rc = lock_down(e);

	if (!rc)
		rc = home_node_read(&d->args->home, &d->node, e);
	if (!rc)
		rc = read_cert(d, e);
	/* Nothing of ours is to be had by a program that one of the libraries might start. */
	if (!rc && (fcntl(PROC_FD_KEYS, F_SETFD, FD_CLOEXEC) < 0 ||
		    fcntl(PROC_FD_LINK, F_SETFD, FD_CLOEXEC) < 0 ||
		    fcntl(PROC_FD_FILES, F_SETFD, FD_CLOEXEC) < 0))
		rc = err_errno(e, ERR_INTERNAL, "the supervisor's descriptors are missing");
	if (!rc)
		rc = vaultd_confine(d, e);
	return rc;
}

int
vaultd_main(const struct proc_args *a)
{
	struct vaultd *d = mem_new(sizeof(*d));
	struct err e = { 0 };

	d->args = a;
	d->settings = a->settings;
	d->began_ms = clock_mono_ms();
	http_init();
	if (prepare(d, &e)) {
		log_err(LOG_LEVEL_ERROR, &e, "cannot start the vault service");
		free(d);
		return PROC_EXIT_CONFIG;
	}
	open_core(d);
	if (open_link(d, &e)) {
		log_err(LOG_LEVEL_ERROR, &e, "cannot start the vault service");
		_exit(PROC_EXIT_CONFIG); /* the loop has handles of d */
	}
	mem_check(fiber_start(d->v.fibers, vaultd_begin, d));
	uv_run(&d->loop, UV_RUN_DEFAULT);
	/* What is durable is on disk; the rest of this process has nothing to tidy up. */
	_exit(d->exit_code);
}
