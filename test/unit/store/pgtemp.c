/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/home.h"
#include "pg/cluster.h"
#include "pg/program.h"
#include "pgtemp.h"

#define START_MS 30000

struct pgtemp {
	char dir[64];
	char bin[HOME_PATH_MAX];
	char conninfo[256];
	pid_t pid;
	const struct passwd *user; /* NULL: the one we are */
};

/* PostgreSQL refuses root. */
static const struct passwd *
find_user(void)
{
	const struct passwd *u = getpwnam("holdfast");

	return u != NULL ? u : getpwnam("postgres");
}

bool
pgtemp_have(void)
{
	char bin[HOME_PATH_MAX];
	struct err e = { 0 };

	if (cluster_find_bin(0, bin, NULL, &e) == 0 && (geteuid() != 0 || find_user() != NULL))
		return true;
	fprintf(stderr, "skipped: no PostgreSQL programs, or no user to run them\n");
	return false;
}

static void
become(const struct pgtemp *p)
{
	if (p->user == NULL)
		return;
	if (setgroups(0, NULL) != 0 || setgid(p->user->pw_gid) != 0 || setuid(p->user->pw_uid) != 0)
		_exit(126);
}

static pid_t
spawn(const struct pgtemp *p, const char *const *argv)
{
	char log[128];
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	snprintf(log, sizeof log, "%s/log", p->dir);
	if (chdir(p->dir) != 0)
		_exit(126);
	become(p);
	unsetenv(
		"MALLOC_PERTURB_"); /* meson's, for our own programs: it makes the server a third slower */
	prctl(PR_SET_PDEATHSIG, SIGQUIT);
	setpgid(0, 0);
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	program_exec(argv, -1, fd, fd);
}

static int
wait_pid(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return status;
}

/* Says why, shows the server's log and leaves nothing behind. */
static void
fail(struct pgtemp *p, const char *what)
{
	char path[128];
	auto_buf log = BUF_INIT;
	struct err e = { 0 };

	snprintf(path, sizeof path, "%s/log", p->dir);
	if (home_read_file(path, 1 << 20, &log, &e) != 0)
		buf_addf(&log, "%s\n", e.text);
	fprintf(stderr, "%spgtemp: %s\n", buf_str(&log), what);
	pgtemp_free(p);
	abort();
}

static PGconn *
connect_to(const struct pgtemp *p, const char *database)
{
	char info[256];

	snprintf(info, sizeof info, "host=%s user=holdfast dbname=%s", p->dir, database);
	return PQconnectdb(info);
}

static void
exec_sql(struct pgtemp *p, const char *database, const char *sql)
{
	PGconn *c = connect_to(p, database);
	PGresult *r = PQexec(c, sql);

	if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK) {
		fprintf(stderr, "pgtemp: %s\n", PQerrorMessage(c));
		fail(p, sql);
	}
	PQclear(r);
	PQfinish(c);
}

void
pgtemp_sql(struct pgtemp *p, const char *sql)
{
	exec_sql(p, "holdfast", sql);
}

/* Its client gone, a server process that was slow still finds in its socket what was sent, and does it. */
void
pgtemp_settle(struct pgtemp *p)
{
	exec_sql(p, "holdfast",
		 "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
		 " WHERE datname = 'holdfast' AND pid <> pg_backend_pid()");
}

static void
await_answer(struct pgtemp *p)
{
	int64_t until = clock_mono_ms() + START_MS;

	while (clock_mono_ms() < until) {
		PGconn *c = connect_to(p, "postgres");
		bool up = PQstatus(c) == CONNECTION_OK;

		PQfinish(c);
		if (up)
			return;
		if (waitpid(p->pid, NULL, WNOHANG) == p->pid) {
			p->pid = 0;
			fail(p, "the server ended at once");
		}
		clock_sleep_ms(10);
	}
	fail(p, "the server does not start");
}

void
pgtemp_start(struct pgtemp *p)
{
	char program[CLUSTER_PROGRAM_MAX];
	const char *argv[] = { program, "-D", "data", "-k", p->dir, NULL };

	snprintf(program, sizeof program, "%s/postgres", p->bin);
	p->pid = spawn(p, argv);
	await_answer(p);
}

void
pgtemp_stop(struct pgtemp *p)
{
	if (p->pid == 0)
		return;
	kill(p->pid, SIGQUIT);
	wait_pid(p->pid);
	p->pid = 0;
}

/* PostgreSQL puts each backend into a session of its own: they are found as the postmaster's
 * children. */
void
pgtemp_signal(struct pgtemp *p, int sig)
{
	char path[64], line[4096] = "";
	FILE *f;

	kill(p->pid, sig);
	snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)p->pid, (int)p->pid);
	f = fopen(path, "r");
	if (f == NULL)
		fail(p, "cannot list the server's processes");
	if (fgets(line, sizeof line, f) == NULL)
		line[0] = '\0';
	fclose(f);
	for (char *save = NULL, *w = strtok_r(line, " \n", &save); w != NULL;
	     w = strtok_r(NULL, " \n", &save))
		kill((pid_t)atoi(w), sig);
}

static void
write_conf(struct pgtemp *p)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof path, "%s/data/postgresql.conf", p->dir);
	f = fopen(path, "a");
	if (f == NULL)
		fail(p, "cannot write postgresql.conf");
	fputs("listen_addresses = ''\nfsync = off\nshared_buffers = 16MB\nmax_connections = 40\n"
	      "unix_socket_permissions = 0700\nautovacuum = off\n",
	      f);
	fclose(f);
}

struct pgtemp *
pgtemp_new(void)
{
	char program[CLUSTER_PROGRAM_MAX];
	const char *const initdb[] = { program,	   "-D",   "data",	 "-U",
				       "holdfast", "-A",   "trust",	 "-N",
				       "-E",	   "UTF8", "--locale=C", "--no-instructions",
				       NULL };
	struct pgtemp *p = calloc(1, sizeof *p);
	struct err e = { 0 };

	if (p == NULL || cluster_find_bin(0, p->bin, NULL, &e) != 0)
		abort();
	snprintf(program, sizeof program, "%s/initdb", p->bin);
	snprintf(p->dir, sizeof p->dir, "/tmp/holdfast-test-XXXXXX");
	if (mkdtemp(p->dir) == NULL)
		fail(p, "cannot make a folder");
	if (geteuid() == 0) {
		p->user = find_user();
		if (p->user == NULL || chown(p->dir, p->user->pw_uid, p->user->pw_gid) != 0)
			fail(p, "cannot give the folder away");
	}
	if (wait_pid(spawn(p, initdb)) != 0)
		fail(p, "initdb failed");
	write_conf(p);
	pgtemp_start(p);
	exec_sql(p, "postgres", "CREATE DATABASE holdfast");
	return p;
}

void
pgtemp_free(struct pgtemp *p)
{
	struct err e = { 0 };

	if (p == NULL)
		return;
	pgtemp_stop(p);
	if (home_remove_tree(p->dir, &e) != 0)
		fprintf(stderr, "pgtemp: %s\n", e.text);
	free(p);
}

const char *
pgtemp_conninfo(struct pgtemp *p, const char *role)
{
	snprintf(p->conninfo, sizeof p->conninfo, "host=%s user=%s dbname=holdfast", p->dir, role);
	return p->conninfo;
}

const char *
pgtemp_dir(const struct pgtemp *p)
{
	return p->dir;
}
