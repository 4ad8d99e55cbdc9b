/* SPDX-License-Identifier: Apache-2.0
 *
 * The state's row (base/state.h) says who is served: everyone, on all routes; in emergency, the
 * routes marked for it (H5), and the change that may be allowed there, which the vault decides;
 * unmerged sessions, on those routes, while everybody else is sent to the primary (H7); or nobody:
 * they learn where the primary is, and nothing else (H1), unless the setting standby has requests
 * forwarded to it (api/forward.h).
 */
#include "api/admit.h"

#include <sodium.h>
#include <string.h>
#include "api/api_impl.h"
#include "api/forward.h"
#include "api/routes.h"
#include "base/clock.h"
#include "base/fiber_sleep.h"
#include "http/server.h"
#include "vault/session.h"

#define HANDOVER_WAIT_MS 12000
#define HANDOVER_POLL_MS 20
#define SESSION_WAIT_MS 3000 /* clients wait four seconds for an answer */
#define SESSION_POLL_MS 100
#define SESSIONS_AWAITED_MAX 64

/* ---- any thread: what is known without body and session ---- */

/* What can be refused by state alone. 0: goes on. */
static int
check_mode(const struct route *r, enum state_served serves, struct err *e)
{
	if ((r->flags & ROUTE_ANY_MODE) || serves == SERVES_EVERYONE || serves == SERVES_UNMERGED ||
	    serves == SERVES_LATER)
		return 0;
	if (serves == SERVES_NOBODY)
		return err_set(e, ERR_STANDBY, "%s", err_info(ERR_STANDBY)->text);
	if (r->flags & (ROUTE_EMERGENCY | ROUTE_EMERGENCY_CHANGE))
		return 0;
	return err_set(e, ERR_EMERGENCY_READ_ONLY, "%s", err_info(ERR_EMERGENCY_READ_ONLY)->text);
}

/* The client itself asks a standby to hand the request on; only the routes of sessions take the word. */
static bool
asks_to_forward(const struct api_call *c)
{
	const char *word = request_query(c->rq, "standby");

	return word && strcmp(word, "forward") == 0 && c->api->relay;
}

/* A request that this node does not serve is handed on; but not twice. */
bool
admit_is_for_primary(const struct api_call *c)
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
int
admit_head(struct request *rq, struct api_call *c, enum ha_state state, struct err *e)
{
	int rc = router_match(route_tables, rq, &c->match, e);
	if (rc == 0)
		rc = check_standby_word(c, e);
	if (rc == 0)
		rc = check_mode(c->match.route, state_serves(state), e);
	return rc == ERR_STANDBY && admit_is_for_primary(c) ? 0 : rc;
}

const char *
admit_token(const struct request *rq)
{
	return rq->bearer ? rq->bearer : rq->cookie;
}

/* A body of JSON is read beside the checks while it is small. */
bool
admit_unchecked(const struct route *r, const struct request *rq)
{
	return r->body && !rq->chunked && rq->content_length <= SERVER_UNCHECKED_MAX;
}

/* ---- the core: who asks, and may they ---- */

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
int
admit_origin(const struct api_call *c, struct err *e)
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

/* A session that was begun in emergency is known here once the journal is merged: whoever comes a
 * moment sooner waits for it (H7). */
static int
await_session(struct api_call *c, const char *token, struct err *e)
{
	struct api *a = c->api;
	int64_t until = clock_mono_ms() + SESSION_WAIT_MS;
	int rc = ERR_UNAUTHENTICATED;

	a->awaiting++;
	while (rc == ERR_UNAUTHENTICATED && clock_mono_ms() < until &&
	       statepage_quick(a->v->statepage).unmerged) {
		fiber_sleep_ms(a->v->loop, c->call.f, SESSION_POLL_MS);
		rc = session_check(a->v, c->call.f, token, c->rq->arena, &c->call.who, e);
	}
	a->awaiting--;
	return rc;
}

static bool
may_come_home(const struct api_call *c)
{
	const struct api *a = c->api;
	return c->serves == SERVES_EVERYONE && a->awaiting < SESSIONS_AWAITED_MAX &&
	       a->v->statepage && statepage_quick(a->v->statepage).unmerged;
}

static int
check_session(struct api_call *c, struct err *e)
{
	const struct route *r = c->match.route;
	const char *token = admit_token(c->rq);
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
	if (policy_may(&c->call, r->capability))
		return 0;
	return policy_refuse(&c->call, &(struct uuid){ 0 }, true, r->summary, e);
}

/* While the journal is merged only a session that the primary cannot know yet is served, as in
 * emergency (H7). */
static int
check_merging(const struct api_call *c, struct err *e)
{
	if (c->serves != SERVES_UNMERGED || (c->match.route->flags & ROUTE_ANY_MODE))
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

	while (c->serves == SERVES_LATER && !(c->match.route->flags & ROUTE_ANY_MODE) &&
	       clock_mono_ms() < until) {
		fiber_sleep_ms(c->api->v->loop, c->call.f, HANDOVER_POLL_MS);
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
	if (c->serves != SERVES_EVERYONE)
		return err_set(e, ERR_STANDBY, "%s", err_info(ERR_STANDBY)->text);
	return c->head ? 0 : forward_accept(c->api->forward, c, e);
}

int
admit_call(struct api_call *c, struct err *e)
{
	const struct route *r = c->match.route;

	wait_for_handover(c);
	if (c->serves == SERVES_LATER && !(r->flags & ROUTE_ANY_MODE))
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
		rc = admit_origin(c, e);
	if (rc == 0)
		rc = check_session(c, e);
	/* While the journal is being merged, a stranger's session may be one that only the primary knows.
	 */
	if (rc == ERR_UNAUTHENTICATED && c->serves == SERVES_UNMERGED &&
	    !(r->flags & ROUTE_ANY_MODE))
		return err_set(e, ERR_STANDBY, "%s", err_info(ERR_STANDBY)->text);
	if (rc == 0)
		rc = check_merging(c, e);
	if (rc == 0)
		rc = check_capability(c, e);
	return rc;
}
