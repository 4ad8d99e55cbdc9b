/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/bin.h"

#include "api/noun.h"
#include "vault/account.h"
#include "vault/resource.h"

/* clang-format off */
#define REMOVED_LIST_QUERY(X, query) \
	X(query, limit, NUMBER, .lo = 1, .hi = POLICY_PAGE_MAX, .otherwise = POLICY_PAGE) \
	X(query, after, TEXT, .hi = MAX_QUERY)
DEFINE_QUERY(removed_list, REMOVED_LIST_QUERY)

#define RESOURCE_RESTORE_BODY(X, body) \
	X(body, name, TEXT, 0, MAX_NAME)
DEFINE_BODY(resource_restore, RESOURCE_RESTORE_BODY)

#define ACCOUNT_RESTORE_BODY(X, body) \
	X(body, login, TEXT, 0, MAX_NAME)
DEFINE_BODY(account_restore, ACCOUNT_RESTORE_BODY)
/* clang-format on */

static int
on_removed_list(struct api_call *c, struct err *e)
{
	const struct query_removed_list *q = c->query;
	return bin_list(&c->call, q->after, (int)q->limit, &c->w, e);
}

static int
on_resource_restore(struct api_call *c, struct err *e)
{
	const struct body_resource_restore *b = c->body;
	int rc = bin_restore_resource(&c->call, call_id(c), b->name, e);
	return rc ? rc : resource_get(&c->call, call_id(c), &c->w, e);
}

static int
on_account_restore(struct api_call *c, struct err *e)
{
	const struct body_account_restore *b = c->body;
	int rc = bin_restore_account(&c->call, call_id(c), b->login, e);
	return rc ? rc : account_get(&c->call, call_id(c), &c->w, e);
}

/* clang-format off */
const struct route routes_bin[] = {
	{ HTTP_GET, "/v1/removed", DO(removed_list), CAP_USE, READ,
	  NO_BODY, QUERY(removed_list), 0, "Removed",
	  "Lists what was removed and the caller could manage: when, by whom, and until when it can be brought back." },
	{ HTTP_POST, "/v1/resources/{id}/restore", DO(resource_restore), CAP_USE, CHANGE,
	  BODY(resource_restore), NO_QUERY, SMALL, "Resource",
	  "Brings a removed resource back with the accounts that went with it; with name under another name." },
	{ HTTP_POST, "/v1/accounts/{id}/restore", DO(account_restore), CAP_USE, CHANGE,
	  BODY(account_restore), NO_QUERY, SMALL, "Account",
	  "Brings a removed account back; with login under another login." },
	{ 0 },
};

const struct shape replies_bin[] = {
	REPLY(Removed, LIST(removed, RemovedRow), FIELD(next, TEXT, NIL)),
	REPLY(RemovedRow,
		FIELD(id, ID), FIELD(kind, TEXT), ONE(resource, RemovedResource),
		FIELD(login, TEXT, MAYBE), FIELD(accounts, INT, MAYBE), FIELD(level, TEXT),
		FIELD(removed, TIME), ONE(by, Named, NIL), FIELD(until, TIME, NIL),
		FIELD(changed, BOOL)),
	REPLY(RemovedResource, FIELD(id, ID), FIELD(name, TEXT), FIELD(removed, BOOL)),
	{ 0 },
};
/* clang-format on */
