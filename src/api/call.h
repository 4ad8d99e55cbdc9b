/* SPDX-License-Identifier: Apache-2.0
 *
 * A call in flight: what a handler receives, and what it may ask about its request and the node.
 * The call and everything it points to live in the request's arena and end with the reply. Core
 * thread, except for handlers of ROUTE_DIRECT rows.
 */
#pragma once

#include "base/json_out.h"
#include "base/statepage.h"
#include "http/router.h"
#include "vault/policy.h"

struct api;

/* call.durability until something is written. */
#define CALL_NO_DURABILITY ((enum ledger_durability) - 1)

/* One request on its way through a handler. */
struct api_call {
	struct api *api;
	struct call call; /* the vault's view: who asks, fiber, arena */
	struct request *rq;
	struct route_match match;
	void *query, *body;	  /* the structs that the row's tables filled, or NULL */
	uint64_t seen;		  /* bit per row of the body table: BODY_HAS */
	struct json_out w;	  /* on rq->reply */
	enum state_served serves; /* when the call begins */
	bool head;		  /* the question is only whether its body may come */
	struct api_call *next;
};

/* Runs in a fiber. 0, or a negative code: then what was written to the reply is dropped and the
 * error is sent. */
typedef int api_fn(struct api_call *c, struct err *e);
/* For a ROUTE_DIRECT row: fills status and reply from what any thread may read. */
typedef void api_direct_fn(struct api_call *c);

/* The {id} of the row's pattern. */
const struct uuid *call_id(const struct api_call *c) NONNULL;
/* The state of the node now; HA_SINGLE without a page. */
enum ha_state call_state(const struct api_call *c) NONNULL;
/* A consistent copy of the state page in the arena (zeros and HA_SINGLE without a page). Any thread. */
struct statepage_view *call_view(const struct api_call *c, struct arena *arena) NONNULL;
const char *call_node_name(const struct api_call *c) NONNULL;
/* The web addresses of the pair's nodes (api_set_nodes), in the call's arena. Any thread. */
const char *call_nodes(const struct api_call *c) NONNULL;
/* The vault's authority, in PEM, in the call's arena; NULL when there is none. */
const char *call_authority(const struct api_call *c) NONNULL;
void call_count_retrieval(struct api_call *c) NONNULL;

/* What the core last reported of itself, for the HTTP threads. */
struct call_health {
	bool alive; /* the core's heartbeat is fresh */
	bool serving;
	char why[256];
	struct uuid node;
	struct epoch_claim told; /* see call_hear_epoch; none: nobody told anything */
};
void call_health(const struct api_call *c, struct call_health *ret) NONNULL; /* any thread */

/* Somebody, no matter who, claims that an epoch was begun: keyd checks the proof of a new one, at a limited rate per address. A proven one is
 * named in health, where the agent finds it. *ret_news: it was not known. ERR_NOT_PROVEN: the proof is wrong. ERR_BUSY: too many claims. */
int call_hear_epoch(struct api_call *c, const struct epoch_claim *claim, bool *ret_news,
		    struct err *e) NONNULL MUST_USE;
