/* SPDX-License-Identifier: Apache-2.0 */
#include "base/port.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/settings.h"

#define PORT_SAY_MS 1000
#define PORT_WAIT_MS 3000 /* a predecessor that was killed may still be closing its sockets */

int
port_of(const char *address)
{
	const char *colon = strrchr(address, ':');

	return colon ? (int)strtol(colon + 1, NULL, 10) : 0;
}

/* The listeners are made with SO_REUSEADDR too: only a live one is in the way. */
static int
try_bind(const struct addrinfo *ai)
{
	int one = 1, fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC, ai->ai_protocol);
	if (fd < 0)
		return errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (ai->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	int r = bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, 1) < 0 ? errno : 0;
	close(fd);
	return r;
}

static int
port_refused(int why, const char *address, const char *setting, struct err *e)
{
	const char *port = strrchr(address, ':');
	port = port ? port + 1 : address;
	switch (why) {
	case EADDRINUSE:
		return err_set(
			e, ERR_REFUSED,
			"the port %s of address %s is in use by another program: stop that one "
			"(ss -ltnp 'sport = :%s' names it), or set %s in conf/holdfast.conf to "
			"another address and port",
			port, address, port, setting);
	case EADDRNOTAVAIL:
		return err_set(
			e, ERR_UNREACHABLE,
			"this machine does not have the address in %s (%s): set %s in "
			"conf/holdfast.conf to one that it has, or to 0.0.0.0 for all of them",
			address, setting, setting);
	case EACCES:
		return err_set(
			e, ERR_REFUSED,
			"the system does not let this user listen on %s: ports below 1024 need "
			"leave (systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE); set %s in "
			"conf/holdfast.conf to a higher port",
			address, setting);
	default:
		errno = why;
		return err_errno(e, ERR_REFUSED, "cannot listen on %s (%s)", address, setting);
	}
}

int
port_check(const char *address, const char *setting, struct err *e)
{
	char host[SETTINGS_TEXT_MAX];
	const char *colon = strrchr(address, ':');
	size_t n = colon ? (size_t)(colon - address) : 0;
	if (!colon || n >= sizeof(host))
		return err_set(e, ERR_BAD_FIELD, "%s: '%s' is no address:port", setting, address);
	bool bracketed = n >= 2 && address[0] == '[' && address[n - 1] == ']';
	snprintf(host, sizeof(host), "%.*s", (int)(bracketed ? n - 2 : n), address + bracketed);
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
				  .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	struct addrinfo *list = NULL;
	bool wild = !*host || strcmp(host, "*") == 0;
	int g = getaddrinfo(wild ? NULL : host, colon + 1, &hints, &list);
	if (g)
		return err_set(e, g == EAI_AGAIN ? ERR_UNREACHABLE : ERR_REFUSED,
			       "%s: the address %s is not known here: %s", setting, address,
			       gai_strerror(g));
	int why = 0;
	bool said = false;
	for (int64_t now, began = clock_mono_ms();;) {
		why = try_bind(list);
		now = clock_mono_ms();
		if (why != EADDRINUSE || now >= began + PORT_WAIT_MS)
			break;
		if (!said && now >= began + PORT_SAY_MS) {
			log_notice(
				"the port %s (%s) is in use; waiting %d s at most until it is free",
				colon + 1, setting, PORT_WAIT_MS / 1000);
			said = true;
		}
		clock_sleep_ms(50);
	}
	freeaddrinfo(list);
	return why ? port_refused(why, address, setting, e) : 0;
}
