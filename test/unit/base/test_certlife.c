/* SPDX-License-Identifier: Apache-2.0
 *
 * H9: what is said of a certificate at each moment of its life.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include "base/attr.h"
#include "base/certlife.h"

#define DAY (86400ll * 1000000)

static void
test_levels(void **state)
{
	/* life and days left, in tenths of a day */
	static const struct {
		int life, left;
		enum certlife_level level;
	} rows[] = {
		{ 36500, 310, CERTLIFE_GOOD }, { 36500, 300, CERTLIFE_GOOD },
		{ 36500, 299, CERTLIFE_SOON }, { 36500, 70, CERTLIFE_SOON },
		{ 36500, 69, CERTLIFE_LATE },  { 36500, 1, CERTLIFE_LATE },
		{ 36500, 0, CERTLIFE_OVER },   { 36500, -400, CERTLIFE_OVER },
		{ 300, 100, CERTLIFE_GOOD },   { 300, 99, CERTLIFE_SOON }, /* a third of 30 days */
		{ 300, 30, CERTLIFE_SOON },    { 300, 29, CERTLIFE_LATE }, /* a tenth */
		{ 10, 9, CERTLIFE_GOOD },      { 10, 3, CERTLIFE_SOON },
	};
	const struct certlife none = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct certlife c = { DAY, DAY + rows[i].life * DAY / 10 };
		assert_int_equal(certlife_level(&c, c.to_us - rows[i].left * DAY / 10),
				 rows[i].level);
	}
	assert_int_equal(certlife_level(&none, DAY), CERTLIFE_GOOD);
}

static void
test_words(void **state)
{
	struct certlife c = { 0, 20000 * DAY };
	char text[CERTLIFE_TEXT_MAX];

	certlife_say(CERTLIFE_WEB, &c, c.to_us - 3 * DAY, text);
	assert_string_equal(text, "the web certificate ends on 2024-10-04, in 3 days");
	certlife_say(CERTLIFE_CHANNEL, &c, c.to_us - DAY, text);
	assert_string_equal(text, "the channel certificate ends on 2024-10-04, in 1 day");
	certlife_say(CERTLIFE_AUTHORITY, &c, c.to_us - 1, text);
	assert_string_equal(text,
			    "the certificate of the vault's authority ends on 2024-10-04, today");
	certlife_say(CERTLIFE_WEB, &c, c.to_us, text);
	assert_string_equal(text, "the web certificate expired on 2024-10-04");
	assert_int_equal(certlife_days(&c, c.to_us - 1), 0);
	assert_int_equal(certlife_days(&c, c.to_us + 1), -1);
	for (enum certlife_kind k = 0; k < CERTLIFE_KINDS; k++)
		assert_true(strlen(certlife_name(k)) > 0 && strlen(certlife_todo(k)) > 0);
	assert_string_equal(certlife_level_name(CERTLIFE_OVER), "expired");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
