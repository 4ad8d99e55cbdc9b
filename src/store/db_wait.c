/* SPDX-License-Identifier: Apache-2.0
 *
 * Waiting, with libuv or poll(): for a connection's socket, and for time.
 */
#include "store/db_impl.h"

#include <string.h>
#include "base/mem.h"

/* ---- sockets ---- */

static void on_poll(uv_poll_t *h, int status, int events);
static void on_turn(uv_prepare_t *h);
static void on_timer(uv_timer_t *h);

static void
on_watch_closed(uv_handle_t *h)
{
	free(h->data);
}

void
db_unwatch(struct db *d)
{
	struct watch *w = d->watch;

	d->events = 0;
	if (w == NULL)
		return;
	d->watch = NULL;
	w->db = NULL;
	uv_poll_stop(&w->poll);
	uv_close((uv_handle_t *)&w->poll, on_watch_closed);
}

/* libuv knows a socket by its number: while libpq connects it may close one and open another. */
static int
watch_socket(struct db *d)
{
	int fd = PQsocket(d->conn);
	struct watch *w;

	if (fd < 0)
		return -1;
	if (d->watch != NULL && d->watch->fd == fd)
		return 0;
	db_unwatch(d);
	w = mem_new(sizeof *w);
	w->db = d;
	w->fd = fd;
	w->poll.data = w;
	if (uv_poll_init(d->loop, &w->poll, fd) != 0) {
		free(w);
		return -1;
	}
	d->watch = w;
	return 0;
}

/* Each change costs two system calls, so only changes are told. */
int
db_wait_for(struct db *d, int events)
{
	if (d->events == events && (d->loop == NULL || d->watch != NULL))
		return 0;
	if (d->loop != NULL) {
		int uv = (events & POLLIN ? UV_READABLE : 0) | (events & POLLOUT ? UV_WRITABLE : 0);

		if (watch_socket(d) != 0 || uv_poll_start(&d->watch->poll, uv, on_poll) != 0)
			return -1;
	}
	d->events = events;
	return 0;
}

/* The call whose answer is due next, if it is a read: nothing else is ever given up. */
static struct op *
overdue_candidate(const struct db *d)
{
	for (size_t i = 0; i < d->count; i++) {
		const struct flight *fl = flight_at(d, i);

		if (fl->op != NULL)
			return fl->op->reads ? fl->op : NULL;
	}
	return NULL;
}

/* When tick() is next needed. */
static int64_t
next_tick_ms(const struct db *d)
{
	int64_t at = FOREVER;
	const struct op *op;

	if (d->state == DB_UP && d->asking)
		return d->give_up_ms;
	if (d->state == DB_UP) {
		op = d->call_ms > 0 ? overdue_candidate(d) : NULL;
		return op == NULL ? FOREVER : op->sent_ms + d->call_ms;
	}
	at = d->state == DB_DOWN ? d->next_try_ms : d->give_up_ms;
	if (d->again.first != NULL)
		at = least(at, d->again.first->until_ms);
	if (d->pending.first != NULL)
		at = least(at, d->pending.first->until_ms);
	return at;
}

void
db_arm_timer(struct db *d)
{
	int64_t at, now;

	if (d->loop == NULL || d->freed)
		return;
	at = next_tick_ms(d);
	if (at == FOREVER) {
		uv_timer_stop(&d->timer);
		return;
	}
	now = clock_mono_ms();
	uv_update_time(d->loop);
	uv_timer_start(&d->timer, on_timer, at > now ? (uint64_t)(at - now) : 1, 0);
}

/* On the hot path: a timer that runs finds out by itself when it is next needed. */
void
db_watch_time(struct db *d)
{
	if (d->call_ms > 0 && d->loop != NULL && !uv_is_active((const uv_handle_t *)&d->timer))
		db_arm_timer(d);
}

/* Has what waits sent before the loop sleeps; without a loop the caller does it. */
void
db_flush_soon(struct db *d)
{
	if (d->loop != NULL && !d->freed)
		uv_prepare_start(&d->turn, on_turn);
}

/* ---- time ---- */

void
db_expire(struct db *d, struct op_list *l, int64_t now, struct op_list *done)
{
	struct op *op;

	while (l->first != NULL && l->first->until_ms <= now) {
		op = op_pop(l);
		op->code = db_gone(d, op->e, "the database cannot be reached");
		op_push(done, op);
	}
}

/* Whatever is due by the clock. */
static void
tick(struct db *d)
{
	struct op_list done = { 0 };
	int64_t now = clock_mono_ms();

	if (d->state == DB_UP && d->asking) {
		if (d->give_up_ms <= now)
			db_lose(d, "no answer in time", ERR_TIMEOUT);
	} else if (d->state == DB_UP) {
		const struct op *op = d->call_ms > 0 ? overdue_candidate(d) : NULL;

		if (op != NULL && op->sent_ms + d->call_ms <= now)
			db_lose(d, "no answer in time", ERR_TIMEOUT);
	} else if (d->state == DB_CONNECTING && d->give_up_ms <= now) {
		db_lose(d, "the server takes the connection but does not answer", 0);
	} else if (d->state == DB_DOWN && d->next_try_ms <= now) {
		db_connect_begin(d);
	}
	if (d->state != DB_UP) {
		db_expire(d, &d->again, now, &done);
		db_expire(d, &d->pending, now, &done);
	}
	op_finish_all(&done);
}

static void
on_timer(uv_timer_t *h)
{
	struct db *d = h->data;

	tick(d);
	db_arm_timer(d);
}

static void
ready(struct db *d, int events)
{
	if (d->state == DB_CONNECTING) {
		db_connect_step(d);
		return;
	}
	if ((events & POLLOUT) != 0 && db_push_out(d) != 0) {
		db_lose_by_error(d);
		return;
	}
	if ((events & POLLIN) != 0)
		db_receive(d);
}

static void
on_poll(uv_poll_t *h, int status, int events)
{
	struct watch *w = h->data;
	int poll_events =
		(events & UV_READABLE ? POLLIN : 0) | (events & UV_WRITABLE ? POLLOUT : 0);

	if (w->db == NULL)
		return;
	ready(w->db, status < 0 ? POLLIN : poll_events);
	/* After an error libuv has stopped to watch. */
	if (status < 0 && w->db != NULL && w->db->state == DB_UP)
		db_lose(w->db, uv_strerror(status), 0);
}

static void
on_turn(uv_prepare_t *h)
{
	struct db *d = h->data;

	uv_prepare_stop(h);
	db_flush(d);
}

/* ---- without a loop ---- */

static int
poll_timeout(const struct db *d)
{
	int64_t at = next_tick_ms(d), now = clock_mono_ms();

	if (at == FOREVER)
		return -1;
	return at <= now ? 0 : (int)least(at - now, 60000);
}

/* One wait, and what follows from it. */
void
db_turn(struct db *d)
{
	struct pollfd p = { .fd = -1, .events = (short)d->events };
	int n;

	if (d->conn != NULL)
		p.fd = PQsocket(d->conn);
	n = poll(&p, 1, poll_timeout(d));
	if (n > 0)
		ready(d, p.revents & (POLLERR | POLLHUP | POLLNVAL) ? POLLIN : p.revents);
	tick(d);
}
