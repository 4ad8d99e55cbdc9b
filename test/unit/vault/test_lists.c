/* SPDX-License-Identifier: Apache-2.0
 *
 * Bounds, turns and deadlines of lists. A lock on the table of resources holds every search up for as long as a
 * test wants; what does not read that table goes on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "fixture.h"
#include "vault/lists.h"

#define PAUSE_MS 10

static struct fixture *x;
static PGconn *locker;

/* One statement of one user, in a fiber of its own. */
struct one {
	struct uuid user;
	enum stmt s;
	bool done;
	int rc;
	struct err e;
	unsigned *ended, at; /* the at-th to end of those that share *ended, from 1 */
	int64_t began_ms, took_ms;
};

static void
bind_for(struct binds *b, const struct one *o)
{
	static const struct uuid nil = { 0 };

	if (o->s == STMT_USER_PLACE) {
		bind_uuid(b, &o->user);
		return;
	}
	bind_uuid(b, &o->user);
	bind_text(b, "%a%");
	bind_text(b, "a");
	bind_text(b, "a");
	bind_int(b, 0);
	bind_text(b, "");
	bind_uuid(b, &nil);
	bind_int(b, 10);
}

static void
ask_one(struct fiber *f, void *arg)
{
	struct one *o = arg;
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;

	o->began_ms = clock_mono_ms();
	bind_for(&b, o);
	o->rc = lists_exec(&x->v, f, &o->user, o->s, &b, &r, &o->e);
	o->took_ms = clock_mono_ms() - o->began_ms;
	if (o->ended)
		o->at = ++*o->ended;
	o->done = true;
}

static void
begin(struct one *o, unsigned user, enum stmt s)
{
	*o = (struct one){ .user = { { 7, 7, 7, (uint8_t)(user + 1) } }, .s = s };
	assert_true(fiber_start(x->v.fibers, ask_one, o));
}

static void
await(struct fiber *f, const struct one *o, size_t n)
{
	for (size_t i = 0; i < n; i++)
		while (!o[i].done)
			fixture_pause(x, f, PAUSE_MS);
}

static void
sql(const char *text)
{
	PGresult *r = PQexec(locker, text);

	if (PQresultStatus(r) != PGRES_COMMAND_OK)
		fail_msg("%s: %s", text, PQerrorMessage(locker));
	PQclear(r);
}

static void
hold_searches(void)
{
	sql("BEGIN");
	sql("LOCK TABLE resource IN ACCESS EXCLUSIVE MODE");
}

static void
let_go(void)
{
	sql("ROLLBACK");
}

/* ---- one user's bound ---- */

static void
ask_too_much(struct fixture *unused, struct fiber *f, void *arg)
{
	enum { MOST = 64 };
	unsigned most = lists_bound(LISTS_SEARCH)->per_user;
	struct one mine[MOST], over, look, other, of_other;

	assert_true(most < MOST);
	hold_searches();
	for (unsigned i = 0; i < most; i++)
		begin(&mine[i], 0, STMT_SEARCH_OWN);
	begin(&over, 0, STMT_SEARCH_OWN);
	await(f, &over, 1);
	assert_int_equal(over.rc, ERR_BUSY);
	assert_in_range(over.took_ms, 0, LISTS_WAIT_MS / 2); /* at once, without a turn */
	assert_non_null(strstr(over.e.text, "searches of yours"));
	/* Nothing else of this user's is refused, and nothing at all of another one's. */
	begin(&look, 0, STMT_USER_PLACE);
	begin(&other, 1, STMT_USER_PLACE);
	begin(&of_other, 1, STMT_SEARCH_OWN);
	await(f, &look, 1);
	await(f, &other, 1);
	assert_int_equal(look.rc, 0);
	assert_int_equal(other.rc, 0);
	for (unsigned i = 0; i < most; i++)
		assert_false(mine[i].done);
	assert_int_equal(lists_stats(x->v.lists).running + lists_stats(x->v.lists).waiting,
			 most + 1);
	let_go();
	await(f, mine, most);
	await(f, &of_other, 1);
	for (unsigned i = 0; i < most; i++)
		assert_int_equal(mine[i].rc, 0);
	assert_int_equal(of_other.rc, 0);
	begin(&over, 0, STMT_SEARCH_OWN);
	await(f, &over, 1);
	assert_int_equal(over.rc, 0);
	assert_int_equal(lists_stats(x->v.lists).running, 0);
}

static void
one_search_too_many_is_refused_and_nothing_else(void **state)
{
	uint64_t before = lists_stats(x->v.lists).refused;

	fixture_run(x, ask_too_much, NULL);
	assert_int_equal(lists_stats(x->v.lists).refused, before + 1);
}

/* ---- the bound of all ---- */

static void
fill_up(struct fixture *unused, struct fiber *f, void *arg)
{
	const struct lists_bound *b = lists_bound(LISTS_SEARCH);
	struct one *all = calloc(b->total, sizeof(*all)), over, look;

	assert_non_null(all);
	hold_searches();
	for (unsigned i = 0; i < b->total; i++)
		begin(&all[i], 10 + i / b->per_user, STMT_SEARCH_OWN);
	begin(&over, 200, STMT_SEARCH_OWN);
	await(f, &over, 1);
	assert_int_equal(over.rc, ERR_BUSY);
	assert_in_range(over.took_ms, 0, LISTS_WAIT_MS / 2);
	begin(&look, 200, STMT_USER_PLACE);
	await(f, &look, 1);
	assert_int_equal(look.rc, 0);
	let_go();
	await(f, all, b->total);
	for (unsigned i = 0; i < b->total; i++)
		assert_int_equal(all[i].rc, 0);
	free(all);
}

static void
a_full_queue_refuses_searches_and_no_look_ups(void **state)
{
	fixture_run(x, fill_up, NULL);
}

/* ---- turns ---- */

static void
come_second(struct fixture *unused, struct fiber *f, void *arg)
{
	unsigned most = lists_bound(LISTS_SEARCH)->per_user, ended = 0;
	struct one first[64], second;

	hold_searches();
	for (unsigned i = 0; i < most; i++) {
		begin(&first[i], 0, STMT_SEARCH_OWN);
		first[i].ended = &ended;
	}
	begin(&second, 1, STMT_SEARCH_OWN);
	second.ended = &ended;
	while (lists_stats(x->v.lists).running + lists_stats(x->v.lists).waiting < most + 1)
		fixture_pause(x, f, PAUSE_MS);
	let_go();
	await(f, first, most);
	await(f, &second, 1);
	/* Behind those that were running already, before all that waited. */
	assert_true(second.at <= lists_searches() + 1);
}

static void
everybodys_first_comes_before_anybodys_second(void **state)
{
	if (lists_searches() >= lists_bound(LISTS_SEARCH)->per_user)
		skip(); /* so many processors that nobody waits */
	fixture_run(x, come_second, NULL);
}

/* ---- deadlines ---- */

static void
wait_for_ever(struct fixture *unused, struct fiber *f, void *arg)
{
	struct one runs, waits[8];
	unsigned n = lists_searches();

	hold_searches();
	for (unsigned i = 0; i < n; i++)
		begin(i == 0 ? &runs : &waits[i - 1], i, STMT_SEARCH_OWN);
	begin(&waits[n - 1], n, STMT_SEARCH_OWN);
	await(f, &waits[n - 1], 1);
	assert_int_equal(waits[n - 1].rc, ERR_BUSY);
	assert_in_range(waits[n - 1].took_ms, LISTS_WAIT_MS, LISTS_WAIT_MS + 2000);
	await(f, &runs, 1);
	assert_int_equal(runs.rc, ERR_LIST_TIMEOUT);
	await(f, waits, n - 1);
	/* The connection is as good as before, and free. */
	let_go();
	begin(&runs, 0, STMT_SEARCH_OWN);
	await(f, &runs, 1);
	assert_int_equal(runs.rc, 0);
}

static void
every_waiting_has_an_end(void **state)
{
	fixture_run(x, wait_for_ever, NULL);
}

/* ---- the table ---- */

static void
lists_only_read(void **state)
{
	unsigned lists = 0;

	for (int s = 0; s < STMT_COUNT; s++) {
		if (lists_lane((enum stmt)s) == LISTS_NONE)
			continue;
		lists++;
		assert_true(stmt_info((enum stmt)s)->reads);
		assert_string_equal(stmt_info((enum stmt)s)->role, "hf_vault");
	}
	assert_true(lists > 20);
	assert_true(lists_searches() < lists_connections());
	/* What a retrieval, a log-in and a rule ask is no list. */
	assert_int_equal(lists_lane(STMT_ACCOUNT_OPEN), LISTS_NONE);
	assert_int_equal(lists_lane(STMT_LOGIN_BY_NAME), LISTS_NONE);
	assert_int_equal(lists_lane(STMT_SESSION_BY_MAC), LISTS_NONE);
	assert_int_equal(lists_lane(STMT_PING), LISTS_NONE);
}

static int
start(void **state)
{
	x = fixture_new();
	locker = PQconnectdb(pgtemp_conninfo(x->pg, "holdfast"));
	assert_int_equal(PQstatus(locker), CONNECTION_OK);
	return 0;
}

static int
stop(void **state)
{
	PQfinish(locker);
	fixture_free(x);
	return 0;
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_only_read),
		cmocka_unit_test(one_search_too_many_is_refused_and_nothing_else),
		cmocka_unit_test(a_full_queue_refuses_searches_and_no_look_ups),
		cmocka_unit_test(everybodys_first_comes_before_anybodys_second),
		cmocka_unit_test(every_waiting_has_an_end),
	};

	if (!pgtemp_have())
		return PGTEMP_SKIP;
	return cmocka_run_group_tests(tests, start, stop);
}
