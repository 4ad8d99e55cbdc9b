/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/event_body.h"

#include <sodium.h>
#include <string.h>
#include "base/hex.h"

void
event_body_hex(struct json_out *w, const char *name, const void *p, size_t n)
{
	auto_buf hex = BUF_INIT;

	buf_reserve(&hex, n * 2);
	sodium_bin2hex(hex.data, n * 2 + 1, p, n);
	json_out_textn(w, name, hex.data, n * 2);
}

static void
skip_space(const char **p)
{
	*p += strspn(*p, " \t\r\n");
}

static void
add_utf8(struct buf *out, unsigned c)
{
	if (c < 0x80) {
		buf_add_u8(out, (uint8_t)c);
	} else if (c < 0x800) {
		buf_add_u8(out, (uint8_t)(0xc0 | c >> 6));
		buf_add_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
	} else {
		buf_add_u8(out, (uint8_t)(0xe0 | c >> 12));
		buf_add_u8(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
		buf_add_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
	}
}

/* The escape behind the backslash at *p. Surrogates never come from our writer: refused. */
static int
read_escape(const char **p, struct buf *out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at = **p ? strchr(from, **p) : NULL;
	unsigned c = 0;

	if (at) {
		buf_addc(out, to[at - from]);
		(*p)++;
		return 0;
	}
	if (*(*p)++ != 'u')
		return ERR_BAD_JSON;
	for (int i = 0; i < 4; i++) {
		int d = hex_digit(**p);

		if (d < 0)
			return ERR_BAD_JSON;
		c = c << 4 | (unsigned)d;
		(*p)++;
	}
	if (!c || (c >= 0xd800 && c <= 0xdfff))
		return ERR_BAD_JSON;
	add_utf8(out, c);
	return 0;
}

static int
read_text(const char **p, struct buf *out)
{
	if (*(*p)++ != '"')
		return ERR_BAD_JSON;
	for (;;) {
		unsigned char c = (unsigned char)**p;

		if (c < 0x20)
			return ERR_BAD_JSON;
		(*p)++;
		if (c == '"')
			return 0;
		if (c != '\\')
			buf_add_u8(out, c);
		else if (read_escape(p, out))
			return ERR_BAD_JSON;
	}
}

/* Numbers, true, false, null: as they stand. */
static int
read_word(const char **p, struct buf *out)
{
	size_t n = strspn(*p, "abcdefghijklmnopqrstuvwxyz0123456789+-.E");

	if (!n)
		return ERR_BAD_JSON;
	buf_add(out, *p, n);
	*p += n;
	return 0;
}

/* One `"name": value` pair, into name and value. */
static int
read_pair(const char **p, struct buf *name, struct buf *value)
{
	skip_space(p);
	if (read_text(p, name))
		return ERR_BAD_JSON;
	skip_space(p);
	if (*(*p)++ != ':')
		return ERR_BAD_JSON;
	skip_space(p);
	return **p == '"' ? read_text(p, value) : read_word(p, value);
}

static bool
is_name(const struct buf *b, const char *name)
{
	return b->len == strlen(name) && !memcmp(buf_str(b), name, b->len);
}

int
event_body_get(const char *body, const char *name, struct buf *ret)
{
	const char *p = body;

	skip_space(&p);
	if (*p++ != '{')
		return ERR_BAD_JSON;
	skip_space(&p);
	if (*p == '}')
		return ERR_NOT_FOUND;
	for (;;) {
		auto_buf found = BUF_INIT, value = BUF_INIT;

		if (read_pair(&p, &found, &value))
			return ERR_BAD_JSON;
		if (is_name(&found, name)) {
			buf_add(ret, buf_str(&value), value.len);
			return 0;
		}
		skip_space(&p);
		if (*p == '}')
			return ERR_NOT_FOUND;
		if (*p++ != ',')
			return ERR_BAD_JSON;
	}
}

int
event_body_get_bytes(const char *body, const char *name, void *ret, size_t n)
{
	auto_buf hex = BUF_INIT;
	size_t got = 0;
	int rc = event_body_get(body, name, &hex);

	if (rc)
		return rc;
	if (hex.len != n * 2 || sodium_hex2bin(ret, n, buf_str(&hex), hex.len, NULL, &got, NULL) ||
	    got != n)
		return ERR_BAD_FIELD;
	return 0;
}
