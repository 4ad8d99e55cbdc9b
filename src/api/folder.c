/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/folder.h"

#include "api/noun.h"

/* clang-format off */
#define FOLDER_LIST_QUERY(X, query) \
	X(query, parent, ID) \
	X(query, path, TEXT, .hi = MAX_QUERY) \
	X(query, q, TEXT, .hi = MAX_QUERY) \
	PAGE_QUERY(X, query, POLICY_PAGE)
DEFINE_QUERY(folder_list, FOLDER_LIST_QUERY)

#define FOLDER_EFFECT_QUERY(X, query) \
	X(query, parent, TEXT, .hi = MAX_NAME) \
	PAGE_QUERY(X, query, POLICY_PAGE_MAX)
DEFINE_QUERY(folder_effect, FOLDER_EFFECT_QUERY)

#define FOLDER_BODY(X, body) \
	X(body, name, TEXT, JREQUIRED, MAX_NAME) \
	X(body, description, TEXT, JEMPTY, MAX_DESCRIPTION) \
	X(body, parent, TEXT, JEMPTY, MAX_NAME)
DEFINE_BODY(folder, FOLDER_BODY)

#define FOLDER_CHANGE_BODY(X, body) \
	X(body, name, TEXT, 0, MAX_NAME) \
	X(body, description, TEXT, JEMPTY, MAX_DESCRIPTION) \
	X(body, parent, TEXT, JEMPTY, MAX_NAME)
DEFINE_BODY(folder_change, FOLDER_CHANGE_BODY)
/* clang-format on */

static int
on_folder_list(struct api_call *c, struct err *e)
{
	const struct query_folder_list *q = c->query;
	const struct folder_query fq = {
		.path = q->path, .q = q->q, .parent = q->parent, .page = PAGE_OF(q)
	};
	return folder_list(&c->call, &fq, &c->w, e);
}

static int
on_folder_new(struct api_call *c, struct err *e)
{
	const struct body_folder *b = c->body;
	const struct folder_texts t = { b->name, b->description, b->parent };
	struct uuid id;
	int rc = folder_create(&c->call, &t, &id, e);
	return rc ? rc : folder_show_changed(&c->call, &id, &c->w, e);
}

static int
on_folder_get(struct api_call *c, struct err *e)
{
	return folder_get(&c->call, call_id(c), &c->w, e);
}

static int
on_folder_change(struct api_call *c, struct err *e)
{
	const struct body_folder_change *b = c->body;
	const struct folder_texts t = { b->name, b->description, b->parent };
	int rc = folder_change(&c->call, call_id(c), &t, e);
	return rc ? rc : folder_show_changed(&c->call, call_id(c), &c->w, e);
}

static int
on_folder_remove(struct api_call *c, struct err *e)
{
	return folder_remove(&c->call, call_id(c), e);
}

static int
on_folder_effect(struct api_call *c, struct err *e)
{
	const struct query_folder_effect *q = c->query;
	return folder_effect(&c->call, call_id(c), q->parent ? q->parent : "", &PAGE_OF(q), &c->w,
			     e);
}

/* clang-format off */
const struct route routes_folder[] = {
	{ HTTP_GET, "/v1/folders", DO(folder_list), CAP_USE, READ,
	  NO_BODY, QUERY(folder_list), 0, "Folders",
	  "Lists folders that the caller owns or that are shared with them: what stands in one (parent), those that a path may mean, those with a word in name or "
	  "description (q), or what stands at the top for the caller." },
	{ HTTP_POST, "/v1/folders", DO(folder_new), CAP_USE, CHANGE | ROUTE_CREATES,
	  BODY(folder), NO_QUERY, SMALL, "Folder",
	  "Makes a folder, in another one (parent) or at the top; the caller owns it." },
	{ HTTP_GET, "/v1/folders/{id}", DO(folder_get), CAP_USE, READ,
	  NO_BODY, NO_QUERY, 0, "Folder",
	  "Shows a folder. parent and path are null or shorter where the caller does not see what it stands in." },
	{ HTTP_PATCH, "/v1/folders/{id}", DO(folder_change), CAP_USE, CHANGE,
	  BODY(folder_change), NO_QUERY, SMALL, "Folder",
	  "Changes the texts of a folder, or moves it with all that stands below it into another one (parent; \"\": to the top)." },
	{ HTTP_DELETE, "/v1/folders/{id}", DO(folder_remove), CAP_USE, CHANGE,
	  NO_BODY, NO_QUERY, 0, NULL,
	  "Removes a folder that is empty." },
	{ HTTP_GET, "/v1/folders/{id}/effect", DO(folder_effect), CAP_USE, READ,
	  NO_BODY, QUERY(folder_effect), 0, "Effect",
	  "Says who gains and who loses when a folder is moved into another one, or without one to the top: what they may before and after. Whoever may move it is told." },
	{ 0 },
};

const struct shape replies_folder[] = {
	REPLY(Folders, LIST(folders, Folder), FIELD(next, ID, NIL)),
	REPLY(Folder,
		FIELD(id, ID), FIELD(name, TEXT), FIELD(suffix, TEXT, NIL), FIELD(description, TEXT),
		FIELD(parent, ID, NIL), FIELD(path, TEXT), ONE(owner, Named), FIELD(level, TEXT, NIL),
		FIELD(created, TIME), FIELD(waits, BOOL)),
	REPLY(Effect, LIST(changes, EffectRow), FIELD(next, ID, NIL)),
	REPLY(EffectRow, ONE(user, Suffixed), FIELD(before, TEXT, NIL), FIELD(after, TEXT, NIL)),
	{ 0 },
};
/* clang-format on */
