/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/arena.h"

static void
hands_out_zeroed_aligned_memory(void **state)
{
	auto_arena a = arena_new();
	for (size_t n = 0; n < 3000; n += 7) {
		unsigned char *p = arena_alloc(a, n);
		assert_int_equal((uintptr_t)p % 16, 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xaa, n); /* must not reach what comes next */
	}
}

static void
large_blocks_fit(void **state)
{
	auto_arena a = arena_new();
	char *small = arena_strdup(a, "small");
	char *big = arena_alloc(a, 1 << 20);
	memset(big, 'x', 1 << 20);
	char *after = arena_strdup(a, "after");
	assert_string_equal(small, "small");
	assert_string_equal(after, "after");
	assert_int_equal(big[(1 << 20) - 1], 'x');
}

static void
copies_texts(void **state)
{
	auto_arena a = arena_new();
	assert_string_equal(arena_strndup(a, "abcdef", 3), "abc");
	assert_string_equal(arena_strndup(a, "ab", 30), "ab");
	assert_string_equal(arena_printf(a, "%s-%d", "n", 42), "n-42");
	struct pair {
		int64_t x, y;
	} *p = arena_new_of(a, struct pair);
	assert_true(p->x == 0 && p->y == 0);
	arena_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hands_out_zeroed_aligned_memory),
		cmocka_unit_test(large_blocks_fit),
		cmocka_unit_test(copies_texts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
