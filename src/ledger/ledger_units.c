/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/ledger_impl.h"

#include <stdlib.h>
#include "base/mem.h"

/* ---- lists ---- */

void
ledger_units_push(struct ledger_units *q, struct ledger_unit *u)
{
	u->next = NULL;
	if (q->last)
		q->last->next = u;
	else
		q->first = u;
	q->last = u;
	q->events += u->n;
}

struct ledger_unit *
ledger_units_pop(struct ledger_units *q)
{
	struct ledger_unit *u = q->first;

	if (!u)
		return NULL;
	q->first = u->next;
	if (!q->first)
		q->last = NULL;
	q->events -= u->n;
	return u;
}

/* All of `from` in front of `to`. */
void
ledger_units_put_before(struct ledger_units *to, struct ledger_units *from)
{
	if (!from->first)
		return;
	from->last->next = to->first;
	if (!to->last)
		to->last = from->last;
	to->first = from->first;
	to->events += from->events;
	*from = (struct ledger_units){ 0 };
}

void
ledger_units_append(struct ledger_units *to, struct ledger_units *from)
{
	struct ledger_unit *u;

	while ((u = ledger_units_pop(from)))
		ledger_units_push(to, u);
}

/* At least one unit, and more while they fit. */
struct ledger_units
ledger_units_take(struct ledger_units *from)
{
	struct ledger_units got = { 0 };

	while (from->first && (!got.first || got.events + from->first->n <= LEDGER_BATCH_MAX))
		ledger_units_push(&got, ledger_units_pop(from));
	return got;
}

/* ---- units ---- */

void
ledger_unit_wipe(struct ledger_unit *u)
{
	buf_done(&u->enc);
	free(u->items);
	free(u->hash);
	u->items = NULL;
	u->hash = NULL;
}

/* After this the unit is its owner's again, or gone. */
void
ledger_unit_finish(struct ledger_unit *u, int rc)
{
	u->rc = rc;
	u->done = true;
	ledger_unit_wipe(u);
	if (u->f) {
		fiber_wake(u->f);
		return;
	}
	if (u->busy)
		*u->busy = false;
	if (rc && u->lost)
		*u->lost = true;
	for (size_t i = 0; i < u->n; i++)
		free(UNCONST(char *, u->ev[i].body));
	free(u->ev);
	free(u);
}

void
ledger_unit_fail(struct ledger_unit *u, const struct err *e)
{
	if (u->e)
		*u->e = *e;
	ledger_unit_finish(u, e->code);
}

void
ledger_units_fail(struct ledger_units *q, const struct err *e)
{
	struct ledger_unit *u;

	while ((u = ledger_units_pop(q)))
		ledger_unit_fail(u, e);
}

int64_t
ledger_units_first_seq(const struct ledger_units *q)
{
	return q->first->ev[0].seq;
}

const uint8_t *
ledger_units_last_hash(const struct ledger_units *q)
{
	return q->last->hash[q->last->n - 1];
}

int64_t
ledger_units_last_seq(const struct ledger_units *q)
{
	return q->last->ev[q->last->n - 1].seq;
}
