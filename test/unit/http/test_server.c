/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "http/listener.h"

static struct pair web; /* one for all tests: making it is slow */

static int
make_web(void **state)
{
	http_init();
	pair_make(&web, "localhost", false, NULL, 30);
	return 0;
}

static int
drop_web(void **state)
{
	pair_done(&web);
	return 0;
}

/* One raw exchange on a fresh connection; the status it was answered with, 0 when closed without.
 */
static int
raw_status(unsigned port, const char *text, size_t n, struct buf *out)
{
	struct raw *r = raw_open(port);
	int status = 0;

	raw_write(r, text, n);
	if (raw_read(r, out, "\r\n\r\n", 3000))
		sscanf(out->data, "HTTP/1.%*d %d", &status);
	raw_close(r);
	return status;
}

static int
status_of(unsigned port, const char *text)
{
	auto_buf out = BUF_INIT;

	return raw_status(port, text, strlen(text), &out);
}

static int
status_of_target(unsigned port, const char *target)
{
	auto_buf text = BUF_INIT;

	buf_addf(&text, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", target);
	return status_of(port, text.data);
}

/* ---- replies ---- */

static void
test_answers_on_both_threads(void **state)
{
	struct owner *o = owner_start(&web, NULL);
	struct client *c = client_to(owner_port(o), web.cert.data);
	static const char *const paths[] = { "/now", "/later", "/now", "/later" };
	struct err e = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct client_reply r;

		assert_int_equal(client_call(c, "GET", paths[i], NULL, &r, NULL, &e), 0);
		assert_int_equal(r.status, 200);
		assert_string_equal(r.body.data, "{\"ok\":true}");
		client_reply_done(&r);
	}
	assert_int_equal(server_connections(owner_server(o)), 1); /* kept alive */
	assert_int_equal(server_requests(owner_server(o)), 4);
	client_free(c);
	owner_stop(o);
}

static void
test_security_headers(void **state)
{
	static const char *const wanted[] = {
		"\r\nCache-Control: no-store\r\n",
		"\r\nX-Content-Type-Options: nosniff\r\n",
		"\r\nContent-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n",
		"\r\nStrict-Transport-Security: max-age=",
		"\r\nReferrer-Policy: no-referrer\r\n",
		"\r\nContent-Type: application/json\r\n",
		"\r\nContent-Length: 11\r\n",
	};
	static const char request[] = "GET /now HTTP/1.1\r\nHost: localhost\r\n\r\n";
	struct owner *o = owner_start(&web, NULL);
	auto_buf out = BUF_INIT;

	assert_int_equal(raw_status(owner_port(o), request, strlen(request), &out), 200);
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		if (!strstr(out.data, wanted[i]))
			fail_msg("%s is not in %s", wanted[i], out.data);
	assert_null(strcasestr(out.data, "\r\nServer:"));
	assert_null(strcasestr(out.data, "microhttpd"));
	owner_stop(o);
}

static void
test_own_headers_replace_defaults(void **state)
{
	static const char request[] = "GET /custom HTTP/1.1\r\nHost: localhost\r\n\r\n";
	struct owner *o = owner_start(&web, NULL);
	auto_buf out = BUF_INIT;

	assert_int_equal(raw_status(owner_port(o), request, strlen(request), &out), 200);
	assert_non_null(strstr(out.data, "content-security-policy: default-src 'self'"));
	assert_null(strstr(out.data, "default-src 'none'"));
	assert_non_null(strstr(out.data, "Content-Type: text/html; charset=utf-8"));
	assert_null(strstr(out.data, "\nX-Injected"));
	owner_stop(o);
}

static void
test_no_content_and_head(void **state)
{
	static const char nothing[] = "GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n";
	static const char head[] = "HEAD /now HTTP/1.1\r\nHost: localhost\r\n\r\n";
	struct owner *o = owner_start(&web, NULL);
	auto_buf a = BUF_INIT, b = BUF_INIT;

	assert_int_equal(raw_status(owner_port(o), nothing, strlen(nothing), &a), 204);
	assert_int_equal(raw_status(owner_port(o), head, strlen(head), &b), 200);
	assert_null(strstr(b.data, "{\"ok\""));
	assert_non_null(strstr(b.data, "Content-Length: 11"));
	owner_stop(o);
}

/* ---- what comes in ---- */

static void
test_request_fields(void **state)
{
	static const char request[] =
		"GET /%77ho?q=a%20b+c&x=1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
		"abc.DEF-1\r\n"
		"Cookie: a=b; __Host-holdfast=cook; c=d\r\nOrigin: https://x.example\r\n\r\n";
	struct owner *o = owner_start(&web, NULL);
	struct raw *r = raw_open(owner_port(o));
	auto_buf out = BUF_INIT;

	raw_puts(r, request);
	assert_true(raw_read(r, &out, "}", 3000));
	assert_non_null(strstr(
		out.data, "{\"address\":\"127.0.0.1\",\"loopback\":true,\"bearer\":\"abc.DEF-1\","
			  "\"cookie\":\"cook\",\"origin\":\"https://x.example\",\"path\":\"/who\","
			  "\"q\":\"a b c\",\"type\":null}"));
	raw_close(r);
	owner_stop(o);
}

static void
test_refuses_targets(void **state)
{
	static const struct {
		const char *target;
		int status;
	} rows[] = {
		{ "/now", 200 },
		{ "/%6eow", 200 },
		{ "/../now", 400 },
		{ "/a/../now", 400 },
		{ "/%2e%2e/now", 400 },
		{ "/.%2e/now", 400 },
		{ "/a/%2e/now", 400 },
		{ "/./now", 400 },
		{ "//now", 400 },
		{ "/now/", 400 },
		{ "/now//", 400 },
		{ "/a//b", 400 },
		{ "/x/..;/now", 200 },
		{ "/%252e%252e/now", 400 },
		{ "/..%2fnow", 400 },
		{ "/%2fnow", 400 },
		{ "/now%00", 400 },
		{ "/now%0d%0aX:1", 400 },
		{ "/..\\now", 400 },
		{ "/%5cnow", 400 },
		{ "/%", 400 },
		{ "/%4", 400 },
		{ "/%zz", 400 },
		{ "/%c0%ae%c0%ae/now", 400 },
		{ "/%ff", 400 },
		{ "/%c3%a9", 200 },
		{ "http://localhost/now", 400 },
		{ "https://localhost/now", 400 },
		{ "*", 400 },
		{ "now", 400 },
		{ "localhost:443", 400 },
		{ "/now#x", 400 },
		{ "/now?", 200 },
		{ "/now?a", 200 },
		{ "/now?a=1&a=2", 400 },
		{ "/now?a=%00", 400 },
		{ "/now?a=%0a", 400 },
		{ "/now?=1", 400 },
		{ "/now?a=%f", 400 },
		{ "/now?a=%ff", 400 },
		{ "/now?/../x", 200 },
	};
	struct owner *o = owner_start(&web, NULL);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int got = status_of_target(owner_port(o), rows[i].target);

		if (got != rows[i].status)
			fail_msg("%s: %d instead of %d", rows[i].target, got, rows[i].status);
	}
	owner_stop(o);
}

static void
test_refuses_headers(void **state)
{
	static const struct {
		const char *text;
		int status; /* a refusal may also be a closed connection */
	} rows[] = {
		{ "GET /now HTTP/1.1\r\nHost: localhost\r\n\r\n", 200 },
		{ "GET /now HTTP/1.1\r\n\r\n", 400 },
		{ "GET /now HTTP/1.0\r\n\r\n", 400 },
		{ "GET /now HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400 },
		{ "GET /now HTTP/1.1\r\nHost: a\r\nhOST: a\r\n\r\n", 400 },
		{ "GET /now HTTP/1.1\r\nHost: a/b\r\n\r\n", 400 },
		{ "GET /now HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a\r\nAuthorization: "
		  "Bearer b\r\n\r\n",
		  400 },
		{ "GET /now HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a b\r\n\r\n", 400 },
		{ "GET /now HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YTpi\r\n\r\n", 200 },
		{ "GET /now HTTP/1.1\r\nHost: a\r\nCookie: x=1\r\nCookie: y=2\r\n\r\n", 400 },
		{ "GET /now HTTP/1.1\r\nHost: a\r\nCookie: __Host-holdfast=1; "
		  "__Host-holdfast=2\r\n\r\n",
		  400 },
		{ "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: a\r\nContent-Type: "
		  "b\r\nContent-Length: "
		  "0\r\n\r\n",
		  400 },
		{ "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: "
		  "chunked\r\n\r\n0\r\n\r\n",
		  400 },
		{ "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: "
		  "4\r\n\r\nabcd",
		  400 },
		{ "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400 },
		{ "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1x\r\n\r\n", 400 },
		{ "GET /now HTTP/1.1\r\nHost: a\r\nX-A: b\x01"
		  "c\r\n\r\n",
		  400 },
		{ "BREW /now HTTP/1.1\r\nHost: a\r\n\r\n", 200 }, /* the router's matter */
		{ "GET /no w HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "GET /now HTTP/2.0\r\nHost: a\r\n\r\n", 505 },
	};
	struct owner *o = owner_start(&web, NULL);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int got = status_of(owner_port(o), rows[i].text);

		if (got != rows[i].status && !(rows[i].status >= 400 && got == 0))
			fail_msg("%s: %d instead of %d", rows[i].text, got, rows[i].status);
	}
	owner_stop(o);
}

static void
test_oversized_headers(void **state)
{
	struct owner *o = owner_start(&web, NULL);
	auto_buf line = BUF_INIT, many = BUF_INIT, out = BUF_INIT;
	int status;

	buf_adds(&line, "GET /now HTTP/1.1\r\nHost: a\r\nX-Long: ");
	for (int i = 0; i < 70000; i++)
		buf_addc(&line, 'x');
	buf_adds(&line, "\r\n\r\n");
	status = raw_status(owner_port(o), line.data, line.len, &out);
	assert_true(status == 431 || status == 414 || status == 413 || status == 0);
	buf_adds(&many, "GET /now HTTP/1.1\r\nHost: a\r\n");
	for (int i = 0; i < 5000; i++)
		buf_addf(&many, "X-%d: y\r\n", i);
	buf_adds(&many, "\r\n");
	buf_reset(&out);
	status = raw_status(owner_port(o), many.data, many.len, &out);
	assert_true(status == 431 || status == 413 || status == 0);
	assert_int_equal(status_of_target(owner_port(o), "/now"), 200);
	owner_stop(o);
}

static void
test_bodies(void **state)
{
	struct owner *o = owner_start(&web, NULL);
	struct client *c = client_to(owner_port(o), web.cert.data);
	static const size_t sizes[] = { 1, 100, 4096, 65536, 1 << 20, 3 << 20 };
	struct err e = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct client_reply r;
		char *body = malloc(sizes[i] + 1);

		for (size_t k = 0; k < sizes[i]; k++)
			body[k] = (char)('a' + k % 23);
		body[sizes[i]] = '\0';
		assert_int_equal(client_call(c, "POST", "/echo", body, &r, NULL, &e), 0);
		assert_int_equal(r.status, 200);
		assert_int_equal(r.body.len, sizes[i]);
		assert_memory_equal(r.body.data, body, sizes[i]);
		client_reply_done(&r);
		free(body);
	}
	client_free(c);
	owner_stop(o);
}

static void
test_chunked_body(void **state)
{
	struct owner *o = owner_start(&web, NULL);
	struct raw *r = raw_open(owner_port(o));
	auto_buf out = BUF_INIT;

	raw_puts(r, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
		    "chunked\r\n\r\n5\r\nhello\r\n");
	raw_puts(r, "6\r\n world\r\n0\r\n\r\n");
	assert_true(raw_read(r, &out, "hello world", 3000));
	raw_close(r);
	owner_stop(o);
}

static void
test_body_too_large(void **state)
{
	struct owner *o = owner_start(&web, NULL);
	auto_buf out = BUF_INIT, text = BUF_INIT;

	/* announced, a little too long: read and refused */
	buf_adds(&text, "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n");
	for (int i = 0; i < 101; i++)
		buf_addc(&text, 'x');
	assert_int_equal(raw_status(owner_port(o), text.data, text.len, &out), 413);
	assert_non_null(strcasestr(out.data, "Connection: close"));
	/* announced, far too long: refused at once, before a byte of it is sent */
	buf_reset(&out);
	assert_int_equal(status_of(owner_port(o),
				   "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: "
				   "99999999\r\n\r\n"),
			 413);
	/* chunked: nobody said how long it is */
	buf_reset(&text);
	buf_adds(&text,
		 "POST /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n");
	for (int i = 0; i < 101; i++)
		buf_addc(&text, 'x');
	buf_adds(&text, "\r\n0\r\n\r\n");
	assert_int_equal(raw_status(owner_port(o), text.data, text.len, &out), 413);
	/* where no body is allowed */
	assert_int_equal(status_of(owner_port(o),
				   "POST /now HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"),
			 413);
	owner_stop(o);
}

static void
test_big_reply(void **state)
{
	struct owner *o = owner_start(&web, NULL);
	struct client *c = client_to(owner_port(o), web.cert.data);
	struct client_reply r;
	struct err e = { 0 };

	assert_int_equal(client_call(c, "GET", "/big", NULL, &r, NULL, &e), 0);
	assert_int_equal(r.body.len, 5 << 20);
	client_reply_done(&r);
	client_free(c);
	owner_stop(o);
}

static void
test_pipelining(void **state)
{
	struct owner *o = owner_start(&web, NULL);
	struct raw *r = raw_open(owner_port(o));
	auto_buf text = BUF_INIT, out = BUF_INIT;
	unsigned n = 0;

	for (int i = 0; i < 10; i++)
		buf_addf(&text, "GET /%s HTTP/1.1\r\nHost: a\r\n\r\n", i % 2 ? "later" : "now");
	buf_adds(&text, "GET /who?q=last HTTP/1.1\r\nHost: a\r\n\r\n");
	raw_write(r, text.data, text.len);
	assert_true(raw_read(r, &out, "\"q\":\"last\"", 5000));
	for (const char *p = out.data; (p = strstr(p, "HTTP/1.1 200")); p++)
		n++;
	assert_int_equal(n, 11);
	raw_close(r);
	owner_stop(o);
}

static void
test_tls_13_only(void **state)
{
	struct owner *o = owner_start(&web, NULL);
	struct raw *r = raw_open_version(owner_port(o), "NORMAL:-VERS-ALL:+VERS-TLS1.2");

	assert_null(r);
	r = raw_open_version(owner_port(o), "NORMAL");
	assert_non_null(r);
	raw_close(r);
	owner_stop(o);
}

/* ---- deadlines ---- */

static const struct server_options hasty = {
	.listen = "127.0.0.1:0",
	.threads = 1,
	.max_connections = 50,
	.max_per_address = 50,
	.timeout_s = 1,
	.header_max = 16384,
};

/* Sends one byte every 100 ms until the other end has closed; how long that took. */
static int64_t
trickle(unsigned port, const char *begin, const char *endless)
{
	struct raw *r = raw_open(port);
	int64_t begun = clock_mono_ms(), took = -1;

	raw_puts(r, begin);
	while (took < 0 && clock_mono_ms() - begun < 20000) {
		raw_puts(r, endless);
		if (raw_closed(r, 100))
			took = clock_mono_ms() - begun;
	}
	raw_close(r);
	return took;
}

static void
test_slow_clients(void **state)
{
	static const struct {
		const char *begin, *endless;
	} rows[] = {
		{ "G", "E" },
		{ "GET /now HTTP/1.1\r\nHost: a\r\nX: ", "y" },
		{ "GET /now HTTP/1.1\r\nHost: a\r\n", "X: y\r\n" },
		{ "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n", "z" },
	};
	struct owner *o = owner_start(&web, &hasty);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t took = trickle(owner_port(o), rows[i].begin, rows[i].endless);

		if (took < 500 || took > 10000)
			fail_msg("row %zu was cut after %lld ms", i, (long long)took);
	}
	owner_stop(o);
}

/* A client that connects and never begins TLS. */
static bool
plain_closed(unsigned port, int ms)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct timeval limit = { ms / 1000, 0 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	ssize_t k;
	bool closed;
	char c;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	do
		k = recv(fd, &c, 1, 0); /* an alert may come first */
	while (k > 0);
	closed = k == 0 || errno == ECONNRESET;
	close(fd);
	return closed;
}

static void
test_idle_and_silent(void **state)
{
	struct owner *o = owner_start(&web, &hasty);
	struct raw *idle = raw_open(owner_port(o)), *used = raw_open(owner_port(o));
	auto_buf out = BUF_INIT;

	raw_puts(used, "GET /now HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_true(raw_read(used, &out, "true", 2000));
	assert_true(plain_closed(owner_port(o), 4000));
	assert_true(raw_closed(idle, 4000));
	assert_true(raw_closed(used, 4000));
	raw_close(idle);
	raw_close(used);
	owner_stop(o);
}

/* A request that waits for its answer has no deadline. */
static void
test_waiting_request_is_kept(void **state)
{
	struct owner *o = owner_start(&web, &hasty);
	struct raw *r = raw_open(owner_port(o));
	auto_buf out = BUF_INIT;

	raw_puts(r, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_false(raw_read(r, &out, "true", 2600));
	owner_release(o);
	assert_true(raw_read(r, &out, "true", 2000));
	raw_close(r);
	owner_stop(o);
}

/* ---- many at once ---- */

struct load {
	unsigned port, calls, good;
};

static void *
load_thread(void *arg)
{
	struct load *l = arg;
	struct client *c = client_to(l->port, web.cert.data);

	for (unsigned i = 0; i < l->calls; i++) {
		struct client_reply r;
		char body[64];

		snprintf(body, sizeof(body), "%u-%p", i, arg);
		if (client_call(c, "POST", "/echo", body, &r, NULL, NULL) < 0)
			continue;
		l->good += r.status == 200 && strcmp(buf_str(&r.body), body) == 0;
		client_reply_done(&r);
	}
	client_free(c);
	return NULL;
}

static void
test_concurrency(void **state)
{
	struct owner *o = owner_start(&web, NULL);
	struct load loads[16];
	pthread_t threads[ARRAY_LEN(loads)];

	for (size_t i = 0; i < ARRAY_LEN(loads); i++) {
		loads[i] = (struct load){ owner_port(o), 60, 0 };
		pthread_create(&threads[i], NULL, load_thread, &loads[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(loads); i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(loads[i].good, 60);
	}
	assert_int_equal(server_requests(owner_server(o)), 16 * 60);
	owner_stop(o);
}

/* The client goes away while its request is out: the answer is for nobody and nothing breaks. */
static void
test_client_leaves(void **state)
{
	struct owner *o = owner_start(&web, NULL);

	for (int i = 0; i < 20; i++) {
		struct raw *r = raw_open(owner_port(o));

		raw_puts(r, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
		while (owner_held(o) == 0)
			clock_sleep_ms(1);
		raw_close(r);
		owner_release(o);
	}
	assert_int_equal(status_of_target(owner_port(o), "/now"), 200);
	for (int i = 0; i < 3000 && server_connections(owner_server(o)) > 0; i++)
		clock_sleep_ms(10);
	assert_int_equal(server_connections(owner_server(o)), 0);
	owner_stop(o);
}

static void *
release_soon(void *arg)
{
	clock_sleep_ms(200);
	owner_release(arg);
	return NULL;
}

/* While clients come: the threads of the library that notice the end must not stumble over who tells them. */
static void
test_stops_again_and_again(void **state)
{
	for (int i = 0; i < 1500; i++) {
		struct owner *o = owner_start(&web, NULL);
		struct sockaddr_in to = { .sin_family = AF_INET,
					  .sin_port = htons((uint16_t)owner_port(o)),
					  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		int fd[8];

		for (size_t k = 0; k < ARRAY_LEN(fd); k++) {
			fd[k] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
			assert_int_equal(connect(fd[k], (struct sockaddr *)&to, sizeof(to)), 0);
		}
		owner_stop(o);
		for (size_t k = 0; k < ARRAY_LEN(fd); k++)
			close(fd[k]);
	}
}

/* server_stop waits for what is out, and the answer still arrives. */
static void
test_stop_waits(void **state)
{
	struct owner *o = owner_start(&web, NULL);
	struct raw *r = raw_open(owner_port(o));
	auto_buf out = BUF_INIT;
	pthread_t t;

	raw_puts(r, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
	while (owner_held(o) == 0)
		clock_sleep_ms(1);
	pthread_create(&t, NULL, release_soon, o);
	owner_stop_server(o);
	pthread_join(t, NULL);
	assert_true(raw_read(r, &out, "true", 3000));
	owner_stop(o);
	raw_close(r);
}

/* ---- strangers (H17) ---- */

static const struct server_options patient = {
	.listen = "127.0.0.1:0",
	.threads = 1,
	.max_connections = 40,
	.max_per_address = 8,
	.timeout_s = 30,
	.header_max = 16384,
};

static bool
answers(struct raw *r, const char *bearer)
{
	auto_buf text = BUF_INIT, out = BUF_INIT;

	buf_addf(&text, "GET /later HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n\r\n",
		 bearer);
	raw_puts(r, text.data);
	return raw_read(r, &out, "{\"ok\":true}", 3000);
}

/* Of one address: whoever comes gets in, the oldest that has said nothing goes; those who have shown a session stay. */
static void
test_strangers_of_one_address(void **state)
{
	struct owner *o = owner_start(&web, &patient);
	struct raw *known[4], *silent[5];

	for (int i = 0; i < 4; i++) {
		known[i] = raw_open_from(owner_port(o), "127.0.0.5");
		assert_true(answers(known[i], "known"));
	}
	for (int i = 0; i < 5; i++)
		silent[i] = raw_open_from(owner_port(o), "127.0.0.5");
	for (int i = 0; i < 5; i++)
		assert_non_null(silent[i]);
	assert_true(raw_closed(silent[0], 3000));
	assert_true(answers(silent[4], "nobody"));
	for (int i = 0; i < 4; i++)
		assert_true(answers(known[i], "known"));
	for (int i = 0; i < 4; i++)
		raw_close(known[i]);
	for (int i = 0; i < 5; i++)
		raw_close(silent[i]);
	owner_stop(o);
}

/* From many addresses: half of all is theirs, and reserved places are nobody else's. */
static void
test_strangers_of_many_addresses(void **state)
{
	struct owner *o = owner_start(&web, &patient);
	struct raw *known = raw_open_from(owner_port(o), "127.0.0.5"), *probe, *fresh;
	struct raw *silent[48];
	char from[32];

	server_set_own(owner_server(o), "127.0.0.77 nonsense ::2");
	assert_true(answers(known, "known"));
	probe = raw_open_from(owner_port(o), "127.0.0.77");
	assert_true(answers(probe, "nobody"));
	for (size_t i = 0; i < ARRAY_LEN(silent); i++) {
		snprintf(from, sizeof(from), "127.0.1.%zu", 1 + i % 12);
		silent[i] = raw_open_from(owner_port(o), from);
		assert_non_null(silent[i]);
	}
	fresh = raw_open_from(owner_port(o), "127.0.0.6");
	assert_non_null(fresh);
	assert_true(answers(fresh, "nobody"));
	assert_true(answers(known, "known"));
	assert_true(answers(probe, "nobody"));
	for (int i = 0; i < 3000 && server_connections(owner_server(o)) > 22; i++)
		clock_sleep_ms(10);
	assert_int_equal(server_connections(owner_server(o)), 20 + 2);
	for (size_t i = 0; i < ARRAY_LEN(silent); i++)
		raw_close(silent[i]);
	raw_close(known);
	raw_close(probe);
	raw_close(fresh);
	owner_stop(o);
}

/* From accept to the end of the first header, whatever drips; a body that nobody has allowed yet; and no longer than that for
 * those only. */
static void
test_first_header_is_hurried(void **state)
{
	static const struct {
		const char *begin, *endless;
	} rows[] = {
		{ "G", "E" },
		{ "GET /now HTTP/1.1\r\nHost: a\r\nX: ", "y" },
		{ "GET /now HTTP/1.1\r\nHost: a\r\n", "X: y\r\n" },
		{ "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n", "z" },
	};
	struct server_options quick = patient;
	struct owner *o;
	struct raw *kept;

	quick.first_ms = 1000;
	o = owner_start(&web, &quick);
	kept = raw_open(owner_port(o));
	assert_true(answers(kept, "nobody"));
	assert_true(plain_closed(owner_port(o), 4000));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t took = trickle(owner_port(o), rows[i].begin, rows[i].endless);

		if (took < 500 || took > 10000)
			fail_msg("row %zu was cut after %lld ms", i, (long long)took);
	}
	assert_true(answers(kept, "nobody")); /* idle for longer than that by now */
	raw_puts(kept, "POST /echo HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "
		       "known\r\nContent-Length: 20000\r\n\r\n");
	assert_false(raw_closed(kept, 2500)); /* whose session was checked has time for the body */
	raw_close(kept);
	owner_stop(o);
}

/* ---- bodies that wait for the owner's word ---- */

static void
add_body(struct buf *out, const char *more, size_t n)
{
	buf_addf(out, "POST /echo HTTP/1.1\r\nHost: a\r\n%sContent-Length: %zu\r\n\r\n", more, n);
	for (size_t i = 0; i < n; i++)
		buf_addc(out, 'b');
}

/* Nothing of it is read before the owner has allowed it: the bytes stay in the kernel, where their sender stops. */
static void
test_large_body_waits(void **state)
{
	struct owner *o = owner_start(&web, &patient);
	struct raw *r = raw_open(owner_port(o));
	auto_buf text = BUF_INIT, out = BUF_INIT;

	raw_puts(r, "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nAuthorization: "
		    "Bearer held\r\n"
		    "Content-Length: 20000\r\n\r\n");
	for (int i = 0; i < 3000 && owner_held(o) == 0; i++)
		clock_sleep_ms(10);
	assert_int_equal(owner_held(o), 1);
	assert_false(raw_read(r, &out, "100 Continue", 300));
	owner_release(o);
	assert_true(raw_read(r, &out, "100 Continue", 3000));
	for (int i = 0; i < 20000; i++)
		buf_addc(&text, 'b');
	raw_write(r, text.data, text.len);
	assert_true(raw_read(r, &out, "bbb", 3000));
	assert_non_null(strstr(out.data, "HTTP/1.1 200"));
	raw_close(r);
	owner_stop(o);
}

/* The refusal arrives though the client is in the middle of sending, and the connection ends; whether or not the length is
 * known. */
static void
test_large_body_refused(void **state)
{
	struct owner *o = owner_start(&web, &patient);
	auto_buf text = BUF_INIT, chunked = BUF_INIT, out = BUF_INIT;
	struct raw *r = raw_open(owner_port(o));

	add_body(&text, "Authorization: Bearer refused\r\n", 3 << 20);
	raw_write(r, text.data, text.len);
	assert_true(raw_read(r, &out, "unauthenticated", 3000));
	assert_non_null(strstr(out.data, "HTTP/1.1 401"));
	assert_non_null(strcasestr(out.data, "Connection: close"));
	assert_true(raw_closed(r, 3000));
	raw_close(r);

	buf_adds(&chunked, "POST /echo HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer refused\r\n"
			   "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
	buf_reset(&out);
	r = raw_open(owner_port(o));
	raw_write(r, chunked.data, chunked.len);
	assert_true(raw_read(r, &out, "unauthenticated", 3000));
	assert_true(raw_closed(r, 3000));
	raw_close(r);
	assert_int_equal(status_of_target(owner_port(o), "/now"), 200);
	owner_stop(o);
}

/* 413, and whatever was announced is not waited for. */
static void
test_refused_at_once(void **state)
{
	struct owner *o = owner_start(&web, &patient);
	struct raw *r = raw_open(owner_port(o));
	auto_buf out = BUF_INIT;

	raw_puts(r, "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n");
	assert_true(raw_read(r, &out, "too_large", 3000));
	assert_true(raw_closed(r, 3000));
	raw_close(r);
	owner_stop(o);
}

/* ---- certificates ---- */

static void
test_reload_cert(void **state)
{
	struct owner *o = owner_start(&web, NULL);
	struct client *old = client_to(owner_port(o), web.cert.data), *fresh;
	enum client_failure failure;
	struct client_reply r;
	struct pair next;
	struct err e = { 0 };

	pair_make(&next, "localhost", false, NULL, 30);
	assert_int_equal(client_call(old, "GET", "/now", NULL, &r, NULL, &e), 0);
	client_reply_done(&r);
	assert_int_equal(server_reload_cert(owner_server(o), web.cert.data, next.key.data, &e),
			 ERR_BAD_FIELD);
	assert_int_equal(server_reload_cert(owner_server(o), "rubbish", "rubbish", &e),
			 ERR_BAD_FIELD);
	assert_int_equal(server_reload_cert(owner_server(o), next.cert.data, next.key.data, &e), 0);
	/* the running connection goes on */
	assert_int_equal(client_call(old, "GET", "/later", NULL, &r, NULL, &e), 0);
	client_reply_done(&r);
	/* new ones see the new certificate and nothing else */
	fresh = client_to(owner_port(o), next.cert.data);
	assert_int_equal(client_call(fresh, "GET", "/now", NULL, &r, NULL, &e), 0);
	client_reply_done(&r);
	client_free(fresh);
	fresh = client_to(owner_port(o), web.cert.data);
	assert_int_equal(client_call(fresh, "GET", "/now", NULL, &r, &failure, &e),
			 ERR_UNREACHABLE);
	assert_int_equal(failure, CLIENT_UNTRUSTED);
	client_free(fresh);
	client_free(old);
	pair_done(&next);
	owner_stop(o);
}

/* ---- start ---- */

static int
try_start(const char *listen_on, const char *cert, const char *key, struct err *e)
{
	struct server_options o = hasty;
	struct server *s;
	int rc;

	o.listen = listen_on;
	o.cert_pem = cert;
	o.key_pem = key;
	rc = server_start(&o, &s, e);
	if (rc == 0)
		server_stop(s);
	return rc;
}

static void
test_start_errors(void **state)
{
	struct owner *o = owner_start(&web, NULL);
	struct err e = { 0 };
	struct pair other;
	char taken[64];

	pair_make(&other, "localhost", false, NULL, 30);
	snprintf(taken, sizeof(taken), "127.0.0.1:%u", owner_port(o));
	assert_int_equal(try_start(taken, web.cert.data, web.key.data, &e), ERR_IO);
	assert_non_null(strstr(e.text, "in use by another program"));
	assert_int_equal(try_start("192.0.2.1:0", web.cert.data, web.key.data, &e), ERR_IO);
	assert_non_null(strstr(e.text, "not an address of this machine"));
	assert_int_equal(try_start("127.0.0.1:0", web.cert.data, other.key.data, &e),
			 ERR_BAD_FIELD);
	assert_non_null(strstr(e.text, "does not belong"));
	static const char *const bad[] = { "",	       "7272",	    "host:7272",	"1.2.3.4",
					   "1.2.3.4:", "1.2.3.4:x", "1.2.3.4:99999999", "[::1:7272",
					   "::1:",     ":7272" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (try_start(bad[i], web.cert.data, web.key.data, &e) != ERR_BAD_FIELD)
			fail_msg("\"%s\" was not refused", bad[i]);
	pair_done(&other);
	owner_stop(o);
}

static void
test_port_needs_permission(void **state)
{
	struct err e = { 0 };
	int status;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	pid = fork();
	if (pid == 0) {
		int fd;

		if (setuid(65534) < 0)
			_exit(2);
		_exit(listener_open("127.0.0.1:81", &fd, &e) == ERR_IO &&
				      strstr(e.text, "not permitted")
			      ? 0
			      : 1);
	}
	waitpid(pid, &status, 0);
	if (WEXITSTATUS(status) != 0) {
		/* the system may let everybody have low ports */
		FILE *f = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "r");
		int first = 1024;

		if (f && fscanf(f, "%d", &first) == 1 && first <= 81)
			status = 0;
		if (f)
			fclose(f);
	}
	assert_int_equal(status, 0);
}

static void
test_ipv6(void **state)
{
	struct server_options o6 = hasty;
	struct owner *o;
	struct err e = { 0 };
	int fd;

	if (listener_open("[::1]:0", &fd, &e) < 0)
		skip(); /* no IPv6 here */
	close(fd);
	o6.listen = "[::]:0";
	o = owner_start(&web, &o6);
	struct raw *r = raw_open(owner_port(o)); /* IPv4 reaches it too */
	auto_buf out = BUF_INIT;
	raw_puts(r, "GET /who HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_true(raw_read(r, &out, "}", 3000));
	assert_non_null(strstr(out.data, "\"address\":\"127.0.0.1\",\"loopback\":true"));
	raw_close(r);
	owner_stop(o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers_on_both_threads),
		cmocka_unit_test(test_security_headers),
		cmocka_unit_test(test_own_headers_replace_defaults),
		cmocka_unit_test(test_no_content_and_head),
		cmocka_unit_test(test_request_fields),
		cmocka_unit_test(test_refuses_targets),
		cmocka_unit_test(test_refuses_headers),
		cmocka_unit_test(test_oversized_headers),
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_chunked_body),
		cmocka_unit_test(test_body_too_large),
		cmocka_unit_test(test_big_reply),
		cmocka_unit_test(test_pipelining),
		cmocka_unit_test(test_tls_13_only),
		cmocka_unit_test(test_slow_clients),
		cmocka_unit_test(test_idle_and_silent),
		cmocka_unit_test(test_waiting_request_is_kept),
		cmocka_unit_test(test_concurrency),
		cmocka_unit_test(test_client_leaves),
		cmocka_unit_test(test_stops_again_and_again),
		cmocka_unit_test(test_stop_waits),
		cmocka_unit_test(test_strangers_of_one_address),
		cmocka_unit_test(test_strangers_of_many_addresses),
		cmocka_unit_test(test_first_header_is_hurried),
		cmocka_unit_test(test_large_body_waits),
		cmocka_unit_test(test_large_body_refused),
		cmocka_unit_test(test_refused_at_once),
		cmocka_unit_test(test_reload_cert),
		cmocka_unit_test(test_start_errors),
		cmocka_unit_test(test_port_needs_permission),
		cmocka_unit_test(test_ipv6),
	};

	return cmocka_run_group_tests(tests, make_web, drop_web);
}
