/* SPDX-License-Identifier: Apache-2.0 */
#include "api/console.h"

#include <assert.h>
#include <string.h>

/* CSP Level 3, Trusted Types: the script can make no markup of a text. */
#define POLICY                                                                                     \
	"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "            \
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "                            \
	"require-trusted-types-for 'script'"

void
console_answer(struct api_call *c)
{
	struct request *rq = c->rq;
	size_t n, i = 0;
	const struct console_file *f = console_files(&n);

	while (i < n && strcmp(f[i].path, rq->path) != 0)
		i++;
	assert(i < n);
	rq->status = 200;
	rq->reply_type = f[i].type;
	request_header(rq, "Content-Security-Policy", POLICY);
	request_header(rq, "Cross-Origin-Opener-Policy", "same-origin");
	request_header(rq, "Cross-Origin-Resource-Policy", "same-origin");
	buf_add(&rq->reply, f[i].data, f[i].len);
}
