/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/recover.h"

#include <sodium.h>
#include <string.h>
#include "base/clock.h"
#include "crypto/token.h"
#include "ledger/event_body.h"

#define CONTEXT "holdfast recover 1"

/* MAC of user ‖ setup_mac ‖ end ‖ enable. */
static int
prove(struct keys *k, struct fiber *f, const struct recover *r, uint8_t ret[static KEYS_HASH_BYTES],
      struct err *e)
{
	auto_buf in = BUF_INIT;

	buf_adds(&in, CONTEXT);
	buf_add(&in, r->user.b, sizeof(r->user.b));
	buf_add(&in, r->setup_mac, sizeof(r->setup_mac));
	buf_add_be64(&in, (uint64_t)r->until_us);
	buf_addc(&in, r->enable ? 1 : 0);
	return keys_mac(k, f, KEYS_SETUP, in.data, in.len, ret, e);
}

int
recover_body(struct keys *k, struct fiber *f, const struct recover *r, struct buf *out,
	     struct err *e)
{
	uint8_t proof[KEYS_HASH_BYTES];
	struct json_out w;
	int rc = prove(k, f, r, proof, e);

	if (rc)
		return rc;
	json_out_init(&w, out);
	json_out_object(&w, NULL);
	json_out_text(&w, "name", r->name);
	json_out_int(&w, "uid", r->uid);
	if (r->enable)
		json_out_bool(&w, "enabled", true);
	event_body_hex(&w, "setup_mac", r->setup_mac, sizeof(r->setup_mac));
	json_out_time(&w, "setup_until", r->until_us);
	json_out_text(&w, "knew", r->knew);
	event_body_hex(&w, "proof", proof, sizeof(proof));
	json_out_end_object(&w);
	return 0;
}

static int
read_body(const char *body, struct recover *ret, uint8_t proof[static KEYS_HASH_BYTES],
	  struct err *e)
{
	auto_buf until = BUF_INIT, enabled = BUF_INIT;
	int rc = event_body_get_bytes(body, "setup_mac", ret->setup_mac, sizeof(ret->setup_mac));

	if (!rc)
		rc = event_body_get_bytes(body, "proof", proof, KEYS_HASH_BYTES);
	if (!rc)
		rc = event_body_get(body, "setup_until", &until);
	if (!rc)
		rc = clock_parse_iso(buf_str(&until), &ret->until_us);
	if (rc)
		return err_set(e, ERR_BAD_KEY, "the request to let a user in again is not whole");
	ret->enable = event_body_get(body, "enabled", &enabled) == 0 &&
		      strcmp(buf_str(&enabled), "true") == 0;
	return 0;
}

int
recover_check(struct keys *k, struct fiber *f, const struct uuid *user, const char *body,
	      struct err *e)
{
	const int64_t longest_us = TOKEN_SETUP_HOURS * INT64_C(3600000000);
	uint8_t proof[KEYS_HASH_BYTES], wanted[KEYS_HASH_BYTES];
	struct recover r = { .user = *user };
	int64_t now = clock_now_us();
	int rc = read_body(body, &r, proof, e);

	if (!rc)
		rc = prove(k, f, &r, wanted, e);
	if (rc)
		return rc;
	if (sodium_memcmp(proof, wanted, sizeof(proof)) != 0)
		return err_set(e, ERR_BAD_KEY,
			       "the request to let a user in again does not come from who has the "
			       "master key");
	if (r.until_us <= now || r.until_us > now + longest_us + 60 * INT64_C(1000000))
		return err_set(e, ERR_BAD_KEY, "the request to let a user in again is not of now");
	return 0;
}
