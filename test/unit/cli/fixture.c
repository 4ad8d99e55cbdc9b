/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <gnutls/gnutls.h>
#include "base/home.h"
#include "base/json_out.h"

/* ---- nodes ---- */

static size_t
body_limit(void *ctx, enum http_method method, const char *path)
{
	return 1 << 20;
}

static const struct fake_answer *
answer_to(const struct fake *f, const char *path)
{
	const struct fake_answer *a = f->answers;

	while (a->path && strcmp(a->path, path) != 0)
		a++;
	return a;
}

static void
full_path(const struct request *rq, char *out, size_t n)
{
	size_t len = (size_t)snprintf(out, n, "%s", rq->path);

	for (unsigned i = 0; i < rq->nquery && len < n; i++)
		len += (size_t)snprintf(out + len, n - len, "%c%s=%s", i ? '&' : '?',
					rq->query[i].name, rq->query[i].value);
}

static void
on_request(void *ctx, struct request *rq)
{
	struct fake *f = ctx;
	const struct fake_answer *a;

	full_path(rq, f->path, sizeof(f->path));
	snprintf(f->bearer, sizeof(f->bearer), "%s", rq->bearer ? rq->bearer : "");
	snprintf(f->body, sizeof(f->body), "%s", buf_str(&rq->body));
	a = answer_to(f, f->path);
	rq->status = a->status;
	if (a->body)
		buf_adds(&rq->reply, a->body);
	if (a->mode)
		request_header(rq, "Holdfast-Mode", a->mode);
	if (a->location)
		request_header(rq, "Location", a->location);
	if (a->emergency_s)
		request_header(rq, "Holdfast-Emergency-Seconds", a->emergency_s);
	if (a->nodes)
		request_header(rq, "Holdfast-Nodes", a->nodes);
	atomic_fetch_add(&f->asked, 1);
	request_send(rq);
}

static void
begin(struct fake *f, int status, const char *body)
{
	struct err e = { 0 };

	f->answers[0] = (struct fake_answer){ .status = status, .body = body, .mode = "primary" };
	struct server_options o = {
		.listen = "127.0.0.1:0",
		.cert_pem = f->pair.cert.data,
		.key_pem = f->pair.key.data,
		.threads = 1,
		.max_connections = 20,
		.max_per_address = 20,
		.timeout_s = 5,
		.header_max = 40000,
		.ctx = f,
		.body_limit = body_limit,
		.on_request = on_request,
	};
	assert_int_equal(server_start(&o, &f->server, &e), 0);
	f->port = server_port(f->server);
}

void
fake_start(struct fake *f, int status, const char *body)
{
	memset(f, 0, sizeof(*f));
	pair_make(&f->pair, "localhost", false, NULL, 30);
	begin(f, status, body);
}

void
fake_start_as(struct fake *f, struct pair *shown, const char *body)
{
	memset(f, 0, sizeof(*f));
	f->pair = *shown;
	*shown = (struct pair){ 0 };
	begin(f, 200, body);
}

void
fake_stop_server(struct fake *f)
{
	server_stop(f->server);
	f->server = NULL;
}

void
fake_stop(struct fake *f)
{
	server_stop(f->server);
	pair_done(&f->pair);
}

struct mute {
	int fd;
	gnutls_certificate_credentials_t shown; /* NULL: no TLS */
	pthread_t thread;
	unsigned taken;
};

static void
read_request(const struct mute *m, int fd)
{
	gnutls_session_t tls;
	char data[4096];
	int rc;

	gnutls_init(&tls, GNUTLS_SERVER | GNUTLS_NO_SIGNAL);
	assert_int_equal(gnutls_priority_set_direct(tls, "NORMAL:-VERS-ALL:+VERS-TLS1.3", NULL), 0);
	gnutls_credentials_set(tls, GNUTLS_CRD_CERTIFICATE, m->shown);
	gnutls_transport_set_int(tls, fd);
	gnutls_handshake_set_timeout(tls, 5000);
	do
		rc = gnutls_handshake(tls);
	while (rc < 0 && !gnutls_error_is_fatal(rc));
	if (rc == 0)
		(void)!gnutls_record_recv(tls, data, sizeof(data));
	gnutls_deinit(tls);
}

static void *
take_and_end(void *arg)
{
	struct mute *m = arg;
	int fd;

	while ((fd = accept(m->fd, NULL, NULL)) >= 0) {
		m->taken++;
		if (m->shown)
			read_request(m, fd);
		close(fd);
	}
	return NULL;
}

struct mute *
mute_start(const struct pair *p, unsigned *ret_port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t n = sizeof(sin);
	struct mute *m = calloc(1, sizeof(*m));

	if (p) {
		const gnutls_datum_t cert = { (void *)p->cert.data, (unsigned)p->cert.len };
		const gnutls_datum_t key = { (void *)p->key.data, (unsigned)p->key.len };

		gnutls_certificate_allocate_credentials(&m->shown);
		assert_int_equal(gnutls_certificate_set_x509_key_mem(m->shown, &cert, &key,
								     GNUTLS_X509_FMT_PEM),
				 0);
	}
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	m->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(m->fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(listen(m->fd, 8), 0);
	assert_int_equal(getsockname(m->fd, (struct sockaddr *)&sin, &n), 0);
	assert_int_equal(pthread_create(&m->thread, NULL, take_and_end, m), 0);
	*ret_port = ntohs(sin.sin_port);
	return m;
}

unsigned
mute_stop(struct mute *m)
{
	unsigned taken;

	shutdown(m->fd, SHUT_RDWR);
	pthread_join(m->thread, NULL);
	close(m->fd);
	taken = m->taken;
	if (m->shown)
		gnutls_certificate_free_credentials(m->shown);
	free(m);
	return taken;
}

/* ---- the session file ---- */

const char *
session_path(void)
{
	static char path[64];

	if (!path[0]) {
		snprintf(path, sizeof(path), "/tmp/hf-cli-%d/session.json", (int)getpid());
		setenv("HOLDFAST_SESSION", path, 1);
	}
	return path;
}

void
session_write(const struct session_node *nodes, size_t n)
{
	struct err err = { 0 };
	auto_buf text = BUF_INIT, dir = BUF_INIT;
	struct json_out w;

	json_out_init(&w, &text);
	json_out_object(&w, NULL);
	json_out_text(&w, "user", "ada");
	json_out_text(&w, "token", "the-token");
	json_out_array(&w, "nodes");
	for (size_t i = 0; i < n; i++) {
		char url[64];
		snprintf(url, sizeof(url), "https://localhost:%u", nodes[i].port);
		json_out_object(&w, NULL);
		json_out_text(&w, "url", url);
		json_out_text(&w, "cert", nodes[i].cert);
		json_out_end_object(&w);
	}
	json_out_end_array(&w);
	json_out_end_object(&w);
	buf_add(&dir, session_path(), strlen(session_path()) - strlen("/session.json"));
	assert_int_equal(home_mkdirs(buf_str(&dir), 0700, &err), 0);
	assert_int_equal(home_write_file(session_path(), text.data, text.len, 0600, &err), 0);
}

void
session_remove(void)
{
	auto_buf dir = BUF_INIT;

	unlink(session_path());
	buf_add(&dir, session_path(), strlen(session_path()) - strlen("/session.json"));
	rmdir(buf_str(&dir));
}
