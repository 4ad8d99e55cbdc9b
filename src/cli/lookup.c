/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/lookup.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "base/uuid.h"

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

static bool
is_id(const char *s, char id[static 37])
{
	struct uuid u;
	if (uuid_parse(s, &u) < 0)
		return false;
	snprintf(id, 37, "%s", s);
	return true;
}

static int
take_id(const json_t *o, char id[static 37], struct err *e)
{
	const char *s = lookup_text(o, "id");
	return is_id(s, id) ? 0 : err_set(e, ERR_BAD_JSON, "the node's answer has no id");
}

/* The resource of exactly this name; *ret is to be json_decref'ed. */
static int
find_resource(struct remote *r, const char *name, json_t **ret, struct err *e)
{
	auto_buf path = BUF_INIT;
	auto_json o = NULL;

	buf_adds(&path, "/v1/resources?limit=2&name=");
	lookup_escape(&path, name);
	int rc = remote_call(r, REMOTE_READ, "GET", buf_str(&path), NULL, &o, e);
	if (rc < 0)
		return rc;
	json_t *first = json_array_get(json_object_get(o, "resources"), 0);
	if (!first)
		return err_set(e, ERR_NOT_FOUND,
			       "there is no resource \"%s\" that you may see; try `holdfast find`",
			       name);
	*ret = json_incref(first);
	return 0;
}

int
lookup_resource(struct remote *r, const char *spec, char id[static 37], struct err *e)
{
	auto_json o = NULL;
	if (is_id(spec, id))
		return 0;
	int rc = find_resource(r, spec, &o, e);
	return rc < 0 ? rc : take_id(o, id, e);
}

static json_t *
match_login(json_t *accounts, const char *login)
{
	size_t i;
	json_t *a;
	json_array_foreach(accounts, i,
			   a) if (strcasecmp(lookup_text(a, "login"), login) == 0) return a;
	return NULL;
}

/* One account is wanted, several are there: say which. */
static int
say_accounts(const char *name, json_t *accounts, struct err *e)
{
	auto_buf list = BUF_INIT;
	size_t i;
	json_t *a;

	json_array_foreach(accounts, i, a)
	{
		if (i == 8) {
			buf_adds(&list, ", …");
			break;
		}
		buf_addf(&list, "%s%s", i ? ", " : "", lookup_text(a, "login"));
	}
	if (list.len == 0)
		return err_set(e, ERR_NOT_FOUND, "\"%s\" has no account that you may see", name);
	return err_set(e, ERR_NOT_FOUND,
		       "which account of \"%s\"? Write \"%s/LOGIN\"; there are: %s", name, name,
		       buf_str(&list));
}

int
lookup_account(struct remote *r, const char *spec, char id[static 37], struct err *e)
{
	if (is_id(spec, id))
		return 0;
	/* Resource names may hold slashes: try the last one as the border first. */
	const char *slash = strrchr(spec, '/');
	if (slash && slash != spec) {
		auto_json o = NULL;
		char *name = strndup(spec, (size_t)(slash - spec));
		if (!name)
			abort();
		int rc = find_resource(r, name, &o, e);
		if (rc == 0) {
			json_t *a = match_login(json_object_get(o, "accounts"), slash + 1);
			rc = a ? take_id(a, id, e)
			       : say_accounts(name, json_object_get(o, "accounts"), e);
		}
		free(name);
		if (rc != ERR_NOT_FOUND)
			return rc;
		struct err first = *e;
		auto_json whole = NULL;
		rc = find_resource(r, spec, &whole, e);
		if (rc == ERR_NOT_FOUND)
			*e = first;
		if (rc < 0)
			return rc;
		json_t *accounts = json_object_get(whole, "accounts");
		return json_array_size(accounts) == 1 ? take_id(json_array_get(accounts, 0), id, e)
						      : say_accounts(spec, accounts, e);
	}
	auto_json o = NULL;
	int rc = find_resource(r, spec, &o, e);
	if (rc < 0)
		return rc;
	json_t *accounts = json_object_get(o, "accounts");
	return json_array_size(accounts) == 1 ? take_id(json_array_get(accounts, 0), id, e)
					      : say_accounts(spec, accounts, e);
}

/* The id of the member of this name. false: there is none. */
static bool
match_name(json_t *list, const char *name, char id[static 37])
{
	size_t i;
	json_t *o;

	json_array_foreach(list, i, o)
	{
		if (strcasecmp(lookup_text(o, "name"), name) == 0 &&
		    is_id(lookup_text(o, "id"), id))
			return true;
	}
	return false;
}

int
lookup_user(struct remote *r, const char *spec, char id[static 37], struct err *e)
{
	auto_buf after = BUF_INIT;

	if (is_id(spec, id))
		return 0;
	do { /* many names may hold this one */
		auto_buf path = BUF_INIT;
		auto_json o = NULL;
		buf_adds(&path, "/v1/users?limit=200&q=");
		lookup_escape(&path, spec);
		if (after.len)
			buf_addf(&path, "&after=%s", buf_str(&after));
		int rc = remote_call(r, REMOTE_READ, "GET", buf_str(&path), NULL, &o, e);
		if (rc < 0 || match_name(json_object_get(o, "users"), spec, id))
			return rc;
		buf_reset(&after);
		lookup_escape(&after, lookup_text(o, "next"));
	} while (after.len);
	return err_set(e, ERR_NOT_FOUND, "there is no user \"%s\"; see `holdfast user list`", spec);
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
	return err_set(e, ERR_NOT_FOUND, "there is no node \"%s\"; see `holdfast ha status`", spec);
}
