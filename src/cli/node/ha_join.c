/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast ha join: checks a pack and puts its parts where `serve` finds them. `serve` checks what
 * needs the key.
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

static void
show_progress(void *ctx, int64_t done, int64_t total)
{
	if (total > 0)
		term_step(ctx, "unpacking", (int)(done * 100 / total));
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

/* All that can refuse it, before the first thing that changes. What needs the key is checked by serve, and so is all of this again. */
static int
check(const struct home *h, const struct pack_manifest *m, bool told, struct err *e)
{
	struct packfit_primary p;

	int rc = packfit_check(h, m, e);
	if (rc == 0)
		rc = packfit_check_data(h, m, told, e);
	if (rc < 0)
		return rc;
	packfit_ask(m, NULL, &p);
	if (p.name_unknown)
		return err_set(e, ERR_PRECONDITION,
			       "cannot resolve the primary's name %s from here: add it to DNS or "
			       "/etc/hosts, then repeat. Nothing was changed",
			       m->primary_name);
	rc = packfit_check_clock(m, &p, e);
	if (rc == 0 && packfit_has_data(h))
		rc = packfit_check_reached(m, &p, e);
	if (rc == 0 && !p.answers)
		term_say(stderr,
			 "the primary %s does not answer (%s): `holdfast serve` compares the "
			 "clocks once it does\n",
			 m->primary_name, p.why);
	return rc;
}

static void
say_json(const struct pack_manifest *m, bool has_key, const char *replaced)
{
	auto_buf out = BUF_INIT;
	struct json_out w;

	json_out_init(&w, &out);
	json_out_object(&w, NULL);
	json_out_text(&w, "primary", m->primary_name);
	json_out_text(&w, "secondary", m->secondary_name);
	json_out_text(&w, "made_at", m->made_at);
	json_out_text(&w, "replaces_data_as_of", replaced);
	json_out_bool(&w, "key_location_known", has_key);
	json_out_end_object(&w);
	puts(buf_str(&out));
}

static void
say(const struct home *h, const struct pack_manifest *m, bool has_key, const char *replaced)
{
	char start[HOME_START_MAX];

	term_say(stdout, "the pack of %s for %s is in place\n", m->primary_name, m->secondary_name);
	if (replaced)
		term_say(stdout,
			 "At its next start this node sets its data aside:\n"
			 "  its data is as of       %s\n"
			 "  the pack was made at    %s\n"
			 "  kept as                 %s/data/pg.old-TIME\n"
			 "  to go back              stop the node, move data/pg away, rename the "
			 "kept folder to data/pg, start it\n"
			 "It does so only while it can reach the primary. To cancel before then: "
			 "remove %s/pack\n",
			 replaced, m->made_at, h->dir, h->dir);
	if (!has_key)
		printf("next: write the path of the master key file into %s/conf/manage_key.conf "
		       "(one line)\n",
		       h->dir);
	home_start_command(h->dir, start);
	printf("then: %s\n", start);
}

static int
put_in_place(const struct cli *c, struct pack_zip *z, const struct home *h, struct err *e)
{
	auto_buf text = BUF_INIT;
	auto_arena a = arena_new();
	struct term_step step = { .tty = c->err_tty };
	bool told = cli_has(c, "replace");
	struct pack_manifest m;
	char key[HOME_PATH_MAX], as_of[CLOCK_ISO_LEN];
	struct err none;

	int rc = pack_zip_manifest(z, &text, e);
	if (rc == 0)
		rc = pack_manifest_parse(buf_str(&text), text.len, &m, a, e);
	if (rc == 0)
		rc = check(h, &m, told, e);
	if (rc == 0)
		rc = pack_zip_extract(z, h->dir, show_progress, &step, e);
	if (rc == 0 && told)
		rc = packfit_tell(h, &m, e);
	term_step_end(&step);
	if (rc < 0)
		return rc;
	bool has_key = home_key_path(h, key, &none) == 0;
	packfit_data_as_of(h, as_of);
	const char *replaced = packfit_has_data(h) ? as_of : NULL;
	if (c->json)
		say_json(&m, has_key, replaced);
	else
		say(h, &m, has_key, replaced);
	return CLI_GOOD;
}

static int
run(const struct cli *c, struct err *e)
{
	struct pack_zip *z = NULL;
	struct home h;

	int rc = cli_home(c, &h, e);
	if (rc == 0)
		rc = open_and_leave_root(c->args[0], &h, &z, e);
	if (rc == 0)
		rc = put_in_place(c, z, &h, e);
	pack_zip_free(z);
	return rc;
}

static const struct cli_opt opts[] = {
	CLI_OPT_HOME,
	{
		.name = "replace",
		.help = "Replace this node's data with the pack; the old data is kept beside it.",
	},
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
		.help = "Puts a pack into a secondary's home folder; `holdfast serve` does the "
			"rest.",
		.example = "holdfast ha join /root/HAPack-vault-b.example.org.zip",
		.more = "Run it on the secondary, once `holdfast init --secondary` has made the "
			"home. A pack of another version, name or vault is refused, with the "
			"reason. Plain `unzip HAPack-….zip` in the home folder does the same, as "
			"long as Holdfast's own user runs it or root starts `holdfast serve`.\n\nA "
			"node that has data accepts a pack only with --replace, and only while it "
			"can reach the primary; it says where the old data is kept and how to go "
			"back.",
		.part = CLI_PAIR,
	},
	{ 0 },
};
