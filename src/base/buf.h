/* SPDX-License-Identifier: Apache-2.0
 *
 * A growing byte buffer. It may hold secrets: buf_done wipes the contents, and growth wipes the old
 * block. Always NUL-terminated after len bytes. Out of memory aborts.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/attr.h"

struct buf {
	char *data; /* NULL when nothing was ever added */
	size_t len;
	size_t cap;
};

#define BUF_INIT ((struct buf){ 0 })

void buf_done(struct buf *b) NONNULL;		      /* wipes, frees, empties */
void buf_reset(struct buf *b) NONNULL;		      /* wipes, keeps the block */
void buf_reserve(struct buf *b, size_t more) NONNULL; /* room for `more` bytes and the NUL */
void buf_add(struct buf *b, const void *data, size_t len);
void buf_adds(struct buf *b, const char *s) NONNULL;
void buf_addc(struct buf *b, char c) NONNULL;
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
void buf_addv(struct buf *b, const char *fmt, va_list ap);
void buf_add_u8(struct buf *b, uint8_t v) NONNULL;
void buf_add_be16(struct buf *b, uint16_t v) NONNULL; /* big-endian integers */
void buf_add_be32(struct buf *b, uint32_t v) NONNULL;
void buf_add_be64(struct buf *b, uint64_t v) NONNULL;
void buf_consume(struct buf *b, size_t n) NONNULL; /* drops n bytes from the front, wiping them */
const char *buf_str(const struct buf *b) NONNULL;  /* never NULL; borrowed until the next change */
char *buf_take_str(struct buf *b) NONNULL; /* hands over the block (free() it); b is empty then */

#define auto_buf FREE_WITH(buf_done) struct buf

/* Copies text into a field of `room` bytes: truncates it to fit, fills the rest with zeros. */
void text_copy(char *to, size_t room, const char *from) NONNULL;

/* The same for a formatted sentence that people read: one that is too
 * long is cut after a whole word, with an ellipsis. The rest is zeros.
 * room: at least 11 bytes. */
void text_fit(char *to, size_t room, const char *fmt, ...) PRINTF(3, 4);
void text_fitv(char *to, size_t room, const char *fmt, va_list ap) NONNULL;

/* Reads big-endian fields from untrusted bytes; every getter checks the bound. After a short read
 * `bad` is true and all further getters return zeros: check once at the end. */
struct cursor {
	const uint8_t *p;
	size_t left;
	bool bad;
};

uint8_t cursor_u8(struct cursor *c) NONNULL;
uint16_t cursor_be16(struct cursor *c) NONNULL;
uint32_t cursor_be32(struct cursor *c) NONNULL;
uint64_t cursor_be64(struct cursor *c) NONNULL;
const uint8_t *cursor_bytes(struct cursor *c, size_t n) NONNULL; /* NULL when short */
