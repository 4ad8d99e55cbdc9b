/* SPDX-License-Identifier: Apache-2.0
 *
 * One hexadecimal digit (RFC 4648 section 8, either case). Whole strings are libsodium's sodium_hex2bin().
 */
#pragma once

/* The value of the digit `c`, 0 to 15; -1 if it is not a digit. */
static inline int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}
