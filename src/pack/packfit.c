/* SPDX-License-Identifier: Apache-2.0 */
#include "pack/packfit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "pg/cluster.h"

int
packfit_own_pair(const struct home *h, char ret[static PACKFIT_PAIR_MAX], struct err *e)
{
	static const char key[] = "\npair = ";
	auto_buf text = BUF_INIT;
	char path[HOME_PATH_MAX];

	ret[0] = '\0';
	home_path(h, HOME_PAIR, path);
	int rc = home_read_file(path, 4096, &text, e);
	if (rc < 0)
		return e->sys == ENOENT ? 0 : rc;
	const char *at = strstr(buf_str(&text), key);
	size_t n = at ? strcspn(at + strlen(key), "\n") : 0;
	if (!n || n >= PACKFIT_PAIR_MAX)
		return err_set(e, ERR_PRECONDITION,
			       "%s is damaged: it does not say to which pair this node belongs. "
			       "Put it back from a copy of the home; or move it away, and the "
			       "node serves without it, but takes no new pack",
			       path);
	snprintf(ret, PACKFIT_PAIR_MAX, "%.*s", (int)n, at + strlen(key));
	return 0;
}

/* A node with data of a pair is made anew from a pack of that pair alone. */
static int
check_pair(const struct home *h, const struct pack_manifest *m, struct err *e)
{
	char pair[PACKFIT_PAIR_MAX];
	int rc = packfit_own_pair(h, pair, e);

	if (rc < 0)
		return rc;
	if (!*pair && cluster_is_standby(h))
		return err_set(e, ERR_BAD_PACK,
			       "this node has data of a pair, and conf/pair.conf in %s, which says "
			       "of which, is gone; its data was left as it is. Put that file back "
			       "from a copy of the home, or use a new home folder",
			       h->dir);
	if (*pair && strcmp(pair, m->pair) != 0)
		return err_set(e, ERR_BAD_PACK,
			       "this node belongs to another pair; its data was left as it is. To "
			       "make it a secondary of %s, use a new home folder",
			       m->primary_name);
	return 0;
}

int
packfit_check(const struct home *h, const struct pack_manifest *m, struct err *e)
{
	struct home_node self;
	char bin[HOME_PATH_MAX];
	int major = 0;

	int rc = home_node_read(h, &self, e);
	if (rc < 0)
		return rc;
	if (m->format != PACK_FORMAT || strcmp(m->version, HF_VERSION) != 0)
		return err_set(e, ERR_BAD_PACK,
			       "the pack was made by Holdfast %s, this is %s: install the same "
			       "version on both nodes",
			       m->version, HF_VERSION);
	if (strcasecmp(self.name, m->secondary_name) != 0)
		return err_set(e, ERR_BAD_PACK,
			       "the pack was made for %s, this node is %s: use the pack of this "
			       "name, or make one with `holdfast ha setup %s %s` on the primary",
			       m->secondary_name, self.name, m->primary_name, self.name);
	rc = check_pair(h, m, e);
	if (rc < 0)
		return rc;
	if (cluster_find_bin((int)m->pg_major, bin, &major, e) < 0 || major != m->pg_major)
		return err_set(e, ERR_BAD_PACK,
			       "the primary runs PostgreSQL %d, which is not installed here: "
			       "install postgresql-%d and repeat",
			       (int)m->pg_major, (int)m->pg_major);
	return 0;
}
