/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/endmark.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "base/fault.h"

void
endmark_encode(const struct endmark *m, uint8_t ret[static ENDMARK_BYTES])
{
	uint8_t *p = ret;

	memcpy(p, m->node.b, sizeof(m->node.b));
	p += sizeof(m->node.b);
	for (int shift = 56; shift >= 0; shift -= 8)
		*p++ = (uint8_t)((uint64_t)m->seq >> shift);
	memcpy(p, m->hash, sizeof(m->hash));
}

bool
endmark_take(struct cursor *c, struct endmark *ret)
{
	const uint8_t *node = cursor_bytes(c, sizeof(ret->node.b));
	uint64_t seq = cursor_be64(c);
	const uint8_t *hash = cursor_bytes(c, sizeof(ret->hash));

	if (c->bad || !seq || seq > INT64_MAX)
		return false;
	memcpy(ret->node.b, node, sizeof(ret->node.b));
	ret->seq = (int64_t)seq;
	memcpy(ret->hash, hash, sizeof(ret->hash));
	return true;
}

bool
endmark_eq(const struct endmark *a, const struct endmark *b)
{
	return uuid_eq(&a->node, &b->node) && a->seq == b->seq &&
	       memcmp(a->hash, b->hash, sizeof(a->hash)) == 0;
}

bool
endmark_is_cut(const struct endmark *m, const struct endmark *now)
{
	return m->seq > now->seq ||
	       (m->seq == now->seq && memcmp(m->hash, now->hash, sizeof(m->hash)) != 0);
}

int
endmark_write(int fd, const struct endmark *m)
{
	uint8_t bytes[ENDMARK_BYTES];

	endmark_encode(m, bytes);
	ssize_t n = FAULT(FILE_WRITE, -1, pwrite(fd, bytes, sizeof(bytes), 0));
	if (n == (ssize_t)sizeof(bytes))
		return 0;
	if (n >= 0)
		errno = ENOSPC;
	return -1;
}

bool
endmark_read(int fd, struct endmark *ret)
{
	uint8_t bytes[ENDMARK_BYTES];
	struct cursor c = { .p = bytes, .left = sizeof(bytes) };

	return FAULT(FILE_READ, -1, pread(fd, bytes, sizeof(bytes), 0)) == (ssize_t)sizeof(bytes) &&
	       endmark_take(&c, ret);
}
