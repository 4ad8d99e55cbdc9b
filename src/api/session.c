/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/session.h"

#include "api/noun.h"
#include "base/log.h"
#include "base/secret.h"
#include "vault/notice.h"
#include "vault/user.h"

/* clang-format off */
#define LOGIN_BODY(X, body) \
	X(body, name, TEXT, JREQUIRED, MAX_NAME) \
	X(body, password, TEXT, JREQUIRED, SESSION_PASSWORD_MAX) \
	X(body, code, TEXT, 0, MAX_CODE)
DEFINE_BODY(login, LOGIN_BODY)

#define SESSION_QUERY(X, query) \
	X(query, standby, WORD, .words = "forward")
DEFINE_QUERY(session, SESSION_QUERY)

#define SETUP_BODY(X, body) \
	X(body, name, TEXT, JREQUIRED, MAX_NAME) \
	X(body, setup_token, TEXT, JREQUIRED, MAX_TOKEN) \
	X(body, password, TEXT, JREQUIRED, SESSION_PASSWORD_MAX)
DEFINE_BODY(setup, SETUP_BODY)
/* clang-format on */

#define COOKIE "__Host-holdfast=%s; Path=/; Secure; HttpOnly; SameSite=Strict"

static const char *
mode(const struct api_call *c)
{
	return c->serves == SERVES_EVERYONE ? "primary" : "emergency";
}

/* shared: others have the name too, as far as is known. */
static void
write_user(struct api_call *c, bool shared)
{
	const struct who *who = &c->call.who;
	json_out_object(&c->w, "user");
	json_out_uuid(&c->w, "id", &who->user);
	json_out_text(&c->w, "name", who->name);
	if (shared)
		policy_write_suffix(&c->w, &who->user, true);
	json_out_text(&c->w, "role", policy_role_name(who->role));
	json_out_array(&c->w, "may");
	policy_write_capabilities(&c->w, who->role);
	json_out_end_array(&c->w);
	json_out_end_object(&c->w);
}

/* An administrator is told that something needs their decision; a secondary does not know. */
static void
write_waiting(struct api_call *c)
{
	struct ledger_stats l;
	ledger_stats(c->call.v->ledger, &l);
	if (c->serves == SERVES_EVERYONE && policy_may(&c->call, CAP_USERS) &&
	    l.admin_unacknowledged)
		json_out_int(&c->w, "administration_conflicts", l.admin_unacknowledged);
}

/* What both kinds of reply end with: clients keep the nodes to turn to another one by themselves.
 */
static int
write_place(struct api_call *c, bool shared, struct err *e)
{
	write_user(c, shared);
	json_out_text(&c->w, "node", call_node_name(c));
	json_out_text(&c->w, "mode", mode(c));
	write_waiting(c);
	json_out_text(&c->w, "authority", call_authority(c));
	int rc = user_write_nodes(&c->call, &c->w, "nodes", false, e);
	json_out_end_object(&c->w);
	return rc;
}

/* Whoever may log in does, also where the log cannot be read: the node's own log says so then. */
static void
write_notices(struct api_call *c, const struct session_begun *s)
{
	struct err why = { 0 };

	if (notice_write(&c->call, s, &c->w, &why))
		log_warning("what %s is told at the log-in cannot be read: %s", s->name, why.text);
}

static int
answer_begun(struct api_call *c, struct session_begun *s, struct err *e)
{
	request_header(c->rq, "Set-Cookie", arena_printf(c->rq->arena, COOKIE, s->token));
	json_out_object(&c->w, NULL);
	json_out_text(&c->w, "token", s->token);
	json_out_uuid(&c->w, "session", &s->session);
	json_out_time(&c->w, "expires", s->expires_us);
	write_notices(c, s);
	bool shared = s->shared;
	secret_wipe(s, sizeof(*s));
	return write_place(c, shared, e);
}

static int
on_login(struct api_call *c, struct err *e)
{
	const struct body_login *b = c->body;
	struct session_begun s;
	int rc = session_login(&c->call, b->name, b->password, b->code, &s, e);
	return rc ? rc : answer_begun(c, &s, e);
}

static int
on_setup(struct api_call *c, struct err *e)
{
	const struct body_setup *b = c->body;
	struct session_begun s;
	int rc = user_setup(&c->call, b->name, b->setup_token, b->password, &s, e);
	return rc ? rc : answer_begun(c, &s, e);
}

static int
on_whoami(struct api_call *c, struct err *e)
{
	json_out_object(&c->w, NULL);
	json_out_uuid(&c->w, "session", &c->call.who.session);
	return write_place(c, false, e);
}

static int
on_logout(struct api_call *c, struct err *e)
{
	int rc = session_end(&c->call, e);
	if (rc == 0)
		request_header(c->rq, "Set-Cookie",
			       arena_printf(c->rq->arena, COOKIE "; Max-Age=0", ""));
	return rc;
}

/* clang-format off */
const struct route routes_session[] = {
	{ HTTP_POST, "/v1/session", DO(login), 0, ROUTE_PUBLIC | READ | ROUTE_EVENT,
	  BODY(login), QUERY(session), SMALL, "Login",
	  "Logs in; of several who have the name, the one whose password it is, and the answer has the suffix by which they log in from now on. The answer names the nodes of the pair and has the certificate of the vault's authority (PEM), by which clients trust all of them. notices: what was done since the last log-in about the user (password_reset, password_changed, factor_set, factor_removed, recovered, created, renamed, role_changed, disabled, enabled, sessions_ended, handed_over), and for administrators whose password was reset or factor removed by somebody else, who was created as an administrator or made one, which administrator put themselves into a team (joined), who retrieved unusually much (retrievals_unusual), and to whom was handed over what a user who left owned (handed_over); 20 at most, what lets somebody in first. With standby=forward a standby has the primary do it." },
	{ HTTP_GET, "/v1/session", DO(whoami), 0, READ,
	  NO_BODY, QUERY(session), 0, "Session",
	  "Says who is logged in." },
	{ HTTP_DELETE, "/v1/session", DO(logout), 0, READ | ROUTE_EVENT,
	  NO_BODY, QUERY(session), 0, NULL,
	  "Logs out." },
	{ HTTP_POST, "/v1/setup", DO(setup), 0, ROUTE_PUBLIC | CHANGE,
	  BODY(setup), NO_QUERY, SMALL, "Login",
	  "Sets the first password of a user with the one-time set-up token, and logs in. A password of 10 characters or more; composed or not (NFC, NFD) it is the same." },
	{ 0 },
};

const struct shape replies_session[] = {
	REPLY(Login,
		FIELD(token, TEXT), FIELD(session, ID), FIELD(expires, TIME),
		ONE(last_login, LastLogin, MAYBE_NIL), LIST(notices, Notice, MAYBE), FIELD(more_notices, BOOL, MAYBE), FIELD(offers, INT, MAYBE),
		ONE(user, SessionUser), FIELD(node, TEXT), FIELD(mode, TEXT),
		FIELD(administration_conflicts, INT, MAYBE), FIELD(authority, TEXT, NIL),
		LIST(nodes, SessionNode)),
	REPLY(LastLogin, FIELD(at, TIME), FIELD(address, TEXT), ONE(node, Named, NIL)),
	REPLY(Notice,
		FIELD(what, TEXT), FIELD(value, TEXT, NIL), FIELD(at, TIME), ONE(user, Named, NIL),
		ONE(by, Named, NIL), FIELD(address, TEXT), ONE(node, Named, NIL)),
	REPLY(Session,
		FIELD(session, ID), ONE(user, SessionUser), FIELD(node, TEXT), FIELD(mode, TEXT),
		FIELD(administration_conflicts, INT, MAYBE), FIELD(authority, TEXT, NIL),
		LIST(nodes, SessionNode)),
	REPLY(SessionUser,
		FIELD(id, ID), FIELD(name, TEXT), FIELD(suffix, TEXT, MAYBE), FIELD(role, TEXT),
		FIELD(may, TEXTS)),
	REPLY(SessionNode,
		FIELD(id, ID), FIELD(name, TEXT), FIELD(https_port, INT),
		FIELD(web_cert, TEXT, NIL), FIELD(primary, BOOL)),
	{ 0 },
};
/* clang-format on */
