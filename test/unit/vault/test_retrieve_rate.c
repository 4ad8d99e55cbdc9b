/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "vault/retrieve_rate.h"

#define S 1000000LL
#define START (1000 * S)

static const struct retrieve_rate_limit three = { .limit = 3, .window_us = 60 * S };
static struct retrieve_rate *t;

static int
begin(void **state)
{
	t = retrieve_rate_new();
	return 0;
}

static int
end(void **state)
{
	retrieve_rate_free(t);
	return 0;
}

/* As a UUIDv7: different at its end. */
static struct uuid
id(uint32_t kind, uint32_t n)
{
	uint64_t mixed = ((uint64_t)kind << 32 | n) * 0x9e3779b97f4a7c15u;
	struct uuid x = { { 7 } };

	memcpy(x.b + 8, &mixed, sizeof(mixed));
	return x;
}

static enum retrieve_rate_found
note_by(uint32_t user, uint32_t what, int64_t at_us, const struct retrieve_rate_limit *l)
{
	struct uuid u = id(1, user), w = id(2, what);

	return retrieve_rate_note(t, &u, &w, at_us, l);
}

static enum retrieve_rate_found
note(uint32_t user, uint32_t what, int64_t at_s)
{
	return note_by(user, what, START + at_s * S, &three);
}

static void
the_first_one_too_many_is_news(void **state)
{
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(note(1, i, 0), RETRIEVE_RATE_USUAL);
	assert_int_equal(note(2, 3, 0), RETRIEVE_RATE_USUAL); /* somebody else */
	assert_int_equal(note(1, 3, 0), RETRIEVE_RATE_NEWS);
	assert_int_equal(note(1, 4, 0), RETRIEVE_RATE_TOLD);
}

static void
the_same_again_does_not_count(void **state)
{
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(note(1, i % 3, 0), RETRIEVE_RATE_USUAL);
	assert_int_equal(note(1, 3, 0), RETRIEVE_RATE_NEWS);
}

/* No edge that one could read around: any three in any 60 s. */
static void
the_window_moves_with_the_clock(void **state)
{
	for (uint32_t i = 0; i < 300; i++)
		assert_int_equal(note(1, i, 20 * i), RETRIEVE_RATE_USUAL);
	assert_int_equal(note(1, 300, 299 * 20 + 19), RETRIEVE_RATE_NEWS);
}

static void
it_is_told_once_in_a_window(void **state)
{
	unsigned news = 0;

	for (uint32_t i = 0; i < 600; i++)
		news += note(1, i, i) == RETRIEVE_RATE_NEWS;
	assert_int_equal(news, 10); /* in ten minutes */
}

static void
a_clock_that_is_put_back_counts_anew(void **state)
{
	for (uint32_t i = 0; i < 4; i++)
		(void)!note(1, i, 5000);
	for (uint32_t i = 4; i < 7; i++)
		assert_int_equal(note(1, i, 0), RETRIEVE_RATE_USUAL);
	assert_int_equal(note(1, 7, 1), RETRIEVE_RATE_NEWS);
}

static void
what_could_not_be_told_is_news_again(void **state)
{
	struct uuid user = id(1, 1);

	for (uint32_t i = 0; i < 4; i++)
		(void)!note(1, i, 0);
	assert_int_equal(note(1, 4, 0), RETRIEVE_RATE_TOLD);
	retrieve_rate_untold(t, &user);
	assert_int_equal(note(1, 5, 0), RETRIEVE_RATE_NEWS);
}

static void
whoever_is_released_begins_anew(void **state)
{
	struct uuid user = id(1, 1);

	for (uint32_t i = 0; i < 4; i++)
		(void)!note(1, i, 0);
	retrieve_rate_forget(t, &user);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(note(1, i, 1), RETRIEVE_RATE_USUAL);
	assert_int_equal(note(1, 3, 1), RETRIEVE_RATE_NEWS);
}

static void
what_was_told_without_a_hold_is_told_with_one(void **state)
{
	struct retrieve_rate_limit holds = three;

	holds.holds = true;
	for (uint32_t i = 0; i < 4; i++)
		(void)!note(1, i, 0);
	assert_int_equal(note_by(1, 4, START, &holds), RETRIEVE_RATE_NEWS);
	assert_int_equal(note_by(1, 5, START, &holds), RETRIEVE_RATE_TOLD);
	assert_int_equal(note(1, 6, 0), RETRIEVE_RATE_TOLD);
}

static void
another_limit_counts_at_once(void **state)
{
	struct retrieve_rate_limit l = { .limit = 1000, .window_us = 60 * S };

	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(note_by(1, i, START, &l), RETRIEVE_RATE_USUAL);
	l.limit = 10000;
	for (uint32_t i = 1000; i < 10000; i++)
		assert_int_equal(note_by(1, i, START, &l), RETRIEVE_RATE_USUAL);
	for (uint32_t i = 0; i < 10000; i++)
		assert_int_equal(note_by(1, i, START, &l), RETRIEVE_RATE_USUAL);
	l.limit = 5;
	assert_int_equal(note_by(1, 10000, START, &l), RETRIEVE_RATE_NEWS);
	assert_int_equal(note_by(1, 9999, START, &l), RETRIEVE_RATE_USUAL); /* of the last five */
}

/* H17 of a user: a crowd, be it users of their own, does not make room for them. */
static void
nobody_escapes_into_a_crowd(void **state)
{
	uint32_t n = 100;

	for (uint32_t user = 10; user < 10 + RETRIEVE_RATE_USERS; user++)
		for (int i = 0; i < 2; i++)
			assert_int_equal(note(user, n++, 0), RETRIEVE_RATE_USUAL);
	/* No place is left: were they to begin at 0 each would always make room for the other. */
	for (uint32_t i = 0; i < 2 * RETRIEVE_RATE_USERS; i++) {
		enum retrieve_rate_found a = note(1, n++, 1), b = note(2, n++, 1);

		if (a == RETRIEVE_RATE_NEWS || b == RETRIEVE_RATE_NEWS)
			return;
	}
	fail_msg("two users who take turns are never noticed");
}

static void
whoever_has_the_fewest_makes_room(void **state)
{
	for (uint32_t i = 0; i < 3; i++)
		(void)!note(1, i, 0);
	for (uint32_t user = 2; user < 2 + RETRIEVE_RATE_USERS; user++)
		assert_int_equal(note(user, 1000 + user, 1), RETRIEVE_RATE_USUAL);
	assert_int_equal(note(1, 3, 2), RETRIEVE_RATE_NEWS);
}

static void
a_place_whose_time_is_over_is_taken_empty(void **state)
{
	for (uint32_t user = 1; user <= RETRIEVE_RATE_USERS; user++)
		for (uint32_t i = 0; i < 3; i++)
			(void)!note(user, 10 * user + i, 0);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(note(5000, i, 60), RETRIEVE_RATE_USUAL);
	assert_int_equal(note(5000, 3, 60), RETRIEVE_RATE_NEWS);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(the_first_one_too_many_is_news),
		T(the_same_again_does_not_count),
		T(the_window_moves_with_the_clock),
		T(it_is_told_once_in_a_window),
		T(a_clock_that_is_put_back_counts_anew),
		T(what_could_not_be_told_is_news_again),
		T(whoever_is_released_begins_anew),
		T(what_was_told_without_a_hold_is_told_with_one),
		T(another_limit_counts_at_once),
		T(nobody_escapes_into_a_crowd),
		T(whoever_has_the_fewest_makes_room),
		T(a_place_whose_time_is_over_is_taken_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
