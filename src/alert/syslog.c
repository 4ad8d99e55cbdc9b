/* SPDX-License-Identifier: Apache-2.0 */
#include "alert/syslog.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "base/attr.h"
#include "base/clock.h"
#include "base/mem.h"

#define CONNECT_MS 5000
#define TALK_S 10
#define PRIORITY "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

/* ---- the way there ---- */

struct place {
	char host[256], port[8];
};

static int
parse_address(const char *address, struct place *ret, struct err *e)
{
	const char *colon = strrchr(address, ':'), *host = address;
	size_t n = colon ? (size_t)(colon - address) : 0;

	if (n > 1 && host[0] == '[' && host[n - 1] == ']') {
		host++;
		n -= 2;
	}
	if (n == 0 || n >= sizeof(ret->host) || !colon[1] || strlen(colon + 1) > 5 ||
	    colon[1 + strspn(colon + 1, "0123456789")])
		return err_set(e, ERR_USAGE, "alert_syslog is host:port, not \"%.100s\"", address);
	memcpy(ret->host, host, n);
	ret->host[n] = '\0';
	snprintf(ret->port, sizeof(ret->port), "%s", colon + 1);
	return 0;
}

static bool
connect_one(int fd, const struct addrinfo *a)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int error = 0;
	socklen_t len = sizeof(error);

	if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
		return true;
	if (errno != EINPROGRESS)
		return false;
	if (poll(&p, 1, CONNECT_MS) <= 0) {
		errno = ETIMEDOUT;
		return false;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return false;
	errno = error;
	return error == 0;
}

/* Blocking from here on, but for TALK_S at most. */
static void
set_waits(int fd)
{
	const struct timeval t = { .tv_sec = TALK_S };
	int flags = fcntl(fd, F_GETFL);

	fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
}

static int
open_connection(const struct place *p, int *ret, struct err *e)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
	struct addrinfo *all;
	int error = getaddrinfo(p->host, p->port, &hints, &all), fd = -1;

	if (error)
		return err_set(e, ERR_UNREACHABLE, "%s: %s", p->host, gai_strerror(error));
	for (const struct addrinfo *a = all; a; a = a->ai_next) {
		fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fd >= 0 && connect_one(fd, a))
			break;
		error = errno;
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	freeaddrinfo(all);
	if (fd < 0)
		return err_set(e, ERR_UNREACHABLE, "%s:%s: %s", p->host, p->port, strerror(error));
	set_waits(fd);
	*ret = fd;
	return 0;
}

/* ---- TLS ---- */

struct talk {
	gnutls_certificate_credentials_t trust;
	gnutls_session_t session;
	int fd;
};

static void
done_talk(struct talk *t)
{
	if (t->session)
		gnutls_deinit(t->session);
	if (t->trust)
		gnutls_certificate_free_credentials(t->trust);
	if (t->fd >= 0)
		close(t->fd);
}

static int
failed(const struct place *p, const char *what, int code, struct err *e)
{
	return err_set(e, ERR_UNREACHABLE, "%s:%s: %s: %s", p->host, p->port, what,
		       gnutls_strerror(code));
}

static int
set_trust(struct talk *t, const char *ca_file, struct err *e)
{
	int n;

	mem_check(gnutls_certificate_allocate_credentials(&t->trust) >= 0);
	n = ca_file[0]
		    ? gnutls_certificate_set_x509_trust_file(t->trust, ca_file, GNUTLS_X509_FMT_PEM)
		    : gnutls_certificate_set_x509_system_trust(t->trust);
	return n > 0 ? 0
		     : err_set(e, ERR_IO, "no certificate to trust in %s",
			       ca_file[0] ? ca_file : "the system's store");
}

static bool
is_address(const char *host)
{
	return strchr(host, ':') || host[strspn(host, "0123456789.")] == '\0';
}

static int
shake_hands(struct talk *t, const struct place *p, struct err *e)
{
	int rc;

	mem_check(gnutls_init(&t->session, GNUTLS_CLIENT) >= 0 &&
		  gnutls_priority_set_direct(t->session, PRIORITY, NULL) >= 0 &&
		  gnutls_credentials_set(t->session, GNUTLS_CRD_CERTIFICATE, t->trust) >= 0);
	if (!is_address(p->host))
		gnutls_server_name_set(t->session, GNUTLS_NAME_DNS, p->host, strlen(p->host));
	gnutls_session_set_verify_cert(t->session, p->host, 0);
	gnutls_transport_set_int(t->session, t->fd);
	gnutls_handshake_set_timeout(t->session, TALK_S * 1000);
	do
		rc = gnutls_handshake(t->session);
	while (rc < 0 && !gnutls_error_is_fatal(rc) && rc != GNUTLS_E_AGAIN);
	return rc == 0 ? 0 : failed(p, "no TLS", rc, e);
}

static int
send_all(struct talk *t, const struct place *p, const char *at, size_t n, struct err *e)
{
	while (n > 0) {
		ssize_t k = gnutls_record_send(t->session, at, n);
		if (k == GNUTLS_E_INTERRUPTED)
			continue;
		if (k <= 0)
			return failed(p, "it took not all", (int)k, e);
		at += k;
		n -= (size_t)k;
	}
	return 0;
}

/* A receiver that only ends the connection has read what came before our end, too; one that breaks it has not. What TLS
 * 1.3 sends by itself meanwhile (tickets) shows as "again", as a wait that was too long does. */
static int
close_well(struct talk *t, const struct place *p, struct err *e)
{
	int64_t until = clock_mono_ms() + TALK_S * 1000;
	int rc;

	do
		rc = gnutls_bye(t->session, GNUTLS_SHUT_RDWR);
	while ((rc == GNUTLS_E_INTERRUPTED || rc == GNUTLS_E_AGAIN) && clock_mono_ms() < until);
	if (rc == 0 || rc == GNUTLS_E_PREMATURE_TERMINATION)
		return 0;
	return failed(p, "it is not known whether it was read", rc, e);
}

int
syslog_send(const char *address, const char *ca_file, const void *frame, size_t n, struct err *e)
{
	FREE_WITH(done_talk) struct talk t = { .fd = -1 };
	struct place p;
	int rc = parse_address(address, &p, e);

	if (rc == 0)
		rc = set_trust(&t, ca_file, e);
	if (rc == 0)
		rc = open_connection(&p, &t.fd, e);
	if (rc == 0)
		rc = shake_hands(&t, &p, e);
	if (rc == 0)
		rc = send_all(&t, &p, frame, n, e);
	return rc ? rc : close_well(&t, &p, e);
}
