/* SPDX-License-Identifier: Apache-2.0
 *
 * Nothing of Holdfast runs as root: started as root, init and serve first become its own user. That
 * is the one named on the command line or in HOLDFAST_USER; else the owner of the home, unless that
 * is root; else "holdfast". Started as anyone else, they stay that user.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include "base/apart.h"
#include "base/err.h"

struct runas {
	uid_t uid;
	gid_t gid;
	char name[64];
	char dir[256]; /* its HOME */
	bool drop;     /* we are root and must become it */
};

/* Whom Holdfast runs as. home: the home folder, or NULL when there is none yet; name: --user, or
 * NULL. ERR_PRECONDITION with how to make the user if there is none. */
int runas_choose(const char *home, const char *name, struct runas *ret, struct err *e) MUST_USE;

/* If root, becomes that user for good (groups, gid, uid), and keeps of the environment only what
 * Holdfast knows. */
int runas_become(const struct runas *u, struct err *e) NONNULL MUST_USE;

/* Does work as that user: if root, in a child, while this process stays root. fn, work and ctx as
 * apart_begin takes them. */
int runas_do(const struct runas *u, apart_fn *fn, void *work, size_t n, const void *ctx,
	     struct err *e) MUST_USE;

/* If root, gives a file or folder to that user. */
int runas_give(const struct runas *u, const char *path, struct err *e) NONNULL MUST_USE;

/* As root: gives that user an unpacked pack in the home folder (from a plain `unzip` as root). Only the pack's
 * own files: by name, plain, with a single link, owned by that user, or by root in a folder that only root can
 * change; follows no link, opens nothing. ERR_REFUSED names what is in the way. Does nothing if there is none. */
int runas_take_over_pack(const struct runas *u, const char *home, struct err *e) NONNULL MUST_USE;
