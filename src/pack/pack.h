/* SPDX-License-Identifier: Apache-2.0
 *
 * The pack a secondary is made from: HAPack-<name>.zip (PKWARE APPNOTE 6.3, by libarchive) with
 *   pack/manifest.json  plain: for whom, from whom, versions, stream ids; MACed under the master key
 *   pack/node.sealed    JSON: the vault's authority and its sealed key; the secondary's certificates
 *                       for channel and web with their keys; the web certificate of the primary
 *   pack/base.sealed    a base backup, PostgreSQL's tar, in gzip or (from older releases) as it is
 * A sealed part is a sequence of chunks: be32 length ‖ sealed bytes (crypto/keys.h, streams); the
 * last chunk is sealed as the last, so a truncated part is noticed. Blocking.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "crypto/keys.h"

#define PACK_FORMAT 1
#define PACK_MANIFEST_MAX 16384
#define PACK_CHUNK_BYTES (512u << 10)
#define PACK_NODE_MAX (64u << 10)

#define PACK_MANIFEST_NAME "pack/manifest.json"
#define PACK_NODE_NAME "pack/node.sealed"
#define PACK_BASE_NAME "pack/base.sealed"

/* Texts are borrowed: from the arena that pack_manifest_parse was given, or from the maker. */
struct pack_manifest {
	int64_t format;
	const char *version; /* the product's */
	int64_t pg_major;
	const char *pair; /* PostgreSQL's system identifier and the CA's fingerprint */
	const char *primary_id, *primary_name;
	int64_t primary_https_port, primary_pair_port;
	const char *secondary_id, *secondary_name;
	int64_t secondary_https_port, secondary_pair_port;
	const char *slot;
	const char *made_at;		       /* RFC 3339 */
	const char *node_stream, *base_stream; /* 32 hex digits each */
	int64_t base_bytes;		       /* of the tar, not compressed */
	const char *mac;		       /* 64 hex digits */
};

/* Parses and bounds every field; does not check the MAC. ERR_BAD_PACK. */
int pack_manifest_parse(const char *text, size_t n, struct pack_manifest *ret, struct arena *a,
			struct err *e) MUST_USE;
void pack_manifest_write(const struct pack_manifest *m, struct buf *out) NONNULL; /* JSON */
/* What the MAC covers: every field but the MAC, a line each. */
void pack_manifest_canonical(const struct pack_manifest *m, struct buf *out) NONNULL;
/* 0, or ERR_BAD_KEY: made under another master key, or changed. */
int pack_manifest_verify(const struct pack_manifest *m, struct keys *keys,
			 struct err *e) NONNULL MUST_USE;
/* The same for any table of JINT and JTEXT fields (http/json.h), for other kinds of manifest. The
 * canonical text omits the field "mac". */
struct jfield;
void pack_fields_write(const struct jfield *fields, const void *m, struct buf *out) NONNULL;
void pack_fields_canonical(const struct jfield *fields, const void *m, struct buf *out) NONNULL;
/* hex: 64 digits. ERR_BAD_KEY when the MAC does not fit. */
int pack_mac_check(const struct buf *canonical, const char *hex, struct keys *keys,
		   struct err *e) NONNULL MUST_USE;
int pack_stream_id(const char *hex, uint8_t ret[static 16]) NONNULL MUST_USE;

/* ---- writing ---- */
struct pack_writer;

/* Writes beside path; path appears whole, or not at all. An existing file is replaced only if
 * pack_writer_close says so (base/place.h). */
int pack_writer_open(const char *path, struct keys *keys, struct pack_writer **ret,
		     struct err *e) NONNULL MUST_USE;
int pack_writer_begin(struct pack_writer *w, const char *name, const uint8_t stream[static 16],
		      struct err *e) NONNULL MUST_USE;
int pack_writer_add(struct pack_writer *w, const void *p, size_t n, struct err *e) MUST_USE;
int pack_writer_end(struct pack_writer *w, struct err *e) NONNULL MUST_USE; /* of the part begun */
int pack_writer_plain(struct pack_writer *w, const char *name, const void *p, size_t n,
		      struct err *e) MUST_USE;
int pack_writer_close(struct pack_writer *w, bool replace,
		      struct err *e) NONNULL MUST_USE; /* fsync, rename; w is freed in any case */
void pack_writer_abort(struct pack_writer *w);	       /* removes what was written; takes NULL */

/* ---- reading a sealed part from a file ---- */
struct pack_reader;

int pack_reader_open(const char *path, struct keys *keys, const uint8_t stream[static 16],
		     struct pack_reader **ret, struct err *e) NONNULL MUST_USE;
/* The next chunk's plain bytes, borrowed until the next call; *ret_n 0: the end. ERR_BAD_PACK if it
 * is truncated or changed. */
int pack_reader_next(struct pack_reader *r, const void **ret, size_t *ret_n,
		     struct err *e) NONNULL MUST_USE;
void pack_reader_free(struct pack_reader *r);

/* ---- unzipping ---- */

/* A pack's file, open: whoever opens it, root for example, need not be the one who reads it. */
struct pack_zip;

/* A plain file; nothing of it is read yet. ERR_IO. */
int pack_zip_open(const char *path, struct pack_zip **ret, struct err *e) NONNULL MUST_USE;
void pack_zip_free(struct pack_zip *z); /* takes NULL */

/* Reads the manifest out of a zip (appended to ret). ERR_BAD_PACK with what is wrong with the file.
 */
int pack_zip_manifest(struct pack_zip *z, struct buf *ret, struct err *e) NONNULL MUST_USE;

typedef void pack_progress_fn(void *ctx, int64_t done, int64_t total);
/* Puts the three parts, and nothing else, into dir/pack, all or none: what was there before stays
 * until then. progress may be NULL. */
int pack_zip_extract(struct pack_zip *z, const char *dir, pack_progress_fn *progress, void *ctx,
		     struct err *e) MUST_USE;

/* ---- the base backup ---- */

/* Extracts the tar from r, compressed or not (total: its uncompressed bytes, for progress), into dir, which
 * must be empty: plain files and folders only, and no name that leads out of dir. ERR_BAD_PACK, ERR_IO. */
int pack_base_extract(struct pack_reader *r, const char *dir, int64_t total,
		      pack_progress_fn *progress, void *ctx, struct err *e) NONNULL MUST_USE;
