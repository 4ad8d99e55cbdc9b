/* SPDX-License-Identifier: Apache-2.0 */
#include "ha/resolve.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/worker.h"

#define EVERY_MS 10000 /* an address that moves is noticed within this */
#define AGAIN_MS 1000  /* after a failure, or when somebody doubts */

struct resolve {
	struct worker worker;
	bool doubt;
	int64_t began_ms; /* of the last look-up, 0 none yet */
	char name[256];
	struct resolve_view view;
};

static void
add_address(const struct addrinfo *a, struct buf *out)
{
	char text[64];

	if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST))
		return;
	if (out->len + strlen(text) + 4 > RESOLVE_TEXT_MAX)
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
	if (r)
		return gai_strerror(r);
	return out->len ? "" : "it has no address that can be used";
}

static void
note(struct resolve *l, const struct buf *found, const char *failure)
{
	struct resolve_view *v = &l->view;

	text_fit(v->failure, sizeof(v->failure), "%s", failure);
	if (found->len > 0)
		text_copy(v->addresses, sizeof(v->addresses), buf_str(found));
}

static int64_t
next_look(const struct resolve *l)
{
	bool soon = l->doubt || l->view.failure[0];

	return l->began_ms ? l->began_ms + (soon ? AGAIN_MS : EVERY_MS) : 0;
}

static int64_t
take_look(void *arg)
{
	struct resolve *l = arg;
	auto_buf found = BUF_INIT;

	if (clock_mono_ms() < next_look(l))
		return next_look(l);
	l->began_ms = clock_mono_ms();
	l->doubt = false;
	worker_unlock(&l->worker);
	const char *failure = find(l->name, &found);
	worker_lock(&l->worker);
	note(l, &found, failure);
	return next_look(l);
}

static void
destroy(void *arg)
{
	struct resolve *l = arg;

	worker_done(&l->worker);
	free(l);
}

struct resolve *
resolve_new(const char *name)
{
	struct resolve *l = mem_new(sizeof(*l));

	text_copy(l->name, sizeof(l->name), name);
	worker_init(&l->worker);
	worker_start(&l->worker, "resolve", take_look, NULL, l);
	return l;
}

void
resolve_look(struct resolve *l, struct resolve_view *ret)
{
	worker_lock(&l->worker);
	*ret = l->view;
	worker_unlock(&l->worker);
}

void
resolve_doubt(struct resolve *l)
{
	worker_lock(&l->worker);
	l->doubt = true;
	worker_wake(&l->worker);
	worker_unlock(&l->worker);
}

void
resolve_let_go(struct resolve *l)
{
	if (!l)
		return;
	worker_let_go(&l->worker, destroy, l);
}
