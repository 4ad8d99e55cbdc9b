/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/bootstrap.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include "base/clock.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "base/port.h"
#include "base/secret.h"
#include "crypto/x509.h"
#include "ledger/event_body.h"
#include "ledger/ledger.h"
#include "pg/cluster.h"
#include "vault/user.h"
#include "vault/vault.h"

#define CERT_MAX (64u << 10)
#define FIRST_DATA_KEY 1
#define EVENTS 5

struct bootstrap {
	const struct home *home;
	const struct settings *settings;
	const struct home_node *node;
	uv_loop_t loop;
	struct fiber_pool *fibers;
	struct keys *keys;
	struct db *writer;
	struct ledger *ledger;
	const struct bootstrap_names *names;
	char *token;
	struct bootstrap_restore *restore; /* NULL: a new vault */
	int64_t term;
	struct uuid admin;
	struct buf body[EVENTS];
	int rc;
	struct err *e;
};

/* The certificate that clients of this node will see; it may not be there yet. */
static void
add_web_cert(const struct bootstrap *b, struct json_out *w)
{
	char path[HOME_PATH_MAX];
	auto_buf pem = BUF_INIT, leaf = BUF_INIT;
	struct err e = { 0 };

	home_path(b->home, HOME_WEB_CERT, path);
	if (home_has(b->home, HOME_WEB_CERT) && !home_read_file(path, CERT_MAX, &pem, &e) &&
	    !x509_leaf(buf_str(&pem), &leaf, &e))
		json_out_text(w, "web_cert", buf_str(&leaf));
}

/* knew: what took nodes out before (query/ending.sql). */
static void
write_node(struct bootstrap *b, const char *knew, struct buf *created, struct buf *joined)
{
	struct authority_shown shown;
	struct json_out w;

	json_out_init(&w, created);
	json_out_object(&w, NULL);
	json_out_text(&w, "name", b->node->name);
	json_out_end_object(&w);
	json_out_init(&w, joined);
	json_out_object(&w, NULL);
	json_out_uuid(&w, "id", b->node->id.b);
	json_out_text(&w, "name", b->node->name);
	json_out_int(&w, "https_port", port_of(b->settings->listen));
	json_out_int(&w, "pair_port", cluster_port(b->settings));
	add_web_cert(b, &w);
	authority_look(b->home, &shown);
	if (shown.trusted[0]) {
		json_out_text(&w, "trusts", shown.trusted);
		json_out_text(&w, "channel_by", shown.channel_by);
		json_out_text(&w, "web_by", shown.web_by);
	}
	json_out_int(&w, "primary_since_term", b->term);
	json_out_text(&w, "knew", knew);
	json_out_end_object(&w);
}

static int
write_key(struct bootstrap *b, struct fiber *f, struct buf *body, struct err *e)
{
	auto_buf wrapped = BUF_INIT;
	struct json_out w;
	int rc = keys_create(b->keys, f, FIRST_DATA_KEY, &wrapped, e);

	if (rc)
		return rc;
	json_out_init(&w, body);
	json_out_object(&w, NULL);
	json_out_int(&w, "id", FIRST_DATA_KEY);
	event_body_hex(&w, "wrapped", wrapped.data, wrapped.len);
	json_out_end_object(&w);
	return 0;
}

static int
write_admin(struct bootstrap *b, struct fiber *f, struct buf *body, struct err *e)
{
	uint8_t token[TOKEN_BYTES], mac[KEYS_HASH_BYTES];
	int64_t until = clock_now_us() + BOOTSTRAP_SETUP_HOURS * INT64_C(3600000000);
	int rc;

	uuid_new(&b->admin);
	token_new(token);
	rc = user_setup_mac(b->keys, f, &b->admin, token, mac, e);
	if (!rc) {
		token_str(token, b->token);
		user_created_body(body, BOOTSTRAP_ADMIN, "administrator", mac, until);
	}
	secret_wipe(token, sizeof(token));
	return rc;
}

/* As soon as there is a data key to seal its own under. */
static int
make_authority(struct bootstrap *b, struct fiber *f, struct err *e)
{
	auto_buf cert = BUF_INIT, key = BUF_INIT;

	int rc = authority_make(b->home, b->keys, f, FIRST_DATA_KEY, b->node->name,
				&b->names->scopes, e);
	if (!rc)
		rc = authority_issue(b->home, b->keys, f, AUTHORITY_WEB, &b->names->web, &cert,
				     &key, e);
	return rc ? rc : authority_place(b->home, AUTHORITY_WEB, &cert, &key, e);
}

/* From its files, as every node has them of it. */
static int
write_authority(struct bootstrap *b, struct buf *body, struct err *e)
{
	char path[HOME_PATH_MAX];
	auto_buf cert = BUF_INIT, key = BUF_INIT;

	home_path(b->home, HOME_PAIR_CA, path);
	int rc = home_read_file(path, CERT_MAX, &cert, e);
	home_path(b->home, HOME_PAIR_CA_KEY, path);
	if (!rc)
		rc = home_read_file(path, CERT_MAX, &key, e);
	return rc ? rc : authority_body(buf_str(&cert), &key, 1, body, e);
}

/* All of it is one unit: a vault has a node, a key and an administrator, or nothing. */
static int
write_all(struct bootstrap *b, struct fiber *f, struct err *e)
{
	static const enum event_kind kinds[EVENTS] = { EVENT_NODE_CREATED, EVENT_NODE_JOINED,
						       EVENT_KEY_CREATED, EVENT_USER_CREATED,
						       EVENT_AUTHORITY_MADE };
	struct event ev[EVENTS] = { 0 };
	int rc = write_key(b, f, &b->body[2], e);

	if (!rc)
		rc = make_authority(b, f, e);
	if (!rc)
		rc = write_authority(b, &b->body[4], e);
	if (!rc)
		rc = write_admin(b, f, &b->body[3], e);
	if (rc)
		return rc;
	write_node(b, "", &b->body[0], &b->body[1]);
	for (int i = 0; i < EVENTS; i++) {
		ev[i].kind = kinds[i];
		ev[i].address = "";
		ev[i].body = buf_str(&b->body[i]);
	}
	ev[0].object = ev[1].object = ev[4].object = b->node->id;
	ev[3].object = b->admin;
	return ledger_append(b->ledger, f, ev, EVENTS, NULL, e);
}

/* ---- a restored vault ---- */

/* By its name, as people know it; of one that was taken out of the pair only the id is left. */
static void
name_of(struct bootstrap *b, struct fiber *f, const struct uuid *id, char ret[static 256])
{
	auto_binds binds = BINDS_INIT;
	auto_rows rows = NULL;

	bind_uuid(&binds, id);
	if (db_exec(b->writer, f, STMT_NODE_NAME, &binds, &rows, NULL) == 0 && rows_count(rows))
		snprintf(ret, 256, "%s", row_text(rows, 0, COL_NODE_NAME_NAME));
	else
		uuid_str(id, ret);
}

static int
check_head(struct bootstrap *b, struct fiber *f, const struct backup_head *head, struct err *e)
{
	auto_binds binds = BINDS_INIT;
	auto_rows rows = NULL;
	char name[256];
	size_t n = 0;

	bind_uuid(&binds, &head->node);
	bind_bigint(&binds, head->seq);
	int rc = db_exec(b->writer, f, STMT_EVENT_HASH, &binds, &rows, e);
	if (rc)
		return rc;
	const void *hash = rows_count(rows) ? row_bytea(rows, 0, COL_EVENT_HASH_HASH, &n) : NULL;
	if (hash && n == KEYS_HASH_BYTES && memcmp(hash, head->hash, n) == 0)
		return 0;
	name_of(b, f, &head->node, name);
	return err_set(e, ERR_CHAIN_BROKEN,
		       "the log of node %s in the backup does not hold the event %lld that its "
		       "manifest names",
		       name, (long long)head->seq);
}

static int
check_heads(struct bootstrap *b, struct fiber *f, struct err *e)
{
	struct backup_head head;
	const char *at = b->restore->m->heads;
	int got;

	while ((got = backup_head_next(&at, &head)) == 1) {
		int rc = check_head(b, f, &head, e);
		if (rc)
			return rc;
	}
	return got ? err_set(e, ERR_BAD_PACK, "the manifest's list of chain ends is damaged") : 0;
}

static int
verify_log(struct bootstrap *b, struct fiber *f, struct err *e)
{
	struct verify_result *r = &b->restore->result;
	struct vault v = { .loop = &b->loop, .fibers = b->fibers, .keys = b->keys };

	for (int i = 0; i < VAULT_READERS; i++)
		v.reader[i] = b->writer;
	v.ledger = b->ledger;
	v.node = b->node->id;
	int rc = verify_run(&v, f, r, e);
	for (unsigned i = 0; !rc && i < r->nnodes; i++) {
		char *name = b->restore->names[i];

		name_of(b, f, &r->nodes[i].node, name);
		if (!r->nodes[i].broken)
			continue;
		rc = err_set(e, ERR_CHAIN_BROKEN,
			     "the log of node %s in the backup is broken at event %lld: %s", name,
			     (long long)r->nodes[i].broken_seq, r->nodes[i].why);
	}
	return rc ? rc : check_heads(b, f, e);
}

static void
write_restored(const struct bootstrap *b, struct buf *body)
{
	const struct backup_manifest *m = b->restore->m;
	struct json_out w;

	json_out_init(&w, body);
	json_out_object(&w, NULL);
	json_out_int(&w, "term", b->term);
	json_out_text(&w, "backup_of", m->node_name);
	json_out_text(&w, "backup_node", m->node_id);
	json_out_text(&w, "backup_made_at", m->made_at);
	json_out_end_object(&w);
}

static int
append_one(struct bootstrap *b, struct fiber *f, enum event_kind kind, const struct buf *body,
	   struct err *e)
{
	struct event ev = { .kind = kind, .address = "", .object = b->node->id };

	ev.body = buf_str(body);
	return ledger_append(b->ledger, f, &ev, 1, NULL, e);
}

/* The old nodes go with RESTORED; only then is the name free for this one. */
static int
begin_term(struct bootstrap *b, struct fiber *f, struct err *e)
{
	auto_binds binds = BINDS_INIT;
	auto_rows rows = NULL;

	bind_uuid(&binds, &b->node->id);
	int rc = db_exec(b->writer, f, STMT_ENDING_KNOWN, &binds, &rows, e);
	if (rc)
		return rc;
	write_node(b,
		   row_null(rows, 0, COL_ENDING_KNOWN_KNEW)
			   ? ""
			   : row_text(rows, 0, COL_ENDING_KNOWN_KNEW),
		   &b->body[0], &b->body[1]);
	write_restored(b, &b->body[2]);
	rc = append_one(b, f, EVENT_NODE_CREATED, &b->body[0], e);
	if (!rc)
		rc = append_one(b, f, EVENT_RESTORED, &b->body[2], e);
	return rc ? rc : append_one(b, f, EVENT_NODE_JOINED, &b->body[1], e);
}

static int
take_over(struct bootstrap *b, struct fiber *f, struct err *e)
{
	struct bootstrap_restore *r = b->restore;
	int rc = verify_log(b, f, e);

	if (rc)
		return rc;
	return r->begin_term ? begin_term(b, f, e)
			     : tables_check(&b->loop, b->home, f, r->progress, r->ctx, e);
}

static void
run(struct fiber *f, void *arg)
{
	struct bootstrap *b = arg;

	/* The file that names the node is written last: keyd keeps an end mark of this one. */
	b->rc = keys_node(b->keys, f, &b->node->id, b->e);
	if (!b->rc)
		b->rc = b->restore ? take_over(b, f, b->e) : write_all(b, f, b->e);
	uv_stop(&b->loop);
}

static void
open_all(struct bootstrap *b, int keyd_fd)
{
	auto_buf conninfo = BUF_INIT;
	struct db_options o = { .application = "holdfast init", .wait_ms = 5000 };

	cluster_conninfo(b->home, "hf_vault", &conninfo);
	o.conninfo = buf_str(&conninfo);
	mem_check(!uv_loop_init(&b->loop));
	b->fibers = fiber_pool_new(128 << 10, 16);
	b->keys = keys_new(&b->loop, keyd_fd);
	b->writer = db_new(&b->loop, &o);
}

static void
open_ledger(struct bootstrap *b)
{
	char journal[HOME_PATH_MAX];
	struct ledger_options o = { 0 };

	home_path(b->home, HOME_JOURNAL, journal);
	o.loop = &b->loop;
	o.fibers = b->fibers;
	o.keys = b->keys;
	o.writer = b->writer;
	o.journal_path = journal;
	o.node = b->node->id;
	b->ledger = ledger_new(&o);
}

static void
close_all(struct bootstrap *b)
{
	ledger_free(b->ledger);
	db_free(b->writer);
	keys_free(b->keys);
	uv_run(&b->loop, UV_RUN_DEFAULT);
	fiber_pool_free(b->fibers);
	uv_loop_close(&b->loop);
	for (int i = 0; i < EVENTS; i++)
		buf_done(&b->body[i]);
}

static int
run_all(struct bootstrap *b, int keyd_fd)
{
	open_all(b, keyd_fd);
	open_ledger(b);
	mem_check(fiber_start(b->fibers, run, b));
	uv_run(&b->loop, UV_RUN_DEFAULT);
	close_all(b);
	return b->rc;
}

int
vaultd_restored(const struct home *h, const struct settings *s, int keyd_fd,
		const struct home_node *n, struct bootstrap_restore *r, struct err *e)
{
	struct bootstrap b = { .home = h, .settings = s, .node = n, .restore = r, .e = e };

	b.term = r->term = r->m->term + 1;
	return run_all(&b, keyd_fd);
}

int
vaultd_bootstrap(const struct home *h, const struct settings *s, int keyd_fd,
		 const struct home_node *n, const struct bootstrap_names *names,
		 char ret_setup_token[static TOKEN_STR_LEN], struct err *e)
{
	struct bootstrap b = { .home = h,
			       .settings = s,
			       .node = n,
			       .names = names,
			       .token = ret_setup_token,
			       .term = 1,
			       .e = e };

	return run_all(&b, keyd_fd) ? err_prefix(e, "cannot write the first events: ") : 0;
}
