/* SPDX-License-Identifier: Apache-2.0 */
#include "ha/salvage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "ha/history.h"
#include "ledger/event.h"
#include "store/journal.h"

#define CHUNK 500

/* Where a chain ends in some log. */
struct mark {
	int64_t seq;
	uint8_t hash[32];
};

struct salvage {
	const struct home *h;
	const struct uuid *self;
	struct db *local, *primary;
};

/* seq 0 and zeros when there is nothing of the node. */
static int
read_mark(struct db *d, enum stmt s, const struct uuid *node, struct mark *ret, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;
	size_t n = 0;

	*ret = (struct mark){ 0 };
	bind_uuid(&b, node);
	int rc = db_exec(d, NULL, s, &b, &rows, e);
	if (rc || rows_count(rows) == 0 || row_null(rows, 0, COL_CHAIN_END_SEQ))
		return rc;
	ret->seq = row_bigint(rows, 0, COL_CHAIN_END_SEQ);
	const void *hash = row_bytea(rows, 0, COL_CHAIN_END_HASH, &n);
	if (n != sizeof(ret->hash))
		return err_set(e, ERR_CHAIN_BROKEN, "an event has no hash");
	memcpy(ret->hash, hash, sizeof(ret->hash));
	return 0;
}

/* Whether a log has this very event. */
static int
has_mark(struct db *d, enum stmt s, const struct uuid *node, const struct mark *m, bool *ret,
	 struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;
	size_t n = 0;

	bind_uuid(&b, node);
	bind_bigint(&b, m->seq);
	int rc = db_exec(d, NULL, s, &b, &rows, e);
	if (rc)
		return rc;
	const void *hash = rows_count(rows) ? row_bytea(rows, 0, COL_HASH_AT_HASH, &n) : NULL;
	*ret = hash && n == sizeof(m->hash) && memcmp(hash, m->hash, n) == 0;
	return 0;
}

/* That the local log has this very event: what comes after it continues what the other one has. */
static int
check_mark(struct salvage *s, const struct uuid *node, const struct mark *m, struct err *e)
{
	bool there = true;
	int rc = m->seq ? has_mark(s->local, STMT_EVENT_HASH, node, m, &there, e) : 0;

	if (rc || there)
		return rc;
	return err_set(e, ERR_CHAIN_BROKEN,
		       "this node's log and the primary's differ at event %lld", (long long)m->seq);
}

/* How this chain compares, by the hash where the shorter of the two ends. A primary that cannot be asked for one (its data are of a
 * program before that) has not shown that it has what is here. */
static int
compare(struct salvage *s, const struct uuid *node, const struct mark *mine, const struct mark *has,
	bool *ret_more, bool *ret_parted, struct err *e)
{
	bool there = true;
	int rc = 0;

	*ret_more = mine->seq > has->seq;
	if (has->seq <= mine->seq) /* all of a chain of which nothing is there is more */
		rc = has->seq ? has_mark(s->local, STMT_EVENT_HASH, node, has, &there, e) : 0;
	else if (mine->seq)
		rc = has_mark(s->primary, STMT_DEPOSIT_HASH, node, mine, &there, e);
	if (history_is_earlier(rc, e)) {
		*e = (struct err){ 0 };
		there = false;
		rc = 0;
	}
	*ret_parted = !there;
	return rc;
}

static int
open_beside(struct salvage *s, const struct uuid *node, struct journal **ret, struct err *e)
{
	char path[HOME_PATH_MAX], id[UUID_STR_LEN];

	home_path(s->h, HOME_JOURNAL, path);
	uuid_str(node, id);
	*strrchr(path, '/') = '\0';
	size_t n = strlen(path);
	snprintf(path + n, sizeof(path) - n, "/salvage-%s.db", id);
	return journal_open(path, node, ret, e);
}

/* The own chain goes on in the journal, whatever the database goes back to; unless there is already in it what was done after the end of
 * the log, in emergency: what the log has comes before that. */
static int
open_journal(struct salvage *s, const struct uuid *node, int64_t end, struct journal **ret,
	     struct err *e)
{
	char path[HOME_PATH_MAX];
	uint8_t hash[32];
	int64_t rows, head;

	if (!uuid_eq(node, s->self))
		return open_beside(s, node, ret, e);
	home_path(s->h, HOME_JOURNAL, path);
	int rc = journal_open(path, node, ret, e);
	if (!rc)
		rc = journal_head(*ret, &rows, &head, hash, e);
	if (rc || rows == 0 || head <= end)
		return rc;
	journal_free(TAKE(*ret));
	return open_beside(s, node, ret, e);
}

/* Where the journal goes on: behind what is in it, or behind what the primary has. */
static int
begin_journal(struct salvage *s, struct journal *j, const struct uuid *node, const struct mark *has,
	      int64_t *ret_after, struct err *e)
{
	struct mark head;
	int64_t rows;
	int rc = journal_head(j, &rows, &head.seq, head.hash, e);

	if (!rc && rows) {
		*ret_after = head.seq;
		return check_mark(s, node, &head, e);
	}
	*ret_after = has->seq;
	return rc ? rc : journal_restart(j, has->seq, has->hash, e);
}

static void
fill_row(const struct rows *rows, int i, const struct uuid *node, struct buf *bytes,
	 struct journal_row *ret)
{
	struct event ev = { .node = *node };
	size_t n = 0;

	ev.seq = row_bigint(rows, i, COL_EVENT_CHUNK_SEQ);
	ev.at_us = row_time(rows, i, COL_EVENT_CHUNK_AT);
	ev.kind = (enum event_kind)row_int(rows, i, COL_EVENT_CHUNK_KIND);
	row_uuid(rows, i, COL_EVENT_CHUNK_ACTOR, &ev.actor);
	row_uuid(rows, i, COL_EVENT_CHUNK_OBJECT, &ev.object);
	ev.address = row_text(rows, i, COL_EVENT_CHUNK_ADDRESS);
	ev.body = row_text(rows, i, COL_EVENT_CHUNK_BODY);
	event_encode(&ev, bytes);
	const void *hash = row_bytea(rows, i, COL_EVENT_CHUNK_HASH, &n);
	*ret = (struct journal_row){ .seq = ev.seq, .event = bytes->data, .len = bytes->len };
	if (n == sizeof(ret->hash))
		memcpy(ret->hash, hash, n);
}

/* One reading of the log into the journal, in one transaction there. *ret_n: how many. */
static int
copy_chunk(struct salvage *s, struct journal *j, const struct uuid *node, int64_t after, int *ret_n,
	   struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows rows = NULL;
	struct journal_row row[CHUNK];
	struct buf bytes[CHUNK] = { 0 };

	bind_uuid(&b, node);
	bind_bigint(&b, after);
	bind_int(&b, CHUNK);
	int rc = db_exec(s->local, NULL, STMT_EVENT_CHUNK, &b, &rows, e);
	if (rc)
		return rc;
	*ret_n = rows_count(rows);
	for (int i = 0; i < *ret_n; i++)
		fill_row(rows, i, node, &bytes[i], &row[i]);
	if (*ret_n)
		rc = journal_append(j, row, (size_t)*ret_n, e);
	for (int i = 0; i < *ret_n; i++)
		buf_done(&bytes[i]);
	return rc;
}

static int
copy_rest(struct salvage *s, struct journal *j, const struct uuid *node, int64_t after,
	  struct err *e)
{
	int n = CHUNK, rc = 0;

	while (!rc && n) {
		rc = copy_chunk(s, j, node, after, &n, e);
		after += n;
	}
	return rc;
}

static int
copy_more(struct salvage *s, const struct uuid *node, const struct mark *mine,
	  const struct mark *has, struct err *e)
{
	struct journal *j = NULL;
	int64_t after;
	int rc = open_journal(s, node, mine->seq, &j, e);

	if (!rc)
		rc = begin_journal(s, j, node, has, &after, e);
	if (!rc)
		rc = copy_rest(s, j, node, after, e);
	journal_free(j);
	return rc;
}

static int
salvage_node(struct salvage *s, const struct uuid *node, struct salvaged *ret, struct err *e)
{
	bool more = false, parted = false;
	struct mark mine, has;
	int rc = read_mark(s->local, STMT_EVENT_HEAD, node, &mine, e);

	if (!rc)
		rc = read_mark(s->primary, STMT_DEPOSIT_MARK, node, &has, e);
	if (!rc)
		rc = compare(s, node, &mine, &has, &more, &parted, e);
	if (!rc && parted)
		ret->parted = true;
	if (rc || parted || !more)
		return rc;
	rc = copy_more(s, node, &mine, &has, e);
	if (!rc)
		ret->events += mine.seq - has.seq;
	return rc;
}

int
salvage_run(const struct home *h, const struct uuid *self, struct db *local, struct db *primary,
	    struct salvaged *ret, struct err *e)
{
	struct salvage s = { h, self, local, primary };
	auto_rows nodes = NULL;
	int rc = db_exec(local, NULL, STMT_EVENT_NODES, NULL, &nodes, e);

	*ret = (struct salvaged){ 0 };
	for (int i = 0; !rc && i < rows_count(nodes); i++) {
		struct uuid node;

		row_uuid(nodes, i, COL_EVENT_NODES_NODE, &node);
		rc = salvage_node(&s, &node, ret, e);
	}
	return rc;
}
