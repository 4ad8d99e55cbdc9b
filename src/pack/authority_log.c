/* SPDX-License-Identifier: Apache-2.0
 *
 * The vault's authority and the log: which ones it has, what the files of this node are to be by that, and how a new one comes into it.
 */
#include "pack/authority_impl.h"

#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/json_out.h"
#include "base/log.h"
#include "base/place.h"
#include "crypto/x509.h"
#include "ledger/event.h"
#include "ledger/event_body.h"

#define LOG_WAIT_MS 15000
#define LOAD_WAIT_MS 5000
#define STEPS_MAX 4 /* each makes the next one possible; two follow at most */

/* ---- what the files say ---- */

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

/* ---- what the log says ---- */

struct follow {
	const struct home *h;
	struct keys *keys;
	struct db *db;
	struct rows *rows; /* authority_list */
	char pins[SUCCESSION_MAX][X509_PIN_LEN];
	unsigned n;
	struct authority_shown shown;
	struct succession next;
};

static uint32_t
shows(const struct follow *x, const char *channel_by, const char *web_by)
{
	return succession_bits(channel_by, x->pins, x->n) | succession_bits(web_by, x->pins, x->n);
}

/* Of this node what its files say, of the others what they made known. */
static int
add_nodes(const struct follow *x, struct succession_view *v, struct err *e)
{
	auto_rows rows = NULL;
	struct home_node self;

	int rc = home_node_read(x->h, &self, e);
	if (rc == 0)
		rc = authority_ask(x->db, STMT_HA_NODES, &rows, e);
	for (int i = 0; rc == 0 && i < rows_count(rows) && i < SUCCESSION_NODES_MAX; i++) {
		struct succession_node *n = &v->nodes[v->nodes_n++];
		struct uuid id;

		row_uuid(rows, i, COL_HA_NODES_ID, &id);
		bool own = uuid_eq(&id, &self.id);
		const char *trusts =
			own ? x->shown.trusted : row_text(rows, i, COL_HA_NODES_TRUSTS);
		n->trusts = succession_bits(trusts, x->pins, x->n);
		n->shows = own ? shows(x, x->shown.channel_by, x->shown.web_by)
			       : shows(x, row_text(rows, i, COL_HA_NODES_CHANNEL_BY),
				       row_text(rows, i, COL_HA_NODES_WEB_BY));
	}
	return rc;
}

static int
look(struct follow *x, struct err *e)
{
	struct succession_view v = { 0 };
	int64_t now = clock_now_us();

	rows_free(x->rows);
	x->rows = NULL;
	int rc = authority_ask(x->db, STMT_AUTHORITY_LIST, &x->rows, e);
	if (rc < 0)
		return rc;
	x->n = (unsigned)rows_count(x->rows);
	v.authorities_n = x->n = x->n < SUCCESSION_MAX ? x->n : SUCCESSION_MAX;
	for (unsigned i = 0; i < x->n; i++) {
		text_copy(x->pins[i], sizeof(x->pins[i]),
			  row_text(x->rows, (int)i, COL_AUTHORITY_LIST_SHA256));
		if (row_time(x->rows, (int)i, COL_AUTHORITY_LIST_ENDS_AT) <= now)
			v.ended |= 1u << i;
	}
	authority_look(x->h, &x->shown);
	rc = add_nodes(x, &v, e);
	if (rc == 0)
		succession_decide(&v, &x->next);
	return rc;
}

static const char *
cert_of(const struct follow *x, unsigned i)
{
	return row_text(x->rows, (int)i, COL_AUTHORITY_LIST_CERT);
}

static void
key_of(const struct follow *x, unsigned i, struct buf *ret)
{
	size_t n = 0;
	const void *key = row_bytea(x->rows, (int)i, COL_AUTHORITY_LIST_KEY, &n);

	if (key)
		buf_add(ret, key, n);
}

/* Whoever can write to the database can write a certificate of theirs into it, but has no key of it that is sealed under a key of the vault. */
static int
prove(const struct follow *x, unsigned i, struct err *e)
{
	static const char *const names[] = { "localhost", NULL };
	auto_buf sealed = BUF_INIT, key = BUF_INIT, public_key = BUF_INIT, cert = BUF_INIT;
	struct x509_info info;

	key_of(x, i, &sealed);
	int rc = x509_read(cert_of(x, i), &info, e);
	if (rc == 0 && (strcmp(info.pin, x->pins[i]) != 0 || sealed.len <= KEYS_SEAL_EXTRA))
		rc = err_set(e, ERR_CRYPTO, "its row does not hold together");
	if (rc == 0)
		rc = x509_new_key(&key, &public_key, e);
	struct x509_wish w = { .public_key = buf_str(&public_key), .names = names, .days = 1 };
	if (rc == 0)
		rc = keys_certify(x->keys, NULL, cert_of(x, i), &sealed, &w, &cert, e);
	if (rc == ERR_CRYPTO || rc == ERR_BAD_FIELD)
		(void)err_prefix(
			e,
			"the database names an authority of the vault, %.16s…, that keyd "
			"does not know as one; it is not trusted, and nothing was changed. "
			"Run `holdfast audit verify`: ",
			x->pins[i]);
	return rc;
}

static int
prove_new(const struct follow *x, struct err *e)
{
	uint32_t there = succession_bits(x->shown.trusted, x->pins, x->n);
	uint32_t news = x->next.keep & ~there;
	uint32_t newest;

	if (!news)
		return 0;
	int rc = authority_load_keys(x->keys, x->db, &newest, e);
	for (unsigned i = 0; rc == 0 && i < x->n; i++)
		if (news & 1u << i)
			rc = prove(x, i, e);
	return rc;
}

/* ---- files ---- */

/* Of which the log knows nothing (it is of before that), while this node shows what it signed. */
static void
keep_unknown(const struct follow *x, const char *trusted, struct buf *out)
{
	struct err ignored;

	for (const char *at = trusted;;) {
		auto_buf one = BUF_INIT;
		struct x509_info info;

		if (!x509_next(&at, &one) || x509_read(buf_str(&one), &info, &ignored))
			return;
		if (!succession_bits(info.pin, x->pins, x->n) &&
		    info.not_after_us > clock_now_us() && strcmp(x->shown.web_by, info.pin) == 0)
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
write_files(const struct follow *x, bool *ret_trust_changed, struct err *e)
{
	auto_buf before = BUF_INIT, certs = BUF_INIT, key = BUF_INIT;
	struct place_part parts[2];
	struct err ignored;
	size_t n = 0;

	if (home_has(x->h, HOME_PAIR_CA) && authority_read(x->h, HOME_PAIR_CA, &before, &ignored))
		buf_reset(&before);
	for (unsigned i = 0; i < x->n; i++)
		if (x->next.keep & 1u << i)
			buf_adds(&certs, cert_of(x, i));
	keep_unknown(x, buf_str(&before), &certs);
	if (x->next.sign >= 0)
		key_of(x, (unsigned)x->next.sign, &key);
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
reload(const struct follow *x, struct err *e)
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

/* One that comes from none of those that sign now, or will. */
static bool
channel_is_stale(const struct follow *x)
{
	uint32_t good = x->next.sign < 0 ? 0 : (2u << x->next.sign) - 1;

	return good && home_has(x->h, HOME_PAIR_CERT) &&
	       !(succession_bits(x->shown.channel_by, x->pins, x->n) & good);
}

static int
sign_channel(const struct follow *x, struct err *e)
{
	uint32_t newest;

	int rc = authority_load_keys(x->keys, x->db, &newest, e);
	if (rc == 0)
		rc = authority_renew_channel(x->h, x->keys, x->db, e);
	return rc == 0 ? reload(x, e) : rc;
}

/* *ret_more: it may have made another step possible. */
static int
take_step(struct follow *x, bool first, bool *ret_more, struct err *e)
{
	bool trust_changed = false;

	*ret_more = false;
	int rc = look(x, e);
	if (rc < 0 || !x->n)
		return rc;
	rc = prove_new(x, e);
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

static int
follow(const struct home *h, struct keys *keys, struct db *db, struct authority_followed *ret,
       struct err *e)
{
	struct follow x = { .h = h, .keys = keys, .db = db };
	bool more = true;
	int rc = 0;

	*ret = (struct authority_followed){ 0 };
	/* Whoever was ended between the files and PostgreSQL does not know: the first step has it read them in any case. */
	for (int i = 0; rc == 0 && more && i < STEPS_MAX; i++)
		rc = take_step(&x, i == 0, &more, e);
	if (rc == 0 && x.n) {
		succession_pins(x.next.keep, x.pins, x.n, ret->wanted);
		authority_look(h, &x.shown);
		text_copy(ret->trusted, sizeof(ret->trusted), x.shown.trusted);
		if (x.next.sign >= 0)
			text_copy(ret->sign, sizeof(ret->sign), x.pins[x.next.sign]);
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
	int rc = follow(h, keys, db, ret, e);
	db_free(db);
	return rc;
}

/* ---- into the log ---- */

int
authority_body(const char *cert, const struct buf *sealed, int generation, struct buf *ret,
	       struct err *e)
{
	auto_buf leaf = BUF_INIT;
	struct json_out w;
	struct x509_info info;

	int rc = x509_leaf(cert, &leaf, e);
	if (rc == 0)
		rc = x509_read(cert, &info, e);
	if (rc < 0)
		return rc;
	json_out_init(&w, ret);
	json_out_object(&w, NULL);
	json_out_text(&w, "sha256", info.pin);
	json_out_int(&w, "generation", generation);
	json_out_time(&w, "ends_at", info.not_after_us);
	json_out_text(&w, "cert", buf_str(&leaf));
	event_body_hex(&w, "sealed", sealed->data, sealed->len);
	json_out_end_object(&w);
	return 0;
}

static int
ask_writer(struct db *db, const struct uuid *self, const struct buf *body, struct err *e)
{
	auto_binds b = BINDS_INIT;

	bind_int(&b, EVENT_AUTHORITY_MADE);
	bind_uuid(&b, self);
	bind_text(&b, buf_str(body));
	return db_exec(db, NULL, STMT_HA_REQUEST_ADD, &b, NULL, e);
}

/* What nobody waits for any more is not to happen later. */
static void
withdraw(struct db *db, const struct uuid *self)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;
	struct err why = { 0 };

	bind_int(&b, EVENT_AUTHORITY_MADE);
	bind_uuid(&b, self);
	if (db_exec(db, NULL, STMT_HA_REQUEST_WITHDRAW, &b, &rows, &why) < 0)
		log_err(LOG_LEVEL_WARNING, &why, "a request to the vault could not be withdrawn");
}

static int
newest_in_log(struct db *db, int *ret_generation, struct buf *ret_cert, struct err *e)
{
	auto_rows rows = NULL;
	int rc = authority_ask(db, STMT_AUTHORITY_LIST, &rows, e);

	*ret_generation = 0;
	if (rc < 0 || !rows_count(rows))
		return rc;
	*ret_generation = row_int(rows, 0, COL_AUTHORITY_LIST_GENERATION);
	buf_adds(ret_cert, row_text(rows, 0, COL_AUTHORITY_LIST_CERT));
	return 0;
}

/* Waits until the vault's writer has put it into the log. */
static int
make_known(const struct home *h, struct db *db, const char *cert, const struct buf *sealed,
	   int generation, struct err *e)
{
	int64_t until = clock_mono_ms() + LOG_WAIT_MS;
	auto_buf body = BUF_INIT;
	struct home_node self;
	int there = 0;

	int rc = home_node_read(h, &self, e);
	if (rc == 0)
		rc = authority_body(cert, sealed, generation, &body, e);
	if (rc == 0)
		rc = ask_writer(db, &self.id, &body, e);
	while (rc == 0 && there < generation) {
		auto_buf ignored = BUF_INIT;

		rc = newest_in_log(db, &there, &ignored, e);
		if (rc || there >= generation)
			break;
		if (clock_mono_ms() >= until) {
			withdraw(db, &self.id);
			return err_set(e, ERR_TIMEOUT,
				       "the vault did not record the authority in the log within "
				       "%d s: is it serving? (`holdfast ha status`)",
				       LOG_WAIT_MS / 1000);
		}
		clock_sleep_ms(50);
	}
	return rc;
}

static int
check_primary(struct db *db, struct err *e)
{
	auto_rows rows = NULL;
	int rc = authority_ask(db, STMT_HA_LOCAL, &rows, e);

	if (rc < 0 || !row_bool(rows, 0, COL_HA_LOCAL_STANDBY))
		return rc;
	return err_set(e, ERR_PRECONDITION,
		       "this node is a secondary: run this on the primary, and all nodes follow. "
		       "Nothing was changed");
}

static int
find_first(const struct home *h, struct keys *keys, struct db *db, struct err *e)
{
	auto_buf cert = BUF_INIT, sealed = BUF_INIT, ignored = BUF_INIT;
	uint32_t data_key;
	int generation;

	int rc = newest_in_log(db, &generation, &ignored, e);
	if (rc < 0 || generation)
		return rc;
	rc = authority_load_keys(keys, db, &data_key, e);
	if (rc == 0 && !authority_is_there(h))
		rc = authority_make_late(h, keys, db, data_key, NULL, e);
	/* What is not the vault's would be trusted by no node. */
	if (rc == 0)
		rc = authority_prove(h, keys, &cert, e);
	if (rc == 0)
		rc = authority_read(h, HOME_PAIR_CA_KEY, &sealed, e);
	return rc == 0 ? make_known(h, db, buf_str(&cert), &sealed, 1, e) : rc;
}

int
authority_found(const struct home *h, struct keys *keys, struct err *e)
{
	struct db *db = authority_open_db(h, e);

	if (!db)
		return e->code;
	int rc = check_primary(db, e);
	if (rc == 0)
		rc = find_first(h, keys, db, e);
	db_free(db);
	return rc;
}

/* ---- that follows another ---- */

static int
next_scopes(const struct home *h, struct db *db, const char *before, const char *domain,
	    struct authority_names *ret, struct err *e)
{
	struct authority_names own;
	struct home_node self;
	char scopes[4096];

	*ret = (struct authority_names){ 0 };
	int rc = domain ? authority_add(ret, domain, e)
			: x509_scopes(before, scopes, sizeof(scopes), e);
	if (rc == 0 && !domain)
		rc = *scopes ? authority_add(ret, scopes, e)
			     : authority_late_scopes(h, db, NULL, &self, ret, e);
	/* It is to be able to sign what the one before did sign; another's certificate is not its business. */
	if (rc == 0)
		rc = authority_names_of(h,
					authority_signed_web(h) ? AUTHORITY_WEB : AUTHORITY_CHANNEL,
					NULL, &own, e);
	return rc == 0 ? authority_check(ret, &own, e) : rc;
}

/* The other nodes are to get their certificates from it as well. */
static int
check_nodes(struct db *db, const struct authority_names *scopes, struct err *e)
{
	struct authority_names names = { 0 };
	auto_rows rows = NULL;

	int rc = authority_ask(db, STMT_HA_NODES, &rows, e);
	for (int i = 0; rc == 0 && i < rows_count(rows); i++)
		rc = authority_add(&names, row_text(rows, i, COL_HA_NODES_NAME), e);
	return rc == 0 && names.n ? authority_check(scopes, &names, e) : rc;
}

static int
check_count(const struct home *h, struct db *db, struct err *e)
{
	struct follow x = { .h = h, .db = db };

	int rc = look(&x, e);
	if (rc == 0 && __builtin_popcount(x.next.keep) >= SUCCESSION_COUNT_MAX)
		rc = err_set(e, ERR_PRECONDITION,
			     "%d authorities of the vault are still trusted, since nodes have not "
			     "followed: `holdfast cert show` says which. Bring them back, or run "
			     "`holdfast ha remove` for one that is gone for good, then repeat. "
			     "Nothing was changed",
			     __builtin_popcount(x.next.keep));
	rows_free(x.rows);
	return rc;
}

/* Its name has the time, so that nobody takes one for the other. */
static int
make_next(const struct home *h, struct keys *keys, struct db *db, const char *domain, struct err *e)
{
	auto_buf before = BUF_INIT, cert = BUF_INIT, sealed = BUF_INIT;
	struct authority_names scopes;
	struct home_node self;
	char name[64], now[CLOCK_ISO_LEN];
	uint32_t data_key;
	int generation;

	int rc = home_node_read(h, &self, e);
	if (rc == 0)
		rc = newest_in_log(db, &generation, &before, e);
	if (rc == 0)
		rc = next_scopes(h, db, buf_str(&before), domain, &scopes, e);
	if (rc == 0)
		rc = check_nodes(db, &scopes, e);
	if (rc == 0)
		rc = authority_load_keys(keys, db, &data_key, e);
	if (rc < 0)
		return rc;
	clock_iso(clock_now_us(), now);
	snprintf(name, sizeof(name), "%.28s %.19s", self.name, now);
	rc = authority_new(keys, NULL, data_key, name, &scopes, &cert, &sealed, e);
	return rc == 0 ? make_known(h, db, buf_str(&cert), &sealed, generation + 1, e) : rc;
}

int
authority_succeed(const struct home *h, struct keys *keys, const char *domain, struct err *e)
{
	struct authority_followed ignored;

	int rc = authority_check_there(h, AUTHORITY_WEB, e);
	if (rc < 0)
		return rc;
	struct db *db = authority_open_db(h, e);
	if (!db)
		return e->code;
	rc = check_primary(db, e);
	if (rc == 0)
		rc = find_first(h, keys, db, e);
	if (rc == 0)
		rc = check_count(h, db, e);
	if (rc == 0)
		rc = make_next(h, keys, db, domain, e);
	/* In the log it is: what follows is done again by itself. */
	if (rc == 0)
		rc = follow(h, keys, db, &ignored, e);
	db_free(db);
	return rc;
}
