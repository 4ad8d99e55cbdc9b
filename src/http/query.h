/* SPDX-License-Identifier: Apache-2.0
 *
 * Query parameters: a table says which an address takes, of which kind and within which bounds.
 * They land in a plain struct; OpenAPI and docs/api.md are written from the same table. What is not
 * in the table, is empty or out of bounds is refused by its name.
 */
#pragma once

#include "base/uuid.h"
#include "http/request.h"

enum query_kind {
	QTEXT = 1, /* const char *, NULL when absent: at most hi bytes */
	QWORD,	   /* const char *, NULL when absent: one of words */
	QNUMBER,   /* int64_t: lo to hi; `otherwise` when absent */
	QID,	   /* struct uuid, nil when absent */
	QTIME,	   /* struct query_time */
	QBOOL,	   /* bool: true or false; false when absent */
};

struct query_time {
	bool given; /* 1970 began at 0: a time that like any other can be asked for */
	int64_t us;
};

/* One row; a table ends with a row of zeros. */
struct query_field {
	const char *name;
	enum query_kind kind;
	size_t offset;
	int64_t lo, hi, otherwise;
	const char *words; /* QWORD: "skip update new" */
};

/* Parses the request's parameters by the table (NULL: none) into out, a zeroed struct; its texts live
 * as long as the request. ERR_BAD_FIELD. */
int query_parse(const struct query_field *table, const struct request *rq, void *out,
		struct err *e) MUST_USE;
