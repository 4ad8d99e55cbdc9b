/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of the start that waits for others: the state page, the ledger, the data keys. Then HTTPS listens.
 */
#include "vaultd/vaultd_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fiber_sleep.h"
#include "base/json_out.h"
#include "base/log.h"
#include "base/statepage.h"
#include "http/relay.h"
#include "ledger/ledger.h"
#include "vault/age_limit.h"
#include "vault/hold.h"
#include "vault/journal_overlay.h"
#include "vault/withdrawn.h"
#include "vault/record_lock.h"
#include "vault/refusals.h"
#include "vault/retrieve_batch.h"
#include "vault/session.h"
#include "vaultd/neighbours.h"

#define MERGE_MS 200
#define HEALTH_MS 100
#define TIDY_MS 5000
#define REFUSALS_MS 500 /* whether the minute is over */
#define KEYS_WAIT_MS 1000
#define NEIGHBOURS_MS 10000
#define FIRST_MS                                                                                   \
	5000 /* for TLS and the first header, and for a small body of whoever has no session */
#define RELAY_THREADS 16
#define RELAY_QUEUE 128
#define RELAY_CONNECT_MS 2000
#define RELAY_TOTAL_MS 55000 /* clients and proxies wait for a minute */
#define RELAY_REPLY_MAX (32u << 20)

static void
start_timer(struct vaultd *d, uv_timer_t *t, uv_timer_cb fn, uint64_t every_ms)
{
	t->data = d;
	uv_timer_start(t, fn, every_ms, every_ms);
}

/* The agent makes the page. A page of an earlier run may lie there: it counts once the agent beats, or, on a single node,
 * when no agent comes. */
static void
await_page(struct vaultd *d, struct fiber *f)
{
	char path[HOME_PATH_MAX];
	struct err e = { 0 };
	bool said = false;

	home_path(&d->args->home, HOME_STATE, path);
	while (!d->stopping) {
		int64_t now = clock_mono_ms(), age;
		bool late = now - d->began_ms > STATEPAGE_BEAT_MAX_MS;

		if (!d->v.statepage && statepage_open(path, &d->v.statepage, &e))
			d->v.statepage = NULL;
		if (d->v.statepage) {
			age = now - statepage_quick(d->v.statepage).beat_mono_ms;
			if (age >= 0 && age < STATEPAGE_BEAT_MAX_MS)
				return;
			if (late && statepage_quick(d->v.statepage).state == HA_SINGLE)
				return;
		}
		if (late && !said)
			log_warning("the agent does not say in which state this node is: waiting "
				    "for it");
		said = said || late;
		fiber_sleep_ms(&d->loop, f, VAULTD_STATEPAGE_MS);
	}
}

static void
open_ledger(struct vaultd *d)
{
	char run[PROC_RUN_MAX];
	char journal[HOME_PATH_MAX];
	struct ledger_options o = { 0 };

	home_path(&d->args->home, HOME_JOURNAL, journal);
	o.loop = &d->loop;
	o.fibers = d->v.fibers;
	o.keys = d->v.keys;
	o.writer = d->writer;
	o.journal_path = journal;
	o.node = d->v.node;
	proc_run(d->args, run);
	o.run = run;
	o.statepage = d->v.statepage;
	o.on_durable = vault_on_durable;
	o.ctx = &d->v;
	d->v.ledger = ledger_new(&o);
}

/* Measured: on two cores one HTTP thread beside the core thread serves more than two do. */
static unsigned
http_threads(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN) / 2;

	return n < 1 ? 1 : n > 4 ? 4 : (unsigned)n;
}

static struct relay *
open_relay(struct vaultd *d)
{
	char trust[HOME_PATH_MAX];
	struct relay_options o = { .loop = &d->loop,
				   .trust_path = trust,
				   .threads = RELAY_THREADS,
				   .queue = RELAY_QUEUE,
				   .connect_ms = RELAY_CONNECT_MS,
				   .total_ms = RELAY_TOTAL_MS,
				   .reply_max = RELAY_REPLY_MAX };

	home_path(&d->args->home, HOME_PRIMARY_TRUST, trust);
	return relay_new(&o);
}

static int
open_server(struct vaultd *d, struct err *e)
{
	char authority[HOME_PATH_MAX];
	struct api_options ao = { .v = &d->v,
				  .node_name = d->node.name,
				  .authority_path = authority,
				  .home = &d->args->home };
	struct server_options so = { 0 };
	int rc;

	home_path(&d->args->home, HOME_PAIR_CA, authority);
	ao.relay = open_relay(d);
	d->api = api_new(&ao);
	so.listen = d->settings.listen;
	so.cert_pem = buf_str(&d->cert);
	so.key_pem = buf_str(&d->key);
	so.threads = http_threads();
	so.max_connections = (unsigned)d->settings.max_connections;
	so.max_per_address = (unsigned)d->settings.max_per_address;
	so.timeout_s = (unsigned)((d->settings.request_timeout + 999) / 1000);
	so.first_ms = FIRST_MS;
	so.header_max = 16 << 10;
	so.ctx = d->api;
	so.body_limit = api_body_limit;
	so.on_head = api_on_head;
	so.on_request = api_on_request;
	rc = server_start(&so, &d->server, e);
	if (!rc)
		api_set_server(d->api, d->server);
	buf_reset(&d->key);
	return rc;
}

/* The reserved places of the pair's own connections. */
static void
watch_neighbours(struct fiber *f, void *arg)
{
	struct vaultd *d = arg;
	struct neighbours n = { 0 };

	while (!d->stopping) {
		if (vaultd_is_shut_out(d)) {
			log_notice("a file by which names are resolved was replaced: this process "
				   "ends, and the next one reads it");
			raise(SIGTERM);
			return;
		}
		if (neighbours_look(&n, &d->v, f) && !d->stopping)
			server_set_own(d->server, n.all);
		if (!d->stopping)
			api_set_nodes(d->api, n.origins);
		fiber_sleep_ms(&d->loop, f, NEIGHBOURS_MS);
	}
}

static void
tell_ready(void)
{
	if (send(PROC_FD_LINK, "R", 1, MSG_NOSIGNAL) != 1)
		log_warning("cannot tell the supervisor that the service is ready: %s",
			    strerror(errno));
}

static void
tell_started(struct vaultd *d, struct fiber *f)
{
	auto_buf body = BUF_INIT;
	struct json_out w;

	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_text(&w, "version", HF_VERSION);
	json_out_text(&w, "state", state_name(d->told));
	json_out_end_object(&w);
	while (!d->stopping && vaultd_append_event(d, f, EVENT_NODE_STARTED, buf_str(&body), NULL))
		fiber_sleep_ms(&d->loop, f, VAULTD_RETRY_MS);
}

/* Who is answered at all is served: the doors stay shut for the moment that the data keys take. A node whose database is
 * away opens them all the same, and says why it cannot serve. */
static void
await_keys(struct vaultd *d, struct fiber *f)
{
	int64_t until = clock_mono_ms() + KEYS_WAIT_MS;

	vaultd_begin_load_keys(d);
	while (!d->keys_loaded && !d->stopping && clock_mono_ms() < until)
		fiber_sleep_ms(&d->loop, f, 5);
	vaultd_update_health(d);
}

static void
on_journal_event(void *ctx, const struct event *ev)
{
	age_limit_on_event(ctx, ev);
}

/* What an administrator unlocked goes on behind a fall of this process; a journal that cannot be read unlocks nothing. */
static void
recall_unlock(struct vaultd *d, struct fiber *f)
{
	struct err ignored = { 0 };

	if (state_serves(vaultd_state_now(d)) == SERVES_EVERYONE)
		return;
	if (ledger_journal_each(d->v.ledger, f, NULL, on_journal_event, &d->v, &ignored))
		d->v.unlocked = false;
}

/* The start, as far as it has to wait for others. */
void
vaultd_begin(struct fiber *f, void *arg)
{
	struct vaultd *d = arg;
	struct err e = { 0 };

	await_page(d, f);
	if (d->stopping)
		return;
	open_ledger(d);
	d->v.record_locks = record_locks_new();
	d->v.retrieve_batch = retrieve_batch_new(&d->v);
	d->v.sessions = sessions_new(&d->v);
	d->v.journal_overlay = journal_overlay_new();
	d->v.withdrawn = withdrawn_new();
	d->v.hold = hold_new();
	d->v.refusals = refusals_new();
	d->state_seq = d->followed_seq = statepage_quick(d->v.statepage).state_seq;
	d->told = vaultd_state_now(d);
	/* Before the first answer: what was stored here is read here. */
	vaultd_reload_journaled(d, f);
	await_keys(d, f);
	if (d->stopping)
		return;
	if (open_server(d, &e)) {
		log_err(LOG_LEVEL_ERROR, &e, "cannot serve");
		vaultd_stop_with(d, PROC_EXIT_CONFIG);
		return;
	}
	start_timer(d, &d->health_timer, vaultd_on_health_timer, HEALTH_MS);
	tell_ready();
	if (sessions_reload(d->v.sessions, f, &e))
		log_err(LOG_LEVEL_ERROR, &e, "sessions of the journal are lost to this node");
	recall_unlock(d, f);
	if (!fiber_start(d->v.fibers, watch_neighbours, d))
		log_warning("the other nodes' connections have no reserved places");
	start_timer(d, &d->statepage_timer, vaultd_on_page_timer, VAULTD_STATEPAGE_MS);
	start_timer(d, &d->merge_timer, vaultd_on_merge_timer, MERGE_MS);
	start_timer(d, &d->beat_timer, vaultd_on_beat_timer, LEDGER_BEAT_MS);
	start_timer(d, &d->tidy_timer, vaultd_on_tidy_timer, TIDY_MS);
	start_timer(d, &d->refusals_timer, vaultd_on_refusals_timer, REFUSALS_MS);
	tell_started(d, f);
}
