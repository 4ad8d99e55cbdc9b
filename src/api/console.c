/* SPDX-License-Identifier: Apache-2.0 */
#include "api/console.h"

#include <assert.h>
#include <string.h>
#include "api/noun.h"
#include "http/coding.h"

/* CSP Level 3, Trusted Types: the script can make no markup of a text. */
#define POLICY                                                                                     \
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "                \
	"connect-src 'self' %s; "                                                                  \
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "                            \
	"require-trusted-types-for 'script'; trusted-types 'none'"
/* In the page: where the addresses of the nodes stand, which its script asks for their health. */
#define NODES "@NODES@"
#define FOR_EVER "public, max-age=31536000, immutable"

/* The table's first file. Its nodes are filled in. */
static void
add_page(struct buf *to, const struct console_form *page, const char *nodes)
{
	const unsigned char *at = memmem(page->data, page->len, NODES, strlen(NODES));

	assert(at);
	size_t before = (size_t)(at - page->data);
	buf_add(to, page->data, before);
	buf_adds(to, nodes);
	buf_add(to, at + strlen(NODES), page->len - before - strlen(NODES));
}

/* NULL: no such asset. */
static const struct console_file *
find_asset(const char *name)
{
	size_t n;
	const struct console_file *f = console_files(&n);

	for (size_t i = 1; i < n; i++)
		if (strcmp(f[i].name, name) == 0)
			return &f[i];
	return NULL;
}

static void
answer_file(struct request *rq, const struct console_file *f)
{
	rq->status = 200;
	rq->reply_type = f->type;
	request_header(rq, "Cross-Origin-Resource-Policy", "same-origin");
}

/* On an HTTP thread, as below. */
static void
answer_page(struct api_call *c)
{
	struct request *rq = c->rq;
	size_t n;
	const struct console_file *page = console_files(&n);
	const char *nodes = call_nodes(c);

	answer_file(rq, page);
	request_header(rq, "Content-Security-Policy", arena_printf(rq->arena, POLICY, nodes));
	request_header(rq, "Cross-Origin-Opener-Policy", "same-origin");
	add_page(&rq->reply, &page->plain, nodes);
}

/* A page of another release asks for what that one had. */
static void
refuse_asset(struct request *rq)
{
	struct err e = { 0 };

	(void)err_set(&e, ERR_NOT_FOUND,
		      "the console of this release has no such file; load the page anew");
	request_error(rq, &e);
}

static void
answer_asset(struct api_call *c)
{
	struct request *rq = c->rq;
	const struct console_file *f = find_asset(c->match.params[0].text);

	if (!f) {
		refuse_asset(rq);
		return;
	}
	bool packed = coding_takes_gzip(rq->accept_encoding);
	const struct console_form *form = packed ? &f->gzip : &f->plain;
	answer_file(rq, f);
	request_header(rq, "Cache-Control", FOR_EVER);
	request_header(rq, "Vary", "Accept-Encoding");
	if (packed)
		request_header(rq, "Content-Encoding", "gzip");
	buf_add(&rq->reply, form->data, form->len);
}

/* clang-format off */
#define PAGE ROUTE_PUBLIC | ROUTE_ANY_MODE | ROUTE_DIRECT
const struct route routes_console[] = {
	{ HTTP_GET, "/", DIRECT(answer_page), 0, PAGE,
	  NO_BODY, NO_QUERY, 0, "text/html",
	  "The console: the status of the pair, and passwords, for a browser. It names its assets." },
	{ HTTP_GET, "/assets/{file}", DIRECT(answer_asset), 0, PAGE,
	  NO_BODY, NO_QUERY, 0, "text/css|text/javascript|image/svg+xml",
	  "An asset of the console. Its name changes with its content: browsers may keep it for ever. Compressed with gzip for whoever takes that. 404: another release had it." },
	{ 0 },
};

const struct shape replies_console[] = {
	{ 0 },
};
/* clang-format on */
