/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/user_impl.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/secret.h"
#include "crypto/password.h"
#include "crypto/totp.h"
#include "ledger/event_body.h"

#define US_PER_S 1000000LL

int
user_setup_mac(struct keys *k, struct fiber *f, const struct uuid *user,
	       const uint8_t token[static TOKEN_BYTES], uint8_t ret[static KEYS_HASH_BYTES],
	       struct err *e)
{
	uint8_t in[sizeof(user->b) + TOKEN_BYTES];
	memcpy(in, user->b, sizeof(user->b));
	memcpy(in + sizeof(user->b), token, TOKEN_BYTES);
	int rc = keys_mac(k, f, KEYS_SETUP, in, sizeof(in), ret, e);
	secret_wipe(in, sizeof(in));
	return rc;
}

/* ---- password and second factor ---- */

static int
check_password(const char *password, const char *name, struct err *e)
{
	auto_buf prepared = BUF_INIT;

	if (password_prepare(password, &prepared) < USER_PASSWORD_MIN)
		return err_set(e, ERR_WEAK_PASSWORD, "a password has at least %d characters",
			       USER_PASSWORD_MIN);
	if (name && strcasestr(buf_str(&prepared), name) && strlen(name) >= 3)
		return err_set(e, ERR_WEAK_PASSWORD, "a password may not hold the user's name");
	return 0;
}

/* {"password_hash":…,"keep":session or null,"knew":endings,"totp_step":of the code that went with it} */
static int
password_body(struct call *c, const struct uuid *user, const char *password,
	      const struct uuid *keep, const char *knew, int64_t step, struct buf *out,
	      struct err *e)
{
	char hash[128];
	struct json_out w;
	int rc = session_hash_password(c, user, password, hash, e);
	if (rc)
		return rc;
	json_out_init(&w, out);
	json_out_object(&w, NULL);
	json_out_text(&w, "password_hash", hash);
	json_out_uuid(&w, "keep", keep);
	json_out_text(&w, "knew", knew);
	if (step >= 0)
		json_out_int(&w, "totp_step", step);
	json_out_end_object(&w);
	return 0;
}

int
user_set_password(struct call *c, const char *old, const char *code, const char *new, struct err *e)
{
	const struct session_proof proof = { old, code, "change own password" };
	auto_rows r = NULL;
	auto_buf body = BUF_INIT;
	auto_record_lock turn = NULL;
	int64_t step;
	const struct uuid *user = &c->who.user;
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, user);
	int rc = check_password(new, c->who.name, e);
	if (rc == 0)
		rc = session_prove(c, &proof, &turn, &step, e);
	if (rc == 0)
		rc = user_read(c, STMT_USER_SECRETS, user, &r, e);
	if (rc == 0)
		rc = password_body(c, user, new, &c->who.session,
				   user_knew_of(c->a, r, 0, COL_USER_SECRETS_KNEW), step, &body, e);
	return rc ? rc : vault_append(c, EVENT_USER_PASSWORD, user, buf_str(&body), e);
}

static void
base32(const uint8_t *p, size_t n, char *ret)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	unsigned bits = 0, have = 0;
	for (size_t i = 0; i < n; i++) {
		bits = bits << 8 | p[i];
		for (have += 8; have >= 5; have -= 5)
			*ret++ = digits[bits >> (have - 5) & 31];
	}
	*ret = '\0'; /* n is a multiple of 5: nothing is left over */
}

static void
write_base64(struct json_out *w, struct arena *a, const char *name, const struct buf *b)
{
	size_t n = sodium_base64_encoded_len(b->len, sodium_base64_VARIANT_ORIGINAL);
	char *text = arena_alloc(a, n);
	sodium_bin2base64(text, n, (const unsigned char *)b->data, b->len,
			  sodium_base64_VARIANT_ORIGINAL);
	json_out_text(w, name, text);
}

static int
write_totp(struct call *c, const uint8_t secret[static TOTP_SECRET_BYTES], const struct buf *sealed,
	   struct json_out *out, struct err *e)
{
	char text[TOTP_SECRET_BYTES / 5 * 8 + 1];
	char *uri = totp_uri(secret, "Holdfast", c->who.name);
	if (!uri)
		return err_set(e, ERR_INTERNAL, "cannot make an otpauth address");
	base32(secret, TOTP_SECRET_BYTES, text);
	json_out_object(out, NULL);
	json_out_text(out, "secret", text);
	json_out_text(out, "uri", uri);
	write_base64(out, c->a, "pending", sealed);
	json_out_end_object(out);
	secret_wipe(text, sizeof(text));
	secret_wipe(uri, strlen(uri));
	free(uri);
	return 0;
}

/* That they have none yet. */
static int
check_no_factor(struct call *c, int64_t *ret_step, struct err *e)
{
	auto_rows r = NULL;
	int rc = user_read(c, STMT_USER_SECRETS, &c->who.user, &r, e);
	if (rc)
		return rc;
	if (!row_null(r, 0, COL_USER_SECRETS_TOTP_SEALED))
		return err_set(e, ERR_CONFLICT,
			       "there is a second factor already; remove it first");
	*ret_step = row_bigint(r, 0, COL_USER_SECRETS_TOTP_STEP);
	return 0;
}

int
user_totp_begin(struct call *c, const char *password, struct json_out *out, struct err *e)
{
	const struct session_proof proof = { password, NULL, "set up a second factor" };
	auto_buf sealed = BUF_INIT;
	auto_record_lock turn = NULL;
	uint8_t secret[TOTP_SECRET_BYTES], ad[TOTP_AD_LEN];
	int64_t step;
	int rc = check_no_factor(c, &step, e);
	if (rc == 0)
		rc = session_prove(c, &proof, &turn, &step, e);
	if (rc)
		return rc;
	randombytes_buf(secret, sizeof(secret));
	totp_ad(&c->who.user, ad);
	rc = keys_seal(c->v->keys, c->f, c->v->data_key, ad, sizeof(ad), secret, sizeof(secret),
		       &sealed, e);
	if (rc == 0)
		rc = write_totp(c, secret, &sealed, out, e);
	secret_wipe(secret, sizeof(secret));
	return rc;
}

/* Opens the sealed secret and holds the code against it. */
static int
check_code(struct call *c, const void *sealed, size_t n, int64_t last_step, const char *code,
	   int64_t *ret_step, struct err *e)
{
	auto_buf secret = BUF_INIT;
	uint8_t ad[TOTP_AD_LEN];
	totp_ad(&c->who.user, ad);
	int rc = keys_open(c->v->keys, c->f, ad, sizeof(ad), sealed, n, &secret, e);
	if (rc)
		return rc;
	if (secret.len != TOTP_SECRET_BYTES)
		return err_set(e, ERR_CRYPTO, "a second factor of %zu bytes", secret.len);
	int64_t now_s = clock_now_us() / US_PER_S;
	rc = totp_verify((const uint8_t *)secret.data, code, now_s, last_step, ret_step);
	return rc ? totp_refused(rc, now_s, e) : 0;
}

/* The other sessions end with it: whoever began one without the factor, or with one that is gone, begins again. */
static int
append_totp(struct call *c, const struct buf *sealed, int64_t step, struct err *e)
{
	auto_buf body = BUF_INIT, ending = BUF_INIT;
	const struct uuid *user = &c->who.user;
	struct json_out w;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	if (sealed)
		write_base64(&w, c->a, "totp_sealed", sealed);
	else
		json_out_null(&w, "totp_sealed");
	json_out_int(&w, "totp_step", step);
	json_out_end_object(&w);
	struct event ev[] = {
		policy_event(c, EVENT_USER_TOTP, user, buf_str(&body)),
		session_ending(c, user, &ending),
	};
	return policy_append(c, ev, ARRAY_LEN(ev), e);
}

int
user_totp_confirm(struct call *c, const char *password, const char *pending, const char *code,
		  struct err *e)
{
	const struct session_proof proof = { password, NULL, "set up a second factor" };
	auto_buf sealed = BUF_INIT;
	auto_record_lock turn = NULL;
	uint8_t bytes[256];
	size_t n;
	int64_t last, step;
	const char *end;
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, &c->who.user);
	if (sodium_base642bin(bytes, sizeof(bytes), pending, strlen(pending), NULL, &n, &end,
			      sodium_base64_VARIANT_ORIGINAL) ||
	    *end)
		return err_set(e, ERR_BAD_FIELD, "pending: not what the first step gave");
	int rc = check_no_factor(c, &last, e);
	if (rc == 0)
		rc = session_prove(c, &proof, &turn, &step, e);
	if (rc)
		return rc;
	rc = check_code(c, bytes, n, last, code, &step, e);
	if (rc == ERR_CRYPTO)
		return err_set(e, ERR_BAD_FIELD, "pending: not what the first step gave");
	if (rc)
		return rc;
	buf_add(&sealed, bytes, n);
	return append_totp(c, &sealed, step, e);
}

int
user_totp_remove(struct call *c, const char *password, const char *code, struct err *e)
{
	const struct session_proof proof = { password, code, "remove the second factor" };
	auto_rows r = NULL;
	auto_record_lock turn = NULL;
	int64_t step;
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, &c->who.user);
	int rc = user_read(c, STMT_USER_SECRETS, &c->who.user, &r, e);
	if (rc)
		return rc;
	if (row_null(r, 0, COL_USER_SECRETS_TOTP_SEALED))
		return err_set(e, ERR_NOT_FOUND, "there is no second factor");
	rc = session_prove(c, &proof, &turn, &step, e);
	return rc ? rc : append_totp(c, NULL, step, e);
}

/* ---- set-up ---- */

/* Whether the token is the one of row i of user_setup, and still good. */
static int
check_setup(struct call *c, const struct rows *r, int i, const char *token, struct err *e)
{
	uint8_t bytes[TOKEN_BYTES], mac[KEYS_HASH_BYTES];
	struct uuid id;
	size_t n;
	if (token_parse(token, bytes))
		return err_set(e, ERR_BAD_LOGIN, "this is not a set-up token");
	row_uuid(r, i, COL_USER_SETUP_ID, &id);
	int rc = user_setup_mac(c->v->keys, c->f, &id, bytes, mac, e);
	secret_wipe(bytes, sizeof(bytes));
	if (rc)
		return rc;
	const void *kept = row_bytea(r, i, COL_USER_SETUP_SETUP_MAC, &n);
	if (n != sizeof(mac) || sodium_memcmp(kept, mac, n) != 0)
		return err_set(e, ERR_BAD_LOGIN, "the set-up token is wrong or was used");
	if (row_bool(r, i, COL_USER_SETUP_DISABLED) ||
	    row_time(r, i, COL_USER_SETUP_SETUP_UNTIL) < clock_now_us())
		return err_set(e, ERR_BAD_LOGIN, "the set-up token is over");
	return 0;
}

/* The endings of before and this one, as query/ending.sql has them. */
static const char *
with_ending(struct arena *a, const char *knew, const struct event *ev)
{
	char node[UUID_STR_LEN];
	uuid_str(&ev->node, node);
	return arena_printf(a, "%s%s%s/%lld", knew, *knew ? " " : "", node, (long long)ev->seq);
}

static void
write_knew(const char *knew, struct buf *out)
{
	struct json_out w;
	json_out_init(&w, out);
	json_out_object(&w, NULL);
	json_out_text(&w, "knew", knew);
	json_out_end_object(&w);
}

/* *knew: the endings that there were when the token was found good. Of the session that begins, the password that it sets is known too; *ret_seq is its event. */
static int
append_setup(struct call *c, const struct uuid *user, const char *password, const char **knew,
	     int64_t *ret_seq, struct err *e)
{
	auto_buf body = BUF_INIT, used = BUF_INIT;
	int rc = password_body(c, user, password, &(struct uuid){ 0 }, *knew, -1, &body, e);
	if (rc)
		return rc;
	write_knew(*knew, &used);
	struct event ev[] = {
		policy_event(c, EVENT_USER_SETUP_USED, user, buf_str(&used)),
		policy_event(c, EVENT_USER_PASSWORD, user, buf_str(&body)),
	};
	ev[0].actor = ev[1].actor = *user;
	rc = policy_append(c, ev, ARRAY_LEN(ev), e);
	if (rc)
		return rc;
	*knew = with_ending(c->a, *knew, &ev[1]);
	*ret_seq = ev[1].seq;
	return 0;
}

static int
refuse_setup(struct call *c, const struct uuid *user, struct err *e)
{
	int rc = policy_refuse(c, user, true, "set-up", e);
	return rc == ERR_FORBIDDEN ? err_set(e, ERR_BAD_LOGIN,
					     "the name or the set-up token is wrong, or it is over")
				   : rc;
}

/* Of those who have the name, the one whose token it is: *ret_i is their row. None: 0. */
static int
find_setup(struct call *c, const struct rows *r, const char *token, int *ret_i, struct err *e)
{
	int rc = ERR_BAD_LOGIN;
	*ret_i = 0;
	for (int i = 0; i < rows_count(r) && rc == ERR_BAD_LOGIN; i++) {
		rc = check_setup(c, r, i, token, e);
		*ret_i = rc ? 0 : i;
	}
	return rc;
}

int
user_setup(struct call *c, const char *name, const char *token, const char *password,
	   struct session_begun *ret, struct err *e)
{
	auto_rows r = NULL;
	struct uuid id, found;
	struct session_of of = { .totp_step = -1 };
	int64_t set_up_seq = 0;
	int i, rc = policy_by_name(c, STMT_USER_SETUP, name, &r, e);
	if (rc)
		return rc;
	if (rows_count(r) == 0)
		return err_set(e, ERR_BAD_LOGIN,
			       "the name or the set-up token is wrong, or it is over");
	rc = find_setup(c, r, token, &i, e);
	if (rc && rc != ERR_BAD_LOGIN)
		return rc;
	row_uuid(r, i, COL_USER_SETUP_ID, &id);
	/* Under the lock the token is read again: of two who come at once, one is late. */
	policy_lock lock = record_lock_take(c->v->record_locks, c->f, &id);
	rows_free(TAKE(r));
	rc = policy_by_name(c, STMT_USER_SETUP, name, &r, e);
	if (rc)
		return rc;
	if (rows_count(r) == 0)
		return err_set(e, ERR_BAD_LOGIN, "the user is gone");
	rc = find_setup(c, r, token, &i, e);
	row_uuid(r, i, COL_USER_SETUP_ID, &found);
	if (rc == 0 && !uuid_eq(&found, &id))
		rc = err_set(e, ERR_BAD_LOGIN, "the user has another name by now");
	if (rc == ERR_BAD_LOGIN)
		return refuse_setup(c, &id, e);
	of.knew = user_knew_of(c->a, r, i, COL_USER_SETUP_KNEW);
	if (rc == 0)
		rc = check_password(password, row_text(r, i, COL_USER_SETUP_NAME), e);
	if (rc == 0)
		rc = append_setup(c, &id, password, &of.knew, &set_up_seq, e);
	if (rc)
		return rc;
	if (row_bool(r, i, COL_USER_SETUP_TOTP))
		return err_set(e, ERR_SECOND_FACTOR,
			       "the password is set; now log in with it and the code");
	of.user = id;
	of.name = arena_strdup(c->a, row_text(r, i, COL_USER_SETUP_NAME));
	of.role = policy_role(row_text(r, i, COL_USER_SETUP_ROLE));
	rc = session_begin(c, &of, ret, e);
	if (rc)
		return rc;
	ret->shared = row_bool(r, i, COL_USER_SETUP_SHARED);
	ret->at.set_up_seq = set_up_seq;
	return 0;
}
