/* SPDX-License-Identifier: Apache-2.0 */
#include "ha/epochs.h"

#include <errno.h>
#include <string.h>
#include "base/buf.h"

#define FILE_MAX 256
#define NONE "-"

static int
take_line(char *line, const char *name, struct epoch *ret, struct err *e)
{
	size_t n = strlen(name);

	if (strncmp(line, name, n) != 0 || line[n] != ' ')
		return err_set(e, ERR_BAD_FIELD, "the line of \"%s\" is missing", name);
	if (strcmp(line + n + 1, NONE) == 0)
		return 0;
	return epoch_parse(line + n + 1, ret, e);
}

static int
parse(char *text, struct epochs *ret, struct err *e)
{
	char *end = strchr(text, '\n'), *last = end ? strchr(end + 1, '\n') : NULL;
	struct epochs x = { 0 };

	if (!last || last[1])
		return err_set(e, ERR_BAD_FIELD, "it has not two lines");
	*end = *last = '\0';
	int rc = take_line(text, "known", &x.known, e);
	if (!rc)
		rc = take_line(end + 1, "next", &x.next, e);
	if (!rc)
		*ret = x;
	return rc;
}

int
epochs_read(const struct home *h, struct epochs *ret, struct err *e)
{
	char path[HOME_PATH_MAX];
	auto_buf text = BUF_INIT;

	*ret = (struct epochs){ 0 };
	home_path(h, HOME_EPOCH, path);
	int rc = home_read_file(path, FILE_MAX, &text, e);
	if (rc)
		return e->sys == ENOENT ? 0 : rc;
	if (strlen(buf_str(&text)) != text.len)
		rc = err_set(e, ERR_BAD_FIELD, "it is no text");
	if (!rc)
		rc = parse(text.data, ret, e);
	if (!rc)
		return 0;
	err_prefix(e, "%s is damaged: ", path);
	e->code = ERR_IO;
	return ERR_IO;
}

static const char *
text_of(const struct epoch *x, char ret[static EPOCH_TEXT_MAX])
{
	epoch_text(x, ret);
	return ret[0] ? ret : NONE;
}

int
epochs_write(const struct home *h, const struct epochs *x, struct err *e)
{
	char path[HOME_PATH_MAX], known[EPOCH_TEXT_MAX], next[EPOCH_TEXT_MAX];
	auto_buf text = BUF_INIT;

	home_path(h, HOME_EPOCH, path);
	buf_addf(&text, "known %s\nnext %s\n", text_of(&x->known, known), text_of(&x->next, next));
	return home_write_file(path, text.data, text.len, 0600, e);
}

bool
epochs_hear(struct epochs *x, const struct epoch *heard)
{
	if (!epoch_is_later(heard, &x->known))
		return false;
	x->known = *heard;
	return true;
}

void
epochs_prepare(struct epochs *x, const struct uuid *self)
{
	if (epoch_is_of(&x->next, self) && x->next.counter > x->known.counter)
		return;
	x->next = (struct epoch){ .counter = x->known.counter + 1, .node = *self };
}
