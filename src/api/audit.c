/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/audit.h"

#include "api/noun.h"
#include "vault/audit_tables.h"

/* clang-format off */
#define AUDIT_QUERY(X, query) \
	X(query, user, TEXT, .hi = MAX_QUERY) \
	X(query, kind, TEXT, .hi = MAX_QUERY) \
	X(query, object, ID) \
	X(query, since, TIME) \
	X(query, until, TIME) \
	X(query, node, ID) \
	X(query, limit, NUMBER, .lo = 1, .hi = POLICY_PAGE_MAX, .otherwise = POLICY_PAGE) \
	X(query, before, TEXT, .hi = MAX_QUERY)
DEFINE_QUERY(audit, AUDIT_QUERY)

#define AUDIT_ACCEPT_BODY(X, body) \
	X(body, reason, TEXT, JREQUIRED, MAX_REASON)
DEFINE_BODY(audit_accept, AUDIT_ACCEPT_BODY)

#define AUDIT_EXPORT_QUERY(X, query) \
	X(query, node, ID) \
	X(query, after, NUMBER, .lo = 0, .hi = INT64_MAX - 1, .otherwise = 0) \
	X(query, upto, NUMBER, .lo = 1, .hi = INT64_MAX, .otherwise = INT64_MAX)
DEFINE_QUERY(audit_export, AUDIT_EXPORT_QUERY)

#define AUDIT_TABLES_QUERY(X, query) \
	X(query, run, ID)
DEFINE_QUERY(audit_tables, AUDIT_TABLES_QUERY)
/* clang-format on */

static int
on_audit(struct api_call *c, struct err *e)
{
	const struct query_audit *q = c->query;
	const struct audit_filter f = {
		.user = q->user,
		.kind = q->kind ? event_by_name(q->kind) : 0,
		.object = q->object,
		.node = q->node,
		.since_us = q->since.given ? &q->since.us : NULL,
		.until_us = q->until.given ? &q->until.us : NULL,
		.before = q->before,
		.rows = (int)q->limit,
	};
	if (q->kind && f.kind == 0)
		return err_set(e, ERR_BAD_FIELD, "kind: there is no such kind of event");
	return audit_list(&c->call, &f, &c->w, e);
}

static int
on_audit_verify(struct api_call *c, struct err *e)
{
	return audit_verify(&c->call, &c->w, e);
}

static int
on_audit_tables(struct api_call *c, struct err *e)
{
	const struct query_audit_tables *q = c->query;

	if (uuid_is_nil(&q->run))
		return err_set(e, ERR_BAD_FIELD, "run: is missing");
	return audit_tables(&c->call, &q->run, &c->w, e);
}

static int
on_audit_accept(struct api_call *c, struct err *e)
{
	const struct body_audit_accept *b = c->body;

	return audit_accept(&c->call, b->reason, &c->w, e);
}

static int
on_audit_export(struct api_call *c, struct err *e)
{
	const struct query_audit_export *q = c->query;

	if (uuid_is_nil(&q->node))
		return audit_export_head(&c->call, &c->w, e);
	return audit_export_part(&c->call, &q->node, q->after, q->upto, &c->w, e);
}

/* clang-format off */
const struct route routes_audit[] = {
	{ HTTP_GET, "/v1/audit", DO(audit), CAP_AUDIT, READ | ROUTE_EVENT,
	  NO_BODY, QUERY(audit), 0, "Events",
	  "Lists the log, newest first." },
	{ HTTP_GET, "/v1/audit/verify", DO(audit_verify), CAP_AUDIT, READ | ROUTE_EVENT | ROUTE_UNWELL,
	  NO_BODY, NO_QUERY, 0, "Verified",
	  "Verifies the chains of all nodes." },
	{ HTTP_GET, "/v1/audit/tables", DO(audit_tables), CAP_AUDIT, READ | ROUTE_EVENT | ROUTE_UNWELL,
	  NO_BODY, QUERY(audit_tables), 0, "ComparedTables",
	  "Makes the tables anew of the log and compares them with the real ones; about a second's work of it at each "
	  "call. run is a new UUID of the caller's; ask with the same one until done. On the primary only." },
	{ HTTP_POST, "/v1/audit/accept", DO(audit_accept), CAP_ACCEPT, CHANGE,
	  BODY(audit_accept), NO_QUERY, SMALL, "Accepted",
	  "Accepts what is found wrong with the log: verification and status say so instead of failing." },
	{ HTTP_GET, "/v1/audit/export", DO(audit_export), CAP_AUDIT, READ | ROUTE_EVENT,
	  NO_BODY, QUERY(audit_export), 0, "AuditExportHead|AuditExportPart",
	  "The log as signed lines: the head without a query, then parts of a node's events." },
	{ 0 },
};

const struct shape replies_audit[] = {
	REPLY(Events, LIST(events, Event), FIELD(next, TEXT, NIL)),
	REPLY(Event,
		ONE(node, PerhapsNamed, NIL), FIELD(seq, INT), FIELD(at, TIME),
		FIELD(kind, TEXT, NIL), FIELD(text, TEXT, NIL), ONE(actor, PerhapsNamed, NIL),
		FIELD(object, ID, NIL), FIELD(object_name, TEXT, NIL), FIELD(address, TEXT),
		FIELD(body, FREE)),
	REPLY(PerhapsNamed, FIELD(id, ID), FIELD(name, TEXT, NIL)),
	REPLY(Verified,
		FIELD(good, BOOL), FIELD(events, INT), LIST(nodes, VerifiedNode),
		LIST(accepted, AcceptedBreak), LIST(without_effect, WithoutEffect)),
	REPLY(VerifiedNode,
		ONE(node, NodeId), FIELD(chain, ID), FIELD(events, INT), FIELD(last_seq, INT), FIELD(broken, BOOL),
		FIELD(broken_seq, INT, NIL), FIELD(why, TEXT, NIL)),
	REPLY(NodeId, FIELD(id, ID)),
	REPLY(WithoutEffect,
		FIELD(chain, ID), FIELD(first, INT), FIELD(last, INT), FIELD(by_chain, ID), FIELD(by_seq, INT),
		FIELD(at, TIME), FIELD(why, TEXT)),
	REPLY(AcceptedBreak,
		FIELD(node, ID), FIELD(seq, INT), FIELD(at, TIME), FIELD(by, TEXT),
		FIELD(reason, TEXT)),
	REPLY(ComparedTables,
		FIELD(done, BOOL), FIELD(good, BOOL, NIL), FIELD(events, INT), FIELD(applied, INT),
		FIELD(table, TEXT, NIL), LIST(differences, TableDifference), FIELD(more, BOOL),
		FIELD(unproven, INT), ONE(first_unproven, EventPlace, NIL),
		FIELD(refused, INT), ONE(first_refused, EventPlace, NIL), FIELD(why, TEXT, NIL)),
	REPLY(TableDifference,
		FIELD(table, TEXT), FIELD(id, TEXT), FIELD(in_table, BOOL), FIELD(in_log, BOOL),
		FIELD(columns, TEXTS)),
	REPLY(EventPlace, FIELD(node, ID), FIELD(seq, INT)),
	REPLY(Accepted, FIELD(breaks, INT), FIELD(without_effect, INT)),
	REPLY(AuditExportHead, FIELD(lines, TEXTS), LIST(heads, ExportedHead)),
	REPLY(ExportedHead, FIELD(node, ID), FIELD(seq, INT)),
	REPLY(AuditExportPart, FIELD(lines, TEXTS), FIELD(seq, INT)),
	{ 0 },
};
/* clang-format on */
