/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast ha join: checks a pack and puts its parts where `serve` finds them. What needs the key
 * is checked there.
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/json_out.h"
#include "cli/frame/cli.h"
#include "cli/frame/term.h"
#include "node/runas.h"
#include "pack/pack.h"
#include "pack/packfit.h"
#include "pg/cluster.h"

static void
show_progress(void *ctx, int64_t done, int64_t total)
{
	if (total > 0)
		term_step(ctx, "unpacking", (int)(done * 100 / total));
}

/* A node that holds data of its own as a primary must not become a secondary by a slip. */
static int
check_home(const struct home *h, struct err *e)
{
	int major = 0;
	int rc = cluster_major(h, &major, e);

	if (rc == 0 && major && !cluster_is_standby(h))
		return err_set(e, ERR_PRECONDITION,
			       "this home holds a vault of its own (a primary); a secondary needs "
			       "a home made with `holdfast init --secondary`. Nothing was changed");
	return rc;
}

/* Whatever only root may open is opened; then root is left, before the first byte of the pack is read. */
static int
open_and_leave_root(const char *path, const struct home *h, struct pack_zip **ret, struct err *e)
{
	struct pack_zip *z = NULL;
	struct runas user;

	int rc = runas_choose(h->dir, NULL, &user, e);
	if (rc == 0)
		rc = pack_zip_open(path, &z, e);
	if (rc == 0)
		rc = runas_take_over_pack(&user, h->dir,
					  e); /* what `unzip` has left there is replaced */
	if (rc == 0)
		rc = runas_become(&user, e);
	if (rc == 0)
		*ret = z;
	else
		pack_zip_free(z);
	return rc;
}

static int
run(const struct cli *c, struct err *e)
{
	auto_buf text = BUF_INIT;
	auto_arena a = arena_new();
	struct term_step step = { .tty = c->err_tty };
	struct pack_manifest m;
	struct pack_zip *z = NULL;
	struct home h;
	char key[HOME_PATH_MAX], start[HOME_START_MAX];
	struct err none;

	int rc = cli_home(c, &h, e);
	if (rc == 0)
		rc = open_and_leave_root(c->args[0], &h, &z, e);
	if (rc == 0)
		rc = check_home(&h, e);
	if (rc == 0)
		rc = pack_zip_manifest(z, &text, e);
	if (rc == 0)
		rc = pack_manifest_parse(buf_str(&text), text.len, &m, a, e);
	if (rc == 0)
		rc = packfit_check(&h, &m, e);
	if (rc == 0)
		rc = pack_zip_extract(z, h.dir, show_progress, &step, e);
	term_step_end(&step);
	pack_zip_free(z);
	if (rc < 0)
		return rc;
	bool has_key = home_key_path(&h, key, &none) == 0;
	if (c->json) {
		auto_buf out = BUF_INIT;
		struct json_out w;

		json_out_init(&w, &out);
		json_out_object(&w, NULL);
		json_out_text(&w, "primary", m.primary_name);
		json_out_text(&w, "secondary", m.secondary_name);
		json_out_bool(&w, "key_location_known", has_key);
		json_out_end_object(&w);
		puts(buf_str(&out));
		return CLI_GOOD;
	}
	term_say(stdout, "the pack of %s for %s is in place\n", m.primary_name, m.secondary_name);
	if (!has_key)
		printf("next: write the path of the master key file into %s/conf/manage_key.conf "
		       "(one line)\n",
		       h.dir);
	home_start_command(h.dir, start);
	printf("then: %s\n", start);
	return CLI_GOOD;
}

static const struct cli_opt opts[] = {
	CLI_OPT_HOME,
	{ 0 },
};

const struct cli_verb verbs_ha_join[] = {
	{
		.name = "ha join",
		.args = "HAPack-….zip",
		.min_args = 1,
		.max_args = 1,
		.opts = opts,
		.run = run,
		.help = "Puts a pack into the home folder of a secondary; serve does the rest.",
		.more = "Plain `unzip HAPack-….zip` in the home folder does the same, when the "
			"user that Holdfast runs as does it, or root starts `holdfast serve`.",
		.part = CLI_PAIR,
	},
	{ 0 },
};
