/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/session.h"

#include "api/bodies.h"
#include "api/handlers.h"
#include "base/secret.h"
#include "vault/user.h"

#define COOKIE "__Host-holdfast=%s; Path=/; Secure; HttpOnly; SameSite=Strict"

static const char *
mode(const struct api_call *c)
{
	return c->serves == SERVES_EVERYONE ? "primary" : "emergency";
}

static void
write_user(struct api_call *c)
{
	const struct who *who = &c->call.who;
	json_out_object(&c->w, "user");
	json_out_uuid(&c->w, "id", &who->user);
	json_out_text(&c->w, "name", who->name);
	json_out_text(&c->w, "role", who->administrator ? "administrator" : "user");
	json_out_end_object(&c->w);
}

/* An administrator is told that something waits for his word; a secondary does not know. */
static void
write_waiting(struct api_call *c)
{
	struct ledger_stats l;
	ledger_stats(c->call.v->ledger, &l);
	if (c->serves == SERVES_EVERYONE && c->call.who.administrator && l.admin_unacknowledged)
		json_out_int(&c->w, "administration_conflicts", l.admin_unacknowledged);
}

/* What both kinds of reply end with: clients keep the nodes to turn to another one by themselves.
 */
static int
write_place(struct api_call *c, struct err *e)
{
	write_user(c);
	json_out_text(&c->w, "node", call_node_name(c));
	json_out_text(&c->w, "mode", mode(c));
	write_waiting(c);
	int rc = user_write_nodes(&c->call, &c->w, "nodes", false, e);
	json_out_end_object(&c->w);
	return rc;
}

static int
answer_begun(struct api_call *c, struct session_begun *s, struct err *e)
{
	request_header(c->rq, "Set-Cookie", arena_printf(c->rq->arena, COOKIE, s->token));
	json_out_object(&c->w, NULL);
	json_out_text(&c->w, "token", s->token);
	json_out_uuid(&c->w, "session", &s->session);
	json_out_time(&c->w, "expires", s->expires_us);
	secret_wipe(s, sizeof(*s));
	return write_place(c, e);
}

int
on_login(struct api_call *c, struct err *e)
{
	const struct body_login *b = c->body;
	struct session_begun s;
	int rc = session_login(&c->call, b->name, b->password, b->code, &s, e);
	return rc ? rc : answer_begun(c, &s, e);
}

int
on_setup(struct api_call *c, struct err *e)
{
	const struct body_setup *b = c->body;
	struct session_begun s;
	int rc = user_setup(&c->call, b->name, b->setup_token, b->password, &s, e);
	return rc ? rc : answer_begun(c, &s, e);
}

int
on_whoami(struct api_call *c, struct err *e)
{
	json_out_object(&c->w, NULL);
	json_out_uuid(&c->w, "session", &c->call.who.session);
	return write_place(c, e);
}

int
on_logout(struct api_call *c, struct err *e)
{
	int rc = session_end(&c->call, e);
	if (rc == 0)
		request_header(c->rq, "Set-Cookie",
			       arena_printf(c->rq->arena, COOKIE "; Max-Age=0", ""));
	return rc;
}
