/* SPDX-License-Identifier: Apache-2.0
 *
 * H17: whoever is many keeps nobody else from logging in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "vault/hash_queue.h"

#define VISITS_MAX 128

/* One who hashes until the test says that it is done. */
struct visit {
	uint8_t source[SOURCE_BYTES];
	struct fiber *f;
	bool in, over;
	int rc;
};

static struct hash_queue *queue;
static struct fiber_pool *pool;
static struct visit visits[VISITS_MAX];
static unsigned n;

static int
setup(void **state)
{
	queue = hash_queue_new(HASH_QUEUE_WAIT_MS);
	pool = fiber_pool_new(64 << 10, VISITS_MAX);
	memset(visits, 0, sizeof(visits));
	n = 0;
	return 0;
}

static void
visit(struct fiber *f, void *arg)
{
	struct visit *v = arg;
	struct err e = { 0 };

	v->f = f;
	v->rc = hash_queue_enter(queue, f, v->source, &e);
	v->in = v->rc == 0;
	if (v->in) {
		fiber_sleep(f);
		hash_queue_leave(queue, v->source);
	}
	v->over = true;
}

static struct visit *
come(char source)
{
	struct visit *v = &visits[n++];

	memset(v->source, source, sizeof(v->source));
	assert_true(fiber_start(pool, visit, v));
	return v;
}

/* The oldest who hashes has done it. */
static void
one_is_done(void)
{
	unsigned i = 0;

	while (!visits[i].in || visits[i].over)
		i++;
	fiber_wake(visits[i].f);
	assert_true(visits[i].over);
}

static int
all_go(void **state)
{
	for (unsigned i = 0; i < n; i++)
		while (!visits[i].over)
			one_is_done();
	assert_int_equal(fiber_alive(pool), 0);
	fiber_pool_free(pool);
	hash_queue_free(queue);
	return 0;
}

static void
the_first_of_each_source_comes_next(void **state)
{
	struct visit *own;

	for (int i = 0; i < 20; i++)
		come('a');
	own = come('b');
	assert_false(own->in);
	one_is_done();
	assert_true(own->in);
}

static void
equals_go_by_age(void **state)
{
	struct visit *b, *c;

	come('a');
	come('a');
	b = come('b');
	c = come('c');
	one_is_done();
	assert_true(b->in && !c->in);
	one_is_done();
	assert_true(c->in);
}

static void
a_full_queue_has_room_for_others(void **state)
{
	struct visit *last = NULL, *own, *more;

	for (int i = 0; i < HASH_QUEUE_RUNNING + HASH_QUEUE_WAITING; i++)
		last = come('a');
	more = come('a');
	assert_int_equal(more->rc, ERR_LOCKED_OUT);
	own = come('b');
	assert_int_equal(last->rc, ERR_LOCKED_OUT);
	assert_false(own->over);
	one_is_done();
	assert_true(own->in);
}

static void
nobody_waits_for_ever(void **state)
{
	struct visit *late;

	hash_queue_free(queue);
	queue = hash_queue_new(1);
	come('a');
	come('a');
	late = come('a');
	for (int64_t began = clock_mono_ms(); clock_mono_ms() <= began + 1;)
		;
	one_is_done();
	assert_true(late->over);
	assert_int_equal(late->rc, ERR_LOCKED_OUT);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, all_go)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_of_each_source_comes_next),
		TEST(equals_go_by_age),
		TEST(a_full_queue_has_room_for_others),
		TEST(nobody_waits_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
