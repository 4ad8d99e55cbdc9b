/* SPDX-License-Identifier: Apache-2.0
 *
 * The pair's state machine: a pure function of state, observation and time; the rules are one table
 * in fsm.c, enumerated by its test and drawn in docs/ha.md.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/attr.h"
#include "base/state.h"

/* What the agent sees, already reduced to facts. */
struct fsm_obs {
	bool is_secondary;	    /* the local database is a standby, or is to become one */
	bool pair_exists;	    /* the node table names more than this node */
	bool local_db_up;	    /* the local database answers */
	bool primary_ok;	    /* secondary: the last probe said 200, mode primary */
	int64_t primary_ok_for_ms;  /* for how long without a break; 0 when not ok */
	int64_t primary_bad_for_ms; /* answers, but cannot serve, or refuses connections: for how
				       long; 0 not */
	int64_t primary_silent_ms;  /* since the last answer of any kind (refusal counts as an
				       answer) */
	bool streaming; /* secondary: WAL receiver streams and replay has caught up; primary: a
			   secondary streams */
	bool in_step;	/* primary: a streaming secondary has flushed all that was committed
			   sync_timeout ago */
	int64_t not_in_step_ms; /* primary: for how long not */
	bool sync_on; /* primary: synchronous_standby_names is set and seen to be in force */
	int64_t journal_rows;  /* secondary: rows not yet seen coming back */
	bool term_higher_seen; /* another node has a higher term */
	bool promote_ordered;  /* secondary: an operator wants it to become the primary */
	bool promote_failed;   /* and it did not */
	bool handover_ordered; /* primary: an operator wants another node to become it, and that one has everything */
	bool handover_over; /* and it did not: this server runs as a primary again */
	bool handed_over;   /* secondary: the primary has stopped so that this node may become it */
	bool must_return;   /* secondary: the primary serves, but this database cannot follow it */
	bool emergency_ordered; /* secondary: an operator wants emergency access, whatever the primary does */
};

struct fsm_limits {
	int64_t detect_ms, refused_ms, sync_timeout_ms,
		settle_ms /* primary ok this long before emergency ends */;
};

struct fsm_next {
	enum ha_state state;
	const char *why; /* static; NULL when the state stays */
};

/* One step. No side effect. */
struct fsm_next fsm_step(enum ha_state now, const struct fsm_obs *o,
			 const struct fsm_limits *l) NONNULL;

/* The table, for the test and the drawing: *ret_n rows. */
struct fsm_rule {
	uint32_t from; /* bit per state */
	bool (*when)(const struct fsm_obs *o, const struct fsm_limits *l);
	enum ha_state to;
	const char *why;
	const char *when_name;
};
const struct fsm_rule *fsm_rules(unsigned *ret_n) NONNULL;
