/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fiber_sleep.h"

struct nap {
	struct fiber *f;
	bool closed;
};

static void
on_closed(uv_handle_t *h)
{
	struct nap *p = h->data;

	p->closed = true;
	fiber_wake(p->f);
}

static void
on_over(uv_timer_t *t)
{
	uv_close((uv_handle_t *)t, on_closed);
}

void
fiber_sleep_ms(uv_loop_t *loop, struct fiber *f, unsigned ms)
{
	struct nap p = { .f = f };
	uv_timer_t t;

	uv_timer_init(loop, &t);
	t.data = &p;
	uv_timer_start(&t, on_over, ms, 0);
	while (!p.closed)
		fiber_sleep(f);
}
