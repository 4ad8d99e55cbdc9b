/* SPDX-License-Identifier: Apache-2.0
 *
 * Time: moments are microseconds since 1970-01-01 UTC, durations milliseconds of the monotonic
 * clock. In builds with fault points (HF_FAULTS), tests of skewed clocks shift a node's wall clock
 * with the environment variable HOLDFAST_CLOCK_SKEW_MS, and tests of long waits put it forward
 * through the page of faults while the node runs.
 */
#pragma once

#include <stdint.h>
#include "base/attr.h"

#define CLOCK_ISO_LEN 28 /* "2026-01-31T12:00:00.123456Z" and the NUL */

int64_t clock_now_us(void);  /* wall clock, UTC */
int64_t clock_mono_ms(void); /* monotonic, never goes back */
int64_t clock_mono_us(void);
void clock_iso(int64_t us, char ret[static CLOCK_ISO_LEN]); /* RFC 3339, microseconds, Z */
int clock_parse_iso(const char *s, int64_t *ret_us) NONNULL
	MUST_USE; /* reads the same form, with 0 to 6 fractional digits; 0 or ERR_BAD_FIELD */
void clock_sleep_ms(int64_t ms);
