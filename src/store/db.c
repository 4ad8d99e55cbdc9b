/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection in pipeline mode.
 *
 *	DOWN ──next_try──▶ CONNECTING ──▶ UP
 *	  ▲                    │          │
 *	  └────────────────────┴──────────┘  lose(): refused, silent, broken
 *
 * A call is a struct op on its caller's stack; the caller sleeps (or polls) until it is done. It
 *waits in `again` or `pending` until flush() sends it, and is then named by the entries of
 *`flights`, the mirror of libpq's own queue: one entry for each result that libpq still owes us.
 *
 *  1. Everything between two syncs is one transaction to PostgreSQL (a segment). Reads share a
 *     segment; all else has one of its own and is done only when its sync came back: not before is
 *it committed. No BEGIN is sent: the segment is the transaction, and a failed one ends by itself.
 *  2. A prepare has a segment of its own, so that it neither harms nor is harmed.
 *  3. A failing read aborts those behind it in the segment: they go to `again`, in order.
 *  4. On a broken connection reads go to `again`; of anything else the outcome is unknown:
 *ERR_DB_GONE.
 *  5. A fiber is woken only after all lists are in order, and the woken fiber may call us again.
 *  6. Error texts carry SQLSTATE and the primary message; never DETAIL, which quotes values.
 */
#include <assert.h>
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/db.h"

#define BACKOFF_FIRST_MS 20
#define BACKOFF_LAST_MS 500
#define CONNECT_MS 5000 /* a server that takes the connection and then says nothing */
#define TRIES_MAX 5	/* of one call: a statement that kills its server must not do so for ever */
#define FOREVER INT64_MAX
#define VOID_OID 2278 /* the column of SELECT f() where f returns nothing */

enum db_state { DB_DOWN, DB_CONNECTING, DB_UP };

enum op_state { OP_WAITING, OP_FLYING, OP_DONE };

struct op {
	struct op *next;
	struct fiber *f; /* NULL: blocking */
	const struct db_step *steps;
	size_t n;
	struct rows **ret_rows; /* may be NULL */
	struct err *e;
	enum op_state state;
	bool reads;
	bool retry; /* to be sent again when its segment has ended */
	int code;   /* the first error */
	int tries;
	int64_t begun_ms; /* when the call was made */
	int64_t until_ms; /* how long it waits for a connection */
	int64_t sent_ms;
};

struct op_list {
	struct op *first, *last;
};

enum flight_kind { FLY_STEP, FLY_PREPARE, FLY_SYNC };

/* A result that libpq owes us. */
struct flight {
	enum flight_kind kind;
	bool got;	/* a result came; the NULL that ends it has not */
	struct op *op;	/* STEP; SYNC of a segment of its own */
	uint32_t step;	/* STEP */
	enum stmt stmt; /* STEP, PREPARE */
};

struct prepared {
	bool sent;	 /* the server has it or will have it when it comes to our execution */
	bool checked;	 /* its columns are those of the head line */
	struct err *err; /* why the last prepare failed; owned */
};

/* libuv frees handles later than us, so each is its own block. */
struct watch {
	uv_poll_t poll;
	struct db *db;
	uv_os_sock_t fd;
};

struct db {
	uv_loop_t *loop; /* NULL: blocking */
	PQconninfoOption *info;
	const char **keywords, **values;
	char *application;
	char *pg_options;
	int wait_ms, call_ms;

	enum db_state state;
	PGconn *conn;
	uint64_t generation;
	int events;	     /* POLLIN | POLLOUT that we wait for */
	int64_t next_try_ms; /* DOWN */
	int64_t give_up_ms;  /* CONNECTING */
	int backoff_ms;
	bool open;  /* the segment being sent has no sync yet */
	bool freed; /* db_free was called */
	char why[256];

	struct op_list again, pending;
	struct flight *flights; /* ring */
	size_t first, count, cap;
	struct prepared prepared[STMT_COUNT + 1];

	struct watch *watch;
	uv_prepare_t turn; /* runs before the loop waits: one flush for all calls of the turn */
	uv_timer_t timer;
	int handles; /* turn and timer, not closed yet */
};

/* ---- lists ---- */

static void
push(struct op_list *l, struct op *op)
{
	op->next = NULL;
	if (l->first == NULL)
		l->first = op;
	else
		l->last->next = op;
	l->last = op;
}

static struct op *
pop(struct op_list *l)
{
	struct op *op = l->first;

	if (op != NULL)
		l->first = op->next;
	return op;
}

static struct flight *
flight_at(const struct db *d, size_t i)
{
	return &d->flights[(d->first + i) & (d->cap - 1)];
}

static void
grow_flights(struct db *d)
{
	size_t cap = d->cap == 0 ? 64 : d->cap * 2;
	struct flight *n = calloc(cap, sizeof *n);

	if (n == NULL)
		abort();
	for (size_t i = 0; i < d->count; i++)
		n[i] = *flight_at(d, i);
	free(d->flights);
	d->flights = n;
	d->first = 0;
	d->cap = cap;
}

static void
fly(struct db *d, struct flight fl)
{
	if (d->count == d->cap)
		grow_flights(d);
	*flight_at(d, d->count) = fl;
	d->count++;
}

static void
land(struct db *d)
{
	d->first = (d->first + 1) & (d->cap - 1);
	d->count--;
}

/* ---- the end of a call ---- */

static void
drop_rows(struct op *op)
{
	if (op->ret_rows == NULL)
		return;
	for (size_t i = 0; i < op->n; i++) {
		rows_free(op->ret_rows[i]);
		op->ret_rows[i] = NULL;
	}
}

/* The op lies on its fiber's stack: not to be touched after this. */
static void
finish(struct op *op)
{
	struct fiber *f = op->f;

	if (op->code != 0)
		drop_rows(op);
	op->state = OP_DONE;
	if (f != NULL)
		fiber_wake(f);
}

static void
finish_all(struct op_list *l)
{
	struct op *op;

	while ((op = pop(l)) != NULL)
		finish(op);
}

/* ---- libuv or poll(): what we wait for ---- */

static void on_poll(uv_poll_t *h, int status, int events);
static void on_turn(uv_prepare_t *h);
static void on_timer(uv_timer_t *h);

static void
on_watch_closed(uv_handle_t *h)
{
	free(h->data);
}

static void
unwatch(struct db *d)
{
	struct watch *w = d->watch;

	d->events = 0;
	if (w == NULL)
		return;
	d->watch = NULL;
	w->db = NULL;
	uv_poll_stop(&w->poll);
	uv_close((uv_handle_t *)&w->poll, on_watch_closed);
}

/* libuv knows a socket by its number: while libpq connects it may close one and open another. */
static int
watch_socket(struct db *d)
{
	int fd = PQsocket(d->conn);
	struct watch *w;

	if (fd < 0)
		return -1;
	if (d->watch != NULL && d->watch->fd == fd)
		return 0;
	unwatch(d);
	w = calloc(1, sizeof *w);
	if (w == NULL)
		abort();
	w->db = d;
	w->fd = fd;
	w->poll.data = w;
	if (uv_poll_init(d->loop, &w->poll, fd) != 0) {
		free(w);
		return -1;
	}
	d->watch = w;
	return 0;
}

/* Each change costs two system calls, so only changes are told. */
static int
wait_for(struct db *d, int events)
{
	if (d->events == events && (d->loop == NULL || d->watch != NULL))
		return 0;
	if (d->loop != NULL) {
		int uv = (events & POLLIN ? UV_READABLE : 0) | (events & POLLOUT ? UV_WRITABLE : 0);

		if (watch_socket(d) != 0 || uv_poll_start(&d->watch->poll, uv, on_poll) != 0)
			return -1;
	}
	d->events = events;
	return 0;
}

static int64_t
least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* The call whose answer is due next, if it is a read: nothing else is ever given up. */
static struct op *
overdue_candidate(const struct db *d)
{
	for (size_t i = 0; i < d->count; i++) {
		const struct flight *fl = flight_at(d, i);

		if (fl->op != NULL)
			return fl->op->reads ? fl->op : NULL;
	}
	return NULL;
}

/* When tick() is next needed. */
static int64_t
next_tick_ms(const struct db *d)
{
	int64_t at = FOREVER;
	const struct op *op;

	if (d->state == DB_UP) {
		op = d->call_ms > 0 ? overdue_candidate(d) : NULL;
		return op == NULL ? FOREVER : op->sent_ms + d->call_ms;
	}
	at = d->state == DB_DOWN ? d->next_try_ms : d->give_up_ms;
	if (d->again.first != NULL)
		at = least(at, d->again.first->until_ms);
	if (d->pending.first != NULL)
		at = least(at, d->pending.first->until_ms);
	return at;
}

static void
arm_timer(struct db *d)
{
	int64_t at, now;

	if (d->loop == NULL || d->freed)
		return;
	at = next_tick_ms(d);
	if (at == FOREVER) {
		uv_timer_stop(&d->timer);
		return;
	}
	now = clock_mono_ms();
	uv_update_time(d->loop);
	uv_timer_start(&d->timer, on_timer, at > now ? (uint64_t)(at - now) : 1, 0);
}

/* On the hot path: a timer that runs finds out by itself when it is next needed. */
static void
watch_time(struct db *d)
{
	if (d->call_ms > 0 && d->loop != NULL && !uv_is_active((const uv_handle_t *)&d->timer))
		arm_timer(d);
}

/* ---- losing the connection ---- */

static void
set_why(struct db *d, const char *text)
{
	size_t n = strcspn(text, "\n");

	snprintf(d->why, sizeof d->why, "%.*s", (int)n, text);
}

static void
forget_prepared(struct db *d)
{
	for (size_t i = 0; i < STMT_COUNT; i++)
		free(d->prepared[i].err);
	memset(d->prepared, 0, sizeof d->prepared);
}

static int
gone(struct db *d, struct err *e, const char *what)
{
	return err_set(e, ERR_DB_GONE, "%s: %s", what,
		       d->why[0] != '\0' ? d->why : "not connected");
}

/* Reads go back to wait for the next connection; the rest of what flew ends. */
static void
ground(struct db *d, int read_code, struct op_list *again, struct op_list *done)
{
	int64_t now = clock_mono_ms();

	for (; d->count > 0; land(d)) {
		struct op *op = flight_at(d, 0)->op;

		if (op == NULL || op->state != OP_FLYING)
			continue;
		op->state = OP_WAITING;
		if (op->reads && read_code != 0) {
			op->code = err_set(op->e, read_code, "the database does not answer: %s",
					   d->why);
		} else if (op->reads && op->code == 0 && d->wait_ms > 0 &&
			   ++op->tries < TRIES_MAX) {
			drop_rows(op);
			op->until_ms = now + d->wait_ms;
			push(again, op);
			continue;
		} else if (op->code == 0 || op->code == ERR_DB) {
			op->code = gone(d, op->e, "the connection to the database broke");
		}
		push(done, op);
	}
}

static void
close_connection(struct db *d)
{
	unwatch(d);
	PQfinish(d->conn);
	d->conn = NULL;
	d->open = false;
	forget_prepared(d);
}

/* From any state to DOWN. read_code: what reads in flight are told; 0: they are sent again. */
static void
lose(struct db *d, const char *why, int read_code)
{
	struct op_list again = { 0 }, done = { 0 };
	bool was_up = d->state == DB_UP;
	struct op *op;

	set_why(d, why);
	close_connection(d);
	d->state = DB_DOWN;
	d->next_try_ms = clock_mono_ms() + (was_up ? 0 : d->backoff_ms);
	if (!was_up)
		d->backoff_ms = (int)least(d->backoff_ms * 2, BACKOFF_LAST_MS);
	ground(d, read_code, &again, &done);
	while ((op = pop(&d->again)) != NULL)
		push(&again, op);
	d->again = again;
	arm_timer(d);
	finish_all(&done);
}

static void
lose_by_error(struct db *d)
{
	lose(d, PQerrorMessage(d->conn), 0);
}

/* ---- sending ---- */

static int
sync_segment(struct db *d, struct op *op)
{
	if (PQpipelineSync(d->conn) != 1)
		return -1;
	d->open = false;
	fly(d, (struct flight){ .kind = FLY_SYNC, .op = op });
	return 0;
}

static int
send_prepare(struct db *d, enum stmt s)
{
	const struct stmt_info *i = stmt_info(s);
	Oid oids[STMT_PARAMS_MAX];

	if (d->prepared[s].sent)
		return 0;
	if (d->open && sync_segment(d, NULL) != 0)
		return -1;
	for (unsigned p = 0; p < i->nparams; p++)
		oids[p] = stmt_oid(i->param_types[p]);
	if (PQsendPrepare(d->conn, i->name, i->sql, (int)i->nparams, oids) != 1)
		return -1;
	fly(d, (struct flight){ .kind = FLY_PREPARE, .stmt = s });
	d->prepared[s].sent = true;
	return sync_segment(d, NULL);
}

static int
send_step(struct db *d, struct op *op, size_t step)
{
	static const int binary[STMT_PARAMS_MAX] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
						     1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	const struct db_step *s = &op->steps[step];
	const struct stmt_info *i = stmt_info(s->s);
	const char *values[STMT_PARAMS_MAX];

	for (unsigned p = 0; p < s->b.n; p++)
		values[p] = s->b.off[p] < 0 ? NULL : s->b.bytes.data + s->b.off[p];
	if (PQsendQueryPrepared(d->conn, i->name, (int)i->nparams, values, s->b.len, binary, 1) !=
	    1)
		return -1;
	fly(d, (struct flight){ .kind = FLY_STEP, .op = op, .step = (uint32_t)step, .stmt = s->s });
	d->open = true;
	return 0;
}

static int
send_op(struct db *d, struct op *op)
{
	if (!op->reads && d->open && sync_segment(d, NULL) != 0)
		return -1;
	for (size_t i = 0; i < op->n; i++)
		if (send_prepare(d, op->steps[i].s) != 0)
			return -1;
	for (size_t i = 0; i < op->n; i++)
		if (send_step(d, op, i) != 0)
			return -1;
	return op->reads ? 0 : sync_segment(d, op);
}

/* libpq keeps what the socket does not take; then we wait until it does. */
static int
push_out(struct db *d)
{
	int left = PQflush(d->conn);

	if (left < 0)
		return -1;
	return wait_for(d, left > 0 ? POLLIN | POLLOUT : POLLIN);
}

/* Sends everything that waits. */
static void
flush(struct db *d)
{
	int64_t now = d->call_ms > 0 ? clock_mono_ms() : 0;
	struct op *op;

	if (d->state != DB_UP || (d->again.first == NULL && d->pending.first == NULL))
		return;
	while ((op = pop(&d->again)) != NULL || (op = pop(&d->pending)) != NULL) {
		op->state = OP_FLYING;
		op->sent_ms = now;
		if (send_op(d, op) != 0) {
			/* Perhaps none of it is named by a flight yet. */
			fly(d, (struct flight){ .kind = FLY_STEP, .op = op });
			lose_by_error(d);
			return;
		}
	}
	if ((d->open && sync_segment(d, NULL) != 0) || push_out(d) != 0) {
		lose_by_error(d);
		return;
	}
	watch_time(d);
}

/* ---- receiving ---- */

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

/* Data exceptions (class 22) quote the value in the message: it is cut before it. */
static int
set_db_err(struct err *e, const char *name, const PGresult *r)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	size_t n;

	if (text == NULL)
		text = "no reason given";
	n = strncmp(state, "22", 2) == 0 ? strcspn(text, "\"") : strlen(text);
	while (n > 0 && strchr(": ", text[n - 1]) != NULL)
		n--;
	err_set(e, ERR_DB, "statement %s: %.*s", name, (int)least((int64_t)n, 400), text);
	if (e != NULL)
		snprintf(e->sqlstate, sizeof e->sqlstate, "%s", state);
	return ERR_DB;
}

static bool
has_state(const PGresult *r, const char *state)
{
	return strcmp(PQresultErrorField(r, PG_DIAG_SQLSTATE), state) == 0;
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
	op->code = set_db_err(op->e, stmt_info(fl->stmt)->name, r);
}

static void
take_prepare_error(struct db *d, const struct flight *fl, const PGresult *r)
{
	struct prepared *p = &d->prepared[fl->stmt];

	p->sent = false;
	if (p->err == NULL)
		p->err = calloc(1, sizeof *p->err);
	if (p->err == NULL)
		abort();
	set_db_err(p->err, stmt_info(fl->stmt)->name, r);
}

/* FATAL ends the session; an error without SQLSTATE is libpq's own: the connection is broken. */
static bool
is_fatal(const PGresult *r)
{
	const char *severity = PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED);

	if (PQresultErrorField(r, PG_DIAG_SQLSTATE) == NULL || severity == NULL)
		return true;
	return strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0;
}

/* Has what waits sent before the loop sleeps; without a loop the caller does it. */
static void
flush_soon(struct db *d)
{
	if (d->loop != NULL && !d->freed)
		uv_prepare_start(&d->turn, on_turn);
}

/* The last result of an op came: done, or to be sent again. */
static void
settle(struct db *d, struct op *op)
{
	if (op->retry && op->code == 0) {
		drop_rows(op);
		op->retry = false;
		op->state = OP_WAITING;
		push(&d->again, op);
		flush_soon(d);
		return;
	}
	finish(op);
}

static int
take_error(struct db *d, const struct flight *fl, PGresult *r)
{
	if (is_fatal(r)) {
		const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);

		lose(d, text != NULL ? text : PQresultErrorMessage(r), 0);
		PQclear(r);
		return -1;
	}
	if (fl->kind == FLY_PREPARE)
		take_prepare_error(d, fl, r);
	else if (fl->kind == FLY_STEP)
		take_step_error(d, fl, r);
	else if (fl->op != NULL && fl->op->code == 0) /* the commit itself failed */
		fl->op->code = set_db_err(fl->op->e, stmt_info(fl->op->steps[0].s)->name, r);
	PQclear(r);
	return 0;
}

static int
out_of_step(struct db *d, PGresult *r)
{
	PQclear(r);
	lose(d, "the server's answers are out of step", 0);
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
	land(d);
	if (op != NULL && op->reads)
		settle(d, op);
	return 0;
}

static void
take_sync(struct db *d)
{
	struct op *op = flight_at(d, 0)->op;

	land(d);
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
	if (good && fl->kind == FLY_PREPARE)
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

static void
receive(struct db *d)
{
	bool broken = PQconsumeInput(d->conn) != 1;

	if (drain(d) != 0)
		return;
	/* Idle, libpq reads the server's farewell only when asked. */
	if (d->count == 0 && PQisBusy(d->conn))
		broken = true;
	if (broken || PQstatus(d->conn) != CONNECTION_OK)
		lose_by_error(d);
	else
		watch_time(d);
}

/* ---- connecting ---- */

static void
on_notice(void *arg, const PGresult *r)
{
	const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);

	log_debug("postgresql: %s", text == NULL ? "a notice without text" : text);
}

static void
connect_done(struct db *d)
{
	if (PQsetnonblocking(d->conn, 1) != 0 || PQenterPipelineMode(d->conn) != 1 ||
	    wait_for(d, POLLIN) != 0) {
		lose_by_error(d);
		return;
	}
	d->state = DB_UP;
	d->generation++;
	d->backoff_ms = BACKOFF_FIRST_MS;
	d->why[0] = '\0';
	arm_timer(d);
	flush(d);
}

static void
connect_step(struct db *d)
{
	PostgresPollingStatusType s;

	/* libpq may close the socket in here: libuv must have let go of it before. */
	if (d->watch != NULL)
		uv_poll_stop(&d->watch->poll);
	d->events = 0;
	s = PQconnectPoll(d->conn);
	if (s == PGRES_POLLING_OK)
		connect_done(d);
	else if (s == PGRES_POLLING_FAILED ||
		 wait_for(d, s == PGRES_POLLING_READING ? POLLIN : POLLOUT) != 0)
		lose_by_error(d);
}

static void
connect_begin(struct db *d)
{
	if (d->keywords == NULL) { /* the conninfo is wrong: why says so, and it won't get better */
		d->next_try_ms = FOREVER;
		return;
	}
	d->conn = PQconnectStartParams(d->keywords, d->values, 0);
	if (d->conn == NULL)
		abort();
	PQsetNoticeReceiver(d->conn, on_notice, NULL);
	d->state = DB_CONNECTING;
	d->give_up_ms = clock_mono_ms() + CONNECT_MS;
	if (PQstatus(d->conn) == CONNECTION_BAD || wait_for(d, POLLOUT) != 0)
		lose_by_error(d);
	else
		arm_timer(d);
}

/* ---- time ---- */

static void
expire(struct db *d, struct op_list *l, int64_t now, struct op_list *done)
{
	struct op *op;

	while (l->first != NULL && l->first->until_ms <= now) {
		op = pop(l);
		op->code = gone(d, op->e, "the database is not reachable");
		push(done, op);
	}
}

/* Whatever is due by the clock. */
static void
tick(struct db *d)
{
	struct op_list done = { 0 };
	int64_t now = clock_mono_ms();

	if (d->state == DB_UP) {
		const struct op *op = d->call_ms > 0 ? overdue_candidate(d) : NULL;

		if (op != NULL && op->sent_ms + d->call_ms <= now)
			lose(d, "no answer in time", ERR_TIMEOUT);
	} else if (d->state == DB_CONNECTING && d->give_up_ms <= now) {
		lose(d, "the server takes the connection but does not answer", 0);
	} else if (d->state == DB_DOWN && d->next_try_ms <= now) {
		connect_begin(d);
	}
	if (d->state != DB_UP) {
		expire(d, &d->again, now, &done);
		expire(d, &d->pending, now, &done);
	}
	finish_all(&done);
}

static void
on_timer(uv_timer_t *h)
{
	struct db *d = h->data;

	tick(d);
	arm_timer(d);
}

static void
ready(struct db *d, int events)
{
	if (d->state == DB_CONNECTING) {
		connect_step(d);
		return;
	}
	if ((events & POLLOUT) != 0 && push_out(d) != 0) {
		lose_by_error(d);
		return;
	}
	if ((events & POLLIN) != 0)
		receive(d);
}

static void
on_poll(uv_poll_t *h, int status, int events)
{
	struct watch *w = h->data;
	int poll_events =
		(events & UV_READABLE ? POLLIN : 0) | (events & UV_WRITABLE ? POLLOUT : 0);

	if (w->db == NULL)
		return;
	ready(w->db, status < 0 ? POLLIN : poll_events);
	/* After an error libuv has stopped to watch. */
	if (status < 0 && w->db != NULL && w->db->state == DB_UP)
		lose(w->db, uv_strerror(status), 0);
}

static void
on_turn(uv_prepare_t *h)
{
	struct db *d = h->data;

	uv_prepare_stop(h);
	flush(d);
}

/* ---- life ---- */

/* Session settings: plans of the statements are made once (all are lookups by key or written
 * for any parameters), and times that SQL itself turns into text are UTC. */
#define SESSION_OPTIONS                                                                            \
	"-c plan_cache_mode=force_generic_plan -c jit=off -c timezone=UTC -c "                     \
	"client_min_messages=warning"

struct option_default {
	const char *keyword, *value;
};

/* Used when the conninfo does not say otherwise: a machine that vanished is noticed in seconds. */
static const struct option_default option_defaults[] = {
	{ "client_encoding", "UTF8" },	{ "gssencmode", "disable" }, { "keepalives_idle", "5" },
	{ "keepalives_interval", "2" }, { "keepalives_count", "3" }, { "tcp_user_timeout", "5000" },
};

static const char *
option_value(const struct db *d, const PQconninfoOption *o)
{
	if (strcmp(o->keyword, "options") == 0)
		return d->pg_options;
	if (strcmp(o->keyword, "application_name") == 0 && d->application != NULL)
		return d->application;
	if (o->val != NULL)
		return o->val;
	for (size_t i = 0; i < ARRAY_LEN(option_defaults); i++)
		if (strcmp(o->keyword, option_defaults[i].keyword) == 0)
			return option_defaults[i].value;
	return NULL;
}

static void
set_pg_options(struct db *d)
{
	auto_buf b = BUF_INIT;

	buf_adds(&b, SESSION_OPTIONS);
	for (const PQconninfoOption *o = d->info; o->keyword != NULL; o++)
		if (strcmp(o->keyword, "options") == 0 && o->val != NULL)
			buf_addf(&b, " %s", o->val);
	d->pg_options = buf_take_str(&b);
}

static void
set_keywords(struct db *d)
{
	size_t n = 0, k = 0;

	while (d->info[n].keyword != NULL)
		n++;
	d->keywords = calloc(n + 1, sizeof *d->keywords);
	d->values = calloc(n + 1, sizeof *d->values);
	if (d->keywords == NULL || d->values == NULL)
		abort();
	for (size_t i = 0; i < n; i++) {
		const char *v = option_value(d, &d->info[i]);

		if (v == NULL)
			continue;
		d->keywords[k] = d->info[i].keyword;
		d->values[k++] = v;
	}
}

static struct db *
create(uv_loop_t *loop, const struct db_options *o)
{
	struct db *d = calloc(1, sizeof *d);
	char *why = NULL;

	if (d == NULL)
		abort();
	d->loop = loop;
	d->wait_ms = o->wait_ms;
	d->call_ms = o->call_ms;
	d->backoff_ms = BACKOFF_FIRST_MS;
	d->application = o->application == NULL ? NULL : strdup(o->application);
	d->info = PQconninfoParse(o->conninfo, &why);
	if (d->info == NULL) {
		set_why(d, why != NULL ? why : "the conninfo is wrong");
	} else {
		set_pg_options(d);
		set_keywords(d);
	}
	PQfreemem(why);
	return d;
}

static void
destroy(struct db *d)
{
	PQconninfoFree(d->info);
	free(d->keywords);
	free(d->values);
	free(d->pg_options);
	free(d->application);
	free(d->flights);
	free(d);
}

struct db *
db_new(uv_loop_t *loop, const struct db_options *o)
{
	struct db *d = create(loop, o);

	d->turn.data = d;
	d->timer.data = d;
	if (uv_prepare_init(loop, &d->turn) != 0 || uv_timer_init(loop, &d->timer) != 0)
		abort();
	d->handles = 2;
	connect_begin(d);
	return d;
}

static void
on_handle_closed(uv_handle_t *h)
{
	struct db *d = h->data;

	if (--d->handles == 0)
		destroy(d);
}

void
db_free(struct db *d)
{
	struct op_list done = { 0 };
	uv_loop_t *loop;

	if (d == NULL)
		return;
	loop = d->loop;
	d->freed = true;
	d->wait_ms = 0;
	lose(d, "this program closed it", 0);
	d->next_try_ms = FOREVER;
	expire(d, &d->again, FOREVER, &done);
	expire(d, &d->pending, FOREVER, &done);
	if (loop != NULL) {
		uv_close((uv_handle_t *)&d->turn, on_handle_closed);
		uv_close((uv_handle_t *)&d->timer, on_handle_closed);
	}
	finish_all(&done);
	if (loop == NULL)
		destroy(d);
}

bool
db_up(const struct db *d)
{
	return d->state == DB_UP;
}

uint64_t
db_generation(const struct db *d)
{
	return d->generation;
}

int64_t
db_oldest_ms(const struct db *d)
{
	int64_t oldest = FOREVER;

	for (size_t i = 0; i < d->count; i++)
		if (flight_at(d, i)->op != NULL) {
			oldest = flight_at(d, i)->op->begun_ms;
			break;
		}
	if (d->again.first != NULL)
		oldest = least(oldest, d->again.first->begun_ms);
	if (d->pending.first != NULL)
		oldest = least(oldest, d->pending.first->begun_ms);
	return oldest == FOREVER ? 0 : clock_mono_ms() - oldest;
}

/* ---- without a loop ---- */

static int
poll_timeout(const struct db *d)
{
	int64_t at = next_tick_ms(d), now = clock_mono_ms();

	if (at == FOREVER)
		return -1;
	return at <= now ? 0 : (int)least(at - now, 60000);
}

/* One wait, and what follows from it. */
static void
turn(struct db *d)
{
	struct pollfd p = { .fd = -1, .events = (short)d->events };
	int n;

	if (d->conn != NULL)
		p.fd = PQsocket(d->conn);
	n = poll(&p, 1, poll_timeout(d));
	if (n > 0)
		ready(d, p.revents & (POLLERR | POLLHUP | POLLNVAL) ? POLLIN : p.revents);
	tick(d);
}

struct db *
db_open(const struct db_options *o, struct err *e)
{
	struct db *d = create(NULL, o);
	int64_t until = clock_mono_ms() + o->wait_ms;

	connect_begin(d);
	while (d->state == DB_CONNECTING || (d->state == DB_DOWN && d->next_try_ms < until))
		turn(d);
	if (d->state != DB_UP) {
		gone(d, e, "cannot connect to the database");
		db_free(d);
		return NULL;
	}
	return d;
}

/* ---- calls ---- */

static int
check_step(const struct db_step *s, struct err *e)
{
	const struct stmt_info *i = stmt_info(s->s);

	if (s->b.n != i->nparams)
		return err_set(e, ERR_INTERNAL, "statement %s takes %u parameters, not %u", i->name,
			       i->nparams, s->b.n);
	for (unsigned p = 0; p < s->b.n; p++)
		if (s->b.type[p] != 0 && s->b.type[p] != i->param_types[p])
			return err_set(e, ERR_INTERNAL,
				       "statement %s: parameter $%u is of another type", i->name,
				       p + 1);
	return 0;
}

/* After this returns the database may have been freed: only the op is looked at. */
static void
await(struct db *d, struct op *op)
{
	if (d->loop == NULL) {
		assert(op->f == NULL);
		for (flush(d); op->state != OP_DONE; flush(d))
			turn(d);
		return;
	}
	assert(op->f != NULL);
	if (d->state == DB_UP)
		flush_soon(d);
	else
		arm_timer(d);
	while (op->state != OP_DONE)
		fiber_sleep(op->f);
}

static int
call(struct db *d, struct op *op)
{
	struct err *e = op->e;
	int code;

	for (size_t i = 0; i < op->n; i++)
		if ((code = check_step(&op->steps[i], e)) != 0)
			return code;
	op->begun_ms = clock_mono_ms();
	op->until_ms = op->begun_ms + d->wait_ms;
	if (d->freed || (d->state != DB_UP && d->wait_ms <= 0 && d->loop != NULL))
		return gone(d, e, "the database is not reachable");
	push(&d->pending, op);
	await(d, op);
	return op->code;
}

int
db_exec(struct db *d, struct fiber *f, enum stmt s, const struct binds *b, struct rows **ret_rows,
	struct err *e)
{
	struct db_step step = { .s = s, .b = b != NULL ? *b : BINDS_INIT };
	struct rows *rows = NULL;
	struct op op = { .f = f,
			 .steps = &step,
			 .n = 1,
			 .ret_rows = ret_rows != NULL ? &rows : NULL,
			 .e = e,
			 .reads = stmt_info(s)->reads };
	int code = call(d, &op);

	if (code == 0 && ret_rows != NULL)
		*ret_rows = rows;
	return code;
}

int
db_transaction(struct db *d, struct fiber *f, struct db_step *steps, size_t n,
	       struct rows **ret_rows, struct err *e)
{
	struct op op = { .f = f, .steps = steps, .n = n, .ret_rows = ret_rows, .e = e };

	for (size_t i = 0; ret_rows != NULL && i < n; i++)
		ret_rows[i] = NULL;
	return n == 0 ? 0 : call(d, &op);
}

/* ---- scripts ---- */

/* Reads the sync of the last call, and a farewell that came while we were idle: a broken connection
 * shows now, not in the middle of the script. */
static void
catch_up(struct db *d)
{
	while (d->state == DB_UP && d->count > 0)
		turn(d);
	while (d->state == DB_UP) {
		struct pollfd p = { .fd = PQsocket(d->conn), .events = POLLIN };

		if (poll(&p, 1, 0) <= 0)
			return;
		receive(d);
	}
}

/* Waits for a connection, so that a script after a restart of the server finds one. */
static int
await_up(struct db *d, struct err *e)
{
	int64_t until = clock_mono_ms() + d->wait_ms;

	while (d->state != DB_UP) {
		if (clock_mono_ms() >= until && d->state == DB_DOWN)
			return gone(d, e, "the database is not reachable");
		turn(d);
	}
	return 0;
}

static int
script_result(struct db *d, PGresult *r, struct err *e)
{
	int code = 0;

	if (r == NULL || (PQresultStatus(r) == PGRES_FATAL_ERROR && is_fatal(r)))
		code = gone(d, e, "the connection to the database broke during a script");
	else if (PQresultStatus(r) == PGRES_FATAL_ERROR)
		code = set_db_err(e, "script", r);
	PQclear(r);
	return code;
}

int
db_script(struct db *d, const char *sql, struct err *e)
{
	int code;

	assert(d->loop == NULL);
	catch_up(d);
	if ((code = await_up(d, e)) != 0)
		return code;
	PQsetnonblocking(d->conn, 0);
	if (PQexitPipelineMode(d->conn) != 1)
		return err_set(e, ERR_INTERNAL, "the connection is busy");
	code = script_result(d, PQexec(d->conn, sql), e);
	if (code == ERR_DB_GONE || PQenterPipelineMode(d->conn) != 1 ||
	    PQsetnonblocking(d->conn, 1) != 0)
		lose_by_error(d);
	return code;
}
