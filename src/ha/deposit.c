/* SPDX-License-Identifier: Apache-2.0 */
#include "ha/deposit.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/db.h"
#include "store/journal.h"

#define BATCH_ROWS 500
#define BATCH_BYTES (4u << 20)
#define BUSY_MS 50 /* between rounds while rows are there */
#define IDLE_MS 200
#define ANNOUNCE_MS 3000
#define SLOT_MS 1000 /* how often the primary is asked for the slot */

struct deposit {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	bool stop;
	struct home home;
	struct uuid self;
	char *local;
	struct deposit_orders orders;
	struct deposit_view view;
};

/* What the thread keeps to itself. */
struct work {
	struct deposit *d;
	struct deposit_orders o;
	struct deposit_view v;
	struct journal *journal;
	struct db *local, *primary;
	char host[256]; /* where `primary` is connected to */
	int port;
	int64_t rows, head;   /* of the journal */
	int64_t diverged_seq; /* 0: not */
	int64_t announced_ms;
	int64_t pause_until_ms; /* after a failed connection */
};

/* Values in a conninfo stand in quotes; quotes and backslashes inside are escaped. */
static void
add_value(struct buf *b, const char *name, const char *v)
{
	buf_addf(b, " %s='", name);
	for (; *v; v++) {
		if (*v == '\'' || *v == '\\')
			buf_addc(b, '\\');
		buf_addc(b, *v);
	}
	buf_addc(b, '\'');
}

static void
add_path(struct buf *b, const struct home *h, const char *name, enum home_path p)
{
	char path[HOME_PATH_MAX];

	home_path(h, p, path);
	add_value(b, name, path);
}

void
deposit_conninfo(const struct home *h, const char *host, int port, struct buf *ret)
{
	buf_adds(ret, "user=hf_deposit dbname=holdfast");
	add_value(ret, "host", host);
	buf_addf(ret, " port=%d", port);
	buf_adds(ret, " sslmode=verify-full ssl_min_protocol_version=TLSv1.3 gssencmode=disable"
		      " connect_timeout=2 tcp_user_timeout=3000 keepalives_idle=2 "
		      "keepalives_interval=1 keepalives_count=3"
		      " target_session_attrs=read-write options='-c statement_timeout=15000'");
	add_path(ret, h, "sslrootcert", HOME_PAIR_CA);
	add_path(ret, h, "sslcert", HOME_PAIR_CERT);
	add_path(ret, h, "sslkey", HOME_PAIR_KEY);
}

static void
copy_text(char *to, size_t room, const char *from)
{
	size_t n = strnlen(from, room - 1);

	memcpy(to, from, n);
	to[n] = '\0';
}

static void
set_trouble(struct work *w, enum deposit_trouble t, const char *why)
{
	w->v.trouble = t;
	copy_text(w->v.why, sizeof(w->v.why), why);
}

/* ---- the journal ---- */

static int
count_journal(struct work *w, struct err *e)
{
	char path[HOME_PATH_MAX];
	uint8_t hash[32];
	int r = 0;

	if (!w->journal) {
		home_path(&w->d->home, HOME_JOURNAL, path);
		r = journal_open(path, &w->d->self, &w->journal, e);
	}
	if (!r)
		r = journal_head(w->journal, &w->rows, &w->head, hash, e);
	if (r) {
		journal_free(TAKE(w->journal));
		return r;
	}
	w->v.rows = w->rows;
	w->v.counted_ms = clock_mono_ms();
	return 0;
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
	int r = journal_each(w->journal, seq - 1, 1, take_row, ret, e);
	if (!r && ret->seq != seq)
		ret->found = false;
	return r;
}

/* ---- seeing the own rows come back ---- */

static int
log_hash_at(struct work *w, int64_t seq, uint8_t ret[static 32], bool *ret_found, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;
	size_t n = 0;

	bind_uuid(&b, &w->d->self);
	bind_bigint(&b, seq);
	int r = db_exec(w->local, NULL, STMT_EVENT_HASH, &b, &rows, e);
	if (r)
		return r;
	const void *p = rows_count(rows) ? row_bytea(rows, 0, 0, &n) : NULL;
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
				.application = "holdfast agent deposit" };
	w->local = db_open(&o, e);
	return w->local ? 0 : ERR_DB_GONE;
}

/* Row `upto` stands for all before it: its hash covers them. */
static int
drop_if_same(struct work *w, int64_t upto, struct err *e)
{
	struct one_row mine;
	uint8_t theirs[32];
	bool found = false;
	int r = journal_row_at(w, upto, &mine, e);

	if (r || !mine.found)
		return r;
	r = log_hash_at(w, upto, theirs, &found, e);
	if (r || !found)
		return r;
	if (memcmp(mine.hash, theirs, 32) != 0) {
		w->diverged_seq = upto;
		return 0;
	}
	w->diverged_seq = 0;
	return journal_drop(w->journal, upto, e);
}

static int
drop_home(struct work *w, struct err *e)
{
	int64_t upto = w->o.home_seq < w->head ? w->o.home_seq : w->head;
	int r = w->rows && upto > 0 ? open_local(w, e) : 0;

	if (r || !w->rows || upto <= 0)
		return r;
	r = drop_if_same(w, upto, e);
	if (r)
		db_free(TAKE(w->local));
	return r ? r : count_journal(w, e);
}

/* ---- depositing ---- */

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
	deposit_conninfo(&w->d->home, w->o.host, w->o.port, &info);
	struct db_options o = { .conninfo = buf_str(&info), .application = "holdfast deposit" };
	w->primary = db_open(&o, e);
	if (!w->primary) {
		w->pause_until_ms = clock_mono_ms() + 500;
		return ERR_DB_GONE;
	}
	snprintf(w->host, sizeof(w->host), "%s", w->o.host);
	w->port = w->o.port;
	return 0;
}

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
		 rows_count(rows) ? row_text(rows, 0, 0) : "missing");
	w->v.slot_active = rows_count(rows) && row_bool(rows, 0, 1);
	w->v.slot_retained = rows_count(rows) ? row_bigint(rows, 0, 2) : 0;
	w->v.slot_keep = rows_count(rows) ? row_bigint(rows, 0, 3) : 0;
	return 0;
}

static int
high_water(struct work *w, int64_t *ret, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;

	bind_uuid(&b, &w->d->self);
	int r = db_exec(w->primary, NULL, STMT_DEPOSIT_HIGH_WATER, &b, &rows, e);
	if (!r)
		*ret = row_bigint(rows, 0, 0);
	return r;
}

/* The certificate by which the other nodes are to know this one. */
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
	return db_exec(w->primary, NULL, STMT_DEPOSIT_ANNOUNCE, &b, &rows, e);
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
	void *copy = malloc(row->len ? row->len : 1);
	if (!copy)
		abort();
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
bind_batch(struct binds *b, const struct uuid *self, const struct batch *t)
{
	bind_uuid(b, self);
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
	FREE_WITH(batch_guard) struct batch *t = calloc(1, sizeof(*t));

	if (!t)
		abort();
	int r = journal_each(w->journal, after, BATCH_ROWS, add_to_batch, t, e);
	if (r < 0)
		return r;
	if (!t->n) {
		*ret_last = after;
		return 0;
	}
	bind_batch(&b, &w->d->self, t);
	r = db_exec(w->primary, NULL, STMT_DEPOSIT_INSERT, &b, NULL, e);
	if (!r)
		*ret_last = t->row[t->n - 1].seq;
	return r;
}

/* One batch a round, so that new orders are heard between two. */
static int
deposit_rows(struct work *w, struct err *e)
{
	int64_t mark = 0;
	int r = high_water(w, &mark, e);

	if (!r && mark < w->head)
		r = send_batch(w, mark, &mark, e);
	return r;
}

static int
visit_primary(struct work *w, struct err *e)
{
	int r = open_primary(w, e);

	if (!r)
		r = ask_slot(w, e);
	if (!r)
		r = announce_cert(w, e);
	if (!r && w->rows && !w->o.hold && !w->diverged_seq)
		r = deposit_rows(w, e);
	if (r && w->primary)
		db_free(TAKE(w->primary));
	return r;
}

/* ---- the thread ---- */

static void
work_once(struct work *w)
{
	struct err e = { 0 };
	char text[256];

	int r = count_journal(w, &e);
	if (!r)
		r = drop_home(w, &e);
	if (r) {
		set_trouble(w, DEPOSIT_JOURNAL, e.text);
		return;
	}
	enum deposit_trouble before = w->v.trouble;
	if (before != DEPOSIT_CHANNEL)
		set_trouble(w, DEPOSIT_FINE, "");
	if (w->o.go && w->o.host[0]) {
		r = visit_primary(w, &e);
		if (!r)
			set_trouble(w, DEPOSIT_FINE, "");
		else if (e.code) /* a pause between two attempts keeps the text of the last */
			set_trouble(w, DEPOSIT_CHANNEL, e.text);
	} else {
		db_free(TAKE(w->primary));
		w->v.slot_ms = 0;
		set_trouble(w, DEPOSIT_FINE, "");
	}
	if (w->diverged_seq) {
		snprintf(text, sizeof(text),
			 "the primary's log has another event %lld of this node than the journal",
			 (long long)w->diverged_seq);
		set_trouble(w, DEPOSIT_DIVERGED, text);
	}
}

static void
nap(struct deposit *d, int64_t ms)
{
	int64_t end = clock_mono_ms() + ms;
	struct timespec at = { .tv_sec = end / 1000, .tv_nsec = end % 1000 * 1000000 };

	if (!d->stop)
		pthread_cond_timedwait(&d->wake, &d->lock, &at);
}

static void *
run(void *arg)
{
	struct deposit *d = arg;
	struct work *w = calloc(1, sizeof(*w));

	if (!w)
		abort();
	w->d = d;
	pthread_mutex_lock(&d->lock);
	while (!d->stop) {
		w->o = d->orders;
		pthread_mutex_unlock(&d->lock);
		work_once(w);
		pthread_mutex_lock(&d->lock);
		d->view = w->v;
		nap(d, w->rows ? BUSY_MS : IDLE_MS);
	}
	pthread_mutex_unlock(&d->lock);
	journal_free(w->journal);
	db_free(w->local);
	db_free(w->primary);
	free(w);
	return NULL;
}

struct deposit *
deposit_new(const struct home *h, const struct uuid *self, const char *local_conninfo)
{
	struct deposit *d = calloc(1, sizeof(*d));
	pthread_condattr_t attr;

	if (!d)
		abort();
	d->home = *h;
	d->self = *self;
	d->local = strdup(local_conninfo);
	if (!d->local)
		abort();
	pthread_mutex_init(&d->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&d->wake, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&d->thread, NULL, run, d))
		abort();
	return d;
}

void
deposit_order(struct deposit *d, const struct deposit_orders *o)
{
	pthread_mutex_lock(&d->lock);
	bool news = d->orders.go != o->go || d->orders.home_seq != o->home_seq;
	d->orders = *o;
	if (news)
		pthread_cond_signal(&d->wake);
	pthread_mutex_unlock(&d->lock);
}

void
deposit_look(struct deposit *d, struct deposit_view *ret)
{
	pthread_mutex_lock(&d->lock);
	*ret = d->view;
	pthread_mutex_unlock(&d->lock);
}

void
deposit_free(struct deposit *d)
{
	if (!d)
		return;
	pthread_mutex_lock(&d->lock);
	d->stop = true;
	pthread_cond_signal(&d->wake);
	pthread_mutex_unlock(&d->lock);
	pthread_join(d->thread, NULL);
	pthread_mutex_destroy(&d->lock);
	pthread_cond_destroy(&d->wake);
	free(d->local);
	free(d);
}
