/* SPDX-License-Identifier: Apache-2.0
 *
 * /v1/sys/health: the probe of the other nodes and of load balancers. It runs on an HTTP thread and
 * asks nobody: the state page, and what the core last said. A core that is stuck stops its
 * heartbeat, and then the answer is 503 although the HTTP threads are well (docs/ha.md, H4: the
 * test is the service).
 */
#include "api/handlers.h"
#include "base/clock.h"

struct verdict {
	int status;
	const char *text, *mode, *why;
};

/* Standby and merging are as they should be; what else serves nobody says why. */
static struct verdict
judge(const struct call_health *h, const struct statepage_view *v)
{
	const struct state_row *row = state_row(v->state);
	int status = row->health_status;

	if (!h->alive)
		return (struct verdict){ 503, "not serving",
					 status == 503 ? "standby" : row->health_mode,
					 "the vault's core does not answer" };
	if (status == 429)
		return (struct verdict){ status, "standby", row->health_mode, h->why };
	if (status == 503)
		return (struct verdict){ status, "not serving", row->health_mode, v->reason };
	if (!h->serving)
		return (struct verdict){ 503, "not serving", row->health_mode, h->why };
	return (struct verdict){ status, "serving", row->health_mode, h->why };
}

static void
write_schema(struct jw *w, const char *name, int schema)
{
	if (schema > 0)
		jw_int(w, name, schema);
	else
		jw_null(w, name);
}

void
health_answer(struct api_call *c)
{
	struct request *rq = c->rq;
	struct call_health h;
	struct jw w;
	const struct statepage_view *v = call_view(c, rq->arena);
	call_health(c, &h);
	struct verdict d = judge(&h, v);
	rq->status = d.status;
	jw_init(&w, &rq->reply);
	jw_object(&w, NULL);
	jw_text(&w, "status", d.text);
	jw_text(&w, "mode", d.mode);
	jw_text(&w, "node", call_node_name(c));
	jw_uuid(&w, "node_id", &h.node);
	jw_text(&w, "state", state_name(v->state));
	jw_int(&w, "term", v->term);
	jw_time(&w, "time", clock_now_us());
	jw_bool(&w, "synced", v->state == HA_SYNCED);
	jw_int(&w, "journal", v->journal_rows);
	jw_bool(&w, "ordered", v->ordered);
	jw_time(&w, "as_of", v->as_of_us);
	jw_int(&w, "as_of_term", v->as_of_term);
	jw_bool(&w, "data_damaged", v->data_damaged);
	jw_bool(&w, "journal_unreadable", v->journal_unreadable);
	jw_text(&w, "version", HF_VERSION);
	write_schema(&w, "schema", v->schema);
	write_schema(&w, "schema_known", v->schema_known);
	jw_text(&w, "pair",
		statepage_is_fresh(v, clock_mono_ms()) ? pair_status_name(v->status) : NULL);
	jw_text(&w, "primary", v->primary_url[0] ? v->primary_url : NULL);
	jw_text(&w, "why", d.why[0] ? d.why : NULL);
	jw_end_object(&w);
}
