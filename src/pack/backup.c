/* SPDX-License-Identifier: Apache-2.0 */
#include "pack/backup.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/json_out.h"
#include "base/log.h"
#include "base/place.h"
#include "http/json.h"
#include "ledger/event.h"
#include "pack/basebackup.h"
#include "pg/cluster.h"
#include "store/db.h"

#define EVENT_WAIT_MS 5000
#define AT(field) offsetof(struct backup_manifest, field)

static const struct jfield manifest_fields[] = {
	{ "backup_format", JINT, JREQUIRED, AT(format), 1000 },
	{ "version", JTEXT, JREQUIRED, AT(version), 32 },
	{ "pg_major", JINT, JREQUIRED, AT(pg_major), 1000 },
	{ "system", JTEXT, JREQUIRED, AT(system), 32 },
	{ "node_id", JTEXT, JREQUIRED, AT(node_id), 36 },
	{ "node_name", JTEXT, JREQUIRED, AT(node_name), 255 },
	{ "term", JINT, JREQUIRED, AT(term), INT64_MAX - 1 },
	{ "made_at", JTEXT, JREQUIRED, AT(made_at), 32 },
	{ "heads", JTEXT, JREQUIRED | JEMPTY, AT(heads), BACKUP_HEADS_MAX },
	{ "node_stream", JTEXT, JREQUIRED, AT(node_stream), 32 },
	{ "base_stream", JTEXT, JREQUIRED, AT(base_stream), 32 },
	{ "base_bytes", JINT, JREQUIRED, AT(base_bytes), INT64_MAX },
	{ "settings_bytes", JINT, JREQUIRED, AT(settings_bytes), PACK_NODE_MAX },
	{ "mac", JTEXT, JREQUIRED, AT(mac), 64 },
	{ 0 },
};

/* ---- manifest ---- */

int
backup_head_next(const char **at, struct backup_head *ret)
{
	char id[UUID_STR_LEN] = "";
	const char *p = *at;
	char *end;
	size_t n = 0;

	if (!*p)
		return 0;
	for (; *p && *p != ':' && n < sizeof(id) - 1; p++)
		id[n++] = *p;
	if (*p++ != ':' || uuid_parse(id, &ret->node) < 0 || *p < '1' || *p > '9')
		return ERR_BAD_PACK;
	errno = 0;
	ret->seq = strtoll(p, &end, 10);
	if (errno || *end != ':' || strlen(end + 1) < 2 * KEYS_HASH_BYTES ||
	    sodium_hex2bin(ret->hash, sizeof(ret->hash), end + 1, 2 * KEYS_HASH_BYTES, NULL, &n,
			   NULL) != 0 ||
	    n != sizeof(ret->hash))
		return ERR_BAD_PACK;
	p = end + 1 + 2 * KEYS_HASH_BYTES;
	if (*p == ',' && p[1])
		p++;
	else if (*p)
		return ERR_BAD_PACK;
	*at = p;
	return 1;
}

static bool
is_plain(const char *s)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:_+";

	return *s && s[strspn(s, allowed)] == '\0';
}

static int
check_manifest(const struct backup_manifest *m, struct err *e)
{
	struct backup_head head;
	struct uuid u;
	uint8_t id[16];
	const char *at = m->heads;
	int rc;

	while ((rc = backup_head_next(&at, &head)) == 1)
		;
	if (rc < 0 || uuid_parse(m->node_id, &u) < 0 || pack_stream_id(m->node_stream, id) < 0 ||
	    pack_stream_id(m->base_stream, id) < 0 || strlen(m->mac) != 64)
		return err_set(e, ERR_BAD_PACK,
			       "the backup's manifest is malformed: an id or a chain head in it "
			       "is invalid");
	if (!is_plain(m->version) || !is_plain(m->system) || !is_plain(m->node_name) ||
	    !is_plain(m->made_at) || m->term < 1)
		return err_set(e, ERR_BAD_PACK,
			       "the backup's manifest is malformed: a name in it has characters "
			       "that names cannot have");
	return 0;
}

int
backup_parse(const char *text, size_t n, struct backup_manifest *ret, struct arena *a,
	     struct err *e)
{
	struct backup_manifest m = { 0 };
	uint64_t seen;

	if (n > PACK_MANIFEST_MAX)
		return err_set(e, ERR_BAD_PACK, "the backup's manifest is longer than %d bytes",
			       PACK_MANIFEST_MAX);
	if (json_parse_body(text, n, manifest_fields, &m, &seen, a, e) < 0) {
		e->code = ERR_BAD_PACK;
		err_prefix(e, "this is not a backup of Holdfast, or its manifest is malformed: ");
		return ERR_BAD_PACK;
	}
	int rc = check_manifest(&m, e);
	if (rc == 0)
		*ret = m;
	return rc;
}

void
backup_write(const struct backup_manifest *m, struct buf *out)
{
	pack_fields_write(manifest_fields, m, out);
}

int
backup_verify(const struct backup_manifest *m, struct keys *keys, struct err *e)
{
	auto_buf text = BUF_INIT;

	pack_fields_canonical(manifest_fields, m, &text);
	int rc = pack_mac_check(&text, m->mac, keys, e);
	if (rc != ERR_BAD_KEY)
		return rc;
	return err_set(e, ERR_BAD_KEY,
		       "the backup was made under another master key, or its manifest was "
		       "changed: name the key file that node %s had at that time",
		       m->node_name);
}

int
backup_check_fit(const struct backup_manifest *m, struct err *e)
{
	char bin[HOME_PATH_MAX];
	int major = 0;

	if (m->format != BACKUP_FORMAT)
		return err_set(e, ERR_BAD_PACK,
			       "the backup was made by Holdfast %s in a format that this program "
			       "(%s) does not know: use the version that made it",
			       m->version, HF_VERSION);
	if (cluster_find_bin((int)m->pg_major, bin, &major, e) < 0 || major != m->pg_major)
		return err_set(e, ERR_BAD_PACK,
			       "the backup needs PostgreSQL %d, which is not installed here: "
			       "install postgresql-%d and repeat",
			       (int)m->pg_major, (int)m->pg_major);
	return 0;
}

/* ---- making one ---- */

struct making {
	const struct home *h;
	const struct settings *s;
	struct keys *keys;
	const struct backup_request *rq;
	struct db *db;
	struct home_node self;
	struct buf heads, settings;
	char system[40];
	int major;
	bool standby;
	struct basebackup base;
	struct backup_manifest m;
};

static int
ask(struct making *x, enum stmt s, const struct binds *b, struct rows **ret, struct err *e)
{
	static const struct binds none;
	return db_exec(x->db, NULL, s, b ? b : &none, ret, e);
}

static int
check_target(const struct making *x, struct err *e)
{
	const char *path = x->rq->path;

	if (*path != '/' || strlen(path) > HOME_PATH_MAX - 16)
		return err_set(e, ERR_USAGE, "the path of the backup must be absolute and short");
	return place_check(path, x->rq->force, e);
}

static int
add_head(struct making *x, const struct rows *nodes, int i, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;
	char id[UUID_STR_LEN], hex[2 * KEYS_HASH_BYTES + 1];
	struct uuid node;
	size_t n;

	row_uuid(nodes, i, COL_EVENT_NODES_NODE, &node);
	bind_uuid(&b, &node);
	bind_bigint(&b, row_bigint(nodes, i, COL_EVENT_NODES_LAST));
	int rc = ask(x, STMT_EVENT_HASH, &b, &rows, e);
	if (rc < 0)
		return rc;
	const void *hash = rows_count(rows) ? row_bytea(rows, 0, COL_EVENT_HASH_HASH, &n) : NULL;
	if (!hash || n != KEYS_HASH_BYTES)
		return err_set(e, ERR_CHAIN_BROKEN,
			       "a chain does not end as recorded: run `holdfast audit verify`");
	sodium_bin2hex(hex, sizeof(hex), hash, n);
	uuid_str(&node, id);
	buf_addf(&x->heads, "%s%s:%lld:%s", x->heads.len ? "," : "", id,
		 (long long)row_bigint(nodes, i, COL_EVENT_NODES_LAST), hex);
	return x->heads.len <= BACKUP_HEADS_MAX
		       ? 0
		       : err_set(e, ERR_TOO_LARGE, "the log has more nodes than a backup can name");
}

/* What the backup will hold at least: taken before the copy begins. */
static int
look_at_database(struct making *x, struct err *e)
{
	auto_buf conninfo = BUF_INIT;
	auto_rows local = NULL;
	auto_rows database = NULL;
	auto_rows nodes = NULL;

	cluster_conninfo(x->h, "holdfast", &conninfo);
	struct db_options o = { .conninfo = buf_str(&conninfo), .application = "holdfast backup" };
	x->db = db_open(&o, e);
	int rc = x->db ? ask(x, STMT_HA_LOCAL, NULL, &local, e) : e->code;
	if (rc == 0)
		rc = ask(x, STMT_HA_DATABASE, NULL, &database, e);
	if (rc == 0)
		rc = ask(x, STMT_EVENT_NODES, NULL, &nodes, e);
	if (rc < 0)
		return rc;
	x->standby = row_bool(local, 0, COL_HA_LOCAL_STANDBY);
	x->m.term = row_bigint(local, 0, COL_HA_LOCAL_TERM);
	snprintf(x->system, sizeof(x->system), "%.32s",
		 row_text(database, 0, COL_HA_DATABASE_SYSTEM));
	x->base.database_bytes = row_bigint(database, 0, COL_HA_DATABASE_BYTES);
	for (int i = 0; rc == 0 && i < rows_count(nodes); i++)
		rc = add_head(x, nodes, i, e);
	return rc;
}

static int
write_settings(struct making *x, struct pack_writer *w, const uint8_t stream[static 16],
	       struct err *e)
{
	char path[HOME_PATH_MAX];

	home_path(x->h, HOME_CONF, path);
	int rc = home_read_file(path, PACK_NODE_MAX, &x->settings, e);
	if (rc == 0)
		rc = pack_writer_begin(w, PACK_NODE_NAME, stream, e);
	if (rc == 0)
		rc = pack_writer_add(w, x->settings.data, x->settings.len, e);
	return rc == 0 ? pack_writer_end(w, e) : rc;
}

static int
write_base(struct making *x, struct pack_writer *w, const uint8_t stream[static 16], struct err *e)
{
	int rc = pack_writer_begin(w, PACK_BASE_NAME, stream, e);
	if (rc == 0)
		rc = basebackup_write(&x->base, w, &x->m.base_bytes, e);
	return rc == 0 ? pack_writer_end(w, e) : rc;
}

static int
write_manifest(struct making *x, struct pack_writer *w, const uint8_t node[static 16],
	       const uint8_t base[static 16], struct err *e)
{
	char id[UUID_STR_LEN], streams[2][33], made[CLOCK_ISO_LEN];
	char mac_text[2 * KEYS_HASH_BYTES + 1] = "";
	uint8_t mac[KEYS_HASH_BYTES];
	auto_buf canonical = BUF_INIT, text = BUF_INIT;
	struct backup_manifest m = x->m; /* its texts live here */

	uuid_str(&x->self.id, id);
	sodium_bin2hex(streams[0], sizeof(streams[0]), node, 16);
	sodium_bin2hex(streams[1], sizeof(streams[1]), base, 16);
	clock_iso(clock_now_us(), made);
	m.format = BACKUP_FORMAT;
	m.version = HF_VERSION;
	m.pg_major = x->major;
	m.system = x->system;
	m.node_id = id;
	m.node_name = x->self.name;
	m.made_at = made;
	m.heads = buf_str(&x->heads);
	m.node_stream = streams[0];
	m.base_stream = streams[1];
	m.settings_bytes = (int64_t)x->settings.len;
	m.mac = mac_text;
	pack_fields_canonical(manifest_fields, &m, &canonical);
	int rc = keys_mac(x->keys, NULL, KEYS_MANIFEST, canonical.data, canonical.len, mac, e);
	if (rc < 0)
		return rc;
	sodium_bin2hex(mac_text, sizeof(mac_text), mac, sizeof(mac));
	backup_write(&m, &text);
	return pack_writer_plain(w, PACK_MANIFEST_NAME, text.data, text.len, e);
}

static int
write_file(struct making *x, struct err *e)
{
	uint8_t node[16], base[16];
	struct pack_writer *w;

	randombytes_buf(node, sizeof(node));
	randombytes_buf(base, sizeof(base));
	int rc = pack_writer_open(x->rq->path, x->keys, &w, e);
	if (rc < 0)
		return rc;
	rc = write_settings(x, w, node, e);
	if (rc == 0)
		rc = write_base(x, w, base, e);
	if (rc == 0)
		rc = write_manifest(x, w, node, base, e);
	if (rc < 0) {
		pack_writer_abort(w);
		return rc;
	}
	return pack_writer_close(w, x->rq->force, e);
}

/* Until the vault's writer has taken the request. One that cannot write now takes it later: it is in the database. */
static int
wait_for_event(struct making *x, struct err *e)
{
	int64_t until = clock_mono_ms() + EVENT_WAIT_MS;

	for (;;) {
		auto_rows rows = NULL;
		int rc = ask(x, STMT_HA_WAITING, NULL, &rows, e);

		if (rc < 0 || row_bigint(rows, 0, COL_HA_WAITING_REQUESTS) == 0 ||
		    clock_mono_ms() > until)
			return rc;
		clock_sleep_ms(20);
	}
}

/* A standby cannot write its log; there the primary's log does not say it. */
static int
ask_for_event(struct making *x, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_buf body = BUF_INIT;
	struct json_out w;

	if (x->standby)
		return 0;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_text(&w, "file", x->rq->path);
	json_out_int(&w, "bytes", x->m.base_bytes);
	json_out_end_object(&w);
	bind_int(&b, EVENT_BACKUP);
	bind_uuid(&b, &x->self.id);
	bind_text(&b, buf_str(&body));
	int rc = ask(x, STMT_HA_REQUEST_ADD, &b, NULL, e);
	if (rc == 0)
		rc = wait_for_event(x, e);
	return rc < 0 ? err_prefix(e, "the backup is complete, but could not be recorded in the "
				      "log: ")
		      : 0;
}

int
backup_run(const struct home *h, const struct settings *s, struct keys *keys,
	   const struct backup_request *rq, backup_progress_fn *progress, void *ctx,
	   struct buf *ret_path, struct err *e)
{
	struct making x = { .h = h, .s = s, .keys = keys, .rq = rq };

	x.base = (struct basebackup){
		.h = h, .s = s, .progress = progress, .ctx = ctx, .watch_fd = rq->client_fd
	};
	int rc = check_target(&x, e);
	if (rc == 0)
		rc = home_node_read(h, &x.self, e);
	if (rc == 0)
		rc = cluster_major(h, &x.major, e);
	if (rc == 0)
		rc = look_at_database(&x, e);
	if (rc == 0)
		rc = write_file(&x, e);
	if (rc == 0)
		rc = ask_for_event(&x, e);
	if (rc == 0)
		buf_adds(ret_path, rq->path);
	db_free(x.db);
	buf_done(&x.heads);
	buf_done(&x.settings);
	return rc;
}
