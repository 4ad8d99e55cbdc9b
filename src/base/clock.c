/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/err.h"

static int64_t
read_us(clockid_t id)
{
	struct timespec t;
	if (clock_gettime(id, &t) < 0)
		abort();
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t
clock_now_us(void)
{
	int64_t now = read_us(CLOCK_REALTIME);
#ifdef HF_FAULTS
	const char *skew = getenv("HOLDFAST_CLOCK_SKEW_MS");
	if (skew)
		now += strtoll(skew, NULL, 10) * 1000;
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
	time_t s = (time_t)(us / 1000000);
	int64_t rest = us % 1000000;
	struct tm tm;

	if (rest < 0) {
		rest += 1000000;
		s--;
	}
	if (!gmtime_r(&s, &tm) || tm.tm_year < -1900 || tm.tm_year > 8099) {
		strcpy(ret, "0000-01-01T00:00:00.000000Z");
		return;
	}
	snprintf(ret, CLOCK_ISO_LEN, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ", (unsigned)(tm.tm_year + 1900) % 10000u,
		 (unsigned)(tm.tm_mon + 1) % 100u, (unsigned)tm.tm_mday % 100u, (unsigned)tm.tm_hour % 100u,
		 (unsigned)tm.tm_min % 100u, (unsigned)tm.tm_sec % 100u, (unsigned)rest % 1000000u);
}

int
clock_parse_iso(const char *s, int64_t *ret_us)
{
	struct tm tm = { 0 };
	unsigned us = 0;
	const char *end = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);

	if (!end)
		return ERR_BAD_FIELD;
	if (*end == '.') {
		unsigned scale = 100000;
		for (end++; *end >= '0' && *end <= '9'; end++, scale /= 10) {
			if (scale == 0)
				return ERR_BAD_FIELD;
			us += (unsigned)(*end - '0') * scale;
		}
	}
	if (strcmp(end, "Z") != 0)
		return ERR_BAD_FIELD;
	*ret_us = (int64_t)timegm(&tm) * 1000000 + us;
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
