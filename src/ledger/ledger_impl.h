/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the ledger share; nobody else includes this.
 *
 *   queue ──chainer──▶ ready ──committer──▶ durable
 *
 * The chainer numbers and chains what waits (tail), while the committer writes what is chained
 * (head), and the marker tells keyd where the own chain ends (the newest end, one request at a
 * time).
 *  1. `ready` continues the head without a gap: its first event has number head_seq + 1.
 *  2. When `ready` can no longer continue the head (a write failed, the mode changed, a merge came
 * between), ledger_rewind() returns it to the queue and raises the epoch; a chainer that was
 * waiting for keyd sees the new epoch and chains again.
 *  3. The head moves only inside the commit gate, and only to what is known to be durable.
 *  4. head_known is false until the log has been asked where it ends: at the start, after a change
 *     of mode, and whenever the outcome of a write is unknown.
 *  5. A primary that cannot prove where its own chain ends writes another one, begun by
 *     CHAIN_BEGUN, until it can: another node may have events with those numbers.
 */
#pragma once

#include "crypto/endmark.h"
#include "ledger/ledger.h"

#define LEDGER_BATCH_MAX 512
#define LEDGER_MERGE_MAX 1000
#define LEDGER_CHAINS_MAX 512  /* other chains, whose ends the one that is written names */
#define LEDGER_OUTAGE_MS 15000 /* how long a write waits for the database to come back */
#define LEDGER_PROBE_MS 1000
#define LEDGER_AWAIT_MS 20 /* how often to look whether the end of the chain is known */
#define LEDGER_ASK_MS 2000 /* the longest that a primary's writer waits for that */

struct ledger_unit {
	struct ledger_unit *next;
	struct fiber *f; /* who waits; NULL: the ledger's own, freed when done */
	struct event *ev;
	size_t n;
	bool done;
	bool *busy; /* cleared when the ledger's own unit is done; may be NULL */
	bool *lost; /* set when the ledger's own unit failed; may be NULL */
	int rc;
	struct err *e;
	enum ledger_durability durability;
	struct buf enc;	     /* canonical bytes of all events */
	struct iovec *items; /* one per event, into enc */
	uint8_t (*hash)[KEYS_HASH_BYTES];
};

struct ledger_units {
	struct ledger_unit *first, *last;
	size_t events;
};

/* How far this node's chain names another one. */
struct ledger_seen {
	struct uuid chain;
	int64_t seq;
	uint8_t hash[KEYS_HASH_BYTES];
};

struct ledger_journal {
	struct uuid chain;
	struct journal *file;
};

/* A fiber of the ledger's own. */
struct ledger_worker {
	struct fiber *f;
	bool idle;
};

struct ledger {
	struct ledger_options o;
	char *journal_path, *run;
	enum state_writes mode;
	struct uuid
		chain; /* that is written: this node's own, or one begun because the end of that is not proved */
	enum state_writes beside_mode; /* in which that one was begun */
	bool proved; /* the end of this node's own chain is known; it stays so: nobody else writes it */
	int64_t asked_ms; /* since when the writer waits for that */
	bool head_known;
	bool unsure; /* a try of ours that was thought lost may make it after the head was read */
	int64_t head_seq, tail_seq;
	uint8_t head_hash[KEYS_HASH_BYTES], tail_hash[KEYS_HASH_BYTES];
	uint64_t epoch;
	struct ledger_units queue, ready;
	struct ledger_worker chainer, committer, marker;
	struct fiber_gate commit_gate;
	struct fiber_gate journal_gate;	 /* the journal belongs to one thread at a time */
	struct ledger_journal *journals; /* opened when first needed */
	size_t njournals;
	struct endmark mark;	  /* that keyd is to know, */
	struct endmark mark_lost; /* and the one that it is to give up for it; its number 0: none */
	bool mark_due, mark_failed;
	bool stopping, probing, merging, beat_failed;
	unsigned workers;
	uv_timer_t probe_timer;
	int64_t commit_began_ms;
	int64_t unwritable_since_us;
	int64_t gap_since_ms; /* a hole in the inbox: since when */
	struct uuid gap_node;
	struct ledger_seen seen[LEDGER_CHAINS_MAX];
	size_t nseen;
	bool seen_stale; /* nothing counts as named: the head was learned again, or a SEEN event was lost */
	bool seen_failed;
	int64_t counted_ms; /* when conflicts were counted last; 0: never */
	struct ledger_stats stats;
};

/* An event and its hash, on the way into the table. */
struct ledger_item {
	const struct event *ev;
	const uint8_t *hash;
};

/* The statements of one transaction. */
struct ledger_steps {
	struct db_step *v;
	size_t n, cap;
};

/* ledger_units.c */
void ledger_units_push(struct ledger_units *q, struct ledger_unit *u) NONNULL;
/* NULL: there is none. */
struct ledger_unit *ledger_units_pop(struct ledger_units *q) NONNULL;
/* Moves all of `from` to the front of `to`, or to its end. */
void ledger_units_put_before(struct ledger_units *to, struct ledger_units *from) NONNULL;
void ledger_units_append(struct ledger_units *to, struct ledger_units *from) NONNULL;
/* Takes at least one unit, if there is any, and more up to LEDGER_BATCH_MAX events. */
struct ledger_units ledger_units_take(struct ledger_units *from) NONNULL;
/* For units that have been chained, at least one. */
int64_t ledger_units_first_seq(const struct ledger_units *q) NONNULL;
int64_t ledger_units_last_seq(const struct ledger_units *q) NONNULL;
const uint8_t *ledger_units_last_hash(const struct ledger_units *q) NONNULL;
/* Drops what chaining it made. */
void ledger_unit_wipe(struct ledger_unit *u) NONNULL;
/* After either call the unit is back with its owner, or gone. */
void ledger_unit_finish(struct ledger_unit *u, int rc) NONNULL;
void ledger_unit_fail(struct ledger_unit *u, const struct err *e) NONNULL;
void ledger_units_fail(struct ledger_units *q, const struct err *e) NONNULL;

/* ledger_chain.c */
/* Chains the units onto (seq, hash), with one request to keyd. */
int ledger_chain(struct ledger *l, struct fiber *f, struct ledger_units *q, int64_t seq,
		 const uint8_t hash[static KEYS_HASH_BYTES], struct err *e) MUST_USE;
void ledger_run_chainer(struct fiber *f, void *ledger);

/* ledger_commit.c */
/* Writes events of the ledger's own at the head, now, together with the statements of `with` (may
 * be NULL; DB mode only). The caller is inside the commit gate. When the outcome is unknown
 * head_known becomes false. */
int ledger_commit_own(struct ledger *l, struct fiber *f, struct event *ev, size_t n,
		      struct ledger_steps *with, struct err *e) MUST_USE;
void ledger_run_committer(struct fiber *f, void *ledger);

/* ledger.c */
void ledger_worker_wait(struct ledger_worker *w) NONNULL;
void ledger_worker_wake(struct ledger_worker *w) NONNULL;
/* Records a write that failed through no fault of its event, and the next one that did not. */
void ledger_unwritable(struct ledger *l, const struct err *e) NONNULL;
void ledger_set_writable(struct ledger *l) NONNULL;
/* Turns a failure of the log into what callers are told. */
void ledger_as_unwritable(struct err *e) NONNULL;
void ledger_rewind(struct ledger *l);
enum state_writes ledger_wanted_mode(const struct ledger *l);
/* Forgets the head and returns what is ready to the queue. */
void ledger_forget_head(struct ledger *l);

/* ledger_db.c */
struct binds *ledger_step(struct ledger_steps *s, enum stmt stmt);
void ledger_steps_done(struct ledger_steps *s);
/* What events do beside being in the log. OWN: whoever made them knew all that is in the tables. MERGED: they may not have. */
enum ledger_effect { LEDGER_LOG_ONLY, LEDGER_OWN, LEDGER_MERGED };
/* Adds event_insert and, unless LOG_ONLY, the apply statement of each run of one kind and what marks names behind them. */
void ledger_step_events(struct ledger_steps *s, const struct uuid *node,
			const struct ledger_item *items, size_t n, enum ledger_effect effect);
/* Adds the apply statements alone, for events in the log already. Only kind and seq are used. */
void ledger_step_applies(struct ledger_steps *s, const struct uuid *node,
			 const struct ledger_item *items, size_t n, enum ledger_effect effect);
/* Adds, behind these, what fails (22012) if an event gives a name that others hold: for what is new. What is merged keeps its name. */
void ledger_step_refusals(struct ledger_steps *s, const struct uuid *node,
			  const struct ledger_item *items, size_t n) NONNULL;
int ledger_read_head(struct ledger *l, struct fiber *f, const struct uuid *node, int64_t *ret_seq,
		     uint8_t ret_hash[static KEYS_HASH_BYTES], struct err *e) MUST_USE;
/* If the chain's end after *seq is lost and that was accepted, moves seq and hash to where the chain goes on. */
int ledger_follow_end(struct ledger *l, struct fiber *f, const struct uuid *node, int64_t *seq,
		      uint8_t hash[static KEYS_HASH_BYTES], struct err *e) MUST_USE;
/* Whether the fault is in what was written, not in the log: another unit may be written. */
bool ledger_is_culprit(const struct err *e);

/* ledger_head.c: where the own chain ends, and the journal. */
int ledger_learn_head(struct ledger *l, struct fiber *f,
		      struct err *e) MUST_USE;	       /* inside the commit gate */
bool ledger_own_chain(const struct ledger *l) NONNULL; /* whether that is the one being written */
/* The end of the own chain moved: keyd is told, which nobody waits for. */
void ledger_mark_end(struct ledger *l) NONNULL;
void ledger_run_marker(struct fiber *f, void *ledger);

/* ledger_seen.c: what this node had of the other chains. */
/* Whether an event changes something, so that the other chains must be named before it. */
bool ledger_changes(const struct event *ev, size_t n) NONNULL;
/* Whether some ends of the others may not be named yet: cheap. */
bool ledger_may_see(const struct ledger *l) NONNULL;
/* The SEEN events to write now; they count as written, so set seen_stale if that fails. The caller
 * frees *ret with ledger_seen_free. */
size_t ledger_unseen(struct ledger *l, struct fiber *f, struct event **ret) NONNULL MUST_USE;
void ledger_seen_free(struct event *ev, size_t n);

/* A row of a journal on its way into the log. */
struct ledger_row {
	int64_t seq;
	uint8_t hash[KEYS_HASH_BYTES];
	const uint8_t *bytes;
	size_t len;
	struct event ev; /* filled by ledger_verify_rows */
};

/* ledger_journal.c */
struct ledger_look {
	int64_t count,
		seq; /* rows, and the last one ever written; 0: none, or there is no journal */
	uint8_t hash[KEYS_HASH_BYTES];
};
typedef int ledger_job_fn(struct ledger *l, void *arg, struct err *e);
/* Runs fn on a thread of the pool while the fiber sleeps; one at a time has the journals. */
int ledger_on_thread(struct ledger *l, struct fiber *f, ledger_job_fn *fn, void *arg,
		     struct err *e) MUST_USE;
int ledger_journal_look(struct ledger *l, struct fiber *f, const struct uuid *chain, bool create,
			struct ledger_look *ret, struct err *e) NONNULL MUST_USE;
/* Appends to the journal of the chain that is being written. */
int ledger_journal_write(struct ledger *l, struct fiber *f, const struct ledger_units *q,
			 struct err *e) MUST_USE;
int ledger_journal_drop(struct ledger *l, struct fiber *f, const struct uuid *chain, int64_t upto,
			struct err *e) NONNULL MUST_USE;
/* Makes the journal continue where its chain ends in the log. */
int ledger_journal_go_on(struct ledger *l, struct fiber *f, const struct uuid *chain, int64_t seq,
			 const uint8_t hash[static KEYS_HASH_BYTES],
			 struct err *e) NONNULL MUST_USE;
/* Calls fn for the first event that it still has, if there is any. */
int ledger_journal_first(struct ledger *l, struct fiber *f, const struct uuid *chain,
			 ledger_event_fn *fn, void *ctx, struct err *e) MUST_USE;
/* The chains of the other journals that have rows or are being written; deletes a journal that is
 * neither. The caller frees *ret, also after a failure. */
int ledger_journals_beside(struct ledger *l, struct fiber *f, struct uuid **ret, size_t *ret_n,
			   struct err *e) NONNULL MUST_USE;
void ledger_journals_close(struct ledger *l);

/* Rows of a journal, some at a time, copied out of it. */
struct ledger_fetch {
	struct uuid chain;
	struct journal *file; /* NULL: the journal of the chain */
	int64_t before;	      /* the rows come after it */
	struct ledger_row *rows;
	size_t n; /* 0: there are no more */
	struct buf bytes;
};
struct ledger_fetch ledger_fetch_begin(const struct uuid *chain, int64_t after) NONNULL;
int ledger_fetch_next(struct ledger *l, struct fiber *f, struct ledger_fetch *x,
		      struct err *e) NONNULL MUST_USE;
void ledger_fetch_done(struct ledger_fetch *x) NONNULL;

/* ledger_adopt.c */
/* Takes into the log what this node has outside of it. What was saved of a chain and does not fit stays in its file, with an error in
 * the log; a row of a journal that does not verify is ERR_CHAIN_BROKEN. */
int ledger_adopt(struct ledger *l, struct fiber *f, struct err *e) NONNULL MUST_USE;
/* That a row of the journal does not verify, and what to do. */
int ledger_broken_row(int64_t seq, const struct err *why, struct err *e) NONNULL;

/* ledger_merge.c */
/* *ret_good: how many of the rows truly continue (seq, hash) of the node's chain; *why: why the
 * next one does not. texts holds what the events point to. A negative code if keyd could not be
 * asked. */
int ledger_verify_rows(struct ledger *l, struct fiber *f, const struct uuid *node, int64_t seq,
		       const uint8_t hash[static KEYS_HASH_BYTES], struct ledger_row *rows,
		       size_t n, struct buf *texts, size_t *ret_good, struct err *why) MUST_USE;
void ledger_step_rows(struct ledger_steps *s, const struct uuid *node,
		      const struct ledger_row *rows, size_t n, bool apply);
