/* SPDX-License-Identifier: Apache-2.0 */
#include "ha/history_kept.h"

#include <string.h>
#include <unistd.h>
#include "store/journal.h"

static void
path_of(const struct home *h, const struct uuid *self, const struct uuid *chain,
	char ret[static HOME_PATH_MAX])
{
	char id[UUID_STR_LEN], file[UUID_STR_LEN + 16];

	home_path(h, HOME_JOURNAL, ret);
	if (uuid_eq(chain, self))
		return;
	uuid_str(chain, id);
	snprintf(file, sizeof(file), "journal-%s.db", id);
	char *name = strrchr(ret, '/') + 1;
	snprintf(name, HOME_PATH_MAX - (size_t)(name - ret), "%s", file);
}

/* The row behind a place, if it is the one of that number and, where a hash is named, of that hash. */
struct wanted {
	int64_t seq;
	const uint8_t *hash; /* NULL: any */
	bool found;
};

static int
look(void *ctx, const struct journal_row *row)
{
	struct wanted *w = ctx;

	w->found = row->seq == w->seq &&
		   (!w->hash || memcmp(row->hash, w->hash, HISTORY_HASH_BYTES) == 0);
	return 0;
}

static bool
has_row(struct journal *j, int64_t seq, const uint8_t *hash)
{
	struct wanted w = { seq, hash, false };
	struct err ignored = { 0 };

	return journal_each(j, seq - 1, 1, look, &w, &ignored) == 0 && w.found;
}

/* Rows follow each other: with the first and the last one all between them are there. */
static bool
is_kept(const struct home *h, const struct uuid *self, const struct history_head *theirs,
	int64_t ours)
{
	struct journal *j = NULL;
	char path[HOME_PATH_MAX];
	struct err ignored = { 0 };

	path_of(h, self, &theirs->chain, path);
	if (access(path, F_OK) || journal_open(path, &theirs->chain, &j, &ignored))
		return false;
	bool kept = has_row(j, ours + 1, NULL) && has_row(j, theirs->seq, theirs->hash);
	journal_free(j);
	return kept;
}

void
history_look_kept(const struct home *h, const struct uuid *self, struct history_sides *s)
{
	s->kept.n = 0;
	for (unsigned i = 0; i < s->theirs.n; i++) {
		const struct history_head *theirs = &s->theirs.v[i];
		int64_t ours = history_end_of(&s->ours, &theirs->chain);

		if (uuid_eq(&theirs->node, self) && ours < theirs->seq &&
		    is_kept(h, self, theirs, ours))
			s->kept.v[s->kept.n++] = *theirs;
	}
}
