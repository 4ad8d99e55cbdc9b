/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/user_impl.h"

#include "vault/hold.h"
#include "vault/lists.h"
#include "vault/principal.h"
#include "vault/withdrawn.h"

static void
write_user(const struct call *c, struct json_out *out, const char *name, const struct rows *r,
	   int i)
{
	struct uuid id;
	row_uuid(r, i, COL_USER_ROW_ID, &id);
	json_out_object(out, name);
	json_out_uuid(out, "id", &id);
	json_out_text(out, "name", row_text(r, i, COL_USER_ROW_NAME));
	policy_write_suffix(out, &id, row_bool(r, i, COL_USER_ROW_SHARED));
	json_out_text(out, "role", row_text(r, i, COL_USER_ROW_ROLE));
	json_out_bool(out, "disabled",
		      row_bool(r, i, COL_USER_ROW_DISABLED) ||
			      withdrawn_user(c->v->withdrawn, &id));
	json_out_bool(out, "held", hold_has(c->v, &id));
	json_out_bool(out, "totp", row_bool(r, i, COL_USER_ROW_TOTP));
	json_out_bool(out, "password_set", row_bool(r, i, COL_USER_ROW_PASSWORD_SET));
	json_out_time(out, "created", row_time(r, i, COL_USER_ROW_CREATED));
	json_out_int(out, "owns", row_bigint(r, i, COL_USER_ROW_OWNS));
	json_out_end_object(out);
}

int
user_read(struct call *c, enum stmt s, const struct uuid *id, struct rows **ret, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	bind_uuid(&b, id);
	int rc = lists_ask(c, s, &b, &r, e);
	if (rc)
		return rc;
	if (rows_count(r) == 0)
		return err_set(e, ERR_NOT_FOUND, "there is no such user");
	*ret = TAKE(r);
	return 0;
}

int
user_write(struct call *c, const struct uuid *id, const char *name, struct json_out *out,
	   struct err *e)
{
	auto_rows r = NULL;
	int rc = user_read(c, STMT_USER_GET, id, &r, e);
	if (rc == 0)
		rc = hold_learn(c, e);
	if (rc == 0)
		write_user(c, out, name, r, 0);
	return rc;
}

/* The endings that a row names (query/ending.sql); "": there are none. */
const char *
user_knew_of(struct arena *a, const struct rows *r, int i, int column)
{
	return row_null(r, i, column) ? "" : arena_strdup(a, row_text(r, i, column));
}

int
user_get(struct call *c, const struct uuid *id, struct json_out *out, struct err *e)
{
	return user_write(c, id, NULL, out, e);
}

int
user_list(struct call *c, const char *q, const struct policy_page *page, struct json_out *out,
	  struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	const char *place, *tail;
	int rc = policy_place(c, STMT_USER_PLACE, page, &place, e);
	if (rc)
		return rc;
	if (q) /* a suffix is no part of a name */
		policy_split_suffix(c->a, q, &q, &tail);
	if (q)
		bind_text(&b, policy_pattern(c->a, q));
	if (place) {
		policy_bind_page(&b, place, page);
		rc = lists_ask(c, q ? STMT_USER_SEARCH : STMT_USER_PAGE, &b, &r, e);
	}
	if (rc == 0)
		rc = hold_learn(c, e);
	if (rc)
		return rc;
	struct uuid last = { 0 };
	int n = r ? rows_count(r) : 0;
	json_out_object(out, NULL);
	json_out_array(out, "users");
	for (int i = 0; i < n && i < page->rows; i++) {
		write_user(c, out, NULL, r, i);
		row_uuid(r, i, COL_USER_ROW_ID, &last);
	}
	json_out_end_array(out);
	json_out_uuid(out, "next", n > page->rows ? &last : &(struct uuid){ 0 });
	json_out_end_object(out);
	return 0;
}

int
user_find(struct call *c, const char *text, struct uuid *ret, const char **ret_name, struct err *e)
{
	static const struct principal_look look = { STMT_USER_BY_ID, STMT_USER_BY_NAME,
						    COL_USER_FOUND_ID, "user" };
	auto_rows r = NULL;
	int rc = principal_look_up(c, &look, text, &r, e);
	if (rc)
		return rc;
	row_uuid(r, 0, COL_USER_FOUND_ID, ret);
	*ret_name = arena_strdup(c->a, row_text(r, 0, COL_USER_FOUND_NAME));
	return 0;
}

static void
write_node(struct json_out *out, const struct rows *r, int i, bool all)
{
	struct uuid id;
	row_uuid(r, i, COL_USER_NODES_ID, &id);
	json_out_object(out, NULL);
	json_out_uuid(out, "id", &id);
	json_out_text(out, "name", row_text(r, i, COL_USER_NODES_NAME));
	json_out_int(out, "https_port", row_int(r, i, COL_USER_NODES_HTTPS_PORT));
	if (all) {
		json_out_int(out, "pair_port", row_int(r, i, COL_USER_NODES_PAIR_PORT));
		json_out_text(out, "slot",
			      row_null(r, i, COL_USER_NODES_SLOT)
				      ? NULL
				      : row_text(r, i, COL_USER_NODES_SLOT));
		json_out_time(out, "joined", row_time(r, i, COL_USER_NODES_JOINED));
	}
	json_out_text(out, "web_cert",
		      row_null(r, i, COL_USER_NODES_WEB_CERT)
			      ? NULL
			      : row_text(r, i, COL_USER_NODES_WEB_CERT));
	json_out_bool(out, "primary", row_bool(r, i, COL_USER_NODES_IS_PRIMARY));
	json_out_end_object(out);
}

int
user_write_nodes(struct call *c, struct json_out *out, const char *name, bool all, struct err *e)
{
	auto_rows r = NULL;
	int rc = db_exec(vault_reader(c->v), c->f, STMT_USER_NODES, NULL, &r, e);
	if (rc)
		return rc;
	json_out_array(out, name);
	for (int i = 0; i < rows_count(r); i++)
		write_node(out, r, i, all);
	json_out_end_array(out);
	return 0;
}
