/* SPDX-License-Identifier: Apache-2.0
 *
 * A struct rows is libpq's result under our name. The statement's first result was checked
 * against the head line's columns, so asking for a wrong column or type is a bug and ends the
 * program.
 */
#include <assert.h>
#include <libpq-fe.h>
#include <string.h>

#include "store/db.h"

#define EPOCH_2000_US INT64_C(946684800000000)

static const PGresult *
result(const struct rows *r)
{
	return (const PGresult *)(const void *)r;
}

void
rows_free(struct rows *r)
{
	PQclear((PGresult *)(void *)r);
}

int
rows_count(const struct rows *r)
{
	return PQntuples(result(r));
}

size_t
rows_bytes(const struct rows *r)
{
	return PQresultMemorySize(result(r));
}

/* NULL when the value is NULL; asserts place and type, and the length when the type has one. */
static const uint8_t *
value(const struct rows *r, int row, int col, int type, int len)
{
	const PGresult *p = result(r);

	assert(row >= 0 && row < PQntuples(p));
	assert(col >= 0 && col < PQnfields(p));
	assert(PQftype(p, col) == stmt_oid(type));
	if (PQgetisnull(p, row, col))
		return NULL;
	assert(len < 0 || PQgetlength(p, row, col) == len);
	return (const uint8_t *)PQgetvalue(p, row, col);
}

bool
row_null(const struct rows *r, int row, int col)
{
	const PGresult *p = result(r);

	assert(row >= 0 && row < PQntuples(p));
	assert(col >= 0 && col < PQnfields(p));
	return PQgetisnull(p, row, col);
}

static uint64_t
be64(const uint8_t *p)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | p[i];
	return v;
}

int32_t
row_int(const struct rows *r, int row, int col)
{
	const uint8_t *p = value(r, row, col, STMT_INT, 4);

	if (p == NULL)
		return 0;
	return (int32_t)((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]);
}

int64_t
row_bigint(const struct rows *r, int row, int col)
{
	const uint8_t *p = value(r, row, col, STMT_BIGINT, 8);

	return p == NULL ? 0 : (int64_t)be64(p);
}

bool
row_bool(const struct rows *r, int row, int col)
{
	const uint8_t *p = value(r, row, col, STMT_BOOL, 1);

	return p != NULL && p[0] != 0;
}

const char *
row_text(const struct rows *r, int row, int col)
{
	const uint8_t *p = value(r, row, col, STMT_TEXT, -1);

	return p == NULL ? "" : (const char *)p;
}

const void *
row_bytea(const struct rows *r, int row, int col, size_t *ret_n)
{
	const uint8_t *p = value(r, row, col, STMT_BYTEA, -1);

	*ret_n = p == NULL ? 0 : (size_t)PQgetlength(result(r), row, col);
	return p == NULL ? (const uint8_t *)"" : p;
}

void
row_uuid(const struct rows *r, int row, int col, struct uuid *ret)
{
	const uint8_t *p = value(r, row, col, STMT_UUID, sizeof ret->b);

	if (p == NULL)
		memset(ret, 0, sizeof *ret);
	else
		memcpy(ret->b, p, sizeof ret->b);
}

int64_t
row_time(const struct rows *r, int row, int col)
{
	const uint8_t *p = value(r, row, col, STMT_TIMESTAMPTZ, 8);
	int64_t us;

	if (p == NULL)
		return 0;
	if (__builtin_add_overflow((int64_t)be64(p), EPOCH_2000_US, &us))
		return INT64_MAX;
	return us;
}
