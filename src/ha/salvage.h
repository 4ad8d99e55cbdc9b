/* SPDX-License-Identifier: Apache-2.0
 *
 * Salvage (H10): puts into journals what a database has of the log and the primary of a later epoch
 * lacks: of the node's own chain into data/journal.db, of another node's into data/salvage-<id>.db;
 * its own goes there too when the journal already has what was done later. They are merged like any
 * journal (ha/deposit.h). Blocking.
 */
#pragma once

#include <stdint.h>
#include "base/home.h"
#include "store/db.h"

/* local, primary: blocking connections, the latter as hf_deposit. May be interrupted and done again: nothing is put twice.
 * *ret_events: how many are in the journals that the primary does not have. ERR_CHAIN_BROKEN when the two logs differ in
 * what both have. */
int salvage_run(const struct home *h, const struct uuid *self, struct db *local, struct db *primary,
		int64_t *ret_events, struct err *e) NONNULL MUST_USE;
