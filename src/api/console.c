/* SPDX-License-Identifier: Apache-2.0 */
#include "api/console.h"

#include <assert.h>
#include <string.h>
#include "api/noun.h"

/* CSP Level 3, Trusted Types: the script can make no markup of a text. */
#define POLICY                                                                                     \
	"default-src 'none'; script-src 'self'; style-src 'self'; "                                \
	"connect-src 'self' %s; "                                                                  \
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "                            \
	"require-trusted-types-for 'script'; trusted-types 'none'"
/* In the page at /: where the addresses of the nodes stand, which its script asks for their health. */
#define NODES "@NODES@"

static void
add_file(struct buf *to, const struct console_file *f, const char *nodes)
{
	const unsigned char *at = memmem(f->data, f->len, NODES, strlen(NODES));

	if (!at) {
		buf_add(to, f->data, f->len);
		return;
	}
	size_t before = (size_t)(at - f->data);
	buf_add(to, f->data, before);
	buf_adds(to, nodes);
	buf_add(to, at + strlen(NODES), f->len - before - strlen(NODES));
}

/* The file of rq->path, on an HTTP thread. The table names no path that is not a file. */
static void
console_answer(struct api_call *c)
{
	struct request *rq = c->rq;
	size_t n, i = 0;
	const struct console_file *f = console_files(&n);
	const char *nodes = call_nodes(c);

	while (i < n && strcmp(f[i].path, rq->path) != 0)
		i++;
	assert(i < n);
	rq->status = 200;
	rq->reply_type = f[i].type;
	request_header(rq, "Content-Security-Policy", arena_printf(rq->arena, POLICY, nodes));
	request_header(rq, "Cross-Origin-Opener-Policy", "same-origin");
	request_header(rq, "Cross-Origin-Resource-Policy", "same-origin");
	add_file(&rq->reply, &f[i], nodes);
}

/* clang-format off */
#define PAGE ROUTE_PUBLIC | ROUTE_ANY_MODE | ROUTE_DIRECT
const struct route routes_console[] = {
	{ HTTP_GET, "/", DIRECT(console_answer), 0, PAGE,
	  NO_BODY, NO_QUERY, 0, "text/html",
	  "The console: the status of the pair, and passwords, for a browser." },
	{ HTTP_GET, "/console.css", DIRECT(console_answer), 0, PAGE,
	  NO_BODY, NO_QUERY, 0, "text/css",
	  "What the console looks like." },
	{ HTTP_GET, "/console.js", DIRECT(console_answer), 0, PAGE,
	  NO_BODY, NO_QUERY, 0, "text/javascript",
	  "What the console does." },
	{ 0 },
};

const struct shape replies_console[] = {
	{ 0 },
};
/* clang-format on */
