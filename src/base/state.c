/* SPDX-License-Identifier: Apache-2.0 */
#include "base/state.h"

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
