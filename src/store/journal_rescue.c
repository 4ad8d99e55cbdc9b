/* SPDX-License-Identifier: Apache-2.0 */
#include "store/journal_rescue.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "store/journal.h"

#define HASH_BYTES 32

struct rescue {
	sqlite3 *db;
	struct journal *to;
	int64_t before;
	struct journal_rescued got;
};

static void
done_stmt(sqlite3_stmt **s)
{
	sqlite3_finalize(*s);
}

static void
end_with(struct rescue *r, const char *why)
{
	text_fit(r->got.why, sizeof(r->got.why), "%s", why);
}

/* The head, as far as it can be read. What was written for another node is not taken over. */
static int
read_meta(struct rescue *r, const struct uuid *node, struct err *e)
{
	FREE_WITH(done_stmt) sqlite3_stmt *s = NULL;

	if (sqlite3_prepare_v2(r->db, "SELECT node, head_seq FROM meta", -1, &s, NULL) !=
		    SQLITE_OK ||
	    sqlite3_step(s) != SQLITE_ROW)
		return 0;
	if (sqlite3_column_bytes(s, 0) == (int)sizeof(node->b) &&
	    memcmp(sqlite3_column_blob(s, 0), node->b, sizeof(node->b)) != 0)
		return err_set(e, ERR_REFUSED, "the journal belongs to another node");
	r->got.head = sqlite3_column_int64(s, 1);
	return 0;
}

static bool
get_row(sqlite3_stmt *s, struct journal_row *ret)
{
	if (sqlite3_column_type(s, 1) != SQLITE_BLOB || sqlite3_column_bytes(s, 1) != HASH_BYTES ||
	    sqlite3_column_bytes(s, 2) > (int)JOURNAL_EVENT_MAX)
		return false;
	ret->seq = sqlite3_column_int64(s, 0);
	memcpy(ret->hash, sqlite3_column_blob(s, 1), HASH_BYTES);
	ret->event = sqlite3_column_blob(s, 2);
	ret->len = (size_t)sqlite3_column_bytes(s, 2);
	return ret->seq > 0;
}

/* Whether the row is the one that is to come next. */
static bool
is_next(struct rescue *r, const struct journal_row *row)
{
	char why[80];

	if (r->before && row->seq >= r->before) {
		snprintf(why, sizeof(why), "event %lld and what follows was not wanted",
			 (long long)r->before);
		end_with(r, why);
		return false;
	}
	if (r->got.last && row->seq != r->got.last + 1) {
		snprintf(why, sizeof(why), "event %lld is missing", (long long)r->got.last + 1);
		end_with(r, why);
		return false;
	}
	return true;
}

static int
take(struct rescue *r, const struct journal_row *row, struct err *e)
{
	static const uint8_t unknown[HASH_BYTES];
	int rc = r->got.last ? 0 : journal_restart(r->to, row->seq - 1, unknown, e);

	if (rc == 0)
		rc = journal_append(r->to, row, 1, e);
	if (rc)
		return rc;
	if (!r->got.first)
		r->got.first = row->seq;
	r->got.last = row->seq;
	return 0;
}

static int
take_rows(struct rescue *r, struct err *e)
{
	FREE_WITH(done_stmt) sqlite3_stmt *s = NULL;
	static const char sql[] = "SELECT seq, hash, event FROM rows ORDER BY seq";
	int got = sqlite3_prepare_v2(r->db, sql, -1, &s, NULL), rc = 0;

	while (got == SQLITE_OK && rc == 0 && (got = sqlite3_step(s)) == SQLITE_ROW) {
		struct journal_row row;

		if (!get_row(s, &row)) {
			end_with(r, "a row has not the right form");
			return 0;
		}
		if (!is_next(r, &row))
			return 0;
		rc = take(r, &row, e);
		got = SQLITE_OK;
	}
	if (rc == 0 && got != SQLITE_DONE)
		end_with(r, sqlite3_errmsg(r->db));
	else if (rc == 0 && r->got.head > r->got.last && r->got.last)
		end_with(r, "rows are missing at the end");
	return rc;
}

static int
open_damaged(struct rescue *r, const char *path, struct err *e)
{
	if (sqlite3_open_v2(path, &r->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
	    SQLITE_OK)
		return err_set(e, ERR_IO, "cannot open %s: %s", path, sqlite3_errmsg(r->db));
	sqlite3_db_config(r->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(r->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(r->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_limit(r->db, SQLITE_LIMIT_LENGTH, 1 << 20);
	sqlite3_exec(r->db, "PRAGMA query_only = ON; PRAGMA cell_size_check = ON", NULL, NULL,
		     NULL);
	return 0;
}

int
journal_rescue(const char *from, const struct uuid *node, int64_t before, const char *to,
	       struct journal_rescued *ret, struct err *e)
{
	struct rescue r = { .before = before };
	int rc = open_damaged(&r, from, e);

	if (rc == 0)
		rc = read_meta(&r, node, e);
	if (rc == 0)
		rc = journal_open(to, node, &r.to, e);
	if (rc == 0)
		rc = take_rows(&r, e);
	journal_free(r.to);
	sqlite3_close(r.db);
	if (rc == 0)
		*ret = r.got;
	return rc;
}
