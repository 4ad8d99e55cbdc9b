/* SPDX-License-Identifier: Apache-2.0 */
#include "http/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 1024

struct where {
	char host[64], port[6];
};

static int
refuse_text(const char *text, struct err *e)
{
	return err_set(e, ERR_BAD_FIELD,
		       "\"%s\" is no address to listen on; write it as 0.0.0.0:7272 or [::]:7272",
		       text);
}

static bool
copy_part(char *to, size_t size, const char *from, size_t n)
{
	if (n == 0 || n >= size)
		return false;
	memcpy(to, from, n);
	to[n] = '\0';
	return true;
}

static bool
port_fits(const char *p)
{
	return strspn(p, "0123456789") == strlen(p) && strlen(p) <= 5 && *p;
}

static int
split(const char *text, struct where *ret, struct err *e)
{
	const char *colon = strrchr(text, ':');
	const char *host = text, *end = colon;

	if (!colon || !port_fits(colon + 1))
		return refuse_text(text, e);
	if (*text == '[') {
		host = text + 1;
		end = colon - 1;
		if (end <= host || *end != ']')
			return refuse_text(text, e);
	}
	if (!copy_part(ret->host, sizeof(ret->host), host, (size_t)(end - host)) ||
	    !copy_part(ret->port, sizeof(ret->port), colon + 1, strlen(colon + 1)))
		return refuse_text(text, e);
	return 0;
}

static int
refuse_bind(const char *text, int why, struct err *e)
{
	errno = why;
	if (why == EADDRINUSE)
		return err_set(
			e, ERR_IO,
			"%s is in use by another program; stop that program or choose another "
			"port (setting listen)",
			text);
	if (why == EACCES)
		return err_set(
			e, ERR_IO,
			"listening on %s is not permitted; choose a port of 1024 or above, or "
			"allow it with CAP_NET_BIND_SERVICE",
			text);
	if (why == EADDRNOTAVAIL)
		return err_set(
			e, ERR_IO,
			"%s is not an address of this machine; use one that is, or 0.0.0.0 for all",
			text);
	return err_errno(e, ERR_IO, "cannot listen on %s", text);
}

static int
bind_and_listen(int fd, const struct addrinfo *ai)
{
	int on = 1, off = 0;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -1;
	/* [::] takes IPv4 too, whatever the system's default is. */
	if (ai->ai_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0)
		return -1;
	return bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0 ? -1 : 0;
}

int
listener_open(const char *listen_on, int *ret_fd, struct err *e)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
					.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV };
	struct where where;
	struct addrinfo *ai;
	int rc = split(listen_on, &where, e), fd, why;

	if (rc < 0)
		return rc;
	if (getaddrinfo(where.host, where.port, &hints, &ai) != 0)
		return refuse_text(listen_on, e);
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	rc = fd < 0 ? -1 : bind_and_listen(fd, ai);
	why = errno;
	freeaddrinfo(ai);
	if (rc < 0) {
		if (fd >= 0)
			close(fd);
		return refuse_bind(listen_on, why, e);
	}
	*ret_fd = fd;
	return 0;
}

unsigned
listener_port(int fd)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t n = sizeof(ss);

	if (getsockname(fd, (struct sockaddr *)&ss, &n) < 0)
		return 0;
	if (ss.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&ss)->sin6_port);
	return ntohs(((struct sockaddr_in *)&ss)->sin_port);
}
