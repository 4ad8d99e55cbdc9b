/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory, from the program's one allocator: it returns what was asked for or ends the process.
 *
 * Why it ends: memory runs out in the middle of something. Going on would take a way back from
 * every line, ways that no test takes and that mostly need memory themselves. Aborting leaves no
 * half state: what was acknowledged is durable in PostgreSQL or the journal, the rest was promised
 * to nobody, and the supervisor restarts the process within seconds. Bounds on what a stranger can
 * make a process hold (door, requests, lists) keep this from becoming a lever.
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

/* Bytes as they come, for who fills them at once. */
MUST_USE void *mem_raw(size_t bytes);

/* p, from any of these or NULL, with room for n items; takes p. What is new holds anything. */
MUST_USE void *mem_grow(void *p, size_t n, size_t size);

/* A copy of a text, or of its first n bytes and a NUL; NULL of NULL. */
MUST_USE char *mem_dup(const char *s);
MUST_USE char *mem_dupn(const char *s, size_t n);

/* Passes on what a library made and could fail to make only for want of memory. */
MUST_USE void *mem_have(void *made);

/* Ends the process unless `ok`: for calls that fail only for want of memory, threads or descriptors. */
void mem_check(bool ok);
