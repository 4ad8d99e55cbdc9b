/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies of events: one flat JSON object, written with base/json_out.h and read by PostgreSQL. This
 * file adds what both lack: bytes as hex, and reading a single field back where no database may be
 * asked.
 */
#pragma once

#include "base/err.h"
#include "base/json_out.h"

void event_body_hex(struct json_out *w, const char *name, const void *p, size_t n) NONNULL;

/* Appends the value of a field of the object: texts unescaped, numbers and words as they stand. 0,
 * ERR_NOT_FOUND, or ERR_BAD_JSON when the body is not a flat object. Other fields' nested values
 * are refused too. */
int event_body_get(const char *body, const char *name, struct buf *ret) NONNULL MUST_USE;
/* The same for hex of exactly n bytes. */
int event_body_get_bytes(const char *body, const char *name, void *ret, size_t n) NONNULL MUST_USE;
