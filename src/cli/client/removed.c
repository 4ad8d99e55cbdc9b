/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast ls --removed, undelete: the bin.
 */
#include "cli/client/removed.h"

#include <string.h>
#include "base/json_out.h"
#include "base/name.h"
#include "cli/frame/lookup.h"
#include "cli/frame/paging.h"
#include "cli/frame/term.h"

#define CANDIDATES_MAX 8
#define TIME_SHOWN 16 /* of a time: to the minute */

static bool
is_account(const json_t *x)
{
	return strcmp(lookup_text(x, "kind"), "account") == 0;
}

/* "RESOURCE/LOGIN", or the name of the resource. */
static void
add_name(struct buf *out, const json_t *x)
{
	buf_adds(out, lookup_text(json_object_get(x, "resource"), "name"));
	if (is_account(x))
		buf_addf(out, "/%s", lookup_text(x, "login"));
}

/* To the minute, UTC. */
static void
add_time(struct buf *out, const char *iso)
{
	char text[TIME_SHOWN + 1];

	snprintf(text, sizeof(text), "%s", iso);
	if (strlen(text) > 10)
		text[10] = ' ';
	buf_adds(out, text);
}

/* ---- ls --removed ---- */

static void
add_what(struct buf *out, const json_t *x)
{
	json_t *accounts = json_object_get(x, "accounts");

	if (is_account(x))
		buf_adds(out,
			 json_is_true(json_object_get(json_object_get(x, "resource"), "removed"))
				 ? "account; its resource too"
				 : "account");
	else
		buf_addf(out, "resource, accounts: %lld", (long long)json_integer_value(accounts));
	if (json_is_true(json_object_get(x, "changed")))
		buf_adds(out, ", changed elsewhere");
}

static void
add_removed(struct term_table *t, const json_t *x)
{
	auto_buf name = BUF_INIT, what = BUF_INIT, at = BUF_INIT, until = BUF_INIT;
	const char *end = lookup_text(x, "until");

	add_name(&name, x);
	add_what(&what, x);
	add_time(&at, lookup_text(x, "removed"));
	add_time(&until, *end ? end : "for ever");
	term_table_row(t, buf_str(&name), buf_str(&what), buf_str(&at),
		       lookup_text(json_object_get(x, "by"), "name"), buf_str(&until),
		       lookup_text(x, "id"));
}

#define BIN "/v1/removed"

static const struct paging bin = { .array = "removed",
				   .cursor = "after",
				   .none = "nothing is removed that you could bring back",
				   .row = add_removed,
				   .columns = 6,
				   .head = { "NAME", "WHAT", "REMOVED (UTC)", "BY", "KEPT UNTIL",
					     "ID" } };

int
removed_list(const struct cli *c, struct err *e)
{
	auto_remote r = NULL;
	int rc = paging_open(c, &bin, &r, e);

	return rc ? rc : paging_print(c, r, &bin, BIN, e);
}

/* ---- undelete ---- */

/* Whether the words of the command line name it: by id, or whole. */
static bool
is_named(const struct cli *c, const json_t *x)
{
	const char *resource = lookup_text(json_object_get(x, "resource"), "name");
	auto_buf name = BUF_INIT;

	if (c->nargs == 2)
		return is_account(x) && name_same(resource, c->args[0]) &&
		       name_same(lookup_text(x, "login"), c->args[1]);
	if (strcmp(lookup_text(x, "id"), c->args[0]) == 0)
		return true;
	add_name(&name, x);
	return name_same(buf_str(&name), c->args[0]);
}

static int
say_candidates(const char *name, const json_t *found, struct err *e)
{
	auto_buf list = BUF_INIT;
	size_t i;
	json_t *x;

	json_array_foreach(found, i, x)
	{
		if (i == CANDIDATES_MAX) {
			buf_adds(&list, ", …");
			break;
		}
		buf_addf(&list, "%s%s (%s, removed ", i ? ", " : "", lookup_text(x, "id"),
			 lookup_text(x, "kind"));
		add_time(&list, lookup_text(x, "removed"));
		buf_adds(&list, ")");
	}
	return lookup_several(ERR_USAGE, name, "thing in the bin", "give the id of one",
			      buf_str(&list), e);
}

/* What the words may mean: one more than is shown, to know that there are more. */
struct sought {
	const struct cli *c;
	json_t *found;
};

static bool
take_named(void *arg, json_t *x)
{
	const struct sought *s = arg;

	if (!is_named(s->c, x))
		return true;
	json_array_append(s->found, x);
	return json_array_size(s->found) <= CANDIDATES_MAX;
}

static int
find_one(const struct cli *c, struct remote *r, json_t **ret, struct err *e)
{
	auto_json found = json_array();
	struct sought s = { c, found };
	int rc = paging_each(r, &bin, BIN, take_named, &s, e);

	if (rc < 0)
		return rc;
	if (json_array_size(found) > 1)
		return say_candidates(c->args[0], found, e);
	if (json_array_size(found) == 0)
		return err_set(e, ERR_NOT_FOUND,
			       "nothing of this name is in the bin that you could bring back; see "
			       "`holdfast ls --removed`");
	*ret = json_incref(json_array_get(found, 0));
	return 0;
}

/* What stands in the way, and the command that goes round it. */
static int
say_way_out(const json_t *x, struct err *e)
{
	const json_t *resource = json_object_get(x, "resource");

	if (is_account(x) && json_is_true(json_object_get(resource, "removed")))
		return err_set(
			e, ERR_CONFLICT,
			"the resource of this account is removed too; bring that back first: "
			"holdfast undelete %s",
			lookup_text(resource, "id"));
	return err_set(e, ERR_CONFLICT,
		       "there is another %s of this name by now; bring this one back under another "
		       "name: holdfast undelete %s --as NAME",
		       lookup_text(x, "kind"), lookup_text(x, "id"));
}

static int
bring_back(const struct cli *c, struct remote *r, const json_t *x, json_t **ret, struct err *e)
{
	const char *as = cli_get(c, "as");
	auto_buf path = BUF_INIT, body = BUF_INIT;
	struct json_out w;

	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	if (as)
		json_out_text(&w, is_account(x) ? "login" : "name", as);
	json_out_end_object(&w);
	buf_addf(&path, "/v1/%ss/%s/restore", lookup_text(x, "kind"), lookup_text(x, "id"));
	int rc = remote_call(r, REMOTE_WRITE, "POST", buf_str(&path), buf_str(&body), ret, e);
	return rc == ERR_CONFLICT && !as ? say_way_out(x, e) : rc;
}

static int
run_undelete(const struct cli *c, struct err *e)
{
	auto_remote r = NULL;
	auto_json x = NULL;
	auto_json o = NULL;
	int rc = remote_open(&r, e);

	if (rc == 0)
		rc = find_one(c, r, &x, e);
	if (rc == 0)
		rc = bring_back(c, r, x, &o, e);
	if (rc < 0)
		return rc;
	if (!term_said_json(c->json, o)) {
		auto_buf name = BUF_INIT;

		if (is_account(x))
			buf_addf(&name, "%s/", lookup_text(json_object_get(x, "resource"), "name"));
		buf_adds(&name, lookup_text(o, is_account(x) ? "login" : "name"));
		term_print_text(buf_str(&name));
		printf(" is back\n");
	}
	return CLI_GOOD;
}

static const struct cli_opt opts[] = {
	{
		.name = "as",
		.value = "NAME",
		.help = "Restore under another name (for an account: another login) if its own is "
			"taken.",
	},
	{ 0 },
};

const struct cli_verb verbs_removed[] = {
	{
		.name = "undelete",
		.args = "RESOURCE | RESOURCE/LOGIN | ID",
		.min_args = 1,
		.max_args = 2,
		.opts = opts,
		.run = run_undelete,
		.help = "Brings back what was removed, with its versions and shares as they were.",
		.more = "A resource comes back with the accounts that were removed with it. "
			"`holdfast ls --removed` shows what there is. An account can also be named "
			"by two words, RESOURCE LOGIN.",
		.part = CLI_PASSWORDS,
	},
	{ 0 },
};
