/* SPDX-License-Identifier: Apache-2.0
 *
 * What an import would do, entry by entry, on a vault in which the caller sees some things, may
 * change fewer, and must not learn of the rest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fixture.h"
#include "vault/importplan.h"

#define ID(n) "0190d000-0000-7000-8000-0000000000" #n
#define HEADER "resource,login,password,url\n"

static struct fixture *x;

/* Ann imports; Ben shares what the names say. */
static int
setup(void **state)
{
	x = fixture_new();
	fixture_people(x);
	fixture_sql(
		x,
		"INSERT INTO resource (id, name, url, owner, created_at) VALUES "
		"('" ID(01) "', 'Own', 'https://own.test', '" FIXTURE_ANN "', now()),"
			    "('" ID(02) "', 'Hidden', 'https://h.test', '" FIXTURE_BEN "', now()),"
					"('" ID(03) "', 'Viewed', '', '" FIXTURE_BEN "', now()),"
						    "('" ID(04) "', 'Modified', '', '" FIXTURE_BEN
								"', now()),"
								"('" ID(05) "', 'Lent', '', "
									    "'" FIXTURE_BEN
									    "', now())");
	fixture_sql(
		x,
		"INSERT INTO account (id, resource, login, created_at) VALUES "
		"('" ID(11) "', '" ID(
			01) "', 'root', now()),"
			    "('" ID(12) "', '" ID(
				    02) "', 'root', now()),"
					"('" ID(13) "', '" ID(
						03) "', 'root', now()),"
						    "('" ID(14) "', '" ID(
							    04) "', 'root', now()),"
								"('" ID(15) "', '" ID(
									05) "', 'root', now()),"
									    "('" ID(16) "', '" ID(
										    05) "', "
											"'mine', "
											"now())");
	fixture_sql(x, "INSERT INTO share (target, principal, level, granted_at) VALUES "
		       "('" ID(03) "', '" FIXTURE_ANN "', 1, now()), ('" ID(
			       04) "', '" FIXTURE_ANN "', 2, now()),"
				   "('" ID(15) "', '" FIXTURE_ANN
					       "', 1, now()), ('" ID(16) "', '" FIXTURE_ANN
									 "', 2, now())");
	fixture_sql(x, "INSERT INTO reach SELECT principal, target, 'infinity', CASE WHEN level > "
		       "1 THEN timestamptz 'infinity' END, NULL, 'infinity' FROM share");
	return 0;
}

static int
teardown(void **state)
{
	fixture_free(x);
	return 0;
}

/* ---- one plan ---- */

struct planned {
	struct arena *a;
	struct importfile file;
	struct importplan plan;
	enum import_duplicates duplicates;
	struct call c;
};

static void
planned_done(struct planned *p)
{
	importfile_done(&p->file);
	arena_free(p->a);
}

#define auto_planned FREE_WITH(planned_done) struct planned

static void
run_plan(struct fixture *fx, struct fiber *f, void *arg)
{
	struct planned *p = arg;
	struct err e = { 0 };
	p->c = (struct call){ .v = &fx->v, .f = f, .a = p->a };
	assert_int_equal(uuid_parse(FIXTURE_ANN, &p->c.who.user), 0);
	p->c.who.name = "ann";
	p->c.who.address = "192.0.2.7";
	int rc = importplan_make(&p->c, &p->file, p->duplicates, &p->plan, &e);
	if (rc)
		fail_msg("%d: %s", rc, e.text);
}

static void
plan_text(struct planned *p, const char *text, enum import_duplicates duplicates)
{
	struct err e = { 0 };
	*p = (struct planned){ .a = arena_new(), .duplicates = duplicates };
	int rc = importfile_read(p->a, text, strlen(text), NULL, &p->file, &e);
	if (rc)
		fail_msg("%d: %s", rc, e.text);
	fixture_run(x, run_plan, p);
	assert_int_equal(p->plan.n, p->file.n);
	assert_ptr_equal(p->plan.file, &p->file);
}

/* ---- what becomes of one entry ---- */

#define TAKEN(name) "it comes as \"" name "\": the name is taken"
#define THERE(name) "it comes as \"" name "\": the name is there already"

static void
each_entry_has_its_fate(void **state)
{
	static const struct {
		const char *row;
		enum import_duplicates duplicates;
		enum importplan_fate fate;
		const char *resource, *why;
	} rows[] = {
		{ "Fresh,root,p,", IMPORT_SKIP, IMPORTPLAN_NEW, "Fresh", NULL },
		{ "Own,other,p,", IMPORT_SKIP, IMPORTPLAN_NEW, "Own", NULL },
		{ "Own,root,p,", IMPORT_SKIP, IMPORTPLAN_SKIPPED, "Own", "it is there already" },
		{ "Own,root,p,", IMPORT_UPDATE, IMPORTPLAN_UPDATED, "Own", NULL },
		{ "Own,root,p,", IMPORT_NEW, IMPORTPLAN_NEW, "Own (2)", THERE("Own (2)") },
		{ "oWN,ROOT,p,", IMPORT_SKIP, IMPORTPLAN_SKIPPED, "oWN", "it is there already" },
		/* Of what is hidden nothing shows, its name neither. */
		{ "Hidden,root,p,", IMPORT_SKIP, IMPORTPLAN_NEW, "Hidden", NULL },
		{ "Hidden,none,p,", IMPORT_SKIP, IMPORTPLAN_NEW, "Hidden", NULL },
		{ "Hidden,root,p,", IMPORT_UPDATE, IMPORTPLAN_NEW, "Hidden", NULL },
		{ "Viewed,none,p,", IMPORT_UPDATE, IMPORTPLAN_NEW, "Viewed (2)",
		  TAKEN("Viewed (2)") },
		{ "Viewed,root,p,", IMPORT_UPDATE, IMPORTPLAN_SKIPPED, "Viewed",
		  "it is there already, and you may not change it" },
		{ "Modified,none,p,", IMPORT_SKIP, IMPORTPLAN_NEW, "Modified", NULL },
		{ "Modified,root,p,", IMPORT_UPDATE, IMPORTPLAN_UPDATED, "Modified", NULL },
		{ "Lent,root,p,", IMPORT_UPDATE, IMPORTPLAN_SKIPPED, "Lent",
		  "it is there already, and you may not change it" },
		{ "Lent,mine,p,", IMPORT_UPDATE, IMPORTPLAN_UPDATED, "Lent", NULL },
		{ "Lent,none,p,", IMPORT_UPDATE, IMPORTPLAN_NEW, "Lent (2)", TAKEN("Lent (2)") },
		{ "\"a\nb\",root,p,", IMPORT_SKIP, IMPORTPLAN_REFUSED, "a\nb", "control" },
		{ ",root,p,https://n.test/x", IMPORT_SKIP, IMPORTPLAN_NEW, "n.test",
		  "it has no title and is named by its URL" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_buf text = BUF_INIT;
		auto_planned p;
		buf_addf(&text, HEADER "%s\n", rows[i].row);
		plan_text(&p, buf_str(&text), rows[i].duplicates);
		assert_int_equal(p.plan.n, 1);
		const struct importplan_line *l = p.plan.line;
		bool same = rows[i].why ? l->why && strstr(l->why, rows[i].why) : !l->why;
		if (l->fate != rows[i].fate || strcmp(l->resource, rows[i].resource) != 0 || !same)
			fail_msg("%s: fate %d as %s: %s", rows[i].row, (int)l->fate, l->resource,
				 l->why ? l->why : "");
	}
}

static void
bins_are_left_out_and_take_no_name(void **state)
{
	auto_planned p;
	plan_text(&p,
		  "\"Group\",\"Title\",\"Username\",\"Password\"\n"
		  "\"Root/Recycle Bin\",\"Fresh\",\"u\",\"p\"\n\"Root\",\"Recycle Bin/Fresh\","
		  "\"u\",\"p\"\n",
		  IMPORT_SKIP);
	assert_int_equal(p.plan.line[0].fate, IMPORTPLAN_LEFT_OUT);
	assert_string_equal(p.plan.line[0].why, "it was in a recycle bin");
	assert_string_equal(p.plan.line[0].resource, p.plan.line[1].resource);
	assert_int_equal(p.plan.line[1].fate, IMPORTPLAN_NEW);
	assert_true(p.plan.line[1].brings_resource);
}

/* ---- several of one file ---- */

static void
entries_of_one_resource_share_it(void **state)
{
	auto_planned p;
	plan_text(&p, HEADER "Fresh,a,p,\nOwn,new,p,\nFRESH,b,p,\nHidden,a,p,\nhidden,b,p,\n",
		  IMPORT_SKIP);
	const struct importplan_line *l = p.plan.line;
	struct uuid own;
	assert_int_equal(uuid_parse(ID(01), &own), 0);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(l[i].fate, IMPORTPLAN_NEW);
	assert_true(l[0].brings_resource && l[3].brings_resource);
	assert_false(l[1].brings_resource || l[2].brings_resource || l[4].brings_resource);
	assert_true(uuid_eq(&l[2].resource_id, &l[0].resource_id));
	assert_true(uuid_eq(&l[4].resource_id, &l[3].resource_id)); /* under its new name, too */
	assert_true(uuid_eq(&l[1].resource_id, &own));
	for (size_t i = 0; i < 5; i++)
		for (size_t k = 0; k < i; k++)
			assert_false(uuid_eq(&l[i].account_id, &l[k].account_id));
}

static void
a_login_that_is_twice_in_the_file(void **state)
{
	static const char text[] = HEADER "Fresh,u,1,\nfresh,U,2,\nFresh,u,3,\n";
	auto_planned skip, update, new;
	plan_text(&skip, text, IMPORT_SKIP);
	const struct importplan_line *l = skip.plan.line;
	assert_int_equal(l[0].fate, IMPORTPLAN_NEW);
	assert_null(l[0].next);
	for (size_t i = 1; i < 3; i++) {
		assert_int_equal(l[i].fate, IMPORTPLAN_SKIPPED);
		assert_string_equal(l[i].why, "the same resource and login as line 2");
	}
	plan_text(&update, text, IMPORT_UPDATE);
	l = update.plan.line;
	assert_int_equal(l[0].fate, IMPORTPLAN_NEW);
	assert_ptr_equal(l[0].next, &l[1]);
	assert_ptr_equal(l[1].next, &l[2]);
	assert_null(l[2].next);
	for (size_t i = 1; i < 3; i++) {
		assert_int_equal(l[i].fate, IMPORTPLAN_UPDATED);
		assert_true(uuid_eq(&l[i].account_id, &l[0].account_id));
		assert_int_equal(l[i].pair, 0);
	}
	plan_text(&new, text, IMPORT_NEW);
	l = new.plan.line;
	static const char *const names[] = { "Fresh", "fresh (2)", "Fresh (3)" };
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(l[i].fate, IMPORTPLAN_NEW);
		assert_string_equal(l[i].resource, names[i]);
		assert_true(l[i].brings_resource);
	}
}

/* ---- bounds ---- */

/* What is called so Ann may view. */
static void
show_ann(const char *pattern)
{
	auto_buf sql = BUF_INIT;
	for (size_t i = 0; i < 2; i++)
		buf_addf(&sql,
			 "INSERT INTO %s SELECT %s, %s FROM resource WHERE name LIKE '%s' "
			 "ON CONFLICT DO NOTHING;",
			 i ? "share (principal, target, level, granted_at)"
			   : "reach (principal, target, view_until, named_until)",
			 "'" FIXTURE_ANN "', id", i ? "1, now()" : "'infinity', 'infinity'",
			 pattern);
	fixture_sql(x, buf_str(&sql));
}

/* Names "Full", "Full (2)" … are somebody else's, from one number to another. */
static void
fill(int from, int to)
{
	char sql[300];
	snprintf(sql, sizeof(sql),
		 "INSERT INTO resource (id, name, owner, created_at) SELECT gen_random_uuid(), "
		 "'Full' || CASE WHEN n > 1 THEN ' (' || n || ')' ELSE '' END, '" FIXTURE_BEN
		 "', now() FROM generate_series(%d, %d) n",
		 from, to);
	fixture_sql(x, sql);
	show_ann("Full%");
}

/* Only so many numbers are tried. */
static void
names_that_are_taken_have_an_end(void **state)
{
	auto_planned last, none;
	fill(1, 23);
	plan_text(&last, HEADER "Full,u,p,\n", IMPORT_SKIP);
	assert_int_equal(last.plan.line->fate, IMPORTPLAN_NEW);
	assert_string_equal(last.plan.line->resource, "Full (24)");
	fill(24, 24);
	plan_text(&none, HEADER "Full,u,p,\nFresh,u,p,\n", IMPORT_SKIP);
	assert_int_equal(none.plan.line[0].fate, IMPORTPLAN_REFUSED);
	assert_string_equal(none.plan.line[0].why, "too many resources have its name");
	assert_false(none.plan.line[0].brings_resource);
	assert_int_equal(none.plan.line[1].fate, IMPORTPLAN_NEW); /* the others come all the same */
}

static void
a_number_behind_a_name_keeps_the_bound(void **state)
{
	for (int n = 196; n <= 197; n++) {
		auto_buf text = BUF_INIT, sql = BUF_INIT;
		auto_planned p;
		char name[201];
		memset(name, 'n', (size_t)n);
		name[n] = '\0';
		buf_addf(&sql,
			 "INSERT INTO resource (id, name, owner, created_at) VALUES "
			 "(gen_random_uuid(), '%s', '" FIXTURE_BEN "', now())",
			 name);
		fixture_sql(x, buf_str(&sql));
		show_ann(name);
		buf_addf(&text, HEADER "%s,u,p,\n", name);
		plan_text(&p, buf_str(&text), IMPORT_SKIP);
		if (n == 196) {
			assert_int_equal(p.plan.line->fate, IMPORTPLAN_NEW);
			assert_int_equal(strlen(p.plan.line->resource), 200);
		} else {
			assert_int_equal(p.plan.line->fate, IMPORTPLAN_REFUSED);
			assert_string_equal(
				p.plan.line->why,
				"its name is taken, and too long for a number behind it");
		}
	}
}

/* No entry is left to ask for. */
static void
a_file_of_nothing_is_a_plan_of_nothing(void **state)
{
	auto_planned empty, bad;
	size_t n;
	plan_text(&empty, HEADER, IMPORT_SKIP);
	assert_int_equal(empty.plan.n, 0);
	importplan_touches(&empty.c, &empty.plan, &n);
	assert_int_equal(n, 0);
	plan_text(&bad, HEADER "Own,root\n", IMPORT_UPDATE);
	assert_int_equal(bad.plan.line->fate, IMPORTPLAN_REFUSED);
	importplan_touches(&bad.c, &bad.plan, &n);
	assert_int_equal(n, 0);
}

/* ---- what is touched, what is stored ---- */

static void
touches_what_is_there_once_and_in_order(void **state)
{
	static const char *const want[] = { ID(01), ID(04), ID(11), ID(14), ID(16) };
	auto_planned p;
	size_t n;
	plan_text(&p,
		  HEADER "Modified,root,p,\nOwn,root,p,\nOwn,new,p,\nown,root,q,\nFresh,u,p,\n"
			 "Hidden,root,p,\nViewed,root,p,\nLent,root,p,\n",
		  IMPORT_UPDATE);
	const struct uuid *ids = importplan_touches(&p.c, &p.plan, &n);
	assert_int_equal(n, 4); /* what is skipped, hidden or new is not held */
	for (size_t i = 0; i < n; i++) {
		char id[UUID_STR_LEN];
		uuid_str(&ids[i], id);
		assert_string_equal(id, want[i]);
	}
	auto_planned lent;
	plan_text(&lent, HEADER "Lent,mine,p,\n", IMPORT_UPDATE);
	ids = importplan_touches(&lent.c, &lent.plan, &n);
	assert_int_equal(n, 2); /* the account, and the resource that it is of */
	char id[UUID_STR_LEN];
	uuid_str(&ids[1], id);
	assert_string_equal(id, want[4]);
}

static const char *
url_field(const struct account_fields *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->field[i].name, "url") == 0)
			return f->field[i].value;
	return NULL;
}

/* A resource has one URL: another one of an entry is kept as a field of its account. */
static void
another_url_becomes_a_field(void **state)
{
	static const char *const want[] = { NULL, "https://else.test", NULL, NULL,
					    NULL, "https://b.test" };
	auto_planned p;
	plan_text(&p,
		  HEADER "Own,a,p,https://own.test\nOwn,b,p,https://else.test\nOwn,c,p,\n"
			 "Fresh,a,p,https://a.test\nFresh,b,p,https://a.test\n"
			 "Fresh,c,p,https://b.test\n",
		  IMPORT_SKIP);
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		struct account_fields f = importplan_fields(&p.c, &p.plan, &p.plan.line[i]);
		const char *url = url_field(&f);
		assert_int_equal(f.n, want[i] ? 2 : 1);
		assert_string_equal(f.field[0].name, "password");
		if (want[i])
			assert_string_equal(url, want[i]);
		else
			assert_null(url);
	}
}

/* One login of another URL, with so many fields, its password among them. */
static void
plan_fields(struct planned *p, size_t n)
{
	auto_buf text = BUF_INIT;
	buf_adds(&text, "{\"items\":[{\"name\":\"Own\",\"login\":{\"username\":\"other\","
			"\"password\":\"p\",\"uris\":[{\"uri\":\"https://x.test\"}]},\"fields\":[");
	for (size_t i = 1; i < n; i++)
		buf_addf(&text, "%s{\"name\":\"f%zu\",\"value\":\"v\"}", i > 1 ? "," : "", i);
	buf_adds(&text, "]}]}");
	plan_text(p, buf_str(&text), IMPORT_SKIP);
}

static void
a_url_that_finds_no_room_is_no_field(void **state)
{
	static const struct {
		size_t n, want;
	} rows[] = {
		{ 1, 2 },
		{ ACCOUNT_FIELDS_MAX - 1, ACCOUNT_FIELDS_MAX },
		{ ACCOUNT_FIELDS_MAX, ACCOUNT_FIELDS_MAX },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_planned p;
		plan_fields(&p, rows[i].n);
		assert_int_equal(p.plan.line->fate, IMPORTPLAN_NEW);
		assert_int_equal(p.file.entry->nfields, rows[i].n);
		struct account_fields f = importplan_fields(&p.c, &p.plan, p.plan.line);
		assert_int_equal(f.n, rows[i].want);
		assert_int_equal(url_field(&f) != NULL, rows[i].want > rows[i].n);
	}
	auto_planned over, named;
	plan_fields(&over, ACCOUNT_FIELDS_MAX + 1);
	assert_int_equal(over.plan.line->fate, IMPORTPLAN_REFUSED);
	assert_string_equal(over.plan.line->why, "it has more than 64 fields");
	/* Nor beside one that the entry has by this name, in whatever case. */
	plan_text(&named,
		  "{\"items\":[{\"name\":\"Own\",\"login\":{\"username\":\"other\",\"password\":"
		  "\"p\",\"uris\":[{\"uri\":\"https://x.test\"}]},\"fields\":[{\"name\":\"URL\","
		  "\"value\":\"v\"}]}]}",
		  IMPORT_SKIP);
	assert_int_equal(importplan_fields(&named.c, &named.plan, named.plan.line).n, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_entry_has_its_fate),
		cmocka_unit_test(bins_are_left_out_and_take_no_name),
		cmocka_unit_test(entries_of_one_resource_share_it),
		cmocka_unit_test(a_login_that_is_twice_in_the_file),
		cmocka_unit_test(names_that_are_taken_have_an_end),
		cmocka_unit_test(a_number_behind_a_name_keeps_the_bound),
		cmocka_unit_test(a_file_of_nothing_is_a_plan_of_nothing),
		cmocka_unit_test(touches_what_is_there_once_and_in_order),
		cmocka_unit_test(another_url_becomes_a_field),
		cmocka_unit_test(a_url_that_finds_no_room_is_no_field),
	};
	if (!pgtemp_have())
		return PGTEMP_SKIP;
	return cmocka_run_group_tests(tests, setup, teardown);
}
