/* SPDX-License-Identifier: Apache-2.0
 *
 * H14: each order of an operator has one answer in each place where a node may be, and docs/ha.md prints them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/home.h"
#include "ha/orders.h"
#include "ha/status.h"

static const char *const orders[] = { "promote",	  "switchover", "rejoin",
				      "reconcile",	  "remove",	"emergency on",
				      "emergency off",	  "unlock",	"repair-journal",
				      "rejoin --in-place" };

static const char *
place_name(unsigned place)
{
	if (place == ORDER_STOPPED)
		return "stopped";
	return place == ORDER_REMOVED ? "removed" : state_name((enum ha_state)place);
}

/* Nobody answers a client's question where the service does not run. */
static bool
is_asked_there(const char *order, unsigned place)
{
	return place != ORDER_STOPPED || strcmp(order, "unlock") != 0;
}

static void
each_order_has_one_answer_in_each_place(void **ctx)
{
	unsigned n, known = 0;
	const struct order_row *r = order_rows(&n);

	for (size_t k = 0; k < ARRAY_LEN(orders); k++) {
		for (unsigned s = 0; s < ORDER_PLACES; s++) {
			unsigned found = 0;

			for (unsigned i = 0; i < n; i++)
				found += strcmp(r[i].order, orders[k]) == 0 &&
					 (r[i].places & (1u << s));
			bool good = s == ORDER_REMOVED ? found <= 1
						       : found == is_asked_there(orders[k], s);
			if (!good)
				fail_msg("%s, %s: %u rows", orders[k], place_name(s), found);
			known += found;
		}
	}
	unsigned all = 0;
	for (unsigned i = 0; i < n; i++)
		all += (unsigned)__builtin_popcount(r[i].places);
	assert_int_equal(all, known); /* no row is of another order */
}

/* Whoever may not do what they tried is told of something that they can do: a command, or what to wait for. */
static void
each_refusal_has_a_way_on(void **ctx)
{
	static const char *const ways[] = { "`holdfast ", "run `", "repeat", "wait until",
					    "by itself" };
	unsigned n;
	const struct order_row *r = order_rows(&n);

	for (unsigned i = 0; i < n; i++) {
		/* What it is for is so. */
		bool found = !r[i].why || r[i].there || strstr(r[i].why, "already") ||
			     strstr(r[i].why, "nothing to reconcile") ||
			     strstr(r[i].why, "nothing is locked");

		for (size_t k = 0; !found && k < ARRAY_LEN(ways); k++)
			found = strstr(r[i].why, ways[k]) != NULL;
		if (!found)
			fail_msg("%s: \"%s\" names no way on", r[i].order, r[i].why);
	}
}

/* A node that was taken out goes by its state where nothing else is said, and says how it is taken back where it would wait in vain. */
static void
a_node_that_was_taken_out_says_so(void **ctx)
{
	static const char *const without[] = { "switchover", "rejoin", "rejoin --in-place",
					       "remove" };
	struct err e = { 0 };

	for (size_t k = 0; k < ARRAY_LEN(without); k++) {
		assert_int_equal(order_check_removed(without[k], HA_STANDBY, "vault-a", &e),
				 ERR_REFUSED);
		assert_non_null(strstr(e.text, "holdfast ha join --replace"));
	}
	assert_int_equal(order_check_removed("promote", HA_STANDBY, "vault-a", &e), 0);
	assert_int_equal(order_check_removed("promote", HA_BEHIND, "vault-a", &e), ERR_REFUSED);
	assert_int_equal(order_check_removed("emergency on", HA_STANDBY, "vault-a", &e), 0);
	assert_int_equal(order_check_removed("rejoin --in-place", HA_FENCED, "vault-a", &e),
			 ERR_REFUSED);
}

/* Who gives way, or lost something, is told of the way out. */
static void
what_is_refused_is_said(void **ctx)
{
	struct err e = { 0 };
	char text[200];

	assert_int_equal(order_check("promote", HA_FENCED, "", &e), 0);
	assert_int_equal(order_check("promote", HA_ALONE, "", &e), ERR_REFUSED);
	assert_string_equal(e.text, "this node is the primary already");
	assert_int_equal(order_check("switchover", HA_STANDBY, "vault-a", &e), ERR_REFUSED);
	assert_string_equal(e.text, "this node is a secondary: run `holdfast ha switchover` on the "
				    "primary vault-a");
	assert_int_equal(order_check("remove", HA_MERGING, "", &e), ERR_REFUSED);
	assert_string_equal(
		e.text,
		"this node is not the serving primary: run `holdfast ha remove` on the primary");
	for (size_t k = 0; k < ARRAY_LEN(orders); k++) {
		if (strcmp(orders[k], "repair-journal") != 0 &&
		    order_check(orders[k], HA_BEHIND, "vault-a", &e))
			assert_non_null(strstr(e.text, "holdfast ha reconcile"));
	}
	assert_int_equal(order_check("dance", HA_ALONE, "", &e), ERR_USAGE);
	/* What the control socket's other end says of a node that does not run. */
	snprintf(text, sizeof(text), ORDER_NOT_RUNNING, "holdfast serve");
	assert_int_equal(order_check("promote", ORDER_STOPPED, "", &e), ERR_REFUSED);
	assert_string_equal(e.text, text);
}

static void
write_row(const struct order_row *r, struct buf *out)
{
	bool first = true;

	buf_addf(out, "| `%s` | ", r->order);
	for (unsigned s = 0; s < ORDER_PLACES; s++) {
		if (!(r->places & (1u << s)))
			continue;
		buf_addf(out, "%s%s", first ? "" : ", ", place_name(s));
		first = false;
	}
	if (!r->why)
		buf_adds(out, " | yes |\n");
	else if (r->there)
		buf_addf(out, " | %s: run `holdfast ha %s` on the primary |\n", r->why, r->order);
	else
		buf_addf(out, " | %s |\n", r->why);
}

/* The table below a head line of a page is these rows. */
static void
expect_rows(const char *file, const char *head, const struct buf *rows)
{
	auto_buf page = BUF_INIT;
	struct err e;

	assert_int_equal(home_read_file(file, 1u << 20, &page, &e), 0);
	const char *at = strstr(buf_str(&page), head);
	const char *first = at ? strchr(strchr(at, '\n') + 1, '\n') + 1 : "";
	const char *end = strstr(first, "\n\n");
	if (end && (size_t)(end + 1 - first) == rows->len &&
	    memcmp(first, rows->data, rows->len) == 0)
		return;
	fprintf(stderr, "%s\n", buf_str(rows)); /* cmocka cuts what is long */
	fail_msg("%s should have those rows below \"%s\"", file, head);
}

static void
the_page_prints_the_same_table(void **ctx)
{
	auto_buf rows = BUF_INIT;
	unsigned n;
	const struct order_row *r = order_rows(&n);

	for (unsigned i = 0; i < n; i++)
		write_row(&r[i], &rows);
	expect_rows(SOURCE_ROOT "/docs/ha.md", "| order | state | answer |", &rows);
}

/* What the runbook says of a place: why the status is Failed there, what may be ordered, what is to be done. */
static void
write_place(unsigned place, int reason, struct buf *out)
{
	const char *between = "";
	struct err e = { 0 };

	buf_addf(out, "| %s | ", place_name(place));
	if (reason >= 0) {
		buf_adds(out, "`");
		for (const char *c = status_reason_code((enum status_reason)reason); *c; c++)
			buf_addc(out, (char)tolower((unsigned char)*c));
		buf_adds(out, "` ");
	}
	buf_adds(out, "| ");
	for (size_t k = 0; k < ARRAY_LEN(orders); k++) {
		int rc = place == ORDER_REMOVED ? order_check_removed(orders[k], HA_STANDBY, "", &e)
						: order_check(orders[k], place, "", &e);

		if (rc)
			continue;
		buf_addf(out, "%s`%s`", between, orders[k]);
		between = ", ";
	}
	const char *todo = place == ORDER_STOPPED ? "Start it (`holdfast serve`)."
			   : reason >= 0	  ? status_reason_todo((enum status_reason)reason)
						  : "Nothing.";
	buf_addf(out, " | %s |\n", todo);
}

/* docs/runbook.md: each state with the reason that it has by itself, as the tables of states, reasons and orders have them. */
static void
the_runbook_has_each_state_and_its_reason(void **ctx)
{
	enum { STATUS_NONE = -1 };
	static const int reasons[] = {
#define X(state, name, served, writes, health, mode, outage, reason) [HA_##state] = STATUS_##reason,
		STATE_LIST(X)
#undef X
			[ORDER_STOPPED] = STATUS_SERVICE_DOWN,
		[ORDER_REMOVED] = STATUS_REMOVED,
	};
	auto_buf rows = BUF_INIT;

	for (unsigned s = 0; s < ORDER_PLACES; s++)
		write_place(s, reasons[s], &rows);
	expect_rows(SOURCE_ROOT "/docs/runbook.md", "| state | reason | it takes | what to do |",
		    &rows);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_order_has_one_answer_in_each_place),
		cmocka_unit_test(each_refusal_has_a_way_on),
		cmocka_unit_test(a_node_that_was_taken_out_says_so),
		cmocka_unit_test(what_is_refused_is_said),
		cmocka_unit_test(the_page_prints_the_same_table),
		cmocka_unit_test(the_runbook_has_each_state_and_its_reason),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
