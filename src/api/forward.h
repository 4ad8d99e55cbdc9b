/* SPDX-License-Identifier: Apache-2.0
 *
 * Forwards a user's request to the primary, for users who reach only the secondary
 * (docs/proxies.md).
 *
 *   standby   forward_request: proof by keyd, HTTPS to the primary (http/relay), its answer
 *   primary   forward_accept: the proof, then the request as if its client had come directly
 *
 * The proof is a header (the mark): which node forwards, when, for which client, and a MAC over
 * that and the whole request, under a key that only keyd on the pair's nodes has. A request with a
 * mark is never forwarded again. Core thread, except for the pure functions.
 */
#pragma once

#include "api/call.h"
#include "http/relay.h"

#define FORWARD_HEADER "Holdfast-Forwarded"
#define FORWARD_MAC_BYTES 32
#define FORWARD_ADDRESS_MAX 64
#define FORWARD_NAME_MAX 256
#define FORWARD_FRESH_US INT64_C(90000000) /* clocks of a pair may be 60 s apart */

/* ---- the mark ---- */

struct forward_mark {
	struct uuid node;		   /* who forwards */
	uint64_t run;			   /* random, of one run of its service */
	uint64_t number;		   /* 1…, grows by one with each request of that run */
	int64_t at_us;			   /* its clock */
	char address[FORWARD_ADDRESS_MAX]; /* the client's */
	char name[FORWARD_NAME_MAX];	   /* of the node */
	uint8_t mac[FORWARD_MAC_BYTES];
};

/* "1 node run number time address name mac": one blank between, nothing before or behind. */
void forward_write(const struct forward_mark *m, struct buf *out) NONNULL;
/* ERR_NOT_PROVEN for anything that forward_write cannot have written. */
int forward_parse(const char *text, struct forward_mark *ret, struct err *e) NONNULL MUST_USE;
/* HEAD goes to the primary as GET. */
enum http_method forward_method(const struct request *rq) NONNULL;
/* What the MAC covers: the mark without it, method, target, who asks, and the body's hash. */
void forward_message(const struct request *rq, const struct forward_mark *m,
		     struct buf *out) NONNULL;
/* Whether this node's name may appear in a mark and in the log. */
bool forward_name_fits(const char *name) NONNULL;

/* Remembers which marks were accepted, so that none is accepted twice. Zero-initialise. */
#define FORWARD_RUNS_MAX 64
#define FORWARD_WINDOW 4096 /* how far marks of one run may overtake each other */

struct forward_memory {
	struct forward_run {
		struct uuid node;
		uint64_t run, newest;
		int64_t used_us; /* 0: free */
		uint64_t taken[FORWARD_WINDOW / 64];
	} runs[FORWARD_RUNS_MAX];
};

/* For a mark whose MAC fits: 0 once; ERR_NOT_PROVEN if it is too old or too new, was made before
 * since_us (an earlier run of this node may have accepted it), or was accepted before. */
int forward_take(struct forward_memory *mem, const struct forward_mark *m, int64_t now_us,
		 int64_t since_us, struct err *e) NONNULL MUST_USE;

/* Whether a route is forwarded: health, counters and the like are each node's own. */
bool forward_is_for(const struct route *r) NONNULL;

/* ---- both ends ---- */

struct forward;

/* relay NULL: this node forwards nothing, but accepts what others forward. */
struct forward *forward_new(struct vault *v, struct relay *relay, const char *node_name);
void forward_free(struct forward *fw); /* takes NULL */

/* The outcome. Otherwise a negative code with the reason: not reached, full, or ERR_UNCERTAIN. */
enum {
	FORWARD_HERE,	  /* the state has changed: this node must answer itself */
	FORWARD_ANSWERED, /* the reply is the primary's */
};
int forward_request(struct forward *fw, struct api_call *c, struct err *e) NONNULL MUST_USE;

/* For a request with a mark: proves it and fills c->call.who.address and via. ERR_NOT_PROVEN. */
int forward_accept(struct forward *fw, struct api_call *c, struct err *e) NONNULL MUST_USE;

uint64_t forward_count(const struct forward *fw) NONNULL;   /* forwarded and answered so far */
unsigned forward_waiting(const struct forward *fw) NONNULL; /* at the primary now */
