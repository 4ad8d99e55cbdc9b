/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection belongs to one of the library's threads, which makes all its callbacks. It carries
 * one request at a time; `turn` says whose turn it is:
 *
 *   TURN_READING    the HTTP thread reads line, headers, body
 *   TURN_OWNER      on_head or on_request has been called; the HTTP thread is still in it
 *   TURN_SUSPENDED  it returned without an answer; the library has parked the connection
 *   TURN_ADMITTED   request_admit was called; the body comes next
 *   TURN_ANSWERED   request_send was called; the reply is to be queued, or is queued
 *
 * Edges: READING → OWNER and OWNER → SUSPENDED by the HTTP thread, OWNER → ADMITTED, ANSWERED and SUSPENDED →
 * ADMITTED, ANSWERED by request_admit and request_send on any thread; ADMITTED → READING by the HTTP thread when the body
 * begins, ANSWERED → READING when the request is completed.
 * 1. Whoever takes the turn out of TURN_SUSPENDED resumes the connection, exactly once.
 * 2. The connection is parked before TURN_SUSPENDED is published, so it is never resumed too
 * early.
 * 3. The library never closes a parked connection, so a request in flight keeps its
 * connection.
 *
 * The library's own memory (headers, the piece of body being read) is a pool per connection. Above
 * 32 KiB the library maps it instead of using the heap, so it leaves the process with the
 * connection.
 */
#include "http/server.h"

#include <assert.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/worker.h"
#include "http/door.h"
#include "http/farewell.h"
#include "http/listener.h"
#include "http/wire.h"

#define POOL_MIN (33 * 1024)
#define DRAIN_MAX                                                                                  \
	(256 * 1024) /* bytes of a body of unknown length that are dropped after a refusal */
#define RESERVE_MAX (1024 * 1024) /* trust in an announced length */
#define SEND_BYTES_PER_MS 16
#define STOP_WRITING_MS 2000

#define PRIORITIES                                                                                 \
	"NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-256-GCM:+AES-128-GCM:+CHACHA20-POLY1305:"  \
	"-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1"

enum turn { TURN_READING, TURN_OWNER, TURN_SUSPENDED, TURN_ADMITTED, TURN_ANSWERED };

/* A certificate and its key, kept while a connection was begun with them. Guarded by server.worker's lock.
 */
struct credentials {
	gnutls_certificate_credentials_t tls;
	unsigned users;
};

struct conn {
	struct place place; /* the first, so that a place is its connection's */
	struct server *server;
	struct MHD_Connection *mhd;
	struct credentials *credentials;
	struct wire wire;
	_Atomic int64_t deadline_ms; /* monotonic; 0: none */
	_Atomic enum turn turn;
	struct request *rq; /* NULL between requests */
	bool asked_before;  /* this is not its first request */
	bool headers_in;
	bool whole;	    /* so is the body */
	bool unread;	    /* answered before its body was read */
	_Atomic bool known; /* has shown a session */
	size_t limit;	    /* of the body */
	size_t drained;	    /* bytes of body that were dropped */
	struct err refused; /* code 0: not refused */
};

struct server {
	struct server_options o;
	int listen_fd;
	unsigned port;
	struct MHD_Daemon *daemon;
	struct farewell *farewell;
	struct worker worker; /* sweeps; its lock guards what follows */
	struct door door;
	struct credentials *credentials; /* of new connections */
	_Atomic bool stopping;
	_Atomic unsigned nconns;
	_Atomic uint64_t requests;
	_Atomic unsigned handed;  /* on_request … request_send */
	_Atomic unsigned writing; /* request_send … completed */
};

/* ---- certificates ---- */

static int
refuse_pair(int rc, struct err *e)
{
	if (rc == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
		return err_set(
			e, ERR_BAD_FIELD,
			"the private key does not belong to the web certificate; put the matching "
			"pair in place, or have a new one made (holdfast cert renew "
			"--self-signed)");
	return err_set(e, ERR_BAD_FIELD,
		       "the web certificate or its key cannot be read: %s; both must be PEM, the "
		       "key without "
		       "a passphrase",
		       gnutls_strerror(rc));
}

static int
credentials_new(const char *cert_pem, const char *key_pem, struct credentials **ret, struct err *e)
{
	const gnutls_datum_t cert = { UNCONST(unsigned char *, cert_pem),
				      (unsigned)strlen(cert_pem) };
	const gnutls_datum_t key = { UNCONST(unsigned char *, key_pem), (unsigned)strlen(key_pem) };
	gnutls_certificate_credentials_t tls;
	struct credentials *c;
	int rc = gnutls_certificate_allocate_credentials(&tls);

	if (rc < 0)
		return err_set(e, ERR_INTERNAL, "TLS cannot start: %s", gnutls_strerror(rc));
	rc = gnutls_certificate_set_x509_key_mem2(tls, &cert, &key, GNUTLS_X509_FMT_PEM, NULL, 0);
	if (rc < 0) {
		gnutls_certificate_free_credentials(tls);
		return refuse_pair(rc, e);
	}
	c = mem_new(sizeof(*c));
	*c = (struct credentials){ tls, 1 };
	*ret = c;
	return 0;
}

static void
credentials_drop(struct credentials *c)
{
	if (!c || --c->users > 0)
		return;
	gnutls_certificate_free_credentials(c->tls);
	free(c);
}

int
server_reload_cert(struct server *s, const char *cert_pem, const char *key_pem, struct err *e)
{
	struct credentials *fresh;
	int rc = credentials_new(cert_pem, key_pem, &fresh, e);

	if (rc < 0)
		return rc;
	worker_lock(&s->worker);
	credentials_drop(s->credentials);
	s->credentials = fresh;
	worker_unlock(&s->worker);
	return 0;
}

/* ---- connections ---- */

static void
set_deadline_in(struct conn *c, int64_t ms)
{
	atomic_store_explicit(&c->deadline_ms, clock_mono_ms() + ms, memory_order_relaxed);
}

static void
set_deadline(struct conn *c, int64_t more_ms)
{
	set_deadline_in(c, c->server->o.timeout_s * INT64_C(1000) + more_ms);
}

static void
clear_deadline(struct conn *c)
{
	atomic_store_explicit(&c->deadline_ms, 0, memory_order_relaxed);
}

static void
end_now(struct conn *c)
{
	shutdown(c->wire.fd, SHUT_RDWR);
}

/* Between this and link_conn nobody is counted: a few too many may get in when there are several threads. */
static enum MHD_Result
on_knock(void *cls, const struct sockaddr *from, socklen_t len)
{
	struct server *s = cls;
	struct place *leaves;
	bool fits;

	if (atomic_load(&s->stopping))
		return MHD_NO;
	worker_lock(&s->worker);
	fits = door_admit(&s->door, from, &leaves);
	if (leaves)
		end_now((struct conn *)leaves);
	worker_unlock(&s->worker);
	return fits ? MHD_YES : MHD_NO;
}

static void
link_conn(struct server *s, struct conn *c)
{
	worker_lock(&s->worker);
	door_enter(
		&s->door, &c->place,
		MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr);
	c->credentials = s->credentials;
	c->credentials->users++;
	worker_unlock(&s->worker);
	atomic_fetch_add(&s->nconns, 1);
}

static void
unlink_conn(struct server *s, struct conn *c)
{
	worker_lock(&s->worker);
	door_leave(&s->door, &c->place);
	credentials_drop(c->credentials);
	worker_unlock(&s->worker);
	atomic_fetch_sub(&s->nconns, 1);
}

/* The library has given the session its own certificate by now; the current one takes its place
 * before the handshake begins. That is how a certificate changes while the port stays open. */
static void
begin_conn(struct server *s, struct MHD_Connection *mhd, void **context)
{
	gnutls_session_t tls =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION)->tls_session;
	struct conn *c = mem_new(sizeof(*c));

	c->server = s;
	c->mhd = mhd;
	wire_attach(&c->wire, tls,
		    MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd);
	set_deadline_in(c, s->o.first_ms);
	link_conn(s, c);
	gnutls_credentials_set(tls, GNUTLS_CRD_CERTIFICATE, c->credentials->tls);
	*context = c;
}

static void
end_conn(struct server *s, struct conn *c)
{
	unlink_conn(s, c);
	if (c->unread)
		farewell_add(s->farewell, c->wire.fd);
	request_free(c->rq);
	free(c);
}

/* The library closes the socket after this, so while a connection is in the list its descriptor is
 * its own. */
static void
on_connection(void *cls, struct MHD_Connection *mhd, void **context,
	      enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		begin_conn(cls, mhd, context);
	else if (*context)
		end_conn(cls, *context);
}

/* ---- deadlines ---- */

static void
sweep(struct server *s)
{
	int64_t now = clock_mono_ms();

	for (struct place *p = s->door.first; p; p = p->next) {
		struct conn *c = (struct conn *)p;
		int64_t deadline = atomic_load_explicit(&c->deadline_ms, memory_order_relaxed);

		if (deadline && now > deadline)
			end_now(c);
	}
}

static int64_t
sweep_interval_ms(const struct server *s)
{
	int64_t ms = s->o.first_ms / 10;

	return ms < 100 ? 100 : ms > 1000 ? 1000 : ms;
}

static int64_t
take_sweep(void *arg)
{
	struct server *s = arg;

	sweep(s);
	return clock_mono_ms() + sweep_interval_ms(s);
}

/* ---- the request comes in ---- */

static void send_request(struct request *rq);
static void admit_request(struct request *rq);
static void know_sender(struct request *rq);

/* The request line is in; uri is what it says, undecoded. */
static void *
on_target(void *cls, const char *uri, struct MHD_Connection *mhd)
{
	struct conn *c =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
	struct request *rq = request_new();

	rq->begun_us = clock_mono_us();
	rq->conn = c;
	rq->send = send_request;
	rq->admit = admit_request;
	rq->known = know_sender;
	c->rq = rq;
	c->headers_in = c->whole = false;
	c->drained = 0;
	c->refused.code = 0;
	atomic_store(&c->turn, TURN_READING);
	if (c->asked_before)
		set_deadline(c, 0);
	c->asked_before = true;
	atomic_fetch_add_explicit(&c->server->requests, 1, memory_order_relaxed);
	if (request_target(rq, uri, &c->refused) < 0)
		rq->path = "/";
	return c;
}

/* The path is decoded by request_target and nowhere else. */
static size_t
leave_escaped(void *cls, struct MHD_Connection *mhd, char *s)
{
	return strlen(s);
}

static enum MHD_Result
on_header(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_size, const char *value,
	  size_t value_size)
{
	struct conn *c = cls;

	return request_take_header(c->rq, key, value ? value : "", value_size, &c->refused) == 0
		       ? MHD_YES
		       : MHD_NO;
}

static void
take_headers(struct conn *c, const char *method)
{
	struct request *rq = c->rq;

	rq->method = request_method(method);
	request_set_address(
		rq,
		MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr);
	if (c->refused.code)
		return;
	MHD_get_connection_values_n(c->mhd, MHD_HEADER_KIND, on_header, c);
	if (c->refused.code == 0 && request_check_headers(rq, &c->refused) == 0)
		c->limit = c->server->o.body_limit(c->server->o.ctx, rq->method, rq->path);
}

static void
refuse_length(struct conn *c)
{
	err_set(&c->refused, ERR_TOO_LARGE, "the body may have at most %zu bytes here", c->limit);
}

static enum MHD_Result queue_refusal(struct conn *c);
typedef void owner_fn(void *ctx, struct request *rq);
static enum MHD_Result hand_over(struct conn *c, owner_fn *to);

static bool
has_body(const struct conn *c)
{
	return c->rq->content_length > 0 || c->rq->chunked;
}

/* Whoever has shown a session, now or before, has the time of everybody. */
static enum MHD_Result
begin_body(struct conn *c)
{
	size_t length = (size_t)c->rq->content_length;

	if (atomic_load(&c->known))
		set_deadline(c, 0);
	else
		set_deadline_in(c, c->server->o.first_ms);
	if (length)
		buf_reserve(&c->rq->body, length < RESERVE_MAX ? length : RESERVE_MAX);
	return MHD_YES;
}

static enum MHD_Result
begin_request(struct conn *c, const char *method)
{
	const struct server_options *o = &c->server->o;

	c->headers_in = true;
	c->limit = 0;
	take_headers(c, method);
	if (c->refused.code == 0 && (uint64_t)c->rq->content_length > c->limit)
		refuse_length(c);
	if (!has_body(c))
		return MHD_YES;
	if (c->refused.code)
		return queue_refusal(c);
	if (o->on_head && c->limit > SERVER_UNCHECKED_MAX)
		return hand_over(c, o->on_head);
	return begin_body(c);
}

static enum MHD_Result
take_body(struct conn *c, const char *data, size_t n)
{
	if (c->refused.code == 0 && n > c->limit - c->rq->body.len)
		refuse_length(c);
	if (c->refused.code == 0) {
		buf_add(&c->rq->body, data, n);
		return MHD_YES;
	}
	c->drained += n;
	return c->drained > DRAIN_MAX + c->limit ? MHD_NO : MHD_YES;
}

/* ---- the reply goes out ---- */

static const struct request_pair default_headers[] = {
	{ "Cache-Control", "no-store" },
	{ "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'" },
	{ "Referrer-Policy", "no-referrer" },
	{ "Strict-Transport-Security", "max-age=31536000" },
	{ "X-Content-Type-Options", "nosniff" },
};

static bool
header_is_set(const struct request *rq, const char *name)
{
	for (unsigned i = 0; i < rq->nheaders; i++)
		if (strcasecmp(rq->headers[i].name, name) == 0)
			return true;
	return false;
}

static void
add_header(struct MHD_Response *r, const char *name, const char *value)
{
	mem_check(MHD_add_response_header(r, name, value) ==
		  MHD_YES); /* values have no control characters by now */
}

static struct MHD_Response *
make_response(const struct request *rq)
{
	bool empty = rq->reply.len == 0 || rq->status == 204 || rq->status == 304;
	struct MHD_Response *r = mem_have(MHD_create_response_from_buffer(
		empty ? 0 : rq->reply.len, empty ? (void *)"" : rq->reply.data,
		MHD_RESPMEM_PERSISTENT));

	if (!empty)
		add_header(r, "Content-Type", rq->reply_type ? rq->reply_type : "application/json");
	for (unsigned i = 0; i < rq->nheaders; i++)
		add_header(r, rq->headers[i].name, rq->headers[i].value);
	for (size_t i = 0; i < ARRAY_LEN(default_headers); i++)
		if (!header_is_set(rq, default_headers[i].name))
			add_header(r, default_headers[i].name, default_headers[i].value);
	return r;
}

/* The reply's bytes stay in the request, which on_completed wipes. The library writes head and body
 * one after the other: the head waits for the body. */
static enum MHD_Result
queue_reply(struct conn *c)
{
	struct MHD_Response *r = make_response(c->rq);
	enum MHD_Result rc;

	set_deadline(c, (int64_t)(c->rq->reply.len / SEND_BYTES_PER_MS));
	place_stage(&c->place, PLACE_IDLE);
	wire_hold(&c->wire, c->rq->reply.len > 0 && c->rq->method != HTTP_HEAD);
	rc = MHD_queue_response(c->mhd, (unsigned)c->rq->status, r);
	MHD_destroy_response(r);
	return rc;
}

/* The body, if there is one, stays where it is. */
static enum MHD_Result
queue_early(struct conn *c)
{
	c->unread = true;
	request_header(c->rq, "Connection", "close");
	return queue_reply(c);
}

static enum MHD_Result
queue_refusal(struct conn *c)
{
	request_error(c->rq, &c->refused);
	atomic_fetch_add(&c->server->writing, 1);
	atomic_store(&c->turn, TURN_ANSWERED);
	return queue_early(c);
}

/* request_send. The connection may be gone the moment the turn is given away, unless it was put
 * aside. */
static void
send_request(struct request *rq)
{
	struct conn *c = rq->conn;
	struct server *s = c->server;

	assert(rq->status >= 200 && rq->status < 600);
	atomic_fetch_add(&s->writing, 1);
	if (atomic_exchange(&c->turn, TURN_ANSWERED) == TURN_SUSPENDED)
		MHD_resume_connection(c->mhd);
	atomic_fetch_sub(&s->handed, 1);
}

/* request_admit: the same. */
static void
admit_request(struct request *rq)
{
	struct conn *c = rq->conn;
	struct server *s = c->server;

	if (atomic_exchange(&c->turn, TURN_ADMITTED) == TURN_SUSPENDED)
		MHD_resume_connection(c->mhd);
	atomic_fetch_sub(&s->handed, 1);
}

/* request_known: while the request is out, its connection is there. */
static void
know_sender(struct request *rq)
{
	struct conn *c = rq->conn;

	if (atomic_exchange(&c->known, true))
		return;
	worker_lock(&c->server->worker);
	door_know(&c->server->door, &c->place);
	worker_unlock(&c->server->worker);
}

/* What the owner made of it, on the connection's own thread. */
static enum MHD_Result
take_turn_back(struct conn *c)
{
	if (atomic_load(&c->turn) == TURN_ANSWERED)
		return c->whole ? queue_reply(c) : queue_early(c);
	atomic_store(&c->turn, TURN_READING);
	return begin_body(c);
}

static enum MHD_Result
hand_over(struct conn *c, owner_fn *to)
{
	struct server *s = c->server;
	enum turn expected = TURN_OWNER;

	clear_deadline(c);
	place_stage(&c->place, PLACE_BUSY);
	atomic_fetch_add(&s->handed, 1);
	atomic_store(&c->turn, TURN_OWNER);
	to(s->o.ctx, c->rq);
	if (atomic_load(&c->turn) != TURN_OWNER)
		return take_turn_back(c);
	MHD_suspend_connection(c->mhd);
	if (!atomic_compare_exchange_strong(&c->turn, &expected, TURN_SUSPENDED))
		MHD_resume_connection(c->mhd);
	return MHD_YES;
}

static enum MHD_Result
on_access(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
	  const char *version, const char *data, size_t *data_size, void **context)
{
	struct conn *c = *context;
	size_t n = *data_size;

	if (!c->headers_in)
		return begin_request(c, method);
	if (n > 0) {
		*data_size = 0;
		return take_body(c, data, n);
	}
	switch (atomic_load(&c->turn)) {
	case TURN_READING:
		c->whole = true;
		return c->refused.code ? queue_refusal(c) : hand_over(c, c->server->o.on_request);
	case TURN_ADMITTED:
	case TURN_ANSWERED:
		return take_turn_back(c);
	default:
		return MHD_YES;
	}
}

static void
on_completed(void *cls, struct MHD_Connection *mhd, void **context,
	     enum MHD_RequestTerminationCode toe)
{
	struct server *s = cls;
	struct conn *c = *context;

	if (!c || !c->rq)
		return;
	if (!wire_flush(&c->wire))
		shutdown(c->wire.fd, SHUT_RDWR);
	if (atomic_load(&c->turn) == TURN_ANSWERED)
		atomic_fetch_sub(&s->writing, 1);
	request_free(c->rq);
	c->rq = NULL;
	atomic_store(&c->turn, TURN_READING);
	set_deadline(c, 0);
}

/* ---- start and stop ---- */

static struct MHD_Daemon *
start_daemon(struct server *s, const struct server_options *o)
{
	size_t pool = o->header_max > POOL_MIN ? o->header_max : POOL_MIN;
	struct MHD_OptionItem options[] = {
		{ MHD_OPTION_LISTEN_SOCKET, s->listen_fd, NULL },
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, UNCONST(void *, o->cert_pem) },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, UNCONST(void *, o->key_pem) },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)PRIORITIES },
		{ MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL },
		{ MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)pool, NULL },
		/* Of all threads together; the door counts. */
		{ MHD_OPTION_CONNECTION_LIMIT,
		  (intptr_t)(o->max_connections + 2 * DOOR_SLACK) * o->threads, NULL },
		{ MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)o->timeout_s, NULL },
		{ MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)on_completed, s },
		{ MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, s },
		{ MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)on_target, s },
		{ MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)leave_escaped, s },
		/* The last: left out with one thread. */
		{ o->threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END,
		  (intptr_t)o->threads, NULL },
		{ MHD_OPTION_END, 0, NULL },
	};

	return MHD_start_daemon(
		MHD_USE_TLS | MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, on_knock,
		s, on_access, s, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
}

static struct server *
make_server(const struct server_options *o, int fd, struct credentials *c)
{
	struct server *s = mem_new(sizeof(*s));

	s->o = *o;
	s->o.cert_pem = s->o.key_pem = s->o.listen = NULL; /* the caller's, for the start only */
	if (o->first_ms == 0 || o->first_ms > o->timeout_s * 1000)
		s->o.first_ms = o->timeout_s * 1000;
	door_init(&s->door, o->max_connections, o->max_per_address);
	s->listen_fd = fd;
	s->port = listener_port(fd);
	s->credentials = c;
	worker_init(&s->worker);
	return s;
}

int
server_start(const struct server_options *o, struct server **ret, struct err *e)
{
	struct credentials *c;
	struct server *s;
	int fd, rc;

	assert(o->threads >= 1 && o->timeout_s >= 1);
	rc = credentials_new(o->cert_pem, o->key_pem, &c, e);
	if (rc < 0)
		return rc;
	rc = listener_open(o->listen, &fd, e);
	if (rc < 0) {
		credentials_drop(c);
		return rc;
	}
	s = make_server(o, fd, c);
	s->farewell = farewell_new();
	s->daemon = s->farewell ? start_daemon(s, o) : NULL;
	if (!s->daemon) {
		rc = err_errno(e, ERR_IO, "the HTTPS server on %s did not start", o->listen);
		server_stop(s);
		return rc;
	}
	worker_start(&s->worker, "http-sweep", take_sweep, NULL, s);
	*ret = s;
	return 0;
}

/* A client that does not read its reply holds the end up for no longer than STOP_WRITING_MS. */
static void
await_replies(struct server *s)
{
	int64_t until;

	while (atomic_load(&s->handed) > 0)
		clock_sleep_ms(2);
	until = clock_mono_ms() + STOP_WRITING_MS;
	while (atomic_load(&s->writing) > 0 && clock_mono_ms() < until)
		clock_sleep_ms(2);
}

void
server_stop(struct server *s)
{
	if (!s)
		return;
	if (s->daemon) {
		/* Not MHD_quiesce_daemon(): it takes the socket out of the set of a thread that may be doing so itself, and aborts. */
		atomic_store(&s->stopping, true);
		await_replies(s);
		MHD_stop_daemon(s->daemon);
	}
	worker_stop(&s->worker);
	farewell_free(s->farewell);
	door_done(&s->door);
	close(s->listen_fd);
	credentials_drop(s->credentials);
	worker_done(&s->worker);
	free(s);
}

void
server_set_own(struct server *s, const char *addresses)
{
	worker_lock(&s->worker);
	door_set_own(&s->door, addresses);
	worker_unlock(&s->worker);
}

unsigned
server_port(const struct server *s)
{
	return s->port;
}

uint64_t
server_requests(const struct server *s)
{
	return atomic_load_explicit(&s->requests, memory_order_relaxed);
}

unsigned
server_connections(const struct server *s)
{
	return atomic_load_explicit(&s->nconns, memory_order_relaxed);
}
