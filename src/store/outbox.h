/* SPDX-License-Identifier: Apache-2.0
 *
 * Alerts awaiting delivery: SQLite, WAL, synchronous=FULL. An alert is kept until every receiver
 * that it is meant for has accepted it, and each receiver gets them in order. What the alerts were
 * derived from (key → value) is kept in the same transactions, so a process killed in between still
 * says what it had not said. Rows are opaque to this file. Blocking calls; a struct outbox belongs
 * to one thread at a time, several may have the file open at once.
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
	int64_t lost; /* not 0: stands for so many alerts that were not kept; kind, text and body are empty */
	const char *kind, *text, *body;
};

/* Opens or creates. A file that is damaged is moved aside ("PATH.damaged-TIME"), said in the log, and a new one begun.
 * rows_max: OUTBOX_ROWS_MAX, or less in tests (at least 2). */
int outbox_open(const char *path, int64_t rows_max, struct outbox **ret,
		struct err *e) NONNULL MUST_USE;
void outbox_free(struct outbox *o);
/* Before anybody opens it: a file that was emptied, which SQLite would take for a new one, is moved aside like one that is damaged. */
int outbox_settle(const char *path, struct err *e) NONNULL MUST_USE;

/* Value last stored for a key, appended; "" when there is none. */
int outbox_seen(struct outbox *o, const char *key, struct buf *ret, struct err *e) NONNULL MUST_USE;
/* In one transaction, durable on return: stores value for key, and adds the row (NULL: none) for the receivers whose bits are
 * set. When the outbox is full the two oldest rows become one that counts what was not kept; *ret_lost is then its count,
 * else 0. */
int outbox_put(struct outbox *o, const char *key, const char *value, const struct outbox_row *row,
	       unsigned receivers, int64_t *ret_lost, struct err *e) MUST_USE;

/* The oldest row that the receiver (0 … OUTBOX_RECEIVERS_MAX - 1) has not accepted: texts are appended to the buffers, which the
 * row then borrows. ERR_NOT_FOUND when there is none. */
struct outbox_texts {
	struct buf kind, text, body;
};
int outbox_next(struct outbox *o, int receiver, struct outbox_texts *texts, struct outbox_row *ret,
		struct err *e) NONNULL MUST_USE;
/* The receiver has accepted it. A row that was folded away meanwhile is no error. */
int outbox_done(struct outbox *o, int receiver, const struct outbox_row *row,
		struct err *e) NONNULL MUST_USE;
/* Receivers without their bit are not configured any more: nothing waits for them. */
int outbox_only(struct outbox *o, unsigned receivers, struct err *e) NONNULL MUST_USE;

int outbox_count(struct outbox *o, int64_t *ret, struct err *e) NONNULL MUST_USE;
