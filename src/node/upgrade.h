/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether a primary may upgrade its schema: only if every other node of the pair says that its
 * program reads the new one. Upgrading the primary first would leave a secondary that cannot read
 * what it holds (docs/upgrade.md).
 */
#pragma once

#include "base/home.h"
#include "store/db.h"

/* have: the schema that the database has. *ret_migrate: whether to upgrade it; false if another node is the primary
 * in a later term: this one then returns to it, with what it has. ERR_PRECONDITION: a node runs an older program.
 * ERR_UNREACHABLE: a node's program is not known. Neither changes anything. Blocks for some seconds at most. */
int upgrade_may_migrate(const struct home *h, struct db *d, int have, bool *ret_migrate,
			struct err *e) NONNULL MUST_USE;
