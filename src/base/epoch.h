/* SPDX-License-Identifier: Apache-2.0
 *
 * Epochs: which of all primaries that a pair ever had is the true one (H10). A node begins an epoch
 * with a counter above every one it knows; between equal counters, begun apart from each other, the
 * node's id decides, so no two epochs are equal.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "base/uuid.h"

#define EPOCH_TEXT_MAX 60
#define EPOCH_JUMP_MAX 1000 /* a counter that is further ahead of the own one is not believed */

/* Zero-initialised: none, which is before all others. */
struct epoch {
	int64_t counter;
	struct uuid node; /* which began it */
};

/* Below, at or above 0: a is before b, is b, or is after b. */
int epoch_cmp(const struct epoch *a, const struct epoch *b) NONNULL;
bool epoch_is_later(const struct epoch *a, const struct epoch *b) NONNULL; /* a is after b */
bool epoch_is_of(const struct epoch *e, const struct uuid *node) NONNULL;  /* begun by this node */

/* "3.0190a1b2-…"; "" for none. */
void epoch_text(const struct epoch *e, char ret[static EPOCH_TEXT_MAX]) NONNULL;
/* Of exactly that form, the counter from 1 to 18 digits. ERR_BAD_FIELD; then *ret stays as it was. */
int epoch_parse(const char *text, struct epoch *ret, struct err *e) NONNULL MUST_USE;
