/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include "base/clock.h"
#include "base/json_out.h"

/* ---- certificates ---- */

static void
add_pem(struct buf *out, gnutls_datum_t *d)
{
	buf_add(out, d->data, d->size);
	gnutls_free(d->data);
}

static void
sign(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const struct pair *by)
{
	gnutls_x509_crt_t ca;
	gnutls_x509_privkey_t ca_key;
	gnutls_datum_t d;

	if (!by) {
		assert_int_equal(gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0), 0);
		return;
	}
	gnutls_x509_crt_init(&ca);
	gnutls_x509_privkey_init(&ca_key);
	d = (gnutls_datum_t){ (void *)by->cert.data, (unsigned)by->cert.len };
	assert_int_equal(gnutls_x509_crt_import(ca, &d, GNUTLS_X509_FMT_PEM), 0);
	d = (gnutls_datum_t){ (void *)by->key.data, (unsigned)by->key.len };
	assert_int_equal(gnutls_x509_privkey_import(ca_key, &d, GNUTLS_X509_FMT_PEM), 0);
	assert_int_equal(gnutls_x509_crt_sign2(crt, ca, ca_key, GNUTLS_DIG_SHA256, 0), 0);
	gnutls_x509_crt_deinit(ca);
	gnutls_x509_privkey_deinit(ca_key);
}

static void
fill(gnutls_x509_crt_t crt, const char *cn, bool is_ca, int days)
{
	static unsigned char serial = 1;
	const unsigned char ip[4] = { 127, 0, 0, 1 };
	time_t now = time(NULL);

	serial++;
	gnutls_x509_crt_set_version(crt, 3);
	gnutls_x509_crt_set_serial(crt, &serial, 1);
	gnutls_x509_crt_set_activation_time(crt, now - 86400 * 30);
	gnutls_x509_crt_set_expiration_time(crt, now + 86400 * days);
	gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, cn,
				      (unsigned)strlen(cn));
	gnutls_x509_crt_set_basic_constraints(crt, is_ca, -1);
	if (is_ca) {
		gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_KEY_CERT_SIGN);
		return;
	}
	gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE);
	gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, cn, (unsigned)strlen(cn), 0);
	if (strcmp(cn, "localhost") == 0)
		gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, ip, 4,
						     GNUTLS_FSAN_APPEND);
}

void
pair_make(struct pair *p, const char *cn, bool is_ca, const struct pair *by, int days)
{
	gnutls_x509_crt_t crt;
	gnutls_x509_privkey_t key;
	gnutls_datum_t d;

	*p = (struct pair){ 0 };
	gnutls_x509_crt_init(&crt);
	gnutls_x509_privkey_init(&key);
	assert_int_equal(
		gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
					     GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
		0);
	gnutls_x509_crt_set_key(crt, key);
	fill(crt, cn, is_ca, days);
	sign(crt, key, by);
	assert_int_equal(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &d), 0);
	add_pem(&p->cert, &d);
	assert_int_equal(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &d), 0);
	add_pem(&p->key, &d);
	gnutls_x509_crt_deinit(crt);
	gnutls_x509_privkey_deinit(key);
}

void
pair_done(struct pair *p)
{
	buf_done(&p->cert);
	buf_done(&p->key);
}

/* ---- raw TLS ---- */

struct raw {
	int fd;
	gnutls_session_t tls;
	gnutls_certificate_credentials_t none;
};

#define TLS_13 "NORMAL:-VERS-ALL:+VERS-TLS1.3"

static struct raw *
open_raw(unsigned port, const char *from, const char *priorities)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct sockaddr_in own = { .sin_family = AF_INET };
	struct raw *r = calloc(1, sizeof(*r));
	int rc;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	own.sin_addr.s_addr = inet_addr(from);
	r->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(r->fd, (struct sockaddr *)&own, sizeof(own)), 0);
	assert_int_equal(connect(r->fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	gnutls_certificate_allocate_credentials(&r->none);
	gnutls_init(&r->tls, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL);
	assert_int_equal(gnutls_priority_set_direct(r->tls, priorities, NULL), 0);
	gnutls_credentials_set(r->tls, GNUTLS_CRD_CERTIFICATE, r->none);
	gnutls_transport_set_int(r->tls, r->fd);
	gnutls_handshake_set_timeout(r->tls, 5000);
	do
		rc = gnutls_handshake(r->tls);
	while (rc < 0 && !gnutls_error_is_fatal(rc));
	if (rc < 0) {
		raw_close(r);
		return NULL;
	}
	return r;
}

struct raw *
raw_open_version(unsigned port, const char *priorities)
{
	return open_raw(port, "127.0.0.1", priorities);
}

struct raw *
raw_open_from(unsigned port, const char *address)
{
	return open_raw(port, address, TLS_13);
}

struct raw *
raw_open(unsigned port)
{
	struct raw *r = raw_open_version(port, TLS_13);

	assert_non_null(r);
	return r;
}

void
raw_write(struct raw *r, const void *data, size_t n)
{
	const char *p = data;

	while (n > 0) {
		ssize_t k = gnutls_record_send(r->tls, p, n);

		if (k == GNUTLS_E_AGAIN || k == GNUTLS_E_INTERRUPTED)
			continue;
		if (k < 0)
			return; /* the other end closed: what it said before is what counts */
		p += k;
		n -= (size_t)k;
	}
}

void
raw_puts(struct raw *r, const char *s)
{
	raw_write(r, s, strlen(s));
}

/* > 0 bytes, 0 closed, -1 time is over. */
static ssize_t
read_some(struct raw *r, char *data, size_t n, int64_t until_ms)
{
	for (;;) {
		struct pollfd p = { r->fd, POLLIN, 0 };
		int64_t left = until_ms - clock_mono_ms();
		ssize_t k;

		if (gnutls_record_check_pending(r->tls) == 0 &&
		    poll(&p, 1, left > 0 ? (int)left : 0) <= 0)
			return -1;
		k = gnutls_record_recv(r->tls, data, n);
		if (k == GNUTLS_E_AGAIN || k == GNUTLS_E_INTERRUPTED)
			continue;
		return k < 0 ? 0 : k;
	}
}

bool
raw_read(struct raw *r, struct buf *out, const char *until, int ms)
{
	int64_t until_ms = clock_mono_ms() + ms;
	char data[4096];
	ssize_t k;

	while (!strstr(buf_str(out), until)) {
		k = read_some(r, data, sizeof(data), until_ms);
		if (k <= 0)
			return false;
		buf_add(out, data, (size_t)k);
	}
	return true;
}

bool
raw_closed(struct raw *r, int ms)
{
	int64_t until_ms = clock_mono_ms() + ms;
	char data[4096];
	ssize_t k;

	do
		k = read_some(r, data, sizeof(data), until_ms);
	while (k > 0);
	return k == 0;
}

void
raw_close(struct raw *r)
{
	close(r->fd);
	gnutls_deinit(r->tls);
	gnutls_certificate_free_credentials(r->none);
	free(r);
}

/* ---- owner ---- */

#define QUEUE_MAX 512

struct owner {
	struct server *server;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	struct request *queue[QUEUE_MAX], *held[QUEUE_MAX];
	unsigned n, nheld;
	bool stopping;
};

static void
reply_text(struct request *rq, const char *text)
{
	rq->status = 200;
	buf_adds(&rq->reply, text);
}

static void
reply_who(struct request *rq)
{
	struct json_out w;

	rq->status = 200;
	json_out_init(&w, &rq->reply);
	json_out_object(&w, NULL);
	json_out_text(&w, "address", rq->address);
	json_out_bool(&w, "loopback", rq->loopback);
	json_out_text(&w, "bearer", rq->bearer);
	json_out_text(&w, "cookie", rq->cookie);
	json_out_text(&w, "origin", rq->origin);
	json_out_text(&w, "path", rq->path);
	json_out_text(&w, "q", request_query(rq, "q"));
	json_out_text(&w, "type", rq->content_type);
	json_out_end_object(&w);
}

static void
reply_big(struct request *rq)
{
	rq->status = 200;
	buf_reserve(&rq->reply, 5 << 20);
	for (unsigned i = 0; i < 5 << 16; i++)
		buf_adds(&rq->reply, "0123456789abcdef");
}

static void
reply_redirect(struct request *rq)
{
	reply_text(rq, "{}");
	rq->status = 307;
	request_header(rq, "Location", "https://primary.example:7272/v1/x");
	request_header(rq, "Holdfast-Mode", "standby");
	request_header(rq, "Holdfast-As-Of", "2026-01-31T12:00:00.123456Z");
	request_header(rq, "Holdfast-Durability", "both");
}

static void
reply_custom(struct request *rq)
{
	reply_text(rq, "<!doctype html>");
	rq->reply_type = "text/html; charset=utf-8";
	request_header(rq, "content-security-policy", "default-src 'self'");
	request_header(rq, "X-Broken", "a\r\nX-Injected: yes");
}

/* A body that has to be let in. */
static bool
is_head(const struct request *rq)
{
	return rq->owner != NULL;
}

static void
answer_head(struct request *rq)
{
	struct err e = { 0 };

	rq->owner = NULL;
	assert_int_equal(rq->body.len, 0);
	if (rq->bearer && strcmp(rq->bearer, "refused") == 0) {
		err_set(&e, ERR_UNAUTHENTICATED, "who?");
		request_error(rq, &e);
		request_send(rq);
		return;
	}
	if (rq->bearer)
		request_known(rq);
	request_admit(rq);
}

static void
answer(struct request *rq)
{
	if (is_head(rq)) {
		answer_head(rq);
		return;
	}
	if (rq->bearer && strcmp(rq->bearer, "known") == 0)
		request_known(rq);
	if (strcmp(rq->path, "/echo") == 0)
		buf_add(&rq->reply, rq->body.data, rq->body.len), rq->status = 200;
	else if (strcmp(rq->path, "/who") == 0)
		reply_who(rq);
	else if (strcmp(rq->path, "/big") == 0)
		reply_big(rq);
	else if (strcmp(rq->path, "/redirect") == 0)
		reply_redirect(rq);
	else if (strcmp(rq->path, "/custom") == 0)
		reply_custom(rq);
	else if (strcmp(rq->path, "/nothing") == 0)
		rq->status = 204;
	else
		reply_text(rq, "{\"ok\":true}");
	request_send(rq);
}

static void *
owner_thread(void *arg)
{
	struct owner *o = arg;

	pthread_mutex_lock(&o->lock);
	while (!o->stopping) {
		struct request *rq;

		if (o->n == 0) {
			pthread_cond_wait(&o->cond, &o->lock);
			continue;
		}
		rq = o->queue[--o->n];
		pthread_mutex_unlock(&o->lock);
		answer(rq);
		pthread_mutex_lock(&o->lock);
	}
	pthread_mutex_unlock(&o->lock);
	return NULL;
}

static void
on_request(void *ctx, struct request *rq)
{
	struct owner *o = ctx;

	if (strcmp(rq->path, "/now") == 0) {
		answer(rq);
		return;
	}
	pthread_mutex_lock(&o->lock);
	if (strcmp(rq->path, "/hold") == 0) {
		o->held[o->nheld++] = rq;
	} else {
		o->queue[o->n++] = rq;
		pthread_cond_signal(&o->cond);
	}
	pthread_mutex_unlock(&o->lock);
}

static void
on_head(void *ctx, struct request *rq)
{
	struct owner *o = ctx;

	rq->owner = o;
	if (!rq->bearer) {
		answer(rq);
		return;
	}
	pthread_mutex_lock(&o->lock);
	if (strcmp(rq->bearer, "held") == 0) {
		o->held[o->nheld++] = rq;
	} else {
		o->queue[o->n++] = rq;
		pthread_cond_signal(&o->cond);
	}
	pthread_mutex_unlock(&o->lock);
}

static size_t
body_limit(void *ctx, enum http_method m, const char *path)
{
	if (strcmp(path, "/echo") == 0)
		return 3 << 20;
	return strcmp(path, "/small") == 0 ? 100 : 0;
}

struct owner *
owner_start(const struct pair *p, const struct server_options *over)
{
	struct owner *o = calloc(1, sizeof(*o));
	struct server_options options = {
		.listen = "127.0.0.1:0",
		.threads = 2,
		.max_connections = 200,
		.max_per_address = 200,
		.timeout_s = 10,
		.header_max = 16384,
	};
	struct err e = { 0 };

	if (over)
		options = *over;
	options.cert_pem = p->cert.data;
	options.key_pem = p->key.data;
	options.ctx = o;
	options.body_limit = body_limit;
	options.on_head = on_head;
	options.on_request = on_request;
	pthread_mutex_init(&o->lock, NULL);
	pthread_cond_init(&o->cond, NULL);
	pthread_create(&o->thread, NULL, owner_thread, o);
	if (server_start(&options, &o->server, &e) < 0)
		fail_msg("%s", e.text);
	return o;
}

struct server *
owner_server(struct owner *o)
{
	return o->server;
}

unsigned
owner_port(struct owner *o)
{
	return server_port(o->server);
}

unsigned
owner_held(struct owner *o)
{
	unsigned n;

	pthread_mutex_lock(&o->lock);
	n = o->nheld;
	pthread_mutex_unlock(&o->lock);
	return n;
}

void
owner_release(struct owner *o)
{
	pthread_mutex_lock(&o->lock);
	while (o->nheld > 0)
		answer(o->held[--o->nheld]);
	pthread_mutex_unlock(&o->lock);
}

void
owner_stop_server(struct owner *o)
{
	server_stop(o->server);
	o->server = NULL;
}

void
owner_stop(struct owner *o)
{
	owner_release(o);
	server_stop(o->server);
	pthread_mutex_lock(&o->lock);
	o->stopping = true;
	pthread_cond_signal(&o->cond);
	pthread_mutex_unlock(&o->lock);
	pthread_join(o->thread, NULL);
	pthread_mutex_destroy(&o->lock);
	pthread_cond_destroy(&o->cond);
	free(o);
}

struct client *
client_to(unsigned port, const char *trust)
{
	char base[64];
	struct err e = { 0 };
	struct client *c;

	snprintf(base, sizeof(base), "https://localhost:%u", port);
	c = client_new(&(struct client_options){ .base = base,
						 .trust_pem = trust,
						 .bearer = "tok-1",
						 .connect_ms = 2000,
						 .total_ms = 8000 },
		       &e);
	if (!c)
		fail_msg("%s", e.text);
	return c;
}
