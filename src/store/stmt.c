/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <limits.h>
#include <string.h>

#include "store/stmt.h"

/* PostgreSQL counts from 2000-01-01. */
#define EPOCH_2000_US INT64_C(946684800000000)

/* An array in binary: number of dimensions, flag "has NULLs", element OID, length, lower bound. */
#define ARRAY_HEAD_BYTES 20
#define ARRAY_EMPTY_BYTES 12

extern const struct stmt_info stmt_table[STMT_COUNT + 1];
extern const struct stmt_earlier stmt_earlier_table[];
extern const int stmt_schemas[2];

/* One row a scalar type: its OIDs are fixed for ever in PostgreSQL's catalogue. */
static const struct {
	uint32_t oid, array_oid;
	const char *name;
} types[] = {
	[STMT_UUID] = { 2950, 2951, "uuid" },
	[STMT_INT] = { 23, 1007, "int" },
	[STMT_BIGINT] = { 20, 1016, "bigint" },
	[STMT_BOOL] = { 16, 1000, "bool" },
	[STMT_TEXT] = { 25, 1009, "text" },
	[STMT_BYTEA] = { 17, 1001, "bytea" },
	[STMT_TIMESTAMPTZ] = { 1184, 1185, "timestamptz" },
};

const struct stmt_info *
stmt_info(enum stmt s)
{
	assert((unsigned)s < STMT_COUNT);
	return &stmt_table[s];
}

int
stmt_schema_first(void)
{
	return stmt_schemas[0];
}

int
stmt_schema_newest(void)
{
	return stmt_schemas[1];
}

/* A table expression of a table's own name stands before the table; NOT MATERIALIZED, it is planned as if it were the table. */
const char *
stmt_text(enum stmt s, int schema, struct buf *room)
{
	const struct stmt_info *i = stmt_info(s);
	uint64_t left = i->earlier;

	buf_reset(room);
	for (const struct stmt_earlier *t = stmt_earlier_table; t->below != 0; t++) {
		if (schema >= t->below || !(left & UINT64_C(1) << t->table))
			continue;
		left &= ~(UINT64_C(1) << t->table);
		buf_addf(room, "%s %s AS NOT MATERIALIZED %s",
			 room->len > 0	? ","
			 : i->recursive ? "WITH RECURSIVE"
					: "WITH",
			 t->name, t->sql);
	}
	if (room->len == 0)
		return i->sql;
	buf_addf(room, "%s %s", i->with_bytes > 0 ? "," : "", i->sql + i->with_bytes);
	return buf_str(room);
}

static unsigned
scalar(int type)
{
	unsigned t = (unsigned)type & ~(unsigned)STMT_ARRAY;

	assert(t >= STMT_UUID && t < ARRAY_LEN(types));
	return t;
}

uint32_t
stmt_oid(int type)
{
	return type & STMT_ARRAY ? types[scalar(type)].array_oid : types[scalar(type)].oid;
}

const char *
stmt_type_name(int type)
{
	return types[scalar(type)].name;
}

void
binds_done(struct binds *b)
{
	buf_done(&b->bytes);
	*b = BINDS_INIT;
}

void
binds_reset(struct binds *b)
{
	b->n = 0;
	b->array_type = 0;
	buf_reset(&b->bytes);
}

static void
open_param(struct binds *b, int type)
{
	assert(b->n < STMT_PARAMS_MAX);
	assert(b->array_type == 0);
	assert(b->bytes.len < INT_MAX);
	b->off[b->n] = (int)b->bytes.len;
	b->type[b->n] = type;
}

static void
close_param(struct binds *b)
{
	assert(b->bytes.len < INT_MAX);
	b->len[b->n] = (int)b->bytes.len - b->off[b->n];
	b->n++;
}

static void
add_null(struct binds *b, int type)
{
	open_param(b, type);
	b->off[b->n] = -1;
	b->len[b->n] = 0;
	b->n++;
}

static void
add_bytes(struct binds *b, int type, const void *p, size_t n)
{
	open_param(b, type);
	assert(n < INT_MAX);
	/* An empty value still needs an address, which libpq tells from NULL. */
	buf_reserve(&b->bytes, n);
	if (n > 0)
		buf_add(&b->bytes, p, n);
	close_param(b);
}

static int64_t
pg_time(int64_t us)
{
	int64_t v;

	return __builtin_sub_overflow(us, EPOCH_2000_US, &v) ? INT64_MIN : v;
}

void
bind_null(struct binds *b)
{
	add_null(b, 0);
}

void
bind_uuid(struct binds *b, const struct uuid *u)
{
	if (u == NULL)
		add_null(b, STMT_UUID);
	else
		add_bytes(b, STMT_UUID, u->b, sizeof u->b);
}

void
bind_int(struct binds *b, int32_t v)
{
	open_param(b, STMT_INT);
	buf_add_be32(&b->bytes, (uint32_t)v);
	close_param(b);
}

static void
add_be64(struct binds *b, int type, int64_t v)
{
	open_param(b, type);
	buf_add_be64(&b->bytes, (uint64_t)v);
	close_param(b);
}

void
bind_bigint(struct binds *b, int64_t v)
{
	add_be64(b, STMT_BIGINT, v);
}

void
bind_bool(struct binds *b, bool v)
{
	open_param(b, STMT_BOOL);
	buf_add_u8(&b->bytes, v ? 1 : 0);
	close_param(b);
}

void
bind_text(struct binds *b, const char *s)
{
	if (s == NULL)
		add_null(b, STMT_TEXT);
	else
		add_bytes(b, STMT_TEXT, s, strlen(s));
}

void
bind_bytea(struct binds *b, const void *p, size_t n)
{
	if (p == NULL)
		add_null(b, STMT_BYTEA);
	else
		add_bytes(b, STMT_BYTEA, p, n);
}

void
stmt_put_time(int64_t us, char ret[static STMT_TIME_BYTES])
{
	uint64_t v = (uint64_t)pg_time(us);

	for (int i = STMT_TIME_BYTES - 1; i >= 0; i--, v >>= 8)
		ret[i] = (char)(v & 0xff);
}

void
bind_time(struct binds *b, int64_t us)
{
	add_be64(b, STMT_TIMESTAMPTZ, pg_time(us));
}

static void
put_be32(struct binds *b, int at, uint32_t v)
{
	uint8_t wire[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };

	memcpy(b->bytes.data + at, wire, sizeof wire);
}

void
bind_array_begin(struct binds *b, enum stmt_type elem)
{
	open_param(b, elem | STMT_ARRAY);
	b->array_type = elem;
	b->array_len = 0;
	b->array_nulls = false;
	buf_add_be32(&b->bytes, 1);
	buf_add_be32(&b->bytes, 0);
	buf_add_be32(&b->bytes, stmt_oid(elem));
	buf_add_be32(&b->bytes, 0);
	buf_add_be32(&b->bytes, 1);
}

void
bind_array_end(struct binds *b)
{
	int at = b->off[b->n];

	assert(b->array_type != 0);
	b->array_type = 0;
	if (b->array_len == 0) {
		b->bytes.len = (size_t)at + ARRAY_EMPTY_BYTES;
		put_be32(b, at, 0);
	} else {
		put_be32(b, at + 4, b->array_nulls ? 1 : 0);
		put_be32(b, at + ARRAY_HEAD_BYTES - 8, b->array_len);
	}
	close_param(b);
}

static void
open_elem(struct binds *b, int type, uint32_t len)
{
	assert(b->array_type != 0);
	assert(type == 0 || type == b->array_type);
	b->array_len++;
	buf_add_be32(&b->bytes, len);
}

static void
add_elem(struct binds *b, int type, const void *p, size_t n)
{
	if (p == NULL) {
		open_elem(b, type, UINT32_MAX); /* length -1 */
		b->array_nulls = true;
		return;
	}
	assert(n < INT_MAX);
	open_elem(b, type, (uint32_t)n);
	if (n > 0)
		buf_add(&b->bytes, p, n);
}

void
bind_elem_uuid(struct binds *b, const struct uuid *u)
{
	add_elem(b, STMT_UUID, u == NULL ? NULL : u->b, sizeof u->b);
}

void
bind_elem_bigint(struct binds *b, int64_t v)
{
	open_elem(b, STMT_BIGINT, 8);
	buf_add_be64(&b->bytes, (uint64_t)v);
}

void
bind_elem_int(struct binds *b, int32_t v)
{
	open_elem(b, STMT_INT, 4);
	buf_add_be32(&b->bytes, (uint32_t)v);
}

void
bind_elem_bool(struct binds *b, bool v)
{
	open_elem(b, STMT_BOOL, 1);
	buf_add_u8(&b->bytes, v ? 1 : 0);
}

void
bind_elem_text(struct binds *b, const char *s)
{
	add_elem(b, STMT_TEXT, s, s == NULL ? 0 : strlen(s));
}

void
bind_elem_bytea(struct binds *b, const void *p, size_t n)
{
	add_elem(b, STMT_BYTEA, p, n);
}

void
bind_elem_time(struct binds *b, int64_t us)
{
	open_elem(b, STMT_TIMESTAMPTZ, 8);
	buf_add_be64(&b->bytes, (uint64_t)pg_time(us));
}
