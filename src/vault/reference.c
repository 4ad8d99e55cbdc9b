/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/reference.h"

#include <assert.h>
#include <string.h>
#include "vault/journal_overlay.h"

#define ACCOUNTS_TOLD 9 /* of a resource; one more is read, to know that there are more */

/* What a word may read as: a name, or (tail not "") a name and how its holder's id ends. */
struct reading {
	const char *name, *tail;
};

#define READINGS_MAX 2

static size_t
read_word(struct call *c, const char *word, struct reading ret[static READINGS_MAX])
{
	ret[0] = (struct reading){ word, "" };
	return policy_split_suffix(c->a, word, &ret[1].name, &ret[1].tail) ? 2 : 1;
}

/* Pairs of a resource's name and a login, and where the resource stands, as they were written and as names are written now: rows
 * of older releases may be of another form. */
struct pairs {
	size_t n, cap;
	bool places;	    /* paths are looked for */
	const char **paths; /* "": anywhere */
	struct reading *names, *logins;
};

static void
add_pair(struct call *c, struct pairs *p, const char *path, const char *name, const char *login)
{
	struct reading names[READINGS_MAX], logins[READINGS_MAX];
	size_t nnames = read_word(c, name, names), nlogins = read_word(c, login, logins);

	for (size_t i = 0; i < nnames; i++) {
		for (size_t k = 0; k < nlogins; k++) {
			assert(p->n < p->cap);
			p->paths[p->n] = path;
			p->names[p->n] = names[i];
			p->logins[p->n++] = logins[k];
		}
	}
}

static size_t
count_slashes(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += *s == '/';
	return n;
}

/* In a word with more slashes no path is looked for, so that there are not too many ways to read it. */
#define PATH_SLASHES_MAX 24

/* For the readings of two forms of a word: of itself, and (logins) cut at each of its slashes. */
static struct pairs
new_pairs(struct call *c, const char *word, bool cut)
{
	size_t slashes = count_slashes(word);
	bool places = slashes <= PATH_SLASHES_MAX;
	size_t words = 2 * (cut ? slashes : 2) * (places ? 1 + slashes : 1);
	size_t cap = words * READINGS_MAX * READINGS_MAX;

	return (struct pairs){ .places = places,
			       .cap = cap,
			       .paths = arena_alloc(c->a, (cap + 1) * sizeof(const char *)),
			       .names = arena_alloc(c->a, (cap + 1) * sizeof(struct reading)),
			       .logins = arena_alloc(c->a, (cap + 1) * sizeof(struct reading)) };
}

/* The word as a resource: its name, or behind a slash, where it stands before that. */
static void
add_places(struct call *c, struct pairs *p, const char *word, const char *login)
{
	add_pair(c, p, "", word, login);
	for (const char *s = p->places ? strchr(word, '/') : NULL; s; s = strchr(s + 1, '/'))
		if (s != word && s[1])
			add_pair(c, p, arena_strndup(c->a, word, (size_t)(s - word)), s + 1, login);
}

/* Each slash behind something may be the border: what was imported may have an empty login. */
static void
split(struct call *c, const char *reference, struct pairs *ret)
{
	for (const char *p = strchr(reference, '/'); p; p = strchr(p + 1, '/'))
		if (p != reference)
			add_places(c, ret, arena_strndup(c->a, reference, (size_t)(p - reference)),
				   p + 1);
}

static void
bind_paths(struct binds *b, const struct pairs *p)
{
	bind_array_begin(b, STMT_TEXT);
	for (size_t i = 0; i < p->n; i++)
		bind_elem_text(b, p->paths[i]);
	bind_array_end(b);
}

static void
bind_readings(struct binds *b, const struct reading *v, size_t n)
{
	bind_array_begin(b, STMT_TEXT);
	for (size_t i = 0; i < n; i++)
		bind_elem_text(b, v[i].name);
	bind_array_end(b);
	bind_array_begin(b, STMT_TEXT);
	for (size_t i = 0; i < n; i++)
		bind_elem_text(b, v[i].tail);
	bind_array_end(b);
}

static void
write_owner(struct json_out *out, const struct rows *r, int i, int col)
{
	struct uuid owner;

	row_uuid(r, i, col, &owner);
	json_out_object(out, "owner");
	json_out_uuid(out, "id", &owner);
	json_out_text(out, "name", row_text(r, i, col + 1));
	json_out_end_object(out);
}

/* Of the folder that it stands in. */
static void
write_path(struct json_out *out, const struct rows *r, int i, int col)
{
	json_out_text(out, "path", row_null(r, i, col) ? NULL : row_text(r, i, col));
}

/* Columns from col on: id, login, current_n, conflict, level, shared. The object stays open. */
static void
begin_account(const struct call *c, struct json_out *out, const struct rows *r, int i, int col)
{
	struct uuid id;

	row_uuid(r, i, col, &id);
	json_out_object(out, NULL);
	json_out_uuid(out, "id", &id);
	json_out_text(out, "login", row_text(r, i, col + 1));
	json_out_int(out, "version",
		     journal_overlay_current(c->v->journal_overlay, &id, row_int(r, i, col + 2)));
	json_out_bool(out, "conflict", row_bool(r, i, col + 3));
	json_out_text(out, "level", policy_level_name(row_int(r, i, col + 4)));
	policy_write_suffix(out, &id, row_bool(r, i, col + 5));
}

static int
write_accounts(struct call *c, const struct pairs *p, struct json_out *out, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;

	bind_uuid(&b, &c->who.user);
	bind_paths(&b, p);
	bind_readings(&b, p->names, p->n);
	bind_readings(&b, p->logins, p->n);
	int rc = p->n ? db_exec(vault_reader(c->v), c->f, STMT_REFERENCE_ACCOUNTS, &b, &r, e) : 0;
	if (rc)
		return rc;
	json_out_array(out, "accounts");
	for (int i = 0; r && i < rows_count(r); i++) {
		struct uuid resource;
		row_uuid(r, i, COL_REFERENCE_ACCOUNTS_RESOURCE, &resource);
		begin_account(c, out, r, i, 0);
		json_out_object(out, "resource");
		json_out_uuid(out, "id", &resource);
		json_out_text(out, "name", row_text(r, i, COL_REFERENCE_ACCOUNTS_RESOURCE_NAME));
		policy_write_suffix(out, &resource,
				    row_bool(r, i, COL_REFERENCE_ACCOUNTS_RESOURCE_SHARED));
		write_owner(out, r, i, COL_REFERENCE_ACCOUNTS_OWNER);
		write_path(out, r, i, COL_REFERENCE_ACCOUNTS_FOLDER_PATH);
		json_out_end_object(out);
		json_out_end_object(out);
	}
	json_out_end_array(out);
	return 0;
}

static bool
same_resource(const struct rows *r, int i, int k)
{
	struct uuid a, b;

	row_uuid(r, i, COL_REFERENCE_RESOURCES_ID, &a);
	row_uuid(r, k, COL_REFERENCE_RESOURCES_ID, &b);
	return uuid_eq(&a, &b);
}

/* The resource of row i and its accounts; returns the row behind its last. */
static int
write_resource(struct call *c, struct json_out *out, const struct rows *r, int i)
{
	struct uuid id;
	int from = i;

	row_uuid(r, i, COL_REFERENCE_RESOURCES_ID, &id);
	json_out_object(out, NULL);
	json_out_uuid(out, "id", &id);
	json_out_text(out, "name", row_text(r, i, COL_REFERENCE_RESOURCES_NAME));
	json_out_text(out, "level",
		      policy_level_name(row_int(r, i, COL_REFERENCE_RESOURCES_LEVEL)));
	policy_write_suffix(out, &id, row_bool(r, i, COL_REFERENCE_RESOURCES_SHARED));
	write_owner(out, r, i, COL_REFERENCE_RESOURCES_OWNER);
	write_path(out, r, i, COL_REFERENCE_RESOURCES_FOLDER_PATH);
	json_out_array(out, "accounts");
	for (; i < rows_count(r) && same_resource(r, from, i); i++) {
		if (row_null(r, i, COL_REFERENCE_RESOURCES_ACCOUNT) || i - from == ACCOUNTS_TOLD)
			continue;
		begin_account(c, out, r, i, COL_REFERENCE_RESOURCES_ACCOUNT);
		json_out_end_object(out);
	}
	json_out_end_array(out);
	json_out_bool(out, "more", i - from > ACCOUNTS_TOLD);
	json_out_end_object(out);
	return i;
}

static int
write_resources(struct call *c, const char *const *names, size_t n, struct json_out *out,
		struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	struct pairs p = new_pairs(c, names[0], false);

	for (size_t i = 0; i < n; i++)
		add_places(c, &p, names[i], "");
	bind_uuid(&b, &c->who.user);
	bind_paths(&b, &p);
	bind_readings(&b, p.names, p.n);
	int rc = db_exec(vault_reader(c->v), c->f, STMT_REFERENCE_RESOURCES, &b, &r, e);
	if (rc)
		return rc;
	json_out_array(out, "resources");
	for (int i = 0; i < rows_count(r);)
		i = write_resource(c, out, r, i);
	json_out_end_array(out);
	return 0;
}

static int
write_both(struct call *c, const struct pairs *p, const char *const names[2], struct json_out *out,
	   struct err *e)
{
	size_t forms = strcmp(names[0], names[1]) == 0 ? 1 : 2;

	json_out_object(out, NULL);
	int rc = write_accounts(c, p, out, e);
	if (rc == 0)
		rc = write_resources(c, names, forms, out, e);
	json_out_end_object(out);
	return rc;
}

int
reference_read(struct call *c, const char *reference, struct json_out *out, struct err *e)
{
	const char *forms[2] = { policy_nfc(c->a, reference), reference };

	if (strlen(reference) > REFERENCE_MAX)
		return err_set(e, ERR_BAD_FIELD, "reference: longer than %d bytes", REFERENCE_MAX);
	struct pairs p = new_pairs(c, reference, true);
	split(c, forms[0], &p);
	if (strcmp(forms[0], forms[1]) != 0)
		split(c, forms[1], &p);
	return write_both(c, &p, forms, out, e);
}

int
reference_read_words(struct call *c, const char *resource, const char *login, struct json_out *out,
		     struct err *e)
{
	const char *forms[2] = { policy_nfc(c->a, resource), resource };
	struct pairs p = new_pairs(c, resource, false);

	if (strlen(resource) > REFERENCE_MAX || (login && strlen(login) > REFERENCE_MAX))
		return err_set(e, ERR_BAD_FIELD, "resource, login: longer than %d bytes",
			       REFERENCE_MAX);
	const char *logins[2] = { login ? policy_nfc(c->a, login) : NULL, login };
	size_t names = strcmp(forms[0], forms[1]) == 0 ? 1 : 2;
	size_t n = !login ? 0 : strcmp(logins[0], logins[1]) == 0 ? 1 : 2;
	for (size_t i = 0; i < names; i++)
		for (size_t k = 0; k < n; k++)
			add_places(c, &p, forms[i], logins[k]);
	return write_both(c, &p, forms, out, e);
}
