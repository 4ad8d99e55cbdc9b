/* SPDX-License-Identifier: Apache-2.0
 *
 * H3: what the agent is told of the vault's authorities is taken whole, or not at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "agent/followed.h"
#include "http/json.h"

/* As long as a text can be: each character is one of a fingerprint's or a comma. */
static void
fill(char *text, size_t room)
{
	memset(text, 'a', room - 1);
	for (size_t i = X509_PIN_LEN - 1; i < room - 1; i += X509_PIN_LEN)
		text[i] = ',';
	text[room - 1] = '\0';
}

static void
check_same(const struct authority_followed *f)
{
	struct authority_followed back = { .wanted = "of before", .sign = "too" };
	auto_buf text = BUF_INIT;
	struct err e = { 0 };

	followed_write(f, &text);
	assert_int_equal(followed_read(&text, &back, &e), 0);
	assert_string_equal(back.wanted, f->wanted);
	assert_string_equal(back.trusted, f->trusted);
	assert_string_equal(back.sign, f->sign);
}

static void
what_is_written_is_read(void **state)
{
	struct authority_followed f = { 0 };

	check_same(&f); /* the log knows none */
	fill(f.trusted, sizeof(f.trusted));
	check_same(&f);
	fill(f.wanted, sizeof(f.wanted));
	fill(f.sign, sizeof(f.sign));
	check_same(&f);
}

static void
check_refused(const char *words)
{
	struct authority_followed ret = { .wanted = "w", .trusted = "t", .sign = "s" };
	auto_buf text = BUF_INIT;
	struct err e = { 0 };

	buf_adds(&text, words);
	assert_true(followed_read(&text, &ret, &e) < 0);
	assert_non_null(strstr(e.text, "not understood"));
	assert_string_equal(ret.wanted, "w");
	assert_string_equal(ret.trusted, "t");
	assert_string_equal(ret.sign, "s");
}

static void
anything_else_is_refused_and_changes_nothing(void **state)
{
	struct authority_followed f = { 0 };
	char long_sign[256];

	check_refused("");
	check_refused("a b c");
	check_refused("{}");
	check_refused("{\"wanted\":\"a\",\"trusted\":\"b\"}");
	check_refused("{\"wanted\":\"a\",\"trusted\":\"b\",\"sign\":1}");
	check_refused("{\"wanted\":\"a\",\"trusted\":\"b\",\"sign\":\"c\",\"more\":\"d\"}");
	check_refused("{\"wanted\":\"a\",\"wanted\":\"a\",\"trusted\":\"b\",\"sign\":\"c\"}");
	fill(f.sign, sizeof(f.sign));
	snprintf(long_sign, sizeof(long_sign),
		 "{\"wanted\":\"a\",\"trusted\":\"b\",\"sign\":\"%sa\"}", f.sign);
	check_refused(long_sign);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(anything_else_is_refused_and_changes_nothing),
	};
	http_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
