/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/reference.h"

#include "api/handlers.h"

int
on_lookup(struct api_call *c, struct err *e)
{
	const char *reference = request_query(c->rq, "reference");
	const char *resource = request_query(c->rq, "resource");
	const char *login = request_query(c->rq, "login");

	if (!reference == !resource || (login && !resource))
		return err_set(e, ERR_BAD_FIELD,
			       "say either reference, or resource, and login if it is an account");
	if (reference)
		return reference_read(&c->call, reference, &c->w, e);
	return reference_read_words(&c->call, resource, login, &c->w, e);
}
