/* SPDX-License-Identifier: Apache-2.0
 *
 * How a noun of the API is built. Each has one file, api/<noun>.c, which holds all that the rest of
 * the program need not know, and ends with two tables:
 *
 *   routes_<noun>     its rows of the route table (http/router.h)
 *   replies_<noun>    the shapes of its replies, and of what lies inside
 *
 * The build collects the tables of all nouns (api/nouns.def); the router, OpenAPI, docs/api.md and
 * the tests take them from there. Bodies and queries are lists of rows, each of which gives a member
 * of the struct that the handler reads and a row of the table that fills it:
 *
 *   #define TAG_BODY(X, body)                           \
 *           X(body, name, TEXT, JREQUIRED, MAX_NAME)    \
 *           X(body, colour, TEXT, JEMPTY, MAX_TYPE)
 *   DEFINE_BODY(tag, TAG_BODY)                          struct body_tag, and BODY(tag) for the route's row
 *
 *   #define TAGS_QUERY(X, query)                        \
 *           X(query, q, TEXT, .hi = MAX_QUERY)          \
 *           PAGE_QUERY(X, query, POLICY_PAGE)
 *   DEFINE_QUERY(tags, TAGS_QUERY)                      struct query_tags, and QUERY(tags)
 */
#pragma once

#include <stddef.h>
#include "api/call.h"
#include "api/routes.h"
#include "base/name.h"

/* ---- bodies: kind TEXT, INT, BOOL, MAP, TEXTS; flags and bound: http/json.h ---- */

#define BODY_TEXT const char *
#define BODY_INT int64_t
#define BODY_BOOL bool
#define BODY_MAP struct jmap
#define BODY_TEXTS struct jtexts

/* clang-format off */
#define BODY_MEMBER(body, name, kind, flags, bound) BODY_##kind name;
#define BODY_NUMBER(body, name, kind, flags, bound) body_##body##_has_##name,
#define BODY_ROW(body, name, kind, flags, bound) \
	{ #name, J##kind, flags, offsetof(struct body_##body, name), bound },
#define DEFINE_BODY(body, ROWS) \
	struct body_##body { ROWS(BODY_MEMBER, body) }; \
	enum { ROWS(BODY_NUMBER, body) }; \
	static const struct jfield body_##body[] = { ROWS(BODY_ROW, body) { 0 } };

/* Whether the body had the field; seen: from json_parse_body. */
#define BODY_HAS(seen, body, name) (((seen) >> body_##body##_has_##name & 1) != 0)

/* Longest texts, bytes. vault/import holds lines of a file to the same bounds. */
enum {
	MAX_NAME = NAME_BYTES_MAX,
	MAX_TYPE = 100,
	MAX_ADDRESS = 255,
	MAX_URL = 2000,
	MAX_DESCRIPTION = 4000,
	MAX_CODE = 16,
	MAX_REASON = 500,
	MAX_TOKEN = 100,
	MAX_PENDING = 400,
	MAX_VERSION = 1000000000,
	MAX_QUERY = REQUEST_RAW_QUERY_MAX,
};

/* ---- queries: kind TEXT, WORD, NUMBER, ID, TIME, BOOL; then what else http/query.h has ---- */

#define QUERY_TEXT const char *
#define QUERY_WORD const char *
#define QUERY_NUMBER int64_t
#define QUERY_ID struct uuid
#define QUERY_TIME struct query_time
#define QUERY_BOOL bool

#define QUERY_MEMBER(query, name, kind, ...) QUERY_##kind name;
#define QUERY_ROW(query, field, type, ...) \
	{ .name = #field, .kind = Q##type, .offset = offsetof(struct query_##query, field), __VA_ARGS__ },
#define DEFINE_QUERY(query, ROWS) \
	struct query_##query { ROWS(QUERY_MEMBER, query) }; \
	static const struct query_field query_##query[] = { ROWS(QUERY_ROW, query) { 0 } };

/* The page of a list; rows: without a limit. PAGE_OF(c->query) is the struct policy_page. */
#define PAGE_QUERY(X, query, rows) \
	X(query, limit, NUMBER, .lo = 1, .hi = POLICY_PAGE_MAX, .otherwise = rows) \
	X(query, after, ID)
#define PAGE_OF(q) ((struct policy_page){ .rows = (int)(q)->limit, .after = (q)->after })

/* ---- rows of routes ---- */

#define DO(handler) ((route_fn *)on_##handler)
#define DIRECT(handler) ((route_fn *)(handler))
#define BODY(name) body_##name, sizeof(struct body_##name)
#define NO_BODY NULL, 0
#define QUERY(name) query_##name, sizeof(struct query_##name)
#define NO_QUERY NULL, 0

/* The longest body of JSON, and of one that carries the fields of an account. */
#define SMALL 16384
#define FIELDS (512u << 10)
/* Reads that go on in emergency; changes, which write an event. */
#define READ ROUTE_EMERGENCY
#define CHANGE ROUTE_EVENT

/* ---- shapes of replies: the fields, and no others; flags: MAYBE absent, NIL null ---- */

#define MAYBE SHAPE_OPTIONAL
#define NIL SHAPE_NULL
#define MAYBE_NIL (MAYBE | NIL)
#define REPLY(name, ...) { #name, (const struct shape_field[]){ __VA_ARGS__, { 0 } } }
#define FIELD(name, kind, ...) { #name, SHAPE_##kind, (__VA_ARGS__ + 0), NULL }
#define ONE(name, shape, ...) { #name, SHAPE_ONE, (__VA_ARGS__ + 0), #shape } /* an object of that shape */
#define LIST(name, shape, ...) { #name, SHAPE_LIST, (__VA_ARGS__ + 0), #shape } /* a list of such */
/* clang-format on */
