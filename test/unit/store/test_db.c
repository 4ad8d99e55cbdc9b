/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection for many fibers, on a real server: pipelining, errors that stay with their caller,
 * transactions, and everything a server can do to a connection.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "pgtemp.h"
#include "store/db.h"

#define FIBERS 200

static struct pgtemp *pg;
static uv_loop_t loop;
static struct fiber_pool *pool;
static struct db *db;

/* What one fiber does and what it saw. */
struct job {
	fiber_fn *fn;
	int64_t n;
	int code;
	int64_t got;
	int64_t took_ms;
	struct err e;
	bool ended;
};

static int64_t running;

#define SOON_MS 5000 /* of what lasts no longer than it has to, on any machine */

static struct db *
connect_with(int wait_ms, int call_ms)
{
	struct db_options o = { .conninfo = pgtemp_conninfo(pg, "holdfast"),
				.application = "test_db",
				.wait_ms = wait_ms,
				.call_ms = call_ms };

	return db_new(&loop, &o);
}

static struct db *
open_blocking(int wait_ms)
{
	struct db_options o = { .conninfo = pgtemp_conninfo(pg, "holdfast"), .wait_ms = wait_ms };
	struct err e = { 0 };
	struct db *d = db_open(&o, &e);

	if (d == NULL)
		fail_msg("%s", e.text);
	return d;
}

static void
run_job(struct fiber *f, void *arg)
{
	struct job *j = arg;
	int64_t begun = clock_mono_ms();

	j->fn(f, j);
	j->took_ms = clock_mono_ms() - begun;
	j->ended = true;
	running--;
}

static void
begin(struct job *j, fiber_fn *fn, int64_t n)
{
	*j = (struct job){ .fn = fn, .n = n };
	running++;
	assert_true(fiber_start(pool, run_job, j));
}

static void
finish(void)
{
	while (running > 0)
		uv_run(&loop, UV_RUN_ONCE);
}

/* Lets the loop run for a while. */
static void
turn_for(int64_t ms)
{
	int64_t until = clock_mono_ms() + ms;

	while (clock_mono_ms() < until) {
		uv_run(&loop, UV_RUN_NOWAIT);
		clock_sleep_ms(1);
	}
}

static void
await(bool up)
{
	while (db_up(db) != up)
		uv_run(&loop, UV_RUN_ONCE);
}

/* ---- calls ---- */

static int
call_bigint(struct fiber *f, enum stmt s, const struct binds *b, int64_t *ret, struct err *e)
{
	auto_rows r = NULL;
	int code = db_exec(db, f, s, b, &r, e);

	if (code == 0)
		*ret = row_bigint(r, 0, 0);
	return code;
}

static void
echo(struct fiber *f, void *arg)
{
	struct job *j = arg;
	auto_binds b = BINDS_INIT;

	bind_bigint(&b, j->n);
	j->code = call_bigint(f, STMT_ECHO, &b, &j->got, &j->e);
}

static void
echo_often(struct fiber *f, void *arg)
{
	struct job *j = arg;
	int64_t base = j->n * 1000;

	for (int i = 0; i < 20; i++) {
		j->n = base + i;
		echo(f, j);
		if (j->code != 0 || j->got != j->n)
			return;
	}
}

static void
divide(struct fiber *f, void *arg)
{
	struct job *j = arg;
	auto_binds b = BINDS_INIT;

	bind_int(&b, (int32_t)j->n);
	j->code = db_exec(db, f, STMT_DIVIDE, &b, NULL, &j->e);
}

static void
put(struct fiber *f, void *arg)
{
	struct job *j = arg;
	auto_binds b = BINDS_INIT;

	bind_int(&b, (int32_t)j->n);
	bind_text(&b, "value");
	j->code = db_exec(db, f, STMT_PUT, &b, NULL, &j->e);
}

static void
put_slowly(struct fiber *f, void *arg)
{
	struct job *j = arg;
	auto_binds b = BINDS_INIT;

	bind_int(&b, (int32_t)j->n);
	bind_int(&b, 500);
	j->code = db_exec(db, f, STMT_PUT_SLOWLY, &b, NULL, &j->e);
}

static void
slow(struct fiber *f, void *arg)
{
	struct job *j = arg;
	auto_binds b = BINDS_INIT;

	bind_int(&b, (int32_t)j->n);
	j->code = db_exec(db, f, STMT_SLOW, &b, NULL, &j->e);
}

static void
late(struct fiber *f, void *arg)
{
	struct job *j = arg;
	auto_rows r = NULL;

	j->code = db_exec(db, f, STMT_LATE, NULL, &r, &j->e);
	if (j->code == 0)
		j->got = rows_count(r);
}

static int64_t
items(void)
{
	struct db *d = open_blocking(0);
	auto_rows r = NULL;
	int64_t n;

	assert_int_equal(db_exec(d, NULL, STMT_ITEMS, NULL, &r, NULL), 0);
	n = row_bigint(r, 0, 0);
	db_free(d);
	return n;
}

static void
expect(const struct job *j, int code)
{
	assert_true(j->ended);
	if (j->code != code)
		fail_msg("code %d, not %d: %s", j->code, code, j->e.text);
}

/* ---- reads ---- */

static void
many_fibers_share_a_connection(void **state)
{
	static struct job jobs[FIBERS];

	for (int i = 0; i < FIBERS; i++)
		begin(&jobs[i], echo_often, i);
	finish();
	for (int i = 0; i < FIBERS; i++) {
		expect(&jobs[i], 0);
		assert_int_equal(jobs[i].got, i * 1000 + 19);
	}
	assert_int_equal(db_generation(db), 1);
	assert_int_equal(db_oldest_ms(db), 0);
}

static void
large_values_pass_both_ways(struct fiber *f, void *arg)
{
	struct job *j = arg;
	size_t n = 300000 + (size_t)j->n, got;
	char *p = malloc(n);
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;

	memset(p, (int)j->n, n);
	bind_bytea(&b, p, n);
	j->code = db_exec(db, f, STMT_ECHO_BYTES, &b, &r, &j->e);
	if (j->code == 0) {
		const void *back = row_bytea(r, 0, 0, &got);

		j->got = got == n && memcmp(back, p, n) == 0;
	}
	free(p);
}

static void
what_the_socket_does_not_take_is_sent_later(void **state)
{
	struct job jobs[40];

	for (int i = 0; i < 40; i++)
		begin(&jobs[i], large_values_pass_both_ways, i);
	finish();
	for (int i = 0; i < 40; i++) {
		expect(&jobs[i], 0);
		assert_int_equal(jobs[i].got, 1);
	}
}

static void
an_error_stays_with_its_caller(void **state)
{
	struct job reads[60], puts[20];

	for (int i = 0; i < 60; i++)
		begin(&reads[i], i % 3 == 0 ? divide : echo, i % 3 == 0 ? i % 2 : i);
	for (int i = 0; i < 20; i++)
		begin(&puts[i], put, i / 2);
	finish();
	for (int i = 0; i < 60; i++)
		expect(&reads[i], i % 6 == 0 ? ERR_DB : 0);
	for (int i = 0; i < 20; i++)
		expect(&puts[i], i % 2 == 1 ? ERR_DB : 0);
	assert_string_equal(reads[0].e.sqlstate, "22012");
	assert_string_equal(puts[1].e.sqlstate, "23505");
	assert_int_equal(items(), 10);
}

static void
a_statement_that_cannot_be_prepared_harms_nobody(void **state)
{
	struct job bad[5], good[5];

	for (int i = 0; i < 5; i++) {
		begin(&bad[i], late, 0);
		begin(&good[i], echo, i);
	}
	finish();
	for (int i = 0; i < 5; i++) {
		expect(&bad[i], ERR_DB);
		assert_string_equal(bad[i].e.sqlstate, "42P01");
		expect(&good[i], 0);
	}
	pgtemp_sql(pg, "CREATE TABLE late AS SELECT 1 AS v");
	begin(&bad[0], late, 0);
	finish();
	pgtemp_sql(pg, "DROP TABLE late");
	expect(&bad[0], 0);
	assert_int_equal(bad[0].got, 1);
	assert_int_equal(db_generation(db), 1);
}

static void
to_uuid(struct fiber *f, void *arg)
{
	struct job *j = arg;
	auto_binds b = BINDS_INIT;

	bind_text(&b, "tell nobody");
	j->code = db_exec(db, f, STMT_TO_UUID, &b, NULL, &j->e);
}

static void
an_error_does_not_quote_values(void **state)
{
	struct job j;

	begin(&j, to_uuid, 0);
	finish();
	expect(&j, ERR_DB);
	assert_string_equal(j.e.sqlstate, "22P02");
	assert_string_equal(j.e.text, "statement to_uuid: invalid input syntax for type uuid");
	begin(&j, put, 1);
	finish();
	begin(&j, put, 1);
	finish();
	expect(&j, ERR_DB);
	assert_null(strstr(j.e.text, "(1)"));
	assert_non_null(strstr(j.e.text, "item_pkey"));
}

static void
wrong_calls(struct fiber *f, void *arg)
{
	struct job *j = arg;
	auto_binds b = BINDS_INIT;

	assert_int_equal(db_exec(db, f, STMT_ECHO, NULL, NULL, NULL), ERR_INTERNAL);
	bind_int(&b, 1);
	assert_int_equal(db_exec(db, f, STMT_ECHO, &b, NULL, NULL), ERR_INTERNAL);
	j->code = db_exec(db, f, STMT_OTHER_TYPE, NULL, NULL, &j->e);
	assert_int_equal(j->code, ERR_DB);
	assert_non_null(strstr(j->e.text, "type"));
	j->code = db_exec(db, f, STMT_OTHER_NUMBER, NULL, NULL, &j->e);
	assert_int_equal(j->code, ERR_DB);
	assert_non_null(strstr(j->e.text, "columns"));
	j->code = db_exec(db, f, STMT_NOTHING, NULL, NULL, &j->e);
}

static void
wrong_parameters_and_columns_are_noticed(void **state)
{
	struct job j;

	begin(&j, wrong_calls, 0);
	finish();
	expect(&j, 0);
}

static void
unnest_texts(struct fiber *f, void *arg)
{
	struct job *j = arg;
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	auto_rows none = NULL;

	bind_array_begin(&b, STMT_TEXT);
	bind_elem_text(&b, "one");
	bind_elem_text(&b, NULL);
	bind_elem_text(&b, "");
	bind_array_end(&b);
	j->code = db_exec(db, f, STMT_UNNEST_TEXTS, &b, &r, &j->e);
	assert_int_equal(j->code, 0);
	assert_int_equal(rows_count(r), 3);
	assert_int_equal(row_int(r, 2, 0), 3);
	assert_string_equal(row_text(r, 0, 1), "one");
	assert_true(row_null(r, 1, 1));
	assert_false(row_null(r, 2, 1));
	binds_reset(&b);
	bind_array_begin(&b, STMT_TEXT);
	bind_array_end(&b);
	j->code = db_exec(db, f, STMT_UNNEST_TEXTS, &b, &none, &j->e);
	assert_int_equal(rows_count(none), 0);
}

static void
arrays_with_nulls_and_none(void **state)
{
	struct job j;

	begin(&j, unnest_texts, 0);
	finish();
	expect(&j, 0);
}

static void
values_of_every_type(void **state)
{
	static const uint8_t id[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
	struct db *d = open_blocking(0);
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	auto_rows z = NULL;
	struct uuid u;
	size_t n;

	bind_bool(&b, false);
	assert_int_equal(db_exec(d, NULL, STMT_KINDS, &b, &r, NULL), 0);
	row_uuid(r, 0, 0, &u);
	assert_memory_equal(u.b, id, 16);
	assert_int_equal(row_int(r, 0, 1), -5);
	assert_int_equal(row_bigint(r, 0, 2), -6000000000);
	assert_true(row_bool(r, 0, 3));
	assert_string_equal(row_text(r, 0, 4), "käse");
	assert_memory_equal(row_bytea(r, 0, 5, &n), "\0\xff", 2);
	assert_int_equal(n, 2);
	assert_int_equal(row_time(r, 0, 6), 1700000000123456);
	assert_int_equal(db_exec(d, NULL, STMT_FOREVER, NULL, &z, NULL), 0);
	assert_int_equal(row_time(z, 0, 0), INT64_MAX);
	db_free(d);
}

/* What a read asks is this node's clock, not the server's, each time that it is sent. */
static void
asked_moment(struct db *d, int64_t *ret_us)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;

	bind_bigint(&b, 7);
	assert_int_equal(db_exec(d, NULL, STMT_MOMENT, &b, &r, NULL), 0);
	assert_int_equal(row_bigint(r, 0, 1), 7);
	*ret_us = row_time(r, 0, 0);
}

static void
a_read_asks_which_moment_it_is(void **state)
{
	struct db *d = open_blocking(0);
	int64_t before = clock_now_us(), first, then;

	asked_moment(d, &first);
	assert_in_range(first, before, clock_now_us());
#ifdef HF_FAULTS
	setenv("HOLDFAST_CLOCK_SKEW_MS", "86400000", 1);
	asked_moment(d, &then);
	unsetenv("HOLDFAST_CLOCK_SKEW_MS");
	assert_true(then - first >= INT64_C(86400000000));
#else
	asked_moment(d, &then);
	assert_true(then >= first);
#endif
	db_free(d);
}

static void
null_of_every_type(void **state)
{
	struct db *d = open_blocking(0);
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	struct uuid u = { { 1 } };
	size_t n = 1;

	bind_bool(&b, true);
	assert_int_equal(db_exec(d, NULL, STMT_KINDS, &b, &r, NULL), 0);
	for (int c = 0; c < 7; c++)
		assert_true(row_null(r, 0, c));
	row_uuid(r, 0, 0, &u);
	assert_true(uuid_is_nil(&u));
	assert_int_equal(row_int(r, 0, 1), 0);
	assert_int_equal(row_bigint(r, 0, 2), 0);
	assert_false(row_bool(r, 0, 3));
	assert_string_equal(row_text(r, 0, 4), "");
	row_bytea(r, 0, 5, &n);
	assert_int_equal(n, 0);
	assert_int_equal(row_time(r, 0, 6), 0);
	db_free(d);
}

/* ---- transactions ---- */

static struct db_step
step_put(int32_t k)
{
	struct db_step s = { .s = STMT_PUT };

	bind_int(&s.b, k);
	bind_text(&s.b, "of a transaction");
	return s;
}

static struct db_step
step_take(int32_t k)
{
	struct db_step s = { .s = STMT_TAKE };

	bind_int(&s.b, k);
	return s;
}

static struct db_step
step_child(int32_t k)
{
	struct db_step s = { .s = STMT_PUT_CHILD };

	bind_int(&s.b, k);
	return s;
}

static void
run_steps(struct fiber *f, struct job *j, struct db_step *steps, size_t n, struct rows **rows)
{
	j->code = db_transaction(db, f, steps, n, rows, &j->e);
	for (size_t i = 0; i < n; i++)
		binds_done(&steps[i].b);
}

static void
good_transaction(struct fiber *f, void *arg)
{
	struct db_step steps[] = { step_put(1), step_put(2), step_take(1) };
	struct rows *rows[3];

	run_steps(f, arg, steps, 3, rows);
	assert_int_equal(rows_count(rows[0]), 0);
	assert_string_equal(row_text(rows[2], 0, 0), "of a transaction");
	for (int i = 0; i < 3; i++)
		rows_free(rows[i]);
}

static void
bad_transaction(struct fiber *f, void *arg)
{
	struct db_step steps[] = { step_put(10), step_take(2), step_put(10), step_put(11) };
	struct rows *rows[4];

	run_steps(f, arg, steps, 4, rows);
	for (int i = 0; i < 4; i++)
		assert_null(rows[i]);
}

static void
fails_at_commit(struct fiber *f, void *arg)
{
	struct db_step steps[] = { step_put(20), step_child(21) };

	run_steps(f, arg, steps, 2, NULL);
}

static void
a_transaction_is_all_or_nothing(void **state)
{
	struct job good, bad, commit, after;

	begin(&good, good_transaction, 0);
	finish();
	expect(&good, 0);
	assert_int_equal(items(), 1);
	begin(&bad, bad_transaction, 0);
	begin(&commit, fails_at_commit, 0);
	begin(&after, echo, 7);
	finish();
	expect(&bad, ERR_DB);
	assert_string_equal(bad.e.sqlstate, "23505");
	expect(&commit, ERR_DB);
	assert_string_equal(commit.e.sqlstate, "23503");
	expect(&after, 0);
	assert_int_equal(items(), 1);
	assert_int_equal(db_generation(db), 1);
}

/* What one turn asked with a failing neighbour before and behind is committed all the same. */
static void
a_write_survives_failing_neighbours(void **state)
{
	struct job bad[10], puts[10];

	for (int i = 0; i < 10; i++) {
		begin(&bad[i], divide, 0);
		begin(&puts[i], put, i);
	}
	finish();
	for (int i = 0; i < 10; i++) {
		expect(&bad[i], ERR_DB);
		expect(&puts[i], 0);
	}
	assert_int_equal(items(), 10);
}

/* ---- what servers do ---- */

static void
terminate_others(void)
{
	pgtemp_sql(pg, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
		       "application_name = 'test_db' AND pid <> pg_backend_pid()");
}

static void
a_killed_backend_is_replaced(void **state)
{
	struct job j;

	begin(&j, echo, 1);
	finish();
	terminate_others();
	begin(&j, echo, 2);
	finish();
	expect(&j, 0);
	assert_int_equal(j.got, 2);
	assert_int_equal(db_generation(db), 2);
}

static void
reads_in_flight_are_asked_again(void **state)
{
	struct job reads[3], j;
	int64_t begun = clock_mono_ms();

	begin(&reads[0], slow, 2000);
	begin(&reads[1], echo, 5);
	begin(&reads[2], divide, 0);
	turn_for(100);
	assert_false(reads[0].ended);
	assert_in_range(db_oldest_ms(db), 80, clock_mono_ms() - begun);
	terminate_others();
	finish();
	expect(&reads[0], 0);
	expect(&reads[1], 0);
	expect(&reads[2], ERR_DB);
	begin(&j, echo, 1);
	finish();
	expect(&j, 0);
}

static void
of_a_write_in_flight_nothing_is_known(void **state)
{
	struct job write, read;

	begin(&write, put_slowly, 1);
	begin(&read, echo, 5);
	turn_for(100);
	terminate_others();
	finish();
	expect(&write, ERR_DB_GONE);
	expect(&read, 0);
	assert_int_equal(items(), 0);
}

static bool stop_reading;

static void
read_on(struct fiber *f, void *arg)
{
	struct job *j = arg;

	while (!stop_reading && j->code == 0)
		echo(f, j);
}

static void
a_restart_is_a_short_wait(void **state)
{
	struct job jobs[20];

	stop_reading = false;
	for (int i = 0; i < 20; i++)
		begin(&jobs[i], read_on, i);
	turn_for(50);
	pgtemp_stop(pg);
	await(false);
	pgtemp_start(pg);
	await(true);
	stop_reading = true;
	finish();
	for (int i = 0; i < 20; i++)
		expect(&jobs[i], 0);
	assert_true(db_generation(db) >= 2);
}

static void
nobody_waits_longer_than_wait_ms(void **state)
{
	struct job j, at_once;
	struct db *own = db;

	db = connect_with(300, 0);
	await(true);
	pgtemp_stop(pg);
	turn_for(50);
	begin(&j, echo, 1);
	finish();
	expect(&j, ERR_DB_GONE);
	assert_in_range(j.took_ms, 250, SOON_MS);
	db_free(db);
	db = connect_with(0, 0);
	begin(&at_once, echo, 1);
	finish();
	expect(&at_once, ERR_DB_GONE);
	assert_true(at_once.took_ms < SOON_MS);
	db_free(db);
	pgtemp_start(pg);
	db = own;
}

static void
on_tick(uv_timer_t *t)
{
	(*(int *)t->data)++;
}

static void
a_frozen_server_blocks_only_its_callers(void **state)
{
	struct job j, after;
	uv_timer_t timer;
	int ticks = 0;
	struct db *own = db;

	db = connect_with(200, 1000); /* time for some ticks on a busy machine too */
	await(true);
	timer.data = &ticks;
	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, on_tick, 10, 10);
	pgtemp_signal(pg, SIGSTOP);
	begin(&j, echo, 1);
	finish();
	expect(&j, ERR_TIMEOUT);
	assert_in_range(j.took_ms, 250, SOON_MS);
	assert_true(ticks > 5);
	begin(&after, echo, 2);
	finish();
	expect(&after, ERR_DB_GONE);
	pgtemp_signal(pg, SIGCONT);
	await(true);
	begin(&after, echo, 2);
	finish();
	expect(&after, 0);
	uv_close((uv_handle_t *)&timer, NULL);
	db_free(db);
	turn_for(20);
	db = own;
}

static void
freeing_wakes_those_who_wait(void **state)
{
	struct job sent, waiting;
	struct db *own = db;

	db = connect_with(5000, 0);
	await(true);
	begin(&sent, slow, 5000);
	turn_for(50);
	begin(&waiting, echo, 1);
	db_free(db);
	finish();
	expect(&sent, ERR_DB_GONE);
	expect(&waiting, ERR_DB_GONE);
	db = own;
}

static void
free_inside(struct fiber *f, void *arg)
{
	echo(f, arg);
	db_free(db);
}

static void
a_woken_fiber_may_free(void **state)
{
	struct job a, b;
	struct db *own = db;

	db = connect_with(5000, 0);
	begin(&a, free_inside, 1);
	begin(&b, echo, 2);
	finish();
	expect(&a, 0);
	assert_true(b.code == 0 || b.code == ERR_DB_GONE);
	turn_for(20);
	db = own;
}

/* ---- without a loop ---- */

static void
blocking_calls_are_the_same(void **state)
{
	struct db *d = open_blocking(5000);
	struct db_step good[] = { step_put(1), step_put(2) }, bad[] = { step_put(3), step_put(1) };
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	struct err e = { 0 };

	bind_bigint(&b, 77);
	assert_int_equal(db_exec(d, NULL, STMT_ECHO, &b, &r, &e), 0);
	assert_int_equal(row_bigint(r, 0, 0), 77);
	assert_int_equal(db_transaction(d, NULL, good, 2, NULL, &e), 0);
	assert_int_equal(db_transaction(d, NULL, bad, 2, NULL, &e), ERR_DB);
	assert_string_equal(e.sqlstate, "23505");
	assert_int_equal(items(), 2);
	for (int i = 0; i < 2; i++) {
		binds_done(&good[i].b);
		binds_done(&bad[i].b);
	}
	db_free(d);
}

static void
blocking_reconnects(void **state)
{
	struct db *d = open_blocking(5000);
	auto_binds b = BINDS_INIT;
	struct err e = { 0 };

	bind_bigint(&b, 1);
	assert_int_equal(db_exec(d, NULL, STMT_ECHO, &b, NULL, &e), 0);
	pgtemp_sql(pg, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> "
		       "pg_backend_pid()");
	assert_int_equal(db_exec(d, NULL, STMT_ECHO, &b, NULL, &e), 0);
	pgtemp_stop(pg);
	pgtemp_start(pg);
	assert_int_equal(db_script(d, "CREATE TABLE gone (); DROP TABLE gone", &e), 0);
	assert_int_equal(db_exec(d, NULL, STMT_ECHO, &b, NULL, &e), 0);
	db_free(d);
}

static void
a_script_is_all_or_nothing(void **state)
{
	struct db *d = open_blocking(0);
	auto_rows r = NULL;
	struct err e = { 0 };

	assert_int_equal(db_script(d, "INSERT INTO item VALUES (1, 'a'); SELECT 1/0", &e), ERR_DB);
	assert_string_equal(e.sqlstate, "22012");
	assert_int_equal(items(), 0);
	assert_int_equal(db_script(d, "INSERT INTO item VALUES (1, 'a'); SELECT 1", &e), 0);
	assert_int_equal(db_exec(d, NULL, STMT_ITEMS, NULL, &r, &e), 0);
	assert_int_equal(row_bigint(r, 0, 0), 1);
	db_free(d);
}

static void
connecting_fails_with_the_reason(void **state)
{
	struct db_options nowhere = { .conninfo =
					      "host=/nonexistent user=holdfast dbname=holdfast" };
	struct db_options nonsense = { .conninfo = "no conninfo at all" };
	struct err e = { 0 };
	struct db *own = db;
	struct job j;

	assert_null(db_open(&nowhere, &e));
	assert_int_equal(e.code, ERR_DB_GONE);
	assert_non_null(strstr(e.text, "/nonexistent"));
	assert_null(db_open(&nonsense, &e));
	assert_int_equal(e.code, ERR_DB_GONE);
	nonsense.wait_ms = 50;
	db = db_new(&loop, &nonsense);
	begin(&j, echo, 1);
	finish();
	expect(&j, ERR_DB_GONE);
	db_free(db);
	db = own;
}

/* ---- frame ---- */

static int
start_group(void **state)
{
	pg = pgtemp_new();
	pgtemp_sql(pg, "CREATE TABLE item (k int PRIMARY KEY, v text);"
		       "CREATE TABLE child (k int REFERENCES item DEFERRABLE INITIALLY DEFERRED)");
	return uv_loop_init(&loop);
}

static int
stop_group(void **state)
{
	pgtemp_free(pg);
	return uv_loop_close(&loop);
}

static int
start(void **state)
{
	pgtemp_sql(pg, "TRUNCATE item, child");
	pool = fiber_pool_new(64 << 10, FIBERS + 8);
	db = connect_with(10000, 0);
	return 0;
}

static int
stop(void **state)
{
	db_free(db);
	uv_run(&loop, UV_RUN_DEFAULT);
	fiber_pool_free(pool);
	return 0;
}

#define DB_TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		DB_TEST(many_fibers_share_a_connection),
		DB_TEST(what_the_socket_does_not_take_is_sent_later),
		DB_TEST(an_error_stays_with_its_caller),
		DB_TEST(a_statement_that_cannot_be_prepared_harms_nobody),
		DB_TEST(an_error_does_not_quote_values),
		DB_TEST(wrong_parameters_and_columns_are_noticed),
		DB_TEST(arrays_with_nulls_and_none),
		DB_TEST(values_of_every_type),
		DB_TEST(a_read_asks_which_moment_it_is),
		DB_TEST(null_of_every_type),
		DB_TEST(a_transaction_is_all_or_nothing),
		DB_TEST(a_write_survives_failing_neighbours),
		DB_TEST(a_killed_backend_is_replaced),
		DB_TEST(reads_in_flight_are_asked_again),
		DB_TEST(of_a_write_in_flight_nothing_is_known),
		DB_TEST(a_restart_is_a_short_wait),
		DB_TEST(nobody_waits_longer_than_wait_ms),
		DB_TEST(a_frozen_server_blocks_only_its_callers),
		DB_TEST(freeing_wakes_those_who_wait),
		DB_TEST(a_woken_fiber_may_free),
		DB_TEST(blocking_calls_are_the_same),
		DB_TEST(blocking_reconnects),
		DB_TEST(a_script_is_all_or_nothing),
		DB_TEST(connecting_fails_with_the_reason),
	};

	if (!pgtemp_have())
		return PGTEMP_SKIP;
	return cmocka_run_group_tests(tests, start_group, stop_group);
}
