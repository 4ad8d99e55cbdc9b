/* SPDX-License-Identifier: Apache-2.0
 *
 * The queue, the two fibers that work it off, and the outcome of a write. ledger_impl.h has the
 * invariants.
 */
#include "ledger/ledger_impl.h"
#include "base/mem.h"
#include "base/fiber_sleep.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/json_out.h"
#include "base/log.h"

/* ---- lists ---- */

static void
push(struct ledger_units *q, struct ledger_unit *u)
{
	u->next = NULL;
	if (q->last)
		q->last->next = u;
	else
		q->first = u;
	q->last = u;
	q->events += u->n;
}

static struct ledger_unit *
pop(struct ledger_units *q)
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
static void
put_before(struct ledger_units *to, struct ledger_units *from)
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

static void
append_all(struct ledger_units *to, struct ledger_units *from)
{
	struct ledger_unit *u;

	while ((u = pop(from)))
		push(to, u);
}

/* At least one unit, and more while they fit. */
static struct ledger_units
take(struct ledger_units *from)
{
	struct ledger_units got = { 0 };

	while (from->first && (!got.first || got.events + from->first->n <= LEDGER_BATCH_MAX))
		push(&got, pop(from));
	return got;
}

/* ---- workers ---- */

static void
worker_wait(struct ledger_worker *w)
{
	w->idle = true;
	while (w->idle)
		fiber_sleep(w->f);
}

static void
worker_wake(struct ledger_worker *w)
{
	if (!w->idle)
		return;
	w->idle = false;
	fiber_wake(w->f);
}

/* ---- units ---- */

static void
unit_wipe(struct ledger_unit *u)
{
	buf_done(&u->enc);
	free(u->items);
	free(u->hash);
	u->items = NULL;
	u->hash = NULL;
}

/* After this the unit is its owner's again, or gone. */
static void
finish(struct ledger_unit *u, int rc)
{
	u->rc = rc;
	u->done = true;
	unit_wipe(u);
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

static void
fail(struct ledger_unit *u, const struct err *e)
{
	if (u->e)
		*u->e = *e;
	finish(u, e->code);
}

static void
fail_all(struct ledger_units *q, const struct err *e)
{
	struct ledger_unit *u;

	while ((u = pop(q)))
		fail(u, e);
}

static int64_t
first_seq(const struct ledger_units *q)
{
	return q->first->ev[0].seq;
}

static const uint8_t *
last_hash(const struct ledger_units *q)
{
	return q->last->hash[q->last->n - 1];
}

static int64_t
last_seq(const struct ledger_units *q)
{
	return q->last->ev[q->last->n - 1].seq;
}

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
		u->ev[i].node = l->o.node;
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
static int
chain(struct ledger *l, struct fiber *f, struct ledger_units *q, int64_t seq,
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

/* ---- head and mode ---- */

enum state_writes
ledger_wanted_mode(const struct ledger *l)
{
	return state_row(statepage_state(l->o.statepage))->writes;
}

bool
ledger_journals(const struct ledger *l)
{
	return ledger_wanted_mode(l) == WRITES_JOURNAL;
}

bool
ledger_wrote_journal(const struct ledger *l)
{
	return l->mode == WRITES_JOURNAL;
}

static uint64_t
statepage_both(const struct ledger *l)
{
	struct statepage_quick q;

	if (!l->o.statepage)
		return 0;
	q = statepage_quick(l->o.statepage);
	return q.both ? q.both_gen + 1 : 0;
}

void
ledger_rewind(struct ledger *l)
{
	l->epoch++;
	put_before(&l->queue, &l->ready);
	l->tail_seq = l->head_seq;
	memcpy(l->tail_hash, l->head_hash, sizeof(l->tail_hash));
	if (l->queue.first)
		worker_wake(&l->chainer);
}

void
ledger_forget_head(struct ledger *l)
{
	l->head_known = false;
	ledger_rewind(l);
}

/* ---- writable or not ---- */

static void
enqueue(struct ledger *l, struct ledger_unit *u)
{
	int64_t now = clock_now_us();

	for (size_t i = 0; i < u->n; i++)
		if (!u->ev[i].at_us)
			u->ev[i].at_us = now;
	push(&l->queue, u);
	worker_wake(&l->chainer);
}

/* An event of the ledger's own, by which it finds out whether the log can be written again; nobody
 * waits for it. */
static void
post_probe(struct ledger *l, const char *body)
{
	struct ledger_unit *u = mem_new(sizeof(*u));
	struct event *ev = mem_new(sizeof(*ev));

	ev->kind = EVENT_LOG_RECOVERED;
	ev->address = "";
	ev->body = mem_dup(body);
	u->ev = ev;
	u->n = 1;
	u->busy = &l->probing;
	enqueue(l, u);
}

static void
on_probe(uv_timer_t *t)
{
	struct ledger *l = t->data;
	auto_buf body = BUF_INIT;
	struct json_out w;

	if (l->probing || l->stopping)
		return;
	l->probing = true;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_time(&w, "since", l->unwritable_since_us);
	json_out_text(&w, "why", l->stats.why);
	json_out_end_object(&w);
	post_probe(l, buf_str(&body));
}

static void
unwritable(struct ledger *l, const struct err *e)
{
	l->stats.failures++;
	text_fit(l->stats.why, sizeof(l->stats.why), "%s", e->text);
	if (!l->stats.writable || l->stopping)
		return;
	l->stats.writable = false;
	l->unwritable_since_us = clock_now_us();
	log_error("the audit log cannot be written, so nothing is revealed or changed: %s",
		  e->text);
	uv_timer_start(&l->probe_timer, on_probe, LEDGER_PROBE_MS, LEDGER_PROBE_MS);
}

static void
set_writable(struct ledger *l)
{
	if (l->stats.writable)
		return;
	l->stats.writable = true;
	l->stats.why[0] = '\0';
	uv_timer_stop(&l->probe_timer);
	log_notice("the audit log can be written again");
}

/* What a caller is told of a failure that is the log's. */
static void
as_unwritable(struct err *e)
{
	if (e->code == ERR_NOT_SERVING || e->code == ERR_KEYS_UNAVAILABLE)
		return;
	e->code = ERR_LOG_UNWRITABLE;
}

/* ---- the chainer ---- */

static int
know_head(struct ledger *l, struct fiber *f, struct err *e)
{
	enum state_writes wanted = ledger_wanted_mode(l);
	int rc;

	if (wanted == WRITES_NOWHERE)
		return err_set(e, ERR_NOT_SERVING,
			       "this node is fenced: nothing may be written here");
	if (l->head_known && l->mode == wanted)
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
	push(&own, u);
	put_before(&l->queue, &own);
}

static void
chain_some(struct ledger *l, struct fiber *f)
{
	struct err e = { 0 };
	struct ledger_units got;
	uint64_t epoch;

	if (know_head(l, f, &e)) {
		if (e.code != ERR_NOT_SERVING && e.code != ERR_KEYS_UNAVAILABLE)
			unwritable(l, &e);
		as_unwritable(&e);
		fail_all(&l->queue, &e);
		return;
	}
	name_others(l, f);
	/* The head may have been forgotten while the others were looked at. */
	if (!l->head_known)
		return;
	got = take(&l->queue);
	if (!got.first)
		return;
	epoch = l->epoch;
	if (chain(l, f, &got, l->tail_seq, l->tail_hash, &e)) {
		fail_all(&got, &e);
		return;
	}
	if (epoch != l->epoch || !l->head_known) {
		put_before(&l->queue, &got);
		return;
	}
	l->tail_seq = last_seq(&got);
	memcpy(l->tail_hash, last_hash(&got), sizeof(l->tail_hash));
	append_all(&l->ready, &got);
	worker_wake(&l->committer);
}

/* A secondary that stands by and does not know yet whether its chain ends where it says writes nothing: its disk may have been put
 * back, and the number be taken. In emergency nothing waits. */
static bool
awaits_end(const struct ledger *l)
{
	if (!l->o.statepage)
		return false;
	struct statepage_quick q = statepage_quick(l->o.statepage);
	const struct state_row *s = state_row(q.state);

	return s->writes == WRITES_JOURNAL && s->outage == OUTAGE_OVER && !q.end_known;
}

static void
run_chainer(struct fiber *f, void *arg)
{
	struct ledger *l = arg;

	l->chainer.f = f;
	while (!l->stopping) {
		if (l->queue.first && awaits_end(l))
			fiber_sleep_ms(l->o.loop, f, LEDGER_AWAIT_MS);
		else if (l->queue.first)
			chain_some(l, f);
		else
			worker_wait(&l->chainer);
	}
	l->workers--;
}

/* ---- the committer ---- */

/* The units are durable: the head moves, the listeners hear of it. */
static void
advance(struct ledger *l, const struct ledger_units *q)
{
	l->head_seq = last_seq(q);
	memcpy(l->head_hash, last_hash(q), sizeof(l->head_hash));
	l->stats.batches++;
	l->stats.events += q->events;
	if (q->events > l->stats.largest_batch)
		l->stats.largest_batch = q->events;
	ledger_write_chain_head(l);
	set_writable(l);
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
	while ((u = pop(q))) {
		u->durability = d;
		finish(u, 0);
	}
}

/* The events of the units, to be inserted and applied. */
static void
step_units(struct ledger *l, struct ledger_steps *steps, const struct ledger_units *q)
{
	struct ledger_item *items = mem_array(q->events, sizeof(*items));
	size_t n = 0;

	for (const struct ledger_unit *u = q->first; u; u = u->next)
		for (size_t i = 0; i < u->n; i++)
			items[n++] = (struct ledger_item){ &u->ev[i], u->hash[i] };
	ledger_step_events(steps, &l->o.node, items, n, true);
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

	if (ledger_read_head(l, f, &l->o.node, &seq, hash, e))
		return UNKNOWN;
	if (seq == last_seq(q) && !memcmp(hash, last_hash(q), sizeof(hash)))
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

/* SQLSTATE class 23 is the caller's to know; the rest of a culprit's faults is ours. */
static void
fail_culprit(struct ledger_unit *u, struct err *e)
{
	if (!strncmp(e->sqlstate, "23", 2)) {
		e->code = ERR_CONFLICT;
		snprintf(e->text, sizeof(e->text),
			 "it exists already, or what it belongs to has changed or is gone");
	}
	fail(u, e);
}

static void
fail_log(struct ledger *l, struct ledger_units *q, struct err *e)
{
	unwritable(l, e);
	as_unwritable(e);
	fail_all(q, e);
	if (!l->head_known) {
		ledger_forget_head(l);
		return;
	}
	ledger_rewind(l);
	/* What waits would meet the same. */
	fail_all(&l->queue, e);
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

/* One unit by itself, so that only the culprit among several fails. */
static void
commit_alone(struct ledger *l, struct fiber *f, struct ledger_unit *u)
{
	struct ledger_units one = { 0 };
	struct err e = { 0 };
	enum ledger_durability d;

	push(&one, u);
	if (chain(l, f, &one, l->head_seq, l->head_hash, &e)) {
		fail_all(&one, &e);
		return;
	}
	if (!write_batch(l, f, &one, &d, &e))
		complete(l, &one, d);
	else if (ledger_is_culprit(&e) && !is_foreign_head(l, f, &one, &e))
		fail_culprit(pop(&one), &e);
	else
		fail_log(l, &one, &e);
}

static void
commit_each(struct ledger *l, struct fiber *f, struct ledger_units *q)
{
	struct ledger_unit *u;

	while ((u = pop(q))) {
		if (l->head_known && l->stats.writable) {
			commit_alone(l, f, u);
			continue;
		}
		push(&l->queue, u);
	}
	ledger_rewind(l);
}

static void
commit(struct ledger *l, struct fiber *f, struct ledger_units *q)
{
	struct err e = { 0 };
	enum ledger_durability d;
	int rc;

	assert(first_seq(q) == l->head_seq + 1);
	l->commit_began_ms = clock_mono_ms();
	rc = write_batch(l, f, q, &d, &e);
	if (!rc) {
		complete(l, q, d);
	} else if (e.code == ERR_DB && ledger_wanted_mode(l) != l->mode) {
		/* Refused because this is not the primary any more: nothing was written, try in the
		 * new mode. */
		put_before(&l->queue, q);
		ledger_forget_head(l);
	} else if (!ledger_is_culprit(&e) || is_foreign_head(l, f, q, &e)) {
		fail_log(l, q, &e);
	} else if (q->first == q->last) {
		fail_culprit(pop(q), &e);
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
	got = take(&l->ready);
	if (got.first)
		commit(l, f, &got);
	fiber_gate_leave(&l->commit_gate);
}

static void
run_committer(struct fiber *f, void *arg)
{
	struct ledger *l = arg;

	l->committer.f = f;
	while (!l->stopping) {
		if (l->ready.first)
			commit_some(l, f);
		else
			worker_wait(&l->committer);
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
	if (rc == ERR_DB_GONE)
		l->head_known = false;
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
	push(&one, &u);
	l->commit_began_ms = clock_mono_ms();
	rc = chain(l, f, &one, l->head_seq, l->head_hash, e);
	if (!rc)
		rc = write_own(l, f, &one, with, e);
	if (!rc)
		advance(l, &one);
	l->commit_began_ms = 0;
	unit_wipe(&u);
	return rc;
}

/* ---- the public side ---- */

int
ledger_new(const struct ledger_options *o, struct ledger **ret, struct err *e)
{
	struct ledger *l = mem_new(sizeof(*l));

	l->o = *o;
	l->journal_path = mem_dup(o->journal_path);
	l->stats.writable = true;
	l->chain_head_fd = -1;
	if (o->chain_head_path) {
		l->chain_head_fd = open(o->chain_head_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (l->chain_head_fd < 0) {
			err_errno(e, ERR_IO, "cannot open %s", o->chain_head_path);
			free(l->journal_path);
			free(l);
			return ERR_IO;
		}
	}
	uv_timer_init(o->loop, &l->probe_timer);
	uv_timer_init(o->loop, &l->sync_timer);
	l->probe_timer.data = l->sync_timer.data = l;
	l->workers = 2;
	mem_check(fiber_start(o->fibers, run_chainer, l) &&
		  fiber_start(o->fibers, run_committer, l));
	*ret = l;
	return 0;
}

static void
on_closed(uv_handle_t *h)
{
	struct ledger *l = h->data;

	/* A worker that still waits for the database or keyd keeps the ledger, and so does a disk: the process
	 * ends with it. */
	if (h == (uv_handle_t *)&l->probe_timer) {
		uv_close((uv_handle_t *)&l->sync_timer, on_closed);
		return;
	}
	if (l->workers || l->chain_head_syncing)
		return;
	if (l->chain_head_fd >= 0) {
		fdatasync(l->chain_head_fd);
		close(l->chain_head_fd);
	}
	journal_free(l->journal);
	free(l->journal_path);
	free(l);
}

void
ledger_free(struct ledger *l)
{
	struct err e = { 0 };

	if (!l)
		return;
	l->stopping = true;
	uv_timer_stop(&l->probe_timer);
	uv_timer_stop(&l->sync_timer);
	err_set(&e, ERR_NOT_SERVING, "the service is stopping");
	fail_all(&l->queue, &e);
	fail_all(&l->ready, &e);
	worker_wake(&l->chainer);
	worker_wake(&l->committer);
	uv_close((uv_handle_t *)&l->probe_timer, on_closed);
}

static int
check_events(const struct event *ev, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		if (!event_name(ev[i].kind))
			return err_set(e, ERR_INTERNAL, "event kind %d is not in the list",
				       (int)ev[i].kind);
		if (strlen(ev[i].address) > EVENT_ADDRESS_MAX ||
		    strlen(ev[i].body) > EVENT_BODY_MAX)
			return err_set(e, ERR_TOO_LARGE, "what is to be logged is too long (%s)",
				       event_name(ev[i].kind));
	}
	return 0;
}

int
ledger_append(struct ledger *l, struct fiber *f, struct event *ev, size_t n,
	      enum ledger_durability *ret_durability, struct err *e)
{
	struct ledger_unit u = { .f = f, .ev = ev, .n = n, .e = e };
	int rc = check_events(ev, n, e);

	if (rc || !n)
		return rc;
	if (l->stopping)
		return err_set(e, ERR_NOT_SERVING, "the service is stopping");
	if (!l->stats.writable)
		return err_set(e, ERR_LOG_UNWRITABLE, "the audit log cannot be written: %s",
			       l->stats.why);
	enqueue(l, &u);
	while (!u.done)
		fiber_sleep(f);
	if (!u.rc && ret_durability)
		*ret_durability = u.durability;
	return u.rc;
}

bool
ledger_is_sure(const struct ledger *l, uint64_t *ret_epoch)
{
	*ret_epoch = l->epoch;
	return l->head_known && l->mode == WRITES_DATABASE && ledger_wanted_mode(l) == l->mode;
}

bool
ledger_head(const struct ledger *l, int64_t *ret_seq, uint8_t ret_hash[static KEYS_HASH_BYTES])
{
	if (!l->head_known)
		return false;
	*ret_seq = l->head_seq;
	memcpy(ret_hash, l->head_hash, KEYS_HASH_BYTES);
	return true;
}

void
ledger_stats(const struct ledger *l, struct ledger_stats *ret)
{
	*ret = l->stats;
	ret->oldest_wait_ms = l->commit_began_ms ? clock_mono_ms() - l->commit_began_ms : 0;
}
