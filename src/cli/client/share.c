/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast share, unshare, shares, why: who else may use a folder, a resource or an account.
 */
#include <string.h>
#include "base/clock.h"
#include "base/json_out.h"
#include "base/when.h"
#include "cli/frame/cli.h"
#include "cli/frame/lookup.h"
#include "cli/frame/paging.h"
#include "cli/frame/term.h"

/* The line of a share: what is shared, "/v1/accounts/ID/shares", with whom and how far. */
struct line {
	struct lookup_thing what;
	struct buf path;
	const char *user, *level;
};

static void
line_done(struct line *l)
{
	lookup_thing_done(&l->what);
	buf_done(&l->path);
}

static bool
is_level(const char *word)
{
	static const char *const levels[] = { "view", "modify", "manage" };

	for (size_t i = 0; i < ARRAY_LEN(levels); i++)
		if (strcmp(levels[i], word) == 0)
			return true;
	return false;
}

/* What is named alone, with an option that says so; without one it is an account. */
static bool
is_alone(const struct cli *c)
{
	return cli_has(c, "resource") || cli_has(c, "folder");
}

/* By the words that name it. *ret_noun: as the API calls it. */
static int
read_what(const struct cli *c, struct remote *r, struct lookup_words w, enum lookup_use use,
	  struct lookup_thing *ret, const char **ret_noun, struct err *e)
{
	bool folder = cli_has(c, "folder");

	if (folder && cli_has(c, "resource"))
		return err_set(e, ERR_USAGE, "--folder and --resource: only one of the two");
	if (is_alone(c) && w.login)
		return err_set(e, ERR_USAGE, "'%s' is too much: with --%s a %s is named alone",
			       w.login, folder ? "folder" : "resource",
			       folder ? "folder" : "resource");
	*ret_noun = folder ? "folders" : is_alone(c) ? "resources" : "accounts";
	if (!is_alone(c))
		return lookup_account(r, w, use, ret, e);
	return folder ? lookup_folder(r, w.first, ret, e) : lookup_resource(r, w.first, ret, e);
}

/* `rest` arguments follow those that name it. */
static int
read_line(const struct cli *c, struct remote *r, int rest, enum lookup_use use, struct line *ret,
	  struct err *e)
{
	const char *noun;
	int rc = read_what(c, r, lookup_words(c, rest), use, &ret->what, &noun, e);

	if (rc == 0)
		buf_addf(&ret->path, "/v1/%s/%s/shares", noun, ret->what.id);
	return rc;
}

/* ret "": the share has no end. */
static int
read_end(const struct cli *c, char ret[static CLOCK_ISO_LEN], struct err *e)
{
	const char *text = cli_get(c, "until");
	int64_t us;

	*ret = '\0';
	if (!text)
		return 0;
	if (when_end(text, clock_now_us(), &us))
		return err_set(e, ERR_USAGE,
			       "--until takes a day or a time that is to come, such as 2027-01-31 "
			       "(all of that day), \"2027-01-31 14:00\" (UTC, or with an offset as "
			       "in +01:00), or how long from now, such as 12h or 30d, not '%s'",
			       text);
	clock_iso(us, ret);
	return 0;
}

/* "2027-01-31T14:00 UTC"; "" for none. */
static void
add_end(struct buf *ret, const json_t *o, const char *before)
{
	const char *until = lookup_text(o, "until");

	if (*until)
		buf_addf(ret, "%s%.16s UTC", before, until);
}

static int
run_share(const struct cli *c, struct err *e)
{
	FREE_WITH(line_done) struct line l = { 0 };
	auto_buf body = BUF_INIT, name = BUF_INIT;
	auto_remote r = NULL;
	auto_json o = NULL;
	struct json_out w;
	/* Of three words the last is the level, if it is one. */
	bool two = c->nargs == 2 || (c->nargs == 3 && !is_alone(c) && !is_level(c->args[2]));
	int rest = two ? 1 : 2;
	char until[CLOCK_ISO_LEN];
	int rc = read_end(c, until, e);
	if (rc == 0)
		rc = remote_open(&r, e);
	if (rc == 0)
		rc = read_line(c, r, rest, LOOKUP_WRITE, &l, e);
	if (rc == ERR_NOT_FOUND && two && c->nargs == 3) {
		struct err why = *e;
		rc = err_set(e, rc,
			     "%s; or is \"%s\" meant as a level? That is view, modify or manage",
			     why.text, c->args[2]);
	}
	if (rc < 0)
		return rc;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_text(&w, "user", c->args[c->nargs - rest]);
	json_out_text(&w, "level", two ? "view" : c->args[c->nargs - 1]);
	if (*until)
		json_out_text(&w, "until", until);
	json_out_end_object(&w);
	rc = remote_call(r, REMOTE_WRITE, "POST", buf_str(&l.path), buf_str(&body), &o, e);
	if (rc < 0)
		return rc;
	if (term_said_json(c->json, o))
		return CLI_GOOD;
	buf_addf(&name, "%s may now %s ", lookup_text(json_object_get(o, "user"), "name"),
		 lookup_text(o, "level"));
	lookup_show(&name, &l.what);
	add_end(&name, o, " until ");
	if (json_is_true(json_object_get(o, "waits")))
		buf_adds(&name, ", by name once they accept it");
	term_print_text(buf_str(&name));
	putchar('\n');
	return CLI_GOOD;
}

static int
run_unshare(const struct cli *c, struct err *e)
{
	FREE_WITH(line_done) struct line l = { 0 };
	auto_remote r = NULL;
	int rc = remote_open(&r, e);
	if (rc == 0)
		rc = read_line(c, r, 1, LOOKUP_WRITE, &l, e);
	if (rc < 0)
		return rc;
	buf_addc(&l.path, '/');
	lookup_escape(&l.path, c->args[c->nargs - 1]);
	rc = remote_call(r, REMOTE_WRITE, "DELETE", buf_str(&l.path), NULL, NULL, e);
	if (rc < 0)
		return rc;
	printf(c->json ? "{}\n" : "no longer shared\n");
	return CLI_GOOD;
}

static void
add_share(struct term_table *t, const json_t *s)
{
	auto_buf name = BUF_INIT, until = BUF_INIT;

	lookup_add_name(&name, json_object_get(s, "user"), "name");
	buf_adds(&name, json_is_true(json_object_get(s, "team")) ? " (team)" : "");
	add_end(&until, s, "");
	buf_adds(&until, json_is_true(json_object_get(s, "ended")) ? " (ended)" : "");
	buf_adds(&name, json_is_true(json_object_get(s, "waits")) ? " (not accepted)" : "");
	term_table_row(t, buf_str(&name), lookup_text(s, "level"), lookup_text(s, "granted"),
		       buf_str(&until));
}

static const struct paging list = { .array = "shares",
				    .cursor = "after",
				    .whole = "shares",
				    .row = add_share,
				    .columns = 4,
				    .head = { "WHO", "MAY", "SINCE", "UNTIL" } };

static int
run_shares(const struct cli *c, struct err *e)
{
	FREE_WITH(line_done) struct line l = { 0 };
	auto_remote r = NULL;
	int rc = paging_open(c, &list, &r, e);

	if (rc == 0)
		rc = read_line(c, r, 0, LOOKUP_READ, &l, e);
	return rc ? rc : paging_print(c, r, &list, buf_str(&l.path), e);
}

/* ---- why ---- */

static void
print_way(struct term_table *t, const json_t *way)
{
	const json_t *team = json_object_get(way, "team");
	auto_buf through = BUF_INIT, until = BUF_INIT;

	const char *folder = lookup_text(way, "folder");

	if (!*lookup_text(way, "granted")) {
		buf_addf(&through, "owns the %s", lookup_text(way, "on"));
	} else {
		buf_addf(&through, "share of the %s with ", lookup_text(way, "on"));
		if (json_is_object(team))
			lookup_add_name(&through, team, "name");
		else
			buf_adds(&through, "them");
		buf_adds(&through, json_is_object(team) ? " (team)" : "");
		buf_adds(&through,
			 json_is_true(json_object_get(way, "waits")) ? " (not accepted)" : "");
	}
	if (*folder)
		buf_addf(&through, ": %s", folder);
	add_end(&until, way, "until ");
	term_table_row(t, lookup_text(way, "level"), buf_str(&through), lookup_text(way, "granted"),
		       buf_str(&until));
}

static int
run_why(const struct cli *c, struct err *e)
{
	FREE_WITH(lookup_thing_done) struct lookup_thing what = { 0 };
	struct lookup_words words = { c->args[1], c->nargs == 3 ? c->args[2] : NULL };
	const char *noun;
	auto_buf path = BUF_INIT;
	auto_remote r = NULL;
	auto_json o = NULL;
	struct term_table t = { .head = { "MAY", "THROUGH", "SINCE", "" }, .columns = 4 };
	size_t i;
	json_t *way;

	int rc = remote_open(&r, e);
	if (rc == 0)
		rc = read_what(c, r, words, LOOKUP_READ, &what, &noun, e);
	if (rc < 0)
		return rc;
	buf_addf(&path, "/v1/%s/%s/why?user=", noun, what.id);
	lookup_escape(&path, c->args[0]);
	rc = remote_call(r, REMOTE_READ, "GET", buf_str(&path), NULL, &o, e);
	if (rc < 0)
		return rc;
	if (term_said_json(c->json, o))
		return CLI_GOOD;
	const json_t *through = json_object_get(o, "through");
	if (json_array_size(through) == 0) {
		term_print_text(c->args[0]);
		puts(" may do nothing with it");
		return CLI_GOOD;
	}
	json_array_foreach(through, i, way) print_way(&t, way);
	term_table_print(&t);
	return CLI_GOOD;
}

#define OPT_RESOURCE                                                                               \
	{                                                                                          \
		"resource", NULL, "A resource with all its accounts, not one account."             \
	}
#define OPT_FOLDER                                                                                 \
	{                                                                                          \
		"folder", NULL, "A folder with all that stands below it, by its path."             \
	}

static const struct cli_opt opts[] = {
	OPT_RESOURCE,
	OPT_FOLDER,
	{ 0 },
};
static const struct cli_opt share_opts[] = {
	OPT_RESOURCE,
	OPT_FOLDER,
	{
		.name = "until",
		.value = "TIME",
		.help = "When it ends: 2027-01-31 (all of that day), \"2027-01-31 14:00\" (UTC, or "
			"with an offset: +01:00), RFC 3339, or how long from now: 12h, 30d.",
	},
	{ 0 },
};
static const struct cli_opt shares_opts[] = {
	OPT_RESOURCE,
	OPT_FOLDER,
	PAGING_OPT_MOST("shares"),
	{ 0 },
};

const struct cli_verb verbs_share[] = {
	{
		.name = "share",
		.args = "RESOURCE/LOGIN USER|TEAM [view|modify|manage]",
		.min_args = 2,
		.max_args = 4,
		.opts = share_opts,
		.run = run_share,
		.help = "Lets another user, or everybody in a team, use an account (default: "
			"view).",
		.more = "Also RESOURCE LOGIN USER, as three words. What they had on it before is "
			"replaced, the end too. " LOOKUP_HELP,
		.part = CLI_SHARES,
	},
	{
		.name = "unshare",
		.args = "RESOURCE/LOGIN USER|TEAM",
		.min_args = 2,
		.max_args = 3,
		.opts = opts,
		.run = run_unshare,
		.help = "Withdraws a share.",
		.more = "Also RESOURCE LOGIN USER, as three words. " LOOKUP_HELP,
		.part = CLI_SHARES,
	},
	{
		.name = "shares",
		.args = "RESOURCE/LOGIN | RESOURCE LOGIN",
		.min_args = 1,
		.max_args = 2,
		.opts = shares_opts,
		.run = run_shares,
		.help = "Lists who an account is shared with, and until when.",
		.more = LOOKUP_HELP,
		.part = CLI_SHARES,
	},
	{
		.name = "why",
		.args = "USER RESOURCE/LOGIN | USER RESOURCE LOGIN",
		.min_args = 2,
		.max_args = 3,
		.opts = opts,
		.run = run_why,
		.help = "Says what a user may do with an account, and through what.",
		.more = "The first line counts. Of others only whoever may manage the account is "
			"told. " LOOKUP_HELP,
		.part = CLI_SHARES,
	},
	{ 0 },
};
