/* SPDX-License-Identifier: Apache-2.0 */
#include "ha/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/jw.h"
#include "base/secret.h"
#include "crypto/x509.h"
#include "ha/pack.h"
#include "ha/replication.h"
#include "pg/cluster.h"
#include "store/db.h"

#define CERT_DAYS 3650
#define PEM_MAX 65536
#define RESTART_MS 60000
#define WRITER_MS 20000	   /* how long the writer may take over a request */
#define KIND_NODE_JOINED 4 /* numbers of vault/event.def: for ever */
#define CA_KEY_AD "holdfast pair ca key"

extern char **environ;

/* One set-up on its way. */
struct work {
	const struct home *h;
	const struct settings *s;
	struct keys *keys;
	const struct setup_request *rq;
	setup_progress_fn *progress;
	void *ctx;
	int percent; /* last told */
	struct home_node me;
	int https_port, pair_port; /* of the secondary */
	struct db *db;
	struct replication_node self, secondary;
	bool self_known, secondary_known;
	int64_t term;
	char system[64];
	int64_t database_bytes;
	char ca_pin[X509_PIN_LEN];
	struct buf ca_cert, ca_key, web_cert;
	char slot[REPLICATION_SLOT_MAX];
	int pg_major;
};

static void
work_done(struct work *w)
{
	db_free(w->db);
	buf_done(&w->ca_cert);
	buf_done(&w->ca_key);
	buf_done(&w->web_cert);
}

static void
say(struct work *w, const char *text)
{
	if (w->progress)
		w->progress(w->ctx, text, -1);
}

static int
read_home(const struct work *w, enum home_path p, struct buf *ret, struct err *e)
{
	char path[HOME_PATH_MAX];

	home_path(w->h, p, path);
	return home_read_file(path, PEM_MAX, ret, e);
}

static int
write_home(const struct work *w, enum home_path p, const struct buf *b, mode_t mode, struct err *e)
{
	char path[HOME_PATH_MAX];

	home_path(w->h, p, path);
	return home_write_file(path, b->data, b->len, mode, e);
}

static bool
home_has(const struct work *w, enum home_path p)
{
	char path[HOME_PATH_MAX];

	home_path(w->h, p, path);
	return access(path, F_OK) == 0;
}

/* ---- may it be ---- */

int
setup_check_name(const char *name, struct err *e)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:";
	size_t n = strlen(name);

	if (n == 0 || n > 253 || strspn(name, allowed) != n || name[0] == '.' || name[0] == '-')
		return err_set(e, ERR_PRECONDITION,
			       "\"%.100s\" can be no name of a node: it takes letters, digits, "
			       "dots and hyphens",
			       name);
	return 0;
}

static int
port_of(const char *address)
{
	const char *colon = strrchr(address, ':');

	return colon ? (int)strtol(colon + 1, NULL, 10) : 0;
}

static int
check_request(struct work *w, struct err *e)
{
	const struct setup_request *q = w->rq;
	int r = home_node_read(w->h, &w->me, e);

	if (r)
		return r;
	if (cluster_is_standby(w->h))
		return err_set(e, ERR_REFUSED,
			       "this node is a secondary; run ha setup on the primary");
	if (strcasecmp(q->primary, w->me.name) != 0)
		return err_set(
			e, ERR_PRECONDITION,
			"this node is called %s, not %s; the first name must be this node's own",
			w->me.name, q->primary);
	if (strcasecmp(q->primary, q->secondary) == 0)
		return err_set(e, ERR_PRECONDITION, "primary and secondary cannot both be %s",
			       q->primary);
	r = setup_check_name(q->secondary, e);
	if (r)
		return r;
	w->https_port = q->https_port ? q->https_port : port_of(w->s->listen);
	w->pair_port = q->pair_port ? q->pair_port : cluster_port(w->s);
	return cluster_major(w->h, &w->pg_major, e);
}

static int
open_db(struct work *w, struct err *e)
{
	auto_buf info = BUF_INIT;

	db_free(TAKE(w->db));
	cluster_conninfo(w->h, "holdfast", &info);
	/* What is asked of the writer must not wait for a secondary that is not there yet. */
	buf_adds(&info, " connect_timeout=5 options='-c synchronous_commit=local'");
	struct db_options o = { .conninfo = buf_str(&info), .application = "holdfast setup" };
	w->db = db_open(&o, e);
	return w->db ? 0 : ERR_DB_GONE;
}

static int
ask(struct work *w, enum stmt s, struct rows **ret, struct err *e)
{
	auto_binds none = BINDS_INIT;

	return db_exec(w->db, NULL, s, &none, ret, e);
}

/* ---- certificates ---- */

/* The newest data key, loaded into keyd: what seals the CA's key. */
static int
load_data_key(struct work *w, uint32_t *ret, struct err *e)
{
	auto_rows rows = NULL;
	size_t n;
	int r = ask(w, STMT_KEY_LIST, &rows, e);

	if (r)
		return r;
	if (!rows_count(rows))
		return err_set(e, ERR_PRECONDITION,
			       "the vault has no data key yet; wait until the node serves");
	for (int i = 0; !r && i < rows_count(rows); i++) {
		const void *wrapped = row_bytea(rows, i, 1, &n);
		*ret = (uint32_t)row_int(rows, i, 0);
		r = keys_load(w->keys, NULL, *ret, wrapped, n, e);
	}
	return r;
}

static int
make_ca(struct work *w, uint32_t key, struct err *e)
{
	auto_buf sealed = BUF_INIT;
	char cn[300];

	snprintf(cn, sizeof(cn), "Holdfast pair of %s", w->me.name);
	int r = x509_ca(cn, CERT_DAYS, &w->ca_cert, &w->ca_key, e);
	if (!r)
		r = keys_seal(w->keys, NULL, key, CA_KEY_AD, strlen(CA_KEY_AD), w->ca_key.data,
			      w->ca_key.len, &sealed, e);
	if (!r)
		r = write_home(w, HOME_PAIR_CA_KEY, &sealed, 0600, e);
	return r ? r : write_home(w, HOME_PAIR_CA, &w->ca_cert, 0644, e);
}

static int
read_ca(struct work *w, struct err *e)
{
	auto_buf sealed = BUF_INIT;
	int r = read_home(w, HOME_PAIR_CA, &w->ca_cert, e);

	if (!r)
		r = read_home(w, HOME_PAIR_CA_KEY, &sealed, e);
	if (!r)
		r = keys_open(w->keys, NULL, CA_KEY_AD, strlen(CA_KEY_AD), sealed.data, sealed.len,
			      &w->ca_key, e);
	return r;
}

static int
make_own_cert(struct work *w, struct err *e)
{
	auto_buf cert = BUF_INIT, key = BUF_INIT;
	int r = x509_issue(buf_str(&w->ca_cert), buf_str(&w->ca_key), w->me.name, CERT_DAYS, &cert,
			   &key, e);

	if (!r)
		r = write_home(w, HOME_PAIR_KEY, &key, 0600, e);
	return r ? r : write_home(w, HOME_PAIR_CERT, &cert, 0644, e);
}

static int
prepare_certs(struct work *w, struct err *e)
{
	struct x509_info info;
	uint32_t key = 0;
	int r = load_data_key(w, &key, e);
	bool there = home_has(w, HOME_PAIR_CA) && home_has(w, HOME_PAIR_CA_KEY);

	if (!r)
		r = there ? read_ca(w, e) : make_ca(w, key, e);
	if (!r && !there)
		say(w, "made the pair's own certificate authority");
	if (!r && !(there && home_has(w, HOME_PAIR_CERT) && home_has(w, HOME_PAIR_KEY)))
		r = make_own_cert(w, e);
	if (!r)
		r = x509_read(buf_str(&w->ca_cert), &info, e);
	if (r)
		return r;
	memcpy(w->ca_pin, info.pin, sizeof(w->ca_pin));
	return read_home(w, HOME_WEB_CERT, &w->web_cert, e);
}

/* ---- the pair's port ---- */

static int
wait_for_db(struct work *w, struct err *e)
{
	int64_t until = clock_mono_ms() + RESTART_MS;
	int r;

	while ((r = open_db(w, e)) && clock_mono_ms() < until)
		clock_sleep_ms(50);
	return r;
}

static int
restart_postgres(struct work *w, struct err *e)
{
	int64_t until = clock_mono_ms() + RESTART_MS;
	pid_t before = cluster_pid(w->h);

	say(w, "PostgreSQL starts anew with the pair's port open; users only wait a moment");
	db_free(TAKE(w->db));
	if (!before || kill(before, SIGINT) < 0)
		return err_errno(e, ERR_IO,
				 "cannot stop PostgreSQL (process %d) to open the pair's port",
				 (int)before);
	while (kill(before, 0) == 0 && cluster_pid(w->h) == before) {
		if (clock_mono_ms() > until)
			return err_set(e, ERR_TIMEOUT, "PostgreSQL did not stop within %d s",
				       RESTART_MS / 1000);
		clock_sleep_ms(20);
	}
	return wait_for_db(w, e);
}

static int
is_listening(struct work *w, bool *ret, struct err *e)
{
	auto_rows rows = NULL;
	int r = ask(w, STMT_HA_LISTENING, &rows, e);

	if (!r)
		*ret = row_text(rows, 0, 0)[0] && row_bool(rows, 0, 1);
	return r;
}

static int
open_port(struct work *w, struct err *e)
{
	auto_rows done = NULL;
	bool open = false;
	int r = cluster_configure(w->h, w->s, true, e);

	if (!r)
		r = is_listening(w, &open, e);
	if (r)
		return r;
	if (open)
		return ask(w, STMT_HA_RELOAD, &done, e);
	r = restart_postgres(w, e);
	if (!r)
		r = is_listening(w, &open, e);
	if (!r && !open)
		r = err_set(e, ERR_INTERNAL,
			    "PostgreSQL does not listen on the pair's port %s; its log says why",
			    w->s->pair_listen);
	return r;
}

/* ---- the nodes in the log ---- */

static int
find_nodes(struct work *w, struct err *e)
{
	auto_rows rows = NULL;
	auto_rows local = NULL;
	int r = ask(w, STMT_HA_NODES, &rows, e);

	if (!r)
		r = ask(w, STMT_HA_LOCAL, &local, e);
	if (r)
		return r;
	w->term = row_bigint(local, 0, 4);
	w->self_known = w->secondary_known = false;
	for (int i = 0; i < rows_count(rows); i++) {
		struct replication_node n = { 0 };

		row_uuid(rows, i, 0, &n.id);
		snprintf(n.name, sizeof(n.name), "%s", row_text(rows, i, 1));
		n.https_port = row_int(rows, i, 2);
		n.pair_port = row_int(rows, i, 3);
		snprintf(n.slot, sizeof(n.slot), "%s", row_text(rows, i, 4));
		if (strlen(row_text(rows, i, 5)) < sizeof(n.web_cert))
			snprintf(n.web_cert, sizeof(n.web_cert), "%s", row_text(rows, i, 5));
		n.primary_since_term = row_bigint(rows, i, 6);
		if (uuid_eq(&n.id, &w->me.id)) {
			w->self = n;
			w->self_known = true;
		} else if (w->rq && strcmp(n.name, w->rq->secondary) == 0) {
			w->secondary = n;
			w->secondary_known = true;
		}
	}
	return 0;
}

static int
request_event(struct work *w, int kind, const struct uuid *object, const struct buf *body,
	      struct err *e)
{
	auto_binds b = BINDS_INIT;

	bind_int(&b, kind);
	bind_uuid(&b, object);
	bind_text(&b, buf_str(body));
	return db_exec(w->db, NULL, STMT_HA_REQUEST_ADD, &b, NULL, e);
}

static int
request_join(struct work *w, const struct replication_node *n, struct err *e)
{
	auto_buf body = BUF_INIT;
	struct jw j;

	jw_init(&j, &body);
	jw_object(&j, NULL);
	jw_uuid(&j, "id", n->id.b);
	jw_text(&j, "name", n->name);
	jw_int(&j, "https_port", n->https_port);
	jw_int(&j, "pair_port", n->pair_port);
	jw_text(&j, "slot", n->slot[0] ? n->slot : NULL);
	if (n->web_cert[0])
		jw_text(&j, "web_cert", n->web_cert);
	if (n->primary_since_term)
		jw_int(&j, "primary_since_term", n->primary_since_term);
	else
		jw_null(&j, "primary_since_term");
	jw_end_object(&j);
	return request_event(w, KIND_NODE_JOINED, &n->id, &body, e);
}

/* A certificate signed by an authority is made trusted by `cert import`, never by the log alone. */
static bool
may_be_pinned(const char *pem)
{
	struct x509_info info;
	struct err ignored;

	return pem[0] && strlen(pem) < REPLICATION_CERT_MAX && !x509_read(pem, &info, &ignored) &&
	       info.self_signed;
}

/* The own row as it should be; false when it is so already. */
static bool
own_row_differs(struct work *w, const char *web_cert)
{
	struct replication_node n = { .id = w->me.id,
				      .https_port = port_of(w->s->listen),
				      .pair_port = cluster_port(w->s),
				      .primary_since_term =
					      w->self_known && w->self.primary_since_term
						      ? w->self.primary_since_term
						      : w->term };

	snprintf(n.name, sizeof(n.name), "%s", w->me.name);
	snprintf(n.slot, sizeof(n.slot), "%s", w->self_known ? w->self.slot : "");
	snprintf(n.web_cert, sizeof(n.web_cert), "%s", may_be_pinned(web_cert) ? web_cert : "");
	bool same = w->self_known && w->self.primary_since_term &&
		    strcmp(n.name, w->self.name) == 0 && n.https_port == w->self.https_port &&
		    n.pair_port == w->self.pair_port &&
		    (!n.web_cert[0] || strcmp(n.web_cert, w->self.web_cert) == 0);
	w->self = n;
	return !same;
}

static int
wait_for_writer(struct work *w, struct err *e)
{
	int64_t until = clock_mono_ms() + WRITER_MS;

	for (;;) {
		auto_rows rows = NULL;
		int r = ask(w, STMT_HA_WAITING, &rows, e);

		if (r || !row_bigint(rows, 0, 0))
			return r;
		if (clock_mono_ms() > until)
			return err_set(e, ERR_TIMEOUT,
				       "the vault did not write the nodes into its log within %d "
				       "s; does it serve?",
				       WRITER_MS / 1000);
		clock_sleep_ms(50);
	}
}

static int
enter_nodes(struct work *w, struct err *e)
{
	int r = find_nodes(w, e);

	if (!r && own_row_differs(w, buf_str(&w->web_cert)))
		r = request_join(w, &w->self, e);
	if (r)
		return r;
	struct replication_node n = { .https_port = w->https_port, .pair_port = w->pair_port };
	if (w->secondary_known && w->secondary.primary_since_term)
		return err_set(e, ERR_REFUSED,
			       "%s was a primary of this pair; it cannot be set up anew under that "
			       "name yet",
			       w->rq->secondary);
	if (w->secondary_known)
		n.id = w->secondary.id;
	else
		uuid_new(&n.id);
	snprintf(n.name, sizeof(n.name), "%s", w->rq->secondary);
	replication_slot_name(&n.id, n.slot);
	snprintf(w->slot, sizeof(w->slot), "%s", n.slot);
	bool same = w->secondary_known && n.https_port == w->secondary.https_port &&
		    n.pair_port == w->secondary.pair_port && strcmp(n.slot, w->secondary.slot) == 0;
	if (!same)
		r = request_join(w, &n, e);
	if (!r)
		r = wait_for_writer(w, e);
	if (!r)
		r = find_nodes(w, e);
	if (!r && (!w->secondary_known || !w->self_known))
		r = err_set(e, ERR_INTERNAL,
			    "the vault did not take the nodes in; its log says why");
	return r;
}

/* ---- the slot ---- */

static int
bind_name_exec(struct work *w, enum stmt s, const char *name, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;

	bind_text(&b, name);
	return db_exec(w->db, NULL, s, &b, s == STMT_HA_SLOT_CREATE ? &rows : NULL, e);
}

/* A slot that streams now belongs to a secondary that works: it is left to it. */
static int
make_slot(struct work *w, struct err *e)
{
	auto_rows rows = NULL;
	int r = ask(w, STMT_HA_SLOTS, &rows, e);

	if (r)
		return r;
	for (int i = 0; i < rows_count(rows); i++) {
		if (strcmp(row_text(rows, i, 0), w->slot) != 0)
			continue;
		if (row_bool(rows, i, 1))
			return 0;
		r = bind_name_exec(w, STMT_HA_SLOT_DROP, w->slot, e);
		break;
	}
	return r ? r : bind_name_exec(w, STMT_HA_SLOT_CREATE, w->slot, e);
}

/* ---- the pack ---- */

/* What the secondary alone may have: certificates, and its key. */
static int
write_node_json(struct work *w, struct buf *out, struct err *e)
{
	auto_buf cert = BUF_INIT, key = BUF_INIT;
	struct jw j;
	int r = x509_issue(buf_str(&w->ca_cert), buf_str(&w->ca_key), w->secondary.name, CERT_DAYS,
			   &cert, &key, e);

	if (r)
		return r;
	jw_init(&j, out);
	jw_object(&j, NULL);
	jw_text(&j, "ca", buf_str(&w->ca_cert));
	jw_text(&j, "cert", buf_str(&cert));
	jw_text(&j, "key", buf_str(&key));
	jw_text(&j, "primary_web_cert", buf_str(&w->web_cert));
	jw_end_object(&j);
	return 0;
}

static int
write_node_part(struct work *w, struct pack_writer *p, const uint8_t stream[static 16],
		struct err *e)
{
	auto_buf text = BUF_INIT;
	int r = write_node_json(w, &text, e);

	if (!r)
		r = pack_writer_begin(p, PACK_NODE_NAME, stream, e);
	if (!r)
		r = pack_writer_add(p, text.data, text.len, e);
	return r ? r : pack_writer_end(p, e);
}

/* pg_basebackup writes one tar to the pipe; what it has to say goes to a file in memory. */
static int
spawn_backup(struct work *w, pid_t *ret_pid, int *ret_out, int *ret_log, struct err *e)
{
	char bin[HOME_PATH_MAX], program[HOME_PATH_MAX + 32], run[HOME_PATH_MAX], port[16];
	int out[2], r = cluster_find_bin(w->pg_major, bin, NULL, e);

	if (r)
		return r;
	snprintf(program, sizeof(program), "%s/pg_basebackup", bin);
	home_path(w->h, HOME_RUN, run);
	snprintf(port, sizeof(port), "%d", cluster_port(w->s));
	const char *argv[] = { program,
			       "-h",
			       run,
			       "-p",
			       port,
			       "-U",
			       "holdfast",
			       "-D",
			       "-",
			       "-Ft",
			       "-X",
			       "fetch",
			       "-c",
			       "fast",
			       "--no-password",
			       "--no-manifest",
			       "--no-estimate-size",
			       NULL };
	int log = memfd_create("pg_basebackup", MFD_CLOEXEC);
	if (log < 0 || pipe2(out, O_CLOEXEC) < 0)
		return err_errno(e, ERR_IO, "cannot start the base backup");
	posix_spawn_file_actions_t a;
	posix_spawn_file_actions_init(&a);
	posix_spawn_file_actions_addopen(&a, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&a, out[1], 1);
	posix_spawn_file_actions_adddup2(&a, log, 2);
	errno = posix_spawn(ret_pid, program, &a, NULL, (char **)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&a);
	close(out[1]);
	if (errno) {
		r = err_errno(e, ERR_IO, "cannot run %s", program);
		close(out[0]);
		close(log);
		return r;
	}
	*ret_out = out[0];
	*ret_log = log;
	return 0;
}

/* The size was measured before; the copy may turn out a little larger. */
static void
say_bytes(struct work *w, int64_t done)
{
	int64_t total = w->database_bytes > 0 ? w->database_bytes : 1;
	int percent = done >= total ? 99 : (int)(done * 100 / total);

	if (w->progress && percent != w->percent)
		w->progress(w->ctx, "copying the database into the pack", percent);
	w->percent = percent;
}

static int
copy_backup(struct work *w, struct pack_writer *p, int fd, int64_t *ret_bytes, struct err *e)
{
	char block[65536];
	int r = 0;

	while (!r) {
		ssize_t n = read(fd, block, sizeof(block));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, ERR_IO, "cannot read the base backup");
		if (!n)
			return 0;
		r = pack_writer_add(p, block, (size_t)n, e);
		*ret_bytes += n;
		say_bytes(w, *ret_bytes);
	}
	return r;
}

static int
backup_failed(int log, int status, struct err *e)
{
	char text[300] = "";
	ssize_t n = pread(log, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	for (char *c = text; *c; c++)
		*c = *c == '\n' ? ' ' : *c;
	return err_set(e, ERR_IO, "the base backup failed (status %d): %s",
		       WIFEXITED(status) ? WEXITSTATUS(status) : -1,
		       text[0] ? text : "it said nothing");
}

static int
write_base_part(struct work *w, struct pack_writer *p, const uint8_t stream[static 16],
		int64_t *ret_bytes, struct err *e)
{
	int out = -1, log = -1, status = 0;
	pid_t pid;
	int r = pack_writer_begin(p, PACK_BASE_NAME, stream, e);

	if (!r)
		r = spawn_backup(w, &pid, &out, &log, e);
	if (r)
		return r;
	r = copy_backup(w, p, out, ret_bytes, e);
	close(out); /* ends it, should it still write */
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!r && status)
		r = backup_failed(log, status, e);
	close(log);
	if (!r)
		r = pack_writer_end(p, e);
	return r;
}

static void
to_hex(const uint8_t *p, size_t n, char *ret)
{
	sodium_bin2hex(ret, 2 * n + 1, p, n);
}

static int
write_manifest(struct work *w, struct pack_writer *p, const uint8_t node[16],
	       const uint8_t base[16], int64_t bytes, struct err *e)
{
	char primary_id[UUID_STR_LEN], secondary_id[UUID_STR_LEN], made[CLOCK_ISO_LEN],
		node_hex[33], base_hex[33], mac_hex[65];
	char pair[160];
	uint8_t mac[KEYS_HASH_BYTES];
	auto_buf text = BUF_INIT, canonical = BUF_INIT;

	uuid_str(&w->me.id, primary_id);
	uuid_str(&w->secondary.id, secondary_id);
	clock_iso(clock_now_us(), made);
	to_hex(node, 16, node_hex);
	to_hex(base, 16, base_hex);
	snprintf(pair, sizeof(pair), "%s:%s", w->system, w->ca_pin);
	struct pack_manifest m = {
		.format = PACK_FORMAT,
		.version = HF_VERSION,
		.pg_major = w->pg_major,
		.pair = pair,
		.primary_id = primary_id,
		.primary_name = w->me.name,
		.primary_https_port = w->self.https_port,
		.primary_pair_port = w->self.pair_port,
		.secondary_id = secondary_id,
		.secondary_name = w->secondary.name,
		.slot = w->slot,
		.secondary_https_port = w->secondary.https_port,
		.secondary_pair_port = w->secondary.pair_port,
		.made_at = made,
		.node_stream = node_hex,
		.base_stream = base_hex,
		.base_bytes = bytes,
		.mac = mac_hex,
	};
	pack_manifest_canonical(&m, &canonical);
	int r = keys_mac(w->keys, NULL, KEYS_MANIFEST, canonical.data, canonical.len, mac, e);
	if (r)
		return r;
	to_hex(mac, sizeof(mac), mac_hex);
	pack_manifest_write(&m, &text);
	return pack_writer_plain(p, PACK_MANIFEST_NAME, text.data, text.len, e);
}

static int
write_parts(struct work *w, struct pack_writer *p, struct err *e)
{
	uint8_t node[16], base[16];
	int64_t bytes = 0;

	randombytes_buf(node, sizeof(node));
	randombytes_buf(base, sizeof(base));
	int r = write_node_part(w, p, node, e);
	if (!r)
		r = write_base_part(w, p, base, &bytes, e);
	return r ? r : write_manifest(w, p, node, base, bytes, e);
}

static int
write_pack(struct work *w, struct buf *ret_path, struct err *e)
{
	char folder[HOME_PATH_MAX];
	auto_buf path = BUF_INIT;
	struct pack_writer *p = NULL;

	home_path(w->h, HOME_REPLICATION, folder);
	buf_addf(&path, "%s/HAPack-%s.zip", folder, w->secondary.name);
	int r = home_mkdirs(folder, 0700, e);
	if (!r)
		r = pack_writer_open(buf_str(&path), w->keys, &p, e);
	if (r)
		return r;
	r = write_parts(w, p, e);
	if (r)
		pack_writer_abort(p);
	else
		r = pack_writer_close(p, e);
	if (!r)
		buf_adds(ret_path, buf_str(&path));
	return r;
}

static int
measure(struct work *w, struct err *e)
{
	auto_rows rows = NULL;
	int r = ask(w, STMT_HA_DATABASE, &rows, e);

	if (r)
		return r;
	snprintf(w->system, sizeof(w->system), "%s", row_text(rows, 0, 0));
	w->database_bytes = row_bigint(rows, 0, 1);
	return 0;
}

int
setup_run(const struct home *h, const struct settings *s, struct keys *keys,
	  const struct setup_request *rq, setup_progress_fn *progress, void *ctx,
	  struct buf *ret_path, struct err *e)
{
	static int (*const steps[])(struct work *, struct err *) = {
		check_request, open_db, prepare_certs, open_port, enter_nodes, make_slot, measure
	};
	FREE_WITH(work_done)
	struct work w = { .h = h,
			  .s = s,
			  .keys = keys,
			  .rq = rq,
			  .progress = progress,
			  .ctx = ctx,
			  .percent = -1 };
	int r = 0;

	for (size_t i = 0; !r && i < ARRAY_LEN(steps); i++)
		r = steps[i](&w, e);
	return r ? r : write_pack(&w, ret_path, e);
}
