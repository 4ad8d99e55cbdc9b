/* SPDX-License-Identifier: Apache-2.0
 *
 *   parent  makes the home folder and the key file (as root when it is root), then only waits
 *   child   becomes Holdfast's user and does the rest; its keyd, initdb and postgres end with it
 * The parent decides what will be made and waits for the child or for a signal. Unless the child
 * has succeeded, it removes exactly what was not there before.
 */
#include "admin/create.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "admin/bootstrap.h"
#include "admin/keyhost.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "crypto/keyfile.h"
#include "crypto/keyring.h"
#include "crypto/x509.h"
#include "ha/chain_memory.h"
#include "node/runas.h"
#include "pack/authority.h"
#include "pg/cluster.h"
#include "store/db.h"
#include "store/migrate.h"

#define WEB_CERT_DAYS 3650
#define REAP_MS 10000
#define CERT_MAX 65536

/* What is to be made, and what of it was not there before. */
struct plan {
	const struct create_options *o;
	struct create_result *r;
	struct runas user;
	struct home home;
	struct settings settings;
	struct bootstrap_names names;
	char first_made[HOME_PATH_MAX]; /* topmost folder that is ours to remove; "" none */
	bool home_was_there;		/* empty; its content is ours, it is not */
	struct stat home_was;		/* then: whose it was, and its mode */
	bool key_made;
};

/* Shared between parent and child. */
struct outcome {
	int code;
	struct err e;
	char setup_token[TOKEN_STR_LEN];
	char authority[X509_PIN_LEN], scopes[sizeof(((struct create_result *)0)->scopes)];
};

static void
say(const struct plan *p, const char *text)
{
	if (p->o->say)
		p->o->say(p->o->ctx, text);
}

/* ---- paths ---- */

static int
fits(int n, const char *path, struct err *e)
{
	if (n >= 0 && n < HOME_PATH_MAX)
		return 0;
	return err_set(e, ERR_USAGE, "the path %.80s… is too long: at most %d bytes", path,
		       HOME_PATH_MAX - 1);
}

int
create_resolve(const char *path, char ret[static HOME_PATH_MAX], struct err *e)
{
	char copy[PATH_MAX], real[PATH_MAX];
	size_t n = strlen(path);
	while (n > 1 && path[n - 1] == '/')
		n--;
	if (!n || n >= sizeof(copy))
		return err_set(e, ERR_USAGE, "'%.80s' is not a path", path);
	memcpy(copy, path, n);
	copy[n] = '\0';
	if (realpath(copy, real)) /* it is there: a symbolic link counts for where it leads */
		return fits(snprintf(ret, HOME_PATH_MAX, "%s", real), path, e);
	char *slash = strrchr(copy, '/');
	const char *base = slash ? slash + 1 : copy;
	if (!*base || strcmp(base, ".") == 0 || strcmp(base, "..") == 0)
		return err_set(e, ERR_USAGE, "'%s' names no file", path);
	const char *dir = !slash ? "." : slash == copy ? "/" : copy;
	if (slash)
		*slash = '\0';
	if (!realpath(slash == copy ? "/" : dir, real))
		return err_errno(e, ERR_IO, "cannot open the folder of %s", path);
	int m = snprintf(ret, HOME_PATH_MAX, "%s/%s", strcmp(real, "/") == 0 ? "" : real, base);
	return fits(m, path, e);
}

bool
create_inside(const char *path, const char *dir)
{
	size_t n = strlen(dir);
	return strncmp(path, dir, n) == 0 && (path[n] == '/' || !path[n] || strcmp(dir, "/") == 0);
}

/* Of every folder; or of a file system of its own that is mounted there. */
static bool
is_the_folders_own(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "lost+found") == 0;
}

static bool
is_empty(const char *dir)
{
	DIR *d = opendir(dir);
	bool empty = d != NULL;
	for (struct dirent *row; d && empty && (row = readdir(d));)
		empty = is_the_folders_own(row->d_name);
	if (d)
		closedir(d);
	return empty;
}

/* Finds the absolute path of the home; folders above it may be missing too. */
static int
plan_home(struct plan *p, struct err *e)
{
	char path[PATH_MAX], node[PATH_MAX], start[HOME_START_MAX];
	struct stat st;
	int n = *p->o->home == '/' ? snprintf(path, sizeof(path), "%s", p->o->home)
		: getcwd(node, sizeof(node))
			? snprintf(path, sizeof(path), "%s/%s", node, p->o->home)
			: -1;
	if (n <= 0 || n >= HOME_PATH_MAX)
		return err_set(e, ERR_USAGE, "the path of the home is too long or empty");
	while (n > 1 && path[n - 1] == '/')
		path[--n] = '\0';
	/* Up to what exists; the rest must be plain names. */
	size_t cut = (size_t)n;
	for (;;) {
		char c = path[cut];
		path[cut] = '\0';
		bool there = stat(cut ? path : "/", &st) == 0;
		path[cut] = c;
		if (there || !cut)
			break;
		while (cut && path[cut - 1] != '/')
			cut--;
		cut -= cut > 0;
	}
	if (strstr(path + cut, "/../") || strstr(path + cut, "/./"))
		return err_set(e, ERR_USAGE, "cannot resolve the path of the home %s", p->o->home);
	char real[PATH_MAX], rest[PATH_MAX];
	snprintf(rest, sizeof(rest), "%s", path + cut);
	path[cut] = '\0';
	if (!realpath(cut ? path : "/", real))
		return err_errno(e, ERR_IO, "cannot open %s", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(
			e, ERR_REFUSED,
			"%s exists and is not a folder; nothing was changed. Name a folder that "
			"does not exist yet, or an empty one",
			real);
	n = snprintf(p->r->home, HOME_PATH_MAX, "%s%s", strcmp(real, "/") == 0 ? "" : real, rest);
	if (n < 0 || (size_t)n >= sizeof(p->home.dir))
		return err_set(e, ERR_USAGE, "the path of the home is too long");
	memcpy(p->home.dir, p->r->home, (size_t)n + 1);
	p->home_was_there = !*rest;
	p->home_was = st;
	if (*rest) { /* the first name of the rest is the topmost folder that we make */
		size_t k = strlen(real) * (strcmp(real, "/") != 0);
		k += 1 + strcspn(p->r->home + k + 1, "/");
		snprintf(p->first_made, sizeof(p->first_made), "%.*s", (int)k, p->r->home);
		return 0;
	}
	home_start_command(p->r->home, start);
	if (home_has(&p->home, HOME_NODE))
		return err_set(
			e, ERR_REFUSED,
			"%s is already the home of a node; nothing was changed. To serve it: %s",
			p->r->home, start);
	if (!is_empty(p->r->home))
		return err_set(
			e, ERR_REFUSED,
			"the folder %s is not empty; nothing was changed. Name a folder that does "
			"not exist yet, or an empty one",
			p->r->home);
	return 0;
}

static int
plan_key(struct plan *p, struct err *e)
{
	char *path = p->r->key_file;
	int r = 0;
	if (!p->o->key_file && p->o->secondary)
		return 0;
	if (p->o->key_file)
		r = create_resolve(p->o->key_file, path, e);
	else
		r = fits(snprintf(path, HOME_PATH_MAX, "%s.key", p->r->home), p->r->home, e);
	if (r)
		return r;
	if (create_inside(path, p->r->home))
		return err_set(
			e, ERR_REFUSED,
			"the master key file %s would be inside the home folder: whoever copies "
			"the data would get its key too. Put it elsewhere, ideally on a device of "
			"its own",
			path);
	if (strpbrk(path, "\r\n"))
		return err_set(e, ERR_USAGE, "the path of the key file contains a line break");
	p->key_made = !p->o->secondary && access(path, F_OK) < 0;
	if (p->o->fill && p->key_made)
		return err_set(e, ERR_BAD_KEY,
			       "there is no master key file %s: name the one that the data is "
			       "sealed under with --key-file; nothing was changed",
			       path);
	if (!p->o->key_file && !p->key_made)
		return err_set(
			e, ERR_REFUSED,
			"the file %s already exists; nothing was changed. If it is the master key "
			"to use, give --key-file %s; otherwise name another file",
			path, path);
	p->r->key_made = p->key_made;
	return 0;
}

static bool
is_name(const char *s)
{
	size_t n = strlen(s);
	if (!n || n > 253 || s[0] == '.' || s[0] == '-')
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("-._:", *s))
			return false;
	return true;
}

static int
plan_settings(struct plan *p, struct err *e)
{
	const struct {
		const char *name, *value;
	} given[] = { { "name", p->r->node.name },
		      { "listen", p->o->listen },
		      { "pair_listen", p->o->pair_listen } };
	char host[256] = "";
	if (!p->o->name && gethostname(host, sizeof(host) - 1) < 0)
		return err_errno(e, ERR_IO, "cannot ask for this machine's name: give --name");
	snprintf(p->r->node.name, sizeof(p->r->node.name), "%s", p->o->name ? p->o->name : host);
	if (!is_name(p->r->node.name))
		return err_set(
			e, ERR_USAGE,
			"'%.80s' is not the name of a machine: --name takes the fully qualified "
			"name by which the other nodes and the users reach this one",
			p->r->node.name);
	settings_defaults(&p->settings);
	for (size_t i = 0; i < ARRAY_LEN(given); i++) {
		int r = given[i].value
				? settings_set(&p->settings, given[i].name, given[i].value, e)
				: 0;
		if (r)
			return e->code = ERR_USAGE;
	}
	uuid_new(&p->r->node.id);
	snprintf(p->r->listen, sizeof(p->r->listen), "%s", p->settings.listen);
	return cluster_socket_check(&p->home, &p->settings, e);
}

/* Host part of address:port, without brackets; "" when it stands for every address. */
static void
listen_host(const char *listen, char *ret, size_t room)
{
	static const char *const wild[] = { "", "*", "0.0.0.0", "::" };
	const char *colon = strrchr(listen, ':');
	size_t n = colon ? (size_t)(colon - listen) : strlen(listen);
	if (n >= 2 && listen[0] == '[' && listen[n - 1] == ']') {
		listen++;
		n -= 2;
	}
	snprintf(ret, room, "%.*s", (int)n, listen);
	for (size_t i = 0; i < ARRAY_LEN(wild); i++)
		if (strcmp(ret, wild[i]) == 0)
			*ret = '\0';
}

/* Whoever sits at the machine may call it what it calls itself. */
static int
plan_names(struct plan *p, struct err *e)
{
	struct authority_names *web = &p->names.web, *scopes = &p->names.scopes;
	const char *also = p->o->also ? p->o->also : "", *name = p->r->node.name;
	char host[256];

	listen_host(p->settings.listen, host, sizeof(host));
	int r = authority_add(web, name, e);
	if (!r)
		r = authority_add(web, host, e);
	if (!r)
		r = authority_add(web, also, e);
	if (!r)
		r = authority_add_own(web, e);
	if (!r)
		r = p->o->domain ? authority_add(scopes, p->o->domain, e)
				 : authority_add_scope_of(scopes, name, e);
	if (!r)
		r = authority_add(scopes, host, e);
	if (!r)
		r = authority_add(scopes, also, e);
	return r ? r : authority_check(scopes, web, e);
}

/* ---- the child's work ---- */

/* Sets one value in the sample: its commented line becomes a real one. */
static void
set_line(struct buf *text, const char *name, const char *value)
{
	char commented[80];
	auto_buf out = BUF_INIT;
	snprintf(commented, sizeof(commented), "\n#%s = ", name);
	const char *all = buf_str(text), *at = strstr(all, commented);
	if (at) {
		size_t begin = (size_t)(at - all) + 1;
		buf_add(&out, all, begin);
		buf_addf(&out, "%s = %s", name, value);
		buf_adds(&out, all + begin + strcspn(all + begin, "\n"));
	} else {
		buf_addf(&out, "%s\n%s = %s\n", all, name, value);
	}
	buf_reset(text);
	buf_add(text, out.data, out.len);
}

void
create_sample(const struct create_options *o, const char *name, struct buf *out)
{
	settings_write_sample(out);
	set_line(out, "name", name);
	if (o->listen)
		set_line(out, "listen", o->listen);
	if (o->pair_listen)
		set_line(out, "pair_listen", o->pair_listen);
}

static int
make_folders(const struct plan *p, struct err *e)
{
	auto_buf made = BUF_INIT;
	return home_make_folders(&p->home, HOME_BY_COMMAND | HOME_BY_START, &made, e);
}

static int
write_conf(const struct plan *p, struct err *e)
{
	char path[HOME_PATH_MAX];
	auto_buf text = BUF_INIT, key = BUF_INIT;
	create_sample(p->o, p->r->node.name, &text);
	home_path(&p->home, HOME_CONF, path);
	int r = home_write_file(path, text.data, text.len, 0600, e);
	if (r || !p->r->key_file[0])
		return r;
	buf_addf(&key,
		 "# The full path of the master key file, which is needed only at start.\n"
		 "%s\n",
		 p->r->key_file);
	home_path(&p->home, HOME_KEY_CONF, path);
	return home_write_file(path, key.data, key.len, 0600, e);
}

/* A secondary's is provisional: the pack brings one that the vault's authority signed. */
static int
write_web_cert(const struct plan *p, struct err *e)
{
	auto_buf cert = BUF_INIT, key = BUF_INIT;

	say(p, "making the web certificate");
	int r = x509_self_signed(p->names.web.list, WEB_CERT_DAYS, &cert, &key, e);
	return r ? r : authority_place(&p->home, AUTHORITY_WEB, &cert, &key, e);
}

static int
migrate(const struct plan *p, struct err *e)
{
	auto_buf conninfo = BUF_INIT;
	cluster_conninfo(&p->home, "holdfast", &conninfo);
	struct db_options o = { .conninfo = buf_str(&conninfo), .application = "holdfast init" };
	struct db *d = db_open(&o, e);
	if (!d)
		return err_prefix(e, "cannot connect to the new database: ");
	int r = migrate_run(d, e);
	db_free(d);
	return r;
}

/* What is told of it to those who are to trust it. */
static int
read_authority(const struct plan *p, struct outcome *out, struct err *e)
{
	char path[HOME_PATH_MAX];
	auto_buf pem = BUF_INIT;
	struct x509_info info;

	home_path(&p->home, HOME_PAIR_CA, path);
	int r = home_read_file(path, CERT_MAX, &pem, e);
	if (!r)
		r = x509_read(buf_str(&pem), &info, e);
	if (!r)
		r = x509_scopes(buf_str(&pem), out->scopes, sizeof(out->scopes), e);
	if (!r)
		memcpy(out->authority, info.pin, sizeof(out->authority));
	return r;
}

static int
fill_database(const struct plan *p, struct outcome *out, struct err *e)
{
	int control = -1, fd = -1;
	say(p, "making the tables");
	int r = migrate(p, e);
	if (!r)
		r = keyhost_start(&p->home, p->r->key_file, &control, &fd, e);
	say(p, "making the first administrator");
	if (!r)
		r = vaultd_bootstrap(&p->home, &p->settings, fd, &p->r->node, &p->names,
				     out->setup_token, e);
	if (!r)
		r = read_authority(p, out, e);
	keyhost_stop(control);
	return r;
}

static int
make_primary(const struct plan *p, struct outcome *out, struct err *e)
{
	say(p, "making the database cluster");
	int r = cluster_create(&p->home, &p->settings, e);
	if (!r)
		r = cluster_start(&p->home, e);
	if (r)
		return r;
	struct err stopping;
	r = fill_database(p, out, e);
	int s = cluster_stop(&p->home, r ? &stopping : e);
	return r ? r : s;
}

/* The user must be able to reach the key file on its own: root has given it, but its folder may be
 * closed. */
static int
check_key(const struct plan *p, struct err *e)
{
	if (p->o->secondary)
		return 0;
	struct keyring *k = keyring_open(p->r->key_file, e);
	if (!k)
		return err_prefix(e, "Holdfast runs as user %s: ", p->user.name);
	keyring_free(k);
	return 0;
}

static int
work(const struct plan *p, struct outcome *out, struct err *e)
{
	log_init("init", LOG_LEVEL_WARNING);
	int r = runas_become(&p->user, e);
	if (!r && chdir("/") < 0)
		r = err_errno(e, ERR_IO, "cannot leave the current folder");
	if (!r)
		r = check_key(p, e);
	if (!r)
		r = make_folders(p, e);
	if (!r)
		r = write_conf(p, e);
	if (!r && (p->o->fill || p->o->secondary))
		r = write_web_cert(p, e);
	if (!r && p->o->fill)
		r = p->o->fill(p->o->fill_ctx, &p->home, &p->settings, p->r->key_file, &p->r->node,
			       e);
	else if (!r && !p->o->secondary)
		r = make_primary(p, out, e);
	if (!r)
		r = chain_memory_begin(&p->home, e);
	/* Last: this file makes the folder a node. */
	return r ? r : home_node_write(&p->home, &p->r->node, e);
}

/* ---- the parent ---- */

static int
make_base(struct plan *p, struct err *e)
{
	/* Folders above it are for all to pass through. */
	mode_t mask = umask(022);
	int r = home_mkdirs(p->home.dir, 0755, e);
	umask(mask);
	if (!r && chmod(p->home.dir, 0700) < 0)
		r = err_errno(e, ERR_IO, "cannot close %s to others", p->home.dir);
	if (!r)
		r = runas_give(&p->user, p->home.dir, e);
	if (!r && p->key_made) {
		r = keyfile_create(p->r->key_file, e);
		p->key_made = !r; /* one that another made meanwhile is not ours to remove */
	}
	if (!r && p->key_made)
		r = runas_give(&p->user, p->r->key_file, e);
	return r;
}

static void
empty_folder(const char *dir)
{
	char path[PATH_MAX];
	struct err ignored;
	DIR *d = opendir(dir);
	for (struct dirent *row; d && (row = readdir(d));) {
		if (is_the_folders_own(row->d_name))
			continue;
		int n = snprintf(path, sizeof(path), "%s/%s", dir, row->d_name);
		if (n > 0 && (size_t)n < sizeof(path) && home_remove_tree(path, &ignored))
			continue;
	}
	if (d)
		closedir(d);
}

/* Empty, and whose it was. */
static void
give_back(const struct plan *p)
{
	empty_folder(p->home.dir);
	if (lchown(p->home.dir, p->home_was.st_uid, p->home_was.st_gid) < 0 ||
	    chmod(p->home.dir, p->home_was.st_mode & 07777) < 0)
		fprintf(stderr, "holdfast: %s could not be given back to its owner: %s\n",
			p->home.dir, strerror(errno));
}

static void
undo(const struct plan *p)
{
	struct err ignored;
	if (p->key_made)
		unlink(p->r->key_file);
	if (p->home_was_there)
		give_back(p);
	else if (p->first_made[0] && home_remove_tree(p->first_made, &ignored))
		fprintf(stderr, "holdfast: %s could not be removed again: %s\n", p->first_made,
			ignored.text);
}

/* Ends the child and everything that it had started; orphans come to us (subreaper). */
static void
end_all(pid_t child)
{
	kill(-child, SIGKILL);
	kill(child, SIGKILL);
	for (int64_t until = clock_mono_ms() + REAP_MS; clock_mono_ms() < until;) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);
		if (pid < 0 && errno == ECHILD)
			return;
		if (pid == 0)
			clock_sleep_ms(5);
	}
}

/* Waits for the child's end or for a signal, whichever comes first. */
static int
await(pid_t child, const sigset_t *set, const struct outcome *out, struct err *e)
{
	for (;;) {
		int status = 0, sig = sigwaitinfo(set, NULL);
		if (sig < 0)
			continue;
		if (sig != SIGCHLD)
			return err_set(e, ERR_REFUSED,
				       "interrupted; everything that was made is removed again");
		if (waitpid(child, &status, WNOHANG) != child)
			continue;
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			return 0;
		if (WIFEXITED(status) && out->code) {
			*e = out->e;
			return out->code;
		}
		return err_set(
			e, ERR_INTERNAL,
			"the set-up crashed (status %d); everything that was made is removed again",
			status);
	}
}

static void
run_child(const struct plan *p, struct outcome *out, const sigset_t *old, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	setpgid(0, 0);		  /* a terminal's Ctrl-C goes to the parent alone */
	signal(SIGTTOU, SIG_IGN); /* and yet it may write to the terminal */
	sigprocmask(SIG_SETMASK, old, NULL);
	out->code = work(p, out, &out->e);
	fflush(NULL);
	_exit(out->code ? 1 : 0);
}

/* Begins and ends with the signals blocked. */
static int
make_all(struct plan *p, struct outcome *out, const sigset_t *set, const sigset_t *old,
	 struct err *e)
{
	int r = make_base(p, e);
	if (!r) {
		fflush(NULL);
		pid_t parent = getpid(), child = fork();
		if (child == 0)
			run_child(p, out, old, parent);
		r = child < 0 ? err_errno(e, ERR_IO, "cannot start the set-up")
			      : await(child, set, out, e);
		if (child > 0)
			end_all(child);
	}
	if (r || p->o->scratch)
		undo(p);
	return r;
}

static int
guard_and_make(struct plan *p, struct outcome *out, struct err *e)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD };
	sigset_t set, old;
	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		sigaddset(&set, ends[i]);
	sigprocmask(SIG_BLOCK, &set, &old);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	int r = make_all(p, out, &set, &old, e);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return r;
}

int
create_node(const struct create_options *o, struct create_result *ret, struct err *e)
{
	struct plan p = { .o = o, .r = ret };
	memset(ret, 0, sizeof(*ret));
	int major = 0, r = plan_home(&p, e);
	char bin[HOME_PATH_MAX];
	if (!r)
		r = plan_settings(&p, e);
	if (!r)
		r = plan_names(&p, e);
	if (!r)
		r = plan_key(&p, e);
	if (!r)
		r = cluster_find_bin(0, bin, &major, e);
	if (!r)
		r = runas_choose(p.home_was_there ? p.home.dir : NULL, o->user, &p.user, e);
	if (r)
		return r;
	snprintf(ret->user, sizeof(ret->user), "%s", p.user.name);
	struct outcome *out =
		mmap(NULL, sizeof(*out), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (out == MAP_FAILED)
		return err_errno(e, ERR_INTERNAL, "cannot get memory");
	r = guard_and_make(&p, out, e);
	if (!r) {
		memcpy(ret->setup_token, out->setup_token, sizeof(ret->setup_token));
		memcpy(ret->authority, out->authority, sizeof(ret->authority));
		memcpy(ret->scopes, out->scopes, sizeof(ret->scopes));
	}
	secret_wipe(out->setup_token, sizeof(out->setup_token));
	munmap(out, sizeof(*out));
	return r;
}
