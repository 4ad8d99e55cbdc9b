/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies of events: one flat JSON object. The vault writes them with these few functions (the full JSON
 * of http/ lies above it); PostgreSQL reads them, and body_get reads single fields back where no database may be asked.
 *
 *	auto_buf b = BUF_INIT;
 *	body_begin(&b);
 *	body_text(&b, "login", login);
 *	body_end(&b);                      → buf_str(&b)
 */
#pragma once

#include "base/buf.h"
#include "base/uuid.h"

void body_begin(struct buf *b) NONNULL;
void body_text(struct buf *b, const char *name, const char *v); /* v NULL: null */
void body_int(struct buf *b, const char *name, int64_t v) NONNULL;
void body_bool(struct buf *b, const char *name, bool v) NONNULL;
void body_uuid(struct buf *b, const char *name, const struct uuid *u); /* u NULL: null */
void body_hex(struct buf *b, const char *name, const void *p, size_t n) NONNULL;
void body_time(struct buf *b, const char *name, int64_t us) NONNULL; /* RFC 3339 */
void body_raw(struct buf *b, const char *name, const char *json) NONNULL; /* text that is JSON already */
void body_end(struct buf *b) NONNULL;

/* Appends the value of a field of the object (texts unescaped, numbers and words as they stand). 0, ERR_NOT_FOUND, or
 * ERR_BAD_JSON when the body is not a flat object. */
int body_get(const char *body, const char *name, struct buf *ret) NONNULL MUST_USE;
