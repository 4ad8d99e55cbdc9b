/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/audit.h"

#include <stdlib.h>
#include <string.h>
#include "api/bodies.h"
#include "api/handlers.h"
#include "base/clock.h"
#include "vault/import.h"
#include "vault/user.h"

static int
query_uuid(const struct api_call *c, const char *name, struct uuid *ret, struct err *e)
{
	const char *text = request_query(c->rq, name);
	if (text && uuid_parse(text, ret))
		return err_set(e, ERR_BAD_FIELD, "%s: not an id", name);
	return 0;
}

static int
query_time(const struct api_call *c, const char *name, int64_t *ret, struct err *e)
{
	const char *text = request_query(c->rq, name);
	if (text && clock_parse_iso(text, ret))
		return err_set(e, ERR_BAD_FIELD, "%s: like 2026-01-31T12:00:00.000000Z", name);
	return 0;
}

static int
query_kind(const struct api_call *c, int *ret, struct err *e)
{
	const char *text = request_query(c->rq, "kind");
	if (text && (*ret = event_by_name(text)) == 0)
		return err_set(e, ERR_BAD_FIELD, "kind: there is no such kind of event");
	return 0;
}

int
on_audit(struct api_call *c, struct err *e)
{
	struct audit_filter f = {
		.user = request_query(c->rq, "user"),
		.before = request_query(c->rq, "before"),
	};
	int64_t rows = 50;
	int rc = call_query_int(c, "limit", 1, POLICY_PAGE_MAX, &rows, e);
	if (rc == 0)
		rc = query_kind(c, &f.kind, e);
	if (rc == 0)
		rc = query_uuid(c, "object", &f.object, e);
	if (rc == 0)
		rc = query_uuid(c, "node", &f.node, e);
	if (rc == 0)
		rc = query_time(c, "since", &f.since_us, e);
	if (rc == 0)
		rc = query_time(c, "until", &f.until_us, e);
	f.rows = (int)rows;
	return rc ? rc : audit_list(&c->call, &f, &c->w, e);
}

int
on_audit_verify(struct api_call *c, struct err *e)
{
	return audit_verify(&c->call, call_anchor_path(c), &c->w, e);
}

int
on_audit_accept(struct api_call *c, struct err *e)
{
	const struct body_audit_accept *b = c->body;

	return audit_accept(&c->call, call_anchor_path(c), b->reason, &c->w, e);
}

int
on_audit_export(struct api_call *c, struct err *e)
{
	int64_t after = 0, upto = INT64_MAX;
	struct uuid node = { 0 };
	int rc = query_uuid(c, "node", &node, e);
	if (rc == 0)
		rc = call_query_int(c, "after", 0, INT64_MAX - 1, &after, e);
	if (rc == 0)
		rc = call_query_int(c, "upto", 1, INT64_MAX, &upto, e);
	if (rc)
		return rc;
	if (uuid_is_nil(&node))
		return audit_export_head(&c->call, &c->w, e);
	return audit_export_part(&c->call, &node, after, upto, &c->w, e);
}

/* true, false, or not given: false. */
static int
query_bool(const struct api_call *c, const char *name, bool *ret, struct err *e)
{
	const char *text = request_query(c->rq, name);
	*ret = text && strcmp(text, "true") == 0;
	if (text && !*ret && strcmp(text, "false") != 0)
		return err_set(e, ERR_BAD_FIELD, "%s: true or false", name);
	return 0;
}

int
on_import(struct api_call *c, struct err *e)
{
	struct import_request rq = {
		.text = buf_str(&c->rq->body),
		.n = c->rq->body.len,
		.format = request_query(c->rq, "format"),
	};
	const char *duplicates = request_query(c->rq, "duplicates");
	int rc = rq.format ? import_format_check(rq.format, e) : 0;
	if (rc == 0 && duplicates)
		rc = import_duplicates_parse(duplicates, &rq.duplicates, e);
	if (rc == 0)
		rc = query_uuid(c, "id", &rq.id, e);
	if (rc == 0)
		rc = query_bool(c, "dry_run", &rq.dry_run, e);
	if (rc == 0)
		rc = query_bool(c, "all_or_nothing", &rq.all_or_nothing, e);
	return rc ? rc : import_run(&c->call, &rq, &c->w, e);
}

int
on_import_outcome(struct api_call *c, struct err *e)
{
	return import_outcome(&c->call, call_id(c), &c->w, e);
}

int
on_import_stop(struct api_call *c, struct err *e)
{
	return import_stop(&c->call, call_id(c), &c->w, e);
}
