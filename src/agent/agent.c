/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent: watches the other nodes and the local database, decides the node's state (ha/fsm) every TICK_MS, and does what
 * follows from it. The loop itself never waits for anything: whatever may hang (other nodes, PostgreSQL, a journal's
 * disk) is asked by threads of ha/, and a thread that hangs only makes what it saw old.
 *
 * In the loop, per tick: look (copies of what the threads saw) → reduce to facts → fsm_step → state page → act.
 */
#include "agent/agent.h"
#include "agent/agent_impl.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/passfd.h"
#include "ha/rejoin.h"
#include "http/json.h"
#include "pg/cluster.h"

#define TICK_MS 50
#define AWAY_MS 1000	  /* ticks further apart: this process, or its machine, stood still */
#define RESUME_MS 10000	  /* a page younger than this is of this very run of the node */
#define SHOW_MS 250	  /* texts of the page and status are written so often */
#define HOLD_MORE_MS 1000 /* until the database has named the others, and an attempt has begun */

static void
ask_for_keys(void)
{
	if (write(PROC_FD_LINK, "K", 1) != 1)
		_exit(1); /* the supervisor is gone */
}

/* Of those who need one, the notary has the first that comes; then another is asked for. */
static void
share_keys(struct agent *a, int fd)
{
	bool ask;

	if (notary_lost_keys(a->notary, clock_mono_ms(), &ask))
		notary_attach(a->notary, fd);
	else if (orderer_lost_keys(a->orderer, clock_mono_ms(), &ask))
		orderer_attach(a->orderer, fd);
	else {
		control_attach(a->control, fd);
		return;
	}
	ask_for_keys();
}

static void
on_link(uv_poll_t *p, int status, int events)
{
	struct agent *a = p->data;
	char word = 0;
	int fd = -1;
	enum passfd_got got = status < 0 ? PASSFD_END : passfd_receive(PROC_FD_LINK, &word, &fd);

	if (got == PASSFD_END)
		_exit(1); /* the supervisor is gone */
	if (fd < 0)
		return;
	if (word != 'k') {
		close(fd);
		return;
	}
	share_keys(a, fd);
}

static void
on_term(uv_signal_t *s, int number)
{
	struct agent *a = s->data;

	statepage_set_both(a->statepage, false);
	uv_stop(&a->loop);
}

static void
on_hup(uv_signal_t *s, int number)
{
	struct agent *a = s->data;
	struct settings next;
	char path[HOME_PATH_MAX];
	auto_buf restart = BUF_INIT;
	struct err e = { 0 };

	home_path(&a->args->home, HOME_CONF, path);
	if (settings_load(path, &next, &e)) {
		log_err(LOG_LEVEL_WARNING, &e, "the settings stay as they were");
		return;
	}
	settings_reload(&a->settings, &next, &restart);
	alerter_configure(a->alerter, &a->settings);
	a->trust_ms = a->announce_ms = 0;
	log_notice("the settings were read again");
}

/* ---- the loop ---- */

/* For how long a primary asks the others for a later epoch, and for more of its log, before it serves: as long as an attempt to connect may take over a slow
 * line. */
static int64_t
hold_ms(const struct agent *a)
{
	return probe_patience(a->settings.detect_ms, false, false, false) + HOLD_MORE_MS;
}

/* Long enough for every node that can be reached to have answered. */
static bool
is_past_start(const struct agent *a)
{
	return clock_mono_ms() - a->began_ms > hold_ms(a);
}

/* Whether every other node has answered, and its database too, or let us know that it does not. */
static bool
others_heard(const struct agent *a)
{
	if (is_past_start(a))
		return true;
	if (!a->rv.at_ms || !a->rv.nodes_n)
		return false;
	for (unsigned i = 0; i < a->rv.nodes_n; i++) {
		const struct uuid *id = &a->rv.nodes[i].id;
		const struct peer *p = agent_peer((struct agent *)(uintptr_t)a, id);

		if (!agent_is_self(a, id) && (!p || p->v.sense.last == PROBE_NONE))
			return false;
	}
	return !a->epochs_asked && agent_histories_heard(a);
}

bool
agent_is_starting(struct agent *a)
{
	const struct peer *p = a->secondary ? agent_primary_peer(a) : NULL;

	if (is_past_start(a))
		return false;
	return a->holding || !a->rv.at_ms ||
	       (a->secondary && (!p || p->v.sense.last == PROBE_NONE));
}

static void
on_tick(uv_timer_t *t)
{
	struct agent *a = t->data;
	struct fsm_limits l = { a->settings.refused_ms, a->settings.sync_timeout, AGENT_SETTLE_MS,
				AGENT_CHANNEL_MS };
	struct fsm_obs o;

	bool notary_asks, orderer_asks;

	notary_lost_keys(a->notary, clock_mono_ms(), &notary_asks);
	orderer_lost_keys(a->orderer, clock_mono_ms(), &orderer_asks);
	if (control_lost_keys(a->control) || notary_asks || orderer_asks)
		ask_for_keys();
	/* A server that was promoted or became a standby: the agent begins anew in the other role. */
	role_look(a->role, &a->wv);
	a->rejoin_waits = rejoin_waits(&a->args->home);
	if (!a->wv.working && !a->rejoin_waits &&
	    cluster_is_standby(&a->args->home) != a->secondary) {
		log_notice("this node is a %s now", a->secondary ? "primary" : "secondary");
		uv_stop(&a->loop);
		return;
	}
	pthread_mutex_lock(&a->lock);
	if (clock_mono_ms() - a->now_ms > AWAY_MS) {
		log_notice("this process stood still for %" PRId64 " ms",
			   clock_mono_ms() - a->now_ms);
		agent_was_away(a);
	}
	agent_look(a);
	if (a->holding && !others_heard(a)) {
		pthread_mutex_unlock(&a->lock);
		return;
	}
	a->starting = a->holding;
	a->holding = false;
	agent_reduce(a, &o);
	agent_heed_removal(a, &o);
	agent_take_as_of(a);
	struct fsm_next next = fsm_step(a->shown.state, &o, &l);
	bool changed = next.why != NULL;
	if (changed)
		agent_change_state(a, &next);
	/* First the page: readers act on it, the rest takes time. */
	if (changed || a->now_ms - a->shown_ms >= SHOW_MS)
		agent_write_statepage(a);
	agent_act(a, &o);
	agent_tell_chain_memory(a, &o);
	agent_tell_epochs(a);
	statepage_beat(a->statepage);
	pthread_mutex_unlock(&a->lock);
}

/* ---- the begin ---- */

/* Whether the page is of an agent of this very run of the node, and of late. */
static bool
is_same_run(const struct agent *a, const struct statepage_view *old)
{
	return old->beat_mono_ms > a->args->began_ms && old->beat_mono_ms <= a->now_ms &&
	       a->now_ms - old->beat_mono_ms < RESUME_MS;
}

/* Where an agent that fell goes on; a node that was started anew begins carefully. A fenced node stays fenced, and one that is
 * behind stays so until it is asked. */
static enum ha_state
first_state(const struct agent *a, const struct statepage_view *old)
{
	bool same_run = is_same_run(a, old);

	if (a->secondary)
		return same_run && (old->state == HA_EMERGENCY || old->state == HA_MERGING)
			       ? old->state
			       : HA_STANDBY;
	if (old->state == HA_FENCED || old->state == HA_BEHIND ||
	    (same_run && (old->state == HA_SYNCED || old->state == HA_DUPLICATE)))
		return old->state;
	if (a->loss.there)
		return HA_BEHIND;
	if (same_run && old->state == HA_HANDING && rejoin_waits(&a->args->home))
		return old->state;
	return home_has(&a->args->home, HOME_PAIR_CERT) ? HA_ALONE : HA_SINGLE;
}

static const char *
first_reason(const struct agent *a, const struct statepage_view *old)
{
	if (!is_same_run(a, old))
		return "the node was started";
	if (old->state == a->shown.state)
		return old->reason;
	return a->secondary ? "this node follows another primary now"
			    : "this node was made the primary";
}

static int
open_statepage(struct agent *a, struct err *e)
{
	char path[HOME_PATH_MAX];
	struct statepage_view *old = mem_new(sizeof(*old));
	enum chain_end end = CHAIN_END_ASKED;
	struct statepage *p = NULL;
	struct err ignored;

	home_path(&a->args->home, HOME_STATE, path);
	if (statepage_open(path, &p, &ignored) == 0) {
		statepage_read(p, old);
		end = statepage_quick(p).chain_end;
	}
	statepage_free(p);
	int r = statepage_create(path, &a->statepage, e);
	if (r == 0) {
		a->now_ms = a->state_ms = clock_mono_ms();
		a->shown.state = first_state(a, old);
		/* Who goes on where an agent fell has the data that it had; of any other the data are asked first. */
		if (state_serves(a->shown.state) == SERVES_EMERGENCY) {
			a->shown.as_of_us = old->as_of_us;
			a->shown.as_of_term = old->as_of_term;
		}
		a->shown.term = old->term;
		a->shown.epoch = a->epochs.known;
		text_copy(a->shown.primary_url, sizeof(a->shown.primary_url),
			  a->secondary ? old->primary_url : "");
		text_copy(a->shown.reason, sizeof(a->shown.reason), first_reason(a, old));
		a->began_ms = a->streamed_ms = a->now_ms;
		a->holding = a->shown.state == HA_ALONE && !is_same_run(a, old);
		/* What nobody has confirmed to the agent before this one nobody has confirmed. */
		a->confirmed = a->end_known = !a->secondary && is_same_run(a, old) &&
					      a->shown.state != HA_BEHIND &&
					      end == CHAIN_END_PROVED;
		a->opened_ms = a->now_ms;
	}
	if (r == 0 && !a->holding) {
		statepage_write(a->statepage, &a->shown);
		statepage_beat(a->statepage);
	}
	free(old);
	return r;
}

static int
begin(struct agent *a, struct err *e)
{
	const struct control_options o = { .home = &a->args->home,
					   .settings = &a->args->settings,
					   .keys_fd = PROC_FD_KEYS,
					   .order = agent_order,
					   .prove = agent_prove,
					   .ctx = a };
	auto_buf conninfo = BUF_INIT;
	int r = home_node_read(&a->args->home, &a->self, e);

	/* An agent that fell while its node changes roles: only behind that is it known what the node is. */
	for (bool asked = false; rejoin_waits(&a->args->home); asked = true) {
		if (!asked && write(PROC_FD_LINK, "J", 1) != 1)
			_exit(1); /* the supervisor is gone */
		clock_sleep_ms(100);
	}
	a->secondary = cluster_is_standby(&a->args->home);
	agent_name_run(a);
	agent_read_epochs(a);
	agent_read_emergency(a);
	agent_read_removed(a);
	agent_read_maintenance(a);
	agent_read_loss(a);
	if (r == 0)
		r = open_statepage(a, e);
	if (r == 0)
		a->alerter = alerter_new(&a->args->home, a->self.name, &a->settings);
	cluster_conninfo(&a->args->home, "holdfast", &conninfo);
	a->orderer = orderer_new(buf_str(&conninfo));
	if (r == 0)
		r = control_new(&o, &a->control, e);
	if (r)
		return r;
	a->replication = replication_new(&a->args->home, buf_str(&conninfo), &a->self.id);
	a->chain_memory = chain_memory_new(&a->args->home, &a->self.id, buf_str(&conninfo));
	a->notary = notary_new();
	a->herald = herald_new(&a->args->home);
	a->history = history_watch_new(&a->args->home, &a->self.id, buf_str(&conninfo));
	if (a->secondary)
		a->deposit = deposit_new(&a->args->home, &a->self.id, buf_str(&conninfo));
	a->role = role_new(&a->args->home, &a->self.id, buf_str(&conninfo), a->deposit);
	return 0;
}

static void
start_handles(struct agent *a)
{
	uv_loop_init(&a->loop);
	uv_timer_init(&a->loop, &a->timer);
	uv_poll_init(&a->loop, &a->link, PROC_FD_LINK);
	uv_signal_init(&a->loop, &a->term);
	uv_signal_init(&a->loop, &a->hup);
	a->timer.data = a->link.data = a->term.data = a->hup.data = a;
	uv_timer_start(&a->timer, on_tick, 0, TICK_MS);
	uv_poll_start(&a->link, UV_READABLE | UV_DISCONNECT, on_link);
	uv_signal_start(&a->term, on_term, SIGTERM);
	uv_signal_start(&a->hup, on_hup, SIGHUP);
}

int
agent_main(const struct proc_args *args)
{
	struct err e = { 0 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	umask(0077);
	/* What the agent starts (a base backup) has no business with keyd or the supervisor. */
	fcntl(PROC_FD_KEYS, F_SETFD, FD_CLOEXEC);
	fcntl(PROC_FD_LINK, F_SETFD, FD_CLOEXEC);
	if (sodium_init() < 0)
		return 1;
	http_init();
	struct agent *a = mem_new(sizeof(*a));
	a->args = args;
	a->settings = args->settings;
	pthread_mutex_init(&a->lock, NULL);
	int r = begin(a, &e);
	if (r) {
		log_err(LOG_LEVEL_ERROR, &e, "the agent cannot start");
		free(a);
		return r == ERR_PRECONDITION ? PROC_EXIT_CONFIG : 1;
	}
	start_handles(a);
	if (write(PROC_FD_LINK, "R", 1) != 1)
		_exit(1); /* the supervisor is gone */
	uv_run(&a->loop, UV_RUN_DEFAULT);
	/* Threads may hang in a call to a peer: nothing here has to be put in order. */
	_exit(0);
}
