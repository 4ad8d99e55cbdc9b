/* SPDX-License-Identifier: Apache-2.0 */
#include "ha/rejoin.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/fault.h"
#include "base/json_out.h"
#include "http/json.h"

#define FILE_MAX 4096

static const char *const ways[] = {
	[REJOIN_REWIND] = "rewind",	  [REJOIN_HANDOVER] = "handover", [REJOIN_SWAP] = "swap",
	[REJOIN_SWAP_KEPT] = "swap-kept", [REJOIN_COPY] = "copy",
};

struct words {
	const char *way, *host, *slot;
	int64_t port;
};

static const struct jfield fields[] = {
	{ "way", JTEXT, JREQUIRED, offsetof(struct words, way), 16 },
	{ "host", JTEXT, JREQUIRED, offsetof(struct words, host), 255 },
	{ "port", JINT, JREQUIRED, offsetof(struct words, port), 65535 },
	{ "slot", JTEXT, JREQUIRED, offsetof(struct words, slot), 63 },
	{ 0 },
};

int
rejoin_write(const struct home *h, const struct rejoin *r, struct err *e)
{
	char path[HOME_PATH_MAX];
	auto_buf text = BUF_INIT;
	struct json_out w;

	json_out_init(&w, &text);
	json_out_object(&w, NULL);
	json_out_text(&w, "way", ways[r->way]);
	json_out_text(&w, "host", r->primary.host);
	json_out_int(&w, "port", r->primary.port);
	json_out_text(&w, "slot", r->primary.slot);
	json_out_end_object(&w);
	home_path(h, HOME_REPLICATION, path);
	int rc = home_mkdirs(path, 0700, e);
	home_path(h, HOME_REJOIN, path);
	return rc ? rc : home_write_file(path, text.data, text.len, 0600, e);
}

static int
way_by_name(const char *name, enum rejoin_way *ret, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		if (strcmp(ways[i], name) == 0) {
			*ret = (enum rejoin_way)i;
			return 0;
		}
	}
	return err_set(e, ERR_BAD_FIELD, "way: \"%s\" is not known", name);
}

int
rejoin_read(const struct home *h, struct rejoin *ret, struct err *e)
{
	char path[HOME_PATH_MAX];
	auto_buf text = BUF_INIT;
	auto_arena a = arena_new();
	struct words w = { 0 };
	uint64_t seen;

	home_path(h, HOME_REJOIN, path);
	if (!rejoin_waits(h))
		return err_set(e, ERR_NOT_FOUND, "%s is not there", path);
	int rc = home_read_file(path, FILE_MAX, &text, e);
	if (rc == 0)
		rc = json_parse_body(buf_str(&text), text.len, fields, &w, &seen, a, e);
	if (rc == 0)
		rc = way_by_name(w.way, &ret->way, e);
	if (rc)
		return err_prefix(e, "%s: ", path);
	snprintf(ret->primary.host, sizeof(ret->primary.host), "%s", w.host);
	snprintf(ret->primary.slot, sizeof(ret->primary.slot), "%s", w.slot);
	ret->primary.port = (int)w.port;
	return 0;
}

bool
rejoin_waits(const struct home *h)
{
	return home_has(h, HOME_REJOIN);
}

static int
remove_file(const struct home *h, enum home_path p, struct err *e)
{
	char path[HOME_PATH_MAX];

	home_path(h, p, path);
	if (FAULT(FILE_REMOVE, -1, unlink(path)) < 0 && errno != ENOENT)
		return err_errno(e, ERR_IO, "cannot remove %s", path);
	return 0;
}

int
rejoin_remove(const struct home *h, struct err *e)
{
	int rc = remove_file(h, HOME_COPYING, e);

	return rc ? rc : remove_file(h, HOME_REJOIN, e);
}

int
rejoin_copy_begin(const struct home *h, struct err *e)
{
	char path[HOME_PATH_MAX];

	home_path(h, HOME_REPLICATION, path);
	int rc = home_mkdirs(path, 0700, e);
	home_path(h, HOME_COPYING, path);
	return rc ? rc : home_write_file(path, "", 0, 0600, e);
}

bool
rejoin_copy_waits(const struct home *h)
{
	return home_has(h, HOME_COPYING);
}

void
rejoin_tell(const struct home *h, const char *text, int percent)
{
	char path[HOME_PATH_MAX];
	auto_buf line = BUF_INIT;
	struct err ignored;

	home_path(h, HOME_PROGRESS, path);
	if (!text[0]) {
		unlink(path);
		return;
	}
	buf_adds(&line, text);
	if (percent >= 0)
		buf_addf(&line, ", %d %%", percent);
	if (home_write_file(path, line.data, line.len, 0600, &ignored))
		unlink(path);
}

void
rejoin_told(const struct home *h, char *ret, size_t room)
{
	char path[HOME_PATH_MAX];
	auto_buf text = BUF_INIT;
	struct err ignored;

	ret[0] = '\0';
	home_path(h, HOME_PROGRESS, path);
	if (home_has(h, HOME_PROGRESS) && home_read_file(path, FILE_MAX, &text, &ignored) == 0)
		text_fit(ret, room, "%s", buf_str(&text));
}
