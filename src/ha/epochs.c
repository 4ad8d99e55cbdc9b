/* SPDX-License-Identifier: Apache-2.0 */
#include "ha/epochs.h"

#include <errno.h>
#include <string.h>
#include "base/buf.h"

#define FILE_MAX 512
#define VERSION "version 2\n"
#define NONE "-"

/* "NAME EPOCH PROOF", where EPOCH and PROOF may be "-"; of a file of before "NAME EPOCH". */
static int
take_line(char *line, const char *name, bool with_proof, struct epoch_claim *ret, struct err *e)
{
	size_t n = strlen(name);
	char *epoch = line + n + 1, *proof;

	if (strncmp(line, name, n) != 0 || line[n] != ' ')
		return err_set(e, ERR_BAD_FIELD, "the line of \"%s\" is missing", name);
	proof = with_proof ? strchr(epoch, ' ') : NULL;
	if (with_proof && (!proof || !proof[1]))
		return err_set(e, ERR_BAD_FIELD, "the line of \"%s\" names no proof", name);
	if (proof)
		*proof++ = '\0';
	if (!proof || strcmp(proof, NONE) == 0)
		proof = NULL;
	if (strcmp(epoch, NONE) == 0)
		return proof ? err_set(e, ERR_BAD_FIELD, "a proof of no epoch") : 0;
	return epoch_claim_parse(epoch, proof ? proof : "", ret, e);
}

static int
parse(char *text, struct epochs *ret, struct err *e)
{
	bool with_proof = strncmp(text, VERSION, strlen(VERSION)) == 0;
	char *known = text + (with_proof ? strlen(VERSION) : 0);
	char *end = strchr(known, '\n'), *last = end ? strchr(end + 1, '\n') : NULL;
	struct epochs x = { 0 };

	if (!last || last[1])
		return err_set(e, ERR_BAD_FIELD, "it has not the lines that it should have");
	*end = *last = '\0';
	int rc = take_line(known, "known", with_proof, &x.known, e);
	if (!rc)
		rc = take_line(end + 1, "next", with_proof, &x.next, e);
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

static void
add_line(struct buf *b, const char *name, const struct epoch_claim *c)
{
	char epoch[EPOCH_TEXT_MAX], proof[EPOCH_PROOF_TEXT_MAX];

	epoch_text(&c->epoch, epoch);
	epoch_proof_text(c, proof);
	buf_addf(b, "%s %s %s\n", name, epoch[0] ? epoch : NONE, proof[0] ? proof : NONE);
}

int
epochs_write(const struct home *h, const struct epochs *x, struct err *e)
{
	char path[HOME_PATH_MAX];
	auto_buf text = BUF_INIT;

	home_path(h, HOME_EPOCH, path);
	buf_adds(&text, VERSION);
	add_line(&text, "known", &x->known);
	add_line(&text, "next", &x->next);
	return home_write_file(path, text.data, text.len, 0600, e);
}

bool
epochs_hear(struct epochs *x, const struct epoch_claim *heard)
{
	int order = epoch_cmp(&heard->epoch, &x->known.epoch);

	if (order < 0 || (order == 0 && !epoch_has_proof(heard)))
		return false;
	x->known = *heard;
	return order > 0;
}

void
epochs_prepare(struct epochs *x, const struct uuid *self, uint64_t incarnation)
{
	struct epoch *next = &x->next.epoch;

	if (epoch_is_of(next, self) && next->counter > x->known.epoch.counter)
		return;
	x->next = (struct epoch_claim){ .epoch = { .counter = x->known.epoch.counter + 1,
						   .node = *self,
						   .incarnation = incarnation } };
}
