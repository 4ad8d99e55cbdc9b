/* SPDX-License-Identifier: Apache-2.0
 *
 * Migrations come whole or not at all, once, in order; foreign and newer data is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <string.h>

#include "pgtemp.h"
#include "store/migrate.h"

static struct pgtemp *pg;
static struct db *db;
static struct err e;

static int
current(void)
{
	int n = -1;

	assert_int_equal(migrate_current(db, &n, &e), 0);
	return n;
}

static void
an_empty_database_has_none(void **state)
{
	assert_int_equal(current(), 0);
	assert_int_equal(migrate_newest(), 2);
}

/* Also proves that what came before the failing one stays. */
static void
a_failing_one_leaves_nothing_behind(void **state)
{
	assert_int_equal(migrate_run(db, &e), ERR_DB);
	assert_string_equal(e.sqlstate, "22012");
	assert_non_null(strstr(e.text, "0002_needs_an_item"));
	assert_int_equal(current(), 1);
	assert_int_equal(db_script(db, "CREATE TABLE half (); DROP TABLE half", &e), 0);
}

/* Holds what the migration wants, and wants what it holds. */
static void *
stand_in_the_way(void *arg)
{
	pgtemp_sql(pg, "BEGIN; LOCK TABLE item;"
		       "DO 'BEGIN WHILE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted) LOOP "
		       "PERFORM pg_sleep(0.01); END LOOP; END';"
		       "CREATE TABLE half (); ROLLBACK");
	return NULL;
}

/* Of two that wait for each other it is not the other one that fails. */
static void
it_goes_on_where_it_stopped(void **state)
{
	pthread_t other;

	assert_int_equal(db_script(db, "INSERT INTO item VALUES (1, 'one')", &e), 0);
	assert_int_equal(pthread_create(&other, NULL, stand_in_the_way, NULL), 0);
	assert_int_equal(
		db_script(db,
			  "DO 'BEGIN WHILE NOT EXISTS (SELECT FROM pg_locks WHERE relation = "
			  "''item''::regclass AND mode = ''AccessExclusiveLock'' AND granted) "
			  "LOOP PERFORM pg_sleep(0.01); END LOOP; END'",
			  &e),
		0);
	assert_int_equal(migrate_run(db, &e), 0);
	assert_int_equal(pthread_join(other, NULL), 0);
	assert_int_equal(current(), 2);
	assert_int_equal(migrate_run(db, &e), 0);
	assert_int_equal(current(), 2);
}

static void
vaultd_may_read_but_not_write_the_list(void **state)
{
	struct db_options o = { .conninfo = pgtemp_conninfo(pg, "hf_vault") };
	struct db *vault = db_open(&o, &e);
	int n = 0;

	assert_non_null(vault);
	assert_int_equal(db_script(vault, "DELETE FROM schema_migration", &e), ERR_DB);
	assert_string_equal(e.sqlstate, "42501");
	assert_int_equal(migrate_current(vault, &n, &e), 0);
	assert_int_equal(n, 2);
	db_free(vault);
}

static void
a_changed_one_is_refused(void **state)
{
	assert_int_equal(
		db_script(db, "UPDATE schema_migration SET sha256 = 'x' WHERE number = 1", &e), 0);
	assert_int_equal(migrate_run(db, &e), ERR_PRECONDITION);
	assert_non_null(strstr(e.text, "another build"));
}

static void
newer_data_is_refused(void **state)
{
	assert_int_equal(
		db_script(db, "INSERT INTO schema_migration VALUES (3, 'future', 'y')", &e), 0);
	assert_int_equal(current(), 3);
	assert_int_equal(migrate_run(db, &e), ERR_PRECONDITION);
	assert_non_null(strstr(e.text, "newer program"));
}

static int
start(void **state)
{
	struct db_options o;

	pg = pgtemp_new();
	o = (struct db_options){ .conninfo = pgtemp_conninfo(pg, "holdfast") };
	db = db_open(&o, &e);
	return db == NULL ? -1 : 0;
}

static int
stop(void **state)
{
	db_free(db);
	pgtemp_free(pg);
	return 0;
}

int
main(void)
{
	/* One story: each goes on where the one before ended. */
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_database_has_none),
		cmocka_unit_test(a_failing_one_leaves_nothing_behind),
		cmocka_unit_test(it_goes_on_where_it_stopped),
		cmocka_unit_test(vaultd_may_read_but_not_write_the_list),
		cmocka_unit_test(newer_data_is_refused),
		cmocka_unit_test(a_changed_one_is_refused),
	};

	if (!pgtemp_have())
		return PGTEMP_SKIP;
	return cmocka_run_group_tests(tests, start, stop);
}
