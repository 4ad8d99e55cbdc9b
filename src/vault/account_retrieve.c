/* SPDX-License-Identifier: Apache-2.0
 *
 * The retrieval: permission, secret and place in one read; the fields go out once the log has the event.
 */
#include "vault/account_impl.h"

#include <string.h>
#include "vault/age_limit.h"
#include "vault/hold.h"
#include "vault/retrieve_batch.h"
#include "vault/withdrawn.h"

void
account_opened_done(struct account_opened *x)
{
	buf_done(&x->sealed);
}

static void
take_row(struct call *c, const struct rows *r, int i, struct account_opened *ret)
{
	size_t n;
	const void *sealed = row_bytea(r, i, COL_ACCOUNT_OPEN_SEALED, &n);
	buf_add(&ret->sealed, sealed, n);
	row_uuid(r, i, COL_ACCOUNT_OPEN_VERSION, &ret->version);
	row_uuid(r, i, COL_ACCOUNT_OPEN_RESOURCE, &ret->resource);
	ret->resource_name = arena_strdup(c->a, row_text(r, i, COL_ACCOUNT_OPEN_RESOURCE_NAME));
	ret->login = arena_strdup(c->a, row_text(r, i, COL_ACCOUNT_OPEN_LOGIN));
	ret->n = row_int(r, i, COL_ACCOUNT_OPEN_N);
	ret->current = row_int(r, i, COL_ACCOUNT_OPEN_CURRENT_N);
	ret->conflict = row_bool(r, i, COL_ACCOUNT_OPEN_CONFLICT);
	ret->created_us = row_time(r, i, COL_ACCOUNT_OPEN_CREATED);
}

int
account_read_open(struct call *c, const struct uuid *id, int n, struct account_opened *ret,
		  struct err *e)
{
	FREE_WITH(retrieve_batch_row_done) struct retrieve_batch_row x = { 0 };
	int rc = retrieve_batch_account(c->v->retrieve_batch, c->f, id, &c->who.user, n, &x, e);
	if (rc)
		return rc;
	int level = row_int(x.rows, x.row, COL_ACCOUNT_OPEN_LEVEL);
	row_uuid(x.rows, x.row, COL_ACCOUNT_OPEN_RESOURCE, &ret->resource);
	rc = withdrawn_level(c, &ret->resource, id, &level, e);
	if (rc)
		return rc;
	rc = policy_check(c, id, level, LEVEL_VIEW, false, "retrieve", e);
	if (rc)
		return rc;
	if (row_null(x.rows, x.row, COL_ACCOUNT_OPEN_VERSION))
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
find_laid(const struct account_seen *a, int n)
{
	for (size_t i = 0; i < a->laid.n; i++)
		if (a->laid.v[i].n == n)
			return &a->laid.v[i];
	return NULL;
}

/* Of an account that has versions in the journal. */
static int
read_open_laid(struct call *c, const struct uuid *id, int n, struct account_opened *ret,
	       struct err *e)
{
	const struct journal_overlay_version *v;
	struct account_seen a;
	int rc, wanted;

	/* One that is gone when it is wanted has been merged: then the tables are asked again. */
	do {
		rc = account_read_right(c, id, LEVEL_VIEW, "retrieve", &a, e);
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
		rc = account_read_open(c, id, wanted, ret, e);
	}
	ret->current = a.current_n;
	ret->conflict = a.conflict;
	return rc;
}

int
account_open_fields(struct call *c, const struct uuid *id, const struct account_opened *x,
		    struct buf *ret, struct err *e)
{
	uint8_t ad[ACCOUNT_AD_LEN];
	account_associated_data(&x->version, id, ad);
	int rc = keys_open(c->v->keys, c->f, ad, sizeof(ad), x->sealed.data, x->sealed.len, ret, e);
	if (rc == ERR_CRYPTO)
		retrieve_batch_doubt(c->v->retrieve_batch, id);
	return rc;
}

static int
append_retrieved(struct call *c, const struct uuid *id, const struct account_opened *x,
		 const char *reason, struct err *e)
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
write_retrieved(const struct uuid *id, const struct account_opened *x, const struct buf *fields,
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
	FREE_WITH(account_opened_done) struct account_opened x = { 0 };
	auto_buf fields = BUF_INIT;
	if (c->v->settings->reason_required && (!reason || !reason[strspn(reason, " \t\r\n")]))
		return err_set(e, ERR_BAD_FIELD, "reason: a retrieval needs a reason here");
	int rc = age_limit_check(c->v, e);
	if (rc == 0)
		rc = hold_check(c, e);
	if (rc == 0)
		rc = journal_overlay_of(c->v->journal_overlay, id, c->a).n
			     ? read_open_laid(c, id, n, &x, e)
			     : account_read_open(c, id, n, &x, e);
	if (rc == 0)
		rc = account_open_fields(c, id, &x, &fields, e);
	if (rc == 0)
		rc = hold_count(c, &x.version, e);
	if (rc == 0)
		rc = append_retrieved(c, id, &x, reason, e);
	if (rc == 0)
		write_retrieved(id, &x, &fields, out);
	return rc;
}
