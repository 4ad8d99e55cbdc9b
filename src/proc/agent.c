/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent: watches the other nodes and the local database, decides the node's state (ha/fsm) every TICK_MS, and does what
 * follows from it. The loop itself never waits for anything: whatever may hang (other nodes, PostgreSQL, a journal's
 * disk) is asked by threads of ha/, and a thread that hangs only makes what it saw old.
 *
 * In the loop, per tick: look (copies of what the threads saw) → reduce to facts → fsm_step → act → state page.
 */
#include "proc/proc.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>
#include "base/clock.h"
#include "base/jw.h"
#include "base/log.h"
#include "base/page.h"
#include "crypto/x509.h"
#include "ha/channel.h"
#include "ha/control.h"
#include "ha/deposit.h"
#include "ha/fsm.h"
#include "ha/probe.h"
#include "ha/replication.h"
#include "ha/status.h"
#include "http/json.h"
#include "pg/cluster.h"
#include "proc/role.h"
#include "vault/event.h"

#define TICK_MS 50
#define SETTLE_MS 1000	/* the primary must be well for so long before emergency ends */
#define QUORUM_MS 1000	/* the synchronous commit must be seen for so long before `both` is said */
#define VIEW_MS 2500	/* a look at the local database older than this is no look */
#define RESUME_MS 10000 /* a page younger than this is of this very run of the node */
#define COUNT_AFTER_MS                                                                             \
	300	      /* events in flight when the state changed get into the journal within this */
#define PAGE_MS 250   /* texts of the page and status are written so often */
#define TRUST_MS 1000 /* certificates are read so often */
#define ANNOUNCE_MS 3000
#define HOLD_MS 1500 /* a primary asks the others for a higher term first, for so long at most */
#define RETURN_MS                                                                                  \
	10000 /* a secondary that can reach all but does not stream for so long cannot follow */
#define HANDED_MS 15000	 /* a hand-over that this node notices later is none */
#define HANDING_MS 40000 /* and one that takes longer has failed; more than rejoin waits for it */
#define TASK_RETRY_MS 2000
#define PEM_MAX 65536
#define TRUST_MAX (1u << 20)

/* What an operator ordered (ha/control). */
enum order { ORDER_NONE, ORDER_PROMOTE, ORDER_HANDOVER, ORDER_CLONE };

/* Another node, or this one (its own service is asked like any other). */
struct peer {
	struct uuid id;
	bool known; /* named by the node table at the last look */
	struct probe *probe;
	char *pinned
		[2]; /* its certificate by the log, and the one before: a renewal is no stranger */
	uint64_t seen_cert; /* mark of the certificate the log named at the last look */
	struct probe_view v;
	int64_t in_step_us; /* primary: when this one last had everything */
};

struct agent {
	const struct proc_args *args;
	struct settings settings;
	struct home_node self;
	bool secondary;
	uv_loop_t loop;
	uv_timer_t timer;
	uv_poll_t link;
	uv_signal_t term, hup;

	struct page *page;
	struct page_view shown; /* what the page says */
	int64_t state_ms;	/* since when it is in this state */
	int64_t page_ms, trust_ms, announce_ms;

	struct replication *replication;
	struct deposit *deposit; /* secondary only */
	struct control *control;
	struct peer peers[REPLICATION_NODES_MAX];
	char *trusted;			     /* what cert import brought, PEM */
	char own_cert[REPLICATION_CERT_MAX]; /* to be made known, "": nothing to do */

	pthread_mutex_t
		lock; /* the loop holds it while it works; the control thread while it asks */
	enum order order;
	struct uuid order_node; /* ORDER_HANDOVER: to whom */
	struct role *role;
	bool holding; /* nothing is said yet: the others were not heard */
	int64_t began_ms, task_ms, streamed_ms, handing_seen_ms;
	const char *why; /* of the last change of state */
	bool stop_asked; /* the supervisor was asked to stop PostgreSQL */

	struct replication_view rv;
	struct deposit_view dv;
	struct role_view wv;
	int64_t now_ms;
};

static void
copy_text(char *to, size_t room, const char *from)
{
	size_t n = strnlen(from, room - 1);

	memcpy(to, from, n);
	to[n] = '\0';
}

/* ---- who is who ---- */

static bool
view_is_fresh(const struct agent *a)
{
	return a->rv.at_ms && a->now_ms - a->rv.at_ms < VIEW_MS;
}

static const struct replication_node *
node_by_id(const struct agent *a, const struct uuid *id)
{
	for (unsigned i = 0; i < a->rv.nodes_n; i++) {
		if (uuid_eq(&a->rv.nodes[i].id, id))
			return &a->rv.nodes[i];
	}
	return NULL;
}

/* The node table names the one that became primary last first. */
static const struct replication_node *
primary_node(const struct agent *a)
{
	const struct replication_node *n = a->rv.nodes_n ? &a->rv.nodes[0] : NULL;

	return n && n->primary_since_term > 0 ? n : NULL;
}

static struct peer *
peer_of(struct agent *a, const struct uuid *id)
{
	for (size_t i = 0; i < ARRAY_LEN(a->peers); i++) {
		if (a->peers[i].probe && uuid_eq(&a->peers[i].id, id))
			return &a->peers[i];
	}
	return NULL;
}

static bool
is_self(const struct agent *a, const struct uuid *id)
{
	return uuid_eq(id, &a->self.id);
}

/* Says of itself, lately, that it is the primary of a later term than this node knows. */
static bool
claims_later_term(const struct agent *a, const struct peer *p)
{
	return p->probe && p->known && !is_self(a, &p->id) && p->v.reply_ms &&
	       a->now_ms - p->v.reply_ms < a->settings.detect_ms && a->rv.term > 0 &&
	       strcmp(p->v.reply.mode, "primary") == 0 && p->v.reply.term > a->rv.term;
}

/* The primary of the latest term: as another node says itself, or as the node table has it. NULL: not known. */
static const struct replication_node *
leader(const struct agent *a)
{
	const struct peer *best = NULL;

	for (size_t i = 0; i < ARRAY_LEN(a->peers); i++) {
		const struct peer *p = &a->peers[i];

		if (claims_later_term(a, p) && (!best || p->v.reply.term > best->v.reply.term))
			best = p;
	}
	return best ? node_by_id(a, &best->id) : primary_node(a);
}

static struct peer *
primary_peer(struct agent *a)
{
	const struct replication_node *n = leader(a);

	return n && !is_self(a, &n->id) ? peer_of(a, &n->id) : NULL;
}

static void
write_url(const char *name, int port, char *ret, size_t room)
{
	snprintf(ret, room, strchr(name, ':') ? "https://[%s]:%d" : "https://%s:%d", name, port);
}

/* ---- trust ---- */

static void
add_pem_file(const char *path, struct buf *out)
{
	struct err ignored;

	if (out->len < TRUST_MAX && home_read_file(path, PEM_MAX, out, &ignored) == 0)
		buf_addc(out, '\n');
}

static void
read_trusted(struct agent *a)
{
	char folder[HOME_PATH_MAX], path[HOME_PATH_MAX + 264];
	auto_buf all = BUF_INIT;

	home_path(&a->args->home, HOME_TRUSTED, folder);
	DIR *d = opendir(folder);
	for (struct dirent *f; d && (f = readdir(d));) {
		const char *end = strrchr(f->d_name, '.');

		if (!end || strcmp(end, ".pem") != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, f->d_name);
		add_pem_file(path, &all);
	}
	if (d)
		closedir(d);
	free(a->trusted);
	a->trusted = strdup(buf_str(&all));
	if (!a->trusted)
		abort();
}

/* A self-signed certificate that the log names is trusted as it stands. One signed by an authority is not: its authority
 * is to be brought by `cert import`, and until then the status says so. */
static bool
may_be_pinned(const char *pem)
{
	struct x509_info info;
	struct err ignored;

	return pem[0] && x509_read(pem, &info, &ignored) == 0 && info.self_signed;
}

static void
pin(struct peer *p, const char *pem)
{
	if (!may_be_pinned(pem) || (p->pinned[0] && strcmp(p->pinned[0], pem) == 0))
		return;
	free(p->pinned[1]);
	p->pinned[1] = p->pinned[0];
	p->pinned[0] = strdup(pem);
	if (!p->pinned[0])
		abort();
}

static void
write_trust(const struct agent *a, const struct peer *p, bool self, struct buf *out)
{
	char path[HOME_PATH_MAX];

	for (size_t i = 0; i < ARRAY_LEN(p->pinned); i++) {
		if (p->pinned[i])
			buf_addf(out, "%s\n", p->pinned[i]);
	}
	if (self) {
		home_path(&a->args->home, HOME_WEB_CERT, path);
		add_pem_file(path, out);
	}
	buf_adds(out, a->trusted);
}

/* ---- probes ---- */

static struct peer *
free_peer(struct agent *a)
{
	for (size_t i = 0; i < ARRAY_LEN(a->peers); i++) {
		if (!a->peers[i].probe)
			return &a->peers[i];
	}
	return NULL;
}

/* To see a change without keeping the text twice. */
static uint64_t
cert_mark(const char *pem)
{
	uint64_t h = 14695981039346656037u;

	for (; *pem; pem++)
		h = (h ^ (uint8_t)*pem) * 1099511628211u;
	return h;
}

static void
aim_peer(struct agent *a, const struct replication_node *n)
{
	struct peer *p = peer_of(a, &n->id);
	struct probe_target t = { .mark = cert_mark(n->web_cert),
				  .probe_ms = a->settings.probe_ms,
				  .refused_ms = a->settings.refused_ms,
				  .detect_ms = a->settings.detect_ms };
	auto_buf trust = BUF_INIT;
	bool fresh = !p;

	if (!p)
		p = free_peer(a);
	if (!p)
		return;
	p->id = n->id;
	p->known = true;
	p->seen_cert = t.mark;
	pin(p, n->web_cert);
	write_trust(a, p, uuid_eq(&n->id, &a->self.id), &trust);
	write_url(n->name, n->https_port, t.url, sizeof(t.url));
	t.trust = (char *)(uintptr_t)buf_str(&trust);
	if (fresh)
		p->probe = probe_new(&t);
	else
		probe_aim(p->probe, &t);
}

/* A node, or a certificate of one, that was not seen before. */
static bool
is_news(struct agent *a, const struct replication_node *n)
{
	const struct peer *p = peer_of(a, &n->id);

	return !p || (p->seen_cert != cert_mark(n->web_cert));
}

/* Nodes come and go with the node table; a probe once begun is kept, it costs little and its thread may hang. */
static void
aim_peers(struct agent *a)
{
	bool news = false;

	if (a->rv.nodes_n < 2)
		return;
	for (unsigned i = 0; i < a->rv.nodes_n; i++)
		news |= is_news(a, &a->rv.nodes[i]);
	if (!news && a->now_ms - a->trust_ms < TRUST_MS)
		return;
	a->trust_ms = a->now_ms;
	read_trusted(a);
	for (size_t i = 0; i < ARRAY_LEN(a->peers); i++)
		a->peers[i].known = false;
	for (unsigned i = 0; i < a->rv.nodes_n; i++)
		aim_peer(a, &a->rv.nodes[i]);
}

static void
look(struct agent *a)
{
	a->now_ms = clock_mono_ms();
	replication_look(a->replication, &a->rv);
	if (a->deposit)
		deposit_look(a->deposit, &a->dv);
	role_look(a->role, &a->wv);
	aim_peers(a);
	for (size_t i = 0; i < ARRAY_LEN(a->peers); i++) {
		if (a->peers[i].probe)
			probe_look(a->peers[i].probe, &a->peers[i].v);
	}
}

/* ---- facts ---- */

/* How long commits have been waiting for a second disk. A database that does not let itself be looked at counts as one
 * whose standby has stopped too. */
static int64_t
late_ms(const struct agent *a)
{
	int64_t late = replication_step_late(&a->rv.step, a->now_ms);
	int64_t unseen = a->now_ms - (a->rv.at_ms ? a->rv.at_ms : a->state_ms);

	return view_is_fresh(a) || unseen < late ? late : unseen;
}

static bool
quorum_holds(const struct agent *a)
{
	return view_is_fresh(a) && a->rv.quorum_since_ms &&
	       a->now_ms - a->rv.quorum_since_ms >= QUORUM_MS;
}

static const struct replication_standby *
standby_of(const struct agent *a, const struct uuid *id)
{
	const struct replication_node *n = node_by_id(a, id);

	for (unsigned i = 0; n && i < a->rv.standbys_n; i++) {
		if (strcmp(a->rv.standbys[i].name, n->slot) == 0)
			return &a->rv.standbys[i];
	}
	return NULL;
}

/* The other node has the word about it, and all before. */
static bool
handover_is_ready(const struct agent *a)
{
	const struct replication_standby *s = standby_of(a, &a->order_node);

	return a->order == ORDER_HANDOVER && view_is_fresh(a) &&
	       uuid_eq(&a->rv.order_node, &a->order_node) && a->rv.order_term == a->rv.term + 1 &&
	       s && strcmp(s->state, "streaming") == 0 && s->replay_lsn >= a->rv.lsn;
}

static void
facts_of_primary(const struct agent *a, struct fsm_obs *o)
{
	o->streaming = view_is_fresh(a) && a->rv.step.streams;
	o->in_step = view_is_fresh(a) &&
		     replication_step_in(&a->rv.step, a->now_ms, a->settings.sync_timeout);
	o->not_in_step_ms = o->in_step ? 0 : late_ms(a);
	o->sync_on = quorum_holds(a);
	for (size_t i = 0; i < ARRAY_LEN(a->peers); i++)
		o->term_higher_seen |= claims_later_term(a, &a->peers[i]);
	o->handover_ordered = handover_is_ready(a);
	o->handover_over = a->now_ms - a->state_ms > HANDING_MS ||
			   (a->stop_asked && !rejoin_waits(&a->args->home) && o->local_db_up);
}

/* What was answered before the state changed may still be on its way into the journal. */
static int64_t
rows_to_go(const struct agent *a)
{
	bool counted = a->dv.counted_ms >= a->state_ms + COUNT_AFTER_MS;

	return counted || a->dv.rows > 0 ? a->dv.rows : 1;
}

/* The primary's database answers this node, so that what does not stream does not for another reason. */
static bool
channel_is_open(const struct agent *a)
{
	return a->dv.slot_ms && a->now_ms - a->dv.slot_ms < VIEW_MS + 1000;
}

static bool
slot_is_lost(const struct agent *a)
{
	return channel_is_open(a) && !a->rv.receiving && view_is_fresh(a) &&
	       strcmp(a->dv.slot_status, "lost") == 0;
}

/* The primary has said so in the log, has stopped writing and has stopped its database: what it wrote is here. Noticed
 * late (this node was frozen), it may have gone on by itself. */
static bool
is_handed_over(struct agent *a, const struct peer *p)
{
	bool to_me = uuid_eq(&a->rv.order_node, &a->self.id) && a->rv.order_term == a->rv.term + 1;
	bool handing = p && p->v.reply_ms && a->now_ms - p->v.reply_ms < VIEW_MS &&
		       strcmp(p->v.reply.state, "handing") == 0;

	if (!to_me || !handing) {
		a->handing_seen_ms = 0;
		return false;
	}
	if (!a->handing_seen_ms)
		a->handing_seen_ms = a->now_ms;
	return view_is_fresh(a) && !a->rv.receiving && a->rv.lsn >= a->rv.received_lsn &&
	       a->now_ms - a->handing_seen_ms < HANDED_MS;
}

static void
facts_of_secondary(struct agent *a, struct fsm_obs *o)
{
	const struct peer *p = primary_peer(a);
	const struct probe_sense none = { .began_ms = a->state_ms };
	const struct probe_sense *s = p ? &p->v.sense : &none;

	o->primary_ok = s->ok && probe_silent_for(s, a->now_ms) < a->settings.detect_ms;
	o->primary_ok_for_ms = o->primary_ok ? probe_ok_for(s, a->now_ms) : 0;
	o->primary_bad_for_ms = probe_bad_for(s, a->now_ms);
	o->primary_silent_ms = probe_silent_for(s, a->now_ms);
	o->streaming = view_is_fresh(a) && a->rv.receiving && a->rv.caught_up;
	o->journal_rows = rows_to_go(a);
	if (a->rv.receiving || !o->primary_ok || !channel_is_open(a) || !view_is_fresh(a))
		a->streamed_ms = a->now_ms;
	o->must_return = a->order == ORDER_CLONE || slot_is_lost(a) ||
			 a->now_ms - a->streamed_ms > RETURN_MS;
	o->promote_ordered = a->order == ORDER_PROMOTE;
	o->promote_failed = a->wv.task == ROLE_PROMOTE && a->task_ms >= a->state_ms &&
			    !a->wv.working && !a->wv.done;
	o->handed_over = is_handed_over(a, p);
}

static void
reduce(struct agent *a, struct fsm_obs *o)
{
	*o = (struct fsm_obs){
		.is_secondary = a->secondary,
		.pair_exists = a->rv.nodes_n > 1,
		.local_db_up = view_is_fresh(a) && !a->rv.failure[0],
	};
	if (a->secondary)
		facts_of_secondary(a, o);
	else
		facts_of_primary(a, o);
}

/* The last moment at which this secondary is known to have had everything (H5): the primary's own word that commits
 * are on both disks, while its stream came in here; or the newest transaction replayed. */
static void
keep_as_of(struct agent *a)
{
	const struct peer *p = primary_peer(a);
	int64_t t = a->rv.replayed_us > a->rv.newest_us ? a->rv.replayed_us : a->rv.newest_us;

	if (p && p->v.sense.ok && p->v.reply.synced && a->rv.receiving && view_is_fresh(a) &&
	    a->now_ms - p->v.reply_ms < VIEW_MS && p->v.reply.time_us > t)
		t = p->v.reply.time_us;
	if (t > a->shown.as_of_us)
		a->shown.as_of_us = t;
}

/* ---- acts ---- */

/* The order keeps H2: `both` is taken back before commits may pass without a second disk, and said only after it was
 * seen that they cannot. Clearing the names lets waiting commits go; none is ever cancelled. */
static void
act_as_primary(struct agent *a, const struct fsm_obs *o)
{
	char names[REPLICATION_NAMES_MAX] = "";
	bool wanted = a->shown.state == HA_SYNCED || (a->shown.state == HA_ALONE && o->in_step);

	page_set_both(a->page, a->shown.state == HA_SYNCED && o->sync_on);
	if (!a->rv.at_ms || (a->shown.state == HA_SINGLE && !a->rv.sync_names[0]))
		return;
	if (wanted)
		replication_names(&a->rv, &a->self.id, names);
	replication_want(a->replication, names);
}

static void
read_web_cert(const struct agent *a, struct buf *out)
{
	char path[HOME_PATH_MAX];
	struct err ignored;

	home_path(&a->args->home, HOME_WEB_CERT, path);
	if (home_read_file(path, REPLICATION_CERT_MAX - 1, out, &ignored))
		buf_reset(out);
}

/* The node whose database is, or is about to become, the primary's. */
static bool
name_primary(const struct agent *a, struct channel_primary *ret)
{
	const struct replication_node *n =
		a->shown.state == HA_HANDING ? node_by_id(a, &a->order_node) : leader(a);

	if (!n || is_self(a, &n->id))
		return false;
	copy_text(ret->host, sizeof(ret->host), n->name);
	ret->port = n->pair_port;
	replication_slot_name(&a->self.id, ret->slot);
	return true;
}

/* A task is begun anew when it failed. */
static void
begin_task(struct agent *a, enum role_task task)
{
	struct role_order o = { .task = task };
	bool tried = a->wv.task == task && a->task_ms >= a->state_ms;

	if (a->wv.working || (tried && a->wv.done) || a->stop_asked)
		return;
	if (tried && (task == ROLE_PROMOTE || a->now_ms - a->task_ms < TASK_RETRY_MS))
		return;
	if (task != ROLE_PROMOTE && !name_primary(a, &o.primary))
		return;
	a->task_ms = a->now_ms;
	role_begin(a->role, &o);
}

/* The stream goes to the primary of the latest term. */
static void
follow_leader(struct agent *a, const struct fsm_obs *o)
{
	struct channel_primary p = { 0 };
	auto_buf conninfo = BUF_INIT;

	if (!o->primary_ok || a->shown.state == HA_PROMOTING || !name_primary(a, &p))
		return;
	channel_conninfo(&a->args->home, CHANNEL_REPLICATE, &p, &conninfo);
	replication_follow(a->replication, buf_str(&conninfo));
}

static void
act_as_secondary(struct agent *a, const struct fsm_obs *o)
{
	const struct replication_node *n = leader(a);
	struct deposit_orders d = {
		.go = o->primary_ok && a->shown.state != HA_PROMOTING,
		.hold = a->rv.aside_seq > 0,
		.home_seq = view_is_fresh(a) ? a->rv.own_seq : 0,
	};

	if (n && !uuid_eq(&n->id, &a->self.id)) {
		copy_text(d.host, sizeof(d.host), n->name);
		d.port = n->pair_port;
	}
	copy_text(d.web_cert, sizeof(d.web_cert), a->own_cert);
	deposit_order(a->deposit, &d);
	follow_leader(a, o);
	if (a->shown.state == HA_PROMOTING)
		begin_task(a, ROLE_PROMOTE);
	else if (a->shown.state == HA_RESEED && o->primary_ok_for_ms >= SETTLE_MS)
		begin_task(a,
			   a->order == ORDER_CLONE || slot_is_lost(a) ? ROLE_CLONE : ROLE_RETURN);
}

/* Only a self-signed certificate is vouched for by the channel alone; one of an authority is
 * trusted where the authority is (cert import). */
static bool
is_self_signed(const char *pem)
{
	struct x509_info info;
	struct err ignored;

	return *pem && x509_read(pem, &info, &ignored) == 0 && info.self_signed;
}

/* The own web certificate, when the node table has another one or none. */
static void
look_at_own_cert(struct agent *a)
{
	const struct replication_node *me = node_by_id(a, &a->self.id);
	auto_buf cert = BUF_INIT;

	if (!me || !view_is_fresh(a) || a->now_ms - a->announce_ms < ANNOUNCE_MS)
		return;
	a->announce_ms = a->now_ms;
	read_web_cert(a, &cert);
	bool news = strcmp(buf_str(&cert), me->web_cert) != 0 && is_self_signed(buf_str(&cert));
	copy_text(a->own_cert, sizeof(a->own_cert), news ? buf_str(&cert) : "");
}

/* A primary asks its own writer; a secondary's deposit thread asks the primary's. */
static void
announce_as_primary(struct agent *a)
{
	auto_buf body = BUF_INIT;
	struct jw w;

	if (!a->own_cert[0] || a->rv.requests)
		return;
	jw_init(&w, &body);
	jw_object(&w, NULL);
	jw_text(&w, "web_cert", a->own_cert);
	jw_end_object(&w);
	if (replication_request(a->replication, EVENT_NODE_CERT, &a->self.id, buf_str(&body)))
		log_notice("making the new web certificate known to the other nodes");
	a->own_cert[0] = '\0';
}

/* The log is to say who the primary is. A node whose database was promoted, and that fell before it could say so, says it
 * when it is back. */
static void
claim_term(struct agent *a)
{
	auto_buf body = BUF_INIT;
	struct jw w;

	if (!view_is_fresh(a) || !a->rv.nodes_n || a->rv.standby || a->rv.requests ||
	    state_serves(a->shown.state) != 'p' || is_self(a, &a->rv.nodes[0].id) ||
	    !node_by_id(a, &a->self.id))
		return;
	jw_init(&w, &body);
	jw_object(&w, NULL);
	jw_int(&w, "term", a->rv.term + 1);
	jw_text(&w, "name", a->self.name);
	jw_end_object(&w);
	replication_request(a->replication, EVENT_PROMOTED, &a->self.id, buf_str(&body));
}

static void
announce_handover(struct agent *a)
{
	auto_buf body = BUF_INIT;
	struct jw w;

	if (a->order != ORDER_HANDOVER || a->shown.state != HA_SYNCED || a->rv.requests ||
	    (uuid_eq(&a->rv.order_node, &a->order_node) && a->rv.order_term == a->rv.term + 1))
		return;
	jw_init(&w, &body);
	jw_object(&w, NULL);
	jw_int(&w, "term", a->rv.term + 1);
	jw_end_object(&w);
	replication_request(a->replication, EVENT_HANDOVER, &a->order_node, buf_str(&body));
}

/* What a primary does that is to be one no longer. */
static void
step_down(struct agent *a)
{
	struct peer *p = primary_peer(a);

	if (a->shown.state == HA_HANDING && a->now_ms - a->state_ms > 100)
		begin_task(a, ROLE_HANDOVER);
	else if (a->shown.state == HA_FENCED && !rejoin_waits(&a->args->home) && p &&
		 probe_ok_for(&p->v.sense, a->now_ms) >= SETTLE_MS)
		begin_task(a, ROLE_RETURN);
}

/* The rest needs PostgreSQL stopped; once asked for, a node that falls goes on with it by itself. */
static void
ask_for_stop(struct agent *a)
{
	if (a->stop_asked || a->wv.working || !a->wv.done || a->wv.task == ROLE_PROMOTE ||
	    a->wv.task == ROLE_NONE || a->task_ms < a->state_ms || !rejoin_waits(&a->args->home))
		return;
	a->stop_asked = write(PROC_FD_LINK, "J", 1) == 1;
}

static void
change_state(struct agent *a, const struct fsm_next *next)
{
	log_warning("state %s → %s: %s", state_name(a->shown.state), state_name(next->state),
		    next->why);
	if (next->state != HA_SYNCED)
		page_set_both(a->page, false);
	a->shown.state = next->state;
	copy_text(a->shown.reason, sizeof(a->shown.reason), next->why);
	a->why = next->why;
	a->state_ms = a->now_ms;
	if (next->state == HA_ALONE || next->state == HA_EMERGENCY || next->state == HA_STANDBY ||
	    next->state == HA_FENCED)
		a->order = ORDER_NONE;
	if (next->state != HA_FENCED)
		a->stop_asked = false;
}

/* While a role changes the reason goes on: how far it is. */
static void
show_progress(struct agent *a)
{
	char told[200];

	if (!a->why || (state_serves(a->shown.state) == 'p'))
		return;
	rejoin_told(&a->args->home, told, sizeof(told));
	const char *more = told[0] ? told : a->wv.working ? a->wv.step : a->wv.failure;
	snprintf(a->shown.reason, sizeof(a->shown.reason), more[0] ? "%s; %s" : "%s", a->why, more);
}

/* ---- status ---- */

static enum ha_state
state_by_name(const char *name)
{
	for (int s = 0; s < HA_STATE_COUNT; s++) {
		if (strcmp(state_name((enum ha_state)s), name) == 0)
			return (enum ha_state)s;
	}
	return HA_STATE_COUNT;
}

/* One lost answer is no outage: silence counts only after detect_ms. */
static bool
was_heard(const struct agent *a, const struct peer *p)
{
	return p->v.reply_ms && a->now_ms - p->v.reply_ms < a->settings.detect_ms;
}

static void
status_of_service(const struct agent *a, const struct peer *p, struct status_node *n)
{
	enum probe_outcome last = p->v.sense.last;
	bool well = last == PROBE_OK || last == PROBE_STANDBY;

	if ((last == PROBE_SILENT || last == PROBE_BAD_NAME) && was_heard(a, p))
		well = true;
	n->service = well ? STATUS_ACTIVE : STATUS_INACTIVE;
	n->untrusted = last == PROBE_UNTRUSTED;
	n->name_unknown = last == PROBE_BAD_NAME && !well;
	n->service_cannot = last == PROBE_CANNOT;
	copy_text(n->service_why, sizeof(n->service_why),
		  last == PROBE_CANNOT ? p->v.reply.why : p->v.failure);
	if (well || last == PROBE_CANNOT)
		n->database = well ? STATUS_ACTIVE : STATUS_UNKNOWN;
	if (!was_heard(a, p))
		return;
	n->state = state_by_name(p->v.reply.state);
	n->skew_known = p->v.reply.time_us != 0;
	n->skew_us = p->v.skew_us;
	n->journal_rows = p->v.reply.journal_rows;
}

/* A secondary, as its primary sees it. */
static void
status_of_standby(const struct agent *a, const struct replication_node *r, struct peer *p,
		  struct status_node *n)
{
	n->stream_known = true;
	for (unsigned i = 0; i < a->rv.standbys_n; i++) {
		const struct replication_standby *s = &a->rv.standbys[i];

		if (strcmp(s->name, r->slot) != 0)
			continue;
		n->streaming = view_is_fresh(a) && strcmp(s->state, "streaming") == 0;
		n->lag_bytes = a->rv.lsn > s->flush_lsn ? a->rv.lsn - s->flush_lsn : 0;
		if (n->streaming && p && n->lag_bytes == 0)
			p->in_step_us = clock_now_us();
	}
	if (n->streaming)
		n->database = STATUS_ACTIVE;
	n->last_in_step_us = p ? p->in_step_us : 0;
	if (n->lag_bytes >= 0 && p && p->in_step_us)
		n->lag_ms = n->lag_bytes ? (clock_now_us() - p->in_step_us) / 1000 : 0;
	n->slot_known = a->rv.at_ms > 0;
	copy_text(n->slot_status, sizeof(n->slot_status), "missing");
	n->slot_keep = a->rv.keep_bytes;
	for (unsigned i = 0; i < a->rv.slots_n; i++) {
		if (strcmp(a->rv.slots[i].name, r->slot) != 0)
			continue;
		copy_text(n->slot_status, sizeof(n->slot_status), a->rv.slots[i].status);
		n->slot_retained = a->rv.slots[i].retained;
	}
}

/* This node as a secondary. */
static void
status_of_self_standby(const struct agent *a, struct status_node *n)
{
	n->stream_known = true;
	n->streaming = view_is_fresh(a) && a->rv.receiving;
	n->lag_bytes = a->rv.sent_lsn > a->rv.lsn ? a->rv.sent_lsn - a->rv.lsn : 0;
	n->last_in_step_us = a->shown.as_of_us;
	n->lag_ms = n->streaming && !n->lag_bytes ? 0 : (clock_now_us() - a->shown.as_of_us) / 1000;
	n->journal_rows = a->dv.rows;
	n->slot_known = a->dv.slot_ms && a->now_ms - a->dv.slot_ms < 5000;
	copy_text(n->slot_status, sizeof(n->slot_status), a->dv.slot_status);
	n->slot_retained = a->dv.slot_retained;
	n->slot_keep = a->dv.slot_keep;
}

static void
status_of_node(struct agent *a, const struct replication_node *r, struct status_node *n)
{
	struct peer *p = peer_of(a, &r->id);

	*n = (struct status_node){ .id = r->id,
				   .state = HA_STATE_COUNT,
				   .lag_bytes = -1,
				   .lag_ms = -1,
				   .journal_rows = -1 };
	copy_text(n->name, sizeof(n->name), r->name);
	n->self = uuid_eq(&r->id, &a->self.id);
	n->primary = leader(a) && uuid_eq(&leader(a)->id, &r->id);
	if (p)
		status_of_service(a, p, n);
	if (n->self) {
		n->skew_known = false;
		n->state = a->shown.state;
		n->database =
			view_is_fresh(a) && !a->rv.failure[0] ? STATUS_ACTIVE : STATUS_INACTIVE;
		if (!n->primary && a->secondary)
			status_of_self_standby(a, n);
	} else if (!a->secondary) {
		status_of_standby(a, r, p, n);
	}
}

static void
status_of_trouble(const struct agent *a, struct status_view *v)
{
	v->journal_unreadable = a->dv.trouble == DEPOSIT_JOURNAL;
	v->journal_diverged = a->dv.trouble == DEPOSIT_DIVERGED;
	v->merge_refused = a->secondary && a->rv.aside_seq > 0;
	if (v->merge_refused)
		copy_text(v->trouble, sizeof(v->trouble), a->rv.aside_why);
	else if (a->dv.trouble)
		copy_text(v->trouble, sizeof(v->trouble), a->dv.why);
	else
		copy_text(v->trouble, sizeof(v->trouble), a->rv.failure);
}

static void
render_status(struct agent *a)
{
	struct status_view *v = calloc(1, sizeof(*v));
	auto_buf text = BUF_INIT;

	if (!v)
		abort();
	v->state = a->shown.state;
	copy_text(v->why, sizeof(v->why), a->shown.reason);
	v->both = page_quick(a->page).both;
	v->term = a->shown.term;
	v->now_us = clock_now_us();
	v->as_of_us = a->secondary ? a->shown.as_of_us : 0;
	v->inbox_rows = a->secondary ? -1 : a->rv.deposits;
	status_of_trouble(a, v);
	const struct replication_node *me = node_by_id(a, &a->self.id);
	if (me)
		status_of_node(a, me, &v->nodes[v->n++]);
	for (unsigned i = 0; i < a->rv.nodes_n && v->n < STATUS_NODES_MAX; i++) {
		if (&a->rv.nodes[i] != me)
			status_of_node(a, &a->rv.nodes[i], &v->nodes[v->n++]);
	}
	status_render(v, &text);
	free(v);
	copy_text(a->shown.status_json, sizeof(a->shown.status_json), buf_str(&text));
}

/* A primary that the log does not name yet is of the next term all the same. */
static int64_t
term_to_show(const struct agent *a)
{
	bool ahead = !a->secondary && !a->rv.standby && a->rv.nodes_n && view_is_fresh(a) &&
		     state_serves(a->shown.state) == 'p' && !is_self(a, &a->rv.nodes[0].id) &&
		     node_by_id(a, &a->self.id);

	return a->rv.term + ahead;
}

static void
write_page(struct agent *a)
{
	const struct replication_node *n = leader(a);

	if (n)
		write_url(n->name, n->https_port, a->shown.primary_url,
			  sizeof(a->shown.primary_url));
	if (a->rv.term)
		a->shown.term = term_to_show(a);
	show_progress(a);
	a->shown.journal_rows = a->secondary ? a->dv.rows : 0;
	render_status(a);
	page_write(a->page, &a->shown);
	a->page_ms = a->now_ms;
}

/* ---- the loop ---- */

/* Whether every other node has answered, or let us know that it does not. */
static bool
others_heard(const struct agent *a)
{
	if (a->now_ms - a->began_ms > HOLD_MS)
		return true;
	if (!a->rv.at_ms || !a->rv.nodes_n)
		return false;
	for (unsigned i = 0; i < a->rv.nodes_n; i++) {
		const struct uuid *id = &a->rv.nodes[i].id;
		const struct peer *p = peer_of((struct agent *)(uintptr_t)a, id);

		if (!is_self(a, id) && (!p || p->v.sense.last == PROBE_NONE))
			return false;
	}
	return true;
}

static void
on_tick(uv_timer_t *t)
{
	struct agent *a = t->data;
	struct fsm_limits l = { a->settings.detect_ms, a->settings.refused_ms,
				a->settings.sync_timeout, SETTLE_MS };
	struct fsm_obs o;

	/* A server that was promoted or became a standby: the agent begins anew in the other role. */
	role_look(a->role, &a->wv);
	if (!a->wv.working && !rejoin_waits(&a->args->home) &&
	    cluster_is_standby(&a->args->home) != a->secondary) {
		log_notice("this node is a %s now", a->secondary ? "primary" : "secondary");
		uv_stop(&a->loop);
		return;
	}
	pthread_mutex_lock(&a->lock);
	look(a);
	if (a->holding && !others_heard(a)) {
		pthread_mutex_unlock(&a->lock);
		return;
	}
	a->holding = false;
	reduce(a, &o);
	if (a->secondary)
		keep_as_of(a);
	struct fsm_next next = fsm_step(a->shown.state, &o, &l);
	bool changed = next.why != NULL;
	if (changed)
		change_state(a, &next);
	/* First the page: readers act on it, the rest takes time. */
	if (changed || a->now_ms - a->page_ms >= PAGE_MS)
		write_page(a);
	look_at_own_cert(a);
	if (a->secondary) {
		act_as_secondary(a, &o);
	} else {
		act_as_primary(a, &o);
		announce_as_primary(a);
		claim_term(a);
		announce_handover(a);
		step_down(a);
	}
	ask_for_stop(a);
	page_beat(a->page);
	pthread_mutex_unlock(&a->lock);
}

/* ---- orders of an operator, in the control thread ---- */

static int
order_promote(struct agent *a, const char *node, struct err *e)
{
	const struct replication_node *n = leader(a);
	struct fsm_obs o;

	if (!a->secondary)
		return err_set(e, ERR_PRECONDITION, "this node is the primary already");
	reduce(a, &o);
	if (o.primary_ok)
		return err_set(e, ERR_PRECONDITION,
			       "the primary %s serves: to change places in order run `holdfast ha "
			       "switchover` there; to replace it, stop it first",
			       n ? n->name : "");
	if (a->shown.state == HA_PROMOTING)
		return err_set(e, ERR_PRECONDITION, "this node is being promoted already");
	a->order = ORDER_PROMOTE;
	return 0;
}

/* The only other node when none is named. */
static const struct replication_node *
node_to_hand_to(const struct agent *a, const char *name)
{
	const struct replication_node *found = NULL;

	for (unsigned i = 0; i < a->rv.nodes_n; i++) {
		const struct replication_node *n = &a->rv.nodes[i];

		if (is_self(a, &n->id) || (name[0] && strcasecmp(n->name, name) != 0))
			continue;
		if (found)
			return NULL;
		found = n;
	}
	return found;
}

static int
order_switchover(struct agent *a, const char *node, struct err *e)
{
	const struct replication_node *n = node_to_hand_to(a, node);
	const struct replication_standby *s = n ? standby_of(a, &n->id) : NULL;

	if (a->secondary)
		return err_set(e, ERR_PRECONDITION,
			       "this node is a secondary: run `holdfast ha switchover` on the "
			       "primary %s",
			       leader(a) ? leader(a)->name : "");
	if (!n)
		return err_set(e, ERR_NOT_FOUND,
			       node[0] ? "no other node is named %s"
				       : "name the node that is to become the primary%s",
			       node);
	if (a->shown.state != HA_SYNCED || !s || strcmp(s->state, "streaming") != 0)
		return err_set(e, ERR_PRECONDITION,
			       "%s is not in step: wait until `holdfast ha status` says Alive",
			       n->name);
	a->order = ORDER_HANDOVER;
	a->order_node = n->id;
	return 0;
}

static int
order_rejoin(struct agent *a, const char *node, struct err *e)
{
	struct fsm_obs o;

	if (!a->secondary)
		return err_set(e, ERR_PRECONDITION,
			       a->shown.state == HA_FENCED
				       ? "this node returns by itself as soon as the primary serves"
				       : "this node is the primary: nothing is copied over it");
	reduce(a, &o);
	if (!o.primary_ok)
		return err_set(e, ERR_PRECONDITION,
			       "the primary does not serve: there is nothing to copy from");
	a->order = ORDER_CLONE;
	return 0;
}

static int
on_order(void *ctx, const char *verb, const char *node, struct err *e)
{
	static const struct {
		const char *verb;
		int (*fn)(struct agent *a, const char *node, struct err *e);
	} orders[] = { { "promote", order_promote },
		       { "switchover", order_switchover },
		       { "rejoin", order_rejoin } };
	struct agent *a = ctx;
	int rc = ERR_USAGE;

	pthread_mutex_lock(&a->lock);
	for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
		if (strcmp(orders[i].verb, verb) == 0)
			rc = orders[i].fn(a, node, e);
	}
	pthread_mutex_unlock(&a->lock);
	return rc == ERR_USAGE ? err_set(e, rc, "the agent knows no command \"%s\"", verb) : rc;
}

static void
on_link(uv_poll_t *p, int status, int events)
{
	struct agent *a = p->data;
	char word, space[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { .iov_base = &word, .iov_len = 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = space,
			    .msg_controllen = sizeof(space) };
	ssize_t n = status < 0 ? 0 : recvmsg(PROC_FD_LINK, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return;
	if (n == 0)
		_exit(1); /* the supervisor is gone */
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	if (word != 'k' || !c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(int)))
		return;
	int fd;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	control_attach(a->control, fd);
}

static void
on_term(uv_signal_t *s, int number)
{
	struct agent *a = s->data;

	page_set_both(a->page, false);
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
	a->trust_ms = a->announce_ms = 0;
}

/* ---- the begin ---- */

/* Whether the page is of an agent of this very run of the node, and of late. */
static bool
is_same_run(const struct agent *a, const struct page_view *old)
{
	return old->beat_mono_ms > a->args->began_ms && old->beat_mono_ms <= a->now_ms &&
	       a->now_ms - old->beat_mono_ms < RESUME_MS;
}

/* Where an agent that fell goes on; a node that was started anew begins carefully. A fenced node stays fenced. */
static enum ha_state
first_state(const struct agent *a, const struct page_view *old)
{
	bool same_run = is_same_run(a, old);
	char path[HOME_PATH_MAX];

	if (a->secondary)
		return same_run && (old->state == HA_EMERGENCY || old->state == HA_MERGING)
			       ? old->state
			       : HA_STANDBY;
	if (old->state == HA_FENCED || (same_run && old->state == HA_SYNCED))
		return old->state;
	if (same_run && old->state == HA_HANDING && rejoin_waits(&a->args->home))
		return old->state;
	home_path(&a->args->home, HOME_PAIR_CERT, path);
	return access(path, F_OK) == 0 ? HA_ALONE : HA_SINGLE;
}

static const char *
first_reason(const struct agent *a, const struct page_view *old)
{
	if (!is_same_run(a, old))
		return "the node was started";
	if (old->state == a->shown.state)
		return old->reason;
	return a->secondary ? "this node follows another primary now"
			    : "this node was made the primary";
}

static int
open_page(struct agent *a, struct err *e)
{
	char path[HOME_PATH_MAX];
	struct page_view *old = calloc(1, sizeof(*old));
	struct page *p = NULL;
	struct err ignored;

	if (!old)
		abort();
	home_path(&a->args->home, HOME_STATE, path);
	if (page_open(path, &p, &ignored) == 0)
		page_read(p, old);
	page_free(p);
	int r = page_create(path, &a->page, e);
	if (r == 0) {
		a->now_ms = a->state_ms = clock_mono_ms();
		a->shown.state = first_state(a, old);
		a->shown.as_of_us = a->secondary ? old->as_of_us : 0;
		a->shown.term = old->term;
		copy_text(a->shown.primary_url, sizeof(a->shown.primary_url),
			  a->secondary ? old->primary_url : "");
		copy_text(a->shown.reason, sizeof(a->shown.reason), first_reason(a, old));
		a->began_ms = a->streamed_ms = a->now_ms;
		a->holding = a->shown.state == HA_ALONE && !is_same_run(a, old);
	}
	if (r == 0 && !a->holding) {
		page_write(a->page, &a->shown);
		page_beat(a->page);
	}
	free(old);
	return r;
}

static int
begin(struct agent *a, struct err *e)
{
	auto_buf conninfo = BUF_INIT;
	int r = home_node_read(&a->args->home, &a->self, e);

	/* An agent that fell while its node changes roles: only behind that is it known what the node is. */
	for (bool asked = false; rejoin_waits(&a->args->home); asked = true) {
		if (!asked && write(PROC_FD_LINK, "J", 1) != 1)
			_exit(1); /* the supervisor is gone */
		clock_sleep_ms(100);
	}
	a->secondary = cluster_is_standby(&a->args->home);
	if (r == 0)
		r = open_page(a, e);
	if (r == 0)
		r = control_new(&a->args->home, &a->args->settings, PROC_FD_KEYS, on_order, a,
				&a->control, e);
	if (r)
		return r;
	cluster_conninfo(&a->args->home, "holdfast", &conninfo);
	a->replication = replication_new(buf_str(&conninfo), &a->self.id);
	a->role = role_new(&a->args->home, &a->self.id, buf_str(&conninfo));
	if (a->secondary)
		a->deposit = deposit_new(&a->args->home, &a->self.id, buf_str(&conninfo));
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
	struct agent *a = calloc(1, sizeof(*a));
	if (!a)
		abort();
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
