/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_out.h"

#include <assert.h>
#include <math.h>
#include <string.h>
#include "base/clock.h"
#include "base/uuid.h"

#define DEPTH_MAX 32

/* Escapes that need two characters; everything else below 0x20 goes as \u00XX. */
static const char *
short_escape(unsigned char c)
{
	switch (c) {
	case '"':
		return "\\\"";
	case '\\':
		return "\\\\";
	case '\b':
		return "\\b";
	case '\f':
		return "\\f";
	case '\n':
		return "\\n";
	case '\r':
		return "\\r";
	case '\t':
		return "\\t";
	default:
		return NULL;
	}
}

/* Length of the valid UTF-8 sequence at p (n bytes left), 0 when there is none. */
static size_t
utf8_len(const unsigned char *p, size_t n)
{
	/* Lead byte ranges with the bounds of the second byte (Unicode, table 3-7): no overlong
	 * forms, no surrogates, nothing beyond U+10FFFF. */
	static const struct {
		unsigned char from, to, second_from, second_to, len;
	} rows[] = {
		{ 0x00, 0x7f, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (p[0] < rows[i].from || p[0] > rows[i].to)
			continue;
		if (rows[i].len > n)
			return 0;
		for (size_t k = 1; k < rows[i].len; k++) {
			unsigned char lo = k == 1 ? rows[i].second_from : 0x80;
			unsigned char hi = k == 1 ? rows[i].second_to : 0xbf;
			if (p[k] < lo || p[k] > hi)
				return 0;
		}
		return rows[i].len;
	}
	return 0;
}

bool
json_out_is_utf8(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;
	for (size_t i = 0; i < n;) {
		size_t len = utf8_len(p + i, n - i);
		if (!len)
			return false;
		i += len;
	}
	return true;
}

static void
add_one(struct buf *out, unsigned char c)
{
	const char *esc = short_escape(c);
	if (esc)
		buf_adds(out, esc);
	else
		buf_addf(out, "\\u%04x", c);
}

static bool
is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static void
add_string(struct buf *out, const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;
	buf_reserve(out, n + 2);
	buf_addc(out, '"');
	for (size_t i = 0; i < n;) {
		size_t from = i;
		while (i < n && is_plain(p[i]))
			i++;
		if (i > from)
			buf_add(out, p + from, i - from);
		if (i == n)
			break;
		if (p[i] < 0x20 || p[i] == '"' || p[i] == '\\' || p[i] == 0x7f) {
			add_one(out, p[i++]);
			continue;
		}
		size_t len = utf8_len(p + i, n - i);
		if (len)
			buf_add(out, p + i, len);
		else
			buf_adds(out, "\xef\xbf\xbd");
		i += len ? len : 1;
	}
	buf_addc(out, '"');
}

/* What stands before every value: the comma and the name. */
static void
begin_value(struct json_out *w, const char *name)
{
	uint32_t bit = 1u << w->depth;
	if (w->depth && !(w->first & bit))
		buf_addc(w->out, ',');
	w->first &= ~bit;
	if (name) {
		add_string(w->out, name, strlen(name));
		buf_addc(w->out, ':');
	}
}

static void
open_level(struct json_out *w, const char *name, char c)
{
	begin_value(w, name);
	buf_addc(w->out, c);
	assert(w->depth + 1 < DEPTH_MAX);
	w->depth++;
	w->first |= 1u << w->depth;
}

static void
close_level(struct json_out *w, char c)
{
	assert(w->depth > 0);
	w->depth--;
	buf_addc(w->out, c);
}

void
json_out_init(struct json_out *w, struct buf *out)
{
	*w = (struct json_out){ .out = out, .first = 1 };
}

void
json_out_object(struct json_out *w, const char *name)
{
	open_level(w, name, '{');
}

void
json_out_array(struct json_out *w, const char *name)
{
	open_level(w, name, '[');
}

void
json_out_end_object(struct json_out *w)
{
	close_level(w, '}');
}

void
json_out_end_array(struct json_out *w)
{
	close_level(w, ']');
}

void
json_out_text(struct json_out *w, const char *name, const char *v)
{
	if (!v)
		json_out_null(w, name);
	else
		json_out_textn(w, name, v, strlen(v));
}

void
json_out_textn(struct json_out *w, const char *name, const char *v, size_t n)
{
	begin_value(w, name);
	add_string(w->out, v, n);
}

void
json_out_int(struct json_out *w, const char *name, int64_t v)
{
	begin_value(w, name);
	buf_addf(w->out, "%lld", (long long)v);
}

void
json_out_double(struct json_out *w, const char *name, double v)
{
	if (!isfinite(v)) {
		json_out_null(w, name);
		return;
	}
	begin_value(w, name);
	buf_addf(w->out, "%.10g", v);
}

void
json_out_bool(struct json_out *w, const char *name, bool v)
{
	begin_value(w, name);
	buf_adds(w->out, v ? "true" : "false");
}

void
json_out_null(struct json_out *w, const char *name)
{
	begin_value(w, name);
	buf_adds(w->out, "null");
}

void
json_out_raw(struct json_out *w, const char *name, const char *json)
{
	begin_value(w, name);
	buf_adds(w->out, json);
}

void
json_out_uuid(struct json_out *w, const char *name, const void *uuid16)
{
	struct uuid u;
	char text[UUID_STR_LEN];
	memcpy(u.b, uuid16, sizeof(u.b));
	if (uuid_is_nil(&u)) {
		json_out_null(w, name);
		return;
	}
	uuid_str(&u, text);
	json_out_text(w, name, text);
}

void
json_out_instant(struct json_out *w, const char *name, int64_t us)
{
	char text[CLOCK_ISO_LEN];
	clock_iso(us, text);
	json_out_text(w, name, text);
}

void
json_out_time(struct json_out *w, const char *name, int64_t us)
{
	if (us)
		json_out_instant(w, name, us);
	else
		json_out_null(w, name);
}
