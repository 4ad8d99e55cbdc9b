/* SPDX-License-Identifier: Apache-2.0
 *
 * When commits may wait for a second disk again (H2): a secondary that fell behind must first keep
 * in step for a while, longer with each relapse, so that a flapping line does not stop every
 * commit. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/attr.h"

#define STEADINESS_MAX_MS 60000
#define STEADINESS_FORGET_MS 600000 /* relapses further apart restart the count */

/* Zero-initialise. Monotonic times, 0: not. */
struct steadiness {
	int64_t in_step_ms; /* since when a secondary keeps in step */
	int64_t relapsed_ms;
	unsigned relapses;
};

void steadiness_note(struct steadiness *s, bool in_step, int64_t now_ms) NONNULL;
/* Commits went ahead without the second disk that they had waited for. */
void steadiness_relapse(struct steadiness *s, int64_t now_ms) NONNULL;
/* What is required now: nothing before the first relapse; base_ms after it, doubled by each further one. */
int64_t steadiness_wanted(const struct steadiness *s, int64_t base_ms) NONNULL;
bool steadiness_reached(const struct steadiness *s, int64_t base_ms, int64_t now_ms) NONNULL;
