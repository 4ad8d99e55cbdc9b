/* SPDX-License-Identifier: Apache-2.0
 *
 * conf/holdfast.conf. Each row of base/settings.def yields parser, default, check, reload rule,
 * --help text, docs/settings.md and sample file. Every process reads it at its start; SIGHUP reads
 * it again: a row with SET_START keeps its old value until a restart, and the log says so.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/json_out.h"

#define SETTINGS_TEXT_MAX 256

enum settings_kind {
	SET_TEXT,
	SET_SECRET /* a text that is shown to nobody */,
	SET_INT,
	SET_MS,
	SET_BOOL,
	SET_ADDR /* host:port, [v6]:port */,
	SET_LEVEL /* of the log */,
	SET_STANDBY /* redirect or forward */
};
enum settings_when { SET_START, SET_RELOAD };

/* SETTING(field, kind, when, "default", min, max, "help") — TEXT/SECRET/ADDR/LEVEL/STANDBY fields are char[256], INT/MS int64_t, BOOL bool. */
struct settings {
#define SETTING_TEXT(f) char f[SETTINGS_TEXT_MAX];
#define SETTING_SECRET(f) char f[SETTINGS_TEXT_MAX];
#define SETTING_ADDR(f) char f[SETTINGS_TEXT_MAX];
#define SETTING_LEVEL(f) char f[SETTINGS_TEXT_MAX];
#define SETTING_STANDBY(f) char f[SETTINGS_TEXT_MAX];
#define SETTING_INT(f) int64_t f;
#define SETTING_MS(f) int64_t f;
#define SETTING_BOOL(f) bool f;
#define SETTING(field, kind, when, def, min, max, help) SETTING_##kind(field)
#include "base/settings.def"
#undef SETTING
};

void settings_defaults(struct settings *ret) NONNULL;
/* Reads a node's file over the defaults. Refuses unknown or duplicate names and bad values, with
 * the line and what is allowed; and (ERR_PRECONDITION) a file that is missing, empty or lacks what
 * init always writes: it is not the one that init made. ret is untouched on error. */
int settings_load(const char *path, struct settings *ret, struct err *e) NONNULL MUST_USE;
/* The same from n bytes of text, which may be empty. */
int settings_parse(const char *text, size_t n, struct settings *ret, struct err *e) MUST_USE;
/* Sets one by name, for the command line: "--listen". */
int settings_set(struct settings *s, const char *name, const char *value,
		 struct err *e) NONNULL MUST_USE;
/* Copies what may change at run time from `next` to `s`; appends the names of changed SET_START rows to ret_restart. */
void settings_reload(struct settings *s, const struct settings *next,
		     struct buf *ret_restart) NONNULL;
void settings_write_sample(struct buf *out) NONNULL;   /* the commented sample file */
void settings_write_markdown(struct buf *out) NONNULL; /* docs/settings.md */
/* The whole table with the values of s, but for secrets: [{"name","value","default","allowed","counts","help","secret","changed"}] as a member of that name. */
void settings_write_json(const struct settings *s, const char *name, struct json_out *out) NONNULL;
