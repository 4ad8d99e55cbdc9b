/* SPDX-License-Identifier: Apache-2.0 */
#include "http/wire.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define PIECES_MAX 16

/* ---- in ---- */

static size_t
take_received(struct wire *w, void *to, size_t n)
{
	size_t there = w->in_end - w->in_at;

	if (n > there)
		n = there;
	memcpy(to, w->in + w->in_at, n);
	w->in_at += (unsigned)n;
	return n;
}

/* What is larger than the buffer goes to its place directly. */
static ssize_t
pull(gnutls_transport_ptr_t ptr, void *to, size_t n)
{
	struct wire *w = ptr;
	ssize_t k;

	if (w->in_at < w->in_end)
		return (ssize_t)take_received(w, to, n);
	if (n >= sizeof(w->in))
		return recv(w->fd, to, n, 0);
	k = recv(w->fd, w->in, sizeof(w->in), 0);
	if (k <= 0)
		return k;
	w->in_at = 0;
	w->in_end = (unsigned)k;
	return (ssize_t)take_received(w, to, n);
}

static int
pull_timeout(gnutls_transport_ptr_t ptr, unsigned ms)
{
	struct wire *w = ptr;
	struct pollfd p = { .fd = w->fd, .events = POLLIN };

	if (w->in_at < w->in_end)
		return 1;
	return poll(&p, 1, ms == GNUTLS_INDEFINITE_TIMEOUT ? -1 : (int)ms);
}

/* ---- out ---- */

static size_t
total(const giovec_t *v, int n)
{
	size_t sum = 0;

	for (int i = 0; i < n; i++)
		sum += v[i].iov_len;
	return sum;
}

static bool
keep(struct wire *w, const giovec_t *v, int n, size_t sum)
{
	if (w->hold == 0 || sum > sizeof(w->kept) - w->held)
		return false;
	w->hold--;
	for (int i = 0; i < n; i++) {
		memcpy(w->kept + w->held, v[i].iov_base, v[i].iov_len);
		w->held += (unsigned)v[i].iov_len;
	}
	return true;
}

/* Of `sent` bytes the first were those kept. What was kept and not sent goes first next time. */
static ssize_t
account(struct wire *w, size_t sent)
{
	size_t of_kept = sent < w->held ? sent : w->held;

	w->held -= (unsigned)of_kept;
	memmove(w->kept, w->kept + of_kept, w->held);
	if (sent > of_kept)
		return (ssize_t)(sent - of_kept);
	errno = EAGAIN; /* a short send: the socket is full and will say when it is not */
	return -1;
}

static ssize_t
push(gnutls_transport_ptr_t ptr, const giovec_t *v, int n)
{
	struct wire *w = ptr;
	struct iovec pieces[PIECES_MAX];
	struct msghdr m = { .msg_iov = pieces };
	size_t sum = total(v, n);
	ssize_t sent;

	if (sum == 0 || keep(w, v, n, sum))
		return (ssize_t)sum;
	w->hold = 0;
	if (w->held)
		pieces[m.msg_iovlen++] = (struct iovec){ w->kept, w->held };
	for (int i = 0; i < n && m.msg_iovlen < PIECES_MAX; i++)
		pieces[m.msg_iovlen++] = (struct iovec){ v[i].iov_base, v[i].iov_len };
	sent = sendmsg(w->fd, &m, MSG_NOSIGNAL);
	if (sent < 0 || w->held == 0)
		return sent;
	return account(w, (size_t)sent);
}

void
wire_attach(struct wire *w, gnutls_session_t session, int fd)
{
	w->fd = fd;
	gnutls_transport_set_ptr(session, w);
	gnutls_transport_set_pull_function(session, pull);
	gnutls_transport_set_pull_timeout_function(session, pull_timeout);
	gnutls_transport_set_vec_push_function(session, push);
}

void
wire_hold(struct wire *w, unsigned pushes)
{
	w->hold = pushes;
}

bool
wire_flush(struct wire *w)
{
	ssize_t sent;

	w->hold = 0;
	if (w->held == 0)
		return true;
	sent = send(w->fd, w->kept, w->held, MSG_NOSIGNAL);
	if (sent < 0)
		return false;
	(void)account(w, (size_t)sent);
	return w->held == 0;
}
