/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/importfile.h"

#include <stdlib.h>
#include <string.h>
#include "vault/importread.h"

/* ---- encodings ---- */

static void
put_utf8(char **p, unsigned c)
{
	if (c < 0x80) {
		*(*p)++ = (char)c;
		return;
	}
	unsigned more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
	static const unsigned char lead[] = { 0, 0xc0, 0xe0, 0xf0 };
	*(*p)++ = (char)(lead[more] | c >> 6 * more);
	while (more--)
		*(*p)++ = (char)(0x80 | (c >> 6 * more & 0x3f));
}

/* n: bytes, an even number behind the mark. A half of a pair alone is refused. */
static int
from_utf16(struct arena *a, const unsigned char *p, size_t n, bool big, const char **ret,
	   size_t *ret_n, struct err *e)
{
	char *out = arena_alloc(a, n / 2 * 3 + 1), *end = out;
	unsigned high = 0, line = 1;
	if (n % 2)
		return err_set(e, ERR_BAD_FIELD,
			       "the UTF-16 text ends in the middle of a character");
	for (size_t i = 0; i < n; i += 2) {
		unsigned c = big ? (unsigned)p[i] << 8 | p[i + 1] : (unsigned)p[i + 1] << 8 | p[i];
		bool low = c >= 0xdc00 && c <= 0xdfff;
		line += c == '\n';
		if (low != (high != 0))
			return err_set(e, ERR_BAD_FIELD, "line %u: the UTF-16 text is damaged",
				       line);
		if (c >= 0xd800 && c <= 0xdbff) {
			high = c;
			continue;
		}
		put_utf8(&end, low ? 0x10000 + ((high - 0xd800) << 10) + (c - 0xdc00) : c);
		high = 0;
	}
	if (high)
		return err_set(e, ERR_BAD_FIELD, "line %u: the UTF-16 text is damaged", line);
	*ret = out;
	*ret_n = (size_t)(end - out);
	return 0;
}

/* As UTF-8 without a byte order mark. */
static int
decode(struct arena *a, const char **text, size_t *n, struct err *e)
{
	static const char zip[] = "PK\x03\x04";
	const unsigned char *p = (const unsigned char *)*text;
	if (*n >= 2 && ((p[0] == 0xff && p[1] == 0xfe) || (p[0] == 0xfe && p[1] == 0xff)))
		return from_utf16(a, p + 2, *n - 2, p[0] == 0xfe, text, n, e);
	if (*n >= 4 && memcmp(*text, zip, 4) == 0)
		return err_set(e, ERR_BAD_FIELD,
			       "line 1: this is a ZIP or Excel file: unpack it, or save it as CSV");
	if (*n >= 3 && memcmp(*text, "\xef\xbb\xbf", 3) == 0) {
		*text += 3;
		*n -= 3;
	}
	return 0;
}

/* ---- which format ---- */

static int
recognise(const char *text, size_t n, const struct importformat **ret, struct err *e)
{
	static const struct {
		char begins;
		const char *format;
	} marked[] = { { '{', "bitwarden-json" }, { '<', "keepass-xml" } };
	size_t i = 0;
	while (i < n && text[i] && strchr(" \t\r\n", text[i]))
		i++;
	for (size_t k = 0; i < n && k < ARRAY_LEN(marked); k++) {
		if (text[i] == marked[k].begins) {
			*ret = importformat_find(marked[k].format);
			return 0;
		}
	}
	return importread_csv_format(text, n, ret, e);
}

int
importfile_read(struct arena *a, const char *text, size_t n, const char *format,
		struct importfile *ret, struct err *e)
{
	*ret = (struct importfile){ .a = a };
	int rc = decode(a, &text, &n, e);
	if (rc == 0 && format)
		ret->format = importformat_find(format);
	else if (rc == 0)
		rc = recognise(text, n, &ret->format, e);
	if (rc)
		return rc;
	if (!ret->format)
		return err_set(e, ERR_BAD_FIELD, "format: there is none of this name");
	return ret->format->read(ret, text, n, e);
}

void
importfile_done(struct importfile *file)
{
	free(file->entry);
	file->entry = NULL;
	file->n = file->cap = 0;
}
