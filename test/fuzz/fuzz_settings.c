/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>
#include "base/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct settings s, before;
	struct err e = { 0 };
	memset(&s, 0x5a, sizeof(s));
	before = s;
	int r = settings_parse((const char *)data, n, &s, &e);
	if (r) {
		assert(r == ERR_USAGE && e.code == ERR_USAGE && e.text[0]);
		assert(memcmp(&s, &before, sizeof(s)) == 0);
		return 0;
	}
	/* Whatever was taken is within the bounds of its row. */
#define TEXT_IN_BOUNDS(f, lo, hi) assert(memchr((f), '\0', sizeof(f)))
#define TEXT TEXT_IN_BOUNDS
#define SECRET TEXT_IN_BOUNDS
#define ADDR TEXT_IN_BOUNDS
#define LEVEL TEXT_IN_BOUNDS
#define STANDBY TEXT_IN_BOUNDS
#define INT(f, lo, hi) assert((f) >= (lo) && (f) <= (hi))
#define MS INT
#define BOOL(f, lo, hi) assert((f) == true || (f) == false)
#define SETTING(field, kind, when, def, min, max, help) kind(s.field, min, max);
#include "base/settings.def"
#undef SETTING
	return 0;
}
