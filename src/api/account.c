/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/account.h"
#include "vault/resource.h"

#include "api/bodies.h"
#include "api/handlers.h"

static struct account_fields
take_fields(struct api_call *c, const struct jmap *m)
{
	struct account_field *f = arena_alloc(c->rq->arena, (m->n + 1) * sizeof(*f));
	for (size_t i = 0; i < m->n; i++)
		f[i] = (struct account_field){ m->entries[i].name, m->entries[i].value,
					       m->entries[i].value_len };
	return (struct account_fields){ m->n, f };
}

int
on_account_new(struct api_call *c, struct err *e)
{
	const struct body_account *b = c->body;
	const struct account_fields fields = take_fields(c, &b->fields);
	bool has_fields = BODY_HAS(c->seen, account, fields);
	struct uuid id;
	int rc = account_create(&c->call, call_id(c), b->login, b->description,
				has_fields ? &fields : NULL, &id, e);
	return rc ? rc : account_get(&c->call, &id, &c->w, e);
}

int
on_account_placed(struct api_call *c, struct err *e)
{
	const struct body_account_placed *b = c->body;
	const struct resource_texts t = { b->resource, b->type,	       b->address,
					  b->url,      b->description, NULL };
	const struct account_fields fields = take_fields(c, &b->fields);
	struct uuid id;
	int rc = account_create_placed(&c->call, &t, b->login, &fields, &id, e);
	return rc ? rc : account_get(&c->call, &id, &c->w, e);
}

int
on_account_get(struct api_call *c, struct err *e)
{
	return account_get(&c->call, call_id(c), &c->w, e);
}

int
on_account_change(struct api_call *c, struct err *e)
{
	const struct body_account_change *b = c->body;
	bool settle = BODY_HAS(c->seen, account_change, conflict);
	if (settle && b->conflict)
		return err_set(e, ERR_BAD_FIELD, "conflict: only false can be said");
	int rc = account_change(&c->call, call_id(c), b->login, b->description, settle, e);
	return rc ? rc : account_get(&c->call, call_id(c), &c->w, e);
}

int
on_conflict_list(struct api_call *c, struct err *e)
{
	struct policy_page page;
	int rc = call_query_page(c, POLICY_PAGE, &page, e);
	return rc ? rc : account_conflicts(&c->call, &page, &c->w, e);
}

int
on_account_settle(struct api_call *c, struct err *e)
{
	const struct body_settle *b = c->body;
	const struct account_fields fields = take_fields(c, &b->fields);
	bool has_fields = BODY_HAS(c->seen, settle, fields);
	int64_t if_version = BODY_HAS(c->seen, settle, if_version) ? b->if_version : -1;
	if (has_fields == BODY_HAS(c->seen, settle, version))
		return err_set(e, ERR_BAD_FIELD,
			       "say either version, to choose one, or fields, to make a new one");
	return account_settle(&c->call, call_id(c), (int)b->version, has_fields ? &fields : NULL,
			      if_version, &c->w, e);
}

int
on_account_delete(struct api_call *c, struct err *e)
{
	return account_delete(&c->call, call_id(c), e);
}

int
on_retrieve(struct api_call *c, struct err *e)
{
	const struct body_retrieve *b = c->body;
	int rc = account_retrieve(&c->call, call_id(c), b->reason, (int)b->version, &c->w, e);
	if (rc == 0)
		call_count_retrieval(c);
	return rc;
}

int
on_version_list(struct api_call *c, struct err *e)
{
	struct policy_page page;
	int rc = call_query_page(c, POLICY_PAGE_MAX, &page, e);
	return rc ? rc : account_versions(&c->call, call_id(c), &page, &c->w, e);
}

int
on_version_new(struct api_call *c, struct err *e)
{
	const struct body_version *b = c->body;
	const struct account_fields fields = take_fields(c, &b->fields);
	return account_put(&c->call, call_id(c), &fields,
			   BODY_HAS(c->seen, version, if_version) ? b->if_version : -1, &c->w, e);
}
