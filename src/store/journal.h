/* SPDX-License-Identifier: Apache-2.0
 *
 * The secondary's durable local log: SQLite, WAL, synchronous=FULL. Rows are opaque to this file: the
 * sequence number, the chain hash and the event's canonical bytes. vaultd appends, the agent reads and
 * drops; both have the file open at once. Every 10 s, an append or a query for the head also checks
 * what is on the disk, a large file part by part (ERR_IO: it is damaged). Calls block (an append is an
 * fsync): vaultd makes them on the thread pool. A struct journal belongs to one thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/uuid.h"

struct journal;

struct journal_row {
	int64_t seq;
	uint8_t hash[32];
	const void *event; /* canonical bytes (ledger/event.h) */
	size_t len;	   /* ≤ JOURNAL_EVENT_MAX */
};

#define JOURNAL_EVENT_MAX (256u << 10)

/* Opens or creates it; checks application_id, user_version and the node (another node's journal is
 * refused). ERR_IO with the reason if it is damaged; the file is left as it is. */
int journal_open(const char *path, const struct uuid *node, struct journal **ret,
		 struct err *e) NONNULL MUST_USE;
void journal_free(struct journal *j);
/* From now on all files of SQLite's in this process come by base/homefile.h. Once, before the first is opened. */
void journal_ask_for_files(void);

/* Rereads the file from the disk: a small one whole; of a large one the next few MiB, starting over
 * after the last, so that nobody waits long. ERR_IO: it is damaged. */
int journal_check(struct journal *j, struct err *e) NONNULL MUST_USE;

/* Appends all rows in one transaction; durable on return. seq must follow what is there. */
int journal_append(struct journal *j, const struct journal_row *rows, size_t n,
		   struct err *e) MUST_USE;

/* Calls fn for up to `max` rows with seq > after, in order; a non-zero result of fn ends the walk
 * and is returned. row.event is borrowed for the call, and fn must not use the same journal. */
typedef int journal_row_fn(void *ctx, const struct journal_row *row);
int journal_each(struct journal *j, int64_t after, size_t max, journal_row_fn *fn, void *ctx,
		 struct err *e) MUST_USE;

/* Drops rows with seq <= upto (they were seen in the primary's log). The head is kept. */
int journal_drop(struct journal *j, int64_t upto, struct err *e) NONNULL MUST_USE;

/* *ret_count rows are there; head: the last seq and hash ever appended here (0 and zeros when
 * none). */
int journal_head(struct journal *j, int64_t *ret_count, int64_t *ret_seq,
		 uint8_t ret_hash[static 32], struct err *e) MUST_USE;

/* Tells an empty journal where the node's chain ends in the primary's log, so
 * that the next row continues it. ERR_REFUSED if it has rows or its head is
 * later. */
int journal_set_head(struct journal *j, int64_t seq, const uint8_t hash[static 32],
		     struct err *e) MUST_USE;

/* The same, but accepts an earlier head than the journal remembers: what was written after it is
 * known to be lost to the log. ERR_REFUSED if it has rows. */
int journal_restart(struct journal *j, int64_t seq, const uint8_t hash[static 32],
		    struct err *e) MUST_USE;
