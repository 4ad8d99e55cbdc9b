/* SPDX-License-Identifier: Apache-2.0
 *
 * An arena: holds everything that belongs to one request, wiped and freed as a whole. Not
 * thread-safe; one owner at a time. Out of memory aborts.
 */
#pragma once

#include "base/attr.h"

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *a); /* wipes every byte ever handed out, then frees; takes NULL */
void *arena_alloc(struct arena *a, size_t n) NONNULL MUST_USE; /* 16-aligned, zeroed */
char *arena_strdup(struct arena *a, const char *s) NONNULL MUST_USE;
char *arena_strndup(struct arena *a, const char *s, size_t n) NONNULL MUST_USE;
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3) MUST_USE;

#define arena_new_of(a, type) ((type *)arena_alloc((a), sizeof(type)))

DEFINE_GUARD(arena_guard, struct arena, arena_free)
#define auto_arena FREE_WITH(arena_guard) struct arena *
