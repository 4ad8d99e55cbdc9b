/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks the files that make a node part of a pair against each other and against the facts:
 * whatever is lost or damaged is named before anything starts, and no node serves alone because a
 * file is missing. Blocking.
 */
#pragma once

#include "base/err.h"
#include "base/proc.h"
#include "crypto/keys.h"
#include "store/db.h"

/* Before anything starts: the certificates of the channel, pair.conf, and what cert import brought. ERR_PRECONDITION with the file and what to do. */
int pairfiles_check(const struct proc_args *a, struct err *e) NONNULL MUST_USE;

/* With the database open and its data keys loaded. ERR_PRECONDITION: the database names other nodes, and the certificates of the pair are gone. What the
 * node can serve without is said in the log. */
int pairfiles_prove(const struct proc_args *a, struct db *d, struct keys *keys,
		    struct err *e) NONNULL MUST_USE;
