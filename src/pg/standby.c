/* SPDX-License-Identifier: Apache-2.0 */
#include "pg/standby.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/buf.h"
#include "pg/cluster.h"
#include "pg/program.h"
#include "pg/quote.h"

#define CONF_MAX (256 << 10)
#define SETTING "primary_conninfo = '"
#define HELD "holdfast.follows = '"

struct listener {
	standby_progress_fn *progress;
	void *ctx;
	const char *what;
	bool not_needed, unclean;
};

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
	l->unclean |= strstr(line, "must be shut down cleanly") != NULL;
	if (percent >= 0 && l->progress)
		l->progress(l->ctx, l->what, percent);
}

int
standby_clone(const struct home *h, const char *conninfo, const char *dir,
	      standby_progress_fn *progress, void *ctx, struct err *e)
{
	struct listener l = { .progress = progress, .ctx = ctx, .what = "copying the database" };
	char program[CLUSTER_PROGRAM_MAX];
	int rc = cluster_program(h, "pg_basebackup", program, e);

	if (rc == 0 && access(dir, F_OK) == 0)
		rc = home_remove_tree(dir, e);
	if (rc)
		return rc;
	const char *argv[] = { program,	 "-d", conninfo, "-D", dir,  "-X",
			       "stream", "-c", "fast",	 "-P", "-w", NULL };
	return program_follow(argv, on_line, &l, e);
}

int
standby_verify(const struct home *h, const char *dir, struct err *e)
{
	char program[CLUSTER_PROGRAM_MAX];
	int rc = cluster_program(h, "pg_verifybackup", program, e);
	const char *argv[] = { program, "-e", "-q", dir, NULL };

	return rc ? rc : program_run(argv, NULL, NULL, e);
}

static int
run_rewind(const struct home *h, const char *conninfo, const char *option, struct listener *l,
	   struct err *e)
{
	char program[CLUSTER_PROGRAM_MAX], pg[HOME_PATH_MAX];
	int rc = cluster_program(h, "pg_rewind", program, e);

	if (rc)
		return rc;
	cluster_release(h); /* it runs PostgreSQL on what was not shut down */
	home_path(h, HOME_PG, pg);
	const char *argv[] = { program,	 "--target-pgdata", pg,	    "--source-server",
			       conninfo, "--progress",	    option, NULL };
	return program_follow(argv, on_line, l, e);
}

int
standby_parted(const struct home *h, const char *conninfo, bool *ret, struct err *e)
{
	struct listener l = { 0 };
	int rc = run_rewind(h, conninfo, "--dry-run", &l, e);

	*ret = !l.not_needed;
	return l.unclean ? 0 : rc;
}

int
standby_rewind(const struct home *h, const char *conninfo, bool *ret_needed,
	       standby_progress_fn *progress, void *ctx, struct err *e)
{
	struct listener l = { .progress = progress, .ctx = ctx, .what = "rewinding the database" };
	int rc = run_rewind(h, conninfo, NULL, &l, e);

	*ret_needed = !l.not_needed;
	return rc;
}

/* ---- whom it follows ---- */

/* The value behind the opening quote: doubled quotes are one, a backslash stands for what follows it. */
static bool
unquote(const char *p, struct buf *ret)
{
	for (; *p && *p != '\n'; p++) {
		if (*p == '\'' && p[1] != '\'')
			return true;
		if (*p == '\'' || (*p == '\\' && p[1] && p[1] != '\n'))
			p++;
		buf_addc(ret, *p);
	}
	return false;
}

/* The last of several counts, as for PostgreSQL. */
static bool
find_setting(const char *text, const char *setting, struct buf *ret)
{
	const char *found = NULL;

	for (const char *p = text; (p = strstr(p, setting)); p += strlen(setting)) {
		if (p == text || p[-1] == '\n')
			found = p + strlen(setting);
	}
	buf_reset(ret);
	return found && unquote(found, ret);
}

static bool
find_conninfo(const char *text, struct buf *ret)
{
	return (find_setting(text, SETTING, ret) && ret->len) || find_setting(text, HELD, ret);
}

static bool
take_words(const char *conninfo, char *ret_host, size_t room, int *ret_port)
{
	PQconninfoOption *words = PQconninfoParse(conninfo, NULL);
	const char *host = NULL;
	int port = 0;

	for (PQconninfoOption *o = words; o && o->keyword; o++) {
		if (!o->val)
			continue;
		if (strcmp(o->keyword, "host") == 0)
			host = o->val;
		else if (strcmp(o->keyword, "port") == 0)
			port = atoi(o->val);
	}
	bool good = host && *host && strlen(host) < room && port > 0 && port < 65536;
	if (good) {
		text_copy(ret_host, room, host);
		*ret_port = port;
	}
	PQconninfoFree(words);
	return good;
}

int
standby_hold(const struct home *h, struct err *e)
{
	char path[HOME_PATH_MAX];
	auto_buf text = BUF_INIT, conninfo = BUF_INIT;

	home_path(h, HOME_PG_AUTO_CONF, path);
	int rc = home_read_file(path, CONF_MAX, &text, e);
	if (rc)
		return rc;
	if (!find_setting(buf_str(&text), SETTING, &conninfo) ||
	    !strstr(buf_str(&conninfo), STANDBY_COMPARED))
		return 0;
	/* Of several lines the last counts. */
	if (text.len && text.data[text.len - 1] != '\n')
		buf_addc(&text, '\n');
	quote_setting(&text, "holdfast.follows", buf_str(&conninfo));
	quote_setting(&text, "primary_conninfo", "");
	return home_write_file(path, text.data, text.len, 0600, e);
}

int
standby_follows(const struct home *h, char *ret_host, size_t room, int *ret_port, struct err *e)
{
	char path[HOME_PATH_MAX];
	auto_buf text = BUF_INIT, conninfo = BUF_INIT;

	home_path(h, HOME_PG_AUTO_CONF, path);
	int rc = home_read_file(path, CONF_MAX, &text, e);
	if (rc)
		return rc;
	if (!find_conninfo(buf_str(&text), &conninfo) ||
	    !take_words(buf_str(&conninfo), ret_host, room, ret_port))
		return err_set(e, ERR_NOT_FOUND, "%s does not say whom this node follows", path);
	return 0;
}
