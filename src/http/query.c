/* SPDX-License-Identifier: Apache-2.0 */
#include "http/query.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"

static int
take_text(const struct query_field *f, const char *text, void *at, struct err *e)
{
	if (strlen(text) > (size_t)f->hi)
		return err_set(e, ERR_BAD_FIELD, "%s: at most %lld bytes", f->name,
			       (long long)f->hi);
	*(const char **)at = text;
	return 0;
}

static int
take_word(const struct query_field *f, const char *text, void *at, struct err *e)
{
	size_t len = strlen(text), n;

	for (const char *w = f->words; *w; w += n + (w[n] == ' ')) {
		n = strcspn(w, " ");
		if (n != len || memcmp(w, text, n) != 0)
			continue;
		*(const char **)at = text;
		return 0;
	}
	return err_set(e, ERR_BAD_FIELD, "%s: one of: %s", f->name, f->words);
}

static int
take_number(const struct query_field *f, const char *text, void *at, struct err *e)
{
	size_t n = strspn(text, "0123456789");
	errno = 0;
	long long v = strtoll(text, NULL, 10);

	if (n == 0 || text[n] || errno || v < f->lo || v > f->hi)
		return err_set(e, ERR_BAD_FIELD, "%s: a number of %lld to %lld", f->name,
			       (long long)f->lo, (long long)f->hi);
	*(int64_t *)at = v;
	return 0;
}

/* The nil id is nobody's, and stands for an absent one: given, it would ask for all. */
static int
take_id(const struct query_field *f, const char *text, void *at, struct err *e)
{
	struct uuid id;

	if (uuid_parse(text, &id) || uuid_is_nil(&id))
		return err_set(e, ERR_BAD_FIELD, "%s: not an id", f->name);
	*(struct uuid *)at = id;
	return 0;
}

static int
take_time(const struct query_field *f, const char *text, void *at, struct err *e)
{
	struct query_time *t = at;

	if (clock_parse_iso(text, &t->us))
		return err_set(e, ERR_BAD_FIELD, "%s: like 2026-01-31T12:00:00.000000Z", f->name);
	t->given = true;
	return 0;
}

static int
take_bool(const struct query_field *f, const char *text, void *at, struct err *e)
{
	bool yes = strcmp(text, "true") == 0;

	if (!yes && strcmp(text, "false") != 0)
		return err_set(e, ERR_BAD_FIELD, "%s: true or false", f->name);
	*(bool *)at = yes;
	return 0;
}

static int (*const takers[])(const struct query_field *f, const char *text, void *at,
			     struct err *e) = {
	[QTEXT] = take_text, [QWORD] = take_word, [QNUMBER] = take_number,
	[QID] = take_id,     [QTIME] = take_time, [QBOOL] = take_bool,
};

static const struct query_field *
find(const struct query_field *table, const char *name)
{
	for (const struct query_field *f = table; f && f->name; f++)
		if (strcmp(f->name, name) == 0)
			return f;
	return NULL;
}

static int
refuse(const struct query_field *table, const char *name, struct err *e)
{
	auto_buf known = BUF_INIT;

	if (!table)
		return err_set(e, ERR_BAD_FIELD,
			       "this address takes no query parameters, and none named %.64s",
			       name);
	for (const struct query_field *f = table; f->name; f++)
		buf_addf(&known, "%s%s", f == table ? "" : ", ", f->name);
	return err_set(e, ERR_BAD_FIELD,
		       "there is no query parameter %.64s here; this address takes: %s", name,
		       buf_str(&known));
}

static int
take_pair(const struct query_field *table, const struct request_pair *p, char *out, struct err *e)
{
	const struct query_field *f = find(table, p->name);

	if (!f)
		return refuse(table, p->name, e);
	if (!p->value[0])
		return err_set(e, ERR_BAD_FIELD,
			       "the query parameter %s is empty: leave it out, or say what is "
			       "meant",
			       p->name);
	return takers[f->kind](f, p->value, out + f->offset, e);
}

int
query_parse(const struct query_field *table, const struct request *rq, void *out, struct err *e)
{
	for (const struct query_field *f = table; f && f->name; f++)
		if (f->kind == QNUMBER)
			*(int64_t *)((char *)out + f->offset) = f->otherwise;
	for (unsigned i = 0; i < rq->nquery; i++) {
		int rc = take_pair(table, &rq->query[i], out, e);

		if (rc < 0)
			return rc;
	}
	return 0;
}
