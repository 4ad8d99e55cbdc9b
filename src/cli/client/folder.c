/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast folder …, move: where resources stand, and who gains and who loses when they move.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/json_out.h"
#include "base/mem.h"
#include "cli/frame/cli.h"
#include "cli/frame/lookup.h"
#include "cli/frame/paging.h"
#include "cli/frame/term.h"

/* ---- list ---- */

static void
add_folder(struct term_table *t, const json_t *f)
{
	auto_buf level = BUF_INIT;

	lookup_add_level(&level, f);
	term_table_row(t, lookup_text(f, "path"), buf_str(&level),
		       lookup_text(json_object_get(f, "owner"), "name"),
		       lookup_text(f, "description"));
}

static const struct paging folders = { .array = "folders",
				       .cursor = "after",
				       .none = "no folders",
				       .row = add_folder,
				       .columns = 4,
				       .head = { "FOLDER", "MAY", "OWNER", "DESCRIPTION" } };

static int
run_list(const struct cli *c, struct err *e)
{
	auto_buf path = BUF_INIT;
	auto_remote r = NULL;
	auto_thing in = { 0 };
	int rc = paging_open(c, &folders, &r, e);

	if (rc == 0 && c->nargs)
		rc = lookup_folder(r, c->args[0], &in, e);
	if (rc < 0)
		return rc;
	buf_adds(&path, "/v1/folders");
	if (c->nargs)
		buf_addf(&path, "?parent=%s", in.id);
	return paging_print(c, r, &folders, buf_str(&path), e);
}

/* ---- changes ---- */

static int
say_folder(const struct cli *c, const json_t *folder, const char *said)
{
	if (term_said_json(c->json, folder))
		return CLI_GOOD;
	term_print_text(lookup_text(folder, "path"));
	puts(said);
	return CLI_GOOD;
}

/* Of the last name of a path, and of what stands before it, NULL: nothing. */
static int
split_path(struct remote *r, const char *path, const char **ret_name, struct lookup_thing *ret_in,
	   struct err *e)
{
	const char *slash = strrchr(path, '/');
	char *above;
	int rc;

	*ret_name = slash ? slash + 1 : path;
	if (!slash)
		return 0;
	above = mem_dupn(path, (size_t)(slash - path));
	rc = *above ? lookup_folder(r, above, ret_in, e) : 0;
	free(above);
	return rc;
}

static int
run_add(const struct cli *c, struct err *e)
{
	auto_buf body = BUF_INIT;
	auto_remote r = NULL;
	auto_json o = NULL;
	auto_thing in = { 0 };
	const char *name = c->args[0];
	struct json_out w;
	int rc = remote_open(&r, e);

	if (rc == 0)
		rc = split_path(r, c->args[0], &name, &in, e);
	if (rc < 0)
		return rc;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_text(&w, "name", name);
	if (cli_has(c, "description"))
		json_out_text(&w, "description", cli_get(c, "description"));
	if (in.id[0])
		json_out_text(&w, "parent", in.id);
	json_out_end_object(&w);
	rc = remote_call(r, REMOTE_WRITE, "POST", "/v1/folders", buf_str(&body), &o, e);
	return rc < 0 ? rc : say_folder(c, o, " was made");
}

/* method: PATCH with {field: value}, or (field NULL) DELETE. */
static int
change(struct remote *r, const char *noun, const char *id, const char *field, const char *value,
       json_t **ret, struct err *e)
{
	auto_buf path = BUF_INIT, body = BUF_INIT;
	struct json_out w;

	buf_addf(&path, "/v1/%s/%s", noun, id);
	if (!field)
		return remote_call(r, REMOTE_WRITE, "DELETE", buf_str(&path), NULL, NULL, e);
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_text(&w, field, value);
	json_out_end_object(&w);
	return remote_call(r, REMOTE_WRITE, "PATCH", buf_str(&path), buf_str(&body), ret, e);
}

static int
run_rename(const struct cli *c, struct err *e)
{
	auto_remote r = NULL;
	auto_json o = NULL;
	auto_thing folder = { 0 };
	int rc = remote_open(&r, e);

	if (rc == 0)
		rc = lookup_folder(r, c->args[0], &folder, e);
	if (rc == 0)
		rc = change(r, "folders", folder.id, "name", c->args[1], &o, e);
	return rc < 0 ? rc : say_folder(c, o, " is what it is called now");
}

static int
run_remove(const struct cli *c, struct err *e)
{
	auto_remote r = NULL;
	auto_thing folder = { 0 };
	int rc = remote_open(&r, e);

	if (rc == 0)
		rc = lookup_folder(r, c->args[0], &folder, e);
	if (rc == 0)
		rc = change(r, "folders", folder.id, NULL, NULL, NULL, e);
	if (rc < 0)
		return rc;
	puts(c->json ? "{}" : "the folder was removed");
	return CLI_GOOD;
}

/* ---- moving ---- */

/* What is moved, and where to. */
struct move {
	const char *noun, *field;     /* "folders", "parent" */
	struct lookup_thing what, to; /* to: without an id the top */
};

static void
move_done(struct move *m)
{
	lookup_thing_done(&m->what);
	lookup_thing_done(&m->to);
}

static void
add_change(struct term_table *t, const json_t *x)
{
	const char *before = lookup_text(x, "before"), *after = lookup_text(x, "after");
	auto_buf name = BUF_INIT;

	lookup_add_name(&name, json_object_get(x, "user"), "name");
	term_table_row(t, buf_str(&name), *before ? before : "-", *after ? after : "-");
}

static const struct paging changes = { .array = "changes", .cursor = "after" };

struct effect {
	struct term_table table;
	bool any;
};

static bool
take_change(void *arg, json_t *x)
{
	struct effect *f = arg;

	add_change(&f->table, x);
	f->any = true;
	return true;
}

/* Shows who gains and who loses; *ret_any: somebody does. */
static int
show_effect(struct remote *r, const struct move *m, bool *ret_any, struct err *e)
{
	struct effect f = { .table = { .head = { "USER", "MAY NOW", "MAY THEN" }, .columns = 3 } };
	auto_buf path = BUF_INIT;

	buf_addf(&path, "/v1/%s/%s/effect", m->noun, m->what.id);
	if (m->to.id[0])
		buf_addf(&path, "?%s=%s", m->field, m->to.id);
	int rc = paging_each(r, &changes, buf_str(&path), take_change, &f, e);
	*ret_any = f.any;
	if (f.any)
		term_table_print(&f.table);
	return rc;
}

/* Before anything is asked of a node: a script says that it means it. */
static int
check_meant(const struct cli *c, struct err *e)
{
	if (cli_has(c, "yes") || isatty(STDIN_FILENO))
		return 0;
	return err_set(e, ERR_USAGE,
		       "there is no terminal to ask on whether to move this; nothing was moved. To "
		       "move it without a question: --yes");
}

static int
ask(const struct cli *c, struct remote *r, const struct move *m, struct err *e)
{
	auto_buf question = BUF_INIT;
	bool any = false;
	int rc = c->json ? 0 : show_effect(r, m, &any, e);

	if (rc < 0 || cli_has(c, "yes"))
		return rc;
	buf_addf(&question, "%sMove \"%s\" %s%s%s?", any ? "" : "Nobody gains or loses by it. ",
		 m->what.resource, m->to.id[0] ? "into \"" : "to the top",
		 m->to.id[0] ? m->to.resource : "", m->to.id[0] ? "\"" : "");
	return term_confirm(buf_str(&question), e);
}

static int
move_it(const struct cli *c, bool folder, struct err *e)
{
	FREE_WITH(move_done)
	struct move m = { .noun = folder ? "folders" : "resources",
			  .field = folder ? "parent" : "folder" };
	auto_remote r = NULL;
	auto_json o = NULL;
	int rc = check_meant(c, e);

	if (rc == 0)
		rc = remote_open(&r, e);
	if (rc == 0)
		rc = folder ? lookup_folder(r, c->args[0], &m.what, e)
			    : lookup_resource(r, c->args[0], &m.what, e);
	if (rc == 0 && strcmp(c->args[1], "/") != 0)
		rc = lookup_folder(r, c->args[1], &m.to, e);
	if (rc == 0)
		rc = ask(c, r, &m, e);
	if (rc == 0)
		rc = change(r, m.noun, m.what.id, m.field, m.to.id, &o, e);
	if (rc < 0)
		return rc;
	if (!term_said_json(c->json, o))
		puts("moved");
	return CLI_GOOD;
}

static int
run_folder_move(const struct cli *c, struct err *e)
{
	return move_it(c, true, e);
}

static int
run_move(const struct cli *c, struct err *e)
{
	return move_it(c, false, e);
}

static const struct cli_opt list_opts[] = {
	PAGING_OPT_MOST("folders"),
	{ 0 },
};
static const struct cli_opt add_opts[] = {
	{
		.name = "description",
		.value = "TEXT",
		.help = "What it is for.",
		.empty = true,
	},
	{ 0 },
};
static const struct cli_opt move_opts[] = {
	{
		.name = "yes",
		.help = "Do not ask.",
	},
	{ 0 },
};

#define PATHS                                                                                      \
	"A path is the names of folders with slashes between, from the topmost that you see; its " \
	"end is enough where only one folder reads so."
#define FIRST                                                                                      \
	"Shows first who gains and who loses by it, and asks on a terminal; elsewhere it "         \
	"requires --yes. / is the top. What is shared by itself stays shared. "

const struct cli_verb verbs_folder[] = {
	{
		.name = "folder list",
		.args = "[PATH]",
		.max_args = 1,
		.opts = list_opts,
		.run = run_list,
		.help = "Lists the folders in one, or those at the top.",
		.more = PATHS,
		.part = CLI_PASSWORDS,
	},
	{
		.name = "folder add",
		.args = "PATH",
		.min_args = 1,
		.max_args = 1,
		.opts = add_opts,
		.run = run_add,
		.help = "Makes a folder, in another one or at the top.",
		.more = "What is shared with the folder that it is in is shared in it too. " PATHS,
		.example = "holdfast folder add network/switches",
		.part = CLI_PASSWORDS,
	},
	{
		.name = "folder rename",
		.args = "PATH NEW-NAME",
		.min_args = 2,
		.max_args = 2,
		.run = run_rename,
		.help = "Gives a folder another name.",
		.part = CLI_PASSWORDS,
	},
	{
		.name = "folder move",
		.args = "PATH TO",
		.min_args = 2,
		.max_args = 2,
		.opts = move_opts,
		.run = run_folder_move,
		.help = "Moves a folder, with all that stands below it, into another one.",
		.more = FIRST PATHS,
		.part = CLI_PASSWORDS,
	},
	{
		.name = "folder remove",
		.args = "PATH",
		.min_args = 1,
		.max_args = 1,
		.run = run_remove,
		.help = "Removes a folder that is empty.",
		.part = CLI_PASSWORDS,
	},
	{
		.name = "move",
		.args = "RESOURCE FOLDER",
		.min_args = 2,
		.max_args = 2,
		.opts = move_opts,
		.run = run_move,
		.help = "Moves a resource into a folder.",
		.more = FIRST PATHS,
		.part = CLI_PASSWORDS,
	},
	{ 0 },
};
