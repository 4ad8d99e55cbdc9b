/* SPDX-License-Identifier: Apache-2.0
 *
 * One HTTP request and its reply. http/server makes it on an HTTP thread and hands it to the
 * owner's on_request there; from then until request_send it belongs to whoever holds it (one thread
 * at a time). It must not be touched after request_send. Everything in it, bodies and secrets
 * included, lives in its arena and buffers and is wiped once the reply is sent.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum http_method {
	HTTP_GET = 1,
	HTTP_POST,
	HTTP_PATCH,
	HTTP_DELETE,
	HTTP_PUT,
	HTTP_HEAD,
	HTTP_OTHER
};

#define REQUEST_PATH_MAX 1024 /* bytes of the raw path */
#define REQUEST_RAW_QUERY_MAX 4096
#define REQUEST_QUERY_MAX 16
#define REQUEST_HEADERS_MAX 12
#define REQUEST_FORWARDED_MAX 600
#define REQUEST_CODINGS_MAX 400

struct request_pair {
	const char *name, *value; /* percent-decoded, no control characters */
};

struct request {
	struct arena *arena;
	enum http_method method;
	const char *path; /* canonical: decoded once, no //, no . or .. segments, no trailing slash
			     but "/" */
	struct request_pair query[REQUEST_QUERY_MAX];
	unsigned nquery;
	const char *address;	     /* the client's IP address as text */
	bool loopback;		     /* it is 127.0.0.0/8 or ::1 */
	const char *bearer;	     /* Authorization: Bearer …, or NULL */
	const char *cookie;	     /* value of the cookie __Host-holdfast, or NULL */
	const char *origin;	     /* Origin header or NULL */
	const char *fetch_site;	     /* Sec-Fetch-Site or NULL */
	const char *content_type;    /* or NULL */
	const char *if_none_match;   /* or NULL */
	const char *accept_encoding; /* all of them, with commas between; or NULL */
	const char *forwarded;	     /* Holdfast-Forwarded: what another node says of it, or NULL */
	int64_t content_length;	     /* as announced; 0 without the header */
	bool chunked;		     /* the body's length is not announced */
	struct buf body;	     /* at most what body_limit said */
	int64_t begun_us;	     /* monotonic, when the request line was read */

	/* The reply: filled by the owner before request_send. */
	int status;
	struct request_pair
		headers[REQUEST_HEADERS_MAX]; /* names and values in the arena or static */
	unsigned nheaders;
	const char *reply_type; /* default "application/json" */
	struct buf reply;

	void *owner;			   /* the owner's own pointer */
	void *conn;			   /* http/server's */
	void (*send)(struct request *rq);  /* what request_send does: http/server's, or a test's */
	void (*admit)(struct request *rq); /* request_admit's */
	void (*known)(struct request *rq); /* request_known's; NULL: nobody wants to know */
	unsigned headers_seen;
};

/* An empty request in a fresh arena. request_free wipes and frees everything in it; takes NULL. For
 * http/server and for tests. */
struct request *request_new(void) MUST_USE;
void request_free(struct request *rq);

/* Writes the target in the one form that all requests of the same meaning share: path and query,
 * percent-encoded where a byte does not stand for itself. */
void request_write_target(const struct request *rq, struct buf *out) NONNULL;
/* Adds a reply header (value copied into the arena). */
void request_header(struct request *rq, const char *name, const char *value) NONNULL;
/* Value of a query parameter, or NULL. */
const char *request_query(const struct request *rq, const char *name) NONNULL;
/* Fills status and the JSON body {"error":{"code","message","detail"}} from e. */
void request_error(struct request *rq, const struct err *e) NONNULL;
/* Sends the reply; thread-safe. rq is gone afterwards. */
void request_send(struct request *rq) NONNULL;
/* Answers on_head: lets the request's body in; thread-safe. rq is the server's again until
 * on_request. */
void request_admit(struct request *rq) NONNULL;
/* The client has shown a session: from here on its connection is not a stranger's. */
void request_known(struct request *rq) NONNULL;

/* Parse what a client sent, independently of the library that read it from the wire.
 *
 * request_target: the raw target of the request line → path and query. Refuses absolute, authority
 * and asterisk forms, what request_canonical_path refuses, and in the query: bad encodings, control
 * characters, invalid UTF-8, empty or doubled names, more than REQUEST_QUERY_MAX of them.
 * request_take_header: one header field (value of n bytes, need not end in NUL). Refuses control
 * characters and duplicates of fields that must be single. Skips unknown names.
 * request_check_headers: after the last one: requires Host, and not both Content-Length and
 * Transfer-Encoding. 0 or ERR_USAGE. */
int request_target(struct request *rq, const char *raw, struct err *e) NONNULL MUST_USE;
int request_take_header(struct request *rq, const char *name, const char *value, size_t n,
			struct err *e) MUST_USE;
int request_check_headers(const struct request *rq, struct err *e) NONNULL MUST_USE;
/* "GET" → HTTP_GET; HTTP_OTHER. And back ("OTHER"). */
enum http_method request_method(const char *name) NONNULL;
const char *request_method_name(enum http_method m);
/* Sets address and loopback from a struct sockaddr; IPv4 inside IPv6 becomes IPv4. */
struct sockaddr;
void request_set_address(struct request *rq, const struct sockaddr *sa) NONNULL;

/* The one canonical path parser: raw path of the request line (without query) → ret (≤ n bytes
 * with NUL). Refuses: no leading slash, bad or double percent-encoding, encoded slash or NUL,
 * control characters, empty segments, "." and ".." segments, anything over REQUEST_PATH_MAX. 0 or
 * ERR_USAGE. */
int request_canonical_path(const char *raw, char *ret, size_t n, struct err *e) MUST_USE;
