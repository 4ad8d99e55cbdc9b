/* SPDX-License-Identifier: Apache-2.0
 *
 * The only writer. Fibers hand in events and sleep; one writer fiber takes all that wait, numbers
 * and chains them (keyd), and writes them in one transaction together with the changes they make
 * (apply): group commit. On the primary they go to PostgreSQL; on a secondary (any state) to the
 * journal, on a thread of the pool. Callers never see a broken database connection as an error: the
 * writer reconnects, asks the log for its head and either finds its batch committed or writes it
 * again. If the log cannot be written (disk full …), callers get ERR_LOG_UNWRITABLE and nothing has
 * changed. Core thread of vaultd only.
 */
#pragma once

#include <uv.h>
#include "base/fiber.h"
#include "base/statepage.h"
#include "crypto/keys.h"
#include "ledger/event.h"
#include "store/db.h"
#include "store/journal.h"

struct ledger;

struct ledger_options {
	uv_loop_t *loop;
	struct fiber_pool *fibers;
	struct keys *keys;
	struct db *writer; /* its own connection */
	const char *journal_path;
	struct uuid node; /* this node's id, which keyd knows too */
	const char *
		run; /* what no other run of the node is named; "": what an earlier one wrote is not known again */
	const struct statepage *
		statepage; /* which state, and whether commits are on both disks; NULL: a single node */
	/* Called in the core for every event, this node's or merged, once it is durable, in order:
	 * caches listen here. Must not sleep. */
	void (*on_durable)(void *ctx, const struct event *ev);
	void *ctx;
};

enum ledger_durability { LEDGER_LOCAL, LEDGER_BOTH, LEDGER_JOURNAL };

struct ledger *ledger_new(const struct ledger_options *o) NONNULL MUST_USE;
void ledger_free(struct ledger *l);

/* Appends n events (node and seq are filled in; at_us when 0) as one unit: all or nothing, in
 * order. Returns when they are durable; *ret_durability (may be NULL) says where.
 * ERR_LOG_UNWRITABLE, ERR_CONFLICT (an apply statement refused: SQLSTATE class 23; or a name is taken), ERR_NOT_SERVING
 * (the state does not allow it). */
int ledger_append(struct ledger *l, struct fiber *f, struct event *ev, size_t n,
		  enum ledger_durability *ret_durability, struct err *e) MUST_USE;

/* Whether appends go to the journal now: this node is a secondary. */
bool ledger_journals(const struct ledger *l) NONNULL;
/* For on_durable: whether the event is only in the journal; otherwise it is in the tables. */
bool ledger_wrote_journal(const struct ledger *l) NONNULL;

/* Calls fn in the core for every event in this node's journals: those of a secondary that were not seen in the primary's log
 * yet. A chain's events come in order, the chains by the time of their events; chain: only that one, or NULL for all. */
typedef void ledger_event_fn(void *ctx, const struct event *ev);
int ledger_journal_each(struct ledger *l, struct fiber *f, const struct uuid *chain,
			ledger_event_fn *fn, void *ctx, struct err *e) MUST_USE;
/* The chains that have a journal, always including this node's own. The caller frees *ret, also after a failure. */
int ledger_journal_chains(struct ledger *l, struct fiber *f, struct uuid **ret, size_t *ret_n,
			  struct err *e) NONNULL MUST_USE;

/* The chain that is written, and its newest committed event. false while it is not known yet (the
 * database was not reachable). */
bool ledger_head(const struct ledger *l, struct uuid *ret_chain, int64_t *ret_seq,
		 uint8_t ret_hash[static KEYS_HASH_BYTES]);

/* Whether on_durable has heard of everything in the tables: the head is known and appends go to the
 * database. *ret_epoch differs if that was not so at some time in between. */
bool ledger_is_sure(const struct ledger *l, uint64_t *ret_epoch) NONNULL;

/* Merges what waits in ha_inbox (primary): verifies chain and MACs, appends, applies, writes
 * MERGED, empties the inbox. Then reports the conflicts of administration that this caused
 * (ADMIN_CONFLICT). Called on a timer; cheap when nothing waits. */
void ledger_merge_inbox(struct ledger *l, struct fiber *f) NONNULL;

/* Writes the beat: as of now the database has everything (query/ledger.sql, H16). Called on a
 * timer; does nothing if there is no other node or nothing is written here. */
#define LEDGER_BEAT_MS 1000
void ledger_beat(struct ledger *l, struct fiber *f) NONNULL;

struct ledger_stats {
	uint64_t events, batches, largest_batch, failures;
	bool writable;		/* the last write succeeded, or none was tried since */
	int64_t oldest_wait_ms; /* how long the batch in flight has been waiting; 0 none */
	uint64_t merged;	/* events merged from other nodes */
	char why[256];		/* when not writable */
	/* What waits for a person, as a primary last counted (ledger_merge_inbox). */
	int64_t accounts_in_conflict, admin_unacknowledged;
};
void ledger_stats(const struct ledger *l, struct ledger_stats *ret) NONNULL;
