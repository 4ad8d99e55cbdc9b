/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/user_impl.h"

#include <string.h>
#include "vault/lists.h"

static void
write_named(struct json_out *out, const char *what, const struct uuid *id, const char *name)
{
	json_out_object(out, what);
	json_out_uuid(out, "id", id);
	json_out_text(out, "name", name);
	json_out_end_object(out);
}

/* Null where there is none. */
static void
write_maybe_named(struct json_out *out, const char *what, const struct rows *r, int i, int id,
		  int name)
{
	struct uuid u;

	if (row_null(r, i, name)) {
		json_out_null(out, what);
		return;
	}
	row_uuid(r, i, id, &u);
	write_named(out, what, &u, row_text(r, i, name));
}

static void
write_admin_conflict(struct json_out *out, const struct rows *r, int i)
{
	struct uuid node, id;
	row_uuid(r, i, COL_USER_ADMIN_CONFLICTS_NODE, &node);
	row_uuid(r, i, COL_USER_ADMIN_CONFLICTS_ID, &id);
	json_out_object(out, NULL);
	json_out_uuid(out, "id", &id);
	json_out_text(out, "what", row_text(r, i, COL_USER_ADMIN_CONFLICTS_WHAT));
	json_out_time(out, "at", row_time(r, i, COL_USER_ADMIN_CONFLICTS_AT));
	write_named(out, "node", &node, row_text(r, i, COL_USER_ADMIN_CONFLICTS_NODE_NAME));
	write_maybe_named(out, "user", r, i, COL_USER_ADMIN_CONFLICTS_PRINCIPAL,
			  COL_USER_ADMIN_CONFLICTS_NAME);
	write_maybe_named(out, "target", r, i, COL_USER_ADMIN_CONFLICTS_OBJECT,
			  COL_USER_ADMIN_CONFLICTS_TARGET);
	json_out_text(out, "kept", row_text(r, i, COL_USER_ADMIN_CONFLICTS_KEPT));
	json_out_text(out, "lost", row_text(r, i, COL_USER_ADMIN_CONFLICTS_LOST));
	if (row_null(r, i, COL_USER_ADMIN_CONFLICTS_ACKNOWLEDGED)) {
		json_out_null(out, "acknowledged");
	} else {
		json_out_object(out, "acknowledged");
		json_out_time(out, "at", row_time(r, i, COL_USER_ADMIN_CONFLICTS_ACKNOWLEDGED));
		json_out_text(out, "by",
			      row_null(r, i, COL_USER_ADMIN_CONFLICTS_BY)
				      ? NULL
				      : row_text(r, i, COL_USER_ADMIN_CONFLICTS_BY));
		json_out_end_object(out);
	}
	json_out_end_object(out);
}

#define AT_MAX_US (INT64_C(253402300799) * 1000000) /* the end of 9999: behind all times */

static int
read_admin_conflicts(struct call *c, const struct policy_page *page, struct rows **ret,
		     struct err *e)
{
	auto_binds at = BINDS_INIT, b = BINDS_INIT;
	auto_rows r = NULL;
	bool first = uuid_is_nil(&page->after);
	struct uuid highest;
	memset(&highest, 0xff, sizeof(highest));
	bind_uuid(&at, &page->after);
	int rc = first ? 0 : lists_ask(c, STMT_USER_ADMIN_CONFLICT_PLACE, &at, &r, e);
	if (rc || (!first && rows_count(r) == 0))
		return rc; /* what it would follow is gone, and so nothing does */
	bind_bool(&b, first ? true : row_bool(r, 0, COL_USER_ADMIN_CONFLICT_PLACE_OPEN));
	bind_time(&b, first ? AT_MAX_US : row_time(r, 0, COL_USER_ADMIN_CONFLICT_PLACE_AT));
	bind_uuid(&b, first ? &highest : &page->after);
	bind_int(&b, page->rows + 1);
	return lists_ask(c, STMT_USER_ADMIN_CONFLICTS, &b, ret, e);
}

int
user_admin_conflicts(struct call *c, const struct policy_page *page, struct json_out *out,
		     struct err *e)
{
	auto_rows r = NULL;
	struct uuid last = { 0 };
	int rc = read_admin_conflicts(c, page, &r, e);
	if (rc)
		return rc;
	int n = r ? rows_count(r) : 0;
	json_out_object(out, NULL);
	json_out_array(out, "conflicts");
	for (int i = 0; i < n && i < page->rows; i++) {
		write_admin_conflict(out, r, i);
		row_uuid(r, i, COL_USER_ADMIN_CONFLICTS_ID, &last);
	}
	json_out_end_array(out);
	json_out_uuid(out, "next", n > page->rows ? &last : &(struct uuid){ 0 });
	json_out_end_object(out);
	return 0;
}

int
user_acknowledge(struct call *c, const struct uuid *id, struct err *e)
{
	auto_buf body = BUF_INIT;
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	struct uuid about;
	struct json_out w;
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, id);
	bind_uuid(&b, id);
	int rc = db_exec(vault_reader(c->v), c->f, STMT_USER_ADMIN_CONFLICT, &b, &r, e);
	if (rc)
		return rc;
	if (rows_count(r) == 0)
		return err_set(e, ERR_NOT_FOUND, "there is no such conflict of administration");
	if (!row_null(r, 0, COL_USER_ADMIN_CONFLICT_ACKNOWLEDGED))
		return 0;
	row_uuid(r, 0, COL_USER_ADMIN_CONFLICT_ABOUT, &about);
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_uuid(&w, "id", id);
	json_out_text(&w, "what", row_text(r, 0, COL_USER_ADMIN_CONFLICT_WHAT));
	json_out_text(&w, "kept", row_text(r, 0, COL_USER_ADMIN_CONFLICT_KEPT));
	json_out_text(&w, "lost", row_text(r, 0, COL_USER_ADMIN_CONFLICT_LOST));
	json_out_end_object(&w);
	return vault_append(c, EVENT_ADMIN_ACKNOWLEDGED, &about, buf_str(&body), e);
}
