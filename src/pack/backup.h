/* SPDX-License-Identifier: Apache-2.0
 *
 * A backup: one file in the pack's container (pack/pack.h: zip, the same three parts) with a manifest of its own:
 *   pack/manifest.json  plain, MACed under the master key: versions, which node's, when, the ends of all chains
 *   pack/node.sealed    conf/holdfast.conf of the node, as it was
 *   pack/base.sealed    a base backup, PostgreSQL's tar
 * It contains no key: neither the master key nor those of certificates. Blocking.
 */
#pragma once

#include "base/arena.h"
#include "base/home.h"
#include "base/settings.h"
#include "base/uuid.h"
#include "pack/pack.h"

#define BACKUP_FORMAT 1
#define BACKUP_HEADS_MAX 12000

/* Texts are borrowed: from the arena that backup_parse was given, or from the maker. */
struct backup_manifest {
	int64_t format;
	const char *version; /* the product's */
	int64_t pg_major;
	const char *system; /* PostgreSQL's system identifier */
	const char *node_id, *node_name;
	int64_t term;
	const char *made_at; /* RFC 3339 */
	const char *heads;   /* "id:seq:hash,…" of each node's chain before the copy began */
	const char *node_stream, *base_stream;
	int64_t base_bytes, settings_bytes;
	const char *mac;
};

struct backup_head {
	struct uuid node;
	int64_t seq;
	uint8_t hash[KEYS_HASH_BYTES];
};

/* Parses and bounds every field; does not check the MAC. ERR_BAD_PACK. */
int backup_parse(const char *text, size_t n, struct backup_manifest *ret, struct arena *a,
		 struct err *e) NONNULL MUST_USE;
void backup_write(const struct backup_manifest *m, struct buf *out) NONNULL; /* JSON */
/* 0, or ERR_BAD_KEY: made under another master key, or changed. */
int backup_verify(const struct backup_manifest *m, struct keys *keys,
		  struct err *e) NONNULL MUST_USE;
/* The next head at *at, which moves past it: 1, 0 at the end, ERR_BAD_PACK. */
int backup_head_next(const char **at, struct backup_head *ret) NONNULL MUST_USE;

/* Whether this program can use it with what is installed here. ERR_BAD_PACK with why not. */
int backup_check_fit(const struct backup_manifest *m, struct err *e) NONNULL MUST_USE;

struct backup_request {
	const char *path; /* absolute */
	bool force;	  /* replace what is there */
	int client_fd;	  /* stop when the caller closes it; -1 none */
};
typedef void backup_progress_fn(void *ctx, const char *text, int percent);

/* Runs in the agent of a running node, primary or secondary. A primary logs it (BACKUP) once the
 * file is in place. Appends the path to ret_path. */
int backup_run(const struct home *h, const struct settings *s, struct keys *keys,
	       const struct backup_request *rq, backup_progress_fn *progress, void *ctx,
	       struct buf *ret_path, struct err *e) NONNULL MUST_USE;
