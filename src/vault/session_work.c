/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/session_impl.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/secret.h"
#include "base/source.h"
#include "crypto/password.h"
#include "vault/hash_queue.h"

void
session_key(const struct sessions *s, const void *p, size_t n,
	    uint8_t ret[static SESSION_KEY_BYTES])
{
	crypto_shorthash_siphashx24(ret, p, n, s->hash_key);
}

/* ---- Argon2id, on the thread pool ---- */

/* Who asks for it: a user or, of strangers, an address. */
static void
source_of_call(const struct call *c, uint8_t ret[static SOURCE_BYTES])
{
	uint8_t address[SOURCE_BYTES];

	memset(ret, 0, SOURCE_BYTES);
	if (!uuid_is_nil(&c->who.user))
		memcpy(ret, c->who.user.b, sizeof(c->who.user.b));
	else if (c->who.address && source_parse(c->who.address, address))
		source_of(address, ret);
}

#define FORMS_MAX 2

struct hashing {
	uv_work_t work;
	struct fiber *f;
	bool done;
	uint8_t prehash[FORMS_MAX][KEYS_HASH_BYTES];
	unsigned forms, tried; /* pre-hashes there are, and those that were hashed */
	bool verify, fits;
	char hash[PASSWORD_HASH_LEN];
	int rc;
	struct err e;
};

static void
on_hash(uv_work_t *w)
{
	struct hashing *h = w->data;

	if (!h->verify) {
		h->tried++;
		h->rc = password_hash(h->prehash[0], h->hash, &h->e);
		return;
	}
	while (!h->fits && h->tried < h->forms)
		h->fits = password_verify(h->hash, h->prehash[h->tried++]);
}

static void
on_hashed(uv_work_t *w, int status)
{
	struct hashing *h = w->data;

	h->done = true;
	fiber_wake(h->f);
}

static int
hash_on_thread(struct call *c, struct hashing *h, struct err *e)
{
	struct sessions *s = c->v->sessions;
	uint8_t source[SOURCE_BYTES];
	int rc;

	source_of_call(c, source);
	rc = hash_queue_enter(s->hash_queue, c->f, source, e);
	if (rc)
		return rc;
	h->f = c->f;
	h->work.data = h;
	mem_check(!uv_queue_work(s->v->loop, &h->work, on_hash, on_hashed));
	while (!h->done)
		fiber_sleep(c->f);
	s->hashed += h->tried;
	hash_queue_leave(s->hash_queue, source);
	if (h->rc && e)
		*e = h->e;
	return h->rc;
}

/* The password never meets Argon2id itself: keyd's pepper and the user's id make a copied or moved
 * hash worthless. */
static int
add_prehash(struct call *c, const struct uuid *user, const char *password, struct hashing *h,
	    struct err *e)
{
	auto_buf b = BUF_INIT;

	buf_add(&b, user->b, sizeof(user->b));
	buf_adds(&b, password);
	return keys_mac(c->v->keys, c->f, KEYS_PEPPER, b.data, b.len, h->prehash[h->forms++], e);
}

int
session_hash_password(struct call *c, const struct uuid *user, const char *password,
		      char ret[static 128], struct err *e)
{
	struct hashing h = { .verify = false };
	auto_buf prepared = BUF_INIT;

	password_prepare(password, &prepared);
	int rc = add_prehash(c, user, buf_str(&prepared), &h, e);
	if (!rc)
		rc = hash_on_thread(c, &h, e);
	if (!rc)
		memcpy(ret, h.hash, sizeof(h.hash));
	secret_wipe(&h, sizeof(h));
	return rc;
}

int
session_verify_password(struct call *c, const struct uuid *user, const char *password,
			const char *hash, struct err *e)
{
	struct hashing h = { .verify = true };
	auto_buf prepared = BUF_INIT;
	bool fits;

	password_prepare(password, &prepared);
	int rc = add_prehash(c, user, buf_str(&prepared), &h, e);
	/* A hash of before there was one form is over the bytes that were typed then. Whether they are tried hangs on what is typed
	 * alone, not on whose name it is. */
	if (rc == 0 && strcmp(buf_str(&prepared), password) != 0)
		rc = add_prehash(c, user, password, &h, e);
	if (rc) {
		secret_wipe(&h, sizeof(h));
		return rc;
	}
	snprintf(h.hash, sizeof(h.hash), "%s", hash && hash[0] ? hash : password_dummy());
	rc = hash_on_thread(c, &h, e);
	fits = h.fits && hash && hash[0];
	secret_wipe(&h, sizeof(h));
	if (rc)
		return rc;
	return fits ? 0 : err_set(e, ERR_BAD_LOGIN, "the password is wrong");
}
