/* SPDX-License-Identifier: Apache-2.0
 *
 * The node's home folder: the one place that knows its layout, and small file helpers.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/uuid.h"

#define HOME_PATH_MAX 512
#define HOME_DEFAULT "/var/lib/holdfast" /* the service's; the unit names it too */
#define HOME_START_MAX (HOME_PATH_MAX + 32)

/* home_path(h, HOME_CONF, …): the rows of base/home.def. */
enum home_path {
#define HOME(name, path, kind, mode, writers, what) HOME_##name,
#include "base/home.def"
#undef HOME
	HOME_ROWS
};

enum home_kind { HOME_IS_FILE, HOME_IS_FOLDER, HOME_IS_TREE, HOME_IS_SOCKET };

/* Flags: who writes it. */
enum home_writer {
	HOME_BY_PERSON = 1,
	HOME_BY_COMMAND = 2,
	HOME_BY_START = 4,
	HOME_BY_SUPERVISOR = 8,
	HOME_BY_AGENT = 16,
	HOME_BY_VAULTD = 32,
	HOME_BY_POSTGRES = 64,
	HOME_BY_KEYD = 128,
};

struct home_row {
	const char *path; /* below the home; a star for what varies */
	enum home_kind kind;
	mode_t mode;
	unsigned writers; /* enum home_writer */
	const char *what;
};

const struct home_row *home_row(enum home_path p);
/* docs/home.md. */
void home_write_markdown(struct buf *out) NONNULL;

struct home {
	char dir[HOME_PATH_MAX - 64]; /* absolute, canonical */
};

/* Resolves dir, which must exist. ERR_FORBIDDEN if this user may not look into it; otherwise
 * ERR_IO, with sys ENOTDIR if dir is, or leads through, something other than a folder. */
int home_open(struct home *ret, const char *dir, struct err *e) NONNULL MUST_USE;
/* The command that starts this home's node: the service if it is installed and serves this home, otherwise the program. */
void home_start_command(const char *dir, char ret[static HOME_START_MAX]) NONNULL;
void home_path(const struct home *h, enum home_path p, char ret[static HOME_PATH_MAX]) NONNULL;
/* For a row with a star: `star` takes its place. */
void home_path_with(const struct home *h, enum home_path p, const char *star,
		    char ret[static HOME_PATH_MAX]) NONNULL;

/* Whether it exists, judged by name alone: links are followed, and what this user may not look up
 * counts as absent. For rows without a star. */
bool home_has(const struct home *h, enum home_path p) NONNULL MUST_USE;

/* Identity: conf/node.conf. */
struct home_node {
	struct uuid id;
	char name[256];
};
int home_node_read(const struct home *h, struct home_node *ret, struct err *e) NONNULL MUST_USE;
int home_node_write(const struct home *h, const struct home_node *n,
		    struct err *e) NONNULL MUST_USE;

/* Reads a whole file of at most max bytes (appended). ERR_IO, ERR_TOO_LARGE. */
int home_read_file(const char *path, size_t max, struct buf *ret, struct err *e) NONNULL MUST_USE;
/* Writes atomically: temporary file beside it, fsync, rename, fsync of the folder. */
int home_write_file(const char *path, const void *data, size_t n, mode_t mode,
		    struct err *e) NONNULL MUST_USE;
/* Makes the name of a new or renamed file as durable as the file: fsync of its folder. */
int home_sync_name(const char *path, struct err *e) NONNULL MUST_USE;
/* Whether a folder can be renamed: one that a file system is mounted on cannot. A path that is not there can. ERR_PRECONDITION. */
int home_check_movable(const char *path, struct err *e) NONNULL MUST_USE;
/* Whether a file of the data folder is named after a chain ("journal-ID.db", "salvage-ID.db"); begins: the part before ID. */
bool home_is_of_chain(const char *name, const char *begins, struct uuid *ret_chain) NONNULL;
/* Creates the missing folders of the home that one of these writers creates; appends their names. */
int home_make_folders(const struct home *h, unsigned writers, struct buf *ret_made,
		      struct err *e) NONNULL MUST_USE;
/* Removes what a crash left of a home_write_file, in all folders of the home; appends the names. Only while no process of the node
 * runs. */
int home_remove_unfinished(const struct home *h, struct buf *ret_removed,
			   struct err *e) NONNULL MUST_USE;
int home_mkdirs(const char *path, mode_t mode, struct err *e) NONNULL MUST_USE;
int home_remove_tree(const char *path, struct err *e) NONNULL MUST_USE;
/* Reads the key location from conf/manage_key.conf. ERR_BAD_KEY with what to do if it is missing. */
int home_key_path(const struct home *h, char ret[static HOME_PATH_MAX],
		  struct err *e) NONNULL MUST_USE;
