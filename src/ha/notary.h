/* SPDX-License-Identifier: Apache-2.0
 *
 * Has keyd prove the epochs that this node begins, and check those that are told (H10). On a thread of
 * its own with a connection of its own: who asks never waits, and asks again. Verdicts are remembered
 * for a while, so that asking over and over is cheap.
 */
#pragma once

#include "base/epoch.h"
#include "base/err.h"

enum notary_verdict {
	NOTARY_ASKED, /* not known yet: keyd is asked */
	NOTARY_TRUE,
	NOTARY_FALSE,
};

struct notary;

struct notary *notary_new(const struct uuid *self) NONNULL MUST_USE;
/* A connection to keyd, taken over; in the place of one before. */
void notary_attach(struct notary *n, int keys_fd) NONNULL;
/* Whether it has none that works. *ret_ask: another one is to be asked for now. */
bool notary_lost_keys(struct notary *n, int64_t now_ms, bool *ret_ask) NONNULL;

/* Whether the proof of the claim is that of its epoch. */
enum notary_verdict notary_check(struct notary *n, const struct epoch_claim *c) NONNULL;
/* That this node began the epoch of that counter; NOTARY_FALSE: keyd refused. Only NOTARY_TRUE fills *ret. */
enum notary_verdict notary_prove(struct notary *n, int64_t counter,
				 struct epoch_claim *ret) NONNULL;
