/* SPDX-License-Identifier: Apache-2.0
 *
 * Alerts as they look on each way out, held against the standards' own words and a published vector.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include "alert/alert.h"
#include "alert/receiver.h"
#include "ha/status.h"

static const struct alert_out out = {
	.id = { { 0x01, 0x8f, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 7 } },
	.at_us = 1769860800123456, /* 2026-01-31T12:00:00.123456Z, a Saturday */
	.source = "node-b.example",
	.type = "emergency.began",
	.text = "node-b.example gives emergency access",
	.body = "{\"type\":\"emergency.began\"}",
};

/* The vector that the Standard Webhooks libraries are tested with. */
static void
signature_is_that_of_standard_webhooks(void **ctx)
{
	char signature[ALERT_SIGNATURE_LEN];
	auto_buf key = BUF_INIT;
	struct err e = { 0 };

	assert_int_equal(alert_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", &key, &e), 0);
	assert_int_equal(key.len, 24);
	alert_sign(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, "{\"test\": 2432232314}",
		   signature);
	assert_string_equal(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
	alert_sign(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265331, "{\"test\": 2432232314}",
		   signature);
	assert_string_not_equal(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

static void
keys_that_are_none_are_refused(void **ctx)
{
	static const char *const bad[] = {
		"",
		"\n",
		"whsec_",
		"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa==", /* too short, badly padded */
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa",	  /* 23 bytes and a bit */
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw x",
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\nmore",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		auto_buf key = BUF_INIT;
		struct err e = { 0 };

		assert_int_equal(alert_key(bad[i], &key, &e), ERR_BAD_FIELD);
		assert_int_equal(key.len, 0);
		assert_null(strstr(e.text, "MfKQ")); /* a key never enters an error's text */
	}
}

/* RFC 5424, 6: PRI VERSION TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA BOM MSG; RFC 5425, 4.3: MSG-LEN SP. */
static void
syslog_is_rfc_5424_behind_its_length(void **ctx)
{
	static const char expected[] =
		"<26>1 2026-01-31T12:00:00.123456Z node-b.example holdfast 42 emergency.began "
		"[origin software=\"holdfast\" swVersion=\"" HF_VERSION "\"] "
		"\xEF\xBB\xBF{\"type\":\"emergency.began\"}";
	auto_buf frame = BUF_INIT, whole = BUF_INIT;

	alert_syslog(&out, 42, &frame);
	buf_addf(&whole, "%zu %s", strlen(expected), expected);
	assert_string_equal(buf_str(&frame), buf_str(&whole));
}

/* Nothing in a name can make a header field of more than one word, or none at all. */
static void
syslog_fields_stay_fields(void **ctx)
{
	struct alert_out a = out;
	auto_buf frame = BUF_INIT, none = BUF_INIT;

	a.source = "two words\xC3\xA4\n";
	alert_syslog(&a, 1, &frame);
	assert_non_null(strstr(buf_str(&frame), "Z two_words___ holdfast 1 "));
	a.source = "";
	alert_syslog(&a, 1, &none);
	assert_non_null(strstr(buf_str(&none), "Z - holdfast 1 "));
}

static void
mail_is_one_that_servers_take(void **ctx)
{
	struct alert_out a = out;
	auto_buf mail = BUF_INIT;
	uint8_t text[256];
	size_t n;

	a.text = "one\r\nBcc: everybody@example.com";
	alert_mail(&a, "holdfast@example.com", "a@example.com,b@example.com  c@example.com", &mail);
	const char *m = buf_str(&mail);
	assert_non_null(strstr(m, "To: a@example.com, b@example.com, c@example.com\r\n"));
	assert_non_null(strstr(m, "Date: Sat, 31 Jan 2026 12:00:00 +0000\r\n"));
	assert_non_null(strstr(m, "Subject: [holdfast] one??Bcc: everybody@example.com\r\n"));
	assert_null(strstr(m, "\r\nBcc:"));
	assert_non_null(
		strstr(m, "Message-ID: <018f0000-0000-7000-8000-000000000007@node-b.example>\r\n"));
	for (const char *p = m; (p = strchr(p, '\n')); p++)
		assert_int_equal(p[-1], '\r');
	const char *body = strstr(m, "\r\n\r\n") + 4;
	assert_int_equal(sodium_base642bin(text, sizeof(text), body, strlen(body), "\r\n", &n, NULL,
					   sodium_base64_VARIANT_ORIGINAL),
			 0);
	text[n] = '\0';
	assert_non_null(strstr((char *)text, out.body));
}

static void
body_says_who_what_and_why(void **ctx)
{
	struct alert a = { .type = ALERT_NODE_FAILED,
			   .id = out.id,
			   .at_us = out.at_us,
			   .source = "node-b.example",
			   .node = "node-a.example",
			   .state = "emergency",
			   .text = "node-a.example is Failed",
			   .reasons = 1ull << STATUS_NOT_STREAMING | 1ull << STATUS_SERVICE_DOWN,
			   .term = 3 };
	auto_buf text = BUF_INIT;

	alert_body(&a, &text);
	json_t *o = json_loads(buf_str(&text), JSON_REJECT_DUPLICATES, NULL);
	json_t *data = json_object_get(o, "data"), *codes = json_object_get(data, "codes");
	assert_string_equal(json_string_value(json_object_get(o, "type")), "node.failed");
	assert_string_equal(json_string_value(json_object_get(o, "timestamp")),
			    "2026-01-31T12:00:00.123456Z");
	assert_string_equal(json_string_value(json_object_get(data, "id")),
			    "018f0000-0000-7000-8000-000000000007");
	assert_string_equal(json_string_value(json_object_get(data, "code")), "service_down");
	assert_int_equal(json_array_size(codes), 2);
	assert_string_equal(json_string_value(json_array_get(codes, 1)), "not_streaming");
	json_decref(o);
}

/* Said when the settings are looked at, not when the first alert is lost. */
static void
mail_to_nobody_is_refused(void **state)
{
	static const char *const nobody[] = { "", ",", " , ,", NULL };
	struct settings s = { .alert_smtp = "smtps://mail.example:465",
			      .alert_from = "a@b.example" };
	struct err e = { 0 };

	for (int i = 0; nobody[i]; i++) {
		snprintf(s.alert_to, sizeof(s.alert_to), "%s", nobody[i]);
		assert_int_equal(receiver_check(&s, RECEIVER_SMTP, &e), ERR_USAGE);
		assert_non_null(strstr(e.text, "alert_to"));
	}
	snprintf(s.alert_to, sizeof(s.alert_to), ", c@d.example");
	assert_int_equal(receiver_check(&s, RECEIVER_SMTP, &e), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signature_is_that_of_standard_webhooks),
		cmocka_unit_test(keys_that_are_none_are_refused),
		cmocka_unit_test(syslog_is_rfc_5424_behind_its_length),
		cmocka_unit_test(syslog_fields_stay_fields),
		cmocka_unit_test(mail_is_one_that_servers_take),
		cmocka_unit_test(body_says_who_what_and_why),
		cmocka_unit_test(mail_to_nobody_is_refused),
	};
	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
