/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/secret.h"

static void
holds_bytes(void **state)
{
	auto_secret s = secret_new(32);
	static const uint8_t zero[32];
	assert_memory_equal(secret_bytes(s), zero, 32);
	secret_free(NULL);
}

static void
a_byte_past_the_end_is_a_crash(void **state)
{
	pid_t pid = fork();
	if (!pid) {
		struct secret *s = secret_new(64);
		signal(SIGSEGV, SIG_DFL);
		*(volatile uint8_t *)(secret_bytes(s) + 64) = 1;
		_exit(0);
	}
	int status;
	waitpid(pid, &status, 0);
	assert_true(WIFSIGNALED(status));
}

static void
wipe_clears(void **state)
{
	char text[] = "secret";
	secret_wipe(text, sizeof(text));
	for (size_t i = 0; i < sizeof(text); i++)
		assert_int_equal(text[i], 0);
	secret_wipe(NULL, 0);
}

static void
wiping_malloc_is_aligned(void **state)
{
	for (size_t n = 0; n < 100; n++) {
		char *p = secret_malloc(n);
		assert_int_equal((uintptr_t)p % 16, 0);
		memset(p, 1, n);
		secret_mfree(p);
	}
	secret_mfree(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_bytes),
		cmocka_unit_test(a_byte_past_the_end_is_a_crash),
		cmocka_unit_test(wipe_clears),
		cmocka_unit_test(wiping_malloc_is_aligned),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
