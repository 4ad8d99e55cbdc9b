/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection: life, calls, scripts.
 */
#include "store/db_impl.h"

#include <assert.h>
#include <string.h>
#include "base/mem.h"

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
set_pg_options(struct db *d, const char *session)
{
	auto_buf b = BUF_INIT;

	buf_adds(&b, SESSION_OPTIONS);
	if (session != NULL)
		buf_addf(&b, " %s", session);
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
	d->keywords = mem_array(n + 1, sizeof *d->keywords);
	d->values = mem_array(n + 1, sizeof *d->values);
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
	struct db *d = mem_new(sizeof *d);
	char *why = NULL;

	d->loop = loop;
	d->wait_ms = o->wait_ms;
	d->call_ms = o->call_ms;
	d->backoff_ms = BACKOFF_FIRST_MS;
	d->application = o->application == NULL ? NULL : mem_dup(o->application);
	d->info = PQconninfoParse(o->conninfo, &why);
	if (d->info == NULL) {
		db_set_why(d, why != NULL ? why : "the conninfo is wrong");
	} else {
		set_pg_options(d, o->session);
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
	mem_check(uv_prepare_init(loop, &d->turn) == 0 && uv_timer_init(loop, &d->timer) == 0);
	d->handles = 2;
	db_connect_begin(d);
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
	db_lose(d, "this program closed it", 0);
	d->next_try_ms = FOREVER;
	db_expire(d, &d->again, FOREVER, &done);
	db_expire(d, &d->pending, FOREVER, &done);
	if (loop != NULL) {
		uv_close((uv_handle_t *)&d->turn, on_handle_closed);
		uv_close((uv_handle_t *)&d->timer, on_handle_closed);
	}
	op_finish_all(&done);
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

struct db *
db_open(const struct db_options *o, struct err *e)
{
	struct db *d = create(NULL, o);
	int64_t until = clock_mono_ms() + o->wait_ms;

	db_connect_begin(d);
	while (d->state == DB_CONNECTING || (d->state == DB_DOWN && d->next_try_ms < until))
		db_turn(d);
	if (d->state != DB_UP) {
		db_gone(d, e, "cannot connect to the database");
		db_free(d);
		return NULL;
	}
	return d;
}

bool
db_answers(const char *conninfo)
{
	auto_buf info = BUF_INIT;

	buf_addf(&info, "%s connect_timeout=3", conninfo);
	return PQping(buf_str(&info)) == PQPING_OK;
}

/* ---- calls ---- */

static int
check_step(const struct db_step *s, struct err *e)
{
	const struct stmt_info *i = stmt_info(s->s);
	unsigned wanted = i->nparams - i->clock;

	if (s->b.n != wanted)
		return err_set(e, ERR_INTERNAL, "statement %s takes %u parameters, not %u", i->name,
			       wanted, s->b.n);
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
		for (db_flush(d); op->state != OP_DONE; db_flush(d))
			db_turn(d);
		return;
	}
	assert(op->f != NULL);
	if (d->state == DB_UP)
		db_flush_soon(d);
	else
		db_arm_timer(d);
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
		return db_gone(d, e, "the database cannot be reached");
	op_push(&d->pending, op);
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
		db_turn(d);
	while (d->state == DB_UP) {
		struct pollfd p = { .fd = PQsocket(d->conn), .events = POLLIN };

		if (poll(&p, 1, 0) <= 0)
			return;
		db_receive(d);
	}
}

/* Waits for a connection, so that a script after a restart of the server finds one. */
static int
await_up(struct db *d, struct err *e)
{
	int64_t until = clock_mono_ms() + d->wait_ms;

	while (d->state != DB_UP) {
		if (clock_mono_ms() >= until && d->state == DB_DOWN)
			return db_gone(d, e, "the database cannot be reached");
		db_turn(d);
	}
	return 0;
}

static int
script_result(struct db *d, PGresult *r, struct err *e)
{
	int code = 0;

	if (r == NULL || (PQresultStatus(r) == PGRES_FATAL_ERROR && db_is_fatal(r)))
		code = db_gone(d, e, "the connection to the database broke during a script");
	else if (PQresultStatus(r) == PGRES_FATAL_ERROR)
		code = db_set_err(e, "script", r);
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
	code = script_result(d, FAULT(PG_SCRIPT, NULL, PQexec(d->conn, sql)), e);
	if (code == ERR_DB_GONE || PQenterPipelineMode(d->conn) != 1 ||
	    PQsetnonblocking(d->conn, 1) != 0)
		db_lose_by_error(d);
	return code;
}
