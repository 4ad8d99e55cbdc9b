/* SPDX-License-Identifier: Apache-2.0
 *
 * The pack: a manifest from outside, sealed parts with a real keyring, zips that were damaged on their way (H12: what is
 * secret is sealed).
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/home.h"
#include "crypto/keyproto.h"
#include "crypto/keyring.h"
#include "pack/pack.h"

static char dir[64], key_path[128];

/* ---- a keyring behind a socket, in a thread ---- */

static void *
serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	struct err e;
	struct keyring *ring = keyring_open(key_path, &e);
	uint8_t head[4];

	while (ring && recv(fd, head, 4, MSG_WAITALL) == 4) {
		size_t n = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 |
			   head[3];
		auto_buf answer = BUF_INIT;
		uint8_t *frame = malloc(n + 1);

		bool good = recv(fd, frame, n, MSG_WAITALL) == (ssize_t)n &&
			    keyring_serve(ring, KEYPROTO_INIT, frame, n, &answer, &e) == 0 &&
			    send(fd, answer.data, answer.len, MSG_NOSIGNAL) == (ssize_t)answer.len;
		free(frame);
		if (!good)
			break;
	}
	keyring_free(ring);
	close(fd);
	return NULL;
}

struct keyed {
	struct keys *keys;
	pthread_t thread;
};

static void
keyed_start(struct keyed *k, const char *hex_digit)
{
	int fds[2];
	char text[66];
	struct err e;

	memset(text, *hex_digit, 64);
	strcpy(text + 64, "\n");
	unlink(key_path);
	assert_int_equal(home_write_file(key_path, text, 65, 0400, &e), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(pthread_create(&k->thread, NULL, serve, (void *)(intptr_t)fds[1]), 0);
	k->keys = keys_new(NULL, fds[0]);
}

static void
keyed_stop(struct keyed *k)
{
	keys_free(k->keys);
	pthread_join(k->thread, NULL);
}

/* ---- the manifest ---- */

static struct pack_manifest
sample(void)
{
	return (struct pack_manifest){
		.format = PACK_FORMAT,
		.version = HF_VERSION,
		.pg_major = 15,
		.pair = "7301-ab12",
		.primary_id = "0192f8a0-1234-7abc-8def-001122334455",
		.primary_name = "a.example",
		.primary_https_port = 7272,
		.primary_pair_port = 2345,
		.secondary_id = "0192f8a0-1234-7abc-8def-001122334466",
		.secondary_name = "b.example",
		.secondary_https_port = 7272,
		.secondary_pair_port = 2345,
		.slot = "hf_0192f8a012347abc8def001122334466",
		.made_at = "2026-01-31T12:00:00.000000Z",
		.node_stream = "00112233445566778899aabbccddeeff",
		.base_stream = "ffeeddccbbaa99887766554433221100",
		.base_bytes = 123456789,
		.mac = "0000000000000000000000000000000000000000000000000000000000000000",
	};
}

static void
a_manifest_comes_back_as_it_was(void **ctx)
{
	struct pack_manifest m = sample(), back;
	auto_buf text = BUF_INIT, before = BUF_INIT, after = BUF_INIT;
	auto_arena a = arena_new();
	struct err e;

	pack_manifest_write(&m, &text);
	assert_int_equal(pack_manifest_parse(buf_str(&text), text.len, &back, a, &e), 0);
	pack_manifest_canonical(&m, &before);
	pack_manifest_canonical(&back, &after);
	assert_string_equal(buf_str(&before), buf_str(&after));
	assert_string_equal(back.mac, m.mac);
}

#define BAD(change)                                                                                \
	do {                                                                                       \
		struct pack_manifest m = sample(), back;                                           \
		auto_buf text = BUF_INIT;                                                          \
		auto_arena a = arena_new();                                                        \
		struct err e = { 0 };                                                              \
		change;                                                                            \
		pack_manifest_write(&m, &text);                                                    \
		assert_int_equal(pack_manifest_parse(buf_str(&text), text.len, &back, a, &e),      \
				 ERR_BAD_PACK);                                                    \
		assert_true(e.text[0]);                                                            \
	} while (0)

static void
a_malformed_manifest_is_refused(void **ctx)
{
	BAD(m.primary_id = "x");
	BAD(m.secondary_id = "");
	BAD(m.slot = "hf' ; DROP");
	BAD(m.slot = "");
	BAD(m.primary_name = "a'b");
	BAD(m.secondary_name = "a\nb");
	BAD(m.secondary_name = "");
	BAD(m.secondary_name = "../../etc");
	BAD(m.pair = "x\ny");
	BAD(m.node_stream = "00");
	BAD(m.base_stream = "zz112233445566778899aabbccddeeff");
	BAD(m.mac = "00");
	BAD(m.primary_https_port = 0);
	BAD(m.secondary_pair_port = 65536);
	BAD(m.pg_major = -1);
}

static void
the_mac_covers_every_field(void **ctx)
{
	struct keyed k;
	struct pack_manifest m = sample();
	auto_buf text = BUF_INIT;
	uint8_t mac[KEYS_HASH_BYTES];
	char hex[65];
	struct err e = { 0 };

	keyed_start(&k, "1");
	pack_manifest_canonical(&m, &text);
	assert_int_equal(keys_mac(k.keys, NULL, KEYS_MANIFEST, text.data, text.len, mac, &e), 0);
	sodium_bin2hex(hex, sizeof(hex), mac, sizeof(mac));
	m.mac = hex;
	assert_int_equal(pack_manifest_verify(&m, k.keys, &e), 0);
#define CHANGED(change)                                                                            \
	do {                                                                                       \
		struct pack_manifest other = m;                                                    \
		other.change;                                                                      \
		assert_int_equal(pack_manifest_verify(&other, k.keys, &e), ERR_BAD_KEY);           \
	} while (0)
	CHANGED(format = 2);
	CHANGED(version = "9");
	CHANGED(pg_major = 16);
	CHANGED(pair = "other");
	CHANGED(primary_id = sample().secondary_id);
	CHANGED(primary_name = "evil.example");
	CHANGED(primary_https_port = 1);
	CHANGED(primary_pair_port = 1);
	CHANGED(secondary_id = sample().primary_id);
	CHANGED(secondary_name = "c");
	CHANGED(secondary_https_port = 1);
	CHANGED(secondary_pair_port = 1);
	CHANGED(slot = "hf_1");
	CHANGED(made_at = "2027-01-31T12:00:00.000000Z");
	CHANGED(node_stream = sample().base_stream);
	CHANGED(base_stream = sample().node_stream);
	CHANGED(base_bytes = 1);
	keyed_stop(&k);
	/* Another master key. */
	keyed_start(&k, "2");
	assert_int_equal(pack_manifest_verify(&m, k.keys, &e), ERR_BAD_KEY);
	assert_non_null(strstr(e.text, "master key"));
	keyed_stop(&k);
}

/* ---- the whole pack ---- */

static const uint8_t node_stream[16] = { 1 }, base_stream[16] = { 2 };
static size_t base_len;
static char *base;

static void
make_zip(struct keys *keys, const char *zip)
{
	struct pack_writer *w;
	struct pack_manifest m = sample();
	auto_buf text = BUF_INIT;
	struct err e = { 0 };

	pack_manifest_write(&m, &text);
	assert_int_equal(pack_writer_open(zip, keys, &w, &e), 0);
	assert_int_equal(pack_writer_begin(w, PACK_NODE_NAME, node_stream, &e), 0);
	assert_int_equal(pack_writer_add(w, "the key of the node", 19, &e), 0);
	assert_int_equal(pack_writer_end(w, &e), 0);
	assert_int_equal(pack_writer_begin(w, PACK_BASE_NAME, base_stream, &e), 0);
	for (size_t at = 0; at < base_len; at += 99991)
		assert_int_equal(pack_writer_add(w, base + at,
						 base_len - at < 99991 ? base_len - at : 99991, &e),
				 0);
	assert_int_equal(pack_writer_end(w, &e), 0);
	assert_int_equal(pack_writer_plain(w, PACK_MANIFEST_NAME, text.data, text.len, &e), 0);
	assert_int_equal(pack_writer_close(w, true, &e), 0);
}

static void
read_part(struct keys *keys, const char *home, const char *name, const uint8_t stream[static 16],
	  struct buf *ret, int expect)
{
	char path[300];
	struct pack_reader *r;
	struct err e = { 0 };
	const void *p;
	size_t n;
	int rc;

	snprintf(path, sizeof(path), "%s/%s", home, name);
	assert_int_equal(pack_reader_open(path, keys, stream, &r, &e), 0);
	while ((rc = pack_reader_next(r, &p, &n, &e)) == 0 && n)
		buf_add(ret, p, n);
	assert_int_equal(rc, expect);
	pack_reader_free(r);
}

static void
sub(const char *name, char ret[static 256])
{
	snprintf(ret, 256, "%s/%s", dir, name);
	mkdir(ret, 0700);
}

static int
extract(const char *path, const char *home, struct err *e)
{
	struct pack_zip *z = NULL;
	int rc = pack_zip_open(path, &z, e);

	rc = rc ? rc : pack_zip_extract(z, home, NULL, NULL, e);
	pack_zip_free(z);
	return rc;
}

static int
manifest_of(const char *path, struct buf *ret, struct err *e)
{
	struct pack_zip *z = NULL;
	int rc = pack_zip_open(path, &z, e);

	rc = rc ? rc : pack_zip_manifest(z, ret, e);
	pack_zip_free(z);
	return rc;
}

static void
a_pack_is_written_unzipped_and_opened(void **ctx)
{
	static const size_t sizes[] = { 0,
					1,
					PACK_CHUNK_BYTES - 1,
					PACK_CHUNK_BYTES,
					PACK_CHUNK_BYTES + 1,
					3 * PACK_CHUNK_BYTES + 7 };
	struct keyed k;
	char zip[256], home[256], plain[256], command[1024];
	struct err e = { 0 };

	keyed_start(&k, "1");
	sub("home", home);
	sub("plain", plain);
	snprintf(zip, sizeof(zip), "%s/HAPack-b.example.zip", dir);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		auto_buf manifest = BUF_INIT, node = BUF_INIT, got = BUF_INIT, again = BUF_INIT;
		struct stat st;

		base_len = sizes[i];
		make_zip(k.keys, zip);
		assert_int_equal(stat(zip, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
		assert_int_equal(manifest_of(zip, &manifest, &e), 0);
		assert_int_equal(extract(zip, home, &e), 0);
		read_part(k.keys, home, PACK_NODE_NAME, node_stream, &node, 0);
		assert_string_equal(buf_str(&node), "the key of the node");
		read_part(k.keys, home, PACK_BASE_NAME, base_stream, &got, 0);
		assert_int_equal(got.len, base_len);
		assert_true(!base_len || memcmp(got.data, base, base_len) == 0);
		/* Everybody's unzip does the same. */
		snprintf(command, sizeof(command),
			 "cd %s && unzip -qo %s && cmp -s pack/base.sealed %s/pack/base.sealed",
			 plain, zip, home);
		assert_int_equal(system(command), 0);
		read_part(k.keys, plain, PACK_BASE_NAME, base_stream, &again, 0);
		assert_int_equal(again.len, base_len);
	}
	keyed_stop(&k);
}

static void
write_bytes(const char *path, const void *p, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, p, n), (ssize_t)n);
	close(fd);
}

/* Cut at many places, one bit turned at many places: refused by the zip, the manifest or a sealed part; never taken. */
static void
a_damaged_pack_is_never_taken(void **ctx)
{
	struct keyed k;
	char zip[256], bad[256], home[256];
	auto_buf whole = BUF_INIT;
	struct err e = { 0 };

	keyed_start(&k, "1");
	sub("bad", home);
	base_len = PACK_CHUNK_BYTES + 1000;
	snprintf(zip, sizeof(zip), "%s/whole.zip", dir);
	snprintf(bad, sizeof(bad), "%s/bad.zip", dir);
	make_zip(k.keys, zip);
	assert_int_equal(home_read_file(zip, 16u << 20, &whole, &e), 0);
	for (size_t cut = 1; cut < whole.len; cut += whole.len / 40) {
		write_bytes(bad, whole.data, whole.len - cut);
		int rc = extract(bad, home, &e);
		if (rc ==
		    0) { /* only the table at the end is gone: the parts themselves must still be whole */
			auto_buf got = BUF_INIT;
			read_part(k.keys, home, PACK_BASE_NAME, base_stream, &got, 0);
			assert_int_equal(got.len, base_len);
		} else {
			assert_true(e.text[0]);
		}
	}
	for (size_t at = 64; at < base_len; at += base_len / 40) {
		whole.data[at] ^= 1;
		write_bytes(bad, whole.data, whole.len);
		int rc = extract(bad, home, &e);
		if (rc ==
		    0) { /* the zip did not mind; the seal does, unless it was only a name or a date of the zip's own */
			char path[300];
			struct pack_reader *r;
			const void *p;
			size_t n, total = 0;

			snprintf(path, sizeof(path), "%s/%s", home, PACK_BASE_NAME);
			assert_int_equal(pack_reader_open(path, k.keys, base_stream, &r, &e), 0);
			while ((rc = pack_reader_next(r, &p, &n, &e)) == 0 && n) {
				assert_true(memcmp(p, base + total, n) == 0);
				total += n;
			}
			pack_reader_free(r);
			assert_true(rc == ERR_BAD_PACK || total == base_len);
		}
		whole.data[at] ^= 1;
	}
	keyed_stop(&k);
}

static void
a_sealed_part_cut_at_a_chunk_is_noticed(void **ctx)
{
	struct keyed k;
	char zip[256], home[256], part[300];
	auto_buf sealed = BUF_INIT, got = BUF_INIT, other = BUF_INIT;
	struct err e = { 0 };

	keyed_start(&k, "1");
	sub("cut", home);
	base_len = 3 * PACK_CHUNK_BYTES;
	snprintf(zip, sizeof(zip), "%s/cut.zip", dir);
	make_zip(k.keys, zip);
	assert_int_equal(extract(zip, home, &e), 0);
	snprintf(part, sizeof(part), "%s/%s", home, PACK_BASE_NAME);
	assert_int_equal(home_read_file(part, 16u << 20, &sealed, &e), 0);
	write_bytes(part, sealed.data, sealed.len / 3 * 2);
	read_part(k.keys, home, PACK_BASE_NAME, base_stream, &got, ERR_BAD_PACK);
	/* The other part's chunks do not pass for this one's. */
	write_bytes(part, sealed.data, sealed.len);
	read_part(k.keys, home, PACK_BASE_NAME, node_stream, &other, ERR_BAD_PACK);
	assert_int_equal(other.len, 0);
	keyed_stop(&k);
}

/* Entries that would land elsewhere are not written. */
static void
a_zip_with_foreign_entries_writes_nothing_else(void **ctx)
{
	static const char *const names[] = { "../evil", "/tmp/hf-evil", "pack/../../evil",
					     "conf/holdfast.conf", "pack/node.sealed" };
	char zip[256], home[256], path[300];
	auto_buf out = BUF_INIT;
	struct err e = { 0 };
	struct archive *a = archive_write_new();

	sub("foreign", home);
	snprintf(zip, sizeof(zip), "%s/foreign.zip", dir);
	archive_write_set_format_zip(a);
	assert_int_equal(archive_write_open_filename(a, zip), ARCHIVE_OK);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct archive_entry *entry = archive_entry_new();

		archive_entry_set_pathname(entry, names[i]);
		archive_entry_set_filetype(entry, AE_IFREG);
		archive_entry_set_perm(entry, 0600);
		archive_entry_set_size(entry, 1);
		archive_write_header(a, entry);
		archive_write_data(a, "x", 1);
		archive_entry_free(entry);
	}
	archive_write_close(a);
	archive_write_free(a);
	assert_true(manifest_of(zip, &out, &e) == ERR_BAD_PACK);
	assert_non_null(strstr(e.text, "it has no manifest"));
	assert_true(extract(zip, home, &e) < 0);
	snprintf(path, sizeof(path), "%s/evil", dir);
	assert_true(access(path, F_OK) < 0);
	assert_true(access("/tmp/hf-evil", F_OK) < 0);
	snprintf(path, sizeof(path), "%s/conf", home);
	assert_true(access(path, F_OK) < 0);
}

static int
begin(void **ctx)
{
	snprintf(dir, sizeof(dir), "/tmp/hf-pack-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(key_path, sizeof(key_path), "%s/key", dir);
	base = malloc(4 * PACK_CHUNK_BYTES);
	randombytes_buf_deterministic(base, 4 * PACK_CHUNK_BYTES,
				      (const uint8_t[randombytes_SEEDBYTES]){ 5 });
	return 0;
}

static int
finish(void **ctx)
{
	struct err e;

	free(base);
	return home_remove_tree(dir, &e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_manifest_comes_back_as_it_was),
		cmocka_unit_test(a_malformed_manifest_is_refused),
		cmocka_unit_test(the_mac_covers_every_field),
		cmocka_unit_test(a_pack_is_written_unzipped_and_opened),
		cmocka_unit_test(a_damaged_pack_is_never_taken),
		cmocka_unit_test(a_sealed_part_cut_at_a_chunk_is_noticed),
		cmocka_unit_test(a_zip_with_foreign_entries_writes_nothing_else),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, begin, finish);
}
