/* SPDX-License-Identifier: Apache-2.0
 *
 * Between postgres and the services: waits until the database answers, refuses data that this
 * program does not know, brings a primary's schema up to date, and proves that the data was sealed
 * under this master key.
 */
#include "node/node.h"

#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/prctl.h>
#include "base/clock.h"
#include "base/log.h"
#include "crypto/keys.h"
#include "http/json.h"
#include "node/pairfiles.h"
#include "node/upgrade.h"
#include "pg/cluster.h"
#include "store/db.h"
#include "store/migrate.h"

#define SAY_EVERY_MS 2000

/* Waits as long as it takes: a standby may have much to replay. The supervisor ends this process
 * when the node stops. */
static struct db *
wait_for_database(const struct home *h)
{
	auto_buf conninfo = BUF_INIT;
	int64_t began = clock_mono_ms(), said = began;

	cluster_conninfo(h, "holdfast", &conninfo);
	/* A secondary that is away must not hold up the start: who would stop waiting for it comes later. */
	buf_adds(&conninfo, " options='-c synchronous_commit=local'");
	struct db_options o = { .conninfo = buf_str(&conninfo), .application = "holdfast prepare" };
	for (;;) {
		struct err e = { 0 };
		struct db *d = db_open(&o, &e);
		if (d)
			return d;
		if (clock_mono_ms() - said >= SAY_EVERY_MS) {
			said = clock_mono_ms();
			log_info("waiting for PostgreSQL for %lld s: %s",
				 (long long)((said - began) / 1000), e.text);
		}
		clock_sleep_ms(30);
	}
}

/* A secondary is upgraded first: it reads what its primary has. */
static int
read_earlier(int have, struct err *e)
{
	if (have < stmt_schema_first())
		return err_set(e, ERR_PRECONDITION,
			       "the primary's data (schema %d) is too old for this program, which "
			       "reads schema %d and later: upgrade the pair to a release in "
			       "between first",
			       have, stmt_schema_first());
	log_notice("the data has the primary's schema %d, which this program can read; what is "
		   "journaled here waits until the primary is upgraded too (schema %d)",
		   have, migrate_newest());
	return 0;
}

static int
bring_up_to_date(const struct proc_args *a, struct db *d, int have, struct err *e)
{
	bool migrate = true;
	int rc = a->upgrade_alone ? 0 : upgrade_may_migrate(&a->home, d, have, &migrate, e);

	if (rc != 0 || !migrate)
		return rc;
	return migrate_run(d, e);
}

static int
check_schema(const struct proc_args *a, struct db *d, struct err *e)
{
	const struct home *h = &a->home;
	int have;
	int rc = migrate_current(d, &have, e);
	if (rc < 0)
		return rc;
	if (have == 0)
		return err_set(e, ERR_PRECONDITION,
			       "the database in %s/data/pg was not made by Holdfast, or is "
			       "damaged: its table of versions (schema_migration) is missing or "
			       "empty. Restore the node's own data folder; nothing was changed",
			       h->dir);
	if (have > migrate_newest())
		return err_set(e, ERR_PRECONDITION,
			       "the data is newer (schema %d) than this program (schema %d): "
			       "install the newer Holdfast",
			       have, migrate_newest());
	if (have == migrate_newest())
		return 0;
	return cluster_is_standby(h) ? read_earlier(have, e) : bring_up_to_date(a, d, have, e);
}

static int
check_key(struct db *d, struct keys *keys, struct err *e)
{
	auto_rows rows = NULL;
	auto_binds none = BINDS_INIT;

	int rc = db_exec(d, NULL, STMT_KEY_LIST, &none, &rows, e);
	for (int i = 0; rc == 0 && i < rows_count(rows); i++) {
		size_t n;
		const void *wrapped = row_bytea(rows, i, COL_KEY_LIST_WRAPPED, &n);
		rc = keys_load(keys, NULL, (uint32_t)row_int(rows, i, COL_KEY_LIST_ID), wrapped, n,
			       e);
	}
	if (rc == ERR_BAD_KEY || rc == ERR_CRYPTO)
		rc = err_set(e, ERR_BAD_KEY,
			     "the master key file is not the one this data was sealed with: name "
			     "the right one with --key-file or in conf/manage_key.conf; nothing "
			     "was changed");
	return rc;
}

int
prepare_main(const struct proc_args *a)
{
	struct err e = { 0 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (sodium_init() < 0)
		return 1;
	http_init();
	struct db *d = wait_for_database(&a->home);
	struct keys *keys = keys_new(NULL, PROC_FD_KEYS);
	int rc = check_schema(a, d, &e);
	if (rc == 0)
		rc = check_key(d, keys, &e);
	if (rc == 0)
		rc = pairfiles_prove(a, d, keys, &e);
	keys_free(keys);
	db_free(d);
	if (rc == 0)
		return 0;
	log_err(LOG_LEVEL_ERROR, &e, "the node cannot start");
	return rc == ERR_DB_GONE || rc == ERR_KEYS_UNAVAILABLE ? 1 : PROC_EXIT_CONFIG;
}
