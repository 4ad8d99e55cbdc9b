/* SPDX-License-Identifier: Apache-2.0
 *
 * What an administrator accepted of the log covers that break and no other, and counts only
 * as the log itself has it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fixture.h"
#include "vault/audit_break.h"

#define HASH "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define DIGEST "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"
#define ANN "0190c000-0000-7000-8000-0000000000a1"

static struct fixture *x;

static int
setup(void **state)
{
	x = fixture_new();
	return 0;
}

static int
teardown(void **state)
{
	fixture_free(x);
	return 0;
}

static struct uuid
id_of(const char *text)
{
	struct uuid id;
	assert_int_equal(uuid_parse(text, &id), 0);
	return id;
}

/* ---- which break it is ---- */

static struct audit_break
lost_end(const char *node, int64_t seq, int64_t upto)
{
	return (struct audit_break){ .node = id_of(node), .seq = seq, .upto = upto, .hash = HASH };
}

static void
a_lost_end_counts_where_it_begins(void **state)
{
	struct audit_break all[] = {
		lost_end(FIXTURE_NODE_B, 10, 40), lost_end(FIXTURE_NODE_A, 10, 12),
		lost_end(FIXTURE_NODE_A, 10, 15), lost_end(FIXTURE_NODE_A, 10, 14),
		lost_end(FIXTURE_NODE_A, 20, 19), lost_end(FIXTURE_NODE_A, 30, 0),
		lost_end(FIXTURE_NODE_A, 50, 50), lost_end(FIXTURE_NODE_A, 60, 60),
	};
	const struct {
		int64_t seq, next;
		int found; /* -1: none */
	} rows[] = {
		{ 10, 0, 2 }, /* the farthest: no number is used twice */
		{ 10, 13, 1 }, { 10, 16, 2 }, { 10, 15, 3 },  { 10, 14, -1 },
		{ 11, 0, -1 }, { 9, 0, -1 },  { 20, 0, -1 }, /* it ends before it begins */
		{ 30, 0, -1 },				     /* not a lost end at all */
		{ 50, 0, 6 },  { 50, 51, 6 }, { 50, 50, -1 }, { 60, 0, -1 },
	};
	struct uuid a = id_of(FIXTURE_NODE_A), b = id_of(FIXTURE_NODE_B);
	all[7].hash[63] = '\0'; /* half a hash is none */
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct audit_break *got =
			audit_break_end(all, ARRAY_LEN(all), &a, rows[i].seq, rows[i].next);
		const struct audit_break *want = rows[i].found < 0 ? NULL : &all[rows[i].found];
		if (got != want)
			fail_msg("row %zu: %td", i, got ? got - all : -1);
	}
	assert_ptr_equal(audit_break_end(all, ARRAY_LEN(all), &b, 10, 0), &all[0]);
	assert_null(audit_break_end(all, 0, &a, 10, 0));
}

static void
the_same_break_is_the_same_in_every_part(void **state)
{
	const struct audit_break one = { .node = id_of(FIXTURE_NODE_A),
					 .seq = 7,
					 .resume = 9,
					 .upto = 8,
					 .hash = HASH,
					 .digest = DIGEST,
					 .by = "ann",
					 .reason = "looked into",
					 .seq_by = 20 };
	struct audit_break other[7];
	for (size_t i = 0; i < ARRAY_LEN(other); i++)
		other[i] = one;
	other[0].node = id_of(FIXTURE_NODE_B);
	other[1].seq++;
	other[2].resume++;
	other[3].upto++;
	other[4].hash[63] ^= 1;
	other[5].digest[0] ^= 1;
	for (size_t i = 0; i < 6; i++)
		if (audit_break_same(&one, &other[i]) || audit_break_same(&other[i], &one))
			fail_msg("part %zu makes no difference", i);
	/* Whoever accepted it, and why. */
	text_copy(other[6].by, sizeof(other[6].by), "ben");
	text_copy(other[6].reason, sizeof(other[6].reason), "asked again");
	other[6].seq_by = 30;
	other[6].proven = true;
	assert_true(audit_break_same(&one, &other[6]));
}

/* ---- what the log has ---- */

struct asked {
	struct audit_break *all;
	size_t n;
};

static void
read_breaks(struct fixture *fx, struct fiber *f, void *arg)
{
	struct asked *r = arg;
	struct err e = { 0 };
	assert_int_equal(audit_break_read(&fx->v, f, &r->all, &r->n, &e), 0);
}

static struct asked
breaks(void)
{
	struct asked r = { 0 };
	fixture_run(x, read_breaks, &r);
	assert_non_null(r.all);
	return r;
}

/* A log that ends with the acceptance of two breaks: returns its number there. */
static void
accept_two(struct fixture *fx, struct fiber *f, void *arg)
{
	static const struct uuid nothing;
	struct event ev = {
		.kind = EVENT_AUDIT_ACCEPTED,
		.actor = id_of(ANN),
		.at_us = 1700000000000000,
		.address = "192.0.2.1",
		.body = "{\"reason\":\"the disk was replaced\",\"breaks\":["
			"{\"node\":\"" FIXTURE_NODE_B "\",\"seq\":7,\"resume\":9,\"hash\":\"" HASH
			"\",\"digest\":\"" DIGEST "\"},"
			"{\"node\":\"" FIXTURE_NODE_B "\",\"seq\":21,\"resume\":0,\"upto\":23,"
			"\"hash\":\"" HASH HASH "\",\"digest\":\"\"}]}",
	};
	struct err e = { 0 };
	fixture_append(fx, f, EVENT_RETRIEVED, &nothing, "{}");
	assert_int_equal(ledger_append(fx->v.ledger, f, &ev, 1, NULL, &e), 0);
}

static void
reads_what_the_log_accepts(void **state)
{
	struct asked r = breaks();
	assert_int_equal(r.n, 0);
	free(r.all);
	fixture_sql(x, "INSERT INTO principal (id, name, role, made_as, created_at) VALUES ('" ANN
		       "', 'ann', 'administrator', 'administrator', now())");
	fixture_run(x, accept_two, NULL);
	r = breaks();
	assert_int_equal(r.n, 2);
	const struct audit_break *b = r.all;
	struct uuid a_node = id_of(FIXTURE_NODE_A), b_node = id_of(FIXTURE_NODE_B);
	for (size_t i = 0; i < 2; i++) {
		assert_true(uuid_eq(&b[i].node, &b_node));
		assert_true(uuid_eq(&b[i].node_by, &a_node));
		assert_int_equal(b[i].seq_by, fixture_count(x, "SELECT max(seq) FROM event"));
		assert_true(b[i].at_us == 1700000000000000);
		assert_string_equal(b[i].by, "ann");
		assert_string_equal(b[i].reason, "the disk was replaced");
		assert_false(b[i].proven); /* reading proves nothing */
	}
	assert_int_equal(b[0].seq, 7);
	assert_int_equal(b[0].resume, 9);
	assert_int_equal(b[0].upto, 0);
	assert_string_equal(b[0].hash, HASH);
	assert_string_equal(b[0].digest, DIGEST);
	assert_int_equal(b[1].seq, 21);
	assert_int_equal(b[1].resume, 0);
	assert_int_equal(b[1].upto, 23);
	assert_string_equal(b[1].hash, HASH); /* what is longer is cut, and fits nothing then */
	free(r.all);
	/* A row that names no such event accepts nothing. */
	fixture_sql(x, "UPDATE audit_accepted SET seq = seq - 1");
	r = breaks();
	assert_int_equal(r.n, 0);
	free(r.all);
}

/* ---- proof ---- */

static void
prove(struct fixture *fx, struct fiber *f, void *arg)
{
	struct err e = { 0 };
	assert_int_equal(audit_break_prove(&fx->v, f, arg, &e), 0);
}

static bool
is_proven(struct audit_break b)
{
	fixture_run(x, prove, &b);
	return b.proven;
}

#define THE_ONE_BEFORE "seq = (SELECT min(seq) - 1 FROM event WHERE kind = :AUDIT_ACCEPTED)"

static void
only_the_chain_proves_it(void **state)
{
	static const char *const damages[] = {
		("UPDATE event SET body = replace(body, 'disk', 'dish') WHERE kind = "
		 ":AUDIT_ACCEPTED"),
		"UPDATE event SET at = at + interval '1 microsecond' WHERE kind = :AUDIT_ACCEPTED",
		"UPDATE event SET actor = gen_random_uuid() WHERE kind = :AUDIT_ACCEPTED",
		"UPDATE event SET object = gen_random_uuid() WHERE kind = :AUDIT_ACCEPTED",
		"UPDATE event SET address = '' WHERE kind = :AUDIT_ACCEPTED",
		"UPDATE event SET address = repeat('x', 70000) WHERE kind = :AUDIT_ACCEPTED",
		"UPDATE event SET hash = sha256('x') WHERE kind = :AUDIT_ACCEPTED",
		"UPDATE event SET kind = :AUDIT_READ WHERE kind = :AUDIT_ACCEPTED",
		"DELETE FROM event WHERE kind = :AUDIT_ACCEPTED",
		"UPDATE event SET hash = sha256('x') WHERE " THE_ONE_BEFORE,
		"DELETE FROM event WHERE " THE_ONE_BEFORE,
	};
	fixture_run(x, accept_two, NULL);
	struct asked r = breaks();
	assert_int_equal(r.n, 2);
	struct audit_break b = r.all[0];
	free(r.all);
	assert_true(is_proven(b));
	pgtemp_sql(x->pg, "CREATE TABLE whole AS SELECT * FROM event");
	for (size_t i = 0; i < ARRAY_LEN(damages); i++) {
		fixture_sql(x, damages[i]);
		b.proven = true; /* what it was before does not count */
		if (is_proven(b))
			fail_msg("proven after: %s", damages[i]);
		pgtemp_sql(x->pg, "TRUNCATE event; INSERT INTO event SELECT * FROM whole");
		assert_true(is_proven(b));
	}
	pgtemp_sql(x->pg, "DROP TABLE whole");
	/* Another event that the log has just as surely. */
	b.seq_by--;
	assert_false(is_proven(b));
	b.seq_by = 1;
	assert_false(is_proven(b));
}

struct digesting {
	struct event ev;
	uint8_t digest[KEYS_HASH_BYTES];
	int rc;
};

static void
digest_one(struct fixture *fx, struct fiber *f, void *arg)
{
	struct digesting *d = arg;
	struct err e = { 0 };
	d->rc = audit_break_digest(&fx->v, f, &d->ev, d->digest, &e);
}

static struct digesting
digest_of(struct event ev)
{
	struct digesting d = { .ev = ev };
	fixture_run(x, digest_one, &d);
	return d;
}

static void
a_digest_is_of_every_part(void **state)
{
	const struct event ev = { .node = id_of(FIXTURE_NODE_A),
				  .seq = 3,
				  .at_us = 1700000000000000,
				  .kind = EVENT_RETRIEVED,
				  .address = "192.0.2.1",
				  .body = "{}" };
	struct event other[7];
	struct digesting d = digest_of(ev), again = digest_of(ev);
	assert_int_equal(d.rc, 0);
	assert_memory_equal(d.digest, again.digest, sizeof(d.digest));
	for (size_t i = 0; i < ARRAY_LEN(other); i++)
		other[i] = ev;
	other[0].node = id_of(FIXTURE_NODE_B);
	other[1].seq++;
	other[2].at_us++;
	other[3].kind = EVENT_AUDIT_READ;
	other[4].actor = id_of(ANN);
	other[5].address = "192.0.2.2";
	other[6].body = "{ }";
	for (size_t i = 0; i < ARRAY_LEN(other); i++) {
		struct digesting o = digest_of(other[i]);
		assert_int_equal(o.rc, 0);
		assert_memory_not_equal(d.digest, o.digest, sizeof(d.digest));
	}
}

/* A table that somebody wrote into has no bounds: they are checked before anything is encoded. */
static void
what_no_event_can_be_has_no_digest(void **state)
{
	auto_buf address = BUF_INIT, body = BUF_INIT;
	for (unsigned i = 0; i < EVENT_ADDRESS_MAX; i++)
		buf_addc(&address, 'a');
	for (unsigned i = 0; i < EVENT_BODY_MAX; i++)
		buf_addc(&body, 'b');
	struct event ev = { .kind = (enum event_kind)UINT16_MAX,
			    .address = buf_str(&address),
			    .body = buf_str(&body) };
	assert_true(audit_break_encodable(&ev));
	ev.kind = (enum event_kind)(UINT16_MAX + 1);
	assert_false(audit_break_encodable(&ev));
	ev.kind = (enum event_kind) - 1;
	assert_false(audit_break_encodable(&ev));
	ev.kind = EVENT_RETRIEVED;
	buf_addc(&address, 'a');
	ev.address = buf_str(&address);
	assert_int_equal(digest_of(ev).rc, ERR_CHAIN_BROKEN);
	ev.address = "";
	buf_addc(&body, 'b');
	ev.body = buf_str(&body);
	assert_int_equal(digest_of(ev).rc, ERR_CHAIN_BROKEN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lost_end_counts_where_it_begins),
		cmocka_unit_test(the_same_break_is_the_same_in_every_part),
		cmocka_unit_test_setup_teardown(reads_what_the_log_accepts, setup, teardown),
		cmocka_unit_test_setup_teardown(only_the_chain_proves_it, setup, teardown),
		cmocka_unit_test_setup_teardown(a_digest_is_of_every_part, setup, teardown),
		cmocka_unit_test_setup_teardown(what_no_event_can_be_has_no_digest, setup,
						teardown),
	};
	if (!pgtemp_have())
		return PGTEMP_SKIP;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
