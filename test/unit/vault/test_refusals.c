/* SPDX-License-Identifier: Apache-2.0
 *
 * H17: whoever is refused a thousand times does not fill the log, and what was refused is in it all the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "fixture.h"
#include "vault/policy.h"
#include "vault/refusals.h"

#define FORBIDDEN "SELECT count(*) FROM event WHERE kind = :FORBIDDEN"
#define FAILED "SELECT count(*) FROM event WHERE kind = :LOGIN_FAILED"

static struct fixture *x;
static struct uuid ann, ben;

static int
setup(void **state)
{
	x = fixture_new();
	fixture_people(x);
	return 0;
}

static int
teardown(void **state)
{
	fixture_free(x);
	return 0;
}

static bool
of_user(struct refusals *r, const struct uuid *user)
{
	const struct refusal of = {
		.kind = EVENT_FORBIDDEN, .actor = *user, .address = "192.0.2.1", .what = "read"
	};
	return refusals_take(r, &of);
}

static bool
of_stranger(struct refusals *r, const char *address)
{
	const struct refusal of = { .kind = EVENT_LOGIN_FAILED,
				    .address = address,
				    .what = "unknown" };
	return refusals_take(r, &of);
}

/* ---- what counts together ---- */

static void
each_source_has_its_own(void **state)
{
	struct refusals *r = refusals_new();

	for (int i = 0; i < REFUSALS_AT_ONCE; i++)
		assert_true(of_user(r, &ann));
	assert_false(of_user(r, &ann));
	assert_true(of_user(r, &ben));
	assert_true(of_stranger(r, "192.0.2.1"));
	refusals_free(r);
}

static void
a_network_is_one_stranger(void **state)
{
	struct refusals *r = refusals_new();
	char address[64];

	for (int i = 0; i < REFUSALS_AT_ONCE; i++) {
		snprintf(address, sizeof(address), "2001:db8:1:2::%x", (unsigned)i);
		assert_true(of_stranger(r, address));
	}
	assert_false(of_stranger(r, "2001:db8:1:2:ffff::1"));
	assert_true(of_stranger(r, "2001:db8:1:3::1"));
	for (int i = 0; i < REFUSALS_AT_ONCE; i++)
		assert_true(of_stranger(r, i % 2 ? "192.0.2.1" : "::ffff:192.0.2.1"));
	assert_false(of_stranger(r, "192.0.2.1"));
	assert_true(of_stranger(r, "192.0.2.2"));
	refusals_free(r);
}

static void
all_together_have_a_bound(void **state)
{
	struct refusals *r = refusals_new();
	int own = 0;

	for (unsigned i = 0; i < 3 * REFUSALS_SOURCES; i++) {
		char address[32];

		snprintf(address, sizeof(address), "10.0.%u.%u", i >> 8, i & 255);
		own += of_stranger(r, address);
	}
	assert_int_equal(own, REFUSALS_AT_ONCE_ALL);
	refusals_free(r);
}

static void
without_a_table_all_are_written(void **state)
{
	for (int i = 0; i < 2 * REFUSALS_AT_ONCE; i++)
		assert_true(of_user(NULL, &ann));
}

/* ---- in the log ---- */

static void
refuse(struct fixture *fx, struct fiber *f, void *arg)
{
	struct call c = { .v = &fx->v, .f = f, .a = arena_new() };
	struct err e = { 0 };

	c.who.user = ann;
	c.who.address = "192.0.2.1";
	for (int i = *(int *)arg; i > 0; i--)
		assert_int_equal(policy_refuse(&c, &ben, true, "read", &e), ERR_FORBIDDEN);
	arena_free(c.a);
}

static void
refuse_times(int n)
{
	fixture_run(x, refuse, &n);
}

static void
write_sums(struct fixture *fx, struct fiber *f, void *arg)
{
	struct err e = { 0 };

	*(int *)arg = refusals_write(&fx->v, f, &e);
}

static int
sum_up(void)
{
	int rc;

	fixture_run(x, write_sums, &rc);
	return rc;
}

static void
the_rest_is_one_event(void **state)
{
	refuse_times(REFUSALS_AT_ONCE + 40);
	assert_int_equal(fixture_count(x, FORBIDDEN), REFUSALS_AT_ONCE);
	assert_int_equal(sum_up(), 0);
	assert_int_equal(fixture_count(x, FORBIDDEN), REFUSALS_AT_ONCE + 1);
	assert_int_equal(
		fixture_count(
			x, FORBIDDEN
			" AND body::jsonb->>'times' = '40' AND body::jsonb->>'what' = 'read'"
			" AND (body::jsonb->>'since')::timestamptz <= at AND actor = '" FIXTURE_ANN
			"'"
			" AND address = '192.0.2.1' AND object IS NULL"),
		1);
	/* The next minute. */
	refuse_times(1);
	assert_int_equal(fixture_count(x, FORBIDDEN), REFUSALS_AT_ONCE + 2);
	assert_int_equal(sum_up(), 0);
	assert_int_equal(fixture_count(x, FORBIDDEN), REFUSALS_AT_ONCE + 2);
}

static void
more_sources_than_rows(void **state)
{
	for (unsigned i = 0; i < 2 * REFUSALS_SOURCES; i++) {
		char address[32];

		snprintf(address, sizeof(address), "10.0.%u.%u", i >> 8, i & 255);
		of_stranger(x->v.refusals, address);
	}
	assert_int_equal(sum_up(), 0);
	assert_int_equal(fixture_count(x, FAILED), REFUSALS_SOURCES - REFUSALS_AT_ONCE_ALL + 1);
	assert_int_equal(fixture_count(x, "SELECT sum((body::jsonb->>'times')::int) FROM event "
					  "WHERE kind = :LOGIN_FAILED"),
			 2 * REFUSALS_SOURCES - REFUSALS_AT_ONCE_ALL);
	assert_int_equal(fixture_count(x, FAILED " AND body::jsonb->>'times' = '1024'"), 1);
}

static void
what_was_not_written_counts_on(void **state)
{
	fixture_state(x, HA_SINGLE, false);
	fixture_close(x);
	fixture_open(x, FIXTURE_NODE_A);
	refuse_times(REFUSALS_AT_ONCE + 2);
	fixture_state(x, HA_FENCED, false);
	assert_int_equal(sum_up(), ERR_NOT_SERVING);
	for (int i = 0; i < REFUSALS_AT_ONCE + 3; i++)
		of_user(x->v.refusals, &ann);
	fixture_state(x, HA_SINGLE, false);
	assert_int_equal(sum_up(), 0);
	assert_int_equal(fixture_count(x, FORBIDDEN " AND body::jsonb->>'times' = '5'"), 1);
}

/* ---- log-ins ---- */

static void
login(struct fixture *fx, struct fiber *f, void *arg)
{
	struct call c = { .v = &fx->v, .f = f, .a = arena_new(), .who.address = "192.0.2.1" };
	struct session_begun got;
	struct err e = { 0 };
	int rc = session_login(&c, arg, "wrong", NULL, &got, &e);

	assert_true(rc == ERR_BAD_LOGIN || rc == ERR_LOCKED_OUT);
	arena_free(c.a);
}

static void
invented_names(void **state)
{
	char one[] = "nobody", two[] = "somebody";

	fixture_run(x, login, one);
	assert_int_equal(fixture_count(x, FAILED), 1);
	for (int i = 1; i < REFUSALS_AT_ONCE; i++)
		assert_true(of_stranger(x->v.refusals, "192.0.2.1"));
	fixture_run(x, login, two);
	assert_int_equal(fixture_count(x, FAILED), 1);
	assert_int_equal(sum_up(), 0);
	assert_int_equal(
		fixture_count(
			x, FAILED
			" AND body::jsonb->>'times' = '1' AND body::jsonb->>'why' = 'unknown'"),
		1);
}

/* The log is what counts failures until the lock-out begins; then it is told of, and counts no further. */
static void
locked_out(void **state)
{
	char name[] = "ann";

	x->settings.lockout_after = 3;
	x->settings.lockout_ms = 3600000;
	for (int i = 0; i < 8; i++)
		fixture_run(x, login, name);
	assert_int_equal(fixture_count(x, FAILED), 3);
	assert_int_equal(sum_up(), 0);
	assert_int_equal(fixture_count(x, FAILED), 4);
	assert_int_equal(fixture_count(x, FAILED " AND actor IS NULL AND object = '" FIXTURE_ANN
						 "' AND body::jsonb->>'times' = '5'"
						 " AND body::jsonb->>'why' = 'locked out'"),
			 1);
	assert_int_equal(fixture_count(x, "SELECT failed FROM principal WHERE name = 'ann'"), 3);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_source_has_its_own),
		cmocka_unit_test(a_network_is_one_stranger),
		cmocka_unit_test(all_together_have_a_bound),
		cmocka_unit_test(without_a_table_all_are_written),
		TEST(the_rest_is_one_event),
		TEST(more_sources_than_rows),
		TEST(what_was_not_written_counts_on),
		TEST(invented_names),
		TEST(locked_out),
	};

	if (uuid_parse(FIXTURE_ANN, &ann) || uuid_parse(FIXTURE_BEN, &ben))
		return 1;
	if (!pgtemp_have())
		return PGTEMP_SKIP;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
