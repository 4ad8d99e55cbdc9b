/* SPDX-License-Identifier: Apache-2.0
 *
 * Salvage (H10): puts into journals what a database has of the log and the primary of a later epoch
 * lacks: of the node's own chain into data/journal.db, of another node's into data/salvage-<id>.db;
 * its own goes there too when the journal already has what was done later. They are merged like any
 * journal (ha/deposit.h). Blocking.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/home.h"
#include "store/db.h"

struct salvaged {
	int64_t events; /* in the journals that the primary does not have */
	bool parted; /* a chain has other events there, or it could not be shown that it has not: what is here must be kept whole */
};

/* local, primary: blocking connections, the latter as hf_deposit. May be interrupted and done again: nothing is put twice. Of a
 * chain that parted nothing is put anywhere. */
int salvage_run(const struct home *h, const struct uuid *self, struct db *local, struct db *primary,
		struct salvaged *ret, struct err *e) NONNULL MUST_USE;
