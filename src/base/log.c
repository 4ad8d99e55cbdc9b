/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"

#define LINE_MAX_BYTES 2048

static const struct {
	const char *name;
	char priority; /* of syslog, as systemd's prefix wants it */
} levels[] = {
	[LOG_LEVEL_ERROR] = { "error", '3' },	[LOG_LEVEL_WARNING] = { "warning", '4' },
	[LOG_LEVEL_NOTICE] = { "notice", '5' }, [LOG_LEVEL_INFO] = { "info", '6' },
	[LOG_LEVEL_DEBUG] = { "debug", '7' },
};

/* Of the whole process, set once at its start: a log that had to be passed everywhere would be
 * missing exactly where something unexpected happens. */
static struct {
	const char *process;
	enum log_level level;
	bool systemd;
} self = { "holdfast", LOG_LEVEL_INFO, false };

/* Whether stderr is the stream that systemd says it reads. */
static bool
stderr_is_journal(void)
{
	const char *v = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;
	return v && sscanf(v, "%llu:%llu", &dev, &ino) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
	       st.st_dev == dev && st.st_ino == ino;
}

void
log_init(const char *process, enum log_level level)
{
	self.process = process;
	self.level = level;
	self.systemd = stderr_is_journal();
}

int
log_level_parse(const char *s, enum log_level *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
		if (strcmp(levels[i].name, s) == 0) {
			*ret = (enum log_level)i;
			return 0;
		}
	}
	return ERR_BAD_FIELD;
}

struct line {
	char text[LINE_MAX_BYTES + 1]; /* one more for the newline */
	size_t n;
};

static void
add_char(struct line *l, char c)
{
	if (l->n < LINE_MAX_BYTES)
		l->text[l->n++] = c;
}

/* A line from outside must not look like two, nor steer a terminal. */
static void
add_escaped(struct line *l, const char *s)
{
	static const char hex[] = "0123456789abcdef";
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if (c >= 0x20 && c != 0x7f) {
			add_char(l, *s);
			continue;
		}
		add_char(l, '\\');
		add_char(l, 'x');
		add_char(l, hex[c >> 4]);
		add_char(l, hex[c & 15]);
	}
}

static void
begin(struct line *l, enum log_level level)
{
	char head[160];
	if (self.systemd) {
		snprintf(head, sizeof(head), "<%c>%s: ", levels[level].priority, self.process);
	} else {
		char iso[CLOCK_ISO_LEN];
		clock_iso(clock_now_us(), iso);
		snprintf(head, sizeof(head), "%.23sZ %s %s: ", iso, levels[level].name,
			 self.process);
	}
	for (const char *s = head; *s; s++)
		add_char(l, *s);
}

/* One write a line: lines of several processes on one stderr stay whole. */
static void
finish(struct line *l)
{
	l->text[l->n++] = '\n';
	size_t done = 0;
	while (done < l->n) {
		ssize_t w = write(STDERR_FILENO, l->text + done, l->n - done);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return; /* nowhere left to say it */
		done += (size_t)w;
	}
}

static bool
is_wanted(enum log_level level)
{
	return (unsigned)level < ARRAY_LEN(levels) && level <= self.level;
}

void
log_at(enum log_level level, const char *fmt, ...)
{
	if (!is_wanted(level))
		return;
	int keep = errno;
	char text[LINE_MAX_BYTES];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	struct line l = { .n = 0 };
	begin(&l, level);
	add_escaped(&l, text);
	finish(&l);
	errno = keep;
}

void
log_err(enum log_level level, const struct err *e, const char *fmt, ...)
{
	if (!is_wanted(level))
		return;
	int keep = errno;
	char text[LINE_MAX_BYTES], tail[160];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	struct line l = { .n = 0 };
	begin(&l, level);
	add_escaped(&l, text);
	add_escaped(&l, ": ");
	add_escaped(&l, e->text[0] ? e->text : err_info(e->code)->text);
	snprintf(tail, sizeof(tail), " [%s%s%s, %s:%d]", err_info(e->code)->name,
		 e->sqlstate[0] ? " " : "", e->sqlstate, e->file ? e->file : "?", e->line);
	add_escaped(&l, tail);
	finish(&l);
	errno = keep;
}
