/* SPDX-License-Identifier: Apache-2.0
 *
 * Invariants: 1. No answer holds a key, a subkey or the master key. 2. Every duty has a subkey of
 * its own, so that a MAC made for one can never be used for another. 3. The numbers of the subkeys
 * are for ever: data sealed or MACed under them outlives the program.
 */
#include "crypto/keyring.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "base/epoch.h"
#include "base/mem.h"
#include "base/secret.h"
#include "crypto/endmark.h"
#include "crypto/keyfile.h"
#include "crypto/keyproto.h"
#include "crypto/x509.h"

#define KEY_BYTES 32
#define NONCE_BYTES crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_BYTES crypto_aead_xchacha20poly1305_ietf_ABYTES
#define KDF_CONTEXT "holdfast"
#define WRAP_VERSION 1
#define WRAPPED_BYTES (1 + 4 + NONCE_BYTES + KEY_BYTES + TAG_BYTES)
#define DATA_KEYS_MAX 4096
#define STREAM_ID_BYTES 16
#define EPOCH_VERSION 1
#define EPOCH_DRAWN_VERSION 2 /* of an epoch that says which program of its node began it */
#define NAMES_MAX 64	      /* of a certificate, or scopes of an authority */

_Static_assert(KEYS_SEAL_EXTRA == 4 + NONCE_BYTES + TAG_BYTES,
	       "the header tells what sealing adds");
_Static_assert(KEYS_SIGN_KEY_BYTES == crypto_sign_PUBLICKEYBYTES &&
		       KEYS_SIGN_BYTES == crypto_sign_BYTES,
	       "the header tells the sizes of Ed25519");
_Static_assert(KEY_BYTES == crypto_kdf_KEYBYTES && KEY_BYTES == KEYFILE_BYTES,
	       "the master key is one of crypto_kdf");
_Static_assert(KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "one size of key");

/* Duties with a subkey of their own; the labels of MACs follow at SUB_LABELS + label. */
enum { SUB_WRAP = 1, SUB_AUDIT = 2, SUB_STREAM = 3, SUB_SIGN = 4, SUB_EPOCH = 5, SUB_LABELS = 100 };

static const struct {
	enum keys_label label;
	const char *roles;
} labels[] = {
	{ KEYS_SESSION, "vi" },	  { KEYS_PEPPER, "vai" }, { KEYS_SETUP, "vi" },
	{ KEYS_MANIFEST, "vai" }, { KEYS_CHECK, "vai" },  { KEYS_NODE, "vai" },
	{ KEYS_FORWARD, "v" },
};

struct data_key {
	struct data_key *next;
	uint32_t id;
	struct secret *key;
};

struct subkeys {
	uint8_t wrap[KEY_BYTES], audit[KEY_BYTES], stream[KEY_BYTES], epoch[KEY_BYTES];
	uint8_t label[ARRAY_LEN(labels)][KEY_BYTES];
	uint8_t sign[crypto_sign_SECRETKEYBYTES]; /* Ed25519, of exports of the log */
};

struct keyring {
	struct secret *subkeys; /* a struct subkeys */
	struct data_key *data;	/* the newest first: it is the one most used */
	unsigned data_n;
	struct uuid node; /* nil: not known */
	struct endmark mark, lost;
	bool mark_moved;
};

static struct subkeys *
subkeys_of(struct keyring *k)
{
	return (struct subkeys *)(void *)secret_bytes(k->subkeys);
}

static void
derive(uint8_t ret[static KEY_BYTES], uint64_t duty, const uint8_t *master)
{
	int r = crypto_kdf_derive_from_key(ret, KEY_BYTES, duty, KDF_CONTEXT, master);
	assert(r == 0);
}

static void
derive_sign(uint8_t ret[static crypto_sign_SECRETKEYBYTES], const uint8_t *master)
{
	uint8_t seed[crypto_sign_SEEDBYTES], public_key[crypto_sign_PUBLICKEYBYTES];
	derive(seed, SUB_SIGN, master);
	crypto_sign_seed_keypair(public_key, ret, seed);
	secret_wipe(seed, sizeof(seed));
}

static struct keyring *
keyring_new(const uint8_t *master)
{
	struct keyring *k = mem_new(sizeof(*k));
	k->subkeys = secret_new(sizeof(struct subkeys));
	struct subkeys *s = subkeys_of(k);
	derive(s->wrap, SUB_WRAP, master);
	derive(s->audit, SUB_AUDIT, master);
	derive(s->stream, SUB_STREAM, master);
	derive(s->epoch, SUB_EPOCH, master);
	derive_sign(s->sign, master);
	for (size_t i = 0; i < ARRAY_LEN(labels); i++)
		derive(s->label[i], SUB_LABELS + (uint64_t)labels[i].label, master);
	return k;
}

void
keyring_set_node(struct keyring *k, const struct uuid *node)
{
	k->node = *node;
}

void
keyring_set_mark(struct keyring *k, const struct endmark *m)
{
	k->mark = *m;
}

bool
keyring_take_mark(struct keyring *k, struct endmark *ret, struct endmark *ret_lost)
{
	if (!k->mark_moved)
		return false;
	*ret = k->mark;
	*ret_lost = k->lost;
	k->lost.seq = 0;
	k->mark_moved = false;
	return true;
}

void
keyring_free(struct keyring *k)
{
	if (!k)
		return;
	for (struct data_key *d = k->data, *next; d; d = next) {
		next = d->next;
		secret_free(d->key);
		free(d);
	}
	secret_free(k->subkeys);
	free(k);
}

struct keyring *
keyring_open(const char *path, struct err *e)
{
	auto_secret master = secret_new(KEY_BYTES);

	return keyfile_read(path, master, e) ? NULL : keyring_new(secret_bytes(master));
}

/* ---- sealing ---- */

/* Appends nonce ‖ ciphertext ‖ tag. */
static void
seal_into(struct buf *out, const uint8_t *key, const void *ad, size_t ad_len, const uint8_t *plain,
	  size_t n)
{
	buf_reserve(out, NONCE_BYTES + n + TAG_BYTES);
	uint8_t *nonce = (uint8_t *)out->data + out->len;
	randombytes_buf(nonce, NONCE_BYTES);
	crypto_aead_xchacha20poly1305_ietf_encrypt(nonce + NONCE_BYTES, NULL, plain, n, ad, ad_len,
						   NULL, nonce, key);
	out->len += NONCE_BYTES + n + TAG_BYTES;
	out->data[out->len] = '\0';
}

/* The opposite. ERR_CRYPTO when it does not fit; then nothing is appended. */
static int
open_into(struct buf *out, const uint8_t *key, const void *ad, size_t ad_len, const uint8_t *sealed,
	  size_t n)
{
	if (n < NONCE_BYTES + TAG_BYTES)
		return ERR_CRYPTO;
	size_t plain_len = n - NONCE_BYTES - TAG_BYTES;
	buf_reserve(out, plain_len);
	if (crypto_aead_xchacha20poly1305_ietf_decrypt((uint8_t *)out->data + out->len, NULL, NULL,
						       sealed + NONCE_BYTES, n - NONCE_BYTES, ad,
						       ad_len, sealed, key) != 0)
		return ERR_CRYPTO;
	out->len += plain_len;
	out->data[out->len] = '\0';
	return 0;
}

/* ---- data keys ---- */

static struct data_key *
find_data_key(const struct keyring *k, uint32_t id)
{
	struct data_key *d = k->data;
	while (d && d->id != id)
		d = d->next;
	return d;
}

static void
add_data_key(struct keyring *k, uint32_t id, struct secret *take_key)
{
	struct data_key *d = mem_new(sizeof(*d));
	*d = (struct data_key){ .next = k->data, .id = id, .key = take_key };
	k->data = d;
	k->data_n++;
}

/* What binds a wrapped key to its number. */
#define WRAP_AD_BYTES 8
static void
wrap_ad(uint32_t id, uint8_t ret[static WRAP_AD_BYTES])
{
	static const uint8_t duty[4] = { 'd', 'k', 'e', 'y' };
	memcpy(ret, duty, sizeof(duty));
	for (int i = 0; i < 4; i++)
		ret[4 + i] = (uint8_t)(id >> (24 - 8 * i));
}

/* ---- requests: each takes its body and appends the body of the answer. A positive result ends the
 * connection, a negative one is the status of the answer. ---- */

#define MALFORMED 1

struct request {
	struct keyring *k;
	char role;
	struct cursor body;
	struct buf *out;
};

typedef int serve_fn(struct request *r);

static int
serve_create(struct request *r)
{
	uint32_t id = cursor_be32(&r->body);
	if (r->body.bad || r->body.left)
		return MALFORMED;
	if (!id)
		return ERR_BAD_FIELD;
	if (find_data_key(r->k, id))
		return ERR_EXISTS;
	if (r->k->data_n >= DATA_KEYS_MAX)
		return ERR_TOO_LARGE;
	struct secret *key = secret_new(KEY_BYTES);
	crypto_aead_xchacha20poly1305_ietf_keygen(secret_bytes(key));
	uint8_t ad[WRAP_AD_BYTES];
	wrap_ad(id, ad);
	buf_add_u8(r->out, WRAP_VERSION);
	buf_add_be32(r->out, id);
	seal_into(r->out, subkeys_of(r->k)->wrap, ad, sizeof(ad), secret_bytes(key), KEY_BYTES);
	add_data_key(r->k, id, key);
	return 0;
}

/* Puts the unwrapped key into ret. */
static int
unwrap(struct keyring *k, uint32_t id, struct cursor wrapped, struct secret *ret)
{
	if (wrapped.left != WRAPPED_BYTES || cursor_u8(&wrapped) != WRAP_VERSION ||
	    cursor_be32(&wrapped) != id)
		return ERR_BAD_KEY;
	uint8_t ad[WRAP_AD_BYTES];
	wrap_ad(id, ad);
	/* Into guarded memory at once: a key never lies in a buffer. */
	const uint8_t *nonce = wrapped.p;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(
		    secret_bytes(ret), NULL, NULL, nonce + NONCE_BYTES, wrapped.left - NONCE_BYTES,
		    ad, sizeof(ad), nonce, subkeys_of(k)->wrap) != 0)
		return ERR_BAD_KEY;
	return 0;
}

static int
serve_load(struct request *r)
{
	uint32_t id = cursor_be32(&r->body);
	if (r->body.bad)
		return MALFORMED;
	auto_secret key = secret_new(KEY_BYTES);
	int code = unwrap(r->k, id, r->body, key);
	if (code)
		return code;
	struct data_key *have = find_data_key(r->k, id);
	if (have)
		return sodium_memcmp(secret_bytes(have->key), secret_bytes(key), KEY_BYTES) == 0
			       ? 0
			       : ERR_EXISTS;
	if (r->k->data_n >= DATA_KEYS_MAX)
		return ERR_TOO_LARGE;
	add_data_key(r->k, id, TAKE(key));
	return 0;
}

/* What binds the key of an authority to its duty; of no other request's business. */
static bool
is_of_authority(const uint8_t *ad, size_t n)
{
	static const char duty[] = KEYPROTO_AUTHORITY_AD;

	return n == sizeof(duty) && memcmp(ad, duty, n) == 0;
}

static int
serve_seal(struct request *r)
{
	uint32_t id = cursor_be32(&r->body), ad_len = cursor_be32(&r->body);
	const uint8_t *ad = cursor_bytes(&r->body, ad_len);
	if (r->body.bad || r->body.left > KEYS_SEAL_MAX || is_of_authority(ad, ad_len))
		return MALFORMED;
	struct data_key *d = find_data_key(r->k, id);
	if (!d)
		return ERR_KEYS_UNAVAILABLE;
	buf_add_be32(r->out, id);
	seal_into(r->out, secret_bytes(d->key), ad, ad_len, r->body.p, r->body.left);
	return 0;
}

static int
serve_open(struct request *r)
{
	uint32_t ad_len = cursor_be32(&r->body);
	const uint8_t *ad = cursor_bytes(&r->body, ad_len);
	if (r->body.bad || is_of_authority(ad, ad_len))
		return MALFORMED;
	uint32_t id = cursor_be32(&r->body);
	if (r->body.bad)
		return ERR_CRYPTO; /* what was stored is too short to be sealed bytes */
	struct data_key *d = find_data_key(r->k, id);
	if (!d)
		return ERR_KEYS_UNAVAILABLE;
	return open_into(r->out, secret_bytes(d->key), ad, ad_len, r->body.p, r->body.left);
}

static int
serve_mac(struct request *r)
{
	uint8_t label = cursor_u8(&r->body);
	if (r->body.bad)
		return MALFORMED;
	for (size_t i = 0; i < ARRAY_LEN(labels); i++) {
		if (labels[i].label != (enum keys_label)label)
			continue;
		if (!strchr(labels[i].roles, r->role))
			return MALFORMED;
		uint8_t mac[KEYS_HASH_BYTES];
		crypto_generichash(mac, sizeof(mac), r->body.p, r->body.left,
				   subkeys_of(r->k)->label[i], KEY_BYTES);
		buf_add(r->out, mac, sizeof(mac));
		secret_wipe(mac, sizeof(mac));
		return 0;
	}
	return MALFORMED;
}

static void
chain_one(const uint8_t *key, const uint8_t *prev, const uint8_t *item, size_t n, uint8_t *ret)
{
	crypto_generichash_state st;
	crypto_generichash_init(&st, key, KEY_BYTES, KEYS_HASH_BYTES);
	crypto_generichash_update(&st, prev, KEYS_HASH_BYTES);
	crypto_generichash_update(&st, item, n);
	crypto_generichash_final(&st, ret, KEYS_HASH_BYTES);
	secret_wipe(&st, sizeof(st));
}

static int
serve_chain(struct request *r)
{
	uint8_t head[KEYS_HASH_BYTES];
	const uint8_t *prev = cursor_bytes(&r->body, KEYS_HASH_BYTES);
	uint32_t n = cursor_be32(&r->body);
	if (r->body.bad || n > KEYS_BATCH_MAX)
		return MALFORMED;
	memcpy(head, prev, sizeof(head));
	for (uint32_t i = 0; i < n; i++) {
		uint32_t len = cursor_be32(&r->body);
		const uint8_t *item = cursor_bytes(&r->body, len);
		if (!item)
			return MALFORMED;
		chain_one(subkeys_of(r->k)->audit, head, item, len, head);
		buf_add(r->out, head, sizeof(head));
	}
	return r->body.left ? MALFORMED : 0;
}

/* The head of both stream requests: id ‖ be64 index ‖ u8 last, which is the associated data too. */
#define STREAM_HEAD_BYTES (STREAM_ID_BYTES + 8 + 1)

static const uint8_t *
stream_head(struct request *r, uint8_t ret_key[static KEY_BYTES])
{
	const uint8_t *head = cursor_bytes(&r->body, STREAM_HEAD_BYTES);
	if (!head || head[STREAM_HEAD_BYTES - 1] > 1)
		return NULL;
	crypto_generichash(ret_key, KEY_BYTES, head, STREAM_ID_BYTES, subkeys_of(r->k)->stream,
			   KEY_BYTES);
	return head;
}

static int
serve_stream_seal(struct request *r)
{
	uint8_t key[KEY_BYTES];
	const uint8_t *head = stream_head(r, key);
	if (!head || r->body.left > KEYS_SEAL_MAX)
		return MALFORMED;
	seal_into(r->out, key, head, STREAM_HEAD_BYTES, r->body.p, r->body.left);
	secret_wipe(key, sizeof(key));
	return 0;
}

static int
serve_stream_open(struct request *r)
{
	uint8_t key[KEY_BYTES];
	const uint8_t *head = stream_head(r, key);
	if (!head)
		return MALFORMED;
	int code = open_into(r->out, key, head, STREAM_HEAD_BYTES, r->body.p, r->body.left);
	secret_wipe(key, sizeof(key));
	return code;
}

/* The context stands before whatever is signed, so that no signature fits anything else. */
static int
serve_sign(struct request *r)
{
	const uint8_t *key = subkeys_of(r->k)->sign;
	uint8_t public_key[crypto_sign_PUBLICKEYBYTES], sig[crypto_sign_BYTES];
	auto_buf text = BUF_INIT;
	if (r->body.left > KEYS_SIGN_MAX)
		return MALFORMED;
	buf_adds(&text, KEYS_SIGN_CONTEXT);
	buf_add(&text, r->body.p, r->body.left);
	crypto_sign_ed25519_sk_to_pk(public_key, key);
	crypto_sign_detached(sig, NULL, (const uint8_t *)text.data, text.len, key);
	buf_add(r->out, public_key, sizeof(public_key));
	buf_add(r->out, sig, sizeof(sig));
	return 0;
}

/* ---- the vault's authority: its key is made, opened and used here ---- */

/* A text of the body, to its NUL. */
static const char *
take_text(struct request *r)
{
	const uint8_t *end = r->body.bad ? NULL : memchr(r->body.p, 0, r->body.left);

	return end ? (const char *)cursor_bytes(&r->body, (size_t)(end - r->body.p) + 1) : NULL;
}

/* The rest of the body: one text or more, with a NULL behind them. */
static bool
take_names(struct request *r, const char *names[static NAMES_MAX + 1])
{
	size_t n = 0;

	for (const char *s; r->body.left && n < NAMES_MAX && (s = take_text(r));)
		names[n++] = s;
	names[n] = NULL;
	return n && !r->body.left;
}

static int
serve_authority(struct request *r)
{
	const char *scopes[NAMES_MAX + 1];
	auto_buf cert = BUF_INIT, key = BUF_INIT;
	uint32_t id = cursor_be32(&r->body), days = cursor_be32(&r->body);
	const char *cn = take_text(r);
	struct err e = { 0 };
	if (r->body.bad || !cn || !take_names(r, scopes) || days > INT32_MAX)
		return MALFORMED;
	struct data_key *d = find_data_key(r->k, id);
	if (!d)
		return ERR_KEYS_UNAVAILABLE;
	int code = x509_authority(cn, (int)days, scopes, &cert, &key, &e);
	if (code)
		return code;
	buf_add_be32(r->out, (uint32_t)cert.len);
	buf_add(r->out, cert.data, cert.len);
	buf_add_be32(r->out, id);
	seal_into(r->out, secret_bytes(d->key), KEYPROTO_AUTHORITY_AD,
		  sizeof(KEYPROTO_AUTHORITY_AD), (const uint8_t *)key.data, key.len);
	return 0;
}

static int
open_authority(const struct keyring *k, const uint8_t *sealed, size_t n, struct buf *ret)
{
	struct cursor c = { .p = sealed, .left = n };
	uint32_t id = cursor_be32(&c);
	if (c.bad)
		return ERR_CRYPTO;
	struct data_key *d = find_data_key(k, id);
	if (!d)
		return ERR_KEYS_UNAVAILABLE;
	return open_into(ret, secret_bytes(d->key), KEYPROTO_AUTHORITY_AD,
			 sizeof(KEYPROTO_AUTHORITY_AD), c.p, c.left);
}

static int
serve_certify(struct request *r)
{
	const char *names[NAMES_MAX + 1];
	auto_buf key = BUF_INIT;
	uint32_t n = cursor_be32(&r->body);
	const uint8_t *sealed = cursor_bytes(&r->body, n);
	uint32_t days = cursor_be32(&r->body);
	uint8_t client = cursor_u8(&r->body);
	const char *authority = take_text(r);
	struct x509_wish w = { .public_key = take_text(r), .days = (int)days, .client = client };
	struct err e = { 0 };
	if (r->body.bad || !authority || !w.public_key || days > INT32_MAX || client > 1 ||
	    !take_names(r, names))
		return MALFORMED;
	w.names = names;
	int code = open_authority(r->k, sealed, n, &key);
	return code ? code : x509_sign(authority, buf_str(&key), &w, r->out, &e);
}

/* ---- epochs ---- */

/* Of a vault, whose master key no other has. */
static void
prove_epoch(struct keyring *k, uint64_t counter, const struct uuid *node, uint64_t incarnation,
	    uint8_t ret[static EPOCH_PROOF_BYTES])
{
	auto_buf said = BUF_INIT;

	buf_add_u8(&said, incarnation ? EPOCH_DRAWN_VERSION : EPOCH_VERSION);
	buf_add_be64(&said, counter);
	buf_add(&said, node->b, sizeof(node->b));
	if (incarnation)
		buf_add_be64(&said, incarnation);
	crypto_generichash(ret, EPOCH_PROOF_BYTES, (const uint8_t *)said.data, said.len,
			   subkeys_of(k)->epoch, KEY_BYTES);
}

static int
serve_node(struct request *r)
{
	struct uuid node;
	const uint8_t *id = cursor_bytes(&r->body, sizeof(node.b));
	if (r->body.bad || r->body.left)
		return MALFORMED;
	memcpy(node.b, id, sizeof(node.b));
	keyring_set_node(r->k, &node);
	return 0;
}

static int
serve_epoch(struct request *r)
{
	uint8_t proof[EPOCH_PROOF_BYTES];
	uint64_t counter = cursor_be64(&r->body), incarnation = cursor_be64(&r->body);
	if (r->body.bad || r->body.left)
		return MALFORMED;
	if (!counter || counter > INT64_MAX)
		return ERR_BAD_FIELD;
	if (uuid_is_nil(&r->k->node))
		return ERR_PRECONDITION;
	prove_epoch(r->k, counter, &r->k->node, incarnation, proof);
	buf_add(r->out, proof, sizeof(proof));
	return 0;
}

static int
serve_epoch_check(struct request *r)
{
	uint8_t proof[EPOCH_PROOF_BYTES];
	struct uuid node;
	uint64_t counter = cursor_be64(&r->body);
	const uint8_t *id = cursor_bytes(&r->body, sizeof(node.b));
	uint64_t incarnation = cursor_be64(&r->body);
	const uint8_t *said = cursor_bytes(&r->body, sizeof(proof));
	if (r->body.bad || r->body.left)
		return MALFORMED;
	memcpy(node.b, id, sizeof(node.b));
	prove_epoch(r->k, counter, &node, incarnation, proof);
	return sodium_memcmp(proof, said, sizeof(proof)) == 0 ? 0 : ERR_CRYPTO;
}

/* ---- the end mark ---- */

/* Another node's is none: what lies in the home of a node that was made another one. */
static bool
has_mark(const struct keyring *k)
{
	return k->mark.seq && uuid_eq(&k->mark.node, &k->node);
}

static void
move_mark(struct keyring *k, const struct endmark *to)
{
	k->mark = *to;
	k->mark_moved = true;
}

static int
serve_mark(struct request *r)
{
	struct endmark to;
	if (!endmark_take(&r->body, &to) || r->body.left)
		return MALFORMED;
	if (!uuid_eq(&to.node, &r->k->node))
		return ERR_PRECONDITION;
	if (has_mark(r->k) && endmark_is_cut(&r->k->mark, &to))
		return ERR_CONFLICT;
	move_mark(r->k, &to);
	return 0;
}

/* Who gives a mark up must know it. */
static int
serve_mark_replace(struct request *r)
{
	struct endmark from, to;
	if (!endmark_take(&r->body, &from) || !endmark_take(&r->body, &to) || r->body.left)
		return MALFORMED;
	if (!uuid_eq(&to.node, &r->k->node))
		return ERR_PRECONDITION;
	if (!has_mark(r->k) || !endmark_eq(&r->k->mark, &from))
		return ERR_CONFLICT;
	r->k->lost = from;
	move_mark(r->k, &to);
	return 0;
}

static int
serve_mark_ask(struct request *r)
{
	uint8_t mark[ENDMARK_BYTES];
	if (r->body.left)
		return MALFORMED;
	endmark_encode(&r->k->mark, mark);
	buf_add(r->out, mark, has_mark(r->k) ? sizeof(mark) : 0);
	return 0;
}

static serve_fn *const
	serve_CREATE = serve_create,
	*const serve_LOAD = serve_load, *const serve_SEAL = serve_seal,
	*const serve_OPEN = serve_open, *const serve_MAC = serve_mac,
	*const serve_CHAIN = serve_chain, *const serve_STREAM_SEAL = serve_stream_seal,
	*const serve_STREAM_OPEN = serve_stream_open, *const serve_SIGN = serve_sign,
	*const serve_AUTHORITY = serve_authority, *const serve_CERTIFY = serve_certify,
	*const serve_NODE = serve_node, *const serve_EPOCH = serve_epoch,
	*const serve_EPOCH_CHECK = serve_epoch_check, *const serve_MARK = serve_mark,
	*const serve_MARK_REPLACE = serve_mark_replace, *const serve_MARK_ASK = serve_mark_ask;

static const struct {
	uint8_t op;
	const char *roles;
	serve_fn *const *serve;
} ops[] = {
#define X(name, number, roles) { number, roles, &serve_##name },
	KEYPROTO_OPS(X)
#undef X
};

static int
dispatch(struct request *r, uint8_t op)
{
	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		if (ops[i].op != op)
			continue;
		if (!r->role || !strchr(ops[i].roles, r->role))
			return MALFORMED;
		return (*ops[i].serve)(r);
	}
	return MALFORMED;
}

/* Cuts the answer back to its length field and status. */
static void
drop_body(struct buf *b, size_t start)
{
	secret_wipe(b->data + start + 5, b->len - start - 5);
	b->len = start + 5;
}

static void
put_be32(char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (char)(v >> (24 - 8 * i));
}

int
keyring_serve(struct keyring *k, char role, const uint8_t *frame, size_t n, struct buf *ret_answer,
	      struct err *e)
{
	size_t start = ret_answer->len;
	struct request r = { .k = k, .role = role, .body = { .p = frame, .left = n } };
	r.out = ret_answer;
	uint8_t op = cursor_u8(&r.body);
	buf_add_be32(ret_answer, 0);
	buf_add_u8(ret_answer, 0);
	int code = n > KEYPROTO_MAX || r.body.bad ? MALFORMED : dispatch(&r, op);
	if (code > 0) {
		drop_body(ret_answer, start);
		ret_answer->len = start;
		return err_set(e, ERR_REFUSED,
			       "request %u is malformed, or not for role %c: the connection ends",
			       (unsigned)op, role >= 'a' && role <= 'z' ? role : '?');
	}
	if (code < 0)
		drop_body(ret_answer, start);
	ret_answer->data[start + 4] = (char)-code;
	put_be32(ret_answer->data + start, (uint32_t)(ret_answer->len - start - 4));
	return 0;
}
