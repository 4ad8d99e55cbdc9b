/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/secret.h"

void
buf_done(struct buf *b)
{
	if (b->data)
		secret_wipe(b->data, b->cap);
	free(b->data);
	*b = BUF_INIT;
}

void
buf_reset(struct buf *b)
{
	if (b->data) {
		secret_wipe(b->data, b->len);
		b->data[0] = '\0';
	}
	b->len = 0;
}

void
buf_reserve(struct buf *b, size_t more)
{
	mem_check(more <= SIZE_MAX / 2 - b->len);
	size_t want = b->len + more + 1;
	if (want <= b->cap)
		return;
	size_t cap = b->cap ? b->cap : 64;
	while (cap < want)
		cap *= 2;
	/* Not realloc: it would leave the old bytes behind unwiped. */
	char *data = mem_raw(cap);
	if (b->data) {
		memcpy(data, b->data, b->len);
		secret_wipe(b->data, b->cap);
		free(b->data);
	}
	data[b->len] = '\0';
	b->data = data;
	b->cap = cap;
}

void
buf_add(struct buf *b, const void *data, size_t len)
{
	buf_reserve(b, len);
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void
buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_addc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void
buf_addv(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		abort();
	buf_reserve(b, (size_t)n);
	vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
	b->len += (size_t)n;
}

void
buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	buf_addv(b, fmt, ap);
	va_end(ap);
}

void
buf_add_u8(struct buf *b, uint8_t v)
{
	buf_add(b, &v, 1);
}

void
buf_add_be16(struct buf *b, uint16_t v)
{
	uint8_t p[2] = { (uint8_t)(v >> 8), (uint8_t)v };
	buf_add(b, p, sizeof(p));
}

void
buf_add_be32(struct buf *b, uint32_t v)
{
	uint8_t p[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };
	buf_add(b, p, sizeof(p));
}

void
buf_add_be64(struct buf *b, uint64_t v)
{
	buf_add_be32(b, (uint32_t)(v >> 32));
	buf_add_be32(b, (uint32_t)v);
}

void
buf_consume(struct buf *b, size_t n)
{
	if (n > b->len)
		abort();
	if (n == 0)
		return;
	size_t left = b->len - n;
	memmove(b->data, b->data + n, left);
	secret_wipe(b->data + left, n);
	b->len = left;
	b->data[left] = '\0';
}

const char *
buf_str(const struct buf *b)
{
	return b->data ? b->data : "";
}

char *
buf_take_str(struct buf *b)
{
	buf_reserve(b, 0);
	char *data = b->data;
	*b = BUF_INIT;
	return data;
}

const uint8_t *
cursor_bytes(struct cursor *c, size_t n)
{
	if (c->bad || n > c->left) {
		c->bad = true;
		return NULL;
	}
	const uint8_t *p = c->p;
	c->p += n;
	c->left -= n;
	return p;
}

static uint64_t
read_be(struct cursor *c, size_t n)
{
	const uint8_t *p = cursor_bytes(c, n);
	uint64_t v = 0;
	for (size_t i = 0; p && i < n; i++)
		v = v << 8 | p[i];
	return v;
}

void
text_copy(char *to, size_t room, const char *from)
{
	size_t n = strnlen(from, room - 1);

	memcpy(to, from, n);
	memset(to + n, 0, room - n);
}

/* Where a text that must end within n bytes does: behind the last whole word, or, in one long word,
 * between two characters. */
static size_t
end_of_words(const char *s, size_t n)
{
	size_t at = n;

	while (at > n / 2 && s[at] != ' ')
		at--;
	if (s[at] != ' ') {
		at = n;
		while (at && ((unsigned char)s[at] & 0xC0) == 0x80)
			at--;
	}
	while (at && strchr(" ,;:", s[at - 1]))
		at--;
	return at;
}

void
text_fitv(char *to, size_t room, const char *fmt, va_list ap)
{
	static const char more[] = " …";
	int n = vsnprintf(to, room, fmt, ap);

	assert(n >= 0 && room > 2 * sizeof(more));
	size_t end = (size_t)n;
	if (end >= room) {
		end = end_of_words(to, room - sizeof(more));
		memcpy(to + end, more, sizeof(more));
		end += sizeof(more) - 1;
	}
	memset(to + end, 0, room - end);
}

void
text_fit(char *to, size_t room, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	text_fitv(to, room, fmt, ap);
	va_end(ap);
}

uint8_t
cursor_u8(struct cursor *c)
{
	return (uint8_t)read_be(c, 1);
}

uint16_t
cursor_be16(struct cursor *c)
{
	return (uint16_t)read_be(c, 2);
}

uint32_t
cursor_be32(struct cursor *c)
{
	return (uint32_t)read_be(c, 4);
}

uint64_t
cursor_be64(struct cursor *c)
{
	return read_be(c, 8);
}
