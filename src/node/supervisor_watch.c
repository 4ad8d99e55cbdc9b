/* SPDX-License-Identifier: Apache-2.0
 *
 * The supervisor: how it responds to what a child says on its link, and to its end.
 */
#include "node/supervisor_impl.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "ha/rejoin.h"

#define RESTART_WINDOW_MS 60000
#define KEY_RETRY_MS 5000
#define PG_PAUSE_MIN_MS 50
#define PG_PAUSE_MAX_MS 1000
#define PG_FIRST_TRIES                                                                             \
	15 /* about ten seconds: what a predecessor that was killed may need to let go */
#define REJOIN_STOP_MS 15000 /* patience with PostgreSQL's own shutdown */
#define REJOIN_RETRY_MS 2000

/* ---- links ---- */

/* A change of role that was begun is ended before PostgreSQL runs. */
static void
start_database(struct sup *s)
{
	s->rejoining = rejoin_waits(&s->args->home);
	if (s->rejoining) {
		supervisor_start(s, REJOIN);
		return;
	}
	supervisor_start(s, POSTGRES);
	supervisor_start(s, PREPARE);
}

static void
on_keyd_ready(struct sup *s)
{
	if (s->serving) {
		log_notice("keyd is back");
		supervisor_reconnect(s, &s->children[VAULTD]);
		supervisor_reconnect(s, &s->children[AGENT]);
		return;
	}
	if (home_has(&s->args->home, HOME_PACK_MANIFEST)) {
		supervisor_start(s, UNPACK);
		return;
	}
	start_database(s);
}

static void
on_vaultd_ready(struct sup *s, struct child *c)
{
	log_info("vaultd serves after %lld ms", (long long)(clock_mono_ms() - c->began_ms));
	uv_timer_stop(&s->patience);
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
		supervisor_start(s, REJOIN);
		return;
	}
	uv_process_kill(&pg->process, SIGINT);
	uv_timer_start(&s->children[REJOIN].timer, on_rejoin_late, REJOIN_STOP_MS, 0);
}

/* It lets nobody in, so that nobody can ask it to stop in order; its log is what it starts from. */
static void
reopen_postgres(struct sup *s)
{
	struct child *pg = &s->children[POSTGRES];

	if (s->rejoining || s->stopping || !pg->running)
		return;
	log_warning("PostgreSQL is stopped at once and started anew");
	uv_process_kill(&pg->process, SIGQUIT);
}

void
supervisor_on_link(uv_poll_t *p, int status, int events)
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
	if (c->id == AGENT && memchr(words, 'P', (size_t)n))
		reopen_postgres(c->sup);
	if (c->id != KEYD && memchr(words, 'K', (size_t)n))
		supervisor_reconnect(c->sup, c);
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
	int64_t now = clock_mono_ms(), oldest = c->falls[c->nfalls % SUPERVISOR_RESTARTS];

	c->falls[c->nfalls % SUPERVISOR_RESTARTS] = now;
	c->nfalls++;
	return c->nfalls > SUPERVISOR_RESTARTS && now - oldest < RESTART_WINDOW_MS;
}

void
supervisor_postgres_fell(struct child *c)
{
	bool lived = clock_mono_ms() - c->began_ms > 5000;

	if (c->sup->rejoining) {
		uv_timer_stop(&c->sup->children[REJOIN].timer);
		supervisor_start(c->sup, REJOIN);
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
		supervisor_begin_stop(c->sup, 1);
		return;
	}
	c->pause_ms = lived || c->pause_ms == 0 ? PG_PAUSE_MIN_MS : c->pause_ms * 2;
	if (c->pause_ms > PG_PAUSE_MAX_MS)
		c->pause_ms = PG_PAUSE_MAX_MS;
	supervisor_start_later(c, c->pause_ms);
}

static void
restart_child(struct child *c, int code)
{
	struct sup *s = c->sup;

	if (c->id == KEYD && s->serving && code == PROC_EXIT_CONFIG) {
		log_warning("keyd cannot start, and the lines above say why: if it cannot read "
			    "the master key, connect its device again (tried every %d s)",
			    KEY_RETRY_MS / 1000);
		supervisor_start_later(c, KEY_RETRY_MS);
		return;
	}
	if (code == PROC_EXIT_CONFIG) {
		supervisor_begin_stop(s, 1); /* the child has said why */
		return;
	}
	/* One that ended in order did not fall: the agent begins anew at each change of role. */
	if (code != 0 && note_fall(c)) {
		log_error("%s crashed %d times within %d s; the node stops. The lines above say "
			  "why.",
			  supervisor_name(c->id), SUPERVISOR_RESTARTS + 1,
			  RESTART_WINDOW_MS / 1000);
		supervisor_begin_stop(s, 1);
		return;
	}
	supervisor_start_later(c, c->nfalls <= 2 ? 0 : 100);
}

static void
unpack_done(struct sup *s, int code)
{
	if (code != 0) {
		supervisor_begin_stop(s, 1);
		return;
	}
	start_database(s);
}

static void
rejoin_done(struct sup *s, int code)
{
	if (code != 0) {
		supervisor_start_later(&s->children[REJOIN], REJOIN_RETRY_MS);
		return;
	}
	s->rejoining = false;
	s->children[POSTGRES].pause_ms = 0;
	supervisor_start(s, POSTGRES);
	if (!s->serving)
		supervisor_start(s, PREPARE);
}

static void
prepare_done(struct sup *s, int code)
{
	if (code == PROC_EXIT_CONFIG) {
		supervisor_begin_stop(s, 1);
	} else if (code != 0) {
		supervisor_start_later(&s->children[PREPARE], 500);
	} else {
		s->serving = true;
		supervisor_start(s, AGENT);
		supervisor_start(s, VAULTD);
	}
}

void
supervisor_on_exit(uv_process_t *p, int64_t status, int signal)
{
	struct child *c = p->data;
	struct sup *s = c->sup;
	int code = signal ? 128 + signal : (int)status;

	c->running = false;
	c->ready = false;
	if (c->id == POSTGRES)
		supervisor_read_last_words(s);
	supervisor_close_links(c);
	uv_close((uv_handle_t *)p, NULL);
	if (s->stopping) {
		supervisor_stop_step(s);
		return;
	}
	if (c->id != PREPARE && c->id != UNPACK && c->id != REJOIN && signal)
		log_warning("%s was ended by signal %d (%s)", supervisor_name(c->id), signal,
			    strsignal(signal));
	else if (code != 0 && c->id != POSTGRES)
		log_warning("%s ended with exit code %d", supervisor_name(c->id), code);
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
		supervisor_postgres_fell(c);
		break;
	default:
		restart_child(c, code);
	}
}
