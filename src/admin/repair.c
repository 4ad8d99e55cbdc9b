/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/repair.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fault.h"
#include "base/pidfile.h"
#include "base/statepage.h"
#include "ha/orders.h"
#include "store/journal.h"

#define PATH_ROOM (HOME_PATH_MAX + 96)

struct place {
	char path[HOME_PATH_MAX], new[PATH_ROOM];
	struct uuid chain;
};

/* Whether it opens, so that there is nothing to do. */
static bool
is_good(const struct place *p)
{
	struct journal *j = NULL;
	struct err ignored = { 0 };
	bool good = journal_open(p->path, &p->chain, &j, &ignored) == 0;

	journal_free(j);
	return good;
}

/* Of the journals of other chains the first that is damaged. */
static bool
find_other(const struct place *own, struct place *ret)
{
	const char *slash = strrchr(own->path, '/');
	char dir[HOME_PATH_MAX];
	bool found = false;

	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - own->path), own->path);
	DIR *d = opendir(dir);
	for (struct dirent *f; d && !found && (f = readdir(d));) {
		if (!home_is_of_chain(f->d_name, "journal-", &ret->chain) &&
		    !home_is_of_chain(f->d_name, "salvage-", &ret->chain))
			continue;
		snprintf(ret->path, sizeof(ret->path), "%.*s/%.64s", (int)sizeof(ret->path) - 80,
			 dir, f->d_name);
		snprintf(ret->new, sizeof(ret->new), "%s.new", ret->path);
		found = !is_good(ret);
	}
	if (d)
		closedir(d);
	return found;
}

/* A node that runs says what it loses while it is stopped; one without a page has just been started. */
static int
check_stopped(const struct home *h, struct err *e)
{
	struct statepage *page = NULL;
	char path[HOME_PATH_MAX];
	struct err ignored = { 0 };
	int rc = pidfile_alone(h, e);

	if (rc != ERR_REFUSED)
		return rc ? rc : order_check("repair-journal", ORDER_STOPPED, "", e);
	home_path(h, HOME_STATE, path);
	if (statepage_open(path, &page, &ignored) == 0)
		rc = order_check("repair-journal", statepage_state(page), "", e);
	statepage_free(page);
	return rc;
}

static int
look(const struct home *h, int64_t before, struct place *p, struct err *e)
{
	struct home_node self;
	struct place other;
	int rc = check_stopped(h, e);

	if (rc == 0)
		rc = home_node_read(h, &self, e);
	if (rc)
		return rc;
	p->chain = self.id;
	home_path(h, HOME_JOURNAL, p->path);
	snprintf(p->new, sizeof(p->new), "%s.new", p->path);
	bool there = home_has(h, HOME_JOURNAL);
	if (!before && (!there || is_good(p)) && find_other(p, &other)) {
		*p = other;
		return 0;
	}
	if (!there)
		return err_set(e, ERR_NOT_FOUND,
			       "%s does not exist: there is nothing to repair, and the next "
			       "`holdfast serve` begins a new one",
			       p->path);
	if (!before && is_good(p))
		return err_set(e, ERR_REFUSED,
			       "the journal is readable; nothing was changed. If the status or "
			       "the log names an event in it that does not verify, give --before "
			       "EVENT");
	return 0;
}

/* What an earlier repair left that was interrupted. */
static int
remove_new(const struct place *p, struct err *e)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	char path[PATH_ROOM + 8];

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		snprintf(path, sizeof(path), "%s%s", p->new, ends[i]);
		if (unlink(path) < 0 && errno != ENOENT)
			return err_errno(e, ERR_IO, "cannot remove %s", path);
	}
	return 0;
}

static int
move_end(const struct place *p, const char *aside, const char *end, struct err *e)
{
	char from[PATH_ROOM], to[PATH_ROOM];

	snprintf(from, sizeof(from), "%s%s", p->path, end);
	snprintf(to, sizeof(to), "%s%s", aside, end);
	if (FAULT(FILE_RENAME, -1, rename(from, to)) < 0 && errno != ENOENT)
		return err_errno(e, ERR_IO, "cannot move %s aside", from);
	return 0;
}

/* The damaged file gets its second name first, so that there is a journal at its place at every moment. Its log must not be
 * there when the new one is: SQLite would take it for the new one's. */
static int
put_in_place(const struct place *p, const char *aside, struct err *e)
{
	int rc;

	if (link(p->path, aside) < 0)
		return err_errno(e, ERR_IO, "cannot keep the damaged journal as %s", aside);
	rc = move_end(p, aside, "-wal", e);
	if (rc == 0)
		rc = move_end(p, aside, "-shm", e);
	if (rc == 0 && FAULT(FILE_RENAME, -1, rename(p->new, p->path)) < 0)
		rc = err_errno(e, ERR_IO, "cannot put %s into its place", p->new);
	return rc ? rc : home_sync_name(p->path, e);
}

int
repair_journal(const struct home *h, int64_t before, struct repair *ret, struct err *e)
{
	struct place p;
	char at[CLOCK_ISO_LEN];
	int rc = look(h, before, &p, e);

	if (rc)
		return rc;
	clock_iso(clock_now_us(), at);
	at[strcspn(at, "Z")] = '\0';
	snprintf(ret->aside, sizeof(ret->aside), "%s.damaged-%s", p.path, at);
	rc = remove_new(&p, e);
	if (rc == 0)
		rc = journal_rescue(p.path, &p.chain, before, p.new, &ret->got, e);
	return rc ? rc : put_in_place(&p, ret->aside, e);
}
