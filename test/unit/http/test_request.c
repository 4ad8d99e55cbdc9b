/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include "http/request.h"

static void
test_canonical_path(void **state)
{
	static const struct {
		const char *raw, *want; /* NULL: refused */
		int code;		/* ERR_USAGE when it is not said */
	} rows[] = {
		{ "/", "/" },
		{ "/v1/accounts/0198", "/v1/accounts/0198" },
		{ "/%76%31", "/v1" },
		{ "/a%20b", "/a b" },
		{ "/%C3%A9", "/\xc3\xa9" },
		{ "/...", "/..." },
		{ "/.a/b.", "/.a/b." },
		{ "/a;b=c", "/a;b=c" },
		{ "", NULL },
		{ "a", NULL },
		{ "//", NULL, ERR_BAD_FIELD },
		{ "/a/", NULL, ERR_BAD_FIELD },
		{ "/a//b", NULL, ERR_BAD_FIELD },
		{ "/.", NULL },
		{ "/..", NULL },
		{ "/a/..", NULL },
		{ "/a/../b", NULL },
		{ "/%2e", NULL },
		{ "/%2E%2e/x", NULL },
		{ "/.%2e", NULL },
		{ "/%2f", NULL },
		{ "/a%2Fb", NULL },
		{ "/%5c", NULL },
		{ "/a\\b", NULL },
		{ "/%25", NULL },
		{ "/%252e", NULL },
		{ "/%00", NULL },
		{ "/%0a", NULL },
		{ "/%7f", NULL },
		{ "/\x01", NULL },
		{ "/%", NULL },
		{ "/%a", NULL },
		{ "/%g0", NULL },
		{ "/%0", NULL },
		{ "/%-1", NULL },
		{ "/a?b", NULL },
		{ "/a#b", NULL },
		{ "/a b", NULL },
		{ "/%ff", NULL },
		{ "/%c0%af", NULL },
		{ "/%ed%a0%80", NULL },
		{ "/\xff", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char out[REQUEST_PATH_MAX + 1] = "";
		struct err e;
		int rc = request_canonical_path(rows[i].raw, out, sizeof(out), &e);

		int code = rows[i].code ? rows[i].code : ERR_USAGE;
		if (rows[i].want ? rc != 0 || strcmp(out, rows[i].want) != 0 : rc != code)
			fail_msg("%s: %d %s", rows[i].raw, rc, out);
	}
}

static void
test_path_bounds(void **state)
{
	char raw[REQUEST_PATH_MAX + 2], out[REQUEST_PATH_MAX + 1];
	struct err e;

	memset(raw, 'a', sizeof(raw));
	raw[0] = '/';
	raw[REQUEST_PATH_MAX + 1] = '\0';
	assert_int_equal(request_canonical_path(raw, out, sizeof(out), &e), ERR_USAGE);
	raw[REQUEST_PATH_MAX] = '\0';
	assert_int_equal(request_canonical_path(raw, out, sizeof(out), &e), 0);
	assert_int_equal(request_canonical_path("/abc", out, 4, &e), ERR_USAGE);
	assert_int_equal(request_canonical_path("/abc", out, 5, &e), 0);
}

/* What is canonical stays as it is: decoding happens once and once is enough. */
static void
test_path_is_a_fixed_point(void **state)
{
	for (unsigned c = 0; c < 0x10000; c++) {
		char raw[16], once[64], twice[64];
		struct err e;

		snprintf(raw, sizeof(raw), "/%%%02x%%%02x", c >> 8, c & 255);
		if (request_canonical_path(raw, once, sizeof(once), &e) < 0)
			continue;
		if (strpbrk(once, " ?#"))
			continue; /* these must be encoded on the wire */
		if (request_canonical_path(once, twice, sizeof(twice), &e) < 0 ||
		    strcmp(once, twice) != 0)
			fail_msg("%s", raw);
	}
}

static int
target(struct request **rq, const char *raw)
{
	struct err e;

	*rq = request_new();
	return request_target(*rq, raw, &e);
}

static void
test_query(void **state)
{
	struct request *rq;

	assert_int_equal(target(&rq, "/v1/x?q=a%26b&n=%C3%a9+1&empty=&flag"), 0);
	assert_string_equal(rq->path, "/v1/x");
	assert_int_equal(rq->nquery, 4);
	assert_string_equal(request_query(rq, "q"), "a&b");
	assert_string_equal(request_query(rq, "n"), "\xc3\xa9 1");
	assert_string_equal(request_query(rq, "empty"), "");
	assert_string_equal(request_query(rq, "flag"), "");
	assert_null(request_query(rq, "Q"));
	request_free(rq);
}

static void
test_query_refusals(void **state)
{
	static const char *const bad[] = {
		"/x?a=1&a=2",  "/x?a=1&%61=2",
		"/x?=1",       "/x?&",
		"/x?a&&b",     "/x?a=%",
		"/x?a=%1",     "/x?%zz=1",
		"/x?a=%00",    "/x?a=%0d",
		"/x?a=\x7f",   "/x?a=%ff",
		"/x?a=%c0%80", "/x?a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q",
	};
	char long_one[REQUEST_RAW_QUERY_MAX + 10];
	struct request *rq;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (target(&rq, bad[i]) != ERR_USAGE)
			fail_msg("%s", bad[i]);
		request_free(rq);
	}
	memset(long_one, 'a', sizeof(long_one));
	memcpy(long_one, "/x?", 3);
	long_one[sizeof(long_one) - 1] = '\0';
	assert_int_equal(target(&rq, long_one), ERR_USAGE);
	request_free(rq);
	assert_int_equal(target(&rq, "/x?a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p"), 0);
	request_free(rq);
	assert_int_equal(target(&rq, "/x?a=1&"), 0);
	assert_int_equal(rq->nquery, 1);
	request_free(rq);
}

/* However it was written, a target is written again in one form. */
static void
test_target_is_written_again(void **state)
{
	static const struct {
		const char *raw, *again;
	} rows[] = {
		{ "/", "/" },
		{ "/v1/a%62c/%7e", "/v1/abc/~" },
		{ "/v1/a%20b%26?q=a%26b%20c&limit=3", "/v1/a%20b%26?q=a%26b%20c&limit=3" },
		{ "/x?q=a+b", "/x?q=a%20b" },
		{ "/x?q", "/x?q=" },
		{ "/\xc3\xa9?q=%C3%A9/", "/%C3%A9?q=%C3%A9%2F" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct request *rq;
		auto_buf out = BUF_INIT;

		assert_int_equal(target(&rq, rows[i].raw), 0);
		request_write_target(rq, &out);
		assert_string_equal(buf_str(&out), rows[i].again);
		request_free(rq);
	}
}

static int
header(struct request *rq, const char *name, const char *value)
{
	struct err e;

	return request_take_header(rq, name, value, strlen(value), &e);
}

static void
test_headers(void **state)
{
	struct request *rq = request_new();
	struct err e;

	assert_int_equal(request_check_headers(rq, &e), ERR_USAGE);
	assert_int_equal(header(rq, "host", "node.example:7272"), 0);
	assert_int_equal(request_check_headers(rq, &e), 0);
	assert_int_equal(header(rq, "HOST", "node.example:7272"), ERR_USAGE);
	assert_int_equal(header(rq, "Authorization", "bearer aB.c-_~+/="), 0);
	assert_string_equal(rq->bearer, "aB.c-_~+/=");
	assert_int_equal(header(rq, "Cookie", "x=\"y\"; __Host-holdfastx=1;__Host-holdfast=abc; z"),
			 0);
	assert_string_equal(rq->cookie, "abc");
	assert_int_equal(header(rq, "Content-Length", "120"), 0);
	assert_int_equal(rq->content_length, 120);
	assert_int_equal(header(rq, "Holdfast-Forwarded", "1 a b"), 0);
	assert_string_equal(rq->forwarded, "1 a b");
	assert_int_equal(header(rq, "holdfast-forwarded", "1 a b"), ERR_USAGE);
	assert_int_equal(header(rq, "Accept-Encoding", "br"), 0);
	assert_int_equal(header(rq, "accept-encoding", "gzip;q=0"), 0);
	assert_string_equal(rq->accept_encoding, "br, gzip;q=0");
	for (int i = 0; i < 100; i++)
		assert_int_equal(header(rq, "Accept-Encoding", "deflate, zstd"), 0);
	assert_true(strlen(rq->accept_encoding) < 2 * REQUEST_CODINGS_MAX);
	assert_int_equal(header(rq, "X-Other", "a"), 0);
	assert_int_equal(header(rq, "X-Other", "a"), 0);
	assert_int_equal(header(rq, "X-Other", "a\x0b"), ERR_USAGE);
	assert_int_equal(header(rq, "Transfer-Encoding", "chunked"), 0);
	assert_int_equal(request_check_headers(rq, &e), ERR_USAGE);
	request_free(rq);
}

static void
test_header_refusals(void **state)
{
	static char long_value[REQUEST_FORWARDED_MAX + 2];
	static const struct {
		const char *name, *value;
	} bad[] = {
		{ "Host", "" },
		{ "Host", "a b" },
		{ "Host", "a/b" },
		{ "Host", "u@h" },
		{ "Host", "a,b" },
		{ "Authorization", "Bearer " },
		{ "Authorization", "Bearer a b" },
		{ "Authorization", "Bearer a,b" },
		{ "Authorization", "Bearer \xc3\xa9" },
		{ "Cookie", "__Host-holdfast=" },
		{ "Cookie", "__Host-holdfast=a; __Host-holdfast=a" },
		{ "Cookie", "__Host-holdfast=a b" },
		{ "Content-Length", "" },
		{ "Content-Length", "+1" },
		{ "Content-Length", "1,1" },
		{ "Content-Length", "9999999999999999" },
		{ "Content-Type", "" },
		{ "Holdfast-Forwarded", "" },
		{ "Holdfast-Forwarded", long_value },
	};

	memset(long_value, 'a', sizeof(long_value) - 1);

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct request *rq = request_new();

		if (header(rq, bad[i].name, bad[i].value) != ERR_USAGE)
			fail_msg("%s: %s", bad[i].name, bad[i].value);
		request_free(rq);
	}
}

static void
test_addresses(void **state)
{
	static const struct {
		const char *text, *want;
		bool loopback;
	} rows[] = {
		{ "127.0.0.1", "127.0.0.1", true },	  { "127.9.9.9", "127.9.9.9", true },
		{ "10.1.2.3", "10.1.2.3", false },	  { "::1", "::1", true },
		{ "2001:db8::1", "2001:db8::1", false },  { "::ffff:127.0.0.1", "127.0.0.1", true },
		{ "::ffff:10.1.2.3", "10.1.2.3", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct request *rq = request_new();
		struct sockaddr_in v4 = { .sin_family = AF_INET };
		struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

		if (inet_pton(AF_INET, rows[i].text, &v4.sin_addr) == 1) {
			request_set_address(rq, (struct sockaddr *)&v4);
		} else {
			assert_int_equal(inet_pton(AF_INET6, rows[i].text, &v6.sin6_addr), 1);
			request_set_address(rq, (struct sockaddr *)&v6);
		}
		assert_string_equal(rq->address, rows[i].want);
		assert_int_equal(rq->loopback, rows[i].loopback);
		request_free(rq);
	}
}

static void
test_error_reply(void **state)
{
	struct request *rq = request_new();
	struct err e = { 0 };

	buf_adds(&rq->reply, "half a reply");
	(void)err_set(&e, ERR_CONFLICT, "the name \"a\" is taken");
	request_error(rq, &e);
	assert_int_equal(rq->status, 409);
	assert_non_null(strstr(rq->reply.data, "{\"error\":{\"code\":\"conflict\",\"message\":\""));
	assert_non_null(strstr(rq->reply.data, "\"detail\":\"the name \\\"a\\\" is taken\""));
	(void)err_set(&e, ERR_DB, "relation secret_table is broken");
	request_error(rq, &e);
	assert_int_equal(rq->status, 500);
	assert_null(strstr(rq->reply.data, "secret_table"));
	request_header(rq, "X-A", "b\r\nc");
	assert_string_equal(rq->headers[0].value, "b??c");
	request_free(rq);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_canonical_path),
		cmocka_unit_test(test_path_bounds),
		cmocka_unit_test(test_path_is_a_fixed_point),
		cmocka_unit_test(test_query),
		cmocka_unit_test(test_query_refusals),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_target_is_written_again),
		cmocka_unit_test(test_header_refusals),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_error_reply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
