/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks the files that make a node part of a pair, against each other and against the facts: names
 * whatever is lost or damaged before anything starts, and keeps a node from serving alone just
 * because a file is missing. Blocking.
 */
#pragma once

#include "base/err.h"
#include "base/proc.h"
#include "crypto/keys.h"
#include "store/db.h"

/* Before anything starts: checks the channel's certificates, pair.conf, and what `cert import`
 * brought. ERR_PRECONDITION with the file and what to do. */
int pairfiles_check(const struct proc_args *a, struct err *e) NONNULL MUST_USE;

/* With the database open and its data keys loaded. ERR_PRECONDITION: the database names other
 * nodes, but the pair's certificates are gone. Logs what the node can serve without. */
int pairfiles_prove(const struct proc_args *a, struct db *d, struct keys *keys,
		    struct err *e) NONNULL MUST_USE;
