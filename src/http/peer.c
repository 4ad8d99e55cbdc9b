/* SPDX-License-Identifier: Apache-2.0
 *
 * Fetches the certificate that a host shows, without trusting it.
 */
#include "http/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <gnutls/gnutls.h>
#include "base/clock.h"

#define CHAIN_MAX 16

static int
await_connect(int fd, int64_t until_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int64_t left = until_ms - clock_mono_ms();
	socklen_t n = sizeof(int);
	int why = 0, rc = poll(&p, 1, left > 0 ? (int)left : 0);

	if (rc == 0)
		why = ETIMEDOUT;
	else if (rc < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &n) < 0)
		why = errno;
	return why;
}

/* 0 and *ret_fd, or errno. */
static int
connect_one(const struct addrinfo *ai, int64_t until_ms, int *ret_fd)
{
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int why = 0;

	if (fd < 0)
		return errno;
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) < 0)
		why = errno == EINPROGRESS ? await_connect(fd, until_ms) : errno;
	if (why == 0)
		*ret_fd = fd;
	else
		close(fd);
	return why;
}

static int
connect_host(const char *host, int port, int64_t until_ms, int *ret_fd, struct err *e)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	struct addrinfo *all;
	char service[8];
	int why = ETIMEDOUT, rc;

	snprintf(service, sizeof(service), "%d", port);
	rc = getaddrinfo(host, service, &hints, &all);
	if (rc != 0)
		return err_set(e, ERR_UNREACHABLE, "%s is not known: %s; check DNS or /etc/hosts",
			       host, gai_strerror(rc));
	for (struct addrinfo *ai = all; ai && why; ai = ai->ai_next)
		why = connect_one(ai, until_ms, ret_fd);
	freeaddrinfo(all);
	errno = why;
	return why ? err_errno(e, ERR_UNREACHABLE, "%s:%d cannot be reached", host, port) : 0;
}

static int
handshake(gnutls_session_t tls, int fd, int64_t until_ms)
{
	int64_t left = until_ms - clock_mono_ms();
	int rc;

	gnutls_transport_set_int(tls, fd);
	gnutls_handshake_set_timeout(tls, left > 1 ? (unsigned)left : 1);
	do {
		rc = gnutls_handshake(tls);
		if (rc == GNUTLS_E_AGAIN) {
			struct pollfd p = { fd, gnutls_record_get_direction(tls) ? POLLOUT : POLLIN,
					    0 };

			poll(&p, 1, 50);
			if (clock_mono_ms() > until_ms)
				return GNUTLS_E_TIMEDOUT;
		}
	} while (rc < 0 && !gnutls_error_is_fatal(rc));
	return rc;
}

static int
add_chain(gnutls_session_t tls, struct buf *out)
{
	unsigned n = 0;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(tls, &n);

	if (!chain || n == 0 || n > CHAIN_MAX)
		return GNUTLS_E_NO_CERTIFICATE_FOUND;
	for (unsigned i = 0; i < n; i++) {
		gnutls_datum_t pem;
		int rc = gnutls_pem_base64_encode2("CERTIFICATE", &chain[i], &pem);

		if (rc < 0)
			return rc;
		buf_add(out, pem.data, pem.size);
		gnutls_free(pem.data);
	}
	return 0;
}

static bool
is_address(const char *host)
{
	char bytes[16];

	return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

static int
fetch_chain(const char *host, int fd, int64_t until_ms, struct buf *out)
{
	gnutls_certificate_credentials_t none;
	gnutls_session_t tls;
	int rc = gnutls_certificate_allocate_credentials(&none);

	if (rc < 0)
		return rc;
	rc = gnutls_init(&tls, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
	if (rc == 0) {
		rc = gnutls_priority_set_direct(tls, "NORMAL:-VERS-ALL:+VERS-TLS1.3", NULL);
		if (rc == 0)
			rc = gnutls_credentials_set(tls, GNUTLS_CRD_CERTIFICATE, none);
		if (rc == 0 && !is_address(host))
			rc = gnutls_server_name_set(tls, GNUTLS_NAME_DNS, host, strlen(host));
		if (rc == 0)
			rc = handshake(tls, fd, until_ms);
		if (rc == 0)
			rc = add_chain(tls, out);
		gnutls_deinit(tls);
	}
	gnutls_certificate_free_credentials(none);
	return rc;
}

int
client_peer_cert(const char *host, int port, int timeout_ms, struct buf *ret_pem, struct err *e)
{
	int64_t until_ms = clock_mono_ms() + timeout_ms;
	auto_buf pem = BUF_INIT;
	int fd = -1, rc = connect_host(host, port, until_ms, &fd, e);

	if (rc < 0)
		return rc;
	rc = fetch_chain(host, fd, until_ms, &pem);
	close(fd);
	if (rc < 0)
		return err_set(e, ERR_UNREACHABLE,
			       "%s:%d does not speak TLS 1.3 as a node does: %s", host, port,
			       gnutls_strerror(rc));
	buf_reset(ret_pem);
	buf_add(ret_pem, pem.data, pem.len);
	return 0;
}
