/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/state.h"

static void
every_state_has_a_name_and_says_whom_it_serves(void **state)
{
	for (int i = 0; i < HA_STATE_COUNT; i++) {
		assert_non_null(strchr("pemh-", state_serves((enum ha_state)i)));
		for (int j = 0; j < i; j++)
			assert_string_not_equal(state_name((enum ha_state)i),
						state_name((enum ha_state)j));
	}
	assert_string_equal(state_name(HA_EMERGENCY), "emergency");
	assert_int_equal(state_serves(HA_EMERGENCY), 'e');
	assert_int_equal(state_serves(HA_SINGLE), 'p');
	assert_int_equal(state_serves(HA_STANDBY), '-');
	assert_int_equal(state_serves(HA_HANDING), 'h');
}

static void
out_of_range_serves_nobody(void **state)
{
	assert_string_equal(state_name(HA_STATE_COUNT), "unknown");
	assert_string_equal(state_name((enum ha_state) - 1), "unknown");
	assert_int_equal(state_serves((enum ha_state) - 1), '-');
	assert_int_equal(state_serves(HA_STATE_COUNT), '-');
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_has_a_name_and_says_whom_it_serves),
		cmocka_unit_test(out_of_range_serves_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
