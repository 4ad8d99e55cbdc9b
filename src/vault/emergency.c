/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/emergency.h"

#include <string.h>
#include "vault/lists.h"

/* ---- where changes are allowed ---- */

int
emergency_check(struct call *c, const struct uuid *resource, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	/* The primary came back, or took over, under the request. */
	if (vault_serves(c->v) == SERVES_NOBODY)
		return err_set(e, ERR_NOT_SERVING, "the primary serves again");
	bind_uuid(&b, resource);
	int rc = db_exec(vault_reader(c->v), c->f, STMT_EMERGENCY_ALLOWED, &b, &r, e);
	if (rc)
		return rc;
	if (!row_bool(r, 0, COL_EMERGENCY_ALLOWED_ALLOWED))
		return err_set(e, ERR_EMERGENCY_READ_ONLY,
			       "no administrator has allowed changes in emergency for this "
			       "resource: wait for the primary, or ask for it to be replaced");
	return 0;
}

int
emergency_policy(struct call *c, struct json_out *out, struct err *e)
{
	auto_rows r = NULL;
	const char *everywhere = "off";
	int rc = lists_ask(c, STMT_EMERGENCY_POLICY_LIST, NULL, &r, e);
	int i = 0;
	if (rc)
		return rc;
	if (rows_count(r) && row_null(r, 0, COL_EMERGENCY_POLICY_LIST_NAME))
		everywhere = row_text(r, i++, COL_EMERGENCY_POLICY_LIST_STATE);
	json_out_object(out, NULL);
	json_out_object(out, "emergency_changes");
	json_out_text(out, "everywhere", everywhere);
	json_out_array(out, "resources");
	for (; i < rows_count(r); i++) {
		struct uuid id;
		row_uuid(r, i, COL_EMERGENCY_POLICY_LIST_RESOURCE, &id);
		json_out_object(out, NULL);
		json_out_object(out, "resource");
		json_out_uuid(out, "id", &id);
		json_out_text(out, "name", row_text(r, i, COL_EMERGENCY_POLICY_LIST_NAME));
		json_out_end_object(out);
		json_out_text(out, "state", row_text(r, i, COL_EMERGENCY_POLICY_LIST_STATE));
		json_out_time(out, "since", row_time(r, i, COL_EMERGENCY_POLICY_LIST_AT));
		json_out_end_object(out);
	}
	json_out_end_array(out);
	json_out_end_object(out);
	json_out_end_object(out);
	return 0;
}

static int
check_state(const char *state, bool everywhere, struct err *e)
{
	if (strcmp(state, "on") == 0 || strcmp(state, "off") == 0)
		return 0;
	if (strcmp(state, "inherit") != 0)
		return err_set(e, ERR_BAD_FIELD, "state: on, off or inherit");
	if (everywhere)
		return err_set(e, ERR_BAD_FIELD, "state: inherit is for a resource; say on or off");
	return 0;
}

/* The resource (NULL: everywhere, whose id is nil), and what was said of it. */
static int
read_said(struct call *c, const char *resource, struct uuid *ret_id, struct rows **ret,
	  struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	const char *plain = "", *tail = "";
	if (resource)
		policy_split_suffix(c->a, resource, &plain, &tail);
	bind_text(&b, resource);
	bind_text(&b, plain);
	bind_text(&b, tail);
	int rc = db_exec(vault_reader(c->v), c->f, STMT_EMERGENCY_POLICY_OF, &b, &r, e);
	if (rc)
		return rc;
	if (rows_count(r) == 0)
		return err_set(e, ERR_BAD_FIELD, "resource: there is none of this name");
	if (rows_count(r) > 1)
		return policy_several(r, COL_EMERGENCY_POLICY_OF_ID,
				      "resource: the name means more than one", e);
	*ret_id = (struct uuid){ 0 };
	if (!row_null(r, 0, COL_EMERGENCY_POLICY_OF_ID))
		row_uuid(r, 0, COL_EMERGENCY_POLICY_OF_ID, ret_id);
	*ret = TAKE(r);
	return 0;
}

static int
append_said(struct call *c, const struct uuid *id, const struct rows *said, const char *state,
	    struct err *e)
{
	auto_buf body = BUF_INIT;
	struct json_out w;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_text(&w, "state", state);
	json_out_text(&w, "resource",
		      uuid_is_nil(id) ? NULL : row_text(said, 0, COL_EMERGENCY_POLICY_OF_NAME));
	json_out_text(&w, "upon", row_text(said, 0, COL_EMERGENCY_POLICY_OF_STAMP));
	json_out_end_object(&w);
	return vault_append(c, EVENT_EMERGENCY_POLICY, id, buf_str(&body), e);
}

int
emergency_policy_set(struct call *c, const char *state, const char *resource, struct json_out *out,
		     struct err *e)
{
	static const struct uuid everything = { 0 };
	auto_rows said = NULL;
	struct uuid id;
	int rc = check_state(state, !resource, e);
	if (rc)
		return rc;
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, &everything);
	rc = read_said(c, resource, &id, &said, e);
	if (rc == 0 && strcmp(row_text(said, 0, COL_EMERGENCY_POLICY_OF_STATE), state) != 0)
		rc = append_said(c, &id, said, state, e);
	return rc ? rc : emergency_policy(c, out, e);
}

/* ---- what waits for approval ---- */

/* What has a name that others may hold too; as: what the name is called, shared: the column that says whether. */
static void
write_holder(struct json_out *out, const char *what, const char *as, const struct rows *r, int i,
	     int col, int shared)
{
	struct uuid id;
	row_uuid(r, i, col, &id);
	json_out_object(out, what);
	json_out_uuid(out, "id", &id);
	json_out_text(out, as, row_text(r, i, col + 1));
	policy_write_suffix(out, &id, row_bool(r, i, shared));
	json_out_end_object(out);
}

int
emergency_changes(struct call *c, const struct policy_page *page, struct json_out *out,
		  struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	struct uuid id = { 0 };
	bind_uuid(&b, &c->who.user);
	bind_bool(&b, policy_may(c, CAP_CHANGES));
	bind_uuid(&b, &page->after);
	bind_int(&b, page->rows + 1);
	int rc = lists_ask(c, STMT_CHANGE_LIST, &b, &r, e);
	if (rc)
		return rc;
	json_out_object(out, NULL);
	json_out_array(out, "changes");
	for (int i = 0; i < rows_count(r) && i < page->rows; i++) {
		row_uuid(r, i, COL_CHANGE_LIST_ID, &id);
		json_out_object(out, NULL);
		json_out_uuid(out, "id", &id);
		json_out_int(out, "version", row_int(r, i, COL_CHANGE_LIST_N));
		policy_write_named(out, "author", r, i, COL_CHANGE_LIST_AUTHOR);
		json_out_time(out, "created", row_time(r, i, COL_CHANGE_LIST_CREATED));
		policy_write_named(out, "node", r, i, COL_CHANGE_LIST_NODE);
		write_holder(out, "account", "login", r, i, COL_CHANGE_LIST_ACCOUNT,
			     COL_CHANGE_LIST_LOGIN_SHARED);
		write_holder(out, "resource", "name", r, i, COL_CHANGE_LIST_RESOURCE,
			     COL_CHANGE_LIST_RESOURCE_SHARED);
		json_out_end_object(out);
	}
	json_out_end_array(out);
	json_out_uuid(out, "next", rows_count(r) > page->rows ? &id : &(struct uuid){ 0 });
	json_out_end_object(out);
	return 0;
}

static int
read_change(struct call *c, const struct uuid *version, struct rows **ret, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	bind_uuid(&b, version);
	bind_uuid(&b, &c->who.user);
	int rc = db_exec(vault_reader(c->v), c->f, STMT_CHANGE_OF, &b, &r, e);
	if (rc)
		return rc;
	if (rows_count(r) == 0)
		return err_set(e, ERR_NOT_FOUND, "%s", err_info(ERR_NOT_FOUND)->text);
	*ret = TAKE(r);
	return 0;
}

/* Administrators cannot decide on their own changes; whoever manages the account can. */
static int
check_decider(struct call *c, const struct rows *r, const struct uuid *account, struct err *e)
{
	int level = row_int(r, 0, COL_CHANGE_OF_LEVEL);
	struct uuid author = { 0 };
	bool own;
	if (!row_null(r, 0, COL_CHANGE_OF_AUTHOR))
		row_uuid(r, 0, COL_CHANGE_OF_AUTHOR, &author);
	own = uuid_eq(&author, &c->who.user);
	if (policy_may(c, CAP_CHANGES) && !own)
		return 0;
	return policy_check(c, account, level, LEVEL_MANAGE,
			    level > LEVEL_NONE || policy_may(c, CAP_CHANGES), "decide of a change",
			    e);
}

static int
append_decision(struct call *c, const struct rows *r, const struct uuid *account,
		const struct uuid *version, bool approve, struct err *e)
{
	auto_buf body = BUF_INIT;
	struct uuid author = { 0 };
	struct json_out w;
	if (!row_null(r, 0, COL_CHANGE_OF_AUTHOR))
		row_uuid(r, 0, COL_CHANGE_OF_AUTHOR, &author);
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_uuid(&w, "id", version);
	json_out_int(&w, "version", row_int(r, 0, COL_CHANGE_OF_N));
	json_out_uuid(&w, "author", &author);
	json_out_text(&w, "resource", row_text(r, 0, COL_CHANGE_OF_RESOURCE_NAME));
	json_out_text(&w, "login", row_text(r, 0, COL_CHANGE_OF_LOGIN));
	json_out_end_object(&w);
	return vault_append(c, approve ? EVENT_CHANGE_APPROVED : EVENT_CHANGE_DECLINED, account,
			    buf_str(&body), e);
}

int
emergency_decide(struct call *c, const struct uuid *version, bool approve, struct json_out *out,
		 struct err *e)
{
	auto_rows first = NULL;
	auto_rows r = NULL;
	struct uuid account;
	int rc = read_change(c, version, &first, e);
	if (rc)
		return rc;
	row_uuid(first, 0, COL_CHANGE_OF_ACCOUNT, &account);
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, &account);
	rc = read_change(c, version, &r, e);
	if (rc == 0)
		rc = check_decider(c, r, &account, e);
	if (rc)
		return rc;
	if (strcmp(row_text(r, 0, COL_CHANGE_OF_APPROVAL), "waits") != 0)
		return err_set(e, ERR_CONFLICT, "this change was %s already",
			       row_text(r, 0, COL_CHANGE_OF_APPROVAL));
	rc = append_decision(c, r, &account, version, approve, e);
	if (rc)
		return rc;
	json_out_object(out, NULL);
	json_out_uuid(out, "id", version);
	json_out_int(out, "version", row_int(r, 0, COL_CHANGE_OF_N));
	json_out_text(out, "approval", approve ? "approved" : "declined");
	json_out_bool(out, "conflict", approve && !row_bool(r, 0, COL_CHANGE_OF_FOLLOWS));
	json_out_end_object(out);
	return 0;
}
