/* SPDX-License-Identifier: Apache-2.0
 *
 * The first byte chooses the role; then frames, each behind its length in two bytes.
 */
#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>
#include "crypto/keyproto.h"
#include "crypto/keyring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define FRAMES_MAX 64

static struct keyring *
new_ring(void)
{
	static const char hex[] =
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";
	char path[] = "/tmp/hf-fuzz-key-XXXXXX";
	struct err e = { 0 };
	int fd = mkstemp(path);
	if (fd < 0 || write(fd, hex, sizeof(hex) - 1) != sizeof(hex) - 1)
		abort();
	close(fd);
	struct keyring *k = keyring_open(path, &e);
	unlink(path);
	assert(k);
	keyring_set_node(k, &(struct uuid){ { 1 } });
	return k;
}

/* Whatever is asked, the answer is one whole frame, or nothing and the end of the connection. */
static int
serve_one(struct keyring *k, char role, const uint8_t *frame, size_t n)
{
	auto_buf answer = BUF_INIT;
	struct err e = { 0 };
	if (keyring_serve(k, role, frame, n, &answer, &e)) {
		assert(e.code == ERR_REFUSED && answer.len == 0);
		return -1;
	}
	struct cursor c = { .p = (const uint8_t *)answer.data, .left = answer.len };
	uint32_t len = cursor_be32(&c);
	uint8_t status = cursor_u8(&c);
	assert(!c.bad && len + 4 == answer.len && len <= KEYPROTO_MAX + KEYS_SEAL_EXTRA);
	assert(!status || (c.left == 0 && err_info(-status)->code == -status));
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char roles[] = "vaix";
	struct cursor in = { .p = data, .left = n };
	if (sodium_init() < 0)
		abort();
	struct keyring *k = new_ring();
	char role = roles[cursor_u8(&in) % (sizeof(roles) - 1)];
	for (int i = 0; i < FRAMES_MAX && !in.bad; i++) {
		size_t len = cursor_be16(&in);
		if (len > in.left)
			len = in.left;
		const uint8_t *frame = cursor_bytes(&in, len);
		if (!frame || serve_one(k, role, frame, len))
			break;
	}
	keyring_free(k);
	return 0;
}
