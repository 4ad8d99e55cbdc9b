/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/account.h"

#include <limits.h>
#include <sodium.h>
#include <string.h>
#include "base/secret.h"
#include "vault/emergency.h"
#include "vault/retrieve_batch.h"
#include "vault/journal_overlay.h"
#include "vault/age_limit.h"
#include "vault/lists.h"
#include "vault/resource.h"

static void
associated_data(const struct uuid *version, const struct uuid *account,
		uint8_t ret[static ACCOUNT_AD_LEN])
{
	memcpy(ret, "version", 7);
	memcpy(ret + 7, version->b, 16);
	memcpy(ret + 23, account->b, 16);
}

/* ---- what one may know ---- */

struct right {
	int level, current_n, top_n;
	struct uuid resource;
	const char *resource_name, *url, *login, *description;
	bool conflict;
	struct uuid current;		  /* the current version; nil: none */
	struct journal_overlay_list laid; /* versions that only the journal has */
};

/* The journal's versions are part of the account. */
static void
lay_over(struct call *c, const struct uuid *id, const char *home, struct right *a)
{
	struct journal_overlay_head head = { a->current_n, a->top_n, a->current, a->conflict };

	journal_overlay_lay(c->v->journal_overlay, id, home, &a->laid, &head);
	a->current_n = head.current_n;
	a->top_n = head.top_n;
	a->current = head.current;
	a->conflict = head.conflict;
}

static int
read_right(struct call *c, const struct uuid *id, int need, const char *what, struct right *ret,
	   struct err *e)
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
	ret->level = row_int(r, 0, 0);
	row_uuid(r, 0, 1, &ret->resource);
	ret->resource_name = arena_strdup(c->a, row_text(r, 0, 2));
	ret->url = arena_strdup(c->a, row_text(r, 0, 3));
	ret->login = arena_strdup(c->a, row_text(r, 0, 4));
	ret->description = arena_strdup(c->a, row_text(r, 0, 5));
	ret->current_n = row_int(r, 0, 6);
	ret->top_n = row_int(r, 0, 7);
	ret->conflict = row_bool(r, 0, 8);
	ret->current = (struct uuid){ 0 };
	if (!row_null(r, 0, 9))
		row_uuid(r, 0, 9, &ret->current);
	lay_over(c, id, row_text(r, 0, 10), ret);
	return policy_check(c, id, ret->level, need, ret->level > LEVEL_NONE, what, e);
}

int
account_right(struct call *c, const struct uuid *id, int need, const char *what, struct err *e)
{
	struct right right;
	return read_right(c, id, need, what, &right, e);
}

int
account_get(struct call *c, const struct uuid *id, struct json_out *out, struct err *e)
{
	struct right a;
	int rc = read_right(c, id, LEVEL_VIEW, "read account", &a, e);
	if (rc)
		return rc;
	json_out_object(out, NULL);
	json_out_uuid(out, "id", id);
	json_out_text(out, "login", a.login);
	json_out_text(out, "description", a.description);
	json_out_int(out, "version", a.current_n);
	json_out_bool(out, "conflict", a.conflict);
	json_out_text(out, "level", policy_level_name(a.level));
	json_out_object(out, "resource");
	json_out_uuid(out, "id", &a.resource);
	json_out_text(out, "name", a.resource_name);
	json_out_text(out, "url", a.url);
	json_out_end_object(out);
	json_out_end_object(out);
	return 0;
}

static void
write_version(struct json_out *out, const struct rows *r, int i, int current)
{
	struct uuid id, author, node;
	row_uuid(r, i, 0, &id);
	row_uuid(r, i, 3, &author);
	row_uuid(r, i, 6, &node);
	json_out_object(out, NULL);
	json_out_uuid(out, "id", &id);
	json_out_int(out, "n", row_int(r, i, 1));
	json_out_int(out, "based_on", row_int(r, i, 2));
	if (row_null(r, i, 4)) {
		json_out_null(out, "author");
	} else {
		json_out_object(out, "author");
		json_out_uuid(out, "id", &author);
		json_out_text(out, "name", row_text(r, i, 4));
		json_out_end_object(out);
	}
	json_out_time(out, "created", row_time(r, i, 5));
	json_out_bool(out, "current", row_int(r, i, 1) == current);
	if (row_null(r, i, 7)) {
		json_out_null(out, "node");
	} else {
		json_out_object(out, "node");
		json_out_uuid(out, "id", &node);
		json_out_text(out, "name", row_text(r, i, 7));
		json_out_end_object(out);
	}
	json_out_bool(out, "conflict", row_bool(r, i, 8));
	json_out_text(out, "approval", row_null(r, i, 9) ? NULL : row_text(r, i, 9));
	json_out_end_object(out);
}

static void
bind_laid(struct binds *b, const struct uuid *node, const struct journal_overlay_list *l)
{
	bind_uuid(b, node);
	bind_array_begin(b, STMT_UUID);
	for (size_t i = 0; i < l->n; i++)
		bind_elem_uuid(b, &l->v[i].id);
	bind_array_end(b);
	bind_array_begin(b, STMT_INT);
	for (size_t i = 0; i < l->n; i++)
		bind_elem_int(b, l->v[i].n);
	bind_array_end(b);
	bind_array_begin(b, STMT_INT);
	for (size_t i = 0; i < l->n; i++)
		bind_elem_int(b, l->v[i].based_on);
	bind_array_end(b);
	bind_array_begin(b, STMT_UUID);
	for (size_t i = 0; i < l->n; i++)
		bind_elem_uuid(b, &l->v[i].author);
	bind_array_end(b);
	bind_array_begin(b, STMT_TIMESTAMPTZ);
	for (size_t i = 0; i < l->n; i++)
		bind_elem_time(b, l->v[i].at_us);
	bind_array_end(b);
	bind_array_begin(b, STMT_BOOL);
	for (size_t i = 0; i < l->n; i++)
		bind_elem_bool(b, l->v[i].sibling);
	bind_array_end(b);
}

/* Below which number a page begins; 0: what it would follow is gone, and so nothing does. */
static int
version_place(struct call *c, const struct uuid *id, const struct right *a,
	      const struct uuid *after, int *ret, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	*ret = INT_MAX;
	if (uuid_is_nil(after))
		return 0;
	for (size_t i = 0; i < a->laid.n; i++)
		if (uuid_eq(&a->laid.v[i].id, after)) {
			*ret = a->laid.v[i].n;
			return 0;
		}
	bind_uuid(&b, after);
	bind_uuid(&b, id);
	int rc = lists_ask(c, STMT_VERSION_PLACE, &b, &r, e);
	if (rc == 0)
		*ret = rows_count(r) ? row_int(r, 0, 0) : 0;
	return rc;
}

int
account_versions(struct call *c, const struct uuid *id, const struct policy_page *page,
		 struct json_out *out, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	struct right a;
	struct uuid last = { 0 };
	int below, rc = read_right(c, id, LEVEL_VIEW, "read history", &a, e);
	if (rc == 0)
		rc = version_place(c, id, &a, &page->after, &below, e);
	if (rc)
		return rc;
	bind_uuid(&b, id);
	bind_laid(&b, &c->v->node, &a.laid);
	bind_int(&b, below);
	bind_uuid(&b, &page->after);
	bind_int(&b, page->rows + 1);
	rc = lists_ask(c, STMT_ACCOUNT_VERSIONS, &b, &r, e);
	if (rc)
		return rc;
	json_out_object(out, NULL);
	json_out_array(out, "versions");
	for (int i = 0; i < rows_count(r) && i < page->rows; i++) {
		write_version(out, r, i, a.current_n);
		row_uuid(r, i, 0, &last);
	}
	json_out_end_array(out);
	json_out_uuid(out, "next", rows_count(r) > page->rows ? &last : &(struct uuid){ 0 });
	json_out_end_object(out);
	return 0;
}

/* ---- retrieval ---- */

/* Columns of account_open. */
enum {
	OPEN_ORD,
	OPEN_LEVEL,
	OPEN_VERSION,
	OPEN_N,
	OPEN_SEALED,
	OPEN_CREATED,
	OPEN_RESOURCE,
	OPEN_RESOURCE_NAME,
	OPEN_LOGIN,
	OPEN_CURRENT,
	OPEN_CONFLICT,
};

/* What a retrieval gives, wherever it was found; the texts live as long as the call. */
struct opened {
	struct uuid version, resource;
	const char *resource_name, *login;
	int n, current;
	bool conflict;
	int64_t created_us;
	struct buf sealed;
};

static void
opened_done(struct opened *x)
{
	buf_done(&x->sealed);
}

static void
take_row(struct call *c, const struct rows *r, int i, struct opened *ret)
{
	size_t n;
	const void *sealed = row_bytea(r, i, OPEN_SEALED, &n);
	buf_add(&ret->sealed, sealed, n);
	row_uuid(r, i, OPEN_VERSION, &ret->version);
	row_uuid(r, i, OPEN_RESOURCE, &ret->resource);
	ret->resource_name = arena_strdup(c->a, row_text(r, i, OPEN_RESOURCE_NAME));
	ret->login = arena_strdup(c->a, row_text(r, i, OPEN_LOGIN));
	ret->n = row_int(r, i, OPEN_N);
	ret->current = row_int(r, i, OPEN_CURRENT);
	ret->conflict = row_bool(r, i, OPEN_CONFLICT);
	ret->created_us = row_time(r, i, OPEN_CREATED);
}

static int
read_open(struct call *c, const struct uuid *id, int n, struct opened *ret, struct err *e)
{
	FREE_WITH(retrieve_batch_row_done) struct retrieve_batch_row x = { 0 };
	int rc = retrieve_batch_account(c->v->retrieve_batch, c->f, id, &c->who.user, n, &x, e);
	if (rc)
		return rc;
	int level = row_int(x.rows, x.row, OPEN_LEVEL);
	rc = policy_check(c, id, level, LEVEL_VIEW, false, "retrieve", e);
	if (rc)
		return rc;
	if (row_null(x.rows, x.row, OPEN_VERSION))
		return err_set(e, ERR_NOT_FOUND,
			       n ? "there is no version of this number"
				 : "nothing is stored for this account yet");
	take_row(c, x.rows, x.row, ret);
	if (ret->sealed.len == 0)
		return err_set(e, ERR_NOT_FOUND,
			       "this version was removed for good when the bin was emptied");
	return 0;
}

static const struct journal_overlay_version *
find_laid(const struct right *a, int n)
{
	for (size_t i = 0; i < a->laid.n; i++)
		if (a->laid.v[i].n == n)
			return &a->laid.v[i];
	return NULL;
}

/* Of an account that has versions in the journal. */
static int
read_open_laid(struct call *c, const struct uuid *id, int n, struct opened *ret, struct err *e)
{
	const struct journal_overlay_version *v;
	struct right a;
	int rc, wanted;

	/* One that is gone when it is wanted has been merged: then the tables are asked again. */
	do {
		rc = read_right(c, id, LEVEL_VIEW, "retrieve", &a, e);
		if (rc)
			return rc;
		wanted = n ? n : a.current_n;
		v = find_laid(&a, wanted);
	} while (v && !journal_overlay_sealed(c->v->journal_overlay, id, &v->id, &ret->sealed));
	if (v) {
		ret->version = v->id;
		ret->resource = a.resource;
		ret->resource_name = a.resource_name;
		ret->login = a.login;
		ret->n = wanted;
		ret->created_us = v->at_us;
	} else {
		rc = read_open(c, id, wanted, ret, e);
	}
	ret->current = a.current_n;
	ret->conflict = a.conflict;
	return rc;
}

static int
open_fields(struct call *c, const struct uuid *id, const struct opened *x, struct buf *ret,
	    struct err *e)
{
	uint8_t ad[ACCOUNT_AD_LEN];
	associated_data(&x->version, id, ad);
	int rc = keys_open(c->v->keys, c->f, ad, sizeof(ad), x->sealed.data, x->sealed.len, ret, e);
	if (rc == ERR_CRYPTO)
		retrieve_batch_doubt(c->v->retrieve_batch, id);
	return rc;
}

static int
append_retrieved(struct call *c, const struct uuid *id, const struct opened *x, const char *reason,
		 struct err *e)
{
	auto_buf body = BUF_INIT;
	struct json_out w;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_text(&w, "resource", x->resource_name);
	json_out_text(&w, "login", x->login);
	json_out_int(&w, "version", x->n);
	if (reason)
		json_out_text(&w, "reason", reason);
	json_out_end_object(&w);
	return vault_append(c, EVENT_RETRIEVED, id, buf_str(&body), e);
}

static void
write_retrieved(const struct uuid *id, const struct opened *x, const struct buf *fields,
		struct json_out *out)
{
	/* The sealed text is a JSON object that this vault wrote. */
	json_out_object(out, NULL);
	json_out_raw(out, "fields", buf_str(fields));
	json_out_int(out, "version", x->n);
	json_out_int(out, "current", x->current);
	json_out_bool(out, "conflict", x->conflict);
	json_out_object(out, "resource");
	json_out_uuid(out, "id", &x->resource);
	json_out_text(out, "name", x->resource_name);
	json_out_end_object(out);
	json_out_object(out, "account");
	json_out_uuid(out, "id", id);
	json_out_text(out, "login", x->login);
	json_out_end_object(out);
	json_out_time(out, "created", x->created_us);
	json_out_end_object(out);
}

int
account_retrieve(struct call *c, const struct uuid *id, const char *reason, int n,
		 struct json_out *out, struct err *e)
{
	FREE_WITH(opened_done) struct opened x = { 0 };
	auto_buf fields = BUF_INIT;
	if (c->v->settings->reason_required && (!reason || !reason[strspn(reason, " \t\r\n")]))
		return err_set(e, ERR_BAD_FIELD, "reason: a retrieval needs a reason here");
	int rc = age_limit_check(c->v, e);
	if (rc == 0)
		rc = journal_overlay_of(c->v->journal_overlay, id, c->a).n
			     ? read_open_laid(c, id, n, &x, e)
			     : read_open(c, id, n, &x, e);
	if (rc == 0)
		rc = open_fields(c, id, &x, &fields, e);
	if (rc == 0)
		rc = append_retrieved(c, id, &x, reason, e);
	if (rc == 0)
		write_retrieved(id, &x, &fields, out);
	return rc;
}

/* ---- versions ---- */

/* The name of field i; no other one of the same may be before it. */
static int
check_field(const struct account_field *f, size_t i, struct err *e)
{
	if (strlen(f[i].name) > 100)
		return err_set(e, ERR_BAD_FIELD, "fields: a name is too long");
	for (size_t k = 0; k < i; k++)
		if (strcmp(f[k].name, f[i].name) == 0)
			return err_set(e, ERR_BAD_FIELD, "fields: two have the same name");
	return 0;
}

/* A copy with the names as they are kept. */
static int
take_fields(struct call *c, const struct account_fields *f, struct account_fields *ret,
	    struct err *e)
{
	if (f->n == 0 || f->n > ACCOUNT_FIELDS_MAX)
		return err_set(e, ERR_BAD_FIELD, "fields: 1 to %d", ACCOUNT_FIELDS_MAX);
	struct account_field *copy = arena_alloc(c->a, f->n * sizeof(*copy));
	for (size_t i = 0; i < f->n; i++) {
		copy[i] = f->field[i];
		int rc = policy_take_name(c->a, &copy[i].name, "the name of a field", e);
		if (rc == 0)
			rc = check_field(copy, i, e);
		if (rc)
			return rc;
	}
	*ret = (struct account_fields){ f->n, copy };
	return 0;
}

static void
write_fields(const struct account_fields *f, struct buf *out)
{
	struct json_out w;
	json_out_init(&w, out);
	json_out_object(&w, NULL);
	for (size_t i = 0; i < f->n; i++)
		json_out_textn(&w, f->field[i].name, f->field[i].value, f->field[i].value_len);
	json_out_end_object(&w);
}

size_t
account_fields_bytes(const struct account_fields *f)
{
	auto_buf plain = BUF_INIT;
	write_fields(f, &plain);
	return plain.len;
}

static int
seal_fields(struct call *c, const struct uuid *version, const struct uuid *account,
	    const struct account_fields *f, struct buf *ret, struct err *e)
{
	auto_buf plain = BUF_INIT;
	uint8_t ad[ACCOUNT_AD_LEN];
	struct account_fields taken = { 0 };
	int rc = take_fields(c, f, &taken, e);
	if (rc)
		return rc;
	write_fields(&taken, &plain);
	if (plain.len > ACCOUNT_FIELDS_BYTES)
		return err_set(e, ERR_TOO_LARGE, "fields: together at most %u KiB",
			       ACCOUNT_FIELDS_BYTES >> 10);
	associated_data(version, account, ad);
	return keys_seal(c->v->keys, c->f, c->v->data_key, ad, sizeof(ad), plain.data, plain.len,
			 ret, e);
}

static struct account_base
base_of(const struct right *a)
{
	return (struct account_base){ .n = a->top_n + 1,
				      .based_on = a->current_n,
				      .upon = a->current };
}

/* Seals the fields and writes the body of VERSION_ADDED. */
int
account_version_body(struct call *c, const struct uuid *account, const struct account_fields *f,
		     const struct account_base *base, struct uuid *ret_id, struct buf *ret_body,
		     struct err *e)
{
	auto_buf sealed = BUF_INIT, text = BUF_INIT;
	struct json_out w;
	uuid_new(ret_id);
	int rc = seal_fields(c, ret_id, account, f, &sealed, e);
	if (rc)
		return rc;
	size_t len = sodium_base64_encoded_len(sealed.len, sodium_base64_VARIANT_ORIGINAL);
	buf_reserve(&text, len);
	sodium_bin2base64(text.data, len, (const unsigned char *)sealed.data, sealed.len,
			  sodium_base64_VARIANT_ORIGINAL);
	text.len = len - 1;
	json_out_init(&w, ret_body);
	json_out_object(&w, NULL);
	json_out_uuid(&w, "id", ret_id);
	json_out_int(&w, "n", base->n);
	json_out_int(&w, "based_on", base->based_on);
	json_out_uuid(&w, "upon", &base->upon);
	json_out_uuid(&w, "author", &c->who.user);
	if (base->emergency)
		json_out_bool(&w, "emergency", true);
	json_out_textn(&w, "sealed", text.data, text.len);
	json_out_end_object(&w);
	return 0;
}

int
account_current(struct call *c, const struct uuid *id, struct account_base *ret_base,
		struct buf *ret_fields, struct err *e)
{
	FREE_WITH(opened_done) struct opened x = { 0 };
	struct right a;
	int rc = read_right(c, id, LEVEL_MODIFY, "add version", &a, e);
	if (rc)
		return rc;
	*ret_base = base_of(&a);
	if (a.current_n == 0)
		return 0;
	rc = read_open(c, id, a.current_n, &x, e);
	return rc ? rc : open_fields(c, id, &x, ret_fields, e);
}

static int
append_added(struct call *c, const struct uuid *id, const struct account_fields *fields,
	     const struct account_base *base, struct uuid *ret_version, struct err *e)
{
	auto_buf body = BUF_INIT;
	int rc = account_version_body(c, id, fields, base, ret_version, &body, e);
	return rc ? rc : vault_append(c, EVENT_VERSION_ADDED, id, buf_str(&body), e);
}

/* On a secondary: only where it is allowed, and as much as it can hold. */
static int
append_in_emergency(struct call *c, const struct uuid *id, const struct right *a,
		    const struct account_fields *fields, struct account_base *base,
		    struct uuid *ret_version, struct err *e)
{
	int rc = emergency_check(c, &a->resource, e);
	if (rc == 0)
		rc = journal_overlay_reserve(c->v->journal_overlay, e);
	if (rc)
		return rc;
	base->emergency = true;
	rc = append_added(c, id, fields, base, ret_version, e);
	journal_overlay_unreserve(c->v->journal_overlay);
	return rc;
}

int
account_put(struct call *c, const struct uuid *id, const struct account_fields *fields,
	    int64_t if_version, struct json_out *out, struct err *e)
{
	struct uuid version;
	struct right a;
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, id);
	int rc = read_right(c, id, LEVEL_MODIFY, "add version", &a, e);
	if (rc)
		return rc;
	if (if_version >= 0 && if_version != a.current_n)
		return err_set(e, ERR_VERSION_CONFLICT, "the current version is %d, not %lld",
			       a.current_n, (long long)if_version);
	struct account_base base = base_of(&a);
	if (ledger_journals(c->v->ledger))
		rc = append_in_emergency(c, id, &a, fields, &base, &version, e);
	else
		rc = append_added(c, id, fields, &base, &version, e);
	if (rc)
		return rc;
	json_out_object(out, NULL);
	json_out_uuid(out, "id", &version);
	json_out_int(out, "version", base.n);
	json_out_end_object(out);
	return 0;
}

/* ---- conflicts ---- */

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
		row_uuid(r, i, 0, &account);
		row_uuid(r, i, 3, &resource);
		json_out_object(out, NULL);
		json_out_uuid(out, "id", &account);
		json_out_text(out, "login", row_text(r, i, 1));
		json_out_int(out, "version", row_int(r, i, 2));
		json_out_object(out, "resource");
		json_out_uuid(out, "id", &resource);
		json_out_text(out, "name", row_text(r, i, 4));
		json_out_end_object(out);
		json_out_text(out, "level", policy_level_name(row_int(r, i, 5)));
		json_out_int(out, "open", row_bigint(r, i, 6));
		json_out_time(out, "latest", row_time(r, i, 7));
		json_out_end_object(out);
	}
	json_out_end_array(out);
	json_out_uuid(out, "next", rows_count(r) > page->rows ? &account : &(struct uuid){ 0 });
	json_out_end_object(out);
	return 0;
}

/* Columns of account_choice. */
enum {
	CHOICE_ID,
	CHOICE_N,
	CHOICE_CURRENT,
	CHOICE_SIBLING,
};

static int
read_choice(struct call *c, const struct uuid *id, int n, struct rows **ret, struct err *e)
{
	auto_binds b = BINDS_INIT;
	bind_uuid(&b, id);
	bind_int(&b, n);
	return db_exec(vault_reader(c->v), c->f, STMT_ACCOUNT_CHOICE, &b, ret, e);
}

static bool
find_choice(const struct rows *r, int n, struct uuid *ret)
{
	for (int i = 0; i < rows_count(r); i++) {
		if (row_int(r, i, CHOICE_N) != n)
			continue;
		row_uuid(r, i, CHOICE_ID, ret);
		return true;
	}
	return false;
}

/* The body of CONFLICT_SETTLED: what is chosen, upon which current version, and the siblings that
 * are known and therefore settled with it. */
static void
write_settled(struct buf *body, const struct rows *r, const struct uuid *chosen, int n)
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
		row_uuid(r, i, CHOICE_ID, &u);
		if (row_bool(r, i, CHOICE_CURRENT))
			json_out_uuid(&w, "upon", &u);
	}
	for (int i = 0; i < rows_count(r); i++) {
		row_uuid(r, i, CHOICE_ID, &u);
		uuid_str(&u, text);
		if (row_bool(r, i, CHOICE_SIBLING))
			buf_addf(&settles, "%s%s", settles.len ? " " : "", text);
	}
	json_out_text(&w, "settles", buf_str(&settles));
	json_out_end_object(&w);
}

/* By a version that is there. */
static int
settle_with(struct call *c, const struct uuid *id, const struct right *a, int n,
	    struct uuid *ret_chosen, struct err *e)
{
	auto_buf body = BUF_INIT;
	auto_rows r = NULL;
	int rc = read_choice(c, id, n, &r, e);
	if (rc)
		return rc;
	if (!find_choice(r, n, ret_chosen))
		return err_set(e, ERR_NOT_FOUND, "there is no version %d of this account", n);
	if (!a->conflict && n == a->current_n)
		return 0;
	if (!a->conflict)
		return err_set(e, ERR_CONFLICT,
			       "this account is not in conflict; its current version is %d",
			       a->current_n);
	write_settled(&body, r, ret_chosen, n);
	return vault_append(c, EVENT_CONFLICT_SETTLED, id, buf_str(&body), e);
}

/* By a new one: stored and chosen in one unit. */
static int
settle_anew(struct call *c, const struct uuid *id, const struct right *a,
	    const struct account_fields *fields, struct uuid *ret_chosen, struct err *e)
{
	auto_buf added = BUF_INIT, settled = BUF_INIT;
	auto_rows r = NULL;
	const struct account_base base = base_of(a);
	struct event ev[2];
	if (!a->conflict)
		return err_set(e, ERR_CONFLICT,
			       "this account is not in conflict; store a version as always");
	int rc = read_choice(c, id, a->current_n, &r, e);
	if (rc == 0)
		rc = account_version_body(c, id, fields, &base, ret_chosen, &added, e);
	if (rc)
		return rc;
	write_settled(&settled, r, ret_chosen, base.n);
	ev[0] = policy_event(c, EVENT_VERSION_ADDED, id, buf_str(&added));
	ev[1] = policy_event(c, EVENT_CONFLICT_SETTLED, id, buf_str(&settled));
	return policy_append(c, ev, ARRAY_LEN(ev), e);
}

int
account_settle(struct call *c, const struct uuid *id, int n, const struct account_fields *fields,
	       int64_t if_version, struct json_out *out, struct err *e)
{
	struct uuid chosen;
	struct right a;
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, id);
	int rc = read_right(c, id, LEVEL_MODIFY, "settle conflict", &a, e);
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

/* ---- accounts ---- */

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
		*ret = row_bool(r, 0, 0);
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
	struct right a;
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, id);
	int rc = read_right(c, id, LEVEL_MODIFY, "change account", &a, e);
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
		rc = read_choice(c, id, a.current_n, &choice, e);
		if (rc)
			return rc;
		if (!find_choice(choice, a.current_n, &current))
			return err_set(e, ERR_NOT_FOUND, "nothing is stored for this account yet");
		write_settled(&settled, choice, &current, a.current_n);
		ev[n++] = policy_event(c, EVENT_CONFLICT_SETTLED, id, buf_str(&settled));
	}
	return n ? policy_append(c, ev, n, e) : 0;
}

int
account_delete(struct call *c, const struct uuid *id, struct err *e)
{
	auto_buf body = BUF_INIT;
	struct json_out w;
	struct right a;
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, id);
	int rc = read_right(c, id, LEVEL_MANAGE, "delete account", &a, e);
	if (rc)
		return rc;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_text(&w, "resource", a.resource_name);
	json_out_text(&w, "login", a.login);
	json_out_end_object(&w);
	return vault_append(c, EVENT_ACCOUNT_DELETED, id, buf_str(&body), e);
}
