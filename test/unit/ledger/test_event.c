/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "ledger/event_body.h"
#include "ledger/event.h"
#include "store/stmt.h"

static struct event
sample(void)
{
	struct event ev = { .seq = 7,
			    .at_us = 1700000000123456,
			    .kind = EVENT_RETRIEVED,
			    .address = "10.0.0.1",
			    .body = "{\"reason\":\"restart\"}" };

	uuid_new(&ev.node);
	uuid_new(&ev.actor);
	uuid_new(&ev.object);
	return ev;
}

static void
round_trip(void **state)
{
	struct event ev = sample(), back;
	struct buf b = BUF_INIT, texts = BUF_INIT;
	struct err e = { 0 };

	event_encode(&ev, &b);
	assert_int_equal(b.len, 73 + strlen(ev.address) + strlen(ev.body));
	assert_int_equal(event_decode(b.data, b.len, &back, &texts, &e), 0);
	assert_true(uuid_eq(&ev.node, &back.node) && uuid_eq(&ev.actor, &back.actor) &&
		    uuid_eq(&ev.object, &back.object));
	assert_true(ev.seq == back.seq && ev.at_us == back.at_us && ev.kind == back.kind);
	assert_string_equal(ev.address, back.address);
	assert_string_equal(ev.body, back.body);
	buf_done(&b);
	buf_done(&texts);
}

static void
canonical_bytes(void **state)
{
	static const uint8_t want[] = {
		1, 0, 1, 2, 3, 4, 5, 6, 7, 8,  9, 10, 11, 12,  13, 14, 15, 0, 0,   0,	0,
		0, 0, 1, 2,		       /* seq 258 */
		0, 0, 0, 0, 0, 0, 0, 5, 0, 54, /* at 5, kind 54 */
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  0, 0,  0,  0,   0,  0,  9,  0, 0,   0,	0,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  0, 0,  1,  'a', 0,  0,  0,  2, '{', '}',
	};
	struct event ev = { .seq = 258,
			    .at_us = 5,
			    .kind = EVENT_RETRIEVED,
			    .object = { { 9 } },
			    .address = "a",
			    .body = "{}" };
	struct buf b = BUF_INIT;

	for (uint8_t i = 0; i < 16; i++)
		ev.node.b[i] = i;
	event_encode(&ev, &b);
	assert_int_equal(b.len, sizeof(want));
	assert_memory_equal(b.data, want, sizeof(want));
	buf_done(&b);
}

/* Every cut, and every length that lies, is refused. */
static void
bad_bytes(void **state)
{
	struct event ev = sample(), back;
	struct buf b = BUF_INIT, texts = BUF_INIT;
	struct err e = { 0 };
	size_t address_at = 67, body_at;

	event_encode(&ev, &b);
	for (size_t n = 0; n < b.len; n++)
		assert_int_equal(event_decode(b.data, n, &back, &texts, &e), ERR_BAD_FIELD);
	body_at = address_at + 2 + strlen(ev.address);
	for (int flip = 0; flip < 8; flip++) {
		b.data[body_at + 3] ^= (char)(1 << flip);
		assert_int_equal(event_decode(b.data, b.len, &back, &texts, &e), ERR_BAD_FIELD);
		b.data[body_at + 3] ^= (char)(1 << flip);
	}
	b.data[0] = 2;
	assert_int_equal(event_decode(b.data, b.len, &back, &texts, &e), ERR_BAD_FIELD);
	b.data[0] = 1;
	b.data[34] = 99; /* kind */
	assert_int_equal(event_decode(b.data, b.len, &back, &texts, &e), ERR_BAD_FIELD);
	b.data[34] = 54;
	b.data[body_at + 6] = 0;
	assert_int_equal(event_decode(b.data, b.len, &back, &texts, &e), ERR_BAD_FIELD);
	b.data[body_at + 6] = 'x';
	assert_int_equal(event_decode(b.data, b.len, &back, &texts, &e), 0);
	buf_addc(&b, 0);
	assert_int_equal(event_decode(b.data, b.len, &back, &texts, &e), ERR_BAD_FIELD);
	buf_done(&b);
	buf_done(&texts);
}

/* The list is whole: names and numbers are unique, and each apply statement takes a node and a range. */
static void
kinds(void **state)
{
	size_t n = 0;

	for (; event_kind_at(n); n++) {
		int kind = event_kind_at(n), stmt = event_apply_stmt(kind);

		assert_int_equal(event_by_name(event_name(kind)), kind);
		assert_true(strlen(event_text(kind)) > 5);
		for (size_t i = 0; i < n; i++)
			assert_int_not_equal(event_kind_at(i), kind);
		if (stmt < 0)
			continue;
		assert_int_equal(stmt_info((enum stmt)stmt)->nparams, 3);
		assert_int_equal(stmt_info((enum stmt)stmt)->param_types[0], STMT_UUID);
		assert_int_equal(stmt_info((enum stmt)stmt)->param_types[2], STMT_BIGINT);
		if (stmt != STMT_APPLY_NODES) /* one for several kinds */
			assert_non_null(strstr(stmt_info((enum stmt)stmt)->name, event_name(kind)));
	}
	assert_true(n > 25);
	assert_null(event_name(0));
	assert_int_equal(event_by_name("no_such"), 0);
	assert_int_equal(event_apply_stmt(EVENT_RETRIEVED), -1);
	assert_string_equal(event_name(EVENT_RETRIEVED), "retrieved");
}

static int
get(const char *body, const char *name, const char *want)
{
	struct buf b = BUF_INIT;
	int rc = event_body_get(body, name, &b);

	if (!rc)
		assert_string_equal(buf_str(&b), want);
	buf_done(&b);
	return rc;
}

static void
bodies(void **state)
{
	uint8_t bytes[2];

	assert_int_equal(get("{\"a\":\"x\\u00e9\\n\\\"\",\"b\":-3.5e2,\"c\":true}", "a", "xé\n\""),
			 0);
	assert_int_equal(get(" { \"a\" : 1 , \"b\" : 2 } ", "b", "2"), 0);
	assert_int_equal(get("{}", "a", ""), ERR_NOT_FOUND);
	assert_int_equal(get("{\"a\":1}", "b", ""), ERR_NOT_FOUND);
	assert_int_equal(get("{\"a\":{\"b\":1},\"b\":2}", "b", ""), ERR_BAD_JSON);
	assert_int_equal(get("{\"a\":\"x", "a", ""), ERR_BAD_JSON);
	assert_int_equal(get("{\"a\":\"\\", "a", ""), ERR_BAD_JSON);
	assert_int_equal(get("{\"a\":\"\\u12", "a", ""), ERR_BAD_JSON);
	assert_int_equal(get("{\"a\":\"\\u0000\"}", "a", ""), ERR_BAD_JSON);
	assert_int_equal(get("{\"a\" 1}", "a", ""), ERR_BAD_JSON);
	assert_int_equal(get("", "a", ""), ERR_BAD_JSON);
	assert_int_equal(event_body_get_bytes("{\"m\":\"0aff\"}", "m", bytes, 2), 0);
	assert_int_equal(bytes[1], 0xff);
	assert_int_equal(event_body_get_bytes("{\"m\":\"0a\"}", "m", bytes, 2), ERR_BAD_FIELD);
	assert_int_equal(event_body_get_bytes("{\"m\":\"0axx\"}", "m", bytes, 2), ERR_BAD_FIELD);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip), cmocka_unit_test(canonical_bytes),
		cmocka_unit_test(bad_bytes),  cmocka_unit_test(kinds),
		cmocka_unit_test(bodies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
