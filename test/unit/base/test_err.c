/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/err.h"

static void
table_is_sound(void **state)
{
	size_t n;
	const struct err_info *t = err_table(&n);
	assert_true(n > 30);
	for (size_t i = 0; i < n; i++) {
		assert_true(t[i].code < 0 && t[i].code >= -255); /* a status byte of keyd */
		assert_in_range(t[i].http, 300, 599);
		assert_true(strlen(t[i].text) > 0);
		for (const char *c = t[i].name; *c; c++)
			assert_true(*c == '_' || (*c >= 'a' && *c <= 'z'));
		for (size_t j = 0; j < i; j++) {
			assert_int_not_equal(t[i].code, t[j].code);
			assert_string_not_equal(t[i].name, t[j].name);
		}
		assert_ptr_equal(err_info(t[i].code), &t[i]);
	}
}

static void
unknown_codes_are_internal(void **state)
{
	assert_int_equal(err_info(-9999)->code, ERR_INTERNAL);
	assert_int_equal(err_info(0)->code, ERR_INTERNAL);
	assert_string_equal(err_info(ERR_EMERGENCY_READ_ONLY)->name, "emergency_read_only");
	assert_int_equal(err_info(ERR_STANDBY)->http, 307);
}

static void
carries_text_errno_and_place(void **state)
{
	struct err e = { 0 };
	errno = ENOENT;
	assert_int_equal(err_errno(&e, ERR_IO, "cannot read %s", "x"), ERR_IO);
	assert_string_equal(e.text, "cannot read x: No such file or directory");
	assert_int_equal(e.sys, ENOENT);
	assert_true(e.line > 0 && strstr(e.file, "test_err.c"));
	assert_int_equal(err_prefix(&e, "no %d: ", 7), ERR_IO);
	assert_string_equal(e.text, "no 7: cannot read x: No such file or directory");
	assert_int_equal(err_set(NULL, ERR_DB, "nobody listens"), ERR_DB);
}

static void
long_text_is_cut(void **state)
{
	struct err e;
	char big[2000];
	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	(void)err_set(&e, ERR_USAGE, "%s", big);
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
	(void)err_prefix(&e, "%s", big);
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
}

static void
public_text_hides_the_inside(void **state)
{
	struct err e;
	(void)err_set(&e, ERR_BAD_FIELD, "name is too long");
	assert_string_equal(err_public(&e), "name is too long");
	(void)err_set(&e, ERR_IO, "cannot read /secret/place");
	assert_null(strstr(err_public(&e), "/secret"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_is_sound),
		cmocka_unit_test(unknown_codes_are_internal),
		cmocka_unit_test(carries_text_errno_and_place),
		cmocka_unit_test(long_text_is_cut),
		cmocka_unit_test(public_text_hides_the_inside),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
