/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether two nodes have the same history: by content, never by a number or a length alone. Each side names the end of every
 * chain that its log has; where both have an event its hashes must agree. What one side has and the other has not is never
 * overwritten, and who has less of its own chain than somebody else is not what it was: its disk was put back.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "base/uuid.h"
#include "store/db.h"

#define HISTORY_CHAINS_MAX 512
#define HISTORY_HASH_BYTES 32

/* An event of a chain: the last one of it, or the one at a place that was asked for. */
struct history_head {
	struct uuid chain;
	struct uuid node; /* whose chain it is, as who was asked knows */
	int64_t seq;	  /* 0: nothing */
	uint8_t hash[HISTORY_HASH_BYTES];
};

struct history_heads {
	unsigned n;
	struct history_head v[HISTORY_CHAINS_MAX];
};

/* What both sides say. */
struct history_sides {
	struct history_heads ours, theirs;
	struct history_heads ours_there;   /* what we have where their chains end */
	struct history_heads theirs_there; /* what they have where ours end */
	struct history_heads
		kept; /* which of their ends this node has in its journals (ha/history_kept.h) */
};

/* How a chain, or all of them together, compares. */
enum history_relation {
	HISTORY_EQUAL = 0,
	HISTORY_OURS_MORE = 1,
	HISTORY_THEIRS_MORE = 2,
	HISTORY_PARTED =
		HISTORY_OURS_MORE | HISTORY_THEIRS_MORE, /* each has what the other has not */
};

/* How a node's chains compare, and one of them: one of which the node itself lacks something, if there is any. */
struct history_own {
	enum history_relation relation; /* of all of them together */
	enum history_relation one;	/* of that one */
	int64_t ours, theirs;		/* where it ends; 0: there is nothing of it */
	struct uuid chain;
};

struct history_verdict {
	enum history_relation all;	/* of the logs alone */
	struct history_own self, other; /* this node's own chains, and the other node's */
};

/* Where the chain ends; 0: there is nothing of it. */
int64_t history_end_of(const struct history_heads *h, const struct uuid *chain) NONNULL;

void history_judge(const struct history_sides *s, const struct uuid *self, const struct uuid *other,
		   struct history_verdict *ret) NONNULL;

/* Asks both databases (blocking; `there` as hf_deposit). ours_first: what is appended there reaches this node later, so that what
 * is here is looked at before; else what is there is. ERR_PRECONDITION: a schema or program before this comparison. */
int history_ask(struct db *here, struct db *there, bool ours_first, struct history_sides *ret,
		struct err *e) NONNULL MUST_USE;
/* Whether an answer of another node's database means that: what is asked for is not there, or not for others. */
bool history_is_earlier(int rc, const struct err *e) NONNULL;
