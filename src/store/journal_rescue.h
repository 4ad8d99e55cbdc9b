/* SPDX-License-Identifier: Apache-2.0
 *
 * Takes what a damaged journal (store/journal.h) still holds into a new one. Only while the node is
 * stopped. Blocking; one thread.
 */
#pragma once

#include "base/err.h"
#include "base/uuid.h"

struct journal_rescued {
	int64_t first, last; /* the rows that were taken over; 0: none */
	int64_t head;	     /* the last row that the damaged one says it had; 0: it says nothing */
	char why[200];	     /* why it ended there; "" with nothing left behind */
};

/* Rows from the first one on, without a gap, up to the first that cannot be read or (before > 0) to the one before that
 * number, go into a new journal at `to`, which must not be there. Rows behind one that is missing cannot be proven any more:
 * they stay where they are. The file at `from` is only read. ERR_REFUSED: it is another node's. */
int journal_rescue(const char *from, const struct uuid *node, int64_t before, const char *to,
		   struct journal_rescued *ret, struct err *e) NONNULL MUST_USE;
