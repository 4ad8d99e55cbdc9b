/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>
#include "base/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct csv c;
	struct err e;
	int rc;
	csv_init(&c, (const char *)data, n);
	while ((rc = csv_next(&c, &e)) == 1) {
		assert(c.n >= 1 && c.n <= CSV_FIELDS_MAX);
		assert(c.record >= 1 && c.record <= c.line);
		for (unsigned i = 0; i < c.n; i++)
			assert(strlen(csv_field(&c, i)) == csv_field_len(&c, i));
	}
	assert(rc == 0 || rc == ERR_BAD_FIELD);
	csv_done(&c);
	return 0;
}
