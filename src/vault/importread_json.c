/* SPDX-License-Identifier: Apache-2.0
 *
 * Bitwarden's JSON. One walk over the text before parsing bounds the depth and number of values,
 * and so memory, and finds the line on which each item begins.
 */
#include <stdlib.h>
#include <string.h>
#include <jansson.h>
#include "base/mem.h"
#include "vault/importread.h"

#define DEPTH_MAX 12
#define VALUES_MAX 1500000
#define ITEM_DEPTH 3 /* { "items": [ { */

struct reading {
	struct importfile *file;
	json_t *root, *folders; /* folders: id → name */
	unsigned *line;		/* of the objects in "items", in order */
	size_t nlines, cap;
};

struct walk {
	const char *p, *end;
	unsigned line, depth;
	size_t values;
	bool key_is_items; /* the last text at depth 1 was "items" */
	bool in_items;
};

static void
walk_text(struct walk *w)
{
	const char *from = ++w->p;
	while (w->p < w->end && *w->p != '"') {
		w->line += *w->p == '\n';
		w->p += *w->p == '\\' && w->p + 1 < w->end ? 2 : 1;
	}
	if (w->depth == 1)
		w->key_is_items = w->p - from == 5 && memcmp(from, "items", 5) == 0;
}

static void
keep_line(struct reading *r, unsigned line)
{
	if (r->nlines == r->cap) {
		r->cap = r->cap ? 2 * r->cap : 256;
		r->line = mem_grow(r->line, r->cap, sizeof(*r->line));
	}
	r->line[r->nlines++] = line;
}

static void
walk_open(struct reading *r, struct walk *w)
{
	w->depth++;
	if (w->depth == 2)
		w->in_items = w->key_is_items && *w->p == '[';
	if (w->depth == ITEM_DEPTH && w->in_items && *w->p == '{')
		keep_line(r, w->line);
}

static int
walk_over(struct reading *r, const char *text, size_t n, struct err *e)
{
	struct walk w = { .p = text, .end = text + n, .line = 1 };
	for (; w.p < w.end; w.p++) {
		if (*w.p == '"')
			walk_text(&w);
		else if (*w.p == '{' || *w.p == '[')
			walk_open(r, &w);
		else if ((*w.p == '}' || *w.p == ']') && w.depth)
			w.depth--;
		else if (*w.p == '\n')
			w.line++;
		else if (*w.p == ',')
			w.values++;
		if (w.depth > DEPTH_MAX)
			return err_set(e, ERR_BAD_FIELD, "line %u: the JSON is nested too deeply",
				       w.line);
		if (w.values > VALUES_MAX)
			return err_set(e, ERR_TOO_LARGE,
				       "the file has too many values: import it in parts");
	}
	return 0;
}

/* ---- items ---- */

static const char *
text_of(struct reading *r, const json_t *o, const char *name)
{
	const json_t *v = json_object_get(o, name);
	return json_is_string(v)
		       ? arena_strndup(r->file->a, json_string_value(v), json_string_length(v))
		       : "";
}

static void
take_field(struct importread_draft *d, const char *name, const json_t *v)
{
	struct arena *a = d->file->a;
	if (json_is_string(v) && json_string_length(v))
		importread_field(d, arena_strdup(a, name),
				 arena_strndup(a, json_string_value(v), json_string_length(v)),
				 json_string_length(v));
}

static void
take_urls(struct reading *r, struct importread_draft *d, const json_t *urls)
{
	size_t i;
	json_t *o;
	json_array_foreach(urls, i, o)
	{
		if (i == 0)
			d->entry.url = text_of(r, o, "uri");
		else
			take_field(d, arena_printf(r->file->a, "url %zu", i + 1),
				   json_object_get(o, "uri"));
	}
}

static void
take_login(struct reading *r, struct importread_draft *d, const json_t *login)
{
	const char *password = text_of(r, login, "password");
	d->entry.login = text_of(r, login, "username");
	importread_field(d, "password", password, strlen(password));
	take_field(d, "totp", json_object_get(login, "totp"));
	take_urls(r, d, json_object_get(login, "uris"));
	if (json_array_size(json_object_get(login, "fido2Credentials")))
		importread_lost(r->file, "passkeys");
}

/* A card, an identity, an SSH key: each of its texts is a field of that name. */
static void
take_texts(struct importread_draft *d, const json_t *o)
{
	const char *name;
	json_t *v;
	json_object_foreach(UNCONST(json_t *, o), name, v) take_field(d, name, v);
}

static void
take_own_fields(struct reading *r, struct importread_draft *d, const json_t *fields)
{
	size_t i;
	json_t *o;
	json_array_foreach(fields, i, o)
	{
		const char *name = text_of(r, o, "name");
		take_field(d, *name ? name : "field", json_object_get(o, "value"));
	}
}

static void
count_lost(struct reading *r, const json_t *item)
{
	if (json_is_true(json_object_get(item, "favorite")))
		importread_lost(r->file, "favorite");
	if (json_integer_value(json_object_get(item, "reprompt")))
		importread_lost(r->file, "reprompt");
	if (json_array_size(json_object_get(item, "passwordHistory")))
		importread_lost(r->file, "passwordHistory");
	if (json_array_size(json_object_get(item, "attachments")))
		importread_lost(r->file, "attachments");
}

static const char *
folder_of(const struct reading *r, const json_t *item)
{
	const json_t *id = json_object_get(item, "folderId");
	if (!json_is_string(id))
		id = json_array_get(json_object_get(item, "collectionIds"), 0);
	const json_t *name =
		json_is_string(id) ? json_object_get(r->folders, json_string_value(id)) : NULL;
	return json_is_string(name) ? json_string_value(name) : "";
}

static int
take_item(struct reading *r, size_t i, const json_t *item, struct err *e)
{
	static const char *const kinds[] = { "card", "identity", "sshKey" };
	struct importread_draft d;
	importread_begin(&d, r->file, i < r->nlines ? r->line[i] : 1);
	if (!json_is_object(item))
		return err_set(e, ERR_BAD_FIELD, "line %u: an item is no object", d.entry.line);
	d.title = text_of(r, item, "name");
	d.group = arena_strdup(r->file->a, folder_of(r, item));
	if (json_is_object(json_object_get(item, "login")))
		take_login(r, &d, json_object_get(item, "login"));
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
		take_texts(&d, json_object_get(item, kinds[k]));
	take_field(&d, "notes", json_object_get(item, "notes"));
	take_own_fields(r, &d, json_object_get(item, "fields"));
	d.entry.removed = json_is_string(json_object_get(item, "deletedDate"));
	count_lost(r, item);
	return importread_end(&d, e);
}

static void
take_folders(struct reading *r, const json_t *list)
{
	size_t i;
	json_t *o;
	json_array_foreach(list, i, o)
	{
		const char *id = json_string_value(json_object_get(o, "id"));
		if (id)
			json_object_set(r->folders, id, json_object_get(o, "name"));
	}
}

static int
take_all(struct reading *r, struct err *e)
{
	json_t *items = json_object_get(r->root, "items"), *item;
	size_t i;
	int rc = 0;
	if (json_is_true(json_object_get(r->root, "encrypted")))
		return err_set(e, ERR_BAD_FIELD,
			       "this export is encrypted: export again as \".json\", which is not");
	if (!json_is_array(items))
		return err_set(
			e, ERR_BAD_FIELD,
			"line 1: this is JSON, but not of Bitwarden: it has no list \"items\"");
	take_folders(r, json_object_get(r->root, "folders"));
	take_folders(r, json_object_get(r->root, "collections"));
	json_array_foreach(items, i, item)
	{
		rc = take_item(r, i, item, e);
		if (rc)
			break;
	}
	return rc;
}

int
importread_json(struct importfile *file, const char *text, size_t n, struct err *e)
{
	struct reading r = { .file = file };
	json_error_t je;
	int rc = walk_over(&r, text, n, e);
	if (rc == 0) {
		r.root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &je);
		r.folders = json_object();
		/* jansson's text may quote what stands there. */
		rc = r.root ? take_all(&r, e)
			    : err_set(e, ERR_BAD_FIELD, "line %d: the JSON is damaged", je.line);
	}
	json_decref(r.root);
	json_decref(r.folders);
	free(r.line);
	return rc;
}
