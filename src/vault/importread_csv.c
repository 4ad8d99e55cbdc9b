/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <strings.h>
#include "base/csv.h"
#include "base/name.h"
#include "vault/importread.h"

struct column {
	enum importformat_use use;
	const char *field, *header;
	bool lost; /* it has no place here */
};

struct reading {
	struct importfile *file;
	struct csv csv;
	unsigned ncolumns;
	struct column column[CSV_FIELDS_MAX];
};

/* ---- header ---- */

static bool
same_header(const char *field, const char *header)
{
	size_t n = strlen(header);
	field += strspn(field, " \t");
	return strncasecmp(field, header, n) == 0 && field[n + strspn(field + n, " \t")] == '\0';
}

static bool
has_column(const struct csv *csv, const char *name)
{
	for (unsigned i = 0; i < csv->n; i++)
		if (same_header(csv_field(csv, i), name))
			return true;
	return false;
}

static bool
has_use(const struct csv *csv, const struct importformat *format, enum importformat_use use)
{
	for (const struct importformat_column *c = format->columns; c->header; c++)
		if (c->use == use && has_column(csv, c->header))
			return true;
	return false;
}

/* The first column that is missing; NULL: it fits. */
static const char *
misses(const struct csv *csv, const struct importformat *format)
{
	for (size_t i = 0; format->needs[i]; i++)
		if (!has_column(csv, format->needs[i]))
			return format->needs[i];
	if (!has_use(csv, format, IMPORTFORMAT_TITLE) && !has_use(csv, format, IMPORTFORMAT_URL) &&
	    !has_use(csv, format, IMPORTFORMAT_LOGIN))
		return "resource";
	return NULL;
}

static const struct importformat *
recognise(const struct csv *csv)
{
	size_t n;
	const struct importformat *all = importformat_all(&n);
	for (size_t i = 0; i < n; i++)
		if (all[i].read == importread_csv &&
		    (!all[i].first || same_header(csv_field(csv, 0), all[i].first)) &&
		    !misses(csv, &all[i]))
			return &all[i];
	return NULL;
}

/* Excel says in a line of its own what separates. */
static void
open_table(struct csv *csv, const char *text, size_t n)
{
	csv_init(csv, text, n);
	while (csv->p < csv->end && (*csv->p == '\r' || *csv->p == '\n')) {
		csv->line += *csv->p == '\n';
		csv->p++;
	}
	if (csv->end - csv->p > 5 && strncasecmp(csv->p, "sep=", 4) == 0 &&
	    strchr("\r\n", csv->p[5])) {
		csv->separator = csv->p[4];
		csv->p += 5;
	} else {
		csv->separator = csv_guess_separator(csv->p, (size_t)(csv->end - csv->p));
	}
}

static int
next_header(struct csv *csv, struct err *e)
{
	int rc = csv_next(csv, e);
	if (rc < 0)
		return rc;
	if (rc == 0)
		return err_set(e, ERR_BAD_FIELD, "line 1: the file is empty");
	if (csv->fault)
		return err_set(e, ERR_BAD_FIELD, "line %u: %s", csv->record, csv->fault);
	return 0;
}

/* Nothing of the line is repeated when it is no header: it may hold a password. */
int
importread_csv_format(const char *text, size_t n, const struct importformat **ret, struct err *e)
{
	struct csv csv;
	open_table(&csv, text, n);
	int rc = next_header(&csv, e);
	if (rc == 0) {
		*ret = recognise(&csv);
		if (!*ret)
			rc = err_set(e, ERR_BAD_FIELD,
				     "line %u: these are not the columns of any format that is "
				     "known; let the first line name them, like "
				     "resource,login,password",
				     csv.record);
	}
	csv_done(&csv);
	return rc;
}

/* Of several columns for the same thing the first rule's counts. */
static bool
is_outdone(const struct csv *csv, const struct importformat *format,
	   const struct importformat_column *rule)
{
	for (const struct importformat_column *c = format->columns; c < rule; c++)
		if (c->use == rule->use && rule->use != IMPORTFORMAT_FIELDS &&
		    (!c->field || strcmp(c->field, rule->field) == 0) && has_column(csv, c->header))
			return true;
	return false;
}

static const struct importformat_column *
find_rule(const struct csv *csv, const struct importformat *format, const char *header)
{
	for (const struct importformat_column *c = format->columns; c->header; c++)
		if (same_header(header, c->header))
			return is_outdone(csv, format, c) ? NULL : c;
	return NULL;
}

static int
take_column(struct reading *r, unsigned i, struct err *e)
{
	struct importfile *file = r->file;
	struct arena *a = file->a;
	const char *header = importread_trim(a, csv_field(&r->csv, i));
	const struct importformat_column *rule = find_rule(&r->csv, file->format, header);
	struct column *c = &r->column[i];
	c->header = *header ? arena_strdup(a, header) : arena_printf(a, "column %u", i + 1);
	for (unsigned k = 0; *header && k < i; k++)
		if (strcasecmp(r->column[k].header, header) == 0)
			return err_set(e, ERR_BAD_FIELD, "line %u: column %u is there twice",
				       r->csv.record, i + 1);
	if (rule) {
		c->use = rule->use;
		c->field = rule->field;
		return 0;
	}
	c->use = IMPORTFORMAT_FIELD;
	c->field = c->header;
	c->lost = !*header || !(file->format->flags & IMPORTFORMAT_KEEP);
	if (c->lost)
		return 0;
	if (strlen(header) > 100 || name_check(header, "column", e))
		return err_set(e, ERR_BAD_FIELD, "line %u: the name of column %u is no good",
			       r->csv.record, i + 1);
	return 0;
}

static int
read_header(struct reading *r, struct err *e)
{
	struct csv *csv = &r->csv;
	int rc = next_header(csv, e);
	if (rc)
		return rc;
	const char *missing = misses(csv, r->file->format);
	if (missing)
		return err_set(e, ERR_BAD_FIELD, "line %u: the column %s is missing", csv->record,
			       missing);
	r->ncolumns = csv->n;
	for (unsigned i = 0; i < csv->n && rc == 0; i++)
		rc = take_column(r, i, e);
	csv->backslash = r->file->format->flags & IMPORTFORMAT_BACKSLASH;
	return rc;
}

/* ---- records ---- */

/* "name: value" lines; what does not read so stays whole. */
static void
take_fields(struct importread_draft *d, const char *header, char *lines)
{
	struct arena *a = d->file->a;
	const char *whole = arena_strdup(a, lines);
	char *save = NULL;
	for (const char *p = whole; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		const char *colon = strstr(p, ": ");
		if (!colon || colon == p || colon > p + strcspn(p, "\n")) {
			importread_field(d, header, whole, strlen(whole));
			return;
		}
	}
	for (char *line = strtok_r(lines, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *colon = strstr(line, ": ");
		*colon = '\0';
		importread_field(d, line, colon + 2, strlen(colon + 2));
	}
}

static void
take_value(struct importread_draft *d, const struct column *c, const char *value, size_t n)
{
	struct arena *a = d->file->a;
	struct importfile_entry *x = &d->entry;
	const char **texts[] = {
		[IMPORTFORMAT_TITLE] = &d->title,
		[IMPORTFORMAT_GROUP] = &d->group,
		[IMPORTFORMAT_LOGIN] = &x->login,
		[IMPORTFORMAT_URL] = &x->url,
		[IMPORTFORMAT_DESCRIPTION] = &x->description,
		[IMPORTFORMAT_TYPE] = &x->type,
		[IMPORTFORMAT_ADDRESS] = &x->address,
	};
	if (c->lost) {
		/* What nobody ever set is no loss. */
		if (n && strcmp(value, "0") != 0 && strcasecmp(value, "false") != 0)
			importread_lost(d->file, c->header);
	} else if (c->use < ARRAY_LEN(texts)) {
		*texts[c->use] = arena_strndup(a, value, n);
	} else if (c->use == IMPORTFORMAT_FIELDS) {
		if (n)
			take_fields(d, c->header, arena_strndup(a, value, n));
	} else if (c->use == IMPORTFORMAT_FIELD) {
		/* An empty password is a state too; other empty fields are not there. */
		if (n || strcmp(c->field, "password") == 0)
			importread_field(d, c->field, arena_strndup(a, value, n), n);
	}
}

/* How many fields count: spreadsheets add empty ones behind the last column. */
static unsigned
count_fields(const struct csv *csv, unsigned columns)
{
	unsigned n = csv->n;
	while (n > columns && csv_field_len(csv, n - 1) == 0)
		n--;
	return n;
}

static bool
is_blank(const struct csv *csv)
{
	for (unsigned i = 0; i < csv->n; i++)
		if (csv_field_len(csv, i))
			return false;
	return !csv->fault;
}

static int
take_record(struct reading *r, struct err *e)
{
	const struct csv *csv = &r->csv;
	struct importread_draft d;
	unsigned n = count_fields(csv, r->ncolumns);
	if (is_blank(csv))
		return 0;
	importread_begin(&d, r->file, csv->record);
	for (unsigned i = 0; i < r->ncolumns; i++)
		take_value(&d, &r->column[i], csv_field(csv, i), csv_field_len(csv, i));
	if (n != r->ncolumns)
		d.entry.bad = arena_printf(r->file->a, "it has %u fields, but the header has %u", n,
					   r->ncolumns);
	if (csv->fault)
		d.entry.bad = csv->fault;
	return importread_end(&d, e);
}

int
importread_csv(struct importfile *file, const char *text, size_t n, struct err *e)
{
	struct reading *r = arena_new_of(file->a, struct reading);
	r->file = file;
	open_table(&r->csv, text, n);
	int rc = read_header(r, e);
	while (rc == 0 && (rc = csv_next(&r->csv, e)) == 1)
		rc = take_record(r, e);
	csv_done(&r->csv);
	return rc;
}
