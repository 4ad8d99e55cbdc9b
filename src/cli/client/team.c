/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast team …, holdfast member …: administrators say which teams there are and who is in them.
 */
#include "base/json_out.h"
#include "cli/frame/cli.h"
#include "cli/frame/lookup.h"
#include "cli/frame/paging.h"
#include "cli/frame/term.h"

/* ---- lists ---- */

static void
add_team(struct term_table *t, const json_t *x)
{
	auto_buf name = BUF_INIT;
	char members[24];

	lookup_add_name(&name, x, "name");
	snprintf(members, sizeof(members), "%lld",
		 (long long)json_integer_value(json_object_get(x, "members")));
	term_table_row(t, buf_str(&name), members,
		       json_is_true(json_object_get(x, "mine")) ? "yes" : "no",
		       lookup_text(x, "created"));
}

static const struct paging teams = { .array = "teams",
				     .cursor = "after",
				     .none = "no teams",
				     .row = add_team,
				     .columns = 4,
				     .head = { "TEAM", "MEMBERS", "YOU ARE IN IT", "MADE" } };

static int
run_list(const struct cli *c, struct err *e)
{
	auto_remote r = NULL;
	int rc = paging_open(c, &teams, &r, e);

	return rc ? rc : paging_print(c, r, &teams, "/v1/teams", e);
}

static void
add_member(struct term_table *t, const json_t *x)
{
	auto_buf name = BUF_INIT;

	lookup_add_name(&name, json_object_get(x, "user"), "name");
	term_table_row(t, buf_str(&name), lookup_text(x, "since"),
		       json_is_true(json_object_get(x, "disabled")) ? "disabled" : "");
}

static const struct paging members = { .array = "members",
				       .cursor = "after",
				       .none = "nobody is in this team",
				       .row = add_member,
				       .columns = 3,
				       .head = { "USER", "SINCE", "" } };

static int
run_members(const struct cli *c, struct err *e)
{
	auto_buf path = BUF_INIT;
	auto_remote r = NULL;
	char id[37];
	int rc = paging_open(c, &members, &r, e);

	if (rc == 0)
		rc = lookup_team(r, c->args[0], id, e);
	if (rc < 0)
		return rc;
	buf_addf(&path, "/v1/teams/%s/members", id);
	return paging_print(c, r, &members, buf_str(&path), e);
}

/* ---- changes ---- */

/* Sends {field: value}, or nothing (field NULL), to a team, or (NULL) to the list of them; what follows its id: more. The answer is in *ret. */
static int
send_change(const char *method, const char *team, const char *more, const char *field,
	    const char *value, json_t **ret, struct err *e)
{
	auto_buf path = BUF_INIT, body = BUF_INIT;
	auto_remote r = NULL;
	struct json_out w;
	char id[37] = "";
	int rc = remote_open(&r, e);

	if (rc == 0 && team)
		rc = lookup_team(r, team, id, e);
	if (rc < 0)
		return rc;
	buf_addf(&path, "/v1/teams%s%s%s", team ? "/" : "", id, more);
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	if (field)
		json_out_text(&w, field, value);
	json_out_end_object(&w);
	return remote_call(r, REMOTE_WRITE, method, buf_str(&path), field ? buf_str(&body) : NULL,
			   ret, e);
}

static int
say_team(const struct cli *c, const json_t *team, const char *before, const char *after)
{
	auto_buf name = BUF_INIT;

	if (term_said_json(c->json, team))
		return CLI_GOOD;
	lookup_add_name(&name, team, "name");
	fputs(before, stdout);
	term_print_text(buf_str(&name));
	puts(after);
	return CLI_GOOD;
}

static int
run_add(const struct cli *c, struct err *e)
{
	auto_json o = NULL;
	int rc = send_change("POST", NULL, "", "name", c->args[0], &o, e);

	return rc ? rc : say_team(c, o, "team ", " was made; nobody is in it yet");
}

static int
run_rename(const struct cli *c, struct err *e)
{
	auto_json o = NULL;
	int rc = send_change("PATCH", c->args[0], "", "name", c->args[1], &o, e);

	return rc ? rc : say_team(c, o, "the team is called ", " now");
}

static int
run_remove(const struct cli *c, struct err *e)
{
	int rc = send_change("DELETE", c->args[0], "", NULL, NULL, NULL, e);

	if (rc < 0)
		return rc;
	puts(c->json ? "{}" : "the team was removed");
	return CLI_GOOD;
}

static int
run_member_add(const struct cli *c, struct err *e)
{
	auto_json o = NULL;
	int rc = send_change("POST", c->args[0], "/members", "user", c->args[1], &o, e);

	return rc ? rc : say_team(c, o, "the user is in ", " now");
}

static int
run_member_remove(const struct cli *c, struct err *e)
{
	auto_buf more = BUF_INIT;

	buf_adds(&more, "/members/");
	lookup_escape(&more, c->args[1]);
	int rc = send_change("DELETE", c->args[0], buf_str(&more), NULL, NULL, NULL, e);
	if (rc < 0)
		return rc;
	puts(c->json ? "{}" : "the user is not in this team any more");
	return CLI_GOOD;
}

static const struct cli_opt teams_opts[] = {
	PAGING_OPT_MOST("teams"),
	{ 0 },
};
static const struct cli_opt members_opts[] = {
	PAGING_OPT_MOST("users"),
	{ 0 },
};

const struct cli_verb verbs_team[] = {
	{
		.name = "team list",
		.opts = teams_opts,
		.run = run_list,
		.help = "Lists the teams that you are in; for administrators all.",
		.part = CLI_USERS,
	},
	{
		.name = "team add",
		.args = "TEAM",
		.min_args = 1,
		.max_args = 1,
		.run = run_add,
		.help = "Makes a team.",
		.more = "Share with it as with a user: `holdfast share RESOURCE/LOGIN TEAM`. A "
			"team and a "
			"user cannot have one name.",
		.part = CLI_USERS,
	},
	{
		.name = "team rename",
		.args = "TEAM NEW-NAME",
		.min_args = 2,
		.max_args = 2,
		.run = run_rename,
		.help = "Gives a team another name.",
		.part = CLI_USERS,
	},
	{
		.name = "team remove",
		.args = "TEAM",
		.min_args = 1,
		.max_args = 1,
		.run = run_remove,
		.help = "Removes a team for good; in emergency too.",
		.more = "What was shared with it is not shared with its members any more; what is "
			"shared with them by themselves still is.",
		.part = CLI_USERS,
	},
	{
		.name = "member list",
		.args = "TEAM",
		.min_args = 1,
		.max_args = 1,
		.opts = members_opts,
		.run = run_members,
		.help = "Lists who is in a team.",
		.part = CLI_USERS,
	},
	{
		.name = "member add",
		.args = "TEAM USER",
		.min_args = 2,
		.max_args = 2,
		.run = run_member_add,
		.help = "Puts a user into a team.",
		.more = "They may do at once what is shared with the team.",
		.part = CLI_USERS,
	},
	{
		.name = "member remove",
		.args = "TEAM USER",
		.min_args = 2,
		.max_args = 2,
		.run = run_member_remove,
		.help = "Takes a user out of a team; in emergency too.",
		.part = CLI_USERS,
	},
	{ 0 },
};
