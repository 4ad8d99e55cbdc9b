/* SPDX-License-Identifier: Apache-2.0
 *
 * What the node says of itself: nodes, pair, counters, this interface. Health is in health.c.
 */
#include "api/bodies.h"
#include "api/handlers.h"
#include "api/metrics.h"
#include "api/replies.h"
#include "api/routes.h"
#include "base/clock.h"
#include "ha/status.h"
#include "vault/age_limit.h"
#include "vault/user.h"

int
on_nodes(struct api_call *c, struct err *e)
{
	json_out_object(&c->w, NULL);
	int rc = user_write_nodes(&c->call, &c->w, "nodes", true, e);
	json_out_end_object(&c->w);
	return rc;
}

int
on_ha(struct api_call *c, struct err *e)
{
	struct statepage_view *v = call_view(c, c->rq->arena);
	int64_t now_ms = clock_mono_ms();
	if ((c->call.who.administrator || c->rq->loopback) && c->call.v->statepage) {
		status_read(v, now_ms, &c->rq->reply);
		return 0;
	}
	json_out_object(&c->w, NULL);
	json_out_text(&c->w, "status",
		      statepage_is_fresh(v, now_ms) ? pair_status_name(v->status) : NULL);
	json_out_text(&c->w, "state", state_name(v->state));
	json_out_text(&c->w, "reason", v->reason);
	json_out_text(&c->w, "primary_url", v->primary_url[0] ? v->primary_url : NULL);
	json_out_bool(&c->w, "both", v->both);
	json_out_time(&c->w, "as_of", v->as_of_us);
	json_out_int(&c->w, "term", v->term);
	json_out_end_object(&c->w);
	return 0;
}

int
on_ha_unlock(struct api_call *c, struct err *e)
{
	const struct body_unlock *b = c->body;

	return age_limit_unlock(&c->call, b->reason, &c->w, e);
}

int
on_metrics(struct api_call *c, struct err *e)
{
	c->rq->reply_type = "text/plain; version=0.0.4";
	metrics_write(c, &c->rq->reply);
	return 0;
}

int
on_openapi(struct api_call *c, struct err *e)
{
	size_t n;
	const struct route *table = routes(&n);
	router_openapi(table, n, replies, &c->rq->reply);
	return 0;
}
