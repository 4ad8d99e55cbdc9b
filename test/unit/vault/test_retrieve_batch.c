/* SPDX-License-Identifier: Apache-2.0
 *
 * G1 and G2 of vault/retrieve_batch.h. That a row was kept shows when the table is changed behind the log's back: then the row
 * still says what was there before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "fixture.h"
#include "vault/retrieve_batch.h"

#define ACCOUNTS 2
#define COLUMN_LEVEL 1
#define COLUMN_CURRENT 9 /* of STMT_ACCOUNT_OPEN */
#define GONE (-1)

static struct fixture *x;
static struct uuid owner, other, resource, account[ACCOUNTS];

/* ---- the vault ---- */

struct append {
	enum event_kind kind;
	const struct uuid *object;
	char body[200];
};

static void
run_append(struct fixture *fx, struct fiber *f, void *arg)
{
	const struct append *a = arg;

	fixture_append(fx, f, a->kind, a->object, a->body);
}

/* fmt has one %s, for u. */
static void
log_event(enum event_kind kind, const struct uuid *object, const char *fmt, const struct uuid *u)
{
	struct append a = { .kind = kind, .object = object };
	char id[UUID_STR_LEN];

	uuid_str(u, id);
	snprintf(a.body, sizeof(a.body), fmt, id);
	fixture_run(x, run_append, &a);
}

static int
setup(void **state)
{
	x = fixture_new();
	fixture_state(x, HA_SINGLE, false);
	fixture_close(x);
	fixture_open(x, FIXTURE_NODE_A);
	uuid_new(&owner);
	uuid_new(&other);
	uuid_new(&resource);
	log_event(EVENT_USER_CREATED, &owner, "{\"name\":\"Olga\",\"role\":\"user\"}", &owner);
	log_event(EVENT_USER_CREATED, &other, "{\"name\":\"Max\",\"role\":\"user\"}", &other);
	log_event(EVENT_RESOURCE_CREATED, &resource, "{\"name\":\"server\",\"owner\":\"%s\"}",
		  &owner);
	for (int i = 0; i < ACCOUNTS; i++) {
		uuid_new(&account[i]);
		log_event(EVENT_ACCOUNT_CREATED, &account[i],
			  i ? "{\"resource\":\"%s\",\"login\":\"guest\"}"
			    : "{\"resource\":\"%s\",\"login\":\"root\"}",
			  &resource);
	}
	return 0;
}

static int
teardown(void **state)
{
	fixture_free(x);
	return 0;
}

/* Behind the log's back. */
static void
set_current(int n)
{
	char sql[100];

	snprintf(sql, sizeof(sql), "UPDATE account SET current_n = %d", n);
	pgtemp_sql(x->pg, sql);
}

/* ---- reading ---- */

struct read {
	const struct uuid *account, *as;
	int n, column, value;
	bool begun, over;
	struct event meanwhile; /* what becomes durable while it is read */
};

static void
run_read(struct fixture *fx, struct fiber *f, void *arg)
{
	struct read *r = arg;
	struct retrieve_batch_row g;
	struct err e = { 0 };
	int rc = retrieve_batch_account(x->v.retrieve_batch, f, r->account, r->as, r->n, &g, &e);

	r->value = rc ? GONE : row_int(g.rows, g.row, r->column);
	assert_true(rc == 0 || rc == ERR_NOT_FOUND);
	retrieve_batch_row_done(&g);
	r->over = true;
}

static int
current_of(int i)
{
	struct read r = { .account = &account[i], .as = &owner, .column = COLUMN_CURRENT };

	fixture_run(x, run_read, &r);
	return r.value;
}

static int
level_of(int i, const struct uuid *as)
{
	struct read r = { .account = &account[i], .as = as, .column = COLUMN_LEVEL };

	fixture_run(x, run_read, &r);
	return r.value;
}

/* Both accounts are kept as having this version; the table says another. */
static void
keep_as(int n)
{
	set_current(n);
	retrieve_batch_on_event(
		x->v.retrieve_batch,
		&(struct event){ .kind = EVENT_RESOURCE_CHANGED, .object = resource });
	assert_int_equal(current_of(0), n);
	assert_int_equal(current_of(1), n);
	set_current(n + 1);
	assert_int_equal(current_of(0), n);
	assert_int_equal(current_of(1), n);
}

/* ---- tests ---- */

static void
what_was_read_is_kept(void **state)
{
	struct rowcache_stats before, after;

	keep_as(3);
	before = retrieve_batch_stats(x->v.retrieve_batch);
	assert_int_equal(before.rows, ACCOUNTS);
	assert_int_equal(current_of(0), 3);
	after = retrieve_batch_stats(x->v.retrieve_batch);
	assert_int_equal(after.hits, before.hits + 1);
	assert_int_equal(after.misses, before.misses);
}

/* Each kind of event: those that change nothing that is kept, a new version, all others. */
static void
each_change_is_followed(void **state)
{
	static const enum event_kind leave[] = {
		EVENT_USER_PASSWORD, EVENT_USER_TOTP, EVENT_USER_SETUP_USED, EVENT_LOGIN,
		EVENT_LOGIN_FAILED,  EVENT_LOGOUT,    EVENT_SESSION_SEEN,    EVENT_SESSIONS_ENDED,
	};
	int kinds = 0;

	for (int kind = 0; kind < 256; kind++) {
		struct event ev = { .kind = (enum event_kind)kind, .object = account[0] };
		bool leaves = event_apply_stmt(kind) < 0;

		if (!event_name(kind))
			continue;
		for (size_t i = 0; i < ARRAY_LEN(leave); i++)
			leaves |= kind == (int)leave[i];
		keep_as(10);
		retrieve_batch_on_event(x->v.retrieve_batch, &ev);
		assert_int_equal(current_of(0), leaves ? 10 : 11);
		assert_int_equal(current_of(1), leaves || kind == EVENT_VERSION_ADDED ? 10 : 11);
		kinds++;
	}
	assert_true(kinds > 40);
}

/* The log's own way: by the time whoever withdrew it has the answer, nobody has the old right any more. */
static void
a_withdrawn_share_counts_at_once(void **state)
{
	assert_int_equal(level_of(0, &other), 0);
	log_event(EVENT_SHARED, &account[0], "{\"user\":\"%s\",\"level\":2}", &other);
	assert_int_equal(level_of(0, &other), 2);
	assert_int_equal(level_of(0, &other), 2);
	assert_int_equal(level_of(0, &owner), 4); /* each principal has a row of its own */
	log_event(EVENT_UNSHARED, &account[0], "{\"user\":\"%s\"}", &other);
	assert_int_equal(level_of(0, &other), 0);
}

#ifdef HF_FAULTS
/* No event says so: by the clock of the node. */
static void
a_share_that_ended_counts_no_more(void **state)
{
	static const char until[] = "{\"user\":\"%%s\",\"level\":2,\"until\":\"%s\"}";
	char iso[CLOCK_ISO_LEN], body[120];
	struct rowcache_stats before;

	clock_iso(clock_now_us() + INT64_C(3600000000), iso);
	snprintf(body, sizeof(body), until, iso);
	log_event(EVENT_SHARED, &account[0], body, &other);
	log_event(EVENT_SHARED, &resource, "{\"user\":\"%s\",\"level\":1}", &other);
	assert_int_equal(level_of(0, &other), 2);
	before = retrieve_batch_stats(x->v.retrieve_batch);
	assert_int_equal(level_of(0, &other), 2);
	assert_int_equal(retrieve_batch_stats(x->v.retrieve_batch).hits, before.hits + 1);
	setenv("HOLDFAST_CLOCK_SKEW_MS", "3600001", 1);
	assert_int_equal(level_of(0, &other), 1);
	assert_int_equal(level_of(0, &other), 1);
	unsetenv("HOLDFAST_CLOCK_SKEW_MS");
}
#endif

static void
a_deleted_account_is_gone(void **state)
{
	assert_int_equal(current_of(0), 0);
	log_event(EVENT_ACCOUNT_DELETED, &account[0], "{}", &account[0]);
	assert_int_equal(current_of(0), GONE);
	assert_int_equal(current_of(0), GONE);
	assert_int_equal(current_of(1), 0);
}

/* One reads the account; the other, once that statement is out, changes it. */
static void
run_crossing(struct fixture *fx, struct fiber *f, void *arg)
{
	struct read *r = arg;

	if (!r->begun) {
		r->begun = true;
		run_read(fx, f, r);
	} else {
		assert_false(r->over);
		retrieve_batch_on_event(x->v.retrieve_batch, &r->meanwhile);
	}
}

static size_t
kept_across(struct event meanwhile)
{
	struct read r = { .account = &account[0],
			  .as = &owner,
			  .column = COLUMN_CURRENT,
			  .meanwhile = meanwhile };

	retrieve_batch_on_event(x->v.retrieve_batch,
				&(struct event){ .kind = EVENT_RESOURCE_CHANGED });
	assert_int_equal(retrieve_batch_stats(x->v.retrieve_batch).rows, 0);
	fixture_run_many(x, run_crossing, &r, 2);
	assert_true(r.over);
	return retrieve_batch_stats(x->v.retrieve_batch).rows;
}

/* Read before the change, answered after it: right for who asked then, wrong for who asks next. */
static void
what_changes_while_it_is_read_is_not_kept(void **state)
{
	const struct event version = { .kind = EVENT_VERSION_ADDED, .object = account[0] },
			   elsewhere = { .kind = EVENT_VERSION_ADDED, .object = account[1] },
			   withdrawn = { .kind = EVENT_UNSHARED, .object = account[1] },
			   login = { .kind = EVENT_LOGIN, .object = account[0] };

	assert_int_equal(kept_across(version), 0);
	assert_int_equal(kept_across(elsewhere), 1);
	assert_int_equal(kept_across(withdrawn), 0);
	assert_int_equal(kept_across(login), 1);
}

static void
a_secondary_keeps_nothing(void **state)
{
	keep_as(5);
	fixture_state(x, HA_STANDBY, false);
	assert_int_equal(current_of(0), 6);
	assert_int_equal(retrieve_batch_stats(x->v.retrieve_batch).rows, 0);
	set_current(8);
	assert_int_equal(current_of(0), 8);
	fixture_state(x, HA_SINGLE, false);
	assert_int_equal(current_of(0), 8);
}

/* It was the primary, another was, it is again: nobody asked meanwhile. */
static void
a_change_of_state_forgets(void **state)
{
	keep_as(5);
	fixture_state(x, HA_STANDBY, false);
	fixture_state(x, HA_SINGLE, false);
	assert_int_equal(current_of(0), 6);
}

/* Until the ledger knows where the log ends. */
static void
nothing_is_kept_of_an_unsure_ledger(void **state)
{
	uint64_t epoch;

	set_current(1);
	fixture_close(x);
	fixture_open(x, FIXTURE_NODE_A);
	assert_false(ledger_is_sure(x->v.ledger, &epoch));
	assert_int_equal(current_of(0), 1);
	assert_int_equal(retrieve_batch_stats(x->v.retrieve_batch).rows, 0);
	log_event(EVENT_LOGOUT, &owner, "{}", &owner);
	assert_true(ledger_is_sure(x->v.ledger, &epoch));
	assert_int_equal(current_of(0), 1);
	assert_int_equal(retrieve_batch_stats(x->v.retrieve_batch).rows, 1);
}

static void
run_refused(struct fixture *fx, struct fiber *f, void *arg)
{
	const struct append *a = arg;
	struct event ev = { .kind = a->kind, .object = *a->object, .address = "", .body = a->body };
	struct err e = { 0 };

	assert_int_equal(ledger_append(x->v.ledger, f, &ev, 1, NULL, &e), ERR_CONFLICT);
}

/* Whatever became of it: what was kept is from before. */
static void
a_write_that_fails_forgets(void **state)
{
	struct append a = { .kind = EVENT_USER_CREATED, .object = &resource };

	snprintf(a.body, sizeof(a.body), "{\"name\":\"Max\",\"role\":\"user\"}");
	keep_as(5);
	fixture_run(x, run_refused, &a);
	assert_int_equal(current_of(0), 6);
}

static void
another_version_is_read(void **state)
{
	struct read r = { .account = &account[0], .as = &owner, .n = 7, .column = COLUMN_CURRENT };

	keep_as(5);
	fixture_run(x, run_read, &r);
	assert_int_equal(r.value, 6);
}

/* clang-format off */
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_read_is_kept),
		TEST(each_change_is_followed),
		TEST(a_withdrawn_share_counts_at_once),
#ifdef HF_FAULTS
		TEST(a_share_that_ended_counts_no_more),
#endif
		TEST(a_deleted_account_is_gone),
		TEST(what_changes_while_it_is_read_is_not_kept),
		TEST(a_secondary_keeps_nothing),
		TEST(a_change_of_state_forgets),
		TEST(nothing_is_kept_of_an_unsure_ledger),
		TEST(a_write_that_fails_forgets),
		TEST(another_version_is_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
/* clang-format on */
