/* SPDX-License-Identifier: Apache-2.0
 *
 * What `ha status` says (H9): Alive only when it is true end to end, otherwise Failed with every
 * reason and what to do. Pure: from observations to JSON. The agent keeps the text in the state
 * page; CLI, API and console show it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/state.h"
#include "base/uuid.h"

#define STATUS_NODES_MAX 9
#define STATUS_SKEW_MAX_US (60ll * 1000000) /* clocks further apart than this are refused */

/* STATUS_REASON(code, sentence, what to do). The sentence takes the node's name. docs/ha.md has the
 * same list. */
#define STATUS_REASONS(X)                                                                          \
	X(SERVICE_DOWN, "the service of %s does not answer",                                       \
	  "Start it there (holdfast serve), and look at its log and the network between.")         \
	X(SERVICE_CANNOT, "the service of %s answers, but cannot serve",                           \
	  "See its own status and log; a full disk or a missing key are the usual causes.")        \
	X(CERT_UNTRUSTED, "the web certificate of %s is not trusted here",                         \
	  "Bring the certificate of its authority here and run `holdfast cert import FILE`.")      \
	X(NAME_UNKNOWN, "the name %s is not resolved here",                                        \
	  "Repair DNS, or add the name to /etc/hosts.")                                            \
	X(DATABASE_DOWN, "the database of %s does not answer",                                     \
	  "See the log of that node; it is started again by itself.")                              \
	X(NOT_STREAMING, "no data flows between here and %s",                                      \
	  "Check that the pair's port of the primary is reachable from the secondary, and see "    \
	  "both logs.")                                                                            \
	X(OUT_OF_STEP, "commits are not on the disk of %s too",                                    \
	  "Nothing, if it has just come back: it catches up by itself.")                           \
	X(PRIMARY_ALONE, "%s goes on alone: what is stored is on its own disk only",               \
	  "Bring a secondary back; it catches up by itself.")                                      \
	X(SLOT_LOST, "the primary no longer keeps what %s lacks: its slot was lost",               \
	  "Nothing: it copies the primary anew by itself as soon as both reach each other.")       \
	X(SLOT_SOON_LOST, "the primary is about to drop what %s lacks",                            \
	  "Bring the secondary back soon, or raise slot_limit_mb.")                                \
	X(JOURNAL_WAITS, "events of %s are not home yet",                                          \
	  "Nothing: they go home by themselves as soon as the primary is reached.")                \
	X(JOURNAL_UNREADABLE, "the journal of %s cannot be read",                                  \
	  "See the log of that node; keep data/journal.db as it is.")                              \
	X(JOURNAL_DIVERGED, "the journal of %s and the primary's log disagree",                    \
	  "Nothing was dropped. Keep data/journal.db and run `holdfast audit verify` on both "     \
	  "nodes.")                                                                                \
	X(MERGE_REFUSED, "the primary set events of %s aside: they did not verify",                \
	  "They are kept in ha_set_aside and in the journal. Run `holdfast audit verify` on both " \
	  "nodes.")                                                                                \
	X(CLOCK_SKEW, "the clock of %s is more than 60 s away from this one's",                    \
	  "Set both clocks (chrony or systemd-timesyncd).")                                        \
	X(EMERGENCY, "%s gives emergency access",                                                  \
	  "Bring the primary back; the return is automatic.")                                      \
	X(MERGING, "%s is taking its journal home", "Nothing: it takes a moment.")                 \
	X(FENCED, "%s is fenced: another node is the primary of a higher term",                    \
	  "Nothing: it saves what only it has and returns as a secondary by itself.")              \
	X(RETURNING, "%s cannot follow the primary any more and is made anew",                     \
	  "Nothing: it is rewound or copied by itself; its own status says how far it is.")        \
	X(AWAY, "%s is not ready",                                                                 \
	  "It is being cloned, promoted or handed over; wait, and see its log.")

enum status_reason {
#define X(code, text, todo) STATUS_##code,
	STATUS_REASONS(X)
#undef X
		STATUS_REASON_COUNT
};

const char *status_reason_code(enum status_reason r); /* "service_down" */
const char *status_reason_text(enum status_reason r); /* with %s */
const char *status_reason_todo(enum status_reason r);

/* How another node's service is seen. */
enum status_service { STATUS_UNKNOWN, STATUS_ACTIVE, STATUS_INACTIVE };

struct status_node {
	char name[256];
	struct uuid id;
	bool self, primary;
	enum ha_state state; /* HA_STATE_COUNT: not known */
	enum status_service service, database;
	bool service_cannot, untrusted, name_unknown; /* why the service is inactive */
	char service_why[256];
	/* a secondary's stream, from whichever side */
	bool stream_known, streaming;
	int64_t lag_bytes, lag_ms; /* -1: not known */
	int64_t last_in_step_us;   /* 0: not known */
	bool slot_known;
	char slot_status[16];
	int64_t slot_retained, slot_keep; /* keep -1: unlimited */
	int64_t journal_rows;		  /* -1: not known */
	int64_t skew_us;		  /* against this node */
	bool skew_known;
};

struct status_view {
	enum ha_state state;
	char why[256]; /* of the last change of state */
	bool both;
	int64_t term, now_us, as_of_us;
	int64_t inbox_rows; /* primary: deposits that wait */
	bool journal_unreadable, journal_diverged, merge_refused;
	char trouble[256]; /* text to those, or of the channel */
	unsigned n;
	struct status_node nodes[STATUS_NODES_MAX]; /* the own one first */
};

/* Bit per enum status_reason that holds for node i. */
uint32_t status_node_reasons(const struct status_view *v, unsigned i) NONNULL;
bool status_alive(const struct status_view *v) NONNULL; /* a pair, and no reason against it */
#define STATUS_REASONS_SHOWN 8 /* at most: the text must fit the state page */
/* One JSON object:
 * {"status","state","why","reasons":[{"code","node","text","detail","todo"}],"nodes":[…]…}. */
void status_render(const struct status_view *v, struct buf *out) NONNULL;
