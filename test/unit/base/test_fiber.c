/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/fiber.h"

#define STACK (64 << 10)

/* What fibers do, in order. */
struct trace {
	char text[4096];
	size_t n;
	struct fiber *last; /* the fiber that spoke last */
	struct fiber_pool *pool;
};

static void
say(struct trace *t, const char *what)
{
	t->n += (size_t)snprintf(t->text + t->n, sizeof(t->text) - t->n, "%s ", what);
}

static void
sleep_twice(struct fiber *f, void *arg)
{
	struct trace *t = arg;
	t->last = f;
	say(t, "a");
	fiber_sleep(f);
	say(t, "b");
	fiber_sleep(f);
	say(t, "c");
}

static void
start_returns_at_the_first_sleep(void **state)
{
	struct trace t = { 0 };
	struct fiber_pool *p = fiber_pool_new(STACK, 4);
	assert_true(fiber_start(p, sleep_twice, &t));
	assert_int_equal(fiber_alive(p), 1);
	say(&t, "loop");
	fiber_wake(t.last);
	say(&t, "loop");
	fiber_wake(t.last);
	say(&t, "end");
	assert_string_equal(t.text, "a loop b loop c end ");
	assert_int_equal(fiber_alive(p), 0);
	fiber_pool_free(p);
	fiber_pool_free(NULL);
}

static void
end_at_once(struct fiber *f, void *arg)
{
	say(arg, "child");
}

static void
start_and_sleep(struct fiber *f, void *arg)
{
	struct trace *t = arg;
	t->last = f;
	say(t, "parent");
	assert_true(fiber_start(t->pool, end_at_once, t));
	say(t, "still");
	fiber_sleep(f);
	say(t, "woken");
}

static void
a_fiber_started_by_a_fiber_waits_its_turn(void **state)
{
	struct trace t = { 0 };
	t.pool = fiber_pool_new(STACK, 4);
	assert_true(fiber_start(t.pool, start_and_sleep, &t));
	assert_string_equal(t.text, "parent still child ");
	fiber_wake(t.last);
	assert_string_equal(t.text, "parent still child woken ");
	fiber_pool_free(t.pool);
}

static void
wake_other(struct fiber *f, void *arg)
{
	struct trace *t = arg;
	say(t, "waker");
	fiber_wake(t->last);
	say(t, "goes-on");
}

static void
a_wake_from_a_fiber_is_queued(void **state)
{
	struct trace t = { 0 };
	struct fiber_pool *p = fiber_pool_new(STACK, 4);
	assert_true(fiber_start(p, sleep_twice, &t));
	assert_true(fiber_start(p, wake_other, &t));
	assert_string_equal(t.text, "a waker goes-on b ");
	fiber_wake(t.last);
	assert_int_equal(fiber_alive(p), 0);
	fiber_pool_free(p);
}

static void
wake_self_first(struct fiber *f, void *arg)
{
	struct trace *t = arg;
	t->last = f;
	fiber_wake(f);
	fiber_wake(f); /* kept once */
	fiber_sleep(f);
	say(t, "one");
	fiber_sleep(f);
	say(t, "two");
}

static void
an_early_wake_is_kept_once(void **state)
{
	struct trace t = { 0 };
	struct fiber_pool *p = fiber_pool_new(STACK, 4);
	assert_true(fiber_start(p, wake_self_first, &t));
	assert_string_equal(t.text, "one ");
	fiber_wake(t.last);
	assert_string_equal(t.text, "one two ");
	fiber_pool_free(p);
}

static void
the_limit_holds(void **state)
{
	struct trace t[3] = { 0 };
	struct fiber_pool *p = fiber_pool_new(STACK, 2);
	assert_true(fiber_start(p, sleep_twice, &t[0]));
	assert_true(fiber_start(p, sleep_twice, &t[1]));
	assert_false(fiber_start(p, sleep_twice, &t[2]));
	for (int i = 0; i < 2; i++) {
		fiber_wake(t[i].last);
		fiber_wake(t[i].last);
	}
	assert_true(fiber_start(p, end_at_once, &t[2]));
	assert_string_equal(t[2].text, "child ");
	fiber_pool_free(p);
}

/* ---- many ---- */

#define MANY 2000
#define ROUNDS 20

struct worker {
	struct fiber *f;
	unsigned seed, sum, want;
};

static void
work(struct fiber *f, void *arg)
{
	struct worker *w = arg;
	w->f = f;
	char text[512];
	for (unsigned i = 0; i < ROUNDS; i++) {
		/* Locals, floating point and printf must survive the changes of stack. */
		double d = (double)(w->seed + i) / 4;
		snprintf(text, sizeof(text), "%.2f-%u", d, w->seed);
		fiber_sleep(f);
		char again[512];
		snprintf(again, sizeof(again), "%.2f-%u", d, w->seed);
		assert_string_equal(text, again);
		w->sum += w->seed + i;
	}
	w->f = NULL;
}

static void
many_fibers_keep_their_own(void **state)
{
	static struct worker w[MANY];
	struct fiber_pool *p = fiber_pool_new(STACK, MANY);
	for (int again = 0; again < 2; again++) { /* the second time on used stacks */
		memset(w, 0, sizeof(w));
		for (unsigned i = 0; i < MANY; i++) {
			w[i].seed = i * 7;
			assert_true(fiber_start(p, work, &w[i]));
		}
		assert_int_equal(fiber_alive(p), MANY);
		unsigned at = 1;
		while (fiber_alive(p)) {
			at = (at * 1103515245u + 12345u) & 0x7fffffff;
			for (unsigned k = 0; k < MANY; k++) {
				struct worker *x = &w[(at + k * 7919u) % MANY];
				if (x->f)
					fiber_wake(x->f);
			}
		}
		for (unsigned i = 0; i < MANY; i++)
			assert_int_equal(w[i].sum, ROUNDS * w[i].seed + ROUNDS * (ROUNDS - 1) / 2);
	}
	fiber_pool_free(p);
}

/* ---- gates ---- */

struct gated {
	struct fiber_gate *gate;
	struct fiber *f;
	int *inside, *done, *order;
	int number;
};

static void
pass_gate(struct fiber *f, void *arg)
{
	struct gated *g = arg;
	g->f = f;
	fiber_gate_enter(g->gate, f);
	assert_int_equal(*g->inside, 0);
	*g->inside = 1;
	fiber_sleep(f);
	*g->inside = 0;
	g->order[(*g->done)++] = g->number;
	fiber_gate_leave(g->gate);
}

static void
a_gate_lets_one_at_a_time_pass_in_order(void **state)
{
	enum { N = 50 };
	struct fiber_gate gate = { 0 };
	struct gated g[N];
	int inside = 0, done = 0, order[N];
	struct fiber_pool *p = fiber_pool_new(STACK, N);
	for (int i = 0; i < N; i++) {
		g[i] = (struct gated){ &gate, NULL, &inside, &done, order, i };
		assert_true(fiber_start(p, pass_gate, &g[i]));
	}
	assert_int_equal(inside, 1);
	for (int i = 0; i < N; i++) {
		assert_int_equal(done, i);
		fiber_wake(g[i].f);
	}
	assert_int_equal(done, N);
	for (int i = 0; i < N; i++)
		assert_int_equal(order[i], i);
	assert_false(gate.busy);
	assert_int_equal(fiber_alive(p), 0);
	fiber_pool_free(p);
}

static void
a_wake_while_at_the_gate_is_kept_for_its_sleep(void **state)
{
	struct fiber_gate gate = { 0 };
	struct gated g[2];
	int inside = 0, done = 0, order[2];
	struct fiber_pool *p = fiber_pool_new(STACK, 2);
	for (int i = 0; i < 2; i++) {
		g[i] = (struct gated){ &gate, NULL, &inside, &done, order, i };
		assert_true(fiber_start(p, pass_gate, &g[i]));
	}
	fiber_wake(g[1].f); /* it waits at the gate: it must not pass now */
	assert_int_equal(done, 0);
	fiber_wake(g[0].f); /* leaves; the second enters, and its kept wake ends its sleep */
	assert_int_equal(done, 2);
	fiber_pool_free(p);
}

/* ---- stacks ---- */

static void
leave_secret(struct fiber *f, void *arg)
{
	volatile char deep[20000];
	for (size_t i = 0; i < sizeof(deep); i++)
		deep[i] = 'S';
	*(const volatile char **)arg = deep;
	fiber_sleep(f);
}

static void
keep_self(struct fiber *f, void *arg)
{
	*(struct fiber **)arg = f;
	fiber_sleep(f);
}

__attribute__((no_sanitize("address"))) static size_t
count_secrets(const volatile char *p, size_t n)
{
	size_t found = 0;
	for (size_t i = 0; i < n; i++)
		found += p[i] == 'S';
	return found;
}

struct leaver {
	struct fiber *f;
	const volatile char *at;
};

static void
leave_and_tell(struct fiber *f, void *arg)
{
	struct leaver *l = arg;
	l->f = f;
	leave_secret(f, &l->at);
}

static void
the_stack_is_wiped_at_the_end(void **state)
{
	struct fiber_pool *p = fiber_pool_new(STACK, 1);
	for (int i = 0; i < 3; i++) { /* the second and third on a used stack */
		struct leaver l = { 0 };
		assert_true(fiber_start(p, leave_and_tell, &l));
		assert_true(count_secrets(l.at, 20000) == 20000);
		fiber_wake(l.f);
		assert_int_equal(fiber_alive(p), 0);
		assert_int_equal(count_secrets(l.at, 20000), 0);
	}
	fiber_pool_free(p);
}

static int
dig(int n)
{
	volatile char block[4096];
	memset(UNCONST(void *, block), n, sizeof(block));
	return n ? dig(n - 1) + block[n % 4096] : block[0];
}

static void
dig_deep(struct fiber *f, void *arg)
{
	*(int *)arg = dig(200);
}

static void
an_overflow_is_a_crash_not_a_corruption(void **state)
{
	pid_t pid = fork();
	if (!pid) {
		int sum = 0;
		signal(SIGSEGV, SIG_DFL);
		struct fiber_pool *p = fiber_pool_new(STACK, 2);
		struct fiber *other;
		if (!fiber_start(p, keep_self, &other) || !fiber_start(p, dig_deep, &sum))
			_exit(2);
		_exit(0);
	}
	int status;
	waitpid(pid, &status, 0);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) > 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(start_returns_at_the_first_sleep),
		cmocka_unit_test(a_fiber_started_by_a_fiber_waits_its_turn),
		cmocka_unit_test(a_wake_from_a_fiber_is_queued),
		cmocka_unit_test(an_early_wake_is_kept_once),
		cmocka_unit_test(the_limit_holds),
		cmocka_unit_test(many_fibers_keep_their_own),
		cmocka_unit_test(a_gate_lets_one_at_a_time_pass_in_order),
		cmocka_unit_test(a_wake_while_at_the_gate_is_kept_for_its_sleep),
		cmocka_unit_test(the_stack_is_wiped_at_the_end),
		cmocka_unit_test(an_overflow_is_a_crash_not_a_corruption),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
