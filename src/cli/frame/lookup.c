/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/frame/lookup.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/name.h"
#include "base/uuid.h"
#include "cli/frame/paging.h"
#include "cli/frame/term.h"

#define VERSION_MAX 1000000000

void
lookup_escape(struct buf *out, const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if (isalnum(c) || strchr("-._~", c))
			buf_addc(out, (char)c);
		else
			buf_addf(out, "%%%02X", c);
	}
}

const char *
lookup_text(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));
	return s ? s : "";
}

void
lookup_add_level(struct buf *out, const json_t *o)
{
	buf_addf(out, "%s%s", lookup_text(o, "level"),
		 json_is_true(json_object_get(o, "waits")) ? " (not accepted)" : "");
}

void
lookup_add_name(struct buf *out, const json_t *o, const char *name)
{
	buf_addf(out, "%s%s", lookup_text(o, name), lookup_text(o, "suffix"));
}

/* The same, to keep. */
static char *
full_name(const json_t *o, const char *name)
{
	auto_buf b = BUF_INIT;

	lookup_add_name(&b, o, name);
	return mem_dup(buf_str(&b));
}

/* What every look-up says of a name that nothing has: what it is no name of, and where to look for names. */
static int
say_none(const char *what, const char *name, const char *where, struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "there is no %s \"%s\"%s", what, name, where);
}

static bool
is_id(const char *s, char id[static 37])
{
	struct uuid u;
	if (uuid_parse(s, &u) < 0)
		return false;
	snprintf(id, 37, "%s", s);
	return true;
}

bool
lookup_is_id(const char *s)
{
	struct uuid u;
	return uuid_parse(s, &u) == 0;
}

struct lookup_words
lookup_words(const struct cli *c, int rest)
{
	return (struct lookup_words){ c->args[0], c->nargs - rest > 1 ? c->args[1] : NULL };
}

/* ---- what was found ---- */

void
lookup_thing_done(struct lookup_thing *t)
{
	free(t->resource);
	free(t->login);
	free(t->owner);
	*t = (struct lookup_thing){ 0 };
}

/* account NULL: the resource itself. */
static int
take(const json_t *account, const json_t *resource, struct lookup_thing *ret, struct err *e)
{
	struct lookup_thing t = { 0 };

	if (!is_id(lookup_text(account ? account : resource, "id"), t.id))
		return err_set(e, ERR_BAD_JSON, "the node's answer has no id");
	t.resource = full_name(resource, "name");
	t.login = account ? full_name(account, "login") : NULL;
	t.owner = mem_dup(lookup_text(json_object_get(resource, "owner"), "name"));
	*ret = t;
	return 0;
}

static void
show(struct buf *out, const char *resource, const char *login)
{
	buf_adds(out, resource);
	if (login)
		buf_addf(out, "/%s", login);
}

void
lookup_show(struct buf *out, const struct lookup_thing *t)
{
	show(out, t->resource, t->login);
}

/* Nobody can type what cannot be seen, and no argument is empty. */
static bool
is_typed(const char *name)
{
	uint32_t c;
	return *name && !name_unseen(name, &c) && !lookup_is_id(name);
}

static void
quote(struct buf *out, const char *id, const char *resource, const char *login)
{
	auto_buf one = BUF_INIT;

	if (!is_typed(resource) || (login && !is_typed(login))) {
		buf_adds(out, id);
		return;
	}
	if (*resource == '-' || (login && *login == '-'))
		buf_adds(out, "-- ");
	if (!login || strchr(resource, '/') || strchr(login, '/')) {
		term_quote(out, resource);
		if (login) {
			buf_addc(out, ' ');
			term_quote(out, login);
		}
		return;
	}
	show(&one, resource, login);
	term_quote(out, buf_str(&one));
}

void
lookup_quote(struct buf *out, const struct lookup_thing *t)
{
	quote(out, t->id, t->resource, t->login);
}

/* ---- what is refused ---- */

#define CANDIDATES_MAX 4
#define CANDIDATES_BYTES 380

static void
add_candidate(struct buf *out, bool whole, const json_t *account, const json_t *resource)
{
	const char *id = lookup_text(account ? account : resource, "id");
	const char *owner = lookup_text(json_object_get(resource, "owner"), "name");
	auto_buf name = BUF_INIT, login = BUF_INIT;

	buf_addf(out, "%s%s", out->len ? ", " : "", id);
	if (!whole)
		return;
	if (*lookup_text(resource, "path"))
		buf_addf(&name, "%s/", lookup_text(resource, "path"));
	lookup_add_name(&name, resource, "name");
	lookup_add_name(&login, account, "login");
	buf_addf(out, account ? " (" : " (the resource ");
	quote(out, id, buf_str(&name), account ? buf_str(&login) : NULL);
	buf_addf(out, ", of %s)", owner);
}

/* All that the answer names; whole: with names and owners, which may be too long. */
static void
list_candidates(const json_t *answer, bool whole, struct buf *out)
{
	size_t i, k, n = 0;
	json_t *a, *res;

	json_array_foreach(json_object_get(answer, "accounts"), i, a)
	{
		if (n++ < CANDIDATES_MAX)
			add_candidate(out, whole, a, json_object_get(a, "resource"));
	}
	json_array_foreach(json_object_get(answer, "resources"), i, res)
	{
		json_t *accounts = json_object_get(res, "accounts");
		if (json_array_size(accounts) == 0 && n++ < CANDIDATES_MAX)
			add_candidate(out, whole, NULL, res);
		json_array_foreach(accounts, k, a)
		{
			if (n++ < CANDIDATES_MAX)
				add_candidate(out, whole, a, res);
		}
	}
	if (n > CANDIDATES_MAX)
		buf_adds(out, ", …");
}

static int
say_several(const char *spec, const json_t *answer, struct err *e)
{
	auto_buf list = BUF_INIT;

	list_candidates(answer, true, &list);
	if (list.len > CANDIDATES_BYTES) {
		buf_reset(&list);
		list_candidates(answer, false, &list);
	}
	return lookup_several(ERR_REFUSED, spec, "thing",
			      "give RESOURCE and LOGIN as two words, or an id", buf_str(&list), e);
}

static int
no_resource(const char *name, struct err *e)
{
	return say_none("resource", name, " that you may see by name; try `holdfast find`", e);
}

/* One account is wanted: say which there are. */
static int
say_accounts(const json_t *resource, enum lookup_use use, struct err *e)
{
	int code = use == LOOKUP_READ ? ERR_NOT_FOUND : ERR_REFUSED;
	json_t *accounts = json_object_get(resource, "accounts");
	auto_buf list = BUF_INIT, word = BUF_INIT, full = BUF_INIT;
	size_t i;
	json_t *a;

	lookup_add_name(&full, resource, "name");
	const char *name = buf_str(&full);
	json_array_foreach(accounts, i, a)
	{
		buf_adds(&list, i ? ", " : "");
		lookup_add_name(&list, a, "login");
	}
	if (json_is_true(json_object_get(resource, "more")))
		buf_adds(&list, ", …");
	if (list.len == 0)
		return err_set(e, code, "\"%s\" has no account that you may see", name);
	quote(&word, lookup_text(resource, "id"), name, NULL);
	return err_set(e, code, "which account of \"%s\"? Write %s%s; there are: %s", name,
		       buf_str(&word), strchr(name, '/') ? " LOGIN" : "/LOGIN", buf_str(&list));
}

/* ---- accounts and resources ---- */

/* Whether `word` is the name of o, or that with a suffix that is o's. */
static bool
means(const char *word, const json_t *o, const char *name)
{
	return name_means(word, lookup_text(o, name), lookup_text(o, "id"));
}

/* Whether a path, as lists show it, is what was written, or ends so: each name with its suffix or without. */
static bool
ends_path(const char *path, const char *word, size_t n)
{
	size_t len = strlen(path);
	char *shown, *written;
	bool same = true;

	while (same && n) {
		size_t from = len, w = n;
		while (from && path[from - 1] != '/')
			from--;
		while (w && word[w - 1] != '/')
			w--;
		shown = mem_dupn(path + from, len - from);
		written = mem_dupn(word + w, n - w);
		same = len && name_same(shown, written);
		char *suffix = same ? NULL : UNCONST(char *, name_find_suffix(shown));
		if (suffix) {
			*suffix = '\0';
			same = name_same(shown, written);
		}
		free(shown);
		free(written);
		same = same && (w == 0 || from > 0);
		len = from ? from - 1 : 0;
		n = w ? w - 1 : 0;
	}
	return same;
}

/* The same of a resource, before whose name its path may stand. */
static bool
means_resource(const char *word, const json_t *resource)
{
	bool found = means(word, resource, "name");

	for (const char *p = strchr(word, '/'); p && !found; p = strchr(p + 1, '/'))
		found = p != word && means(p + 1, resource, "name") &&
			ends_path(lookup_text(resource, "path"), word, (size_t)(p - word));
	return found;
}

/* A slash may be in either name. */
static bool
reads_as_one(const char *word, const json_t *resource, const json_t *account)
{
	bool found = false;

	for (const char *p = strchr(word, '/'); p && !found; p = strchr(p + 1, '/')) {
		char *name = mem_dupn(word, (size_t)(p - word));

		found = means_resource(name, resource) && means(p + 1, account, "login");
		free(name);
	}
	return found;
}

bool
lookup_reads(struct lookup_words w, const json_t *resource, const json_t *account)
{
	if (w.login)
		return means_resource(w.first, resource) && means(w.login, account, "login");
	return reads_as_one(w.first, resource, account);
}

/* Nothing is done with an answer to another question. */
static int
check_answer(struct lookup_words w, const json_t *answer, struct err *e)
{
	bool good = json_is_array(json_object_get(answer, "accounts")) &&
		    json_is_array(json_object_get(answer, "resources"));
	size_t i;
	json_t *o;

	json_array_foreach(json_object_get(answer, "accounts"), i, o) good =
		good && lookup_reads(w, json_object_get(o, "resource"), o);
	json_array_foreach(json_object_get(answer, "resources"), i, o) good =
		good && means_resource(w.first, o);
	return good ? 0
		    : err_set(e, ERR_BAD_JSON,
			      "the node answered of something else than was asked; nothing was "
			      "done");
}

static int
ask(struct remote *r, struct lookup_words w, bool resource, json_t **ret, struct err *e)
{
	auto_buf path = BUF_INIT;
	auto_json o = NULL;

	buf_addf(&path, "/v1/lookup?%s=", resource || w.login ? "resource" : "reference");
	lookup_escape(&path, w.first);
	if (w.login) {
		buf_adds(&path, "&login=");
		lookup_escape(&path, w.login);
	}
	int rc = remote_call(r, REMOTE_READ, "GET", buf_str(&path), NULL, &o, e);
	if (rc == 0)
		rc = check_answer(w, o, e);
	if (rc == 0)
		*ret = TAKE(o);
	return rc;
}

/* By its id: the node says what it is called. */
static int
ask_id(struct remote *r, const char *noun, const char *id, json_t **ret, struct err *e)
{
	auto_buf path = BUF_INIT;
	auto_json o = NULL;

	buf_addf(&path, "/v1/%s/%s", noun, id);
	int rc = remote_call(r, REMOTE_READ, "GET", buf_str(&path), NULL, &o, e);
	if (rc == 0 && strcasecmp(lookup_text(o, "id"), id) != 0)
		rc = err_set(e, ERR_BAD_JSON, "the node answered of another id than was asked");
	if (rc == 0)
		*ret = TAKE(o);
	return rc;
}

/* Nothing reads so. What stands before the last slash may be there. */
static int
say_nothing(struct remote *r, struct lookup_words w, struct err *e)
{
	auto_json o = NULL;
	const char *slash = w.login ? NULL : strrchr(w.first, '/');
	size_t n = slash ? (size_t)(slash - w.first) : strlen(w.first);
	char *name = mem_dupn(w.first, n);

	struct lookup_words resource = { name, NULL };
	int rc = n ? ask(r, resource, true, &o, e) : 0;
	const json_t *first = json_array_get(json_object_get(o, "resources"), 0);
	if (rc == 0 && first)
		rc = say_accounts(first, LOOKUP_READ, e);
	else if (rc == 0)
		rc = no_resource(n ? name : w.first, e);
	free(name);
	return rc;
}

static int
choose(struct remote *r, struct lookup_words w, enum lookup_use use, const json_t *answer,
       struct lookup_thing *ret, struct err *e)
{
	const json_t *accounts = json_object_get(answer, "accounts");
	/* As two words it is not the resource that is meant. */
	const json_t *wholes = w.login ? NULL : json_object_get(answer, "resources");
	const json_t *whole = json_array_get(wholes, 0), *one = json_array_get(accounts, 0);
	size_t n = json_array_size(accounts), nwhole = json_array_size(wholes);

	if (n + nwhole > 1)
		return say_several(w.first, answer, e);
	if (one)
		return take(one, json_object_get(one, "resource"), ret, e);
	if (!whole)
		return say_nothing(r, w, e);
	accounts = json_object_get(whole, "accounts");
	if (use == LOOKUP_READ && json_array_size(accounts) == 1)
		return take(json_array_get(accounts, 0), whole, ret, e);
	return say_accounts(whole, use, e);
}

int
lookup_account(struct remote *r, struct lookup_words w, enum lookup_use use,
	       struct lookup_thing *ret, struct err *e)
{
	auto_json o = NULL;
	bool by_id = !w.login && lookup_is_id(w.first);
	int rc = by_id ? ask_id(r, "accounts", w.first, &o, e) : ask(r, w, false, &o, e);

	if (rc < 0)
		return rc == ERR_NOT_FOUND && by_id
			       ? err_set(e, ERR_REFUSED, "there is no account %s that you may see",
					 w.first)
			       : rc;
	return by_id ? take(o, json_object_get(o, "resource"), ret, e)
		     : choose(r, w, use, o, ret, e);
}

int
lookup_resource(struct remote *r, const char *spec, struct lookup_thing *ret, struct err *e)
{
	auto_json o = NULL;
	struct lookup_words w = { spec, NULL };
	bool by_id = lookup_is_id(spec);
	int rc = by_id ? ask_id(r, "resources", spec, &o, e) : ask(r, w, true, &o, e);

	if (rc < 0)
		return rc;
	const json_t *found = json_object_get(o, "resources");
	if (by_id)
		return take(NULL, o, ret, e);
	if (json_array_size(found) > 1)
		return say_several(spec, o, e);
	if (json_array_size(found) == 0)
		return no_resource(spec, e);
	return take(NULL, json_array_get(found, 0), ret, e);
}

static int
take_folder(const json_t *folder, struct lookup_thing *ret, struct err *e)
{
	struct lookup_thing t = { 0 };

	if (!is_id(lookup_text(folder, "id"), t.id))
		return err_set(e, ERR_BAD_JSON, "the node's answer has no id");
	t.resource = mem_dup(lookup_text(folder, "path"));
	t.owner = mem_dup(lookup_text(json_object_get(folder, "owner"), "name"));
	*ret = t;
	return 0;
}

static int
choose_folder(const json_t *found, const char *spec, struct lookup_thing *ret, struct err *e)
{
	const char *slash = strrchr(spec, '/'), *name = slash ? slash + 1 : spec;
	auto_buf list = BUF_INIT;
	size_t i;
	json_t *f;

	json_array_foreach(found, i, f)
	{
		if (!means(name, f, "name"))
			return err_set(e, ERR_BAD_JSON,
				       "the node answered of something else than was asked; "
				       "nothing was done");
		buf_addf(&list, "%s%s", i ? ", " : "", lookup_text(f, "path"));
	}
	if (json_array_size(found) > 1)
		return lookup_several(ERR_REFUSED, spec, "folder", "write more of its path",
				      buf_str(&list), e);
	if (json_array_size(found) == 0)
		return say_none("folder", spec, " that you may see; see `holdfast folder list`", e);
	return take_folder(json_array_get(found, 0), ret, e);
}

int
lookup_folder(struct remote *r, const char *spec, struct lookup_thing *ret, struct err *e)
{
	auto_buf path = BUF_INIT;
	auto_json o = NULL;
	bool by_id = lookup_is_id(spec);

	buf_adds(&path, "/v1/folders?path=");
	lookup_escape(&path, spec);
	int rc = by_id ? ask_id(r, "folders", spec, &o, e)
		       : remote_call(r, REMOTE_READ, "GET", buf_str(&path), NULL, &o, e);
	if (rc < 0)
		return rc;
	return by_id ? take_folder(o, ret, e)
		     : choose_folder(json_object_get(o, "folders"), spec, ret, e);
}

/* The id of the member of this name. false: there is none. */
static bool
match_name(json_t *list, const char *name, char id[static 37])
{
	size_t i;
	json_t *o;

	json_array_foreach(list, i, o)
	{
		if (name_same(lookup_text(o, "name"), name) && is_id(lookup_text(o, "id"), id))
			return true;
	}
	return false;
}

/* Who is looked for by name, and who was found. */
struct sought {
	const char *name;
	char *id;
	unsigned n;
	struct buf list; /* of several */
};

static void
sought_done(struct sought *s)
{
	buf_done(&s->list);
}

static bool
take_principal(void *arg, json_t *u)
{
	struct sought *s = arg;
	char id[37];

	if (!means(s->name, u, "name") || !is_id(lookup_text(u, "id"), id))
		return true;
	if (s->n++ == 0)
		memcpy(s->id, id, sizeof(id));
	buf_adds(&s->list, s->n > 1 ? ", " : "");
	lookup_add_name(&s->list, u, "name");
	return s->n <= CANDIDATES_MAX;
}

/* In the list of `noun`s. */
static int
lookup_principal(struct remote *r, const char *noun, const char *spec, char id[static 37],
		 struct err *e)
{
	FREE_WITH(sought_done) struct sought s = { .name = spec, .id = id, .list = BUF_INIT };
	auto_buf path = BUF_INIT, array = BUF_INIT, hint = BUF_INIT;

	if (is_id(spec, id))
		return 0;
	buf_addf(&array, "%ss", noun);
	buf_addf(&path, "/v1/%ss?q=", noun); /* many names may hold this one */
	lookup_escape(&path, spec);
	const struct paging list = { .array = buf_str(&array), .cursor = "after" };
	int rc = paging_each(r, &list, buf_str(&path), take_principal, &s, e);
	if (rc == 0 && s.n > 1)
		return lookup_several(ERR_REFUSED, spec, noun, "say which", buf_str(&s.list), e);
	if (rc < 0 || s.n)
		return rc;
	buf_addf(&hint, "; see `holdfast %s list`", noun);
	return say_none(noun, spec, buf_str(&hint), e);
}

int
lookup_user(struct remote *r, const char *spec, char id[static 37], struct err *e)
{
	return lookup_principal(r, "user", spec, id, e);
}

int
lookup_team(struct remote *r, const char *spec, char id[static 37], struct err *e)
{
	return lookup_principal(r, "team", spec, id, e);
}

int
lookup_node(struct remote *r, const char *spec, char id[static 37], struct err *e)
{
	auto_json o = NULL;

	if (is_id(spec, id))
		return 0;
	int rc = remote_call(r, REMOTE_READ, "GET", "/v1/nodes", NULL, &o, e);
	if (rc < 0 || match_name(json_object_get(o, "nodes"), spec, id))
		return rc;
	return say_none("node", spec, "; see `holdfast ha status`", e);
}

/* ---- what is said ---- */

int
lookup_version(const char *text, const char *shown, int64_t *ret, struct err *e)
{
	if (cli_number(text, strlen(text), 1, VERSION_MAX, ret))
		return 0;
	return err_set(e, ERR_USAGE, "VERSION is a number as `holdfast %s` shows it, not \"%s\"",
		       shown, text);
}

int
lookup_several(int code, const char *name, const char *what, const char *how, const char *list,
	       struct err *e)
{
	return err_set(e, code, "\"%.60s\" means more than one %s; %s: %s", name, what, how, list);
}
