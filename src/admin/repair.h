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

/* Repairs this node's journal or, if that is good, the first damaged one of another chain. before: 0, or the first event not
 * to keep. ERR_REFUSED: it can be read, or the node runs; ERR_NOT_FOUND: there is none. Either way nothing was changed. */
int repair_journal(const struct home *h, int64_t before, struct repair *ret,
		   struct err *e) NONNULL MUST_USE;
