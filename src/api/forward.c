/* SPDX-License-Identifier: Apache-2.0
 *
 * The outcomes of a forwarded request:
 *
 *   answered         the reply is the primary's, whatever it says
 *   not reached      nothing was done: asked again until the primary is there, this node gives emergency access, or
 *                    patience ends
 *   lost on the way  what emergency access would serve is asked again, there or here; a change is ERR_UNCERTAIN
 *
 * Patience is a little longer than this node takes to notice that the primary is gone, so a read ends in one of the
 * first two (H4, H8). Two nodes never forward the same request: the second says where the primary is (no loops).
 */
#include "api/forward.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/fiber_sleep.h"

#define AGAIN_MS 50
#define PATIENCE_MORE_MS 1500 /* beyond what noticing the primary's end takes */
#define PATIENCE_MAX_MS 30000
#define CHANGE_GRACE_MS 2000 /* for an answer after this node went into emergency */

struct forward {
	struct vault *v;
	struct relay *relay; /* NULL: hands nothing on */
	char name[FORWARD_NAME_MAX];
	uint64_t run, number, answered;
	int64_t since_us; /* marks made before may have been taken by a run that is over */
	struct forward_memory memory;
};

struct forward *
forward_new(struct vault *v, struct relay *relay, const char *node_name)
{
	struct forward *fw = mem_new(sizeof(*fw));

	fw->v = v;
	fw->since_us = clock_now_us();
	randombytes_buf(&fw->run, sizeof(fw->run));
	if (forward_name_fits(node_name)) {
		fw->relay = relay;
		memcpy(fw->name, node_name, strlen(node_name) + 1);
	}
	return fw;
}

void
forward_free(struct forward *fw)
{
	free(fw);
}

uint64_t
forward_count(const struct forward *fw)
{
	return fw->answered;
}

unsigned
forward_waiting(const struct forward *fw)
{
	return fw->relay ? relay_waiting(fw->relay) : 0;
}

/* ---- the proof ---- */

static int
make_mark(struct forward *fw, struct api_call *c, struct buf *ret, struct err *e)
{
	struct forward_mark m = { .node = fw->v->node, .run = fw->run, .number = ++fw->number };
	auto_buf message = BUF_INIT;
	size_t n = strlen(c->rq->address);
	int rc;

	if (n >= sizeof(m.address))
		return err_set(e, ERR_INTERNAL, "the client's address is too long to be handed on");
	m.at_us = clock_now_us();
	memcpy(m.address, c->rq->address, n);
	memcpy(m.name, fw->name, sizeof(m.name));
	forward_message(c->rq, &m, &message);
	rc = keys_mac(fw->v->keys, c->call.f, KEYS_FORWARD, message.data, message.len, m.mac, e);
	if (!rc)
		forward_write(&m, ret);
	return rc;
}

/* What a node may do goes by the node table: one that was taken out of the pair has the key still. */
static int
check_member(struct forward *fw, struct api_call *c, const struct uuid *node, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;

	bind_uuid(&b, node);
	int rc = db_exec(vault_reader(fw->v), c->call.f, STMT_NODE_NAME, &b, &rows, e);
	if (rc || rows_count(rows))
		return rc;
	return err_set(e, ERR_NOT_PROVEN, "the node that hands this on is not in the pair");
}

int
forward_accept(struct forward *fw, struct api_call *c, struct err *e)
{
	uint8_t mac[KEYS_HASH_BYTES];
	auto_buf message = BUF_INIT;
	struct forward_mark m;
	int rc = forward_parse(c->rq->forwarded, &m, e);

	if (rc)
		return rc;
	forward_message(c->rq, &m, &message);
	rc = keys_mac(fw->v->keys, c->call.f, KEYS_FORWARD, message.data, message.len, mac, e);
	if (rc)
		return rc;
	if (sodium_memcmp(mac, m.mac, sizeof(mac)) != 0 || uuid_eq(&m.node, &fw->v->node))
		return err_set(e, ERR_NOT_PROVEN, "%s", err_info(ERR_NOT_PROVEN)->text);
	rc = check_member(fw, c, &m.node, e);
	if (rc)
		return rc;
	rc = forward_take(&fw->memory, &m, clock_now_us(), fw->since_us, e);
	if (rc)
		return rc;
	c->call.who.address = arena_strdup(c->rq->arena, m.address);
	c->call.who.via = arena_strdup(c->rq->arena, m.name);
	c->rq->loopback = false;
	return 0;
}

/* ---- one attempt ---- */

enum verdict { DONE, AGAIN, FAILED };

struct attempt {
	struct api_call *c;
	bool repeats;	  /* emergency access serves this too, so it may be done twice */
	int64_t until_ms; /* the end of patience */
	int64_t lost_ms;  /* since when this node serves by itself; 0: it does not */
};

static bool
serves_itself(const struct api_call *c)
{
	enum state_served serves = state_serves(call_state(c));

	return serves == SERVES_EMERGENCY || serves == SERVES_EVERYONE;
}

static bool
stop(void *ctx)
{
	struct attempt *t = ctx;
	int64_t now = clock_mono_ms();

	if (!serves_itself(t->c)) {
		t->lost_ms = 0;
		return false;
	}
	if (!t->lost_ms)
		t->lost_ms = now;
	return t->repeats || now - t->lost_ms >= CHANGE_GRACE_MS;
}

static void
add_header(struct relay_ask *ask, const char *name, const char *value)
{
	if (value)
		ask->headers[ask->nheaders++] = (struct request_pair){ name, value };
}

/* What the client sent and a handler looks at. Where a browser's page came from was checked here. */
static void
add_headers(struct relay_ask *ask, struct api_call *c, const char *mark)
{
	const struct request *rq = c->rq;
	struct arena *a = rq->arena;

	add_header(ask, FORWARD_HEADER, mark);
	if (rq->bearer)
		add_header(ask, "Authorization", arena_printf(a, "Bearer %s", rq->bearer));
	if (rq->cookie)
		add_header(ask, "Cookie", arena_printf(a, "__Host-holdfast=%s", rq->cookie));
	add_header(ask, "Content-Type", rq->content_type);
	add_header(ask, "If-None-Match", rq->if_none_match);
}

/* Where the primary is, in the client's eyes: at the node that was asked. */
static const char *
shown_value(const struct request_pair *h, const char *base)
{
	size_t n = strlen(base);

	if (strcasecmp(h->name, "Location") == 0 && strncmp(h->value, base, n) == 0 &&
	    h->value[n] == '/')
		return h->value + n;
	return h->value;
}

static void
hand_back(struct forward *fw, struct request *rq, struct relay_reply *r, const char *base)
{
	rq->status = r->status;
	rq->reply_type = r->type;
	buf_done(&rq->reply);
	rq->reply = r->body;
	r->body = BUF_INIT;
	rq->nheaders = 0;
	for (unsigned i = 0; i < r->nheaders && rq->nheaders < REQUEST_HEADERS_MAX - 1; i++)
		request_header(rq, r->headers[i].name, shown_value(&r->headers[i], base));
	request_header(rq, "Holdfast-Forwarded-By", fw->name);
	fw->answered++;
}

static enum verdict
judge_reply(const struct attempt *t, const struct relay_reply *r, struct err *e)
{
	if (r->status == 307) {
		err_set(e, ERR_NOT_SERVING, "the node that was the primary is not any more");
		return AGAIN;
	}
	if (r->status == err_info(ERR_NOT_PROVEN)->http) {
		err_set(e, ERR_NOT_SERVING,
			"the primary does not take what this node hands on: is it still in the "
			"pair, are both nodes' clocks right, and do both have the same master "
			"key?");
		return AGAIN;
	}
	/* A primary that cannot serve makes this node give emergency access. */
	if (r->status == 503 && t->repeats && clock_mono_ms() < t->until_ms) {
		err_set(e, ERR_NOT_SERVING, "the primary cannot serve now");
		return AGAIN;
	}
	return DONE;
}

static enum verdict
judge_loss(const struct attempt *t, struct err *e)
{
	if (t->repeats)
		return AGAIN;
	err_set(e, ERR_UNCERTAIN, "%s", err_info(ERR_UNCERTAIN)->text);
	return FAILED;
}

static enum verdict
judge(struct forward *fw, struct attempt *t, enum relay_end end, struct relay_reply *r,
      const char *base, struct err *e)
{
	enum verdict v;

	switch (end) {
	case RELAY_ANSWERED:
		v = judge_reply(t, r, e);
		if (v == DONE)
			hand_back(fw, t->c->rq, r, base);
		buf_done(&r->body);
		return v;
	case RELAY_UNSENT:
		err_prefix(e, "the primary cannot be reached from this node: ");
		e->code = ERR_NOT_SERVING;
		return AGAIN;
	case RELAY_LOST:
	case RELAY_GIVEN_UP:
		err_prefix(e, "the primary was lost: ");
		e->code = ERR_NOT_SERVING;
		return judge_loss(t, e);
	default:
		return FAILED;
	}
}

static enum verdict
attempt(struct forward *fw, struct attempt *t, struct err *e)
{
	struct request *rq = t->c->rq;
	struct relay_reply r = { 0 };
	auto_arena passing = arena_new();
	auto_buf target = BUF_INIT, mark = BUF_INIT;
	const char *base = call_view(t->c, passing)->primary_url;
	struct relay_ask ask = { .base = base, .method = forward_method(rq), .body = &rq->body };

	if (!base[0]) {
		err_set(e, ERR_NOT_SERVING, "no primary is known");
		return AGAIN;
	}
	if (make_mark(fw, t->c, &mark, e))
		return FAILED;
	request_write_target(rq, &target);
	ask.target = buf_str(&target);
	ask.again = t->repeats;
	ask.stop = stop;
	ask.ctx = t;
	add_headers(&ask, t->c, buf_str(&mark));
	return judge(fw, t, relay_call(fw->relay, t->c->call.f, rq->arena, &ask, &r, e), &r, base,
		     e);
}

/* ---- until it is decided ---- */

static int64_t
patience_ms(const struct settings *s)
{
	int64_t ms = s->detect_ms > s->refused_ms ? s->detect_ms : s->refused_ms;

	return ms + PATIENCE_MORE_MS < PATIENCE_MAX_MS ? ms + PATIENCE_MORE_MS : PATIENCE_MAX_MS;
}

int
forward_request(struct forward *fw, struct api_call *c, struct err *e)
{
	struct attempt t = { .c = c,
			     .repeats = c->match.route->flags & ROUTE_EMERGENCY,
			     .until_ms = clock_mono_ms() + patience_ms(fw->v->settings) };

	if (!fw->relay)
		return err_set(e, ERR_STANDBY, "%s", err_info(ERR_STANDBY)->text);
	while (state_serves(call_state(c)) == c->serves) {
		enum verdict v = attempt(fw, &t, e);

		if (v == DONE)
			return FORWARD_ANSWERED;
		if (v == FAILED || clock_mono_ms() >= t.until_ms)
			return e->code;
		fiber_sleep_ms(fw->v->loop, c->call.f, AGAIN_MS);
	}
	return FORWARD_HERE;
}
