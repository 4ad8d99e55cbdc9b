/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread that looks: one read after another, on its own connection, and what it shows the agent.
 */
#include "ha/replication_impl.h"

#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "ha/history_watch.h"

#define STEADY_MS 1000	  /* a stream that is on for so long stays */
#define SLOW_LOOK_EVERY 5 /* nodes, slots and the like: once a second */
#define RARE_LOOK_EVERY 25

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
	r = epoch_incarnation_parse(row_text(rows, 0, COL_HA_LOCAL_INCARNATION), &v->incarnation,
				    e);
	if (r)
		return r;
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
		text_copy(n->trusts, sizeof(n->trusts), row_text(rows, i, COL_HA_NODES_TRUSTS));
		text_copy(n->channel_by, sizeof(n->channel_by),
			  row_text(rows, i, COL_HA_NODES_CHANNEL_BY));
		text_copy(n->web_by, sizeof(n->web_by), row_text(rows, i, COL_HA_NODES_WEB_BY));
		n->primary_since_term = row_bigint(rows, i, COL_HA_NODES_PRIMARY_SINCE_TERM);
	}
	return 0;
}

/* What is known of a stream goes on with it, and begins anew with another one. */
static void
go_on(struct replication_standby *s, const struct replication_standby *before, unsigned n,
      int64_t lsn)
{
	int64_t now = clock_mono_ms();

	s->since_ms = s->aim_ms = now;
	s->from_lsn = s->aim_lsn = lsn;
	s->late_ms = 0;
	for (unsigned i = 0; i < n; i++) {
		if (strcmp(before[i].name, s->name) != 0 || before[i].pid != s->pid)
			continue;
		s->since_ms = before[i].since_ms;
		s->from_lsn = before[i].from_lsn;
		if (s->flush_lsn >= before[i].aim_lsn)
			return;
		s->aim_lsn = before[i].aim_lsn;
		s->aim_ms = before[i].aim_ms;
		s->late_ms = now - s->aim_ms;
	}
}

static int
look_authorities(struct look *k, struct err *e)
{
	struct succession_log *log = &k->v.authorities;
	auto_rows rows = NULL;
	int r = query(k, STMT_HA_AUTHORITIES, NULL, &rows, e);

	if (r)
		return r;
	log->n = 0;
	for (int i = 0; i < rows_count(rows) && i < SUCCESSION_MAX; i++) {
		unsigned n = log->n++;

		text_copy(log->pins[n], sizeof(log->pins[n]),
			  row_text(rows, i, COL_HA_AUTHORITIES_SHA256));
		log->ends_us[n] = row_time(rows, i, COL_HA_AUTHORITIES_ENDS_AT);
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
	struct replication_standby before[REPLICATION_NODES_MAX];
	unsigned before_n = v->standbys_n;

	memcpy(before, v->standbys, sizeof(before));
	v->standbys_n = 0;
	/* Only those of the node table: a base backup streams too, and is no standby. */
	for (int i = 0; i < rows_count(rows) && v->standbys_n < REPLICATION_NODES_MAX; i++) {
		struct replication_standby *s = &v->standbys[v->standbys_n];

		if (strncmp(row_text(rows, i, COL_HA_STANDBYS_NAME), REPLICATION_SLOT_PREFIX,
			    strlen(REPLICATION_SLOT_PREFIX)) != 0)
			continue;
		v->standbys_n++;
		text_copy(s->name, sizeof(s->name), row_text(rows, i, COL_HA_STANDBYS_NAME));
		text_copy(s->state, sizeof(s->state), row_text(rows, i, COL_HA_STANDBYS_STATE));
		text_copy(s->sync_state, sizeof(s->sync_state),
			  row_text(rows, i, COL_HA_STANDBYS_SYNC_STATE));
		s->flush_lsn = row_bigint(rows, i, COL_HA_STANDBYS_FLUSH_LSN);
		s->replay_lsn = row_bigint(rows, i, COL_HA_STANDBYS_REPLAY_LSN);
		s->replied_us = row_time(rows, i, COL_HA_STANDBYS_REPLIED_AT);
		s->pid = row_int(rows, i, COL_HA_STANDBYS_PID);
		/* Read behind the standbys' positions: none of them can be ahead of it and be a copy of this log. */
		v->lsn = row_bigint(rows, i, COL_HA_STANDBYS_OWN_LSN);
		go_on(s, before, before_n, v->lsn);
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
		k->v.damaged_pages = row_bigint(rows, 0, COL_HA_DAMAGE_PAGES);
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
	row_uuid(rows, 0, COL_RECOVER_LAST_ID, &k->v.recovered);
	k->v.recovered_us = row_time(rows, 0, COL_RECOVER_LAST_AT);
	text_copy(k->v.recovered_name, sizeof(k->v.recovered_name),
		  row_text(rows, 0, COL_RECOVER_LAST_NAME));
	return 0;
}

static int
look_news_of(struct look *k, enum replication_news_kind kind, struct err *e)
{
	static const struct {
		enum stmt stmt;
		int id, at;
	} ways[REPLICATION_NEWS_KINDS] = {
		[REPLICATION_LET_IN] = { STMT_NOTICE_LET_IN, COL_NOTICE_LET_IN_ID,
					 COL_NOTICE_LET_IN_AT },
		[REPLICATION_UNUSUAL] = { STMT_NOTICE_UNUSUAL, COL_NOTICE_UNUSUAL_ID,
					  COL_NOTICE_UNUSUAL_AT },
	};
	struct replication_news *x = &k->v.news[kind];
	auto_rows rows = NULL;
	int r = query(k, ways[kind].stmt, NULL, &rows, e);

	x->n = 0;
	for (int i = 0; !r && i < rows_count(rows) && i < REPLICATION_NEWS_MAX; i++) {
		row_uuid(rows, i, ways[kind].id, &x->of[i].id);
		x->of[i].at_us = row_time(rows, i, ways[kind].at);
		x->n++;
	}
	return r;
}

static int
look_news(struct look *k, struct err *e)
{
	int r = 0;

	for (enum replication_news_kind kind = 0; !r && kind < REPLICATION_NEWS_KINDS; kind++)
		r = look_news_of(k, kind, e);
	return r;
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
	m->at_us = row_time(rows, 0, COL_MAINTENANCE_NOW_AT);
	m->until_us = row_time(rows, 0, COL_MAINTENANCE_NOW_UNTIL);
	text_copy(m->reason, sizeof(m->reason), row_text(rows, 0, COL_MAINTENANCE_NOW_REASON));
	return 0;
}

static int
look_waiting(struct look *k, struct err *e)
{
	auto_rows rows = NULL;
	int r = query(k, STMT_HA_WAITING, NULL, &rows, e);

	if (r)
		return r;
	k->v.requests = row_bigint(rows, 0, COL_HA_WAITING_REQUESTS);
	k->v.deposits = row_bigint(rows, 0, COL_HA_WAITING_DEPOSITS);
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
	if (rows_count(rows) != 1 ||
	    strcmp(row_text(rows, 0, COL_HA_RECEIVER_STATUS), "streaming") != 0)
		k->streams_since_ms = 0;
	else if (!k->streams_since_ms)
		k->streams_since_ms = clock_mono_ms();
	v->streams = k->streams_since_ms != 0;
	v->receiving = v->streams && clock_mono_ms() - k->streams_since_ms >= STEADY_MS;
	if (rows_count(rows) == 1) {
		v->received_lsn = row_bigint(rows, 0, COL_HA_RECEIVER_FLUSHED_LSN);
		v->sent_lsn = row_bigint(rows, 0, COL_HA_RECEIVER_LATEST_LSN);
		v->heard_us = row_time(rows, 0, COL_HA_RECEIVER_HEARD_AT);
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
	v->own_seq = rows_count(head) ? row_bigint(head, 0, COL_EVENT_HEAD_SEQ) : 0;
	v->aside_seq = rows_count(aside) ? row_bigint(aside, 0, COL_HA_SET_ASIDE_FIRST_SEQ) : 0;
	const void *hash =
		v->aside_seq ? row_bytea(aside, 0, COL_HA_SET_ASIDE_FIRST_HASH, &n) : NULL;
	if (hash && n == sizeof(v->aside_hash))
		memcpy(v->aside_hash, hash, n);
	text_fit(v->aside_why, sizeof(v->aside_why), "%s",
		 rows_count(aside) ? row_text(aside, 0, COL_HA_SET_ASIDE_FIRST_WHY) : "");
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
	k->v.beat_us = row_time(rows, 0, COL_HA_BEAT_AT);
	k->v.beat_term = row_bigint(rows, 0, COL_HA_BEAT_TERM);
	return 0;
}

/* What `audit verify` finds without effect, the status says without it. */
static int
look_without_effect(struct look *k, struct err *e)
{
	struct replication_view *v = &k->v;
	auto_rows rows = NULL;
	int r = query(k, STMT_HA_WITHOUT_EFFECT, NULL, &rows, e);

	if (r)
		return r;
	v->without_effect[0] = '\0';
	if (rows_count(rows) > 0)
		text_fit(v->without_effect, sizeof(v->without_effect),
			 "events %lld to %lld of %s: %s",
			 (long long)row_bigint(rows, 0, COL_HA_WITHOUT_EFFECT_FIRST),
			 (long long)row_bigint(rows, 0, COL_HA_WITHOUT_EFFECT_LAST),
			 row_text(rows, 0, COL_HA_WITHOUT_EFFECT_NAME),
			 row_text(rows, 0, COL_HA_WITHOUT_EFFECT_WHY));
	return 0;
}

static int
look_told(struct look *k, struct err *e)
{
	auto_rows rows = NULL;
	struct err ignored;
	int r = query(k, STMT_HA_EPOCHS, NULL, &rows, e);

	k->v.told_n = 0;
	for (int i = 0; !r && i < rows_count(rows) && k->v.told_n < REPLICATION_TOLD_MAX; i++) {
		if (epoch_claim_parse(row_text(rows, i, COL_HA_EPOCHS_EPOCH),
				      row_text(rows, i, COL_HA_EPOCHS_PROOF),
				      &k->v.told[k->v.told_n], &ignored) == 0)
			k->v.told_n++;
	}
	return r;
}

static int
look_duplicate(struct look *k, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;

	bind_text(&b, HISTORY_CONTENDS);
	int r = db_exec(k->db, NULL, STMT_HA_DUPLICATE, &b, &rows, e);

	k->v.duplicate = (struct uuid){ 0 };
	if (!r && rows_count(rows))
		row_uuid(rows, 0, COL_HA_DUPLICATE_NODE, &k->v.duplicate);
	return r;
}

static bool
quorum_seen(const struct replication_view *v)
{
	bool seen = false;

	for (unsigned i = 0; v->sync_names[0] && i < v->standbys_n; i++) {
		const struct replication_standby *s = &v->standbys[i];

		if (strcmp(s->state, "streaming") != 0 ||
		    (strcmp(s->sync_state, "quorum") != 0 && strcmp(s->sync_state, "sync") != 0))
			continue;
		if (!replication_is_proven(v, s))
			return false;
		seen = true;
	}
	return seen;
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
	replication_step_note(&v->step, now, v->lsn, replication_best_flush(v));
	if (!quorum_seen(v))
		v->quorum_since_ms = 0;
	else if (!v->quorum_since_ms)
		v->quorum_since_ms = now;
	return 0;
}

static int
look_once(struct look *k, struct err *e)
{
	bool rare = k->count % RARE_LOOK_EVERY == 0, slow = k->count++ % SLOW_LOOK_EVERY == 0;
	int r = look_local(k, e);

	/* Before the nodes: what waits no longer is in the table by then, and is not asked for again. */
	if (!r && !k->v.standby)
		r = look_waiting(k, e);
	if (!r)
		r = look_nodes(k, e);
	if (!r)
		r = look_authorities(k, e);
	if (!r)
		r = unless_damaged(look_beat(k, e), e);
	if (!r && slow)
		r = look_duplicate(k, e);
	if (!r && slow)
		r = look_damage(k, e);
	if (!r && slow)
		r = unless_damaged(look_recovered(k, e), e);
	if (!r && slow)
		r = unless_damaged(look_news(k, e), e);
	if (!r)
		r = unless_damaged(look_maintenance(k, e), e);
	if (!r)
		r = unless_damaged(look_told(k, e), e);
	if (!r && rare)
		r = unless_damaged(look_without_effect(k, e), e);
	if (!r && k->v.standby)
		r = look_receiver(k, e);
	if (!r && (k->v.standby || slow))
		r = unless_damaged(look_own(k, e), e);
	if (!r && !k->v.standby)
		r = look_as_primary(k, slow, e);
	return r;
}

static int
look_or_connect(struct look *k, struct err *e)
{
	int r = 0;

	if (!k->db) {
		k->db = replication_connect(k->r, "holdfast agent", e);
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
	k->v.proofs_n = r->proofs_n;
	memcpy(k->v.proofs, r->proofs, sizeof(k->v.proofs));
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

void
replication_start_looks(struct replication *r)
{
	struct look *k = mem_new(sizeof(*k));

	k->r = r;
	replication_step_init(&k->v.step, clock_mono_ms());
	worker_start(&r->worker, "replication", take_look, end_looks, k);
}
