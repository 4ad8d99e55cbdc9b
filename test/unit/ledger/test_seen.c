/* SPDX-License-Identifier: Apache-2.0
 *
 * What a node had of the others' logs stands in its own log before each change, and is held against them (H7, H15).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "fixture.h"
#include "vault/verify.h"

#define SEEN "SELECT count(*) FROM event WHERE kind = :SEEN"
#define OF_OTHERS SEEN " AND node = '" FIXTURE_NODE_A "' AND object <> node"

static int
setup(void **state)
{
	*state = fixture_new();
	return 0;
}

static int
teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

static void
retrieve(struct fixture *x, struct fiber *f, void *arg)
{
	fixture_append(x, f, EVENT_RETRIEVED, &(struct uuid){ 0 }, "{}");
}

struct seen_rows {
	int n, kinds[16];
	int64_t to[16];
};

static void
take_row(void *ctx, const struct event *ev)
{
	struct seen_rows *r = ctx;
	const char *to = strstr(ev->body, "\"to\":");

	assert_true(r->n < 16);
	r->to[r->n] = ev->kind == EVENT_SEEN && to ? strtoll(to + 5, NULL, 10) : 0;
	r->kinds[r->n++] = (int)ev->kind;
}

static void
read_journal(struct fixture *x, struct fiber *f, void *arg)
{
	struct err e = { 0 };

	memset(arg, 0, sizeof(struct seen_rows));
	assert_int_equal(ledger_journal_each(x->v.ledger, f, NULL, take_row, arg, &e), 0);
}

static void
verify_now(struct fixture *x, struct fiber *f, void *arg)
{
	struct err e = { 0 };

	assert_int_equal(verify_run(&x->v, f, arg, &e), 0);
}

/* Node B over the same database, as over a copy of A's. */
static void
open_b(struct fixture *x, enum ha_state state)
{
	fixture_close(x);
	fixture_state(x, state, false);
	snprintf(x->journal, sizeof(x->journal), "%.200s/b.db", x->dir);
	unlink(x->anchor);
	fixture_open(x, FIXTURE_NODE_B);
}

static void
open_a(struct fixture *x)
{
	fixture_close(x);
	fixture_state(x, HA_ALONE, false);
	snprintf(x->journal, sizeof(x->journal), "%.200s/a.db", x->dir);
	unlink(x->anchor);
	fixture_open(x, FIXTURE_NODE_A);
}

static int64_t
end_of_a(struct fixture *x)
{
	return fixture_count(x, "SELECT max(seq) FROM event WHERE node = '" FIXTURE_NODE_A "'");
}

static void
merge(struct fixture *x, struct fiber *f, void *arg)
{
	ledger_merge_inbox(x->v.ledger, f);
}

/* So its log says that it knows of no other, also after a restart. */
static void
a_node_alone_names_itself_once(void **state)
{
	struct fixture *x = *state;

	fixture_run_many(x, fixture_change, NULL, 5);
	assert_int_equal(fixture_count(x, SEEN " AND node = object"), 1);
	open_a(x);
	fixture_run_many(x, fixture_change, NULL, 5);
	assert_int_equal(fixture_count(x, SEEN), 1);
}

static void
a_secondary_names_what_it_has(void **state)
{
	struct fixture *x = *state;
	struct seen_rows r;
	int64_t end;

	fixture_run(x, fixture_change, NULL);
	end = end_of_a(x);
	open_b(x, HA_EMERGENCY);
	fixture_run(x, retrieve, NULL);
	fixture_run(x, fixture_change, NULL);
	fixture_run(x, fixture_change, NULL);
	fixture_run(x, read_journal, &r);
	assert_int_equal(r.n, 4);
	assert_int_equal(r.kinds[0], EVENT_RETRIEVED);
	assert_int_equal(r.kinds[1], EVENT_SEEN);
	assert_int_equal(r.to[1], end);
	assert_int_equal(r.kinds[2], EVENT_USER_CREATED);
	assert_int_equal(r.kinds[3], EVENT_USER_CREATED);
	/* The stream brings more of A's. */
	pgtemp_sql(x->pg,
		   "INSERT INTO event (node, seq, at, kind, address, body, hash) "
		   "SELECT node, max(seq) + 1, now(), 1, '', '{}', decode(repeat('ab', 32), 'hex') "
		   "FROM event GROUP BY node");
	fixture_run(x, fixture_change, NULL);
	fixture_run(x, read_journal, &r);
	assert_int_equal(r.n, 6);
	assert_int_equal(r.kinds[4], EVENT_SEEN);
	assert_int_equal(r.to[4], end + 1);
}

/* MERGED names it, until a restart forgets what was named. */
static void
what_was_merged_is_named(void **state)
{
	struct fixture *x = *state;
	char path[300];

	fixture_run(x, fixture_change, NULL);
	open_b(x, HA_EMERGENCY);
	fixture_run(x, fixture_change, NULL);
	snprintf(path, sizeof(path), "%s", x->journal);
	open_a(x);
	fixture_run(x, fixture_change, NULL); /* the head is known from here on */
	fixture_deposit(x, path, FIXTURE_NODE_B, 0, 100);
	fixture_run(x, merge, NULL);
	fixture_run_many(x, fixture_change, NULL, 3);
	assert_int_equal(fixture_count(x, OF_OTHERS), 0);
	open_a(x);
	fixture_run(x, retrieve, NULL);
	assert_int_equal(fixture_count(x, OF_OTHERS), 0);
	fixture_run_many(x, fixture_change, NULL, 3);
	assert_int_equal(fixture_count(x, OF_OTHERS), 1);
}

/* A database that was put back and written on: its chain is whole, and other than B had it. */
static void
what_was_seen_is_held_against_the_log(void **state)
{
	struct fixture *x = *state;
	static struct verify_result r;
	char path[300];
	int64_t end;

	fixture_run_many(x, fixture_change, NULL, 5);
	end = end_of_a(x);
	open_b(x, HA_EMERGENCY);
	fixture_run(x, fixture_change, NULL);
	snprintf(path, sizeof(path), "%s", x->journal);
	open_a(x);
	fixture_deposit(x, path, FIXTURE_NODE_B, 0, 100);
	fixture_run(x, fixture_change, NULL);
	fixture_run(x, merge, NULL);
	fixture_run(x, verify_now, &r);
	assert_true(r.good);
	pgtemp_sql(x->pg, "DELETE FROM event WHERE node = '" FIXTURE_NODE_A "' AND seq > 3");
	open_a(x);
	fixture_run_many(x, fixture_change, NULL, 10);
	fixture_run(x, verify_now, &r);
	assert_false(r.good);
	for (unsigned i = 0; i < r.nnodes; i++) {
		if (!r.nodes[i].broken)
			continue;
		assert_int_equal(r.nodes[i].broken_seq, end);
		assert_non_null(strstr(r.nodes[i].why, "a SEEN event"));
	}
}

static void
append_waiting(struct fixture *x, struct fiber *f, void *arg)
{
	struct event ev = { .kind = EVENT_NODE_STARTED, .address = "", .body = "{}" };
	struct err e = { 0 };
	bool *done = arg;

	assert_int_equal(ledger_append(x->v.ledger, f, &ev, 1, NULL, &e), 0);
	*done = true;
}

struct await {
	bool done;
	enum ha_state then;
};

static void
append_or_wait(struct fixture *x, struct fiber *f, void *arg)
{
	struct await *w = arg;
	static unsigned turn;

	if (turn++ % 2 == 0) {
		append_waiting(x, f, &w->done);
		return;
	}
	fixture_pause(x, f, 200);
	assert_false(w->done);
	if (w->then == HA_STANDBY)
		statepage_set_chain_end(x->statepage_writer, CHAIN_END_PROVED);
	else
		fixture_state(x, w->then, false);
}

/* Its disk may have been put back, and the number be taken: it waits until the primary was asked, or users need it. */
static void
a_secondary_that_starts_waits_for_its_end(void **state)
{
	struct fixture *x = *state;
	struct await w = { .then = HA_EMERGENCY };
	struct seen_rows r;

	open_b(x, HA_STANDBY);
	statepage_set_chain_end(x->statepage_writer, CHAIN_END_ASKED);
	fixture_run_many(x, append_or_wait, &w, 2);
	assert_true(w.done);
	open_b(x, HA_STANDBY);
	statepage_set_chain_end(x->statepage_writer, CHAIN_END_ASKED);
	w = (struct await){ .then = HA_STANDBY };
	fixture_run_many(x, append_or_wait, &w, 2);
	assert_true(w.done);
	fixture_run(x, read_journal, &r);
	assert_int_equal(r.n, 3);
	assert_int_equal(r.kinds[0], EVENT_CHAIN_BEGUN);
	assert_int_equal(r.kinds[1], EVENT_NODE_STARTED);
	assert_int_equal(r.kinds[2], EVENT_NODE_STARTED);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_node_alone_names_itself_once),
		TEST(a_secondary_names_what_it_has),
		TEST(what_was_merged_is_named),
		TEST(what_was_seen_is_held_against_the_log),
		TEST(a_secondary_that_starts_waits_for_its_end),
	};
	return cmocka_run_group_tests_name("seen", tests, NULL, NULL);
}
