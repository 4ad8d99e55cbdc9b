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

/* The flags of an observation; its test enumerates them all, each both ways. */
/* clang-format off */
#define FSM_FLAGS(X)                                                                               \
	X(is_secondary)      /* the local database is a standby, or is to become one */            \
	X(pair_exists)       /* the node table names more than this node */                        \
	X(local_db_up)       /* the local database answers */                                      \
	X(primary_ok)        /* secondary: the last probe said 200, mode primary */                \
	X(primary_silent)    /* and it has answered nothing for too long (ha/probe) */             \
	/* secondary: WAL receiver streams and replay has caught up; primary: a secondary streams */ \
	X(streaming)                                                                               \
	/* primary: a streaming secondary has flushed all that was committed sync_timeout ago */   \
	X(in_step)                                                                                 \
	X(sync_on)           /* primary: synchronous_standby_names is set and seen in force */     \
	X(epoch_later_known) /* another node is or was the primary of a later epoch */             \
	X(behind)            /* primary: another node has more of this node's own log */           \
	X(duplicate)         /* primary: a second program of this very node runs */                \
	X(promote_ordered)   /* an operator wants this node to become the primary */               \
	X(promote_failed)    /* and it did not */                                                  \
	/* primary: an operator wants another node to become it, and that one has everything */    \
	X(handover_ordered)                                                                        \
	X(handover_over)     /* and it did not: this server runs as a primary again */             \
	X(handed_over)       /* secondary: the primary stopped so that this node may become it */  \
	X(must_return)       /* secondary: the primary serves, but this database cannot follow */  \
	/* secondary: an operator wants emergency access, whatever the primary does */             \
	X(emergency_ordered)
/* clang-format on */

/* What the agent sees, already reduced to facts. */
struct fsm_obs {
#define X(name) bool name;
	FSM_FLAGS(X)
#undef X
	int64_t primary_ok_for_ms;  /* for how long without a break; 0 when not ok */
	int64_t primary_bad_for_ms; /* answers, but cannot serve, or refuses connections: for how
				       long; 0 not */
	int64_t not_in_step_ms;	    /* primary: for how long not */
	int64_t journal_rows;	    /* secondary: rows not yet seen coming back */
};

struct fsm_limits {
	int64_t refused_ms, sync_timeout_ms,
		settle_ms /* primary ok this long before emergency ends */,
		channel_ms /* and this long when its stream does not come in */;
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
