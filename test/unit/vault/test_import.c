/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs of imports on a vault with a log and keys of its own: what is stored, as one unit and once, what is told, and that
 * nothing is left of a run that is refused or stopped. What becomes of each entry: test_importplan.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fixture.h"
#include "vault/account.h"
#include "vault/import.h"
#include "vault/record_lock.h"

#define OWN "0190d000-0000-7000-8000-000000000001"
#define ROOT "0190d000-0000-7000-8000-000000000011"
#define FIRST "0190e000-0000-7000-8000-000000000001"
#define SECOND "0190e000-0000-7000-8000-000000000002"
#define HEADER "resource,login,password\n"

static struct fixture *x;

/* Ann has one resource with one account, without a password yet. */
static int
setup(void **state)
{
	x = fixture_new();
	fixture_people(x);
	fixture_sql(x, "INSERT INTO resource (id, name, owner, created_at) VALUES "
		       "('" OWN "', 'Own', '" FIXTURE_ANN "', now())");
	fixture_sql(x, "INSERT INTO account (id, resource, login, created_at) VALUES "
		       "('" ROOT "', '" OWN "', 'root', now())");
	return 0;
}

static int
teardown(void **state)
{
	fixture_free(x);
	return 0;
}

/* ---- one run ---- */

enum what { RUN, OUTCOME, STOP };

struct run {
	enum what what;
	const char *as, *id;
	struct import_request rq;
	int rc;
	struct err e;
	json_t *reply; /* NULL: refused */
};

static void
run_done(struct run *r)
{
	json_decref(r->reply);
}

#define auto_run FREE_WITH(run_done) struct run

static int
call_import(struct call *c, struct run *r, struct json_out *w)
{
	switch (r->what) {
	case OUTCOME:
		return import_outcome(c, &r->rq.id, w, &r->e);
	case STOP:
		return import_stop(c, &r->rq.id, w, &r->e);
	default:
		return import_run(c, &r->rq, w, &r->e);
	}
}

static void
run_one(struct fixture *fx, struct fiber *f, void *arg)
{
	struct run *r = arg;
	auto_buf out = BUF_INIT;
	struct json_out w;
	struct call c = { .v = &fx->v, .f = f, .a = arena_new() };

	assert_int_equal(uuid_parse(r->as ? r->as : FIXTURE_ANN, &c.who.user), 0);
	c.who.name = "ann";
	c.who.address = "192.0.2.7";
	if (r->id)
		assert_int_equal(uuid_parse(r->id, &r->rq.id), 0);
	if (r->rq.text && !r->rq.n)
		r->rq.n = strlen(r->rq.text);
	json_out_init(&w, &out);
	r->rc = call_import(&c, r, &w);
	if (r->rc == 0) {
		r->reply = json_loads(buf_str(&out), JSON_REJECT_DUPLICATES, NULL);
		assert_non_null(r->reply);
	}
	arena_free(c.a);
}

static void
import(struct run *r)
{
	fixture_run(x, run_one, r);
	if (r->rc)
		fail_msg("%d: %s", r->rc, r->e.text);
}

static void
refused(struct run *r, int code, const char *words)
{
	fixture_run(x, run_one, r);
	assert_int_equal(r->rc, code);
	assert_non_null(strstr(r->e.text, words));
}

struct both {
	struct run *run[2];
	unsigned begun;
};

static void
run_next(struct fixture *fx, struct fiber *f, void *arg)
{
	struct both *b = arg;

	run_one(fx, f, b->run[b->begun++]);
}

/* Both at once; the first begins first. */
static void
import_both(struct run *first, struct run *second)
{
	struct both b = { { first, second }, 0 };

	fixture_run_many(x, run_next, &b, 2);
}

static const char *
state_of(const struct run *r)
{
	return json_string_value(json_object_get(r->reply, "state"));
}

static int
number_of(const struct run *r, const char *name)
{
	json_t *n = json_object_get(r->reply, name);

	assert_true(json_is_integer(n));
	return (int)json_integer_value(n);
}

/* entries, resources, accounts, updated, unchanged, skipped, refused */
static void
counts_are(const struct run *r, const int want[static 7])
{
	static const char *const names[] = { "entries",	  "resources", "accounts", "updated",
					     "unchanged", "skipped",   "refused" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (number_of(r, names[i]) != want[i])
			fail_msg("%s: %d, not %d", names[i], number_of(r, names[i]), want[i]);
}

/* ---- what is in the vault ---- */

static int64_t
events(void)
{
	return fixture_count(x, "SELECT count(*) FROM event");
}

static int64_t
rows(const char *table)
{
	char sql[80];

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", table);
	return fixture_count(x, sql);
}

struct secret_of {
	int n;
	char json[300];
};

static void
run_retrieve(struct fixture *fx, struct fiber *f, void *arg)
{
	struct secret_of *s = arg;
	auto_buf out = BUF_INIT;
	struct json_out w;
	struct err e = { 0 };
	struct uuid id;
	struct call c = { .v = &fx->v, .f = f, .a = arena_new() };

	assert_int_equal(uuid_parse(FIXTURE_ANN, &c.who.user), 0);
	assert_int_equal(uuid_parse(ROOT, &id), 0);
	c.who.name = "ann";
	c.who.address = "192.0.2.7";
	json_out_init(&w, &out);
	if (account_retrieve(&c, &id, "a test", s->n, &w, &e))
		fail_msg("%s", e.text);
	json_t *o = json_loads(buf_str(&out), 0, NULL), *fields = json_object_get(o, "fields");
	char *text = json_dumps(fields, JSON_COMPACT | JSON_SORT_KEYS);
	snprintf(s->json, sizeof(s->json), "%s", text);
	free(text);
	json_decref(o);
	arena_free(c.a);
}

/* The secret fields of version n of Ann's root; 0: of the current one. */
static void
fields_are(int n, const char *want)
{
	struct secret_of s = { .n = n };

	fixture_run(x, run_retrieve, &s);
	assert_string_equal(s.json, want);
}

/* ---- what is stored ---- */

/* One unit: resources, then accounts, then versions, then the event that the import is found by. */
static void
all_of_a_file_is_one_unit(void **state)
{
	auto_run r = { .id = FIRST,
		       .rq = { .text = HEADER "Fresh,a,1\nOwn,root,2\nfresh,b,3\n",
			       .duplicates = IMPORT_UPDATE } };

	import(&r);
	assert_string_equal(state_of(&r), "stored");
	assert_string_equal(json_string_value(json_object_get(r.reply, "id")), FIRST);
	assert_true(json_is_false(json_object_get(r.reply, "dry_run")));
	counts_are(&r, (const int[]){ 3, 1, 2, 1, 0, 0, 0 });
	assert_int_equal(rows("resource"), 2);
	assert_int_equal(rows("account"), 3);
	assert_int_equal(rows("version"), 3);
	assert_int_equal(fixture_count(x,
				       "SELECT count(*) FROM account a JOIN resource r ON r.id = "
				       "a.resource WHERE r.name = 'Fresh' AND a.current_n = 1"),
			 2);
	fields_are(0, "{\"password\":\"2\"}");
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM event WHERE actor = '" FIXTURE_ANN
					  "' AND kind <> :RETRIEVED"),
			 7);
	assert_int_equal(
		fixture_count(x, "SELECT count(*) FROM (SELECT kind, row_number() OVER (ORDER BY "
				 "seq) i FROM event WHERE actor = '" FIXTURE_ANN
				 "') e WHERE kind = (ARRAY[:RESOURCE_CREATED, :ACCOUNT_CREATED, "
				 ":ACCOUNT_CREATED, :VERSION_ADDED, :VERSION_ADDED, "
				 ":VERSION_ADDED, :IMPORTED])[i]"),
		7);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM event WHERE kind = :IMPORTED AND "
					  "object = '" FIRST "' AND body::json->>'entries' = '3' "
					  "AND body::json->>'accounts' = '2'"),
			 1);
}

/* What the file does not speak of stays; what says nothing new is no version. */
static void
each_version_is_made_upon_the_one_before(void **state)
{
	auto_run first = { .rq = { .text = "resource,login,password,pin\nOwn,root,1,9\n",
				   .duplicates = IMPORT_UPDATE } };
	auto_run more = { .rq = { .text = HEADER "Own,root,2\nOwn,root,2\nOwn,root,3\n",
				  .duplicates = IMPORT_UPDATE } };
	auto_run same = { .rq = { .text = HEADER "Own,root,3\n", .duplicates = IMPORT_UPDATE } };

	import(&first);
	import(&more);
	counts_are(&more, (const int[]){ 3, 0, 0, 2, 1, 0, 0 });
	import(&same);
	counts_are(&same, (const int[]){ 1, 0, 0, 0, 1, 0, 0 });
	assert_int_equal(rows("version"), 3);
	fields_are(1, "{\"password\":\"1\",\"pin\":\"9\"}");
	fields_are(2, "{\"password\":\"2\",\"pin\":\"9\"}");
	fields_are(3, "{\"password\":\"3\",\"pin\":\"9\"}");
	fields_are(0, "{\"password\":\"3\",\"pin\":\"9\"}");
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM version WHERE based_on = n - 1"),
			 3);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM account WHERE conflict"), 0);
}

/* ---- once ---- */

static void
the_same_id_is_told_what_became_of_it(void **state)
{
	auto_run r = { .id = FIRST, .rq = { .text = HEADER "Fresh,a,1\nFresh,b,2\n" } };
	auto_run again = { .id = FIRST, .rq = { .text = HEADER "Else,a,1\n" } };
	auto_run asked = { .what = OUTCOME, .id = FIRST };
	auto_run theirs = { .what = OUTCOME, .id = FIRST, .as = FIXTURE_BEN };
	auto_run unknown = { .what = OUTCOME, .id = SECOND };

	import(&r);
	int64_t before = events();
	import(&again);
	import(&asked);
	import(&theirs);
	import(&unknown);
	assert_string_equal(state_of(&again), "stored");
	assert_string_equal(state_of(&asked), "stored");
	counts_are(&again, (const int[]){ 2, 1, 2, 0, 0, 0, 0 });
	counts_are(&asked, (const int[]){ 2, 1, 2, 0, 0, 0, 0 });
	assert_string_equal(json_string_value(json_object_get(asked.reply, "format")),
			    json_string_value(json_object_get(r.reply, "format")));
	assert_string_equal(state_of(&theirs), "unknown");
	assert_string_equal(state_of(&unknown), "unknown");
	assert_int_equal(events(), before);
	assert_int_equal(rows("resource"), 2);
}

static void
two_at_once_under_one_id_are_one(void **state)
{
	auto_run a = { .id = FIRST, .rq = { .text = HEADER "Fresh,a,1\n" } };
	auto_run b = { .id = FIRST, .rq = { .text = HEADER "Fresh,a,1\n" } };

	import_both(&a, &b);
	assert_int_equal(a.rc, 0);
	assert_int_equal(b.rc, 0);
	counts_are(&a, (const int[]){ 1, 1, 1, 0, 0, 0, 0 });
	counts_are(&b, (const int[]){ 1, 1, 1, 0, 0, 0, 0 });
	assert_int_equal(rows("resource"), 2);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM event WHERE kind = :IMPORTED"), 1);
	assert_null(x->v.imports);
}

/* Both find the name free; whoever comes second plans once more and finds what is there. */
static void
a_name_that_is_taken_meanwhile_is_planned_again(void **state)
{
	auto_run a = { .id = FIRST, .rq = { .text = HEADER "Fresh,a,1\n" } };
	auto_run b = { .id = SECOND, .rq = { .text = HEADER "Fresh,a,2\n" } };

	import_both(&a, &b);
	assert_int_equal(a.rc, 0);
	assert_int_equal(b.rc, 0);
	assert_int_equal(number_of(&a, "accounts") + number_of(&b, "accounts"), 1);
	assert_int_equal(number_of(&a, "skipped") + number_of(&b, "skipped"), 1);
	assert_int_equal(rows("resource"), 2);
	assert_int_equal(rows("account"), 2);
	assert_int_equal(rows("version"), 1);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM event WHERE kind = :IMPORTED"), 2);
}

/* What is there and touched is held: both versions are made, one upon the other. */
static void
two_that_change_one_account_follow_each_other(void **state)
{
	auto_run a = { .id = FIRST,
		       .rq = { .text = HEADER "Own,root,1\n", .duplicates = IMPORT_UPDATE } };
	auto_run b = { .id = SECOND,
		       .rq = { .text = HEADER "Own,root,2\n", .duplicates = IMPORT_UPDATE } };

	import_both(&a, &b);
	assert_int_equal(a.rc, 0);
	assert_int_equal(b.rc, 0);
	assert_int_equal(number_of(&a, "updated") + number_of(&b, "updated"), 2);
	assert_int_equal(fixture_count(x, "SELECT count(DISTINCT n) FROM version"), 2);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM account WHERE conflict"), 0);
}

/* ---- nothing ---- */

static void
a_dry_run_tells_all_and_stores_nothing(void **state)
{
	auto_run r = { .id = FIRST,
		       .rq = { .text = HEADER "Fresh,a,1\nOwn,root,2\n", .dry_run = true } };
	int64_t before = events();

	import(&r);
	assert_string_equal(state_of(&r), "planned");
	counts_are(&r, (const int[]){ 2, 1, 1, 0, 0, 1, 0 });
	json_t *lines = json_object_get(r.reply, "lines"), *second = json_array_get(lines, 1);
	assert_int_equal(json_array_size(lines), 2);
	assert_string_equal(json_string_value(json_object_get(second, "fate")), "skipped");
	assert_string_equal(json_string_value(json_object_get(second, "resource")), "Own");
	assert_int_equal(json_integer_value(json_object_get(second, "line")), 3);
	assert_int_equal(events(), before);
	assert_int_equal(rows("resource"), 1);
}

/* Of a run that stores, only lines of which there is something to say are told. */
static void
what_went_as_planned_is_not_told_line_by_line(void **state)
{
	auto_run r = { .rq = { .text = HEADER "Fresh,a,1\nOwn,root,2\n" } };

	import(&r);
	json_t *lines = json_object_get(r.reply, "lines"), *only = json_array_get(lines, 0);
	assert_int_equal(json_array_size(lines), 1);
	assert_int_equal(json_integer_value(json_object_get(only, "line")), 3);
	assert_int_equal(number_of(&r, "lines_left_off"), 0);
}

static void
more_lines_than_there_is_room_for_are_counted(void **state)
{
	auto_buf text = BUF_INIT;

	buf_adds(&text, HEADER);
	for (int i = 0; i < IMPORT_LINES_MAX + 3; i++)
		buf_adds(&text, "Own,root\n"); /* a column is missing: refused */
	auto_run r = { .rq = { .text = buf_str(&text), .dry_run = true } };
	import(&r);
	assert_int_equal(number_of(&r, "refused"), IMPORT_LINES_MAX + 3);
	assert_int_equal(json_array_size(json_object_get(r.reply, "lines")), IMPORT_LINES_MAX);
	assert_int_equal(number_of(&r, "lines_left_off"), 3);
}

static void
all_or_nothing_is_nothing_for_one_bad_line(void **state)
{
	auto_run some = { .id = FIRST, .rq = { .text = HEADER "Fresh,a,1\nFresh,b\n" } };
	auto_run none = { .id = SECOND,
			  .rq = { .text = HEADER "Else,a,1\nElse,b\n", .all_or_nothing = true } };

	import(&some);
	counts_are(&some, (const int[]){ 2, 1, 1, 0, 0, 0, 1 });
	int64_t before = events();
	refused(&none, ERR_BAD_FIELD, "line 3: ");
	assert_non_null(strstr(none.e.text, "nothing is stored"));
	assert_int_equal(events(), before);
	assert_int_equal(rows("resource"), 2);
	assert_null(x->v.imports);
}

static void
a_file_that_is_none_is_refused(void **state)
{
	static char large[IMPORT_BYTES_MAX + 1];
	auto_run unread = { .rq = { .text = "{\"items\":" } };
	auto_run over = { .rq = { .text = large, .n = sizeof(large) } };
	int64_t before = events();

	memset(large, 'a', sizeof(large));
	refused(&unread, ERR_BAD_FIELD, "");
	refused(&over, ERR_TOO_LARGE, "32 MiB");
	assert_int_equal(events(), before);
	assert_null(x->v.imports);
}

/* ---- stopped ---- */

/* Before it came, too: a client that gives up may say so before the file is there. */
static void
what_was_stopped_is_never_stored(void **state)
{
	auto_run stop = { .what = STOP, .id = FIRST };
	auto_run r = { .id = FIRST, .rq = { .text = HEADER "Fresh,a,1\n" } };
	auto_run asked = { .what = OUTCOME, .id = FIRST };

	import(&stop);
	assert_string_equal(state_of(&stop), "stopped");
	refused(&r, ERR_CONFLICT, "was stopped");
	import(&asked);
	assert_string_equal(state_of(&asked), "stopped");
	assert_int_equal(rows("resource"), 1);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM event WHERE kind = :IMPORTED"), 1);
}

static void
a_stop_ends_what_is_under_way(void **state)
{
	auto_run r = { .id = FIRST, .rq = { .text = HEADER "Fresh,a,1\n" } };
	auto_run stop = { .what = STOP, .id = FIRST };

	import_both(&r, &stop);
	assert_int_equal(r.rc, ERR_CONFLICT);
	assert_int_equal(stop.rc, 0);
	assert_string_equal(state_of(&stop), "stopped");
	assert_int_equal(rows("resource"), 1);
	assert_null(x->v.imports);
}

static void
a_stop_of_what_is_stored_says_so(void **state)
{
	auto_run r = { .id = FIRST, .rq = { .text = HEADER "Fresh,a,1\n" } };
	auto_run stop = { .what = STOP, .id = FIRST };
	auto_run theirs = { .what = STOP, .id = FIRST, .as = FIXTURE_BEN };

	import(&r);
	int64_t before = events();
	import(&stop);
	assert_string_equal(state_of(&stop), "stored");
	counts_are(&stop, (const int[]){ 1, 1, 1, 0, 0, 0, 0 });
	assert_int_equal(events(), before);
	import(&theirs); /* an id is its user's: this one is another import */
	assert_string_equal(state_of(&theirs), "stopped");
}

struct held {
	struct run *run, *asked;
	bool taken;
};

/* The first holds what the second's import touches, and asks what became of it. */
static void
run_held(struct fixture *fx, struct fiber *f, void *arg)
{
	struct held *h = arg;
	struct uuid root;

	if (h->taken) {
		run_one(fx, f, h->run);
		return;
	}
	h->taken = true;
	assert_int_equal(uuid_parse(ROOT, &root), 0);
	struct record_lock *lock = record_lock_take(fx->v.record_locks, f, &root);
	while (!fx->v.imports)
		fixture_pause(fx, f, 1);
	run_one(fx, f, h->asked);
	record_lock_release(lock);
}

static void
an_import_is_running_until_it_has_what_it_touches(void **state)
{
	auto_run r = { .id = FIRST,
		       .rq = { .text = HEADER "Own,root,1\n", .duplicates = IMPORT_UPDATE } };
	auto_run asked = { .what = OUTCOME, .id = FIRST };
	struct held h = { &r, &asked, false };

	fixture_run_many(x, run_held, &h, 2);
	assert_string_equal(state_of(&asked), "running");
	assert_string_equal(state_of(&r), "stored");
}

/* ---- words ---- */

static void
only_known_words_are_taken(void **state)
{
	enum import_duplicates d = IMPORT_SKIP;
	struct err e = { 0 };

	assert_int_equal(import_duplicates_parse("new", &d, &e), 0);
	assert_int_equal(d, IMPORT_NEW);
	assert_int_equal(import_duplicates_parse("skip", &d, &e), 0);
	assert_int_equal(d, IMPORT_SKIP);
	assert_int_equal(import_duplicates_parse("Update", &d, &e), ERR_BAD_FIELD);
	assert_int_equal(import_format_check("keepass", &e), ERR_BAD_FIELD);
	assert_non_null(strstr(e.text, "bitwarden-json"));
	assert_int_equal(import_format_check("bitwarden-json", &e), 0);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_of_a_file_is_one_unit),
		TEST(each_version_is_made_upon_the_one_before),
		TEST(the_same_id_is_told_what_became_of_it),
		TEST(two_at_once_under_one_id_are_one),
		TEST(a_name_that_is_taken_meanwhile_is_planned_again),
		TEST(two_that_change_one_account_follow_each_other),
		TEST(a_dry_run_tells_all_and_stores_nothing),
		TEST(what_went_as_planned_is_not_told_line_by_line),
		TEST(more_lines_than_there_is_room_for_are_counted),
		TEST(all_or_nothing_is_nothing_for_one_bad_line),
		TEST(a_file_that_is_none_is_refused),
		TEST(what_was_stopped_is_never_stored),
		TEST(a_stop_ends_what_is_under_way),
		TEST(a_stop_of_what_is_stored_says_so),
		TEST(an_import_is_running_until_it_has_what_it_touches),
		cmocka_unit_test(only_known_words_are_taken),
	};

	if (!pgtemp_have())
		return PGTEMP_SKIP;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
