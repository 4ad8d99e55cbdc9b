/* SPDX-License-Identifier: Apache-2.0 */
#include "base/state.h"

#include <stddef.h>
#include <string.h>

static const struct state_row rows[HA_STATE_COUNT] = {
#define X(name, text, serves, writes, status, mode, outage, reason)                                \
	[HA_##name] = { text, SERVES_##serves, WRITES_##writes, status, mode, OUTAGE_##outage },
	STATE_LIST(X)
#undef X
};

const struct state_row *
state_row(enum ha_state s)
{
	static const struct state_row unknown = { .name = "unknown",
						  .serves = SERVES_NOBODY,
						  .writes = WRITES_NOWHERE,
						  .health_status = 503,
						  .health_mode = "unknown",
						  .outage = OUTAGE_OVER };

	return (unsigned)s < HA_STATE_COUNT ? &rows[s] : &unknown;
}

const char *
state_name(enum ha_state s)
{
	return state_row(s)->name;
}

enum state_served
state_serves(enum ha_state s)
{
	return state_row(s)->serves;
}

enum ha_state
state_by_name(const char *name)
{
	for (int s = 0; s < HA_STATE_COUNT; s++)
		if (strcmp(rows[s].name, name) == 0)
			return (enum ha_state)s;
	return HA_STATE_COUNT;
}

const char *
pair_status_name(enum pair_status s)
{
	static const char *const names[PAIR_STATUS_COUNT] = {
		[PAIR_NOT_CONFIGURED] = "Not configured",
		[PAIR_ALIVE] = "Alive",
		[PAIR_FAILED] = "Failed",
	};

	return (unsigned)s < PAIR_STATUS_COUNT ? names[s] : NULL;
}
