/* SPDX-License-Identifier: Apache-2.0
 *
 * keyd's end mark on its way to the disk (data/anchor). A thread of its own writes and syncs it, so
 * that no client waits for a disk; many marks in a short time are one write.
 */
#pragma once

#include "base/home.h"
#include "crypto/endmark.h"

struct markfile;

/* Opens the file and reads what is there (ret->seq 0: nothing). Returns once the thread is past all
 * that it needs for its own start: the system calls may be filtered then. */
int markfile_open(const struct home *h, struct markfile **ret, struct endmark *ret_mark,
		  struct err *e) NONNULL MUST_USE;
/* Does not wait. */
void markfile_put(struct markfile *f, const struct endmark *m) NONNULL;
/* What was put is on the disk, or that failed and was said. Takes NULL. */
void markfile_close(struct markfile *f);
