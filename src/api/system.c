/* SPDX-License-Identifier: Apache-2.0
 *
 * What the node says of itself: nodes, pair, counters, this interface. Health is in health.c.
 */
#include "api/noun.h"
#include "api/metrics.h"
#include "base/clock.h"
#include "ha/orders.h"
#include "ha/status.h"
#include "vault/age_limit.h"
#include "vault/user.h"

/* clang-format off */
#define UNLOCK_BODY(X, body) \
	X(body, reason, TEXT, 0, MAX_REASON)
DEFINE_BODY(unlock, UNLOCK_BODY)
/* clang-format on */

static int
on_nodes(struct api_call *c, struct err *e)
{
	json_out_object(&c->w, NULL);
	int rc = user_write_nodes(&c->call, &c->w, "nodes", true, e);
	json_out_end_object(&c->w);
	return rc;
}

static int
on_ha(struct api_call *c, struct err *e)
{
	struct statepage_view *v = call_view(c, c->rq->arena);
	int64_t now_ms = clock_mono_ms();
	if ((policy_may(&c->call, CAP_NODES) || c->rq->loopback) && c->call.v->statepage) {
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

/* Where another node may give emergency access, whoever asks goes on to that one. */
static int
may_unlock(const struct api_call *c, struct err *e)
{
	enum ha_state s = call_state(c);
	int rc = order_check("unlock", s, "", e);

	if (rc && state_row(s)->health_status == err_info(ERR_NOT_SERVING)->http)
		rc = e->code = ERR_NOT_SERVING;
	return rc;
}

static int
on_ha_unlock(struct api_call *c, struct err *e)
{
	const struct body_unlock *b = c->body;
	int rc = may_unlock(c, e);

	return rc ? rc : age_limit_unlock(&c->call, b->reason, &c->w, e);
}

/* As this node's vault goes by them now. */
static int
on_settings(struct api_call *c, struct err *e)
{
	json_out_object(&c->w, NULL);
	settings_write_json(c->call.v->settings, "settings", &c->w);
	json_out_end_object(&c->w);
	return 0;
}

static int
on_metrics(struct api_call *c, struct err *e)
{
	c->rq->reply_type = "text/plain; version=0.0.4";
	metrics_write(c, &c->rq->reply);
	return 0;
}

static int
on_openapi(struct api_call *c, struct err *e)
{
	router_openapi(route_tables, reply_tables, &c->rq->reply);
	return 0;
}

/* clang-format off */
const struct route routes_system[] = {
	{ HTTP_GET, "/v1/nodes", DO(nodes), CAP_NODES, READ,
	  NO_BODY, NO_QUERY, 0, "Nodes",
	  "Lists the nodes of the pair." },
	{ HTTP_GET, "/v1/ha", DO(ha), 0, ROUTE_ANY_MODE | ROUTE_LOOPBACK_FREE,
	  NO_BODY, NO_QUERY, 0, "HaBrief|HaWhole|HaUnknown",
	  "Says how the pair is; whole for administrators and from loopback." },
	{ HTTP_POST, "/v1/ha/unlock", DO(ha_unlock), CAP_NODES, ROUTE_ANY_MODE | ROUTE_EVENT,
	  BODY(unlock), NO_QUERY, SMALL, "Unlocked",
	  "In emergency, at a secondary whose data is older than max_emergency_age: gives out passwords again for this outage." },
	{ HTTP_GET, "/v1/settings", DO(settings), CAP_NODES, READ,
	  NO_BODY, NO_QUERY, 0, "Settings",
	  "Lists the settings of this node, as it goes by them now; of secrets only whether they are set (changed). counts: at a reload (SIGHUP) or at the next start." },
	{ HTTP_GET, "/v1/metrics", DO(metrics), 0, ROUTE_PUBLIC | ROUTE_ANY_MODE | ROUTE_LOOPBACK,
	  NO_BODY, NO_QUERY, 0, "text/plain",
	  "Counters for Prometheus; from loopback or with the metrics token." },
	{ HTTP_GET, "/v1/openapi.json", DO(openapi), 0, ROUTE_PUBLIC | ROUTE_ANY_MODE,
	  NO_BODY, NO_QUERY, 0, "application/json",
	  "This interface as OpenAPI 3.1." },
	{ 0 },
};

const struct shape replies_system[] = {
	REPLY(Nodes, LIST(nodes, NodeRow)),
	REPLY(NodeRow,
		FIELD(id, ID), FIELD(name, TEXT), FIELD(https_port, INT), FIELD(pair_port, INT),
		FIELD(slot, TEXT, NIL), FIELD(joined, TIME, NIL), FIELD(web_cert, TEXT, NIL),
		FIELD(primary, BOOL)),
	REPLY(Settings, LIST(settings, SettingRow)),
	REPLY(SettingRow,
		FIELD(name, TEXT), FIELD(value, TEXT, NIL), FIELD(default, TEXT), FIELD(allowed, TEXT),
		FIELD(counts, TEXT), FIELD(help, TEXT), FIELD(secret, BOOL), FIELD(changed, BOOL)),
	REPLY(HaBrief,
		FIELD(status, TEXT, NIL), FIELD(state, TEXT), FIELD(reason, TEXT),
		FIELD(primary_url, TEXT, NIL), FIELD(both, BOOL), FIELD(as_of, TIME, NIL),
		FIELD(term, INT)),
	REPLY(HaWhole,
		FIELD(status, TEXT), FIELD(reason, TEXT, NIL), FIELD(state, TEXT),
		FIELD(why, TEXT, NIL), FIELD(term, INT), FIELD(both, BOOL),
		FIELD(as_of, TIME, NIL), FIELD(time, TIME), FIELD(inbox_rows, INT, NIL),
		FIELD(emergency_ordered, BOOL), ONE(alerts, HaAlerts, NIL),
		ONE(maintenance, HaMaintenance, NIL), LIST(reasons, HaReason),
		LIST(warnings, HaWarning), LIST(nodes, HaNode)),
	/* While the agent does not say how the pair is. */
	REPLY(HaUnknown,
		FIELD(status, TEXT), FIELD(reason, TEXT), FIELD(state, TEXT, NIL),
		LIST(reasons, HaReason), LIST(nodes, HaNode)),
	REPLY(HaAlerts, FIELD(waiting, INT), FIELD(failure, TEXT, NIL)),
	REPLY(HaMaintenance, FIELD(on, TEXT), FIELD(until, TIME, NIL), FIELD(reason, TEXT, NIL)),
	REPLY(HaReason,
		FIELD(code, TEXT), FIELD(node, TEXT, NIL), FIELD(text, TEXT),
		FIELD(detail, TEXT, NIL), FIELD(todo, TEXT), FIELD(follows_from, TEXT, NIL)),
	REPLY(HaWarning, FIELD(about, TEXT), FIELD(node, TEXT), FIELD(text, TEXT), FIELD(todo, TEXT)),
	REPLY(HaNode,
		FIELD(name, TEXT), FIELD(id, ID, NIL), FIELD(self, BOOL), FIELD(role, TEXT),
		FIELD(state, TEXT, NIL), FIELD(version, TEXT, NIL), FIELD(schema, INT, NIL),
		FIELD(schema_known, INT, NIL), FIELD(service, TEXT, NIL),
		FIELD(database, TEXT, NIL), LIST(certificates, HaCertificate),
		FIELD(clock_skew_seconds, NUMBER, MAYBE),
		FIELD(streaming, BOOL, MAYBE), FIELD(lag_bytes, INT, MAYBE_NIL),
		FIELD(lag_seconds, NUMBER, MAYBE_NIL), FIELD(last_in_step, TIME, MAYBE_NIL),
		ONE(slot, HaSlot, MAYBE_NIL), FIELD(journal_rows, INT, MAYBE_NIL)),
	REPLY(HaCertificate,
		FIELD(certificate, TEXT), FIELD(until, TIME, NIL), FIELD(days, INT),
		FIELD(level, TEXT)),
	REPLY(HaSlot,
		FIELD(status, TEXT), FIELD(retained_bytes, INT), FIELD(limit_bytes, INT, NIL)),
	REPLY(Unlocked,
		FIELD(unlocked, BOOL), FIELD(as_of, TIME, NIL), FIELD(max_emergency_age, INT)),
	{ 0 },
};
/* clang-format on */
