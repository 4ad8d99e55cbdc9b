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
		unsigned more; /* times it was passed over */
	} seen[PGLOG_KEPT];
	/* The newest FATAL or PANIC, for who must say why it does not start. */
	char last[PGLOG_LAST_MAX];
	size_t len; /* of the line being gathered */
	char line[PGLOG_LINE_MAX];
};

/* Bytes as they come; whole lines are logged. Zero-initialise. */
void pglog_feed(struct pglog *p, const char *bytes, size_t n, int64_t now_ms) NONNULL;

/* The parts of one line "PID [user] LEVEL:  text". false when it is none of PostgreSQL's: then the
 * text is the line. */
bool pglog_parse(const char *line, enum log_level *ret_level, const char **ret_text) NONNULL;
/* Whether a text is to be logged now; *ret_more: how many like it were passed over since it last was. */
bool pglog_admit(struct pglog *p, const char *text, int64_t now_ms, unsigned *ret_more) NONNULL;
