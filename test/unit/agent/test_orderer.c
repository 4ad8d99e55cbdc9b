/* SPDX-License-Identifier: Apache-2.0
 *
 * H14, H17: what the console orders is the operator's own, and without keyd nobody is believed. That somebody is proven is tried on a pair
 * (test/it/test_page_orders.py).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "agent/orderer.h"
#include "ha/orders.h"

static void
each_order_is_the_operators(void **ctx)
{
	const char *order, *verb, *with;
	struct err e;
	unsigned i = 0;

	for (; (order = orderer_name(i)); i++) {
		assert_int_not_equal(order_check(order, HA_SINGLE, "", &e), ERR_USAGE);
		assert_int_equal(orderer_find(order, &verb, &with, &e), 0);
		assert_true(strncmp(order, verb, strlen(verb)) == 0);
		assert_string_equal(with, order[strlen(verb)] ? order + strlen(verb) + 1 : "");
	}
	assert_int_equal(i, 5);
	assert_int_equal(orderer_find("rejoin", &verb, &with, &e), ERR_USAGE);
	assert_int_equal(orderer_find("backup", &verb, &with, &e), ERR_USAGE);
	assert_int_equal(orderer_find("", &verb, &with, &e), ERR_USAGE);
}

/* A keyd that hangs up is none; and no database is asked before it. */
static void
without_keyd_nobody_is_believed(void **ctx)
{
	struct orderer *o = orderer_new("host=/nowhere");
	const struct orderer_claim c = { .order = "promote", .password = "right" };
	struct err e = { 0 };
	bool ask;
	int fds[2];

	assert_false(orderer_lost_keys(o, 1000, &ask));
	assert_false(ask);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	close(fds[1]);
	orderer_attach(o, fds[0]);
	assert_true(orderer_prove(o, &c, &e) < 0);
	assert_true(e.text[0]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_order_is_the_operators),
		cmocka_unit_test(without_keyd_nobody_is_believed),
	};

	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
