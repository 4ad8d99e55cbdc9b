/* SPDX-License-Identifier: Apache-2.0
 *
 * Statements and their parameters. All SQL of the program is in query/<file>.sql, each statement
 * under a head line
 *   -- name: version_current(account uuid) -> id uuid, n int, sealed bytea, key_id int
 * At build, tools/sqlgen.py turns them into enum stmt (STMT_VERSION_CURRENT, …;
 * "store/stmt_gen.h") and the table of texts. A head line that ends in "(", "," or "->" continues
 * on the next comment line. A line
 * `-- role: holdfast` says that this role, not hf_vault, runs the statements below it.
 * Types: uuid, int (int4), bigint, bool, text, bytea, timestamptz, and arrays of them (uuid[] …).
 * A read that asks which moment it is (`:clock`) has that as its last parameter: nobody binds it, it is this node's clock when the statement is sent.
 * Parameters and results travel in PostgreSQL's binary format (PostgreSQL manual, 55.8).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/uuid.h"
#include "store/stmt_gen.h"

#define STMT_PARAMS_MAX 24

/* A PostgreSQL type as the head lines name it. */
enum stmt_type {
	STMT_UUID = 1,
	STMT_INT,
	STMT_BIGINT,
	STMT_BOOL,
	STMT_TEXT,
	STMT_BYTEA,
	STMT_TIMESTAMPTZ,
	STMT_ARRAY = 0x100, /* or-ed to one of the above */
};

struct stmt_info {
	const char *name; /* "version_current" */
	const char *sql;
	const char *file; /* "version.sql" */
	const char *role; /* the database role that runs it: "hf_vault" */
	bool reads; /* changes nothing: may share a transaction with neighbours and be sent again */
	uint64_t earlier;    /* which tables of earlier schemas it names, a bit each */
	unsigned with_bytes; /* of the WITH that it begins with */
	bool recursive;	     /* which is a WITH RECURSIVE */
	bool clock;	     /* its last parameter is the moment at which it is sent */
	unsigned nparams, ncols;
	int param_types[STMT_PARAMS_MAX];
	int col_types[STMT_PARAMS_MAX];
	const char *col_names[STMT_PARAMS_MAX];
};

/* How a table looks to this program where the database has a schema below that number (earlier/NNNN_name.sql). */
struct stmt_earlier {
	int below; /* 0 ends the table; of one table they go up */
	unsigned table;
	const char *name, *sql;
};

const struct stmt_info *stmt_info(enum stmt s); /* STMT_COUNT of them, never NULL */
int stmt_schema_first(void);			/* the earliest schema that reads know */
int stmt_schema_newest(void);
/* The text for a database of that schema; to a read, tables look as in the newest. Borrowed from the table or from room. */
const char *stmt_text(enum stmt s, int schema, struct buf *room) NONNULL;
uint32_t stmt_oid(int type);	      /* PostgreSQL's OID of an enum stmt_type */
const char *stmt_type_name(int type); /* "uuid", without [] */

/* The parameters of one execution, bound in order; the bytes are copied. */
struct binds {
	unsigned n;
	int off[STMT_PARAMS_MAX]; /* into bytes; -1 for NULL */
	int len[STMT_PARAMS_MAX];
	int type[STMT_PARAMS_MAX];
	struct buf bytes;
	int array_type;	    /* of the array being bound, 0: none */
	uint32_t array_len; /* its elements so far */
	bool array_nulls;
};

#define BINDS_INIT ((struct binds){ 0 })
#define auto_binds FREE_WITH(binds_done) struct binds

void binds_done(struct binds *b) NONNULL;
void binds_reset(struct binds *b) NONNULL;
void bind_null(struct binds *b) NONNULL;
void bind_uuid(struct binds *b, const struct uuid *u); /* NULL: SQL NULL */
void bind_int(struct binds *b, int32_t v) NONNULL;
void bind_bigint(struct binds *b, int64_t v) NONNULL;
void bind_bool(struct binds *b, bool v) NONNULL;
void bind_text(struct binds *b, const char *s);		   /* NULL: SQL NULL */
void bind_bytea(struct binds *b, const void *p, size_t n); /* p NULL: SQL NULL */
void bind_time(struct binds *b, int64_t us) NONNULL;	   /* microseconds since 1970 */
/* As a parameter has it. */
#define STMT_TIME_BYTES 8
void stmt_put_time(int64_t us, char ret[static STMT_TIME_BYTES]);

/* Arrays: begin with the element type, add elements with the functions below, end. */
void bind_array_begin(struct binds *b, enum stmt_type elem) NONNULL;
void bind_elem_uuid(struct binds *b, const struct uuid *u);
void bind_elem_bigint(struct binds *b, int64_t v) NONNULL;
void bind_elem_int(struct binds *b, int32_t v) NONNULL;
void bind_elem_bool(struct binds *b, bool v) NONNULL;
void bind_elem_text(struct binds *b, const char *s);
void bind_elem_bytea(struct binds *b, const void *p, size_t n);
void bind_elem_time(struct binds *b, int64_t us) NONNULL;
void bind_array_end(struct binds *b) NONNULL;
