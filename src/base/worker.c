/* SPDX-License-Identifier: Apache-2.0 */
#include "base/worker.h"

#include <assert.h>
#include "base/clock.h"
#include "base/mem.h"

void
worker_init(struct worker *w)
{
	pthread_condattr_t attr;

	*w = (struct worker){ 0 };
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->woken, &attr);
	pthread_condattr_destroy(&attr);
}

static void
wait_until(struct worker *w, int64_t due_ms, unsigned seen)
{
	struct timespec at = { .tv_sec = due_ms / 1000, .tv_nsec = due_ms % 1000 * 1000000 };

	while (!w->stopping && w->wakes == seen && clock_mono_ms() < due_ms) {
		if (due_ms == WORKER_WHEN_WOKEN)
			pthread_cond_wait(&w->woken, &w->lock);
		else
			pthread_cond_timedwait(&w->woken, &w->lock, &at);
	}
}

/* The end of a thread, which has its own end behind it. */
static void
leave(struct worker *w)
{
	pthread_mutex_lock(&w->lock);
	worker_end_fn *destroy = --w->running == 0 ? w->destroy : NULL;
	void *owner = w->owner;
	pthread_mutex_unlock(&w->lock);
	if (destroy)
		destroy(owner);
}

static void *
run(void *arg)
{
	struct worker_thread *t = arg;
	struct worker *w = t->worker;

	pthread_setname_np(pthread_self(), t->name);
	pthread_mutex_lock(&w->lock);
	while (!w->stopping) {
		unsigned seen = w->wakes;

		wait_until(w, t->round(t->arg), seen);
	}
	pthread_mutex_unlock(&w->lock);
	if (t->end)
		t->end(t->arg);
	leave(w);
	return NULL;
}

void
worker_start(struct worker *w, const char *name, worker_round_fn *round, worker_end_fn *end,
	     void *arg)
{
	assert(w->threads_n < WORKER_THREADS_MAX);
	struct worker_thread *t = &w->thread[w->threads_n++];

	*t = (struct worker_thread){
		.worker = w, .name = name, .round = round, .end = end, .arg = arg
	};
	w->running++;
	mem_check(!pthread_create(&t->id, NULL, run, t));
}

void
worker_lock(struct worker *w)
{
	pthread_mutex_lock(&w->lock);
}

void
worker_unlock(struct worker *w)
{
	pthread_mutex_unlock(&w->lock);
}

void
worker_wake(struct worker *w)
{
	w->wakes++;
	pthread_cond_broadcast(&w->woken);
}

void
worker_stop(struct worker *w)
{
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	pthread_cond_broadcast(&w->woken);
	pthread_mutex_unlock(&w->lock);
	for (; w->threads_n > 0; w->threads_n--)
		pthread_join(w->thread[w->threads_n - 1].id, NULL);
}

void
worker_let_go(struct worker *w, worker_end_fn *destroy, void *owner)
{
	assert(w->threads_n > 0);
	pthread_mutex_lock(&w->lock);
	for (; w->threads_n > 0; w->threads_n--)
		pthread_detach(w->thread[w->threads_n - 1].id);
	w->destroy = destroy;
	w->owner = owner;
	w->stopping = true;
	pthread_cond_broadcast(&w->woken);
	pthread_mutex_unlock(&w->lock);
}

void
worker_done(struct worker *w)
{
	worker_stop(w);
	pthread_cond_destroy(&w->woken);
	pthread_mutex_destroy(&w->lock);
}
