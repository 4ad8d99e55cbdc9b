/* SPDX-License-Identifier: Apache-2.0 */
#include "http/request.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include "base/hex.h"
#include "base/json_out.h"
#include "http/utf8.h"

#define COOKIE_NAME "__Host-holdfast"
#define TOKEN_MAX 512

/* ---- life ---- */

struct request *
request_new(void)
{
	struct arena *a = arena_new();
	struct request *rq = arena_new_of(a, struct request);

	rq->arena = a;
	return rq;
}

void
request_free(struct request *rq)
{
	if (!rq)
		return;
	buf_done(&rq->body);
	buf_done(&rq->reply);
	arena_free(rq->arena);
}

void
request_send(struct request *rq)
{
	rq->send(rq);
}

void
request_admit(struct request *rq)
{
	rq->admit(rq);
}

void
request_known(struct request *rq)
{
	if (rq->known)
		rq->known(rq);
}

/* ---- methods and addresses ---- */

static const char *const method_names[] = {
	[HTTP_GET] = "GET", [HTTP_POST] = "POST", [HTTP_PATCH] = "PATCH", [HTTP_DELETE] = "DELETE",
	[HTTP_PUT] = "PUT", [HTTP_HEAD] = "HEAD", [HTTP_OTHER] = "OTHER",
};

enum http_method
request_method(const char *name)
{
	for (unsigned m = HTTP_GET; m < HTTP_OTHER; m++)
		if (strcmp(name, method_names[m]) == 0)
			return m;
	return HTTP_OTHER;
}

const char *
request_method_name(enum http_method m)
{
	return m >= HTTP_GET && m <= HTTP_OTHER ? method_names[m] : "OTHER";
}

static void
set_ipv4(struct request *rq, const void *four_bytes)
{
	char text[INET_ADDRSTRLEN] = "";

	inet_ntop(AF_INET, four_bytes, text, sizeof(text));
	rq->address = arena_strdup(rq->arena, text);
	rq->loopback = *(const uint8_t *)four_bytes == 127;
}

static void
set_ipv6(struct request *rq, const struct in6_addr *ip)
{
	char text[INET6_ADDRSTRLEN] = "";

	if (IN6_IS_ADDR_V4MAPPED(ip)) {
		set_ipv4(rq, ip->s6_addr + 12);
		return;
	}
	inet_ntop(AF_INET6, ip, text, sizeof(text));
	rq->address = arena_strdup(rq->arena, text);
	rq->loopback = IN6_IS_ADDR_LOOPBACK(ip);
}

void
request_set_address(struct request *rq, const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET)
		set_ipv4(rq, &((const struct sockaddr_in *)sa)->sin_addr);
	else if (sa->sa_family == AF_INET6)
		set_ipv6(rq, &((const struct sockaddr_in6 *)sa)->sin6_addr);
	else
		rq->address = "unknown";
}

/* ---- percent-encoding ---- */

static bool
is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

/* Decodes one character at *p (which ends at end) and steps over it. -1 when the encoding is bad.
 */
static int
decode_one(const char **p, const char *end)
{
	const char *s = *p;
	int high, low;

	if (*s != '%') {
		(*p)++;
		return (unsigned char)*s;
	}
	if (end - s < 3)
		return -1;
	high = hex_digit(s[1]);
	low = hex_digit(s[2]);
	*p += 3;
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* ---- path ---- */

/* Characters that a path never holds here, however they were written. An encoded slash changes
 * what a segment is, an encoded percent sign hides a second encoding, a backslash is a slash to
 * some. */
static bool
path_byte_fits(int c, bool encoded)
{
	if (c < 0x20 || c == 0x7f || c == '%' || c == '\\')
		return false;
	return encoded ? c != '/' : c != '?' && c != '#' && c != ' ';
}

static bool
decode_path(const char *raw, size_t n, char *out)
{
	const char *end = raw + n;

	while (raw < end) {
		bool encoded = *raw == '%';
		int c = decode_one(&raw, end);

		if (!path_byte_fits(c, encoded))
			return false;
		*out++ = (char)c;
	}
	*out = '\0';
	return true;
}

/* "/" alone has none. */
static bool
has_empty_segment(const char *path)
{
	return path[1] && (strstr(path, "//") || path[strlen(path) - 1] == '/');
}

static bool
segment_fits(const char *s, size_t n)
{
	return n > 0 && !(n == 1 && s[0] == '.') && !(n == 2 && s[0] == '.' && s[1] == '.');
}

static bool
segments_fit(const char *path)
{
	if (path[1] == '\0')
		return true;
	while (*path == '/') {
		size_t n = strcspn(path + 1, "/");

		if (!segment_fits(path + 1, n))
			return false;
		path += 1 + n;
	}
	return true;
}

int
request_canonical_path(const char *raw, char *ret, size_t n, struct err *e)
{
	size_t len = strnlen(raw, REQUEST_PATH_MAX + 1);

	if (len > REQUEST_PATH_MAX || len + 1 > n)
		return err_set(e, ERR_USAGE, "the path is longer than %d bytes", REQUEST_PATH_MAX);
	if (raw[0] != '/')
		return err_set(e, ERR_USAGE, "the path must begin with a slash");
	if (!decode_path(raw, len, ret) || !utf8_valid(ret, strlen(ret)))
		return err_set(e, ERR_USAGE,
			       "the path has a character or encoding that is not allowed");
	if (has_empty_segment(ret))
		return err_set(e, ERR_BAD_FIELD,
			       "the path has an empty segment: a name or id is missing");
	if (!segments_fit(ret))
		return err_set(e, ERR_USAGE, "the path has a \".\" or \"..\" segment");
	return 0;
}

/* ---- query ---- */

/* Decodes s[0..n) into the arena; NULL when it is not allowed. */
static const char *
decode_query(struct arena *a, const char *s, size_t n)
{
	const char *end = s + n;
	char *out = arena_alloc(a, n + 1), *p = out;

	while (s < end) {
		int c = *s == '+' ? (s++, ' ') : decode_one(&s, end);

		if (c < 0 || is_control((char)c))
			return NULL;
		*p++ = (char)c;
	}
	*p = '\0';
	return utf8_valid(out, (size_t)(p - out)) ? out : NULL;
}

static int
take_query_pair(struct request *rq, const char *s, size_t n, struct err *e)
{
	const char *equals = memchr(s, '=', n);
	size_t name_len = equals ? (size_t)(equals - s) : n;
	const char *value = equals ? equals + 1 : "";
	struct request_pair *pair = &rq->query[rq->nquery];

	if (rq->nquery == REQUEST_QUERY_MAX)
		return err_set(e, ERR_USAGE, "the query has more than %d parameters",
			       REQUEST_QUERY_MAX);
	pair->name = decode_query(rq->arena, s, name_len);
	pair->value = decode_query(rq->arena, value, equals ? n - name_len - 1 : 0);
	if (!pair->name || !pair->value || pair->name[0] == '\0')
		return err_set(e, ERR_USAGE,
			       "the query has a character or encoding that is not allowed");
	if (request_query(rq, pair->name))
		return err_set(e, ERR_USAGE, "the query has a parameter twice");
	rq->nquery++;
	return 0;
}

static int
take_query(struct request *rq, const char *s, struct err *e)
{
	if (strnlen(s, REQUEST_RAW_QUERY_MAX + 1) > REQUEST_RAW_QUERY_MAX)
		return err_set(e, ERR_USAGE, "the query is longer than %d bytes",
			       REQUEST_RAW_QUERY_MAX);
	while (*s) {
		size_t n = strcspn(s, "&");
		int rc = take_query_pair(rq, s, n, e);

		if (rc < 0)
			return rc;
		s += n + (s[n] == '&');
	}
	return 0;
}

const char *
request_query(const struct request *rq, const char *name)
{
	for (unsigned i = 0; i < rq->nquery; i++)
		if (strcmp(rq->query[i].name, name) == 0)
			return rq->query[i].value;
	return NULL;
}

int
request_target(struct request *rq, const char *raw, struct err *e)
{
	char path[REQUEST_PATH_MAX + 1], decoded[REQUEST_PATH_MAX + 1];
	size_t n = strcspn(raw, "?");
	int rc;

	if (n > REQUEST_PATH_MAX)
		return err_set(e, ERR_USAGE, "the path is longer than %d bytes", REQUEST_PATH_MAX);
	memcpy(path, raw, n);
	path[n] = '\0';
	rc = request_canonical_path(path, decoded, sizeof(decoded), e);
	if (rc < 0)
		return rc;
	rq->path = arena_strdup(rq->arena, decoded);
	return raw[n] == '?' ? take_query(rq, raw + n + 1, e) : 0;
}

/* ---- target ---- */

/* Bytes that stand for themselves in a path segment and in a query (RFC 3986, unreserved, and /
 * between segments). */
static void
add_encoded(struct buf *out, const char *s, const char *also)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9') || strchr("-._~", c) || strchr(also, c);

		if (plain)
			buf_addc(out, (char)c);
		else
			buf_addf(out, "%%%02X", c);
	}
}

void
request_write_target(const struct request *rq, struct buf *out)
{
	add_encoded(out, rq->path, "/");
	for (unsigned i = 0; i < rq->nquery; i++) {
		buf_addc(out, i ? '&' : '?');
		add_encoded(out, rq->query[i].name, "");
		buf_addc(out, '=');
		add_encoded(out, rq->query[i].value, "");
	}
}

/* ---- headers ---- */

static bool
token_fits(const char *s, size_t n)
{
	if (n == 0 || n > TOKEN_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if (s[i] <= 0x20 || s[i] >= 0x7f || strchr("\",;\\", s[i]))
			return false;
	return true;
}

static bool
take_authorization(struct request *rq, const char *v, size_t n)
{
	if (n < 7 || strncasecmp(v, "Bearer ", 7) != 0)
		return true; /* another scheme: no bearer, and the route will say what it needs */
	if (!token_fits(v + 7, n - 7))
		return false;
	rq->bearer = arena_strndup(rq->arena, v + 7, n - 7);
	return true;
}

/* One "name=value" of a Cookie header. Only ours is looked at; twice is refused, because a page of
 * another origin may have put one of them there. */
static bool
take_cookie_pair(struct request *rq, const char *s, size_t n)
{
	const size_t name_len = strlen(COOKIE_NAME);

	if (n <= name_len || memcmp(s, COOKIE_NAME "=", name_len + 1) != 0)
		return true;
	if (rq->cookie || !token_fits(s + name_len + 1, n - name_len - 1))
		return false;
	rq->cookie = arena_strndup(rq->arena, s + name_len + 1, n - name_len - 1);
	return true;
}

static bool
take_cookie(struct request *rq, const char *v, size_t n)
{
	const char *end = v + n;

	while (v < end) {
		const char *semicolon = memchr(v, ';', (size_t)(end - v));
		const char *stop = semicolon ? semicolon : end;

		while (v < stop && *v == ' ')
			v++;
		if (!take_cookie_pair(rq, v, (size_t)(stop - v)))
			return false;
		v = semicolon ? semicolon + 1 : end;
	}
	return true;
}

static bool
take_host(struct request *rq, const char *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (v[i] <= 0x20 || v[i] >= 0x7f || strchr("/\\@?#,;\"", v[i]))
			return false;
	return n > 0 && n < 300;
}

static bool
take_content_type(struct request *rq, const char *v, size_t n)
{
	rq->content_type = arena_strndup(rq->arena, v, n);
	return n > 0 && n < 200;
}

static bool
take_origin(struct request *rq, const char *v, size_t n)
{
	rq->origin = arena_strndup(rq->arena, v, n);
	return n < 400;
}

static bool
take_fetch_site(struct request *rq, const char *v, size_t n)
{
	rq->fetch_site = arena_strndup(rq->arena, v, n);
	return n < 100;
}

static bool
take_if_none_match(struct request *rq, const char *v, size_t n)
{
	rq->if_none_match = arena_strndup(rq->arena, v, n);
	return n < 400;
}

/* A list, which may be spread over several headers. Whoever names more than fits has what comes first counted. */
static bool
take_accept_encoding(struct request *rq, const char *v, size_t n)
{
	const char *had = rq->accept_encoding;

	if ((had ? strlen(had) : 0) + n > REQUEST_CODINGS_MAX)
		return true;
	rq->accept_encoding =
		arena_printf(rq->arena, "%s%s%.*s", had ? had : "", had ? ", " : "", (int)n, v);
	return true;
}

static bool
take_forwarded(struct request *rq, const char *v, size_t n)
{
	rq->forwarded = arena_strndup(rq->arena, v, n);
	return n > 0 && n <= REQUEST_FORWARDED_MAX;
}

static bool
take_content_length(struct request *rq, const char *v, size_t n)
{
	if (n == 0 || n > 15)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (v[i] < '0' || v[i] > '9')
			return false;
		rq->content_length = rq->content_length * 10 + (v[i] - '0');
	}
	return true;
}

static bool
take_encoding(struct request *rq, const char *v, size_t n)
{
	rq->chunked = true;
	return true;
}

enum { HEADER_HOST = 1 << 0, HEADER_LENGTH = 1 << 1, HEADER_ENCODING = 1 << 2 };

/* The headers that are looked at; each of them at most once, but for those without a bit. */
static const struct {
	const char *name;
	bool (*take)(struct request *rq, const char *v, size_t n);
	unsigned bit;
} headers[] = {
	{ "Host", take_host, HEADER_HOST },
	{ "Content-Length", take_content_length, HEADER_LENGTH },
	{ "Transfer-Encoding", take_encoding, HEADER_ENCODING },
	{ "Authorization", take_authorization, 1 << 3 },
	{ "Cookie", take_cookie, 1 << 4 },
	{ "Content-Type", take_content_type, 1 << 5 },
	{ "Origin", take_origin, 1 << 6 },
	{ "Sec-Fetch-Site", take_fetch_site, 1 << 7 },
	{ "If-None-Match", take_if_none_match, 1 << 8 },
	{ "Holdfast-Forwarded", take_forwarded, 1 << 9 },
	{ "Accept-Encoding", take_accept_encoding, 0 },
};

static bool
value_is_clean(const char *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (is_control(v[i]) && v[i] != '\t')
			return false;
	return true;
}

int
request_take_header(struct request *rq, const char *name, const char *value, size_t n,
		    struct err *e)
{
	if (!value_is_clean(value, n))
		return err_set(e, ERR_USAGE, "a header has a control character in it");
	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		if (strcasecmp(name, headers[i].name) != 0)
			continue;
		if (rq->headers_seen & headers[i].bit)
			return err_set(e, ERR_USAGE, "the header %s is there twice",
				       headers[i].name);
		rq->headers_seen |= headers[i].bit;
		if (!headers[i].take(rq, value, n))
			return err_set(e, ERR_USAGE, "the header %s is malformed", headers[i].name);
		return 0;
	}
	return 0;
}

int
request_check_headers(const struct request *rq, struct err *e)
{
	if (!(rq->headers_seen & HEADER_HOST))
		return err_set(e, ERR_USAGE, "the header Host is missing");
	if ((rq->headers_seen & HEADER_LENGTH) && (rq->headers_seen & HEADER_ENCODING))
		return err_set(e, ERR_USAGE,
			       "Content-Length and Transfer-Encoding exclude each other");
	return 0;
}

/* ---- reply ---- */

void
request_header(struct request *rq, const char *name, const char *value)
{
	char *copy = arena_strdup(rq->arena, value);

	assert(rq->nheaders < REQUEST_HEADERS_MAX);
	for (char *p = copy; *p; p++)
		if (is_control(*p))
			*p = '?'; /* no value of whatever origin can begin another header */
	rq->headers[rq->nheaders++] = (struct request_pair){ name, copy };
}

void
request_error(struct request *rq, const struct err *e)
{
	const struct err_info *info = err_info(e->code);
	const char *detail = err_public(e);
	struct json_out w;

	buf_reset(&rq->reply);
	rq->status = info->http;
	rq->reply_type = NULL;
	json_out_init(&w, &rq->reply);
	json_out_object(&w, NULL);
	json_out_object(&w, "error");
	json_out_text(&w, "code", info->name);
	json_out_text(&w, "message", info->text);
	json_out_text(&w, "detail", strcmp(detail, info->text) == 0 ? NULL : detail);
	json_out_end_object(&w);
	json_out_end_object(&w);
}
