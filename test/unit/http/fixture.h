/* SPDX-License-Identifier: Apache-2.0
 *
 * For the tests of http: certificates, a raw TLS connection, a server with an owner that answers on
 * the HTTP thread or from a thread of its own.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "http/client.h"
#include "http/json.h"
#include "http/server.h"

struct pair {
	struct buf cert, key;
};

/* Signed by `by`, or by itself; made for "localhost" and 127.0.0.1. days < 0: over already. */
void pair_make(struct pair *p, const char *cn, bool is_ca, const struct pair *by, int days);
void pair_done(struct pair *p);

/* A TLS connection to 127.0.0.1:port without any HTTP of its own. */
struct raw;
struct raw *raw_open(unsigned port);
struct raw *raw_open_version(unsigned port,
			     const char *priorities); /* NULL when the handshake fails */
struct raw *raw_open_from(unsigned port,
			  const char *address); /* the same; the client's own IPv4 address */
void raw_write(struct raw *r, const void *data, size_t n);
void raw_puts(struct raw *r, const char *s);
/* Reads until `until` was seen, the other end closed or ms are over. Appends. True when seen. */
bool raw_read(struct raw *r, struct buf *out, const char *until, int ms);
bool raw_closed(struct raw *r, int ms); /* the other end closes within ms */
void raw_close(struct raw *r);

/* Replies of the owner, by path:
 *   /now       200 {"ok":true} in on_request
 *   /later     200 {"ok":true} from the owner's thread
 *   /echo      the body back, from the owner's thread
 *   /big       5 MiB
 *   /redirect  307 with Location and Holdfast headers
 *   /custom    own Content-Security-Policy, text/html
 *   /nothing   204
 *   /who       address, bearer, cookie, origin, path, query q
 *   /hold      answered when owner_release is called
 *
 * Who asks, by bearer: "known" has shown a session. Of a body that has to be let in: "refused" is told 401, "held" waits for
 * owner_release; others are let in, by the owner's thread if there is a bearer. */
struct owner;
struct owner *owner_start(const struct pair *p, const struct server_options *over);
struct server *owner_server(struct owner *o);
unsigned owner_port(struct owner *o);
unsigned owner_held(struct owner *o);
void owner_release(struct owner *o);
void owner_stop_server(struct owner *o); /* what is held stays held; owner_stop comes after */
void owner_stop(struct owner *o);

struct client *client_to(unsigned port, const char *trust);
