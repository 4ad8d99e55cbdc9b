/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_CHARS (2 * KEYFILE_BYTES)

/* Its number when it has no name here. */
static void
name_of_user(uid_t uid, char *ret, size_t room)
{
	const struct passwd *pw = getpwuid(uid);

	if (pw)
		snprintf(ret, room, "%s", pw->pw_name);
	else
		snprintf(ret, room, "%lu", (unsigned long)uid);
}

/* Of a file that Holdfast's user may not read, or others may: whose it is, and what to type. */
static int
wrong_rights(const struct stat *st, const char *path, struct err *e)
{
	char owner[64], us[64];

	name_of_user(st->st_uid, owner, sizeof(owner));
	name_of_user(geteuid(), us, sizeof(us));
	if (st->st_uid != geteuid())
		return err_set(e, ERR_BAD_KEY,
			       "the master key file %s belongs to user %s (mode %03o), but "
			       "Holdfast runs as user %s: chown %s %s && chmod 400 %s",
			       path, owner, (unsigned)st->st_mode & 0777, us, us, path, path);
	return err_set(e, ERR_BAD_KEY,
		       "the master key file %s has mode %03o: its owner %s alone may read it: "
		       "chmod 400 %s",
		       path, (unsigned)st->st_mode & 0777, owner, path);
}

static int
check_file(int fd, const char *path, struct err *e)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return err_errno(e, ERR_BAD_KEY, "cannot read the master key file %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_BAD_KEY, "the master key %s is not a plain file", path);
	if (st.st_uid != geteuid() || (st.st_mode & 077))
		return wrong_rights(&st, path, e);
	return 0;
}

/* The device is absent only when the file is. */
static bool
is_absent(int sys)
{
	return sys == ENOENT || sys == ENOTDIR || sys == ENXIO || sys == ENODEV || sys == EIO;
}

static int
cannot_open(const char *path, struct err *e)
{
	int sys = errno;
	char us[64];
	struct stat st;

	if (sys == EACCES && stat(path, &st) == 0)
		return wrong_rights(&st, path, e);
	name_of_user(geteuid(), us, sizeof(us));
	errno = sys;
	if (sys == EACCES)
		return err_errno(e, ERR_BAD_KEY,
				 "a folder on the way to the master key file %s is closed to user "
				 "%s: let that user pass through it (chmod o+x, or setfacl -m "
				 "u:%s:x)",
				 path, us, us);
	if (is_absent(sys))
		return err_errno(e, ERR_BAD_KEY,
				 "cannot open the master key file %s (is the device that holds it "
				 "plugged in and mounted?)",
				 path);
	return err_errno(e, ERR_BAD_KEY, "cannot open the master key file %s", path);
}

/* Reads up to n bytes; short only at the end of the file. -1 on errors. */
static ssize_t
read_up_to(int fd, uint8_t *to, size_t n)
{
	size_t got = 0;
	while (got < n) {
		ssize_t r = read(fd, to + got, n - got);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -1;
		if (!r)
			break;
		got += (size_t)r;
	}
	return (ssize_t)got;
}

/* ret: KEYFILE_BYTES of guarded memory. One byte more than fits is asked for: a longer file is refused.
 */
static int
read_key(int fd, const char *path, struct secret *ret, struct err *e)
{
	auto_secret text = secret_new(FILE_CHARS + 2);
	char *chars = (char *)secret_bytes(text);
	ssize_t n = read_up_to(fd, secret_bytes(text), FILE_CHARS + 2);
	if (n < 0)
		return err_errno(e, ERR_BAD_KEY, "cannot read the master key file %s", path);
	size_t len = 0;
	if (n != FILE_CHARS + 1 || chars[FILE_CHARS] != '\n' ||
	    sodium_hex2bin(secret_bytes(ret), KEYFILE_BYTES, chars, FILE_CHARS, NULL, &len, NULL) !=
		    0 ||
	    len != KEYFILE_BYTES)
		return err_set(
			e, ERR_BAD_KEY,
			"%s is no master key file: it must hold 64 hex digits and a newline, "
			"nothing else. Is it the right file?",
			path);
	return 0;
}

int
keyfile_there(const char *path, struct err *e)
{
	if (access(path, F_OK) == 0 || !is_absent(errno))
		return 0;
	(void)cannot_open(path, e);
	return e->code = ERR_UNREACHABLE;
}

int
keyfile_read(const char *path, struct secret *ret, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return cannot_open(path, e);
	int r = check_file(fd, path, e);
	if (!r)
		r = read_key(fd, path, ret, e);
	close(fd);
	return r;
}

static int
write_key(int fd)
{
	auto_secret master = secret_new(KEYFILE_BYTES);
	auto_secret text = secret_new(FILE_CHARS + 1);
	char *chars = (char *)secret_bytes(text);
	crypto_kdf_keygen(secret_bytes(master));
	sodium_bin2hex(chars, FILE_CHARS + 1, secret_bytes(master), KEYFILE_BYTES);
	chars[FILE_CHARS] = '\n';
	/* A file this small is written whole or not at all. */
	if (write(fd, chars, FILE_CHARS + 1) != FILE_CHARS + 1)
		return -1;
	return fsync(fd);
}

static int
sync_folder_of(const char *path)
{
	char copy[PATH_MAX];
	if (strlen(path) >= sizeof(copy)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(copy, path, strlen(path) + 1);
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	int r = fsync(fd);
	close(fd);
	return r;
}

int
keyfile_create(const char *path, struct err *e)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0400);
	if (fd < 0 && errno == EEXIST)
		return err_set(e, ERR_EXISTS,
			       "%s is there already; a master key is never overwritten: choose "
			       "another place, or move the old file away",
			       path);
	if (fd < 0)
		return err_errno(e, ERR_IO, "cannot create the master key file %s", path);
	int r = write_key(fd);
	if (close(fd) < 0 || r < 0 || sync_folder_of(path) < 0) {
		r = err_errno(e, ERR_IO, "cannot write the master key file %s", path);
		unlink(path);
		return r;
	}
	return 0;
}
