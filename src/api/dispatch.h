/* SPDX-License-Identifier: Apache-2.0
 *
 * The path from an HTTP request to its handler: the threads, and the queue between them.
 * api_on_request runs on an HTTP thread: it checks route and state (admit.h), parses the body, and
 * hands the request to the core thread (one wake per burst). api_on_head does the same, up to the
 * rights, before a possibly large body is let in. On the core each request is a fiber: admit.h, the
 * handler, reply.h. /v1/sys/health and the console's files are answered on the HTTP thread; health
 * turns false when the core thread's heartbeat stops.
 */
#pragma once

#include "http/server.h"
#include "vault/vault.h"

#define API_NODES_MAX 3072

struct api;
struct home;
struct relay;

struct api_options {
	struct vault *v;	    /* its loop is the core thread's */
	const char *node_name;	    /* this node's name (conf/node.conf); copied */
	const char *authority_path; /* of the vault's; NULL: nobody learns of it; copied */
	struct relay
		*relay; /* to the primary, for standby = forward; NULL: never; outlives the api */
	const struct home *home; /* where the agent is asked; NULL: it never is; outlives the api */
};

/* Core thread. Starts a heartbeat timer and an async handle on v->loop. */
struct api *api_new(const struct api_options *o) NONNULL MUST_USE;
/* Whose connections /metrics counts; NULL: none. The server must outlive the api or be unset. */
void api_set_server(struct api *a, const struct server *s);
/* The web addresses of the pair's nodes, for the console and the health that it asks for: origins as browsers spell them, with
 * blanks between; copied. Core thread; what is longer than API_NODES_MAX is cut off. */
void api_set_nodes(struct api *a, const char *origins) NONNULL;
/* Core thread, after server_stop. Closes its handles: run the loop once more afterwards. Takes
 * NULL. */
void api_free(struct api *a);

/* For struct server_options; ctx is the struct api. */
void api_on_request(void *ctx, struct request *rq);
void api_on_head(void *ctx, struct request *rq);
size_t api_body_limit(void *ctx, enum http_method method, const char *path);
