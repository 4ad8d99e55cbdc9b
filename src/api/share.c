/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/share.h"

#include "api/bodies.h"
#include "api/handlers.h"

static int
list(struct api_call *c, enum share_on on, struct err *e)
{
	struct policy_page page;
	int rc = call_query_page(c, POLICY_PAGE_MAX, &page, e);
	return rc ? rc : share_list(&c->call, on, call_id(c), &page, &c->w, e);
}

static int
grant(struct api_call *c, enum share_on on, struct err *e)
{
	const struct body_share *b = c->body;
	return share_grant(&c->call, on, call_id(c), b->user, b->level, &c->w, e);
}

static int
withdraw(struct api_call *c, enum share_on on, struct err *e)
{
	return share_withdraw(&c->call, on, call_id(c), c->match.params[1].text, e);
}

int
on_resource_shares(struct api_call *c, struct err *e)
{
	return list(c, SHARE_RESOURCE, e);
}

int
on_resource_share(struct api_call *c, struct err *e)
{
	return grant(c, SHARE_RESOURCE, e);
}

int
on_resource_unshare(struct api_call *c, struct err *e)
{
	return withdraw(c, SHARE_RESOURCE, e);
}

int
on_account_shares(struct api_call *c, struct err *e)
{
	return list(c, SHARE_ACCOUNT, e);
}

int
on_account_share(struct api_call *c, struct err *e)
{
	return grant(c, SHARE_ACCOUNT, e);
}

int
on_account_unshare(struct api_call *c, struct err *e)
{
	return withdraw(c, SHARE_ACCOUNT, e);
}
