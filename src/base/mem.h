/* SPDX-License-Identifier: Apache-2.0
 *
 * The program's one allocator: it returns what was asked for or ends the process.
 *
 * Why it ends: memory runs out in the middle of something. Continuing would need an error path from
 * every line, paths that no test takes and that mostly need memory themselves. Aborting leaves no
 * half-done state: what was acknowledged is durable in PostgreSQL or the journal, nothing else was
 * promised to anyone, and the supervisor restarts the process within seconds. Limits on what a
 * stranger can make a process hold (door, requests, lists) keep anyone from exploiting this.
 *
 * The caller frees with free(). What may hold a secret comes from secret_new, an arena or a buf,
 * all of which wipe; libraries get secret_malloc and its siblings. tools/check_layers.py finds any
 * other caller of malloc and its kin. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include "base/attr.h"

/* Zeroed bytes. */
MUST_USE void *mem_new(size_t bytes);

/* n zeroed items of `size` bytes; n may be 0. A product that does not fit ends the process as well. */
MUST_USE void *mem_array(size_t n, size_t size);

/* Uninitialised bytes, for callers that fill them at once. */
MUST_USE void *mem_raw(size_t bytes);

/* Resizes p (from any of these, or NULL) to n items; takes p. New items are uninitialised. */
MUST_USE void *mem_grow(void *p, size_t n, size_t size);

/* A copy of a text, or of its first n bytes and a NUL; NULL for NULL. */
MUST_USE char *mem_dup(const char *s);
MUST_USE char *mem_dupn(const char *s, size_t n);

/* Passes on what a library allocated, where it can fail only for lack of memory. */
MUST_USE void *mem_have(void *made);

/* Ends the process unless `ok`: for calls that fail only for lack of memory, threads or descriptors. */
void mem_check(bool ok);
