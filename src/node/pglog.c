/* SPDX-License-Identifier: Apache-2.0 */
#include "node/pglog.h"

#include <stdio.h>
#include <string.h>

/* PostgreSQL's levels. LOG is what it says of itself. A FATAL ends one connection, not the server. */
static const struct {
	const char *name;
	enum log_level level;
} levels[] = {
	{ "PANIC:  ", LOG_LEVEL_ERROR },   { "FATAL:  ", LOG_LEVEL_WARNING },
	{ "ERROR:  ", LOG_LEVEL_WARNING }, { "WARNING:  ", LOG_LEVEL_WARNING },
	{ "NOTICE:  ", LOG_LEVEL_NOTICE }, { "LOG:  ", LOG_LEVEL_INFO },
	{ "INFO:  ", LOG_LEVEL_INFO },
};

bool
pglog_parse(const char *line, enum log_level *ret_level, const char **ret_text)
{
	const char *p = line + strspn(line, "0123456789");
	*ret_level = LOG_LEVEL_WARNING;
	*ret_text = line;
	if (p == line || *p != ' ')
		return false;
	p++;
	for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
		size_t n = strlen(levels[i].name);
		const char *word = p; /* after an optional user */
		if (strncmp(word, levels[i].name, n) != 0) {
			word += strcspn(word, " ");
			word += *word == ' ';
		}
		if (strncmp(word, levels[i].name, n) != 0)
			continue;
		*ret_level = levels[i].level;
		*ret_text = word;
		return true;
	}
	return false;
}

static uint64_t
hash_of(const char *s)
{
	uint64_t h = 14695981039346656037u;
	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 1099511628211u;
	return h ? h : 1;
}

bool
pglog_admit(struct pglog *p, const char *text, int64_t now_ms, unsigned *ret_more)
{
	uint64_t hash = hash_of(text);
	size_t oldest = 0, at = PGLOG_KEPT;
	*ret_more = 0;
	for (size_t i = 0; i < PGLOG_KEPT && at == PGLOG_KEPT; i++) {
		if (p->seen[i].hash == hash)
			at = i;
		else if (p->seen[i].since_ms < p->seen[oldest].since_ms)
			oldest = i;
	}
	if (at < PGLOG_KEPT && now_ms - p->seen[at].since_ms < PGLOG_QUIET_MS) {
		p->seen[at].more++;
		return false;
	}
	if (at < PGLOG_KEPT)
		*ret_more = p->seen[at].more;
	else
		at = oldest;
	p->seen[at].hash = hash;
	p->seen[at].since_ms = now_ms;
	p->seen[at].more = 0;
	return true;
}

static void
take_line(struct pglog *p, int64_t now_ms)
{
	enum log_level level;
	const char *text;
	unsigned more = 0;
	p->line[p->len] = '\0';
	p->len = 0;
	if (!p->line[0])
		return;
	pglog_parse(p->line, &level, &text);
	if (strncmp(text, "FATAL:", 6) == 0 || strncmp(text, "PANIC:", 6) == 0)
		snprintf(p->last, sizeof(p->last), "%s", text);
	if (!pglog_admit(p, text, now_ms, &more))
		return;
	if (more)
		log_at(level, "postgres: %s (and %u more times since this was last logged)", text,
		       more);
	else
		log_at(level, "postgres: %s", text);
}

void
pglog_feed(struct pglog *p, const char *bytes, size_t n, int64_t now_ms)
{
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] != '\n')
			p->line[p->len++] = bytes[i] ? bytes[i] : '?';
		if (bytes[i] == '\n' || p->len == sizeof(p->line) - 1)
			take_line(p, now_ms);
	}
}
