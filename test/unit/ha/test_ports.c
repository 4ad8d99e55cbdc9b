/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "ha/ports.h"

#define UNKNOWN                                                                                    \
	{                                                                                          \
		0, 0                                                                               \
	}

/* What is to be said of a node, by what it listens on, what the others were told, what the table has, and whether it is reached by that. */
static void
only_what_moved_is_news(void **state)
{
	static const struct {
		struct ports own, told, table;
		bool reached, news;
		struct ports say;
	} rows[] = {
		/* nothing moved */
		{ { 7272, 2345 }, { 7272, 2345 }, { 7272, 2345 }, true, false, { 7272, 2345 } },
		{ { 7272, 2345 }, { 7272, 2345 }, { 7272, 2345 }, false, false, { 7272, 2345 } },
		{ { 7272, 2345 }, UNKNOWN, { 7272, 2345 }, true, false, { 7272, 2345 } },
		/* one, the other, both */
		{ { 7300, 2345 }, { 7272, 2345 }, { 7272, 2345 }, false, true, { 7300, 2345 } },
		{ { 7272, 2400 }, { 7272, 2345 }, { 7272, 2345 }, true, true, { 7272, 2400 } },
		{ { 7300, 2400 }, { 7272, 2345 }, { 7272, 2345 }, false, true, { 7300, 2400 } },
		/* it is in the log, and the others have not followed yet */
		{ { 7300, 2345 }, { 7272, 2345 }, { 7300, 2345 }, true, false, { 7300, 2345 } },
		/* and back again */
		{ { 7272, 2345 }, { 7272, 2345 }, { 7300, 2345 }, false, false, { 7300, 2345 } },
		/* something in between translates: 443 to 7272 */
		{ { 7272, 2345 }, UNKNOWN, { 443, 12345 }, true, false, { 443, 12345 } },
		{ { 7272, 2345 }, { 7272, 2345 }, { 443, 12345 }, true, false, { 443, 12345 } },
		{ { 7272, 2400 }, { 7272, 2345 }, { 443, 12345 }, true, true, { 443, 2400 } },
		/* the set-up was told other ports than the node has */
		{ { 7272, 2345 }, UNKNOWN, { 7300, 2400 }, false, true, { 7272, 2345 } },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ports say;

		print_message("row %zu\n", i);
		assert_int_equal(ports_moved(&rows[i].own,
					     rows[i].told.https ? &rows[i].told : NULL,
					     &rows[i].table, rows[i].reached, &say),
				 rows[i].news);
		assert_int_equal(say.https, rows[i].say.https);
		assert_int_equal(say.pair, rows[i].say.pair);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_moved_is_news),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
