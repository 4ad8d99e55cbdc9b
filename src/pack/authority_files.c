/* SPDX-License-Identifier: Apache-2.0
 *
 * The vault's authority and this node's files: what they say, and how they are brought in line with
 * the log, step by step.
 */
#include "pack/authority_impl.h"

#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/place.h"

#define LOAD_WAIT_MS 5000
#define STEPS_MAX 4 /* each makes the next one possible; two follow at most */

/* ---- what they say ---- */

void
authority_signer(const char *trusted, const char *cert, char ret[static X509_PIN_LEN])
{
	struct err ignored;

	ret[0] = '\0';
	for (const char *at = trusted;;) {
		auto_buf one = BUF_INIT;
		struct x509_info info;

		if (!x509_next(&at, &one) || x509_read(buf_str(&one), &info, &ignored))
			return;
		if (!x509_signed_by(cert, buf_str(&one)))
			continue;
		memcpy(ret, info.pin, X509_PIN_LEN);
		return;
	}
}

static void
signer_of_file(const struct home *h, enum home_path which, const char *trusted,
	       char ret[static X509_PIN_LEN])
{
	auto_buf pem = BUF_INIT;
	struct err ignored;

	if (home_has(h, which) && authority_read(h, which, &pem, &ignored) == 0)
		authority_signer(trusted, buf_str(&pem), ret);
}

static void
list_pins(const char *trusted, char ret[static SUCCESSION_PINS_MAX])
{
	size_t n = 0;
	struct err ignored;

	ret[0] = '\0';
	for (const char *at = trusted; n < SUCCESSION_MAX; n++) {
		auto_buf one = BUF_INIT;
		struct x509_info info;

		if (!x509_next(&at, &one) || x509_read(buf_str(&one), &info, &ignored))
			return;
		snprintf(ret + strlen(ret), SUCCESSION_PINS_MAX - strlen(ret), "%s%s", n ? "," : "",
			 info.pin);
	}
}

void
authority_look(const struct home *h, struct authority_shown *ret)
{
	auto_buf trusted = BUF_INIT;
	struct err ignored;

	*ret = (struct authority_shown){ 0 };
	if (!authority_is_there(h) || authority_read(h, HOME_PAIR_CA, &trusted, &ignored))
		return;
	list_pins(buf_str(&trusted), ret->trusted);
	signer_of_file(h, HOME_PAIR_CERT, buf_str(&trusted), ret->channel_by);
	signer_of_file(h, HOME_WEB_CERT, buf_str(&trusted), ret->web_by);
}

/* ---- what they are to be ---- */

/* Of which the log knows nothing (it is of before that), while this node shows what it signed. */
static void
keep_unknown(const struct authority_log *x, const char *trusted, struct buf *out)
{
	struct err ignored;

	for (const char *at = trusted;;) {
		auto_buf one = BUF_INIT;
		struct x509_info info;

		if (!x509_next(&at, &one) || x509_read(buf_str(&one), &info, &ignored))
			return;
		if (!succession_bits(&x->log, info.pin) && info.not_after_us > clock_now_us() &&
		    strcmp(x->shown.web_by, info.pin) == 0)
			buf_add(out, one.data, one.len);
	}
}

static bool
has_same(const struct home *h, enum home_path which, const struct buf *data)
{
	auto_buf now = BUF_INIT;
	struct err ignored;

	return home_has(h, which) && authority_read(h, which, &now, &ignored) == 0 &&
	       now.len == data->len && memcmp(now.data, data->data, data->len) == 0;
}

/* Both files, as far as they are not so already. */
static int
write_files(const struct authority_log *x, bool *ret_trust_changed, struct err *e)
{
	auto_buf before = BUF_INIT, certs = BUF_INIT, key = BUF_INIT;
	struct place_part parts[2];
	struct err ignored;
	size_t n = 0;

	if (home_has(x->h, HOME_PAIR_CA) && authority_read(x->h, HOME_PAIR_CA, &before, &ignored))
		buf_reset(&before);
	for (unsigned i = 0; i < x->log.n; i++)
		if (x->next.keep & 1u << i)
			buf_adds(&certs, authority_log_cert(x, i));
	keep_unknown(x, buf_str(&before), &certs);
	if (x->next.sign >= 0)
		authority_log_key(x, (unsigned)x->next.sign, &key);
	*ret_trust_changed = !has_same(x->h, HOME_PAIR_CA, &certs);
	if (key.len && !has_same(x->h, HOME_PAIR_CA_KEY, &key))
		parts[n++] = (struct place_part){ HOME_PAIR_CA_KEY, &key, 0600 };
	if (*ret_trust_changed)
		parts[n++] = (struct place_part){ HOME_PAIR_CA, &certs, 0600 };
	return n ? place_set(x->h, parts, n, e) : 0;
}

static int
read_loaded(const struct home *h, int64_t *ret, struct err *e)
{
	auto_rows rows = NULL;
	struct db *db = authority_open_db(h, e);

	if (!db)
		return e->code;
	int rc = authority_ask(db, STMT_HA_LOADED, &rows, e);
	if (rc == 0)
		*ret = row_time(rows, 0, COL_HA_LOADED_AT);
	db_free(db);
	return rc;
}

/* What is said to be trusted is in force: a server process begun later has it. */
static int
reload(const struct authority_log *x, struct err *e)
{
	int64_t before = 0, now = 0, until = clock_mono_ms() + LOAD_WAIT_MS;

	int rc = read_loaded(x->h, &before, e);
	if (rc == 0)
		rc = authority_ask(x->db, STMT_HA_RELOAD, NULL, e);
	while (rc == 0 && (rc = read_loaded(x->h, &now, e)) == 0 && now == before) {
		if (clock_mono_ms() >= until)
			return err_set(e, ERR_TIMEOUT,
				       "PostgreSQL did not read its settings again within %d s",
				       LOAD_WAIT_MS / 1000);
		clock_sleep_ms(20);
	}
	return rc;
}

static bool
channel_is_stale(const struct authority_log *x)
{
	return home_has(x->h, HOME_PAIR_CERT) &&
	       succession_is_stale(&x->next, &x->log, x->shown.channel_by);
}

static int
sign_channel(const struct authority_log *x, struct err *e)
{
	uint32_t newest;

	int rc = authority_load_keys(x->keys, x->db, &newest, e);
	if (rc == 0)
		rc = authority_renew_channel(x->h, x->keys, x->db, e);
	return rc == 0 ? reload(x, e) : rc;
}

/* *ret_more: it may have made another step possible. */
static int
take_step(struct authority_log *x, bool first, bool *ret_more, struct err *e)
{
	bool trust_changed = false;

	*ret_more = false;
	int rc = authority_log_read(x, e);
	if (rc < 0 || !x->log.n)
		return rc;
	rc = authority_log_prove(x, e);
	if (rc == 0)
		rc = write_files(x, &trust_changed, e);
	if (rc == 0 && (trust_changed || first))
		rc = reload(x, e);
	if (rc == 0 && channel_is_stale(x)) {
		*ret_more = true;
		rc = sign_channel(x, e);
	}
	*ret_more |= trust_changed;
	return rc;
}

int
authority_follow_log(const struct home *h, struct keys *keys, struct db *db,
		     struct authority_followed *ret, struct err *e)
{
	struct authority_log x = { .h = h, .keys = keys, .db = db };
	bool more = true;
	int rc = 0;

	*ret = (struct authority_followed){ 0 };
	/* Whoever was ended between the files and PostgreSQL does not know: the first step has it read them in any case. */
	for (int i = 0; rc == 0 && more && i < STEPS_MAX; i++)
		rc = take_step(&x, i == 0, &more, e);
	if (rc == 0 && x.log.n) {
		succession_pins(&x.log, x.next.keep, ret->wanted);
		authority_look(h, &x.shown);
		text_copy(ret->trusted, sizeof(ret->trusted), x.shown.trusted);
		if (x.next.sign >= 0)
			text_copy(ret->sign, sizeof(ret->sign), x.log.pins[x.next.sign]);
	}
	rows_free(x.rows);
	return rc;
}

int
authority_follow(const struct home *h, struct keys *keys, struct authority_followed *ret,
		 struct err *e)
{
	struct db *db = authority_open_db(h, e);

	if (!db)
		return e->code;
	int rc = authority_follow_log(h, keys, db, ret, e);
	db_free(db);
	return rc;
}
