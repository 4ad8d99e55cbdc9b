/* SPDX-License-Identifier: Apache-2.0
 *
 * Alerts awaiting delivery: SQLite, WAL, synchronous=FULL. An alert stays until every receiver that
 * it is meant for has accepted it, and each receiver gets them in order. What the alerts were
 * derived from (key → value) is stored in the same transactions, so a process killed in between
 * still sends what it had not sent. Rows are opaque to this file. Blocking calls; a struct outbox
 * belongs to one thread at a time, several may have the file open at once.
 */
#pragma once

#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/uuid.h"

#define OUTBOX_ROWS_MAX 10000
#define OUTBOX_RECEIVERS_MAX 8 /* bits of a set of receivers */

struct outbox;

struct outbox_row {
	int64_t seq; /* given by the outbox */
	struct uuid id;
	int64_t at_us;
	int64_t lost; /* not 0: stands for this many alerts that were dropped; kind, text and body are empty */
	const char *kind, *text, *body;
};

/* Opens or creates it. Moves a damaged file aside ("PATH.damaged-TIME"), logs that, and begins a
 * new one. rows_max: OUTBOX_ROWS_MAX, or less in tests (at least 2). */
int outbox_open(const char *path, int64_t rows_max, struct outbox **ret,
		struct err *e) NONNULL MUST_USE;
void outbox_free(struct outbox *o);
/* Before anybody opens it: moves an emptied file, which SQLite would take for a new one, aside like a damaged one. */
int outbox_settle(const char *path, struct err *e) NONNULL MUST_USE;

/* Value last stored for a key, appended; "" when there is none. */
int outbox_seen(struct outbox *o, const char *key, struct buf *ret, struct err *e) NONNULL MUST_USE;
/* In one transaction, durable on return: stores value for key, and adds the row (NULL: none) for
 * the receivers whose bits are set. When the outbox is full, the two oldest rows become one that
 * counts what was dropped; *ret_lost is then its count, otherwise 0. */
int outbox_put(struct outbox *o, const char *key, const char *value, const struct outbox_row *row,
	       unsigned receivers, int64_t *ret_lost, struct err *e) MUST_USE;

/* The oldest row that the receiver (0 … OUTBOX_RECEIVERS_MAX - 1) has not accepted: texts are appended to the buffers, which the
 * row then borrows. ERR_NOT_FOUND when there is none. */
struct outbox_texts {
	struct buf kind, text, body;
};
int outbox_next(struct outbox *o, int receiver, struct outbox_texts *texts, struct outbox_row *ret,
		struct err *e) NONNULL MUST_USE;
/* Records that the receiver has accepted it. A row folded away meanwhile is not an error. */
int outbox_done(struct outbox *o, int receiver, const struct outbox_row *row,
		struct err *e) NONNULL MUST_USE;
/* Receivers whose bit is not set are no longer configured: nothing waits for them. */
int outbox_only(struct outbox *o, unsigned receivers, struct err *e) NONNULL MUST_USE;

int outbox_count(struct outbox *o, int64_t *ret, struct err *e) NONNULL MUST_USE;
