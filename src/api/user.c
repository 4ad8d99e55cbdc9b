/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/user.h"

#include "api/noun.h"

/* clang-format off */
#define USER_LIST_QUERY(X, query) \
	X(query, q, TEXT, .hi = MAX_QUERY) \
	PAGE_QUERY(X, query, POLICY_PAGE)
DEFINE_QUERY(user_list, USER_LIST_QUERY)

#define USER_NEW_BODY(X, body) \
	X(body, name, TEXT, JREQUIRED, MAX_NAME) \
	X(body, role, TEXT, 0, MAX_TYPE)
DEFINE_BODY(user_new, USER_NEW_BODY)

#define USER_CHANGE_BODY(X, body) \
	X(body, name, TEXT, 0, MAX_NAME) \
	X(body, role, TEXT, 0, MAX_TYPE) \
	X(body, disabled, BOOL, 0, 0) \
	X(body, reset_password, BOOL, 0, 0) \
	X(body, remove_totp, BOOL, 0, 0)
DEFINE_BODY(user_change, USER_CHANGE_BODY)

#define LEAVE_BODY(X, body) \
	X(body, to, TEXT, JREQUIRED, MAX_NAME)
DEFINE_BODY(leave, LEAVE_BODY)

#define PASSWORD_BODY(X, body) \
	X(body, old, TEXT, JREQUIRED, SESSION_PASSWORD_MAX) \
	X(body, new, TEXT, JREQUIRED, SESSION_PASSWORD_MAX) \
	X(body, code, TEXT, 0, MAX_CODE)
DEFINE_BODY(password, PASSWORD_BODY)

#define TOTP_BODY(X, body) \
	X(body, password, TEXT, JREQUIRED, SESSION_PASSWORD_MAX) \
	X(body, pending, TEXT, 0, MAX_PENDING) \
	X(body, code, TEXT, 0, MAX_CODE)
DEFINE_BODY(totp, TOTP_BODY)

#define TOTP_REMOVE_BODY(X, body) \
	X(body, password, TEXT, JREQUIRED, SESSION_PASSWORD_MAX) \
	X(body, code, TEXT, 0, MAX_CODE)
DEFINE_BODY(totp_remove, TOTP_REMOVE_BODY)

#define ADMIN_CONFLICT_LIST_QUERY(X, query) \
	PAGE_QUERY(X, query, POLICY_PAGE_MAX)
DEFINE_QUERY(admin_conflict_list, ADMIN_CONFLICT_LIST_QUERY)
/* clang-format on */

static int
on_user_list(struct api_call *c, struct err *e)
{
	const struct query_user_list *q = c->query;
	const char *text = q->q ? policy_nfc(c->rq->arena, q->q) : NULL;
	return user_list(&c->call, text, &PAGE_OF(q), &c->w, e);
}

static int
on_user_new(struct api_call *c, struct err *e)
{
	const struct body_user_new *b = c->body;
	return user_create(&c->call, b->name, b->role, &c->w, e);
}

static int
on_user_me(struct api_call *c, struct err *e)
{
	return user_get(&c->call, &c->call.who.user, &c->w, e);
}

static int
on_user_get(struct api_call *c, struct err *e)
{
	return user_get(&c->call, call_id(c), &c->w, e);
}

static int
on_user_change(struct api_call *c, struct err *e)
{
	const struct body_user_change *b = c->body;
	const struct user_change ch = {
		.name = b->name,
		.role = b->role,
		.set_disabled = BODY_HAS(c->seen, user_change, disabled),
		.disabled = b->disabled,
		.reset_password = b->reset_password,
		.remove_totp = b->remove_totp,
	};
	return user_change(&c->call, call_id(c), &ch, &c->w, e);
}

static int
on_user_sessions_end(struct api_call *c, struct err *e)
{
	return user_end_sessions(&c->call, call_id(c), e);
}

static int
on_user_leave(struct api_call *c, struct err *e)
{
	const struct body_leave *b = c->body;
	return user_leave(&c->call, call_id(c), b->to, &c->w, e);
}

static int
on_user_release(struct api_call *c, struct err *e)
{
	return user_release(&c->call, call_id(c), &c->w, e);
}

static int
on_own_sessions_end(struct api_call *c, struct err *e)
{
	return user_end_sessions(&c->call, &c->call.who.user, e);
}

static int
on_user_password(struct api_call *c, struct err *e)
{
	const struct body_password *b = c->body;
	return user_set_password(&c->call, b->old, b->code, b->new, e);
}

static int
on_user_totp(struct api_call *c, struct err *e)
{
	const struct body_totp *b = c->body;
	if (!b->pending && !b->code)
		return user_totp_begin(&c->call, b->password, &c->w, e);
	if (!b->pending || !b->code)
		return err_set(e, ERR_BAD_FIELD, "pending and code belong together");
	int rc = user_totp_confirm(&c->call, b->password, b->pending, b->code, e);
	if (rc)
		return rc;
	json_out_object(&c->w, NULL);
	json_out_bool(&c->w, "totp", true);
	json_out_end_object(&c->w);
	return 0;
}

static int
on_user_totp_remove(struct api_call *c, struct err *e)
{
	const struct body_totp_remove *b = c->body;
	return user_totp_remove(&c->call, b->password, b->code, e);
}

static int
on_admin_conflict_list(struct api_call *c, struct err *e)
{
	const struct query_admin_conflict_list *q = c->query;
	return user_admin_conflicts(&c->call, &PAGE_OF(q), &c->w, e);
}

static int
on_admin_acknowledge(struct api_call *c, struct err *e)
{
	return user_acknowledge(&c->call, call_id(c), e);
}

/* clang-format off */
const struct route routes_user[] = {
	{ HTTP_GET, "/v1/users", DO(user_list), CAP_USERS, READ,
	  NO_BODY, QUERY(user_list), 0, "Users",
	  "Lists users." },
	{ HTTP_POST, "/v1/users", DO(user_new), CAP_USERS, CHANGE | ROUTE_CREATES,
	  BODY(user_new), NO_QUERY, SMALL, "UserWithToken",
	  "Creates a user; the answer has the one-time set-up token." },
	{ HTTP_GET, "/v1/users/me", DO(user_me), 0, READ,
	  NO_BODY, NO_QUERY, 0, "User",
	  "Says what the vault knows of the caller." },
	{ HTTP_GET, "/v1/users/{id}", DO(user_get), CAP_USERS, READ,
	  NO_BODY, NO_QUERY, 0, "User",
	  "Says what the vault knows of a user." },
	{ HTTP_PATCH, "/v1/users/{id}", DO(user_change), CAP_USERS, CHANGE | ROUTE_EMERGENCY_CHANGE,
	  BODY(user_change), NO_QUERY, SMALL, "UserWithToken",
	  "Changes name or role, disables or enables, resets the password (a new set-up token) or the second factor, which ends all sessions of the user; the caller's own factor is removed by the caller's route alone. In emergency a user can be disabled." },
	{ HTTP_POST, "/v1/users/me/sessions/end", DO(own_sessions_end), CAP_SELF, CHANGE | ROUTE_EMERGENCY_CHANGE,
	  NO_BODY, NO_QUERY, 0, NULL,
	  "Ends all other sessions of the caller, on every node. In emergency too." },
	{ HTTP_POST, "/v1/users/{id}/sessions/end", DO(user_sessions_end), CAP_USERS, CHANGE | ROUTE_EMERGENCY_CHANGE,
	  NO_BODY, NO_QUERY, 0, NULL,
	  "Ends all sessions of a user, on every node; of the caller's all but this one. In emergency too." },
	{ HTTP_POST, "/v1/users/{id}/leave", DO(user_leave), CAP_USERS, CHANGE,
	  BODY(leave), NO_QUERY, SMALL, "Left",
	  "Disables a user and makes another one (to: name or id) the owner of what they own, 10,000 resources at most at once: more says that the request is to be repeated. All administrators, and that other one, are told at their next log-in." },
	{ HTTP_POST, "/v1/users/{id}/release", DO(user_release), CAP_USERS, CHANGE,
	  NO_BODY, NO_QUERY, 0, "Released",
	  "Lets a user retrieve again whose retrievals are held because they were unusually many (retrieval_hold); the count begins anew. released: false if they were not held. Nobody releases themselves." },
	{ HTTP_POST, "/v1/users/me/password", DO(user_password), CAP_SELF, CHANGE,
	  BODY(password), NO_QUERY, SMALL, NULL,
	  "Changes the caller's own password (10 characters or more; composed or not, it is the same), with the old one and, if there is a second factor, its code; the other sessions end. Wrong ones count as failed log-ins." },
	{ HTTP_POST, "/v1/users/me/totp", DO(user_totp), CAP_SELF, CHANGE,
	  BODY(totp), NO_QUERY, SMALL, "TotpBegun|TotpStored",
	  "With the caller's password alone: makes a second factor's secret. With pending and code too: stores it; the other sessions end. A wrong password counts as a failed log-in." },
	{ HTTP_DELETE, "/v1/users/me/totp", DO(user_totp_remove), CAP_SELF, CHANGE,
	  BODY(totp_remove), NO_QUERY, SMALL, NULL,
	  "Removes the caller's second factor, with their password and its code; the other sessions end. Wrong ones count as failed log-ins." },
	{ HTTP_GET, "/v1/conflicts/administration", DO(admin_conflict_list), CAP_USERS, READ,
	  NO_BODY, QUERY(admin_conflict_list), 0, "AdminConflicts",
	  "Lists what was changed on two nodes apart from each other, and which of it counts: the safer." },
	{ HTTP_POST, "/v1/conflicts/administration/{id}/acknowledge", DO(admin_acknowledge), CAP_USERS, CHANGE,
	  NO_BODY, NO_QUERY, 0, NULL,
	  "Says that such a conflict was seen; it stays in the list, and in the log." },
	{ 0 },
};

const struct shape replies_user[] = {
	REPLY(Users, LIST(users, User), FIELD(next, ID, NIL)),
	REPLY(User,
		FIELD(id, ID), FIELD(name, TEXT), FIELD(suffix, TEXT, NIL), FIELD(role, TEXT),
		FIELD(disabled, BOOL), FIELD(held, BOOL), FIELD(totp, BOOL), FIELD(password_set, BOOL), FIELD(created, TIME),
		FIELD(owns, INT)),
	REPLY(UserWithToken,
		ONE(user, User), FIELD(setup_token, TEXT, MAYBE), FIELD(setup_until, TIME, MAYBE)),
	REPLY(Left, FIELD(moved, INT), FIELD(more, BOOL)),
	REPLY(Released, FIELD(released, BOOL)),
	REPLY(TotpBegun, FIELD(secret, TEXT), FIELD(uri, TEXT), FIELD(pending, TEXT)),
	REPLY(TotpStored, FIELD(totp, BOOL)),
	REPLY(AdminConflicts, LIST(conflicts, AdminConflict)),
	REPLY(AdminConflict,
		FIELD(id, ID), FIELD(what, TEXT), FIELD(at, TIME), ONE(node, Named),
		ONE(user, Named, NIL), ONE(target, Named, NIL), FIELD(kept, TEXT), FIELD(lost, TEXT),
		ONE(acknowledged, Acknowledged, NIL)),
	REPLY(Acknowledged, FIELD(at, TIME), FIELD(by, TEXT, NIL)),
	{ 0 },
};
/* clang-format on */
