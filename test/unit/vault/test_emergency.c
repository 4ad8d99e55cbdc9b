/* SPDX-License-Identifier: Apache-2.0
 *
 * New versions made on a secondary in emergency: where they are allowed, how they are read there, and what
 * becomes of them when the journal goes into the log.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "fixture.h"
#include "vault/account.h"
#include "vault/emergency.h"
#include "vault/journal_overlay.h"
#include "vault/resource.h"
#include "vault/share.h"
#include "vault/user.h"

static struct fixture *x;
static struct uuid owner, maker, admin, resource, account;

/* ---- one call into the vault ---- */

struct ask {
	int (*fn)(struct call *c, struct ask *a, struct json_out *out, struct err *e);
	const struct uuid *as, *id;
	const char *text;
	int64_t n;
	bool yes;
	int rc;
	enum ledger_durability durability;
	char reply[16384], why[512];
};

static void
run_ask(struct fixture *fx, struct fiber *f, void *arg)
{
	struct ask *a = arg;
	struct call c = { .v = &fx->v, .f = f, .a = arena_new(), .durability = LEDGER_LOCAL };
	auto_buf out = BUF_INIT;
	struct err e = { 0 };
	struct json_out w;

	c.who.user = *a->as;
	c.who.name = "somebody";
	c.who.address = "192.0.2.7";
	c.who.role = uuid_eq(a->as, &admin) ? ROLE_ADMINISTRATOR : ROLE_USER;
	json_out_init(&w, &out);
	a->rc = a->fn(&c, a, &w, &e);
	a->durability = c.durability;
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
ask_put(struct call *c, struct ask *a, struct json_out *out, struct err *e)
{
	struct account_field field = { "password", a->text, strlen(a->text) };
	struct account_fields fields = { 1, &field };

	return account_put(c, a->id, &fields, a->n, out, e);
}

/* if_version -1: upon whatever is the current one. */
static struct ask
put(const struct uuid *as, const char *password, int64_t if_version)
{
	return do_ask((struct ask){
		.fn = ask_put, .as = as, .id = &account, .text = password, .n = if_version });
}

static int
ask_retrieve(struct call *c, struct ask *a, struct json_out *out, struct err *e)
{
	return account_retrieve(c, a->id, "test", (int)a->n, out, e);
}

static void
must_read(int64_t n, const char *password, int version)
{
	char want[100];
	struct ask a =
		do_ask((struct ask){ .fn = ask_retrieve, .as = &owner, .id = &account, .n = n });

	assert_int_equal(a.rc, 0);
	snprintf(want, sizeof(want), "{\"fields\":{\"password\":\"%s\"},\"version\":%d,", password,
		 version);
	if (strncmp(a.reply, want, strlen(want)) != 0)
		print_error("wanted %s, got %s\n", want, a.reply);
	assert_memory_equal(a.reply, want, strlen(want));
}

static int
ask_get(struct call *c, struct ask *a, struct json_out *out, struct err *e)
{
	return account_get(c, a->id, out, e);
}

static void
must_stand(int version, bool conflict)
{
	char want[100];
	struct ask a = do_ask((struct ask){ .fn = ask_get, .as = &owner, .id = &account });

	assert_int_equal(a.rc, 0);
	snprintf(want, sizeof(want), "\"version\":%d,\"conflict\":%s,", version,
		 conflict ? "true" : "false");
	if (!strstr(a.reply, want))
		print_error("wanted %s, got %s\n", want, a.reply);
	assert_non_null(strstr(a.reply, want));
}

static int
ask_versions(struct call *c, struct ask *a, struct json_out *out, struct err *e)
{
	return account_versions(c, a->id, &(struct policy_page){ .rows = POLICY_PAGE_MAX }, out, e);
}

static struct ask
versions(void)
{
	return do_ask((struct ask){ .fn = ask_versions, .as = &owner, .id = &account });
}

static int
count(const char *text, const char *what)
{
	int n = 0;

	for (const char *p = text; (p = strstr(p, what)); p += strlen(what))
		n++;
	return n;
}

static int
ask_policy(struct call *c, struct ask *a, struct json_out *out, struct err *e)
{
	return emergency_policy_set(c, a->text, a->yes ? "server" : NULL, out, e);
}

static struct ask
allow(const char *state, bool for_resource)
{
	struct ask a = do_ask(
		(struct ask){ .fn = ask_policy, .as = &admin, .text = state, .yes = for_resource });

	assert_int_equal(a.rc, 0);
	return a;
}

static int
ask_changes(struct call *c, struct ask *a, struct json_out *out, struct err *e)
{
	const struct policy_page page = { .rows = 50 };

	return emergency_changes(c, &page, out, e);
}

static int
ask_decide(struct call *c, struct ask *a, struct json_out *out, struct err *e)
{
	return emergency_decide(c, a->id, a->yes, out, e);
}

static struct ask
decide(const struct uuid *as, const struct uuid *version, bool approve)
{
	return do_ask((struct ask){ .fn = ask_decide, .as = as, .id = version, .yes = approve });
}

/* The change that waits; as: who asks. */
static struct uuid
waiting(const struct uuid *as)
{
	struct ask a = do_ask((struct ask){ .fn = ask_changes, .as = as });
	const char *id = strstr(a.reply, "[{\"id\":\"");
	char text[UUID_STR_LEN];
	struct uuid u;

	assert_int_equal(a.rc, 0);
	assert_non_null(id);
	snprintf(text, sizeof(text), "%.36s", id + 8);
	assert_int_equal(uuid_parse(text, &u), 0);
	return u;
}

/* ---- the vault ---- */

static void
make_vault(struct fixture *fx, struct fiber *f, void *arg)
{
	char id[UUID_STR_LEN];
	auto_buf body = BUF_INIT;

	uuid_new(&owner);
	uuid_new(&maker);
	uuid_new(&admin);
	uuid_new(&resource);
	uuid_new(&account);
	fixture_append(x, f, EVENT_USER_CREATED, &owner, "{\"name\":\"Olga\",\"role\":\"user\"}");
	fixture_append(x, f, EVENT_USER_CREATED, &maker, "{\"name\":\"Max\",\"role\":\"user\"}");
	fixture_append(x, f, EVENT_USER_CREATED, &admin,
		       "{\"name\":\"Ada\",\"role\":\"administrator\"}");
	uuid_str(&owner, id);
	buf_addf(&body, "{\"name\":\"server\",\"owner\":\"%s\"}", id);
	fixture_append(x, f, EVENT_RESOURCE_CREATED, &resource, buf_str(&body));
	buf_reset(&body);
	uuid_str(&resource, id);
	buf_addf(&body, "{\"resource\":\"%s\",\"login\":\"root\"}", id);
	fixture_append(x, f, EVENT_ACCOUNT_CREATED, &account, buf_str(&body));
}

static int
ask_share(struct call *c, struct ask *a, struct json_out *out, struct err *e)
{
	if (a->text)
		return share_grant(c, SHARE_ACCOUNT, &account, "Max", a->text, NULL, out, e);
	return share_withdraw(c, SHARE_ACCOUNT, &account, "Max", e);
}

static void
share(const char *level)
{
	assert_int_equal(do_ask((struct ask){ .fn = ask_share, .as = &owner, .text = level }).rc,
			 0);
}

static int
setup(void **state)
{
	x = fixture_new();
	fixture_state(x, HA_SINGLE, false);
	fixture_close(x);
	fixture_open(x, FIXTURE_NODE_A);
	fixture_run(x, make_vault, NULL);
	share("modify");
	assert_int_equal(put(&owner, "first", -1).rc, 0);
	return 0;
}

static int
teardown(void **state)
{
	fixture_free(x);
	return 0;
}

static void
reload(struct fixture *fx, struct fiber *f, void *arg)
{
	struct err e = { 0 };

	assert_int_equal(journal_overlay_reload(fx->v.journal_overlay, fx->v.ledger, f, &e), 0);
}

/* As vaultd does: the state changes, then what the journal says is read again. */
static void
go(enum ha_state s)
{
	fixture_state(x, s, false);
	fixture_run(x, reload, NULL);
}

/* The node is the primary now; its first event takes the journal into the log. */
static void
go_home(void)
{
	go(HA_SINGLE);
	allow("off", false);
}

static int64_t
rows(const char *where)
{
	char sql[300];

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM version WHERE %s", where);
	return fixture_count(x, sql);
}

/* Without an event: as if another node's log had brought it. */
static void
run_sql(const char *fmt, const struct uuid *u)
{
	char sql[300], id[UUID_STR_LEN];

	uuid_str(u, id);
	snprintf(sql, sizeof(sql), fmt, id);
	pgtemp_sql(x->pg, sql);
}

/* The primary's log, which the journal does not know of, withdraws the maker's share, or disables them. */
static void
withdrawn_at_the_primary(const struct uuid *object, const char *what, const char *value)
{
	auto_buf sql = BUF_INIT;
	char on[UUID_STR_LEN], whose[UUID_STR_LEN];

	uuid_str(object, on);
	uuid_str(&maker, whose);
	buf_addf(&sql,
		 "INSERT INTO word (object, principal, what, chain, seq, at, value, later) VALUES "
		 "('%s', '%s', '%s', '0190a000-0000-7000-8000-00000000000e', 1, now(), '%s', "
		 "false)",
		 on, whose, what, value);
	pgtemp_sql(x->pg, buf_str(&sql));
	run_sql(*what == 's' ? "DELETE FROM share WHERE target = '%s'"
			     : "UPDATE principal SET disabled = true WHERE id = '%s'",
		object);
}

/* ---- tests ---- */

/* H5: off at first; a resource's word counts before the one for everywhere. */
static void
refused_unless_allowed(void **state)
{
	struct ask a;

	go(HA_EMERGENCY);
	a = put(&owner, "never", -1);
	assert_int_equal(a.rc, ERR_EMERGENCY_READ_ONLY);
	assert_non_null(strstr(a.why, "no administrator has allowed"));
	must_stand(1, false);
	go(HA_SINGLE);
	assert_non_null(strstr(allow("on", false).reply, "\"everywhere\":\"on\""));
	allow("off", true);
	go(HA_EMERGENCY);
	assert_int_equal(put(&owner, "never", -1).rc, ERR_EMERGENCY_READ_ONLY);
	go(HA_SINGLE);
	assert_int_equal(count(allow("inherit", true).reply, "server"), 0);
	go(HA_EMERGENCY);
	assert_int_equal(put(&owner, "second", -1).rc, 0);
	/* Who has no right to modify has none here; and when the primary is back nobody has. */
	assert_int_equal(put(&admin, "never", -1).rc, ERR_NOT_FOUND);
	fixture_state(x, HA_STANDBY, false);
	assert_int_equal(put(&owner, "never", -1).rc, ERR_NOT_SERVING);
	go_home();
	assert_int_equal(rows("true"), 2);
}

static int
ask_user(struct call *c, struct ask *a, struct json_out *out, struct err *e)
{
	struct user_change ch = { .role = a->text, .set_disabled = !a->text, .disabled = a->yes };

	return user_change(c, a->id, &ch, out, e);
}

/* H5: nobody gets a right where the node is not the primary, whatever the state was when the request was let in. */
static void
no_right_is_given(void **state)
{
	static const enum ha_state states[] = { HA_EMERGENCY, HA_MERGING, HA_STANDBY };

	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		go(states[i]);
		for (int k = 0; k < 2; k++)
			assert_int_equal(do_ask((struct ask){ .fn = ask_user,
							      .as = &admin,
							      .id = &maker,
							      .text = k ? "administrator" : NULL })
						 .rc,
					 ERR_EMERGENCY_READ_ONLY);
	}
	go_home();
	assert_int_equal(fixture_count(x, "SELECT count(*) FROM event WHERE kind = :USER_CHANGED"),
			 0);
	assert_int_equal(do_ask((struct ask){ .fn = ask_user,
					      .as = &admin,
					      .id = &maker,
					      .text = "administrator" })
				 .rc,
			 0);
}

/* H6: it is read at once and after a restart, nothing of it is in the tables, and check-and-set goes by it. */
static void
read_where_it_was_made(void **state)
{
	struct ask a;

	allow("on", true);
	go(HA_EMERGENCY);
	a = put(&maker, "second", 1);
	assert_int_equal(a.rc, 0);
	assert_int_equal(a.durability, LEDGER_JOURNAL);
	assert_int_equal(put(&owner, "never", 1).rc, ERR_VERSION_CONFLICT);
	assert_int_equal(put(&owner, "third", 2).rc, 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(rows("true"), 1);
		must_stand(3, false);
		must_read(0, "third", 3);
		must_read(2, "second", 2);
		must_read(1, "first", 1);
		a = versions();
		assert_int_equal(count(a.reply, "\"n\":"), 3);
		assert_int_equal(count(a.reply, "\"current\":true"), 1);
		assert_int_equal(count(a.reply, "\"Max\""), 1);
		assert_null(strstr(a.reply, "third"));
		fixture_close(x);
		fixture_open(x, FIXTURE_NODE_A);
	}
	go_home();
	assert_int_equal(rows("approval IS NULL AND NOT sibling"), 3);
	must_stand(3, false);
	must_read(0, "third", 3);
	assert_int_equal(count(versions().reply, "\"n\":"), 3);
	assert_int_equal(journal_overlay_of(x->v.journal_overlay, &account, NULL).n, 0);
}

/* At every moment it is there once: before the row has come, when both are there, and when the journal is empty. */
static void
vanishes_when_the_row_is_there(void **state)
{
	char sql[400];
	struct ask a;

	allow("on", false);
	go(HA_EMERGENCY);
	a = put(&owner, "second", -1);
	assert_int_equal(a.rc, 0);
	/* The primary has taken it in, and the row has come back before the journal is dropped. */
	snprintf(sql, sizeof(sql),
		 "INSERT INTO version (id, account, n, based_on, sealed, created_at, chain, seq) "
		 "SELECT "
		 "'%.36s', id, 2, 1, 'x', now(), id, 2 FROM account WHERE id = '%%s'",
		 strstr(a.reply, "\"id\":\"") + 6);
	run_sql(sql, &account);
	run_sql("UPDATE account SET current_n = 2 WHERE id = '%s'", &account);
	assert_int_equal(count(versions().reply, "\"n\":"), 2);
	must_stand(2, false);
	assert_int_equal(put(&owner, "third", 2).rc, 0);
	must_stand(3, false);
	assert_int_equal(count(versions().reply, "\"n\":"), 3);
	go_home();
	assert_int_equal(rows("NOT sibling"), 3);
	must_stand(3, false);
}

/* A node that has become the primary, but has not taken its journal in yet. */
static void
read_between_promotion_and_log(void **state)
{
	allow("on", false);
	go(HA_EMERGENCY);
	assert_int_equal(put(&owner, "second", -1).rc, 0);
	fixture_state(x, HA_SINGLE, false);
	must_stand(2, false);
	go_home();
	must_stand(2, false);
	assert_int_equal(count(versions().reply, "\"n\":"), 2);
	must_read(0, "second", 2);
}

/* Anything that changes a table too. */
static void
see_session(struct fixture *fx, struct fiber *f, void *arg)
{
	fixture_append(x, f, EVENT_SESSION_SEEN, &owner, "{}");
}

/* Made on both sides: both stay, the account is in conflict, also when other events lie between. */
static void
made_on_both_sides_is_a_conflict(void **state)
{
	allow("on", false);
	go(HA_EMERGENCY);
	assert_int_equal(put(&owner, "here-2", -1).rc, 0);
	must_read(0, "here-2", 2);
	fixture_run(x, see_session, NULL);
	assert_int_equal(put(&owner, "here-3", -1).rc, 0);
	/* What the primary did meanwhile comes by replication before the journal is home. */
	run_sql("INSERT INTO version (id, account, n, based_on, sealed, created_at, chain, seq) "
		"SELECT "
		"gen_random_uuid(), id, 2, 1, 'x', now(), id, 2 FROM account WHERE id = '%s'",
		&account);
	run_sql("UPDATE account SET current_n = 2 WHERE id = '%s'", &account);
	must_stand(2, true);
	must_read(3, "here-2", 3);
	must_read(4, "here-3", 4);
	go_home();
	must_stand(2, true);
	assert_int_equal(rows("sibling"), 2);
	must_read(3, "here-2", 3);
	must_read(4, "here-3", 4);
}

static void
made_by_maker(const char *password)
{
	allow("on", false);
	go(HA_EMERGENCY);
	assert_int_equal(put(&maker, password, 1).rc, 0);
}

/* A withdrawn share: kept, marked, not applied; whoever manages the account approves. */
static void
unentitled_waits_until_approved(void **state)
{
	struct uuid v;
	struct ask a;

	made_by_maker("second");
	withdrawn_at_the_primary(&account, "share", "0");
	go_home();
	must_stand(1, false);
	must_read(0, "first", 1);
	must_read(2, "second", 2);
	a = versions();
	assert_int_equal(count(a.reply, "\"approval\":\"waits\""), 1);
	assert_int_equal(
		count(do_ask((struct ask){ .fn = ask_changes, .as = &maker }).reply, "\"version\""),
		0);
	v = waiting(&owner);
	assert_int_equal(decide(&maker, &v, true).rc, ERR_NOT_FOUND);
	/* It takes no place among the others. */
	assert_int_equal(put(&owner, "third", 1).rc, 0);
	must_stand(3, false);
	a = decide(&owner, &v, true);
	assert_int_equal(a.rc, 0);
	assert_non_null(strstr(a.reply, "\"approval\":\"approved\",\"conflict\":true"));
	must_stand(3, true);
	assert_int_equal(decide(&owner, &v, false).rc, ERR_CONFLICT);
	assert_int_equal(rows("sibling AND approval = 'approved'"), 1);
}

/* A disabled maker; an administrator who sees nothing of the account approves. */
static void
approved_becomes_current(void **state)
{
	struct uuid v;
	struct ask a;

	made_by_maker("second");
	withdrawn_at_the_primary(&maker, "disabled", "true");
	go_home();
	must_stand(1, false);
	v = waiting(&admin);
	a = decide(&admin, &v, true);
	assert_int_equal(a.rc, 0);
	assert_non_null(strstr(a.reply, "\"conflict\":false"));
	must_stand(2, false);
	must_read(0, "second", 2);
}

static void
declined_stays_in_the_history(void **state)
{
	struct uuid v;

	made_by_maker("second");
	withdrawn_at_the_primary(&maker, "disabled", "true");
	go_home();
	v = waiting(&admin);
	assert_int_equal(decide(&admin, &v, false).rc, 0);
	must_stand(1, false);
	assert_int_equal(count(versions().reply, "\"approval\":\"declined\""), 1);
	assert_int_equal(
		count(do_ask((struct ask){ .fn = ask_changes, .as = &admin }).reply, "\"version\""),
		0);
	must_read(2, "second", 2);
}

/* Administrators do not approve what they made themselves without a right to it. */
static void
nobody_approves_their_own(void **state)
{
	struct uuid v, was = admin;

	made_by_maker("second");
	withdrawn_at_the_primary(&account, "share", "0");
	go_home();
	v = waiting(&owner);
	admin = maker;
	assert_int_equal(decide(&maker, &v, true).rc, ERR_FORBIDDEN);
	admin = was;
	must_stand(1, false);
}

#ifdef HF_FAULTS
static int
ask_share_until(struct call *c, struct ask *a, struct json_out *out, struct err *e)
{
	return share_grant(c, SHARE_ACCOUNT, &account, "Max", "modify", a->text, out, e);
}

static int
read_by_maker(void)
{
	return do_ask((struct ask){ .fn = ask_retrieve, .as = &maker, .id = &account }).rc;
}

/* H5: by this node's clock, whatever its tables say. What its maker might do when it was made merges as if nothing had ended. */
static void
a_share_ends_in_emergency_too(void **state)
{
	char iso[CLOCK_ISO_LEN];

	clock_iso(clock_now_us() + INT64_C(3600000000), iso);
	assert_int_equal(
		do_ask((struct ask){ .fn = ask_share_until, .as = &owner, .text = iso }).rc, 0);
	made_by_maker("second");
	assert_int_equal(read_by_maker(), 0);
	setenv("HOLDFAST_CLOCK_SKEW_MS", "3600001", 1);
	assert_int_equal(read_by_maker(), ERR_NOT_FOUND);
	assert_int_equal(put(&maker, "never", -1).rc, ERR_NOT_FOUND);
	must_read(0, "second", 2);
	go_home();
	must_stand(2, false);
	assert_int_equal(rows("approval IS NOT NULL"), 0);
	assert_int_equal(read_by_maker(), ERR_NOT_FOUND);
	unsetenv("HOLDFAST_CLOCK_SKEW_MS");
}
#endif

static void
full_is_said(void **state)
{
	struct err e = { 0 };
	struct journal_overlay *j = journal_overlay_new();

	for (int i = 0; i < JOURNAL_OVERLAY_MAX; i++)
		assert_int_equal(journal_overlay_reserve(j, &e), 0);
	assert_int_equal(journal_overlay_reserve(j, &e), ERR_REFUSED);
	assert_non_null(strstr(e.text, "as many as this node holds"));
	journal_overlay_unreserve(j);
	assert_int_equal(journal_overlay_reserve(j, &e), 0);
	journal_overlay_free(j);
}

/* clang-format off */
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_is_said),
		TEST(refused_unless_allowed),
		TEST(no_right_is_given),
		TEST(read_where_it_was_made),
		TEST(vanishes_when_the_row_is_there),
		TEST(read_between_promotion_and_log),
		TEST(made_on_both_sides_is_a_conflict),
		TEST(unentitled_waits_until_approved),
		TEST(approved_becomes_current),
		TEST(declined_stays_in_the_history),
		TEST(nobody_approves_their_own),
#ifdef HF_FAULTS
		TEST(a_share_ends_in_emergency_too),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
/* clang-format on */
