/* SPDX-License-Identifier: Apache-2.0
 *
 * What holds after every transaction:
 *  1. A row's `waits` has a bit for each receiver that has not accepted it; a row without one is gone.
 *  2. There are at most rows_max rows, and at most the oldest of them has `lost` above 0.
 *  3. A row that changes (it counts more than before) gets a new id: whoever accepted the old one gets the new one too.
 */
#include "store/outbox.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define APPLICATION_ID 0x484f5558 /* "HOUX" */
#define BUSY_MS 5000
#define PATH_BYTES 1024

struct outbox {
	sqlite3 *db;
	int64_t rows_max;
};

static const char schema[] =
	"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; BEGIN IMMEDIATE;"
	"CREATE TABLE IF NOT EXISTS alert (seq INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT "
	"NULL, "
	"at INTEGER NOT NULL, lost INTEGER NOT NULL, waits INTEGER NOT NULL CHECK (waits > 0), "
	"kind TEXT NOT NULL, text TEXT NOT NULL, body TEXT NOT NULL) STRICT;"
	"CREATE TABLE IF NOT EXISTS seen (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, "
	"WITHOUT ROWID;"
	"COMMIT;";

/* ---- SQLite ---- */

static int
set_sqlite_err(struct outbox *o, struct err *e)
{
	mem_check((sqlite3_errcode(o->db) & 0xff) != SQLITE_NOMEM);
	return err_set(e, ERR_IO, "the outbox of alerts cannot be used: %s", sqlite3_errmsg(o->db));
}

static int
run(struct outbox *o, const char *sql, struct err *e)
{
	return sqlite3_exec(o->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : set_sqlite_err(o, e);
}

static void
done_stmt(sqlite3_stmt **s)
{
	sqlite3_finalize(*s);
}

#define auto_stmt FREE_WITH(done_stmt) sqlite3_stmt *

static int
prepare(struct outbox *o, const char *sql, sqlite3_stmt **ret, struct err *e)
{
	return sqlite3_prepare_v2(o->db, sql, -1, ret, NULL) == SQLITE_OK ? 0
									  : set_sqlite_err(o, e);
}

static int
finish(struct outbox *o, sqlite3_stmt *s, struct err *e)
{
	return sqlite3_step(s) == SQLITE_DONE ? 0 : set_sqlite_err(o, e);
}

/* One whole number. */
static int
ask_int(struct outbox *o, const char *sql, int64_t *ret, struct err *e)
{
	auto_stmt s = NULL;
	int rc = prepare(o, sql, &s, e);

	if (rc == 0 && sqlite3_step(s) != SQLITE_ROW)
		rc = set_sqlite_err(o, e);
	if (rc == 0)
		*ret = sqlite3_column_int64(s, 0);
	return rc;
}

/* Ends a transaction: as it should be, or as if it had not begun. */
static int
end(struct outbox *o, int rc, struct err *e)
{
	if (rc == 0)
		rc = run(o, "COMMIT", e);
	if (rc)
		sqlite3_exec(o->db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

/* ---- opening ---- */

static int
check_identity(struct outbox *o, struct err *e)
{
	char pragma[64];
	int64_t id = 0;
	int rc = ask_int(o, "PRAGMA application_id", &id, e);

	if (rc || id == APPLICATION_ID)
		return rc;
	if (id != 0)
		return err_set(e, ERR_IO, "the outbox of alerts is a file of something else");
	snprintf(pragma, sizeof(pragma), "PRAGMA application_id = %d", APPLICATION_ID);
	return run(o, pragma, e);
}

static int
open_file(struct outbox *o, const char *path, struct err *e)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;

	if (sqlite3_open_v2(path, &o->db, flags, NULL) != SQLITE_OK)
		return set_sqlite_err(o, e);
	sqlite3_busy_timeout(o->db, BUSY_MS);
	sqlite3_db_config(o->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(o->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	int rc = check_identity(o, e);
	return rc ? rc : run(o, schema, e);
}

static bool
is_damaged(struct outbox *o)
{
	int code = sqlite3_errcode(o->db) & 0xff;

	return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

/* An alert must not be kept from going out by one that was written badly: the file is kept, for whoever wants to look. */
static int
move_aside(const char *path, struct err *e)
{
	static const char *const tails[] = { "", "-wal", "-shm" };
	char from[PATH_BYTES], to[PATH_BYTES + 64];
	long long now = (long long)clock_now_us();

	for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
		snprintf(from, sizeof(from), "%s%s", path, tails[i]);
		snprintf(to, sizeof(to), "%s.damaged-%lld%s", path, now, tails[i]);
		if (rename(from, to) < 0 && i == 0)
			return err_errno(e, ERR_IO, "cannot move the damaged %s aside", path);
	}
	log_error("the outbox of alerts, %s, was damaged: alerts that waited in it are lost; it "
		  "was moved to %s.damaged-%lld, and a new one is begun",
		  path, path, now);
	return 0;
}

int
outbox_settle(const char *path, struct err *e)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_size == 0 ? move_aside(path, e) : 0;
}

int
outbox_open(const char *path, int64_t rows_max, struct outbox **ret, struct err *e)
{
	struct outbox *o = mem_new(sizeof(*o));

	o->rows_max = rows_max;
	int rc = open_file(o, path, e);
	if (rc && is_damaged(o)) {
		sqlite3_close(o->db);
		o->db = NULL;
		rc = move_aside(path, e);
		if (rc == 0)
			rc = open_file(o, path, e);
	}
	if (rc) {
		outbox_free(o);
		return rc;
	}
	*ret = o;
	return 0;
}

void
outbox_free(struct outbox *o)
{
	if (!o)
		return;
	sqlite3_close(o->db);
	free(o);
}

/* ---- what was seen ---- */

int
outbox_seen(struct outbox *o, const char *key, struct buf *ret, struct err *e)
{
	auto_stmt s = NULL;
	int rc = prepare(o, "SELECT value FROM seen WHERE key = ?", &s, e);

	if (rc)
		return rc;
	sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
	int step = sqlite3_step(s);
	if (step == SQLITE_ROW)
		buf_adds(ret, (const char *)sqlite3_column_text(s, 0));
	return step == SQLITE_ROW || step == SQLITE_DONE ? 0 : set_sqlite_err(o, e);
}

static int
put_seen(struct outbox *o, const char *key, const char *value, struct err *e)
{
	auto_stmt s = NULL;
	int rc = prepare(o, "INSERT OR REPLACE INTO seen VALUES (?, ?)", &s, e);

	if (rc)
		return rc;
	sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
	sqlite3_bind_text(s, 2, value, -1, SQLITE_STATIC);
	return finish(o, s, e);
}

/* ---- putting ---- */

static int
insert(struct outbox *o, const struct outbox_row *row, unsigned waits, struct err *e)
{
	static const char sql[] = "INSERT INTO alert (seq, id, at, lost, waits, kind, text, body) "
				  "VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
	auto_stmt s = NULL;
	int rc = prepare(o, sql, &s, e);

	if (rc)
		return rc;
	if (row->seq)
		sqlite3_bind_int64(s, 1, row->seq);
	sqlite3_bind_blob(s, 2, row->id.b, sizeof(row->id.b), SQLITE_STATIC);
	sqlite3_bind_int64(s, 3, row->at_us);
	sqlite3_bind_int64(s, 4, row->lost);
	sqlite3_bind_int64(s, 5, waits);
	sqlite3_bind_text(s, 6, row->kind, -1, SQLITE_STATIC);
	sqlite3_bind_text(s, 7, row->text, -1, SQLITE_STATIC);
	sqlite3_bind_text(s, 8, row->body, -1, SQLITE_STATIC);
	return finish(o, s, e);
}

static int
remove_upto(struct outbox *o, int64_t seq, struct err *e)
{
	auto_stmt s = NULL;
	int rc = prepare(o, "DELETE FROM alert WHERE seq <= ?", &s, e);

	if (rc)
		return rc;
	sqlite3_bind_int64(s, 1, seq);
	return finish(o, s, e);
}

/* The two oldest rows become one in the place of the second. */
static int
fold_two(struct outbox *o, int64_t *ret_lost, struct err *e)
{
	struct outbox_row folded = { .kind = "", .text = "", .body = "" };
	unsigned waits = 0;
	auto_stmt s = NULL;
	int rc = prepare(o, "SELECT seq, at, max(lost, 1), waits FROM alert ORDER BY seq LIMIT 2",
			 &s, e);

	if (rc)
		return rc;
	while (sqlite3_step(s) == SQLITE_ROW) {
		folded.seq = sqlite3_column_int64(s, 0);
		folded.at_us = sqlite3_column_int64(s, 1);
		folded.lost += sqlite3_column_int64(s, 2);
		waits |= (unsigned)sqlite3_column_int64(s, 3);
	}
	sqlite3_reset(s);
	uuid_new(&folded.id);
	rc = remove_upto(o, folded.seq, e);
	if (rc == 0)
		rc = insert(o, &folded, waits, e);
	*ret_lost = folded.lost;
	return rc;
}

static int
add(struct outbox *o, const struct outbox_row *row, unsigned receivers, int64_t *ret_lost,
    struct err *e)
{
	int64_t n = 0;
	int rc = outbox_count(o, &n, e);

	for (; rc == 0 && n >= o->rows_max; n--)
		rc = fold_two(o, ret_lost, e);
	return rc ? rc : insert(o, row, receivers, e);
}

int
outbox_put(struct outbox *o, const char *key, const char *value, const struct outbox_row *row,
	   unsigned receivers, int64_t *ret_lost, struct err *e)
{
	int rc = run(o, "BEGIN IMMEDIATE", e);

	*ret_lost = 0;
	if (rc)
		return rc;
	rc = put_seen(o, key, value, e);
	if (rc == 0 && row && receivers)
		rc = add(o, row, receivers, ret_lost, e);
	return end(o, rc, e);
}

/* ---- taking ---- */

static int
take_row(struct outbox *o, sqlite3_stmt *s, struct outbox_texts *texts, struct outbox_row *ret,
	 struct err *e)
{
	if (sqlite3_column_bytes(s, 1) != sizeof(ret->id.b))
		return err_set(e, ERR_IO, "the outbox of alerts holds an id that is none");
	memcpy(ret->id.b, sqlite3_column_blob(s, 1), sizeof(ret->id.b));
	ret->seq = sqlite3_column_int64(s, 0);
	ret->at_us = sqlite3_column_int64(s, 2);
	ret->lost = sqlite3_column_int64(s, 3);
	buf_adds(&texts->kind, (const char *)sqlite3_column_text(s, 4));
	buf_adds(&texts->text, (const char *)sqlite3_column_text(s, 5));
	buf_adds(&texts->body, (const char *)sqlite3_column_text(s, 6));
	ret->kind = buf_str(&texts->kind);
	ret->text = buf_str(&texts->text);
	ret->body = buf_str(&texts->body);
	return 0;
}

int
outbox_next(struct outbox *o, int receiver, struct outbox_texts *texts, struct outbox_row *ret,
	    struct err *e)
{
	static const char sql[] = "SELECT seq, id, at, lost, kind, text, body FROM alert "
				  "WHERE waits & ? ORDER BY seq LIMIT 1";
	auto_stmt s = NULL;
	int rc = prepare(o, sql, &s, e);

	if (rc)
		return rc;
	sqlite3_bind_int64(s, 1, INT64_C(1) << receiver);
	int step = sqlite3_step(s);
	if (step == SQLITE_ROW)
		return take_row(o, s, texts, ret, e);
	return step == SQLITE_DONE ? err_set(e, ERR_NOT_FOUND, "nothing waits")
				   : set_sqlite_err(o, e);
}

/* Takes bits away from rows; those without any are gone. sql: ?1 bits that stay, ?2 seq, ?3 id. */
static int
take_bits(struct outbox *o, const char *const sql[2], int64_t bits, const struct outbox_row *row,
	  struct err *e)
{
	int rc = run(o, "BEGIN IMMEDIATE", e);

	if (rc)
		return rc;
	for (int i = 0; i < 2 && rc == 0; i++) {
		auto_stmt s = NULL;

		rc = prepare(o, sql[i], &s, e);
		if (rc)
			break;
		sqlite3_bind_int64(s, 1, bits);
		if (row) {
			sqlite3_bind_int64(s, 2, row->seq);
			sqlite3_bind_blob(s, 3, row->id.b, sizeof(row->id.b), SQLITE_STATIC);
		}
		rc = finish(o, s, e);
	}
	return end(o, rc, e);
}

int
outbox_done(struct outbox *o, int receiver, const struct outbox_row *row, struct err *e)
{
	static const char *const sql[2] = {
		"DELETE FROM alert WHERE waits & ?1 = 0 AND seq = ?2 AND id = ?3",
		"UPDATE alert SET waits = waits & ?1 WHERE seq = ?2 AND id = ?3",
	};

	return take_bits(o, sql, ~(INT64_C(1) << receiver), row, e);
}

int
outbox_only(struct outbox *o, unsigned receivers, struct err *e)
{
	static const char *const sql[2] = {
		"DELETE FROM alert WHERE waits & ?1 = 0",
		"UPDATE alert SET waits = waits & ?1 WHERE waits & ~?1",
	};

	return take_bits(o, sql, receivers, NULL, e);
}

int
outbox_count(struct outbox *o, int64_t *ret, struct err *e)
{
	return ask_int(o, "SELECT count(*) FROM alert", ret, e);
}
