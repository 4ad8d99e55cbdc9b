/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/import.h"

#include "api/noun.h"

/* clang-format off */
#define IMPORT_QUERY(X, query) \
	X(query, id, ID) \
	X(query, format, TEXT, .hi = MAX_QUERY) \
	X(query, duplicates, WORD, .words = "skip update new") \
	X(query, dry_run, BOOL) \
	X(query, all_or_nothing, BOOL)
DEFINE_QUERY(import, IMPORT_QUERY)
/* clang-format on */

static int
on_import(struct api_call *c, struct err *e)
{
	const struct query_import *q = c->query;
	struct import_request rq = {
		.text = buf_str(&c->rq->body),
		.n = c->rq->body.len,
		.format = q->format,
		.id = q->id,
		.dry_run = q->dry_run,
		.all_or_nothing = q->all_or_nothing,
	};
	int rc = rq.format ? import_format_check(rq.format, e) : 0;
	if (rc == 0 && q->duplicates)
		rc = import_duplicates_parse(q->duplicates, &rq.duplicates, e);
	return rc ? rc : import_run(&c->call, &rq, &c->w, e);
}

static int
on_import_outcome(struct api_call *c, struct err *e)
{
	return import_outcome(&c->call, call_id(c), &c->w, e);
}

static int
on_import_stop(struct api_call *c, struct err *e)
{
	return import_stop(&c->call, call_id(c), &c->w, e);
}

/* clang-format off */
const struct route routes_import[] = {
	{ HTTP_POST, "/v1/import", DO(import), CAP_USE, CHANGE,
	  NO_BODY, QUERY(import), IMPORT_BYTES_MAX, "ImportReport|ImportOutcome",
	  "Imports what another program exported; asked again with the same id, it tells what became of it." },
	{ HTTP_GET, "/v1/import/{id}", DO(import_outcome), CAP_USE, 0,
	  NO_BODY, NO_QUERY, 0, "ImportOutcome",
	  "Says what became of an import of the caller's: stored, stopped, running, unknown." },
	{ HTTP_DELETE, "/v1/import/{id}", DO(import_stop), CAP_USE, CHANGE,
	  NO_BODY, NO_QUERY, 0, "ImportOutcome",
	  "Stops an import unless it is stored; nothing is stored under this id any more." },
	{ 0 },
};

const struct shape replies_import[] = {
	REPLY(ImportReport,
		FIELD(id, ID, NIL), FIELD(state, TEXT), FIELD(dry_run, BOOL),
		FIELD(format, TEXT), FIELD(format_title, TEXT), FIELD(entries, INT),
		FIELD(resources, INT), FIELD(accounts, INT), FIELD(updated, INT),
		FIELD(unchanged, INT), FIELD(skipped, INT), FIELD(refused, INT),
		FIELD(left_out, INT), LIST(lost, ImportLost), LIST(lines, ImportLine),
		FIELD(lines_left_off, INT)),
	REPLY(ImportLost, FIELD(name, TEXT), FIELD(values, INT)),
	REPLY(ImportLine,
		FIELD(line, INT), FIELD(fate, TEXT), FIELD(resource, TEXT, NIL),
		FIELD(login, TEXT, NIL), FIELD(why, TEXT, NIL)),
	REPLY(ImportOutcome,
		FIELD(id, ID), FIELD(state, TEXT), FIELD(dry_run, BOOL),
		FIELD(format, TEXT, MAYBE), FIELD(entries, INT), FIELD(resources, INT),
		FIELD(accounts, INT), FIELD(updated, INT), FIELD(unchanged, INT),
		FIELD(skipped, INT), FIELD(refused, INT), FIELD(left_out, INT)),
	{ 0 },
};
/* clang-format on */
