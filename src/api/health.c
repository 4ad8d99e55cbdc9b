/* SPDX-License-Identifier: Apache-2.0
 *
 * /v1/sys/health: the probe of the other nodes and of load balancers. It runs on an HTTP thread and
 * asks nobody: it uses the state page and what the core last reported. A stuck core stops its
 * heartbeat, and the answer becomes 503 although the HTTP threads are well (docs/ha.md, H4: the
 * test is the service).
 */
#include "api/noun.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
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
write_known(struct json_out *w, const char *name, int n)
{
	if (n > 0)
		json_out_int(w, name, n);
	else
		json_out_null(w, name);
}

static void
write_claim(struct json_out *w, const char *name, const char *proof_name,
	    const struct epoch_claim *c)
{
	char epoch[EPOCH_TEXT_MAX], proof[EPOCH_PROOF_TEXT_MAX];

	epoch_text(&c->epoch, epoch);
	epoch_proof_text(c, proof);
	json_out_text(w, name, epoch[0] ? epoch : NULL);
	json_out_text(w, proof_name, proof[0] ? proof : NULL);
}

/* Whether the list, with blanks between, has the word. */
static bool
list_has(const char *list, const char *word)
{
	size_t n = strcspn(word, " ");

	if (word[n])
		return false;
	for (const char *at = list; n && (at = strcasestr(at, word)); at += n)
		if ((at == list || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0'))
			return true;
	return false;
}

/* The page of another node may read it: when its own node is silent it asks the others where emergency access is. No other page
 * may, since what the answer tells is nothing for pages from anywhere; nobody's cookie counts here. */
static void
let_our_pages_read(struct api_call *c)
{
	const char *origin = c->rq->origin;

	request_header(c->rq, "Vary", "Origin");
	if (origin && list_has(call_nodes(c), origin))
		request_header(c->rq, "Access-Control-Allow-Origin", origin);
}

/* By a primary's word a node knows that it was taken out of the pair. */
static void
write_members(struct json_out *w, const struct statepage_view *v)
{
	json_out_array(w, "members");
	for (unsigned i = 0; i < v->members_n; i++)
		json_out_uuid(w, NULL, v->members[i].b);
	json_out_end_array(w);
}

static void
health_answer(struct api_call *c)
{
	struct request *rq = c->rq;
	struct call_health h;
	struct json_out w;
	char run[20];
	const struct statepage_view *v = call_view(c, rq->arena);
	call_health(c, &h);
	struct verdict d = judge(&h, v);
	rq->status = d.status;
	json_out_init(&w, &rq->reply);
	json_out_object(&w, NULL);
	json_out_text(&w, "status", d.text);
	json_out_text(&w, "mode", d.mode);
	json_out_text(&w, "node", call_node_name(c));
	json_out_uuid(&w, "node_id", &h.node);
	json_out_text(&w, "state", state_name(v->state));
	json_out_time(&w, "state_since", v->state_since_us);
	json_out_int(&w, "term", v->term);
	write_claim(&w, "epoch", "epoch_proof", &v->epoch);
	if (!epoch_is_later(&h.told.epoch, &v->epoch.epoch))
		h.told = (struct epoch_claim){ 0 }; /* it has been heeded */
	write_claim(&w, "told", "told_proof", &h.told);
	json_out_time(&w, "time", clock_now_us());
	json_out_bool(&w, "synced", v->state == HA_SYNCED);
	json_out_int(&w, "journal", v->journal_rows);
	json_out_bool(&w, "ordered", v->ordered);
	json_out_time(&w, "as_of", v->as_of_us);
	json_out_int(&w, "as_of_term", v->as_of_term);
	json_out_bool(&w, "data_damaged", v->data_damaged);
	json_out_bool(&w, "journal_unreadable", v->journal_unreadable);
	json_out_text(&w, "version", HF_VERSION);
	write_known(&w, "schema", v->schema);
	write_known(&w, "schema_known", v->schema_known);
	json_out_time(&w, "channel_from", v->certs[CERTLIFE_CHANNEL].from_us);
	json_out_time(&w, "channel_until", v->certs[CERTLIFE_CHANNEL].to_us);
	write_known(&w, "pair_port", v->pair_port);
	json_out_uuid(&w, "duplicate", v->duplicate.b);
	write_members(&w, v);
	snprintf(run, sizeof(run), "%016" PRIx64, v->run);
	json_out_text(&w, "run", v->run ? run : NULL);
	json_out_text(&w, "pair",
		      statepage_is_fresh(v, clock_mono_ms()) ? pair_status_name(v->status) : NULL);
	json_out_text(&w, "primary", v->primary_url[0] ? v->primary_url : NULL);
	json_out_text(&w, "why", d.why[0] ? d.why : NULL);
	json_out_end_object(&w);
	let_our_pages_read(c);
}

/* clang-format off */
#define EPOCH_BODY(X, body) \
	X(body, epoch, TEXT, JREQUIRED, EPOCH_TEXT_MAX - 1) \
	X(body, proof, TEXT, JREQUIRED, EPOCH_PROOF_TEXT_MAX - 1)
DEFINE_BODY(epoch, EPOCH_BODY)
/* clang-format on */

/* From anybody: what it says proves itself. */
static int
on_epoch(struct api_call *c, struct err *e)
{
	const struct body_epoch *b = c->body;
	struct epoch_claim claim;
	char known[EPOCH_TEXT_MAX];
	bool news = false;
	int rc = epoch_claim_parse(b->epoch, b->proof, &claim, e);

	if (!rc)
		rc = call_hear_epoch(c, &claim, &news, e);
	if (rc)
		return rc;
	epoch_text(&call_view(c, c->rq->arena)->epoch.epoch, known);
	json_out_object(&c->w, NULL);
	json_out_bool(&c->w, "news", news);
	json_out_text(&c->w, "epoch", known[0] ? known : NULL);
	json_out_end_object(&c->w);
	return 0;
}

/* clang-format off */
const struct route routes_health[] = {
	{ HTTP_GET, "/v1/sys/health", DIRECT(health_answer), 0, ROUTE_PUBLIC | ROUTE_ANY_MODE | ROUTE_DIRECT | ROUTE_ONE_SHAPE,
	  NO_BODY, NO_QUERY, 0, "Health",
	  "200 serving (primary or emergency), 429 standby, 503 not serving and why." },
	{ HTTP_POST, "/v1/sys/epoch", DO(epoch), 0, ROUTE_PUBLIC | ROUTE_ANY_MODE,
	  BODY(epoch), NO_QUERY, 512, "EpochTold",
	  "Tells the node that an epoch was begun: it gives way to a later one whose proof its own keyd finds right. Says whether that was news, and the latest epoch that it acts by." },
	{ 0 },
};

const struct shape replies_health[] = {
	REPLY(Health,
		FIELD(status, TEXT), FIELD(mode, TEXT), FIELD(node, TEXT),
		FIELD(node_id, ID, NIL), FIELD(state, TEXT), FIELD(state_since, TIME, NIL), FIELD(term, INT),
		FIELD(epoch, TEXT, NIL), FIELD(epoch_proof, TEXT, NIL), FIELD(told, TEXT, NIL),
		FIELD(told_proof, TEXT, NIL), FIELD(time, TIME),
		FIELD(synced, BOOL), FIELD(journal, INT), FIELD(ordered, BOOL),
		FIELD(as_of, TIME, NIL), FIELD(as_of_term, INT), FIELD(data_damaged, BOOL),
		FIELD(journal_unreadable, BOOL), FIELD(version, TEXT), FIELD(schema, INT, NIL),
		FIELD(schema_known, INT, NIL), FIELD(channel_from, TIME, NIL),
		FIELD(channel_until, TIME, NIL), FIELD(pair_port, INT, NIL), FIELD(duplicate, ID, NIL),
		FIELD(members, TEXTS), FIELD(run, TEXT, NIL), FIELD(pair, TEXT, NIL), FIELD(primary, TEXT, NIL),
		FIELD(why, TEXT, NIL)),
	REPLY(EpochTold, FIELD(news, BOOL), FIELD(epoch, TEXT, NIL)),
	{ 0 },
};
/* clang-format on */
