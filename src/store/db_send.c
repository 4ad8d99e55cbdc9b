/* SPDX-License-Identifier: Apache-2.0
 *
 * Sending: everything between two syncs is one transaction.
 */
#include "store/db_impl.h"

#include <string.h>

static int
sync_segment(struct db *d, struct op *op)
{
	if (FAULT(PG_SEND, 0, PQpipelineSync(d->conn)) != 1)
		return -1;
	d->open = false;
	flight_add(d, (struct flight){ .kind = FLY_SYNC, .op = op });
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
	auto_buf room = BUF_INIT;
	const char *sql = stmt_text(s, d->schema, &room);

	if (FAULT(PG_SEND, 0, PQsendPrepare(d->conn, i->name, sql, (int)i->nparams, oids)) != 1)
		return -1;
	flight_add(d, (struct flight){ .kind = FLY_PREPARE, .stmt = s });
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
	int len[STMT_PARAMS_MAX];
	char now[STMT_TIME_BYTES];

	for (unsigned p = 0; p < s->b.n; p++) {
		values[p] = s->b.off[p] < 0 ? NULL : s->b.bytes.data + s->b.off[p];
		len[p] = s->b.len[p];
	}
	if (i->clock) {
		stmt_put_time(clock_now_us(), now);
		values[s->b.n] = now;
		len[s->b.n] = sizeof(now);
	}
	if (FAULT(PG_SEND, 0,
		  PQsendQueryPrepared(d->conn, i->name, (int)i->nparams, values, len, binary, 1)) !=
	    1)
		return -1;
	flight_add(d, (struct flight){
			      .kind = FLY_STEP, .op = op, .step = (uint32_t)step, .stmt = s->s });
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
int
db_push_out(struct db *d)
{
	int left = FAULT(PG_SEND, -1, PQflush(d->conn));

	if (left < 0)
		return -1;
	return db_wait_for(d, left > 0 ? POLLIN | POLLOUT : POLLIN);
}

/* ---- which schema ---- */

#define ASK_MS 5000 /* of a server that says nothing any more */

bool
db_is_behind(const struct db *d)
{
	return stmt_schema_first() < stmt_schema_newest() && d->schema < stmt_schema_newest();
}

/* Who may not know, and a database without a schema, count as the newest. */
static int
ask_schema(struct db *d)
{
	static const char sql[] = "SELECT coalesce(max(number), 0) FROM schema_migration";

	if (d->open && sync_segment(d, NULL) != 0)
		return -1;
	if (FAULT(PG_SEND, 0, PQsendQueryParams(d->conn, sql, 0, NULL, NULL, NULL, NULL, 0)) != 1)
		return -1;
	flight_add(d, (struct flight){ .kind = FLY_SCHEMA });
	d->asking = true;
	d->give_up_ms = clock_mono_ms() + (d->call_ms > 0 ? d->call_ms : ASK_MS);
	if (sync_segment(d, NULL) != 0 || db_push_out(d) != 0)
		return -1;
	db_arm_timer(d);
	return 0;
}

void
db_schema_known(struct db *d, int schema)
{
	d->asking = false;
	if (d->schema != 0 && d->schema != schema) {
		db_lose(d, "the database has another schema now", 0);
		return;
	}
	d->schema = schema;
	d->asked = true;
	db_arm_timer(d);
	db_flush(d);
	d->asked = false;
}

static void
refuse_change(struct db *d, struct op *op)
{
	struct op_list done = { 0 };

	op->code = err_set(op->e, ERR_NOT_SERVING,
			   "the database has schema %d and this program writes schema %d: it takes "
			   "changes when the primary was upgraded",
			   d->schema, stmt_schema_newest());
	op_push(&done, op);
	op_finish_all(&done);
}

/* What the vault changes it changes in the newest schema alone. */
static bool
is_change(const struct op *op)
{
	for (size_t i = 0; i < op->n; i++) {
		const struct stmt_info *info = stmt_info(op->steps[i].s);

		if (!info->reads && strcmp(info->role, "hf_vault") == 0)
			return true;
	}
	return false;
}

/* Sends everything that waits. */
void
db_flush(struct db *d)
{
	int64_t now = d->call_ms > 0 ? clock_mono_ms() : 0;
	struct op *op;

	if (d->state != DB_UP || d->asking || (d->again.first == NULL && d->pending.first == NULL))
		return;
	if (db_is_behind(d) && !d->asked) {
		if (ask_schema(d) != 0)
			db_lose_by_error(d);
		return;
	}
	while ((op = op_pop(&d->again)) != NULL || (op = op_pop(&d->pending)) != NULL) {
		if (db_is_behind(d) && is_change(op)) {
			refuse_change(d, op);
			continue;
		}
		op->state = OP_FLYING;
		op->sent_ms = now;
		if (send_op(d, op) != 0) {
			/* Perhaps none of it is named by a flight yet. */
			flight_add(d, (struct flight){ .kind = FLY_STEP, .op = op });
			db_lose_by_error(d);
			return;
		}
	}
	if ((d->open && sync_segment(d, NULL) != 0) || db_push_out(d) != 0) {
		db_lose_by_error(d);
		return;
	}
	db_watch_time(d);
}
