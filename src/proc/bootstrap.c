/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/bootstrap.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>
#include "base/clock.h"
#include "base/jw.h"
#include "base/secret.h"
#include "pg/cluster.h"
#include "vault/body.h"
#include "vault/ledger.h"
#include "vault/user.h"

#define CERT_MAX (64u << 10)
#define FIRST_DATA_KEY 1
#define EVENTS 4

struct bootstrap {
	const struct home *home;
	const struct settings *settings;
	const struct home_node *node;
	uv_loop_t loop;
	struct fiber_pool *fibers;
	struct keys *keys;
	struct db *writer;
	struct ledger *ledger;
	char *token;
	struct uuid admin;
	struct buf body[EVENTS];
	int rc;
	struct err *e;
};

static int
https_port(const struct settings *s)
{
	const char *colon = strrchr(s->listen, ':');

	return colon ? (int)strtol(colon + 1, NULL, 10) : 0;
}

/* The certificate that clients of this node will see; it may not be there yet. */
static void
add_web_cert(const struct bootstrap *b, struct jw *w)
{
	char path[HOME_PATH_MAX];
	auto_buf pem = BUF_INIT;
	struct err e = { 0 };

	home_path(b->home, HOME_WEB_CERT, path);
	if (!access(path, F_OK) && !home_read_file(path, CERT_MAX, &pem, &e))
		jw_text(w, "web_cert", buf_str(&pem));
}

static void
write_node(struct bootstrap *b, struct buf *created, struct buf *joined)
{
	struct jw w;

	jw_init(&w, created);
	jw_object(&w, NULL);
	jw_text(&w, "name", b->node->name);
	jw_end_object(&w);
	jw_init(&w, joined);
	jw_object(&w, NULL);
	jw_uuid(&w, "id", b->node->id.b);
	jw_text(&w, "name", b->node->name);
	jw_int(&w, "https_port", https_port(b->settings));
	jw_int(&w, "pair_port", cluster_port(b->settings));
	add_web_cert(b, &w);
	jw_int(&w, "primary_since_term", 1);
	jw_end_object(&w);
}

static int
write_key(struct bootstrap *b, struct fiber *f, struct buf *body, struct err *e)
{
	auto_buf wrapped = BUF_INIT;
	struct jw w;
	int rc = keys_create(b->keys, f, FIRST_DATA_KEY, &wrapped, e);

	if (rc)
		return rc;
	jw_init(&w, body);
	jw_object(&w, NULL);
	jw_int(&w, "id", FIRST_DATA_KEY);
	body_hex(&w, "wrapped", wrapped.data, wrapped.len);
	jw_end_object(&w);
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

/* All of it is one unit: a vault has a node, a key and an administrator, or nothing. */
static int
write_all(struct bootstrap *b, struct fiber *f, struct err *e)
{
	static const enum event_kind kinds[EVENTS] = { EVENT_NODE_CREATED, EVENT_NODE_JOINED,
						       EVENT_KEY_CREATED, EVENT_USER_CREATED };
	struct event ev[EVENTS] = { 0 };
	int rc = write_key(b, f, &b->body[2], e);

	if (!rc)
		rc = write_admin(b, f, &b->body[3], e);
	if (rc)
		return rc;
	write_node(b, &b->body[0], &b->body[1]);
	for (int i = 0; i < EVENTS; i++) {
		ev[i].kind = kinds[i];
		ev[i].address = "";
		ev[i].body = buf_str(&b->body[i]);
	}
	ev[0].object = ev[1].object = b->node->id;
	ev[3].object = b->admin;
	return ledger_append(b->ledger, f, ev, EVENTS, NULL, e);
}

static void
run(struct fiber *f, void *arg)
{
	struct bootstrap *b = arg;

	b->rc = write_all(b, f, b->e);
	uv_stop(&b->loop);
}

static void
open_all(struct bootstrap *b, int keyd_fd)
{
	auto_buf conninfo = BUF_INIT;
	struct db_options o = { .application = "holdfast init", .wait_ms = 5000 };

	cluster_conninfo(b->home, "hf_vault", &conninfo);
	o.conninfo = buf_str(&conninfo);
	if (uv_loop_init(&b->loop))
		abort();
	b->fibers = fiber_pool_new(128 << 10, 16);
	b->keys = keys_new(&b->loop, keyd_fd);
	b->writer = db_new(&b->loop, &o);
}

static int
open_ledger(struct bootstrap *b, struct err *e)
{
	char journal[HOME_PATH_MAX], anchor[HOME_PATH_MAX];
	struct ledger_options o = { 0 };

	home_path(b->home, HOME_JOURNAL, journal);
	home_path(b->home, HOME_ANCHOR, anchor);
	o.loop = &b->loop;
	o.fibers = b->fibers;
	o.keys = b->keys;
	o.writer = b->writer;
	o.journal_path = journal;
	o.anchor_path = anchor;
	o.node = b->node->id;
	return ledger_new(&o, &b->ledger, e);
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

int
vaultd_bootstrap(const struct home *h, const struct settings *s, int keyd_fd,
		 const struct home_node *n, char ret_setup_token[static TOKEN_STR_LEN],
		 struct err *e)
{
	struct bootstrap b = {
		.home = h, .settings = s, .node = n, .token = ret_setup_token, .e = e
	};

	open_all(&b, keyd_fd);
	b.rc = open_ledger(&b, e);
	if (!b.rc) {
		if (!fiber_start(b.fibers, run, &b))
			abort();
		uv_run(&b.loop, UV_RUN_DEFAULT);
	}
	close_all(&b);
	return b.rc ? err_prefix(e, "cannot write the first events: ") : 0;
}
