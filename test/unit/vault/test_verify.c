/* SPDX-License-Identifier: Apache-2.0
 *
 * Whatever is done to the log from outside is found, and its place is named.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"
#include "crypto/endmark.h"
#include "fixture.h"
#include "vault/audit.h"
#include "vault/verify.h"

#define EVENTS 2500 /* more than two chunks */

static struct fixture *x;
static struct verify_result r;

static void
append(struct fixture *fx, struct fiber *f, void *arg)
{
	struct event *ev = calloc(EVENTS, sizeof(*ev));
	struct err e = { 0 };

	for (int i = 0; i < EVENTS; i++)
		ev[i] = (struct event){ .kind = EVENT_RETRIEVED,
					.at_us = 1700000000000000 + i,
					.address = "10.1.2.3",
					.body = "{\"a\":1}" };
	assert_int_equal(ledger_append(fx->v.ledger, f, ev, 1000, NULL, &e), 0);
	assert_int_equal(ledger_append(fx->v.ledger, f, ev + 1000, EVENTS - 1000, NULL, &e), 0);
	free(ev);
}

static int
setup_all(void **state)
{
	x = fixture_new();
	fixture_run(x, append, NULL);
	pgtemp_sql(x->pg, "CREATE TABLE saved AS SELECT * FROM event");
	return 0;
}

static int
teardown_all(void **state)
{
	fixture_free(x);
	return 0;
}

static void
run(struct fixture *fx, struct fiber *f, void *arg)
{
	struct err e = { 0 };

	assert_int_equal(verify_run(&fx->v, f, &r, &e), 0);
}

/* Does it, verifies, and puts the log back as it was. */
static void
tamper(const char *sql, int64_t want_seq)
{
	fixture_sql(x, sql);
	fixture_run(x, run, NULL);
	if (r.good || r.nodes[0].broken_seq != want_seq)
		print_message("%s: good %d, broken at %lld: %s\n", sql, r.good,
			      (long long)r.nodes[0].broken_seq, r.nodes[0].why);
	assert_false(r.good);
	assert_true(r.nodes[0].broken);
	assert_int_equal(r.nodes[0].broken_seq, want_seq);
	assert_true(r.nodes[0].why[0]);
	pgtemp_sql(x->pg, "TRUNCATE event; INSERT INTO event SELECT * FROM saved");
	fixture_run(x, run, NULL);
	assert_true(r.good);
	assert_int_equal(r.nodes[0].events, EVENTS + 1);
}

static void
untouched(void **state)
{
	fixture_run(x, run, NULL);
	assert_true(r.good);
	assert_int_equal(r.nnodes, 1);
	assert_int_equal(r.events, EVENTS + 1); /* and the data key's */
	assert_int_equal(r.nodes[0].last_seq, EVENTS + 1);
}

static void
edited(void **state)
{
	static const struct {
		const char *sql;
		int64_t seq;
	} cases[] = {
		{ "UPDATE event SET body = '{\"a\":2}' WHERE seq = 1500", 1500 },
		{ "UPDATE event SET body = '{\"a\": 1}' WHERE seq = 2", 2 },
		{ "UPDATE event SET at = at + interval '1 microsecond' WHERE seq = 1000", 1000 },
		{ "UPDATE event SET kind = :LOGIN_FAILED WHERE seq = 1001", 1001 },
		{ "UPDATE event SET actor = gen_random_uuid() WHERE seq = 7", 7 },
		{ "UPDATE event SET object = gen_random_uuid() WHERE seq = 2000", 2000 },
		{ "UPDATE event SET address = '' WHERE seq = 2501", 2501 },
		{ "UPDATE event SET address = repeat('x', 70) WHERE seq = 900", 900 },
		{ "UPDATE event SET hash = sha256('x') WHERE seq = 500", 500 },
		{ "UPDATE event SET hash = sha256('x') WHERE seq = 2501", 2501 },
		/* Two: the first is named. */
		{ "UPDATE event SET body = '{}' WHERE seq IN (300, 200, 2400)", 200 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		tamper(cases[i].sql, cases[i].seq);
}

static void
deleted(void **state)
{
	tamper("DELETE FROM event WHERE seq = 1", 1);
	tamper("DELETE FROM event WHERE seq = 1234", 1234);
	tamper("DELETE FROM event WHERE seq BETWEEN 900 AND 1100", 900);
	/* And closed up, so that the numbers have no hole. */
	tamper("DELETE FROM event WHERE seq = 1234; UPDATE event SET seq = seq + 100000 WHERE seq "
	       "> 1234; "
	       "UPDATE event SET seq = seq - 100001 WHERE seq > 100000",
	       1234);
}

static void
reordered(void **state)
{
	tamper("UPDATE event SET seq = 999999 WHERE seq = 40; UPDATE event SET seq = 40 WHERE seq "
	       "= 41; "
	       "UPDATE event SET seq = 41 WHERE seq = 999999",
	       40);
	/* The hashes stay where they were. */
	tamper("UPDATE event a SET body = b.body, at = b.at FROM event b WHERE a.seq IN (60, 61) "
	       "AND b.seq = 121 - a.seq",
	       60);
}

static void
inserted(void **state)
{
	tamper("INSERT INTO event (node, seq, at, kind, hash) SELECT node, 2502, now(), 54, hash "
	       "FROM event WHERE seq = 2501",
	       2502);
	tamper("INSERT INTO event (node, seq, at, kind, hash) VALUES ('" FIXTURE_NODE_A
	       "', 4000, now(), 54, sha256('x'))",
	       2502);
}

static void
truncated(void **state)
{
	tamper("DELETE FROM event WHERE seq > 2400", 2401);
	tamper("DELETE FROM event WHERE seq = 2501", 2501);
	tamper("DELETE FROM event", 1);
}

/* The service was down and is up again: only the anchor remembers. */
static void
open_with_mark(const struct endmark *m)
{
	fixture_close(x);
	int fd = open(x->anchor, O_RDWR);
	assert_int_equal(endmark_write(fd, m), 0);
	close(fd);
	fixture_open(x, FIXTURE_NODE_A);
	fixture_run(x, run, NULL);
}

static void
truncated_while_down(void **state)
{
	struct endmark m = { .seq = 2601 };

	assert_int_equal(uuid_parse(FIXTURE_NODE_A, &m.node), 0);
	open_with_mark(&m);
	assert_false(r.good);
	assert_int_equal(r.nodes[0].broken_seq, 2502);
	assert_non_null(strstr(r.nodes[0].why, "anchor"));
	/* Another node's. */
	assert_int_equal(uuid_parse(FIXTURE_NODE_B, &m.node), 0);
	open_with_mark(&m);
	assert_true(r.good);
	/* Same number, another event. */
	assert_int_equal(uuid_parse(FIXTURE_NODE_A, &m.node), 0);
	m.seq = 2501;
	open_with_mark(&m);
	assert_false(r.good);
	assert_int_equal(r.nodes[0].broken_seq, 2501);
}

/* An insertion under a node that nobody has cannot be chained by anyone without the key. */
static void
invented_node(void **state)
{
	pgtemp_sql(x->pg, "INSERT INTO event (node, seq, at, kind, hash) VALUES ('" FIXTURE_NODE_B
			  "', 1, now(), 54, sha256('x'))");
	fixture_run(x, run, NULL);
	assert_false(r.good);
	assert_int_equal(r.nnodes, 2);
	assert_false(r.nodes[0].broken);
	assert_true(r.nodes[1].broken);
	assert_int_equal(r.nodes[1].broken_seq, 1);
	pgtemp_sql(x->pg, "DELETE FROM event WHERE node = '" FIXTURE_NODE_B "'");
}

static void
accept_all(struct fixture *fx, struct fiber *f, void *arg)
{
	struct call c = { .v = &fx->v, .f = f, .a = arena_new() };
	auto_buf out = BUF_INIT;
	struct err e = { 0 };
	struct json_out w;

	json_out_init(&w, &out);
	assert_int_equal(audit_accept(&c, "looked into", &w, &e), 0);
	assert_string_equal(buf_str(&out), "{\"breaks\":3,\"without_effect\":0}");
	arena_free(c.a);
}

/* With something else wrong, the acceptance does not cover it. */
static void
still_found(const char *sql, int64_t want_seq)
{
	pgtemp_sql(x->pg,
		   "DROP TABLE IF EXISTS accepted; CREATE TABLE accepted AS SELECT * FROM event");
	fixture_sql(x, sql);
	fixture_run(x, run, NULL);
	assert_false(r.good);
	if (r.nodes[0].broken_seq != want_seq)
		print_message("%s: broken at %lld: %s\n", sql, (long long)r.nodes[0].broken_seq,
			      r.nodes[0].why);
	assert_int_equal(r.nodes[0].broken_seq, want_seq);
	pgtemp_sql(x->pg, "TRUNCATE event; INSERT INTO event SELECT * FROM accepted");
}

static void
accepted(void **state)
{
	pgtemp_sql(x->pg, "DELETE FROM event WHERE seq BETWEEN 900 AND 1100;"
			  "UPDATE event SET body = '{}' WHERE seq = 1500");
	fixture_run(x, run, NULL);
	assert_false(r.good);
	assert_int_equal(r.nodes[0].broken_seq, 900);
	fixture_run(x, accept_all, NULL);
	fixture_run(x, run, NULL);
	if (!r.good)
		print_message("broken at %lld: %s\n", (long long)r.nodes[0].broken_seq,
			      r.nodes[0].why);
	assert_true(r.good);
	assert_int_equal(r.naccepted,
			 3); /* and the cut of the test before, whose mark was given up */
	assert_int_equal(r.accepted[0].seq, 900);
	assert_int_equal(r.accepted[0].resume, 1101);
	assert_int_equal(r.accepted[1].seq, 1500);
	assert_string_equal(r.accepted[1].reason, "looked into");
	assert_true(r.accepted[1].at_us > 0);
	/* The events with which it goes on, one more hole, another place, the rest of the log. */
	still_found("UPDATE event SET address = 'x' WHERE seq = 1101", 900);
	still_found("UPDATE event SET body = '{\"a\":3}' WHERE seq = 1500", 1500);
	still_found("DELETE FROM event WHERE seq = 1101", 900);
	still_found("DELETE FROM event WHERE seq = 899", 899);
	still_found("UPDATE event SET body = '{}' WHERE seq = 1501", 1501);
	/* The acceptance itself: changed, or made up. */
	still_found("UPDATE event SET body = replace(body, 'looked', 'peeped') WHERE kind = "
		    ":AUDIT_ACCEPTED",
		    fixture_count(x, "SELECT max(seq) FROM event WHERE kind = :AUDIT_ACCEPTED"));
	still_found("UPDATE event SET body = '{\"breaks\":[]}' WHERE kind = :AUDIT_ACCEPTED", 900);
	still_found("DELETE FROM event WHERE kind = :AUDIT_ACCEPTED", 900);
	fixture_run(x, run, NULL);
	assert_true(r.good);
	pgtemp_sql(x->pg, "DELETE FROM audit_accepted");
	fixture_run(x, run, NULL);
	assert_false(r.good);
	assert_int_equal(r.nodes[0].broken_seq, 900);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(untouched),	 cmocka_unit_test(edited),
		cmocka_unit_test(deleted),	 cmocka_unit_test(reordered),
		cmocka_unit_test(inserted),	 cmocka_unit_test(truncated),
		cmocka_unit_test(invented_node), cmocka_unit_test(truncated_while_down),
		cmocka_unit_test(accepted),
	};

	if (!pgtemp_have())
		return PGTEMP_SKIP;
	return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
