/* SPDX-License-Identifier: Apache-2.0
 *
 * What is heard becomes facts: H4's clocks, and bodies that came from outside.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "ha/probe.h"

static void
parse_takes_a_whole_answer(void **ctx)
{
	static const char text[] = "{\"status\":\"serving\",\"mode\":\"primary\",\"node\":\"a."
				   "example\",\"node_id\":\"x\","
				   "\"state\":\"synced\",\"term\":3,\"time\":\"2026-01-31T12:00:00."
				   "000001Z\",\"synced\":true,"
				   "\"journal\":5,\"as_of\":\"2026-01-31T12:00:00.000002Z\",\"as_"
				   "of_term\":2,\"why\":null,\"more\":[1]}";
	struct probe_reply r;
	struct err e;

	assert_int_equal(probe_parse(text, strlen(text), &r, &e), 0);
	assert_string_equal(r.mode, "primary");
	assert_string_equal(r.node, "a.example");
	assert_string_equal(r.state, "synced");
	assert_true(r.synced);
	assert_int_equal(r.term, 3);
	assert_int_equal(r.journal_rows, 5);
	assert_int_equal(r.time_us % 1000000, 1);
	assert_int_equal(r.as_of_us % 1000000, 2);
	assert_int_equal(r.as_of_term, 2);
	assert_string_equal(r.why, "");
	/* A program of before says neither version nor schema. */
	assert_string_equal(r.version, "");
	assert_int_equal(r.schema_known, 0);
}

static void
parse_takes_the_version(void **ctx)
{
	static const char text[] = "{\"version\":\"0.1.0\",\"schema\":8,\"schema_known\":13}";
	struct probe_reply r;
	struct err e;

	assert_int_equal(probe_parse(text, strlen(text), &r, &e), 0);
	assert_string_equal(r.version, "0.1.0");
	assert_int_equal(r.schema, 8);
	assert_int_equal(r.schema_known, 13);
}

/* H14: who is in the pair, as a primary says; a program of before says nothing, and what is no list of nodes says nothing either. */
static void
parse_takes_the_members(void **ctx)
{
	static const struct {
		const char *text;
		unsigned n;
	} rows[] = {
		{ "{}", 0 },
		{ "{\"members\":[\"a\",\"b\"]}", 2 },
		{ "{\"members\":[]}", 0 },
		{ "{\"members\":[\"a\",7]}", 0 },
		{ "{\"members\":\"a\"}", 0 },
		{ "{\"members\":[\"0123456789012345678901234567890123456789\"]}", 0 },
		{ "{\"members\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]}", 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct probe_reply r;
		struct err e;

		assert_int_equal(probe_parse(rows[i].text, strlen(rows[i].text), &r, &e), 0);
		assert_int_equal(r.members_n, rows[i].n);
	}
}

#define NODE "01900000-0000-7000-8000-00000000000a"
#define PROOF "0101010101010101010101010101010101010101010101010101010101010101"

/* H10: of an answer under a certificate that is not trusted the epoch alone is taken, and none without a proof. */
static void
parse_takes_an_epoch_with_its_proof(void **ctx)
{
	static const char good[] =
		"{\"mode\":\"primary\",\"epoch\":\"3." NODE "\",\"epoch_proof\":\"" PROOF "\"}";
	static const char told[] = "{\"told\":\"3." NODE "\",\"told_proof\":\"" PROOF "\"}";
	static const char *const none[] = {
		"",
		"[]",
		"{\"mode\":\"primary\",\"term\":9}",
		"{\"epoch\":\"3." NODE "\"}",
		"{\"epoch\":\"3." NODE "\",\"epoch_proof\":null}",
		"{\"epoch\":\"3." NODE "\",\"epoch_proof\":\"01\"}",
		"{\"epoch\":\"3." NODE "\",\"epoch_proof\":7}",
		"{\"epoch\":3,\"epoch_proof\":\"" PROOF "\"}",
		"{\"epoch_proof\":\"" PROOF "\"}",
	};
	struct epoch_claim c;
	struct probe_reply r;
	struct err e;

	probe_parse_claim(good, strlen(good), &c);
	assert_int_equal(c.epoch.counter, 3);
	assert_true(epoch_has_proof(&c));
	assert_int_equal(probe_parse(good, strlen(good), &r, &e), 0);
	assert_memory_equal(&r.epoch, &c, sizeof(c));
	assert_int_equal(r.told.epoch.counter, 0);
	assert_int_equal(probe_parse(told, strlen(told), &r, &e), 0);
	assert_memory_equal(&r.told, &c, sizeof(c));
	probe_parse_claim(told, strlen(told), &c); /* that is for the node itself */
	assert_int_equal(c.epoch.counter, 0);
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
		probe_parse_claim(none[i], strlen(none[i]), &c);
		assert_int_equal(c.epoch.counter, 0);
	}
	/* A program of before proves nothing. */
	assert_int_equal(probe_parse(none[3], strlen(none[3]), &r, &e), 0);
	assert_int_equal(r.epoch.epoch.counter, 3);
	assert_false(epoch_has_proof(&r.epoch));
}

static void
parse_refuses_what_is_malformed(void **ctx)
{
	static const char *const texts[] = {
		"",
		"[]",
		"null",
		"{",
		"{\"mode\":1}",
		"{\"mode\":\"a mode longer than it may be\"}",
		"{\"term\":-1}",
		"{\"term\":1.5}",
		"{\"time\":\"yesterday\"}",
		"{\"time\":7}",
		"{\"mode\":\"primary\",\"mode\":\"standby\"}",
		"{\"state\":{}}",
		"{} x",
	};
	struct probe_reply r = { .term = 77 };
	struct err e;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		assert_true(probe_parse(texts[i], strlen(texts[i]), &r, &e) < 0);
		assert_int_equal(r.term, 77);
	}
	static char huge[20000];
	memset(huge, ' ', sizeof(huge));
	assert_int_equal(probe_parse(huge, sizeof(huge), &r, &e), ERR_TOO_LARGE);
}

/* An attempt at `at` that is answered, or fails, 10 ms later. */
static void
hear(struct probe_sense *s, enum probe_outcome outcome, int64_t at, bool kept)
{
	probe_ask(s, kept, at);
	assert_true(probe_note(s, outcome, outcome == PROBE_OK, at, at + 10));
}

static void
refusal_counts_from_its_first(void **ctx)
{
	struct probe_sense s = { 0 };

	hear(&s, PROBE_OK, 1990, true);
	assert_int_equal(probe_ok_for(&s, 2500), 500);
	hear(&s, PROBE_REFUSED, 2990, true);
	hear(&s, PROBE_REFUSED, 3090, false);
	assert_int_equal(probe_bad_for(&s, 3500), 500);
	assert_int_equal(probe_ok_for(&s, 3500), 0);
	assert_false(probe_is_silent(&s, 500, 9000)); /* a refusal is an answer */
	hear(&s, PROBE_OK, 3590, false);
	assert_int_equal(probe_bad_for(&s, 4000), 0);
	assert_int_equal(probe_ok_for(&s, 4000), 400);
}

/* A kept connection: detect_ms from the first question that was not answered (H4). */
static void
silence_is_not_refusal(void **ctx)
{
	struct probe_sense s = { 0 };

	hear(&s, PROBE_OK, 2000, true);
	assert_false(probe_is_silent(&s, 3000, 90000)); /* nothing was asked since */
	hear(&s, PROBE_SILENT, 4000, true);
	assert_false(s.ok);
	assert_int_equal(probe_bad_for(&s, 5000), 0);
	/* A stranger's certificate and a name that is not resolved are silence too. */
	hear(&s, PROBE_UNTRUSTED, 5000, false);
	hear(&s, PROBE_BAD_NAME, 5100, false);
	assert_int_equal(probe_bad_for(&s, 5200), 0);
	assert_false(probe_is_silent(&s, 3000, 6999));
	assert_true(probe_is_silent(&s, 3000, 7000));
	assert_true(probe_is_silent(&s, 500, 4500));
}

/* Without a connection a handshake gets three seconds, and a second one half a second more, however short detect_ms is: a line
 * of 400 ms and some lost packets needs them (H4). */
static void
a_new_connection_gets_its_time(void **ctx)
{
	struct probe_sense s = { 0 };

	probe_ask(&s, false, 1000);
	assert_false(probe_is_silent(&s, 500, 4499));
	assert_true(probe_is_silent(&s, 500, 4500));
	assert_false(probe_is_silent(&s, 5000, 6499));
	assert_true(probe_is_silent(&s, 5000, 6500));
	assert_int_equal(probe_patience(500, false, false, false), 3000);
	assert_int_equal(probe_patience(500, false, true, false), 3000);
	assert_int_equal(probe_patience(5000, false, false, true), 5000);
	assert_true(probe_patience(5000, false, true, true) <= 1000);
	assert_int_equal(probe_patience(500, true, false, false), 500);
}

/* Two threads ask: what began before the newest answer and ends behind it says nothing. */
static void
what_comes_late_is_passed_over(void **ctx)
{
	struct probe_sense s = { 0 };

	probe_ask(&s, true, 1000);
	probe_ask(&s, false, 2000);
	assert_true(probe_note(&s, PROBE_OK, true, 2000, 2300));
	assert_false(probe_is_silent(&s, 500, 4000));
	assert_false(probe_note(&s, PROBE_SILENT, false, 1000, 4000));
	assert_true(s.ok);
	assert_int_equal(probe_ok_for(&s, 4000), 1700);
}

/* This node was not there itself: what it did not hear meanwhile is nobody's silence (H4). */
static void
own_absence_begins_every_waiting_anew(void **ctx)
{
	struct probe_sense s = { 0 };

	hear(&s, PROBE_OK, 1000, true);
	probe_ask(&s, true, 1500);
	assert_true(probe_is_silent(&s, 3000, 60000));
	probe_begin_anew(&s, 60000);
	assert_false(probe_is_silent(&s, 3000, 63499));
	assert_true(probe_is_silent(&s, 3000, 63500));
	assert_int_equal(probe_ok_for(&s, 60100), 100);

	struct probe_sense bad = { 0 };
	hear(&bad, PROBE_REFUSED, 1000, false);
	probe_begin_anew(&bad, 60000);
	assert_int_equal(probe_bad_for(&bad, 60050), 50);
}

static void
a_node_that_serves_not_as_primary_is_bad(void **ctx)
{
	static const enum probe_outcome bad[] = { PROBE_OK, PROBE_STANDBY, PROBE_CANNOT };

	for (size_t i = 0; i < 3; i++) {
		struct probe_sense s = { 0 };

		assert_true(probe_note(&s, bad[i], false, 90, 100));
		assert_false(s.ok);
		assert_int_equal(probe_bad_for(&s, 400), 300);
	}
}

/* A refusal is seen, and has lasted refused_ms, within a second: the pause allows for it (H4). */
static void
pauses_leave_room_for_a_second(void **ctx)
{
	struct probe_sense ok = { .ok = true }, bad = { 0 };

	for (int64_t refused = 100; refused <= 800; refused += 50)
		assert_true(probe_pause(&ok, 500, refused) + refused + 100 <= 1000);
	assert_int_equal(probe_pause(&ok, 500, 600), 200);
	assert_int_equal(probe_pause(&ok, 150, 600), 150);
	assert_int_equal(probe_pause(&bad, 500, 600), 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_takes_a_whole_answer),
		cmocka_unit_test(parse_takes_the_version),
		cmocka_unit_test(parse_takes_the_members),
		cmocka_unit_test(parse_takes_an_epoch_with_its_proof),
		cmocka_unit_test(parse_refuses_what_is_malformed),
		cmocka_unit_test(refusal_counts_from_its_first),
		cmocka_unit_test(silence_is_not_refusal),
		cmocka_unit_test(a_new_connection_gets_its_time),
		cmocka_unit_test(what_comes_late_is_passed_over),
		cmocka_unit_test(own_absence_begins_every_waiting_anew),
		cmocka_unit_test(a_node_that_serves_not_as_primary_is_bad),
		cmocka_unit_test(pauses_leave_room_for_a_second),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
