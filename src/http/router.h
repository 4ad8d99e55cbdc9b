/* SPDX-License-Identifier: Apache-2.0
 *
 * Route tables: method, pattern, handler, capability, flags, body and query tables, limit, words
 * for OpenAPI. Handlers belong to api/ and are opaque here (void (*)(void)).
 */
#pragma once

#include "base/uuid.h"
#include "http/json.h"
#include "http/query.h"
#include "http/request.h"
#include "http/shape.h"

#define ROUTER_PARAMS_MAX 3
#define ROUTER_UNKNOWN_LIMIT 65536

enum router_flags {
	ROUTE_PUBLIC = 1,    /* no session needed */
	ROUTE_EMERGENCY = 2, /* served in emergency too */
	ROUTE_ANY_MODE = 4,  /* served in every mode (health, metrics, ha) */
	ROUTE_EVENT = 8,     /* writes an event on success */
	ROUTE_LOOPBACK = 16, /* loopback or metrics token only */
	ROUTE_EMERGENCY_CHANGE =
		32,	       /* a change that may be allowed in emergency: the vault decides */
	ROUTE_UNWELL = 64,     /* served even if the node is not well: it says what is broken */
	ROUTE_CREATES = 128,   /* success is 201 */
	ROUTE_ONE_SHAPE = 512, /* its 429 and 503 have the shape of its reply */
};

typedef void route_fn(void);

struct route {
	enum http_method method;
	const char *
		pattern; /* "/v1/accounts/{id}/retrieve"; {…} matches one segment: {id} stands for a
				UUID, any other name for a text */
	route_fn *handler;   /* cast by api */
	unsigned capability; /* enum capability of vault/policy.h; 0 with ROUTE_PUBLIC or for any
				session */
	unsigned flags;
	const struct jfield *body;	 /* NULL: no body allowed */
	size_t body_size;		 /* sizeof the struct the table fills */
	const struct query_field *query; /* NULL: it takes no parameters */
	size_t query_size;		 /* sizeof the struct the table fills */
	size_t limit;			 /* body limit, bytes */
	const char *reply; /* the reply's shape by name, or several: "Brief|Whole"; with a slash in
			      it: media types; NULL: 204 */
	const char *summary; /* one sentence, for OpenAPI and docs/api.md */
};

/* Lists of route tables end with NULL, each table with a row without pattern. Shapes likewise: a row without name. */
#define ROUTER_EACH(tables, r)                                                                     \
	for (const struct route *const *t_ = (tables); *t_; t_++)                                  \
		for (const struct route *r = *t_; r->pattern; r++)
/* The nth of all rows; NULL: there are fewer. */
const struct route *router_row(const struct route *const *tables, size_t nth) NONNULL;

struct route_match {
	const struct route *route;
	struct route_param {
		const char *text; /* in the arena */
		bool is_id, fits; /* it is {id}; and the text is a UUID */
		struct uuid id;
	} params[ROUTER_PARAMS_MAX];
	unsigned nparams;
};

/* Finds the row. ERR_NOT_FOUND; ERR_METHOD when only the method does not fit (and sets Allow). */
int router_match(const struct route *const *tables, struct request *rq, struct route_match *ret,
		 struct err *e) NONNULL MUST_USE;
/* ERR_NOT_FOUND if an {id} is not a UUID: no such thing can exist. Callers that may not ask at all are refused before. */
int router_params(const struct route_match *m, struct err *e) NONNULL MUST_USE;
/* Parses the query parameters into a fresh struct in the arena (*ret NULL when the row takes none).
 * ERR_BAD_FIELD. */
int router_query(const struct route *r, struct request *rq, void **ret,
		 struct err *e) NONNULL MUST_USE;
/* Parses the body into a fresh struct in the arena (*ret_body NULL when the row has none). A body
 * table requires application/json. A row without one but with a limit takes a raw body, which the
 * handler reads from rq->body; its Content-Type must be given and must not be one that a page of
 * another origin can send unasked (form types, text/plain). */
int router_body(const struct route *r, struct request *rq, void **ret_body, uint64_t *ret_seen,
		struct err *e) NONNULL MUST_USE;
/* The body limit of the matching row; if none matches, enough for the request to reach its 404. For
 * struct server_options.body_limit. */
size_t router_limit(const struct route *const *tables, enum http_method method,
		    const char *path) NONNULL;
/* Write OpenAPI 3.1 and the markdown of docs/api.md from the tables and the shapes of replies, one of which is "Error". */
void router_openapi(const struct route *const *tables, const struct shape *const *shapes,
		    struct buf *out) NONNULL;
void router_markdown(const struct route *const *tables, const struct shape *const *shapes,
		     struct buf *out) NONNULL;
