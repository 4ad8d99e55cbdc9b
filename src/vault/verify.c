/* SPDX-License-Identifier: Apache-2.0
 *
 * A chain proves its own order and content, but not its end. The end of this node's chain is
 * compared with two marks outside the table (the ledger's head in memory, the end mark), the
 * ends of all chains with the events that name them: MERGED, SEEN, and WITNESS_ALARM, which says
 * what a node remembers. On a secondary this node's chain continues in the journal.
 */
#include "vault/verify.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "crypto/endmark.h"
#include "ledger/event_body.h"
#include "vault/lists.h"

#define CHUNK 1000
#define GAPS_MAX 256
#define MISSED_MAX                                                                                 \
	32 /* of the marks that the log does not bear out: each is a break to be accepted */

/* An event that must be there, with this hash. */
struct mark {
	struct uuid node;
	int64_t seq;
	uint8_t hash[KEYS_HASH_BYTES];
	const char *who; /* remembers it */
};

/* Events that are known to be lost or others than they were: a mark there says nothing new. */
struct gap {
	struct uuid node;
	int64_t from, to;
};

struct walk {
	struct vault *v;
	struct fiber *f;
	struct verify_result *r;
	struct verify_node *n; /* being walked */
	uint8_t hash[KEYS_HASH_BYTES];
	struct mark own[2];
	size_t nown;
	struct uuid *journals; /* chains that have one */
	size_t njournals;
	struct mark *marks; /* that events of the log name, and the log was not found to have */
	size_t nmarks, marks_cap;
	struct gap gaps[GAPS_MAX];
	size_t ngaps;
	bool collect;		   /* every break is taken for accepted */
	struct audit_break *known; /* accepted by events of the log */
	size_t nknown;
	bool resumed; /* a break was passed: the rows are read anew from there */
};

static void broken(struct walk *w, int64_t seq, const char *fmt, ...) PRINTF(3, 4);
static struct verify_node *result_of(struct verify_result *r, const struct uuid *node);

static void
broken(struct walk *w, int64_t seq, const char *fmt, ...)
{
	va_list ap;

	w->r->good = false;
	if (w->n->broken)
		return;
	w->n->broken = true;
	w->n->broken_seq = seq;
	va_start(ap, fmt);
	text_fitv(w->n->why, sizeof(w->n->why), fmt, ap);
	va_end(ap);
}

/* ---- breaks that were accepted ---- */

static void
add_gap(struct walk *w, int64_t from, int64_t to)
{
	if (w->ngaps < GAPS_MAX)
		w->gaps[w->ngaps++] = (struct gap){ w->n->node, from, to };
}

static bool
in_gap(const struct walk *w, const struct mark *m)
{
	for (size_t i = 0; i < w->ngaps; i++) {
		const struct gap *g = &w->gaps[i];

		if (uuid_eq(&g->node, &m->node) && g->from <= m->seq && m->seq <= g->to)
			return true;
	}
	return false;
}

/* Whether the break is an accepted one, or is to be; then it is kept in the result. */
static bool
pass(struct walk *w, const struct audit_break *b)
{
	const struct audit_break *k = NULL;

	for (unsigned i = 0; i < w->r->naccepted; i++) {
		if (audit_break_same(&w->r->accepted[i], b))
			return true;
	}
	for (size_t i = 0; i < w->nknown && !k; i++) {
		if (audit_break_same(&w->known[i], b))
			k = &w->known[i];
	}
	if ((!k && !w->collect) || w->r->naccepted == VERIFY_BREAKS_MAX)
		return false;
	w->r->accepted[w->r->naccepted++] = k ? *k : *b;
	if (b->resume || b->upto)
		add_gap(w, b->seq, b->resume ? b->resume : b->upto);
	return true;
}

/* Goes on behind an end that is lost, if that was accepted. next: the event that follows there, 0: none does. */
static bool
pass_end(struct walk *w, int64_t next)
{
	const struct audit_break *k =
		audit_break_end(w->known, w->nknown, &w->n->node, w->n->last_seq + 1, next);
	uint8_t hash[KEYS_HASH_BYTES];
	size_t n;

	if (!k || sodium_hex2bin(hash, sizeof(hash), k->hash, strlen(k->hash), NULL, &n, NULL) ||
	    n != sizeof(hash) || !pass(w, k))
		return false;
	memcpy(w->hash, hash, sizeof(w->hash));
	w->n->last_seq = k->upto;
	return true;
}

/* A break behind which the chain goes on by itself. */
static void
broken_here(struct walk *w, int64_t seq, const char *why)
{
	struct audit_break b = { .node = w->n->node, .seq = seq };

	text_copy(b.why, sizeof(b.why), why);
	if (!pass(w, &b))
		broken(w, seq, "%s", why);
}

static void
broken_mark(struct walk *w, int64_t seq, const struct mark *m, const char *what)
{
	struct audit_break b = { .node = w->n->node, .seq = seq };

	sodium_bin2hex(b.hash, sizeof(b.hash), m->hash, sizeof(m->hash));
	snprintf(b.why, sizeof(b.why), "%s (event %lld) %s", m->who, (long long)m->seq, what);
	if (!pass(w, &b))
		broken(w, seq, "%s", b.why);
}

/* An event that accepts breaks, itself verified. */
static void
prove(struct walk *w, const struct event *ev)
{
	for (size_t i = 0; i < w->nknown; i++)
		w->known[i].proven |=
			uuid_eq(&w->known[i].node_by, &ev->node) && w->known[i].seq_by == ev->seq;
}

/* Passes a break if it was accepted together with the very row with which the chain goes on. */
static int
resume_at(struct walk *w, const struct rows *rows, int i, int64_t seq, const char *why,
	  struct err *e)
{
	struct audit_break b = { .node = w->n->node, .seq = seq };
	uint8_t digest[KEYS_HASH_BYTES];
	struct event ev;
	const void *hash;
	size_t len;
	int rc;

	audit_break_row(rows, i, &w->n->node, &ev);
	hash = row_bytea(rows, i, COL_EVENT_CHUNK_HASH, &len);
	if (!audit_break_encodable(&ev) || len != KEYS_HASH_BYTES)
		return 0;
	rc = audit_break_digest(w->v, w->f, &ev, digest, e);
	if (rc)
		return rc;
	b.resume = ev.seq;
	sodium_bin2hex(b.hash, sizeof(b.hash), hash, len);
	sodium_bin2hex(b.digest, sizeof(b.digest), digest, sizeof(digest));
	text_copy(b.why, sizeof(b.why), why);
	if (!pass(w, &b))
		return 0;
	w->resumed = true;
	memcpy(w->hash, hash, sizeof(w->hash));
	w->n->last_seq = ev.seq;
	w->n->events++;
	w->r->events++;
	return 0;
}

static bool
is_proven(const struct walk *w, const struct audit_break *b)
{
	for (size_t i = 0; i < w->nknown; i++) {
		if (uuid_eq(&w->known[i].node_by, &b->node_by) && w->known[i].seq_by == b->seq_by)
			return w->known[i].proven;
	}
	return false;
}

/* An acceptance that is not in the verified log is none. */
static void
check_accepted(struct walk *w)
{
	for (unsigned i = 0; i < w->r->naccepted; i++) {
		const struct audit_break *b = &w->r->accepted[i];

		if (!b->seq_by || is_proven(w, b))
			continue;
		w->n = result_of(w->r, &b->node);
		if (w->n)
			broken(w, b->seq,
			       "the event that accepts this break was not found in the "
			       "verified log");
	}
}

static void
note_idle(struct verify_result *r, const struct rows *rows, int i)
{
	struct verify_idle *x = &r->idle[r->nidle++];

	row_uuid(rows, i, COL_AUDIT_WITHOUT_EFFECT_CHAIN, &x->chain);
	x->first = row_bigint(rows, i, COL_AUDIT_WITHOUT_EFFECT_FIRST);
	x->last = row_bigint(rows, i, COL_AUDIT_WITHOUT_EFFECT_LAST);
	row_uuid(rows, i, COL_AUDIT_WITHOUT_EFFECT_BY_CHAIN, &x->by_chain);
	x->by_seq = row_bigint(rows, i, COL_AUDIT_WITHOUT_EFFECT_BY_SEQ);
	x->at_us = row_time(rows, i, COL_AUDIT_WITHOUT_EFFECT_AT);
	text_copy(x->why, sizeof(x->why), row_text(rows, i, COL_AUDIT_WITHOUT_EFFECT_WHY));
}

/* Where the log is broken, what it says of this cannot be read either, and counts for nothing. */
static int
check_effects(struct walk *w, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;
	int rc;

	if (!w->r->good)
		return 0;
	bind_int(&b, VERIFY_IDLE_MAX);
	rc = lists_exec(w->v, w->f, NULL, STMT_AUDIT_WITHOUT_EFFECT, &b, &rows, e);
	for (int i = 0; !rc && i < rows_count(rows); i++)
		note_idle(w->r, rows, i);
	w->r->good = !w->r->nidle;
	return rc;
}

static void
note_mark(struct walk *w, const struct mark *m)
{
	for (size_t i = 0; i < w->nmarks; i++) {
		const struct mark *at = &w->marks[i];

		if (uuid_eq(&at->node, &m->node) && at->seq == m->seq &&
		    memcmp(at->hash, m->hash, sizeof(m->hash)) == 0)
			return;
	}
	if (w->nmarks == w->marks_cap) {
		w->marks_cap = w->marks_cap ? w->marks_cap * 2 : 64;
		w->marks = mem_grow(w->marks, w->marks_cap, sizeof(*w->marks));
	}
	w->marks[w->nmarks++] = *m;
}

static void
read_mark(struct walk *w, const struct event *ev, const char *seq, const char *hash, struct mark *m)
{
	auto_buf node = BUF_INIT, at = BUF_INIT;

	if (event_body_get(ev->body, "node", &node) || event_body_get(ev->body, seq, &at) ||
	    event_body_get_bytes(ev->body, hash, m->hash, sizeof(m->hash)) ||
	    uuid_parse(buf_str(&node), &m->node))
		return;
	m->seq = strtoll(buf_str(&at), NULL, 10);
	if (m->seq > 0)
		note_mark(w, m);
}

/* The numbers of the events that were missing when this one was written. */
static void
note_cut(struct walk *w, const struct event *ev)
{
	auto_buf at = BUF_INIT;

	if (event_body_get(ev->body, "remembered", &at) == 0)
		add_gap(w, ev->seq, strtoll(buf_str(&at), NULL, 10));
}

static void
check_marks(struct walk *w, int64_t seq, const uint8_t hash[static KEYS_HASH_BYTES])
{
	for (size_t i = 0; i < w->nown; i++)
		if (uuid_eq(&w->own[i].node, &w->n->node) && w->own[i].seq == seq &&
		    memcmp(w->own[i].hash, hash, KEYS_HASH_BYTES))
			broken_mark(w, seq, &w->own[i],
				    "remembers another event here: the log was rewritten");
}

/* What the event itself says, once its hash is known to fit. */
static void
take_event(struct walk *w, const struct event *ev, const uint8_t hash[static KEYS_HASH_BYTES])
{
	memcpy(w->hash, hash, sizeof(w->hash));
	w->n->events++;
	w->r->events++;
	w->n->last_seq = ev->seq;
	check_marks(w, ev->seq, hash);
	if (ev->kind == EVENT_MERGED)
		read_mark(w, ev, "to", "head", &(struct mark){ .who = "a later MERGED event" });
	if (ev->kind == EVENT_SEEN)
		read_mark(w, ev, "to", "head",
			  &(struct mark){ .who = "a SEEN event of another node" });
	if (ev->kind == EVENT_WITNESS_ALARM)
		read_mark(w, ev, "seq", "remembered_hash", &(struct mark){ .who = "a node" });
	if (ev->kind == EVENT_AUDIT_ACCEPTED)
		prove(w, ev);
	if (ev->kind == EVENT_LOG_CUT)
		broken_here(w, ev->seq,
			    "when this event was written, the events that had been there before it "
			    "were missing");
	if (ev->kind == EVENT_LOG_CUT)
		note_cut(w, ev);
}

/* ---- rows of the table ---- */

/* Rows until the first that can't be right by itself; why: of that one. */
static size_t
encode_rows(struct walk *w, const struct rows *rows, struct event *ev, size_t *end,
	    struct buf *bytes, struct buf *why)
{
	size_t n = (size_t)rows_count(rows);

	for (size_t i = 0; i < n; i++) {
		int64_t want = w->n->last_seq + (int64_t)i + 1;

		audit_break_row(rows, (int)i, &w->n->node, &ev[i]);
		if (ev[i].seq != want)
			buf_addf(why, "the event is missing: the next one is %lld",
				 (long long)ev[i].seq);
		else if (!audit_break_encodable(&ev[i]))
			buf_adds(why, "the event was changed: no event is so long");
		if (why->len)
			return i;
		event_encode(&ev[i], bytes);
		end[i] = bytes->len;
	}
	return n;
}

/* Row i does not follow what was verified so far. */
static int
break_at(struct walk *w, const struct rows *rows, size_t i, const char *why, struct err *e)
{
	int64_t seq = w->n->last_seq + 1, next = row_bigint(rows, (int)i, COL_EVENT_CHUNK_SEQ);
	int rc;

	w->resumed = next > seq && pass_end(w, next);
	rc = w->resumed ? 0 : resume_at(w, rows, (int)i, seq, why, e);
	if (!rc && !w->resumed)
		broken(w, seq, "%s", why);
	return rc;
}

static int
take_rows(struct walk *w, const struct rows *rows, const struct event *ev,
	  uint8_t (*out)[KEYS_HASH_BYTES], size_t n, const struct buf *why, struct err *e)
{
	size_t len;

	for (size_t i = 0; i < n && !w->n->broken; i++) {
		const void *hash = row_bytea(rows, (int)i, COL_EVENT_CHUNK_HASH, &len);

		if (len != KEYS_HASH_BYTES || memcmp(hash, out[i], len))
			return break_at(w, rows, i,
					"the event was changed, or does not follow the one before "
					"it: its hash does not fit",
					e);
		take_event(w, &ev[i], out[i]);
	}
	return why->len && !w->n->broken ? break_at(w, rows, n, buf_str(why), e) : 0;
}

static int
check_rows(struct walk *w, const struct rows *rows, struct err *e)
{
	size_t total = (size_t)rows_count(rows), n, at = 0;
	struct event *ev = mem_array(total, sizeof(*ev));
	size_t *end = mem_array(total, sizeof(*end));
	struct iovec *items = mem_array(total, sizeof(*items));
	uint8_t(*out)[KEYS_HASH_BYTES] = mem_array(total, sizeof(*out));
	auto_buf bytes = BUF_INIT, why = BUF_INIT;
	int rc = 0;

	w->resumed = false;
	n = encode_rows(w, rows, ev, end, &bytes, &why);
	for (size_t i = 0; i < n; at = end[i], i++)
		items[i] = (struct iovec){ bytes.data + at, end[i] - at };
	if (n)
		rc = keys_chain(w->v->keys, w->f, w->hash, items, n, out, e);
	if (!rc)
		rc = take_rows(w, rows, ev, out, n, &why, e);
	free(ev);
	free(end);
	free(items);
	free(out);
	return rc;
}

static int
held_marks(struct walk *w, struct rows **ret, struct err *e)
{
	auto_binds b = BINDS_INIT;

	bind_array_begin(&b, STMT_UUID);
	for (size_t i = 0; i < w->nmarks; i++)
		bind_elem_uuid(&b, &w->marks[i].node);
	bind_array_end(&b);
	bind_array_begin(&b, STMT_BIGINT);
	for (size_t i = 0; i < w->nmarks; i++)
		bind_elem_bigint(&b, w->marks[i].seq);
	bind_array_end(&b);
	bind_array_begin(&b, STMT_BYTEA);
	for (size_t i = 0; i < w->nmarks; i++)
		bind_elem_bytea(&b, w->marks[i].hash, sizeof(w->marks[i].hash));
	bind_array_end(&b);
	return lists_exec(w->v, w->f, NULL, STMT_MARKS_HELD, &b, ret, e);
}

/* Those that the log bears out are done with; of the rest so many are kept. */
static int
drop_held_marks(struct walk *w, struct err *e)
{
	auto_rows rows = NULL;
	int rc = w->nmarks ? held_marks(w, &rows, e) : 0;
	size_t left = 0;

	if (rc || !w->nmarks)
		return rc;
	for (int i = 0; i < rows_count(rows); i++)
		w->marks[row_bigint(rows, i, COL_MARKS_HELD_PLACE) - 1].seq = 0;
	for (size_t i = 0; i < w->nmarks && left < MISSED_MAX; i++) {
		if (w->marks[i].seq)
			w->marks[left++] = w->marks[i];
	}
	w->nmarks = left;
	return 0;
}

static int
walk_table(struct walk *w, struct err *e)
{
	int rc = 0;

	while (!rc && !w->n->broken) {
		auto_binds b = BINDS_INIT;
		auto_rows rows = NULL;

		bind_uuid(&b, &w->n->node);
		bind_bigint(&b, w->n->last_seq);
		bind_int(&b, CHUNK);
		rc = lists_exec(w->v, w->f, NULL, STMT_EVENT_CHUNK, &b, &rows, e);
		if (rc || (!rows_count(rows) && !pass_end(w, 0)))
			break;
		rc = rows_count(rows) ? check_rows(w, rows, e) : 0;
		if (!rc)
			rc = drop_held_marks(w, e);
	}
	return rc;
}

/* ---- the journal of a secondary ---- */

struct tail {
	struct walk *w;
	struct buf bytes;
	size_t *end, n, cap;
	int64_t first;
	bool gap;
};

static void
on_journal_event(void *ctx, const struct event *ev)
{
	struct tail *t = ctx;

	if (t->gap || ev->seq <= t->w->n->last_seq)
		return;
	if (ev->seq != t->w->n->last_seq + (int64_t)t->n + 1) {
		t->gap = true;
		return;
	}
	if (t->n == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 64;
		t->end = mem_grow(t->end, t->cap, sizeof(*t->end));
	}
	event_encode(ev, &t->bytes);
	t->end[t->n++] = t->bytes.len;
}

static int
chain_tail(struct walk *w, const struct tail *t, struct err *e)
{
	struct iovec *items = mem_array(t->n, sizeof(*items));
	uint8_t(*out)[KEYS_HASH_BYTES] = mem_array(t->n, sizeof(*out));
	size_t at = 0;
	int rc;

	for (size_t i = 0; i < t->n; at = t->end[i], i++)
		items[i] = (struct iovec){ t->bytes.data + at, t->end[i] - at };
	rc = keys_chain(w->v->keys, w->f, w->hash, items, t->n, out, e);
	for (size_t i = 0; i < t->n && !rc; i++) {
		w->n->events++;
		w->r->events++;
		check_marks(w, ++w->n->last_seq, out[i]);
	}
	free(items);
	free(out);
	return rc;
}

/* Events that are not home yet. Their hashes are not kept apart; the marks at the end prove them all. */
static int
walk_journal(struct walk *w, const struct uuid *chain, struct err *e)
{
	struct tail t = { .w = w };
	int rc = ledger_journal_each(w->v->ledger, w->f, chain, on_journal_event, &t, e);

	if (!rc && t.n)
		rc = chain_tail(w, &t, e);
	free(t.end);
	buf_done(&t.bytes);
	return rc;
}

/* ---- ends ---- */

static int
read_marks(struct walk *w, struct err *e)
{
	struct mark *m = &w->own[0];
	struct endmark a;
	int rc = keys_mark_ask(w->v->keys, w->f, &a, e);

	if (rc)
		return rc;
	if (ledger_head(w->v->ledger, &m->node, &m->seq, m->hash)) {
		m->who = "the running service";
		w->nown++;
	}
	if (a.seq) {
		m = &w->own[w->nown++];
		*m = (struct mark){ .node = a.node, .seq = a.seq, .who = "the anchor file" };
		memcpy(m->hash, a.hash, sizeof(m->hash));
	}
	return 0;
}

static struct verify_node *
result_of(struct verify_result *r, const struct uuid *node)
{
	for (unsigned i = 0; i < r->nnodes; i++)
		if (uuid_eq(&r->nodes[i].node, node))
			return &r->nodes[i];
	if (r->nnodes == VERIFY_NODES_MAX)
		return NULL;
	r->nodes[r->nnodes] = (struct verify_node){ .node = *node, .writer = *node };
	return &r->nodes[r->nnodes++];
}

static void
check_own_end(struct walk *w)
{
	for (size_t i = 0; i < w->nown; i++) {
		w->n = result_of(w->r, &w->own[i].node);
		if (w->n && w->own[i].seq > w->n->last_seq)
			broken_mark(w, w->n->last_seq + 1, &w->own[i],
				    "remembers a later event: the end of the log is missing");
	}
}

static bool
is_known(const struct walk *w, const struct audit_break *b)
{
	for (size_t i = 0; i < w->nknown; i++) {
		if (audit_break_same(&w->known[i], b))
			return true;
	}
	return false;
}

/* What comes after a lost end will follow the event that the mark names; but the chain of the node that writes now goes on as it is. */
static void
broken_end(struct walk *w, const struct mark *m)
{
	struct audit_break b = { .node = m->node, .seq = m->seq };

	sodium_bin2hex(b.hash, sizeof(b.hash), m->hash, sizeof(m->hash));
	snprintf(b.why, sizeof(b.why),
		 "%s (event %lld) names a later event: the end of the log is missing", m->who,
		 (long long)m->seq);
	if (!is_known(w, &b) && !uuid_eq(&m->node, &w->v->node)) {
		b.seq = w->n->last_seq + 1;
		b.upto = m->seq;
	}
	if (!pass(w, &b))
		broken(w, w->n->last_seq + 1, "%s", b.why);
	else if (b.upto)
		w->n->last_seq = b.upto;
}

static int
check_mark(struct walk *w, const struct mark *m, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;
	const void *hash;
	size_t len;
	int rc;

	w->n = result_of(w->r, &m->node);
	/* A chain without any event was not walked. */
	while (w->n && !w->n->broken && !w->n->events && pass_end(w, 0))
		;
	if (!w->n || w->n->broken || in_gap(w, m))
		return 0;
	bind_uuid(&b, &m->node);
	bind_bigint(&b, m->seq);
	rc = lists_exec(w->v, w->f, NULL, STMT_EVENT_HASH, &b, &rows, e);
	if (rc)
		return rc;
	if (!rows_count(rows)) {
		if (m->seq > w->n->last_seq)
			broken_end(w, m);
		return 0;
	}
	hash = row_bytea(rows, 0, COL_EVENT_HASH_HASH, &len);
	if (len != KEYS_HASH_BYTES || memcmp(hash, m->hash, len))
		broken_mark(w, m->seq, m, "names another event here: the log was rewritten");
	return 0;
}

/* ---- all ---- */

static int
by_number_down(const void *a, const void *b)
{
	const struct mark *x = a, *y = b;

	return x->seq < y->seq ? 1 : x->seq > y->seq ? -1 : 0;
}

static bool
has_journal(const struct walk *w, const struct uuid *chain)
{
	if (vault_serves(w->v) == SERVES_EVERYONE)
		return false;
	for (size_t i = 0; i < w->njournals; i++) {
		if (uuid_eq(&w->journals[i], chain))
			return true;
	}
	return false;
}

static int
walk_node(struct walk *w, const struct uuid *node, struct err *e)
{
	int rc;

	w->n = result_of(w->r, node);
	if (!w->n)
		return err_set(e, ERR_TOO_LARGE, "the log has more than %d nodes",
			       VERIFY_NODES_MAX);
	memset(w->hash, 0, sizeof(w->hash));
	rc = walk_table(w, e);
	if (!rc && !w->n->broken && has_journal(w, node))
		rc = walk_journal(w, node, e);
	return rc;
}

/* A secondary has what it did not bring home in its journals only, of some chains all of it. */
static int
walk_journals(struct walk *w, const struct rows *known, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < w->njournals; i++) {
		bool walked = false;

		for (int k = 0; !walked && k < rows_count(known); k++) {
			struct uuid node;

			row_uuid(known, k, COL_EVENT_NODES_NODE, &node);
			walked = uuid_eq(&node, &w->journals[i]);
		}
		if (walked)
			continue;
		rc = walk_node(w, &w->journals[i], e);
		if (!rc)
			w->n->writer = w->v->node;
	}
	return rc;
}

static int
walk_all(struct walk *w, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows nodes = NULL;
	int rc = lists_exec(w->v, w->f, NULL, STMT_EVENT_NODES, &b, &nodes, e);

	for (int i = 0; !rc && i < rows_count(nodes); i++) {
		struct uuid node;

		row_uuid(nodes, i, COL_EVENT_NODES_NODE, &node);
		rc = walk_node(w, &node, e);
		if (!rc)
			row_uuid(nodes, i, COL_EVENT_NODES_WRITER, &w->n->writer);
	}
	if (!rc)
		rc = walk_journals(w, nodes, e);
	/* Of several events behind a lost end the last one says how much is lost. */
	if (w->nmarks)
		qsort(w->marks, w->nmarks, sizeof(*w->marks), by_number_down);
	for (size_t i = 0; !rc && i < w->nmarks; i++)
		rc = check_mark(w, &w->marks[i], e);
	return rc;
}

static int
verify(struct vault *v, struct fiber *f, bool collect, struct verify_result *ret, struct err *e)
{
	struct walk *w = mem_new(sizeof(*w));
	int rc;

	memset(ret, 0, sizeof(*ret));
	ret->good = true;
	w->v = v;
	w->f = f;
	w->r = ret;
	w->collect = collect;
	rc = read_marks(w, e);
	if (!rc)
		rc = audit_break_read(v, f, &w->known, &w->nknown, e);
	if (!rc)
		rc = ledger_journal_chains(v->ledger, f, &w->journals, &w->njournals, e);
	if (!rc)
		rc = walk_all(w, e);
	if (!rc)
		check_own_end(w);
	if (!rc)
		check_accepted(w);
	if (!rc)
		rc = check_effects(w, e);
	free(w->known);
	free(w->marks);
	free(w->journals);
	free(w);
	return rc;
}

int
verify_run(struct vault *v, struct fiber *f, struct verify_result *ret, struct err *e)
{
	return verify(v, f, false, ret, e);
}

int
verify_collect(struct vault *v, struct fiber *f, struct verify_result *ret, struct err *e)
{
	return verify(v, f, true, ret, e);
}
