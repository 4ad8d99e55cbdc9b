/* SPDX-License-Identifier: Apache-2.0
 *
 * The way that group commit is measured against: the same retrieval, but every request by itself on
 * one of N connections to PostgreSQL: session and right read there, the fields opened, the event
 * inserted in a transaction of its own, then the answer. Same HTTP server, same statements, same
 * rows, same cryptography; no batching, no caches, and (in its favour) no chain over all events,
 * which would put the connections in a queue. one_by_one CONNINFO LISTEN CERT KEY SESSION-MAC-HEX
 * USER CONNECTIONS HTTP-THREADS
 */
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/home.h"
#include "base/json_out.h"
#include "base/uuid.h"
#include "http/server.h"
#include "ledger/event.h"
#include "store/db.h"

struct shop {
	pthread_mutex_t lock;
	pthread_cond_t filled;
	struct request *first, **last; /* linked by owner */
	bool over;
	const char *conninfo;
	uint8_t mac[64];
	size_t mac_len;
	struct uuid user;
};

static void
die(const struct err *e, const char *what)
{
	fprintf(stderr, "one_by_one: %s: %s\n", what, e->text);
	exit(1);
}

static struct request *
next_request(struct shop *s)
{
	pthread_mutex_lock(&s->lock);
	while (!s->first && !s->over)
		pthread_cond_wait(&s->filled, &s->lock);
	struct request *rq = s->first;
	if (rq) {
		s->first = rq->owner;
		if (!s->first)
			s->last = &s->first;
	}
	pthread_mutex_unlock(&s->lock);
	return rq;
}

static void
on_request(void *ctx, struct request *rq)
{
	struct shop *s = ctx;

	rq->owner = NULL;
	pthread_mutex_lock(&s->lock);
	*s->last = rq;
	s->last = (struct request **)&rq->owner;
	pthread_cond_signal(&s->filled);
	pthread_mutex_unlock(&s->lock);
}

static size_t
body_limit(void *ctx, enum http_method method, const char *path)
{
	return 4096;
}

/* What a worker has of its own. */
struct worker {
	struct shop *s;
	struct db *db;
	struct uuid node;
	int64_t seq;
	uint8_t hash[32], key[32];
};

/* Opens as much as a version's fields are: the key is another one, the work the same. */
static void
open_fields(struct worker *w, size_t n)
{
	uint8_t nonce[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES] = { 0 }, plain[4096] = { 0 },
		sealed[4096 + 64];
	unsigned long long len;

	if (n > sizeof(plain))
		n = sizeof(plain);
	crypto_aead_xchacha20poly1305_ietf_encrypt(sealed, &len, plain, n, NULL, 0, NULL, nonce,
						   w->key);
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain, &len, NULL, sealed, len, NULL, 0,
						       nonce, w->key) != 0)
		abort();
	sodium_memzero(plain, sizeof(plain));
}

static int
log_event(struct worker *w, const struct uuid *account, const char *body, struct err *e)
{
	auto_binds b = BINDS_INIT;
	int64_t now = clock_now_us();

	w->seq++;
	crypto_generichash(w->hash, sizeof(w->hash), (const uint8_t *)body, strlen(body), w->key,
			   sizeof(w->key));
	bind_uuid(&b, &w->node);
	bind_array_begin(&b, STMT_BIGINT);
	bind_elem_bigint(&b, w->seq);
	bind_array_end(&b);
	bind_array_begin(&b, STMT_TIMESTAMPTZ);
	bind_elem_time(&b, now);
	bind_array_end(&b);
	bind_array_begin(&b, STMT_INT);
	bind_elem_int(&b, EVENT_RETRIEVED);
	bind_array_end(&b);
	bind_array_begin(&b, STMT_UUID);
	bind_elem_uuid(&b, &w->s->user);
	bind_array_end(&b);
	bind_array_begin(&b, STMT_UUID);
	bind_elem_uuid(&b, account);
	bind_array_end(&b);
	bind_array_begin(&b, STMT_TEXT);
	bind_elem_text(&b, "127.0.0.1");
	bind_array_end(&b);
	bind_array_begin(&b, STMT_TEXT);
	bind_elem_text(&b, body);
	bind_array_end(&b);
	bind_array_begin(&b, STMT_BYTEA);
	bind_elem_bytea(&b, w->hash, sizeof(w->hash));
	bind_array_end(&b);
	return db_exec(w->db, NULL, STMT_EVENT_INSERT, &b, NULL, e);
}

static int
retrieve(struct worker *w, struct request *rq, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows session = NULL;
	auto_rows account = NULL;
	auto_buf body = BUF_INIT;
	struct uuid id;
	struct json_out j;
	char text[UUID_STR_LEN] = { 0 };
	int rc;

	if (strlen(rq->path) < sizeof("/v1/accounts/") - 1 + 36)
		return err_set(e, ERR_NOT_FOUND, "no account");
	memcpy(text, rq->path + sizeof("/v1/accounts/") - 1, 36);
	rc = uuid_parse(text, &id);
	if (rc < 0)
		return rc;
	bind_bytea(&b, w->s->mac, w->s->mac_len);
	rc = db_exec(w->db, NULL, STMT_SESSION_BY_MAC, &b, &session, e);
	if (rc < 0)
		return rc;
	if (rows_count(session) != 1)
		return err_set(e, ERR_UNAUTHENTICATED, "no session");
	binds_reset(&b);
	bind_array_begin(&b, STMT_UUID);
	bind_elem_uuid(&b, &id);
	bind_array_end(&b);
	bind_array_begin(&b, STMT_UUID);
	bind_elem_uuid(&b, &w->s->user);
	bind_array_end(&b);
	bind_array_begin(&b, STMT_INT);
	bind_elem_int(&b, 0);
	bind_array_end(&b);
	rc = db_exec(w->db, NULL, STMT_ACCOUNT_OPEN, &b, &account, e);
	if (rc < 0)
		return rc;
	if (rows_count(account) != 1 || row_int(account, 0, 1) < 1)
		return err_set(e, ERR_FORBIDDEN, "no right");
	size_t n;
	row_bytea(account, 0, 4, &n);
	open_fields(w, n);
	json_out_init(&j, &body);
	json_out_object(&j, NULL);
	json_out_text(&j, "reason", "bench");
	json_out_int(&j, "n", row_int(account, 0, 3));
	json_out_text(&j, "resource", row_text(account, 0, 7));
	json_out_text(&j, "login", row_text(account, 0, 8));
	json_out_end_object(&j);
	rc = log_event(w, &id, buf_str(&body), e);
	if (rc < 0)
		return rc;
	json_out_init(&j, &rq->reply);
	json_out_object(&j, NULL);
	json_out_uuid(&j, "account", id.b);
	json_out_text(&j, "resource", row_text(account, 0, 7));
	json_out_text(&j, "login", row_text(account, 0, 8));
	json_out_int(&j, "n", row_int(account, 0, 3));
	json_out_object(&j, "fields");
	json_out_text(&j, "password", "s3cret-site-00000");
	json_out_text(&j, "url", "https://site0.example");
	json_out_end_object(&j);
	json_out_end_object(&j);
	rq->status = 200;
	return 0;
}

static void *
work(void *arg)
{
	struct worker w = { .s = arg };
	struct err e = { 0 };
	struct request *rq;

	w.db = db_open(&(struct db_options){ w.s->conninfo, "one_by_one", 0 }, &e);
	if (!w.db)
		die(&e, "connect");
	uuid_new(&w.node);
	randombytes_buf(w.key, sizeof(w.key));
	while ((rq = next_request(w.s))) {
		if (retrieve(&w, rq, &e) < 0)
			request_error(rq, &e);
		request_send(rq);
	}
	db_free(w.db);
	return NULL;
}

int
main(int argc, char **argv)
{
	struct shop s = { .lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER };
	struct err e = { 0 };
	auto_buf cert = BUF_INIT, key = BUF_INIT;
	struct server *server;
	pthread_t thread[64];
	sigset_t ends;
	int sig;

	if (argc != 9 || sodium_init() < 0) {
		fprintf(stderr, "usage: one_by_one CONNINFO LISTEN CERT KEY SESSION-MAC-HEX USER "
				"CONNECTIONS HTTP-THREADS\n");
		return 2;
	}
	s.last = &s.first;
	s.conninfo = argv[1];
	int connections = atoi(argv[7]);
	if (connections < 1 || connections > 64 || uuid_parse(argv[6], &s.user) < 0 ||
	    sodium_hex2bin(s.mac, sizeof(s.mac), argv[5], strlen(argv[5]), NULL, &s.mac_len,
			   NULL) != 0)
		return 2;
	if (home_read_file(argv[3], 65536, &cert, &e) < 0 ||
	    home_read_file(argv[4], 65536, &key, &e) < 0)
		die(&e, "read the certificate");
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	pthread_sigmask(SIG_BLOCK, &ends, NULL);
	for (int i = 0; i < connections; i++)
		if (pthread_create(&thread[i], NULL, work, &s) != 0)
			return 1;
	struct server_options o = { .listen = argv[2],
				    .cert_pem = buf_str(&cert),
				    .key_pem = buf_str(&key),
				    .threads = (unsigned)atoi(argv[8]),
				    .max_connections = 1000,
				    .max_per_address = 1000,
				    .timeout_s = 30,
				    .header_max = 16384,
				    .ctx = &s,
				    .body_limit = body_limit,
				    .on_request = on_request };
	if (server_start(&o, &server, &e) < 0)
		die(&e, "listen");
	printf("ready\n");
	fflush(stdout);
	sigwait(&ends, &sig);
	server_stop(server);
	pthread_mutex_lock(&s.lock);
	s.over = true;
	pthread_cond_broadcast(&s.filled);
	pthread_mutex_unlock(&s.lock);
	for (int i = 0; i < connections; i++)
		pthread_join(thread[i], NULL);
	return 0;
}
