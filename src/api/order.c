/* SPDX-License-Identifier: Apache-2.0
 *
 * Orders of the pair from the console. What may be ordered, and what there is to know before, says
 * the agent, as it does to the command line (ha/orders.h, ha/order_words.h). An order is checked here
 * as a log-in is, by its counters and its lock-out, and then once more by the agent, which does not
 * believe this process (agent/orderer.h).
 */
#include "ha/orders.h"

#include <string.h>
#include <uv.h>
#include "api/api_impl.h"
#include "api/noun.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ha/ask.h"
#include "ha/order_words.h"
#include "vault/session.h"

#define LOOKS_MAX 4	   /* questions to the agent at once: each holds a thread of the pool */
#define LOOK_COMES_MS 1000 /* so long it is waited for, where it only tells */
#define LOOK_ANSWERS_MS 3000
#define ORDER_COMES_MS 5000
#define ORDER_ANSWERS_MS 90000 /* it waits for its turn, and to take a node out for the log */
#define ORDER_MAX 16

/* clang-format off */
#define ORDERS_QUERY(X, query) \
	X(query, state, BOOL)
DEFINE_QUERY(orders, ORDERS_QUERY)

#define ORDER_BODY(X, body) \
	X(body, order, TEXT, JREQUIRED, ORDER_MAX) \
	X(body, target, TEXT, 0, MAX_ADDRESS) \
	X(body, password, TEXT, JREQUIRED, SESSION_PASSWORD_MAX) \
	X(body, code, TEXT, 0, MAX_CODE) \
	X(body, confirm, BOOL, 0, 0)
DEFINE_BODY(order, ORDER_BODY)
/* clang-format on */

/* ---- the agent is asked, on the thread pool ---- */

struct asking {
	uv_work_t work;
	struct fiber *f;
	bool done;
	struct ask ask;
	struct buf answer;
	int rc;
	struct err e;
};

static void
asking_done(struct asking *a)
{
	buf_done(&a->answer);
}

static void
on_ask(uv_work_t *w)
{
	struct asking *a = w->data;

	a->rc = ask_agent(&a->ask, &a->answer, &a->e);
}

static void
on_asked(uv_work_t *w, int status)
{
	struct asking *a = w->data;

	a->done = true;
	fiber_wake(a->f);
}

static int
ask(struct api_call *c, struct asking *a, struct err *e)
{
	if (!c->api->home)
		return err_set(e, ERR_NOT_SERVING, "this node has no agent");
	a->ask.home = c->api->home;
	a->ask.inside = true;
	a->f = c->call.f;
	a->work.data = a;
	mem_check(!uv_queue_work(c->call.v->loop, &a->work, on_ask, on_asked));
	while (!a->done)
		fiber_sleep(c->call.f);
	if (a->rc)
		*e = a->e;
	return a->rc;
}

/* ---- what may be ordered ---- */

static int
look(struct api_call *c, struct asking *a, struct err *e)
{
	int rc;

	if (c->api->looking >= LOOKS_MAX)
		return err_set(e, ERR_BUSY,
			       "too many ask for this at once; wait a moment and try "
			       "again");
	c->api->looking++;
	a->ask.request = "{\"verb\":\"orders\"}";
	a->ask.comes_ms = LOOK_COMES_MS;
	a->ask.answers_ms = LOOK_ANSWERS_MS;
	rc = ask(c, a, e);
	c->api->looking--;
	return rc;
}

static int
on_ha_orders(struct api_call *c, struct err *e)
{
	const struct query_orders *q = c->query;
	struct statepage_view *v = call_view(c, c->rq->arena);
	FREE_WITH(asking_done) struct asking a = { 0 };
	struct err why = { 0 };
	bool knows = !q->state && look(c, &a, &why) == 0;

	json_out_object(&c->w, NULL);
	json_out_text(&c->w, "node", call_node_name(c));
	json_out_text(&c->w, "state", state_name(v->state));
	json_out_text(&c->w, "why", v->reason);
	json_out_text(&c->w, "failure", v->order_failure[0] ? v->order_failure : NULL);
	json_out_text(&c->w, "without", why.text[0] ? why.text : NULL);
	json_out_raw(&c->w, "orders", knows ? buf_str(&a.answer) : "[]");
	json_out_end_object(&c->w);
	return 0;
}

/* ---- an order ---- */

/* What the command line asks too. */
static int
check_confirmed(const struct body_order *b, struct err *e)
{
	bool removes = strcmp(b->order, "remove") == 0;

	if (removes && !b->target)
		return err_set(e, ERR_BAD_FIELD, "target: the node that is to be taken out");
	if ((removes || strcmp(b->order, "promote") == 0) && !b->confirm)
		return err_set(e, ERR_BAD_FIELD, "confirm: true says that this is meant: %s",
			       removes ? ORDER_ASK_REMOVE : ORDER_ASK_PROMOTE);
	return 0;
}

/* What is refused by the state alone needs no password, and no code is used up for it. */
static int
check_order(const struct api_call *c, const struct body_order *b, struct err *e)
{
	const struct statepage_view *v = call_view(c, c->rq->arena);
	const char *host = strstr(v->primary_url, "://");
	int rc = check_confirmed(b, e);

	return rc ? rc : order_check(b->order, call_state(c), host ? host + 3 : "", e);
}

static void
write_event(const struct api_call *c, int64_t step, const char *outcome, const char *why,
	    struct buf *out)
{
	const struct body_order *b = c->body;
	struct json_out w;

	json_out_init(&w, out);
	json_out_object(&w, NULL);
	json_out_text(&w, "order", b->order);
	if (b->target)
		json_out_text(&w, "target", b->target);
	json_out_text(&w, "outcome", outcome);
	if (why)
		json_out_text(&w, "why", why);
	if (step >= 0)
		json_out_int(&w, "totp_step", step);
	json_out_end_object(&w);
}

/* Where nothing can be written no order waits for that. */
static int
log_order(struct api_call *c, int64_t step, const char *outcome, const char *why, struct err *e)
{
	auto_buf body = BUF_INIT;

	if (state_row(call_state(c))->writes == WRITES_NOWHERE)
		return 0;
	write_event(c, step, outcome, why, &body);
	return vault_append(&c->call, EVENT_HA_ORDERED, &c->call.v->node, buf_str(&body), e);
}

static void
write_request(const struct api_call *c, struct buf *out)
{
	const struct body_order *b = c->body;
	char user[UUID_STR_LEN];
	struct json_out w;

	uuid_str(&c->call.who.user, user);
	json_out_init(&w, out);
	json_out_object(&w, NULL);
	json_out_text(&w, "verb", "ordered");
	json_out_text(&w, "order", b->order);
	if (b->target)
		json_out_text(&w, "node", b->target);
	json_out_text(&w, "user", user);
	json_out_text(&w, "password", b->password);
	if (b->code)
		json_out_text(&w, "code", b->code);
	json_out_end_object(&w);
}

/* It is in the log before the agent has it; and what became of it, if that can still be written: what the node does now may be in its way. */
static int
hand_over(struct api_call *c, int64_t step, struct err *e)
{
	FREE_WITH(asking_done) struct asking a = { 0 };
	auto_buf request = BUF_INIT;
	struct err ignored = { 0 };
	int rc = log_order(c, step, "asked", NULL, e);

	if (rc)
		return rc;
	write_request(c, &request);
	a.ask.request = buf_str(&request);
	a.ask.comes_ms = ORDER_COMES_MS;
	a.ask.answers_ms = ORDER_ANSWERS_MS;
	rc = ask(c, &a, e);
	if (log_order(c, -1, rc ? "refused" : "taken", rc ? e->text : NULL, &ignored))
		log_warning("what became of an order is not in the log: %s", ignored.text);
	return rc;
}

static int
prove_and_order(struct api_call *c, struct err *e)
{
	const struct body_order *b = c->body;
	const struct session_proof proof = { b->password, b->code,
					     arena_printf(c->rq->arena, "order %s", b->order) };
	auto_record_lock turn = NULL;
	int64_t step;
	int rc = session_prove(&c->call, &proof, &turn, &step, e);

	return rc ? rc : hand_over(c, step, e);
}

static int
on_ha_order(struct api_call *c, struct err *e)
{
	const struct body_order *b = c->body;
	int rc = check_order(c, b, e);

	if (rc)
		return rc;
	if (c->api->ordering)
		return err_set(e, ERR_BUSY,
			       "another order is being given here; wait until it is answered");
	c->api->ordering++;
	rc = prove_and_order(c, e);
	c->api->ordering--;
	if (rc)
		return rc;
	json_out_object(&c->w, NULL);
	json_out_text(&c->w, "order", b->order);
	json_out_text(&c->w, "target", b->target);
	json_out_text(&c->w, "state", state_name(call_state(c)));
	json_out_end_object(&c->w);
	return 0;
}

/* clang-format off */
const struct route routes_order[] = {
	{ HTTP_GET, "/v1/ha/orders", DO(ha_orders), CAP_NODES, ROUTE_ANY_MODE,
	  NO_BODY, QUERY(orders), 0, "HaOrders",
	  "Lists what may be ordered of the pair on this node now, or why not and what instead; and for each what there is to know before and, by the states of the node, when it is under way (through), done (good) or came to nothing (bad). failure: why the last order came to nothing after it was taken. without: why no orders are listed. With state=true the agent is not asked, and none are." },
	{ HTTP_POST, "/v1/ha/orders", DO(ha_order), CAP_NODES, ROUTE_ANY_MODE | ROUTE_EVENT,
	  BODY(order), NO_QUERY, SMALL, "HaOrdered",
	  "Orders promote, switchover, remove, emergency on or emergency off of this node, as `holdfast ha` does on its machine. Asks for the password and, where there is a second factor, for its code, by a log-in's rules; the node's agent checks them once more itself. confirm: true is needed for promote and remove; target: the node, for remove and, where there are several, switchover. Answered when the order is taken, before it is done." },
	{ 0 },
};

const struct shape replies_order[] = {
	REPLY(HaOrders,
		FIELD(node, TEXT), FIELD(state, TEXT), FIELD(why, TEXT), FIELD(failure, TEXT, NIL),
		FIELD(without, TEXT, NIL), LIST(orders, HaOrder)),
	REPLY(HaOrder,
		FIELD(order, TEXT), FIELD(allowed, BOOL), FIELD(reason, TEXT, NIL),
		FIELD(question, TEXT, NIL), FIELD(known, TEXT), LIST(targets, HaOrderTarget),
		FIELD(through, TEXTS), FIELD(good, TEXTS), FIELD(bad, TEXTS), FIELD(done, TEXT, NIL)),
	REPLY(HaOrderTarget,
		FIELD(name, TEXT), FIELD(allowed, BOOL), FIELD(reason, TEXT, NIL), FIELD(known, TEXT)),
	REPLY(HaOrdered, FIELD(order, TEXT), FIELD(target, TEXT, NIL), FIELD(state, TEXT)),
	{ 0 },
};
/* clang-format on */
