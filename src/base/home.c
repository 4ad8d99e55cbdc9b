/* SPDX-License-Identifier: Apache-2.0 */
#include "base/home.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fault.h"
#include "base/homefile.h"

#define CONF_MAX 65536
#define TREE_DEPTH_MAX 64
/* What a file is called while it is written, behind its own name; mkostemp draws the last six. */
#define UNFINISHED ".unfinished-"
#define DRAWN "XXXXXX"

/* "you may not read PATH: run it as root or as OWNER": ERR_FORBIDDEN. */
static int
say_denied(const char *path, struct err *e)
{
	struct stat st;
	const struct passwd *owner = stat(path, &st) == 0 ? getpwuid(st.st_uid) : NULL;
	const char *name = owner ? owner->pw_name : "holdfast";
	bool other = strcmp(name, "root") != 0 && !(owner && owner->pw_uid == geteuid());
	return err_set(e, ERR_FORBIDDEN, "you may not read %s: run it as root%s%s", path,
		       other ? " or as " : "", other ? name : "");
}

/* A node's folders belong to its user alone: whoever may not look into them is told so here, before
 * what is in them seems to be missing. */
static int
check_readable(const struct home *h, struct err *e)
{
	static const char *const folders[] = { "", "/conf", "/run" };
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		char path[HOME_PATH_MAX];
		snprintf(path, sizeof(path), "%s%s", h->dir, folders[i]);
		if (faccessat(AT_FDCWD, path, R_OK | X_OK, AT_EACCESS) < 0 && errno == EACCES)
			return say_denied(path, e);
	}
	return 0;
}

int
home_open(struct home *ret, const char *dir, struct err *e)
{
	char real[PATH_MAX];
	struct stat st;
	struct home h;
	if (!realpath(dir, real) || stat(real, &st) < 0)
		return errno == EACCES
			       ? say_denied(dir, e)
			       : err_errno(e, ERR_IO, "cannot open the home folder %s", dir);
	if (!S_ISDIR(st.st_mode)) {
		errno = ENOTDIR;
		return err_errno(e, ERR_IO, "cannot open the home folder %s", dir);
	}
	size_t n = strlen(real);
	if (n >= sizeof(h.dir))
		return err_set(e, ERR_IO,
			       "the path of the home folder is longer than %zu bytes: choose a "
			       "shorter one",
			       sizeof(h.dir) - 1);
	memcpy(h.dir, real, n + 1);
	int r = check_readable(&h, e);
	if (!r)
		*ret = h;
	return r;
}

void
home_start_command(const char *dir, char ret[static HOME_START_MAX])
{
	static const char *const units[] = { "/etc/systemd/system/holdfast.service",
					     "/usr/local/lib/systemd/system/holdfast.service",
					     "/usr/lib/systemd/system/holdfast.service" };
	bool service = false;

	if (strcmp(dir, HOME_DEFAULT) == 0 && access("/run/systemd/system", F_OK) == 0)
		for (size_t i = 0; i < ARRAY_LEN(units); i++)
			service |= access(units[i], F_OK) == 0;
	if (service)
		snprintf(ret, HOME_START_MAX, "systemctl enable --now holdfast");
	else
		snprintf(ret, HOME_START_MAX, "holdfast serve --home %s", dir);
}

#define FILE HOME_IS_FILE
#define FOLDER HOME_IS_FOLDER
#define TREE HOME_IS_TREE
#define SOCKET HOME_IS_SOCKET
#define PERSON HOME_BY_PERSON
#define COMMAND HOME_BY_COMMAND
#define START HOME_BY_START
#define SUPERVISOR HOME_BY_SUPERVISOR
#define AGENT HOME_BY_AGENT
#define VAULTD HOME_BY_VAULTD
#define POSTGRES HOME_BY_POSTGRES
#define KEYD HOME_BY_KEYD
static const struct home_row rows[] = {
#define HOME(name, path, kind, mode, writers, what)                                                \
	[HOME_##name] = { path, kind, mode, writers, what },
#include "base/home.def"
#undef HOME
};
#undef FILE
#undef FOLDER
#undef TREE
#undef SOCKET
#undef PERSON
#undef COMMAND
#undef START
#undef SUPERVISOR
#undef AGENT
#undef VAULTD
#undef POSTGRES
#undef KEYD

const struct home_row *
home_row(enum home_path p)
{
	return &rows[p];
}

void
home_path(const struct home *h, enum home_path p, char ret[static HOME_PATH_MAX])
{
	snprintf(ret, HOME_PATH_MAX, "%s/%s", h->dir, rows[p].path);
}

void
home_path_with(const struct home *h, enum home_path p, const char *star,
	       char ret[static HOME_PATH_MAX])
{
	const char *path = rows[p].path, *at = strchr(path, '*');

	assert(at);
	snprintf(ret, HOME_PATH_MAX, "%s/%.*s%s%s", h->dir, (int)(at - path), path, star, at + 1);
}

bool
home_has(const struct home *h, enum home_path p)
{
	char path[HOME_PATH_MAX];

	home_path(h, p, path);
	return access(path, F_OK) == 0;
}

static void
write_writers(unsigned writers, struct buf *out)
{
	static const char *const names[] = { "person", "command", "start",    "supervisor",
					     "agent",  "vaultd",  "postgres", "keyd" };
	const char *between = "";

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (!(writers & 1u << i))
			continue;
		buf_addf(out, "%s%s", between, names[i]);
		between = ", ";
	}
}

void
home_write_markdown(struct buf *out)
{
	static const char *const kinds[] = { "file", "folder", "tree", "socket" };

	buf_adds(out, "# The home folder\n"
		      "\n"
		      "Everything that lies in it, and who writes it. All of it belongs to "
		      "Holdfast's user. A *tree* is a\n"
		      "folder whose inside is its writer's own affair; `*` stands for what varies. "
		      "*Person* is you with an\n"
		      "editor, *command* a verb of `holdfast` on this machine, *start* a step that "
		      "`holdfast serve` takes\n"
		      "before it serves; the others are processes.\n"
		      "\n"
		      "A file that is written anew is written beside its place first, as "
		      "`NAME" UNFINISHED DRAWN "`, and then\n"
		      "takes it. What a crash left of that is removed by the next start.\n"
		      "\n"
		      "| path | kind | mode | written by | what |\n|---|---|---|---|---|\n");
	for (size_t i = 0; i < HOME_ROWS; i++) {
		buf_addf(out, "| `%s` | %s | %04o | ", rows[i].path, kinds[rows[i].kind],
			 (unsigned)rows[i].mode);
		write_writers(rows[i].writers, out);
		buf_addf(out, " | %s |\n", rows[i].what);
	}
}

static int
read_node_line(void *arg, const char *section, const char *name, const char *value)
{
	struct home_node *n = arg;
	if (strcmp(section, "node") != 0)
		return 0;
	if (strcmp(name, "id") == 0)
		return uuid_parse(value, &n->id) == 0;
	if (strcmp(name, "name") == 0 && strlen(value) < sizeof(n->name)) {
		memcpy(n->name, value, strlen(value) + 1);
		return 1;
	}
	return 0;
}

int
home_node_read(const struct home *h, struct home_node *ret, struct err *e)
{
	char path[HOME_PATH_MAX];
	auto_buf text = BUF_INIT;
	home_path(h, HOME_NODE, path);
	int r = home_read_file(path, CONF_MAX, &text, e);
	if (r && e->sys == ENOENT)
		return err_prefix(e, "this folder is no node yet (holdfast init makes one): ");
	if (r)
		return r;
	struct home_node n = { 0 };
	int line = ini_parse_string(buf_str(&text), read_node_line, &n);
	if (line)
		return err_set(e, ERR_IO, "%s: line %d is not understood", path, line);
	if (uuid_is_nil(&n.id) || !n.name[0])
		return err_set(e, ERR_IO, "%s: id or name is missing", path);
	*ret = n;
	return 0;
}

int
home_node_write(const struct home *h, const struct home_node *n, struct err *e)
{
	char path[HOME_PATH_MAX], id[UUID_STR_LEN];
	auto_buf text = BUF_INIT;
	home_path(h, HOME_NODE, path);
	uuid_str(&n->id, id);
	buf_addf(&text, "[node]\nid = %s\nname = %s\n", id, n->name);
	return home_write_file(path, text.data, text.len, 0600, e);
}

static int
read_all(int fd, const char *path, size_t max, struct buf *ret, struct err *e)
{
	size_t start = ret->len;
	for (;;) {
		buf_reserve(ret, 16384);
		ssize_t n = FAULT(FILE_READ, -1, read(fd, ret->data + ret->len, 16384));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, ERR_IO, "cannot read %s", path);
		if (!n)
			return 0;
		ret->len += (size_t)n;
		ret->data[ret->len] = '\0';
		if (ret->len - start > max)
			return err_set(e, ERR_TOO_LARGE, "%s is larger than %zu bytes", path, max);
	}
}

/* Drops what was added after `start`, wiping it. */
static void
cut(struct buf *b, size_t start)
{
	if (b->len <= start)
		return;
	memset(b->data + start, 0, b->len - start);
	b->len = start;
}

int
home_read_file(const char *path, size_t max, struct buf *ret, struct err *e)
{
	int fd = FAULT(FILE_OPEN, -1, homefile_open(path, O_RDONLY | O_CLOEXEC, 0));
	if (fd < 0)
		return err_errno(e, ERR_IO, "cannot read %s", path);
	size_t start = ret->len;
	buf_reserve(ret, 0);
	ret->data[ret->len] = '\0';
	int r = read_all(fd, path, max, ret, e);
	if (r)
		cut(ret, start);
	close(fd);
	return r;
}

static int
write_all(int fd, const char *data, size_t n)
{
	while (n) {
		ssize_t w = FAULT(FILE_WRITE, -1, write(fd, data, n));
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -1;
		data += w;
		n -= (size_t)w;
	}
	return 0;
}

/* The folder of a path: "." for a bare name. */
static void
folder_of(const char *path, char *ret, size_t room)
{
	const char *slash = strrchr(path, '/');
	if (!slash)
		snprintf(ret, room, ".");
	else if (slash == path)
		snprintf(ret, room, "/");
	else
		snprintf(ret, room, "%.*s", (int)(slash - path), path);
}

static int
sync_folder(const char *path)
{
	char dir[PATH_MAX];
	folder_of(path, dir, sizeof(dir));
	int fd = FAULT(FILE_OPEN, -1, open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (fd < 0)
		return -1;
	int r = FAULT(FILE_SYNC, -1, fsync(fd));
	close(fd);
	return r;
}

int
home_write_file(const char *path, const void *data, size_t n, mode_t mode, struct err *e)
{
	char tmp[PATH_MAX];
	if ((size_t)snprintf(tmp, sizeof(tmp), "%s" UNFINISHED DRAWN, path) >= sizeof(tmp))
		return err_set(e, ERR_IO, "the path %s is too long", path);
	int fd = FAULT(FILE_CREATE, -1, mkostemp(tmp, O_CLOEXEC));
	if (fd < 0)
		return err_errno(e, ERR_IO, "cannot write %s", path);
	int r = 0;
	if (write_all(fd, data, n) < 0 || fchmod(fd, mode) < 0 ||
	    FAULT(FILE_SYNC, -1, fsync(fd)) < 0)
		r = err_errno(e, ERR_IO, "cannot write %s", path);
	close(fd);
	if (!r && (FAULT(FILE_RENAME, -1, rename(tmp, path)) < 0 || sync_folder(path) < 0))
		r = err_errno(e, ERR_IO, "cannot write %s", path);
	if (r)
		unlink(tmp);
	return r;
}

int
home_sync_name(const char *path, struct err *e)
{
	return sync_folder(path) < 0 ? err_errno(e, ERR_IO, "cannot bring %s to the disk", path)
				     : 0;
}

int
home_mkdirs(const char *path, mode_t mode, struct err *e)
{
	char part[PATH_MAX];
	size_t n = strlen(path);
	if (n >= sizeof(part))
		return err_set(e, ERR_IO, "the path %s is too long", path);
	memcpy(part, path, n + 1);
	for (size_t i = 1; i <= n; i++) {
		if (part[i] != '/' && part[i])
			continue;
		part[i] = '\0';
		if (FAULT(FILE_MKDIR, -1, mkdir(part, mode)) < 0 && errno != EEXIST)
			return err_errno(e, ERR_IO, "cannot create the folder %s", part);
		part[i] = i < n ? '/' : '\0';
	}
	struct stat st;
	if (stat(path, &st) < 0)
		return err_errno(e, ERR_IO, "cannot create the folder %s", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_IO, "%s is in the way: it is not a folder", path);
	return 0;
}

bool
home_is_of_chain(const char *name, const char *begins, struct uuid *ret_chain)
{
	static const char end[] = ".db";
	size_t n = strlen(begins), id_len = UUID_STR_LEN - 1;
	char id[UUID_STR_LEN];

	if (strncmp(name, begins, n) != 0 || strlen(name) != n + id_len + strlen(end) ||
	    strcmp(name + n + id_len, end) != 0)
		return false;
	memcpy(id, name + n, id_len);
	id[id_len] = '\0';
	return uuid_parse(id, ret_chain) == 0;
}

int
home_make_folders(const struct home *h, unsigned writers, struct buf *ret_made, struct err *e)
{
	char path[HOME_PATH_MAX];
	int r = 0;

	for (enum home_path p = 0; !r && p < HOME_ROWS; p++) {
		if (rows[p].kind != HOME_IS_FOLDER || !(rows[p].writers & writers) ||
		    home_has(h, p))
			continue;
		home_path(h, p, path);
		r = home_mkdirs(path, rows[p].mode, e);
		if (!r)
			buf_addf(ret_made, "%s%s", ret_made->len ? ", " : "", rows[p].path);
	}
	return r;
}

static bool
is_unfinished(const char *name)
{
	size_t n = strlen(name), end = strlen(UNFINISHED DRAWN);
	return n > end && strncmp(name + n - end, UNFINISHED, strlen(UNFINISHED)) == 0;
}

int
home_remove_unfinished(const struct home *h, struct buf *ret_removed, struct err *e)
{
	char path[HOME_PATH_MAX];
	int r = 0;

	for (enum home_path p = 0; !r && p < HOME_ROWS; p++) {
		if (rows[p].kind != HOME_IS_FOLDER)
			continue;
		home_path(h, p, path);
		DIR *d = opendir(path);
		if (!d && errno == ENOENT)
			continue;
		if (!d)
			return err_errno(e, ERR_IO, "cannot read the folder %s", path);
		for (struct dirent *row; !r && (row = readdir(d));) {
			if (!is_unfinished(row->d_name))
				continue;
			if (unlinkat(dirfd(d), row->d_name, 0) < 0) {
				r = err_errno(e, ERR_IO, "cannot remove %s/%s", path, row->d_name);
				break;
			}
			buf_addf(ret_removed, "%s%s/%s", ret_removed->len ? ", " : "", rows[p].path,
				 row->d_name);
		}
		closedir(d);
	}
	return r;
}

static int remove_at(int dir, const char *name, int depth);

static int
empty_folder(int dir, const char *name, int depth)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	DIR *d = fdopendir(fd);
	if (!d) {
		close(fd);
		return -1;
	}
	int r = 0;
	for (struct dirent *row; !r && (row = readdir(d));) {
		if (strcmp(row->d_name, ".") != 0 && strcmp(row->d_name, "..") != 0)
			r = remove_at(fd, row->d_name, depth + 1);
	}
	int keep = errno;
	closedir(d);
	errno = keep;
	return r;
}

/* Never follows a symbolic link out of the tree. */
static int
remove_at(int dir, const char *name, int depth)
{
	struct stat st;
	if (depth > TREE_DEPTH_MAX) {
		errno = ELOOP;
		return -1;
	}
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1; /* it is not there */
	if (!S_ISDIR(st.st_mode))
		return FAULT(FILE_REMOVE, -1, unlinkat(dir, name, 0));
	if (empty_folder(dir, name, depth) < 0)
		return -1;
	return FAULT(FILE_REMOVE, -1, unlinkat(dir, name, AT_REMOVEDIR));
}

int
home_remove_tree(const char *path, struct err *e)
{
	if (remove_at(AT_FDCWD, path, 0) < 0)
		return err_errno(e, ERR_IO, "cannot remove %s", path);
	return 0;
}

int
home_check_movable(const char *path, struct err *e)
{
	struct statx x;

	if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &x) < 0)
		return errno == ENOENT ? 0 : err_errno(e, ERR_IO, "cannot look at %s", path);
	if (!(x.stx_attributes & x.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT))
		return 0;
	return err_set(e, ERR_PRECONDITION,
		       "%s is a file system of its own: a copy cannot take its place. Mount it at "
		       "the folder above, so that both have room in it",
		       path);
}

/* The first line that says something, without the blanks around it; NULL when there is none. */
static char *
first_line(char *text)
{
	char *rest = NULL;
	for (char *l = strtok_r(text, "\r\n", &rest); l; l = strtok_r(NULL, "\r\n", &rest)) {
		l += strspn(l, " \t");
		size_t n = strlen(l);
		while (n && (l[n - 1] == ' ' || l[n - 1] == '\t'))
			l[--n] = '\0';
		if (n && l[0] != '#')
			return l;
	}
	return NULL;
}

int
home_key_path(const struct home *h, char ret[static HOME_PATH_MAX], struct err *e)
{
	char conf[HOME_PATH_MAX];
	auto_buf text = BUF_INIT;
	home_path(h, HOME_KEY_CONF, conf);
	if (home_read_file(conf, CONF_MAX, &text, e))
		return err_set(
			e, ERR_BAD_KEY,
			"where the master key is has not been said: write its full path into "
			"%s (one line), or give --key-file",
			conf);
	char *line = first_line(text.data);
	if (!line)
		return err_set(e, ERR_BAD_KEY,
			       "%s is empty: write the full path of the master key file into it "
			       "(one line), or give --key-file",
			       conf);
	size_t n = strlen(line);
	if (line[0] != '/' || n >= HOME_PATH_MAX)
		return err_set(e, ERR_BAD_KEY,
			       "%s must hold the full path of the master key file, from / on, "
			       "shorter than %d bytes",
			       conf, HOME_PATH_MAX);
	memcpy(ret, line, n + 1);
	return 0;
}
