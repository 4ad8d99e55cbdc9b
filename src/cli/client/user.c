/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast user …: administrators manage users; users manage their own password and second factor.
 */
#include <string.h>
#include <unistd.h>
#include "base/json_out.h"
#include "cli/frame/cli.h"
#include "cli/frame/lookup.h"
#include "cli/frame/paging.h"
#include "cli/frame/qr.h"
#include "cli/frame/term.h"

#define SECRET_MAX 1024
#define CODE_MAX 16

/* The one-time token is for the new user's ears alone: it is printed once and kept nowhere. */
static void
print_token(const struct cli *c, json_t *o)
{
	const char *token = lookup_text(o, "setup_token");
	if (term_said_json(c->json, o))
		return;
	json_t *user = json_object_get(o, "user");
	printf("user ");
	term_print_text(lookup_text(user, "name"));
	term_print_text(lookup_text(user, "suffix"));
	printf(" is %s%s\n", lookup_text(user, "role"),
	       json_is_true(json_object_get(user, "disabled")) ? ", disabled" : "");
	if (*token) {
		auto_buf name = BUF_INIT;
		term_quote(&name, lookup_text(json_object_get(o, "user"), "name"));
		printf("one-time set-up token (until %s; shown only now): %s\nfirst login: "
		       "holdfast login HOST %s --setup\n",
		       lookup_text(o, "setup_until"), token, buf_str(&name));
	}
}

static int
run_add(const struct cli *c, struct err *e)
{
	auto_buf body = BUF_INIT;
	auto_remote r = NULL;
	auto_json o = NULL;
	struct json_out w;
	const char *role = cli_get(c, "role");
	if (role && cli_has(c, "administrator"))
		return err_set(e, ERR_USAGE, "--role and --administrator: only one of the two");
	role = role ? role : cli_has(c, "administrator") ? "administrator" : "user";
	int rc = remote_open(&r, e);
	if (rc < 0)
		return rc;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_text(&w, "name", c->args[0]);
	json_out_text(&w, "role", role);
	json_out_end_object(&w);
	rc = remote_call(r, REMOTE_WRITE, "POST", "/v1/users", buf_str(&body), &o, e);
	if (rc < 0)
		return rc;
	print_token(c, o);
	return CLI_GOOD;
}

static void
add_user(struct term_table *t, const json_t *u)
{
	auto_buf name = BUF_INIT;
	char owns[24];

	lookup_add_name(&name, u, "name");
	snprintf(owns, sizeof(owns), "%lld",
		 (long long)json_integer_value(json_object_get(u, "owns")));
	term_table_row(t, buf_str(&name), lookup_text(u, "role"),
		       json_is_true(json_object_get(u, "totp")) ? "yes" : "no", owns,
		       json_is_true(json_object_get(u, "disabled")) ? "disabled"
		       : json_is_true(json_object_get(u, "held"))   ? "held"
								    : "");
}

static const struct paging list = { .array = "users",
				    .cursor = "after",
				    .row = add_user,
				    .columns = 5,
				    .head = { "USER", "ROLE", "SECOND FACTOR", "OWNS", "" } };

static int
run_list(const struct cli *c, struct err *e)
{
	auto_remote r = NULL;
	int rc = paging_open(c, &list, &r, e);

	return rc ? rc : paging_print(c, r, &list, "/v1/users", e);
}

/* What `holdfast user VERB NAME` sends, by the verb's last word. */
static const struct {
	const char *verb, *body;
} changes[] = {
	{ "user disable", "{\"disabled\":true}" },
	{ "user enable", "{\"disabled\":false}" },
	{ "user promote", "{\"role\":\"administrator\"}" },
	{ "user demote", "{\"role\":\"user\"}" },
	{ "user reset", "{\"reset_password\":true}" },
	{ "user totp-off", "{\"remove_totp\":true}" },
};

static int
run_change(const struct cli *c, struct err *e)
{
	auto_buf path = BUF_INIT;
	auto_remote r = NULL;
	auto_json o = NULL;
	char id[37];
	size_t i = 0;

	while (strcmp(changes[i].verb, c->verb->name) != 0)
		i++;
	int rc = remote_open(&r, e);
	if (rc == 0)
		rc = lookup_user(r, c->args[0], id, e);
	if (rc < 0)
		return rc;
	buf_addf(&path, "/v1/users/%s", id);
	rc = remote_call(r, REMOTE_WRITE, "PATCH", buf_str(&path), changes[i].body, &o, e);
	if (rc < 0)
		return rc;
	print_token(c, o);
	return CLI_GOOD;
}

/* What `holdfast user VERB NAME TEXT` sets, by the verb's last word. */
static const struct {
	const char *verb, *field;
} texts[] = {
	{ "user rename", "name" },
	{ "user role", "role" },
};

static int
run_text(const struct cli *c, struct err *e)
{
	auto_buf path = BUF_INIT, body = BUF_INIT;
	auto_remote r = NULL;
	auto_json o = NULL;
	struct json_out w;
	char id[37];
	size_t i = 0;

	while (strcmp(texts[i].verb, c->verb->name) != 0)
		i++;
	int rc = remote_open(&r, e);
	if (rc == 0)
		rc = lookup_user(r, c->args[0], id, e);
	if (rc < 0)
		return rc;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_text(&w, texts[i].field, c->args[1]);
	json_out_end_object(&w);
	buf_addf(&path, "/v1/users/%s", id);
	rc = remote_call(r, REMOTE_WRITE, "PATCH", buf_str(&path), buf_str(&body), &o, e);
	if (rc < 0)
		return rc;
	print_token(c, o);
	return CLI_GOOD;
}

static int
run_end_sessions(const struct cli *c, struct err *e)
{
	auto_buf path = BUF_INIT;
	auto_remote r = NULL;
	char id[37];

	int rc = remote_open(&r, e);
	if (rc == 0)
		rc = lookup_user(r, c->args[0], id, e);
	if (rc < 0)
		return rc;
	buf_addf(&path, "/v1/users/%s/sessions/end", id);
	rc = remote_call(r, REMOTE_WRITE, "POST", buf_str(&path), NULL, NULL, e);
	if (rc < 0)
		return rc;
	if (c->json)
		printf("{}\n");
	else
		printf("all sessions of this user have ended\n");
	return CLI_GOOD;
}

static int
check_leave(const struct cli *c, struct err *e)
{
	auto_buf question = BUF_INIT;

	if (!cli_get(c, "to"))
		return err_set(e, ERR_USAGE, "--to NAME says who gets what they own");
	if (cli_has(c, "yes"))
		return 0;
	if (!isatty(STDIN_FILENO))
		return err_set(e, ERR_USAGE,
			       "there is no terminal to ask on whether to do this; nothing was "
			       "done. To do it without a question: --yes");
	buf_addf(&question, "Disable %s and make %s the owner of all that they own?", c->args[0],
		 cli_get(c, "to"));
	return term_confirm(buf_str(&question), e);
}

/* Until nothing is left: each request moves as much as one may. */
static int
run_leave(const struct cli *c, struct err *e)
{
	auto_buf path = BUF_INIT, body = BUF_INIT;
	auto_remote r = NULL;
	struct json_out w;
	int64_t moved = 0;
	bool more = true;
	char id[37];
	int rc = check_leave(c, e);

	if (rc == 0)
		rc = remote_open(&r, e);
	if (rc == 0)
		rc = lookup_user(r, c->args[0], id, e);
	if (rc < 0)
		return rc;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_text(&w, "to", cli_get(c, "to"));
	json_out_end_object(&w);
	buf_addf(&path, "/v1/users/%s/leave", id);
	while (more) {
		auto_json o = NULL;

		rc = remote_call(r, REMOTE_WRITE, "POST", buf_str(&path), buf_str(&body), &o, e);
		if (rc < 0)
			return rc;
		moved += json_integer_value(json_object_get(o, "moved"));
		more = json_is_true(json_object_get(o, "more"));
		if (more)
			fprintf(stderr, "%lld resources so far\n", (long long)moved);
	}
	if (c->json) {
		printf("{\"moved\":%lld}\n", (long long)moved);
		return CLI_GOOD;
	}
	printf("disabled; %lld resource%s handed over\n", (long long)moved, moved == 1 ? "" : "s");
	printf("what they retrieved: holdfast audit list --user ");
	term_print_text(c->args[0]);
	puts(" --kind retrieved");
	return CLI_GOOD;
}

static int
run_release(const struct cli *c, struct err *e)
{
	auto_buf path = BUF_INIT;
	auto_remote r = NULL;
	auto_json o = NULL;
	char id[37];

	int rc = remote_open(&r, e);
	if (rc == 0)
		rc = lookup_user(r, c->args[0], id, e);
	if (rc < 0)
		return rc;
	buf_addf(&path, "/v1/users/%s/release", id);
	rc = remote_call(r, REMOTE_WRITE, "POST", buf_str(&path), NULL, &o, e);
	if (rc < 0)
		return rc;
	if (!term_said_json(c->json, o))
		printf(json_is_true(json_object_get(o, "released"))
			       ? "this user may retrieve passwords again\n"
			       : "this user was not held\n");
	return CLI_GOOD;
}

/* Whoever has a second factor shows its code too. */
static int
read_own_code(struct remote *r, struct buf *ret, struct err *e)
{
	auto_json me = NULL;
	int rc = remote_call(r, REMOTE_READ, "GET", "/v1/users/me", NULL, &me, e);
	if (rc < 0 || !json_is_true(json_object_get(me, "totp")))
		return rc;
	return term_read_secret("Code of the authenticator", false, CODE_MAX, ret, e);
}

static int
run_passwd(const struct cli *c, struct err *e)
{
	auto_buf old = BUF_INIT, new = BUF_INIT, code = BUF_INIT, body = BUF_INIT;
	auto_remote r = NULL;
	struct json_out w;
	int rc = remote_open(&r, e);
	if (rc == 0)
		rc = term_read_secret("Old password", false, SECRET_MAX, &old, e);
	if (rc == 0)
		rc = term_read_secret("New password", true, SECRET_MAX, &new, e);
	if (rc == 0)
		rc = read_own_code(r, &code, e);
	if (rc == 0)
		rc = term_no_more(code.len ? "the old password, the new one and a code"
					   : "the old password and the new one",
				  e);
	if (rc < 0)
		return rc;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_text(&w, "old", buf_str(&old));
	json_out_text(&w, "new", buf_str(&new));
	if (code.len)
		json_out_text(&w, "code", buf_str(&code));
	json_out_end_object(&w);
	rc = remote_call(r, REMOTE_WRITE, "POST", "/v1/users/me/password", buf_str(&body), NULL, e);
	if (rc < 0)
		return rc;
	printf(c->json ? "{}\n" : "the password was changed; other sessions of yours have ended\n");
	return CLI_GOOD;
}

/* What the authenticator needs; as an image when somebody can see it. */
static void
show_secret(const struct cli *c, json_t *o)
{
	if (c->json) {
		json_object_del(o, "pending");
		term_print_json(o);
	} else {
		printf("secret  %s\n%s\n", lookup_text(o, "secret"), lookup_text(o, "uri"));
		if (c->out_tty)
			qr_print(lookup_text(o, "uri"));
	}
	fflush(stdout);
}

/* A member that is empty is left out. */
static void
write_totp(struct buf *out, const struct buf *password, const char *pending, const struct buf *code)
{
	struct json_out w;

	buf_reset(out);
	json_out_init(&w, out);
	json_out_object(&w, NULL);
	json_out_text(&w, "password", buf_str(password));
	if (*pending)
		json_out_text(&w, "pending", pending);
	if (code->len)
		json_out_text(&w, "code", buf_str(code));
	json_out_end_object(&w);
}

static int
totp_on(const struct cli *c, struct remote *r, const struct buf *password, struct err *e)
{
	auto_buf code = BUF_INIT, body = BUF_INIT, pending = BUF_INIT;
	auto_json o = NULL;

	write_totp(&body, password, "", &code);
	int rc = remote_call(r, REMOTE_WRITE, "POST", "/v1/users/me/totp", buf_str(&body), &o, e);
	if (rc < 0)
		return rc;
	buf_adds(&pending, lookup_text(o, "pending"));
	show_secret(c, o);
	rc = term_read_secret("Code of the authenticator", false, CODE_MAX, &code, e);
	if (rc < 0)
		return rc;
	write_totp(&body, password, buf_str(&pending), &code);
	return remote_call(r, REMOTE_WRITE, "POST", "/v1/users/me/totp", buf_str(&body), NULL, e);
}

static int
totp_off(struct remote *r, const struct buf *password, struct err *e)
{
	auto_buf code = BUF_INIT, body = BUF_INIT;

	int rc = read_own_code(r, &code, e);
	if (rc < 0)
		return rc;
	write_totp(&body, password, "", &code);
	return remote_call(r, REMOTE_WRITE, "DELETE", "/v1/users/me/totp", buf_str(&body), NULL, e);
}

static int
run_totp(const struct cli *c, struct err *e)
{
	auto_buf password = BUF_INIT;
	auto_remote r = NULL;
	bool off = cli_has(c, "off");
	int rc = remote_open(&r, e);

	if (rc == 0)
		rc = term_read_secret("Password", false, SECRET_MAX, &password, e);
	if (rc == 0)
		rc = off ? totp_off(r, &password, e) : totp_on(c, r, &password, e);
	if (rc < 0)
		return rc;
	if (!c->json)
		printf("the second factor is %s; other sessions of yours have ended\n",
		       off ? "off" : "on");
	else if (off)
		printf("{}\n");
	return CLI_GOOD;
}

static const struct cli_opt totp_opts[] = {
	{
		.name = "off",
		.help = "Remove it; asks for your password and a code.",
	},
	{ 0 },
};
static const struct cli_opt list_opts[] = {
	PAGING_OPT_MOST("users"),
	{ 0 },
};
static const struct cli_opt add_opts[] = {
	{
		.name = "administrator",
		.help = "May manage users, read the audit log and the pair's status.",
	},
	{
		.name = "role",
		.value = "ROLE",
		.help = "auditor, user (without the option), password_administrator or "
			"administrator.",
	},
	{ 0 },
};

static const struct cli_opt leave_opts[] = {
	{ .name = "to", .value = "NAME", .help = "Who owns it then." },
	{ .name = "yes", .help = "Do not ask." },
	{ 0 },
};

const struct cli_verb verbs_user[] = {
	{
		.name = "user add",
		.args = "NAME",
		.min_args = 1,
		.max_args = 1,
		.opts = add_opts,
		.run = run_add,
		.help = "Makes a user and prints the one-time set-up token.",
		.part = CLI_USERS,
	},
	{
		.name = "user list",
		.opts = list_opts,
		.run = run_list,
		.help = "Lists the users.",
		.part = CLI_USERS,
	},
	{
		.name = "user disable",
		.args = "NAME",
		.min_args = 1,
		.max_args = 1,
		.run = run_change,
		.help = "Ends a user's sessions and forbids new ones; in emergency too.",
		.part = CLI_USERS,
	},
	{
		.name = "user logout",
		.args = "NAME",
		.min_args = 1,
		.max_args = 1,
		.run = run_end_sessions,
		.help = "Ends all sessions of a user, on every node; in emergency too.",
		.part = CLI_USERS,
	},
	{
		.name = "user leave",
		.args = "NAME",
		.min_args = 1,
		.max_args = 1,
		.opts = leave_opts,
		.run = run_leave,
		.help = "Disables a user who leaves and hands over what they own.",
		.more = "Asks first on a terminal; elsewhere it requires --yes. Whoever gets it, "
			"and "
			"all administrators, are told at their next log-in. It can be repeated "
			"when it was interrupted. Passwords that they knew are still the same: "
			"the last line says how to list them.",
		.example = "holdfast user leave carol --to bob",
		.part = CLI_USERS,
	},
	{
		.name = "user release",
		.args = "NAME",
		.min_args = 1,
		.max_args = 1,
		.run = run_release,
		.help = "Lets a user go on who retrieved unusually much.",
		.more = "Where retrieval_hold is set, whoever retrieves more than retrieval_alert "
			"allows gets no more passwords. Ask them first whether it was they: "
			"`holdfast audit list --kind retrievals_unusual` says when, and from "
			"where.",
		.part = CLI_USERS,
	},
	{
		.name = "user enable",
		.args = "NAME",
		.min_args = 1,
		.max_args = 1,
		.run = run_change,
		.help = "Allows a disabled user again.",
		.part = CLI_USERS,
	},
	{
		.name = "user promote",
		.args = "NAME",
		.min_args = 1,
		.max_args = 1,
		.run = run_change,
		.help = "Makes a user an administrator.",
		.part = CLI_USERS,
	},
	{
		.name = "user demote",
		.args = "NAME",
		.min_args = 1,
		.max_args = 1,
		.run = run_change,
		.help = "Makes an administrator a user.",
		.part = CLI_USERS,
	},
	{
		.name = "user role",
		.args = "NAME ROLE",
		.min_args = 2,
		.max_args = 2,
		.run = run_text,
		.help = "Gives a user a role: auditor, user, password_administrator or "
			"administrator.",
		.more = "An auditor reads the log and gets no password, whatever is shared with "
			"them. A password administrator also decides on changes that wait.",
		.part = CLI_USERS,
	},
	{
		.name = "user rename",
		.args = "NAME NEW-NAME",
		.min_args = 2,
		.max_args = 2,
		.run = run_text,
		.help = "Gives a user another name.",
		.more = "They log in by it from then on; where both sides of a cut made a user of "
			"one "
			"name, a list shows a suffix behind it, such as ~1a2b: write it too.",
		.part = CLI_USERS,
	},
	{
		.name = "user reset",
		.args = "NAME",
		.min_args = 1,
		.max_args = 1,
		.run = run_change,
		.help = "Gives a new one-time set-up token instead of the password.",
		.part = CLI_USERS,
	},
	{
		.name = "user totp-off",
		.args = "NAME",
		.min_args = 1,
		.max_args = 1,
		.run = run_change,
		.help = "Removes a user's second factor and ends their sessions; your own goes "
			"with "
			"`holdfast totp --off`.",
		.part = CLI_USERS,
	},
	{
		.name = "passwd",
		.run = run_passwd,
		.help = "Changes your own login password and ends your other sessions.",
		.more = "Asks for the old password, the new one and, if you have a second factor, "
			"its code. Wrong ones count as failed log-ins.",
		.part = CLI_SESSION,
	},
	{
		.name = "totp",
		.opts = totp_opts,
		.run = run_totp,
		.help = "Sets up a second factor (an authenticator's codes) for yourself and ends "
			"your other sessions.",
		.more = "Asks for your password first, then for a code. Wrong ones count as failed "
			"log-ins.",
		.part = CLI_SESSION,
	},
	{ 0 },
};
