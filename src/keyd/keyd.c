/* SPDX-License-Identifier: Apache-2.0
 *
 * The key process. It reads the master key file once, derives what it needs, shuts every door it
 * can (no core file, no tracer, no new privileges, a short list of system calls) and then only
 * answers frames of crypto/keyproto.h on sockets that the supervisor passes to it. It keeps the end
 * mark, and alone writes it (keyd/markfile.h).
 *
 * Invariants: 1. Nothing a client sends ends keyd: a bad client loses its connection. 2. No client
 * makes keyd wait: every socket call is non-blocking, who does not read its answers is not read
 * from, and a thread waits for the disk. 3. When the supervisor is gone keyd ends.
 */
#include "keyd/keyd.h"

#include <errno.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/passfd.h"
#include "base/secret.h"
#include "crypto/keyproto.h"
#include "crypto/keyring.h"
#include "keyd/markfile.h"

#define CLIENTS_MAX 16
#define READ_BYTES 65536
#define TURN_BYTES (1u << 20) /* read from one client before the others have their turn */
#define OUT_FULL (4u << 20)   /* unread answers that stop the reading of requests */
#define LOCK_ALL_BYTES (256u << 20)

#if defined(__SANITIZE_ADDRESS__)
#define HAS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif

struct client {
	int fd; /* -1: free place */
	char role;
	struct buf in, out;
};

struct keyd {
	struct keyring *ring;
	struct markfile *marks;
	int signals; /* signalfd */
	struct rlimit lockable;
	bool all_locked;
	bool stop;
	struct client clients[CLIENTS_MAX];
};

/* ---- shutting the doors ---- */

static int
lock_process(struct err *e)
{
	const struct rlimit none = { 0, 0 };
	if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return err_errno(e, ERR_INTERNAL, "cannot lock the key process down");
	return 0;
}

/* With a small limit, locking what comes later would turn a large request into an out-of-memory
 * abort; then only what is there now is locked, and the keys, which lock themselves. */
static void
lock_memory(struct keyd *d)
{
	int what = MCL_CURRENT;
	if (getrlimit(RLIMIT_MEMLOCK, &d->lockable) == 0) {
		d->lockable.rlim_cur = d->lockable.rlim_max;
		(void)setrlimit(RLIMIT_MEMLOCK, &d->lockable);
		if (d->lockable.rlim_cur >= LOCK_ALL_BYTES)
			what |= MCL_FUTURE;
	}
	d->all_locked = mlockall(what) == 0;
	if (!d->all_locked || !(what & MCL_FUTURE))
		log_notice("the limit of locked memory is below %u MiB: keys are locked, passing "
			   "requests may be swapped; raise LimitMEMLOCK",
			   LOCK_ALL_BYTES >> 20);
}

/* Once the keys are there. */
static int
check_locked(const struct keyd *d, const struct proc_args *a, struct err *e)
{
	if (d->all_locked || !secret_unlocked())
		return 0;
	if (a->settings.lock_keys)
		return err_set(
			e, ERR_PRECONDITION,
			"the keys cannot be locked in memory and could reach the swap: the "
			"limit is %llu KiB. Raise it to %u MiB (LimitMEMLOCK, ulimit -l), or "
			"set lock_keys = false where there is no swap or it is encrypted",
			(unsigned long long)d->lockable.rlim_max >> 10, LOCK_ALL_BYTES >> 20);
	log_warning("the keys are not locked in memory (lock_keys = false): they may reach the "
		    "swap");
	return 0;
}

/* Nothing inherited stays open but 0–2 and the control socket. */
static int
close_others(struct err *e)
{
	if (close_range(PROC_FD_KEYS + 1, ~0u, 0) < 0)
		return err_errno(e, ERR_INTERNAL, "cannot close inherited descriptors");
	return 0;
}

static int
open_signals(struct keyd *d, struct err *e)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN); /* of the terminal: the supervisor decides */
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_errno(e, ERR_INTERNAL, "cannot block signals");
	d->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (d->signals < 0)
		return err_errno(e, ERR_INTERNAL, "cannot watch for signals");
	return 0;
}

#ifdef HAS_SANITIZER
static int
filter_calls(struct err *e)
{
	log_warning("built with a sanitizer: the system calls of the key process are not filtered");
	return 0;
}
#else
/* What answering and writing the end mark need, and what malloc, libsodium's guarded memory and the
 * log need. */
static const int calls[] = {
	SCMP_SYS(read),		  SCMP_SYS(write),	   SCMP_SYS(writev),
	SCMP_SYS(recvmsg),	  SCMP_SYS(sendmsg),	   SCMP_SYS(recvfrom),
	SCMP_SYS(sendto),	  SCMP_SYS(poll),	   SCMP_SYS(ppoll),
	SCMP_SYS(close),	  SCMP_SYS(exit_group),	   SCMP_SYS(exit),
	SCMP_SYS(futex),	  SCMP_SYS(getrandom),	   SCMP_SYS(munmap),
	SCMP_SYS(mremap),	  SCMP_SYS(madvise),	   SCMP_SYS(brk),
	SCMP_SYS(mlock),	  SCMP_SYS(munlock),	   SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(clock_gettime), SCMP_SYS(restart_syscall),
	SCMP_SYS(pwrite64),	  SCMP_SYS(fdatasync),
#ifdef HF_FAULTS
	SCMP_SYS(getpid), /* whoever meets a fault leaves its number */
#endif
};

/* Memory may be had and protected, but never made executable. */
static const int memory_calls[] = { SCMP_SYS(mmap), SCMP_SYS(mprotect) };

static int
add_rules(scmp_filter_ctx f)
{
	int r = 0;
	for (size_t i = 0; !r && i < ARRAY_LEN(calls); i++)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, calls[i], 0);
	for (size_t i = 0; !r && i < ARRAY_LEN(memory_calls); i++)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, memory_calls[i], 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	return r;
}

static int
filter_calls(struct err *e)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r = f ? add_rules(f) : -ENOMEM;
	if (!r)
		r = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1); /* the other thread too */
	if (!r)
		r = seccomp_load(f);
	seccomp_release(f);
	if (!r)
		return 0;
	errno = -r;
	return err_errno(e, ERR_INTERNAL,
			 "cannot filter the system calls of the key process (does this kernel have "
			 "seccomp?)");
}
#endif

/* ---- clients ---- */

static void
drop_client(struct client *c)
{
	close(c->fd);
	buf_done(&c->in);
	buf_done(&c->out);
	c->fd = -1;
}

static bool
is_role(char c)
{
	return c == KEYPROTO_VAULTD || c == KEYPROTO_AGENT || c == KEYPROTO_INIT;
}

static void
add_client(struct keyd *d, char role, int fd)
{
	if (is_role(role)) {
		for (size_t i = 0; i < CLIENTS_MAX; i++) {
			struct client *c = &d->clients[i];
			if (c->fd >= 0)
				continue;
			*c = (struct client){ .fd = fd, .role = role };
			return;
		}
	}
	log_error("a connection was refused: role %d, or %d of them are open", role, CLIENTS_MAX);
	close(fd);
}

/* One byte of role with one descriptor; the end of the control socket is keyd's end. */
static void
on_control(struct keyd *d)
{
	for (;;) {
		char role = 0;
		int fd;
		enum passfd_got got = passfd_receive(PROC_FD_KEYS, &role, &fd);

		if (got == PASSFD_NOTHING)
			return;
		if (got != PASSFD_BYTE) {
			d->stop = true;
			return;
		}
		if (fd >= 0)
			add_client(d, role, fd);
	}
}

/* Length of the frame at `at` without its length field; 0: not whole yet; -1: it can be none. */
static int64_t
frame_at(const struct buf *in, size_t at)
{
	struct cursor c = { .p = (const uint8_t *)in->data + at, .left = in->len - at };
	uint32_t n = cursor_be32(&c);
	if (c.bad)
		return 0;
	if (!n || n > KEYPROTO_MAX)
		return -1;
	return n <= c.left ? (int64_t)n : 0;
}

/* What lies between the two marks is lost from the log for good; vaultd alone can say so, and not
 * unseen. */
static void
say_lost(const struct endmark *lost, const struct endmark *m)
{
	log_warning("the end of this node's log is given up: event %lld was remembered, and it "
		    "goes on at event %lld",
		    (long long)lost->seq, (long long)m->seq);
}

static void
pass_mark(struct keyd *d)
{
	struct endmark m, lost;

	if (!keyring_take_mark(d->ring, &m, &lost))
		return;
	if (lost.seq)
		say_lost(&lost, &m);
	markfile_put(d->marks, &m);
}

static bool
serve_frames(struct keyd *d, struct client *c)
{
	struct err e = { 0 };
	size_t at = 0;
	int64_t n = 0;
	while (c->in.len && c->out.len < OUT_FULL && (n = frame_at(&c->in, at)) > 0) {
		if (keyring_serve(d->ring, c->role, (const uint8_t *)c->in.data + at + 4, (size_t)n,
				  &c->out, &e)) {
			log_err(LOG_LEVEL_ERROR, &e, "client of role %c", c->role);
			return false;
		}
		pass_mark(d);
		at += 4 + (size_t)n;
	}
	if (at)
		buf_consume(&c->in, at);
	if (n < 0)
		log_error("client of role %c: a frame of impossible length", c->role);
	return n >= 0;
}

/* Reads what is there, TURN_BYTES at most. false: the client is gone. */
static bool
read_client(struct client *c)
{
	for (size_t got = 0; got < TURN_BYTES;) {
		buf_reserve(&c->in, READ_BYTES);
		ssize_t n = recv(c->fd, c->in.data + c->in.len, READ_BYTES, MSG_DONTWAIT);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		if (!n)
			return false;
		c->in.len += (size_t)n;
		got += (size_t)n;
		if ((size_t)n < READ_BYTES)
			return true;
	}
	return true;
}

static bool
write_client(struct client *c)
{
	if (!c->out.len)
		return true;
	ssize_t n = send(c->fd, c->out.data, c->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	buf_consume(&c->out, (size_t)n);
	return true;
}

/* All answers of one turn are one write. */
static void
on_client(struct keyd *d, struct client *c, short events)
{
	bool open = true;
	if (events & POLLOUT)
		open = write_client(c);
	if (open && events & (POLLIN | POLLHUP | POLLERR))
		open = read_client(c);
	/* What came before a close is answered still: the peer may have shut one way only. */
	if (serve_frames(d, c) && write_client(c) && open)
		return;
	drop_client(c);
}

/* ---- the loop ---- */

static short
wanted(const struct client *c)
{
	short events = 0;
	if (c->out.len < OUT_FULL)
		events |= POLLIN;
	if (c->out.len)
		events |= POLLOUT;
	return events;
}

static void
on_signal(struct keyd *d)
{
	struct signalfd_siginfo info;
	if (read(d->signals, &info, sizeof(info)) == sizeof(info))
		d->stop = true;
}

static void
turn(struct keyd *d)
{
	struct pollfd p[2 + CLIENTS_MAX] = {
		{ .fd = d->signals, .events = POLLIN },
		{ .fd = PROC_FD_KEYS, .events = POLLIN },
	};
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		const struct client *c = &d->clients[i];
		p[2 + i] = (struct pollfd){ .fd = c->fd, .events = wanted(c) };
	}
	if (poll(p, ARRAY_LEN(p), -1) < 0)
		return; /* a signal */
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		if (p[2 + i].revents)
			on_client(d, &d->clients[i], p[2 + i].revents);
	}
	if (p[0].revents)
		on_signal(d);
	if (p[1].revents)
		on_control(d);
}

static void
finish(struct keyd *d)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		if (d->clients[i].fd >= 0)
			drop_client(&d->clients[i]);
	}
	markfile_close(d->marks);
	keyring_free(d->ring);
	d->ring = NULL;
}

/* ---- the start ---- */

static int
read_ring(struct keyd *d, const struct proc_args *a, struct err *e)
{
	char path[HOME_PATH_MAX];
	memcpy(path, a->key_file, sizeof(path));
	if (!path[0]) {
		int r = home_key_path(&a->home, path, e);
		if (r)
			return r;
	}
	d->ring = keyring_open(path, e);
	return d->ring ? 0 : e->code;
}

/* A home that is being made has none yet. */
static void
read_node(struct keyd *d, const struct proc_args *a)
{
	struct home_node node;
	struct err ignored;

	if (home_node_read(&a->home, &node, &ignored) == 0)
		keyring_set_node(d->ring, &node.id);
}

static int
open_mark(struct keyd *d, const struct proc_args *a, struct err *e)
{
	struct endmark m;
	int r = markfile_open(&a->home, &d->marks, &m, e);

	if (!r)
		keyring_set_mark(d->ring, &m);
	return r;
}

static int
start(struct keyd *d, const struct proc_args *a, struct err *e)
{
	char iso[CLOCK_ISO_LEN];
	int r = lock_process(e);
	if (r)
		return r;
	lock_memory(d);
	r = close_others(e);
	if (!r)
		r = open_signals(d, e);
	if (!r)
		r = read_ring(d, a, e);
	if (!r)
		r = check_locked(d, a, e);
	if (!r)
		read_node(d, a);
	if (!r)
		r = open_mark(d, a, e);
	/* The C library opens the time zone's file at its first look at a date: before the filter.
	 */
	clock_iso(clock_now_us(), iso);
	if (!r)
		r = filter_calls(e);
	return r;
}

int
keyd_main(const struct proc_args *a)
{
	struct keyd d = { .signals = -1 };
	struct err e = { 0 };
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		d.clients[i].fd = -1;
	if (sodium_init() < 0)
		return EXIT_FAILURE;
	if (start(&d, a, &e)) {
		fprintf(stderr, "holdfast: %s.\n", e.text);
		finish(&d);
		return e.code == ERR_INTERNAL ? EXIT_FAILURE : PROC_EXIT_CONFIG;
	}
	log_info("the keys are loaded; the master key file is not needed until the next start");
	if (send(PROC_FD_KEYS, "K", 1, MSG_NOSIGNAL) != 1)
		d.stop = true;
	while (!d.stop)
		turn(&d);
	finish(&d);
	return 0;
}
