/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON. In: a table says what a body may hold; jansson (with a wiping allocator, doubled keys refused)
 * parses, unknown fields are refused, bounds are checked, values land in a plain struct whose texts
 * live in the request's arena. Out: a small streaming writer.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum jkind {
	JTEXT = 1, /* const char *; bound: longest length in bytes; no NUL inside; valid UTF-8 */
	JINT,	   /* int64_t; 0..bound */
	JBOOL,	   /* bool */
	JMAP,	   /* struct jmap: object of text → text; bound: most entries; each value ≤ 64 KiB */
	JTEXTS,	   /* struct jtexts: array of texts; bound: most entries */
};

enum {
	JREQUIRED = 1, /* must be there */
	JHAS = 2,      /* a bool right before the field's offset is not kept; see jbody_has */
};

/* One row of a body table; ends with a row of zeros. */
struct jfield {
	const char *name;
	enum jkind kind;
	unsigned flags;
	size_t offset;
	int64_t bound;
};

struct jmap_entry {
	const char *name, *value;
	size_t value_len;
};
struct jmap {
	size_t n;
	struct jmap_entry *entries;
};
struct jtexts {
	size_t n;
	const char **texts;
};

/* Parses text[0..n) by the table into out (the zeroed struct). *ret_seen gets bit i for row i that
 * was there. ERR_BAD_JSON or ERR_BAD_FIELD with the field's name. */
int json_parse_body(const char *text, size_t n, const struct jfield *table, void *out, uint64_t *ret_seen, struct arena *a,
		    struct err *e) MUST_USE;

/* The writer. Keeps commas and nesting itself; depth ≤ 32. Strings are escaped; invalid UTF-8 is
 * replaced by U+FFFD. name NULL inside arrays. */
struct jw {
	struct buf *out;
	uint32_t first; /* bit per depth: nothing written yet */
	unsigned depth;
};

void jw_init(struct jw *w, struct buf *out) NONNULL;
void jw_object(struct jw *w, const char *name); /* { */
void jw_array(struct jw *w, const char *name);	/* [ */
void jw_end_object(struct jw *w) NONNULL;
void jw_end_array(struct jw *w) NONNULL;
void jw_text(struct jw *w, const char *name, const char *v); /* v NULL: null */
void jw_textn(struct jw *w, const char *name, const char *v, size_t n);
void jw_int(struct jw *w, const char *name, int64_t v);
void jw_double(struct jw *w, const char *name, double v);
void jw_bool(struct jw *w, const char *name, bool v);
void jw_null(struct jw *w, const char *name);
void jw_raw(struct jw *w, const char *name, const char *json); /* text that is JSON already */
void jw_uuid(struct jw *w, const char *name, const void *uuid16); /* nil: null */
void jw_time(struct jw *w, const char *name, int64_t us);	  /* RFC 3339; 0: null */
