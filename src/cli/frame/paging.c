/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/frame/paging.h"

#include <string.h>
#include "cli/frame/lookup.h"

#define PAGE_ROWS 200

/* ---- reading ---- */

/* One page; next is where the following one begins, empty after the last. */
static int
read_page(struct remote *r, const struct paging *list, const char *path, int64_t limit,
	  struct buf *next, json_t **ret, struct err *e)
{
	auto_buf full = BUF_INIT;

	buf_addf(&full, "%s%climit=%lld", path, strchr(path, '?') ? '&' : '?', (long long)limit);
	if (next->len)
		buf_addf(&full, "&%s=%s", list->cursor, buf_str(next));
	int rc = remote_call(r, REMOTE_READ, "GET", buf_str(&full), NULL, ret, e);
	buf_reset(next);
	if (rc == 0)
		lookup_escape(next, lookup_text(*ret, "next"));
	return rc;
}

static int
complete_rows(struct remote *r, const struct paging *list, const json_t *rows, struct err *e)
{
	size_t i;
	json_t *row;
	int rc = 0;

	json_array_foreach(rows, i, row)
	{
		if (list->complete && rc == 0)
			rc = list->complete(r, row, e);
	}
	return rc;
}

/* Takes a page; more: another one follows. False: that is enough. */
typedef bool page_fn(void *arg, const json_t *rows, bool more);

static int
walk(struct remote *r, const struct paging *list, const char *path, int64_t most, page_fn *fn,
     void *arg, struct err *e)
{
	auto_buf next = BUF_INIT;
	bool go_on;

	do {
		auto_json o = NULL;
		int rc =
			read_page(r, list, path, most < PAGE_ROWS ? most : PAGE_ROWS, &next, &o, e);
		const json_t *rows = rc < 0 ? NULL : json_object_get(o, list->array);
		if (rc == 0)
			rc = complete_rows(r, list, rows, e);
		if (rc < 0)
			return rc;
		int64_t n = (int64_t)json_array_size(rows);
		most -= n;
		go_on = fn(arg, rows, next.len > 0) && n && next.len && most > 0;
	} while (go_on);
	return 0;
}

/* ---- printing ---- */

struct printer {
	const struct cli *c;
	const struct remote *r;
	const struct paging *list;
	struct term_table table;
	size_t pages, printed;
	bool more; /* there is more than was printed */
};

static void
print_json_rows(struct printer *p, const json_t *rows)
{
	size_t i;
	json_t *row;

	json_array_foreach(rows, i, row)
	{
		fputs(p->printed + i ? ",\n" : "[\n", stdout);
		term_write_json(row);
	}
}

static void
print_table_rows(struct printer *p, const json_t *rows)
{
	size_t i;
	json_t *row;

	json_array_foreach(rows, i, row) p->list->row(&p->table, row);
	if (json_array_size(rows) || !p->list->none)
		term_table_print(&p->table);
}

static bool
print_page(void *arg, const json_t *rows, bool more)
{
	struct printer *p = arg;

	if (p->pages++ == 0) {
		term_note_mode(p->r);
		if (p->c->json && p->list->whole)
			printf("{\n\"%s\": ", p->list->whole);
	}
	if (p->c->json)
		print_json_rows(p, rows);
	else
		print_table_rows(p, rows);
	p->printed += json_array_size(rows);
	p->more = more;
	return fflush(stdout) == 0; /* else nobody reads on; the frame says so if need be */
}

static void
print_end(const struct printer *p)
{
	if (p->c->json) {
		fputs(p->printed ? "\n]" : "[]", stdout);
		fputs(p->list->whole ? "\n}\n" : "\n", stdout);
	} else if (!p->printed && p->list->none) {
		printf("%s\n", p->list->none);
	}
	if (p->more && !cli_has(p->c, "most") && !ferror(stdout))
		fprintf(stderr, "note: there is more than these %zu; --most N shows it\n",
			p->printed);
}

static int
take_most(const struct cli *c, const struct paging *list, int64_t *ret, struct err *e)
{
	return cli_get_int(c, "most", 1, INT32_MAX, list->most ? list->most : INT32_MAX, ret, e);
}

/* ---- verbs ---- */

int
paging_open(const struct cli *c, const struct paging *list, struct remote **ret, struct err *e)
{
	int64_t most;
	int rc = take_most(c, list, &most, e);

	return rc ? rc : remote_open(ret, e);
}

int
paging_print(const struct cli *c, struct remote *r, const struct paging *list, const char *path,
	     struct err *e)
{
	struct printer p = { .c = c, .r = r, .list = list, .table = { .columns = list->columns } };
	int64_t most;
	int rc = take_most(c, list, &most, e);

	memcpy(p.table.head, list->head, sizeof(p.table.head));
	if (rc == 0)
		rc = walk(r, list, path, most, print_page, &p, e);
	if (rc < 0)
		return rc;
	print_end(&p);
	return CLI_GOOD;
}

struct taker {
	paging_fn *fn;
	void *arg;
};

static bool
take_rows(void *arg, const json_t *rows, bool more)
{
	const struct taker *t = arg;
	size_t i;
	json_t *row;

	(void)more;
	json_array_foreach(rows, i, row)
	{
		if (!t->fn(t->arg, row))
			return false;
	}
	return true;
}

int
paging_each(struct remote *r, const struct paging *list, const char *path, paging_fn *fn, void *arg,
	    struct err *e)
{
	struct taker t = { fn, arg };

	return walk(r, list, path, INT32_MAX, take_rows, &t, e);
}
