/* SPDX-License-Identifier: Apache-2.0 */
#include "http/coding.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>
#include "base/attr.h"

#define BLANKS " \t"
#define WHOLE 1000 /* weights are in thousandths */

/* What a client makes of each form; NOT_NAMED: it does not say. */
#define NOT_NAMED (-1)
struct weights {
	int gzip, identity, any;
};

static const struct {
	const char *name;
	size_t at;
} codings[] = {
	{ "gzip", offsetof(struct weights, gzip) },
	{ "x-gzip", offsetof(struct weights, gzip) },
	{ "identity", offsetof(struct weights, identity) },
	{ "*", offsetof(struct weights, any) },
};

/* "1", "0.5", "1.000" up to the end of the element; malformed: 0. */
static int
parse_quality(const char *s, const char *end)
{
	int q = 0;

	if (s == end || (*s != '0' && *s != '1') || (end - s > 1 && s[1] != '.') || end - s > 5)
		return 0;
	q = (*s - '0') * WHOLE;
	for (int scale = WHOLE / 10; end - s > 2; scale /= 10, s++) {
		if (s[2] < '0' || s[2] > '9')
			return 0;
		q += (s[2] - '0') * scale;
	}
	return q > WHOLE ? 0 : q;
}

/* What follows the name: nothing, or ";q=" and a number, with blanks. */
static int
parse_weight(const char *s, const char *end)
{
	s += strspn(s, BLANKS);
	if (s >= end)
		return WHOLE;
	if (*s++ != ';')
		return 0;
	s += strspn(s, BLANKS);
	if (end - s < 3 || strncasecmp(s, "q=", 2) != 0)
		return 0;
	return parse_quality(s + 2, end);
}

static void
take_element(struct weights *w, const char *s, const char *end)
{
	s += strspn(s, BLANKS);
	while (end > s && strchr(BLANKS, end[-1]))
		end--;
	size_t n = strcspn(s, BLANKS ";,");

	for (size_t i = 0; i < ARRAY_LEN(codings); i++)
		if (strlen(codings[i].name) == n && strncasecmp(s, codings[i].name, n) == 0)
			*(int *)((char *)w + codings[i].at) = parse_weight(s + n, end);
}

bool
coding_takes_gzip(const char *accept)
{
	struct weights w = { NOT_NAMED, NOT_NAMED, NOT_NAMED };

	for (const char *s = accept; s;) {
		size_t n = strcspn(s, ",");

		take_element(&w, s, s + n);
		s = s[n] ? s + n + 1 : NULL;
	}
	int gzip = w.gzip == NOT_NAMED ? w.any : w.gzip;
	return gzip > 0 && gzip >= w.identity;
}
