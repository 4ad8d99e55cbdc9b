/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/share.h"

#include "api/noun.h"

/* clang-format off */
#define SHARES_QUERY(X, query) \
	PAGE_QUERY(X, query, POLICY_PAGE_MAX)
DEFINE_QUERY(shares, SHARES_QUERY)

#define SHARE_BODY(X, body) \
	X(body, user, TEXT, JREQUIRED, MAX_NAME) \
	X(body, level, TEXT, JREQUIRED, MAX_TYPE) \
	X(body, until, TEXT, 0, MAX_TYPE)
DEFINE_BODY(share, SHARE_BODY)
/* clang-format on */

static int
list(struct api_call *c, enum share_on on, struct err *e)
{
	const struct query_shares *q = c->query;
	return share_list(&c->call, on, call_id(c), &PAGE_OF(q), &c->w, e);
}

static int
grant(struct api_call *c, enum share_on on, struct err *e)
{
	const struct body_share *b = c->body;
	return share_grant(&c->call, on, call_id(c), b->user, b->level, b->until, &c->w, e);
}

static int
withdraw(struct api_call *c, enum share_on on, struct err *e)
{
	return share_withdraw(&c->call, on, call_id(c), c->match.params[1].text, e);
}

static int
accept_share(struct api_call *c, enum share_on on, struct err *e)
{
	return share_accept(&c->call, on, call_id(c), e);
}

#define SEEN_QUERY(X, query)                                                                       \
	X(query, through, WORD, .words = SHARE_THROUGH)                                            \
	PAGE_QUERY(X, query, POLICY_PAGE)
DEFINE_QUERY(seen, SEEN_QUERY)

#define WHY_QUERY(X, query) X(query, user, TEXT, .hi = MAX_NAME)
DEFINE_QUERY(why, WHY_QUERY)

/* Of nobody in particular: of the caller. */
static int
why(struct api_call *c, enum share_on on, struct err *e)
{
	const struct query_why *q = c->query;
	char self[UUID_STR_LEN];
	uuid_str(&c->call.who.user, self);
	return share_why(&c->call, on, call_id(c), q->user ? q->user : self, &c->w, e);
}

static int
on_resource_why(struct api_call *c, struct err *e)
{
	return why(c, SHARE_RESOURCE, e);
}

static int
on_account_why(struct api_call *c, struct err *e)
{
	return why(c, SHARE_ACCOUNT, e);
}

static int
on_resource_shares(struct api_call *c, struct err *e)
{
	return list(c, SHARE_RESOURCE, e);
}

static int
on_resource_share(struct api_call *c, struct err *e)
{
	return grant(c, SHARE_RESOURCE, e);
}

static int
on_resource_unshare(struct api_call *c, struct err *e)
{
	return withdraw(c, SHARE_RESOURCE, e);
}

static int
on_folder_why(struct api_call *c, struct err *e)
{
	return why(c, SHARE_FOLDER, e);
}

static int
on_folder_shares(struct api_call *c, struct err *e)
{
	return list(c, SHARE_FOLDER, e);
}

static int
on_folder_share(struct api_call *c, struct err *e)
{
	return grant(c, SHARE_FOLDER, e);
}

static int
on_folder_unshare(struct api_call *c, struct err *e)
{
	return withdraw(c, SHARE_FOLDER, e);
}

static int
on_account_shares(struct api_call *c, struct err *e)
{
	return list(c, SHARE_ACCOUNT, e);
}

static int
on_account_share(struct api_call *c, struct err *e)
{
	return grant(c, SHARE_ACCOUNT, e);
}

static int
on_account_unshare(struct api_call *c, struct err *e)
{
	return withdraw(c, SHARE_ACCOUNT, e);
}

static int
on_resource_share_accept(struct api_call *c, struct err *e)
{
	return accept_share(c, SHARE_RESOURCE, e);
}

static int
on_account_share_accept(struct api_call *c, struct err *e)
{
	return accept_share(c, SHARE_ACCOUNT, e);
}

static int
on_folder_share_accept(struct api_call *c, struct err *e)
{
	return accept_share(c, SHARE_FOLDER, e);
}

static int
on_seen(struct api_call *c, struct err *e)
{
	const struct query_seen *q = c->query;
	return share_seen(&c->call, q->through, &PAGE_OF(q), &c->w, e);
}

/* clang-format off */
const struct route routes_share[] = {
	{ HTTP_GET, "/v1/resources/{id}/shares", DO(resource_shares), CAP_USE, READ,
	  NO_BODY, QUERY(shares), 0, "Shares",
	  "Lists with whom a resource is shared, and until when. What has ended gives nothing." },
	{ HTTP_POST, "/v1/resources/{id}/shares", DO(resource_share), CAP_USE, CHANGE,
	  BODY(share), NO_QUERY, SMALL, "Share",
	  "Shares a resource with a user or a team, by name or id; until a time, or without one for good. It replaces what they had on it. A user looks it up by name once they accept it (waits)." },
	{ HTTP_DELETE, "/v1/resources/{id}/shares/{user}", DO(resource_unshare), CAP_USE, CHANGE | ROUTE_EMERGENCY_CHANGE,
	  NO_BODY, NO_QUERY, 0, NULL,
	  "Withdraws a share of a resource: whoever may manage it, and everybody their own. In emergency too." },
	{ HTTP_POST, "/v1/resources/{id}/shares/accept", DO(resource_share_accept), CAP_USE, CHANGE,
	  NO_BODY, NO_QUERY, 0, NULL,
	  "Accepts a resource that is shared with the caller by themselves: it takes part in look-ups by name then. Once more changes nothing." },
	{ HTTP_GET, "/v1/accounts/{id}/shares", DO(account_shares), CAP_USE, READ,
	  NO_BODY, QUERY(shares), 0, "Shares",
	  "Lists with whom an account is shared, and until when. What has ended gives nothing." },
	{ HTTP_POST, "/v1/accounts/{id}/shares", DO(account_share), CAP_USE, CHANGE,
	  BODY(share), NO_QUERY, SMALL, "Share",
	  "Shares an account with a user or a team, by name or id; until a time, or without one for good. It replaces what they had on it. A user looks it up by name once they accept it (waits)." },
	{ HTTP_DELETE, "/v1/accounts/{id}/shares/{user}", DO(account_unshare), CAP_USE, CHANGE | ROUTE_EMERGENCY_CHANGE,
	  NO_BODY, NO_QUERY, 0, NULL,
	  "Withdraws a share of an account: whoever may manage it, and everybody their own. In emergency too." },
	{ HTTP_POST, "/v1/accounts/{id}/shares/accept", DO(account_share_accept), CAP_USE, CHANGE,
	  NO_BODY, NO_QUERY, 0, NULL,
	  "Accepts an account that is shared with the caller by themselves: it takes part in look-ups by name then. Once more changes nothing." },
	{ HTTP_GET, "/v1/folders/{id}/shares", DO(folder_shares), CAP_USE, READ,
	  NO_BODY, QUERY(shares), 0, "Shares",
	  "Lists with whom a folder is shared, and until when. What has ended gives nothing." },
	{ HTTP_POST, "/v1/folders/{id}/shares", DO(folder_share), CAP_USE, CHANGE,
	  BODY(share), NO_QUERY, SMALL, "Share",
	  "Shares a folder, with all that stands below it, with a user or a team, by name or id; until a time, or without one for good. It replaces what they had on it. A user looks it up by name once they accept it (waits)." },
	{ HTTP_DELETE, "/v1/folders/{id}/shares/{user}", DO(folder_unshare), CAP_USE, CHANGE | ROUTE_EMERGENCY_CHANGE,
	  NO_BODY, NO_QUERY, 0, NULL,
	  "Withdraws a share of a folder: whoever may manage it, and everybody their own. In emergency too." },
	{ HTTP_POST, "/v1/folders/{id}/shares/accept", DO(folder_share_accept), CAP_USE, CHANGE,
	  NO_BODY, NO_QUERY, 0, NULL,
	  "Accepts a folder that is shared with the caller by themselves: it takes part in look-ups by name then. Once more changes nothing." },
	{ HTTP_GET, "/v1/folders/{id}/why", DO(folder_why), CAP_USE, READ,
	  NO_BODY, QUERY(why), 0, "Why",
	  "Says what a user (by name or id; without one the caller) may do with a folder, and through what. Of others only whoever may manage it is told." },
	{ HTTP_GET, "/v1/resources/{id}/why", DO(resource_why), CAP_USE, READ,
	  NO_BODY, QUERY(why), 0, "Why",
	  "Says what a user (by name or id; without one the caller) may do with a resource, and through what. Of others only whoever may manage it is told." },
	{ HTTP_GET, "/v1/accounts/{id}/why", DO(account_why), CAP_USE, READ,
	  NO_BODY, QUERY(why), 0, "Why",
	  "Says what a user (by name or id; without one the caller) may do with an account, and through what. Of others only whoever may manage it is told." },
	{ HTTP_GET, "/v1/seen", DO(seen), CAP_USE, READ,
	  NO_BODY, QUERY(seen), 0, "Seen",
	  "Lists what the caller may see, folders, resources, and accounts that are shared by themselves, and through what: at most ten ways to each. through: only what they own, "
	  "what is shared with them or with a team of theirs, or what stands in a folder that they see." },
	{ 0 },
};

const struct shape replies_share[] = {
	REPLY(Shares, LIST(shares, ShareRow), FIELD(next, ID, NIL)),
	REPLY(ShareRow, ONE(user, Suffixed), FIELD(team, BOOL), FIELD(level, TEXT), FIELD(granted, TIME),
		FIELD(until, TIME, NIL), FIELD(ended, BOOL), FIELD(waits, BOOL)),
	REPLY(Why, ONE(user, Named), LIST(through, Way), FIELD(level, TEXT, NIL)),
	REPLY(Way, FIELD(on, TEXT), FIELD(level, TEXT), ONE(team, Suffixed, NIL), FIELD(folder, TEXT, NIL), FIELD(granted, TIME, NIL),
		FIELD(until, TIME, NIL), FIELD(waits, BOOL)),
	REPLY(Seen, LIST(seen, SeenRow), FIELD(next, ID, NIL)),
	REPLY(SeenRow, FIELD(kind, TEXT), ONE(folder, Suffixed, NIL), ONE(resource, Suffixed, NIL), ONE(account, SuffixedAccount, NIL),
		FIELD(path, TEXT, NIL), LIST(through, Way), FIELD(level, TEXT)),
	REPLY(Share, ONE(user, Named), FIELD(team, BOOL), FIELD(level, TEXT), FIELD(until, TIME, NIL), FIELD(waits, BOOL)),
	{ 0 },
};
/* clang-format on */
