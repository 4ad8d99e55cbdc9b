/* SPDX-License-Identifier: Apache-2.0
 *
 *   manifest → MAC → parts out of the zip → data/pg → archive recovery to the end of the backup's WAL, which begins a
 *   timeline of its own → every chain verified → RESTORED, in a new term; to verify: the tables compared with the log
 *
 * Nothing that the old pair's secondaries know still fits: the timeline, the slots (a base backup
 * has none), the channel's authority (not in the backup), the term.
 */
#include "admin/restore.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "admin/bootstrap.h"
#include "admin/keyhost.h"
#include "base/clock.h"
#include "base/fault.h"
#include "node/runas.h"
#include "pack/backup.h"
#include "pg/cluster.h"
#include "store/db.h"
#include "store/migrate.h"

#define RECOVERY_WAIT_MS 600000
#define PATH_ROOM (HOME_PATH_MAX + 64)

struct restore {
	const struct restore_options *o;
	struct restore_result *r; /* shared with the child */
	struct arena *arena;
	struct pack_zip *zip; /* opened while we still may */
	struct backup_manifest m;
	const char *step;
	int percent;
};

static void
say(struct restore *x, const char *text, int percent)
{
	if (x->o->progress && (text != x->step || percent != x->percent))
		x->o->progress(x->o->ctx, text, percent);
	x->step = text;
	x->percent = percent;
}

static void
say_unzip(void *ctx, int64_t done, int64_t total)
{
	say(ctx, "reading the file", total > 0 ? (int)(done * 100 / total) : -1);
}

static void
say_extract(void *ctx, int64_t done, int64_t total)
{
	say(ctx, "opening the base backup", total > 0 ? (int)(done * 100 / total) : -1);
}

static int
read_manifest(struct pack_zip *zip, struct arena *a, struct backup_manifest *ret, struct err *e)
{
	auto_buf text = BUF_INIT;

	int rc = pack_zip_manifest(zip, &text, e);
	if (rc == 0)
		rc = backup_parse(buf_str(&text), text.len, ret, a, e);
	return rc == 0 ? backup_check_fit(ret, e) : rc;
}

/* What is said of the backup before a node is made out of it. */
struct label {
	char of[256], made_at[64];
};

/* Somebody else may have written it: root opens the file, and its first byte is read as the user whose node it will be. */
static int
read_label(void *work, const void *ctx, struct err *e)
{
	struct pack_zip *const *zip = ctx;
	struct label *l = work;
	auto_arena a = arena_new();
	struct backup_manifest m;
	int rc = read_manifest(*zip, a, &m, e);

	if (rc == 0) {
		snprintf(l->of, sizeof(l->of), "%s", m.node_name);
		snprintf(l->made_at, sizeof(l->made_at), "%s", m.made_at);
	}
	return rc;
}

static int
look_at_file(struct restore *x, struct err *e)
{
	struct label l = { 0 };
	struct runas user;

	int rc = runas_choose(x->o->home, x->o->user, &user, e);
	if (rc == 0)
		rc = pack_zip_open(x->o->file, &x->zip, e);
	if (rc == 0)
		rc = runas_do(&user, read_label, &l, sizeof(l), &x->zip, e);
	if (rc < 0)
		return rc;
	snprintf(x->r->of, sizeof(x->r->of), "%.*s", (int)sizeof(l.of) - 1, l.of);
	snprintf(x->r->made_at, sizeof(x->r->made_at), "%.*s", (int)sizeof(l.made_at) - 1,
		 l.made_at);
	return 0;
}

static int
open_part(const struct home *h, const char *name, const char *stream_hex, struct keys *keys,
	  struct pack_reader **ret, struct err *e)
{
	char path[PATH_ROOM + 64];
	uint8_t stream[16];
	int rc = pack_stream_id(stream_hex, stream);

	snprintf(path, sizeof(path), "%s/%s", h->dir, name);
	return rc == 0 ? pack_reader_open(path, keys, stream, ret, e) : rc;
}

/* The old settings are kept to compare with; those of this node are its own. */
static int
extract_settings(const struct restore *x, const struct home *h, struct keys *keys, struct err *e)
{
	auto_buf text = BUF_INIT;
	char path[HOME_PATH_MAX];
	struct pack_reader *r;
	const void *p;
	size_t n;

	int rc = open_part(h, PACK_NODE_NAME, x->m.node_stream, keys, &r, e);
	if (rc < 0)
		return rc;
	while ((rc = pack_reader_next(r, &p, &n, e)) == 0 && n && text.len <= PACK_NODE_MAX)
		buf_add(&text, p, n);
	pack_reader_free(r);
	if (rc == 0 && (int64_t)text.len != x->m.settings_bytes)
		rc = err_set(e, ERR_BAD_PACK, "the settings in the backup are damaged");
	home_path(h, HOME_CONF_BACKUP, path);
	return rc == 0 ? home_write_file(path, buf_str(&text), text.len, 0600, e) : rc;
}

static int
extract_base(struct restore *x, const struct home *h, struct keys *keys, struct err *e)
{
	char pg[HOME_PATH_MAX];
	struct pack_reader *r;

	home_path(h, HOME_PG, pg);
	int rc = home_mkdirs(pg, 0700, e);
	if (rc == 0)
		rc = open_part(h, PACK_BASE_NAME, x->m.base_stream, keys, &r, e);
	if (rc < 0)
		return rc;
	rc = pack_base_extract(r, pg, x->m.base_bytes, say_extract, x, e);
	pack_reader_free(r);
	return rc;
}

static int
extract_all(struct restore *x, const struct home *h, struct keys *keys, struct err *e)
{
	char parts[HOME_PATH_MAX];

	int rc = read_manifest(x->zip, x->arena, &x->m, e);
	if (rc == 0 && strcmp(x->m.node_name, x->r->of) != 0)
		rc = err_set(e, ERR_BAD_PACK, "the backup changed while it was being read");
	if (rc == 0)
		rc = backup_verify(&x->m, keys, e);
	if (rc == 0)
		rc = pack_zip_extract(x->zip, h->dir, say_unzip, x, e);
	if (rc == 0)
		rc = extract_settings(x, h, keys, e);
	if (rc == 0)
		rc = extract_base(x, h, keys, e);
	home_path(h, HOME_PACK, parts);
	if (rc == 0)
		rc = home_remove_tree(parts, e);
	return rc;
}

/* ---- the cluster ---- */

static int
write_in_pg(const struct home *h, const char *name, const char *text, struct err *e)
{
	char pg[HOME_PATH_MAX], path[PATH_ROOM];

	home_path(h, HOME_PG, pg);
	snprintf(path, sizeof(path), "%s/%s", pg, name);
	return home_write_file(path, text, strlen(text), 0600, e);
}

static int
prepare_recovery(const struct home *h, const struct settings *s, struct err *e)
{
	char path[HOME_PATH_MAX];

	home_path(h, HOME_PG_STANDBY, path);
	if (FAULT(FILE_REMOVE, -1, unlink(path)) < 0 && errno != ENOENT)
		return err_errno(e, ERR_IO, "cannot remove %s", path);
	int rc = cluster_configure(h, s, false, e);
	/* There is no archive: what the backup holds is all. */
	if (rc == 0)
		rc = write_in_pg(h, "postgresql.auto.conf", "restore_command = 'false'\n", e);
	return rc == 0 ? write_in_pg(h, "recovery.signal", "", e) : rc;
}

static int
wait_recovered(struct db *d, struct err *e)
{
	static const struct binds none;
	int64_t until = clock_mono_ms() + RECOVERY_WAIT_MS;

	while (clock_mono_ms() < until) {
		auto_rows rows = NULL;
		int rc = db_exec(d, NULL, STMT_HA_LOCAL, &none, &rows, e);
		if (rc < 0)
			return rc;
		if (!row_bool(rows, 0, COL_HA_LOCAL_STANDBY))
			return 0;
		clock_sleep_ms(50);
	}
	return err_set(e, ERR_TIMEOUT, "PostgreSQL did not recover within %d s",
		       RECOVERY_WAIT_MS / 1000);
}

static int
finish_recovery(const struct home *h, struct err *e)
{
	auto_buf conninfo = BUF_INIT;

	cluster_conninfo(h, "holdfast", &conninfo);
	struct db_options o = { .conninfo = buf_str(&conninfo), .application = "holdfast restore" };
	struct db *d = db_open(&o, e);
	if (!d)
		return e->code;
	int rc = wait_recovered(d, e);
	if (rc == 0)
		rc = migrate_run(d, e);
	if (rc == 0)
		rc = write_in_pg(h, "postgresql.auto.conf", "", e);
	db_free(d);
	return rc;
}

static void
say_tables(void *ctx, int percent)
{
	say(ctx, percent < 0 ? "comparing the tables with the log" : "applying the log", percent);
}

static int
adopt(struct restore *x, const struct home *h, const struct settings *s, const char *key_file,
      const struct home_node *n, struct err *e)
{
	struct bootstrap_restore b = {
		.m = &x->m, .begin_term = !x->o->verify, .progress = say_tables, .ctx = x
	};
	int control = -1, fd = -1;

	say(x, "PostgreSQL recovers", -1);
	int rc = finish_recovery(h, e);
	if (rc == 0)
		rc = keyhost_start(h, key_file, &control, &fd, e);
	say(x, "verifying the log", -1);
	if (rc == 0)
		rc = vaultd_restored(h, s, fd, n, &b, e);
	keyhost_stop(control);
	x->r->log = b.result;
	memcpy(x->r->names, b.names, sizeof(x->r->names));
	x->r->term = x->o->verify ? x->m.term : b.term;
	return rc;
}

static int
fill(void *ctx, const struct home *h, const struct settings *s, const char *key_file,
     struct home_node *n, struct err *e)
{
	struct restore *x = ctx;
	struct err stopping;
	int control = -1, fd = -1;

	int rc = keyhost_start(h, key_file, &control, &fd, e);
	if (rc < 0)
		return rc;
	struct keys *keys = keys_new(NULL, fd);
	rc = extract_all(x, h, keys, e);
	keys_free(keys);
	keyhost_stop(control);
	if (rc == 0)
		rc = prepare_recovery(h, s, e);
	if (rc == 0)
		rc = cluster_start(h, e);
	if (rc < 0)
		return rc;
	rc = adopt(x, h, s, key_file, n, e);
	int stopped = cluster_stop(h, rc ? &stopping : e);
	return rc ? rc : stopped;
}

static int
make_node(struct restore *x, struct err *e)
{
	struct create_options c = {
		.home = x->o->home,
		.key_file = x->o->key_file,
		.name = x->o->name ? x->o->name : x->r->of,
		.listen = x->o->listen,
		.pair_listen = x->o->pair_listen,
		.user = x->o->user,
		.scratch = x->o->verify,
		.fill = fill,
		.fill_ctx = x,
	};
	struct create_result made;

	int rc = create_node(&c, &made, e);
	x->r->made = made;
	return rc;
}

int
restore_run(const struct restore_options *o, struct restore_result *ret, struct err *e)
{
	struct restore x = { .o = o, .percent = -2 };

	x.r = mmap(NULL, sizeof(*x.r), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (x.r == MAP_FAILED)
		return err_errno(e, ERR_INTERNAL, "cannot get memory");
	x.arena = arena_new();
	int rc = look_at_file(&x, e);
	if (rc == 0)
		rc = make_node(&x, e);
	*ret = *x.r;
	pack_zip_free(x.zip);
	arena_free(x.arena);
	munmap(x.r, sizeof(*x.r));
	return rc;
}
