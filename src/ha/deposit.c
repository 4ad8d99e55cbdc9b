/* SPDX-License-Identifier: Apache-2.0 */
#include "ha/deposit.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/worker.h"
#include "ha/channel.h"
#include "ha/history.h"
#include "store/db.h"
#include "store/journal.h"

#define BATCH_ROWS 500
#define BATCH_BYTES (4u << 20)
#define BUSY_MS 50 /* between rounds while rows are there */
#define IDLE_MS 200
#define ANNOUNCE_MS 3000
#define CALL_MS                                                                                    \
	3000 /* a server that is frozen answers no question; the journal is still to be counted */
#define SALVAGED_MAX 16
#define SCAN_MS 1000
#define SLOT_MS 1000 /* how often the primary is asked for the slot */
#define ROOM_MS 1000 /* when to come again after it had no room */

struct deposit {
	struct worker worker;
	struct home home;
	struct uuid self;
	char *local;
	struct deposit_orders orders;
	struct deposit_view view;
	pthread_mutex_t salvaged; /* held by who touches data/salvage-*.db */
};

/* A journal to be merged: this node's own, or what was salvaged of another one's chain. */
struct source {
	struct uuid node;
	char path[HOME_PATH_MAX];
	struct journal *journal;
	int64_t rows, head;   /* of the journal */
	int64_t diverged_seq; /* 0: not */
	bool unreadable;      /* at the last try */
	bool kept;	      /* vaultd's, which may write on: not removed here */
};

/* What the thread keeps to itself. */
struct work {
	struct deposit *d;
	struct deposit_orders o;
	struct deposit_view v;
	struct source *s; /* the one in hand */
	struct source own, salvaged[SALVAGED_MAX];
	size_t salvaged_n;
	int64_t salvaged_rows; /* in all of them, as counted last */
	int64_t scanned_ms;
	struct db *local, *primary;
	char host[256]; /* where `primary` is connected to */
	int port;
	int64_t announced_ms, moved_ms, no_room_ms;
	int64_t pause_until_ms; /* after a failed connection */
};

static void
set_trouble(struct work *w, enum deposit_trouble t, const char *why)
{
	w->v.trouble = t;
	text_fit(w->v.why, sizeof(w->v.why), "%s", why);
}

/* ---- the journal ---- */

static int
count_journal(struct work *w, struct err *e)
{
	struct source *s = w->s;
	uint8_t hash[32];
	int r = s->journal ? 0 : journal_open(s->path, &s->node, &s->journal, e);

	if (!r)
		r = journal_head(s->journal, &s->rows, &s->head, hash, e);
	if (r)
		journal_free(TAKE(s->journal));
	s->unreadable = r != 0;
	return r;
}

struct one_row {
	int64_t seq;
	uint8_t hash[32];
	bool found;
};

static int
take_row(void *ctx, const struct journal_row *row)
{
	struct one_row *o = ctx;

	o->seq = row->seq;
	memcpy(o->hash, row->hash, sizeof(o->hash));
	o->found = true;
	return 0;
}

static int
journal_row_at(struct work *w, int64_t seq, struct one_row *ret, struct err *e)
{
	*ret = (struct one_row){ 0 };
	int r = journal_each(w->s->journal, seq - 1, 1, take_row, ret, e);
	if (!r && ret->seq != seq)
		ret->found = false;
	w->s->unreadable |= r != 0;
	return r;
}

/* ---- seeing the own rows come back ---- */

static int
log_hash_at(struct work *w, int64_t seq, uint8_t ret[static 32], bool *ret_found, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;
	size_t n = 0;

	bind_uuid(&b, &w->s->node);
	bind_bigint(&b, seq);
	int r = db_exec(w->local, NULL, STMT_EVENT_HASH, &b, &rows, e);
	if (r)
		return r;
	const void *p = rows_count(rows) ? row_bytea(rows, 0, COL_EVENT_HASH_HASH, &n) : NULL;
	*ret_found = p && n == 32;
	if (*ret_found)
		memcpy(ret, p, 32);
	return 0;
}

static int
open_local(struct work *w, struct err *e)
{
	auto_buf info = BUF_INIT;

	if (w->local)
		return 0;
	buf_addf(&info, "%s connect_timeout=3 options='-c statement_timeout=5000'", w->d->local);
	struct db_options o = { .conninfo = buf_str(&info),
				.application = "holdfast agent deposit",
				.call_ms = CALL_MS };
	w->local = db_open(&o, e);
	return w->local ? 0 : ERR_DB_GONE;
}

/* known: both have an event of that number. */
static int
compare_at(struct work *w, int64_t seq, bool *ret_known, bool *ret_same, struct err *e)
{
	struct one_row mine;
	uint8_t theirs[32];
	bool found = false;
	int r = journal_row_at(w, seq, &mine, e);

	if (!r && mine.found)
		r = log_hash_at(w, seq, theirs, &found, e);
	*ret_known = !r && found;
	*ret_same = *ret_known && memcmp(mine.hash, theirs, 32) == 0;
	return r;
}

/* The first row that the log has otherwise. `upto` is one, and what follows such a row is one too. */
static int
find_divergence(struct work *w, int64_t upto, struct err *e)
{
	int64_t low = w->s->head - w->s->rows + 1, high = upto;
	bool known, same;
	int r = 0;

	while (!r && low < high) {
		int64_t middle = low + (high - low) / 2;

		r = compare_at(w, middle, &known, &same, e);
		if (same)
			low = middle + 1;
		else
			high = middle;
	}
	if (!r)
		w->s->diverged_seq = high;
	return r;
}

static int
open_primary(struct work *w, struct err *e)
{
	auto_buf info = BUF_INIT;

	if (w->primary && (strcmp(w->host, w->o.host) != 0 || w->port != w->o.port))
		db_free(TAKE(w->primary));
	if (w->primary)
		return 0;
	if (clock_mono_ms() < w->pause_until_ms)
		return ERR_UNREACHABLE;
	struct channel_primary to = { .port = w->o.port };
	text_copy(to.host, sizeof(to.host), w->o.host);
	channel_conninfo(&w->d->home, CHANNEL_DEPOSIT, &to, &info);
	struct db_options o = { .conninfo = buf_str(&info),
				.application = "holdfast deposit",
				.call_ms = CALL_MS };
	w->primary = db_open(&o, e);
	if (!w->primary) {
		w->pause_until_ms = clock_mono_ms() + 500;
		return ERR_DB_GONE;
	}
	snprintf(w->host, sizeof(w->host), "%s", w->o.host);
	w->port = w->o.port;
	return 0;
}

/* The local log alone does not say that something is merged: it may be what this node had before, and is to give way. An earlier
 * version of the primary's data cannot be asked. */
static int
primary_has(struct work *w, int64_t seq, bool *ret, struct err *e)
{
	struct one_row mine;
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;
	size_t n = 0;

	*ret = false;
	if (!w->o.go || !w->o.host[0])
		return 0;
	int r = journal_row_at(w, seq, &mine, e);
	if (!r)
		r = open_primary(w, e);
	if (r)
		return r;
	bind_uuid(&b, &w->s->node);
	bind_bigint(&b, seq);
	r = db_exec(w->primary, NULL, STMT_DEPOSIT_HASH, &b, &rows, e);
	if (history_is_earlier(r, e)) {
		*ret = true;
		return 0;
	}
	if (r) {
		db_free(TAKE(w->primary));
		return r;
	}
	const void *p = rows_count(rows) ? row_bytea(rows, 0, COL_HASH_AT_HASH, &n) : NULL;
	*ret = p && mine.found && n == 32 && memcmp(p, mine.hash, 32) == 0;
	return 0;
}

/* Row `upto` stands for all before it: its hash covers them. */
static int
drop_if_same(struct work *w, int64_t upto, struct err *e)
{
	bool known, same, there;
	int r = compare_at(w, upto, &known, &same, e);

	if (r || !known)
		return r;
	if (!same)
		return w->s->diverged_seq ? 0 : find_divergence(w, upto, e);
	w->s->diverged_seq = 0;
	r = primary_has(w, upto, &there, e);
	return r || !there ? r : journal_drop(w->s->journal, upto, e);
}

/* How far the log that came back by replication has this node's events. */
static int
home_seq(struct work *w, int64_t *ret, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;
	int r = 0;

	*ret = w->o.home_seq;
	if (w->s == &w->own)
		return 0;
	bind_uuid(&b, &w->s->node);
	r = db_exec(w->local, NULL, STMT_EVENT_HEAD, &b, &rows, e);
	*ret = !r && rows_count(rows) ? row_bigint(rows, 0, COL_EVENT_HEAD_SEQ) : 0;
	return r;
}

static int
drop_home(struct work *w, struct err *e)
{
	int64_t upto = 0;
	int r = w->s->rows ? open_local(w, e) : 0;

	if (r || !w->s->rows)
		return r;
	r = home_seq(w, &upto, e);
	if (upto > w->s->head)
		upto = w->s->head;
	if (!r && upto > 0)
		r = drop_if_same(w, upto, e);
	if (r)
		db_free(TAKE(w->local));
	return r ? r : count_journal(w, e);
}

/* ---- depositing ---- */

static int
ask_slot(struct work *w, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;

	if (w->v.slot_ms && clock_mono_ms() - w->v.slot_ms < SLOT_MS)
		return 0;
	bind_uuid(&b, &w->d->self);
	int r = db_exec(w->primary, NULL, STMT_DEPOSIT_SLOT, &b, &rows, e);
	if (r)
		return r;
	w->v.slot_ms = clock_mono_ms();
	snprintf(w->v.slot_status, sizeof(w->v.slot_status), "%s",
		 rows_count(rows) ? row_text(rows, 0, COL_DEPOSIT_SLOT_STATUS) : "missing");
	w->v.slot_active = rows_count(rows) && row_bool(rows, 0, COL_DEPOSIT_SLOT_ACTIVE);
	w->v.slot_retained = rows_count(rows) ? row_bigint(rows, 0, COL_DEPOSIT_SLOT_RETAINED) : 0;
	w->v.slot_keep = rows_count(rows) ? row_bigint(rows, 0, COL_DEPOSIT_SLOT_KEEP) : 0;
	return 0;
}

static int
high_water(struct work *w, int64_t *ret, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;

	bind_uuid(&b, &w->s->node);
	int r = db_exec(w->primary, NULL, STMT_DEPOSIT_HIGH_WATER, &b, &rows, e);
	if (!r)
		*ret = row_bigint(rows, 0, COL_DEPOSIT_HIGH_WATER_SEQ);
	return r;
}

/* The certificate by which the other nodes are to know this one, and what it trusts. */
static int
announce_cert(struct work *w, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;
	int64_t now = clock_mono_ms();

	if (!w->o.web_cert[0] || (w->announced_ms && now - w->announced_ms < ANNOUNCE_MS))
		return 0;
	w->announced_ms = now;
	bind_uuid(&b, &w->d->self);
	bind_text(&b, w->o.web_cert);
	if (!w->o.trusts[0])
		return db_exec(w->primary, NULL, STMT_DEPOSIT_ANNOUNCE, &b, &rows, e);
	bind_text(&b, w->o.trusts);
	bind_text(&b, w->o.channel_by);
	bind_text(&b, w->o.web_by);
	return db_exec(w->primary, NULL, STMT_DEPOSIT_SHOW, &b, NULL, e);
}

/* By which ports they are to reach it. */
static int
announce_ports(struct work *w, struct err *e)
{
	auto_binds b = BINDS_INIT;
	int64_t now = clock_mono_ms();

	if (!w->o.https_port || (w->moved_ms && now - w->moved_ms < ANNOUNCE_MS))
		return 0;
	w->moved_ms = now;
	bind_uuid(&b, &w->d->self);
	bind_int(&b, w->o.https_port);
	bind_int(&b, w->o.pair_port);
	return db_exec(w->primary, NULL, STMT_DEPOSIT_MOVED, &b, NULL, e);
}

/* What this node's chain memory found goes into the primary's log. */
static int
tell_alarm(struct work *w, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;
	struct chain_memory_news n;
	int r;

	if (!w->o.chain_memory || !chain_memory_next(w->o.chain_memory, &n))
		return 0;
	bind_uuid(&b, &w->d->self);
	bind_text(&b, n.what);
	bind_uuid(&b, &n.node);
	bind_bigint(&b, n.seq);
	bind_text(&b, n.remembered);
	bind_text(&b, n.found);
	r = db_exec(w->primary, NULL, STMT_DEPOSIT_ALARM, &b, &rows, e);
	if (!r && row_bool(rows, 0, COL_DEPOSIT_ALARM_ASKED))
		chain_memory_told(w->o.chain_memory, &n);
	return r;
}

/* The rows of one batch, kept as copies until all three arrays are bound. */
struct batch {
	size_t n, bytes;
	struct {
		int64_t seq;
		uint8_t hash[32];
		void *event;
		size_t len;
	} row[BATCH_ROWS];
};

static int
add_to_batch(void *ctx, const struct journal_row *row)
{
	struct batch *t = ctx;

	if (t->n == BATCH_ROWS || (t->n && t->bytes + row->len > BATCH_BYTES))
		return 1;
	void *copy = mem_raw(row->len);
	memcpy(copy, row->event, row->len);
	t->row[t->n].seq = row->seq;
	memcpy(t->row[t->n].hash, row->hash, 32);
	t->row[t->n].event = copy;
	t->row[t->n].len = row->len;
	t->n++;
	t->bytes += row->len;
	return 0;
}

static void
free_batch(struct batch *t)
{
	for (size_t i = 0; t && i < t->n; i++)
		free(t->row[i].event);
	free(t);
}

DEFINE_GUARD(batch_guard, struct batch, free_batch)

static void
bind_batch(struct binds *b, const struct uuid *node, const struct batch *t)
{
	bind_uuid(b, node);
	bind_array_begin(b, STMT_BIGINT);
	for (size_t i = 0; i < t->n; i++)
		bind_elem_bigint(b, t->row[i].seq);
	bind_array_end(b);
	bind_array_begin(b, STMT_BYTEA);
	for (size_t i = 0; i < t->n; i++)
		bind_elem_bytea(b, t->row[i].hash, 32);
	bind_array_end(b);
	bind_array_begin(b, STMT_BYTEA);
	for (size_t i = 0; i < t->n; i++)
		bind_elem_bytea(b, t->row[i].event, t->row[i].len);
	bind_array_end(b);
}

static int
send_batch(struct work *w, int64_t after, int64_t *ret_last, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows taken = NULL;
	FREE_WITH(batch_guard) struct batch *t = mem_new(sizeof(*t));

	int r = journal_each(w->s->journal, after, BATCH_ROWS, add_to_batch, t, e);
	if (r < 0) {
		w->s->unreadable = true;
		return r;
	}
	if (!t->n) {
		*ret_last = after;
		return 0;
	}
	bind_batch(&b, &w->s->node, t);
	r = db_exec(w->primary, NULL, STMT_DEPOSIT_INSERT, &b, &taken, e);
	if (!r && row_bool(taken, 0, COL_DEPOSIT_INSERT_TAKEN))
		*ret_last = t->row[t->n - 1].seq;
	else if (!r)
		w->no_room_ms = clock_mono_ms();
	return r;
}

/* One batch a round, so that new orders are heard between two. */
static int
deposit_rows(struct work *w, struct err *e)
{
	int64_t mark = 0;

	if (w->no_room_ms && clock_mono_ms() - w->no_room_ms < ROOM_MS)
		return 0;
	int r = high_water(w, &mark, e);

	if (!r && mark < w->s->head)
		r = send_batch(w, mark, &mark, e);
	return r;
}

/* The very row that was refused is to be sent again: it would be refused again. */
static int
look_held(struct work *w, struct err *e)
{
	struct one_row mine;

	w->v.held = false;
	if (!w->o.aside_seq || !w->s->rows)
		return 0;
	int r = journal_row_at(w, w->o.aside_seq, &mine, e);
	w->v.held = !r && mine.found && memcmp(mine.hash, w->o.aside_hash, 32) == 0;
	return r;
}

static int
visit_primary(struct work *w, struct err *e)
{
	bool known = w->s->unreadable;
	bool to_go = w->s->rows && !known && !w->s->diverged_seq && !(w->s == &w->own && w->v.held);
	int r = open_primary(w, e);

	if (!r && w->s == &w->own)
		r = ask_slot(w, e);
	if (!r && w->s == &w->own)
		r = announce_cert(w, e);
	if (!r && w->s == &w->own)
		r = announce_ports(w, e);
	if (!r && w->s == &w->own)
		r = tell_alarm(w, e);
	if (!r && to_go && !w->o.rows_wait)
		r = deposit_rows(w, e);
	if (r && (known || !w->s->unreadable) && w->primary)
		db_free(TAKE(w->primary));
	return r;
}

/* ---- the thread ---- */

/* data/salvage-<id>.db, each a journal of that chain (ha/salvage.h), and data/journal-<id>.db, what this node wrote beside its own
 * (docs/chains.md). */
static void
find_salvaged(struct work *w)
{
	char dir[HOME_PATH_MAX];
	int64_t now = clock_mono_ms();

	if (w->scanned_ms && now - w->scanned_ms < SCAN_MS)
		return;
	w->scanned_ms = now;
	home_path(&w->d->home, HOME_JOURNAL, dir);
	*strrchr(dir, '/') = '\0';
	DIR *d = opendir(dir);
	for (struct dirent *f; d && (f = readdir(d)) && w->salvaged_n < SALVAGED_MAX;) {
		struct source s = { 0 };
		bool known = false;

		if (!home_is_of_chain(f->d_name, "salvage-", &s.node)) {
			s.kept = home_is_of_chain(f->d_name, "journal-", &s.node);
			if (!s.kept)
				continue;
		}
		for (size_t i = 0; i < w->salvaged_n; i++)
			known |= w->salvaged[i].kept == s.kept &&
				 uuid_eq(&w->salvaged[i].node, &s.node);
		snprintf(s.path, sizeof(s.path), "%.*s/%.60s", (int)sizeof(s.path) - 64, dir,
			 f->d_name);
		if (!known)
			w->salvaged[w->salvaged_n++] = s;
	}
	if (d)
		closedir(d);
}

static void
forget_salvaged(struct work *w, size_t i)
{
	journal_free(TAKE(w->salvaged[i].journal));
	w->salvaged[i] = w->salvaged[--w->salvaged_n];
}

/* Everything in it is merged. */
static void
remove_salvaged(struct work *w, size_t i)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	char path[HOME_PATH_MAX + 8];

	for (size_t k = 0; k < ARRAY_LEN(ends); k++) {
		snprintf(path, sizeof(path), "%s%s", w->salvaged[i].path, ends[k]);
		unlink(path);
	}
	log_notice("everything salvaged has been merged");
	forget_salvaged(w, i);
}

static void
note_divergence(struct work *w)
{
	char text[256];

	if (!w->s->diverged_seq)
		return;
	snprintf(text, sizeof(text),
		 "the primary's log has another event %lld of this node than the journal",
		 (long long)w->s->diverged_seq);
	set_trouble(w, DEPOSIT_DIVERGED, text);
}

/* Drops what is merged. A local database that cannot say so is named elsewhere; the rows stay. */
static void
work_journal(struct work *w)
{
	struct err e = { 0 };
	int r = count_journal(w, &e);

	if (!r && w->s == &w->own)
		r = look_held(w, &e);
	if (!r)
		r = drop_home(w, &e);
	if (r && w->s->unreadable)
		set_trouble(w, DEPOSIT_JOURNAL, e.text);
}

/* One source; false when the primary is not reached: the others need not try. A journal that cannot be read keeps nothing
 * else from the primary. */
static bool
work_source(struct work *w)
{
	struct err e = { 0 };
	bool known;
	int r = 0;

	work_journal(w);
	known = w->s->unreadable;
	if (w->o.go && w->o.host[0])
		r = visit_primary(w, &e);
	if (r && w->s->unreadable && !known)
		set_trouble(w, DEPOSIT_JOURNAL, e.text);
	else if (r && e.code &&
		 !known) /* a pause between two attempts keeps the text of the last */
		set_trouble(w, DEPOSIT_CHANNEL, e.text);
	note_divergence(w);
	return r == 0 || (w->s->unreadable && !known);
}

/* A file that is being written has no rows yet and is not done with: it has its turn when it is whole. Returns how many rows
 * wait in the files. */
static int64_t
work_salvaged(struct work *w, bool reached)
{
	int64_t rows = 0;

	if (pthread_mutex_trylock(&w->d->salvaged) != 0)
		return w->salvaged_rows;
	find_salvaged(w);
	for (size_t i = 0; i < w->salvaged_n;) {
		w->s = &w->salvaged[i];
		if (reached)
			reached = work_source(w);
		rows += w->s->rows;
		if (w->s->kept && access(w->s->path, F_OK) < 0)
			forget_salvaged(w, i);
		else if (w->s->journal && !w->s->rows && !w->s->kept)
			remove_salvaged(w, i);
		else
			i++;
	}
	pthread_mutex_unlock(&w->d->salvaged);
	w->salvaged_rows = rows;
	return rows;
}

static void
work_once(struct work *w)
{
	enum deposit_trouble before = w->v.trouble;
	bool reached;

	if (!w->o.go || !w->o.host[0]) {
		db_free(TAKE(w->primary));
		w->v.slot_ms = 0;
	}
	if (before != DEPOSIT_CHANNEL || !w->o.go)
		set_trouble(w, DEPOSIT_FINE, "");
	w->s = &w->own;
	reached = work_source(w);
	if (reached && w->v.trouble == DEPOSIT_CHANNEL)
		set_trouble(w, DEPOSIT_FINE, "");
	w->v.rows = w->own.rows + work_salvaged(w, reached);
	if (w->own.journal)
		w->v.counted_ms = clock_mono_ms();
}

static int64_t
take_turn(void *arg)
{
	struct work *w = arg;
	struct deposit *d = w->d;

	w->o = d->orders;
	worker_unlock(&d->worker);
	work_once(w);
	worker_lock(&d->worker);
	d->view = w->v;
	return clock_mono_ms() + (w->v.rows ? BUSY_MS : IDLE_MS);
}

static void
end_work(void *arg)
{
	struct work *w = arg;

	journal_free(w->own.journal);
	for (size_t i = 0; i < w->salvaged_n; i++)
		journal_free(w->salvaged[i].journal);
	db_free(w->local);
	db_free(w->primary);
	free(w);
}

struct deposit *
deposit_new(const struct home *h, const struct uuid *self, const char *local_conninfo)
{
	struct deposit *d = mem_new(sizeof(*d));
	struct work *w = mem_new(sizeof(*w));

	d->home = *h;
	d->self = *self;
	d->local = mem_dup(local_conninfo);
	w->d = d;
	w->own.node = *self;
	home_path(h, HOME_JOURNAL, w->own.path);
	pthread_mutex_init(&d->salvaged, NULL);
	worker_init(&d->worker);
	worker_start(&d->worker, "deposit", take_turn, end_work, w);
	return d;
}

void
deposit_order(struct deposit *d, const struct deposit_orders *o)
{
	worker_lock(&d->worker);
	bool news = d->orders.go != o->go || d->orders.home_seq != o->home_seq;
	d->orders = *o;
	if (news)
		worker_wake(&d->worker);
	worker_unlock(&d->worker);
}

void
deposit_look(struct deposit *d, struct deposit_view *ret)
{
	worker_lock(&d->worker);
	*ret = d->view;
	worker_unlock(&d->worker);
}

void
deposit_hold(struct deposit *d)
{
	if (d)
		pthread_mutex_lock(&d->salvaged);
}

void
deposit_release(struct deposit *d)
{
	if (d)
		pthread_mutex_unlock(&d->salvaged);
}

void
deposit_free(struct deposit *d)
{
	if (!d)
		return;
	worker_done(&d->worker);
	pthread_mutex_destroy(&d->salvaged);
	free(d->local);
	free(d);
}
