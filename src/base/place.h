/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that appear whole: one under a name that a person chose, which replaces nothing unasked;
 * and sets of the home's files that only fit together (a certificate and its key), which appear at
 * once. Any process.
 *
 * A set is written beside its place (conf/tls/making) and counts from the one rename that makes it
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

/* Refuses what is there already, before anything is done for it: ERR_EXISTS, with the way on (--force). Under `replace` a file may be
 * there, and nothing else. */
int place_check(const char *path, bool replace, struct err *e) NONNULL MUST_USE;
/* Gives `made`, written and synced beside it, the name `path`; in the same step that looks whether it is free. The name is durable
 * then. The caller removes `made` when it fails. */
int place_file(const char *made, const char *path, bool replace, struct err *e) NONNULL MUST_USE;

/* A file below conf/tls. */
struct place_part {
	enum home_path path;
	const struct buf *data;
	mode_t mode;
};
/* All of them, or none; what is there is replaced. */
int place_set(const struct home *h, const struct place_part *parts, size_t n,
	      struct err *e) NONNULL MUST_USE;
/* Ends a set that was begun to be put into place; *ret_moved: there was one. */
int place_settle(const struct home *h, bool *ret_moved, struct err *e) NONNULL MUST_USE;
