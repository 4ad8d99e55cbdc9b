/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "http/router.h"

static void
handler(void)
{
}

struct note {
	const char *text;
	int64_t n;
	bool flag;
	struct jmap fields;
	struct jtexts names;
};

static const struct jfield note_body[] = {
	{ "text", JTEXT, JREQUIRED, offsetof(struct note, text), 50 },
	{ "n", JINT, 0, offsetof(struct note, n), 9 },
	{ "flag", JBOOL, 0, offsetof(struct note, flag), 0 },
	{ "fields", JMAP, 0, offsetof(struct note, fields), 4 },
	{ "names", JTEXTS, 0, offsetof(struct note, names), 4 },
	{ 0 },
};
static const struct jfield free_body[] = {
	{ "n", JINT, 0, offsetof(struct note, n), 9 },
	{ 0 },
};

struct notes_query {
	const char *q, *order;
	int64_t limit, big;
	struct query_time since;
	struct uuid after;
	bool mine;
};

static const struct query_field notes_query[] = {
	{ .name = "q", .kind = QTEXT, .offset = offsetof(struct notes_query, q), .hi = 10 },
	{ .name = "order",
	  .kind = QWORD,
	  .offset = offsetof(struct notes_query, order),
	  .words = "up down" },
	{ .name = "limit",
	  .kind = QNUMBER,
	  .offset = offsetof(struct notes_query, limit),
	  .lo = 1,
	  .hi = 9,
	  .otherwise = 5 },
	{ .name = "after", .kind = QID, .offset = offsetof(struct notes_query, after) },
	{ .name = "since", .kind = QTIME, .offset = offsetof(struct notes_query, since) },
	{ .name = "mine", .kind = QBOOL, .offset = offsetof(struct notes_query, mine) },
	{ .name = "big",
	  .kind = QNUMBER,
	  .offset = offsetof(struct notes_query, big),
	  .hi = INT64_MAX },
	{ 0 },
};

/* clang-format off */
static const struct route table[] = {
	{ HTTP_GET, "/v1/notes", handler, 1, ROUTE_EMERGENCY, NULL, 0, notes_query, sizeof(struct notes_query), 0, "Notes", "Lists notes." },
	{ HTTP_POST, "/v1/notes", handler, 2, ROUTE_EVENT, note_body, sizeof(struct note), NULL, 0, 1000, "Note", "Makes a note." },
	{ HTTP_GET, "/v1/notes/{id}", handler, 1, 0, NULL, 0, NULL, 0, 0, "Note", "One note." },
	{ HTTP_DELETE, "/v1/notes/{id}", handler, 2, ROUTE_EVENT, NULL, 0, NULL, 0, 0, NULL, "Removes it." },
	{ HTTP_POST, "/v1/notes/{id}/parts/{n}", handler, 2, 0, free_body, sizeof(struct note), NULL, 0, 100, "Note", "Adds a part." },
	{ 0 },
};
static const struct route other_table[] = {
	{ HTTP_POST, "/v1/import", handler, 3, ROUTE_EVENT, NULL, 0, NULL, 0, 4096, "Imported", "Imports CSV." },
	{ HTTP_POST, "/v1/session", handler, 0, ROUTE_PUBLIC | ROUTE_EVENT, note_body, sizeof(struct note), NULL, 0, 500, "Session", "Logs in." },
	{ HTTP_GET, "/v1/metrics", handler, 0, ROUTE_PUBLIC | ROUTE_ANY_MODE | ROUTE_LOOPBACK, NULL, 0, NULL, 0, 0, "text/plain", "Numbers." },
	{ HTTP_GET, "/", handler, 0, ROUTE_PUBLIC | ROUTE_ANY_MODE, NULL, 0, NULL, 0, 0, "text/html", "The console." },
	{ 0 },
};
/* clang-format on */
static const struct route *const tables[] = { table, other_table, NULL };

static const struct shape_field note_shape[] = {
	{ "id", SHAPE_ID, 0, NULL },
	{ "next", SHAPE_ONE, SHAPE_OPTIONAL | SHAPE_NULL, "Note" },
	{ 0 },
};
static const struct shape_field notes_shape[] = {
	{ "notes", SHAPE_LIST, 0, "Note" },
	{ 0 },
};
static const struct shape shape_table[] = {
	{ "Note", note_shape },	   { "Notes", notes_shape }, { "Imported", note_shape },
	{ "Session", note_shape }, { "Error", notes_shape }, { 0 },
};
static const struct shape *const shapes[] = { shape_table, NULL };

static struct request *
make(enum http_method m, const char *target)
{
	struct request *rq = request_new();
	struct err e = { 0 };

	rq->method = m;
	if (request_target(rq, target, &e) < 0)
		fail_msg("%s: %s", target, e.text);
	return rq;
}

static void
test_match(void **state)
{
	static const struct {
		enum http_method method;
		const char *target;
		int row; /* or an error code */
		const char *params[2];
	} rows[] = {
		{ HTTP_GET, "/v1/notes", 0, { NULL } },
		{ HTTP_HEAD, "/v1/notes", 0, { NULL } },
		{ HTTP_POST, "/v1/notes", 1, { NULL } },
		{ HTTP_GET, "/v1/notes/abc", 2, { "abc" } },
		{ HTTP_DELETE, "/v1/notes/a%20b", 3, { "a b" } },
		{ HTTP_POST, "/v1/notes/7/parts/9", 4, { "7", "9" } },
		{ HTTP_GET, "/", 8, { NULL } },
		{ HTTP_GET, "/v1", ERR_NOT_FOUND, { NULL } },
		{ HTTP_GET, "/v1/note", ERR_NOT_FOUND, { NULL } },
		{ HTTP_GET, "/v1/notesx", ERR_NOT_FOUND, { NULL } },
		{ HTTP_GET, "/V1/notes", ERR_NOT_FOUND, { NULL } },
		{ HTTP_GET, "/v1/notes/a/b", ERR_NOT_FOUND, { NULL } },
		{ HTTP_POST, "/v1/notes/7/parts", ERR_NOT_FOUND, { NULL } },
		{ HTTP_PUT, "/v1/notes", ERR_METHOD, { NULL } },
		{ HTTP_OTHER, "/v1/notes/x", ERR_METHOD, { NULL } },
		{ HTTP_HEAD, "/v1/import", ERR_METHOD, { NULL } },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct request *rq = make(rows[i].method, rows[i].target);
		struct route_match m = { 0 };
		struct err e = { 0 };
		int rc = router_match(tables, rq, &m, &e);

		if (rc == 0)
			while (router_row(tables, (size_t)rc) != m.route)
				rc++;
		if (rc != rows[i].row)
			fail_msg("%s: %d", rows[i].target, rc);
		for (unsigned k = 0; k < 2 && rows[i].params[k]; k++)
			assert_string_equal(m.params[k].text, rows[i].params[k]);
		request_free(rq);
	}
}

/* {id} is a UUID, and what is none is not there; another name is a text. */
static void
test_params(void **state)
{
	static const struct {
		const char *target;
		int rc;
	} rows[] = {
		{ "/v1/notes/0190a5b0-0000-7000-8000-000000000001", 0 },
		{ "/v1/notes/0190A5B0-0000-7000-8000-000000000001", 0 },
		{ "/v1/notes/0190a5b0-0000-7000-8000-00000000000", ERR_NOT_FOUND },
		{ "/v1/notes/0190a5b0-0000-7000-8000-000000000001x", ERR_NOT_FOUND },
		{ "/v1/notes/abc", ERR_NOT_FOUND },
		{ "/v1/notes", 0 },
	};
	char text[UUID_STR_LEN];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct request *rq = make(HTTP_GET, rows[i].target);
		struct route_match m = { 0 };
		struct err e = { 0 };

		assert_int_equal(router_match(tables, rq, &m, &e), 0);
		if (router_params(&m, &e) != rows[i].rc)
			fail_msg("%s: %s", rows[i].target, e.text);
		if (rows[i].rc == 0 && m.nparams) {
			uuid_str(&m.params[0].id, text);
			assert_string_equal(text, "0190a5b0-0000-7000-8000-000000000001");
		}
		request_free(rq);
	}
	struct request *rq =
		make(HTTP_POST, "/v1/notes/0190a5b0-0000-7000-8000-000000000001/parts/nine");
	struct route_match m = { 0 };
	struct err e = { 0 };
	assert_int_equal(router_match(tables, rq, &m, &e), 0);
	assert_int_equal(router_params(&m, &e), 0);
	assert_string_equal(m.params[1].text, "nine");
	request_free(rq);
}

static void
test_method_says_allow(void **state)
{
	struct request *rq = make(HTTP_PUT, "/v1/notes/x");
	struct route_match m;
	struct err e;

	assert_int_equal(router_match(tables, rq, &m, &e), ERR_METHOD);
	assert_string_equal(rq->headers[0].name, "Allow");
	assert_string_equal(rq->headers[0].value, "GET, DELETE");
	request_free(rq);
}

static void
test_limit(void **state)
{
	assert_int_equal(router_limit(tables, HTTP_POST, "/v1/notes"), 1000);
	assert_int_equal(router_limit(tables, HTTP_GET, "/v1/notes"), 0);
	assert_int_equal(router_limit(tables, HTTP_POST, "/v1/none"), ROUTER_UNKNOWN_LIMIT);
}

/* Route row, target, type and text of the body → what router_body says. */
static int
body(unsigned row, const char *target, const char *type, const char *text, struct err *e)
{
	struct request *rq = make(router_row(tables, row)->method, target);
	void *out;
	uint64_t seen;
	int rc;

	*e = (struct err){ 0 };
	rq->content_type = type;
	buf_adds(&rq->body, text);
	rc = router_body(router_row(tables, row), rq, &out, &seen, e);
	if (rc == 0)
		assert_int_equal(out != NULL, router_row(tables, row)->body != NULL);
	request_free(rq);
	return rc;
}

static void
test_body(void **state)
{
	static const char good[] = "{\"text\":\"x\"}";
	static const struct {
		unsigned row;
		const char *target, *type, *text;
		int code;
	} rows[] = {
		{ 1, "/v1/notes", "application/json", good, 0 },
		{ 1, "/v1/notes", "Application/JSON; charset=utf-8", good, 0 },
		{ 1, "/v1/notes", "application/json ;x", good, 0 },
		{ 1, "/v1/notes", "application/jsonx", good, ERR_BAD_JSON },
		{ 1, "/v1/notes", "text/plain", good, ERR_BAD_JSON },
		{ 1, "/v1/notes", NULL, good, ERR_BAD_JSON },
		{ 1, "/v1/notes", NULL, "", ERR_BAD_FIELD },
		{ 1, "/v1/notes", "application/json", "{}", ERR_BAD_FIELD },
		{ 4, "/v1/notes/1/parts/1", NULL, "", 0 },
		{ 0, "/v1/notes", NULL, "x", ERR_TOO_LARGE },
		{ 5, "/v1/import", "text/csv", "a,b", 0 },
		{ 5, "/v1/import", NULL, "a,b", ERR_USAGE },
		{ 5, "/v1/import", "text/plain; x", "a,b", ERR_USAGE },
		{ 5, "/v1/import", "multipart/form-data; boundary=x", "a,b", ERR_USAGE },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e;
		int rc = body(rows[i].row, rows[i].target, rows[i].type, rows[i].text, &e);

		if (rc != rows[i].code)
			fail_msg("row %zu: %d %s", i, rc, e.text);
	}
}

/* Each row of the table: what is refused, and by which name; what is taken, and as what. */
static void
test_query(void **state)
{
	static const char *const refused[][2] = {
		{ "lim=2", "no query parameter lim here; this address takes: q, order, limit" },
		{ "q%20limit=2", "no query parameter q limit" },
		{ "q=", "parameter q is empty" },
		{ "q=12345678901", "q: at most 10 bytes" },
		{ "order=sideways", "order: one of: up down" },
		{ "order=up%20down", "order: one of" },
		{ "order=u", "order: one of" },
		{ "limit=0", "limit: a number of 1 to 9" },
		{ "limit=10", "limit: a number of 1 to 9" },
		{ "limit=-1", "limit: a number" },
		{ "limit=1x", "limit: a number" },
		{ "limit=99999999999999999999", "limit: a number" },
		{ "big=9223372036854775808", "big: a number of 0 to 9223372036854775807" },
		{ "after=1", "after: not an id" },
		{ "after=00000000-0000-0000-0000-000000000000", "after: not an id" },
		{ "since=today", "since: like 2026" },
		{ "mine=yes", "mine: true or false" },
	};
	struct err e;
	void *out;

	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		char target[200];

		snprintf(target, sizeof(target), "/v1/notes?%s", refused[i][0]);
		struct request *rq = make(HTTP_GET, target);
		if (router_query(&table[0], rq, &out, &e) != ERR_BAD_FIELD ||
		    !strstr(e.text, refused[i][1]))
			fail_msg("%s: %s", refused[i][0], e.text);
		request_free(rq);
	}
	struct request *rq = make(HTTP_GET, "/v1/notes?q=1");
	assert_int_equal(router_query(&table[1], rq, &out, &e), ERR_BAD_FIELD);
	assert_non_null(strstr(e.text, "none named q"));
	request_free(rq);
}

static void
test_query_is_taken(void **state)
{
	struct err e;
	void *out = &e;
	struct request *rq = make(HTTP_GET, "/v1/notes");

	assert_int_equal(router_query(&table[0], rq, &out, &e), 0);
	const struct notes_query *q = out;
	assert_true(!q->q && !q->order && q->limit == 5 && !q->since.given && !q->mine);
	assert_true(uuid_is_nil(&q->after));
	request_free(rq);
	rq = make(HTTP_GET,
		  "/v1/notes?q=a%20b&order=down&limit=9&mine=true&since=2026-01-31T12:00:00Z"
		  "&after=01900000-0000-7000-8000-000000000000");
	assert_int_equal(router_query(&table[0], rq, &out, &e), 0);
	q = out;
	assert_string_equal(q->q, "a b");
	assert_string_equal(q->order, "down");
	assert_true(q->limit == 9 && q->since.given && q->since.us > 0 && q->mine &&
		    !uuid_is_nil(&q->after));
	request_free(rq);
	rq = make(HTTP_GET, "/v1/notes?big=9223372036854775807&since=1970-01-01T00:00:00Z");
	assert_int_equal(router_query(&table[0], rq, &out, &e), 0);
	q = out;
	assert_true(q->big == INT64_MAX && q->since.given && q->since.us == 0);
	request_free(rq);
	rq = make(HTTP_POST, "/v1/notes");
	assert_int_equal(router_query(&table[1], rq, &out, &e), 0);
	assert_null(out);
	request_free(rq);
}

static json_t *
at(json_t *o, const char *key)
{
	json_t *v = json_object_get(o, key);

	if (!v)
		fail_msg("%s is missing", key);
	return v;
}

static void
test_openapi(void **state)
{
	auto_buf out = BUF_INIT;
	json_error_t why;
	json_t *root, *post, *get;

	router_openapi(tables, shapes, &out);
	root = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, &why);
	if (!root)
		fail_msg("%s at %d", why.text, why.position);
	assert_string_equal(json_string_value(at(root, "openapi")), "3.1.0");
	assert_int_equal(json_object_size(at(root, "paths")), 7);
	post = at(at(at(root, "paths"), "/v1/notes"), "post");
	json_t *schema =
		at(at(at(at(post, "requestBody"), "content"), "application/json"), "schema");
	assert_int_equal(json_object_size(at(schema, "properties")), 5);
	assert_false(json_is_true(at(schema, "additionalProperties")));
	assert_int_equal(json_integer_value(at(at(at(schema, "properties"), "text"), "maxLength")),
			 50);
	assert_non_null(json_object_get(at(post, "responses"), "307"));
	get = at(at(at(root, "paths"), "/v1/metrics"), "get");
	assert_null(json_object_get(at(get, "responses"), "307"));
	assert_int_equal(json_array_size(at(get, "security")), 0);
	assert_int_equal(
		json_array_size(at(at(at(at(root, "paths"), "/v1/notes"), "get"), "parameters")),
		7);
	json_t *limit =
		json_array_get(at(at(at(at(root, "paths"), "/v1/notes"), "get"), "parameters"), 2);
	assert_int_equal(json_integer_value(at(at(limit, "schema"), "maximum")), 9);
	assert_int_equal(json_integer_value(at(at(limit, "schema"), "default")), 5);
	json_t *schemas = at(at(root, "components"), "schemas");
	assert_false(json_is_true(at(at(schemas, "Note"), "additionalProperties")));
	assert_int_equal(json_array_size(at(at(schemas, "Note"), "required")), 1);
	assert_int_equal(
		json_array_size(at(at(at(at(schemas, "Note"), "properties"), "next"), "oneOf")), 2);
	assert_string_equal(
		json_string_value(at(
			at(at(at(at(schemas, "Notes"), "properties"), "notes"), "items"), "$ref")),
		"#/components/schemas/Note");
	json_decref(root);
	if (getenv("OPENAPI_OUT")) { /* for a validator */
		FILE *f = fopen(getenv("OPENAPI_OUT"), "w");

		assert_non_null(f);
		fputs(out.data, f);
		fclose(f);
	}
}

static void
test_markdown(void **state)
{
	auto_buf out = BUF_INIT;

	router_markdown(tables, shapes, &out);
	ROUTER_EACH(tables, r)
	assert_non_null(strstr(out.data, r->pattern));
	assert_non_null(strstr(out.data, "| `limit` | number, 1 to 9 | 5 |"));
	assert_non_null(strstr(out.data, "| `order` | one of: up down | |"));
	assert_non_null(strstr(out.data, "| `text` | text, bytes 1 to 50 | must be there |"));
	assert_non_null(strstr(out.data, "| `standby` | 307 |"));
	assert_non_null(strstr(out.data, "| `next` | object of Note | may be absent or null |"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_match),
		cmocka_unit_test(test_params),
		cmocka_unit_test(test_method_says_allow),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_body),
		cmocka_unit_test(test_query),
		cmocka_unit_test(test_query_is_taken),
		cmocka_unit_test(test_openapi),
		cmocka_unit_test(test_markdown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
