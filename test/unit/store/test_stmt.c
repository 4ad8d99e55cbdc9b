/* SPDX-License-Identifier: Apache-2.0
 *
 * Every statement of the product on a real server with the real schema: parameters and columns are
 * what its head line says, and its role may run it. And the wire format of bound parameters.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pgtemp.h"
#include "store/db.h"
#include "store/stmt.h"

#define VOID_OID 2278

static struct pgtemp *pg;

static PGconn *
connect_as(const char *role)
{
	PGconn *c = PQconnectdb(pgtemp_conninfo(pg, role));

	assert_int_equal(PQstatus(c), CONNECTION_OK);
	return c;
}

static int
complain(const struct stmt_info *i, const char *what, const char *why)
{
	print_error("%s: %s: %s %s\n", i->file, i->name, what, why);
	return 1;
}

static int
compare_params(const struct stmt_info *i, const PGresult *r)
{
	if (PQnparams(r) != (int)i->nparams)
		return complain(i, "parameters", "are not as many as declared");
	for (unsigned p = 0; p < i->nparams; p++)
		if (PQparamtype(r, (int)p) != stmt_oid(i->param_types[p]))
			return complain(i, "a parameter", "is of another type");
	return 0;
}

static int
compare_columns(const struct stmt_info *i, const PGresult *r)
{
	char text[128];

	if (i->ncols == 0 && PQnfields(r) == 1 && PQftype(r, 0) == VOID_OID)
		return 0;
	if (PQnfields(r) != (int)i->ncols)
		return complain(i, "columns", "are not as many as declared");
	for (int c = 0; c < PQnfields(r); c++)
		if (PQftype(r, c) != stmt_oid(i->col_types[c])) {
			snprintf(text, sizeof text, "is of type %u", PQftype(r, c));
			return complain(i, i->col_names[c], text);
		}
	return 0;
}

/* EXPLAIN starts the executor, which checks the role's rights, and ends it before anything runs. */
static PGresult *
explained(PGconn *c, const struct stmt_info *i)
{
	char sql[256] = "";
	size_t n = 0;

	n += (size_t)snprintf(sql, sizeof sql, "EXPLAIN EXECUTE %s", i->name);
	for (unsigned p = 0; p < i->nparams; p++)
		n += (size_t)snprintf(sql + n, sizeof sql - n, "%sNULL", p == 0 ? "(" : ",");
	if (i->nparams > 0)
		snprintf(sql + n, sizeof sql - n, ")");
	return PQexec(c, sql);
}

static int
explain(PGconn *c, const struct stmt_info *i)
{
	PGresult *r = explained(c, i);
	int bad = 0;

	if (PQresultStatus(r) != PGRES_TUPLES_OK)
		bad = complain(i, i->role, PQerrorMessage(c));
	PQclear(r);
	return bad;
}

static int
check_text(PGconn *c, const struct stmt_info *i, const char *sql)
{
	Oid oids[STMT_PARAMS_MAX];
	PGresult *r;
	int bad;

	for (unsigned p = 0; p < i->nparams; p++)
		oids[p] = stmt_oid(i->param_types[p]);
	r = PQprepare(c, i->name, sql, (int)i->nparams, oids);
	if (PQresultStatus(r) != PGRES_COMMAND_OK) {
		bad = complain(i, "cannot be prepared:", PQerrorMessage(c));
		PQclear(r);
		return bad;
	}
	PQclear(r);
	r = PQdescribePrepared(c, i->name);
	bad = compare_params(i, r) + compare_columns(i, r);
	PQclear(r);
	return bad + explain(c, i);
}

static int
check_statement(PGconn *c, const struct stmt_info *i)
{
	return check_text(c, i, i->sql);
}

static void
every_statement_is_what_its_head_line_says(void **state)
{
	static const char *const roles[] = { "hf_vault", "hf_deposit", "holdfast" };
	int bad = 0, seen = 0;

	for (size_t k = 0; k < ARRAY_LEN(roles); k++) {
		PGconn *c = connect_as(roles[k]);

		for (int s = 0; s < STMT_COUNT; s++)
			if (strcmp(stmt_info((enum stmt)s)->role, roles[k]) == 0) {
				bad += check_statement(c, stmt_info((enum stmt)s));
				seen++;
			}
		PQfinish(c);
	}
	assert_int_equal(seen, STMT_COUNT);
	assert_int_equal(bad, 0);
}

/* ---- earlier schemas (H5: a secondary is upgraded first, and gives emergency access from what its primary has) ---- */

static int
check_reads(int schema)
{
	static const char *const roles[] = { "hf_vault", "hf_deposit", "holdfast" };
	auto_buf room = BUF_INIT;
	int bad = 0;

	for (size_t k = 0; k < ARRAY_LEN(roles); k++) {
		PGconn *c = connect_as(roles[k]);

		for (int s = 0; s < STMT_COUNT; s++) {
			const struct stmt_info *i = stmt_info((enum stmt)s);

			if (i->reads && strcmp(i->role, roles[k]) == 0)
				bad += check_text(c, i, stmt_text((enum stmt)s, schema, &room));
		}
		PQfinish(c);
	}
	if (bad > 0)
		print_error("schema %d: %d statements\n", schema, bad);
	return bad;
}

static void
every_read_knows_earlier_schemas(void **state)
{
	struct pgtemp *newest = pg;
	int bad = 0;

	pg = pgtemp_new();
	assert_true(stmt_schema_first() > 0 && stmt_schema_first() < stmt_schema_newest());
	for (int schema = stmt_schema_first(); schema <= stmt_schema_newest(); schema++) {
		pgtemp_migrate_to(pg, schema);
		bad += check_reads(schema);
	}
	pgtemp_free(pg);
	pg = newest;
	assert_int_equal(bad, 0);
}

static int64_t
first_number(struct db *d, enum stmt s, int column)
{
	struct err e = { 0 };
	auto_rows r = NULL;

	if (db_exec(d, NULL, s, NULL, &r, &e) != 0)
		fail_msg("%s", e.text);
	return rows_count(r) == 0 ? -1 : row_time(r, 0, column);
}

/* One connection, before, during and after: it reads what there is, and changes nothing before its schema is there. */
static void
a_connection_follows_a_migration(void **state)
{
	struct pgtemp *p = pgtemp_new();
	struct err e = { 0 };
	auto_binds b = BINDS_INIT;

	pgtemp_migrate_to(p, stmt_schema_first());
	struct db_options o = { .conninfo = pgtemp_conninfo(p, "hf_vault"), .wait_ms = 5000 };
	struct db *d = db_open(&o, &e);
	assert_non_null(d);
	assert_int_equal(first_number(d, STMT_MAINTENANCE_NOW, 0), -1);
	uint8_t nil[16] = { 0 };
	bind_uuid(&b, (const struct uuid *)nil);
	bind_bigint(&b, 1);
	bind_bigint(&b, 1);
	assert_int_equal(db_exec(d, NULL, STMT_APPLY_MAINTENANCE, &b, NULL, &e), ERR_NOT_SERVING);
	assert_non_null(strstr(e.text, "takes changes when the primary was upgraded"));
	pgtemp_migrate(p);
	pgtemp_sql(p, "INSERT INTO maintenance (at, reason) VALUES ('2026-01-01 00:00Z', 'x')");
	assert_true(first_number(d, STMT_MAINTENANCE_NOW, 0) > 0);
	assert_int_equal(db_exec(d, NULL, STMT_APPLY_MAINTENANCE, &b, NULL, &e), 0);
	db_free(d);
	pgtemp_free(p);
}

/* ---- plans ---- */

/* A log that has grown since the statistics were last made. */
static void
grow_log(void)
{
	pgtemp_sql(pg, "ANALYZE event; INSERT INTO event (node, seq, at, kind, hash) "
		       "SELECT '0190a000-0000-7000-8000-00000000000a', n, now(), 54, "
		       "decode(repeat('00', 32), 'hex') FROM generate_series(1, 30000) n");
}

/* What asks for all of it, or for what may be anywhere in it; no timer and no request but these does. rebuild_marks is asked by a
 * rebuild, which applies all of it. */
static bool
may_walk(const struct stmt_info *i)
{
	return strcmp(i->name, "event_nodes") == 0 || strcmp(i->name, "audit_list") == 0 ||
	       strcmp(i->name, "rebuild_marks") == 0;
}

static int
walks_log(PGconn *c, const struct stmt_info *i)
{
	int walks = 0;
	PGresult *r = explained(c, i);

	assert_int_equal(PQresultStatus(r), PGRES_TUPLES_OK);
	for (int row = 0; row < PQntuples(r); row++)
		if (strstr(PQgetvalue(r, row, 0), "Seq Scan on event"))
			walks = complain(i, "walks the log:", PQgetvalue(r, row, 0));
	PQclear(r);
	return walks;
}

static void
no_statement_walks_the_log(void **state)
{
	PGconn *c = connect_as("holdfast");
	int walks = 0;

	grow_log();
	PQclear(PQexec(c, "SET plan_cache_mode = force_generic_plan"));
	for (int s = 0; s < STMT_COUNT; s++) {
		const struct stmt_info *i = stmt_info((enum stmt)s);

		assert_int_equal(check_statement(c, i), 0);
		walks += may_walk(i) ? 0 : walks_log(c, i);
	}
	PQfinish(c);
	assert_int_equal(walks, 0);
}

/* A vault of some size: one who owns all of it (…01), one with a few shares (…02), one who is granted all (…03). */
static void
grow_vault(void)
{
	pgtemp_sql(
		pg,
		"INSERT INTO principal (id, name, role, made_as, created_at) SELECT "
		"('00000000-0000-7000-8000-' || "
		"lpad(to_hex(n), 12, '0'))::uuid, 'user' || n, 'user', 'user', now() FROM "
		"generate_series(1, 5000) n;"
		"INSERT INTO resource (id, name, owner, created_at) SELECT "
		"('00000000-0001-7000-8000-' || "
		"lpad(to_hex(n), 12, '0'))::uuid, 'server' || n, "
		"'00000000-0000-7000-8000-000000000001', now() "
		"FROM generate_series(1, 20000) n;"
		"INSERT INTO account (id, resource, login, created_at) SELECT "
		"('00000000-0002-7000-8000-' || "
		"lpad(to_hex(n), 12, '0'))::uuid, ('00000000-0001-7000-8000-' || lpad(to_hex(n), "
		"12, '0'))::uuid, "
		"'login' || n, now() FROM generate_series(1, 20000) n;"
		"INSERT INTO version (id, account, n, based_on, sealed, created_at, chain, seq) "
		"SELECT "
		"('00000000-0003-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, "
		"('00000000-0002-7000-8000-' || "
		"lpad(to_hex(n), 12, '0'))::uuid, 1, 0, '', now(), "
		"'0190a000-0000-7000-8000-00000000000a', n "
		"FROM generate_series(1, 20000) n;"
		"INSERT INTO share SELECT id, '00000000-0000-7000-8000-000000000002', 1, now() "
		"FROM resource LIMIT 20;"
		"INSERT INTO share SELECT id, '00000000-0000-7000-8000-000000000002', 1, now() "
		"FROM account LIMIT 20;"
		"INSERT INTO share SELECT id, '00000000-0000-7000-8000-000000000003', 1, now() "
		"FROM resource;"
		"INSERT INTO principal (id, name, role, made_as, created_at) SELECT "
		"('00000000-0004-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'team' || n, "
		"'team', 'team', now() FROM generate_series(1, 100) n;"
		"INSERT INTO member SELECT t.id, p.id, now() FROM principal t, principal p "
		"WHERE t.role = 'team' AND p.role <> 'team' AND (p.name = 'user2' OR "
		"right(t.name, 1) = right(p.name, 1));"
		"INSERT INTO word (object, principal, what, chain, seq, at, value, later) SELECT "
		"team, "
		"principal, 'member', '0190a000-0000-7000-8000-00000000000a', row_number() OVER "
		"(), "
		"now(), 'true', false FROM member;"
		"INSERT INTO share SELECT r.id, t.id, 1, now() FROM principal t, "
		"(SELECT id FROM resource LIMIT 10) r WHERE t.role = 'team';"
		"INSERT INTO folder (id, name, description, owner, said, parent, path, created_at) "
		"SELECT "
		"('00000000-0005-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'folder' || n, "
		"'', "
		"'00000000-0000-7000-8000-000000000004', above, above, array_remove(ARRAY[above], "
		"NULL), "
		"now() FROM (SELECT n, CASE WHEN n > 100 THEN ('00000000-0005-7000-8000-' || "
		"lpad(to_hex(n % 100 + 1), 12, '0'))::uuid END AS above FROM generate_series(1, "
		"2000) n) x;"
		"UPDATE resource SET folder = ('00000000-0005-7000-8000-' || "
		"lpad(to_hex(right(name, -6)::int % 2000 + 1), 12, '0'))::uuid WHERE name LIKE "
		"'server_%';"
		"INSERT INTO share SELECT f.id, p.id, 2, now() FROM principal p, folder f WHERE "
		"p.name IN "
		"('user2', 'team7') AND f.name IN ('folder8', 'folder9');"
		"INSERT INTO reach (principal, target, view_until, modify_until) SELECT "
		"s.principal, f.id, 'infinity', 'infinity' FROM share s "
		"JOIN folder a ON "
		"a.id = "
		"s.target JOIN folder f ON a.id = ANY (f.path) JOIN principal p ON p.id = "
		"s.principal "
		"WHERE p.role <> 'team';"
		"INSERT INTO reach SELECT owner, id, 'infinity', 'infinity', 'infinity' FROM "
		"folder;"
		"INSERT INTO reach SELECT principal, target, 'infinity', CASE WHEN max(level) > 1 "
		"THEN timestamptz 'infinity' END FROM (SELECT principal, "
		"target, level FROM share UNION ALL SELECT m.principal, s.target, s.level FROM "
		"share s JOIN member m ON m.team = s.principal) x GROUP BY 1, 2;"
		"UPDATE reach SET named_until = view_until;"
		"INSERT INTO ending SELECT p.id, r.id, n, now() FROM principal p, "
		"generate_series(1, 3) n, resource r WHERE r.name IN ('server1', 'server2');"
		"INSERT INTO session SELECT sha256(p.id::text::bytea), p.id, p.id, now(), now(), "
		"now() "
		"FROM principal p;");
}

/* One of each, as in a vault that was just set up. */
static void
begin_vault(void)
{
	pgtemp_sql(pg, "INSERT INTO principal (id, name, role, made_as, created_at) VALUES "
		       "('00000000-0000-7000-8000-0000000f0001', 'first', 'administrator', "
		       "'administrator', now());"
		       "INSERT INTO resource (id, name, owner, created_at) SELECT "
		       "'00000000-0001-7000-8000-0000000f0001', 'first', id, now() FROM principal;"
		       "INSERT INTO account (id, resource, login, created_at) SELECT "
		       "'00000000-0002-7000-8000-0000000f0001', id, 'first', now() FROM resource;"
		       "INSERT INTO version (id, account, n, based_on, sealed, created_at, chain, "
		       "seq) SELECT "
		       "'00000000-0003-7000-8000-0000000f0001', id, 1, 0, '', now(), "
		       "'0190a000-0000-7000-8000-00000000000a', 1 FROM account");
}

/* What lists ask by a key, or in the order of an index; and what a retrieval asks. %s: who asks. kept: the plan is made once (DB_LOOKUPS), not for each call. */
static const struct {
	const char *name, *values;
	bool kept;
} lookups[] = {
	{ "resource_place", "'00000000-0001-7000-8000-000000000007'" },
	{ "resource_named", "%s, 'SERVER77', '', '00000000-0000-0000-0000-000000000000', 2" },
	{ "resource_page", "%s, '', '00000000-0000-0000-0000-000000000000', 51" },
	{ "resource_page", "%s, 'server5', '00000000-0001-7000-8000-000000000005', 51" },
	{ "resource_show", "%s, '{00000000-0001-7000-8000-000000000007}', '', "
			   "'00000000-0000-0000-0000-000000000000', 200, false" },
	{ "resource_right", "'00000000-0001-7000-8000-000000000007', %s", true },
	{ "account_right", "'00000000-0002-7000-8000-000000000007', %s, '{}'", true },
	{ "account_open", "'{00000000-0002-7000-8000-000000000007}', ARRAY[%s]::uuid[], '{0}'",
	  true },
	{ "resource_name_taken", "%s, 'server77', NULL", true },
	{ "reference_accounts", "%s, '{\"\"}', '{server77}', '{\"\"}', '{login77}', '{\"\"}'",
	  true },
	{ "reference_accounts", "%s, '{folder7}', '{server77}', '{004d}', '{login77}', '{004d}'",
	  true },
	{ "reference_resources", "%s, '{folder7}', '{server77}', '{\"\"}'", true },
	{ "account_login_taken", "'00000000-0001-7000-8000-000000000007', 'login7', NULL", true },
	{ "name_conflicts", "%s, true, '', '00000000-0000-0000-0000-000000000000', 51" },
	{ "user_by_name", "'user77', '', ''", true },
	{ "user_by_id", "%s", true },
	{ "user_place", "%s" },
	{ "login_by_name", "'user77', '', ''", true },
	{ "login_by_name", "'user77~004d', 'user77', '004d'", true },
	{ "login_by_id",
	  "%s, '00000000-0002-7000-8000-000000000007', "
	  "'00000000-0001-7000-8000-000000000001/3'",
	  true },
	{ "session_by_mac", "sha256((%s)::text::bytea)", true },
	{ "user_setup", "'user77', '', ''", true },
	{ "user_name_taken", "'user77', NULL", true },
	{ "account_conflicts", "%s, '00000000-0000-0000-0000-000000000000', 51" },
	{ "notice_last_login", "%s, '0190a000-0000-7000-8000-00000000000a', 30001", true },
	{ "notice_list", "%s, '0190a000-0000-7000-8000-00000000000a', 30001, 0, true, 21", true },
	{ "team_own", "%s, '%%', '', '00000000-0000-0000-0000-000000000000', 51" },
	{ "team_standing", "'00000000-0004-7000-8000-000000000007', %s", true },
	{ "team_members", "'00000000-0004-7000-8000-000000000007', '', "
			  "'00000000-0000-0000-0000-000000000000', 51" },
	{ "grantee_by_name", "'team77', '', ''", true },
	{ "grantee_by_id", "%s", true },
	{ "share_level", "%s, '{00000000-0001-7000-8000-000000000007}', '{}', '{}', '{}'", true },
	{ "share_ways", "%s, '{00000000-0002-7000-8000-000000000007}', "
			"'00000000-0000-7000-8000-000000000001', 500" },
	{ "share_seen_place", "'00000000-0005-7000-8000-000000000007'" },
	{ "folder_get", "'00000000-0005-7000-8000-0000000000d0', %s" },
	{ "folder_top", "%s, '', '00000000-0000-0000-0000-000000000000', 51" },
	{ "folder_children", "%s, '00000000-0005-7000-8000-000000000008', '', "
			     "'00000000-0000-0000-0000-000000000000', 51" },
	{ "folder_search", "%s, '%%7%%', '', '00000000-0000-0000-0000-000000000000', 51" },
	{ "folder_at", "%s, 'folder8/folder207', 'folder207', '', '', 5" },
	{ "folder_place", "'00000000-0005-7000-8000-000000000007'" },
	{ "folder_right", "'00000000-0005-7000-8000-0000000000d0', %s", true },
	{ "folder_may_hold",
	  "'00000000-0005-7000-8000-000000000007', '00000000-0005-7000-8000-000000000008'", true },
	{ "folder_holds", "'00000000-0005-7000-8000-000000000007'", true },
	{ "folder_name_taken", "%s, 'folder7', NULL", true },
	{ "folder_owned", "%s, '00000000-0000-0000-0000-000000000000', 500", true },
	{ "folder_effect", "'00000000-0001-7000-8000-000000000007', %s, "
			   "'00000000-0005-7000-8000-000000000007', NULL, '', "
			   "'00000000-0000-0000-0000-000000000000', 51" },
	{ "resource_in", "'00000000-0005-7000-8000-000000000007', '', "
			 "'00000000-0000-0000-0000-000000000000', 51" },
	{ "share_standing", "'00000000-0001-7000-8000-000000000007', %s", true },
	{ "search_place", "'00000000-0001-7000-8000-000000000007', %s, '%%er7%%', 'er7', 'er7'" },
};

/* What somebody who may see much searches for: little, by the words' indexes; and what is everywhere, in the order of names. A plan for each call. */
#define NOTHING_BEFORE "0, '', '00000000-0000-0000-0000-000000000000', 51"
static const struct {
	const char *name, *values;
} searches[] = {
	{ "search_hits", "'rver7777', 500" },
	{ "search_few", "%s, '%%rver7777%%', 'rver7777', 'rver7777', " NOTHING_BEFORE },
	{ "search_few", "%s, '%%server77%%', 'server77', 'server77', " NOTHING_BEFORE },
	{ "search_many", "%s, '%%server%%', 'server', " NOTHING_BEFORE },
	{ "search_many", "%s, '%%ver%%', 'ver', " NOTHING_BEFORE },
	{ "search_many", "%s, '%%login%%', 'login', 3, 'server5', "
			 "'00000000-0001-7000-8000-000000000005', 51" },
};

static const struct stmt_info *
stmt_named(const char *name)
{
	for (int s = 0; s < STMT_COUNT; s++)
		if (strcmp(stmt_info((enum stmt)s)->name, name) == 0)
			return stmt_info((enum stmt)s);
	fail_msg("there is no statement %s", name);
	return NULL;
}

/* Carried out: no step took in many rows, and none walked over a table. */
static int
walks_table(PGconn *c, const struct stmt_info *i, const char *values, const char *user)
{
	char args[512], sql[1024];
	int walks = 0;

	snprintf(args, sizeof args, values, user);
	snprintf(sql, sizeof sql, "EXPLAIN (ANALYZE, TIMING OFF) EXECUTE %s(%s%s)", i->name, args,
		 i->clock ? ", now()" : "");
	PGresult *r = PQexec(c, sql);
	if (PQresultStatus(r) != PGRES_TUPLES_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(c));
	for (int row = 0; row < PQntuples(r); row++) {
		const char *line = PQgetvalue(r, row, 0), *done = strstr(line, "(actual rows=");
		int rows = done ? atoi(done + strlen("(actual rows=")) : 0;

		if (rows > 1000 || (done && strstr(line, "Seq Scan")))
			walks = complain(i, "reads more than it shows:", line);
	}
	PQclear(r);
	return walks;
}

/* ---- plans that were made when the vault was all but empty, and are kept (DB_LOOKUPS) ---- */

static PGconn *
connect_early(void)
{
	auto_buf info = BUF_INIT;

	buf_addf(&info, "%s options='-c plan_cache_mode=force_generic_plan " DB_LOOKUPS "'",
		 pgtemp_conninfo(pg, "holdfast"));
	PGconn *c = PQconnectdb(buf_str(&info));
	assert_int_equal(PQstatus(c), CONNECTION_OK);
	return c;
}

static void
prepare_early(PGconn *c, const char *user)
{
	for (size_t k = 0; k < ARRAY_LEN(lookups); k++) {
		if (!lookups[k].kept)
			continue;
		if (k == 0 || strcmp(lookups[k].name, lookups[k - 1].name) != 0)
			assert_int_equal(check_statement(c, stmt_named(lookups[k].name)), 0);
		(void)walks_table(c, stmt_named(lookups[k].name), lookups[k].values, user);
	}
}

static int
early_walks(PGconn *c, const char *const *users, size_t n)
{
	int walks = 0;

	for (size_t k = 0; k < ARRAY_LEN(lookups); k++)
		for (size_t u = 0; u < n && lookups[k].kept; u++)
			walks += walks_table(c, stmt_named(lookups[k].name), lookups[k].values,
					     users[u]);
	PQfinish(c);
	return walks;
}

/* By name, by id and the first page: neither plan takes in a whole table, however much the asker owns or is granted, and whenever it was made. */
static void
no_lookup_walks_a_table(void **state)
{
	static const char *const modes[] = { "force_generic_plan", "force_custom_plan" };
	static const char *const users[] = { "'00000000-0000-7000-8000-000000000001'",
					     "'00000000-0000-7000-8000-000000000002'" };
	static const char wide_user[] = "'00000000-0000-7000-8000-000000000003'";
	PGconn *early = connect_early();
	PGconn *c = connect_as("holdfast");
	int walks = 0;

	begin_vault();
	prepare_early(early, users[0]);
	grow_vault();
	walks += early_walks(early, users, ARRAY_LEN(users));
	pgtemp_sql(pg, "ANALYZE");
	for (size_t k = 0; k < ARRAY_LEN(lookups); k++)
		if (k == 0 || strcmp(lookups[k].name, lookups[k - 1].name) != 0)
			assert_int_equal(check_statement(c, stmt_named(lookups[k].name)), 0);
	assert_int_equal(check_statement(c, stmt_named("resource_page_wide")), 0);
	for (size_t k = 0; k < ARRAY_LEN(searches); k++) {
		if (k == 0 || strcmp(searches[k].name, searches[k - 1].name) != 0)
			assert_int_equal(check_statement(c, stmt_named(searches[k].name)), 0);
	}
	PQclear(PQexec(c, "SET plan_cache_mode = force_custom_plan"));
	for (size_t k = 0; k < ARRAY_LEN(searches); k++)
		walks +=
			walks_table(c, stmt_named(searches[k].name), searches[k].values, wide_user);
	for (size_t m = 0; m < ARRAY_LEN(modes); m++) {
		char set[64];

		snprintf(set, sizeof set, "SET plan_cache_mode = %s", modes[m]);
		PQclear(PQexec(c, set));
		for (size_t k = 0; k < ARRAY_LEN(lookups); k++)
			for (size_t u = 0; u < ARRAY_LEN(users); u++)
				walks += walks_table(c, stmt_named(lookups[k].name),
						     lookups[k].values, users[u]);
		walks += walks_table(c, stmt_named("resource_page_wide"), lookups[2].values,
				     wide_user);
		walks += walks_table(c, stmt_named("resource_page_wide"), lookups[3].values,
				     wide_user);
		walks += walks_table(c, stmt_named("resource_named"), lookups[1].values, wide_user);
		walks += walks_table(c, stmt_named("resource_show"), lookups[4].values, wide_user);
	}
	PQfinish(c);
	assert_int_equal(walks, 0);
}

/* The server reads the bytes back: what we bind is what it understands. */
static void
expect_text(PGconn *c, const char *sql, const struct binds *b, const char *expected)
{
	static const int binary[STMT_PARAMS_MAX] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	const char *values[STMT_PARAMS_MAX];
	Oid oids[STMT_PARAMS_MAX];
	PGresult *r;

	for (unsigned p = 0; p < b->n; p++) {
		values[p] = b->off[p] < 0 ? NULL : b->bytes.data + b->off[p];
		oids[p] = b->type[p] == 0 ? 0 : stmt_oid(b->type[p]);
	}
	r = PQexecParams(c, sql, (int)b->n, oids, values, b->len, binary, 0);
	if (PQresultStatus(r) != PGRES_TUPLES_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(c));
	assert_string_equal(PQgetvalue(r, 0, 0), expected);
	PQclear(r);
}

static void
scalars_arrive_as_bound(void **state)
{
	PGconn *c = connect_as("holdfast");
	auto_binds b = BINDS_INIT;
	struct uuid u = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } };

	bind_uuid(&b, &u);
	bind_int(&b, INT32_MIN);
	bind_bigint(&b, INT64_MAX);
	bind_bool(&b, true);
	bind_text(&b, "käse");
	bind_bytea(&b, "\0\xff", 2);
	bind_time(&b, 1700000000123456);
	expect_text(c,
		    "SELECT $1 || '|' || $2 || '|' || $3 || '|' || $4 || '|' || $5 || '|' || "
		    "$6::text || '|' || "
		    "($7 AT TIME ZONE 'UTC')",
		    &b,
		    "01020304-0506-0708-090a-0b0c0d0e0f10|-2147483648|9223372036854775807|true|"
		    "käse|\\x00ff|"
		    "2023-11-14 22:13:20.123456");
	PQfinish(c);
}

static void
empty_is_not_null(void **state)
{
	PGconn *c = connect_as("holdfast");
	auto_binds b = BINDS_INIT;

	bind_text(&b, "");
	bind_bytea(&b, "", 0);
	bind_text(&b, NULL);
	bind_bytea(&b, NULL, 0);
	bind_uuid(&b, NULL);
	expect_text(
		c,
		"SELECT concat_ws(',', $1 IS NULL, $2 IS NULL, $3 IS NULL, $4 IS NULL, $5 IS NULL)",
		&b, "f,f,t,t,t");
	PQfinish(c);
}

static void
arrays_arrive_with_nulls_and_empty(void **state)
{
	PGconn *c = connect_as("holdfast");
	auto_binds b = BINDS_INIT;
	struct uuid u = { { 0xab } };

	bind_array_begin(&b, STMT_TEXT);
	bind_elem_text(&b, "a,b");
	bind_elem_text(&b, NULL);
	bind_elem_text(&b, "");
	bind_array_end(&b);
	bind_array_begin(&b, STMT_BIGINT);
	bind_array_end(&b);
	bind_array_begin(&b, STMT_UUID);
	bind_elem_uuid(&b, &u);
	bind_elem_uuid(&b, NULL);
	bind_array_end(&b);
	bind_array_begin(&b, STMT_BYTEA);
	bind_elem_bytea(&b, "\1\2", 2);
	bind_elem_bytea(&b, NULL, 0);
	bind_array_end(&b);
	bind_array_begin(&b, STMT_INT);
	bind_elem_int(&b, -7);
	bind_array_end(&b);
	bind_array_begin(&b, STMT_BOOL);
	bind_elem_bool(&b, false);
	bind_array_end(&b);
	bind_array_begin(&b, STMT_TIMESTAMPTZ);
	bind_elem_time(&b, 946684800000000);
	bind_array_end(&b);
	expect_text(c,
		    "SELECT concat_ws(' ', $1, $2, $3, $4, $5, $6, $7 = ARRAY['2000-01-01 "
		    "00:00Z'::timestamptz])",
		    &b,
		    "{\"a,b\",NULL,\"\"} {} {ab000000-0000-0000-0000-000000000000,NULL} "
		    "{\"\\\\x0102\",NULL} {-7} {f} t");
	PQfinish(c);
}

static void
reset_begins_anew(void **state)
{
	PGconn *c = connect_as("holdfast");
	auto_binds b = BINDS_INIT;

	bind_text(&b, "before");
	binds_reset(&b);
	bind_int(&b, 5);
	assert_int_equal(b.n, 1);
	expect_text(c, "SELECT $1 + 1", &b, "6");
	PQfinish(c);
}

static int
start(void **state)
{
	pg = pgtemp_new();
	pgtemp_migrate(pg);
	return 0;
}

static int
stop(void **state)
{
	pgtemp_free(pg);
	return 0;
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_statement_is_what_its_head_line_says),
		cmocka_unit_test(every_read_knows_earlier_schemas),
		cmocka_unit_test(a_connection_follows_a_migration),
		cmocka_unit_test(no_statement_walks_the_log),
		cmocka_unit_test(no_lookup_walks_a_table),
		cmocka_unit_test(scalars_arrive_as_bound),
		cmocka_unit_test(empty_is_not_null),
		cmocka_unit_test(arrays_arrive_with_nulls_and_empty),
		cmocka_unit_test(reset_begins_anew),
	};

	if (!pgtemp_have())
		return PGTEMP_SKIP;
	return cmocka_run_group_tests(tests, start, stop);
}
