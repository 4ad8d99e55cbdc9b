/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules of the bin on a real database: nothing of a removed thing is read, not from the rows that are kept either; and what
 * empties the bin.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "fixture.h"
#include "vault/account.h"
#include "vault/bin.h"
#include "vault/retrieve_batch.h"
#include "vault/resource.h"

static struct fixture *x;
static struct uuid owner, other, resource, account;

/* ---- one call into the vault ---- */

struct ask {
	int (*fn)(struct call *c, struct ask *a, struct json_out *out, struct err *e);
	const struct uuid *as;
	const char *text;
	int n, rc;
	char reply[4096], why[512];
};

static void
run_ask(struct fixture *fx, struct fiber *f, void *arg)
{
	struct ask *a = arg;
	struct call c = { .v = &fx->v, .f = f, .a = arena_new() };
	auto_buf out = BUF_INIT;
	struct err e = { 0 };
	struct json_out w;

	c.who.user = *a->as;
	c.who.name = "somebody";
	c.who.address = "192.0.2.7";
	json_out_init(&w, &out);
	a->rc = a->fn(&c, a, &w, &e);
	snprintf(a->reply, sizeof(a->reply), "%s", buf_str(&out));
	snprintf(a->why, sizeof(a->why), "%s", e.text);
	arena_free(c.a);
}

static struct ask
do_ask(struct ask a)
{
	fixture_run(x, run_ask, &a);
	return a;
}

static int
ask_make(struct call *c, struct ask *a, struct json_out *out, struct err *e)
{
	const struct resource_texts texts = { .name = "server" };
	struct account_field field = { "password", "secret", 6 };
	const struct account_fields fields = { 1, &field };
	int rc = resource_create(c, &texts, &resource, e);

	return rc ? rc : account_create(c, &resource, "root", NULL, &fields, &account, e);
}

static int
ask_retrieve(struct call *c, struct ask *a, struct json_out *out, struct err *e)
{
	return account_retrieve(c, &account, "test", a->n, out, e);
}

static struct ask
retrieve(int n)
{
	return do_ask((struct ask){ .fn = ask_retrieve, .as = &owner, .n = n });
}

static int
ask_delete(struct call *c, struct ask *a, struct json_out *out, struct err *e)
{
	return a->n ? account_delete(c, &account, e) : resource_delete(c, &resource, e);
}

static int
ask_restore(struct call *c, struct ask *a, struct json_out *out, struct err *e)
{
	return a->n ? bin_restore_account(c, &account, a->text, e)
		    : bin_restore_resource(c, &resource, a->text, e);
}

static int delete (int which)
{
	return do_ask((struct ask){ .fn = ask_delete, .as = &owner, .n = which }).rc;
}

static struct ask
restore(const struct uuid *as, int which, const char *name)
{
	return do_ask((struct ask){ .fn = ask_restore, .as = as, .n = which, .text = name });
}

enum { THE_RESOURCE, THE_ACCOUNT };

static void
run_empty(struct fixture *fx, struct fiber *f, void *arg)
{
	struct err e = { 0 };

	*(int *)arg = bin_empty(&fx->v, f, &e);
}

/* With this bin_keep, after it has had time to pass. */
static void
empty(int64_t keep_ms)
{
	int rc = -1;

	x->settings.bin_keep = keep_ms;
	fixture_run(x, run_empty, &rc);
	assert_int_equal(rc, 0);
}

static int64_t
events(enum event_kind kind)
{
	char sql[100];

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM event WHERE kind = %d", (int)kind);
	return fixture_count(x, sql);
}

/* In the log or in the journal. */
static int
said(enum event_kind kind)
{
	int n = 0;

	for (size_t i = 0; i < x->seen.n; i++)
		n += x->seen.kinds[i] == (int)kind;
	return n;
}

/* As if it had been removed so long ago. */
static void
age(const char *span)
{
	char sql[200];

	snprintf(sql, sizeof(sql),
		 "UPDATE resource SET binned_at = binned_at - interval '%s'; UPDATE account SET "
		 "binned_at = binned_at - interval '%s'",
		 span, span);
	pgtemp_sql(x->pg, sql);
}

/* ---- the vault ---- */

static void
make_users(struct fixture *fx, struct fiber *f, void *arg)
{
	uuid_new(&owner);
	uuid_new(&other);
	fixture_append(x, f, EVENT_USER_CREATED, &owner, "{\"name\":\"Olga\",\"role\":\"user\"}");
	fixture_append(x, f, EVENT_USER_CREATED, &other,
		       "{\"name\":\"Ada\",\"role\":\"administrator\"}");
}

static int
setup(void **state)
{
	x = fixture_new();
	fixture_state(x, HA_SINGLE, false);
	fixture_close(x);
	fixture_open(x, FIXTURE_NODE_A);
	fixture_run(x, make_users, NULL);
	assert_int_equal(do_ask((struct ask){ .fn = ask_make, .as = &owner }).rc, 0);
	return 0;
}

static int
teardown(void **state)
{
	fixture_free(x);
	return 0;
}

/* ---- tests ---- */

/* G1: what was kept of it is forgotten with each step. */
static void
nothing_in_the_bin_is_read(void **state)
{
	for (int which = THE_RESOURCE; which <= THE_ACCOUNT; which++) {
		assert_int_equal(retrieve(0).rc, 0);
		assert_int_equal(retrieve(0).rc, 0); /* from what is kept */
		assert_true(retrieve_batch_stats(x->v.retrieve_batch).hits > 0);
		assert_int_equal(delete (which), 0);
		assert_int_equal(retrieve(0).rc, ERR_NOT_FOUND);
		assert_int_equal(retrieve(1).rc, ERR_NOT_FOUND);
		assert_int_equal(restore(&owner, which, NULL).rc, 0);
		assert_int_equal(retrieve(0).rc, 0);
	}
}

static void
only_who_may_brings_it_back(void **state)
{
	assert_int_equal(restore(&owner, THE_RESOURCE, NULL).rc, ERR_CONFLICT); /* it is there */
	assert_int_equal(delete (THE_ACCOUNT), 0);
	assert_int_equal(delete (THE_RESOURCE), 0);
	assert_int_equal(restore(&other, THE_RESOURCE, NULL).rc, ERR_NOT_FOUND);
	assert_int_equal(events(EVENT_FORBIDDEN), 1);
	struct ask first = restore(&owner, THE_ACCOUNT, NULL);
	assert_int_equal(first.rc, ERR_CONFLICT);
	assert_non_null(strstr(first.why, "resource"));
	assert_int_equal(restore(&owner, THE_RESOURCE, " bad").rc, ERR_BAD_FIELD);
	assert_int_equal(restore(&owner, THE_RESOURCE, "").rc, ERR_BAD_FIELD);
	assert_int_equal(events(EVENT_RESOURCE_RESTORED), 0);
	assert_int_equal(restore(&owner, THE_RESOURCE, "server 2").rc, 0);
	assert_int_equal(retrieve(0).rc, ERR_NOT_FOUND); /* removed before, on its own */
	assert_int_equal(restore(&owner, THE_ACCOUNT, NULL).rc, 0);
	assert_int_equal(retrieve(0).rc, 0);
}

static void
emptied_when_its_time_is_over(void **state)
{
	const int64_t day_ms = 86400000;

	empty(1); /* nothing is removed */
	assert_int_equal(events(EVENT_BIN_EMPTIED), 0);
	assert_int_equal(delete (THE_RESOURCE), 0);
	age("29 days 23 hours");
	empty(30 * day_ms);
	empty(0); /* for ever */
	assert_int_equal(events(EVENT_BIN_EMPTIED), 0);
	age("2 hours");
	fixture_state(x, HA_STANDBY, false); /* the primary does it */
	empty(30 * day_ms);
	fixture_state(x, HA_SINGLE, false);
	assert_int_equal(events(EVENT_BIN_EMPTIED) + said(EVENT_BIN_EMPTIED), 0);
	empty(30 * day_ms);
	empty(30 * day_ms);
	assert_int_equal(events(EVENT_BIN_EMPTIED), 1); /* and not again and again */
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM version WHERE sealed <> ''"), 0);
	struct ask late = restore(&owner, THE_RESOURCE, NULL);
	assert_int_equal(late.rc, ERR_NOT_FOUND);
	assert_non_null(strstr(late.why, "emptied"));
}

/* More than one event can name: each part is whole in itself. */
static void
emptied_in_parts(void **state)
{
	char id[UUID_STR_LEN];
	auto_buf sql = BUF_INIT;

	uuid_str(&account, id);
	buf_addf(&sql,
		 "INSERT INTO version (id, account, n, based_on, sealed, created_at, chain, seq) "
		 "SELECT "
		 "gen_random_uuid(), "
		 "'%s', g, g - 1, 'sealed', now(), gen_random_uuid(), g FROM generate_series(2, "
		 "5000) g",
		 id);
	pgtemp_sql(x->pg, buf_str(&sql));
	assert_int_equal(delete (THE_RESOURCE), 0);
	age("2 days");
	empty(86400000);
	assert_int_equal(events(EVENT_BIN_EMPTIED), 3);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM version WHERE sealed <> ''"), 0);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM account WHERE purged_at IS NULL"),
			 0);
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM resource WHERE purged_at IS NULL"),
			 0);
	assert_true(
		fixture_count(x, "SELECT max(length(body)) FROM event WHERE kind = :BIN_EMPTIED") <
		EVENT_BODY_MAX / 2);
}

/* A version that came home to what was emptied is there again; the others say what became of them. */
static void
what_is_gone_says_so(void **state)
{
	assert_int_equal(delete (THE_RESOURCE), 0);
	age("2 days");
	empty(86400000);
	pgtemp_sql(x->pg,
		   "UPDATE account SET purged_at = NULL; UPDATE resource SET purged_at = NULL");
	assert_int_equal(restore(&owner, THE_RESOURCE, NULL).rc, 0);
	struct ask gone = retrieve(1);
	assert_int_equal(gone.rc, ERR_NOT_FOUND);
	assert_non_null(strstr(gone.why, "emptied"));
	assert_int_equal(events(EVENT_RETRIEVED), 0);
}

/* ---- the list ---- */

static int
ask_list(struct call *c, struct ask *a, struct json_out *out, struct err *e)
{
	return bin_list(c, a->text, a->n, out, e);
}

/* The logins on a page, one letter each; *after becomes the cursor of the next one, "" at the end. */
static void
read_page(const struct uuid *as, int rows, char after[static 96], struct buf *logins)
{
	static const char login[] = "\"login\":\"", next[] = "\"next\":\"";
	struct ask a = do_ask(
		(struct ask){ .fn = ask_list, .as = as, .n = rows, .text = *after ? after : NULL });
	const char *p = a.reply;

	assert_int_equal(a.rc, 0);
	while ((p = strstr(p, login)) != NULL) {
		p += sizeof(login) - 1;
		buf_addc(logins, *p);
	}
	*after = '\0';
	p = strstr(a.reply, next);
	if (p)
		assert_int_equal(sscanf(p + sizeof(next) - 1, "%95[^\"]", after), 1);
}

/* Accounts a … i, three removed at each time, so that pages end between two of one time. */
static void
remove_nine(void)
{
	pgtemp_sql(x->pg,
		   "INSERT INTO account (id, resource, login, created_at, deleted_at, binned_at) "
		   "SELECT ('00000000-0000-7000-8000-00000000000' || 10 - n)::uuid, r.id, "
		   "chr(96 + n), now(), t.at, t.at FROM resource r, generate_series(1, 9) n "
		   "CROSS JOIN LATERAL (SELECT timestamptz '2026-01-31 12:00:00.123456Z' - "
		   "(n - 1) / 3 * interval '1 day' AS at) t");
}

static void
the_last_removed_come_first(void **state)
{
	remove_nine();
	for (int rows = 1; rows <= 10; rows++) {
		char after[96] = "";
		auto_buf all = BUF_INIT;

		do
			read_page(&owner, rows, after, &all);
		while (*after);
		assert_string_equal(buf_str(&all), "abcdefghi");
	}
	char none[96] = "";
	auto_buf nothing = BUF_INIT;
	read_page(&other, 10, none, &nothing);
	assert_string_equal(buf_str(&nothing), "");
}

/* A page goes on behind a row that came back meanwhile. */
static void
a_page_needs_no_row_of_the_one_before(void **state)
{
	char after[96] = "";
	auto_buf all = BUF_INIT;

	remove_nine();
	read_page(&owner, 4, after, &all);
	pgtemp_sql(x->pg,
		   "UPDATE account SET deleted_at = NULL, binned_at = NULL WHERE login = 'd'");
	read_page(&owner, 9, after, &all);
	assert_string_equal(buf_str(&all), "abcdefghi");
	assert_string_equal(after, "");
}

static void
a_cursor_is_what_a_list_gave(void **state)
{
	static const char *const bad[] = {
		"x",
		"1",
		"1.",
		"1.2",
		"00000000-0000-7000-8000-000000000001",
		"1.00000000-0000-7000-8000-000000000001 ",
		"99999999999999999999.00000000-0000-7000-8000-000000000001",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(
			do_ask((struct ask){ .fn = ask_list, .as = &owner, .n = 9, .text = bad[i] })
				.rc,
			ERR_BAD_FIELD);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_in_the_bin_is_read),
		TEST(only_who_may_brings_it_back),
		TEST(emptied_when_its_time_is_over),
		TEST(emptied_in_parts),
		TEST(what_is_gone_says_so),
		TEST(the_last_removed_come_first),
		TEST(a_page_needs_no_row_of_the_one_before),
		TEST(a_cursor_is_what_a_list_gave),
	};

	if (!pgtemp_have())
		return PGTEMP_SKIP;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
