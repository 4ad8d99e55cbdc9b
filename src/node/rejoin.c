/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes this node's database a standby of the primary that replication/rejoin.conf names, while PostgreSQL is stopped.
 * What only this node had was salvaged before (ha/salvage.h), or is kept aside if it could not be read. It retries until
 * it is done: a half-rewound folder is of no use to anybody. Only a hand-over is given up: if the other node does not take
 * over, this node continues as primary; if this node has something the other lacks, it starts once more to salvage that.
 */
#include "node/node.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "ha/rejoin.h"
#include "pg/cluster.h"
#include "pg/standby.h"
#include "store/db.h"

#define HANDOVER_MS 30000
#define RETRY_MS 200
#define SAY_EVERY_MS 10000
#define PATH_ROOM (HOME_PATH_MAX + 16)

struct rejoining {
	const struct home *h;
	struct rejoin rq;
	int64_t handover_until_ms;
	bool met;    /* the other node was seen to be the primary: this one must not go on as one */
	bool parted; /* … but has something that the other has not */
	bool rewound; /* needs what comes next from there before it is a database */
	int64_t said_ms;
};

static void
on_progress(void *ctx, const char *text, int percent)
{
	struct rejoining *j = ctx;

	rejoin_tell(j->h, text, percent);
	if (clock_mono_ms() - j->said_ms < SAY_EVERY_MS)
		return;
	j->said_ms = clock_mono_ms();
	log_info(percent < 0 ? "%s" : "%s: %d %%", text, percent);
}

/* Whether the node to follow is a primary by now. */
static int
meet_primary(struct rejoining *j, struct err *e)
{
	auto_buf info = BUF_INIT;
	auto_binds none = BINDS_INIT;
	auto_rows rows = NULL;
	struct db_options o = { .application = "holdfast rejoin" };

	channel_conninfo(j->h, CHANNEL_DEPOSIT, &j->rq.primary, &info);
	o.conninfo = buf_str(&info);
	struct db *d = db_open(&o, e);
	if (!d)
		return ERR_DB_GONE;
	j->met = true;
	int rc = db_exec(d, NULL, STMT_DEPOSIT_SETTLED, &none, &rows, e);
	if (!rc && !row_bool(rows, 0, COL_DEPOSIT_SETTLED_SETTLED))
		rc = err_set(e, ERR_PRECONDITION, "%s has only just become the primary",
			     j->rq.primary.host);
	db_free(d);
	return rc;
}

static int
renew_slot(struct rejoining *j, struct err *e)
{
	auto_buf info = BUF_INIT;
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;
	struct home_node self;
	struct db_options o = { .application = "holdfast rejoin" };
	int rc = home_node_read(j->h, &self, e);

	if (rc)
		return rc;
	channel_conninfo(j->h, CHANNEL_DEPOSIT, &j->rq.primary, &info);
	o.conninfo = buf_str(&info);
	struct db *d = db_open(&o, e);
	if (!d)
		return ERR_DB_GONE;
	bind_uuid(&b, &self.id);
	rc = db_exec(d, NULL, STMT_DEPOSIT_RENEW_SLOT, &b, &rows, e);
	if (!rc && row_null(rows, 0, COL_DEPOSIT_RENEW_SLOT_NAME))
		rc = err_set(e, ERR_REFUSED, "%s does not know this node as a secondary",
			     j->rq.primary.host);
	db_free(d);
	return rc;
}

/* A standby keeps no WAL for others: slots of its time as a primary would fill its disk. */
static int
remove_slots(const char *dir, struct err *e)
{
	char path[PATH_ROOM];

	snprintf(path, sizeof(path), "%s/pg_replslot", dir);
	int rc = access(path, F_OK) == 0 ? home_remove_tree(path, e) : 0;
	return rc ? rc : home_mkdirs(path, 0700, e);
}

static int
make_standby(struct rejoining *j, const char *dir, struct err *e)
{
	int rc = remove_slots(dir, e);

	return rc ? rc
		  : channel_write_standby(
			    j->h, &j->rq.primary,
			    j->rewound ? CHANNEL_START_AT_ONCE : CHANNEL_START_COMPARED, dir, e);
}

/* The copy takes the place of data/pg. What was there is kept until this node is in step again (agent/role.h). */
static int
swap(struct rejoining *j, struct err *e)
{
	char new[HOME_PATH_MAX], now[HOME_PATH_MAX], old[HOME_PATH_MAX], version[PATH_ROOM];

	home_path(j->h, HOME_PG_NEW, new);
	home_path(j->h, HOME_PG, now);
	home_path(j->h, HOME_PG_SWAPPED, old);
	snprintf(version, sizeof(version), "%s/PG_VERSION", new);
	if (!home_has(j->h, HOME_PG_NEW))
		return 0; /* it is in place already */
	int rc = access(version, F_OK) == 0 ? 0 : err_set(e, ERR_IO, "%s is no whole copy", new);
	if (!rc && home_has(j->h, HOME_PG_SWAPPED) && home_has(j->h, HOME_PG))
		rc = home_remove_tree(old, e);
	if (!rc)
		rc = make_standby(j, new, e);
	if (rc)
		return rc;
	if (FAULT(FILE_RENAME, -1, rename(now, old)) < 0 && errno != ENOENT)
		return err_errno(e, ERR_IO, "cannot move %s aside", now);
	if (FAULT(FILE_RENAME, -1, rename(new, now)) < 0)
		return err_errno(e, ERR_IO, "cannot put %s into its place", now);
	return 0;
}

static int
copy_primary(struct rejoining *j, struct err *e)
{
	char dir[HOME_PATH_MAX];
	auto_buf info = BUF_INIT;

	on_progress(j, "copying the primary's database", -1);
	home_path(j->h, HOME_PG_NEW, dir);
	channel_conninfo(j->h, CHANNEL_REPLICATE, &j->rq.primary, &info);
	int rc = standby_clone(j->h, buf_str(&info), dir, on_progress, j, e);
	if (rc)
		return rc;
	on_progress(j, "verifying the copy", -1);
	rc = standby_verify(j->h, dir, e);
	return rc ? err_prefix(e, "the copy is not whole: ") : 0;
}

static int
make_copy(struct rejoining *j, struct err *e)
{
	int rc = copy_primary(j, e);

	return rc ? rc : swap(j, e);
}

/* What could not be salvaged is never removed: it is damaged, or of another history. */
static int
set_aside(struct rejoining *j, struct err *e)
{
	char now[HOME_PATH_MAX], aside[HOME_PATH_MAX], at[CLOCK_ISO_LEN];

	home_path(j->h, HOME_PG, now);
	clock_iso(clock_now_us(), at);
	at[strcspn(at, ".Z")] = '\0';
	home_path_with(j->h, HOME_PG_DAMAGED, at, aside);
	if (!home_has(j->h, HOME_PG))
		return 0;
	if (rename(now, aside) < 0)
		return err_errno(e, ERR_IO, "cannot move %s aside", now);
	log_notice("the former database is kept as %s; remove it when you no longer need it",
		   aside);
	return 0;
}

/* Without a database here nobody else asked the primary for a slot. A folder that is gone was moved aside already: then the copy
 * is whole. */
static int
replace_damaged(struct rejoining *j, struct err *e)
{
	char now[HOME_PATH_MAX], new[HOME_PATH_MAX];

	home_path(j->h, HOME_PG, now);
	home_path(j->h, HOME_PG_NEW, new);
	if (home_has(j->h, HOME_PG) || !home_has(j->h, HOME_PG_NEW)) {
		int rc = meet_primary(j, e);
		if (!rc)
			rc = renew_slot(j, e);
		if (!rc)
			rc = copy_primary(j, e);
		if (rc)
			return rc;
	}
	int rc = set_aside(j, e);
	return rc ? rc : swap(j, e);
}

/* A node that handed over in order has nothing that the other has not. If it has (PostgreSQL was killed, the other node began
 * anew in between), the hand-over has failed: this node starts once more, meets the later epoch, saves what only it has and
 * returns by that. */
static int
compare(struct rejoining *j, struct err *e)
{
	auto_buf info = BUF_INIT;

	on_progress(j, "comparing the databases", -1);
	channel_conninfo(j->h, CHANNEL_REWIND, &j->rq.primary, &info);
	int rc = standby_parted(j->h, buf_str(&info), &j->parted, e);
	if (rc)
		j->parted = clock_mono_ms() > j->handover_until_ms;
	else if (j->parted)
		rc = err_set(e, ERR_CONFLICT, "this node has what %s has not", j->rq.primary.host);
	return rc;
}

/* A former primary parted from the new one. A secondary that did not part but cannot stream lacks WAL that is gone: it is
 * copied. */
static int
rewind_or_clone(struct rejoining *j, struct err *e)
{
	auto_buf info = BUF_INIT;
	bool needed = true;
	struct err why = { 0 };

	on_progress(j, "rewinding the database", -1);
	channel_conninfo(j->h, CHANNEL_REWIND, &j->rq.primary, &info);
	int rc = standby_rewind(j->h, buf_str(&info), &needed, on_progress, j, &why);
	j->rewound = rc == 0 && needed;
	if (j->rewound)
		return 0;
	if (rc)
		log_err(LOG_LEVEL_WARNING, &why,
			"the database cannot be rewound; copying it "
			"instead");
	return make_copy(j, e);
}

static int
follow(struct rejoining *j, struct err *e)
{
	char pg[HOME_PATH_MAX];
	int rc;

	if (j->rq.way == REJOIN_SWAP) {
		rc = swap(j, e);
	} else if (j->rq.way == REJOIN_SWAP_KEPT) {
		rc = home_has(j->h, HOME_PG_NEW) ? set_aside(j, e) : 0;
		if (!rc)
			rc = swap(j, e);
	} else if (j->rq.way == REJOIN_COPY) {
		rc = replace_damaged(j, e);
	} else {
		rc = meet_primary(j, e);
		if (!rc)
			rc = j->rq.way == REJOIN_HANDOVER ? compare(j, e) : rewind_or_clone(j, e);
	}
	home_path(j->h, HOME_PG, pg);
	return rc ? rc : make_standby(j, pg, e);
}

static bool
handover_failed(const struct rejoining *j, const struct err *why)
{
	bool late = !j->met && clock_mono_ms() > j->handover_until_ms;

	if (j->rq.way != REJOIN_HANDOVER || !(late || j->parted))
		return false;
	if (late)
		log_error("%s did not become the primary within %d s: this node goes on as the "
			  "primary",
			  j->rq.primary.host, HANDOVER_MS / 1000);
	else
		log_err(LOG_LEVEL_WARNING, why,
			"the hand-over did not end cleanly; this node starts once more to save "
			"what only it has");
	return true;
}

/* 0: done, or given up in order. */
static int
try_on(struct rejoining *j, struct err *e)
{
	int64_t said = clock_mono_ms();

	j->handover_until_ms = said + HANDOVER_MS;

	for (;;) {
		int rc = follow(j, e);

		if (!rc) {
			log_notice("this node follows %s now", j->rq.primary.host);
			return 0;
		}
		if (clock_mono_ms() - said > SAY_EVERY_MS) {
			said = clock_mono_ms();
			log_err(LOG_LEVEL_WARNING, e, "not a standby of %s yet; trying again",
				j->rq.primary.host);
		}
		if (handover_failed(j, e))
			return 0;
		rejoin_tell(j->h, e->text, -1);
		clock_sleep_ms(RETRY_MS);
	}
}

int
rejoin_main(const struct proc_args *a)
{
	struct rejoining j = { .h = &a->home };
	struct err e = { 0 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (sodium_init() < 0)
		return 1;
	int rc = rejoin_read(&a->home, &j.rq, &e);
	if (!rc)
		rc = try_on(&j, &e);
	if (!rc)
		rc = rejoin_remove(&a->home, &e);
	rejoin_tell(&a->home, "", -1);
	if (!rc)
		return 0;
	log_err(LOG_LEVEL_ERROR, &e, "this node cannot become a standby");
	return 1;
}
