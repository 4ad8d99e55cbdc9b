/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "crypto/fingerprint.h"

/* The first twenty bytes are the example that PGP's documentation has. */
#define PIN "E58294F2E9A227486E8B061B31CC528FD7FA3F19000102030405060708090aFf"
#define EXAMPLE                                                                                    \
	"topmost istanbul pluto vagabond treadmill pacific brackish dictator "                     \
	"goldfish medusa afflict bravado chatter revolver dupont midsummer "                       \
	"stopwatch whimsical cowbell bottomless "
#define REST                                                                                       \
	"aardvark adviser accrue aggregate adrift almighty afflict amusement "                     \
	"aimless applicant allow yucatan"

static void
words_are_those_of_the_list(void **state)
{
	(void)state;
	auto_buf line = BUF_INIT, rows = BUF_INIT;

	fingerprint_words(PIN, 0, "  ", &line);
	assert_string_equal(buf_str(&line), EXAMPLE REST);
	fingerprint_words(PIN, 6, "> ", &rows);
	assert_non_null(strstr(buf_str(&rows),
			       "> topmost istanbul pluto vagabond treadmill pacific\n> brackish "));
	assert_non_null(strstr(buf_str(&rows), "\n> allow yucatan\n"));
	size_t breaks = 0;
	for (const char *at = buf_str(&rows); (at = strchr(at, '\n')); at++)
		breaks++;
	assert_int_equal(breaks, 6);
}

static void
no_two_bytes_have_a_word_in_common(void **state)
{
	(void)state;
	char *all[512];

	for (int i = 0; i < 256; i++) {
		char pin[X509_PIN_LEN] = "";
		auto_buf out = BUF_INIT;
		for (int k = 0; k < 32; k++)
			snprintf(pin + 2 * k, 3, "%02x", (unsigned)i);
		fingerprint_words(pin, 0, "", &out);
		char *rest = NULL, *text = strdup(buf_str(&out));
		all[2 * i] = strdup(strtok_r(text, " ", &rest));
		all[2 * i + 1] = strdup(strtok_r(NULL, " ", &rest));
		free(text);
	}
	for (int i = 0; i < 512; i++)
		for (int k = 0; k < i; k++)
			assert_string_not_equal(all[i], all[k]);
	for (int i = 0; i < 512; i++)
		free(all[i]);
}

static void
what_is_no_hex_ends_it(void **state)
{
	(void)state;
	auto_buf out = BUF_INIT;
	char pin[X509_PIN_LEN] = "00";

	fingerprint_words(pin, 0, "", &out);
	assert_string_equal(buf_str(&out), "aardvark ");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_those_of_the_list),
		cmocka_unit_test(no_two_bytes_have_a_word_in_common),
		cmocka_unit_test(what_is_no_hex_ends_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
