/* SPDX-License-Identifier: Apache-2.0
 *
 * The versions of an account: their list, and a new one – checked, sealed, appended.
 */
#include "vault/account_impl.h"

#include <limits.h>
#include <sodium.h>
#include <string.h>
#include "vault/emergency.h"
#include "vault/lists.h"

void
account_associated_data(const struct uuid *version, const struct uuid *account,
			uint8_t ret[static ACCOUNT_AD_LEN])
{
	memcpy(ret, "version", 7);
	memcpy(ret + 7, version->b, 16);
	memcpy(ret + 23, account->b, 16);
}

static void
write_version(struct json_out *out, const struct rows *r, int i, int current)
{
	struct uuid id, author, node;
	row_uuid(r, i, COL_ACCOUNT_VERSIONS_ID, &id);
	row_uuid(r, i, COL_ACCOUNT_VERSIONS_AUTHOR, &author);
	row_uuid(r, i, COL_ACCOUNT_VERSIONS_NODE, &node);
	json_out_object(out, NULL);
	json_out_uuid(out, "id", &id);
	json_out_int(out, "n", row_int(r, i, COL_ACCOUNT_VERSIONS_N));
	json_out_int(out, "based_on", row_int(r, i, COL_ACCOUNT_VERSIONS_BASED_ON));
	if (row_null(r, i, COL_ACCOUNT_VERSIONS_AUTHOR_NAME)) {
		json_out_null(out, "author");
	} else {
		json_out_object(out, "author");
		json_out_uuid(out, "id", &author);
		json_out_text(out, "name", row_text(r, i, COL_ACCOUNT_VERSIONS_AUTHOR_NAME));
		json_out_end_object(out);
	}
	json_out_time(out, "created", row_time(r, i, COL_ACCOUNT_VERSIONS_CREATED));
	json_out_bool(out, "current", row_int(r, i, COL_ACCOUNT_VERSIONS_N) == current);
	if (row_null(r, i, COL_ACCOUNT_VERSIONS_NODE_NAME)) {
		json_out_null(out, "node");
	} else {
		json_out_object(out, "node");
		json_out_uuid(out, "id", &node);
		json_out_text(out, "name", row_text(r, i, COL_ACCOUNT_VERSIONS_NODE_NAME));
		json_out_end_object(out);
	}
	json_out_bool(out, "conflict", row_bool(r, i, COL_ACCOUNT_VERSIONS_SIBLING));
	json_out_text(out, "approval",
		      row_null(r, i, COL_ACCOUNT_VERSIONS_APPROVAL)
			      ? NULL
			      : row_text(r, i, COL_ACCOUNT_VERSIONS_APPROVAL));
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
version_place(struct call *c, const struct uuid *id, const struct account_seen *a,
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
		*ret = rows_count(r) ? row_int(r, 0, COL_VERSION_PLACE_N) : 0;
	return rc;
}

int
account_versions(struct call *c, const struct uuid *id, const struct policy_page *page,
		 struct json_out *out, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	struct account_seen a;
	struct uuid last = { 0 };
	int below, rc = account_read_right(c, id, LEVEL_VIEW, "read history", &a, e);
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
		row_uuid(r, i, COL_ACCOUNT_VERSIONS_ID, &last);
	}
	json_out_end_array(out);
	json_out_uuid(out, "next", rows_count(r) > page->rows ? &last : &(struct uuid){ 0 });
	json_out_end_object(out);
	return 0;
}

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
	account_associated_data(version, account, ad);
	return keys_seal(c->v->keys, c->f, c->v->data_key, ad, sizeof(ad), plain.data, plain.len,
			 ret, e);
}

/* Seals the fields and writes the body of VERSION_ADDED. */
static void
added_body(struct call *c, const struct buf *sealed, const struct account_base *base,
	   const struct uuid *id, struct buf *ret_body)
{
	auto_buf text = BUF_INIT;
	struct json_out w;
	size_t len = sodium_base64_encoded_len(sealed->len, sodium_base64_VARIANT_ORIGINAL);
	buf_reserve(&text, len);
	sodium_bin2base64(text.data, len, (const unsigned char *)sealed->data, sealed->len,
			  sodium_base64_VARIANT_ORIGINAL);
	text.len = len - 1;
	json_out_init(&w, ret_body);
	json_out_object(&w, NULL);
	json_out_uuid(&w, "id", id);
	json_out_int(&w, "n", base->n);
	json_out_int(&w, "based_on", base->based_on);
	json_out_uuid(&w, "upon", &base->upon);
	json_out_uuid(&w, "author", &c->who.user);
	if (base->emergency)
		json_out_bool(&w, "emergency", true);
	json_out_textn(&w, "sealed", text.data, text.len);
	json_out_end_object(&w);
}

int
account_version_body(struct call *c, const struct uuid *account, const struct account_fields *f,
		     const struct account_base *base, struct uuid *ret_id, struct buf *ret_body,
		     struct err *e)
{
	auto_buf sealed = BUF_INIT;
	uuid_new(ret_id);
	int rc = seal_fields(c, ret_id, account, f, &sealed, e);
	if (rc == 0)
		added_body(c, &sealed, base, ret_id, ret_body);
	return rc;
}

int
account_sealed_body(struct call *c, const struct uuid *account, const struct buf *plain,
		    const struct account_base *base, struct uuid *ret_id, struct buf *ret_body,
		    struct err *e)
{
	auto_buf sealed = BUF_INIT;
	uint8_t ad[ACCOUNT_AD_LEN];
	uuid_new(ret_id);
	account_associated_data(ret_id, account, ad);
	int rc = keys_seal(c->v->keys, c->f, c->v->data_key, ad, sizeof(ad), plain->data,
			   plain->len, &sealed, e);
	if (rc == 0)
		added_body(c, &sealed, base, ret_id, ret_body);
	return rc;
}

int
account_current(struct call *c, const struct uuid *id, struct account_base *ret_base,
		struct buf *ret_fields, struct err *e)
{
	FREE_WITH(account_opened_done) struct account_opened x = { 0 };
	struct account_seen a;
	int rc = account_read_right(c, id, LEVEL_MODIFY, "add version", &a, e);
	if (rc)
		return rc;
	*ret_base = account_base_of(&a);
	if (a.current_n == 0)
		return 0;
	rc = account_read_open(c, id, a.current_n, &x, e);
	return rc ? rc : account_open_fields(c, id, &x, ret_fields, e);
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
append_in_emergency(struct call *c, const struct uuid *id, const struct account_seen *a,
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
	struct account_seen a;
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, id);
	int rc = account_read_right(c, id, LEVEL_MODIFY, "add version", &a, e);
	if (rc)
		return rc;
	if (if_version >= 0 && if_version != a.current_n)
		return err_set(e, ERR_VERSION_CONFLICT, "the current version is %d, not %lld",
			       a.current_n, (long long)if_version);
	struct account_base base = account_base_of(&a);
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
