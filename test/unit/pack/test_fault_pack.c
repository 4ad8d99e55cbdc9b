/* SPDX-License-Identifier: Apache-2.0
 *
 * The pack with each outside call failing once: it is there whole or not at all, nothing is left beside it, and what was
 * made of it is what was put in.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "../sweep.h"
#include "base/home.h"
#include "crypto/keyproto.h"
#include "crypto/keyfile.h"
#include "crypto/keyring.h"
#include "pack/basebackup.h"
#include "pack/pack.h"
#include "pg/cluster.h"

#define NODE_TEXT "the private key of the node"

static const uint8_t node_stream[16] = { 1 }, base_stream[16] = { 2 };
static char dir[64], key_path[96], tar_path[96];
static struct buf tar;

/* ---- a keyring behind a socket ---- */

static struct keyring *ring;
static struct keys *keys;
static pthread_t thread;

static bool
answer_one(int fd)
{
	uint8_t head[4];
	struct err e;

	if (recv(fd, head, 4, MSG_WAITALL) != 4)
		return false;
	size_t n = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
	auto_buf answer = BUF_INIT;
	uint8_t *frame = malloc(n + 1);
	bool good = recv(fd, frame, n, MSG_WAITALL) == (ssize_t)n &&
		    keyring_serve(ring, KEYPROTO_INIT, frame, n, &answer, &e) == 0 &&
		    send(fd, answer.data, answer.len, MSG_NOSIGNAL) == (ssize_t)answer.len;
	free(frame);
	return good;
}

static void *
serve(void *arg)
{
	int fd = (int)(intptr_t)arg;

	while (answer_one(fd))
		;
	close(fd);
	return NULL;
}

static void
keys_begin(void)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(pthread_create(&thread, NULL, serve, (void *)(intptr_t)fds[1]), 0);
	keys = keys_new(NULL, fds[0]);
}

static void
keys_end(void)
{
	keys_free(keys);
	pthread_join(thread, NULL);
}

/* As the supervisor does when the connection broke. */
static void
keys_again(void)
{
	if (keys_available(keys))
		return;
	keys_end();
	keys_begin();
}

/* ---- */

static int
write_part(struct pack_writer *w, const char *name, const uint8_t stream[static 16], const void *p,
	   size_t n, struct err *e)
{
	int rc = pack_writer_begin(w, name, stream, e);

	if (rc == 0)
		rc = pack_writer_add(w, p, n, e);
	return rc == 0 ? pack_writer_end(w, e) : rc;
}

static int
make_pack(const char *zip, struct err *e)
{
	struct pack_writer *w;
	int rc = pack_writer_open(zip, keys, &w, e);

	if (rc)
		return rc;
	rc = write_part(w, PACK_NODE_NAME, node_stream, NODE_TEXT, strlen(NODE_TEXT), e);
	if (rc == 0)
		rc = write_part(w, PACK_BASE_NAME, base_stream, tar.data, tar.len, e);
	if (rc == 0)
		rc = pack_writer_plain(w, PACK_MANIFEST_NAME, "{}", 2, e);
	if (rc == 0)
		return pack_writer_close(w, true, e);
	pack_writer_abort(w);
	return rc;
}

static void
no_progress(void *ctx, int64_t done, int64_t total)
{
}

/* By how much the manifest is wrong about the length of the base backup. */
static int64_t amiss;

/* As unpacking does it: into an empty folder. */
static int
open_pack(const char *zip, const char *home, struct err *e)
{
	char path[256], base[256];
	auto_buf manifest = BUF_INIT, node = BUF_INIT;
	struct pack_reader *r;
	const void *p;
	size_t n;
	struct pack_zip *z = NULL;
	int rc = pack_zip_open(zip, &z, e);

	if (rc == 0)
		rc = pack_zip_manifest(z, &manifest, e);
	if (rc == 0)
		rc = pack_zip_extract(z, home, NULL, NULL, e);
	pack_zip_free(z);
	snprintf(path, sizeof(path), "%s/%s", home, PACK_NODE_NAME);
	if (rc == 0)
		rc = pack_reader_open(path, keys, node_stream, &r, e);
	if (rc)
		return rc;
	while ((rc = pack_reader_next(r, &p, &n, e)) == 0 && n)
		buf_add(&node, p, n);
	pack_reader_free(r);
	if (rc)
		return rc;
	assert_string_equal(buf_str(&node), NODE_TEXT);
	snprintf(path, sizeof(path), "%s/%s", home, PACK_BASE_NAME);
	snprintf(base, sizeof(base), "%s/pg", home);
	rc = access(base, F_OK) == 0 ? home_remove_tree(base, e) : 0;
	if (rc == 0)
		rc = home_mkdirs(base, 0700, e);
	if (rc == 0)
		rc = pack_reader_open(path, keys, base_stream, &r, e);
	if (rc)
		return rc;
	rc = pack_base_extract(r, base, (int64_t)tar.len + amiss, no_progress, &tar, e);
	pack_reader_free(r);
	return rc;
}

static void
expect_entries(const char *path, int wanted)
{
	DIR *d = opendir(path);
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	assert_int_equal(n - 2, wanted);
}

static void
work(void *arg)
{
	char zip[128], home[128], file[256];
	struct err e = { 0 };
	int rc;

	keys_begin();
	snprintf(zip, sizeof(zip), "%s/out/a.zip", dir);
	snprintf(home, sizeof(home), "%s/out/home", dir);
	SWEEP_AGAIN(home_mkdirs(home, 0700, &e));
	rc = make_pack(zip, &e);
	if (rc) {
		assert_true(fault_fired());
		assert_true(e.text[0]);
		expect_entries(home, 0);
		snprintf(file, sizeof(file), "%s/out", dir);
		if (access(zip, F_OK) == 0) { /* it is not known whether its name will last */
			assert_non_null(strstr(fault_where(), "sync_folder"));
			expect_entries(file, 2);
		} else {
			expect_entries(file, 1); /* the home alone */
		}
		keys_again();
		assert_int_equal(make_pack(zip, &e), 0);
	}
	rc = open_pack(zip, home, &e);
	if (rc) {
		assert_true(fault_fired());
		assert_true(e.text[0]);
		keys_again();
		assert_int_equal(open_pack(zip, home, &e), 0);
	}
	for (int i = 0; i < 3; i++) {
		auto_buf got = BUF_INIT;
		char wanted[32];

		snprintf(file, sizeof(file), "%s/pg/base/file%d", home, i);
		SWEEP_AGAIN(home_read_file(file, 100, &got, &e));
		snprintf(wanted, sizeof(wanted), "page %d\n", i);
		assert_string_equal(buf_str(&got), wanted);
	}
	keys_end();
	snprintf(file, sizeof(file), "%s/out", dir);
	SWEEP_AGAIN(home_remove_tree(file, &e));
}

static void
a_pack_is_whole_or_not_there(void **state)
{
	assert_true(sweep(work, NULL) > 80);
}

static void
a_base_backup_has_the_length_that_the_manifest_says(void **state)
{
	static const int64_t wrong[] = { 10240, INT64_MAX / 2, -10240 };
	char zip[128], home[128];
	struct err e = { 0 };

	snprintf(zip, sizeof(zip), "%s/length.zip", dir);
	snprintf(home, sizeof(home), "%s/length", dir);
	keys_begin();
	assert_int_equal(home_mkdirs(home, 0700, &e), 0);
	assert_int_equal(make_pack(zip, &e), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		amiss = wrong[i];
		assert_int_equal(open_pack(zip, home, &e), ERR_BAD_PACK);
		assert_non_null(strstr(e.text, "not as long as its manifest says"));
	}
	amiss = 0;
	assert_int_equal(open_pack(zip, home, &e), 0);
	keys_end();
	assert_int_equal(home_remove_tree(home, &e), 0);
	unlink(zip);
}

/* A power cut after that cannot take it away: the file is on the disk, then its name is. */
static void
a_pack_that_is_made_stays(void **state)
{
	char zip[128];
	struct err e = { 0 };

	snprintf(zip, sizeof(zip), "%s/stays.zip", dir);
	keys_begin();
	fault_arm(FAULT_FILE_SYNC, 2);
	assert_int_equal(make_pack(zip, &e), ERR_IO);
	assert_true(fault_fired());
	assert_int_equal(make_pack(zip, &e), 0);
	keys_end();
	unlink(zip);
}

static void
no_percent(void *ctx, const char *text, int percent)
{
}

/* The agent lives on: nothing may stay open. */
static void
a_backup_that_cannot_start_leaves_nothing_open(void **state)
{
	char path[HOME_PATH_MAX], bin[HOME_PATH_MAX], version[16];
	struct settings s;
	struct home h;
	struct err e = { 0 };
	struct pack_writer *w;
	int64_t bytes;
	int major = 0;

	if (cluster_find_bin(0, bin, &major, &e) != 0)
		skip();
	settings_defaults(&s);
	snprintf(h.dir, sizeof(h.dir), "%s/node", dir);
	home_path(&h, HOME_PG, path);
	assert_int_equal(home_mkdirs(path, 0700, &e), 0);
	strcat(path, "/PG_VERSION");
	snprintf(version, sizeof(version), "%d\n", major);
	assert_int_equal(home_write_file(path, version, strlen(version), 0600, &e), 0);
	keys_begin();
	snprintf(path, sizeof(path), "%s/never", dir);
	assert_int_equal(pack_writer_open(path, keys, &w, &e), 0);
	int before = sweep_open_files();
	struct basebackup x = { .h = &h, .s = &s, .progress = no_percent, .watch_fd = -1 };
	fault_arm(FAULT_PROGRAM_START, 1);
	assert_int_equal(basebackup_write(&x, w, &bytes, &e), ERR_IO);
	assert_true(fault_fired());
	assert_int_equal(sweep_open_files(), before);
	pack_writer_abort(w);
	keys_end();
	snprintf(path, sizeof(path), "%s/node", dir);
	assert_int_equal(home_remove_tree(path, &e), 0);
}

static int
begin(void **state)
{
	char command[1024];
	struct err e = { 0 };

	snprintf(dir, sizeof(dir), "/tmp/hf-fault-pack-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(key_path, sizeof(key_path), "%s/key", dir);
	snprintf(tar_path, sizeof(tar_path), "%s/base.tar", dir);
	snprintf(command, sizeof(command),
		 "mkdir %s/base && for i in 0 1 2; do echo page $i >%s/base/file$i; done && "
		 "tar -C %s -cf %s base && rm -r %s/base",
		 dir, dir, dir, tar_path, dir);
	if (system(command) != 0 || keyfile_create(key_path, &e) != 0 ||
	    home_read_file(tar_path, 1 << 20, &tar, &e) != 0)
		return -1;
	ring = keyring_open(key_path, &e);
	return ring ? 0 : -1;
}

static int
finish(void **state)
{
	struct err e;

	keyring_free(ring);
	buf_done(&tar);
	return home_remove_tree(dir, &e);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pack_is_whole_or_not_there),
		cmocka_unit_test(a_base_backup_has_the_length_that_the_manifest_says),
		cmocka_unit_test(a_pack_that_is_made_stays),
		cmocka_unit_test(a_backup_that_cannot_start_leaves_nothing_open),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, begin, finish);
}
