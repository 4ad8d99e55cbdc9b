/* SPDX-License-Identifier: Apache-2.0
 *
 * Every body table of the API: the first byte chooses the route, the rest is its body. What is accepted is within the
 * bounds of its rows.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "api/routes.h"
#include "http/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerInitialize(int *argc, char ***argv);

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	http_init();
	return 0;
}

/* The nth of those routes that take a JSON body. */
static const struct route *
choose(unsigned nth)
{
	unsigned with = 0;

	ROUTER_EACH(route_tables, r)
	with += r->body != NULL;
	assert(with > 0);
	nth %= with;
	ROUTER_EACH(route_tables, r)
	if (r->body && nth-- == 0)
		return r;
	abort();
}

static void
check_value(const struct jfield *f, const void *at)
{
	const char *text = f->kind == JTEXT ? *(const char *const *)at : NULL;
	const struct jmap *map = at;
	const struct jtexts *texts = at;

	switch (f->kind) {
	case JTEXT:
		assert(strlen(text) <= (size_t)f->bound && utf8_valid(text, strlen(text)));
		break;
	case JINT:
		assert(*(const int64_t *)at >= 0 && *(const int64_t *)at <= f->bound);
		break;
	case JBOOL:
		assert(*(const uint8_t *)at <= 1);
		break;
	case JMAP:
		assert(map->n <= (size_t)f->bound);
		for (size_t i = 0; i < map->n; i++)
			assert(strlen(map->entries[i].value) == map->entries[i].value_len);
		break;
	case JTEXTS:
		assert(texts->n <= (size_t)f->bound);
		break;
	}
}

static void
check_body(const struct route *r, const char *out, uint64_t seen)
{
	for (const struct jfield *f = r->body; f->name; f++) {
		bool there = seen >> (f - r->body) & 1;

		assert(there || !(f->flags & JREQUIRED));
		if (there)
			check_value(f, out + f->offset);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const struct route *r = choose(n ? data[0] : 0);
	struct request *rq = request_new();
	struct err e = { 0 };
	uint64_t seen;
	void *out;
	int rc;

	rq->content_type = "application/json";
	if (n > 1)
		buf_add(&rq->body, data + 1, n - 1);
	rc = router_body(r, rq, &out, &seen, &e);
	if (rc == 0)
		check_body(r, out, seen);
	else
		assert(rc == e.code &&
		       (rc == ERR_BAD_JSON || rc == ERR_BAD_FIELD || rc == ERR_TOO_LARGE));
	request_free(rq);
	return 0;
}
