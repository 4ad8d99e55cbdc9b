/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the own chain ends: asked of the database, of the journal and of keyd, which has the end
 * mark; they must agree. A chain that is shorter than its mark was cut from outside; that becomes
 * an event of its own, so that new events over the cut do not hide it, and the mark is given up for
 * that event's. Where the end cannot be proved the node writes another chain.
 */
#include "ledger/ledger_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/json_out.h"
#include "base/log.h"
#include "base/mem.h"
#include "ledger/event_body.h"

/* ---- the end mark ---- */

/* An end of the own chain. */
static struct endmark
end_at(const struct ledger *l, int64_t seq, const uint8_t hash[static KEYS_HASH_BYTES])
{
	struct endmark m = { .node = l->o.node, .seq = seq };

	memcpy(m.hash, hash, sizeof(m.hash));
	return m;
}

static void
put_mark(struct ledger *l, const struct endmark *m)
{
	l->mark = *m;
	l->mark_due = true;
	ledger_worker_wake(&l->marker);
}

void
ledger_mark_end(struct ledger *l)
{
	struct endmark m = end_at(l, l->head_seq, l->head_hash);

	if (ledger_own_chain(l))
		put_mark(l, &m);
}

/* One that is lost, because keyd is not there, is made up for by the next. */
static void
mark(struct ledger *l, struct fiber *f)
{
	struct endmark to = l->mark, lost = l->mark_lost;
	struct err e = { 0 };
	int rc;

	l->mark_due = false;
	l->mark_lost.seq = 0;
	rc = lost.seq ? keys_mark_replace(l->o.keys, f, &lost, &to, &e)
		      : keys_mark(l->o.keys, f, &to, &e);
	if (rc == ERR_KEYS_UNAVAILABLE && !l->mark_lost.seq)
		l->mark_lost = lost;
	if (rc && !l->mark_failed && !l->stopping)
		log_err(LOG_LEVEL_WARNING, &e, "the end of this node's log is not remembered");
	l->mark_failed = rc != 0;
}

void
ledger_run_marker(struct fiber *f, void *arg)
{
	struct ledger *l = arg;

	l->marker.f = f;
	while (l->mark_due || !l->stopping) {
		if (l->mark_due)
			mark(l, f);
		else
			ledger_worker_wait(&l->marker);
	}
	l->workers--;
}

static void
say_cut(const struct endmark *a, int64_t end)
{
	log_error("the log ends at event %lld, but this node remembers event %lld: its end was "
		  "removed from outside",
		  (long long)end, (long long)a->seq);
}

static int
report_cut(struct ledger *l, struct fiber *f, const struct endmark *a, struct err *e)
{
	auto_buf body = BUF_INIT;
	struct event ev = { .kind = EVENT_LOG_CUT, .address = "" };
	struct json_out w;
	int rc;

	say_cut(a, l->head_seq);
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_int(&w, "remembered", a->seq);
	event_body_hex(&w, "remembered_hash", a->hash, sizeof(a->hash));
	json_out_int(&w, "found", l->head_seq);
	json_out_end_object(&w);
	ev.body = buf_str(&body);
	rc = ledger_commit_own(l, f, &ev, 1, NULL, e);
	if (rc)
		return err_prefix(e, "cannot log that the log was cut: ");
	/* The mark of that event, which waits for its turn, takes the place of this one. */
	l->mark_lost = *a;
	return 0;
}

/* A log without the node's memory of its end: from now on only what comes is guarded. It is written into the chain that the node
 * goes on with. */
static int
report_no_mark(struct ledger *l, struct fiber *f, const struct endmark *end, struct err *e)
{
	struct event ev = { .kind = EVENT_WITNESS_LOST,
			    .object = l->o.node,
			    .address = "",
			    .body = "{\"what\":\"anchor\"}" };
	int rc;

	log_warning("the anchor of this node's log (data/anchor) is gone, but the log ends at "
		    "event %lld: whether its end was removed before cannot be told. Run "
		    "`holdfast audit verify`",
		    (long long)end->seq);
	rc = ledger_commit_own(l, f, &ev, 1, NULL, e);
	if (rc)
		return err_prefix(e, "cannot log that the anchor of the log is gone: ");
	if (!ledger_own_chain(l))
		put_mark(l, end);
	return 0;
}

/* ---- rows that are not home ---- */

/* Each must continue the log (seq, hash): a disk may have changed what SQLite does not look at, and what is written behind such a
 * row could not be merged. Where the log lacks what is before them only the primary can tell. */
static int
check_rows(struct ledger *l, struct fiber *f, const struct ledger_look *k, int64_t seq,
	   const uint8_t *hash, struct err *e)
{
	FREE_WITH(ledger_fetch_done) struct ledger_fetch x = ledger_fetch_begin(&l->o.node, seq);
	uint8_t last[KEYS_HASH_BYTES];

	if (k->seq - k->count > seq)
		return 0;
	memcpy(last, hash, sizeof(last));
	for (;;) {
		auto_buf texts = BUF_INIT;
		struct err why = { 0 };
		size_t good = 0;
		int rc = ledger_fetch_next(l, f, &x, e);

		if (rc || !x.n)
			return rc;
		rc = ledger_verify_rows(l, f, &l->o.node, x.before, last, x.rows, x.n, &texts,
					&good, &why);
		if (rc || good < x.n) {
			*e = why;
			return rc ? rc : ledger_broken_row(x.rows[good].seq, &why, e);
		}
		memcpy(last, x.rows[x.n - 1].hash, sizeof(last));
	}
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
	uint8_t hash[KEYS_HASH_BYTES];
	int64_t seq = 0;
	int rc = ledger_adopt(l, f, e);

	if (!rc)
		rc = ledger_read_head(l, f, &l->o.node, &seq, hash, e);
	if (rc)
		return rc;
	put_head(l, seq, hash);
	return rc ? rc : ledger_follow_end(l, f, &l->o.node, &l->head_seq, l->head_hash, e);
}

/* The journal alone is enough if the node remembers nothing later: then the log can have nothing
 * later either. */
static int
learn_without_db(struct ledger *l, const struct ledger_look *k, const struct endmark *a,
		 struct err *e)
{
	struct endmark end = end_at(l, k->seq, k->hash);

	if (k->seq && a->seq && !endmark_is_cut(a, &end)) {
		put_head(l, k->seq, k->hash);
		return 0;
	}
	return err_prefix(e, "cannot learn where this node's log ends: ");
}

static int
learn_journal(struct ledger *l, struct fiber *f, const struct endmark *a, struct err *e)
{
	struct ledger_look k;
	uint8_t hash[KEYS_HASH_BYTES];
	int64_t seq;
	int rc = ledger_journal_look(l, f, &l->o.node, true, &k, e);

	if (rc)
		return rc;
	bool known = ledger_read_head(l, f, &l->o.node, &seq, hash, e) == 0;
	if (known && seq == k.seq && memcmp(hash, k.hash, sizeof(hash)))
		return err_set(e, ERR_CHAIN_BROKEN,
			       "journal and log of this node differ at event %lld", (long long)seq);
	if (!known || (!k.count && ledger_follow_end(l, f, &l->o.node, &seq, hash, e)))
		return learn_without_db(l, &k, a, e);
	if (seq > k.seq) {
		rc = ledger_journal_go_on(l, f, &l->o.node, seq, hash, e);
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

/* Goes on where it was left: nobody but this node's run writes it. */
static int
learn_other(struct ledger *l, struct fiber *f, struct err *e)
{
	uint8_t hash[KEYS_HASH_BYTES];
	struct ledger_look k = { 0 };
	int64_t seq = 0;
	int rc = l->mode == WRITES_JOURNAL ? ledger_journal_look(l, f, &l->chain, true, &k, e)
					   : ledger_read_head(l, f, &l->chain, &seq, hash, e);

	if (rc)
		return rc;
	l->beside_mode = l->mode;
	if (l->mode == WRITES_JOURNAL)
		put_head(l, k.seq, k.hash);
	else
		put_head(l, seq, hash);
	return 0;
}

/* A disk that was put back has none of this run of the node. */
static int
find_in_log(struct ledger *l, struct fiber *f, struct uuid *ret, bool *ret_found, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;

	bind_uuid(&b, &l->o.node);
	bind_text(&b, l->run);
	int rc = db_exec(l->o.writer, f, STMT_CHAIN_OF_RUN, &b, &rows, e);
	*ret_found = !rc && rows_count(rows);
	if (*ret_found)
		row_uuid(rows, 0, COL_CHAIN_OF_RUN_ID, ret);
	return rc;
}

struct begun {
	const char *run;
	bool is;
};

static void
take_begun(void *ctx, const struct event *ev)
{
	struct begun *g = ctx;
	char said[160];

	if (ev->kind != EVENT_CHAIN_BEGUN || ev->seq != 1)
		return;
	snprintf(said, sizeof(said), "\"run\":\"%s\"", g->run);
	g->is = strstr(ev->body, said) != NULL;
}

static int
find_in_journals(struct ledger *l, struct fiber *f, struct uuid *ret, bool *ret_found,
		 struct err *e)
{
	struct uuid *chains = NULL;
	size_t n = 0;
	int rc = ledger_journals_beside(l, f, &chains, &n, e);

	*ret_found = false;
	for (size_t i = 0; !rc && !*ret_found && i < n; i++) {
		struct begun g = { .run = l->run };

		rc = ledger_journal_first(l, f, &chains[i], take_begun, &g, e);
		*ret_found = !rc && g.is;
		if (*ret_found)
			*ret = chains[i];
	}
	free(chains);
	return rc;
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
	log_notice("where this node's chain of the log ends is not proved: until it is, its events "
		   "are a chain of their own");
	uuid_new(&l->chain);
	l->beside_mode = l->mode;
	put_head(l, 0, nothing);
	int rc = ledger_commit_own(l, f, &ev, 1, NULL, e);
	if (rc)
		l->chain = l->o.node;
	return rc;
}

static int
go_beside(struct ledger *l, struct fiber *f, struct err *e)
{
	bool found = false;
	int rc = 0;

	if (l->run[0])
		rc = l->mode == WRITES_JOURNAL ? find_in_journals(l, f, &l->chain, &found, e)
					       : find_in_log(l, f, &l->chain, &found, e);
	if (rc)
		return rc;
	return found ? learn_other(l, f, e) : begin_other(l, f, e);
}

int
ledger_learn_head(struct ledger *l, struct fiber *f, struct err *e)
{
	struct endmark a, end;
	int rc;

	if (!ledger_own_chain(l) && !l->proved && l->mode == l->beside_mode)
		return learn_other(l, f, e);
	l->chain = l->o.node;
	rc = keys_mark_ask(l->o.keys, f, &a, e);
	if (!rc)
		rc = l->mode == WRITES_JOURNAL ? learn_journal(l, f, &a, e) : learn_db(l, f, e);
	if (rc)
		return rc;
	end = end_at(l, l->head_seq, l->head_hash);
	if (!l->proved)
		rc = go_beside(l, f, e);
	if (rc)
		return rc;
	if (!a.seq)
		return end.seq ? report_no_mark(l, f, &end, e) : 0;
	if (!endmark_is_cut(&a, &end))
		return 0;
	if (ledger_own_chain(l))
		return report_cut(l, f, &a, e);
	/* Another node may have what is missing here: it is an event once that is known. */
	say_cut(&a, end.seq);
	return 0;
}
