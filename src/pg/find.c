/* SPDX-License-Identifier: Apache-2.0
 *
 * Where PostgreSQL's programs are.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "pg/cluster.h"
#include "pg/program.h"

#define MAJOR_MIN 15
#define MAJOR_MAX 99

/* Folders by major, as the distributions lay them out. */
static const char *const layouts[] = { "/usr/lib/postgresql/%d/bin", "/usr/pgsql-%d/bin",
				       "/usr/lib/postgresql-%d/bin", "/usr/local/pgsql-%d/bin" };

static bool
has_programs(const char *dir)
{
	static const char *const needed[] = { "postgres", "initdb" };
	char path[HOME_PATH_MAX];
	for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
		int n = snprintf(path, sizeof(path), "%s/%s", dir, needed[i]);
		if (n < 0 || (size_t)n >= sizeof(path) || access(path, X_OK) < 0)
			return false;
	}
	return true;
}

/* Asks the programs themselves; 0 when they do not say. */
static int
major_of(const char *dir)
{
	char path[HOME_PATH_MAX];
	auto_buf out = BUF_INIT;
	int n = snprintf(path, sizeof(path), "%s/postgres", dir), major = 0;
	const char *argv[] = { path, "--version", NULL };
	if (n < 0 || (size_t)n >= sizeof(path) || program_run(argv, NULL, &out, NULL))
		return 0;
	const char *digits = strpbrk(buf_str(&out), "0123456789");
	return digits && sscanf(digits, "%d", &major) == 1 ? major : 0;
}

static bool
find_in_layouts(int major, char ret[static HOME_PATH_MAX], int *ret_major)
{
	for (int m = major ? major : MAJOR_MAX; m >= (major ? major : MAJOR_MIN); m--) {
		for (size_t i = 0; i < ARRAY_LEN(layouts); i++) {
			snprintf(ret, HOME_PATH_MAX, layouts[i], m);
			if (!has_programs(ret))
				continue;
			*ret_major = m;
			return true;
		}
	}
	return false;
}

static bool
find_in_path(int major, char ret[static HOME_PATH_MAX], int *ret_major)
{
	const char *path = getenv("PATH");
	for (const char *p = path ? path : ""; *p;) {
		size_t n = strcspn(p, ":");
		if (n && n < HOME_PATH_MAX && *p == '/') {
			memcpy(ret, p, n);
			ret[n] = '\0';
			int m = has_programs(ret) ? major_of(ret) : 0;
			if (m >= MAJOR_MIN && (!major || m == major)) {
				*ret_major = m;
				return true;
			}
		}
		p += n + (p[n] == ':');
	}
	return false;
}

static int
refuse(int major, struct err *e)
{
	char other[HOME_PATH_MAX];
	int have = 0;
	if (!major)
		return err_set(
			e, ERR_PRECONDITION,
			"PostgreSQL's programs were not found: install PostgreSQL %d or newer "
			"(Debian, Ubuntu: apt install postgresql), or name the folder that "
			"holds postgres and initdb in HOLDFAST_PG_BIN",
			MAJOR_MIN);
	if (!find_in_layouts(0, other, &have) && !find_in_path(0, other, &have))
		return err_set(
			e, ERR_PRECONDITION,
			"this node's data was made by PostgreSQL %d, and no PostgreSQL is "
			"installed here: install postgresql-%d, or name the folder that holds its "
			"programs in HOLDFAST_PG_BIN",
			major, major);
	return err_set(e, ERR_PRECONDITION,
		       "this node's data was made by PostgreSQL %d, but only PostgreSQL %d is "
		       "installed here (%s): install postgresql-%d beside it; the majors of a pair "
		       "and of its data must be the same",
		       major, have, other, major);
}

static int
find_named(const char *dir, int major, char ret[static HOME_PATH_MAX], int *ret_major,
	   struct err *e)
{
	if (dir[0] != '/')
		return err_set(e, ERR_PRECONDITION,
			       "HOLDFAST_PG_BIN names %s: give the folder's full path", dir);
	int have = strlen(dir) < HOME_PATH_MAX && has_programs(dir) ? major_of(dir) : 0;
	if (!have)
		return err_set(
			e, ERR_PRECONDITION,
			"HOLDFAST_PG_BIN names %s, but there is no usable postgres and initdb",
			dir);
	if (have < MAJOR_MIN)
		return err_set(e, ERR_PRECONDITION,
			       "HOLDFAST_PG_BIN names PostgreSQL %d; %d or newer is needed", have,
			       MAJOR_MIN);
	if (major && have != major)
		return err_set(
			e, ERR_PRECONDITION,
			"this node's data was made by PostgreSQL %d, but HOLDFAST_PG_BIN names "
			"PostgreSQL %d (%s): the majors must be the same",
			major, have, dir);
	snprintf(ret, HOME_PATH_MAX, "%s", dir);
	*ret_major = have;
	return 0;
}

int
cluster_find_bin(int major, char ret[static HOME_PATH_MAX], int *ret_major, struct err *e)
{
	int found;
	if (!ret_major)
		ret_major = &found;
	const char *named = getenv("HOLDFAST_PG_BIN");
	if (named && *named)
		return find_named(named, major, ret, ret_major, e);
	if (find_in_layouts(major, ret, ret_major) || find_in_path(major, ret, ret_major))
		return 0;
	return refuse(major, e);
}

int
cluster_program(const struct home *h, const char *name, char ret[static CLUSTER_PROGRAM_MAX],
		struct err *e)
{
	char dir[HOME_PATH_MAX];
	int major = 0, r = cluster_major(h, &major, e);
	if (!r)
		r = cluster_find_bin(major, dir, NULL, e);
	if (!r)
		snprintf(ret, CLUSTER_PROGRAM_MAX, "%s/%s", dir, name);
	return r;
}
