/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/folder.h"

#include <string.h>
#include "vault/lists.h"
#include "vault/withdrawn.h"

#define PATHS_TOLD 10 /* folders that one path may mean */

/* Whoever changes where folders stand holds this. Below any record's id. */
static const struct uuid tree_lock_id = { .b = { [15] = 1 } };

/* ---- reading ---- */

static void
write_folder(struct json_out *out, const struct rows *r, int i)
{
	struct uuid id, parent = { 0 };

	row_uuid(r, i, COL_FOLDER_ROW_ID, &id);
	if (!row_null(r, i, COL_FOLDER_ROW_PARENT))
		row_uuid(r, i, COL_FOLDER_ROW_PARENT, &parent);
	json_out_object(out, NULL);
	json_out_uuid(out, "id", &id);
	json_out_text(out, "name", row_text(r, i, COL_FOLDER_ROW_NAME));
	policy_write_suffix(out, &id, row_bool(r, i, COL_FOLDER_ROW_SHARED));
	json_out_text(out, "description", row_text(r, i, COL_FOLDER_ROW_DESCRIPTION));
	json_out_uuid(out, "parent", &parent);
	json_out_text(out, "path", row_text(r, i, COL_FOLDER_ROW_PLACE));
	policy_write_named(out, "owner", r, i, COL_FOLDER_ROW_OWNER);
	json_out_text(out, "level", policy_level_name(row_int(r, i, COL_FOLDER_ROW_LEVEL)));
	json_out_time(out, "created", row_time(r, i, COL_FOLDER_ROW_CREATED));
	json_out_bool(out, "waits", row_bool(r, i, COL_FOLDER_ROW_WAITS));
	json_out_end_object(out);
}

/* The name that a path ends with, and its readings with a suffix. */
static void
bind_path(struct call *c, struct binds *b, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	const char *plain = "", *tail = "";

	policy_split_suffix(c->a, name, &plain, &tail);
	bind_text(b, path);
	bind_text(b, name);
	bind_text(b, plain);
	bind_text(b, tail);
}

/* Binds what comes before the page. */
static enum stmt
begin_list(struct call *c, const struct folder_query *q, struct binds *b)
{
	bind_uuid(b, &c->who.user);
	if (q->path) {
		bind_path(c, b, policy_nfc(c->a, q->path));
		return STMT_FOLDER_AT;
	}
	if (q->q) {
		bind_text(b, policy_pattern(c->a, policy_nfc(c->a, q->q)));
		return STMT_FOLDER_SEARCH;
	}
	if (uuid_is_nil(&q->parent))
		return STMT_FOLDER_TOP;
	bind_uuid(b, &q->parent);
	return STMT_FOLDER_CHILDREN;
}

static int
check_query(struct call *c, const struct folder_query *q, struct err *e)
{
	if (!!q->path + !!q->q + !uuid_is_nil(&q->parent) > 1)
		return err_set(e, ERR_BAD_FIELD, "path, q, parent: give one of them");
	if (uuid_is_nil(&q->parent))
		return 0;
	return folder_right(c, &q->parent, LEVEL_VIEW, "list a folder", e);
}

static int
read_list(struct call *c, const struct folder_query *q, struct rows **ret, struct err *e)
{
	auto_binds b = BINDS_INIT;
	const char *place;
	int rc = check_query(c, q, e);
	if (rc == 0)
		rc = policy_place(c, STMT_FOLDER_PLACE, &q->page, &place, e);
	if (rc || !place)
		return rc;
	enum stmt s = begin_list(c, q, &b);
	if (s == STMT_FOLDER_AT)
		bind_int(&b, PATHS_TOLD);
	else
		policy_bind_page(&b, place, &q->page);
	return lists_ask(c, s, &b, ret, e);
}

int
folder_list(struct call *c, const struct folder_query *q, struct json_out *out, struct err *e)
{
	auto_rows r = NULL;
	struct uuid last = { 0 };
	int rc = read_list(c, q, &r, e), i = 0;
	if (rc)
		return rc;
	int n = r ? rows_count(r) : 0;
	json_out_object(out, NULL);
	json_out_array(out, "folders");
	for (; i < n && i < q->page.rows && !policy_full(out); i++)
		write_folder(out, r, i);
	json_out_end_array(out);
	if (n > i && i)
		row_uuid(r, i - 1, COL_FOLDER_ROW_ID, &last);
	json_out_uuid(out, "next", &last);
	json_out_end_object(out);
	return 0;
}

int
folder_get(struct call *c, const struct uuid *id, struct json_out *out, struct err *e)
{
	int rc = folder_right(c, id, LEVEL_VIEW, "read a folder", e);
	return rc ? rc : folder_show_changed(c, id, out, e);
}

int
folder_show_changed(struct call *c, const struct uuid *id, struct json_out *out, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	bind_uuid(&b, id);
	bind_uuid(&b, &c->who.user);
	int rc = lists_ask(c, STMT_FOLDER_GET, &b, &r, e);
	if (rc)
		return rc;
	if (rows_count(r) == 0)
		return err_set(e, ERR_NOT_FOUND, "there is no such folder");
	write_folder(out, r, 0);
	return 0;
}

/* ---- rights ---- */

/* Where a folder stands. */
struct place {
	struct uuid owner, parent; /* parent nil: at the top */
	const char *name;
	int depth;
};

static int
read_right(struct call *c, const struct uuid *id, int need, const char *what, struct place *ret,
	   struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	bind_uuid(&b, id);
	bind_uuid(&b, &c->who.user);
	int rc = db_exec(vault_reader(c->v), c->f, STMT_FOLDER_RIGHT, &b, &r, e);
	if (rc)
		return rc;
	if (rows_count(r) == 0)
		return err_set(e, ERR_NOT_FOUND, "%s", err_info(ERR_NOT_FOUND)->text);
	int level = row_int(r, 0, COL_FOLDER_RIGHT_LEVEL);
	rc = withdrawn_level(c, id, NULL, &level, e);
	if (rc == 0)
		rc = policy_check(c, id, level, need, level > LEVEL_NONE, what, e);
	if (rc)
		return rc;
	*ret = (struct place){ .name = arena_strdup(c->a, row_text(r, 0, COL_FOLDER_RIGHT_NAME)),
			       .depth = row_int(r, 0, COL_FOLDER_RIGHT_DEPTH) };
	row_uuid(r, 0, COL_FOLDER_RIGHT_OWNER, &ret->owner);
	if (!row_null(r, 0, COL_FOLDER_RIGHT_PARENT))
		row_uuid(r, 0, COL_FOLDER_RIGHT_PARENT, &ret->parent);
	return 0;
}

int
folder_right(struct call *c, const struct uuid *id, int need, const char *what, struct err *e)
{
	struct place p;
	return read_right(c, id, need, what, &p, e);
}

static int
read_target(struct call *c, const char *text, struct uuid *ret, struct place *place, struct err *e)
{
	*ret = (struct uuid){ 0 };
	*place = (struct place){ .depth = -1 };
	if (!*text)
		return 0;
	if (uuid_parse(text, ret))
		return err_set(e, ERR_BAD_FIELD, "folder, parent: not an id");
	return read_right(c, ret, LEVEL_MODIFY, "put into a folder", place, e);
}

int
folder_may_fill(struct call *c, const char *text, struct uuid *ret, struct err *e)
{
	struct place p;
	return read_target(c, text, ret, &p, e);
}

struct record_lock *
folder_hold(struct call *c, const char *text)
{
	struct uuid id;
	if (!text || !*text || uuid_parse(text, &id))
		return NULL;
	return record_lock_take(c->v->record_locks, c->f, &id);
}

/* ---- moving ---- */

static void
write_change(struct json_out *out, const struct rows *r, int i, const struct uuid *id)
{
	json_out_object(out, NULL);
	json_out_object(out, "user");
	json_out_uuid(out, "id", id);
	json_out_text(out, "name", row_text(r, i, COL_FOLDER_EFFECT_NAME));
	policy_write_suffix(out, id, row_bool(r, i, COL_FOLDER_EFFECT_SHARED));
	json_out_end_object(out);
	json_out_text(out, "before", policy_level_name(row_int(r, i, COL_FOLDER_EFFECT_BEFORE)));
	json_out_text(out, "after", policy_level_name(row_int(r, i, COL_FOLDER_EFFECT_LATER)));
	json_out_end_object(out);
}

int
folder_write_effect(struct call *c, const struct uuid *id, const struct uuid *owner,
		    const struct uuid *source, const struct uuid *target,
		    const struct policy_page *page, struct json_out *out, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	struct uuid last = { 0 };
	const char *place;
	int rc = policy_place(c, STMT_USER_PLACE, page, &place, e);
	if (rc == 0 && place) {
		bind_uuid(&b, id);
		bind_uuid(&b, owner);
		bind_uuid(&b, policy_or_null(source));
		bind_uuid(&b, policy_or_null(target));
		policy_bind_page(&b, place, page);
		rc = lists_ask(c, STMT_FOLDER_EFFECT, &b, &r, e);
	}
	if (rc)
		return rc;
	int n = r ? rows_count(r) : 0;
	json_out_object(out, NULL);
	json_out_array(out, "changes");
	for (int i = 0; i < n && i < page->rows; i++) {
		row_uuid(r, i, COL_FOLDER_EFFECT_PRINCIPAL, &last);
		write_change(out, r, i, &last);
	}
	json_out_end_array(out);
	json_out_uuid(out, "next", n > page->rows ? &last : &(struct uuid){ 0 });
	json_out_end_object(out);
	return 0;
}

int
folder_effect(struct call *c, const struct uuid *id, const char *parent,
	      const struct policy_page *page, struct json_out *out, struct err *e)
{
	struct place from, to;
	struct uuid target;
	int rc = read_right(c, id, LEVEL_MANAGE, "move a folder", &from, e);
	if (rc == 0)
		rc = read_target(c, parent, &target, &to, e);
	return rc ? rc
		  : folder_write_effect(c, id, &from.owner, &from.parent, &target, page, out, e);
}

/* ---- changing ---- */

/* In a path slashes stand between names. */
static int
take_name(struct call *c, const char **name, struct err *e)
{
	int rc = policy_take_name(c->a, name, "name", e);
	if (rc == 0 && strchr(*name, '/'))
		return err_set(e, ERR_BAD_FIELD, "name: a folder's name has no slash");
	return rc;
}

/* beside: the folder that it stands in or, at the top, whose it is. */
static int
check_free(struct call *c, const struct uuid *beside, const char *name, const struct uuid *but,
	   struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	bind_uuid(&b, beside);
	bind_text(&b, name);
	bind_uuid(&b, policy_or_null(but));
	int rc = db_exec(vault_reader(c->v), c->f, STMT_FOLDER_NAME_TAKEN, &b, &r, e);
	if (rc == 0 && row_bool(r, 0, COL_FOLDER_NAME_TAKEN_TAKEN))
		return err_set(e, ERR_CONFLICT, "there is a folder of this name there already");
	return rc;
}

/* to: where it is put, in how many others; below: how many levels stand below it. */
static int
check_levels(const struct place *to, int below, struct err *e)
{
	if (to->depth + 2 + below > FOLDER_LEVELS_MAX)
		return err_set(e, ERR_REFUSED, "folders stand in each other up to %d levels deep",
			       FOLDER_LEVELS_MAX);
	return 0;
}

static const char *
write_body(struct call *c, const struct folder_texts *t, const struct uuid *owner)
{
	auto_buf body = BUF_INIT;
	struct json_out w;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	if (t->name)
		json_out_text(&w, "name", t->name);
	if (t->description)
		json_out_text(&w, "description", t->description);
	if (owner)
		json_out_uuid(&w, "owner", owner);
	if (t->parent)
		json_out_text(&w, "parent", t->parent);
	json_out_end_object(&w);
	return arena_strdup(c->a, buf_str(&body));
}

static const char *
id_text(struct call *c, const struct uuid *id)
{
	char text[UUID_STR_LEN];
	uuid_str(id, text);
	return arena_strdup(c->a, uuid_is_nil(id) ? "" : text);
}

int
folder_create(struct call *c, const struct folder_texts *texts, struct uuid *ret, struct err *e)
{
	struct folder_texts t = *texts;
	struct place to;
	struct uuid parent;
	policy_lock tree = record_lock_take(c->v->record_locks, c->f, &tree_lock_id);
	policy_lock lock = folder_hold(c, t.parent);
	int rc = take_name(c, &t.name, e);
	if (rc == 0)
		rc = read_target(c, t.parent ? t.parent : "", &parent, &to, e);
	if (rc == 0)
		rc = check_levels(&to, 0, e);
	if (rc == 0)
		rc = check_free(c, uuid_is_nil(&parent) ? &c->who.user : &parent, t.name,
				&(struct uuid){ 0 }, e);
	if (rc)
		return rc;
	t.parent = uuid_is_nil(&parent) ? NULL : id_text(c, &parent);
	uuid_new(ret);
	return vault_append(c, EVENT_FOLDER_CREATED, ret, write_body(c, &t, &c->who.user), e);
}

/* It may be put there, with all that stands below it. */
static int
check_move(struct call *c, const struct uuid *id, const struct uuid *target, const struct place *to,
	   struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	bind_uuid(&b, policy_or_null(target));
	bind_uuid(&b, id);
	int rc = db_exec(vault_reader(c->v), c->f, STMT_FOLDER_MAY_HOLD, &b, &r, e);
	if (rc)
		return rc;
	if (row_bool(r, 0, COL_FOLDER_MAY_HOLD_LOOPS))
		return err_set(e, ERR_CONFLICT, "a folder cannot stand in itself");
	return check_levels(to, row_int(r, 0, COL_FOLDER_MAY_HOLD_BELOW), e);
}

/* Under the locks of folder_change. */
static int
plan_change(struct call *c, const struct uuid *id, struct folder_texts *t, struct err *e)
{
	struct place from, to;
	struct uuid target;
	int rc = read_right(c, id, t->parent ? LEVEL_MANAGE : LEVEL_MODIFY,
			    t->parent ? "move a folder" : "change a folder", &from, e);
	if (rc)
		return rc;
	target = from.parent;
	if (t->parent)
		rc = read_target(c, t->parent, &target, &to, e);
	if (rc == 0 && t->parent)
		rc = check_move(c, id, &target, &to, e);
	if (rc == 0 && t->name)
		rc = take_name(c, &t->name, e);
	if (rc == 0 && (t->name || t->parent))
		rc = check_free(c, uuid_is_nil(&target) ? &from.owner : &target,
				t->name ? t->name : from.name, id, e);
	if (rc == 0 && t->parent)
		t->parent = id_text(c, &target);
	return rc;
}

int
folder_change(struct call *c, const struct uuid *id, const struct folder_texts *texts,
	      struct err *e)
{
	struct folder_texts t = *texts;
	policy_lock tree = record_lock_take(c->v->record_locks, c->f, &tree_lock_id);
	policy_lock lock = folder_hold(c, t.parent);
	int rc = plan_change(c, id, &t, e);
	if (rc)
		return rc;
	if (!t.name && !t.description && !t.parent)
		return err_set(e, ERR_BAD_FIELD, "nothing to change");
	return vault_append(c, EVENT_FOLDER_CHANGED, id, write_body(c, &t, NULL), e);
}

static int
check_empty(struct call *c, const struct uuid *id, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	bind_uuid(&b, id);
	int rc = db_exec(vault_reader(c->v), c->f, STMT_FOLDER_HOLDS, &b, &r, e);
	if (rc)
		return rc;
	int64_t folders = row_bigint(r, 0, COL_FOLDER_HOLDS_FOLDERS);
	int64_t resources = row_bigint(r, 0, COL_FOLDER_HOLDS_RESOURCES);
	if (folders || resources)
		return err_set(
			e, ERR_CONFLICT,
			"it is not empty: %lld folders and %lld resources are in it; move or "
			"remove them first",
			(long long)folders, (long long)resources);
	return 0;
}

int
folder_remove(struct call *c, const struct uuid *id, struct err *e)
{
	struct place p;
	policy_lock tree = record_lock_take(c->v->record_locks, c->f, &tree_lock_id);
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, id);
	int rc = read_right(c, id, LEVEL_MANAGE, "remove a folder", &p, e);
	if (rc == 0)
		rc = check_empty(c, id, e);
	return rc ? rc
		  : vault_append(c, EVENT_FOLDER_REMOVED, id,
				 write_body(c, &(struct folder_texts){ .name = p.name }, NULL), e);
}
