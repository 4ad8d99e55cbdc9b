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
#include "cli/frame/qr.h"
#include "cli/node/node_opts.h"
#include "crypto/fingerprint.h"

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
	auto_buf out = BUF_INIT, words = BUF_INIT;
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
		json_out_text(&w, "authority_sha256", r->authority);
		fingerprint_words(r->authority, 0, "", &words);
		json_out_text(&w, "authority_words", buf_str(&words));
		json_out_text(&w, "authority_scopes", r->scopes);
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
	auto_buf words = BUF_INIT;

	fingerprint_words(r->authority, 6, "  ", &words);
	printf("%sThe node %s is ready.%s Its home is %s; it runs as user %s.\n\n", bold,
	       r->node.name, plain, r->home, r->user);
	printf("%sThe master key%s %s %s.\n"
	       "Keep it, and keep a copy in a safe place: without it nobody can ever read the\n"
	       "passwords again, whatever copies of the data there are. The node needs it only to "
	       "start: once it\n"
	       "serves, the device that holds the key may be taken away.\n\n",
	       bold, plain, r->key_made ? "was written to" : "is the one in", r->key_file);
	printf("%sThe vault's authority%s signs the certificates of this node and of every node "
	       "that joins it,\n"
	       "for names in %s.\n"
	       "Whoever trusts the authority trusts all of them. Its SHA-256 fingerprint is\n"
	       "%s%s%s,\n"
	       "in words\n%s"
	       "`holdfast login` shows it: compare the two, or give it with --trust.\n\n",
	       bold, plain, r->scopes, bold, r->authority, plain, buf_str(&words));
	if (c->out_tty)
		qr_print(r->authority);
	home_start_command(r->home, start);
	printf("%sNext:%s\n"
	       "  %s\n"
	       "  holdfast login --setup --ca %s/conf/tls/web.crt %s %s\n\n"
	       "The first administrator is %s. This one-time set-up token is shown only once and "
	       "is valid for %d hours:\n\n"
	       "  %s%s%s\n",
	       bold, plain, start, r->home, url, BOOTSTRAP_ADMIN, BOOTSTRAP_ADMIN,
	       BOOTSTRAP_SETUP_HOURS, bold, r->setup_token, plain);
}

static void
print_secondary(const struct cli *c, const struct create_result *r)
{
	const char *bold = cli_paint(c, CLI_BOLD), *plain = cli_paint(c, CLI_PLAIN);
	char start[HOME_START_MAX];
	printf("%sThe home of the secondary %s is ready%s in %s; it runs as user %s.\n\n"
	       "%sNext:%s\n"
	       "  on the primary:  holdfast ha setup <primary's name> %s\n"
	       "  copy the HAPack-%s.zip that it writes to this machine, then:\n"
	       "  holdfast ha join HAPack-%s.zip --home %s\n",
	       bold, r->node.name, plain, r->home, r->user, bold, plain, r->node.name, r->node.name,
	       r->node.name, r->home);
	if (r->key_file[0])
		printf("  copy the primary's master key file to %s\n", r->key_file);
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
		.also = cli_get(c, "also"),
		.domain = cli_get(c, "domain"),
		.user = cli_get(c, "user"),
		.secondary = cli_has(c, "secondary"),
		.say = c->err_tty && !c->json ? say_step : NULL,
	};
	struct create_result r;
	char url[512];
	if (!o.home || !*o.home)
		return err_set(e, ERR_USAGE, "name the home to make: holdfast init --home DIR");
	if (o.secondary && o.domain)
		return err_set(e, ERR_USAGE,
			       "--domain is for the vault's authority, which a secondary has from "
			       "its primary");
	if (o.secondary && o.also)
		return err_set(e, ERR_USAGE,
			       "a secondary's web certificate comes with the pack: once it has "
			       "joined, add names with `holdfast cert renew --web --also NAMES`");
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
		.help = "Make the home of a secondary: its data comes with the primary's pack, its "
			"key from you.",
	},
	{
		.name = "key-file",
		.value = "PATH",
		.help = "The master key file to use, or to make; never inside the home (default: "
			"beside it, DIR.key).",
	},
	{
		.name = "name",
		.value = "FQDN",
		.help = "The name by which users and other nodes reach this one (default: the "
			"machine's name).",
	},
	{
		.name = "also",
		.value = "NAMES",
		.help = "Further names and addresses by which users reach this node, separated by "
			"commas, for its web certificate.",
	},
	{
		.name = "domain",
		.value = "DOMAINS",
		.help = "The domains and networks (10.0.0.0/8) that the vault's authority may "
			"sign for, separated by commas (default: those of the names).",
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
		.example = "holdfast init --home /var/lib/holdfast --key-file "
			   "/media/key/master.key --name vault-a.example.org",
		.more = "Run as root, it gives the home to Holdfast's own user. It prints a "
			"one-time token for the first administrator, and the fingerprint of the "
			"vault's authority, which users compare when they log in. Keep a copy of "
			"the master key file in a safe place: without it nobody can read the "
			"vault.\n\nIt never touches a home that already is a node, and if it fails "
			"or is interrupted, it removes what it made.",
		.part = CLI_NODE,
	},
	{ 0 },
};
