/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS over a narrow socket: whatever is kept, sent in parts or refused by the socket, the other end sees all of it in order.
 */
#include "fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/clock.h"
#include "http/listener.h"
#include "http/wire.h"

#define ROUNDS 400

static struct pair web;

struct side {
	int fd;
	gnutls_session_t tls;
	gnutls_certificate_credentials_t cred;
	struct wire wire;
};

/* A connected pair of TCP sockets with small buffers. */
static void
connect_pair(int *ret_server, int *ret_client)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	int listen_fd, small = 4096;
	struct err e;

	assert_int_equal(listener_open("127.0.0.1:0", &listen_fd, &e), 0);
	setsockopt(listen_fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	sin.sin_port = htons((uint16_t)listener_port(listen_fd));
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*ret_client = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(*ret_client, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	assert_int_equal(connect(*ret_client, (struct sockaddr *)&sin, sizeof(sin)), 0);
	for (int i = 0;
	     (*ret_server = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK)) < 0 && i < 1000; i++)
		clock_sleep_ms(1);
	assert_true(*ret_server >= 0);
	close(listen_fd);
}

static void
begin(struct side *s, int fd, unsigned flags, bool wired)
{
	const gnutls_datum_t cert = { (void *)web.cert.data, (unsigned)web.cert.len };
	const gnutls_datum_t key = { (void *)web.key.data, (unsigned)web.key.len };

	*s = (struct side){ .fd = fd };
	gnutls_certificate_allocate_credentials(&s->cred);
	if (flags & GNUTLS_SERVER)
		gnutls_certificate_set_x509_key_mem(s->cred, &cert, &key, GNUTLS_X509_FMT_PEM);
	gnutls_init(&s->tls, flags | GNUTLS_NO_SIGNAL);
	gnutls_priority_set_direct(s->tls, "NORMAL:-VERS-ALL:+VERS-TLS1.3", NULL);
	gnutls_credentials_set(s->tls, GNUTLS_CRD_CERTIFICATE, s->cred);
	if (wired)
		wire_attach(&s->wire, s->tls, fd);
	else
		gnutls_transport_set_int(s->tls, fd);
}

static void
end(struct side *s)
{
	gnutls_deinit(s->tls);
	gnutls_certificate_free_credentials(s->cred);
	close(s->fd);
}

static void
await(struct side *s)
{
	struct pollfd p = { s->fd, gnutls_record_get_direction(s->tls) ? POLLOUT : POLLIN, 0 };

	poll(&p, 1, 1000);
}

static void
handshake(struct side *s)
{
	int rc;

	while ((rc = gnutls_handshake(s->tls)) < 0 && !gnutls_error_is_fatal(rc))
		await(s);
	assert_int_equal(rc, 0);
}

/* Byte i of all that is sent. */
static char
pattern(size_t i)
{
	return (char)(i * 31 + i / 251);
}

static void
send_piece(struct side *s, size_t *at, size_t n)
{
	char data[20000];
	ssize_t k;

	for (size_t i = 0; i < n; i++)
		data[i] = pattern(*at + i);
	*at += n;
	for (size_t done = 0; done < n; done += (size_t)k) {
		while ((k = gnutls_record_send(s->tls, data + done, n - done)) == GNUTLS_E_AGAIN ||
		       k == GNUTLS_E_INTERRUPTED)
			await(s);
		assert_true(k > 0);
	}
}

/* Heads and bodies of all sizes, as the server sends them. */
static void *
send_all(void *arg)
{
	struct side *s = arg;
	unsigned seed = 7;
	size_t at = 0;

	handshake(s);
	for (int i = 0; i < ROUNDS; i++) {
		wire_hold(&s->wire, 1);
		send_piece(s, &at, (size_t)rand_r(&seed) % 3000 + 1);
		if (i % 5)
			send_piece(s, &at, (size_t)rand_r(&seed) % 20000 + 1);
		while (!wire_flush(&s->wire))
			await(s);
	}
	while (gnutls_bye(s->tls, GNUTLS_SHUT_WR) == GNUTLS_E_AGAIN)
		await(s); /* the socket may be full for this, too */
	return (void *)at;
}

static void
test_order_through_a_narrow_socket(void **state)
{
	struct side server, client;
	int server_fd, client_fd;
	char data[3000];
	size_t at = 0;
	ssize_t k;
	void *sent;
	pthread_t t;

	connect_pair(&server_fd, &client_fd);
	begin(&server, server_fd, GNUTLS_SERVER | GNUTLS_NONBLOCK, true);
	begin(&client, client_fd, GNUTLS_CLIENT, false);
	pthread_create(&t, NULL, send_all, &server);
	handshake(&client);
	while ((k = gnutls_record_recv(client.tls, data, sizeof(data))) > 0) {
		for (ssize_t i = 0; i < k; i++)
			if (data[i] != pattern(at + (size_t)i))
				fail_msg("byte %zu is another", at + (size_t)i);
		at += (size_t)k;
		if (at % 7 == 0)
			clock_sleep_ms(1);
	}
	pthread_join(t, &sent);
	assert_int_equal(at, (size_t)sent);
	end(&server);
	end(&client);
}

static void *
greet(void *arg)
{
	struct side *s = arg;
	size_t at = 0;

	handshake(s);
	for (int i = 0; i < 200; i++)
		send_piece(s, &at, (size_t)i * 97 % 9000 + 1);
	gnutls_bye(s->tls, GNUTLS_SHUT_WR);
	return NULL;
}

/* The way in: records of all sizes through the receiving buffer. */
static void
test_receives_all(void **state)
{
	struct side server, client;
	int server_fd, client_fd;
	size_t at = 0, want = 0;
	char data[700];
	ssize_t k;
	pthread_t t;

	for (size_t i = 0; i < 200; i++)
		want += i * 97 % 9000 + 1;
	connect_pair(&server_fd, &client_fd);
	begin(&server, server_fd, GNUTLS_SERVER | GNUTLS_NONBLOCK, true);
	begin(&client, client_fd, GNUTLS_CLIENT, false);
	pthread_create(&t, NULL, greet, &client);
	handshake(&server);
	while ((k = gnutls_record_recv(server.tls, data, sizeof(data))) != 0) {
		if (k == GNUTLS_E_AGAIN) {
			await(&server);
			continue;
		}
		assert_true(k > 0);
		for (ssize_t i = 0; i < k; i++)
			assert_int_equal(data[i], pattern(at + (size_t)i));
		at += (size_t)k;
	}
	assert_int_equal(at, want);
	pthread_join(t, NULL);
	end(&server);
	end(&client);
}

/* A held head leaves with the body, in one piece. */
static void
test_head_waits_for_body(void **state)
{
	struct side server, client;
	int server_fd, client_fd, there = 0;
	size_t at = 0;
	pthread_t t;

	connect_pair(&server_fd, &client_fd);
	begin(&server, server_fd, GNUTLS_SERVER | GNUTLS_NONBLOCK, true);
	begin(&client, client_fd, GNUTLS_CLIENT, false);
	pthread_create(&t, NULL, (void *(*)(void *))(void (*)(void))handshake, &server);
	handshake(&client);
	pthread_join(t, NULL);
	wire_hold(&server.wire, 1);
	send_piece(&server, &at, 100);
	clock_sleep_ms(20);
	assert_int_equal(ioctl(client_fd, FIONREAD, &there), 0);
	assert_int_equal(there, 0);
	send_piece(&server, &at, 50);
	clock_sleep_ms(20);
	assert_int_equal(ioctl(client_fd, FIONREAD, &there), 0);
	assert_true(there >= 150);
	assert_true(wire_flush(&server.wire));
	end(&server);
	end(&client);
}

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_through_a_narrow_socket),
		cmocka_unit_test(test_receives_all),
		cmocka_unit_test(test_head_waits_for_body),
	};

	return cmocka_run_group_tests(tests, make_web, drop_web);
}
