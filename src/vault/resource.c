/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/resource.h"

#include <string.h>
#include "vault/folder.h"
#include "vault/journal_overlay.h"
#include "vault/lists.h"
#include "vault/search.h"
#include "vault/withdrawn.h"

/* ---- reading ---- */

static void
write_account(const struct call *c, struct json_out *out, const struct rows *r, int i)
{
	struct uuid id;
	row_uuid(r, i, COL_RESOURCE_SHOW_ACCOUNT, &id);
	json_out_object(out, NULL);
	json_out_uuid(out, "id", &id);
	json_out_text(out, "login", row_text(r, i, COL_RESOURCE_SHOW_LOGIN));
	policy_write_suffix(out, &id, row_bool(r, i, COL_RESOURCE_SHOW_ACCOUNT_SHARED));
	json_out_text(out, "description", row_text(r, i, COL_RESOURCE_SHOW_ACCOUNT_DESCRIPTION));
	json_out_int(out, "version",
		     journal_overlay_current(c->v->journal_overlay, &id,
					     row_int(r, i, COL_RESOURCE_SHOW_CURRENT_N)));
	json_out_bool(out, "conflict", row_bool(r, i, COL_RESOURCE_SHOW_CONFLICT));
	json_out_text(out, "level",
		      policy_level_name(row_int(r, i, COL_RESOURCE_SHOW_ACCOUNT_LEVEL)));
	json_out_bool(out, "waits", row_bool(r, i, COL_RESOURCE_SHOW_ACCOUNT_WAITS));
	json_out_end_object(out);
}

static bool
same_resource(const struct rows *r, int i, int j)
{
	struct uuid a, b;
	row_uuid(r, i, COL_RESOURCE_SHOW_ID, &a);
	row_uuid(r, j, COL_RESOURCE_SHOW_ID, &b);
	return uuid_eq(&a, &b);
}

/* The account behind which there are more of the same resource; nil: there are none behind row i. */
static struct uuid
next_account(const struct rows *r, int i)
{
	struct uuid id, following, account = { 0 };
	if (row_null(r, i, COL_RESOURCE_SHOW_FOLLOWING))
		return account;
	row_uuid(r, i, COL_RESOURCE_SHOW_ID, &id);
	row_uuid(r, i, COL_RESOURCE_SHOW_FOLLOWING, &following);
	if (uuid_eq(&id, &following))
		row_uuid(r, i, COL_RESOURCE_SHOW_ACCOUNT, &account);
	return account;
}

/* Writes the accounts of the resource of row i, as many as the answer may hold, and under `next` where more of them begin;
 * returns the row behind the last. */
static int
write_accounts(const struct call *c, struct json_out *out, const char *next, const struct rows *r,
	       int i)
{
	int from = i;
	json_out_array(out, "accounts");
	do {
		if (!row_null(r, i, COL_RESOURCE_SHOW_ACCOUNT))
			write_account(c, out, r, i);
		i++;
	} while (i < rows_count(r) && same_resource(r, from, i) && !policy_full(out));
	json_out_end_array(out);
	struct uuid more = next_account(r, i - 1);
	json_out_uuid(out, next, &more);
	return i;
}

/* Where it stands, as far as the caller sees that. */
static void
write_place(struct json_out *out, const struct rows *r, int i)
{
	struct uuid folder;
	if (row_null(r, i, COL_RESOURCE_SHOW_FOLDER)) {
		json_out_null(out, "folder");
		return;
	}
	row_uuid(r, i, COL_RESOURCE_SHOW_FOLDER, &folder);
	json_out_object(out, "folder");
	json_out_uuid(out, "id", &folder);
	json_out_text(out, "path", row_text(r, i, COL_RESOURCE_SHOW_FOLDER_PATH));
	json_out_end_object(out);
}

static int
write_resource(const struct call *c, struct json_out *out, const struct rows *r, int i)
{
	static const struct {
		const char *name;
		int col;
	} texts[] = {
		{ "name", COL_RESOURCE_SHOW_NAME },
		{ "type", COL_RESOURCE_SHOW_TYPE },
		{ "address", COL_RESOURCE_SHOW_ADDRESS },
		{ "url", COL_RESOURCE_SHOW_URL },
		{ "description", COL_RESOURCE_SHOW_DESCRIPTION },
	};
	struct uuid id, owner;
	row_uuid(r, i, COL_RESOURCE_SHOW_ID, &id);
	row_uuid(r, i, COL_RESOURCE_SHOW_OWNER, &owner);
	json_out_object(out, NULL);
	json_out_uuid(out, "id", &id);
	policy_write_suffix(out, &id, row_bool(r, i, COL_RESOURCE_SHOW_SHARED));
	for (size_t k = 0; k < ARRAY_LEN(texts); k++)
		json_out_text(out, texts[k].name, row_text(r, i, texts[k].col));
	json_out_object(out, "owner");
	json_out_uuid(out, "id", &owner);
	json_out_text(out, "name", row_text(r, i, COL_RESOURCE_SHOW_OWNER_NAME));
	json_out_end_object(out);
	write_place(out, r, i);
	json_out_text(out, "level", policy_level_name(row_int(r, i, COL_RESOURCE_SHOW_LEVEL)));
	json_out_bool(out, "waits", row_bool(r, i, COL_RESOURCE_SHOW_WAITS));
	int next = write_accounts(c, out, "accounts_next", r, i);
	json_out_end_object(out);
	return next;
}

/* Who may see more than this searches and pages by other statements: what is the user's own and shared is then not collected
 * first. */
#define WIDE 2000

int
resource_sees_much(struct call *c, bool owned, bool *ret, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	bind_uuid(&b, &c->who.user);
	bind_int(&b, WIDE);
	int rc = lists_ask(c, STMT_RESOURCE_BREADTH, &b, &r, e);
	if (rc)
		return rc;
	*ret = row_int(r, 0, COL_RESOURCE_BREADTH_SHARES) +
		       (owned ? row_int(r, 0, COL_RESOURCE_BREADTH_OWNS) : 0) >=
	       WIDE;
	return 0;
}

/* What stands in a folder. *ret as below. */
static int
read_inner_ids(struct call *c, const struct resource_query *q, struct rows **ret, struct err *e)
{
	auto_binds b = BINDS_INIT;
	const char *place;
	if (q->q || q->name)
		return err_set(e, ERR_BAD_FIELD, "q, name, folder: give one of them");
	int rc = folder_right(c, &q->folder, LEVEL_VIEW, "list a folder", e);
	if (rc == 0)
		rc = policy_place(c, STMT_RESOURCE_PLACE, &q->page, &place, e);
	if (rc || !place)
		return rc;
	bind_uuid(&b, &q->folder);
	policy_bind_page(&b, place, &q->page);
	return lists_ask(c, STMT_RESOURCE_IN, &b, ret, e);
}

/* All that the caller may see, or what of it has a name. *ret as below. */
static int
read_all_ids(struct call *c, const struct resource_query *q, struct rows **ret, struct err *e)
{
	auto_binds b = BINDS_INIT;
	const char *place;
	bool wide = false;
	int rc = policy_place(c, STMT_RESOURCE_PLACE, &q->page, &place, e);
	if (rc == 0 && !place)
		return 0;
	if (rc == 0 && !q->name)
		rc = resource_sees_much(c, false, &wide, e);
	if (rc)
		return rc;
	bind_uuid(&b, &c->who.user);
	if (q->name)
		bind_text(&b, q->name);
	policy_bind_page(&b, place, &q->page);
	return lists_ask(c,
			 q->name ? STMT_RESOURCE_NAMED
			 : wide	 ? STMT_RESOURCE_PAGE_WIDE
				 : STMT_RESOURCE_PAGE,
			 &b, ret, e);
}

/* *ret stays NULL when there is nothing where the page begins. */
static int
read_ids(struct call *c, const struct resource_query *q, struct rows **ret, struct err *e)
{
	if (!uuid_is_nil(&q->folder))
		return read_inner_ids(c, q, ret, e);
	if (q->q && q->name)
		return err_set(e, ERR_BAD_FIELD, "q, name: give one of them, not both");
	return q->q ? search_resources(c, q, ret, e) : read_all_ids(c, q, ret, e);
}

/* accounts: which of each resource; the place of its `after` is given. unseen: also what the caller does not see. */
static int
read_any(struct call *c, const struct uuid *ids, size_t n, const char *place,
	 const struct policy_page *accounts, bool unseen, struct rows **ret, struct err *e)
{
	auto_binds b = BINDS_INIT;
	bind_uuid(&b, &c->who.user);
	bind_array_begin(&b, STMT_UUID);
	for (size_t i = 0; i < n; i++)
		bind_elem_uuid(&b, &ids[i]);
	bind_array_end(&b);
	bind_text(&b, place);
	bind_uuid(&b, &accounts->after);
	bind_int(&b, accounts->rows);
	bind_bool(&b, unseen);
	return lists_ask(c, STMT_RESOURCE_SHOW, &b, ret, e);
}

static int
read_shown(struct call *c, const struct uuid *ids, size_t n, const char *place,
	   const struct policy_page *accounts, struct rows **ret, struct err *e)
{
	return read_any(c, ids, n, place, accounts, false, ret, e);
}

static const struct policy_page all_accounts = { .rows = POLICY_PAGE_MAX };

int
resource_list(struct call *c, const struct resource_query *q, struct json_out *out, struct err *e)
{
	auto_rows ids = NULL;
	auto_rows r = NULL;
	struct uuid id[POLICY_PAGE_MAX + 1];
	int rc = read_ids(c, q, &ids, e);
	if (rc)
		return rc;
	int found = ids ? rows_count(ids) : 0, n = found < q->page.rows ? found : q->page.rows;
	for (int k = 0; k < n; k++)
		row_uuid(ids, k, COL_RESOURCE_IDS_ID, &id[k]);
	rc = n ? read_shown(c, id, (size_t)n, "", &all_accounts, &r, e) : 0;
	if (rc)
		return rc;
	int rows = r ? rows_count(r) : 0, i = 0;
	struct uuid last = { 0 };
	json_out_object(out, NULL);
	json_out_array(out, "resources");
	while (i < rows && !policy_full(out))
		i = write_resource(c, out, r, i);
	json_out_end_array(out);
	if (i)
		row_uuid(r, i - 1, COL_RESOURCE_SHOW_ID, &last);
	else if (n)
		last = id[n - 1]; /* all of them are gone meanwhile */
	/* A page ends before the last of its ids when the answer is full. */
	bool more = found > n || (n && !uuid_eq(&last, &id[n - 1]));
	json_out_uuid(out, "next", more ? &last : &(struct uuid){ 0 });
	json_out_end_object(out);
	return 0;
}

/* The rows of one resource that the caller sees; refuses with its event. */
static int
read_one(struct call *c, const struct uuid *id, const struct policy_page *accounts,
	 struct rows **ret, struct err *e)
{
	auto_rows r = NULL;
	int rc = read_shown(c, id, 1, "", accounts, &r, e);
	if (rc)
		return rc;
	if (rows_count(r) == 0) {
		rc = resource_right(c, id, LEVEL_VIEW, "read resource", NULL, e);
		return rc ? rc : err_set(e, ERR_NOT_FOUND, "there is no such resource");
	}
	*ret = TAKE(r);
	return 0;
}

int
resource_get(struct call *c, const struct uuid *id, struct json_out *out, struct err *e)
{
	auto_rows r = NULL;
	int rc = read_one(c, id, &all_accounts, &r, e);
	if (rc == 0)
		write_resource(c, out, r, 0);
	return rc;
}

int
resource_show_changed(struct call *c, const struct uuid *id, struct json_out *out, struct err *e)
{
	auto_rows r = NULL;
	int rc = read_any(c, id, 1, "", &all_accounts, true, &r, e);
	if (rc == 0 && rows_count(r) == 0)
		return err_set(e, ERR_NOT_FOUND, "there is no such resource");
	if (rc == 0)
		write_resource(c, out, r, 0);
	return rc;
}

int
resource_accounts(struct call *c, const struct uuid *id, const struct policy_page *page,
		  struct json_out *out, struct err *e)
{
	auto_rows r = NULL;
	const char *place;
	int rc = policy_place(c, STMT_ACCOUNT_PLACE, page, &place, e);
	if (rc == 0 && uuid_is_nil(&page->after))
		rc = read_one(c, id, page, &r, e);
	else if (rc == 0 && place)
		rc = read_shown(c, id, 1, place, page, &r, e);
	if (rc)
		return rc;
	json_out_object(out, NULL);
	if (r && rows_count(r)) {
		write_accounts(c, out, "next", r, 0);
	} else {
		json_out_array(out, "accounts");
		json_out_end_array(out);
		json_out_null(out, "next");
	}
	json_out_end_object(out);
	return 0;
}

static int
read_right(struct call *c, const struct uuid *id, int need, const char *what, struct rows **ret,
	   struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	bind_uuid(&b, id);
	bind_uuid(&b, &c->who.user);
	int rc = db_exec(vault_reader(c->v), c->f, STMT_RESOURCE_RIGHT, &b, &r, e);
	if (rc)
		return rc;
	if (rows_count(r) == 0)
		return err_set(e, ERR_NOT_FOUND, "%s", err_info(ERR_NOT_FOUND)->text);
	int level = row_int(r, 0, COL_RESOURCE_RIGHT_LEVEL);
	rc = withdrawn_level(c, id, NULL, &level, e);
	if (rc)
		return rc;
	rc = policy_check(c, id, level, need, row_bool(r, 0, COL_RESOURCE_RIGHT_SEEN), what, e);
	if (rc == 0)
		*ret = TAKE(r);
	return rc;
}

int
resource_right(struct call *c, const struct uuid *id, int need, const char *what,
	       const char **ret_name, struct err *e)
{
	auto_rows r = NULL;
	int rc = read_right(c, id, need, what, &r, e);
	if (rc == 0 && ret_name)
		*ret_name = arena_strdup(c->a, row_text(r, 0, COL_RESOURCE_RIGHT_NAME));
	return rc;
}

int
resource_effect(struct call *c, const struct uuid *id, const char *folder,
		const struct policy_page *page, struct json_out *out, struct err *e)
{
	auto_rows r = NULL;
	struct uuid owner, source = { 0 }, target;
	int rc = read_right(c, id, LEVEL_MANAGE, "move a resource", &r, e);
	if (rc == 0)
		rc = folder_may_fill(c, folder, &target, e);
	if (rc)
		return rc;
	row_uuid(r, 0, COL_RESOURCE_RIGHT_OWNER, &owner);
	if (!row_null(r, 0, COL_RESOURCE_RIGHT_FOLDER))
		row_uuid(r, 0, COL_RESOURCE_RIGHT_FOLDER, &source);
	return folder_write_effect(c, id, &owner, &source, &target, page, out, e);
}

/* ---- changing ---- */

/* Writes the texts that are given; returns how many. */
static int
write_texts(struct json_out *w, const struct resource_texts *t)
{
	const struct {
		const char *name, *value;
	} texts[] = {
		{ "name", t->name },
		{ "type", t->type },
		{ "address", t->address },
		{ "url", t->url },
		{ "description", t->description },
		{ "folder", t->folder },
	};
	int n = 0;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (!texts[i].value)
			continue;
		json_out_text(w, texts[i].name, texts[i].value);
		n++;
	}
	return n;
}

void
resource_created_body(struct buf *out, const struct resource_texts *t, const struct uuid *owner)
{
	struct json_out w;
	json_out_init(&w, out);
	json_out_object(&w, NULL);
	write_texts(&w, t);
	json_out_uuid(&w, "owner", owner);
	json_out_end_object(&w);
}

int
resource_name_taken(struct call *c, const struct uuid *beside, const char *name,
		    const struct uuid *but, bool *ret, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	bind_uuid(&b, beside);
	bind_text(&b, name);
	bind_uuid(&b, but);
	int rc = db_exec(vault_reader(c->v), c->f, STMT_RESOURCE_NAME_TAKEN, &b, &r, e);
	if (rc == 0)
		*ret = row_bool(r, 0, COL_RESOURCE_NAME_TAKEN_TAKEN);
	return rc;
}

static int
check_free(struct call *c, const struct uuid *beside, const char *name, const struct uuid *but,
	   struct err *e)
{
	bool taken;
	int rc = resource_name_taken(c, beside, name, but, &taken, e);
	if (rc == 0 && taken)
		return err_set(e, ERR_CONFLICT, "there is a resource of this name there already");
	return rc;
}

/* Its id as events have it, or "", and *ret, where that is none the nil id. NULL stays. */
static int
take_folder(struct call *c, const char **text, struct uuid *ret, struct err *e)
{
	char id[UUID_STR_LEN];
	*ret = (struct uuid){ 0 };
	int rc = *text ? folder_may_fill(c, *text, ret, e) : 0;
	if (rc || !*text || !**text)
		return rc;
	uuid_str(ret, id);
	*text = arena_strdup(c->a, id);
	return 0;
}

int
resource_plan(struct call *c, const struct resource_texts *texts, struct uuid *ret,
	      struct buf *ret_body, struct err *e)
{
	struct resource_texts t = *texts;
	struct uuid folder;
	int rc = policy_take_name(c->a, &t.name, "name", e);
	if (rc == 0)
		rc = take_folder(c, &t.folder, &folder, e);
	if (rc == 0)
		rc = check_free(c, uuid_is_nil(&folder) ? &c->who.user : &folder, t.name, NULL, e);
	if (rc)
		return rc;
	if (t.folder && !*t.folder)
		t.folder = NULL;
	resource_created_body(ret_body, &t, &c->who.user);
	uuid_new(ret);
	return 0;
}

int
resource_create(struct call *c, const struct resource_texts *texts, struct uuid *ret, struct err *e)
{
	auto_buf body = BUF_INIT;
	policy_lock lock = folder_hold(c, texts->folder);
	int rc = resource_plan(c, texts, ret, &body, e);
	return rc ? rc : vault_append(c, EVENT_RESOURCE_CREATED, ret, buf_str(&body), e);
}

/* r: of resource_right. */
static int
take_texts(struct call *c, const struct uuid *id, const struct rows *r, struct resource_texts *t,
	   struct err *e)
{
	struct uuid beside;
	int rc = take_folder(c, &t->folder, &beside, e);
	if (rc == 0 && t->name)
		rc = policy_take_name(c->a, &t->name, "name", e);
	if (rc || !(t->name || t->folder))
		return rc;
	if (uuid_is_nil(&beside))
		row_uuid(r, 0, COL_RESOURCE_RIGHT_OWNER, &beside);
	return check_free(c, t->folder ? &beside : NULL,
			  t->name ? t->name : row_text(r, 0, COL_RESOURCE_RIGHT_NAME), id, e);
}

int
resource_change(struct call *c, const struct uuid *id, const struct resource_texts *texts,
		struct err *e)
{
	struct resource_texts copy = *texts, *t = &copy;
	auto_rows r = NULL;
	auto_buf body = BUF_INIT;
	struct json_out w;
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, id);
	policy_lock folder = folder_hold(c, t->folder);
	int rc = read_right(c, id, t->folder ? LEVEL_MANAGE : LEVEL_MODIFY,
			    t->folder ? "move a resource" : "change resource", &r, e);
	if (rc == 0)
		rc = take_texts(c, id, r, t, e);
	if (rc)
		return rc;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	int n = write_texts(&w, t);
	json_out_end_object(&w);
	if (n == 0)
		return err_set(e, ERR_BAD_FIELD, "nothing to change");
	return vault_append(c, EVENT_RESOURCE_CHANGED, id, buf_str(&body), e);
}

int
resource_delete(struct call *c, const struct uuid *id, struct err *e)
{
	auto_buf body = BUF_INIT;
	struct json_out w;
	const char *name;
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, id);
	int rc = resource_right(c, id, LEVEL_MANAGE, "delete resource", &name, e);
	if (rc)
		return rc;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_text(&w, "name", name);
	json_out_end_object(&w);
	return vault_append(c, EVENT_RESOURCE_DELETED, id, buf_str(&body), e);
}
