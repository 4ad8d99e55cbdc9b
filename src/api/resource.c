/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/resource.h"

#include "api/bodies.h"
#include "api/handlers.h"

int
on_resource_list(struct api_call *c, struct err *e)
{
	struct resource_query q = {
		.q = request_query(c->rq, "q"),
		.name = request_query(c->rq, "name"),
	};
	if (q.q)
		q.q = policy_nfc(c->rq->arena, q.q);
	if (q.name)
		q.name = policy_nfc(c->rq->arena, q.name);
	int rc = call_query_page(c, POLICY_PAGE, &q.page, e);
	return rc ? rc : resource_list(&c->call, &q, &c->w, e);
}

int
on_resource_new(struct api_call *c, struct err *e)
{
	const struct body_resource *b = c->body;
	const struct resource_texts t = {
		b->name, b->type, b->address, b->url, b->description, NULL
	};
	struct uuid id;
	int rc = resource_create(&c->call, &t, &id, e);
	return rc ? rc : resource_get(&c->call, &id, &c->w, e);
}

int
on_resource_get(struct api_call *c, struct err *e)
{
	return resource_get(&c->call, call_id(c), &c->w, e);
}

int
on_resource_change(struct api_call *c, struct err *e)
{
	const struct body_resource_change *b = c->body;
	const struct resource_texts t = { b->name, b->type,	   b->address,
					  b->url,  b->description, b->owner };
	int rc = resource_change(&c->call, call_id(c), &t, e);
	/* Who handed it on may not see it any more: then there is nothing to show. */
	if (rc == 0 && !b->owner)
		rc = resource_get(&c->call, call_id(c), &c->w, e);
	return rc;
}

int
on_resource_delete(struct api_call *c, struct err *e)
{
	return resource_delete(&c->call, call_id(c), e);
}

int
on_resource_accounts(struct api_call *c, struct err *e)
{
	struct policy_page page;
	int rc = call_query_page(c, POLICY_PAGE_MAX, &page, e);
	return rc ? rc : resource_accounts(&c->call, call_id(c), &page, &c->w, e);
}
