/* SPDX-License-Identifier: Apache-2.0
 *
 * H14: each order of an operator has one answer in each state, and docs/ha.md prints them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/home.h"
#include "ha/orders.h"

static const char *const orders[] = { "promote", "switchover",	 "rejoin",	     "reconcile",
				      "remove",	 "emergency on", "rejoin --in-place" };

static void
each_order_has_one_answer_in_each_state(void **ctx)
{
	unsigned n, known = 0;
	const struct order_row *r = order_rows(&n);

	for (size_t k = 0; k < ARRAY_LEN(orders); k++) {
		for (int s = 0; s < HA_STATE_COUNT; s++) {
			unsigned found = 0;

			for (unsigned i = 0; i < n; i++)
				found += strcmp(r[i].order, orders[k]) == 0 &&
					 (r[i].states & (1u << s));
			if (found != 1)
				fail_msg("%s, %s: %u rows", orders[k], state_name((enum ha_state)s),
					 found);
			known++;
		}
	}
	unsigned all = 0;
	for (unsigned i = 0; i < n; i++)
		all += (unsigned)__builtin_popcount(r[i].states);
	assert_int_equal(all, known); /* no row is of another order */
}

/* Who gives way, or lost something, is told of the way out. */
static void
what_is_refused_is_said(void **ctx)
{
	struct err e = { 0 };

	assert_int_equal(order_check("promote", HA_FENCED, "", &e), 0);
	assert_int_equal(order_check("promote", HA_ALONE, "", &e), ERR_PRECONDITION);
	assert_string_equal(e.text, "this node is the primary already");
	assert_int_equal(order_check("switchover", HA_STANDBY, "vault-a", &e), ERR_PRECONDITION);
	assert_string_equal(e.text, "this node is a secondary: run `holdfast ha switchover` on the "
				    "primary vault-a");
	assert_int_equal(order_check("remove", HA_MERGING, "", &e), ERR_PRECONDITION);
	assert_string_equal(
		e.text,
		"this node is not the serving primary: run `holdfast ha remove` on the primary");
	for (size_t k = 0; k < ARRAY_LEN(orders); k++) {
		if (order_check(orders[k], HA_BEHIND, "vault-a", &e))
			assert_non_null(strstr(e.text, "holdfast ha reconcile"));
	}
	assert_int_equal(order_check("dance", HA_ALONE, "", &e), ERR_USAGE);
}

static void
write_row(const struct order_row *r, struct buf *out)
{
	bool first = true;

	buf_addf(out, "| `%s` | ", r->order);
	for (int s = 0; s < HA_STATE_COUNT; s++) {
		if (!(r->states & (1u << s)))
			continue;
		buf_addf(out, "%s%s", first ? "" : ", ", state_name((enum ha_state)s));
		first = false;
	}
	if (!r->why)
		buf_adds(out, " | yes |\n");
	else if (r->there)
		buf_addf(out, " | %s: run `holdfast ha %s` on the primary |\n", r->why, r->order);
	else
		buf_addf(out, " | %s |\n", r->why);
}

static void
the_page_prints_the_same_table(void **ctx)
{
	auto_buf page = BUF_INIT, rows = BUF_INIT;
	struct err e;
	unsigned n;
	const struct order_row *r = order_rows(&n);

	assert_int_equal(home_read_file(SOURCE_ROOT "/docs/ha.md", 1u << 20, &page, &e), 0);
	for (unsigned i = 0; i < n; i++)
		write_row(&r[i], &rows);
	const char *at = strstr(buf_str(&page), "| order | state | answer |");
	if (!at)
		fail_msg("docs/ha.md should have these rows:\n%s", buf_str(&rows));
	at = strchr(strchr(at, '\n') + 1, '\n') + 1;
	const char *end = strstr(at, "\n\n");
	assert_non_null(end);
	if ((size_t)(end + 1 - at) != rows.len || memcmp(at, rows.data, rows.len) != 0)
		fail_msg("docs/ha.md should have these rows:\n%s", buf_str(&rows));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_order_has_one_answer_in_each_state),
		cmocka_unit_test(what_is_refused_is_said),
		cmocka_unit_test(the_page_prints_the_same_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
