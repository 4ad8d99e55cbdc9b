/* SPDX-License-Identifier: Apache-2.0
 *
 * No silent waiting: once a verb has waited for a second, one line on standard error says for what.
 * A separate thread prints it, since the verb is blocked in a call; it touches only its own text.
 * Not while the process may fork.
 */
#pragma once

#include "base/attr.h"
#include "cli/frame/term.h"

#define WAITING_AFTER_MS 1000

struct waiting;

struct waiting *waiting_begin(void) MUST_USE;
/* What is waited for now; "" nothing. Printed if it is still so when the second is over. */
void waiting_for(struct waiting *w, const char *fmt, ...) PRINTF(2, 3);
/* The same, as a progress (agent/control.h): what the agent itself waits for. */
void waiting_progress(void *w, const char *text, int percent);
/* A progress whose first word ends the waiting; from then on each step is shown (cli/frame/term.h). */
struct waiting_steps {
	struct waiting *waiting;
	struct term_step step;
};
void waiting_steps(void *steps, const char *text, int percent) NONNULL;
/* Ends it at once. Takes NULL. */
void waiting_end(struct waiting *w);

DEFINE_GUARD(waiting_guard, struct waiting, waiting_end)
#define auto_waiting FREE_WITH(waiting_guard) struct waiting *
