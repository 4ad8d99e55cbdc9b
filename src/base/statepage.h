/* SPDX-License-Identifier: Apache-2.0
 *
 * The state page: a file in the run folder, mapped by the agent (which writes it), vaultd and the
 * CLI (which read it). It shows the pair's current state without waiting for a message. Small
 * fields are atomics; the texts are guarded by a sequence counter (odd while being written).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/certlife.h"
#include "base/epoch.h"
#include "base/err.h"
#include "base/state.h"
#include "base/uuid.h"

#define STATEPAGE_BEAT_MAX_MS                                                                      \
	5000 /* the agent beats every 50 ms; one silent for longer is not believed */
#define STATEPAGE_STATUS_MAX 16384
#define STATEPAGE_REASON_MAX 256
#define STATEPAGE_NAME_MAX 256
#define STATEPAGE_MEMBERS_MAX 16

/* Whether this node's chain ends where its own database and journal say. */
enum chain_end {
	CHAIN_END_ASKED,    /* it is not known yet: the other nodes are being asked */
	CHAIN_END_PROVED,   /* another node was asked since the start, or there is none */
	CHAIN_END_UNPROVED, /* no other node could be asked */
	CHAIN_END_CLOSED, /* not to be continued for now: it may be written, or be ahead, elsewhere */
};

/* A consistent copy of the page. */
struct statepage_view {
	enum ha_state state;		   /* HA_SINGLE when no pair exists */
	uint64_t state_seq;		   /* grows by one at every change of state */
	int64_t state_since_us;		   /* when it changed to this state; 0: not known */
	char reason[STATEPAGE_REASON_MAX]; /* why it is in this state */
	bool both;			   /* commits are on both disks now */
	uint64_t both_gen; /* grows at every change of `both`; a commit was on both if both is true
				 * and both_gen is the same before and after it */
	int64_t as_of_us; /* as of then a node that is not the primary has everything, as its data say; 0: they do not say */
	int64_t as_of_term; /* of the primary that says so */
	int64_t term;
	struct epoch_claim epoch; /* the latest that this node knows */
	char primary_url
		[STATEPAGE_NAME_MAX]; /* "https://fqdn:7272" of the serving primary, "" unknown */
	int64_t beat_mono_ms;	      /* monotonic time of the agent's last tick */
	int64_t journal_rows;	      /* as the agent last counted */
	bool ordered;		      /* secondary: an operator ordered emergency access */
	char order_failure
		[STATEPAGE_REASON_MAX]; /* why the last order came to nothing after it was taken; "": it did not */
	int64_t alerts_waiting;		       /* in the outbox; 0 when none are configured */
	struct certlife certs[CERTLIFE_KINDS]; /* that this node has */
	int pair_port;	    /* of this node, as the node table has it; 0 not known */
	unsigned members_n; /* of the node table, 0 not known */
	struct uuid members[STATEPAGE_MEMBERS_MAX];
	struct uuid duplicate; /* a node of which two programs were heard at once; nil: none */
	uint64_t
		run; /* of this run of this node: another program of it has another one; 0 not known */
	bool data_damaged; /* pages of the database are not what was written */
	bool journal_unreadable;
	int schema,
		schema_known; /* of the database, and the newest that this program knows; 0 not known yet */
	enum pair_status status;		/* the one word of it */
	char status_json[STATEPAGE_STATUS_MAX]; /* the whole `ha status --json` object */
};

struct statepage;

int statepage_create(const char *path, struct statepage **ret, struct err *e) NONNULL
	MUST_USE; /* writer: the agent, and the supervisor at its start; keeps an old page, but sets both to false and the beat to 0 */
int statepage_open(const char *path, struct statepage **ret,
		   struct err *e) NONNULL MUST_USE; /* reader */
void statepage_free(struct statepage *p);

/* Writes all but both, both_gen and the beat. state_seq and state_since_us are not taken from v: the page keeps them. */
void statepage_write(struct statepage *p, const struct statepage_view *v) NONNULL;
void statepage_set_both(struct statepage *p,
			bool both) NONNULL; /* at once; bumps both_gen on change */
/* Primary: a reachable secondary has a journal that is not merged yet. */
void statepage_set_unmerged(struct statepage *p, bool unmerged) NONNULL;
void statepage_set_chain_end(struct statepage *p, enum chain_end end) NONNULL;
/* A mark of the pair's nodes, the same on all of them, which changes with their names, ports and certificates; 0: not known. */
void statepage_set_nodes(struct statepage *p, uint64_t mark) NONNULL;
void statepage_beat(struct statepage *p) NONNULL;

/* Never blocks for long: if it cannot get a consistent copy, the texts and the times are empty. */
void statepage_read(const struct statepage *p, struct statepage_view *ret) NONNULL;
/* Whether the view is current; false if the agent is silent or has not begun. */
bool statepage_is_fresh(const struct statepage_view *v, int64_t now_mono_ms) NONNULL;
/* The cheap read for the hot path: state, state_seq, both, both_gen, beat; no texts. */
struct statepage_quick {
	enum ha_state state;
	uint64_t state_seq;
	bool both;
	uint64_t both_gen;
	int64_t beat_mono_ms;
	bool unmerged; /* see statepage_set_unmerged */
	enum chain_end chain_end;
	uint64_t nodes; /* see statepage_set_nodes */
};
struct statepage_quick statepage_quick(const struct statepage *p) NONNULL;
enum ha_state statepage_state(const struct statepage *p); /* HA_SINGLE without a page (NULL) */
