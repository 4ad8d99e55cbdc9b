/* SPDX-License-Identifier: Apache-2.0
 *
 * What `ha status` says (H9): Alive only when it is true end to end; otherwise Failed with every
 * reason, the cause before its consequences, and what to do. Pure: from observations to JSON. The
 * agent keeps the text in the state page; CLI, API and console show it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/epoch.h"
#include "base/statepage.h"
#include "base/state.h"
#include "base/uuid.h"
#include "ha/maintenance.h"

#define STATUS_NODES_MAX 9
#define STATUS_SKEW_MAX_US (60ll * 1000000) /* clocks further apart than this are refused */

/* STATUS_REASON(code, sentence, what to do). The sentence takes the node's name. docs/ha.md has the
 * same list. */
#define STATUS_REASONS(X)                                                                          \
	X(SERVICE_DOWN, "the service of %s does not answer",                                       \
	  "Start it there; if it runs, check its log and the network between the two.")            \
	X(SERVICE_CANNOT, "the service of %s answers, but cannot serve",                           \
	  "See its own status and log; a full disk or a missing key are the usual causes.")        \
	X(CERT_UNTRUSTED, "the web certificate of %s is not trusted here",                         \
	  "Copy its authority's certificate here and run `holdfast cert import FILE`.")            \
	X(WEB_CERT_EXPIRED, "the web certificate of %s has expired",                               \
	  "Run `holdfast cert renew --web` on that node; one that an authority of yours signed "   \
	  "is replaced in its conf/tls (docs/certificates.md).")                                   \
	X(CHANNEL_CERT_EXPIRED, "the channel certificate of %s has expired",                       \
	  "Run `holdfast cert renew --channel` on that node.")                                     \
	X(AUTHORITY_EXPIRED, "the vault's authority on %s has expired",                            \
	  "Run `holdfast cert renew --authority` on the primary. A node that does not follow "     \
	  "then is removed (`holdfast ha remove`) and set up again (docs/certificates.md).")       \
	X(CERT_ENDS, "a certificate of %s ends within days",                                       \
	  "Renew it on that node; `holdfast cert show` there names the command.")                  \
	X(NAME_UNKNOWN, "the name %s does not resolve here",                                       \
	  "Fix DNS, or add the name to /etc/hosts.")                                               \
	X(DATABASE_DOWN, "the database of %s does not answer",                                     \
	  "It restarts by itself; if it does not, see that node's log.")                           \
	X(NOT_STREAMING, "no data is streaming between this node and %s",                          \
	  "Check that the secondary can reach the primary's pair port, and see both logs.")        \
	X(OUT_OF_STEP, "commits do not reach the disk of %s",                                      \
	  "No action needed if it has just come back: it catches up by itself.")                   \
	X(PRIMARY_ALONE, "%s runs alone: new data is on its own disk only",                        \
	  "Bring a secondary back; it catches up by itself.")                                      \
	X(SLOT_LOST,                                                                               \
	  "the primary no longer keeps the changes that %s is missing: its slot was lost",         \
	  "No action needed: it copies the primary again as soon as they can reach each other.")   \
	X(SLOT_SOON_LOST, "the primary will soon drop changes that %s is missing",                 \
	  "Bring the secondary back soon, or raise slot_limit_mb.")                                \
	X(JOURNAL_WAITS, "events of %s are not merged yet",                                        \
	  "No action needed: they are merged as soon as the primary can be reached.")              \
	X(UPGRADE_WAITS, "%s runs a newer program than its primary",                               \
	  "Upgrade the primary too. Until then this node gives emergency access as always, and "   \
	  "what it journals waits.")                                                               \
	X(JOURNAL_UNREADABLE, "the journal of %s cannot be read",                                  \
	  "Stop it, run `holdfast ha repair-journal` there, and start it again "                   \
	  "(docs/runbook.md).")                                                                    \
	X(JOURNAL_DIVERGED, "the journal of %s and the primary's log disagree",                    \
	  "Nothing was dropped. Stop it, run `holdfast ha repair-journal --before EVENT` there "   \
	  "with the event named here, and start it again (docs/runbook.md).")                      \
	X(MERGE_REFUSED, "the primary set aside events of %s that failed verification",            \
	  "Stop it, run `holdfast ha repair-journal --before EVENT` there with the event named "   \
	  "here, and start it again (docs/runbook.md).")                                           \
	X(DATA_DAMAGED, "the database on %s is damaged: the damaged parts are not served",         \
	  "Check that machine's disk and memory. If it is the primary, run `holdfast ha "          \
	  "switchover` there first; then run `holdfast ha rejoin` on it.")                         \
	X(CLOCK_SKEW, "the clock of %s differs from this node's by more than 60 s",                \
	  "Synchronise both clocks (chrony or systemd-timesyncd).")                                \
	X(EMERGENCY, "%s gives emergency access",                                                  \
	  "Bring the primary back; the return is automatic. If it is gone for good, or no node "   \
	  "is the primary any more, run `holdfast ha promote` on the node whose data are newest. " \
	  "If an operator ordered it: run `holdfast ha emergency off` there.")                     \
	X(TOO_OLD, "the data on %s is older than emergency access allows",                         \
	  "It gives out no passwords. Bring the primary back, or log in there as an "              \
	  "administrator and run `holdfast ha unlock`.")                                           \
	X(MERGING, "%s is merging its journal into the primary's log",                             \
	  "No action needed; this takes a moment.")                                                \
	X(FENCED, "%s is fenced: another node is the primary of a later epoch",                    \
	  "While that one serves, no action is needed: this node saves what only it has and "      \
	  "returns. If it is gone for good, run `holdfast ha promote` on the node whose data are " \
	  "newest.")                                                                               \
	X(TWO_PRIMARIES, "there are two primaries: %s serves as one and is not the true one",      \
	  "It gives way by itself as soon as it hears of the later epoch. If this stays, stop "    \
	  "that node and start it again once it reaches the true one: what only it took is saved " \
	  "then (docs/runbook.md).")                                                               \
	X(HISTORY_BEHIND, "%s has lost events of its own log: its disk was put back",              \
	  "It does not serve. Run `holdfast ha promote` on the node that has more: this one "      \
	  "then saves what only it has, and copies that node. If no such node is left, run "       \
	  "`holdfast ha reconcile` here.")                                                         \
	X(DUPLICATE, "two programs of %s run: a copy of its machine was started",                  \
	  "Stop the one that is not to go on. A primary writes nothing and gives emergency "       \
	  "access until `holdfast ha promote` was run on the one that is.")                        \
	X(HISTORY_UNCONFIRMED, "the history of %s is not confirmed: no other node could be asked", \
	  "Nothing is said to be on both disks until then. Bring a secondary back; it is asked "   \
	  "by itself.")                                                                            \
	X(RETURNING, "%s can no longer follow the primary and is being rebuilt",                   \
	  "No action needed: the primary is copied to it; its own status shows the progress.")     \
	X(COPY_FAILED, "the primary cannot be copied to %s",                                       \
	  "Remove what stands in the way, which is named here: it is tried again by itself. "      \
	  "Until then the node keeps the data that it has.")                                       \
	X(AWAY, "%s is not ready",                                                                 \
	  "It is being cloned, promoted or handed over; wait, and see its log.")                   \
	X(REMOVED, "%s was taken out of the pair (`holdfast ha remove`)",                          \
	  "It serves nobody. To take it back, run `holdfast ha setup` on the primary and "         \
	  "`holdfast ha join --replace` here. If the pair is gone for good and the data here are " \
	  "the last, run `holdfast ha emergency on` or `holdfast ha promote` here.")               \
	X(CHAIN_SHRUNK, "%s knows of events that the log has lost",                                \
	  "Find out who removed them (`holdfast audit verify`, docs/audit.md); then run "          \
	  "`holdfast audit accept`.")                                                              \
	X(CHAIN_FORKED, "%s knows of other events than the log holds",                             \
	  "Find out who changed them (`holdfast audit verify`, docs/audit.md); then run "          \
	  "`holdfast audit accept`.")                                                              \
	X(WITHOUT_EFFECT,                                                                          \
	  "events that %s has were merged without effect: its tables refused them",                \
	  "Nothing is lost, but nothing else shows it: look at what they were (`holdfast audit "   \
	  "verify`, docs/audit.md) and do it again if it has to be; then run `holdfast audit "     \
	  "accept`.")

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
	struct certlife certs[CERTLIFE_KINDS];
	bool not_trust;	 /* it does not trust the vault's newest authority */
	bool shows_old;	 /* it has a certificate of one before that which signs */
	int64_t skew_us; /* against this node */
	bool skew_known;
	bool data_damaged, journal_unreadable;
	char copy_failure[256]; /* why no copy of the primary was begun; "" none was refused */
	bool late;   /* streams, but its disk has not had for sync_timeout what was here before */
	bool reigns; /* it says that it serves as the primary, of this epoch */
	struct epoch epoch;
	bool history_behind; /* there is more of its own log at another node than at itself */
	char history[256];   /* where both end */
	bool duplicate;	     /* two programs of it run */
	char version[32];    /* of its program, "" not known */
	int schema,
		schema_known; /* of its database, and the newest its program knows; 0 not known */
};

struct status_view {
	enum ha_state state;
	char why[256]; /* of the last change of state */
	bool both;
	int64_t term, now_us, as_of_us;
	int64_t inbox_rows; /* primary: deposits that wait */
	bool journal_diverged, merge_refused;
	bool removed;		  /* taken out of the pair */
	char without_effect[256]; /* merged, and changed nothing; "" nothing */
	int64_t damaged_pages;	  /* of this node's database */
	bool unconfirmed;	  /* primary: nobody was asked since the start */
	bool too_old;		  /* in emergency, and the data is older than max_emergency_age */
	const struct maintenance *maintenance; /* while alerts are silent, else NULL */
	int64_t alerts_waiting;		       /* -1: none are configured */
	char alerts_failure
		[200]; /* of the last attempt that failed and was not followed by a good one */
	bool chain_shrunk, chain_forked; /* what the own chain memory says of the log */
	char chain[300];		 /* which events they are */
	char trouble[256];		 /* text to those, or of the channel */
	unsigned n;
	struct status_node nodes[STATUS_NODES_MAX]; /* the own one first */
};

/* Bit per enum status_reason that holds for node i. */
uint64_t status_node_reasons(const struct status_view *v, unsigned i) NONNULL;
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
bool status_explains(unsigned row, enum status_reason *ret_cause, uint64_t *ret_effects) NONNULL;
/* PAIR_NOT_CONFIGURED, PAIR_ALIVE or PAIR_FAILED. */
enum pair_status status_of_pair(const struct status_view *v) NONNULL;
/* Why nothing can be said, as a JSON object of the form that status_render writes. */
enum status_silence { STATUS_NOT_RUNNING, STATUS_STARTING, STATUS_AGENT_SILENT };
void status_silent(enum status_silence s, struct buf *out) NONNULL;
/* What a node says of the pair by its state page: the agent's text while the agent is heard, otherwise why nothing
 * can be said, never the text of before (H9). */
void status_read(const struct statepage_view *page, int64_t now_mono_ms, struct buf *out) NONNULL;
/* One JSON object:
 * {"status","state","why","reasons":[{"code","node","text","detail","todo","follows_from"}],"nodes":[…]…}.
 * follows_from is null of a cause; what follows from one comes behind it and names its code. */
void status_render(const struct status_view *v, struct buf *out) NONNULL;
