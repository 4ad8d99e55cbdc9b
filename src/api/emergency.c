/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/emergency.h"

#include "api/noun.h"

/* clang-format off */
#define EMERGENCY_POLICY_BODY(X, body) \
	X(body, state, TEXT, JREQUIRED, MAX_TYPE) \
	X(body, resource, TEXT, 0, MAX_NAME)
DEFINE_BODY(emergency_policy, EMERGENCY_POLICY_BODY)

#define CHANGE_LIST_QUERY(X, query) \
	PAGE_QUERY(X, query, POLICY_PAGE)
DEFINE_QUERY(change_list, CHANGE_LIST_QUERY)

#define DECISION_BODY(X, body) \
	X(body, approve, BOOL, JREQUIRED, 0)
DEFINE_BODY(decision, DECISION_BODY)
/* clang-format on */

static int
on_policy(struct api_call *c, struct err *e)
{
	return emergency_policy(&c->call, &c->w, e);
}

static int
on_emergency_policy(struct api_call *c, struct err *e)
{
	const struct body_emergency_policy *b = c->body;
	return emergency_policy_set(&c->call, b->state, b->resource, &c->w, e);
}

static int
on_change_list(struct api_call *c, struct err *e)
{
	const struct query_change_list *q = c->query;
	return emergency_changes(&c->call, &PAGE_OF(q), &c->w, e);
}

static int
on_change_decide(struct api_call *c, struct err *e)
{
	const struct body_decision *b = c->body;
	return emergency_decide(&c->call, call_id(c), b->approve, &c->w, e);
}

/* clang-format off */
const struct route routes_emergency[] = {
	{ HTTP_GET, "/v1/policy", DO(policy), CAP_EMERGENCY, READ,
	  NO_BODY, NO_QUERY, 0, "Policy",
	  "Says where new versions may be stored in emergency." },
	{ HTTP_PUT, "/v1/policy/emergency-changes", DO(emergency_policy), CAP_EMERGENCY, CHANGE,
	  BODY(emergency_policy), NO_QUERY, SMALL, "Policy",
	  "Allows new versions in emergency (state on, off), everywhere or for a resource by its name (also inherit: as everywhere)." },
	{ HTTP_GET, "/v1/changes", DO(change_list), CAP_USE, READ,
	  NO_BODY, QUERY(change_list), 0, "Changes",
	  "Lists changes made in emergency by someone no longer entitled, which wait for the caller's word." },
	{ HTTP_POST, "/v1/changes/{id}", DO(change_decide), CAP_USE, CHANGE,
	  BODY(decision), NO_QUERY, SMALL, "Change",
	  "Approves or declines such a change (id: of the version); for administrators and whoever may manage the account." },
	{ 0 },
};

const struct shape replies_emergency[] = {
	REPLY(Policy, ONE(emergency_changes, EmergencyChanges)),
	REPLY(EmergencyChanges, FIELD(everywhere, TEXT), LIST(resources, EmergencyChangesOf)),
	REPLY(EmergencyChangesOf, ONE(resource, Named), FIELD(state, TEXT), FIELD(since, TIME)),
	REPLY(Changes, LIST(changes, ChangeRow), FIELD(next, ID, NIL)),
	REPLY(ChangeRow,
		FIELD(id, ID), FIELD(version, INT), ONE(author, Named, NIL),
		FIELD(created, TIME), ONE(node, Named, NIL), ONE(account, SuffixedAccount),
		ONE(resource, Suffixed)),
	REPLY(Change,
		FIELD(id, ID), FIELD(version, INT), FIELD(approval, TEXT), FIELD(conflict, BOOL)),
	{ 0 },
};
/* clang-format on */
