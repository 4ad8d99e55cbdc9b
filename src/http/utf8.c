/* SPDX-License-Identifier: Apache-2.0 */
#include "http/utf8.h"

#include <stdint.h>

/* The second byte's bounds are what excludes overlong forms, surrogates and too high code points.
 */
static const struct {
	uint8_t first_low, first_high, second_low, second_high, length;
} forms[] = {
	{ 0x00, 0x7f, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
	{ 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
	{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
};

static bool
form_fits(size_t i, const uint8_t *u, size_t n)
{
	if (u[0] < forms[i].first_low || u[0] > forms[i].first_high || n < forms[i].length)
		return false;
	if (forms[i].length > 1 && (u[1] < forms[i].second_low || u[1] > forms[i].second_high))
		return false;
	for (size_t k = 2; k < forms[i].length; k++)
		if ((u[k] & 0xc0) != 0x80)
			return false;
	return true;
}

size_t
utf8_sequence(const char *p, size_t n)
{
	const uint8_t *u = (const uint8_t *)p;

	if (n == 0)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(forms); i++)
		if (form_fits(i, u, n))
			return forms[i].length;
	return 0;
}

bool
utf8_valid(const char *p, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t k = utf8_sequence(p + i, n - i);

		if (k == 0)
			return false;
		i += k;
	}
	return true;
}
