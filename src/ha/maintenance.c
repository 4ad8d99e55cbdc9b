/* SPDX-License-Identifier: Apache-2.0 */
#include "ha/maintenance.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/json_out.h"

#define FILE_MAX 512

static bool
is_plain(const char *s)
{
	if (!json_out_is_utf8(s, strlen(s)))
		return false;
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

int
maintenance_parse(const char *order, int64_t now_us, struct maintenance *ret, struct err *e)
{
	struct maintenance m = { .at_us = now_us };
	char *rest = NULL;

	if (strcmp(order, "off") == 0) {
		*ret = m;
		return 0;
	}
	long long ms = strtoll(order, &rest, 10);
	if (rest == order || *rest != ' ' || ms < MAINTENANCE_MIN_MS || ms > MAINTENANCE_MAX_MS)
		return err_set(e, ERR_USAGE, "maintenance lasts from 1min to 7d");
	rest += strspn(rest, " ");
	if (!*rest || strlen(rest) > MAINTENANCE_REASON_MAX || !is_plain(rest))
		return err_set(
			e, ERR_USAGE,
			"say why in one line of at most %d bytes: people read it in the status "
			"and in the log",
			MAINTENANCE_REASON_MAX);
	m.until_us = now_us + ms * 1000;
	snprintf(m.reason, sizeof(m.reason), "%s", rest);
	*ret = m;
	return 0;
}

const struct maintenance *
maintenance_later(const struct maintenance *a, const struct maintenance *b)
{
	return b->at_us > a->at_us ? b : a;
}

/* A clock that was set back must not make it last longer. */
bool
maintenance_is_on(const struct maintenance *m, int64_t now_us)
{
	return m->until_us > now_us && m->until_us - now_us <= MAINTENANCE_MAX_MS * 1000;
}

/* ---- the file: when it was said, until when (or off), why; a line each ---- */

int
maintenance_read(const struct home *h, struct maintenance *ret, struct err *e)
{
	char path[HOME_PATH_MAX], at[64] = "", until[64] = "",
				  reason[MAINTENANCE_REASON_MAX + 1] = "";
	struct maintenance m = { 0 };
	auto_buf text = BUF_INIT;

	home_path(h, HOME_MAINTENANCE, path);
	int rc = home_read_file(path, FILE_MAX, &text, e);
	if (rc && e->sys != ENOENT)
		return rc;
	if (!rc &&
	    (sscanf(buf_str(&text), "%63[^\n]\n%63[^\n]\n%200[^\n]", at, until, reason) < 2 ||
	     clock_parse_iso(at, &m.at_us) ||
	     (strcmp(until, "off") != 0 && clock_parse_iso(until, &m.until_us))))
		return err_set(e, ERR_IO, "%s is damaged", path);
	snprintf(m.reason, sizeof(m.reason), "%s", reason);
	*ret = m;
	return 0;
}

int
maintenance_write(const struct home *h, const struct maintenance *m, struct err *e)
{
	char path[HOME_PATH_MAX], at[CLOCK_ISO_LEN], until[CLOCK_ISO_LEN] = "off";
	auto_buf text = BUF_INIT;

	home_path(h, HOME_MAINTENANCE, path);
	clock_iso(m->at_us, at);
	if (m->until_us)
		clock_iso(m->until_us, until);
	buf_addf(&text, "%s\n%s\n%s\n", at, until, m->reason);
	return home_write_file(path, text.data, text.len, 0600, e);
}

void
maintenance_body(const struct maintenance *m, struct buf *out)
{
	struct json_out w;

	json_out_init(&w, out);
	json_out_object(&w, NULL);
	json_out_time(&w, "until", m->until_us);
	json_out_text(&w, "reason", m->reason);
	json_out_end_object(&w);
}
