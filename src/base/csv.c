/* SPDX-License-Identifier: Apache-2.0 */
#include "base/csv.h"

#include <string.h>
#include "base/json_out.h"

void
csv_init(struct csv *c, const char *data, size_t n)
{
	memset(c, 0, sizeof(*c));
	if (n >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0) {
		data += 3;
		n -= 3;
	}
	c->p = data;
	c->end = n ? data + n : data;
	c->line = 1;
	c->separator = ',';
}

char
csv_guess_separator(const char *data, size_t n)
{
	static const char separators[] = ",;\t";
	size_t counts[sizeof(separators) - 1] = { 0 }, best = 0;
	bool quoted = false;
	for (size_t i = 0; i < n && (quoted || !strchr("\r\n", data[i])); i++) {
		const char *found = quoted ? NULL : strchr(separators, data[i]);
		quoted ^= data[i] == '"';
		if (found && *found)
			counts[found - separators]++;
	}
	for (size_t i = 1; i < ARRAY_LEN(counts); i++)
		if (counts[i] > counts[best])
			best = i;
	return separators[best];
}

void
csv_done(struct csv *c)
{
	buf_done(&c->text);
	c->n = 0;
}

const char *
csv_field(const struct csv *c, unsigned i)
{
	return i < c->n ? c->text.data + c->off[i] : "";
}

size_t
csv_field_len(const struct csv *c, unsigned i)
{
	return i < c->n ? c->len[i] : 0;
}

static int
refuse(const struct csv *c, struct err *e, const char *what)
{
	return err_set(e, ERR_BAD_FIELD, "line %u: %s", c->line, what);
}

/* Passes over one line end if there is one. */
static bool
take_line_end(struct csv *c)
{
	if (c->p == c->end || (*c->p != '\r' && *c->p != '\n'))
		return false;
	if (*c->p == '\r' && c->p + 1 < c->end && c->p[1] == '\n')
		c->p++;
	c->p++;
	c->line++;
	return true;
}

/* Behind the opening quote: up to and over the closing one. A line end inside counts. */
static int
take_quoted(struct csv *c, struct err *e)
{
	unsigned from = c->line;
	while (c->p < c->end) {
		char ch = *c->p++;
		if (ch == '\\' && c->backslash && c->p < c->end && strchr("\\\"", *c->p)) {
			ch = *c->p++;
		} else if (ch == '"') {
			if (c->p == c->end || *c->p != '"')
				return 0;
			c->p++;
		} else if (ch == '\n' || (ch == '\r' && (c->p == c->end || *c->p != '\n'))) {
			c->line++;
		}
		buf_addc(&c->text, ch);
	}
	c->line = from;
	return refuse(c, e, "a quoted field never ends");
}

static int
take_plain(struct csv *c, struct err *e)
{
	const char *from = c->p;
	/* strchr finds the end of its own text too: a NUL byte stops the loop, and is refused. */
	for (; c->p < c->end && *c->p != c->separator && !strchr("\r\n", *c->p); c->p++)
		if (*c->p == '"')
			c->fault = "a quote inside a field that is not quoted";
	if (c->p < c->end && *c->p == '\0')
		return refuse(c, e, "a NUL byte");
	buf_add(&c->text, from, (size_t)(c->p - from));
	return 0;
}

static int
take_field(struct csv *c, struct err *e)
{
	size_t off = c->text.len;
	int rc;
	if (c->p < c->end && *c->p == '"') {
		c->p++;
		rc = take_quoted(c, e);
	} else {
		rc = take_plain(c, e);
	}
	if (rc)
		return rc;
	size_t len = c->text.len - off;
	if (len > CSV_FIELD_BYTES)
		c->fault = "a field is longer than 64 KiB";
	if (len && memchr(c->text.data + off, 0, len))
		return refuse(c, e, "a NUL byte");
	if (len && !json_out_is_utf8(c->text.data + off, len))
		return refuse(c, e, "a field is not valid UTF-8: save the file as UTF-8");
	if (c->n == CSV_FIELDS_MAX) {
		c->fault = "more than 64 fields";
		return 0;
	}
	buf_addc(&c->text, '\0');
	c->off[c->n] = off;
	c->len[c->n++] = len;
	return 0;
}

int
csv_next(struct csv *c, struct err *e)
{
	buf_reset(&c->text);
	c->n = 0;
	c->fault = NULL;
	while (take_line_end(c))
		;
	if (c->p == c->end)
		return 0;
	c->record = c->line;
	for (;;) {
		int rc = take_field(c, e);
		if (rc)
			return rc;
		if (c->p == c->end || take_line_end(c))
			return 1;
		if (*c->p != c->separator)
			return refuse(c, e,
				      "something stands between a closing quote and the separator");
		c->p++;
	}
}
