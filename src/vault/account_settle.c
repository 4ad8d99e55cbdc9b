/* SPDX-License-Identifier: Apache-2.0
 *
 * Accounts in conflict, and how a conflict is settled: by an existing version, or by a new one.
 */
#include "vault/account_impl.h"

#include "vault/lists.h"

int
account_conflicts(struct call *c, const struct policy_page *page, struct json_out *out,
		  struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	struct uuid account = { 0 }, resource;
	bind_uuid(&b, &c->who.user);
	bind_uuid(&b, &page->after);
	bind_int(&b, page->rows + 1);
	int rc = lists_ask(c, STMT_ACCOUNT_CONFLICTS, &b, &r, e);
	if (rc)
		return rc;
	json_out_object(out, NULL);
	json_out_array(out, "conflicts");
	for (int i = 0; i < rows_count(r) && i < page->rows; i++) {
		row_uuid(r, i, COL_ACCOUNT_CONFLICTS_ACCOUNT, &account);
		row_uuid(r, i, COL_ACCOUNT_CONFLICTS_RESOURCE, &resource);
		json_out_object(out, NULL);
		json_out_uuid(out, "id", &account);
		json_out_text(out, "login", row_text(r, i, COL_ACCOUNT_CONFLICTS_LOGIN));
		policy_write_suffix(out, &account,
				    row_bool(r, i, COL_ACCOUNT_CONFLICTS_LOGIN_SHARED));
		json_out_int(out, "version", row_int(r, i, COL_ACCOUNT_CONFLICTS_CURRENT_N));
		json_out_object(out, "resource");
		json_out_uuid(out, "id", &resource);
		json_out_text(out, "name", row_text(r, i, COL_ACCOUNT_CONFLICTS_RESOURCE_NAME));
		policy_write_suffix(out, &resource,
				    row_bool(r, i, COL_ACCOUNT_CONFLICTS_RESOURCE_SHARED));
		json_out_end_object(out);
		json_out_text(out, "level",
			      policy_level_name(row_int(r, i, COL_ACCOUNT_CONFLICTS_LEVEL)));
		json_out_int(out, "open", row_bigint(r, i, COL_ACCOUNT_CONFLICTS_OPEN));
		json_out_time(out, "latest", row_time(r, i, COL_ACCOUNT_CONFLICTS_LATEST));
		json_out_end_object(out);
	}
	json_out_end_array(out);
	json_out_uuid(out, "next", rows_count(r) > page->rows ? &account : &(struct uuid){ 0 });
	json_out_end_object(out);
	return 0;
}

int
account_read_choice(struct call *c, const struct uuid *id, int n, struct rows **ret, struct err *e)
{
	auto_binds b = BINDS_INIT;
	bind_uuid(&b, id);
	bind_int(&b, n);
	return db_exec(vault_reader(c->v), c->f, STMT_ACCOUNT_CHOICE, &b, ret, e);
}

bool
account_find_choice(const struct rows *r, int n, struct uuid *ret)
{
	for (int i = 0; i < rows_count(r); i++) {
		if (row_int(r, i, COL_ACCOUNT_CHOICE_N) != n)
			continue;
		row_uuid(r, i, COL_ACCOUNT_CHOICE_ID, ret);
		return true;
	}
	return false;
}

void
account_write_settled(struct buf *body, const struct rows *r, const struct uuid *chosen, int n)
{
	auto_buf settles = BUF_INIT;
	char text[UUID_STR_LEN];
	struct uuid u;
	struct json_out w;
	json_out_init(&w, body);
	json_out_object(&w, NULL);
	json_out_uuid(&w, "id", chosen);
	json_out_int(&w, "version", n);
	for (int i = 0; i < rows_count(r); i++) {
		row_uuid(r, i, COL_ACCOUNT_CHOICE_ID, &u);
		if (row_bool(r, i, COL_ACCOUNT_CHOICE_CURRENT))
			json_out_uuid(&w, "upon", &u);
	}
	for (int i = 0; i < rows_count(r); i++) {
		row_uuid(r, i, COL_ACCOUNT_CHOICE_ID, &u);
		uuid_str(&u, text);
		if (row_bool(r, i, COL_ACCOUNT_CHOICE_SIBLING))
			buf_addf(&settles, "%s%s", settles.len ? " " : "", text);
	}
	json_out_text(&w, "settles", buf_str(&settles));
	json_out_end_object(&w);
}

/* By a version that is there. */
static int
settle_with(struct call *c, const struct uuid *id, const struct account_seen *a, int n,
	    struct uuid *ret_chosen, struct err *e)
{
	auto_buf body = BUF_INIT;
	auto_rows r = NULL;
	int rc = account_read_choice(c, id, n, &r, e);
	if (rc)
		return rc;
	if (!account_find_choice(r, n, ret_chosen))
		return err_set(e, ERR_NOT_FOUND, "there is no version %d of this account", n);
	if (!a->conflict && n == a->current_n)
		return 0;
	if (!a->conflict)
		return err_set(e, ERR_CONFLICT,
			       "this account is not in conflict; its current version is %d",
			       a->current_n);
	account_write_settled(&body, r, ret_chosen, n);
	return vault_append(c, EVENT_CONFLICT_SETTLED, id, buf_str(&body), e);
}

/* By a new one: stored and chosen in one unit. */
static int
settle_anew(struct call *c, const struct uuid *id, const struct account_seen *a,
	    const struct account_fields *fields, struct uuid *ret_chosen, struct err *e)
{
	auto_buf added = BUF_INIT, settled = BUF_INIT;
	auto_rows r = NULL;
	const struct account_base base = account_base_of(a);
	struct event ev[2];
	if (!a->conflict)
		return err_set(e, ERR_CONFLICT,
			       "this account is not in conflict; store a version as always");
	int rc = account_read_choice(c, id, a->current_n, &r, e);
	if (rc == 0)
		rc = account_version_body(c, id, fields, &base, ret_chosen, &added, e);
	if (rc)
		return rc;
	account_write_settled(&settled, r, ret_chosen, base.n);
	ev[0] = policy_event(c, EVENT_VERSION_ADDED, id, buf_str(&added));
	ev[1] = policy_event(c, EVENT_CONFLICT_SETTLED, id, buf_str(&settled));
	return policy_append(c, ev, ARRAY_LEN(ev), e);
}

int
account_settle(struct call *c, const struct uuid *id, int n, const struct account_fields *fields,
	       int64_t if_version, struct json_out *out, struct err *e)
{
	struct uuid chosen;
	struct account_seen a;
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, id);
	int rc = account_read_right(c, id, LEVEL_MODIFY, "settle conflict", &a, e);
	if (rc)
		return rc;
	if (if_version >= 0 && if_version != a.current_n)
		return err_set(e, ERR_VERSION_CONFLICT, "the current version is %d, not %lld",
			       a.current_n, (long long)if_version);
	rc = fields ? settle_anew(c, id, &a, fields, &chosen, e)
		    : settle_with(c, id, &a, n, &chosen, e);
	if (rc)
		return rc;
	json_out_object(out, NULL);
	json_out_uuid(out, "id", &chosen);
	json_out_int(out, "version", fields ? a.top_n + 1 : n);
	json_out_end_object(out);
	return 0;
}
