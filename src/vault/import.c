/* SPDX-License-Identifier: Apache-2.0
 *
 * Four steps: parse (every line is judged before anything else happens), check against what is
 * there (one read for all lines), seal (many fibers, so that keyd always has work), append (one
 * unit, ordered by kind so that each kind is applied by one statement).
 */
#include "vault/import.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/csv.h"
#include "vault/account.h"
#include "vault/lists.h"
#include "vault/resource.h"

#define SEALERS 16
#define COLUMNS_MAX CSV_FIELDS_MAX

/* What a column is for. */
enum column {
	COLUMN_IGNORED,
	COLUMN_GROUP,
	COLUMN_RESOURCE,
	COLUMN_LOGIN,
	COLUMN_URL,
	COLUMN_DESCRIPTION,
	COLUMN_FIELD, /* a secret field */
};

struct column_rule {
	const char *header; /* any case */
	enum column column;
	const char *field; /* COLUMN_FIELD: its name */
};

static const struct column_rule keepassxc_rules[] = {
	{ "Group", COLUMN_GROUP, NULL },
	{ "Title", COLUMN_RESOURCE, NULL },
	{ "Username", COLUMN_LOGIN, NULL },
	{ "Password", COLUMN_FIELD, "password" },
	{ "URL", COLUMN_URL, NULL },
	{ "Notes", COLUMN_FIELD, "notes" },
	{ "TOTP", COLUMN_FIELD, "totp" },
	{ "Icon", COLUMN_IGNORED, NULL },
	{ "Last Modified", COLUMN_IGNORED, NULL },
	{ "Created", COLUMN_IGNORED, NULL },
};

static const struct column_rule plain_rules[] = {
	{ "resource", COLUMN_RESOURCE, NULL },	  { "login", COLUMN_LOGIN, NULL },
	{ "password", COLUMN_FIELD, "password" }, { "url", COLUMN_URL, NULL },
	{ "notes", COLUMN_FIELD, "notes" },	  { "description", COLUMN_DESCRIPTION, NULL },
};

/* One line that will be an account. Texts in the arena of the call. */
struct line {
	unsigned number; /* in the file */
	const char *resource, *login, *url, *description;
	struct account_field *field;
	size_t nfields;
	unsigned first; /* index of the first line with the same resource */
	struct uuid resource_id, account_id;
	bool new_resource; /* this line brings it */
	struct buf resource_body, account_body, version_body;
};

struct import {
	struct call *c;
	enum import_format format;
	unsigned ncolumns;
	struct {
		enum column column;
		const char *field;
	} columns[COLUMNS_MAX];
	struct line *lines;
	size_t nlines, cap;
	size_t nresources;
	/* sealing */
	size_t next;
	unsigned sealers;
	struct fiber *waiting;
	int rc;
	struct err err;
};

int
import_format_parse(const char *name, enum import_format *ret, struct err *e)
{
	if (strcmp(name, "keepassxc") == 0)
		*ret = IMPORT_KEEPASSXC;
	else if (strcmp(name, "plain") == 0)
		*ret = IMPORT_PLAIN;
	else
		return err_set(e, ERR_BAD_FIELD, "format: keepassxc or plain");
	return 0;
}

/* ---- parse ---- */

static const struct column_rule *
find_rule(enum import_format format, const char *header)
{
	bool plain = format == IMPORT_PLAIN;
	const struct column_rule *rules = plain ? plain_rules : keepassxc_rules;
	size_t n = plain ? ARRAY_LEN(plain_rules) : ARRAY_LEN(keepassxc_rules);
	for (size_t i = 0; i < n; i++)
		if (strcasecmp(rules[i].header, header) == 0)
			return &rules[i];
	return NULL;
}

static bool
has_column(const struct csv *csv, const char *name)
{
	for (unsigned i = 0; i < csv->n; i++)
		if (strcasecmp(csv_field(csv, i), name) == 0)
			return true;
	return false;
}

/* KeePassXC's headers are known; a plain file may have columns of its own. */
static int
take_column(struct import *im, const struct csv *csv, unsigned i, struct err *e)
{
	const char *header = csv_field(csv, i);
	const struct column_rule *rule = find_rule(im->format, header);
	for (unsigned k = 0; k < i; k++)
		if (strcasecmp(csv_field(csv, k), header) == 0)
			return err_set(e, ERR_BAD_FIELD, "line %u: the column is there twice",
				       csv->record);
	if (!rule && im->format == IMPORT_KEEPASSXC) {
		im->columns[i].column = COLUMN_IGNORED;
		return 0;
	}
	if (rule) {
		im->columns[i].column = rule->column;
		im->columns[i].field = rule->field;
		return 0;
	}
	if (policy_name(header, "column", e) || strlen(header) > 100)
		return err_set(e, ERR_BAD_FIELD, "line %u: the name of column %u is no good",
			       csv->record, i + 1);
	im->columns[i].column = COLUMN_FIELD;
	im->columns[i].field = arena_strdup(im->c->a, header);
	return 0;
}

static int
read_header(struct import *im, struct csv *csv, struct err *e)
{
	int rc = csv_next(csv, e);
	if (rc < 0)
		return rc;
	if (rc == 0)
		return err_set(e, ERR_BAD_FIELD, "line 1: the file is empty");
	if (im->format == IMPORT_BY_HEADER)
		im->format = has_column(csv, "resource") ? IMPORT_PLAIN : IMPORT_KEEPASSXC;
	bool plain = im->format == IMPORT_PLAIN;
	const char *const need[] = { plain ? "resource" : "Title", plain ? "login" : "Username",
				     plain ? "password" : "Password" };
	for (size_t i = 0; i < ARRAY_LEN(need); i++)
		if (!has_column(csv, need[i]))
			return err_set(e, ERR_BAD_FIELD, "line %u: the column %s is missing",
				       csv->record, need[i]);
	im->ncolumns = csv->n;
	rc = 0;
	for (unsigned i = 0; i < csv->n && rc == 0; i++)
		rc = take_column(im, csv, i, e);
	return rc;
}

/* "Root/Servers/Linux" and "db1" → "Servers/Linux/db1": the root group's name says nothing. */
static const char *
join_group(struct arena *a, const char *group, const char *title)
{
	const char *below = strchr(group, '/');
	return below && below[1] ? arena_printf(a, "%s/%s", below + 1, title) : title;
}

static struct line *
new_line(struct import *im)
{
	if (im->nlines == im->cap) {
		size_t cap = im->cap ? 2 * im->cap : 256;
		struct line *grown = realloc(im->lines, cap * sizeof(*grown));
		if (!grown)
			abort();
		im->lines = grown;
		im->cap = cap;
	}
	struct line *l = &im->lines[im->nlines++];
	memset(l, 0, sizeof(*l));
	return l;
}

static void
take_fields(struct import *im, const struct csv *csv, struct line *l, const char **ret_group)
{
	struct arena *a = im->c->a;
	l->field = arena_alloc(a, im->ncolumns * sizeof(*l->field));
	for (unsigned i = 0; i < im->ncolumns; i++) {
		const char *value = arena_strndup(a, csv_field(csv, i), csv_field_len(csv, i));
		switch (im->columns[i].column) {
		case COLUMN_GROUP:
			*ret_group = value;
			break;
		case COLUMN_RESOURCE:
			l->resource = value;
			break;
		case COLUMN_LOGIN:
			l->login = value;
			break;
		case COLUMN_URL:
			l->url = value;
			break;
		case COLUMN_DESCRIPTION:
			l->description = value;
			break;
		case COLUMN_FIELD:
			/* An empty password is a state too; other empty fields are not there. */
			if (*value || strcmp(im->columns[i].field, "password") == 0)
				l->field[l->nfields++] = (struct account_field){
					.name = im->columns[i].field,
					.value = value,
					.value_len = csv_field_len(csv, i),
				};
			break;
		case COLUMN_IGNORED:
			break;
		}
	}
}

/* The same bounds as the API's bodies have. */
static int
check_line(const struct line *l, struct err *e)
{
	const struct {
		const char *name, *value;
		size_t max;
		bool is_name;
	} texts[] = {
		{ "resource", l->resource, 200, true },
		{ "login", l->login, 200, *l->login != '\0' },
		{ "url", l->url, 2000, false },
		{ "description", l->description, 4000, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (strlen(texts[i].value) > texts[i].max)
			return err_set(e, ERR_BAD_FIELD, "%s is longer than %zu bytes",
				       texts[i].name, texts[i].max);
		int rc = texts[i].is_name ? policy_name(texts[i].value, texts[i].name, e) : 0;
		if (rc)
			return rc;
	}
	return 0;
}

static int
take_line(struct import *im, const struct csv *csv, struct err *e)
{
	const char *group = "";
	if (csv->n != im->ncolumns)
		return err_set(e, ERR_BAD_FIELD, "line %u: %u fields, but the header has %u",
			       csv->record, csv->n, im->ncolumns);
	if (im->nlines == IMPORT_LINES_MAX)
		return err_set(e, ERR_TOO_LARGE, "at most %d accounts at once", IMPORT_LINES_MAX);
	struct line *l = new_line(im);
	*l = (struct line){ .number = csv->record, .url = "", .description = "" };
	take_fields(im, csv, l, &group);
	if (im->format == IMPORT_KEEPASSXC && !*l->resource)
		l->resource = l->url;
	if (im->format == IMPORT_KEEPASSXC && *l->resource)
		l->resource = join_group(im->c->a, group, l->resource);
	int rc = check_line(l, e);
	return rc ? err_prefix(e, "line %u: ", l->number) : 0;
}

static int
parse_all(struct import *im, const char *text, size_t n, struct err *e)
{
	struct csv csv;
	csv_init(&csv, text, n);
	int rc = read_header(im, &csv, e);
	while (rc == 0 && (rc = csv_next(&csv, e)) == 1)
		rc = take_line(im, &csv, e);
	csv_done(&csv);
	return rc;
}

/* ---- check ---- */

/* Row i of import_check belongs to line i. */
static int
judge_line(struct import *im, const struct rows *r, size_t i, struct err *e)
{
	struct line *l = &im->lines[i];
	int row = (int)i;
	unsigned pair = (unsigned)row_int(r, row, 2) - 1;
	l->first = (unsigned)row_int(r, row, 1) - 1;
	if (pair != i)
		return err_set(e, ERR_CONFLICT, "line %u: the same resource and login as line %u",
			       l->number, im->lines[pair].number);
	if (!row_null(r, row, 5))
		return err_set(e, ERR_CONFLICT, "line %u: %s has this login already", l->number,
			       l->resource);
	if (!row_null(r, row, 3)) {
		row_uuid(r, row, 3, &l->resource_id);
		if (row_int(r, row, 4) < LEVEL_MODIFY)
			return err_set(e, ERR_CONFLICT,
				       "line %u: the name %s is taken by a resource that you may "
				       "not change",
				       l->number, l->resource);
	} else if (l->first == i) {
		uuid_new(&l->resource_id);
		l->new_resource = true;
		im->nresources++;
	} else {
		l->resource_id = im->lines[l->first].resource_id;
	}
	uuid_new(&l->account_id);
	return 0;
}

/* A resource has one URL, the first line's; another one stays with its account. */
static void
keep_url(struct import *im, struct line *l)
{
	if (l->new_resource || !*l->url || strcmp(l->url, im->lines[l->first].url) == 0)
		return;
	for (size_t i = 0; i < l->nfields; i++)
		if (strcasecmp(l->field[i].name, "url") == 0)
			return;
	struct account_field *grown = arena_alloc(im->c->a, (l->nfields + 1) * sizeof(*grown));
	memcpy(grown, l->field, l->nfields * sizeof(*grown));
	grown[l->nfields++] = (struct account_field){ .name = "url",
						      .value = l->url,
						      .value_len = strlen(l->url) };
	l->field = grown;
}

static int
check_all(struct import *im, struct err *e)
{
	struct call *c = im->c;
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	bind_uuid(&b, &c->who.user);
	bind_array_begin(&b, STMT_TEXT);
	for (size_t i = 0; i < im->nlines; i++)
		bind_elem_text(&b, im->lines[i].resource);
	bind_array_end(&b);
	bind_array_begin(&b, STMT_TEXT);
	for (size_t i = 0; i < im->nlines; i++)
		bind_elem_text(&b, im->lines[i].login);
	bind_array_end(&b);
	int rc = lists_ask(c, STMT_IMPORT_CHECK, &b, &r, e);
	if (rc)
		return rc;
	if ((size_t)rows_count(r) != im->nlines)
		return err_set(e, ERR_INTERNAL, "import_check gave %d rows for %zu lines",
			       rows_count(r), im->nlines);
	for (size_t i = 0; i < im->nlines && rc == 0; i++) {
		rc = judge_line(im, r, i, e);
		if (rc == 0)
			keep_url(im, &im->lines[i]);
	}
	return rc;
}

/* ---- seal ---- */

static int
seal_line(struct import *im, struct fiber *f, struct line *l, struct err *e)
{
	const struct account_fields fields = { l->nfields, l->field };
	const struct resource_texts texts = { .name = l->resource, .url = l->url };
	struct call mine = *im->c;
	mine.f = f;
	if (l->new_resource)
		resource_created_body(&l->resource_body, &texts, &im->c->who.user);
	account_created_body(&l->account_body, &l->resource_id, l->login, l->description);
	int rc = account_first_version(&mine, &l->account_id, &fields, &l->version_body, e);
	return rc ? err_prefix(e, "line %u: ", l->number) : 0;
}

static void
seal_some(struct import *im, struct fiber *f)
{
	while (im->rc == 0 && im->next < im->nlines) {
		struct err e = { 0 };
		int rc = seal_line(im, f, &im->lines[im->next++], &e);
		if (rc && im->rc == 0) {
			im->rc = rc;
			im->err = e;
		}
	}
}

static void
sealer(struct fiber *f, void *arg)
{
	struct import *im = arg;
	seal_some(im, f);
	if (--im->sealers == 0 && im->waiting)
		fiber_wake(im->waiting);
}

/* The call's own fiber seals too, so that it works when no other can be had; then it waits for the
 * rest. */
static int
seal_all(struct import *im, struct err *e)
{
	for (int i = 1; i < SEALERS; i++) {
		im->sealers++;
		if (!fiber_start(im->c->v->fibers, sealer, im)) {
			im->sealers--;
			break;
		}
	}
	seal_some(im, im->c->f);
	if (im->sealers > 0) {
		im->waiting = im->c->f;
		fiber_sleep(im->c->f);
	}
	if (im->rc && e)
		*e = im->err;
	return im->rc;
}

/* ---- append ---- */

static void
summary_body(const struct import *im, struct buf *out)
{
	struct jw w;
	jw_init(&w, out);
	jw_object(&w, NULL);
	jw_int(&w, "accounts", (int64_t)im->nlines);
	jw_int(&w, "resources", (int64_t)im->nresources);
	jw_text(&w, "format", im->format == IMPORT_PLAIN ? "plain" : "keepassxc");
	jw_end_object(&w);
}

static int
append_all(struct import *im, struct err *e)
{
	auto_buf summary = BUF_INIT;
	struct call *c = im->c;
	size_t n = 0;
	struct event *ev = arena_alloc(c->a, (3 * im->nlines + 1) * sizeof(*ev));
	for (size_t i = 0; i < im->nlines; i++) {
		struct line *l = &im->lines[i];
		if (l->new_resource)
			ev[n++] = policy_event(c, EVENT_RESOURCE_CREATED, &l->resource_id,
					       buf_str(&l->resource_body));
	}
	for (size_t i = 0; i < im->nlines; i++) {
		struct line *l = &im->lines[i];
		ev[n++] = policy_event(c, EVENT_ACCOUNT_CREATED, &l->account_id,
				       buf_str(&l->account_body));
	}
	for (size_t i = 0; i < im->nlines; i++) {
		struct line *l = &im->lines[i];
		ev[n++] = policy_event(c, EVENT_VERSION_ADDED, &l->account_id,
				       buf_str(&l->version_body));
	}
	summary_body(im, &summary);
	ev[n++] = policy_event(c, EVENT_IMPORTED, &(struct uuid){ 0 }, buf_str(&summary));
	return policy_append(c, ev, n, e);
}

static void
done(struct import *im)
{
	for (size_t i = 0; i < im->nlines; i++) {
		buf_done(&im->lines[i].resource_body);
		buf_done(&im->lines[i].account_body);
		buf_done(&im->lines[i].version_body);
	}
	free(im->lines);
}

int
import_csv(struct call *c, const char *text, size_t n, enum import_format format, bool dry_run,
	   struct jw *out, struct err *e)
{
	struct import *im = arena_new_of(c->a, struct import);
	im->c = c;
	im->format = format;
	int rc = n > IMPORT_BYTES_MAX ? err_set(e, ERR_TOO_LARGE, "the file is larger than 32 MiB")
				      : parse_all(im, text, n, e);
	if (rc == 0)
		rc = check_all(im, e);
	if (rc == 0 && !dry_run && im->nlines) {
		rc = seal_all(im, e);
		if (rc == 0)
			rc = append_all(im, e);
	}
	if (rc == 0) {
		jw_object(out, NULL);
		jw_int(out, "accounts", (int64_t)im->nlines);
		jw_int(out, "resources", (int64_t)im->nresources);
		jw_bool(out, "dry_run", dry_run);
		jw_end_object(out);
	}
	done(im);
	return rc;
}
