/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast serve: becomes Holdfast's user, checks whether the node can start, and supervises it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include "admin/create.h"
#include "base/log.h"
#include "cli/frame/cli.h"
#include "node/node.h"
#include "node/preflight.h"
#include "node/runas.h"

/* Resolved while we may still see every folder. What conf/manage_key.conf says is keyd's to read;
 * whether it lies where it must not is ours to say. */
static int
take_key_file(const struct cli *c, struct proc_args *a, struct err *e)
{
	char said[HOME_PATH_MAX];
	struct err ignored;
	const char *path = cli_get(c, "key-file");
	int r = path ? create_resolve(path, a->key_file, e) : 0;
	if (r)
		return r;
	if (path)
		snprintf(said, sizeof(said), "%s", a->key_file);
	else if (home_key_path(&a->home, said, &ignored) || create_resolve(said, said, &ignored))
		return 0;
	if (create_inside(said, a->home.dir))
		return err_set(
			e, ERR_REFUSED,
			"the master key file %s is inside the home folder: whoever copies the "
			"data gets its key too. Move it elsewhere, and write its new path into "
			"conf/manage_key.conf",
			said);
	return 0;
}

/* As many descriptors as allowed; no memory of ours on a disk, or for another process of this user. */
static void
set_limits(void)
{
	struct rlimit files, none = { 0 };
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max < 16384 ? files.rlim_max : 16384;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

static int
begin(const struct cli *c, struct proc_args *a, struct err *e)
{
	char path[HOME_PATH_MAX];
	struct runas user;
	enum log_level level = LOG_LEVEL_INFO;
	int r = cli_home(c, &a->home, e);
	if (!r)
		r = runas_choose(a->home.dir, cli_get(c, "user"), &user, e);
	if (!r)
		r = take_key_file(c, a, e);
	if (!r && preflight_has_pack(&a->home))
		r = runas_take_over_pack(&user, a->home.dir, e);
	if (!r)
		r = runas_become(&user, e);
	if (!r && chdir("/") < 0)
		r = err_errno(e, ERR_IO, "cannot leave the current folder");
	home_path(&a->home, HOME_CONF, path);
	if (!r)
		r = preflight_home(&a->home, e);
	if (!r)
		r = settings_load(path, &a->settings, e);
	if (r == ERR_USAGE || r == ERR_BAD_FIELD) /* of a file, not of the command line */
		r = e->code = ERR_PRECONDITION;
	if (!r)
		r = log_level_parse(a->settings.log_level, &level);
	log_init("supervisor", level);
	set_limits();
	return r ? r : preflight_check(a, e);
}

static int
run_serve(const struct cli *c, struct err *e)
{
	struct proc_args a = { .without_pair = cli_has(c, "without-pair"),
			       .upgrade_alone = cli_has(c, "upgrade-alone") };
	int r = begin(c, &a, e);
	return r ? r : supervisor_main(&a);
}

static const struct cli_opt opts[] = {
	CLI_OPT_HOME,
	{
		.name = "key-file",
		.value = "PATH",
		.help = "The master key file (default: the one named in conf/manage_key.conf).",
	},
	{
		.name = "upgrade-alone",
		.help = "Upgrade a primary's schema even if another node of the pair does not "
			"answer or cannot read the new one.",
	},
	{
		.name = "user",
		.value = "NAME",
		.help = "When started as root: the user to run as (default: the owner of the "
			"home).",
	},
	{
		.name = "without-pair",
		.help = "Serve alone after the pair's certificates were lost, until `holdfast ha "
			"setup` has made new ones.",
	},
	{ 0 },
};

const struct cli_verb verbs_serve[] = {
	{
		.name = "serve",
		.opts = opts,
		.run = run_serve,
		.help = "Runs a node: its database, keys, service and the pair's agent.",
		.more = "It needs the master key file at each start, but not afterwards. If a "
			"device or an address is not there yet, it says so and waits. It stays in "
			"the foreground, logs to standard error and tells systemd when it is "
			"ready. SIGTERM or Ctrl-C stops it cleanly, a second one faster; SIGHUP "
			"reloads the settings and the web certificate.\n\nInstalled as a service, "
			"it starts with `systemctl enable --now holdfast`.",
		.part = CLI_NODE,
	},
	{ 0 },
};
