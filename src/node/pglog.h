/* SPDX-License-Identifier: Apache-2.0
 *
 * Passes PostgreSQL's lines into our log: at our levels, and each text at most once in
 * PGLOG_QUIET_MS. A standby whose primary is gone repeats itself twice a second, for days.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/log.h"

#define PGLOG_QUIET_MS 60000
#define PGLOG_KEPT 32
#define PGLOG_LAST_MAX 384
#define PGLOG_LINE_MAX 2048

struct pglog {
	struct {
		uint64_t hash; /* 0: free */
		int64_t since_ms;
		unsigned more; /* times it was suppressed */
	} seen[PGLOG_KEPT];
	/* The newest FATAL or PANIC, to tell why it does not start. */
	char last[PGLOG_LAST_MAX];
	size_t len; /* of the line being gathered */
	char line[PGLOG_LINE_MAX];
};

/* Takes bytes as they come and logs whole lines. Zero-initialise. */
void pglog_feed(struct pglog *p, const char *bytes, size_t n, int64_t now_ms) NONNULL;

/* The parts of one line "PID [user] LEVEL: text". false if it is not PostgreSQL's: the text is then
 * the line. */
bool pglog_parse(const char *line, enum log_level *ret_level, const char **ret_text) NONNULL;
/* Whether to log a text now; *ret_more: how many like it were suppressed since it was last logged. */
bool pglog_admit(struct pglog *p, const char *text, int64_t now_ms, unsigned *ret_more) NONNULL;
