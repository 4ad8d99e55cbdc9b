/* SPDX-License-Identifier: Apache-2.0
 *
 * The journal file as somebody else left it. The first byte chooses: the rest is the whole file; or
 * the rest are overwrites (offset, length, bytes) of a good journal. Whatever it is, it is opened and read or
 * refused; nothing else.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/journal.h"

#define ROWS 40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct uuid node = { { 1 } };

struct fuzz {
	char dir[64], path[96];
	void *good;
	size_t good_len;
};

static void
remove_files(const struct fuzz *z)
{
	static const char *const ends[] = { "", "-wal", "-shm", "-journal" };
	char p[128];

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		snprintf(p, sizeof p, "%s%s", z->path, ends[i]);
		unlink(p);
	}
}

static void
write_file(const struct fuzz *z, const void *p, size_t n)
{
	int fd = open(z->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, p, n) != (ssize_t)n)
		abort();
	close(fd);
}

static void
keep_good(struct fuzz *z)
{
	struct stat st;
	int fd = open(z->path, O_RDONLY);

	if (fd < 0 || fstat(fd, &st) != 0)
		abort();
	z->good_len = (size_t)st.st_size;
	z->good = malloc(z->good_len);
	if (z->good == NULL || read(fd, z->good, z->good_len) != (ssize_t)z->good_len)
		abort();
	close(fd);
}

static void
make_good(struct fuzz *z)
{
	static const char body[500];
	struct journal *j;
	struct err e;

	snprintf(z->dir, sizeof z->dir, "/dev/shm/holdfast-fuzz-XXXXXX");
	if (mkdtemp(z->dir) == NULL)
		abort();
	snprintf(z->path, sizeof z->path, "%s/journal.db", z->dir);
	if (journal_open(z->path, &node, &j, &e) != 0)
		abort();
	for (int64_t seq = 1; seq <= ROWS; seq++) {
		struct journal_row r = { .seq = seq, .event = body, .len = (size_t)seq * 10 };

		if (journal_append(j, &r, 1, &e) != 0)
			abort();
	}
	journal_free(j);
	keep_good(z);
}

static void
overwrite(const struct fuzz *z, const uint8_t *data, size_t size)
{
	struct cursor c = { .p = data, .left = size };
	uint8_t *copy = malloc(z->good_len);

	if (copy == NULL)
		abort();
	memcpy(copy, z->good, z->good_len);
	while (c.left > 0 && !c.bad) {
		size_t at = cursor_be16(&c) % z->good_len, n = cursor_u8(&c) % 64u;
		const uint8_t *p = cursor_bytes(&c, n);

		if (p != NULL && at + n <= z->good_len)
			memcpy(copy + at, p, n);
	}
	write_file(z, copy, z->good_len);
	free(copy);
}

static int
touch_row(void *ctx, const struct journal_row *row)
{
	const uint8_t *p = row->event;
	unsigned *sum = ctx;

	if (row->len > JOURNAL_EVENT_MAX)
		abort();
	for (size_t i = 0; i < row->len; i++)
		*sum += p[i];
	return 0;
}

static void
use(const struct fuzz *z)
{
	struct journal *j = NULL;
	struct err e = { 0 };
	int64_t count, seq;
	uint8_t hash[32];
	unsigned sum = 0;

	if (journal_open(z->path, &node, &j, &e) != 0) {
		if (e.text[0] == '\0' || j != NULL)
			abort();
		return;
	}
	(void)!journal_each(j, 0, 1000, touch_row, &sum, &e);
	if (journal_head(j, &count, &seq, hash, &e) == 0) {
		struct journal_row r = { .seq = seq + 1, .event = "x", .len = 1 };

		(void)!journal_append(j, &r, seq < INT64_MAX ? 1 : 0, &e);
		(void)!journal_drop(j, seq / 2, &e);
	}
	journal_free(j);
}

static struct fuzz z; /* of the fuzzer, not of the product */

static void
remove_folder(void)
{
	remove_files(&z);
	rmdir(z.dir);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (z.good == NULL) {
		make_good(&z);
		atexit(remove_folder);
	}
	if (size == 0)
		return 0;
	remove_files(&z);
	if (data[0] & 1)
		write_file(&z, data + 1, size - 1);
	else
		overwrite(&z, data + 1, size - 1);
	use(&z);
	remove_files(&z);
	return 0;
}
