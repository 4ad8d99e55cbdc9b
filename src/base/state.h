/* SPDX-License-Identifier: Apache-2.0
 *
 * The states of a node in a pair. One row says everything that follows from a state; whoever needs
 * to know reads the row. Only the rules between states (ha/fsm.h) and what the agent does in them
 * name states.
 */
#pragma once

#include <stdbool.h>

enum state_served {
	SERVES_NOBODY,
	SERVES_EVERYONE,  /* as the primary */
	SERVES_EMERGENCY, /* reads, and what emergency access allows besides (H5) */
	SERVES_UNMERGED,  /* sessions begun in emergency that are not merged yet, as there (H7) */
	SERVES_LATER,	  /* whoever asks waits for the end of this state */
};

enum state_writes { WRITES_NOWHERE, WRITES_DATABASE, WRITES_JOURNAL };

/* What holds of an outage when this state comes. */
enum state_outage { OUTAGE_OVER, OUTAGE_BEGINS, OUTAGE_GOES_ON };

/* X(NAME, name, who is served, where is written, /sys/health's status and mode, outage, reason):
 * health says 200 only while the core serves; the reason (ha/status.h) is why ha status is not Alive. */
/* clang-format off */
#define STATE_LIST(X)                                                                           \
	/* no pair: a node on its own */                                                        \
	X(SINGLE,    "single",    EVERYONE,  DATABASE, 200, "primary",   OVER,    NONE)         \
	/* primary, commits are on both disks */                                                \
	X(SYNCED,    "synced",    EVERYONE,  DATABASE, 200, "primary",   OVER,    NONE)         \
	/* primary, no secondary in step */                                                     \
	X(ALONE,     "alone",     EVERYONE,  DATABASE, 200, "primary",   OVER,    PRIMARY_ALONE)\
	/* primary, hands over to another node in order */                                      \
	X(HANDING,   "handing",   LATER,     DATABASE, 503, "handing",   OVER,    AWAY)         \
	/* a former primary that knows of a later epoch */                                      \
	X(FENCED,    "fenced",    NOBODY,    NOWHERE,  503, "fenced",    OVER,    FENCED)       \
	/* secondary, its database is not there yet */                                          \
	X(CLONING,   "cloning",   NOBODY,    JOURNAL,  503, "cloning",   OVER,    AWAY)         \
	/* secondary, the primary serves */                                                     \
	X(STANDBY,   "standby",   NOBODY,    JOURNAL,  429, "standby",   OVER,    NONE)         \
	/* secondary, serves reads */                                                           \
	X(EMERGENCY, "emergency", EMERGENCY, JOURNAL,  200, "emergency", BEGINS,  EMERGENCY)    \
	/* secondary, the journal is merged into the primary's log */                           \
	X(MERGING,   "merging",   UNMERGED,  JOURNAL,  429, "standby",   GOES_ON, MERGING)      \
	/* secondary, it cannot stream any more: it is rewound or cloned anew */                \
	X(RESEED,    "reseed",    NOBODY,    JOURNAL,  503, "reseed",    OVER,    RETURNING)    \
	/* secondary, becoming the primary */                                                   \
	X(PROMOTING, "promoting", EMERGENCY, JOURNAL,  200, "emergency", GOES_ON, AWAY)         \
	/* primary by its own log, of which another node has more: its disk was put back */     \
	X(BEHIND,    "behind",    NOBODY,    NOWHERE,  503, "behind",    OVER,    HISTORY_BEHIND)\
	/* primary, of which a second program runs: neither writes until an operator named one */ \
	X(DUPLICATE, "duplicate", EMERGENCY, JOURNAL,  200, "emergency", BEGINS,  DUPLICATE)
/* clang-format on */

enum ha_state {
#define X(name, ...) HA_##name,
	STATE_LIST(X)
#undef X
		HA_STATE_COUNT
};

struct state_row {
	const char *name;
	enum state_served serves;
	enum state_writes writes;
	int health_status;	 /* HTTP */
	const char *health_mode; /* "primary", "emergency", "standby", or the state's name */
	enum state_outage outage;
};

/* What is said of the pair as a whole (docs/ha.md, H9). */
enum pair_status { PAIR_UNKNOWN, PAIR_NOT_CONFIGURED, PAIR_ALIVE, PAIR_FAILED, PAIR_STATUS_COUNT };

const char *pair_status_name(enum pair_status s); /* "Alive"; NULL when unknown or out of range */
/* Out of range: "unknown", which serves nobody, writes nowhere and ends an outage. */
const struct state_row *state_row(enum ha_state s);
const char *state_name(enum ha_state s);	 /* of its row */
enum state_served state_serves(enum ha_state s); /* of its row */
enum ha_state state_by_name(const char *name);	 /* HA_STATE_COUNT when there is none */
