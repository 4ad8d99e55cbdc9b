/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/buf.h"

static void
grows_and_stays_terminated(void **state)
{
	auto_buf b = BUF_INIT;
	assert_string_equal(buf_str(&b), "");
	for (int i = 0; i < 1000; i++)
		buf_addf(&b, "%03d,", i);
	assert_int_equal(b.len, 4000);
	assert_memory_equal(b.data, "000,001,", 8);
	assert_string_equal(b.data + 3996, "999,");
	buf_adds(&b, "x");
	buf_addc(&b, 'y');
	buf_add(&b, NULL, 0);
	assert_string_equal(b.data + 4000, "xy");
}

static void
consume_and_reset_wipe(void **state)
{
	auto_buf b = BUF_INIT;
	buf_adds(&b, "secret-tail");
	buf_consume(&b, 7);
	assert_string_equal(buf_str(&b), "tail");
	for (size_t i = b.len; i < 11; i++)
		assert_int_equal(b.data[i], 0);
	buf_consume(&b, 0);
	buf_consume(&b, 4);
	assert_string_equal(buf_str(&b), "");
	buf_adds(&b, "again");
	char *at = b.data;
	buf_reset(&b);
	assert_ptr_equal(b.data, at);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(at[i], 0);
}

static void
take_empties(void **state)
{
	auto_buf b = BUF_INIT;
	char *s = buf_take_str(&b);
	assert_string_equal(s, "");
	free(s);
	buf_adds(&b, "abc");
	s = buf_take_str(&b);
	assert_string_equal(s, "abc");
	assert_null(b.data);
	assert_int_equal(b.len + b.cap, 0);
	free(s);
}

static void
integers_round_trip(void **state)
{
	auto_buf b = BUF_INIT;
	buf_add_u8(&b, 0xfe);
	buf_add_be16(&b, 0x1234);
	buf_add_be32(&b, 0xdeadbeef);
	buf_add_be64(&b, 0x0102030405060708);
	buf_adds(&b, "rest");
	static const uint8_t want[] = { 0xfe, 0x12, 0x34, 0xde, 0xad, 0xbe, 0xef, 1,
					2,    3,    4,	  5,	6,    7,    8 };
	assert_memory_equal(b.data, want, sizeof(want));
	struct cursor c = { .p = (uint8_t *)b.data, .left = b.len };
	assert_int_equal(cursor_u8(&c), 0xfe);
	assert_int_equal(cursor_be16(&c), 0x1234);
	assert_int_equal(cursor_be32(&c), 0xdeadbeef);
	assert_true(cursor_be64(&c) == 0x0102030405060708);
	assert_memory_equal(cursor_bytes(&c, 4), "rest", 4);
	assert_false(c.bad);
	assert_int_equal(c.left, 0);
}

static void
short_reads_stay_bad(void **state)
{
	static const uint8_t three[] = { 1, 2, 3 };
	struct cursor c = { .p = three, .left = 3 };
	assert_int_equal(cursor_be32(&c), 0);
	assert_true(c.bad);
	assert_int_equal(cursor_u8(&c), 0); /* though one byte would be there */
	assert_null(cursor_bytes(&c, 0));
	c = (struct cursor){ .p = three, .left = 3 };
	assert_null(cursor_bytes(&c, SIZE_MAX));
}

static void
a_sentence_ends_with_a_whole_word(void **state)
{
	char to[24];

	text_fit(to, sizeof(to), "%s", "it fits into the room.."); /* 23 bytes */
	assert_string_equal(to, "it fits into the room..");
	text_fit(to, sizeof(to), "%s %s", "it does not fit", "into the room");
	assert_string_equal(to, "it does not fit …");
	text_fit(to, sizeof(to), "%s", "the disk is full, really: sorry");
	assert_string_equal(to, "the disk is full …");
	text_fit(to, sizeof(to), "%s", "ääääääääääääääääääää"); /* one word: between two letters */
	assert_string_equal(to, "äääääääää …");
	for (size_t room = 11; room < sizeof(to); room++) {
		char small[24];
		memset(small, 'x', sizeof(small));
		text_fit(small, room, "%s", "no room for all of this text");
		assert_true(strlen(small) < room);
		for (size_t i = strlen(small); i < room; i++)
			assert_int_equal(small[i], 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_and_stays_terminated),
		cmocka_unit_test(consume_and_reset_wipe),
		cmocka_unit_test(take_empties),
		cmocka_unit_test(integers_round_trip),
		cmocka_unit_test(short_reads_stay_bad),
		cmocka_unit_test(a_sentence_ends_with_a_whole_word),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
