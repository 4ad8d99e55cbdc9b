/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs work in a child process and brings the result back: to run it as another user, or to let it
 * fork while this process has threads. The child dies with this process. Start it before the first
 * thread.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>
#include "base/err.h"

/* work: a copy of what apart_begin was given, copied back at the end; ctx: as given, read only. */
typedef int apart_fn(void *work, const void *ctx, struct err *e);

struct apart {
	pid_t pid;
	void *work;
	size_t n;
	struct apart_outcome *outcome;
};

/* work (n bytes) must live until apart_end; ctx may be NULL. */
int apart_begin(struct apart *ret, apart_fn *fn, void *work, size_t n, const void *ctx,
		struct err *e) MUST_USE;
/* Waits for the child and returns its result; ERR_INTERNAL if it crashed. */
int apart_end(struct apart *a, struct err *e) NONNULL MUST_USE;
