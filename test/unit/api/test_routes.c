/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <assert.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "api/routes.h"
#include "http/server.h"
#include "vault/policy.h"

static struct route table[256];
static size_t count;
static struct shape replies[256];

/* Routes that any session may use; every other one without a capability must be public. */
static const char *const session_only[] = {
	"/v1/session",
	"/v1/users/me",
	"/v1/ha",
};

static bool
is_session_only(const struct route *r)
{
	for (size_t i = 0; i < ARRAY_LEN(session_only); i++)
		if (strcmp(session_only[i], r->pattern) == 0)
			return true;
	return false;
}

static void
every_route_says_who_may(void **state)
{
	unsigned known = 0;
#define CAPABILITY(NAME, name, bit, text) known |= (bit);
#define ROLE(NAME, name, capabilities, text)
#include "vault/role.def"
#undef ROLE
#undef CAPABILITY
	for (size_t i = 0; i < count; i++) {
		const struct route *r = &table[i];
		assert_int_equal(r->capability & ~known, 0);
		if (r->capability)
			assert_false(r->flags & ROUTE_PUBLIC);
		else if (!(r->flags & ROUTE_PUBLIC))
			assert_true(is_session_only(r));
		/* What is open to loopback without a session is open to nobody else. */
		if (r->flags & ROUTE_LOOPBACK_FREE)
			assert_false(r->flags & ROUTE_PUBLIC);
	}
}

/* A word such as "me" stands before the parameter that would take it. */
static void
every_route_is_reached(void **state)
{
	for (size_t i = 0; i < count; i++) {
		struct request *rq = request_new();
		struct route_match m = { 0 };
		struct err e = { 0 };
		assert_int_equal(request_target(rq, table[i].pattern, &e), 0);
		rq->method = table[i].method;
		assert_int_equal(router_match(route_tables, rq, &m, &e), 0);
		assert_string_equal(m.route->pattern, table[i].pattern);
		request_free(rq);
	}
}

static void
every_route_is_whole(void **state)
{
	for (size_t i = 0; i < count; i++) {
		const struct route *r = &table[i];
		assert_non_null(r->handler);
		assert_non_null(r->summary);
		/* All but the console's files. */
		if (!(r->flags & ROUTE_DIRECT))
			assert_memory_equal(r->pattern, "/v1/", 4);
		assert_int_equal(r->body != NULL, r->body_size > 0);
		if (r->method == HTTP_GET)
			assert_int_equal(r->limit, 0);
		if (r->body)
			assert_true(r->limit > 0);
		for (size_t k = 0; k < i; k++)
			assert_false(r->method == table[k].method &&
				     strcmp(r->pattern, table[k].pattern) == 0);
	}
}

static void
body_tables_end_and_fit(void **state)
{
	for (size_t i = 0; i < count; i++) {
		const struct route *r = &table[i];
		for (size_t k = 0; r->body && r->body[k].name; k++) {
			assert_true(k < 64);
			assert_true(r->body[k].offset < r->body_size);
			assert_true(r->body[k].kind == JBOOL || r->body[k].bound > 0);
		}
	}
}

static void
query_tables_end_and_fit(void **state)
{
	for (size_t i = 0; i < count; i++) {
		const struct query_field *q = table[i].query;
		assert_int_equal(q != NULL, table[i].query_size > 0);
		for (; q && q->name; q++) {
			assert_true(q->offset < table[i].query_size);
			assert_int_equal(q->kind == QWORD, q->words != NULL);
			if (q->kind == QTEXT)
				assert_true(q->hi > 0);
			if (q->kind == QNUMBER)
				assert_true(q->lo <= q->otherwise && q->otherwise <= q->hi);
		}
	}
}

/* H17: whoever has no session has a small body read, and no other. */
static void
public_routes_have_small_bodies(void **state)
{
	for (size_t i = 0; i < count; i++)
		if (table[i].flags & (ROUTE_PUBLIC | ROUTE_LOOPBACK_FREE))
			assert_true(table[i].limit <= SERVER_UNCHECKED_MAX);
}

/* H5: in emergency nothing but reads, what a login and a retrieval need, and the unlocking of old data. */
static void
emergency_serves_reads_only(void **state)
{
	/* It says who the true primary is to whoever takes itself for one, and is no data of the vault. */
	static const char epoch[] = "POST /v1/sys/epoch";
	static const char *const writes[] = {
		"POST /v1/session",   "DELETE /v1/session", "POST /v1/accounts/{id}/retrieve",
		"POST /v1/ha/unlock", "POST /v1/ha/orders", epoch,
	};
	/* What administrators may allow; and withdrawals, of which the first is one only where it disables. */
	static const char *const changes[] = {
		"POST /v1/accounts/{id}/versions",	  "PATCH /v1/users/{id}",
		"POST /v1/users/{id}/sessions/end",	  "POST /v1/users/me/sessions/end",
		"DELETE /v1/folders/{id}/shares/{user}",  "DELETE /v1/resources/{id}/shares/{user}",
		"DELETE /v1/accounts/{id}/shares/{user}", "DELETE /v1/teams/{id}",
		"DELETE /v1/teams/{id}/members/{user}",
	};
	/* Only the node that took it knows, and imports are the primary's. */
	static const char *const own[] = { "GET /v1/import/{id}" };
	for (size_t i = 0; i < count; i++) {
		const struct route *r = &table[i];
		bool listed = r->method == HTTP_GET;
		char text[128];
		snprintf(text, sizeof(text), "%s %s", request_method_name(r->method), r->pattern);
		for (size_t k = 0; k < ARRAY_LEN(writes); k++)
			listed = listed || strcmp(writes[k], text) == 0;
		for (size_t k = 0; k < ARRAY_LEN(own); k++)
			listed = listed && strcmp(own[k], text) != 0;
		if (r->flags & (ROUTE_EMERGENCY | ROUTE_ANY_MODE))
			assert_true(listed);
		else
			assert_false(listed);
		if (r->method != HTTP_GET)
			assert_int_equal(!(r->flags & ROUTE_EVENT), strcmp(text, epoch) == 0);
		bool change = false;
		for (size_t k = 0; k < ARRAY_LEN(changes); k++)
			change = change || strcmp(changes[k], text) == 0;
		assert_int_equal(!!(r->flags & ROUTE_EMERGENCY_CHANGE), change);
	}
}

static void
mark_used(const char *names, bool *used)
{
	const char *name;
	size_t n;

	while (shape_next(&names, &name, &n)) {
		const struct shape *s = shape_find(reply_tables, name, n);
		if (!s)
			fail_msg("no shape is named %.*s", (int)n, name);
		size_t i = 0;
		while (strcmp(replies[i].name, s->name) != 0)
			i++;
		if (used[i])
			continue;
		used[i] = true;
		for (const struct shape_field *f = s->fields; f->name; f++)
			if (f->of)
				mark_used(f->of, used);
	}
}

/* What a route answers is declared, and what is declared is answered by a route. */
static void
every_reply_has_a_shape(void **state)
{
	bool used[256] = { false };

	mark_used("Error", used);
	for (size_t i = 0; i < count; i++)
		if (table[i].reply && !strchr(table[i].reply, '/'))
			mark_used(table[i].reply, used);
	for (size_t i = 0; replies[i].name; i++) {
		assert_true(i < ARRAY_LEN(used));
		if (!used[i])
			fail_msg("no route answers with the shape %s", replies[i].name);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(replies[i].name, replies[k].name);
		for (const struct shape_field *f = replies[i].fields; f->name; f++)
			assert_int_equal(f->kind == SHAPE_ONE || f->kind == SHAPE_LIST, !!f->of);
	}
}

static void
openapi_and_markdown_name_all(void **state)
{
	auto_buf api = BUF_INIT, md = BUF_INIT;
	router_openapi(route_tables, reply_tables, &api);
	router_markdown(route_tables, reply_tables, &md);
	json_t *j = json_loads(buf_str(&api), JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(j);
	for (size_t i = 0; i < count; i++) {
		assert_non_null(json_object_get(json_object_get(j, "paths"), table[i].pattern));
		assert_non_null(strstr(buf_str(&md), table[i].pattern));
	}
	json_decref(j);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_route_says_who_may),
		cmocka_unit_test(every_route_is_reached),
		cmocka_unit_test(every_route_is_whole),
		cmocka_unit_test(body_tables_end_and_fit),
		cmocka_unit_test(query_tables_end_and_fit),
		cmocka_unit_test(public_routes_have_small_bodies),
		cmocka_unit_test(emergency_serves_reads_only),
		cmocka_unit_test(every_reply_has_a_shape),
		cmocka_unit_test(openapi_and_markdown_name_all),
	};
	for (const struct route *r; (r = router_row(route_tables, count)); count++) {
		assert(count < ARRAY_LEN(table));
		table[count] = *r;
	}
	size_t shapes = 0;
	SHAPE_EACH(reply_tables, s)
	{
		assert(shapes + 1 < ARRAY_LEN(replies));
		replies[shapes++] = *s;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
