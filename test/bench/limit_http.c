/* SPDX-License-Identifier: Apache-2.0
 *
 * The limit from above: the HTTP library by itself, with the product's flags, answering a constant
 * of a retrieval's size. Every request is suspended, passes through a queue to one other thread and
 * back, as the product's do. limit_http PORT CERT KEY THREADS; ends on SIGTERM.
 */
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRIORITIES                                                                                 \
	"NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-256-GCM:+AES-128-GCM:+CHACHA20-POLY1305:"  \
	"-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1"

/* Of about the length of a retrieval's reply. */
static const char answer[] = "{\"fields\":{\"password\":\"s3cret-site-000000\"},\"version\":1,"
			     "\"current\":1,\"conflict\":false,"
			     "\"resource\":{\"id\":\"01890000-0000-7000-8000-000000000000\","
			     "\"name\":\"site 000000\"},\"account\":"
			     "{\"id\":\"01890000-0000-7000-8000-000000000001\",\"login\":\"root\"},"
			     "\"created\":\"2026-01-31T12:00:00.123456Z\"}";

struct call {
	struct MHD_Connection *conn;
	struct call *next;
	int answered;
};

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t filled;
	struct call *first;
	int over;
};

static void *
core(void *arg)
{
	struct queue *q = arg;

	pthread_mutex_lock(&q->lock);
	while (!q->over) {
		struct call *c = q->first;
		q->first = NULL;
		if (!c) {
			pthread_cond_wait(&q->filled, &q->lock);
			continue;
		}
		pthread_mutex_unlock(&q->lock);
		while (c) {
			struct call *next = c->next;
			c->answered = 1;
			MHD_resume_connection(c->conn);
			c = next;
		}
		pthread_mutex_lock(&q->lock);
	}
	pthread_mutex_unlock(&q->lock);
	return NULL;
}

static enum MHD_Result
on_access(void *cls, struct MHD_Connection *conn, const char *url, const char *method,
	  const char *version, const char *data, size_t *size, void **context)
{
	struct queue *q = cls;
	struct call *c = *context;

	(void)url, (void)method, (void)version, (void)data;
	if (!c) {
		c = calloc(1, sizeof(*c));
		if (!c)
			abort();
		c->conn = conn;
		*context = c;
		return MHD_YES;
	}
	if (*size) {
		*size = 0;
		return MHD_YES;
	}
	if (!c->answered) {
		MHD_suspend_connection(conn);
		pthread_mutex_lock(&q->lock);
		c->next = q->first;
		q->first = c;
		pthread_cond_signal(&q->filled);
		pthread_mutex_unlock(&q->lock);
		return MHD_YES;
	}
	struct MHD_Response *r = MHD_create_response_from_buffer(
		sizeof(answer) - 1, (void *)(uintptr_t)answer, MHD_RESPMEM_PERSISTENT);
	MHD_add_response_header(r, "Content-Type", "application/json");
	enum MHD_Result rc = MHD_queue_response(conn, 200, r);
	MHD_destroy_response(r);
	return rc;
}

static void
on_completed(void *cls, struct MHD_Connection *conn, void **context,
	     enum MHD_RequestTerminationCode how)
{
	(void)cls, (void)conn, (void)how;
	free(*context);
	*context = NULL;
}

static char *
slurp(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = calloc(1, 65536);

	if (!f || !text || fread(text, 1, 65535, f) == 0) {
		fprintf(stderr, "limit_http: cannot read %s\n", path);
		exit(1);
	}
	fclose(f);
	return text;
}

int
main(int argc, char **argv)
{
	struct queue q = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, 0 };
	sigset_t ends;
	pthread_t thread;
	int sig;

	if (argc != 5) {
		fprintf(stderr, "usage: limit_http PORT CERT KEY THREADS\n");
		return 2;
	}
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	pthread_sigmask(SIG_BLOCK, &ends, NULL);
	char *cert = slurp(argv[2]), *key = slurp(argv[3]);
	unsigned threads = (unsigned)atoi(argv[4]);
	if (pthread_create(&thread, NULL, core, &q) != 0)
		return 1;
	struct MHD_Daemon *d = MHD_start_daemon(
		MHD_USE_TLS | MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
			MHD_USE_TURBO,
		(uint16_t)atoi(argv[1]), NULL, NULL, on_access, &q, MHD_OPTION_HTTPS_MEM_CERT, cert,
		MHD_OPTION_HTTPS_MEM_KEY, key, MHD_OPTION_HTTPS_PRIORITIES, PRIORITIES,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
		threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, threads,
		MHD_OPTION_END);
	if (!d) {
		fprintf(stderr, "limit_http: cannot listen on port %s\n", argv[1]);
		return 1;
	}
	printf("ready\n");
	fflush(stdout);
	sigwait(&ends, &sig);
	pthread_mutex_lock(&q.lock);
	q.over = 1;
	pthread_cond_signal(&q.filled);
	pthread_mutex_unlock(&q.lock);
	pthread_join(thread, NULL);
	MHD_stop_daemon(d);
	free(cert);
	free(key);
	return 0;
}
