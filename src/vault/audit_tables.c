/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/audit_tables.h"

#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "ledger/rebuild.h"
#include "vault/record_lock.h"

#define WORK_MS 1000 /* of one call: clients wait four seconds for an answer */

struct audit_tables {
	struct uuid run;
	struct rebuild *rebuild;
	int64_t asked_ms;
	bool working; /* a fiber is inside */
};

static void
give_up(struct vault *v)
{
	if (!v->audit_tables)
		return;
	rebuild_free(v->audit_tables->rebuild);
	free(v->audit_tables);
	v->audit_tables = NULL;
}

static bool
is_idle(const struct audit_tables *t)
{
	return !t->working && clock_mono_ms() - t->asked_ms > AUDIT_TABLES_IDLE_MS;
}

void
audit_tables_tidy(struct vault *v)
{
	if (v->audit_tables && is_idle(v->audit_tables))
		give_up(v);
}

static bool
is_done(const struct audit_tables *t)
{
	return !t->working && rebuild_result(t->rebuild)->done;
}

static int
begin(struct call *c, const struct uuid *run, struct err *e)
{
	struct vault *v = c->v;
	struct audit_tables *t = v->audit_tables;
	int rc;

	if (vault_serves(v) != SERVES_EVERYONE)
		return err_set(e, ERR_REFUSED,
			       "the tables are compared with the log where they are written, and "
			       "this node is not the primary: run `holdfast audit verify --tables` "
			       "on the primary");
	if (t && uuid_eq(&t->run, run))
		return 0;
	if (t && !is_idle(t) && !is_done(t))
		return err_set(e, ERR_REFUSED,
			       "somebody else has the tables compared right now: try again when "
			       "that is done");
	rc = vault_append(c, EVENT_AUDIT_READ, &(struct uuid){ 0 }, "{\"tables\":true}", e);
	if (rc)
		return rc;
	/* Somebody may have come while that was written. */
	if (v->audit_tables && v->audit_tables != t)
		return err_set(e, ERR_REFUSED,
			       "somebody else has the tables compared right now: try again when "
			       "that is done");
	give_up(v);
	t = mem_new(sizeof(*t));
	*t = (struct audit_tables){ .run = *run,
				    .rebuild =
					    rebuild_take_db(v->connect_rebuild(v->connect_ctx)) };
	v->audit_tables = t;
	return 0;
}

static int
work(struct call *c, struct audit_tables *t, struct err *e)
{
	int64_t until = clock_mono_ms() + WORK_MS;
	int rc = 0;

	t->working = true;
	while (!rc && !rebuild_result(t->rebuild)->done && clock_mono_ms() < until)
		rc = rebuild_step(t->rebuild, c->f, e);
	t->working = false;
	t->asked_ms = clock_mono_ms();
	return rc;
}

/* ---- what it says ---- */

static void
write_columns(struct json_out *out, const char *columns)
{
	json_out_array(out, "columns");
	while (*columns) {
		size_t n = strcspn(columns, " ");
		char one[64];

		text_fit(one, sizeof(one), "%.*s", (int)n, columns);
		json_out_text(out, NULL, one);
		columns += n + (columns[n] == ' ');
	}
	json_out_end_array(out);
}

static void
write_differences(struct json_out *out, const struct rebuild_result *r)
{
	json_out_array(out, "differences");
	for (unsigned i = 0; i < r->ndifferences; i++) {
		const struct rebuild_difference *x = &r->difference[i];

		json_out_object(out, NULL);
		json_out_text(out, "table", x->table);
		json_out_text(out, "id", x->id);
		json_out_bool(out, "in_table", x->held);
		json_out_bool(out, "in_log", x->told);
		write_columns(out, x->columns);
		json_out_end_object(out);
	}
	json_out_end_array(out);
	json_out_bool(out, "more", r->more);
}

static void
write_place(struct json_out *out, const char *name, int64_t n, const struct rebuild_place *p)
{
	if (!n) {
		json_out_null(out, name);
		return;
	}
	json_out_object(out, name);
	json_out_uuid(out, "node", &p->node);
	json_out_int(out, "seq", p->seq);
	json_out_end_object(out);
}

static void
write_result(struct json_out *out, const struct rebuild_result *r)
{
	json_out_object(out, NULL);
	json_out_bool(out, "done", r->done);
	if (r->done)
		json_out_bool(out, "good", r->good);
	else
		json_out_null(out, "good");
	json_out_int(out, "events", r->events);
	json_out_int(out, "applied", r->applied);
	json_out_text(out, "table", r->table);
	write_differences(out, r);
	json_out_int(out, "unproven", r->unproven);
	write_place(out, "first_unproven", r->unproven, &r->first_unproven);
	json_out_int(out, "refused", r->refused);
	write_place(out, "first_refused", r->refused, &r->first_refused);
	json_out_text(out, "why", r->refused ? r->why : NULL);
	json_out_end_object(out);
}

int
audit_tables(struct call *c, const struct uuid *run, struct json_out *out, struct err *e)
{
	auto_record_lock lock = record_lock_take(c->v->record_locks, c->f, run);
	int rc = begin(c, run, e);

	if (!rc)
		rc = work(c, c->v->audit_tables, e);
	if (!rc)
		write_result(out, rebuild_result(c->v->audit_tables->rebuild));
	else if (c->v->audit_tables && uuid_eq(&c->v->audit_tables->run, run))
		give_up(c->v);
	return rc;
}
