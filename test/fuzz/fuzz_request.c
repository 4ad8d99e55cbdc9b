/* SPDX-License-Identifier: Apache-2.0
 *
 * A request as it arrives: the first line is the method, a space and the raw target; each further one a header, "name: value".
 */
#include <assert.h>
#include <string.h>
#include "http/coding.h"
#include "http/request.h"
#include "http/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
check_text(const char *s, size_t max)
{
	if (!s)
		return;
	assert(strlen(s) <= max);
	for (; *s; s++)
		assert(((unsigned char)*s >= 0x20 || *s == '\t') && *s != 0x7f);
}

static void
check_query(const struct request *rq)
{
	assert(rq->nquery <= REQUEST_QUERY_MAX);
	for (unsigned i = 0; i < rq->nquery; i++) {
		const struct request_pair *q = &rq->query[i];

		assert(q->name[0] && utf8_valid(q->name, strlen(q->name)));
		assert(utf8_valid(q->value, strlen(q->value)));
		assert(request_query(rq, q->name) == q->value); /* no doubles */
		check_text(q->name, REQUEST_RAW_QUERY_MAX);
		check_text(q->value, REQUEST_RAW_QUERY_MAX);
	}
}

static void
check_request(const struct request *rq)
{
	if (rq->path)
		assert(rq->path[0] == '/');
	check_query(rq);
	check_text(rq->bearer, 512);
	check_text(rq->cookie, 512);
	check_text(rq->origin, 400);
	check_text(rq->content_type, 200);
	check_text(rq->accept_encoding, 2 * REQUEST_CODINGS_MAX);
	(void)coding_takes_gzip(rq->accept_encoding);
	assert(rq->content_length >= 0);
	if (rq->bearer)
		assert(rq->bearer[0] && !strpbrk(rq->bearer, " ,;\"\\"));
	if (rq->cookie)
		assert(rq->cookie[0] && !strpbrk(rq->cookie, " ,;\"\\"));
}

static int
take_line(struct request *rq, char *line, size_t n, bool first, struct err *e)
{
	char *sep = memchr(line, first ? ' ' : ':', n), *value;

	if (!sep)
		return 0;
	*sep = '\0';
	value = sep + 1;
	if (first) {
		rq->method = request_method(line);
		return request_target(rq, value, e);
	}
	if (*value == ' ')
		value++;
	return request_take_header(rq, line, value, (size_t)(line + n - value), e);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct request *rq = request_new();
	char *text = arena_alloc(rq->arena, n + 1), *end = text + n;
	struct err e = { 0 };
	int rc = 0;

	memcpy(text, data, n);
	for (char *line = text; line < end && rc == 0;) {
		char *stop = memchr(line, '\n', (size_t)(end - line));

		if (!stop)
			stop = end;
		*stop = '\0';
		rc = take_line(rq, line, (size_t)(stop - line), line == text, &e);
		line = stop + 1;
	}
	assert(rc == 0 || ((rc == ERR_USAGE || rc == ERR_BAD_FIELD) && e.code == rc));
	if (rc == 0 && request_check_headers(rq, &e) == 0)
		check_request(rq);
	request_free(rq);
	return 0;
}
