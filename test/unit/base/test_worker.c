/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/clock.h"
#include "base/worker.h"

#define PATIENCE_MS 20000

struct count {
	struct worker worker;
	int rounds, ends;
	int64_t pause_ms; /* until the next round; -1: until woken */
	bool hold;	  /* a round goes on until this is false */
	bool inside;
	int *freed;
};

static int64_t
count_round(void *arg)
{
	struct count *c = arg;

	c->inside = true;
	while (c->hold) {
		worker_unlock(&c->worker);
		clock_sleep_ms(1);
		worker_lock(&c->worker);
	}
	c->inside = false;
	c->rounds++;
	return c->pause_ms < 0 ? WORKER_WHEN_WOKEN : clock_mono_ms() + c->pause_ms;
}

static void
count_end(void *arg)
{
	struct count *c = arg;

	worker_lock(&c->worker);
	c->ends++;
	worker_unlock(&c->worker);
}

static void
start(struct count *c, int64_t pause_ms)
{
	*c = (struct count){ .pause_ms = pause_ms };
	worker_init(&c->worker);
	worker_start(&c->worker, "test", count_round, count_end, c);
}

static int
rounds(struct count *c)
{
	worker_lock(&c->worker);
	int n = c->rounds;
	worker_unlock(&c->worker);
	return n;
}

static void
await_rounds(struct count *c, int n)
{
	int64_t until = clock_mono_ms() + PATIENCE_MS;

	while (rounds(c) < n) {
		if (clock_mono_ms() > until)
			fail_msg("%d rounds of %d", rounds(c), n);
		clock_sleep_ms(1);
	}
}

static void
await_inside(struct count *c)
{
	int64_t until = clock_mono_ms() + PATIENCE_MS;
	bool inside = false;

	while (!inside) {
		assert_true(clock_mono_ms() < until);
		worker_lock(&c->worker);
		inside = c->inside;
		worker_unlock(&c->worker);
	}
}

static void
wake(struct count *c)
{
	worker_lock(&c->worker);
	worker_wake(&c->worker);
	worker_unlock(&c->worker);
}

static void
rounds_follow_each_other_when_due(void **state)
{
	struct count c;

	start(&c, 1);
	await_rounds(&c, 5);
	worker_done(&c.worker);
	assert_int_equal(c.ends, 1);
}

static void
only_a_wake_begins_what_is_not_due(void **state)
{
	struct count c;

	start(&c, -1);
	await_rounds(&c, 1);
	clock_sleep_ms(20); /* nothing can be waited for: nothing is to happen */
	assert_int_equal(rounds(&c), 1);
	wake(&c);
	await_rounds(&c, 2);
	worker_done(&c.worker);
	assert_int_equal(c.rounds, 2);
}

/* Whoever wakes a worker has changed something that the round in hand may not have seen. */
static void
a_wake_during_a_round_is_not_lost(void **state)
{
	struct count c = { .pause_ms = -1, .hold = true };

	worker_init(&c.worker);
	worker_start(&c.worker, "test", count_round, count_end, &c);
	await_inside(&c);
	worker_lock(&c.worker);
	worker_wake(&c.worker);
	c.hold = false;
	worker_unlock(&c.worker);
	await_rounds(&c, 2);
	worker_done(&c.worker);
}

static void *
release(void *arg)
{
	struct count *c = arg;

	clock_sleep_ms(20);
	worker_lock(&c->worker);
	c->hold = false;
	worker_unlock(&c->worker);
	return NULL;
}

static void
a_stop_waits_for_the_round_in_hand(void **state)
{
	struct count c = { .pause_ms = 0, .hold = true };
	pthread_t other;

	worker_init(&c.worker);
	worker_start(&c.worker, "test", count_round, count_end, &c);
	await_inside(&c);
	assert_int_equal(pthread_create(&other, NULL, release, &c), 0);
	worker_stop(&c.worker);
	assert_int_equal(c.rounds, 1);
	assert_int_equal(c.ends, 1);
	worker_stop(&c.worker); /* again: nothing to stop */
	pthread_join(other, NULL);
	worker_done(&c.worker);
}

static void
a_stop_ends_a_long_wait(void **state)
{
	struct count c;
	int64_t began = clock_mono_ms();

	start(&c, 3600 * 1000);
	await_rounds(&c, 1);
	worker_done(&c.worker);
	assert_true(clock_mono_ms() - began < PATIENCE_MS);
}

/* The thread may not have run at all when it is stopped; it ends, without a fault, every time. */
static void
a_stop_may_come_before_the_first_round(void **state)
{
	for (int i = 0; i < 200; i++) {
		struct count c;

		start(&c, -1);
		worker_done(&c.worker);
		assert_int_equal(c.ends, 1);
		assert_in_range(c.rounds, 0, 1);
	}
}

static void
without_a_thread_nothing_is_stopped(void **state)
{
	struct worker w;

	worker_init(&w);
	worker_stop(&w);
	worker_done(&w);
}

static void
two_threads_wake_together(void **state)
{
	struct count c = { .pause_ms = -1 };

	worker_init(&c.worker);
	worker_start(&c.worker, "one", count_round, count_end, &c);
	worker_start(&c.worker, "two", count_round, count_end, &c);
	await_rounds(&c, 2);
	wake(&c);
	await_rounds(&c, 4);
	worker_done(&c.worker);
	assert_int_equal(c.ends, 2);
}

static void
free_count(void *arg)
{
	struct count *c = arg;
	int *freed = c->freed;

	worker_done(&c->worker);
	free(c);
	__atomic_store_n(freed, 1, __ATOMIC_SEQ_CST);
}

static void
let_go_they_free_their_owner_themselves(unsigned threads, bool inside)
{
	struct count *c = calloc(1, sizeof(*c));
	int64_t until = clock_mono_ms() + PATIENCE_MS;
	int freed = 0;

	c->pause_ms = 3600 * 1000;
	c->freed = &freed;
	c->hold = inside;
	worker_init(&c->worker);
	for (unsigned i = 0; i < threads; i++)
		worker_start(&c->worker, "test", count_round, count_end, c);
	if (inside)
		await_inside(c);
	worker_let_go(&c->worker, free_count, c);
	if (inside) { /* a round is in hand: nobody has freed what it works on */
		worker_lock(&c->worker);
		assert_int_equal(__atomic_load_n(&freed, __ATOMIC_SEQ_CST), 0);
		c->hold = false;
		worker_unlock(&c->worker);
	}
	while (!__atomic_load_n(&freed, __ATOMIC_SEQ_CST)) {
		assert_true(clock_mono_ms() < until);
		clock_sleep_ms(1);
	}
}

static void
let_go_the_last_one_frees_the_owner(void **state)
{
	for (unsigned threads = 1; threads <= WORKER_THREADS_MAX; threads++) {
		let_go_they_free_their_owner_themselves(threads, false);
		let_go_they_free_their_owner_themselves(threads, true);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(rounds_follow_each_other_when_due),
		cmocka_unit_test(only_a_wake_begins_what_is_not_due),
		cmocka_unit_test(a_wake_during_a_round_is_not_lost),
		cmocka_unit_test(a_stop_waits_for_the_round_in_hand),
		cmocka_unit_test(a_stop_ends_a_long_wait),
		cmocka_unit_test(a_stop_may_come_before_the_first_round),
		cmocka_unit_test(without_a_thread_nothing_is_stopped),
		cmocka_unit_test(two_threads_wake_together),
		cmocka_unit_test(let_go_the_last_one_frees_the_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
