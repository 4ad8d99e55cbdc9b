/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/err.h"
#include "base/fault.h"

#define US 1000000
#define SECOND_LEN 19 /* "2026-01-31T12:00:00" */

/* What four digits of year can say: 0000-01-01 to 9999-12-31. */
#define ISO_FIRST_S (-62167219200LL)
#define ISO_LAST_S 253402300799LL

static int64_t
read_us(clockid_t id)
{
	struct timespec t;
	if (clock_gettime(id, &t) < 0)
		abort();
	return (int64_t)t.tv_sec * US + t.tv_nsec / 1000;
}

int64_t
clock_now_us(void)
{
	int64_t now = read_us(CLOCK_REALTIME);
#ifdef HF_FAULTS
	const char *skew = getenv("HOLDFAST_CLOCK_SKEW_MS");
	if (skew)
		now += strtoll(skew, NULL, 10) * 1000;
	now += fault_clock_ahead_us();
#endif
	return now;
}

int64_t
clock_mono_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

int64_t
clock_mono_ms(void)
{
	return clock_mono_us() / 1000;
}

void
clock_iso(int64_t us, char ret[static CLOCK_ISO_LEN])
{
	int64_t s = us / US, part = us % US;
	if (part < 0) {
		s--;
		part += US;
	}
	if (s < ISO_FIRST_S || s > ISO_LAST_S) {
		s = s < 0 ? ISO_FIRST_S : ISO_LAST_S;
		part = 0;
	}
	struct tm tm;
	time_t t = (time_t)s;
	gmtime_r(&t, &tm);
	char text[80]; /* room for what the compiler thinks the numbers could be */
	snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", tm.tm_year + 1900,
		 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)part);
	memcpy(ret, text, CLOCK_ISO_LEN);
	ret[CLOCK_ISO_LEN - 1] = '\0';
}

/* Digits of s[at..at+n); -1 when one of them is no digit. */
static int
digits(const char *s, size_t at, size_t n)
{
	int v = 0;
	for (size_t i = at; i < at + n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		v = v * 10 + (s[i] - '0');
	}
	return v;
}

/* ".5Z" to 500000, "Z" to 0; -1 when it is neither. */
static int
parse_part(const char *s)
{
	if (strcmp(s, "Z") == 0)
		return 0;
	size_t n = strlen(s);
	if (s[0] != '.' || n < 3 || n > 8 || s[n - 1] != 'Z')
		return -1;
	int v = digits(s, 1, n - 2);
	for (size_t i = n - 2; v >= 0 && i < 6; i++)
		v *= 10;
	return v;
}

int
clock_parse_iso(const char *s, int64_t *ret_us)
{
	size_t n = strnlen(s, CLOCK_ISO_LEN);
	if (n <= SECOND_LEN || n >= CLOCK_ISO_LEN)
		return ERR_BAD_FIELD;
	struct tm tm = {
		.tm_year = digits(s, 0, 4) - 1900,
		.tm_mon = digits(s, 5, 2) - 1,
		.tm_mday = digits(s, 8, 2),
		.tm_hour = digits(s, 11, 2),
		.tm_min = digits(s, 14, 2),
		.tm_sec = digits(s, 17, 2),
	};
	int part = parse_part(s + SECOND_LEN);
	if (part < 0)
		return ERR_BAD_FIELD;
	int64_t us = (int64_t)timegm(&tm) * US + part;
	/* Writing it again finds every wrong letter, the 30th of February and the 61st second. */
	char again[CLOCK_ISO_LEN];
	clock_iso(us, again);
	if (memcmp(again, s, SECOND_LEN) != 0)
		return ERR_BAD_FIELD;
	*ret_us = us;
	return 0;
}

void
clock_sleep_ms(int64_t ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
	if (ms <= 0)
		return;
	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}
