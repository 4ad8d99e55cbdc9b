/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/names.h"

#include "vault/lists.h"

/* What has the row's name, or null. */
static void
write_suffixed(struct json_out *out, const char *what, bool is, const struct rows *r, int i,
	       const struct uuid *id, bool shared)
{
	if (!is) {
		json_out_null(out, what);
		return;
	}
	json_out_object(out, what);
	json_out_uuid(out, "id", id);
	json_out_text(out, "name", row_text(r, i, COL_NAME_CONFLICTS_NAME));
	policy_write_suffix(out, id, shared);
	json_out_end_object(out);
}

static void
write_resource(struct json_out *out, bool is, const struct rows *r, int i)
{
	struct uuid id = { 0 };

	if (is)
		row_uuid(r, i, COL_NAME_CONFLICTS_RESOURCE, &id);
	write_suffixed(out, "resource", is, r, i, &id,
		       row_bool(r, i, COL_NAME_CONFLICTS_RESOURCE_SHARED));
}

static void
write_holder(struct json_out *out, const struct rows *r, int i)
{
	bool account = !row_null(r, i, COL_NAME_CONFLICTS_LOGIN);
	bool team = row_bool(r, i, COL_NAME_CONFLICTS_IS_TEAM);
	bool principal = row_bool(r, i, COL_NAME_CONFLICTS_IS_PRINCIPAL);
	bool folder = row_bool(r, i, COL_NAME_CONFLICTS_IS_FOLDER);
	bool user = principal && !team;
	struct uuid id;

	row_uuid(r, i, COL_NAME_CONFLICTS_ID, &id);
	json_out_object(out, NULL);
	json_out_uuid(out, "id", &id);
	json_out_text(out, "kind",
		      team	? "team"
		      : user	? "user"
		      : folder	? "folder"
		      : account ? "account"
				: "resource");
	policy_write_suffix(out, &id, true);
	write_suffixed(out, "user", user, r, i, &id, true);
	write_suffixed(out, "team", team, r, i, &id, true);
	write_suffixed(out, "folder", folder, r, i, &id, true);
	write_resource(out, !principal && !folder, r, i);
	json_out_text(out, "login", account ? row_text(r, i, COL_NAME_CONFLICTS_LOGIN) : NULL);
	json_out_text(out, "level", policy_level_name(row_int(r, i, COL_NAME_CONFLICTS_LEVEL)));
	json_out_int(out, "others", row_bigint(r, i, COL_NAME_CONFLICTS_OTHERS));
	json_out_time(out, "created", row_time(r, i, COL_NAME_CONFLICTS_CREATED));
	policy_write_named(out, "node", r, i, COL_NAME_CONFLICTS_NODE);
	policy_write_named(out, "author", r, i, COL_NAME_CONFLICTS_AUTHOR);
	json_out_end_object(out);
}

int
names_conflicts(struct call *c, const struct policy_page *page, struct json_out *out, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	struct uuid last = { 0 };
	const char *place;
	int rc = policy_place(c, STMT_NAME_CONFLICT_PLACE, page, &place, e), n = 0;

	if (rc == 0 && place) {
		bind_uuid(&b, &c->who.user);
		bind_bool(&b, policy_may(c, CAP_USERS));
		policy_bind_page(&b, place, page);
		rc = lists_ask(c, STMT_NAME_CONFLICTS, &b, &r, e);
	}
	if (rc)
		return rc;
	json_out_object(out, NULL);
	json_out_array(out, "names");
	for (; r && n < rows_count(r) && n < page->rows; n++)
		write_holder(out, r, n);
	json_out_end_array(out);
	if (r && rows_count(r) > n)
		row_uuid(r, n - 1, COL_NAME_CONFLICTS_ID, &last);
	json_out_uuid(out, "next", &last);
	json_out_end_object(out);
	return 0;
}
