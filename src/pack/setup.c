/* SPDX-License-Identifier: Apache-2.0 */
#include "pack/setup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/json_out.h"
#include "base/log.h"
#include "base/place.h"
#include "base/port.h"
#include "crypto/x509.h"
#include "ha/replication.h"
#include "ledger/event.h"
#include "pack/authority.h"
#include "pack/basebackup.h"
#include "pack/pack.h"
#include "pg/cluster.h"
#include "store/db.h"

#define RESTART_WAIT_MS 30000
#define JOIN_WAIT_MS 15000
#define BEAT_WAIT_MS 15000
#define SLOT_WAIT_MS 2000
#define PEM_MAX 65536
#define MIB 1048576.0
#define SQLSTATE_DUPLICATE_OBJECT "42710" /* PostgreSQL, appendix A */

/* What was there before, so that a set-up that fails leaves it so. */
struct before {
	bool listens; /* PostgreSQL is open to the pair */
	bool known;   /* the secondary has a row; its ports: */
	int https_port, pair_port;
	bool have_ca, have_cert;
};

struct setup {
	const struct home *h;
	const struct settings *s;
	struct keys *keys;
	const struct setup_request *rq;
	setup_progress_fn *progress;
	void *ctx;
	struct home_node self;
	struct db *db;
	struct buf ca, web; /* PEM */
	uint32_t data_key;
	struct before before;
	bool row_asked;	   /* the row is not what it was, or may not be */
	int64_t flush_lsn; /* when the base backup began: what is older is of no use to its slot */
	/* The secondary. */
	struct uuid id;
	struct buf knew; /* what took it out before (query/ending.sql) */
	char slot[REPLICATION_SLOT_MAX];
	int https_port, pair_port;
	struct buf cert, key, web_cert, web_key;
	struct authority_shown shown; /* of this node; what is trusted is in the pack too */
	char signer[X509_PIN_LEN];    /* of what is in the pack */
	int64_t database_bytes, base_bytes;
	char pair[128], pack[HOME_PATH_MAX + 300];
};

/* A name that may stand in certificates, file names and connection strings: letters, digits, dot,
 * hyphen, colon. */
static int
check_name(const char *name, struct err *e)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:_";
	size_t n = strlen(name);

	if (n == 0 || n > 253 || strspn(name, allowed) != n || name[0] == '-' || name[0] == '.')
		return err_set(e, ERR_USAGE,
			       "\"%s\" is no host name: give the fully qualified name (or the "
			       "address) by which the other node and the users reach it",
			       name);
	return 0;
}

static int
open_db(struct setup *x, struct err *e)
{
	auto_buf conninfo = BUF_INIT;

	db_free(x->db);
	cluster_conninfo(x->h, "holdfast", &conninfo);
	struct db_options o = { .conninfo = buf_str(&conninfo), .application = "holdfast setup" };
	x->db = db_open(&o, e);
	return x->db ? 0 : e->code;
}

static int
ask(struct setup *x, enum stmt s, const struct binds *b, struct rows **ret, struct err *e)
{
	static const struct binds none;
	return db_exec(x->db, NULL, s, b ? b : &none, ret, e);
}

static int
check_names(struct setup *x, struct err *e)
{
	int rc = check_name(x->rq->primary, e);
	if (rc == 0)
		rc = check_name(x->rq->secondary, e);
	if (rc == 0)
		rc = home_node_read(x->h, &x->self, e);
	if (rc < 0)
		return rc;
	if (strcasecmp(x->rq->primary, x->self.name) != 0)
		return err_set(e, ERR_PRECONDITION,
			       "this node is called %s, not %s: run the command on the primary, "
			       "with its own name first",
			       x->self.name, x->rq->primary);
	if (strcasecmp(x->rq->primary, x->rq->secondary) == 0)
		return err_set(e, ERR_USAGE, "a node cannot be its own secondary: give two names");
	return 0;
}

/* ---- certificates ---- */

static int
read_pem(const struct home *h, enum home_path p, struct buf *ret, struct err *e)
{
	char path[HOME_PATH_MAX];
	home_path(h, p, path);
	return home_read_file(path, PEM_MAX, ret, e);
}

/* The authority, if there is one already: whether its key can be used. */
static int
check_ca(struct setup *x, struct err *e)
{
	x->before.have_ca = authority_is_there(x->h);
	x->before.have_cert = home_has(x->h, HOME_PAIR_CERT);
	int rc = authority_load_keys(x->keys, x->db, &x->data_key, e);
	if (rc == 0)
		rc = read_pem(x->h, HOME_WEB_CERT, &x->web, e);
	if (rc < 0 || !x->before.have_ca)
		return rc;
	return authority_prove(x->h, x->keys, &x->ca, e);
}

static int
check_scope(struct setup *x, struct err *e)
{
	return x->before.have_ca ? authority_may_sign(x->h, x->keys, x->rq->secondary, e) : 0;
}

/* Of a vault that has had none so far. */
static int
make_authority(struct setup *x, struct err *e)
{
	int rc = authority_make_late(x->h, x->keys, x->db, x->data_key, x->rq->secondary, e);

	return rc == 0 ? read_pem(x->h, HOME_PAIR_CA, &x->ca, e) : rc;
}

static int
issue(struct setup *x, enum authority_use use, const char *name, struct buf *ret_cert,
      struct buf *ret_key, struct err *e)
{
	struct authority_names names = { 0 };

	int rc = authority_add(&names, name, e);
	if (rc == 0 && use == AUTHORITY_WEB)
		rc = authority_add_own(&names, e);
	return rc == 0 ? authority_issue(x->h, x->keys, NULL, use, &names, ret_cert, ret_key, e)
		       : rc;
}

static int
make_certificates(struct setup *x, struct err *e)
{
	auto_buf cert = BUF_INIT, key = BUF_INIT;

	x->progress(x->ctx, "certificates of the pair", -1);
	int rc = x->before.have_ca ? 0 : make_authority(x, e);
	if (rc == 0)
		rc = issue(x, AUTHORITY_CHANNEL, x->rq->secondary, &x->cert, &x->key, e);
	if (rc == 0)
		rc = issue(x, AUTHORITY_WEB, x->rq->secondary, &x->web_cert, &x->web_key, e);
	if (rc < 0 || x->before.have_cert)
		return rc;
	rc = issue(x, AUTHORITY_CHANNEL, x->self.name, &cert, &key, e);
	return rc == 0 ? authority_place(x->h, AUTHORITY_CHANNEL, &cert, &key, e) : rc;
}

static int
take_certificates(struct setup *x, struct err *e)
{
	int rc = make_certificates(x, e);

	if (rc < 0)
		return rc;
	authority_look(x->h, &x->shown);
	authority_signer(buf_str(&x->ca), buf_str(&x->cert), x->signer);
	return 0;
}

static void
unmake_certificates(struct setup *x)
{
	static const enum home_path own[] = { HOME_PAIR_CERT, HOME_PAIR_KEY },
				    authority[] = { HOME_PAIR_CA, HOME_PAIR_CA_KEY };
	char path[HOME_PATH_MAX];
	struct err ignored;

	/* What could not be put into its place is not to come there later. */
	home_path(x->h, HOME_TLS_NEW, path);
	if (home_remove_tree(path, &ignored) < 0)
		log_err(LOG_LEVEL_WARNING, &ignored,
			"cannot remove the certificates of a set-up that failed");
	for (size_t i = 0; !x->before.have_cert && i < ARRAY_LEN(own); i++) {
		home_path(x->h, own[i], path);
		unlink(path);
	}
	for (size_t i = 0; !x->before.have_ca && i < ARRAY_LEN(authority); i++) {
		home_path(x->h, authority[i], path);
		unlink(path);
	}
}

/* ---- the channel ---- */

/* Opening a port needs a restart of PostgreSQL. The vault holds its requests meanwhile: users wait a moment. */
static int
restart_postgres(struct setup *x, struct err *e)
{
	pid_t old = cluster_pid(x->h);
	int64_t until = clock_mono_ms() + RESTART_WAIT_MS;

	x->progress(x->ctx,
		    "opening the channel (PostgreSQL restarts once; users wait for a moment)", -1);
	if (old <= 0 || kill(old, SIGINT) < 0)
		return err_set(e, ERR_PRECONDITION,
			       "PostgreSQL does not run: start the node with `holdfast serve`, "
			       "then repeat");
	while (clock_mono_ms() < until) {
		struct err why = { 0 };
		clock_sleep_ms(50);
		if (cluster_pid(x->h) != old && open_db(x, &why) == 0)
			return 0;
	}
	return err_set(e, ERR_TIMEOUT,
		       "PostgreSQL did not come back within %d s after its port for the pair was "
		       "opened; the node's log says why (is port %d taken?)",
		       RESTART_WAIT_MS / 1000, cluster_port(x->s));
}

/* Who finds the port taken after PostgreSQL was stopped has no database. */
static int
check_channel(struct setup *x, struct err *e)
{
	auto_rows rows = NULL;
	int rc = ask(x, STMT_SETUP_LISTENS, NULL, &rows, e);

	if (rc < 0)
		return rc;
	if (row_bool(rows, 0, COL_SETUP_LISTENS_STANDBY))
		return err_set(e, ERR_PRECONDITION,
			       "this node is a secondary; run the command on the primary");
	x->before.listens = *row_text(rows, 0, COL_SETUP_LISTENS_ADDRESSES) != '\0';
	return x->before.listens ? 0 : port_check(x->s->pair_listen, "pair_listen", e);
}

static int
open_channel(struct setup *x, struct err *e)
{
	int rc = cluster_configure(x->h, x->s, true, e);

	if (rc == 0)
		rc = x->before.listens ? ask(x, STMT_HA_RELOAD, NULL, NULL, e)
				       : restart_postgres(x, e);
	return rc;
}

static void
close_channel(struct setup *x)
{
	auto_rows rows = NULL;
	struct err why = { 0 };

	if (x->before.listens)
		return;
	/* In this order: a configuration for a pair without its certificates is one that has lost them. By the certificates whoever
	 * starts PostgreSQL again knows that there is a pair. */
	int rc = cluster_configure(x->h, x->s, false, &why);
	unmake_certificates(x);
	if (rc == 0 && ask(x, STMT_SETUP_LISTENS, NULL, &rows, &why) == 0 &&
	    *row_text(rows, 0, COL_SETUP_LISTENS_ADDRESSES) == '\0')
		return; /* it was not restarted */
	if (rc == 0)
		rc = restart_postgres(x, &why);
	if (rc)
		log_err(LOG_LEVEL_WARNING, &why, "the pair's port could not be closed again");
}

/* ---- the secondary's row and slot ---- */

/* The row of the secondary's name, if there is one: its id, and whether the rest is as wanted. */
static int
find_row(struct setup *x, bool *ret_there, struct err *e)
{
	auto_rows rows = NULL;
	int rc = ask(x, STMT_HA_NODES, NULL, &rows, e);

	*ret_there = false;
	for (int i = 0; rc == 0 && i < rows_count(rows); i++) {
		if (strcasecmp(row_text(rows, i, COL_HA_NODES_NAME), x->rq->secondary) != 0)
			continue;
		if (row_bigint(rows, i, COL_HA_NODES_PRIMARY_SINCE_TERM) != 0)
			return err_set(e, ERR_PRECONDITION, "%s is the primary", x->rq->secondary);
		row_uuid(rows, i, COL_HA_NODES_ID, &x->id);
		if (!x->row_asked) {
			x->before.known = true;
			x->before.https_port = row_int(rows, i, COL_HA_NODES_HTTPS_PORT);
			x->before.pair_port = row_int(rows, i, COL_HA_NODES_PAIR_PORT);
		}
		*ret_there = row_int(rows, i, COL_HA_NODES_HTTPS_PORT) == x->https_port &&
			     row_int(rows, i, COL_HA_NODES_PAIR_PORT) == x->pair_port &&
			     *row_text(rows, i, COL_HA_NODES_SLOT) &&
			     strcmp(row_text(rows, i, COL_HA_NODES_TRUSTS), x->shown.trusted) == 0;
		break;
	}
	return rc;
}

/* A name that nobody can find makes a pair that is Failed from its first moment. */
static int
check_resolves(const char *name, struct err *e)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
	int got = getaddrinfo(name, NULL, &hints, &list);

	if (got == 0) {
		freeaddrinfo(list);
		return 0;
	}
	return err_set(e, ERR_PRECONDITION,
		       "cannot resolve the name %s from here: %s. Users and the other node reach "
		       "it by this name: add it to DNS or /etc/hosts, or give the name or address "
		       "that they use; nothing was changed",
		       name, got == EAI_SYSTEM ? strerror(errno) : gai_strerror(got));
}

static int
check_both_resolve(struct setup *x, struct err *e)
{
	int rc = check_resolves(x->self.name, e);

	return rc == 0 ? check_resolves(x->rq->secondary, e) : rc;
}

/* packed: what it shows and trusts comes by the pack. */
static void
joined_body(const struct setup *x, int https_port, int pair_port, bool packed, struct buf *out)
{
	struct json_out w;

	json_out_init(&w, out);
	json_out_object(&w, NULL);
	json_out_uuid(&w, "id", &x->id);
	json_out_text(&w, "name", x->rq->secondary);
	json_out_int(&w, "https_port", https_port);
	json_out_int(&w, "pair_port", pair_port);
	json_out_text(&w, "slot", x->slot);
	json_out_null(&w, "web_cert");
	if (packed) {
		json_out_text(&w, "trusts", x->shown.trusted);
		json_out_text(&w, "channel_by", x->signer);
		json_out_text(&w, "web_by", x->signer);
	}
	json_out_null(&w, "primary_since_term");
	json_out_text(&w, "knew", buf_str(&x->knew));
	json_out_end_object(&w);
}

static int
read_knew(struct setup *x, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;

	bind_uuid(&b, &x->id);
	int rc = ask(x, STMT_ENDING_KNOWN, &b, &rows, e);
	buf_reset(&x->knew);
	if (rc == 0 && !row_null(rows, 0, COL_ENDING_KNOWN_KNEW))
		buf_adds(&x->knew, row_text(rows, 0, COL_ENDING_KNOWN_KNEW));
	return rc;
}

static int
request(struct setup *x, int kind, const struct buf *body, struct err *e)
{
	auto_binds b = BINDS_INIT;

	bind_int(&b, kind);
	bind_uuid(&b, &x->id);
	bind_text(&b, buf_str(body));
	return ask(x, STMT_HA_REQUEST_ADD, &b, NULL, e);
}

/* What nobody waits for any more is not to happen later. */
static void
withdraw_request(struct setup *x)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;
	struct err why = { 0 };

	bind_int(&b, EVENT_NODE_JOINED);
	bind_uuid(&b, &x->id);
	if (ask(x, STMT_HA_REQUEST_WITHDRAW, &b, &rows, &why) < 0)
		log_err(LOG_LEVEL_WARNING, &why, "a request to the vault could not be withdrawn");
	else if (rows_count(rows) > 0)
		x->row_asked = false;
}

/* The writer of the vault turns the request into an event; wait until its row is there. */
static int
add_row(struct setup *x, struct err *e)
{
	auto_buf body = BUF_INIT;
	int64_t until = clock_mono_ms() + JOIN_WAIT_MS;
	bool there = false;

	int rc = find_row(x, &there, e);
	if (rc < 0 || there)
		return rc;
	rc = read_knew(x, e);
	if (rc < 0)
		return rc;
	joined_body(x, x->https_port, x->pair_port, true, &body);
	x->row_asked = true;
	rc = request(x, EVENT_NODE_JOINED, &body, e);
	while (rc == 0 && !there) {
		if (clock_mono_ms() > until)
			return err_set(e, ERR_TIMEOUT,
				       "the vault did not record the new node in the log within "
				       "%d s: is it serving? (`holdfast ha status`)",
				       JOIN_WAIT_MS / 1000);
		clock_sleep_ms(50);
		rc = find_row(x, &there, e);
	}
	return rc;
}

static void
removed_body(const struct setup *x, struct buf *out)
{
	struct json_out w;

	json_out_init(&w, out);
	json_out_object(&w, NULL);
	json_out_text(&w, "name", x->rq->secondary);
	json_out_end_object(&w);
}

/* The row as it was, or none; by an event like every change. */
static void
undo_row(struct setup *x)
{
	auto_buf body = BUF_INIT;
	struct err why = { 0 };

	if (x->row_asked)
		withdraw_request(x);
	if (!x->row_asked)
		return;
	if (x->before.known)
		joined_body(x, x->before.https_port, x->before.pair_port, false, &body);
	else
		removed_body(x, &body);
	if (request(x, x->before.known ? EVENT_NODE_JOINED : EVENT_NODE_REMOVED, &body, &why) < 0)
		log_err(LOG_LEVEL_WARNING, &why, "the node table could not be put back");
}

/* The agent makes the slots that it misses: it may have been quicker, and its slot is as fresh as ours. */
static int
create_slot(struct setup *x, const struct binds *b, struct err *e)
{
	int rc = ask(x, STMT_HA_SLOT_CREATE, b, NULL, e);

	return rc == ERR_DB && strcmp(e->sqlstate, SQLSTATE_DUPLICATE_OBJECT) == 0 ? 0 : rc;
}

struct slot {
	bool there, active, lost;
};

static int
look_at_slot(struct setup *x, struct slot *ret, struct err *e)
{
	auto_rows rows = NULL;
	int rc = ask(x, STMT_HA_SLOTS, NULL, &rows, e);

	*ret = (struct slot){ 0 };
	for (int i = 0; rc == 0 && i < rows_count(rows); i++) {
		if (strcmp(row_text(rows, i, COL_HA_SLOTS_NAME), x->slot) != 0)
			continue;
		ret->there = true;
		ret->active = row_bool(rows, i, COL_HA_SLOTS_ACTIVE);
		ret->lost = strcmp(row_text(rows, i, COL_HA_SLOTS_STATUS), "lost") == 0;
	}
	return rc;
}

/* Who makes a slot uses it for a moment; a secondary that runs goes on using it. */
static int
wait_for_slot(struct setup *x, struct slot *ret, struct err *e)
{
	int64_t until = clock_mono_ms() + SLOT_WAIT_MS;
	int rc;

	while ((rc = look_at_slot(x, ret, e)) == 0 && ret->active) {
		if (clock_mono_ms() > until)
			return err_set(e, ERR_REFUSED,
				       "%s is running as this node's secondary now; stop it before "
				       "you make it a new pack. Nothing was changed",
				       x->rq->secondary);
		clock_sleep_ms(50);
	}
	return rc;
}

static int
check_secondary(struct setup *x, struct err *e)
{
	struct slot slot;
	bool there;
	int rc = find_row(x, &there, e);

	if (rc == 0 && uuid_is_nil(&x->id))
		uuid_new(&x->id);
	replication_slot_name(&x->id, x->slot);
	return rc == 0 ? wait_for_slot(x, &slot, e) : rc;
}

/* What a slot keeps for the secondary that it has serves the new base too, until the pack is whole; one that lost its WAL keeps
 * nothing for anybody. */
static int
make_slot(struct setup *x, struct err *e)
{
	auto_binds b = BINDS_INIT;
	struct slot slot;
	int rc = wait_for_slot(x, &slot, e);

	bind_text(&b, x->slot);
	if (rc == 0 && slot.there && slot.lost)
		rc = ask(x, STMT_HA_SLOT_DROP, &b, NULL, e);
	return rc == 0 && (slot.lost || !slot.there) ? create_slot(x, &b, e) : rc;
}

/* What is older than the new base is of no more use to anybody. */
static void
advance_slot(struct setup *x)
{
	auto_binds b = BINDS_INIT;
	struct err why = { 0 };

	bind_text(&b, x->slot);
	bind_bigint(&b, x->flush_lsn);
	if (ask(x, STMT_HA_SLOT_ADVANCE, &b, NULL, &why) < 0)
		log_err(LOG_LEVEL_NOTICE, &why, "the slot keeps more than the new pack needs");
}

/* ---- the pack ---- */

/* Sealed as it lies: whoever becomes the primary makes the packs of further nodes. */
static int
encode_ca_key(struct setup *x, struct buf *ret, struct err *e)
{
	auto_buf sealed = BUF_INIT;
	int rc = read_pem(x->h, HOME_PAIR_CA_KEY, &sealed, e);

	if (rc < 0)
		return rc;
	size_t room = sodium_base64_encoded_len(sealed.len, sodium_base64_VARIANT_ORIGINAL);
	buf_reserve(ret, room);
	sodium_bin2base64(ret->data, room, (const uint8_t *)sealed.data, sealed.len,
			  sodium_base64_VARIANT_ORIGINAL);
	ret->len = room - 1;
	return 0;
}

static int
write_node(struct setup *x, struct pack_writer *w, const uint8_t stream[static 16], struct err *e)
{
	auto_buf text = BUF_INIT, ca_key = BUF_INIT;
	struct json_out j;

	int rc = encode_ca_key(x, &ca_key, e);
	if (rc < 0)
		return rc;
	json_out_init(&j, &text);
	json_out_object(&j, NULL);
	json_out_text(&j, "ca", buf_str(&x->ca));
	json_out_text(&j, "cert", buf_str(&x->cert));
	json_out_text(&j, "key", buf_str(&x->key));
	json_out_text(&j, "primary_web_cert", buf_str(&x->web));
	json_out_text(&j, "ca_key", buf_str(&ca_key));
	json_out_text(&j, "web_cert", buf_str(&x->web_cert));
	json_out_text(&j, "web_key", buf_str(&x->web_key));
	json_out_end_object(&j);
	rc = pack_writer_begin(w, PACK_NODE_NAME, stream, e);
	if (rc == 0)
		rc = pack_writer_add(w, text.data, text.len, e);
	return rc == 0 ? pack_writer_end(w, e) : rc;
}

static int
write_base(struct setup *x, struct pack_writer *w, const uint8_t stream[static 16], struct err *e)
{
	struct basebackup b = {
		.h = x->h,
		.s = x->s,
		.database_bytes = x->database_bytes,
		.progress = x->progress,
		.ctx = x->ctx,
		.watch_fd = x->rq->client_fd,
	};

	int rc = pack_writer_begin(w, PACK_BASE_NAME, stream, e);
	if (rc == 0)
		rc = basebackup_write(&b, w, &x->base_bytes, e);
	return rc == 0 ? pack_writer_end(w, e) : rc;
}

/* The pair is known by the database it is about and the first authority that vouched for it. */
static int
identify_pair(struct setup *x, struct err *e)
{
	struct x509_info info;
	auto_rows database = NULL;
	auto_rows local = NULL;
	auto_rows first = NULL;
	int rc = ask(x, STMT_HA_DATABASE, NULL, &database, e);

	if (rc == 0)
		rc = ask(x, STMT_HA_LOCAL, NULL, &local, e);
	if (rc == 0)
		rc = ask(x, STMT_AUTHORITY_FIRST, NULL, &first, e);
	/* Where the log does not know it yet there is but one. */
	if (rc == 0)
		rc = x509_read(buf_str(&x->ca), &info, e);
	if (rc < 0)
		return rc;
	snprintf(x->pair, sizeof(x->pair), "%.32s-%.64s",
		 row_text(database, 0, COL_HA_DATABASE_SYSTEM),
		 rows_count(first) ? row_text(first, 0, COL_AUTHORITY_FIRST_SHA256) : info.pin);
	x->database_bytes = row_bigint(database, 0, COL_HA_DATABASE_BYTES);
	x->flush_lsn = row_bigint(local, 0, COL_HA_LOCAL_FLUSH_LSN);
	return 0;
}

static int
check_room(struct setup *x, struct err *e)
{
	char folder[HOME_PATH_MAX];
	auto_rows rows = NULL;
	int rc = ask(x, STMT_HA_DATABASE, NULL, &rows, e);

	home_path(x->h, HOME_REPLICATION, folder);
	if (access(folder, F_OK) < 0 && errno == ENOENT)
		snprintf(folder, sizeof(folder), "%s", x->h->dir);
	return rc == 0 ? basebackup_check_room(folder, row_bigint(rows, 0, COL_HA_DATABASE_BYTES),
					       e)
		       : rc;
}

static int
write_manifest(struct setup *x, struct pack_writer *w, const uint8_t node[static 16],
	       const uint8_t base[static 16], struct err *e)
{
	char ids[2][UUID_STR_LEN], streams[2][33], made[CLOCK_ISO_LEN],
		mac_text[2 * KEYS_HASH_BYTES + 1] = "";
	uint8_t mac[KEYS_HASH_BYTES];
	auto_buf canonical = BUF_INIT, text = BUF_INIT;
	int major = 0;

	int rc = cluster_major(x->h, &major, e);
	if (rc < 0)
		return rc;
	uuid_str(&x->self.id, ids[0]);
	uuid_str(&x->id, ids[1]);
	sodium_bin2hex(streams[0], sizeof(streams[0]), node, 16);
	sodium_bin2hex(streams[1], sizeof(streams[1]), base, 16);
	clock_iso(clock_now_us(), made);
	struct pack_manifest m = {
		.format = PACK_FORMAT,
		.version = HF_VERSION,
		.pg_major = major,
		.pair = x->pair,
		.primary_id = ids[0],
		.primary_name = x->self.name,
		.primary_https_port = port_of(x->s->listen),
		.primary_pair_port = cluster_port(x->s),
		.secondary_id = ids[1],
		.secondary_name = x->rq->secondary,
		.secondary_https_port = x->https_port,
		.secondary_pair_port = x->pair_port,
		.slot = x->slot,
		.made_at = made,
		.node_stream = streams[0],
		.base_stream = streams[1],
		.base_bytes = x->base_bytes,
		.mac = mac_text,
	};
	pack_manifest_canonical(&m, &canonical);
	rc = keys_mac(x->keys, NULL, KEYS_MANIFEST, canonical.data, canonical.len, mac, e);
	if (rc < 0)
		return rc;
	sodium_bin2hex(mac_text, sizeof(mac_text), mac, sizeof(mac));
	pack_manifest_write(&m, &text);
	return pack_writer_plain(w, PACK_MANIFEST_NAME, text.data, text.len, e);
}

void
setup_pack_path(const struct home *h, const char *secondary, char *ret, size_t room)
{
	char folder[HOME_PATH_MAX];

	home_path(h, HOME_REPLICATION, folder);
	snprintf(ret, room, "%s/HAPack-%s.zip", folder, secondary);
}

/* An earlier pack for it may be there; anything else is in the way. */
static int
check_place(struct setup *x, struct err *e)
{
	setup_pack_path(x->h, x->rq->secondary, x->pack, sizeof(x->pack));
	return place_check(x->pack, true, e);
}

/* How large it is, and what makes it so. */
static void
add_size(const struct setup *x, struct buf *out)
{
	int64_t data = x->database_bytes < x->base_bytes ? x->database_bytes : x->base_bytes;
	struct stat st;

	if (stat(x->pack, &st) == 0)
		buf_addf(out,
			 "\n%.1f MiB: a copy of the database (%.1f MiB) and of the log that it "
			 "needs (%.1f MiB), compressed",
			 (double)st.st_size / MIB, (double)data / MIB,
			 (double)(x->base_bytes - data) / MIB);
}

static int
write_pack(struct setup *x, struct err *e)
{
	char folder[HOME_PATH_MAX];
	uint8_t node[16], base[16];
	struct pack_writer *w;

	home_path(x->h, HOME_REPLICATION, folder);
	randombytes_buf(node, sizeof(node));
	randombytes_buf(base, sizeof(base));
	int rc = home_mkdirs(folder, 0700, e);
	if (rc == 0)
		rc = identify_pair(x, e);
	if (rc == 0)
		rc = pack_writer_open(x->pack, x->keys, &w, e);
	if (rc < 0)
		return rc;
	rc = write_node(x, w, node, e);
	if (rc == 0)
		rc = write_base(x, w, base, e);
	if (rc == 0)
		rc = write_manifest(x, w, node, base, e);
	if (rc < 0) {
		pack_writer_abort(w);
		return rc;
	}
	rc = pack_writer_close(w, true, e);
	if (rc == 0)
		advance_slot(x);
	return rc;
}

/* A pack says as of when it is, as all data do: what is copied has a beat of now (H16). */
static int
await_beat(struct setup *x, struct err *e)
{
	int64_t began_us = clock_now_us(), until = clock_mono_ms() + BEAT_WAIT_MS;

	while (clock_mono_ms() < until) {
		auto_rows rows = NULL;
		int rc = ask(x, STMT_HA_BEAT, NULL, &rows, e);

		if (rc || (rows_count(rows) && row_time(rows, 0, COL_HA_BEAT_AT) >= began_us))
			return rc;
		clock_sleep_ms(50);
	}
	return err_set(e, ERR_TIMEOUT,
		       "the vault did not record the time of its data within %d s: is it serving? "
		       "(`holdfast ha status`)",
		       BEAT_WAIT_MS / 1000);
}

/* ---- checks, then effects ---- */

typedef int check_fn(struct setup *x, struct err *e);

/* All that can refuse, in this order; none of them changes anything. */
static check_fn *const checks[] = { check_names, open_db,	  check_channel,
				    check_ca,	 check_secondary, check_both_resolve,
				    check_scope, check_place,	  check_room };

/* What is done then, and how it is taken back, the last first, when a later step fails. */
static const struct step {
	check_fn *take;
	void (*take_back)(struct setup *x);
} steps[] = {
	{ take_certificates, unmake_certificates },
	{ open_channel, close_channel },
	{ add_row, undo_row },
	{ make_slot, NULL }, /* the agent drops the slot of a node that has no row */
	{ await_beat, NULL },
	{ write_pack, NULL },
};

static int
run_steps(struct setup *x, struct err *e)
{
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < ARRAY_LEN(checks); i++)
		rc = checks[i](x, e);
	if (rc < 0)
		return rc;
	for (i = 0; rc == 0 && i < ARRAY_LEN(steps); i++)
		rc = steps[i].take(x, e);
	if (rc == 0)
		return 0;
	while (i-- > 0)
		if (steps[i].take_back)
			steps[i].take_back(x);
	return rc;
}

void
setup_clear(const struct home *h)
{
	static const char begin[] = "HAPack-", end[] = ".zip.part";
	char folder[HOME_PATH_MAX];

	home_path(h, HOME_REPLICATION, folder);
	DIR *d = opendir(folder);
	for (struct dirent *row; d && (row = readdir(d));) {
		size_t n = strlen(row->d_name);
		if (n > sizeof(end) && strncmp(row->d_name, begin, sizeof(begin) - 1) == 0 &&
		    strcmp(row->d_name + n - (sizeof(end) - 1), end) == 0)
			unlinkat(dirfd(d), row->d_name, 0);
	}
	if (d)
		closedir(d);
}

int
setup_run(const struct home *h, const struct settings *s, struct keys *keys,
	  const struct setup_request *rq, setup_progress_fn *progress, void *ctx,
	  struct buf *ret_path, struct err *e)
{
	struct setup x = {
		.h = h, .s = s, .keys = keys, .rq = rq, .progress = progress, .ctx = ctx
	};

	x.https_port = rq->https_port ? rq->https_port : port_of(s->listen);
	x.pair_port = rq->pair_port ? rq->pair_port : cluster_port(s);
	int rc = run_steps(&x, e);
	if (rc == 0) {
		buf_adds(ret_path, x.pack);
		add_size(&x, ret_path);
	}
	db_free(x.db);
	buf_done(&x.web);
	buf_done(&x.ca);
	buf_done(&x.cert);
	buf_done(&x.key);
	buf_done(&x.web_cert);
	buf_done(&x.web_key);
	buf_done(&x.knew);
	return rc;
}
