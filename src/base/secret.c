/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "base/mem.h"

struct secret {
	size_t len;
	uint8_t *bytes;
};

static _Atomic unsigned unlocked;

struct secret *
secret_new(size_t len)
{
	if (sodium_init() < 0)
		abort();
	struct secret *s = mem_new(sizeof(*s));
	s->len = len;
	s->bytes = mem_have(sodium_malloc(len));
	/* sodium_malloc has locked it, or says nothing of it. */
	if (mlock(s->bytes, len) < 0)
		unlocked++;
	memset(s->bytes, 0, len);
	return s;
}

void
secret_free(struct secret *s)
{
	if (!s)
		return;
	sodium_free(s->bytes);
	free(s);
}

uint8_t *
secret_bytes(struct secret *s)
{
	return s->bytes;
}

unsigned
secret_unlocked(void)
{
	return unlocked;
}

void
secret_wipe(void *p, size_t n)
{
	if (p && n)
		explicit_bzero(p, n);
}

/* The length lies before the block, so that free knows how much to wipe. */
#define HEADER 16

void *
secret_malloc(size_t n)
{
	if (n > SIZE_MAX / 2)
		return NULL;
	uint8_t *p = malloc(n + HEADER);
	if (!p)
		return NULL;
	memcpy(p, &n, sizeof(n));
	return p + HEADER;
}

void
secret_mfree(void *q)
{
	if (!q)
		return;
	uint8_t *p = (uint8_t *)q - HEADER;
	size_t n;
	memcpy(&n, p, sizeof(n));
	explicit_bzero(p, n + HEADER);
	free(p);
}

void *
secret_mrealloc(void *q, size_t n)
{
	size_t had = 0;
	void *grown = secret_malloc(n);
	if (!grown || !q)
		return grown;
	memcpy(&had, (uint8_t *)q - HEADER, sizeof(had));
	memcpy(grown, q, had < n ? had : n);
	secret_mfree(q);
	return grown;
}
