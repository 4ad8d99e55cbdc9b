/* SPDX-License-Identifier: Apache-2.0
 *
 * Query parameters: a table lists those that a route takes, with their kinds and bounds. They land
 * in a plain struct; OpenAPI and docs/api.md come from the same table. A parameter that is unknown,
 * empty or out of bounds is refused by name.
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
	bool given; /* 0 is 1970, a time that can be asked for like any other */
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
