/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that appear whole: one under a name that a person chose, which never replaces a file
 * unasked; and sets of the home's files that belong together (a certificate and its key), which
 * appear at once. Any process.
 *
 * A set is written beside its place (conf/tls/making) and takes effect with the one rename to
 * conf/tls/new. From there each file moves into place. If the process is killed in between, the
 * rest stays there, and place_settle, which everyone calls before using these files, finishes the
 * move.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/home.h"

/* Checks, before any work is done, that nothing is at path: ERR_EXISTS, with the way out (--force).
 * With `replace` a file may be there, but nothing else. */
int place_check(const char *path, bool replace, struct err *e) NONNULL MUST_USE;
/* Renames `made`, written and synced beside it, to `path`, checking in the same step that it is
 * free. The name is durable on return. On failure the caller removes `made`. */
int place_file(const char *made, const char *path, bool replace, struct err *e) NONNULL MUST_USE;

/* A file below conf/tls. */
struct place_part {
	enum home_path path;
	const struct buf *data;
	mode_t mode;
};
/* Places all of them or none; replaces what is there. */
int place_set(const struct home *h, const struct place_part *parts, size_t n,
	      struct err *e) NONNULL MUST_USE;
/* Finishes moving a set that had begun to move; *ret_moved: there was one. */
int place_settle(const struct home *h, bool *ret_moved, struct err *e) NONNULL MUST_USE;
