/* SPDX-License-Identifier: Apache-2.0
 *
 * The states of a node in a pair, named here because everything from the vault to the CLI reads them;
 * the rules between them are ha/fsm.
 */
#pragma once

/* X(NAME, text, serves): p as primary, e in emergency, m only sessions that are not home yet, h whoever asks waits,
 * - nobody */
#define STATE_LIST(X)                                                                              \
	X(SINGLE, "single", 'p')       /* no pair: a node on its own */                            \
	X(SYNCED, "synced", 'p')       /* primary, commits are on both disks */                    \
	X(ALONE, "alone", 'p')	       /* primary, no secondary in step */                         \
	X(HANDING, "handing", 'h')     /* primary, hands over to another node in order */          \
	X(FENCED, "fenced", '-')       /* a former primary that met a higher term */               \
	X(CLONING, "cloning", '-')     /* secondary, its database is not there yet */              \
	X(STANDBY, "standby", '-')     /* secondary, the primary serves */                         \
	X(EMERGENCY, "emergency", 'e') /* secondary, serves reads */                               \
	X(MERGING, "merging", 'm')     /* secondary, the journal goes home */                      \
	X(RESEED, "reseed",                                                                        \
	  '-') /* secondary, it cannot stream any more: it is rewound or cloned anew */            \
	X(PROMOTING, "promoting", 'e') /* secondary, becoming the primary */

enum ha_state {
#define X(name, text, serves) HA_##name,
	STATE_LIST(X)
#undef X
		HA_STATE_COUNT
};

/* What is said of the pair as a whole (docs/ha.md, H9). */
enum pair_status { PAIR_UNKNOWN, PAIR_NOT_CONFIGURED, PAIR_ALIVE, PAIR_FAILED, PAIR_STATUS_COUNT };

const char *pair_status_name(enum pair_status s); /* "Alive"; NULL when unknown or out of range */
const char *state_name(enum ha_state s);	  /* "emergency"; "unknown" out of range */
char state_serves(enum ha_state s);
