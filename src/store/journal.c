/* SPDX-License-Identifier: Apache-2.0
 *
 * What holds for the file after every transaction, and is checked on opening and every CHECK_MS of
 * use (a large file part by part, since others wait to write meanwhile):
 *  1. meta has one row: the node, and the head (the last seq and hash ever appended).
 *  2. rows have no gaps, and the last of them, if any, is the head. Any violation, also of SQLite's
 * own check, is damage: ERR_IO, and the file stays as it is.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/home.h"
#include "base/homefile.h"
#include "base/mem.h"
#include "store/journal.h"

#define APPLICATION_ID 0x484a4e4c /* "HJNL" */
#define USER_VERSION 1
#define BUSY_MS 5000
#define PART_BYTES (8u << 20) /* what is read at once then */
#define CHECK_MS 10000	      /* what is on the disk is read anew so often */
#define HASH_BYTES 32
#define SEQ_MAX (INT64_MAX / 2) /* so that no sum overflows */

struct journal {
	sqlite3 *db;
	char path[HOME_PATH_MAX];
	struct uuid node;
	int64_t checked_ms;  /* when the file was last looked at */
	int64_t checked_seq; /* the last row of the part that was read last; 0: begin anew */
	sqlite3_stmt *insert, *set_head, *get_head, *each, *drop;
};

/* ---- SQLite ---- */

static int
damaged(const struct journal *j, struct err *e, const char *what)
{
	return err_set(e, ERR_IO,
		       "the journal is damaged: %s; %s was left as it is: stop this node and run "
		       "`holdfast ha repair-journal`",
		       what, j->path);
}

static int
set_sqlite_err(struct journal *j, const char *what, struct err *e)
{
	int code = sqlite3_errcode(j->db) & 0xff; /* without the extension */

	mem_check(code != SQLITE_NOMEM);
	if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
		return damaged(j, e, sqlite3_errmsg(j->db));
	return err_set_at(e, __FILE__, __LINE__, ERR_IO, sqlite3_system_errno(j->db),
			  "cannot %s the journal: %s", what, sqlite3_errmsg(j->db));
}

static int
run(struct journal *j, const char *sql, const char *what, struct err *e)
{
	int got = sqlite3_exec(j->db, FAULT(SQLITE_EXEC, "a fault", sql), NULL, NULL, NULL);

	return got == SQLITE_OK ? 0 : set_sqlite_err(j, what, e);
}

/* Ends a failed transaction; the error is the one that led here. */
static void
roll_back(struct journal *j)
{
	sqlite3_exec(j->db, "ROLLBACK", NULL, NULL, NULL);
}

/* Steps a statement that gives no rows, and makes it ready for the next time. */
static int
finish(struct journal *j, sqlite3_stmt *s, const char *what, struct err *e)
{
	int got = FAULT(SQLITE_STEP, SQLITE_FULL, sqlite3_step(s));
	int code = got == SQLITE_DONE ? 0 : set_sqlite_err(j, what, e);

	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
	return code;
}

static void
done_stmt(sqlite3_stmt **s)
{
	sqlite3_finalize(*s);
}

static int
one_int(struct journal *j, const char *sql, int64_t *ret, struct err *e)
{
	FREE_WITH(done_stmt) sqlite3_stmt *s = NULL;

	if (sqlite3_prepare_v2(j->db, FAULT(SQLITE_PREPARE, "a fault", sql), -1, &s, NULL) !=
		    SQLITE_OK ||
	    FAULT(SQLITE_STEP, SQLITE_IOERR, sqlite3_step(s)) != SQLITE_ROW)
		return set_sqlite_err(j, "read", e);
	*ret = sqlite3_column_int64(s, 0);
	return 0;
}

/* ---- opening ---- */

/* Whoever made it may have failed before its entry was durable. */
static bool
is_empty(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_size == 0;
}

/* SQLite would make it readable for all; its -wal and -shm files take the mode of this one. */
static int
create_private(const char *path, struct err *e)
{
	int fd = FAULT(
		FILE_CREATE, -1,
		homefile_open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));

	if (fd < 0 && errno == EEXIST)
		return is_empty(path) ? home_sync_name(path, e) : 0;
	if (fd < 0)
		return err_errno(e, ERR_IO, "cannot create the journal %s", path);
	close(fd);
	return home_sync_name(path, e);
}

static int
open_as_sqlite_does(const char *path, int flags, int mode)
{
	return homefile_open(path, flags, (mode_t)mode);
}

/* SQLite opens and removes the files beside the journal by itself. */
void
journal_ask_for_files(void)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find("unix");

	mem_check(vfs &&
		  vfs->xSetSystemCall(vfs, "open", (sqlite3_syscall_ptr)open_as_sqlite_does) ==
			  SQLITE_OK &&
		  vfs->xSetSystemCall(vfs, "unlink", (sqlite3_syscall_ptr)homefile_unlink) ==
			  SQLITE_OK);
}

static int
open_file(struct journal *j, const char *path, struct err *e)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
	int code = create_private(path, e);

	if (code != 0)
		return code;
	if (sqlite3_open_v2(FAULT(SQLITE_OPEN, "/nowhere/journal", path), &j->db, flags, NULL) !=
	    SQLITE_OK)
		return set_sqlite_err(j, "open", e);
	sqlite3_extended_result_codes(j->db, 1);
	sqlite3_busy_timeout(j->db, BUSY_MS);
	sqlite3_db_config(j->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(j->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	/* Until it is known to be good: closing a damaged file must not write to it. */
	sqlite3_db_config(j->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_limit(j->db, SQLITE_LIMIT_LENGTH, 1 << 20);
	/* Nothing beside the journal's own files: this process may not be allowed any. */
	return run(j, "PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY", "open", e);
}

static int
quick_check(struct journal *j, struct err *e)
{
	FREE_WITH(done_stmt) sqlite3_stmt *s = NULL;
	const char *text;

	if (sqlite3_prepare_v2(j->db, FAULT(SQLITE_PREPARE, "a fault", "PRAGMA quick_check(1)"), -1,
			       &s, NULL) != SQLITE_OK ||
	    FAULT(SQLITE_STEP, SQLITE_IOERR, sqlite3_step(s)) != SQLITE_ROW)
		return set_sqlite_err(j, "check", e);
	text = (const char *)sqlite3_column_text(s, 0);
	if (text != NULL && strcmp(text, "ok") == 0)
		return 0;
	return damaged(j, e, text == NULL ? "its check gives nothing" : text);
}

static const char schema[] =
	"CREATE TABLE meta (one INTEGER PRIMARY KEY CHECK (one = 1), node BLOB NOT NULL, "
	"head_seq INTEGER NOT NULL, head_hash BLOB NOT NULL) STRICT;"
	"CREATE TABLE rows (seq INTEGER PRIMARY KEY CHECK (seq > 0), hash BLOB NOT NULL, "
	"event BLOB NOT NULL) STRICT;";

static int
insert_meta(struct journal *j, struct err *e)
{
	FREE_WITH(done_stmt) sqlite3_stmt *s = NULL;
	static const char sql[] = "INSERT INTO meta VALUES (1, ?, 0, zeroblob(32))";

	if (sqlite3_prepare_v2(j->db, FAULT(SQLITE_PREPARE, "a fault", sql), -1, &s, NULL) !=
		    SQLITE_OK ||
	    sqlite3_bind_blob(s, 1, j->node.b, sizeof j->node.b, SQLITE_STATIC) != SQLITE_OK ||
	    FAULT(SQLITE_STEP, SQLITE_FULL, sqlite3_step(s)) != SQLITE_DONE)
		return set_sqlite_err(j, "create", e);
	return 0;
}

static int
make_schema(struct journal *j, struct err *e)
{
	char pragmas[96];
	int code = run(j, schema, "create", e);

	snprintf(pragmas, sizeof pragmas, "PRAGMA application_id = %d; PRAGMA user_version = %d",
		 APPLICATION_ID, USER_VERSION);
	if (code == 0)
		code = insert_meta(j, e);
	if (code == 0)
		code = run(j, pragmas, "create", e);
	return code;
}

/* Two processes may meet a new file at once: the second finds it made when its turn comes. */
static int
create_if_empty(struct journal *j, struct err *e)
{
	int64_t tables = 0, application = 0;
	int code = run(j, "BEGIN IMMEDIATE", "open", e);

	if (code != 0)
		return code;
	code = one_int(j, "SELECT count(*) FROM sqlite_schema", &tables, e);
	if (code == 0)
		code = one_int(j, "PRAGMA application_id", &application, e);
	if (code == 0 && tables == 0 && application == 0)
		code = make_schema(j, e);
	if (code == 0)
		code = run(j, "COMMIT", "create", e);
	if (code != 0)
		roll_back(j);
	return code;
}

static int
check_identity(struct journal *j, struct err *e)
{
	int64_t application = 0, version = 0;
	int code = one_int(j, "PRAGMA application_id", &application, e);

	if (code == 0)
		code = one_int(j, "PRAGMA user_version", &version, e);
	if (code != 0)
		return code;
	if (application != APPLICATION_ID)
		return err_set(
			e, ERR_IO,
			"the file at the journal's place is not a journal; it was left as it is");
	if (version != USER_VERSION)
		return err_set(e, ERR_REFUSED,
			       "the journal has format %lld, this program knows format %d",
			       (long long)version, USER_VERSION);
	return 0;
}

static int
use_wal(struct journal *j, struct err *e)
{
	FREE_WITH(done_stmt) sqlite3_stmt *s = NULL;

	if (sqlite3_prepare_v2(j->db, FAULT(SQLITE_PREPARE, "a fault", "PRAGMA journal_mode = WAL"),
			       -1, &s, NULL) != SQLITE_OK ||
	    FAULT(SQLITE_STEP, SQLITE_IOERR, sqlite3_step(s)) != SQLITE_ROW)
		return set_sqlite_err(j, "open", e);
	if (strcmp((const char *)sqlite3_column_text(s, 0), "wal") != 0)
		return err_set(e, ERR_IO, "the journal's file system cannot share memory (no WAL)");
	sqlite3_reset(s);
	return run(j, "PRAGMA synchronous = FULL", "open", e);
}

static int
prepare(struct journal *j, const char *sql, sqlite3_stmt **ret, struct err *e)
{
	if (sqlite3_prepare_v3(j->db, FAULT(SQLITE_PREPARE, "a fault", sql), -1,
			       SQLITE_PREPARE_PERSISTENT, ret, NULL) != SQLITE_OK)
		return set_sqlite_err(j, "open", e);
	return 0;
}

static int
prepare_all(struct journal *j, struct err *e)
{
	const struct {
		sqlite3_stmt **ret;
		const char *sql;
	} all[] = {
		{ &j->insert, "INSERT INTO rows (seq, hash, event) VALUES (?, ?, ?)" },
		{ &j->set_head, "UPDATE meta SET head_seq = ?, head_hash = ? WHERE one = 1" },
		{ &j->get_head,
		  "SELECT m.node, m.head_seq, m.head_hash, (SELECT min(seq) FROM rows), "
		  "(SELECT max(seq) FROM rows), "
		  "(SELECT hash FROM rows ORDER BY seq DESC LIMIT 1) FROM meta m" },
		{ &j->each,
		  "SELECT seq, hash, event FROM rows WHERE seq > ? ORDER BY seq LIMIT ?" },
		{ &j->drop, "DELETE FROM rows WHERE seq <= ?" },
	};
	int code = 0;

	for (size_t i = 0; i < ARRAY_LEN(all) && code == 0; i++)
		code = prepare(j, all[i].sql, all[i].ret, e);
	return code;
}

/* ---- the head ---- */

struct head {
	int64_t count, seq;
	uint8_t hash[HASH_BYTES];
};

/* Copies a blob of exactly n bytes. */
static bool
get_blob(sqlite3_stmt *s, int col, void *ret, int n)
{
	if (sqlite3_column_type(s, col) != SQLITE_BLOB || sqlite3_column_bytes(s, col) != n)
		return false;
	memcpy(ret, sqlite3_column_blob(s, col), (size_t)n);
	return true;
}

/* The row of get_head against the invariants above. */
static int
check_head(struct journal *j, sqlite3_stmt *s, struct head *ret, struct err *e)
{
	struct uuid node;
	uint8_t last[HASH_BYTES];
	int64_t first = sqlite3_column_int64(s, 3), end = sqlite3_column_int64(s, 4);

	if (!get_blob(s, 0, node.b, sizeof node.b) || !get_blob(s, 2, ret->hash, HASH_BYTES))
		return damaged(j, e, "its head is not readable");
	if (!uuid_eq(&node, &j->node))
		return err_set(e, ERR_REFUSED,
			       "%s belongs to another node, and was left as it is: stop this node, "
			       "and put its own journal back from a copy of the home; where there "
			       "is none, move that file away, and the log says what is missing",
			       j->path);
	ret->seq = sqlite3_column_int64(s, 1);
	if (ret->seq < 0 || ret->seq > SEQ_MAX)
		return damaged(j, e, "its head is out of range");
	ret->count = 0;
	if (sqlite3_column_type(s, 3) == SQLITE_NULL)
		return 0;
	if (first < 1 || end < first || end > SEQ_MAX)
		return damaged(j, e, "a row is out of range");
	ret->count = end - first + 1;
	if (end != ret->seq || !get_blob(s, 5, last, HASH_BYTES) ||
	    memcmp(last, ret->hash, HASH_BYTES) != 0)
		return damaged(j, e, "the last row is not the head");
	return 0;
}

static int
read_head(struct journal *j, struct head *ret, struct err *e)
{
	sqlite3_stmt *s = j->get_head;
	int rc = FAULT(SQLITE_STEP, SQLITE_IOERR, sqlite3_step(s)), code;

	if (rc == SQLITE_ROW)
		code = check_head(j, s, ret, e);
	else if (rc == SQLITE_DONE)
		code = damaged(j, e, "it has no head");
	else
		code = set_sqlite_err(j, "read", e);
	sqlite3_reset(s);
	return code;
}

/* Now and then: appends keep it so, and counting takes as long as there are rows. */
static int
check_gaps(struct journal *j, const struct head *h, struct err *e)
{
	int64_t n = 0;
	int code = one_int(j, "SELECT count(*) FROM rows", &n, e);

	if (code == 0 && n != h->count)
		return damaged(j, e, "rows are missing in the middle");
	return code;
}

static int
write_head(struct journal *j, int64_t seq, const uint8_t *hash, struct err *e)
{
	sqlite3_bind_int64(j->set_head, 1, seq);
	sqlite3_bind_blob(j->set_head, 2, hash, HASH_BYTES, SQLITE_STATIC);
	return finish(j, j->set_head, "write", e);
}

/* All of the file, as it is on the disk, at one moment of it: another process may be appending. */
static int
check_whole(struct journal *j, struct err *e)
{
	struct head h = { 0 };
	int code = run(j, "BEGIN", "check", e);

	if (code != 0)
		return code;
	code = quick_check(j, e);
	if (code == 0)
		code = read_head(j, &h, e);
	if (code == 0)
		code = check_gaps(j, &h, e);
	if (code == 0)
		code = run(j, "COMMIT", "check", e);
	if (code != 0)
		roll_back(j);
	return code;
}

struct part {
	struct journal *j;
	int64_t last;
	size_t bytes;
	struct err *e;
};

#define PART_READ 1

static int
read_row(void *ctx, const struct journal_row *row)
{
	struct part *p = ctx;

	if (row->seq != p->last + 1)
		return damaged(p->j, p->e, "rows are missing in the middle");
	p->last = row->seq;
	p->bytes += sizeof(*row) + row->len;
	return p->bytes < PART_BYTES ? 0 : PART_READ;
}

/* The head, and the rows behind those that were read last; behind the last row it begins anew. */
static int
check_rows(struct journal *j, struct err *e)
{
	struct head h = { 0 };
	struct part p = { .j = j, .e = e };
	int code = read_head(j, &h, e);

	if (code != 0)
		return code;
	p.last = h.seq - h.count;
	if (p.last < j->checked_seq && j->checked_seq < h.seq)
		p.last = j->checked_seq;
	code = journal_each(j, p.last, SIZE_MAX, read_row, &p, e);
	if (code == 0 && p.last != h.seq)
		return damaged(j, e, "rows are missing in the middle");
	if (code < 0)
		return code;
	j->checked_seq = code == PART_READ ? p.last : 0;
	return 0;
}

static int
check_part(struct journal *j, struct err *e)
{
	int code = run(j, "BEGIN", "check", e);

	if (code != 0)
		return code;
	code = check_rows(j, e);
	if (code == 0)
		code = run(j, "COMMIT", "check", e);
	if (code != 0)
		roll_back(j);
	return code;
}

/* A disk may damage what was good when it was opened. */
static int
check_again(struct journal *j, struct err *e)
{
	return clock_mono_ms() - j->checked_ms < CHECK_MS ? 0 : journal_check(j, e);
}

/* ---- verbs ---- */

static int
open_all(struct journal *j, const char *path, struct err *e)
{
	int code = open_file(j, path, e);

	if (code == 0)
		code = quick_check(j, e);
	if (code == 0)
		code = create_if_empty(j, e);
	if (code == 0)
		code = check_identity(j, e);
	/* Only now: a file that is not ours is not even turned to WAL. */
	if (code == 0)
		code = use_wal(j, e);
	if (code == 0)
		code = prepare_all(j, e);
	if (code == 0)
		code = check_whole(j, e);
	if (code == 0) {
		sqlite3_db_config(j->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
		j->checked_ms = clock_mono_ms();
	}
	return code;
}

int
journal_open(const char *path, const struct uuid *node, struct journal **ret, struct err *e)
{
	struct journal *j = mem_new(sizeof *j);
	int code;

	j->node = *node;
	snprintf(j->path, sizeof j->path, "%s", path);
	code = open_all(j, path, e);
	if (code != 0)
		journal_free(j);
	else
		*ret = j;
	return code;
}

void
journal_free(struct journal *j)
{
	if (j == NULL)
		return;
	sqlite3_finalize(j->insert);
	sqlite3_finalize(j->set_head);
	sqlite3_finalize(j->get_head);
	sqlite3_finalize(j->each);
	sqlite3_finalize(j->drop);
	sqlite3_close(j->db);
	free(j);
}

/* Pages kept in memory would hide what happened on the disk. */
int
journal_check(struct journal *j, struct err *e)
{
	static const char size[] =
		"SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
	int64_t bytes = 0;

	sqlite3_db_release_memory(j->db);
	int code = one_int(j, size, &bytes, e);
	if (code == 0)
		code = bytes <= PART_BYTES ? check_whole(j, e) : check_part(j, e);
	if (code == 0)
		j->checked_ms = clock_mono_ms();
	return code;
}

static int
insert_rows(struct journal *j, const struct journal_row *rows, size_t n, int64_t head,
	    struct err *e)
{
	int code = 0;

	for (size_t i = 0; i < n && code == 0; i++) {
		if (rows[i].seq != head + 1 + (int64_t)i)
			return err_set(e, ERR_REFUSED, "journal row %lld does not follow row %lld",
				       (long long)rows[i].seq, (long long)head + (long long)i);
		if (rows[i].len > JOURNAL_EVENT_MAX)
			return err_set(e, ERR_TOO_LARGE, "an event of %zu bytes is too large",
				       rows[i].len);
		sqlite3_bind_int64(j->insert, 1, rows[i].seq);
		sqlite3_bind_blob(j->insert, 2, rows[i].hash, HASH_BYTES, SQLITE_STATIC);
		sqlite3_bind_blob(j->insert, 3, rows[i].len == 0 ? "" : rows[i].event,
				  (int)rows[i].len, SQLITE_STATIC);
		code = finish(j, j->insert, "write", e);
	}
	return code;
}

int
journal_append(struct journal *j, const struct journal_row *rows, size_t n, struct err *e)
{
	struct head h = { 0 };
	int code;

	if (n == 0)
		return 0;
	code = check_again(j, e);
	if (code == 0)
		code = run(j, "BEGIN IMMEDIATE", "write", e);
	if (code != 0)
		return code;
	code = read_head(j, &h, e);
	if (code == 0)
		code = insert_rows(j, rows, n, h.seq, e);
	if (code == 0)
		code = write_head(j, rows[n - 1].seq, rows[n - 1].hash, e);
	if (code == 0)
		code = run(j, "COMMIT", "write", e);
	if (code != 0)
		roll_back(j);
	return code;
}

static int
get_row(const struct journal *j, struct journal_row *ret, struct err *e)
{
	sqlite3_stmt *s = j->each;

	ret->seq = sqlite3_column_int64(s, 0);
	ret->event = sqlite3_column_blob(s, 2);
	ret->len = (size_t)sqlite3_column_bytes(s, 2);
	if (!get_blob(s, 1, ret->hash, HASH_BYTES) || ret->len > JOURNAL_EVENT_MAX)
		return damaged(j, e, "a row has not the right form");
	if (ret->event == NULL)
		ret->event = "";
	return 0;
}

int
journal_each(struct journal *j, int64_t after, size_t max, journal_row_fn *fn, void *ctx,
	     struct err *e)
{
	int64_t last = 0;
	int rc = SQLITE_DONE, code = 0;

	sqlite3_bind_int64(j->each, 1, after);
	sqlite3_bind_int64(j->each, 2, max > INT32_MAX ? INT32_MAX : (int64_t)max);
	while (code == 0 &&
	       (rc = FAULT(SQLITE_STEP, SQLITE_IOERR, sqlite3_step(j->each))) == SQLITE_ROW) {
		struct journal_row row;

		code = get_row(j, &row, e);
		if (code == 0 && last != 0 && row.seq != last + 1)
			code = damaged(j, e, "rows are missing in the middle");
		last = row.seq;
		if (code == 0)
			code = fn(ctx, &row);
	}
	if (code == 0 && rc != SQLITE_DONE)
		code = set_sqlite_err(j, "read", e);
	sqlite3_reset(j->each);
	return code;
}

int
journal_drop(struct journal *j, int64_t upto, struct err *e)
{
	sqlite3_bind_int64(j->drop, 1, upto);
	return finish(j, j->drop, "write", e);
}

int
journal_head(struct journal *j, int64_t *ret_count, int64_t *ret_seq, uint8_t ret_hash[static 32],
	     struct err *e)
{
	struct head h = { 0 };
	int code = check_again(j, e);

	if (code == 0)
		code = read_head(j, &h, e);
	if (code != 0)
		return code;
	*ret_count = h.count;
	*ret_seq = h.seq;
	memcpy(ret_hash, h.hash, HASH_BYTES);
	return 0;
}

static int
check_new_head(const struct head *h, int64_t seq, const uint8_t *hash, bool back, struct err *e)
{
	if (seq < 0 || seq > SEQ_MAX)
		return err_set(e, ERR_REFUSED, "row %lld cannot be", (long long)seq);
	if (h->count > 0)
		return err_set(e, ERR_REFUSED, "the journal still has %lld rows",
			       (long long)h->count);
	if (back)
		return 0;
	if (h->seq > seq)
		return err_set(e, ERR_REFUSED,
			       "the journal went on to row %lld, the log knows %lld",
			       (long long)h->seq, (long long)seq);
	if (h->seq == seq && memcmp(h->hash, hash, HASH_BYTES) != 0)
		return err_set(e, ERR_REFUSED,
			       "row %lld of the log is not the one the journal knows",
			       (long long)seq);
	return 0;
}

static int
put_head(struct journal *j, int64_t seq, const uint8_t *hash, bool back, struct err *e)
{
	struct head h = { 0 };
	int code = run(j, "BEGIN IMMEDIATE", "write", e);

	if (code != 0)
		return code;
	code = read_head(j, &h, e);
	if (code == 0)
		code = check_new_head(&h, seq, hash, back, e);
	if (code == 0)
		code = write_head(j, seq, hash, e);
	if (code == 0)
		code = run(j, "COMMIT", "write", e);
	if (code != 0)
		roll_back(j);
	return code;
}

int
journal_set_head(struct journal *j, int64_t seq, const uint8_t hash[static 32], struct err *e)
{
	return put_head(j, seq, hash, false, e);
}

int
journal_restart(struct journal *j, int64_t seq, const uint8_t hash[static 32], struct err *e)
{
	return put_head(j, seq, hash, true, e);
}
