/* SPDX-License-Identifier: Apache-2.0
 *
 * The raw path of a request line. What is accepted is canonical.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "http/request.h"
#include "http/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
check_canonical(const char *p)
{
	size_t n = strlen(p);

	assert(p[0] == '/' && n <= REQUEST_PATH_MAX && utf8_valid(p, n));
	assert(n == 1 || p[n - 1] != '/');
	for (size_t i = 0; i < n; i++)
		assert((unsigned char)p[i] >= 0x20 && p[i] != 0x7f && p[i] != '\\' && p[i] != '%');
	assert(!strstr(p, "//"));
	for (const char *s = p; s; s = strchr(s + 1, '/')) {
		assert(strcmp(s, "/.") != 0 && strncmp(s, "/./", 3) != 0);
		assert(strcmp(s, "/..") != 0 && strncmp(s, "/../", 4) != 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char out[REQUEST_PATH_MAX + 1];
	char *raw = malloc(n + 1);
	struct err e = { 0 };
	int rc;

	if (!raw)
		abort();
	memcpy(raw, data, n);
	raw[n] = '\0';
	rc = request_canonical_path(raw, out, sizeof(out), &e);
	if (rc == 0)
		check_canonical(out);
	else
		assert((rc == ERR_USAGE || rc == ERR_BAD_FIELD) && e.code == rc);
	rc = request_canonical_path(raw, out, 8, &e);
	assert(rc < 0 || strlen(out) < 8);
	free(raw);
	return 0;
}
