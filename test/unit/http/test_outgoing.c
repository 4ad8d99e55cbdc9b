/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "http/json.h"
#include "http/outgoing.h"

/* The URL of a webhook is often all that its receiver asks for. */
static void
an_error_names_the_host_and_no_token(void **state)
{
	static const char *const urls[] = {
		"https://127.0.0.1:1/hook/S3CRET",	"https://127.0.0.1:1?key=S3CRET",
		"https://S3CRET@127.0.0.1:1/hook",	"https://me:S3CRET@127.0.0.1:1",
		"https://127.0.0.1:1/a@b/S3CRET/c://d", "https://127.0.0.1:1#S3CRET",
	};
	const char *const none[] = { NULL };

	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		char answer[OUTGOING_ANSWER_MAX];
		struct err e = { 0 };

		assert_int_equal(outgoing_post(urls[i], "", none, "{}", answer, &e),
				 ERR_UNREACHABLE);
		assert_null(strstr(e.text, "S3CRET"));
		assert_ptr_equal(strstr(e.text, "127.0.0.1:1: "), e.text);
	}
}

static void
an_address_is_somebody_and_separators_are_nobody(void **state)
{
	static const char *const nobody[] = { "", " ", ",", " , ,, " };
	static const char *const somebody[] = { "a@b.test", ", a@b.test", "a@b.test,c@d.test ," };

	for (size_t i = 0; i < sizeof(nobody) / sizeof(nobody[0]); i++)
		assert_false(outgoing_names_anybody(nobody[i]));
	for (size_t i = 0; i < sizeof(somebody) / sizeof(somebody[0]); i++)
		assert_true(outgoing_names_anybody(somebody[i]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_names_the_host_and_no_token),
		cmocka_unit_test(an_address_is_somebody_and_separators_are_nobody),
	};

	http_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
