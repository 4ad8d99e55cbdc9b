/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/chain_head_file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "base/buf.h"

#define ANCHOR_BYTES (16 + 8 + KEYS_HASH_BYTES)

int
chain_head_file_write(int fd, const struct chain_head_file *a)
{
	auto_buf b = BUF_INIT;

	buf_add(&b, a->node.b, sizeof(a->node.b));
	buf_add_be64(&b, (uint64_t)a->seq);
	buf_add(&b, a->hash, sizeof(a->hash));
	return pwrite(fd, b.data, b.len, 0) == (ssize_t)b.len ? 0 : -1;
}

bool
chain_head_file_read(int fd, struct chain_head_file *ret)
{
	uint8_t bytes[ANCHOR_BYTES];
	struct cursor c = { .p = bytes, .left = sizeof(bytes) };

	if (pread(fd, bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return false;
	memcpy(ret->node.b, cursor_bytes(&c, sizeof(ret->node.b)), sizeof(ret->node.b));
	ret->seq = (int64_t)cursor_be64(&c);
	memcpy(ret->hash, cursor_bytes(&c, sizeof(ret->hash)), sizeof(ret->hash));
	return ret->seq > 0;
}
