/* SPDX-License-Identifier: Apache-2.0
 *
 * The base backup inside a pack: extracts PostgreSQL's tar into a folder without trusting any name
 * in it.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/fault.h"
#include "base/home.h"
#include "pack/pack.h"

#define TAR_RECORD_BYTES 10240 /* POSIX, pax: twenty blocks */
#define NAME_MAX_BYTES 400

struct source {
	struct pack_reader *r;
	int64_t total;
	pack_progress_fn *progress;
	void *ctx;
	struct err err;
};

static la_ssize_t
give_bytes(struct archive *a, void *ctx, const void **ret)
{
	struct source *s = ctx;
	size_t n;

	s->progress(s->ctx, archive_filter_bytes(a, 0), s->total);
	if (pack_reader_next(s->r, ret, &n, &s->err) < 0) {
		archive_set_error(a, EIO, "%s", s->err.text);
		return -1;
	}
	return (la_ssize_t)n;
}

/* PostgreSQL's tar holds plain files and folders below the data folder; nothing else is taken. */
static bool
safe_name(const char *name)
{
	if (!name || !*name || *name == '/' || strlen(name) > NAME_MAX_BYTES)
		return false;
	for (const char *p = name; p; p = strchr(p, '/') ? strchr(p, '/') + 1 : NULL)
		if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || p[2] == '\0'))
			return false;
	return true;
}

static int
damaged(struct err *e)
{
	return err_set(e, ERR_BAD_PACK,
		       "the copy of the database in the file is damaged: copy the file here again");
}

static int
write_entry(struct archive *a, const char *path, struct err *e)
{
	const void *p;
	size_t n;
	la_int64_t at;
	int got, rc = 0;

	int fd = FAULT(FILE_CREATE, -1,
		       open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
	if (fd < 0)
		return err_errno(e, ERR_IO, "cannot write %s", path);
	while (rc == 0 && (got = FAULT(ARCHIVE_READ, ARCHIVE_FATAL,
				       archive_read_data_block(a, &p, &n, &at))) != ARCHIVE_EOF) {
		if (got != ARCHIVE_OK)
			rc = damaged(e);
		else if (FAULT(FILE_WRITE, -1, pwrite(fd, p, n, (off_t)at)) != (ssize_t)n)
			rc = err_errno(e, ERR_IO, "cannot write %s", path);
	}
	if (close(fd) < 0 && rc == 0)
		rc = err_errno(e, ERR_IO, "cannot write %s", path);
	return rc;
}

static int
extract_entry(struct archive *a, struct archive_entry *entry, const char *dir, struct err *e)
{
	char path[HOME_PATH_MAX + NAME_MAX_BYTES];
	const char *name = archive_entry_pathname(entry);
	mode_t type = archive_entry_filetype(entry);

	if (!safe_name(name) || (type != AE_IFREG && type != AE_IFDIR))
		return err_set(e, ERR_BAD_PACK,
			       "the base backup in the pack contains something that is not a file "
			       "of a database");
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return type == AE_IFDIR ? home_mkdirs(path, 0700, e) : write_entry(a, path, e);
}

/* What lies behind the end of an archive fills its last record, and is not read. */
static int
check_length(int64_t got, int64_t total, struct err *e)
{
	if (got <= total && total - got < TAR_RECORD_BYTES)
		return 0;
	return err_set(e, ERR_BAD_PACK, "the base backup is not as long as its manifest says");
}

int
pack_base_extract(struct pack_reader *r, const char *dir, int64_t total, pack_progress_fn *progress,
		  void *ctx, struct err *e)
{
	struct source s = { .r = r, .total = total, .progress = progress, .ctx = ctx };
	struct archive *a = archive_read_new();
	struct archive_entry *entry;
	int got = ARCHIVE_FATAL, rc = 0;

	archive_read_support_filter_gzip(a);
	archive_read_support_format_tar(a);
	if (FAULT(ARCHIVE_READ, ARCHIVE_FATAL, archive_read_open(a, &s, NULL, give_bytes, NULL)) ==
	    ARCHIVE_OK)
		got = ARCHIVE_OK;
	while (rc == 0 && got == ARCHIVE_OK &&
	       (got = FAULT(ARCHIVE_READ, ARCHIVE_FATAL, archive_read_next_header(a, &entry))) ==
		       ARCHIVE_OK)
		rc = extract_entry(a, entry, dir, e);
	if (s.err.code && rc != ERR_IO) {
		*e = s.err;
		rc = s.err.code;
	} else if (rc == 0 && got != ARCHIVE_EOF) {
		rc = damaged(e);
	} else if (rc == 0) {
		rc = check_length(archive_filter_bytes(a, 0), total, e);
	}
	archive_read_free(a);
	return rc;
}
