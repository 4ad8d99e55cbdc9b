/* SPDX-License-Identifier: Apache-2.0
 *
 * What another node has of this node's own chains, and this node has in its journals alone: it was deposited there and has not come back
 * with the log yet. A node that is promoted takes it from there (ledger/ledger_head.c), so that nothing of it is missing here.
 */
#pragma once

#include "base/home.h"
#include "ha/history.h"

/* Fills s->kept: of each chain of `self` that goes on there and ends earlier here, its end there if the journal here has all that is between
 * both. A journal that cannot be read has nothing. Reads files; blocking. */
void history_look_kept(const struct home *h, const struct uuid *self,
		       struct history_sides *s) NONNULL;
