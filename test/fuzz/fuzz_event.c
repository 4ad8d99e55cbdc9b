/* SPDX-License-Identifier: Apache-2.0
 *
 * A journal row's canonical bytes, as a deposit brings them: what is accepted encodes to the very same bytes, so that a row has one
 * form only; and its body, read field by field.
 */
#include <assert.h>
#include <string.h>
#include "ledger/event_body.h"
#include "ledger/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
read_body(const char *body)
{
	static const char *const names[] = { "mac", "session", "expires", "totp_step", "" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		auto_buf value = BUF_INIT;
		uint8_t bytes[32];
		int rc = event_body_get(body, names[i], &value);

		assert(rc == 0 || rc == ERR_NOT_FOUND || rc == ERR_BAD_JSON);
		(void)!event_body_get_bytes(body, names[i], bytes, sizeof(bytes));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	auto_buf texts = BUF_INIT, again = BUF_INIT;
	struct event ev;
	struct err e = { 0 };

	if (event_decode(data, n, &ev, &texts, &e) == 0) {
		event_encode(&ev, &again);
		assert(again.len == n && !memcmp(again.data, data, n));
		read_body(ev.body);
	}
	/* The body alone, which the bytes above rarely reach. */
	buf_reset(&texts);
	buf_add(&texts, data, n);
	read_body(buf_str(&texts));
	return 0;
}
