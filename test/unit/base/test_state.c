/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/state.h"

/* What a row says fits together, whatever states there will be. */
static void
every_row_is_sound(void **ctx)
{
	for (int i = 0; i < HA_STATE_COUNT; i++) {
		enum ha_state s = (enum ha_state)i;
		const struct state_row *row = state_row(s);
		bool open = row->serves == SERVES_EVERYONE || row->serves == SERVES_EMERGENCY;

		assert_int_equal(state_by_name(row->name), s);
		assert_ptr_equal(state_name(s), row->name);
		assert_int_equal(state_serves(s), row->serves);
		/* What reveals or counts is written somewhere (H6), a primary's in its database. */
		if (row->serves != SERVES_NOBODY)
			assert_int_not_equal(row->writes, WRITES_NOWHERE);
		if (row->serves == SERVES_EVERYONE)
			assert_int_equal(row->writes, WRITES_DATABASE);
		/* Health says 200 where users are served, and nowhere else (H4: the test is the service). */
		assert_int_equal(row->health_status == 200, open);
		assert_true(row->health_status == 200 || row->health_status == 429 ||
			    row->health_status == 503);
		assert_string_equal(row->health_mode, row->serves == SERVES_EVERYONE ? "primary"
						      : row->serves == SERVES_EMERGENCY
							      ? "emergency"
						      : row->health_status == 429 ? "standby"
										  : row->name);
		/* An unlocked emergency stays so while its sessions are served. */
		assert_int_equal(row->outage != OUTAGE_OVER,
				 row->serves == SERVES_EMERGENCY || row->serves == SERVES_UNMERGED);
	}
}

static void
who_is_served_where(void **ctx)
{
	assert_string_equal(state_name(HA_EMERGENCY), "emergency");
	assert_int_equal(state_serves(HA_EMERGENCY), SERVES_EMERGENCY);
	assert_int_equal(state_serves(HA_SINGLE), SERVES_EVERYONE);
	assert_int_equal(state_serves(HA_STANDBY), SERVES_NOBODY);
	assert_int_equal(state_serves(HA_HANDING), SERVES_LATER);
	assert_int_equal(state_serves(HA_MERGING), SERVES_UNMERGED);
	assert_int_equal(state_row(HA_FENCED)->writes, WRITES_NOWHERE);
}

static void
out_of_range_serves_nobody(void **ctx)
{
	static const enum ha_state outside[] = { HA_STATE_COUNT, (enum ha_state) - 1 };

	for (unsigned i = 0; i < 2; i++) {
		assert_string_equal(state_name(outside[i]), "unknown");
		assert_int_equal(state_serves(outside[i]), SERVES_NOBODY);
		assert_int_equal(state_row(outside[i])->writes, WRITES_NOWHERE);
		assert_int_equal(state_row(outside[i])->health_status, 503);
	}
	assert_int_equal(state_by_name("unknown"), HA_STATE_COUNT);
	assert_int_equal(state_by_name(""), HA_STATE_COUNT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_sound),
		cmocka_unit_test(who_is_served_where),
		cmocka_unit_test(out_of_range_serves_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
