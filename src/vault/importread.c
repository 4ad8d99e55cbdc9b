/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/importread.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/mem.h"
#include "base/name.h"

#define FIELD_NAME_MAX 100
#define FIELD_VALUE_MAX (64u << 10) /* as the API has it */

static const char blanks[] = " \t\r\n";

const char *
importread_trim(struct arena *a, const char *text)
{
	const char *from = text + strspn(text, blanks);
	size_t n = strlen(from);
	while (n && strchr(blanks, from[n - 1]))
		n--;
	return from == text && from[n] == '\0' ? text : arena_strndup(a, from, n);
}

void
importread_begin(struct importread_draft *d, struct importfile *file, unsigned line)
{
	*d = (struct importread_draft){
		.file = file,
		.group = "",
		.title = "",
		.entry = { .line = line,
			   .resource = "",
			   .login = "",
			   .url = "",
			   .description = "",
			   .type = "",
			   .address = "" },
	};
}

static bool
has_field(const struct importfile_entry *x, const char *name)
{
	for (size_t i = 0; i < x->nfields; i++)
		if (strcasecmp(x->field[i].name, name) == 0)
			return true;
	return false;
}

void
importread_field(struct importread_draft *d, const char *name, const char *value, size_t value_len)
{
	struct importfile_entry *x = &d->entry;
	struct arena *a = d->file->a;
	name = policy_nfc(a, name);
	const char *own = importread_trim(a, name);
	if (x->nfields > ACCOUNT_FIELDS_MAX)
		return; /* one too many is bad enough */
	if (x->nfields == d->cap) {
		d->cap = d->cap ? 2 * d->cap : 4;
		struct account_field *grown = arena_alloc(a, d->cap * sizeof(*grown));
		if (x->nfields)
			memcpy(grown, x->field, x->nfields * sizeof(*grown));
		x->field = grown;
	}
	for (int i = 2; has_field(x, own); i++)
		own = arena_printf(a, "%s (%d)", importread_trim(a, name), i);
	x->field[x->nfields++] = (struct account_field){ own, value, value_len };
}

void
importread_lost(struct importfile *file, const char *name)
{
	for (size_t i = 0; i < file->nlost; i++) {
		if (strcmp(file->lost[i].name, name) == 0) {
			file->lost[i].values++;
			return;
		}
	}
	if (file->nlost < IMPORTFILE_LOST_MAX)
		file->lost[file->nlost++] =
			(struct importfile_lost){ arena_strdup(file->a, name), 1 };
}

/* ---- names ---- */

/* "host" of "scheme://user@host:port/path", and of what has no scheme. */
static const char *
host_of(struct arena *a, const char *url)
{
	const char *p = strstr(url, "://");
	p = p ? p + 3 : url;
	size_t n = strcspn(p, "/?#");
	const char *at = memchr(p, '@', n);
	if (at) {
		n -= (size_t)(at + 1 - p);
		p = at + 1;
	}
	if (*p == '[') {
		p++;
		n = strcspn(p, "]");
	} else {
		n = strcspn(p, ":/?#") < n ? strcspn(p, ":/?#") : n;
	}
	return arena_strndup(a, p, n);
}

/* The groups above, "A/B", each without blanks at its ends; what says nothing left out. */
static const char *
path_of(struct importread_draft *d)
{
	const struct importformat *format = d->file->format;
	struct arena *a = d->file->a;
	char separator[] = { format->path, '\0' }, *save = NULL;
	char *groups = arena_strdup(a, d->group);
	const char *path = "";
	unsigned depth = 0;
	for (char *g = strtok_r(groups, separator, &save); g;
	     g = strtok_r(NULL, separator, &save)) {
		const char *name = importread_trim(a, g);
		if (depth++ == 0 && (format->flags & IMPORTFORMAT_ROOT))
			continue;
		if (depth == 2 && (format->flags & IMPORTFORMAT_ROOT) && importformat_is_bin(name))
			d->entry.removed = true;
		if (*name && strcmp(name, "(none)") != 0)
			path = *path ? arena_printf(a, "%s/%s", path, name) : name;
	}
	return path;
}

/* What the entry is named by. */
static void
name_entry(struct importread_draft *d)
{
	struct importfile_entry *x = &d->entry;
	struct arena *a = d->file->a;
	const char *path = path_of(d), *title = importread_trim(a, d->title), *host;
	x->login = importread_trim(a, x->login);
	x->url = importread_trim(a, x->url);
	if (strcmp(x->url, "http://sn") == 0) /* LastPass' mark of a note */
		x->url = "";
	host = host_of(a, x->url);
	if (!*title && *host) {
		title = host;
		x->named = d->file->format->flags & IMPORTFORMAT_NO_TITLE ? NULL : "its URL";
	} else if (!*title && *x->login) {
		title = x->login;
		x->named = "its login";
	} else if (!*title) {
		title = "untitled";
		x->named = "a word, for it has no URL or login either";
	}
	x->resource = *path ? arena_printf(a, "%s/%s", path, title) : title;
}

/* ---- the vault's rules ---- */

static int
check_texts(const struct importfile_entry *x, struct err *e)
{
	/* The same bounds as the API's bodies have. */
	const struct {
		const char *name, *value;
		size_t max;
		bool is_name;
	} texts[] = {
		{ "the resource's name", x->resource, 200, true },
		{ "the login", x->login, 200, *x->login != '\0' },
		{ "the URL", x->url, 2000, false },
		{ "the description", x->description, 4000, false },
		{ "the type", x->type, 100, false },
		{ "the address", x->address, 255, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (strlen(texts[i].value) > texts[i].max)
			return err_set(e, ERR_BAD_FIELD, "%s is longer than %zu bytes",
				       texts[i].name, texts[i].max);
		int rc = texts[i].is_name ? name_check(texts[i].value, texts[i].name, e) : 0;
		if (rc)
			return rc;
	}
	return 0;
}

static int
check_fields(const struct importfile_entry *x, struct err *e)
{
	size_t sum = 0;
	if (x->nfields > ACCOUNT_FIELDS_MAX)
		return err_set(e, ERR_BAD_FIELD, "it has more than %d fields", ACCOUNT_FIELDS_MAX);
	for (size_t i = 0; i < x->nfields; i++) {
		const struct account_field *f = &x->field[i];
		int rc = name_check(f->name, "the name of a field", e);
		if (rc)
			return rc;
		if (strlen(f->name) > FIELD_NAME_MAX)
			return err_set(e, ERR_BAD_FIELD,
				       "the name of a field is longer than %d bytes",
				       FIELD_NAME_MAX);
		if (f->value_len > FIELD_VALUE_MAX)
			return err_set(e, ERR_BAD_FIELD, "the field %s is longer than %u KiB",
				       f->name, FIELD_VALUE_MAX >> 10);
		sum += f->value_len;
	}
	/* Escaping may make six bytes of one: only what is near the bound is measured. */
	if (sum > ACCOUNT_FIELDS_BYTES / 8 &&
	    account_fields_bytes(&(struct account_fields){ x->nfields, x->field }) >
		    ACCOUNT_FIELDS_BYTES)
		return err_set(e, ERR_BAD_FIELD, "its fields are together longer than %u KiB",
			       ACCOUNT_FIELDS_BYTES >> 10);
	return 0;
}

static struct importfile_entry *
new_entry(struct importfile *file)
{
	if (file->n == file->cap) {
		file->cap = file->cap ? 2 * file->cap : 256;
		file->entry = mem_grow(file->entry, file->cap, sizeof(*file->entry));
	}
	return &file->entry[file->n++];
}

int
importread_end(struct importread_draft *d, struct err *e)
{
	struct importfile_entry *x = &d->entry;
	struct err why = { 0 };
	if (d->file->n == IMPORTFILE_ENTRIES_MAX)
		return err_set(e, ERR_TOO_LARGE,
			       "the file has more than %d entries: import it in parts",
			       IMPORTFILE_ENTRIES_MAX);
	name_entry(d);
	x->resource = policy_nfc(d->file->a, x->resource);
	x->login = policy_nfc(d->file->a, x->login);
	if (x->nfields == 0)
		importread_field(d, "password", "", 0);
	if (!x->bad && (check_texts(x, &why) || check_fields(x, &why)))
		x->bad = arena_strdup(d->file->a, why.text);
	*new_entry(d->file) = *x;
	return 0;
}
