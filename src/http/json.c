/* SPDX-License-Identifier: Apache-2.0 */
#include "http/json.h"

#include <assert.h>
#include <string.h>
#include <curl/curl.h>
#include <jansson.h>
#include "base/secret.h"
#include "http/wipe_libs.h"
#include "http/trust.h"

#define JMAP_NAME_MAX 128
#define JMAP_VALUE_MAX 65536
#define JTEXTS_TEXT_MAX 65536

void
http_init(void)
{
	json_set_alloc_funcs(secret_malloc, secret_mfree);
	json_object_seed(0);
	wipe_libs_tls();
	CURLcode started = wipe_libs_start_curl();
	assert(started == CURLE_OK);
	trust_start();
}

struct taking {
	void *out; /* where the value goes */
	struct arena *arena;
	const struct jfield *field;
	struct err *e;
};

static int
refuse(const struct taking *t, const char *why)
{
	return err_set(t->e, ERR_BAD_FIELD, "the field \"%s\" %s", t->field->name, why);
}

static const char *
copy_text(const struct taking *t, const json_t *v)
{
	return arena_strndup(t->arena, json_string_value(v), json_string_length(v));
}

static int
take_text(const struct taking *t, const json_t *v)
{
	if (!json_is_string(v))
		return refuse(t, "must be a text");
	if (json_string_length(v) == 0 && !(t->field->flags & JEMPTY))
		return refuse(t, "is empty: leave it out, or say what is meant");
	if (json_string_length(v) > (size_t)t->field->bound)
		return err_set(t->e, ERR_BAD_FIELD, "the field \"%s\" is longer than %lld bytes",
			       t->field->name, (long long)t->field->bound);
	*(const char **)t->out = copy_text(t, v);
	return 0;
}

static int
take_int(const struct taking *t, const json_t *v)
{
	if (!json_is_integer(v))
		return refuse(t, "must be a whole number");
	int64_t least = t->field->flags & JPOSITIVE ? 1 : 0;
	if (json_integer_value(v) < least || json_integer_value(v) > t->field->bound)
		return err_set(t->e, ERR_BAD_FIELD, "the field \"%s\" must be %lld to %lld",
			       t->field->name, (long long)least, (long long)t->field->bound);
	*(int64_t *)t->out = json_integer_value(v);
	return 0;
}

static int
take_bool(const struct taking *t, const json_t *v)
{
	if (!json_is_boolean(v))
		return refuse(t, "must be true or false");
	*(bool *)t->out = json_is_true(v);
	return 0;
}

static int
take_map(const struct taking *t, const json_t *v)
{
	struct jmap *map = t->out;
	const char *name;
	json_t *value;

	if (!json_is_object(v))
		return refuse(t, "must be an object of texts");
	if (json_object_size(v) > (size_t)t->field->bound)
		return refuse(t, "has too many entries");
	map->entries = arena_alloc(t->arena, (json_object_size(v) + 1) * sizeof(*map->entries));
	json_object_foreach(UNCONST(json_t *, v), name, value)
	{
		struct jmap_entry *entry = &map->entries[map->n];

		if (!json_is_string(value))
			return refuse(t, "must hold texts only");
		if (name[0] == '\0' || strlen(name) > JMAP_NAME_MAX)
			return refuse(t, "has an entry whose name is empty or too long");
		if (json_string_length(value) > JMAP_VALUE_MAX)
			return refuse(t, "has an entry that is too long");
		entry->name = arena_strdup(t->arena, name);
		entry->value = copy_text(t, value);
		entry->value_len = json_string_length(value);
		map->n++;
	}
	return 0;
}

static int
take_texts(const struct taking *t, const json_t *v)
{
	struct jtexts *texts = t->out;
	size_t i;
	json_t *value;

	if (!json_is_array(v))
		return refuse(t, "must be a list of texts");
	if (json_array_size(v) > (size_t)t->field->bound)
		return refuse(t, "has too many entries");
	texts->texts = arena_alloc(t->arena, (json_array_size(v) + 1) * sizeof(*texts->texts));
	json_array_foreach(v, i, value)
	{
		if (!json_is_string(value))
			return refuse(t, "must hold texts only");
		if (json_string_length(value) > JTEXTS_TEXT_MAX)
			return refuse(t, "has an entry that is too long");
		texts->texts[texts->n++] = copy_text(t, value);
	}
	return 0;
}

static int (*const takers[])(const struct taking *t, const json_t *v) = {
	[JTEXT] = take_text, [JINT] = take_int,	    [JBOOL] = take_bool,
	[JMAP] = take_map,   [JTEXTS] = take_texts,
};

static const struct jfield *
find_field(const struct jfield *table, const char *name)
{
	for (const struct jfield *f = table; f->name; f++)
		if (strcmp(f->name, name) == 0)
			return f;
	return NULL;
}

/* The name is not repeated when it may be hostile: a person reads the message in a log or a
 * terminal. */
static int
refuse_unknown(const char *name, struct err *e)
{
	size_t n = strlen(name);

	if (n == 0 || n > 64 || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != n)
		return err_set(e, ERR_BAD_FIELD, "the body has a field that is not known here");
	return err_set(e, ERR_BAD_FIELD, "the field \"%s\" is not known here", name);
}

static int
take_fields(const json_t *object, const struct jfield *table, char *out, uint64_t *ret_seen,
	    struct arena *a, struct err *e)
{
	const char *name;
	json_t *value;

	json_object_foreach(UNCONST(json_t *, object), name, value)
	{
		const struct jfield *f = find_field(table, name);
		int rc;

		if (!f)
			return refuse_unknown(name, e);
		rc = takers[f->kind](&(struct taking){ out + f->offset, a, f, e }, value);
		if (rc < 0)
			return rc;
		*ret_seen |= UINT64_C(1) << (f - table);
	}
	return 0;
}

static int
check_required(const struct jfield *table, uint64_t seen, struct err *e)
{
	for (const struct jfield *f = table; f->name; f++)
		if ((f->flags & JREQUIRED) && !(seen & (UINT64_C(1) << (f - table))))
			return err_set(e, ERR_BAD_FIELD, "the field \"%s\" is missing", f->name);
	return 0;
}

/* jansson's own text may quote the body, which may hold a secret: only the place is told. */
static int
refuse_syntax(const json_error_t *at, struct err *e)
{
	if (json_error_code(at) == json_error_duplicate_key)
		return err_set(e, ERR_BAD_FIELD,
			       "a field is there twice, before line %d, column %d", at->line,
			       at->column);
	return err_set(e, ERR_BAD_JSON, "the body is not valid JSON: line %d, column %d", at->line,
		       at->column);
}

int
json_parse_body(const char *text, size_t n, const struct jfield *table, void *out,
		uint64_t *ret_seen, struct arena *a, struct err *e)
{
	json_error_t at = { 0 };
	json_t *root = json_loadb(text ? text : "", n, JSON_REJECT_DUPLICATES, &at);
	uint64_t seen = 0;
	int rc;

	if (!root)
		return refuse_syntax(&at, e);
	if (!json_is_object(root))
		rc = err_set(e, ERR_BAD_JSON, "the body must be a JSON object");
	else
		rc = take_fields(root, table, out, &seen, a, e);
	json_decref(root);
	if (rc == 0)
		rc = check_required(table, seen, e);
	if (rc == 0 && ret_seen)
		*ret_seen = seen;
	return rc;
}
