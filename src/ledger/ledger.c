/* SPDX-License-Identifier: Apache-2.0
 *
 * The queue, and whether the log can be written. ledger_impl.h has the invariants.
 */
#include "ledger/ledger_impl.h"

#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/fiber_sleep.h"
#include "base/json_out.h"
#include "base/log.h"
#include "base/mem.h"

/* ---- workers ---- */

void
ledger_worker_wait(struct ledger_worker *w)
{
	w->idle = true;
	while (w->idle)
		fiber_sleep(w->f);
}

void
ledger_worker_wake(struct ledger_worker *w)
{
	if (!w->idle)
		return;
	w->idle = false;
	fiber_wake(w->f);
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

void
ledger_rewind(struct ledger *l)
{
	l->epoch++;
	ledger_units_put_before(&l->queue, &l->ready);
	l->tail_seq = l->head_seq;
	memcpy(l->tail_hash, l->head_hash, sizeof(l->tail_hash));
	if (l->queue.first)
		ledger_worker_wake(&l->chainer);
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
	ledger_units_push(&l->queue, u);
	ledger_worker_wake(&l->chainer);
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

void
ledger_unwritable(struct ledger *l, const struct err *e)
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

void
ledger_set_writable(struct ledger *l)
{
	if (l->stats.writable)
		return;
	l->stats.writable = true;
	l->stats.why[0] = '\0';
	uv_timer_stop(&l->probe_timer);
	log_notice("the audit log can be written again");
}

/* What a caller is told of a failure that is the log's. */
void
ledger_as_unwritable(struct err *e)
{
	if (e->code == ERR_NOT_SERVING || e->code == ERR_KEYS_UNAVAILABLE)
		return;
	e->code = ERR_LOG_UNWRITABLE;
}

/* ---- the public side ---- */

struct ledger *
ledger_new(const struct ledger_options *o)
{
	struct ledger *l = mem_new(sizeof(*l));

	l->o = *o;
	l->chain = o->node;
	l->journal_path = mem_dup(o->journal_path);
	l->run = mem_dup(o->run ? o->run : "");
	l->stats.writable = true;
	uv_timer_init(o->loop, &l->probe_timer);
	l->probe_timer.data = l;
	l->workers = 3;
	mem_check(fiber_start(o->fibers, ledger_run_chainer, l) &&
		  fiber_start(o->fibers, ledger_run_committer, l) &&
		  fiber_start(o->fibers, ledger_run_marker, l));
	return l;
}

static void
on_closed(uv_handle_t *h)
{
	struct ledger *l = h->data;

	/* A worker that still waits for the database or keyd keeps the ledger: the process ends with it. */
	if (l->workers)
		return;
	ledger_journals_close(l);
	free(l->journal_path);
	free(l->run);
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
	err_set(&e, ERR_NOT_SERVING, "the service is stopping");
	ledger_units_fail(&l->queue, &e);
	ledger_units_fail(&l->ready, &e);
	ledger_worker_wake(&l->chainer);
	ledger_worker_wake(&l->committer);
	ledger_worker_wake(&l->marker);
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
ledger_head(const struct ledger *l, struct uuid *ret_chain, int64_t *ret_seq,
	    uint8_t ret_hash[static KEYS_HASH_BYTES])
{
	if (!l->head_known)
		return false;
	*ret_chain = l->chain;
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
