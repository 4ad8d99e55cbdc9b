/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>
#include "pack/backup.h"

#define HEX32 "00112233445566778899aabbccddeeff"
#define ID "0190a0b0-0000-7000-8000-000000000001"
#define HEAD ID ":12:" HEX32 HEX32

static struct backup_manifest
sample(void)
{
	return (struct backup_manifest){ .format = BACKUP_FORMAT,
					 .version = "0.1.0",
					 .pg_major = 15,
					 .system = "7300000000000000000",
					 .node_id = ID,
					 .node_name = "vault-a.example.org",
					 .term = 3,
					 .made_at = "2026-01-31T00:00:00.000000Z",
					 .heads = HEAD "," HEAD,
					 .node_stream = HEX32,
					 .base_stream = HEX32,
					 .base_bytes = 100,
					 .settings_bytes = 10,
					 .mac = HEX32 HEX32 };
}

static int
parse_of(const struct backup_manifest *m, struct backup_manifest *ret, struct arena *a)
{
	auto_buf text = BUF_INIT;
	struct err e = { 0 };

	backup_write(m, &text);
	return backup_parse(buf_str(&text), text.len, ret, a, &e);
}

static void
test_round_trip(void **state)
{
	struct backup_manifest m = sample(), back;
	auto_arena a = arena_new();
	struct backup_head head;

	assert_int_equal(parse_of(&m, &back, a), 0);
	assert_int_equal(back.term, 3);
	assert_string_equal(back.node_name, m.node_name);
	const char *at = back.heads;
	assert_int_equal(backup_head_next(&at, &head), 1);
	assert_int_equal(head.seq, 12);
	assert_int_equal(head.hash[1], 0x11);
	assert_int_equal(backup_head_next(&at, &head), 1);
	assert_int_equal(backup_head_next(&at, &head), 0);
}

static void
test_bad_heads(void **state)
{
	static const char *const bad[] = {
		"x",
		ID,
		ID ":",
		ID ":0:" HEX32 HEX32,
		ID ":-1:" HEX32 HEX32,
		ID ":99999999999999999999:" HEX32 HEX32,
		ID ":1:" HEX32,
		ID ":1:" HEX32 "zz112233445566778899aabbccddeeff",
		HEAD ",",
		HEAD "x",
		HEAD HEAD,
		"," HEAD,
	};
	auto_arena a = arena_new();
	struct backup_manifest m = sample(), back;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		m.heads = bad[i];
		assert_int_equal(parse_of(&m, &back, a), ERR_BAD_PACK);
	}
	m.heads = "";
	assert_int_equal(parse_of(&m, &back, a), 0);
}

static void
test_bad_fields(void **state)
{
	auto_arena a = arena_new();
	struct backup_manifest m[8], back;

	for (size_t i = 0; i < 8; i++)
		m[i] = sample();
	m[0].node_id = "nobody";
	m[1].node_name = "../../etc";
	m[2].term = 0;
	m[3].node_stream = "00";
	m[4].mac = "00";
	m[5].system = "a b";
	m[6].version = "";
	m[7].made_at = "now\n";
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(parse_of(&m[i], &back, a), ERR_BAD_PACK);
}

static void
test_unknown_and_missing_fields(void **state)
{
	auto_arena a = arena_new();
	auto_buf text = BUF_INIT;
	struct backup_manifest m = sample(), back;
	struct err e = { 0 };

	assert_int_equal(backup_parse("{}", 2, &back, a, &e), ERR_BAD_PACK);
	backup_write(&m, &text);
	text.len--;
	buf_adds(&text, ",\"more\":1}");
	assert_int_equal(backup_parse(buf_str(&text), text.len, &back, a, &e), ERR_BAD_PACK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_bad_heads),
		cmocka_unit_test(test_bad_fields),
		cmocka_unit_test(test_unknown_and_missing_fields),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
