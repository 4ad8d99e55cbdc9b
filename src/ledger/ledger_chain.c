/* SPDX-License-Identifier: Apache-2.0
 *
 * The chainer: numbers and chains what waits.
 */
#include "ledger/ledger_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/fiber_sleep.h"
#include "base/mem.h"

/* Numbers the unit's events from seq + 1 on and makes their canonical bytes. */
static void
encode(struct ledger *l, struct ledger_unit *u, int64_t seq)
{
	size_t at = 0;

	assert(u->n > 0);
	if (!u->items) {
		u->items = mem_array(u->n, sizeof(*u->items));
		u->hash = mem_array(u->n, sizeof(*u->hash));
	}
	buf_reset(&u->enc);
	for (size_t i = 0; i < u->n; i++) {
		u->ev[i].node = l->chain;
		u->ev[i].seq = ++seq;
		event_encode(&u->ev[i], &u->enc);
		u->items[i].iov_len = u->enc.len - at;
		at = u->enc.len;
	}
	at = 0;
	for (size_t i = 0; i < u->n; i++) {
		u->items[i].iov_base = u->enc.data + at;
		at += u->items[i].iov_len;
	}
}

/* Chains the units onto (seq, hash), with one request to keyd. */
int
ledger_chain(struct ledger *l, struct fiber *f, struct ledger_units *q, int64_t seq,
	     const uint8_t hash[static KEYS_HASH_BYTES], struct err *e)
{
	uint8_t prev[KEYS_HASH_BYTES], (*out)[KEYS_HASH_BYTES];
	struct iovec *items;
	size_t at = 0;
	int rc;

	memcpy(prev, hash, sizeof(prev));
	for (struct ledger_unit *u = q->first; u; u = u->next) {
		encode(l, u, seq);
		seq += (int64_t)u->n;
	}
	if (q->first == q->last)
		return keys_chain(l->o.keys, f, prev, q->first->items, q->first->n, q->first->hash,
				  e);
	items = mem_array(q->events, sizeof(*items));
	out = mem_array(q->events, sizeof(*out));
	for (struct ledger_unit *u = q->first; u; at += u->n, u = u->next)
		memcpy(items + at, u->items, u->n * sizeof(*items));
	rc = keys_chain(l->o.keys, f, prev, items, q->events, out, e);
	at = 0;
	for (struct ledger_unit *u = q->first; u && !rc; at += u->n, u = u->next)
		memcpy(u->hash, out + at, u->n * sizeof(*out));
	free(items);
	free(out);
	return rc;
}

/* A node that is alone has nobody to ask. */
static enum chain_end
end_of_chain(const struct ledger *l)
{
	if (!l->o.statepage || statepage_state(l->o.statepage) == HA_SINGLE)
		return CHAIN_END_PROVED;
	return statepage_quick(l->o.statepage).chain_end;
}

static int
know_head(struct ledger *l, struct fiber *f, struct err *e)
{
	enum state_writes wanted = ledger_wanted_mode(l);
	enum chain_end end = end_of_chain(l);
	int rc;

	if (wanted == WRITES_NOWHERE)
		return err_set(e, ERR_NOT_SERVING,
			       "this node is fenced: nothing may be written here");
	l->proved = end == CHAIN_END_PROVED || (l->proved && end != CHAIN_END_CLOSED);
	if (l->head_known && l->mode == wanted && (ledger_own_chain(l) || !l->proved))
		return 0;
	/* The committer may still be writing in the old mode. */
	fiber_gate_enter(&l->commit_gate, f);
	l->head_known = false;
	l->mode = wanted;
	rc = ledger_learn_head(l, f, e);
	if (!rc) {
		l->head_known = l->seen_stale = true;
		ledger_rewind(l);
	}
	fiber_gate_leave(&l->commit_gate);
	return rc;
}

static bool
has_changes(const struct ledger_units *q)
{
	for (const struct ledger_unit *u = q->first; u; u = u->next) {
		if (ledger_changes(u->ev, u->n))
			return true;
	}
	return false;
}

/* Names the ends of the other chains in front of what waits. */
static void
name_others(struct ledger *l, struct fiber *f)
{
	struct ledger_units own = { 0 };
	struct event *ev;
	size_t n;

	if (!ledger_may_see(l) || !has_changes(&l->queue))
		return;
	n = ledger_unseen(l, f, &ev);
	if (!n)
		return;
	for (size_t i = 0; i < n; i++)
		ev[i].at_us = clock_now_us();
	struct ledger_unit *u = mem_new(sizeof(*u));
	*u = (struct ledger_unit){ .ev = ev, .n = n, .lost = &l->seen_stale };
	ledger_units_push(&own, u);
	ledger_units_put_before(&l->queue, &own);
}

static void
chain_some(struct ledger *l, struct fiber *f)
{
	struct err e = { 0 };
	struct ledger_units got;
	uint64_t epoch;

	if (know_head(l, f, &e)) {
		if (e.code != ERR_NOT_SERVING && e.code != ERR_KEYS_UNAVAILABLE)
			ledger_unwritable(l, &e);
		ledger_as_unwritable(&e);
		ledger_units_fail(&l->queue, &e);
		return;
	}
	name_others(l, f);
	/* The head may have been forgotten while the others were looked at. */
	if (!l->head_known)
		return;
	got = ledger_units_take(&l->queue);
	if (!got.first)
		return;
	epoch = l->epoch;
	if (ledger_chain(l, f, &got, l->tail_seq, l->tail_hash, &e)) {
		ledger_units_fail(&got, &e);
		return;
	}
	if (epoch != l->epoch || !l->head_known) {
		ledger_units_put_before(&l->queue, &got);
		return;
	}
	l->tail_seq = ledger_units_last_seq(&got);
	memcpy(l->tail_hash, ledger_units_last_hash(&got), sizeof(l->tail_hash));
	ledger_units_append(&l->ready, &got);
	ledger_worker_wake(&l->committer);
}

/* Who does not know yet whether its chain ends where it says waits: its disk may have been put back, and the number be taken. A
 * secondary that stands by until the primary was asked, a primary until the others were; in emergency nothing waits. */
static bool
awaits_end(struct ledger *l)
{
	const struct state_row *s = state_row(statepage_state(l->o.statepage));
	enum chain_end end = end_of_chain(l);
	int64_t now = clock_mono_ms();

	if (l->proved || end == CHAIN_END_PROVED)
		return false;
	if (s->writes == WRITES_JOURNAL)
		return s->outage == OUTAGE_OVER && end != CHAIN_END_CLOSED;
	if (s->writes != WRITES_DATABASE || end != CHAIN_END_ASKED)
		return false;
	if (!l->asked_ms)
		l->asked_ms = now;
	return now - l->asked_ms < LEDGER_ASK_MS;
}

void
ledger_run_chainer(struct fiber *f, void *arg)
{
	struct ledger *l = arg;

	l->chainer.f = f;
	while (!l->stopping) {
		if (l->queue.first && awaits_end(l))
			fiber_sleep_ms(l->o.loop, f, LEDGER_AWAIT_MS);
		else if (l->queue.first)
			chain_some(l, f);
		else
			ledger_worker_wait(&l->chainer);
	}
	l->workers--;
}
