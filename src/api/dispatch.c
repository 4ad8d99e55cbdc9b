/* SPDX-License-Identifier: Apache-2.0
 *
 * The way of a request:
 *
 *   HTTP thread   route · mode · query and body · queue        (health ends here)
 *   core thread   fiber · mode again · session · rights · handler · reply
 *
 * Before a large body, and before any that is no JSON:
 *
 *   HTTP thread   route · mode · is there a token · queue
 *   core thread   fiber · mode again · session · rights · the body may come, then all of the above
 *
 * A standby that forwards asks the primary about the session, which it may not know yet.
 */
#include "api/dispatch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "api/admit.h"
#include "api/api_impl.h"
#include "api/forward.h"
#include "api/reply.h"
#include "api/routes.h"
#include "base/clock.h"
#include "base/mem.h"

#define BEAT_MS 50

/* ---- the HTTP threads ---- */

static void
enqueue(struct api *a, struct api_call *c)
{
	pthread_mutex_lock(&a->lock);
	bool wake = !a->first;
	if (wake)
		a->first = c;
	else
		a->last->next = c;
	a->last = c;
	pthread_mutex_unlock(&a->lock);
	/* Whoever finds the queue empty wakes the core; the rest of a burst rides along. */
	if (wake)
		uv_async_send(&a->async);
}

static struct api_call *
new_call(struct api *a, struct request *rq)
{
	struct api_call *c = arena_new_of(rq->arena, struct api_call);
	c->api = a;
	c->rq = rq;
	return c;
}

/* Everything up to the queue. 0: c is ready for the core. */
static int
prepare(struct request *rq, struct api_call *c, enum ha_state state, struct err *e)
{
	int rc = admit_head(rq, c, state, e);
	if (rc == 0)
		rc = router_query(c->match.route, rq, &c->query, e);
	return rc ? rc : router_body(c->match.route, rq, &c->body, &c->seen, e);
}

void
api_on_head(void *ctx, struct request *rq)
{
	struct api *a = ctx;
	struct err e = { 0 };
	struct api_call *c = new_call(a, rq);
	enum ha_state state = call_state(c);
	int rc = admit_head(rq, c, state, &e);
	if (rc == 0 && !admit_token(rq))
		rc = err_set(&e, ERR_UNAUTHENTICATED, "%s", err_info(ERR_UNAUTHENTICATED)->text);
	c->head = true;
	if (rc)
		reply_refuse(c, state, &e);
	else if (admit_unchecked(c->match.route, rq))
		request_admit(rq);
	else
		enqueue(a, c);
}

void
api_on_request(void *ctx, struct request *rq)
{
	struct api *a = ctx;
	struct err e = { 0 };
	struct api_call *c = new_call(a, rq);
	enum ha_state state = call_state(c);
	int rc = prepare(rq, c, state, &e);
	if (rc) {
		reply_refuse(c, state, &e);
		return;
	}
	if (!(c->match.route->flags & ROUTE_DIRECT)) {
		enqueue(a, c);
		return;
	}
	((api_direct_fn *)c->match.route->handler)(c);
	reply_add_mode(c, state, state_serves(state) == SERVES_EMERGENCY);
	reply_send(c);
}

size_t
api_body_limit(void *ctx, enum http_method method, const char *path)
{
	return router_limit(route_tables, method, path);
}

/* ---- the core: one call ---- */

/* Also when it is begun anew, because the state has changed under it. */
static void
begin_call(struct api_call *c, struct fiber *f)
{
	struct api *a = c->api;
	buf_reset(&c->rq->reply);
	c->rq->nheaders = 0;
	c->serves = state_serves(call_state(c));
	c->call = (struct call){
		.v = a->v,
		.f = f,
		.a = c->rq->arena,
		.who = { .address = c->rq->address },
		.durability = CALL_NO_DURABILITY,
	};
	json_out_init(&c->w, &c->rq->reply);
}

static int
work(struct api_call *c, struct fiber *f, struct err *e)
{
	begin_call(c, f);
	int rc = admit_call(c, e);
	if (rc || c->head)
		return rc;
	rc = router_params(&c->match, e);
	return rc ? rc : ((api_fn *)c->match.route->handler)(c, e);
}

/* Not this node's to serve, or not any more. */
static bool
is_standby(const struct api_call *c, int rc)
{
	return rc == ERR_STANDBY ||
	       (rc == ERR_NOT_SERVING && state_serves(call_state(c)) == SERVES_NOBODY);
}

/* FORWARD_ANSWERED, FORWARD_HERE, or an error. */
static int
hand_on(struct api_call *c, struct fiber *f, struct err *e)
{
	begin_call(c, f);
	int rc = admit_origin(c, e);
	return rc ? rc : forward_request(c->api->forward, c, e);
}

#define LET_IN (FORWARD_ANSWERED + 1)

/* Instead of a body that has not come yet: does the primary know the session? LET_IN, else as hand_on. */
static int
ask_primary(struct api_call *c, struct fiber *f, struct err *e)
{
	struct request *rq = request_new();
	struct api_call *q = new_call(c->api, rq);

	rq->method = HTTP_GET;
	rq->path = "/v1/session";
	rq->address = c->rq->address;
	rq->bearer = c->rq->bearer;
	rq->cookie = c->rq->cookie;
	begin_call(c, f);
	int rc = router_match(route_tables, rq, &q->match, e);
	if (rc == 0) {
		begin_call(q, f);
		rc = forward_request(c->api->forward, q, e);
	}
	if (rc == FORWARD_ANSWERED && rq->status == 200)
		rc = LET_IN;
	else if (rc == FORWARD_ANSWERED)
		reply_copy(rq, c->rq);
	request_free(rq);
	return rc;
}

/* A session was shown: by this node's own check, or by what the primary let through. */
static void
note_known(struct api_call *c, int rc)
{
	if (!uuid_is_nil(&c->call.who.user) || rc == LET_IN ||
	    (rc == FORWARD_ANSWERED && c->rq->status >= 200 && c->rq->status < 300))
		request_known(c->rq);
}

static void
answer(struct api_call *c, int rc, struct err *e)
{
	if (c->head && (rc == 0 || rc == LET_IN)) {
		request_admit(c->rq);
		return;
	}
	if (rc != FORWARD_ANSWERED)
		reply_finish(c, rc, e);
	reply_send(c);
}

static void
serve(struct fiber *f, void *arg)
{
	struct api_call *c = arg;
	struct api *a = c->api;
	struct err e = { 0 };
	int rc = work(c, f, &e);
	while (is_standby(c, rc) && admit_is_for_primary(c)) {
		rc = c->head ? ask_primary(c, f, &e) : hand_on(c, f, &e);
		if (rc != FORWARD_HERE)
			break;
		rc = work(c, f, &e);
	}
	note_known(c, rc);
	answer(c, rc, &e); /* c is gone with it */
	if (a->ready)
		uv_async_send(&a->async); /* there will be a fiber for the next one */
}

/* ---- the core: its loop ---- */

static void
take_queue(struct api *a)
{
	pthread_mutex_lock(&a->lock);
	struct api_call *first = a->first, *last = a->last;
	a->first = a->last = NULL;
	pthread_mutex_unlock(&a->lock);
	if (!first)
		return;
	if (a->ready)
		a->ready_last->next = first;
	else
		a->ready = first;
	a->ready_last = last;
}

static void
on_async(uv_async_t *h)
{
	struct api *a = h->data;
	take_queue(a);
	while (a->ready) {
		struct api_call *c = a->ready;
		struct api_call *next = c->next; /* c may be gone when fiber_start returns */
		a->ready = next;
		if (!fiber_start(a->v->fibers, serve, c)) {
			a->ready = c;
			return;
		}
	}
}

static void
beat(struct api *a)
{
	atomic_store(&a->forwards, a->relay && strcmp(a->v->settings->standby, "forward") == 0);
	pthread_mutex_lock(&a->health_lock);
	a->health = a->v->health;
	pthread_mutex_unlock(&a->health_lock);
	atomic_store(&a->beat_ms, clock_mono_ms());
}

static void
on_timer(uv_timer_t *h)
{
	struct api *a = h->data;
	beat(a);
	if (a->ready)
		on_async(&a->async);
}

void
api_set_nodes(struct api *a, const char *origins)
{
	pthread_mutex_lock(&a->health_lock);
	text_copy(a->nodes, sizeof(a->nodes), origins);
	pthread_mutex_unlock(&a->health_lock);
}

struct api *
api_new(const struct api_options *o)
{
	struct api *a = mem_new(sizeof(*a));
	a->v = o->v;
	a->authority_path = mem_dup(o->authority_path);
	a->home = o->home;
	memccpy(a->node_name, o->node_name, '\0', sizeof(a->node_name) - 1);
	a->relay = o->relay;
	a->forward = forward_new(a->v, a->relay, a->node_name);
	pthread_mutex_init(&a->lock, NULL);
	pthread_mutex_init(&a->health_lock, NULL);
	mem_check(!uv_async_init(a->v->loop, &a->async, on_async) &&
		  !uv_timer_init(a->v->loop, &a->timer));
	a->async.data = a->timer.data = a;
	a->handles = 2;
	uv_timer_start(&a->timer, on_timer, BEAT_MS, BEAT_MS);
	beat(a);
	return a;
}

void
api_set_server(struct api *a, const struct server *s)
{
	a->server = s;
}

static void
on_closed(uv_handle_t *h)
{
	struct api *a = h->data;
	if (--a->handles)
		return;
	pthread_mutex_destroy(&a->lock);
	pthread_mutex_destroy(&a->health_lock);
	forward_free(a->forward);
	free(a->authority_path);
	free(a);
}

void
api_free(struct api *a)
{
	if (!a)
		return;
	uv_close((uv_handle_t *)&a->async, on_closed);
	uv_close((uv_handle_t *)&a->timer, on_closed);
}
