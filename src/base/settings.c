/* SPDX-License-Identifier: Apache-2.0 */
#include "base/settings.h"

#include <assert.h>
#include <errno.h>
#include <ini.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/home.h"
#include "base/log.h"
#include "base/when.h"

#define FILE_MAX_BYTES 65536

struct row {
	const char *name;
	enum settings_kind kind;
	enum settings_when when;
	const char *def;
	int64_t min, max;
	const char *help;
	size_t at;
};

static const struct row rows[] = {
#define SETTING(field, kind, when, def, min, max, help)                                            \
	{ #field, SET_##kind, when, def, min, max, help, offsetof(struct settings, field) },
#include "base/settings.def"
#undef SETTING
};

_Static_assert(ARRAY_LEN(rows) <= 64, "the rows seen are kept in the bits of a word");

static const struct {
	const char *name, *allowed;
} kinds[] = {
	[SET_TEXT] = { "text", "up to 255 printable characters" },
	[SET_SECRET] = { "text", "up to 255 printable characters" },
	[SET_INT] = { "number", "a whole number" },
	[SET_MS] = { "time", "a whole number with " WHEN_UNITS " behind it" },
	[SET_BOOL] = { "yes or no", "true or false" },
	[SET_ADDR] = { "address", "address:port, or [IPv6 address]:port" },
	[SET_LEVEL] = { "level", "error, warning, notice, info or debug" },
	[SET_STANDBY] = { "way", "redirect or forward" },
};

/* A name as the file has it, or as a command line option would: listen, detect-ms. */
static bool
is_name(const char *ours, const char *given)
{
	for (; *ours && *given; ours++, given++) {
		if (*ours != *given && !(*ours == '_' && *given == '-'))
			return false;
	}
	return !*ours && !*given;
}

static const struct row *
find_row(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (is_name(rows[i].name, name))
			return &rows[i];
	}
	return NULL;
}

static void *
field(struct settings *s, const struct row *r)
{
	return (char *)s + r->at;
}

static const void *
field_const(const struct settings *s, const struct row *r)
{
	return (const char *)s + r->at;
}

static size_t
field_bytes(const struct row *r)
{
	switch (r->kind) {
	case SET_INT:
	case SET_MS:
		return sizeof(int64_t);
	case SET_BOOL:
		return sizeof(bool);
	default:
		return SETTINGS_TEXT_MAX;
	}
}

static bool
is_number(const struct row *r)
{
	return r->kind == SET_INT || r->kind == SET_MS;
}

/* Digits and, behind them, what *ret_rest points at. */
static bool
parse_digits(const char *v, int64_t *ret, const char **ret_rest)
{
	int64_t n = 0;
	const char *p = v;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (n > (INT64_MAX - 9) / 10)
			return false;
		n = n * 10 + (*p - '0');
	}
	*ret = n;
	*ret_rest = p;
	return p != v;
}

static bool
set_number(const struct row *r, const char *v, void *at)
{
	int64_t n;
	const char *rest;
	if (r->kind == SET_MS ? when_span(v, &n) != 0 : !parse_digits(v, &n, &rest) || *rest)
		return false;
	if (n < r->min || n > r->max)
		return false;
	memcpy(at, &n, sizeof(n));
	return true;
}

static bool
set_bool(const char *v, void *at)
{
	static const struct {
		const char *name;
		bool is;
	} words[] = { { "true", true },	  { "yes", true }, { "on", true },
		      { "false", false }, { "no", false }, { "off", false } };
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(words[i].name, v) == 0) {
			*(bool *)at = words[i].is;
			return true;
		}
	}
	return false;
}

static bool
set_text(const char *v, void *at)
{
	size_t n = strlen(v);
	if (n >= SETTINGS_TEXT_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)v[i] < 0x20 || v[i] == 0x7f)
			return false;
	}
	memset(at, 0, SETTINGS_TEXT_MAX);
	memcpy(at, v, n);
	return true;
}

/* Length of the host part of "host:port" or "[v6]:port", 0 when it is neither. */
static size_t
host_len(const char *v)
{
	if (v[0] == '[') {
		const char *end = strchr(v, ']');
		size_t n = end ? (size_t)(end - v) : 0;
		return n > 1 && strspn(v + 1, "0123456789abcdefABCDEF:.%") == n - 1 ? n + 1 : 0;
	}
	return strspn(v, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-_");
}

static bool
set_addr(const char *v, void *at)
{
	size_t n = host_len(v);
	int64_t port;
	const char *rest;
	if (!n || v[n] != ':' || !parse_digits(v + n + 1, &port, &rest) || *rest)
		return false;
	return port >= 1 && port <= 65535 && set_text(v, at);
}

static bool
set_level(const char *v, void *at)
{
	enum log_level level;
	return log_level_parse(v, &level) == 0 && set_text(v, at);
}

static bool
set_standby(const char *v, void *at)
{
	return (strcmp(v, "redirect") == 0 || strcmp(v, "forward") == 0) && set_text(v, at);
}

static bool
set_row(struct settings *s, const struct row *r, const char *v)
{
	void *at = field(s, r);
	switch (r->kind) {
	case SET_TEXT:
	case SET_SECRET:
		return set_text(v, at);
	case SET_INT:
	case SET_MS:
		return set_number(r, v, at);
	case SET_BOOL:
		return set_bool(v, at);
	case SET_ADDR:
		return set_addr(v, at);
	case SET_LEVEL:
		return set_level(v, at);
	case SET_STANDBY:
		return set_standby(v, at);
	}
	return false;
}

/* With its unit when it is a time. */
static void
write_number(const struct row *r, int64_t v, char ret[static WHEN_SPAN_LEN])
{
	if (r->kind == SET_MS)
		when_span_text(v, ret);
	else
		snprintf(ret, WHEN_SPAN_LEN, "%" PRId64, v);
}

static void
add_allowed(struct buf *b, const struct row *r)
{
	buf_adds(b, kinds[r->kind].allowed);
	if (!is_number(r))
		return;
	char min[WHEN_SPAN_LEN], max[WHEN_SPAN_LEN];
	write_number(r, r->min, min);
	write_number(r, r->max, max);
	buf_addf(b, ", %s to %s", min, max);
}

/* The default as it is best written. */
static const char *
default_text(const struct row *r, char room[static WHEN_SPAN_LEN])
{
	int64_t ms = 0;
	if (r->kind != SET_MS || when_span(r->def, &ms))
		return r->def;
	when_span_text(ms, room);
	return room;
}

int
settings_set(struct settings *s, const char *name, const char *value, struct err *e)
{
	const struct row *r = find_row(name);
	if (!r)
		return err_set(e, ERR_USAGE,
			       "there is no setting called %.64s; docs/settings.md lists them all",
			       name);
	if (set_row(s, r, value))
		return 0;
	auto_buf allowed = BUF_INIT;
	add_allowed(&allowed, r);
	return err_set(e, ERR_USAGE, "%s cannot be \"%.64s\"; allowed: %s", r->name, value,
		       buf_str(&allowed));
}

void
settings_defaults(struct settings *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bool good = set_row(ret, &rows[i], rows[i].def);
		assert(good);
	}
}

/* A text being read, line by line, by the INI parser. */
struct reading {
	const char *p;
	size_t left;
	int line;
	uint64_t seen;
	struct settings next;
	int failed; /* code of the first error */
	struct err *e;
};

/* The parser does not say which line it is at and cuts long ones; this reader knows. */
static char *
read_line(char *to, int room, void *arg)
{
	struct reading *g = arg;
	if (!g->left || g->failed || room < 2)
		return NULL;
	g->line++;
	const char *end = memchr(g->p, '\n', g->left);
	size_t n = end ? (size_t)(end - g->p) + 1 : g->left;
	if (n > (size_t)room - 1 || memchr(g->p, '\0', n)) {
		g->failed = err_set(g->e, ERR_USAGE,
				    "line %d is too long (%d characters at most) or no text",
				    g->line, room - 2);
		return NULL;
	}
	memcpy(to, g->p, n);
	to[n] = '\0';
	g->p += n;
	g->left -= n;
	return to;
}

static int
take_value(struct reading *g, const char *section, const char *name, const char *value)
{
	if (section[0])
		return err_set(g->e, ERR_USAGE, "there is no section [%.64s]: settings stand alone",
			       section);
	int r = settings_set(&g->next, name, value, g->e);
	if (r)
		return r;
	const struct row *row = find_row(name);
	uint64_t bit = 1ULL << (row - rows);
	if (g->seen & bit)
		return err_set(g->e, ERR_USAGE, "%s is set a second time", row->name);
	g->seen |= bit;
	return 0;
}

static int
on_value(void *arg, const char *section, const char *name, const char *value)
{
	struct reading *g = arg;
	if (g->failed)
		return 0;
	g->failed = take_value(g, section, name, value);
	if (g->failed)
		(void)err_prefix(g->e, "line %d: ", g->line);
	return !g->failed;
}

static int
read_text(struct reading *g, const char *text, size_t n, struct err *e)
{
	*g = (struct reading){ .p = text, .left = n, .e = e };
	settings_defaults(&g->next);
	int line = ini_parse_stream(read_line, g, on_value, g);
	if (g->failed)
		return g->failed;
	if (line)
		return err_set(e, ERR_USAGE, "line %d is not understood; a line is: name = value",
			       line);
	return 0;
}

int
settings_parse(const char *text, size_t n, struct settings *ret, struct err *e)
{
	struct reading g;
	int r = read_text(&g, text, n, e);
	if (!r)
		*ret = g.next;
	return r;
}

/* What every file has that was made with its node. */
#define ALWAYS "name"

/* A file without it is not the one that was made: the defaults in its place would switch off what an administrator switched
 * on. */
static int
not_whole(const char *path, const char *what, struct err *e)
{
	return err_set(e, ERR_PRECONDITION,
		       "the settings %s %s. They are not taken for the defaults: put the file back "
		       "(a copy of it is in each backup), or write it anew, at least the line "
		       "\"" ALWAYS
		       " = \" and this node's name as in conf/node.conf; `holdfast docs "
		       "settings` lists all",
		       path, what);
}

static bool
is_set(const struct reading *g, const char *name)
{
	return g->seen & (1ULL << (find_row(name) - rows));
}

int
settings_load(const char *path, struct settings *ret, struct err *e)
{
	auto_buf text = BUF_INIT;
	struct err why = { 0 };
	struct reading g;
	int r = home_read_file(path, FILE_MAX_BYTES, &text, &why);
	if (r && why.sys == ENOENT)
		return not_whole(path, "are missing", e);
	if (r) {
		*e = why;
		return r;
	}
	if (strspn(buf_str(&text), " \t\r\n") == text.len)
		return not_whole(path, "are empty", e);
	if (memchr(text.data, '\0', text.len))
		return not_whole(path, "are damaged: they are no text", e);
	r = read_text(&g, buf_str(&text), text.len, e);
	if (r)
		return err_prefix(e, "%s: ", path);
	if (!is_set(&g, ALWAYS))
		return not_whole(path, "do not say " ALWAYS ": the file is damaged, or cut", e);
	*ret = g.next;
	return 0;
}

void
settings_reload(struct settings *s, const struct settings *next, struct buf *ret_restart)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		if (memcmp(field_const(s, r), field_const(next, r), field_bytes(r)) == 0)
			continue;
		if (r->when == SET_RELOAD)
			memcpy(field(s, r), field_const(next, r), field_bytes(r));
		else
			buf_addf(ret_restart, "%s%s", ret_restart->len ? ", " : "", r->name);
	}
}

void
settings_write_sample(struct buf *out)
{
	buf_adds(out, "# Settings of this node. A line without # counts; what is not set has the "
		      "value shown. "
		      "A time without a unit is in milliseconds.\n");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		char def[WHEN_SPAN_LEN];
		buf_addf(out, "\n# %s\n# Allowed: ", r->help);
		add_allowed(out, r);
		buf_addf(out, ". Counts %s.\n#%s = %s\n",
			 r->when == SET_RELOAD ? "from the next reload (SIGHUP) on"
					       : "from the next start on",
			 r->name, default_text(r, def));
	}
}

void
settings_write_markdown(struct buf *out)
{
	buf_adds(out,
		 "# Settings\n\n"
		 "`conf/holdfast.conf` in the home folder: one `name = value` a line, `#` begins "
		 "a comment. SIGHUP reads it again: what counts at `reload` is in force at once. "
		 "An unknown or doubled name and a value out of bounds are refused with their "
		 "line; so is a file that is missing, empty or without `name`: it is not the one "
		 "that init wrote. A time without a unit is in milliseconds.\n\n"
		 "| name | default | allowed | counts | what it is |\n"
		 "|---|---|---|---|---|\n");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		char def[WHEN_SPAN_LEN];
		if (r->def[0])
			buf_addf(out, "| `%s` | `%s` | ", r->name, default_text(r, def));
		else
			buf_addf(out, "| `%s` | (empty) | ", r->name);
		add_allowed(out, r);
		buf_addf(out, " | %s | %s |\n", r->when == SET_RELOAD ? "reload" : "start",
			 r->help);
	}
}

static void
write_value(const struct settings *s, const struct row *r, struct json_out *out)
{
	const void *at = field_const(s, r);
	char text[WHEN_SPAN_LEN];
	if (r->kind == SET_SECRET) {
		json_out_null(out, "value");
	} else if (r->kind == SET_BOOL) {
		json_out_text(out, "value", *(const bool *)at ? "true" : "false");
	} else if (is_number(r)) {
		write_number(r, *(const int64_t *)at, text);
		json_out_text(out, "value", text);
	} else {
		json_out_text(out, "value", at);
	}
}

void
settings_write_json(const struct settings *s, const char *name, struct json_out *out)
{
	struct settings made;
	settings_defaults(&made);
	json_out_array(out, name);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		auto_buf allowed = BUF_INIT;
		char def[WHEN_SPAN_LEN];
		add_allowed(&allowed, r);
		json_out_object(out, NULL);
		json_out_text(out, "name", r->name);
		write_value(s, r, out);
		json_out_text(out, "default", default_text(r, def));
		json_out_text(out, "allowed", buf_str(&allowed));
		json_out_text(out, "counts", r->when == SET_RELOAD ? "reload" : "start");
		json_out_text(out, "help", r->help);
		json_out_bool(out, "secret", r->kind == SET_SECRET);
		json_out_bool(out, "changed",
			      memcmp(field_const(s, r), field_const(&made, r), field_bytes(r)) !=
				      0);
		json_out_end_object(out);
	}
	json_out_end_array(out);
}
