/* SPDX-License-Identifier: Apache-2.0
 *
 * Gates: one queue of fibers per record, for rules that check and then change. Two changes of one
 * record follow each other; changes of different records never wait for each other. Core thread
 * only. A fiber that enters several gates enters them in the order of their ids, or waits for ever.
 */
#pragma once

#include "base/fiber.h"
#include "base/uuid.h"

struct gates;
struct gate;

struct gates *gates_new(void) MUST_USE;
void gates_free(struct gates *g); /* nobody may be inside; takes NULL */

/* Enters the gate of a record; sleeps until nobody else is inside. */
struct gate *gate_enter(struct gates *g, struct fiber *f, const struct uuid *id) NONNULL MUST_USE;
void gate_leave(struct gate *gate); /* takes NULL */
/* How many fibers are inside or wait at the gate of this record. */
unsigned gate_waiting(const struct gates *g, const struct uuid *id) NONNULL;

DEFINE_GUARD(gate_guard, struct gate, gate_leave)
/* auto_gate g = gate_enter(v->gates, f, &id); – left at the end of the block */
#define auto_gate FREE_WITH(gate_guard) __attribute__((unused)) struct gate *
