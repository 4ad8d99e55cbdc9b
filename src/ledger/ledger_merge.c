/* SPDX-License-Identifier: Apache-2.0
 *
 * Merging: what other nodes deposited in ha_inbox becomes part of the log.
 *  1. A node's rows go in under that node's own numbers and hashes, through the same statements as
 * our own events, in the same transaction as one MERGED event of ours and their removal from the
 * inbox: all of it or nothing.
 *  2. Only rows that continue that node's chain without a gap, and whose hashes keyd recomputes, go
 * in.
 *  3. What was merged before is dropped if it is the same; (node, seq) is the key, so twice is
 * once.
 *  4. Whatever does not fit is moved aside with the reason, never dropped, and reported once
 * (MERGE_REFUSED).
 *  5. An event whose effect the tables refuse goes into the log without it: the chain has no holes.
 *  6. A conflict of administration that the statements find also becomes an event of ours
 * (ADMIN_CONFLICT), once; a node that crashes before writing it does so at its next start.
 */
#include "ledger/ledger_impl.h"

#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/json_out.h"
#include "base/log.h"
#include "base/mem.h"
#include "ledger/event_body.h"
#include "ledger/recover.h"

#define GAP_PATIENCE_MS 30000 /* deposits come in order: a hole that stays so long is damage */

/* ---- verification ---- */

static int
decode_rows(const struct uuid *node, int64_t seq, struct ledger_row *rows, size_t n,
	    struct buf *texts, struct err *why)
{
	size_t room = 0;

	for (size_t i = 0; i < n; i++)
		room += rows[i].len + 2;
	buf_reserve(texts, room);
	for (size_t i = 0; i < n; i++) {
		struct ledger_row *r = &rows[i];

		if (r->seq != ++seq) {
			err_set(why, ERR_CHAIN_BROKEN, "event %lld is missing", (long long)seq);
			return (int)i;
		}
		if (event_decode(r->bytes, r->len, &r->ev, texts, why))
			return (int)i;
		if (!uuid_eq(&r->ev.node, node) || r->ev.seq != r->seq) {
			err_set(why, ERR_CHAIN_BROKEN, "the row of event %lld holds another event",
				(long long)seq);
			return (int)i;
		}
	}
	return (int)n;
}

int
ledger_verify_rows(struct ledger *l, struct fiber *f, const struct uuid *node, int64_t seq,
		   const uint8_t hash[static KEYS_HASH_BYTES], struct ledger_row *rows, size_t n,
		   struct buf *texts, size_t *ret_good, struct err *why)
{
	size_t good = (size_t)decode_rows(node, seq, rows, n, texts, why);
	struct iovec *items = mem_array(good + 1, sizeof(*items));
	uint8_t(*out)[KEYS_HASH_BYTES] = mem_array(good + 1, sizeof(*out));
	int rc = 0;

	for (size_t i = 0; i < good; i++)
		items[i] = (struct iovec){ UNCONST(void *, rows[i].bytes), rows[i].len };
	if (good)
		rc = keys_chain(l->o.keys, f, hash, items, good, out, why);
	for (size_t i = 0; i < good && !rc; i++) {
		if (memcmp(out[i], rows[i].hash, sizeof(out[i]))) {
			err_set(why, ERR_CHAIN_BROKEN, "the hash of event %lld does not fit",
				(long long)rows[i].seq);
			good = i;
		}
	}
	free(items);
	free(out);
	*ret_good = good;
	return rc;
}

void
ledger_step_rows(struct ledger_steps *s, const struct uuid *node, const struct ledger_row *rows,
		 size_t n, bool apply)
{
	struct ledger_item *items = mem_array(n, sizeof(*items));

	for (size_t i = 0; i < n; i++)
		items[i] = (struct ledger_item){ &rows[i].ev, rows[i].hash };
	ledger_step_events(s, node, items, n, apply ? LEDGER_MERGED : LEDGER_LOG_ONLY);
	free(items);
}

/* ---- writing, inside the commit gate ---- */

/* Enters the gate; false, and not entered, when nothing can be written now. */
static bool
gate_enter_db(struct ledger *l, struct fiber *f)
{
	fiber_gate_enter(&l->commit_gate, f);
	if (l->head_known && l->mode == WRITES_DATABASE &&
	    ledger_wanted_mode(l) == WRITES_DATABASE && l->stats.writable && !l->stopping)
		return true;
	fiber_gate_leave(&l->commit_gate);
	return false;
}

/* What the chainer has chained meanwhile follows the old head. */
static void
gate_leave_db(struct ledger *l)
{
	if (l->head_known)
		ledger_rewind(l);
	else
		ledger_forget_head(l);
	fiber_gate_leave(&l->commit_gate);
}

static void
step_span(struct ledger_steps *s, enum stmt stmt, const struct uuid *node, int64_t from, int64_t to)
{
	struct binds *b = ledger_step(s, stmt);

	bind_uuid(b, node);
	bind_bigint(b, from);
	bind_bigint(b, to);
}

static void
step_aside(struct ledger_steps *s, const struct uuid *node, int64_t from, int64_t to,
	   const char *why)
{
	struct binds *b = ledger_step(s, STMT_INBOX_SET_ASIDE);

	bind_uuid(b, node);
	bind_bigint(b, from);
	bind_bigint(b, to);
	bind_text(b, why);
	step_span(s, STMT_INBOX_DELETE, node, from, to);
}

static void
body_begin(struct json_out *w, struct buf *body, const struct uuid *node, const char *name,
	   int64_t from, int64_t to)
{
	json_out_init(w, body);
	json_out_object(w, NULL);
	json_out_uuid(w, "node", node->b);
	if (name)
		json_out_text(w, "name", name);
	json_out_int(w, "from", from);
	json_out_int(w, "to", to);
}

/* One MERGED event of ours and, in the same transaction, the rows. apply false: the log alone, and
 * a copy set aside. */
static int
write_rows(struct ledger *l, struct fiber *f, const struct uuid *node, const char *name,
	   const struct ledger_row *rows, size_t n, const char *refused, struct err *e)
{
	struct event ev = { .kind = EVENT_MERGED, .object = *node, .address = "" };
	const struct ledger_row *last = &rows[n - 1];
	struct ledger_steps steps = { 0 };
	auto_buf body = BUF_INIT;
	struct json_out w;
	int rc;

	body_begin(&w, &body, node, name, rows[0].seq, last->seq);
	event_body_hex(&w, "head", last->hash, sizeof(last->hash));
	event_body_hex(&w, "own_head", l->head_hash, sizeof(l->head_hash));
	if (refused)
		json_out_text(&w, "not_applied", refused);
	json_out_end_object(&w);
	ev.body = buf_str(&body);
	ledger_step_rows(&steps, node, rows, n, !refused);
	if (refused)
		step_aside(&steps, node, rows[0].seq, last->seq, refused);
	else
		step_span(&steps, STMT_INBOX_MERGED, node, rows[0].seq, last->seq);
	rc = ledger_commit_own(l, f, &ev, 1, &steps, e);
	ledger_steps_done(&steps);
	if (rc)
		return rc;
	l->stats.merged += n;
	for (size_t i = 0; i < n && l->o.on_durable; i++)
		l->o.on_durable(l->o.ctx, &rows[i].ev);
	return 0;
}

/* Row by row, because the tables refuse one of them. */
static int
write_each(struct ledger *l, struct fiber *f, const struct uuid *node, const char *name,
	   const struct ledger_row *rows, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		int rc = write_rows(l, f, node, name, &rows[i], 1, NULL, e);

		if (rc && ledger_is_culprit(e)) {
			struct err why = *e;

			log_warning("event %lld of %s went into the log, but changed nothing: %s",
				    (long long)rows[i].seq, name ? name : "an unknown node",
				    why.text);
			rc = write_rows(l, f, node, name, &rows[i], 1, why.text, e);
		}
		if (rc)
			return rc;
	}
	return 0;
}

static int
take_in(struct ledger *l, struct fiber *f, const struct uuid *node, const char *name,
	const struct ledger_row *rows, size_t n, struct err *e)
{
	int rc;

	if (!gate_enter_db(l, f))
		return err_set(e, ERR_REFUSED, "the log cannot be written now");
	rc = write_rows(l, f, node, name, rows, n, NULL, e);
	if (rc && n > 1 && ledger_is_culprit(e))
		rc = write_each(l, f, node, name, rows, n, e);
	else if (rc && ledger_is_culprit(e))
		rc = write_each(l, f, node, name, rows, 1, e);
	gate_leave_db(l);
	return rc;
}

/* ---- refusing ---- */

static int
count_fresh(struct ledger *l, struct fiber *f, const struct uuid *node, int64_t from,
	    int64_t *ret_last, int64_t *ret_fresh, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;
	int rc;

	bind_uuid(&b, node);
	bind_bigint(&b, from);
	rc = db_exec(l->o.writer, f, STMT_INBOX_SPAN, &b, &rows, e);
	if (rc)
		return rc;
	*ret_last = row_bigint(rows, 0, COL_INBOX_SPAN_LAST);
	*ret_fresh = row_bigint(rows, 0, COL_INBOX_SPAN_FRESH);
	return 0;
}

static int
drop_rows(struct ledger *l, struct fiber *f, const struct uuid *node, int64_t from, int64_t to,
	  struct err *e)
{
	auto_binds b = BINDS_INIT;

	bind_uuid(&b, node);
	bind_bigint(&b, from);
	bind_bigint(&b, to);
	return db_exec(l->o.writer, f, STMT_INBOX_DELETE, &b, NULL, e);
}

static int
write_refusal(struct ledger *l, struct fiber *f, const struct uuid *node, const char *name,
	      int64_t from, int64_t to, const char *why, struct err *e)
{
	struct event ev = { .kind = EVENT_MERGE_REFUSED, .object = *node, .address = "" };
	struct ledger_steps steps = { 0 };
	auto_buf body = BUF_INIT;
	struct json_out w;
	int rc;

	body_begin(&w, &body, node, name, from, to);
	json_out_text(&w, "why", why);
	json_out_end_object(&w);
	ev.body = buf_str(&body);
	step_aside(&steps, node, from, to, why);
	rc = ledger_commit_own(l, f, &ev, 1, &steps, e);
	ledger_steps_done(&steps);
	if (!rc)
		log_warning("events %lld … %lld deposited by %s were set aside: %s",
			    (long long)from, (long long)to, name ? name : "an unknown node", why);
	return rc;
}

/* Sets aside what the inbox holds of the node in from … to (0: to the end). */
static int
refuse(struct ledger *l, struct fiber *f, const struct uuid *node, const char *name, int64_t from,
       int64_t to, const char *why, struct err *e)
{
	int64_t last, fresh;
	int rc = count_fresh(l, f, node, from, &last, &fresh, e);

	if (rc)
		return rc;
	if (!to)
		to = last;
	/* What was refused before, and is deposited again, is neither kept nor reported twice. */
	if (!fresh)
		return drop_rows(l, f, node, from, to, e);
	if (!gate_enter_db(l, f))
		return err_set(e, ERR_REFUSED, "the log cannot be written now");
	rc = write_refusal(l, f, node, name, from, to, why, e);
	gate_leave_db(l);
	return rc;
}

/* A hole: the rows before it may still be on their way. */
static int
wait_for_gap(struct ledger *l, struct fiber *f, const struct uuid *node, const char *name,
	     int64_t from, int64_t missing, struct err *e)
{
	char why[64];
	int64_t now = clock_mono_ms();

	if (!l->gap_since_ms || !uuid_eq(&l->gap_node, node)) {
		l->gap_since_ms = now;
		l->gap_node = *node;
	}
	if (now - l->gap_since_ms < GAP_PATIENCE_MS)
		return 0;
	l->gap_since_ms = 0;
	snprintf(why, sizeof(why), "event %lld never came", (long long)missing);
	return refuse(l, f, node, name, from, 0, why, e);
}

/* ---- one node ---- */

static int
drop_known(struct ledger *l, struct fiber *f, const struct uuid *node, struct err *e)
{
	auto_binds b = BINDS_INIT;

	bind_uuid(&b, node);
	return db_exec(l->o.writer, f, STMT_INBOX_DELETE_KNOWN, &b, NULL, e);
}

static int
read_inbox(struct ledger *l, struct fiber *f, const struct uuid *node, struct rows **ret,
	   struct err *e)
{
	auto_binds b = BINDS_INIT;

	bind_uuid(&b, node);
	bind_int(&b, LEDGER_MERGE_MAX);
	return db_exec(l->o.writer, f, STMT_INBOX_NEXT, &b, ret, e);
}

static void
read_name(struct ledger *l, struct fiber *f, const struct uuid *node, struct buf *ret)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;

	bind_uuid(&b, node);
	if (!db_exec(l->o.writer, f, STMT_NODE_NAME, &b, &rows, NULL) && rows_count(rows))
		buf_adds(ret, row_text(rows, 0, COL_NODE_NAME_NAME));
}

static size_t
fill_rows(const struct rows *from, struct ledger_row *rows)
{
	size_t n = (size_t)rows_count(from), len;

	for (size_t i = 0; i < n; i++) {
		rows[i].seq = row_bigint(from, (int)i, COL_INBOX_NEXT_SEQ);
		memcpy(rows[i].hash, row_bytea(from, (int)i, COL_INBOX_NEXT_HASH, &len),
		       KEYS_HASH_BYTES);
		rows[i].bytes = row_bytea(from, (int)i, COL_INBOX_NEXT_EVENT, &rows[i].len);
	}
	return n;
}

/* The rows of one reading of the inbox. *ret_again: there may be more. */
static int
merge_rows(struct ledger *l, struct fiber *f, const struct uuid *node, const char *name,
	   struct ledger_row *rows, size_t n, bool *ret_again, struct err *e)
{
	uint8_t hash[KEYS_HASH_BYTES];
	auto_buf texts = BUF_INIT;
	struct err why = { 0 };
	int64_t head;
	size_t good;
	int rc = ledger_read_head(l, f, node, &head, hash, e);

	if (rc)
		return rc;
	*ret_again = true;
	if (uuid_eq(node, &l->o.node) || uuid_eq(node, &l->chain))
		return refuse(l, f, node, name, rows[0].seq, 0,
			      "this node's own log never had these", e);
	if (rows[0].seq <= head)
		return refuse(l, f, node, name, rows[0].seq, head,
			      "the log has other events under these numbers", e);
	if (rows[0].seq != head + 1) {
		int64_t missing = head + 1;

		/* An end that is lost, and was accepted: the chain goes on behind it. */
		rc = ledger_follow_end(l, f, node, &head, hash, e);
		if (rc)
			return rc;
		/* What the journal still has of that end follows nothing any more. */
		if (rows[0].seq <= head)
			return drop_rows(l, f, node, rows[0].seq, head, e);
		if (rows[0].seq != head + 1) {
			*ret_again = false;
			return wait_for_gap(l, f, node, name, rows[0].seq, missing, e);
		}
	}
	l->gap_since_ms = 0;
	rc = ledger_verify_rows(l, f, node, head, hash, rows, n, &texts, &good, &why);
	if (rc) {
		*e = why;
		return rc;
	}
	if (good)
		return take_in(l, f, node, name, rows, good, e);
	return refuse(l, f, node, name, rows[0].seq, 0, why.text, e);
}

static int
merge_node(struct ledger *l, struct fiber *f, const struct uuid *node, struct err *e)
{
	struct ledger_row *rows = mem_array(LEDGER_MERGE_MAX, sizeof(*rows));
	auto_buf name = BUF_INIT;
	bool again = true;
	int rc = drop_known(l, f, node, e);

	read_name(l, f, node, &name);
	while (!rc && again && !l->stopping) {
		auto_rows found = NULL;
		size_t n;

		rc = read_inbox(l, f, node, &found, e);
		n = rc ? 0 : fill_rows(found, rows);
		if (!n)
			break;
		rc = merge_rows(l, f, node, name.len ? buf_str(&name) : NULL, rows, n, &again, e);
	}
	free(rows);
	return rc;
}

/* ---- what the agent asks for ---- */

static bool
may_be_asked(int kind)
{
	return kind == EVENT_NODE_JOINED || kind == EVENT_NODE_CERT || kind == EVENT_NODE_MOVED ||
	       kind == EVENT_PROMOTED || kind == EVENT_HANDOVER || kind == EVENT_BACKUP ||
	       kind == EVENT_NODE_REMOVED || kind == EVENT_WITNESS_ALARM ||
	       kind == EVENT_WITNESS_LOST || kind == EVENT_USER_RECOVERED ||
	       kind == EVENT_MAINTENANCE || kind == EVENT_AUTHORITY_MADE;
}

/* What whoever may write to the database could ask for: only with a proof that they have the master key too. ERR_BAD_KEY: without. */
static int
check_proof(struct ledger *l, struct fiber *f, const struct event *ev, struct err *e)
{
	if (ev->kind != EVENT_USER_RECOVERED)
		return 0;
	return recover_check(l->o.keys, f, &ev->object, ev->body, e);
}

static void
drop_requests(struct ledger *l, struct fiber *f, const int64_t *id, size_t n)
{
	auto_binds b = BINDS_INIT;
	struct err e = { 0 };

	bind_array_begin(&b, STMT_BIGINT);
	for (size_t i = 0; i < n; i++)
		bind_elem_bigint(&b, id[i]);
	bind_array_end(&b);
	if (db_exec(l->o.writer, f, STMT_REQUEST_DELETE, &b, NULL, &e))
		log_err(LOG_LEVEL_WARNING, &e, "cannot remove a refused request of the agent");
}

/* The ends of the other chains, if they are not named yet. */
static int
name_others(struct ledger *l, struct fiber *f, struct err *e)
{
	struct event *ev;
	size_t n = ledger_may_see(l) ? ledger_unseen(l, f, &ev) : 0;
	int rc = n ? ledger_commit_own(l, f, ev, n, NULL, e) : 0;

	if (n)
		ledger_seen_free(ev, n);
	if (rc)
		l->seen_stale = true;
	return rc;
}

/* One request becomes one event, and is gone with it. What its asker took back meanwhile becomes none. */
static int
grant_request(struct ledger *l, struct fiber *f, const struct rows *rows, int row, struct err *e)
{
	struct event ev = { .kind = (enum event_kind)row_int(rows, row, COL_REQUEST_NEXT_KIND),
			    .address = "" };
	struct ledger_steps steps = { 0 };
	int64_t id = row_bigint(rows, row, COL_REQUEST_NEXT_ID);
	struct binds *b;
	int rc;

	row_uuid(rows, row, COL_REQUEST_NEXT_OBJECT, &ev.object);
	ev.body = row_text(rows, row, COL_REQUEST_NEXT_BODY);
	if (!may_be_asked(ev.kind) || strlen(ev.body) > EVENT_BODY_MAX) {
		log_warning("a request for event kind %d was refused", (int)ev.kind);
		drop_requests(l, f, &id, 1);
		return 0;
	}
	rc = ledger_changes(&ev, 1) ? name_others(l, f, e) : 0;
	if (rc)
		return rc;
	rc = check_proof(l, f, &ev, e);
	if (rc == ERR_BAD_KEY) {
		log_err(LOG_LEVEL_WARNING, e, "a request for event %s was refused",
			event_name(ev.kind));
		drop_requests(l, f, &id, 1);
		return 0;
	}
	if (rc)
		return rc;
	b = ledger_step(&steps, STMT_REQUEST_TAKE);
	bind_bigint(b, id);
	rc = ledger_commit_own(l, f, &ev, 1, &steps, e);
	ledger_steps_done(&steps);
	if (!rc && ev.kind == EVENT_USER_RECOVERED)
		l->counted_ms = 0; /* whoever logs in next is told */
	if (rc && ledger_is_culprit(e)) {
		log_err(LOG_LEVEL_WARNING, e, "a request for event %s was refused",
			event_name(ev.kind));
		drop_requests(l, f, &id, 1);
		return 0;
	}
	return rc;
}

static int
grant_requests(struct ledger *l, struct fiber *f, struct err *e)
{
	auto_rows rows = NULL;
	int rc = db_exec(l->o.writer, f, STMT_REQUEST_NEXT, NULL, &rows, e);

	if (rc || !rows_count(rows))
		return rc;
	if (!gate_enter_db(l, f))
		return 0;
	for (int i = 0; i < rows_count(rows) && !rc; i++)
		rc = grant_request(l, f, rows, i, e);
	gate_leave_db(l);
	return rc;
}

/* ---- telling of conflicts ---- */

#define TELL_MAX 100
#define COUNT_EVERY_MS 1000

static void
conflict_body(struct buf *body, const struct rows *r, int i)
{
	struct uuid id, node, object;
	struct json_out w;

	row_uuid(r, i, COL_ADMIN_CONFLICT_UNTOLD_ID, &id);
	row_uuid(r, i, COL_ADMIN_CONFLICT_UNTOLD_NODE, &node);
	row_uuid(r, i, COL_ADMIN_CONFLICT_UNTOLD_OBJECT, &object);
	json_out_init(&w, body);
	json_out_object(&w, NULL);
	json_out_uuid(&w, "id", &id);
	json_out_uuid(&w, "node", &node);
	json_out_text(&w, "what", row_text(r, i, COL_ADMIN_CONFLICT_UNTOLD_WHAT));
	json_out_uuid(&w, "on", &object);
	json_out_text(&w, "name", row_text(r, i, COL_ADMIN_CONFLICT_UNTOLD_NAME));
	json_out_text(&w, "kept", row_text(r, i, COL_ADMIN_CONFLICT_UNTOLD_KEPT));
	json_out_text(&w, "lost", row_text(r, i, COL_ADMIN_CONFLICT_UNTOLD_LOST));
	json_out_end_object(&w);
}

/* Of whom or what they are about. */
static int
tell_each(struct ledger *l, struct fiber *f, const struct rows *r, struct err *e)
{
	int rc = 0;

	for (int i = 0; i < rows_count(r) && !rc; i++) {
		struct event ev = { .kind = EVENT_ADMIN_CONFLICT, .address = "" };
		auto_buf body = BUF_INIT;

		conflict_body(&body, r, i);
		row_uuid(r, i, COL_ADMIN_CONFLICT_UNTOLD_ABOUT, &ev.object);
		ev.body = buf_str(&body);
		rc = ledger_commit_own(l, f, &ev, 1, NULL, e);
		if (!rc)
			log_warning("administration on two nodes apart from each other met: %s of "
				    "%s is \"%s\" and not \"%s\"; see `holdfast conflicts "
				    "--administration`",
				    row_text(r, i, COL_ADMIN_CONFLICT_UNTOLD_WHAT),
				    row_text(r, i, COL_ADMIN_CONFLICT_UNTOLD_NAME),
				    row_text(r, i, COL_ADMIN_CONFLICT_UNTOLD_KEPT),
				    row_text(r, i, COL_ADMIN_CONFLICT_UNTOLD_LOST));
	}
	return rc;
}

static int
tell_conflicts(struct ledger *l, struct fiber *f, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	int rc;

	if (!gate_enter_db(l, f))
		return 0;
	bind_int(&b, TELL_MAX);
	rc = db_exec(l->o.writer, f, STMT_ADMIN_CONFLICT_UNTOLD, &b, &r, e);
	if (!rc)
		rc = tell_each(l, f, r, e);
	gate_leave_db(l);
	return rc;
}

static int
look_at_conflicts(struct ledger *l, struct fiber *f, struct err *e)
{
	auto_rows r = NULL;
	int64_t now = clock_mono_ms();
	int rc;

	if (l->counted_ms && now - l->counted_ms < COUNT_EVERY_MS)
		return 0;
	rc = db_exec(l->o.writer, f, STMT_CONFLICT_COUNTS, NULL, &r, e);
	if (rc)
		return rc;
	l->counted_ms = now;
	l->stats.accounts_in_conflict = row_bigint(r, 0, COL_CONFLICT_COUNTS_ACCOUNTS);
	l->stats.admin_unacknowledged = row_bigint(r, 0, COL_CONFLICT_COUNTS_ADMINISTRATION);
	return row_bigint(r, 0, COL_CONFLICT_COUNTS_UNTOLD) ? tell_conflicts(l, f, e) : 0;
}

/* ---- the timer's call ---- */

static int
merge_all(struct ledger *l, struct fiber *f, struct err *e)
{
	auto_rows nodes = NULL;
	int rc = db_exec(l->o.writer, f, STMT_INBOX_NODES, NULL, &nodes, e);

	for (int i = 0; !rc && i < rows_count(nodes); i++) {
		struct uuid node;

		row_uuid(nodes, i, COL_INBOX_NODES_NODE, &node);
		rc = merge_node(l, f, &node, e);
	}
	return rc;
}

static bool
writes_now(const struct ledger *l)
{
	return !l->stopping && l->head_known && l->mode == WRITES_DATABASE && l->stats.writable;
}

void
ledger_merge_inbox(struct ledger *l, struct fiber *f)
{
	struct err e = { 0 };
	int rc;

	if (l->merging || !writes_now(l))
		return;
	l->merging = true;
	rc = grant_requests(l, f, &e);
	if (!rc)
		rc = merge_all(l, f, &e);
	if (!rc)
		rc = look_at_conflicts(l, f, &e);
	/* The database may be restarting; the timer comes again. */
	if (rc && rc != ERR_DB_GONE && rc != ERR_REFUSED)
		log_err(LOG_LEVEL_WARNING, &e, "merging what other nodes deposited");
	l->merging = false;
}

/* The time is taken first: whatever was answered before it is in the database before the beat. */
void
ledger_beat(struct ledger *l, struct fiber *f)
{
	auto_binds b = BINDS_INIT;
	struct err e = { 0 };

	if (!writes_now(l) || ledger_wanted_mode(l) != l->mode)
		return;
	bind_bigint(&b, clock_now_us());
	int rc = db_exec(l->o.writer, f, STMT_BEAT, &b, NULL, &e);
	/* The database may be restarting, or have become a standby; the timer comes again. */
	if (rc == ERR_DB && !l->beat_failed)
		log_err(LOG_LEVEL_WARNING, &e,
			"as of when the data are cannot be written; trying on");
	l->beat_failed = rc == ERR_DB;
}
