/* SPDX-License-Identifier: Apache-2.0 */
#include "pack/authority_impl.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "base/clock.h"
#include "base/place.h"
#include "crypto/x509.h"
#include "pg/cluster.h"

#define PEM_MAX 65536

int
authority_ask(struct db *db, enum stmt s, struct rows **ret, struct err *e)
{
	static const struct binds none;

	return db_exec(db, NULL, s, &none, ret, e);
}

/* ---- names ---- */

static int
add_one(struct authority_names *names, const char *name, size_t n, struct err *e)
{
	if (n >= sizeof(names->text[0]))
		return err_set(e, ERR_USAGE, "\"%.40s…\" is too long for a name", name);
	for (size_t i = 0; i < names->n; i++)
		if (strlen(names->text[i]) == n && strncasecmp(names->text[i], name, n) == 0)
			return 0;
	if (names->n == AUTHORITY_NAMES_MAX)
		return err_set(e, ERR_USAGE, "a certificate takes %d names at most",
			       AUTHORITY_NAMES_MAX);
	/* Small letters: name constraints are compared by letter in some libraries. */
	for (size_t i = 0; i < n; i++)
		names->text[names->n][i] = (char)tolower((unsigned char)name[i]);
	names->text[names->n][n] = '\0';
	names->list[names->n] = names->text[names->n];
	names->list[++names->n] = NULL;
	return 0;
}

int
authority_add(struct authority_names *names, const char *text, struct err *e)
{
	static const char between[] = ", ";
	int rc = 0;

	for (const char *at = text; rc == 0 && at && *(at += strspn(at, between));) {
		size_t n = strcspn(at, between);
		rc = add_one(names, at, n, e);
		at += n;
	}
	return rc;
}

/* Below these everybody gives names as they like: a domain of its own needs no third label. */
static bool
is_private(const char *domain)
{
	static const char *const domains[] = { "corp",	   "home", "home.arpa", "internal",
					       "intranet", "lan",  "local",	"localdomain",
					       "private",  "test" };

	for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++)
		if (strcasecmp(domain, domains[i]) == 0)
			return true;
	return false;
}

static int
add_network_of(struct authority_names *scopes, const char *name, bool v6, struct err *e)
{
	char text[INET6_ADDRSTRLEN + 8];

	snprintf(text, sizeof(text), "%.*s/%d", INET6_ADDRSTRLEN, name, v6 ? 64 : 24);
	return authority_add(scopes, text, e);
}

int
authority_add_scope_of(struct authority_names *scopes, const char *name, struct err *e)
{
	uint8_t ip[16];
	const char *dot = strchr(name, '.');

	if (inet_pton(AF_INET, name, ip) == 1)
		return add_network_of(scopes, name, false, e);
	if (inet_pton(AF_INET6, name, ip) == 1)
		return add_network_of(scopes, name, true, e);
	bool below = dot && (strchr(dot + 1, '.') || is_private(dot + 1));
	return authority_add(scopes, below ? dot + 1 : name, e);
}

int
authority_add_own(struct authority_names *names, struct err *e)
{
	return authority_add(names, "localhost,127.0.0.1,::1", e);
}

/* ---- the authority ---- */

int
authority_load_keys(struct keys *keys, struct db *db, uint32_t *ret_newest, struct err *e)
{
	auto_rows rows = NULL;
	int rc = authority_ask(db, STMT_KEY_LIST, &rows, e);

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

bool
authority_is_there(const struct home *h)
{
	return home_has(h, HOME_PAIR_CA);
}

/* On whatever machine it is looked at, it may be for that one alone. */
static int
with_own(const struct authority_names *scopes, struct authority_names *ret, struct err *e)
{
	*ret = (struct authority_names){ 0 };
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < scopes->n; i++)
		rc = authority_add(ret, scopes->text[i], e);
	return rc == 0 ? authority_add(ret, "localhost,127.0.0.0/8,::1", e) : rc;
}

/* By one that is made for that, and not kept. */
int
authority_check(const struct authority_names *scopes, const struct authority_names *names,
		struct err *e)
{
	auto_buf cert = BUF_INIT, key = BUF_INIT;
	struct authority_names all;

	int rc = with_own(scopes, &all, e);
	if (rc == 0)
		rc = x509_authority("check", 1, all.list, &cert, &key, e);
	if (rc == 0)
		rc = x509_may_sign(buf_str(&cert), names->list, e);
	return rc == ERR_BAD_FIELD || rc == ERR_PRECONDITION ? e->code = ERR_USAGE : rc;
}

int
authority_new(struct keys *keys, struct fiber *f, uint32_t data_key, const char *name,
	      const struct authority_names *scopes, struct buf *ret_cert, struct buf *ret_sealed,
	      struct err *e)
{
	struct authority_names all;
	char cn[64];

	snprintf(cn, sizeof(cn), "Holdfast vault %.48s", name);
	int rc = with_own(scopes, &all, e);
	return rc == 0 ? keys_authority(keys, f, data_key, cn, AUTHORITY_DAYS, all.list, ret_cert,
					ret_sealed, e)
		       : rc;
}

int
authority_make(const struct home *h, struct keys *keys, struct fiber *f, uint32_t data_key,
	       const char *name, const struct authority_names *scopes, struct err *e)
{
	auto_buf cert = BUF_INIT, sealed = BUF_INIT;

	int rc = authority_new(keys, f, data_key, name, scopes, &cert, &sealed, e);
	const struct place_part parts[] = { { HOME_PAIR_CA_KEY, &sealed, 0600 },
					    { HOME_PAIR_CA, &cert, 0600 } };
	return rc == 0 ? place_set(h, parts, ARRAY_LEN(parts), e) : rc;
}

int
authority_read(const struct home *h, enum home_path which, struct buf *ret, struct err *e)
{
	char path[HOME_PATH_MAX];

	home_path(h, which, path);
	return home_read_file(path, PEM_MAX, ret, e);
}

static int
read_cert(const struct home *h, struct buf *ret, struct err *e)
{
	return authority_read(h, HOME_PAIR_CA, ret, e);
}

static int
read_key(const struct home *h, struct buf *ret, struct err *e)
{
	int rc = authority_read(h, HOME_PAIR_CA_KEY, ret, e);

	if (rc == 0 && ret->len <= KEYS_SEAL_EXTRA)
		rc = err_set(e, ERR_IO, "it is %s", ret->len ? "cut short" : "empty");
	return rc;
}

/* Of a key that nobody has, that does not open it, or that is another's. */
static int
say_unusable(const struct home *h, struct keys *keys, int rc, struct err *e)
{
	char path[HOME_PATH_MAX];

	if (rc == ERR_KEYS_UNAVAILABLE && !keys_available(keys))
		return rc;
	if (rc == ERR_CRYPTO || rc == ERR_KEYS_UNAVAILABLE)
		(void)err_set(e, ERR_IO, "it is damaged");
	if (rc == ERR_BAD_FIELD)
		(void)err_set(e, ERR_IO, "the private key does not belong to the certificate");
	home_path(h, HOME_PAIR_CA_KEY, path);
	(void)err_prefix(e,
			 "the key of the vault's authority, %s, cannot be used. Copy that file "
			 "here from another node of the pair, where it is the same, or from a copy "
			 "of the home: ",
			 path);
	return e->code = ERR_PRECONDITION;
}

static int
say_outside(struct err *e)
{
	char why[sizeof(e->text)];

	text_copy(why, sizeof(why), e->text);
	return err_set(
		e, ERR_PRECONDITION,
		"%s. Give a name within that, or let the authority sign for more: `holdfast "
		"cert renew --authority --domain DOMAINS` (docs/certificates.md). Nothing was "
		"changed",
		why);
}

/* By the one of those that are trusted whose key is here: while one follows another, that is the one which every node trusts. */
static int
certify(const struct home *h, struct keys *keys, struct fiber *f, const char *trusted,
	const struct x509_wish *w, struct buf *ret_cert, struct buf *ret_signer, struct err *e)
{
	auto_buf sealed = BUF_INIT;
	const char *at = trusted;
	struct x509_info info;

	int rc = x509_read(trusted, &info, e);
	if (rc == 0)
		rc = read_key(h, &sealed, e);
	if (rc < 0)
		return say_unusable(h, keys, rc, e);
	for (rc = ERR_BAD_FIELD; rc == ERR_BAD_FIELD;) {
		buf_reset(ret_signer);
		if (!x509_next(&at, ret_signer))
			break;
		rc = keys_certify(keys, f, buf_str(ret_signer), &sealed, w, ret_cert, e);
	}
	return rc == 0 || rc == ERR_PRECONDITION ? rc : say_unusable(h, keys, rc, e);
}

/* By signing what nobody keeps. */
static int
try_to_sign(const struct home *h, struct keys *keys, const char *trusted, struct buf *ret_signer,
	    struct err *e)
{
	static const char *const names[] = { "localhost", NULL };
	auto_buf key = BUF_INIT, public_key = BUF_INIT, cert = BUF_INIT;

	int rc = x509_new_key(&key, &public_key, e);
	struct x509_wish w = { .public_key = buf_str(&public_key), .names = names, .days = 1 };
	return rc == 0 ? certify(h, keys, NULL, trusted, &w, &cert, ret_signer, e) : rc;
}

int
authority_prove(const struct home *h, struct keys *keys, struct buf *ret_cert, struct err *e)
{
	auto_buf signer = BUF_INIT;

	int rc = read_cert(h, ret_cert, e);
	return rc == 0 ? try_to_sign(h, keys, buf_str(ret_cert), &signer, e) : rc;
}

int
authority_may_sign(const struct home *h, struct keys *keys, const char *name, struct err *e)
{
	struct authority_names names = { 0 };
	auto_buf trusted = BUF_INIT, signer = BUF_INIT;

	int rc = authority_add(&names, name, e);
	if (rc == 0)
		rc = read_cert(h, &trusted, e);
	if (rc == 0)
		rc = try_to_sign(h, keys, buf_str(&trusted), &signer, e);
	if (rc < 0)
		return rc;
	rc = x509_may_sign(buf_str(&signer), names.list, e);
	return rc == ERR_PRECONDITION ? say_outside(e) : rc;
}

/* What goes into it: an address alone cannot be held against the domains that the authority is for. */
static int
complete(const struct authority_names *names, struct authority_names *ret, struct err *e)
{
	uint8_t ip[16];
	const char *first = names->list[0];
	int rc = 0;

	*ret = (struct authority_names){ 0 };
	for (size_t i = 0; rc == 0 && i < names->n; i++)
		rc = authority_add(ret, names->text[i], e);
	if (rc == 0 && first &&
	    (inet_pton(AF_INET, first, ip) == 1 || inet_pton(AF_INET6, first, ip) == 1))
		rc = authority_add(ret, "localhost", e);
	return rc;
}

int
authority_issue(const struct home *h, struct keys *keys, struct fiber *f, enum authority_use use,
		const struct authority_names *names, struct buf *ret_cert, struct buf *ret_key,
		struct err *e)
{
	auto_buf trusted = BUF_INIT, signer = BUF_INIT, public_key = BUF_INIT;
	struct authority_names all;
	struct x509_wish w = { .names = all.list,
			       .days = AUTHORITY_LEAF_DAYS,
			       .client = use == AUTHORITY_CHANNEL };

	int rc = complete(names, &all, e);
	if (rc == 0)
		rc = read_cert(h, &trusted, e);
	if (rc == 0)
		rc = x509_new_key(ret_key, &public_key, e);
	if (rc < 0)
		return rc;
	w.public_key = buf_str(&public_key);
	rc = certify(h, keys, f, buf_str(&trusted), &w, ret_cert, &signer, e);
	/* keyd refuses without a word. */
	if (rc == ERR_PRECONDITION && x509_may_sign(buf_str(&signer), all.list, e))
		return say_outside(e);
	if (rc == 0 && use == AUTHORITY_WEB)
		buf_add(ret_cert, signer.data, signer.len);
	return rc;
}

bool
authority_signed_web(const struct home *h)
{
	auto_buf authority = BUF_INIT, web = BUF_INIT, root = BUF_INIT;
	char path[HOME_PATH_MAX];
	struct err ignored;

	home_path(h, HOME_WEB_CERT, path);
	return home_read_file(path, PEM_MAX, &web, &ignored) == 0 &&
	       read_cert(h, &authority, &ignored) == 0 && x509_root(buf_str(&web), &root) &&
	       strstr(buf_str(&authority), buf_str(&root));
}

int
authority_place(const struct home *h, enum authority_use use, const struct buf *cert,
		const struct buf *key, struct err *e)
{
	bool web = use == AUTHORITY_WEB;
	const struct place_part parts[] = { { web ? HOME_WEB_KEY : HOME_PAIR_KEY, key, 0600 },
					    { web ? HOME_WEB_CERT : HOME_PAIR_CERT, cert,
					      web ? 0644 : 0600 } };

	return place_set(h, parts, ARRAY_LEN(parts), e);
}

/* ---- renewal ---- */

/* The node's own name first. */
int
authority_names_of(const struct home *h, enum authority_use use, const char *also,
		   struct authority_names *ret, struct err *e)
{
	auto_buf old = BUF_INIT;
	char path[HOME_PATH_MAX];
	struct home_node self;
	struct x509_info info;

	*ret = (struct authority_names){ 0 };
	int rc = home_node_read(h, &self, e);
	if (rc == 0)
		rc = authority_add(ret, self.name, e);
	if (rc < 0 || use == AUTHORITY_CHANNEL)
		return rc;
	home_path(h, HOME_WEB_CERT, path);
	rc = home_read_file(path, PEM_MAX, &old, e);
	if (rc == 0)
		rc = x509_read(buf_str(&old), &info, e);
	if (rc == 0)
		rc = authority_add(ret, info.names, e);
	return rc == 0 ? authority_add(ret, also, e) : rc;
}

static int
renew_own(const struct home *h, struct keys *keys, enum authority_use use, const char *also,
	  struct err *e)
{
	auto_buf cert = BUF_INIT, key = BUF_INIT;
	struct authority_names names;

	int rc = authority_names_of(h, use, also, &names, e);
	if (rc == 0)
		rc = authority_issue(h, keys, NULL, use, &names, &cert, &key, e);
	return rc == 0 ? authority_place(h, use, &cert, &key, e) : rc;
}

int
authority_check_there(const struct home *h, enum authority_use use, struct err *e)
{
	if (home_has(h, use == AUTHORITY_WEB ? HOME_PAIR_CA : HOME_PAIR_CERT))
		return 0;
	if (use == AUTHORITY_WEB)
		return err_set(e, ERR_PRECONDITION,
			       "the vault's authority is not on this node: a secondary has it once "
			       "it has joined, a primary makes it when it starts");
	return err_set(e, ERR_PRECONDITION,
		       "this node is in no pair, so there is no channel whose certificate could be "
		       "renewed");
}

struct db *
authority_open_db(const struct home *h, struct err *e)
{
	auto_buf conninfo = BUF_INIT;

	cluster_conninfo(h, "holdfast", &conninfo);
	struct db_options o = { .conninfo = buf_str(&conninfo), .application = "holdfast renew" };
	return db_open(&o, e);
}

/* PostgreSQL reads certificates again with its settings; a connection that is open goes on. */
int
authority_renew_channel(const struct home *h, struct keys *keys, struct db *db, struct err *e)
{
	int rc = renew_own(h, keys, AUTHORITY_CHANNEL, NULL, e);

	return rc == 0 ? authority_ask(db, STMT_HA_RELOAD, NULL, e) : rc;
}

int
authority_renew(const struct home *h, struct keys *keys, enum authority_use use, const char *also,
		struct err *e)
{
	uint32_t newest;

	int rc = authority_check_there(h, use, e);
	if (rc < 0)
		return rc;
	struct db *db = authority_open_db(h, e);
	if (!db)
		return e->code;
	rc = authority_load_keys(keys, db, &newest, e);
	if (rc == 0)
		rc = use == AUTHORITY_CHANNEL ? authority_renew_channel(h, keys, db, e)
					      : renew_own(h, keys, use, also, e);
	db_free(db);
	return rc;
}

/* ---- of a vault that had none ---- */

static int
add_scopes_of_nodes(struct authority_names *scopes, struct db *db, struct err *e)
{
	auto_rows rows = NULL;
	int rc = authority_ask(db, STMT_HA_NODES, &rows, e);

	for (int i = 0; rc == 0 && i < rows_count(rows); i++)
		rc = authority_add_scope_of(scopes, row_text(rows, i, COL_HA_NODES_NAME), e);
	return rc;
}

/* Those of the certificate that it has shown so far are to be in the next one too. */
int
authority_late_scopes(const struct home *h, struct db *db, const char *node,
		      struct home_node *ret_self, struct authority_names *ret, struct err *e)
{
	struct authority_names shown;

	*ret = (struct authority_names){ 0 };
	int rc = home_node_read(h, ret_self, e);
	if (rc == 0)
		rc = authority_add_scope_of(ret, ret_self->name, e);
	if (rc == 0)
		rc = add_scopes_of_nodes(ret, db, e);
	if (rc == 0 && node)
		rc = authority_add_scope_of(ret, node, e);
	if (rc == 0)
		rc = authority_names_of(h, AUTHORITY_WEB, NULL, &shown, e);
	for (size_t i = 0; rc == 0 && i < shown.n; i++)
		rc = strchr(shown.text[i], '*') ? 0 : authority_add(ret, shown.text[i], e);
	return rc;
}

int
authority_make_late(const struct home *h, struct keys *keys, struct db *db, uint32_t data_key,
		    const char *node, struct err *e)
{
	struct authority_names scopes;
	struct home_node self;

	int rc = authority_late_scopes(h, db, node, &self, &scopes, e);
	return rc == 0 ? authority_make(h, keys, NULL, data_key, self.name, &scopes, e) : rc;
}
