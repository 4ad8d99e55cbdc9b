/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/attr.h"
#include "http/coding.h"

static void
gzip_is_sent_to_whoever_takes_it(void **state)
{
	static const char *const takes[] = {
		"gzip",
		"GZip",
		"x-gzip",
		"gzip, deflate, br, zstd",
		"deflate,gzip",
		"br;q=1.0 , gzip;q=0.8 , *;q=0.1",
		"*",
		"gzip;q=1",
		"gzip;Q=1.000",
		"gzip ; q=0.001",
		"gzip\t;\tq=0.5",
		"identity;q=0.5, gzip;q=0.5",
		"identity;q=0, gzip",
		"identity;q=0, *",
		", ,gzip,",
		"*;q=0, gzip",
	};

	for (size_t i = 0; i < ARRAY_LEN(takes); i++)
		if (!coding_takes_gzip(takes[i]))
			fail_msg("%s", takes[i]);
}

static void
whoever_does_not_has_it_plain(void **state)
{
	static const char *const does_not[] = {
		NULL,
		"",
		",",
		"identity",
		"deflate, br",
		"gzip;q=0",
		"gzip;q=0.000",
		"gzip; q=0, *",
		"*;q=0",
		"identity, gzip;q=0.9",
		"identity;q=0.6, *;q=0.5",
		"gzipped",
		"gzi",
		"x-gzip;q=0",
		"not gzip",
		"gzip br",
		"gzip;level=9",
		"gzip;q",
		"gzip;q=",
		"gzip;q=2",
		"gzip;q=1.001",
		"gzip;q=0.5555",
		"gzip;q=.5",
		"gzip;q=-1",
		"gzip;q=05",
		"gzip;q=0.5x",
		"gzip;q=1;q=1",
		"gzip;;q=1",
	};

	for (size_t i = 0; i < ARRAY_LEN(does_not); i++)
		if (coding_takes_gzip(does_not[i]))
			fail_msg("%s", does_not[i] ? does_not[i] : "none");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gzip_is_sent_to_whoever_takes_it),
		cmocka_unit_test(whoever_does_not_has_it_plain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
