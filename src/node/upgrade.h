/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether a primary may upgrade its schema: only when every other node of the pair, by its own
 * account, runs a program that reads the new one. Upgrading the primary first would leave a
 * secondary that cannot read what it holds (docs/upgrade.md).
 */
#pragma once

#include "base/home.h"
#include "store/db.h"

/* have: the schema that the database has. *ret_migrate: whether it is to be brought up to date; false when another node is the
 * primary in a later term: then this one returns to it, with what it has. ERR_PRECONDITION: a node runs an older program.
 * ERR_UNREACHABLE: it is not known of a node what it runs. Nothing was changed then. Blocks for some seconds at most. */
int upgrade_may_migrate(const struct home *h, struct db *d, int have, bool *ret_migrate,
			struct err *e) NONNULL MUST_USE;
