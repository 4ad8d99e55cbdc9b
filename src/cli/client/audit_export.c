/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast audit export FILE, audit verify FILE: the whole log as signed lines, which any machine
 * can check. The file appears whole and verified, or not at all.
 */
#include "cli/client/audit_export.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "base/place.h"
#include "cli/frame/lookup.h"
#include "cli/frame/term.h"
#include "crypto/auditfile.h"

#define TELL_AFTER_MS 2000
#define KEY_HEX (2 * AUDITFILE_KEY_BYTES + 1)

struct out {
	const struct cli *c;
	struct remote *r;
	FILE *f;
	char path[4096], tmp[4112];
	int64_t begun_ms, events, total;
	bool told, replace;
};

/* ---- the file ---- */

static int
open_out(struct out *o, const char *path, struct err *e)
{
	if (snprintf(o->path, sizeof(o->path), "%s", path) >= (int)sizeof(o->path))
		return err_set(e, ERR_USAGE, "the path is too long");
	int rc = place_check(path, o->replace, e);
	if (rc < 0)
		return rc;
	snprintf(o->tmp, sizeof(o->tmp), "%s.XXXXXX", path);
	int fd = mkstemp(o->tmp);
	if (fd < 0)
		return err_errno(e, ERR_IO, "cannot create a file beside %s", path);
	o->f = mem_have(fdopen(fd, "w+"));
	return 0;
}

static int
write_lines(struct out *o, json_t *reply, struct err *e)
{
	json_t *lines = json_object_get(reply, "lines"), *line;
	size_t i;
	if (!json_is_array(lines))
		return err_set(e, ERR_UNREACHABLE, "the node's reply has no lines");
	json_array_foreach(lines, i, line)
	{
		const char *text = json_string_value(line);
		if (!text || fputs(text, o->f) < 0 || fputc('\n', o->f) < 0)
			return text ? err_errno(e, ERR_IO, "cannot write %s", o->tmp)
				    : err_set(e, ERR_UNREACHABLE, "the node's reply is no export");
	}
	return 0;
}

static void
tell(struct out *o)
{
	if (!o->c->err_tty || clock_mono_ms() - o->begun_ms < TELL_AFTER_MS)
		return;
	o->told = true;
	fprintf(stderr, "\r%lld of %lld events ", (long long)o->events, (long long)o->total);
}

/* Whether somebody wants it ended. The signals are held back meanwhile, so that no half is left. */
static bool
is_stopped(void)
{
	sigset_t waiting;
	sigpending(&waiting);
	return sigismember(&waiting, SIGINT) == 1 || sigismember(&waiting, SIGTERM) == 1 ||
	       sigismember(&waiting, SIGHUP) == 1;
}

static int
fetch_part(struct out *o, const char *node, int64_t upto, int64_t *after, struct err *e)
{
	auto_buf path = BUF_INIT;
	auto_json reply = NULL;
	buf_addf(&path, "/v1/audit/export?node=%s&after=%lld&upto=%lld", node, (long long)*after,
		 (long long)upto);
	int rc = remote_call(o->r, REMOTE_READ, "GET", buf_str(&path), NULL, &reply, e);
	if (rc)
		return rc;
	int64_t seq = json_integer_value(json_object_get(reply, "seq"));
	if (seq <= *after || seq > upto)
		return err_set(e, ERR_UNREACHABLE, "the node's reply is not the part asked for");
	rc = write_lines(o, reply, e);
	o->events += seq - *after;
	*after = seq;
	tell(o);
	return rc;
}

static int
fetch_node(struct out *o, json_t *head, struct err *e)
{
	const char *node = lookup_text(head, "node");
	int64_t after = 0, upto = json_integer_value(json_object_get(head, "seq"));
	int rc = 0;
	while (!rc && after < upto)
		rc = is_stopped() ? err_set(e, ERR_REFUSED, "stopped; nothing was written")
				  : fetch_part(o, node, upto, &after, e);
	return rc;
}

static int
fetch_all(struct out *o, struct err *e)
{
	auto_json reply = NULL;
	size_t i;
	json_t *heads, *head;
	int rc = remote_call(o->r, REMOTE_READ, "GET", "/v1/audit/export", NULL, &reply, e);
	if (!rc)
		rc = write_lines(o, reply, e);
	if (rc)
		return rc;
	heads = json_object_get(reply, "heads");
	json_array_foreach(heads, i, head) o->total +=
		json_integer_value(json_object_get(head, "seq"));
	json_array_foreach(heads, i, head)
	{
		rc = fetch_node(o, head, e);
		if (rc)
			return rc;
	}
	if (fputs("end\n", o->f) < 0 || fflush(o->f) || fsync(fileno(o->f)))
		return err_errno(e, ERR_IO, "cannot write %s", o->tmp);
	return 0;
}

/* ---- what is said ---- */

static void
key_text(const struct auditfile *a, char text[static KEY_HEX])
{
	sodium_bin2hex(text, KEY_HEX, auditfile_key(a), AUDITFILE_KEY_BYTES);
}

static void
write_accepted(const struct cli *c, const struct auditfile *a, struct json_out *w)
{
	const struct auditfile_accepted *b;
	unsigned n = auditfile_accepted(a, &b);

	json_out_array(w, "accepted");
	for (unsigned i = 0; i < n; i++, b++) {
		char node[UUID_STR_LEN], by[UUID_STR_LEN];

		uuid_str(&b->node, node);
		uuid_str(&b->node_by, by);
		if (!c->json)
			printf("accepted  node %s: events %lld to %lld are missing, changed or "
			       "others than "
			       "they were; accepted by event %lld of node %s\n",
			       node, (long long)b->from, (long long)b->to, (long long)b->seq_by,
			       by);
		json_out_object(w, NULL);
		json_out_uuid(w, "node", &b->node);
		json_out_int(w, "from", b->from);
		json_out_int(w, "to", b->to);
		json_out_uuid(w, "by_node", &b->node_by);
		json_out_int(w, "by_seq", b->seq_by);
		json_out_end_object(w);
	}
	json_out_end_array(w);
}

static void
print_result(const struct cli *c, const char *file, const struct auditfile *a,
	     const struct auditfile_result *r, const char *against)
{
	const struct auditfile_event *heads;
	unsigned n = auditfile_heads(a, &heads);
	char key[KEY_HEX], node[UUID_STR_LEN];
	auto_buf out = BUF_INIT;
	struct json_out w;
	key_text(a, key);
	json_out_init(&w, &out);
	json_out_object(&w, NULL);
	json_out_bool(&w, "good", true);
	json_out_text(&w, "file", file);
	json_out_text(&w, "against", against);
	json_out_text(&w, "key", key);
	json_out_text(&w, "at", auditfile_at(a));
	json_out_int(&w, "events", r->events);
	json_out_array(&w, "nodes");
	for (unsigned i = 0; i < n; i++) {
		uuid_str(&heads[i].node, node);
		if (!c->json)
			printf("node %s: %lld events\n", node, (long long)heads[i].seq);
		json_out_object(&w, NULL);
		json_out_uuid(&w, "node", &heads[i].node);
		json_out_int(&w, "last_seq", heads[i].seq);
		json_out_end_object(&w);
	}
	json_out_end_array(&w);
	write_accepted(c, a, &w);
	if (against)
		json_out_int(&w, "lost", r->lost);
	json_out_end_object(&w);
	if (c->json)
		puts(buf_str(&out));
	else
		printf("%lld events of %s, signed by key %s\n", (long long)r->events,
		       auditfile_at(a), key);
}

/* ---- audit export ---- */

static int
verify_and_keep(struct out *o, struct err *e)
{
	auto_auditfile a = NULL;
	struct auditfile_result found;
	rewind(o->f);
	int rc = auditfile_open(o->f, o->tmp, &a, e);
	if (!rc)
		rc = auditfile_verify(a, NULL, &found, e);
	if (!rc && is_stopped())
		rc = err_set(e, ERR_REFUSED, "stopped; nothing was written");
	if (!rc)
		rc = place_file(o->tmp, o->path, o->replace, e);
	if (rc)
		return rc;
	if (o->told)
		fputc('\n', stderr);
	print_result(o->c, o->path, a, &found, NULL);
	return 0;
}

static int
run_export(const struct cli *c, struct err *e)
{
	auto_remote r = NULL;
	struct out o = { .c = c, .begun_ms = clock_mono_ms(), .replace = cli_has(c, "force") };
	sigset_t held, before;
	int rc = remote_open(&r, e);
	if (rc)
		return rc;
	o.r = r;
	sigemptyset(&held);
	sigaddset(&held, SIGINT);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGHUP);
	sigprocmask(SIG_BLOCK, &held, &before);
	rc = open_out(&o, c->args[0], e);
	if (!rc) {
		rc = fetch_all(&o, e);
		if (!rc)
			rc = verify_and_keep(&o, e);
		if (rc)
			unlink(o.tmp);
		fclose(o.f);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return rc ? rc : CLI_GOOD;
}

/* ---- audit verify FILE ---- */

struct input {
	FILE *f;
	struct auditfile *a;
};

static void
input_done(struct input *in)
{
	auditfile_free(in->a);
	if (in->f)
		fclose(in->f);
}

static int
open_input(struct input *in, const char *path, struct err *e)
{
	in->f = fopen(path, "re");
	if (!in->f)
		return err_errno(e, ERR_IO, "cannot open %s", path);
	return auditfile_open(in->f, path, &in->a, e);
}

static int
check_key(const struct input *in, const char *want, struct err *e)
{
	char key[KEY_HEX];
	key_text(in->a, key);
	if (!want || strcmp(want, key) == 0)
		return 0;
	return err_set(e, ERR_CHAIN_BROKEN,
		       "the export is signed by the key %s, not by the one that was named", key);
}

int
audit_export_verify(const struct cli *c, struct err *e)
{
	FREE_WITH(input_done) struct input now = { 0 }, old = { 0 };
	const char *against = cli_get(c, "against"), *key = cli_get(c, "key");
	struct auditfile_result found;
	int rc = sodium_init() < 0 ? err_set(e, ERR_INTERNAL, "libsodium does not start") : 0;
	if (!rc)
		rc = open_input(&now, c->args[0], e);
	if (!rc)
		rc = check_key(&now, key, e);
	if (!rc && against)
		rc = open_input(&old, against, e);
	if (!rc)
		rc = auditfile_verify(now.a, old.a, &found, e);
	if (rc)
		return rc;
	print_result(c, c->args[0], now.a, &found, against);
	if (c->json)
		return CLI_GOOD;
	printf("%sgood%s: every signature fits%s%s\n", cli_paint(c, CLI_GREEN),
	       cli_paint(c, CLI_PLAIN),
	       against ? ", and everything of the earlier export is there unchanged" : "",
	       against && found.lost ? " but for what was accepted" : "");
	if (found.lost)
		printf("%lld events of the earlier export are missing or others here; that was "
		       "accepted\n",
		       (long long)found.lost);
	if (!key)
		puts("Compare the key with the one that you wrote down at the first export, or "
		     "name "
		     "it with --key.");
	return CLI_GOOD;
}

static const struct cli_opt export_opts[] = {
	{
		.name = "force",
		.help = "Replace FILE if it exists.",
	},
	{ 0 },
};

const struct cli_verb verbs_audit_export[] = {
	{
		.name = "audit export",
		.args = "FILE",
		.min_args = 1,
		.max_args = 1,
		.opts = export_opts,
		.run = run_export,
		.help = "Writes the whole log of all nodes, signed, to a file for auditors.",
		.more = "The file can be checked anywhere with holdfast audit verify FILE. Write "
			"down the key that it shows: it changes only with the master key.",
		.part = CLI_LOG,
	},
	{ 0 },
};
