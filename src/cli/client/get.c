/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast get: one password, alone on standard output.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/json_out.h"
#include "cli/frame/cli.h"
#include "cli/frame/lookup.h"
#include "cli/frame/term.h"

#define CLEAR_AFTER_MS 30000

/* Programs that take the clipboard's text on standard input, in the order tried. */
static const char *const clip_programs[][5] = {
	{ "wl-copy", NULL },
	{ "xclip", "-selection", "clipboard", NULL },
	{ "xsel", "--clipboard", "--input", NULL },
};

static int
pipe_to(const char *const *argv, const char *text, size_t n)
{
	int fds[2], status = -1;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);
		if (dup2(fds[0], STDIN_FILENO) < 0 || null < 0 || dup2(null, STDOUT_FILENO) < 0 ||
		    dup2(null, STDERR_FILENO) < 0)
			_exit(127);
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	close(fds[0]);
	ssize_t sent = pid < 0 ? -1 : write(fds[1], text, n);
	close(fds[1]);
	if (pid > 0)
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	return sent == (ssize_t)n && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

/* A child of our own empties it again. It holds nothing open that somebody reads to its end. */
static void
clear_later(const char *const *argv)
{
	if (fork() != 0)
		return;
	int null = open("/dev/null", O_RDWR);
	if (setsid() < 0 || null < 0)
		_exit(1);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (dup2(null, fd) < 0)
			_exit(1);
	close_range(STDERR_FILENO + 1, ~0U, 0);
	clock_sleep_ms(CLEAR_AFTER_MS);
	_exit(pipe_to(argv, "", 0) < 0);
}

static int
copy_text(const char *text, size_t n, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(clip_programs); i++) {
		const char *const *argv = clip_programs[i];
		if (pipe_to(argv, text, n) < 0)
			continue;
		clear_later(argv);
		fprintf(stderr, "copied; the clipboard is emptied in %d s\n",
			CLEAR_AFTER_MS / 1000);
		return 0;
	}
	return err_set(e, ERR_PRECONDITION,
		       "cannot reach a clipboard: none of wl-copy, xclip and xsel works here; "
		       "leave --copy out");
}

static int
give_field(const struct cli *c, json_t *o, struct err *e)
{
	const char *name = cli_get(c, "field") ? cli_get(c, "field") : "password";
	json_t *fields = json_object_get(o, "fields"), *v = json_object_get(fields, name);
	const char *key;
	json_t *ignored;

	if (!json_is_string(v)) {
		auto_buf names = BUF_INIT;
		json_object_foreach(fields, key, ignored)
			buf_addf(&names, "%s%s", names.len ? ", " : "", key);
		return err_set(e, ERR_NOT_FOUND, "the account has no field \"%s\"; it has: %s",
			       name, buf_str(&names));
	}
	if (cli_has(c, "copy"))
		return copy_text(json_string_value(v), json_string_length(v), e);
	if (c->out_tty) /* it is read, not kept: nothing in it steers the terminal */
		term_write_text(json_string_value(v), true, stdout);
	else
		fwrite(json_string_value(v), 1, json_string_length(v), stdout);
	if (c->out_tty || !cli_has(c, "no-newline"))
		putchar('\n');
	return 0;
}

static void
note_conflict(const struct lookup_thing *a)
{
	auto_buf words = BUF_INIT;

	lookup_quote(&words, a);
	fprintf(stderr,
		"note: this account has versions in conflict; see `holdfast history %s`, then "
		"`holdfast settle %s VERSION`\n",
		buf_str(&words), buf_str(&words));
}

static int
run_get(const struct cli *c, struct err *e)
{
	auto_buf body = BUF_INIT, path = BUF_INIT;
	auto_remote r = NULL;
	auto_json o = NULL;
	auto_thing a = { 0 };
	int64_t version;
	struct json_out w;

	int rc = cli_get_int(c, "version", 1, INT32_MAX, 0, &version, e);
	if (rc == 0)
		rc = remote_open(&r, e);
	if (rc == 0)
		rc = lookup_account(r, lookup_words(c, 0), LOOKUP_READ, &a, e);
	if (rc < 0)
		return rc;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	if (cli_get(c, "reason"))
		json_out_text(&w, "reason", cli_get(c, "reason"));
	if (version)
		json_out_int(&w, "version", version);
	json_out_end_object(&w);
	buf_addf(&path, "/v1/accounts/%s/retrieve", a.id);
	rc = remote_call(r, REMOTE_READ, "POST", buf_str(&path), buf_str(&body), &o, e);
	if (rc < 0)
		return rc;
	term_note_mode(r);
	if (json_is_true(json_object_get(o, "conflict")))
		note_conflict(&a);
	if (term_said_json(c->json, o))
		return CLI_GOOD;
	return give_field(c, o, e);
}

static const struct cli_opt opts[] = {
	{
		.name = "field",
		.value = "NAME",
		.help = "A field other than the password.",
	},
	{
		.name = "reason",
		.value = "TEXT",
		.help = "Why you need it; recorded in the audit log.",
	},
	{
		.name = "version",
		.value = "N",
		.help = "An older version.",
	},
	{
		.name = "copy",
		.help = "Copy to the clipboard for 30 seconds instead of printing.",
	},
	{
		.name = "no-newline",
		.help = "Print no newline after the secret.",
	},
	{ 0 },
};

const struct cli_verb verbs_get[] = {
	{
		.name = "get",
		.args = "RESOURCE/LOGIN | RESOURCE LOGIN",
		.min_args = 1,
		.max_args = 2,
		.opts = opts,
		.run = run_get,
		.help = "Prints one password, and nothing else, on standard output.",
		.more = "Falls back to the secondary when the primary cannot be reached. RESOURCE "
			"alone is enough if it has only one account. " LOOKUP_HELP,
		.part = CLI_PASSWORDS,
	},
	{ 0 },
};
