/* SPDX-License-Identifier: Apache-2.0 */
#include "base/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fault.h"

#define PART_MAX (2 * HOME_PATH_MAX)

/* ---- one file ---- */

static int
is_there(const char *path, struct err *e)
{
	return err_set(e, ERR_EXISTS,
		       "there is a file %s already; nothing was changed. Name another, or say "
		       "--force to replace it",
		       path);
}

int
place_check(const char *path, bool replace, struct err *e)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : err_errno(e, ERR_IO, "cannot write %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_EXISTS,
			       "%s is there already, and is no plain file: it is not replaced. "
			       "Nothing was changed; name another",
			       path);
	return replace ? 0 : is_there(path, e);
}

/* Not every file system knows how to rename without replacing; a second name for the same file does it there. */
static int
rename_new(const char *made, const char *path)
{
	if (FAULT(FILE_RENAME, -1, renameat2(AT_FDCWD, made, AT_FDCWD, path, RENAME_NOREPLACE)) ==
	    0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	return link(made, path) < 0 ? -1 : unlink(made);
}

int
place_file(const char *made, const char *path, bool replace, struct err *e)
{
	int rc = place_check(path, replace, e);
	if (rc < 0)
		return rc;
	if ((replace ? FAULT(FILE_RENAME, -1, rename(made, path)) : rename_new(made, path)) < 0)
		return errno == EEXIST ? is_there(path, e)
				       : err_errno(e, ERR_IO, "cannot put %s into its place", path);
	return home_sync_name(path, e);
}

/* ---- several that fit together ---- */

static int
write_parts(const char *dir, const struct home *h, const struct place_part *parts, size_t n,
	    struct err *e)
{
	int rc = home_mkdirs(dir, 0700, e);

	for (size_t i = 0; rc == 0 && i < n; i++) {
		char path[HOME_PATH_MAX], part[PART_MAX];
		home_path(h, parts[i].path, path);
		snprintf(part, sizeof(part), "%s%s", dir, strrchr(path, '/'));
		rc = home_write_file(part, buf_str(parts[i].data), parts[i].data->len,
				     parts[i].mode, e);
	}
	return rc;
}

/* Each goes over the one that is there. Another process may be doing the same: then there is nothing left to move. */
static int
move_parts(const char *from, const char *to, struct err *e)
{
	int rc = 0;
	DIR *d = opendir(from);

	if (!d)
		return errno == ENOENT ? 0
				       : err_errno(e, ERR_IO, "cannot read the folder %s", from);
	for (struct dirent *row; rc == 0 && (row = readdir(d));) {
		char part[PART_MAX], place[PART_MAX];
		if (row->d_name[0] == '.')
			continue;
		snprintf(part, sizeof(part), "%s/%.255s", from, row->d_name);
		snprintf(place, sizeof(place), "%s/%.255s", to, row->d_name);
		if (FAULT(FILE_RENAME, -1, rename(part, place)) < 0 && errno != ENOENT)
			rc = err_errno(e, ERR_IO, "cannot put %s into its place", place);
	}
	closedir(d);
	return rc;
}

int
place_settle(const struct home *h, bool *ret_moved, struct err *e)
{
	char from[HOME_PATH_MAX], to[HOME_PATH_MAX];

	home_path(h, HOME_TLS_NEW, from);
	home_path(h, HOME_TLS, to);
	*ret_moved = home_has(h, HOME_TLS_NEW);
	if (!*ret_moved)
		return 0;
	int rc = move_parts(from, to, e);
	if (rc == 0)
		rc = home_sync_name(from, e);
	/* Only now: the names of what was in it are on the disk. */
	if (rc == 0 && FAULT(FILE_REMOVE, -1, rmdir(from)) < 0 && errno != ENOENT)
		rc = err_errno(e, ERR_IO, "cannot remove %s", from);
	return rc;
}

int
place_set(const struct home *h, const struct place_part *parts, size_t n, struct err *e)
{
	char making[HOME_PATH_MAX], new[HOME_PATH_MAX];
	struct err ignored;
	bool moved;

	home_path(h, HOME_TLS_MAKING, making);
	home_path(h, HOME_TLS_NEW, new);
	int rc = place_settle(h, &moved, e);
	if (rc == 0)
		rc = home_remove_tree(making, e);
	if (rc == 0)
		rc = write_parts(making, h, parts, n, e);
	if (rc == 0 && FAULT(FILE_RENAME, -1, rename(making, new)) < 0)
		rc = err_errno(e, ERR_IO, "cannot put %s into its place", new);
	if (rc < 0) {
		if (home_remove_tree(making, &ignored) < 0)
			(void)err_prefix(e, "%s is left over: ", making);
		return rc;
	}
	rc = home_sync_name(new, e);
	if (rc == 0)
		rc = place_settle(h, &moved, e);
	return rc == 0 ? 0
		       : err_prefix(e,
				    "the new files are in %s and are put into their place when "
				    "the node starts, or by the same command again: ",
				    new);
}
