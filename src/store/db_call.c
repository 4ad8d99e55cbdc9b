/* SPDX-License-Identifier: Apache-2.0
 *
 * The queue of results that libpq owes us, and the end of a call.
 */
#include "store/db_impl.h"

#include <string.h>
#include "base/mem.h"

void
flight_grow(struct db *d)
{
	size_t cap = d->cap == 0 ? 64 : d->cap * 2;
	struct flight *n = mem_array(cap, sizeof *n);

	for (size_t i = 0; i < d->count; i++)
		n[i] = *flight_at(d, i);
	free(d->flights);
	d->flights = n;
	d->first = 0;
	d->cap = cap;
}

void
op_drop_rows(struct op *op)
{
	if (op->ret_rows == NULL)
		return;
	for (size_t i = 0; i < op->n; i++) {
		rows_free(op->ret_rows[i]);
		op->ret_rows[i] = NULL;
	}
}

/* The op lies on its fiber's stack: not to be touched after this. */
void
op_finish(struct op *op)
{
	struct fiber *f = op->f;

	if (op->code != 0)
		op_drop_rows(op);
	op->state = OP_DONE;
	if (f != NULL)
		fiber_wake(f);
}

void
op_finish_all(struct op_list *l)
{
	struct op *op;

	while ((op = op_pop(l)) != NULL)
		op_finish(op);
}
