/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/clock.h"
#include "base/err.h"
#include "base/uuid.h"

static void
is_version_7(void **state)
{
	struct uuid u, last = { 0 };
	for (int i = 0; i < 1000; i++) {
		uuid_new(&u);
		assert_int_equal(u.b[6] >> 4, 7);
		assert_int_equal(u.b[8] >> 6, 2);
		assert_false(uuid_eq(&u, &last));
		last = u;
	}
	int64_t ms = 0;
	for (int i = 0; i < 6; i++)
		ms = ms << 8 | u.b[i];
	int64_t diff = clock_now_us() / 1000 - ms;
	assert_true(diff >= 0 && diff < 5000);
}

static void
later_ones_sort_later(void **state)
{
	struct uuid a, b;
	uuid_new(&a);
	clock_sleep_ms(2);
	uuid_new(&b);
	assert_true(memcmp(a.b, b.b, 16) < 0);
}

static void
text_round_trip(void **state)
{
	struct uuid u, v;
	char text[UUID_STR_LEN];
	uuid_new(&u);
	uuid_str(&u, text);
	assert_int_equal(strlen(text), 36);
	assert_int_equal(uuid_parse(text, &v), 0);
	assert_true(uuid_eq(&u, &v));
	assert_int_equal(uuid_parse("0189F7EA-ae2c-7809-8aeb-b819cf5e9e7f", &v), 0);
	assert_int_equal(v.b[0], 1);
	assert_int_equal(v.b[15], 0x7f);
	assert_int_equal(uuid_parse("00000000-0000-0000-0000-000000000000", &v), 0);
	assert_true(uuid_is_nil(&v));
	assert_false(uuid_is_nil(&u));
}

static void
other_forms_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"0189f7ea-ae2c-7809-8aeb-b819cf5e9e7",
		"0189f7ea-ae2c-7809-8aeb-b819cf5e9e7f0",
		"0189f7eaaae2c-7809-8aeb-b819cf5e9e7f",
		"0189f7ea-ae2c-7809-8aeb-b819cf5e9e7g",
		"{189f7ea-ae2c-7809-8aeb-b819cf5e9e7}",
		"0189f7ea-ae2c-7809-8aebb-819cf5e9e7f",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct uuid u = { .b = { 9 } };
		assert_int_equal(uuid_parse(bad[i], &u), ERR_BAD_FIELD);
		assert_int_equal(u.b[0], 9);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_version_7),
		cmocka_unit_test(later_ones_sort_later),
		cmocka_unit_test(text_round_trip),
		cmocka_unit_test(other_forms_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
