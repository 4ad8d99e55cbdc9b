/* SPDX-License-Identifier: Apache-2.0
 *
 * A small streaming JSON writer: replies of the API and bodies of events. Keeps commas and nesting
 * itself; depth ≤ 32. Strings are escaped; invalid UTF-8 is replaced by U+FFFD. Writes to the
 * caller's buffer, which may hold secrets.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"

struct json_out {
	struct buf *out;
	uint32_t first; /* bit per depth: nothing written yet */
	unsigned depth;
};

/* name NULL inside arrays and for the outermost value. */
void json_out_init(struct json_out *w, struct buf *out) NONNULL;
void json_out_object(struct json_out *w, const char *name); /* { */
void json_out_array(struct json_out *w, const char *name);  /* [ */
void json_out_end_object(struct json_out *w) NONNULL;
void json_out_end_array(struct json_out *w) NONNULL;
void json_out_text(struct json_out *w, const char *name, const char *v); /* v NULL: null */
void json_out_textn(struct json_out *w, const char *name, const char *v, size_t n);
void json_out_int(struct json_out *w, const char *name, int64_t v);
void json_out_double(struct json_out *w, const char *name, double v); /* not finite: null */
void json_out_bool(struct json_out *w, const char *name, bool v);
void json_out_null(struct json_out *w, const char *name);
void json_out_raw(struct json_out *w, const char *name,
		  const char *json); /* text that is JSON already */
void json_out_uuid(struct json_out *w, const char *name, const void *uuid16); /* nil: null */
void json_out_time(struct json_out *w, const char *name, int64_t us); /* RFC 3339; 0: null */
/* The same, but 0 is a time like any other: 1970. */
void json_out_instant(struct json_out *w, const char *name, int64_t us);

/* Whether the n bytes are valid UTF-8 (no overlong forms, no surrogates). */
bool json_out_is_utf8(const char *s, size_t n);
