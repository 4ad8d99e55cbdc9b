/* SPDX-License-Identifier: Apache-2.0
 *
 * Shapes of replies: tables of the fields an object has, and their kinds. OpenAPI's schemas and
 * docs/api.md are generated from them. Handlers write their JSON themselves; tests hold every reply
 * against its shape.
 */
#pragma once

#include <stdbool.h>
#include "base/attr.h"
#include "base/buf.h"
#include "base/json_out.h"

/* X(KIND, its schema, its words) */
#define SHAPE_KINDS(X)                                                                             \
	X(TEXT, "\"string\"", "text")                                                              \
	X(ID, "\"string\"", "id (UUID)")                                                           \
	X(TIME, "\"string\"", "time, UTC (RFC 3339)")                                              \
	X(INT, "\"integer\"", "whole number")                                                      \
	X(NUMBER, "\"number\"", "number")                                                          \
	X(BOOL, "\"boolean\"", "true or false")                                                    \
	X(TEXTS, "\"array\"", "list of texts")                                                     \
	X(MAP, "\"object\"", "object of texts")                                                    \
	X(FREE, "\"object\"", "object")                                                            \
	X(ONE, "\"object\"", "object")                                                             \
	X(LIST, "\"array\"", "list")

enum shape_kind {
#define X(KIND, schema, words)                                                                     \
	SHAPE_##KIND                                                                               \
	,
	SHAPE_KINDS(X)
#undef X
};

enum shape_flags {
	SHAPE_OPTIONAL = 1, /* may be absent */
	SHAPE_NULL = 2,	    /* may be null */
};

/* Ends with a row of zeros. */
struct shape_field {
	const char *name;
	enum shape_kind kind;
	unsigned flags;
	const char *of; /* ONE, LIST: the name of the object's shape */
};

/* A table of shapes ends with a row of zeros. */
struct shape {
	const char *name;
	const struct shape_field *fields;
};

/* A list of such tables ends with NULL. */
#define SHAPE_EACH(tables, s)                                                                      \
	for (const struct shape *const *t_ = (tables); *t_; t_++)                                  \
		for (const struct shape *s = *t_; s->name; s++)

/* NULL if there is none of that name. */
const struct shape *shape_find(const struct shape *const *shapes, const char *name,
			       size_t n) NONNULL;
/* The next of the names in "Brief|Whole"; false: there is none. Begin with *at of the whole. */
bool shape_next(const char **at, const char **ret_name, size_t *ret_n) NONNULL;
/* Writes all of them as members of components/schemas. */
void shape_openapi(const struct shape *const *shapes, struct json_out *w) NONNULL;
/* Writes "schema": one of the names in "Brief|Whole". */
void shape_openapi_ref(const char *names, struct json_out *w) NONNULL;
/* Writes a section for each of them. */
void shape_markdown(const struct shape *const *shapes, struct buf *out) NONNULL;
