/* SPDX-License-Identifier: Apache-2.0
 *
 * What `ha status` says (H9): Alive only when it is true end to end, otherwise Failed with every
 * reason, the cause first and then what follows from it, and what to do. Pure: from observations to JSON. The agent keeps the text in the state
 * page; CLI, API and console show it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/page.h"
#include "base/state.h"
#include "base/uuid.h"
#include "ha/maintenance.h"

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
	  "Stop it, run `holdfast ha repair-journal` there, and start it again "                   \
	  "(docs/runbook.md).")                                                                    \
	X(JOURNAL_DIVERGED, "the journal of %s and the primary's log disagree",                    \
	  "Nothing was dropped. Keep data/journal.db and run `holdfast audit verify` on both "     \
	  "nodes.")                                                                                \
	X(MERGE_REFUSED, "the primary set events of %s aside: they did not verify",                \
	  "Stop it, run `holdfast ha repair-journal --before EVENT` there with the event named "   \
	  "here, and start it again (docs/runbook.md).")                                           \
	X(DATA_DAMAGED, "the database on the disk of %s is damaged: what is there is not served",  \
	  "Check that machine's disk and memory. If it is the primary, run `holdfast ha "          \
	  "switchover` there first; then run `holdfast ha rejoin` on it.")                         \
	X(CLOCK_SKEW, "the clock of %s is more than 60 s away from this one's",                    \
	  "Set both clocks (chrony or systemd-timesyncd).")                                        \
	X(EMERGENCY, "%s gives emergency access",                                                  \
	  "Bring the primary back; the return is automatic. If an operator ordered it: run "       \
	  "`holdfast ha emergency off` there.")                                                    \
	X(TOO_OLD, "the data of %s is older than emergency access may be",                         \
	  "It gives out no passwords. Bring the primary back, or log in there as an "              \
	  "administrator and run `holdfast ha unlock`.")                                           \
	X(MERGING, "%s is taking its journal home", "Nothing: it takes a moment.")                 \
	X(FENCED, "%s is fenced: another node is the primary of a higher term",                    \
	  "Nothing: it saves what only it has and returns as a secondary by itself.")              \
	X(RETURNING, "%s cannot follow the primary any more and is made anew",                     \
	  "Nothing: it is rewound or copied by itself; its own status says how far it is.")        \
	X(AWAY, "%s is not ready",                                                                 \
	  "It is being cloned, promoted or handed over; wait, and see its log.")                   \
	X(CHAIN_SHRUNK, "the log has lost events that %s remembers",                               \
	  "Find out who removed them (`holdfast audit verify`, docs/audit.md); then run "          \
	  "`holdfast audit accept`.")                                                              \
	X(CHAIN_FORKED, "the log has other events than %s remembers",                              \
	  "Find out who changed them (`holdfast audit verify`, docs/audit.md); then run "          \
	  "`holdfast audit accept`.")

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
	bool ordered;			  /* emergency access is an operator's order */
	int64_t skew_us;		  /* against this node */
	bool skew_known;
	bool data_damaged, journal_unreadable;
};

struct status_view {
	enum ha_state state;
	char why[256]; /* of the last change of state */
	bool both;
	int64_t term, now_us, as_of_us;
	int64_t inbox_rows; /* primary: deposits that wait */
	bool journal_diverged, merge_refused;
	int64_t damaged_pages; /* of this node's database */
	bool too_old;	       /* in emergency, and the data is older than max_emergency_age */
	const struct maintenance *maintenance; /* while alerts are silent, else NULL */
	int64_t alerts_waiting;		       /* -1: none are configured */
	char alerts_failure
		[200]; /* of the last attempt that failed and was not followed by a good one */
	bool chain_shrunk, chain_forked; /* what the own witness says of the log */
	char chain[200];		 /* which event it remembers */
	char trouble[256];		 /* text to those, or of the channel */
	unsigned n;
	struct status_node nodes[STATUS_NODES_MAX]; /* the own one first */
};

/* Bit per enum status_reason that holds for node i. */
uint32_t status_node_reasons(const struct status_view *v, unsigned i) NONNULL;
bool status_alive(const struct status_view *v) NONNULL; /* a pair, and no reason against it */
#define STATUS_REASONS_SHOWN 8 /* at most: the text must fit the state page */
/* A reason that holds for node i, in words. */
struct status_words {
	char code[32], text[512], detail[256]; /* detail "" when there is none */
	const char *todo;		       /* static */
};
void status_code(enum status_reason r, char ret[static 32]); /* lower case, as the JSON has it */
void status_say(const struct status_view *v, unsigned i, enum status_reason r,
		struct status_words *ret) NONNULL;
/* A reason of node `node`. */
struct status_at {
	unsigned node;
	enum status_reason reason;
};
/* What a reason that holds comes from in the end: itself when nothing else explains it. */
struct status_at status_cause(const struct status_view *v, struct status_at of) NONNULL;
/* The table behind it, for its test: which reason explains which, at whatever node. False past the end. */
bool status_explains(unsigned row, enum status_reason *ret_cause, uint32_t *ret_effects) NONNULL;
/* PAIR_NOT_CONFIGURED, PAIR_ALIVE or PAIR_FAILED. */
enum pair_status status_of_pair(const struct status_view *v) NONNULL;
/* Why nothing can be said, as a JSON object of the form that status_render writes. */
enum status_silence { STATUS_NOT_RUNNING, STATUS_STARTING, STATUS_AGENT_SILENT };
void status_silent(enum status_silence s, struct buf *out) NONNULL;
/* What a node says of the pair by its state page: the agent's text while the agent is heard, otherwise why nothing
 * can be said, never the text of before (H9). */
void status_read(const struct page_view *page, int64_t now_mono_ms, struct buf *out) NONNULL;
/* One JSON object:
 * {"status","state","why","reasons":[{"code","node","text","detail","todo","follows_from"}],"nodes":[…]…}.
 * follows_from is null of a cause; what follows from one comes behind it and names its code. */
void status_render(const struct status_view *v, struct buf *out) NONNULL;
