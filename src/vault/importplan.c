/* SPDX-License-Identifier: Apache-2.0
 *
 * Names are settled in rounds: one read tells for all lines what exists under their current names;
 * those whose name is taken get the next number, until no line changes.
 */
#include "vault/importplan.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "vault/lists.h"

#define ROUNDS_MAX 24

struct planning {
	struct call *c;
	struct importplan *plan;
	unsigned *in_play; /* indexes of the lines that may still come */
	size_t n;
};

static bool
may_come(const struct importplan_line *l)
{
	return l->fate == IMPORTPLAN_NEW || l->fate == IMPORTPLAN_UPDATED;
}

static void
end_line(struct importplan_line *l, enum importplan_fate fate, const char *why)
{
	l->fate = fate;
	l->why = why;
}

static void
begin_lines(struct planning *p, const struct importfile *file)
{
	struct importplan *plan = p->plan;
	plan->n = file->n;
	plan->line = arena_alloc(p->c->a, (file->n + 1) * sizeof(*plan->line));
	p->in_play = arena_alloc(p->c->a, (file->n + 1) * sizeof(*p->in_play));
	for (size_t i = 0; i < file->n; i++) {
		struct importplan_line *l = &plan->line[i];
		l->entry = &file->entry[i];
		l->resource = l->entry->resource;
		if (l->entry->removed)
			end_line(l, IMPORTPLAN_LEFT_OUT, "it was in a recycle bin");
		else if (l->entry->bad)
			end_line(l, IMPORTPLAN_REFUSED, l->entry->bad);
	}
}

static int
ask(struct planning *p, struct rows **ret, struct err *e)
{
	auto_binds b = BINDS_INIT;
	bind_uuid(&b, &p->c->who.user);
	bind_array_begin(&b, STMT_TEXT);
	for (size_t i = 0; i < p->n; i++)
		bind_elem_text(&b, p->plan->line[p->in_play[i]].resource);
	bind_array_end(&b);
	bind_array_begin(&b, STMT_TEXT);
	for (size_t i = 0; i < p->n; i++)
		bind_elem_text(&b, p->plan->line[p->in_play[i]].entry->login);
	bind_array_end(&b);
	int rc = lists_ask(p->c, STMT_IMPORT_CHECK, &b, ret, e);
	if (rc == 0 && (size_t)rows_count(*ret) != p->n)
		rc = err_set(e, ERR_INTERNAL, "import_check gave %d rows for %zu lines",
			     rows_count(*ret), p->n);
	return rc;
}

static void
take_row(struct planning *p, const struct rows *r, int row)
{
	struct importplan_line *l = &p->plan->line[p->in_play[row]];
	l->first = p->in_play[row_int(r, row, COL_IMPORT_CHECK_FIRST_NAME) - 1];
	l->pair = p->in_play[row_int(r, row, COL_IMPORT_CHECK_FIRST_PAIR) - 1];
	l->has_resource = !row_null(r, row, COL_IMPORT_CHECK_RESOURCE);
	row_uuid(r, row, COL_IMPORT_CHECK_RESOURCE, &l->resource_id);
	l->level = row_int(r, row, COL_IMPORT_CHECK_LEVEL);
	l->url = l->has_resource && l->level
			 ? arena_strdup(p->c->a, row_text(r, row, COL_IMPORT_CHECK_URL))
			 : "";
	l->has_account = !row_null(r, row, COL_IMPORT_CHECK_ACCOUNT);
	row_uuid(r, row, COL_IMPORT_CHECK_ACCOUNT, &l->account_id);
	l->account_level = row_int(r, row, COL_IMPORT_CHECK_ACCOUNT_LEVEL);
	l->several = row_bool(r, row, COL_IMPORT_CHECK_SEVERAL);
	l->unsettled = false;
}

/* The same name with the next number; true: it moved. */
static bool
move(struct planning *p, struct importplan_line *l)
{
	l->number = l->number ? l->number + 1 : 2;
	l->unsettled = true;
	l->resource = arena_printf(p->c->a, "%s (%u)", l->entry->resource, l->number);
	if (strlen(l->resource) > 200) {
		end_line(l, IMPORTPLAN_REFUSED,
			 "its name is taken, and too long for a number behind it");
		return false;
	}
	return true;
}

/* Of a login that is there, or above in the file. true: it got another name. */
static bool
judge_duplicate(struct planning *p, size_t i, struct importplan_line *l)
{
	const struct importplan_line *above = &p->plan->line[l->pair];
	bool here = l->pair != i;
	if (p->plan->duplicates == IMPORT_NEW)
		return move(p, l);
	if (p->plan->duplicates == IMPORT_UPDATE &&
	    (l->has_account ? l->account_level >= LEVEL_MODIFY : here)) {
		l->fate = IMPORTPLAN_UPDATED;
		return false;
	}
	if (l->has_account && p->plan->duplicates == IMPORT_UPDATE)
		end_line(l, IMPORTPLAN_SKIPPED, "it is there already, and you may not change it");
	else if (l->has_account)
		end_line(l, IMPORTPLAN_SKIPPED, "it is there already");
	else
		end_line(l, IMPORTPLAN_SKIPPED,
			 arena_printf(p->c->a, "the same resource and login as line %u",
				      above->entry->line));
	return false;
}

/* An account that the caller does not see is not asked for here (import_check leaves it out). */
static bool
judge(struct planning *p, size_t i)
{
	struct importplan_line *l = &p->plan->line[i];
	l->fate = IMPORTPLAN_NEW;
	if (l->several) {
		end_line(l, IMPORTPLAN_REFUSED,
			 "its name means more than one thing: rename all but one first (holdfast "
			 "conflicts)");
		return false;
	}
	if (l->has_account)
		return judge_duplicate(p, i, l);
	if (l->has_resource && l->level < LEVEL_MODIFY)
		return move(p, l);
	return l->pair != i && judge_duplicate(p, i, l);
}

static int
settle_names(struct planning *p, struct err *e)
{
	bool moved = true;
	for (unsigned round = 0; moved && round < ROUNDS_MAX; round++) {
		auto_rows r = NULL;
		p->n = 0;
		for (size_t i = 0; i < p->plan->n; i++)
			if (may_come(&p->plan->line[i]))
				p->in_play[p->n++] = (unsigned)i;
		int rc = p->n ? ask(p, &r, e) : 0;
		if (rc)
			return rc;
		moved = false;
		for (size_t k = 0; k < p->n; k++)
			take_row(p, r, (int)k);
		for (size_t k = 0; k < p->n; k++)
			if (judge(p, p->in_play[k]))
				moved = true;
	}
	for (size_t k = 0; k < p->n; k++) {
		struct importplan_line *l = &p->plan->line[p->in_play[k]];
		if (may_come(l) && l->unsettled)
			end_line(l, IMPORTPLAN_REFUSED, "too many resources have its name");
	}
	return 0;
}

/* Ids of what is new, and the versions of one account in their order. */
static void
settle_ids(struct planning *p)
{
	struct importplan *plan = p->plan;
	for (size_t i = 0; i < plan->n; i++) {
		struct importplan_line *l = &plan->line[i];
		if (!may_come(l))
			continue;
		if (!l->has_resource && l->first == i) {
			uuid_new(&l->resource_id);
			l->brings_resource = true;
		} else if (!l->has_resource) {
			l->resource_id = plan->line[l->first].resource_id;
		}
		if (l->pair == i) {
			if (!l->has_account)
				uuid_new(&l->account_id);
			continue;
		}
		struct importplan_line *last = &plan->line[l->pair];
		l->account_id = last->account_id;
		while (last->next)
			last = last->next;
		last->next = l;
	}
}

static void
say_names(struct planning *p)
{
	for (size_t i = 0; i < p->plan->n; i++) {
		struct importplan_line *l = &p->plan->line[i];
		if (!may_come(l) || l->why)
			continue;
		const char *named = l->entry->named;
		if (l->number)
			l->why = arena_printf(p->c->a, "it comes as \"%s\": the name %s",
					      l->resource,
					      p->plan->duplicates == IMPORT_NEW ? "is there already"
										: "is taken");
		else if (named)
			l->why = arena_printf(p->c->a, "it has no title and is named by %s", named);
	}
}

int
importplan_make(struct call *c, const struct importfile *file, enum import_duplicates duplicates,
		struct importplan *ret, struct err *e)
{
	struct planning p = { .c = c, .plan = ret };
	*ret = (struct importplan){ .file = file, .duplicates = duplicates };
	begin_lines(&p, file);
	int rc = settle_names(&p, e);
	if (rc)
		return rc;
	settle_ids(&p);
	say_names(&p);
	return 0;
}

static int
by_id(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct uuid));
}

const struct uuid *
importplan_touches(const struct call *c, const struct importplan *plan, size_t *ret_n)
{
	struct uuid *ids = arena_alloc(c->a, (2 * plan->n + 1) * sizeof(*ids));
	size_t n = 0, unique = 0;
	for (size_t i = 0; i < plan->n; i++) {
		const struct importplan_line *l = &plan->line[i];
		if (may_come(l) && l->has_resource)
			ids[n++] = l->resource_id;
		if (may_come(l) && l->has_account)
			ids[n++] = l->account_id;
	}
	qsort(ids, n, sizeof(*ids), by_id);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || !uuid_eq(&ids[i], &ids[unique - 1]))
			ids[unique++] = ids[i];
	*ret_n = unique;
	return ids;
}

struct account_fields
importplan_fields(const struct call *c, const struct importplan *plan,
		  const struct importplan_line *l)
{
	const struct importfile_entry *x = l->entry;
	const char *url = l->has_resource ? l->url : plan->line[l->first].entry->url;
	struct account_fields all = { x->nfields, x->field };
	if (!*x->url || strcmp(x->url, url) == 0 || all.n >= ACCOUNT_FIELDS_MAX)
		return all;
	for (size_t i = 0; i < x->nfields; i++)
		if (strcasecmp(x->field[i].name, "url") == 0)
			return all;
	struct account_field *grown = arena_alloc(c->a, (all.n + 1) * sizeof(*grown));
	memcpy(grown, x->field, all.n * sizeof(*grown));
	grown[all.n++] = (struct account_field){ "url", x->url, strlen(x->url) };
	all.field = grown;
	return all;
}
