/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast put, gen: store a version, and create its resource and account if they are missing.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/json_out.h"
#include "base/name.h"
#include "base/secret.h"
#include "cli/frame/cli.h"
#include "cli/frame/lookup.h"
#include "cli/frame/term.h"
#include "crypto/password.h"

#define SECRET_MAX 65536
#define GENERATE_DEFAULT 24

/* The new value: generated, or read. */
static int
new_value(const struct cli *c, const char *field, struct buf *ret, struct err *e)
{
	const char *file = cli_get(c, "file");
	char generated[129];
	int64_t len;
	int rc = cli_get_int(c, "length", 8, 128, GENERATE_DEFAULT, &len, e);
	if (rc < 0)
		return rc;
	if (cli_has(c, "generate") && file)
		return err_set(e, ERR_USAGE, "--generate and --file: only one of the two");
	if (!cli_has(c, "generate")) {
		auto_buf prompt = BUF_INIT;
		buf_addf(&prompt, "New %s", field);
		return term_read_value(buf_str(&prompt), file, SECRET_MAX, ret, e);
	}
	rc = password_generate((unsigned)len, !cli_has(c, "no-symbols"), generated, e);
	if (rc == 0)
		buf_adds(ret, generated);
	secret_wipe(generated, sizeof(generated));
	return rc;
}

static void
write_fields(struct buf *body, json_t *fields, int64_t if_version)
{
	struct json_out w;
	const char *key;
	json_t *v;

	json_out_init(&w, body);
	json_out_object(&w, NULL);
	json_out_int(&w, "if_version", if_version); /* 0: there is none yet */
	json_out_object(&w, "fields");
	json_object_foreach(fields, key, v) json_out_text(&w, key, json_string_value(v));
	json_out_end_object(&w);
	json_out_end_object(&w);
}

/* All fields of the version there is now: a version is always whole. */
static int
current_fields(struct remote *r, const char *id, json_t **ret_fields, int64_t *ret_version,
	       struct err *e)
{
	auto_buf path = BUF_INIT;
	auto_json o = NULL;

	buf_addf(&path, "/v1/accounts/%s/retrieve", id);
	int rc = remote_call(r, REMOTE_READ, "POST", buf_str(&path),
			     "{\"reason\":\"to store a new version\"}", &o, e);
	if (rc == ERR_NOT_FOUND) {
		*ret_fields = json_object();
		*ret_version = 0;
		return 0;
	}
	if (rc < 0)
		return rc;
	*ret_fields = json_incref(json_object_get(o, "fields"));
	*ret_version = json_integer_value(json_object_get(o, "version"));
	return *ret_fields ? 0 : err_set(e, ERR_BAD_JSON, "the node's answer has no fields");
}

/* What an account is made of that is not there yet. */
struct place {
	struct buf resource;
	const char *login;
	struct lookup_thing there;  /* the resource, if there is one */
	struct lookup_thing folder; /* where a new one is put; without an id: nowhere */
};

static void
place_done(struct place *p)
{
	buf_done(&p->resource);
	lookup_thing_done(&p->there);
	lookup_thing_done(&p->folder);
}

/* Two words, or one with one slash: only they say where the border is. */
static int
split(struct lookup_words w, struct place *ret, struct err *e)
{
	const char *slash = strchr(w.first, '/');

	if (w.login) {
		buf_adds(&ret->resource, w.first);
		ret->login = w.login;
		return 0;
	}
	if (!slash || slash == w.first || !slash[1] || strchr(slash + 1, '/'))
		return err_set(e, ERR_USAGE,
			       "nothing reads \"%s\"; to make it, say where the resource ends: two "
			       "words, RESOURCE LOGIN (or RESOURCE/LOGIN with one slash)",
			       w.first);
	buf_add(&ret->resource, w.first, (size_t)(slash - w.first));
	ret->login = slash + 1;
	return 0;
}

/* As the node will, but before the secret is asked for. */
static int
check_name(const char *text, const char *what, struct err *e)
{
	if (strlen(text) > NAME_BYTES_MAX)
		return err_set(e, ERR_BAD_FIELD, "%s may have %d bytes at most, not %zu", what,
			       NAME_BYTES_MAX, strlen(text));
	return name_check(text, what, e);
}

static int
check_names(const struct place *p, const char *field, struct err *e)
{
	int rc = p->there.id[0] ? 0 : check_name(buf_str(&p->resource), "the resource's name", e);

	if (rc == 0)
		rc = check_name(p->login, "the login", e);
	return rc ? rc : check_name(field, "the field's name", e);
}

/* would: nothing is made yet, and the node may still refuse it. */
static void
say_made(const struct place *p, bool would)
{
	auto_buf text = BUF_INIT;

	buf_adds(&text, would ? "note: this would make " : "made ");
	if (p->there.id[0])
		buf_addf(&text, "the account \"%s\" of the resource \"%s\" (of %s)", p->login,
			 p->there.resource, p->there.owner);
	else
		buf_addf(&text, "the resource \"%s\" and its account \"%s\"", buf_str(&p->resource),
			 p->login);
	term_write_text(buf_str(&text), false, stderr);
	fputc('\n', stderr);
}

/* Whoever is about to type the secret sees first what it is for. */
static bool
asks_at_terminal(const struct cli *c)
{
	return isatty(STDIN_FILENO) && !cli_has(c, "generate") && !cli_has(c, "file");
}

/* Where the new account goes. */
static int
plan(const struct cli *c, struct remote *r, const char *field, struct place *ret, struct err *e)
{
	struct err why = { 0 };

	if (cli_has(c, "if-version") || cli_has(c, "settle"))
		return ERR_NOT_FOUND; /* as it was said: there is no version to go by */
	int rc = split(lookup_words(c, 0), ret, e);
	if (rc == 0)
		rc = lookup_resource(r, buf_str(&ret->resource), &ret->there, &why);
	bool is_new = rc == ERR_NOT_FOUND && !lookup_is_id(buf_str(&ret->resource));
	if (rc < 0 && !is_new && why.code)
		*e = why;
	if (rc < 0 && !is_new)
		return rc;
	rc = is_new && cli_has(c, "folder")
		     ? lookup_folder(r, cli_get(c, "folder"), &ret->folder, e)
		     : 0;
	if (rc < 0)
		return rc;
	rc = check_names(ret, field, e);
	if (rc == 0 && asks_at_terminal(c))
		say_made(ret, true);
	return rc;
}

/* One request makes all that is missing: what is refused leaves nothing behind. */
static int
make_account(const struct cli *c, struct remote *r, const struct place *p, const char *field,
	     struct buf *value, json_t **ret, struct err *e)
{
	static const char *const texts[] = { "type", "address", "url", "description" };
	auto_buf body = BUF_INIT, path = BUF_INIT;
	struct json_out w;

	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	if (p->there.id[0]) {
		buf_addf(&path, "/v1/resources/%s/accounts", p->there.id);
	} else {
		buf_adds(&path, "/v1/accounts");
		json_out_text(&w, "resource", buf_str(&p->resource));
		if (p->folder.id[0])
			json_out_text(&w, "folder", p->folder.id);
		for (size_t i = 0; i < ARRAY_LEN(texts); i++)
			if (cli_get(c, texts[i]))
				json_out_text(&w, texts[i], cli_get(c, texts[i]));
	}
	json_out_text(&w, "login", p->login);
	json_out_object(&w, "fields");
	json_out_textn(&w, field, value->data, value->len);
	json_out_end_object(&w);
	json_out_end_object(&w);
	return remote_call(r, REMOTE_WRITE, "POST", buf_str(&path), buf_str(&body), ret, e);
}

static int
add_version(const struct cli *c, struct remote *r, const char *id, const char *field,
	    struct buf *value, json_t **ret, struct err *e)
{
	auto_buf body = BUF_INIT, path = BUF_INIT;
	auto_json fields = NULL;
	int64_t version = 0, wanted = 0;

	int rc = cli_get_int(c, "if-version", 1, INT32_MAX, 0, &wanted, e);
	if (rc == 0)
		rc = current_fields(r, id, &fields, &version, e);
	if (rc < 0)
		return rc;
	if (wanted && wanted != version)
		return err_set(e, ERR_VERSION_CONFLICT,
			       "the account is at version %lld, not %lld; nothing was stored",
			       (long long)version, (long long)wanted);
	json_object_set_new(fields, field, json_stringn(buf_str(value), value->len));
	write_fields(&body, fields, version);
	buf_addf(&path, "/v1/accounts/%s/%s", id, cli_has(c, "settle") ? "settle" : "versions");
	return remote_call(r, REMOTE_WRITE, "POST", buf_str(&path), buf_str(&body), ret, e);
}

static const char *
where_stored(const struct remote *r)
{
	if (strcmp(remote_durability(r), "both") == 0)
		return "on both nodes";
	if (strcmp(remote_durability(r), "journal") == 0)
		return "in emergency, on this node only; it is merged with its journal";
	return "on this node only";
}

static void
say_stored(const struct remote *r, const json_t *o, const struct place *p,
	   const struct lookup_thing *a)
{
	auto_buf text = BUF_INIT;

	buf_addf(&text, "stored version %lld of ",
		 (long long)json_integer_value(json_object_get(o, "version")));
	if (a->id[0])
		lookup_show(&text, a);
	else
		buf_addf(&text, "%s/%s", buf_str(&p->resource), p->login);
	term_print_text(buf_str(&text));
	printf(" (%s)\n", where_stored(r));
}

static int
run_put(const struct cli *c, struct err *e)
{
	const char *field = cli_get(c, "field") ? cli_get(c, "field") : "password";
	FREE_WITH(place_done) struct place p = { 0 };
	auto_thing a = { 0 };
	auto_buf value = BUF_INIT;
	auto_remote r = NULL;
	auto_json o = NULL;

	int rc = remote_open(&r, e);
	if (rc == 0)
		rc = lookup_account(r, lookup_words(c, 0), LOOKUP_WRITE, &a, e);
	bool new = rc == ERR_NOT_FOUND;
	if (new)
		rc = plan(c, r, field, &p, e);
	if (rc == 0)
		rc = new_value(c, field, &value, e);
	if (rc < 0)
		return rc;
	rc = new ? make_account(c, r, &p, field, &value, &o, e)
		 : add_version(c, r, a.id, field, &value, &o, e);
	if (rc < 0)
		return rc;
	if (new)
		say_made(&p, false);
	if (!term_said_json(c->json, o))
		say_stored(r, o, &p, &a);
	return CLI_GOOD;
}

static int
run_gen(const struct cli *c, struct err *e)
{
	char generated[129];
	int64_t len;
	int rc = cli_get_int(c, "length", 8, 128, GENERATE_DEFAULT, &len, e);
	if (rc == 0)
		rc = password_generate((unsigned)len, !cli_has(c, "no-symbols"), generated, e);
	if (rc < 0)
		return rc;
	if (c->json) {
		auto_json o = json_pack("{ss}", "password", generated);
		term_print_json(o);
	} else {
		puts(generated);
	}
	secret_wipe(generated, sizeof(generated));
	return CLI_GOOD;
}

static const struct cli_opt put_opts[] = {
	{
		.name = "field",
		.value = "NAME",
		.help = "A field other than the password; the others stay as they are.",
	},
	{
		.name = "file",
		.value = "FILE",
		.help = "Read the value from FILE, to its end; - is standard input.",
	},
	{
		.name = "generate",
		.help = "Make a new random value instead of asking for one.",
	},
	{
		.name = "length",
		.value = "N",
		.help = "Characters to generate, 8 to 128 (default 24).",
	},
	{
		.name = "no-symbols",
		.help = "Generate letters and digits only.",
	},
	{
		.name = "settle",
		.help = "Settle a conflict with this new version.",
	},
	{
		.name = "if-version",
		.value = "N",
		.help = "Store only if the account is at version N now.",
	},
	{
		.name = "folder",
		.value = "PATH",
		.help = "Where the resource is put, if this creates it.",
	},
	{
		.name = "type",
		.value = "TEXT",
		.help = "For the resource, if this creates it.",
		.empty = true,
	},
	{
		.name = "address",
		.value = "TEXT",
		.help = "For the resource, if this creates it.",
		.empty = true,
	},
	{
		.name = "url",
		.value = "TEXT",
		.help = "For the resource, if this creates it.",
		.empty = true,
	},
	{
		.name = "description",
		.value = "TEXT",
		.help = "For the resource, if this creates it.",
		.empty = true,
	},
	{ 0 },
};
static const struct cli_opt gen_opts[] = {
	{
		.name = "length",
		.value = "N",
		.help = "Characters, 8 to 128 (default 24).",
	},
	{
		.name = "no-symbols",
		.help = "Letters and digits only.",
	},
	{ 0 },
};

const struct cli_verb verbs_put[] = {
	{
		.name = "put",
		.args = "RESOURCE/LOGIN | RESOURCE LOGIN",
		.min_args = 1,
		.max_args = 2,
		.opts = put_opts,
		.run = run_put,
		.help = "Stores a new version; creates the resource and the account if they do not "
			"exist.",
		.more = "The secret is asked for on the terminal (one line, twice), or read from "
			"standard input or --file to the end, with all its lines; it is never an "
			"argument. The line end behind a single line is dropped; everything else "
			"is kept byte for byte. It must be text in UTF-8, of at most 64 KiB.\nA "
			"resource or account that was made is named on standard error; to make "
			"one, the resource and the login must be two words, or one with one "
			"slash. " LOOKUP_HELP,
		.part = CLI_PASSWORDS,
	},
	{
		.name = "gen",
		.opts = gen_opts,
		.run = run_gen,
		.help = "Prints a random password; needs no node.",
		.part = CLI_PASSWORDS,
	},
	{ 0 },
};
