/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <libpq-fe.h>
#include <string.h>
#include "vault/rowcache.h"

#define ROOM (1u << 20)

static struct rowcache_batch *
batch(void)
{
	return rowcache_batch_new((struct rows *)(void *)PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK),
				  1);
}

static struct uuid
id(uint32_t n)
{
	struct uuid u = { { 0 } };

	memcpy(u.b + 12, &n, sizeof(n));
	return u;
}

static struct rowcache_key
key(uint32_t account, uint32_t principal, int row)
{
	return (struct rowcache_key){ id(account), id(principal), row };
}

/* The row it is in, -1 when it is not held. */
static int
find(struct rowcache *c, uint32_t account, uint32_t principal)
{
	const struct uuid a = id(account), p = id(principal);
	int row = -1;
	struct rowcache_batch *b = rowcache_find(c, &a, &p, &row);

	rowcache_batch_release(b);
	return b ? row : -1;
}

/* As gather does: the reader has done with it, the cache may have it still. */
static void
put(struct rowcache *c, const struct rowcache_key *keys, size_t n)
{
	struct rowcache_batch *b = batch();

	rowcache_put(c, b, keys, n);
	rowcache_batch_release(b);
}

static size_t
bytes_of_one(void)
{
	struct rowcache *c = rowcache_new(ROOM);
	const struct rowcache_key k = key(1, 1, 0);

	put(c, &k, 1);
	size_t n = rowcache_stats(c).bytes;
	rowcache_free(c);
	return n;
}

static void
what_was_put_is_found(void **state)
{
	struct rowcache *c = rowcache_new(ROOM);
	/* 65537: the same bucket as 1. */
	const struct rowcache_key keys[] = { key(1, 7, 0), key(65537, 7, 1), key(1, 8, 2) };

	assert_int_equal(find(c, 1, 7), -1);
	put(c, keys, 3);
	assert_int_equal(find(c, 1, 7), 0);
	assert_int_equal(find(c, 65537, 7), 1);
	assert_int_equal(find(c, 1, 8), 2);
	assert_int_equal(find(c, 1, 9), -1);
	assert_int_equal(find(c, 65537, 8), -1);
	assert_int_equal(rowcache_stats(c).rows, 3);
	assert_int_equal(rowcache_stats(c).hits, 3);
	assert_int_equal(rowcache_stats(c).misses, 3);
	rowcache_free(c);
}

static void
the_newer_of_a_key_counts(void **state)
{
	struct rowcache *c = rowcache_new(ROOM);
	const struct rowcache_key first = key(1, 7, 0), twice[] = { key(1, 7, 4), key(1, 7, 5) };
	size_t one;

	put(c, &first, 1);
	one = rowcache_stats(c).bytes;
	put(c, &first, 1);
	assert_int_equal(rowcache_stats(c).bytes, one); /* the first result is gone */
	put(c, twice, 2);
	assert_int_equal(find(c, 1, 7), 5);
	assert_int_equal(rowcache_stats(c).rows, 1);
	rowcache_free(c);
}

static void
an_account_is_dropped_for_everyone(void **state)
{
	struct rowcache *c = rowcache_new(ROOM);
	const struct rowcache_key keys[] = { key(1, 7, 0), key(1, 8, 1), key(2, 7, 2) };
	const struct uuid one = id(1), two = id(2);

	put(c, keys, 3);
	rowcache_drop(c, &one);
	assert_int_equal(find(c, 1, 7), -1);
	assert_int_equal(find(c, 1, 8), -1);
	assert_int_equal(find(c, 2, 7), 2);
	rowcache_drop(c, &two);
	assert_int_equal(rowcache_stats(c).rows, 0);
	assert_int_equal(rowcache_stats(c).bytes, 0); /* with the last row its result goes */
	rowcache_drop(c, &two);
	rowcache_free(c);
}

static void
the_oldest_makes_room(void **state)
{
	size_t one = bytes_of_one();
	struct rowcache *c = rowcache_new(3 * one);

	for (uint32_t i = 0; i < 10; i++) {
		const struct rowcache_key k = key(i, 1, (int)i);
		put(c, &k, 1);
		assert_true(rowcache_stats(c).bytes <= 3 * one);
	}
	assert_int_equal(rowcache_stats(c).rows, 3);
	assert_int_equal(find(c, 6, 1), -1);
	for (uint32_t i = 7; i < 10; i++)
		assert_int_equal(find(c, i, 1), (int)i);
	rowcache_free(c);
}

static void
a_result_in_the_middle_may_go(void **state)
{
	struct rowcache *c = rowcache_new(ROOM);
	const struct uuid two = id(2);

	for (uint32_t i = 1; i <= 3; i++) {
		const struct rowcache_key k = key(i, 1, 0);
		put(c, &k, 1);
	}
	rowcache_drop(c, &two);
	assert_int_equal(rowcache_stats(c).rows, 2);
	rowcache_clear(c);
	assert_int_equal(rowcache_stats(c).rows, 0);
	assert_int_equal(rowcache_stats(c).bytes, 0);
	assert_int_equal(find(c, 1, 1), -1);
	rowcache_free(c);
}

/* Whoever found it may use it after it was dropped. */
static void
a_result_lives_for_its_users(void **state)
{
	struct rowcache *c = rowcache_new(ROOM);
	const struct rowcache_key k = key(1, 7, 0);
	int row;

	put(c, &k, 1);
	struct rowcache_batch *b = rowcache_find(c, &k.account, &k.principal, &row);
	assert_non_null(b);
	rowcache_clear(c);
	rowcache_free(c);
	assert_int_equal(rows_count(rowcache_batch_rows(b)), 0);
	rowcache_batch_release(b);
}

static void
without_room_nothing_is_held(void **state)
{
	struct rowcache *c = rowcache_new(0);
	const struct rowcache_key k = key(1, 7, 0);

	put(c, &k, 1);
	assert_int_equal(rowcache_stats(c).rows, 0);
	assert_int_equal(find(c, 1, 7), -1);
	rowcache_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_put_is_found),
		cmocka_unit_test(the_newer_of_a_key_counts),
		cmocka_unit_test(an_account_is_dropped_for_everyone),
		cmocka_unit_test(the_oldest_makes_room),
		cmocka_unit_test(a_result_in_the_middle_may_go),
		cmocka_unit_test(a_result_lives_for_its_users),
		cmocka_unit_test(without_room_nothing_is_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
