/* SPDX-License-Identifier: Apache-2.0
 *
 * A migration is one simple query of several statements: PostgreSQL makes that one transaction, so
 * the schema and its row in schema_migration come together or not at all.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/migrate.h"

#define TRIES 300 /* a minute: longer than any read takes */
#define PAUSE_MS 20

extern const struct migration migration_table[];

int
migrate_newest(void)
{
	int n = 0;

	while (migration_table[n].number != 0)
		n++;
	return n;
}

/* Rows of schema_migration; 0 rows (NULL) when there is no such table yet. */
static int
list(struct db *blocking, struct rows **ret, struct err *e)
{
	struct err own = { 0 };
	int code = db_exec(blocking, NULL, STMT_MIGRATE_LIST, NULL, ret, &own);

	if (code == ERR_DB && strcmp(own.sqlstate, "42P01") == 0) {
		*ret = NULL;
		return 0;
	}
	if (code != 0 && e != NULL)
		*e = own;
	return code == 0 ? 0 : err_prefix(e, "cannot read which schema the database has: ");
}

static int
check_row(const struct rows *r, int row, struct err *e)
{
	int number = row_int(r, row, COL_MIGRATE_LIST_NUMBER);
	const struct migration *m = &migration_table[row];

	if (row >= migrate_newest())
		return err_set(
			e, ERR_PRECONDITION,
			"the database has schema %d (%s), this program knows schemas up to %d: "
			"it is older than the data; install the newer program",
			number, row_text(r, row, COL_MIGRATE_LIST_NAME), migrate_newest());
	if (number != m->number ||
	    strcmp(row_text(r, row, COL_MIGRATE_LIST_SHA256), m->sha256) != 0)
		return err_set(e, ERR_PRECONDITION,
			       "schema %d (%s) of the database is not the one of this program: the "
			       "data was made by another build",
			       number, row_text(r, row, COL_MIGRATE_LIST_NAME));
	return 0;
}

/* Checks all rows; *ret = how many there are. */
static int
check(struct db *blocking, int *ret, struct err *e)
{
	auto_rows r = NULL;
	int code = list(blocking, &r, e);
	int n = r == NULL ? 0 : rows_count(r);

	for (int row = 0; code == 0 && row < n; row++)
		code = check_row(r, row, e);
	if (code == 0)
		*ret = n;
	return code;
}

static bool
was_in_the_way(const struct err *e)
{
	return strcmp(e->sqlstate, "55P03") == 0 || strcmp(e->sqlstate, "40P01") == 0;
}

/* A migration takes tables that others read in another order. It gives all of them back well before PostgreSQL looks for a deadlock (1 s),
 * and begins anew: nobody who reads waits long for it, or fails. */
static int
run(struct db *blocking, const char *sql, struct err *e)
{
	struct err own = { 0 };
	int code = 0;

	for (int i = 0; i < TRIES; i++) {
		own = (struct err){ 0 };
		code = db_script(blocking, sql, &own);
		if (code == 0 || !was_in_the_way(&own))
			break;
		clock_sleep_ms(PAUSE_MS);
	}
	if (code != 0 && e != NULL)
		*e = own;
	return code;
}

/* The table is made after the first migration's text, which makes the roles: they may read it only.
 */
static int
apply(struct db *blocking, const struct migration *m, struct err *e)
{
	auto_buf b = BUF_INIT;

	buf_adds(&b, "SET LOCAL lock_timeout = '200ms';\n");
	buf_adds(&b, m->sql);
	buf_adds(&b, "\n;CREATE TABLE IF NOT EXISTS schema_migration (number int PRIMARY KEY, "
		     "name text NOT NULL, sha256 text NOT NULL, "
		     "at timestamptz NOT NULL DEFAULT now());\n"
		     "REVOKE ALL ON schema_migration FROM hf_vault;\n"
		     "GRANT SELECT ON schema_migration TO hf_vault;\n");
	buf_addf(&b, "INSERT INTO schema_migration (number, name, sha256) VALUES (%d, '%s', '%s')",
		 m->number, m->name, m->sha256);
	if (run(blocking, buf_str(&b), e) != 0)
		return err_prefix(e, "migration %04d_%s: ", m->number, m->name);
	log_notice("the database has schema %d (%s) now", m->number, m->name);
	return 0;
}

int
migrate_to(struct db *blocking, int number, struct err *e)
{
	int n = 0;
	int code = check(blocking, &n, e);

	while (code == 0 && n < number)
		code = apply(blocking, &migration_table[n++], e);
	return code;
}

/* What a migration leaves to the statements of this program, because the rules are theirs. Each does nothing where nothing is left. */
static int
finish(struct db *blocking, struct err *e)
{
	static const enum stmt left[] = { STMT_RETELL_NODES, STMT_RETELL_BINS_LEFT,
					  STMT_RETELL_LEFT };
	int code = 0;

	for (size_t i = 0; code == 0 && i < ARRAY_LEN(left); i++)
		code = db_exec(blocking, NULL, left[i], NULL, NULL, e);
	return code == 0 ? 0 : err_prefix(e, "cannot work out anew what the log says: ");
}

int
migrate_run(struct db *blocking, struct err *e)
{
	int code = migrate_to(blocking, migrate_newest(), e);

	return code == 0 ? finish(blocking, e) : code;
}

int
migrate_current(struct db *blocking, int *ret, struct err *e)
{
	auto_rows r = NULL;
	int code = list(blocking, &r, e);

	if (code == 0)
		*ret = r == NULL || rows_count(r) == 0
			       ? 0
			       : row_int(r, rows_count(r) - 1, COL_MIGRATE_LIST_NUMBER);
	return code;
}
