/* SPDX-License-Identifier: Apache-2.0 */
#include "http/farewell.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/mem.h"

#define PIECE (1 << 20)

struct farewell {
	pthread_t thread;
	int wake;
	pthread_mutex_t lock; /* what follows */
	bool stopping;
	unsigned n;
	struct {
		int fd;
		int64_t until_ms;
	} rows[FAREWELL_MAX];
};

static void
wake(struct farewell *l)
{
	uint64_t one = 1;

	if (write(l->wake, &one, sizeof(one)) < 0 && errno != EAGAIN)
		abort();
}

void
farewell_add(struct farewell *l, int fd)
{
	pthread_mutex_lock(&l->lock);
	if (!l->stopping && l->n < FAREWELL_MAX) {
		int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

		if (copy >= 0) {
			shutdown(copy, SHUT_WR);
			l->rows[l->n].fd = copy;
			l->rows[l->n++].until_ms = clock_mono_ms() + FAREWELL_MS;
			wake(l);
		}
	}
	pthread_mutex_unlock(&l->lock);
}

/* False when the other end is done. */
static bool
throw_away(int fd)
{
	ssize_t n = recv(fd, NULL, PIECE, MSG_DONTWAIT | MSG_TRUNC);

	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static void
drop_row(struct farewell *l, unsigned i)
{
	close(l->rows[i].fd);
	l->rows[i] = l->rows[--l->n];
}

static void
look_at_all(struct farewell *l)
{
	int64_t now = clock_mono_ms();

	for (unsigned i = l->n; i-- > 0;)
		if (l->stopping || now >= l->rows[i].until_ms || !throw_away(l->rows[i].fd))
			drop_row(l, i);
}

/* How long there is nothing to do; -1: until woken. */
static int
fill_polls(struct farewell *l, struct pollfd polls[static FAREWELL_MAX + 1])
{
	int64_t until = INT64_MAX, now = clock_mono_ms();

	polls[0] = (struct pollfd){ l->wake, POLLIN, 0 };
	for (unsigned i = 0; i < l->n; i++) {
		polls[i + 1] = (struct pollfd){ l->rows[i].fd, POLLIN, 0 };
		if (l->rows[i].until_ms < until)
			until = l->rows[i].until_ms;
	}
	if (l->n == 0)
		return -1;
	return until > now ? (int)(until - now) : 0;
}

static void *
run(void *arg)
{
	struct farewell *l = arg;
	struct pollfd polls[FAREWELL_MAX + 1];

	pthread_setname_np(pthread_self(), "http-farewell");
	pthread_mutex_lock(&l->lock);
	while (!l->stopping) {
		int ms = fill_polls(l, polls);
		nfds_t n = l->n + 1;
		uint64_t count;

		pthread_mutex_unlock(&l->lock);
		poll(polls, n, ms);
		while (read(l->wake, &count, sizeof(count)) > 0)
			;
		pthread_mutex_lock(&l->lock);
		look_at_all(l);
	}
	look_at_all(l);
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

struct farewell *
farewell_new(void)
{
	struct farewell *l = mem_new(sizeof(*l));

	l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&l->lock, NULL);
	if (l->wake >= 0 && pthread_create(&l->thread, NULL, run, l) == 0)
		return l;
	if (l->wake >= 0)
		close(l->wake);
	pthread_mutex_destroy(&l->lock);
	free(l);
	return NULL;
}

void
farewell_free(struct farewell *l)
{
	if (!l)
		return;
	pthread_mutex_lock(&l->lock);
	l->stopping = true;
	wake(l);
	pthread_mutex_unlock(&l->lock);
	pthread_join(l->thread, NULL);
	close(l->wake);
	pthread_mutex_destroy(&l->lock);
	free(l);
}
