/* SPDX-License-Identifier: Apache-2.0
 *
 * Events of users, resources, accounts, versions and shares turned into rows on a real server, and
 * the reads that the rules go by.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <libpq-fe.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "ledger/event.h"
#include "pgtemp.h"
#include "store/db.h"

static struct pgtemp *pg;
static struct db *db;
static struct uuid node;
static int64_t seq;

/* ---- helpers ---- */

static const char *
id(int n)
{
	static char text[8][UUID_STR_LEN];
	static int i;
	char *ret = text[i++ % 8];
	snprintf(ret, UUID_STR_LEN, "00000000-0000-7000-8000-%012d", n);
	return ret;
}

static struct uuid
uuid_of(int n)
{
	struct uuid u;
	assert_int_equal(uuid_parse(id(n), &u), 0);
	return u;
}

/* Adds one event that the chain knows nothing of; apply does not look at hashes. */
static int64_t
add_by(int actor, enum event_kind kind, int object, const char *body)
{
	auto_buf sql = BUF_INIT;
	char text[UUID_STR_LEN];
	uuid_str(&node, text);
	seq++;
	buf_addf(&sql,
		 "INSERT INTO event (node, seq, at, kind, actor, object, body, hash) VALUES "
		 "('%s', %lld, timestamptz '2026-01-01 00:00Z' + %lld * interval '1 second', %d, "
		 "'%s', '%s', '%s', decode(repeat('00', 32), 'hex'))",
		 text, (long long)seq, (long long)seq, (int)kind, id(actor), id(object), body);
	pgtemp_sql(pg, buf_str(&sql));
	return seq;
}

static int64_t
add(enum event_kind kind, int object, const char *fmt, ...)
{
	auto_buf body = BUF_INIT;
	va_list ap;
	va_start(ap, fmt);
	buf_addv(&body, fmt, ap);
	va_end(ap);
	return add_by(1, kind, object, buf_str(&body));
}

static int64_t
add_emptied(int resource, int account, int version)
{
	return add(EVENT_BIN_EMPTIED, 0,
		   "{\"versions\":\"%s\",\"accounts\":\"%s\",\"resources\":\"%s\"}", id(version),
		   id(account), id(resource));
}

static int
apply_once(enum stmt s, int64_t from, int64_t to)
{
	struct err e = { 0 };
	auto_binds b = BINDS_INIT;
	bind_uuid(&b, &node);
	bind_bigint(&b, from);
	bind_bigint(&b, to);
	return db_exec(db, NULL, s, &b, NULL, &e);
}

/* Whether what is applied may change what becomes of versions, or what is in the bin. */
static bool
is_retold(enum stmt s)
{
	static const char *const of[] = { "apply_version",  "apply_conflict", "apply_change",
					  "apply_resource", "apply_account",  "apply_bin",
					  "apply_shared",   "apply_unshared" };
	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++)
		if (!strncmp(stmt_info(s)->name, of[i], strlen(of[i])))
			return true;
	return false;
}

/* Applies a range twice, as one that is merged, and works out what follows: the second time must change nothing that a test could see. */
static int
apply(enum stmt s, int64_t from, int64_t to)
{
	int rc = 0;
	for (int i = 0; i < 2 && rc == 0; i++) {
		rc = apply_once(s, from, to);
		rc = rc ? rc : apply_once(STMT_WEIGH_WORDS, from, to);
		rc = rc ? rc : apply_once(STMT_PLACE_FOLDERS, from, to);
		rc = rc ? rc : apply_once(STMT_FOLLOW_SHARES, from, to);
		if (rc || !is_retold(s))
			continue;
		rc = apply_once(STMT_RETELL_BINS, from, to);
		rc = rc ? rc : apply_once(STMT_RETELL_VERSIONS, from, to);
	}
	return rc;
}

static void
apply_one(enum stmt s, int64_t at)
{
	assert_int_equal(apply(s, at, at), 0);
}

static struct rows *
ask(enum stmt s, const struct binds *b)
{
	struct rows *r = NULL;
	struct err e = { 0 };
	int rc = db_exec(db, NULL, s, b, &r, &e);
	if (rc)
		print_error("%s\n", e.text);
	assert_int_equal(rc, 0);
	return r;
}

static void
make_user(int n, const char *name, const char *role)
{
	apply_one(STMT_APPLY_USER_CREATED,
		  add(EVENT_USER_CREATED, n,
		      "{\"name\":\"%s\",\"role\":\"%s\",\"setup_mac\":\"0a0b\",\"setup_until\":"
		      "\"2026-02-01T00:00:00Z\"}",
		      name, role));
}

static void
make_resource(int n, const char *name, int owner)
{
	apply_one(STMT_APPLY_RESOURCE_CREATED,
		  add(EVENT_RESOURCE_CREATED, n,
		      "{\"name\":\"%s\",\"url\":\"https://%s.test\",\"owner\":\"%s\"}", name, name,
		      id(owner)));
}

static void
make_account(int n, int resource, const char *login)
{
	apply_one(STMT_APPLY_ACCOUNT_CREATED,
		  add(EVENT_ACCOUNT_CREATED, n, "{\"resource\":\"%s\",\"login\":\"%s\"}",
		      id(resource), login));
}

static int64_t
add_version(int account, int version, int n, int based_on)
{
	return add(EVENT_VERSION_ADDED, account,
		   "{\"id\":\"%s\",\"n\":%d,\"based_on\":%d,\"author\":\"%s\",\"sealed\":"
		   "\"c2VjcmV0\"}",
		   id(version), n, based_on, id(1));
}

/* upon: the version that it was made upon, by its id. */
static int64_t
add_version_upon(int account, int version, int n, int based_on, int upon)
{
	return add(EVENT_VERSION_ADDED, account,
		   "{\"id\":\"%s\",\"n\":%d,\"based_on\":%d,\"upon\":\"%s\",\"author\":\"%s\","
		   "\"sealed\":\"c2VjcmV0\"}",
		   id(version), n, based_on, id(upon), id(1));
}

/* Columns of account_right. */
struct right {
	int rows, level, current_n, top_n;
	bool conflict;
};

static struct right
right_of(int account, int user)
{
	struct right ret = { 0 };
	auto_binds b = BINDS_INIT;
	struct uuid a = uuid_of(account), u = uuid_of(user);
	bind_uuid(&b, &a);
	bind_uuid(&b, &u);
	bind_array_begin(&b, STMT_UUID);
	bind_array_end(&b);
	auto_rows r = ask(STMT_ACCOUNT_RIGHT, &b);
	ret.rows = rows_count(r);
	if (ret.rows) {
		ret.level = row_int(r, 0, 0);
		ret.current_n = row_int(r, 0, 6);
		ret.top_n = row_int(r, 0, 7);
		ret.conflict = row_bool(r, 0, 8);
	}
	return ret;
}

/* ---- users ---- */

static void
user_last_word_wins(void **state)
{
	make_user(10, "Anna", "user");
	int64_t from = add(EVENT_USER_CHANGED, 10, "{\"role\":\"administrator\"}");
	add(EVENT_USER_CHANGED, 10, "{\"disabled\":true}");
	add(EVENT_USER_CHANGED, 10, "{\"role\":\"user\"}");
	int64_t to = add(EVENT_USER_CHANGED, 10, "{\"disabled\":false}");
	assert_int_equal(apply(STMT_APPLY_USER_CHANGED, from, to), 0);
	auto_binds b = BINDS_INIT;
	struct uuid u = uuid_of(10);
	bind_uuid(&b, &u);
	auto_rows r = ask(STMT_USER_GET, &b);
	assert_string_equal(row_text(r, 0, 1), "Anna");
	assert_string_equal(row_text(r, 0, 2), "user");
	assert_false(row_bool(r, 0, 3));
	assert_false(row_bool(r, 0, 5));
}

/* As many as the name may mean: plain is what stands before a suffix, tail the end of an id. */
static int
count_named(const char *name, const char *plain, const char *tail)
{
	auto_binds b = BINDS_INIT;

	bind_text(&b, name);
	bind_text(&b, plain);
	bind_text(&b, tail);
	auto_rows r = ask(STMT_LOGIN_BY_NAME, &b);
	for (int i = 0; i < rows_count(r); i++)
		assert_true(row_bool(r, i, COL_LOGIN_BY_NAME_SHARED));
	return rows_count(r);
}

static void
a_user_keeps_the_name(void **state)
{
	make_user(11, "Bert", "user");
	assert_int_equal(apply(STMT_MARK_PRINCIPALS, seq, seq), 0);
	assert_int_equal(apply(STMT_REFUSE_PRINCIPALS, seq, seq), 0);
	make_user(19, "BERT", "user");
	assert_int_equal(apply(STMT_MARK_PRINCIPALS, seq, seq), 0);
	assert_int_equal(apply(STMT_REFUSE_PRINCIPALS, seq, seq), ERR_DB);
	assert_int_equal(count_named("bert", "", ""), 2);
	assert_int_equal(count_named("bert~0019", "bert", "0019"), 1);
	assert_int_equal(count_named("bert~0013", "bert", "0013"), 0);
	apply_one(STMT_APPLY_USER_CHANGED, add(EVENT_USER_CHANGED, 19, "{\"name\":\"Bertie\"}"));
	assert_int_equal(apply(STMT_MARK_PRINCIPALS, seq, seq), 0);
	assert_int_equal(apply(STMT_REFUSE_PRINCIPALS, seq, seq), 0);
	pgtemp_sql(pg, "SELECT 1 / (count(*) = 0)::int FROM principal WHERE twin IS NOT NULL");
	pgtemp_sql(pg, "SELECT 1 / (count(*) = 1)::int FROM principal WHERE name = 'Bertie'");
}

static bool
session_lives(int session)
{
	auto_binds b = BINDS_INIT;
	char mac[1] = { (char)session };
	bind_bytea(&b, mac, 1);
	auto_rows r = ask(STMT_SESSION_BY_MAC, &b);
	assert_int_equal(rows_count(r), 1);
	return !row_bool(r, 0, 5);
}

static void
begin_session(int session, int user)
{
	auto_buf sql = BUF_INIT;
	buf_addf(&sql,
		 "INSERT INTO session (mac, id, principal, created_at, seen_at, expires_at) VALUES "
		 "('\\x%02x', '%s', '%s', '2026-01-01', '2026-01-01', '2027-01-01')",
		 (unsigned)session, id(session), id(user));
	pgtemp_sql(pg, buf_str(&sql));
}

static void
password_ends_the_other_sessions(void **state)
{
	make_user(13, "Carl", "user");
	begin_session(51, 13);
	begin_session(52, 13);
	apply_one(
		STMT_APPLY_USER_PASSWORD,
		add(EVENT_USER_PASSWORD, 13, "{\"password_hash\":\"h1\",\"keep\":\"%s\"}", id(51)));
	assert_true(session_lives(51));
	assert_false(session_lives(52));
	/* A reset leaves no password, no session, and a new token. */
	apply_one(STMT_APPLY_USER_PASSWORD, add(EVENT_USER_PASSWORD, 13,
						"{\"password_hash\":null,\"setup_mac\":\"ff\","
						"\"setup_until\":\"2026-03-01T00:00:00Z\"}"));
	assert_false(session_lives(51));
	auto_binds b = BINDS_INIT;
	bind_text(&b, "carl");
	bind_text(&b, "");
	bind_text(&b, "");
	auto_rows r = ask(STMT_USER_SETUP, &b);
	size_t n;
	assert_memory_equal(row_bytea(r, 0, 4, &n), "\xff", 1);
	assert_int_equal(n, 1);
}

static void
disabling_ends_sessions(void **state)
{
	make_user(14, "Dora", "user");
	begin_session(53, 14);
	apply_one(STMT_APPLY_USER_CHANGED,
		  add(EVENT_USER_CHANGED, 14, "{\"role\":\"administrator\"}"));
	assert_true(session_lives(53));
	apply_one(STMT_APPLY_USER_CHANGED, add(EVENT_USER_CHANGED, 14, "{\"disabled\":true}"));
	assert_false(session_lives(53));
}

/* ---- generations of credentials ---- */

/* An event of one of two logs, and its statement. */
struct told {
	const struct uuid *chain;
	enum stmt apply;
	int64_t at;
};

static void
apply_told(const struct told *t)
{
	struct uuid own = node;
	node = *t->chain;
	apply_one(t->apply, t->at);
	node = own;
}

/* A session that begins on the chain, knowing of these (query/ending.sql); NULL: by an earlier release. */
static struct told
begins(const struct uuid *chain, int session, int user, const char *knew)
{
	auto_buf body = BUF_INIT;
	struct uuid own = node;
	buf_addf(&body, "{\"session\":\"%s\",\"mac\":\"%02x\",\"expires\":\"2027-01-01T00:00:00Z\"",
		 id(session), (unsigned)session);
	if (knew)
		buf_addf(&body, ",\"knew\":\"%s\"", knew);
	buf_addc(&body, '}');
	node = *chain;
	struct told t = { chain, STMT_APPLY_LOGIN,
			  add_by(user, EVENT_LOGIN, user, buf_str(&body)) };
	node = own;
	return t;
}

static struct told
ends(const struct uuid *chain, enum event_kind kind, enum stmt stmt, int user, const char *body)
{
	struct uuid own = node;
	node = *chain;
	struct told t = { chain, stmt, add_by(1, kind, user, body) };
	node = own;
	return t;
}

/* How the sessions of a user stand: the number of the event at which each ended, 0: it goes on. */
static void
sessions_are(int user, int first, const int64_t *want, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		auto_buf sql = BUF_INIT;
		buf_addf(&sql,
			 "SELECT 1 / (count(*) = 1)::int FROM session WHERE id = '%s' AND "
			 "principal = "
			 "'%s' AND ended_at IS NOT DISTINCT FROM timestamptz '2026-01-01 00:00Z' + "
			 "nullif(%lld, 0) * interval '1 second'",
			 id(first + (int)i), id(user), (long long)want[i]);
		pgtemp_sql(pg, buf_str(&sql));
	}
}

static void
forget_sessions(int user)
{
	auto_buf sql = BUF_INIT;
	buf_addf(&sql,
		 "DELETE FROM session WHERE principal = '%s'; DELETE FROM ending WHERE subject = "
		 "'%s'; UPDATE principal SET disabled = false WHERE id = '%s'; DELETE FROM word "
		 "WHERE object = '%s'",
		 id(user), id(user), id(user), id(user));
	pgtemp_sql(pg, buf_str(&sql));
}

static const char *
knew_of(struct arena *a, const struct told *t)
{
	char text[UUID_STR_LEN];
	uuid_str(t->chain, text);
	return arena_printf(a, "%s/%lld", text, (long long)t->at);
}

/* H15: of two endings on both sides of a cut each ends what did not know of it, whatever is applied first. */
static void
who_knew_of_every_ending_goes_on(void **state)
{
	struct uuid west, east;
	auto_arena a = arena_new();
	uuid_new(&west);
	uuid_new(&east);
	make_user(15, "Emil", "user");
	struct told reset = ends(&west, EVENT_USER_PASSWORD, STMT_APPLY_USER_PASSWORD, 15,
				 "{\"password_hash\":null,\"setup_mac\":\"ff\"}");
	struct told off =
		ends(&east, EVENT_USER_CHANGED, STMT_APPLY_USER_CHANGED, 15, "{\"disabled\":true}");
	const char *w = knew_of(a, &reset), *e = knew_of(a, &off);
	struct told all[] = {
		reset,
		off,
		begins(&west, 60, 15, ""),
		begins(&west, 61, 15, w),
		begins(&east, 62, 15, e),
		begins(&west, 63, 15, arena_printf(a, "%s %s", w, e)),
		begins(&east, 64, 15, arena_printf(a, "%s %s", e, w)),
	};
	const int64_t want[] = { reset.at, off.at, reset.at, 0, 0 };
	size_t n = sizeof(all) / sizeof(all[0]);
	for (size_t i = 0; i < 2 * n; i++) {
		forget_sessions(15);
		for (size_t k = 0; k < n; k++)
			apply_told(&all[i < n ? (i + k) % n : (i + n - k) % n]);
		sessions_are(15, 60, want, 5);
	}
	/* All of one log in one range. */
	forget_sessions(15);
	node = east;
	assert_int_equal(apply(STMT_APPLY_LOGIN, off.at, seq), 0);
	apply_one(STMT_APPLY_USER_CHANGED, off.at);
	node = west;
	assert_int_equal(apply(STMT_APPLY_USER_PASSWORD, reset.at, seq), 0);
	assert_int_equal(apply(STMT_APPLY_LOGIN, reset.at, seq), 0);
	sessions_are(15, 60, want, 5);
}

/* Whoever changes their password goes on where they did it. What began without knowing of it on the other side does not. */
static void
a_new_password_keeps_the_session_that_set_it(void **state)
{
	struct uuid west, east;
	uuid_new(&west);
	uuid_new(&east);
	make_user(16, "Fritz", "user");
	struct told own = begins(&west, 70, 16, ""), other = begins(&east, 71, 16, "");
	auto_buf body = BUF_INIT;
	buf_addf(&body, "{\"password_hash\":\"h\",\"keep\":\"%s\"}", id(70));
	struct told set =
		ends(&west, EVENT_USER_PASSWORD, STMT_APPLY_USER_PASSWORD, 16, buf_str(&body));
	const struct told *orders[][3] = { { &own, &set, &other }, { &other, &set, &own } };
	const int64_t want[] = { 0, set.at };
	for (int i = 0; i < 2; i++) {
		forget_sessions(16);
		for (int k = 0; k < 3; k++)
			apply_told(orders[i][k]);
		sessions_are(16, 70, want, 2);
	}
}

/* Of an earlier release: it knew of what was applied before it, and of no more. */
static void
a_session_that_names_nothing_counts_by_its_place(void **state)
{
	struct uuid west;
	uuid_new(&west);
	make_user(17, "Gerd", "user");
	struct told before = begins(&west, 80, 17, NULL);
	struct told reset = ends(&west, EVENT_USER_PASSWORD, STMT_APPLY_USER_PASSWORD, 17,
				 "{\"password_hash\":null}");
	struct told behind = begins(&west, 81, 17, NULL);
	const int64_t want[] = { reset.at, 0 };
	apply_told(&before);
	apply_told(&reset);
	apply_told(&behind);
	apply_told(&reset);
	sessions_are(17, 80, want, 2);
}

/* A restored vault ends everybody's sessions but those that began in it. */
static void
a_restored_vault_ends_everybodys(void **state)
{
	struct uuid west;
	auto_arena a = arena_new();
	uuid_new(&west);
	make_user(18, "Hans", "user");
	struct told restored = ends(&west, EVENT_RESTORED, STMT_APPLY_RESTORED, 18, "{\"term\":1}");
	struct told all[] = { begins(&west, 90, 18, ""), restored,
			      begins(&west, 91, 18, knew_of(a, &restored)) };
	const int64_t want[] = { restored.at, 0 };
	for (int i = 0; i < 3; i++) {
		forget_sessions(18);
		for (int k = 0; k < 3; k++)
			apply_told(&all[(i + k) % 3]);
		sessions_are(18, 90, want, 2);
		pgtemp_sql(pg, "DELETE FROM ending WHERE subject = "
			       "'00000000-0000-0000-0000-000000000000'");
	}
}

/* What stands of a user's password, or of the set-up token ("mac:" before it). */
static void
credentials_are(int user, const char *what)
{
	auto_buf sql = BUF_INIT;
	buf_addf(&sql,
		 "SELECT 1 / (count(*) = 1)::int FROM principal WHERE id = '%s' AND "
		 "coalesce(password_hash, 'mac:' || encode(setup_mac, 'hex')) = '%s'",
		 id(user), what);
	pgtemp_sql(pg, buf_str(&sql));
}

static struct told
sets(struct arena *a, const struct uuid *chain, int user, const char *password, const char *mac,
     const char *knew)
{
	const char *body =
		arena_printf(a, "{\"password_hash\":%s%s%s,\"setup_mac\":\"%s\",\"knew\":\"%s\"}",
			     password ? "\"" : "", password ? password : "null",
			     password ? "\"" : "", mac, knew);
	return ends(chain, EVENT_USER_PASSWORD, STMT_APPLY_USER_PASSWORD, user, body);
}

/* H15: a reset on one side of a cut is not undone by a password that was set on the other; whoever knew of all that was set sets what counts. */
static void
a_reset_counts_before_a_password_made_apart(void **state)
{
	struct uuid west, east;
	auto_arena a = arena_new();
	uuid_new(&west);
	uuid_new(&east);
	make_user(28, "Ida", "user");
	struct told first = sets(a, &west, 28, "h1", "", "");
	const char *knew = knew_of(a, &first);
	struct told reset = sets(a, &west, 28, NULL, "0a", knew);
	struct told set_up = sets(a, &west, 28, "h2", "", knew_of(a, &reset));
	struct told apart = sets(a, &east, 28, NULL, "0b", knew);
	struct told own = sets(a, &east, 28, "h3", "", knew);
	const struct {
		const struct told *t[5];
		const char *stands;
	} stories[] = {
		{ { &first, &reset }, "mac:0a" },
		{ { &first, &reset, &set_up }, "h2" },
		{ { &first, &own, &reset }, "mac:0a" },
		{ { &first, &reset, &set_up, &apart }, "mac:0b" },
	};
	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
		int n = 0;
		while (n < 5 && stories[i].t[n])
			n++;
		for (int turn = 0; turn < n; turn++) {
			forget_sessions(28);
			for (int k = 0; k < n; k++)
				apply_told(stories[i].t[(turn + k) % n]);
			credentials_are(28, stories[i].stands);
		}
	}
	/* Two tokens: always the same one. */
	forget_sessions(28);
	apply_told(&reset);
	apply_told(&apart);
	const char *one = memcmp(&west, &east, sizeof(west)) < 0 ? "mac:0a" : "mac:0b";
	credentials_are(28, one);
	forget_sessions(28);
	apply_told(&apart);
	apply_told(&reset);
	credentials_are(28, one);
	struct told last = sets(a, &west, 28, "h4", "",
				arena_printf(a, "%s %s", knew_of(a, &apart), knew_of(a, &reset)));
	apply_told(&last);
	credentials_are(28, "h4");
}

/* ---- nodes ---- */

static struct told
joins(const struct uuid *chain, int which, const char *knew)
{
	auto_buf body = BUF_INIT;
	buf_addf(&body,
		 "{\"id\":\"%s\",\"name\":\"n%d\",\"https_port\":1,\"pair_port\":2,\"slot\":\"s\"",
		 id(which), which);
	if (knew)
		buf_addf(&body, ",\"knew\":\"%s\"", knew);
	buf_addc(&body, '}');
	return ends(chain, EVENT_NODE_JOINED, STMT_APPLY_NODES, which, buf_str(&body));
}

static void
forget_node(int which)
{
	auto_buf sql = BUF_INIT;
	buf_addf(&sql, "DELETE FROM node WHERE id = '%s'; DELETE FROM ending WHERE subject = '%s'",
		 id(which), id(which));
	pgtemp_sql(pg, buf_str(&sql));
}

/* Nodes go by all that the log says: what is not applied yet is hidden from it. */
static void
hide(const struct told *t, bool hidden)
{
	auto_buf sql = BUF_INIT;
	char chain[UUID_STR_LEN];
	uuid_str(t->chain, chain);
	buf_addf(&sql, "UPDATE event SET kind = abs(kind) * %d WHERE node = '%s' AND seq = %lld",
		 hidden ? -1 : 1, chain, (long long)t->at);
	pgtemp_sql(pg, buf_str(&sql));
}

static void
apply_of_node(const struct told *t)
{
	struct told all = { t->chain, STMT_APPLY_NODES, t->at };
	hide(t, false);
	apply_told(t);
	apply_told(&all);
}

static void
node_is(int which, bool there)
{
	auto_buf sql = BUF_INIT;
	buf_addf(&sql, "SELECT 1 / (count(*) = %d)::int FROM node WHERE id = '%s'", there,
		 id(which));
	pgtemp_sql(pg, buf_str(&sql));
}

/* H15: whoever takes a node out does so whatever the clock said when it joined; it is back once it joins knowing of that. The times of these are the other
 * way round. */
static void
a_node_goes_by_what_its_joining_knew(void **state)
{
	struct uuid west, east;
	auto_arena a = arena_new();
	uuid_new(&west);
	uuid_new(&east);
	int64_t removed_at = seq + 3;
	struct told removed = { &east, STMT_APPLY_NODE_REMOVED, removed_at };
	struct told again = joins(&west, 95, knew_of(a, &removed)), apart = joins(&west, 95, "");
	removed = ends(&east, EVENT_NODE_REMOVED, STMT_APPLY_NODE_REMOVED, 95, "{}");
	assert_int_equal(removed.at, removed_at);
	const struct {
		const struct told *t[3];
		bool there;
	} orders[] = {
		{ { &apart, &removed }, false },	{ { &removed, &apart }, false },
		{ { &removed, &again }, true },		{ { &apart, &removed, &again }, true },
		{ { &removed, &again, &apart }, true }, { { &removed, &apart, &again }, true },
		{ { &again, &removed }, true },
	};
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		forget_node(95);
		hide(&removed, true);
		hide(&again, true);
		hide(&apart, true);
		for (int k = 0; k < 3 && orders[i].t[k]; k++)
			apply_of_node(orders[i].t[k]);
		node_is(95, orders[i].there);
	}
}

/* In one log what stands later counts, also where the joining names nothing, as those of earlier releases. */
static void
a_node_goes_by_the_last_word_of_one_log(void **state)
{
	struct uuid west;
	uuid_new(&west);
	const char *const knew[] = { "", NULL };
	for (int i = 0; i < 2; i++) {
		struct told first = joins(&west, 96, knew[i]);
		struct told out =
			ends(&west, EVENT_NODE_REMOVED, STMT_APPLY_NODE_REMOVED, 96, "{}");
		struct told again = joins(&west, 96, knew[i]);
		hide(&first, true);
		hide(&out, true);
		hide(&again, true);
		apply_of_node(&first);
		node_is(96, true);
		apply_of_node(&out);
		node_is(96, false);
		apply_of_node(&again);
		node_is(96, true);
		apply_of_node(&out);
		node_is(96, true);
		hide(&first, true);
		hide(&out, true);
		hide(&again, true);
		forget_node(96);
	}
}

/* ---- rights ---- */

static void
share(enum event_kind kind, int target, int user, int level)
{
	apply_one(kind == EVENT_SHARED ? STMT_APPLY_SHARED : STMT_APPLY_UNSHARED,
		  add(kind, target, "{\"user\":\"%s\",\"level\":%d}", id(user), level));
}

static void
highest_grant_counts(void **state)
{
	make_user(20, "owner20", "user");
	make_user(21, "guest21", "user");
	make_user(22, "admin22", "administrator");
	make_resource(200, "srv200", 20);
	make_account(201, 200, "root");
	make_account(202, 200, "www");
	assert_int_equal(right_of(201, 20).level, 4);
	assert_int_equal(right_of(201, 21).level, 0);
	assert_int_equal(right_of(201, 22).level, 0); /* administrators see no more than others */
	share(EVENT_SHARED, 200, 21, 1);
	share(EVENT_SHARED, 201, 21, 3);
	assert_int_equal(right_of(201, 21).level, 3);
	assert_int_equal(right_of(202, 21).level, 1);
	share(EVENT_SHARED, 200, 21, 2);
	assert_int_equal(right_of(202, 21).level, 2);
	share(EVENT_UNSHARED, 200, 21, 0);
	assert_int_equal(right_of(202, 21).level, 0);
	assert_int_equal(right_of(201, 21).level, 3);
}

/* By name, by a part of it or (both NULL) the first page. */
static void
bind_way(struct binds *b, enum stmt way, const struct uuid *user, const char *name,
	 const char *part)
{
	char pattern[64];

	bind_uuid(b, user);
	if (name)
		bind_text(b, name);
	if (part) {
		snprintf(pattern, sizeof(pattern), "%%%s%%", part);
		bind_text(b, pattern);
		bind_text(b, part);
		if (way != STMT_SEARCH_MANY)
			bind_text(b, part);
		bind_int(b, 0);
	}
	bind_text(b, "");
	bind_uuid(b, &(struct uuid){ 0 });
	bind_int(b, 10);
}

/* All statements of a way give the same. */
static int
list(int user, const char *name, const char *part, struct rows **ret)
{
	enum stmt ways[] = { name   ? STMT_RESOURCE_NAMED
			     : part ? STMT_SEARCH_OWN
				    : STMT_RESOURCE_PAGE,
			     name   ? STMT_RESOURCE_NAMED
			     : part ? STMT_SEARCH_FEW
				    : STMT_RESOURCE_PAGE_WIDE,
			     name   ? STMT_RESOURCE_NAMED
			     : part ? STMT_SEARCH_MANY
				    : STMT_RESOURCE_PAGE_WIDE };
	auto_binds b = BINDS_INIT, show = BINDS_INIT;
	struct uuid u = uuid_of(user), id, other;
	bind_way(&b, ways[0], &u, name, part);
	auto_rows ids = ask(ways[0], &b);
	for (size_t w = 1; w < ARRAY_LEN(ways); w++) {
		auto_binds like = BINDS_INIT;
		bind_way(&like, ways[w], &u, name, part);
		auto_rows same = ask(ways[w], &like);
		assert_int_equal(rows_count(ids), rows_count(same));
		for (int i = 0; i < rows_count(ids); i++) {
			row_uuid(ids, i, 0, &id);
			row_uuid(same, i, 0, &other);
			assert_true(uuid_eq(&id, &other));
		}
	}
	bind_uuid(&show, &u);
	bind_array_begin(&show, STMT_UUID);
	for (int i = 0; i < rows_count(ids); i++) {
		row_uuid(ids, i, 0, &id);
		bind_elem_uuid(&show, &id);
	}
	bind_array_end(&show);
	bind_text(&show, "");
	bind_uuid(&show, &(struct uuid){ 0 });
	bind_int(&show, 200);
	bind_bool(&show, false);
	*ret = ask(STMT_RESOURCE_SHOW, &show);
	return rows_count(*ret);
}

static void
list_shows_what_is_shared_only(void **state)
{
	make_user(23, "owner23", "user");
	make_user(24, "guest24", "user");
	make_resource(210, "srv210", 23);
	make_account(211, 210, "alpha");
	make_account(212, 210, "beta");
	struct rows *r;
	assert_int_equal(list(23, NULL, NULL, &r), 2);
	rows_free(r);
	assert_int_equal(list(24, NULL, NULL, &r), 0);
	rows_free(r);
	share(EVENT_SHARED, 212, 24, 1);
	assert_int_equal(list(24, "SRV210", NULL, &r), 1);
	assert_string_equal(row_text(r, 0, COL_RESOURCE_SHOW_LOGIN), "beta");
	assert_int_equal(row_int(r, 0, COL_RESOURCE_SHOW_LEVEL), 0);
	assert_int_equal(row_int(r, 0, COL_RESOURCE_SHOW_ACCOUNT_LEVEL), 1);
	rows_free(r);
	/* A login that somebody does not see cannot be found by them. */
	assert_int_equal(list(24, NULL, "alpha", &r), 0);
	rows_free(r);
	assert_int_equal(list(24, NULL, "bet", &r), 1);
	rows_free(r);
	assert_int_equal(list(24, NULL, NULL, &r), 1);
	rows_free(r);
	/* What is one's own, and shared with one at the same time, is there once. */
	share(EVENT_SHARED, 211, 23, 1);
	assert_int_equal(list(23, NULL, NULL, &r), 2);
	rows_free(r);
	/* The wildcards of the person are letters. */
	assert_int_equal(list(23, NULL, "%\\%%", &r), 0);
	rows_free(r);
}

/* What is called so, what begins so, where a word begins so, what has it somewhere; alike: by name. A login that the user sees counts as a name does. */
static void
a_search_shows_the_best_first(void **state)
{
	static const struct {
		int id;
		const char *name;
	} made[] = { { 610, "gatekeeper" }, { 611, "Investigate" }, { 612, "front-gate" },
		     { 613, "gate" },	    { 614, "zebra" },	    { 615, "frigate" } };
	static const int best[] = { 613, 614, 610, 612, 615, 611 };
	auto_binds b = BINDS_INIT;
	struct uuid u = uuid_of(61), id;

	make_user(61, "owner61", "user");
	for (size_t i = 0; i < ARRAY_LEN(made); i++)
		make_resource(made[i].id, made[i].name, 61);
	make_account(619, 614, "GATE");
	for (enum stmt s = STMT_SEARCH_OWN; s <= STMT_SEARCH_FEW; s++) {
		auto_binds way = BINDS_INIT;
		bind_way(&way, s, &u, NULL, "gate");
		auto_rows r = ask(s, &way);
		assert_int_equal(rows_count(r), ARRAY_LEN(best));
		for (int i = 0; i < rows_count(r); i++) {
			struct uuid want = uuid_of(best[i]);
			row_uuid(r, i, COL_RESOURCE_IDS_ID, &id);
			assert_true(uuid_eq(&id, &want));
		}
	}
	/* Of too many only those of the name, and those that begin so, come before the rest. */
	bind_way(&b, STMT_SEARCH_MANY, &u, NULL, "gate");
	auto_rows many = ask(STMT_SEARCH_MANY, &b);
	static const int plain[] = { 613, 610, 615, 612, 611, 614 };
	assert_int_equal(rows_count(many), ARRAY_LEN(plain));
	for (int i = 0; i < rows_count(many); i++) {
		struct uuid want = uuid_of(plain[i]);
		row_uuid(many, i, COL_RESOURCE_IDS_ID, &id);
		assert_true(uuid_eq(&id, &want));
	}
}

#define OVER "2026-01-01T00:00:00.000000Z"
#define AHEAD "2999-01-01T00:00:00.000000Z"

static void
share_until(int target, int user, int level, const char *until)
{
	apply_one(STMT_APPLY_SHARED,
		  add(EVENT_SHARED, target, "{\"user\":\"%s\",\"level\":%d,\"until\":\"%s\"}",
		      id(user), level, until));
}

static int
listed(int user)
{
	struct rows *r;
	int n = list(user, NULL, NULL, &r);

	rows_free(r);
	return n;
}

/* The resources of a list, before each is looked at once more. */
static int
begun_with(int user)
{
	auto_binds b = BINDS_INIT;
	struct uuid u = uuid_of(user);

	bind_uuid(&b, &u);
	bind_text(&b, "");
	bind_uuid(&b, &(struct uuid){ 0 });
	bind_int(&b, 10);
	auto_rows r = ask(STMT_RESOURCE_PAGE, &b);
	return rows_count(r);
}

static void
what_has_ended_gives_nothing(void **state)
{
	make_user(230, "owner230", "user");
	make_user(231, "guest231", "user");
	make_resource(2300, "srv2300", 230);
	make_account(2301, 2300, "root");
	make_account(2302, 2300, "www");
	share_until(2300, 231, 3, OVER);
	assert_int_equal(right_of(2301, 231).level, 0);
	assert_int_equal(listed(231), 0);
	assert_int_equal(begun_with(231), 0);
	/* The strongest of those that count now. */
	share(EVENT_SHARED, 2301, 231, 1);
	assert_int_equal(right_of(2301, 231).level, 1);
	assert_int_equal(right_of(2302, 231).level, 0);
	assert_int_equal(listed(231), 1);
	share_until(2300, 231, 2, AHEAD);
	assert_int_equal(right_of(2301, 231).level, 2);
	assert_int_equal(right_of(2302, 231).level, 2);
	assert_int_equal(listed(231), 2);
	assert_int_equal(begun_with(231), 1);
	/* It is replaced, by one that ends elsewhen and by one that does not. */
	share_until(2300, 231, 2, OVER);
	assert_int_equal(right_of(2302, 231).level, 0);
	share(EVENT_SHARED, 2300, 231, 2);
	assert_int_equal(right_of(2302, 231).level, 2);
	pgtemp_sql(pg, "SELECT 1 / (NOT EXISTS (SELECT FROM share s JOIN principal p ON p.id = "
		       "s.principal WHERE p.name = 'guest231' AND s.until IS NOT NULL))::int");
}

/* What lists begin from says until when each level lasts, whatever has ended: of all that reaches a user, through a team and a folder too. */
static void
reach_says_until_when(void **state)
{
	make_user(233, "owner233", "user");
	make_user(234, "member234", "user");
	make_resource(2330, "srv2330", 233);
	make_account(2331, 2330, "root");
	apply_one(STMT_APPLY_TEAM_CREATED, add(EVENT_TEAM_CREATED, 235, "{\"name\":\"t235\"}"));
	apply_one(STMT_APPLY_MEMBER_ADDED,
		  add(EVENT_MEMBER_ADDED, 235, "{\"user\":\"%s\"}", id(234)));
	apply_one(STMT_APPLY_FOLDER_CREATED,
		  add(EVENT_FOLDER_CREATED, 236, "{\"name\":\"f236\",\"owner\":\"%s\"}", id(233)));
	apply_one(STMT_APPLY_RESOURCE_CHANGED,
		  add(EVENT_RESOURCE_CHANGED, 2330, "{\"folder\":\"%s\"}", id(236)));
	share_until(2330, 235, 3, AHEAD);
	share_until(2330, 234, 2, OVER);
	share(EVENT_SHARED, 236, 235, 1);
	share_until(236, 234, 3, OVER);
	pgtemp_sql(pg,
		   "SELECT 1 / (array_agg((r.view_until, r.modify_until, r.manage_until)::text "
		   "ORDER BY r.view_until) = ARRAY[(timestamptz '" AHEAD "', timestamptz '" AHEAD
		   "', timestamptz '" AHEAD "')::text, (timestamptz 'infinity', timestamptz '" OVER
		   "', timestamptz '" OVER "')::text])::int FROM reach r JOIN principal p "
		   "ON p.id = r.principal WHERE p.name = 'member234'");
	assert_int_equal(right_of(2331, 234).level, 3);
	share_until(2330, 235, 3, OVER);
	assert_int_equal(right_of(2331, 234).level, 1);
	assert_int_equal(listed(234), 1);
	share_until(236, 235, 1, OVER);
	assert_int_equal(right_of(2331, 234).level, 0);
	assert_int_equal(listed(234), 0);
	apply_one(STMT_APPLY_UNSHARED, add(EVENT_UNSHARED, 236, "{\"user\":\"%s\"}", id(235)));
	apply_one(STMT_APPLY_UNSHARED, add(EVENT_UNSHARED, 236, "{\"user\":\"%s\"}", id(234)));
	pgtemp_sql(pg, "SELECT 1 / (count(*) = 1)::int FROM reach r JOIN principal p ON p.id = "
		       "r.principal WHERE p.name = 'member234'");
}

/* Until when the user named guest238 finds the account 2371 by its name, as a condition of SQL. */
static void
named_until_is(const char *condition)
{
	auto_buf sql = BUF_INIT;
	buf_addf(&sql,
		 "SELECT 1 / coalesce((SELECT bool_and(r.named_until %s) FROM reach r JOIN "
		 "principal p ON p.id = r.principal WHERE p.name = 'guest238'), false)::int",
		 condition);
	pgtemp_sql(pg, buf_str(&sql));
}

static int64_t
give(int giving, const char *more)
{
	return add(EVENT_SHARED, 2371, "{\"user\":\"%s\",\"level\":2,\"share\":\"%s\"%s}", id(238),
		   id(giving), more);
}

static void
accept_giving(int by, int giving)
{
	auto_buf body = BUF_INIT;
	buf_addf(&body, "{\"share\":\"%s\"}", id(giving));
	apply_one(STMT_APPLY_SHARE_ACCEPTED,
		  add_by(by, EVENT_SHARE_ACCEPTED, 2371, buf_str(&body)));
}

/* H15: what is accepted is one giving: what it becomes stays accepted, another one of the same thing waits again, and it may be told before it. */
static void
acceptance_is_of_a_giving(void **state)
{
	make_user(237, "owner237", "user");
	make_user(238, "guest238", "user");
	make_resource(2370, "srv2370", 237);
	make_account(2371, 2370, "root");
	apply_one(STMT_APPLY_SHARED, give(1001, ""));
	assert_int_equal(right_of(2371, 238).level, 2);
	assert_int_equal(listed(238), 1);
	named_until_is("IS NULL");
	accept_giving(237, 1001); /* that is somebody else's word */
	named_until_is("IS NULL");
	accept_giving(238, 1001);
	named_until_is("= 'infinity'");
	apply_one(STMT_APPLY_SHARED, give(1001, ",\"until\":\"" AHEAD "\""));
	named_until_is("= '" AHEAD "'");
	apply_one(STMT_APPLY_UNSHARED, add(EVENT_UNSHARED, 2371, "{\"user\":\"%s\"}", id(238)));
	apply_one(STMT_APPLY_SHARED, give(1002, ""));
	named_until_is("IS NULL");
	accept_giving(238, 1003);
	named_until_is("IS NULL");
	apply_one(STMT_APPLY_UNSHARED, add(EVENT_UNSHARED, 2371, "{\"user\":\"%s\"}", id(238)));
	apply_one(STMT_APPLY_SHARED, give(1003, ""));
	named_until_is("= 'infinity'");
	/* What an earlier release gave needs none. */
	apply_one(STMT_APPLY_UNSHARED, add(EVENT_UNSHARED, 2371, "{\"user\":\"%s\"}", id(238)));
	share(EVENT_SHARED, 2371, 238, 1);
	named_until_is("= 'infinity'");
}

static void
deleted_is_gone_and_its_name_free(void **state)
{
	make_user(25, "owner25", "user");
	make_resource(220, "srv220", 25);
	make_account(221, 220, "root");
	apply_one(STMT_APPLY_ACCOUNT_DELETED, add(EVENT_ACCOUNT_DELETED, 221, "{}"));
	assert_int_equal(right_of(221, 25).rows, 0);
	make_account(222, 220, "ROOT");
	apply_one(STMT_APPLY_RESOURCE_DELETED, add(EVENT_RESOURCE_DELETED, 220, "{}"));
	assert_int_equal(right_of(222, 25).rows, 0);
	make_resource(223, "SRV220", 25);
}

/* ---- versions ---- */

/* None that only a journal has. */
static void
bind_none_laid(struct binds *b)
{
	static const enum stmt_type types[] = { STMT_UUID, STMT_INT,	     STMT_INT,
						STMT_UUID, STMT_TIMESTAMPTZ, STMT_BOOL };

	bind_uuid(b, &node);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		bind_array_begin(b, types[i]);
		bind_array_end(b);
	}
	bind_int(b, INT_MAX);
	bind_uuid(b, &(struct uuid){ 0 });
	bind_int(b, 200);
}

static void
versions_follow_each_other(void **state)
{
	make_user(30, "owner30", "user");
	make_resource(300, "srv300", 30);
	make_account(301, 300, "root");
	apply_one(STMT_APPLY_VERSION_ADDED, add_version(301, 3011, 1, 0));
	int64_t from = add_version(301, 3012, 2, 1);
	int64_t to = add_version(301, 3013, 3, 2);
	assert_int_equal(apply(STMT_APPLY_VERSION_ADDED, from, to), 0);
	struct right r = right_of(301, 30);
	assert_int_equal(r.current_n, 3);
	assert_int_equal(r.top_n, 3);
	assert_false(r.conflict);
}

/* Invariant 5 of the data: a change made elsewhere upon an older version becomes a sibling. */
static void
sibling_keeps_both_and_flags(void **state)
{
	make_user(31, "owner31", "user");
	make_resource(310, "srv310", 31);
	make_account(311, 310, "root");
	apply_one(STMT_APPLY_VERSION_ADDED, add_version(311, 3111, 1, 0));
	apply_one(STMT_APPLY_VERSION_ADDED, add_version(311, 3112, 2, 1));
	/* Two that were made elsewhere upon version 1, the second upon the first. */
	int64_t from = add_version(311, 3113, 2, 1);
	int64_t to = add_version(311, 3114, 3, 2);
	assert_int_equal(apply(STMT_APPLY_VERSION_ADDED, from, to), 0);
	struct right r = right_of(311, 31);
	assert_int_equal(r.current_n, 2);
	assert_int_equal(r.top_n, 4);
	assert_true(r.conflict);
	auto_binds b = BINDS_INIT;
	struct uuid a = uuid_of(311), want = uuid_of(3112), got;
	bind_uuid(&b, &a);
	bind_none_laid(&b);
	auto_rows v = ask(STMT_ACCOUNT_VERSIONS, &b);
	assert_int_equal(rows_count(v), 4);
	for (int i = 0; i < 4; i++)
		assert_int_equal(row_int(v, i, 1), 4 - i);
	row_uuid(v, 2, 0, &got);
	assert_true(uuid_eq(&got, &want));
	apply_one(STMT_APPLY_ACCOUNT_CHANGED,
		  add(EVENT_ACCOUNT_CHANGED, 311, "{\"conflict\":false}"));
	assert_false(right_of(311, 31).conflict);
}

/* ---- conflicts ---- */

/* What two nodes did apart from each other, one step of each node's log. */
struct step {
	enum event_kind kind;
	int version, n, based_on; /* VERSION_ADDED; of CONFLICT_SETTLED version is the chosen one */
	int upon, settles;	  /* CONFLICT_SETTLED */
};

static void
take_step(const struct step *s, int account)
{
	char settles[UUID_STR_LEN] = "";

	if (s->kind == EVENT_VERSION_ADDED) {
		apply_one(STMT_APPLY_VERSION_ADDED,
			  add_version(account, s->version, s->n, s->based_on));
		return;
	}
	if (s->settles)
		snprintf(settles, sizeof(settles), "%s", id(s->settles));
	apply_one(STMT_APPLY_CONFLICT_SETTLED,
		  add(EVENT_CONFLICT_SETTLED, account,
		      "{\"id\":\"%s\",\"version\":1,\"upon\":\"%s\",\"settles\":\"%s\"}",
		      id(s->version), id(s->upon), settles));
}

/* That the chain has the log of this node so far, seen or taken in. */
static void
names_this(const struct uuid *chain, enum event_kind kind)
{
	auto_buf sql = BUF_INIT;
	char a[UUID_STR_LEN], b[UUID_STR_LEN];

	uuid_str(chain, a);
	uuid_str(&node, b);
	buf_addf(&sql,
		 "INSERT INTO event (node, seq, at, kind, object, body, hash) VALUES ('%s', %lld, "
		 "now(), %d, '%s', '{\"from\":1,\"to\":%lld}', decode(repeat('00', 32), 'hex'))",
		 a, (long long)seq + 1, (int)kind, b, (long long)seq);
	pgtemp_sql(pg, buf_str(&sql));
	seq++;
}

static void
knows_of_this(const struct uuid *chain)
{
	names_this(chain, EVENT_SEEN);
}

/* Whose word counts where nothing else tells: of two made in one millisecond either may be the older one. */
static bool
is_older(const struct uuid *a, const struct uuid *b)
{
	return memcmp(a, b, sizeof(*a)) < 0;
}

/* The node's steps under its own name. */
static void
take_steps(const struct uuid *of, const struct step *s, int account)
{
	struct uuid own = node;

	node = *of;
	for (; s->version; s++)
		take_step(s, account);
	node = own;
}

static struct rows *
versions_of(int account)
{
	auto_binds b = BINDS_INIT;
	struct uuid a = uuid_of(account);

	bind_uuid(&b, &a);
	bind_none_laid(&b);
	return ask(STMT_ACCOUNT_VERSIONS, &b);
}

/* The row of a version, or -1. */
static int
find_version(const struct rows *v, int version)
{
	struct uuid want = uuid_of(version), got;

	for (int i = 0; i < rows_count(v); i++) {
		row_uuid(v, i, 0, &got);
		if (uuid_eq(&got, &want))
			return i;
	}
	return -1;
}

static int
current_of(int account, int user)
{
	struct right r = right_of(account, user);
	auto_rows v = versions_of(account);

	for (int i = 0; i < rows_count(v); i++) {
		struct uuid u;
		char text[UUID_STR_LEN];
		if (row_int(v, i, 1) != r.current_n)
			continue;
		row_uuid(v, i, 0, &u);
		uuid_str(&u, text);
		return atoi(text + 24);
	}
	return 0;
}

static bool
is_open(int account, int version)
{
	auto_rows v = versions_of(account);
	int i = find_version(v, version);

	assert_true(i >= 0);
	return row_bool(v, i, 8);
}

static bool
is_listed(int account, int user)
{
	auto_binds b = BINDS_INIT;
	struct uuid u = uuid_of(user), want = uuid_of(account), got;

	bind_uuid(&b, &u);
	bind_uuid(&b, &(struct uuid){ 0 });
	bind_int(&b, 200);
	auto_rows r = ask(STMT_ACCOUNT_CONFLICTS, &b);
	for (int i = 0; i < rows_count(r); i++) {
		row_uuid(r, i, 0, &got);
		if (uuid_eq(&got, &want))
			return true;
	}
	return false;
}

static void
make_conflict_account(int account, int user, int version)
{
	char name[40];

	snprintf(name, sizeof(name), "c%d", account);
	make_resource(account + 5000, name, user);
	make_account(account, account + 5000, "root");
	apply_one(STMT_APPLY_VERSION_ADDED, add_version(account, version, 1, 0));
}

/* Invariant 5 of the data, in either order: nothing is dropped, both nodes are named, and those who may see it are told. */
static void
either_order_is_a_conflict(void **state)
{
	struct uuid west, east;

	uuid_new(&west);
	uuid_new(&east);
	bool east_first = is_older(&east, &west);
	make_user(60, "owner60", "user");
	make_user(61, "other61", "user");
	for (int order = 0; order < 2; order++) {
		int account = 600 + order, base = 60000 + 100 * order;
		const struct step w[] = { { EVENT_VERSION_ADDED, base + 2, 2, 1, 0, 0 }, { 0 } };
		const struct step x[] = { { EVENT_VERSION_ADDED, base + 3, 2, 1, 0, 0 }, { 0 } };

		make_conflict_account(account, 60, base + 1);
		assert_false(is_listed(account, 60));
		knows_of_this(&west);
		knows_of_this(&east);
		take_steps(order ? &east : &west, order ? x : w, account);
		take_steps(order ? &west : &east, order ? w : x, account);
		assert_true(right_of(account, 60).conflict);
		assert_int_equal(current_of(account, 60), east_first ? base + 3 : base + 2);
		assert_true(is_open(account, east_first ? base + 2 : base + 3));
		assert_true(is_listed(account, 60));
		assert_false(is_listed(account, 61));
		auto_rows v = versions_of(account);
		struct uuid made;
		assert_int_equal(rows_count(v), 3);
		row_uuid(v, find_version(v, base + 2), 6, &made);
		assert_true(uuid_eq(&made, &west));
		row_uuid(v, find_version(v, base + 3), 6, &made);
		assert_true(uuid_eq(&made, &east));
	}
}

/* A version that waits, and two decisions about it, one after the other. */
static void
decide(int account, int version, bool declined_first)
{
	static const struct {
		enum event_kind kind;
		enum stmt how;
	} what[] = { { EVENT_CHANGE_APPROVED, STMT_APPLY_CHANGE_APPROVED },
		     { EVENT_CHANGE_DECLINED, STMT_APPLY_CHANGE_DECLINED } };

	apply_one(STMT_APPLY_VERSION_ADDED,
		  add(EVENT_VERSION_ADDED, account,
		      "{\"id\":\"%s\",\"n\":2,\"based_on\":1,\"upon\":\"%s\",\"author\":\"%s\","
		      "\"sealed\":\"c2VjcmV0\",\"emergency\":true}",
		      id(version), id(version - 1), id(76)));
	for (int i = 0; i < 2; i++) {
		int n = declined_first ? !i : i;

		apply_one(what[n].how, add(what[n].kind, account, "{\"id\":\"%s\"}", id(version)));
		assert_int_equal(current_of(account, 75),
				 declined_first || i ? version - 1 : version);
	}
}

static void
declining_counts_in_either_order(void **state)
{
	make_user(75, "owner75", "user");
	make_user(76, "other76", "user");
	for (int order = 0; order < 2; order++) {
		int account = 740 + order, base = 74000 + 100 * order;

		make_conflict_account(account, 75, base + 1);
		decide(account, base + 2, order);
		assert_int_equal(current_of(account, 75), base + 1);
		assert_false(right_of(account, 75).conflict);
		auto_rows v = versions_of(account);
		assert_string_equal(row_text(v, find_version(v, base + 2), 9), "declined");
	}
}

/* A conflict that is settled is over, nothing is dropped, and the choice may be any version. */
static void
settled_by_choice(void **state)
{
	make_user(62, "owner62", "user");
	make_conflict_account(620, 62, 62001);
	take_step(&(struct step){ EVENT_VERSION_ADDED, 62002, 2, 1, 0, 0 }, 620);
	take_step(&(struct step){ EVENT_VERSION_ADDED, 62003, 2, 1, 0, 0 }, 620);
	assert_true(is_listed(620, 62));
	take_step(&(struct step){ EVENT_CONFLICT_SETTLED, 62003, 0, 0, 62002, 62003 }, 620);
	assert_false(right_of(620, 62).conflict);
	assert_false(is_listed(620, 62));
	assert_int_equal(current_of(620, 62), 62003);
	assert_int_equal(right_of(620, 62).top_n, 3);
	/* What follows is made upon the chosen one, and is no conflict. */
	take_step(&(struct step){ EVENT_VERSION_ADDED, 62004, 4, 3, 0, 0 }, 620);
	assert_false(right_of(620, 62).conflict);
	assert_int_equal(current_of(620, 62), 62004);
}

/* Settled on one side while the other stored a version that the settler did not know of. */
static void
what_a_settler_did_not_know_stays_open(void **state)
{
	struct uuid west, east;

	uuid_new(&west);
	uuid_new(&east);
	bool east_first = is_older(&east, &west);
	make_user(63, "owner63", "user");
	for (int order = 0; order < 2; order++) {
		int account = 630 + order, base = 63000 + 100 * order;
		const struct step w[] = {
			{ EVENT_CONFLICT_SETTLED, base + 3, 0, 0, base + 2, base + 3 }, { 0 }
		};
		const struct step x[] = { { EVENT_VERSION_ADDED, base + 4, 4, 2, 0, 0 }, { 0 } };

		make_conflict_account(account, 63, base + 1);
		take_step(&(struct step){ EVENT_VERSION_ADDED, base + 2, 2, 1, 0, 0 }, account);
		take_step(&(struct step){ EVENT_VERSION_ADDED, base + 3, 2, 1, 0, 0 }, account);
		knows_of_this(&west);
		knows_of_this(&east);
		take_steps(order ? &east : &west, order ? x : w, account);
		take_steps(order ? &west : &east, order ? w : x, account);
		assert_true(right_of(account, 63).conflict);
		assert_int_equal(right_of(account, 63).top_n, 4);
		assert_int_equal(current_of(account, 63), east_first ? base + 4 : base + 3);
		assert_true(is_open(account, east_first ? base + 3 : base + 4));
	}
}

/* Both sides settled: the same choice is one word, two choices are a conflict again. */
static void
two_settlements_agree_or_are_a_conflict(void **state)
{
	struct uuid west, east;

	uuid_new(&west);
	uuid_new(&east);
	bool east_first = is_older(&east, &west);
	make_user(64, "owner64", "user");
	for (int way = 0; way < 4; way++) {
		int account = 640 + way, base = 64000 + 100 * way;
		bool agree = way & 1, turned = way & 2;
		const struct step w[] = {
			{ EVENT_CONFLICT_SETTLED, base + 3, 0, 0, base + 2, base + 3 }, { 0 }
		};
		const struct step x[] = { { EVENT_CONFLICT_SETTLED, agree ? base + 3 : base + 1, 0,
					    0, base + 2, base + 3 },
					  { 0 } };

		make_conflict_account(account, 64, base + 1);
		take_step(&(struct step){ EVENT_VERSION_ADDED, base + 2, 2, 1, 0, 0 }, account);
		take_step(&(struct step){ EVENT_VERSION_ADDED, base + 3, 2, 1, 0, 0 }, account);
		knows_of_this(&west);
		knows_of_this(&east);
		take_steps(turned ? &east : &west, turned ? x : w, account);
		take_steps(turned ? &west : &east, turned ? w : x, account);
		assert_int_equal(right_of(account, 64).conflict, !agree);
		assert_int_equal(right_of(account, 64).top_n, 3);
		assert_int_equal(current_of(account, 64),
				 east_first && !agree ? base + 1 : base + 3);
		if (!agree)
			assert_true(is_open(account, east_first ? base + 3 : base + 1));
	}
}

/* Both sides wrote a version 2; the one side also a version 3 upon its own 2. When its log comes in two parts, that 3 was made upon
 * a version 2, but not upon the one that is current here. */
static void
a_log_in_parts_is_the_same_conflict(void **state)
{
	struct uuid own = node, west, east;
	int64_t from = 0;

	uuid_new(&west);
	uuid_new(&east);
	make_user(65, "owner65", "user");
	for (int parts = 1; parts <= 2; parts++) {
		int account = 650 + parts, base = 65000 + 100 * parts;

		make_conflict_account(account, 65, base + 1);
		node = west;
		apply_one(STMT_APPLY_VERSION_ADDED,
			  add_version_upon(account, base + 2, 2, 1, base + 1));
		node = east;
		from = add_version_upon(account, base + 3, 2, 1, base + 1);
		if (parts == 2)
			apply_one(STMT_APPLY_VERSION_ADDED, from);
		int64_t to = add_version_upon(account, base + 4, 3, 2, base + 3);
		assert_int_equal(apply(STMT_APPLY_VERSION_ADDED, parts == 2 ? to : from, to), 0);
		node = own;
		assert_int_equal(current_of(account, 65), base + 2);
		assert_true(is_open(account, base + 3) && is_open(account, base + 4));
		assert_false(is_open(account, base + 2));
		auto_rows v = versions_of(account);
		assert_int_equal(row_int(v, find_version(v, base + 3), 2), 1);
		assert_int_equal(row_int(v, find_version(v, base + 4), 2),
				 3); /* the 2 of its side is the 3 here */
	}
}

/* ---- administration on both sides ---- */

static void
stamp_of(const struct uuid *of, int64_t at, char ret[static 64])
{
	char text[UUID_STR_LEN];

	uuid_str(of, text);
	snprintf(ret, 64, "%s/%lld", text, (long long)at);
}

static bool
told_of(int user, const char *what, const char *kept, const char *lost)
{
	auto_binds b = BINDS_INIT;
	struct uuid want = uuid_of(user), got, highest;

	memset(&highest, 0xff, sizeof(highest));
	bind_bool(&b, true);
	bind_time(&b, INT64_C(253402300799) * 1000000);
	bind_uuid(&b, &highest);
	bind_int(&b, 200);
	auto_rows r = ask(STMT_USER_ADMIN_CONFLICTS, &b);
	for (int i = 0; i < rows_count(r); i++) {
		row_uuid(r, i, 4, &got);
		if (uuid_eq(&got, &want) && strcmp(row_text(r, i, 0), what) == 0 &&
		    strcmp(row_text(r, i, 6), kept) == 0 && strcmp(row_text(r, i, 7), lost) == 0)
			return true;
	}
	return false;
}

/* What nobody has told of in the log; the first of them. */
static int64_t
untold(struct uuid *ret_first)
{
	auto_binds none = BINDS_INIT, b = BINDS_INIT;
	auto_rows counts = ask(STMT_CONFLICT_COUNTS, &none);

	bind_int(&b, 1);
	auto_rows r = ask(STMT_ADMIN_CONFLICT_UNTOLD, &b);
	if (rows_count(r))
		row_uuid(r, 0, 0, ret_first);
	return row_bigint(counts, 0, 2);
}

static int64_t
unacknowledged(void)
{
	auto_binds none = BINDS_INIT;
	auto_rows r = ask(STMT_CONFLICT_COUNTS, &none);

	return row_bigint(r, 0, 1);
}

static void
say_conflict(enum event_kind kind, enum stmt apply_it, const struct uuid *conflict)
{
	char text[UUID_STR_LEN];

	uuid_str(conflict, text);
	apply_one(apply_it, add(kind, 1, "{\"id\":\"%s\"}", text));
}

/* One node's word on a user; upon: the stamp of what it was made upon. */
static int64_t
say_user(const struct uuid *of, int user, const char *what, const char *json, const char *upon)
{
	struct uuid own = node;
	int64_t at;

	node = *of;
	at = add(EVENT_USER_CHANGED, user, "{\"%s\":%s,\"upon_%s\":\"%s\"}", what, json, what,
		 upon);
	apply_one(STMT_APPLY_USER_CHANGED, at);
	node = own;
	return at;
}

static bool
user_is(int user, const char *role, bool disabled)
{
	auto_binds b = BINDS_INIT;
	struct uuid u = uuid_of(user);

	bind_uuid(&b, &u);
	auto_rows r = ask(STMT_USER_GET, &b);
	return strcmp(row_text(r, 0, 2), role) == 0 && row_bool(r, 0, 3) == disabled;
}

/* Disabled beats enabled and demotion beats promotion, whichever side's log comes first; the administrator is told. */
static void
the_safer_state_of_a_user_counts(void **state)
{
	struct uuid west, east;
	char both[64], mine[64];

	uuid_new(&west);
	uuid_new(&east);
	for (int order = 0; order < 2; order++) {
		int u = 70 + order;
		const struct uuid *safe = order ? &east : &west, *loose = order ? &west : &east;
		char name[20];

		snprintf(name, sizeof(name), "both%d", u);
		make_user(u, name, "user");
		/* What both sides know of. */
		stamp_of(&west, say_user(&west, u, "disabled", "true", ""), both);
		stamp_of(&west, say_user(&west, u, "disabled", "false", both), both);
		assert_true(user_is(u, "user", false));
		if (order == 0) {
			say_user(safe, u, "disabled", "true", both);
			stamp_of(loose, say_user(loose, u, "disabled", "false", both), mine);
		} else {
			stamp_of(loose, say_user(loose, u, "disabled", "false", both), mine);
			say_user(safe, u, "disabled", "true", both);
		}
		assert_true(user_is(u, "user", true));
		assert_true(told_of(u, "disabled", "true", "false"));
		/* What the loose side did afterwards, still not knowing, changes nothing. */
		say_user(loose, u, "disabled", "false", mine);
		assert_true(user_is(u, "user", true));

		if (order == 0) {
			say_user(safe, u, "role", "\"user\"", "");
			say_user(loose, u, "role", "\"administrator\"", "");
		} else {
			say_user(loose, u, "role", "\"administrator\"", "");
			say_user(safe, u, "role", "\"user\"", "");
		}
		assert_true(user_is(u, "user", true));
		assert_true(told_of(u, "role", "user", "administrator"));
	}
}

/* In the order of role.def, whichever side's log comes first. */
static void
the_lower_role_counts(void **state)
{
	static const char *const roles[] = {
#define CAPABILITY(NAME, name, bit, text)
#define ROLE(NAME, name, capabilities, text) #name,
#include "vault/role.def"
#undef ROLE
#undef CAPABILITY
	};
	struct uuid west, east;
	int u = 2470;

	uuid_new(&west);
	uuid_new(&east);
	for (size_t low = 0; low < ARRAY_LEN(roles); low++)
		for (size_t high = low + 1; high < ARRAY_LEN(roles); high++)
			for (int turn = 0; turn < 2; turn++, u++) {
				char name[20], said[2][40];

				snprintf(name, sizeof(name), "role%d", u);
				make_user(u, name, "user");
				snprintf(said[turn], sizeof(said[0]), "\"%s\"", roles[low]);
				snprintf(said[!turn], sizeof(said[0]), "\"%s\"", roles[high]);
				say_user(&west, u, "role", said[0], "");
				say_user(&east, u, "role", said[1], "");
				assert_true(user_is(u, roles[low], false));
				assert_true(told_of(u, "role", roles[low], roles[high]));
			}
}

/* Each is told once, and stays open until an administrator has acknowledged it: that one, and no other. */
static void
a_conflict_is_told_and_acknowledged(void **state)
{
	struct uuid west, east, first = { 0 }, second = { 0 };
	int64_t before, open;

	uuid_new(&west);
	uuid_new(&east);
	while (untold(&first))
		say_conflict(EVENT_ADMIN_CONFLICT, STMT_APPLY_ADMIN_CONFLICT, &first);
	before = unacknowledged();
	for (int u = 75; u < 77; u++) {
		char name[20];

		snprintf(name, sizeof(name), "told%d", u);
		make_user(u, name, "user");
		say_user(&west, u, "disabled", "true", "");
		say_user(&east, u, "disabled", "false", "");
	}
	assert_int_equal(untold(&first), 2);
	say_conflict(EVENT_ADMIN_CONFLICT, STMT_APPLY_ADMIN_CONFLICT, &first);
	assert_int_equal(untold(&second), 1);
	assert_false(uuid_eq(&first, &second));
	open = unacknowledged();
	assert_int_equal(open, before + 2);
	say_conflict(EVENT_ADMIN_ACKNOWLEDGED, STMT_APPLY_ADMIN_ACKNOWLEDGED, &second);
	assert_int_equal(unacknowledged(), open - 1);
	assert_int_equal(untold(&second), 1); /* seen or not, the log tells of it */
	auto_binds b = BINDS_INIT;
	bind_uuid(&b, &second);
	auto_rows r = ask(STMT_USER_ADMIN_CONFLICT, &b);
	assert_int_equal(rows_count(r), 1);
	assert_false(row_null(r, 0, 4));
}

/* Whoever knows what is, may loosen it. */
static void
who_knows_may_loosen(void **state)
{
	struct uuid west;
	char s[64];

	uuid_new(&west);
	make_user(72, "known72", "user");
	stamp_of(&west, say_user(&west, 72, "disabled", "true", ""), s);
	say_user(&node, 72, "disabled", "false", s);
	assert_true(user_is(72, "user", false));
	assert_false(told_of(72, "disabled", "true", "false"));
	/* After a merge of both words, one that was made upon the merged state. */
	stamp_of(&west, say_user(&west, 72, "disabled", "true", ""), s);
	assert_true(user_is(72, "user", true));
	auto_binds b = BINDS_INIT;
	struct uuid u = uuid_of(72);
	bind_uuid(&b, &u);
	bind_uuid(&b, &u);
	auto_rows r = ask(STMT_USER_STANDING, &b);
	assert_string_equal(row_text(r, 0, 1), s);
	say_user(&node, 72, "disabled", "false", s);
	assert_true(user_is(72, "user", false));
}

/* level 0: withdrawn. */
static int64_t
say_share(const struct uuid *of, int target, int user, int level, const char *upon)
{
	struct uuid own = node;
	int64_t at;

	node = *of;
	if (level)
		at = add(EVENT_SHARED, target, "{\"user\":\"%s\",\"level\":%d,\"upon\":\"%s\"}",
			 id(user), level, upon);
	else
		at = add(EVENT_UNSHARED, target, "{\"user\":\"%s\",\"upon\":\"%s\"}", id(user),
			 upon);
	apply_one(level ? STMT_APPLY_SHARED : STMT_APPLY_UNSHARED, at);
	node = own;
	return at;
}

/* Revocation beats grant, the lower level the higher, whichever side's log comes first. */
static void
the_lower_share_counts(void **state)
{
	static const struct {
		int west, east, want;
		const char *kept, *lost;
	} cases[] = {
		{ 0, 3, 0, "none", "manage" },
		{ 1, 2, 1, "view", "modify" },
		{ 2, 2, 2, NULL, NULL },
	};
	struct uuid west, east;
	char both[64], mine[64];

	uuid_new(&west);
	uuid_new(&east);
	make_user(73, "owner73", "user");
	for (int i = 0; i < 6; i++) {
		int u = 740 + i, res = 7400 + i, acc = 7500 + i;
		bool turned = i & 1;
		char name[20];

		snprintf(name, sizeof(name), "guest%d", u);
		make_user(u, name, "user");
		snprintf(name, sizeof(name), "shared%d", res);
		make_resource(res, name, 73);
		make_account(acc, res, "root");
		stamp_of(&west, say_share(&west, res, u, 2, ""), both);
		assert_int_equal(right_of(acc, u).level, 2);
		if (turned)
			stamp_of(&east, say_share(&east, res, u, cases[i / 2].east, both), mine);
		say_share(&west, res, u, cases[i / 2].west, both);
		if (!turned)
			stamp_of(&east, say_share(&east, res, u, cases[i / 2].east, both), mine);
		assert_int_equal(right_of(acc, u).level, cases[i / 2].want);
		if (cases[i / 2].kept)
			assert_true(told_of(u, "share", cases[i / 2].kept, cases[i / 2].lost));
		/* More of the side that does not know yet. */
		say_share(&east, res, u, 3, mine);
		assert_int_equal(right_of(acc, u).level, cases[i / 2].want);
	}
}

static const char *asked(const char *fmt, ...);

static int64_t
say_share_until(const struct uuid *of, int target, int user, int level, const char *until)
{
	struct uuid own = node;

	node = *of;
	int64_t at = add(EVENT_SHARED, target, "{\"user\":\"%s\",\"level\":%d,\"upon\":\"\"%s%s%s}",
			 id(user), level, *until ? ",\"until\":\"" : "", until, *until ? "\"" : "");
	apply_one(STMT_APPLY_SHARED, at);
	node = own;
	return at;
}

/* Of two shares that were given apart, the lower level; of one level, the one that ends first, whether it has ended or not. */
static void
of_one_level_the_earlier_end_counts(void **state)
{
	static const struct {
		int west, east;
		const char *west_until, *east_until, *kept, *lost;
		bool west_counts;
	} cases[] = {
		{ 2, 2, "", AHEAD, "modify until " AHEAD, "modify", false },
		{ 2, 2, OVER, AHEAD, "modify until " OVER, "modify until " AHEAD, true },
		{ 3, 2, OVER, "", "modify", "manage until " OVER, false },
	};
	struct uuid west, east;

	uuid_new(&west);
	uuid_new(&east);
	make_user(237, "owner237", "user");
	for (int i = 0; i < 6; i++) {
		int u = 2400 + i, res = 24000 + i, k = i / 2;
		char name[20];

		snprintf(name, sizeof(name), "guest%d", u);
		make_user(u, name, "user");
		snprintf(name, sizeof(name), "ends%d", res);
		make_resource(res, name, 237);
		for (int turn = 0; turn < 2; turn++)
			if ((turn ^ i) & 1)
				say_share_until(&west, res, u, cases[k].west, cases[k].west_until);
			else
				say_share_until(&east, res, u, cases[k].east, cases[k].east_until);
		assert_true(told_of(u, "share", cases[k].kept, cases[k].lost));
		assert_string_equal(
			asked("SELECT level::text FROM share WHERE principal = '%s' "
			      "AND until IS NOT DISTINCT FROM nullif('%s', "
			      "'')::timestamptz",
			      id(u),
			      cases[k].west_counts ? cases[k].west_until : cases[k].east_until),
			"2");
	}
}

/* The node that stored it asked its own clock; the merge, on another day, asks none. */
static void
an_end_makes_no_version_wait(void **state)
{
	make_user(238, "owner238", "user");
	make_user(239, "writer239", "user");
	make_resource(2380, "srv2380", 238);
	make_account(2381, 2380, "root");
	apply_one(STMT_APPLY_VERSION_ADDED, add_version(2381, 23811, 1, 0));
	share_until(2380, 239, 2, OVER);
	assert_int_equal(right_of(2381, 239).level, 0);
	apply_one(STMT_APPLY_VERSION_ADDED,
		  add(EVENT_VERSION_ADDED, 2381,
		      "{\"id\":\"%s\",\"n\":2,\"based_on\":1,\"upon\":\"%s\",\"author\":\"%s\","
		      "\"sealed\":\"c2VjcmV0\",\"emergency\":true}",
		      id(23812), id(23811), id(239)));
	assert_int_equal(right_of(2381, 238).current_n, 2);
	share(EVENT_UNSHARED, 2380, 239, 0);
	apply_one(STMT_APPLY_VERSION_ADDED,
		  add(EVENT_VERSION_ADDED, 2381,
		      "{\"id\":\"%s\",\"n\":3,\"based_on\":2,\"upon\":\"%s\",\"author\":\"%s\","
		      "\"sealed\":\"c2VjcmV0\",\"emergency\":true}",
		      id(23813), id(23812), id(239)));
	assert_int_equal(right_of(2381, 238).current_n, 2);
}

/* Asks for versions 0 … n-1 of one account at once. */
static struct rows *
open_versions(int account, int user, int n)
{
	auto_binds b = BINDS_INIT;
	struct uuid a = uuid_of(account), u = uuid_of(user);

	bind_array_begin(&b, STMT_UUID);
	for (int i = 0; i < n; i++)
		bind_elem_uuid(&b, &a);
	bind_array_end(&b);
	bind_array_begin(&b, STMT_UUID);
	for (int i = 0; i < n; i++)
		bind_elem_uuid(&b, &u);
	bind_array_end(&b);
	bind_array_begin(&b, STMT_INT);
	for (int i = 0; i < n; i++)
		bind_elem_int(&b, i);
	bind_array_end(&b);
	return ask(STMT_ACCOUNT_OPEN, &b);
}

/* When the level may be another one: at the first end of what counts now. */
static void
open_says_when_to_look_again(void **state)
{
	make_user(245, "owner245", "user");
	make_user(246, "guest246", "user");
	make_resource(2450, "srv2450", 245);
	make_account(2451, 2450, "root");
	share(EVENT_SHARED, 2450, 246, 1);
	share_until(2451, 246, 2, OVER);
	auto_rows none = open_versions(2451, 246, 1);
	assert_int_equal(row_int(none, 0, COL_ACCOUNT_OPEN_LEVEL), 1);
	assert_true(row_null(none, 0, COL_ACCOUNT_OPEN_UNTIL));
	share_until(2451, 246, 2, AHEAD);
	auto_rows ends = open_versions(2451, 246, 1);
	assert_int_equal(row_int(ends, 0, COL_ACCOUNT_OPEN_LEVEL), 2);
	assert_int_equal(row_time(ends, 0, COL_ACCOUNT_OPEN_UNTIL), INT64_C(32472144000000000));
	auto_rows own = open_versions(2451, 245, 1);
	assert_true(row_null(own, 0, COL_ACCOUNT_OPEN_UNTIL));
}

static void
open_gives_the_version_asked_for(void **state)
{
	size_t len;

	make_user(32, "owner32", "user");
	make_resource(320, "srv320", 32);
	make_account(321, 320, "root");
	auto_rows before = open_versions(321, 32, 1);
	assert_int_equal(rows_count(before), 1);
	assert_true(row_null(before, 0, 2));
	apply_one(STMT_APPLY_VERSION_ADDED, add_version(321, 3211, 1, 0));
	auto_rows after = open_versions(321, 32, 3);
	assert_int_equal(rows_count(after), 3);
	for (int i = 0; i < 3; i++) {
		int64_t asked = row_bigint(after, i, 0) - 1;

		assert_int_equal(row_null(after, i, 2), asked == 2);
		if (asked == 2)
			continue;
		assert_int_equal(row_int(after, i, 3), 1);
		assert_memory_equal(row_bytea(after, i, 4, &len), "secret", 6);
	}
	auto_rows none = open_versions(399, 32, 2);
	assert_int_equal(rows_count(none), 0);
}

/* ---- the bin ---- */

/* What of the bin the user sees of this thing: the row, or -1. */
static int
find_removed(int user, int thing, struct rows **ret)
{
	auto_binds b = BINDS_INIT;
	struct uuid u = uuid_of(user), want = uuid_of(thing), got;

	bind_uuid(&b, &u);
	bind_time(&b, INT64_C(253402300799999999));
	bind_uuid(&b, &(struct uuid){ 0 });
	bind_int(&b, 200);
	*ret = ask(STMT_BIN_LIST, &b);
	for (int i = 0; i < rows_count(*ret); i++) {
		row_uuid(*ret, i, 0, &got);
		if (uuid_eq(&got, &want))
			return i;
	}
	return -1;
}

static bool
in_bin(int user, int thing)
{
	auto_rows r = NULL;

	return find_removed(user, thing, &r) >= 0;
}

/* H15: what went together comes back together, with the rights that there were. */
static void
a_resource_comes_back_whole(void **state)
{
	make_user(70, "owner70", "user");
	make_user(71, "viewer71", "user");
	make_user(72, "manager72", "user");
	make_user(73, "admin73", "administrator");
	make_resource(700, "srv700", 70);
	make_account(701, 700, "root");
	make_account(702, 700, "www");
	make_account(703, 700, "gone before");
	apply_one(STMT_APPLY_VERSION_ADDED, add_version(701, 7011, 1, 0));
	share(EVENT_SHARED, 700, 71, 1);
	share(EVENT_SHARED, 700, 72, 3);
	apply_one(STMT_APPLY_ACCOUNT_DELETED, add(EVENT_ACCOUNT_DELETED, 703, "{}"));
	apply_one(STMT_APPLY_RESOURCE_DELETED, add(EVENT_RESOURCE_DELETED, 700, "{}"));
	auto_rows r = NULL;
	int i = find_removed(70, 700, &r);
	assert_true(i >= 0);
	assert_int_equal(row_bigint(r, i, 6), 2); /* accounts that went with it */
	assert_false(row_bool(r, i, 12));	  /* nothing came home to it */
	assert_true(in_bin(70, 703) && in_bin(72, 700) && in_bin(72, 703));
	assert_false(in_bin(71, 700) || in_bin(73, 700) || in_bin(73, 703));
	auto_rows hidden = open_versions(701, 70, 2);
	assert_int_equal(rows_count(hidden), 0);

	apply_one(STMT_APPLY_RESOURCE_RESTORED, add(EVENT_RESOURCE_RESTORED, 700, "{}"));
	assert_int_equal(right_of(701, 70).level, 4);
	assert_int_equal(right_of(702, 71).level, 1);
	assert_int_equal(right_of(702, 72).level, 3);
	assert_int_equal(right_of(703, 70).rows, 0);
	assert_false(in_bin(70, 700));
	assert_true(in_bin(70, 703));
	auto_rows back = open_versions(701, 70, 2);
	assert_int_equal(rows_count(back), 2);
	apply_one(STMT_APPLY_ACCOUNT_RESTORED,
		  add(EVENT_ACCOUNT_RESTORED, 703, "{\"login\":\"again\"}"));
	assert_int_equal(right_of(703, 71).level, 1);
	assert_false(in_bin(70, 703));
}

/* ---- names ---- */

static const char *
asked(const char *fmt, ...)
{
	static char text[200];
	auto_buf sql = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_addv(&sql, fmt, ap);
	va_end(ap);
	PGconn *c = PQconnectdb(pgtemp_conninfo(pg, "holdfast"));
	PGresult *r = PQexec(c, buf_str(&sql));
	assert_int_equal(PQresultStatus(r), PGRES_TUPLES_OK);
	snprintf(text, sizeof(text), "%s", PQgetvalue(r, 0, 0));
	PQclear(r);
	PQfinish(c);
	return text;
}

/* The name that it is marked with; "": nobody else holds it. */
static const char *
twin(const char *table, int n)
{
	return asked("SELECT coalesce(twin, '') FROM %s WHERE id = '%s'", table, id(n));
}

static void
mark_since(int64_t from)
{
	assert_int_equal(apply(STMT_MARK_RESOURCES, from, seq), 0);
	assert_int_equal(apply(STMT_MARK_ACCOUNTS, from, seq), 0);
}

/* What this node's own writer would say of the events since then. */
static int
refused_since(int64_t from)
{
	int resources = apply(STMT_REFUSE_RESOURCES, from, seq);
	int accounts = apply(STMT_REFUSE_ACCOUNTS, from, seq);

	return resources ? resources : accounts;
}

/* H15: everybody keeps their name, all are marked, and the marks follow what the names become. */
static void
a_name_may_have_several_holders(void **state)
{
	int64_t from = seq + 1;

	make_user(90, "owner90", "user");
	make_resource(900, "srv900", 90);
	mark_since(from);
	assert_int_equal(refused_since(from), 0);
	assert_string_equal(twin("resource", 900), "");
	make_resource(901, "SRV900", 90);
	make_resource(902, "srv900", 90);
	mark_since(seq - 1);
	for (int n = 900; n <= 902; n++)
		assert_string_equal(twin("resource", n), "srv900");
	assert_int_equal(refused_since(seq), ERR_DB);
	apply_one(STMT_APPLY_RESOURCE_CHANGED,
		  add(EVENT_RESOURCE_CHANGED, 900, "{\"url\":\"https://x.test\"}"));
	mark_since(seq);
	assert_int_equal(refused_since(seq), 0); /* it gives no name */
	apply_one(STMT_APPLY_RESOURCE_CHANGED,
		  add(EVENT_RESOURCE_CHANGED, 901, "{\"name\":\"srv901\"}"));
	mark_since(seq);
	assert_int_equal(refused_since(seq), 0);
	assert_string_equal(twin("resource", 901), "");
	assert_string_equal(twin("resource", 900), "srv900");
	apply_one(STMT_APPLY_RESOURCE_DELETED, add(EVENT_RESOURCE_DELETED, 902, "{}"));
	mark_since(seq);
	for (int n = 900; n <= 902; n++)
		assert_string_equal(twin("resource", n), "");
	apply_one(STMT_APPLY_RESOURCE_CHANGED,
		  add(EVENT_RESOURCE_CHANGED, 901, "{\"name\":\"Srv900\"}"));
	mark_since(seq);
	assert_int_equal(refused_since(seq), ERR_DB);
	apply_one(STMT_APPLY_RESOURCE_RESTORED, add(EVENT_RESOURCE_RESTORED, 902, "{}"));
	mark_since(seq);
	assert_int_equal(refused_since(seq), ERR_DB);
	assert_false(in_bin(90, 902));
	for (int n = 900; n <= 902; n++)
		assert_string_equal(twin("resource", n), "srv900");
}

static void
a_login_may_have_several_holders(void **state)
{
	int64_t from = seq + 1;

	make_user(91, "owner91", "user");
	make_resource(910, "srv910", 91);
	make_resource(911, "srv911", 91);
	make_account(912, 910, "root");
	make_account(913, 911, "root");
	mark_since(from);
	assert_int_equal(refused_since(from), 0);
	assert_string_equal(twin("account", 912), ""); /* a login is of one resource */
	make_account(914, 910, "ROOT");
	mark_since(seq);
	assert_int_equal(refused_since(seq), ERR_DB);
	assert_string_equal(twin("account", 912), "root");
	assert_string_equal(twin("account", 914), "root");
	assert_string_equal(twin("account", 913), "");
	apply_one(STMT_APPLY_ACCOUNT_CHANGED,
		  add(EVENT_ACCOUNT_CHANGED, 912, "{\"login\":\"toor\"}"));
	mark_since(seq);
	assert_string_equal(twin("account", 912), "");
	assert_string_equal(twin("account", 914), "");
	/* One that the bin was emptied of does not come back with its resource, and leaves the name. */
	make_account(915, 910, "root");
	mark_since(seq);
	assert_string_equal(twin("account", 914), "root");
	apply_one(STMT_APPLY_RESOURCE_DELETED, add(EVENT_RESOURCE_DELETED, 910, "{}"));
	apply_one(STMT_APPLY_BIN_EMPTIED, add_emptied(0, 915, 0));
	apply_one(STMT_APPLY_RESOURCE_RESTORED, add(EVENT_RESOURCE_RESTORED, 910, "{}"));
	mark_since(seq);
	assert_string_equal(twin("account", 914), "");
	assert_string_equal(twin("account", 915), "");
}

/* H15: the marks are the same, however the events are cut into ranges. */
static void
marks_depend_on_names_alone(void **state)
{
	static const char every[] =
		"SELECT coalesce(string_agg(id || ' ' || coalesce(twin, '-'), ',' ORDER BY id), "
		"'') "
		"FROM resource WHERE id IN ('00000000-0000-7000-8000-000000000920', "
		"'00000000-0000-7000-8000-000000000921', '00000000-0000-7000-8000-000000000922')";
	char one_by_one[200];
	int64_t from = seq + 1;

	make_user(92, "owner92", "user");
	for (int n = 920; n <= 922; n++)
		make_resource(n, "srv920", 92);
	apply_one(STMT_APPLY_RESOURCE_CHANGED,
		  add(EVENT_RESOURCE_CHANGED, 921, "{\"name\":\"other\"}"));
	for (int64_t at = from; at <= seq; at++)
		assert_int_equal(apply(STMT_MARK_RESOURCES, at, at), 0);
	snprintf(one_by_one, sizeof(one_by_one), "%s", asked(every));
	pgtemp_sql(pg, "UPDATE resource SET twin = NULL WHERE name = 'srv920'");
	mark_since(from);
	assert_string_equal(asked(every), one_by_one);
	assert_non_null(strstr(one_by_one, "920 srv920"));
	assert_non_null(strstr(one_by_one, "921 -"));
}

static int64_t
sealed_versions(int account)
{
	auto_buf sql = BUF_INIT;

	buf_addf(&sql, "SELECT count(*) FROM version WHERE account = '%s' AND sealed <> ''",
		 id(account));
	PGconn *c = PQconnectdb(pgtemp_conninfo(pg, "holdfast"));
	PGresult *r = PQexec(c, buf_str(&sql));
	assert_int_equal(PQresultStatus(r), PGRES_TUPLES_OK);
	int64_t n = strtoll(PQgetvalue(r, 0, 0), NULL, 10);
	PQclear(r);
	PQfinish(c);
	return n;
}

static void
emptied_is_gone_for_good(void **state)
{
	make_user(75, "owner75", "user");
	make_resource(750, "srv750", 75);
	make_account(751, 750, "root");
	make_account(752, 750, "www");
	apply_one(STMT_APPLY_VERSION_ADDED, add_version(751, 7511, 1, 0));
	apply_one(STMT_APPLY_VERSION_ADDED, add_version(752, 7521, 1, 0));
	/* What is not removed is not touched, whatever an event says. */
	apply_one(STMT_APPLY_BIN_EMPTIED, add_emptied(750, 751, 7511));
	assert_int_equal(sealed_versions(751), 1);
	assert_int_equal(right_of(751, 75).level, 4);

	apply_one(STMT_APPLY_RESOURCE_DELETED, add(EVENT_RESOURCE_DELETED, 750, "{}"));
	/* One of two accounts: the resource stays. */
	apply_one(STMT_APPLY_BIN_EMPTIED, add_emptied(750, 751, 7511));
	assert_int_equal(sealed_versions(751), 0);
	assert_int_equal(sealed_versions(752), 1);
	assert_true(in_bin(75, 750));
	apply_one(STMT_APPLY_BIN_EMPTIED, add_emptied(750, 752, 7521));
	assert_false(in_bin(75, 750));
	apply_one(STMT_APPLY_RESOURCE_RESTORED, add(EVENT_RESOURCE_RESTORED, 750, "{}"));
	assert_int_equal(right_of(751, 75).rows, 0);
}

/* H15: removed on one side while it was changed on the other. The version is in the bin with its account, whichever log comes
 * first, and comes back with it. */
static void
a_change_to_what_was_removed_is_kept(void **state)
{
	make_user(76, "owner76", "user");
	for (int first = 0; first < 2; first++) {
		int resource = 760 + 10 * first, account = resource + 1, version = account * 10;
		struct uuid own = node, elsewhere;
		char name[20];

		uuid_new(&elsewhere);
		snprintf(name, sizeof(name), "srv%d", resource);
		make_resource(resource, name, 76);
		make_account(account, resource, "root");
		apply_one(STMT_APPLY_VERSION_ADDED, add_version(account, version, 1, 0));
		if (first) {
			node = elsewhere;
			apply_one(STMT_APPLY_VERSION_ADDED,
				  add_version_upon(account, version + 1, 2, 1, version));
			node = own;
		}
		apply_one(STMT_APPLY_RESOURCE_DELETED, add(EVENT_RESOURCE_DELETED, resource, "{}"));
		if (!first) {
			node = elsewhere;
			apply_one(STMT_APPLY_VERSION_ADDED,
				  add_version_upon(account, version + 1, 2, 1, version));
			node = own;
		}
		auto_rows r = NULL;
		int i = find_removed(76, resource, &r);
		assert_true(i >= 0);
		assert_true(row_bool(r, i, 12));
		apply_one(STMT_APPLY_RESOURCE_RESTORED,
			  add(EVENT_RESOURCE_RESTORED, resource, "{}"));
		assert_int_equal(right_of(account, 76).current_n, 2);
		assert_int_equal(sealed_versions(account), 2);
	}
}

/* H15: the same with the bin emptied on the one side: the event names what it knew, and nothing else goes. */
static void
a_change_to_what_was_emptied_is_kept(void **state)
{
	make_user(77, "owner77", "user");
	for (int first = 0; first < 2; first++) {
		int resource = 780 + 10 * first, account = resource + 1, version = account * 10;
		struct uuid own = node, elsewhere;
		char name[20];

		uuid_new(&elsewhere);
		snprintf(name, sizeof(name), "srv%d", resource);
		make_resource(resource, name, 77);
		make_account(account, resource, "root");
		make_account(account + 1, resource, "www");
		apply_one(STMT_APPLY_VERSION_ADDED, add_version(account, version, 1, 0));
		apply_one(STMT_APPLY_RESOURCE_DELETED, add(EVENT_RESOURCE_DELETED, resource, "{}"));
		apply_one(STMT_APPLY_BIN_EMPTIED, add_emptied(resource, account + 1, version + 9));
		if (!first)
			apply_one(STMT_APPLY_BIN_EMPTIED, add_emptied(resource, account, version));
		node = elsewhere;
		apply_one(STMT_APPLY_VERSION_ADDED,
			  add_version_upon(account, version + 1, 2, 1, version));
		node = own;
		if (first)
			apply_one(STMT_APPLY_BIN_EMPTIED, add_emptied(resource, account, version));
		assert_true(in_bin(77, resource));
		apply_one(STMT_APPLY_RESOURCE_RESTORED,
			  add(EVENT_RESOURCE_RESTORED, resource, "{}"));
		assert_int_equal(right_of(account, 77).current_n, 2);
		assert_int_equal(sealed_versions(account), 1);
		assert_int_equal(right_of(account + 1, 77).rows, 0); /* nothing came home to it */
		/* What is back can be removed and brought back again. */
		apply_one(STMT_APPLY_ACCOUNT_DELETED, add(EVENT_ACCOUNT_DELETED, account, "{}"));
		assert_true(in_bin(77, account));
	}
}

/* ---- import ---- */

/* H15: the first primary of a vault, which never saw another log, empties the bin of what was brought back on a node that was
 * promoted apart. It did not know of that, though the other one had it all when it took this in. */
static void
what_a_first_primary_did_alone_it_did_unknowing(void **state)
{
	struct uuid own = node, promoted;

	uuid_new(&node);
	uuid_new(&promoted);
	make_user(78, "owner78", "user");
	knows_of_this(&node);
	make_resource(830, "srv830", 78);
	make_account(831, 830, "root");
	apply_one(STMT_APPLY_VERSION_ADDED, add_version(831, 8310, 1, 0));
	apply_one(STMT_APPLY_RESOURCE_DELETED, add(EVENT_RESOURCE_DELETED, 830, "{}"));
	knows_of_this(&promoted);

	struct uuid first = node;
	node = promoted;
	apply_one(STMT_APPLY_RESOURCE_RESTORED, add(EVENT_RESOURCE_RESTORED, 830, "{}"));
	node = first;
	int64_t emptied = add_emptied(830, 831, 8310);
	names_this(&promoted, EVENT_MERGED);
	apply_one(STMT_APPLY_BIN_EMPTIED, emptied);
	assert_int_equal(sealed_versions(831), 1);
	assert_int_equal(right_of(831, 78).level, 4);
	node = own;
}

static void
import_check_judges_every_line(void **state)
{
	static const char *const names[] = { "new1", "NEW1", "srv400", "srv400", "new1" };
	static const char *const logins[] = { "a", "b", "root", "x", "A" };
	make_user(40, "owner40", "user");
	make_user(41, "other41", "user");
	make_resource(400, "Srv400", 40);
	make_account(401, 400, "Root");
	for (int user = 40; user <= 41; user++) {
		auto_binds b = BINDS_INIT;
		struct uuid u = uuid_of(user);
		bind_uuid(&b, &u);
		bind_array_begin(&b, STMT_TEXT);
		for (size_t i = 0; i < ARRAY_LEN(names); i++)
			bind_elem_text(&b, names[i]);
		bind_array_end(&b);
		bind_array_begin(&b, STMT_TEXT);
		for (size_t i = 0; i < ARRAY_LEN(logins); i++)
			bind_elem_text(&b, logins[i]);
		bind_array_end(&b);
		auto_rows r = ask(STMT_IMPORT_CHECK, &b);
		assert_int_equal(rows_count(r), 5);
		assert_int_equal(row_int(r, 1, 1), 1);
		assert_int_equal(row_int(r, 4, 2), 1); /* the same as line 1 */
		/* A login of a resource that is not the user's is told to nobody else. */
		assert_int_equal(row_null(r, 2, 6), user != 40);
		assert_true(row_null(r, 3, 6));
		assert_int_equal(row_int(r, 3, 4), user == 40 ? 4 : 0);
		assert_true(row_null(r, 0, 3));
		for (int i = 0; i < 5; i++)
			assert_false(row_bool(r, i, COL_IMPORT_CHECK_SEVERAL));
	}
}

/* Whoever sees both holders of a name has to say which; who sees one goes by that. */
static void
import_check_tells_of_several(void **state)
{
	make_user(42, "owner42", "user");
	make_user(43, "other43", "user");
	make_resource(402, "srv402", 42);
	make_resource(403, "SRV402", 43);
	make_account(404, 403, "root");
	make_account(405, 403, "Root");
	for (int user = 42; user <= 43; user++) {
		auto_binds b = BINDS_INIT;
		struct uuid u = uuid_of(user), got, own = uuid_of(user == 42 ? 402 : 403);
		bind_uuid(&b, &u);
		for (int i = 0; i < 2; i++) {
			bind_array_begin(&b, STMT_TEXT);
			bind_elem_text(&b, i ? "root" : "srv402");
			bind_array_end(&b);
		}
		auto_rows r = ask(STMT_IMPORT_CHECK, &b);
		assert_int_equal(rows_count(r), 1);
		row_uuid(r, 0, COL_IMPORT_CHECK_RESOURCE, &got);
		assert_true(uuid_eq(&got, &own));
		assert_int_equal(row_bool(r, 0, COL_IMPORT_CHECK_SEVERAL), user == 43);
	}
}

static int
set_up(void **state)
{
	struct err e = { 0 };
	pg = pgtemp_new();
	pgtemp_migrate(pg);
	const struct db_options o = { .conninfo = pgtemp_conninfo(pg, "hf_vault"),
				      .application = "test" };
	db = db_open(&o, &e);
	uuid_new(&node);
	return db ? 0 : -1;
}

static int
tear_down(void **state)
{
	db_free(db);
	pgtemp_free(pg);
	return 0;
}

/* H15: which is newer is a matter of what they are, in whatever order they come. */
static void
authorities_are_ordered_by_content(void **state)
{
	static const struct binds none;
	static const char pins[] = "bca";
	const int generations[] = { 1, 2, 2 };
	int64_t first = 0, at = 0;

	for (int i = 2; i >= 0; i--) {
		at = add(EVENT_AUTHORITY_MADE, 1,
			 "{\"sha256\":\"%c\",\"generation\":%d,\"ends_at\":"
			 "\"2036-01-01T00:00:00Z\",\"cert\":\"PEM\",\"sealed\":\"0a0b\"}",
			 pins[i], generations[i]);
		first = first ? first : at;
	}
	/* Another node said the same of one that it knew as a later one. */
	at = add(EVENT_AUTHORITY_MADE, 1,
		 "{\"sha256\":\"b\",\"generation\":3,\"ends_at\":\"2036-01-01T00:00:00Z\","
		 "\"cert\":\"PEM\",\"sealed\":\"0a0b\"}");
	assert_int_equal(apply(STMT_APPLY_AUTHORITY_MADE, first, at), 0);
	auto_rows r = ask(STMT_AUTHORITY_LIST, &none);
	assert_int_equal(rows_count(r), 3);
	assert_string_equal(row_text(r, 0, COL_AUTHORITY_LIST_SHA256), "c");
	assert_string_equal(row_text(r, 1, COL_AUTHORITY_LIST_SHA256), "a");
	assert_string_equal(row_text(r, 2, COL_AUTHORITY_LIST_SHA256), "b");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(authorities_are_ordered_by_content),
		cmocka_unit_test(user_last_word_wins),
		cmocka_unit_test(a_user_keeps_the_name),
		cmocka_unit_test(password_ends_the_other_sessions),
		cmocka_unit_test(disabling_ends_sessions),
		cmocka_unit_test(who_knew_of_every_ending_goes_on),
		cmocka_unit_test(a_new_password_keeps_the_session_that_set_it),
		cmocka_unit_test(a_session_that_names_nothing_counts_by_its_place),
		cmocka_unit_test(a_restored_vault_ends_everybodys),
		cmocka_unit_test(a_reset_counts_before_a_password_made_apart),
		cmocka_unit_test(a_node_goes_by_what_its_joining_knew),
		cmocka_unit_test(a_node_goes_by_the_last_word_of_one_log),
		cmocka_unit_test(highest_grant_counts),
		cmocka_unit_test(list_shows_what_is_shared_only),
		cmocka_unit_test(a_search_shows_the_best_first),
		cmocka_unit_test(what_has_ended_gives_nothing),
		cmocka_unit_test(reach_says_until_when),
		cmocka_unit_test(acceptance_is_of_a_giving),
		cmocka_unit_test(deleted_is_gone_and_its_name_free),
		cmocka_unit_test(versions_follow_each_other),
		cmocka_unit_test(sibling_keeps_both_and_flags),
		cmocka_unit_test(either_order_is_a_conflict),
		cmocka_unit_test(declining_counts_in_either_order),
		cmocka_unit_test(settled_by_choice),
		cmocka_unit_test(what_a_settler_did_not_know_stays_open),
		cmocka_unit_test(two_settlements_agree_or_are_a_conflict),
		cmocka_unit_test(a_log_in_parts_is_the_same_conflict),
		cmocka_unit_test(a_conflict_is_told_and_acknowledged),
		cmocka_unit_test(the_safer_state_of_a_user_counts),
		cmocka_unit_test(the_lower_role_counts),
		cmocka_unit_test(who_knows_may_loosen),
		cmocka_unit_test(the_lower_share_counts),
		cmocka_unit_test(of_one_level_the_earlier_end_counts),
		cmocka_unit_test(an_end_makes_no_version_wait),
		cmocka_unit_test(open_says_when_to_look_again),
		cmocka_unit_test(open_gives_the_version_asked_for),
		cmocka_unit_test(a_resource_comes_back_whole),
		cmocka_unit_test(a_name_may_have_several_holders),
		cmocka_unit_test(a_login_may_have_several_holders),
		cmocka_unit_test(marks_depend_on_names_alone),
		cmocka_unit_test(emptied_is_gone_for_good),
		cmocka_unit_test(a_change_to_what_was_removed_is_kept),
		cmocka_unit_test(a_change_to_what_was_emptied_is_kept),
		cmocka_unit_test(what_a_first_primary_did_alone_it_did_unknowing),
		cmocka_unit_test(import_check_judges_every_line),
		cmocka_unit_test(import_check_tells_of_several),
	};
	if (!pgtemp_have())
		return PGTEMP_SKIP;
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
