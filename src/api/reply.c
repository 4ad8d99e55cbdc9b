/* SPDX-License-Identifier: Apache-2.0 */
#include "api/reply.h"

#include <inttypes.h>
#include <stdio.h>
#include "api/admit.h"
#include "api/api_impl.h"
#include "base/clock.h"
#include "base/log.h"
#include "vault/lists.h"

static const char *
mode_name(enum ha_state state)
{
	const struct state_row *row = state_row(state);

	return row->health_status == 200 ? row->health_mode : row->name;
}

void
reply_send(struct api_call *c)
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
	const struct statepage_view *v = call_view(c, rq->arena);
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
	struct json_out w;
	buf_reset(&rq->reply);
	rq->status = info->http;
	json_out_init(&w, &rq->reply);
	json_out_object(&w, NULL);
	json_out_object(&w, "error");
	json_out_text(&w, "code", info->name);
	json_out_text(&w, "message", info->text);
	json_out_text(&w, "detail", why[0] ? why : NULL);
	json_out_end_object(&w);
	json_out_end_object(&w);
}

void
reply_add_mode(struct api_call *c, enum ha_state state, bool emergency)
{
	struct request *rq = c->rq;
	request_header(rq, "Holdfast-Mode", emergency ? "emergency" : mode_name(state));
	if (!emergency)
		return;
	const struct statepage_view *v = call_view(c, rq->arena);
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

void
reply_refuse(struct api_call *c, enum ha_state state, const struct err *e)
{
	fill_error(c, e);
	reply_add_mode(c, state, state_serves(state) == SERVES_EMERGENCY);
	reply_send(c);
}

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
	bool moved = e->code == ERR_NOT_SERVING && state_serves(call_state(c)) == SERVES_NOBODY &&
		     !(c->match.route->flags & ROUTE_ANY_MODE) && !admit_is_for_primary(c);
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

static int
good_status(const struct api_call *c)
{
	if (!c->rq->reply.len)
		return 204;
	return c->match.route->flags & ROUTE_CREATES ? 201 : 200;
}

/* Who is logged in is told which nodes there are; when it is another mark than before, they ask (GET /v1/session). */
static void
add_nodes(struct api_call *c)
{
	const struct statepage *page = c->api->v->statepage;
	uint64_t mark = page ? statepage_quick(page).nodes : 0;

	if (mark && !uuid_is_nil(&c->call.who.user))
		request_header(c->rq, "Holdfast-Nodes",
			       arena_printf(c->rq->arena, "%016" PRIx64, mark));
}

void
reply_finish(struct api_call *c, int rc, struct err *e)
{
	struct request *rq = c->rq;
	enum ha_state state = call_state(c);
	if (rc) {
		e->code = rc;
		fill_failure(c, e);
	} else {
		rq->status = good_status(c);
		if (c->match.route->flags & ROUTE_EVENT)
			add_durability(c);
		add_nodes(c);
	}
	reply_add_mode(c, state,
		       c->serves == SERVES_EMERGENCY || (c->serves == SERVES_UNMERGED && rc == 0));
}

void
reply_copy(const struct request *from, struct request *to)
{
	to->status = from->status;
	buf_reset(&to->reply);
	buf_add(&to->reply, from->reply.data, from->reply.len);
	for (unsigned i = 0; i < from->nheaders; i++)
		request_header(to, arena_strdup(to->arena, from->headers[i].name),
			       from->headers[i].value);
}
