/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/worker.h"
#include "ha/herald.h"

static const struct uuid a = { { 1 } }, b = { { 2 } };

/* H10: whoever names an epoch at least as late is told nothing. */
static void
who_knows_is_not_told(void **state)
{
	const struct {
		struct epoch told, named;
		bool knows;
	} rows[] = {
		{ { 0 }, { 0 }, true },	       { { 2, b }, { 0 }, false },
		{ { 2, b }, { 1, a }, false }, { { 2, b }, { 2, a }, false },
		{ { 2, b }, { 2, b }, true },  { { 2, a }, { 2, b }, true },
		{ { 2, b }, { 3, a }, true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (unsigned tries = 0; tries < 3; tries++) {
			int64_t due = herald_due(&rows[i].told, &rows[i].named, tries, 1000);

			assert_int_equal(due == WORKER_WHEN_WOKEN, rows[i].knows);
		}
	}
}

/* At once, then ever more seldom, and without an end. */
static void
who_does_not_is_told_again(void **state)
{
	const struct epoch told = { 2, b }, named = { 1, a };
	static const int64_t pauses[] = { 1000, 2000, 4000, 8000, 8000, 8000 };

	assert_int_equal(herald_due(&told, &named, 0, 0), 0);
	for (unsigned i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++)
		assert_int_equal(herald_due(&told, &named, i + 1, 5000), 5000 + pauses[i]);
	assert_int_equal(herald_due(&told, &named, 4000000000u, 5000), 13000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_knows_is_not_told),
		cmocka_unit_test(who_does_not_is_told_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
