/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/settings.h"

static int
parse(const char *text, struct settings *s, struct err *e)
{
	return settings_parse(text, strlen(text), s, e);
}

static void
defaults_are_the_tables(void **state)
{
	struct settings s;
	settings_defaults(&s);
	assert_string_equal(s.listen, "0.0.0.0:7272");
	assert_int_equal(s.detect_ms, 3000);
	assert_false(s.reason_required);
	assert_string_equal(s.log_level, "info");
	assert_string_equal(s.standby, "redirect");
}

static void
the_sample_parses_back(void **state)
{
	auto_buf sample = BUF_INIT;
	struct settings s, defaults;
	struct err e = { 0 };
	settings_defaults(&defaults);
	settings_write_sample(&sample);
	assert_int_equal(parse(buf_str(&sample), &s, &e), 0);
	assert_memory_equal(&s, &defaults, sizeof(s));
	/* And with every line made to count: "#name = value". */
	auto_buf live = BUF_INIT;
	int lines = 0;
	for (char *l = sample.data, *end; (end = strchr(l, '\n')); l = end + 1) {
		bool counts = l[0] == '#' && l[1] != ' ';
		lines += counts;
		buf_add(&live, l + counts, (size_t)(end - l) + 1 - counts);
	}
	const int rows = 0
#define SETTING(...) +1
#include "base/settings.def"
#undef SETTING
		;
	assert_int_equal(lines, rows);
	memset(&s, 0xff, sizeof(s));
	assert_int_equal(parse(buf_str(&live), &s, &e), 0);
	assert_memory_equal(&s, &defaults, sizeof(s));
}

static void
values_are_taken(void **state)
{
	struct settings s;
	struct err e = { 0 };
	assert_int_equal(parse("# a comment\n"
			       "name = vault.example.com\n"
			       "listen=[::1]:443\n"
			       "detect_ms = 5s\n"
			       "session_idle = 30m ; half an hour\n"
			       "probe_ms = 250ms\r\n"
			       "session_max = 2d\n"
			       "sync_timeout = 1500\n"
			       "reason_required = yes\n"
			       "standby = forward\n"
			       "log_level = debug",
			       &s, &e),
			 0);
	assert_string_equal(s.name, "vault.example.com");
	assert_string_equal(s.listen, "[::1]:443");
	assert_int_equal(s.detect_ms, 5000);
	assert_int_equal(s.session_idle, 1800000);
	assert_int_equal(s.probe_ms, 250);
	assert_true(s.reason_required);
	assert_string_equal(s.log_level, "debug");
	assert_string_equal(s.standby, "forward");
	assert_int_equal(s.session_max, 172800000);
	assert_int_equal(s.sync_timeout, 1500);
}

static const struct {
	const char *text, *says;
} refused[] = {
	{ "\n\nlissten = 1.2.3.4:5\n", "line 3: there is no setting called lissten" },
	{ "detect_ms = 5s\nname = a\ndetect-ms = 5s\n", "line 3: detect_ms is set a second time" },
	{ "detect_ms = 5s\n  6s\n", "line 2: detect_ms is set a second time" },
	{ "detect_ms = 1\n", "allowed: a whole number with ms, s, min, h or d behind it, 500ms to "
			     "10min" },
	{ "detect_ms = 99999999999999999999\n", "line 1: detect_ms cannot be" },
	{ "detect_ms = 9223372036854775807h\n", "line 1: detect_ms cannot be" },
	{ "detect_ms = \n", "line 1: detect_ms cannot be" },
	{ "detect_ms = -5\n", "line 1: detect_ms cannot be" },
	{ "lockout_after = 5s\n", "line 1: lockout_after cannot be" },
	{ "reason_required = maybe\n", "allowed: true or false" },
	{ "listen = 7272\n", "allowed: address:port" },
	{ "listen = :7272\n", "listen cannot be" },
	{ "listen = 1.2.3.4:0\n", "listen cannot be" },
	{ "listen = 1.2.3.4:65536\n", "listen cannot be" },
	{ "listen = [::1:7272\n", "listen cannot be" },
	{ "listen = [::1]7272\n", "listen cannot be" },
	{ "listen = []:7272\n", "listen cannot be" },
	{ "listen = a b:7272\n", "listen cannot be" },
	{ "name = a\x01"
	  "b\n",
	  "name cannot be" },
	{ "log_level = loud\n", "error, warning, notice, info or debug" },
	{ "standby = maybe\n", "redirect or forward" },
	{ "[server]\nname = a\n", "line 2: there is no section [server]" },
	{ "name = a\nnonsense\n", "line 2 is not understood" },
	{ "[broken\n", "line 1 is not understood" },
};

static void
what_is_wrong_is_refused_with_its_line(void **state)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		struct settings s, before;
		struct err e = { 0 };
		memset(&s, 0x5a, sizeof(s));
		before = s;
		int r = parse(refused[i].text, &s, &e);
		if (r != ERR_USAGE || !strstr(e.text, refused[i].says))
			print_error("%s → %d %s\n", refused[i].text, r, e.text);
		assert_int_equal(r, ERR_USAGE);
		assert_non_null(strstr(e.text, refused[i].says));
		assert_memory_equal(&s, &before, sizeof(s));
	}
}

static void
long_lines_and_nul_bytes_are_refused(void **state)
{
	struct settings s;
	struct err e = { 0 };
	char text[600] = "name = a\nmetrics_token = ";
	memset(text + strlen(text), 'x', 500);
	assert_int_equal(parse(text, &s, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "line 2 is too long"));
	assert_int_equal(settings_parse("name = a\0b\n", 11, &s, &e), ERR_USAGE);
	assert_int_equal(settings_parse(NULL, 0, &s, &e), 0);
}

static void
files_are_read(void **state)
{
	char path[] = "/tmp/hf-settings-XXXXXX";
	struct settings s;
	struct err e = { 0 };
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "name = a.example\nmax_connections = 50\n", 38), 38);
	assert_int_equal(settings_load(path, &s, &e), 0);
	assert_int_equal(s.max_connections, 50);
	assert_int_equal(write(fd, "bad = 1\n", 8), 8);
	close(fd);
	assert_int_equal(settings_load(path, &s, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, path));
	assert_non_null(strstr(e.text, "line 3"));
	unlink(path);
	assert_int_equal(settings_load("/tmp", &s, &e), ERR_IO);
}

/* Absent is not empty, and neither is a node's settings: what was switched on is not switched off by a lost file. */
static void
a_file_that_init_did_not_make_is_refused(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		const char *said;
	} rows[] = {
		{ "", 0, "are empty" },
		{ "\n \n", 3, "are empty" },
		{ "\0\0\0", 3, "no text" },
		{ "# Settings of this node.\n", 25, "do not say name" },
		{ "reason_required = true\n", 23, "do not say name" },
		{ NULL, 0, "are missing" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char path[] = "/tmp/hf-settings-XXXXXX";
		struct settings s = { .max_connections = 7 };
		struct err e = { 0 };
		int fd = mkstemp(path);
		assert_true(fd >= 0);
		assert_int_equal(write(fd, rows[i].text ? rows[i].text : "", rows[i].n), rows[i].n);
		close(fd);
		if (!rows[i].text)
			unlink(path);
		assert_int_equal(settings_load(path, &s, &e), ERR_PRECONDITION);
		assert_non_null(strstr(e.text, path));
		assert_non_null(strstr(e.text, rows[i].said));
		assert_non_null(strstr(e.text, "conf/node.conf"));
		assert_int_equal(s.max_connections, 7);
		unlink(path);
	}
}

static void
reload_takes_what_may_change(void **state)
{
	struct settings s, next;
	struct err e = { 0 };
	auto_buf restart = BUF_INIT;
	settings_defaults(&s);
	settings_defaults(&next);
	assert_int_equal(settings_set(&next, "detect-ms", "9s", &e), 0);
	assert_int_equal(settings_set(&next, "listen", "1.2.3.4:5", &e), 0);
	assert_int_equal(settings_set(&next, "max_connections", "77", &e), 0);
	settings_reload(&s, &next, &restart);
	assert_int_equal(s.detect_ms, 9000);
	assert_string_equal(s.listen, "0.0.0.0:7272");
	assert_string_equal(buf_str(&restart), "listen, max_connections");
}

static void
markdown_names_every_setting(void **state)
{
	auto_buf md = BUF_INIT;
	settings_write_markdown(&md);
#define SETTING(field, kind, when, def, min, max, help)                                            \
	assert_non_null(strstr(buf_str(&md), "| `" #field "` |"));                                 \
	assert_non_null(strstr(buf_str(&md), help));
#include "base/settings.def"
#undef SETTING
}

/* The whole table, and no secret. */
static void
json_has_every_setting_and_no_secret(void **state)
{
	struct settings s;
	struct err e = { 0 };
	auto_buf text = BUF_INIT;
	struct json_out w;
	settings_defaults(&s);
	assert_int_equal(settings_set(&s, "metrics_token", "tell-nobody", &e), 0);
	assert_int_equal(settings_set(&s, "alert_webhook", "https://a/tell-nobody", &e), 0);
	assert_int_equal(settings_set(&s, "detect_ms", "5000", &e), 0);
	assert_int_equal(settings_set(&s, "sync_timeout", "2000", &e), 0);
	json_out_init(&w, &text);
	json_out_object(&w, NULL);
	settings_write_json(&s, "settings", &w);
	json_out_end_object(&w);
	const char *said = buf_str(&text);
#define SETTING(field, kind, when, def, min, max, help)                                            \
	assert_non_null(strstr(said, "{\"name\":\"" #field "\","));
#include "base/settings.def"
#undef SETTING
	assert_null(strstr(said, "tell-nobody"));
	assert_non_null(strstr(said, "\"detect_ms\",\"value\":\"5s\",\"default\":\"3s\""));
	assert_non_null(strstr(said, "\"metrics_token\",\"value\":null,\"default\":\"\""));
	const char *same = strstr(said, "\"sync_timeout\"");
	assert_non_null(strstr(same, "\"secret\":false,\"changed\":false}"));
	assert_true(strstr(same, "\"changed\":false}") < strchr(same, '}'));
	const char *token = strstr(said, "\"metrics_token\"");
	assert_true(strstr(token, "\"secret\":true,\"changed\":true}") < strchr(token, '}'));
}

/* "12h", not "43200000". */
static void
no_time_is_shown_without_its_unit(void **state)
{
	auto_buf md = BUF_INIT, sample = BUF_INIT;
	settings_write_markdown(&md);
	settings_write_sample(&sample);
#define CHECK_TEXT(f) (void)0
#define CHECK_SECRET(f) (void)0
#define CHECK_ADDR(f) (void)0
#define CHECK_LEVEL(f) (void)0
#define CHECK_STANDBY(f) (void)0
#define CHECK_INT(f) (void)0
#define CHECK_BOOL(f) (void)0
#define CHECK_MS(f)                                                                                \
	do {                                                                                       \
		const char *row =                                                                  \
			strstr(buf_str(&md), "| `" #f "` | `") + strlen("| `" #f "` | `");         \
		const char *line = strstr(buf_str(&sample), "\n#" #f " = ");                       \
		size_t n = strcspn(row, "`");                                                      \
		assert_true(strchr("sdhn", row[n - 1]) || strncmp(row, "0`", 2) == 0);             \
		assert_non_null(line);                                                             \
		line += strlen("\n#" #f " = ");                                                    \
		assert_int_equal(strncmp(line, row, n), 0);                                        \
		assert_non_null(strstr(row, " with ms, s, min, h or d behind it, "));              \
	} while (0)
#define SETTING(field, kind, when, def, min, max, help) CHECK_##kind(field);
#include "base/settings.def"
#undef SETTING
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_the_tables),
		cmocka_unit_test(the_sample_parses_back),
		cmocka_unit_test(values_are_taken),
		cmocka_unit_test(what_is_wrong_is_refused_with_its_line),
		cmocka_unit_test(long_lines_and_nul_bytes_are_refused),
		cmocka_unit_test(files_are_read),
		cmocka_unit_test(a_file_that_init_did_not_make_is_refused),
		cmocka_unit_test(reload_takes_what_may_change),
		cmocka_unit_test(markdown_names_every_setting),
		cmocka_unit_test(json_has_every_setting_and_no_secret),
		cmocka_unit_test(no_time_is_shown_without_its_unit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
