/* SPDX-License-Identifier: Apache-2.0
 *
 * The ledger with each outside call failing once, on a real PostgreSQL: whatever fails, an event that was acknowledged is
 * there once and one that was refused is not; a promotion takes the journal in whole; a merge is whole, once, and by itself.
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
#include <sys/wait.h>
#include <unistd.h>
#include "../sweep.h"
#include "base/clock.h"
#include "base/log.h"
#include "fixture.h"
#include "vault/verify.h"

#define OF_B "SELECT count(*) FROM event WHERE node = '" FIXTURE_NODE_B "'"
#define TRIES 100
#define SETTLE_TURNS 5000
#define B_EVENTS 600

struct swept {
	struct fixture *x;
	int n;	     /* of the event that is appended next */
	bool surely; /* an append must not even be refused */
	int64_t merged;
};

static void
verify_now(struct fixture *x, struct fiber *f, void *arg)
{
	struct verify_result *r = arg;
	struct err e = { 0 };

	assert_int_equal(verify_run(&x->v, f, r, &e), 0);
}

static void
assert_good(struct fixture *x)
{
	static struct verify_result r;

	fixture_run(x, verify_now, &r);
	assert_true(r.good);
	assert_true(r.events > 0);
}

/* As the supervisor does when the connection to keyd broke. */
static void
keys_again(struct fixture *x)
{
	pid_t old = x->keyd;

	if (keys_available(x->v.keys))
		return;
	kill(old, SIGKILL); /* it reads on until the loop has closed our end */
	waitpid(old, NULL, 0);
	keys_attach(x->v.keys, fixture_keyd(x, &x->keyd));
}

/* Asks until it is acknowledged, as a user does. */
static void
append(struct fixture *x, struct fiber *f, void *arg)
{
	struct swept *s = arg;
	char body[32];
	struct event ev = { .kind = EVENT_RETRIEVED, .address = "", .body = body };
	int rc = -1;

	snprintf(body, sizeof(body), "{\"n\":%d}", s->n++);
	for (int i = 0; rc && i < TRIES; i++) {
		struct err e = { 0 };

		rc = ledger_append(x->v.ledger, f, &ev, 1, NULL, &e);
		if (!rc)
			break;
		assert_true(fault_fired());
		assert_true(e.text[0]);
		assert_true(rc == ERR_KEYS_UNAVAILABLE || (rc == ERR_LOG_UNWRITABLE && !s->surely));
		keys_again(x);
		fixture_pause(x, f, 50);
	}
	assert_int_equal(rc, 0);
}

/* What libuv closes it closes in a turn to come, and a connection to keyd when the other end is
 * seen to be gone; the end mark is sent to keyd when nobody waits any more. */
static void
settle(struct fixture *x, int files)
{
	for (int i = 0; i < SETTLE_TURNS && (i < 5 || sweep_open_files() != files); i++) {
		uv_run(&x->loop, UV_RUN_NOWAIT);
		keys_again(x);
		if (i >= 5)
			usleep(1000);
	}
}

static int64_t
count(struct fixture *x)
{
	return fixture_count(x, "SELECT count(*) FROM event WHERE kind = :RETRIEVED");
}

static void
nothing_twice(struct swept *s)
{
	assert_int_equal(count(s->x), s->n);
	assert_int_equal(fixture_count(s->x, "SELECT count(DISTINCT body) FROM event "
					     "WHERE kind = :RETRIEVED"),
			 s->n);
}

/* ---- a node that serves ---- */

static void
append_once(void *arg)
{
	struct swept *s = arg;
	int files = sweep_open_files();

	fixture_run(s->x, append, s);
	fixture_run(s->x, append, s);
	settle(s->x, files);
	nothing_twice(s);
}

/* A database that falters is a short wait, never an error. */
static void
an_append_is_once(void **state)
{
	struct fixture *x = fixture_new();
	struct swept s = { .x = x, .surely = true };

	assert_int_equal(fixture_count(x, "SELECT count(*) FROM event WHERE kind = :RETRIEVED"), 0);
	assert_true(sweep(append_once, &s) > 8);
	assert_good(x);
	fixture_free(x);
}

/* ---- a secondary that becomes the primary ---- */

static void
promote_once(void *arg)
{
	struct swept *s = arg;
	int files = sweep_open_files();

	fixture_state(s->x, HA_EMERGENCY, false);
	fixture_run(s->x, append, s);
	fixture_run(s->x, append, s);
	fixture_state(s->x, HA_ALONE, false);
	fixture_run(s->x, append, s);
	settle(s->x, files);
	nothing_twice(s);
}

static void
a_promotion_takes_the_journal_in(void **state)
{
	struct fixture *x = fixture_new();
	struct swept s = { .x = x };

	fixture_close(x);
	fixture_state(x, HA_ALONE, false);
	fixture_open(x, FIXTURE_NODE_A);
	assert_true(sweep(promote_once, &s) > 40);
	assert_good(x);
	fixture_free(x);
}

/* ---- the journal of another node ---- */

static void
work_as_b(struct fixture *x, struct fiber *f, void *arg)
{
	for (int i = 0; i < B_EVENTS; i++)
		append(x, f, arg);
}

/* B's journal, laid ready in the database; then node A is open as the primary. */
static void
make_b(struct fixture *x)
{
	struct swept s = { .x = x, .n = 1000000 };
	char own[300], path[300];

	fixture_close(x);
	fixture_state(x, HA_EMERGENCY, false);
	memcpy(own, x->journal, sizeof(own));
	snprintf(path, sizeof(path), "%.200s/b.db", x->dir);
	memcpy(x->journal, path, sizeof(path));
	unlink(x->anchor);
	fixture_open(x, FIXTURE_NODE_B);
	fixture_run(x, work_as_b, &s);
	fixture_close(x);
	memcpy(x->journal, own, sizeof(own));
	unlink(x->anchor);
	fixture_state(x, HA_ALONE, false);
	fixture_open(x, FIXTURE_NODE_A);
	fixture_deposit(x, path, FIXTURE_NODE_B, 0, B_EVENTS);
	pgtemp_sql(x->pg, "CREATE TABLE of_b AS SELECT * FROM ha_inbox; DELETE FROM ha_inbox");
}

/* What is lost while it is committed is still under way when the log is asked where it ends. */
static void
take_time_to_commit(struct fixture *x)
{
	pgtemp_sql(x->pg,
		   "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS "
		   "'BEGIN PERFORM pg_sleep(0.05); RETURN NULL; END'; "
		   "CREATE CONSTRAINT TRIGGER slow AFTER DELETE ON ha_inbox "
		   "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()");
}

/* The timer comes again. */
static void
merge(struct fixture *x, struct fiber *f, void *arg)
{
	for (int i = 0; i < 3; i++) {
		keys_again(x);
		ledger_merge_inbox(x->v.ledger, f);
	}
	append(x, f, arg);
	ledger_merge_inbox(x->v.ledger, f);
}

static void
merge_once(void *arg)
{
	struct swept *s = arg;
	int files = sweep_open_files();
	char sql[128];

	snprintf(sql, sizeof(sql),
		 "INSERT INTO ha_inbox SELECT * FROM of_b WHERE seq BETWEEN %lld "
		 "AND %lld",
		 (long long)s->merged + 1, (long long)s->merged + 3);
	pgtemp_sql(s->x->pg, sql);
	s->merged += 3;
	assert_true(s->merged <= B_EVENTS);
	fixture_run(s->x, merge, s);
	settle(s->x, files);
	assert_int_equal(fixture_count(s->x, OF_B), s->merged);
	assert_int_equal(fixture_count(s->x, "SELECT count(*) FROM ha_inbox"), 0);
	assert_int_equal(fixture_count(s->x, "SELECT count(*) FROM ha_set_aside"), 0);
}

static void
a_merge_is_whole_and_once(void **state)
{
	struct fixture *x = fixture_new();
	struct swept s = { .x = x, .surely = true };

	make_b(x);
	take_time_to_commit(x);
	assert_true(sweep(merge_once, &s) > 20);
	assert_int_equal(
		fixture_count(x, "SELECT count(DISTINCT body) FROM event WHERE kind = :RETRIEVED "
				 "AND node = '" FIXTURE_NODE_B "'"),
		s.merged);
	assert_good(x);
	pgtemp_sql(x->pg, "DROP TABLE of_b");
	fixture_free(x);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_append_is_once),
		cmocka_unit_test(a_merge_is_whole_and_once),
		cmocka_unit_test(a_promotion_takes_the_journal_in),
	};

	if (!pgtemp_have())
		return PGTEMP_SKIP;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
