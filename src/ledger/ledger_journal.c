/* SPDX-License-Identifier: Apache-2.0
 *
 * The journals: one file for each chain that this node wrote as a secondary and that is not merged yet.
 * That of its own chain always exists; that of another (data/journal-CHAIN.db) is removed once it is
 * empty and the node writes another chain. Their blocking calls run on the thread pool, one at a time.
 */
#include "ledger/ledger_impl.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/home.h"
#include "base/homefile.h"
#include "base/mem.h"

/* ---- the thread ---- */

struct job {
	uv_work_t work;
	struct fiber *f;
	bool done;
	struct ledger *l;
	ledger_job_fn *fn;
	void *arg;
	int rc;
	struct err e;
};

static void
on_work(uv_work_t *w)
{
	struct job *j = w->data;

	j->rc = j->fn(j->l, j->arg, &j->e);
}

static void
on_work_done(uv_work_t *w, int status)
{
	struct job *j = w->data;

	j->done = true;
	fiber_wake(j->f);
}

int
ledger_on_thread(struct ledger *l, struct fiber *f, ledger_job_fn *fn, void *arg, struct err *e)
{
	struct job j = { .f = f, .l = l, .fn = fn, .arg = arg };

	fiber_gate_enter(&l->journal_gate, f);
	j.work.data = &j;
	mem_check(!uv_queue_work(l->o.loop, &j.work, on_work, on_work_done));
	while (!j.done)
		fiber_sleep(f);
	fiber_gate_leave(&l->journal_gate);
	if (j.rc && e)
		*e = j.e;
	return j.rc;
}

/* ---- the files ---- */

static const char *const ends[] = { "", "-wal", "-shm" };

static void
path_of(const struct ledger *l, const struct uuid *chain, char ret[static HOME_PATH_MAX])
{
	const char *slash = strrchr(l->journal_path, '/');
	char id[UUID_STR_LEN];

	uuid_str(chain, id);
	if (uuid_eq(chain, &l->o.node))
		snprintf(ret, HOME_PATH_MAX, "%s", l->journal_path);
	else
		snprintf(ret, HOME_PATH_MAX, "%.*s/journal-%s.db",
			 slash ? (int)(slash - l->journal_path) : 1, slash ? l->journal_path : ".",
			 id);
}

static struct ledger_journal *
open_one(const struct ledger *l, const struct uuid *chain)
{
	for (size_t i = 0; i < l->njournals; i++) {
		if (uuid_eq(&l->journals[i].chain, chain))
			return &l->journals[i];
	}
	return NULL;
}

/* create false: *ret is NULL when there is none. */
static int
journal_of(struct ledger *l, const struct uuid *chain, bool create, struct journal **ret,
	   struct err *e)
{
	struct ledger_journal *j = open_one(l, chain);
	char path[HOME_PATH_MAX];

	*ret = j ? j->file : NULL;
	if (j)
		return 0;
	if (!l->journal_path)
		return create ? err_set(e, ERR_INTERNAL, "no journal is named") : 0;
	path_of(l, chain, path);
	if (!create && access(path, F_OK))
		return errno == ENOENT ? 0 : err_errno(e, ERR_IO, "cannot look for %s", path);
	int rc = journal_open(path, chain, ret, e);
	if (rc)
		return rc;
	l->journals = mem_grow(l->journals, l->njournals + 1, sizeof(*l->journals));
	l->journals[l->njournals++] = (struct ledger_journal){ *chain, *ret };
	return 0;
}

void
ledger_journals_close(struct ledger *l)
{
	for (size_t i = 0; i < l->njournals; i++)
		journal_free(l->journals[i].file);
	free(l->journals);
}

/* ---- one journal ---- */

struct look {
	const struct uuid *chain;
	bool create;
	struct ledger_look *ret;
};

static int
look(struct ledger *l, void *arg, struct err *e)
{
	struct look *k = arg;
	struct journal *j;
	int rc = journal_of(l, k->chain, k->create, &j, e);

	if (rc || !j)
		return rc;
	return journal_head(j, &k->ret->count, &k->ret->seq, k->ret->hash, e);
}

int
ledger_journal_look(struct ledger *l, struct fiber *f, const struct uuid *chain, bool create,
		    struct ledger_look *ret, struct err *e)
{
	struct look k = { chain, create, ret };

	*ret = (struct ledger_look){ 0 };
	return ledger_on_thread(l, f, look, &k, e);
}

struct append {
	struct uuid chain;
	const struct journal_row *rows;
	size_t n;
};

static int
append(struct ledger *l, void *arg, struct err *e)
{
	const struct append *a = arg;
	struct journal *j;
	int rc = journal_of(l, &a->chain, true, &j, e);

	return rc ? rc : journal_append(j, a->rows, a->n, e);
}

int
ledger_journal_write(struct ledger *l, struct fiber *f, const struct ledger_units *q, struct err *e)
{
	struct journal_row *rows = mem_array(q->events, sizeof(*rows));
	struct append a = { l->chain, rows, 0 };
	int rc;

	for (const struct ledger_unit *u = q->first; u; u = u->next) {
		for (size_t i = 0; i < u->n; i++) {
			struct journal_row *r = &rows[a.n++];

			r->seq = u->ev[i].seq;
			memcpy(r->hash, u->hash[i], sizeof(r->hash));
			r->event = u->items[i].iov_base;
			r->len = u->items[i].iov_len;
		}
	}
	rc = ledger_on_thread(l, f, append, &a, e);
	free(rows);
	return rc;
}

struct place {
	const struct uuid *chain;
	int64_t seq;
	const uint8_t *hash;
};

static int
drop(struct ledger *l, void *arg, struct err *e)
{
	const struct place *p = arg;
	struct journal *j;
	int rc = journal_of(l, p->chain, true, &j, e);

	return rc ? rc : journal_drop(j, p->seq, e);
}

int
ledger_journal_drop(struct ledger *l, struct fiber *f, const struct uuid *chain, int64_t upto,
		    struct err *e)
{
	struct place p = { chain, upto, NULL };

	return ledger_on_thread(l, f, drop, &p, e);
}

static int
go_on(struct ledger *l, void *arg, struct err *e)
{
	const struct place *p = arg;
	struct journal *j;
	int rc = journal_of(l, p->chain, true, &j, e);

	if (!rc)
		rc = journal_drop(j, p->seq, e);
	return rc ? rc : journal_set_head(j, p->seq, p->hash, e);
}

int
ledger_journal_go_on(struct ledger *l, struct fiber *f, const struct uuid *chain, int64_t seq,
		     const uint8_t hash[static KEYS_HASH_BYTES], struct err *e)
{
	struct place p = { chain, seq, hash };

	return ledger_on_thread(l, f, go_on, &p, e);
}

/* ---- reading ---- */

struct ledger_fetch
ledger_fetch_begin(const struct uuid *chain, int64_t after)
{
	struct ledger_fetch x = { .chain = *chain,
				  .before = after,
				  .rows = mem_array(LEDGER_MERGE_MAX, sizeof(struct ledger_row)) };

	return x;
}

void
ledger_fetch_done(struct ledger_fetch *x)
{
	free(x->rows);
	buf_done(&x->bytes);
}

static int
on_row(void *ctx, const struct journal_row *row)
{
	struct ledger_fetch *x = ctx;
	struct ledger_row *r = &x->rows[x->n++];

	r->seq = row->seq;
	memcpy(r->hash, row->hash, sizeof(r->hash));
	r->len = row->len;
	buf_add(&x->bytes, row->event, row->len);
	return 0;
}

static int
fetch(struct ledger *l, void *arg, struct err *e)
{
	struct ledger_fetch *x = arg;
	struct journal *j = x->file;
	const uint8_t *at;
	int rc = j ? 0 : journal_of(l, &x->chain, false, &j, e);

	if (rc || !j)
		return rc;
	rc = journal_each(j, x->before, LEDGER_MERGE_MAX, on_row, x, e);
	at = (const uint8_t *)x->bytes.data;
	for (size_t i = 0; i < x->n; at += x->rows[i].len, i++)
		x->rows[i].bytes = at;
	return rc;
}

int
ledger_fetch_next(struct ledger *l, struct fiber *f, struct ledger_fetch *x, struct err *e)
{
	if (x->n)
		x->before = x->rows[x->n - 1].seq;
	x->n = 0;
	buf_reset(&x->bytes);
	return ledger_on_thread(l, f, fetch, x, e);
}

static int
decode(const struct ledger_row *r, struct event *ev, struct buf *texts, struct err *e)
{
	buf_reset(texts);
	int rc = event_decode(r->bytes, r->len, ev, texts, e);

	return rc ? err_prefix(e, "row %lld of the journal: ", (long long)r->seq) : 0;
}

int
ledger_journal_first(struct ledger *l, struct fiber *f, const struct uuid *chain,
		     ledger_event_fn *fn, void *ctx, struct err *e)
{
	FREE_WITH(ledger_fetch_done) struct ledger_fetch x = ledger_fetch_begin(chain, 0);
	auto_buf texts = BUF_INIT;
	struct event ev;
	int rc = ledger_fetch_next(l, f, &x, e);

	if (!rc && x.n)
		rc = decode(&x.rows[0], &ev, &texts, e);
	if (!rc && x.n)
		fn(ctx, &ev);
	return rc;
}

/* ---- all of them ---- */

struct beside {
	struct uuid writing;
	struct uuid *chains;
	size_t n;
};

/* Nobody writes it any more, and all of it is home. */
static void
remove_one(struct ledger *l, const struct uuid *chain)
{
	struct ledger_journal *j = open_one(l, chain);
	char path[HOME_PATH_MAX], part[HOME_PATH_MAX + 8];

	path_of(l, chain, path);
	journal_free(j->file);
	*j = l->journals[--l->njournals];
	for (size_t k = 0; k < ARRAY_LEN(ends); k++) {
		snprintf(part, sizeof(part), "%s%s", path, ends[k]);
		homefile_unlink(part);
	}
}

static int
take_one(struct ledger *l, struct beside *b, const struct uuid *chain, struct err *e)
{
	uint8_t hash[KEYS_HASH_BYTES];
	struct journal *j;
	int64_t rows = 0, seq = 0;
	int rc = journal_of(l, chain, false, &j, e);

	if (!rc && j)
		rc = journal_head(j, &rows, &seq, hash, e);
	if (rc || !j)
		return rc;
	if (!rows && !uuid_eq(chain, &b->writing)) {
		remove_one(l, chain);
		return 0;
	}
	b->chains = mem_grow(b->chains, b->n + 1, sizeof(*b->chains));
	b->chains[b->n++] = *chain;
	return 0;
}

static int
find_beside(struct ledger *l, void *arg, struct err *e)
{
	char dir[HOME_PATH_MAX];
	int rc = 0;

	if (!l->journal_path)
		return 0;
	snprintf(dir, sizeof(dir), "%s", l->journal_path);
	char *slash = strrchr(dir, '/');
	if (slash)
		*slash = '\0';
	DIR *d = opendir(slash ? dir : ".");
	for (struct dirent *row; d && !rc && (row = readdir(d));) {
		struct uuid chain;

		if (home_is_of_chain(row->d_name, "journal-", &chain))
			rc = take_one(l, arg, &chain, e);
	}
	if (d)
		closedir(d);
	return rc;
}

int
ledger_journals_beside(struct ledger *l, struct fiber *f, struct uuid **ret, size_t *ret_n,
		       struct err *e)
{
	struct beside b = { .writing = l->chain };
	int rc = ledger_on_thread(l, f, find_beside, &b, e);

	*ret = b.chains;
	*ret_n = b.n;
	return rc;
}

int
ledger_journal_chains(struct ledger *l, struct fiber *f, struct uuid **ret, size_t *ret_n,
		      struct err *e)
{
	int rc = ledger_journals_beside(l, f, ret, ret_n, e);

	*ret = mem_grow(*ret, *ret_n + 1, sizeof(**ret));
	(*ret)[(*ret_n)++] = l->o.node;
	return rc;
}

/* One journal being read together with others. */
struct stream {
	struct ledger_fetch x;
	size_t at;
	bool there; /* ev is its next event */
	struct event ev;
	struct buf texts;
};

static int
advance(struct ledger *l, struct fiber *f, struct stream *s, struct err *e)
{
	int rc = 0;

	s->there = false;
	if (s->at == s->x.n) {
		s->at = 0;
		rc = ledger_fetch_next(l, f, &s->x, e);
	}
	if (rc || !s->x.n)
		return rc;
	rc = decode(&s->x.rows[s->at++], &s->ev, &s->texts, e);
	s->there = rc == 0;
	return rc;
}

static struct stream *
earliest(struct stream *s, size_t n)
{
	struct stream *found = NULL;

	for (size_t i = 0; i < n; i++) {
		if (s[i].there && (!found || s[i].ev.at_us < found->ev.at_us))
			found = &s[i];
	}
	return found;
}

static int
each_of(struct ledger *l, struct fiber *f, const struct uuid *chains, size_t n, ledger_event_fn *fn,
	void *ctx, struct err *e)
{
	struct stream *s = mem_array(n, sizeof(*s)), *next;
	int rc = 0;

	for (size_t i = 0; i < n; i++)
		s[i] = (struct stream){ .x = ledger_fetch_begin(&chains[i], 0) };
	for (size_t i = 0; !rc && i < n; i++)
		rc = advance(l, f, &s[i], e);
	while (!rc && (next = earliest(s, n))) {
		fn(ctx, &next->ev);
		rc = advance(l, f, next, e);
	}
	for (size_t i = 0; i < n; i++) {
		ledger_fetch_done(&s[i].x);
		buf_done(&s[i].texts);
	}
	free(s);
	return rc;
}

int
ledger_journal_each(struct ledger *l, struct fiber *f, const struct uuid *chain,
		    ledger_event_fn *fn, void *ctx, struct err *e)
{
	struct uuid *chains = NULL;
	size_t n = 0;

	if (chain)
		return each_of(l, f, chain, 1, fn, ctx, e);
	int rc = ledger_journal_chains(l, f, &chains, &n, e);
	if (!rc)
		rc = each_of(l, f, chains, n, fn, ctx, e);
	free(chains);
	return rc;
}
