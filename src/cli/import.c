/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast import FILE.csv: checks the file here, sends it whole, all or nothing.
 */
#include <stdatomic.h>
#include <uv.h>
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/lookup.h"
#include "cli/term.h"

#define FILE_MAX (32u << 20)

struct job {
	struct remote *r;
	const char *path;
	const struct buf *text;
	json_t *reply;
	struct err err;
	int rc;
};

static void
send_file(void *arg)
{
	struct job *j = arg;
	j->rc = remote_send(j->r, "POST", j->path, CLIENT_CSV, j->text->data, j->text->len,
			    &j->reply, &j->err);
}

struct progress {
	struct job *job;
	atomic_bool done;
};

static void
send_and_tell(void *arg)
{
	struct progress *p = arg;
	send_file(p->job);
	atomic_store(&p->done, true);
}

static size_t
count_lines(const struct buf *b)
{
	size_t n = 0;
	for (size_t i = 0; i < b->len; i++)
		n += b->data[i] == '\n';
	return n;
}

/* A moving mark while the node seals and stores; the request is one, so there is no half to report.
 */
static void
show_progress(size_t lines, int64_t begun_ms, unsigned tick)
{
	static const char marks[] = "|/-\\";
	fprintf(stderr, "\r%c about %zu lines sent; the node seals and stores them … %.1f s ",
		marks[tick % 4], lines, (double)(clock_mono_ms() - begun_ms) / 1000);
	fflush(stderr);
}

/* Sends on a thread of its own when there is somebody to show progress to (lines > 0). */
static int
send_with_progress(struct job *j, size_t lines, int64_t begun_ms)
{
	uv_thread_t thread;
	struct progress p = { .job = j };

	if (lines == 0 || uv_thread_create(&thread, send_and_tell, &p) != 0) {
		send_file(j);
		return j->rc;
	}
	for (unsigned tick = 0; !atomic_load(&p.done); tick++) {
		clock_sleep_ms(100);
		if (clock_mono_ms() - begun_ms > 1000)
			show_progress(lines, begun_ms, tick);
	}
	uv_thread_join(&thread);
	fprintf(stderr, "\r\033[K");
	return j->rc;
}

static int
run(const struct cli *c, struct err *e)
{
	const char *format = cli_get(c, "format");
	auto_buf text = BUF_INIT, path = BUF_INIT;
	auto_remote r = NULL;
	struct job job = { 0 };

	int rc = remote_open(&r, e);
	if (rc == 0)
		rc = home_read_file(c->args[0], FILE_MAX, &text, e);
	if (rc < 0)
		return rc;
	buf_addf(&path, "/v1/import?dry_run=%s", cli_has(c, "dry-run") ? "true" : "false");
	if (format) {
		buf_adds(&path, "&format=");
		lookup_escape(&path, format);
	}
	job = (struct job){ .r = r, .path = buf_str(&path), .text = &text, .rc = 1 };
	int64_t begun = clock_mono_ms();
	rc = send_with_progress(&job, c->err_tty ? count_lines(&text) : 0, begun);
	auto_json o = job.reply;
	if (rc < 0) {
		*e = job.err;
		return err_prefix(e, "cannot import %s: ", c->args[0]);
	}
	if (c->json)
		term_print_json(o);
	else
		printf("%s %lld accounts of %lld resources in %.1f s\n",
		       cli_has(c, "dry-run") ? "would import" : "imported",
		       (long long)json_integer_value(json_object_get(o, "accounts")),
		       (long long)json_integer_value(json_object_get(o, "resources")),
		       (double)(clock_mono_ms() - begun) / 1000);
	return CLI_GOOD;
}

static const struct cli_opt opts[] = {
	{ "format", "keepassxc|plain", "What the file is (default: told by its header)." },
	{ "dry-run", NULL, "Check everything, store nothing." },
	{ 0 },
};

const struct cli_verb verb_import = {
	"import",
	"FILE.csv",
	1,
	1,
	opts,
	run,
	"Imports accounts from a CSV file, all or none.",
	"KeePassXC's export, or a plain table with a header: resource,login,password and, if you "
	"like, url,description,notes\n"
	"and further columns, which become fields. A bad line is named by its number. Delete the "
	"file afterwards.",
	0
};
