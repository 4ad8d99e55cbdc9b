/* SPDX-License-Identifier: Apache-2.0
 *
 * Strangers have a budget (H17): who gets in and who makes room, without a network.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "http/door.h"

#define GUESTS 400

static struct door d;
static struct place guests[GUESTS];

static void
address(const char *text, struct sockaddr_storage *ret)
{
	struct sockaddr_in *four = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof(*ret));
	ret->ss_family = AF_INET;
	if (inet_pton(AF_INET, text, &four->sin_addr) == 1)
		return;
	ret->ss_family = AF_INET6;
	assert_int_equal(inet_pton(AF_INET6, text, &six->sin6_addr), 1);
}

/* The one that had to leave for it is gone at once. */
static bool
comes(struct place *p, const char *from, struct place **ret_leaves)
{
	struct sockaddr_storage ss;

	address(from, &ss);
	if (!door_admit(&d, (struct sockaddr *)&ss, ret_leaves))
		return false;
	door_enter(&d, p, (struct sockaddr *)&ss);
	if (*ret_leaves)
		door_leave(&d, *ret_leaves);
	return true;
}

static struct place *
must_come(struct place *p, const char *from)
{
	struct place *leaves;

	assert_true(comes(p, from, &leaves));
	return leaves;
}

static int
open_door(void **state)
{
	door_init(&d, 40, 8);
	memset(guests, 0, sizeof(guests));
	return 0;
}

static int
close_door(void **state)
{
	while (d.first)
		door_leave(&d, d.first);
	assert_int_equal(d.live + d.strangers + d.known, 0);
	door_done(&d);
	return 0;
}

static void
test_half_of_an_address(void **state)
{
	for (int i = 0; i < 4; i++)
		assert_null(must_come(&guests[i], "192.0.2.1"));
	assert_ptr_equal(must_come(&guests[4], "192.0.2.1"), &guests[0]);
	/* not the one that asks, and before one that has asked comes one that never did */
	place_stage(&guests[1], PLACE_BUSY);
	place_stage(&guests[2], PLACE_IDLE);
	assert_ptr_equal(must_come(&guests[5], "192.0.2.1"), &guests[3]);
	for (int i = 4; i < 6; i++)
		place_stage(&guests[i], PLACE_BUSY);
	assert_ptr_equal(must_come(&guests[6], "192.0.2.1"), &guests[2]);
	place_stage(&guests[6], PLACE_BUSY);
	assert_false(comes(&guests[7], "192.0.2.1", &(struct place *){ NULL }));
	assert_null(must_come(&guests[8], "192.0.2.2"));
}

static void
test_whole_of_an_address(void **state)
{
	for (int i = 0; i < 8; i++) {
		assert_null(must_come(&guests[i], "192.0.2.1"));
		place_stage(&guests[i], PLACE_IDLE);
		door_know(&d, &guests[i]);
	}
	/* full of those who are known: the one that rests longest makes room */
	guests[3].since_ms -= 5000;
	assert_ptr_equal(must_come(&guests[8], "192.0.2.1"), &guests[3]);
	/* a stranger is there now, and goes first */
	assert_ptr_equal(must_come(&guests[9], "192.0.2.1"), &guests[8]);
}

static void
test_newcomer_finds_room(void **state)
{
	char from[32];
	int n = 0;

	assert_null(must_come(&guests[n++],
			      "198.51.100.1")); /* silent too, and the oldest, but alone */
	for (int i = 0; i < 200; i++) {
		snprintf(from, sizeof(from), "192.0.2.%d", i % 5);
		must_come(&guests[n++], from);
	}
	assert_int_equal(d.strangers, 20);
	assert_false(guests[0].leaves);
	for (int i = 0; i < 10; i++) {
		struct place *leaves;

		snprintf(from, sizeof(from), "203.0.113.%d", i);
		leaves = must_come(&guests[n++], from);
		assert_non_null(leaves);
		assert_true(leaves != &guests[0]);
	}
	assert_int_equal(d.strangers, 20);
}

static void
test_strangers_leave_the_known_alone(void **state)
{
	char from[32];
	struct place *leaves;

	for (int i = 0; i < 20; i++) {
		snprintf(from, sizeof(from), "198.51.100.%d", i);
		must_come(&guests[i], from);
		place_stage(&guests[i], PLACE_IDLE);
		door_know(&d, &guests[i]);
	}
	for (int i = 20; i < 40; i++) {
		snprintf(from, sizeof(from), "192.0.2.%d", i);
		assert_null(must_come(&guests[i], from));
		place_stage(&guests[i], PLACE_BUSY);
	}
	/* every stranger's place is in work: the next one is refused, nobody who is known goes for it */
	assert_false(comes(&guests[40], "192.0.2.200", &leaves));
	place_stage(&guests[30], PLACE_IDLE);
	assert_ptr_equal(must_come(&guests[40], "192.0.2.200"), &guests[30]);
	/* one of them logs in: the rest of the house is full */
	door_know(&d, &guests[25]);
	assert_int_equal(d.known, 21);
	assert_int_equal(d.strangers, 19);
}

static void
test_own_addresses(void **state)
{
	struct place *leaves;
	char from[32];

	door_set_own(&d, "  10.0.0.2 2001:db8::2 rubbish  10.0.0.300");
	for (int i = 0; i < 40; i++) {
		snprintf(from, sizeof(from), "192.0.2.%d", i);
		must_come(&guests[i], from);
		place_stage(&guests[i], i < 20 ? PLACE_SILENT : PLACE_BUSY);
	}
	assert_false(comes(&guests[300], "192.0.2.250", &leaves));
	for (int i = 0; i < DOOR_OWN_MAX; i++) {
		assert_null(must_come(&guests[100 + i], "10.0.0.2"));
		assert_null(must_come(&guests[120 + i], "127.0.0.1"));
		assert_null(must_come(&guests[140 + i], "::1"));
		assert_null(must_come(&guests[160 + i], "2001:db8::2"));
		place_stage(&guests[100 + i], PLACE_IDLE);
	}
	/* more of them than there are places: room among their own */
	guests[105].since_ms -= 5000;
	assert_ptr_equal(must_come(&guests[300], "::ffff:10.0.0.2"), &guests[105]);
	for (int i = 0; i < DOOR_OWN_MAX; i++)
		place_stage(&guests[120 + i], PLACE_BUSY);
	assert_false(comes(&guests[301], "127.0.0.1", &leaves));
	/* the rest of loopback, and of that network, is anybody */
	assert_false(comes(&guests[301], "127.0.0.9", &leaves));
	assert_false(comes(&guests[301], "2001:db8::3", &leaves));
	/* who shows a session leaves the reserved place to others */
	door_know(&d, &guests[120]);
	assert_null(must_come(&guests[301], "127.0.0.1"));
}

static void
test_ipv6_by_network(void **state)
{
	char from[64];

	for (int i = 0; i < 4; i++) {
		snprintf(from, sizeof(from), "2001:db8:0:7:%x::1", (unsigned)i);
		assert_null(must_come(&guests[i], from));
	}
	assert_ptr_equal(must_come(&guests[4], "2001:db8:0:7:ffff::2"), &guests[0]);
	assert_null(must_come(&guests[5], "2001:db8:0:8::1"));
	assert_null(must_come(&guests[6], "::ffff:192.0.2.1"));
	for (int i = 7; i < 10; i++)
		assert_null(must_come(&guests[i], "192.0.2.1"));
	assert_ptr_equal(must_come(&guests[10], "192.0.2.1"), &guests[6]);
}

/* Whoever was told to go and does not yet is counted by the socket only, and there is an end to that too. */
static void
test_those_who_leave_slowly(void **state)
{
	struct sockaddr_storage ss;
	struct place *slow[600] = { 0 }, *leaves;
	static struct place many[600];
	unsigned n = 0;

	address("192.0.2.1", &ss);
	for (unsigned i = 0; i < 600 && door_admit(&d, (struct sockaddr *)&ss, &leaves); i++) {
		door_enter(&d, &many[i], (struct sockaddr *)&ss);
		if (leaves)
			slow[n++] = leaves;
	}
	assert_int_equal(d.strangers, 4);
	assert_int_equal(d.live, 40 + DOOR_SLACK);
	while (n > 0)
		door_leave(&d, slow[--n]);
	assert_int_equal(d.live, 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_half_of_an_address, open_door, close_door),
		cmocka_unit_test_setup_teardown(test_whole_of_an_address, open_door, close_door),
		cmocka_unit_test_setup_teardown(test_newcomer_finds_room, open_door, close_door),
		cmocka_unit_test_setup_teardown(test_strangers_leave_the_known_alone, open_door,
						close_door),
		cmocka_unit_test_setup_teardown(test_own_addresses, open_door, close_door),
		cmocka_unit_test_setup_teardown(test_ipv6_by_network, open_door, close_door),
		cmocka_unit_test_setup_teardown(test_those_who_leave_slowly, open_door, close_door),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
