/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast init: makes a node.
 */
#include <stdio.h>
#include <string.h>
#include "admin/bootstrap.h"
#include "admin/create.h"
#include "base/json_out.h"
#include "base/secret.h"
#include "cli/frame/cli.h"
#include "cli/node/node_opts.h"

static void
say_step(void *ctx, const char *text)
{
	fprintf(stderr, "… %s\n", text);
}

/* https://name:port, as a user would type it. */
static void
url_of(const struct create_result *r, char *ret, size_t room)
{
	const char *port = strrchr(r->listen, ':');
	bool v6 = strchr(r->node.name, ':') != NULL;
	snprintf(ret, room, "https://%s%s%s%s", v6 ? "[" : "", r->node.name, v6 ? "]" : "",
		 port ? port : "");
}

static void
print_json(const struct create_options *o, const struct create_result *r, const char *url)
{
	auto_buf out = BUF_INIT;
	struct json_out w;
	json_out_init(&w, &out);
	json_out_object(&w, NULL);
	json_out_text(&w, "home", r->home);
	json_out_text(&w, "role", o->secondary ? "secondary" : "primary");
	json_out_uuid(&w, "id", &r->node.id);
	json_out_text(&w, "name", r->node.name);
	json_out_text(&w, "runs_as", r->user);
	json_out_text(&w, "key_file", r->key_file[0] ? r->key_file : NULL);
	json_out_bool(&w, "key_made", r->key_made);
	if (!o->secondary) {
		json_out_text(&w, "url", url);
		json_out_text(&w, "administrator", BOOTSTRAP_ADMIN);
		json_out_text(&w, "setup_token", r->setup_token);
	}
	json_out_end_object(&w);
	puts(buf_str(&out));
}

static void
print_primary(const struct cli *c, const struct create_result *r, const char *url)
{
	const char *bold = cli_paint(c, CLI_BOLD), *plain = cli_paint(c, CLI_PLAIN);
	char start[HOME_START_MAX];
	printf("%sThe node %s is made.%s Its home is %s; it runs as user %s.\n\n", bold,
	       r->node.name, plain, r->home, r->user);
	printf("%sThe master key%s %s %s\n"
	       "Keep it, and keep a copy in a safe place: without it nobody can read the passwords "
	       "again, and\n"
	       "no copy of the data helps. It is needed at each start of the node and not after: "
	       "once the node\n"
	       "serves, the device that holds it may be taken away.\n\n",
	       bold, plain, r->key_made ? "was made:" : "that is used:", r->key_file);
	home_start_command(r->home, start);
	printf("%sNext:%s\n"
	       "  %s\n"
	       "  holdfast login --setup --ca %s/conf/tls/web.crt %s %s\n\n"
	       "The first administrator is %s. This one-time set-up token is shown only now; it is "
	       "good for %d hours:\n\n"
	       "  %s%s%s\n",
	       bold, plain, start, r->home, url, BOOTSTRAP_ADMIN, BOOTSTRAP_ADMIN,
	       BOOTSTRAP_SETUP_HOURS, bold, r->setup_token, plain);
}

static void
print_secondary(const struct cli *c, const struct create_result *r)
{
	const char *bold = cli_paint(c, CLI_BOLD), *plain = cli_paint(c, CLI_PLAIN);
	char start[HOME_START_MAX];
	printf("%sA home for the secondary %s is made%s in %s; it runs as user %s.\n\n"
	       "%sNext:%s\n"
	       "  on the primary:  holdfast ha setup <primary's name> %s\n"
	       "  bring the HAPack-%s.zip that it writes here, then:\n"
	       "  holdfast ha join HAPack-%s.zip --home %s\n",
	       bold, r->node.name, plain, r->home, r->user, bold, plain, r->node.name, r->node.name,
	       r->node.name, r->home);
	if (r->key_file[0])
		printf("  bring the primary's master key file to %s\n", r->key_file);
	else
		printf("  write the full path of the master key file into "
		       "%s/conf/manage_key.conf\n",
		       r->home);
	home_start_command(r->home, start);
	printf("  %s\n", start);
}

static int
run_init(const struct cli *c, struct err *e)
{
	struct create_options o = {
		.home = cli_get(c, "home"),
		.key_file = cli_get(c, "key-file"),
		.name = cli_get(c, "name"),
		.listen = cli_get(c, "listen"),
		.pair_listen = cli_get(c, "pair-listen"),
		.user = cli_get(c, "user"),
		.secondary = cli_has(c, "secondary"),
		.say = c->err_tty && !c->json ? say_step : NULL,
	};
	struct create_result r;
	char url[512];
	if (!o.home || !*o.home)
		return err_set(e, ERR_USAGE, "where to? holdfast init --home DIR");
	int rc = create_node(&o, &r, e);
	if (rc)
		return rc;
	url_of(&r, url, sizeof(url));
	if (c->json)
		print_json(&o, &r, url);
	else if (o.secondary)
		print_secondary(c, &r);
	else
		print_primary(c, &r, url);
	fflush(stdout);
	secret_wipe(r.setup_token, sizeof(r.setup_token));
	return CLI_GOOD;
}

static const struct cli_opt opts[] = {
	NODE_OPT_HOME,
	{
		.name = "secondary",
		.help = "Makes the home of a secondary: no data, no key; they come with the "
			"primary's pack.",
	},
	{
		.name = "key-file",
		.value = "PATH",
		.help = "Where the master key is, or is to be made; never inside the home "
			"(default: beside it, DIR.key).",
	},
	{
		.name = "name",
		.value = "FQDN",
		.help = "The name by which users and other nodes reach this one (default: the "
			"machine's name).",
	},
	NODE_OPTS_PLACE,
	{ 0 },
};

const struct cli_verb verbs_init[] = {
	{
		.name = "init",
		.opts = opts,
		.run = run_init,
		.help = "Makes a node: its home folder, master key, database and first "
			"administrator.",
		.more = "A home that is a node already is refused and not touched. When it fails "
			"or is interrupted, everything that was made is removed again.",
		.part = CLI_NODE,
	},
	{ 0 },
};
