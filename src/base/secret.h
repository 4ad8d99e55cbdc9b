/* SPDX-License-Identifier: Apache-2.0
 *
 * Long-lived key material: guarded, locked pages (libsodium's sodium_malloc), no printer. The only
 * access is secret_bytes.
 */
#pragma once

#include <stdint.h>
#include "base/attr.h"

struct secret;

struct secret *secret_new(size_t len) MUST_USE; /* zeroed; aborts when out of memory */
void secret_free(struct secret *s);		/* wipes; takes NULL */
unsigned secret_unlocked(void); /* how many so far whose pages could not be locked */
uint8_t *secret_bytes(struct secret *s) NONNULL; /* borrowed until secret_free */

/* Overwrites n bytes at p; the compiler cannot optimise it away. */
void secret_wipe(void *p, size_t n);

/* malloc/free that wipe on free, in the shape jansson's json_set_alloc_funcs wants. */
void *secret_malloc(size_t n);
void secret_mfree(void *p);
void *secret_mrealloc(void *p, size_t n); /* moves; NULL: no memory, p unchanged */

DEFINE_GUARD(secret_guard, struct secret, secret_free)
#define auto_secret FREE_WITH(secret_guard) struct secret *
