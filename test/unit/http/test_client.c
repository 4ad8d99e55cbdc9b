/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/clock.h"
#include "http/client_impl.h"
#include "http/listener.h"

static struct pair web, ca, signed_by_ca, over, elsewhere;

static int
make_pairs(void **state)
{
	http_init();
	pair_make(&web, "localhost", false, NULL, 30);
	pair_make(&ca, "Test CA", true, NULL, 30);
	pair_make(&signed_by_ca, "localhost", false, &ca, 30);
	pair_make(&over, "localhost", false, NULL, -1);
	pair_make(&elsewhere, "elsewhere.example", false, &ca, 30);
	return 0;
}

static int
drop_pairs(void **state)
{
	pair_done(&web);
	pair_done(&ca);
	pair_done(&signed_by_ca);
	pair_done(&over);
	pair_done(&elsewhere);
	return 0;
}

/* One call to a server that shows `shown`, trusting `trust`; the failure, CLIENT_OK when it
 * answered. */
static enum client_failure
call(const struct pair *shown, const char *trust)
{
	struct owner *o = owner_start(shown, NULL);
	struct client *c = client_to(owner_port(o), trust);
	enum client_failure failure = CLIENT_OTHER;
	struct client_reply r;
	struct err e = { 0 };
	int rc = client_call(c, "GET", "/now", NULL, &r, &failure, &e);

	if (rc == 0)
		client_reply_done(&r);
	else
		assert_int_equal(rc, ERR_UNREACHABLE);
	assert_int_equal(rc == 0, failure == CLIENT_OK);
	client_free(c);
	owner_stop(o);
	return failure;
}

static void
test_trust(void **state)
{
	auto_buf both = BUF_INIT;

	buf_adds(&both, ca.cert.data);
	buf_adds(&both, web.cert.data);
	assert_int_equal(call(&web, web.cert.data), CLIENT_OK);
	assert_int_equal(call(&signed_by_ca, ca.cert.data), CLIENT_OK);
	assert_int_equal(call(&signed_by_ca, signed_by_ca.cert.data),
			 CLIENT_OK); /* a pinned leaf */
	assert_int_equal(call(&web, both.data), CLIENT_OK);
	assert_int_equal(call(&signed_by_ca, both.data), CLIENT_OK);
	assert_int_equal(call(&web, ca.cert.data), CLIENT_UNTRUSTED);
	assert_int_equal(call(&signed_by_ca, web.cert.data), CLIENT_UNTRUSTED);
	assert_int_equal(call(&elsewhere, ca.cert.data), CLIENT_UNTRUSTED); /* another name */
	assert_int_equal(call(&over, over.cert.data), CLIENT_EXPIRED);
	assert_int_equal(call(&over, ca.cert.data),
			 CLIENT_UNTRUSTED); /* which it is before it is over */
	assert_int_equal(call(&web, ""), CLIENT_UNTRUSTED);
	assert_int_equal(call(&web, NULL), CLIENT_UNTRUSTED);
}

/* Who asks for what is no secret may do so although a certificate is over; nobody does when anything else is wrong with it. */
static void
test_despite_expiry(void **state)
{
	const struct {
		const struct pair *shown, *trusted;
		enum client_failure how;
		const char *why;
	} rows[] = {
		{ &over, &over, CLIENT_OK, "it expired on 20" },
		{ &web, &web, CLIENT_OK, "" },
		{ &over, &web, CLIENT_UNTRUSTED,
		  "it is another certificate than the one that is known" },
		{ &signed_by_ca, &web, CLIENT_UNTRUSTED, "it was signed by CN=Test CA, whose" },
		{ &elsewhere, &ca, CLIENT_UNTRUSTED, "it is not made for the name localhost" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct owner *o = owner_start(rows[i].shown, NULL);
		struct client_reply r = { 0 };
		enum client_failure failure;
		char base[64];
		int64_t from, to;
		struct err e = { 0 };

		snprintf(base, sizeof(base), "https://localhost:%u", owner_port(o));
		struct client *c = client_new(
			&(struct client_options){ .base = base,
						  .trust_pem = rows[i].trusted->cert.data,
						  .despite_expiry = true,
						  .connect_ms = 20000,
						  .total_ms = 20000 },
			&e);
		(void)!client_call(c, "GET", "/now", NULL, &r, &failure, &e);
		assert_int_equal(failure, rows[i].how);
		if (strncmp(client_why_untrusted(c), rows[i].why, strlen(rows[i].why)) != 0)
			fail_msg("row %zu: %s", i, client_why_untrusted(c));
		assert_int_equal(client_sent(c), failure == CLIENT_OK);
		client_cert_times(c, &from, &to);
		assert_true(from < to && (to < clock_now_us()) == (rows[i].shown == &over));
		if (failure != CLIENT_OK)
			assert_non_null(strstr(e.text, rows[i].why));
		client_reply_done(&r);
		client_free(c);
		owner_stop(o);
	}
}

/* Who is not trusted is heard, and the call fails as it would have: what comes has to prove itself. */
static void
test_who_is_not_trusted_is_heard(void **state)
{
	const struct pair *const shown[] = { &elsewhere, &web };

	for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
		for (size_t max = 0; max < 2; max++) {
			struct owner *o = owner_start(shown[i], NULL);
			struct client_reply r = { 0 };
			enum client_failure failure;
			char base[64];
			struct err e = { 0 };

			snprintf(base, sizeof(base), "https://localhost:%u", owner_port(o));
			struct client *c =
				client_new(&(struct client_options){ .base = base,
								     .trust_pem = ca.cert.data,
								     .hear_untrusted = true,
								     .body_max = max,
								     .connect_ms = 20000,
								     .total_ms = 20000 },
					   &e);
			assert_int_equal(client_call(c, "GET", "/now", NULL, &r, &failure, &e),
					 ERR_UNREACHABLE);
			assert_int_equal(failure, CLIENT_UNTRUSTED);
			assert_non_null(strstr(e.text, client_why_untrusted(c)));
			assert_int_equal(r.body.len > 0, max == 0); /* one byte is too few */
			client_reply_done(&r);
			client_free(c);
			owner_stop(o);
		}
	}
}

static enum client_failure
fail_to(const char *base, int connect_ms, int total_ms)
{
	struct client *c = client_new(&(struct client_options){ .base = base,
								.trust_pem = web.cert.data,
								.connect_ms = connect_ms,
								.total_ms = total_ms },
				      NULL);
	enum client_failure failure = CLIENT_OK;
	struct client_reply r;
	struct err e = { 0 };

	assert_non_null(c);
	assert_int_equal(client_call(c, "GET", "/now", NULL, &r, &failure, &e), ERR_UNREACHABLE);
	assert_non_null(strstr(e.text, base));
	assert_false(client_sent(c)); /* so it was not done */
	client_free(c);
	return failure;
}

static void
test_failures(void **state)
{
	char base[64];
	struct err e;
	int fd;

	/* a port where nothing listens */
	assert_int_equal(listener_open("127.0.0.1:0", &fd, &e), 0);
	snprintf(base, sizeof(base), "https://127.0.0.1:%u", listener_port(fd));
	/* one where nobody answers: the backlog takes the connection, TLS never comes */
	assert_int_equal(fail_to(base, 300, 300), CLIENT_SILENT);
	close(fd);
	assert_int_equal(fail_to(base, 20000, 20000), CLIENT_REFUSED);
	assert_int_equal(fail_to("https://no-such-host.invalid:1", 20000, 20000), CLIENT_BAD_NAME);
}

/* What a node had in its hands may have been done. */
static void
test_what_was_sent_is_known(void **state)
{
	struct owner *o = owner_start(&web, NULL);
	char base[64];
	struct client *c;
	struct client_reply r;
	enum client_failure failure;
	struct err e = { 0 };

	snprintf(base, sizeof(base), "https://localhost:%u", owner_port(o));
	c = client_new(&(struct client_options){ .base = base,
						 .trust_pem = web.cert.data,
						 .connect_ms = 20000,
						 .total_ms = 4000 },
		       &e);
	assert_int_equal(client_call(c, "GET", "/hold", NULL, &r, &failure, &e), ERR_UNREACHABLE);
	assert_int_equal(failure, CLIENT_SILENT);
	assert_true(client_sent(c));
	assert_int_equal(client_call(c, "GET", "no slash", NULL, &r, &failure, &e), ERR_USAGE);
	assert_false(client_sent(c));
	client_free(c);
	owner_release(o);
	owner_stop(o);
}

static void
test_no_proxy_from_environment(void **state)
{
	setenv("https_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	assert_int_equal(call(&web, web.cert.data), CLIENT_OK);
	unsetenv("https_proxy");
	unsetenv("ALL_PROXY");
}

static void
test_redirect_is_not_followed(void **state)
{
	struct owner *o = owner_start(&web, NULL);
	struct client *c = client_to(owner_port(o), web.cert.data);
	struct client_reply r;
	struct err e;

	assert_int_equal(client_call(c, "GET", "/redirect", NULL, &r, NULL, &e), 0);
	assert_int_equal(r.status, 307);
	assert_string_equal(r.location, "https://primary.example:7272/v1/x");
	assert_string_equal(r.mode, "standby");
	assert_string_equal(r.durability, "both");
	assert_string_equal(r.as_of, "2026-01-31T12:00:00.123456Z");
	client_reply_done(&r);
	client_free(c);
	owner_stop(o);
}

/* One client, all methods in turn on one connection: nothing of a call leaks into the next. */
static void
test_methods_in_turn(void **state)
{
	static const struct {
		const char *method, *path, *body;
		int status;
	} rows[] = {
		{ "POST", "/echo", "{\"a\":1}", 200 }, { "GET", "/now", NULL, 200 },
		{ "DELETE", "/nothing", NULL, 204 },   { "PATCH", "/echo", "{}", 200 },
		{ "HEAD", "/now", NULL, 200 },	       { "PUT", "/echo", "xyz", 200 },
		{ "POST", "/now", NULL, 200 },	       { "GET", "/who?q=1", NULL, 200 },
		{ "GET", "/a/../b", NULL, 400 },       { "GET", "/now", NULL, 200 },
	};
	struct owner *o = owner_start(&web, NULL);
	struct client *c = client_to(owner_port(o), web.cert.data);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct client_reply r;
		struct err e = { 0 };

		if (client_call(c, rows[i].method, rows[i].path, rows[i].body, &r, NULL, &e) < 0)
			fail_msg("row %zu: %s", i, e.text);
		assert_int_equal(r.status, rows[i].status);
		if (strcmp(rows[i].path, "/echo") == 0)
			assert_string_equal(buf_str(&r.body), rows[i].body);
		if (strncmp(rows[i].path, "/who", 4) == 0)
			assert_non_null(strstr(r.body.data, "\"bearer\":\"tok-1\""));
		client_reply_done(&r);
	}
	client_free(c);
	owner_stop(o);
}

/* The node restarts between two calls: the kept connection is dead, a new one is made. */
static void
test_survives_restart(void **state)
{
	struct owner *o = owner_start(&web, NULL);
	struct server_options again = { .threads = 1,
					.max_connections = 10,
					.max_per_address = 10,
					.timeout_s = 5,
					.header_max = 16384 };
	unsigned port = owner_port(o);
	struct client *c = client_to(port, web.cert.data);
	enum client_failure failure;
	struct client_reply r;
	struct err e = { 0 };
	char listen_on[40];

	assert_int_equal(client_call(c, "GET", "/now", NULL, &r, NULL, &e), 0);
	client_reply_done(&r);
	owner_stop(o);
	assert_int_equal(client_call(c, "GET", "/now", NULL, &r, &failure, &e), ERR_UNREACHABLE);
	assert_int_equal(failure, CLIENT_REFUSED);
	snprintf(listen_on, sizeof(listen_on), "127.0.0.1:%u", port);
	again.listen = listen_on;
	o = owner_start(&web, &again);
	if (client_call(c, "GET", "/now", NULL, &r, NULL, &e) < 0)
		fail_msg("%s", e.text);
	client_reply_done(&r);
	client_free(c);
	owner_stop(o);
}

static void
test_bad_options(void **state)
{
	static const char *const bad[] = { "", "http://a:1", "https://", "ftp://x",
					   "localhost:7272" };
	struct client *c = client_new(&(struct client_options){ .base = "https://a:1" }, NULL);
	struct client_reply r;
	struct err e = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_null(client_new(&(struct client_options){ .base = bad[i] }, &e));
	assert_int_equal(client_call(c, "GET", "no-slash", NULL, &r, NULL, &e), ERR_USAGE);
	client_free(c);
	client_free(NULL);
}

static void
test_peer_cert(void **state)
{
	struct owner *o = owner_start(&signed_by_ca, NULL);
	unsigned port = owner_port(o);
	auto_buf pem = BUF_INIT;
	struct err e = { 0 };
	int fd;

	assert_int_equal(client_peer_cert("127.0.0.1", (int)port, 20000, &pem, &e), 0);
	assert_non_null(strstr(pem.data, "-----BEGIN CERTIFICATE-----"));
	assert_int_equal(client_peer_cert("localhost", (int)port, 20000, &pem, &e), 0);
	/* what it gives is what the client can then be told to trust */
	assert_int_equal(call(&signed_by_ca, pem.data), CLIENT_OK);
	owner_stop(o);
	assert_int_equal(client_peer_cert("127.0.0.1", (int)port, 20000, &pem, &e),
			 ERR_UNREACHABLE);
	assert_non_null(strstr(e.text, "refused"));
	assert_int_equal(client_peer_cert("no-such-host.invalid", 1, 1000, &pem, &e),
			 ERR_UNREACHABLE);
	assert_int_equal(listener_open("127.0.0.1:0", &fd, &e), 0);
	assert_int_equal(client_peer_cert("127.0.0.1", (int)listener_port(fd), 400, &pem, &e),
			 ERR_UNREACHABLE);
	close(fd);
}

static void
test_lines_are_copies_in_order(void **state)
{
	static const char *const want[] = { "Accept: a/b", "Expect:", "" };
	struct curl_slist *list = NULL, *at;
	char line[20];

	for (int i = 0; i < 3; i++) {
		snprintf(line, sizeof(line), "%s", want[i]);
		client_add_line(&list, line);
	}
	snprintf(line, sizeof(line), "overwritten");
	at = list;
	for (int i = 0; i < 3; i++, at = at->next) {
		assert_non_null(at);
		assert_string_equal(at->data, want[i]);
	}
	assert_null(at);
	curl_slist_free_all(list);
}

/* Each failure says something else, and what to do where somebody can. */
static void
test_each_failure_has_its_text(void **state)
{
	for (int i = 0; i <= CLIENT_OTHER; i++) {
		const char *text = client_failure_text((enum client_failure)i);

		assert_true(text && strlen(text) > 10);
		for (int k = 0; k < i; k++)
			assert_string_not_equal(text, client_failure_text((enum client_failure)k));
	}
	assert_non_null(strstr(client_failure_text(CLIENT_UNTRUSTED), "holdfast cert import"));
	assert_non_null(strstr(client_failure_text(CLIENT_EXPIRED), "holdfast cert renew"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trust),
		cmocka_unit_test(test_despite_expiry),
		cmocka_unit_test(test_who_is_not_trusted_is_heard),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_what_was_sent_is_known),
		cmocka_unit_test(test_no_proxy_from_environment),
		cmocka_unit_test(test_redirect_is_not_followed),
		cmocka_unit_test(test_methods_in_turn),
		cmocka_unit_test(test_survives_restart),
		cmocka_unit_test(test_bad_options),
		cmocka_unit_test(test_peer_cert),
		cmocka_unit_test(test_lines_are_copies_in_order),
		cmocka_unit_test(test_each_failure_has_its_text),
	};

	return cmocka_run_group_tests(tests, make_pairs, drop_pairs);
}
