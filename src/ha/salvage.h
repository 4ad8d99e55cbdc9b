/* SPDX-License-Identifier: Apache-2.0
 *
 * Salvage (H10): copies to journals what this database has of the log but the primary of a later
 * epoch lacks: events of the node's own chain to data/journal.db, those of another node's to
 * data/salvage-<id>.db; its own go there too if the journal already has later ones. They are merged
 * like any journal (ha/deposit.h). Blocking.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/home.h"
#include "store/db.h"

struct salvaged {
	int64_t events; /* in the journals, which the primary lacks */
	bool parted; /* a chain has other events there, or that could not be ruled out: what is here must be kept whole */
};

/* local, primary: blocking connections, the latter as hf_deposit. May be interrupted and repeated:
 * nothing is copied twice. Copies nothing of a chain that parted. */
int salvage_run(const struct home *h, const struct uuid *self, struct db *local, struct db *primary,
		struct salvaged *ret, struct err *e) NONNULL MUST_USE;
