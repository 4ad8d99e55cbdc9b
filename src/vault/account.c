/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/account_impl.h"

#include <string.h>
#include "vault/folder.h"
#include "vault/lists.h"
#include "vault/resource.h"
#include "vault/withdrawn.h"

/* The journal's versions are part of the account. */
static void
lay_over(struct call *c, const struct uuid *id, const char *home, struct account_seen *a)
{
	struct journal_overlay_head head = { a->current_n, a->top_n, a->current, a->conflict };

	journal_overlay_lay(c->v->journal_overlay, id, home, &a->laid, &head);
	a->current_n = head.current_n;
	a->top_n = head.top_n;
	a->current = head.current;
	a->conflict = head.conflict;
}

int
account_read_right(struct call *c, const struct uuid *id, int need, const char *what,
		   struct account_seen *ret, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	/* Before the tables are asked: what is merged meanwhile is then in one of the two. */
	ret->laid = journal_overlay_of(c->v->journal_overlay, id, c->a);
	bind_uuid(&b, id);
	bind_uuid(&b, &c->who.user);
	bind_array_begin(&b, STMT_UUID);
	for (size_t i = 0; i < ret->laid.n; i++)
		bind_elem_uuid(&b, &ret->laid.v[i].id);
	bind_array_end(&b);
	int rc = db_exec(vault_reader(c->v), c->f, STMT_ACCOUNT_RIGHT, &b, &r, e);
	if (rc)
		return rc;
	if (rows_count(r) == 0)
		return err_set(e, ERR_NOT_FOUND, "%s", err_info(ERR_NOT_FOUND)->text);
	ret->level = row_int(r, 0, COL_ACCOUNT_RIGHT_LEVEL);
	row_uuid(r, 0, COL_ACCOUNT_RIGHT_RESOURCE, &ret->resource);
	rc = withdrawn_level(c, &ret->resource, id, &ret->level, e);
	if (rc)
		return rc;
	ret->resource_name = arena_strdup(c->a, row_text(r, 0, COL_ACCOUNT_RIGHT_RESOURCE_NAME));
	ret->url = arena_strdup(c->a, row_text(r, 0, COL_ACCOUNT_RIGHT_URL));
	ret->login = arena_strdup(c->a, row_text(r, 0, COL_ACCOUNT_RIGHT_LOGIN));
	ret->description = arena_strdup(c->a, row_text(r, 0, COL_ACCOUNT_RIGHT_DESCRIPTION));
	ret->current_n = row_int(r, 0, COL_ACCOUNT_RIGHT_CURRENT_N);
	ret->top_n = row_int(r, 0, COL_ACCOUNT_RIGHT_TOP_N);
	ret->conflict = row_bool(r, 0, COL_ACCOUNT_RIGHT_CONFLICT);
	ret->resource_shared = row_bool(r, 0, COL_ACCOUNT_RIGHT_RESOURCE_SHARED);
	ret->login_shared = row_bool(r, 0, COL_ACCOUNT_RIGHT_LOGIN_SHARED);
	ret->current = (struct uuid){ 0 };
	if (!row_null(r, 0, COL_ACCOUNT_RIGHT_CURRENT))
		row_uuid(r, 0, COL_ACCOUNT_RIGHT_CURRENT, &ret->current);
	lay_over(c, id, row_text(r, 0, COL_ACCOUNT_RIGHT_HOME), ret);
	return policy_check(c, id, ret->level, need, ret->level > LEVEL_NONE, what, e);
}

int
account_right(struct call *c, const struct uuid *id, int need, const char *what, struct err *e)
{
	struct account_seen right;
	return account_read_right(c, id, need, what, &right, e);
}

int
account_get(struct call *c, const struct uuid *id, struct json_out *out, struct err *e)
{
	struct account_seen a;
	int rc = account_read_right(c, id, LEVEL_VIEW, "read account", &a, e);
	if (rc)
		return rc;
	json_out_object(out, NULL);
	json_out_uuid(out, "id", id);
	json_out_text(out, "login", a.login);
	policy_write_suffix(out, id, a.login_shared);
	json_out_text(out, "description", a.description);
	json_out_int(out, "version", a.current_n);
	json_out_bool(out, "conflict", a.conflict);
	json_out_text(out, "level", policy_level_name(a.level));
	json_out_object(out, "resource");
	json_out_uuid(out, "id", &a.resource);
	json_out_text(out, "name", a.resource_name);
	policy_write_suffix(out, &a.resource, a.resource_shared);
	json_out_text(out, "url", a.url);
	json_out_end_object(out);
	json_out_end_object(out);
	return 0;
}

struct account_base
account_base_of(const struct account_seen *a)
{
	return (struct account_base){ .n = a->top_n + 1,
				      .based_on = a->current_n,
				      .upon = a->current };
}

void
account_created_body(struct buf *out, const struct uuid *resource, const char *login,
		     const char *description)
{
	struct json_out w;
	json_out_init(&w, out);
	json_out_object(&w, NULL);
	json_out_uuid(&w, "resource", resource);
	json_out_text(&w, "login", login);
	if (description && *description)
		json_out_text(&w, "description", description);
	json_out_end_object(&w);
}

int
account_login_taken(struct call *c, const struct uuid *resource, const char *login,
		    const struct uuid *but, bool *ret, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	bind_uuid(&b, resource);
	bind_text(&b, login);
	bind_uuid(&b, but);
	int rc = db_exec(vault_reader(c->v), c->f, STMT_ACCOUNT_LOGIN_TAKEN, &b, &r, e);
	if (rc == 0)
		*ret = row_bool(r, 0, COL_ACCOUNT_LOGIN_TAKEN_TAKEN);
	return rc;
}

/* A login that is to be: in the form that names have, and free. */
static int
take_login(struct call *c, const struct uuid *resource, const char **login, const struct uuid *but,
	   struct err *e)
{
	bool taken;
	int rc = policy_take_name(c->a, login, "login", e);
	if (rc == 0)
		rc = account_login_taken(c, resource, *login, but, &taken, e);
	if (rc == 0 && taken)
		return err_set(e, ERR_CONFLICT, "this login is there already");
	return rc;
}

int
account_create(struct call *c, const struct uuid *resource, const char *login,
	       const char *description, const struct account_fields *fields, struct uuid *ret,
	       struct err *e)
{
	auto_buf body = BUF_INIT, version = BUF_INIT;
	const struct account_base first = { .n = 1 };
	struct uuid version_id;
	struct event ev[2];
	size_t n = 0;
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, resource);
	int rc = resource_right(c, resource, LEVEL_MODIFY, "add account", NULL, e);
	if (rc == 0)
		rc = take_login(c, resource, &login, NULL, e);
	if (rc)
		return rc;
	uuid_new(ret);
	account_created_body(&body, resource, login, description);
	ev[n++] = policy_event(c, EVENT_ACCOUNT_CREATED, ret, buf_str(&body));
	if (fields) {
		rc = account_version_body(c, ret, fields, &first, &version_id, &version, e);
		ev[n++] = policy_event(c, EVENT_VERSION_ADDED, ret, buf_str(&version));
	}
	return rc ? rc : policy_append(c, ev, n, e);
}

int
account_create_placed(struct call *c, const struct resource_texts *texts, const char *login,
		      const struct account_fields *fields, struct uuid *ret, struct err *e)
{
	auto_buf place = BUF_INIT, body = BUF_INIT, version = BUF_INIT;
	const struct account_base first = { .n = 1 };
	struct uuid resource, version_id;
	policy_lock folder = folder_hold(c, texts->folder);
	int rc = resource_plan(c, texts, &resource, &place, e);
	if (rc == 0)
		rc = policy_take_name(c->a, &login, "login", e);
	if (rc)
		return rc;
	uuid_new(ret);
	account_created_body(&body, &resource, login, NULL);
	rc = account_version_body(c, ret, fields, &first, &version_id, &version, e);
	if (rc)
		return rc;
	struct event ev[] = { policy_event(c, EVENT_RESOURCE_CREATED, &resource, buf_str(&place)),
			      policy_event(c, EVENT_ACCOUNT_CREATED, ret, buf_str(&body)),
			      policy_event(c, EVENT_VERSION_ADDED, ret, buf_str(&version)) };
	return policy_append(c, ev, ARRAY_LEN(ev), e);
}

int
account_change(struct call *c, const struct uuid *id, const char *login, const char *description,
	       bool settle, struct err *e)
{
	auto_buf body = BUF_INIT, settled = BUF_INIT;
	auto_rows choice = NULL;
	struct event ev[2];
	struct uuid current = { 0 };
	size_t n = 0;
	struct json_out w;
	struct account_seen a;
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, id);
	int rc = account_read_right(c, id, LEVEL_MODIFY, "change account", &a, e);
	if (rc == 0 && login)
		rc = take_login(c, &a.resource, &login, id, e);
	if (rc)
		return rc;
	if (!login && !description && !settle)
		return err_set(e, ERR_BAD_FIELD, "nothing to change");
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	if (login)
		json_out_text(&w, "login", login);
	if (description)
		json_out_text(&w, "description", description);
	json_out_end_object(&w);
	if (login || description)
		ev[n++] = policy_event(c, EVENT_ACCOUNT_CHANGED, id, buf_str(&body));
	if (settle && a.conflict) {
		rc = account_read_choice(c, id, a.current_n, &choice, e);
		if (rc)
			return rc;
		if (!account_find_choice(choice, a.current_n, &current))
			return err_set(e, ERR_NOT_FOUND, "nothing is stored for this account yet");
		account_write_settled(&settled, choice, &current, a.current_n);
		ev[n++] = policy_event(c, EVENT_CONFLICT_SETTLED, id, buf_str(&settled));
	}
	return n ? policy_append(c, ev, n, e) : 0;
}

int
account_delete(struct call *c, const struct uuid *id, struct err *e)
{
	auto_buf body = BUF_INIT;
	struct json_out w;
	struct account_seen a;
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, id);
	int rc = account_read_right(c, id, LEVEL_MANAGE, "delete account", &a, e);
	if (rc)
		return rc;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_text(&w, "resource", a.resource_name);
	json_out_text(&w, "login", a.login);
	json_out_end_object(&w);
	return vault_append(c, EVENT_ACCOUNT_DELETED, id, buf_str(&body), e);
}
