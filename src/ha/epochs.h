/* SPDX-License-Identifier: Apache-2.0
 *
 * Which epochs this node knows, on disk (data/epoch): the latest that anyone began, and the one it
 * is to begin itself. The file is written before the knowledge is acted on, so neither a restart
 * nor a crash makes a node forget that another one is the primary.
 *
 * Three lines: `version 2`, then `known EPOCH PROOF` and `next EPOCH PROOF`, with `-` for none of
 * either. A file of before has the two without a proof; what it says counts, and is handed on once
 * its proof is there too. A missing or damaged file counts as none: the log knows the epoch too, and
 * the later of the two counts.
 */
#pragma once

#include "base/epoch.h"
#include "base/home.h"

struct epochs {
	struct epoch_claim known; /* the latest that was begun, as far as this node heard */
	struct epoch_claim next;  /* what this node is to begin, or began last; none: nothing */
};

/* None of both when there is no file. ERR_IO: there is one, and it cannot be read; *ret is none then. */
int epochs_read(const struct home *h, struct epochs *ret, struct err *e) NONNULL MUST_USE;
/* On disk when it returns 0. */
int epochs_write(const struct home *h, const struct epochs *x, struct err *e) NONNULL MUST_USE;

/* Takes in an epoch that was begun. true: it is later than what was known. Of what is known already it takes the proof. */
bool epochs_hear(struct epochs *x, const struct epoch_claim *heard) NONNULL;

/* What `self` is to begin: one above all that is known, with the incarnation that was drawn for it, or what it was about to begin already, if
 * that is above it still. What is new has no proof yet. */
void epochs_prepare(struct epochs *x, const struct uuid *self, uint64_t incarnation) NONNULL;
