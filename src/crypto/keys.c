/* SPDX-License-Identifier: Apache-2.0
 *
 * In a loop: a call appends its frame to `out`, joins the queue and sleeps. The first call of a
 * turn arms `prepare`, which writes everything at once before the loop polls again; `idle` keeps
 * that poll from blocking when the call came after our prepare had its turn. Answers are matched to
 * the queue in order. All calls whose answers came are taken off first and woken then: what a woken
 * fiber does (ask again, attach, free) never meets a half-read buffer.
 *
 * Invariants: 1. watch is NULL when keyd is not there; then queue and buffers are empty.
 * 2. The queue has one entry for each request of which the answer has not come.
 */
#include "crypto/keys.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/fault.h"
#include "base/mem.h"
#include "base/secret.h"
#include "crypto/endmark.h"
#include "crypto/keyproto.h"
#include "crypto/x509.h"

#define READ_BYTES 65536
#define AD_MAX 65536
#define CHAIN_BYTES_MAX (1u << 20) /* of one request, unless a single item is longer */

/* One request, on the stack of who waits for it. */
struct call {
	struct call *next;
	struct fiber *fiber;
	struct buf *ret; /* the body of the answer is appended */
	size_t want;	 /* exact length of a good body, ANY_LENGTH: whatever comes */
	int code;
};

#define ANY_LENGTH SIZE_MAX

/* The socket in a loop: libuv closes handles later, so it lives on its own. */
struct watch {
	uv_poll_t poll;
	struct keys *keys; /* NULL once it was given up */
	int fd;
};

struct keys {
	uv_loop_t *loop;
	struct watch *watch;
	int fd; /* of a blocking client, -1: none */
	uv_prepare_t prepare;
	uv_idle_t idle;
	unsigned open_handles; /* prepare and idle, until libuv let them go */
	bool armed, writable_wanted;
	struct buf out, in;
	struct call *first, *last;
	uint64_t requests, batches;
};

static void on_event(uv_poll_t *h, int status, int events);

/* ---- the queue ---- */

static void
push(struct keys *k, struct call *c)
{
	if (k->last)
		k->last->next = c;
	else
		k->first = c;
	k->last = c;
}

static struct call *
pop(struct call **first)
{
	struct call *c = *first;
	*first = c->next;
	c->next = NULL;
	return c;
}

static void
wake_all(struct call *first)
{
	while (first)
		fiber_wake(pop(&first)->fiber);
}

/* ---- the end of a connection ---- */

static void
on_watch_closed(uv_handle_t *h)
{
	struct watch *w = h->data;
	close(w->fd);
	free(w);
}

static void
disarm(struct keys *k)
{
	if (!k->armed)
		return;
	k->armed = false;
	uv_prepare_stop(&k->prepare);
	uv_idle_stop(&k->idle);
}

/* Gives the connection up; everyone who waits learns it. */
static void
lose(struct keys *k)
{
	if (k->watch) {
		k->watch->keys = NULL;
		uv_close((uv_handle_t *)&k->watch->poll, on_watch_closed);
		k->watch = NULL;
		disarm(k);
	}
	if (k->fd >= 0)
		close(k->fd);
	k->fd = -1;
	buf_done(&k->out);
	buf_done(&k->in);
	struct call *waiting = k->first;
	k->first = k->last = NULL;
	for (struct call *c = waiting; c; c = c->next)
		c->code = ERR_KEYS_UNAVAILABLE;
	wake_all(waiting);
}

/* ---- writing ---- */

static void
watch_for(struct keys *k, bool writable)
{
	if (k->writable_wanted == writable)
		return;
	k->writable_wanted = writable;
	uv_poll_start(&k->watch->poll, writable ? UV_READABLE | UV_WRITABLE : UV_READABLE,
		      on_event);
}

/* Writes what can be written now. false when the connection is broken. */
static bool
flush(struct keys *k)
{
	if (!k->out.len)
		return true;
	ssize_t n = FAULT(KEYD_SEND, -1,
			  send(k->watch->fd, k->out.data, k->out.len, MSG_NOSIGNAL | MSG_DONTWAIT));
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return false;
	if (n > 0) {
		k->batches++;
		buf_consume(&k->out, (size_t)n);
	}
	watch_for(k, k->out.len > 0);
	return true;
}

static void
on_prepare(uv_prepare_t *h)
{
	struct keys *k = h->data;
	disarm(k);
	if (k->watch && !flush(k))
		lose(k);
}

static void
on_idle(uv_idle_t *h)
{
	/* It is there only so that the poll does not block. */
}

static void
arm(struct keys *k)
{
	if (k->armed)
		return;
	k->armed = true;
	uv_prepare_start(&k->prepare, on_prepare);
	uv_idle_start(&k->idle, on_idle);
}

/* ---- reading ---- */

/* Takes one frame: the code of the call, or the connection's end by false. */
static bool
take_answer(struct call *c, const uint8_t *frame, size_t n)
{
	int code = -(int)frame[0];
	if (code) {
		c->code = err_info(code)->code;
		return n == 1;
	}
	if (c->want != ANY_LENGTH && c->want != n - 1)
		return false;
	c->code = 0;
	buf_add(c->ret, frame + 1, n - 1);
	return true;
}

/* The length of the whole frame at the front of `in` from `at` on; 0: not all there yet; SIZE_MAX:
 * it can be no frame. */
static size_t
frame_at(const struct buf *in, size_t at)
{
	struct cursor c = { .p = (const uint8_t *)in->data + at, .left = in->len - at };
	uint32_t n = cursor_be32(&c);
	if (c.bad)
		return 0;
	if (!n || n > KEYPROTO_MAX)
		return SIZE_MAX;
	return n <= c.left ? 4 + (size_t)n : 0;
}

/* Matches all whole frames to calls, which become *ret_done. false: the connection is broken. */
static bool
match(struct keys *k, struct call **ret_done)
{
	struct call **tail = ret_done;
	size_t at = 0, n;
	while ((n = frame_at(&k->in, at)) != 0) {
		if (n == SIZE_MAX || !k->first)
			return false;
		if (!take_answer(k->first, (const uint8_t *)k->in.data + at + 4, n - 4))
			return false;
		*tail = pop(&k->first);
		tail = &(*tail)->next;
		if (!k->first)
			k->last = NULL;
		at += n;
	}
	if (at)
		buf_consume(&k->in, at);
	return true;
}

/* false: end of file or an error. */
static bool
fill(struct keys *k)
{
	for (;;) {
		buf_reserve(&k->in, READ_BYTES);
		ssize_t n =
			FAULT(KEYD_RECEIVE, -1,
			      recv(k->watch->fd, k->in.data + k->in.len, READ_BYTES, MSG_DONTWAIT));
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		if (!n)
			return false;
		k->in.len += (size_t)n;
		k->in.data[k->in.len] = '\0';
		if ((size_t)n < READ_BYTES)
			return true;
	}
}

static void
on_event(uv_poll_t *h, int status, int events)
{
	struct watch *w = h->data;
	struct keys *k = w->keys;
	if (!k)
		return;
	struct call *done = NULL;
	bool good = status == 0;
	if (good && events & UV_WRITABLE)
		good = flush(k);
	if (good && events & UV_READABLE) {
		good = fill(k);
		/* What came before the end still counts. */
		good = match(k, &done) && good;
	}
	if (!good)
		lose(k);
	wake_all(done);
}

/* ---- blocking ---- */

static bool
send_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t w = FAULT(KEYD_SEND, -1, send(fd, p, n, MSG_NOSIGNAL));
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return false;
		p += w;
		n -= (size_t)w;
	}
	return true;
}

static bool
recv_all(int fd, char *p, size_t n)
{
	while (n) {
		ssize_t r = FAULT(KEYD_RECEIVE, -1, recv(fd, p, n, 0));
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return false;
		p += r;
		n -= (size_t)r;
	}
	return true;
}

static bool
recv_frame(struct keys *k)
{
	buf_reserve(&k->in, 4);
	if (!recv_all(k->fd, k->in.data, 4))
		return false;
	k->in.len = 4;
	struct cursor c = { .p = (const uint8_t *)k->in.data, .left = 4 };
	uint32_t n = cursor_be32(&c);
	if (!n || n > KEYPROTO_MAX)
		return false;
	buf_reserve(&k->in, n);
	if (!recv_all(k->fd, k->in.data + 4, n))
		return false;
	k->in.len = 4 + (size_t)n;
	return true;
}

static int
ask_blocking(struct keys *k, struct call *c)
{
	bool good = send_all(k->fd, k->out.data, k->out.len);
	k->batches++;
	buf_reset(&k->out);
	good = good && recv_frame(k) &&
	       take_answer(c, (const uint8_t *)k->in.data + 4, k->in.len - 4);
	buf_reset(&k->in);
	if (good)
		return c->code;
	lose(k);
	return ERR_KEYS_UNAVAILABLE;
}

/* ---- life cycle ---- */

static void
adopt(struct keys *k, int fd)
{
	int flags = fcntl(fd, F_GETFL);
	if (!k->loop) {
		(void)fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
		k->fd = fd;
		return;
	}
	(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	struct watch *w = mem_new(sizeof(*w));
	w->keys = k;
	w->fd = fd;
	w->poll.data = w;
	/* Fails only for a descriptor that is no socket: then there is no keyd there. */
	if (uv_poll_init(k->loop, &w->poll, fd) != 0) {
		close(fd);
		free(w);
		return;
	}
	k->watch = w;
	k->writable_wanted = false;
	uv_poll_start(&w->poll, UV_READABLE, on_event);
}

struct keys *
keys_new(uv_loop_t *loop, int fd)
{
	struct keys *k = mem_new(sizeof(*k));
	k->loop = loop;
	k->fd = -1;
	if (loop) {
		uv_prepare_init(loop, &k->prepare);
		uv_idle_init(loop, &k->idle);
		k->prepare.data = k->idle.data = k;
		k->open_handles = 2;
	}
	adopt(k, fd);
	return k;
}

static void
on_handle_closed(uv_handle_t *h)
{
	struct keys *k = h->data;
	if (--k->open_handles == 0)
		free(k);
}

void
keys_free(struct keys *k)
{
	if (!k)
		return;
	/* What was asked in this turn may be something that nobody waits for. */
	if (k->watch)
		(void)flush(k);
	lose(k);
	if (!k->loop) {
		free(k);
		return;
	}
	uv_close((uv_handle_t *)&k->prepare, on_handle_closed);
	uv_close((uv_handle_t *)&k->idle, on_handle_closed);
}

void
keys_attach(struct keys *k, int fd)
{
	lose(k);
	/* A fiber that lose woke may have attached already; the newest wins. */
	if (keys_available(k))
		lose(k);
	adopt(k, fd);
}

bool
keys_available(const struct keys *k)
{
	return k->watch || k->fd >= 0;
}

void
keys_stats(const struct keys *k, uint64_t *ret_requests, uint64_t *ret_batches)
{
	*ret_requests = k->requests;
	*ret_batches = k->batches;
}

/* ---- asking ---- */

/* Opens a frame in `out`; gives where it begins. */
static size_t
begin(struct keys *k, enum keyproto_op op)
{
	size_t start = k->out.len;
	buf_add_be32(&k->out, 0);
	buf_add_u8(&k->out, (uint8_t)op);
	return start;
}

static void
end(struct keys *k, size_t start)
{
	size_t n = k->out.len - start - 4;
	assert(n <= KEYPROTO_MAX);
	for (int i = 0; i < 4; i++)
		k->out.data[start + (size_t)i] = (char)(n >> (24 - 8 * i));
}

static int
gone(struct err *e)
{
	return err_set(e, ERR_KEYS_UNAVAILABLE, "the key process is not there");
}

/* What a refusal means to the caller of each request. */
static int
explain(enum keyproto_op op, int code, struct err *e)
{
	if (code == ERR_KEYS_UNAVAILABLE && op != KEYPROTO_SEAL && op != KEYPROTO_OPEN &&
	    op != KEYPROTO_AUTHORITY && op != KEYPROTO_CERTIFY)
		return gone(e);
	if (code == ERR_KEYS_UNAVAILABLE)
		return err_set(e, code,
			       "the key process is not there, or has not loaded this data key");
	if (code == ERR_BAD_KEY)
		return err_set(
			e, code,
			"the data key was wrapped by another master key, or damaged: is this "
			"the right master key file?");
	if (code == ERR_EXISTS)
		return err_set(e, code, "there is another data key of this number already");
	if (code == ERR_CONFLICT)
		return err_set(e, code, "the key process remembers another end of this node's log");
	return err_set(e, code, "%s", err_info(code)->text);
}

/* Sends the frame that ends `out` and waits for its answer. */
static int
ask(struct keys *k, struct fiber *f, enum keyproto_op op, size_t start, struct buf *ret,
    size_t want, struct err *e)
{
	end(k, start);
	k->requests++;
	struct call c = { .fiber = f, .ret = ret, .want = want };
	int code;
	if (k->loop) {
		assert(f);
		push(k, &c);
		arm(k);
		fiber_sleep(f);
		code = c.code;
	} else {
		code = ask_blocking(k, &c);
	}
	return code ? explain(op, code, e) : 0;
}

static int
check_size(size_t n, size_t max, const char *what, struct err *e)
{
	if (n <= max)
		return 0;
	return err_set(e, ERR_TOO_LARGE, "%s of %zu bytes: %zu at most", what, n, max);
}

int
keys_create(struct keys *k, struct fiber *f, uint32_t id, struct buf *ret_wrapped, struct err *e)
{
	if (!keys_available(k))
		return gone(e);
	size_t start = begin(k, KEYPROTO_CREATE);
	buf_add_be32(&k->out, id);
	return ask(k, f, KEYPROTO_CREATE, start, ret_wrapped, ANY_LENGTH, e);
}

int
keys_load(struct keys *k, struct fiber *f, uint32_t id, const void *wrapped, size_t n,
	  struct err *e)
{
	int r = check_size(n, AD_MAX, "a wrapped key", e);
	if (r)
		return r;
	if (!keys_available(k))
		return gone(e);
	auto_buf none = BUF_INIT;
	size_t start = begin(k, KEYPROTO_LOAD);
	buf_add_be32(&k->out, id);
	buf_add(&k->out, wrapped, n);
	return ask(k, f, KEYPROTO_LOAD, start, &none, 0, e);
}

int
keys_seal(struct keys *k, struct fiber *f, uint32_t id, const void *ad, size_t ad_len,
	  const void *plain, size_t n, struct buf *ret_sealed, struct err *e)
{
	int r = check_size(n, KEYS_SEAL_MAX, "a text to seal", e);
	if (!r)
		r = check_size(ad_len, AD_MAX, "associated data", e);
	if (r)
		return r;
	if (!keys_available(k))
		return gone(e);
	size_t start = begin(k, KEYPROTO_SEAL);
	buf_reserve(&k->out, ad_len + n + 8);
	buf_add_be32(&k->out, id);
	buf_add_be32(&k->out, (uint32_t)ad_len);
	buf_add(&k->out, ad, ad_len);
	buf_add(&k->out, plain, n);
	return ask(k, f, KEYPROTO_SEAL, start, ret_sealed, n + KEYS_SEAL_EXTRA, e);
}

int
keys_open(struct keys *k, struct fiber *f, const void *ad, size_t ad_len, const void *sealed,
	  size_t n, struct buf *ret_plain, struct err *e)
{
	int r = check_size(n, KEYS_SEAL_MAX + KEYS_SEAL_EXTRA, "sealed bytes", e);
	if (!r)
		r = check_size(ad_len, AD_MAX, "associated data", e);
	if (r)
		return r;
	if (n < KEYS_SEAL_EXTRA)
		return explain(KEYPROTO_OPEN, ERR_CRYPTO, e);
	if (!keys_available(k))
		return gone(e);
	size_t start = begin(k, KEYPROTO_OPEN);
	buf_reserve(&k->out, ad_len + n + 4);
	buf_add_be32(&k->out, (uint32_t)ad_len);
	buf_add(&k->out, ad, ad_len);
	buf_add(&k->out, sealed, n);
	return ask(k, f, KEYPROTO_OPEN, start, ret_plain, n - KEYS_SEAL_EXTRA, e);
}

int
keys_mac(struct keys *k, struct fiber *f, enum keys_label label, const void *data, size_t n,
	 uint8_t ret[static KEYS_HASH_BYTES], struct err *e)
{
	int r = check_size(n, KEYS_SEAL_MAX, "a text to MAC", e);
	if (r)
		return r;
	if (!keys_available(k))
		return gone(e);
	auto_buf mac = BUF_INIT;
	size_t start = begin(k, KEYPROTO_MAC);
	buf_add_u8(&k->out, (uint8_t)label);
	buf_add(&k->out, data, n);
	r = ask(k, f, KEYPROTO_MAC, start, &mac, KEYS_HASH_BYTES, e);
	if (!r)
		memcpy(ret, mac.data, KEYS_HASH_BYTES);
	return r;
}

/* How many of the items go into one request; 0: the first alone is too long. */
static size_t
chain_part(const struct iovec *items, size_t n)
{
	size_t bytes = 0, i = 0;
	while (i < n && i < KEYS_BATCH_MAX) {
		if (items[i].iov_len > KEYS_SEAL_MAX)
			break;
		bytes += 4 + items[i].iov_len;
		if (i && bytes > CHAIN_BYTES_MAX)
			break;
		i++;
	}
	return i;
}

static int
chain_once(struct keys *k, struct fiber *f, const uint8_t *prev, const struct iovec *items,
	   size_t n, uint8_t (*ret)[KEYS_HASH_BYTES], struct err *e)
{
	if (!keys_available(k))
		return gone(e);
	auto_buf hashes = BUF_INIT;
	size_t start = begin(k, KEYPROTO_CHAIN);
	buf_add(&k->out, prev, KEYS_HASH_BYTES);
	buf_add_be32(&k->out, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		buf_add_be32(&k->out, (uint32_t)items[i].iov_len);
		buf_add(&k->out, items[i].iov_base, items[i].iov_len);
	}
	int r = ask(k, f, KEYPROTO_CHAIN, start, &hashes, n * KEYS_HASH_BYTES, e);
	if (!r)
		memcpy(ret, hashes.data, n * KEYS_HASH_BYTES);
	return r;
}

int
keys_chain(struct keys *k, struct fiber *f, const uint8_t prev[static KEYS_HASH_BYTES],
	   const struct iovec *items, size_t n, uint8_t (*ret)[KEYS_HASH_BYTES], struct err *e)
{
	const uint8_t *head = prev;
	for (size_t done = 0; done < n;) {
		size_t part = chain_part(items + done, n - done);
		if (!part)
			return check_size(items[done].iov_len, KEYS_SEAL_MAX, "an item of a chain",
					  e);
		int r = chain_once(k, f, head, items + done, part, ret + done, e);
		if (r)
			return r;
		done += part;
		head = ret[done - 1];
	}
	return 0;
}

#define STREAM_EXTRA 40 /* nonce and tag */

static size_t
begin_stream(struct keys *k, enum keyproto_op op, const uint8_t *stream_id, uint64_t index,
	     bool last)
{
	size_t start = begin(k, op);
	buf_add(&k->out, stream_id, 16);
	buf_add_be64(&k->out, index);
	buf_add_u8(&k->out, last);
	return start;
}

int
keys_stream_seal(struct keys *k, struct fiber *f, const uint8_t stream_id[static 16],
		 uint64_t index, bool last, const void *plain, size_t n, struct buf *ret_sealed,
		 struct err *e)
{
	int r = check_size(n, KEYS_SEAL_MAX, "a chunk to seal", e);
	if (r)
		return r;
	if (!keys_available(k))
		return gone(e);
	size_t start = begin_stream(k, KEYPROTO_STREAM_SEAL, stream_id, index, last);
	buf_add(&k->out, plain, n);
	return ask(k, f, KEYPROTO_STREAM_SEAL, start, ret_sealed, n + STREAM_EXTRA, e);
}

int
keys_stream_open(struct keys *k, struct fiber *f, const uint8_t stream_id[static 16],
		 uint64_t index, bool last, const void *sealed, size_t n, struct buf *ret_plain,
		 struct err *e)
{
	int r = check_size(n, KEYS_SEAL_MAX + STREAM_EXTRA, "a sealed chunk", e);
	if (r)
		return r;
	if (n < STREAM_EXTRA)
		return explain(KEYPROTO_STREAM_OPEN, ERR_CRYPTO, e);
	if (!keys_available(k))
		return gone(e);
	size_t start = begin_stream(k, KEYPROTO_STREAM_OPEN, stream_id, index, last);
	buf_add(&k->out, sealed, n);
	return ask(k, f, KEYPROTO_STREAM_OPEN, start, ret_plain, n - STREAM_EXTRA, e);
}

int
keys_sign(struct keys *k, struct fiber *f, const void *text, size_t n,
	  uint8_t ret_key[static KEYS_SIGN_KEY_BYTES], uint8_t ret_sig[static KEYS_SIGN_BYTES],
	  struct err *e)
{
	int r = check_size(n, KEYS_SIGN_MAX, "a text to sign", e);
	if (r)
		return r;
	if (!keys_available(k))
		return gone(e);
	auto_buf answer = BUF_INIT;
	size_t start = begin(k, KEYPROTO_SIGN);
	buf_add(&k->out, text, n);
	r = ask(k, f, KEYPROTO_SIGN, start, &answer, KEYS_SIGN_KEY_BYTES + KEYS_SIGN_BYTES, e);
	if (r)
		return r;
	memcpy(ret_key, answer.data, KEYS_SIGN_KEY_BYTES);
	memcpy(ret_sig, answer.data + KEYS_SIGN_KEY_BYTES, KEYS_SIGN_BYTES);
	return 0;
}

static void
add_text(struct buf *out, const char *s)
{
	buf_add(out, s, strlen(s) + 1);
}

static int
check_texts(const char *const *texts, struct err *e)
{
	size_t n = 0;

	for (size_t i = 0; texts[i]; i++)
		n += strlen(texts[i]) + 1;
	return check_size(n, AD_MAX, "names", e);
}

/* Cuts what keyd answered: the certificate and the sealed key. */
static int
take_authority(const struct buf *answer, struct buf *ret_cert, struct buf *ret_sealed,
	       struct err *e)
{
	struct cursor c = { .p = (const uint8_t *)answer->data, .left = answer->len };
	uint32_t n = cursor_be32(&c);
	const uint8_t *cert = cursor_bytes(&c, n);

	if (!cert || c.left <= KEYS_SEAL_EXTRA)
		return err_set(e, ERR_INTERNAL, "the key process gave no whole authority");
	buf_add(ret_cert, cert, n);
	buf_add(ret_sealed, c.p, c.left);
	return 0;
}

int
keys_authority(struct keys *k, struct fiber *f, uint32_t data_key, const char *cn, int days,
	       const char *const *scopes, struct buf *ret_cert, struct buf *ret_sealed,
	       struct err *e)
{
	auto_buf answer = BUF_INIT;
	int r = check_texts(scopes, e);
	if (r)
		return r;
	if (!keys_available(k))
		return gone(e);
	size_t start = begin(k, KEYPROTO_AUTHORITY);
	buf_add_be32(&k->out, data_key);
	buf_add_be32(&k->out, (uint32_t)days);
	add_text(&k->out, cn);
	for (size_t i = 0; scopes[i]; i++)
		add_text(&k->out, scopes[i]);
	r = ask(k, f, KEYPROTO_AUTHORITY, start, &answer, ANY_LENGTH, e);
	return r ? r : take_authority(&answer, ret_cert, ret_sealed, e);
}

int
keys_certify(struct keys *k, struct fiber *f, const char *authority, const struct buf *sealed,
	     const struct x509_wish *w, struct buf *ret_cert, struct err *e)
{
	int r = check_texts(w->names, e);
	if (!r)
		r = check_size(sealed->len + strlen(authority) + strlen(w->public_key), AD_MAX,
			       "an authority", e);
	if (r)
		return r;
	if (!keys_available(k))
		return gone(e);
	size_t start = begin(k, KEYPROTO_CERTIFY);
	buf_add_be32(&k->out, (uint32_t)sealed->len);
	buf_add(&k->out, sealed->data, sealed->len);
	buf_add_be32(&k->out, (uint32_t)w->days);
	buf_add_u8(&k->out, w->client);
	add_text(&k->out, authority);
	add_text(&k->out, w->public_key);
	for (size_t i = 0; w->names[i]; i++)
		add_text(&k->out, w->names[i]);
	return ask(k, f, KEYPROTO_CERTIFY, start, ret_cert, ANY_LENGTH, e);
}

int
keys_node(struct keys *k, struct fiber *f, const struct uuid *node, struct err *e)
{
	auto_buf none = BUF_INIT;
	if (!keys_available(k))
		return gone(e);
	size_t start = begin(k, KEYPROTO_NODE);
	buf_add(&k->out, node->b, sizeof(node->b));
	return ask(k, f, KEYPROTO_NODE, start, &none, 0, e);
}

int
keys_epoch(struct keys *k, struct fiber *f, int64_t counter, uint64_t incarnation,
	   uint8_t ret_proof[static EPOCH_PROOF_BYTES], struct err *e)
{
	auto_buf proof = BUF_INIT;
	if (!keys_available(k))
		return gone(e);
	size_t start = begin(k, KEYPROTO_EPOCH);
	buf_add_be64(&k->out, (uint64_t)counter);
	buf_add_be64(&k->out, incarnation);
	int r = ask(k, f, KEYPROTO_EPOCH, start, &proof, EPOCH_PROOF_BYTES, e);
	if (!r)
		memcpy(ret_proof, proof.data, EPOCH_PROOF_BYTES);
	return r;
}

int
keys_epoch_check(struct keys *k, struct fiber *f, const struct epoch_claim *c, struct err *e)
{
	auto_buf none = BUF_INIT;
	if (!keys_available(k))
		return gone(e);
	size_t start = begin(k, KEYPROTO_EPOCH_CHECK);
	buf_add_be64(&k->out, (uint64_t)c->epoch.counter);
	buf_add(&k->out, c->epoch.node.b, sizeof(c->epoch.node.b));
	buf_add_be64(&k->out, c->epoch.incarnation);
	buf_add(&k->out, c->proof, sizeof(c->proof));
	return ask(k, f, KEYPROTO_EPOCH_CHECK, start, &none, 0, e);
}

static void
add_mark(struct keys *k, const struct endmark *m)
{
	uint8_t mark[ENDMARK_BYTES];

	endmark_encode(m, mark);
	buf_add(&k->out, mark, sizeof(mark));
}

int
keys_mark(struct keys *k, struct fiber *f, const struct endmark *to, struct err *e)
{
	auto_buf none = BUF_INIT;
	if (!keys_available(k))
		return gone(e);
	size_t start = begin(k, KEYPROTO_MARK);
	add_mark(k, to);
	return ask(k, f, KEYPROTO_MARK, start, &none, 0, e);
}

int
keys_mark_replace(struct keys *k, struct fiber *f, const struct endmark *from,
		  const struct endmark *to, struct err *e)
{
	auto_buf none = BUF_INIT;
	if (!keys_available(k))
		return gone(e);
	size_t start = begin(k, KEYPROTO_MARK_REPLACE);
	add_mark(k, from);
	add_mark(k, to);
	return ask(k, f, KEYPROTO_MARK_REPLACE, start, &none, 0, e);
}

int
keys_mark_ask(struct keys *k, struct fiber *f, struct endmark *ret, struct err *e)
{
	auto_buf answer = BUF_INIT;
	if (!keys_available(k))
		return gone(e);
	size_t start = begin(k, KEYPROTO_MARK_ASK);
	int r = ask(k, f, KEYPROTO_MARK_ASK, start, &answer, ANY_LENGTH, e);
	struct cursor c = { .p = (const uint8_t *)answer.data, .left = answer.len };
	struct endmark m = { 0 };
	if (!r && answer.len && (!endmark_take(&c, &m) || c.left))
		r = err_set(e, ERR_INTERNAL, "the key process gave no whole end mark");
	if (!r)
		*ret = m;
	return r;
}
