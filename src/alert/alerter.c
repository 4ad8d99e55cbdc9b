/* SPDX-License-Identifier: Apache-2.0
 *
 *   loop ──notes──► writer ──outbox──► sender webhook, sender syslog, sender smtp
 *
 *  A1  The lock guards memory only and is never held while waiting for a disk or a network.
 *  A2  A note leaves the queue when the outbox has it, or if it is not news.
 *  A3  The value seen and the alert are written in one transaction: if killed before it, the next
 *      agent's first note repeats the news.
 *  A4  Only the writer opens the outbox first: it alone may move a damaged one aside.
 */
#include "alert/alerter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "alert/receiver.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/worker.h"
#include "store/outbox.h"

#define NOTES_MAX 1000 /* in memory, while the disk takes nothing */
#define DISK_RETRY_MS 1000
#define FIRST_DELAY_MS 1000
#define LAST_DELAY_MS 300000

struct queued {
	struct queued *next;
	struct alerter_note note;
};

struct alerter {
	struct worker
		worker; /* the writer, and a sender for each receiver; they end with the process */
	char path[HOME_PATH_MAX], source[256];
	struct settings settings;
	unsigned generation; /* of the settings */
	struct queued *first, *last;
	unsigned queued_n;
	bool opened;   /* the outbox is there and good */
	uint64_t turn; /* grows when something was put into the outbox */
	int64_t waiting;
	char failure[RECEIVER_COUNT][160];
};

/* ---- small things ---- */

static void
drop_first(struct alerter *al)
{
	struct queued *q = al->first;

	al->first = q->next;
	if (!al->first)
		al->last = NULL;
	al->queued_n--;
	free(q);
}

static void
count_waiting(struct alerter *al, struct outbox *o)
{
	struct err ignored;
	int64_t n = 0;

	if (outbox_count(o, &n, &ignored))
		return;
	worker_lock(&al->worker);
	al->waiting = n;
	worker_unlock(&al->worker);
}

static void
fill_out(const struct alerter *al, const struct alert *a, struct buf *body, struct alert_out *ret)
{
	alert_body(a, body);
	*ret = (struct alert_out){ .id = a->id,
				   .at_us = a->at_us,
				   .source = al->source,
				   .type = alert_type_name(a->type),
				   .text = a->text,
				   .body = buf_str(body) };
}

/* ---- the writer ---- */

struct writer {
	struct alerter *al;
	struct outbox *outbox;
	struct settings settings;
	unsigned generation;
	bool complained;
	int64_t retry_ms; /* the disk took nothing: not before then */
	struct alerter_note note;
};

/* What came for the first time and is well is no news. */
static bool
is_news(const char *before, bool bad)
{
	return strcmp(before[0] ? before : "good", bad ? "bad" : "good") != 0;
}

static int
put_note(struct writer *w, struct alerter_note *n, struct err *e)
{
	unsigned receivers = receiver_bits(&w->settings);
	auto_buf before = BUF_INIT, body = BUF_INIT;
	struct alert_out out;
	int64_t lost = 0;
	int rc = outbox_seen(w->outbox, n->key, &before, e);

	if (rc || (before.len && !is_news(buf_str(&before), n->bad)))
		return rc;
	uuid_new(&n->alert.id);
	fill_out(w->al, &n->alert, &body, &out);
	struct outbox_row row = { .id = out.id,
				  .at_us = out.at_us,
				  .kind = out.type,
				  .text = out.text,
				  .body = out.body };
	bool news = is_news(buf_str(&before), n->bad);
	rc = outbox_put(w->outbox, n->key, n->bad ? "bad" : "good", news ? &row : NULL, receivers,
			&lost, e);
	if (rc == 0 && lost)
		log_error("the outbox of alerts is full (%d): %lld alerts were not kept; see "
			  "holdfast ha status for why they are not accepted",
			  OUTBOX_ROWS_MAX, (long long)lost);
	return rc;
}

/* Said at once, not only when the first alert cannot go out. */
static void
check_receivers(const struct settings *s)
{
	for (int t = 0; t < RECEIVER_COUNT; t++) {
		struct err e = { 0 };

		if (receiver_is_there(s, (enum receiver)t) &&
		    receiver_check(s, (enum receiver)t, &e))
			log_err(LOG_LEVEL_WARNING, &e, "no alert can go out as it is set (%s)",
				receiver_name((enum receiver)t));
	}
}

static int
work_once(struct writer *w, struct alerter_note *n, bool configured, struct err *e)
{
	unsigned receivers = receiver_bits(&w->settings);
	int rc = 0;

	if (configured)
		check_receivers(&w->settings);
	if (!w->outbox && receivers)
		rc = outbox_open(w->al->path, OUTBOX_ROWS_MAX, &w->outbox, e);
	if (rc == 0 && w->outbox && configured)
		rc = outbox_only(w->outbox, receivers, e);
	if (rc == 0 && w->outbox && receivers && n)
		rc = put_note(w, n, e);
	if (rc) {
		outbox_free(TAKE(w->outbox));
		return rc;
	}
	if (w->outbox)
		count_waiting(w->al, w->outbox);
	return 0;
}

/* The oldest note and the settings, as they are now; false: there is neither news nor a change of them. */
static bool
take_work(struct writer *w, bool *ret_has, bool *ret_configured)
{
	struct alerter *al = w->al;

	*ret_has = al->first != NULL;
	*ret_configured = w->generation != al->generation;
	if (!*ret_has && !*ret_configured)
		return false;
	w->settings = al->settings;
	w->generation = al->generation;
	if (*ret_has)
		w->note = al->first->note;
	return true;
}

/* The queue may have dropped the note meanwhile. */
static void
finish_work(struct writer *w, bool has)
{
	struct alerter *al = w->al;
	const struct alerter_note *done = &w->note;

	if (has && al->first && strcmp(al->first->note.key, done->key) == 0 &&
	    al->first->note.alert.at_us == done->alert.at_us)
		drop_first(al);
	al->opened = w->outbox != NULL;
	al->turn++;
	worker_wake(&al->worker);
}

static int64_t
put_notes(void *arg)
{
	struct writer *w = arg;
	bool has, configured;
	struct err e = { 0 };

	if (clock_mono_ms() < w->retry_ms)
		return w->retry_ms;
	if (!take_work(w, &has, &configured))
		return WORKER_WHEN_WOKEN;
	worker_unlock(&w->al->worker);
	int rc = work_once(w, has ? &w->note : NULL, configured, &e);
	if (rc && !w->complained)
		log_err(LOG_LEVEL_ERROR, &e, "alerts wait in memory");
	worker_lock(&w->al->worker);
	w->complained = rc != 0;
	if (rc) {
		w->generation--; /* what was configured is to be done again */
		w->retry_ms = clock_mono_ms() + DISK_RETRY_MS;
		return w->retry_ms;
	}
	finish_work(w, has);
	return 0;
}

/* ---- the senders ---- */

struct sender {
	struct alerter *al;
	enum receiver receiver;
	struct outbox *outbox;
	struct settings settings;
	unsigned generation;
	uint64_t turn;
	int64_t delay_ms, next_ms; /* next_ms WORKER_WHEN_WOKEN: nothing waits */
};

/* When there may be something to do: 0 now. */
static int64_t
next_turn(const struct sender *s)
{
	const struct alerter *al = s->al;
	bool news = s->turn != al->turn && s->next_ms == WORKER_WHEN_WOKEN;

	if (!al->opened || !receiver_is_there(&al->settings, s->receiver))
		return WORKER_WHEN_WOKEN;
	return news || s->generation != al->generation ? 0 : s->next_ms;
}

static void
begin_turn(struct sender *s)
{
	const struct alerter *al = s->al;

	if (s->generation != al->generation)
		s->delay_ms = 0;
	s->generation = al->generation;
	s->settings = al->settings;
	s->turn = al->turn;
}

static void
set_failure(struct sender *s, const char *text)
{
	struct alerter *al = s->al;

	worker_lock(&al->worker);
	text_fit(al->failure[s->receiver], sizeof(al->failure[s->receiver]), "%s", text);
	worker_unlock(&al->worker);
}

static void
note_failure(struct sender *s, struct err *e)
{
	if (s->delay_ms == 0)
		log_err(LOG_LEVEL_WARNING, e, "an alert is not accepted (%s); it is tried again",
			receiver_name(s->receiver));
	set_failure(s, e->text);
	s->delay_ms = s->delay_ms ? s->delay_ms * 2 : FIRST_DELAY_MS;
	if (s->delay_ms > LAST_DELAY_MS)
		s->delay_ms = LAST_DELAY_MS;
	s->next_ms = clock_mono_ms() + s->delay_ms;
}

/* The row that stands for those that were not kept has no text of its own. */
static void
tell_lost(const struct sender *s, const struct outbox_row *row, struct buf *body,
	  struct alert *lost, struct alert_out *ret)
{
	*lost = (struct alert){
		.type = ALERT_NOT_KEPT, .id = row->id, .at_us = row->at_us, .lost = row->lost
	};
	text_copy(lost->source, sizeof(lost->source), s->al->source);
	text_copy(lost->node, sizeof(lost->node), s->al->source);
	snprintf(lost->text, sizeof(lost->text), "%lld alerts of %s were not kept",
		 (long long)row->lost, s->al->source);
	fill_out(s->al, lost, body, ret);
}

static int
send_row(struct sender *s, const struct outbox_row *row, struct err *e)
{
	char answer[RECEIVER_ANSWER_MAX];
	auto_buf body = BUF_INIT;
	struct alert lost;
	struct alert_out out = { .id = row->id,
				 .at_us = row->at_us,
				 .source = s->al->source,
				 .type = row->kind,
				 .text = row->text,
				 .body = row->body };

	if (row->lost)
		tell_lost(s, row, &body, &lost, &out);
	return receiver_send(&s->settings, s->receiver, &out, answer, e);
}

static void
done_texts(struct outbox_texts *t)
{
	buf_done(&t->kind);
	buf_done(&t->text);
	buf_done(&t->body);
}

/* The oldest that waits. ERR_NOT_FOUND: none does. */
static int
send_next(struct sender *s, struct err *e)
{
	FREE_WITH(done_texts) struct outbox_texts texts = { BUF_INIT, BUF_INIT, BUF_INIT };
	struct outbox_row row;
	int rc = s->outbox ? 0 : outbox_open(s->al->path, OUTBOX_ROWS_MAX, &s->outbox, e);

	if (rc == 0)
		rc = outbox_next(s->outbox, (int)s->receiver, &texts, &row, e);
	if (rc == 0)
		rc = send_row(s, &row, e);
	if (rc == 0)
		rc = outbox_done(s->outbox, (int)s->receiver, &row, e);
	return rc;
}

static void
take_turn(struct sender *s)
{
	struct err e = { 0 };
	int rc = send_next(s, &e);

	if (rc && rc != ERR_NOT_FOUND) {
		note_failure(s, &e);
		return;
	}
	if (s->delay_ms && rc == 0)
		log_notice("alerts are accepted again (%s)", receiver_name(s->receiver));
	s->delay_ms = 0;
	s->next_ms = rc == 0 ? 0 : WORKER_WHEN_WOKEN;
	set_failure(s, "");
	count_waiting(s->al, s->outbox);
}

static int64_t
send_alerts(void *arg)
{
	struct sender *s = arg;
	int64_t turn = next_turn(s);

	if (turn > clock_mono_ms())
		return turn;
	begin_turn(s);
	worker_unlock(&s->al->worker);
	take_turn(s);
	worker_lock(&s->al->worker);
	return next_turn(s);
}

/* ---- the loop's side ---- */

static void
start_writer(struct alerter *al)
{
	struct writer *w = mem_new(sizeof(*w));

	w->al = al;
	w->generation = al->generation - 1;
	worker_start(&al->worker, "alert-writer", put_notes, NULL, w);
}

static void
start_sender(struct alerter *al, enum receiver r)
{
	struct sender *s = mem_new(sizeof(*s));

	*s = (struct sender){ .al = al, .receiver = r, .generation = al->generation - 1 };
	s->next_ms = WORKER_WHEN_WOKEN;
	worker_start(&al->worker, "alert-sender", send_alerts, NULL, s);
}

struct alerter *
alerter_new(const struct home *h, const char *source, const struct settings *s)
{
	struct alerter *al = mem_new(sizeof(*al));
	struct err e = { 0 };

	home_path(h, HOME_OUTBOX, al->path);
	if (outbox_settle(al->path, &e))
		log_err(LOG_LEVEL_ERROR, &e, "alerts may be lost");
	text_copy(al->source, sizeof(al->source), source);
	al->settings = *s;
	worker_init(&al->worker);
	start_writer(al);
	for (int r = 0; r < RECEIVER_COUNT; r++)
		start_sender(al, (enum receiver)r);
	return al;
}

void
alerter_configure(struct alerter *al, const struct settings *s)
{
	worker_lock(&al->worker);
	al->settings = *s;
	al->generation++;
	worker_wake(&al->worker);
	worker_unlock(&al->worker);
}

void
alerter_note(struct alerter *al, const struct alerter_note *n)
{
	struct queued *q = mem_new(sizeof(*q));
	bool full;

	q->note = *n;
	worker_lock(&al->worker);
	full = al->queued_n >= NOTES_MAX;
	if (full)
		drop_first(al);
	*(al->last ? &al->last->next : &al->first) = q;
	al->last = q;
	al->queued_n++;
	worker_wake(&al->worker);
	worker_unlock(&al->worker);
	if (full)
		log_error("the outbox takes no alerts: the oldest one in memory was not kept");
}

void
alerter_look(struct alerter *al, struct alerter_view *ret)
{
	auto_buf all = BUF_INIT;

	worker_lock(&al->worker);
	ret->waiting = receiver_bits(&al->settings) ? al->waiting + al->queued_n : -1;
	for (int t = 0; t < RECEIVER_COUNT; t++) {
		if (al->failure[t][0] && receiver_is_there(&al->settings, (enum receiver)t))
			buf_addf(&all, "%s%s: %s", all.len ? "; " : "",
				 receiver_name((enum receiver)t), al->failure[t]);
	}
	worker_unlock(&al->worker);
	text_fit(ret->failure, sizeof(ret->failure), "%s", buf_str(&all));
}

static void
write_test(struct json_out *w, enum receiver t, int rc, const char *answer, const struct err *e)
{
	json_out_object(w, NULL);
	json_out_text(w, "target", receiver_name(t));
	json_out_bool(w, "accepted", rc == 0);
	json_out_text(w, "answer", rc == 0 ? answer : e->text);
	json_out_end_object(w);
}

int
alerter_test(struct alerter *al, struct buf *ret_json, struct err *e)
{
	struct alert a = { .type = ALERT_TEST, .at_us = clock_now_us() };
	auto_buf body = BUF_INIT;
	struct alert_out out;
	struct settings s;
	struct json_out w;

	worker_lock(&al->worker);
	s = al->settings;
	worker_unlock(&al->worker);
	if (!receiver_bits(&s))
		return err_set(e, ERR_PRECONDITION,
			       "no receiver of alerts is set: see alert_webhook, alert_syslog and "
			       "alert_smtp in docs/settings.md");
	uuid_new(&a.id);
	text_copy(a.source, sizeof(a.source), al->source);
	text_copy(a.node, sizeof(a.node), al->source);
	snprintf(a.text, sizeof(a.text), "a test of the alerts of %s", al->source);
	fill_out(al, &a, &body, &out);
	json_out_init(&w, ret_json);
	json_out_object(&w, NULL);
	json_out_uuid(&w, "id", a.id.b);
	json_out_array(&w, "targets");
	for (int t = 0; t < RECEIVER_COUNT; t++) {
		char answer[RECEIVER_ANSWER_MAX];
		struct err why = { 0 };

		if (receiver_is_there(&s, (enum receiver)t)) {
			int rc = receiver_send(&s, (enum receiver)t, &out, answer, &why);
			write_test(&w, (enum receiver)t, rc, answer, &why);
		}
	}
	json_out_end_array(&w);
	json_out_end_object(&w);
	return 0;
}
