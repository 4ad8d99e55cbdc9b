/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast find, ls: what there is, without a secret.
 */
#include "cli/cli.h"
#include "cli/lookup.h"
#include "cli/removed.h"
#include "cli/term.h"

/* What is printed as it comes, page by page. */
struct listing {
	bool json;
	int64_t left; /* resources that may still come */
	size_t printed;
};

static void
add_row(struct term_table *t, const json_t *res, const json_t *a)
{
	auto_buf name = BUF_INIT, version = BUF_INIT;

	buf_adds(&name, lookup_text(res, "name"));
	if (a) {
		buf_addf(&name, "/%s", lookup_text(a, "login"));
		buf_addf(&version, "%lld%s",
			 (long long)json_integer_value(json_object_get(a, "version")),
			 json_is_true(json_object_get(a, "conflict")) ? " conflict" : "");
	}
	term_table_row(t, buf_str(&name), lookup_text(a ? a : res, "level"), buf_str(&version),
		       lookup_text(res, "url"), lookup_text(res, "description"));
}

static void
print_table(const struct listing *l, const json_t *page)
{
	struct term_table t = { .head = { "ACCOUNT", "MAY", "VERSION", "URL", "DESCRIPTION" },
				.columns = 5,
				.headless = l->printed > 0 };
	size_t i, j;
	json_t *res, *a;

	json_array_foreach(page, i, res)
	{
		const json_t *accounts = json_object_get(res, "accounts");
		if (json_array_size(accounts) == 0)
			add_row(&t, res, NULL);
		json_array_foreach(accounts, j, a) add_row(&t, res, a);
	}
	term_table_print(&t);
}

static void
print_page(struct listing *l, const json_t *page)
{
	size_t i;
	json_t *res;

	if (!l->json && json_array_size(page))
		print_table(l, page);
	json_array_foreach(page, i, res)
	{
		if (l->json) {
			fputs(l->printed ? ",\n" : "[\n", stdout);
			term_write_json(res);
		}
		l->printed++;
	}
	l->left -= (int64_t)json_array_size(page);
}

static void
print_end(const struct listing *l)
{
	if (l->json)
		fputs(l->printed ? "\n]\n" : "[]\n", stdout);
	else if (!l->printed)
		printf("nothing found\n");
}

/* One page of GET /v1/resources; next is where the following one begins, empty after the last. */
static int
read_page(struct remote *r, const char *q, int64_t limit, struct buf *next, json_t **ret,
	  struct err *e)
{
	auto_buf path = BUF_INIT;

	buf_addf(&path, "/v1/resources?limit=%lld", (long long)limit);
	if (q) {
		buf_adds(&path, "&q=");
		lookup_escape(&path, q);
	}
	if (next->len)
		buf_addf(&path, "&after=%s", buf_str(next));
	int rc = remote_call(r, REMOTE_READ, "GET", buf_str(&path), NULL, ret, e);
	buf_reset(next);
	if (rc == 0)
		lookup_escape(next, lookup_text(*ret, "next"));
	return rc;
}

#define PAGE_ROWS 200

static int
run_find(const struct cli *c, struct err *e)
{
	struct listing l = { .json = c->json };
	auto_remote r = NULL;
	auto_buf next = BUF_INIT;
	int rc = cli_get_int(c, "most", 1, INT32_MAX, INT32_MAX, &l.left, e);
	if (rc == 0)
		rc = remote_open(&r, e);
	if (rc < 0)
		return rc;
	do {
		auto_json o = NULL;
		rc = read_page(r, c->nargs ? c->args[0] : NULL,
			       l.left < PAGE_ROWS ? l.left : PAGE_ROWS, &next, &o, e);
		if (rc < 0)
			return rc;
		if (l.printed == 0)
			term_note_mode(r);
		print_page(&l, json_object_get(o, "resources"));
		if (fflush(stdout) != 0)
			return CLI_GOOD; /* nobody reads on; the frame says so if need be */
	} while (next.len && l.left > 0);
	print_end(&l);
	return CLI_GOOD;
}

static int
run_ls(const struct cli *c, struct err *e)
{
	return cli_has(c, "removed") ? removed_list(c, e) : run_find(c, e);
}

static const struct cli_opt ls_opts[] = {
	{ "most", "N", "At most N resources." },
	{ "removed", NULL, "What was removed and can be brought back, instead." },
	{ 0 },
};
static const struct cli_opt opts[] = {
	{ "most", "N", "At most N resources." },
	{ 0 },
};

const struct cli_verb verb_find = {
	"find",
	"TEXT",
	1,
	1,
	opts,
	run_find,
	"Finds accounts whose resource, address, description or login holds TEXT.",
	NULL,
	0
};
const struct cli_verb verb_ls = {
	"ls", "", 0, 0, ls_opts, run_ls, "Lists every account that you may use.", NULL, 0
};
