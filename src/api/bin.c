/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/bin.h"

#include "api/bodies.h"
#include "api/handlers.h"
#include "vault/account.h"
#include "vault/resource.h"

int
on_removed_list(struct api_call *c, struct err *e)
{
	int64_t rows = POLICY_PAGE;
	int rc = call_query_int(c, "limit", 1, POLICY_PAGE_MAX, &rows, e);
	return rc ? rc : bin_list(&c->call, request_query(c->rq, "after"), (int)rows, &c->w, e);
}

int
on_resource_restore(struct api_call *c, struct err *e)
{
	const struct body_resource_restore *b = c->body;
	int rc = bin_restore_resource(&c->call, call_id(c), b->name, e);
	return rc ? rc : resource_get(&c->call, call_id(c), &c->w, e);
}

int
on_account_restore(struct api_call *c, struct err *e)
{
	const struct body_account_restore *b = c->body;
	int rc = bin_restore_account(&c->call, call_id(c), b->login, e);
	return rc ? rc : account_get(&c->call, call_id(c), &c->w, e);
}
