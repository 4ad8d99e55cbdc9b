/* SPDX-License-Identifier: Apache-2.0
 *
 * A thread that works in rounds: the first at once, the next when it is due or somebody wakes it,
 * until it is stopped. A worker is embedded in the struct that owns it, and its lock guards what
 * that struct's threads and callers share. Several threads of one owner may share a worker: they
 * wake together, and each has its own rounds.
 *
 * A wake during a round is not lost: the next round follows at once. Stopping waits for the current
 * round, so whatever a round waits for must have an end.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/attr.h"

#define WORKER_THREADS_MAX 4
#define WORKER_WHEN_WOKEN INT64_MAX

/* One round: entered and left with the lock held, which it may release in between. Returns when the
 * next one is due (clock_mono_ms; 0 at once), or WORKER_WHEN_WOKEN. */
typedef int64_t worker_round_fn(void *arg);

/* Called once by each thread as it ends, after its last round, without the lock. */
typedef void worker_end_fn(void *arg);

struct worker {
	pthread_mutex_t lock;
	pthread_cond_t woken; /* on the monotonic clock */
	unsigned wakes;
	bool stopping;
	unsigned threads_n, running;
	worker_end_fn *destroy; /* once they were let go: the last thread calls it with owner */
	void *owner;
	struct worker_thread {
		struct worker *worker;
		pthread_t id;
		const char *name;
		worker_round_fn *round;
		worker_end_fn *end;
		void *arg;
	} thread[WORKER_THREADS_MAX];
};

void worker_init(struct worker *w) NONNULL;
/* name: at most 15 bytes, static. end: NULL for none. If no thread can start, the process ends (base/mem.h). */
void worker_start(struct worker *w, const char *name, worker_round_fn *round, worker_end_fn *end,
		  void *arg);
void worker_lock(struct worker *w) NONNULL;
void worker_unlock(struct worker *w) NONNULL;
/* The next round is due now. With the lock held. */
void worker_wake(struct worker *w) NONNULL;
/* Returns when the threads have ended; one that has not begun a round begins none. May be called again. */
void worker_stop(struct worker *w) NONNULL;
/* Stops without waiting: the threads end by themselves, and the last calls destroy, which calls worker_done and frees the owner. */
void worker_let_go(struct worker *w, worker_end_fn *destroy, void *owner) NONNULL;
/* Stops the threads and destroys the lock. */
void worker_done(struct worker *w) NONNULL;
