/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks whether a master key file belongs to a node's data, and makes new key files. Blocking;
 * started as root, it becomes Holdfast's user.
 */
#pragma once

#include "base/err.h"
#include "base/home.h"

struct keycheck_result {
	char key_file[HOME_PATH_MAX];
	int opened; /* data keys that it opened */
};

/* key_file NULL: what conf/manage_key.conf says. Starts the database for the check if the node does
 * not run. ERR_BAD_KEY with what to do. */
int keycheck_run(const struct home *h, const char *key_file, struct keycheck_result *ret,
		 struct err *e) MUST_USE;
/* A new master key file; never overwrites. */
int keycheck_new(const char *path, struct err *e) NONNULL MUST_USE;
