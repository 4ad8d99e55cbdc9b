/* SPDX-License-Identifier: Apache-2.0 */
#include "http/router.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

/* ---- match ---- */

struct span {
	const char *p;
	size_t n;
	bool is_id;
};

/* Walks pattern and path side by side. */
static bool
pattern_fits(const char *pattern, const char *path, struct span *params, unsigned *ret_n)
{
	unsigned k = 0;

	while (*pattern) {
		size_t n;

		if (*pattern != '{') {
			if (*pattern++ != *path++)
				return false;
			continue;
		}
		n = strcspn(path, "/");
		if (n == 0)
			return false;
		assert(k < ROUTER_PARAMS_MAX);
		params[k++] = (struct span){ path, n, strncmp(pattern, "{id}", 4) == 0 };
		path += n;
		pattern += strcspn(pattern, "}") + 1;
	}
	*ret_n = k;
	return *path == '\0';
}

/* HEAD is GET whose body stays here. */
static bool
method_fits(const struct route *r, enum http_method m)
{
	return r->method == m || (m == HTTP_HEAD && r->method == HTTP_GET);
}

static const struct route *
find_route(const struct route *const *tables, enum http_method m, const char *path,
	   struct span *params, unsigned *ret_n)
{
	ROUTER_EACH(tables, r)
	if (method_fits(r, m) && pattern_fits(r->pattern, path, params, ret_n))
		return r;
	return NULL;
}

const struct route *
router_row(const struct route *const *tables, size_t nth)
{
	ROUTER_EACH(tables, r)
	if (nth-- == 0)
		return r;
	return NULL;
}

/* No row fits the method: 405 and Allow when the path is known, else 404. */
static int
refuse_match(const struct route *const *tables, struct request *rq, struct err *e)
{
	struct span params[ROUTER_PARAMS_MAX];
	unsigned nparams, known = 0;
	auto_buf allow = BUF_INIT;

	ROUTER_EACH(tables, r)
	{
		unsigned bit = 1U << r->method;

		if ((known & bit) || !pattern_fits(r->pattern, rq->path, params, &nparams))
			continue;
		known |= bit;
		buf_addf(&allow, "%s%s", allow.len ? ", " : "", request_method_name(r->method));
	}
	if (!known)
		return err_set(e, ERR_NOT_FOUND, "there is nothing at this address");
	request_header(rq, "Allow", buf_str(&allow));
	return err_set(e, ERR_METHOD, "this address takes %s", buf_str(&allow));
}

static void
take_param(struct arena *a, const struct span *s, struct route_param *ret)
{
	*ret = (struct route_param){ .text = arena_strndup(a, s->p, s->n), .is_id = s->is_id };
	ret->fits = !s->is_id || uuid_parse(ret->text, &ret->id) == 0;
}

int
router_match(const struct route *const *tables, struct request *rq, struct route_match *ret,
	     struct err *e)
{
	struct span params[ROUTER_PARAMS_MAX];
	unsigned nparams = 0;
	const struct route *r = find_route(tables, rq->method, rq->path, params, &nparams);

	if (!r)
		return refuse_match(tables, rq, e);
	*ret = (struct route_match){ .route = r, .nparams = nparams };
	for (unsigned i = 0; i < nparams; i++)
		take_param(rq->arena, &params[i], &ret->params[i]);
	return 0;
}

int
router_params(const struct route_match *m, struct err *e)
{
	for (unsigned i = 0; i < m->nparams; i++)
		if (!m->params[i].fits)
			return err_set(e, ERR_NOT_FOUND, "%s", err_info(ERR_NOT_FOUND)->text);
	return 0;
}

size_t
router_limit(const struct route *const *tables, enum http_method method, const char *path)
{
	struct span params[ROUTER_PARAMS_MAX];
	unsigned nparams;
	const struct route *r = find_route(tables, method, path, params, &nparams);

	return r ? r->limit : ROUTER_UNKNOWN_LIMIT;
}

/* ---- query and body ---- */

int
router_query(const struct route *r, struct request *rq, void **ret, struct err *e)
{
	void *query = r->query ? arena_alloc(rq->arena, r->query_size) : NULL;
	int rc = query_parse(r->query, rq, query, e);

	if (rc == 0)
		*ret = query;
	return rc;
}

/* The media type without its parameters, compared as RFC 9110 has it. */
static bool
media_type_is(const char *content_type, const char *want)
{
	size_t n = strlen(want);

	if (!content_type || strncasecmp(content_type, want, n) != 0)
		return false;
	return content_type[n + strspn(content_type + n, " \t")] == '\0' ||
	       content_type[n + strspn(content_type + n, " \t")] == ';';
}

static int
check_raw_type(const struct request *rq, struct err *e)
{
	static const char *const unasked[] = { "application/x-www-form-urlencoded",
					       "multipart/form-data", "text/plain" };

	if (!rq->content_type)
		return err_set(e, ERR_USAGE, "the body needs a Content-Type");
	for (size_t i = 0; i < ARRAY_LEN(unasked); i++)
		if (media_type_is(rq->content_type, unasked[i]))
			return err_set(e, ERR_USAGE, "a body of type %s is not taken", unasked[i]);
	return 0;
}

static int
parse_table_body(const struct route *r, struct request *rq, void **ret_body, uint64_t *ret_seen,
		 struct err *e)
{
	bool empty = rq->body.len == 0;
	void *body = arena_alloc(rq->arena, r->body_size);
	int rc;

	if (!empty && !media_type_is(rq->content_type, "application/json"))
		return err_set(e, ERR_BAD_JSON,
			       "the body must be sent as Content-Type: application/json");
	rc = json_parse_body(empty ? "{}" : rq->body.data, empty ? 2 : rq->body.len, r->body, body,
			     ret_seen, rq->arena, e);
	if (rc == 0)
		*ret_body = body;
	return rc;
}

int
router_body(const struct route *r, struct request *rq, void **ret_body, uint64_t *ret_seen,
	    struct err *e)
{
	*ret_body = NULL;
	*ret_seen = 0;
	if (rq->body.len > r->limit)
		return err_set(e, ERR_TOO_LARGE, "the body may have at most %zu bytes here",
			       r->limit);
	if (r->body)
		return parse_table_body(r, rq, ret_body, ret_seen, e);
	return rq->body.len > 0 ? check_raw_type(rq, e) : 0;
}
