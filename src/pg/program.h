/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs one of PostgreSQL's own programs to its end: output captured and bounded, standard input
 * from a text, nothing inherited but a clean set of descriptors. Blocking; any process.
 *
 * argv[0] is the full path everywhere (cluster_program): by it PostgreSQL's programs find themselves
 * and each other. By a bare name they search PATH, where distributions do not put them.
 */
#pragma once

#include <sys/types.h>
#include "base/buf.h"
#include "base/err.h"

/* input may be NULL (/dev/null). The last 4 KiB of its output are put
 * into *ret_output (may be NULL). ERR_IO with the end of the output when it fails. */
int program_run(const char *const *argv, const char *input, struct buf *ret_output,
		struct err *e) MUST_USE;

/* The same, telling each line as it comes (ended by a newline or a carriage return, cut at 400 bytes). */
typedef void program_line_fn(void *ctx, const char *line);
int program_follow(const char *const *argv, program_line_fn *fn, void *ctx, struct err *e) MUST_USE;

/* Puts the last lines of a program's output, as much as fits, into one line of at most room bytes.
 */
void program_tail(const char *output, size_t n, char *ret, size_t room) NONNULL;

/* In a forked child: default signals, own umask, standard descriptors as given (-1: /dev/null), the
 * rest closed; then program_become. Never returns. */
void program_exec(const char *const *argv, int in, int out, int err) NORETURN;

/* Replaces this process, as it is, by the program. Returns only when that fails, with errno. */
void program_become(const char *const *argv) NONNULL;
