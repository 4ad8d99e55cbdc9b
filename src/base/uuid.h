/* SPDX-License-Identifier: Apache-2.0
 *
 * UUIDs, version 7 (RFC 9562): time-ordered, made by the application.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/attr.h"

#define UUID_STR_LEN 37 /* 36 characters and the NUL */

struct uuid {
	uint8_t b[16];
};

void uuid_new(struct uuid *ret) NONNULL; /* a fresh UUIDv7 */
void uuid_str(const struct uuid *u, char ret[static UUID_STR_LEN]) NONNULL;
int uuid_parse(const char *s,
	       struct uuid *ret) NONNULL MUST_USE; /* exactly 36 characters; 0 or ERR_BAD_FIELD */
bool uuid_eq(const struct uuid *a, const struct uuid *b) NONNULL;
bool uuid_is_nil(const struct uuid *u) NONNULL;
