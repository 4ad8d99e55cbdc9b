/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/totp.h"

#include <liboath/oath.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/clock.h"

#define STEP_S 30
#define DIGITS 6

static int
code_of_step(const uint8_t *secret, int64_t step, char ret[static DIGITS + 1])
{
	return oath_hotp_generate((const char *)secret, TOTP_SECRET_BYTES, (uint64_t)step, DIGITS,
				  false, OATH_HOTP_DYNAMIC_TRUNCATION, ret) == OATH_OK
		       ? 0
		       : ERR_INTERNAL;
}

static bool
is_code(const char *s)
{
	return strnlen(s, DIGITS + 1) == DIGITS && strspn(s, "0123456789") == DIGITS;
}

void
totp_ad(const struct uuid *user, uint8_t ret[static TOTP_AD_LEN])
{
	memcpy(ret, "totp", 4);
	memcpy(ret + 4, user->b, sizeof(user->b));
}

int
totp_verify(const uint8_t secret[static TOTP_SECRET_BYTES], const char *code, int64_t now_s,
	    int64_t last_step, int64_t *ret_step)
{
	if (!is_code(code) || now_s < STEP_S)
		return ERR_BAD_LOGIN;
	int64_t now = now_s / STEP_S, found = -1;
	bool used = false;
	/* All steps are tried whatever the first says: the time taken tells nothing. The last one
	 * that fits is kept, so that a code that fits two steps is not good twice. */
	for (int64_t step = now - 1; step <= now + 1; step++) {
		char want[DIGITS + 1];
		if (code_of_step(secret, step, want))
			return ERR_BAD_LOGIN;
		bool fits = sodium_memcmp(want, code, DIGITS) == 0;
		if (fits && step > last_step)
			found = step;
		used |= fits && step <= last_step;
		sodium_memzero(want, sizeof(want));
	}
	if (found < 0)
		return used ? ERR_EXISTS : ERR_BAD_LOGIN;
	*ret_step = found;
	return 0;
}

int
totp_refused(int verified, int64_t now_s, struct err *e)
{
	char iso[CLOCK_ISO_LEN];

	clock_iso(now_s * 1000000, iso);
	if (verified == ERR_EXISTS)
		return err_set(
			e, ERR_BAD_LOGIN,
			"this one-time code has been used: each is good once, so wait for the "
			"next one (at most %d s). It is %.8s UTC here",
			STEP_S, iso + 11);
	return err_set(e, ERR_BAD_LOGIN,
		       "the one-time code is wrong, or of another moment. It is %.8s UTC here: if "
		       "the clock of the device that made the code is away from that, set it",
		       iso + 11);
}

int
totp_code(const uint8_t secret[static TOTP_SECRET_BYTES], int64_t now_s, char ret[static 7],
	  struct err *e)
{
	if (now_s < 0 || code_of_step(secret, now_s / STEP_S, ret))
		return err_set(e, ERR_INTERNAL, "cannot make a one-time code");
	return 0;
}

static void
add_percent(struct buf *b, const char *s)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-._~";
	for (; *s; s++) {
		if (strchr(plain, *s))
			buf_addc(b, *s);
		else
			buf_addf(b, "%%%02X", (unsigned char)*s);
	}
}

/* Without padding, as authenticators want it: 20 bytes are 32 characters exactly. */
static void
add_base32(struct buf *b, const uint8_t *p, size_t n)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	uint32_t bits = 0, have = 0;
	for (size_t i = 0; i < n; i++) {
		bits = bits << 8 | p[i];
		for (have += 8; have >= 5; have -= 5)
			buf_addc(b, letters[bits >> (have - 5) & 31]);
	}
	if (have)
		buf_addc(b, letters[bits << (5 - have) & 31]);
}

char *
totp_uri(const uint8_t secret[static TOTP_SECRET_BYTES], const char *issuer, const char *user)
{
	auto_buf b = BUF_INIT;
	buf_adds(&b, "otpauth://totp/");
	add_percent(&b, issuer);
	buf_addc(&b, ':');
	add_percent(&b, user);
	buf_adds(&b, "?secret=");
	add_base32(&b, secret, TOTP_SECRET_BYTES);
	buf_adds(&b, "&issuer=");
	add_percent(&b, issuer);
	buf_addf(&b, "&algorithm=SHA1&digits=%d&period=%d", DIGITS, STEP_S);
	return buf_take_str(&b);
}
