/* SPDX-License-Identifier: Apache-2.0 */
#include "node/runas.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "pack/pack.h"

#define USER_DEFAULT "holdfast"
#define LOCKED_BYTES                                                                               \
	(256u << 20) /* as the unit has it; the whole program is locked, its libraries too */
#define FILES_MAX 16384

/* Names, and beginnings of names (ending in '*'), of the environment that are kept. */
static const char *const kept[] = {
	"HOLDFAST_*",	 "TERM",	   "NO_COLOR",	   "NOTIFY_SOCKET", "WATCHDOG_PID",
	"WATCHDOG_USEC", "JOURNAL_STREAM", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS",
};

static int
fill(const struct passwd *pw, struct runas *ret, struct err *e)
{
	if (strlen(pw->pw_name) >= sizeof(ret->name) || strlen(pw->pw_dir) >= sizeof(ret->dir))
		return err_set(e, ERR_PRECONDITION, "the name or home of user %s is too long",
			       pw->pw_name);
	snprintf(ret->name, sizeof(ret->name), "%s", pw->pw_name);
	snprintf(ret->dir, sizeof(ret->dir), "%s", pw->pw_dir);
	ret->uid = pw->pw_uid;
	ret->gid = pw->pw_gid;
	return 0;
}

static int
stay(const char *name, struct runas *ret, struct err *e)
{
	const struct passwd *pw = getpwuid(geteuid());
	if (!pw)
		return err_set(e, ERR_PRECONDITION,
			       "user %lu, as which this runs, has no name on this machine, and "
			       "PostgreSQL needs one: run it as a user listed in /etc/passwd",
			       (unsigned long)geteuid());
	if (name && strcmp(name, pw->pw_name) != 0)
		return err_set(e, ERR_REFUSED, "only root can become user %s; this runs as %s",
			       name, pw->pw_name);
	return fill(pw, ret, e);
}

static const struct passwd *
owner_of(const char *home)
{
	struct stat st;
	return home && stat(home, &st) == 0 && st.st_uid != 0 ? getpwuid(st.st_uid) : NULL;
}

int
runas_choose(const char *home, const char *name, struct runas *ret, struct err *e)
{
	struct runas u = { .drop = geteuid() == 0 };
	const char *wanted = name && *name ? name : getenv("HOLDFAST_USER");
	if (wanted && !*wanted)
		wanted = NULL;
	int r;
	if (!u.drop) {
		r = stay(name, &u, e);
	} else {
		const struct passwd *pw = wanted ? NULL : owner_of(home);
		if (!pw)
			pw = getpwnam(wanted ? wanted : USER_DEFAULT);
		if (!pw)
			return err_set(
				e, ERR_PRECONDITION,
				"Holdfast does not run as root, and the user '%s' that it would "
				"become does not exist. Create it: useradd --system --home-dir "
				"/var/lib/holdfast --shell /usr/sbin/nologin %s; or name another "
				"with --user or HOLDFAST_USER",
				wanted ? wanted : USER_DEFAULT, wanted ? wanted : USER_DEFAULT);
		if (pw->pw_uid == 0)
			return err_set(
				e, ERR_REFUSED,
				"Holdfast does not run as root, and neither does PostgreSQL: name "
				"another user");
		r = fill(pw, &u, e);
	}
	if (!r)
		*ret = u;
	return r;
}

static bool
is_kept(const char *entry)
{
	size_t n = strcspn(entry, "=");
	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		size_t k = strlen(kept[i]);
		if (kept[i][k - 1] == '*' ? n >= k - 1 && strncmp(entry, kept[i], k - 1) == 0
					  : n == k && strncmp(entry, kept[i], k) == 0)
			return true;
	}
	return false;
}

/* What libraries and PostgreSQL's programs would read from it (PG*, LD_*, locales …) is dropped. LD_BIND_NOW: the first call of
 * a library's function, bound when it is made, saves the vector registers on the stack, and with them what the last copy of
 * a secret left there; nothing wipes that place. */
static int
clean_environment(const struct runas *u, struct err *e)
{
	extern char **environ;
	char path[4096];
	char **to = environ;
	const char *old_path = getenv("PATH");
	snprintf(path, sizeof(path), "%s",
		 old_path && *old_path ? old_path : "/usr/local/bin:/usr/bin:/bin");
	for (char **p = environ; *p; p++)
		if (is_kept(*p))
			*to++ = *p;
	*to = NULL;
	if (setenv("PATH", path, 1) || setenv("HOME", u->dir, 1) || setenv("USER", u->name, 1) ||
	    setenv("LOGNAME", u->name, 1) || setenv("LC_ALL", "C.UTF-8", 1) ||
	    setenv("TZ", "UTC", 1) || setenv("LD_BIND_NOW", "1", 1))
		return err_errno(e, ERR_INTERNAL, "cannot set the environment");
	return 0;
}

/* While we still may: keys must not reach the swap, and connections must not run out. */
static void
raise_limits(void)
{
	static const struct rlimit memlock = { LOCKED_BYTES, LOCKED_BYTES },
				   files = { FILES_MAX, FILES_MAX };
	struct rlimit now;
	if (getrlimit(RLIMIT_MEMLOCK, &now) == 0 && now.rlim_max < LOCKED_BYTES)
		setrlimit(RLIMIT_MEMLOCK, &memlock);
	if (getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_max < FILES_MAX)
		setrlimit(RLIMIT_NOFILE, &files);
}

/* Nothing that is started from now on gets privileges, by whichever file. Whoever may not shrink the
 * bounding set (without CAP_SETPCAP, in some containers) leaves it: it gives nothing to anybody then. */
static int
give_up_privileges(struct err *e)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(e, ERR_PRECONDITION, "cannot give up new privileges");
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EPERM)
			return err_errno(e, ERR_PRECONDITION, "cannot give up capability %d", cap);
	return 0;
}

/* The processes are this very program, started anew. */
static int
not_executable(const struct runas *u, struct err *e)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	path[n < 0 ? 0 : n] = '\0';
	return err_set(e, ERR_PRECONDITION,
		       "user %s may not execute %s: install the program (make install), or run "
		       "chmod a+rx %s",
		       u->name, path, path);
}

int
runas_become(const struct runas *u, struct err *e)
{
	if (u->drop)
		raise_limits();
	if (give_up_privileges(e))
		return e->code;
	if (u->drop && (initgroups(u->name, u->gid) < 0 || setresgid(u->gid, u->gid, u->gid) < 0 ||
			setresuid(u->uid, u->uid, u->uid) < 0))
		return err_errno(e, ERR_PRECONDITION, "cannot become user %s", u->name);
	if (geteuid() == 0 || setuid(0) == 0)
		return err_set(e, ERR_INTERNAL, "still root after becoming user %s", u->name);
	if (access("/proc/self/exe", X_OK) < 0)
		return not_executable(u, e);
	return clean_environment(u, e);
}

struct job {
	const struct runas *user;
	apart_fn *fn;
	const void *ctx;
};

static int
do_as_user(void *work, const void *ctx, struct err *e)
{
	const struct job *j = ctx;
	int r = runas_become(j->user, e);

	return r ? r : j->fn(work, j->ctx, e);
}

int
runas_do(const struct runas *u, apart_fn *fn, void *work, size_t n, const void *ctx, struct err *e)
{
	const struct job j = { u, fn, ctx };
	struct apart a;

	if (!u->drop)
		return fn(work, ctx, e);
	int r = apart_begin(&a, do_as_user, work, n, &j, e);
	return r ? r : apart_end(&a, e);
}

int
runas_give(const struct runas *u, const char *path, struct err *e)
{
	if (u->drop && lchown(path, u->uid, u->gid) < 0)
		return err_errno(e, ERR_IO, "cannot give %s to user %s", path, u->name);
	return 0;
}

/* What is in the way, and what to do about it. */
static int
not_taken(const struct runas *u, const char *name, const char *must, struct err *e)
{
	return err_set(e, ERR_REFUSED,
		       "the unpacked pack cannot be taken over: %s must be %s owned by root or by "
		       "user %s. Remove the folder `pack` in the home, and unzip again",
		       name, must, u->name);
}

/* O_PATH: a device or a pipe that is in the way is looked at, and never opened. */
static int
open_unfollowed(int dir, const char *name, struct stat *ret, int *ret_fd, struct err *e)
{
	int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	*ret_fd = -1;
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, ret) < 0) {
		int rc = err_errno(e, ERR_REFUSED, "the unpacked pack cannot be taken over: %s",
				   name);
		if (fd >= 0)
			close(fd);
		return rc;
	}
	*ret_fd = fd;
	return 0;
}

/* An O_PATH descriptor is no one's to change but by its name in /proc, which leads to the same file and nowhere else. */
static int
take_over(const struct runas *u, int fd, const struct stat *st, mode_t mode, const char *name,
	  struct err *e)
{
	char self[32];

	/* Theirs already, and of use to them: whatever is refused later has changed nothing. */
	if (st->st_uid == u->uid && (st->st_mode & mode) == mode &&
	    !(st->st_mode & (S_ISUID | S_ISGID | S_ISVTX)))
		return 0;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (fchownat(fd, "", u->uid, u->gid, AT_EMPTY_PATH) < 0 || chmod(self, mode) < 0)
		return err_errno(e, ERR_IO, "cannot give %s to user %s", name, u->name);
	return 0;
}

/* Whether nobody but root can exchange what is in it. */
static bool
is_roots_alone(const struct stat *folder)
{
	return folder->st_uid == 0 && !(folder->st_mode & S_IWOTH) &&
	       (folder->st_gid == 0 || !(folder->st_mode & S_IWGRP));
}

/* A file of root's is only what root has put there: in a folder of root's alone. Whoever owns the folder can bring any file
 * of root's into it that lies where they may rename. */
static int
take_over_file(const struct runas *u, int pack, bool of_root, const char *path, struct err *e)
{
	const char *name = strrchr(path, '/') + 1;
	struct stat st;
	int fd, r = open_unfollowed(pack, name, &st, &fd, e);

	if (r || fd < 0)
		return r;
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1 ||
	    (st.st_uid != u->uid && !(of_root && st.st_uid == 0)))
		r = not_taken(u, path, "a plain file with no other name", e);
	else
		r = take_over(u, fd, &st, 0600, path, e);
	close(fd);
	return r;
}

/* The files first: whoever owns the folder can exchange what is in it. */
static int
take_over_in(const struct runas *u, int pack, const struct stat *st, struct err *e)
{
	static const char *const names[] = { PACK_NODE_NAME, PACK_BASE_NAME, PACK_MANIFEST_NAME };
	int r = 0;

	for (size_t i = 0; !r && i < ARRAY_LEN(names); i++)
		r = take_over_file(u, pack, is_roots_alone(st), names[i], e);
	return r ? r : take_over(u, pack, st, 0700, "pack", e);
}

int
runas_take_over_pack(const struct runas *u, const char *home, struct err *e)
{
	struct stat st;
	int pack = -1,
	    dir = u->drop ? open(home, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;

	if (!u->drop)
		return 0;
	if (dir < 0)
		return err_errno(e, ERR_IO, "cannot open the home folder %s", home);
	int r = open_unfollowed(dir, "pack", &st, &pack, e);
	if (!r && pack >= 0 && (!S_ISDIR(st.st_mode) || (st.st_uid != 0 && st.st_uid != u->uid)))
		r = not_taken(u, "pack", "a folder", e);
	else if (!r && pack >= 0)
		r = take_over_in(u, pack, &st, e);
	if (pack >= 0)
		close(pack);
	close(dir);
	return r;
}
