/* SPDX-License-Identifier: Apache-2.0
 *
 * PostgreSQL through libpq in pipeline mode, for fibers on a libuv loop; processes without a loop
 * use the same calls, blocking. Nothing above store/ and pg/ includes libpq.
 *
 * A struct db is one connection. It pipelines the calls of many fibers: everything asked in
 * one turn of the loop is sent together, reads with one flush and one sync. A read that was
 * aborted because a neighbour failed is sent again. When the connection breaks, db reconnects
 * in the background (back-off 20 … 500 ms); new calls, and the reads that were in flight, wait
 * for it up to wait_ms; changes in flight return ERR_DB_GONE: nobody knows whether they
 * happened.
 */
#pragma once

#include <uv.h>
#include "base/err.h"
#include "base/fiber.h"
#include "store/stmt.h"

struct db;
struct rows; /* a result */

/* For connections that look things up by key: their plans are made once, of tables that may still be empty then, and kept while these grow. Only a look-up by an
 * index, each for itself, stays right whatever a table's size and whatever the planner knows of it. */
#define DB_LOOKUPS                                                                                 \
	"-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off "                    \
	"-c enable_material=off -c enable_bitmapscan=off"

struct db_options {
	const char *
		conninfo; /* libpq conninfo; copied. In a loop give hostaddr: names are looked up blocking */
	const char *application; /* application_name */
	const char
		*session; /* PostgreSQL's settings of this connection, "-c name=value …"; or NULL */
	int wait_ms;	  /* how long a call waits for a connection, 0: not at all */
	int call_ms; /* how long a read may take; then ERR_TIMEOUT and the connection is made anew.
			0: for ever */
};

/* For a loop. Starts connecting at once; never fails here (see db_up). */
struct db *db_new(uv_loop_t *loop, const struct db_options *o) NONNULL MUST_USE;
/* Blocking: connects now. f is NULL in every call. */
struct db *db_open(const struct db_options *o, struct err *e) MUST_USE;
/* Whether a server answers there, if only with an error; false: none does within 3 s, or it starts or stops. Blocking. */
bool db_answers(const char *conninfo) NONNULL;
void db_free(struct db *d); /* takes NULL; waiting fibers get ERR_DB_GONE */
bool db_up(const struct db *d) NONNULL;
uint64_t db_generation(const struct db *d) NONNULL; /* grows by one at every reconnect */

/* Runs one prepared statement on its own (autocommit). *ret_rows (may be NULL) is freed with
 * rows_free. ERR_DB with e->sqlstate, ERR_DATA_DAMAGED (a page on the disk is not what was
 * written), ERR_DB_GONE, ERR_TIMEOUT. */
int db_exec(struct db *d, struct fiber *f, enum stmt s, const struct binds *b,
	    struct rows **ret_rows, struct err *e) MUST_USE;

/* Runs several statements as one transaction, sent in one go (a pipeline segment of its own, which
 * PostgreSQL treats as one transaction). All or nothing: the first error is returned and everything
 * rolled back; success means committed. ret_rows may be NULL. A COMMIT that waits for a standby is
 * never cancelled: this call waits. ERR_DB_GONE: the outcome is unknown; ask the log. */
struct db_step {
	enum stmt s;
	struct binds b; /* owned by the caller */
};
int db_transaction(struct db *d, struct fiber *f, struct db_step *steps, size_t n,
		   struct rows **ret_rows, struct err *e) MUST_USE;

/* Runs a statement outside the table, without parameters or results (ALTER SYSTEM, migrations,
 * CREATE ROLE); blocking connections only. Simple protocol; text must be the program's own. */
int db_script(struct db *d, const char *sql, struct err *e) NONNULL MUST_USE;

/* How long the oldest call in flight has been waiting, ms; 0 when none. For health. */
int64_t db_oldest_ms(const struct db *d) NONNULL;

void rows_free(struct rows *r); /* takes NULL */
int rows_count(const struct rows *r) NONNULL;
size_t rows_bytes(const struct rows *r) NONNULL; /* of memory */
bool row_null(const struct rows *r, int row, int col) NONNULL;
int32_t row_int(const struct rows *r, int row, int col) NONNULL;
int64_t row_bigint(const struct rows *r, int row, int col) NONNULL;
bool row_bool(const struct rows *r, int row, int col) NONNULL;
const char *row_text(const struct rows *r, int row, int col) NONNULL; /* borrowed; "" when NULL */
const void *row_bytea(const struct rows *r, int row, int col, size_t *ret_n) NONNULL; /* borrowed */
void row_uuid(const struct rows *r, int row, int col, struct uuid *ret) NONNULL; /* nil when NULL */
int64_t row_time(const struct rows *r, int row, int col) NONNULL; /* µs since 1970, 0 when NULL */

DEFINE_GUARD(rows_guard, struct rows, rows_free)
#define auto_rows FREE_WITH(rows_guard) struct rows *
