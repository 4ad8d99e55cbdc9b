/* SPDX-License-Identifier: Apache-2.0 */
#include "pg/standby.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "pg/cluster.h"
#include "pg/program.h"

struct listener {
	standby_progress_fn *progress;
	void *ctx;
	const char *what;
	bool not_needed;
};

static int
find_program(const struct home *h, const char *name, char *ret, size_t room, struct err *e)
{
	char bin[HOME_PATH_MAX];
	int major = 0, rc = cluster_major(h, &major, e);

	if (rc == 0)
		rc = cluster_find_bin(major, bin, &major, e);
	if (rc == 0)
		snprintf(ret, room, "%s/%s", bin, name);
	return rc;
}

/* Both programs write "… (18%) …" now and then. */
static int
percent_in(const char *line)
{
	const char *open = strchr(line, '(');
	int n = -1;

	if (!open || sscanf(open, "(%d%%)", &n) != 1 || n < 0)
		return -1;
	return n > 99 ? 99 : n;
}

static void
on_line(void *ctx, const char *line)
{
	struct listener *l = ctx;
	int percent = percent_in(line);

	l->not_needed |= strstr(line, "no rewind required") != NULL;
	if (percent >= 0 && l->progress)
		l->progress(l->ctx, l->what, percent);
}

int
standby_clone(const struct home *h, const char *conninfo, const char *dir,
	      standby_progress_fn *progress, void *ctx, struct err *e)
{
	struct listener l = { .progress = progress, .ctx = ctx, .what = "copying the database" };
	char program[HOME_PATH_MAX + 32];
	int rc = find_program(h, "pg_basebackup", program, sizeof(program), e);

	if (rc == 0 && access(dir, F_OK) == 0)
		rc = home_remove_tree(dir, e);
	if (rc)
		return rc;
	const char *argv[] = { program,	 "-d", conninfo, "-D", dir,  "-X",
			       "stream", "-c", "fast",	 "-P", "-w", NULL };
	return program_follow(argv, on_line, &l, e);
}

int
standby_rewind(const struct home *h, const char *conninfo, bool *ret_needed,
	       standby_progress_fn *progress, void *ctx, struct err *e)
{
	struct listener l = { .progress = progress, .ctx = ctx, .what = "rewinding the database" };
	char program[HOME_PATH_MAX + 32], pg[HOME_PATH_MAX];
	int rc = find_program(h, "pg_rewind", program, sizeof(program), e);

	if (rc)
		return rc;
	home_path(h, HOME_PG, pg);
	const char *argv[] = { program,	 "--target-pgdata", pg,	 "--source-server",
			       conninfo, "--progress",	    NULL };
	rc = program_follow(argv, on_line, &l, e);
	*ret_needed = !l.not_needed;
	return rc;
}
