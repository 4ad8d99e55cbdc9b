/* SPDX-License-Identifier: Apache-2.0
 *
 * The connection with every call of libpq failing once: reads are answered all the same, a write is done or its outcome is
 * said to be unknown, a transaction is whole, and the next call finds a connection.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include "../sweep.h"
#include "pgtemp.h"
#include "store/db.h"

static struct pgtemp *pg;
static struct fiber_pool *pool;

struct user {
	struct db *db;
	struct fiber *f; /* NULL: blocking */
};

static int
echo_of(struct user *u, int64_t n, int64_t *ret)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	struct err e = { 0 };

	bind_bigint(&b, n);
	int rc = db_exec(u->db, u->f, STMT_ECHO, &b, &r, &e);
	if (rc == 0)
		*ret = row_bigint(r, 0, 0);
	return rc;
}

/* A read is sent again by itself. */
static void
expect_echo(struct user *u, int64_t n)
{
	int64_t got = 0;

	assert_int_equal(echo_of(u, n, &got), 0);
	assert_int_equal(got, n);
}

static int64_t
items(struct user *u)
{
	auto_rows r = NULL;

	assert_int_equal(db_exec(u->db, u->f, STMT_ITEMS, NULL, &r, NULL), 0);
	return row_bigint(r, 0, 0);
}

static void
bind_item(struct binds *b, int k)
{
	bind_int(b, k);
	bind_text(b, "value");
}

/* Two rows, both or none; an unknown outcome is asked for. */
static int
try_put(struct user *u, int k)
{
	struct db_step steps[2] = { { .s = STMT_PUT, .b = BINDS_INIT },
				    { .s = STMT_PUT, .b = BINDS_INIT } };
	struct err e = { 0 };

	bind_item(&steps[0].b, k);
	bind_item(&steps[1].b, k + 1);
	int rc = db_transaction(u->db, u->f, steps, 2, NULL, &e);
	binds_done(&steps[0].b);
	binds_done(&steps[1].b);
	return rc;
}

static void
put_two(struct user *u, int k)
{
	int64_t before = items(u);
	int rc = try_put(u, k);

	if (rc != 0) {
		int64_t now;

		assert_true(fault_fired());
		assert_int_equal(rc, ERR_DB_GONE);
		pgtemp_settle(pg);
		now = items(u);
		assert_true(now == before || now == before + 2);
		if (now == before)
			assert_int_equal(try_put(u, k), 0);
	}
	assert_int_equal(items(u), before + 2);
}

static void
work(struct user *u)
{
	expect_echo(u, 1);
	put_two(u, 1);
	expect_echo(u, 2);
	put_two(u, 3);
	expect_echo(u, 3);
	assert_int_equal(items(u), 4);
}

static void
work_in_fiber(struct fiber *f, void *arg)
{
	struct user *u = arg;

	u->f = f;
	work(u);
	db_free(u->db);
}

static struct db_options
options(void)
{
	return (struct db_options){ .conninfo = pgtemp_conninfo(pg, "holdfast"), .wait_ms = 5000 };
}

static void
once_in_loop(void *arg)
{
	struct db_options o = options();
	struct user u = { 0 };
	uv_loop_t loop;

	pgtemp_settle(pg);
	pgtemp_sql(pg, "TRUNCATE item CASCADE");
	uv_loop_init(&loop);
	u.db = db_new(&loop, &o);
	assert_true(fiber_start(pool, work_in_fiber, &u));
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

static void
once_blocking(void *arg)
{
	struct db_options o = options();
	struct user u = { 0 };
	struct err e = { 0 };

	pgtemp_settle(pg);
	pgtemp_sql(pg, "TRUNCATE item CASCADE");
	u.db = db_open(&o, &e);
	assert_non_null(u.db); /* it tries on for wait_ms */
	work(&u);
	int rc = db_script(u.db, "INSERT INTO item (k, v) VALUES (9, 'script')", &e);
	if (rc != 0) {
		assert_true(fault_fired());
		pgtemp_settle(pg);
		if (items(&u) == 4)
			assert_int_equal(
				db_script(u.db, "INSERT INTO item (k, v) VALUES (9, 'script')", &e),
				0);
	}
	assert_int_equal(items(&u), 5);
	db_free(u.db);
}

static void
in_a_loop(void **state)
{
	assert_true(sweep(once_in_loop, NULL) > 20);
}

static void
blocking(void **state)
{
	assert_true(sweep(once_blocking, NULL) > 20);
}

static int
begin(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	pg = pgtemp_new();
	pgtemp_sql(pg, "CREATE TABLE item (k int PRIMARY KEY, v text)");
	pool = fiber_pool_new(128 << 10, 16);
	return 0;
}

static int
end(void **state)
{
	fiber_pool_free(pool);
	pgtemp_free(pg);
	return 0;
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_a_loop),
		cmocka_unit_test(blocking),
	};

	if (!pgtemp_have())
		return PGTEMP_SKIP;
	return cmocka_run_group_tests(tests, begin, end);
}
