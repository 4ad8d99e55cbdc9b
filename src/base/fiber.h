/* SPDX-License-Identifier: Apache-2.0
 *
 * Stackful fibers (makecontext) on one thread: a request is straight-line code that sleeps where it
 * waits. The owner's event loop calls fiber_wake from its callbacks; a fiber runs until it sleeps
 * or ends. Nothing here blocks and nothing is shared between threads. A fiber's stack is wiped when
 * it ends.
 */
#pragma once

#include <stdbool.h>
#include "base/attr.h"

struct fiber;
struct fiber_pool;
typedef void fiber_fn(struct fiber *f, void *arg);

/* stack_bytes per fiber (rounded up to pages, a guard page below); max fibers alive at once. */
struct fiber_pool *fiber_pool_new(size_t stack_bytes, unsigned max) MUST_USE;
void fiber_pool_free(struct fiber_pool *p); /* every fiber must have ended; takes NULL */
unsigned fiber_alive(const struct fiber_pool *p) NONNULL;

/* Starts fn(f, arg) and runs it to its first sleep. false when max fibers are alive.
 * May be called from the loop or from another fiber (then it runs when that one next sleeps). */
bool fiber_start(struct fiber_pool *p, fiber_fn *fn, void *arg) MUST_USE;

/* Inside f only: sleeps until fiber_wake(f). There are no spurious wakes: one wake, one return. A
 * wake that comes before the sleep is kept (once). */
void fiber_sleep(struct fiber *f) NONNULL;

/* From a loop callback: runs f at once until it sleeps again. From another fiber: queues it. */
void fiber_wake(struct fiber *f) NONNULL;

/* Lets fibers through one at a time, as for one record; the others queue. Zero-initialise. */
struct fiber_gate {
	bool busy;
	struct fiber *first, *last;
};

void fiber_gate_enter(struct fiber_gate *g, struct fiber *f) NONNULL;
void fiber_gate_leave(struct fiber_gate *g) NONNULL;
