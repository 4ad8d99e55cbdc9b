/* SPDX-License-Identifier: Apache-2.0 */
#include "node/preflight.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "base/log.h"
#include "base/pidfile.h"
#include "base/place.h"
#include "base/port.h"
#include "crypto/keyfile.h"
#include "crypto/x509.h"
#include "ha/ports.h"
#include "node/pairfiles.h"
#include "node/runas.h"
#include "pack/pack.h"
#include "pg/cluster.h"

#define PEM_MAX_BYTES 65536
#define FREE_MIN_BYTES (20u << 20) /* a segment of WAL and a little */

bool
preflight_has_pair(const struct home *h)
{
	return home_has(h, HOME_PAIR_CERT) && home_has(h, HOME_PAIR_KEY) &&
	       home_has(h, HOME_PAIR_CA);
}

bool
preflight_has_pack(const struct home *h)
{
	char dir[HOME_PATH_MAX], path[HOME_PATH_MAX + 32];
	home_path(h, HOME_PACK, dir);
	snprintf(path, sizeof(path), "%s/manifest.json", dir);
	return access(path, F_OK) == 0 || errno == EACCES; /* closed to us, and there */
}

int
preflight_home(const struct home *h, struct err *e)
{
	struct home_node node;
	struct stat st;
	char path[HOME_PATH_MAX];
	home_path(h, HOME_NODE, path);
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return err_set(
			e, ERR_PRECONDITION,
			"%s is not the home of a node: make one there with holdfast init --home "
			"%s, or name another home",
			h->dir, h->dir);
	int r = home_node_read(h, &node, e);
	if (r)
		return r;
	if (stat(h->dir, &st) == 0 && st.st_uid != geteuid())
		return err_set(
			e, ERR_PRECONDITION,
			"the home %s belongs to user %lu, but this runs as user %lu: run it as "
			"the owner or as root",
			h->dir, (unsigned long)st.st_uid, (unsigned long)geteuid());
	return 0;
}

/* A node keeps the name that it was made with: it stands in the log and in certificates, and the others know it by it. */
static int
check_name(const struct proc_args *a, struct err *e)
{
	struct home_node node;
	int r = home_node_read(&a->home, &node, e);

	if (r || strcasecmp(a->settings.name, node.name) == 0)
		return r;
	return err_set(e, ERR_PRECONDITION,
		       "conf/holdfast.conf says `name = %.100s`, but this node was made as "
		       "%.100s, and users and the other nodes know it by that name. Put `name = "
		       "%.100s` back; nothing was changed. To rename a machine, set it up as a "
		       "new secondary (`holdfast ha setup`), switch over to it, and remove the "
		       "old node",
		       a->settings.name, node.name, node.name);
}

/* What root has unzipped is taken over by whoever begins as root. A service does not: its unit names the user. */
static int
check_pack(const struct home *h, struct err *e)
{
	static const char *const parts[] = { PACK_MANIFEST_NAME, PACK_NODE_NAME, PACK_BASE_NAME };
	char path[HOME_PATH_MAX + 32];
	struct runas self;

	home_path(h, HOME_PACK, path);
	bool ours = access(path, R_OK | W_OK | X_OK) == 0 || errno != EACCES;
	for (size_t i = 0; ours && i < ARRAY_LEN(parts); i++) {
		snprintf(path, sizeof(path), "%s/%s", h->dir, parts[i]);
		ours = access(path, R_OK) == 0 || errno != EACCES;
	}
	if (ours)
		return 0;
	home_path(h, HOME_PACK, path);
	int r = runas_choose(h->dir, NULL, &self, e);
	return r ? r
		 : err_set(e, ERR_PRECONDITION,
			   "the unpacked pack in %s cannot be read by user %s, as which Holdfast "
			   "runs (did root unzip it?). As root, run `chown -R %s: %s` and start "
			   "again. Or remove that folder, and use `holdfast ha join HAPack-….zip`",
			   path, self.name, self.name, path);
}

/* A secondary that never had a pack has nothing to serve; one that had makes itself new again. */
static int
check_data(const struct home *h, struct err *e)
{
	char bin[HOME_PATH_MAX];
	int major = 0, r = cluster_major(h, &major, e);
	if (r)
		return r;
	if (!major && !preflight_has_pack(h) && !home_has(h, HOME_PAIR))
		return err_set(e, ERR_PRECONDITION,
			       "this node has no data yet: it is a new secondary without its "
			       "pack. Run `holdfast ha setup` on the primary, copy the HAPack "
			       "here, run `holdfast ha join HAPack-….zip` (or unzip it in %s), "
			       "then serve again",
			       h->dir);
	return cluster_find_bin(major, bin, &major, e);
}

/* Without them the service falls again and again, and says nothing that helps. */
static int
check_web_cert(const struct home *h, struct err *e)
{
	auto_buf cert = BUF_INIT, key = BUF_INIT;
	char cert_path[HOME_PATH_MAX], key_path[HOME_PATH_MAX];

	home_path(h, HOME_WEB_CERT, cert_path);
	home_path(h, HOME_WEB_KEY, key_path);
	int r = home_read_file(cert_path, PEM_MAX_BYTES, &cert, e);
	if (!r)
		r = home_read_file(key_path, PEM_MAX_BYTES, &key, e);
	if (!r && (!cert.len || !key.len))
		r = err_set(e, ERR_PRECONDITION, "%s is empty", cert.len ? key_path : cert_path);
	else if (!r && x509_fits(buf_str(&cert), buf_str(&key), e))
		r = err_prefix(e, "%s and %s: ", cert_path, key_path);
	if (!r)
		return 0;
	(void)err_prefix(
		e, "the web certificate cannot be used: restore both files from a copy of "
		   "the home, or put a certificate and key of your own there, or make one for "
		   "now (`holdfast cert renew --self-signed`, and `holdfast cert renew --web` "
		   "once the node serves). The cause: ");
	return e->code = ERR_PRECONDITION;
}

/* What is a file when it is there. A folder in its place would be found only by the process that needs it, which falls then. */
static int
check_files(const struct home *h, struct err *e)
{
	struct stat st;

	for (enum home_path p = 0; p < HOME_ROWS; p++) {
		char path[HOME_PATH_MAX];
		if (home_row(p)->kind != HOME_IS_FILE || strchr(home_row(p)->path, '*'))
			continue;
		home_path(h, p, path);
		if (stat(path, &st) < 0) {
			if (errno == ENOENT || errno == ENOTDIR)
				continue;
			return err_errno(e, ERR_IO, "cannot look at %s", path);
		}
		if (!S_ISREG(st.st_mode))
			return err_set(e, ERR_PRECONDITION,
				       "%s must be a plain file, and is not. Restore the file "
				       "from a copy of the home, or move away what is there; then "
				       "start again",
				       path);
	}
	return 0;
}

static int
check_disk(const struct home *h, struct err *e)
{
	struct statvfs vfs;
	if (statvfs(h->dir, &vfs) < 0)
		return err_errno(e, ERR_IO, "cannot find out how full the disk of %s is", h->dir);
	unsigned long long left = (unsigned long long)vfs.f_bavail * vfs.f_frsize;
	if (left >= FREE_MIN_BYTES)
		return 0;
	return err_set(
		e, ERR_IO,
		"the disk that holds %s is full: %llu MiB are free, and the node needs at least "
		"%u to start. Free some space there, or enlarge the disk, and start again; "
		"nothing was changed",
		h->dir, left >> 20, FREE_MIN_BYTES >> 20);
}

int
preflight_settle(const struct home *h, struct err *e)
{
	bool moved;
	int r = place_settle(h, &moved, e);
	if (!r && moved)
		log_notice("put new certificates into place that an interrupted command had left "
			   "behind");
	return r;
}

/* What a copy of the home, or a tidy operator, left out and a start can make anew. By what lies in run/ a node that runs is
 * known: it is not to be taken for one that does not. */
static int
make_folders(const struct home *h, struct err *e)
{
	auto_buf made = BUF_INIT;
	pid_t pid = home_has(h, HOME_RUN) ? 0 : cluster_pid(h);

	if (pid)
		return err_set(e, ERR_REFUSED,
			       "%s/run is gone, but this node's PostgreSQL still runs, as process "
			       "%d: stop the Holdfast that runs it, then start again",
			       h->dir, (int)pid);
	int r = home_make_folders(h, HOME_BY_START, &made, e);
	if (made.len)
		log_notice("made anew in %s, since it was missing: %s", h->dir, buf_str(&made));
	return r;
}

static int
remove_unfinished(const struct home *h, struct err *e)
{
	auto_buf removed = BUF_INIT;
	int r = home_remove_unfinished(h, &removed, e);

	if (removed.len)
		log_notice("removed from %s what a crash had left half-written: %s", h->dir,
			   buf_str(&removed));
	return r;
}

/* Where it is may not have been said: that is keyd's to say. */
static int
key_there(const struct proc_args *a, struct err *e)
{
	char path[HOME_PATH_MAX];
	struct err ignored;

	memcpy(path, a->key_file, sizeof(path));
	if (!path[0] && home_key_path(&a->home, path, &ignored))
		return 0;
	return keyfile_there(path, e);
}

/* A port that is taken is said first: it does not come by itself. */
int
preflight_await(const struct proc_args *a, struct err *e)
{
	const struct {
		const char *address, *setting;
	} ports[] = { { a->settings.listen, "listen" },
		      { a->settings.pair_listen, "pair_listen" } };
	size_t n = preflight_has_pair(&a->home) ? 2 : 1;
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		struct err why = { 0 };
		int p = port_check(ports[i].address, ports[i].setting, &why);
		if (!p || (r && p == ERR_UNREACHABLE))
			continue;
		*e = why;
		if (p != ERR_UNREACHABLE)
			return p;
		r = p;
	}
	return r ? r : key_there(a, e);
}

int
preflight_check(const struct proc_args *a, struct err *e)
{
	int r = preflight_home(&a->home, e);
	if (!r)
		r = pidfile_alone(&a->home, e);
	if (!r)
		r = check_name(a, e);
	if (!r)
		r = make_folders(&a->home, e);
	if (!r)
		r = remove_unfinished(&a->home, e);
	if (!r)
		r = preflight_settle(&a->home, e);
	bool pair = preflight_has_pair(&a->home);
	if (!r && pair)
		r = ports_check(&a->home, &a->settings, e);
	if (!r)
		r = check_data(&a->home, e);
	if (!r)
		r = check_pack(&a->home, e);
	if (!r)
		r = cluster_socket_check(&a->home, &a->settings, e);
	if (!r)
		r = check_web_cert(&a->home, e);
	if (!r)
		r = check_files(&a->home, e);
	if (!r)
		r = pairfiles_check(a, e);
	if (!r)
		r = check_disk(&a->home, e);
	if (!r)
		r = preflight_await(a, e);
	return r == ERR_UNREACHABLE ? 0 : r;
}
