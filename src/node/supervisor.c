/* SPDX-License-Identifier: Apache-2.0
 *
 * The supervisor: starts the node's processes in order, watches them, restarts those that crash,
 * and stops them in order. It parses no input from outside and holds no secret. One thread, libuv.
 *
 *   start   what may come by itself is waited for (preflight_await) → keyd ('K') → unpack (if a pack waits) → rejoin (if one waits) → postgres and prepare → vaultd and agent
 *           → vaultd's 'R': ready
 *   rejoin  the agent's 'J': postgres is stopped → rejoin → postgres; the rest runs on
 *   stop    vaultd and agent → postgres (fast) → keyd; a second signal makes each step hard
 *   fall    keyd, vaultd, agent: started again at once, at most SUPERVISOR_RESTARTS in RESTART_WINDOW_MS,
 *           then the node says why and stops; keyd without its key file: tried again every
 *           KEY_RETRY_MS while the rest runs on; postgres: again and again with a growing pause,
 *           since a full disk may be what it waits for
 */
#include "node/supervisor_impl.h"

#include <signal.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/pidfile.h"
#include "base/statepage.h"
#include "ha/rejoin.h"

#define STOP_SOFT_MS 5000
#define STOP_PG_MS 60000
#define PATIENCE_EVERY_MS 30000
#define PATIENCE_USEC "120000000"

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
	supervisor_stop_step(s);
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

void
supervisor_stop_step(struct sup *s)
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

void
supervisor_begin_stop(struct sup *s, int exit_code)
{
	if (s->stopping == 0)
		s->exit_code = exit_code;
	s->stopping++;
	sd_notify(0, "STOPPING=1");
	supervisor_stop_step(s);
}

/* ---- signals ---- */

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
	supervisor_settle_files(s);
	if (s->children[POSTGRES].running)
		supervisor_configure_postgres(s);
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
	supervisor_begin_stop(s, 0);
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
	const struct home *h = &s->args->home;

	if (home_has(h, HOME_PG) || home_has(h, HOME_PACK_MANIFEST) || rejoin_waits(h))
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

/* A start takes as long as what it waits for: a device, an address, a standby's log, a copy of the primary. Each step ends by
 * itself, or says what it waits for: systemd's own limit is for a supervisor that does nothing any more. */
static void
on_patience(uv_timer_t *t)
{
	sd_notify(0, "EXTEND_TIMEOUT_USEC=" PATIENCE_USEC);
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
	uv_timer_init(&s->loop, &s->patience);
	uv_timer_start(&s->patience, on_patience, 0, PATIENCE_EVERY_MS);
	if (sd_watchdog_enabled(0, &usec) > 0)
		uv_timer_start(&s->watchdog, on_watchdog, usec / 2000, usec / 2000);
	for (int i = 0; i < CHILDREN; i++) {
		s->children[i] = (struct child){
			.sup = s, .id = (enum child_id)i, .link_fd = -1, .files_fd = -1
		};
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
	supervisor_begin(&s);
	uv_run(&s.loop, UV_RUN_DEFAULT);
	uv_walk(&s.loop, close_handle, NULL);
	uv_run(&s.loop, UV_RUN_DEFAULT);
	uv_loop_close(&s.loop);
	close(s.lock_fd);
	return s.exit_code;
}
