/* SPDX-License-Identifier: Apache-2.0
 *
 * A chain proves its own order and content, but not its end. The end of the own chain is held against two marks outside the
 * table (the ledger's head in memory, the anchor file), the ends of other nodes' chains against the MERGED events that name them.
 * On a secondary the own chain goes on in the journal.
 */
#include "vault/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "vault/anchor.h"
#include "vault/body.h"

#define CHUNK 1000

/* An event that must be there, with this hash. */
struct mark {
	struct uuid node;
	int64_t seq;
	uint8_t hash[KEYS_HASH_BYTES];
	const char *who; /* remembers it */
};

struct walk {
	struct vault *v;
	struct fiber *f;
	struct verify_result *r;
	struct verify_node *n; /* being walked */
	uint8_t hash[KEYS_HASH_BYTES];
	struct mark own[2];
	size_t nown;
	struct mark merged[VERIFY_NODES_MAX];
	size_t nmerged;
};

static void broken(struct walk *w, int64_t seq, const char *fmt, ...) PRINTF(3, 4);

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
	vsnprintf(w->n->why, sizeof(w->n->why), fmt, ap);
	va_end(ap);
}

/* The latest merge of each node is the mark that counts. */
static void
note_merged(struct walk *w, const struct event *ev)
{
	auto_buf node = BUF_INIT, to = BUF_INIT;
	struct mark m = { .who = "a later MERGED event" }, *at = NULL;

	if (body_get(ev->body, "node", &node) || body_get(ev->body, "to", &to) ||
	    body_get_bytes(ev->body, "head", m.hash, sizeof(m.hash)) ||
	    uuid_parse(buf_str(&node), &m.node))
		return;
	m.seq = strtoll(buf_str(&to), NULL, 10);
	for (size_t i = 0; i < w->nmerged && !at; i++)
		if (uuid_eq(&w->merged[i].node, &m.node))
			at = &w->merged[i];
	if (!at && w->nmerged < VERIFY_NODES_MAX)
		at = &w->merged[w->nmerged++];
	if (at && at->seq < m.seq)
		*at = m;
}

static void
check_marks(struct walk *w, int64_t seq, const uint8_t hash[static KEYS_HASH_BYTES])
{
	for (size_t i = 0; i < w->nown; i++)
		if (uuid_eq(&w->own[i].node, &w->n->node) && w->own[i].seq == seq &&
		    memcmp(w->own[i].hash, hash, KEYS_HASH_BYTES))
			broken(w, seq, "%s remembers another event here: the log was written anew",
			       w->own[i].who);
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
		note_merged(w, ev);
	if (ev->kind == EVENT_LOG_CUT)
		broken(w, ev->seq,
		       "when this event was written, the events that had been there before it were "
		       "missing");
}

/* ---- rows of the table ---- */

static void
read_event(const struct rows *rows, int i, const struct uuid *node, struct event *ret)
{
	*ret = (struct event){ .node = *node };
	ret->seq = row_bigint(rows, i, 0);
	ret->at_us = row_time(rows, i, 1);
	ret->kind = (enum event_kind)row_int(rows, i, 2);
	row_uuid(rows, i, 3, &ret->actor);
	row_uuid(rows, i, 4, &ret->object);
	ret->address = row_text(rows, i, 5);
	ret->body = row_text(rows, i, 6);
}

/* Rows until the first that can't be right by itself. */
static size_t
encode_rows(struct walk *w, const struct rows *rows, struct event *ev, size_t *end,
	    struct buf *bytes)
{
	size_t n = (size_t)rows_count(rows);

	for (size_t i = 0; i < n; i++) {
		int64_t want = w->n->last_seq + (int64_t)i + 1;

		read_event(rows, (int)i, &w->n->node, &ev[i]);
		if (ev[i].seq != want) {
			broken(w, want, "the event is missing: the next one is %lld",
			       (long long)ev[i].seq);
			return i;
		}
		if (strlen(ev[i].address) > EVENT_ADDRESS_MAX ||
		    strlen(ev[i].body) > EVENT_BODY_MAX || (unsigned)ev[i].kind > UINT16_MAX) {
			broken(w, want, "the event was changed: no event is so long");
			return i;
		}
		event_encode(&ev[i], bytes);
		end[i] = bytes->len;
	}
	return n;
}

static int
check_rows(struct walk *w, const struct rows *rows, struct err *e)
{
	size_t total = (size_t)rows_count(rows), n, len, at = 0;
	struct event *ev = calloc(total, sizeof(*ev));
	size_t *end = calloc(total, sizeof(*end));
	struct iovec *items = calloc(total, sizeof(*items));
	uint8_t(*out)[KEYS_HASH_BYTES] = calloc(total, sizeof(*out));
	auto_buf bytes = BUF_INIT;
	int rc = 0;

	if (!ev || !end || !items || !out)
		abort();
	n = encode_rows(w, rows, ev, end, &bytes);
	for (size_t i = 0; i < n; at = end[i], i++)
		items[i] = (struct iovec){ bytes.data + at, end[i] - at };
	if (n)
		rc = keys_chain(w->v->keys, w->f, w->hash, items, n, out, e);
	for (size_t i = 0; i < n && !rc; i++) {
		const void *hash = row_bytea(rows, (int)i, 7, &len);

		if (len != KEYS_HASH_BYTES || memcmp(hash, out[i], len)) {
			/* A damaged row before it hides what comes after it: this is the first. */
			w->n->broken = w->n->broken && w->n->broken_seq < ev[i].seq;
			broken(w, ev[i].seq,
			       "the event was changed, or does not follow the one before it: its "
			       "hash does not fit");
			break;
		}
		take_event(w, &ev[i], out[i]);
	}
	free(ev);
	free(end);
	free(items);
	free(out);
	return rc;
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
		rc = db_exec(vault_reader(w->v), w->f, STMT_EVENT_CHUNK, &b, &rows, e);
		if (rc || !rows_count(rows))
			break;
		rc = check_rows(w, rows, e);
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
		t->end = reallocarray(t->end, t->cap, sizeof(*t->end));
		if (!t->end)
			abort();
	}
	event_encode(ev, &t->bytes);
	t->end[t->n++] = t->bytes.len;
}

static int
chain_tail(struct walk *w, const struct tail *t, struct err *e)
{
	struct iovec *items = calloc(t->n, sizeof(*items));
	uint8_t(*out)[KEYS_HASH_BYTES] = calloc(t->n, sizeof(*out));
	size_t at = 0;
	int rc;

	if (!items || !out)
		abort();
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
walk_journal(struct walk *w, struct err *e)
{
	struct tail t = { .w = w };
	int rc = ledger_journal_each(w->v->ledger, w->f, on_journal_event, &t, e);

	if (!rc && t.n)
		rc = chain_tail(w, &t, e);
	free(t.end);
	buf_done(&t.bytes);
	return rc;
}

/* ---- ends ---- */

static void
read_marks(struct walk *w, const char *anchor_path)
{
	struct mark *m = &w->own[0];
	struct anchor a;
	int fd = anchor_path ? open(anchor_path, O_RDONLY | O_CLOEXEC) : -1;

	if (ledger_head(w->v->ledger, &m->seq, m->hash)) {
		m->node = w->v->node;
		m->who = "the running service";
		w->nown++;
	}
	if (fd < 0)
		return;
	if (anchor_read(fd, &a)) {
		m = &w->own[w->nown++];
		*m = (struct mark){ .node = a.node, .seq = a.seq, .who = "the anchor file" };
		memcpy(m->hash, a.hash, sizeof(m->hash));
	}
	close(fd);
}

static struct verify_node *
result_of(struct verify_result *r, const struct uuid *node)
{
	for (unsigned i = 0; i < r->nnodes; i++)
		if (uuid_eq(&r->nodes[i].node, node))
			return &r->nodes[i];
	if (r->nnodes == VERIFY_NODES_MAX)
		return NULL;
	r->nodes[r->nnodes] = (struct verify_node){ .node = *node };
	return &r->nodes[r->nnodes++];
}

static void
check_own_end(struct walk *w)
{
	for (size_t i = 0; i < w->nown; i++) {
		w->n = result_of(w->r, &w->own[i].node);
		if (w->n && w->own[i].seq > w->n->last_seq)
			broken(w, w->n->last_seq + 1,
			       "the end of the log is missing: %s remembers event %lld",
			       w->own[i].who, (long long)w->own[i].seq);
	}
}

static int
check_merged_end(struct walk *w, const struct mark *m, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;
	const void *hash;
	size_t len;
	int rc;

	w->n = result_of(w->r, &m->node);
	if (!w->n || w->n->broken)
		return 0;
	bind_uuid(&b, &m->node);
	bind_bigint(&b, m->seq);
	rc = db_exec(vault_reader(w->v), w->f, STMT_EVENT_HASH, &b, &rows, e);
	if (rc)
		return rc;
	if (!rows_count(rows)) {
		broken(w, w->n->last_seq + 1, "the end of the log is missing: %s names event %lld",
		       m->who, (long long)m->seq);
		return 0;
	}
	hash = row_bytea(rows, 0, 0, &len);
	if (len != KEYS_HASH_BYTES || memcmp(hash, m->hash, len))
		broken(w, m->seq, "%s names another event here: the log was written anew", m->who);
	return 0;
}

/* ---- all ---- */

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
	if (!rc && !w->n->broken && uuid_eq(node, &w->v->node) && w->v->page &&
	    state_serves(page_quick(w->v->page).state) != 'p')
		rc = walk_journal(w, e);
	return rc;
}

static int
walk_all(struct walk *w, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows nodes = NULL;
	bool own = false;
	int rc = db_exec(vault_reader(w->v), w->f, STMT_EVENT_NODES, &b, &nodes, e);

	for (int i = 0; !rc && i < rows_count(nodes); i++) {
		struct uuid node;

		row_uuid(nodes, i, 0, &node);
		own = own || uuid_eq(&node, &w->v->node);
		rc = walk_node(w, &node, e);
	}
	/* A secondary that never merged has its own chain in the journal only. */
	if (!rc && !own)
		rc = walk_node(w, &w->v->node, e);
	for (size_t i = 0; !rc && i < w->nmerged; i++)
		rc = check_merged_end(w, &w->merged[i], e);
	return rc;
}

int
verify_run(struct vault *v, struct fiber *f, const char *anchor_path, struct verify_result *ret,
	   struct err *e)
{
	struct walk *w = calloc(1, sizeof(*w));
	int rc;

	if (!w)
		abort();
	memset(ret, 0, sizeof(*ret));
	ret->good = true;
	w->v = v;
	w->f = f;
	w->r = ret;
	read_marks(w, anchor_path);
	rc = walk_all(w, e);
	if (!rc)
		check_own_end(w);
	free(w);
	return rc;
}
