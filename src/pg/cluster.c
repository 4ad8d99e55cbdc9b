/* SPDX-License-Identifier: Apache-2.0 */
#include "pg/cluster.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/attr.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "pg/program.h"
#include "pg/quote.h"

#define START_MS 120000
#define TRIAL_MS 1800000 /* what the primary wrote during the copy is replayed meanwhile */
#define TRIAL_PORT 1	 /* names a socket that no service has */
#define SETTINGS_MAX 8
#define STOP_MS 60000
#define START_LOG "postgres-start.log"
#define PID_LINES 8 /* of postmaster.pid; the last is the state */

int
cluster_socket_check(const struct home *h, const struct settings *s, struct err *e)
{
	char run[HOME_PATH_MAX];
	struct sockaddr_un sun;
	home_path(h, HOME_RUN, run);
	int n = snprintf(NULL, 0, "%s/.s.PGSQL.%d", run, cluster_port(s));
	if (n >= 0 && (size_t)n < sizeof(sun.sun_path))
		return 0;
	return err_set(
		e, ERR_PRECONDITION,
		"the path of the home folder is too long: PostgreSQL's socket in %s would have a "
		"path of %d bytes and the system allows %zu; choose a home whose path is at "
		"least %d bytes shorter",
		run, n, sizeof(sun.sun_path) - 1, n - (int)sizeof(sun.sun_path) + 1);
}

int
cluster_major(const struct home *h, int *ret_major, struct err *e)
{
	char pg[HOME_PATH_MAX], path[HOME_PATH_MAX + 16];
	auto_buf text = BUF_INIT;
	struct stat st;
	home_path(h, HOME_PG, pg);
	snprintf(path, sizeof(path), "%s/PG_VERSION", pg);
	if (stat(path, &st) < 0 && (errno == ENOENT || errno == ENOTDIR)) {
		*ret_major = 0;
		return 0;
	}
	int r = home_read_file(path, 64, &text, e);
	if (r)
		return r;
	char *end = NULL;
	long major = strtol(buf_str(&text), &end, 10);
	if (end == buf_str(&text) || (*end && *end != '\n') || major < 1 || major > 999)
		return err_set(e, ERR_IO, "%s is damaged: it holds no version number", path);
	*ret_major = (int)major;
	return 0;
}

bool
cluster_is_standby(const struct home *h)
{
	return home_has(h, HOME_PG_STANDBY);
}

/* The port that the cluster is configured for: what runs counts, not what the settings say by now.
 */
static int
configured_port(const struct home *h)
{
	char path[HOME_PATH_MAX], pg[HOME_PATH_MAX];
	auto_buf text = BUF_INIT;
	struct err e;
	int port = 0;
	home_path(h, HOME_PG, pg);
	snprintf(path, sizeof(path), "%.*s/holdfast.conf", (int)sizeof(path) - 16, pg);
	if (home_read_file(path, 65536, &text, &e) == 0) {
		const char *line = strstr(buf_str(&text), "\nport = ");
		if (line && sscanf(line, "\nport = %d", &port) == 1 && port > 0)
			return port;
	}
	struct settings s;
	home_path(h, HOME_CONF, path);
	if (settings_load(path, &s, &e))
		settings_defaults(&s);
	return cluster_port(&s);
}

/* ---- whose the lock files are ---- */

/* Line `wanted` (from 1) of one of PostgreSQL's lock files; false when it is not there (yet). */
static bool
lock_line(const char *path, int wanted, char *ret, size_t room)
{
	auto_buf text = BUF_INIT;
	struct err e;
	if (home_read_file(path, 4096, &text, &e))
		return false;
	const char *p = buf_str(&text);
	for (int line = 1; line < wanted; line++) {
		p = strchr(p, '\n');
		if (!p)
			return false;
		p++;
	}
	snprintf(ret, room, "%.*s", (int)strcspn(p, " \n"), p);
	return *ret != '\0';
}

/* 0: it names nobody. Single-user mode writes its number with a minus. */
static pid_t
lock_pid(const char *path)
{
	char text[32];
	long pid = lock_line(path, 1, text, sizeof(text)) ? labs(strtol(text, NULL, 10)) : 0;
	return pid > 1 && pid < INT32_MAX ? (pid_t)pid : 0;
}

static void
pid_path(const char *pg, char *ret, size_t room)
{
	snprintf(ret, room, "%s/postmaster.pid", pg);
}

/* All of PostgreSQL's processes work in their data folder, and nobody else does. The name of a process, its user and its
 * number prove nothing: numbers are given anew after a restart of the machine, in a container nearly always alike. */
static bool
works_here(const char *pg, const char *pid)
{
	char path[32];
	struct stat data, its;
	snprintf(path, sizeof(path), "/proc/%.15s/cwd", pid);
	return stat(pg, &data) == 0 && stat(path, &its) == 0 && its.st_ino == data.st_ino &&
	       its.st_dev == data.st_dev;
}

/* true also when the processes cannot be looked at. */
static bool
somebody_works_here(const char *pg)
{
	DIR *d = opendir("/proc");
	bool found = !d;
	for (struct dirent *row; !found && (row = readdir(d));)
		found = row->d_name[0] >= '1' && row->d_name[0] <= '9' &&
			works_here(pg, row->d_name);
	if (d)
		closedir(d);
	return found;
}

static pid_t
runs_in(const char *pg)
{
	char path[HOME_PATH_MAX + 32], text[16];
	pid_path(pg, path, sizeof(path));
	pid_t pid = lock_pid(path);
	snprintf(text, sizeof(text), "%d", (int)pid);
	return pid && works_here(pg, text) ? pid : 0;
}

pid_t
cluster_pid(const struct home *h)
{
	char pg[HOME_PATH_MAX];
	home_path(h, HOME_PG, pg);
	return runs_in(pg);
}

/* A file that names a process which has ended is PostgreSQL's own to judge. */
static void
release(const char *pg, const char *path)
{
	pid_t pid = lock_pid(path);
	if (access(path, F_OK) < 0 || (pid && kill(pid, 0) < 0) || somebody_works_here(pg))
		return;
	if (unlink(path) < 0)
		log_warning("cannot remove %s, which PostgreSQL left behind: %s", path,
			    strerror(errno));
	else if (pid)
		log_notice("removed %s, which PostgreSQL left behind: the process %d that it names "
			   "is another program's by now",
			   path, (int)pid);
	else
		log_notice("removed %s, which PostgreSQL left behind and which names no process",
			   path);
}

static void
release_all(const struct home *h, const char *pg, int port)
{
	char path[HOME_PATH_MAX + 32], digits[16];
	pid_path(pg, path, sizeof(path));
	release(pg, path);
	snprintf(digits, sizeof(digits), "%d", port);
	home_path_with(h, HOME_PG_LOCK, digits, path);
	release(pg, path);
}

void
cluster_release(const struct home *h)
{
	char pg[HOME_PATH_MAX];
	home_path(h, HOME_PG, pg);
	release_all(h, pg, configured_port(h));
}

static void
add_conninfo(const struct home *h, int port, const char *role, struct buf *ret)
{
	char run[HOME_PATH_MAX];
	home_path(h, HOME_RUN, run);
	buf_addf(ret, "port=%d dbname=holdfast client_encoding=UTF8", port);
	quote_conninfo(ret, "host", run);
	quote_conninfo(ret, "user", role);
}

void
cluster_conninfo(const struct home *h, const char *role, struct buf *ret)
{
	add_conninfo(h, configured_port(h), role, ret);
}

void
cluster_try_conninfo(const struct home *h, const char *role, struct buf *ret)
{
	add_conninfo(h, TRIAL_PORT, role, ret);
}

/* What is started: its folder and port, how long it may take, and its own settings beside these (name=value, ends with NULL). */
struct start {
	const char *pg;
	int port;
	int64_t ms;
	const char *const *settings;
};

/* Each of "a=b" as `-c a=b`. */
static size_t
add_settings(const char **argv, size_t n, const char *const *settings)
{
	for (; *settings; settings++) {
		argv[n++] = "-c";
		argv[n++] = *settings;
	}
	return n;
}

/* In the forked child: PostgreSQL ends with whoever started it. */
static void
become_postgres(const struct home *h, const struct start *o, const char *program, int log,
		pid_t parent)
{
	char run[HOME_PATH_MAX], socket[HOME_PATH_MAX + 32], port[32];
	home_path(h, HOME_RUN, run);
	snprintf(socket, sizeof(socket), "unix_socket_directories=%s", run);
	snprintf(port, sizeof(port), "port=%d", o->port);
	/* On the private socket alone, whatever its configuration says. */
	const char *const own[] = { "listen_addresses=", socket, port, "ssl=off", NULL };
	const char *argv[3 + 2 * (ARRAY_LEN(own) + SETTINGS_MAX) + 1] = { program, "-D", o->pg };
	size_t n = add_settings(argv, 3, own);
	add_settings(argv, n, o->settings);
	/* Not a terminal's Ctrl-C: the set-up stops it in its own order. */
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGQUIT);
	if (getppid() != parent)
		_exit(127);
	program_exec(argv, -1, log, log);
}

static void
start_log_path(const struct home *h, char *ret, size_t room)
{
	char run[HOME_PATH_MAX];
	home_path(h, HOME_RUN, run);
	snprintf(ret, room, "%s/" START_LOG, run);
}

static int
start_failed(const char *log, const char *what, struct err *e)
{
	char tail[320] = "";
	auto_buf text = BUF_INIT;
	struct err ignored;
	if (home_read_file(log, 1u << 20, &text, &ignored) == 0)
		program_tail(buf_str(&text), text.len, tail, sizeof(tail));
	return err_set(e, ERR_IO, "PostgreSQL %s. It says: %s", what, *tail ? tail : "nothing");
}

/* Until postmaster.pid says ready (or standby, when it follows) in the name of this very process.
 */
static int
wait_ready(const struct start *o, pid_t pid, const char *log, struct err *e)
{
	char state[32], path[HOME_PATH_MAX + 32];
	int64_t until = clock_mono_ms() + o->ms;
	pid_path(o->pg, path, sizeof(path));
	while (clock_mono_ms() < until) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return start_failed(log, "did not start", e);
		if (runs_in(o->pg) == pid && lock_line(path, PID_LINES, state, sizeof(state)) &&
		    (strcmp(state, "ready") == 0 || strcmp(state, "standby") == 0))
			return 0;
		clock_sleep_ms(20);
	}
	kill(pid, SIGQUIT);
	waitpid(pid, NULL, 0);
	return start_failed(log, "did not get ready in time", e);
}

static int
start(const struct home *h, const struct start *o, struct err *e)
{
	char program[CLUSTER_PROGRAM_MAX], log[HOME_PATH_MAX + 32];
	int r = cluster_program(h, "postgres", program, e);
	if (r)
		return r;
	start_log_path(h, log, sizeof(log));
	int fd = FAULT(FILE_CREATE, -1,
		       open(log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600));
	if (fd < 0)
		return err_errno(e, ERR_IO, "cannot write %s", log);
	release_all(h, o->pg, o->port);
	pid_t parent = getpid(), pid = FAULT(PROGRAM_START, -1, fork());
	if (pid == 0)
		become_postgres(h, o, program, fd, parent);
	r = pid < 0 ? err_errno(e, ERR_IO, "cannot start PostgreSQL") : wait_ready(o, pid, log, e);
	close(fd);
	if (!r)
		unlink(log);
	return r;
}

int
cluster_start(const struct home *h, struct err *e)
{
	char pg[HOME_PATH_MAX];
	int major = 0, r = cluster_major(h, &major, e);
	const char *const none[] = { NULL };
	home_path(h, HOME_PG, pg);
	struct start o = { .pg = pg, .ms = START_MS, .settings = none };
	if (!r && !major)
		r = err_set(e, ERR_NOT_FOUND, "there is no PostgreSQL data in %s", pg);
	if (r)
		return r;
	o.port = configured_port(h);
	return start(h, &o, e);
}

/* Who may connect is this node's own affair, and so is the memory: another server runs beside it. */
int
cluster_try(const struct home *h, const char *dir, struct err *e)
{
	char pg[HOME_PATH_MAX], hba[HOME_PATH_MAX + 32], ident[HOME_PATH_MAX + 32];
	const char *const settings[] = {
		hba,
		ident,
		"primary_conninfo=",
		"primary_slot_name=",
		"hot_standby=on",
		"log_line_prefix=",
		"shared_buffers=16MB",
		NULL,
	};
	_Static_assert(ARRAY_LEN(settings) <= SETTINGS_MAX + 1,
		       "more settings than argv has room for");
	home_path(h, HOME_PG, pg);
	snprintf(hba, sizeof(hba), "hba_file=%s/pg_hba.conf", pg);
	snprintf(ident, sizeof(ident), "ident_file=%s/pg_ident.conf", pg);
	return start(h,
		     &(struct start){
			     .pg = dir, .port = TRIAL_PORT, .ms = TRIAL_MS, .settings = settings },
		     e);
}

/* true when it has ended: a child of ours is reaped, so that its successor may start. */
static bool
wait_gone(pid_t pid, int64_t ms)
{
	for (int64_t until = clock_mono_ms() + ms; clock_mono_ms() < until;) {
		if (waitpid(pid, NULL, WNOHANG) == pid || (kill(pid, 0) < 0 && errno == ESRCH))
			return true;
		clock_sleep_ms(10);
	}
	return false;
}

static int
stop(const char *pg, struct err *e)
{
	pid_t pid = runs_in(pg);
	if (!pid || (kill(pid, SIGINT) < 0 && errno == ESRCH))
		return 0;
	if (wait_gone(pid, STOP_MS))
		return 0;
	kill(pid, SIGQUIT);
	return wait_gone(pid, STOP_MS)
		       ? 0
		       : err_set(e, ERR_TIMEOUT, "PostgreSQL (process %d) does not stop", (int)pid);
}

int
cluster_stop(const struct home *h, struct err *e)
{
	char pg[HOME_PATH_MAX];
	home_path(h, HOME_PG, pg);
	return stop(pg, e);
}

int
cluster_try_end(const char *dir, struct err *e)
{
	return stop(dir, e);
}

/* Single-user mode: no socket, no waiting. It reports errors in its output only. */
static int
create_database(const struct home *h, const char *pg, struct err *e)
{
	char path[CLUSTER_PROGRAM_MAX], tail[320];
	auto_buf out = BUF_INIT;
	const char *const argv[] = { path, "--single", "-D", pg, "postgres", NULL };
	int r = cluster_program(h, "postgres", path, e);
	if (!r)
		r = program_run(argv, "CREATE DATABASE holdfast\n", &out, e);
	if (r || (!strstr(buf_str(&out), "ERROR:") && !strstr(buf_str(&out), "FATAL:")))
		return r;
	program_tail(buf_str(&out), out.len, tail, sizeof(tail));
	return err_set(e, ERR_IO, "cannot create the database: %s", tail);
}

int
cluster_create(const struct home *h, const struct settings *s, struct err *e)
{
	char pg[HOME_PATH_MAX], path[CLUSTER_PROGRAM_MAX];
	int r = cluster_program(h, "initdb", path, e);
	if (!r)
		r = cluster_socket_check(h, s, e);
	home_path(h, HOME_PG, pg);
	const char *const argv[] = { path,
				     "-D",
				     pg,
				     "-U",
				     "holdfast",
				     "-E",
				     "UTF8",
				     "--locale=C",	   /* the same order on every machine */
				     "--lc-ctype=C.UTF-8", /* but letters of all languages */
				     "--data-checksums",
				     "--auth-local=peer",
				     "--auth-host=reject",
				     "--no-instructions",
				     NULL };
	if (!r)
		r = program_run(argv, NULL, NULL, e);
	if (!r)
		r = cluster_configure(h, s, false, e);
	return r ? r : create_database(h, pg, e);
}
