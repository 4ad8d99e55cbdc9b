/* SPDX-License-Identifier: Apache-2.0 */
#include "ha/replication.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/worker.h"
#include "pg/cluster.h"
#include "store/db.h"

#define SLOT_PREFIX "hf_"
#define RETRY_MS 300
#define STEADY_MS 1000	  /* a stream that is on for so long stays */
#define SLOW_LOOK_EVERY 5 /* nodes, slots and the like: once a second */

void
replication_slot_name(const struct uuid *node, char ret[static REPLICATION_SLOT_MAX])
{
	char *at = ret + sprintf(ret, SLOT_PREFIX);

	for (size_t i = 0; i < sizeof(node->b); i++)
		at += sprintf(at, "%02x", node->b[i]);
}

/* ---- in step ---- */

void
replication_step_init(struct replication_step *s, int64_t now_ms)
{
	*s = (struct replication_step){ .in_step_ms = now_ms };
}

/* When the ring is full the newest sample takes the LSN in and keeps its earlier time: later, never
 * sooner. */
static void
add_sample(struct replication_step *s, int64_t now_ms, int64_t lsn)
{
	unsigned i = (s->first + s->n) % REPLICATION_SAMPLES;

	if (s->n == REPLICATION_SAMPLES) {
		s->sample[(s->first + s->n - 1) % REPLICATION_SAMPLES].lsn = lsn;
		return;
	}
	s->sample[i].at_ms = now_ms;
	s->sample[i].lsn = lsn;
	s->n++;
}

void
replication_step_note(struct replication_step *s, int64_t now_ms, int64_t lsn, int64_t flushed)
{
	if (lsn > s->lsn) {
		add_sample(s, now_ms, lsn);
		s->lsn = lsn;
	}
	s->streams = flushed >= 0;
	s->reached = s->reached && s->streams;
	if (!s->streams)
		return;
	s->flushed = flushed;
	while (s->n && s->sample[s->first].lsn <= s->flushed) {
		s->first = (s->first + 1) % REPLICATION_SAMPLES;
		s->n--;
		s->reached = true;
	}
	if (s->n)
		return;
	s->in_step_ms = now_ms;
	s->reached = true;
}

bool
replication_step_in(const struct replication_step *s, int64_t now_ms, int64_t timeout_ms)
{
	return s->streams && s->reached && replication_step_late(s, now_ms) < timeout_ms;
}

int64_t
replication_step_late(const struct replication_step *s, int64_t now_ms)
{
	int64_t late = s->n ? now_ms - s->sample[s->first].at_ms : 0;
	int64_t away = s->streams ? 0 : now_ms - s->in_step_ms;

	return late > away ? late : away;
}

/* ---- the looking thread ---- */

struct members {
	unsigned n;
	char name[REPLICATION_NODES_MAX][REPLICATION_NAME_MAX];
};

struct replication {
	struct worker worker; /* two threads: one looks, one sets */
	struct home home;
	char *conninfo;
	struct uuid self;
	struct replication_view view;
	char wanted[REPLICATION_NAMES_MAX];
	char follow[REPLICATION_CONNINFO_MAX];
	struct members mapped; /* who may come over the channel, as it was last written */
	int64_t tended_ms;
	bool wish; /* something was ever wished */
	struct {
		int kind; /* 0: nothing to ask */
		struct uuid object;
		char *body;
	} request;
	struct {
		int kind; /* 0: nothing to take back */
		struct uuid object;
		enum replication_fate fate; /* once kind is 0 again */
	} withdrawal;
};

struct look {
	struct replication *r;
	struct db *db;
	struct replication_view v; /* in the making */
	int64_t received_before;   /* received_lsn two looks ago and one look ago */
	int64_t received_last;
	int64_t streams_since_ms; /* 0: it does not */
	unsigned count;
};

static int
query(struct look *k, enum stmt s, const struct uuid *node, struct rows **ret, struct err *e)
{
	auto_binds b = BINDS_INIT;

	if (node)
		bind_uuid(&b, node);
	return db_exec(k->db, NULL, s, &b, ret, e);
}

static int
look_local(struct look *k, struct err *e)
{
	struct replication_view *v = &k->v;
	auto_rows rows = NULL;
	int r = query(k, STMT_HA_LOCAL, NULL, &rows, e);

	if (r)
		return r;
	v->standby = row_bool(rows, 0, COL_HA_LOCAL_STANDBY);
	v->lsn = row_bigint(rows, 0, v->standby ? COL_HA_LOCAL_REPLAY_LSN : COL_HA_LOCAL_FLUSH_LSN);
	v->term = row_bigint(rows, 0, COL_HA_LOCAL_TERM);
	text_copy(v->sync_names, sizeof(v->sync_names), row_text(rows, 0, COL_HA_LOCAL_SYNC_NAMES));
	int64_t keep = row_bigint(rows, 0, COL_HA_LOCAL_KEEP_MB);
	v->keep_bytes = keep < 0 ? -1 : keep << 20;
	row_uuid(rows, 0, COL_HA_LOCAL_ORDER_NODE, &v->order_node);
	v->order_term = row_bigint(rows, 0, COL_HA_LOCAL_ORDER_TERM);
	text_copy(v->conninfo, sizeof(v->conninfo), row_text(rows, 0, COL_HA_LOCAL_CONNINFO));
	v->schema = row_int(rows, 0, COL_HA_LOCAL_SCHEMA);
	return 0;
}

static int
look_nodes(struct look *k, struct err *e)
{
	struct replication_view *v = &k->v;
	auto_rows rows = NULL;
	int r = query(k, STMT_HA_NODES, NULL, &rows, e);

	if (r)
		return r;
	v->nodes_n = 0;
	for (int i = 0; i < rows_count(rows) && i < REPLICATION_NODES_MAX; i++) {
		struct replication_node *n = &v->nodes[v->nodes_n++];
		const char *cert = row_text(rows, i, COL_HA_NODES_WEB_CERT);

		memset(n, 0, sizeof(*n));
		row_uuid(rows, i, COL_HA_NODES_ID, &n->id);
		text_copy(n->name, sizeof(n->name), row_text(rows, i, COL_HA_NODES_NAME));
		n->https_port = row_int(rows, i, COL_HA_NODES_HTTPS_PORT);
		n->pair_port = row_int(rows, i, COL_HA_NODES_PAIR_PORT);
		text_copy(n->slot, sizeof(n->slot), row_text(rows, i, COL_HA_NODES_SLOT));
		if (strlen(cert) < sizeof(n->web_cert))
			text_copy(n->web_cert, sizeof(n->web_cert), cert);
		n->primary_since_term = row_bigint(rows, i, COL_HA_NODES_PRIMARY_SINCE_TERM);
	}
	return 0;
}

static int
look_standbys(struct look *k, struct err *e)
{
	struct replication_view *v = &k->v;
	auto_rows rows = NULL;
	int r = query(k, STMT_HA_STANDBYS, NULL, &rows, e);

	if (r)
		return r;
	v->standbys_n = 0;
	/* Only those of the node table: a base backup streams too, and is no standby. */
	for (int i = 0; i < rows_count(rows) && v->standbys_n < REPLICATION_NODES_MAX; i++) {
		struct replication_standby *s = &v->standbys[v->standbys_n];

		if (strncmp(row_text(rows, i, 0), SLOT_PREFIX, strlen(SLOT_PREFIX)) != 0)
			continue;
		v->standbys_n++;
		text_copy(s->name, sizeof(s->name), row_text(rows, i, 0));
		text_copy(s->state, sizeof(s->state), row_text(rows, i, 1));
		text_copy(s->sync_state, sizeof(s->sync_state), row_text(rows, i, 2));
		s->flush_lsn = row_bigint(rows, i, 3);
		s->replay_lsn = row_bigint(rows, i, 4);
		s->replied_us = row_time(rows, i, 5);
	}
	return 0;
}

static int
look_slots(struct look *k, struct err *e)
{
	struct replication_view *v = &k->v;
	auto_rows rows = NULL;
	int r = query(k, STMT_HA_SLOTS, NULL, &rows, e);

	if (r)
		return r;
	v->slots_n = 0;
	for (int i = 0; i < rows_count(rows) && i < REPLICATION_NODES_MAX; i++) {
		struct replication_slot *s = &v->slots[v->slots_n++];

		text_copy(s->name, sizeof(s->name), row_text(rows, i, COL_HA_SLOTS_NAME));
		s->active = row_bool(rows, i, COL_HA_SLOTS_ACTIVE);
		text_copy(s->status, sizeof(s->status), row_text(rows, i, COL_HA_SLOTS_STATUS));
		s->retained = row_bigint(rows, i, COL_HA_SLOTS_RETAINED);
	}
	return 0;
}

static int
look_damage(struct look *k, struct err *e)
{
	auto_rows rows = NULL;
	int r = query(k, STMT_HA_DAMAGE, NULL, &rows, e);

	if (!r)
		k->v.damaged_pages = row_bigint(rows, 0, 0);
	return r;
}

static int
look_recovered(struct look *k, struct err *e)
{
	auto_rows rows = NULL;
	int r = query(k, STMT_RECOVER_LAST, NULL, &rows, e);

	if (r)
		return r;
	k->v.recovered = (struct uuid){ 0 };
	if (rows_count(rows) == 0)
		return 0;
	row_uuid(rows, 0, 0, &k->v.recovered);
	k->v.recovered_us = row_time(rows, 0, 1);
	text_copy(k->v.recovered_name, sizeof(k->v.recovered_name), row_text(rows, 0, 2));
	return 0;
}

static int
look_maintenance(struct look *k, struct err *e)
{
	struct maintenance *m = &k->v.maintenance;
	auto_rows rows = NULL;
	int r = query(k, STMT_MAINTENANCE_NOW, NULL, &rows, e);

	if (r)
		return r;
	*m = (struct maintenance){ .pair = true };
	if (rows_count(rows) == 0)
		return 0;
	m->at_us = row_time(rows, 0, 0);
	m->until_us = row_time(rows, 0, 1);
	text_copy(m->reason, sizeof(m->reason), row_text(rows, 0, 2));
	return 0;
}

static int
look_waiting(struct look *k, struct err *e)
{
	auto_rows rows = NULL;
	int r = query(k, STMT_HA_WAITING, NULL, &rows, e);

	if (r)
		return r;
	k->v.requests = row_bigint(rows, 0, 0);
	k->v.deposits = row_bigint(rows, 0, 1);
	return 0;
}

static int
look_receiver(struct look *k, struct err *e)
{
	struct replication_view *v = &k->v;
	auto_rows rows = NULL;
	int r = query(k, STMT_HA_RECEIVER, NULL, &rows, e);

	if (r)
		return r;
	if (rows_count(rows) != 1 || strcmp(row_text(rows, 0, 0), "streaming") != 0)
		k->streams_since_ms = 0;
	else if (!k->streams_since_ms)
		k->streams_since_ms = clock_mono_ms();
	v->streams = k->streams_since_ms != 0;
	v->receiving = v->streams && clock_mono_ms() - k->streams_since_ms >= STEADY_MS;
	if (rows_count(rows) == 1) {
		v->received_lsn = row_bigint(rows, 0, 1);
		v->sent_lsn = row_bigint(rows, 0, 2);
		v->heard_us = row_time(rows, 0, 3);
	}
	v->caught_up = v->receiving && v->lsn >= k->received_before;
	k->received_before = k->received_last;
	k->received_last = v->received_lsn;
	return 0;
}

/* What is on a damaged page of the log is not known, and counted as damage by the server; all else is seen as always. */
static int
unless_damaged(int r, struct err *e)
{
	if (r != ERR_DATA_DAMAGED)
		return r;
	*e = (struct err){ 0 };
	return 0;
}

static int
look_own(struct look *k, struct err *e)
{
	struct replication_view *v = &k->v;
	auto_rows head = NULL;
	auto_rows aside = NULL;
	size_t n = 0;
	int r = query(k, STMT_EVENT_HEAD, &k->r->self, &head, e);

	if (!r)
		r = query(k, STMT_HA_SET_ASIDE_FIRST, &k->r->self, &aside, e);
	if (r)
		return r;
	v->own_seq = rows_count(head) ? row_bigint(head, 0, 0) : 0;
	v->aside_seq = rows_count(aside) ? row_bigint(aside, 0, 0) : 0;
	const void *hash = v->aside_seq ? row_bytea(aside, 0, 2, &n) : NULL;
	if (hash && n == sizeof(v->aside_hash))
		memcpy(v->aside_hash, hash, n);
	text_fit(v->aside_why, sizeof(v->aside_why), "%s",
		 rows_count(aside) ? row_text(aside, 0, 1) : "");
	return 0;
}

/* As of when is not known where the schema is an earlier one, or before the first beat. */
static int
look_beat(struct look *k, struct err *e)
{
	auto_rows rows = NULL;
	int r = query(k, STMT_HA_BEAT, NULL, &rows, e);

	k->v.beat_us = k->v.beat_term = 0;
	if (r || !rows_count(rows))
		return r;
	k->v.beat_us = row_time(rows, 0, 0);
	k->v.beat_term = row_bigint(rows, 0, 1);
	return 0;
}

/* The furthest flushed LSN of a streaming standby, -1 when none streams. */
static int64_t
best_flush(const struct replication_view *v)
{
	int64_t best = -1;

	for (unsigned i = 0; i < v->standbys_n; i++) {
		const struct replication_standby *s = &v->standbys[i];

		if (strcmp(s->state, "streaming") == 0 && s->flush_lsn > best)
			best = s->flush_lsn;
	}
	return best;
}

static bool
quorum_seen(const struct replication_view *v)
{
	for (unsigned i = 0; v->sync_names[0] && i < v->standbys_n; i++) {
		const struct replication_standby *s = &v->standbys[i];

		if (strcmp(s->state, "streaming") == 0 &&
		    (strcmp(s->sync_state, "quorum") == 0 || strcmp(s->sync_state, "sync") == 0))
			return true;
	}
	return false;
}

static int
look_as_primary(struct look *k, bool slow, struct err *e)
{
	struct replication_view *v = &k->v;
	int r = look_standbys(k, e);

	if (!r && slow)
		r = look_slots(k, e);
	if (r)
		return r;
	int64_t now = clock_mono_ms();
	replication_step_note(&v->step, now, v->lsn, best_flush(v));
	if (!quorum_seen(v))
		v->quorum_since_ms = 0;
	else if (!v->quorum_since_ms)
		v->quorum_since_ms = now;
	return 0;
}

static int
look_once(struct look *k, struct err *e)
{
	bool slow = k->count++ % SLOW_LOOK_EVERY == 0;
	int r = look_local(k, e);

	/* Before the nodes: what waits no longer is in the table by then, and is not asked for again. */
	if (!r && !k->v.standby)
		r = look_waiting(k, e);
	if (!r)
		r = look_nodes(k, e);
	if (!r)
		r = unless_damaged(look_beat(k, e), e);
	if (!r && slow)
		r = look_damage(k, e);
	if (!r && slow)
		r = unless_damaged(look_recovered(k, e), e);
	if (!r)
		r = unless_damaged(look_maintenance(k, e), e);
	if (!r && k->v.standby)
		r = look_receiver(k, e);
	if (!r && k->v.standby)
		r = unless_damaged(look_own(k, e), e);
	if (!r && !k->v.standby)
		r = look_as_primary(k, slow, e);
	return r;
}

/* PostgreSQL's own bound on a statement: a look that takes longer is no news. */
static struct db *
connect_db(const struct replication *r, const char *application, struct err *e)
{
	auto_buf info = BUF_INIT;

	buf_addf(&info,
		 "%s connect_timeout=3 options='-c statement_timeout=3000 -c "
		 "synchronous_commit=local'",
		 r->conninfo);
	struct db_options o = { .conninfo = buf_str(&info), .application = application };
	return db_open(&o, e);
}

static int
look_or_connect(struct look *k, struct err *e)
{
	int r = 0;

	if (!k->db) {
		k->db = connect_db(k->r, "holdfast agent", e);
		r = k->db ? 0 : ERR_DB_GONE;
		k->count = 0;
	}
	if (!r)
		r = look_once(k, e);
	if (r)
		db_free(TAKE(k->db));
	return r;
}

/* No server, no standbys: what is not known to stream does not. */
static void
note_failure(struct look *k, const struct err *e)
{
	text_fit(k->v.failure, sizeof(k->v.failure), "%s", e->text);
	if (e->code == ERR_DATA_DAMAGED && !k->v.damaged_pages)
		k->v.damaged_pages = 1;
	k->v.streams = k->v.receiving = k->v.caught_up = false;
	k->streams_since_ms = 0;
	k->v.quorum_since_ms = 0;
	replication_step_note(&k->v.step, clock_mono_ms(), k->v.lsn, -1);
}

static int64_t
take_look(void *arg)
{
	struct look *k = arg;
	struct replication *r = k->r;
	struct err e = { 0 };

	worker_unlock(&r->worker);
	int code = look_or_connect(k, &e);
	if (code)
		note_failure(k, &e);
	else
		k->v.failure[0] = '\0';
	worker_lock(&r->worker);
	if (!code)
		k->v.at_ms = clock_mono_ms();
	r->view = k->v;
	return clock_mono_ms() + REPLICATION_POLL_MS;
}

static void
end_looks(void *arg)
{
	struct look *k = arg;

	db_free(k->db);
	free(k);
}

/* ---- the setting thread ---- */

/* The names are ours: hf_ and hexadecimal digits. */
static int
set_names(struct db *db, const char *names, struct err *e)
{
	auto_buf sql = BUF_INIT;

	if (names[0])
		buf_addf(&sql, "ALTER SYSTEM SET synchronous_standby_names = '%s'", names);
	else
		buf_adds(&sql, "ALTER SYSTEM RESET synchronous_standby_names");
	int r = db_script(db, buf_str(&sql), e);
	if (!r)
		r = db_script(db, "SELECT pg_reload_conf()", e);
	return r;
}

static int
set_or_connect(struct replication *r, struct db **db, const char *names, struct err *e)
{
	int code = 0;

	if (!*db)
		*db = connect_db(r, "holdfast agent sync", e);
	code = *db ? set_names(*db, names, e) : ERR_DB_GONE;
	if (code)
		db_free(TAKE(*db));
	return code;
}

/* Whether the server does not have what is wished. A wish carried out is given a second to show. */
static bool
differs(const struct replication *r, int64_t done_ms)
{
	return r->wish && strcmp(r->view.sync_names, r->wanted) != 0 && r->view.at_ms &&
	       !r->view.standby && r->view.at_ms > done_ms;
}

static bool
has_slot(const struct replication_view *v, const char *name)
{
	for (unsigned i = 0; i < v->slots_n; i++) {
		if (strcmp(v->slots[i].name, name) == 0)
			return true;
	}
	return false;
}

/* A slot of a node that was taken out of the pair. */
static bool
is_orphan(const struct replication_view *v, const struct replication_slot *s)
{
	if (s->active || strncmp(s->name, SLOT_PREFIX, strlen(SLOT_PREFIX)) != 0)
		return false;
	for (unsigned i = 0; i < v->nodes_n; i++) {
		if (strcmp(v->nodes[i].slot, s->name) == 0)
			return false;
	}
	return true;
}

/* Whether each other node of the table has a slot here, and no other has. */
static bool
slots_are_right(const struct replication *r)
{
	const struct replication_view *v = &r->view;

	if (v->standby || !v->at_ms || v->failure[0] || !v->nodes_n)
		return true;
	for (unsigned i = 0; i < v->nodes_n; i++) {
		if (!uuid_eq(&v->nodes[i].id, &r->self) && v->nodes[i].slot[0] &&
		    !has_slot(v, v->nodes[i].slot))
			return false;
	}
	for (unsigned i = 0; i < v->slots_n; i++) {
		if (is_orphan(v, &v->slots[i]))
			return false;
	}
	return true;
}

/* A node that became the primary has no slots for the others: what they lack from now on is kept. For one that was
 * taken out of the pair nothing is kept any more. */
static int
tend_slots(struct replication *r, struct db *db, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows made = NULL;
	auto_rows dropped = NULL;

	bind_uuid(&b, &r->self);
	int code = db_exec(db, NULL, STMT_HA_SLOTS_COMPLETE, &b, &made, e);
	for (int i = 0; !code && i < rows_count(made); i++)
		log_notice("made the slot %s", row_text(made, i, 0));
	if (!code)
		code = db_exec(db, NULL, STMT_HA_SLOTS_DROP_ORPHANS, NULL, &dropped, e);
	for (int i = 0; !code && i < rows_count(dropped); i++)
		log_notice("dropped the slot %s: its node is no longer in the pair",
			   row_text(dropped, i, 0));
	return code;
}

/* The nodes of the table, if they are others than those whose certificates are taken. */
static bool
members_differ(const struct replication *r, struct members *ret)
{
	const struct replication_view *v = &r->view;

	ret->n = 0;
	if (!v->at_ms || v->failure[0] || !v->nodes_n)
		return false;
	for (unsigned i = 0; i < v->nodes_n; i++)
		text_copy(ret->name[ret->n++], REPLICATION_NAME_MAX, v->nodes[i].name);
	if (ret->n != r->mapped.n)
		return true;
	for (unsigned i = 0; i < ret->n; i++) {
		if (strcmp(ret->name[i], r->mapped.name[i]) != 0)
			return true;
	}
	return false;
}

/* A node that was taken out of the pair has a certificate still: from now on it is not taken. */
static int
map_members(struct replication *r, struct db *db, const struct members *m, struct err *e)
{
	const char *names[REPLICATION_NODES_MAX];
	bool changed;

	for (unsigned i = 0; i < m->n; i++)
		names[i] = m->name[i];
	int code = cluster_map_pair(&r->home, names, m->n, &changed, e);
	return code || !changed ? code : db_script(db, "SELECT pg_reload_conf()", e);
}

static int
set_follow(struct db *db, const char *conninfo, struct err *e)
{
	auto_buf sql = BUF_INIT;

	buf_adds(&sql, "ALTER SYSTEM SET primary_conninfo = '");
	for (const char *p = conninfo; *p; p++) {
		if (*p == '\'')
			buf_addc(&sql, *p);
		buf_addc(&sql, *p);
	}
	buf_adds(&sql, "'");
	int code = db_script(db, buf_str(&sql), e);
	return code ? code : db_script(db, "SELECT pg_reload_conf()", e);
}

/* What is to be done beside the names; called and returns with the lock held. A failure is tried again. */
static void
tend(struct replication *r, struct db **db)
{
	char follow[REPLICATION_CONNINFO_MAX] = "";
	struct members m;
	bool slots = !slots_are_right(r), members = members_differ(r, &m);
	struct err e = { 0 };
	int code = 0;

	if (r->view.standby && r->view.at_ms && r->follow[0] &&
	    strcmp(r->follow, r->view.conninfo) != 0)
		text_copy(follow, sizeof(follow), r->follow);
	/* What was done is given time to show. */
	if ((!slots && !follow[0] && !members) || r->view.at_ms < r->tended_ms + 2000)
		return;
	worker_unlock(&r->worker);
	if (!*db)
		*db = connect_db(r, "holdfast agent sync", &e);
	if (!*db)
		code = ERR_DB_GONE;
	if (!code && members)
		code = map_members(r, *db, &m, &e);
	if (!code && slots)
		code = tend_slots(r, *db, &e);
	if (!code && follow[0]) {
		log_notice("the database follows another primary now");
		code = set_follow(*db, follow, &e);
	}
	if (code) {
		log_err(LOG_LEVEL_WARNING, &e, "cannot prepare the replication; trying on");
		db_free(TAKE(*db));
	}
	worker_lock(&r->worker);
	if (!code && members)
		r->mapped = m;
	r->tended_ms = clock_mono_ms();
}

/* Carries out the request that waits, if any; called and returns with the lock held. A failure is tried again. */
static void
send_request(struct replication *r, struct db **db)
{
	auto_binds b = BINDS_INIT;
	struct err e = { 0 };

	if (!r->request.kind || r->view.standby || !r->view.at_ms)
		return;
	bind_int(&b, r->request.kind);
	bind_uuid(&b, &r->request.object);
	bind_text(&b, r->request.body);
	worker_unlock(&r->worker);
	if (!*db)
		*db = connect_db(r, "holdfast agent sync", &e);
	int code = *db ? db_exec(*db, NULL, STMT_HA_REQUEST_ADD, &b, NULL, &e) : ERR_DB_GONE;
	if (code)
		db_free(TAKE(*db));
	worker_lock(&r->worker);
	if (!code) {
		free(TAKE(r->request.body));
		r->request.kind = 0;
	}
}

/* The same for what is to be taken back. In the thread that sends: nothing is on its way meanwhile. */
static void
withdraw_request(struct replication *r, struct db **db)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;
	struct err e = { 0 };

	if (!r->withdrawal.kind)
		return;
	if (r->request.kind == r->withdrawal.kind &&
	    uuid_eq(&r->request.object, &r->withdrawal.object)) {
		free(TAKE(r->request.body));
		r->request.kind = r->withdrawal.kind = 0;
		r->withdrawal.fate = REPLICATION_BACK;
		return;
	}
	bind_int(&b, r->withdrawal.kind);
	bind_uuid(&b, &r->withdrawal.object);
	worker_unlock(&r->worker);
	if (!*db)
		*db = connect_db(r, "holdfast agent sync", &e);
	int code = *db ? db_exec(*db, NULL, STMT_HA_REQUEST_WITHDRAW, &b, &rows, &e) : ERR_DB_GONE;
	if (code)
		db_free(TAKE(*db));
	worker_lock(&r->worker);
	r->withdrawal.kind = 0;
	r->withdrawal.fate = code		    ? REPLICATION_UNKNOWN
			     : rows_count(rows) > 0 ? REPLICATION_BACK
						    : REPLICATION_TAKEN;
}

struct setter {
	struct replication *r;
	struct db *db;
	char done[REPLICATION_NAMES_MAX]; /* what was set last */
	int64_t done_ms;
	bool told;
};

static int64_t
take_orders(void *arg)
{
	struct setter *s = arg;
	struct replication *r = s->r;
	bool fresh = r->wish && strcmp(s->done, r->wanted) != 0;
	char names[REPLICATION_NAMES_MAX];
	struct err e = { 0 };

	if (!fresh && !differs(r, s->done_ms + 1000)) {
		send_request(r, &s->db);
		withdraw_request(r, &s->db);
		tend(r, &s->db);
		return clock_mono_ms() + RETRY_MS;
	}
	text_copy(names, sizeof(names), r->wanted);
	worker_unlock(&r->worker);
	int code = set_or_connect(r, &s->db, names, &e);
	if (code && !s->told)
		log_err(LOG_LEVEL_WARNING, &e, "cannot %s the synchronous commit; trying on",
			names[0] ? "begin" : "end");
	s->told = code != 0;
	worker_lock(&r->worker);
	if (code)
		return clock_mono_ms() + RETRY_MS;
	text_copy(s->done, sizeof(s->done), names);
	s->done_ms = clock_mono_ms();
	return s->done_ms;
}

static void
end_orders(void *arg)
{
	struct setter *s = arg;

	db_free(s->db);
	free(s);
}

/* ---- for the agent ---- */

struct replication *
replication_new(const struct home *h, const char *conninfo, const struct uuid *self)
{
	struct replication *r = mem_new(sizeof(*r));
	struct look *k = mem_new(sizeof(*k));
	struct setter *s = mem_new(sizeof(*s));

	r->home = *h;
	r->conninfo = mem_dup(conninfo);
	r->self = *self;
	replication_step_init(&r->view.step, clock_mono_ms());
	k->r = s->r = r;
	replication_step_init(&k->v.step, clock_mono_ms());
	text_copy(s->done, sizeof(s->done), "?");
	worker_init(&r->worker);
	worker_start(&r->worker, "replication", take_look, end_looks, k);
	worker_start(&r->worker, "synchronous", take_orders, end_orders, s);
	return r;
}

void
replication_look(struct replication *r, struct replication_view *ret)
{
	worker_lock(&r->worker);
	*ret = r->view;
	worker_unlock(&r->worker);
}

void
replication_want(struct replication *r, const char *sync_names)
{
	worker_lock(&r->worker);
	if (!r->wish || strcmp(r->wanted, sync_names) != 0) {
		text_copy(r->wanted, sizeof(r->wanted), sync_names);
		r->wish = true;
		worker_wake(&r->worker);
	}
	worker_unlock(&r->worker);
}

void
replication_follow(struct replication *r, const char *conninfo)
{
	worker_lock(&r->worker);
	text_copy(r->follow, sizeof(r->follow), conninfo);
	worker_unlock(&r->worker);
}

bool
replication_request(struct replication *r, int kind, const struct uuid *object, const char *body)
{
	worker_lock(&r->worker);
	bool taken = !r->request.kind;
	if (taken) {
		r->request.kind = kind;
		r->request.object = *object;
		r->request.body = mem_dup(body);
	}
	worker_unlock(&r->worker);
	return taken;
}

enum replication_fate
replication_withdraw(struct replication *r, int kind, const struct uuid *object, int wait_ms)
{
	int64_t until = clock_mono_ms() + wait_ms;
	enum replication_fate fate = REPLICATION_UNKNOWN;

	worker_lock(&r->worker);
	r->withdrawal.kind = kind;
	r->withdrawal.object = *object;
	while (r->withdrawal.kind && clock_mono_ms() < until) {
		worker_unlock(&r->worker);
		clock_sleep_ms(20);
		worker_lock(&r->worker);
	}
	if (!r->withdrawal.kind)
		fate = r->withdrawal.fate;
	worker_unlock(&r->worker);
	return fate;
}

void
replication_names(const struct replication_view *v, const struct uuid *self,
		  char ret[static REPLICATION_NAMES_MAX])
{
	auto_buf names = BUF_INIT;

	for (unsigned i = 0; i < v->nodes_n; i++) {
		char slot[REPLICATION_SLOT_MAX];

		if (uuid_eq(&v->nodes[i].id, self))
			continue;
		replication_slot_name(&v->nodes[i].id, slot);
		buf_addf(&names, "%s\"%s\"", names.len ? ", " : "", slot);
	}
	if (names.len)
		snprintf(ret, REPLICATION_NAMES_MAX, "ANY 1 (%s)", buf_str(&names));
	else
		ret[0] = '\0';
}

void
replication_free(struct replication *r)
{
	if (!r)
		return;
	worker_done(&r->worker);
	free(r->request.body);
	free(r->conninfo);
	free(r);
}
