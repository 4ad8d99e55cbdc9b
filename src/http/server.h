/* SPDX-License-Identifier: Apache-2.0
 *
 * The HTTPS server: TLS 1.3 only, HTTP/1.1 with keep-alive. libmicrohttpd is included in server.c
 * only. Runs its own threads (epoll); on_request is called on them.
 *
 * Deadlines. A stranger, who has shown no session on this connection, has first_ms from accept to the end of the
 * first request's headers, TLS included, and first_ms from the end of any headers to the last byte of the body.
 * All other deadlines are timeout_s: from the end of the last reply to a whole request line; from there to the
 * last byte of headers and body; and for the reply to be sent, plus one second for every 16 KiB of it. A request
 * that waits for its answer has none. So nobody holds a connection for ever by trickling bytes, at whatever pace.
 *
 * Bodies. If body_limit allows more than SERVER_UNCHECKED_MAX, on_head must let the body in: until then nothing
 * is read and the connection is parked. Smaller bodies are read without waiting for the owner's checks, so that
 * the usual request costs one hand-over; strangers can thus make this process hold SERVER_UNCHECKED_MAX for each
 * of their places. A refused client is answered at once, and its connection closed without reading the rest.
 *
 * Places: http/door.h.
 *
 * Every reply has Cache-Control, Content-Security-Policy and the like; a header that the owner sets
 * replaces the default of the same name.
 */
#pragma once

#include "http/request.h"

struct server;

#define SERVER_UNCHECKED_MAX 16384 /* bytes of a body that nobody has allowed yet */

struct server_options {
	const char *listen; /* "address:port", "[v6]:port" */
	const char *cert_pem, *key_pem;
	unsigned threads; /* ≥ 1 */
	unsigned max_connections, max_per_address;
	unsigned timeout_s; /* the deadlines above; ≥ 1 */
	unsigned first_ms;  /* 0, or longer than timeout_s: as timeout_s */
	size_t header_max; /* bytes of header memory per connection; raised to 33 KiB (see server.c)
			    */
	void *ctx;
	/* Called when the headers are in, before the body: how many bytes of body this request may
	 * have (413 beyond). path is canonical. */
	size_t (*body_limit)(void *ctx, enum http_method method, const char *path);
	/* Called before the body when body_limit says more than SERVER_UNCHECKED_MAX; must end in
	 * request_admit, or in request_send to refuse, now or later, on any thread. NULL: every body is let in. */
	void (*on_head)(void *ctx, struct request *rq);
	/* Called with the whole request; must end in request_send, now or later, on any thread. */
	void (*on_request)(void *ctx, struct request *rq);
};

/* ERR_IO with the reason when the port is taken ("… is in use by another program; …"). */
int server_start(const struct server_options *o, struct server **ret,
		 struct err *e) NONNULL MUST_USE;
/* Stops accepting, waits for requests in flight, frees. All requests must be sent. Takes NULL. */
void server_stop(struct server *s);
/* Sets the addresses that have reserved places (door_set_own). Any thread. */
void server_set_own(struct server *s, const char *addresses) NONNULL;
/* Uses a new certificate for new connections. */
int server_reload_cert(struct server *s, const char *cert_pem, const char *key_pem,
		       struct err *e) NONNULL MUST_USE;
unsigned server_port(
	const struct server *s) NONNULL; /* the one that was bound, when listen said 0 */
uint64_t server_requests(const struct server *s) NONNULL; /* total, for /metrics */
unsigned server_connections(const struct server *s) NONNULL;
