/* SPDX-License-Identifier: Apache-2.0
 *
 * Has keyd prove the epochs that this node begins, and check those that others claim (H10). It has
 * its own thread and connection: callers never wait, but ask again. It remembers verdicts for a
 * while, so asking over and over is cheap.
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

struct notary *notary_new(void) MUST_USE;
/* Takes over a connection to keyd, in place of any earlier one. */
void notary_attach(struct notary *n, int keys_fd) NONNULL;
/* Whether it has no working connection. *ret_ask: ask for another one now. */
bool notary_lost_keys(struct notary *n, int64_t now_ms, bool *ret_ask) NONNULL;

/* Whether the claim's proof fits its epoch. */
enum notary_verdict notary_check(struct notary *n, const struct epoch_claim *c) NONNULL;
/* Proves that this node, which is keyd's own, began c->epoch; NOTARY_FALSE: keyd refused. Only
 * NOTARY_TRUE fills the proof in. */
enum notary_verdict notary_prove(struct notary *n, struct epoch_claim *c) NONNULL;
