/* SPDX-License-Identifier: Apache-2.0
 *
 * Random tokens (sessions, set-up): 32 bytes, base64url without padding, 43 characters.
 */
#pragma once

#include <stdint.h>
#include "base/err.h"

#define TOKEN_BYTES 32
#define TOKEN_STR_LEN 44     /* 43 characters and the NUL */
#define TOKEN_SETUP_HOURS 72 /* how long a set-up token is valid */

void token_new(uint8_t ret[static TOKEN_BYTES]);
void token_str(const uint8_t t[static TOKEN_BYTES], char ret[static TOKEN_STR_LEN]);
int token_parse(const char *s,
		uint8_t ret[static TOKEN_BYTES]) NONNULL MUST_USE; /* 0 or ERR_BAD_FIELD */
