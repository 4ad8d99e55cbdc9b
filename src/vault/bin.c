/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/bin.h"

#include <stdio.h>
#include "base/clock.h"
#include "base/log.h"
#include "vault/account.h"
#include "vault/lists.h"
#include "vault/resource.h"

#define DUE_MAX 2000 /* ids in one event: well below EVENT_BODY_MAX */
#define ROUNDS_MAX 50

/* B3. The lowest id there is, so it may be entered before that of any record. */
static const struct uuid bin_lock_id;

/* ---- what is in it ---- */

/* Until when it can be brought back; 0: for ever. */
static int64_t
kept_until(const struct call *c, int64_t since_us)
{
	int64_t keep_ms = c->v->settings->bin_keep;

	return keep_ms ? since_us + keep_ms * 1000 : 0;
}

static void
write_by(struct json_out *out, const struct rows *r, int i)
{
	struct uuid by;

	if (row_null(r, i, COL_BIN_LIST_BY_NAME)) {
		json_out_null(out, "by");
		return;
	}
	row_uuid(r, i, COL_BIN_LIST_BY, &by);
	json_out_object(out, "by");
	json_out_uuid(out, "id", &by);
	json_out_text(out, "name", row_text(r, i, COL_BIN_LIST_BY_NAME));
	json_out_end_object(out);
}

static void
write_removed(const struct call *c, struct json_out *out, const struct rows *r, int i)
{
	bool account = row_bool(r, i, COL_BIN_LIST_IS_ACCOUNT);
	struct uuid id, resource;

	row_uuid(r, i, COL_BIN_LIST_ID, &id);
	row_uuid(r, i, COL_BIN_LIST_RESOURCE, &resource);
	json_out_object(out, NULL);
	json_out_uuid(out, "id", &id);
	json_out_text(out, "kind", account ? "account" : "resource");
	json_out_object(out, "resource");
	json_out_uuid(out, "id", &resource);
	json_out_text(out, "name", row_text(r, i, COL_BIN_LIST_RESOURCE_NAME));
	json_out_bool(out, "removed", row_bool(r, i, COL_BIN_LIST_RESOURCE_REMOVED));
	json_out_end_object(out);
	if (account)
		json_out_text(out, "login", row_text(r, i, COL_BIN_LIST_LOGIN));
	else
		json_out_int(out, "accounts", row_bigint(r, i, COL_BIN_LIST_ACCOUNTS));
	json_out_text(out, "level", policy_level_name(row_int(r, i, COL_BIN_LIST_LEVEL)));
	json_out_time(out, "removed", row_time(r, i, COL_BIN_LIST_AT));
	write_by(out, r, i);
	json_out_time(out, "until", kept_until(c, row_time(r, i, COL_BIN_LIST_SINCE)));
	json_out_bool(out, "changed", row_bool(r, i, COL_BIN_LIST_CHANGED));
	json_out_end_object(out);
}

/* When the last row of a page was removed, and its id: what comes back meanwhile has no such time any more. */
struct place {
	int64_t at_us;
	struct uuid id;
};

/* Behind every time there is: where the first page begins. */
#define LATEST_US INT64_C(253402300799999999)

/* "1767225600000000.01890000-…" */
static int
parse_cursor(const char *text, struct place *ret, struct err *e)
{
	char id[UUID_STR_LEN];
	long long at;
	int used = 0;

	*ret = (struct place){ .at_us = LATEST_US };
	if (!text)
		return 0;
	if (sscanf(text, "%18lld.%36s%n", &at, id, &used) != 2 || text[used] ||
	    uuid_parse(id, &ret->id))
		return err_set(e, ERR_BAD_FIELD, "after: not what a list gave as next");
	ret->at_us = at;
	return 0;
}

static void
write_cursor(struct json_out *out, const struct rows *r, int i)
{
	char id[UUID_STR_LEN], cursor[64];
	struct uuid u;

	row_uuid(r, i, COL_BIN_LIST_ID, &u);
	uuid_str(&u, id);
	snprintf(cursor, sizeof(cursor), "%lld.%s", (long long)row_time(r, i, COL_BIN_LIST_AT), id);
	json_out_text(out, "next", cursor);
}

int
bin_list(struct call *c, const char *after, int rows, struct json_out *out, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	struct place p;
	int rc = parse_cursor(after, &p, e);

	if (rc)
		return rc;
	bind_uuid(&b, &c->who.user);
	bind_time(&b, p.at_us);
	bind_uuid(&b, &p.id);
	bind_int(&b, rows + 1);
	rc = lists_ask(c, STMT_BIN_LIST, &b, &r, e);
	if (rc)
		return rc;
	json_out_object(out, NULL);
	json_out_array(out, "removed");
	for (int i = 0; i < rows_count(r) && i < rows; i++)
		write_removed(c, out, r, i);
	json_out_end_array(out);
	if (rows_count(r) > rows)
		write_cursor(out, r, rows - 1);
	else
		json_out_null(out, "next");
	json_out_end_object(out);
	return 0;
}

/* ---- bringing back ---- */

/* What may be brought back. */
struct removed {
	const char *name, *resource_name;
	struct uuid resource;
};

static int
check_there(const struct rows *r, bool account, struct err *e)
{
	const char *what = account ? "account" : "resource";
	char at[CLOCK_ISO_LEN];

	if (!row_bool(r, 0, COL_BIN_RIGHT_REMOVED) &&
	    !row_bool(r, 0, COL_BIN_RIGHT_RESOURCE_REMOVED))
		return err_set(e, ERR_CONFLICT,
			       "this %s is not removed: there is nothing to bring back", what);
	if (!row_null(r, 0, COL_BIN_RIGHT_PURGED)) {
		clock_iso(row_time(r, 0, COL_BIN_RIGHT_PURGED), at);
		return err_set(e, ERR_NOT_FOUND,
			       "this %s cannot be brought back any more: the bin was emptied of it "
			       "at %s",
			       what, at);
	}
	if (row_bool(r, 0, COL_BIN_RIGHT_RESOURCE_REMOVED))
		return err_set(
			e, ERR_CONFLICT,
			"the resource of this account is removed too: bring that back first");
	return 0;
}

static int
read_removed(struct call *c, const struct uuid *id, bool account, struct removed *ret,
	     struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;

	bind_uuid(&b, id);
	bind_uuid(&b, &c->who.user);
	bind_bool(&b, account);
	int rc = db_exec(vault_reader(c->v), c->f, STMT_BIN_RIGHT, &b, &r, e);
	if (rc)
		return rc;
	if (rows_count(r) == 0)
		return err_set(e, ERR_NOT_FOUND, "%s", err_info(ERR_NOT_FOUND)->text);
	int level = row_int(r, 0, COL_BIN_RIGHT_LEVEL);
	rc = policy_check(c, id, level, LEVEL_MANAGE, level > LEVEL_NONE,
			  account ? "restore account" : "restore resource", e);
	if (rc == 0)
		rc = check_there(r, account, e);
	if (rc)
		return rc;
	row_uuid(r, 0, COL_BIN_RIGHT_RESOURCE, &ret->resource);
	ret->name = arena_strdup(c->a, row_text(r, 0, COL_BIN_RIGHT_NAME));
	ret->resource_name = arena_strdup(c->a, row_text(r, 0, COL_BIN_RIGHT_RESOURCE_NAME));
	return 0;
}

/* another: what was asked for instead of the name that it had. */
static int
say_taken(const char *another, const char *name, const char *what, const char *field, struct err *e)
{
	if (another)
		return err_set(e, ERR_CONFLICT, "there is a %s of the name \"%s\" already", what,
			       another);
	return err_set(e, ERR_CONFLICT,
		       "there is another %s of the name \"%s\" by now: bring this one back under "
		       "another name (%s)",
		       what, name, field);
}

int
bin_restore_resource(struct call *c, const struct uuid *id, const char *name, struct err *e)
{
	auto_buf body = BUF_INIT;
	struct removed x;
	bool taken;
	struct json_out w;
	policy_lock bin = record_lock_take(c->v->record_locks, c->f, &bin_lock_id);
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, id);
	int rc = read_removed(c, id, false, &x, e);
	if (rc == 0 && name)
		rc = policy_take_name(c->a, &name, "name", e);
	if (rc == 0)
		rc = resource_name_taken(c, NULL, name ? name : x.name, id, &taken, e);
	if (rc)
		return rc;
	if (taken)
		return say_taken(name, x.name, "resource", "name", e);
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_text(&w, "was", x.name);
	if (name)
		json_out_text(&w, "name", name);
	json_out_end_object(&w);
	return vault_append(c, EVENT_RESOURCE_RESTORED, id, buf_str(&body), e);
}

int
bin_restore_account(struct call *c, const struct uuid *id, const char *login, struct err *e)
{
	auto_buf body = BUF_INIT;
	struct removed x;
	bool taken;
	struct json_out w;
	policy_lock bin = record_lock_take(c->v->record_locks, c->f, &bin_lock_id);
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, id);
	int rc = read_removed(c, id, true, &x, e);
	if (rc == 0 && login)
		rc = policy_take_name(c->a, &login, "login", e);
	if (rc == 0)
		rc = account_login_taken(c, &x.resource, login ? login : x.name, id, &taken, e);
	if (rc)
		return rc;
	if (taken)
		return say_taken(login, x.name, "account", "login", e);
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_text(&w, "resource", x.resource_name);
	json_out_text(&w, "was", x.name);
	if (login)
		json_out_text(&w, "login", login);
	json_out_end_object(&w);
	return vault_append(c, EVENT_ACCOUNT_RESTORED, id, buf_str(&body), e);
}

/* ---- emptying ---- */

/* The ids of one kind, with blanks between; bin_due tells the kinds by number. */
static void
write_ids(struct json_out *w, const char *name, const struct rows *r, int what)
{
	auto_buf ids = BUF_INIT;
	char text[UUID_STR_LEN];
	struct uuid id;

	for (int i = 0; i < rows_count(r); i++) {
		if (row_int(r, i, COL_BIN_DUE_WHAT) != what)
			continue;
		row_uuid(r, i, COL_BIN_DUE_ID, &id);
		uuid_str(&id, text);
		buf_addf(&ids, "%s%s", ids.len ? " " : "", text);
	}
	json_out_text(w, name, buf_str(&ids));
}

static int
empty_some(struct vault *v, struct fiber *f, int64_t until_us, int *ret_n, struct err *e)
{
	static const char *const kinds[] = { "versions", "accounts", "resources" };
	struct event ev = { .kind = EVENT_BIN_EMPTIED, .address = "" };
	auto_binds b = BINDS_INIT;
	auto_buf body = BUF_INIT;
	auto_rows r = NULL;
	struct json_out w;
	policy_lock bin = record_lock_take(v->record_locks, f, &bin_lock_id);

	bind_time(&b, until_us);
	bind_int(&b, DUE_MAX);
	int rc = db_exec(vault_reader(v), f, STMT_BIN_DUE, &b, &r, e);
	*ret_n = rc ? 0 : rows_count(r);
	if (rc || *ret_n == 0)
		return rc;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		write_ids(&w, kinds[i], r, (int)i + 1);
	json_out_end_object(&w);
	ev.body = buf_str(&body);
	return ledger_append(v->ledger, f, &ev, 1, NULL, e);
}

int
bin_empty(struct vault *v, struct fiber *f, struct err *e)
{
	int64_t keep_ms = v->settings->bin_keep;
	int rc = 0, n = 1;

	for (int i = 0; keep_ms && n && !rc && i < ROUNDS_MAX; i++) {
		if (ledger_journals(v->ledger))
			return 0;
		rc = empty_some(v, f, clock_now_us() - keep_ms * 1000, &n, e);
	}
	return rc;
}
