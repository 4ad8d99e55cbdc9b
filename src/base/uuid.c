/* SPDX-License-Identifier: Apache-2.0 */
#include "base/uuid.h"

#include <sodium.h>
#include <string.h>
#include "base/clock.h"
#include "base/err.h"
#include "base/hex.h"

void
uuid_new(struct uuid *ret)
{
	uint64_t us = (uint64_t)clock_now_us(), ms = us / 1000;
	/* RFC 9562, method 3: rand_a is the part of the millisecond, so that ids made one after the
	 * other sort so within it as well. */
	unsigned part = (unsigned)(us % 1000 * 4096 / 1000);

	randombytes_buf(ret->b, sizeof(ret->b));
	for (int i = 0; i < 6; i++)
		ret->b[i] = (uint8_t)(ms >> (40 - 8 * i));
	ret->b[6] = (uint8_t)(0x70 | part >> 8);
	ret->b[7] = (uint8_t)part;
	ret->b[8] = (uint8_t)(0x80 | (ret->b[8] & 0x3f));
}

void
uuid_str(const struct uuid *u, char ret[static UUID_STR_LEN])
{
	static const char hex[] = "0123456789abcdef";
	char *p = ret;

	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = hex[u->b[i] >> 4];
		*p++ = hex[u->b[i] & 15];
	}
	*p = '\0';
}

int
uuid_parse(const char *s, struct uuid *ret)
{
	struct uuid u;

	for (int i = 0; i < 16; i++) {
		if ((i == 4 || i == 6 || i == 8 || i == 10) && *s++ != '-')
			return ERR_BAD_FIELD;
		int high = hex_digit(s[0]);
		int low = high < 0 ? -1 : hex_digit(s[1]);
		if (low < 0)
			return ERR_BAD_FIELD;
		u.b[i] = (uint8_t)(high << 4 | low);
		s += 2;
	}
	if (*s)
		return ERR_BAD_FIELD;
	*ret = u;
	return 0;
}

bool
uuid_eq(const struct uuid *a, const struct uuid *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

bool
uuid_is_nil(const struct uuid *u)
{
	static const struct uuid nil;
	return uuid_eq(u, &nil);
}
