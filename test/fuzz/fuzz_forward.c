/* SPDX-License-Identifier: Apache-2.0
 *
 * The mark of a request that was handed on, as anybody may send it. What is read is written again as it was.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "api/forward.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct forward_mark m, before;
	auto_buf text = BUF_INIT, again = BUF_INIT;
	struct err e = { 0 };
	int rc;

	buf_add(&text, data, n);
	memset(&m, 0x5a, sizeof(m));
	before = m;
	rc = forward_parse(buf_str(&text), &m, &e);
	if (rc) {
		assert(rc == ERR_NOT_PROVEN && e.code == ERR_NOT_PROVEN && e.text[0]);
		assert(memcmp(&m, &before, sizeof(m)) == 0);
		return 0;
	}
	assert(forward_name_fits(m.name) && m.number > 0 && m.at_us >= 0 && m.address[0]);
	forward_write(&m, &again);
	assert(strcmp(buf_str(&again), buf_str(&text)) == 0);
	return 0;
}
