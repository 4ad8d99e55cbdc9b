/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/account.h"
#include "vault/names.h"
#include "vault/resource.h"

#include "api/noun.h"

/* clang-format off */
#define ACCOUNT_BODY(X, body) \
	X(body, login, TEXT, JREQUIRED, MAX_NAME) \
	X(body, description, TEXT, JEMPTY, MAX_DESCRIPTION) \
	X(body, fields, MAP, 0, ACCOUNT_FIELDS_MAX)
DEFINE_BODY(account, ACCOUNT_BODY)

#define ACCOUNT_PLACED_BODY(X, body) \
	X(body, resource, TEXT, JREQUIRED, MAX_NAME) \
	X(body, type, TEXT, JEMPTY, MAX_TYPE) \
	X(body, address, TEXT, JEMPTY, MAX_ADDRESS) \
	X(body, url, TEXT, JEMPTY, MAX_URL) \
	X(body, description, TEXT, JEMPTY, MAX_DESCRIPTION) \
	X(body, folder, TEXT, JEMPTY, MAX_NAME) \
	X(body, login, TEXT, JREQUIRED, MAX_NAME) \
	X(body, fields, MAP, JREQUIRED, ACCOUNT_FIELDS_MAX)
DEFINE_BODY(account_placed, ACCOUNT_PLACED_BODY)

#define ACCOUNT_CHANGE_BODY(X, body) \
	X(body, login, TEXT, 0, MAX_NAME) \
	X(body, description, TEXT, JEMPTY, MAX_DESCRIPTION) \
	X(body, conflict, BOOL, 0, 0)
DEFINE_BODY(account_change, ACCOUNT_CHANGE_BODY)

#define COMBINE_BODY(X, body) \
	X(body, with, TEXT, JREQUIRED, UUID_STR_LEN)
DEFINE_BODY(combine, COMBINE_BODY)

#define RETRIEVE_BODY(X, body) \
	X(body, reason, TEXT, 0, MAX_REASON) \
	X(body, version, INT, JPOSITIVE, MAX_VERSION)
DEFINE_BODY(retrieve, RETRIEVE_BODY)

#define VERSION_LIST_QUERY(X, query) \
	PAGE_QUERY(X, query, POLICY_PAGE_MAX)
DEFINE_QUERY(version_list, VERSION_LIST_QUERY)

#define VERSION_BODY(X, body) \
	X(body, fields, MAP, JREQUIRED, ACCOUNT_FIELDS_MAX) \
	X(body, if_version, INT, 0, MAX_VERSION)
DEFINE_BODY(version, VERSION_BODY)

#define CONFLICT_LIST_QUERY(X, query) \
	PAGE_QUERY(X, query, POLICY_PAGE)
DEFINE_QUERY(conflict_list, CONFLICT_LIST_QUERY)

#define NAME_CONFLICT_LIST_QUERY(X, query) \
	PAGE_QUERY(X, query, POLICY_PAGE)
DEFINE_QUERY(name_conflict_list, NAME_CONFLICT_LIST_QUERY)

#define SETTLE_BODY(X, body) \
	X(body, version, INT, JPOSITIVE, MAX_VERSION) \
	X(body, fields, MAP, 0, ACCOUNT_FIELDS_MAX) \
	X(body, if_version, INT, 0, MAX_VERSION)
DEFINE_BODY(settle, SETTLE_BODY)
/* clang-format on */

static struct account_fields
take_fields(struct api_call *c, const struct jmap *m)
{
	struct account_field *f = arena_alloc(c->rq->arena, (m->n + 1) * sizeof(*f));
	for (size_t i = 0; i < m->n; i++)
		f[i] = (struct account_field){ m->entries[i].name, m->entries[i].value,
					       m->entries[i].value_len };
	return (struct account_fields){ m->n, f };
}

static int
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

static int
on_account_placed(struct api_call *c, struct err *e)
{
	const struct body_account_placed *b = c->body;
	const struct resource_texts t = { b->resource, b->type,	       b->address,
					  b->url,      b->description, b->folder };
	const struct account_fields fields = take_fields(c, &b->fields);
	struct uuid id;
	int rc = account_create_placed(&c->call, &t, b->login, &fields, &id, e);
	return rc ? rc : account_get(&c->call, &id, &c->w, e);
}

static int
on_account_get(struct api_call *c, struct err *e)
{
	return account_get(&c->call, call_id(c), &c->w, e);
}

static int
on_account_change(struct api_call *c, struct err *e)
{
	const struct body_account_change *b = c->body;
	bool settle = BODY_HAS(c->seen, account_change, conflict);
	if (settle && b->conflict)
		return err_set(e, ERR_BAD_FIELD, "conflict: only false can be said");
	int rc = account_change(&c->call, call_id(c), b->login, b->description, settle, e);
	return rc ? rc : account_get(&c->call, call_id(c), &c->w, e);
}

static int
on_conflict_list(struct api_call *c, struct err *e)
{
	const struct query_conflict_list *q = c->query;
	return account_conflicts(&c->call, &PAGE_OF(q), &c->w, e);
}

static int
on_name_conflict_list(struct api_call *c, struct err *e)
{
	const struct query_name_conflict_list *q = c->query;
	return names_conflicts(&c->call, &PAGE_OF(q), &c->w, e);
}

static int
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

static int
on_account_combine(struct api_call *c, struct err *e)
{
	const struct body_combine *b = c->body;
	struct uuid with;
	if (uuid_parse(b->with, &with) < 0)
		return err_set(e, ERR_BAD_FIELD, "with: the id of an account");
	int rc = account_combine(&c->call, call_id(c), &with, e);
	return rc ? rc : account_get(&c->call, call_id(c), &c->w, e);
}

static int
on_account_delete(struct api_call *c, struct err *e)
{
	return account_delete(&c->call, call_id(c), e);
}

static int
on_retrieve(struct api_call *c, struct err *e)
{
	const struct body_retrieve *b = c->body;
	int rc = account_retrieve(&c->call, call_id(c), b->reason, (int)b->version, &c->w, e);
	if (rc == 0)
		call_count_retrieval(c);
	return rc;
}

static int
on_version_list(struct api_call *c, struct err *e)
{
	const struct query_version_list *q = c->query;
	return account_versions(&c->call, call_id(c), &PAGE_OF(q), &c->w, e);
}

static int
on_version_new(struct api_call *c, struct err *e)
{
	const struct body_version *b = c->body;
	const struct account_fields fields = take_fields(c, &b->fields);
	return account_put(&c->call, call_id(c), &fields,
			   BODY_HAS(c->seen, version, if_version) ? b->if_version : -1, &c->w, e);
}

/* clang-format off */
const struct route routes_account[] = {
	{ HTTP_POST, "/v1/resources/{id}/accounts", DO(account_new), CAP_USE, CHANGE | ROUTE_CREATES,
	  BODY(account), NO_QUERY, FIELDS, "Account",
	  "Adds an account, with its first version if fields are given." },
	{ HTTP_POST, "/v1/accounts", DO(account_placed), CAP_USE, CHANGE | ROUTE_CREATES,
	  BODY(account_placed), NO_QUERY, FIELDS, "Account",
	  "Creates a resource, which the caller owns, and its first account with its first version: all of it, or nothing. Type, address, url and description are the resource's." },
	{ HTTP_GET, "/v1/accounts/{id}", DO(account_get), CAP_USE, READ,
	  NO_BODY, NO_QUERY, 0, "Account",
	  "Shows an account; no secrets." },
	{ HTTP_PATCH, "/v1/accounts/{id}", DO(account_change), CAP_USE, CHANGE,
	  BODY(account_change), NO_QUERY, SMALL, "Account",
	  "Changes an account; conflict false settles its conflict." },
	{ HTTP_POST, "/v1/accounts/{id}/combine", DO(account_combine), CAP_USE, CHANGE,
	  BODY(combine), NO_QUERY, SMALL, "Account",
	  "Takes over the versions of another account (with: its id), in conflict with its own, and removes that one: it goes to the bin." },
	{ HTTP_DELETE, "/v1/accounts/{id}", DO(account_delete), CAP_USE, CHANGE,
	  NO_BODY, NO_QUERY, 0, NULL,
	  "Removes an account: it goes to the bin, and its history stays in the log." },
	{ HTTP_POST, "/v1/accounts/{id}/retrieve", DO(retrieve), CAP_USE, READ | ROUTE_EVENT,
	  BODY(retrieve), NO_QUERY, SMALL, "Retrieved",
	  "Retrieves the secret fields; answered when the retrieval is durable in the log." },
	{ HTTP_GET, "/v1/accounts/{id}/versions", DO(version_list), CAP_USE, READ,
	  NO_BODY, QUERY(version_list), 0, "Versions",
	  "Lists the versions, the newest first: numbers, who, when, on which node; no secrets." },
	{ HTTP_POST, "/v1/accounts/{id}/versions", DO(version_new), CAP_USE, CHANGE | ROUTE_CREATES | ROUTE_EMERGENCY_CHANGE,
	  BODY(version), NO_QUERY, FIELDS, "Version",
	  "Stores a new version; with if_version only upon that one." },
	{ HTTP_GET, "/v1/conflicts", DO(conflict_list), CAP_USE, READ,
	  NO_BODY, QUERY(conflict_list), 0, "Conflicts",
	  "Lists the accounts in conflict that the caller may see." },
	{ HTTP_GET, "/v1/conflicts/names", DO(name_conflict_list), CAP_USE, READ,
	  NO_BODY, QUERY(name_conflict_list), 0, "NameConflicts",
	  "Lists the resources and accounts that the caller may see, and the users (to others than administrators, only oneself), whose name others hold too, because both sides of a cut made one; kind: resource, account or user." },
	{ HTTP_POST, "/v1/accounts/{id}/settle", DO(account_settle), CAP_USE, CHANGE,
	  BODY(settle), NO_QUERY, FIELDS, "Version",
	  "Settles a conflict by a version that is there (version) or by a new one (fields); all versions stay." },
	{ 0 },
};

const struct shape replies_account[] = {
	REPLY(Account,
		FIELD(id, ID), FIELD(login, TEXT), FIELD(suffix, TEXT, NIL), FIELD(description, TEXT),
		FIELD(version, INT), FIELD(conflict, BOOL), FIELD(level, TEXT),
		ONE(resource, AccountResource)),
	REPLY(AccountResource,
		FIELD(id, ID), FIELD(name, TEXT), FIELD(suffix, TEXT, NIL), FIELD(url, TEXT)),
	REPLY(Retrieved,
		FIELD(fields, MAP), FIELD(version, INT), FIELD(current, INT),
		FIELD(conflict, BOOL), ONE(resource, Named), ONE(account, NamedAccount),
		FIELD(created, TIME)),
	REPLY(Versions, LIST(versions, VersionRow), FIELD(next, ID, NIL)),
	REPLY(VersionRow,
		FIELD(id, ID), FIELD(n, INT), FIELD(based_on, INT), ONE(author, Named, NIL),
		FIELD(created, TIME), FIELD(current, BOOL), ONE(node, Named, NIL),
		FIELD(conflict, BOOL), FIELD(approval, TEXT, NIL)),
	REPLY(Version, FIELD(id, ID), FIELD(version, INT)),
	REPLY(Conflicts, LIST(conflicts, ConflictRow), FIELD(next, ID, NIL)),
	REPLY(ConflictRow,
		FIELD(id, ID), FIELD(login, TEXT), FIELD(suffix, TEXT, NIL), FIELD(version, INT),
		ONE(resource, Suffixed), FIELD(level, TEXT), FIELD(open, INT), FIELD(latest, TIME)),
	REPLY(NameConflicts, LIST(names, NameConflict), FIELD(next, ID, NIL)),
	REPLY(NameConflict,
		FIELD(id, ID), FIELD(kind, TEXT), FIELD(suffix, TEXT), ONE(user, Suffixed, NIL), ONE(team, Suffixed, NIL), ONE(folder, Suffixed, NIL),
		ONE(resource, Suffixed, NIL),
		FIELD(login, TEXT, NIL), FIELD(level, TEXT, NIL), FIELD(others, INT),
		FIELD(created, TIME), ONE(node, Named, NIL), ONE(author, Named, NIL)),
	{ 0 },
};
/* clang-format on */
