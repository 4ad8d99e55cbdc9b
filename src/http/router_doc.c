/* SPDX-License-Identifier: Apache-2.0
 *
 * Describes the route table: OpenAPI 3.1 and docs/api.md.
 */
#include "http/router.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* ---- shared ---- */

static bool
same_pattern(const struct route *a, const struct route *b)
{
	return strcmp(a->pattern, b->pattern) == 0;
}

static bool
pattern_is_new(const struct route *const *tables, const struct route *which)
{
	ROUTER_EACH(tables, r)
	if (same_pattern(r, which))
		return r == which;
	return true;
}

/* Calls fn for each {name} of the pattern. */
static void
each_param(const char *pattern, void (*fn)(void *ctx, const char *name, size_t n), void *ctx)
{
	while ((pattern = strchr(pattern, '{'))) {
		size_t n = strcspn(++pattern, "}");

		fn(ctx, pattern, n);
		pattern += n;
	}
}

/* ---- OpenAPI ---- */

static void
write_field_schema(struct json_out *w, const struct jfield *f)
{
	static const struct {
		const char *type, *bound, *nested;
	} kinds[] = {
		[JTEXT] = { "string", "maxLength", NULL },
		[JINT] = { "integer", "maximum", NULL },
		[JBOOL] = { "boolean", NULL, NULL },
		[JMAP] = { "object", "maxProperties", "additionalProperties" },
		[JTEXTS] = { "array", "maxItems", "items" },
	};

	json_out_object(w, f->name);
	json_out_text(w, "type", kinds[f->kind].type);
	if (f->kind == JINT)
		json_out_int(w, "minimum", f->flags & JPOSITIVE ? 1 : 0);
	if (f->kind == JTEXT && !(f->flags & JEMPTY))
		json_out_int(w, "minLength", 1);
	if (kinds[f->kind].bound)
		json_out_int(w, kinds[f->kind].bound, f->bound);
	if (kinds[f->kind].nested)
		json_out_raw(w, kinds[f->kind].nested, "{\"type\":\"string\"}");
	json_out_end_object(w);
}

static void
write_body_schema(struct json_out *w, const struct jfield *table)
{
	bool any = false;

	json_out_object(w, "schema");
	json_out_text(w, "type", "object");
	json_out_bool(w, "additionalProperties", false);
	json_out_object(w, "properties");
	for (const struct jfield *f = table; f->name; f++) {
		write_field_schema(w, f);
		any |= (f->flags & JREQUIRED) != 0;
	}
	json_out_end_object(w);
	if (any) {
		json_out_array(w, "required");
		for (const struct jfield *f = table; f->name; f++)
			if (f->flags & JREQUIRED)
				json_out_text(w, NULL, f->name);
		json_out_end_array(w);
	}
	json_out_end_object(w);
}

static bool
body_required(const struct route *r)
{
	for (const struct jfield *f = r->body; f && f->name; f++)
		if (f->flags & JREQUIRED)
			return true;
	return !r->body;
}

static void
write_request_body(struct json_out *w, const struct route *r)
{
	if (!r->body && r->limit == 0)
		return;
	json_out_object(w, "requestBody");
	json_out_bool(w, "required", body_required(r));
	json_out_object(w, "content");
	if (r->body) {
		json_out_object(w, "application/json");
		write_body_schema(w, r->body);
		json_out_end_object(w);
	} else {
		json_out_raw(w, "application/octet-stream", "{}");
		json_out_raw(w, "text/csv", "{}");
	}
	json_out_end_object(w);
	json_out_end_object(w);
}

#define TEXT_SCHEMA "{\"type\":\"string\",\"minLength\":1}"
#define ID_SCHEMA "{\"type\":\"string\",\"format\":\"uuid\"}"

static void
begin_param(struct json_out *w, const char *name, size_t n, const char *in, bool required)
{
	json_out_object(w, NULL);
	json_out_textn(w, "name", name, n);
	json_out_text(w, "in", in);
	json_out_bool(w, "required", required);
}

static void
write_path_param(void *ctx, const char *name, size_t n)
{
	bool id = n == 2 && memcmp(name, "id", 2) == 0;

	begin_param(ctx, name, n, "path", true);
	json_out_raw(ctx, "schema", id ? ID_SCHEMA : TEXT_SCHEMA);
	json_out_end_object(ctx);
}

static void
write_words(struct json_out *w, const char *words)
{
	json_out_array(w, "enum");
	for (size_t n; *words; words += n + (words[n] == ' ')) {
		n = strcspn(words, " ");
		json_out_textn(w, NULL, words, n);
	}
	json_out_end_array(w);
}

static void
write_query_param(struct json_out *w, const struct query_field *f)
{
	static const struct {
		const char *type, *format;
	} kinds[] = {
		[QTEXT] = { "string", NULL },	     [QWORD] = { "string", NULL },
		[QNUMBER] = { "integer", NULL },     [QID] = { "string", "uuid" },
		[QTIME] = { "string", "date-time" }, [QBOOL] = { "boolean", NULL },
	};

	begin_param(w, f->name, strlen(f->name), "query", false);
	json_out_object(w, "schema");
	json_out_text(w, "type", kinds[f->kind].type);
	if (kinds[f->kind].format)
		json_out_text(w, "format", kinds[f->kind].format);
	if (f->kind == QTEXT) {
		json_out_int(w, "minLength", 1);
		json_out_int(w, "maxLength", f->hi);
	}
	if (f->kind == QWORD)
		write_words(w, f->words);
	if (f->kind == QNUMBER) {
		json_out_int(w, "minimum", f->lo);
		json_out_int(w, "maximum", f->hi);
		json_out_int(w, "default", f->otherwise);
	}
	json_out_end_object(w);
	json_out_end_object(w);
}

static void
write_params(struct json_out *w, const struct route *r)
{
	if (!strchr(r->pattern, '{') && !r->query)
		return;
	json_out_array(w, "parameters");
	each_param(r->pattern, write_path_param, w);
	for (const struct query_field *f = r->query; f && f->name; f++)
		write_query_param(w, f);
	json_out_end_array(w);
}

static bool
always(const struct route *r)
{
	return true;
}

static bool
may_not_serve(const struct route *r)
{
	return !(r->flags & ROUTE_ONE_SHAPE);
}

static bool
wants_session(const struct route *r)
{
	return !(r->flags & ROUTE_PUBLIC);
}

static bool
wants_primary(const struct route *r)
{
	return !(r->flags & ROUTE_ANY_MODE);
}

static bool
may_be_missing(const struct route *r)
{
	return strchr(r->pattern, '{');
}

static bool
changes(const struct route *r)
{
	return r->method != HTTP_GET;
}

static bool
takes_body(const struct route *r)
{
	return r->limit > 0;
}

static bool
is_login(const struct route *r)
{
	return (r->flags & ROUTE_PUBLIC) && r->method == HTTP_POST;
}

static bool
is_list(const struct route *r)
{
	return r->method == HTTP_GET && !(r->flags & (ROUTE_PUBLIC | ROUTE_ANY_MODE));
}

/* Replies besides the good one, and which routes have them. */
static const struct {
	const char *status, *text;
	bool (*fits)(const struct route *r);
} replies[] = {
	{ "307", "This node is a standby; the primary serves: see Location.", wants_primary },
	{ "400", "The request is not understood or a field is out of bounds.", always },
	{ "401", "A session is needed.", wants_session },
	{ "403", "Role, share or emergency does not allow this.", wants_session },
	{ "404", "There is nothing here, or nothing that you may see.", may_be_missing },
	{ "409", "It exists already, or has changed since it was read.", changes },
	{ "413", "The body is larger than allowed here.", takes_body },
	{ "429", "Too many failed logins; wait.", is_login },
	{ "429", "Too many lists and searches at once; wait as Retry-After says.", is_list },
	{ "503", "This node cannot serve now.", may_not_serve },
	{ "504", "The list or search took longer than list_timeout.", is_list },
};

/* "text/css|text/plain": each a key. */
static void
write_media(struct json_out *w, const char *reply)
{
	const char *name;
	char media[64];
	size_t n;

	while (shape_next(&reply, &name, &n)) {
		snprintf(media, sizeof(media), "%.*s", (int)n, name);
		json_out_raw(w, media, "{}");
	}
}

static void
write_reply(struct json_out *w, const char *status, const char *text, const char *reply)
{
	json_out_object(w, status);
	json_out_text(w, "description", text);
	json_out_object(w, "content");
	if (strchr(reply, '/')) {
		write_media(w, reply);
	} else {
		json_out_object(w, "application/json");
		shape_openapi_ref(reply, w);
		json_out_end_object(w);
	}
	json_out_end_object(w);
	json_out_end_object(w);
}

static void
write_good_reply(struct json_out *w, const struct route *r)
{
	if (r->reply)
		write_reply(w, r->flags & ROUTE_CREATES ? "201" : "200", "Good.", r->reply);
	if (!r->reply)
		json_out_raw(w, "204", "{\"description\":\"Done.\"}");
}

static void
write_error_reply(struct json_out *w, const char *status, const char *text)
{
	json_out_object(w, status);
	json_out_text(w, "description", text);
	if (strcmp(status, "307") == 0)
		json_out_raw(w, "headers",
			     "{\"Location\":{\"required\":true,\"schema\":{\"type\":\"string\"}}}");
	json_out_raw(
		w, "content",
		"{\"application/json\":{\"schema\":{\"$ref\":\"#/components/schemas/Error\"}}}");
	json_out_end_object(w);
}

static void
write_responses(struct json_out *w, const struct route *r)
{
	json_out_object(w, "responses");
	write_good_reply(w, r);
	if (r->flags & ROUTE_ONE_SHAPE) {
		write_reply(w, "429", "This node is a standby.", r->reply);
		write_reply(w, "503", "This node cannot serve now.", r->reply);
	}
	for (size_t i = 0; i < ARRAY_LEN(replies); i++)
		if (replies[i].fits(r))
			write_error_reply(w, replies[i].status, replies[i].text);
	json_out_end_object(w);
}

static void
write_operation_id(struct json_out *w, const struct route *r)
{
	auto_buf id = BUF_INIT;

	buf_adds(&id, request_method_name(r->method));
	for (const char *p = r->pattern; *p; p++)
		buf_addc(&id, isalnum((unsigned char)*p) ? *p : '_');
	for (size_t i = 0; i < id.len; i++)
		id.data[i] = (char)tolower((unsigned char)id.data[i]);
	json_out_text(w, "operationId", buf_str(&id));
}

static void
write_operation(struct json_out *w, const struct route *r)
{
	auto_buf method = BUF_INIT;

	for (const char *p = request_method_name(r->method); *p; p++)
		buf_addc(&method, (char)tolower((unsigned char)*p));
	json_out_object(w, buf_str(&method));
	write_operation_id(w, r);
	json_out_text(w, "summary", r->summary ? r->summary : "");
	json_out_raw(w, "security",
		     r->flags & ROUTE_PUBLIC ? "[]" : "[{\"bearer\":[]},{\"cookie\":[]}]");
	json_out_int(w, "x-capability", r->capability);
	json_out_bool(w, "x-emergency", (r->flags & (ROUTE_EMERGENCY | ROUTE_ANY_MODE)) != 0);
	json_out_bool(w, "x-event", (r->flags & ROUTE_EVENT) != 0);
	json_out_int(w, "x-body-limit", (int64_t)r->limit);
	write_params(w, r);
	write_request_body(w, r);
	write_responses(w, r);
	json_out_end_object(w);
}

static void
write_path(struct json_out *w, const struct route *const *tables, const struct route *first)
{
	json_out_object(w, first->pattern);
	ROUTER_EACH(tables, r)
	if (same_pattern(r, first))
		write_operation(w, r);
	json_out_end_object(w);
}

static void
write_components(struct json_out *w, const struct shape *const *shapes)
{
	json_out_object(w, "components");
	json_out_raw(
		w, "securitySchemes",
		"{\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\"},"
		"\"cookie\":{\"type\":\"apiKey\",\"in\":\"cookie\",\"name\":\"__Host-holdfast\"}}");
	json_out_object(w, "schemas");
	shape_openapi(shapes, w);
	json_out_end_object(w);
	json_out_end_object(w);
}

void
router_openapi(const struct route *const *tables, const struct shape *const *shapes,
	       struct buf *out)
{
	struct json_out w;

	json_out_init(&w, out);
	json_out_object(&w, NULL);
	json_out_text(&w, "openapi", "3.1.0");
	json_out_object(&w, "info");
	json_out_text(&w, "title", "Holdfast");
	json_out_text(&w, "version", HF_VERSION);
	json_out_raw(&w, "license", "{\"name\":\"Apache-2.0\",\"identifier\":\"Apache-2.0\"}");
	json_out_end_object(&w);
	json_out_object(&w, "paths");
	ROUTER_EACH(tables, r)
	if (pattern_is_new(tables, r))
		write_path(&w, tables, r);
	json_out_end_object(&w);
	write_components(&w, shapes);
	json_out_end_object(&w);
}

/* ---- markdown ---- */

static const struct {
	unsigned flag;
	const char *text;
} flag_texts[] = {
	{ ROUTE_PUBLIC, "no session needed" },
	{ ROUTE_EMERGENCY, "served in emergency" },
	{ ROUTE_EMERGENCY_CHANGE, "served in emergency where it is allowed" },
	{ ROUTE_ANY_MODE, "served in every state" },
	{ ROUTE_UNWELL, "served though the log cannot be written" },
	{ ROUTE_EVENT, "writes an event" },
	{ ROUTE_LOOPBACK, "from loopback, or with the metrics token" },
};

/* Flags that only the api folder knows say nothing here. */
static void
write_flags(struct buf *out, unsigned flags)
{
	const char *between = "\nIt is: ";
	bool any = false;

	for (size_t i = 0; i < ARRAY_LEN(flag_texts); i++) {
		if (!(flags & flag_texts[i].flag))
			continue;
		buf_addf(out, "%s%s", between, flag_texts[i].text);
		between = ", ";
		any = true;
	}
	if (any)
		buf_adds(out, ".\n");
}

static const char *
kind_text(const struct jfield *f)
{
	static const char *const texts[] = {
		[JTEXT] = "text, bytes 1 to",
		[JINT] = "number, 0 to",
		[JBOOL] = "true or false",
		[JMAP] = "object of texts, entries ≤",
		[JTEXTS] = "list of texts, entries ≤",
	};

	if (f->flags & JEMPTY)
		return "text, bytes ≤";
	return f->flags & JPOSITIVE ? "number, 1 to" : texts[f->kind];
}

static void
write_field_row(struct buf *out, const struct jfield *f)
{
	buf_addf(out, "| `%s` | %s", f->name, kind_text(f));
	if (f->kind != JBOOL)
		buf_addf(out, " %lld", (long long)f->bound);
	buf_addf(out, " | %s |\n", f->flags & JREQUIRED ? "must be there" : "");
}

/* A bound that is the type's own is none. */
static void
write_query_number(struct buf *out, const struct query_field *f)
{
	buf_addf(out, "| `%s` | number, %lld ", f->name, (long long)f->lo);
	if (f->hi < INT64_MAX - 1)
		buf_addf(out, "to %lld | %lld |\n", (long long)f->hi, (long long)f->otherwise);
	else if (f->otherwise < INT64_MAX - 1)
		buf_addf(out, "or more | %lld |\n", (long long)f->otherwise);
	else
		buf_adds(out, "or more | |\n");
}

static void
write_query_row(struct buf *out, const struct query_field *f)
{
	switch (f->kind) {
	case QTEXT:
		buf_addf(out, "| `%s` | text, bytes 1 to %lld | |\n", f->name, (long long)f->hi);
		break;
	case QWORD:
		buf_addf(out, "| `%s` | one of: %s | |\n", f->name, f->words);
		break;
	case QNUMBER:
		write_query_number(out, f);
		break;
	case QID:
		buf_addf(out, "| `%s` | id (UUID) | |\n", f->name);
		break;
	case QTIME:
		buf_addf(out, "| `%s` | time, UTC (RFC 3339) | |\n", f->name);
		break;
	case QBOOL:
		buf_addf(out, "| `%s` | true or false | false |\n", f->name);
		break;
	}
}

/* "Reply: 201, Account", "Reply: HaBrief or HaWhole" */
static void
write_reply_line(struct buf *out, const struct route *r)
{
	const char *at = r->reply, *name, *between = "";
	size_t n;

	buf_adds(out, r->flags & ROUTE_CREATES ? "\nReply: 201, " : "\nReply: ");
	while (at && shape_next(&at, &name, &n)) {
		buf_adds(out, between);
		buf_add(out, name, n);
		between = " or ";
	}
	if (!r->reply)
		buf_adds(out, "204, no body");
	buf_adds(out, "\n");
}

static void
write_section(struct buf *out, const struct route *r)
{
	buf_addf(out, "\n## %s %s\n\n%s\n", request_method_name(r->method), r->pattern,
		 r->summary ? r->summary : "");
	write_flags(out, r->flags);
	if (r->query)
		buf_adds(out, "\n| query | what | without it |\n|---|---|---|\n");
	for (const struct query_field *f = r->query; f && f->name; f++)
		write_query_row(out, f);
	if (r->body) {
		buf_addf(out,
			 "\nBody: JSON, at most %zu bytes.\n\n| field | what | |\n|---|---|---|\n",
			 r->limit);
		for (const struct jfield *f = r->body; f->name; f++)
			write_field_row(out, f);
	} else if (r->limit) {
		buf_addf(out, "\nBody: raw, at most %zu bytes; its Content-Type must be named.\n",
			 r->limit);
	}
	write_reply_line(out, r);
}

static void
write_error_rows(struct buf *out)
{
	size_t n;
	const struct err_info *rows = err_table(&n);

	buf_adds(out, "\n# Errors\n\n| code | status | text |\n|---|---|---|\n");
	for (size_t i = 0; i < n; i++)
		buf_addf(out, "| `%s` | %d | %s |\n", rows[i].name, rows[i].http, rows[i].text);
}

void
router_markdown(const struct route *const *tables, const struct shape *const *shapes,
		struct buf *out)
{
	buf_adds(out,
		 "# The API\n\n"
		 "Written by the program from its route table. JSON over HTTPS (TLS 1.3). A "
		 "session is "
		 "a bearer token or the cookie `__Host-holdfast`. Unknown or doubled fields "
		 "and query "
		 "parameters are refused, and so is an empty one: what is not meant is left "
		 "out. Only the fields that say so may be empty. Errors: "
		 "`{\"error\":{\"code\",\"message\",\"detail\"}}`.\n\n"
		 "A list is read in pages of at most `limit` rows; a page that would be larger "
		 "than about 1 MiB ends earlier. `next` of a page, given back as `after` (of the "
		 "log: `before`), asks for the one behind it; null: there is none. What has "
		 "no such query is whole.\n");
	ROUTER_EACH(tables, r)
	write_section(out, r);
	buf_adds(out, "\n# Replies\n\nA reply has these fields and no others.\n");
	shape_markdown(shapes, out);
	write_error_rows(out);
}
