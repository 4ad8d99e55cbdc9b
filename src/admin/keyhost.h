/* SPDX-License-Identifier: Apache-2.0
 *
 * A private keyd for commands that run without the node's own, or beside it: init, key check. It is
 * a forked child that ends when its control socket closes, or with its parent.
 */
#pragma once

#include "base/err.h"
#include "base/home.h"

/* key_file: full path, or "" for what conf/manage_key.conf says. *ret_control keeps it alive: give
 * it to keyhost_stop at the end. *ret_fd: a connection in the role of init, for keys_new. */
int keyhost_start(const struct home *h, const char *key_file, int *ret_control, int *ret_fd,
		  struct err *e) NONNULL MUST_USE;
/* Returns when it has ended: what it was told to remember is on the disk then. Takes -1. */
void keyhost_stop(int control);
