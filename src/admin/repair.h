/* SPDX-License-Identifier: Apache-2.0
 *
 * Replaces a damaged journal with a new one that holds whatever could still be read
 * (store/journal_rescue.h). For the command line, while the node is stopped. Blocking.
 */
#pragma once

#include "base/home.h"
#include "store/journal_rescue.h"

struct repair {
	struct journal_rescued got;
	char aside[HOME_PATH_MAX + 64]; /* where the damaged one is kept */
};

/* This node's journal, or the first damaged one of another chain where that one is good. before: 0, or the first event that is not to be kept. ERR_REFUSED: it can be read, or the node runs; ERR_NOT_FOUND: there is none.
 * Then nothing was changed. */
int repair_journal(const struct home *h, int64_t before, struct repair *ret,
		   struct err *e) NONNULL MUST_USE;
