/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast changes, approve, decline: changes made in emergency by someone who had lost the right by the
 * time they were merged; and holdfast policy emergency-changes: where such changes are allowed at all.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/json_out.h"
#include "base/mem.h"
#include "cli/frame/cli.h"
#include "cli/frame/lookup.h"
#include "cli/frame/paging.h"
#include "cli/frame/term.h"

static void
add_name(struct buf *out, const json_t *change)
{
	lookup_add_name(out, json_object_get(change, "resource"), "name");
	buf_addc(out, '/');
	lookup_add_name(out, json_object_get(change, "account"), "login");
}

static void
add_change(struct term_table *t, const json_t *v)
{
	auto_buf name = BUF_INIT;
	char n[24];

	add_name(&name, v);
	snprintf(n, sizeof(n), "%lld",
		 (long long)json_integer_value(json_object_get(v, "version")));
	term_table_row(t, buf_str(&name), n, lookup_text(v, "created"),
		       lookup_text(json_object_get(v, "author"), "name"),
		       lookup_text(json_object_get(v, "node"), "name"));
}

static const struct paging list = { .array = "changes",
				    .cursor = "after",
				    .none = "nothing waits for your approval",
				    .row = add_change,
				    .columns = 5,
				    .head = { "ACCOUNT", "VERSION", "MADE", "BY", "ON" } };

static int
run_changes(const struct cli *c, struct err *e)
{
	auto_remote r = NULL;
	int rc = paging_open(c, &list, &r, e);

	return rc ? rc : paging_print(c, r, &list, "/v1/changes", e);
}

/* By its names, or by an id: its own or the account's. */
static bool
is_meant(const json_t *change, struct lookup_words w)
{
	const json_t *account = json_object_get(change, "account");

	if (!w.login && lookup_is_id(w.first))
		return strcasecmp(lookup_text(change, "id"), w.first) == 0 ||
		       strcasecmp(lookup_text(account, "id"), w.first) == 0;
	return lookup_reads(w, json_object_get(change, "resource"), account);
}

/* What is looked for among those that wait, and what was found. */
struct sought {
	struct lookup_words words;
	int64_t version;
	json_t *found;
	size_t n;
	struct buf ids;
};

static void
sought_done(struct sought *s)
{
	json_decref(s->found);
	buf_done(&s->ids);
}

#define IDS_MAX 8 /* of those that are named */

static bool
take_meant(void *arg, json_t *v)
{
	struct sought *s = arg;

	if (!is_meant(v, s->words) ||
	    json_integer_value(json_object_get(v, "version")) != s->version)
		return true;
	if (s->n++ == 0)
		s->found = json_incref(v);
	buf_addf(&s->ids, "%s%s", s->ids.len ? ", " : "", lookup_text(v, "id"));
	return s->n < IDS_MAX;
}

/* Among those that wait: an administrator need not be able to see the account itself. */
static int
find_change(struct remote *r, struct lookup_words w, const char *version, json_t **ret,
	    struct err *e)
{
	FREE_WITH(sought_done) struct sought s = { .words = w, .ids = BUF_INIT };
	int rc = lookup_version(version, "changes", &s.version, e);

	if (rc == 0)
		rc = paging_each(r, &list, "/v1/changes", take_meant, &s, e);
	if (rc < 0)
		return rc;
	if (s.n > 1)
		return lookup_several(
			ERR_REFUSED, w.first, "account",
			"give RESOURCE and LOGIN as two words, or the id of the change",
			buf_str(&s.ids), e);
	*ret = TAKE(s.found);
	if (*ret)
		return 0;
	return err_set(e, ERR_NOT_FOUND,
		       "version %lld of %s%s%s does not wait for your approval; `holdfast changes` "
		       "lists what does",
		       (long long)s.version, w.first, w.login ? " " : "", w.login ? w.login : "");
}

/* The account of a change, for the commands that are shown. */
static int
name_change(const json_t *change, struct lookup_thing *ret, struct err *e)
{
	const json_t *account = json_object_get(change, "account");
	const char *id = lookup_text(account, "id");
	auto_buf resource = BUF_INIT, login = BUF_INIT;

	if (!lookup_is_id(id))
		return err_set(e, ERR_BAD_JSON, "the node's answer has no id");
	snprintf(ret->id, sizeof(ret->id), "%s", id);
	lookup_add_name(&resource, json_object_get(change, "resource"), "name");
	lookup_add_name(&login, account, "login");
	ret->resource = mem_dup(buf_str(&resource));
	ret->login = mem_dup(buf_str(&login));
	return 0;
}

static int
decide(const struct cli *c, bool approve, struct err *e)
{
	const char *version = c->args[c->nargs - 1];
	auto_buf path = BUF_INIT, name = BUF_INIT, text = BUF_INIT;
	auto_thing a = { 0 };
	auto_remote r = NULL;
	auto_json change = NULL;
	auto_json o = NULL;
	int rc = remote_open(&r, e);

	if (rc == 0)
		rc = find_change(r, lookup_words(c, 1), version, &change, e);
	if (rc == 0)
		rc = name_change(change, &a, e);
	if (rc < 0)
		return rc;
	add_name(&name, change);
	buf_adds(&path, "/v1/changes/");
	lookup_escape(&path, lookup_text(change, "id"));
	rc = remote_call(r, REMOTE_WRITE, "POST", buf_str(&path),
			 approve ? "{\"approve\":true}" : "{\"approve\":false}", &o, e);
	if (rc < 0)
		return rc;
	if (term_said_json(c->json, o))
		return CLI_GOOD;
	if (!approve) {
		buf_addf(&text, "declined: version %s of %s stays in the history only", version,
			 buf_str(&name));
	} else if (json_is_true(json_object_get(o, "conflict"))) {
		buf_adds(&text,
			 "approved; the account was changed meanwhile, so it is in conflict: see "
			 "`holdfast history ");
		lookup_quote(&text, &a);
		buf_addc(&text, '`');
	} else {
		buf_addf(&text, "approved: version %s of %s is the current one", version,
			 buf_str(&name));
	}
	term_print_text(buf_str(&text));
	putchar('\n');
	return CLI_GOOD;
}

static int
run_approve(const struct cli *c, struct err *e)
{
	return decide(c, true, e);
}

static int
run_decline(const struct cli *c, struct err *e)
{
	return decide(c, false, e);
}

/* ---- where changes are allowed ---- */

static int
set_policy(const struct cli *c, struct remote *r, json_t **ret, struct err *e)
{
	auto_buf body = BUF_INIT;
	struct json_out w;

	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_text(&w, "state", c->args[0]);
	if (c->nargs > 1)
		json_out_text(&w, "resource", c->args[1]);
	json_out_end_object(&w);
	return remote_call(r, REMOTE_WRITE, "PUT", "/v1/policy/emergency-changes", buf_str(&body),
			   ret, e);
}

static void
print_policy(const json_t *o)
{
	struct term_table t = { .head = { "RESOURCE", "CHANGES", "SINCE" }, .columns = 3 };
	const json_t *p = json_object_get(o, "emergency_changes");
	size_t i;
	json_t *v;

	term_table_row(&t, "(everywhere)", lookup_text(p, "everywhere"), "");
	json_array_foreach(json_object_get(p, "resources"), i, v)
		term_table_row(&t, lookup_text(json_object_get(v, "resource"), "name"),
			       lookup_text(v, "state"), lookup_text(v, "since"));
	term_table_print(&t);
}

static int
run_policy(const struct cli *c, struct err *e)
{
	auto_remote r = NULL;
	auto_json o = NULL;
	int rc = remote_open(&r, e);

	if (rc == 0)
		rc = c->nargs ? set_policy(c, r, &o, e)
			      : remote_call(r, REMOTE_READ, "GET", "/v1/policy", NULL, &o, e);
	if (rc < 0)
		return rc;
	term_note_mode(r);
	if (!term_said_json(c->json, o))
		print_policy(o);
	return CLI_GOOD;
}

static const struct cli_opt opts[] = {
	PAGING_OPT_MOST("changes"),
	{ 0 },
};

const struct cli_verb verbs_changes[] = {
	{
		.name = "changes",
		.opts = opts,
		.run = run_changes,
		.help = "Lists emergency changes that need approval because their maker has lost "
			"the right to make them.",
		.more = "They were merged after their maker was disabled or lost the share, and "
			"have no effect until you approve them (`holdfast approve`, "
			"`holdfast decline`). Administrators, and anyone who may manage the "
			"account, can decide.",
		.part = CLI_CONFLICTS,
	},
	{
		.name = "approve",
		.args = "RESOURCE/LOGIN VERSION | RESOURCE LOGIN VERSION",
		.min_args = 2,
		.max_args = 3,
		.run = run_approve,
		.help = "Approves a waiting change: it becomes the current version.",
		.more = "If the account has changed meanwhile, it is then in conflict; see "
			"`holdfast conflicts`.",
		.part = CLI_CONFLICTS,
	},
	{
		.name = "decline",
		.args = "RESOURCE/LOGIN VERSION | RESOURCE LOGIN VERSION",
		.min_args = 2,
		.max_args = 3,
		.run = run_decline,
		.help = "Declines a waiting change: it stays in the account's history and has no "
			"effect.",
		.part = CLI_CONFLICTS,
	},
	{
		.name = "policy emergency-changes",
		.args = "[on|off|inherit] [RESOURCE]",
		.max_args = 2,
		.run = run_policy,
		.help = "Shows or changes where new versions may be stored in emergency; for "
			"administrators.",
		.more = "Off at first. A setting on a resource overrides the global one; inherit "
			"removes it. A secondary uses the settings it had when it lost the "
			"primary.",
		.part = CLI_USERS,
	},
	{ 0 },
};
