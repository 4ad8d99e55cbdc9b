/* SPDX-License-Identifier: Apache-2.0
 *
 * A thread that does its work in rounds: one now, the next when it is due or when somebody wakes it,
 * until it is stopped. A worker lies inside the struct that owns it, and its lock guards what that
 * struct's threads and callers share. Several threads of one owner may share a worker: they wake
 * together, and each has its own rounds.
 *
 * A wake during a round is not lost: the next round follows at once. A stop waits for the round in
 * hand, so whatever a round waits for must have an end.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/attr.h"

#define WORKER_THREADS_MAX 4
#define WORKER_WHEN_WOKEN INT64_MAX

/* One round: called and returns with the lock held, and may let go of it in between. Returns when the
 * next one is due (clock_mono_ms; 0 at once), or WORKER_WHEN_WOKEN. */
typedef int64_t worker_round_fn(void *arg);

/* The end of a thread: called by it once, without the lock, after its last round. */
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
/* name: at most 15 bytes, static. end: NULL for none. Without a thread the process ends (base/mem.h). */
void worker_start(struct worker *w, const char *name, worker_round_fn *round, worker_end_fn *end,
		  void *arg);
void worker_lock(struct worker *w) NONNULL;
void worker_unlock(struct worker *w) NONNULL;
/* The next round is due now. With the lock held. */
void worker_wake(struct worker *w) NONNULL;
/* Returns when the threads have ended; a thread that never came to a round has none. May be called again. */
void worker_stop(struct worker *w) NONNULL;
/* Does not wait: the threads end by themselves, and the last one calls destroy, which calls worker_done and frees the owner. */
void worker_let_go(struct worker *w, worker_end_fn *destroy, void *owner) NONNULL;
/* Stops what runs, and ends the life of the lock. */
void worker_done(struct worker *w) NONNULL;
