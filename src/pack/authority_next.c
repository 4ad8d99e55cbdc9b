/* SPDX-License-Identifier: Apache-2.0
 *
 * The vault's authority: how to make a new one, the log's first or the successor of another.
 */
#include "pack/authority_impl.h"

#include <stdio.h>
#include "base/clock.h"

/* ---- the first ---- */

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

	int rc = authority_log_newest(db, &generation, &ignored, e);
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
	return rc == 0 ? authority_log_add(h, db, buf_str(&cert), &sealed, 1, e) : rc;
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
	struct authority_log x = { .h = h, .db = db };

	int rc = authority_log_read(&x, e);
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
		rc = authority_log_newest(db, &generation, &before, e);
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
	return rc == 0 ? authority_log_add(h, db, buf_str(&cert), &sealed, generation + 1, e) : rc;
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
		rc = authority_follow_log(h, keys, db, &ignored, e);
	db_free(db);
	return rc;
}
