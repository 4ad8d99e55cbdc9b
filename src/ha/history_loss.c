/* SPDX-License-Identifier: Apache-2.0 */
#include "ha/history_loss.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/buf.h"

#define FILE_MAX 256

static int
parse(const char *text, struct history_loss *ret, struct err *e)
{
	char by[UUID_STR_LEN] = "", parted[4] = "";
	struct history_loss l = { 0 };
	int end = 0;

	if (sscanf(text, "by %36s\nthere %" SCNd64 "\nhere %" SCNd64 "\nparted %3[yesno]\n%n", by,
		   &l.there, &l.here, parted, &end) != 4 ||
	    text[end] || uuid_parse(by, &l.by) || l.there <= 0 || l.here < 0)
		return err_set(e, ERR_BAD_FIELD, "it does not say what is lost");
	l.parted = strcmp(parted, "yes") == 0;
	if (!l.parted && strcmp(parted, "no") != 0)
		return err_set(e, ERR_BAD_FIELD, "it does not say whether the logs parted");
	*ret = l;
	return 0;
}

int
history_loss_read(const struct home *h, struct history_loss *ret, struct err *e)
{
	char path[HOME_PATH_MAX];
	auto_buf text = BUF_INIT;

	*ret = (struct history_loss){ 0 };
	home_path(h, HOME_BEHIND, path);
	int rc = home_read_file(path, FILE_MAX, &text, e);
	if (rc)
		return e->sys == ENOENT ? 0 : rc;
	if (strlen(buf_str(&text)) != text.len)
		rc = err_set(e, ERR_BAD_FIELD, "it is no text");
	if (!rc)
		rc = parse(buf_str(&text), ret, e);
	if (!rc)
		return 0;
	err_prefix(e, "%s is damaged: ", path);
	e->code = ERR_IO;
	return ERR_IO;
}

int
history_loss_write(const struct home *h, const struct history_loss *l, struct err *e)
{
	char path[HOME_PATH_MAX], by[UUID_STR_LEN];
	auto_buf text = BUF_INIT;

	home_path(h, HOME_BEHIND, path);
	if (!l->there) {
		if (unlink(path) == 0)
			return home_sync_name(path, e);
		return errno == ENOENT ? 0 : err_errno(e, ERR_IO, "cannot remove %s", path);
	}
	uuid_str(&l->by, by);
	buf_addf(&text, "by %s\nthere %" PRId64 "\nhere %" PRId64 "\nparted %s\n", by, l->there,
		 l->here, l->parted ? "yes" : "no");
	return home_write_file(path, text.data, text.len, 0600, e);
}

bool
history_loss_eq(const struct history_loss *a, const struct history_loss *b)
{
	return uuid_eq(&a->by, &b->by) && a->there == b->there && a->here == b->here &&
	       a->parted == b->parted;
}

void
history_loss_say(const struct history_loss *l, const char *by_name, char *ret, size_t room)
{
	if (!by_name)
		snprintf(ret, room,
			 "this node remembers event %" PRId64 " of its log, which ends at event "
			 "%" PRId64 "; no other node could be asked",
			 l->there, l->here);
	else
		snprintf(ret, room,
			 "%.100s has its events up to %" PRId64 ", its own log %s event %" PRId64,
			 by_name, l->there, l->parted ? "is another one at" : "ends at", l->here);
}
