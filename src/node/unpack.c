/* SPDX-License-Identifier: Apache-2.0
 *
 * Turns an unpacked pack (pack/ in the home folder) into the data of a secondary, before
 * PostgreSQL starts. Old data is moved aside, never removed. The manifest goes last, so an
 * interrupted run simply starts over: checks → data/pg.new from the base backup → conf/tls,
 * node.conf, pair.conf → data/pg moved aside → data/pg.new becomes data/pg → pack/ removed
 * Everything that can refuse the pack comes before the first change. A node that has data accepts
 * one only on an explicit order, and while it reaches the primary (pack/packfit.h); otherwise it
 * keeps its data.
 */
#include "node/node.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/place.h"
#include "crypto/x509.h"
#include "ha/channel.h"
#include "ha/chain_memory.h"
#include "http/client.h"
#include "http/json.h"
#include "pack/authority.h"
#include "pack/basebackup.h"
#include "pack/pack.h"
#include "pack/packfit.h"
#include "pack/setup.h"
#include "pg/cluster.h"

#define SAY_EVERY_MS 2000
#define DATA_OF_PACK "holdfast.pack"
#define PATH_ROOM (HOME_PATH_MAX + 128)

struct unpack {
	const struct proc_args *a;
	struct keys *keys;
	struct arena *arena;
	struct pack_manifest m;
	struct parts {
		const char *ca, *cert, *key, *primary_web_cert, *ca_key;
		const char *web_cert, *web_key; /* NULL: packs of older programs have none */
	} parts;
	char stamp[32]; /* of what is moved aside */
	bool had_data;	/* before the pack */
	bool began;	/* to change what the node is */
	int64_t said_ms;
};

static void
path_in(const struct unpack *u, enum home_path p, const char *more, char ret[static PATH_ROOM])
{
	char base[HOME_PATH_MAX];
	home_path(&u->a->home, p, base);
	snprintf(ret, PATH_ROOM, "%s%s", base, more);
}

static void
pack_part(const struct unpack *u, const char *name, char ret[static PATH_ROOM])
{
	snprintf(ret, PATH_ROOM, "%s/%s", u->a->home.dir, name);
}

/* ---- checks ---- */

static int
read_manifest(struct unpack *u, struct err *e)
{
	auto_buf text = BUF_INIT;
	char path[PATH_ROOM];

	pack_part(u, PACK_MANIFEST_NAME, path);
	int rc = home_read_file(path, PACK_MANIFEST_MAX, &text, e);
	if (rc == 0)
		rc = pack_manifest_parse(buf_str(&text), text.len, &u->m, u->arena, e);
	return rc == 0 ? pack_manifest_verify(&u->m, u->keys, e) : rc;
}

static int
open_parts(struct unpack *u, struct err *e)
{
	static const struct jfield fields[] = {
		{ "ca", JTEXT, JREQUIRED, offsetof(struct parts, ca), PACK_NODE_MAX },
		{ "cert", JTEXT, JREQUIRED, offsetof(struct parts, cert), PACK_NODE_MAX },
		{ "key", JTEXT, JREQUIRED, offsetof(struct parts, key), PACK_NODE_MAX },
		{ "primary_web_cert", JTEXT, JREQUIRED, offsetof(struct parts, primary_web_cert),
		  PACK_NODE_MAX },
		{ "ca_key", JTEXT, JREQUIRED, offsetof(struct parts, ca_key), PACK_NODE_MAX },
		{ "web_cert", JTEXT, 0, offsetof(struct parts, web_cert), PACK_NODE_MAX },
		{ "web_key", JTEXT, 0, offsetof(struct parts, web_key), PACK_NODE_MAX },
		{ 0 },
	};
	char path[PATH_ROOM];
	uint8_t stream[16];
	struct pack_reader *r;
	const void *p;
	size_t n;
	uint64_t seen;

	int rc = pack_stream_id(u->m.node_stream, stream);
	pack_part(u, PACK_NODE_NAME, path);
	if (rc == 0)
		rc = pack_reader_open(path, u->keys, stream, &r, e);
	if (rc < 0)
		return rc;
	auto_buf text = BUF_INIT;
	while ((rc = pack_reader_next(r, &p, &n, e)) == 0 && n && text.len <= PACK_NODE_MAX)
		buf_add(&text, p, n);
	pack_reader_free(r);
	if (rc == 0)
		rc = json_parse_body(buf_str(&text), text.len, fields, &u->parts, &seen, u->arena,
				     e);
	return rc;
}

/* Asked with the certificate that the pack has of it. Two clocks far apart would make nonsense of the log's times and of certificates. */
static int
check_primary(struct unpack *u, struct err *e)
{
	struct packfit_primary p;

	packfit_ask(&u->m, u->parts.primary_web_cert, &p);
	int rc = packfit_check_clock(&u->m, &p, e);
	if (rc == 0 && u->had_data)
		rc = packfit_check_reached(&u->m, &p, e);
	if (rc == 0 && !p.answers)
		log_notice("the primary %s does not answer (%s); the clocks are compared once it "
			   "does",
			   u->m.primary_name, p.why);
	return rc;
}

/* ---- the base backup ---- */

static void
say_progress(void *ctx, int64_t done, int64_t total)
{
	struct unpack *u = ctx;
	int64_t now = clock_mono_ms();

	if (now - u->said_ms < SAY_EVERY_MS)
		return;
	u->said_ms = now;
	log_info("unpacking: %lld of %lld MiB", (long long)(done >> 20), (long long)(total >> 20));
}

static int
extract_base(struct unpack *u, const char *dir, struct err *e)
{
	char path[PATH_ROOM];
	uint8_t stream[16];
	struct pack_reader *r;
	int rc = pack_stream_id(u->m.base_stream, stream);

	pack_part(u, PACK_BASE_NAME, path);
	if (rc == 0)
		rc = pack_reader_open(path, u->keys, stream, &r, e);
	if (rc < 0)
		return rc;
	rc = pack_base_extract(r, dir, u->m.base_bytes, say_progress, u, e);
	pack_reader_free(r);
	return rc;
}

/* ---- the new identity ---- */

static int
write_text(const struct unpack *u, enum home_path p, const char *text, struct err *e)
{
	char path[PATH_ROOM];
	path_in(u, p, "", path);
	return home_write_file(path, text, strlen(text), 0600, e);
}

/* Beside the provisional one that `init` made; what the operator's authority signed stays. */
static bool
wants_web(const struct unpack *u)
{
	char path[PATH_ROOM];
	auto_buf pem = BUF_INIT;
	struct x509_info info;
	struct err ignored;

	if (!u->parts.web_cert || !u->parts.web_key)
		return false;
	path_in(u, HOME_WEB_CERT, "", path);
	return home_read_file(path, PACK_NODE_MAX, &pem, &ignored) ||
	       x509_read(buf_str(&pem), &info, &ignored) || info.self_signed ||
	       authority_signed_web(&u->a->home);
}

/* What the node is known by, all of one authority. Its key, sealed under the data keys, is text in the pack, and bytes on disk. */
static int
write_certificates(const struct unpack *u, struct err *e)
{
	uint8_t sealed[PACK_NODE_MAX];
	auto_buf ca = BUF_INIT, ca_key = BUF_INIT, cert = BUF_INIT, key = BUF_INIT;
	auto_buf web = BUF_INIT, web_key = BUF_INIT;
	/* The web's last: the node may keep its own. */
	const struct place_part parts[] = {
		{ HOME_PAIR_CA, &ca, 0600 },	  { HOME_PAIR_CA_KEY, &ca_key, 0600 },
		{ HOME_PAIR_CERT, &cert, 0600 },  { HOME_PAIR_KEY, &key, 0600 },
		{ HOME_WEB_KEY, &web_key, 0600 }, { HOME_WEB_CERT, &web, 0644 },
	};
	bool with_web = wants_web(u);
	size_t n;

	if (sodium_base642bin(sealed, sizeof(sealed), u->parts.ca_key, strlen(u->parts.ca_key),
			      NULL, &n, NULL, sodium_base64_VARIANT_ORIGINAL))
		return err_set(e, ERR_BAD_PACK, "the pack's certificate authority cannot be read");
	buf_add(&ca_key, sealed, n);
	buf_adds(&ca, u->parts.ca);
	buf_adds(&cert, u->parts.cert);
	buf_adds(&key, u->parts.key);
	if (with_web) {
		buf_adds(&web, u->parts.web_cert);
		buf_adds(&web_key, u->parts.web_key);
	}
	return place_set(&u->a->home, parts, ARRAY_LEN(parts) - (with_web ? 0 : 2), e);
}

static int
write_identity(struct unpack *u, struct err *e)
{
	struct home_node node;
	auto_buf pair = BUF_INIT;

	int rc = home_node_read(&u->a->home, &node, e);
	if (rc == 0)
		rc = uuid_parse(u->m.secondary_id, &node.id);
	if (rc == 0)
		rc = home_node_write(&u->a->home, &node, e);
	if (rc == 0)
		rc = keys_node(u->keys, NULL, &node.id, e);
	if (rc == 0)
		rc = write_certificates(u, e);
	buf_addf(&pair,
		 "[pair]\npair = %s\nprimary = %s\nprimary_id = %s\nhttps_port = %lld\npair_port = "
		 "%lld\nslot = %s\n",
		 u->m.pair, u->m.primary_name, u->m.primary_id, (long long)u->m.primary_https_port,
		 (long long)u->m.primary_pair_port, u->m.slot);
	return rc == 0 ? write_text(u, HOME_PAIR, buf_str(&pair), e) : rc;
}

/* The journal of another identity is kept aside: its rows can be merged by nobody else. */
static int
set_journal_aside(struct unpack *u, const struct uuid *old, struct err *e)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	char from[PATH_ROOM], to[HOME_PATH_MAX], end[64];
	char id[UUID_STR_LEN];

	uuid_str(old, id);
	if (strcmp(id, u->m.secondary_id) == 0)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		path_in(u, HOME_JOURNAL, ends[i], from);
		snprintf(end, sizeof(end), "%s%s", u->stamp, ends[i]);
		home_path_with(&u->a->home, HOME_JOURNAL_OLD, end, to);
		if (FAULT(FILE_RENAME, -1, rename(from, to)) < 0 && errno != ENOENT)
			return err_errno(e, ERR_IO, "cannot move %s aside", from);
	}
	return 0;
}

static int
finish_data(struct unpack *u, const char *dir, struct err *e)
{
	struct channel_primary p = { .port = (int)u->m.primary_pair_port };

	snprintf(p.host, sizeof(p.host), "%s", u->m.primary_name);
	snprintf(p.slot, sizeof(p.slot), "%s", u->m.slot);
	return channel_write_standby(&u->a->home, &p, CHANNEL_START_COMPARED, dir, e);
}

/* Says in the data of which pack they are made, until that is all done. */
static int
mark_data(const struct unpack *u, const char *dir, struct err *e)
{
	char path[PATH_ROOM + sizeof(DATA_OF_PACK)];

	snprintf(path, sizeof(path), "%s/" DATA_OF_PACK, dir);
	return home_write_file(path, u->m.mac, strlen(u->m.mac), 0600, e);
}

static bool
is_made_of_this(const struct unpack *u)
{
	char path[PATH_ROOM];
	auto_buf text = BUF_INIT;
	struct err ignored;

	path_in(u, HOME_PG, "/" DATA_OF_PACK, path);
	return home_read_file(path, 256, &text, &ignored) == 0 &&
	       strcmp(buf_str(&text), u->m.mac) == 0;
}

/* data/pg.new out of the base backup, whole or not at all. */
static int
make_data(struct unpack *u, struct err *e)
{
	char new[HOME_PATH_MAX];
	struct err ignored;

	home_path(&u->a->home, HOME_PG_NEW, new);
	int rc = home_remove_tree(new, e);
	if (rc == 0)
		rc = basebackup_check_room(u->a->home.dir, u->m.base_bytes, e);
	if (rc == 0)
		rc = home_mkdirs(new, 0700, e);
	if (rc == 0)
		rc = extract_base(u, new, e);
	if (rc == 0)
		rc = finish_data(u, new, e);
	if (rc == 0)
		rc = mark_data(u, new, e);
	if (rc < 0 && home_remove_tree(new, &ignored) < 0)
		log_err(LOG_LEVEL_WARNING, &ignored, "cannot remove what was unpacked");
	if (rc == 0)
		sync();
	return rc;
}

/* Into the place of data/pg. */
static int
put_data(struct unpack *u, struct err *e)
{
	char new[HOME_PATH_MAX], now[HOME_PATH_MAX], old[HOME_PATH_MAX];

	home_path(&u->a->home, HOME_PG_NEW, new);
	home_path(&u->a->home, HOME_PG, now);
	home_path_with(&u->a->home, HOME_PG_OLD, u->stamp, old);
	if (FAULT(FILE_RENAME, -1, rename(now, old)) < 0 && errno != ENOENT)
		return err_errno(e, ERR_IO, "cannot move %s aside", now);
	if (FAULT(FILE_RENAME, -1, rename(new, now)) < 0)
		return err_errno(e, ERR_IO, "cannot put %s into its place", now);
	return 0;
}

static void
tell_of_old_data(const struct unpack *u)
{
	char as_of[CLOCK_ISO_LEN], now[HOME_PATH_MAX], old[HOME_PATH_MAX];

	packfit_data_as_of(&u->a->home, as_of);
	home_path(&u->a->home, HOME_PG, now);
	home_path_with(&u->a->home, HOME_PG_OLD, u->stamp, old);
	log_notice(
		"this node's former data (as of %s) is kept as %s; the pack was made at %s. To go "
		"back: stop the node, move %s away, rename the kept folder to that, and start the "
		"node",
		as_of, old, u->m.made_at, now);
}

static int
use_pack(struct unpack *u, const struct uuid *old, struct err *e)
{
	int rc = packfit_check_data(&u->a->home, &u->m, packfit_was_told(&u->a->home, &u->m), e);

	if (rc == 0)
		rc = open_parts(u, e);
	if (rc == 0)
		rc = check_primary(u, e);
	if (rc == 0)
		rc = make_data(u, e);
	if (rc < 0)
		return rc;
	/* Nothing refuses the pack any more. */
	u->began = true;
	rc = set_journal_aside(u, old, e);
	if (rc == 0)
		rc = write_identity(u, e);
	if (rc == 0)
		rc = put_data(u, e);
	if (rc == 0 && u->had_data)
		tell_of_old_data(u);
	return rc;
}

/* It was brought here for this, and holds a copy of the vault. */
static void
drop_pack_file(const struct unpack *u)
{
	char path[PATH_ROOM];

	if (u->a->settings.keep_pack)
		return;
	setup_pack_path(&u->a->home, u->m.secondary_name, path, sizeof(path));
	if (unlink(path) == 0)
		log_notice("%s was removed: this node has joined (`keep_pack`)", path);
}

/* One that fell behind put_data has only this left to do. */
static int
finish(struct unpack *u, struct err *e)
{
	char path[PATH_ROOM];

	/* Another database, perhaps of another vault: nothing of the old one is to be found in it. */
	int rc = chain_memory_begin(&u->a->home, e);
	path_in(u, HOME_PACK, "", path);
	if (rc == 0)
		rc = home_remove_tree(path, e);
	path_in(u, HOME_PG, "/" DATA_OF_PACK, path);
	if (rc == 0)
		unlink(path);
	home_path(&u->a->home, HOME_REMOVED, path);
	if (rc == 0)
		unlink(path);
	if (rc == 0)
		drop_pack_file(u);
	return rc;
}

static int
run(struct unpack *u, struct err *e)
{
	struct home_node before;

	int rc = home_node_read(&u->a->home, &before, e);
	if (rc == 0)
		rc = read_manifest(u, e);
	if (rc == 0)
		rc = packfit_check(&u->a->home, &u->m, e);
	if (rc == 0 && !is_made_of_this(u))
		rc = use_pack(u, &before.id, e);
	return rc == 0 ? finish(u, e) : rc;
}

int
unpack_main(const struct proc_args *a)
{
	struct err e = { 0 };
	struct unpack u = { .a = a };
	int64_t now = clock_now_us();

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (sodium_init() < 0)
		return 1;
	http_init();
	clock_iso(now, u.stamp);
	u.stamp[19] = '\0'; /* to the second, without colons */
	for (char *p = u.stamp; *p; p++)
		if (*p == ':')
			*p = '-';
	u.keys = keys_new(NULL, PROC_FD_KEYS);
	u.arena = arena_new();
	u.had_data = packfit_has_data(&a->home);
	int rc = run(&u, &e);
	if (rc == 0)
		log_notice("this node is now the secondary %s of %s", u.m.secondary_name,
			   u.m.primary_name);
	arena_free(u.arena);
	keys_free(u.keys);
	if (rc == 0)
		return 0;
	log_err(LOG_LEVEL_ERROR, &e, "the pack is not used");
	if (!u.had_data || u.began)
		return PROC_EXIT_CONFIG;
	/* A pack that cannot be used is no reason to serve nobody (H13). */
	log_warning("this node keeps the data that it has; the pack stays in pack/ and is tried "
		    "again at the next start: remove that folder if you do not want this");
	return 0;
}
