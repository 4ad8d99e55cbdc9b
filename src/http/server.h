/* SPDX-License-Identifier: Apache-2.0
 *
 * The HTTPS server: TLS 1.3 only, HTTP/1.1 with keep-alive. libmicrohttpd is included in server.c
 * only. Runs its own threads (epoll); on_request is called on them.
 *
 * Deadlines, each timeout_s long: from accept, or from the end of the last reply, to a whole
 * request line; from there to the last byte of headers and body; and for the reply to leave, plus
 * one second for every 16 KiB of it. A request that waits for its answer has none. So trickling
 * bytes keeps no connection for ever, whatever the pace.
 *
 * Every reply has Cache-Control, Content-Security-Policy and their like; a header of the same name
 * that the owner set takes the place of the default.
 */
#pragma once

#include "http/request.h"

struct server;

struct server_options {
	const char *listen; /* "address:port", "[v6]:port" */
	const char *cert_pem, *key_pem;
	unsigned threads; /* ≥ 1 */
	unsigned max_connections, max_per_address;
	unsigned timeout_s; /* the deadlines above; ≥ 1 */
	size_t header_max; /* bytes of header memory per connection; raised to 33 KiB (see server.c)
			    */
	void *ctx;
	/* Called when the headers are in, before the body: how many bytes of body this request may
	 * have (413 beyond). path is canonical. */
	size_t (*body_limit)(void *ctx, enum http_method method, const char *path);
	/* Called with the whole request; must end in request_send, now or later, on any thread. */
	void (*on_request)(void *ctx, struct request *rq);
};

/* ERR_IO with the reason when the port is taken ("… is in use by another program; …"). */
int server_start(const struct server_options *o, struct server **ret,
		 struct err *e) NONNULL MUST_USE;
/* Stops accepting, waits for requests in flight, frees. All requests must be sent. Takes NULL. */
void server_stop(struct server *s);
/* New certificate for new connections. */
int server_reload_cert(struct server *s, const char *cert_pem, const char *key_pem,
		       struct err *e) NONNULL MUST_USE;
unsigned server_port(
	const struct server *s) NONNULL; /* the one that was bound, when listen said 0 */
uint64_t server_requests(const struct server *s) NONNULL; /* total, for /metrics */
unsigned server_connections(const struct server *s) NONNULL;
