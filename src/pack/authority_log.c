/* SPDX-License-Identifier: Apache-2.0
 *
 * The vault's authority and the log: which ones it has, which of them are truly the vault's, and how one gets into it.
 */
#include "pack/authority_impl.h"

#include <string.h>
#include "base/clock.h"
#include "base/json_out.h"
#include "base/log.h"
#include "ledger/event.h"
#include "ledger/event_body.h"

#define LOG_WAIT_MS 15000

/* ---- what it says ---- */

static int
read_authorities(struct authority_log *x, struct err *e)
{
	struct succession_log *log = &x->log;

	rows_free(x->rows);
	x->rows = NULL;
	int rc = authority_ask(x->db, STMT_AUTHORITY_LIST, &x->rows, e);
	log->n = 0;
	for (int i = 0; rc == 0 && i < rows_count(x->rows) && i < SUCCESSION_MAX; i++) {
		unsigned n = log->n++;

		text_copy(log->pins[n], sizeof(log->pins[n]),
			  row_text(x->rows, i, COL_AUTHORITY_LIST_SHA256));
		log->ends_us[n] = row_time(x->rows, i, COL_AUTHORITY_LIST_ENDS_AT);
	}
	return rc;
}

/* Of this node what its files say, of the others what they made known. */
static int
add_nodes(const struct authority_log *x, struct succession_view *v, struct err *e)
{
	const struct authority_shown *s = &x->shown;
	const struct succession_said own = { s->trusted, s->channel_by, s->web_by };
	auto_rows rows = NULL;
	struct home_node self;

	int rc = home_node_read(x->h, &self, e);
	if (rc == 0)
		rc = authority_ask(x->db, STMT_HA_NODES, &rows, e);
	for (int i = 0; rc == 0 && i < rows_count(rows) && i < SUCCESSION_NODES_MAX; i++) {
		struct succession_said said = { row_text(rows, i, COL_HA_NODES_TRUSTS),
						row_text(rows, i, COL_HA_NODES_CHANNEL_BY),
						row_text(rows, i, COL_HA_NODES_WEB_BY) };
		struct uuid id;

		row_uuid(rows, i, COL_HA_NODES_ID, &id);
		succession_add(v, &x->log, uuid_eq(&id, &self.id) ? &own : &said);
	}
	return rc;
}

int
authority_log_read(struct authority_log *x, struct err *e)
{
	struct succession_view v;

	int rc = read_authorities(x, e);
	if (rc < 0)
		return rc;
	succession_begin(&v, &x->log, clock_now_us());
	authority_look(x->h, &x->shown);
	rc = add_nodes(x, &v, e);
	if (rc == 0)
		succession_decide(&v, &x->next);
	return rc;
}

const char *
authority_log_cert(const struct authority_log *x, unsigned i)
{
	return row_text(x->rows, (int)i, COL_AUTHORITY_LIST_CERT);
}

void
authority_log_key(const struct authority_log *x, unsigned i, struct buf *ret)
{
	size_t n = 0;
	const void *key = row_bytea(x->rows, (int)i, COL_AUTHORITY_LIST_KEY, &n);

	if (key)
		buf_add(ret, key, n);
}

/* Whoever can write to the database can write a certificate of theirs into it, but has no key of it that is sealed under a key of the vault. */
static int
prove(const struct authority_log *x, unsigned i, struct err *e)
{
	static const char *const names[] = { "localhost", NULL };
	auto_buf sealed = BUF_INIT, key = BUF_INIT, public_key = BUF_INIT, cert = BUF_INIT;
	struct x509_info info;

	authority_log_key(x, i, &sealed);
	int rc = x509_read(authority_log_cert(x, i), &info, e);
	if (rc == 0 && (strcmp(info.pin, x->log.pins[i]) != 0 || sealed.len <= KEYS_SEAL_EXTRA))
		rc = err_set(e, ERR_CRYPTO, "its row does not hold together");
	if (rc == 0)
		rc = x509_new_key(&key, &public_key, e);
	struct x509_wish w = { .public_key = buf_str(&public_key), .names = names, .days = 1 };
	if (rc == 0)
		rc = keys_certify(x->keys, NULL, authority_log_cert(x, i), &sealed, &w, &cert, e);
	if (rc == ERR_CRYPTO || rc == ERR_BAD_FIELD)
		(void)err_prefix(
			e,
			"the database names an authority of the vault, %.16s…, that keyd "
			"does not know as one; it is not trusted, and nothing was changed. "
			"Run `holdfast audit verify`: ",
			x->log.pins[i]);
	return rc;
}

int
authority_log_prove(const struct authority_log *x, struct err *e)
{
	uint32_t there = succession_bits(&x->log, x->shown.trusted);
	uint32_t news = x->next.keep & ~there;
	uint32_t newest;

	if (!news)
		return 0;
	int rc = authority_load_keys(x->keys, x->db, &newest, e);
	for (unsigned i = 0; rc == 0 && i < x->log.n; i++)
		if (news & 1u << i)
			rc = prove(x, i, e);
	return rc;
}

/* ---- into it ---- */

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

int
authority_log_newest(struct db *db, int *ret_generation, struct buf *ret_cert, struct err *e)
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

int
authority_log_add(const struct home *h, struct db *db, const char *cert, const struct buf *sealed,
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

		rc = authority_log_newest(db, &there, &ignored, e);
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
