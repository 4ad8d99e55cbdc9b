/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread that sets: the synchronous standbys, slots, who may connect over the channel, whom a
 * standby follows, and what the agent asks the writer for.
 */
#include "ha/replication_impl.h"

#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "pg/cluster.h"

#define RETRY_MS 300
#define FOLLOWED_MS 500 /* what was set is given this time to show */
#define MIND_MS 1000

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
		*db = replication_connect(r, "holdfast agent sync", e);
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
	if (s->active ||
	    strncmp(s->name, REPLICATION_SLOT_PREFIX, strlen(REPLICATION_SLOT_PREFIX)) != 0)
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
		log_notice("made the slot %s", row_text(made, i, COL_HA_SLOTS_COMPLETE_NAME));
	if (!code)
		code = db_exec(db, NULL, STMT_HA_SLOTS_DROP_ORPHANS, NULL, &dropped, e);
	for (int i = 0; !code && i < rows_count(dropped); i++)
		log_notice("dropped the slot %s: its node is no longer in the pair",
			   row_text(dropped, i, COL_HA_SLOTS_DROP_ORPHANS_NAME));
	return code;
}

/* The nodes of the table, if they are others than those whose certificates are taken. */
static bool
members_differ(const struct replication *r, struct replication_members *ret)
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
map_members(struct replication *r, struct db *db, const struct replication_members *m,
	    struct err *e)
{
	const char *names[REPLICATION_NODES_MAX];
	bool changed;

	for (unsigned i = 0; i < m->n; i++)
		names[i] = m->name[i];
	int code = cluster_map_pair(&r->home, names, m->n, &changed, e);
	return code || !changed ? code : db_script(db, "SELECT pg_reload_conf()", e);
}

static void
add_setting(struct buf *sql, const char *name, const char *value)
{
	buf_addf(sql, "ALTER SYSTEM SET %s = '", name);
	for (const char *p = value; *p; p++) {
		if (*p == '\'')
			buf_addc(sql, *p);
		buf_addc(sql, *p);
	}
	buf_adds(sql, "'");
}

static bool
is_nobody(const char *conninfo)
{
	return strcmp(conninfo, REPLICATION_NOBODY) == 0;
}

/* Whom it followed last stays written down: nobody is the answer to another question. */
static int
set_follow(struct db *db, const char *conninfo, struct err *e)
{
	auto_buf followed = BUF_INIT, follows = BUF_INIT;
	int code = 0;

	add_setting(&followed, "holdfast.follows", conninfo);
	add_setting(&follows, "primary_conninfo", is_nobody(conninfo) ? "" : conninfo);
	if (!is_nobody(conninfo))
		code = db_script(db, buf_str(&followed), e);
	if (!code)
		code = db_script(db, buf_str(&follows), e);
	return code ? code : db_script(db, "SELECT pg_reload_conf()", e);
}

/* Whom the database is to follow from now on; "": as it is. */
static const char *
to_follow(const struct replication *r)
{
	const char *wanted = is_nobody(r->follow) ? "" : r->follow;
	bool shown = r->view.at_ms > r->followed_ms + FOLLOWED_MS;

	return r->view.standby && shown && r->follow[0] && strcmp(wanted, r->view.conninfo) != 0
		       ? r->follow
		       : "";
}

/* Where there are other nodes, and a server that answers. */
static bool
is_time_to_mind(const struct replication *r)
{
	return r->view.at_ms && !r->view.failure[0] && r->view.nodes_n > 1 &&
	       clock_mono_ms() >= r->minded_ms + MIND_MS;
}

/* What is to be done beside the names; called and returns with the lock held. A failure is tried again. */
static void
tend(struct replication *r, struct db **db)
{
	char follow[REPLICATION_CONNINFO_MAX] = "";
	struct replication_members m;
	bool slots = !slots_are_right(r), members = members_differ(r, &m), mapped = false;
	bool primary = !r->view.standby, mind = is_time_to_mind(r);
	struct err e = { 0 };
	int code = 0;

	text_copy(follow, sizeof(follow), to_follow(r));
	/* What was done is given time to show. */
	if (r->view.at_ms < r->tended_ms + 2000)
		slots = members = false;
	if (!slots && !follow[0] && !members && !mind)
		return;
	worker_unlock(&r->worker);
	if (!*db)
		*db = replication_connect(r, "holdfast agent sync", &e);
	if (!*db)
		code = ERR_DB_GONE;
	if (!code && members) {
		code = map_members(r, *db, &m, &e);
		mapped = !code;
	}
	if (!code && slots)
		code = tend_slots(r, *db, &e);
	if (!code && follow[0]) {
		log_notice(is_nobody(follow)
				   ? "the database follows nobody until the histories are compared"
				   : "the database follows the primary");
		code = set_follow(*db, follow, &e);
	}
	if (!code && mind)
		code = replication_mind_roles(*db, primary, &e);
	if (code) {
		log_err(LOG_LEVEL_WARNING, &e, "cannot prepare the replication; trying on");
		db_free(TAKE(*db));
	}
	worker_lock(&r->worker);
	/* One that failed may have been written in part: it is done again. */
	if (members)
		r->mapped = mapped ? m : (struct replication_members){ 0 };
	if (!code && follow[0])
		r->followed_ms = clock_mono_ms();
	if (mind)
		r->minded_ms = clock_mono_ms();
	if (slots || members || code)
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
		*db = replication_connect(r, "holdfast agent sync", &e);
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
		*db = replication_connect(r, "holdfast agent sync", &e);
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

void
replication_start_orders(struct replication *r)
{
	struct setter *s = mem_new(sizeof(*s));

	s->r = r;
	text_copy(s->done, sizeof(s->done), "?");
	worker_start(&r->worker, "synchronous", take_orders, end_orders, s);
}
