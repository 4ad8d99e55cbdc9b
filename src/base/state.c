/* SPDX-License-Identifier: Apache-2.0 */
#include "base/state.h"

#include <stddef.h>

static const struct {
	const char *name;
	char serves;
} rows[HA_STATE_COUNT] = {
#define X(name, text, serves) [HA_##name] = { text, serves },
	STATE_LIST(X)
#undef X
};

const char *
state_name(enum ha_state s)
{
	return (unsigned)s < HA_STATE_COUNT ? rows[s].name : "unknown";
}

char
state_serves(enum ha_state s)
{
	return (unsigned)s < HA_STATE_COUNT ? rows[s].serves : '-';
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
