/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/team.h"

#include "api/noun.h"

/* clang-format off */
#define TEAM_LIST_QUERY(X, query) \
	X(query, q, TEXT, .hi = MAX_QUERY) \
	PAGE_QUERY(X, query, POLICY_PAGE)
DEFINE_QUERY(team_list, TEAM_LIST_QUERY)

#define TEAM_MEMBERS_QUERY(X, query) \
	PAGE_QUERY(X, query, POLICY_PAGE_MAX)
DEFINE_QUERY(team_members, TEAM_MEMBERS_QUERY)

#define TEAM_BODY(X, body) \
	X(body, name, TEXT, JREQUIRED, MAX_NAME)
DEFINE_BODY(team, TEAM_BODY)

#define MEMBER_BODY(X, body) \
	X(body, user, TEXT, JREQUIRED, MAX_NAME)
DEFINE_BODY(member, MEMBER_BODY)
/* clang-format on */

static int
on_team_list(struct api_call *c, struct err *e)
{
	const struct query_team_list *q = c->query;
	const char *text = q->q ? policy_nfc(c->rq->arena, q->q) : NULL;
	return team_list(&c->call, text, &PAGE_OF(q), &c->w, e);
}

static int
on_team_new(struct api_call *c, struct err *e)
{
	const struct body_team *b = c->body;
	return team_create(&c->call, b->name, &c->w, e);
}

static int
on_team_get(struct api_call *c, struct err *e)
{
	return team_get(&c->call, call_id(c), &c->w, e);
}

static int
on_team_change(struct api_call *c, struct err *e)
{
	const struct body_team *b = c->body;
	return team_rename(&c->call, call_id(c), b->name, &c->w, e);
}

static int
on_team_remove(struct api_call *c, struct err *e)
{
	return team_remove(&c->call, call_id(c), e);
}

static int
on_team_members(struct api_call *c, struct err *e)
{
	const struct query_team_members *q = c->query;
	return team_members(&c->call, call_id(c), &PAGE_OF(q), &c->w, e);
}

static int
on_member_add(struct api_call *c, struct err *e)
{
	const struct body_member *b = c->body;
	return team_add(&c->call, call_id(c), b->user, &c->w, e);
}

static int
on_member_remove(struct api_call *c, struct err *e)
{
	return team_take_out(&c->call, call_id(c), c->match.params[1].text, e);
}

/* clang-format off */
const struct route routes_team[] = {
	{ HTTP_GET, "/v1/teams", DO(team_list), CAP_USE, READ,
	  NO_BODY, QUERY(team_list), 0, "Teams",
	  "Lists the teams that the caller is in; for administrators all." },
	{ HTTP_POST, "/v1/teams", DO(team_new), CAP_TEAMS, CHANGE | ROUTE_CREATES,
	  BODY(team), NO_QUERY, SMALL, "Team",
	  "Makes a team. Users and teams have different names." },
	{ HTTP_GET, "/v1/teams/{id}", DO(team_get), CAP_USE, READ,
	  NO_BODY, NO_QUERY, 0, "Team",
	  "Says what the vault knows of a team that the caller is in; for administrators of any." },
	{ HTTP_PATCH, "/v1/teams/{id}", DO(team_change), CAP_TEAMS, CHANGE,
	  BODY(team), NO_QUERY, SMALL, "Team",
	  "Renames a team." },
	{ HTTP_DELETE, "/v1/teams/{id}", DO(team_remove), CAP_TEAMS, CHANGE | ROUTE_EMERGENCY_CHANGE,
	  NO_BODY, NO_QUERY, 0, NULL,
	  "Removes a team for good: what was shared with it is not shared with its members any more. In emergency too." },
	{ HTTP_GET, "/v1/teams/{id}/members", DO(team_members), CAP_USE, READ,
	  NO_BODY, QUERY(team_members), 0, "Members",
	  "Lists who is in a team that the caller is in; for administrators in any." },
	{ HTTP_POST, "/v1/teams/{id}/members", DO(member_add), CAP_TEAMS, CHANGE,
	  BODY(member), NO_QUERY, SMALL, "Team",
	  "Puts a user into a team: what is shared with the team is shared with them." },
	{ HTTP_DELETE, "/v1/teams/{id}/members/{user}", DO(member_remove), CAP_TEAMS, CHANGE | ROUTE_EMERGENCY_CHANGE,
	  NO_BODY, NO_QUERY, 0, NULL,
	  "Takes a user out of a team. In emergency too." },
	{ 0 },
};

const struct shape replies_team[] = {
	REPLY(Teams, LIST(teams, Team), FIELD(next, ID, NIL)),
	REPLY(Team,
		FIELD(id, ID), FIELD(name, TEXT), FIELD(suffix, TEXT, NIL), FIELD(members, INT),
		FIELD(mine, BOOL), FIELD(created, TIME)),
	REPLY(Members, LIST(members, Member), FIELD(next, ID, NIL)),
	REPLY(Member, ONE(user, Suffixed), FIELD(disabled, BOOL), FIELD(since, TIME)),
	{ 0 },
};
/* clang-format on */
