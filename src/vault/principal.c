/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/principal.h"

int
principal_take_name(struct call *c, const char **name, struct err *e)
{
	struct uuid id;
	int rc = policy_take_name(c->a, name, "name", e);
	if (rc == 0 && uuid_parse(*name, &id) == 0)
		return err_set(e, ERR_BAD_FIELD, "name: this looks like an id");
	return rc;
}

int
principal_check_free(struct call *c, const char *name, const struct uuid *but, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	bind_text(&b, name);
	bind_uuid(&b, but);
	int rc = db_exec(vault_reader(c->v), c->f, STMT_USER_NAME_TAKEN, &b, &r, e);
	if (rc == 0 && row_bool(r, 0, COL_USER_NAME_TAKEN_TAKEN))
		return err_set(e, ERR_CONFLICT, "there is a user or team of this name already");
	return rc;
}

int
principal_look_up(struct call *c, const struct principal_look *look, const char *text,
		  struct rows **ret, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	struct uuid id;
	int rc;
	if (uuid_parse(text, &id) == 0) {
		bind_uuid(&b, &id);
		rc = db_exec(vault_reader(c->v), c->f, look->by_id, &b, &r, e);
	} else {
		rc = policy_by_name(c, look->by_name, text, &r, e);
	}
	if (rc)
		return rc;
	if (rows_count(r) == 0)
		return err_set(e, ERR_NOT_FOUND, "there is no such %s", look->noun);
	if (rows_count(r) > 1) {
		const char *what = arena_printf(c->a, "more than one %s has this name", look->noun);
		return policy_several(r, look->col_id, what, e);
	}
	*ret = TAKE(r);
	return 0;
}

int
principal_find(struct call *c, const char *text, struct principal *ret, struct err *e)
{
	static const struct principal_look look = { STMT_GRANTEE_BY_ID, STMT_GRANTEE_BY_NAME,
						    COL_GRANTEE_FOUND_ID, "user or team" };
	auto_rows r = NULL;
	int rc = principal_look_up(c, &look, text, &r, e);
	if (rc)
		return rc;
	row_uuid(r, 0, COL_GRANTEE_FOUND_ID, &ret->id);
	ret->name = arena_strdup(c->a, row_text(r, 0, COL_GRANTEE_FOUND_NAME));
	ret->team = row_bool(r, 0, COL_GRANTEE_FOUND_TEAM);
	return 0;
}
