/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Straight to stderr, which the supervisor keeps: a log line would need memory. */
NORETURN static void
give_up(void)
{
	static const char text[] = "holdfast: out of memory, threads or descriptors; "
				   "this process ends before anything is left half done\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		abort(); /* there is nobody left to tell */
	abort();
}

void *
mem_have(void *made)
{
	if (!made)
		give_up();
	return made;
}

void
mem_check(bool ok)
{
	if (!ok)
		give_up();
}

void *
mem_new(size_t bytes)
{
	return mem_array(1, bytes);
}

void *
mem_array(size_t n, size_t size)
{
	return mem_have(calloc(n ? n : 1, size ? size : 1));
}

void *
mem_raw(size_t bytes)
{
	return mem_have(malloc(bytes ? bytes : 1));
}

void *
mem_grow(void *p, size_t n, size_t size)
{
	return mem_have(reallocarray(p, n ? n : 1, size ? size : 1));
}

char *
mem_dup(const char *s)
{
	return s ? mem_have(strdup(s)) : NULL;
}

char *
mem_dupn(const char *s, size_t n)
{
	return s ? mem_have(strndup(s, n)) : NULL;
}
