/* SPDX-License-Identifier: Apache-2.0 */
#include "pack/authority.h"

#include <unistd.h>
#include "base/place.h"
#include "crypto/x509.h"
#include "pg/cluster.h"

#define PEM_MAX 65536

static const char key_ad[] = "pair-ca-key";

static int
ask(struct db *db, enum stmt s, struct rows **ret, struct err *e)
{
	static const struct binds none;

	return db_exec(db, NULL, s, &none, ret, e);
}

int
authority_load_keys(struct keys *keys, struct db *db, uint32_t *ret_newest, struct err *e)
{
	auto_rows rows = NULL;
	int rc = ask(db, STMT_KEY_LIST, &rows, e);

	*ret_newest = 0;
	for (int i = 0; rc == 0 && i < rows_count(rows); i++) {
		size_t n;
		const void *wrapped = row_bytea(rows, i, COL_KEY_LIST_WRAPPED, &n);
		uint32_t id = (uint32_t)row_int(rows, i, COL_KEY_LIST_ID);
		rc = keys_load(keys, NULL, id, wrapped, n, e);
		*ret_newest = id > *ret_newest ? id : *ret_newest;
	}
	if (rc == 0 && *ret_newest == 0)
		rc = err_set(e, ERR_PRECONDITION,
			     "the vault has no data key yet: start the node once, then repeat");
	return rc;
}

int
authority_make(const struct home *h, struct keys *keys, uint32_t data_key, struct buf *ret_cert,
	       struct buf *ret_key, struct err *e)
{
	auto_buf sealed = BUF_INIT;

	int rc = x509_ca("Holdfast pair", AUTHORITY_DAYS, ret_cert, ret_key, e);
	if (rc == 0)
		rc = keys_seal(keys, NULL, data_key, key_ad, sizeof(key_ad), ret_key->data,
			       ret_key->len, &sealed, e);
	const struct place_part parts[] = { { HOME_PAIR_CA_KEY, &sealed, 0600 },
					    { HOME_PAIR_CA, ret_cert, 0600 } };
	return rc == 0 ? place_set(h, parts, ARRAY_LEN(parts), e) : rc;
}

static int
open_key(const struct home *h, struct keys *keys, const struct buf *cert, struct buf *ret,
	 struct err *e)
{
	auto_buf sealed = BUF_INIT;
	char path[HOME_PATH_MAX];

	home_path(h, HOME_PAIR_CA_KEY, path);
	int rc = home_read_file(path, PEM_MAX, &sealed, e);

	if (rc == 0 && sealed.len <= KEYS_SEAL_EXTRA)
		rc = err_set(e, ERR_IO, "it is %s", sealed.len ? "cut short" : "empty");
	if (rc == 0)
		rc = keys_open(keys, NULL, key_ad, sizeof(key_ad), sealed.data, sealed.len, ret, e);
	/* Of a key that nobody has, or that does not open it. */
	if (rc == ERR_CRYPTO || (rc == ERR_KEYS_UNAVAILABLE && keys_available(keys)))
		rc = err_set(e, ERR_IO, "it is damaged");
	if (rc == 0)
		rc = x509_fits(buf_str(cert), buf_str(ret), e);
	return rc;
}

int
authority_open(const struct home *h, struct keys *keys, struct buf *ret_cert, struct buf *ret_key,
	       struct err *e)
{
	char path[HOME_PATH_MAX];

	home_path(h, HOME_PAIR_CA, path);
	int rc = home_read_file(path, PEM_MAX, ret_cert, e);
	if (rc < 0)
		return rc;
	rc = open_key(h, keys, ret_cert, ret_key, e);
	if (rc == 0 || rc == ERR_KEYS_UNAVAILABLE)
		return rc;
	home_path(h, HOME_PAIR_CA_KEY, path);
	(void)err_prefix(e,
			 "the key of the pair's authority, %s, cannot be used. Copy that file "
			 "here from another node of the pair, where it is the same, or from a copy "
			 "of the home: ",
			 path);
	return e->code = ERR_PRECONDITION;
}

static int
sign_own(const struct home *h, struct keys *keys, struct err *e)
{
	auto_buf ca = BUF_INIT, ca_key = BUF_INIT, cert = BUF_INIT, key = BUF_INIT;
	struct home_node self;

	int rc = home_node_read(h, &self, e);
	if (rc == 0)
		rc = authority_open(h, keys, &ca, &ca_key, e);
	if (rc == 0)
		rc = x509_issue(buf_str(&ca), buf_str(&ca_key), self.name, AUTHORITY_LEAF_DAYS,
				&cert, &key, e);
	const struct place_part parts[] = { { HOME_PAIR_KEY, &key, 0600 },
					    { HOME_PAIR_CERT, &cert, 0600 } };
	return rc == 0 ? place_set(h, parts, ARRAY_LEN(parts), e) : rc;
}

/* PostgreSQL reads certificates again with its settings; a connection that is open goes on. */
int
authority_renew_channel(const struct home *h, struct keys *keys, struct err *e)
{
	auto_buf conninfo = BUF_INIT;
	char path[HOME_PATH_MAX];
	uint32_t newest;

	home_path(h, HOME_PAIR_CERT, path);
	if (access(path, F_OK) < 0)
		return err_set(e, ERR_PRECONDITION,
			       "this node is in no pair, so there is no channel whose certificate "
			       "could be renewed");
	cluster_conninfo(h, "holdfast", &conninfo);
	struct db_options o = { .conninfo = buf_str(&conninfo), .application = "holdfast renew" };
	struct db *db = db_open(&o, e);
	if (!db)
		return e->code;
	int rc = authority_load_keys(keys, db, &newest, e);
	if (rc == 0)
		rc = sign_own(h, keys, e);
	if (rc == 0)
		rc = ask(db, STMT_HA_RELOAD, NULL, e);
	db_free(db);
	return rc;
}
