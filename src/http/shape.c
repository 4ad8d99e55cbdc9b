/* SPDX-License-Identifier: Apache-2.0 */
#include "http/shape.h"

#include <string.h>

static const struct {
	const char *type, *words;
} kinds[] = {
#define X(KIND, type, words) [SHAPE_##KIND] = { type, words },
	SHAPE_KINDS(X)
#undef X
};

const struct shape *
shape_find(const struct shape *const *shapes, const char *name, size_t n)
{
	SHAPE_EACH(shapes, s)
	if (strlen(s->name) == n && memcmp(s->name, name, n) == 0)
		return s;
	return NULL;
}

bool
shape_next(const char **at, const char **ret_name, size_t *ret_n)
{
	size_t n = strcspn(*at, "|");

	if (n == 0)
		return false;
	*ret_name = *at;
	*ret_n = n;
	*at += n + ((*at)[n] == '|');
	return true;
}

/* ---- OpenAPI ---- */

static void
write_ref(struct json_out *w, const char *member, const char *name, size_t n)
{
	auto_buf ref = BUF_INIT;

	buf_adds(&ref, "#/components/schemas/");
	buf_add(&ref, name, n);
	json_out_object(w, member);
	json_out_text(w, "$ref", buf_str(&ref));
	json_out_end_object(w);
}

static void
write_type(struct json_out *w, const struct shape_field *f)
{
	auto_buf type = BUF_INIT;

	if (f->flags & SHAPE_NULL)
		buf_addf(&type, "[%s,\"null\"]", kinds[f->kind].type);
	else
		buf_adds(&type, kinds[f->kind].type);
	json_out_raw(w, "type", buf_str(&type));
}

/* An object that may be null is one of two. */
static void
write_one(struct json_out *w, const struct shape_field *f)
{
	if (!(f->flags & SHAPE_NULL)) {
		write_ref(w, f->name, f->of, strlen(f->of));
		return;
	}
	json_out_object(w, f->name);
	json_out_array(w, "oneOf");
	write_ref(w, NULL, f->of, strlen(f->of));
	json_out_raw(w, NULL, "{\"type\":\"null\"}");
	json_out_end_array(w);
	json_out_end_object(w);
}

static void
write_field(struct json_out *w, const struct shape_field *f)
{
	if (f->kind == SHAPE_ONE) {
		write_one(w, f);
		return;
	}
	json_out_object(w, f->name);
	write_type(w, f);
	if (f->kind == SHAPE_ID)
		json_out_text(w, "format", "uuid");
	if (f->kind == SHAPE_TIME)
		json_out_text(w, "format", "date-time");
	if (f->kind == SHAPE_MAP)
		json_out_raw(w, "additionalProperties", "{\"type\":\"string\"}");
	if (f->kind == SHAPE_TEXTS)
		json_out_raw(w, "items", "{\"type\":\"string\"}");
	if (f->kind == SHAPE_LIST)
		write_ref(w, "items", f->of, strlen(f->of));
	json_out_end_object(w);
}

static void
write_shape(struct json_out *w, const struct shape *s)
{
	bool any = false;

	json_out_object(w, s->name);
	json_out_text(w, "type", "object");
	json_out_bool(w, "additionalProperties", false);
	json_out_object(w, "properties");
	for (const struct shape_field *f = s->fields; f->name; f++) {
		write_field(w, f);
		any |= !(f->flags & SHAPE_OPTIONAL);
	}
	json_out_end_object(w);
	if (any)
		json_out_array(w, "required");
	for (const struct shape_field *f = s->fields; f->name; f++)
		if (!(f->flags & SHAPE_OPTIONAL))
			json_out_text(w, NULL, f->name);
	if (any)
		json_out_end_array(w);
	json_out_end_object(w);
}

void
shape_openapi(const struct shape *const *shapes, struct json_out *w)
{
	SHAPE_EACH(shapes, s)
	write_shape(w, s);
}

void
shape_openapi_ref(const char *names, struct json_out *w)
{
	const char *name;
	size_t n;

	if (!strchr(names, '|')) {
		write_ref(w, "schema", names, strlen(names));
		return;
	}
	json_out_object(w, "schema");
	json_out_array(w, "oneOf");
	while (shape_next(&names, &name, &n))
		write_ref(w, NULL, name, n);
	json_out_end_array(w);
	json_out_end_object(w);
}

/* ---- markdown ---- */

static void
write_row(struct buf *out, const struct shape_field *f)
{
	static const char *const may[] = { "", "may be absent", "may be null",
					   "may be absent or null" };

	buf_addf(out, "| `%s` | %s", f->name, kinds[f->kind].words);
	if (f->of)
		buf_addf(out, " of %s", f->of);
	buf_addf(out, " | %s |\n", may[f->flags]);
}

void
shape_markdown(const struct shape *const *shapes, struct buf *out)
{
	SHAPE_EACH(shapes, s)
	{
		buf_addf(out, "\n## %s\n\n| field | what | |\n|---|---|---|\n", s->name);
		for (const struct shape_field *f = s->fields; f->name; f++)
			write_row(out, f);
	}
}
