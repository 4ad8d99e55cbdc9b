/* SPDX-License-Identifier: Apache-2.0
 *
 * For db*.c only. One connection in pipeline mode.
 *
 *	DOWN ──next_try──▶ CONNECTING ──▶ UP
 *	  ▲                    │          │
 *	  └────────────────────┴──────────┘  db_lose(): refused, silent, broken
 *
 * A call is a struct op on its caller's stack; the caller sleeps (or polls) until it is done. It
 * waits in `again` or `pending` until db_flush() sends it, and is then named by entries of
 * `flights`, which mirrors libpq's own queue: one entry for each result that libpq still owes us.
 *
 *  1. Everything between two syncs is one transaction to PostgreSQL (a segment). Reads share a
 *     segment; anything else has its own and is done, because committed, only when its sync
 *     is back. No BEGIN is sent: the segment is the transaction, and a failed one ends by itself.
 *  2. A prepare has a segment of its own, so that it neither aborts reads nor is aborted.
 *  3. A failing read aborts those behind it in the segment: they go to `again`, in order.
 *  4. When the connection breaks, reads go to `again`; the outcome of anything else is unknown:
 *     ERR_DB_GONE.
 *  5. A fiber is woken only after all lists are in order, and the woken fiber may call us again.
 *  6. The database may have an earlier schema than this program (a secondary's, until its primary is upgraded), and may get
 *     another at any moment. Until it has the newest, each flush asks for the schema first and sends the rest once it is known:
 *     reads in the form for it, changes not at all. Statements prepared for another schema are forgotten with the connection.
 *  7. Error texts carry SQLSTATE and the primary message; never DETAIL, which quotes values.
 */
#pragma once

#include <libpq-fe.h>
#include <poll.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fault.h"
#include "store/db.h"

#define BACKOFF_FIRST_MS 20
#define TRIES_MAX 5 /* of one call: a statement that kills its server must not do so for ever */
#define FOREVER INT64_MAX

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

enum flight_kind { FLY_STEP, FLY_PREPARE, FLY_SYNC, FLY_SCHEMA };

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
	int64_t give_up_ms;  /* CONNECTING, and while asking */
	int backoff_ms;
	bool open;   /* the segment being sent has no sync yet */
	bool asking; /* which schema the database has; nothing else is sent meanwhile */
	bool asked;  /* the answer is of this very flush */
	int schema;  /* by the last answer, 0: not asked yet */
	int answer;  /* as it comes in */
	bool freed;  /* db_free was called */
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

static inline int64_t
least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* ---- lists ---- */

static inline void
op_push(struct op_list *l, struct op *op)
{
	op->next = NULL;
	if (l->first == NULL)
		l->first = op;
	else
		l->last->next = op;
	l->last = op;
}

static inline struct op *
op_pop(struct op_list *l)
{
	struct op *op = l->first;

	if (op != NULL)
		l->first = op->next;
	return op;
}

static inline struct flight *
flight_at(const struct db *d, size_t i)
{
	return &d->flights[(d->first + i) & (d->cap - 1)];
}

void flight_grow(struct db *d) NONNULL;

static inline void
flight_add(struct db *d, struct flight fl)
{
	if (d->count == d->cap)
		flight_grow(d);
	*flight_at(d, d->count) = fl;
	d->count++;
}

static inline void
flight_remove(struct db *d)
{
	d->first = (d->first + 1) & (d->cap - 1);
	d->count--;
}

/* ---- db_call.c: the end of a call ---- */

void op_drop_rows(struct op *op) NONNULL;
void op_finish(struct op *op) NONNULL;
void op_finish_all(struct op_list *l) NONNULL;

/* ---- db_wait.c: sockets and time ---- */

int db_wait_for(struct db *d, int events) NONNULL MUST_USE;
void db_unwatch(struct db *d) NONNULL;
void db_arm_timer(struct db *d) NONNULL;
void db_watch_time(struct db *d) NONNULL;
void db_flush_soon(struct db *d) NONNULL;
void db_expire(struct db *d, struct op_list *l, int64_t now, struct op_list *done) NONNULL;
void db_turn(struct db *d) NONNULL; /* without a loop: one wait, and what follows from it */

/* ---- db_connect.c ---- */

void db_connect_begin(struct db *d) NONNULL;
void db_connect_step(struct db *d) NONNULL;
void db_set_why(struct db *d, const char *text) NONNULL;
int db_gone(struct db *d, struct err *e, const char *what);
/* From any state to DOWN. read_code: what reads in flight return; 0: they are sent again. */
void db_lose(struct db *d, const char *why, int read_code) NONNULL;
void db_lose_by_error(struct db *d) NONNULL;

/* ---- db_send.c: sends everything that waits ---- */

void db_flush(struct db *d) NONNULL;
bool db_is_behind(const struct db *d) NONNULL; /* the database may have an earlier schema */
void db_schema_known(struct db *d, int schema) NONNULL;
int db_push_out(struct db *d) NONNULL MUST_USE;

/* ---- db_receive.c ---- */

void db_receive(struct db *d) NONNULL;
int db_set_err(struct err *e, const char *name, const PGresult *r);
bool db_is_fatal(const PGresult *r) NONNULL;
