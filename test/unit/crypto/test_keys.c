/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include <sodium.h>
#include "base/home.h"
#include "base/secret.h"
#include "crypto/keyproto.h"
#include "crypto/keyring.h"
#include "crypto/keys.h"

static char dir[64], path[128];

static int
begin(void **state)
{
	static const char hex[] =
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";
	struct err e;
	snprintf(dir, sizeof(dir), "/tmp/hf-keys-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/key", dir);
	return home_write_file(path, hex, strlen(hex), 0400, &e);
}

static int
finish(void **state)
{
	struct err e;
	return home_remove_tree(dir, &e);
}

/* ---- a keyring behind a socket, in a thread ---- */

struct server {
	pthread_t thread;
	int fd; /* the server's end */
	char role;
	unsigned end_after; /* requests, 0: serves on */
};

static bool
read_exactly(int fd, void *p, size_t n)
{
	return !n || recv(fd, p, n, MSG_WAITALL) == (ssize_t)n;
}

static void *
serve(void *arg)
{
	struct server *s = arg;
	struct err e = { 0 };
	struct keyring *ring = keyring_open(path, &e);
	uint8_t head[4];
	for (unsigned n = 1; read_exactly(s->fd, head, 4); n++) {
		auto_buf frame = BUF_INIT, answer = BUF_INIT;
		struct cursor c = { .p = head, .left = 4 };
		size_t len = cursor_be32(&c);
		buf_reserve(&frame, len);
		if (!read_exactly(s->fd, frame.data, len) ||
		    keyring_serve(ring, s->role, (uint8_t *)frame.data, len, &answer, &e) ||
		    n == s->end_after)
			break;
		if (send(s->fd, answer.data, answer.len, MSG_NOSIGNAL) != (ssize_t)answer.len)
			break;
	}
	close(s->fd);
	keyring_free(ring);
	return NULL;
}

/* Gives the client's end. */
static int
start_server(struct server *s, char role, unsigned end_after)
{
	int sv[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	*s = (struct server){ .fd = sv[1], .role = role, .end_after = end_after };
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
	return sv[0];
}

/* ---- blocking ---- */

static void
blocking_does_everything(void **state)
{
	struct server s;
	struct err e = { 0 };
	auto_buf wrapped = BUF_INIT, sealed = BUF_INIT, plain = BUF_INIT;
	uint8_t mac[KEYS_HASH_BYTES], id[16] = "stream";
	struct keys *k = keys_new(NULL, start_server(&s, KEYPROTO_INIT, 0));
	assert_true(keys_available(k));
	assert_int_equal(keys_create(k, NULL, 1, &wrapped, &e), 0);
	assert_int_equal(keys_load(k, NULL, 1, wrapped.data, wrapped.len, &e), 0);
	assert_int_equal(keys_load(k, NULL, 2, wrapped.data, wrapped.len, &e), ERR_BAD_KEY);
	assert_non_null(strstr(e.text, "another master key"));
	assert_int_equal(keys_create(k, NULL, 1, &wrapped, &e), ERR_EXISTS);
	buf_adds(&sealed, ">");
	assert_int_equal(keys_seal(k, NULL, 1, "ad", 2, "secret", 6, &sealed, &e), 0);
	assert_int_equal(sealed.len, 1 + 6 + KEYS_SEAL_EXTRA);
	buf_consume(&sealed, 1);
	assert_int_equal(keys_open(k, NULL, "ad", 2, sealed.data, sealed.len, &plain, &e), 0);
	assert_string_equal(buf_str(&plain), "secret");
	assert_int_equal(keys_open(k, NULL, "AD", 2, sealed.data, sealed.len, &plain, &e),
			 ERR_CRYPTO);
	assert_int_equal(keys_open(k, NULL, "ad", 2, sealed.data, 20, &plain, &e), ERR_CRYPTO);
	assert_int_equal(keys_seal(k, NULL, 5, NULL, 0, NULL, 0, &sealed, &e),
			 ERR_KEYS_UNAVAILABLE);
	assert_int_equal(keys_mac(k, NULL, KEYS_NODE, "x", 1, mac, &e), 0);
	buf_reset(&sealed);
	buf_reset(&plain);
	assert_int_equal(keys_stream_seal(k, NULL, id, 1, true, "abc", 3, &sealed, &e), 0);
	assert_int_equal(
		keys_stream_open(k, NULL, id, 1, true, sealed.data, sealed.len, &plain, &e), 0);
	assert_string_equal(buf_str(&plain), "abc");
	assert_int_equal(
		keys_stream_open(k, NULL, id, 1, false, sealed.data, sealed.len, &plain, &e),
		ERR_CRYPTO);
	keys_free(k);
	pthread_join(s.thread, NULL);
}

static void
the_longest_text_fits_and_no_longer(void **state)
{
	struct server s;
	struct err e = { 0 };
	auto_buf wrapped = BUF_INIT, sealed = BUF_INIT, plain = BUF_INIT;
	char *big = calloc(1, KEYS_SEAL_MAX + 1);
	memset(big, 'z', KEYS_SEAL_MAX);
	struct keys *k = keys_new(NULL, start_server(&s, KEYPROTO_INIT, 0));
	assert_int_equal(keys_create(k, NULL, 1, &wrapped, &e), 0);
	assert_int_equal(keys_seal(k, NULL, 1, "a", 1, big, KEYS_SEAL_MAX, &sealed, &e), 0);
	assert_int_equal(keys_open(k, NULL, "a", 1, sealed.data, sealed.len, &plain, &e), 0);
	assert_memory_equal(plain.data, big, KEYS_SEAL_MAX);
	assert_int_equal(keys_seal(k, NULL, 1, "a", 1, big, KEYS_SEAL_MAX + 1, &sealed, &e),
			 ERR_TOO_LARGE);
	assert_true(keys_available(k));
	free(big);
	keys_free(k);
	pthread_join(s.thread, NULL);
}

static void
chains_are_split_without_a_seam(void **state)
{
	enum { N = 3 * KEYS_BATCH_MAX + 17 };
	struct server s;
	struct err e = { 0 };
	struct iovec *items = calloc(N, sizeof(*items));
	uint8_t(*ret)[32] = calloc(N, 32), *data = malloc(1000), key[32], head[32] = { 9 };
	uint8_t master[32], start[32] = { 9 };
	for (uint8_t i = 0; i < 32; i++)
		master[i] = i;
	memset(data, 'd', 1000);
	crypto_kdf_derive_from_key(key, 32, 2, "holdfast", master);
	for (int i = 0; i < N; i++)
		items[i] = (struct iovec){ data, (size_t)i % 1000 };
	struct keys *k = keys_new(NULL, start_server(&s, KEYPROTO_VAULTD, 0));
	assert_int_equal(keys_chain(k, NULL, start, items, N, ret, &e), 0);
	for (int i = 0; i < N; i++) {
		crypto_generichash_state st;
		crypto_generichash_init(&st, key, 32, 32);
		crypto_generichash_update(&st, head, 32);
		crypto_generichash_update(&st, data, (size_t)i % 1000);
		crypto_generichash_final(&st, head, 32);
		assert_memory_equal(ret[i], head, 32);
	}
	uint64_t requests, batches;
	keys_stats(k, &requests, &batches);
	assert_true(requests >= 4 && requests < 20);
	assert_int_equal(keys_chain(k, NULL, start, NULL, 0, ret, &e), 0);
	keys_free(k);
	pthread_join(s.thread, NULL);
	free(items);
	free(ret);
	free(data);
}

static void
a_lost_keyd_is_said_and_can_be_exchanged(void **state)
{
	struct server s, t;
	struct err e = { 0 };
	uint8_t mac[32], again[32];
	struct keys *k = keys_new(NULL, start_server(&s, KEYPROTO_VAULTD, 2));
	assert_int_equal(keys_mac(k, NULL, KEYS_SESSION, "x", 1, mac, &e), 0);
	assert_int_equal(keys_mac(k, NULL, KEYS_SESSION, "x", 1, again, &e), ERR_KEYS_UNAVAILABLE);
	assert_false(keys_available(k));
	assert_int_equal(keys_mac(k, NULL, KEYS_SESSION, "x", 1, again, &e), ERR_KEYS_UNAVAILABLE);
	pthread_join(s.thread, NULL);
	keys_attach(k, start_server(&t, KEYPROTO_VAULTD, 0));
	assert_int_equal(keys_mac(k, NULL, KEYS_SESSION, "x", 1, again, &e), 0);
	assert_memory_equal(mac, again, 32);
	/* What the role may not ask costs the connection. */
	auto_buf out = BUF_INIT;
	assert_int_equal(keys_stream_seal(k, NULL, mac, 0, false, "a", 1, &out, &e),
			 ERR_KEYS_UNAVAILABLE);
	assert_false(keys_available(k));
	keys_free(k);
	keys_free(NULL);
	pthread_join(t.thread, NULL);
}

/* Answers that no keyd gives: the connection ends, nothing else. */
static void
a_lying_server_is_dropped(void **state)
{
	static const struct {
		size_t n;
		uint8_t bytes[8];
	} rows[] = {
		{ 5, { 0, 0, 0, 1, 0 } },	   /* good, but no MAC in it */
		{ 4, { 0, 0, 0, 0 } },		   /* no status */
		{ 4, { 0xff, 0xff, 0xff, 0xff } }, /* endless */
		{ 6, { 0, 0, 0, 2, 23, 'x' } },	   /* an error with a body */
		{ 3, { 0, 0, 0 } },		   /* cut */
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int sv[2];
		struct err e = { 0 };
		uint8_t mac[32];
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
		assert_int_equal(write(sv[1], rows[i].bytes, rows[i].n), rows[i].n);
		shutdown(sv[1], SHUT_WR);
		struct keys *k = keys_new(NULL, sv[0]);
		assert_int_not_equal(keys_mac(k, NULL, KEYS_NODE, "x", 1, mac, &e), 0);
		assert_false(keys_available(k));
		keys_free(k);
		close(sv[1]);
	}
}

/* ---- in a loop ---- */

struct env {
	uv_loop_t loop;
	struct fiber_pool *pool;
	struct keys *keys;
	struct server server;
	int next_fd; /* attached when a fiber finds keyd gone */
	unsigned done, failed, started;
	bool in_prepare;
	uv_prepare_t prepare;
};

static void
env_open(struct env *v, unsigned end_after)
{
	memset(v, 0, sizeof(*v));
	uv_loop_init(&v->loop);
	v->pool = fiber_pool_new(64 << 10, 1024);
	v->keys = keys_new(&v->loop, start_server(&v->server, KEYPROTO_INIT, end_after));
}

static void
env_close(struct env *v)
{
	assert_int_equal(fiber_alive(v->pool), 0);
	keys_free(v->keys);
	uv_run(&v->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&v->loop), 0);
	fiber_pool_free(v->pool);
	pthread_join(v->server.thread, NULL);
}

static void
run_until_idle(struct env *v)
{
	while (fiber_alive(v->pool))
		uv_run(&v->loop, UV_RUN_ONCE);
}

static void
create_key(struct fiber *f, void *arg)
{
	struct env *v = arg;
	struct err e = { 0 };
	auto_buf wrapped = BUF_INIT;
	if (keys_create(v->keys, f, 1, &wrapped, &e))
		v->failed++;
}

static void
seal_and_open(struct fiber *f, void *arg)
{
	struct env *v = arg;
	struct err e = { 0 };
	unsigned n = v->started++;
	char ad[32], text[700];
	for (unsigned i = 0; i < 5; i++) {
		auto_buf sealed = BUF_INIT, plain = BUF_INIT;
		snprintf(ad, sizeof(ad), "%u-%u", n, i);
		memset(text, 'a' + (int)(n % 26), sizeof(text));
		size_t len = (n * 31 + i * 7) % sizeof(text);
		if (keys_seal(v->keys, f, 1, ad, strlen(ad), text, len, &sealed, &e) ||
		    keys_open(v->keys, f, ad, strlen(ad), sealed.data, sealed.len, &plain, &e) ||
		    plain.len != len || (len && memcmp(plain.data, text, len) != 0)) {
			v->failed++;
			return;
		}
	}
	v->done++;
}

static void
many_fibers_share_writes(void **state)
{
	struct env v;
	env_open(&v, 0);
	assert_true(fiber_start(v.pool, create_key, &v));
	run_until_idle(&v);
	for (int i = 0; i < 500; i++)
		assert_true(fiber_start(v.pool, seal_and_open, &v));
	run_until_idle(&v);
	uint64_t requests, batches;
	keys_stats(v.keys, &requests, &batches);
	assert_int_equal(v.failed, 0);
	assert_int_equal(v.done, 500);
	assert_int_equal(requests, 1 + 500 * 10);
	assert_true(batches < requests / 3); /* all of one turn go together */
	env_close(&v);
}

static void
seal_big(struct fiber *f, void *arg)
{
	struct env *v = arg;
	struct err e = { 0 };
	auto_buf sealed = BUF_INIT, plain = BUF_INIT, text = BUF_INIT;
	for (unsigned i = 0; i < 100000; i++)
		buf_addf(&text, "%010u", i);
	if (keys_seal(v->keys, f, 1, "a", 1, text.data, text.len, &sealed, &e) ||
	    keys_open(v->keys, f, "a", 1, sealed.data, sealed.len, &plain, &e) ||
	    plain.len != text.len || memcmp(plain.data, text.data, text.len) != 0)
		v->failed++;
	else
		v->done++;
}

/* More than the socket takes at once: partial writes and reads. */
static void
large_requests_do_not_block(void **state)
{
	struct env v;
	env_open(&v, 0);
	assert_true(fiber_start(v.pool, create_key, &v));
	for (int i = 0; i < 8; i++)
		assert_true(fiber_start(v.pool, seal_big, &v));
	run_until_idle(&v);
	assert_int_equal(v.failed, 0);
	assert_int_equal(v.done, 8);
	env_close(&v);
}

static void
mac_once(struct fiber *f, void *arg)
{
	struct env *v = arg;
	struct err e = { 0 };
	uint8_t mac[32];
	if (keys_mac(v->keys, f, KEYS_NODE, "x", 1, mac, &e) == ERR_KEYS_UNAVAILABLE)
		v->failed++;
	else
		v->done++;
}

static void
on_prepare(uv_prepare_t *h)
{
	struct env *v = h->data;
	uv_prepare_stop(h);
	v->in_prepare = fiber_start(v->pool, mac_once, v);
}

/* A call made after our own prepare had its turn must not wait for an event that never comes. */
static void
a_call_from_a_prepare_is_written(void **state)
{
	struct env v;
	env_open(&v, 0);
	uv_prepare_init(&v.loop, &v.prepare);
	v.prepare.data = &v;
	uv_prepare_start(&v.prepare, on_prepare);
	uv_run(&v.loop, UV_RUN_ONCE);
	assert_true(v.in_prepare);
	for (int i = 0; i < 100 && fiber_alive(v.pool); i++) {
		uv_run(&v.loop, UV_RUN_NOWAIT);
		usleep(1000);
	}
	assert_int_equal(v.done, 1);
	uv_close((uv_handle_t *)&v.prepare, NULL);
	env_close(&v);
}

static void
mac_and_attach(struct fiber *f, void *arg)
{
	struct env *v = arg;
	struct err e = { 0 };
	uint8_t mac[32];
	if (keys_mac(v->keys, f, KEYS_NODE, "x", 1, mac, &e) == 0) {
		v->done++;
		return;
	}
	v->failed++;
	if (v->next_fd >= 0 && !keys_available(v->keys)) {
		keys_attach(v->keys, v->next_fd);
		v->next_fd = -1;
	}
	if (keys_mac(v->keys, f, KEYS_NODE, "x", 1, mac, &e) == 0)
		v->done++;
}

static void
when_keyd_dies_all_learn_it_and_go_on_with_the_next(void **state)
{
	struct env v;
	struct server next;
	env_open(&v, 50);
	v.next_fd = start_server(&next, KEYPROTO_VAULTD, 0);
	for (int i = 0; i < 200; i++)
		assert_true(fiber_start(v.pool, mac_and_attach, &v));
	run_until_idle(&v);
	assert_true(v.failed >= 151); /* the 50th answer and what came behind it */
	assert_int_equal(v.done, 200);
	assert_true(keys_available(v.keys));
	env_close(&v);
	pthread_join(next.thread, NULL);
}

static void
freeing_wakes_who_waits(void **state)
{
	struct env v;
	env_open(&v, 0);
	for (int i = 0; i < 10; i++)
		assert_true(fiber_start(v.pool, mac_once, &v));
	assert_int_equal(fiber_alive(v.pool), 10);
	int sv[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	keys_attach(v.keys, sv[0]); /* a keyd that never answers */
	assert_int_equal(v.failed, 10);
	assert_true(fiber_start(v.pool, mac_once, &v));
	uv_run(&v.loop, UV_RUN_NOWAIT);
	assert_int_equal(fiber_alive(v.pool), 1);
	keys_free(v.keys);
	assert_int_equal(v.failed, 11);
	v.keys = NULL;
	env_close(&v);
	close(sv[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocking_does_everything),
		cmocka_unit_test(the_longest_text_fits_and_no_longer),
		cmocka_unit_test(chains_are_split_without_a_seam),
		cmocka_unit_test(a_lost_keyd_is_said_and_can_be_exchanged),
		cmocka_unit_test(a_lying_server_is_dropped),
		cmocka_unit_test(many_fibers_share_writes),
		cmocka_unit_test(large_requests_do_not_block),
		cmocka_unit_test(a_call_from_a_prepare_is_written),
		cmocka_unit_test(when_keyd_dies_all_learn_it_and_go_on_with_the_next),
		cmocka_unit_test(freeing_wakes_who_waits),
	};
	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, begin, finish);
}
