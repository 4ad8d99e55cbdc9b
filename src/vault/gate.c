/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/gate.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define GATE_BUCKETS 256

struct gate {
	struct gate *next;
	struct gates *owner;
	struct uuid id;
	unsigned users; /* inside and waiting; the gate goes away with the last */
	struct fiber_gate queue;
};

struct gates {
	struct gate *bucket[GATE_BUCKETS];
	unsigned n;
};

struct gates *
gates_new(void)
{
	struct gates *g = calloc(1, sizeof(*g));

	if (!g)
		abort();
	return g;
}

void
gates_free(struct gates *g)
{
	assert(!g || !g->n);
	free(g);
}

/* The last bytes of a UUIDv7 are random. */
static unsigned
bucket_of(const struct uuid *id)
{
	return id->b[15] % GATE_BUCKETS;
}

static struct gate *
find(const struct gates *g, const struct uuid *id)
{
	struct gate *gate = g->bucket[bucket_of(id)];

	while (gate && !uuid_eq(&gate->id, id))
		gate = gate->next;
	return gate;
}

static struct gate *
add(struct gates *g, const struct uuid *id)
{
	struct gate *gate = calloc(1, sizeof(*gate));

	if (!gate)
		abort();
	gate->owner = g;
	gate->id = *id;
	gate->next = g->bucket[bucket_of(id)];
	g->bucket[bucket_of(id)] = gate;
	g->n++;
	return gate;
}

struct gate *
gate_enter(struct gates *g, struct fiber *f, const struct uuid *id)
{
	struct gate *gate = find(g, id);

	if (!gate)
		gate = add(g, id);
	gate->users++;
	fiber_gate_enter(&gate->queue, f);
	return gate;
}

static void
drop(struct gate *gate)
{
	struct gate **at = &gate->owner->bucket[bucket_of(&gate->id)];

	while (*at != gate)
		at = &(*at)->next;
	*at = gate->next;
	gate->owner->n--;
	free(gate);
}

void
gate_leave(struct gate *gate)
{
	if (!gate)
		return;
	/* Leaving may run the next fiber at once, and that one may leave too: keep the gate until
	 * our own count is gone. */
	fiber_gate_leave(&gate->queue);
	if (!--gate->users)
		drop(gate);
}

unsigned
gate_waiting(const struct gates *g, const struct uuid *id)
{
	const struct gate *gate = find(g, id);

	return gate ? gate->users : 0;
}
