/* SPDX-License-Identifier: Apache-2.0 */
#include "pack/pack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fault.h"
#include "base/home.h"
#include "base/mem.h"
#include "base/place.h"
#include "http/json.h"

#define SEALED_CHUNK_MAX (PACK_CHUNK_BYTES + 4096)
#define AT(field) offsetof(struct pack_manifest, field)

static const struct jfield manifest_fields[] = {
	{ "format", JINT, JREQUIRED, AT(format), 1000 },
	{ "version", JTEXT, JREQUIRED, AT(version), 32 },
	{ "pg_major", JINT, JREQUIRED, AT(pg_major), 1000 },
	{ "pair", JTEXT, JREQUIRED, AT(pair), 128 },
	{ "primary_id", JTEXT, JREQUIRED, AT(primary_id), 36 },
	{ "primary_name", JTEXT, JREQUIRED, AT(primary_name), 255 },
	{ "primary_https_port", JINT, JREQUIRED, AT(primary_https_port), 65535 },
	{ "primary_pair_port", JINT, JREQUIRED, AT(primary_pair_port), 65535 },
	{ "secondary_id", JTEXT, JREQUIRED, AT(secondary_id), 36 },
	{ "secondary_name", JTEXT, JREQUIRED, AT(secondary_name), 255 },
	{ "secondary_https_port", JINT, JREQUIRED, AT(secondary_https_port), 65535 },
	{ "secondary_pair_port", JINT, JREQUIRED, AT(secondary_pair_port), 65535 },
	{ "slot", JTEXT, JREQUIRED, AT(slot), 63 },
	{ "made_at", JTEXT, JREQUIRED, AT(made_at), 32 },
	{ "node_stream", JTEXT, JREQUIRED, AT(node_stream), 32 },
	{ "base_stream", JTEXT, JREQUIRED, AT(base_stream), 32 },
	{ "base_bytes", JINT, JREQUIRED, AT(base_bytes), INT64_MAX },
	{ "mac", JTEXT, JREQUIRED, AT(mac), 64 },
	{ 0 },
};

/* ---- manifest ---- */

static int64_t
int_at(const void *m, const struct jfield *f)
{
	int64_t v;
	memcpy(&v, (const char *)m + f->offset, sizeof(v));
	return v;
}

static const char *
text_at(const void *m, const struct jfield *f)
{
	const char *v;
	memcpy(&v, (const char *)m + f->offset, sizeof(v));
	return v ? v : "";
}

int
pack_stream_id(const char *hex, uint8_t ret[static 16])
{
	size_t n = 0;
	if (strlen(hex) != 32 || sodium_hex2bin(ret, 16, hex, 32, NULL, &n, NULL) != 0 || n != 16)
		return ERR_BAD_PACK;
	return 0;
}

/* A name gets into certificates, file names and connection strings: no path, no quotes, no lines. */
static bool
name_is_plain(const char *name)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:_";

	return *name && name[strspn(name, allowed)] == '\0' && *name != '.' && *name != '-';
}

/* What the table cannot say: ids are ids, names and slots have no odd characters. */
static int
check_manifest(const struct pack_manifest *m, struct err *e)
{
	struct uuid u;
	uint8_t id[16];

	if (uuid_parse(m->primary_id, &u) < 0 || uuid_parse(m->secondary_id, &u) < 0 ||
	    pack_stream_id(m->node_stream, id) < 0 || pack_stream_id(m->base_stream, id) < 0 ||
	    strlen(m->mac) != 64)
		return err_set(e, ERR_BAD_PACK,
			       "the pack's manifest is malformed: an id in it is invalid");
	if (strspn(m->slot, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(m->slot) ||
	    !*m->slot)
		return err_set(e, ERR_BAD_PACK,
			       "the pack's manifest is malformed: the slot's name is invalid");
	if (!name_is_plain(m->primary_name) || !name_is_plain(m->secondary_name) ||
	    !name_is_plain(m->pair) || !name_is_plain(m->version) || !name_is_plain(m->made_at))
		return err_set(
			e, ERR_BAD_PACK,
			"the pack's manifest is malformed: a name in it has characters that names "
			"cannot have");
	if (m->primary_https_port < 1 || m->primary_pair_port < 1 || m->secondary_https_port < 1 ||
	    m->secondary_pair_port < 1)
		return err_set(e, ERR_BAD_PACK, "the pack's manifest is malformed: a port is 0");
	return 0;
}

int
pack_manifest_parse(const char *text, size_t n, struct pack_manifest *ret, struct arena *a,
		    struct err *e)
{
	struct pack_manifest m = { 0 };
	uint64_t seen;

	if (n > PACK_MANIFEST_MAX)
		return err_set(e, ERR_BAD_PACK, "the pack's manifest is longer than %d bytes",
			       PACK_MANIFEST_MAX);
	if (json_parse_body(text, n, manifest_fields, &m, &seen, a, e) < 0) {
		if (e)
			e->code = ERR_BAD_PACK;
		err_prefix(e, "the pack's manifest is malformed: ");
		return ERR_BAD_PACK;
	}
	int rc = check_manifest(&m, e);
	if (rc < 0)
		return rc;
	*ret = m;
	return 0;
}

void
pack_fields_write(const struct jfield *fields, const void *m, struct buf *out)
{
	struct json_out w;

	json_out_init(&w, out);
	json_out_object(&w, NULL);
	for (const struct jfield *f = fields; f->name; f++) {
		if (f->kind == JINT)
			json_out_int(&w, f->name, int_at(m, f));
		else
			json_out_text(&w, f->name, text_at(m, f));
	}
	json_out_end_object(&w);
}

void
pack_fields_canonical(const struct jfield *fields, const void *m, struct buf *out)
{
	for (const struct jfield *f = fields; f->name; f++) {
		if (strcmp(f->name, "mac") == 0)
			continue;
		if (f->kind == JINT)
			buf_addf(out, "%s=%lld\n", f->name, (long long)int_at(m, f));
		else
			buf_addf(out, "%s=%s\n", f->name, text_at(m, f));
	}
}

void
pack_manifest_write(const struct pack_manifest *m, struct buf *out)
{
	pack_fields_write(manifest_fields, m, out);
}

void
pack_manifest_canonical(const struct pack_manifest *m, struct buf *out)
{
	pack_fields_canonical(manifest_fields, m, out);
}

int
pack_mac_check(const struct buf *canonical, const char *hex, struct keys *keys, struct err *e)
{
	uint8_t mac[KEYS_HASH_BYTES], given[KEYS_HASH_BYTES];
	size_t n = 0;

	int rc = keys_mac(keys, NULL, KEYS_MANIFEST, canonical->data, canonical->len, mac, e);
	if (rc < 0)
		return rc;
	if (sodium_hex2bin(given, sizeof(given), hex, strlen(hex), NULL, &n, NULL) != 0 ||
	    n != sizeof(given) || sodium_memcmp(mac, given, sizeof(mac)) != 0)
		return err_set(e, ERR_BAD_KEY, "the manifest's MAC does not fit");
	return 0;
}

int
pack_manifest_verify(const struct pack_manifest *m, struct keys *keys, struct err *e)
{
	auto_buf text = BUF_INIT;

	pack_manifest_canonical(m, &text);
	int rc = pack_mac_check(&text, m->mac, keys, e);
	if (rc != ERR_BAD_KEY)
		return rc;
	return err_set(e, ERR_BAD_KEY,
		       "the pack was made under another master key, or was changed in transit. "
		       "Give this node a copy of the primary's master key file "
		       "(conf/manage_key.conf says where it is)");
}

/* ---- writing ---- */

struct pack_writer {
	struct archive *zip;
	struct archive_entry *entry;
	struct keys *keys;
	uint8_t stream[16];
	uint64_t index;
	struct buf pending; /* plain bytes of the chunk being filled */
	int fd;
	char path[HOME_PATH_MAX], part[HOME_PATH_MAX + 8];
};

/* The system's own word for what stood in the way, and what to do about it. */
static int
zip_failed(struct pack_writer *w, const char *what, struct err *e)
{
	int sys = w->fd < 0 ? errno : archive_errno(w->zip);
	const char *why = sys > 0 ? strerror(sys) : archive_error_string(w->zip);
	const char *hint = sys == EACCES || sys == EPERM
				   ? ": the user that Holdfast runs as must be able to write in "
				     "this folder"
			   : sys == ENOSPC || sys == EDQUOT ? ": make room there, and repeat"
							    : "";
	return err_set(e, ERR_IO, "cannot %s %s: %s%s", what, w->part, why ? why : "unknown", hint);
}

int
pack_writer_open(const char *path, struct keys *keys, struct pack_writer **ret, struct err *e)
{
	struct pack_writer *w = mem_new(sizeof(*w));
	w->keys = keys;
	snprintf(w->path, sizeof(w->path), "%s", path);
	snprintf(w->part, sizeof(w->part), "%s.part", w->path);
	unlink(w->part);
	w->fd = FAULT(FILE_CREATE, -1,
		      open(w->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
	w->zip = mem_have(archive_write_new());
	w->entry = mem_have(archive_entry_new());
	/* Sealed bytes do not shrink. */
	if (archive_write_set_format_zip(w->zip) != ARCHIVE_OK ||
	    archive_write_set_options(w->zip, "zip:compression=store") != ARCHIVE_OK || w->fd < 0 ||
	    FAULT(ARCHIVE_WRITE, ARCHIVE_FATAL, archive_write_open_fd(w->zip, w->fd)) !=
		    ARCHIVE_OK) {
		int rc = zip_failed(w, "write", e);
		pack_writer_abort(w);
		return rc;
	}
	*ret = w;
	return 0;
}

static int
begin_entry(struct pack_writer *w, const char *name, int64_t size, struct err *e)
{
	archive_entry_clear(w->entry);
	archive_entry_set_pathname(w->entry, name);
	archive_entry_set_filetype(w->entry, AE_IFREG);
	archive_entry_set_perm(w->entry, 0600);
	archive_entry_set_mtime(w->entry, clock_now_us() / 1000000, 0);
	if (size >= 0)
		archive_entry_set_size(w->entry, size);
	else
		archive_entry_unset_size(w->entry);
	int got = FAULT(ARCHIVE_WRITE, ARCHIVE_FATAL, archive_write_header(w->zip, w->entry));
	return got == ARCHIVE_OK ? 0 : zip_failed(w, "write", e);
}

static int
put(struct pack_writer *w, const void *p, size_t n, struct err *e)
{
	la_ssize_t put = FAULT(ARCHIVE_WRITE, -1, archive_write_data(w->zip, p, n));
	return put == (la_ssize_t)n ? 0 : zip_failed(w, "write", e);
}

int
pack_writer_begin(struct pack_writer *w, const char *name, const uint8_t stream[static 16],
		  struct err *e)
{
	memcpy(w->stream, stream, sizeof(w->stream));
	w->index = 0;
	buf_reset(&w->pending);
	return begin_entry(w, name, -1, e);
}

static int
put_chunk(struct pack_writer *w, bool last, struct err *e)
{
	auto_buf sealed = BUF_INIT, head = BUF_INIT;

	int rc = keys_stream_seal(w->keys, NULL, w->stream, w->index++, last, buf_str(&w->pending),
				  w->pending.len, &sealed, e);
	if (rc < 0)
		return rc;
	buf_add_be32(&head, (uint32_t)sealed.len);
	rc = put(w, head.data, head.len, e);
	if (rc == 0)
		rc = put(w, sealed.data, sealed.len, e);
	buf_reset(&w->pending);
	return rc;
}

int
pack_writer_add(struct pack_writer *w, const void *p, size_t n, struct err *e)
{
	const uint8_t *bytes = p;

	while (n) {
		size_t room = PACK_CHUNK_BYTES - w->pending.len, take = n < room ? n : room;
		/* A full chunk goes out only when more follows: the last one is bound as the last.
		 */
		if (room == 0) {
			int rc = put_chunk(w, false, e);
			if (rc < 0)
				return rc;
			continue;
		}
		buf_add(&w->pending, bytes, take);
		bytes += take;
		n -= take;
	}
	return 0;
}

int
pack_writer_end(struct pack_writer *w, struct err *e)
{
	return put_chunk(w, true, e);
}

int
pack_writer_plain(struct pack_writer *w, const char *name, const void *p, size_t n, struct err *e)
{
	int rc = begin_entry(w, name, (int64_t)n, e);
	return rc < 0 ? rc : put(w, p, n, e);
}

static void
writer_free(struct pack_writer *w)
{
	archive_entry_free(w->entry);
	archive_write_free(w->zip);
	if (w->fd >= 0)
		close(w->fd);
	buf_done(&w->pending);
	free(w);
}

static int
sync_and_place(const struct pack_writer *w, bool replace, struct err *e)
{
	if (FAULT(FILE_SYNC, -1, fsync(w->fd)) < 0)
		return err_errno(e, ERR_IO, "cannot write %s", w->part);
	return place_file(w->part, w->path, replace, e);
}

int
pack_writer_close(struct pack_writer *w, bool replace, struct err *e)
{
	int got = FAULT(ARCHIVE_WRITE, ARCHIVE_FATAL, archive_write_close(w->zip));
	int rc = got == ARCHIVE_OK ? 0 : zip_failed(w, "finish", e);
	if (rc == 0)
		rc = sync_and_place(w, replace, e);
	if (rc < 0)
		unlink(w->part);
	writer_free(w);
	return rc;
}

void
pack_writer_abort(struct pack_writer *w)
{
	if (!w)
		return;
	unlink(w->part);
	writer_free(w);
}

/* ---- reading ---- */

struct pack_reader {
	FILE *f;
	struct keys *keys;
	uint8_t stream[16];
	uint64_t index;
	bool ended;
	struct buf sealed, plain;
	char path[HOME_PATH_MAX];
};

int
pack_reader_open(const char *path, struct keys *keys, const uint8_t stream[static 16],
		 struct pack_reader **ret, struct err *e)
{
	FILE *f = FAULT(FILE_OPEN, NULL, fopen(path, "rbe"));
	if (!f)
		return err_errno(e, errno == ENOENT ? ERR_BAD_PACK : ERR_IO, "cannot open %s",
				 path);
	struct pack_reader *r = mem_new(sizeof(*r));
	r->f = f;
	r->keys = keys;
	memcpy(r->stream, stream, sizeof(r->stream));
	snprintf(r->path, sizeof(r->path), "%s", path);
	*ret = r;
	return 0;
}

static int
cut_short(const struct pack_reader *r, struct err *e)
{
	return err_set(e, ERR_BAD_PACK, "%s is cut short or damaged: copy the pack here again",
		       r->path);
}

/* The next sealed chunk, and whether it is the file's last. */
static int
read_sealed(struct pack_reader *r, bool *ret_last, struct err *e)
{
	uint8_t head[4];

	if (FAULT(FILE_READ, 0, fread(head, 1, sizeof(head), r->f)) != sizeof(head))
		return cut_short(r, e);
	size_t n = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
	if (n > SEALED_CHUNK_MAX)
		return cut_short(r, e);
	buf_reset(&r->sealed);
	buf_reserve(&r->sealed, n);
	if (FAULT(FILE_READ, 0, fread(r->sealed.data, 1, n, r->f)) != n)
		return cut_short(r, e);
	r->sealed.len = n;
	int c = fgetc(r->f);
	*ret_last = c == EOF;
	if (c != EOF)
		ungetc(c, r->f);
	return 0;
}

int
pack_reader_next(struct pack_reader *r, const void **ret, size_t *ret_n, struct err *e)
{
	bool last = false;

	*ret_n = 0;
	if (r->ended)
		return 0;
	int rc = read_sealed(r, &last, e);
	if (rc < 0)
		return rc;
	buf_reset(&r->plain);
	rc = keys_stream_open(r->keys, NULL, r->stream, r->index++, last, r->sealed.data,
			      r->sealed.len, &r->plain, e);
	if (rc == ERR_CRYPTO)
		return cut_short(r, e);
	if (rc < 0)
		return rc;
	r->ended = last;
	*ret = buf_str(&r->plain);
	*ret_n = r->plain.len;
	return 0;
}

void
pack_reader_free(struct pack_reader *r)
{
	if (!r)
		return;
	fclose(r->f);
	buf_done(&r->sealed);
	buf_done(&r->plain);
	free(r);
}

/* ---- unzipping ---- */

struct pack_zip {
	char *path; /* for messages */
	int fd;
	char bytes[65536];
};

static int
cannot_open(const char *path, struct err *e)
{
	switch (errno) {
	case ENOENT:
	case ENOTDIR:
		return err_errno(e, ERR_NOT_FOUND, "there is no file %s", path);
	case EACCES:
	case EPERM:
		return err_errno(e, ERR_FORBIDDEN,
				 "no permission to read %s: make the user that runs this its "
				 "owner, or run this as root",
				 path);
	default:
		return err_errno(e, ERR_IO, "cannot read %s", path);
	}
}

int
pack_zip_open(const char *path, struct pack_zip **ret, struct err *e)
{
	struct stat st;
	int fd = FAULT(FILE_OPEN, -1, open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));

	if (fd < 0 || fstat(fd, &st) < 0) {
		int rc = cannot_open(path, e);
		if (fd >= 0)
			close(fd);
		return rc;
	}
	if (!S_ISREG(st.st_mode)) {
		close(fd);
		return err_set(e, ERR_BAD_PACK, "%s is %s: name the file itself", path,
			       S_ISDIR(st.st_mode) ? "a folder" : "not a plain file");
	}
	if (!st.st_size) {
		close(fd);
		return err_set(e, ERR_BAD_PACK, "%s is empty: copy it here again", path);
	}
	struct pack_zip *z = mem_new(sizeof(*z));
	z->path = mem_dup(path);
	z->fd = fd;
	*ret = z;
	return 0;
}

void
pack_zip_free(struct pack_zip *z)
{
	if (!z)
		return;
	close(z->fd);
	free(z->path);
	free(z);
}

static la_ssize_t
read_zip(struct archive *a, void *ctx, const void **ret)
{
	struct pack_zip *z = ctx;
	ssize_t n;

	do
		n = read(z->fd, z->bytes, sizeof(z->bytes));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		archive_set_error(a, errno, "cannot read it");
	*ret = z->bytes;
	return n;
}

static la_int64_t
seek_zip(struct archive *a, void *ctx, la_int64_t at, int whence)
{
	const struct pack_zip *z = ctx;
	off_t to = lseek(z->fd, at, whence);

	if (to >= 0)
		return to;
	archive_set_error(a, errno, "cannot read it");
	return ARCHIVE_FATAL;
}

/* libarchive's words are of no use to whoever has a file that is not what it should be. Its numbers for that are EILSEQ and EINVAL; others are the disk's. */
static int
damaged(struct archive *a, const char *path, struct err *e)
{
	int sys = archive_errno(a);

	if (sys > 0 && sys != EILSEQ && sys != EINVAL) {
		errno = sys;
		return err_errno(e, ERR_IO, "cannot read %s", path);
	}
	return err_set(e, ERR_BAD_PACK, "%s is damaged or cut short: copy it here again", path);
}

/* Anything else that is there: a certificate, a key, a page that a browser saved in its place. */
static int
check_kind(const struct pack_zip *z, struct err *e)
{
	static const char begins[] = { 'P', 'K', 3, 4 };
	char head[sizeof(begins)];

	if (pread(z->fd, head, sizeof(head), 0) == sizeof(head) &&
	    memcmp(head, begins, sizeof(head)) == 0)
		return 0;
	return err_set(e, ERR_BAD_PACK,
		       "%s is neither a pack (`holdfast ha setup` writes those) nor a backup "
		       "(`holdfast backup` does): is it another file, or was it damaged in "
		       "transit?",
		       z->path);
}

/* From the file's beginning, with seeking: a ZIP has its table at the end. */
static int
open_zip(struct pack_zip *z, struct archive **ret, struct err *e)
{
	struct archive *a = mem_have(archive_read_new());

	if (lseek(z->fd, 0, SEEK_SET) < 0 || archive_read_support_format_zip(a) != ARCHIVE_OK ||
	    archive_read_set_read_callback(a, read_zip) != ARCHIVE_OK ||
	    archive_read_set_seek_callback(a, seek_zip) != ARCHIVE_OK ||
	    archive_read_set_callback_data(a, z) != ARCHIVE_OK ||
	    FAULT(ARCHIVE_READ, ARCHIVE_FATAL, archive_read_open1(a)) != ARCHIVE_OK) {
		int rc = damaged(a, z->path, e);
		archive_read_free(a);
		return rc;
	}
	*ret = a;
	return 0;
}

/* A name that is no text has no meaning here. */
static bool
is_named(struct archive_entry *entry, const char *name)
{
	const char *its = archive_entry_pathname(entry);
	return its && strcmp(its, name) == 0;
}

int
pack_zip_manifest(struct pack_zip *z, struct buf *ret, struct err *e)
{
	struct archive *a = NULL;
	struct archive_entry *entry;
	char bytes[4096];
	int got, rc = check_kind(z, e);
	if (rc == 0)
		rc = open_zip(z, &a, e);
	if (rc < 0)
		return rc;
	while ((got = FAULT(ARCHIVE_READ, ARCHIVE_FATAL, archive_read_next_header(a, &entry))) ==
	       ARCHIVE_OK)
		if (is_named(entry, PACK_MANIFEST_NAME))
			break;
	if (got != ARCHIVE_OK)
		rc = got == ARCHIVE_EOF
			     ? err_set(e, ERR_BAD_PACK,
				       "%s is neither a pack nor a backup of Holdfast, or is "
				       "damaged: it has no manifest",
				       z->path)
			     : damaged(a, z->path, e);
	la_ssize_t n = 0;
	while (rc == 0 &&
	       (n = FAULT(ARCHIVE_READ, -1, archive_read_data(a, bytes, sizeof(bytes)))) > 0) {
		buf_add(ret, bytes, (size_t)n);
		if (ret->len > PACK_MANIFEST_MAX)
			rc = err_set(e, ERR_BAD_PACK, "the manifest of %s is too long", z->path);
	}
	if (n < 0)
		rc = damaged(a, z->path, e);
	archive_read_free(a);
	return rc;
}

struct extraction {
	struct archive *a;
	struct pack_zip *zip;
	const char *dir; /* where the parts go */
	pack_progress_fn *progress;
	void *ctx;
	int64_t done, total;
};

static int
extract_part(struct extraction *x, const char *name, struct err *e)
{
	char path[HOME_PATH_MAX + 64];
	const void *p;
	size_t n;
	la_int64_t at;
	int got, rc = 0;

	snprintf(path, sizeof(path), "%s%s", x->dir, strrchr(name, '/'));
	int fd = FAULT(FILE_CREATE, -1,
		       open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
	if (fd < 0)
		return err_errno(e, ERR_IO, "cannot write %s", path);
	while (rc == 0 &&
	       (got = FAULT(ARCHIVE_READ, ARCHIVE_FATAL,
			    archive_read_data_block(x->a, &p, &n, &at))) != ARCHIVE_EOF) {
		if (got != ARCHIVE_OK)
			rc = damaged(x->a, x->zip->path, e);
		else if (FAULT(FILE_WRITE, -1, pwrite(fd, p, n, (off_t)at)) != (ssize_t)n)
			rc = err_errno(e, ERR_IO, "cannot write %s", path);
		x->done += (int64_t)n;
		if (x->progress)
			x->progress(x->ctx, x->done, x->total);
	}
	if (rc == 0 && FAULT(FILE_SYNC, -1, fsync(fd)) < 0)
		rc = err_errno(e, ERR_IO, "cannot write %s", path);
	close(fd);
	return rc;
}

static int
extract_all(struct extraction *x, struct err *e)
{
	static const char *const names[] = { PACK_NODE_NAME, PACK_BASE_NAME };
	unsigned found = 0;
	struct archive_entry *entry;
	int got, rc = 0;

	while (rc == 0 && (got = FAULT(ARCHIVE_READ, ARCHIVE_FATAL,
				       archive_read_next_header(x->a, &entry))) == ARCHIVE_OK) {
		for (unsigned i = 0; rc == 0 && i < ARRAY_LEN(names); i++)
			if (is_named(entry, names[i])) {
				rc = extract_part(x, names[i], e);
				found |= 1u << i;
			}
	}
	if (rc == 0 && got != ARCHIVE_EOF)
		rc = damaged(x->a, x->zip->path, e);
	if (rc == 0 && found != (1u << ARRAY_LEN(names)) - 1)
		rc = err_set(e, ERR_BAD_PACK,
			     "%s is damaged: a part of it is missing; copy it here again",
			     x->zip->path);
	return rc;
}

/* Beside; the manifest last. */
static int
extract_beside(struct extraction *x, const struct buf *manifest, struct err *e)
{
	char path[HOME_PATH_MAX + 64];
	int rc = home_remove_tree(x->dir, e);

	if (rc == 0)
		rc = home_mkdirs(x->dir, 0700, e);
	if (rc == 0)
		rc = open_zip(x->zip, &x->a, e);
	if (rc < 0)
		return rc;
	rc = extract_all(x, e);
	archive_read_free(x->a);
	snprintf(path, sizeof(path), "%s%s", x->dir, strrchr(PACK_MANIFEST_NAME, '/'));
	return rc == 0 ? home_write_file(path, manifest->data, manifest->len, 0600, e) : rc;
}

int
pack_zip_extract(struct pack_zip *z, const char *dir, pack_progress_fn *progress, void *ctx,
		 struct err *e)
{
	char pack[HOME_PATH_MAX + 16], beside[HOME_PATH_MAX + 16];
	struct extraction x = { .zip = z, .dir = beside, .progress = progress, .ctx = ctx };
	auto_buf manifest = BUF_INIT;
	struct err ignored;
	struct stat st;

	if (fstat(z->fd, &st) < 0)
		return err_errno(e, ERR_IO, "cannot read %s", z->path);
	x.total = st.st_size;
	snprintf(pack, sizeof(pack), "%s/pack", dir);
	snprintf(beside, sizeof(beside), "%s/pack.new", dir);
	int rc = pack_zip_manifest(z, &manifest, e);
	if (rc < 0)
		return rc;
	rc = extract_beside(&x, &manifest, e);
	if (rc == 0)
		rc = home_remove_tree(pack, e);
	if (rc == 0 && FAULT(FILE_RENAME, -1, rename(beside, pack)) < 0)
		rc = err_errno(e, ERR_IO, "cannot put %s into its place", beside);
	if (rc < 0 && home_remove_tree(beside, &ignored) < 0)
		err_prefix(e, "%s could not be removed: ", beside);
	return rc;
}
