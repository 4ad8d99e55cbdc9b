/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "vault/record_lock.h"

struct shared {
	struct record_locks *g;
	struct fiber *asleep[64];
	unsigned n, inside[2], done;
	bool clash;
};

struct visit {
	struct shared *s;
	int record;
};

static void
visit(struct fiber *f, void *arg)
{
	struct visit *v = arg;
	struct uuid id = { { 0 } };
	id.b[0] = (uint8_t)v->record;
	auto_record_lock lock = record_lock_take(v->s->g, f, &id);

	if (++v->s->inside[v->record] > 1)
		v->s->clash = true;
	v->s->asleep[v->s->n++] = f;
	fiber_sleep(f);
	v->s->inside[v->record]--;
	v->s->done++;
}

/* Same record: one after the other. Other record: side by side. Both ids share a bucket. */
static void
one_at_a_time(void **state)
{
	struct fiber_pool *p = fiber_pool_new(64 << 10, 32);
	struct shared s = { .g = record_locks_new() };
	struct visit a = { &s, 0 }, b = { &s, 1 };
	struct uuid id = { { 0 } };

	for (int i = 0; i < 4; i++) {
		assert_true(fiber_start(p, visit, &a));
		assert_true(fiber_start(p, visit, &b));
	}
	assert_int_equal(s.n, 2); /* one of each record is inside */
	assert_int_equal(record_lock_waiting(s.g, &id), 4);
	for (unsigned i = 0; i < s.n; i++)
		fiber_wake(s.asleep[i]);
	assert_int_equal(s.done, 8);
	assert_false(s.clash);
	assert_int_equal(record_lock_waiting(s.g, &id), 0);
	assert_int_equal(fiber_alive(p), 0);
	record_locks_free(s.g); /* asserts that no lock is left */
	fiber_pool_free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(one_at_a_time) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
