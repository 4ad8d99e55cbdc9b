/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/reference.h"

#include "api/noun.h"

/* clang-format off */
#define LOOKUP_QUERY(X, query) \
	X(query, reference, TEXT, .hi = MAX_QUERY) \
	X(query, resource, TEXT, .hi = MAX_QUERY) \
	X(query, login, TEXT, .hi = MAX_QUERY)
DEFINE_QUERY(lookup, LOOKUP_QUERY)
/* clang-format on */

static int
on_lookup(struct api_call *c, struct err *e)
{
	const struct query_lookup *q = c->query;

	if (!q->reference == !q->resource || (q->login && !q->resource))
		return err_set(e, ERR_BAD_FIELD,
			       "say either reference, or resource, and login if it is an account");
	if (q->reference)
		return reference_read(&c->call, q->reference, &c->w, e);
	return reference_read_words(&c->call, q->resource, q->login, &c->w, e);
}

/* clang-format off */
const struct route routes_reference[] = {
	{ HTTP_GET, "/v1/lookup", DO(lookup), CAP_USE, READ,
	  NO_BODY, QUERY(lookup), 0, "Lookup",
	  "Tells what a reference means: every account that the caller sees and that reads so (RESOURCE/LOGIN, at any slash), and the resource of exactly that name; or of a resource and a login as two words. A name may have a suffix behind it, as lists show it, where several hold the name, and a resource the path of its folder before it, or how that ends." },
	{ 0 },
};

const struct shape replies_reference[] = {
	REPLY(Lookup, LIST(accounts, FoundAccount), LIST(resources, FoundResource)),
	REPLY(FoundAccount,
		FIELD(id, ID), FIELD(login, TEXT), FIELD(version, INT), FIELD(conflict, BOOL),
		FIELD(level, TEXT), FIELD(suffix, TEXT, NIL), ONE(resource, OwnedResource)),
	REPLY(OwnedResource, FIELD(id, ID), FIELD(name, TEXT), FIELD(suffix, TEXT, NIL), ONE(owner, Named), FIELD(path, TEXT, NIL)),
	REPLY(FoundResource,
		FIELD(id, ID), FIELD(name, TEXT), FIELD(level, TEXT, NIL), FIELD(suffix, TEXT, NIL), ONE(owner, Named), FIELD(path, TEXT, NIL),
		LIST(accounts, FoundResourceAccount), FIELD(more, BOOL)),
	REPLY(FoundResourceAccount,
		FIELD(id, ID), FIELD(login, TEXT), FIELD(version, INT), FIELD(conflict, BOOL),
		FIELD(level, TEXT), FIELD(suffix, TEXT, NIL)),
	{ 0 },
};
/* clang-format on */
