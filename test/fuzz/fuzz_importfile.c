/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>
#include "vault/importfile.h"
#include "vault/importformat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	auto_arena a = arena_new();
	struct importfile file;
	struct err e = { 0 };
	int rc = importfile_read(a, (const char *)data, n, NULL, &file, &e);
	assert(rc == 0 || rc == ERR_BAD_FIELD || rc == ERR_TOO_LARGE);
	assert(rc == 0 || e.text[0]);
	assert(file.nlost <= IMPORTFILE_LOST_MAX);
	for (size_t i = 0; i < file.n; i++) {
		const struct importfile_entry *x = &file.entry[i];
		assert(x->line >= 1 && x->nfields >= 1);
		assert(x->bad ||
		       (*x->resource && strlen(x->resource) <= 200 && strlen(x->login) <= 200));
		for (size_t k = 0; k < x->nfields; k++)
			assert(strlen(x->field[k].value) == x->field[k].value_len);
	}
	importfile_done(&file);
	return 0;
}
