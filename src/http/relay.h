/* SPDX-License-Identifier: Apache-2.0
 *
 * Asks another node on behalf of fibers: a few threads, each of which keeps a connection, behind a
 * bounded queue. The caller sleeps in its fiber; the loop goes on. Requests and answers may hold
 * secrets: both are wiped, and libcurl's handles do not outlive one request.
 *
 * Everything but the threads' work runs on the loop's thread.
 */
#pragma once

#include <uv.h>
#include "base/fiber.h"
#include "http/request.h"

#define RELAY_HEADERS_MAX 8 /* of a request */

struct relay;

struct relay_options {
	uv_loop_t *loop;
	const char *
		trust_path; /* PEM: the certificates that the other node is trusted by; read again when it changes; copied */
	unsigned threads; /* started by the first call */
	unsigned queue;	  /* requests that may wait for one of them */
	int connect_ms, total_ms;
	size_t reply_max; /* bytes of body */
};

struct relay *relay_new(const struct relay_options *o) NONNULL;
/* No call may be in flight. Closes its handles: run the loop once more afterwards. Takes NULL. */
void relay_free(struct relay *r);

struct relay_ask {
	const char *base;	 /* "https://name:port" */
	enum http_method method; /* not HEAD: that is GET whose body stays where it was asked */
	const char *target;
	struct request_pair headers[RELAY_HEADERS_MAX];
	unsigned nheaders;
	const struct buf *body;
	bool again; /* may be sent a second time if a connection turns out to be dead */
	/* Polled every few milliseconds on the loop: true gives the call up (RELAY_GIVEN_UP). */
	bool (*stop)(void *ctx);
	void *ctx;
};

enum relay_end {
	RELAY_ANSWERED,
	RELAY_FULL,	/* the queue is: nothing was sent */
	RELAY_UNSENT,	/* the node was not reached: nothing was sent */
	RELAY_LOST,	/* sent, at least in part, and not answered */
	RELAY_GIVEN_UP, /* stop said so; perhaps it was sent */
};

struct relay_reply {
	int status;
	struct request_pair headers
		[REQUEST_HEADERS_MAX]; /* in the arena; no Content-Type, no Content-Length, and none that
							     is for one connection only */
	unsigned nheaders;
	const char *type; /* Content-Type, in the arena, or NULL */
	struct buf body;
};

/* RELAY_ANSWERED fills ret (the caller frees its body with buf_done); otherwise e says why. */
enum relay_end relay_call(struct relay *r, struct fiber *f, struct arena *a,
			  const struct relay_ask *ask, struct relay_reply *ret,
			  struct err *e) NONNULL MUST_USE;

/* Whether a reply's header is meant for the end client (RFC 9110, 7.6.1: others are for one connection). */
bool relay_passes(const char *name, size_t n);
unsigned relay_waiting(const struct relay *r) NONNULL; /* calls in flight, for /metrics */
