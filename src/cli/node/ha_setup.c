/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast ha setup: asks the running primary's agent for a pack.
 */
#include <string.h>
#include "agent/control.h"
#include "base/json_out.h"
#include "cli/frame/cli.h"
#include "cli/frame/waiting.h"

static void
make_request(const struct cli *c, int64_t port, int64_t pair_port, struct buf *out)
{
	struct json_out w;

	json_out_init(&w, out);
	json_out_object(&w, NULL);
	json_out_text(&w, "verb", "setup");
	json_out_text(&w, "primary", c->args[0]);
	json_out_text(&w, "secondary", c->args[1]);
	json_out_int(&w, "https_port", port);
	json_out_int(&w, "pair_port", pair_port);
	json_out_end_object(&w);
}

/* answer: the path, and what is said of the size in a further line. */
static void
print_result(const struct cli *c, char *answer)
{
	char *end = strchr(answer, '\n');
	const char *path = answer, *size = end ? end + 1 : "";
	auto_buf out = BUF_INIT;
	struct json_out w;

	if (end)
		*end = '\0';
	if (c->json) {
		json_out_init(&w, &out);
		json_out_object(&w, NULL);
		json_out_text(&w, "pack", path);
		json_out_text(&w, "size", size);
		json_out_end_object(&w);
		printf("%s\n", buf_str(&out));
		return;
	}
	const char *name = strrchr(path, '/');
	printf("the pack is %s\n%s\n\nOn %s:\n"
	       "  1. copy the pack there by any means, and the master key file to where only "
	       "Holdfast's user can read it\n"
	       "  2. if it has no home yet: holdfast init --secondary --home HOME --key-file KEY "
	       "--name %s\n"
	       "  3. holdfast ha join %s --home HOME\n"
	       "  4. systemctl enable --now holdfast, or without the service: holdfast serve "
	       "--home HOME\n"
	       "The pack is sealed under the master key, which it does not contain. Delete your "
	       "copies of the pack afterwards; the one here goes when %s has joined "
	       "(`keep_pack`).\n",
	       path, size, c->args[1], c->args[1], name ? name + 1 : path, c->args[1]);
}

static int
run(const struct cli *c, struct err *e)
{
	auto_buf request = BUF_INIT, path = BUF_INIT;
	struct waiting_steps v = { .step = { .tty = c->err_tty } };
	struct home h;
	int64_t port, pair_port;

	int rc = cli_get_int(c, "secondary-port", 1, 65535, 0, &port, e);
	if (rc == 0)
		rc = cli_get_int(c, "secondary-pair-port", 1, 65535, 0, &pair_port, e);
	if (rc == 0)
		rc = cli_home(c, &h, e);
	if (rc < 0)
		return rc;
	make_request(c, port, pair_port, &request);
	auto_waiting waiting = v.waiting = waiting_begin();
	waiting_for(waiting, "waiting for this node's agent");
	rc = control_ask(&h, buf_str(&request), waiting_steps, &v, &path, e);
	waiting_for(waiting, "%s", "");
	term_step_end(&v.step);
	if (rc < 0)
		return rc;
	print_result(c, path.data);
	return CLI_GOOD;
}

static const struct cli_opt opts[] = {
	CLI_OPT_HOME,
	{
		.name = "secondary-port",
		.value = "N",
		.help = "The secondary's HTTPS port, if it differs from this node's.",
	},
	{
		.name = "secondary-pair-port",
		.value = "N",
		.help = "The port of the secondary's replication channel, if it differs from this "
			"node's.",
	},
	{ 0 },
};

const struct cli_verb verbs_ha_setup[] = {
	{
		.name = "ha setup",
		.args = "PRIMARY SECONDARY",
		.min_args = 2,
		.max_args = 2,
		.opts = opts,
		.run = run,
		.help = "Makes the pack that turns a node into a secondary; the primary keeps "
			"serving.",
		.more = "Run it on the primary; PRIMARY and SECONDARY are the nodes' fully "
			"qualified names. The pack is written to replication/ in the home folder, "
			"sealed under the master key, which it does not contain; the command "
			"prints what to do with it on SECONDARY. Run it again for a new pack, or "
			"for further secondaries.",
		.example = "holdfast ha setup vault-a.example.org vault-b.example.org",
		.part = CLI_PAIR,
	},
	{ 0 },
};
