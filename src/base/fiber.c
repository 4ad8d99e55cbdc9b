/* SPDX-License-Identifier: Apache-2.0
 *
 * How control moves: only run() enters a fiber, and only from the loop's context (pool->current is
 * NULL). A fiber leaves by fiber_sleep or by ending, always back into run(). Fibers that it starts
 * or wakes meanwhile wait in the pool's queue, which the loop's context drains before it goes on.
 */
#include "base/fiber.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/secret.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif

#ifdef HAS_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

/* Longest stack, in pages: bounds the residency vector below. */
#define STACK_PAGES_MAX 256

struct fiber {
	ucontext_t context;
	struct fiber_pool *pool;
	fiber_fn *fn;
	void *arg;
	struct fiber *next;	 /* in the pool's queue or its free list */
	struct fiber *gate_next; /* in the queue of a gate */
	char *map;		 /* guard page, then the stack */
	size_t dirty_bytes;	 /* from the top of the stack: what was ever touched */
	bool asleep;
	bool wake_kept; /* woken before it slept */
	bool admitted;	/* the gate it waits for let it in */
	bool ended;
	void *fake_stack; /* ASan's */
};

struct fiber_pool {
	ucontext_t loop;
	struct fiber *current; /* the one that runs; NULL: the loop does */
	struct fiber *first, *last;
	struct fiber *spare;
	unsigned alive, max;
	size_t page_bytes, stack_bytes;
	void *fake_stack; /* ASan's, of the loop */
	const void *loop_stack;
	size_t loop_stack_bytes;
};

/* ASan follows the stack pointer and must be told of every change of stack. */
#ifdef HAS_ASAN
static void
leave_stack(void **keep, const void *to, size_t bytes)
{
	__sanitizer_start_switch_fiber(keep, to, bytes);
}

static void
arrive_at_loop(struct fiber_pool *p)
{
	__sanitizer_finish_switch_fiber(p->fake_stack, NULL, NULL);
}

static void
arrive_at_fiber(struct fiber *f)
{
	__sanitizer_finish_switch_fiber(f->fake_stack, &f->pool->loop_stack,
					&f->pool->loop_stack_bytes);
}

static void
forget_frames(const void *stack, size_t bytes)
{
	__asan_unpoison_memory_region(stack, bytes);
}
#else
static void
leave_stack(void **keep, const void *to, size_t bytes)
{
}

static void
arrive_at_loop(struct fiber_pool *p)
{
}

static void
arrive_at_fiber(struct fiber *f)
{
}

static void
forget_frames(const void *stack, size_t bytes)
{
}
#endif

static char *
stack_of(const struct fiber *f)
{
	return f->map + f->pool->page_bytes;
}

struct fiber_pool *
fiber_pool_new(size_t stack_bytes, unsigned max)
{
	struct fiber_pool *p = mem_new(sizeof(*p));
	p->page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	p->stack_bytes = (stack_bytes + p->page_bytes - 1) / p->page_bytes * p->page_bytes;
	assert(p->stack_bytes > 0 && p->stack_bytes / p->page_bytes <= STACK_PAGES_MAX);
	p->max = max;
	return p;
}

void
fiber_pool_free(struct fiber_pool *p)
{
	if (!p)
		return;
	assert(p->alive == 0 && !p->current);
	for (struct fiber *f = p->spare, *next; f; f = next) {
		next = f->next;
		munmap(f->map, p->page_bytes + p->stack_bytes);
		free(f);
	}
	free(p);
}

unsigned
fiber_alive(const struct fiber_pool *p)
{
	return p->alive;
}

/* The lowest page that is there tells how deep this stack ever was: exact, and far cheaper than
 * giving the pages back. It only grows, so a page that was swapped out is not forgotten. */
static void
measure_dirty(struct fiber *f)
{
	unsigned char there[STACK_PAGES_MAX];
	size_t page = f->pool->page_bytes, pages = f->pool->stack_bytes / page, i = 0;
	if (mincore(stack_of(f), f->pool->stack_bytes, there) == 0) {
		while (i < pages && !(there[i] & 1))
			i++;
	}
	if (f->dirty_bytes < (pages - i) * page)
		f->dirty_bytes = (pages - i) * page;
}

/* Called in the loop's context, when nothing of the stack is in use. */
static void
retire(struct fiber *f)
{
	struct fiber_pool *p = f->pool;
	forget_frames(stack_of(f), p->stack_bytes);
	measure_dirty(f);
	secret_wipe(stack_of(f) + p->stack_bytes - f->dirty_bytes, f->dirty_bytes);
	f->next = p->spare;
	p->spare = f;
	p->alive--;
}

static void
enqueue(struct fiber_pool *p, struct fiber *f)
{
	f->next = NULL;
	if (p->last)
		p->last->next = f;
	else
		p->first = f;
	p->last = f;
}

static void
run(struct fiber_pool *p, struct fiber *f)
{
	p->current = f;
	leave_stack(&p->fake_stack, stack_of(f), p->stack_bytes);
	swapcontext(&p->loop, &f->context);
	arrive_at_loop(p);
	p->current = NULL;
	if (f->ended)
		retire(f);
}

/* Runs f now when the loop has control, after the running fiber otherwise. */
static void
schedule(struct fiber_pool *p, struct fiber *f)
{
	enqueue(p, f);
	while (!p->current && p->first) {
		struct fiber *next = p->first;
		p->first = next->next;
		if (!p->first)
			p->last = NULL;
		run(p, next);
	}
}

/* makecontext passes ints only: the pointer comes in two halves. */
static void
enter(unsigned high, unsigned low)
{
	struct fiber *f = (struct fiber *)((uintptr_t)high << 32 | (uintptr_t)low);
	arrive_at_fiber(f);
	f->fn(f, f->arg);
	f->ended = true;
	leave_stack(NULL, f->pool->loop_stack, f->pool->loop_stack_bytes);
	swapcontext(&f->context, &f->pool->loop);
	abort(); /* nobody returns to a fiber that ended */
}

static struct fiber *
fiber_new(struct fiber_pool *p)
{
	struct fiber *f = mem_new(sizeof(*f));
	f->pool = p;
	f->map = mmap(NULL, p->page_bytes + p->stack_bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	mem_check(f->map != MAP_FAILED && mprotect(f->map, p->page_bytes, PROT_NONE) >= 0);
	/* Huge pages would make every stack two megabytes deep. */
	(void)madvise(f->map, p->page_bytes + p->stack_bytes, MADV_NOHUGEPAGE);
	return f;
}

static void
prepare(struct fiber *f, fiber_fn *fn, void *arg)
{
	f->fn = fn;
	f->arg = arg;
	f->asleep = f->wake_kept = f->admitted = f->ended = false;
	f->fake_stack = NULL;
	if (getcontext(&f->context) < 0)
		abort();
	f->context.uc_link = NULL;
	f->context.uc_stack.ss_sp = stack_of(f);
	f->context.uc_stack.ss_size = f->pool->stack_bytes;
	uintptr_t self = (uintptr_t)f;
	makecontext(&f->context, (void (*)(void))enter, 2, (unsigned)(self >> 32), (unsigned)self);
}

bool
fiber_start(struct fiber_pool *p, fiber_fn *fn, void *arg)
{
	if (p->alive >= p->max)
		return false;
	struct fiber *f = p->spare;
	if (f)
		p->spare = f->next;
	else
		f = fiber_new(p);
	prepare(f, fn, arg);
	p->alive++;
	schedule(p, f);
	return true;
}

void
fiber_sleep(struct fiber *f)
{
	struct fiber_pool *p = f->pool;
	assert(p->current == f);
	if (f->wake_kept) {
		f->wake_kept = false;
		return;
	}
	f->asleep = true;
	leave_stack(&f->fake_stack, p->loop_stack, p->loop_stack_bytes);
	swapcontext(&f->context, &p->loop);
	arrive_at_fiber(f);
}

void
fiber_wake(struct fiber *f)
{
	if (!f->asleep) {
		f->wake_kept = true;
		return;
	}
	f->asleep = false;
	schedule(f->pool, f);
}

/* A wake meant for something else may come while f waits here; it is kept for its own sleep. */
static void
wait_admitted(struct fiber *f)
{
	bool other = false;
	for (;;) {
		fiber_sleep(f);
		if (f->admitted)
			break;
		other = true;
	}
	f->admitted = false;
	if (other)
		f->wake_kept = true;
}

void
fiber_gate_enter(struct fiber_gate *g, struct fiber *f)
{
	if (!g->busy) {
		g->busy = true;
		return;
	}
	f->gate_next = NULL;
	if (g->last)
		g->last->gate_next = f;
	else
		g->first = f;
	g->last = f;
	wait_admitted(f);
}

void
fiber_gate_leave(struct fiber_gate *g)
{
	assert(g->busy);
	struct fiber *f = g->first;
	if (!f) {
		g->busy = false;
		return;
	}
	g->first = f->gate_next;
	if (!g->first)
		g->last = NULL;
	f->admitted = true;
	fiber_wake(f);
}
