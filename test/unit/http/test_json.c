/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "http/json.h"

struct body {
	const char *reason;
	int64_t count;
	bool flag;
	struct jmap fields;
	struct jtexts names;
	const char *remark;
	int64_t which;
};

static const struct jfield table[] = {
	{ "reason", JTEXT, JREQUIRED, offsetof(struct body, reason), 10 },
	{ "count", JINT, 0, offsetof(struct body, count), 1000 },
	{ "flag", JBOOL, 0, offsetof(struct body, flag), 0 },
	{ "fields", JMAP, 0, offsetof(struct body, fields), 3 },
	{ "names", JTEXTS, 0, offsetof(struct body, names), 2 },
	{ "remark", JTEXT, JEMPTY, offsetof(struct body, remark), 10 },
	{ "which", JINT, JPOSITIVE, offsetof(struct body, which), 10 },
	{ 0 },
};

static int
parse_n(const char *text, size_t n, struct body *b, uint64_t *seen, struct arena *a, struct err *e)
{
	*b = (struct body){ 0 };
	*e = (struct err){ 0 };
	return json_parse_body(text, n, table, b, seen, a, e);
}

static void
test_takes_all_kinds(void **state)
{
	static const char text[] =
		" {\"reason\":\"why \\u00e9\",\"count\":42,\"flag\":true,\"names\":[\"x\",\"\"],"
		"\"fields\":{\"password\":\"p\\\"w\",\"\\u00fc\":\"2\"}} ";
	auto_arena a = arena_new();
	struct body b;
	struct err e;
	uint64_t seen;

	assert_int_equal(parse_n(text, strlen(text), &b, &seen, a, &e), 0);
	assert_int_equal(seen, 31);
	assert_string_equal(b.reason, "why \xc3\xa9");
	assert_int_equal(b.count, 42);
	assert_true(b.flag);
	assert_int_equal(b.names.n, 2);
	assert_string_equal(b.names.texts[0], "x");
	assert_int_equal(b.fields.n, 2);
	for (size_t i = 0; i < 2; i++)
		if (strcmp(b.fields.entries[i].name, "password") == 0) {
			assert_string_equal(b.fields.entries[i].value, "p\"w");
			assert_int_equal(b.fields.entries[i].value_len, 3);
		}
}

static void
test_seen_tells_what_was_there(void **state)
{
	auto_arena a = arena_new();
	struct body b;
	struct err e;
	uint64_t seen = 0;

	assert_int_equal(
		parse_n("{\"reason\":\"x\",\"remark\":\"\",\"count\":0}", 36, &b, &seen, a, &e), 0);
	assert_int_equal(seen, 35);
	assert_string_equal(b.remark, "");
	assert_null(b.fields.entries);
}

static void
test_refuses(void **state)
{
	static const struct {
		const char *text;
		int code;
		const char *says;
	} rows[] = {
		{ "", ERR_BAD_JSON, "not valid JSON" },
		{ "{", ERR_BAD_JSON, "line 1" },
		{ "[]", ERR_BAD_JSON, "must be a JSON object" },
		{ "\"x\"", ERR_BAD_JSON, NULL },
		{ "null", ERR_BAD_JSON, NULL },
		{ "{}", ERR_BAD_FIELD, "\"reason\" is missing" },
		{ "{\"reason\":\"x\"} x", ERR_BAD_JSON, NULL },
		{ "{\"reason\":\"x\",}", ERR_BAD_JSON, NULL },
		{ "{'reason':'x'}", ERR_BAD_JSON, NULL },
		{ "{\"reason\":\"x\"//c\n}", ERR_BAD_JSON, NULL },
		{ "{\"reason\":\"x\",\"reason\":\"y\"}", ERR_BAD_FIELD, "twice" },
		{ "{\"reason\":\"x\",\"fields\":{\"a\":\"1\",\"a\":\"2\"}}", ERR_BAD_FIELD,
		  "twice" },
		{ "{\"reason\":\"x\",\"other\":1}", ERR_BAD_FIELD, "\"other\" is not known" },
		{ "{\"reason\":\"x\",\"o\\n\":1}", ERR_BAD_FIELD, "a field that is not known" },
		{ "{\"Reason\":\"x\"}", ERR_BAD_FIELD, "not known" },
		{ "{\"reason\":1}", ERR_BAD_FIELD, "\"reason\" must be a text" },
		{ "{\"reason\":null}", ERR_BAD_FIELD, "must be a text" },
		{ "{\"reason\":\"\"}", ERR_BAD_FIELD, "\"reason\" is empty" },
		{ "{\"reason\":\"x\",\"which\":0}", ERR_BAD_FIELD, "1 to 10" },
		{ "{\"reason\":\"01234567890\"}", ERR_BAD_FIELD, "longer than 10" },
		{ "{\"reason\":\"a\\u0000b\"}", ERR_BAD_JSON, NULL },
		{ "{\"reason\":\"\xff\"}", ERR_BAD_JSON, NULL },
		{ "{\"reason\":\"\xc0\x80\"}", ERR_BAD_JSON, NULL },
		{ "{\"reason\":\"\\ud800\"}", ERR_BAD_JSON, NULL },
		{ "{\"reason\":\"\n\"}", ERR_BAD_JSON, NULL },
		{ "{\"reason\":\"x\",\"count\":-1}", ERR_BAD_FIELD, "0 to 1000" },
		{ "{\"reason\":\"x\",\"count\":1001}", ERR_BAD_FIELD, "0 to 1000" },
		{ "{\"reason\":\"x\",\"count\":1.5}", ERR_BAD_FIELD, "whole number" },
		{ "{\"reason\":\"x\",\"count\":1e2}", ERR_BAD_FIELD, "whole number" },
		{ "{\"reason\":\"x\",\"count\":\"1\"}", ERR_BAD_FIELD, "whole number" },
		{ "{\"reason\":\"x\",\"count\":99999999999999999999}", ERR_BAD_JSON, NULL },
		{ "{\"reason\":\"x\",\"count\":01}", ERR_BAD_JSON, NULL },
		{ "{\"reason\":\"x\",\"count\":NaN}", ERR_BAD_JSON, NULL },
		{ "{\"reason\":\"x\",\"flag\":0}", ERR_BAD_FIELD, "true or false" },
		{ "{\"reason\":\"x\",\"fields\":[]}", ERR_BAD_FIELD, "object of texts" },
		{ "{\"reason\":\"x\",\"fields\":{\"a\":1}}", ERR_BAD_FIELD, "texts only" },
		{ "{\"reason\":\"x\",\"fields\":{\"\":\"1\"}}", ERR_BAD_FIELD, "empty" },
		{ "{\"reason\":\"x\",\"fields\":{\"a\":\"\",\"b\":\"\",\"c\":\"\",\"d\":\"\"}}",
		  ERR_BAD_FIELD, "too many" },
		{ "{\"reason\":\"x\",\"names\":[\"1\",\"2\",\"3\"]}", ERR_BAD_FIELD, "too many" },
		{ "{\"reason\":\"x\",\"names\":[1]}", ERR_BAD_FIELD, "texts only" },
		{ "{\"reason\":\"x\",\"names\":\"a\"}", ERR_BAD_FIELD, "list" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_arena a = arena_new();
		struct body b;
		struct err e;
		uint64_t seen;
		int got = parse_n(rows[i].text, strlen(rows[i].text), &b, &seen, a, &e);

		if (got != rows[i].code || (rows[i].says && !strstr(e.text, rows[i].says)))
			fail_msg("%s: %d, \"%s\"", rows[i].text, got, e.text);
	}
}

static void
test_refuses_nul_and_depth(void **state)
{
	auto_arena a = arena_new();
	auto_buf deep = BUF_INIT;
	struct body b;
	struct err e;
	uint64_t seen;

	assert_int_equal(parse_n("{\"reason\":\"x\"}\0", 15, &b, &seen, a, &e), ERR_BAD_JSON);
	assert_int_equal(parse_n("{\"reason\":\"a\0b\"}", 16, &b, &seen, a, &e), ERR_BAD_JSON);
	assert_int_equal(parse_n(NULL, 0, &b, &seen, a, &e), ERR_BAD_JSON);
	buf_adds(&deep, "{\"names\":");
	for (int i = 0; i < 100000; i++)
		buf_addc(&deep, '[');
	assert_int_equal(parse_n(deep.data, deep.len, &b, &seen, a, &e), ERR_BAD_JSON);
}

/* What is wrong is told without repeating what was sent, which may be a secret. */
static void
test_errors_repeat_no_value(void **state)
{
	static const char *const texts[] = {
		"{\"reason\":\"hunter2",
		"{\"reason\":\"x\",\"hunter2 !\":1}",
		"{\"reason\":hunter2}",
		"{\"reason\":\"hunter2hunter2\"}",
		"{\"reason\":\"x\",\"count\":\"hunter2\"}",
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		auto_arena a = arena_new();
		struct body b;
		struct err e;
		uint64_t seen;

		assert_true(parse_n(texts[i], strlen(texts[i]), &b, &seen, a, &e) < 0);
		if (strstr(e.text, "hunter2"))
			fail_msg("%s", e.text);
	}
}

static int
start(void **state)
{
	http_init();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_takes_all_kinds),
		cmocka_unit_test(test_seen_tells_what_was_there),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_refuses_nul_and_depth),
		cmocka_unit_test(test_errors_repeat_no_value),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
