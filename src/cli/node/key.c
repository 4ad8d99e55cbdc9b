/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast key new, key check: the master key file.
 */
#include <stdio.h>
#include <string.h>
#include "admin/create.h"
#include "admin/keycheck.h"
#include "base/apart.h"
#include "base/json_out.h"
#include "cli/frame/cli.h"
#include "cli/frame/waiting.h"

static int
run_new(const struct cli *c, struct err *e)
{
	char path[HOME_PATH_MAX];
	int r = create_resolve(c->args[0], path, e);
	auto_waiting waiting = waiting_begin();
	waiting_for(waiting, "waiting: writing the key to its device");
	if (!r)
		r = keycheck_new(path, e);
	waiting_for(waiting, "%s", "");
	if (r)
		return r;
	if (!c->json) {
		printf("A new master key is in %s.\n"
		       "Keep it, and keep a copy in a safe place: without it nobody can read what "
		       "it seals.\n",
		       path);
		return CLI_GOOD;
	}
	auto_buf out = BUF_INIT;
	struct json_out w;
	json_out_init(&w, &out);
	json_out_object(&w, NULL);
	json_out_text(&w, "key_file", path);
	json_out_end_object(&w);
	puts(buf_str(&out));
	return CLI_GOOD;
}

struct attempt {
	struct home home;
	const char *key_file;
};

static int
try_key(void *work, const void *ctx, struct err *e)
{
	const struct attempt *a = ctx;

	return keycheck_run(&a->home, a->key_file, work, e);
}

/* In a child, since it forks (keyd, perhaps PostgreSQL), and a thread of this process says what is waited for. */
static int
try_apart(const struct attempt *a, struct keycheck_result *ret, struct err *e)
{
	struct apart child;
	int r = apart_begin(&child, try_key, ret, sizeof(*ret), a, e);

	if (r)
		return r;
	auto_waiting waiting = waiting_begin();
	waiting_for(waiting, "waiting: trying the key on this node's data (if the node is "
			     "stopped, its database starts for this)");
	return apart_end(&child, e);
}

static int
run_check(const struct cli *c, struct err *e)
{
	struct keycheck_result res = { 0 };
	struct attempt a = { .key_file = cli_get(c, "key-file") };
	int r = cli_home(c, &a.home, e);
	if (!r)
		r = try_apart(&a, &res, e);
	if (r)
		return r;
	if (!c->json) {
		printf("%sgood%s: %s is the master key of this node (%d data key%s opened)\n",
		       cli_paint(c, CLI_GREEN), cli_paint(c, CLI_PLAIN), res.key_file, res.opened,
		       res.opened == 1 ? "" : "s");
		return CLI_GOOD;
	}
	auto_buf out = BUF_INIT;
	struct json_out w;
	json_out_init(&w, &out);
	json_out_object(&w, NULL);
	json_out_text(&w, "key_file", res.key_file);
	json_out_bool(&w, "fits", true);
	json_out_int(&w, "data_keys", res.opened);
	json_out_end_object(&w);
	puts(buf_str(&out));
	return CLI_GOOD;
}

static const struct cli_opt check_opts[] = {
	CLI_OPT_HOME,
	{
		.name = "key-file",
		.value = "PATH",
		.help = "The key file to check (default: the one named in conf/manage_key.conf).",
	},
	{ 0 },
};

const struct cli_verb verbs_key[] = {
	{
		.name = "key new",
		.args = "PATH",
		.min_args = 1,
		.max_args = 1,
		.run = run_new,
		.help = "Makes a new master key file.",
		.more = "You need it only if the key has to exist before the node does: `holdfast "
			"init` makes one, too. It never overwrites a file. Keep a copy in a safe "
			"place: without the key nobody can read what it seals.",
		.example = "holdfast key new /media/key/master.key",
		.part = CLI_NODE,
	},
	{
		.name = "key check",
		.opts = check_opts,
		.run = run_check,
		.help = "Checks whether a master key file fits this node's data.",
		.more = "Run it after you copy or move the key, before you rely on the copy. The "
			"node may be running; if it is stopped, its database starts for the check. "
			"Started as root, it runs as Holdfast's user.",
		.example = "holdfast key check --key-file /media/safe/master.key",
		.part = CLI_NODE,
	},
	{ 0 },
};
