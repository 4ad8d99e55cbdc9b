/* SPDX-License-Identifier: Apache-2.0
 *
 * Spans and moments as people write them: "500ms", "12h", "30d"; "2026-11-28", "2026-11-28 14:00", RFC 3339, "2h ago".
 * Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/attr.h"

#define WHEN_SPAN_LEN 32
#define WHEN_UNITS "ms, s, min, h or d" /* for messages */

/* A whole number followed by ms, s, min (or m), h or d; without a unit, milliseconds. 0, or ERR_BAD_FIELD. */
int when_span(const char *s, int64_t *ret_ms) NONNULL MUST_USE;
/* The shortest such text for exactly this span: "12h", "90s", "1500ms", "0". ms is not negative. */
void when_span_text(int64_t ms, char ret[static WHEN_SPAN_LEN]) NONNULL;

/* A moment: a day, or a day and a time (a blank or T between; seconds and fractions are optional), in UTC
 * or with an offset (Z, +02:00, -0500) after the time; or a span before now_us ("2h", "3d ago"; the unit
 * is required). A day alone means its last moment if `end`, otherwise its first. 0, or ERR_BAD_FIELD. */
int when_moment(const char *s, int64_t now_us, bool end, int64_t *ret_us) NONNULL MUST_USE;
/* The end of something: such a day (its last moment) or time, or a span from now_us on ("12h", "30d"; the unit is required). 0, or ERR_BAD_FIELD: also
 * when it is not after now_us. */
int when_end(const char *s, int64_t now_us, int64_t *ret_us) NONNULL MUST_USE;
