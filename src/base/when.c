/* SPDX-License-Identifier: Apache-2.0 */
#include "base/when.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/err.h"

#define MOMENT_MAX 64
#define MINUTE_US 60000000ll
#define DAY_US (24 * 60 * MINUTE_US)

/* The first name of each size is the one that is written. */
static const struct {
	const char *name;
	int64_t ms;
} units[] = {
	{ "d", 86400000 }, { "h", 3600000 }, { "min", 60000 },
	{ "m", 60000 },	   { "s", 1000 },    { "ms", 1 },
};

/* Digits, and behind them what *ret_rest points at. */
static bool
take_number(const char *s, int64_t *ret, const char **ret_rest)
{
	int64_t n = 0;
	const char *p = s;

	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *p - '0', &n))
			return false;
	*ret = n;
	*ret_rest = p;
	return p != s;
}

/* A span; *ret_rest is what stands behind it, *ret_bare whether it has no unit. */
static bool
take_span(const char *s, int64_t *ret_ms, const char **ret_rest, bool *ret_bare)
{
	int64_t n;
	const char *p;

	if (!take_number(s, &n, &p))
		return false;
	size_t len = strspn(p, "abcdefghijklmnopqrstuvwxyz");
	*ret_rest = p + len;
	*ret_bare = len == 0;
	if (*ret_bare) {
		*ret_ms = n;
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (strlen(units[i].name) == len && strncmp(units[i].name, p, len) == 0)
			return !__builtin_mul_overflow(n, units[i].ms, ret_ms);
	return false;
}

int
when_span(const char *s, int64_t *ret_ms)
{
	int64_t ms;
	const char *rest;
	bool bare;

	if (!take_span(s, &ms, &rest, &bare) || *rest)
		return ERR_BAD_FIELD;
	*ret_ms = ms;
	return 0;
}

void
when_span_text(int64_t ms, char ret[static WHEN_SPAN_LEN])
{
	size_t i = 0;

	while (i + 1 < ARRAY_LEN(units) && ms % units[i].ms != 0)
		i++;
	snprintf(ret, WHEN_SPAN_LEN, "%" PRId64 "%s", ms / units[i].ms, ms ? units[i].name : "");
}

/* "", "Z", "+02:00", "-0500": minutes east of UTC. */
static bool
take_offset(const char *s, int *ret)
{
	const char *p = s + 1;
	int v = 0, n = 0;

	*ret = 0;
	if (!*s || strcmp(s, "Z") == 0 || strcmp(s, "z") == 0)
		return true;
	if (*s != '+' && *s != '-')
		return false;
	for (; *p; p++) {
		if (*p == ':' && n == 2)
			continue;
		if (*p < '0' || *p > '9' || ++n > 4)
			return false;
		v = v * 10 + (*p - '0');
	}
	if (n != 4 || v % 100 > 59 || v / 100 > 23)
		return false;
	*ret = (v / 100 * 60 + v % 100) * (*s == '-' ? -1 : 1);
	return true;
}

static bool
parse_span_ago(const char *s, int64_t now_us, int64_t *ret_us)
{
	int64_t ms, us;
	const char *rest;
	bool bare;

	if (!take_span(s, &ms, &rest, &bare) || bare || (*rest && strcmp(rest, " ago") != 0) ||
	    __builtin_mul_overflow(ms, 1000, &us))
		return false;
	return !__builtin_sub_overflow(now_us, us, ret_us);
}

static bool
parse_span_on(const char *s, int64_t now_us, int64_t *ret_us)
{
	int64_t ms, us;
	const char *rest;
	bool bare;

	if (!take_span(s, &ms, &rest, &bare) || bare || *rest ||
	    __builtin_mul_overflow(ms, 1000, &us))
		return false;
	return !__builtin_add_overflow(now_us, us, ret_us);
}

int
when_end(const char *s, int64_t now_us, int64_t *ret_us)
{
	int64_t us;

	if (!parse_span_on(s, now_us, &us) && when_moment(s, now_us, true, &us))
		return ERR_BAD_FIELD;
	if (us <= now_us)
		return ERR_BAD_FIELD;
	*ret_us = us;
	return 0;
}

/* What was left out is filled up to the one form that the clock reads, which knows the calendar. */
int
when_moment(const char *s, int64_t now_us, bool end, int64_t *ret_us)
{
	static const char midnight[] = "T00:00:00";
	size_t n = strnlen(s, MOMENT_MAX), part;
	char full[MOMENT_MAX + sizeof(midnight) + 2];
	int offset;
	int64_t us;

	if (parse_span_ago(s, now_us, ret_us))
		return 0;
	if (n < 10 || n == MOMENT_MAX || strspn(s, "0123456789-") < 10 ||
	    (s[10] && s[10] != ' ' && s[10] != 'T' && s[10] != 't'))
		return ERR_BAD_FIELD;
	bool day = n == 10;
	part = day ? 10 : 11 + strspn(s + 11, "0123456789:.");
	if (!day && part != 16 && part < 19)
		return ERR_BAD_FIELD;
	if (!take_offset(s + part, &offset))
		return ERR_BAD_FIELD;
	snprintf(full, sizeof(full), "%.*s%sZ", (int)part, s,
		 day	      ? midnight
		 : part == 16 ? midnight + 6
			      : "");
	full[10] = 'T';
	if (clock_parse_iso(full, &us))
		return ERR_BAD_FIELD;
	*ret_us = us - offset * MINUTE_US + (day && end ? DAY_US - 1 : 0);
	return 0;
}
