/* SPDX-License-Identifier: Apache-2.0
 *
 * The process's own log on stderr: one line each, `2026-01-31T12:00:00.123Z warning vaultd: text`.
 * Under systemd (JOURNAL_STREAM) the sd-daemon priority prefix replaces time and level.
 * Control characters from outside are escaped. Never pass a secret.
 */
#pragma once

#include "base/err.h"

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_NOTICE,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

/* Names the process (borrowed for ever) and the least important level that is written. */
void log_init(const char *process, enum log_level level) NONNULL;
/* "warning" to its level. 0, or ERR_BAD_FIELD. */
int log_level_parse(const char *s, enum log_level *ret) NONNULL MUST_USE;
void log_at(enum log_level level, const char *fmt, ...) PRINTF(2, 3);
void log_err(enum log_level level, const struct err *e, const char *fmt, ...) PRINTF(3, 4);

#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_at(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...) log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)
