/* SPDX-License-Identifier: Apache-2.0
 *
 * H14: what an order leads to can be followed to an end, and what is told before it names what there is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "ha/order_words.h"
#include "ha/orders.h"

static void
each_goal_is_of_an_order_and_has_an_end(void **ctx)
{
	unsigned n, goals = 0;
	const struct order_row *r = order_rows(&n);

	for (unsigned i = 0; i < n; i++) {
		const struct order_goal *g = order_goal(r[i].order);

		if (!g)
			continue;
		goals++;
		assert_true(g->verb[0] && g->done[0]);
		assert_true(strncmp(r[i].order, g->verb, strlen(g->verb)) == 0);
		assert_true(g->good && g->through);
		assert_int_equal(g->good & g->bad, 0);
		assert_int_equal((g->good | g->bad | g->through) >> HA_STATE_COUNT, 0);
	}
	assert_true(goals);
	assert_null(order_goal("remove")); /* is over when it is answered */
	assert_null(order_goal("explode"));
}

static void
what_is_not_known_is_said_to_be_unknown(void **ctx)
{
	struct statepage_view *v = mem_new(sizeof(*v));
	auto_buf said = BUF_INIT, then = BUF_INIT;

	v->state = HA_EMERGENCY;
	strcpy(v->reason, "the primary is gone");
	order_words_promote(v, &said);
	assert_non_null(strstr(buf_str(&said), "This node is emergency: the primary is gone."));
	assert_non_null(strstr(buf_str(&said), "primary until now             unknown"));
	assert_non_null(strstr(buf_str(&said), "as of      unknown"));
	strcpy(v->primary_url, "https://a.example:7272");
	v->as_of_us = 1767225600000000;
	v->journal_rows = 7;
	order_words_promote(v, &then);
	assert_non_null(strstr(buf_str(&then), "https://a.example:7272"));
	assert_non_null(strstr(buf_str(&then), "as of      2026-01-01T00:00:00"));
	assert_non_null(strstr(buf_str(&then), "since        7\n"));
	free(v);
}

static void
who_has_more_is_named(void **ctx)
{
	auto_buf silent = BUF_INIT, same = BUF_INIT, more = BUF_INIT, gone = BUF_INIT;

	order_words_other("c.example", false, "", false, &silent);
	assert_non_null(strstr(buf_str(&silent), "does not answer"));
	order_words_other("c.example", true, "", false, &same);
	assert_non_null(strstr(buf_str(&same), "as of unknown"));
	assert_null(strstr(buf_str(&same), "HAS MORE"));
	order_words_other("c.example", true, "2026-01-01T00:00:00Z", true, &more);
	assert_non_null(strstr(buf_str(&more), "c.example HAS MORE THAN THIS NODE"));
	order_words_remove("c.example", &gone);
	assert_non_null(strstr(buf_str(&gone), "takes c.example out of the pair for good"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_goal_is_of_an_order_and_has_an_end),
		cmocka_unit_test(what_is_not_known_is_said_to_be_unknown),
		cmocka_unit_test(who_has_more_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
