/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/offer.h"
#include "vault/resource.h"

#include "api/noun.h"

/* clang-format off */
#define RESOURCE_LIST_QUERY(X, query) \
	X(query, q, TEXT, .hi = MAX_QUERY) \
	X(query, name, TEXT, .hi = MAX_QUERY) \
	X(query, folder, ID) \
	PAGE_QUERY(X, query, POLICY_PAGE)
DEFINE_QUERY(resource_list, RESOURCE_LIST_QUERY)

#define RESOURCE_BODY(X, body) \
	X(body, name, TEXT, JREQUIRED, MAX_NAME) \
	X(body, type, TEXT, JEMPTY, MAX_TYPE) \
	X(body, address, TEXT, JEMPTY, MAX_ADDRESS) \
	X(body, url, TEXT, JEMPTY, MAX_URL) \
	X(body, description, TEXT, JEMPTY, MAX_DESCRIPTION) \
	X(body, folder, TEXT, JEMPTY, MAX_NAME)
DEFINE_BODY(resource, RESOURCE_BODY)

#define RESOURCE_CHANGE_BODY(X, body) \
	X(body, name, TEXT, 0, MAX_NAME) \
	X(body, type, TEXT, JEMPTY, MAX_TYPE) \
	X(body, address, TEXT, JEMPTY, MAX_ADDRESS) \
	X(body, url, TEXT, JEMPTY, MAX_URL) \
	X(body, description, TEXT, JEMPTY, MAX_DESCRIPTION) \
	X(body, folder, TEXT, JEMPTY, MAX_NAME)
DEFINE_BODY(resource_change, RESOURCE_CHANGE_BODY)

#define RESOURCE_ACCOUNTS_QUERY(X, query) \
	PAGE_QUERY(X, query, POLICY_PAGE_MAX)
DEFINE_QUERY(resource_accounts, RESOURCE_ACCOUNTS_QUERY)

#define RESOURCE_EFFECT_QUERY(X, query) \
	X(query, folder, TEXT, .hi = MAX_NAME) \
	PAGE_QUERY(X, query, POLICY_PAGE_MAX)
DEFINE_QUERY(resource_effect, RESOURCE_EFFECT_QUERY)

#define OFFER_BODY(X, body) \
	X(body, user, TEXT, JREQUIRED, MAX_NAME)
DEFINE_BODY(offer, OFFER_BODY)

#define OFFER_LIST_QUERY(X, query) \
	PAGE_QUERY(X, query, POLICY_PAGE)
DEFINE_QUERY(offer_list, OFFER_LIST_QUERY)
/* clang-format on */

static int
on_resource_list(struct api_call *c, struct err *e)
{
	const struct query_resource_list *q = c->query;
	const struct resource_query rq = {
		.q = q->q ? policy_nfc(c->rq->arena, q->q) : NULL,
		.name = q->name ? policy_nfc(c->rq->arena, q->name) : NULL,
		.folder = q->folder,
		.page = PAGE_OF(q),
	};
	return resource_list(&c->call, &rq, &c->w, e);
}

static int
on_resource_new(struct api_call *c, struct err *e)
{
	const struct body_resource *b = c->body;
	const struct resource_texts t = { b->name, b->type,	   b->address,
					  b->url,  b->description, b->folder };
	struct uuid id;
	int rc = resource_create(&c->call, &t, &id, e);
	return rc ? rc : resource_get(&c->call, &id, &c->w, e);
}

static int
on_resource_get(struct api_call *c, struct err *e)
{
	return resource_get(&c->call, call_id(c), &c->w, e);
}

static int
on_resource_change(struct api_call *c, struct err *e)
{
	const struct body_resource_change *b = c->body;
	const struct resource_texts t = { b->name, b->type,	   b->address,
					  b->url,  b->description, b->folder };
	int rc = resource_change(&c->call, call_id(c), &t, e);
	return rc ? rc : resource_show_changed(&c->call, call_id(c), &c->w, e);
}

static int
on_resource_effect(struct api_call *c, struct err *e)
{
	const struct query_resource_effect *q = c->query;
	return resource_effect(&c->call, call_id(c), q->folder ? q->folder : "", &PAGE_OF(q), &c->w,
			       e);
}

static int
on_resource_delete(struct api_call *c, struct err *e)
{
	return resource_delete(&c->call, call_id(c), e);
}

static int
on_resource_accounts(struct api_call *c, struct err *e)
{
	const struct query_resource_accounts *q = c->query;
	return resource_accounts(&c->call, call_id(c), &PAGE_OF(q), &c->w, e);
}

static int
on_offer_list(struct api_call *c, struct err *e)
{
	const struct query_offer_list *q = c->query;
	return offer_list(&c->call, &PAGE_OF(q), &c->w, e);
}

static int
on_offer_get(struct api_call *c, struct err *e)
{
	return offer_get(&c->call, call_id(c), &c->w, e);
}

static int
on_offer_make(struct api_call *c, struct err *e)
{
	const struct body_offer *b = c->body;
	return offer_make(&c->call, call_id(c), b->user, e);
}

static int
on_offer_end(struct api_call *c, struct err *e)
{
	return offer_end(&c->call, call_id(c), e);
}

static int
on_offer_accept(struct api_call *c, struct err *e)
{
	return offer_accept(&c->call, call_id(c), e);
}

/* clang-format off */
const struct route routes_resource[] = {
	{ HTTP_GET, "/v1/resources", DO(resource_list), CAP_USE, READ,
	  NO_BODY, QUERY(resource_list), 0, "Resources",
	  "Finds resources that the caller owns or that are shared with them, with their accounts; no secrets." },
	{ HTTP_POST, "/v1/resources", DO(resource_new), CAP_USE, CHANGE | ROUTE_CREATES,
	  BODY(resource), NO_QUERY, SMALL, "Resource",
	  "Creates a resource; the caller owns it." },
	{ HTTP_GET, "/v1/resources/{id}", DO(resource_get), CAP_USE, READ,
	  NO_BODY, NO_QUERY, 0, "Resource",
	  "Shows a resource with its accounts." },
	{ HTTP_PATCH, "/v1/resources/{id}", DO(resource_change), CAP_USE, CHANGE,
	  BODY(resource_change), NO_QUERY, SMALL, "Resource",
	  "Changes the texts of a resource, or moves it into a folder (\"\": out of it)." },
	{ HTTP_GET, "/v1/resources/{id}/effect", DO(resource_effect), CAP_USE, READ,
	  NO_BODY, QUERY(resource_effect), 0, "Effect",
	  "Says who gains and who loses when a resource is moved into a folder, or without one out of it: what they may before and after. Whoever may move it is told." },
	{ HTTP_DELETE, "/v1/resources/{id}", DO(resource_delete), CAP_USE, CHANGE,
	  NO_BODY, NO_QUERY, 0, NULL,
	  "Removes a resource with its accounts: it goes to the bin, and its history stays in the log." },
	{ HTTP_GET, "/v1/offers", DO(offer_list), CAP_USE, READ,
	  NO_BODY, QUERY(offer_list), 0, "Offers",
	  "Lists what waits for the caller's answer: resources whose owners offer them (ownership), and what is shared with them by themselves and is not accepted. Of an offer there is no level." },
	{ HTTP_GET, "/v1/resources/{id}/offer", DO(offer_get), CAP_USE, READ,
	  NO_BODY, NO_QUERY, 0, "OfferMade",
	  "Says to whom a resource is offered. Its owner alone is told." },
	{ HTTP_POST, "/v1/resources/{id}/offer", DO(offer_make), CAP_USE, CHANGE,
	  BODY(offer), NO_QUERY, SMALL, NULL,
	  "Offers a resource to another owner, by name or id; instead of whom it was offered to before. Its owner alone can." },
	{ HTTP_DELETE, "/v1/resources/{id}/offer", DO(offer_end), CAP_USE, CHANGE,
	  NO_BODY, NO_QUERY, 0, NULL,
	  "Withdraws an offer, or declines one that was made to the caller." },
	{ HTTP_POST, "/v1/resources/{id}/offer/accept", DO(offer_accept), CAP_USE, CHANGE,
	  NO_BODY, NO_QUERY, 0, NULL,
	  "Accepts a resource that is offered to the caller, who owns it then." },
	{ HTTP_GET, "/v1/resources/{id}/accounts", DO(resource_accounts), CAP_USE, READ,
	  NO_BODY, QUERY(resource_accounts), 0, "Accounts",
	  "Lists the accounts of a resource." },
	{ 0 },
};

const struct shape replies_resource[] = {
	REPLY(Resources, LIST(resources, Resource), FIELD(next, ID, NIL)),
	REPLY(Resource,
		FIELD(id, ID), FIELD(name, TEXT), FIELD(suffix, TEXT, NIL), FIELD(type, TEXT),
		FIELD(address, TEXT), FIELD(url, TEXT), FIELD(description, TEXT), ONE(owner, Named),
		ONE(folder, Placed, NIL), FIELD(level, TEXT, NIL), FIELD(waits, BOOL), LIST(accounts, ResourceAccount),
		FIELD(accounts_next, ID, NIL)),
	REPLY(Placed, FIELD(id, ID), FIELD(path, TEXT)),
	REPLY(Offers, LIST(offers, Offer), FIELD(next, ID, NIL)),
	REPLY(Offer, FIELD(kind, TEXT), FIELD(ownership, BOOL), ONE(folder, Suffixed, NIL), ONE(resource, Suffixed, NIL),
		ONE(account, SuffixedAccount, NIL), FIELD(level, TEXT, NIL), FIELD(until, TIME, NIL), ONE(from, Named, NIL)),
	REPLY(OfferMade, ONE(to, Named, NIL)),
	REPLY(ResourceAccount,
		FIELD(id, ID), FIELD(login, TEXT), FIELD(suffix, TEXT, NIL), FIELD(description, TEXT),
		FIELD(version, INT), FIELD(conflict, BOOL), FIELD(level, TEXT), FIELD(waits, BOOL)),
	REPLY(Accounts, LIST(accounts, ResourceAccount), FIELD(next, ID, NIL)),
	{ 0 },
};
/* clang-format on */
