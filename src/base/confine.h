/* SPDX-License-Identifier: Apache-2.0
 *
 * What a process takes from itself for good, so that whoever takes it over later has no more: files (Landlock) and system
 * calls (seccomp). Both before the process has threads. Descriptors that are open stay as they are.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"

enum confine_right {
	CONFINE_LIST = 1, /* the names in a folder, and in what is below it */
	CONFINE_READ = 2, /* the file, or whatever is below the folder */
	CONFINE_WRITE = 4,
	CONFINE_CHANGE = 8,   /* make, rename and remove what is in the folder or below it */
	CONFINE_EXECUTE = 16, /* the program, or its loader */
};

struct confine_path {
	const char *path; /* one that is not there is passed over */
	unsigned rights;  /* enum confine_right */
};

/* No file but these can be opened, made, removed or started from now on, nor any process outside be traced; and with `silent`
 * none signalled, where the kernel can refuse that. *ret_held is false where it has no Landlock or does not allow it: then
 * nothing has changed. Programs that are started inherit all of it. ERR_INTERNAL. */
int confine_files(const struct confine_path *paths, size_t n, bool silent, bool *ret_held,
		  struct err *e) NONNULL MUST_USE;

/* Warns in the log if the process can still read the master key file, which it never needs. what: what people call the process. */
void confine_check_key(const char *file, const char *what) NONNULL;

/* No other program, no other process, nothing of the system's: those calls fail with EPERM from now on, in all threads. They
 * do not kill: a library that only tries one goes on, and there is nothing to learn from the answer. ERR_INTERNAL where the
 * kernel has no seccomp. */
int confine_calls(struct err *e) NONNULL MUST_USE;
