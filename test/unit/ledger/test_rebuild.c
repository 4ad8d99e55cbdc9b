/* SPDX-License-Identifier: Apache-2.0
 *
 * H15: the tables come out of the log alone as they are, in the order in which the primaries applied it, for every kind of event
 * that changes something. A real server; each test writes events in the order in which they truly happened, and applies them there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "ledger/event.h"
#include "ledger/rebuild_impl.h"
#include "pgtemp.h"
#include "store/migrate.h"

/* Which ids sort first must not matter: each story is told with the nodes this way and that. */
static const char *const names[2][3] = {
	{ "0190a000-0000-7000-8000-00000000000a", "0190a000-0000-7000-8000-00000000000b",
	  "0190a000-0000-7000-8000-00000000000c" },
	{ "0190a000-0000-7000-8000-00000000000c", "0190a000-0000-7000-8000-00000000000b",
	  "0190a000-0000-7000-8000-00000000000a" },
};

extern const struct migration migration_table[];

enum { A, B, C };

static struct pgtemp *pg;
static struct db *db;
static int way;
static int64_t seq[3], tick;

#define USER "00000000-0000-7000-8000-000000000001"
#define TEAM "00000000-0000-7000-8000-0000000000a1"
#define TEAM_GONE "00000000-0000-7000-8000-0000000000a2"
#define FOLDER "00000000-0000-7000-8000-0000000000b1"
#define FOLDER_IN "00000000-0000-7000-8000-0000000000b2"
#define OTHER "00000000-0000-7000-8000-000000000002"
#define RESOURCE "00000000-0000-7000-8000-000000000003"
#define ACCOUNT "00000000-0000-7000-8000-000000000004"
#define SESSION "00000000-0000-7000-8000-000000000005"
#define V1 "00000000-0000-7000-8000-000000000011"
#define V2 "00000000-0000-7000-8000-000000000012"
#define V3 "00000000-0000-7000-8000-000000000013"
#define V4 "00000000-0000-7000-8000-000000000014"
#define NIL "00000000-0000-0000-0000-000000000000"

static int
setup(void **state)
{
	struct err e = { 0 };

	pg = pgtemp_new();
	pgtemp_migrate(pg);
	struct db_options o = { .conninfo = pgtemp_conninfo(pg, "hf_vault"), .wait_ms = 5000 };
	db = db_open(&o, &e);
	memset(seq, 0, sizeof(seq));
	tick = 0;
	return db ? 0 : -1;
}

static int
teardown(void **state)
{
	db_free(db);
	pgtemp_free(pg);
	return 0;
}

/* ---- writing ---- */

static int64_t
write_event(int chain, enum event_kind kind, const char *object, const char *body)
{
	auto_buf sql = BUF_INIT;

	buf_addf(&sql,
		 "INSERT INTO event (node, seq, at, kind, actor, object, body, hash) VALUES ('%s', "
		 "%lld, timestamptz '2026-01-01 00:00Z' + %lld * interval '1 second', %d, '%s', "
		 "'%s', '%s', decode(repeat('00', 32), 'hex'))",
		 names[way][chain], (long long)++seq[chain], (long long)++tick, (int)kind, USER,
		 object, body);
	pgtemp_sql(pg, buf_str(&sql));
	return seq[chain];
}

#define APPLIED_MAX 16 /* at once */

/* As the writer does with what it merges. */
static void
apply(int chain, enum event_kind kind, int64_t from, int64_t to)
{
	struct event ev[APPLIED_MAX] = { 0 };
	struct ledger_item items[APPLIED_MAX];
	struct ledger_steps steps = { 0 };
	struct err e = { 0 };
	struct uuid node;
	size_t n = 0;

	assert_int_equal(uuid_parse(names[way][chain], &node), 0);
	assert_true(to - from < APPLIED_MAX);
	for (int64_t at = from; at <= to; at++, n++) {
		ev[n].kind = kind;
		ev[n].seq = at;
		items[n] = (struct ledger_item){ &ev[n], NULL };
	}
	ledger_step_applies(&steps, &node, items, n, LEDGER_MERGED);
	if (steps.n && db_transaction(db, NULL, steps.v, steps.n, NULL, &e))
		fail_msg("%s: %s", event_name((int)kind), e.text);
	ledger_steps_done(&steps);
}

static void
happens(int chain, enum event_kind kind, const char *object, const char *body)
{
	int64_t at = write_event(chain, kind, object, body);

	apply(chain, kind, at, at);
}

static void
sees(int chain, int other)
{
	auto_buf body = BUF_INIT;

	buf_addf(&body, "{\"node\":\"%s\",\"to\":%lld,\"head\":\"00\"}", names[way][other],
		 (long long)seq[other]);
	happens(chain, EVENT_SEEN, names[way][other], buf_str(&body));
}

static void
merges(int chain, int other, int64_t from, int64_t to, const char *more)
{
	auto_buf body = BUF_INIT;

	buf_addf(&body, "{\"node\":\"%s\",\"from\":%lld,\"to\":%lld%s}", names[way][other],
		 (long long)from, (long long)to, more);
	happens(chain, EVENT_MERGED, names[way][other], buf_str(&body));
}

static void
begins_term(int chain, int term)
{
	auto_buf body = BUF_INIT;

	buf_addf(&body, "{\"term\":%d}", term);
	happens(chain, EVENT_PROMOTED, names[way][chain], buf_str(&body));
}

static void
renames(int chain, const char *name)
{
	auto_buf body = BUF_INIT;

	buf_addf(&body, "{\"name\":\"%s\"}", name);
	happens(chain, EVENT_RESOURCE_CHANGED, RESOURCE, buf_str(&body));
}

static void
joins(int chain, int which)
{
	auto_buf body = BUF_INIT;

	buf_addf(&body,
		 "{\"id\":\"%s\",\"name\":\"node %d\",\"https_port\":7272,\"pair_port\":2345%s}",
		 names[way][which], which, which == A ? ",\"primary_since_term\":1" : "");
	happens(chain, EVENT_NODE_JOINED, names[way][which], buf_str(&body));
}

/* A vault with a resource and an account that has one version. */
static void
begin_on(int chain)
{
	happens(chain, EVENT_NODE_CREATED, names[way][chain], "{}");
	joins(chain, A);
	happens(chain, EVENT_KEY_CREATED, NIL, "{\"id\":1,\"wrapped\":\"0a0b\"}");
	happens(chain, EVENT_USER_CREATED, USER, "{\"name\":\"ada\",\"role\":\"administrator\"}");
	happens(chain, EVENT_USER_CREATED, OTHER, "{\"name\":\"bob\",\"role\":\"user\"}");
	happens(chain, EVENT_RESOURCE_CREATED, RESOURCE,
		"{\"name\":\"srv\",\"owner\":\"" USER "\"}");
	happens(chain, EVENT_ACCOUNT_CREATED, ACCOUNT,
		"{\"resource\":\"" RESOURCE "\",\"login\":\"x\"}");
	happens(chain, EVENT_VERSION_ADDED, ACCOUNT,
		"{\"id\":\"" V1 "\",\"n\":1,\"based_on\":0,\"upon\":null,\"author\":\"" USER
		"\",\"sealed\":\"AAAA\"}");
}

#define VERSION(id, n, based_on, upon, more)                                                       \
	"{\"id\":\"" id "\",\"n\":" #n ",\"based_on\":" #based_on ",\"upon\":\"" upon              \
	"\",\"author\":\"" USER "\",\"sealed\":\"AAAA\"" more "}"

/* ---- looking ---- */

static struct rebuild_result
rebuilt(void)
{
	struct db_options o = { .conninfo = pgtemp_conninfo(pg, "hf_vault"),
				.wait_ms = 5000,
				.session = rebuild_session };
	struct err e = { 0 };
	struct db *d = db_open(&o, &e);
	struct rebuild *r;
	struct rebuild_result found;

	assert_non_null(d);
	r = rebuild_take_db(d);
	while (!rebuild_result(r)->done) {
		if (rebuild_step(r, NULL, &e))
			fail_msg("%s", e.text);
	}
	found = *rebuild_result(r);
	rebuild_free(r);
	for (unsigned i = 0; i < found.ndifferences; i++)
		print_message("%s %s %d %d: %s\n", found.difference[i].table,
			      found.difference[i].id, found.difference[i].held,
			      found.difference[i].told, found.difference[i].columns);
	assert_int_equal(found.applied, found.events);
	return found;
}

static void
the_log_says_so(void)
{
	struct rebuild_result r = rebuilt();

	assert_int_equal(r.unproven, 0);
	assert_int_equal(r.refused, 0);
	assert_int_equal(r.ndifferences, 0);
	assert_true(r.good);
}

/* ---- every kind ---- */

/* One of each kind that changes something, in an order in which each does. object NULL: the node. */
static const struct one {
	enum event_kind kind;
	const char *object, *body;
} ones[] = {
	{ EVENT_USER_SETUP_USED, USER, "{}" },
	{ EVENT_USER_PASSWORD, USER, "{\"password_hash\":\"h\",\"totp_step\":4}" },
	{ EVENT_USER_TOTP, USER, "{\"totp_sealed\":\"AAAA\",\"totp_step\":5}" },
	{ EVENT_LOGIN_FAILED, USER, "{}" },
	{ EVENT_LOGIN, USER,
	  "{\"mac\":\"0c\",\"session\":\"" SESSION
	  "\",\"expires\":\"2027-01-01T00:00:00Z\",\"totp_step\":6}" },
	{ EVENT_SESSION_SEEN, SESSION, "{}" },
	{ EVENT_LOGOUT, SESSION, "{}" },
	{ EVENT_RESOURCE_CHANGED, RESOURCE, "{\"url\":\"u\"}" },
	{ EVENT_ACCOUNT_CHANGED, ACCOUNT, "{\"description\":\"d\"}" },
	{ EVENT_SHARED, RESOURCE, "{\"user\":\"" OTHER "\",\"level\":2}" },
	{ EVENT_UNSHARED, RESOURCE, "{\"user\":\"" OTHER "\"}" },
	{ EVENT_SHARED, ACCOUNT, "{\"user\":\"" OTHER "\",\"level\":1}" },
	{ EVENT_SHARED, ACCOUNT,
	  "{\"user\":\"" USER "\",\"level\":1,\"share\":\"" V1 "\",\"upon\":\"\"}" },
	{ EVENT_SHARE_ACCEPTED, ACCOUNT, "{\"share\":\"" V1 "\"}" },
	{ EVENT_USER_CHANGED, OTHER, "{\"role\":\"administrator\"}" },
	{ EVENT_USER_CHANGED, OTHER, "{\"role\":\"user\",\"upon_role\":\"x/1\"}" },
	{ EVENT_ADMIN_ACKNOWLEDGED, NIL, "{\"id\":\"" NIL "\"}" },
	{ EVENT_ADMIN_CONFLICT, NIL, "{\"id\":\"" NIL "\"}" },
	{ EVENT_EMERGENCY_POLICY, NIL, "{\"state\":\"on\",\"upon\":\"\"}" },
	{ EVENT_VERSION_ADDED, ACCOUNT, VERSION(V2, 2, 1, NIL, "") },
	{ EVENT_CONFLICT_SETTLED, ACCOUNT,
	  "{\"id\":\"" V2 "\",\"upon\":\"" V1 "\",\"settles\":\"" V2 "\"}" },
	{ EVENT_USER_CHANGED, USER, "{\"disabled\":\"true\"}" },
	{ EVENT_VERSION_ADDED, ACCOUNT, VERSION(V3, 3, 2, V2, ",\"emergency\":true") },
	{ EVENT_VERSION_ADDED, ACCOUNT, VERSION(V4, 4, 3, V3, ",\"emergency\":true") },
	{ EVENT_CHANGE_APPROVED, ACCOUNT, "{\"id\":\"" V3 "\"}" },
	{ EVENT_CHANGE_DECLINED, ACCOUNT, "{\"id\":\"" V4 "\"}" },
	{ EVENT_USER_RECOVERED, USER, "{\"setup_mac\":\"0d\",\"enabled\":\"true\"}" },
	{ EVENT_ACCOUNT_DELETED, ACCOUNT, "{}" },
	{ EVENT_ACCOUNT_RESTORED, ACCOUNT, "{\"login\":\"y\"}" },
	{ EVENT_ACCOUNT_COMBINED, ACCOUNT, "{\"into\":\"" NIL "\"}" },
	{ EVENT_ACCOUNT_RESTORED, ACCOUNT, "{}" },
	{ EVENT_RESOURCE_DELETED, RESOURCE, "{}" },
	{ EVENT_RESOURCE_RESTORED, RESOURCE, "{\"name\":\"srv 2\"}" },
	{ EVENT_ACCOUNT_DELETED, ACCOUNT, "{}" },
	{ EVENT_BIN_EMPTIED, NIL,
	  "{\"versions\":\"" V1 " " V2 " " V3 " " V4 "\",\"accounts\":\"" ACCOUNT
	  "\",\"resources\":\"\"}" },
	{ EVENT_AUTHORITY_MADE, NIL,
	  "{\"sha256\":\"aa\",\"generation\":1,\"ends_at\":\"2030-01-01T00:00:00Z\",\"cert\":\"c\","
	  "\"sealed\":\"0e\"}" },
	{ EVENT_AUDIT_ACCEPTED, NIL, "{\"breaks\":[]}" },
	{ EVENT_MAINTENANCE, NIL, "{\"reason\":\"r\"}" },
	{ EVENT_RESOURCE_CHANGED, RESOURCE, "{\"offer\":\"" USER " " USER "\"}" },
	{ EVENT_TEAM_CREATED, TEAM, "{\"name\":\"ops\"}" },
	{ EVENT_TEAM_CHANGED, TEAM, "{\"name\":\"netops\"}" },
	{ EVENT_TEAM_CREATED, TEAM_GONE, "{\"name\":\"gone\"}" },
	{ EVENT_MEMBER_ADDED, TEAM, "{\"user\":\"" USER "\",\"upon\":\"\"}" },
	{ EVENT_MEMBER_ADDED, TEAM_GONE, "{\"user\":\"" USER "\",\"upon\":\"\"}" },
	{ EVENT_MEMBER_REMOVED, TEAM_GONE, "{\"user\":\"" USER "\",\"upon\":\"\"}" },
	{ EVENT_TEAM_REMOVED, TEAM_GONE, "{\"upon\":\"\"}" },
	{ EVENT_SHARED, RESOURCE,
	  "{\"user\":\"" TEAM "\",\"team\":true,\"level\":1,\"upon\":\"\"}" },
	{ EVENT_FOLDER_CREATED, FOLDER, "{\"name\":\"net\",\"owner\":\"" USER "\"}" },
	{ EVENT_FOLDER_CREATED, FOLDER_IN,
	  "{\"name\":\"lab\",\"owner\":\"" OTHER "\",\"parent\":\"" FOLDER "\"}" },
	{ EVENT_FOLDER_CHANGED, FOLDER, "{\"name\":\"network\",\"description\":\"d\"}" },
	{ EVENT_RESOURCE_CHANGED, RESOURCE, "{\"folder\":\"" FOLDER_IN "\"}" },
	{ EVENT_SHARED, FOLDER, "{\"user\":\"" TEAM "\",\"team\":true,\"level\":2,\"upon\":\"\"}" },
	{ EVENT_FOLDER_CHANGED, FOLDER_IN, "{\"parent\":\"\"}" },
	{ EVENT_RESOURCE_CHANGED, RESOURCE, "{\"folder\":\"\"}" },
	{ EVENT_FOLDER_REMOVED, FOLDER_IN, "{}" },
	{ EVENT_SESSIONS_ENDED, USER, "{}" },
	{ EVENT_NODE_CERT, NULL, "{\"web_cert\":\"w\"}" },
	{ EVENT_NODE_MOVED, NULL, "{\"https_port\":1,\"pair_port\":2}" },
	{ EVENT_HANDOVER, NULL, "{\"term\":1}" },
	{ EVENT_PROMOTED, NULL, "{\"term\":2}" },
	{ EVENT_RESTORED, NULL, "{\"term\":3}" },
	{ EVENT_NODE_REMOVED, NIL, "{}" },
};

static int64_t
rows_in(const char *table)
{
	auto_buf sql = BUF_INIT;

	/* Aborts when there is none. */
	buf_addf(&sql, "SELECT 1 / (SELECT count(*) FROM %s)", table);
	pgtemp_sql(pg, buf_str(&sql));
	return 1;
}

static bool
is_told(enum event_kind kind)
{
	if (kind == EVENT_NODE_JOINED || kind == EVENT_KEY_CREATED || kind == EVENT_USER_CREATED ||
	    kind == EVENT_RESOURCE_CREATED || kind == EVENT_ACCOUNT_CREATED)
		return true; /* begin_on */
	if (kind == EVENT_CHAIN_BEGUN)
		return true; /* the first event of another chain */
	for (size_t i = 0; i < ARRAY_LEN(ones); i++) {
		if (ones[i].kind == kind)
			return true;
	}
	return false;
}

static void
every_kind_comes_out_again(void **state)
{
	int kind;

	for (size_t i = 0; (kind = event_kind_at(i)) != 0; i++) {
		if (event_apply_stmt(kind) >= 0 && !is_told((enum event_kind)kind))
			fail_msg("this test needs an event %s", event_name(kind));
	}
	begin_on(A);
	for (size_t i = 0; i < ARRAY_LEN(ones); i++)
		happens(A, ones[i].kind, ones[i].object ? ones[i].object : names[way][A],
			ones[i].body);
	happens(B, EVENT_CHAIN_BEGUN, names[way][A], "{}");
#define DERIVED(table, compare) rows_in(#table);
#define UNDERIVED(table, reason)
#define UNTOLD(table, column, reason)
#include "ledger/rebuild.def"
#undef DERIVED
#undef UNDERIVED
#undef UNTOLD
	the_log_says_so();
}

/* ---- the order ---- */

/* What was made apart is a sibling, and it is so by the place of the merge alone. */
static void
tell_emergency(void)
{
	begin_on(A);
	joins(A, B);
	sees(B, A);
	int64_t from = write_event(B, EVENT_VERSION_ADDED, ACCOUNT,
				   VERSION(V2, 2, 1, V1, ",\"emergency\":true"));
	happens(A, EVENT_VERSION_ADDED, ACCOUNT, VERSION(V3, 2, 1, V1, ""));
	merges(A, B, 1, from, "");
	apply(B, EVENT_VERSION_ADDED, from, from);
	happens(A, EVENT_VERSION_ADDED, ACCOUNT, VERSION(V4, 4, 2, V3, ""));
}

static void
a_journal_stands_where_it_was_merged(void **state)
{
	tell_emergency();
	the_log_says_so();
}

/* Both sides made a resource of the name, and a login in one; one of them is called otherwise later. */
static void
all_holders_of_a_name_come_out_again(void **state)
{
	begin_on(A);
	joins(A, B);
	sees(B, A);
	int64_t from = write_event(B, EVENT_RESOURCE_CREATED, V2,
				   "{\"name\":\"SRV\",\"owner\":\"" USER "\"}");
	int64_t to = write_event(B, EVENT_ACCOUNT_CREATED, V3,
				 "{\"resource\":\"" RESOURCE "\",\"login\":\"X\"}");
	merges(A, B, from - 1, to, "");
	apply(B, EVENT_RESOURCE_CREATED, from, from);
	apply(B, EVENT_ACCOUNT_CREATED, to, to);
	pgtemp_sql(pg, "SELECT 1 / (count(*) = 2)::int FROM resource WHERE twin = 'srv'");
	pgtemp_sql(pg, "SELECT 1 / (count(*) = 2)::int FROM account WHERE twin = 'x'");
	the_log_says_so();
	renames(A, "srv of A");
	pgtemp_sql(pg, "SELECT 1 / (count(*) = 0)::int FROM resource WHERE twin IS NOT NULL");
	the_log_says_so();
	pgtemp_sql(pg, "UPDATE account SET twin = NULL");
	assert_int_equal(rebuilt().ndifferences, 2);
}

#define LOGIN(session, mac, knew)                                                                  \
	"{\"mac\":\"" mac "\",\"session\":\"" session                                              \
	"\",\"expires\":\"2027-01-01T00:00:00Z\",\"knew\":\"" knew "\"}"

/* A session that B began in emergency, and a joining that it wrote, did not know of what ended them at A. */
static void
endings_come_out_again(void **state)
{
	begin_on(A);
	joins(A, B);
	happens(A, EVENT_USER_PASSWORD, USER, "{\"password_hash\":\"h\"}");
	sees(B, A);
	int64_t from = write_event(B, EVENT_LOGIN, USER, LOGIN(SESSION, "0c", ""));
	happens(A, EVENT_LOGIN, USER, LOGIN(V1, "0d", ""));
	happens(A, EVENT_LOGIN, USER,
		"{\"mac\":\"0e\",\"session\":\"" V2 "\",\"expires\":\"2027-01-01T00:00:00Z\"}");
	happens(A, EVENT_NODE_REMOVED, names[way][B], "{}");
	auto_buf body = BUF_INIT;
	buf_addf(&body,
		 "{\"id\":\"%s\",\"name\":\"b\",\"https_port\":1,\"pair_port\":2,\"knew\":\"\"}",
		 names[way][B]);
	int64_t to = write_event(B, EVENT_NODE_JOINED, names[way][B], buf_str(&body));
	merges(A, B, from - 1, to, "");
	apply(B, EVENT_LOGIN, from, from);
	apply(B, EVENT_NODE_JOINED, to, to);
	pgtemp_sql(pg, "SELECT 1 / (count(*) = 2)::int FROM session WHERE ended_at IS NOT NULL");
	pgtemp_sql(pg, "SELECT 1 / (count(*) = 1)::int FROM session WHERE ended_at IS NULL");
	pgtemp_sql(pg, "SELECT 1 / (count(*) = 1)::int FROM node");
	the_log_says_so();
}

/* A word about the other user. */
static void
says(int chain, const char *what, const char *value, const char *upon)
{
	auto_buf body = BUF_INIT;

	buf_addf(&body, "{\"%s\":\"%s\",\"upon_%s\":\"%s\"}", what, value, what, upon);
	happens(chain, EVENT_USER_CHANGED, OTHER, buf_str(&body));
}

static void
shares(int chain, const char *object, int level)
{
	auto_buf body = BUF_INIT;

	buf_addf(&body, "{\"user\":\"" OTHER "\",\"level\":%d,\"upon\":\"\"}", level);
	happens(chain, level ? EVENT_SHARED : EVENT_UNSHARED, object, buf_str(&body));
}

#define MADE_APART "00000000-0000-7000-8000-000000000014"

/* Words of both sides, of which four were lost: a name and a removal among them; two of C, which names nobody, as in earlier releases: it knew what one was made upon, and who is let in
 * again is. And one that a merge refused. */
static void
tell_words(void)
{
	auto_buf upon = BUF_INIT;

	begin_on(A);
	joins(A, B);
	shares(A, RESOURCE, 2);
	renames(A, "of both");
	says(A, "role", "administrator", "");
	buf_addf(&upon, "%s/%lld", names[way][A], (long long)seq[A]);
	sees(B, A);
	says(B, "disabled", "true", "");
	shares(B, RESOURCE, 3);
	happens(B, EVENT_EMERGENCY_POLICY, NIL, "{\"state\":\"on\",\"upon\":\"\"}");
	renames(B, "of B");
	happens(B, EVENT_RESOURCE_DELETED, RESOURCE, "{}");
	renames(A, "of A");
	happens(A, EVENT_ACCOUNT_CREATED, MADE_APART,
		"{\"resource\":\"" RESOURCE "\",\"login\":\"made apart\"}");
	says(A, "disabled", "false", "");
	shares(A, RESOURCE, 0);
	shares(A, ACCOUNT, 1);
	merges(A, B, 1, seq[B], "");
	happens(A, EVENT_EMERGENCY_POLICY, NIL, "{\"state\":\"off\",\"upon\":\"\"}");
	happens(A, EVENT_USER_CHANGED, USER, "{\"disabled\":\"true\",\"upon_disabled\":\"\"}");
	says(C, "role", "user", buf_str(&upon));
	happens(C, EVENT_USER_RECOVERED, USER, "{\"setup_mac\":\"0d\",\"enabled\":\"true\"}");
	merges(A, C, 1, seq[C], "");
	write_event(B, EVENT_SHARED, ACCOUNT, "{\"user\":\"" OTHER "\",\"level\":3,\"upon\":\"\"}");
	merges(A, B, seq[B], seq[B], ",\"not_applied\":\"why\"");
}

static void
words_come_out_again(void **state)
{
	tell_words();
	pgtemp_sql(pg,
		   "SELECT 1 / (count(*) = 4)::int FROM admin_conflict WHERE what <> 'recovered'");
	pgtemp_sql(pg, "SELECT 1 / (count(*) = 1)::int FROM principal WHERE disabled");
	the_log_says_so();
}

/* Both sides put one folder into the other: the youngest chain's word does not count until nothing goes round any more, and that is told. */
static void
folders_that_go_round_come_out_again(void **state)
{
	begin_on(A);
	joins(A, B);
	happens(A, EVENT_FOLDER_CREATED, FOLDER, "{\"name\":\"one\",\"owner\":\"" USER "\"}");
	happens(A, EVENT_FOLDER_CREATED, FOLDER_IN, "{\"name\":\"two\",\"owner\":\"" OTHER "\"}");
	sees(B, A);
	happens(B, EVENT_FOLDER_CHANGED, FOLDER_IN, "{\"parent\":\"" FOLDER "\"}");
	happens(A, EVENT_FOLDER_CHANGED, FOLDER, "{\"parent\":\"" FOLDER_IN "\"}");
	merges(A, B, 1, seq[B], "");
	pgtemp_sql(pg, "SELECT 1 / (count(*) = 1 AND bool_and(c.kept = '' AND c.node > c.by_node "
		       "AND f.parent IS NULL AND f.path = '{}' "
		       "AND c.lost = f.said::text))::int FROM admin_conflict c JOIN folder f ON "
		       "f.id = c.object WHERE c.what = 'loop'");
	pgtemp_sql(pg, "SELECT 1 / (count(*) = 1)::int FROM folder WHERE parent = said AND path = "
		       "ARRAY[said]");
	pgtemp_sql(pg, "SELECT 1 / (count(*) = 3)::int FROM reach");
	the_log_says_so();
	happens(A, EVENT_FOLDER_CHANGED, FOLDER, "{\"parent\":\"\"}");
	pgtemp_sql(pg, "SELECT 1 / (count(*) = 0)::int FROM admin_conflict WHERE what = 'loop'");
	pgtemp_sql(pg, "SELECT 1 / (count(*) = 2)::int FROM folder WHERE said IS NOT DISTINCT FROM "
		       "parent");
	the_log_says_so();
}

/* As if a former program had written all that: it knew neither words nor what they were lost to. */
static void
forget_words(void)
{
	pgtemp_sql(
		pg,
		"DROP TABLE word; DROP INDEX event_known, event_conflict; CREATE TABLE standing ();"
		"ALTER TABLE admin_conflict DROP COLUMN met_id, DROP COLUMN by_node, DROP COLUMN "
		"by_seq;"
		"DELETE FROM admin_conflict WHERE what IN ('name', 'removed');"
		"ALTER TABLE admin_conflict ADD CONSTRAINT admin_conflict_what_check CHECK (what "
		"IN "
		"('role', 'disabled', 'share', 'recovered'));"
		"UPDATE admin_conflict SET kept = 'x' WHERE what <> 'recovered'; DELETE FROM "
		"share; DELETE FROM "
		"emergency_policy;"
		"UPDATE resource SET name = 'the last', deleted_at = now();"
		"UPDATE principal SET disabled = NOT disabled; UPDATE principal SET role = 'user' "
		"WHERE name = 'bob'");
}

static void
migrate_by(const char *name)
{
	const struct migration *m = migration_table;

	while (strcmp(m->name, name))
		m++;
	pgtemp_sql(pg, m->sql);
}

static void
words_of_former_programs_come_out_again(void **state)
{
	tell_words();
	forget_words();
	migrate_by("word");
	migrate_by("texts");
	pgtemp_sql(pg,
		   "SELECT 1 / (count(*) = 4)::int FROM admin_conflict WHERE what <> 'recovered'");
	pgtemp_sql(pg, "SELECT 1 / (count(*) = 1)::int FROM principal WHERE disabled");
	pgtemp_sql(pg, "SELECT 1 / (count(*) = 1 AND max(level) = 1)::int FROM share");
	the_log_says_so();
}

/* As an earlier release left it: a level, and no end. */
static void
forget_ends(void)
{
	pgtemp_sql(pg,
		   "ALTER TABLE share DROP COLUMN until; ALTER TABLE reach ADD COLUMN level int;"
		   "UPDATE reach SET level = CASE WHEN manage_until IS NOT NULL THEN 3 WHEN "
		   "modify_until IS NOT NULL THEN 2 ELSE 1 END;"
		   "ALTER TABLE reach ALTER COLUMN level SET NOT NULL, DROP COLUMN view_until, "
		   "DROP COLUMN modify_until, DROP COLUMN manage_until");
}

/* Each level by a share, and a folder by its owner; then one that ends. */
static void
shares_of_former_programs_come_out_again(void **state)
{
	begin_on(A);
	shares(A, RESOURCE, 2);
	shares(A, ACCOUNT, 1);
	happens(A, EVENT_FOLDER_CREATED, FOLDER, "{\"name\":\"f\",\"owner\":\"" USER "\"}");
	forget_ends();
	migrate_by("share_end");
	pgtemp_sql(pg,
		   "SELECT 1 / (count(*) = 3 AND count(modify_until) = 2 AND count(manage_until) "
		   "= 1)::int FROM reach WHERE view_until = 'infinity'");
	the_log_says_so();
	happens(A, EVENT_SHARED, ACCOUNT,
		"{\"user\":\"" OTHER
		"\",\"level\":3,\"upon\":\"\",\"until\":\"2026-01-01T00:00:00.000000Z\"}");
	pgtemp_sql(pg, "SELECT 1 / (count(*) = 1)::int FROM share WHERE until = '2026-01-01Z'");
	the_log_says_so();
}

/* H15: what was shared before anything had to be accepted waits for nobody, as the log says too. */
static void
shares_from_before_acceptance_wait_for_nobody(void **state)
{
	begin_on(A);
	shares(A, RESOURCE, 2);
	shares(A, ACCOUNT, 1);
	pgtemp_sql(pg, "DROP TABLE acceptance; ALTER TABLE reach DROP COLUMN named_until;"
		       "ALTER TABLE share DROP COLUMN given, DROP COLUMN given_by, DROP COLUMN "
		       "waits");
	migrate_by("acceptance");
	pgtemp_sql(pg, "SELECT 1 / (count(*) = 2 AND bool_and(named_until = 'infinity'))::int FROM "
		       "reach");
	the_log_says_so();
	happens(A, EVENT_SHARED, ACCOUNT,
		"{\"user\":\"" OTHER "\",\"level\":1,\"share\":\"" V1 "\",\"upon\":\"\"}");
	pgtemp_sql(pg, "SELECT 1 / (count(*) = 1)::int FROM share WHERE waits");
	pgtemp_sql(pg, "SELECT 1 / (count(named_until) = 1)::int FROM reach");
	the_log_says_so();
}

/* B is a chain that A wrote while it could not prove where its own ends. */
static void
a_chain_beside_stands_where_it_was_written(void **state)
{
	begin_on(A);
	renames(A, "before");
	happens(B, EVENT_CHAIN_BEGUN, names[way][A], "{}");
	sees(B, A);
	renames(B, "beside");
	sees(A, B);
	renames(A, "behind");
	the_log_says_so();
}

/* A, then B, then A again; what A had written when B took over is merged by B. */
static void
tell_promotions(void)
{
	begin_on(A);
	joins(A, B);
	renames(A, "of A");
	int64_t lost = seq[A] + 1;
	sees(B, A);
	/* B's journal, which it adopts, knows of no more. */
	renames(B, "of B in emergency");
	begins_term(B, 2);
	int64_t at = write_event(A, EVENT_RESOURCE_CHANGED, RESOURCE, "{\"name\":\"lost by A\"}");
	renames(B, "of B");
	merges(B, A, lost, at, "");
	apply(A, EVENT_RESOURCE_CHANGED, lost, at);
	sees(A, B);
	begins_term(A, 3);
	renames(A, "of A again");
	renames(A, "of A at last");
}

static void
primaries_follow_each_other(void **state)
{
	tell_promotions();
	the_log_says_so();
}

/* Nothing but terms says it in the log of an earlier release. */
static void
terms_are_enough(void **state)
{
	begin_on(A);
	joins(A, B);
	renames(A, "of A");
	happens(B, EVENT_NODE_STARTED, NIL, "{}");
	begins_term(B, 2);
	renames(B, "of B");
	begins_term(A, 3);
	renames(A, "of A again");
	the_log_says_so();
}

/* A had taken C's journal in and fell; B, which did not have that, took it in itself, and later what A says of it. */
static void
a_merge_that_was_given_up_places_nothing(void **state)
{
	begin_on(A);
	sees(B, A);
	sees(C, A);
	int64_t own = write_event(C, EVENT_RESOURCE_CHANGED, RESOURCE, "{\"name\":\"of C\"}");
	auto_buf body = BUF_INIT;

	buf_addf(&body, "{\"from\":1,\"to\":%lld}", (long long)own);
	int64_t given_up = write_event(A, EVENT_MERGED, names[way][C], buf_str(&body));
	begins_term(B, 2);
	renames(B, "of B");
	merges(B, A, given_up, given_up, "");
	renames(B, "of B again");
	merges(B, C, 1, own, "");
	apply(C, EVENT_RESOURCE_CHANGED, own, own);
	the_log_says_so();
}

static void
what_had_no_effect_has_none(void **state)
{
	begin_on(A);
	sees(B, A);
	int64_t at = write_event(B, EVENT_RESOURCE_CHANGED, RESOURCE, "{\"name\":\"refused\"}");

	merges(A, B, 1, at, ",\"not_applied\":\"why\"");
	the_log_says_so();
}

/* Each names an event of the other one that comes later. */
static void
what_is_not_proven_is_said(void **state)
{
	begin_on(A);
	seq[B] += 2;
	sees(A, B);
	renames(A, "of A");
	seq[B] = 0;
	sees(B, A);
	renames(B, "of B");
	struct rebuild_result r = rebuilt();

	assert_true(r.unproven > 0);
	assert_true(r.first_unproven.seq > 0);
}

static void
a_row_that_nothing_tells_of_is_named(void **state)
{
	begin_on(A);
	pgtemp_sql(pg,
		   "UPDATE principal SET role = 'administrator' WHERE name = 'bob'; DELETE FROM "
		   "version");
	struct rebuild_result r = rebuilt();

	assert_false(r.good);
	assert_int_equal(r.ndifferences, 2);
	assert_string_equal(r.difference[0].table, "principal");
	assert_string_equal(r.difference[0].id, OTHER);
	assert_string_equal(r.difference[0].columns, "role");
	assert_string_equal(r.difference[1].table, "version");
	assert_false(r.difference[1].held);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_kind_comes_out_again),
		TEST(a_journal_stands_where_it_was_merged),
		TEST(all_holders_of_a_name_come_out_again),
		TEST(endings_come_out_again),
		TEST(words_come_out_again),
		TEST(folders_that_go_round_come_out_again),
		TEST(words_of_former_programs_come_out_again),
		TEST(shares_of_former_programs_come_out_again),
		TEST(shares_from_before_acceptance_wait_for_nobody),
		TEST(a_chain_beside_stands_where_it_was_written),
		TEST(primaries_follow_each_other),
		TEST(terms_are_enough),
		TEST(a_merge_that_was_given_up_places_nothing),
		TEST(what_had_no_effect_has_none),
		TEST(what_is_not_proven_is_said),
		TEST(a_row_that_nothing_tells_of_is_named),
	};
	int bad = 0;

	if (!pgtemp_have())
		return PGTEMP_SKIP;
	for (way = 0; way < 2; way++)
		bad += cmocka_run_group_tests(tests, NULL, NULL);
	return bad;
}
