/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/offer.h"

#include <string.h>
#include "vault/lists.h"
#include "vault/resource.h"
#include "vault/user.h"

/* Of an offer of ownership there is no level. */
static void
write_row(struct json_out *out, const struct rows *r, int i, const struct uuid *id)
{
	const char *kind = row_text(r, i, COL_OFFER_LIST_KIND);
	const char *name = row_text(r, i, COL_OFFER_LIST_NAME);
	bool shared = row_bool(r, i, COL_OFFER_LIST_SHARED), folder = strcmp(kind, "folder") == 0;
	bool owned = row_null(r, i, COL_OFFER_LIST_LEVEL);
	struct uuid resource;
	json_out_object(out, NULL);
	json_out_text(out, "kind", kind);
	json_out_bool(out, "ownership", owned);
	if (folder) {
		policy_write_thing(out, "folder", id, "name", name, shared);
		json_out_null(out, "resource");
	} else {
		row_uuid(r, i, COL_OFFER_LIST_RESOURCE, &resource);
		json_out_null(out, "folder");
		policy_write_thing(out, "resource", &resource, "name", name, shared);
	}
	if (row_null(r, i, COL_OFFER_LIST_LOGIN))
		json_out_null(out, "account");
	else
		policy_write_thing(out, "account", id, "login",
				   row_text(r, i, COL_OFFER_LIST_LOGIN),
				   row_bool(r, i, COL_OFFER_LIST_LOGIN_SHARED));
	json_out_text(out, "level",
		      owned ? NULL : policy_level_name(row_int(r, i, COL_OFFER_LIST_LEVEL)));
	json_out_time(out, "until", row_time(r, i, COL_OFFER_LIST_UNTIL));
	policy_write_named(out, "from", r, i, COL_OFFER_LIST_BY);
	json_out_end_object(out);
}

int
offer_list(struct call *c, const struct policy_page *page, struct json_out *out, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	struct uuid id = { 0 };
	const char *place;
	int rc = policy_place(c, STMT_SHARE_SEEN_PLACE, page, &place, e);
	if (rc == 0 && place) {
		bind_uuid(&b, &c->who.user);
		policy_bind_page(&b, place, page);
		rc = lists_ask(c, STMT_OFFER_LIST, &b, &r, e);
	}
	if (rc)
		return rc;
	int n = r ? rows_count(r) : 0;
	json_out_object(out, NULL);
	json_out_array(out, "offers");
	for (int i = 0; i < n && i < page->rows; i++) {
		row_uuid(r, i, COL_OFFER_LIST_ID, &id);
		write_row(out, r, i, &id);
	}
	json_out_end_array(out);
	json_out_uuid(out, "next", n > page->rows ? &id : &(struct uuid){ 0 });
	json_out_end_object(out);
	return 0;
}

int
offer_count(struct call *c, const struct uuid *user, int most, int *ret, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	bind_uuid(&b, user);
	bind_int(&b, most);
	int rc = db_exec(vault_reader(c->v), c->f, STMT_OFFER_COUNT, &b, &r, e);
	*ret = rc ? 0 : row_int(r, 0, COL_OFFER_COUNT_N);
	return rc;
}

/* ---- one ---- */

struct offer {
	struct uuid owner, to; /* to nil: it is offered to nobody */
	const char *name;      /* of whom it is offered to; in the arena */
};

static int
read_offer(struct call *c, const struct uuid *id, struct offer *ret, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	bind_uuid(&b, id);
	int rc = db_exec(vault_reader(c->v), c->f, STMT_OFFER_OF, &b, &r, e);
	if (rc)
		return rc;
	if (rows_count(r) == 0)
		return err_set(e, ERR_NOT_FOUND, "%s", err_info(ERR_NOT_FOUND)->text);
	*ret = (struct offer){ 0 };
	row_uuid(r, 0, COL_OFFER_OF_OWNER, &ret->owner);
	if (row_null(r, 0, COL_OFFER_OF_OFFERED_TO))
		return 0;
	row_uuid(r, 0, COL_OFFER_OF_OFFERED_TO, &ret->to);
	ret->name = arena_strdup(c->a, row_text(r, 0, COL_OFFER_OF_OFFERED_NAME));
	return 0;
}

int
offer_get(struct call *c, const struct uuid *id, struct json_out *out, struct err *e)
{
	struct offer x;
	int rc = resource_right(c, id, LEVEL_OWNER, "read an offer", NULL, e);
	if (rc == 0)
		rc = read_offer(c, id, &x, e);
	if (rc)
		return rc;
	json_out_object(out, NULL);
	if (uuid_is_nil(&x.to)) {
		json_out_null(out, "to");
	} else {
		json_out_object(out, "to");
		json_out_uuid(out, "id", &x.to);
		json_out_text(out, "name", x.name);
		json_out_end_object(out);
	}
	json_out_end_object(out);
	return 0;
}

/* ---- changing ---- */

/* to NULL: it is offered to nobody any more. */
static const char *
offer_body(struct arena *a, const struct uuid *to, const struct uuid *by)
{
	char receiver[UUID_STR_LEN], owner[UUID_STR_LEN];
	if (!to)
		return "{\"offer\":\"\"}";
	uuid_str(to, receiver);
	uuid_str(by, owner);
	return arena_printf(a, "{\"offer\":\"%s %s\"}", receiver, owner);
}

const char *
offer_owner_body(struct arena *a, const struct uuid *owner)
{
	char id[UUID_STR_LEN];
	uuid_str(owner, id);
	return arena_printf(a, "{\"owner\":\"%s\",\"offer\":\"\"}", id);
}

int
offer_make(struct call *c, const struct uuid *id, const char *user, struct err *e)
{
	struct uuid to;
	const char *name;
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, id);
	int rc = resource_right(c, id, LEVEL_OWNER, "give away", NULL, e);
	if (rc)
		return rc;
	rc = user_find(c, user, &to, &name, e);
	if (rc == ERR_NOT_FOUND)
		return err_set(e, ERR_BAD_FIELD, "user: there is no such user");
	if (rc == 0 && uuid_eq(&to, &c->who.user))
		return err_set(e, ERR_BAD_FIELD, "user: it is yours already");
	return rc ? rc
		  : vault_append(c, EVENT_RESOURCE_CHANGED, id, offer_body(c->a, &to, &c->who.user),
				 e);
}

int
offer_end(struct call *c, const struct uuid *id, struct err *e)
{
	struct offer x;
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, id);
	int rc = read_offer(c, id, &x, e);
	bool mine = rc == 0 && uuid_eq(&x.owner, &c->who.user);
	if (rc)
		return rc;
	if (!mine && !uuid_eq(&x.to, &c->who.user))
		return policy_refuse(c, id, false, "end an offer", e);
	if (uuid_is_nil(&x.to))
		return err_set(e, ERR_NOT_FOUND, "it is offered to nobody");
	return vault_append(c, EVENT_RESOURCE_CHANGED, id, offer_body(c->a, NULL, NULL), e);
}

int
offer_accept(struct call *c, const struct uuid *id, struct err *e)
{
	struct offer x;
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, id);
	int rc = read_offer(c, id, &x, e);
	if (rc)
		return rc;
	if (!uuid_eq(&x.to, &c->who.user))
		return policy_refuse(c, id, uuid_eq(&x.owner, &c->who.user), "accept", e);
	return vault_append(c, EVENT_RESOURCE_CHANGED, id, offer_owner_body(c->a, &x.to), e);
}
