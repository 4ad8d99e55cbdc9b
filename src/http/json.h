/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON. In: a table says what a body may hold. jansson (with a wiping allocator) parses it; unknown
 * fields and duplicate keys are refused, bounds are checked, and values land in a plain struct
 * whose texts live in the request's arena. Out: base/json_out.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json_out.h" /* the writer */

enum jkind {
	JTEXT = 1, /* const char *; bound: longest length in bytes; not empty; no NUL inside; valid UTF-8 */
	JINT,  /* int64_t; 0..bound */
	JBOOL, /* bool */
	JMAP, /* struct jmap: object of text → text; bound: most entries; each value ≤ 64 KiB */
	JTEXTS, /* struct jtexts: array of texts; bound: most entries */
};

enum {
	JREQUIRED = 1, /* must be there */
	JEMPTY = 4,    /* of a text: may be empty, which is a value here, not the absence of one */
	JPOSITIVE = 8, /* of a number: 1..bound */
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

/* Once per process, before any thread: gives jansson its wiping allocator and its hash seed, GnuTLS
 * its wiping free, and starts libcurl. */
void http_init(void);

/* Parses text[0..n) by the table into out (the zeroed struct). *ret_seen gets bit i if row i was
 * there. ERR_BAD_JSON or ERR_BAD_FIELD with the field's name. */
int json_parse_body(const char *text, size_t n, const struct jfield *table, void *out,
		    uint64_t *ret_seen, struct arena *a, struct err *e) MUST_USE;
