/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/hash_queue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"

enum waits { WAITS, ITS_TURN, REFUSED };

/* On its fiber's stack. */
struct waiter {
	struct waiter *next; /* who came later */
	struct fiber *f;
	const uint8_t *source;
	unsigned turn; /* how many of its source were in work before it */
	int64_t until_ms;
	enum waits state;
};

struct hash_queue {
	uint8_t running[HASH_QUEUE_RUNNING][SOURCE_BYTES];
	unsigned nrunning, nwaiting;
	struct waiter *first; /* the oldest */
	int wait_ms;
};

struct hash_queue *
hash_queue_new(int wait_ms)
{
	struct hash_queue *q = mem_new(sizeof(*q));

	q->wait_ms = wait_ms;
	return q;
}

void
hash_queue_free(struct hash_queue *q)
{
	assert(!q || (!q->nrunning && !q->first));
	free(q);
}

static bool
same(const uint8_t *a, const uint8_t *b)
{
	return memcmp(a, b, SOURCE_BYTES) == 0;
}

static unsigned
in_work(const struct hash_queue *q, const uint8_t *source)
{
	unsigned n = 0;

	for (unsigned i = 0; i < q->nrunning; i++)
		n += same(q->running[i], source);
	for (const struct waiter *w = q->first; w; w = w->next)
		n += same(w->source, source);
	return n;
}

static void
run(struct hash_queue *q, const uint8_t *source)
{
	assert(q->nrunning < HASH_QUEUE_RUNNING);
	memcpy(q->running[q->nrunning++], source, SOURCE_BYTES);
}

static void
add(struct hash_queue *q, struct waiter *w)
{
	struct waiter **at = &q->first;

	while (*at)
		at = &(*at)->next;
	*at = w;
	q->nwaiting++;
}

static void
take_out(struct hash_queue *q, struct waiter *w, enum waits state)
{
	struct waiter **at = &q->first;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	q->nwaiting--;
	w->state = state;
	fiber_wake(w->f);
}

/* The oldest of those whose turn comes first. */
static struct waiter *
next_of(const struct hash_queue *q)
{
	struct waiter *best = q->first;

	for (struct waiter *w = best; w; w = w->next)
		if (w->turn < best->turn)
			best = w;
	return best;
}

/* The youngest of those whose turn comes last. */
static struct waiter *
last_of(const struct hash_queue *q)
{
	struct waiter *worst = q->first;

	for (struct waiter *w = worst; w; w = w->next)
		if (w->turn >= worst->turn)
			worst = w;
	return worst;
}

static void
refuse_late(struct hash_queue *q)
{
	int64_t now = clock_mono_ms();

	while (q->first && q->first->until_ms <= now)
		take_out(q, q->first, REFUSED);
}

/* Whether there is room for one of that turn, if need be by somebody's leave. */
static bool
make_room(struct hash_queue *q, unsigned turn)
{
	struct waiter *last;

	if (q->nwaiting < HASH_QUEUE_WAITING)
		return true;
	last = last_of(q);
	if (last->turn <= turn)
		return false;
	take_out(q, last, REFUSED);
	return true;
}

int
hash_queue_enter(struct hash_queue *q, struct fiber *f, const uint8_t source[static SOURCE_BYTES],
		 struct err *e)
{
	struct waiter w = { .f = f,
			    .source = source,
			    .turn = in_work(q, source),
			    .until_ms = clock_mono_ms() + q->wait_ms };

	if (q->nrunning < HASH_QUEUE_RUNNING) {
		run(q, source);
		return 0;
	}
	if (!make_room(q, w.turn))
		w.state = REFUSED;
	else
		add(q, &w);
	while (w.state == WAITS)
		fiber_sleep(f);
	return w.state == ITS_TURN
		       ? 0
		       : err_set(e, ERR_LOCKED_OUT, "too many logins at once; wait and try again");
}

void
hash_queue_leave(struct hash_queue *q, const uint8_t source[static SOURCE_BYTES])
{
	unsigned i = 0;
	struct waiter *w;

	while (!same(q->running[i], source))
		i++;
	memcpy(q->running[i], q->running[--q->nrunning], SOURCE_BYTES);
	refuse_late(q);
	w = next_of(q);
	if (!w)
		return;
	run(q, w->source);
	take_out(q, w, ITS_TURN);
}
