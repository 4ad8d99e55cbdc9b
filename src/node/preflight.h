/* SPDX-License-Identifier: Apache-2.0
 *
 * What serve checks before it starts anything, so that people get one paragraph that says what is
 * wrong and what to do. Blocking, before the loop.
 */
#pragma once

#include <stdbool.h>
#include "base/err.h"
#include "base/proc.h"

/* Whether it is a node's home, and ours: checked before anything in it is read. ERR_PRECONDITION. */
int preflight_home(const struct home *h, struct err *e) NONNULL MUST_USE;

/* Finishes what a killed command had begun to put into place (base/place.h), and says so. */
int preflight_settle(const struct home *h, struct err *e) NONNULL MUST_USE;
/* All of it: a complete home of ours, nobody else serving it, data of a PostgreSQL that is installed,
 * room on the disk, free ports. What may still appear (preflight_await) does not count here. */
int preflight_check(const struct proc_args *a, struct err *e) NONNULL MUST_USE;

/* What a start needs but may appear by itself: the addresses to listen on, the device with the master
 * key. ERR_UNREACHABLE: not there yet, as the text says; any other error will not go away by itself. */
int preflight_await(const struct proc_args *a, struct err *e) NONNULL MUST_USE;

/* Whether the pair's certificate is there: then PostgreSQL opens the pair's port. */
bool preflight_has_pair(const struct home *h) NONNULL;
/* Whether an unpacked pack waits. */
bool preflight_has_pack(const struct home *h) NONNULL;
