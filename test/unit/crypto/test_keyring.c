/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <sodium.h>
#include "base/home.h"
#include "crypto/endmark.h"
#include "crypto/keyproto.h"
#include "crypto/keyfile.h"
#include "crypto/keyring.h"
#include "crypto/x509.h"

static char dir[64], path[128];

#define HEX64 "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static void
write_key(const char *text, mode_t mode)
{
	struct err e = { 0 };
	assert_int_equal(home_write_file(path, text, strlen(text), mode, &e), 0);
}

static int
begin(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/hf-keyring-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/master.key", dir);
	return 0;
}

static int
finish(void **state)
{
	struct err e;
	return home_remove_tree(dir, &e);
}

static struct keyring *
open_ring(void)
{
	struct err e = { 0 };
	write_key(HEX64 "\n", 0400);
	struct keyring *k = keyring_open(path, &e);
	assert_non_null(k);
	return k;
}

/* ---- the file ---- */

static void
a_new_file_opens(void **state)
{
	struct err e = { 0 };
	struct stat st;
	auto_buf text = BUF_INIT;
	unlink(path);
	assert_int_equal(keyfile_create(path, &e), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0400);
	assert_int_equal(home_read_file(path, 100, &text, &e), 0);
	assert_int_equal(text.len, 65);
	assert_int_equal(keyfile_create(path, &e), ERR_EXISTS);
	auto_buf same = BUF_INIT;
	assert_int_equal(home_read_file(path, 100, &same, &e), 0);
	assert_string_equal(text.data, same.data);
	struct keyring *k = keyring_open(path, &e);
	assert_non_null(k);
	keyring_free(k);
	keyring_free(NULL);
	assert_int_equal(keyfile_create("/nonexistent/key", &e), ERR_IO);
}

static void
bad_files_are_refused_with_advice(void **state)
{
	static const struct {
		const char *text;
		mode_t mode;
		const char *says;
	} rows[] = {
		{ HEX64 "\n", 0440, "chmod 400 " },
		{ HEX64 "\n", 0404, "chmod 400 " },
		{ HEX64 "\n", 0420, "chmod 400 " },
		{ "", 0400, "64 hex digits" },
		{ HEX64, 0400, "64 hex digits" },
		{ HEX64 "\n\n", 0400, "64 hex digits" },
		{ HEX64 "00\n", 0400, "64 hex digits" },
		{ "x" HEX64, 0400, "64 hex digits" },
		{ "g00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n", 0400,
		  "64 hex digits" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct err e = { 0 };
		write_key(rows[i].text, rows[i].mode);
		assert_null(keyring_open(path, &e));
		assert_int_equal(e.code, ERR_BAD_KEY);
		assert_non_null(strstr(e.text, rows[i].says));
		assert_non_null(strstr(e.text, path));
		assert_null(strstr(e.text, "0a0b0c")); /* nothing of the key is in the text */
	}
	struct err e = { 0 };
	unlink(path);
	assert_null(keyring_open(path, &e));
	assert_int_equal(e.code, ERR_BAD_KEY);
	assert_non_null(strstr(e.text, "plugged in"));
	assert_null(keyring_open(dir, &e));
	assert_int_equal(mkfifo(path, 0400), 0); /* must not wait for a writer */
	assert_null(keyring_open(path, &e));
	assert_non_null(strstr(e.text, "plain file"));
	unlink(path);
}

static void
a_file_of_another_user_is_refused(void **state)
{
	struct err e = { 0 };
	if (geteuid() != 0) {
		skip();
		return;
	}
	write_key(HEX64 "\n", 0400);
	assert_int_equal(chown(path, 1, 1), 0);
	assert_null(keyring_open(path, &e));
	assert_non_null(strstr(e.text, "belongs to user "));
	assert_non_null(strstr(e.text, "mode 400"));
	assert_non_null(strstr(e.text, "chown "));
	assert_null(strstr(e.text, "plugged in"));
	unlink(path);
}

/* ---- requests ---- */

/* Serves one frame; the status, and the body of the answer in ret. 1: the connection ends. */
static int
serve(struct keyring *k, char role, const struct buf *frame, struct buf *ret)
{
	struct err e = { 0 };
	auto_buf a = BUF_INIT;
	buf_adds(&a, "earlier"); /* answers are appended */
	if (keyring_serve(k, role, (const uint8_t *)frame->data, frame->len, &a, &e)) {
		assert_int_equal(e.code, ERR_REFUSED);
		assert_int_equal(a.len, 7);
		return 1;
	}
	struct cursor c = { .p = (uint8_t *)a.data + 7, .left = a.len - 7 };
	assert_int_equal(cursor_be32(&c), a.len - 11);
	int status = -(int)cursor_u8(&c);
	if (status)
		assert_int_equal(c.left, 0);
	buf_reset(ret);
	buf_add(ret, c.p, c.left);
	return status;
}

static void
frame_seal(struct buf *f, uint32_t id, const char *ad, const void *plain, size_t n)
{
	buf_reset(f);
	buf_add_u8(f, KEYPROTO_SEAL);
	buf_add_be32(f, id);
	buf_add_be32(f, (uint32_t)strlen(ad));
	buf_adds(f, ad);
	buf_add(f, plain, n);
}

static void
frame_open(struct buf *f, const char *ad, const void *sealed, size_t n)
{
	buf_reset(f);
	buf_add_u8(f, KEYPROTO_OPEN);
	buf_add_be32(f, (uint32_t)strlen(ad));
	buf_adds(f, ad);
	buf_add(f, sealed, n);
}

static void
frame_id(struct buf *f, enum keyproto_op op, uint32_t id)
{
	buf_reset(f);
	buf_add_u8(f, (uint8_t)op);
	buf_add_be32(f, id);
}

static void
sealed_bytes_are_bound(void **state)
{
	struct keyring *k = open_ring();
	auto_buf f = BUF_INIT, sealed = BUF_INIT, plain = BUF_INIT, again = BUF_INIT;
	frame_seal(&f, 1, "place", "secret", 6);
	assert_int_equal(serve(k, 'v', &f, &sealed), ERR_KEYS_UNAVAILABLE);
	frame_id(&f, KEYPROTO_CREATE, 1);
	assert_int_equal(serve(k, 'v', &f, &plain), 0);
	assert_int_equal(serve(k, 'v', &f, &plain), ERR_EXISTS);
	frame_id(&f, KEYPROTO_CREATE, 0);
	assert_int_equal(serve(k, 'v', &f, &plain), ERR_BAD_FIELD);
	frame_id(&f, KEYPROTO_CREATE, 2);
	assert_int_equal(serve(k, 'v', &f, &plain), 0);
	frame_seal(&f, 1, "place", "secret", 6);
	assert_int_equal(serve(k, 'v', &f, &sealed), 0);
	assert_int_equal(serve(k, 'v', &f, &again), 0);
	assert_int_equal(sealed.len, 6 + KEYS_SEAL_EXTRA);
	assert_memory_not_equal(sealed.data, again.data, sealed.len);
	frame_open(&f, "place", sealed.data, sealed.len);
	assert_int_equal(serve(k, 'v', &f, &plain), 0);
	assert_string_equal(buf_str(&plain), "secret");
	frame_open(&f, "elsewhere", sealed.data, sealed.len);
	assert_int_equal(serve(k, 'v', &f, &plain), ERR_CRYPTO);
	for (size_t i = 0; i < sealed.len; i++) { /* every byte counts */
		sealed.data[i] ^= 3;
		frame_open(&f, "place", sealed.data, sealed.len);
		int r = serve(k, 'v', &f, &plain);
		assert_true(r == ERR_CRYPTO || (i < 4 && r == ERR_KEYS_UNAVAILABLE));
		sealed.data[i] ^= 3;
	}
	for (size_t n = 0; n < sealed.len; n++) { /* and every length */
		frame_open(&f, "place", sealed.data, n);
		assert_int_equal(serve(k, 'v', &f, &plain), ERR_CRYPTO);
	}
	frame_seal(&f, 1, "", NULL, 0);
	assert_int_equal(serve(k, 'v', &f, &sealed), 0);
	frame_open(&f, "", sealed.data, sealed.len);
	assert_int_equal(serve(k, 'v', &f, &plain), 0);
	assert_int_equal(plain.len, 0);
	keyring_free(k);
}

static void
data_keys_are_wrapped_by_the_master_key(void **state)
{
	struct keyring *k = open_ring(), *same = open_ring();
	struct err e = { 0 };
	auto_buf f = BUF_INIT, wrapped = BUF_INIT, sealed = BUF_INIT, out = BUF_INIT;
	frame_id(&f, KEYPROTO_CREATE, 7);
	assert_int_equal(serve(k, 'i', &f, &wrapped), 0);
	frame_seal(&f, 7, "x", "y", 1);
	assert_int_equal(serve(k, 'v', &f, &sealed), 0);
	frame_id(&f, KEYPROTO_LOAD, 7);
	buf_add(&f, wrapped.data, wrapped.len);
	assert_int_equal(serve(same, 'a', &f, &out), 0);
	assert_int_equal(serve(same, 'a', &f, &out), 0); /* twice is fine */
	frame_open(&f, "x", sealed.data, sealed.len);
	assert_int_equal(serve(same, 'v', &f, &out), 0);
	assert_string_equal(buf_str(&out), "y");
	/* Under another number, damaged, cut, or by another master key: refused. */
	frame_id(&f, KEYPROTO_LOAD, 8);
	buf_add(&f, wrapped.data, wrapped.len);
	assert_int_equal(serve(same, 'v', &f, &out), ERR_BAD_KEY);
	for (size_t i = 0; i < wrapped.len; i++) {
		frame_id(&f, KEYPROTO_LOAD, 7);
		buf_add(&f, wrapped.data, wrapped.len);
		f.data[5 + i] ^= (char)0x80;
		assert_int_equal(serve(same, 'v', &f, &out), ERR_BAD_KEY);
		f.data[5 + i] ^= (char)0x80;
		f.len = 5 + i;
		assert_int_equal(serve(same, 'v', &f, &out), ERR_BAD_KEY);
	}
	write_key("ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n", 0400);
	struct keyring *other = keyring_open(path, &e);
	frame_id(&f, KEYPROTO_LOAD, 7);
	buf_add(&f, wrapped.data, wrapped.len);
	assert_int_equal(serve(other, 'v', &f, &out), ERR_BAD_KEY);
	/* Another key under a number that is taken. */
	frame_id(&f, KEYPROTO_CREATE, 9);
	assert_int_equal(serve(k, 'v', &f, &wrapped), 0);
	assert_int_equal(serve(same, 'v', &f, &out), 0);
	frame_id(&f, KEYPROTO_LOAD, 9);
	buf_add(&f, wrapped.data, wrapped.len);
	assert_int_equal(serve(same, 'v', &f, &out), ERR_EXISTS);
	keyring_free(k);
	keyring_free(same);
	keyring_free(other);
}

static void
subkey(uint64_t duty, uint8_t ret[32])
{
	uint8_t master[32];
	for (uint8_t i = 0; i < 32; i++)
		master[i] = i;
	assert_int_equal(crypto_kdf_derive_from_key(ret, 32, duty, "holdfast", master), 0);
}

/* What was MACed by a released version must be found again by every later one. */
static void
macs_are_keyed_blake2b_of_their_label(void **state)
{
	struct keyring *k = open_ring();
	auto_buf f = BUF_INIT, out = BUF_INIT;
	static const uint8_t labels[] = { KEYS_SESSION, KEYS_PEPPER, KEYS_SETUP,  KEYS_MANIFEST,
					  KEYS_CHECK,	KEYS_NODE,   KEYS_FORWARD };
	uint8_t seen[ARRAY_LEN(labels)][32];
	for (size_t l = 0; l < ARRAY_LEN(labels); l++) {
		uint8_t label = labels[l];
		uint8_t key[32], want[32];
		subkey(100u + label, key);
		crypto_generichash(want, 32, (const uint8_t *)"data", 4, key, 32);
		buf_reset(&f);
		buf_add_u8(&f, KEYPROTO_MAC);
		buf_add_u8(&f, label);
		buf_adds(&f, "data");
		assert_int_equal(serve(k, 'v', &f, &out), 0);
		assert_int_equal(out.len, 32);
		assert_memory_equal(out.data, want, 32);
		memcpy(seen[l], want, 32);
		for (size_t i = 0; i < l; i++)
			assert_memory_not_equal(seen[i], want, 32);
		bool agents = label == KEYS_MANIFEST || label == KEYS_NODE || label == KEYS_CHECK ||
			      label == KEYS_PEPPER;
		assert_int_equal(serve(k, 'a', &f, &out), agents ? 0 : 1);
	}
	for (int label = 0; label < 256; label += label ? 1 : 7) {
		buf_reset(&f);
		buf_add_u8(&f, KEYPROTO_MAC);
		buf_add_u8(&f, (uint8_t)label);
		if (!memchr(labels, label, sizeof(labels)) || label == KEYS_FORWARD)
			assert_int_equal(serve(k, 'i', &f, &out), 1);
	}
	keyring_free(k);
}

static void
the_chain_is_libsodiums(void **state)
{
	struct keyring *k = open_ring();
	auto_buf f = BUF_INIT, out = BUF_INIT;
	uint8_t key[32], head[32] = { 1, 2, 3 };
	subkey(2, key);
	buf_add_u8(&f, KEYPROTO_CHAIN);
	buf_add(&f, head, 32);
	buf_add_be32(&f, 100);
	for (unsigned i = 0; i < 100; i++) {
		buf_add_be32(&f, i);
		for (unsigned j = 0; j < i; j++)
			buf_add_u8(&f, (uint8_t)(i ^ j));
	}
	assert_int_equal(serve(k, 'v', &f, &out), 0);
	assert_int_equal(out.len, 3200);
	for (unsigned i = 0; i < 100; i++) {
		uint8_t joined[32 + 100];
		memcpy(joined, head, 32);
		for (unsigned j = 0; j < i; j++)
			joined[32 + j] = (uint8_t)(i ^ j);
		crypto_generichash(head, 32, joined, 32 + i, key, 32);
		assert_memory_equal(out.data + 32 * i, head, 32);
	}
	keyring_free(k);
}

static int
stream(struct keyring *k, char role, enum keyproto_op op, const char *id, uint64_t index,
       uint8_t last, const struct buf *data, struct buf *out)
{
	auto_buf f = BUF_INIT;
	buf_add_u8(&f, (uint8_t)op);
	buf_add(&f, id, 16);
	buf_add_be64(&f, index);
	buf_add_u8(&f, last);
	buf_add(&f, data->data, data->len);
	return serve(k, role, &f, out);
}

static void
stream_chunks_keep_their_place(void **state)
{
	struct keyring *k = open_ring();
	auto_buf plain = BUF_INIT, sealed = BUF_INIT, out = BUF_INIT;
	const char *id = "stream-one------", *other = "stream-two------";
	buf_adds(&plain, "chunk");
	assert_int_equal(stream(k, 'a', KEYPROTO_STREAM_SEAL, id, 5, 0, &plain, &sealed), 0);
	assert_int_equal(stream(k, 'a', KEYPROTO_STREAM_OPEN, id, 5, 0, &sealed, &out), 0);
	assert_string_equal(buf_str(&out), "chunk");
	assert_int_equal(stream(k, 'a', KEYPROTO_STREAM_OPEN, id, 6, 0, &sealed, &out), ERR_CRYPTO);
	assert_int_equal(stream(k, 'a', KEYPROTO_STREAM_OPEN, id, 5, 1, &sealed, &out), ERR_CRYPTO);
	assert_int_equal(stream(k, 'a', KEYPROTO_STREAM_OPEN, other, 5, 0, &sealed, &out),
			 ERR_CRYPTO);
	sealed.data[3] ^= 1;
	assert_int_equal(stream(k, 'a', KEYPROTO_STREAM_OPEN, id, 5, 0, &sealed, &out), ERR_CRYPTO);
	assert_int_equal(stream(k, 'a', KEYPROTO_STREAM_SEAL, id, 5, 2, &plain, &out), 1);
	assert_int_equal(stream(k, 'v', KEYPROTO_STREAM_SEAL, id, 5, 0, &plain, &out), 1);
	assert_int_equal(stream(k, 'v', KEYPROTO_STREAM_OPEN, id, 5, 0, &sealed, &out), 1);
	keyring_free(k);
}

static void
roles_are_the_tables(void **state)
{
	struct keyring *k = open_ring();
	auto_buf f = BUF_INIT, out = BUF_INIT;
#define X(name, number, roles)                                                                     \
	for (const char *r = "vaix"; *r; r++) {                                                    \
		frame_id(&f, (enum keyproto_op)number, 3);                                         \
		if (!strchr(roles, *r))                                                            \
			assert_int_equal(serve(k, *r, &f, &out), 1);                               \
	}
	KEYPROTO_OPS(X)
#undef X
	frame_id(&f, KEYPROTO_CREATE, 3);
	assert_int_equal(serve(k, '\0', &f, &out), 1);
	assert_int_equal(serve(k, 'a', &f, &out), 1);
	assert_int_equal(serve(k, 'v', &f, &out), 0);
	keyring_free(k);
}

static void
signatures_are_of_exports_alone(void **state)
{
	struct keyring *k = open_ring();
	auto_buf f = BUF_INIT, one = BUF_INIT, two = BUF_INIT;
	static const char text[] = "holdfast audit export 1\nsome text";
	const uint8_t *key, *sig;
	buf_add_u8(&f, KEYPROTO_SIGN);
	buf_adds(&f, "some text");
	assert_int_equal(serve(k, 'a', &f, &one), 1);
	assert_int_equal(serve(k, 'i', &f, &one), 1);
	assert_int_equal(serve(k, 'v', &f, &one), 0);
	assert_int_equal(one.len, KEYS_SIGN_KEY_BYTES + KEYS_SIGN_BYTES);
	key = (const uint8_t *)one.data;
	sig = key + KEYS_SIGN_KEY_BYTES;
	assert_int_equal(
		crypto_sign_verify_detached(sig, (const uint8_t *)text, sizeof(text) - 1, key), 0);
	assert_int_not_equal(crypto_sign_verify_detached(sig, (const uint8_t *)"some text", 9, key),
			     0);
	/* The same key file gives the same key. */
	keyring_free(k);
	unlink(path);
	k = open_ring();
	assert_int_equal(serve(k, 'v', &f, &two), 0);
	assert_memory_equal(one.data, two.data, one.len);
	buf_reserve(&f, KEYS_SIGN_MAX);
	while (f.len < KEYS_SIGN_MAX + 2)
		buf_addc(&f, 'x');
	assert_int_equal(serve(k, 'v', &f, &two), 1);
	keyring_free(k);
}

static void
add_texts(struct buf *f, const char *const *texts)
{
	for (; *texts; texts++)
		buf_add(f, *texts, strlen(*texts) + 1);
}

/* Asks for a certificate of that name; what keyd answers, as serve. */
static int
certify(struct keyring *k, char role, const struct buf *sealed, const char *ca, const char *name,
	struct buf *out)
{
	struct err e = { 0 };
	auto_buf f = BUF_INIT, key = BUF_INIT, public_key = BUF_INIT;
	assert_int_equal(x509_new_key(&key, &public_key, &e), 0);
	const char *const texts[] = { ca, public_key.data, name, NULL };
	buf_add_u8(&f, KEYPROTO_CERTIFY);
	buf_add_be32(&f, (uint32_t)sealed->len);
	buf_add(&f, sealed->data, sealed->len);
	buf_add_be32(&f, 30);
	buf_add_u8(&f, 1);
	add_texts(&f, texts);
	return serve(k, role, &f, out);
}

/* H3: whoever asks gets what the authority signed, and never its key. */
static void
the_authority_signs_and_is_not_seen(void **state)
{
	static const char *const made[] = { "Holdfast vault", "example.com", NULL };
	struct keyring *k = open_ring();
	auto_buf f = BUF_INIT, out = BUF_INIT, ca = BUF_INIT, sealed = BUF_INIT, cert = BUF_INIT;
	struct x509_info info;
	struct err e = { 0 };

	buf_add_u8(&f, KEYPROTO_CREATE);
	buf_add_be32(&f, 1);
	assert_int_equal(serve(k, 'i', &f, &out), 0);
	buf_reset(&f);
	buf_reset(&out);
	buf_add_u8(&f, KEYPROTO_AUTHORITY);
	buf_add_be32(&f, 1);
	buf_add_be32(&f, 365);
	add_texts(&f, made);
	assert_int_equal(serve(k, 'v', &f, &out), 1);
	assert_int_equal(serve(k, 'i', &f, &out), 0);
	struct cursor c = { .p = (const uint8_t *)out.data, .left = out.len };
	uint32_t n = cursor_be32(&c);
	buf_add(&ca, cursor_bytes(&c, n), n);
	buf_add(&sealed, c.p, c.left);
	assert_null(memmem(out.data, out.len, "PRIVATE", 7));

	assert_int_equal(certify(k, 'v', &sealed, ca.data, "a.example.com", &cert), 1);
	assert_int_equal(certify(k, 'a', &sealed, ca.data, "a.example.com", &cert), 0);
	assert_int_equal(x509_read(cert.data, &info, &e), 0);
	assert_string_equal(info.names, "a.example.com");
	assert_string_equal(info.issuer, "CN=Holdfast vault");
	assert_int_equal(certify(k, 'a', &sealed, ca.data, "a.example.org", &out),
			 ERR_PRECONDITION);
	assert_int_equal(certify(k, 'a', &sealed, cert.data, "a.example.com", &out), ERR_BAD_FIELD);
	sealed.data[sealed.len - 1] ^= 1;
	assert_int_equal(certify(k, 'a', &sealed, ca.data, "a.example.com", &out), ERR_CRYPTO);
	sealed.data[sealed.len - 1] ^= 1;
	/* Nor by the door of what is sealed. */
	static const uint8_t doors[] = { KEYPROTO_OPEN, KEYPROTO_SEAL };
	for (size_t i = 0; i < ARRAY_LEN(doors); i++) {
		buf_reset(&f);
		buf_add_u8(&f, doors[i]);
		if (doors[i] == KEYPROTO_SEAL)
			buf_add_be32(&f, 1);
		buf_add_be32(&f, sizeof(KEYPROTO_AUTHORITY_AD));
		buf_add(&f, KEYPROTO_AUTHORITY_AD, sizeof(KEYPROTO_AUTHORITY_AD));
		buf_add(&f, sealed.data, sealed.len);
		assert_int_equal(serve(k, 'a', &f, &out), 1);
		assert_int_equal(serve(k, 'v', &f, &out), 1);
	}
	keyring_free(k);
}

static void
frame_epoch(struct buf *f, enum keyproto_op op, uint64_t counter, const struct uuid *node,
	    uint64_t incarnation, const struct buf *proof)
{
	buf_reset(f);
	buf_add_u8(f, (uint8_t)op);
	buf_add_be64(f, counter);
	if (node)
		buf_add(f, node->b, sizeof(node->b));
	buf_add_be64(f, incarnation);
	if (proof)
		buf_add(f, proof->data, proof->len);
}

/* H10: an epoch is proved by the keyd of its own node, and checked by any of the vault. */
static void
epochs_are_proved_for_the_own_node_alone(void **state)
{
	struct keyring *k = open_ring();
	struct uuid own = { { 1 } }, other = { { 2 } };
	auto_buf f = BUF_INIT, proof = BUF_INIT, out = BUF_INIT, told = BUF_INIT;

	frame_epoch(&f, KEYPROTO_EPOCH, 3, NULL, 0, NULL);
	assert_int_equal(serve(k, 'a', &f, &out), ERR_PRECONDITION);
	keyring_set_node(k, &own);
	assert_int_equal(serve(k, 'v', &f, &out), 1);
	assert_int_equal(serve(k, 'a', &f, &proof), 0);
	assert_int_equal(proof.len, EPOCH_PROOF_BYTES);
	frame_epoch(&f, KEYPROTO_EPOCH_CHECK, 3, &own, 0, &proof);
	for (const char *r = "vai"; *r; r++)
		assert_int_equal(serve(k, *r, &f, &out), 0);
	frame_epoch(&f, KEYPROTO_EPOCH_CHECK, 4, &own, 0, &proof);
	assert_int_equal(serve(k, 'a', &f, &out), ERR_CRYPTO);
	frame_epoch(&f, KEYPROTO_EPOCH_CHECK, 3, &other, 0, &proof);
	assert_int_equal(serve(k, 'a', &f, &out), ERR_CRYPTO);
	frame_epoch(&f, KEYPROTO_EPOCH_CHECK, 3, &own, 1, &proof);
	assert_int_equal(serve(k, 'a', &f, &out), ERR_CRYPTO);
	proof.data[31] ^= 1;
	frame_epoch(&f, KEYPROTO_EPOCH_CHECK, 3, &own, 0, &proof);
	assert_int_equal(serve(k, 'a', &f, &out), ERR_CRYPTO);
	frame_epoch(&f, KEYPROTO_EPOCH, 0, NULL, 0, NULL);
	assert_int_equal(serve(k, 'a', &f, &out), ERR_BAD_FIELD);
	frame_epoch(&f, KEYPROTO_EPOCH, UINT64_MAX, NULL, 0, NULL);
	assert_int_equal(serve(k, 'a', &f, &out), ERR_BAD_FIELD);
	/* Of two programs of a node each proves what it drew itself. */
	buf_reset(&proof);
	frame_epoch(&f, KEYPROTO_EPOCH, 3, NULL, 0x51, NULL);
	assert_int_equal(serve(k, 'a', &f, &proof), 0);
	frame_epoch(&f, KEYPROTO_EPOCH_CHECK, 3, &own, 0x51, &proof);
	assert_int_equal(serve(k, 'a', &f, &out), 0);
	for (uint64_t drawn = 0x50; drawn; drawn = drawn == 0x50 ? 0x52 : 0) {
		frame_epoch(&f, KEYPROTO_EPOCH_CHECK, 3, &own, drawn, &proof);
		assert_int_equal(serve(k, 'a', &f, &out), ERR_CRYPTO);
	}
	frame_epoch(&f, KEYPROTO_EPOCH_CHECK, 3, &own, 0, &proof);
	assert_int_equal(serve(k, 'a', &f, &out), ERR_CRYPTO);
	/* Which node that is says who makes the home, before any network is open. */
	buf_add_u8(&told, KEYPROTO_NODE);
	buf_add(&told, other.b, sizeof(other.b));
	assert_int_equal(serve(k, 'v', &told, &out), 1);
	assert_int_equal(serve(k, 'a', &told, &out), 1);
	assert_int_equal(serve(k, 'i', &told, &out), 0);
	frame_epoch(&f, KEYPROTO_EPOCH, 3, NULL, 0, NULL);
	buf_reset(&proof);
	assert_int_equal(serve(k, 'a', &f, &proof), 0);
	frame_epoch(&f, KEYPROTO_EPOCH_CHECK, 3, &other, 0, &proof);
	assert_int_equal(serve(k, 'a', &f, &out), 0);
	keyring_free(k);
}

/* ---- the end mark ---- */

static struct endmark
mark_at(uint8_t node, int64_t seq, uint8_t hash)
{
	return (struct endmark){ .node = { { node } }, .seq = seq, .hash = { hash } };
}

static void
add_mark(struct buf *f, struct endmark m)
{
	uint8_t bytes[ENDMARK_BYTES];

	endmark_encode(&m, bytes);
	buf_add(f, bytes, sizeof(bytes));
}

static int
put_mark(struct keyring *k, char role, struct endmark m)
{
	auto_buf f = BUF_INIT, out = BUF_INIT;

	buf_add_u8(&f, KEYPROTO_MARK);
	add_mark(&f, m);
	int status = serve(k, role, &f, &out);
	assert_int_equal(out.len, 0);
	return status;
}

static int
replace_mark(struct keyring *k, char role, struct endmark from, struct endmark to)
{
	auto_buf f = BUF_INIT, out = BUF_INIT;

	buf_add_u8(&f, KEYPROTO_MARK_REPLACE);
	add_mark(&f, from);
	add_mark(&f, to);
	int status = serve(k, role, &f, &out);
	assert_int_equal(out.len, 0);
	return status;
}

/* Of node 1; seq 0: there is none. */
static void
expect_mark(struct keyring *k, int64_t seq, uint8_t hash)
{
	auto_buf f = BUF_INIT, out = BUF_INIT;
	struct endmark m = mark_at(1, seq, hash), got;

	buf_add_u8(&f, KEYPROTO_MARK_ASK);
	assert_int_equal(serve(k, 'v', &f, &out), 0);
	struct cursor c = { .p = (const uint8_t *)out.data, .left = out.len };
	if (!seq) {
		assert_int_equal(out.len, 0);
		return;
	}
	assert_int_equal(out.len, ENDMARK_BYTES);
	assert_true(endmark_take(&c, &got));
	assert_true(endmark_eq(&got, &m));
}

static void
the_end_mark_never_goes_back(void **state)
{
	struct keyring *k = open_ring();
	struct uuid own = { { 1 } };
	struct endmark m, lost;

	expect_mark(k, 0, 0);
	assert_int_equal(put_mark(k, 'v', mark_at(1, 5, 0xa)), ERR_PRECONDITION);
	keyring_set_node(k, &own);
	assert_int_equal(put_mark(k, 'v', mark_at(2, 5, 0xa)), ERR_PRECONDITION);
	assert_false(keyring_take_mark(k, &m, &lost));
	assert_int_equal(put_mark(k, 'i', mark_at(1, 5, 0xa)), 0);
	assert_true(keyring_take_mark(k, &m, &lost));
	assert_int_equal(m.seq, 5);
	assert_int_equal(lost.seq, 0);
	assert_int_equal(put_mark(k, 'v', mark_at(1, 5, 0xa)), 0);
	assert_int_equal(put_mark(k, 'v', mark_at(1, 9, 0xb)), 0);
	expect_mark(k, 9, 0xb);
	assert_true(keyring_take_mark(k, &m, &lost));
	for (const char *r = "vi"; *r; r++) {
		assert_int_equal(put_mark(k, *r, mark_at(1, 8, 0xb)), ERR_CONFLICT);
		assert_int_equal(put_mark(k, *r, mark_at(1, 1, 0xa)), ERR_CONFLICT);
		assert_int_equal(put_mark(k, *r, mark_at(1, 9, 0xc)), ERR_CONFLICT);
		assert_int_equal(put_mark(k, *r, mark_at(2, 10, 0xb)), ERR_PRECONDITION);
	}
	assert_false(keyring_take_mark(k, &m, &lost));
	expect_mark(k, 9, 0xb);
	keyring_free(k);
}

/* Who gives it up names it, and that is told. */
static void
the_end_mark_is_given_up_by_name(void **state)
{
	struct keyring *k = open_ring();
	struct uuid own = { { 1 } };
	struct endmark m, lost;

	keyring_set_node(k, &own);
	assert_int_equal(replace_mark(k, 'v', mark_at(1, 9, 0xb), mark_at(1, 3, 0xc)),
			 ERR_CONFLICT);
	assert_int_equal(put_mark(k, 'v', mark_at(1, 9, 0xb)), 0);
	assert_true(keyring_take_mark(k, &m, &lost));
	assert_int_equal(replace_mark(k, 'i', mark_at(1, 9, 0xb), mark_at(1, 3, 0xc)), 1);
	assert_int_equal(replace_mark(k, 'a', mark_at(1, 9, 0xb), mark_at(1, 3, 0xc)), 1);
	assert_int_equal(replace_mark(k, 'v', mark_at(1, 9, 0xc), mark_at(1, 3, 0xc)),
			 ERR_CONFLICT);
	assert_int_equal(replace_mark(k, 'v', mark_at(1, 8, 0xb), mark_at(1, 3, 0xc)),
			 ERR_CONFLICT);
	assert_int_equal(replace_mark(k, 'v', mark_at(2, 9, 0xb), mark_at(1, 3, 0xc)),
			 ERR_CONFLICT);
	assert_int_equal(replace_mark(k, 'v', mark_at(1, 9, 0xb), mark_at(2, 3, 0xc)),
			 ERR_PRECONDITION);
	assert_false(keyring_take_mark(k, &m, &lost));
	assert_int_equal(replace_mark(k, 'v', mark_at(1, 9, 0xb), mark_at(1, 3, 0xc)), 0);
	assert_true(keyring_take_mark(k, &m, &lost));
	assert_int_equal(m.seq, 3);
	assert_int_equal(lost.seq, 9);
	/* From there it is as before. */
	assert_int_equal(put_mark(k, 'v', mark_at(1, 2, 0xc)), ERR_CONFLICT);
	assert_int_equal(put_mark(k, 'v', mark_at(1, 4, 0xd)), 0);
	assert_true(keyring_take_mark(k, &m, &lost));
	assert_int_equal(lost.seq, 0);
	keyring_free(k);
}

/* In the home of a node that was made another one. */
static void
the_end_mark_of_another_node_is_none(void **state)
{
	struct keyring *k = open_ring();
	struct uuid own = { { 1 } };
	struct endmark m = mark_at(2, 90, 0xb), lost;

	keyring_set_node(k, &own);
	keyring_set_mark(k, &m);
	expect_mark(k, 0, 0);
	assert_false(keyring_take_mark(k, &m, &lost));
	assert_int_equal(put_mark(k, 'v', mark_at(1, 1, 0xa)), 0);
	expect_mark(k, 1, 0xa);
	m = mark_at(1, 90, 0xb);
	keyring_set_mark(k, &m);
	expect_mark(k, 90, 0xb);
	keyring_free(k);
}

static void
malformed_bodies_end_the_connection(void **state)
{
	static const struct {
		size_t n;
		uint8_t bytes[128];
	} rows[] = {
		{ 0, { 0 } },
		{ 1, { 0 } },
		{ 1, { 99 } },
		{ 1, { KEYPROTO_CREATE } },
		{ 6, { KEYPROTO_CREATE, 0, 0, 0, 1, 1 } },
		{ 3, { KEYPROTO_LOAD, 0, 0 } },
		{ 5, { KEYPROTO_SEAL, 0, 0, 0, 1 } },
		{ 9, { KEYPROTO_SEAL, 0, 0, 0, 1, 0, 0, 0, 1 } },
		{ 9, { KEYPROTO_SEAL, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff } },
		{ 6, { KEYPROTO_OPEN, 0, 0, 0, 2, 1 } },
		{ 1, { KEYPROTO_MAC } },
		{ 11, { KEYPROTO_AUTHORITY, 0, 0, 0, 1, 0, 0, 0, 1, 'x', 0 } },
		{ 13, { KEYPROTO_AUTHORITY, 0, 0, 0, 1, 0, 0, 0, 1, 'x', 0, 'y', 'z' } },
		{ 10, { KEYPROTO_CERTIFY, 0, 0, 0, 0, 0, 0, 0, 1, 1 } },
		{ 16, { KEYPROTO_CERTIFY, 0, 0, 0, 0, 0, 0, 0, 1, 2, 'c', 0, 'k', 0, 'n', 0 } },
		{ 20, { KEYPROTO_CHAIN } },
		{ 37, { KEYPROTO_CHAIN, [33] = 0xff, 0xff, 0xff, 0xff } },
		{ 37, { KEYPROTO_CHAIN, [36] = 1 } },
		{ 41, { KEYPROTO_CHAIN, [36] = 1, [40] = 1 } },
		{ 38, { KEYPROTO_CHAIN, [36] = 0 } },
		{ 25, { KEYPROTO_STREAM_SEAL } },
		{ 16, { KEYPROTO_NODE } },
		{ 18, { KEYPROTO_NODE } },
		{ 8, { KEYPROTO_EPOCH } },
		{ 10, { KEYPROTO_EPOCH } },
		{ 56, { KEYPROTO_EPOCH_CHECK } },
		{ 58, { KEYPROTO_EPOCH_CHECK } },
		{ 56, { KEYPROTO_MARK, [24] = 1 } },
		{ 57, { KEYPROTO_MARK } },
		{ 57, { KEYPROTO_MARK, [17] = 0x80 } },
		{ 58, { KEYPROTO_MARK, [24] = 1 } },
		{ 57, { KEYPROTO_MARK_REPLACE, [24] = 1 } },
		{ 112, { KEYPROTO_MARK_REPLACE, [24] = 1, [80] = 1 } },
		{ 113, { KEYPROTO_MARK_REPLACE, [80] = 1 } },
		{ 114, { KEYPROTO_MARK_REPLACE, [24] = 1, [80] = 1 } },
		{ 2, { KEYPROTO_MARK_ASK } },
	};
	struct keyring *k = open_ring();
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		auto_buf f = BUF_INIT, out = BUF_INIT;
		buf_add(&f, rows[i].bytes, rows[i].n);
		assert_int_equal(serve(k, 'i', &f, &out), 1);
		assert_int_equal(serve(k, 'v', &f, &out), 1);
	}
	keyring_free(k);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_file_opens),
		cmocka_unit_test(bad_files_are_refused_with_advice),
		cmocka_unit_test(a_file_of_another_user_is_refused),
		cmocka_unit_test(sealed_bytes_are_bound),
		cmocka_unit_test(data_keys_are_wrapped_by_the_master_key),
		cmocka_unit_test(macs_are_keyed_blake2b_of_their_label),
		cmocka_unit_test(the_chain_is_libsodiums),
		cmocka_unit_test(stream_chunks_keep_their_place),
		cmocka_unit_test(roles_are_the_tables),
		cmocka_unit_test(signatures_are_of_exports_alone),
		cmocka_unit_test(the_authority_signs_and_is_not_seen),
		cmocka_unit_test(epochs_are_proved_for_the_own_node_alone),
		cmocka_unit_test(the_end_mark_never_goes_back),
		cmocka_unit_test(the_end_mark_is_given_up_by_name),
		cmocka_unit_test(the_end_mark_of_another_node_is_none),
		cmocka_unit_test(malformed_bodies_end_the_connection),
	};
	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, begin, finish);
}
