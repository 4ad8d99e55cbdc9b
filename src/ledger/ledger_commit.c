/* SPDX-License-Identifier: Apache-2.0
 *
 * The committer: writes what is chained, and learns its outcome.
 */
#include "ledger/ledger_impl.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/fiber_sleep.h"
#include "base/log.h"
#include "base/mem.h"

static uint64_t
statepage_both(const struct ledger *l)
{
	struct statepage_quick q;

	if (!l->o.statepage)
		return 0;
	q = statepage_quick(l->o.statepage);
	return q.both ? q.both_gen + 1 : 0;
}

/* The units are durable: the head moves, the listeners hear of it. */
static void
advance(struct ledger *l, const struct ledger_units *q)
{
	l->head_seq = ledger_units_last_seq(q);
	memcpy(l->head_hash, ledger_units_last_hash(q), sizeof(l->head_hash));
	l->unsure = false;
	l->stats.batches++;
	l->stats.events += q->events;
	if (q->events > l->stats.largest_batch)
		l->stats.largest_batch = q->events;
	ledger_mark_end(l);
	ledger_set_writable(l);
	if (!l->o.on_durable)
		return;
	for (const struct ledger_unit *u = q->first; u; u = u->next)
		for (size_t i = 0; i < u->n; i++)
			l->o.on_durable(l->o.ctx, &u->ev[i]);
}

static void
complete(struct ledger *l, struct ledger_units *q, enum ledger_durability d)
{
	struct ledger_unit *u;

	advance(l, q);
	while ((u = ledger_units_pop(q))) {
		u->durability = d;
		ledger_unit_finish(u, 0);
	}
}

/* The events of the units, to be inserted and applied; names that are taken refuse them. */
static void
step_units(struct ledger *l, struct ledger_steps *steps, const struct ledger_units *q)
{
	struct ledger_item *items = mem_array(q->events, sizeof(*items));
	size_t n = 0;

	for (const struct ledger_unit *u = q->first; u; u = u->next)
		for (size_t i = 0; i < u->n; i++)
			items[n++] = (struct ledger_item){ &u->ev[i], u->hash[i] };
	ledger_step_events(steps, &l->chain, items, n, LEDGER_OWN);
	ledger_step_refusals(steps, &l->chain, items, n);
	free(items);
}

static int
write_db(struct ledger *l, struct fiber *f, const struct ledger_units *q, struct err *e)
{
	struct ledger_steps steps = { 0 };
	int rc;

	step_units(l, &steps, q);
	rc = db_transaction(l->o.writer, f, steps.v, steps.n, NULL, e);
	ledger_steps_done(&steps);
	return rc;
}

enum outcome { COMMITTED, NOT_COMMITTED, FOREIGN_HEAD, UNKNOWN };

/* Where the log stands, seen from the batch. */
static enum outcome
ask(struct ledger *l, struct fiber *f, const struct ledger_units *q, struct err *e)
{
	uint8_t hash[KEYS_HASH_BYTES];
	int64_t seq;

	if (ledger_read_head(l, f, &l->chain, &seq, hash, e))
		return UNKNOWN;
	if (seq == ledger_units_last_seq(q) &&
	    !memcmp(hash, ledger_units_last_hash(q), sizeof(hash)))
		return COMMITTED;
	if (seq == l->head_seq && !memcmp(hash, l->head_hash, sizeof(hash)))
		return NOT_COMMITTED;
	err_set(e, ERR_CHAIN_BROKEN, "the log ends at event %lld, which this node did not write",
		(long long)seq);
	return FOREIGN_HEAD;
}

/* Writes until the outcome is known or the outage is too long. 0: committed. A code that is not the
 * batch's own fault leaves head_known false when the outcome could not be learned. */
static int
write_db_surely(struct ledger *l, struct fiber *f, const struct ledger_units *q, bool *ret_broke,
		struct err *e)
{
	int64_t until = clock_mono_ms() + LEDGER_OUTAGE_MS;
	bool unique;
	int rc;

	for (;;) {
		rc = write_db(l, f, q, e);
		/* A former try that was thought lost may have made it after all. */
		unique = rc == ERR_DB && !strcmp(e->sqlstate, "23505");
		if (rc != ERR_DB_GONE && !(unique && *ret_broke))
			return rc;
		*ret_broke = true;
		for (;;) {
			struct err why = { 0 };
			enum outcome o = ask(l, f, q, &why);

			if (o == COMMITTED)
				return 0;
			if (o == NOT_COMMITTED && unique)
				return rc;
			if (o == NOT_COMMITTED)
				break;
			if (o == FOREIGN_HEAD || l->stopping || clock_mono_ms() > until ||
			    ledger_wanted_mode(l) != l->mode) {
				*e = why;
				l->head_known = false;
				l->unsure |= o != FOREIGN_HEAD;
				return e->code;
			}
			fiber_sleep_ms(l->o.loop, f, 20);
		}
		*e = (struct err){ 0 };
	}
}

static int
write_batch(struct ledger *l, struct fiber *f, const struct ledger_units *q,
	    enum ledger_durability *ret, struct err *e)
{
	uint64_t both = statepage_both(l);
	bool broke = false;
	int rc;

	if (l->mode == WRITES_JOURNAL) {
		*ret = LEDGER_JOURNAL;
		return ledger_journal_write(l, f, q, e);
	}
	rc = write_db_surely(l, f, q, &broke, e);
	*ret = both && !broke && statepage_both(l) == both ? LEDGER_BOTH : LEDGER_LOCAL;
	return rc;
}

/* SQLSTATE class 23 is the caller's to know, and so is a taken name (ledger_step_refusals); the rest of a culprit's faults is ours. */
static void
fail_culprit(struct ledger_unit *u, struct err *e)
{
	if (!strncmp(e->sqlstate, "23", 2) || !strcmp(e->sqlstate, "22012")) {
		e->code = ERR_CONFLICT;
		snprintf(e->text, sizeof(e->text),
			 "it exists already, or what it belongs to has changed or is gone");
	}
	ledger_unit_fail(u, e);
}

static void
fail_log(struct ledger *l, struct ledger_units *q, struct err *e)
{
	ledger_unwritable(l, e);
	ledger_as_unwritable(e);
	ledger_units_fail(q, e);
	if (!l->head_known) {
		ledger_forget_head(l);
		return;
	}
	ledger_rewind(l);
	/* What waits would meet the same. */
	ledger_units_fail(&l->queue, e);
}

/* Somebody else has written where this node's next event belongs: no fault of the unit's. */
static bool
is_foreign_head(struct ledger *l, struct fiber *f, const struct ledger_units *q, struct err *e)
{
	struct err why = { 0 };

	if (l->mode == WRITES_JOURNAL || strcmp(e->sqlstate, "23505") != 0 ||
	    ask(l, f, q, &why) != FOREIGN_HEAD)
		return false;
	*e = why;
	l->head_known = false;
	return true;
}

/* What was written where this node's next event belongs is a try of its own that was thought lost: the units go behind it, once the
 * log was asked again where it ends. */
static bool
met_former_try(struct ledger *l, struct fiber *f, struct ledger_units *q, struct err *e)
{
	if (!l->unsure || (e->code != ERR_CHAIN_BROKEN && !is_foreign_head(l, f, q, e)))
		return false;
	log_notice("an event that was thought lost is in the log: what waits goes behind it");
	l->unsure = false;
	ledger_units_put_before(&l->queue, q);
	ledger_forget_head(l);
	return true;
}

/* One unit by itself, so that only the culprit among several fails. */
static void
commit_alone(struct ledger *l, struct fiber *f, struct ledger_unit *u)
{
	struct ledger_units one = { 0 };
	struct err e = { 0 };
	enum ledger_durability d;

	ledger_units_push(&one, u);
	if (ledger_chain(l, f, &one, l->head_seq, l->head_hash, &e)) {
		ledger_units_fail(&one, &e);
		return;
	}
	if (!write_batch(l, f, &one, &d, &e))
		complete(l, &one, d);
	else if (met_former_try(l, f, &one, &e))
		return;
	else if (ledger_is_culprit(&e) && !is_foreign_head(l, f, &one, &e))
		fail_culprit(ledger_units_pop(&one), &e);
	else
		fail_log(l, &one, &e);
}

static void
commit_each(struct ledger *l, struct fiber *f, struct ledger_units *q)
{
	struct ledger_unit *u;

	while ((u = ledger_units_pop(q))) {
		if (l->head_known && l->stats.writable) {
			commit_alone(l, f, u);
			continue;
		}
		ledger_units_push(&l->queue, u);
	}
	ledger_rewind(l);
}

static void
commit(struct ledger *l, struct fiber *f, struct ledger_units *q)
{
	struct err e = { 0 };
	enum ledger_durability d;
	int rc;

	assert(ledger_units_first_seq(q) == l->head_seq + 1);
	l->commit_began_ms = clock_mono_ms();
	rc = write_batch(l, f, q, &d, &e);
	if (!rc) {
		complete(l, q, d);
	} else if (e.code == ERR_DB && ledger_wanted_mode(l) != l->mode) {
		/* Refused because this is not the primary any more: nothing was written, try in the
		 * new mode. */
		ledger_units_put_before(&l->queue, q);
		ledger_forget_head(l);
	} else if (met_former_try(l, f, q, &e)) {
		/* They wait again. */
	} else if (!ledger_is_culprit(&e) || is_foreign_head(l, f, q, &e)) {
		fail_log(l, q, &e);
	} else if (q->first == q->last) {
		fail_culprit(ledger_units_pop(q), &e);
		ledger_rewind(l);
	} else {
		ledger_rewind(l);
		commit_each(l, f, q);
	}
	l->commit_began_ms = 0;
}

static void
commit_some(struct ledger *l, struct fiber *f)
{
	struct ledger_units got;

	fiber_gate_enter(&l->commit_gate, f);
	if (l->head_known && l->mode != ledger_wanted_mode(l))
		ledger_forget_head(l);
	/* A merge or a rewind may have come while we waited at the gate. */
	got = ledger_units_take(&l->ready);
	if (got.first)
		commit(l, f, &got);
	fiber_gate_leave(&l->commit_gate);
}

void
ledger_run_committer(struct fiber *f, void *arg)
{
	struct ledger *l = arg;

	l->committer.f = f;
	while (!l->stopping) {
		if (l->ready.first)
			commit_some(l, f);
		else
			ledger_worker_wait(&l->committer);
	}
	l->workers--;
}

static int
write_own(struct ledger *l, struct fiber *f, const struct ledger_units *q,
	  struct ledger_steps *with, struct err *e)
{
	struct ledger_steps none = { 0 };
	int rc;

	if (l->mode == WRITES_JOURNAL) {
		assert(!with);
		return ledger_journal_write(l, f, q, e);
	}
	if (!with)
		with = &none;
	step_units(l, with, q);
	rc = db_transaction(l->o.writer, f, with->v, with->n, NULL, e);
	ledger_steps_done(&none);
	if (rc == ERR_DB_GONE) {
		l->head_known = false;
		l->unsure = true;
	}
	return rc;
}

int
ledger_commit_own(struct ledger *l, struct fiber *f, struct event *ev, size_t n,
		  struct ledger_steps *with, struct err *e)
{
	struct ledger_unit u = { .f = f, .ev = ev, .n = n };
	struct ledger_units one = { 0 };
	int rc;

	for (size_t i = 0; i < n; i++)
		if (!ev[i].at_us)
			ev[i].at_us = clock_now_us();
	ledger_units_push(&one, &u);
	l->commit_began_ms = clock_mono_ms();
	rc = ledger_chain(l, f, &one, l->head_seq, l->head_hash, e);
	if (!rc)
		rc = write_own(l, f, &one, with, e);
	if (!rc)
		advance(l, &one);
	l->commit_began_ms = 0;
	ledger_unit_wipe(&u);
	return rc;
}
