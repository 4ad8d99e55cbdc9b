/* SPDX-License-Identifier: Apache-2.0
 *
 * The vault service: the HTTP threads, the core thread with its loop, and the timers that watch the state page, the inbox
 * and the service's own health.
 *
 *   start   state page → ledger, sessions, api → HTTPS listens ('R') → data keys → NODE_STARTED
 *   change  of the page's state: caches emptied, overlay read, data keys loaded, HA_STATE event
 *   stop    SIGTERM: no new connection, requests in flight end (3 s at most)
 *
 * Nothing here ends the process because PostgreSQL, keyd or the agent is away: the node says so in its
 * health and goes on when they are back. On a secondary the database may be missing for minutes while it is cloned.
 */
#include "vaultd/vaultd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>
#include "api/dispatch.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/statepage.h"
#include "base/passfd.h"
#include "base/fiber_sleep.h"
#include "base/secret.h"
#include "http/json.h"
#include "http/relay.h"
#include "http/server.h"
#include "ledger/ledger.h"
#include "pg/cluster.h"
#include "vault/bin.h"
#include "vault/record_lock.h"
#include "vault/retrieve_batch.h"
#include "vault/journal_overlay.h"
#include "vault/age_limit.h"
#include "vault/lists.h"
#include "vault/session.h"
#include "vault/vault.h"
#include "vaultd/neighbours.h"

#define FIBERS 2048
#define FIBER_STACK (128u << 10)
#define READ_WAIT_MS 5000
#define WRITE_WAIT_MS 2000
#define STATEPAGE_MS 20
#define MERGE_MS 200
#define HEALTH_MS 100
#define BIN_MS 5000
#define KEYS_ASK_MS 500
#define PING_MS 500
#define PING_MAX_MS 1000
#define LIST_GRACE_MS 2000 /* the database ends a list; then the connection would be lost */
#define WRITE_GRACE_MS 1500
#define RETRY_MS 250
#define KEYS_WAIT_MS 1000
#define STOP_MS 3000
#define PEM_MAX (256u << 10)
#define NEIGHBOURS_MS 10000
#define FIRST_MS                                                                                   \
	5000 /* for TLS and the first header, and for a small body of whoever has no session */
#define RELAY_THREADS 16
#define RELAY_QUEUE 128
#define RELAY_CONNECT_MS 2000
#define RELAY_TOTAL_MS 55000 /* clients and proxies wait for a minute */
#define RELAY_REPLY_MAX (32u << 20)

struct vaultd {
	const struct proc_args *args;
	struct settings settings;
	struct home_node node;
	uv_loop_t loop;
	struct vault v;
	struct db *writer;
	struct db *pulse; /* asked by health alone: nobody queues there */
	struct api *api;
	struct server *server;
	struct buf cert, key;
	uv_timer_t statepage_timer, merge_timer, beat_timer, health_timer, bin_timer, stop_timer;
	uv_signal_t on_term, on_int, on_hup;
	uv_poll_t link;
	uv_work_t stop_work;

	uint64_t state_seq;    /* newest that was seen on the page */
	enum ha_state told;    /* state that the log was told of last */
	uint64_t followed_seq; /* newest that caches and overlay know of */
	bool telling;	       /* a fiber works on a change */
	bool loading, keys_loaded;
	bool merging, beating, emptying, stopping;
	int64_t began_ms;
	int64_t ping_began_ms; /* of the ping in flight; 0 none */
	int64_t keys_asked_ms; /* when the supervisor was asked for a connection to keyd */
	int64_t ping_next_ms;
	char ping_why[256]; /* why the last one failed; "" it did not */
	int exit_code;
};

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

static void
stop_with(struct vaultd *d, int exit_code)
{
	d->exit_code = exit_code;
	uv_stop(&d->loop);
}

static enum ha_state
state_now(const struct vaultd *d)
{
	return statepage_state(d->v.statepage);
}

static void update_health(struct vaultd *d);

/* ---- data keys ---- */

/* Until it works: without the data keys nothing can be opened. */
static void
load_keys(struct fiber *f, void *arg)
{
	struct vaultd *d = arg;
	int last = 0;

	for (;;) {
		struct err e = { 0 };
		int rc = vault_load_keys(&d->v, f, &e);

		if (!rc || d->stopping)
			break;
		if (rc != last && rc != ERR_DB_GONE)
			log_err(LOG_LEVEL_WARNING, &e, "the data keys cannot be loaded yet");
		last = rc;
		fiber_sleep_ms(&d->loop, f, RETRY_MS);
	}
	d->keys_loaded = true;
	d->loading = false;
	update_health(d);
}

static void
begin_load_keys(struct vaultd *d)
{
	if (d->loading)
		return;
	d->loading = true;
	if (!fiber_start(d->v.fibers, load_keys, d))
		d->loading = false;
}

/* ---- changes of state ---- */

static int
append_node_event(struct vaultd *d, struct fiber *f, enum event_kind kind, const char *body,
		  struct err *e)
{
	struct event ev = { .kind = kind, .object = d->v.node, .address = "", .body = body };

	return ledger_append(d->v.ledger, f, &ev, 1, NULL, e);
}

static int
tell_state(struct vaultd *d, struct fiber *f, enum ha_state to, const char *reason, struct err *e)
{
	auto_buf body = BUF_INIT;
	struct json_out w;
	int rc;

	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_text(&w, "from", state_name(d->told));
	json_out_text(&w, "to", state_name(to));
	json_out_text(&w, "reason", reason);
	json_out_end_object(&w);
	rc = append_node_event(d, f, EVENT_HA_STATE, buf_str(&body), e);
	if (!rc)
		d->told = to;
	return rc;
}

static void
read_reason(const struct vaultd *d, enum ha_state *ret_state, char *ret_reason, size_t n)
{
	struct statepage_view *v = mem_raw(sizeof(*v));

	statepage_read(d->v.statepage, v);
	*ret_state = v->state;
	snprintf(ret_reason, n, "%s", v->reason);
	free(v);
}

static void
reload_journaled(struct vaultd *d, struct fiber *f)
{
	struct err e = { 0 };

	if (journal_overlay_reload(d->v.journal_overlay, d->v.ledger, f, &e))
		log_err(LOG_LEVEL_ERROR, &e, "versions made here in emergency cannot be read now");
}

/* The log hears of the state the node is in, until it is told; what the node left again meanwhile is skipped. */
static void
follow_state(struct fiber *f, void *arg)
{
	struct vaultd *d = arg;

	while (!d->stopping && (d->followed_seq != d->state_seq || d->told != state_now(d))) {
		char reason[STATEPAGE_REASON_MAX];
		struct err e = { 0 };
		enum ha_state to;

		if (d->followed_seq != d->state_seq) {
			d->followed_seq = d->state_seq;
			if (sessions_reload(d->v.sessions, f, &e))
				log_err(LOG_LEVEL_ERROR, &e,
					"sessions of the journal are lost to this node");
			reload_journaled(d, f);
			if (state_serves(state_now(d)) != SERVES_NOBODY)
				begin_load_keys(d);
		}
		read_reason(d, &to, reason, sizeof(reason));
		if (d->told != to && tell_state(d, f, to, reason, &e))
			fiber_sleep_ms(&d->loop, f, RETRY_MS);
	}
	d->telling = false;
}

/* How long emergency lasts is said to whoever asks (api/reply.c). */
static void
note_emergency(struct vaultd *d, enum ha_state now)
{
	if (state_serves(now) != SERVES_EMERGENCY)
		atomic_store(&d->v.emergency_since_ms, 0);
	else if (!atomic_load(&d->v.emergency_since_ms))
		atomic_store(&d->v.emergency_since_ms, clock_mono_ms());
}

static void
on_page_timer(uv_timer_t *t)
{
	struct vaultd *d = t->data;
	struct statepage_quick q = statepage_quick(d->v.statepage);

	if (q.state_seq != d->state_seq)
		log_notice("the node is now in state %s", state_name(q.state));
	d->state_seq = q.state_seq;
	age_limit_on_state(&d->v, q.state);
	note_emergency(d, q.state);
	if (d->telling || d->stopping || (d->told == q.state && d->followed_seq == q.state_seq))
		return;
	d->telling = true;
	if (!fiber_start(d->v.fibers, follow_state, d))
		d->telling = false;
}

/* ---- merging ---- */

static void
merge(struct fiber *f, void *arg)
{
	struct vaultd *d = arg;

	ledger_merge_inbox(d->v.ledger, f);
	d->merging = false;
}

static void
on_merge_timer(uv_timer_t *t)
{
	struct vaultd *d = t->data;

	if (d->merging || d->stopping || state_serves(state_now(d)) != SERVES_EVERYONE)
		return;
	d->merging = true;
	if (!fiber_start(d->v.fibers, merge, d))
		d->merging = false;
}

/* ---- the beat ---- */

static void
beat(struct fiber *f, void *arg)
{
	struct vaultd *d = arg;

	ledger_beat(d->v.ledger, f);
	d->beating = false;
}

static void
on_beat_timer(uv_timer_t *t)
{
	struct vaultd *d = t->data;

	if (d->beating || d->stopping || state_serves(state_now(d)) != SERVES_EVERYONE)
		return;
	d->beating = true;
	if (!fiber_start(d->v.fibers, beat, d))
		d->beating = false;
}

/* ---- the bin ---- */

static void
empty_bin(struct fiber *f, void *arg)
{
	struct vaultd *d = arg;
	struct err e = { 0 };

	if (bin_empty(&d->v, f, &e) && e.code != ERR_DB_GONE && e.code != ERR_NOT_SERVING)
		log_err(LOG_LEVEL_WARNING, &e, "the bin cannot be emptied now");
	d->emptying = false;
}

static void
on_bin_timer(uv_timer_t *t)
{
	struct vaultd *d = t->data;

	if (d->emptying || d->stopping || state_serves(state_now(d)) != SERVES_EVERYONE)
		return;
	d->emptying = true;
	if (!fiber_start(d->v.fibers, empty_bin, d))
		d->emptying = false;
}

/* ---- health ---- */

static void
ping(struct fiber *f, void *arg)
{
	struct vaultd *d = arg;
	auto_binds b = BINDS_INIT;
	struct err e = { 0 };

	if (db_exec(d->pulse, f, STMT_PING, &b, NULL, &e))
		text_fit(d->ping_why, sizeof(d->ping_why), "the database does not answer: %s",
			 e.text);
	else
		d->ping_why[0] = '\0';
	d->ping_began_ms = 0;
}

static void
begin_ping(struct vaultd *d, int64_t now)
{
	if (d->ping_began_ms || now < d->ping_next_ms)
		return;
	d->ping_next_ms = now + PING_MS;
	d->ping_began_ms = now;
	if (!fiber_start(d->v.fibers, ping, d))
		d->ping_began_ms = 0;
}

/* true when users can be served; the sentence says why not, or what else is not as it should be. */
static bool
judge(const struct vaultd *d, int64_t now, char *why, size_t n)
{
	struct ledger_stats s;
	int64_t silent_ms = d->v.statepage ? now - statepage_quick(d->v.statepage).beat_mono_ms : 0;

	ledger_stats(d->v.ledger, &s);
	why[0] = '\0';
	if (!keys_available(d->v.keys))
		snprintf(why, n, "the keys are not available: keyd is not running");
	else if (!s.writable)
		text_fit(why, n, "the audit log cannot be written: %s", s.why);
	else if (s.oldest_wait_ms > d->settings.sync_timeout + WRITE_GRACE_MS)
		snprintf(why, n, "the audit log has been waiting %lld ms for a commit",
			 (long long)s.oldest_wait_ms);
	else if (d->ping_began_ms && now - d->ping_began_ms > PING_MAX_MS)
		snprintf(why, n, "the database has not answered for %lld ms",
			 (long long)(now - d->ping_began_ms));
	else if (d->ping_why[0])
		snprintf(why, n, "%s", d->ping_why);
	else if (!d->keys_loaded)
		snprintf(why, n, "the data keys are not loaded yet");
	if (why[0])
		return false;
	if (silent_ms <= STATEPAGE_BEAT_MAX_MS && silent_ms >= 0)
		return true;
	/* Nobody would notice a peer that became the primary, or bring it back into step. */
	snprintf(why, n, "the agent has been silent for %lld ms", (long long)silent_ms);
	return state_now(d) == HA_SINGLE;
}

static void
update_health(struct vaultd *d)
{
	struct vault_health h = { 0 };

	h.serving = judge(d, clock_mono_ms(), h.why, sizeof(h.why));
	if (h.serving != d->v.health.serving)
		log_at(h.serving ? LOG_LEVEL_NOTICE : LOG_LEVEL_WARNING,
		       h.serving ? "serving" : "not serving: %s", h.why);
	d->v.health = h;
}

/* The connection broke though keyd may live: the supervisor gives a new one as soon as there is a keyd. */
static void
ask_for_keys(struct vaultd *d, int64_t now)
{
	if (keys_available(d->v.keys) || now - d->keys_asked_ms < KEYS_ASK_MS)
		return;
	d->keys_asked_ms = now;
	if (write(PROC_FD_LINK, "K", 1) != 1)
		_exit(1); /* the supervisor is gone */
}

static void
on_health_timer(uv_timer_t *t)
{
	struct vaultd *d = t->data;

	int64_t now = clock_mono_ms();

	begin_ping(d, now);
	update_health(d);
	ask_for_keys(d, now);
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
	begin_load_keys(d);
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

static void
on_stopped(uv_work_t *w, int status)
{
	stop_with(w->data, 0);
}

static void
on_stop_late(uv_timer_t *t)
{
	log_warning("requests are still in flight after %d ms: they end here", STOP_MS);
	stop_with(t->data, 0);
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
		stop_with(d, 0);
		return;
	}
	api_set_server(d->api, NULL);
	uv_timer_start(&d->stop_timer, on_stop_late, STOP_MS, 0);
	d->stop_work.data = d;
	if (uv_queue_work(&d->loop, &d->stop_work, on_stop_work, on_stopped))
		stop_with(d, 0);
}

/* ---- start ---- */

static void
start_timer(struct vaultd *d, uv_timer_t *t, uv_timer_cb fn, uint64_t every_ms)
{
	t->data = d;
	uv_timer_start(t, fn, every_ms, every_ms);
}

static void
start_signal(struct vaultd *d, uv_signal_t *s, uv_signal_cb fn, int number)
{
	uv_signal_init(&d->loop, s);
	s->data = d;
	uv_signal_start(s, fn, number);
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
		fiber_sleep_ms(&d->loop, f, STATEPAGE_MS);
	}
}

static int
open_ledger(struct vaultd *d, struct err *e)
{
	char journal[HOME_PATH_MAX], anchor[HOME_PATH_MAX];
	struct ledger_options o = { 0 };

	home_path(&d->args->home, HOME_JOURNAL, journal);
	home_path(&d->args->home, HOME_ANCHOR, anchor);
	o.loop = &d->loop;
	o.fibers = d->v.fibers;
	o.keys = d->v.keys;
	o.writer = d->writer;
	o.journal_path = journal;
	o.chain_head_path = anchor;
	o.node = d->v.node;
	o.statepage = d->v.statepage;
	o.on_durable = vault_on_durable;
	o.ctx = &d->v;
	return ledger_new(&o, &d->v.ledger, e);
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
	char anchor[HOME_PATH_MAX];
	struct api_options ao = { .v = &d->v,
				  .node_name = d->node.name,
				  .chain_head_path = anchor };
	struct server_options so = { 0 };
	int rc;

	home_path(&d->args->home, HOME_ANCHOR, anchor);
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
		if (neighbours_look(&n, &d->v, f) && !d->stopping)
			server_set_own(d->server, n.all);
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
	while (!d->stopping && append_node_event(d, f, EVENT_NODE_STARTED, buf_str(&body), NULL))
		fiber_sleep_ms(&d->loop, f, RETRY_MS);
}

/* Who is answered at all is served: the doors stay shut for the moment that the data keys take. A node whose database is
 * away opens them all the same, and says why it cannot serve. */
static void
await_keys(struct vaultd *d, struct fiber *f)
{
	int64_t until = clock_mono_ms() + KEYS_WAIT_MS;

	begin_load_keys(d);
	while (!d->keys_loaded && !d->stopping && clock_mono_ms() < until)
		fiber_sleep_ms(&d->loop, f, 5);
	update_health(d);
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

	if (state_serves(state_now(d)) == SERVES_EVERYONE)
		return;
	if (ledger_journal_each(d->v.ledger, f, on_journal_event, &d->v, &ignored))
		d->v.unlocked = false;
}

/* The start, as far as it has to wait for others. */
static void
begin(struct fiber *f, void *arg)
{
	struct vaultd *d = arg;
	struct err e = { 0 };
	int rc;

	await_page(d, f);
	if (d->stopping)
		return;
	rc = open_ledger(d, &e);
	d->v.record_locks = record_locks_new();
	d->v.retrieve_batch = retrieve_batch_new(&d->v);
	d->v.sessions = sessions_new(&d->v);
	d->v.journal_overlay = journal_overlay_new();
	d->state_seq = d->followed_seq = statepage_quick(d->v.statepage).state_seq;
	d->told = state_now(d);
	if (!rc) {
		/* Before the first answer: what was stored here is read here. */
		reload_journaled(d, f);
		await_keys(d, f);
		if (d->stopping)
			return;
		rc = open_server(d, &e);
	}
	if (rc) {
		log_err(LOG_LEVEL_ERROR, &e, "cannot serve");
		stop_with(d, PROC_EXIT_CONFIG);
		return;
	}
	start_timer(d, &d->health_timer, on_health_timer, HEALTH_MS);
	tell_ready();
	if (sessions_reload(d->v.sessions, f, &e))
		log_err(LOG_LEVEL_ERROR, &e, "sessions of the journal are lost to this node");
	recall_unlock(d, f);
	if (!fiber_start(d->v.fibers, watch_neighbours, d))
		log_warning("the other nodes' connections have no reserved places");
	start_timer(d, &d->statepage_timer, on_page_timer, STATEPAGE_MS);
	start_timer(d, &d->merge_timer, on_merge_timer, MERGE_MS);
	start_timer(d, &d->beat_timer, on_beat_timer, LEDGER_BEAT_MS);
	start_timer(d, &d->bin_timer, on_bin_timer, BIN_MS);
	tell_started(d, f);
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
	struct db_options o = { .application = name, .wait_ms = wait_ms, .call_ms = READ_WAIT_MS };

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
	snprintf(v->health.why, sizeof(v->health.why), "the service is starting");
	uv_timer_init(&d->loop, &d->statepage_timer);
	uv_timer_init(&d->loop, &d->merge_timer);
	uv_timer_init(&d->loop, &d->beat_timer);
	uv_timer_init(&d->loop, &d->health_timer);
	uv_timer_init(&d->loop, &d->bin_timer);
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
		    fcntl(PROC_FD_LINK, F_SETFD, FD_CLOEXEC) < 0))
		rc = err_errno(e, ERR_INTERNAL, "the supervisor's descriptors are missing");
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
	mem_check(fiber_start(d->v.fibers, begin, d));
	uv_run(&d->loop, UV_RUN_DEFAULT);
	/* What is durable is on disk; the rest of this process has nothing to tidy up. */
	_exit(d->exit_code);
}
