/* SPDX-License-Identifier: Apache-2.0
 *
 * The derived tables as temporary ones of a connection, as a rebuild has them (ledger/rebuild.h), and `event` too.
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "ledger/rebuild.h"
#include "test/merge/merge.h"

struct tables {
	PGconn *conn;
	bool prepared[STMT_COUNT];
};

/* ---- asking ---- */

static _Noreturn void
give_up(const struct tables *t, const char *what)
{
	fprintf(stderr, "%s: %s\n", what, PQerrorMessage(t->conn));
	abort();
}

static PGresult *
ask(struct tables *t, const char *sql)
{
	PGresult *r = PQexec(t->conn, sql);
	ExecStatusType s = PQresultStatus(r);

	if (s != PGRES_COMMAND_OK && s != PGRES_TUPLES_OK)
		give_up(t, sql);
	return r;
}

void
tables_do(struct tables *t, const char *sql)
{
	PQclear(ask(t, sql));
}

bool
tables_ask(struct tables *t, const char *sql, char **ret_a, char **ret_b)
{
	PGresult *r = ask(t, sql);
	bool found = PQntuples(r) > 0 && !PQgetisnull(r, 0, 1);

	if (found) {
		*ret_a = mem_dup(PQgetvalue(r, 0, 0));
		*ret_b = mem_dup(PQgetvalue(r, 0, 1));
	}
	PQclear(r);
	return found;
}

/* ---- running ---- */

static void
prepare(struct tables *t, enum stmt s)
{
	const struct stmt_info *i = stmt_info(s);
	auto_buf room = BUF_INIT;
	Oid types[STMT_PARAMS_MAX];
	PGresult *r;

	if (t->prepared[s])
		return;
	for (unsigned k = 0; k < i->nparams; k++)
		types[k] = stmt_oid(i->param_types[k]);
	r = PQprepare(t->conn, i->name, stmt_text(s, stmt_schema_newest(), &room), (int)i->nparams,
		      types);
	if (PQresultStatus(r) != PGRES_COMMAND_OK)
		give_up(t, i->name);
	PQclear(r);
	t->prepared[s] = true;
}

static void
send_step(struct tables *t, const struct db_step *x)
{
	const char *values[STMT_PARAMS_MAX];
	int formats[STMT_PARAMS_MAX];

	for (unsigned i = 0; i < x->b.n; i++) {
		values[i] = x->b.off[i] < 0 ? NULL : (const char *)x->b.bytes.data + x->b.off[i];
		formats[i] = 1;
	}
	if (!PQsendQueryPrepared(t->conn, stmt_info(x->s)->name, (int)x->b.n, values, x->b.len,
				 formats, 1))
		give_up(t, stmt_info(x->s)->name);
}

/* The first error's why; what comes behind it is not done. */
static void
receive(struct tables *t, enum stmt s, char why[static 64])
{
	PGresult *r;

	while ((r = PQgetResult(t->conn))) {
		if (PQresultStatus(r) == PGRES_FATAL_ERROR && !*why)
			snprintf(why, 64, "%s: %s", stmt_info(s)->name,
				 PQresultErrorField(r, PG_DIAG_SQLSTATE));
		PQclear(r);
	}
}

static void
receive_sync(struct tables *t)
{
	PGresult *r = PQgetResult(t->conn);

	if (PQresultStatus(r) != PGRES_PIPELINE_SYNC)
		give_up(t, "the pipeline");
	PQclear(r);
}

bool
tables_run(struct tables *t, struct ledger_steps *s, char why[static 64])
{
	*why = '\0';
	tables_do(t, "SAVEPOINT run");
	for (size_t i = 0; i < s->n; i++)
		prepare(t, s->v[i].s);
	if (!PQenterPipelineMode(t->conn))
		give_up(t, "the pipeline");
	for (size_t i = 0; i < s->n; i++)
		send_step(t, &s->v[i]);
	if (!PQpipelineSync(t->conn))
		give_up(t, "the pipeline");
	for (size_t i = 0; i < s->n; i++)
		receive(t, s->v[i].s, why);
	receive_sync(t);
	if (!PQexitPipelineMode(t->conn))
		give_up(t, "the pipeline");
	tables_do(t, *why ? "ROLLBACK TO run" : "RELEASE run");
	ledger_steps_done(s);
	return !*why;
}

/* ---- looking ---- */

static const struct {
	const char *table, *column;
} untold[] = {
#define DERIVED(table, compare)
#define UNDERIVED(table, reason)
#define UNTOLD(table, column, reason) { #table, #column },
#include "ledger/rebuild.def"
#undef DERIVED
#undef UNDERIVED
#undef UNTOLD
};

/* The key as one text. */
static char *
key_of(struct tables *t, const char *table)
{
	auto_buf sql = BUF_INIT;
	char *key = NULL, *unused = NULL;

	buf_addf(&sql,
		 "SELECT string_agg('x.' || a.attname || '::text', '||''/''||' ORDER BY a.attnum), "
		 "'' "
		 "FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = "
		 "ANY (i.indkey) "
		 "WHERE i.indrelid = 'public.%s'::regclass AND i.indisprimary",
		 table);
	if (!tables_ask(t, buf_str(&sql), &key, &unused) || !*key)
		give_up(t, table);
	free(unused);
	return key;
}

static void
add_table(struct tables *t, struct buf *sql, const char *table)
{
	char *key = key_of(t, table);

	buf_addf(sql,
		 "%s SELECT '%s' || E'\\t' || %s || E'\\t' || j.key || E'\\t' || coalesce(j.value, "
		 "'') AS line FROM %s x, "
		 "jsonb_each_text(to_jsonb(x)) j WHERE j.key NOT IN (''",
		 sql->len ? " UNION ALL" : "", table, key, table);
	for (size_t i = 0; i < ARRAY_LEN(untold); i++) {
		if (!strcmp(untold[i].table, table))
			buf_addf(sql, ", '%s'", untold[i].column);
	}
	buf_adds(sql, ")");
	free(key);
}

static void
prepare_dump(struct tables *t)
{
	auto_buf all = BUF_INIT, sql = BUF_INIT;

#define DERIVED(table, compare) add_table(t, &all, #table);
#define UNDERIVED(table, reason)
#define UNTOLD(table, column, reason)
#include "ledger/rebuild.def"
#undef DERIVED
#undef UNDERIVED
#undef UNTOLD
	buf_addf(&sql,
		 "PREPARE dump AS SELECT string_agg(line, E'\\n' ORDER BY line COLLATE \"C\"), '' "
		 "FROM (%s) x",
		 buf_str(&all));
	tables_do(t, buf_str(&sql));
}

char *
tables_dump(struct tables *t)
{
	PGresult *r = ask(t, "EXECUTE dump");
	char *dump = mem_dup(PQgetvalue(r, 0, 0));

	PQclear(r);
	return dump;
}

/* ---- life ---- */

void
tables_tidy(struct tables *t)
{
#define DERIVED(table, compare) ", " #table
#define UNDERIVED(table, reason)
#define UNTOLD(table, column, reason)
	tables_do(t, "VACUUM event"
#include "ledger/rebuild.def"
	);
#undef DERIVED
#undef UNDERIVED
#undef UNTOLD
}

static void
run_one(struct tables *t, enum stmt s)
{
	struct ledger_steps steps = { 0 };
	char why[64];

	ledger_step(&steps, s);
	if (!tables_run(t, &steps, why))
		give_up(t, why);
}

struct tables *
tables_new(struct pgtemp *pg)
{
	struct tables *t = mem_new(sizeof(*t));
	auto_buf info = BUF_INIT;

	buf_addf(&info, "%s options='%s'", pgtemp_conninfo(pg, "holdfast"), rebuild_session);
	t->conn = PQconnectdb(buf_str(&info));
	if (PQstatus(t->conn) != CONNECTION_OK)
		give_up(t, "the database");
	tables_do(t, "SET default_transaction_read_only = off; SET client_min_messages = error");
	tables_do(t, "BEGIN; CREATE TEMPORARY TABLE event (LIKE public.event INCLUDING ALL)");
	run_one(t, STMT_REBUILD_MAKE);
	run_one(t, STMT_REBUILD_SEED);
	tables_do(t, "COMMIT");
	prepare_dump(t);
	return t;
}

void
tables_free(struct tables *t)
{
	if (!t)
		return;
	PQfinish(t->conn);
	free(t);
}
