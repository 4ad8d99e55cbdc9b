/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/keycheck.h"

#include <stdio.h>
#include "admin/create.h"
#include "admin/keyhost.h"
#include "base/log.h"
#include "base/pidfile.h"
#include "crypto/keyfile.h"
#include "crypto/keyring.h"
#include "crypto/keys.h"
#include "node/runas.h"
#include "pg/cluster.h"
#include "store/db.h"

/* Says what is wrong with the file itself, in this process, and forgets it. */
static int
check_file(const char *path, struct err *e)
{
	struct keyring *k = keyring_open(path, e);
	if (!k)
		return e->code;
	keyring_free(k);
	return 0;
}

static int
open_all(struct db *d, const struct home *h, struct keycheck_result *ret, struct err *e)
{
	int control = -1, fd = -1;
	auto_rows rows = NULL;
	auto_binds none = BINDS_INIT;
	int r = db_exec(d, NULL, STMT_KEY_LIST, &none, &rows, e);
	if (!r)
		r = keyhost_start(h, ret->key_file, &control, &fd, e);
	if (r)
		return r;
	struct keys *keys = keys_new(NULL, fd);
	for (int i = 0; !r && i < rows_count(rows); i++) {
		size_t n = 0;
		const void *wrapped = row_bytea(rows, i, COL_KEY_LIST_WRAPPED, &n);
		r = keys_load(keys, NULL, (uint32_t)row_int(rows, i, COL_KEY_LIST_ID), wrapped, n,
			      e);
		ret->opened += !r;
	}
	keys_free(keys);
	keyhost_stop(control);
	if (r == ERR_BAD_KEY || r == ERR_CRYPTO)
		return err_set(
			e, ERR_BAD_KEY,
			"%s is a master key, but not the one that this node's data was sealed with",
			ret->key_file);
	return r;
}

static struct db *
connect_to(const struct home *h, struct err *e)
{
	auto_buf conninfo = BUF_INIT;
	cluster_conninfo(h, "holdfast", &conninfo);
	struct db_options o = { .conninfo = buf_str(&conninfo),
				.application = "holdfast key check" };
	return db_open(&o, e);
}

/* For the moment; on the private socket alone, with the configuration as it is. */
static int
start_cluster(const struct home *h, struct err *e)
{
	int r = pidfile_alone(h, e);
	return r ? r : cluster_start(h, e);
}

static int
with_database(const struct home *h, struct keycheck_result *ret, struct err *e)
{
	struct err stopping;
	struct db *d = connect_to(h, e);
	bool started = false;
	int r = 0;
	if (!d) {
		r = start_cluster(h, e);
		started = !r;
		d = started ? connect_to(h, e) : NULL;
	}
	if (d)
		r = open_all(d, h, ret, e);
	else if (!r)
		r = e->code;
	db_free(d);
	if (!started)
		return r;
	int s = cluster_stop(h, r ? &stopping : e);
	return r ? r : s;
}

int
keycheck_run(const struct home *h, const char *key_file, struct keycheck_result *ret, struct err *e)
{
	struct keycheck_result res = { 0 };
	struct runas user;
	log_init("key check", LOG_LEVEL_WARNING);
	int major = 0, r = runas_choose(h->dir, NULL, &user, e);
	if (!r)
		r = key_file ? create_resolve(key_file, res.key_file, e)
			     : home_key_path(h, res.key_file, e);
	if (!r)
		r = runas_become(&user, e);
	if (!r)
		r = check_file(res.key_file, e);
	if (!r)
		r = cluster_major(h, &major, e);
	if (!r && !major)
		r = err_set(e, ERR_PRECONDITION,
			    "this node has no data yet to check a key against");
	if (!r)
		r = with_database(h, &res, e);
	if (!r)
		*ret = res;
	return r;
}

int
keycheck_new(const char *path, struct err *e)
{
	return keyfile_create(path, e);
}
