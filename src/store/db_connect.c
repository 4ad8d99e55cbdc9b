/* SPDX-License-Identifier: Apache-2.0
 *
 * Connecting, and losing the connection.
 */
#include "store/db_impl.h"

#include <stdio.h>
#include <string.h>
#include "base/log.h"
#include "base/mem.h"

#define BACKOFF_LAST_MS 500
#define CONNECT_MS 5000 /* a server that takes the connection and then says nothing */

/* ---- losing ---- */

void
db_set_why(struct db *d, const char *text)
{
	size_t n = strcspn(text, "\n");

	text_fit(d->why, sizeof(d->why), "%.*s", (int)n, text);
}

static void
forget_prepared(struct db *d)
{
	for (size_t i = 0; i < STMT_COUNT; i++)
		free(d->prepared[i].err);
	memset(d->prepared, 0, sizeof d->prepared);
}

int
db_gone(struct db *d, struct err *e, const char *what)
{
	return err_set(e, ERR_DB_GONE, "%s: %s", what,
		       d->why[0] != '\0' ? d->why : "not connected");
}

/* Reads go back to wait for the next connection; the rest of what flew ends. */
static void
ground(struct db *d, int read_code, struct op_list *again, struct op_list *done)
{
	int64_t now = clock_mono_ms();

	for (; d->count > 0; flight_remove(d)) {
		struct op *op = flight_at(d, 0)->op;

		if (op == NULL || op->state != OP_FLYING)
			continue;
		op->state = OP_WAITING;
		if (op->reads && read_code != 0) {
			op->code = err_set(op->e, read_code, "the database does not answer: %s",
					   d->why);
		} else if (op->reads && op->code == 0 && d->wait_ms > 0 &&
			   ++op->tries < TRIES_MAX) {
			op_drop_rows(op);
			op->until_ms = now + d->wait_ms;
			op_push(again, op);
			continue;
		} else if (op->code == 0 || op->code == ERR_DB) {
			op->code = db_gone(d, op->e, "the connection to the database broke");
		}
		op_push(done, op);
	}
}

static void
close_connection(struct db *d)
{
	db_unwatch(d);
	PQfinish(d->conn);
	d->conn = NULL;
	d->open = d->asking = d->asked = false;
	d->schema = 0;
	forget_prepared(d);
}

/* From any state to DOWN. read_code: what reads in flight are told; 0: they are sent again. */
void
db_lose(struct db *d, const char *why, int read_code)
{
	struct op_list again = { 0 }, done = { 0 };
	bool was_up = d->state == DB_UP;
	struct op *op;

	db_set_why(d, why);
	close_connection(d);
	d->state = DB_DOWN;
	d->next_try_ms = clock_mono_ms() + (was_up ? 0 : d->backoff_ms);
	if (!was_up)
		d->backoff_ms = (int)least(d->backoff_ms * 2, BACKOFF_LAST_MS);
	ground(d, read_code, &again, &done);
	while ((op = op_pop(&d->again)) != NULL)
		op_push(&again, op);
	d->again = again;
	db_arm_timer(d);
	op_finish_all(&done);
}

void
db_lose_by_error(struct db *d)
{
	db_lose(d, PQerrorMessage(d->conn), 0);
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
	    db_wait_for(d, POLLIN) != 0) {
		db_lose_by_error(d);
		return;
	}
	d->state = DB_UP;
	/* Who brings something home to another node's database calls its functions and reads no table of it. */
	d->schema = strcmp(PQuser(d->conn), "hf_deposit") == 0 ? stmt_schema_newest() : 0;
	d->generation++;
	d->backoff_ms = BACKOFF_FIRST_MS;
	d->why[0] = '\0';
	db_arm_timer(d);
	db_flush(d);
}

void
db_connect_step(struct db *d)
{
	PostgresPollingStatusType s;

	/* libpq may close the socket in here: libuv must have let go of it before. */
	if (d->watch != NULL)
		uv_poll_stop(&d->watch->poll);
	d->events = 0;
	s = FAULT(PG_CONNECT, PGRES_POLLING_FAILED, PQconnectPoll(d->conn));
	if (s == PGRES_POLLING_OK)
		connect_done(d);
	else if (s == PGRES_POLLING_FAILED ||
		 db_wait_for(d, s == PGRES_POLLING_READING ? POLLIN : POLLOUT) != 0)
		db_lose_by_error(d);
}

void
db_connect_begin(struct db *d)
{
	if (d->keywords == NULL) { /* the conninfo is wrong: why says so, and it won't get better */
		d->next_try_ms = FOREVER;
		return;
	}
	d->conn = mem_have(PQconnectStartParams(d->keywords, d->values, 0));
	PQsetNoticeReceiver(d->conn, on_notice, NULL);
	d->state = DB_CONNECTING;
	d->give_up_ms = clock_mono_ms() + CONNECT_MS;
	if (FAULT(PG_CONNECT, CONNECTION_BAD, PQstatus(d->conn)) == CONNECTION_BAD ||
	    db_wait_for(d, POLLOUT) != 0)
		db_lose_by_error(d);
	else
		db_arm_timer(d);
}
