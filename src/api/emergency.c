/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/emergency.h"

#include "api/bodies.h"
#include "api/handlers.h"

int
on_policy(struct api_call *c, struct err *e)
{
	return emergency_policy(&c->call, &c->w, e);
}

int
on_emergency_policy(struct api_call *c, struct err *e)
{
	const struct body_emergency_policy *b = c->body;
	return emergency_policy_set(&c->call, b->state, b->resource, &c->w, e);
}

int
on_change_list(struct api_call *c, struct err *e)
{
	struct policy_page page;
	int rc = call_query_page(c, POLICY_PAGE, &page, e);
	return rc ? rc : emergency_changes(&c->call, &page, &c->w, e);
}

int
on_change_decide(struct api_call *c, struct err *e)
{
	const struct body_decision *b = c->body;
	return emergency_decide(&c->call, call_id(c), b->approve, &c->w, e);
}
