/* SPDX-License-Identifier: Apache-2.0
 *
 * Both disks again only after some seconds of steadiness, which grow with each relapse (H2).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdint.h>
#include "ha/steadiness.h"

static void
the_first_time_is_at_once(void **ctx)
{
	struct steadiness s = { 0 };

	assert_false(steadiness_reached(&s, 5000, 100));
	steadiness_note(&s, true, 100);
	assert_true(steadiness_reached(&s, 5000, 100));
}

static void
a_relapse_asks_for_steadiness(void **ctx)
{
	struct steadiness s = { 0 };

	steadiness_note(&s, true, 100);
	steadiness_relapse(&s, 1000);
	assert_false(steadiness_reached(&s, 5000, 100000));
	steadiness_note(&s, true, 2000);
	assert_false(steadiness_reached(&s, 5000, 6999));
	assert_true(steadiness_reached(&s, 5000, 7000));
	steadiness_note(&s, false, 7001); /* out of step in between: all over again */
	steadiness_note(&s, true, 7100);
	assert_false(steadiness_reached(&s, 5000, 12099));
	assert_true(steadiness_reached(&s, 5000, 12100));
}

static void
each_relapse_doubles_it(void **ctx)
{
	static const int64_t wanted[] = { 5000, 10000, 20000, 40000, 60000, 60000 };
	struct steadiness s = { 0 };

	for (unsigned i = 0; i < 6; i++) {
		steadiness_relapse(&s, 1000 + i * 100000);
		assert_int_equal(steadiness_wanted(&s, 5000), wanted[i]);
	}
	/* Ten minutes without one are forgiven, but for the first step. */
	steadiness_relapse(&s, 1000 + 5 * 100000 + STEADINESS_FORGET_MS);
	assert_int_equal(steadiness_wanted(&s, 5000), 5000);
	for (int i = 0; i < 100; i++)
		steadiness_relapse(&s, 2000000);
	assert_int_equal(steadiness_wanted(&s, 5000), STEADINESS_MAX_MS);
	assert_int_equal(steadiness_wanted(&s, 0), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_time_is_at_once),
		cmocka_unit_test(a_relapse_asks_for_steadiness),
		cmocka_unit_test(each_relapse_doubles_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
