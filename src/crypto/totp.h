/* SPDX-License-Identifier: Apache-2.0
 *
 * Time-based one-time passwords (RFC 6238, SHA-1, 30 s, 6 digits), by liboath.
 */
#pragma once

#include <stdint.h>
#include "base/err.h"
#include "base/uuid.h"

#define TOTP_SECRET_BYTES 20
#define TOTP_AD_LEN 20

/* What a user's sealed secret is bound to. */
void totp_ad(const struct uuid *user, uint8_t ret[static TOTP_AD_LEN]) NONNULL;

/* Checks code (six digits) against the steps now-1 … now+1 that are later than last_step; *ret_step
 * is the step that fits, for the caller to remember. 0, ERR_EXISTS if it fits an earlier one of
 * them (it, or a later code, was used), or ERR_BAD_LOGIN. now_s: seconds since 1970. */
int totp_verify(const uint8_t secret[static TOTP_SECRET_BYTES], const char *code, int64_t now_s,
		int64_t last_step, int64_t *ret_step) NONNULL MUST_USE;

/* Explains such a refusal and what the person can do, with this clock's time: only for those who
 * have proven that they know the password. ERR_BAD_LOGIN. */
int totp_refused(int verified, int64_t now_s, struct err *e) NONNULL;

/* The code of a moment (the tests and the demo play the user's phone). ret has 7 bytes. */
int totp_code(const uint8_t secret[static TOTP_SECRET_BYTES], int64_t now_s, char ret[static 7],
	      struct err *e) MUST_USE;

/* otpauth://totp/… address for an authenticator; free() by the caller after wiping. */
char *totp_uri(const uint8_t secret[static TOTP_SECRET_BYTES], const char *issuer,
	       const char *user) NONNULL MUST_USE;
