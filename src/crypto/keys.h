/* SPDX-License-Identifier: Apache-2.0
 *
 * The client side of keyd: what a process that holds no key asks of the one that does.
 * Two uses of the same functions:
 *   - in an event loop: keys_new(loop, fd); every call names the fiber that sleeps until the answer.
 *     Calls of many fibers are pipelined: all that was asked in one turn of the loop is one write.
 *   - blocking: keys_new(NULL, fd) and f == NULL in every call.
 * One thread. Requests are answered in the order in which they were asked (crypto/keyproto.h).
 * If keyd goes away every waiting and later call gives ERR_KEYS_UNAVAILABLE until keys_attach.
 */
#pragma once

#include <sys/uio.h>
#include <uv.h>
#include "base/buf.h"
#include "base/epoch.h"
#include "base/err.h"
#include "base/fiber.h"

#define KEYS_HASH_BYTES 32
#define KEYS_SEAL_EXTRA 44	 /* key id (4) + nonce (24) + tag (16): what sealing adds */
#define KEYS_SEAL_MAX (1u << 20) /* longest plaintext of one seal, bytes */
#define KEYS_BATCH_MAX 4096	 /* items of one chain request; keys_chain splits by itself */

#define KEYS_SIGN_KEY_BYTES 32	  /* Ed25519 public key */
#define KEYS_SIGN_BYTES 64	  /* Ed25519 signature */
#define KEYS_SIGN_MAX (64u << 10) /* longest text to sign, bytes */
#define KEYS_SIGN_CONTEXT "holdfast audit export 1\n"

/* What a MAC is for: each label has a subkey of its own. */
enum keys_label {
	KEYS_SESSION = 1, /* session tokens, as kept in the database */
	KEYS_PEPPER,	  /* pre-hash of a password: user id ‖ password */
	KEYS_SETUP,	  /* one-time set-up tokens */
	KEYS_MANIFEST,	  /* the pack's manifest */
	KEYS_CHECK,	  /* key check value: constant input, kept beside the data */
	KEYS_NODE,	  /* answers between the nodes of a pair */
	KEYS_FORWARD = 9, /* requests that a standby hands on to the primary */
};

struct endmark;
struct keys;
struct x509_wish;

/* loop NULL: blocking. fd is a connected stream socket to keyd and is taken over. */
struct keys *keys_new(uv_loop_t *loop, int fd) MUST_USE;
void keys_free(struct keys *k); /* takes NULL */

/* Exchanges the socket after keyd was restarted; loads nothing: the owner loads data keys again. */
void keys_attach(struct keys *k, int fd) NONNULL;
bool keys_available(const struct keys *k) NONNULL;

/* Makes a new data key inside keyd under `id` (≥ 1, unused); gives it wrapped by the master key. */
int keys_create(struct keys *k, struct fiber *f, uint32_t id, struct buf *ret_wrapped,
		struct err *e) MUST_USE;
/* Unwraps a data key inside keyd. ERR_BAD_KEY: wrapped by another master key. Loading twice is fine. */
int keys_load(struct keys *k, struct fiber *f, uint32_t id, const void *wrapped, size_t n,
	      struct err *e) MUST_USE;

/* XChaCha20-Poly1305 under data key `id`. Sealed bytes: be32 key id ‖ nonce ‖ ciphertext ‖ tag.
 * ad binds the bytes to their place (record id, version, field). ret_* is appended to. */
int keys_seal(struct keys *k, struct fiber *f, uint32_t id, const void *ad, size_t ad_len,
	      const void *plain, size_t n, struct buf *ret_sealed, struct err *e) MUST_USE;
/* ERR_CRYPTO when the bytes, the ad or the key do not fit. */
int keys_open(struct keys *k, struct fiber *f, const void *ad, size_t ad_len, const void *sealed,
	      size_t n, struct buf *ret_plain, struct err *e) MUST_USE;

/* Keyed BLAKE2b of the bytes under the label's subkey. */
int keys_mac(struct keys *k, struct fiber *f, enum keys_label label, const void *data, size_t n,
	     uint8_t ret[static KEYS_HASH_BYTES], struct err *e) MUST_USE;

/* The audit chain: ret[i] = BLAKE2b-keyed(audit key, ret[i-1] ‖ items[i]), with prev as ret[-1]. */
int keys_chain(struct keys *k, struct fiber *f, const uint8_t prev[static KEYS_HASH_BYTES],
	       const struct iovec *items, size_t n, uint8_t (*ret)[KEYS_HASH_BYTES],
	       struct err *e) MUST_USE;

/* Streams (the pack): chunk `index` of the stream `stream_id`; `last` is bound too, so that a cut
 * stream is noticed. Each chunk ≤ KEYS_SEAL_MAX bytes. Key: derived from the master key. */
int keys_stream_seal(struct keys *k, struct fiber *f, const uint8_t stream_id[static 16],
		     uint64_t index, bool last, const void *plain, size_t n, struct buf *ret_sealed,
		     struct err *e) MUST_USE;
int keys_stream_open(struct keys *k, struct fiber *f, const uint8_t stream_id[static 16],
		     uint64_t index, bool last, const void *sealed, size_t n, struct buf *ret_plain,
		     struct err *e) MUST_USE;

/* Signs KEYS_SIGN_CONTEXT ‖ text with the Ed25519 key of the log's exports, which is derived from
 * the master key and never leaves keyd. With n 0: tells the public key. */
int keys_sign(struct keys *k, struct fiber *f, const void *text, size_t n,
	      uint8_t ret_key[static KEYS_SIGN_KEY_BYTES], uint8_t ret_sig[static KEYS_SIGN_BYTES],
	      struct err *e) MUST_USE;

/* An authority with a new key, which keyd makes and gives sealed under data key `data_key`. scopes: what it is for
 * (crypto/x509.h). */
int keys_authority(struct keys *k, struct fiber *f, uint32_t data_key, const char *cn, int days,
		   const char *const *scopes, struct buf *ret_cert, struct buf *ret_sealed,
		   struct err *e) MUST_USE;
/* Has keyd sign what the wish says with the sealed key of that authority (PEM). ERR_CRYPTO, ERR_BAD_FIELD: the key is damaged, or another's;
 * ERR_PRECONDITION: a name lies outside of what it is for. */
int keys_certify(struct keys *k, struct fiber *f, const char *authority, const struct buf *sealed,
		 const struct x509_wish *w, struct buf *ret_cert, struct err *e) MUST_USE;

/* Whose epochs keyd proves from now on: for those who make a home what it is. */
int keys_node(struct keys *k, struct fiber *f, const struct uuid *node, struct err *e) MUST_USE;
/* The proof that keyd's own node began the epoch of that counter (≥ 1) and incarnation (base/epoch.h): keyed BLAKE2b, by a key of the vault.
 * ERR_PRECONDITION: keyd does not know its node. */
int keys_epoch(struct keys *k, struct fiber *f, int64_t counter, uint64_t incarnation,
	       uint8_t ret_proof[static EPOCH_PROOF_BYTES], struct err *e) MUST_USE;
/* ERR_CRYPTO: the proof is none of that epoch. */
int keys_epoch_check(struct keys *k, struct fiber *f, const struct epoch_claim *c,
		     struct err *e) MUST_USE;

/* The end mark of keyd's own node goes on to that one; keyd writes it a moment later. ERR_CONFLICT:
 * keyd remembers another end than the one that this goes on from. ERR_PRECONDITION: it is of
 * another node. */
int keys_mark(struct keys *k, struct fiber *f, const struct endmark *to, struct err *e) MUST_USE;
/* The event of a mark is lost for good: `from`, which keyd must have, is given up for `to`.
 * ERR_CONFLICT: keyd has another one. */
int keys_mark_replace(struct keys *k, struct fiber *f, const struct endmark *from,
		      const struct endmark *to, struct err *e) MUST_USE;
/* As keyd knows it, which may be newer than the file. ret->seq 0: there is none. */
int keys_mark_ask(struct keys *k, struct fiber *f, struct endmark *ret, struct err *e) MUST_USE;

/* Counters for /metrics: requests asked so far, batches written. */
void keys_stats(const struct keys *k, uint64_t *ret_requests, uint64_t *ret_batches) NONNULL;
