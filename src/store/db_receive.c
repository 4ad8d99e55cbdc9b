/* SPDX-License-Identifier: Apache-2.0
 *
 * Receiving: one result after the other, for the flight in front.
 */
#include "store/db_impl.h"

#include <stdio.h>
#include <string.h>
#include "base/mem.h"

#define VOID_OID 2278 /* the column of SELECT f() where f returns nothing */

/* 0, or an error when the result's columns are not those of the statement's head line. */
static int
check_columns(const PGresult *r, const struct stmt_info *i, struct err *e)
{
	int n = PQnfields(r);

	if (n == 1 && i->ncols == 0 && PQftype(r, 0) == VOID_OID)
		return 0;
	if (n != (int)i->ncols)
		return err_set(e, ERR_DB, "statement %s gives %d columns, not the %u it declares",
			       i->name, n, i->ncols);
	for (int c = 0; c < n; c++)
		if (PQftype(r, c) != stmt_oid(i->col_types[c]) || PQfformat(r, c) != 1)
			return err_set(e, ERR_DB, "statement %s: column %s is of type %u, not %s",
				       i->name, i->col_names[c], PQftype(r, c),
				       stmt_type_name(i->col_types[c]));
	return 0;
}

static void
take_rows(struct db *d, const struct flight *fl, PGresult *r)
{
	struct op *op = fl->op;
	struct prepared *p = &d->prepared[fl->stmt];

	if (!p->checked && op->code == 0)
		op->code = check_columns(r, stmt_info(fl->stmt), op->e);
	if (op->code == 0)
		p->checked = true;
	if (op->code == 0 && op->ret_rows != NULL) {
		rows_free(op->ret_rows[fl->step]);
		op->ret_rows[fl->step] = (struct rows *)(void *)r;
	} else {
		PQclear(r);
	}
}

/* data_corrupted (a page's checksum does not fit, among others) and index_corrupted (PostgreSQL, "Error Codes"). */
static bool
is_damage(const char *state)
{
	return strcmp(state, "XX001") == 0 || strcmp(state, "XX002") == 0;
}

/* query_canceled: statement_timeout. The caller knows what it had asked for. */
static int
code_of(const char *state)
{
	if (strcmp(state, "57014") == 0)
		return ERR_TIMEOUT;
	return is_damage(state) ? ERR_DATA_DAMAGED : ERR_DB;
}

/* Data exceptions (class 22) quote the value in the message: it is cut before it. */
int
db_set_err(struct err *e, const char *name, const PGresult *r)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	size_t n;

	if (text == NULL)
		text = "no reason given";
	n = strncmp(state, "22", 2) == 0 ? strcspn(text, "\"") : strlen(text);
	while (n > 0 && strchr(": ", text[n - 1]) != NULL)
		n--;
	int code = code_of(state);
	err_set(e, code, "statement %s: %.*s", name, (int)least((int64_t)n, 400), text);
	if (e != NULL)
		snprintf(e->sqlstate, sizeof e->sqlstate, "%s", state);
	return code;
}

static bool
has_state(const PGresult *r, const char *state)
{
	return strcmp(PQresultErrorField(r, PG_DIAG_SQLSTATE), state) == 0;
}

/* Syntax Error or Access Rule Violation (PostgreSQL, "Error Codes"), and a plan that fits its table no more: while a database may have
 * an earlier schema, a migration may have come between the question and the statement. */
static bool
may_be_migration(const struct db *d, const struct op *op, const char *state)
{
	return op->reads && db_is_behind(d) && op->tries < TRIES_MAX &&
	       (strncmp(state, "42", 2) == 0 || strcmp(state, "0A000") == 0);
}

/* A conflict with recovery on a standby, a statement that was not prepared after all: nothing
 * happened, so it may be sent again. */
static bool
worth_retry(const struct op *op, const PGresult *r)
{
	if (op->tries >= TRIES_MAX)
		return false;
	return has_state(r, "26000") || (op->reads && has_state(r, "40001"));
}

static void
take_step_error(struct db *d, const struct flight *fl, const PGresult *r)
{
	struct prepared *p = &d->prepared[fl->stmt];
	struct op *op = fl->op;

	if (op->code != 0 || op->retry)
		return;
	const char *state = has_state(r, "26000") && p->err != NULL
				    ? p->err->sqlstate
				    : PQresultErrorField(r, PG_DIAG_SQLSTATE);

	if (may_be_migration(d, op, state)) {
		op->tries++;
		op->retry = true;
		return;
	}
	if (has_state(r, "26000") && p->err != NULL) {
		if (op->e != NULL)
			*op->e = *p->err;
		op->code = p->err->code;
		return;
	}
	if (worth_retry(op, r)) {
		if (has_state(r, "26000"))
			p->sent = false;
		op->tries++;
		op->retry = true;
		return;
	}
	op->code = db_set_err(op->e, stmt_info(fl->stmt)->name, r);
}

static void
take_prepare_error(struct db *d, const struct flight *fl, const PGresult *r)
{
	struct prepared *p = &d->prepared[fl->stmt];

	p->sent = false;
	if (p->err == NULL)
		p->err = mem_new(sizeof *p->err);
	db_set_err(p->err, stmt_info(fl->stmt)->name, r);
}

/* FATAL ends the session; an error without SQLSTATE is libpq's own: the connection is broken. */
bool
db_is_fatal(const PGresult *r)
{
	const char *severity = PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED);

	if (PQresultErrorField(r, PG_DIAG_SQLSTATE) == NULL || severity == NULL)
		return true;
	return strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0;
}

/* The last result of an op came: done, or to be sent again. */
static void
settle(struct db *d, struct op *op)
{
	if (op->retry && op->code == 0) {
		op_drop_rows(op);
		op->retry = false;
		op->state = OP_WAITING;
		op_push(&d->again, op);
		db_flush_soon(d);
		return;
	}
	op_finish(op);
}

static int
take_error(struct db *d, const struct flight *fl, PGresult *r)
{
	if (db_is_fatal(r)) {
		const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);

		db_lose(d, text != NULL ? text : PQresultErrorMessage(r), 0);
		PQclear(r);
		return -1;
	}
	if (fl->kind == FLY_SCHEMA)
		d->answer = stmt_schema_newest();
	else if (fl->kind == FLY_PREPARE)
		take_prepare_error(d, fl, r);
	else if (fl->kind == FLY_STEP)
		take_step_error(d, fl, r);
	else if (fl->op != NULL && fl->op->code == 0) /* the commit itself failed */
		fl->op->code = db_set_err(fl->op->e, stmt_info(fl->op->steps[0].s)->name, r);
	PQclear(r);
	return 0;
}

static int
out_of_step(struct db *d, PGresult *r)
{
	PQclear(r);
	db_lose(d, "the server's answers are out of step", 0);
	return -1;
}

/* The NULL that ends the results of one command. */
static int
take_end(struct db *d, struct flight *fl)
{
	struct op *op = fl->kind == FLY_STEP ? fl->op : NULL;

	if (!fl->got)
		return out_of_step(d, NULL);
	fl->got = false;
	if (fl->kind == FLY_SYNC)
		return 0;
	bool schema = fl->kind == FLY_SCHEMA;

	flight_remove(d);
	if (op != NULL && op->reads)
		settle(d, op);
	if (schema)
		db_schema_known(d, d->answer);
	return d->state == DB_UP ? 0 : -1;
}

static void
take_sync(struct db *d)
{
	struct op *op = flight_at(d, 0)->op;

	flight_remove(d);
	if (op != NULL)
		settle(d, op);
}

static void
take_prepared(struct db *d, const struct flight *fl)
{
	struct prepared *p = &d->prepared[fl->stmt];

	free(p->err);
	p->err = NULL;
}

/* Of a database that has none yet nothing is read in an earlier form. */
static void
take_schema(struct db *d, const PGresult *r)
{
	int n = PQntuples(r) == 1 ? atoi(PQgetvalue(r, 0, 0)) : 0;

	d->answer = n > 0 ? n : stmt_schema_newest();
}

/* One result of libpq. -1 when the connection was lost over it. */
static int
take(struct db *d, PGresult *r)
{
	struct flight *fl = flight_at(d, 0);
	ExecStatusType status = PQresultStatus(r);
	bool good = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;

	if (r == NULL)
		return take_end(d, fl);
	fl->got = true;
	if (status == PGRES_FATAL_ERROR)
		return take_error(d, fl, r);
	if (good && fl->kind == FLY_STEP) {
		take_rows(d, fl, r);
		return 0;
	}
	if (good && fl->kind == FLY_SCHEMA)
		take_schema(d, r);
	else if (good && fl->kind == FLY_PREPARE)
		take_prepared(d, fl);
	else if (status == PGRES_PIPELINE_SYNC && fl->kind == FLY_SYNC)
		take_sync(d);
	else if (status == PGRES_PIPELINE_ABORTED && fl->kind == FLY_STEP)
		fl->op->retry = fl->op->code == 0;
	else
		return out_of_step(d, r);
	PQclear(r);
	return 0;
}

/* Takes every result that is there. A woken fiber may have freed the database: then it is DOWN. */
static int
drain(struct db *d)
{
	while (d->state == DB_UP && d->count > 0 && !PQisBusy(d->conn))
		if (take(d, PQgetResult(d->conn)) != 0)
			return -1;
	return d->state == DB_UP ? 0 : -1;
}

void
db_receive(struct db *d)
{
	bool broken = FAULT(PG_RECEIVE, 0, PQconsumeInput(d->conn)) != 1;

	if (drain(d) != 0)
		return;
	/* Idle, libpq reads the server's farewell only when asked. */
	if (d->count == 0 && PQisBusy(d->conn))
		broken = true;
	if (broken || PQstatus(d->conn) != CONNECTION_OK)
		db_lose_by_error(d);
	else
		db_watch_time(d);
}
