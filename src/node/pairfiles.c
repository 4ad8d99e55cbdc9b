/* SPDX-License-Identifier: Apache-2.0 */
#include "node/pairfiles.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/log.h"
#include "crypto/x509.h"
#include "node/preflight.h"
#include "pack/authority.h"
#include "pack/packfit.h"
#include "pg/cluster.h"

#define PEM_MAX_BYTES 65536

/* ---- the certificates of the channel ---- */

static int
cannot_be_used(struct err *e)
{
	(void)err_prefix(e,
			 "the certificates of the pair cannot be used. Restore them from a copy "
			 "of the home; a secondary can also take them from a new pack. If you "
			 "have neither, move pair.crt and pair.key away and start with `holdfast "
			 "serve --without-pair`: the node serves alone until `holdfast ha setup` "
			 "has made new ones. The cause: ");
	return e->code = ERR_PRECONDITION;
}

/* By any of these a node knows that it is in a pair. The authority is the vault's, pair or not. */
static bool
is_in_pair(const struct home *h)
{
	return home_has(h, HOME_PAIR_CERT) || home_has(h, HOME_PAIR_KEY) ||
	       home_has(h, HOME_PAIR) || cluster_has_channel(h);
}

static bool
are_given_up(const struct proc_args *a)
{
	return a->without_pair && !home_has(&a->home, HOME_PAIR_CERT) &&
	       !home_has(&a->home, HOME_PAIR_KEY);
}

/* All of it, or the node is in no pair. A pack brings everything. */
static int
check_certs(const struct proc_args *a, struct err *e)
{
	static const enum home_path files[] = { HOME_PAIR_CERT, HOME_PAIR_KEY, HOME_PAIR_CA };
	const struct home *h = &a->home;
	auto_buf cert = BUF_INIT, key = BUF_INIT, ca = BUF_INIT;
	struct buf *const texts[] = { &cert, &key, &ca };
	char paths[ARRAY_LEN(files)][HOME_PATH_MAX];
	struct x509_info info;
	int r = 0;

	if (preflight_has_pack(h) || are_given_up(a) || !is_in_pair(h))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		home_path(h, files[i], paths[i]);
	for (size_t i = 0; !r && i < ARRAY_LEN(files); i++) {
		r = home_read_file(paths[i], PEM_MAX_BYTES, texts[i], e);
		if (!r && !texts[i]->len)
			r = err_set(e, ERR_PRECONDITION, "%s is empty", paths[i]);
	}
	if (!r && x509_fits(buf_str(&cert), buf_str(&key), e))
		r = err_prefix(e, "%s and %s: ", paths[0], paths[1]);
	if (!r && x509_read(buf_str(&ca), &info, e))
		r = err_prefix(e, "%s: ", paths[2]);
	return r ? cannot_be_used(e) : 0;
}

/* ---- what cert import brought ---- */

static int
check_trusted_file(const char *path, struct err *e)
{
	auto_buf pem = BUF_INIT;
	struct x509_info info;
	int r = home_read_file(path, PEM_MAX_BYTES, &pem, e);

	if (!r && x509_read(buf_str(&pem), &info, e))
		r = err_prefix(e, "%s: ", path);
	if (!r)
		return 0;
	(void)err_prefix(e, "an imported certificate cannot be used: import it again (`holdfast "
			    "cert import FILE`) and remove the damaged one, or restore it from a "
			    "copy of the home. The cause: ");
	return e->code = ERR_PRECONDITION;
}

static int
check_trusted(const struct home *h, struct err *e)
{
	char folder[HOME_PATH_MAX], path[HOME_PATH_MAX + 264];
	int r = 0;

	home_path(h, HOME_TRUSTED, folder);
	DIR *d = opendir(folder);
	if (!d)
		return errno == ENOENT
			       ? 0
			       : err_errno(e, ERR_IO, "cannot list the files in %s", folder);
	for (struct dirent *f; !r && (f = readdir(d));) {
		const char *end = strrchr(f->d_name, '.');

		if (!end || strcmp(end, ".pem") != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, f->d_name);
		r = check_trusted_file(path, e);
	}
	closedir(d);
	return r;
}

/* ---- pair.conf ---- */

/* It is needed when a pack comes, and for nothing else: whoever lost it serves. */
static int
check_conf(const struct home *h, struct err *e)
{
	char pair[PACKFIT_PAIR_MAX];

	if (preflight_has_pack(h))
		return 0;
	int r = packfit_own_pair(h, pair, e);
	if (!r && !*pair && cluster_is_standby(h))
		log_error("conf/pair.conf is gone from %s: this node serves without it, but "
			  "accepts no new pack, because it cannot tell which pair it belongs to. "
			  "Restore the file from a copy of the home",
			  h->dir);
	return r;
}

int
pairfiles_check(const struct proc_args *a, struct err *e)
{
	int r = check_certs(a, e);
	if (!r)
		r = check_conf(&a->home, e);
	return r ? r : check_trusted(&a->home, e);
}

/* ---- with the database ---- */

/* Other nodes that have served: a set-up that was taken back may have left a row of one that never did. */
static int
count_others(const struct home *h, struct db *d, int *ret, struct err *e)
{
	static const struct binds none;
	struct home_node self;
	struct uuid id;
	auto_rows rows = NULL;
	int r = home_node_read(h, &self, e);

	if (!r)
		r = db_exec(d, NULL, STMT_HA_NODES, &none, &rows, e);
	*ret = 0;
	for (int i = 0; !r && i < rows_count(rows); i++) {
		row_uuid(rows, i, COL_HA_NODES_ID, &id);
		*ret += !uuid_eq(&id, &self.id) && *row_text(rows, i, COL_HA_NODES_WEB_CERT);
	}
	return r;
}

static int
prove_certs(const struct proc_args *a, struct db *d, struct err *e)
{
	int others = 0;

	if (are_given_up(a) || preflight_has_pair(&a->home))
		return 0;
	int r = count_others(&a->home, d, &others, e);
	if (r || !others)
		return r;
	(void)err_set(e, ERR_PRECONDITION,
		      "pair.crt, pair.key and pair-ca.crt are gone from %s/conf/tls, but the "
		      "database names %d other node%s of this node's pair",
		      a->home.dir, others, others == 1 ? "" : "s");
	return cannot_be_used(e);
}

/* Of no use but for signing: who cannot use it serves. */
static void
prove_authority(const struct home *h, struct keys *keys)
{
	auto_buf ca = BUF_INIT;
	struct err e = { 0 };

	if (authority_is_there(h) && authority_prove(h, keys, &ca, &e))
		log_err(LOG_LEVEL_ERROR, &e,
			"this node can neither make packs nor renew certificates");
}

int
pairfiles_prove(const struct proc_args *a, struct db *d, struct keys *keys, struct err *e)
{
	int r = prove_certs(a, d, e);
	if (!r)
		prove_authority(&a->home, keys);
	return r;
}
