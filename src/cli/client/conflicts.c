/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast conflicts, settle, rename: what was changed on both sides of a cut, or made there under one
 * name, and a person's decision: which version counts, what is called how.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/json_out.h"
#include "cli/frame/cli.h"
#include "cli/frame/lookup.h"
#include "cli/frame/paging.h"

static void
add_conflict(struct term_table *t, const json_t *a)
{
	auto_buf name = BUF_INIT;
	char current[24], open[24];

	lookup_add_name(&name, json_object_get(a, "resource"), "name");
	buf_addc(&name, '/');
	lookup_add_name(&name, a, "login");
	snprintf(current, sizeof(current), "%lld",
		 (long long)json_integer_value(json_object_get(a, "version")));
	snprintf(open, sizeof(open), "%lld",
		 (long long)json_integer_value(json_object_get(a, "open")));
	term_table_row(t, buf_str(&name), current, open, lookup_text(a, "latest"),
		       lookup_text(a, "level"));
}

static const struct paging list = { .array = "conflicts",
				    .cursor = "after",
				    .none = "no conflicts",
				    .row = add_conflict,
				    .columns = 5,
				    .head = { "ACCOUNT", "CURRENT", "OPEN", "LATEST", "YOU MAY" } };

/* Whoever holds a name that others hold too. */
static void
add_holder(struct term_table *t, const json_t *x)
{
	auto_buf name = BUF_INIT;
	char held[24];

	lookup_add_name(&name, json_object_get(x, "resource"), "name");
	lookup_add_name(&name, json_object_get(x, "user"), "name");
	lookup_add_name(&name, json_object_get(x, "team"), "name");
	lookup_add_name(&name, json_object_get(x, "folder"), "name");
	if (*lookup_text(x, "login")) {
		buf_addc(&name, '/');
		lookup_add_name(&name, x, "login");
	}
	snprintf(held, sizeof(held), "%lld",
		 (long long)json_integer_value(json_object_get(x, "others")) + 1);
	term_table_row(t, lookup_text(x, "kind"), buf_str(&name), held, lookup_text(x, "created"),
		       lookup_text(json_object_get(x, "author"), "name"),
		       lookup_text(json_object_get(x, "node"), "name"), lookup_text(x, "level"),
		       lookup_text(x, "id"));
}

#define VERSIONS "/v1/conflicts"
#define NAMES "/v1/conflicts/names"

static const struct paging names = { .array = "names",
				     .cursor = "after",
				     .none = "no name is held by several",
				     .row = add_holder,
				     .columns = 8,
				     .head = { "", "NAME", "HOLDERS", "MADE", "BY", "ON", "YOU MAY",
					       "ID" } };

#define ID_SHOWN 8 /* characters of an id: enough to name one */

static bool
is_open(const json_t *conflict)
{
	return !json_is_object(json_object_get(conflict, "acknowledged"));
}

static void
add_administration(struct term_table *t, const json_t *a)
{
	auto_buf what = BUF_INIT;
	const char *target = lookup_text(json_object_get(a, "target"), "name");
	const char *by = lookup_text(json_object_get(a, "acknowledged"), "by");
	char id[ID_SHOWN + 1];

	snprintf(id, sizeof(id), "%s", lookup_text(a, "id"));
	buf_addf(&what, "%s%s%s", lookup_text(a, "what"), *target ? " of " : "", target);
	term_table_row(t, id, lookup_text(a, "at"), lookup_text(json_object_get(a, "node"), "name"),
		       lookup_text(json_object_get(a, "user"), "name"), buf_str(&what),
		       lookup_text(a, "kept"), lookup_text(a, "lost"),
		       is_open(a) ? "no"
		       : *by	  ? by
				  : "yes");
}

#define ADMINISTRATION "/v1/conflicts/administration"

static const struct paging administration = { .array = "conflicts",
					      .cursor = "after",
					      .none = "no conflicts",
					      .row = add_administration,
					      .columns = 8,
					      .head = { "ID", "AT", "ON", "USER", "WHAT", "COUNTS",
							"LOST", "ACKNOWLEDGED" } };

/* Those that are open and meant: all of them, or the one whose id begins so. */
static bool
is_meant(const json_t *conflict, const char *which)
{
	if (strcmp(which, "all") == 0)
		return is_open(conflict);
	return strncmp(lookup_text(conflict, "id"), which, strlen(which)) == 0;
}

struct meant {
	const char *which;
	json_t *found;
};

static bool
take_meant(void *arg, json_t *conflict)
{
	const struct meant *m = arg;

	if (is_meant(conflict, m->which))
		json_array_append(m->found, conflict);
	return true;
}

static int
find_meant(struct remote *r, const char *which, json_t *ret, struct err *e)
{
	struct meant m = { which, ret };

	if (strcmp(which, "all") != 0 && strlen(which) < ID_SHOWN)
		return err_set(e, ERR_USAGE,
			       "--acknowledge takes an ID as `holdfast conflicts --administration` "
			       "shows it, or all, not \"%s\"",
			       which);
	int rc = paging_each(r, &administration, ADMINISTRATION, take_meant, &m, e);
	if (rc < 0 || json_array_size(ret) == 1 || strcmp(which, "all") == 0)
		return rc;
	return err_set(e, json_array_size(ret) ? ERR_USAGE : ERR_NOT_FOUND,
		       json_array_size(ret)
			       ? "more than one conflict has an ID that begins with %s: give more "
				 "of it (--json shows the whole)"
			       : "no conflict of administration has the ID %s",
		       which);
}

/* What is said to have been seen is what was listed just now, one by one. */
static int
run_acknowledge(const struct cli *c, struct remote *r, struct err *e)
{
	auto_json meant = json_array();
	size_t i;
	json_t *a;
	int rc = find_meant(r, cli_get(c, "acknowledge"), meant, e);

	if (rc < 0)
		return rc;
	json_array_foreach(meant, i, a)
	{
		auto_buf path = BUF_INIT;

		buf_addf(&path, "/v1/conflicts/administration/%s/acknowledge",
			 lookup_text(a, "id"));
		rc = remote_call(r, REMOTE_WRITE, "POST", buf_str(&path), NULL, NULL, e);
		if (rc < 0)
			return rc;
	}
	if (!term_said_json(c->json, meant))
		printf("%zu acknowledged; what counts stays as it is until you decide otherwise\n",
		       json_array_size(meant));
	return CLI_GOOD;
}

static int
any(struct remote *r, const struct paging *what, const char *path, bool *ret, struct err *e)
{
	auto_buf first = BUF_INIT;
	auto_json o = NULL;

	buf_addf(&first, "%s?limit=1", path);
	int rc = remote_call(r, REMOTE_READ, "GET", buf_str(&first), NULL, &o, e);
	*ret = json_array_size(json_object_get(o, what->array)) > 0;
	return rc;
}

/* For people: versions, then names, and what there is none of is left out. */
static int
print_all(const struct cli *c, struct remote *r, struct err *e)
{
	bool versions, held = false;
	int rc = any(r, &list, VERSIONS, &versions, e);

	if (rc == 0)
		rc = any(r, &names, NAMES, &held, e);
	if (rc == 0 && (versions || !held))
		rc = paging_print(c, r, &list, VERSIONS, e);
	if (rc == 0 && versions && held)
		putchar('\n');
	return rc == 0 && held ? paging_print(c, r, &names, NAMES, e) : rc;
}

static int
run_conflicts(const struct cli *c, struct err *e)
{
	auto_remote r = NULL;
	int rc = paging_open(c, &list, &r, e);

	if (rc < 0)
		return rc;
	if (cli_has(c, "acknowledge"))
		return run_acknowledge(c, r, e);
	if (cli_has(c, "administration"))
		return paging_print(c, r, &administration, ADMINISTRATION, e);
	if (cli_has(c, "names"))
		return paging_print(c, r, &names, NAMES, e);
	return c->json ? paging_print(c, r, &list, VERSIONS, e) : print_all(c, r, e);
}

static int
run_settle(const struct cli *c, struct err *e)
{
	auto_buf path = BUF_INIT, body = BUF_INIT;
	auto_remote r = NULL;
	auto_json o = NULL;
	auto_thing a = { 0 };
	auto_buf name = BUF_INIT;
	int64_t version;
	struct json_out w;

	int rc = lookup_version(c->args[c->nargs - 1], "history", &version, e);
	if (rc == 0)
		rc = remote_open(&r, e);
	if (rc == 0)
		rc = lookup_account(r, lookup_words(c, 1), LOOKUP_WRITE, &a, e);
	if (rc < 0)
		return rc;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_int(&w, "version", version);
	json_out_end_object(&w);
	buf_addf(&path, "/v1/accounts/%s/settle", a.id);
	rc = remote_call(r, REMOTE_WRITE, "POST", buf_str(&path), buf_str(&body), &o, e);
	if (rc < 0)
		return rc;
	if (term_said_json(c->json, o))
		return CLI_GOOD;
	lookup_show(&name, &a);
	printf("version %lld of ", (long long)version);
	term_print_text(buf_str(&name));
	printf(" is the current one; the others stay in its history\n");
	return CLI_GOOD;
}

static int
check_rename(const struct cli *c, struct err *e)
{
	if (cli_has(c, "resource") && c->nargs > 2)
		return err_set(e, ERR_USAGE,
			       "'%s' is too much: holdfast rename --resource RESOURCE NEW-NAME",
			       c->args[2]);
	return 0;
}

static int
run_rename(const struct cli *c, struct err *e)
{
	const char *name = c->args[c->nargs - 1];
	bool resource = cli_has(c, "resource");
	auto_buf path = BUF_INIT, body = BUF_INIT, text = BUF_INIT;
	auto_remote r = NULL;
	auto_json o = NULL;
	auto_thing t = { 0 };
	struct json_out w;

	int rc = check_rename(c, e);
	if (rc == 0)
		rc = remote_open(&r, e);
	if (rc == 0)
		rc = resource ? lookup_resource(r, c->args[0], &t, e)
			      : lookup_account(r, lookup_words(c, 1), LOOKUP_WRITE, &t, e);
	if (rc < 0)
		return rc;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_text(&w, resource ? "name" : "login", name);
	json_out_end_object(&w);
	buf_addf(&path, "/v1/%s/%s", resource ? "resources" : "accounts", t.id);
	rc = remote_call(r, REMOTE_WRITE, "PATCH", buf_str(&path), buf_str(&body), &o, e);
	if (rc < 0)
		return rc;
	if (term_said_json(c->json, o))
		return CLI_GOOD;
	lookup_show(&text, &t);
	buf_addf(&text, " is called %s%s%s now", resource ? "" : t.resource, resource ? "" : "/",
		 name);
	term_print_text(buf_str(&text));
	putchar('\n');
	return CLI_GOOD;
}

static int
run_combine(const struct cli *c, struct err *e)
{
	auto_buf path = BUF_INIT, body = BUF_INIT, text = BUF_INIT;
	auto_remote r = NULL;
	auto_json o = NULL;
	auto_thing stays = { 0 }, goes = { 0 };
	struct json_out w;

	int rc = remote_open(&r, e);
	if (rc == 0)
		rc = lookup_account(r, (struct lookup_words){ c->args[0], NULL }, LOOKUP_WRITE,
				    &stays, e);
	if (rc == 0)
		rc = lookup_account(r, (struct lookup_words){ c->args[1], NULL }, LOOKUP_WRITE,
				    &goes, e);
	if (rc < 0)
		return rc;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_text(&w, "with", goes.id);
	json_out_end_object(&w);
	buf_addf(&path, "/v1/accounts/%s/combine", stays.id);
	rc = remote_call(r, REMOTE_WRITE, "POST", buf_str(&path), buf_str(&body), &o, e);
	if (rc < 0)
		return rc;
	if (term_said_json(c->json, o))
		return CLI_GOOD;
	buf_adds(&text, "the versions of ");
	lookup_show(&text, &goes);
	buf_addf(&text,
		 " are with %s/%s now, in conflict: see `holdfast history %s`, then `holdfast "
		 "settle`",
		 stays.resource, stays.login, stays.id);
	term_print_text(buf_str(&text));
	putchar('\n');
	return CLI_GOOD;
}

static const struct cli_opt rename_opts[] = {
	{
		.name = "resource",
		.help = "Rename a resource instead of an account.",
	},
	{ 0 },
};

static const struct cli_opt opts[] = {
	{
		.name = "administration",
		.help = "What was set, renamed or removed on both sides, and which counts: the "
			"safer one.",
	},
	{
		.name = "names",
		.help = "Only the resources and accounts whose name others hold too. Without this, "
			"--json has the versions alone.",
	},
	{
		.name = "acknowledge",
		.value = "ID|all",
		.help = "Acknowledge one such conflict, or all that are listed.",
	},
	PAGING_OPT_MOST("conflicts"),
	{ 0 },
};

const struct cli_verb verbs_conflicts[] = {
	{
		.name = "conflicts",
		.opts = opts,
		.run = run_conflicts,
		.help = "Lists what was changed on both sides of a cut, or made there under one "
			"name, "
			"and needs your decision.",
		.more = "`holdfast history RESOURCE/LOGIN` shows the versions: when, by whom, on "
			"which node. `holdfast get --version N` reads one. Settle with `holdfast "
			"settle`, or with a new value: `holdfast put --settle`.\nWhat holds one "
			"name "
			"is told apart by a suffix, such as ~1a2b; write it behind the name, as in "
			"`holdfast get RESOURCE~1a2b/LOGIN`. `holdfast rename` (`holdfast "
			"user rename`) ends it, or `holdfast rm` if one is not needed.",
		.part = CLI_CONFLICTS,
	},
	{
		.name = "settle",
		.args = "RESOURCE/LOGIN VERSION | RESOURCE LOGIN VERSION",
		.min_args = 2,
		.max_args = 3,
		.run = run_settle,
		.help = "Settles a conflict: VERSION becomes the current one; every version stays.",
		.more = LOOKUP_HELP,
		.part = CLI_CONFLICTS,
	},
	{
		.name = "combine",
		.args = "RESOURCE/LOGIN OTHER-RESOURCE/LOGIN",
		.min_args = 2,
		.max_args = 2,
		.run = run_combine,
		.help = "Makes two accounts one: the first takes over the versions of the other.",
		.more = "They are in conflict there until `holdfast settle`, and the other account "
			"goes "
			"to the bin. Each may be an id.",
		.part = CLI_CONFLICTS,
	},
	{
		.name = "rename",
		.args = "RESOURCE/LOGIN NEW-LOGIN | RESOURCE LOGIN NEW-LOGIN",
		.min_args = 2,
		.max_args = 3,
		.opts = rename_opts,
		.run = run_rename,
		.help = "Gives an account another login, or (--resource RESOURCE NEW-NAME) a "
			"resource "
			"another name.",
		.more = LOOKUP_HELP,
		.example = "holdfast rename 'switch~1a2b/root' root-west",
		.part = CLI_CONFLICTS,
	},
	{ 0 },
};
