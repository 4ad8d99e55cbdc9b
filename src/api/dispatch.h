/* SPDX-License-Identifier: Apache-2.0
 *
 * From an HTTP request to its handler. api_on_request runs on an HTTP thread: it finds the route,
 * looks at the state page, parses the body, and hands the request to the core thread (one wake per
 * burst). api_on_head does the same before a body that may be large is let in, up to the rights. There each request is a fiber: session, capability, handler, reply. /v1/sys/health is
 * answered on the HTTP thread from atomics, and is false when the core thread's heartbeat stops. The console's files are
 * answered there too.
 */
#pragma once

#include "base/jw.h"
#include "http/router.h"
#include "http/server.h"
#include "vault/policy.h"

struct api;
struct relay;

struct api_options {
	struct vault *v;	 /* its loop is the core thread's */
	const char *node_name;	 /* this node's name (conf/node.conf); copied */
	const char *anchor_path; /* for audit/verify; NULL: none; copied */
	struct relay
		*relay; /* to the primary, for standby = forward; NULL: never; outlives the api */
};

/* Core thread. Starts a heartbeat timer and an async handle on v->loop. */
struct api *api_new(const struct api_options *o) NONNULL MUST_USE;
/* What /metrics says of connections; NULL: nothing. The server must outlive the api or be unset. */
void api_set_server(struct api *a, const struct server *s);
/* Core thread, after server_stop. Closes its handles: run the loop once more afterwards. Takes
 * NULL. */
void api_free(struct api *a);

/* For struct server_options; ctx is the struct api. */
void api_on_request(void *ctx, struct request *rq);
void api_on_head(void *ctx, struct request *rq);
size_t api_body_limit(void *ctx, enum http_method method, const char *path);

/* One request on its way through a handler. */
struct api_call {
	struct api *api;
	struct call call; /* the vault's view: who asks, fiber, arena */
	struct request *rq;
	struct route_match match;
	void *body;    /* the struct that the row's body table filled, or NULL */
	uint64_t seen; /* bit per row of the body table */
	struct jw w;   /* on rq->reply */
	int status;  /* of success; 200 unless the handler says otherwise, 204 when it wrote nothing
		      */
	char serves; /* as state_serves, at the begin of the call */
	bool head;   /* the question is only whether its body may come */
	struct api_call *next;
};

/* Runs in a fiber. 0, or a negative code: then what was written to the reply is dropped and the
 * error is sent. */
typedef int api_fn(struct api_call *c, struct err *e);
/* Of a ROUTE_DIRECT row: fills status and reply, from what any thread may look at. */
typedef void api_direct_fn(struct api *a, struct request *rq);

/* Path parameter i as a UUID. ERR_NOT_FOUND when it is none: such a thing cannot exist. */
int api_param_uuid(const struct api_call *c, unsigned i, struct uuid *ret,
		   struct err *e) NONNULL MUST_USE;
/* Query parameter as a number of lo..hi; *ret is left alone when it is not there. ERR_BAD_FIELD. */
int api_query_int(const struct api_call *c, const char *name, int64_t lo, int64_t hi, int64_t *ret,
		  struct err *e) MUST_USE;
/* limit (1..POLICY_PAGE_MAX) and after (an id) of a list; rows: of a page when no limit is given. */
int api_query_page(const struct api_call *c, int rows, struct policy_page *ret,
		   struct err *e) NONNULL MUST_USE;
/* The state of the node now; HA_SINGLE without a page. */
enum ha_state api_state(const struct api *a) NONNULL;
/* A consistent copy of the state page in the arena (zeros and HA_SINGLE without a page). Any
 * thread. */
struct page_view *api_view(const struct api *a, struct arena *arena) NONNULL;
const char *api_node_name(const struct api *a) NONNULL;
const char *api_anchor_path(const struct api *a); /* may be NULL */
void api_count_retrieval(struct api *a) NONNULL;
void api_write_metrics(struct api *a, struct buf *out) NONNULL; /* core thread */

/* What the core last said of itself, for the HTTP threads. */
struct api_health {
	bool alive; /* the core's heartbeat is fresh */
	bool serving;
	char why[256];
	struct uuid node;
};
void api_health(struct api *a, struct api_health *ret) NONNULL; /* any thread */
