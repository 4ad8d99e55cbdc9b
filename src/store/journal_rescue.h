/* SPDX-License-Identifier: Apache-2.0
 *
 * Copies what a damaged journal (store/journal.h) still holds into a new one. Only while the node
 * is stopped. Blocking; one thread.
 */
#pragma once

#include "base/err.h"
#include "base/uuid.h"

struct journal_rescued {
	int64_t first, last; /* the rows that were taken over; 0: none */
	int64_t head;	     /* the last row that the damaged one claims; 0: it claims none */
	char why[200];	     /* why it ended there; "" if nothing was left behind */
};

/* Copies rows to a new journal at `to`, which must not exist: from the first one on, without a gap, up to
 * the first that cannot be read or (before > 0) the one before that number. Rows after a missing one can
 * no longer be proven and stay where they are. Only reads `from`. ERR_REFUSED: it is another node's. */
int journal_rescue(const char *from, const struct uuid *node, int64_t before, const char *to,
		   struct journal_rescued *ret, struct err *e) NONNULL MUST_USE;
