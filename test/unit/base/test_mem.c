/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/mem.h"

static void
gives_zeroed_bytes(void **state)
{
	static const char zero[4000];
	char *one = mem_new(sizeof(zero)), *many = mem_array(400, 10);

	assert_memory_equal(one, zero, sizeof(zero));
	assert_memory_equal(many, zero, 4000);
	free(one);
	free(many);
}

/* A pointer of its own, so that nobody takes NULL for a list that is absent. */
static void
nothing_is_no_null(void **state)
{
	void *none = mem_array(0, 8), *raw = mem_raw(0), *grown = mem_grow(NULL, 0, 8);

	assert_non_null(none);
	assert_non_null(raw);
	assert_non_null(grown);
	free(none);
	free(raw);
	free(grown);
}

static void
grows_and_keeps(void **state)
{
	uint32_t *p = mem_grow(NULL, 1, sizeof(*p));

	p[0] = 7;
	p = mem_grow(p, 100000, sizeof(*p));
	p[99999] = 9;
	assert_int_equal(p[0], 7);
	free(p);
}

static void
copies_texts(void **state)
{
	char *whole = mem_dup("abc"), *part = mem_dupn("abc", 2);

	assert_string_equal(whole, "abc");
	assert_string_equal(part, "ab");
	assert_null(mem_dup(NULL));
	assert_null(mem_dupn(NULL, 3));
	free(whole);
	free(part);
}

static volatile size_t too_many = SIZE_MAX / 4;

static void
asks_for_an_array(void)
{
	free(mem_array(too_many, 8));
}

static void
asks_to_grow(void)
{
	free(mem_grow(NULL, too_many, 8));
}

static void
asks_for_bytes(void)
{
	free(mem_raw(too_many));
}

static void
has_nothing_made(void)
{
	free(mem_have(NULL));
}

static void
checks(void)
{
	mem_check(false);
}

/* Runs it in a process of its own; what that wrote to stderr → said, how it ended → the signal. */
static int
runs(void (*fn)(void), char *said, size_t room)
{
	int ends[2], status;
	ssize_t n;

	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork();
	if (!pid) {
		signal(SIGABRT, SIG_DFL);
		dup2(ends[1], STDERR_FILENO);
		fn();
		_exit(0);
	}
	close(ends[1]);
	n = read(ends[0], said, room - 1);
	said[n > 0 ? n : 0] = '\0';
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* Also a product that does not fit: 2^62 times 8 bytes would be 0. */
static void
what_cannot_be_had_ends_the_process_and_says_so(void **state)
{
	void (*const all[])(void) = { asks_for_an_array, asks_to_grow, asks_for_bytes,
				      has_nothing_made, checks };
	char said[1024];

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		assert_int_equal(runs(all[i], said, sizeof(said)), SIGABRT);
#ifndef __SANITIZE_ADDRESS__ /* which refuses by itself, with its own words */
		assert_non_null(strstr(said, "out of memory"));
#endif
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_zeroed_bytes),
		cmocka_unit_test(nothing_is_no_null),
		cmocka_unit_test(grows_and_keeps),
		cmocka_unit_test(copies_texts),
		cmocka_unit_test(what_cannot_be_had_ends_the_process_and_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
