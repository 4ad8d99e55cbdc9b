/* SPDX-License-Identifier: Apache-2.0
 *
 * A node that cannot prove where its chain ends does not continue it: what it writes is a chain of its own (H2, H7, H13).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <glob.h>
#include "fixture.h"
#include "vault/verify.h"

#define OWN "node = '" FIXTURE_NODE_A "'"
#define OTHER "node IN (SELECT id FROM chain WHERE " OWN ")"

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

static int64_t
count(struct fixture *x, const char *which)
{
	char sql[400];

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM event WHERE %s", which);
	return fixture_count(x, sql);
}

static void
verify_now(struct fixture *x, struct fiber *f, void *arg)
{
	static struct verify_result r;
	struct err e = { 0 };

	assert_int_equal(verify_run(&x->v, f, &r, &e), 0);
	assert_true(r.good);
	assert_int_equal(r.nnodes, *(unsigned *)arg);
}

static void
assert_good(struct fixture *x, unsigned chains)
{
	fixture_run(x, verify_now, &chains);
}

static void
restart(struct fixture *x, enum ha_state s, enum chain_end end)
{
	fixture_close(x);
	fixture_state(x, s, false);
	statepage_set_chain_end(x->statepage_writer, end);
	fixture_open(x, FIXTURE_NODE_A);
}

static void
it_goes_on_beside_and_comes_back(void **state)
{
	struct fixture *x = *state;

	fixture_run_many(x, fixture_change, NULL, 5);
	int64_t had = count(x, OWN);
	restart(x, HA_ALONE, CHAIN_END_UNPROVED);
	fixture_run_many(x, fixture_change, NULL, 3);
	assert_int_equal(count(x, OWN), had);
	assert_int_equal(count(x, OTHER " AND kind = :CHAIN_BEGUN AND seq = 1"), 1);
	assert_int_equal(count(x, OTHER " AND kind = :USER_CREATED"), 3);
	/* It names the end of the own one before it changes anything. */
	assert_int_equal(count(x, OTHER " AND kind = :SEEN AND object = '" FIXTURE_NODE_A "'"), 1);
	assert_good(x, 2);
	/* Another node was asked. */
	statepage_set_chain_end(x->statepage_writer, CHAIN_END_PROVED);
	int64_t beside = count(x, OTHER);
	fixture_run_many(x, fixture_change, NULL, 3);
	assert_int_equal(count(x, OTHER), beside);
	assert_int_equal(count(x, OWN " AND kind = :USER_CREATED"), 8);
	assert_int_equal(count(x, OWN " AND kind = :SEEN AND object <> '" FIXTURE_NODE_A "'"), 1);
	assert_good(x, 2);
	/* What is known stays known: an agent that fell takes nothing back. */
	statepage_set_chain_end(x->statepage_writer, CHAIN_END_ASKED);
	fixture_run(x, fixture_change, NULL);
	assert_int_equal(count(x, OTHER), beside);
}

static void
each_start_that_proves_nothing_has_its_own(void **state)
{
	struct fixture *x = *state;

	fixture_run(x, fixture_change, NULL);
	for (int i = 0; i < 3; i++) {
		restart(x, HA_ALONE, CHAIN_END_UNPROVED);
		fixture_run(x, fixture_change, NULL);
	}
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM chain"), 3);
	assert_good(x, 4);
	/* A service that fell goes on in the one that this run of the node began; the next run does not. */
	for (int i = 0; i < 4; i++) {
		x->run = i < 3 ? "one" : "another";
		restart(x, HA_ALONE, CHAIN_END_UNPROVED);
		fixture_run(x, fixture_change, NULL);
		assert_int_equal(fixture_count(x, "SELECT count(*) FROM chain"), i < 3 ? 4 : 5);
	}
	assert_good(x, 6);
	restart(x, HA_SINGLE, CHAIN_END_ASKED);
	fixture_run(x, fixture_change, NULL);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM chain"), 5);
	assert_good(x, 6);
}

struct await {
	bool done;
	enum chain_end then;
};

static void
append_or_tell(struct fixture *x, struct fiber *f, void *arg)
{
	struct await *w = arg;
	static unsigned turn;

	if (turn++ % 2 == 0) {
		fixture_change(x, f, NULL);
		w->done = true;
		return;
	}
	fixture_pause(x, f, 200);
	assert_false(w->done);
	statepage_set_chain_end(x->statepage_writer, w->then);
}

/* While the others are being asked nothing is written; what they say decides. */
static void
it_waits_for_an_answer(void **state)
{
	struct fixture *x = *state;
	struct await w = { .then = CHAIN_END_PROVED };

	fixture_run(x, fixture_change, NULL);
	restart(x, HA_ALONE, CHAIN_END_ASKED);
	fixture_run_many(x, append_or_tell, &w, 2);
	assert_true(w.done);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM chain"), 0);
	restart(x, HA_ALONE, CHAIN_END_ASKED);
	w = (struct await){ .then = CHAIN_END_UNPROVED };
	fixture_run_many(x, append_or_tell, &w, 2);
	assert_true(w.done);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM chain"), 1);
	assert_good(x, 2);
}

/* ---- as a secondary ---- */

static size_t
files_beside(struct fixture *x)
{
	char pattern[300];
	glob_t g;

	snprintf(pattern, sizeof(pattern), "%s/journal-*.db", x->dir);
	size_t n = glob(pattern, 0, NULL, &g) ? 0 : g.gl_pathc;
	globfree(&g);
	return n;
}

struct journaled {
	unsigned n, begun;
	struct uuid chain[64];
};

static void
take_event(void *ctx, const struct event *ev)
{
	struct journaled *j = ctx;

	assert_true(j->n < ARRAY_LEN(j->chain));
	j->begun += ev->kind == EVENT_CHAIN_BEGUN;
	j->chain[j->n++] = ev->node;
}

static void
read_journals(struct fixture *x, struct fiber *f, void *arg)
{
	struct err e = { 0 };

	memset(arg, 0, sizeof(struct journaled));
	assert_int_equal(ledger_journal_each(x->v.ledger, f, NULL, take_event, arg, &e), 0);
}

static struct journaled
journaled(struct fixture *x)
{
	static struct journaled j;

	fixture_run(x, read_journals, &j);
	return j;
}

/* In emergency nobody waits, and no number is used that the primary may have. */
static void
a_secondary_writes_beside_too(void **state)
{
	struct fixture *x = *state;

	fixture_run_many(x, fixture_change, NULL, 2);
	int64_t had = count(x, OWN);
	restart(x, HA_EMERGENCY, CHAIN_END_PROVED);
	fixture_run(x, fixture_change, NULL);
	assert_int_equal(files_beside(x), 0);
	unsigned before = journaled(x).n;
	x->run = "one";
	for (int i = 0; i < 3; i++) {
		restart(x, HA_EMERGENCY, CHAIN_END_ASKED);
		fixture_run(x, fixture_change, NULL);
		assert_int_equal(files_beside(x), 1);
		assert_int_equal(journaled(x).begun, 1);
		assert_good(x, 2);
	}
	x->run = "another";
	restart(x, HA_EMERGENCY, CHAIN_END_UNPROVED);
	fixture_run(x, fixture_change, NULL);
	assert_int_equal(files_beside(x), 2);
	/* The primary was asked. */
	statepage_set_chain_end(x->statepage_writer, CHAIN_END_PROVED);
	fixture_run(x, fixture_change, NULL);
	struct journaled j = journaled(x);
	assert_int_equal(j.begun, 2);
	assert_memory_equal(&j.chain[0], &j.chain[j.n - 1], sizeof(j.chain[0]));
	assert_true(j.n > before + 6);
	assert_good(x, 3);
	/* It becomes the primary, and all of it goes into the log. */
	fixture_state(x, HA_ALONE, false);
	fixture_run(x, fixture_change, NULL);
	assert_int_equal(count(x, "kind = :USER_CREATED"), 9);
	assert_int_equal(count(x, OTHER " AND kind = :CHAIN_BEGUN"), 2);
	assert_true(count(x, OWN) > had);
	assert_good(x, 3);
	restart(x, HA_ALONE, CHAIN_END_PROVED);
	fixture_run(x, fixture_change, NULL);
	assert_int_equal(files_beside(x), 0);
	assert_good(x, 3);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_goes_on_beside_and_comes_back),
		TEST(each_start_that_proves_nothing_has_its_own),
		TEST(it_waits_for_an_answer),
		TEST(a_secondary_writes_beside_too),
	};
	return cmocka_run_group_tests_name("chain", tests, NULL, NULL);
}
