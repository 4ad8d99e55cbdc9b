/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/secret.h"

#define BLOCK_BYTES 4096
#define ALIGN 16

struct block {
	struct block *next;
	size_t used, cap;
	_Alignas(ALIGN) char data[];
};

struct arena {
	struct block *blocks; /* newest first */
};

static struct block *
add_block(struct arena *a, size_t at_least)
{
	size_t cap = at_least > BLOCK_BYTES ? at_least : BLOCK_BYTES;
	struct block *b = mem_raw(sizeof(*b) + cap);
	*b = (struct block){ .next = a->blocks, .cap = cap };
	a->blocks = b;
	return b;
}

struct arena *
arena_new(void)
{
	struct arena *a = mem_new(sizeof(*a));
	return a;
}

void
arena_free(struct arena *a)
{
	if (!a)
		return;
	for (struct block *b = a->blocks, *next; b; b = next) {
		next = b->next;
		secret_wipe(b->data, b->used);
		free(b);
	}
	free(a);
}

void *
arena_alloc(struct arena *a, size_t n)
{
	mem_check(n <= SIZE_MAX / 2);
	size_t size = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	struct block *b = a->blocks;
	if (!b || b->cap - b->used < size)
		b = add_block(a, size);
	void *p = b->data + b->used;
	b->used += size;
	return memset(p, 0, size);
}

char *
arena_strndup(struct arena *a, const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *q = arena_alloc(a, len + 1);
	memcpy(q, s, len);
	return q;
}

char *
arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		abort();
	char *q = arena_alloc(a, (size_t)n + 1);
	vsnprintf(q, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return q;
}
