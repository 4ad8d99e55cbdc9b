/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs one of PostgreSQL's own programs to its end: it captures and bounds the output, feeds
 * standard input from a text, and passes on only a clean set of descriptors. Blocking; any process.
 *
 * argv[0] is always the full path (cluster_program): PostgreSQL's programs find themselves and each
 * other by it. Given a bare name they search PATH, where distributions do not put them.
 */
#pragma once

#include <sys/types.h>
#include "base/buf.h"
#include "base/err.h"

/* input may be NULL (/dev/null). Puts the last 4 KiB of its output into *ret_output (may be NULL).
 * ERR_IO with the end of the output if it fails. */
int program_run(const char *const *argv, const char *input, struct buf *ret_output,
		struct err *e) MUST_USE;

/* The same, passing each line to fn as it comes (ended by newline or carriage return, cut at 400
 * bytes). */
typedef void program_line_fn(void *ctx, const char *line);
int program_follow(const char *const *argv, program_line_fn *fn, void *ctx, struct err *e) MUST_USE;

/* Joins the last lines of a program's output, as many as fit, into one line of at most room bytes.
 */
void program_tail(const char *output, size_t n, char *ret, size_t room) NONNULL;

/* In a forked child: default signals, own umask, standard descriptors as given (-1: /dev/null), the
 * rest closed; then program_become. Never returns. */
void program_exec(const char *const *argv, int in, int out, int err) NORETURN;

/* Replaces this process, as it is, with the program. Returns only on failure, with errno. */
void program_become(const char *const *argv) NONNULL;
