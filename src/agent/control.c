/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/control.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "agent/followed.h"
#include "agent/orderer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pidfile.h"
#include "crypto/keys.h"
#include "ha/ask.h"
#include "ha/orders.h"
#include "http/json.h"
#include "pack/authority.h"
#include "pack/backup.h"
#include "pack/setup.h"

#define REQUEST_WAIT_MS 5000
#define AT_ONCE_MAX 16
#define DEPTH_MAX 32 /* processes above a caller that are looked at */
#define LOOK_MS 200  /* whether who waits is still there */

/* What only one command at a time may do: copy the database or change what is copied; change what the operator ordered. */
enum turn { TURN_COPY, TURN_ORDER, TURNS };

/* Whose turn it is. */
struct holder {
	const char *verb; /* of verbs[], NULL: nobody's */
	int64_t since_ms;
};

struct control {
	const struct home *h;
	const struct settings *s;
	struct keys *keys;
	control_order_fn *order;
	control_prove_fn *prove;
	void *ctx;
	atomic_int new_keys_fd; /* -1: none */
	atomic_bool keys_lost;
	int listen_fd, stop_fds[2];
	pthread_t thread;
	int turn_ms;
	atomic_int at_once;
	pthread_mutex_t lock;
	pthread_cond_t turn_is_free;
	struct holder holders[TURNS];
};

/* ---- server ---- */

struct request {
	const char *verb, *primary, *secondary, *node;
	int64_t https_port, pair_port;
	const char *file;
	bool force;
	/* Of renew: "web", "channel", "authority"; the agent's own: "first authority" where the log has none, "follow": make of the home
	 * what the log says; answers as agent/followed.h says. */
	const char *what;
	const char *also;   /* further names of the web's, with commas */
	const char *domain; /* what the authority is for, with commas */
	/* Of ordered: what is ordered, and by whom. */
	const char *order, *user, *password, *code;
};

static const struct jfield request_fields[] = {
	{ "verb", JTEXT, JREQUIRED, offsetof(struct request, verb), 16 },
	{ "primary", JTEXT, 0, offsetof(struct request, primary), 255 },
	{ "secondary", JTEXT, 0, offsetof(struct request, secondary), 255 },
	{ "node", JTEXT, 0, offsetof(struct request, node), 255 },
	{ "https_port", JINT, 0, offsetof(struct request, https_port), 65535 },
	{ "pair_port", JINT, 0, offsetof(struct request, pair_port), 65535 },
	{ "file", JTEXT, 0, offsetof(struct request, file), HOME_PATH_MAX },
	{ "force", JBOOL, 0, offsetof(struct request, force), 0 },
	{ "what", JTEXT, 0, offsetof(struct request, what), 16 },
	{ "also", JTEXT, 0, offsetof(struct request, also), 1024 },
	{ "domain", JTEXT, 0, offsetof(struct request, domain), 1024 },
	{ "order", JTEXT, 0, offsetof(struct request, order), 16 },
	{ "user", JTEXT, 0, offsetof(struct request, user), UUID_STR_LEN },
	{ "password", JTEXT, 0, offsetof(struct request, password), ORDERER_PASSWORD_MAX },
	{ "code", JTEXT, 0, offsetof(struct request, code), 16 },
	{ 0 },
};

static void
tell_progress(void *ctx, const char *text, int percent)
{
	auto_buf line = BUF_INIT;
	struct json_out w;

	json_out_init(&w, &line);
	json_out_object(&w, NULL);
	json_out_text(&w, "progress", text);
	if (percent >= 0)
		json_out_int(&w, "percent", percent);
	json_out_end_object(&w);
	ask_send_line(*(int *)ctx, &line);
}

static void
tell_end(int fd, int rc, const struct buf *path, const struct err *e)
{
	auto_buf line = BUF_INIT;
	struct json_out w;

	json_out_init(&w, &line);
	json_out_object(&w, NULL);
	if (rc == 0) {
		json_out_text(&w, "path", buf_str(path));
	} else {
		json_out_object(&w, "error");
		json_out_text(&w, "code", err_info(rc)->name);
		json_out_text(&w, "message", e->text);
		json_out_end_object(&w);
	}
	json_out_end_object(&w);
	ask_send_line(fd, &line);
}

/* ---- turns ---- */

/* What is checked before a command waits for its turn. */
typedef int check_fn(const struct request *rq, struct err *e);

/* What it does while it has the turn to copy; tells its progress to fd. */
typedef int run_fn(struct control *c, int fd, const struct request *rq, struct buf *ret_path,
		   struct err *e);

struct verb {
	const char *name, *said; /* how a person calls it */
	bool needs[TURNS];	 /* before it is carried out */
	check_fn *check;	 /* NULL: nothing */
	run_fn *run;		 /* NULL: the agent carries it out */
};

static bool
has_hung_up(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

static void
tell_turn(int fd, const struct holder *h, int64_t until_ms)
{
	char text[200];
	int64_t now = clock_mono_ms();

	snprintf(text, sizeof(text),
		 "waiting for %lld s at most: `%s` is running on this node (for %lld s so far)",
		 (long long)(until_ms - now + 500) / 1000, h->verb,
		 (long long)(now - h->since_ms) / 1000);
	tell_progress(&fd, text, -1);
}

/* Called with the lock. */
static int
wait_for_turn(struct control *c, enum turn t, int fd, int64_t until, struct err *e)
{
	struct holder *h = &c->holders[t];
	const char *told = NULL;

	while (h->verb) {
		struct timespec look;

		if (told != h->verb)
			tell_turn(fd, h, until);
		told = h->verb;
		clock_gettime(CLOCK_MONOTONIC, &look);
		look.tv_nsec += LOOK_MS * 1000000L;
		look.tv_sec += look.tv_nsec / 1000000000L;
		look.tv_nsec %= 1000000000L;
		pthread_cond_clockwait(&c->turn_is_free, &c->lock, CLOCK_MONOTONIC, &look);
		if (has_hung_up(fd))
			return err_set(e, ERR_REFUSED,
				       "the command that asked for it was interrupted");
		if (h->verb && clock_mono_ms() >= until)
			return err_set(e, ERR_REFUSED,
				       "`%s` is still running on this node, since %lld s; nothing "
				       "was done. Repeat this once that has ended, or interrupt "
				       "that (Ctrl-C where it was begun)",
				       h->verb, (long long)(clock_mono_ms() - h->since_ms) / 1000);
	}
	return 0;
}

static void
give_turns(struct control *c, const struct verb *v, int upto)
{
	for (int t = 0; t < upto; t++)
		if (v->needs[t])
			c->holders[t] = (struct holder){ 0 };
	pthread_cond_broadcast(&c->turn_is_free);
}

/* All that it needs, in one order for all. */
static int
take_turns(struct control *c, const struct verb *v, int fd, struct err *e)
{
	int64_t until = clock_mono_ms() + c->turn_ms;
	int t, rc = 0;

	pthread_mutex_lock(&c->lock);
	for (t = 0; t < TURNS; t++) {
		if (!v->needs[t])
			continue;
		rc = wait_for_turn(c, (enum turn)t, fd, until, e);
		if (rc)
			break;
		c->holders[t] = (struct holder){ v->said, clock_mono_ms() };
	}
	if (rc)
		give_turns(c, v, t);
	pthread_mutex_unlock(&c->lock);
	return rc;
}

/* ---- one command ---- */

static int
check_backup(const struct request *rq, struct err *e)
{
	return rq->file ? 0 : err_set(e, ERR_USAGE, "backup: the file is missing");
}

static int
run_backup(struct control *c, int fd, const struct request *rq, struct buf *ret_path, struct err *e)
{
	struct backup_request b = { .path = rq->file, .force = rq->force, .client_fd = fd };

	return backup_run(c->h, c->s, c->keys, &b, tell_progress, &fd, ret_path, e);
}

static int
run_follow(struct control *c, struct buf *ret_text, struct err *e)
{
	struct authority_followed f;
	int rc = authority_follow(c->h, c->keys, &f, e);

	if (rc == 0)
		followed_write(&f, ret_text);
	return rc;
}

static int
run_renew(struct control *c, int fd, const struct request *rq, struct buf *ret_path, struct err *e)
{
	if (strcmp(rq->what, "follow") == 0)
		return run_follow(c, ret_path, e);
	if (strcmp(rq->what, "first authority") == 0)
		return authority_found(c->h, c->keys, e);
	if (strcmp(rq->what, "authority") == 0)
		return authority_succeed(c->h, c->keys, rq->domain, e);
	return authority_renew(c->h, c->keys,
			       strcmp(rq->what, "web") == 0 ? AUTHORITY_WEB : AUTHORITY_CHANNEL,
			       rq->also, e);
}

static int
check_renew(const struct request *rq, struct err *e)
{
	static const char *const all[] = { "web", "channel", "authority", "first authority",
					   "follow" };

	for (size_t i = 0; rq->what && i < ARRAY_LEN(all); i++)
		if (strcmp(rq->what, all[i]) == 0)
			return 0;
	return err_set(e, ERR_USAGE, "renew: it is not said which certificate");
}

static int
check_setup(const struct request *rq, struct err *e)
{
	return rq->primary && rq->secondary
		       ? 0
		       : err_set(e, ERR_USAGE, "setup: primary and secondary are missing");
}

static int
run_setup(struct control *c, int fd, const struct request *rq, struct buf *ret_path, struct err *e)
{
	struct setup_request setup = { .https_port = (int)rq->https_port,
				       .pair_port = (int)rq->pair_port,
				       .client_fd = fd };

	snprintf(setup.primary, sizeof(setup.primary), "%s", rq->primary);
	snprintf(setup.secondary, sizeof(setup.secondary), "%s", rq->secondary);
	return setup_run(c->h, c->s, c->keys, &setup, tell_progress, &fd, ret_path, e);
}

/* What is not here needs no turn: the agent answers it at once. */
static const struct verb verbs[] = {
	{ "backup", "holdfast backup", { [TURN_COPY] = true }, check_backup, run_backup },
	{ "renew", "holdfast cert renew", { [TURN_COPY] = true }, check_renew, run_renew },
	{ "setup", "holdfast ha setup", { [TURN_COPY] = true }, check_setup, run_setup },
	{ "switchover", "holdfast ha switchover", { [TURN_COPY] = true }, NULL, NULL },
	{ "rejoin", "holdfast ha rejoin", { [TURN_COPY] = true }, NULL, NULL },
	{ "remove", "holdfast ha remove", { [TURN_COPY] = true, [TURN_ORDER] = true }, NULL, NULL },
	{ "emergency", "holdfast ha emergency", { [TURN_ORDER] = true }, NULL, NULL },
	{ "maintenance", "holdfast ha maintenance", { [TURN_ORDER] = true }, NULL, NULL },
};

static const struct verb *
find_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

/* What is not the agent's own needs keyd. */
static int
run_with_keys(struct control *c, const struct verb *v, int fd, const struct request *rq,
	      struct buf *ret_path, struct err *e)
{
	int keys_fd = atomic_exchange(&c->new_keys_fd, -1);

	if (keys_fd >= 0)
		keys_attach(c->keys, keys_fd);
	int rc = v->run(c, fd, rq, ret_path, e);
	if (!keys_available(c->keys))
		atomic_store(&c->keys_lost, true);
	return rc;
}

/* What somebody ordered in the console becomes the operator's command, once they are proven. Nobody who passes it on is believed. */
static int
take_ordered(struct control *c, struct request *rq, struct err *e)
{
	struct orderer_claim claim = {
		.order = rq->order, .node = rq->node, .password = rq->password, .code = rq->code
	};
	const char *with = "";
	int rc;

	if (!c->prove || !rq->order || !rq->user || !rq->password ||
	    uuid_parse(rq->user, &claim.user))
		return err_set(e, ERR_USAGE, "ordered: order, user or password is missing");
	rc = orderer_find(rq->order, &rq->verb, &with, e);
	if (rc == 0)
		rc = c->prove(c->ctx, &claim, e);
	if (rc == 0 && with[0])
		rq->node = with;
	return rc;
}

/* ---- callers ---- */

struct caller {
	struct control *c;
	int fd;
};

/* 0: it is gone, or was never there. */
static pid_t
parent_of(pid_t p)
{
	char path[64], line[256];
	int parent = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)p);
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "PPid: %d", &parent) == 1)
			break;
	}
	if (f)
		fclose(f);
	return (pid_t)parent;
}

/* Whether another process of this node calls, or one that it began: what the supervisor started, but this one. The operator's are none of them. */
static bool
is_of_this_node(int fd)
{
	struct ucred who = { 0 };
	socklen_t n = sizeof(who);
	pid_t top = getppid();

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) < 0)
		return true;
	if (who.pid == getpid())
		return false;
	pid_t p = who.pid;
	for (int depth = 0; p > 1 && p != top && depth < DEPTH_MAX; depth++)
		p = parent_of(p);
	return p == top && who.pid != top;
}

/* vaultd, which parses the network, asks what may be ordered and passes on what was; an operator's commands are not its to give. */
static int
check_caller(int fd, const char *verb, struct err *e)
{
	if (strcmp(verb, "ordered") == 0 || strcmp(verb, "orders") == 0 || !is_of_this_node(fd))
		return 0;
	return err_set(e, ERR_FORBIDDEN,
		       "no process of the node itself gives an operator's "
		       "commands");
}

static int
carry_out(struct control *c, int fd, const struct buf *line, struct buf *ret_path, struct err *e)
{
	struct request rq = { 0 };
	auto_arena a = arena_new();
	uint64_t seen;

	int rc = json_parse_body(buf_str(line), line->len, request_fields, &rq, &seen, a, e);
	if (rc == 0)
		rc = check_caller(fd, rq.verb, e);
	if (rc == 0 && strcmp(rq.verb, "ordered") == 0)
		rc = take_ordered(c, &rq, e);
	const struct verb *v = rc == 0 ? find_verb(rq.verb) : NULL;
	if (v && v->check)
		rc = v->check(&rq, e);
	if (v && rc == 0)
		rc = take_turns(c, v, fd, e);
	if (rc < 0)
		return rc;
	rc = v && v->run ? run_with_keys(c, v, fd, &rq, ret_path, e)
			 : c->order(c->ctx, rq.verb, rq.node ? rq.node : "", ret_path, e);
	if (v) {
		pthread_mutex_lock(&c->lock);
		give_turns(c, v, TURNS);
		pthread_mutex_unlock(&c->lock);
	}
	return rc;
}

static void *
serve_one(void *arg)
{
	struct caller *from = arg;
	struct control *c = from->c;
	int fd = from->fd;
	auto_buf line = BUF_INIT, path = BUF_INIT;
	struct err e = { 0 };

	free(from);
	if (ask_read_line(fd, REQUEST_WAIT_MS, &line) == 0) {
		int rc = carry_out(c, fd, &line, &path, &e);
		if (rc < 0)
			log_err(LOG_LEVEL_WARNING, &e, "a command of the operator failed");
		tell_end(fd, rc, &path, &e);
	}
	close(fd);
	atomic_fetch_sub(&c->at_once, 1);
	return NULL;
}

static void
refuse_one(int fd)
{
	struct err e = { 0 };
	static const struct buf none;
	int rc = err_set(&e, ERR_REFUSED,
			 "%d commands are being carried out on this node at once; nothing was "
			 "done. Repeat this when some of them have ended",
			 AT_ONCE_MAX);

	tell_end(fd, rc, &none, &e);
	close(fd);
}

static void
begin_one(struct control *c, int fd)
{
	struct caller *from = mem_raw(sizeof(*from));
	pthread_t t;

	if (atomic_fetch_add(&c->at_once, 1) >= AT_ONCE_MAX) {
		atomic_fetch_sub(&c->at_once, 1);
		free(from);
		refuse_one(fd);
		return;
	}
	*from = (struct caller){ c, fd };
	mem_check(pthread_create(&t, NULL, serve_one, from) == 0);
	pthread_detach(t);
}

static void *
run_thread(void *arg)
{
	struct control *c = arg;

	for (;;) {
		struct pollfd p[2] = { { .fd = c->listen_fd, .events = POLLIN },
				       { .fd = c->stop_fds[0], .events = POLLIN } };
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return NULL;
		if (p[1].revents)
			return NULL;
		if (!(p[0].revents & POLLIN))
			continue;
		int fd = accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			begin_one(c, fd);
	}
}

int
control_new(const struct control_options *o, struct control **ret, struct err *e)
{
	struct sockaddr_un a;
	int rc = ask_address(o->home, &a, e);
	if (rc < 0)
		return rc;
	struct control *c = mem_new(sizeof(*c));
	c->h = o->home;
	c->s = o->settings;
	c->order = o->order;
	c->prove = o->prove;
	c->ctx = o->ctx;
	c->turn_ms = o->turn_ms ? o->turn_ms : CONTROL_TURN_MS;
	atomic_init(&c->new_keys_fd, -1);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->turn_is_free, NULL);
	c->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unlink(a.sun_path);
	if (c->listen_fd < 0 || pipe(c->stop_fds) < 0 ||
	    bind(c->listen_fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    chmod(a.sun_path, 0600) < 0 || listen(c->listen_fd, 4) < 0) {
		rc = err_errno(e, ERR_IO, "cannot listen on %s", a.sun_path);
		free(c);
		return rc;
	}
	c->keys = keys_new(NULL, o->keys_fd);
	setup_clear(o->home);
	mem_check(pthread_create(&c->thread, NULL, run_thread, c) == 0);
	*ret = c;
	return 0;
}

void
control_attach(struct control *c, int keys_fd)
{
	int old = atomic_exchange(&c->new_keys_fd, keys_fd);
	if (old >= 0)
		close(old);
}

bool
control_lost_keys(struct control *c)
{
	return atomic_exchange(&c->keys_lost, false);
}

void
control_free(struct control *c)
{
	if (!c)
		return;
	/* A command in flight may take minutes; it dies with the process, and its half pack is
	 * never in place. */
	if (write(c->stop_fds[1], "x", 1) < 0)
		log_debug("cannot wake the control thread");
	pthread_detach(c->thread);
}

/* ---- client ---- */

int
control_ask(const struct home *h, const char *request, control_progress_fn *progress, void *ctx,
	    struct buf *ret_path, struct err *e)
{
	const struct ask a = { .home = h,
			       .request = request,
			       .comes_ms = CONTROL_COMES_MS,
			       .answers_ms = -1,
			       .progress = progress,
			       .ctx = ctx };

	return ask_agent(&a, ret_path, e);
}
