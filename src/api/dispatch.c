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
 * A standby that forwards asks the primary for the session, of which it may not know yet.
 *
 * Who is served is said by base/state.h: 'p' all routes; 'e' the routes that are marked for
 * emergency (H5), and the change that may be allowed there, of which the vault decides; 'm' the
 * former for sessions that were begun in emergency and are not home yet, everybody else is sent to
 * the primary (H7);
 * '-' nobody: where the primary is, and nothing else (H1), unless the setting standby says that
 * requests are handed on to it (api/forward.h).
 */
#include "api/dispatch.h"

#include <pthread.h>
#include <sodium.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "api/api_impl.h"
#include "api/forward.h"
#include "api/routes.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/pause.h"
#include "vault/gather.h"
#include "vault/lists.h"
#include "vault/session.h"

#define BEAT_MS 50
#define HANDOVER_WAIT_MS 12000
#define HANDOVER_POLL_MS 20
#define SESSION_WAIT_MS 3000 /* clients wait four seconds for an answer */
#define SESSION_POLL_MS 100
#define SESSIONS_AWAITED_MAX 64

/* ---- replies ---- */

static const char *
mode_name(enum ha_state state)
{
	switch (state_serves(state)) {
	case 'p':
		return "primary";
	case 'e':
		return "emergency";
	default:
		return state_name(state);
	}
}

static void
send_reply(struct api_call *c)
{
	struct request *rq = c->rq;
	unsigned hundreds = (unsigned)rq->status / 100;
	atomic_fetch_add_explicit(&c->api->replies[hundreds < 6 ? hundreds : 5], 1,
				  memory_order_relaxed);
	request_send(rq);
}

static void
add_location(struct request *rq, const char *primary_url)
{
	auto_buf url = BUF_INIT;
	buf_adds(&url, primary_url);
	request_write_target(rq, &url);
	request_header(rq, "Location", buf_str(&url));
}

/* H1: where the primary is, and nothing else. */
static void
fill_standby(struct api_call *c)
{
	struct request *rq = c->rq;
	struct err e = { 0 };
	const struct page_view *v = call_view(c, rq->arena);
	if (v->primary_url[0]) {
		err_set(&e, ERR_STANDBY, "%s", err_info(ERR_STANDBY)->text);
		add_location(rq, v->primary_url);
	} else {
		err_set(&e, ERR_NOT_SERVING, "no primary is known");
	}
	request_error(rq, &e);
}

/* A 503 says why: nobody can act on it otherwise. */
static void
fill_not_serving(struct request *rq, const char *why)
{
	const struct err_info *info = err_info(ERR_NOT_SERVING);
	struct jw w;
	buf_reset(&rq->reply);
	rq->status = info->http;
	jw_init(&w, &rq->reply);
	jw_object(&w, NULL);
	jw_object(&w, "error");
	jw_text(&w, "code", info->name);
	jw_text(&w, "message", info->text);
	jw_text(&w, "detail", why[0] ? why : NULL);
	jw_end_object(&w);
	jw_end_object(&w);
}

static void
add_mode(struct api_call *c, enum ha_state state, bool emergency)
{
	struct request *rq = c->rq;
	request_header(rq, "Holdfast-Mode", emergency ? "emergency" : mode_name(state));
	if (!emergency)
		return;
	const struct page_view *v = call_view(c, rq->arena);
	char iso[CLOCK_ISO_LEN];
	if (v->as_of_us) {
		clock_iso(v->as_of_us, iso);
		request_header(rq, "Holdfast-As-Of", iso);
	}
	int64_t since_ms = atomic_load(&c->api->v->emergency_since_ms);
	if (since_ms) {
		char seconds[24];
		snprintf(seconds, sizeof(seconds), "%" PRId64, (clock_mono_ms() - since_ms) / 1000);
		request_header(rq, "Holdfast-Emergency-Seconds", seconds);
	}
}

/* ---- the HTTP threads ---- */

/* What can be refused by state alone. 0: goes on. */
static int
check_mode(const struct route *r, char serves, struct err *e)
{
	if ((r->flags & ROUTE_ANY_MODE) || serves == 'p' || serves == 'm' || serves == 'h')
		return 0;
	if (serves == '-')
		return err_set(e, ERR_STANDBY, "%s", err_info(ERR_STANDBY)->text);
	if (r->flags & (ROUTE_EMERGENCY | ROUTE_EMERGENCY_CHANGE))
		return 0;
	return err_set(e, ERR_EMERGENCY_READ_ONLY, "%s", err_info(ERR_EMERGENCY_READ_ONLY)->text);
}

static void
fill_error(struct api_call *c, const struct err *e)
{
	if (e->code == ERR_BUSY)
		request_header(c->rq, "Retry-After", LISTS_RETRY_S);
	if (e->code == ERR_STANDBY)
		fill_standby(c);
	else
		request_error(c->rq, e);
}

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
	c->status = 200;
	return c;
}

/* The client itself asks a standby to hand the request on; only the routes of sessions take the word. */
static bool
asks_to_forward(const struct api_call *c)
{
	const char *word = request_query(c->rq, "standby");

	return word && strcmp(word, "forward") == 0 && c->api->relay;
}

/* A request that this node does not serve is handed on; but not twice. */
static bool
is_for_primary(const struct api_call *c)
{
	return (atomic_load(&c->api->forwards) || asks_to_forward(c)) && !c->rq->forwarded &&
	       forward_is_for(c->match.route);
}

static int
check_standby_word(const struct api_call *c, struct err *e)
{
	const char *word = request_query(c->rq, "standby");

	if (!word || strcmp(word, "forward") == 0)
		return 0;
	return err_set(e, ERR_BAD_FIELD, "standby: forward, or leave it out");
}

/* What is known without the body. */
static int
prepare_head(struct request *rq, struct api_call *c, enum ha_state state, struct err *e)
{
	size_t n;
	const struct route *table = routes(&n);
	int rc = router_match(table, n, rq, &c->match, e);
	if (rc == 0)
		rc = check_standby_word(c, e);
	if (rc == 0)
		rc = check_mode(c->match.route, state_serves(state), e);
	return rc == ERR_STANDBY && is_for_primary(c) ? 0 : rc;
}

/* Everything up to the queue. 0: c is ready for the core. */
static int
prepare(struct request *rq, struct api_call *c, enum ha_state state, struct err *e)
{
	int rc = prepare_head(rq, c, state, e);
	return rc ? rc : router_body(c->match.route, rq, &c->body, &c->seen, e);
}

static const char *
token_of(const struct request *rq)
{
	return rq->bearer ? rq->bearer : rq->cookie;
}

/* A body of JSON is read beside the checks while it is small. */
static bool
may_come_unchecked(const struct route *r, const struct request *rq)
{
	return r->body && !rq->chunked && rq->content_length <= SERVER_UNCHECKED_MAX;
}

static void
refuse(struct api_call *c, enum ha_state state, const struct err *e)
{
	fill_error(c, e);
	add_mode(c, state, state_serves(state) == 'e');
	send_reply(c);
}

void
api_on_head(void *ctx, struct request *rq)
{
	struct api *a = ctx;
	struct err e = { 0 };
	struct api_call *c = new_call(a, rq);
	enum ha_state state = call_state(c);
	int rc = prepare_head(rq, c, state, &e);
	if (rc == 0 && !token_of(rq))
		rc = err_set(&e, ERR_UNAUTHENTICATED, "%s", err_info(ERR_UNAUTHENTICATED)->text);
	c->head = true;
	if (rc)
		refuse(c, state, &e);
	else if (may_come_unchecked(c->match.route, rq))
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
		refuse(c, state, &e);
		return;
	}
	if (!(c->match.route->flags & ROUTE_DIRECT)) {
		enqueue(a, c);
		return;
	}
	((api_direct_fn *)c->match.route->handler)(c);
	add_mode(c, state, state_serves(state) == 'e');
	send_reply(c);
}

size_t
api_body_limit(void *ctx, enum http_method method, const char *path)
{
	size_t n;
	const struct route *table = routes(&n);
	return router_limit(table, n, method, path);
}

/* ---- the core: who asks, and may he ---- */

static bool
same_text(const char *a, const char *b)
{
	size_t n = strlen(a);
	return n == strlen(b) && sodium_memcmp(a, b, n) == 0;
}

static int
check_loopback(const struct api_call *c, struct err *e)
{
	const char *token = c->api->v->settings->metrics_token;
	if (c->rq->loopback || (token[0] && c->rq->bearer && same_text(token, c->rq->bearer)))
		return 0;
	return err_set(e, ERR_FORBIDDEN, "only from loopback, or with the metrics token");
}

static bool
origin_is_ours(const struct api_call *c)
{
	const struct settings *s = c->api->v->settings;
	const char *colon = strrchr(s->listen, ':');
	const char *port = colon ? colon + 1 : "443";
	const char *with = arena_printf(c->rq->arena, "https://%s:%s", c->api->node_name, port);
	const char *without = arena_printf(c->rq->arena, "https://%s", c->api->node_name);
	return strcasecmp(c->rq->origin, with) == 0 ||
	       (strcmp(port, "443") == 0 && strcasecmp(c->rq->origin, without) == 0);
}

/* A browser sends its cookie whoever made it ask: so a change needs its word that the page was
 * ours. */
static int
check_origin(const struct api_call *c, struct err *e)
{
	const struct request *rq = c->rq;
	bool reads = rq->method == HTTP_GET || rq->method == HTTP_HEAD;
	if (reads || rq->bearer || c->call.who.via) /* the node that it came by has looked */
		return 0;
	if (rq->fetch_site) {
		if (strcmp(rq->fetch_site, "same-origin") == 0)
			return 0;
	} else if (rq->origin) {
		if (origin_is_ours(c))
			return 0;
	} else if (!rq->cookie) {
		return 0; /* not a browser's page: nothing that it did not send itself */
	}
	return err_set(e, ERR_FORBIDDEN, "a page of another origin may not ask for this");
}

/* A session that was begun in emergency is known here when the journal is home: whoever comes a
 * moment sooner waits for it (H7). */
static int
await_session(struct api_call *c, const char *token, struct err *e)
{
	struct api *a = c->api;
	int64_t until = clock_mono_ms() + SESSION_WAIT_MS;
	int rc = ERR_UNAUTHENTICATED;

	a->awaiting++;
	while (rc == ERR_UNAUTHENTICATED && clock_mono_ms() < until &&
	       page_quick(a->v->page).away) {
		pause_ms(a->v->loop, c->call.f, SESSION_POLL_MS);
		rc = session_check(a->v, c->call.f, token, c->rq->arena, &c->call.who, e);
	}
	a->awaiting--;
	return rc;
}

static bool
may_come_home(const struct api_call *c)
{
	const struct api *a = c->api;
	return c->serves == 'p' && a->awaiting < SESSIONS_AWAITED_MAX && a->v->page &&
	       page_quick(a->v->page).away;
}

static int
check_session(struct api_call *c, struct err *e)
{
	const struct route *r = c->match.route;
	const char *token = token_of(c->rq);
	if (r->flags & ROUTE_PUBLIC)
		return 0;
	if ((r->flags & ROUTE_LOOPBACK_FREE) && c->rq->loopback && !token)
		return 0;
	if (!token)
		return err_set(e, ERR_UNAUTHENTICATED, "%s", err_info(ERR_UNAUTHENTICATED)->text);
	int rc = session_check(c->api->v, c->call.f, token, c->rq->arena, &c->call.who, e);
	return rc == ERR_UNAUTHENTICATED && may_come_home(c) ? await_session(c, token, e) : rc;
}

static int
check_capability(struct api_call *c, struct err *e)
{
	const struct route *r = c->match.route;
	if (policy_has(c->call.who.administrator, r->capability))
		return 0;
	return policy_refuse(&c->call, &(struct uuid){ 0 }, true, r->summary, e);
}

/* In state 'm' only a session that the primary cannot know yet is served here, as in emergency
 * (H7). */
static int
check_merging(const struct api_call *c, struct err *e)
{
	if (c->serves != 'm' || (c->match.route->flags & ROUTE_ANY_MODE))
		return 0;
	if ((c->match.route->flags & ROUTE_PUBLIC) || !session_is_journal_only(&c->call.who))
		return err_set(e, ERR_STANDBY, "%s", err_info(ERR_STANDBY)->text);
	if (!(c->match.route->flags & ROUTE_EMERGENCY))
		return err_set(e, ERR_EMERGENCY_READ_ONLY, "%s",
			       err_info(ERR_EMERGENCY_READ_ONLY)->text);
	return 0;
}

static int
check_health(const struct api_call *c, struct err *e)
{
	const struct vault_health *h = &c->api->v->health;
	if ((c->match.route->flags & (ROUTE_ANY_MODE | ROUTE_UNWELL)) || h->serving)
		return 0;
	return err_set(e, ERR_NOT_SERVING, "%s", h->why);
}

/* While this node hands over, whoever asks waits: then the other node serves, or this one again. */
static void
wait_for_handover(struct api_call *c)
{
	int64_t until = clock_mono_ms() + HANDOVER_WAIT_MS;

	while (c->serves == 'h' && !(c->match.route->flags & ROUTE_ANY_MODE) &&
	       clock_mono_ms() < until) {
		pause_ms(c->api->v->loop, c->call.f, HANDOVER_POLL_MS);
		c->serves = state_serves(call_state(c));
	}
}

/* Handed on by another node: as if its client had come to this one, if that is proven. Only a
 * primary takes such a request. The proof covers the body: before it there is the session alone. */
static int
check_forwarded(struct api_call *c, struct err *e)
{
	if (!c->rq->forwarded || !forward_is_for(c->match.route))
		return 0;
	if (c->serves != 'p')
		return err_set(e, ERR_STANDBY, "%s", err_info(ERR_STANDBY)->text);
	return c->head ? 0 : forward_accept(c->api->forward, c, e);
}

static int
admit(struct api_call *c, struct err *e)
{
	const struct route *r = c->match.route;

	wait_for_handover(c);
	if (c->serves == 'h' && !(r->flags & ROUTE_ANY_MODE))
		return err_set(e, ERR_NOT_SERVING, "this node hands over to another one");
	int rc = check_mode(r, c->serves, e);
	if (rc == 0)
		rc = check_forwarded(c, e);
	if (rc == 0 && (r->flags & ROUTE_LOOPBACK))
		rc = check_loopback(c, e);
	if (rc == 0)
		rc = check_health(c, e);
	if (rc == 0 &&
	    !c->head) /* with a body that a node of the pair handed on comes its word for it */
		rc = check_origin(c, e);
	if (rc == 0)
		rc = check_session(c, e);
	/* While the journal goes home a stranger's session may be one that only the primary knows.
	 */
	if (rc == ERR_UNAUTHENTICATED && c->serves == 'm' && !(r->flags & ROUTE_ANY_MODE))
		return err_set(e, ERR_STANDBY, "%s", err_info(ERR_STANDBY)->text);
	if (rc == 0)
		rc = check_merging(c, e);
	if (rc == 0)
		rc = check_capability(c, e);
	return rc;
}

/* ---- the core: handler and reply ---- */

#define NO_DURABILITY ((enum ledger_durability) - 1)

static void
add_durability(struct api_call *c)
{
	static const char *const names[] = {
		[LEDGER_LOCAL] = "local",
		[LEDGER_BOTH] = "both",
		[LEDGER_JOURNAL] = "journal",
	};
	if ((unsigned)c->call.durability < ARRAY_LEN(names))
		request_header(c->rq, "Holdfast-Durability", names[c->call.durability]);
}

static void
fill_failure(struct api_call *c, struct err *e)
{
	/* The state has changed under the request: it is told where to go, as all after it. */
	bool moved = e->code == ERR_NOT_SERVING && state_serves(call_state(c)) == '-' &&
		     !is_for_primary(c);
	if (moved)
		fill_standby(c);
	else if (e->code == ERR_NOT_SERVING)
		fill_not_serving(c->rq, e->text);
	else
		fill_error(c, e);
	if (c->rq->status >= 500 && e->code != ERR_NOT_SERVING)
		log_err(LOG_LEVEL_WARNING, e, "%s %s", request_method_name(c->rq->method),
			c->match.route->pattern);
}

static void
finish(struct api_call *c, int rc, struct err *e)
{
	struct request *rq = c->rq;
	enum ha_state state = call_state(c);
	if (rc) {
		e->code = rc;
		fill_failure(c, e);
	} else {
		rq->status = rq->reply.len ? c->status : 204;
		if (c->match.route->flags & ROUTE_EVENT)
			add_durability(c);
	}
	add_mode(c, state, c->serves == 'e' || (c->serves == 'm' && rc == 0));
}

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
		.durability = NO_DURABILITY,
	};
	jw_init(&c->w, &c->rq->reply);
}

static int
work(struct api_call *c, struct fiber *f, struct err *e)
{
	begin_call(c, f);
	int rc = admit(c, e);
	return rc || c->head ? rc : ((api_fn *)c->match.route->handler)(c, e);
}

/* Not this node's to serve, or not any more. */
static bool
is_standby(const struct api_call *c, int rc)
{
	return rc == ERR_STANDBY || (rc == ERR_NOT_SERVING && state_serves(call_state(c)) == '-');
}

/* FORWARD_ANSWERED, FORWARD_HERE, or an error. */
static int
hand_on(struct api_call *c, struct fiber *f, struct err *e)
{
	begin_call(c, f);
	int rc = check_origin(c, e);
	return rc ? rc : forward_request(c->api->forward, c, e);
}

static void
copy_reply(const struct request *from, struct request *to)
{
	to->status = from->status;
	buf_reset(&to->reply);
	buf_add(&to->reply, from->reply.data, from->reply.len);
	for (unsigned i = 0; i < from->nheaders; i++)
		request_header(to, arena_strdup(to->arena, from->headers[i].name),
			       from->headers[i].value);
}

#define LET_IN (FORWARD_ANSWERED + 1)

/* Instead of a body that has not come yet: does the primary know the session? LET_IN, else as hand_on. */
static int
ask_primary(struct api_call *c, struct fiber *f, struct err *e)
{
	struct request *rq = request_new();
	struct api_call *q = new_call(c->api, rq);
	size_t n;
	const struct route *table = routes(&n);

	rq->method = HTTP_GET;
	rq->path = "/v1/session";
	rq->address = c->rq->address;
	rq->bearer = c->rq->bearer;
	rq->cookie = c->rq->cookie;
	begin_call(c, f);
	int rc = router_match(table, n, rq, &q->match, e);
	if (rc == 0) {
		begin_call(q, f);
		rc = forward_request(c->api->forward, q, e);
	}
	if (rc == FORWARD_ANSWERED && rq->status == 200)
		rc = LET_IN;
	else if (rc == FORWARD_ANSWERED)
		copy_reply(rq, c->rq);
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
		finish(c, rc, e);
	send_reply(c);
}

static void
serve(struct fiber *f, void *arg)
{
	struct api_call *c = arg;
	struct api *a = c->api;
	struct err e = { 0 };
	int rc = work(c, f, &e);
	while (is_standby(c, rc) && is_for_primary(c)) {
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

struct api *
api_new(const struct api_options *o)
{
	struct api *a = calloc(1, sizeof(*a));
	if (!a)
		abort();
	a->v = o->v;
	a->anchor_path = o->anchor_path ? strdup(o->anchor_path) : NULL;
	memccpy(a->node_name, o->node_name, '\0', sizeof(a->node_name) - 1);
	a->relay = o->relay;
	a->forward = forward_new(a->v, a->relay, a->node_name);
	pthread_mutex_init(&a->lock, NULL);
	pthread_mutex_init(&a->health_lock, NULL);
	if (uv_async_init(a->v->loop, &a->async, on_async) || uv_timer_init(a->v->loop, &a->timer))
		abort();
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
	free(a->anchor_path);
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

/* ---- metrics ---- */

static void
add_metric(struct buf *out, const char *name, const char *type, const char *help, double v)
{
	buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n%s %.17g\n", name, help, name, type, name, v);
}

static void
add_replies(struct api *a, struct buf *out)
{
	buf_adds(out, "# HELP holdfast_replies_total Replies by class of status.\n"
		      "# TYPE holdfast_replies_total counter\n");
	for (unsigned i = 2; i < ARRAY_LEN(a->replies); i++)
		buf_addf(out, "holdfast_replies_total{class=\"%uxx\"} %llu\n", i,
			 (unsigned long long)atomic_load(&a->replies[i]));
}

static void
add_state(struct buf *out, enum ha_state now)
{
	buf_adds(out, "# HELP holdfast_state The state of the node: 1 for the one it is in.\n"
		      "# TYPE holdfast_state gauge\n");
	for (int s = 0; s < HA_STATE_COUNT; s++)
		buf_addf(out, "holdfast_state{state=\"%s\"} %d\n", state_name(s), s == (int)now);
}

static double
lag_seconds(const struct page_view *v)
{
	return v->as_of_us ? (double)(clock_now_us() - v->as_of_us) / 1e6 : 0;
}

void
api_write_metrics(struct api_call *c, struct buf *out)
{
	struct api *a = c->api;
	struct ledger_stats l;
	uint64_t requests, batches;
	auto_arena arena = arena_new();
	const struct page_view *v = call_view(c, arena);
	const struct rowcache_stats k = gather_stats(a->v->gather);
	const struct lists_stats q = lists_stats(a->v->lists);
	ledger_stats(a->v->ledger, &l);
	keys_stats(a->v->keys, &requests, &batches);
	const struct {
		const char *name, *type, *help;
		double value;
	} rows[] = {
		{ "holdfast_retrievals_total", "counter", "Passwords retrieved.",
		  (double)a->retrievals },
		{ "holdfast_ledger_events_total", "counter", "Events written.", (double)l.events },
		{ "holdfast_ledger_batches_total", "counter",
		  "Transactions or journal writes they took.", (double)l.batches },
		{ "holdfast_ledger_largest_batch", "gauge", "Most events in one of them.",
		  (double)l.largest_batch },
		{ "holdfast_ledger_failures_total", "counter", "Writes that failed.",
		  (double)l.failures },
		{ "holdfast_ledger_merged_total", "counter", "Events of other nodes taken in.",
		  (double)l.merged },
		{ "holdfast_accounts_in_conflict", "gauge",
		  "Accounts whose versions wait for a person; known on a primary.",
		  (double)l.accounts_in_conflict },
		{ "holdfast_administration_conflicts", "gauge",
		  "Conflicts of administration that nobody has acknowledged; known on a primary.",
		  (double)l.admin_unacknowledged },
		{ "holdfast_ledger_writable", "gauge", "Whether the last write succeeded.",
		  l.writable },
		{ "holdfast_ledger_wait_seconds", "gauge", "Age of the write in flight.",
		  (double)l.oldest_wait_ms / 1e3 },
		{ "holdfast_keyd_requests_total", "counter", "Requests to keyd.",
		  (double)requests },
		{ "holdfast_keyd_batches_total", "counter", "Writes that carried them.",
		  (double)batches },
		{ "holdfast_both", "gauge", "Whether commits are on both disks.", v->both },
		{ "holdfast_lag_seconds", "gauge",
		  "Age of what a secondary is known to have; 0 on a primary.", lag_seconds(v) },
		{ "holdfast_journal_rows", "gauge", "Journal rows that are not home yet.",
		  (double)v->journal_rows },
		{ "holdfast_alerts_waiting", "gauge",
		  "Alerts that a receiver has not accepted yet.", (double)v->alerts_waiting },
		{ "holdfast_emergency_unlocked", "gauge",
		  "Whether max_emergency_age is unlocked for this outage.", a->v->unlocked },
		{ "holdfast_term", "gauge", "Term of the pair.", (double)v->term },
		{ "holdfast_serving", "gauge", "Whether users may be served here.",
		  a->v->health.serving },
		{ "holdfast_sessions_cached", "gauge", "Sessions in the cache.",
		  (double)sessions_count(a->v->sessions) },
		{ "holdfast_rows_cached", "gauge", "Rows of accounts lately retrieved.",
		  (double)k.rows },
		{ "holdfast_rows_cached_bytes", "gauge", "Memory that they take.",
		  (double)k.bytes },
		{ "holdfast_row_hits_total", "counter", "Retrievals that found their row there.",
		  (double)k.hits },
		{ "holdfast_row_misses_total", "counter", "Retrievals that did not.",
		  (double)k.misses },
		{ "holdfast_lists_running", "gauge",
		  "Lists and searches that the database works on.", (double)q.running },
		{ "holdfast_lists_waiting", "gauge", "Lists and searches that wait for their turn.",
		  (double)q.waiting },
		{ "holdfast_lists_refused_total", "counter",
		  "Lists and searches refused because there were too many.", (double)q.refused },
		{ "holdfast_fibers", "gauge", "Requests and tasks in work.",
		  (double)fiber_alive(a->v->fibers) },
		{ "holdfast_connections", "gauge", "HTTPS connections.",
		  a->server ? server_connections(a->server) : 0 },
		{ "holdfast_forwarded_total", "counter",
		  "Requests that the primary answered through this standby.",
		  (double)forward_count(a->forward) },
		{ "holdfast_forwarding", "gauge", "Requests that are at the primary now.",
		  (double)forward_waiting(a->forward) },
		{ "holdfast_requests_total", "counter", "HTTPS requests.",
		  a->server ? (double)server_requests(a->server) : 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		add_metric(out, rows[i].name, rows[i].type, rows[i].help, rows[i].value);
	add_replies(a, out);
	add_state(out, v->state);
}
