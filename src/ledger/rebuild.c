/* SPDX-License-Identifier: Apache-2.0
 *
 * Steps: create the temporary tables; apply the log; take a snapshot; apply what came meanwhile; compare table by table.
 */
#include "ledger/rebuild.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "ledger/rebuild_impl.h"

const char rebuild_session[] =
	"-c default_transaction_read_only=on -c synchronous_commit=off -c temp_buffers=8192 "
	"-c plan_cache_mode=force_generic_plan -c jit=off " DB_LOOKUPS;

static const struct derived {
	const char *table;
	enum stmt compare;
} derived[] = {
#define DERIVED(table, compare) { #table, STMT_##compare },
#define UNDERIVED(table, reason)
#define UNTOLD(table, column, reason)
#include "ledger/rebuild.def"
#undef DERIVED
#undef UNDERIVED
#undef UNTOLD
};

static const struct untold {
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

enum phase { MAKE, APPLY, SNAPSHOT, APPLY_REST, COMPARE, DONE };

struct rebuild {
	struct db *db;
	uint64_t generation; /* of the connection that has the tables */
	struct order *order;
	enum phase phase;
	size_t table; /* compared next */
	struct rebuild_result result;
};

struct rebuild *
rebuild_take_db(struct db *d)
{
	struct rebuild *r = mem_new(sizeof(*r));

	r->db = d;
	r->order = order_new();
	return r;
}

void
rebuild_free(struct rebuild *r)
{
	if (!r)
		return;
	order_free(r->order);
	db_free(r->db);
	free(r);
}

const struct rebuild_result *
rebuild_result(const struct rebuild *r)
{
	return &r->result;
}

static int
read_log(struct rebuild *r, struct fiber *f, struct err *e)
{
	return order_read(r->order, (struct order_db){ r->db, f }, &r->result.events, e);
}

/* The connection begins read-only, so this is the one transaction that makes anything. */
static int
make_tables(struct rebuild *r, struct fiber *f, struct err *e)
{
	struct db_step steps[] = { { .s = STMT_REBUILD_OPEN },
				   { .s = STMT_REBUILD_MAKE },
				   { .s = STMT_REBUILD_SEED },
				   { .s = STMT_REBUILD_CLOSE } };
	int rc = db_transaction(r->db, f, steps, ARRAY_LEN(steps), NULL, e);

	r->generation = db_generation(r->db);
	return rc ? rc : read_log(r, f, e);
}

/* ---- applying ---- */

static int
apply_one(struct rebuild *r, struct fiber *f, const struct event *ev, struct err *e)
{
	struct ledger_item item = { ev, NULL };
	struct ledger_steps steps = { 0 };
	int rc;

	ledger_step_applies(&steps, &ev->node, &item, 1, LEDGER_MERGED);
	rc = db_transaction(r->db, f, steps.v, steps.n, NULL, e);
	ledger_steps_done(&steps);
	if (!rc || !ledger_is_culprit(e))
		return rc;
	if (!r->result.refused++) {
		r->result.first_refused = (struct rebuild_place){ ev->node, ev->seq };
		text_copy(r->result.why, sizeof(r->result.why), e->text);
	}
	return 0;
}

/* One by one, because the tables refuse one of them. */
static int
apply_each(struct rebuild *r, struct fiber *f, const struct order_batch *b, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < b->n; i++)
		rc = apply_one(r, f, &b->v[i], e);
	return rc;
}

static void
note_place(struct rebuild_result *r, const struct order_batch *b)
{
	if (b->unproven && !r->unproven++)
		r->first_unproven = b->placed;
}

/* *ret_more: there may be more. rest: within the snapshot, where what is refused ends it all. */
static int
apply_some(struct rebuild *r, struct fiber *f, bool rest, bool *ret_more, struct err *e)
{
	struct order_batch b = { 0 };
	int rc = order_next(r->order, (struct order_db){ r->db, f }, &b, e);

	if (!rc && b.steps.n)
		rc = db_transaction(r->db, f, b.steps.v, b.steps.n, NULL, e);
	if (rc && !rest && ledger_is_culprit(e))
		rc = apply_each(r, f, &b, e);
	*ret_more = b.taken > 0;
	r->result.applied += b.taken;
	note_place(&r->result, &b);
	order_batch_done(&b);
	return rc;
}

static int
take_snapshot(struct rebuild *r, struct fiber *f, struct err *e)
{
	int rc = db_exec(r->db, f, STMT_REBUILD_SNAPSHOT, NULL, NULL, e);

	return rc ? rc : read_log(r, f, e);
}

/* ---- comparing ---- */

static void
bind_comparison(struct binds *b, const struct derived *d)
{
	bind_array_begin(b, STMT_TEXT);
	for (size_t i = 0; i < ARRAY_LEN(untold); i++) {
		if (!strcmp(untold[i].table, d->table))
			bind_elem_text(b, untold[i].column);
	}
	bind_array_end(b);
	bind_int(b, REBUILD_DIFFERENCES_MAX + 1);
}

static void
note_difference(struct rebuild_result *r, const struct derived *d, const struct rows *rows, int i)
{
	struct rebuild_difference *x = &r->difference[r->ndifferences];

	r->more = r->ndifferences == REBUILD_DIFFERENCES_MAX;
	if (r->more)
		return;
	r->ndifferences++;
	x->table = d->table;
	x->held = row_bool(rows, i, COL_DIFFERING_HELD);
	x->told = row_bool(rows, i, COL_DIFFERING_TOLD);
	text_copy(x->id, sizeof(x->id), row_text(rows, i, COL_DIFFERING_ID));
	text_copy(x->columns, sizeof(x->columns), row_text(rows, i, COL_DIFFERING_PLACES));
}

static int
compare(struct rebuild *r, struct fiber *f, const struct derived *d, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;
	int rc;

	bind_comparison(&b, d);
	rc = db_exec(r->db, f, d->compare, &b, &rows, e);
	for (int i = 0; !rc && i < rows_count(rows) && !r->result.more; i++)
		note_difference(&r->result, d, rows, i);
	return rc;
}

static int
compare_next(struct rebuild *r, struct fiber *f, struct err *e)
{
	int rc = compare(r, f, &derived[r->table], e);

	if (!rc && ++r->table == ARRAY_LEN(derived))
		r->phase = DONE;
	return rc;
}

static void
conclude(struct rebuild *r)
{
	struct rebuild_result *x = &r->result;

	x->table = r->phase == COMPARE ? derived[r->table].table : NULL;
	x->done = r->phase == DONE;
	x->good = x->done && !x->ndifferences && !x->refused;
}

static int
do_phase(struct rebuild *r, struct fiber *f, struct err *e)
{
	bool more = false;
	int rc = 0;

	switch (r->phase) {
	case MAKE:
		rc = make_tables(r, f, e);
		break;
	case APPLY:
	case APPLY_REST:
		rc = apply_some(r, f, r->phase == APPLY_REST, &more, e);
		break;
	case SNAPSHOT:
		rc = take_snapshot(r, f, e);
		break;
	case COMPARE:
		return compare_next(r, f, e);
	case DONE:
		return 0;
	}
	if (!rc && !more)
		r->phase++;
	return rc;
}

int
rebuild_step(struct rebuild *r, struct fiber *f, struct err *e)
{
	int rc = do_phase(r, f, e);

	/* On another connection the same names would mean the real tables. */
	if (!rc && db_generation(r->db) != r->generation)
		rc = err_set(e, ERR_DB_GONE,
			     "the connection to the database was lost; run it again");
	conclude(r);
	return rc;
}
