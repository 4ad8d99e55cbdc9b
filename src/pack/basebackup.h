/* SPDX-License-Identifier: Apache-2.0
 *
 * A base backup of this node's own cluster (pg_basebackup, one tar, with the WAL it needs),
 * compressed (gzip) into the sealed part begun last. Blocking; any thread.
 */
#pragma once

#include "base/home.h"
#include "base/settings.h"
#include "pack/pack.h"

struct basebackup {
	const struct home *h;
	const struct settings *s;
	int64_t database_bytes; /* what to expect, for progress */
	void (*progress)(void *ctx, const char *text, int percent);
	void *ctx;
	int watch_fd; /* when its other end closes the copy ends with ERR_REFUSED; -1: none */
};

/* Whether the folder's disk has room for a copy of a database this large. ERR_IO with how much is
 * missing. */
int basebackup_check_room(const char *folder, int64_t database_bytes,
			  struct err *e) NONNULL MUST_USE;

/* *ret_bytes: of the tar, not compressed. ERR_IO with what pg_basebackup said. */
int basebackup_write(const struct basebackup *x, struct pack_writer *w, int64_t *ret_bytes,
		     struct err *e) NONNULL MUST_USE;
