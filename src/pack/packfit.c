/* SPDX-License-Identifier: Apache-2.0 */
#include "pack/packfit.h"

#include <stdio.h>
#include <string.h>
#include "pg/cluster.h"

/* The value of "pair = …" in pair.conf, "" when this node is in no pair yet. */
static void
own_pair(const struct home *h, char ret[static 129])
{
	auto_buf text = BUF_INIT;
	char path[HOME_PATH_MAX];
	struct err none;

	ret[0] = '\0';
	home_path(h, HOME_PAIR, path);
	if (home_read_file(path, 4096, &text, &none) < 0)
		return;
	const char *at = strstr(buf_str(&text), "\npair = ");
	if (at)
		snprintf(ret, 129, "%.*s", (int)strcspn(at + 8, "\n"), at + 8);
}

int
packfit_check(const struct home *h, const struct pack_manifest *m, struct err *e)
{
	struct home_node self;
	char bin[HOME_PATH_MAX], pair[129];
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
	own_pair(h, pair);
	if (*pair && strcmp(pair, m->pair) != 0)
		return err_set(e, ERR_BAD_PACK,
			       "this node belongs to another pair; its data was left as it is. To "
			       "make it a secondary of %s, use a new home folder",
			       m->primary_name);
	if (cluster_find_bin((int)m->pg_major, bin, &major, e) < 0 || major != m->pg_major)
		return err_set(e, ERR_BAD_PACK,
			       "the primary runs PostgreSQL %d, which is not installed here: "
			       "install postgresql-%d and repeat",
			       (int)m->pg_major, (int)m->pg_major);
	return 0;
}
