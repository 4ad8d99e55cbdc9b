/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the own chain ends: asked of the database, of the journal and of the chain head file, which must
 * agree. A chain that is shorter than that file remembers was cut from outside; that becomes an
 * event of its own, so that new events over the cut do not hide it. The journal's blocking calls
 * run on the thread pool.
 */
#include "ledger/ledger_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/json_out.h"
#include "base/log.h"
#include "base/mem.h"
#include "ledger/chain_head_file.h"
#include "ledger/event_body.h"

/* ---- the thread ---- */

struct job {
	uv_work_t work;
	struct fiber *f;
	bool done;
	struct ledger *l;
	int (*fn)(struct ledger *l, void *arg, struct err *e);
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

/* Runs fn on a thread of the pool while the fiber sleeps; one at a time has the journal. */
static int
on_thread(struct ledger *l, struct fiber *f, int (*fn)(struct ledger *l, void *arg, struct err *e),
	  void *arg, struct err *e)
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

/* ---- the journal ---- */

struct look {
	bool create; /* false: a journal that is not there is an empty one */
	bool there;
	int64_t count, seq;
	uint8_t hash[KEYS_HASH_BYTES];
};

static int
open_journal(struct ledger *l, bool create, struct err *e)
{
	if (l->journal)
		return 0;
	if (!l->journal_path)
		return create ? err_set(e, ERR_INTERNAL, "no journal is named") : 0;
	if (!create && access(l->journal_path, F_OK))
		return errno == ENOENT
			       ? 0
			       : err_errno(e, ERR_IO, "cannot look for %s", l->journal_path);
	return journal_open(l->journal_path, &l->o.node, &l->journal, e);
}

static int
look(struct ledger *l, void *arg, struct err *e)
{
	struct look *k = arg;
	int rc = open_journal(l, k->create, e);

	if (rc || !l->journal)
		return rc;
	k->there = true;
	return journal_head(l->journal, &k->count, &k->seq, k->hash, e);
}

struct append {
	const struct journal_row *rows;
	size_t n;
};

static int
append(struct ledger *l, void *arg, struct err *e)
{
	const struct append *a = arg;
	int rc = open_journal(l, true, e);

	return rc ? rc : journal_append(l->journal, a->rows, a->n, e);
}

int
ledger_journal_write(struct ledger *l, struct fiber *f, const struct ledger_units *q, struct err *e)
{
	struct journal_row *rows = mem_array(q->events, sizeof(*rows));
	struct append a = { rows, 0 };
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
	rc = on_thread(l, f, append, &a, e);
	free(rows);
	return rc;
}

/* Some rows of the journal, copied out of it. */
struct fetch {
	int64_t after;
	struct ledger_row *rows;
	size_t n;
	struct buf bytes;
};

static int
on_row(void *ctx, const struct journal_row *row)
{
	struct fetch *x = ctx;
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
	struct fetch *x = arg;
	const uint8_t *at;
	int rc;

	buf_reset(&x->bytes);
	x->n = 0;
	rc = open_journal(l, false, e);
	if (rc || !l->journal)
		return rc;
	rc = journal_each(l->journal, x->after, LEDGER_MERGE_MAX, on_row, x, e);
	at = (const uint8_t *)x->bytes.data;
	for (size_t i = 0; i < x->n; at += x->rows[i].len, i++)
		x->rows[i].bytes = at;
	return rc;
}

static struct fetch
fetch_begin(int64_t after)
{
	struct fetch x = { .after = after,
			   .rows = mem_array(LEDGER_MERGE_MAX, sizeof(struct ledger_row)) };

	return x;
}

static void
fetch_done(struct fetch *x)
{
	free(x->rows);
	buf_done(&x->bytes);
}

static int
each_event(const struct fetch *x, ledger_event_fn *fn, void *ctx, struct err *e)
{
	for (size_t i = 0; i < x->n; i++) {
		auto_buf texts = BUF_INIT;
		struct event ev;
		int rc = event_decode(x->rows[i].bytes, x->rows[i].len, &ev, &texts, e);

		if (rc)
			return err_prefix(e,
					  "row %lld of the journal: ", (long long)x->rows[i].seq);
		fn(ctx, &ev);
	}
	return 0;
}

int
ledger_journal_each(struct ledger *l, struct fiber *f, ledger_event_fn *fn, void *ctx,
		    struct err *e)
{
	FREE_WITH(fetch_done) struct fetch x = fetch_begin(0);
	int rc;

	do {
		rc = on_thread(l, f, fetch, &x, e);
		if (!rc)
			rc = each_event(&x, fn, ctx, e);
		if (x.n)
			x.after = x.rows[x.n - 1].seq;
	} while (!rc && x.n);
	return rc;
}

static int
drop(struct ledger *l, void *arg, struct err *e)
{
	return journal_drop(l->journal, *(const int64_t *)arg, e);
}

/* The journal is to go on where the log's own chain ends. */
struct set_head {
	int64_t seq;
	const uint8_t *hash;
};

static int
set_head(struct ledger *l, void *arg, struct err *e)
{
	const struct set_head *s = arg;
	int rc = journal_drop(l->journal, s->seq, e);

	return rc ? rc : journal_set_head(l->journal, s->seq, s->hash, e);
}

/* ---- the chain head file ---- */

static void on_sync_timer(uv_timer_t *t);

static void
on_synced(uv_fs_t *r)
{
	struct ledger *l = r->data;

	if (r->result < 0)
		log_warning("the anchor of the log is not known to be on the disk: %s",
			    uv_strerror((int)r->result));
	uv_fs_req_cleanup(r);
	l->chain_head_syncing = false;
	if (l->chain_head_dirty && !l->stopping)
		uv_timer_start(&l->sync_timer, on_sync_timer, LEDGER_SYNC_MS, 0);
}

/* Nobody waits for it: a mark that is a little older than the log accuses nobody. */
static void
on_sync_timer(uv_timer_t *t)
{
	struct ledger *l = t->data;

	l->chain_head_dirty = false;
	l->chain_head_syncing = true;
	l->sync.data = l;
	mem_check(!uv_fs_fdatasync(l->o.loop, &l->sync, l->chain_head_fd, on_synced));
}

/* Where the own chain ends. */
static void
write_mark(struct ledger *l, int64_t seq, const uint8_t hash[static KEYS_HASH_BYTES])
{
	struct chain_head_file a = { .node = l->o.node, .seq = seq };

	if (l->chain_head_fd < 0)
		return;
	memcpy(a.hash, hash, sizeof(a.hash));
	if (chain_head_file_write(l->chain_head_fd, &a)) {
		log_warning("cannot write the anchor of the log: %s", strerror(errno));
		return;
	}
	l->chain_head_dirty = true;
	if (!l->chain_head_syncing && !uv_is_active((uv_handle_t *)&l->sync_timer))
		uv_timer_start(&l->sync_timer, on_sync_timer, LEDGER_SYNC_MS, 0);
}

void
ledger_write_chain_head(struct ledger *l)
{
	if (ledger_own_chain(l))
		write_mark(l, l->head_seq, l->head_hash);
}

static bool
read_chain_head(struct ledger *l, struct chain_head_file *ret)
{
	return l->chain_head_fd >= 0 && chain_head_file_read(l->chain_head_fd, ret) &&
	       uuid_eq(&ret->node, &l->o.node);
}

/* Whether the node remembers more than the log has. */
static bool
is_cut(const struct chain_head_file *a, int64_t seq, const uint8_t *hash)
{
	return a->seq > seq || (a->seq == seq && memcmp(a->hash, hash, KEYS_HASH_BYTES));
}

static int
report_cut(struct ledger *l, struct fiber *f, const struct chain_head_file *a, struct err *e)
{
	auto_buf body = BUF_INIT;
	struct event ev = { .kind = EVENT_LOG_CUT, .address = "" };
	struct json_out w;
	int rc;

	log_error("the log ends at event %lld, but this node remembers event %lld: its end was "
		  "removed from outside",
		  (long long)l->head_seq, (long long)a->seq);
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_int(&w, "remembered", a->seq);
	event_body_hex(&w, "remembered_hash", a->hash, sizeof(a->hash));
	json_out_int(&w, "found", l->head_seq);
	json_out_end_object(&w);
	ev.body = buf_str(&body);
	rc = ledger_commit_own(l, f, &ev, 1, NULL, e);
	return rc ? err_prefix(e, "cannot log that the log was cut: ") : 0;
}

/* A log without the node's memory of its end: from now on only what comes is guarded. It is written into the chain that the node
 * goes on with. */
static int
report_no_chain_head(struct ledger *l, struct fiber *f, int64_t end,
		     const uint8_t hash[static KEYS_HASH_BYTES], struct err *e)
{
	struct event ev = { .kind = EVENT_WITNESS_LOST,
			    .object = l->o.node,
			    .address = "",
			    .body = "{\"what\":\"anchor\"}" };
	int rc;

	log_warning("the anchor of this node's log (data/anchor) is gone, but the log ends at "
		    "event %lld: whether its end was removed before cannot be told. Run "
		    "`holdfast audit verify`",
		    (long long)end);
	rc = ledger_commit_own(l, f, &ev, 1, NULL, e);
	if (rc)
		return err_prefix(e, "cannot log that the anchor of the log is gone: ");
	if (!ledger_own_chain(l))
		write_mark(l, end, hash);
	return 0;
}

/* ---- rows that are not home ---- */

static int
broken_row(int64_t seq, const struct err *why, struct err *e)
{
	return err_set(e, ERR_CHAIN_BROKEN,
		       "event %lld of the journal does not verify (%.80s): stop this node and run "
		       "`holdfast ha repair-journal --before %lld`",
		       (long long)seq, why->text, (long long)seq);
}

/* Each must continue the log (seq, hash): a disk may have changed what SQLite does not look at, and what is written behind such a
 * row could not be merged. Where the log lacks what is before them only the primary can tell. */
static int
check_rows(struct ledger *l, struct fiber *f, const struct look *k, int64_t seq,
	   const uint8_t *hash, struct err *e)
{
	FREE_WITH(fetch_done) struct fetch x = fetch_begin(seq);
	uint8_t last[KEYS_HASH_BYTES];

	if (k->seq - k->count > seq)
		return 0;
	memcpy(last, hash, sizeof(last));
	for (;;) {
		auto_buf texts = BUF_INIT;
		struct err why = { 0 };
		size_t good = 0;
		int rc = on_thread(l, f, fetch, &x, e);

		if (rc || !x.n)
			return rc;
		rc = ledger_verify_rows(l, f, &l->o.node, x.after, last, x.rows, x.n, &texts, &good,
					&why);
		if (rc || good < x.n) {
			*e = why;
			return rc ? rc : broken_row(x.rows[good].seq, &why, e);
		}
		x.after = x.rows[x.n - 1].seq;
		memcpy(last, x.rows[x.n - 1].hash, sizeof(last));
	}
}

/* ---- the journal of a node that became the primary ---- */

static int
adopt_some(struct ledger *l, struct fiber *f, struct fetch *x, struct err *e)
{
	struct ledger_steps steps = { 0 };
	auto_buf texts = BUF_INIT;
	struct err why = { 0 };
	size_t good;
	int rc;

	rc = ledger_verify_rows(l, f, &l->o.node, l->head_seq, l->head_hash, x->rows, x->n, &texts,
				&good, &why);
	if (!rc && good < x->n)
		return broken_row(x->rows[good].seq, &why, e);
	if (rc) {
		*e = why;
		return rc;
	}
	ledger_step_rows(&steps, &l->o.node, x->rows, x->n, true);
	rc = db_transaction(l->o.writer, f, steps.v, steps.n, NULL, e);
	ledger_steps_done(&steps);
	if (rc)
		return rc;
	l->head_seq = x->rows[x->n - 1].seq;
	memcpy(l->head_hash, x->rows[x->n - 1].hash, sizeof(l->head_hash));
	l->stats.events += x->n;
	for (size_t i = 0; i < x->n && l->o.on_durable; i++)
		l->o.on_durable(l->o.ctx, &x->rows[i].ev);
	return on_thread(l, f, drop, &l->head_seq, e);
}

/* What this node wrote as a secondary goes into its own log before anything else does. */
static int
adopt(struct ledger *l, struct fiber *f, struct err *e)
{
	FREE_WITH(fetch_done) struct fetch x = fetch_begin(l->head_seq);
	int64_t from = l->head_seq;
	int rc;

	for (;;) {
		x.after = l->head_seq;
		rc = on_thread(l, f, fetch, &x, e);
		if (!rc && x.n && x.rows[0].seq != l->head_seq + 1)
			rc = ledger_follow_end(l, f, &l->o.node, &l->head_seq, l->head_hash, e);
		if (!rc && x.n)
			rc = adopt_some(l, f, &x, e);
		if (rc)
			return rc;
		if (!x.n)
			break;
	}
	if (l->head_seq > from)
		log_notice("%lld events of this node's journal went into the log",
			   (long long)(l->head_seq - from));
	return 0;
}

/* ---- the head ---- */

static void
put_head(struct ledger *l, int64_t seq, const uint8_t *hash)
{
	l->head_seq = seq;
	memmove(l->head_hash, hash, sizeof(l->head_hash));
}

static int
learn_db(struct ledger *l, struct fiber *f, struct err *e)
{
	struct look k = { .create = false };
	uint8_t hash[KEYS_HASH_BYTES];
	int64_t seq;
	int rc = ledger_read_head(l, f, &l->o.node, &seq, hash, e);

	if (!rc)
		rc = on_thread(l, f, look, &k, e);
	if (rc)
		return rc;
	put_head(l, seq, hash);
	if (k.count && k.seq > seq)
		rc = adopt(l, f, e);
	return rc ? rc : ledger_follow_end(l, f, &l->o.node, &l->head_seq, l->head_hash, e);
}

/* The journal alone is enough if the node remembers nothing later: then the log can have nothing
 * later either. */
static int
learn_without_db(struct ledger *l, const struct look *k, struct err *e)
{
	struct chain_head_file a;

	if (k->seq && read_chain_head(l, &a) && !is_cut(&a, k->seq, k->hash)) {
		put_head(l, k->seq, k->hash);
		return 0;
	}
	return err_prefix(e, "cannot learn where this node's log ends: ");
}

static int
learn_journal(struct ledger *l, struct fiber *f, struct err *e)
{
	struct look k = { .create = true };
	uint8_t hash[KEYS_HASH_BYTES];
	int64_t seq;
	int rc = on_thread(l, f, look, &k, e);

	if (rc)
		return rc;
	bool known = ledger_read_head(l, f, &l->o.node, &seq, hash, e) == 0;
	if (known && seq == k.seq && memcmp(hash, k.hash, sizeof(hash)))
		return err_set(e, ERR_CHAIN_BROKEN,
			       "journal and log of this node differ at event %lld", (long long)seq);
	if (!known || (!k.count && ledger_follow_end(l, f, &l->o.node, &seq, hash, e)))
		return learn_without_db(l, &k, e);
	if (seq > k.seq) {
		struct set_head s = { seq, hash };

		rc = on_thread(l, f, set_head, &s, e);
		if (rc)
			return rc;
		put_head(l, seq, hash);
	} else {
		rc = k.count ? check_rows(l, f, &k, seq, hash, e) : 0;
		if (rc)
			return rc;
		put_head(l, k.seq, k.hash);
	}
	return 0;
}

/* ---- a chain beside the own one ---- */

bool
ledger_own_chain(const struct ledger *l)
{
	return uuid_eq(&l->chain, &l->o.node);
}

/* Goes on where it was left: nobody but this process writes it. */
static int
learn_other(struct ledger *l, struct fiber *f, struct err *e)
{
	uint8_t hash[KEYS_HASH_BYTES];
	int64_t seq;
	int rc = ledger_read_head(l, f, &l->chain, &seq, hash, e);

	if (!rc)
		put_head(l, seq, hash);
	return rc;
}

/* A disk that was put back has none of this run of the node. */
static int
find_other(struct ledger *l, struct fiber *f, bool *ret_found, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;

	*ret_found = false;
	if (!l->run[0])
		return 0;
	bind_uuid(&b, &l->o.node);
	bind_text(&b, l->run);
	int rc = db_exec(l->o.writer, f, STMT_CHAIN_OF_RUN, &b, &rows, e);
	if (rc || !rows_count(rows))
		return rc;
	row_uuid(rows, 0, COL_CHAIN_OF_RUN_ID, &l->chain);
	*ret_found = true;
	return 0;
}

/* Its first event names what is known of the end of the own one, which is the head now. */
static int
begin_other(struct ledger *l, struct fiber *f, struct err *e)
{
	static const uint8_t nothing[KEYS_HASH_BYTES];
	auto_buf body = BUF_INIT;
	struct event ev = { .kind = EVENT_CHAIN_BEGUN, .object = l->o.node, .address = "" };
	struct json_out w;

	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_uuid(&w, "before", l->o.node.b);
	json_out_int(&w, "to", l->head_seq);
	event_body_hex(&w, "head", l->head_hash, sizeof(l->head_hash));
	if (l->run[0])
		json_out_text(&w, "run", l->run);
	json_out_end_object(&w);
	ev.body = buf_str(&body);
	log_notice("where this node's chain of the log ends is not proved, for no other node could "
		   "be asked: until "
		   "it is, its events are a chain of their own");
	uuid_new(&l->chain);
	put_head(l, 0, nothing);
	int rc = ledger_commit_own(l, f, &ev, 1, NULL, e);
	if (rc)
		l->chain = l->o.node;
	return rc;
}

static int
go_beside(struct ledger *l, struct fiber *f, struct err *e)
{
	bool found;
	int rc = find_other(l, f, &found, e);

	if (rc)
		return rc;
	return found ? learn_other(l, f, e) : begin_other(l, f, e);
}

int
ledger_learn_head(struct ledger *l, struct fiber *f, struct err *e)
{
	struct chain_head_file a;
	uint8_t hash[KEYS_HASH_BYTES];
	bool lost;
	int64_t end;
	int rc;

	if (!ledger_own_chain(l) && !l->proved && l->mode == WRITES_DATABASE)
		return learn_other(l, f, e);
	l->chain = l->o.node;
	rc = l->mode == WRITES_JOURNAL ? learn_journal(l, f, e) : learn_db(l, f, e);
	if (rc)
		return rc;
	end = l->head_seq;
	memcpy(hash, l->head_hash, sizeof(hash));
	lost = l->chain_head_fd >= 0 && end && !read_chain_head(l, &a);
	if (!l->proved && l->mode == WRITES_DATABASE)
		rc = go_beside(l, f, e);
	if (rc)
		return rc;
	if (lost)
		return report_no_chain_head(l, f, end, hash, e);
	if (ledger_own_chain(l) && read_chain_head(l, &a) && is_cut(&a, end, hash))
		return report_cut(l, f, &a, e);
	return 0;
}
