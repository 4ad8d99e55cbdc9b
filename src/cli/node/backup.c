/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast backup, backup verify, restore.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "admin/restore.h"
#include "agent/control.h"
#include "base/json_out.h"
#include "cli/frame/cli.h"
#include "cli/frame/waiting.h"
#include "cli/node/node_opts.h"

/* ---- backup ---- */

static int
run_backup(const struct cli *c, struct err *e)
{
	auto_buf request = BUF_INIT, path = BUF_INIT;
	struct waiting_steps v = { .step = { .tty = c->err_tty } };
	char file[HOME_PATH_MAX];
	struct home h;
	struct json_out w;

	int rc = cli_home(c, &h, e);
	if (rc == 0)
		rc = create_resolve(c->args[0], file, e);
	if (rc < 0)
		return rc;
	json_out_init(&w, &request);
	json_out_object(&w, NULL);
	json_out_text(&w, "verb", "backup");
	json_out_text(&w, "file", file);
	json_out_bool(&w, "force", cli_has(c, "force"));
	json_out_end_object(&w);
	auto_waiting waiting = v.waiting = waiting_begin();
	waiting_for(waiting, "waiting for this node's agent");
	rc = control_ask(&h, buf_str(&request), waiting_steps, &v, &path, e);
	waiting_for(waiting, "%s", "");
	term_step_end(&v.step);
	if (rc < 0)
		return rc;
	if (c->json) {
		auto_buf out = BUF_INIT;
		json_out_init(&w, &out);
		json_out_object(&w, NULL);
		json_out_text(&w, "backup", buf_str(&path));
		json_out_end_object(&w);
		printf("%s\n", buf_str(&out));
		return CLI_GOOD;
	}
	printf("the backup is %s\n"
	       "It is sealed under the master key, which it does not contain: keep a copy of the "
	       "key file elsewhere.\n"
	       "To check it: holdfast backup verify %s --home %s\n",
	       buf_str(&path), buf_str(&path), h.dir);
	return CLI_GOOD;
}

static const struct cli_opt backup_opts[] = {
	CLI_OPT_HOME,
	{
		.name = "force",
		.help = "Replace FILE if it exists.",
	},
	{ 0 },
};

/* ---- restore ---- */

static void
print_json(const struct restore_result *r, bool verify)
{
	auto_buf out = BUF_INIT;
	struct json_out w;

	json_out_init(&w, &out);
	json_out_object(&w, NULL);
	json_out_text(&w, "backup_of", r->of);
	json_out_text(&w, "made_at", r->made_at);
	json_out_int(&w, "term", r->term);
	json_out_int(&w, "events", r->log.events);
	if (!verify) {
		json_out_text(&w, "home", r->made.home);
		json_out_uuid(&w, "id", &r->made.node.id);
		json_out_text(&w, "name", r->made.node.name);
	}
	json_out_end_object(&w);
	printf("%s\n", buf_str(&out));
}

static void
print_log(const struct restore_result *r)
{
	term_say(stdout, "the backup of %s, made at %s:\n", r->of, r->made_at);
	for (unsigned i = 0; i < r->log.nnodes; i++) {
		const struct verify_node *n = &r->log.nodes[i];
		if (!n->last_seq)
			continue;
		term_say(stdout, "  the log of node %s is good: %lld events\n", r->names[i],
			 (long long)n->events);
	}
}

static int
run_verify(const struct cli *c, struct err *e)
{
	char file[HOME_PATH_MAX], key[HOME_PATH_MAX], dir[2 * HOME_PATH_MAX];
	struct term_step v = { .tty = c->err_tty };
	struct restore_result r;
	struct home h;
	int rc = create_resolve(c->args[0], file, e);

	snprintf(key, sizeof(key), "%s", cli_get(c, "key-file") ? cli_get(c, "key-file") : "");
	if (rc == 0 && !*key) {
		rc = cli_home(c, &h, e);
		if (rc == 0)
			rc = home_key_path(&h, key, e);
	}
	if (rc < 0)
		return rc;
	if (cli_get(c, "dir"))
		snprintf(dir, sizeof(dir), "%s/hf-verify-%d", cli_get(c, "dir"), (int)getpid());
	else
		snprintf(dir, sizeof(dir), "%.*s/hf-verify-%d", (int)(strrchr(file, '/') - file),
			 file, (int)getpid());
	struct restore_options o = {
		.file = file,
		.home = dir,
		.key_file = key,
		.user = cli_get(c, "user"),
		.verify = true,
		.progress = term_step,
		.ctx = &v,
	};
	rc = restore_run(&o, &r, e);
	term_step_end(&v);
	if (rc < 0)
		return rc;
	if (c->json) {
		print_json(&r, true);
		return CLI_GOOD;
	}
	print_log(&r);
	printf("The backup is good: it was restored into a scratch cluster, every chain in it "
	       "verified, its tables are what its log says, and the cluster was removed.\n");
	return CLI_GOOD;
}

static const struct cli_opt verify_opts[] = {
	CLI_OPT_HOME,
	{
		.name = "key-file",
		.value = "PATH",
		.help = "The master key file (default: the one that the home names).",
	},
	{
		.name = "dir",
		.value = "DIR",
		.help = "Folder for the scratch cluster (default: beside FILE).",
	},
	{
		.name = "user",
		.value = "NAME",
		.help = "When started as root: the user to run as (default: holdfast).",
	},
	{ 0 },
};

static int
run_restore(const struct cli *c, struct err *e)
{
	char file[HOME_PATH_MAX];
	struct term_step v = { .tty = c->err_tty };
	struct restore_result r;
	struct restore_options o = {
		.file = file,
		.home = cli_get(c, "home"),
		.key_file = cli_get(c, "key-file"),
		.name = cli_get(c, "name"),
		.listen = cli_get(c, "listen"),
		.pair_listen = cli_get(c, "pair-listen"),
		.user = cli_get(c, "user"),
		.progress = term_step,
		.ctx = &v,
	};

	if (!o.home || !*o.home || !o.key_file)
		return err_set(e, ERR_USAGE,
			       "name the new home and the key file: holdfast restore FILE --home "
			       "DIR --key-file PATH");
	int rc = create_resolve(c->args[0], file, e);
	if (rc == 0)
		rc = restore_run(&o, &r, e);
	term_step_end(&v);
	if (rc < 0)
		return rc;
	if (c->json) {
		print_json(&r, false);
		return CLI_GOOD;
	}
	print_log(&r);
	printf("The backup is restored in %s as node %s, the primary of term %lld. All sessions "
	       "have ended.\n\n"
	       "Next:\n"
	       "  holdfast serve --home %s\n"
	       "Its former secondaries do not follow it: stop them, and set each up again "
	       "(holdfast ha setup %s SECONDARY).\n"
	       "The former settings are in %s/conf/holdfast.conf.backup; copy over what you "
	       "need.\n",
	       r.made.home, r.made.node.name, (long long)r.term, r.made.home, r.made.node.name,
	       r.made.home);
	return CLI_GOOD;
}

static const struct cli_opt restore_opts[] = {
	NODE_OPT_HOME,
	{
		.name = "key-file",
		.value = "PATH",
		.help = "The master key file that the backup is sealed under. Required.",
	},
	{
		.name = "name",
		.value = "FQDN",
		.help = "The name of the restored node (default: the name in the backup).",
	},
	NODE_OPTS_PLACE,
	{ 0 },
};

const struct cli_verb verbs_backup[] = {
	{
		.name = "backup",
		.args = "FILE",
		.min_args = 1,
		.max_args = 1,
		.opts = backup_opts,
		.run = run_backup,
		.help = "Writes a sealed backup of the running node, primary or secondary, to one "
			"file.",
		.more = "The node keeps serving; its user needs write access to FILE's folder. "
			"FILE appears whole or not at all. It does not contain the master key, "
			"which a restore needs: keep a copy of the key, in another place.",
		.example = "holdfast backup /srv/backup/vault-$(date +%F).hfb",
		.part = CLI_CARE,
	},
	{
		.name = "backup verify",
		.args = "FILE",
		.min_args = 1,
		.max_args = 1,
		.opts = verify_opts,
		.run = run_verify,
		.help = "Verifies a backup: restores it into a scratch cluster, checks every "
			"chain of its log, and compares its tables with it.",
		.more = "It needs the master key file and, while it runs, about twice the backup's "
			"size in disk space. No node has to run here.",
		.example = "holdfast backup verify /srv/backup/vault.hfb --key-file "
			   "/media/key/master.key",
		.part = CLI_CARE,
	},
	{
		.name = "restore",
		.args = "FILE",
		.min_args = 1,
		.max_args = 1,
		.opts = restore_opts,
		.run = run_restore,
		.help = "Makes a new primary from a backup.",
		.example = "holdfast restore /srv/backup/vault.hfb --home /var/lib/holdfast "
			   "--key-file /media/key/master.key",
		.more = "Use it when no node is left: as long as there is a secondary, `holdfast "
			"ha promote` loses less. It checks everything, every chain of the log "
			"included, before the node exists. If it fails or is interrupted, it "
			"removes what it made, and it never touches existing data. All sessions "
			"end, and former secondaries have to be set up again.",
		.part = CLI_CARE,
	},
	{ 0 },
};
