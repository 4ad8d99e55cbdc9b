/* SPDX-License-Identifier: Apache-2.0
 *
 * Time. Microseconds since 1970-01-01 UTC for moments, milliseconds of the monotonic clock for
 * durations. In builds with fault points (HF_FAULTS) the environment variable HOLDFAST_CLOCK_SKEW_MS
 * shifts the wall clock of a node, for the tests of skewed clocks, and the page of faults puts it on
 * while the node runs, for the tests of what takes long.
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
	MUST_USE; /* the same form back, 0 to 6 digits of the second's part; 0 or ERR_BAD_FIELD */
void clock_sleep_ms(int64_t ms);
