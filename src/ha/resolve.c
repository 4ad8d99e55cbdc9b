/* SPDX-License-Identifier: Apache-2.0 */
#include "ha/resolve.h"

#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

#define EVERY_MS 10000 /* an address that moves is noticed within this */
#define AGAIN_MS 1000  /* after a failure, or when somebody doubts */

struct resolve {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	bool stop, doubt;
	char name[256];
	struct resolve_view view;
};

static void
add_address(const struct addrinfo *a, struct buf *out)
{
	char text[64];

	if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST))
		return;
	buf_addf(out, a->ai_family == AF_INET6 ? "%s[%s]" : "%s%s", out->len ? "," : "", text);
}

/* Blocks for as long as the resolver likes. */
static const char *
find(const char *name, struct buf *out)
{
	static const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *all = NULL;
	int r = getaddrinfo(name, NULL, &hints, &all);

	for (const struct addrinfo *a = r ? NULL : all; a; a = a->ai_next)
		add_address(a, out);
	if (all)
		freeaddrinfo(all);
	return r ? gai_strerror(r) : "";
}

static void
note(struct resolve *l, const struct buf *found, const char *failure)
{
	struct resolve_view *v = &l->view;

	text_fit(v->failure, sizeof(v->failure), "%s", failure);
	if (found->len == 0 || found->len >= sizeof(v->addresses))
		return;
	v->found_ms = clock_mono_ms();
	if (strcmp(v->addresses, buf_str(found)) == 0)
		return;
	memcpy(v->addresses, buf_str(found), found->len + 1);
	v->changes++;
}

static void
pause_until_next(struct resolve *l, int64_t began_ms)
{
	while (!l->stop) {
		bool soon = l->doubt || l->view.failure[0];
		int64_t due = began_ms + (soon ? AGAIN_MS : EVERY_MS);
		struct timespec at = { .tv_sec = due / 1000, .tv_nsec = due % 1000 * 1000000 };

		if (clock_mono_ms() >= due)
			return;
		pthread_cond_timedwait(&l->wake, &l->lock, &at);
	}
}

static void *
run(void *arg)
{
	struct resolve *l = arg;

	pthread_mutex_lock(&l->lock);
	while (!l->stop) {
		int64_t began = clock_mono_ms();
		auto_buf found = BUF_INIT;

		l->doubt = false;
		pthread_mutex_unlock(&l->lock);
		const char *failure = find(l->name, &found);
		pthread_mutex_lock(&l->lock);
		note(l, &found, failure);
		pause_until_next(l, began);
	}
	pthread_mutex_unlock(&l->lock);
	pthread_mutex_destroy(&l->lock);
	pthread_cond_destroy(&l->wake);
	free(l);
	return NULL;
}

struct resolve *
resolve_new(const char *name)
{
	struct resolve *l = mem_new(sizeof(*l));
	pthread_condattr_t attr;

	text_copy(l->name, sizeof(l->name), name);
	pthread_mutex_init(&l->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&l->wake, &attr);
	pthread_condattr_destroy(&attr);
	mem_check(pthread_create(&l->thread, NULL, run, l) == 0);
	return l;
}

void
resolve_look(struct resolve *l, struct resolve_view *ret)
{
	pthread_mutex_lock(&l->lock);
	*ret = l->view;
	pthread_mutex_unlock(&l->lock);
}

void
resolve_doubt(struct resolve *l)
{
	pthread_mutex_lock(&l->lock);
	l->doubt = true;
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->lock);
}

void
resolve_let_go(struct resolve *l)
{
	if (!l)
		return;
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	pthread_detach(l->thread);
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->lock);
}
