/* SPDX-License-Identifier: Apache-2.0
 *
 * The mark of a request that was handed on, and what is handed on at all (H1).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/forward.h"
#include "api/routes.h"

#define NODE "0190b000-0000-7000-8000-00000000000b"
#define MAC "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define GOOD "1 " NODE " 00000000000000ff 7 1700000000000000 192.0.2.7 node-b.test " MAC
#define NOW INT64_C(1700000000000000)

static struct forward_mark
mark_of(uint64_t run, uint64_t number, int64_t at_us)
{
	struct forward_mark m = { .run = run, .number = number, .at_us = at_us };

	assert_int_equal(uuid_parse(NODE, &m.node), 0);
	strcpy(m.address, "192.0.2.7");
	strcpy(m.name, "node-b.test");
	for (int i = 0; i < FORWARD_MAC_BYTES; i++)
		m.mac[i] = (uint8_t)i;
	return m;
}

static void
a_mark_is_read_as_it_was_written(void **state)
{
	struct forward_mark m = mark_of(255, 7, NOW), got;
	auto_buf text = BUF_INIT;
	struct err e = { 0 };

	forward_write(&m, &text);
	assert_string_equal(buf_str(&text), GOOD);
	assert_int_equal(forward_parse(GOOD, &got, &e), 0);
	assert_memory_equal(&got, &m, sizeof(m));
	m.run = m.number = UINT64_C(999999999999999999);
	strcpy(m.address, "2001:db8::7");
	buf_reset(&text);
	forward_write(&m, &text);
	assert_int_equal(forward_parse(buf_str(&text), &got, &e), 0);
	assert_memory_equal(&got, &m, sizeof(m));
}

static void
anything_else_is_no_mark(void **state)
{
	static const char *const rows[] = {
		"",
		"1",
		" " GOOD,
		GOOD " ",
		GOOD "00",
		GOOD " x",
		"2 " NODE " 00000000000000ff 7 1700000000000000 192.0.2.7 node-b.test " MAC,
		"1  " NODE " 00000000000000ff 7 1700000000000000 192.0.2.7 node-b.test " MAC,
		"1 0190B000-0000-7000-8000-00000000000B 00000000000000ff 7 1700000000000000 "
		"192.0.2.7 n " MAC,
		"1 " NODE " ff 7 1700000000000000 192.0.2.7 node-b.test " MAC,
		"1 " NODE " 0000000000000000ff 7 1700000000000000 192.0.2.7 node-b.test " MAC,
		"1 " NODE " 00000000000000FF 7 1700000000000000 192.0.2.7 node-b.test " MAC,
		"1 " NODE " 00000000000000ff 07 1700000000000000 192.0.2.7 node-b.test " MAC,
		"1 " NODE " 00000000000000ff 0 1700000000000000 192.0.2.7 node-b.test " MAC,
		"1 " NODE " 00000000000000ff -7 1700000000000000 192.0.2.7 node-b.test " MAC,
		"1 " NODE " 00000000000000ff 7 99999999999999999999 192.0.2.7 node-b.test " MAC,
		"1 " NODE " 00000000000000ff 7 9999999999999999999 192.0.2.7 node-b.test " MAC,
		"1 " NODE " 00000000000000ff 7 1700000000000000 192.0.2 node-b.test " MAC,
		"1 " NODE " 00000000000000ff 7 1700000000000000 client.test node-b.test " MAC,
		"1 " NODE " 00000000000000ff 7 1700000000000000  node-b.test " MAC,
		"1 " NODE " 00000000000000ff 7 1700000000000000 192.0.2.7  " MAC,
		"1 " NODE " 00000000000000ff 7 1700000000000000 192.0.2.7 node\"b " MAC,
		"1 " NODE " 00000000000000ff 7 1700000000000000 192.0.2.7 node\\b " MAC,
		"1 " NODE " 00000000000000ff 7 1700000000000000 192.0.2.7 node-b.test ",
		"1 " NODE " 00000000000000ff 7 1700000000000000 192.0.2.7 node-b.test 0102",
		"1 " NODE " 00000000000000ff 7 1700000000000000 192.0.2.7 node-b.test "
		"000102030405060708090A0B0C0D0E0F101112131415161718191a1b1c1d1e1f",
	};
	char long_name[FORWARD_NAME_MAX + 1];
	struct forward_mark got;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = { 0 };

		if (forward_parse(rows[i], &got, &e) != ERR_NOT_PROVEN)
			fail_msg("row %zu was taken: %s", i, rows[i]);
		assert_int_equal(e.code, ERR_NOT_PROVEN);
	}
	memset(long_name, 'a', sizeof(long_name));
	long_name[FORWARD_NAME_MAX] = '\0';
	assert_false(forward_name_fits(long_name));
	assert_true(forward_name_fits(long_name + 1));
	assert_false(forward_name_fits(""));
	assert_false(forward_name_fits("a b"));
}

/* ---- what the MAC covers ---- */

static struct request *
make(const char *method, const char *target)
{
	struct request *rq = request_new();
	struct err e = { 0 };

	rq->method = request_method(method);
	assert_int_equal(request_target(rq, target, &e), 0);
	return rq;
}

static void
message_of(const char *method, const char *target, const char *bearer, const char *cookie,
	   const char *type, const char *match, const char *body, const struct forward_mark *m,
	   struct buf *out)
{
	struct request *rq = make(method, target);

	rq->bearer = bearer;
	rq->cookie = cookie;
	rq->content_type = type;
	rq->if_none_match = match;
	buf_adds(&rq->body, body);
	forward_message(rq, m, out);
	request_free(rq);
}

static void
the_mac_covers_the_whole_request(void **state)
{
	struct forward_mark m = mark_of(1, 1, NOW), n[5];
	struct buf all[16] = { 0 };
	size_t count = 0;

	message_of("GET", "/v1/a?b=c", "t", NULL, NULL, NULL, "", &m, &all[count++]);
	message_of("POST", "/v1/a?b=c", "t", NULL, NULL, NULL, "", &m, &all[count++]);
	message_of("GET", "/v1/a?b=d", "t", NULL, NULL, NULL, "", &m, &all[count++]);
	message_of("GET", "/v1/a", "t", NULL, NULL, NULL, "", &m, &all[count++]);
	message_of("GET", "/v1/a?b=c", "u", NULL, NULL, NULL, "", &m, &all[count++]);
	message_of("GET", "/v1/a?b=c", NULL, "t", NULL, NULL, "", &m, &all[count++]);
	message_of("GET", "/v1/a?b=c", "t", NULL, "t", NULL, "", &m, &all[count++]);
	message_of("GET", "/v1/a?b=c", "t", NULL, NULL, "t", "", &m, &all[count++]);
	message_of("GET", "/v1/a?b=c", "t", NULL, NULL, NULL, "x", &m, &all[count++]);
	for (size_t i = 0; i < ARRAY_LEN(n); i++)
		n[i] = m;
	n[0].run++;
	n[1].number++;
	n[2].at_us++;
	strcpy(n[3].address, "192.0.2.8");
	strcpy(n[4].name, "node-c.test");
	for (size_t i = 0; i < ARRAY_LEN(n); i++)
		message_of("GET", "/v1/a?b=c", "t", NULL, NULL, NULL, "", &n[i], &all[count++]);
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < i; j++)
			assert_true(all[i].len != all[j].len ||
				    memcmp(all[i].data, all[j].data, all[i].len) != 0);
	/* Two ways to write one request are one request; and HEAD is GET. */
	buf_reset(&all[1]);
	message_of("HEAD", "/v1/%61?b=%63", "t", NULL, NULL, NULL, "", &m, &all[1]);
	assert_string_equal(all[0].data, all[1].data);
	assert_int_equal(all[0].len, all[1].len);
	assert_memory_equal(all[0].data, all[1].data, all[0].len);
	for (size_t i = 0; i < count; i++)
		buf_done(&all[i]);
}

/* ---- once, and in time ---- */

static struct forward_memory mem;

static bool
taken(uint64_t run, uint64_t number, int64_t at_us, int64_t now_us)
{
	struct forward_mark m = mark_of(run, number, at_us);
	struct err e = { 0 };
	int rc = forward_take(&mem, &m, now_us, NOW - 1000, &e);

	assert_true(rc == 0 || (rc == ERR_NOT_PROVEN && e.text[0]));
	return rc == 0;
}

static void
a_mark_counts_once(void **state)
{
	memset(&mem, 0, sizeof(mem));
	for (uint64_t n = 1; n < 3 * FORWARD_WINDOW; n += n % 5 ? 1 : 3) {
		assert_true(taken(1, n, NOW, NOW));
		assert_false(taken(1, n, NOW, NOW));
	}
	/* Those left out come late, but in time; each once. */
	uint64_t newest = mem.runs[ARRAY_LEN(mem.runs) - 1].newest, late = newest - newest % 5 + 1;
	while (late > newest)
		late -= 5;
	assert_true(taken(1, late, NOW, NOW));
	assert_false(taken(1, late, NOW, NOW));
	assert_false(taken(1, newest - FORWARD_WINDOW, NOW, NOW));
	/* Far ahead: all before is gone. */
	assert_true(taken(1, newest + 10 * FORWARD_WINDOW, NOW, NOW));
	assert_false(taken(1, newest + 1, NOW, NOW));
	assert_true(taken(1, newest + 10 * FORWARD_WINDOW - 1, NOW, NOW));
	/* Another run counts by itself. */
	assert_true(taken(2, 1, NOW, NOW));
	assert_false(taken(2, 1, NOW, NOW));
}

static void
a_mark_has_its_time(void **state)
{
	memset(&mem, 0, sizeof(mem));
	assert_true(taken(1, 1, NOW, NOW + FORWARD_FRESH_US));
	assert_false(taken(1, 2, NOW, NOW + FORWARD_FRESH_US + 1));
	assert_true(taken(1, 3, NOW + FORWARD_FRESH_US, NOW));
	assert_false(taken(1, 4, NOW + FORWARD_FRESH_US + 1, NOW));
	assert_true(taken(1, 5, NOW - 1000, NOW));
	assert_false(
		taken(1, 6, NOW - 1001, NOW)); /* a run of ours that is over may have taken it */
	assert_true(taken(1, UINT64_MAX, NOW, NOW));
	assert_false(taken(1, UINT64_MAX, NOW, NOW));
}

/* Bounded: too many runs at once are refused, never forgotten while a mark of theirs is fresh. */
static void
the_memory_is_bounded(void **state)
{
	memset(&mem, 0, sizeof(mem));
	for (uint64_t run = 1; run <= FORWARD_RUNS_MAX; run++)
		assert_true(taken(run, 1, NOW, NOW));
	assert_false(taken(FORWARD_RUNS_MAX + 1, 1, NOW, NOW));
	int64_t later = NOW + 3 * FORWARD_FRESH_US;
	assert_false(taken(FORWARD_RUNS_MAX + 1, 1, later, later));
	assert_true(taken(1, 2, later, later));
	assert_true(taken(FORWARD_RUNS_MAX + 1, 1, later + 1, later + 1));
	for (uint64_t run = 1; run <= FORWARD_RUNS_MAX; run++)
		assert_false(taken(run, 1, NOW, later + 1));
	assert_false(taken(1, 2, later, later + 1));
}

/* ---- what is handed on ---- */

static void
what_is_each_nodes_own_is_not_handed_on(void **state)
{
	static const char *const own[] = { "/v1/ha",	     "/v1/sys/health",	 "/v1/sys/epoch",
					   "/v1/metrics",    "/v1/openapi.json", "/",
					   "/assets/{file}", "/v1/ha/unlock",	 "/v1/ha/orders",
					   "/v1/ha/orders" /* to look, and to order */ };
	size_t local = 0;

	ROUTER_EACH(route_tables, r)
	{
		bool is_own = false;

		for (size_t k = 0; k < ARRAY_LEN(own); k++)
			is_own |= strcmp(own[k], r->pattern) == 0;
		assert_int_equal(forward_is_for(r), !is_own);
		local += is_own;
	}
	assert_int_equal(local, ARRAY_LEN(own));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mark_is_read_as_it_was_written),
		cmocka_unit_test(anything_else_is_no_mark),
		cmocka_unit_test(the_mac_covers_the_whole_request),
		cmocka_unit_test(a_mark_counts_once),
		cmocka_unit_test(a_mark_has_its_time),
		cmocka_unit_test(the_memory_is_bounded),
		cmocka_unit_test(what_is_each_nodes_own_is_not_handed_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
