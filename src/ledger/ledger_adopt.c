/* SPDX-License-Identifier: Apache-2.0
 *
 * A node that becomes the primary takes into its log what it has outside of it, before anything else is written: what it wrote as a
 * secondary (its journals), and what it saved of any chain while it returned to a primary that is gone now (ha/salvage.h).
 */
#include "ledger/ledger_impl.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/home.h"
#include "base/homefile.h"
#include "base/log.h"
#include "base/mem.h"

int
ledger_broken_row(int64_t seq, const struct err *why, struct err *e)
{
	return err_set(e, ERR_CHAIN_BROKEN,
		       "event %lld of the journal does not verify (%.80s): stop this node and run "
		       "`holdfast ha repair-journal --before %lld`",
		       (long long)seq, why->text, (long long)seq);
}

/* A chain in the log, and how far it is there. */
struct adopted {
	struct uuid chain;
	int64_t seq;
	uint8_t hash[KEYS_HASH_BYTES];
};

static int
adopt_some(struct ledger *l, struct fiber *f, struct adopted *a, const struct ledger_fetch *x,
	   struct err *e)
{
	struct ledger_steps steps = { 0 };
	auto_buf texts = BUF_INIT;
	struct err why = { 0 };
	size_t good;
	int rc;

	rc = ledger_verify_rows(l, f, &a->chain, a->seq, a->hash, x->rows, x->n, &texts, &good,
				&why);
	if (!rc && good < x->n)
		return ledger_broken_row(x->rows[good].seq, &why, e);
	if (rc) {
		*e = why;
		return rc;
	}
	ledger_step_rows(&steps, &a->chain, x->rows, x->n, true);
	rc = db_transaction(l->o.writer, f, steps.v, steps.n, NULL, e);
	ledger_steps_done(&steps);
	if (rc)
		return rc;
	a->seq = x->rows[x->n - 1].seq;
	memcpy(a->hash, x->rows[x->n - 1].hash, sizeof(a->hash));
	l->stats.events += x->n;
	for (size_t i = 0; i < x->n && l->o.on_durable; i++)
		l->o.on_durable(l->o.ctx, &x->rows[i].ev);
	return x->file ? 0 : ledger_journal_drop(l, f, &a->chain, a->seq, e);
}

/* file: what it is read from; NULL: the journal of the chain. */
static int
adopt(struct ledger *l, struct fiber *f, struct adopted *a, struct journal *file, struct err *e)
{
	FREE_WITH(ledger_fetch_done) struct ledger_fetch x = ledger_fetch_begin(&a->chain, a->seq);
	int64_t from = a->seq;
	int rc;

	x.file = file;
	for (;;) {
		x.before = a->seq;
		x.n = 0;
		rc = ledger_fetch_next(l, f, &x, e);
		if (!rc && x.n && x.rows[0].seq != a->seq + 1)
			rc = ledger_follow_end(l, f, &a->chain, &a->seq, a->hash, e);
		if (!rc && x.n)
			rc = adopt_some(l, f, a, &x, e);
		if (rc)
			return rc;
		if (!x.n)
			break;
	}
	if (a->seq > from)
		log_notice("%lld events of %s went into the log", (long long)(a->seq - from),
			   file ? "what was saved" : "this node's journal");
	return 0;
}

/* And what it wrote in chains beside its own. */
static int
adopt_beside(struct ledger *l, struct fiber *f, struct err *e)
{
	struct uuid *chains = NULL;
	size_t n = 0;
	int rc = ledger_journals_beside(l, f, &chains, &n, e);

	for (size_t i = 0; !rc && i < n; i++) {
		struct adopted a = { .chain = chains[i] };

		rc = ledger_read_head(l, f, &a.chain, &a.seq, a.hash, e);
		if (!rc)
			rc = adopt(l, f, &a, NULL, e);
	}
	free(chains);
	return rc;
}

/* ---- what was saved ---- */

/* A file of what was saved of a chain; its end is the last event in it. */
struct saved {
	struct uuid chain;
	char path[HOME_PATH_MAX];
	struct journal *file;
	struct ledger_look end;
};

struct saved_list {
	struct saved *v;
	size_t n;
};

static int
find_saved(struct ledger *l, void *arg, struct err *e)
{
	struct saved_list *list = arg;
	char dir[HOME_PATH_MAX];

	if (!l->journal_path)
		return 0;
	snprintf(dir, sizeof(dir), "%s", l->journal_path);
	char *slash = strrchr(dir, '/');
	if (slash)
		*slash = '\0';
	DIR *d = opendir(slash ? dir : ".");
	for (struct dirent *row; d && (row = readdir(d));) {
		struct saved s = { 0 };

		if (!home_is_of_chain(row->d_name, "salvage-", &s.chain))
			continue;
		snprintf(s.path, sizeof(s.path), "%.*s/%.60s", (int)sizeof(s.path) - 64,
			 slash ? dir : ".", row->d_name);
		list->v = mem_grow(list->v, list->n + 1, sizeof(*list->v));
		list->v[list->n++] = s;
	}
	if (d)
		closedir(d);
	return 0;
}

static int
open_saved(struct ledger *l, void *arg, struct err *e)
{
	struct saved *s = arg;
	int rc = journal_open(s->path, &s->chain, &s->file, e);

	return rc ? rc : journal_head(s->file, &s->end.count, &s->end.seq, s->end.hash, e);
}

static int
remove_saved(struct ledger *l, void *arg, struct err *e)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	struct saved *s = arg;
	char part[HOME_PATH_MAX + 8];

	journal_free(TAKE(s->file));
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		snprintf(part, sizeof(part), "%s%s", s->path, ends[i]);
		homefile_unlink(part);
	}
	return 0;
}

/* Whether the log has the last event of the file, by its hash. */
static int
is_in_log(struct ledger *l, struct fiber *f, const struct saved *s, bool *ret, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;
	size_t n = 0;

	bind_uuid(&b, &s->chain);
	bind_bigint(&b, s->end.seq);
	int rc = db_exec(l->o.writer, f, STMT_EVENT_HASH, &b, &rows, e);
	if (rc)
		return rc;
	const void *hash = rows_count(rows) ? row_bytea(rows, 0, COL_EVENT_HASH_HASH, &n) : NULL;
	*ret = n == sizeof(s->end.hash) && memcmp(hash, s->end.hash, n) == 0;
	return 0;
}

static int
adopt_file(struct ledger *l, struct fiber *f, struct saved *s, struct err *e)
{
	struct adopted a = { .chain = s->chain };
	bool home = false;
	int rc = ledger_on_thread(l, f, open_saved, s, e);

	if (!rc && s->end.count)
		rc = ledger_read_head(l, f, &a.chain, &a.seq, a.hash, e);
	if (!rc && s->end.count)
		rc = adopt(l, f, &a, s->file, e);
	if (!rc && s->end.count)
		rc = is_in_log(l, f, s, &home, e);
	if (rc)
		return rc;
	if (s->end.count && !home)
		return err_set(e, ERR_CHAIN_BROKEN,
			       "the log has other events of this chain than the file");
	return ledger_on_thread(l, f, remove_saved, s, e);
}

/* What does not fit stays where it is: nothing else may wait for it. */
static int
adopt_saved(struct ledger *l, struct fiber *f, struct err *e)
{
	struct saved_list list = { 0 };
	int rc = ledger_on_thread(l, f, find_saved, &list, e);

	for (size_t i = 0; !rc && i < list.n; i++) {
		struct err why = { 0 };
		int one = adopt_file(l, f, &list.v[i], &why);

		journal_free(list.v[i].file);
		if (one == ERR_DB_GONE || one == ERR_KEYS_UNAVAILABLE) {
			*e = why;
			rc = one;
		} else if (one) {
			log_err(LOG_LEVEL_ERROR, &why,
				"%s is kept: what was saved cannot go into the log",
				list.v[i].path);
		}
	}
	free(list.v);
	return rc;
}

/* Of the own chain what was saved comes before what is in the journal. */
int
ledger_adopt(struct ledger *l, struct fiber *f, struct err *e)
{
	struct adopted a = { .chain = l->o.node };
	struct ledger_look k = { 0 };
	int rc = adopt_saved(l, f, e);

	if (!rc)
		rc = ledger_read_head(l, f, &a.chain, &a.seq, a.hash, e);
	if (!rc)
		rc = ledger_journal_look(l, f, &a.chain, false, &k, e);
	if (!rc && k.count && k.seq > a.seq)
		rc = adopt(l, f, &a, NULL, e);
	return rc ? rc : adopt_beside(l, f, e);
}
