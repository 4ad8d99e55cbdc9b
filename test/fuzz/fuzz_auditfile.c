/* SPDX-License-Identifier: Apache-2.0
 *
 * An exported log from outside: read to its end or to the first fault, which is one of the named errors.
 */
#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "crypto/auditfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct auditfile *
open_bytes(FILE *f)
{
	struct auditfile *a = NULL;
	struct err e = { 0 };
	if (auditfile_open(f, "input", &a, &e) == 0)
		return a;
	assert(e.code == ERR_CHAIN_BROKEN && e.text[0]);
	return NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct err e = { 0 };
	struct auditfile_result found;
	if (sodium_init() < 0)
		abort();
	if (!n)
		return 0;
	FILE *f = fmemopen((void *)(uintptr_t)data, n, "r"),
	     *g = fmemopen((void *)(uintptr_t)data, n, "r");
	if (!f || !g)
		abort();
	auto_auditfile a = open_bytes(f);
	auto_auditfile b = open_bytes(g);
	/* What is good continues itself. */
	if (a && b) {
		int rc = auditfile_verify(a, b, &found, &e);
		assert(rc == 0 || rc == ERR_CHAIN_BROKEN);
	}
	fclose(f);
	fclose(g);
	return 0;
}
