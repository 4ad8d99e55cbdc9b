/* SPDX-License-Identifier: Apache-2.0
 *
 * A small streaming JSON writer: replies of the API and bodies of events. Keeps commas and nesting
 * itself; depth ≤ 32. Strings are escaped; invalid UTF-8 is replaced by U+FFFD. Writes to a buffer
 * of the caller's, which may hold secrets.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"

struct jw {
	struct buf *out;
	uint32_t first; /* bit per depth: nothing written yet */
	unsigned depth;
};

/* name NULL inside arrays and for the outermost value. */
void jw_init(struct jw *w, struct buf *out) NONNULL;
void jw_object(struct jw *w, const char *name); /* { */
void jw_array(struct jw *w, const char *name);	/* [ */
void jw_end_object(struct jw *w) NONNULL;
void jw_end_array(struct jw *w) NONNULL;
void jw_text(struct jw *w, const char *name, const char *v); /* v NULL: null */
void jw_textn(struct jw *w, const char *name, const char *v, size_t n);
void jw_int(struct jw *w, const char *name, int64_t v);
void jw_double(struct jw *w, const char *name, double v); /* not finite: null */
void jw_bool(struct jw *w, const char *name, bool v);
void jw_null(struct jw *w, const char *name);
void jw_raw(struct jw *w, const char *name, const char *json);	  /* text that is JSON already */
void jw_uuid(struct jw *w, const char *name, const void *uuid16); /* nil: null */
void jw_time(struct jw *w, const char *name, int64_t us);	  /* RFC 3339; 0: null */

/* Whether the n bytes are valid UTF-8 (no overlong forms, no surrogates). */
bool jw_utf8(const char *s, size_t n);
