/* SPDX-License-Identifier: Apache-2.0
 *
 * The loop makes a job, a thread does it, and the loop frees it when it comes back:
 *
 *   queue ──► thread ──► done ──► loop: wakes the fiber, frees the job
 *
 * 1. A job that is in queue, at a thread or in done is the threads' by lock; its `fiber` is the loop's alone.
 * 2. A fiber that gives up leaves the job behind (fiber NULL, given_up); it is freed when it comes back.
 * 3. libcurl keeps what it last received in the handle, so each request has its own handle. The
 *    thread's share keeps the connections.
 * 4. When libcurl finds an old connection dead, it resends on a new one by itself. What must not be
 *    done twice therefore always gets a new connection.
 */
#include "http/relay.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/home.h"
#include "base/mem.h"
#include "base/secret.h"
#include "http/client_impl.h"

#define TICK_MS 20
#define TRUST_MAX (1u << 20)
#define HEADER_LINE_MAX 4096

struct job {
	struct job *next;
	struct fiber *fiber; /* NULL: nobody waits any more */
	struct arena *arena;
	struct relay_reply reply;
	enum relay_end end;
	struct err e;
	struct buf body; /* of the request */
	char *url, *method;
	struct curl_slist *headers;
	size_t reply_max;
	bool again, no_body;
	_Atomic bool given_up;

	/* The loop's: calls that are out. */
	struct job *next_out;
	const struct relay_ask *ask; /* on the stack of who waits */
	bool back;
};

struct relay {
	struct relay_options o;
	char *trust_path;
	uv_async_t async;
	uv_timer_t timer;
	unsigned handles;
	struct job *out;
	unsigned nout;
	pthread_t *threads;
	unsigned nthreads;

	pthread_mutex_t lock; /* what follows */
	pthread_cond_t wake;
	bool stop;
	struct job *first, *last;
	unsigned nqueued;
	struct job *done;
};

/* What a thread keeps between jobs. */
struct worker {
	struct relay *relay;
	CURLSH *share;
	struct trust *certs;
	struct stat trust; /* of the file, as it was read */
};

/* ---- jobs ---- */

static void
add_header(struct job *j, const char *name, const char *value)
{
	auto_buf line = BUF_INIT;

	buf_adds(&line, name);
	buf_adds(&line, ": ");
	buf_adds(&line, value);
	client_add_line(&j->headers, buf_str(&line));
}

static struct job *
job_new(const struct relay *r, const struct relay_ask *ask, struct fiber *f)
{
	struct job *j = mem_new(sizeof(*j));
	auto_buf url = BUF_INIT;

	j->fiber = f;
	j->arena = arena_new();
	buf_adds(&url, ask->base);
	buf_adds(&url, ask->target);
	j->url = arena_strdup(j->arena, buf_str(&url));
	j->method = arena_strdup(j->arena, request_method_name(ask->method));
	j->again = ask->again;
	j->no_body = ask->body->len == 0;
	buf_add(&j->body, buf_str(ask->body), ask->body->len);
	for (unsigned i = 0; i < ask->nheaders; i++)
		add_header(j, ask->headers[i].name, ask->headers[i].value);
	client_add_line(&j->headers, "Accept:");
	client_add_line(&j->headers, "Expect:");
	j->reply_max = r->o.reply_max;
	j->ask = ask;
	return j;
}

static void
job_free(struct job *j)
{
	buf_done(&j->body);
	buf_done(&j->reply.body);
	for (struct curl_slist *l = j->headers; l; l = l->next)
		secret_wipe(l->data, strlen(l->data));
	curl_slist_free_all(j->headers);
	arena_free(j->arena);
	free(j);
}

/* ---- what comes back ---- */

static bool
name_is(const char *name, size_t n, const char *other)
{
	return n == strlen(other) && strncasecmp(name, other, n) == 0;
}

bool
relay_passes(const char *name, size_t n)
{
	static const char *const not [] = {
		"Connection",
		"Keep-Alive",
		"Proxy-Authenticate",
		"Proxy-Connection",
		"Proxy-Authentication-Info",
		"TE",
		"Trailer",
		"Transfer-Encoding",
		"Upgrade",
		"Content-Length", /* the server that answers counts by itself */
		"Date",
	};

	for (size_t i = 0; i < ARRAY_LEN(not ); i++)
		if (name_is(name, n, not [i]))
			return false;
	return n > 0;
}

static void
take_header(struct job *j, const char *name, size_t name_len, const char *value, size_t n)
{
	struct relay_reply *r = &j->reply;

	if (name_is(name, name_len, "Content-Type"))
		r->type = arena_strndup(j->arena, value, n);
	else if (relay_passes(name, name_len) && r->nheaders < ARRAY_LEN(r->headers))
		r->headers[r->nheaders++] =
			(struct request_pair){ arena_strndup(j->arena, name, name_len),
					       arena_strndup(j->arena, value, n) };
}

/* A new status line begins a new head: the one of an interim reply does not count. */
static size_t
on_header_line(char *line, size_t one, size_t n, void *ctx)
{
	struct job *j = ctx;
	const char *colon = memchr(line, ':', n), *value, *end = line + n;

	if (n > HEADER_LINE_MAX)
		return 0;
	if (n > 5 && strncmp(line, "HTTP/", 5) == 0) {
		j->reply.nheaders = 0;
		j->reply.type = NULL;
		return n;
	}
	if (!colon)
		return n;
	for (value = colon + 1; value < end && (*value == ' ' || *value == '\t');)
		value++;
	while (end > value && (unsigned char)end[-1] <= ' ')
		end--;
	take_header(j, line, (size_t)(colon - line), value, (size_t)(end - value));
	return n;
}

static size_t
on_body(char *data, size_t one, size_t n, void *ctx)
{
	struct job *j = ctx;

	if (n > j->reply_max - j->reply.body.len)
		return 0;
	buf_add(&j->reply.body, data, n);
	return n;
}

static int
on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	struct job *j = ctx;

	return atomic_load(&j->given_up);
}

/* ---- one exchange, on a thread ---- */

static void
set_request(CURL *curl, struct job *j)
{
	CLIENT_SET(curl, CURLOPT_URL, j->url);
	if (!j->no_body) {
		CLIENT_SET(curl, CURLOPT_POST, 1L);
		CLIENT_SET(curl, CURLOPT_POSTFIELDS, j->body.data);
		CLIENT_SET(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)j->body.len);
	}
	CLIENT_SET(curl, CURLOPT_CUSTOMREQUEST, j->method);
	CLIENT_SET(curl, CURLOPT_HTTPHEADER, j->headers);
	CLIENT_SET(curl, CURLOPT_FRESH_CONNECT, j->again ? 0L : 1L);
	CLIENT_SET(curl, CURLOPT_WRITEFUNCTION, on_body);
	CLIENT_SET(curl, CURLOPT_WRITEDATA, j);
	CLIENT_SET(curl, CURLOPT_HEADERFUNCTION, on_header_line);
	CLIENT_SET(curl, CURLOPT_HEADERDATA, j);
	CLIENT_SET(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	CLIENT_SET(curl, CURLOPT_XFERINFODATA, j);
	CLIENT_SET(curl, CURLOPT_NOPROGRESS, 0L);
}

static void
judge(struct job *j, const struct client_trust *trust, CURLcode code, const char *why)
{
	CURL *curl = trust->curl;
	enum client_failure f;
	long status = 0;

	if (code == CURLE_OK) {
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
		j->reply.status = (int)status;
		j->end = RELAY_ANSWERED;
		return;
	}
	f = client_classify(trust, code);
	j->end = client_sent_any(curl) ? RELAY_LOST : RELAY_UNSENT;
	err_set(&j->e, ERR_UNREACHABLE, "%s (%s)", client_failure_text(f),
		f == CLIENT_UNTRUSTED || f == CLIENT_EXPIRED ? trust->found.why
		: why[0]				     ? why
							     : curl_easy_strerror(code));
}

static void
exchange(struct worker *w, struct job *j)
{
	const struct relay_options *o = &w->relay->o;
	char why[CURL_ERROR_SIZE] = "";
	CURL *curl = mem_have(curl_easy_init());
	struct client_trust trust = { .curl = curl, .trust = w->certs };

	client_host(j->url, trust.host);
	client_set_options(&trust, o->connect_ms, o->total_ms, why);
	CLIENT_SET(curl, CURLOPT_SHARE, w->share);
	CLIENT_SET(curl, CURLOPT_MAXCONNECTS, 1L);
	set_request(curl, j);
	judge(j, &trust, curl_easy_perform(curl), why);
	curl_easy_cleanup(curl);
}

/* ---- trust ---- */

static void
drop_trust(struct worker *w)
{
	if (w->share)
		curl_share_cleanup(w->share);
	trust_free(w->certs);
	w->share = NULL;
	w->certs = NULL;
}

static bool
trust_is_same(const struct stat *x, const struct stat *y)
{
	return x->st_ino == y->st_ino && x->st_size == y->st_size &&
	       x->st_mtim.tv_sec == y->st_mtim.tv_sec && x->st_mtim.tv_nsec == y->st_mtim.tv_nsec;
}

/* Connections that were begun by another trust end with it. */
static int
read_trust(struct worker *w, struct err *e)
{
	auto_buf pem = BUF_INIT;
	struct stat now = { 0 };
	int rc;

	if (stat(w->relay->trust_path, &now) < 0)
		return err_errno(e, ERR_UNREACHABLE, "the primary's certificate is not known yet");
	if (w->share && trust_is_same(&now, &w->trust))
		return 0;
	drop_trust(w);
	rc = home_read_file(w->relay->trust_path, TRUST_MAX, &pem, e);
	if (rc)
		return rc;
	w->certs = trust_new(buf_str(&pem));
	w->trust = now;
	w->share = mem_have(curl_share_init());
	mem_check(curl_share_setopt(w->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_CONNECT) ==
		  CURLSHE_OK);
	return 0;
}

static void
work(struct worker *w, struct job *j)
{
	j->end = RELAY_UNSENT;
	if (atomic_load(&j->given_up))
		return;
	if (read_trust(w, &j->e) == 0)
		exchange(w, j);
}

/* ---- the threads ---- */

static struct job *
await_job(struct relay *r)
{
	struct job *j;

	pthread_mutex_lock(&r->lock);
	while (!r->first && !r->stop)
		pthread_cond_wait(&r->wake, &r->lock);
	j = r->stop ? NULL : r->first;
	if (j) {
		r->first = j->next;
		if (!r->first)
			r->last = NULL;
		r->nqueued--;
	}
	pthread_mutex_unlock(&r->lock);
	return j;
}

static void
give_back(struct relay *r, struct job *j)
{
	pthread_mutex_lock(&r->lock);
	j->next = r->done;
	r->done = j;
	pthread_mutex_unlock(&r->lock);
	uv_async_send(&r->async);
}

static void *
run(void *arg)
{
	struct worker w = { .relay = arg };
	struct job *j;

	pthread_setname_np(pthread_self(), "relay");
	while ((j = await_job(w.relay))) {
		work(&w, j);
		give_back(w.relay, j);
	}
	drop_trust(&w);
	return NULL;
}

static void
begin_threads(struct relay *r)
{
	if (r->threads)
		return;
	r->threads = mem_array(r->o.threads, sizeof(*r->threads));
	for (; r->nthreads < r->o.threads; r->nthreads++)
		mem_check(!pthread_create(&r->threads[r->nthreads], NULL, run, r));
}

/* ---- the loop ---- */

static void
leave_out(struct relay *r, struct job *j)
{
	struct job **at = &r->out;

	while (*at && *at != j)
		at = &(*at)->next_out;
	if (*at) {
		*at = j->next_out;
		r->nout--;
	}
	if (!r->out)
		uv_timer_stop(&r->timer);
}

static void
on_async(uv_async_t *h)
{
	struct relay *r = h->data;
	struct job *j;

	pthread_mutex_lock(&r->lock);
	j = r->done;
	r->done = NULL;
	pthread_mutex_unlock(&r->lock);
	for (struct job *next; j; j = next) {
		struct fiber *f = j->fiber;

		next = j->next;
		j->back = true;
		if (!f)
			job_free(j);
		else
			fiber_wake(f); /* j is gone with it */
	}
}

static void
on_timer(uv_timer_t *t)
{
	struct relay *r = t->data;

	for (struct job *j = r->out, *next; j; j = next) {
		next = j->next_out;
		if (!j->back && j->ask->stop && j->ask->stop(j->ask->ctx)) {
			atomic_store(&j->given_up, true);
			fiber_wake(j->fiber);
			return; /* the list may be another by now; the next tick sees the rest */
		}
	}
}

/* False when the queue is full. */
static bool
enqueue(struct relay *r, struct job *j)
{
	bool fits;

	pthread_mutex_lock(&r->lock);
	fits = r->nqueued < r->o.queue;
	if (fits) {
		if (r->last)
			r->last->next = j;
		else
			r->first = j;
		r->last = j;
		r->nqueued++;
		pthread_cond_signal(&r->wake);
	}
	pthread_mutex_unlock(&r->lock);
	return fits;
}

static void
await_answer(struct relay *r, struct fiber *f, struct job *j)
{
	j->next_out = r->out;
	r->out = j;
	if (r->nout++ == 0)
		uv_timer_start(&r->timer, on_timer, TICK_MS, TICK_MS);
	while (!j->back && !atomic_load(&j->given_up))
		fiber_sleep(f);
	leave_out(r, j);
}

static void
hand_out(struct job *j, struct arena *a, struct relay_reply *ret)
{
	*ret = (struct relay_reply){ .status = j->reply.status };
	ret->body = j->reply.body;
	j->reply.body = BUF_INIT;
	ret->type = j->reply.type ? arena_strdup(a, j->reply.type) : NULL;
	ret->nheaders = j->reply.nheaders;
	for (unsigned i = 0; i < ret->nheaders; i++)
		ret->headers[i] =
			(struct request_pair){ arena_strdup(a, j->reply.headers[i].name),
					       arena_strdup(a, j->reply.headers[i].value) };
}

enum relay_end
relay_call(struct relay *r, struct fiber *f, struct arena *a, const struct relay_ask *ask,
	   struct relay_reply *ret, struct err *e)
{
	struct job *j = job_new(r, ask, f);
	enum relay_end end;

	begin_threads(r);
	if (!enqueue(r, j)) {
		job_free(j);
		err_set(e, ERR_NOT_SERVING,
			"too many requests wait here for the primary; try again");
		return RELAY_FULL;
	}
	await_answer(r, f, j);
	if (!j->back) {
		j->fiber = NULL;
		j->ask = NULL;
		err_set(e, ERR_NOT_SERVING, "the primary was given up while it was asked");
		return RELAY_GIVEN_UP;
	}
	end = j->end;
	if (end == RELAY_ANSWERED)
		hand_out(j, a, ret);
	else
		*e = j->e;
	job_free(j);
	return end;
}

/* ---- life ---- */

struct relay *
relay_new(const struct relay_options *o)
{
	struct relay *r = mem_new(sizeof(*r));

	r->o = *o;
	r->trust_path = mem_dup(o->trust_path);
	r->o.trust_path = NULL;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->wake, NULL);
	mem_check(!uv_async_init(o->loop, &r->async, on_async) &&
		  !uv_timer_init(o->loop, &r->timer));
	r->async.data = r->timer.data = r;
	r->handles = 2;
	return r;
}

static void
on_closed(uv_handle_t *h)
{
	struct relay *r = h->data;

	if (--r->handles)
		return;
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->wake);
	free(r->trust_path);
	free(r->threads);
	free(r);
}

void
relay_free(struct relay *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_broadcast(&r->wake);
	pthread_mutex_unlock(&r->lock);
	for (unsigned i = 0; i < r->nthreads; i++)
		pthread_join(r->threads[i], NULL);
	for (struct job *j; (j = r->first);) {
		r->first = j->next;
		job_free(j);
	}
	on_async(&r->async); /* what was given up and has come back */
	uv_close((uv_handle_t *)&r->async, on_closed);
	uv_close((uv_handle_t *)&r->timer, on_closed);
}

unsigned
relay_waiting(const struct relay *r)
{
	return r->nout;
}
