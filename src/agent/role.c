/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/role.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/worker.h"
#include "ha/salvage.h"
#include "pack/basebackup.h"
#include "pg/cluster.h"
#include "pg/standby.h"
#include "store/db.h"
#include "store/migrate.h"

#define PROMOTE_S 60
#define QUIET_MS 10000 /* how long transactions of the vault may take to end */
#define POLL_MS 50
#define LOCAL_MS                                                                                   \
	30000 /* how long the local server may take to answer before it counts as one that does not start */

struct role {
	struct worker worker;
	struct home home;
	struct uuid self;
	char *local;
	struct deposit *deposit;
	struct role_order order;
	struct role_view view;
	/* The thread's, while it works: keeps the log closed to writers until PostgreSQL is stopped. */
	struct db *closed;
};

/* What the thread has in hand while it works. */
struct work {
	struct role *r;
	struct role_order o;
	struct db *local, *primary;
	bool no_place, unusable;
};

static void
set_step(struct role *r, const char *text)
{
	log_notice("%s", text);
	worker_lock(&r->worker);
	snprintf(r->view.step, sizeof(r->view.step), "%s", text);
	worker_unlock(&r->worker);
}

static void
on_progress(void *ctx, const char *text, int percent)
{
	struct role *r = ctx;

	worker_lock(&r->worker);
	snprintf(r->view.step, sizeof(r->view.step), percent < 0 ? "%s" : "%s, %d %%", text,
		 percent);
	worker_unlock(&r->worker);
}

/* ---- databases ---- */

static int
open_local(struct work *w, struct err *e)
{
	auto_buf info = BUF_INIT;
	struct db_options o = { .application = "holdfast agent role" };

	buf_addf(&info, "%s connect_timeout=3 options='-c synchronous_commit=local'", w->r->local);
	o.conninfo = buf_str(&info);
	w->local = db_open(&o, e);
	return w->local ? 0 : ERR_DB_GONE;
}

static int
open_primary(struct work *w, struct err *e)
{
	auto_buf info = BUF_INIT;
	struct db_options o = { .application = "holdfast deposit" };

	channel_conninfo(&w->r->home, CHANNEL_DEPOSIT, &w->o.primary, &info);
	o.conninfo = buf_str(&info);
	w->primary = db_open(&o, e);
	if (w->primary)
		return 0;
	return err_prefix(e, "cannot reach the database of %s: ", w->o.primary.host);
}

static int
ask(struct db *d, enum stmt s, const struct binds *b, struct rows **ret, struct err *e)
{
	auto_binds none = BINDS_INIT;

	return db_exec(d, NULL, s, b ? b : &none, ret, e);
}

/* Until nothing of the vault is being written any more: its writer stops by the state of the node. */
static int
wait_quiet(struct work *w, struct err *e)
{
	int64_t until = clock_mono_ms() + QUIET_MS;

	for (;;) {
		auto_rows rows = NULL;
		int rc = ask(w->local, STMT_HA_VAULT_BUSY, NULL, &rows, e);

		if (rc || row_bigint(rows, 0, COL_HA_VAULT_BUSY_N) == 0)
			return rc;
		if (clock_mono_ms() > until)
			return err_set(e, ERR_TIMEOUT, "a change is still being written");
		clock_sleep_ms(POLL_MS);
	}
}

/* What is written after the log was read here would be lost. The database ends what it already has before this returns, even what nobody
 * waits for any more; what comes later waits, and ends with PostgreSQL. A secondary's log has no writers. */
static int
close_log(struct work *w, struct err *e)
{
	auto_buf sql = BUF_INIT;

	buf_addf(&sql,
		 "BEGIN; SET LOCAL lock_timeout = %d; SET LOCAL "
		 "idle_in_transaction_session_timeout = 0;"
		 "DO $$ BEGIN IF NOT pg_is_in_recovery() THEN LOCK TABLE event IN SHARE MODE; END "
		 "IF; END $$",
		 QUIET_MS);
	int rc = db_script(w->local, buf_str(&sql), e);
	return rc ? err_prefix(e, "a change is still being written: ") : 0;
}

/* ---- tasks ---- */

/* Before the vault writes here: what a secondary was upgraded for before its primary. */
static int
bring_up_to_date(struct work *w, struct err *e)
{
	int have = 0;
	int rc = migrate_current(w->local, &have, e);

	if (rc || have == migrate_newest())
		return rc;
	set_step(w->r, "bringing the schema of the data up to date");
	return migrate_run(w->local, e);
}

/* The checkpoint makes the new timeline known to pg_rewind (PostgreSQL, "pg_rewind", Notes). */
static int
promote(struct work *w, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;

	set_step(w->r, "promoting the database");
	bind_int(&b, PROMOTE_S);
	int rc = rejoin_remove(&w->r->home, e); /* a copy would take its place */
	if (!rc)
		rc = ask(w->local, STMT_HA_PROMOTE, &b, &rows, e);
	if (!rc && !row_bool(rows, 0, COL_HA_PROMOTE_DONE))
		rc = err_set(e, ERR_TIMEOUT, "PostgreSQL was not promoted within %d s", PROMOTE_S);
	if (!rc)
		rc = ask(w->local, STMT_HA_CHECKPOINT, NULL, NULL, e);
	return rc ? rc : bring_up_to_date(w, e);
}

static int
write_request(struct work *w, enum rejoin_way way, struct err *e)
{
	struct rejoin rq = { .way = way, .primary = w->o.primary };

	return rejoin_write(&w->r->home, &rq, e);
}

static int
hand_over(struct work *w, struct err *e)
{
	int rc = wait_quiet(w, e);

	return rc ? rc : write_request(w, REJOIN_HANDOVER, e);
}

/* *ret_parted: this log and the primary's went different ways, so that nothing here may be given up. */
static int
salvage(struct work *w, bool *ret_parted, struct err *e)
{
	struct salvaged done = { 0 };
	char text[128];
	int rc = close_log(w, e);

	if (!rc)
		rc = open_primary(w, e);
	if (!rc) {
		deposit_hold(w->r->deposit);
		rc = salvage_run(&w->r->home, &w->r->self, w->local, w->primary, &done, e);
		deposit_release(w->r->deposit);
	}
	if (rc)
		return err_prefix(e, "saving what only this node has: ");
	snprintf(text, sizeof(text), "saved %lld events that only this node has",
		 (long long)done.events);
	set_step(w->r, done.events ? text : "nothing is on this node alone");
	*ret_parted = done.parted;
	return 0;
}

static int
renew_slot(struct work *w, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;

	bind_uuid(&b, &w->r->self);
	int rc = ask(w->primary, STMT_DEPOSIT_RENEW_SLOT, &b, &rows, e);
	if (!rc && row_null(rows, 0, COL_DEPOSIT_RENEW_SLOT_NAME))
		rc = err_set(e, ERR_REFUSED, "the primary does not know this node as a secondary");
	return rc;
}

/* A database that cannot be read is copied anew with its server stopped, and kept aside. */
static int
give_up_local(struct work *w, const struct err *why, struct err *e)
{
	log_err(LOG_LEVEL_ERROR, why,
		"the database here cannot be read: it is copied anew, and what was there is kept "
		"aside");
	return write_request(w, REJOIN_COPY, e);
}

/* What the last copy replaced is given up for the next one: the database here was that copy, and answers. */
static int
look_at_room(struct work *w, int64_t bytes, struct err *e)
{
	char data[HOME_PATH_MAX], old[HOME_PATH_MAX];
	struct err ignored;

	home_path(&w->r->home, HOME_DATA, data);
	home_path(&w->r->home, HOME_PG_SWAPPED, old);
	if (!home_has(&w->r->home, HOME_PG_SWAPPED) ||
	    basebackup_check_room(data, bytes, &ignored) == 0)
		return basebackup_check_room(data, bytes, e);
	int rc = home_remove_tree(old, e);
	return rc ? rc : basebackup_check_room(data, bytes, e);
}

static int
look_at_place(struct work *w, struct err *e)
{
	char pg[HOME_PATH_MAX], new[HOME_PATH_MAX];
	auto_binds none = BINDS_INIT;
	auto_rows rows = NULL;

	home_path(&w->r->home, HOME_PG, pg);
	home_path(&w->r->home, HOME_PG_NEW, new);
	int rc = home_check_movable(pg, e);
	if (!rc && home_has(&w->r->home, HOME_PG_NEW))
		rc = home_remove_tree(new, e); /* of a copy that was interrupted */
	if (!rc)
		rc = ask(w->primary, STMT_DEPOSIT_DATABASE_BYTES, &none, &rows, e);
	if (!rc)
		rc = look_at_room(w, row_bigint(rows, 0, COL_DEPOSIT_DATABASE_BYTES_BYTES), e);
	return rc;
}

/* A copy that has no room, or cannot take its place, is not begun: whatever is here goes on being of use. */
static int
check_place(struct work *w, struct err *e)
{
	int rc = look_at_place(w, e);

	w->no_place = rc == ERR_IO || rc == ERR_PRECONDITION;
	/* Only a former primary is rewound in place (ha/orders.h). */
	if (!rc || w->o.task != ROLE_RETURN || cluster_is_standby(&w->r->home))
		return rc;
	return err_prefix(
		e, rc == ERR_IO ? "make room, or run `holdfast ha rejoin --in-place` here: "
				: "change that, or run `holdfast ha rejoin --in-place` here: ");
}

static int
look_into_copy(struct work *w, struct err *e)
{
	auto_buf info = BUF_INIT;
	auto_rows rows = NULL;
	struct db_options o = { .application = "holdfast agent trial" };

	cluster_try_conninfo(&w->r->home, "holdfast", &info);
	o.conninfo = buf_str(&info);
	struct db *d = db_open(&o, e);
	if (!d)
		return ERR_DB_GONE;
	int rc = ask(d, STMT_HA_LOCAL, NULL, &rows, e);
	if (!rc && !row_bool(rows, 0, COL_HA_LOCAL_STANDBY))
		rc = err_set(e, ERR_PRECONDITION, "its server does not run as a standby");
	db_free(d);
	return rc;
}

/* What is whole may still not start on this machine (a library that is not installed, a setting that it does not
 * take), and the server that gives access is stopped for it. */
static int
try_copy(struct work *w, const char *dir, struct err *e)
{
	struct err ignored;

	set_step(w->r, "trying the copy");
	int rc = channel_write_standby(&w->r->home, &w->o.primary, CHANNEL_START_COMPARED, dir, e);
	if (!rc)
		rc = cluster_try(&w->r->home, dir, e);
	if (!rc)
		rc = look_into_copy(w, e);
	w->unusable = rc != 0;
	int ended = cluster_try_end(dir, rc ? &ignored : e);
	if (rc)
		return err_prefix(e, "the copy is whole, but does not start here: ");
	return ended;
}

/* Whole, verified and tried before the server is stopped for it. */
static int
copy_beside(struct work *w, enum rejoin_way way, struct err *e)
{
	char dir[HOME_PATH_MAX];
	auto_buf info = BUF_INIT;
	int rc = check_place(w, e);

	if (!rc)
		rc = rejoin_copy_begin(&w->r->home, e);
	if (!rc)
		rc = renew_slot(w, e);
	if (rc)
		return rc;
	set_step(w->r, "copying the primary's database");
	home_path(&w->r->home, HOME_PG_NEW, dir);
	channel_conninfo(&w->r->home, CHANNEL_REPLICATE, &w->o.primary, &info);
	rc = standby_clone(&w->r->home, buf_str(&info), dir, on_progress, w->r, e);
	if (rc)
		return rc;
	set_step(w->r, "verifying the copy");
	rc = standby_verify(&w->r->home, dir, e);
	if (rc)
		return err_prefix(e, "the copy is not whole: ");
	rc = try_copy(w, dir, e);
	return rc ? rc : write_request(w, way, e);
}

/* Where both logs went different ways what was here is kept aside. */
static int
replace(struct work *w, struct err *e)
{
	bool parted = false;
	int rc = salvage(w, &parted, e);

	if (rc)
		return rc;
	if (parted)
		log_warning("the log here and the one of %s went different ways: that node's data "
			    "are copied, and what was here is kept aside",
			    w->o.primary.host);
	return copy_beside(w, parted ? REJOIN_SWAP_KEPT : REJOIN_SWAP, e);
}

static int
make_copy(struct work *w, struct err *e)
{
	int rc = replace(w, e);

	if (rc != ERR_DATA_DAMAGED)
		return rc;
	struct err why = *e;
	return give_up_local(w, &why, e);
}

/* Whether the epoch that this database is of was begun in the primary's log too. If not, both were promoted apart from each
 * other: the numbers of their timelines may be the same, and pg_rewind, which goes by these, would take one history for
 * the other. */
static int
shares_epoch(struct work *w, bool *ret, struct err *e)
{
	auto_binds chain = BINDS_INIT, after = BINDS_INIT;
	auto_rows mark = NULL;
	auto_rows begun = NULL;

	*ret = w->o.epoch_is_logged;
	if (!*ret)
		return 0;
	bind_uuid(&chain, &w->o.epoch_node);
	int rc = ask(w->primary, STMT_DEPOSIT_MARK, &chain, &mark, e);
	if (rc)
		return rc;
	bool has = rows_count(mark) && !row_null(mark, 0, COL_DEPOSIT_MARK_SEQ);
	bind_uuid(&after, &w->o.epoch_node);
	bind_bigint(&after, has ? row_bigint(mark, 0, COL_DEPOSIT_MARK_SEQ) : 0);
	rc = ask(w->local, STMT_HA_PROMOTED_AFTER, &after, &begun, e);
	if (!rc)
		*ret = !row_bool(begun, 0, COL_HA_PROMOTED_AFTER_FOUND);
	return rc;
}

/* By an operator's order alone: while it goes on this node has no database, and whoever it follows the only copy. */
static int
rewind_in_place(struct work *w, struct err *e)
{
	bool shares = false, parted = false;
	int rc = salvage(w, &parted, e);

	if (!rc && !parted)
		rc = shares_epoch(w, &shares, e);
	if (rc)
		return rc;
	if (!shares)
		return err_set(e, ERR_PRECONDITION,
			       "the log here and the one of %s went different ways: nothing can be "
			       "rewound. Make room for a copy instead",
			       w->o.primary.host);
	return write_request(w, REJOIN_REWIND, e);
}

/* What a copy took the place of. */
static int
tidy(struct work *w, struct err *e)
{
	char old[HOME_PATH_MAX];

	home_path(&w->r->home, HOME_PG_SWAPPED, old);
	log_notice("this node is in step: the database that a copy took the place of is removed");
	return home_remove_tree(old, e);
}

/* ---- the thread ---- */

static int (*const tasks[])(struct work *w, struct err *e) = {
	[ROLE_PROMOTE] = promote,    [ROLE_MIGRATE] = bring_up_to_date,
	[ROLE_HANDOVER] = hand_over, [ROLE_RETURN] = replace,
	[ROLE_CLONE] = make_copy,    [ROLE_REWIND] = rewind_in_place,
	[ROLE_TIDY] = tidy,
};

/* A server that was killed needs a while to be back. */
static int
wait_for_local(struct work *w, struct err *e)
{
	int64_t until = clock_mono_ms() + LOCAL_MS;
	int rc;

	while ((rc = open_local(w, e)) != 0 && w->o.task == ROLE_CLONE && clock_mono_ms() < until)
		clock_sleep_ms(POLL_MS);
	return rc;
}

static int
carry_out(struct work *w, struct err *e)
{
	db_free(TAKE(w->r->closed));
	int rc = wait_for_local(w, e);
	struct err why = *e;

	if (!rc)
		rc = tasks[w->o.task](w, e);
	else if (w->o.task == ROLE_CLONE)
		rc = give_up_local(w, &why, e);
	if (!rc &&
	    (w->o.task == ROLE_RETURN || w->o.task == ROLE_CLONE || w->o.task == ROLE_REWIND))
		w->r->closed = TAKE(w->local);
	db_free(TAKE(w->local));
	db_free(TAKE(w->primary));
	return rc;
}

static int64_t
take_order(void *arg)
{
	struct role *r = arg;
	struct work w = { .r = r, .o = r->order };
	struct err e = { 0 };

	if (!r->view.working)
		return WORKER_WHEN_WOKEN;
	worker_unlock(&r->worker);
	int rc = carry_out(&w, &e);
	if (rc)
		log_err(LOG_LEVEL_WARNING, &e, "the change of role");
	worker_lock(&r->worker);
	r->view.working = false;
	r->view.done = rc == 0;
	r->view.no_place = w.no_place;
	r->view.unusable = w.unusable;
	text_fit(r->view.failure, sizeof(r->view.failure), "%s", rc ? e.text : "");
	return WORKER_WHEN_WOKEN;
}

struct role *
role_new(const struct home *h, const struct uuid *self, const char *local_conninfo,
	 struct deposit *d)
{
	struct role *r = mem_new(sizeof(*r));

	r->home = *h;
	r->self = *self;
	r->local = mem_dup(local_conninfo);
	r->deposit = d;
	worker_init(&r->worker);
	worker_start(&r->worker, "role", take_order, NULL, r);
	return r;
}

bool
role_begin(struct role *r, const struct role_order *o)
{
	worker_lock(&r->worker);
	bool idle = !r->view.working;
	if (idle) {
		r->order = *o;
		r->view = (struct role_view){ .task = o->task, .working = true };
		worker_wake(&r->worker);
	}
	worker_unlock(&r->worker);
	return idle;
}

void
role_look(struct role *r, struct role_view *ret)
{
	worker_lock(&r->worker);
	*ret = r->view;
	worker_unlock(&r->worker);
}

void
role_open_log(struct role *r)
{
	worker_lock(&r->worker);
	if (!r->view.working)
		db_free(TAKE(r->closed));
	worker_unlock(&r->worker);
}
