/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast import FILE: sends the whole file to the node, under an id made here; the node says
 * what it is and what it yields. Whatever happens on the way – Ctrl-C, a broken line, a node that
 * crashes – the id finds the outcome: the same request is sent again, or the node is told to
 * stop.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include "base/clock.h"
#include "base/uuid.h"
#include "cli/frame/cli.h"
#include "cli/frame/lookup.h"
#include "cli/frame/term.h"

#define FILE_MAX (32u << 20)
#define QUIET_MS 2000
#define EXIT_SIGNAL 128 /* and the signal's number, as shells have it */

struct job {
	struct remote *r;
	char id[UUID_STR_LEN];
	struct buf text, path;
	json_t *reply;
	struct err err;
	int rc;
	atomic_bool stop, done;
	int signal;		  /* that stopped it; 0: none did */
	sigset_t signals, before; /* blocked until the last word is said */
};

static void
send_file(void *arg)
{
	struct job *j = arg;
	j->rc = remote_send(j->r, "POST", buf_str(&j->path), j->text.data ? j->text.data : "",
			    j->text.len, &j->reply, &j->err);
	atomic_store(&j->done, true);
}

static void
show_progress(const struct job *j, struct term_step *step, int64_t begun_ms)
{
	char text[120];
	double seconds = (double)(clock_mono_ms() - begun_ms) / 1000;
	if (step->tty)
		snprintf(text, sizeof(text),
			 "%zu KiB are with the node; waiting for its answer (%.0f s)",
			 (j->text.len >> 10) + 1, seconds);
	else
		snprintf(text, sizeof(text), "the file is with the node; waiting for its answer");
	term_step(step, text, -1);
}

static void
take_signal(struct job *j, const struct timespec *wait)
{
	int signal = sigtimedwait(&j->signals, NULL, wait);
	if (signal <= 0 || j->signal)
		return;
	j->signal = signal;
	atomic_store(&j->stop, true);
	pthread_sigmask(SIG_UNBLOCK, &j->signals, NULL);
}

/* The signals are blocked in all threads: only this one takes them. The first one stops; the next
 * one ends the program. */
static void
wait_for(struct job *j, bool tty)
{
	const struct timespec tick = { .tv_nsec = 100000000 };
	struct term_step step = { .tty = tty };
	int64_t begun = clock_mono_ms();
	while (!atomic_load(&j->done)) {
		if (j->signal)
			clock_sleep_ms(100);
		else
			take_signal(j, &tick);
		if (!j->signal && clock_mono_ms() - begun > QUIET_MS)
			show_progress(j, &step, begun);
	}
	if (step.shown[0])
		term_step_end(&step);
}

/* Sends on a thread of its own, so that this one hears signals and shows progress. */
static void
send_and_wait(struct job *j, bool tty)
{
	const struct timespec now = { 0 };
	uv_thread_t thread;
	remote_stop_on(j->r, &j->stop);
	if (uv_thread_create(&thread, send_file, j) != 0) {
		send_file(j);
	} else {
		wait_for(j, tty);
		uv_thread_join(&thread);
	}
	remote_stop_on(j->r, NULL);
	if (!j->signal)
		take_signal(j, &now); /* it came when all was done */
}

/* ---- what is said ---- */

static long long
number(const json_t *o, const char *name)
{
	return (long long)json_integer_value(json_object_get(o, name));
}

/* "what: RESOURCE / LOGIN: why" of every line that there is something to say of. */
static void
print_lines(const json_t *o, FILE *out)
{
	size_t i;
	json_t *l;
	json_array_foreach(json_object_get(o, "lines"), i, l)
	{
		const char *login = lookup_text(l, "login"), *why = lookup_text(l, "why");
		fprintf(out, "line %lld: %s: ", number(l, "line"),
			strcmp(lookup_text(l, "fate"), "left_out") == 0 ? "left out"
									: lookup_text(l, "fate"));
		term_write_text(lookup_text(l, "resource"), false, out);
		if (*login)
			fputs(" / ", out);
		term_write_text(login, false, out);
		if (*why)
			fputs(": ", out);
		term_write_text(why, false, out);
		fputc('\n', out);
	}
	if (number(o, "lines_left_off"))
		fprintf(out, "and %lld lines more\n", number(o, "lines_left_off"));
}

static void
print_counts(const json_t *o)
{
	static const struct {
		const char *name, *text;
	} counts[] = {
		{ "updated", "get a new version" },
		{ "unchanged", "are there already, the same" },
		{ "skipped", "are skipped: they are there already" },
		{ "refused", "cannot be stored" },
		{ "left_out", "are left out: they were in a recycle bin" },
	};
	for (size_t i = 0; i < ARRAY_LEN(counts); i++)
		if (number(o, counts[i].name))
			printf("%lld of %lld %s\n", number(o, counts[i].name), number(o, "entries"),
			       counts[i].text);
}

static void
print_lost(const json_t *o)
{
	size_t i;
	json_t *l;
	json_array_foreach(json_object_get(o, "lost"), i, l)
	{
		printf("%s", i ? ", " : "what has no place here: ");
		term_print_text(lookup_text(l, "name"));
		printf(" (%lld)", number(l, "values"));
	}
	if (json_array_size(json_object_get(o, "lost")))
		printf("\n");
}

static void
print_report(const struct cli *c, const json_t *o, int64_t begun_ms)
{
	bool dry = json_is_true(json_object_get(o, "dry_run"));
	if (term_said_json(c->json, o))
		return;
	printf("%s %lld accounts of %lld resources", dry ? "would import" : "imported",
	       number(o, "accounts"), number(o, "resources"));
	if (!dry)
		printf(" in %.1f s", (double)(clock_mono_ms() - begun_ms) / 1000);
	printf("\n");
	if (*lookup_text(o, "format_title"))
		printf("the file is %s\n", lookup_text(o, "format_title"));
	print_counts(o);
	print_lost(o);
	fflush(stdout);
	print_lines(o, dry ? stdout : stderr);
}

static int
exit_of(const json_t *o)
{
	return number(o, "refused") ? CLI_FAILED : CLI_GOOD;
}

/* state: as the node says what became of an import. */
static void
print_outcome(const struct cli *c, const json_t *o)
{
	const char *state = lookup_text(o, "state");
	if (c->json)
		term_print_json(o);
	else if (strcmp(state, "stored") == 0)
		printf("it was stored: %lld of %lld entries are in the vault\n",
		       number(o, "accounts") + number(o, "updated"), number(o, "entries"));
	else if (strcmp(state, "running") == 0)
		printf("the node is still at it; ask again\n");
	else
		printf("nothing was stored\n");
}

/* ---- what became of it ---- */

static void
outcome_path(const struct job *j, struct buf *out)
{
	buf_addf(out, "/v1/import/%s", j->id);
}

/* Stops it unless it is stored; either is then known for good. */
static int
settle(const struct cli *c, struct job *j, struct err *e)
{
	auto_buf path = BUF_INIT;
	auto_json o = NULL;
	outcome_path(j, &path);
	int rc = remote_call(j->r, REMOTE_REPEAT, "DELETE", buf_str(&path), NULL, &o, e);
	if (rc < 0)
		return err_prefix(e,
				  "what became of it could not be found out; ask with "
				  "`holdfast import --outcome %s`: ",
				  j->id);
	print_outcome(c, o);
	return strcmp(lookup_text(o, "state"), "stored") == 0 ? CLI_GOOD : CLI_FAILED;
}

static int
ask_outcome(const struct cli *c, struct err *e)
{
	auto_remote r = NULL;
	auto_json o = NULL;
	auto_buf path = BUF_INIT;
	struct uuid id;
	if (c->nargs)
		return err_set(e, ERR_USAGE, "--outcome takes the id of an import and no file");
	if (uuid_parse(cli_get(c, "outcome"), &id))
		return err_set(e, ERR_USAGE, "--outcome: this is no id of an import");
	int rc = remote_open(&r, e);
	if (rc < 0)
		return rc;
	buf_addf(&path, "/v1/import/%s", cli_get(c, "outcome"));
	rc = remote_call(r, REMOTE_READ, "GET", buf_str(&path), NULL, &o, e);
	if (rc < 0)
		return rc;
	print_outcome(c, o);
	return strcmp(lookup_text(o, "state"), "stored") == 0 ? CLI_GOOD : CLI_FAILED;
}

/* Whether the node may have stored it although the call failed. */
static bool
is_unknown(const struct job *j)
{
	return remote_maybe_done(j->r) || j->rc == ERR_TIMEOUT || j->rc == ERR_INTERNAL ||
	       j->rc == ERR_LOG_UNWRITABLE || j->rc == ERR_DB_GONE;
}

static int
end_interrupted(const struct cli *c, struct job *j, struct err *e)
{
	fprintf(stderr, "interrupted; asking the node what became of import %s …\n", j->id);
	int rc = settle(c, j, e);
	return rc < 0 ? rc : EXIT_SIGNAL + j->signal;
}

static int
end_failed(const struct cli *c, struct job *j, struct err *e)
{
	struct err why = j->err;
	if (is_unknown(j)) {
		fprintf(stderr, "holdfast import: %s; asking the node what became of it …\n",
			j->err.text);
		int rc = settle(c, j, e);
		return rc;
	}
	*e = why;
	return err_prefix(e, "cannot import %s: ", c->args[0]);
}

/* ---- the verb ---- */

static void
write_path(const struct cli *c, struct job *j)
{
	static const struct {
		const char *option, *query;
	} texts[] = { { "format", "format" }, { "duplicates", "duplicates" } };
	buf_addf(&j->path, "/v1/import?dry_run=%s", cli_has(c, "dry-run") ? "true" : "false");
	if (cli_has(c, "all-or-nothing"))
		buf_adds(&j->path, "&all_or_nothing=true");
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const char *value = cli_get(c, texts[i].option);
		if (!value)
			continue;
		buf_addf(&j->path, "&%s=", texts[i].query);
		lookup_escape(&j->path, value);
	}
	if (!cli_has(c, "dry-run"))
		buf_addf(&j->path, "&id=%s", j->id);
}

static int
run_job(const struct cli *c, struct job *j, struct err *e)
{
	struct uuid id;
	sigemptyset(&j->signals);
	sigaddset(&j->signals, SIGINT);
	sigaddset(&j->signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &j->signals, &j->before);
	int rc = remote_open(&j->r, e);
	if (rc == 0)
		rc = home_read_file(c->args[0], FILE_MAX, &j->text, e);
	if (rc < 0)
		return rc;
	uuid_new(&id);
	uuid_str(&id, j->id);
	write_path(c, j);
	int64_t begun = clock_mono_ms();
	send_and_wait(j, c->err_tty);
	buf_done(&j->text);
	if (j->rc == 0) {
		print_report(c, j->reply, begun);
		return j->signal ? EXIT_SIGNAL + j->signal : exit_of(j->reply);
	}
	if (cli_has(c, "dry-run")) {
		*e = j->err;
		return err_prefix(e, "cannot look at %s: ", c->args[0]);
	}
	return j->signal ? end_interrupted(c, j, e) : end_failed(c, j, e);
}

static int
run(const struct cli *c, struct err *e)
{
	struct job j = { 0 };
	if (cli_has(c, "outcome"))
		return ask_outcome(c, e);
	if (!c->nargs)
		return err_set(e, ERR_USAGE, "which file? holdfast import FILE");
	int rc = run_job(c, &j, e);
	buf_done(&j.text);
	buf_done(&j.path);
	json_decref(j.reply);
	remote_free(j.r);
	fflush(stdout);
	pthread_sigmask(SIG_SETMASK, &j.before, NULL);
	return rc;
}

static const struct cli_opt opts[] = {
	{
		.name = "format",
		.value = "NAME",
		.help = "What the file is, as docs/import.md names it (default: told by its "
			"header).",
	},
	{
		.name = "dry-run",
		.help = "Shows what would be imported, what would not and why; stores nothing.",
	},
	{
		.name = "all-or-nothing",
		.help = "Stores nothing if any entry cannot be stored.",
	},
	{
		.name = "duplicates",
		.value = "skip|update|new",
		.help = "A login that is there already: leave it (default), give it a new version "
			"if something differs, or store it under another name.",
	},
	{
		.name = "outcome",
		.value = "ID",
		.help = "Reports what an interrupted import has stored.",
	},
	{ 0 },
};

const struct cli_verb verbs_import[] = {
	{
		.name = "import",
		.args = "[FILE]",
		.max_args = 1,
		.opts = opts,
		.run = run,
		.help = "Imports what another password manager exported.",
		.more = "Bitwarden, Chrome and Edge, Firefox, LastPass, KeePass, KeePassXC, "
			"Passbolt, 1Password, Apple, Password Manager Pro, or a table with a "
			"header (resource,login,password and, if you like, "
			"url,description,notes\nand further columns, which become fields). An "
			"entry that cannot be stored is named by its line; the others come. Exit 1 "
			"when there was one. Delete the file afterwards.",
		.part = CLI_PASSWORDS,
	},
	{ 0 },
};
